//! When the broker has to look at something: one heap for all connections and Sessions.

use alloc::vec::Vec;

use crate::Instant;

/// What has a deadline: the connection or the Session in a slot, or the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Link(u32),
    Client(u32),
    Retained,
    Groups,
}

/// Each thing has one entry at most, which is at its deadline or before it: a deadline that moves
/// away, as that of the Keep Alive does with each packet, is looked at when its entry comes up.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    /// Each entry is before its two followers, at 2n + 1 and 2n + 2.
    heap: Vec<(Instant, Due)>,
    /// Where the entries are, counted from 1; 0 for none. By slot.
    links: Vec<u32>,
    clients: Vec<u32>,
    retained: u32,
    groups: u32,
}

impl Deadlines {
    /// When the next entry comes up.
    pub(super) fn next(&self) -> Instant {
        self.heap.first().map_or(Instant::NEVER, |&(at, _)| at)
    }

    /// Takes what comes up by now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        let position = fault!("the latest deadline first", 0, self.latest(now)?);
        let &(at, due) = self.heap.get(position)?;
        if at > now {
            return None;
        }
        self.disarm(due);
        Some(due)
    }

    #[cfg(mqtt5_faults)]
    fn latest(&self, now: Instant) -> Option<usize> {
        let due = self.heap.iter().enumerate().filter(|(_, it)| it.0 <= now);
        due.max_by_key(|(_, it)| **it).map(|(position, _)| position)
    }

    /// Notes that something is due at `at`, if it is not noted for an earlier time.
    pub(super) fn arm(&mut self, due: Due, at: Instant) {
        match self.position(due) {
            Some(position) => {
                let Some(entry) = self.heap.get_mut(position) else {
                    return;
                };
                if at < entry.0 {
                    entry.0 = at;
                    self.rise(position);
                } else if fault!("armed with each packet") {
                    entry.0 = at;
                    self.sink(position);
                }
            }
            None if at < Instant::NEVER => {
                self.heap.push((at, due));
                self.rise(self.heap.len() - 1);
            }
            None => {}
        }
    }

    /// Forgets what was noted.
    pub(super) fn disarm(&mut self, due: Due) {
        let Some(position) = self.position(due) else {
            return;
        };
        self.heap.swap_remove(position);
        self.set(due, 0);
        if position < self.heap.len() {
            self.rise(position);
            self.sink(position);
        }
    }

    fn position(&self, due: Due) -> Option<usize> {
        let position = match due {
            Due::Link(slot) => self.links.get(slot as usize).copied()?,
            Due::Client(slot) => self.clients.get(slot as usize).copied()?,
            Due::Retained => self.retained,
            Due::Groups => self.groups,
        };
        (position as usize).checked_sub(1)
    }

    /// Notes where an entry is, counted from 1.
    fn set(&mut self, due: Due, position: u32) {
        let (positions, slot) = match due {
            Due::Link(slot) => (&mut self.links, slot as usize),
            Due::Client(slot) => (&mut self.clients, slot as usize),
            Due::Retained => return self.retained = position,
            Due::Groups => return self.groups = position,
        };
        if positions.len() <= slot {
            positions.resize(slot + 1, 0);
        }
        if let Some(place) = positions.get_mut(slot) {
            *place = position;
        }
    }

    /// Moves an entry to the front until the one before it is earlier.
    fn rise(&mut self, mut position: usize) {
        while let Some(before) = position.checked_sub(1).map(|it| it / 2) {
            if self.heap.get(before) <= self.heap.get(position) {
                break;
            }
            self.swap(before, position);
            position = before;
        }
        self.placed(position);
    }

    /// Moves an entry to the back until its followers are later.
    fn sink(&mut self, mut position: usize) {
        loop {
            let first = 2 * position + 1;
            let followers = self.heap.get(first..).unwrap_or_default();
            let Some((follower, earliest)) = (first..).zip(followers).take(2).min_by_key(|it| it.1)
            else {
                break;
            };
            if self.heap.get(position) <= Some(earliest) {
                break;
            }
            self.swap(position, follower);
            position = follower;
        }
        self.placed(position);
    }

    /// Exchanges two entries.
    fn swap(&mut self, first: usize, second: usize) {
        self.heap.swap(first, second);
        self.placed(first);
        self.placed(second);
    }

    fn placed(&mut self, position: usize) {
        if let Some(&(_, due)) = self.heap.get(position) {
            self.set(due, position as u32 + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    use super::{Deadlines, Due};
    use crate::Instant;

    /// Beside a set of all entries, through calls that a generator of random numbers chooses.
    #[test]
    fn comes_up_in_order_whatever_was_armed_and_disarmed() {
        let mut deadlines = Deadlines::default();
        let mut entries: BTreeSet<(Instant, Due)> = BTreeSet::new();
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        let mut most = 0;
        for _ in 0..100_000 {
            let slot = random(40) as u32;
            let due = match random(20) {
                0 => Due::Retained,
                1 => Due::Groups,
                2..=10 => Due::Client(slot),
                _ => Due::Link(slot),
            };
            let noted = entries.iter().copied().find(|it| it.1 == due);
            match random(8) {
                0..=4 => {
                    let at = Instant::from_millis(random(1_000));
                    deadlines.arm(due, at);
                    if noted.is_none_or(|noted| at < noted.0) {
                        noted.map(|it| entries.remove(&it));
                        entries.insert((at, due));
                    }
                }
                5 => {
                    deadlines.disarm(due);
                    noted.map(|it| entries.remove(&it));
                }
                6 => deadlines.arm(due, Instant::NEVER),
                _ => {
                    let now = Instant::from_millis(random(200));
                    let first = entries.first().copied().filter(|it| it.0 <= now);
                    assert_eq!(deadlines.take(now), first.map(|it| it.1));
                    first.map(|it| entries.remove(&it));
                }
            }
            let next = entries.first().map_or(Instant::NEVER, |it| it.0);
            assert_eq!(deadlines.next(), next);
            most = most.max(entries.len());
        }
        assert!(most > 50, "the heap has levels");
        let mut rest = Vec::new();
        while let Some(due) = deadlines.take(Instant::from_millis(1_000)) {
            rest.push(due);
        }
        let expected: Vec<Due> = entries.into_iter().map(|it| it.1).collect();
        assert_eq!(rest, expected);
    }
}
