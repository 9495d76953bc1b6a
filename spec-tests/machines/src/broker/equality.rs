//! A broker as a value: records make one that equals the broker that wrote them (sections 4.1, 4.4), whatever happened.

use std::hash::{DefaultHasher, Hash, Hasher};

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::broker::journal::{Batch, Restoring};
use mqtt5_session_fsm::broker::{Broker, BrokerConfig};
use mqtt5_session_fsm::codec::{Publish, Qos, TopicName};

use crate::broker::place::{Gone, Place, WILL, persistent, who};

crate::check::checks! {
    "equality":
    broker {
        Property what_is_restored_equals_what_was_stored,
        Property messages_on_their_way_are_restored,
        Property a_snapshot_is_written_while_the_broker_runs,
        Property the_same_inputs_give_the_same_outputs,
        Property what_the_hashes_begin_with_does_not_show,
    }
}

/// Numbers that look random: xorshift.
struct Random(u64);

impl Random {
    fn of_seed(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
const FILTERS: [&str; 6] = ["a/#", "a/b", "+/b", "$share/g/a/#", "$share/h/+/b", "r/#"];
const TOPICS: [&str; 4] = ["a/b", "a/c", "r/1", "r/2"];
const NAMES: [&str; 4] = ["0", "1", "2", "3"];

/// Clients to which anything happens.
struct Crowd {
    place: Place,
    wires: [usize; NAMES.len()],
    random: Random,
}

impl Crowd {
    fn new(seed: u64) -> Self {
        Crowd::with_hashes(seed, 0x5EED)
    }

    fn with_hashes(seed: u64, hashes: u64) -> Self {
        let mut place = Place::new(BrokerConfig {
            fan_out_slice: 2,
            seed: hashes,
            ..persistent()
        });
        let will = Gone {
            delay: Some(3),
            ..WILL
        };
        Crowd {
            wires: NAMES.map(|name| place.connect(&who(name).lasting(100).with_will(will.clone()))),
            place,
            random: Random::of_seed(seed),
        }
    }

    fn is_connected(&self, client: usize) -> bool {
        self.place.is_open(self.wires[client])
    }

    /// A client connects again, perhaps with Clean Start.
    fn again(&mut self, client: usize, expiry: u32) {
        let mut it = who(NAMES[client]).lasting(expiry);
        it.resumes = self.random.below(4) > 0;
        let wire = self.place.open();
        self.place.send(wire, &it.bytes());
        self.wires[client] = wire;
    }

    fn publish(&mut self, client: usize, topic: &str, payload: &str, retain: bool) {
        let publish = Publish {
            retain,
            ..Publish::new(TopicName::new(topic).unwrap(), payload.as_bytes())
        };
        let qos = self.random.of(&QOS);
        self.place.publish_as(self.wires[client], publish, qos);
    }

    /// One thing that happens.
    fn step(&mut self) {
        let client = self.random.below(NAMES.len());
        let expiry = self.random.of(&[0, 5, 100]);
        let wire = self.wires[client];
        if !self.is_connected(client) {
            return self.again(client, expiry);
        }
        match self.random.below(12) {
            0 | 1 => {
                let (filter, qos) = (self.random.of(&FILTERS), self.random.of(&QOS));
                self.place.subscribe(wire, filter, qos);
            }
            2 => drop(self.place.unsubscribe(wire, self.random.of(&FILTERS))),
            3 => self.place.cut(wire),
            4 => self.place.pass(self.random.of(&[1, 1_000, 6_000])),
            5 => {
                let topic = self.random.of(&TOPICS);
                let payload = self.random.of(&["", "kept"]);
                self.publish(client, topic, payload, true);
            }
            6 if self.random.below(2) == 0 => self.place.wire(wire).answers = false,
            6 => self.place.answer(wire),
            _ => {
                let topic = self.random.of(&TOPICS);
                self.publish(client, topic, "live", false);
            }
        }
    }

    /// The broker that the stored records make.
    fn restored(&self) -> Broker {
        let mut restoring = Restoring::new(self.place.config);
        for (key, value) in self.place.map.iter().rev() {
            restoring.record(key, Some(value));
        }
        at_rest(restoring.finish(self.place.now).unwrap(), self.place.now)
    }

    /// The same broker without connections.
    fn alone(&self) -> Broker {
        let mut broker = self.place.broker.clone();
        for key in self.place.connections() {
            let _ = broker.lost(self.place.now, key);
        }
        at_rest(broker, self.place.now)
    }
}

/// All that is to be done now is done.
fn at_rest(mut broker: Broker, now: Instant) -> Broker {
    loop {
        while broker.next_timeout() <= now {
            broker.handle_timeout(now, &mut 1000);
        }
        if !broker.work(now, &mut 1000) && broker.next_timeout() > now {
            break;
        }
    }
    let mut bytes = Vec::new();
    while broker.poll().is_some() {}
    while broker.take_batch(&mut bytes).is_some() {}
    broker
}

fn hash(broker: &Broker) -> u64 {
    let mut hasher = DefaultHasher::new();
    broker.hash(&mut hasher);
    hasher.finish()
}

fn assert_same(one: &Broker, other: &Broker, place: &str) {
    assert!(one == other, "{place}:\n{}", differences(one, other));
    assert_eq!(hash(one), hash(other), "{place}");
}

/// The lines that only one of two has.
fn differences(one: &Broker, other: &Broker) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let (one, other): (Vec<&str>, Vec<&str>) = (one.lines().collect(), other.lines().collect());
    let pairs = one.iter().zip(&other);
    let common = pairs.take_while(|(one, other)| one == other);
    let from = common.count().saturating_sub(12);
    let end = |lines: &[&str]| lines[from..lines.len().min(from + 30)].join("\n");
    format!("{}\n--- instead of\n{}", end(&one), end(&other))
}

/// After each thing that happens, records make a broker that equals the one that wrote them, once that has lost all
/// connections.
fn what_is_restored_equals_what_was_stored() -> u64 {
    let mut states = 0;
    for seed in 1..40 {
        let mut crowd = Crowd::new(seed);
        for at in 0..60 {
            crowd.step();
            let what = format!("seed {seed}, step {at}");
            assert_same(&crowd.restored(), &crowd.alone(), &what);
            states += 1;
        }
    }
    states
}

/// Also in the middle of messages for many: nobody is left out, and nobody gets them twice.
fn messages_on_their_way_are_restored() -> u64 {
    let mut states = 0;
    for seed in 1..30 {
        let mut crowd = Crowd::new(seed);
        for client in 0..NAMES.len() {
            for filter in ["a/#", "+/b", "a/b"] {
                let qos = crowd.random.of(&QOS);
                crowd.place.subscribe(crowd.wires[client], filter, qos);
            }
        }
        crowd.place.works = false;
        for at in 0..30 {
            let client = crowd.random.below(NAMES.len());
            match (crowd.is_connected(client), crowd.random.below(5)) {
                (true, 0) => crowd.place.cut(crowd.wires[client]),
                (false, 0) => crowd.again(client, 100),
                (true, 1) => crowd.publish(client, "a/b", "live", false),
                _ => {
                    crowd.place.broker.work(crowd.place.now, &mut 1);
                    crowd.place.settle();
                }
            }
            let what = format!("seed {seed}, step {at}");
            assert_same(&crowd.restored(), &crowd.alone(), &what);
            states += 1;
        }
    }
    states
}

/// A snapshot that is written while the broker runs, and the records since it was begun, make the broker that all records
/// make.
fn a_snapshot_is_written_while_the_broker_runs() -> u64 {
    let mut states = 0;
    for seed in 1..60 {
        let mut crowd = Crowd::new(seed);
        for _ in 0..40 {
            crowd.step();
        }
        let mut snapshot = crowd.place.broker.snapshot();
        assert_eq!(snapshot.since(), crowd.place.broker.last_record() + 1);
        let since = crowd.place.log.len();
        let (mut bytes, mut restoring) = (Vec::new(), Restoring::new(crowd.place.config));
        let mut budget = 0;
        while budget == 0 {
            budget = 1 + crowd.random.below(3) as u32;
            (crowd.place.broker).snapshot_slice(&mut snapshot, &mut budget, &mut bytes);
            record_all(&mut restoring, &bytes);
            bytes.clear();
            crowd.step();
            states += 1;
        }
        for batch in &crowd.place.log[since..] {
            record_all(&mut restoring, batch);
        }
        let now = crowd.place.now;
        let restored = at_rest(restoring.finish(now).unwrap(), now);
        assert_same(&restored, &crowd.alone(), &format!("seed {seed}"));
    }
    states
}

fn record_all(restoring: &mut Restoring, mut batches: &[u8]) {
    while let Some(batch) = Batch::take(&mut batches).unwrap() {
        for record in batch.records() {
            restoring.record(record.key, record.value);
        }
    }
}

/// Two brokers are given the same log of inputs. In the middle one of them loses all connections, and the other is made anew
/// from a snapshot. They go on alike: the same packets to each client, and equal in the end.
fn the_same_inputs_give_the_same_outputs() -> u64 {
    let mut states = 0;
    for seed in 1..60 {
        let mut crowds = [Crowd::new(seed), Crowd::new(seed)];
        for at in 0..80 {
            if at == 30 {
                let [running, restored] = &mut crowds;
                for client in 0..NAMES.len() {
                    if running.is_connected(client) {
                        running.place.cut(running.wires[client]);
                    }
                }
                let broker = &mut restored.place.broker;
                let (mut snapshot, mut bytes) = (broker.snapshot(), Vec::new());
                let mut restoring = Restoring::new(restored.place.config);
                while broker.snapshot_slice(&mut snapshot, &mut 5, &mut bytes) {
                    record_all(&mut restoring, &bytes);
                }
                let broker = restoring.finish(restored.place.now).unwrap();
                restored.place.replace(broker);
            }
            let [one, other] = crowds.each_mut().map(|crowd| {
                crowd.step();
                let wires = crowd.wires;
                (wires.map(|wire| crowd.place.packets(wire)), crowd.alone())
            });
            let what = format!("seed {seed}, step {at}");
            assert_eq!(one.0, other.0, "{what}");
            assert_same(&one.1, &other.1, &what);
            states += 1;
        }
    }
    states
}

/// The same calls give the same packets, notices and records, whatever the seed of the hash tables is: no order of a table
/// shows.
fn what_the_hashes_begin_with_does_not_show() -> u64 {
    let mut states = 0;
    for seed in 1..20 {
        let mut crowds = [0x5EED, 0xBEEF, 7].map(|hashes| Crowd::with_hashes(seed, hashes));
        for at in 0..80 {
            let packets = crowds.each_mut().map(|crowd| {
                crowd.step();
                let wires = crowd.wires;
                wires.map(|wire| crowd.place.packets(wire))
            });
            let same = packets.iter().all(|it| *it == packets[0]);
            assert!(same, "seed {seed}, step {at}: {packets:#?}");
            let outputs = crowds.each_mut().map(|crowd| {
                let log = core::mem::take(&mut crowd.place.log);
                crowd.place.stored = 0;
                let notices = core::mem::take(&mut crowd.place.notices);
                (notices, without_head(&log))
            });
            let same = outputs.iter().all(|it| *it == outputs[0]);
            assert!(same, "seed {seed}, step {at}: {outputs:#?}");
            states += 1;
        }
    }
    states
}

/// All records but those of the head, which has the state of the random numbers.
fn without_head(log: &[Vec<u8>]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut records = Vec::new();
    for mut bytes in log.iter().map(|it| &it[..]) {
        let batch = Batch::take(&mut bytes).unwrap().unwrap();
        let of_batch = batch.records().filter(|record| record.key != [0]);
        records.extend(of_batch.map(|it| (it.key.to_vec(), it.value.map(<[u8]>::to_vec))));
    }
    records
}
