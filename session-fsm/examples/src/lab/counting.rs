//! What was sent, and what arrived: each message carries its number.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt5_tokio::Qos;

/// Numbered messages: how often each arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many were sent.
    pub sent: u64,
    /// How many the server has confirmed; `None` with QoS 0, which has no confirmation.
    pub confirmed: Option<u64>,
    /// How many arrived at least once.
    pub delivered: u64,
    /// How many arrivals there were beyond the first of each.
    pub repeated: u64,
    /// How many did not arrive.
    pub lost: u64,
}

impl Tally {
    /// Compares the numbers that were sent with those that arrived.
    #[must_use]
    pub fn of(
        sent: impl IntoIterator<Item = u64>,
        confirmed: Option<u64>,
        arrived: impl IntoIterator<Item = u64>,
    ) -> Self {
        let mut counts: BTreeMap<u64, u64> = sent.into_iter().map(|number| (number, 0)).collect();
        let mut strange = 0;
        for number in arrived {
            match counts.get_mut(&number) {
                Some(count) => *count += 1,
                // Nobody sent it: it counts as repeated, so that no promise hides it.
                None => strange += 1,
            }
        }
        let delivered = counts.values().filter(|&&it| it > 0).count() as u64;
        let arrivals: u64 = counts.values().sum();
        Tally {
            sent: counts.len() as u64,
            confirmed,
            delivered,
            repeated: arrivals - delivered + strange,
            lost: counts.len() as u64 - delivered,
        }
    }

    /// Whether this is what the QoS promises (section 4.3).
    #[must_use]
    pub const fn keeps(&self, qos: Qos) -> bool {
        match qos {
            Qos::AtMostOnce => self.repeated == 0,
            Qos::AtLeastOnce => self.lost == 0,
            Qos::ExactlyOnce => self.lost == 0 && self.repeated == 0,
        }
    }
}

/// What a QoS promises, as a sentence.
#[must_use]
pub const fn promise(qos: Qos) -> &'static str {
    match qos {
        Qos::AtMostOnce => "QoS 0 delivers at most once.",
        Qos::AtLeastOnce => "QoS 1 delivers at least once.",
        Qos::ExactlyOnce => "QoS 2 delivers exactly once.",
    }
}

/// How long messages took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// In ascending order.
    sorted: Vec<Duration>,
}

impl Latencies {
    /// The value below which this share of all values is, in hundredths; zero if there is none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.sorted.len() * percent).div_ceil(100);
        let value = self.sorted.get(rank.saturating_sub(1));
        value.copied().unwrap_or_default()
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.sorted.last().copied().unwrap_or_default()
    }

    /// All of them, in ascending order.
    #[must_use]
    pub fn values(&self) -> &[Duration] {
        &self.sorted
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(values: I) -> Self {
        let mut sorted: Vec<Duration> = values.into_iter().collect();
        sorted.sort_unstable();
        Latencies { sorted }
    }
}

/// Milliseconds, as short as they are clear.
#[must_use]
pub fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1000.0;
    match milliseconds {
        0.0..10.0 => format!("{milliseconds:.2} ms"),
        10.0..100.0 => format!("{milliseconds:.1} ms"),
        _ => format!("{milliseconds:.0} ms"),
    }
}

/// A number with a comma after each three digits.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_sees_what_is_lost_what_is_repeated_and_what_nobody_sent() {
        let tally = Tally::of(0..5, Some(5), [0, 1, 1, 3, 3, 3, 9]);
        assert_eq!(
            (tally.sent, tally.delivered, tally.repeated, tally.lost),
            (5, 3, 4, 2)
        );
        assert!(!tally.keeps(Qos::AtMostOnce) && !tally.keeps(Qos::AtLeastOnce));
        let all = Tally::of(0..3, None, [2, 1, 0]);
        assert!(all.keeps(Qos::ExactlyOnce));
        let twice = Tally::of(0..3, None, [2, 1, 0, 0]);
        assert!(twice.keeps(Qos::AtLeastOnce) && !twice.keeps(Qos::ExactlyOnce));
        let fewer = Tally::of(0..3, None, [2]);
        assert!(fewer.keeps(Qos::AtMostOnce) && !fewer.keeps(Qos::AtLeastOnce));
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let hundred: Latencies = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(hundred.percentile(50), Duration::from_millis(50));
        assert_eq!(hundred.percentile(99), Duration::from_millis(99));
        assert_eq!(hundred.longest(), Duration::from_millis(100));
        assert_eq!(Latencies::default().percentile(99), Duration::ZERO);
        let one: Latencies = [Duration::from_millis(7)].into_iter().collect();
        assert_eq!(one.percentile(1), Duration::from_millis(7));
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
