//! Both sides, the network in between, and a record of every message.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::iter;
use std::num::NonZeroU16;
use std::time::Duration;

use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_session_fsm::codec::{
    Connect, Message, Properties, Property, Publish, Qos, ReasonCode, Text, TopicName,
};
use mqtt5_session_fsm::{
    Acknowledgement, Client, ClientConfig, Event, Instant, Limits, Outcome, Output, Publication,
    Receipt, Server, ServerConfig, Session, SessionConfig, StoredLimits, Token, TopicAliases,
    WaitingLimits, WhenFull,
};

/// Of the messages, by their number.
const TOPICS: [&str; 6] = ["a", "bb/b", "c/c/c", "dddddddddd", "e", "f/ff"];
/// Of each world. On the last one, all that is left has time to arrive.
const CONNECTIONS: u64 = 12;
/// Longer than everything here.
const LONG: Duration = Duration::from_secs(1_000_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Client,
    Server,
}

/// What is known of a message.
#[derive(Debug)]
struct Sent {
    number: u32,
    qos: Qos,
    outcome: Option<String>,
    /// Told as delivered.
    is_success: bool,
    /// Told as something that the other side never saw.
    is_unsent: bool,
}

#[derive(Default)]
struct Record {
    seed: u64,
    accepted: BTreeMap<(Side, Token), Sent>,
    published: u32,
    delivered: BTreeMap<u32, u32>,
    /// How often the application at the other side refused a message: it may come again then.
    refused: BTreeMap<u32, u32>,
    receipts: [Vec<(Receipt, u32)>; 2],
}

/// What a connection allows.
#[derive(Clone, Copy)]
struct Allowed {
    topic_alias_maximum: u16,
    receive_maximum: u16,
    maximum_packet_size: u32,
}

