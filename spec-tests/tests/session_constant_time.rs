//! The time for a packet does not depend on how many messages are in flight, or wait: instructions counted by
//! valgrind where there is one, and as a loose guard the clock.

mod pair;

use std::process::Command;
use std::time::{Duration, Instant};

use mqtt5_codec::{Message, PacketIdentifier, Publish, Qos, ReasonCode, TopicName};
use mqtt5_session_fsm::{Acknowledgement, Event, Publication, SessionConfig};

use pair::{NOW, Pair, Settings};

const IN_FLIGHT: [u16; 3] = [1, 1_000, 65_535];
/// What a child process is to do: kind, messages in flight, exchanges.
const CHILD: &str = "MQTT5_CONSTANT_TIME_CHILD";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// QoS 1, the message that was sent first is acknowledged first.
    OldestFirst,
    /// QoS 1, the newest is acknowledged, the others stay.
    NewestFirst,
    /// QoS 2, oldest first.
    ExactlyOnce,
    /// QoS 2 the other way, oldest first.
    Received,
}

const KINDS: [Kind; 4] = [
    Kind::OldestFirst,
    Kind::NewestFirst,
    Kind::ExactlyOnce,
    Kind::Received,
];

/// A Client with so many in flight, one of which changes.
struct Load {
    kind: Kind,
    pair: Pair,
    message: Message,
    wire: Vec<u8>,
    /// Identifiers in flight, in the order in which they are to be acknowledged.
    identifiers: std::collections::VecDeque<[u8; 2]>,
}

impl Load {
    fn new(kind: Kind, in_flight: u16) -> Self {
        let topic = TopicName::new("a").expect("a name");
        let mut load = Load {
            kind,
            pair: Pair::new(&Settings::default()),
            message: Message::new(&Publish::new(topic, &[7; 64])).expect("a message"),
            wire: Vec::with_capacity(128),
            identifiers: std::collections::VecDeque::with_capacity(65_536),
        };
        // The others.
        for number in 1..in_flight {
            load.begin(number);
        }
        load
    }

    fn begin(&mut self, number: u16) {
        self.wire.clear();
        let qos = match self.kind {
            Kind::Received => {
                let [high, low] = number.to_be_bytes();
                let publish = [0x34, 6, 0, 1, b'a', high, low, 0];
                let event = self.pair.server.receive(NOW, &mut &publish[..]);
                assert!(event.is_some());
                assert_eq!(self.pair.server.poll(NOW, &mut self.wire), None);
                self.identifiers.push_back([high, low]);
                return;
            }
            Kind::ExactlyOnce => Qos::ExactlyOnce,
            _ => Qos::AtLeastOnce,
        };
        let publication = Publication::new(qos, self.message.clone());
        self.pair.client.publish(NOW, publication).expect("room");
        assert_eq!(self.pair.client.poll(NOW, &mut self.wire), None);
        // Fixed header, Topic Name, identifier.
        self.identifiers.push_back([self.wire[5], self.wire[6]]);
    }

    fn end(&mut self) {
        self.wire.clear();
        let client = &mut self.pair.client;
        let identifier = match self.kind {
            Kind::NewestFirst => self.identifiers.pop_back(),
            _ => self.identifiers.pop_front(),
        };
        let [high, low] = identifier.expect("one in flight");
        match self.kind {
            Kind::Received => {
                let pubrel = [0x62, 2, high, low];
                assert!(self.pair.server.receive(NOW, &mut &pubrel[..]).is_none());
                assert_eq!(self.pair.server.poll(NOW, &mut self.wire), None);
            }
            Kind::ExactlyOnce => {
                let pubrec = [0x50, 2, high, low];
                assert!(client.receive(NOW, &mut &pubrec[..]).is_none());
                assert_eq!(client.poll(NOW, &mut self.wire), None);
                let pubcomp = [0x70, 2, high, low];
                assert!(client.receive(NOW, &mut &pubcomp[..]).is_some());
                assert_eq!(client.poll(NOW, &mut self.wire), None);
            }
            _ => {
                let puback = [0x40, 2, high, low];
                assert!(client.receive(NOW, &mut &puback[..]).is_some());
                assert_eq!(client.poll(NOW, &mut self.wire), None);
            }
        }
        // What a caller asks after each packet.
        assert!(client.next_timeout() > NOW);
        assert!(self.pair.server.next_timeout() > NOW);
    }

