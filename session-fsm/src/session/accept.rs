//! Messages on their way into a Session.

use core::fmt;
use core::num::NonZeroU16;
use core::time::Duration;

#[cfg(mqtt5_faults)]
use mqtt5_codec::Publish;
use mqtt5_codec::{Message, Packet, Qos, Role};

use super::{Change, Ending, Notice, Session};
use crate::error::PublishError;
use crate::{Instant, Token};

/// A message to be sent, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Publication {
    /// The message.
    pub message: Message,
    /// The QoS.
    pub qos: Qos,
    /// The Topic Alias to be used with it; `None` leaves it to the [`TopicAliases`](crate::TopicAliases)
    /// policy. While there is a connection, one above the peer's Topic Alias Maximum is an error; for a
    /// message that waits for a connection it is a wish, to be fulfilled if that connection allows it.
    pub topic_alias: Option<NonZeroU16>,
    /// How long after its acceptance the exchange is to be over; `None` if it may take any time. It is this side's
    /// alone: no packet has it, unlike the Message Expiry Interval.
    ///
    /// A message that was not sent by then is withdrawn, and ends as [`Outcome::TimedOut`](crate::Outcome::TimedOut). One
    /// that was sent cannot be taken back: [`Event::Overdue`](crate::Event::Overdue) reports it once, and it goes on to its
    /// outcome. `next_timeout` and `handle_timeout` of the machine, or of the Session, take care of it, with or without
    /// a Network Connection. It survives a restart, as the message does.
    ///
    /// A publication with a deadline takes a place in two trees, of which a node is allocated now and then; one without
    /// costs nothing.
    pub deadline: Option<Duration>,
}

impl Publication {
    /// A message with this QoS.
    #[must_use]
    pub const fn new(qos: Qos, message: Message) -> Self {
        Publication {
            message,
            qos,
            topic_alias: None,
            deadline: None,
        }
    }
}

/// A publication that was not accepted, and why. It has no outcome.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RefusedPublication {
    /// Why.
    pub error: PublishError,
    /// The publication as it was given, to be published again or kept.
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

/// The publication is given back.
#[cold]
pub(crate) fn refused(
    error: PublishError,
    message: Message,
    qos: Qos,
    topic_alias: Option<NonZeroU16>,
) -> RefusedPublication {
    let message = fault!("refused publication lost", message, {
        let empty = Publish {
            payload: b"",
            ..message.publish()
        };
        let empty = Message::new(&empty);
        empty.unwrap_or(message)
    });
    RefusedPublication {
        error,
        publication: Publication {
            message,
            qos,
            topic_alias,
            deadline: None,
        },
    }
}

/// A message that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Accepted {
    pub(crate) message: Message,
    pub(crate) token: Token,
    pub(crate) expires_at: Instant,
    pub(crate) topic_alias: Option<NonZeroU16>,
    pub(crate) qos: Qos,
}

impl Session {
    /// Takes a message for a Client that is away. While there is a Network Connection, messages go
    /// through [`Client::publish`](crate::Client::publish) or
    /// [`Server::publish`](crate::Server::publish).
    ///
    /// # Errors
    ///
    /// The publication is given back with [`PublishError::Busy`] if there is no room for it, now;
    /// [`PublishError::TooLarge`]; [`PublishError::Invalid`]; [`PublishError::NoSession`] if it is a Server's and has
    /// ended, or never had a Network Connection.
    pub fn publish(
        &mut self,
        now: Instant,
        publication: Publication,
    ) -> Result<Token, RefusedPublication> {
        let Publication {
            message,
            qos,
            topic_alias,
            deadline,
        } = publication;
        let accepted = self.accept(now, message, qos, topic_alias, 0);
        match deadline {
            None => accepted,
            Some(within) => self.with_deadline(now, accepted, within),
        }
    }

    /// What was accepted has a deadline, or what was refused had one.
    #[cold]
    pub(crate) fn with_deadline(
        &mut self,
        now: Instant,
        accepted: Result<Token, RefusedPublication>,
        within: Duration,
    ) -> Result<Token, RefusedPublication> {
        match accepted {
            Ok(token) => {
                self.accepted_with_deadline(now, token, within);
                Ok(token)
            }
            Err(mut refused) => {
                refused.publication.deadline = Some(within);
                Err(refused)
            }
        }
    }

    /// Accepts a message; it is in flight at once if no other waits and fewer than `window` are. `window` is 0
    /// without a Network Connection.
    // Takes a publication in pieces: what was just written in pieces is slow to be read whole.
    #[inline(never)]
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        message: Message,
        qos: Qos,
        topic_alias: Option<NonZeroU16>,
        window: u16,
    ) -> Result<Token, RefusedPublication> {
        if self.role == Role::Server && !self.exists {
            let error = PublishError::NoSession;
            return Err(refused(error, message, qos, topic_alias));
        }
        let token = self.last_token.next();
        let mut expires_at = Instant::NEVER;
        if message.has_properties() {
            match self.inspect(now, &message) {
                Ok(at) => expires_at = at,
                Err(error) => return Err(refused(error, message, qos, topic_alias)),
            }
        }
        let window = window.min(self.config.in_flight);
        let at_once = self.goes_at_once(qos, window);
        if let Err(error) = self.make_room(qos, message.size(), at_once, window == 0) {
            return Err(refused(error, message, qos, topic_alias));
        }
        if qos != Qos::AtMostOnce {
            self.announce(qos, &message, token, expires_at, topic_alias);
        }
        let accepted = Accepted {
            message,
            qos,
            token,
            expires_at,
            topic_alias,
        };
        if at_once && qos != Qos::AtMostOnce {
            self.put_in_flight(accepted);
        } else {
            self.waiting.push(accepted);
        }
        self.last_token = token;
        Ok(token)
    }

    #[inline]
    fn announce(
        &mut self,
        qos: Qos,
        message: &Message,
        token: Token,
        expires_at: Instant,
        topic_alias: Option<NonZeroU16>,
    ) {
        if self.config.persistent {
            self.untold_bytes += message.size();
        }
        self.change(|| Change::Accepted {
            token,
            qos,
            message: message.clone(),
            expires_at,
            topic_alias,
            deadline: None,
        });
    }

    /// Gives a message a Packet Identifier. One is free: messages and requests were counted.
    #[inline]
    pub(crate) fn put_in_flight(&mut self, accepted: Accepted) {
        let token = accepted.token;
        let Some(packet_identifier) = self.sender.publish(accepted) else {
            return;
        };
        if self.watched {
            self.watched_sent(token, packet_identifier);
        }
    }

    /// What the properties of a message mean: when it expires.
    pub(super) fn inspect(&self, now: Instant, message: &Message) -> Result<Instant, PublishError> {
        let publish = message.publish();
        Packet::Publish(publish).check_sent_by(self.role)?;
        Ok(match publish.properties.message_expiry_interval() {
            Some(seconds) => now.plus_seconds(seconds),
            None => Instant::NEVER,
        })
    }

    /// A message that waited is gone without being sent.
    pub(crate) fn waiting_ended(&mut self, waiting: &Accepted, ending: Ending) {
        let token = waiting.token;
        if waiting.qos != Qos::AtMostOnce {
            self.change(|| Change::Dropped { token });
        }
        self.forget_deadline(token);
        self.notice(Notice::Outcome(token, ending));
    }
}
