//! One publisher, and subscribers of its topic: through the broker, and through the machines alone,
//! which the caller hands each message.

use mqtt5_codec::{Message, Packet, Qos};
use mqtt5_session_fsm::broker::{
    Admission, Broker, BrokerConfig, ConnectionKey, Grant, Notice, Permission, Step, Verdict,
};
use mqtt5_session_fsm::{
    Acknowledgement, Event, Instant, Publication, ServerConfig, ServerConnection, Session,
    SessionConfig,
};

use crate::contender::{BoxedRun, Run};

const NOW: Instant = Instant::from_millis(1_000_000);
/// The topic `bench`.
const TOPIC: &[u8] = b"\0\x05bench";
const PAYLOAD: [u8; 64] = [b'x'; 64];
/// Where a PUBLISH with this topic has its Packet Identifier.
const IDENTIFIER: usize = 2 + TOPIC.len();

/// What hands messages on.
pub trait Router {
    /// The publisher sends these bytes.
    fn publish(&mut self, bytes: &[u8]);
    /// Writes what a subscriber, or the publisher behind them, is to get.
    fn written(&mut self, each: &mut impl FnMut(usize, &[u8]));
    /// A subscriber, or the publisher, answers.
    fn answer(&mut self, from: usize, bytes: &[u8]);
}

/// Messages from one publisher to all subscribers, each acknowledged.
pub struct FanOut<R> {
    router: R,
    subscribers: usize,
    qos: Qos,
    identifier: u16,
    answers: Vec<(usize, [u8; 4])>,
    delivered: usize,
}

impl<R: Router> FanOut<R> {
    /// With a router that has its clients.
    pub fn new(router: R, subscribers: usize, qos: Qos) -> Self {
        FanOut {
            router,
            subscribers,
            qos,
            identifier: 0,
            answers: Vec::new(),
            delivered: 0,
        }
    }

    /// Publishes a message, and returns how many subscribers got it.
    pub fn publish(&mut self) -> usize {
        self.delivered = 0;
        self.identifier = self.identifier % 100 + 1;
        let [high, low] = self.identifier.to_be_bytes();
        let identified = self.qos > Qos::AtMostOnce;
        let length = TOPIC.len() + if identified { 3 } else { 1 } + PAYLOAD.len();
        let mut packet = [0; 128];
        let parts: [&[u8]; 4] = [
            &[0x30 | (self.qos as u8) << 1, length as u8],
            TOPIC,
            if identified { &[high, low, 0] } else { &[0] },
            &PAYLOAD,
        ];
        let mut end = 0;
        for part in parts {
            packet[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        }
        self.router.publish(&packet[..end]);
        loop {
            let FanOut {
                router,
                answers,
                delivered,
                ..
            } = self;
            router.written(&mut |to, bytes| answer(to, bytes, answers, delivered));
            if self.answers.is_empty() {
                break;
            }
            let answers = core::mem::take(&mut self.answers);
            for (from, bytes) in &answers {
                self.router.answer(*from, bytes);
            }
            self.answers = answers;
            self.answers.clear();
        }
        assert_eq!(self.delivered, self.subscribers, "everyone gets it");
        self.delivered
    }
}

/// What a client answers to packets.
fn answer(
    client: usize,
    mut bytes: &[u8],
    answers: &mut Vec<(usize, [u8; 4])>,
    delivered: &mut usize,
) {
    while let [first, length, ..] = *bytes {
        let (packet, rest) = bytes.split_at(2 + usize::from(length));
        let identifier = |at: usize| [packet[at], packet[at + 1]];
        let reply = match first {
            0x30 => None,
            0x32 => Some((0x40, identifier(IDENTIFIER))),
            0x34 => Some((0x50, identifier(IDENTIFIER))),
            0x50 => Some((0x62, identifier(2))),
            0x62 => Some((0x70, identifier(2))),
            _ => None,
        };
        *delivered += usize::from(first & 0xF0 == 0x30);
        if let Some((kind, [high, low])) = reply {
            answers.push((client, [kind, 2, high, low]));
        }
        bytes = rest;
    }
}

fn connect(client: usize) -> Vec<u8> {
    let mut packet = vec![0x10, 21, 0, 4];
    packet.extend_from_slice(b"MQTT\x05\x02\0\0\0\0\x08");
    packet.extend_from_slice(format!("{client:08}").as_bytes());
    packet
}

fn subscribe(qos: Qos) -> Vec<u8> {
    let mut packet = vec![0x82, 3 + TOPIC.len() as u8 + 1, 0, 1, 0];
    packet.extend_from_slice(TOPIC);
    packet.push(qos as u8);
    packet
}

/// The broker.
pub struct Routed {
    broker: Broker,
    /// The publisher is the last one.
    keys: Vec<ConnectionKey>,
    output: Vec<u8>,
}

impl Routed {
    /// A broker with clients that have subscribed.
    pub fn new(subscribers: usize, qos: Qos) -> Self {
        let mut routed = Routed {
            broker: Broker::new(BrokerConfig::default()),
            keys: Vec::new(),
            output: Vec::new(),
        };
        for client in 0..=subscribers {
            let key = routed.broker.connected(NOW).expect("room");
            assert_eq!(key.index(), client);
            routed.keys.push(key);
            routed.receive(client, &connect(client));
            if client < subscribers {
                routed.receive(client, &subscribe(qos));
            }
            routed.written(&mut |_, _| {});
        }
        routed
    }

