//! Stable storage: what the changes say, kept by a second hand.
//!
//! A [`Shadow`] follows the changes with a few lines of its own, so that it can be asked whether what a packet depends on
//! was stored before the packet.

use mqtt5_session_fsm::codec::{Packet, Qos};
use mqtt5_session_fsm::{Change, Instant, Session, SessionConfig};

use super::Verdict;
use super::connection::Seen;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Shadow {
    /// Messages with QoS 1 and 2 that wait.
    waiting: Vec<(u64, Qos)>,
    /// Identifiers of messages in flight, and whether they were released.
    sending: Vec<(u16, bool)>,
    /// Identifiers that are not to be used again in this Session.
    lost: Vec<u16>,
    /// Identifiers of messages that were received and not completed.
    received: Vec<u16>,
    /// How many identifiers the Server has released, if it had the Session first.
    adopted: Option<u16>,
}

impl Shadow {
    /// [`Rule::PersistFirst`](super::Rule::PersistFirst), as far as the changes contradict each other.
    pub(crate) fn store(&mut self, change: &Change) -> Verdict {
        match self.follow(change) {
            Some(()) => Verdict::Idle,
            None => Verdict::Broken(format!("{change:?} does not follow from what was stored")),
        }
    }

    fn follow(&mut self, change: &Change) -> Option<()> {
        match change {
            Change::Accepted { message, .. } => {
                self.waiting.push((message.token.number(), message.qos));
            }
            Change::Sent {
                token,
                packet_identifier,
            } => {
                let mut waiting = self.waiting.iter();
                let position = waiting.position(|(it, _)| *it == token.number())?;
                self.waiting.remove(position);
                let id = packet_identifier.get();
                if self.lost.contains(&id) {
                    return None;
                }
                self.sending.push((id, false));
            }
            Change::Released { packet_identifier } => {
                let id = packet_identifier.get();
                let mut sending = self.sending.iter_mut();
                sending.find(|it| **it == (id, false))?.1 = true;
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
            Change::Adopted { identifiers } => self.adopted = Some(*identifiers),
            Change::Ended => {
                self.adopted = None;
                self.sending.clear();
                self.lost.clear();
                self.received.clear();
            }
            _ => {}
        }
        Some(())
    }
}

/// [`Rule::PersistFirst`](super::Rule::PersistFirst): what a packet depends on was stored.
pub(super) fn sent(packet: &Packet<'_>, seen: &Seen<'_>) -> Verdict {
    let (Some(shadow), Some(id)) = (seen.shadow, packet.packet_identifier()) else {
        return Verdict::Idle;
    };
    let id = id.get();
    let is_stored = match packet {
        Packet::Publish(_) => {
            shadow.sending.contains(&(id, false))
                && shadow.adopted.is_none_or(|usable| id <= usable)
        }
        Packet::PubRec(pubrec) if !pubrec.reason_code.is_error() => shadow.received.contains(&id),
        Packet::PubRel(pubrel) if !pubrel.reason_code.is_error() => {
            let is_asked_for = shadow.adopted.is_some_and(|usable| id > usable);
            shadow.sending.contains(&(id, true)) || is_asked_for
        }
        Packet::PubComp(_) => !shadow.received.contains(&id),
        _ => return Verdict::Idle,
    };
    Verdict::holds(is_stored, || {
        let packet_type = packet.packet_type();
        format!("{packet_type} for identifier {id} before the change was stored")
    })
}

/// What a host has stored.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Disk {
    pub(crate) shadow: Shadow,
    /// The Session that was exported first, with all changes since. Kept only if somebody crashes.
    session: Option<Box<Session>>,
}

impl Disk {
    /// Begins with the export of a new Session.
    pub(crate) fn new(session: &Session, is_needed: bool) -> Self {
        Disk {
            shadow: Shadow::default(),
            session: is_needed.then(|| Box::new(session.clone())),
        }
    }

    /// Stores a change: [`Rule::Restored`](super::Rule::Restored) by a Session that follows it, if that is needed.
    pub(crate) fn store(&mut self, now: Instant, change: &Change) -> Verdict {
        let Some(session) = &mut self.session else {
            return Verdict::Idle;
        };
        let bytes = change.to_bytes();
        let read = Change::take(&mut &bytes[..]);
        if read.as_ref().ok() != Some(&Some(change.clone())) {
            return Verdict::Broken(format!("{change:?} is read back as {read:?}"));
        }
        match session.apply(now, change) {
            Ok(()) => Verdict::Idle,
            Err(error) => Verdict::Broken(format!("{change:?}: {error}")),
        }
    }

    /// The Session after a restart, or why there is none: [`Rule::Restored`](super::Rule::Restored).
    pub(crate) fn load(
        &self,
        now: Instant,
        config: SessionConfig,
    ) -> Option<Result<Session, String>> {
        let session = self.session.as_ref()?;
        let restored = Session::restore(now, &session.export(), config);
        Some(restored.map_err(|error| error.to_string()))
    }
}
