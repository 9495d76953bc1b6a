//! A Client and a Server over a network that is cut by hand; each keeps its snapshot and its log.

use mqtt5_session_fsm::codec::{
    Connect, Message, PacketIdentifier, Properties, Property, Publish, Qos, Text, TopicName,
};
use mqtt5_session_fsm::{
    Change, Client, ClientConfig, Event, Instant, Limits, Output, Publication, Server,
    ServerConfig, Session, SessionConfig, Token,
};

pub(crate) const NOW: Instant = Instant::from_millis(1_000_000_000);

pub(crate) fn config() -> SessionConfig {
    SessionConfig {
        persistent: true,
        ..SessionConfig::default()
    }
}

pub(crate) fn id(number: u16) -> PacketIdentifier {
    PacketIdentifier::new(number).unwrap()
}

pub(crate) fn message(length: usize) -> Message {
    let payload = vec![b'x'; length];
    Message::new(&Publish::new(TopicName::new("a").unwrap(), &payload)).unwrap()
}

pub(crate) fn limits(maximum_packet_size: u32) -> Limits {
    Limits {
        maximum_packet_size,
        ..Limits::NONE
    }
}

/// A Client that publishes, and the Server.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) server: Server,
    /// The Server's, between connections.
    pub(crate) kept: Option<Session>,
    pub(crate) snapshot: Vec<u8>,
    pub(crate) log: Vec<Change>,
    pub(crate) up: Vec<u8>,
    pub(crate) down: Vec<u8>,
    /// Lengths of the payloads that arrived.
    pub(crate) delivered: Vec<usize>,
    /// What the Client was told.
    pub(crate) outcomes: Vec<(Token, String)>,
}

impl Link {
    pub(crate) fn new() -> Self {
        let session = Session::of_client(config());
        Link {
            snapshot: session.export(),
            client: Client::new(ClientConfig::default(), session),
            server: Server::new(NOW, ServerConfig::default()),
            kept: None,
            log: Vec::new(),
            up: Vec::new(),
            down: Vec::new(),
            delivered: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    pub(crate) fn publish(&mut self, qos: Qos, length: usize) -> Token {
        let publication = Publication::new(qos, message(length));
        self.client.publish(NOW, publication).unwrap()
    }

    /// A new Network Connection, with these limits of the Server.
    pub(crate) fn connect(&mut self, limits: Limits, clean_start: bool) {
        self.cut();
        self.server = Server::new(
            NOW,
            ServerConfig {
                limits,
                ..ServerConfig::default()
            },
        );
        let list = [Property::SessionExpiryInterval(u32::MAX)];
        let connect = Connect {
            clean_start,
            client_identifier: Text::new("c").unwrap(),
            properties: Properties::new(&list).unwrap(),
            ..Connect::default()
        };
        self.client.connect(NOW, &connect).unwrap();
        self.poll_client();
        let up = std::mem::take(&mut self.up);
        assert!(matches!(
            self.server.receive(NOW, &mut &up[..]),
            Some(Event::Connect(_))
        ));
        self.server.accept(NOW, self.kept.take(), &[]).unwrap();
        self.poll_server();
        self.down();
    }

    pub(crate) fn poll_client(&mut self) {
        while let Some(output) = self.client.poll(NOW, &mut self.up) {
            match output {
                Output::Persist(change) => {
                    let again = Change::from_bytes(&change.to_bytes());
                    assert_eq!(again.as_ref(), Ok(&change));
                    self.log.push(change);
                }
                Output::Event(Event::Outcome(token, outcome)) => {
                    self.outcomes.push((token, format!("{outcome:?}")));
                }
                Output::Event(Event::SessionEnded) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn poll_server(&mut self) {
        while let Some(output) = self.server.poll(NOW, &mut self.down) {
            assert!(!matches!(output, Output::Close(_)), "{output:?}");
        }
    }

    /// What the Client has to send comes to the Server.
    pub(crate) fn up(&mut self) {
        self.poll_client();
        let up = std::mem::take(&mut self.up);
        let mut input = &up[..];
        while let Some(event) = self.server.receive(NOW, &mut input) {
            if let Event::Message(delivered) = event {
                self.delivered.push(delivered.publish.payload.len());
            }
        }
        self.poll_server();
    }

    /// What the Server has to send comes to the Client.
    pub(crate) fn down(&mut self) {
        let down = std::mem::take(&mut self.down);
        let mut input = &down[..];
        while let Some(event) = self.client.receive(NOW, &mut input) {
            if let Event::Outcome(token, outcome) = event {
                self.outcomes.push((token, format!("{outcome:?}")));
            }
        }
        self.poll_client();
    }

    pub(crate) fn exchange(&mut self) {
        for _ in 0..4 {
            self.up();
            self.down();
        }
    }

    /// The network is gone, with all that was on it.
    pub(crate) fn cut(&mut self) {
        self.up.clear();
        self.down.clear();
        self.client.connection_lost(NOW);
        self.poll_client();
        self.up.clear();
        if let Some(session) = self.server.take_session(NOW) {
            self.kept = Some(session);
        }
    }

    /// What the Client has stored.
    pub(crate) fn stored(&self) -> Session {
        let mut session = Session::restore(NOW, &self.snapshot, config()).unwrap();
        for change in &self.log {
            assert_eq!(session.apply(NOW, change), Ok(()), "{change:?}");
        }
        session
    }

    /// The Client's process dies, and another begins with what was stored, or with a whole export.
    pub(crate) fn restart(&mut self, by: By) {
        self.cut();
        let session = match by {
            By::Export => Session::restore(NOW, &self.client.session().export(), config()).unwrap(),
            By::Log => self.stored(),
            By::Nothing => return,
        };
        self.snapshot = session.export();
        self.log.clear();
        self.client = Client::new(ClientConfig::default(), session);
    }
}

/// How a Session gets into the next process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum By {
    Export,
    Log,
    /// There is no next process.
    Nothing,
}

pub(crate) const EVERY_WAY: [By; 3] = [By::Nothing, By::Export, By::Log];
