//! The 15 Control Packets (chapter 3), one module for each of its sections or family of sections.

mod acknowledgement;
mod auth;
mod connack;
mod connect;
pub(crate) mod decode;
mod disconnect;
mod publish;
mod suback;
mod subscribe;
mod wrong_side;

pub use acknowledgement::{
    PubAck, PubAckProperties, PubComp, PubCompProperties, PubRec, PubRecProperties, PubRel,
    PubRelProperties,
};
pub use auth::{Auth, AuthProperties};
pub use connack::{ConnAck, ConnAckProperties};
pub(crate) use connack::{connect_acknowledge_flags, only_on_success};
#[cfg(mqtt5_faults)]
pub(crate) use connect::flag;
pub use connect::{Connect, ConnectProperties, Protocol, Will, WillProperties};
pub use decode::split_acknowledgement;
pub use disconnect::{Disconnect, DisconnectProperties};
pub use publish::{Delivery, Publish, PublishProperties, decode_plain_publish};
pub use suback::{
    ReasonCodes, SubAck, SubAckProperties, SubAckReasonCodes, UnsubAck, UnsubAckProperties,
    UnsubAckReasonCodes,
};
pub use subscribe::{
    RetainHandling, Subscribe, SubscribeProperties, Subscription, SubscriptionOptions,
    Subscriptions, TopicFilters, Unsubscribe, UnsubscribeProperties,
};

pub(crate) use publish::{
    PACKET_IDENTIFIER_LENGTH, PublishLayout, delivery, has_packet_identifier, is_retained,
    parse_head as parse_publish_head,
};

use self::decode::Parse;
use crate::encode::{self, Body};
use crate::framing::FixedHeader;
use crate::sink::Sink;
use crate::v3_1_1::V3;
use crate::wire::Parsed;
use crate::{EncodeError, PacketType, ProtocolVersion, Violation};

/// The number that ties an acknowledgement to what it acknowledges (section 2.2.1): never 0.
pub type PacketIdentifier = core::num::NonZeroU16;

/// How often a message may arrive (section 4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Qos {
    /// QoS 0: at most once.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: at least once.
    AtLeastOnce = 1,
    /// QoS 2: exactly once.
    ExactlyOnce = 2,
}

impl Qos {
    /// The QoS with this number.
    #[must_use]
    #[inline]
    pub const fn from_bits(bits: u8) -> Option<Qos> {
        match bits {
            0 => Some(Qos::AtMostOnce),
            1 => Some(Qos::AtLeastOnce),
            2 => Some(Qos::ExactlyOnce),
            _ => None,
        }
    }
}

