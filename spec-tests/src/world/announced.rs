//! What both sides of a connection announce, which may differ from one connection to the next.

use mqtt5_session_fsm::Limits;
use mqtt5_session_fsm::codec::Qos;

use super::application::Side;
use super::config::Config;

/// In which limit a connection differs from the ordinary ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Variant {
    Ordinary,
    SmallPackets,
    OneAtATime,
    QosZero,
    QosOne,
    NothingRetained,
    NoAliases,
}

impl Variant {
    pub(super) const ALL: [Variant; 7] = [
        Variant::Ordinary,
        Variant::SmallPackets,
        Variant::OneAtATime,
        Variant::QosZero,
        Variant::QosOne,
        Variant::NothingRetained,
        Variant::NoAliases,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Variant::Ordinary => "ordinary limits",
            Variant::SmallPackets => "a small Maximum Packet Size",
            Variant::OneAtATime => "Receive Maximum 1",
            Variant::QosZero => "Maximum QoS 0",
            Variant::QosOne => "Maximum QoS 1",
            Variant::NothingRetained => "Retain Available 0",
            Variant::NoAliases => "Topic Alias Maximum 0",
        }
    }
}

/// The Maximum Packet Size of [`Variant::SmallPackets`]: CONNECT, CONNACK and acknowledgements fit, messages with
/// a padding do not.
const SMALL: u32 = 40;

/// The Topic Name of all messages.
pub(super) const TOPIC: &str = "t";

/// What a side of a connection announces.
pub(super) fn announced(config: &Config, side: Side, variant: Variant) -> Limits {
    let mut limits = Limits {
        receive_maximum: match side {
            Side::Client => config.window_down,
            Side::Server => config.window_up,
        },
        maximum_packet_size: match config.packet_size {
            0 => Limits::NONE.maximum_packet_size,
            size => size,
        },
        topic_alias_maximum: config.aliases,
        ..Limits::NONE
    };
    let of_server = side == Side::Server;
    match variant {
        Variant::Ordinary => {}
        Variant::SmallPackets => limits.maximum_packet_size = SMALL,
        Variant::OneAtATime => limits.receive_maximum = 1,
        Variant::QosZero if of_server => limits.maximum_qos = Qos::AtMostOnce,
        Variant::QosOne if of_server => limits.maximum_qos = Qos::AtLeastOnce,
        Variant::NothingRetained if of_server => limits.retain_available = false,
        Variant::NoAliases => limits.topic_alias_maximum = 0,
        // A Client announces neither.
        Variant::QosZero | Variant::QosOne | Variant::NothingRetained => {}
    }
    limits
}