    /// Exchanges, with as many in flight before each as after it.
    fn exchange(&mut self, count: u32) {
        for _ in 0..count {
            let next = self
                .identifiers
                .back()
                .map_or(0, |back| u16::from_be_bytes(*back));
            self.begin(next.checked_add(1).unwrap_or(1));
            self.end();
        }
    }
}

#[test]
fn by_the_clock() {
    const EXCHANGES: u32 = 2_000;
    for kind in KINDS {
        let mut loads = IN_FLIGHT.map(|in_flight| Load::new(kind, in_flight));
        let mut best = [Duration::MAX; 3];
        // In turn, so that a busy machine is busy for all; the best counts.
        for _ in 0..30 {
            for (load, best) in loads.iter_mut().zip(&mut best) {
                let start = Instant::now();
                load.exchange(EXCHANGES);
                *best = start.elapsed().min(*best);
            }
        }
        let each = best.map(|best| best.as_nanos() as f64 / f64::from(EXCHANGES));
        println!("{kind:?}: {each:.0?} ns with {IN_FLIGHT:?} in flight");
        for (in_flight, each_now) in IN_FLIGHT.iter().zip(each) {
            assert!(
                each_now <= 3.0 * each[0],
                "{kind:?}: {each_now:.0} ns with {in_flight} in flight, {:.0} ns with 1",
                each[0]
            );
        }
    }
}

/// The best of some measurements of an action that is prepared anew each time.
fn best<T>(mut prepare: impl FnMut() -> T, action: impl Fn(&mut T)) -> Duration {
    let measure = |_| {
        let mut prepared = prepare();
        let start = Instant::now();
        action(&mut prepared);
        start.elapsed()
    };
    (0..5).map(measure).min().expect("some")
}

/// What happens once a connection takes time for each message, but no more than that.
#[test]
fn a_connection_begins_and_ends_in_linear_time() {
    for kind in KINDS {
        let lost = |in_flight| {
            let prepare = || Load::new(kind, in_flight).pair;
            best(prepare, |pair| {
                pair.client.connection_lost(NOW);
                pair.session = pair.server.take_session(NOW);
            })
        };
        let resumed = |in_flight| {
            let prepare = || {
                let mut pair = Load::new(kind, in_flight).pair;
                pair.lose();
                pair
            };
            best(prepare, Pair::connect)
        };
        let (few, many) = (1_000_u16, 65_535_u16);
        let factor = f64::from(many) / f64::from(few);
        let times = [lost(few), lost(many), resumed(few), resumed(many)];
        println!(
            "{kind:?}: lost {:?} {:?}, resumed {:?} {:?}",
            times[0], times[1], times[2], times[3]
        );
        for pair in times.chunks(2) {
            // Caches are smaller than the largest; the square would be 65 times as much.
            let allowed = pair[0].as_secs_f64() * factor * 10.0 + 0.001;
            assert!(pair[1].as_secs_f64() <= allowed, "{kind:?}: {times:?}");
        }
    }
}

/// Prepares a Server on which so many things wait that nobody has decided yet, and measures what does not
/// concern them.
fn assert_constant<T>(what: &str, prepare: impl Fn(u16) -> T, action: impl Fn(&mut T)) {
    let waiting = [10, 60_000];
    let times = waiting.map(|waiting| best(|| prepare(waiting), &action));
    println!("{what}: {times:?} with {waiting:?} that wait");
    // A look through all of them would be hundreds of times as much.
    assert!(times[1] <= times[0] * 10, "{what}: {times:?}");
}

