//! Counters, and their shares.

use core::fmt;
use core::time::Duration;

/// What became of the messages that came to a [`Processor`](super::Processor).
///
/// Each message that came is in one of `duplicates`, `dropped`, `processed`, `errors`, or still in
/// progress. Counting stops at [`u64::MAX`].
///
/// ```
/// use mqtt5_session_fsm::processing::ProcessorStatistics;
///
/// let mut statistics = ProcessorStatistics::default();
/// statistics.received = 8;
/// statistics.duplicates = 1;
/// assert_eq!(statistics.share_of(statistics.duplicates).to_string(), "12.5 %");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProcessorStatistics {
    /// Messages that came.
    pub received: u64,
    /// Those whose key was processed before, or in progress.
    pub duplicates: u64,
    /// Those that found no room.
    pub dropped: u64,
    /// Those that were processed.
    pub processed: u64,
    /// Those that were given up.
    pub errors: u64,
    /// Attempts that failed and were followed by another one.
    pub retries: u64,
    /// Attempts that began only after as long a wait as raises the alarm.
    pub delayed: u64,
    /// The longest time that a message has waited for being started, after it came or was due
    /// again.
    pub longest_queue_delay: Duration,
    /// The moving average of the times that successful attempts took; `None` before the first.
    pub average_processing_time: Option<Duration>,
}

/// A part of a whole, in thousandths. It is shown as a percentage with one decimal.
///
/// ```
/// use mqtt5_session_fsm::processing::Share;
///
/// let share = Share::of(1, 3);
/// assert_eq!((share.per_mille(), share.percent()), (333, 33.3));
/// assert_eq!(share.to_string(), "33.3 %");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(u16);

impl ProcessorStatistics {
    pub(super) const NONE: ProcessorStatistics = ProcessorStatistics {
        received: 0,
        duplicates: 0,
        dropped: 0,
        processed: 0,
        errors: 0,
        retries: 0,
        delayed: 0,
        longest_queue_delay: Duration::ZERO,
        average_processing_time: None,
    };

    /// Returns the share of one of the counters in the messages that came.
    #[must_use]
    pub fn share_of(&self, counter: u64) -> Share {
        Share::of(counter, self.received)
    }

    pub(super) fn waited(&mut self, delay: Duration) {
        self.longest_queue_delay = self.longest_queue_delay.max(delay);
    }

    pub(super) fn processed_in(&mut self, time: Duration, smoothing_per_mille: u16) {
        self.processed = self.processed.saturating_add(1);
        let weight = u32::from(smoothing_per_mille.clamp(1, 1000));
        self.average_processing_time = Some(match self.average_processing_time {
            None => time,
            Some(average) => {
                let newest = time.saturating_mul(weight);
                newest.saturating_add(average.saturating_mul(1000 - weight)) / 1000
            }
        });
    }
}

impl Share {
    /// Returns the share of a part in a whole, rounded to the nearest thousandth: at most 1,000,
    /// and 0 if the whole is 0.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Self {
        let whole = u128::from(whole);
        let part = u128::from(part).min(whole);
        let per_mille = (part * 1000 + whole / 2).checked_div(whole);
        Share(
            per_mille
                .and_then(|share| u16::try_from(share).ok())
                .unwrap_or(0),
        )
    }

    /// Returns it in thousandths: 0 to 1,000.
    #[must_use]
    pub const fn per_mille(self) -> u16 {
        self.0
    }

    /// Returns it in per cent: 0.0 to 100.0.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{} %", self.0 / 10, self.0 % 10)
    }
}

/// The counters with their shares, one a line, and the times.
impl fmt::Display for ProcessorStatistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, counter) in [
            ("received", self.received),
            ("duplicates", self.duplicates),
            ("dropped", self.dropped),
            ("processed", self.processed),
            ("errors", self.errors),
        ] {
            writeln!(formatter, "{name}: {counter} ({})", self.share_of(counter))?;
        }
        write!(
            formatter,
            "longest wait for being processed: {:?}",
            self.longest_queue_delay
        )?;
        if let Some(average) = self.average_processing_time {
            write!(formatter, "\naverage processing time: {average:?}")?;
        }
        Ok(())
    }
}
