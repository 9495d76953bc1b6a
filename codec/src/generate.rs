//! Valid packets from unstructured bytes, for fuzzing and property tests (feature `arbitrary`).
//!
//! A [`Packet`](crate::Packet) borrows, so what is generated is a [`Frame`]: the bytes of one whole
//! packet, which this crate decodes. Every packet type, property, Reason Code and short form comes
//! up; numbers, lengths and characters crowd at the borders of what is allowed. Strings may contain
//! the code points that the standard advises against (section 1.5.4), since they are valid.
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
//! let frame: Frame = source.arbitrary()?;
//! assert!(frame.decode(ProtocolVersion::V5_0).is_ok());
//!
//! let frame = generate::frame_from(Role::Server, &mut source)?;
//! assert!(frame.decode_from(ProtocolVersion::V5_0, Role::Server).is_ok());
//!
//! let frame = generate::frame_of(PacketType::PingReq, &mut Unstructured::new(&[]))?;
//! assert_eq!(frame.decode(ProtocolVersion::V5_0), Ok(Packet::PingReq));
//! # Ok::<(), arbitrary::Error>(())
//! ```

mod number;
mod packets;
mod properties;
mod text;

use arbitrary::{Arbitrary, Error, Result, Unstructured};

pub use text::{binary, matching_pair, text, topic_filter, topic_name};

use crate::framing::Frame;
use crate::{PacketType, ProtocolVersion, Role};

/// A packet of any type that one of the two sides may send.
///
/// # Errors
///
/// None that we know of: see the [module](self).
pub fn frame(source: &mut Unstructured<'_>) -> Result<Frame> {
    let packet_type = *source.choose(&PacketType::ALL)?;
    frame_of(packet_type, source)
}

/// A packet of this type, from a side that may send it.
///
/// # Errors
///
/// As [`frame`].
pub fn frame_of(packet_type: PacketType, source: &mut Unstructured<'_>) -> Result<Frame> {
    let senders = [Role::Client, Role::Server];
    let sender = match senders.map(|sender| packet_type.sent_by(ProtocolVersion::V5_0, sender)) {
        [true, false] => Role::Client,
        [false, _] => Role::Server,
        [true, true] => *source.choose(&senders)?,
    };
    frame_of_from(packet_type, sender, source)
}

/// A packet of any type that this side may send, saying only what this side may say.
///
/// # Errors
///
/// As [`frame`].
pub fn frame_from(sender: Role, source: &mut Unstructured<'_>) -> Result<Frame> {
    let mut choices = PacketType::ALL.to_vec();
    choices.retain(|packet_type| packet_type.sent_by(ProtocolVersion::V5_0, sender));
    let packet_type = *source.choose(&choices)?;
    frame_of_from(packet_type, sender, source)
}

/// A packet of this type as this side may send it.
///
/// # Errors
///
/// [`Error::IncorrectFormat`] if this side never sends such packets.
pub fn frame_of_from(
    packet_type: PacketType,
    sender: Role,
    source: &mut Unstructured<'_>,
) -> Result<Frame> {
    if packet_type.sent_by(ProtocolVersion::V5_0, sender) {
        packets::frame(packet_type, sender, source)
    } else {
        Err(Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for Frame {
    fn arbitrary(source: &mut Unstructured<'a>) -> Result<Self> {
        frame(source)
    }
}

#[cfg(test)]
mod tests;
