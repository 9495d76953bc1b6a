//! The life of a Session: with a Network Connection, without one, and its end (sections 3.1.2.11.2,
//! 4.1).
//!
//! Each step of it is a [`Change`]. One function takes the step, when it happens and when it is
//! repeated after a restart. When it happens, it is also announced.

use alloc::boxed::Box;

use mqtt5_codec::{PacketIdentifier, Qos, Role};

use super::clock::clamped;
use super::{Change, Ending, Notice, Session};
use crate::event::WillMessage;
use crate::exchange::Sender;
use crate::{Instant, Token};

/// The Session Expiry Interval that means "does not expire" (section 3.1.2.11.2).
pub(crate) const NEVER_EXPIRES: u32 = u32::MAX;

/// Whether there is a Session that the other side may know of, too, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Life {
    /// There is none: it had no Network Connection yet, or it has ended.
    None,
    /// It has a Network Connection, and this Session Expiry Interval in seconds.
    Connected(u32),
    /// It has no Network Connection.
    Away(Absence),
    /// It has no Network Connection, but a CONNECT that resumes it is on its way: it does not end
    /// before the answer.
    Resuming(Absence),
}

/// How long a Session goes on without a Network Connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Absence {
    /// When it ends, unless there is a Network Connection before.
    pub(crate) ends_at: Instant,
    /// The Session Expiry Interval in seconds that led to it.
    pub(crate) expiry_interval: u32,
}

impl Absence {
    /// Without a Network Connection from `now` on.
    pub(crate) fn from(now: Instant, expiry_interval: u32) -> Self {
        let ends_at = match expiry_interval {
            NEVER_EXPIRES => Instant::NEVER,
            seconds => now.plus_seconds(seconds),
        };
        Absence {
            ends_at,
            expiry_interval,
        }
    }

    /// The clock may have gone back: it is not longer than its interval from now.
    fn clamp(&mut self, now: Instant) {
        if fault!("absence begins again with the process") {
            *self = Absence::from(now, self.expiry_interval);
        }
        if !fault!("Session outlives its interval by another clock") {
            let latest = Absence::from(now, self.expiry_interval).ends_at;
            self.ends_at = clamped(self.ends_at, latest);
        }
    }
}

impl Life {
    #[inline]
    pub(crate) const fn exists(self) -> bool {
        !matches!(self, Life::None)
    }

    pub(crate) const fn is_connected(self) -> bool {
        matches!(self, Life::Connected(_))
    }

    /// When the Session ends if nothing else happens.
    #[inline]
    pub(crate) const fn ends_at(self) -> Instant {
        match self {
            Life::Away(absence) => absence.ends_at,
            Life::None | Life::Connected(_) | Life::Resuming(_) => Instant::NEVER,
        }
    }
}

/// A Will Message with the time at which it is due.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PendingWill {
    pub(crate) will: WillMessage,
    /// Will Delay Interval in seconds.
    pub(crate) delay: u32,
    /// Set when the Network Connection is gone.
    pub(crate) due_at: Instant,
    /// When the Session ends that is there longer only because of the Will Message.
    pub(crate) session_ends_at: Instant,
}

/// The events of the life of a Session.
impl Session {
    /// A Network Connection begins that goes on with this Session. A Server's has this Will
    /// Message.
    pub(crate) fn connection_began(
        &mut self,
        client_identifier: Box<str>,
        expiry_interval: u32,
        will: Option<Box<PendingWill>>,
    ) {
        // A Client with a new Session may have sent something already.
        if matches!(self.life, Life::Resuming(_)) || self.role == Role::Server {
            if let Some(sender) = self.sender.used() {
                sender.resume();
            }
        }
        trace_decision!(
            resumed = self.life.exists(),
            expiry_interval,
            "a Network Connection begins"
        );
        self.change(|| Change::Connected {
            client_identifier: client_identifier.clone(),
            expiry_interval,
        });
        self.connected(client_identifier, expiry_interval);
        if let Some(pending) = will {
            if self.config.persistent {
                self.untold.push_change(Change::WillStored {
                    will: pending.will.clone(),
                    delay: pending.delay,
                });
            }
            // [MQTT-3.1.2-7] [MQTT3-3.1.2-12] [MQTT3-3.1.2-8]
            self.will = fault!("MQTT-3.1.2-7", Some(pending), None);
        }
        if self.config.persistent
            && expiry_interval == 0
            && !fault!("end with the connection unreported")
        {
            self.notice(Notice::SessionEndsWithConnection);
        }
    }