pub(crate) struct World {
    random: Random,
    now: u64,
    client: Client,
    server: Server,
    server_session: SessionConfig,
    /// The Server's, between connections.
    stored: Option<Session>,
    up: Vec<u8>,
    down: Vec<u8>,
    record: Record,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let client_session = session_config(&mut random);
        let server_session = session_config(&mut random);
        let config = ClientConfig {
            topic_aliases: topic_aliases(&mut random),
            topic_alias_bytes: 1_000,
            connack_timeout: LONG,
            ..ClientConfig::default()
        };
        World {
            now: 0,
            client: Client::new(config, Session::of_client(client_session)),
            server: Server::new(Instant::ORIGIN, ServerConfig::default()),
            server_session,
            stored: None,
            up: Vec::new(),
            down: Vec::new(),
            record: Record {
                seed,
                ..Record::default()
            },
            random,
        }
    }

    pub(crate) fn run(&mut self) {
        for number in 1..=CONNECTIONS {
            self.connection(number == CONNECTIONS);
        }
    }

    /// One connection, from its CONNECT until the network breaks, and the time until the next.
    fn connection(&mut self, is_last: bool) {
        let ([to_client, to_server], steps) = self.begin(is_last);
        for step in 0..steps {
            self.now += self.random.below(200);
            // On the last connection, what is in flight comes to its end.
            self.act(!is_last || step < 100);
            if self.random.below(3) > 0 {
                self.write(to_client, to_server);
            }
        }
        self.lose();
    }

    fn begin(&mut self, is_last: bool) -> ([u32; 2], u64) {
        let mut allowed = |least: u32| {
            let random = &mut self.random;
            Allowed {
                topic_alias_maximum: random.below(4) as u16,
                receive_maximum: 1 + random.below(4) as u16,
                maximum_packet_size: if is_last {
                    200
                } else {
                    least.max(24 + random.below(60) as u32)
                },
            }
        };
        // A CONNACK and a CONNECT have to fit.
        let (of_client, of_server) = (allowed(30), allowed(44));
        let list = [
            Property::SessionExpiryInterval(1_000_000),
            Property::TopicAliasMaximum(of_client.topic_alias_maximum),
            Property::ReceiveMaximum(of_client.receive_maximum.try_into().unwrap()),
            Property::MaximumPacketSize(of_client.maximum_packet_size.try_into().unwrap()),
            Property::RequestProblemInformation(self.random.below(2) == 0),
        ];
        let connect = Connect {
            client_identifier: Text::new("c").unwrap(),
            properties: Properties::new(&list).unwrap(),
            ..Connect::default()
        };
        let now = self.instant();
        self.client.connect(now, &connect).unwrap();
        let config = ServerConfig {
            maximum_connect_size: 1 << 16,
            topic_alias_bytes: 1_000,
            unanswered_requests: 10,
            limits: Limits {
                topic_alias_maximum: of_server.topic_alias_maximum,
                receive_maximum: of_server.receive_maximum,
                maximum_packet_size: of_server.maximum_packet_size,
                ..Limits::NONE
            },
            session: self.server_session,
            topic_aliases: topic_aliases(&mut self.random),
            connect_timeout: LONG,
            ..ServerConfig::default()
        };
        self.server = Server::new(now, config);
        let steps = if is_last {
            600
        } else {
            10 + self.random.below(60)
        };
        let sizes = [of_client, of_server].map(|allowed| allowed.maximum_packet_size);
        (sizes, steps)
    }

    /// One of the applications, the network or the clock does something.
    fn act(&mut self, publishes: bool) {
        match self.random.below(8) {
            0 if publishes => self.publish(Side::Client),
            1 if publishes => self.publish(Side::Server),
            2 => self.decide(Side::Client),
            3 => self.decide(Side::Server),
            4 | 5 => self.carry_up(),
            6 => self.carry_down(),
            _ => {
                let now = self.instant();
                // Twice, as bytes may have been left unread.
                for _ in 0..2 {
                    self.client.handle_timeout(now);
                    self.server.handle_timeout(now);
                }
                // What was due is done, or else a host would call without end.
                let next = self.client.next_timeout().min(self.server.next_timeout());
                assert!(next > now, "seed {}", self.record.seed);
            }
        }
    }

    fn publish(&mut self, side: Side) {
        let now = self.instant();
        let random = &mut self.random;
        let number = self.record.published;
        self.record.published += 1;
        let qos = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][random.below(3) as usize];
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(4 + random.below(40) as usize, 0);
        let expiry = [Property::MessageExpiryInterval(1 + random.below(3) as u32)];
        let properties = &expiry[..usize::from(random.below(4) == 0)];
        let publish = Publish {
            properties: Properties::new(properties).unwrap(),
            ..Publish::new(TopicName::new(topic_of(number)).unwrap(), &payload)
        };
        let wish = 1 + random.below(3) as u16;
        let publication = Publication {
            topic_alias: NonZeroU16::new(wish).filter(|_| random.below(4) == 0),
            ..Publication::new(qos, Message::new(&publish).unwrap())
        };
        let result = match side {
            Side::Client => self.client.publish(now, publication),
            Side::Server => self.server.publish(now, publication),
        };
        // Or there is no room, or it is too large.
        if let Ok(token) = result {
            let sent = Sent {
                number,
                qos,
                outcome: None,
                is_success: false,
                is_unsent: false,
            };
            let before = self.record.accepted.insert((side, token), sent);
            assert!(before.is_none(), "{token:?} was given before");
        }
    }

    /// The application decides about one of the messages that it has, in any order.
    fn decide(&mut self, side: Side) {
        let receipts = &mut self.record.receipts[side as usize];
        if receipts.is_empty() {
            return;
        }
        let which = self.random.below(receipts.len() as u64) as usize;
        let (receipt, number) = receipts.swap_remove(which);
        let code = match self.random.below(5) {
            0 => ReasonCode::QuotaExceeded,
            _ => ReasonCode::Success,
        };
        // Left out where it does not fit, or is not wanted.
        let reason = "because ".repeat(self.random.below(6) as usize);
        let list = [Property::ReasonString(Text::new(&reason).unwrap())];
        let list = &list[..usize::from(!reason.is_empty())];
        let result = match side {
            Side::Client => self.client.acknowledge_with(receipt, code, list),
            Side::Server => self.server.acknowledge_with(receipt, code, list),
        };
        // A receipt may be of an earlier connection.
        if result.is_ok() && code.is_error() {
            *self.record.refused.entry(number).or_default() += 1;
        }
    }

    /// Some of the bytes that the Client wrote come to the Server.
    fn carry_up(&mut self) {
        let now = self.instant();
        let length = self.random.part(self.up.len());
        let mut input = &self.up[..length];
        let mut has_connect = false;
        while let Some(event) = self.server.receive(now, &mut input) {
            match event {
                Event::Connect(_) => {
                    has_connect = true;
                    break;
                }
                event => self.record.see(Side::Server, &event),
            }
        }
        let read = length - input.len();
        self.up.drain(..read);
        if has_connect {
            self.server.accept(now, self.stored.take(), &[]).unwrap();
        }
    }

    /// Some of the bytes that the Server wrote come to the Client.
    fn carry_down(&mut self) {
        let now = self.instant();
        let length = self.random.part(self.down.len());
        let mut input = &self.down[..length];
        while let Some(event) = self.client.receive(now, &mut input) {
            if !matches!(event, Event::Connected(_)) {
                self.record.see(Side::Client, &event);
            }
        }
        let read = length - input.len();
        self.down.drain(..read);
    }

    /// Both sides write into buffers with little or much room.
    fn write(&mut self, to_client: u32, to_server: u32) {
        let now = self.instant();
        let room = match self.random.below(2) {
            0 => usize::MAX,
            _ => self.random.below(80) as usize,
        };
        let World {
            client,
            server,
            record,
            random,
            ..
        } = self;
        // Not always: it takes a copy of both.
        if random.below(8) == 0 {
            assert_same_in_pieces(client, random, |client, wire| client.poll(now, wire));
            assert_same_in_pieces(server, random, |server, wire| server.poll(now, wire));
        }
        let was_connected = client.is_connected();
        let mut wire = Vec::new().limit(room);
        while let Some(output) = client.poll(now, &mut wire) {
            if !record.see_output(Side::Client, &output) {
                break;
            }
        }
        let wire = wire.into_inner();
        // Before its CONNACK the Client does not know what the Server takes.
        assert!(
            !was_connected || is_within(&wire, to_server),
            "seed {}",
            record.seed
        );
        self.up.extend(wire);
        let mut wire = Vec::new().limit(room);
        while let Some(output) = server.poll(now, &mut wire) {
            if !record.see_output(Side::Server, &output) {
                break;
            }
        }
        let wire = wire.into_inner();
        assert!(is_within(&wire, to_client), "seed {}", record.seed);
        self.down.extend(wire);
    }

    /// The network breaks, with all that was on it; some time goes by.
    fn lose(&mut self) {
        let now = self.instant();
        self.up.clear();
        self.down.clear();
        self.client.connection_lost(now);
        while let Some(output) = self.client.poll(now, &mut Vec::new()) {
            self.record.see_output(Side::Client, &output);
        }
        if self.server.session().is_some() {
            self.stored = self.server.take_session(now);
        }
        self.now += self.random.below(1_500);
        let now = self.instant();
        if let Some(session) = &mut self.stored {
            session.handle_timeout(now);
            while let Some(output) = session.poll() {
                self.record.see_output(Side::Server, &output);
            }
        }
    }

    /// What was told of each message is true.
    pub(crate) fn judge(&self) {
        let times = |map: &BTreeMap<u32, u32>, number| map.get(&number).copied().unwrap_or(0);
        for (key, sent) in &self.record.accepted {
            let delivered = times(&self.record.delivered, sent.number);
            let most = match sent.qos {
                _ if sent.is_unsent => 0,
                Qos::AtMostOnce => 1,
                Qos::AtLeastOnce => u32::MAX,
                Qos::ExactlyOnce => 1 + times(&self.record.refused, sent.number),
            };
            // Nobody tells what became of QoS 0.
            let least = u32::from(sent.is_success && sent.qos != Qos::AtMostOnce);
            assert!(
                (least..=most).contains(&delivered),
                "seed {}: {key:?} {sent:?} was delivered {delivered} times",
                self.record.seed
            );
        }
    }

    /// How many messages arrived.
    pub(crate) fn delivered(&self) -> u64 {
        self.record.delivered.len() as u64
    }

    fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
    }
}

