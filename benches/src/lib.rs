//! Benchmarks side by side with the published MQTT 5.0 codecs and state machines.
//!
//! * [`packets`] builds the packets and [`mixed`] the stream as raw bytes,
//!   without the help of any codec.
//! * [`contender`] says what every codec has to do: decode a packet, encode it
//!   again into a reused buffer, and split a stream that arrives in chunks.
//! * [`opponents`] does it with the published codecs, each in the fastest way
//!   its public API offers; [`ours`] does it with `mqtt5-codec`; and
//!   [`baseline`] does next to nothing, as a floor.
//! * [`measure`] times the contenders of one row in turn, and [`report`] makes
//!   a table of the ratios, with the [`goals`] that were set.
//! * [`malformed`] tries which wrong packets a codec accepts.
//! * [`sessions`] is about whole exchanges through state machines.
//!
//! `cargo run --release -p mqtt5-benches --bin ratios` prints the table. It is
//! what to compare by: there every contender has its turn in each of many short
//! rounds, while `cargo bench -p mqtt5-benches`, which runs the same rows under
//! Criterion, measures one contender after the other, and is good for following
//! one of them. `cargo run --release -p mqtt5-benches --bin instructions` counts
//! instructions with Callgrind, and needs `valgrind`.
//!
//! `cargo run --release -p mqtt5-benches --bin sessions` prints the tables about
//! state machines, and `--bin session_memory` counts what they allocate.

pub mod baseline;
pub mod contender;
pub mod framing;
pub mod goals;
pub mod malformed;
pub mod measure;
pub mod mixed;
pub mod opponents;
pub mod ours;
pub mod packets;
pub mod report;
pub mod sessions;

use contender::Contender;

/// Everyone who takes part: our codec, its opponents, and the baselines.
pub fn contenders() -> Vec<Contender> {
    let mut contenders = vec![ours::CONTENDER];
    contenders.extend(opponents::ALL);
    contenders.extend(NOT_OPPONENTS);
    contenders
}

/// Who is measured without being an opponent: variants of our codec, and the
/// baselines.
pub const NOT_OPPONENTS: [Contender; 5] = [
    ours::ALL_READ,
    ours::FORWARDED,
    ours::SHARED,
    baseline::HEADER,
    baseline::HEADER_AND_TOPIC,
];

/// Whether the contender with this name is an opponent.
fn is_opponent(name: &str) -> bool {
    opponents::ALL.iter().any(|opponent| opponent.name == name)
}