    /// The Network Connection is gone. The Session goes on for its expiry interval, or ends here.
    pub(crate) fn connection_ended(&mut self, now: Instant) {
        let expiry_interval = match self.life {
            Life::None | Life::Away(_) => return,
            Life::Resuming(absence) => {
                self.life = Life::Away(absence);
                return self.handle_timeout(now);
            }
            Life::Connected(expiry_interval) => expiry_interval,
        };
        while let Some(token) = self.sender.used().and_then(Sender::take_request) {
            self.notice(Notice::Outcome(token, Ending::Indeterminate));
        }
        if let Some(receiver) = self.receiver.used() {
            receiver.connection_ended();
        }
        // What is unacknowledged stays so [MQTT-4.3.2-3] [MQTT-4.3.3-3] [MQTT-4.3.3-5].
        // In MQTT 3.1.1: [MQTT3-2.3.1-3] [MQTT3-4.4.0-1].
        if fault!("MQTT-4.4.0-1") {
            self.sender.reset();
        }
        self.connection_gone(now, fault!("MQTT-3.1.2-23", expiry_interval, 0));
        self.announce_loss();
        self.handle_timeout(now);
        self.shrink();
    }

    /// Announces that there is no Network Connection any more.
    pub(super) fn announce_loss(&mut self) {
        let Life::Away(absence) = self.life else {
            return;
        };
        let will_due_at = self.will_due();
        self.change(|| Change::Disconnected {
            ends_at: absence.ends_at,
            expiry_interval: absence.expiry_interval,
            will_due_at,
        });
    }

    /// When the Will Message is due, if there is one.
    #[inline]
    pub(super) fn will_due(&self) -> Instant {
        let will = self.will.as_ref();
        will.map_or(Instant::NEVER, |will| will.due_at)
    }

    /// The Will Message is published, and no more stored [MQTT-3.1.2-10] [MQTT3-3.1.2-10].
    pub(crate) fn hand_out_will(&mut self) {
        if let Some(pending) = self.will.take() {
            if !fault!("MQTT-3.1.2-10") {
                self.change(|| Change::WillRemoved);
            }
            self.notice(Notice::Will(Box::new(pending.will)));
        }
    }

    /// The Will Message is deleted without being published (section 3.1.2.5). Returns whether there
    /// was one.
    pub(crate) fn delete_will(&mut self) -> bool {
        let was_there = self.will.take().is_some();
        if was_there {
            self.change(|| Change::WillRemoved);
        }
        was_there
    }

    /// A DISCONNECT changes how long the Session lives after it.
    pub(crate) fn change_expiry(&mut self, seconds: u32) {
        if let Life::Connected(expiry_interval) = &mut self.life {
            *expiry_interval = seconds;
        }
    }

    /// A CONNECT goes on with the Session.
    pub(crate) fn resume(&mut self) {
        if let Life::Away(absence) = self.life {
            self.life = Life::Resuming(absence);
        }
    }

    /// A Client goes on with a Session that only the Server has. Its Network Connection has begun.
    pub(crate) fn adopt(&mut self) {
        if !fault!("a Session of the Server is taken for a new one") {
            self.sender.adopt();
            self.change(|| Change::Adopted { identifiers: 0 });
        }
    }

    /// A PUBCOMP came for an identifier that is not in use. Returns whether the Server was asked to
    /// release it.
    pub(crate) fn released(&mut self, packet_identifier: PacketIdentifier) -> bool {
        let sender = self.sender.used();
        let Some(are_all) = sender.and_then(|it| it.take_release(packet_identifier)) else {
            return false;
        };
        if are_all {
            let identifiers = self.sender.usable();
            self.change(|| Change::Adopted { identifiers });
        }
        true
    }

    /// Discards one message or request. Returns its token and whether it was written.
    fn discard_one(&mut self) -> Option<(Token, bool)> {
        self.sender.used()?.discard_one(&mut self.untold)
    }

    /// Ends what a Client sent for a new Session before a CONNACK that did not come, or refused.
    pub(crate) fn unconfirmed(&mut self, ending: Ending) {
        while let Some((token, written)) = self.discard_one() {
            let ending = if written { ending } else { Ending::NotSent };
            self.ended(token, ending);
        }
        self.shrink();
    }

