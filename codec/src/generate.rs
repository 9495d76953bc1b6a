//! Valid packets from unstructured bytes, for fuzzing and property tests (feature `arbitrary`).
//!
//! A [`Packet`](crate::Packet) borrows, so what is generated is a [`Frame`]: the bytes of one whole
//! packet, which this crate decodes. Every packet type, property, Reason Code and short form comes
//! up; numbers, lengths and characters crowd at the borders of what is allowed. Strings may contain
//! the code points that the standard advises against (section 1.5.4), since they are valid.
//!
//! The version comes first, as everywhere: what is generated for MQTT 3.1.1 says what that version can say,
//! and nothing else. Such a packet has no properties, no Reason Codes but those of CONNACK (its section
//! 3.2.2.3) and SUBACK (3.9.3), no options of a subscription but the QoS (3.8.3), and is never an AUTH. A
//! CONNECT has a password only with a User Name (3.1.2.9), and an empty ClientID only with Clean Session 1
//! (3.1.3.1). A Topic Filter may begin with `$share/` and be no Shared Subscription.
//!
//! What breaks a rule is never generated, nor is a valid packet that is longer than it needs to be: one that
//! writes out the Reason Code 0x00 or the Property Length 0 where they may be left out.
//!
//! No bytes are too few: what is missing counts as 0, and that makes the smallest packet. So smaller
//! input makes smaller packets, and that is how fuzzers and property tests shrink.
//!
//! ```
//! use arbitrary::Unstructured;
//! use mqtt5_codec::{Packet, PacketType, ProtocolVersion, Role, generate};
//! use mqtt5_codec::framing::Frame;
//!
//! let mut source = Unstructured::new(b"whatever a fuzzer comes up with");
//! let version = ProtocolVersion::V3_1_1;
//! let frame = generate::frame_from(version, Role::Server, &mut source)?;
//! assert!(frame.decode_from(version, Role::Server).is_ok());
//!
//! let frame = generate::frame_of(version, PacketType::PingReq, &mut Unstructured::new(&[]))?;
//! assert_eq!(frame.decode(version), Ok(Packet::PingReq));
//!
//! let frame: Frame = source.arbitrary()?; // one of MQTT 5
//! assert!(frame.decode(ProtocolVersion::V5_0).is_ok());
//! # Ok::<(), arbitrary::Error>(())
//! ```

mod number;
mod packets;
mod properties;
mod speaker;
mod text;

use arbitrary::{Arbitrary, Error, Result, Unstructured};

pub use text::{binary, matching_pair, text, topic_filter, topic_name};

use self::speaker::Speaker;
use crate::framing::Frame;
use crate::{PacketType, ProtocolVersion, Role};

/// A packet of any type that one of the two sides may send.
///
/// # Errors
///
/// None that we know of: see the [module](self).
pub fn frame(version: ProtocolVersion, source: &mut Unstructured<'_>) -> Result<Frame> {
    let [client, server] = speakers(version);
    let mut choices = PacketType::ALL.to_vec();
    choices.retain(|packet_type| client.sends(*packet_type) || server.sends(*packet_type));
    let packet_type = *source.choose(&choices)?;
    frame_of(version, packet_type, source)
}

/// A packet of this type, from a side that may send it.
///
/// # Errors
///
/// [`Error::IncorrectFormat`] if the version has no such packets.
pub fn frame_of(
    version: ProtocolVersion,
    packet_type: PacketType,
    source: &mut Unstructured<'_>,
) -> Result<Frame> {
    let mut choices = speakers(version).to_vec();
    choices.retain(|speaker| speaker.sends(packet_type));
    match choices[..] {
        [] => Err(Error::IncorrectFormat),
        [one] => packets::frame(packet_type, one, source),
        _ => packets::frame(packet_type, *source.choose(&choices)?, source),
    }
}

/// A packet of any type that this side may send, saying only what this side may say.
///
/// # Errors
///
/// As [`frame`].
pub fn frame_from(
    version: ProtocolVersion,
    sender: Role,
    source: &mut Unstructured<'_>,
) -> Result<Frame> {
    let speaker = Speaker::new(version, sender);
    let mut choices = PacketType::ALL.to_vec();
    choices.retain(|packet_type| speaker.sends(*packet_type));
    let packet_type = *source.choose(&choices)?;
    packets::frame(packet_type, speaker, source)
}

/// A packet of this type as this side may send it.
///
/// # Errors
///
/// [`Error::IncorrectFormat`] if this side never sends such packets.
pub fn frame_of_from(
    version: ProtocolVersion,
    packet_type: PacketType,
    sender: Role,
    source: &mut Unstructured<'_>,
) -> Result<Frame> {
    let speaker = Speaker::new(version, sender);
    match speaker.sends(packet_type) {
        true => packets::frame(packet_type, speaker, source),
        false => Err(Error::IncorrectFormat),
    }
}

fn speakers(version: ProtocolVersion) -> [Speaker; 2] {
    [Role::Client, Role::Server].map(|role| Speaker::new(version, role))
}

/// A packet of MQTT 5: there is no argument that could say a version.
impl<'a> Arbitrary<'a> for Frame {
    fn arbitrary(source: &mut Unstructured<'a>) -> Result<Self> {
        frame(ProtocolVersion::V5_0, source)
    }
}

#[cfg(test)]
mod tests;
