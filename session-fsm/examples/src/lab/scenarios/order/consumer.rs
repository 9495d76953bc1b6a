//! The application of the subscriber, which puts messages in order.

use std::collections::BTreeSet;
use std::time::Duration;

use mqtt5_tokio::Messages;
use mqtt5_tokio::codec::Publish;
use mqtt5_tokio::fsm::Instant;
use mqtt5_tokio::fsm::ordering::{Arrival, Gap, OrderedConsumer, OrderedConsumerSettings, Start};
use tokio::time::sleep;

use super::GAP;
use crate::lab::observers::number_of;
use crate::lab::{Lab, Result};

pub(super) struct Consumer<'a> {
    lab: &'a Lab,
    messages: Messages,
    ordered: OrderedConsumer<u64>,
    /// The application's own lists: what it was handed out, when, and in which order.
    pub(super) handed: Vec<(Duration, u64)>,
    pub(super) gaps: Vec<Gap>,
    pub(super) late: BTreeSet<u64>,
    pub(super) arrived: Vec<(Duration, u64)>,
}

impl<'a> Consumer<'a> {
    pub(super) fn new(lab: &'a Lab, messages: Messages, limit: usize) -> Self {
        let settings = OrderedConsumerSettings {
            start: Start::AtZero,
            gap_timeout: GAP,
            messages: limit,
            bytes: 1 << 30,
            ..OrderedConsumerSettings::default()
        };
        Consumer {
            lab,
            messages,
            ordered: OrderedConsumer::new(settings),
            handed: Vec::new(),
            gaps: Vec::new(),
            late: BTreeSet::new(),
            arrived: Vec::new(),
        }
    }

    /// Runs until the last message was handed out.
    pub(super) async fn run(&mut self, count: u64) -> Result<()> {
        while self.handed.last().is_none_or(|last| last.1 < count - 1) {
            let now = Instant::ORIGIN + self.lab.start.elapsed();
            let due = now.until(self.ordered.next_timeout());
            tokio::select! {
                message = self.messages.next() => {
                    let message = message.ok_or("The subscriber has ended.")?;
                    self.receive(&message.publish())?;
                }
                () = sleep(due) => {
                    let now = Instant::ORIGIN + self.lab.start.elapsed();
                    self.ordered.handle_timeout(now);
                    self.poll();
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, publish: &Publish<'_>) -> Result<()> {
        let number = number_of(publish.payload).ok_or("A message has no number.")?;
        let at = self.lab.start.elapsed();
        self.arrived.push((at, number));
        match self
            .ordered
            .receive(Instant::ORIGIN + at, publish, |_| number)?
        {
            Arrival::InOrder(gap) => {
                self.gaps.extend(gap);
                self.handed.push((at, number));
            }
            Arrival::Kept | Arrival::Repeated | Arrival::Replaced(_) => {}
            Arrival::Late => drop(self.late.insert(number)),
            other => return Err(format!("Message {number} has no place: {other:?}.").into()),
        }
        self.poll();
        Ok(())
    }

    fn poll(&mut self) {
        while let Some(ordered) = self.ordered.poll() {
            self.gaps.extend(ordered.gap);
            self.handed
                .push((self.lab.start.elapsed(), ordered.message));
        }
    }
}
