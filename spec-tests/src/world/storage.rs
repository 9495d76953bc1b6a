//! Stable storage: what the changes say, kept by a second hand.
//!
//! A [`Shadow`] follows the changes with a few lines of its own, so that it can be asked whether
//! what a packet depends on was stored before the packet.

use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::{Change, Instant, Session, SessionConfig};

use super::application::violation;
use super::points::{Monitor, of_monitor};
use crate::explore::{Turn, Violation};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shadow {
    /// Messages with QoS 1 and 2 that wait.
    waiting: Vec<(u64, Qos)>,
    /// Identifiers of messages in flight, and whether they were released.
    sending: Vec<(u16, bool)>,
    /// Identifiers that are not to be used again in this Session.
    lost: Vec<u16>,
    /// Identifiers of messages that were received and not completed.
    received: Vec<u16>,
}

impl Shadow {
    pub(super) fn store(&mut self, change: &Change) -> Result<(), Violation> {
        match change {
            Change::Accepted { message, .. } => {
                self.waiting.push((message.token.number(), message.qos));
            }
            Change::Sent {
                token,
                packet_identifier,
            } => {
                let waiting = self.waiting.iter();
                let position = waiting.clone().position(|(it, _)| *it == token.number());
                let position = position.ok_or_else(|| wrong(format!("{change:?}")))?;
                self.waiting.remove(position);
                let id = packet_identifier.get();
                if self.lost.contains(&id) {
                    return Err(wrong(format!("{change:?}, which is lost")));
                }
                self.sending.push((id, false));
            }
            Change::Released { packet_identifier } => {
                let id = packet_identifier.get();
                let found = self.sending.iter_mut().find(|it| **it == (id, false));
                found.ok_or_else(|| wrong(format!("{change:?}")))?.1 = true;
            }
            Change::Finished { packet_identifier } => {
                self.sending.retain(|it| it.0 != packet_identifier.get());
            }
            Change::Lost { packet_identifier } => {
                let id = packet_identifier.get();
                self.sending.retain(|it| it.0 != id);
                self.lost.push(id);
            }
            Change::Dropped { token } => self.waiting.retain(|it| it.0 != token.number()),
            Change::Received { packet_identifier } => self.received.push(packet_identifier.get()),
            Change::Completed { packet_identifier } => {
                self.received.retain(|it| *it != packet_identifier.get());
            }
            Change::Ended => {
                self.sending.clear();
                self.lost.clear();
                self.received.clear();
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn may_send_publish(&self, id: u16) -> Result<(), Violation> {
        self.expect(self.sending.contains(&(id, false)), "PUBLISH", id)
    }

    pub(super) fn may_send_pubrel(&self, id: u16) -> Result<(), Violation> {
        self.expect(self.sending.contains(&(id, true)), "PUBREL", id)
    }

    pub(super) fn may_send_pubrec(&self, id: u16) -> Result<(), Violation> {
        self.expect(self.received.contains(&id), "PUBREC", id)
    }

    pub(super) fn may_send_pubcomp(&self, id: u16) -> Result<(), Violation> {
        self.expect(!self.received.contains(&id), "PUBCOMP", id)
    }

    fn expect(&self, stored: bool, packet: &str, id: u16) -> Result<(), Violation> {
        if stored {
            return Ok(());
        }
        Err(wrong(format!(
            "{packet} for identifier {id} before the change was stored"
        )))
    }
}

fn wrong(message: String) -> Violation {
    violation(Monitor::PersistFirst, message)
}

/// What a host has stored.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Disk {
    pub(super) shadow: Shadow,
    /// The Session that was exported first, with all changes since. Kept only if somebody crashes.
    session: Option<Session>,
}

impl Disk {
    /// Begins with the export of a new Session.
    pub(super) fn new(session: &Session, is_needed: bool) -> Self {
        Disk {
            shadow: Shadow::default(),
            session: is_needed.then(|| session.clone()),
        }
    }

    /// Stores a change.
    pub(super) fn store(
        &mut self,
        now: Instant,
        change: &Change,
        is_needed: bool,
    ) -> Result<(), Violation> {
        self.shadow.store(change)?;
        if let Some(session) = self.session.as_mut().filter(|_| is_needed) {
            apply(session, now, change)?;
        }
        Ok(())
    }

    /// The Session after a restart.
    pub(super) fn load(
        &self,
        now: Instant,
        config: SessionConfig,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Session>, Violation> {
        let Some(session) = &self.session else {
            return Ok(None);
        };
        turn.cover(of_monitor(Monitor::Restored));
        restore(now, session, config).map(Some)
    }
}

fn apply(session: &mut Session, now: Instant, change: &Change) -> Result<(), Violation> {
    let bytes = change.to_bytes();
    let read = Change::take(&mut &bytes[..]);
    if read.as_ref().ok() != Some(&Some(change.clone())) {
        let message = format!("{change:?} is read back as {read:?}");
        return Err(violation(Monitor::Restored, message));
    }
    let applied = session.apply(now, change);
    applied.map_err(|error| violation(Monitor::Restored, format!("{change:?}: {error}")))
}

fn restore(now: Instant, session: &Session, config: SessionConfig) -> Result<Session, Violation> {
    let restored = Session::restore(now, &session.export(), config);
    restored.map_err(|error| violation(Monitor::Restored, error.to_string()))
}