impl Record {
    fn see(&mut self, side: Side, event: &Event<'_>) {
        match event {
            Event::Message(delivered) => {
                let publish = &delivered.publish;
                let number = u32::from_be_bytes(publish.payload[..4].try_into().unwrap());
                let topic = publish.topic.map(|topic| topic.as_str());
                assert_eq!(topic, Some(topic_of(number)), "seed {}", self.seed);
                *self.delivered.entry(number).or_default() += 1;
                let receipt = delivered.receipt.map(|receipt| (receipt, number));
                self.receipts[side as usize].extend(receipt);
            }
            Event::Outcome(token, outcome) => self.outcome(side, *token, outcome),
            // The end of an exchange is repeated if its last packet was lost.
            Event::UnknownIdentifier { .. } => {}
            other => panic!("seed {}, {side:?}: {other:?}", self.seed),
        }
    }

    fn outcome(&mut self, side: Side, token: Token, outcome: &Outcome<'_>) {
        let sent = self.accepted.get_mut(&(side, token));
        let sent =
            sent.unwrap_or_else(|| panic!("{side:?}: {token:?} was never given: {outcome:?}"));
        assert_eq!(sent.outcome, None, "seed {}: {outcome:?}", self.seed);
        sent.outcome = Some(format!("{outcome:?}"));
        sent.is_success = outcome.is_success();
        sent.is_unsent = matches!(
            outcome,
            Outcome::Expired | Outcome::Dropped | Outcome::Forbidden(_) | Outcome::NotSent
        );
    }

