//! The other side of a shell's stream, without a machine.

use std::num::NonZeroU16;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use mqtt5_session_fsm::broker::Broker;
use mqtt5_session_fsm::codec::framing::{Split, split};
use mqtt5_session_fsm::codec::{
    Connect, Delivery, Packet, PacketIdentifier, Properties, Property, ProtocolVersion, Publish,
    Qos, ReasonCode, Role, Subscribe, Subscription, SubscriptionOptions, Subscriptions, Text,
    TopicFilter, TopicName,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::spawn_local;

use crate::broker::{Host, config};
use crate::server;

/// What a network holds between the two sides, in each direction.
const NETWORK: usize = 1 << 16;

pub(crate) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];

/// A server without a store, that does what is due.
pub(crate) fn server() -> Rc<Host> {
    let host = Host::new(Broker::new(config(false).expect("random numbers")));
    spawn_local(server::keep_time(host.clone()));
    host
}

pub(crate) struct Wire {
    stream: DuplexStream,
    /// Bytes that were read and belong to packets that were not asked for yet.
    input: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        Wire {
            stream,
            input: Vec::new(),
        }
    }

    /// A connection to a broker that has received nothing yet.
    pub(crate) fn open(host: &Rc<Host>) -> Self {
        let (here, there) = duplex(NETWORK);
        spawn_local(server::connection(host.clone(), there, "a test".to_owned()));
        Wire::new(here)
    }

    /// A connection that the broker has accepted.
    pub(crate) async fn connect(host: &Rc<Host>, name: &str, keep_alive: u16) -> Self {
        let mut wire = Wire::open(host);
        wire.send(&connect(name, keep_alive, &[])).await;
        let connack = wire.packet().await;
        assert_eq!(reason_code(&connack), ReasonCode::Success);
        wire
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream
            .write_all(bytes)
            .await
            .expect("an open connection");
    }

    /// Sends each byte after a pause.
    pub(crate) async fn send_slowly(&mut self, bytes: &[u8], pause_ms: u64) {
        for byte in bytes {
            crate::sleep_ms(pause_ms).await;
            self.send(&[*byte]).await;
        }
    }

    /// Reads at most this many bytes. Returns 0 at the end of the connection.
    pub(crate) async fn read(&mut self, at_most: usize) -> usize {
        let mut bytes = vec![0; at_most];
        let length = self.stream.read(&mut bytes).await.expect("memory");
        self.input.extend_from_slice(&bytes[..length]);
        length
    }

    /// The next packet; none at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(packet) = self.take() {
                return Some(packet);
            }
            if self.read(4096).await == 0 {
                assert!(self.input.is_empty(), "half a packet: {:?}", self.input);
                return None;
            }
        }
    }

    /// Whether nothing has come that was not read.
    pub(crate) fn is_silent(&mut self) -> bool {
        let read = pin!(self.stream.read_u8());
        let mut context = Context::from_waker(Waker::noop());
        self.input.is_empty() && read.poll(&mut context).is_pending()
    }

    /// The next packet of those that were read.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        let Ok(Split::Packet { rest, .. }) = split(&self.input, u32::MAX) else {
            return None;
        };
        let length = self.input.len() - rest.len();
        Some(self.input.drain(..length).collect())
    }

    pub(crate) async fn packet(&mut self) -> Vec<u8> {
        self.next().await.expect("a packet")
    }

    /// The packets that come before the end of the connection.
    pub(crate) async fn rest(&mut self) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while let Some(packet) = self.next().await {
            packets.push(packet);
        }
        packets
    }

    /// Sends a PINGREQ, and expects the answer and nothing else.
    pub(crate) async fn ping(&mut self) {
        self.send(&PINGREQ).await;
        assert_eq!(self.packet().await, PINGRESP);
    }

    pub(crate) async fn subscribe(&mut self, filter: &str, maximum_qos: Qos) {
        self.send(&subscribe(filter, maximum_qos)).await;
        let suback = self.packet().await;
        let Packet::SubAck(suback) = decode(&suback) else {
            panic!("{suback:?}");
        };
        assert!(suback.reason_codes.iter().all(|code| !code.is_error()));
    }

    /// Sends a message, and returns the Reason Code of its acknowledgement.
    pub(crate) async fn publish(&mut self, qos: Qos, topic: &str, payload: &[u8]) -> ReasonCode {
        self.send(&publish(qos, topic, payload)).await;
        reason_code(&self.packet().await)
    }
}

pub(crate) fn decode(packet: &[u8]) -> Packet<'_> {
    let Ok(Split::Packet { packet, .. }) = split(packet, u32::MAX) else {
        panic!("no packet: {packet:?}");
    };
    packet
        .decode_from(ProtocolVersion::V5_0, Role::Server)
        .expect("a good packet")
}

/// What a CONNACK, DISCONNECT, PUBACK or PUBREC says.
pub(crate) fn reason_code(packet: &[u8]) -> ReasonCode {
    match decode(packet) {
        Packet::ConnAck(packet) => packet.reason_code,
        Packet::Disconnect(packet) => packet.reason_code,
        Packet::PubAck(packet) => packet.reason_code,
        Packet::PubRec(packet) => packet.reason_code,
        packet => panic!("{packet:?}"),
    }
}

pub(crate) fn connect(name: &str, keep_alive: u16, properties: &[Property<'_>]) -> Vec<u8> {
    let connect = Connect {
        client_identifier: Text::new(name).expect("a name"),
        keep_alive,
        properties: Properties::new(properties).expect("good properties"),
        ..Connect::default()
    };
    let mut bytes = Vec::new();
    connect
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .expect("a good CONNECT");
    bytes
}

const FIRST: PacketIdentifier = match NonZeroU16::new(1) {
    Some(one) => one,
    None => panic!(),
};

fn subscribe(filter: &str, maximum_qos: Qos) -> Vec<u8> {
    let list = [Subscription {
        filter: TopicFilter::new(filter).expect("a filter"),
        options: SubscriptionOptions {
            maximum_qos,
            ..SubscriptionOptions::default()
        },
    }];
    let subscriptions = Subscriptions::new(&list).expect("one");
    let mut bytes = Vec::new();
    let subscribe = Subscribe::new(FIRST, subscriptions);
    subscribe
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .expect("a good SUBSCRIBE");
    bytes
}

pub(crate) fn publish(qos: Qos, topic: &str, payload: &[u8]) -> Vec<u8> {
    let publish = Publish {
        delivery: Delivery::new(qos, FIRST, false),
        ..Publish::new(TopicName::new(topic).expect("a topic"), payload)
    };
    let mut bytes = Vec::new();
    publish
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .expect("a good PUBLISH");
    bytes
}
