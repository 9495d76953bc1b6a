//! The application of the subscriber: it processes, tries again, gives up, and acknowledges.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use mqtt5_tokio::codec::ReasonCode;
use mqtt5_tokio::fsm::Instant;
use mqtt5_tokio::fsm::deduplicate::Deduplicator;
use mqtt5_tokio::fsm::processing::{Failure, Intake, Processor, ProcessorSettings, Step, TaskId};
use mqtt5_tokio::{Message, Messages};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::acknowledgements;
use crate::lab::Lab;
use crate::lab::observers::{Observer, number_of};

/// How it is with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    Good,
    /// The first attempt fails.
    Moody,
    /// Every attempt fails.
    Hopeless,
}

pub(super) struct Application<'a> {
    lab: &'a Lab,
    natures: Vec<Nature>,
    messages: Messages,
    /// Messages that are not acknowledged, by the number that stands for them in the processor.
    held: HashMap<u64, Message>,
    next_receipt: u64,
    pub(super) processor: Processor<u64, u64>,
    working: JoinSet<(TaskId, u64, u32)>,
    /// The application's own list of what it has processed.
    pub(super) done: Vec<u64>,
    given_up: BTreeSet<u64>,
    pub(super) dropped: u64,
    /// Messages that are processed or given up, without those before the first that is not.
    finished: BTreeSet<u64>,
    /// The first that is not.
    pub(super) first_open: watch::Sender<u64>,
}

impl<'a> Application<'a> {
    pub(super) fn new(lab: &'a Lab, count: u64, messages: Messages) -> Self {
        let mut natures: Vec<Nature> = (0..count)
            .map(|_| match lab.random(50) {
                0 => Nature::Hopeless,
                1..=5 => Nature::Moody,
                _ => Nature::Good,
            })
            .collect();
        // At least one.
        if let Some(nature) = natures.get_mut(lab.random(count) as usize) {
            *nature = Nature::Hopeless;
        }
        let settings = ProcessorSettings {
            retry_delay: Duration::from_millis(4),
            maximum_retry_delay: Duration::from_millis(8),
            // Receipts of an earlier connection count, too.
            messages: 1_000,
            ..ProcessorSettings::default()
        };
        let seen = Deduplicator::new(10_000, Duration::from_secs(300), [0; 16]);
        Application {
            lab,
            natures,
            finished: BTreeSet::new(),
            first_open: watch::Sender::new(0),
            messages,
            held: HashMap::new(),
            next_receipt: 0,
            processor: Processor::new(settings, seen),
            working: JoinSet::new(),
            done: Vec::new(),
            given_up: BTreeSet::new(),
            dropped: 0,
        }
    }

    fn now(&self) -> Instant {
        Instant::ORIGIN + self.lab.start.elapsed()
    }

    /// How it is with this message.
    pub(super) fn nature(&self, number: u64) -> Nature {
        let nature = usize::try_from(number)
            .ok()
            .and_then(|it| self.natures.get(it));
        nature.copied().unwrap_or(Nature::Good)
    }

    /// Runs until each message has an acknowledgement that the broker has seen.
    pub(super) async fn run(&mut self, behind: &Observer, count: u64) {
        let mut settled = 0;
        while settled < count {
            self.step();
            let due = self.now().until(self.processor.next_timeout());
            // An acknowledgement may be on its way, and be lost.
            let due = due.min(Duration::from_millis(20));
            tokio::select! {
                message = self.messages.next() => match message {
                    Some(message) => self.receive(message),
                    None => return,
                },
                Some(Ok((task, number, attempt))) = self.working.join_next() => {
                    self.ended(task, number, attempt);
                }
                () = sleep(due) => {}
            }
            if self.done.len() + self.given_up.len() >= self.natures.len() {
                settled = behind.look(|it| acknowledgements(it).len() as u64);
            }
        }
    }

    fn receive(&mut self, message: Message) {
        let Some(number) = number_of(message.payload()) else {
            return message.acknowledge();
        };
        let (now, receipt, size) = (self.now(), self.next_receipt, message.payload().len());
        self.next_receipt += 1;
        self.held.insert(receipt, message);
        let key = number.to_be_bytes();
        let intake = self
            .processor
            .receive(now, Some(&key), size, || number, Some(receipt));
        match intake {
            Intake::Taken | Intake::InProgress => {}
            Intake::Duplicate(receipt) => self.settle(receipt, ReasonCode::Success),
            Intake::Dropped(receipt) => {
                self.dropped += 1;
                self.settle(receipt, ReasonCode::QuotaExceeded);
            }
        }
    }

    fn settle(&mut self, receipts: impl IntoIterator<Item = u64>, reason_code: ReasonCode) {
        for receipt in receipts {
            if let Some(message) = self.held.remove(&receipt) {
                message.refuse(reason_code);
            }
        }
    }

    /// Does what the processor says.
    fn step(&mut self) {
        let now = self.now();
        let mut finished = Vec::new();
        while let Some(step) = self.processor.poll(now) {
            match step {
                Step::Process(task) => {
                    let work = Duration::from_micros(self.lab.random(2_000));
                    let ended = (task.id, *task.message, task.attempt);
                    self.working.spawn(async move {
                        sleep(work).await;
                        ended
                    });
                }
                Step::Finished(it) => finished.push(it),
                Step::Delayed { .. } => {}
            }
        }
        for it in finished {
            if !it.is_success() {
                self.given_up.insert(it.message);
            }
            self.finished.insert(it.message);
            self.settle(it.receipts().collect::<Vec<_>>(), it.reason_code);
        }
        let mut first = *self.first_open.borrow();
        while self.finished.remove(&first) {
            first += 1;
        }
        self.first_open.send_replace(first);
    }

    fn ended(&mut self, task: TaskId, number: u64, attempt: u32) {
        let fails = match self.nature(number) {
            Nature::Good => false,
            Nature::Moody => attempt == 1,
            Nature::Hopeless => true,
        };
        let now = self.now();
        if fails {
            let random = self.lab.random(1 << 32) as u32;
            self.processor.failed(now, task, Failure::TryAgain, random);
        } else {
            self.done.push(number);
            self.processor.succeeded(now, task);
        }
    }
}
