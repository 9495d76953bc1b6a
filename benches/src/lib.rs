//! Benchmarks of the codec and the state machines, alone and side by side with
//! the published ones.
//!
//! * [`packets`] builds the packets and [`mixed`] the stream as raw bytes,
//!   without the help of any codec.
//! * [`contender`] says what every codec has to do: decode a packet, encode it
//!   again into a reused buffer, and split a stream that arrives in chunks.
//! * [`peers`] does it with the published codecs, each in the fastest way
//!   its public API offers; [`ours`] does it with `mqtt5-codec`; and
//!   [`baseline`] does next to nothing, as a floor.
//! * [`measure`] times the contenders of one row in turn, and [`report`] makes
//!   a table of the ratios, with the [`goals`] that were set.
//! * [`malformed`] tries which wrong packets a codec accepts.
//! * [`sessions`] is about whole exchanges through state machines, [`subscriptions`] about finding
//!   those who subscribed to a topic, [`routing`] about bringing them a message.
//! * [`callgrind`] counts instructions.
//!
//! Without the feature `peers`, only ours and the baselines take part.
//!
//! `benches/README.md` lists the commands, and what they printed last.

pub mod baseline;
pub mod callgrind;
pub mod contender;
pub mod framing;
pub mod goals;
pub mod malformed;
pub mod measure;
pub mod mixed;
pub mod ours;
pub mod packets;
#[cfg(feature = "peers")]
pub mod peers;
pub mod report;
pub mod routing;
pub mod sessions;
pub mod subscriptions;

/// Nobody, without the feature `peers`.
#[cfg(not(feature = "peers"))]
pub mod peers {
    use crate::contender::Contender;

    /// All peers.
    pub const ALL: [Contender; 0] = [];
}

use contender::Contender;

/// Everyone who takes part: our codec, its peers, and the baselines.
pub fn contenders() -> Vec<Contender> {
    let mut contenders = vec![ours::CONTENDER];
    contenders.extend(peers::ALL);
    contenders.extend(NOT_OPPONENTS);
    contenders
}

/// Contenders that are not peers: variants of our codec, and the baselines.
pub const NOT_OPPONENTS: [Contender; 7] = [
    ours::ALL_READ,
    ours::FORWARDED,
    ours::APPENDED,
    ours::APPENDED_SHARED,
    ours::SHARED,
    baseline::HEADER,
    baseline::HEADER_AND_TOPIC,
];

/// Whether the contender with this name is a peer.
fn is_peer(name: &str) -> bool {
    peers::ALL.iter().any(|peer| peer.name == name)
}