/// PUBRELs of messages whose PUBREC would have to be sent again, behind those that nobody has decided.
#[test]
fn pubrels_behind_undecided_messages() {
    const RELEASED: u16 = 2_000;
    let publish = |first, identifier: u16| {
        let [high, low] = identifier.to_be_bytes();
        [first, 6, 0, 1, b'a', high, low, 0]
    };
    let prepare = |undecided: u16| {
        let settings = Settings {
            session: SessionConfig {
                acknowledgement: Acknowledgement::Manual,
                ..SessionConfig::default()
            },
            ..Settings::default()
        };
        let mut server = Pair::new(&settings).server;
        for identifier in 1..=RELEASED + undecided {
            let publish = publish(0x34, identifier);
            let event = server.receive(NOW, &mut &publish[..]);
            let Some(Event::Message(delivered)) = event else {
                panic!("no message: {event:?}");
            };
            let receipt = delivered.receipt.expect("a receipt");
            if identifier <= RELEASED {
                server.acknowledge(receipt).expect("in time");
            }
        }
        assert_eq!(server.poll(NOW, &mut Vec::new()), None);
        for identifier in 1..=RELEASED {
            let publish = publish(0x3C, identifier);
            assert_eq!(server.receive(NOW, &mut &publish[..]), None);
        }
        let pubrels = (1..=RELEASED).flat_map(|identifier| {
            let [high, low] = identifier.to_be_bytes();
            [0x62, 2, high, low]
        });
        (server, pubrels.collect::<Vec<u8>>())
    };
    assert_constant("PUBREL", prepare, |(server, pubrels)| {
        assert_eq!(server.receive(NOW, &mut &pubrels[..]), None);
    });
}

/// Requests that are answered at once, while others wait for an authorization.
#[test]
fn requests_behind_unanswered_ones() {
    let prepare = |unanswered: u16| {
        let mut server = Pair::new(&Settings::default()).server;
        for identifier in 2..unanswered + 2 {
            let [high, low] = identifier.to_be_bytes();
            let subscribe = [0x82, 7, high, low, 0, 0, 1, b'a', 0];
            assert!(server.receive(NOW, &mut &subscribe[..]).is_some());
        }
        (server, Vec::with_capacity(64))
    };
    let unsubscribe = [0xA2, 6, 0, 1, 0, 0, 1, b'a'];
    assert_constant("UNSUBSCRIBE", prepare, |(server, wire)| {
        for _ in 0..2_000 {
            assert!(server.receive(NOW, &mut &unsubscribe[..]).is_some());
            server
                .acknowledge_unsubscribe(NOW, PacketIdentifier::MIN, &[ReasonCode::Success], &[])
                .expect("it waits");
            wire.clear();
            assert_eq!(server.poll(NOW, wire), None);
        }
    });
}

/// Runs what the environment tells; for [`by_instructions`].
#[test]
fn child() {
    let Ok(task) = std::env::var(CHILD) else {
        return;
    };
    let numbers: Vec<usize> = task
        .split(' ')
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [kind, in_flight, exchanges] = numbers[..] else {
        panic!("three numbers");
    };
    let in_flight = u16::try_from(in_flight).expect("an identifier");
    let mut load = Load::new(KINDS[kind], in_flight);
    load.exchange(u32::try_from(exchanges).expect("not so many"));
}

/// Instructions of a child process.
fn instructions(kind: usize, in_flight: u16, exchanges: u32) -> Option<u64> {
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--test-threads=1"])
        .env(CHILD, format!("{kind} {in_flight} {exchanges}"))
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("I refs:") || line.contains("I   refs:"))?;
    let digits: String = line
        .rsplit(':')
        .next()?
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[test]
fn by_instructions() {
    const EXCHANGES: u32 = 2_000;
    const IN_FLIGHT: [u16; 2] = [1, 65_535];
    for (index, kind) in KINDS.iter().enumerate() {
        let mut each = Vec::new();
        for in_flight in IN_FLIGHT {
            let Some(without) = instructions(index, in_flight, 0) else {
                println!("NOT MEASURED: valgrind is not here");
                return;
            };
            let with = instructions(index, in_flight, EXCHANGES).expect("valgrind is here");
            each.push(with.saturating_sub(without) as f64 / f64::from(EXCHANGES));
        }
        println!("{kind:?}: {each:.0?} instructions with {IN_FLIGHT:?} in flight");
        for now in &each {
            assert!(*now <= 1.3 * each[0], "{kind:?}: {each:.0?} instructions");
        }
    }
}
