//! A Client and a Server that store every change, over connections of which each has limits of its own: Maximum Packet Size,
//! Receive Maximum, Maximum QoS, Retain Available, Topic Alias Maximum. Either may crash at any change.

use std::collections::{BTreeMap, BTreeSet};

use mqtt5_session_fsm::codec::{
    Connect, Message, Properties, Property, Publish, Qos, Text, TopicName,
};
use mqtt5_session_fsm::{
    Acknowledgement, Change, Client, ClientConfig, Event, Instant, Limits, Outcome, Output,
    Publication, Receipt, Server, ServerConfig, Session, SessionConfig, Token,
};

const CONNECTIONS: u64 = 7;
const STEPS: u64 = 14;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Client,
    Server,
}

pub(crate) const SIDES: [Side; 2] = [Side::Client, Side::Server];

/// At which change of a side it dies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    pub(crate) side: Side,
    pub(crate) change: usize,
    /// While it stores the change, not after.
    pub(crate) torn: bool,
    /// The other side gets what was written before.
    pub(crate) flushed: bool,
}

/// What is known of an accepted message.
#[derive(Clone, Debug)]
struct Accepted {
    number: u32,
    qos: Qos,
    outcome: Option<Told>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Delivered,
    NotSent,
    Unknown,
}

/// What a side has stored: its application's data, and its Session. Both are changed in one transaction.
struct Host {
    config: SessionConfig,
    snapshot: Vec<u8>,
    log: Vec<u8>,
    changes: usize,
    /// So many of them were compared with the Session that there is.
    compared: usize,
    accepted: BTreeMap<Token, Accepted>,
    /// Tokens by identifiers, of messages in flight.
    in_flight: BTreeMap<u16, Token>,
    delivered: Vec<u32>,
    /// What was told and is not stored yet: it is, with its change.
    told: BTreeMap<Token, Told>,
    came: Vec<u32>,
    undecided: Vec<(Receipt, Qos, u32)>,
    lost: usize,
}

