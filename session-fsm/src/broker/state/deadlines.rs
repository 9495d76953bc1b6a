//! When the broker has to look at something: one ordered set for all connections and Sessions.

use alloc::collections::BTreeSet;

use super::slots::Key;
use crate::Instant;

/// What has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Due {
    Link(Key),
    Client(Key),
    Retained,
    Groups,
}

/// An entry is at the deadline or before it: a deadline that moves away, as that of the Keep Alive
/// does with each packet, is looked at when its entry comes up.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines(BTreeSet<(Instant, Due)>);

impl Deadlines {
    /// When the next entry comes up.
    pub(super) fn next(&self) -> Instant {
        self.0.first().map_or(Instant::NEVER, |&(at, _)| at)
    }

    /// Takes what comes up by now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        let entry = fault!(
            "the latest deadline first",
            self.0.first(),
            self.0.iter().rfind(|it| it.0 <= now)
        );
        let &(at, due) = entry?;
        if at > now {
            return None;
        }
        let _ = fault!(
            "the latest deadline first",
            self.0.pop_first(),
            self.0.take(&(at, due))
        );
        Some(due)
    }

    /// Notes that something is due at `at`, and was noted for `armed`.
    pub(super) fn arm(&mut self, due: Due, armed: &mut Instant, at: Instant) {
        if at < *armed || fault!("armed with each packet") {
            self.0.remove(&(*armed, due));
            self.0.insert((at, due));
            *armed = at;
        }
    }

    /// Forgets what was noted for `armed`.
    pub(super) fn disarm(&mut self, due: Due, armed: Instant) {
        self.0.remove(&(armed, due));
    }
}
