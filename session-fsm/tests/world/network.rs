//! A Client and a Server, each with a host, and the network in between.

use std::fmt::Debug;
use std::iter;
use std::num::NonZeroU64;
use std::time::Duration;

use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_session_fsm::codec::{
    Binary, Connect, Message, Properties, Property, Publish, Qos, ReasonCode, Text, TopicName, Will,
};
use mqtt5_session_fsm::{
    Change, Client, ClientConfig, Event, Instant, Output, Publication, Server, ServerConfig,
    Session,
};

use super::host::Host;
#[cfg(feature = "persistence")]
use super::host::disk::Disk;
use super::steps::{Connection, Crash, Extras, SIDES, Setting, Side, Step};

/// Of the messages, by their number.
const TOPICS: [&str; 6] = ["a", "bb/b", "c/c/c", "dddddddddd", "e", "f/ff"];
/// Longer than everything here.
const LONG: Duration = Duration::from_secs(1_000_000);

pub(crate) fn topic_of(number: u32) -> &'static str {
    TOPICS[number as usize % TOPICS.len()]
}

pub(crate) struct World {
    setting: Setting,
    now: Instant,
    config: ClientConfig,
    client: Client,
    server: Option<Server>,
    /// The Server's Session, while it is in no [`Server`].
    kept: Option<Session>,
    /// To the Server, and to the Client.
    pipes: [Vec<u8>; 2],
    hosts: [Host; 2],
    /// The largest packet that each side takes.
    largest: [u32; 2],
    room: Option<usize>,
    published: u32,
    /// How often the network broke, and processes died.
    cuts: usize,
    crashes: usize,
    /// How many changes each side had stored before the last connection.
    changes: [usize; 2],
}

/// Calls the Client or the Server.
macro_rules! machine {
    ($world:ident, $side:expr, $method:ident($($argument:expr),*)) => {
        match $side {
            Side::Client => Some($world.client.$method($($argument),*)),
            Side::Server => $world.server.as_mut().map(|server| server.$method($($argument),*)),
        }
    };
}

impl World {
    pub(crate) fn new(setting: &Setting) -> Self {
        let [of_client, of_server] = setting.sessions;
        let client = Session::of_client(of_client);
        let server = Session::of_server("c", of_server);
        let mut config = ClientConfig {
            topic_aliases: setting.aliases,
            topic_alias_bytes: 1_000,
            ..ClientConfig::default()
        };
        if !setting.may.close() {
            config.connack_timeout = LONG;
        }
        World {
            setting: setting.clone(),
            now: Instant::from_millis(1_000_000),
            hosts: [Host::new(&client), Host::new(&server)],
            config,
            client: Client::new(config, client),
            server: None,
            // Or else the Server makes one.
            kept: (!setting.may.starve).then_some(server),
            pipes: [Vec::new(), Vec::new()],
            largest: [u32::MAX; 2],
            room: Some(usize::MAX),
            published: 0,
            cuts: 0,
            crashes: 0,
            changes: [0; 2],
        }
    }

    pub(crate) fn crashes(&self) -> usize {
        self.crashes
    }

    /// Identifiers that were given up.
    pub(crate) fn lost(&self) -> usize {
        self.hosts.iter().map(|host| host.lost).sum()
    }

    /// At how many changes a side may crash.
    #[cfg(feature = "persistence")]
    pub(crate) fn changes(&self, side: Side) -> usize {
        self.changes[side as usize]
    }

    /// How many messages arrived.
    pub(crate) fn delivered(&self) -> usize {
        self.hosts.iter().map(|host| host.delivered.len()).sum()
    }

    pub(crate) const fn machines(&self) -> (&Client, &Option<Server>) {
        (&self.client, &self.server)
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match *step {
            Step::Publish(side, qos, length, ref extras) => self.publish(side, qos, length, extras),
            Step::Deliver(side, bytes) => self.deliver(side, bytes),
            Step::Decide(side, which, accept, reason) => self.decide(side, which, accept, reason),
            Step::Connect(ref connection) => self.connect(connection),
            Step::Disconnect(side, with_will) => {
                let code = match side {
                    Side::Client if with_will => ReasonCode::DisconnectWithWillMessage,
                    Side::Client => ReasonCode::NORMAL_DISCONNECTION,
                    Side::Server => ReasonCode::ServerShuttingDown,
                };
                let _ = machine!(self, side, disconnect(self.now, code, &[]));
            }
            Step::Cut => self.cut(),
            Step::Pass(milliseconds, timeouts) => {
                self.now += Duration::from_millis(milliseconds);
                if timeouts {
                    self.handle_timeouts();
                }
            }
            Step::Room(room) => self.room = room,
            Step::Pieces(rooms) => {
                let now = self.now;
                same_in_pieces(&self.client, rooms, |client, wire| client.poll(now, wire));
                if let Some(server) = &self.server {
                    same_in_pieces(server, rooms, |server, wire| server.poll(now, wire));
                }
            }
            Step::Crash(side, changes, crash) => {
                self.plan(side, self.hosts[side as usize].changes + changes, crash);
            }
            #[cfg(feature = "persistence")]
            Step::Compact(side) => self.hosts[side as usize].disk.compact = true,
            #[cfg(not(feature = "persistence"))]
            Step::Compact(_) => {}
        }
        SIDES.into_iter().for_each(|side| self.drain(side));
    }

