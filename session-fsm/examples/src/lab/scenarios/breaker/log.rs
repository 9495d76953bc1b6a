//! What a station writes down.

use std::time::Duration;

use crate::lab::Tally;
use crate::lab::outcome::TimelineLine;

/// A publish that was tried.
#[derive(Clone, Copy)]
pub(super) struct Attempt {
    pub(super) from: Duration,
    pub(super) to: Duration,
    pub(super) is_probe: bool,
    pub(super) has_failed: bool,
}

/// What a station has written down. All times are those of the lab.
#[derive(Default)]
pub(super) struct Log {
    /// In the order in which they ended.
    pub(super) attempts: Vec<Attempt>,
    /// When the breaker went into which state, and after how many attempts.
    pub(super) states: Vec<(Duration, &'static str, usize)>,
    pub(super) held_back: u64,
    pub(super) longest_delay: Duration,
    pub(super) down: Duration,
    pub(super) up: Duration,
    pub(super) end: Duration,
    pub(super) tally: Tally,
}

impl Log {
    pub(super) fn failed(&self) -> impl Iterator<Item = &Attempt> {
        self.attempts.iter().filter(|it| it.has_failed)
    }

    pub(super) fn blocked(&self) -> Duration {
        self.failed().map(|it| it.to - it.from).sum()
    }

    pub(super) fn state(&mut self, at: Duration, name: &'static str) {
        if self.states.last().is_none_or(|it| it.1 != name) {
            self.states.push((at, name, self.attempts.len()));
        }
    }

    /// When it was first opened, and after how many attempts.
    pub(super) fn opened(&self) -> Option<(Duration, usize)> {
        let opened = self.states.iter().find(|it| it.1 == "open");
        opened.map(|it| (it.0, it.2))
    }

    pub(super) fn failures_before_opening(&self) -> usize {
        let before = self.opened().map_or(0, |(_, attempts)| attempts);
        let attempts = self.attempts[..before].iter().rev();
        attempts.take_while(|it| it.has_failed).count()
    }

    /// Whether nothing but probes, one after the other, was tried while it was not closed.
    pub(super) fn probes_are_single(&self) -> bool {
        let is_open = |attempt: &&Attempt| {
            let state = self.states.iter().rev().find(|it| it.0 <= attempt.from);
            state.is_some_and(|it| it.1 != "closed")
        };
        let mut probes: Vec<&Attempt> = self.attempts.iter().filter(is_open).collect();
        probes.sort_by_key(|it| it.from);
        let is_after = |pair: &[&Attempt]| pair[0].to <= pair[1].from;
        !probes.is_empty() && probes.iter().all(|it| it.is_probe) && probes.windows(2).all(is_after)
    }

    /// Whether it is closed in the end, after the network was back and the last two probes have succeeded.
    pub(super) fn closed_after_two_probes(&self) -> bool {
        let Some(&(at, "closed", attempts)) = self.states.last() else {
            return false;
        };
        let probes = self.attempts[..attempts].iter().rev();
        let last: Vec<&Attempt> = probes.filter(|it| it.is_probe).take(2).collect();
        at > self.up && last.len() == 2 && last.iter().all(|it| !it.has_failed)
    }

    pub(super) fn failures_line(&self, name: &str) -> TimelineLine {
        let span = |it: &Attempt| (it.from, it.to, "a publish fails".to_owned());
        TimelineLine {
            name: name.to_owned(),
            marks: Vec::new(),
            spans: self.failed().map(span).collect(),
        }
    }

    pub(super) fn state_line(&self, name: &str, state: &str) -> TimelineLine {
        let ends = self.states.iter().skip(1).map(|it| it.0).chain([self.end]);
        let spans = self.states.iter().zip(ends).filter(|(it, _)| it.1 == state);
        TimelineLine {
            name: name.to_owned(),
            marks: Vec::new(),
            spans: spans
                .map(|(it, end)| (it.0, end, state.to_owned()))
                .collect(),
        }
    }
}
