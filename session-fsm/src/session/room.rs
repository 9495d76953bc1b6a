//! Room for messages: limits, and messages that exceed them.

use mqtt5_codec::{Qos, Role};

use super::{Ending, Session};
use crate::error::PublishError;
use crate::event::{Event, Output};
use crate::session::WhenFull;

/// How many messages may be stored in all: those in flight and those that wait, together.
///
/// A message in flight counts until its PUBACK, or at QoS 2 its PUBREC, came. After a PUBREC its
/// Packet Identifier still counts as one of `messages`, until PUBCOMP, but its bytes do not.
/// Messages in flight are never dropped. If a message does not fit, waiting messages are dropped or
/// the message is refused, as [`WaitingLimits::when_full`](crate::WaitingLimits::when_full) says.
///
/// The same numbers limit what `poll` has not returned yet: outcomes to `messages` and 64, changes
/// to twice as many, and the messages in the changes to `bytes`. At the limit, `publish` returns
/// [`PublishError::Busy`](crate::PublishError::Busy) until `poll` was called. They also limit
/// the numbers that [`Session::take_forgotten_body`] has not returned yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoredLimits {
    /// How many messages. Each takes up to 96 bytes beside its own, and up to 120 if it waits and
    /// expires; the first one that waits takes 112 more. Default: 66,535, as many as may be in flight and wait by the other defaults.
    pub messages: u32,
    /// How many bytes, as [`Message::size`](mqtt5_codec::Message::size) counts them. Default: 8
    /// MiB, which is 65,535 messages of 128 bytes, or 8 messages of 1 MiB, which keep 100 Mbit/s
    /// busy over a round trip of 0.6 s.
    pub bytes: usize,
}

impl Default for StoredLimits {
    fn default() -> Self {
        StoredLimits {
            messages: 66_535,
            bytes: 8 << 20,
        }
    }
}

/// How many outcomes may wait for `poll` beyond the number of stored messages, so that a Session
/// with small limits is not held up by each of them.
const UNTOLD: usize = 64;

/// The size of the smallest message that was refused as busy; 0 if none was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Refused {
    /// With QoS 0.
    qos0: u32,
    /// With QoS 1 or 2, which wait for other things.
    others: u32,
}

impl Refused {
    #[inline]
    pub(super) const fn is_none(&self) -> bool {
        (self.qos0 | self.others) == 0
    }

    fn of(&mut self, qos: Qos) -> &mut u32 {
        match qos {
            Qos::AtMostOnce => &mut self.qos0,
            _ => &mut self.others,
        }
    }
}

/// By how much messages exceed the limits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Excess {
    messages: u64,
    bytes: usize,
}

impl Excess {
    fn of(messages: u64, bytes: usize, limits: (u32, usize)) -> Self {
        Excess {
            messages: messages.saturating_sub(limits.0.into()),
            bytes: bytes.saturating_sub(limits.1),
        }
    }
}

impl Session {
    /// Returns how many messages are stored, in flight or waiting.
    #[must_use]
    #[inline]
    pub fn stored(&self) -> u64 {
        self.in_flight() as u64 + self.waiting() as u64
    }

    /// Returns how many bytes of messages are stored, in flight or waiting.
    #[must_use]
    #[inline]
    pub fn stored_bytes(&self) -> usize {
        self.sender.bytes().saturating_add(self.waiting.bytes())
    }

    /// Whether a message can go at once. `window` is how many messages may be in flight now, 0
    /// without a Network Connection.
    #[inline]
    pub(super) fn goes_at_once(&self, qos: Qos, window: u16) -> bool {
        if qos == Qos::AtMostOnce {
            window > 0 && self.waiting.has_no_qos0()
        } else {
            self.waiting.none_acknowledged()
                && self.sender.in_flight() < window
                && self.sender.has_identifier()
        }
    }

    /// Whether a message of this size with QoS 1 or 2 would be in flight at once. `window` is how
    /// many messages the peer takes at a time.
    #[cfg(feature = "persistence")]
    pub(crate) fn takes_at_once(&self, window: u16, size: usize) -> bool {
        self.goes_at_once(Qos::AtLeastOnce, window.min(self.config.in_flight))
            && self.excess(size.max(1), true) == Excess::default()
    }

    /// Makes room for a message, at the expense of others if that is allowed and helps. `offline`
    /// says that there is no Network Connection.
    #[inline]
    pub(super) fn make_room(
        &mut self,
        qos: Qos,
        size: usize,
        at_once: bool,
        offline: bool,
    ) -> Result<(), PublishError> {
        if self.excess(size, at_once) == Excess::default() && self.may_leave_untold(size) {
            return Ok(());
        }
        self.drop_for(qos, size, at_once, offline)
    }

    #[cold]
    fn drop_for(
        &mut self,
        qos: Qos,
        size: usize,
        at_once: bool,
        offline: bool,
    ) -> Result<(), PublishError> {
        self.look_for_room(qos, size, at_once, offline)?;
        while self.excess(size, at_once) != Excess::default() {
            let when_full = self.config.waiting.when_full;
            let Some(dropped) = self.waiting.take_oldest(when_full) else {
                break;
            };
            self.waiting_ended(&dropped, Ending::Dropped);
        }
        Ok(())
    }

