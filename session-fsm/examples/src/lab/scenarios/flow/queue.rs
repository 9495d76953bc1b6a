//! A bounded queue of an application.

use std::time::Duration;

use mqtt5_tokio::codec::ReasonCode;
use mqtt5_tokio::fsm::Instant;
use mqtt5_tokio::fsm::deduplicate::Deduplicator;
use mqtt5_tokio::fsm::processing::{Intake, Processor, ProcessorSettings, Step, TaskId};
use mqtt5_tokio::{Message, Messages};
use tokio::time::{sleep, sleep_until};

use crate::lab::Lab;

/// How many messages the queue holds.
pub(super) const QUEUE: usize = 20;
/// A message that waits for so long raises the alarm.
pub(super) const ALARM: Duration = Duration::from_millis(15);

/// A consumer that processes one message after the other.
pub(super) struct Consumer<'a> {
    lab: &'a Lab,
    messages: Messages,
    pub(super) processor: Processor<Option<Message>, ()>,
    /// What is processed, and until when.
    working: Option<(TaskId, tokio::time::Instant)>,
    pub(super) alarms: u64,
    /// The application's own list: how long each message took, as far as the processor's clock can tell.
    pub(super) times: Vec<Duration>,
    refused: u64,
}

impl<'a> Consumer<'a> {
    pub(super) fn new(lab: &'a Lab, messages: Messages) -> Self {
        let settings = ProcessorSettings {
            messages: QUEUE,
            concurrency: 1,
            delay_alarm: ALARM,
            ..ProcessorSettings::default()
        };
        Consumer {
            lab,
            messages,
            // Each message comes once here.
            processor: Processor::new(settings, Deduplicator::new(0, Duration::ZERO, [0; 16])),
            working: None,
            alarms: 0,
            times: Vec::new(),
            refused: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.lab.start.elapsed()
    }

    /// Runs until each message was processed or refused.
    pub(super) async fn run(&mut self, count: u64) {
        let mut began = self.now();
        while (self.times.len() as u64) + self.refused < count {
            if let Some(now) = self.step() {
                began = now;
            }
            let until = self.working.map(|it| it.1);
            let alarm = self.now().until(self.processor.next_timeout());
            tokio::select! {
                message = self.messages.next() => match message {
                    Some(message) => self.receive(message),
                    None => return,
                },
                () = sleep_until(until.unwrap_or_else(tokio::time::Instant::now)), if until.is_some() => {
                    if let Some((task, _)) = self.working.take() {
                        let now = self.now();
                        self.processor.succeeded(now, task);
                        self.times.push(began.until(now));
                    }
                }
                () = sleep(alarm) => {}
            }
        }
        self.step();
    }

    fn receive(&mut self, message: Message) {
        let (now, size) = (self.now(), message.payload().len());
        let mut message = Some(message);
        let intake = self
            .processor
            .receive(now, None, size, || message.take(), None);
        if matches!(intake, Intake::Dropped(_))
            && let Some(message) = message
        {
            message.refuse(ReasonCode::QuotaExceeded);
            self.refused += 1;
        }
    }

    /// Does what the processor says. Returns when another message began to be processed.
    fn step(&mut self) -> Option<Instant> {
        let now = self.now();
        let mut began = None;
        while let Some(step) = self.processor.poll(now) {
            match step {
                Step::Process(task) => {
                    let work = Duration::from_micros(1_000 + self.lab.random(2_000));
                    self.working = Some((task.id, tokio::time::Instant::now() + work));
                    began = Some(now);
                }
                Step::Finished(finished) => {
                    if let Some(message) = finished.message {
                        message.refuse(finished.reason_code);
                    }
                }
                Step::Delayed { .. } => self.alarms += 1,
            }
        }
        began
    }
}
