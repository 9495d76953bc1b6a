//! Any calls, compared with a model of a plain list of messages.

use std::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::deduplicate::Deduplicator;
use mqtt5_session_fsm::processing::{Failure, Intake, Processor, ProcessorSettings, Step, TaskId};
use mqtt5_session_fsm::reconnect::Backoff;
use proptest::prelude::*;

const MESSAGES: usize = 5;
const ALARM: u64 = 6;
const REFUSED: ReasonCode = ReasonCode::QuotaExceeded;

#[derive(Clone, Copy, Debug)]
enum Call {
    /// With one of three keys or none, and with or without a receipt.
    Receive(Option<u8>, bool),
    Poll,
    /// For one of those that are processed, if there is one.
    Succeed(usize),
    Fail(usize, bool),
    Wait(u64),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = prop_oneof![
        4 => (proptest::option::of(0..3_u8), any::<bool>())
            .prop_map(|(key, receipt)| Call::Receive(key, receipt)),
        8 => Just(Call::Poll),
        2 => (0..3_usize).prop_map(Call::Succeed),
        3 => (0..3_usize, proptest::bool::weighted(0.8))
            .prop_map(|(which, again)| Call::Fail(which, again)),
        3 => (0..4_u64).prop_map(Call::Wait),
    ];
    proptest::collection::vec(call, 0..200)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Since then.
    Waiting(u64),
    Running,
    /// Until then.
    Delayed(u64),
    Ended(ReasonCode),
}

#[derive(Debug)]
struct Message {
    value: u32,
    key: Option<u8>,
    receipts: Vec<u32>,
    attempts: u32,
    state: State,
}

/// What `poll` says, without what borrows.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Process(u32, u32, u64),
    Finished(u32, Vec<u32>, ReasonCode),
    Delayed(u64),
}

struct Model {
    concurrency: usize,
    attempts: u32,
    hold_place: bool,
    /// In the order in which they came.
    messages: Vec<Message>,
    /// Values in the order in which they ended.
    ended: Vec<u32>,
    processed: Vec<u8>,
    alarm: bool,
}

impl Model {
    fn held(&self) -> usize {
        let receipts = |message: &Message| message.receipts.len().saturating_sub(1);
        // The first receipt came with the message, or the message had none.
        let followers: usize = self.messages.iter().map(receipts).sum();
        let without = |message: &&Message| {
            message
                .receipts
                .first()
                .is_some_and(|&receipt| receipt != message.value)
        };
        let without = self.messages.iter().filter(without).count();
        self.messages.len() + followers + without
    }

    fn receive(&mut self, now: u64, value: u32, key: Option<u8>, receipt: bool) -> Intake<u32> {
        let receipt = receipt.then_some(value);
        let room = self.held() < MESSAGES;
        if key.is_some_and(|key| self.processed.contains(&key)) {
            return Intake::Duplicate(receipt);
        }
        let in_progress = |message: &&mut Message| {
            key.is_some() && message.key == key && !matches!(message.state, State::Ended(_))
        };
        if let Some(original) = self.messages.iter_mut().find(in_progress) {
            if !room && receipt.is_some() {
                return Intake::Dropped(receipt);
            }
            original.receipts.extend(receipt);
            return Intake::InProgress;
        }
        if !room {
            return Intake::Dropped(receipt);
        }
        self.messages.push(Message {
            value,
            key,
            receipts: receipt.into_iter().collect(),
            attempts: 0,
            state: State::Waiting(now),
        });
        Intake::Taken
    }

    fn places(&self) -> usize {
        let takes_place = |message: &&Message| match message.state {
            State::Running => true,
            State::Delayed(_) => self.hold_place,
            _ => false,
        };
        self.messages.iter().filter(takes_place).count()
    }

    fn start(&mut self, now: u64, index: usize, since: u64) -> Said {
        let message = &mut self.messages[index];
        message.state = State::Running;
        message.attempts += 1;
        let said = Said::Process(message.value, message.attempts, now - since);
        let is_waiting = |message: &Message| matches!(message.state, State::Waiting(_));
        if now - since < ALARM || !self.messages.iter().any(is_waiting) {
            self.alarm = false;
        }
        said
    }

    fn poll(&mut self, now: u64) -> Option<Said> {
        if !self.ended.is_empty() {
            let value = self.ended.remove(0);
            let is_it = |message: &Message| message.value == value;
            let index = self.messages.iter().position(is_it).unwrap();
            let message = self.messages.remove(index);
            let State::Ended(reason_code) = message.state else {
                panic!("it has not ended");
            };
            return Some(Said::Finished(value, message.receipts, reason_code));
        }
        loop {
            let due = self
                .messages
                .iter()
                .enumerate()
                .filter_map(|(index, message)| match message.state {
                    State::Delayed(until) if until <= now => Some((until, index)),
                    _ => None,
                });
            let Some((until, index)) = due.min() else {
                break;
            };
            if self.hold_place {
                return Some(self.start(now, index, until));
            }
            self.messages[index].state = State::Waiting(until);
        }
        let waiting = self
            .messages
            .iter()
            .enumerate()
            .filter_map(|(index, message)| match message.state {
                State::Waiting(since) => Some((since, index)),
                _ => None,
            });
        let (since, index) = waiting.min()?;
        if !self.alarm && since + ALARM <= now {
            self.alarm = true;
            return Some(Said::Delayed(now - since));
        }
        (self.places() < self.concurrency).then(|| self.start(now, index, since))
    }