    /// This side crashes at this of its changes.
    pub(crate) fn plan(&mut self, side: Side, change: usize, crash: Crash) {
        self.hosts[side as usize].crash = Some((change, crash));
    }

    fn publish(&mut self, side: Side, qos: Qos, length: usize, extras: &Extras) {
        let number = self.published;
        self.published += 1;
        let mut payload = number.to_be_bytes().to_vec();
        payload.resize(length, 0);
        let list = extras.expiry.map(Property::MessageExpiryInterval);
        let publish = Publish {
            retain: extras.retain,
            properties: Properties::new(list.as_slice()).unwrap(),
            ..Publish::new(TopicName::new(topic_of(number)).unwrap(), &payload)
        };
        let publication = Publication {
            body: NonZeroU64::new(number.into()),
            topic_alias: extras.alias,
            ..Publication::new(qos, Message::new(&publish).unwrap())
        };
        let result = match (side, &mut self.kept) {
            (Side::Server, Some(kept)) => Some(kept.publish(self.now, publication)),
            _ => machine!(self, side, publish(self.now, publication)),
        };
        // Or there is no room, or it is too large.
        if let Some(Ok(token)) = result {
            self.hosts[side as usize].publish(token, number, qos);
        }
    }

    fn decide(&mut self, side: Side, which: usize, accept: bool, reason: usize) {
        let host = &mut self.hosts[side as usize];
        if host.undecided.is_empty() {
            return;
        }
        let (receipt, came) = host.undecided.remove(which % host.undecided.len());
        let code = if accept {
            ReasonCode::Success
        } else {
            ReasonCode::QuotaExceeded
        };
        let reason = "r".repeat(reason);
        let list = [Property::ReasonString(Text::new(&reason).unwrap())];
        let list = &list[..usize::from(!reason.is_empty())];
        let result = match (side, &mut self.kept) {
            (Side::Server, Some(kept)) => Some(kept.acknowledge_with(receipt, code)),
            _ => machine!(self, side, acknowledge_with(receipt, code, list)),
        };
        // Or the receipt is of an earlier connection.
        if let Some(Ok(())) = result {
            self.hosts[side as usize].decide(came, accept);
        }
    }

    fn connect(&mut self, connection: &Connection) {
        self.cut();
        let [of_client, of_server] = connection.limits;
        let list = [
            Property::SessionExpiryInterval(connection.expiry_interval),
            Property::TopicAliasMaximum(of_client.topic_alias_maximum),
            Property::ReceiveMaximum(of_client.receive_maximum.try_into().unwrap()),
            Property::MaximumPacketSize(of_client.maximum_packet_size.try_into().unwrap()),
            Property::RequestProblemInformation(connection.problem_information),
        ];
        let delay = connection.will_delay.map(Property::WillDelayInterval);
        let connect = Connect {
            clean_start: connection.clean_start,
            client_identifier: Text::new("c").unwrap(),
            properties: Properties::new(&list).unwrap(),
            will: delay.as_ref().map(|delay| Will {
                qos: of_server.maximum_qos.min(Qos::AtLeastOnce),
                retain: false,
                properties: Properties::new(std::slice::from_ref(delay)).unwrap(),
                topic: TopicName::new("gone").unwrap(),
                payload: Binary::new(b"c").unwrap(),
            }),
            ..Connect::default()
        };
        let mut config = ServerConfig {
            limits: of_server,
            session: self.setting.sessions[1],
            maximum_connect_size: 1 << 16,
            topic_aliases: connection.aliases,
            topic_alias_bytes: 1_000,
            ..ServerConfig::default()
        };
        if !self.setting.may.close() {
            config.connect_timeout = LONG;
        }
        self.largest = [of_client, of_server].map(|limits| limits.maximum_packet_size);
        self.server = Some(Server::new(self.now, config));
        self.client.connect(self.now, &connect).unwrap();
    }

