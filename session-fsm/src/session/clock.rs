//! Times of another clock.
//!
//! A stored Session has times of its clock. If the next process has another clock, or the clock was
//! set back, such a time may be far away. Each time is kept with the interval that led to it, and
//! is never further away than that interval.

use mqtt5_codec::Message;

use super::Session;
use crate::Instant;

impl Session {
    /// The clock may have gone back: the Session does not live longer than its Session Expiry
    /// Interval from now, the Will Message is not later than its Will Delay Interval, no message
    /// lives longer than its Message Expiry Interval, and no deadline of a publication is further
    /// away than at first. Takes time in proportion to the messages.
    pub(crate) fn clamp(&mut self, now: Instant) {
        self.clamp_ends(now);
        self.waiting.clamp(now);
        if let Some(sender) = self.sender.used() {
            sender.clamp(now);
        }
        self.clamp_deadlines(now);
    }
}

/// When a message expires, which is not later than its Message Expiry Interval from now.
pub(crate) fn message_expiry(now: Instant, message: &Message, expires_at: Instant) -> Instant {
    if expires_at == Instant::NEVER {
        return expires_at;
    }
    let interval = message.publish().properties.message_expiry_interval();
    interval.map_or(expires_at, |seconds| {
        clamped(expires_at, now.plus_seconds(seconds))
    })
}

/// A time that is no later than the latest that its interval allows. What does not run stays so.
pub(super) fn clamped(time: Instant, latest: Instant) -> Instant {
    if time == Instant::NEVER {
        time
    } else {
        time.min(latest)
    }
}
