//! Events of an earlier Session come before those of the next one, in hosts of every shape, and no host goes to sleep
//! with whole packets in its buffer.

use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_session_fsm::codec::{
    Connect, ConnectProperties, Message, Packet, Property, ProtocolVersion, Publish, Qos, Role,
    Text, TopicName, Will,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Limits, NotTaken, Output, Publication, Server,
    ServerConfig, Session, SessionConfig,
};

const NOW: Instant = Instant::from_millis(5_000);

/// Either machine.
#[derive(Clone)]
enum Machine {
    Client(Box<Client>),
    Server(Box<Server>),
}

impl Machine {
    fn receive(&mut self, input: &mut &[u8]) -> Option<&'static str> {
        let event = match self {
            Machine::Client(client) => client.receive(NOW, input),
            Machine::Server(server) => server.receive(NOW, input),
        };
        event.map(|event| name(&event))
    }

    fn handle(&mut self, packet: Packet<'_>) -> Result<Option<&'static str>, NotTaken> {
        let event = match self {
            Machine::Client(client) => client.handle(NOW, packet)?,
            Machine::Server(server) => server.handle(NOW, packet)?,
        };
        Ok(event.map(|event| name(&event)))
    }

    fn poll(&mut self, wire: &mut Vec<u8>) -> Option<Output> {
        match self {
            Machine::Client(client) => client.poll(NOW, wire),
            Machine::Server(server) => server.poll(NOW, wire),
        }
    }

    fn is_due(&self) -> bool {
        let next = match self {
            Machine::Client(client) => client.next_timeout(),
            Machine::Server(server) => server.next_timeout(),
        };
        next <= NOW
    }

    fn handle_timeout(&mut self) {
        match self {
            Machine::Client(client) => client.handle_timeout(NOW),
            Machine::Server(server) => server.handle_timeout(NOW),
        }
    }
}

fn name(event: &Event<'_>) -> &'static str {
    match event {
        Event::Message(_) => "message",
        Event::Outcome(..) => "outcome",
        Event::Connected(_) => "connected",
        Event::Connect(_) => "connect",
        Event::Subscribe(_) => "subscribe",
        Event::Will(_) => "will",
        Event::SessionEnded => "session ended",
        _ => "another event",
    }
}

/// How a host takes what lies in its buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    /// Until `receive` returns nothing; then it polls.
    UntilNone,
    /// One event, then it polls; again as long as bytes were taken or an event came.
    One,
    /// As long as bytes are taken.
    WhileTaken,
    /// One event in each round.
    OneInEachRound,
    /// By finding the packets itself.
    Handle,
}

/// When `handle_timeout` is called in a round.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    /// At its beginning, if it is due.
    First,
    /// Always, after the packets were read.
    AfterReading,
    /// Always, before and after.
    Both,
}

/// When a CONNECT is decided about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Decision {
    AtOnce,
    /// In the round in which it came, after reading.
    InTheRound,
    /// By another task, while the host sleeps.
    Later,
}

struct Host {
    machine: Machine,
    session: Option<Session>,
    reading: Reading,
    timer: Timer,
    decision: Decision,
    undecided: bool,
    inbox: Vec<u8>,
    wire: Vec<u8>,
    events: Vec<&'static str>,
    rounds: usize,
}

impl Host {
    fn happened(&mut self, event: &'static str) {
        self.events.push(event);
        if event == "connect" {
            self.undecided = true;
            if self.decision == Decision::AtOnce {
                self.decide();
            }
        }
    }

    fn decide(&mut self) {
        let undecided = std::mem::take(&mut self.undecided);
        if let (Machine::Server(server), true) = (&mut self.machine, undecided) {
            let session = self.session.take();
            server.accept(NOW, session, &[]).expect("a good CONNECT");
        }
    }

