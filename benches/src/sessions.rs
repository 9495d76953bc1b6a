//! Benchmarks of whole exchanges through the state machines of a client and a
//! server.
//!
//! * A contender implements [`Client`], and [`Server`] if it has one. Neither
//!   knows about benchmarks: they take what the application or the network gives
//!   them, and append the bytes that they want to send.
//! * [`link`] joins a client and a server and carries the bytes between them,
//!   and [`rows`] says what is measured on it: single exchanges, windows of many
//!   messages in flight, and the resumption of a session with 65,535 messages in
//!   flight.
//! * [`PAIRS`] are the contenders with both sides. Those that only have a client
//!   are in [`CLIENTS`], where a [`scripted`] server that only copies prepared
//!   bytes takes the other side.
//! * [`PAIRS_OF_V3_1_1`] and [`CLIENTS_OF_V3_1_1`] are the same in MQTT 3.1.1. In
//!   [`SERVERS_OF_V3_1_1`] it is the client that is scripted.
//! * [`report`] measures them in turn and makes the tables, [`memory`] says how
//!   much memory many idle sessions take.
//!
//! All contenders connect alike: Keep Alive 60 s, no limits announced, and a
//! [`Session`] that either ends with its connection or is kept: for an hour, or in
//! MQTT 3.1.1, where no packet can say for how long, without an end. A session that is
//! kept makes the client store what it sends until it is acknowledged.
//!
//! To add a contender, implement the traits in a file beside the others and add
//! a line to [`PAIRS`] and [`CLIENTS`], and to the lists of MQTT 3.1.1 if it speaks
//! that. The one that is called [`OURS`] becomes the measure of the others.

pub mod contender;
pub mod link;
pub mod memory;
pub mod report;
pub mod rows;
pub mod scripted;

#[cfg(feature = "peers")]
mod flowsdk;
#[cfg(feature = "peers")]
mod mqtt_protocol_core;
mod ours;
#[cfg(feature = "peers")]
mod rumqttc;
#[cfg(feature = "peers")]
mod rumqttc_v3_1_1;

use contender::Contender;

#[cfg(feature = "peers")]
use crate::version::V3;

/// The name of our state machines.
pub const OURS: &str = "mqtt5-session-fsm";

/// The peer that the goals are set against: the only other one with both
/// sides.
pub const RIVAL: &str = "mqtt-protocol-core";

/// Contenders with a client and a server, and the floor: what the link itself costs.
pub const PAIRS: &[Contender] = &[
    Contender::of::<ours::Client, ours::Server>(OURS),
    #[cfg(feature = "peers")]
    Contender::of::<mqtt_protocol_core::Client, mqtt_protocol_core::Server>(RIVAL),
    Contender::of::<scripted::Client, scripted::Server>("scripted, both sides"),
];

/// Whose client is driven against a scripted server.
pub const CLIENTS: &[Contender] = &[
    Contender::of::<ours::Client, scripted::Server>(OURS),
    #[cfg(feature = "peers")]
    Contender::of::<mqtt_protocol_core::Client, scripted::Server>(RIVAL),
    #[cfg(feature = "peers")]
    Contender::of::<rumqttc::Client, scripted::Server>("rumqttc"),
    #[cfg(feature = "peers")]
    Contender::of::<flowsdk::Client, scripted::Server>("flowsdk"),
    Contender::of::<scripted::Client, scripted::Server>("scripted, both sides"),
];

/// As [`PAIRS`], in MQTT 3.1.1. Nobody without the feature `peers`: our client and our server in two places
/// are compiled to other code than in one, and those of [`PAIRS`] are what instructions are guarded by.
#[cfg(feature = "peers")]
pub const PAIRS_OF_V3_1_1: &[Contender] = &[
    Contender::of::<ours::ClientOfV3_1_1, ours::Server>(OURS),
    Contender::of::<mqtt_protocol_core::Client<V3>, mqtt_protocol_core::Server<V3>>(RIVAL),
    Contender::of::<scripted::Client<V3>, scripted::Server<V3>>("scripted, both sides"),
];

/// As [`CLIENTS`], in MQTT 3.1.1. Nobody without the feature `peers`, as in [`PAIRS_OF_V3_1_1`].
#[cfg(feature = "peers")]
pub const CLIENTS_OF_V3_1_1: &[Contender] = &[
    Contender::of::<ours::ClientOfV3_1_1, scripted::Server<V3>>(OURS),
    Contender::of::<mqtt_protocol_core::Client<V3>, scripted::Server<V3>>(RIVAL),
    Contender::of::<rumqttc_v3_1_1::Client, scripted::Server<V3>>("rumqttc"),
    Contender::of::<flowsdk::Client<V3>, scripted::Server<V3>>("flowsdk"),
    Contender::of::<scripted::Client<V3>, scripted::Server<V3>>("scripted, both sides"),
];