pub(crate) struct World {
    seed: u64,
    random: Random,
    now: Instant,
    client: Client,
    server: Option<Server>,
    /// The Server's, while it is in no Server.
    kept: Option<Session>,
    pipes: [Vec<u8>; 2],
    hosts: [Host; 2],
    published: u32,
    crash: Option<Crash>,
    crashes: usize,
    often: bool,
    changes: [usize; 2],
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut config = || SessionConfig {
            persistent: true,
            in_flight: [2, 5, u16::MAX][random.below(3) as usize],
            acknowledgement: match random.below(2) {
                0 => Acknowledgement::Automatic,
                _ => Acknowledgement::Manual,
            },
            ..SessionConfig::default()
        };
        let (of_client, of_server) = (config(), config());
        let client = Session::of_client(of_client);
        let server = Session::of_server("c", of_server);
        World {
            seed,
            random,
            now: Instant::from_millis(1_000_000),
            hosts: [Host::new(&client), Host::new(&server)],
            client: Client::new(ClientConfig::default(), client),
            server: None,
            kept: Some(server),
            pipes: [Vec::new(), Vec::new()],
            published: 0,
            crash: None,
            crashes: 0,
            often: false,
            changes: [0; 2],
        }
    }

    pub(crate) fn plan(&mut self, crash: Crash) {
        self.crash = Some(crash);
    }

    pub(crate) fn crash_often(&mut self) {
        self.often = true;
        self.plan_another();
    }

    fn plan_another(&mut self) {
        if self.often && self.crashes < 12 {
            let side = SIDES[self.random.below(2) as usize];
            self.crash = Some(Crash {
                side,
                change: self.hosts[side as usize].changes + 1 + self.random.below(12) as usize,
                torn: self.random.below(2) == 0,
                flushed: self.random.below(2) == 0,
            });
        }
    }

    /// How many changes of a side may be the last one of a process.
    pub(crate) fn changes(&self, side: Side) -> usize {
        self.changes[side as usize]
    }

    pub(crate) fn crashes(&self) -> usize {
        self.crashes
    }

    pub(crate) fn delivered(&self) -> usize {
        self.hosts.iter().map(|host| host.delivered.len()).sum()
    }

    pub(crate) fn lost(&self) -> usize {
        self.hosts.iter().map(|host| host.lost).sum()
    }

    pub(crate) fn run(&mut self) {
        for _ in 0..CONNECTIONS {
            self.connect(false);
            for _ in 0..STEPS {
                self.step();
            }
            self.cut();
        }
        // Connections on which all that is left arrives; a crash may still end the first ones.
        for round in 0..3 {
            if round == 2 {
                (self.crash, self.often) = (None, false);
                self.changes = self.hosts.each_ref().map(|host| host.changes);
            }
            self.connect(true);
            for _ in 0..60 {
                SIDES.into_iter().for_each(|side| {
                    self.deliver(side, usize::MAX);
                    self.decide(side, true);
                    self.drain(side);
                });
            }
        }
        self.judge();
    }

    fn step(&mut self) {
        let side = SIDES[self.random.below(2) as usize];
        match self.random.below(8) {
            0..3 => self.publish(side),
            3 => self.decide(side, false),
            4 => {
                let bytes = self.random.below(60) as usize;
                self.deliver(side, bytes);
            }
            _ => self.deliver(side, usize::MAX),
        }
        SIDES.into_iter().for_each(|side| self.drain(side));
    }

    fn limits(&mut self, is_last: bool, server: bool) -> Limits {
        let random = &mut self.random;
        if is_last {
            return Limits::NONE;
        }
        Limits {
            maximum_packet_size: [45, 60, 1_000][random.below(3) as usize],
            receive_maximum: [1, 2, u16::MAX][random.below(3) as usize],
            topic_alias_maximum: random.below(3) as u16,
            maximum_qos: match random.below(5) {
                0 if server => Qos::AtLeastOnce,
                1 if server => Qos::AtMostOnce,
                _ => Qos::ExactlyOnce,
            },
            retain_available: !server || random.below(3) > 0,
            ..Limits::NONE
        }
    }

    fn connect(&mut self, is_last: bool) {
        self.cut();
        let of_client = self.limits(is_last, false);
        let of_server = self.limits(is_last, true);
        let list = [
            Property::SessionExpiryInterval(u32::MAX),
            Property::MaximumPacketSize(of_client.maximum_packet_size.try_into().unwrap()),
            Property::ReceiveMaximum(of_client.receive_maximum.try_into().unwrap()),
            Property::TopicAliasMaximum(of_client.topic_alias_maximum),
        ];
        let connect = Connect {
            client_identifier: Text::new("c").unwrap(),
            properties: Properties::new(&list).unwrap(),
            ..Connect::default()
        };
        let config = ServerConfig {
            limits: of_server,
            session: self.hosts[1].config,
            ..ServerConfig::default()
        };
        self.server = Some(Server::new(self.now, config));
        self.client.connect(self.now, &connect).unwrap();
        self.drain(Side::Client);
        self.deliver(Side::Server, usize::MAX);
        self.deliver(Side::Client, usize::MAX);
    }

    fn publish(&mut self, side: Side) {
        let number = self.published;
        self.published += 1;
        let random = &mut self.random;
        let qos = [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::ExactlyOnce][random.below(3) as usize];
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize([4, 30, 70][random.below(3) as usize], 0);
        let publish = Publish {
            retain: random.below(5) == 0,
            ..Publish::new(TopicName::new("a").unwrap(), &payload)
        };
        let publication = Publication::new(qos, Message::new(&publish).unwrap());
        // What is accepted is known by what is stored.
        let _ = match (side, &mut self.server, &mut self.kept) {
            (Side::Client, ..) => self.client.publish(self.now, publication),
            (Side::Server, _, Some(kept)) => kept.publish(self.now, publication),
            (Side::Server, Some(server), None) => server.publish(self.now, publication),
            _ => return,
        };
        self.drain(side);
    }

    fn decide(&mut self, side: Side, is_last: bool) {
        let host = &mut self.hosts[side as usize];
        if host.undecided.is_empty() {
            return;
        }
        let which = if is_last {
            0
        } else {
            self.random.below(host.undecided.len() as u64) as usize
        };
        let (receipt, qos, number) = host.undecided.remove(which);
        let code = mqtt5_session_fsm::codec::ReasonCode::Success;
        let result = match (side, &mut self.server, &mut self.kept) {
            (Side::Client, ..) => self.client.acknowledge_with(receipt, code, &[]),
            (Side::Server, _, Some(kept)) => kept.acknowledge_with(receipt, code),
            (Side::Server, Some(server), None) => server.acknowledge_with(receipt, code, &[]),
            _ => return,
        };
        if result.is_ok() {
            self.hosts[side as usize].came(qos, number);
        }
        self.drain(side);
    }

    fn deliver(&mut self, side: Side, bytes: usize) {
        let pipe = &self.pipes[1 - side as usize];
        let bytes = pipe[..bytes.min(pipe.len())].to_vec();
        let mut input = &bytes[..];
        let crashes = self.crashes;
        loop {
            let event = match (side, &mut self.server) {
                (Side::Client, _) => self.client.receive(self.now, &mut input),
                (Side::Server, Some(server)) => server.receive(self.now, &mut input),
                _ => None,
            };
            let host = &mut self.hosts[side as usize];
            match event {
                None => break,
                Some(Event::Message(delivered)) => {
                    let payload = delivered.publish.payload.first_chunk().unwrap();
                    let number = u32::from_be_bytes(*payload);
                    let qos = delivered.publish.delivery.qos();
                    match delivered.receipt {
                        Some(receipt) => host.undecided.push((receipt, qos, number)),
                        None => host.came(qos, number),
                    }
                }
                Some(Event::Outcome(token, outcome)) => host.tell(token, &outcome),
                Some(Event::Connect(_)) => {
                    let (server, kept) = (self.server.as_mut().unwrap(), self.kept.take());
                    server.accept(self.now, kept, &[]).unwrap();
                }
                Some(_) => {}
            }
            self.drain(side);
            if self.crashes > crashes {
                return;
            }
        }
        let taken = bytes.len() - input.len();
        self.pipes[1 - side as usize].drain(..taken);
        self.drain(side);
    }

    /// Polls, and stores each change before the next call.
    fn drain(&mut self, side: Side) {
        loop {
            let wire = &mut self.pipes[side as usize];
            let output = match (side, &mut self.server, &mut self.kept) {
                (Side::Client, ..) => self.client.poll(self.now, wire),
                (Side::Server, _, Some(kept)) => kept.poll(),
                (Side::Server, Some(server), None) => server.poll(self.now, wire),
                _ => None,
            };
            match output {
                None => break,
                Some(Output::Persist(change)) => {
                    if self.store(side, &change) {
                        return;
                    }
                }
                Some(Output::Event(Event::Outcome(token, outcome))) => {
                    self.hosts[side as usize].tell(token, &outcome);
                }
                // Only the Server had stored that there is one.
                Some(Output::Event(Event::SessionEnded)) => {
                    assert!(
                        side == Side::Server && self.crashes > 0,
                        "seed {}",
                        self.seed
                    );
                }
                Some(Output::Event(_)) => {}
                Some(other) => panic!("seed {}: {other:?}", self.seed),
            }
        }
        let host = &mut self.hosts[side as usize];
        if host.compared == host.changes {
            return;
        }
        host.compared = host.changes;
        let stored = self.restored(side).export();
        let session = match (side, &self.server, &self.kept) {
            (Side::Client, ..) => Some(self.client.session()),
            (Side::Server, _, Some(kept)) => Some(kept),
            (Side::Server, Some(server), None) => server.session(),
            _ => None,
        };
        if let Some(session) = session {
            let config = self.hosts[side as usize].config;
            let live = Session::restore(self.now, &session.export(), config).unwrap();
            assert_eq!(stored, live.export(), "seed {}: {side:?}", self.seed);
        }
    }

    /// Stores a change, with what the application did; whether that was the end of the process.
    fn store(&mut self, side: Side, change: &Change) -> bool {
        let host = &mut self.hosts[side as usize];
        host.changes += 1;
        let crash = self
            .crash
            .filter(|crash| crash.side == side && crash.change == host.changes);
        let record = change.to_bytes();
        if let Some(crash) = crash
            && crash.torn
        {
            host.log.extend(&record[..record.len() / 2]);
            host.log.extend([0; 20]);
            self.die(crash);
            return true;
        }
        host.log.extend(record);
        host.store(change);
        if let Some(crash) = crash {
            self.die(crash);
        }
        crash.is_some()
    }

    fn restored(&self, side: Side) -> Session {
        let host = &self.hosts[side as usize];
        let mut session = Session::restore(self.now, &host.snapshot, host.config).unwrap();
        let mut log = &host.log[..];
        while let Ok(Some(change)) = Change::take(&mut log) {
            session.apply(self.now, &change).unwrap();
        }
        session
    }

    fn die(&mut self, crash: Crash) {
        self.crashes += 1;
        self.crash = None;
        let side = crash.side;
        let session = self.restored(side);
        let host = &mut self.hosts[side as usize];
        host.snapshot = session.export();
        host.log.clear();
        host.told.clear();
        host.came.clear();
        host.undecided.clear();
        match side {
            Side::Client => self.client = Client::new(ClientConfig::default(), session),
            Side::Server => (self.server, self.kept) = (None, Some(session)),
        }
        self.plan_another();
        if crash.flushed {
            self.deliver(SIDES[1 - side as usize], usize::MAX);
        }
        self.cut();
    }

    fn cut(&mut self) {
        self.pipes = [Vec::new(), Vec::new()];
        self.client.connection_lost(self.now);
        if let Some(mut server) = self.server.take() {
            self.kept = server.take_session(self.now).or(self.kept.take());
        }
        SIDES.into_iter().for_each(|side| self.drain(side));
        self.pipes = [Vec::new(), Vec::new()];
    }

    fn judge(&self) {
        for side in SIDES {
            let (host, other) = (&self.hosts[side as usize], &self.hosts[1 - side as usize]);
            for (token, it) in &host.accepted {
                let times = other
                    .delivered
                    .iter()
                    .filter(|at| **at == it.number)
                    .count();
                let most = match it.qos {
                    Qos::ExactlyOnce => 1,
                    _ => usize::MAX,
                };
                let right = match it.outcome {
                    Some(Told::Delivered) => (1..=most).contains(&times),
                    Some(Told::NotSent) => times == 0,
                    Some(Told::Unknown) => times <= most,
                    None => false,
                };
                assert!(
                    right,
                    "seed {}, {side:?} {token:?}: {it:?}, delivered {times} times",
                    self.seed
                );
            }
            let numbers: BTreeSet<_> = host.accepted.values().map(|it| it.number).collect();
            assert_eq!(numbers.len(), host.accepted.len());
        }
    }
}

