//! Applies the changes of a Session after a restart.

use alloc::boxed::Box;

use mqtt5_codec::{Qos, Role};

use super::deadlines::Deadline;
use super::{Absence, Change, Life, PendingWill, Session, clock};
use crate::Instant;
use crate::error::RestoreError;
use crate::exchange::table::{ReceiverState, SenderAction, SenderEvent};

impl Session {
    /// Applies a change that [`Output::Persist`](crate::Output::Persist) announced before a crash.
    /// Apply all of them, in their order, to the Session that was exported before them, or to a new
    /// one, before any other call. `now` is the time of the restart, as for `Session::restore`: a
    /// Network Connection that is not known to have ended was lost then.
    ///
    /// It announces no change and reports no event. Afterwards export the Session and begin a new
    /// log, both in one step, for example under new names that one renamed file makes valid:
    /// changes that an export contains cannot be applied to it again.
    ///
    /// Allocates as the original did; messages are shared with `change`.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Inconsistent`] if the change does not fit: a wrong order, or changes of
    /// another Session. The Session is as it was.
    pub fn apply(&mut self, now: Instant, change: &Change) -> Result<(), RestoreError> {
        if self.life.is_connected() {
            return Err(RestoreError::Inconsistent);
        }
        let applied = self.try_apply(now, change);
        // The owner counts what is held once all changes are applied.
        self.untold.clear_bodies();
        applied.ok_or(RestoreError::Inconsistent)
    }

    fn try_apply(&mut self, now: Instant, change: &Change) -> Option<()> {
        match *change {
            Change::Accepted {
                message: ref queued,
                deadline,
            } => {
                let token = queued.token;
                if (self.role == Role::Server && !self.life.exists())
                    || token <= self.last_token
                    || token.number() >= crate::Token::TOO_HIGH
                    || queued.qos == Qos::AtMostOnce
                    || !self.may_send(queued)
                {
                    return None;
                }
                self.last_token = token;
                let mut queued = queued.clone();
                queued.expires_at = clock::message_expiry(now, &queued.message, queued.expires_at);
                self.waiting.push(queued);
                let kept = deadline.filter(|_| !fault!("deadlines end with the process"));
                if let Some(deadline) = kept {
                    let at = clock::clamped(deadline.at, now + deadline.within);
                    self.set_deadline(token, Deadline { at, ..deadline }, None);
                }
            }
            Change::Sent {
                token,
                packet_identifier,
            } => {
                if !self.life.exists() || !self.sender.is_free(packet_identifier) {
                    return None;
                }
                let waiting = self.waiting.remove(token)?;
                self.sender.restore(packet_identifier, waiting)?;
                self.deadline_in_flight(token, packet_identifier);
            }
            Change::Released { packet_identifier } => {
                let event = SenderEvent::PubRec;
                if self.sender.state(packet_identifier).on(event).1 != SenderAction::Release {
                    return None;
                }
                self.sender
                    .acknowledge(packet_identifier, event, &mut self.untold);
            }
            Change::Finished { packet_identifier } => {
                let event = SenderEvent::Finished;
                let (_, token) =
                    self.sender
                        .acknowledge(packet_identifier, event, &mut self.untold);
                self.forget_deadline(token?);
            }
            Change::Lost { packet_identifier } => {
                let token = self.sender.lose(packet_identifier, &mut self.untold)?;
                self.forget_deadline(token);
            }
            Change::Overdue { token } => {
                self.forget_deadline(token)?;
            }
            Change::Dropped { token } => {
                self.waiting.remove(token)?;
                self.forget_deadline(token);
            }
            Change::Received { packet_identifier } => {
                let state = self.receiver.state(packet_identifier);
                if !self.life.exists() || state != ReceiverState::Free {
                    return None;
                }
                self.receiver.restore(packet_identifier);
            }
            Change::Completed { packet_identifier } => {
                if self.receiver.state(packet_identifier) != ReceiverState::WaitPubRel {
                    return None;
                }
                self.receiver.release(packet_identifier);
            }
            Change::Connected {
                ref client_identifier,
                expiry_interval,
            } => {
                // A Server may give another ClientID to a Client.
                if self.role == Role::Server && self.client_identifier != *client_identifier {
                    return None;
                }
                self.connected(client_identifier.clone(), expiry_interval);
                self.connection_gone(now, expiry_interval);
            }
            Change::WillStored { ref will, delay } => {
                if self.role == Role::Client || !self.life.exists() || self.will.is_some() {
                    return None;
                }
                self.will = Some(Box::new(PendingWill {
                    will: will.clone(),
                    delay,
                    due_at: now.plus_seconds(delay),
                    session_ends_at: Instant::NEVER,
                }));
            }
            Change::WillRemoved => {
                self.will.take()?;
            }
            Change::Disconnected {
                ends_at,
                expiry_interval,
                will_due_at,
            } => {
                if !self.life.exists() {
                    return None;
                }
                self.life = Life::Away(Absence {
                    ends_at,
                    expiry_interval,
                });
                if let Some(will) = &mut self.will {
                    will.due_at = will_due_at;
                }
                self.clamp_ends(now);
            }
            Change::Adopted { identifiers } => {
                if self.role == Role::Server || !self.life.exists() {
                    return None;
                }
                self.sender.set_usable(identifiers);
            }
            // It was reported before the restart.
            Change::Ended => self.forget_all(|_, _, _| ()),
        }
        Some(())
    }
}
