//! Accepts messages into a Session.

use mqtt5_codec::{Message, Packet, PacketIdentifier, ProtocolVersion, Qos, Role, Violation};

use super::publication::{Publication, QueuedMessage, RefusedPublication};
use super::{Change, Deadline, Ending, Notice, Session};
use crate::error::PublishError;
use crate::{Instant, Token};

impl Session {
    /// Accepts a message for a Client that is away. While there is a Network Connection, use
    /// [`Client::publish`](crate::Client::publish) or [`Server::publish`](crate::Server::publish).
    ///
    /// # Errors
    ///
    /// Gives the publication back with [`PublishError::Busy`] if there is no room now;
    /// [`PublishError::TooLarge`]; [`PublishError::Invalid`]; [`PublishError::NoSession`] if a
    /// Server's Session has ended, or never had a Network Connection.
    pub fn publish(
        &mut self,
        now: Instant,
        publication: Publication,
    ) -> Result<Token, RefusedPublication> {
        self.accept(now, publication, 0)
    }

    /// Accepts a message; it is in flight at once if no other waits and fewer than `window` are.
    /// `window` is 0 without a Network Connection.
    #[inline(never)]
    pub(crate) fn accept(
        &mut self,
        now: Instant,
        mut publication: Publication,
        window: u16,
    ) -> Result<Token, RefusedPublication> {
        if self.role == Role::Server && !self.life.exists() {
            return Err(publication.refused(PublishError::NoSession));
        }
        let token = self.last_token.next();
        if publication.message.has_properties() || !publication.subscription_identifiers.is_empty()
        {
            if let Err(error) = self.complete(now, &mut publication) {
                return Err(publication.refused(error));
            }
        }
        let qos = publication.qos;
        let window = window.min(self.config.in_flight);
        let at_once = self.goes_at_once(qos, window);
        let size = publication.size();
        if let Err(error) = self.make_room(qos, size, at_once, window == 0) {
            return Err(publication.refused(error));
        }
        let deadline = publication
            .deadline
            .and_then(|within| Deadline::new(now, within));
        if self.config.persistent && qos != Qos::AtMostOnce {
            self.announce(token, &publication, deadline);
        }
        let queued = QueuedMessage::new(token, publication);
        let packet_identifier = if at_once && qos != Qos::AtMostOnce {
            self.put_in_flight(queued)
        } else {
            trace_decision!(
                token = token.number(),
                window,
                in_flight = self.in_flight(),
                "a message waits"
            );
            self.waiting.push(queued);
            None
        };
        self.last_token = token;
        if let Some(deadline) = deadline {
            self.set_deadline(token, deadline, packet_identifier);
        }
        Ok(token)
    }

    /// Checks the properties of a publication, and takes its time of expiry from them unless it has
    /// one.
    #[inline(never)]
    fn complete(&self, now: Instant, publication: &mut Publication) -> Result<(), PublishError> {
        if publication.message.has_properties() {
            let expires_at = self.inspect(now, &publication.message)?;
            publication.expires_at = publication.expires_at.or(expires_at);
        }
        if self.role == Role::Client && !publication.subscription_identifiers.is_empty() {
            return Err(Violation::PropertyNotAllowed.into());
        }
        Ok(())
    }

    // A function of its own: the compiler writes a message in place if no other function sees its
    // address.
    #[inline(never)]
    fn announce(&mut self, token: Token, publication: &Publication, deadline: Option<Deadline>) {
        self.untold.push_change(Change::Accepted {
            message: QueuedMessage::new(token, publication.clone()),
            deadline,
        });
    }

    /// Gives a message a Packet Identifier. One is free: messages and requests were counted.
    #[inline]
    pub(crate) fn put_in_flight(&mut self, queued: QueuedMessage) -> Option<PacketIdentifier> {
        let token = queued.token;
        let packet_identifier = self.sender.publish(queued)?;
        trace_decision!(
            token = token.number(),
            packet_identifier = packet_identifier.get(),
            "a message is in flight"
        );
        if self.watched {
            self.watched_sent(token, packet_identifier);
        }
        Some(packet_identifier)
    }

    /// Whether this side may send a message that was stored.
    #[cfg_attr(not(feature = "persistence"), allow(dead_code))]
    pub(super) fn may_send(&self, queued: &QueuedMessage) -> bool {
        self.inspect(Instant::ORIGIN, &queued.message).is_ok()
            && (self.role == Role::Server || !queued.has_identifiers())
    }

    /// What the properties of a message mean: when it expires, if it does.
    pub(super) fn inspect(
        &self,
        now: Instant,
        message: &Message,
    ) -> Result<Option<Instant>, PublishError> {
        let publish = message.publish();
        Packet::Publish(publish).check_sent_by(ProtocolVersion::V5_0, self.role)?;
        let interval = publish.properties.message_expiry_interval();
        Ok(interval.map(|seconds| now.plus_seconds(seconds)))
    }

    /// A message that waited is gone without being sent.
    pub(crate) fn waiting_ended(&mut self, waiting: &QueuedMessage, ending: Ending) {
        let token = waiting.token;
        self.untold.forget_body(waiting.body);
        if waiting.qos != Qos::AtMostOnce {
            self.change(|| Change::Dropped { token });
        }
        self.forget_deadline(token);
        self.notice(Notice::Outcome(token, ending));
    }
}