    /// Whether there is room for a message, or it can be made. If it is only a matter of time, an
    /// event is due when there is.
    fn look_for_room(
        &mut self,
        qos: Qos,
        size: usize,
        at_once: bool,
        offline: bool,
    ) -> Result<(), PublishError> {
        let stored = self.config.stored;
        let limits = self.config.waiting;
        if size > stored.bytes
            || stored.messages == 0
            || (offline && limits.messages > 0 && size > limits.bytes)
        {
            return Err(PublishError::TooLarge);
        }
        if self.may_leave_untold(size) && self.can_make_room(size, at_once) {
            return Ok(());
        }
        // No message is larger than the largest packet.
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let refused = self.refused.of(qos);
        *refused = match *refused {
            0 => size,
            smallest => smallest.min(size),
        };
        Err(PublishError::Busy)
    }

    /// As `check_room` of both sides. `window` is how many messages the peer takes at a time; 0
    /// without a Network Connection.
    pub(crate) fn check_room_in(
        &mut self,
        qos: Qos,
        size: usize,
        window: u16,
    ) -> Result<(), PublishError> {
        if self.role == Role::Server && !self.life.exists() {
            return Err(PublishError::NoSession);
        }
        let at_once = self.goes_at_once(qos, window.min(self.config.in_flight));
        // No message takes less.
        self.look_for_room(qos, size.max(1), at_once, window == 0)
    }

    /// Checks whether [`Session::publish`] has room for a message with this QoS, before the message
    /// is built: see [`Client::check_room`](crate::Client::check_room).
    ///
    /// # Errors
    ///
    /// [`PublishError::Busy`], [`PublishError::TooLarge`], [`PublishError::NoSession`].
    pub fn check_room(&mut self, qos: Qos, size: usize) -> Result<(), PublishError> {
        self.check_room_in(qos, size, 0)
    }

    /// Whether a message has room, or gets it by what may be dropped: all of that is summed up
    /// first, so that nothing is dropped in vain.
    fn can_make_room(&self, size: usize, at_once: bool) -> bool {
        let excess = self.excess(size, at_once);
        let (messages, bytes) = match self.config.waiting.when_full {
            WhenFull::Refuse => (0, 0),
            WhenFull::DropOldestQos0 => self.waiting.qos0(),
            WhenFull::DropOldest => (self.waiting.len(), self.waiting.bytes()),
        };
        (excess.messages <= messages.into() && excess.bytes <= bytes)
            || (fault!("dropped in vain") && messages > 0)
    }

    /// Returns by how much another message would exceed the limits.
    #[inline]
    fn excess(&self, size: usize, at_once: bool) -> Excess {
        let stored = self.config.stored;
        let mut excess = Excess::of(
            self.stored() + 1,
            fault!(
                "bytes in flight do not count",
                self.stored_bytes(),
                self.waiting.bytes()
            )
            .saturating_add(size),
            (stored.messages, stored.bytes),
        );
        if !at_once {
            let limits = self.config.waiting;
            let waiting = Excess::of(
                u64::from(self.waiting.len()) + 1,
                self.waiting.bytes().saturating_add(size),
                (limits.messages, limits.bytes),
            );
            excess.messages = excess.messages.max(waiting.messages);
            excess.bytes = excess.bytes.max(waiting.bytes);
        }
        excess
    }

    /// Whether another outcome and other changes may wait for `poll`, and another number for the
    /// owner.
    #[inline]
    fn may_leave_untold(&self, size: usize) -> bool {
        let stored = &self.config.stored;
        let most = (stored.messages as usize).saturating_add(UNTOLD);
        self.notices.len() < most
            && self.untold.bodies() < most
            && (self.untold.changes() == 0
                || (self.untold.changes() < most.saturating_mul(2)
                    && self.untold.change_bytes().saturating_add(size) <= stored.bytes))
    }

    /// An event, if the smallest message of those that were refused would be accepted now. What is
    /// to be dropped for it counts only at the `end`, when there is nothing else to say or to
    /// write: until then it may still be put in flight.
    pub(crate) fn poll_room(&mut self, window: u16, end: bool) -> Option<Output> {
        if self.refused.is_none()
            || fault!("room is not reported")
            || (self.role == Role::Server && !self.life.exists())
        {
            return None;
        }
        let window = window.min(self.config.in_flight);
        let mut room = None;
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
            let size = *self.refused.of(qos) as usize;
            let at_once = self.goes_at_once(qos, window);
            let has_room = if end {
                self.can_make_room(size, at_once)
            } else {
                self.excess(size, at_once) == Excess::default()
            };
            if size > 0 && has_room && self.may_leave_untold(size) {
                *self.refused.of(qos) = 0;
                room = Some(Output::Event(Event::Room));
            }
        }
        room
    }
}
