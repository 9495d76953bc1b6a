//! Benchmarks of the codec and the state machines, alone and side by side with
//! the published ones.
//!
//! * [`packets`] builds the packets, of MQTT 5 and of MQTT 3.1.1, and [`mixed`] a stream of each as raw
//!   bytes, without the help of any codec.
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
//! What speaks of no version is about MQTT 5. For MQTT 3.1.1 there are packets to be decoded and encoded, a
//! stream of them, and exchanges of a client and a server.
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
pub mod version;

/// Nobody, without the feature `peers`.
#[cfg(not(feature = "peers"))]
pub mod peers {
    use crate::contender::Contender;

    /// All peers.
    pub const ALL: [Contender; 0] = [];

    /// Those that speak MQTT 3.1.1.
    pub const OF_V3_1_1: [Contender; 0] = [];
}

use contender::Contender;
use mqtt5_codec::ProtocolVersion;
use version::{V3, V5, Version};

/// Everyone who takes part in this version: our codec, its peers, and the others.
pub fn contenders(version: ProtocolVersion) -> Vec<Contender> {
    let mut contenders = Vec::new();
    match version {
        ProtocolVersion::V3_1_1 => {
            contenders.push(ours::codec::<V3>());
            contenders.extend(peers::OF_V3_1_1);
            contenders.extend(others::<V3>());
        }
        _ => {
            contenders.push(ours::CONTENDER);
            contenders.extend(peers::ALL);
            contenders.extend(others::<V5>());
            contenders.push(ours::SHARED);
        }
    }
    contenders
}

/// Contenders that are not peers: variants of our codec, and the baselines.
pub const fn others<V: Version>() -> [Contender; 6] {
    [
        ours::all_read::<V>(),
        ours::forwarded::<V>(),
        ours::appended::<V>(),
        ours::appended_shared::<V>(),
        baseline::header(),
        baseline::header_and_topic(),
    ]
}

/// Whether the contender with this name is a peer.
fn is_peer(name: &str) -> bool {
    peers::ALL.iter().any(|peer| peer.name == name)
}
