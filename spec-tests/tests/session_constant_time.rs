//! The work for a packet does not depend on how many messages are in flight, or wait; that for the begin and the end
//! of a connection is in proportion to them. Counted in instructions.

mod counted;
mod pair;

use mqtt5_codec::{Message, PacketIdentifier, Publish, Qos, ReasonCode, TopicName};
use mqtt5_session_fsm::{Acknowledgement, Event, Publication, ServerConfig, SessionConfig};

use counted::{difference, task};
use pair::{NOW, Pair, Settings};

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
fn an_exchange_takes_constant_time() {
    const EXCHANGES: u32 = 2_000;
    const IN_FLIGHT: [u16; 2] = [1, 65_535];
    for (index, kind) in KINDS.iter().enumerate() {
        let mut each = Vec::new();
        for in_flight in IN_FLIGHT {
            let task = |exchanges| format!("exchange {index} {in_flight} {exchanges}");
            let Some(instructions) = difference(&task(0), &task(EXCHANGES)) else {
                return;
            };
            each.push(instructions as f64 / f64::from(EXCHANGES));
        }
        println!("{kind:?}: {each:.0?} instructions with {IN_FLIGHT:?} in flight");
        for now in &each {
            assert!(*now <= 1.3 * each[0], "{kind:?}: {each:.0?} instructions");
        }
    }
}

/// What happens once a connection takes time for each message, but no more than that.
#[test]
fn a_connection_begins_and_ends_in_linear_time() {
    const FEW: u16 = 1_000;
    const MANY: u16 = 16_000;
    for (index, kind) in KINDS.iter().enumerate() {
        for what in ["lose", "resume"] {
            let cost = |in_flight| {
                let task = |acts| format!("{what} {index} {in_flight} {acts}");
                difference(&task(0), &task(1))
            };
            let (Some(few), Some(many)) = (cost(FEW), cost(MANY)) else {
                return;
            };
            println!("{kind:?}, {what}: {few} instructions with {FEW}, {many} with {MANY}");
            // A sort is n log n; the square would be 256 times as much.
            let allowed = few * u64::from(MANY / FEW) * 2 + 100_000;
            assert!(many <= allowed, "{kind:?}, {what}: {few}, {many}");
        }
    }
}

/// What waits for a decision of the application costs nothing that does not concern it.
fn assert_constant(what: &str) {
    const WAITING: [u16; 2] = [10, 20_000];
    let mut costs = Vec::new();
    for waiting in WAITING {
        let task = |acts| format!("{what} {waiting} {acts}");
        let Some(cost) = difference(&task(0), &task(1)) else {
            return;
        };
        costs.push(cost);
    }
    println!("{what}: {costs:?} instructions with {WAITING:?} that wait");
    assert!(costs[1] <= costs[0] + costs[0] / 2, "{what}: {costs:?}");
}

#[test]
fn pubrels_behind_undecided_messages() {
    assert_constant("pubrels");
}

#[test]
fn requests_behind_unanswered_ones() {
    assert_constant("requests");
}

/// PUBRELs of messages whose PUBREC would have to be sent again, behind those that nobody has decided.
fn pubrels(undecided: u16, acts: bool) {
    const RELEASED: u16 = 2_000;
    let publish = |first, identifier: u16| {
        let [high, low] = identifier.to_be_bytes();
        [first, 6, 0, 1, b'a', high, low, 0]
    };
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
    if acts {
        for identifier in 1..=RELEASED {
            let [high, low] = identifier.to_be_bytes();
            assert_eq!(server.receive(NOW, &mut &[0x62, 2, high, low][..]), None);
        }
    }
}

/// Requests that are answered at once, while others wait for an authorization.
fn requests(unanswered: u16, acts: bool) {
    let settings = Settings {
        server: ServerConfig {
            unanswered_requests: u16::MAX,
            ..ServerConfig::default()
        },
        ..Settings::default()
    };
    let mut server = Pair::new(&settings).server;
    for identifier in 2..unanswered + 2 {
        let [high, low] = identifier.to_be_bytes();
        let subscribe = [0x82, 7, high, low, 0, 0, 1, b'a', 0];
        assert!(server.receive(NOW, &mut &subscribe[..]).is_some());
    }
    let unsubscribe = [0xA2, 6, 0, 1, 0, 0, 1, b'a'];
    let mut wire = Vec::with_capacity(64);
    for _ in 0..if acts { 2_000 } else { 0 } {
        assert!(server.receive(NOW, &mut &unsubscribe[..]).is_some());
        server
            .acknowledge_unsubscribe(NOW, PacketIdentifier::MIN, &[ReasonCode::Success], &[])
            .expect("it waits");
        wire.clear();
        assert_eq!(server.poll(NOW, &mut wire), None);
    }
}

/// Carries out a task of the tests above.
#[test]
fn child() {
    let Some(task) = task() else {
        return;
    };
    let number = |position: usize| -> u16 { task[position].parse().expect("a number") };
    match &*task[0] {
        "exchange" => {
            Load::new(KINDS[usize::from(number(1))], number(2)).exchange(number(3).into());
        }
        what @ ("lose" | "resume") => {
            let mut pair = Load::new(KINDS[usize::from(number(1))], number(2)).pair;
            let acts = number(3) > 0;
            if what == "resume" {
                pair.lose();
                if acts {
                    pair.connect();
                }
            } else if acts {
                pair.client.connection_lost(NOW);
                pair.session = pair.server.take_session(NOW);
            }
            // What is freed at the end is no part of it.
            std::mem::forget(pair);
        }
        "pubrels" => pubrels(number(1), number(2) > 0),
        "requests" => requests(number(1), number(2) > 0),
        other => panic!("no task {other}"),
    }
}