    /// Ends the Session. Messages in flight are lost, and so are the waiting messages of a Server.
    /// A Client's messages that were never sent wait for the next Session.
    pub(crate) fn end(&mut self) {
        if !fault!("MQTT-3.1.2-8 end of the Session") {
            self.hand_out_will();
        }
        let existed = self.life.exists();
        if existed {
            #[cfg(feature = "persistence")]
            self.complete_all_received();
            self.change(|| Change::Ended);
        }
        self.forget_all(Session::ended);
        if existed {
            self.notice(Notice::SessionEnded);
        }
    }
}

/// The steps, as they are taken now and after a restart.
impl Session {
    /// There is a Network Connection. The Will Message of an earlier one is gone.
    pub(super) fn connected(&mut self, client_identifier: Box<str>, expiry_interval: u32) {
        self.client_identifier = client_identifier;
        self.life = Life::Connected(expiry_interval);
        self.will = None;
    }

    /// There is no Network Connection from `now` on: the intervals begin to run.
    pub(super) fn connection_gone(&mut self, now: Instant, expiry_interval: u32) {
        self.life = Life::Away(Absence::from(now, expiry_interval));
        if let Some(will) = &mut self.will {
            will.due_at = now.plus_seconds(will.delay);
        }
    }

    /// After a restart: the Will Message is not due before `grace` is over, for the Client to connect
    /// again.
    #[cfg(feature = "persistence")]
    pub(super) fn hold_will(&mut self, now: Instant, grace: core::time::Duration) {
        if fault!("a Will ends with the process") {
            self.will = None;
        }
        let Some(will) = &mut self.will else {
            return;
        };
        let end_of_grace = now + grace;
        will.due_at = will.due_at.max(end_of_grace);
        // It is published when the Session ends, too.
        if let Life::Away(absence) = &mut self.life {
            if absence.ends_at < end_of_grace {
                will.session_ends_at = absence.ends_at;
                absence.ends_at = end_of_grace;
            }
        }
    }

    /// The Client comes again. If only the Will Message is left of the Session, it ends without it.
    #[cfg(feature = "persistence")]
    pub(crate) fn end_if_held(&mut self, now: Instant) {
        let will = self.will.as_ref();
        if will.is_some_and(|will| will.session_ends_at <= now) {
            self.delete_will();
            self.end();
        }
    }

    /// Whether the Session ends with the Network Connection that it has.
    #[cfg(feature = "persistence")]
    pub(crate) const fn ends_with_connection(&self) -> bool {
        matches!(self.life, Life::Connected(0))
    }

    /// Nothing is left of the Session, except a Client's messages that wait to be sent. `ended` is
    /// called for each message.
    pub(super) fn forget_all(&mut self, mut ended: impl FnMut(&mut Self, Token, Ending)) {
        self.will = None;
        self.life = Life::None;
        while let Some((token, written)) = self.discard_one() {
            let ending = if written {
                Ending::Indeterminate
            } else {
                Ending::NotSent
            };
            self.forget_deadline(token);
            ended(self, token, ending);
        }
        let sender = self.sender.used();
        if let Some(sender) = sender.filter(|_| !fault!("released messages outlive the Session")) {
            sender.reset();
        }
        let receiver = self.receiver.used();
        if let Some(receiver) = receiver.filter(|_| !fault!("MQTT-4.1.0-2 received")) {
            receiver.discard();
        }
        if self.role == Role::Server {
            for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
                while let Some(waiting) = self.waiting.pop(qos) {
                    self.untold.forget_body(waiting.body);
                    self.forget_deadline(waiting.token);
                    ended(self, waiting.token, Ending::NotSent);
                }
            }
        }
    }

    /// Something that the application gave is over, unless that was reported before.
    fn ended(&mut self, token: Token, ending: Ending) {
        if token != Token::NONE {
            self.notice(Notice::Outcome(token, ending));
        }
    }

    /// The clock may have gone back: the Session does not live longer than its Session Expiry
    /// Interval from now, the Will Message is not later than its Will Delay Interval.
    pub(super) fn clamp_ends(&mut self, now: Instant) {
        if let Life::Away(absence) | Life::Resuming(absence) = &mut self.life {
            absence.clamp(now);
        }
        if let Some(will) = &mut self.will {
            will.due_at = clamped(will.due_at, now.plus_seconds(will.delay));
        }
    }
}
