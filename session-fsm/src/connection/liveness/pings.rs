//! Unanswered PINGREQs (section 3.12), in order: a PINGRESP answers the first.

use core::time::Duration;

use crate::Instant;
use crate::session::RareQueue;

/// How many PINGREQs that the application asked for may be unanswered.
const PINGS: usize = 16;

/// One PINGREQ that the application asked for, or several that the Keep Alive sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Ping {
    wanted: bool,
    count: u32,
    /// Never if it waits to be written.
    written: Instant,
}

/// At most [`PINGS`] entries that were asked for, one for all others between two of them, and one
/// that waits to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pings(RareQueue<Ping>);

impl Pings {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the application may ask for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.0.iter().filter(|ping| ping.wanted).count() < PINGS
    }

    /// One waits to be written.
    pub(super) fn push(&mut self, wanted: bool) {
        if !wanted && fault!("the answer to any PINGREQ") {
            return;
        }
        self.0.push_back(Ping {
            wanted,
            count: 1,
            written: Instant::NEVER,
        });
    }

    /// The first that waited was written.
    pub(super) fn written(&mut self, now: Instant) {
        let Some(position) = self
            .0
            .iter()
            .position(|ping| ping.written == Instant::NEVER)
        else {
            return;
        };
        let wanted = self.0.get_mut(position).is_some_and(|ping| ping.wanted);
        let before = position.checked_sub(1).and_then(|it| self.0.get_mut(it));
        if let Some(before) = before.filter(|before| !wanted && !before.wanted) {
            before.count = before.count.saturating_add(1);
            self.0.remove(position);
        } else if let Some(ping) = self.0.get_mut(position) {
            ping.written = now;
        }
    }

    /// A PINGRESP came: the round trip, if it answers a PINGREQ that the application asked for.
    pub(crate) fn answered(&mut self, now: Instant) -> Option<Duration> {
        let first = self.0.get_mut(0)?;
        if first.written == Instant::NEVER {
            return None;
        }
        let round_trip = first.wanted.then(|| first.written.until(now));
        if first.count > 1 {
            first.count -= 1;
        } else {
            self.0.pop_front();
            if self.0.is_empty() {
                // An idle connection takes no memory for it.
                self.0.clear();
            }
        }
        round_trip
    }

    /// Since when the Server owes a PINGRESP; never if it does not.
    pub(crate) fn asked(&self) -> Instant {
        self.0.front().map_or(Instant::NEVER, |ping| ping.written)
    }

    /// Nothing was written later than this.
    pub(super) fn clamp(&mut self, now: Instant) {
        for ping in self.0.iter_mut() {
            if ping.written != Instant::NEVER {
                ping.written = ping.written.min(now);
            }
        }
    }
}
