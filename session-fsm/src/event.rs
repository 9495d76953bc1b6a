//! What comes out of the machines.

use core::fmt;
use core::time::Duration;

use mqtt5_codec::framing::LargePublish;
use mqtt5_codec::{
    Auth, ConnAck, Connect, Disconnect, Message, PacketIdentifier, PacketType, Publish, Qos,
    ReasonCode, Subscribe, Unsubscribe,
};

use crate::{Change, Outcome, PeerError, Receipt, Token};

/// What `poll` returns: something to do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "each output is said once"]
pub enum Output {
    /// Something happened.
    Event(Event<'static>),
    /// Store this change before anything that later calls of `poll` write goes to the network:
    /// packets that depend on it follow. Packets that are in the buffer already may go. If the
    /// change cannot be stored, discard the machine and the buffer, and restore the Session as
    /// after a crash. Only if [`SessionConfig::persistent`](crate::SessionConfig::persistent) is
    /// set.
    Persist(Change),
    /// The Network Connection is over. Write the buffer, then close the connection. No output for
    /// it follows.
    Close(Cause),
    /// The next packet does not fit into the buffer. Write the buffer to the network, and poll
    /// again with at least this many bytes of room.
    NeedsRoom(usize),
}

/// Something that happened. An event of a packet borrows from the packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "each event is said once"]
pub enum Event<'a> {
    /// A message arrived.
    Message(Delivered<'a>),
    /// The head of a large message arrived; the payload follows in parts, as [`Event::Payload`].
    /// The message is not complete and not acknowledged. If the Network Connection is lost before
    /// the last part, discard the parts: a message with QoS 1 or 2 comes again from the beginning.
    /// Only from `handle_piece`.
    LargeMessage(LargePublish<'a>),
    /// The next part of the payload of the large message. With the last part, the message has been
    /// received.
    Payload(PayloadPart<'a>),
    /// What became of something that was accepted.
    Outcome(Token, Outcome<'a>),
    /// The deadline of a message in flight has passed:
    /// [`Publication::deadline`](crate::Publication::deadline). It is reported once. The message
    /// cannot be taken back; its outcome is still to come.
    Overdue(Token),
    /// There is room again for the smallest message that was refused with
    /// [`PublishError::Busy`](crate::PublishError::Busy).
    Room,
    /// An acknowledgement came for a Packet Identifier that is not in use. This does no harm: after
    /// a lost connection, the peer may repeat an acknowledgement.
    UnknownIdentifier {
        /// The type of the acknowledgement.
        packet_type: PacketType,
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// Client: the PINGRESP to a PINGREQ of [`Client::ping`](crate::Client::ping).
    PingResp {
        /// The time from the `poll` that wrote the PINGREQ to the `receive` that read the PINGRESP,
        /// without the time in which this side did not read.
        round_trip: Duration,
    },
    /// An AUTH came (section 4.12). If its Reason Code is 0x18 or 0x19, answer it with
    /// `authenticate`.
    Authentication(Auth<'a>),
    /// The peer's DISCONNECT. [`Output::Close`] follows.
    Disconnect(Disconnect<'a>),
    /// Client: the Server accepted the connection. If Session Present is 0, there is a new Session,
    /// and the Client must subscribe again. Subscriptions that ended as [`Outcome::Indeterminate`]
    /// must be made again in any case. An Assigned Client Identifier is the Session's ClientID from
    /// now on, whether or not the CONNECT had one.
    Connected(ConnAck<'a>),
    /// Client: the Server refused the connection. [`Output::Close`] follows. The refusal by a
    /// Server that speaks only the other version of MQTT is translated:
    /// [`RawPacket::refusal_in_other_version`](mqtt5_codec::framing::RawPacket::refusal_in_other_version).
    Refused(ConnAck<'a>),
    /// Server: a Client wants to connect. Nothing more is read until the caller accepts it, refuses
    /// it, or asks for authentication.
    Connect(Connect<'a>),
    /// Server: a SUBSCRIBE. Answer it with `acknowledge_subscribe`.
    Subscribe(Subscribe<'a>),
    /// Server: an UNSUBSCRIBE. Answer it with `acknowledge_unsubscribe`.
    Unsubscribe(Unsubscribe<'a>),
    /// Server: the Will Message is due. Publish it now.
    Will(WillMessage),
    /// The Session is [`persistent`](crate::SessionConfig::persistent), but the Session Expiry
    /// Interval of the new Network Connection is 0 (section 3.1.2.11.2): the Session ends with the
    /// connection, also in a crash, and messages in flight are lost. The stored changes serve only
    /// a Client's messages that wait. If that is not what you want, the CONNECT lacks a Session
    /// Expiry Interval, or the Server's CONNACK replaced it by 0.
    SessionEndsWithConnection,
    /// The Session has ended: it expired, was discarded, or ended with its Network Connection. Its
    /// subscriptions ended, too. This event comes before all events of the next Session: in a
    /// Client before [`Event::Connected`], in a Server before any packet that followed the CONNECT.
    SessionEnded,
}

/// A message that arrived, with its Topic Name, even if the packet had only a Topic Alias.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivered<'a> {
    /// The message. Its `topic` is always `Some`.
    pub publish: Publish<'a>,
    /// The receipt to acknowledge the message with; `None` with QoS 0 or automatic acknowledgement.
    pub receipt: Option<Receipt>,
}

/// A part of the payload of a large message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PayloadPart<'a> {
    /// The bytes; never empty.
    pub bytes: &'a [u8],
    /// How many bytes are still to come; 0 with the last part. With automatic acknowledgement the
    /// next `poll` acknowledges the message, so store it before.
    pub remaining: usize,
    /// With the last part: the receipt to acknowledge the message with; `None` with QoS 0 or
    /// automatic acknowledgement.
    pub receipt: Option<Receipt>,
}

/// A Will Message that is due (section 3.1.2.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WillMessage {
    /// Topic Name, properties, payload and Will Retain.
    pub message: Message,
    /// Will QoS.
    pub qos: Qos,
}

/// Why a Network Connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The peer broke a rule of the protocol. The machine answers if the standard allows an answer.
    PeerError(PeerError),
    /// The peer sent DISCONNECT.
    PeerDisconnected(ReasonCode),
    /// DISCONNECT was sent.
    Disconnected(ReasonCode),
    /// The connection was refused by a CONNACK, sent or received.
    Refused(ReasonCode),
    /// Something did not come in time.
    TimedOut(Awaited),
    /// A packet that must be sent exceeds the peer's Maximum Packet Size.
    CannotAnswer(PacketType),
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::PeerError(error) => error.fmt(formatter),
            Cause::PeerDisconnected(code) => write!(formatter, "the peer sent DISCONNECT: {code}"),
            Cause::Disconnected(code) => write!(formatter, "DISCONNECT was sent: {code}"),
            Cause::Refused(code) => write!(formatter, "the connection was refused: {code}"),
            Cause::TimedOut(awaited) => write!(formatter, "no {awaited} in time"),
            Cause::CannotAnswer(packet_type) => {
                write!(
                    formatter,
                    "the peer takes no {packet_type} of the needed size"
                )
            }
        }
    }
}

/// What did not come in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Awaited {
    /// Server: the CONNECT, or the next AUTH before the CONNACK.
    Connect,
    /// Client: the CONNACK, or the next AUTH before it.
    ConnAck,
    /// The other side's AUTH in re-authentication.
    Auth,
    /// Client: the PINGRESP.
    PingResp,
    /// Server: any byte within one and a half times the Keep Alive.
    KeepAlive,
    /// The rest of a packet: see [`PacketTimeouts`](crate::PacketTimeouts).
    RestOfPacket,
    /// Room in the buffer: the other side takes no bytes. See
    /// [`PacketTimeouts`](crate::PacketTimeouts).
    Room,
}

impl fmt::Display for Awaited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Awaited::Connect => "CONNECT",
            Awaited::ConnAck => "CONNACK",
            Awaited::Auth => "AUTH",
            Awaited::PingResp => "PINGRESP",
            Awaited::KeepAlive => "packet of the Client",
            Awaited::RestOfPacket => "rest of a packet",
            Awaited::Room => "room for what is to be written",
        })
    }
}
