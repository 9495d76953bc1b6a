//! Any arrivals, compared with a model that keeps everything it has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::codec::TopicName;
use mqtt5_session_fsm::ordering::{
    Arrival, Gap, Numbering, OrderedConsumer, OrderedConsumerSettings, Stamp, Start,
};
use proptest::prelude::*;

const TIMEOUT: u64 = 50;
const TOPICS: [&str; 3] = ["a", "b", "c"];
const LAST_NUMBER: u64 = 63;

/// What one stream is, in the plainest way. Positions do not wrap.
#[derive(Default)]
struct Model {
    next: u64,
    waiting: BTreeMap<u64, u64>,
    handed_over: BTreeSet<u64>,
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// With the number of messages that are missing before it.
    HandedOver(u64, u64),
    Repeated,
    Late,
}

impl Model {
    fn hand_over(&mut self, position: u64, said: &mut Vec<Said>) {
        said.push(Said::HandedOver(position - self.next, position));
        self.waiting.remove(&position);
        self.handed_over.insert(position);
        self.next = position + 1;
    }

    fn follow(&mut self, said: &mut Vec<Said>) {
        while self.waiting.contains_key(&self.next) {
            self.hand_over(self.next, said);
        }
    }

    fn arrive(&mut self, now: u64, position: u64) -> Vec<Said> {
        let mut said = Vec::new();
        if self.handed_over.contains(&position) || self.waiting.contains_key(&position) {
            said.push(Said::Repeated);
        } else if position < self.next {
            self.handed_over.insert(position);
            said.push(Said::Late);
        } else if position == self.next {
            self.hand_over(position, &mut said);
            self.follow(&mut said);
        } else {
            self.waiting.insert(position, now);
        }
        said
    }

    fn time_out(&mut self, now: u64) -> Vec<Said> {
        let mut said = Vec::new();
        let overdue = self.waiting.iter().filter(|&(_, &at)| at + TIMEOUT <= now);
        if let Some(last) = overdue.map(|(&position, _)| position).max() {
            let late: Vec<u64> = self
                .waiting
                .range(..=last)
                .map(|(&position, _)| position)
                .collect();
            for position in late {
                self.hand_over(position, &mut said);
            }
            self.follow(&mut said);
        }
        said
    }
}

/// A message of one of the topics: its distance from the newest position of its stream, and the time before it in milliseconds.
type Step = (usize, i64, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let distance = prop_oneof![4 => -3_i64..=3, 1 => -12_i64..=12];
    let pause = prop_oneof![4 => 0_u64..=5, 1 => 0_u64..=60];
    proptest::collection::vec((0..TOPICS.len(), distance, pause), 0..120)
}

fn consumer(messages: usize, bytes: usize, streams: u16) -> OrderedConsumer<(usize, u64)> {
    OrderedConsumer::new(OrderedConsumerSettings {
        numbering: Numbering {
            last_number: LAST_NUMBER,
            ..Numbering::default()
        },
        start: Start::AtZero,
        gap_timeout: Duration::from_millis(TIMEOUT),
        messages,
        bytes,
        streams,
    })
}

fn show(
    consumer: &mut OrderedConsumer<(usize, u64)>,
    now: u64,
    topic: usize,
    position: u64,
    size: usize,
) -> Arrival<(usize, u64)> {
    let stamp = Stamp {
        number: position % (LAST_NUMBER + 1),
        epoch: 0,
        publisher: "",
    };
    let name = TopicName::new(TOPICS[topic]).unwrap();
    let now = Instant::from_millis(now);
    consumer
        .receive_stamped(now, name, stamp, size, || (topic, position))
        .unwrap()
}

