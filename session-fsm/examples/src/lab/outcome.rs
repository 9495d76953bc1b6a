//! What came out of a scenario.

use std::time::Duration;

use mqtt5_tokio::Qos;

use super::counting::{Tally, promise};
use super::observers::Recording;

/// What came out of a scenario, for the terminal and the page.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What happened, in plain sentences.
    pub sentences: Vec<String>,
    /// What was promised, and whether it was kept.
    pub promises: Vec<Promise>,
    /// Numbers.
    pub tables: Vec<Table>,
    /// For the page.
    pub charts: Vec<Chart>,
}

/// Something that is promised, and was checked.
#[derive(Clone, Debug)]
pub struct Promise {
    /// What it is about, such as a level or a client.
    pub subject: String,
    /// The promise, as a sentence.
    pub promise: String,
    /// The messages that were counted for it.
    pub tally: Option<Tally>,
    /// Whether it was kept.
    pub kept: bool,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// The names of its columns.
    pub columns: Vec<&'static str>,
    /// Its rows, each as long as there are columns.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Whether a column has text, not numbers.
    #[must_use]
    pub fn is_text(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.any(|cell| !cell.starts_with(|it: char| it.is_ascii_digit() || it == '-'))
    }
}

/// A chart on the page.
#[derive(Clone, Debug)]
pub enum Chart {
    /// How many messages took how long, for each series.
    Histogram {
        /// What it shows.
        title: String,
        /// Names and values.
        series: Vec<(String, Vec<Duration>)>,
    },
    /// The packets of one exchange, one by one.
    Sequence {
        /// What it shows.
        title: String,
        /// What was seen between the client and the server.
        recording: Recording,
    },
    /// Amounts side by side.
    Bars {
        /// What it shows.
        title: String,
        /// What the amounts are.
        unit: &'static str,
        /// Names and amounts.
        bars: Vec<(String, f64)>,
    },
    /// What happened when, one line for each participant.
    Timeline {
        /// What it shows.
        title: String,
        /// The lines.
        lines: Vec<TimelineLine>,
    },
    /// An amount over time.
    Curve {
        /// What it shows.
        title: String,
        /// What the amount is.
        unit: &'static str,
        /// Names, and points in time with amounts.
        series: Vec<(String, Vec<(Duration, f64)>)>,
    },
}

impl Chart {
    /// What it shows.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Chart::Histogram { title, .. }
            | Chart::Sequence { title, .. }
            | Chart::Bars { title, .. }
            | Chart::Timeline { title, .. }
            | Chart::Curve { title, .. } => title,
        }
    }
}

/// A participant of a timeline.
#[derive(Clone, Debug)]
pub struct TimelineLine {
    /// Its name.
    pub name: String,
    /// Single events, and what they were.
    pub marks: Vec<(Duration, String)>,
    /// Times during which something lasted, and what it was.
    pub spans: Vec<(Duration, Duration, String)>,
}

impl Outcome {
    /// Adds a sentence.
    pub fn say(&mut self, sentence: impl Into<String>) {
        self.sentences.push(sentence.into());
    }

    /// Adds a promise about messages: what their QoS promises.
    pub fn deliveries(&mut self, subject: impl Into<String>, qos: Qos, tally: Tally) {
        let kept = tally.keeps(qos);
        self.counted(subject, promise(qos), tally, kept);
    }

    /// Adds a promise with the messages that were counted for it.
    pub fn counted(
        &mut self,
        subject: impl Into<String>,
        promise: impl Into<String>,
        tally: Tally,
        kept: bool,
    ) {
        self.promises.push(Promise {
            subject: subject.into(),
            promise: promise.into(),
            tally: Some(tally),
            kept,
        });
    }

    /// Adds a promise that is not about the number of messages.
    pub fn check(&mut self, subject: impl Into<String>, promise: impl Into<String>, kept: bool) {
        self.promises.push(Promise {
            subject: subject.into(),
            promise: promise.into(),
            tally: None,
            kept,
        });
    }

    /// Whether every promise was kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.promises.iter().all(|promise| promise.kept)
    }
}
