//! A Client and a Server with bytes in between, without any memory of its own once it is warm.

#![allow(dead_code, reason = "each test program uses a part")]

use std::num::NonZeroU64;

use bytes::BytesMut;
use mqtt5_codec::{
    Connect, ConnectProperties, Message, Properties, Property, Publish, Qos, Text, TopicName,
};
use mqtt5_session_fsm::{
    Change, Client, ClientConfig, Event, Instant, Output, Publication, Server, ServerConfig,
    Session, SessionConfig,
};

pub(crate) const NOW: Instant = Instant::from_millis(1_000);
pub(crate) const EVERY_QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

#[derive(Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) client: ClientConfig,
    pub(crate) server: ServerConfig,
    /// Of both sides.
    pub(crate) session: SessionConfig,
    /// The Client's.
    pub(crate) topic_alias_maximum: u16,
}

/// What became of the messages of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) messages: usize,
    pub(crate) outcomes: usize,
    pub(crate) successes: usize,
    pub(crate) changes: usize,
    /// Numbers of messages that a Session forgot.
    pub(crate) bodies: usize,
    pub(crate) others: usize,
}

pub(crate) struct Pair {
    pub(crate) client: Client,
    pub(crate) server: Server,
    pub(crate) session: Option<Session>,
    settings: Settings,
    name: String,
    up: Vec<u8>,
    down: Vec<u8>,
    pub(crate) seen: Seen,
    /// The number of every message.
    pub(crate) body: Option<NonZeroU64>,
}

impl Pair {
    pub(crate) fn new(settings: &Settings) -> Self {
        Pair::numbered(0, settings)
    }

    pub(crate) fn numbered(number: usize, settings: &Settings) -> Self {
        let server = ServerConfig {
            session: settings.session,
            ..settings.server
        };
        let settings = Settings {
            server,
            ..*settings
        };
        let session = Session::of_client(settings.session);
        let mut pair = Pair {
            client: Client::new(settings.client, session),
            server: Server::new(NOW, settings.server),
            session: None,
            settings,
            // As long as a ClientID that every Server allows.
            name: format!("client-{number:016}"),
            up: Vec::new(),
            down: Vec::new(),
            seen: Seen::default(),
            body: None,
        };
        pair.connect();
        pair
    }

    /// A connection; the Session goes on if there is one.
    pub(crate) fn connect(&mut self) {
        let list = [
            Property::SessionExpiryInterval(u32::MAX),
            Property::TopicAliasMaximum(self.settings.topic_alias_maximum),
        ];
        let properties = ConnectProperties::from(Properties::new(&list).expect("properties"));
        let connect = Connect {
            client_identifier: Text::new(&self.name).expect("a text"),
            keep_alive: 60,
            properties,
            ..Connect::default()
        };
        self.client.connect(NOW, &connect).expect("a good CONNECT");
        self.server = Server::new(NOW, self.settings.server);
        self.up.clear();
        self.down.clear();
        while self.client.poll(NOW, &mut self.up).is_some() {}
        let mut input = &self.up[..];
        assert!(matches!(
            self.server.receive(NOW, &mut input),
            Some(Event::Connect(_))
        ));
        self.up.clear();
        let session = self.session.take();
        self.server.accept(NOW, session, &[]).expect("accepted");
        while self.server.poll(NOW, &mut self.down).is_some() {}
        self.settle();
        assert!(self.client.is_connected() && self.server.is_connected());
    }

    /// The network is gone, with all that was on it.
    pub(crate) fn lose(&mut self) {
        self.client.connection_lost(NOW);
        self.session = self.server.take_session(NOW);
        self.up.clear();
        self.down.clear();
    }

    /// Sends messages of the Client, and carries bytes until all is quiet.
    pub(crate) fn up(&mut self, qos: Qos, message: &Message, window: usize) {
        for _ in 0..window {
            let publication = self.publication(qos, message.clone());
            self.client.publish(NOW, publication).expect("room");
            drain_client(&mut self.client, &mut self.up, &mut self.seen);
        }
        self.settle();
    }