    /// When something is due, or the alarm is to be raised.
    fn next_timeout(&self) -> Instant {
        let timeouts = self
            .messages
            .iter()
            .filter_map(|message| match message.state {
                State::Delayed(until) => Some(until),
                State::Waiting(since) if !self.alarm => Some(since + ALARM),
                _ => None,
            });
        let first = timeouts.min();
        first.map_or(Instant::NEVER, |first| Instant::from_millis(first * 1000))
    }

    fn end(&mut self, value: u32, reason_code: ReasonCode) {
        let is_it = |message: &&mut Message| message.value == value;
        let message = self.messages.iter_mut().find(is_it).unwrap();
        message.state = State::Ended(reason_code);
        if reason_code == ReasonCode::Success {
            self.processed.extend(message.key);
        }
        self.ended.push(value);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_does_what_the_model_does(
        calls in calls(),
        concurrency in 1_usize..4,
        attempts in 1_u32..4,
        hold_place: bool,
    ) {
        let settings = ProcessorSettings {
            messages: MESSAGES,
            bytes: MESSAGES * 10,
            concurrency,
            attempts,
            hold_place,
            // Two seconds each time.
            retry_delay: Duration::from_secs(2),
            maximum_retry_delay: Duration::from_secs(2),
            give_up_reason_code: REFUSED,
            delay_alarm: Duration::from_secs(ALARM),
            ..ProcessorSettings::default()
        };
        let seen = Deduplicator::new(100, Duration::MAX, [1; 16]);
        let mut processor = Processor::<u32, u32>::new(settings, seen);
        let mut model = Model {
            concurrency,
            attempts,
            hold_place,
            messages: Vec::new(),
            ended: Vec::new(),
            processed: Vec::new(),
            alarm: false,
        };
        let mut running: Vec<(TaskId, u32)> = Vec::new();
        let mut value = 0;
        let mut now = 0;
        for call in calls {
            let instant = Instant::from_millis(now * 1000);
            match call {
                Call::Receive(key, receipt) => {
                    value += 1;
                    let bytes = key.map(|key| [key]);
                    let intake = processor.receive(
                        instant,
                        bytes.as_ref().map(|key| &key[..]),
                        10,
                        || value,
                        receipt.then_some(value),
                    );
                    prop_assert_eq!(intake, model.receive(now, value, key, receipt));
                }
                Call::Poll => {
                    let said = processor.poll(instant).map(|step| match step {
                        Step::Process(task) => {
                            running.push((task.id, *task.message));
                            Said::Process(*task.message, task.attempt, task.waited.as_secs())
                        }
                        Step::Finished(finished) => Said::Finished(
                            finished.message,
                            finished.receipts().collect(),
                            finished.reason_code,
                        ),
                        Step::Delayed { waited } => Said::Delayed(waited.as_secs()),
                    });
                    prop_assert_eq!(said, model.poll(now));
                }
                Call::Succeed(which) if which < running.len() => {
                    let (task, value) = running.swap_remove(which);
                    prop_assert!(processor.succeeded(instant, task));
                    model.end(value, ReasonCode::Success);
                }
                Call::Fail(which, again) if which < running.len() => {
                    let (task, value) = running.swap_remove(which);
                    let failure = if again { Failure::TryAgain } else { Failure::Hopeless(REFUSED) };
                    let random = Backoff::WITHOUT_JITTER;
                    prop_assert!(processor.failed(instant, task, failure, random));
                    let is_it = |message: &&mut Message| message.value == value;
                    let message = model.messages.iter_mut().find(is_it).unwrap();
                    if again && message.attempts < model.attempts {
                        message.state = State::Delayed(now + 2);
                    } else {
                        model.end(value, REFUSED);
                    }
                }
                Call::Succeed(_) | Call::Fail(..) => {}
                Call::Wait(seconds) => now += seconds,
            }
            prop_assert!(processor.held() <= MESSAGES);
            prop_assert_eq!(processor.held(), model.held());
            prop_assert_eq!(processor.bytes(), model.messages.len() * 10);
            prop_assert_eq!(processor.running(), model.places());
            prop_assert_eq!(processor.next_timeout(), model.next_timeout());
            prop_assert!(processor.running() <= concurrency);
            let statistics = processor.statistics();
            let in_progress = model
                .messages
                .iter()
                .filter(|message| !matches!(message.state, State::Ended(_)));
            prop_assert_eq!(
                statistics.received,
                statistics.duplicates
                    + statistics.dropped
                    + statistics.processed
                    + statistics.errors
                    + in_progress.count() as u64
            );
        }
        // Nothing is due when there is nothing to say.
        let instant = Instant::from_millis(now * 1000);
        while processor.poll(instant).is_some() {}
        prop_assert!(processor.next_timeout() > instant);
    }
}
