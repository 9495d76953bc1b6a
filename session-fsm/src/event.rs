//! What comes out of the machines.

use core::fmt;
use core::time::Duration;

use mqtt5_codec::framing::LargePublish;
use mqtt5_codec::{
    Auth, ConnAck, Connect, Disconnect, Message, PacketIdentifier, PacketType, Publish, Qos,
    ReasonCode, Subscribe, Unsubscribe,
};

use crate::{Change, Outcome, PeerError, Receipt, Token};

/// What `poll` has to say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "each output is said once"]
pub enum Output {
    /// Something happened.
    Event(Event<'static>),
    /// This has to be stored before what later calls of `poll` write goes to the network: packets that
    /// depend on it follow. What is in the buffer already may go. If it cannot be stored, throw the machine
    /// and the buffer away, and restore the Session as after a crash. Only if
    /// [`SessionConfig::persistent`](crate::SessionConfig::persistent) is set.
    Persist(Change),
    /// The Network Connection is over: write what is there, then close it. Nothing more comes for it.
    Close(Cause),
    /// The next packet does not fit into the rest of the buffer: write what is there, and poll again
    /// with at least this many bytes of room.
    NeedsRoom(usize),
}

/// What happened. What came with a packet borrows from it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "each event is said once"]
pub enum Event<'a> {
    /// A message came.
    Message(Delivered<'a>),
    /// A message is coming of which the payload follows in parts, as [`Event::Payload`]. It is not there yet, and
    /// is not acknowledged: if the Network Connection is lost before the last part, forget what came of it.
    /// Messages with QoS 1 and 2 come again then, from the beginning. Only from `handle_piece`.
    LargeMessage(LargePublish<'a>),
    /// The next part of the payload of the message that [`Event::LargeMessage`] has announced. With the last
    /// part, the message has been received.
    Payload(PayloadPart<'a>),
    /// What became of something that was accepted.
    Outcome(Token, Outcome<'a>),
    /// The deadline of a message in flight has passed: [`Publication::deadline`](crate::Publication::deadline). It is
    /// reported once. The message goes on, and its outcome is still to come: nobody can take it back.
    Overdue(Token),
    /// Messages had been refused as [`PublishError::Busy`](crate::PublishError::Busy); now there is room
    /// for the smallest of them.
    Room,
    /// An acknowledgement came for a Packet Identifier that is not in use. It does no harm: after a
    /// connection was lost, the peer may repeat what was done before.
    UnknownIdentifier {
        /// The type of the acknowledgement.
        packet_type: PacketType,
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// Client: the PINGRESP to a PINGREQ of [`Client::ping`](crate::Client::ping).
    PingResp {
        /// From the `poll` that wrote the PINGREQ to the `receive` that read the PINGRESP; time in which this side put
        /// off reading does not count.
        round_trip: Duration,
    },
    /// An AUTH came (section 4.12). If its Reason Code is 0x18 or 0x19, it is to be answered.
    Authentication(Auth<'a>),
    /// The peer's DISCONNECT. [`Output::Close`] follows.
    Disconnect(Disconnect<'a>),
    /// Client: the Server accepted the connection. Session Present tells whether its Session goes on;
    /// if not, subscriptions have to be made again. So have those that ended as
    /// [`Outcome::Indeterminate`] in any case. An Assigned Client Identifier is the Session's ClientID from now on,
    /// whether or not the CONNECT had one.
    Connected(ConnAck<'a>),
    /// Client: the Server refused the connection. [`Output::Close`] follows. The refusal of a Server that speaks only
    /// MQTT 3.1.1 is translated:
    /// [`RawPacket::refusal_of_older_version`](mqtt5_codec::framing::RawPacket::refusal_of_older_version).
    Refused(ConnAck<'a>),
    /// Server: a Client wants to connect. Nothing more is read before it is accepted, refused, or
    /// asked for authentication.
    Connect(Connect<'a>),
    /// Server: to be answered with `acknowledge_subscribe`.
    Subscribe(Subscribe<'a>),
    /// Server: to be answered with `acknowledge_unsubscribe`.
    Unsubscribe(Unsubscribe<'a>),
    /// Server: the Will Message is to be published now.
    Will(WillMessage),
    /// The Session is [`persistent`](crate::SessionConfig::persistent), and the Session Expiry Interval of the Network
    /// Connection that begins is 0 (section 3.1.2.11.2): with it the Session ends, also in a crash, and messages in
    /// flight are lost. What is stored is of use only for a Client's messages that wait. Nothing is wrong if that is
    /// wanted; if not, the CONNECT lacks a Session Expiry Interval, or the Server's CONNACK replaced it by 0.
    SessionEndsWithConnection,
    /// The Session has ended: it expired, was discarded, or its end came with that of the Network
    /// Connection. Subscriptions end with it. It comes before all events of the next Session: in a Client before
    /// [`Event::Connected`], in a Server before what the Client sent after its CONNECT.
    SessionEnded,
}

/// A message that came, with its Topic Name, whether or not a Topic Alias stood for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivered<'a> {
    /// The message; its `topic` is there in any case.
    pub publish: Publish<'a>,
    /// With manual acknowledgement and QoS 1 or 2: what to acknowledge it with.
    pub receipt: Option<Receipt>,
}

/// A part of the payload of a large message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PayloadPart<'a> {
    /// The bytes; never empty.
    pub bytes: &'a [u8],
    /// How many bytes are still to come. 0 with the last part: now the message is there. With automatic
    /// acknowledgement it is acknowledged by the next `poll`, so store it before.
    pub remaining: usize,
    /// With the last part, manual acknowledgement and QoS 1 or 2: what to acknowledge the message with.
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
    /// The peer broke the protocol. It was told so if the standard lets it be told.
    PeerError(PeerError),
    /// The peer sent DISCONNECT.
    PeerDisconnected(ReasonCode),
    /// DISCONNECT was sent.
    Disconnected(ReasonCode),
    /// The connection was refused by a CONNACK, sent or received.
    Refused(ReasonCode),
    /// Nothing came in time.
    TimedOut(Awaited),
    /// A packet that has to be sent is larger than the peer's Maximum Packet Size.
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
    /// Room for what is to be written: the other side takes nothing. See
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
