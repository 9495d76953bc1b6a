//! What the codec makes of some bytes, in the terms of the standard.

use mqtt5_codec::framing::{LARGEST_PACKET, RawPacket, Split, split};
use mqtt5_codec::{DecodeError, Packet, PacketType, ProtocolVersion, Role, ViolationClass};

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

/// Decodes by these rules, with what is known about the sender. A CONNECT is read by the version that it names.
pub(crate) fn decode_by<'a>(
    version: ProtocolVersion,
    packet: &RawPacket<'a>,
    sender: Option<Role>,
) -> Result<Packet<'a>, DecodeError> {
    match sender {
        None => packet.decode(version),
        Some(sender) => packet.decode_from(version, sender),
    }
}

/// Decodes as a receiver that speaks MQTT 5.0 and nothing else.
pub(crate) fn decode_raw<'a>(
    packet: &RawPacket<'a>,
    sender: Option<Role>,
) -> Result<Packet<'a>, DecodeError> {
    let decoded = match names_3_1_1(packet) {
        true => Err(as_unknown_version(packet, sender)),
        false => decode_by(ProtocolVersion::V5_0, packet, sender),
    };
    // What is wrong with a CONNECT of another version is asked by the rules of 5.0.
    decoded.map_err(|error| error.in_version(ProtocolVersion::V5_0))
}

fn names_3_1_1(packet: &RawPacket<'_>) -> bool {
    let version = packet.protocol().and_then(|protocol| protocol.version());
    version == Some(ProtocolVersion::V3_1_1)
}

/// To this receiver Protocol Version 4 is what 6 is to everyone [MQTT-3.1.2-2].
fn as_unknown_version(packet: &RawPacket<'_>, sender: Option<Role>) -> DecodeError {
    let mut bytes = packet.as_bytes().to_vec();
    let level_at = packet.header().length() + b"\x00\x04MQTT".len();
    bytes[level_at] = 6;
    let newer = RawPacket::whole(&bytes).expect("still a packet");
    decode_by(ProtocolVersion::V5_0, &newer, sender).expect_err("no one knows version 6")
}

/// Decodes one whole packet as a receiver that speaks MQTT 5.0 and nothing else.
pub(crate) fn decode_whole(bytes: &[u8], sender: Option<Role>) -> Result<Packet<'_>, DecodeError> {
    let is_connect = bytes.first() == Some(&PacketType::Connect.first_byte());
    match (is_connect, sender) {
        (true, _) => decode_raw(&RawPacket::whole(bytes)?, sender),
        (false, None) => Packet::decode(ProtocolVersion::V5_0, bytes),
        (false, Some(sender)) => Packet::decode_from(ProtocolVersion::V5_0, sender, bytes),
    }
}

/// The codec's verdict on one whole packet.
pub(crate) fn of_packet(bytes: &[u8], sender: Option<Role>) -> Verdict {
    match decode_whole(bytes, sender) {
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

/// Splits and decodes until the input ends or a rule is broken, as a receiver that speaks MQTT 5.0 only.
pub(crate) fn read_stream(input: &[u8], sender: Option<Role>) -> Reading<'_> {
    read_with(ProtocolVersion::V5_0, input, |packet| {
        decode_raw(packet, sender)
    })
}

/// The same by the rules of this version, on a connection of it. The verdict is that of its rules; the error knows who
/// is to be answered.
pub(crate) fn read_stream_by(
    version: ProtocolVersion,
    input: &[u8],
    sender: Option<Role>,
) -> Reading<'_> {
    let mut reading = read_with(version, input, |packet| decode_by(version, packet, sender));
    if let (Verdict::Reject(rejection), Some(error)) = (&mut reading.verdict, reading.error) {
        rejection.class = error.in_version(version).class();
    }
    reading
}

fn read_with<'a>(
    version: ProtocolVersion,
    input: &'a [u8],
    decode: impl Fn(&RawPacket<'a>) -> Result<Packet<'a>, DecodeError>,
) -> Reading<'a> {
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
            }) => match decode(&packet) {
                Ok(packet) => {
                    packets.push(packet);
                    rest = after;
                    continue;
                }
                Err(error) => error,
            },
            Err(error) => error.in_version(version),
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
    encode_by(ProtocolVersion::V5_0, packet)
}

/// The same in this version.
pub(crate) fn encode_by(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet
        .encode(version, &mut bytes)
        .unwrap_or_else(|error| panic!("{packet:?}: {error}"));
    bytes
}
