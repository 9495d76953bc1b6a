//! Any calls, compared with a model of plain lists.

use std::collections::VecDeque;
use std::time::Duration;

use mqtt5_session_fsm::ordered_publisher::{
    AfterFailure, OrderedPublisher, OrderedPublisherSettings, Progress, Verdict,
};
use mqtt5_session_fsm::reconnect::Backoff;
use mqtt5_session_fsm::{Instant, PublishError, Token};
use proptest::prelude::*;

const TOPICS: [&str; 3] = ["a", "b", "c"];
const PER_TOPIC: usize = 4;
const MESSAGES: usize = 7;

#[derive(Clone, Copy, Debug)]
enum Call {
    Push(usize),
    /// Offer the next one to a machine that accepts it, is busy, or refuses it for good.
    Offer(u8),
    /// An outcome for one of those in flight, if there is one.
    End(usize, Verdict),
    Wait(u64),
    Resume(usize),
    Clear(usize),
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let verdict = prop_oneof![
        2 => Just(Verdict::Delivered),
        2 => Just(Verdict::TryAgain),
        1 => Just(Verdict::Hopeless),
    ];
    let call = prop_oneof![
        6 => (0..3_usize).prop_map(Call::Push),
        6 => prop_oneof![6 => Just(0_u8), 1 => Just(1), 1 => Just(2)].prop_map(Call::Offer),
        6 => (0..3_usize, verdict).prop_map(|(which, verdict)| Call::End(which, verdict)),
        3 => (0..4_u64).prop_map(Call::Wait),
        1 => (0..3_usize).prop_map(Call::Resume),
        1 => (0..3_usize).prop_map(Call::Clear),
    ];
    proptest::collection::vec(call, 0..150)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Empty,
    Ready,
    InFlight(u64),
    Delayed(u64),
    Stopped,
}

struct Model {
    attempts: u32,
    stops: bool,
    queues: [VecDeque<u32>; 3],
    states: [State; 3],
    failures: [u32; 3],
    ready: VecDeque<usize>,
}

impl Model {
    fn held(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    fn make_ready(&mut self, topic: usize) {
        self.states[topic] = State::Ready;
        self.ready.push_back(topic);
    }

    fn tick(&mut self, now: u64) {
        let mut due: Vec<(u64, usize)> = (0..3)
            .filter_map(|topic| match self.states[topic] {
                State::Delayed(at) if at <= now => Some((at, topic)),
                _ => None,
            })
            .collect();
        due.sort_unstable();
        for (_, topic) in due {
            self.make_ready(topic);
        }
    }

    fn settle(&mut self, now: u64, topic: usize, verdict: Verdict) -> Progress<u32> {
        if verdict != Verdict::Delivered {
            self.failures[topic] += 1;
            if verdict == Verdict::TryAgain && self.failures[topic] < self.attempts {
                // The delay of one second does not grow.
                self.states[topic] = State::Delayed(now + 1);
                return Progress::Retry {
                    at: Instant::from_millis((now + 1) * 1000),
                };
            }
            if self.stops {
                self.states[topic] = State::Stopped;
                return Progress::Stopped {
                    topic: TOPICS[topic].into(),
                };
            }
        }
        self.failures[topic] = 0;
        let value = self.queues[topic].pop_front().unwrap();
        if self.queues[topic].is_empty() {
            self.states[topic] = State::Empty;
        } else {
            self.make_ready(topic);
        }
        match verdict {
            Verdict::Delivered => Progress::Delivered(value),
            _ => Progress::Skipped(value),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_does_what_the_model_does(calls in calls(), attempts in 1_u32..4, stops: bool) {
        let mut publisher = OrderedPublisher::new(OrderedPublisherSettings {
            messages_per_topic: PER_TOPIC,
            messages: MESSAGES,
            attempts,
            retry_delay: Duration::from_secs(1),
            maximum_retry_delay: Duration::from_secs(1),
            after_failure: if stops { AfterFailure::StopTopic } else { AfterFailure::Skip },
            ..OrderedPublisherSettings::default()
        });
        let mut model = Model {
            attempts,
            stops,
            queues: Default::default(),
            states: [State::Empty; 3],
            failures: [0; 3],
            ready: VecDeque::new(),
        };
        let (mut now, mut next_value, mut next_token) = (0, 0, 0);
        for call in calls {
            let instant = Instant::from_millis(now * 1000);
            match call {
                Call::Push(topic) => {
                    next_value += 1;
                    let room = model.queues[topic].len() < PER_TOPIC && model.held() < MESSAGES;
                    let result = publisher.push_value(TOPICS[topic], 1, next_value);
                    prop_assert_eq!(result.is_ok(), room);
                    if room {
                        model.queues[topic].push_back(next_value);
                        if model.states[topic] == State::Empty {
                            model.make_ready(topic);
                        }
                    }
                }
                Call::Offer(answer) => {
                    model.tick(now);
                    let first = model.ready.front().copied();
                    let value = first.map(|topic| model.queues[topic][0]);
                    prop_assert_eq!(publisher.next(instant).copied(), value);
                    let Some(topic) = first else { continue };
                    match answer {
                        0 => {
                            next_token += 1;
                            prop_assert!(publisher.accepted(Token::from_number(next_token)));
                            model.ready.pop_front();
                            model.states[topic] = State::InFlight(next_token);
                        }
                        1 => {
                            let refused = publisher.refused(instant, PublishError::Busy, 0);
                            prop_assert_eq!(refused, None);
                        }
                        _ => {
                            let error = mqtt5_session_fsm::LimitExceeded::MaximumQos.into();
                            let refused = publisher.refused(instant, error, 0);
                            model.ready.pop_front();
                            let expected = model.settle(now, topic, Verdict::Hopeless);
                            prop_assert_eq!(refused, Some(expected));
                        }
                    }
                }
                Call::End(topic, verdict) => {
                    let State::InFlight(number) = model.states[topic] else { continue };
                    let token = Token::from_number(number);
                    let random = Backoff::WITHOUT_JITTER;
                    let ended = publisher.ended(instant, token, verdict, random);
                    prop_assert_eq!(ended, model.settle(now, topic, verdict));
                }
                Call::Wait(seconds) => now += seconds,
                Call::Resume(topic) => {
                    let stopped = model.states[topic] == State::Stopped;
                    prop_assert_eq!(publisher.resume(TOPICS[topic]), stopped);
                    if stopped {
                        model.failures[topic] = 0;
                        model.make_ready(topic);
                    }
                }
                Call::Clear(topic) => {
                    let keep = usize::from(matches!(model.states[topic], State::InFlight(_)));
                    let keep = keep.min(model.queues[topic].len());
                    let cleared = Vec::from(model.queues[topic].split_off(keep));
                    prop_assert_eq!(publisher.clear(TOPICS[topic]), cleared);
                    if keep == 0 {
                        model.states[topic] = State::Empty;
                        model.failures[topic] = 0;
                        model.ready.retain(|&ready| ready != topic);
                    }
                }
            }
            let in_flight = |state: &&State| matches!(state, State::InFlight(_));
            prop_assert_eq!(publisher.in_flight(), model.states.iter().filter(in_flight).count());
            prop_assert_eq!(publisher.held(), model.held());
            let topics = model.queues.iter().filter(|queue| !queue.is_empty()).count();
            prop_assert_eq!(publisher.bytes(), model.held() + topics);
            prop_assert!(publisher.held() <= MESSAGES);
        }
    }
}