fn missing(gap: Option<&Gap>) -> u64 {
    gap.map_or(0, |gap| {
        let span = gap.last + LAST_NUMBER + 1 - gap.first;
        assert_eq!(
            (span + 1) % (LAST_NUMBER + 1),
            gap.missing % (LAST_NUMBER + 1)
        );
        gap.missing
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// With room enough, it says what the model says, of each stream. Few gaps are remembered, so that
    /// old messages may be too old instead.
    #[test]
    fn it_says_what_the_model_says(steps in steps()) {
        let mut consumer = consumer(usize::MAX, usize::MAX, u16::MAX);
        let mut models: [Model; 3] = Default::default();
        let mut newest = [0_i64; 3];
        let mut now = 0;
        for (topic, distance, pause) in steps {
            now += pause;
            consumer.handle_timeout(Instant::from_millis(now));
            let mut said: [Vec<Said>; 3] = Default::default();
            while let Some(ordered) = consumer.poll() {
                let (topic, position) = ordered.message;
                said[topic].push(Said::HandedOver(missing(ordered.gap.as_ref()), position));
            }
            for (model, said) in models.iter_mut().zip(said) {
                prop_assert_eq!(said, model.time_out(now));
            }

            let position = (newest[topic] + distance).max(0) as u64;
            newest[topic] = newest[topic].max(position as i64);
            let mut said = Vec::new();
            match show(&mut consumer, now, topic, position, 1) {
                Arrival::InOrder(gap) => {
                    said.push(Said::HandedOver(missing(gap.as_ref()), position));
                }
                Arrival::Kept => {}
                Arrival::Repeated => {
                    prop_assert!(!models[topic].waiting.contains_key(&position));
                    said.push(Said::Repeated);
                }
                Arrival::Replaced(replaced) => {
                    prop_assert_eq!(replaced, (topic, position));
                    prop_assert!(models[topic].waiting.contains_key(&position));
                    said.push(Said::Repeated);
                }
                Arrival::Late => said.push(Said::Late),
                Arrival::TooOld => {
                    prop_assert!(position < models[topic].next);
                    let _ = models[topic].arrive(now, position);
                    continue;
                }
                other => prop_assert!(false, "{:?}", other),
            }
            while let Some(ordered) = consumer.poll() {
                prop_assert_eq!(ordered.message.0, topic);
                said.push(Said::HandedOver(missing(ordered.gap.as_ref()), ordered.message.1));
            }
            prop_assert_eq!(said, models[topic].arrive(now, position));

            let waiting: usize = models.iter().map(|model| model.waiting.len()).sum();
            prop_assert_eq!(consumer.held(), waiting);
            let due = models.iter().flat_map(|model| model.waiting.values()).min();
            let due = due.map_or(Instant::NEVER, |due| Instant::from_millis(due + TIMEOUT));
            prop_assert_eq!(consumer.next_timeout(), due);
        }
    }

    /// Whatever the limits: they hold, and each stream is handed over in order, without anything between that is not
    /// reported, and nothing twice.
    #[test]
    fn nothing_is_lost_or_doubled_within_any_limits(
        steps in steps(),
        sizes in proptest::collection::vec(0_usize..12, 120),
        messages in 0_usize..6,
        bytes in 3_usize..30,
    ) {
        let mut consumer = consumer(messages, bytes, 3);
        let mut newest = [0_i64; 3];
        // Each stream is followed from its first message on, so that none has to make room later.
        for topic in 0..3 {
            prop_assert_eq!(show(&mut consumer, 0, topic, 0, 0), Arrival::InOrder(None));
        }
        let mut next = [1_u64; 3];
        let mut shown = [(); 3].map(|()| BTreeSet::from([0_u64]));
        let mut handed_over = shown.clone();
        let mut now = 0;
        for ((topic, distance, pause), size) in steps.into_iter().zip(sizes) {
            now += pause;
            let position = (newest[topic] + distance).max(0) as u64;
            newest[topic] = newest[topic].max(position as i64);
            let arrival = show(&mut consumer, now, topic, position, size);
            let mut over = Vec::new();
            match arrival {
                Arrival::InOrder(gap) => over.push((topic, position, missing(gap.as_ref()))),
                Arrival::Kept => {}
                Arrival::Repeated | Arrival::Replaced(_) => {
                    prop_assert!(shown[topic].contains(&position));
                }
                Arrival::Late => {
                    prop_assert!(position < next[topic]);
                    prop_assert!(handed_over[topic].insert(position), "twice");
                }
                Arrival::TooOld => prop_assert!(position < next[topic]),
                Arrival::NoRoom => {
                    prop_assert!(shown[topic].contains(&position));
                    prop_assert!(!handed_over[topic].contains(&position));
                }
                other => prop_assert!(false, "{:?}", other),
            }
            shown[topic].insert(position);
            prop_assert!(consumer.held() <= messages + 1, "{} held", consumer.held());
            prop_assert!(consumer.bytes() <= bytes);
            prop_assert!(consumer.streams() <= 3);
            if pause > 40 {
                consumer.handle_timeout(Instant::from_millis(now));
            }
            while let Some(ordered) = consumer.poll() {
                let (topic, position) = ordered.message;
                over.push((topic, position, missing(ordered.gap.as_ref())));
            }
            prop_assert!(consumer.held() <= messages);
            for (topic, position, missing) in over {
                prop_assert_eq!(position, next[topic] + missing);
                prop_assert!(handed_over[topic].insert(position), "twice");
                next[topic] = position + 1;
            }
        }
        // In the end, all that was shown was handed over, or was too old.
        consumer.flush();
        while let Some(ordered) = consumer.poll() {
            let (topic, position) = ordered.message;
            prop_assert_eq!(position, next[topic] + missing(ordered.gap.as_ref()));
            prop_assert!(handed_over[topic].insert(position));
            next[topic] = position + 1;
        }
        let shown: usize = shown.iter().map(BTreeSet::len).sum();
        let over: usize = handed_over.iter().map(BTreeSet::len).sum();
        prop_assert!(over as u64 + consumer.counts().too_old >= shown as u64);
        prop_assert_eq!(consumer.next_timeout(), Instant::NEVER);
    }
}