impl Host {
    fn new(session: &Session) -> Self {
        Host {
            config: *session.config(),
            snapshot: session.export(),
            log: Vec::new(),
            changes: 0,
            compared: 0,
            accepted: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            delivered: Vec::new(),
            told: BTreeMap::new(),
            came: Vec::new(),
            undecided: Vec::new(),
            lost: 0,
        }
    }

    /// A message came. With QoS 2 what it does is stored with `Change::Received`.
    fn came(&mut self, qos: Qos, number: u32) {
        match qos {
            Qos::ExactlyOnce => self.came.push(number),
            _ => self.delivered.push(number),
        }
    }

    fn tell(&mut self, token: Token, outcome: &Outcome<'_>) {
        let told = match outcome {
            Outcome::Indeterminate => Told::Unknown,
            outcome if outcome.is_success() => Told::Delivered,
            _ => Told::NotSent,
        };
        assert_eq!(
            self.told.insert(token, told),
            None,
            "{token:?} has two outcomes"
        );
    }

    /// One transaction: the change, and what the application does because of the event before it.
    fn store(&mut self, change: &Change) {
        match change {
            Change::Accepted { message, .. } => {
                let publish = message.message.publish();
                let accepted = Accepted {
                    number: u32::from_be_bytes(*publish.payload.first_chunk().unwrap()),
                    qos: message.qos,
                    outcome: None,
                };
                assert!(self.accepted.insert(message.token, accepted).is_none());
            }
            Change::Sent {
                token,
                packet_identifier,
            } => {
                self.in_flight.insert(packet_identifier.get(), *token);
            }
            Change::Finished { packet_identifier } | Change::Lost { packet_identifier } => {
                self.lost += usize::from(matches!(change, Change::Lost { .. }));
                let token = self.in_flight.remove(&packet_identifier.get()).unwrap();
                self.end(token);
            }
            Change::Dropped { token } => self.end(*token),
            Change::Ended => {
                self.in_flight.clear();
                for (token, told) in std::mem::take(&mut self.told) {
                    self.settle(token, told);
                }
            }
            Change::Received { .. } => self.delivered.append(&mut self.came),
            _ => {}
        }
    }

    fn end(&mut self, token: Token) {
        let told = self.told.remove(&token);
        self.settle(token, told.expect("an event comes before its change"));
    }

    fn settle(&mut self, token: Token, told: Told) {
        let accepted = self.accepted.get_mut(&token).unwrap();
        assert_eq!(accepted.outcome, None, "{token:?} has two outcomes");
        accepted.outcome = Some(told);
    }
}

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}
