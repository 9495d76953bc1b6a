//! A broker, raw connections to it, and a place where its batches are stored.

mod carried;
mod requests;
mod stored;

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;

use mqtt5_session_fsm::broker::{
    Broker, BrokerConfig, ConnectionKey, Notice, Permission, Question,
};
use mqtt5_session_fsm::codec::framing::Frame;
use mqtt5_session_fsm::codec::{Packet, ProtocolVersion, Publish, ReasonCode};
use mqtt5_session_fsm::{Cause, Instant, ServerConfig, SessionConfig};

pub(crate) use crate::broker::people::{Gone, Got, WILL, Who, encode, id, up_to, who};

use crate::broker::people::got;

/// A configuration that makes records.
pub(crate) fn persistent() -> BrokerConfig {
    BrokerConfig {
        server: ServerConfig {
            session: SessionConfig {
                persistent: true,
                ..SessionConfig::default()
            },
            ..ServerConfig::default()
        },
        ..BrokerConfig::default()
    }
}

/// A connection, with a Client's end that keeps nothing in mind.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) key: Option<ConnectionKey>,
    /// Bytes that the broker has not taken yet.
    up: Vec<u8>,
    /// Bytes that wait for a record.
    held: VecDeque<(u64, Vec<u8>)>,
    down: Vec<u8>,
    got: VecDeque<Frame>,
    /// Whether packets are answered as a Client must.
    pub(crate) answers: bool,
    /// The answers that were not given.
    unanswered: Vec<u8>,
    pub(crate) closed: Option<Cause>,
    last_identifier: u16,
    /// In which form it gets packets.
    version: ProtocolVersion,
}