    fn handle_timeouts(&mut self) {
        let now = self.now;
        // Twice, as bytes may have been left unread.
        for _ in 0..2 {
            for side in SIDES {
                machine!(self, side, handle_timeout(now));
            }
            if let Some(kept) = &mut self.kept {
                kept.handle_timeout(now);
            }
        }
        // What was due is done, or else a host would call without end.
        let kept = self.kept.as_ref().map(Session::next_timeout);
        let server = self.server.as_ref().map(Server::next_timeout);
        let client = self.client.next_timeout();
        for next in [Some(client), server, kept].into_iter().flatten() {
            assert!(next > now, "{next:?} at {now:?}");
        }
    }

    /// Some of the bytes that the other side wrote come to this side.
    fn deliver(&mut self, side: Side, bytes: usize) {
        let from = side.other() as usize;
        let length = bytes.min(self.pipes[from].len());
        let bytes = self.pipes[from][..length].to_vec();
        let mut input = &bytes[..];
        let cuts = self.cuts;
        loop {
            let event = machine!(self, side, receive(self.now, &mut input)).flatten();
            let Some(event) = event else { break };
            self.hosts[side as usize].see(&event);
            if matches!(event, Event::Connect(_)) {
                let server = self.server.as_mut().expect("it got a CONNECT");
                server.accept(self.now, self.kept.take(), &[]).unwrap();
            }
            self.drain(side);
            if self.cuts != cuts {
                return;
            }
        }
        let taken = length - input.len();
        self.pipes[from].drain(..taken);
        self.drain(side);
    }

    /// Does what the contract says after each call, on one side.
    fn drain(&mut self, side: Side) {
        if let Some(room) = self.room {
            self.poll(side, room);
        }
    }

    fn poll(&mut self, side: Side, room: usize) {
        let index = side as usize;
        let (start, cuts) = (self.pipes[index].len(), self.cuts);
        // Before its CONNACK the Client does not know what the Server takes.
        let is_limited = side == Side::Server || self.client.is_connected();
        let is_done = loop {
            let wire = &mut self.pipes[index];
            let room = room.saturating_sub(wire.len().saturating_sub(start));
            let mut wire = wire.limit(room);
            let output = machine!(self, side, poll(self.now, &mut wire)).flatten();
            let left = wire.remaining_mut();
            let output = match (output, side, &mut self.kept) {
                (None, Side::Server, Some(kept)) => kept.poll(),
                (output, ..) => output,
            };
            match output {
                None => break true,
                Some(Output::NeedsRoom(needed)) => {
                    assert!(needed > left, "{needed} bytes fit into {left}");
                    break false;
                }
                Some(Output::Persist(change)) => {
                    if self.store(side, change) {
                        return;
                    }
                }
                Some(Output::Close(cause)) => {
                    use mqtt5_session_fsm::Cause::{Disconnected, PeerDisconnected, TimedOut};

                    // No side finds a fault with the other.
                    let rightly =
                        matches!(cause, Disconnected(_) | PeerDisconnected(_) | TimedOut(_));
                    assert!(
                        rightly && self.setting.may.close(),
                        "{side:?} closes: {cause:?}"
                    );
                    self.deliver(side.other(), usize::MAX);
                    self.cut();
                }
                Some(Output::Event(event)) => {
                    self.hosts[index].see(&event);
                    // Only the Server had heard of it.
                    let begins = side == Side::Server && !self.client.session().exists();
                    let may_end =
                        !matches!(event, Event::SessionEnded) || self.setting.may.lose || begins;
                    assert!(may_end, "the Session of the {side:?} ended");
                }
            }
        };
        if self.cuts == cuts && is_limited {
            let written = &self.pipes[index][start..];
            let largest = self.largest[side.other() as usize];
            assert!(is_within(written, largest), "{written:02x?} for {largest}");
        }
        self.count_bodies(side);
        #[cfg(feature = "persistence")]
        if is_done && self.hosts[index].config.persistent {
            let server = self.server.as_ref().and_then(Server::session);
            let session = match side {
                Side::Client => Some(self.client.session()),
                Side::Server => server.or(self.kept.as_ref()),
            };
            if let Some(session) = session {
                let always = self.setting.may.close();
                self.hosts[index].disk.compare(self.now, session, always);
            }
        }
    }

