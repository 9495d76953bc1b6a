//! A connection that is lent its Session does what a `Server`, which has both, does: in any run, every event, every byte,
//! every change and every deadline is the same.

use core::time::Duration;

use mqtt5_session_fsm::codec::{
    Connect, ConnectProperties, Message, Property, Qos, ReasonCode, SubscribeProperties,
    Subscription, Subscriptions, Text,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Output, Publication, Server, ServerConfig,
    ServerConnection, Session, SessionConfig,
};
use proptest::prelude::*;

/// Small enough to be reached.
fn session_config() -> SessionConfig {
    SessionConfig {
        in_flight: 3,
        persistent: true,
        ..SessionConfig::default()
    }
}

fn config() -> ServerConfig {
    ServerConfig {
        session: session_config(),
        ..ServerConfig::default()
    }
}

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    ClientPublishes(Qos),
    ServerPublishes(Qos),
    /// This many bytes arrive at the Server, or at the Client.
    Up(usize),
    Down,
    Subscribes,
    Wait(u64),
    /// The network breaks, and the Client connects again.
    Break,
    /// The Server closes the connection, and the Client connects again.
    Close,
    /// The Client connects again while the old connection is still there.
    TakeOver,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let qos = prop_oneof![
        Just(Qos::AtMostOnce),
        Just(Qos::AtLeastOnce),
        Just(Qos::ExactlyOnce)
    ];
    let step = prop_oneof![
        3 => qos.clone().prop_map(Step::ClientPublishes),
        3 => qos.prop_map(Step::ServerPublishes),
        6 => (1_usize..60).prop_map(Step::Up),
        6 => Just(Step::Down),
        1 => Just(Step::Subscribes),
        2 => (1_u64..4_000).prop_map(Step::Wait),
        1 => Just(Step::Break),
        1 => Just(Step::Close),
        1 => Just(Step::TakeOver),
    ];
    proptest::collection::vec(step, 1..80)
}

/// More often than anything here has something to say.
const ROUNDS: u32 = 1_000;

/// One round more of calls that have to come to an end.
fn next(rounds: &mut u32, what: &str) -> Result<(), TestCaseError> {
    prop_assert!(*rounds > 0, "{} does not come to an end", what);
    *rounds -= 1;
    Ok(())
}

fn message() -> Message {
    Message::of("t", b"payload").expect("a message")
}

/// A connection and a Session apart, the two in one, and the Client of both.
struct Both {
    now: Instant,
    connection: ServerConnection,
    session: Option<Session>,
    /// The Session waits for the CONNECT of the next connection.
    is_away: bool,
    server: Server,
    kept: Option<Session>,
    client: Client,
    up: Vec<u8>,
    down: Vec<u8>,
}

impl Both {
    fn new() -> Self {
        let now = Instant::from_millis(1_000_000);
        let mut both = Both {
            now,
            connection: ServerConnection::new(now, &config()),
            session: None,
            is_away: true,
            server: Server::new(now, config()),
            kept: None,
            client: Client::new(
                ClientConfig::default(),
                Session::of_client(session_config()),
            ),
            up: Vec::new(),
            down: Vec::new(),
        };
        both.client_connects();
        both
    }

    fn client_connects(&mut self) {
        let list = [Property::SessionExpiryInterval(3)];
        let connect = Connect {
            client_identifier: Text::new("c").expect("a text"),
            keep_alive: 2,
            properties: ConnectProperties::new(&list).expect("one property"),
            ..Connect::default()
        };
        self.client.connect(self.now, &connect).expect("a CONNECT");
        self.up.clear();
        self.down.clear();
    }

    /// A new connection, for which the Session is kept.
    fn next_connection(&mut self) -> Result<(), TestCaseError> {
        if !self.is_away {
            self.connection.lend(self.session.as_mut()).leave(self.now);
            self.kept = self.server.take_session(self.now);
            self.is_away = true;
            prop_assert_eq!(&self.kept, &self.session);
        }
        self.drain()?;
        self.connection = ServerConnection::new(self.now, &config());
        self.server = Server::new(self.now, config());
        self.client_connects();
        Ok(())
    }

    /// Polls both in step until nothing is left: each output and each byte is the same.
    fn drain(&mut self) -> Result<(), TestCaseError> {
        let (now, is_away) = (self.now, self.is_away);
        let (mut apart, mut together) = (Vec::new(), Vec::new());
        let away = |session: &mut Option<Session>| {
            let session = session.as_mut().filter(|_| is_away);
            session.and_then(Session::poll)
        };
        let mut rounds = ROUNDS;
        loop {
            next(&mut rounds, "poll")?;
            let session = self.session.as_mut().filter(|_| !is_away);
            let one = self.connection.lend(session).poll(now, &mut apart);
            let one = one.or_else(|| away(&mut self.session));
            let two = self.server.poll(now, &mut together);
            let two = two.or_else(|| away(&mut self.kept));
            prop_assert_eq!(&one, &two, "polled");
            prop_assert_eq!(&apart, &together, "written");
            if one.is_none() {
                break;
            }
        }
        self.down.extend(apart);
        while let Some(output) = self.client.poll(self.now, &mut self.up) {
            next(&mut rounds, "poll of the Client")?;
            if matches!(output, Output::Close(_)) {
                self.up.clear();
            }
        }
        if !self.is_away {
            prop_assert_eq!(self.session.as_ref(), self.server.session());
            let next = self.connection.next_timeout(self.session.as_ref());
            prop_assert_eq!(next, self.server.next_timeout());
        }
        Ok(())
    }

