//! One copy of a message into one Session.

use mqtt5_codec::Qos;

use super::slots::Key;
use super::{Broker, DropReason, Notice};
use crate::{Instant, Outcome, Publication, PublishError};

impl Broker {
    /// Gives a copy to a Session, connected or not.
    pub(super) fn deliver(&mut self, now: Instant, key: Key, publication: Publication) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        let (link, body) = (client.connection, publication.body);
        if link.is_none() && publication.qos == Qos::AtMostOnce && !self.config.keep_qos0 {
            self.statistics.dropped += 1;
            return;
        }
        let accepted = match link {
            Some(link) => match self.links.get_mut(link) {
                Some(it) => it
                    .connection
                    .lend(Some(&mut client.session))
                    .publish(now, publication),
                None => return,
            },
            None => client.session.publish(now, publication),
        };
        while let Some(number) = client.session.take_forgotten_body() {
            self.bodies.release(number);
        }
        match accepted {
            Ok(_) => {
                self.statistics.delivered += 1;
                if let Some(number) = body {
                    self.bodies.hold(number);
                }
            }
            Err(refused) => self.dropped(key, refused.error),
        }
        match link {
            Some(link) => self.ready(link),
            None => self.settle(now, key),
        }
    }

    fn dropped(&mut self, key: Key, error: PublishError) {
        let reason = match error {
            PublishError::Busy => DropReason::QueueFull,
            PublishError::TooLarge | PublishError::Forbidden(_) => DropReason::TooLarge,
            _ => DropReason::SessionEnded,
        };
        self.drop_for(key, reason);
    }

    pub(super) fn drop_for(&mut self, key: Key, reason: DropReason) {
        self.statistics.dropped += 1;
        if let Some(client) = self.clients.get(key) {
            let client_identifier = Some(client.session.client_identifier().into());
            self.notice(Notice::Dropped {
                client_identifier,
                reason,
            });
        }
    }

    /// What became of a copy.
    pub(super) fn outcome(&mut self, key: Key, ended: Result<(), DropReason>) {
        match ended {
            Ok(()) => self.statistics.acknowledged += 1,
            Err(reason) => self.drop_for(key, reason),
        }
        self.has_room(key);
    }
}

/// Why a copy did not reach its client, if it did not.
pub(super) const fn ended(outcome: &Outcome<'_>) -> Result<(), DropReason> {
    match outcome {
        Outcome::Sent | Outcome::PubAck(..) | Outcome::PubRec(..) | Outcome::PubComp(..) => Ok(()),
        Outcome::Expired => Err(DropReason::Expired),
        Outcome::Dropped => Err(DropReason::QueueFull),
        Outcome::Forbidden(_) => Err(DropReason::TooLarge),
        _ => Err(DropReason::SessionEnded),
    }
}
