//! What happened in a run, for people.
//!
//! A world describes what it does while it does it. The engines run millions of steps with the log
//! switched off; then a description is not even formatted. For the one trace that somebody wants to
//! look at, the run is repeated with the log on, and [`chart`](super::chart) draws it.

use std::fmt;

/// One of the parties of a world, as a position in [`World::LANES`](super::World::LANES).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane(pub usize);

/// One line of a sequence chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The step with this number (from 1) begins.
    Step(usize),
    /// Something arrived.
    Message {
        /// The sender.
        from: Lane,
        /// The receiver.
        to: Lane,
        /// What it was.
        text: String,
    },
    /// Something was sent and will never arrive.
    Lost {
        /// The sender.
        from: Lane,
        /// Who does not receive it.
        to: Lane,
        /// What it was.
        text: String,
    },
    /// Something happened at one party: the application called, an event came out, a timer fired.
    Note {
        /// Where.
        lane: Lane,
        /// What.
        text: String,
    },
    /// The environment did something that nobody wanted.
    Fault(String),
    /// From here on the environment behaves.
    FaultsStopped,
    /// The reason why somebody is looking at this chart.
    Verdict(String),
}

impl Entry {
    /// The words, without the drawing.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Step(number) => format!("step {number}"),
            Self::Message { text, .. } | Self::Note { text, .. } => text.clone(),
            Self::Lost { text, .. } => format!("{text} (lost)"),
            Self::Fault(text) | Self::Verdict(text) => text.clone(),
            Self::FaultsStopped => "faults stopped".to_owned(),
        }
    }
}

/// Collects entries if it is on, and costs nothing if it is off.
#[derive(Clone, Debug, Default)]
pub struct Log {
    on: bool,
    entries: Vec<Entry>,
}

impl Log {
    /// A log that ignores everything.
    #[must_use]
    pub fn off() -> Self {
        Self::default()
    }

    /// A log that keeps everything.
    #[must_use]
    pub fn on() -> Self {
        Self {
            on: true,
            entries: Vec::new(),
        }
    }

    /// What has been said.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// See [`Entry::Message`].
    pub fn message(&mut self, from: Lane, to: Lane, text: impl fmt::Display) {
        if self.on {
            let text = text.to_string();
            self.entries.push(Entry::Message { from, to, text });
        }
    }

    /// See [`Entry::Lost`].
    pub fn lost(&mut self, from: Lane, to: Lane, text: impl fmt::Display) {
        if self.on {
            let text = text.to_string();
            self.entries.push(Entry::Lost { from, to, text });
        }
    }

    /// See [`Entry::Note`].
    pub fn note(&mut self, lane: Lane, text: impl fmt::Display) {
        if self.on {
            let text = text.to_string();
            self.entries.push(Entry::Note { lane, text });
        }
    }

    /// See [`Entry::Fault`].
    pub fn fault(&mut self, text: impl fmt::Display) {
        if self.on {
            self.entries.push(Entry::Fault(text.to_string()));
        }
    }

    pub(crate) fn step(&mut self, number: usize) {
        if self.on {
            self.entries.push(Entry::Step(number));
        }
    }

    pub(crate) fn faults_stopped(&mut self) {
        if self.on {
            self.entries.push(Entry::FaultsStopped);
        }
    }

    pub(crate) fn verdict(&mut self, text: impl fmt::Display) {
        if self.on {
            self.entries.push(Entry::Verdict(text.to_string()));
        }
    }
}