    fn receive(&mut self, client: usize, bytes: &[u8]) {
        let (mut input, key) = (bytes, self.keys[client]);
        loop {
            let step = self
                .broker
                .receive(NOW, key, &mut input, |_| Permission::Publish);
            let Ok(Step::Ask(question)) = step else {
                assert!(input.is_empty() && step.is_ok());
                return;
            };
            let answered = match question.packet() {
                Packet::Subscribe(_) => {
                    let grants = [Grant::UpTo(Qos::ExactlyOnce)];
                    self.broker.answer_subscribe(NOW, &question, &grants)
                }
                _ => {
                    let verdict = Verdict::Accept(Admission::of(""));
                    self.broker.answer_connect(NOW, &question, &verdict)
                }
            };
            answered.expect("an answer that is expected");
        }
    }
}

impl Router for Routed {
    fn publish(&mut self, bytes: &[u8]) {
        self.receive(self.keys.len() - 1, bytes);
    }

    fn written(&mut self, each: &mut impl FnMut(usize, &[u8])) {
        loop {
            let has_more = self.broker.work(NOW, &mut 1_000);
            while let Some(notice) = self.broker.poll() {
                let Notice::Ready(key) = notice else { continue };
                self.output.clear();
                let transmitted = self.broker.transmit(NOW, key, &mut self.output);
                let _ = transmitted.expect("a connection");
                each(key.index(), &self.output);
            }
            if !has_more {
                return;
            }
        }
    }

    fn answer(&mut self, from: usize, bytes: &[u8]) {
        self.receive(from, bytes);
    }
}

/// The machines: the publisher's and those of the subscribers, without anything between them.
pub struct Alone {
    machines: Vec<(ServerConnection, Session)>,
    ready: Vec<usize>,
    output: Vec<u8>,
}

impl Alone {
    /// Machines of clients that have connected.
    pub fn new(subscribers: usize, _: Qos) -> Self {
        let config = ServerConfig::default();
        let session = SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..config.session
        };
        let machines = (0..=subscribers).map(|client| {
            let mut connection = ServerConnection::new(NOW, &config);
            let mut session = Session::of_server(&format!("{client:08}"), session);
            let packet = connect(client);
            let mut lent = connection.lend(Some(&mut session));
            let event = lent.receive(NOW, &mut &packet[..]);
            assert!(matches!(event, Some(Event::Connect(_))));
            lent.accept(NOW, &[]).expect("it is accepted");
            let mut output = Vec::new();
            while lent.poll(NOW, &mut output).is_some() {}
            (connection, session)
        });
        Alone {
            machines: machines.collect(),
            ready: Vec::new(),
            output: Vec::new(),
        }
    }
}

