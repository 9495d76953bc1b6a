//! Whole packets that were offered and not taken.

use crate::Instant;

/// Whether whole packets may lie in the caller's buffer. They were offered to `receive`, which
/// reported something else first, or waited for a decision.
///
/// The deadline then lies in the past, so that a caller that waits for the network or for the timer
/// offers them again. It does so for two rounds at most, so that a caller whose output is blocked,
/// and which does not read for that reason, is not kept awake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Unread(u8);

impl Unread {
    /// The caller calls `handle_timeout` once in the round in which the bytes were offered,
    /// perhaps, and once when it is woken.
    const ROUNDS: u8 = 2;

    /// Bytes were left.
    pub(crate) fn set(&mut self) {
        self.0 = fault!("packets behind a CONNECT forgotten", Self::ROUNDS, 0);
    }

    /// They were offered again, or are gone.
    pub(crate) fn clear(&mut self) {
        self.0 = 0;
    }

    /// Whether they are still to be offered again.
    pub(crate) const fn is_set(self) -> bool {
        self.0 > 0
    }

    /// A call of `handle_timeout`: whether it came for them. What came in time may lie among them,
    /// so no other deadline counts then.
    pub(crate) fn woke(&mut self) -> bool {
        let woke = self.is_set();
        self.0 = self.0.saturating_sub(1);
        woke
    }

    /// The deadline for them.
    pub(crate) const fn due(self) -> Instant {
        if self.is_set() {
            Instant::ORIGIN
        } else {
            Instant::NEVER
        }
    }
}