    /// These bytes arrive at the Server.
    fn arrive(&mut self, length: usize) -> Result<(), TestCaseError> {
        let length = length.min(self.up.len());
        let bytes = self.up[..length].to_vec();
        let (mut apart, mut together) = (&bytes[..], &bytes[..]);
        let mut rounds = ROUNDS;
        loop {
            next(&mut rounds, "receive")?;
            let session = self.session.as_mut().filter(|_| !self.is_away);
            let mut lent = self.connection.lend(session);
            let one = lent.receive(self.now, &mut apart);
            let two = self.server.receive(self.now, &mut together);
            prop_assert_eq!(&one, &two, "received");
            prop_assert_eq!(apart, together, "left unread");
            let Some(event) = one else {
                break;
            };
            let is_connect = matches!(event, Event::Connect(_));
            let request = match event {
                Event::Subscribe(subscribe) => Some(subscribe.packet_identifier),
                _ => None,
            };
            if is_connect {
                let created = || Session::of_server("c", session_config());
                let session = self.session.get_or_insert_with(created);
                self.is_away = false;
                let one = self.connection.lend(Some(session)).accept(self.now, &[]);
                let two = self.server.accept(self.now, self.kept.take(), &[]);
                prop_assert_eq!(one, two);
            }
            if let Some(packet_identifier) = request {
                let codes = [ReasonCode::GrantedQos2];
                let session = self.session.as_mut();
                let mut lent = self.connection.lend(session);
                let one = lent.acknowledge_subscribe(self.now, packet_identifier, &codes, &[]);
                let server = &mut self.server;
                let two = server.acknowledge_subscribe(self.now, packet_identifier, &codes, &[]);
                prop_assert_eq!(one, two);
            }
            self.drain()?;
        }
        self.up.drain(..length - apart.len());
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::ClientPublishes(qos) => {
                let _ = self
                    .client
                    .publish(self.now, Publication::new(qos, message()));
            }
            Step::ServerPublishes(qos) => {
                let publication = Publication::new(qos, message());
                let (now, twin) = (self.now, publication.clone());
                let (one, two) = if self.is_away {
                    let publish = |session: &mut Option<Session>, publication| {
                        session.as_mut().map(|it| it.publish(now, publication))
                    };
                    (
                        publish(&mut self.session, publication),
                        publish(&mut self.kept, twin),
                    )
                } else {
                    let mut lent = self.connection.lend(self.session.as_mut());
                    (
                        Some(lent.publish(now, publication)),
                        Some(self.server.publish(now, twin)),
                    )
                };
                prop_assert_eq!(one, two);
            }
            Step::Up(length) => self.arrive(length)?,
            Step::Down => {
                let mut input = &self.down[..];
                let mut rounds = ROUNDS;
                while self.client.receive(self.now, &mut input).is_some() {
                    next(&mut rounds, "receive of the Client")?;
                }
                let taken = self.down.len() - input.len();
                self.down.drain(..taken);
            }
            Step::Subscribes => {
                let list = [Subscription::new("t", Qos::ExactlyOnce).expect("a subscription")];
                let list = Subscriptions::new(&list).expect("one subscription");
                let _ = self.client.subscribe(SubscribeProperties::default(), list);
            }
            Step::Wait(milliseconds) => {
                self.now += Duration::from_millis(milliseconds);
                let now = self.now;
                let session = self.session.as_mut().filter(|_| !self.is_away);
                self.connection.lend(session).handle_timeout(now);
                self.server.handle_timeout(now);
                if self.is_away {
                    for session in [&mut self.session, &mut self.kept].into_iter().flatten() {
                        session.handle_timeout(now);
                    }
                }
                self.client.handle_timeout(now);
            }
            Step::Break => {
                let now = self.now;
                let session = self.session.as_mut().filter(|_| !self.is_away);
                self.connection.lend(session).connection_lost(now);
                self.server.connection_lost(now);
                self.drain()?;
                self.next_connection()?;
            }
            Step::Close => {
                let now = self.now;
                let code = ReasonCode::ServerShuttingDown;
                let session = self.session.as_mut().filter(|_| !self.is_away);
                let one = self.connection.lend(session).disconnect(now, code, &[]);
                let two = self.server.disconnect(now, code, &[]);
                prop_assert_eq!(one, two);
                self.drain()?;
                self.next_connection()?;
            }
            Step::TakeOver => self.next_connection()?,
        }
        self.drain()
    }
}

proptest! {
    #[test]
    fn lent_or_owned_makes_no_difference(steps in steps()) {
        let mut both = Both::new();
        both.drain()?;
        for step in steps {
            both.step(step)?;
        }
    }
}