impl Router for Alone {
    fn publish(&mut self, bytes: &[u8]) {
        let publisher = self.machines.len() - 1;
        let (connection, session) = &mut self.machines[publisher];
        let mut lent = connection.lend(Some(session));
        let event = lent.receive(NOW, &mut &*bytes);
        let Some(Event::Message(delivered)) = event else {
            panic!("a message");
        };
        let qos = delivered.publish.delivery.qos();
        let message = Message::new(&delivered.publish).expect("a message");
        if let Some(receipt) = delivered.receipt {
            lent.acknowledge(receipt).expect("it is owed");
            self.ready.push(publisher);
        }
        for (client, (connection, session)) in self.machines[..publisher].iter_mut().enumerate() {
            let publication = Publication::new(qos, message.clone());
            let accepted = connection.lend(Some(session)).publish(NOW, publication);
            accepted.expect("room");
            self.ready.push(client);
        }
    }

    fn written(&mut self, each: &mut impl FnMut(usize, &[u8])) {
        for client in self.ready.drain(..) {
            let (connection, session) = &mut self.machines[client];
            self.output.clear();
            let mut lent = connection.lend(Some(session));
            while lent.poll(NOW, &mut self.output).is_some() {}
            each(client, &self.output);
        }
    }

    fn answer(&mut self, from: usize, bytes: &[u8]) {
        let (connection, session) = &mut self.machines[from];
        let mut lent = connection.lend(Some(session));
        let mut input = bytes;
        while lent.receive(NOW, &mut input).is_some() {}
        self.ready.push(from);
    }
}

/// Runs of a fan-out, for the counters.
impl<R: Router> Run for FanOut<R> {
    fn run(&mut self) -> usize {
        self.publish()
    }
}

/// A fan-out through the broker, or through the machines alone.
pub fn run(alone: bool, subscribers: usize, qos: Qos) -> BoxedRun {
    match alone {
        true => Box::new(FanOut::new(Alone::new(subscribers, qos), subscribers, qos)),
        false => Box::new(FanOut::new(Routed::new(subscribers, qos), subscribers, qos)),
    }
}

/// A broker with Sessions of clients that are away, each with one subscription of its own.
pub fn absent(sessions: usize) -> Broker {
    absent_of(sessions, |client| format!("dev/{client:08}"))
}

/// A broker with Sessions of clients that are away, each with the subscription that a function names.
pub fn absent_of(sessions: usize, filter: impl Fn(usize) -> String) -> Broker {
    let mut broker = Broker::new(BrokerConfig::default());
    let mut output = Vec::new();
    for client in 0..sessions {
        let key = broker.connected(NOW).expect("room");
        let mut routed = Routed {
            broker,
            keys: vec![key],
            output: core::mem::take(&mut output),
        };
        routed.receive(0, &kept(client));
        routed.receive(0, &subscribe_to(&filter(client)));
        routed.written(&mut |_, _| {});
        Routed { broker, output, .. } = routed;
        broker.lost(NOW, key).expect("a connection");
        while broker.poll().is_some() {}
    }
    broker
}

/// A CONNECT whose Session does not expire.
fn kept(client: usize) -> Vec<u8> {
    let mut packet = vec![0x10, 26, 0, 4];
    packet.extend_from_slice(b"MQTT\x05\x02\0\0\x05\x11\xFF\xFF\xFF\xFF\0\x08");
    packet.extend_from_slice(format!("{client:08}").as_bytes());
    packet
}

fn subscribe_to(filter: &str) -> Vec<u8> {
    let length = filter.len() as u8;
    let mut packet = vec![0x82, 3 + 2 + length + 1, 0, 1, 0, 0, length];
    packet.extend_from_slice(filter.as_bytes());
    packet.push(1);
    packet
}