    fn poll(&mut self) {
        while let Some(output) = self.machine.poll(&mut self.wire) {
            match output {
                Output::Event(event) => self.happened(name(&event)),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Takes one event; whether bytes were taken, and whether there was one.
    fn receive(&mut self) -> (bool, bool) {
        let inbox = std::mem::take(&mut self.inbox);
        let mut input = &inbox[..];
        let event = self.machine.receive(&mut input);
        self.inbox = input.to_vec();
        if let Some(event) = event {
            self.happened(event);
        }
        (self.inbox.len() < inbox.len(), event.is_some())
    }

    fn read(&mut self) {
        match self.reading {
            Reading::UntilNone => while self.receive().1 {},
            Reading::One => {
                while self.receive() != (false, false) {
                    self.poll();
                }
            }
            Reading::WhileTaken => while self.receive().0 {},
            Reading::OneInEachRound => {
                self.receive();
            }
            Reading::Handle => {
                let peer = match self.machine {
                    Machine::Client(_) => Role::Server,
                    Machine::Server(_) => Role::Client,
                };
                let inbox = std::mem::take(&mut self.inbox);
                let mut input = &inbox[..];
                while let Ok(Split::Packet { packet, rest }) = split(input, LARGEST_PACKET) {
                    let packet = packet
                        .decode_from(ProtocolVersion::V5_0, peer)
                        .expect("a good packet");
                    match self.machine.handle(packet) {
                        Ok(Some(event)) => self.happened(event),
                        Ok(None) => {}
                        Err(_) => break,
                    }
                    input = rest;
                }
                self.inbox = input.to_vec();
            }
        }
    }

    fn round(&mut self) {
        self.rounds += 1;
        assert!(self.rounds < 50, "never rests: {:?}", self.events);
        if self.timer == Timer::Both || self.timer == Timer::First && self.machine.is_due() {
            self.machine.handle_timeout();
        }
        self.read();
        if self.decision == Decision::InTheRound {
            self.decide();
        }
        if self.timer != Timer::First {
            self.machine.handle_timeout();
        }
        self.poll();
    }

    /// Bytes come, and the host works until it would sleep.
    fn bytes_come(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        self.round();
        while self.machine.is_due() {
            self.round();
        }
        if self.undecided {
            // Another task decides, and writes what there is to write.
            self.decide();
            self.poll();
            while self.machine.is_due() {
                self.round();
            }
        }
    }
}

/// Every shape of a host, with what comes in one piece and in two.
fn every_host(
    machine: &Machine,
    session: Option<&Session>,
    bytes: &[u8],
    expected: &[&'static str],
) -> usize {
    let mut hosts = 0;
    for reading in [
        Reading::UntilNone,
        Reading::One,
        Reading::WhileTaken,
        Reading::OneInEachRound,
        Reading::Handle,
    ] {
        for timer in [Timer::First, Timer::AfterReading, Timer::Both] {
            for decision in [Decision::AtOnce, Decision::InTheRound, Decision::Later] {
                for cut in 0..bytes.len() {
                    let mut host = Host {
                        machine: machine.clone(),
                        session: session.cloned(),
                        reading,
                        timer,
                        decision,
                        undecided: false,
                        inbox: Vec::new(),
                        wire: Vec::new(),
                        events: Vec::new(),
                        rounds: 0,
                    };
                    let shape = format!("{reading:?}, {timer:?}, {decision:?}, cut at {cut}");
                    host.bytes_come(&bytes[..cut]);
                    host.bytes_come(&bytes[cut..]);
                    // One event in each round is a shape that waits for the network although more is there: the
                    // machine cannot know of what it was not asked for.
                    if reading == Reading::OneInEachRound {
                        for _ in 0..expected.len() {
                            host.bytes_come(&[]);
                        }
                    }
                    assert_eq!(host.events, expected, "{shape}");
                    assert!(host.inbox.is_empty(), "{shape}");
                    hosts += 1;
                }
            }
        }
    }
    hosts
}

fn publication() -> Publication {
    let publish = Publish::new(TopicName::new("t").expect("a name"), b"x");
    Publication::new(
        Qos::AtLeastOnce,
        Message::new(&publish).expect("a small message"),
    )
}

fn connect<'a>(clean_start: bool, properties: &'a [Property<'a>], will: bool) -> Connect<'a> {
    Connect {
        clean_start,
        client_identifier: Text::new("c").expect("a string"),
        properties: ConnectProperties::new(properties).expect("properties of a CONNECT"),
        will: will.then(|| Will {
            qos: Qos::AtMostOnce,
            retain: false,
            properties: mqtt5_session_fsm::codec::WillProperties::EMPTY,
            topic: TopicName::new("w").expect("a name"),
            payload: mqtt5_session_fsm::codec::Binary::new(b"").expect("short"),
        }),
        ..Connect::default()
    }
}

fn bytes<'a>(packet: impl Into<Packet<'a>>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet
        .into()
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .expect("a good packet");
    bytes
}

const LASTING: [Property<'_>; 1] = [Property::SessionExpiryInterval(u32::MAX)];
const PINGREQ: [u8; 2] = [0xC0, 0];
const PINGRESP: [u8; 2] = [0xD0, 0];
const SUBSCRIBE: [u8; 9] = [0x82, 7, 0, 1, 0, 0, 1, b'f', 0];

/// Two messages in flight when its Client went away, and perhaps the Will that nobody has taken yet.
fn session_of_server(will: bool, polled: bool) -> Session {
    let mut server = Server::new(NOW, ServerConfig::default());
    let connect = bytes(connect(false, &LASTING, will));
    let mut input = &connect[..];
    assert!(server.receive(NOW, &mut input).is_some());
    server.accept(NOW, None, &[]).expect("a good CONNECT");
    let mut wire = Vec::new();
    for _ in 0..2 {
        server.publish(NOW, publication()).expect("room");
        assert_eq!(server.poll(NOW, &mut wire), None);
    }
    server.connection_lost(NOW);
    while polled && server.poll(NOW, &mut wire).is_some() {}
    server.take_session(NOW).expect("a Session")
}

/// Sections 3.1.2.4 and 4.1: by Clean Start 1 the Session ends, and its subscriptions with it; the SUBSCRIBE that came in
/// the same read is for the next one.
#[test]
fn a_server_ends_the_session_before_it_reads_on() {
    let mut hosts = 0;
    for (will, polled) in [(false, true), (true, true), (true, false)] {
        let session = session_of_server(will, polled);
        let mut input = bytes(connect(true, &LASTING, false));
        input.extend(SUBSCRIBE);
        input.extend(PINGREQ);
        let mut expected = vec!["connect"];
        if will && !polled {
            expected.push("will");
        }
        expected.extend(["outcome", "outcome", "session ended", "subscribe"]);
        let machine = Machine::Server(Box::new(Server::new(NOW, ServerConfig::default())));
        hosts += every_host(&machine, Some(&session), &input, &expected);
    }
    assert!(hosts > 1_000);
}

/// A host that decides later finds what came behind the CONNECT, although no further byte comes.
#[test]
fn what_came_behind_the_connect_is_read_after_the_decision() {
    let mut input = bytes(connect(false, &[], false));
    input.extend(SUBSCRIBE);
    let machine = Machine::Server(Box::new(Server::new(NOW, ServerConfig::default())));
    every_host(&machine, None, &input, &["connect", "subscribe"]);
}

/// Section 3.2.2.1.1: by Session Present 0 the Client's Session ends; what comes behind the CONNACK is for the next one, and
/// so is what the application does about the CONNACK.
#[test]
fn a_client_ends_the_session_before_it_is_connected() {
    ends_before_it_is_connected(false, &PINGRESP[..]);
}

/// The same for a Session that the CONNECT itself has ended, by Clean Start 1, and of which nobody has asked yet.
#[test]
fn a_client_reports_what_its_connect_ended() {
    ends_before_it_is_connected(true, &[]);
}

/// `more` comes behind the CONNACK and a message. With Clean Start 1 nothing is polled before they come.
fn ends_before_it_is_connected(clean_start: bool, more: &[u8]) {
    let mut client = client_away();
    client
        .connect(NOW, &connect(clean_start, &LASTING, false))
        .expect("a good CONNECT");
    while !clean_start && client.poll(NOW, &mut Vec::new()).is_some() {}
    let mut input = vec![0x20, 3, 0, 0, 0, 0x30, 5, 0, 1, b'f', 0, b'x'];
    input.extend(more);
    every_host(
        &Machine::Client(Box::new(client)),
        None,
        &input,
        &[
            "outcome",
            "outcome",
            "session ended",
            "connected",
            "message",
        ],
    );
}

/// With a Session and two messages in flight, and without a connection.
fn client_away() -> Client {
    let session = Session::of_client(SessionConfig::default());
    let mut client = Client::new(ClientConfig::default(), session);
    client
        .connect(NOW, &connect(false, &LASTING, false))
        .expect("a good CONNECT");
    let mut wire = Vec::new();
    assert_eq!(client.poll(NOW, &mut wire), None);
    let mut connack = &[0x20, 3, 0, 0, 0][..];
    assert!(client.receive(NOW, &mut connack).is_some());
    for _ in 0..2 {
        client.publish(NOW, publication()).expect("room");
        assert_eq!(client.poll(NOW, &mut wire), None);
    }
    client.connection_lost(NOW);
    assert_eq!(client.poll(NOW, &mut wire), None);
    client
}

/// A host that does not read because its output is blocked is not kept awake by what it does not read, and its Client is not
/// taken for silent while that lies there.
#[test]
fn who_is_blocked_sleeps() {
    let session = session_of_server(false, true);
    let mut server = Server::new(
        NOW,
        ServerConfig {
            limits: Limits::NONE,
            ..ServerConfig::default()
        },
    );
    let mut bytes = bytes(connect(false, &LASTING, false));
    bytes.extend(SUBSCRIBE);
    let mut input = &bytes[..];
    assert!(server.receive(NOW, &mut input).is_some());
    assert!(server.receive(NOW, &mut input).is_none());
    assert_eq!(input.len(), SUBSCRIBE.len());
    assert!(server.next_timeout() > NOW, "nobody has decided yet");
    server
        .accept(NOW, Some(session), &[])
        .expect("a good CONNECT");
    let mut woken = 0;
    while server.next_timeout() <= NOW {
        server.handle_timeout(NOW);
        while server.poll(NOW, &mut Vec::new()).is_some() {}
        woken += 1;
        assert!(woken < 10, "never rests");
    }
    assert!(woken > 0);
    assert!(matches!(
        server.receive(NOW, &mut input),
        Some(Event::Subscribe(_))
    ));
}

/// The answer is in the buffer: it did not come too late, whenever it is read.
#[test]
fn what_lies_there_is_not_late() {
    let mut client = client_away();
    client
        .connect(NOW, &connect(false, &LASTING, false))
        .expect("a good CONNECT");
    let mut wire = Vec::new();
    assert_eq!(client.poll(NOW, &mut wire), None);
    let connack = [0x20, 3, 0, 0, 0];
    let mut input = &connack[..];
    assert!(matches!(
        client.receive(NOW, &mut input),
        Some(Event::Outcome(..))
    ));
    assert_eq!(input.len(), 5);
    let later = Instant::from_millis(100_000);
    client.handle_timeout(later);
    while let Some(output) = client.poll(later, &mut wire) {
        assert!(!matches!(output, Output::Close(_)), "{output:?}");
    }
    assert!(matches!(
        client.receive(later, &mut input),
        Some(Event::Connected(_))
    ));
}
