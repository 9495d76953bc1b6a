//! Our state machines, the way the examples use them: bytes are offered as they
//! come, and `poll` is called until it says nothing.

use std::mem;

use bytes::BytesMut;
use mqtt5_session_fsm::codec::{
    Connect, ConnectProperties, Message, Property, ProtocolVersion, Publish, Text, TopicName,
};
use mqtt5_session_fsm::{
    Client as Machine, ClientConfig, Event, Instant, Outcome, Output, Publication,
    Server as ServerMachine, ServerConfig, Session as State, SessionConfig,
};

use crate::sessions::{self, CLIENT_ID, KEEP_ALIVE, Qos, SESSION_EXPIRY, Seen, Session, Setup};

const NOW: Instant = Instant::from_millis(1);

/// What is left of a packet until the rest of it comes.
#[derive(Default)]
struct Rest(Vec<u8>);

impl Rest {
    /// Offers what was left and what came; `take` takes whole packets off the
    /// front.
    #[inline(always)]
    fn offer(&mut self, bytes: &[u8], take: impl FnOnce(&mut &[u8])) {
        let was_empty = self.0.is_empty();
        if !was_empty {
            self.add(bytes);
        }
        let mut input = if was_empty { bytes } else { &self.0 };
        take(&mut input);
        let left = input.len();
        if !was_empty {
            self.keep(left);
        } else if left > 0 {
            self.add(&bytes[bytes.len() - left..]);
        }
    }

    #[cold]
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Only this many bytes are left.
    #[cold]
    fn keep(&mut self, left: usize) {
        let taken = self.0.len() - left;
        self.0.drain(..taken);
    }
}

#[cold]
fn unexpected(event: &Event<'_>) -> ! {
    panic!("{event:?}")
}

/// A client of MQTT 5, and the memory that its messages are written into.
pub(super) struct Client {
    machine: Machine,
    session: Session,
    rest: Rest,
    /// There from the first message on.
    messages: Option<BytesMut>,
}

impl Client {
    /// Only this says which version it is.
    fn connect_in(&mut self, version: ProtocolVersion, wire: &mut Vec<u8>) {
        let expiry = [Property::SessionExpiryInterval(SESSION_EXPIRY)];
        let properties = match (version, self.session) {
            (ProtocolVersion::V5_0, Session::Kept) => {
                ConnectProperties::new(&expiry).expect("one property")
            }
            _ => ConnectProperties::EMPTY,
        };
        let connect = Connect {
            version,
            clean_start: self.session == Session::Transient,
            keep_alive: KEEP_ALIVE,
            properties,
            client_identifier: Text::new(CLIENT_ID).expect("a string"),
            ..Connect::default()
        };
        self.machine.connect(NOW, &connect).expect("a CONNECT");
        self.drain(wire);
    }

    #[inline]
    fn drain(&mut self, wire: &mut Vec<u8>) {
        while let Some(output) = self.machine.poll(NOW, wire) {
            match output {
                Output::Event(Event::Outcome(_, Outcome::Sent) | Event::SessionEnded) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

impl sessions::Client for Client {
    fn new(setup: Setup) -> Self {
        let session = State::of_client(SessionConfig::default());
        Self {
            machine: Machine::new(ClientConfig::default(), session),
            session: setup.session,
            rest: Rest::default(),
            messages: None,
        }
    }

    fn connect(&mut self, wire: &mut Vec<u8>) {
        self.connect_in(ProtocolVersion::V5_0, wire);
    }

    #[inline]
    fn publish(
        &mut self,
        qos: Qos,
        topic: &str,
        payload: &[u8],
        wire: &mut Vec<u8>,
        seen: &mut Seen,
    ) {
        let publish = Publish::new(TopicName::new(topic).expect("a Topic Name"), payload);
        let qos = match qos {
            Qos::AtMostOnce => {
                let written = self.machine.publish_now(NOW, &publish, wire);
                written.expect("a connection");
                seen.completed();
                return;
            }
            Qos::AtLeastOnce => mqtt5_session_fsm::codec::Qos::AtLeastOnce,
            Qos::ExactlyOnce => mqtt5_session_fsm::codec::Qos::ExactlyOnce,
        };
        let messages = self
            .messages
            .get_or_insert_with(|| BytesMut::with_capacity(4096));
        let message = Message::new_in(messages, &publish).expect("a message");
        let accepted = self.machine.publish(NOW, Publication::new(qos, message));
        accepted.expect("room");
        self.drain(wire);
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        let machine = &mut self.machine;
        self.rest.offer(bytes, |input| {
            while let Some(event) = machine.receive(NOW, input) {
                match &event {
                    Event::Outcome(_, outcome) if outcome.is_success() => seen.completed(),
                    Event::Connected(connack) => seen.connected(connack.session_present),
                    _ => unexpected(&event),
                }
            }
        });
        self.drain(wire);
    }

    fn connection_lost(&mut self) {
        self.rest = Rest::default();
        self.machine.connection_lost(NOW);
    }
}

/// A client of MQTT 3.1.1. A client that is generic over the version would be simpler, but then the row of
/// MQTT 5 would take some instructions more, in the scripted server: other functions are inlined there.
#[cfg(feature = "peers")]
pub(super) struct ClientOfV3_1_1(Client);

#[cfg(feature = "peers")]
impl sessions::Client for ClientOfV3_1_1 {
    fn new(setup: Setup) -> Self {
        Self(Client::new(setup))
    }

    fn connect(&mut self, wire: &mut Vec<u8>) {
        self.0.connect_in(ProtocolVersion::V3_1_1, wire);
    }

    #[inline]
    fn publish(
        &mut self,
        qos: Qos,
        topic: &str,
        payload: &[u8],
        wire: &mut Vec<u8>,
        seen: &mut Seen,
    ) {
        self.0.publish(qos, topic, payload, wire, seen);
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        self.0.receive(bytes, wire, seen);
    }

    fn connection_lost(&mut self) {
        self.0.connection_lost();
    }
}

/// The Server of one connection after the other, of either version, and the Session between them.
pub(super) struct Server {
    machine: ServerMachine,
    session: Option<Box<State>>,
    rest: Rest,
}

impl sessions::Server for Server {
    fn new(_setup: Setup) -> Self {
        Self {
            machine: ServerMachine::new(NOW, ServerConfig::default()),
            session: None,
            rest: Rest::default(),
        }
    }

    #[inline]
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen) {
        let Self {
            machine,
            session,
            rest,
        } = self;
        rest.offer(bytes, |input| {
            loop {
                let accept = match machine.receive(NOW, input) {
                    None => break,
                    Some(Event::Message(delivered)) => {
                        let topic = delivered.publish.topic.expect("a Topic Name");
                        seen.delivered(topic.as_bytes(), delivered.publish.payload);
                        false
                    }
                    Some(Event::Connect(_)) => true,
                    Some(other) => unexpected(&other),
                };
                if accept {
                    let accepted = machine.accept(NOW, session.take().map(|it| *it), &[]);
                    accepted.expect("a CONNACK");
                }
            }
        });
        while let Some(output) = machine.poll(NOW, wire) {
            assert_eq!(output, Output::Event(Event::SessionEnded));
        }
    }

    fn connection_lost(&mut self) {
        self.rest = Rest::default();
        let fresh = ServerMachine::new(NOW, ServerConfig::default());
        let session = mem::replace(&mut self.machine, fresh).take_session(NOW);
        self.session = session.map(Box::new);
    }
}
