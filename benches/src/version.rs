//! A version as a type, because a [`Contender`](crate::contender::Contender) is made of functions that capture
//! nothing.

use mqtt5_codec::{EncodeError, Packet, ProtocolVersion};

use bytes::BufMut;

/// A version, and how a packet is encoded in it.
///
/// One function that encodes in both would be compiled for both. Each version has its own instead, so that it is
/// measured as in a program that speaks no other.
pub trait Version: 'static {
    /// The version.
    const VERSION: ProtocolVersion;

    /// As [`Packet::encode_to_slice`].
    fn encode_to_slice(packet: &Packet<'_>, out: &mut [u8]) -> Result<usize, EncodeError>;

    /// As [`Packet::encode`].
    fn encode(packet: &Packet<'_>, out: &mut impl BufMut) -> Result<(), EncodeError>;
}

/// MQTT 5.
#[derive(Debug)]
pub struct V5;

impl Version for V5 {
    const VERSION: ProtocolVersion = ProtocolVersion::V5_0;

    #[inline(always)]
    fn encode_to_slice(packet: &Packet<'_>, out: &mut [u8]) -> Result<usize, EncodeError> {
        packet.encode_to_slice(Self::VERSION, out)
    }

    #[inline(always)]
    fn encode(packet: &Packet<'_>, out: &mut impl BufMut) -> Result<(), EncodeError> {
        packet.encode(Self::VERSION, out)
    }
}

/// MQTT 3.1.1.
#[derive(Debug)]
pub struct V3;

macro_rules! by_type {
    ($packet:ident, |$body:ident| $call:expr) => {
        match $packet {
            Packet::Connect($body) => $call,
            Packet::ConnAck($body) => $call,
            Packet::Publish($body) => $call,
            Packet::PubAck($body) => $call,
            Packet::Subscribe($body) => $call,
            Packet::SubAck($body) => $call,
            other => unreachable!("no row is {other:?}"),
        }
    };
}

impl Version for V3 {
    const VERSION: ProtocolVersion = ProtocolVersion::V3_1_1;

    #[inline(always)]
    fn encode_to_slice(packet: &Packet<'_>, out: &mut [u8]) -> Result<usize, EncodeError> {
        by_type!(packet, |body| body.encode_to_slice(Self::VERSION, out))
    }

    #[inline(always)]
    fn encode(packet: &Packet<'_>, out: &mut impl BufMut) -> Result<(), EncodeError> {
        by_type!(packet, |body| body.encode(Self::VERSION, out))
    }
}
