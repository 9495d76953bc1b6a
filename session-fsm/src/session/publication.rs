//! Messages to be sent, in the form of the application and in the form of the Session.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU64};
use core::time::Duration;

#[cfg(mqtt5_faults)]
use mqtt5_codec::Publish;
use mqtt5_codec::{EncodeError, Message, Qos, SubscriptionIdentifier};

use super::subscription_identifiers::{OtherIdentifiers, SubscriptionIdentifiers, others_of};
use crate::error::PublishError;
use crate::{Instant, Token};

/// A message to be sent, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Publication {
    /// Topic Name, properties and payload: bytes that all receivers share.
    pub message: Message,
    /// The QoS of the PUBLISH.
    pub qos: Qos,
    /// RETAIN of this PUBLISH (section 3.3.1.3). [`Publication::new`] takes that of the message. A
    /// Server sets it if the message is a retained one, or by Retain As Published (section
    /// 3.8.3.1).
    pub retain: bool,
    /// Server: the Subscription Identifiers of the matching subscriptions, for this PUBLISH
    /// \[MQTT-3.3.4-3\]. A Client must send none \[MQTT-3.3.4-6\].
    pub subscription_identifiers: SubscriptionIdentifiers,
    /// When the message expires. It is not sent later, and the Message Expiry Interval of the
    /// PUBLISH is the remaining time \[MQTT-3.3.2-6\]. `None` uses the Message Expiry Interval of
    /// the message, from its acceptance. A Server that stored the message before gives the time
    /// itself.
    pub expires_at: Option<Instant>,
    /// A number that the owner gives to the message, the same for all receivers. It is in every
    /// [`Change`](crate::Change) and export that has the message, and with
    /// `Session::export_without_bodies` and `Change::to_bytes_without_body` it stands there instead
    /// of the message.
    ///
    /// An owner that gives numbers must take them back: see
    /// [`Session::take_forgotten_body`](crate::Session::take_forgotten_body).
    pub body: Option<NonZeroU64>,
    /// The Topic Alias of the PUBLISH; `None` leaves it to the
    /// [`TopicAliases`](crate::TopicAliases) policy. While there is a connection, an alias above
    /// the peer's Topic Alias Maximum is an error. For a message that waits for a connection, the
    /// alias is used if that connection allows it.
    pub topic_alias: Option<NonZeroU16>,
    /// How long the exchange may take from the acceptance; `None` for any time. Unlike the Message
    /// Expiry Interval, it is not sent.
    ///
    /// A message that was not sent by then is withdrawn, and ends as
    /// [`Outcome::TimedOut`](crate::Outcome::TimedOut). A message that was sent cannot be taken
    /// back: [`Event::Overdue`](crate::Event::Overdue) reports it once, and its outcome still
    /// follows. `next_timeout` and `handle_timeout` of the machine, or of the Session, handle the
    /// deadline, with or without a Network Connection. It survives a restart, as the message does.
    ///
    /// A deadline takes a place in two trees, which allocate a node now and then.
    pub deadline: Option<Duration>,
}

impl Publication {
    /// Creates a publication of a message without properties and without RETAIN: the usual case.
    /// One allocation.
    ///
    /// ```
    /// use mqtt5_session_fsm::codec::{Message, Qos};
    /// # use mqtt5_session_fsm::{Client, ClientConfig, Instant, Session, SessionConfig};
    /// use mqtt5_session_fsm::Publication;
    ///
    /// # let now = Instant::ORIGIN;
    /// # let mut client = Client::new(ClientConfig::default(), Session::of_client(SessionConfig::default()));
    /// client.publish(now, Publication::of("greenhouse/3", b"21.5", Qos::AtLeastOnce)?)?;
    ///
    /// let message = Message::of("greenhouse/3", b"21.5")?; // shared by all receivers
    /// let publication = Publication::of("greenhouse/3", b"21.5", Qos::AtLeastOnce)?;
    /// assert_eq!(publication, Publication::new(Qos::AtLeastOnce, message));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Message::of`]: `topic` is not a Topic Name, or the packet would be too long.
    pub fn of(topic: &str, payload: &[u8], qos: Qos) -> Result<Self, EncodeError> {
        Ok(Publication::new(qos, Message::of(topic, payload)?))
    }