    /// The Session holds the messages with a number that it accepted and has not reported as forgotten.
    fn count_bodies(&mut self, side: Side) {
        let body = |world: &mut World| match (side, &mut world.kept) {
            (Side::Server, Some(kept)) => kept.take_forgotten_body(),
            _ => machine!(world, side, take_forgotten_body()).flatten(),
        };
        let forgotten = iter::from_fn(|| body(self)).collect();
        let server = self.server.as_ref().and_then(Server::session);
        let session = match side {
            Side::Client => Some(self.client.session()),
            Side::Server => server.or(self.kept.as_ref()),
        };
        if let Some(session) = session {
            self.hosts[side as usize].count_bodies(forgotten, session);
        }
    }

    /// Stores a change; whether that was the end of the process.
    fn store(&mut self, side: Side, change: Change) -> bool {
        let host = &mut self.hosts[side as usize];
        host.changes += 1;
        let changes = host.changes;
        let crash = host.crash.take_if(|(at, _)| *at == changes);
        let Some((_, crash)) = crash else {
            host.store(&change);
            return false;
        };
        self.crash(side, change, crash);
        true
    }

    #[cfg(not(feature = "persistence"))]
    fn crash(&mut self, side: Side, _: Change, _: Crash) {
        unreachable!("the {side:?} has nothing to begin again with");
    }

    /// One side is gone, and begins again with what it has stored; the other notices.
    #[cfg(feature = "persistence")]
    fn crash(&mut self, side: Side, change: Change, crash: Crash) {
        let host = &mut self.hosts[side as usize];
        match crash.torn {
            Some(zeros) => host.disk.tear(&change, zeros),
            None => host.store(&change),
        }
        let session = host.disk.restored(self.now);
        host.disk = Disk::new(&session);
        host.die(&session);
        match side {
            Side::Client => self.client = Client::new(self.config, session),
            Side::Server => (self.server, self.kept) = (None, Some(session)),
        }
        self.crashes += 1;
        if crash.flushed {
            self.deliver(side.other(), usize::MAX);
        }
        self.cut();
    }

    fn cut(&mut self) {
        self.cuts += 1;
        self.pipes = [Vec::new(), Vec::new()];
        self.client.connection_lost(self.now);
        if let Some(mut server) = self.server.take() {
            self.kept = server.take_session(self.now).or(self.kept.take());
        }
        SIDES
            .into_iter()
            .for_each(|side| self.poll(side, usize::MAX));
        self.pipes = [Vec::new(), Vec::new()];
    }

    /// Everything left arrives, and each reported outcome is true. Planned events may still happen, but not on the
    /// last connection.
    pub(crate) fn converge(&mut self) {
        self.room = Some(usize::MAX);
        for round in 0..3 {
            if round == 2 {
                self.hosts.iter_mut().for_each(|host| host.crash = None);
                self.changes = self.hosts.each_ref().map(|host| host.changes);
            }
            self.step(&Step::Connect(Connection::PLAIN));
            self.settle();
        }
        let server = self.server.as_ref().and_then(Server::session);
        for session in [Some(self.client.session()), server] {
            let session = session.expect("they are connected");
            assert_eq!(
                (session.in_flight(), session.waiting()),
                (0, 0),
                "{:?}",
                session.role()
            );
        }
        let [client, server] = &self.hosts;
        client.judge(server, self.crashes, self.setting.may);
        server.judge(client, self.crashes, self.setting.may);
    }

    /// Delivers and accepts until there is nothing left.
    fn settle(&mut self) {
        for _ in 0..5_000 {
            let is_quiet = |host: &Host| host.undecided.is_empty();
            if self.pipes.iter().all(Vec::is_empty) && self.hosts.iter().all(is_quiet) {
                return;
            }
            for side in SIDES {
                self.deliver(side, usize::MAX);
                self.decide(side, 0, true, 0);
                self.drain(side);
            }
        }
        panic!("it does not come to an end");
    }

    pub(crate) fn all_arrived(&self) {
        let [client, server] = &self.hosts;
        client.all_arrived(server);
        server.all_arrived(client);
    }
}

/// Whatever room there is each time, in the end the same was written and said.
fn same_in_pieces<T: Clone + Debug + PartialEq>(
    machine: &T,
    rooms: [usize; 3],
    poll: impl Fn(&mut T, &mut dyn BufMut) -> Option<Output>,
) {
    let mut at_once = machine.clone();
    let mut written = Vec::new();
    let said: Vec<_> = iter::from_fn(|| poll(&mut at_once, &mut written)).collect();
    let mut in_pieces = machine.clone();
    let (mut written, mut said) = (&written[..], said.into_iter());
    let mut rooms = rooms.into_iter().cycle();
    let mut room = 0;
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
        room = rooms.next().expect("they come again");
    }
    assert!(written.is_empty(), "not written: {written:02x?}");
    assert_eq!(at_once, in_pieces);
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