    /// Whether there may be more output.
    fn see_output(&mut self, side: Side, output: &Output) -> bool {
        match output {
            Output::NeedsRoom(_) => return false,
            Output::Event(Event::Outcome(token, outcome)) => self.outcome(side, *token, outcome),
            // The Client has not heard of it if its first CONNACK was lost, and begins anew.
            Output::Event(Event::SessionEnded) if side == Side::Server => {}
            // The end of an exchange is repeated if its last packet was lost.
            Output::Event(Event::UnknownIdentifier { .. } | Event::Room) => {}
            Output::Persist(_) => {}
            other => panic!("seed {}, {side:?}: {other:?}", self.seed),
        }
        true
    }
}

/// Whatever room there is each time, in the end the same was written and said.
fn assert_same_in_pieces<T: Clone + Debug + PartialEq>(
    machine: &T,
    random: &mut Random,
    poll: impl Fn(&mut T, &mut dyn BufMut) -> Option<Output>,
) {
    let mut at_once = machine.clone();
    let mut written = Vec::new();
    let said: Vec<_> = iter::from_fn(|| poll(&mut at_once, &mut written)).collect();
    let mut in_pieces = machine.clone();
    let (mut written, mut said) = (&written[..], said.into_iter());
    let mut room = random.below(12) as usize;
    loop {
        let mut piece = Vec::new().limit(room);
        let output = poll(&mut in_pieces, &mut piece);
        let piece = piece.into_inner();
        written = written.strip_prefix(&piece[..]).expect("other bytes");
        if let Some(Output::NeedsRoom(needed)) = output {
            assert!(needed > room - piece.len(), "there is room");
            room = needed;
            continue;
        }
        assert_eq!(output, said.next());
        if output.is_none() {
            break;
        }
        room = random.below(12) as usize;
    }
    assert!(written.is_empty(), "not written: {written:02x?}");
    assert_eq!(at_once, in_pieces);
}

fn session_config(random: &mut Random) -> SessionConfig {
    SessionConfig {
        in_flight: [1, 2, u16::MAX][random.below(3) as usize],
        persistent: random.below(2) == 0,
        stored: StoredLimits {
            messages: [12, 1_000][random.below(2) as usize],
            bytes: [1_500, 1 << 20][random.below(2) as usize],
        },
        waiting: WaitingLimits {
            messages: 20,
            bytes: 2_000,
            when_full: [
                WhenFull::Refuse,
                WhenFull::DropOldestQos0,
                WhenFull::DropOldest,
            ][random.below(3) as usize],
        },
        acknowledgement: match random.below(2) {
            0 => Acknowledgement::Manual,
            _ => Acknowledgement::Automatic,
        },
    }
}

fn topic_aliases(random: &mut Random) -> TopicAliases {
    match random.below(4) as u16 {
        0 => TopicAliases::Off,
        aliases => TopicAliases::Automatic(aliases.try_into().unwrap()),
    }
}

fn topic_of(number: u32) -> &'static str {
    TOPICS[number as usize % TOPICS.len()]
}

/// Whether these are whole packets of at most this size.
fn is_within(mut bytes: &[u8], maximum: u32) -> bool {
    while !bytes.is_empty() {
        let Ok(Split::Packet { packet, rest }) = split(bytes, LARGEST_PACKET) else {
            return false;
        };
        if packet.as_bytes().len() > maximum as usize {
            return false;
        }
        bytes = rest;
    }
    true
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

    /// All of this length, or a part.
    fn part(&mut self, length: usize) -> usize {
        match self.below(2) {
            0 => length,
            _ => self.below(length as u64 + 1) as usize,
        }
    }
}
