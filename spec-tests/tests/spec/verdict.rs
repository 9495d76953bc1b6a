//! What the codec makes of some bytes, in the terms of the standard.

use mqtt5_codec::framing::{LARGEST_PACKET, RawPacket, Split, split};
use mqtt5_codec::{DecodeError, Packet, ProtocolVersion, Role, ViolationClass};

/// A judgement of some bytes, whoever makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Incomplete { needed: usize },
    Reject(Rejection),
}

/// Why, where, and what to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) class: ViolationClass,
    pub(crate) reason_code: u8,
    pub(crate) offset: usize,
}

/// Malformed Packet, 0x81.
pub(crate) fn malformed(offset: usize) -> Verdict {
    Verdict::Reject(Rejection {
        class: ViolationClass::Malformed,
        reason_code: 0x81,
        offset,
    })
}

/// Protocol Error, 0x82.
pub(crate) fn protocol_error(offset: usize) -> Verdict {
    Verdict::Reject(Rejection {
        class: ViolationClass::Protocol,
        reason_code: 0x82,
        offset,
    })
}

impl Verdict {
    /// The verdict that an error of the codec is, in a packet that starts at `start`.
    pub(crate) fn of_error(error: DecodeError, start: usize) -> Self {
        Verdict::Reject(Rejection {
            class: error.class(),
            reason_code: error.reason_code().to_byte(),
            offset: start + error.offset(),
        })
    }
}

/// The three ways to ask: not knowing the sender, and knowing it.
pub(crate) const SENDERS: [Option<Role>; 3] = [None, Some(Role::Client), Some(Role::Server)];

/// Decodes with what is known about the sender.
pub(crate) fn decode_raw<'a>(
    packet: &RawPacket<'a>,
    sender: Option<Role>,
) -> Result<Packet<'a>, DecodeError> {
    match sender {
        None => packet.decode(ProtocolVersion::V5_0),
        Some(sender) => packet.decode_from(ProtocolVersion::V5_0, sender),
    }
}

/// The codec's verdict on one whole packet.
pub(crate) fn of_packet(bytes: &[u8], sender: Option<Role>) -> Verdict {
    let decoded = match sender {
        None => Packet::decode(ProtocolVersion::V5_0, bytes),
        Some(sender) => Packet::decode_from(ProtocolVersion::V5_0, sender, bytes),
    };
    match decoded {
        Ok(_) => Verdict::Accept,
        Err(error) => Verdict::of_error(error, 0),
    }
}

/// What the codec makes of a stream of packets.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) packets: Vec<Packet<'a>>,
    pub(crate) verdict: Verdict,
    /// The error behind a rejection.
    pub(crate) error: Option<DecodeError>,
}

/// Splits and decodes until the input ends or a rule is broken.
pub(crate) fn read_stream(input: &[u8], sender: Option<Role>) -> Reading<'_> {
    let mut packets = Vec::new();
    let mut rest = input;
    loop {
        let start = input.len() - rest.len();
        if rest.is_empty() && start > 0 {
            return Reading {
                packets,
                verdict: Verdict::Accept,
                error: None,
            };
        }
        let error = match split(rest, LARGEST_PACKET) {
            Ok(Split::Incomplete { needed }) => {
                let verdict = Verdict::Incomplete { needed };
                return Reading {
                    packets,
                    verdict,
                    error: None,
                };
            }
            Ok(Split::Packet {
                packet,
                rest: after,
            }) => match decode_raw(&packet, sender) {
                Ok(packet) => {
                    packets.push(packet);
                    rest = after;
                    continue;
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        return Reading {
            packets,
            verdict: Verdict::of_error(error, start),
            error: Some(error),
        };
    }
}

/// The bytes of a packet as the codec writes them.
pub(crate) fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .unwrap_or_else(|error| panic!("{packet:?}: {error}"));
    bytes
}