/// An answer to each CONNECT or message.
pub(crate) type Policy = fn(&Publish<'_>) -> Permission;

pub(crate) struct Place {
    pub(crate) now: Instant,
    pub(crate) broker: Broker,
    pub(crate) config: BrokerConfig,
    wires: Vec<Wire>,
    pub(crate) notices: Vec<Notice>,
    /// What is stored.
    pub(crate) map: BTreeMap<Vec<u8>, Vec<u8>>,
    /// All batches, stored or not.
    pub(crate) log: Vec<Vec<u8>>,
    /// How many of them are stored.
    pub(crate) stored: usize,
    last_stored: u64,
    last_taken: u64,
    pub(crate) stores: bool,
    /// Whether questions are answered at once.
    pub(crate) decides: bool,
    pub(crate) questions: Vec<Question>,
    pub(crate) policy: Policy,
    /// Whether [`Broker::work`] is called.
    pub(crate) works: bool,
    /// How many bytes a buffer has, unless a packet needs more.
    pub(crate) room: usize,
    assigned: u32,
}

impl Place {
    pub(crate) fn new(config: BrokerConfig) -> Self {
        Place {
            now: Instant::from_millis(1_000_000),
            broker: Broker::new(config),
            config,
            wires: Vec::new(),
            notices: Vec::new(),
            map: BTreeMap::new(),
            log: Vec::new(),
            stored: 0,
            last_stored: 0,
            last_taken: 0,
            stores: true,
            decides: true,
            questions: Vec::new(),
            policy: |_| Permission::Publish,
            works: true,
            room: usize::MAX,
            assigned: 0,
        }
    }

    /// A connection without a CONNECT.
    pub(crate) fn open(&mut self) -> usize {
        let key = self.broker.connected(self.now).expect("a connection");
        self.wires.push(Wire {
            key: Some(key),
            answers: true,
            ..Wire::default()
        });
        self.wires.len() - 1
    }

    /// A connection that was accepted; its CONNACK was looked at.
    pub(crate) fn connect(&mut self, who: &Who) -> usize {
        let wire = self.open();
        self.send(wire, &who.bytes());
        let connack = self.connack(wire);
        assert!(
            matches!(connack, Some((ReasonCode::Success, _))),
            "{connack:?}"
        );
        wire
    }

    /// A connection that goes on with a Session.
    pub(crate) fn resume(&mut self, who: &Who) -> usize {
        let wire = self.open();
        self.send(wire, &who.clone().resuming().bytes());
        assert_eq!(self.connack(wire), Some((ReasonCode::Success, true)));
        wire
    }

    /// Reason Code and Session Present of a CONNACK.
    pub(crate) fn connack(&mut self, wire: usize) -> Option<(ReasonCode, bool)> {
        self.find(wire, |packet| match packet {
            Packet::ConnAck(it) => Some((it.reason_code, it.session_present)),
            _ => None,
        })
    }

    /// The Reason Code of a DISCONNECT.
    pub(crate) fn disconnect(&mut self, wire: usize) -> Option<ReasonCode> {
        self.find(wire, |packet| match packet {
            Packet::Disconnect(it) => Some(it.reason_code),
            _ => None,
        })
    }

    pub(crate) fn is_open(&self, wire: usize) -> bool {
        self.wires[wire].key.is_some()
    }

    /// The connections that are open.
    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionKey> {
        self.wires.iter().filter_map(|wire| wire.key)
    }

    pub(crate) fn wire(&mut self, wire: usize) -> &mut Wire {
        &mut self.wires[wire]
    }

    /// Takes the first packet that this function wants.
    pub(crate) fn find<R>(
        &mut self,
        wire: usize,
        wants: impl Fn(&Packet<'_>) -> Option<R>,
    ) -> Option<R> {
        let Wire { got, version, .. } = &mut self.wires[wire];
        for index in 0..got.len() {
            let found = wants(&got[index].decode(*version).expect("a good packet"));
            if found.is_some() {
                got.remove(index);
                return found;
            }
        }
        None
    }

    /// Takes the messages that a Client got.
    pub(crate) fn take(&mut self, wire: usize) -> Vec<Got> {
        let mut messages = Vec::new();
        while let Some(message) = self.find(wire, |packet| match packet {
            Packet::Publish(it) => Some(got(it)),
            _ => None,
        }) {
            messages.push(message);
        }
        messages
    }

    /// Takes the messages that a Client got; returns their payloads.
    pub(crate) fn payloads(&mut self, wire: usize) -> Vec<String> {
        self.take(wire).into_iter().map(|it| it.payload).collect()
    }

    /// Takes all packets, as text.
    pub(crate) fn packets(&mut self, wire: usize) -> Vec<String> {
        let version = self.wires[wire].version;
        let frames: Vec<_> = self.wires[wire].got.drain(..).collect();
        let text = |frame: Frame| format!("{:?}", frame.decode(version).expect("a good packet"));
        frames.into_iter().map(text).collect()
    }

    /// Takes all packets, as bytes.
    pub(crate) fn bytes(&mut self, wire: usize) -> Vec<u8> {
        let frames = self.wires[wire].got.drain(..);
        frames
            .flat_map(|frame| frame.into_bytes().to_vec())
            .collect()
    }

    pub(crate) fn send(&mut self, wire: usize, bytes: &[u8]) {
        self.wires[wire].up.extend_from_slice(bytes);
        self.settle();
    }

    pub(crate) fn next_identifier(&mut self, wire: usize) -> NonZeroU16 {
        let it = &mut self.wires[wire];
        it.last_identifier += 1;
        id(it.last_identifier)
    }

    /// The network of a Client breaks.
    pub(crate) fn cut(&mut self, wire: usize) {
        let it = &mut self.wires[wire];
        it.up.clear();
        it.held.clear();
        it.down.clear();
        if let Some(key) = it.key.take() {
            self.broker.lost(self.now, key).unwrap();
        }
        self.settle();
    }

    /// Lets time pass, and does what is due when it is due.
    pub(crate) fn pass(&mut self, milliseconds: u64) {
        let end = Instant::from_millis(self.now.as_millis() + milliseconds);
        for _ in 0..100_000 {
            let due = self.broker.next_timeout();
            if due > end {
                self.now = end;
                return self.settle();
            }
            self.now = self.now.max(due);
            self.broker.handle_timeout(self.now, &mut 10);
            self.settle();
        }
        panic!("a deadline that stays due");
    }
}
