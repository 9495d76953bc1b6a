//! One copy of a message into one Session.

use mqtt5_codec::Qos;

use super::clients::Client;
use super::groups::Groups;
use super::ledger::Ledger;
use super::shared::SharedMessage;
use super::slots::Key;
use super::{Broker, DropReason, Granted, Notice, Recipient, Statistics};
use crate::{Instant, Outcome, Publication, PublishError, Token};

impl Broker {
    /// Gives a copy to a Session, connected or not [MQTT-4.5.0-1]. Returns its token; `None` if it was dropped.
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        key: Key,
        publication: Publication,
    ) -> Option<Token> {
        if let Some(body) = publication.body {
            self.ledger.bodies.hold(body);
        }
        self.deliver_held(now, key, publication)
    }

    /// As [`Broker::deliver`]. The caller holds the message for the Session.
    pub(super) fn deliver_held(
        &mut self,
        now: Instant,
        key: Key,
        publication: Publication,
    ) -> Option<Token> {
        let body = publication.body;
        let token = self.accepted(now, key, publication);
        if let (None, Some(body)) = (token, body) {
            self.ledger.release(body);
        }
        token
    }

    #[inline]
    fn accepted(&mut self, now: Instant, key: Key, publication: Publication) -> Option<Token> {
        let client = self.clients.get_mut(key)?;
        let accepted = match client.connection {
            Some(key) => {
                let link = self.links.get_mut(key)?;
                link.ready(&mut self.ready, key);
                let mut lent = link.connection.lend(Some(&mut client.session));
                lent.publish(now, publication)
            }
            None => {
                let is_kept = publication.qos > Qos::AtMostOnce || self.config.keep_qos0;
                // [MQTT3-3.1.2-5] [MQTT3-4.5.0-1]
                if !fault!("MQTT-4.5.0-1", is_kept, false) {
                    self.statistics.dropped += 1;
                    return None;
                }
                client.session.publish(now, publication)
            }
        };
        self.ledger.note(client);
        let is_away = client.connection.is_none();
        let token = match accepted {
            Ok(token) => {
                self.statistics.delivered += 1;
                Some(token)
            }
            Err(refused) => {
                self.dropped(key, refused.error);
                None
            }
        };
        if is_away {
            self.settle(now, key);
        }
        token
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
            let recipient = Recipient::Client(client.session.client_identifier().into());
            self.notice(Notice::Dropped { recipient, reason });
        }
    }

    /// What became of a copy.
    pub(super) fn outcome(
        &mut self,
        now: Instant,
        key: Key,
        token: Token,
        ended: Result<Qos0, DropReason>,
    ) {
        if let Some(client) = self.clients.get_mut(key) {
            note_end(client, token, ended, &mut self.ledger, &mut self.statistics);
        }
        if let Err(reason) = ended {
            self.drop_for(key, reason);
        }
        self.settle_shared(key, token);
        self.pull_from_groups(now, key);
        self.has_room(key);
    }
}

/// Notes what became of a copy, if it reached its client, and nobody waits for the room: neither a group nor a
/// retained message. Returns whether it was so; if not, [`Broker::outcome`] handles it.
#[inline]
pub(super) fn note_if_over(
    client: &mut Client,
    token: Token,
    ended: Result<Qos0, DropReason>,
    groups: &Groups<Granted, SharedMessage>,
    ledger: &mut Ledger,
    statistics: &mut Statistics,
) -> bool {
    let is_over = ended.is_ok() && groups.is_empty() && client.walks.is_empty();
    if is_over {
        note_end(client, token, ended, ledger, statistics);
    }
    is_over
}

#[inline]
fn note_end(
    client: &mut Client,
    token: Token,
    ended: Result<Qos0, DropReason>,
    ledger: &mut Ledger,
    statistics: &mut Statistics,
) {
    statistics.acknowledged += u64::from(ended.is_ok());
    // A copy with QoS 0 was never stored, and a withdrawn one was removed with the right.
    if !matches!(ended, Ok(Qos0(true)) | Err(DropReason::Withdrawn)) {
        ledger.message_ended(client, token);
    }
}

/// Whether a copy had QoS 0, so that nothing was stored of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Qos0(bool);

/// Why a copy did not reach its client, if it did not.
pub(super) const fn ended(outcome: &Outcome<'_>) -> Result<Qos0, DropReason> {
    match outcome {
        Outcome::Sent => Ok(Qos0(true)),
        Outcome::PubAck(..) | Outcome::PubRec(..) | Outcome::PubComp(..) => Ok(Qos0(false)),
        Outcome::Expired => Err(DropReason::Expired),
        Outcome::Dropped => Err(DropReason::QueueFull),
        Outcome::Withdrawn => Err(DropReason::Withdrawn),
        Outcome::Forbidden(_) => Err(DropReason::TooLarge),
        _ => Err(DropReason::SessionEnded),
    }
}