    /// Puts messages of the Client in flight that arrive nowhere.
    pub(crate) fn fill(&mut self, qos: Qos, message: &Message, count: usize) {
        for _ in 0..count {
            let publication = Publication::new(qos, message.clone());
            self.client.publish(NOW, publication).expect("room");
            drain_client(&mut self.client, &mut self.up, &mut self.seen);
            self.up.clear();
        }
    }

    fn publication(&self, qos: Qos, message: Message) -> Publication {
        Publication {
            body: self.body,
            ..Publication::new(qos, message)
        }
    }

    /// Sends messages of the Server.
    pub(crate) fn down(&mut self, qos: Qos, message: &Message, window: usize) {
        for _ in 0..window {
            let publication = self.publication(qos, message.clone());
            self.server.publish(NOW, publication).expect("room");
            drain_server(&mut self.server, &mut self.down, &mut self.seen);
        }
        self.settle();
    }

    /// Sends messages that are made here of their parts, in both directions.
    pub(crate) fn made(&mut self, buffers: &mut [BytesMut], qos: Qos, topic: &str) {
        for (index, buffer) in buffers.iter_mut().enumerate() {
            let payload = index.to_be_bytes();
            let publish = Publish::new(TopicName::new(topic).expect("a name"), &payload);
            let message = Message::new_in(buffer, &publish).expect("a message");
            let publication = Publication::new(qos, message);
            if index % 2 == 0 {
                self.client.publish(NOW, publication).expect("room");
                drain_client(&mut self.client, &mut self.up, &mut self.seen);
            } else {
                self.server.publish(NOW, publication).expect("room");
                drain_server(&mut self.server, &mut self.down, &mut self.seen);
            }
        }
        self.settle();
    }

    /// Nothing happens for so long that the Client sends a PINGREQ.
    pub(crate) fn ping(&mut self) {
        let due = self.client.next_timeout();
        self.client.handle_timeout(due);
        self.settle();
    }

    /// Carries bytes until all is quiet.
    pub(crate) fn settle(&mut self) {
        let Pair {
            client,
            server,
            up,
            down,
            seen,
            ..
        } = self;
        drain_client(client, up, seen);
        drain_server(server, down, seen);
        while !up.is_empty() || !down.is_empty() {
            let mut input = &up[..];
            while let Some(event) = server.receive(NOW, &mut input) {
                seen.see(&event);
                drain_server(server, down, seen);
            }
            assert!(input.is_empty());
            up.clear();
            drain_server(server, down, seen);
            let mut input = &down[..];
            while let Some(event) = client.receive(NOW, &mut input) {
                seen.see(&event);
                drain_client(client, up, seen);
            }
            assert!(input.is_empty());
            down.clear();
            drain_client(client, up, seen);
        }
    }
}

impl Seen {
    fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(_) => self.messages += 1,
            Event::Outcome(_, outcome) => {
                self.outcomes += 1;
                self.successes += usize::from(outcome.is_success());
            }
            _ => self.others += 1,
        }
    }

    fn see_output(&mut self, output: &Output) {
        match output {
            Output::Event(event) => self.see(event),
            Output::Persist(change) => {
                // As a store would, look at it.
                std::hint::black_box(matches!(change, Change::Accepted { .. }));
                self.changes += 1;
            }
            _ => self.others += 1,
        }
    }
}

fn drain_client(client: &mut Client, wire: &mut Vec<u8>, seen: &mut Seen) {
    while let Some(output) = client.poll(NOW, wire) {
        seen.see_output(&output);
    }
    while client.take_forgotten_body().is_some() {
        seen.bodies += 1;
    }
}

fn drain_server(server: &mut Server, wire: &mut Vec<u8>, seen: &mut Seen) {
    while let Some(output) = server.poll(NOW, wire) {
        seen.see_output(&output);
    }
    while server.take_forgotten_body().is_some() {
        seen.bodies += 1;
    }
}
