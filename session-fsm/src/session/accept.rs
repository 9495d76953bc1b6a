//! Messages on their way into a Session.

use core::num::NonZeroU16;

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
}

impl Publication {
    /// A message with this QoS.
    #[must_use]
    pub const fn new(qos: Qos, message: Message) -> Self {
        Publication {
            message,
            qos,
            topic_alias: None,
        }
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
    /// [`PublishError::Busy`] if there is no room for it, now; [`PublishError::TooLarge`];
    /// [`PublishError::Invalid`]; [`PublishError::NoSession`] if it is a Server's and has ended, or never had
    /// a Network Connection.
    pub fn publish(
        &mut self,
        now: Instant,
        publication: Publication,
    ) -> Result<Token, PublishError> {
        let Publication {
            message,
            qos,
            topic_alias,
        } = publication;
        self.accept(now, message, qos, topic_alias, 0)
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
    ) -> Result<Token, PublishError> {
        if self.role == Role::Server && !self.exists {
            return Err(PublishError::NoSession);
        }
        let token = self.last_token.next();
        let mut expires_at = Instant::NEVER;
        if message.has_properties() {
            expires_at = self.inspect(now, &message)?;
        }
        let window = window.min(self.config.in_flight);
        let at_once = self.goes_at_once(qos, window);
        self.make_room(qos, message.size(), at_once)?;
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
        });
    }

    /// Gives a message a Packet Identifier. One is free: messages and requests were counted.
    #[inline]
    pub(crate) fn put_in_flight(&mut self, accepted: Accepted) {
        let token = accepted.token;
        let Some(packet_identifier) = self.sender.publish(accepted) else {
            return;
        };
        self.change(|| Change::Sent {
            token,
            packet_identifier,
        });
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
        self.notice(Notice::Outcome(token, ending));
    }
}