/// Whose server is driven by a scripted client of MQTT 3.1.1. Nobody without the feature `peers`, as in
/// [`PAIRS_OF_V3_1_1`].
#[cfg(feature = "peers")]
pub const SERVERS_OF_V3_1_1: &[Contender] = &[
    Contender::of::<scripted::Client<V3>, ours::Server>(OURS),
    Contender::of::<scripted::Client<V3>, mqtt_protocol_core::Server<V3>>(RIVAL),
    Contender::of::<scripted::Client<V3>, scripted::Server<V3>>("scripted, both sides"),
];

/// Nobody, without the feature `peers`.
#[cfg(not(feature = "peers"))]
pub const PAIRS_OF_V3_1_1: &[Contender] = &[];

/// Nobody, without the feature `peers`.
#[cfg(not(feature = "peers"))]
pub const CLIENTS_OF_V3_1_1: &[Contender] = &[];

/// Nobody, without the feature `peers`.
#[cfg(not(feature = "peers"))]
pub const SERVERS_OF_V3_1_1: &[Contender] = &[];

/// How a message is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qos {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
    /// QoS 2.
    ExactlyOnce,
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// As long as the connection: Clean Start, and no Session Expiry Interval. In MQTT 3.1.1 Clean Session 1.
    Transient,
    /// An hour longer: no Clean Start, and [`SESSION_EXPIRY`]. In MQTT 3.1.1 without an end: Clean Session 0.
    Kept,
}

/// What a client and a server have to agree on before they are created.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// How long the session lasts.
    pub session: Session,
    /// How many messages will be in flight at most, for those that make room in
    /// advance. It must not be announced as Receive Maximum.
    pub window: u16,
}

/// The Keep Alive of all clients, in seconds.
pub const KEEP_ALIVE: u16 = 60;

/// The Session Expiry Interval of a session that is [`Session::Kept`], in seconds. There is none in MQTT 3.1.1.
pub const SESSION_EXPIRY: u32 = 3600;

/// The Client Identifier of all clients.
pub const CLIENT_ID: &str = "bench";

/// A client's state machine, and what little an application has to do with it.
///
/// Each call appends the bytes to be sent to `wire`, and reports what the application
/// learns to `seen`.
pub trait Client: 'static {
    /// Whether it can resume a session.
    const RESUMES: bool = true;

    /// A client that has not connected yet.
    fn new(setup: Setup) -> Self;

    /// Sends CONNECT, for the first time or after the connection was lost.
    fn connect(&mut self, wire: &mut Vec<u8>);

    /// Publishes a message. With QoS 0 that completes it.
    fn publish(
        &mut self,
        qos: Qos,
        topic: &str,
        payload: &[u8],
        wire: &mut Vec<u8>,
        seen: &mut Seen,
    );

    /// Takes bytes from the server, which begin and end anywhere in a packet, and
    /// does all that has to be done because of them: re-sending after a CONNACK,
    /// too.
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen);

    /// Learns that the connection was lost.
    fn connection_lost(&mut self);
}

/// A server's state machine for one client, and what little an application has
/// to do with it: to accept the client, and every message.
pub trait Server: 'static {
    /// A server that waits for CONNECT.
    fn new(setup: Setup) -> Self;

    /// Takes bytes from the client, which begin and end anywhere in a packet, and
    /// answers them.
    fn receive(&mut self, bytes: &[u8], wire: &mut Vec<u8>, seen: &mut Seen);

    /// Learns that the connection was lost.
    fn connection_lost(&mut self);
}

/// What the applications on both sides have seen so far.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many messages the server's application received.
    pub delivered: usize,
    /// How many messages the client's application knows to be completed.
    pub completed: usize,
    /// Whether the server remembered the session, for each CONNACK.
    pub session_present: Vec<bool>,
    /// The messages, if they are to be recorded.
    pub recorded: Option<Vec<Message>>,
}

/// A message as the server's application received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The Topic Name.
    pub topic: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Seen {
    /// The server's application received a message.
    #[inline]
    pub fn delivered(&mut self, topic: &[u8], payload: &[u8]) {
        crate::contender::used(topic);
        crate::contender::used(payload);
        self.delivered += 1;
        if let Some(recorded) = &mut self.recorded {
            recorded.push(Message {
                topic: topic.to_owned(),
                payload: payload.to_owned(),
            });
        }
    }

    /// The client's application learned that a message was acknowledged with
    /// success, or that one with QoS 0 was sent.
    #[inline]
    pub fn completed(&mut self) {
        self.completed += 1;
    }

    /// The client received a CONNACK with success.
    pub fn connected(&mut self, session_present: bool) {
        self.session_present.push(session_present);
    }
}
