//! Tokens of messages and requests, and their outcomes.

use core::fmt;

use mqtt5_codec::{
    PacketType, Properties, PubAckProperties, PubCompProperties, PubRecProperties, ReasonCode,
    SubAck, UnsubAck,
};

use crate::LimitExceeded;

/// The name of a message, a subscription or an unsubscription that was accepted. Each ends in
/// exactly one [`Outcome`].
///
/// Tokens of a Session ascend and never repeat, also after it was restored. The exception is a
/// crash: tokens that were not stored may be given again. These are the tokens of messages with QoS
/// 0, of subscriptions and unsubscriptions, and of messages that no
/// [`Output::Persist`](crate::Output::Persist) had announced.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(u64);

impl Token {
    pub(crate) const NONE: Token = Token(0);
    /// Tokens never reach this value.
    pub(crate) const TOO_HIGH: u64 = 1 << 63;

    /// Returns the token with this number, which the application kept elsewhere.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Token(number)
    }

    /// Returns its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    #[inline]
    pub(crate) const fn next(self) -> Token {
        Token(self.0 + 1)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Token({})", self.0)
    }
}

/// How a message, a subscription or an unsubscription ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// QoS 0: it was written. There is no acknowledgement.
    Sent,
    /// QoS 1: the peer answered with PUBACK. A Reason Code of 0x80 or above means that it refused
    /// the message.
    PubAck(ReasonCode, PubAckProperties<'a>),
    /// QoS 2: the peer refused the message with PUBREC and a Reason Code of 0x80 or above.
    PubRec(ReasonCode, PubRecProperties<'a>),
    /// QoS 2: the peer has the message. A Reason Code of 0x92 means that the peer no longer knew
    /// the exchange when the PUBREL came; it had acknowledged the message before.
    PubComp(ReasonCode, PubCompProperties<'a>),
    /// The Server's answer to a SUBSCRIBE, with a Reason Code for each Topic Filter.
    SubAck(SubAck<'a>),
    /// The Server's answer to an UNSUBSCRIBE, with a Reason Code for each Topic Filter.
    UnsubAck(UnsubAck<'a>),
    /// The Message Expiry Interval passed before the message was sent. An interval of 0 passes at
    /// once.
    Expired,
    /// Its deadline passed before it was sent:
    /// [`Publication::deadline`](crate::Publication::deadline). Of a SUBSCRIBE or UNSUBSCRIBE: the
    /// Server did not answer within
    /// [`ClientConfig::request_timeout`](crate::ClientConfig::request_timeout), and may still carry
    /// it out.
    TimedOut,
    /// It was withdrawn before it was sent.
    Withdrawn,
    /// It was dropped for a newer message: see [`WhenFull`](crate::WhenFull).
    Dropped,
    /// It exceeds a limit of the peer that was not known when it was accepted.
    Forbidden(LimitExceeded),
    /// It was not sent, and its Session has ended. Of a Client's messages only those with a Packet
    /// Identifier end so; the others wait for the next Session. A SUBSCRIBE or UNSUBSCRIBE ends so
    /// if no CONNACK with Success came.
    NotSent,
    /// It was sent, but whether it arrived is unknown: the Session ended, or the limits of a new
    /// connection did not let it be sent again. A SUBSCRIBE or UNSUBSCRIBE ends so if the Network
    /// Connection is lost.
    Indeterminate,
}

impl Outcome<'_> {
    /// A PUBACK that says Success and no more.
    pub(crate) const ACKNOWLEDGED: Outcome<'static> =
        Outcome::PubAck(ReasonCode::Success, Properties::EMPTY);
    /// A PUBCOMP that says Success and no more.
    pub(crate) const COMPLETED: Outcome<'static> =
        Outcome::PubComp(ReasonCode::Success, Properties::EMPTY);

    /// One of these.
    pub(crate) const fn success(packet_type: PacketType) -> Outcome<'static> {
        match packet_type {
            PacketType::PubAck => Outcome::ACKNOWLEDGED,
            _ => Outcome::COMPLETED,
        }
    }

    /// Returns whether the peer has confirmed it, for all of its Topic Filters if it has any.
    /// Returns `true` for a message with QoS 0 that was written.
    #[must_use]
    #[inline]
    pub fn is_success(&self) -> bool {
        match self {
            Outcome::Sent | Outcome::PubComp(..) => true,
            Outcome::PubAck(reason_code, _) => !reason_code.is_error(),
            Outcome::SubAck(suback) => suback.reason_codes.iter().all(|code| !code.is_error()),
            Outcome::UnsubAck(unsuback) => {
                unsuback.reason_codes.iter().all(|code| !code.is_error())
            }
            _ => false,
        }
    }
}
