//! What the broker and the lab hold while messages wait.

use std::time::Duration;

use crate::lab::counting::thousands;
use crate::lab::process::own_memory;
use crate::lab::{Chart, Lab, Outcome};

/// What a process may take beyond the messages: buffers, records, and what its allocator keeps.
const SLACK: u64 = 16 << 20;

/// What the processes held, and when.
#[derive(Default)]
pub(super) struct Memory {
    broker: Vec<(Duration, u64)>,
    lab: Vec<(Duration, u64)>,
}

impl Memory {
    pub(super) fn sample(&mut self, lab: &Lab) {
        let Some(broker) = lab.own_broker() else {
            return;
        };
        let at = lab.start.elapsed();
        self.broker.extend(broker.memory().map(|it| (at, it)));
        self.lab.extend(own_memory().map(|it| (at, it)));
    }

    /// `stored` is what the broker holds for the consumer at most.
    pub(super) fn report(self, outcome: &mut Outcome, published: Duration, stored: u64) {
        let growth = |samples: &[(Duration, u64)]| {
            let first = samples.first().map_or(0, |it| it.1);
            let most = samples.iter().map(|it| it.1).max().unwrap_or(first);
            most.saturating_sub(first)
        };
        if self.broker.is_empty() {
            return;
        }
        let after = self.broker.iter().position(|it| it.0 >= published);
        let after = &self.broker[after.unwrap_or(self.broker.len() - 1)..];
        let kilobytes = |bytes: u64| format!("{} KB", thousands(bytes / 1024));
        outcome.say(format!(
            "The broker's memory grew by {} while it took messages, of which it holds {} at most, and by {} from then on. The memory of the lab grew by {}: the consumer, the publisher, and all that the observers write down.",
            kilobytes(growth(&self.broker)),
            kilobytes(stored),
            kilobytes(growth(after)),
            kilobytes(growth(&self.lab)),
        ));
        outcome.check(
            "Memory of the broker",
            "It grows by no more than twice of what it stores, and 16 MiB.",
            growth(&self.broker) <= 2 * stored + SLACK,
        );
        outcome.check(
            "Memory of the broker",
            "It stays flat while the slow consumer takes what is stored.",
            growth(after) <= SLACK / 4,
        );
        outcome.check(
            "Memory of the consumer",
            "The process with the consumer grows by no more than its records take, and 16 MiB.",
            growth(&self.lab) <= 4 * stored + SLACK,
        );
        let megabytes = |samples: Vec<(Duration, u64)>| -> Vec<(Duration, f64)> {
            let samples = samples.into_iter();
            samples
                .map(|(at, bytes)| (at, bytes as f64 / f64::from(1 << 20)))
                .collect()
        };
        outcome.charts.push(Chart::Curve {
            title: "Memory of the broker and of the lab".to_owned(),
            unit: "MiB",
            series: vec![
                ("broker".to_owned(), megabytes(self.broker)),
                ("lab, with the consumer".to_owned(), megabytes(self.lab)),
            ],
        });
    }
}