/// A Control Packet (chapter 3). Its strings and bytes are borrowed: from the received bytes after
/// decoding, from the caller when it is built to be sent.
///
/// ```
/// use mqtt5_codec::{Packet, PacketIdentifier, Properties, ProtocolVersion, PubAck, ReasonCode};
///
/// let packet = Packet::from(PubAck {
///     packet_identifier: PacketIdentifier::new(10).unwrap(),
///     reason_code: ReasonCode::Success,
///     properties: Properties::EMPTY,
/// });
/// let mut bytes = Vec::new();
/// packet.encode(ProtocolVersion::V5_0, &mut bytes)?;
/// assert_eq!(bytes, [0x40, 0x02, 0x00, 0x0A]);
/// assert_eq!(Packet::decode(ProtocolVersion::V5_0, &bytes), Ok(packet));
/// # Ok::<(), mqtt5_codec::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
// A tag of its own: in the values that a field of CONNECT does not use, it takes four more instructions to read.
#[repr(u64)]
pub enum Packet<'a> {
    /// Connection request (section 3.1).
    Connect(Connect<'a>),
    /// Connect acknowledgement (section 3.2).
    ConnAck(ConnAck<'a>),
    /// Publish message (section 3.3).
    Publish(Publish<'a>),
    /// Publish acknowledgement, QoS 1 (section 3.4).
    PubAck(PubAck<'a>),
    /// Publish received, QoS 2 delivery part 1 (section 3.5).
    PubRec(PubRec<'a>),
    /// Publish release, QoS 2 delivery part 2 (section 3.6).
    PubRel(PubRel<'a>),
    /// Publish complete, QoS 2 delivery part 3 (section 3.7).
    PubComp(PubComp<'a>),
    /// Subscribe request (section 3.8).
    Subscribe(Subscribe<'a>),
    /// Subscribe acknowledgement (section 3.9).
    SubAck(SubAck<'a>),
    /// Unsubscribe request (section 3.10).
    Unsubscribe(Unsubscribe<'a>),
    /// Unsubscribe acknowledgement (section 3.11).
    UnsubAck(UnsubAck<'a>),
    /// PING request (section 3.12).
    PingReq,
    /// PING response (section 3.13).
    PingResp,
    /// Disconnect notification (section 3.14).
    Disconnect(Disconnect<'a>),
    /// Authentication exchange (section 3.15).
    Auth(Auth<'a>),
}

/// PINGREQ and PINGRESP: a fixed header and nothing else (sections 3.12 and 3.13).
pub(crate) struct Ping(PacketType);

impl<'a> Parse<'a> for Ping {
    #[inline]
    fn parse(header: FixedHeader, body: &'a [u8]) -> Parsed<'a, Self> {
        Ok((body, Ping(header.packet_type())))
    }
}

impl From<Ping> for Packet<'_> {
    #[inline]
    fn from(ping: Ping) -> Self {
        match ping.0 {
            PacketType::PingResp => Packet::PingResp,
            _ => Packet::PingReq,
        }
    }
}

impl Body<'_> for V3<&Ping> {
    fn packet_type(&self) -> PacketType {
        self.0.0
    }

    fn check(&self) -> Result<(), Violation> {
        Ok(())
    }

    fn write<S: Sink>(&self, _: &mut S) {}
}

impl Body<'_> for Ping {
    fn packet_type(&self) -> PacketType {
        self.0
    }

    fn check(&self) -> Result<(), Violation> {
        Ok(())
    }

    fn write<S: Sink>(&self, _: &mut S) {}
}

/// Calls a function of [`encode`] with the packet inside. A CONNECT speaks for itself, by another call.
macro_rules! with_body {
    ($packet:expr, |$body:ident| $call:expr) => {
        with_body!($packet, |$body| $call, CONNECT $call)
    };
    ($packet:expr, |$body:ident| $call:expr, CONNECT $call_of_connect:expr) => {
        match $packet {
            Packet::Connect($body) => $call_of_connect,
            Packet::ConnAck($body) => $call,
            Packet::Publish($body) => $call,
            Packet::PubAck($body) => $call,
            Packet::PubRec($body) => $call,
            Packet::PubRel($body) => $call,
            Packet::PubComp($body) => $call,
            Packet::Subscribe($body) => $call,
            Packet::SubAck($body) => $call,
            Packet::Unsubscribe($body) => $call,
            Packet::UnsubAck($body) => $call,
            Packet::PingReq => {
                let $body = &Ping(PacketType::PingReq);
                $call
            }
            Packet::PingResp => {
                let $body = &Ping(PacketType::PingResp);
                $call
            }
            Packet::Disconnect($body) => $call,
            Packet::Auth($body) => $call,
        }
    };
}

impl<'a> Packet<'a> {
    /// The type of the packet.
    #[must_use]
    pub fn packet_type(&self) -> PacketType {
        with_body!(self, |body| body.packet_type())
    }

    /// The Packet Identifier, in the packets that have one (section 2.2.1, Table 2-3).
    #[must_use]
    pub const fn packet_identifier(&self) -> Option<PacketIdentifier> {
        match self {
            Packet::Publish(packet) => packet.delivery.packet_identifier(),
            Packet::PubAck(packet) => Some(packet.packet_identifier),
            Packet::PubRec(packet) => Some(packet.packet_identifier),
            Packet::PubRel(packet) => Some(packet.packet_identifier),
            Packet::PubComp(packet) => Some(packet.packet_identifier),
            Packet::Subscribe(packet) => Some(packet.packet_identifier),
            Packet::SubAck(packet) => Some(packet.packet_identifier),
            Packet::Unsubscribe(packet) => Some(packet.packet_identifier),
            Packet::UnsubAck(packet) => Some(packet.packet_identifier),
            _ => None,
        }
    }

    /// The length of the encoded packet in bytes, fixed header included.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Invalid`] if the packet would break a rule.
    pub fn encoded_len(&self, version: ProtocolVersion) -> Result<usize, EncodeError> {
        match version {
            ProtocolVersion::V3_1_1 => with_body!(
                self,
                |body| encode::encoded_len(&V3(body)),
                CONNECT body.encoded_len(version)
            ),
            ProtocolVersion::V5_0 => with_body!(
                self,
                |body| encode::encoded_len(body),
                CONNECT body.encoded_len(version)
            ),
        }
    }

    /// Appends the packet to `out`, in its shortest form: Reason Code and Property Length are left
    /// out where the standard lets them be. Allocates nothing itself.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the packet would break a rule or `out` has too little room; nothing is
    /// written then.
    #[inline]
    pub fn encode<B: crate::Wire + ?Sized>(
        &self,
        version: ProtocolVersion,
        out: &mut B,
    ) -> Result<(), EncodeError> {
        match version {
            ProtocolVersion::V3_1_1 => with_body!(
                self,
                |body| encode::encode(&V3(body), out),
                CONNECT body.encode(version, out)
            ),
            ProtocolVersion::V5_0 => with_body!(
                self,
                |body| encode::encode(body, out),
                CONNECT body.encode(version, out)
            ),
        }
    }

    /// Writes the packet to the start of `out`, in its shortest form, and returns its length: the
    /// fastest way, as nothing has to be asked for room.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the packet would break a rule or `out` is too short; nothing is written
    /// then.
    #[inline]
    pub fn encode_to_slice(
        &self,
        version: ProtocolVersion,
        out: &mut [u8],
    ) -> Result<usize, EncodeError> {
        match version {
            ProtocolVersion::V3_1_1 => with_body!(
                self,
                |body| encode::encode_to_slice(&V3(body), out),
                CONNECT body.encode_to_slice(version, out)
            ),
            ProtocolVersion::V5_0 => with_body!(
                self,
                |body| encode::encode_to_slice(body, out),
                CONNECT body.encode_to_slice(version, out)
            ),
        }
    }

    /// As [`Packet::encode`], but leaves the payload of a PUBLISH out and returns it, uncopied. **The
    /// caller must write it next.** All other packets are written whole, and the rest is empty.
    ///
    /// # Errors
    ///
    /// As [`Packet::encode`].
    #[inline]
    pub fn encode_head<B: crate::Wire + ?Sized>(
        &self,
        version: ProtocolVersion,
        out: &mut B,
    ) -> Result<&'a [u8], EncodeError> {
        match version {
            ProtocolVersion::V3_1_1 => with_body!(
                self,
                |body| encode::encode_head(&V3(body), out),
                CONNECT body.encode(version, out).map(|()| &[][..])
            ),
            ProtocolVersion::V5_0 => with_body!(
                self,
                |body| encode::encode_head(body, out),
                CONNECT body.encode(version, out).map(|()| &[][..])
            ),
        }
    }
}