    /// Creates a publication with this QoS, and with the RETAIN of the message.
    #[must_use]
    #[inline]
    pub fn new(qos: Qos, message: Message) -> Self {
        Publication {
            retain: message.retain(),
            message,
            qos,
            subscription_identifiers: SubscriptionIdentifiers::NONE,
            expires_at: None,
            body: None,
            topic_alias: None,
            deadline: None,
        }
    }
}

/// A publication that was refused. It has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RefusedPublication {
    /// Why.
    pub error: PublishError,
    /// The publication as it was given.
    pub publication: Publication,
}

impl fmt::Display for RefusedPublication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl core::error::Error for RefusedPublication {}

impl From<RefusedPublication> for PublishError {
    fn from(refused: RefusedPublication) -> Self {
        refused.error
    }
}

impl Publication {
    /// What counts against limits in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.message.size() + self.subscription_identifiers.size()
    }

    /// Gives the publication back.
    #[cold]
    pub(crate) fn refused(self, error: PublishError) -> RefusedPublication {
        trace_decision!(%error, "a publication is refused");
        let publication = fault!("refused publication lost", self, self.without_payload());
        RefusedPublication { error, publication }
    }

    #[cfg(mqtt5_faults)]
    fn without_payload(self) -> Self {
        let empty = Publish {
            payload: b"",
            ..self.message.publish()
        };
        let message = Message::new(&empty).unwrap_or(self.message);
        Publication { message, ..self }
    }
}

/// A message that was accepted and has no outcome yet: a [`Publication`] with its token.
// It is moved whole: into the queue, into the slot of its Packet Identifier, and lent to the
// writer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueuedMessage {
    /// Topic Name, properties and payload.
    pub message: Message,
    /// The token of its outcome.
    pub token: Token,
    /// When it expires, if it still waits; [`Instant::NEVER`] if it does not expire.
    pub expires_at: Instant,
    /// The number that its owner gave it.
    pub body: Option<NonZeroU64>,
    // Apart, they take 4 bytes less than together.
    other_identifiers: OtherIdentifiers,
    first_identifier: Option<SubscriptionIdentifier>,
    /// The Topic Alias that the application wants.
    pub topic_alias: Option<NonZeroU16>,
    /// Its QoS.
    pub qos: Qos,
    /// RETAIN of its PUBLISH.
    pub retain: bool,
}

impl QueuedMessage {
    /// Server: the Subscription Identifiers that its PUBLISH gets, in order.
    pub fn subscription_identifiers(
        &self,
    ) -> impl Iterator<Item = SubscriptionIdentifier> + Clone + '_ {
        let others = others_of(&self.other_identifiers);
        self.first_identifier
            .into_iter()
            .chain(others.iter().copied())
    }

    /// Whether it has Subscription Identifiers.
    #[inline]
    pub(crate) const fn has_identifiers(&self) -> bool {
        self.first_identifier.is_some()
    }

    /// Creates a queued message from an accepted publication, without its deadline.
    #[must_use]
    #[inline]
    pub fn new(token: Token, publication: Publication) -> Self {
        let (first_identifier, other_identifiers) =
            publication.subscription_identifiers.into_parts();
        QueuedMessage {
            message: publication.message,
            token,
            expires_at: publication.expires_at.unwrap_or(Instant::NEVER),
            body: publication.body,
            other_identifiers,
            first_identifier,
            topic_alias: publication.topic_alias,
            qos: publication.qos,
            retain: publication.retain,
        }
    }

    /// What counts against limits in bytes.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.message.size() + size_of_val(others_of(&self.other_identifiers))
    }
}
