//! What a broker reports.

use alloc::boxed::Box;

use mqtt5_codec::ReasonCode;

use super::ConnectionKey;

/// Something that the host has to do, or may want to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[must_use = "each notice is said once"]
pub enum Notice {
    /// This connection has something to write, or has ended: call
    /// [`Broker::transmit`](super::Broker::transmit). The notice does not come again before that.
    Ready(ConnectionKey),
    /// This connection, for which [`Broker::receive`](super::Broker::receive) returned
    /// [`Step::Wait`](super::Step::Wait), is read again: offer its bytes.
    Readable(ConnectionKey),
    /// A client has connected.
    Connected {
        /// Its ClientID.
        client_identifier: Box<str>,
        /// Its connection.
        connection: ConnectionKey,
        /// Whether its Session goes on.
        session_present: bool,
    },
    /// The Session of a client has ended.
    SessionEnded {
        /// Its ClientID.
        client_identifier: Box<str>,
    },
    /// A client has lost a subscription: see [`Broker::withdraw`](super::Broker::withdraw).
    Withdrawn {
        /// Its ClientID.
        client_identifier: Box<str>,
        /// The Topic Filter.
        filter: Box<str>,
    },
    /// A message was not delivered, or not retained.
    Dropped {
        /// To whom it did not come.
        recipient: Recipient,
        /// Why.
        reason: DropReason,
    },
    /// A request of a client was refused because of a limit.
    Refused {
        /// The ClientID.
        client_identifier: Box<str>,
        /// What the client was answered.
        reason_code: ReasonCode,
    },
}

/// To whom a message did not come that was [dropped](Notice::Dropped).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recipient {
    /// A client, by its ClientID. With [`DropReason::WillOverBudget`] it is the client whose Will it
    /// was, and the message came to nobody.
    Client(Box<str>),
    /// A group of a Shared Subscription, by its filter with `$share`.
    Group(Box<str>),
    /// The retained messages. The message came to no subscriber, either.
    Retained {
        /// Its Topic Name.
        topic: Box<str>,
        /// The ClientID of the client that published it; `None` if it was the host.
        publisher: Option<Box<str>>,
    },
}

/// Why a message was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// As many messages wait for the client as may.
    QueueFull,
    /// The message is larger than the client's Maximum Packet Size \[MQTT-3.1.2-25\].
    TooLarge,
    /// The message expired before it was sent \[MQTT-3.3.2-5\].
    Expired,
    /// The Session ended before the message was acknowledged.
    SessionEnded,
    /// The right to its subscription was withdrawn.
    Withdrawn,
    /// A group of a Shared Subscription could not keep it.
    Group,
    /// It is the Will of this client, and all messages on their way take more bytes than allowed.
    WillOverBudget,
    /// As many messages are retained as may be.
    RetainedFull,
}
