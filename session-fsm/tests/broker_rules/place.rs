//! A broker, raw connections to it, and a place where its batches are stored.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;

use mqtt5_session_fsm::broker::journal::{Batch, BrokenRecord, Restoring};
use mqtt5_session_fsm::broker::{
    Admission, Broker, BrokerConfig, ConnectionKey, Grant, Next, Notice, Permission, Question,
    Step, Verdict,
};
use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::framing::{Frame, Split, split};
use mqtt5_session_fsm::codec::{
    Delivery, Packet, Properties, Property, ProtocolVersion, PubAck, PubComp, PubRec, PubRel,
    Publish, Qos, ReasonCode, Subscribe, Subscription, SubscriptionIdentifier, SubscriptionOptions,
    Subscriptions, TopicFilter, TopicFilters, TopicName, Unsubscribe,
};
use mqtt5_session_fsm::{Cause, Instant, ServerConfig, SessionConfig};

pub(crate) use crate::people::{Gone, Got, WILL, Who, encode, id, up_to, who};

use crate::people::got;

const V5: ProtocolVersion = ProtocolVersion::V5_0;

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
    pub(crate) closed: Option<Cause>,
    last_identifier: u16,
}

/// An answer to all CONNECTs or messages.
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

    pub(crate) fn wire(&mut self, wire: usize) -> &mut Wire {
        &mut self.wires[wire]
    }

    /// Takes the first packet that this function wants.
    pub(crate) fn find<R>(
        &mut self,
        wire: usize,
        wants: impl Fn(&Packet<'_>) -> Option<R>,
    ) -> Option<R> {
        let got = &mut self.wires[wire].got;
        for index in 0..got.len() {
            let found = wants(&got[index].decode(V5).expect("a good packet"));
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
        let frames: Vec<_> = self.wires[wire].got.drain(..).collect();
        let text = |frame: Frame| format!("{:?}", frame.decode(V5).expect("a good packet"));
        frames.into_iter().map(text).collect()
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

    pub(crate) fn subscribe(&mut self, wire: usize, filter: &str, qos: Qos) -> ReasonCode {
        self.subscribe_as(wire, filter, up_to(qos), None)
    }

    pub(crate) fn subscribe_as(
        &mut self,
        wire: usize,
        filter: &str,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> ReasonCode {
        let codes = self.subscribe_all(wire, &[(filter, options)], identifier);
        assert_eq!(codes.len(), 1);
        codes[0]
    }

    /// Subscribes; returns the Reason Codes of the SUBACK, if there was one.
    pub(crate) fn subscribe_all(
        &mut self,
        wire: usize,
        filters: &[(&str, SubscriptionOptions)],
        identifier: Option<u32>,
    ) -> Vec<ReasonCode> {
        let packet_identifier = self.next_identifier(wire);
        let list: Vec<_> = filters
            .iter()
            .map(|(filter, options)| Subscription {
                filter: TopicFilter::new(filter).unwrap(),
                options: *options,
            })
            .collect();
        let identifier: Vec<_> = identifier
            .map(|it| Property::SubscriptionIdentifier(SubscriptionIdentifier::new(it).unwrap()))
            .into_iter()
            .collect();
        let packet = Subscribe {
            properties: Properties::new(&identifier).unwrap(),
            ..Subscribe::new(packet_identifier, Subscriptions::new(&list).unwrap())
        };
        self.send(wire, &encode(&Packet::Subscribe(packet)));
        let codes = self.find(wire, |packet| match packet {
            Packet::SubAck(it) if it.packet_identifier == packet_identifier => {
                Some(it.reason_codes.iter().collect())
            }
            _ => None,
        });
        codes.unwrap_or_default()
    }

    pub(crate) fn unsubscribe(&mut self, wire: usize, filter: &str) -> ReasonCode {
        let packet_identifier = self.next_identifier(wire);
        let list = [TopicFilter::new(filter).unwrap()];
        let packet = Unsubscribe::new(packet_identifier, TopicFilters::new(&list).unwrap());
        self.send(wire, &encode(&Packet::Unsubscribe(packet)));
        self.find(wire, |packet| match packet {
            Packet::UnsubAck(it) => it.reason_codes.iter().next(),
            _ => None,
        })
        .expect("an UNSUBACK")
    }

    /// Publishes; returns the Reason Code of the PUBACK or PUBREC, if there was one.
    pub(crate) fn publish(
        &mut self,
        wire: usize,
        topic: &str,
        payload: &str,
        qos: Qos,
    ) -> Option<ReasonCode> {
        let publish = Publish::new(TopicName::new(topic).unwrap(), payload.as_bytes());
        self.publish_as(wire, publish, qos)
    }

    pub(crate) fn retain(&mut self, wire: usize, topic: &str, payload: &str) {
        let publish = Publish {
            retain: true,
            ..Publish::new(TopicName::new(topic).unwrap(), payload.as_bytes())
        };
        let code = self.publish_as(wire, publish, Qos::AtLeastOnce);
        assert!(code.is_some_and(|it| !it.is_error()), "{code:?}");
    }

    pub(crate) fn publish_as(
        &mut self,
        wire: usize,
        publish: Publish<'_>,
        qos: Qos,
    ) -> Option<ReasonCode> {
        let packet_identifier = self.next_identifier(wire);
        let publish = Publish {
            delivery: Delivery::new(qos, packet_identifier, false),
            ..publish
        };
        self.send(wire, &encode(&Packet::Publish(publish)));
        self.find(wire, |packet| match packet {
            Packet::PubAck(it) if it.packet_identifier == packet_identifier => Some(it.reason_code),
            Packet::PubRec(it) if it.packet_identifier == packet_identifier => Some(it.reason_code),
            _ => None,
        })
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

    /// Takes what is to be stored.
    fn collect(&mut self) {
        let mut bytes = Vec::new();
        while let Some(last) = self.broker.take_batch(&mut bytes) {
            let mut rest = &bytes[..];
            let batch = Batch::take(&mut rest).unwrap().unwrap();
            assert!(rest.is_empty());
            assert_eq!((batch.first(), batch.last()), (self.last_taken + 1, last));
            self.last_taken = last;
            self.log.push(core::mem::take(&mut bytes));
            if self.stores {
                self.store();
            }
        }
    }

    /// Stores the next batch, and lets go what waits for it. Returns whether there was one.
    pub(crate) fn store(&mut self) -> bool {
        let Some(mut bytes) = self.log.get(self.stored).map(|it| &it[..]) else {
            return false;
        };
        let batch = Batch::take(&mut bytes).unwrap().unwrap();
        for record in batch.records() {
            match record.value {
                Some(value) => drop(self.map.insert(record.key.into(), value.into())),
                None => drop(self.map.remove(record.key)),
            }
        }
        self.stored += 1;
        self.last_stored = batch.last();
        true
    }

    pub(crate) fn restoring(&self) -> Restoring {
        let mut restoring = Restoring::new(self.config);
        for (key, value) in &self.map {
            restoring.record(key, Some(value));
        }
        restoring
    }

    /// The broker dies with what is not stored, and another one is made of what is.
    pub(crate) fn restart(&mut self) {
        if let Err(error) = self.try_restart() {
            let of_it = self
                .map
                .iter()
                .filter(|it| it.0.starts_with(&error.key[..9]));
            for (key, value) in of_it {
                eprintln!("{key:02x?}: {value:02x?}");
            }
            panic!("{error}");
        }
    }

    pub(crate) fn try_restart(&mut self) -> Result<(), BrokenRecord> {
        self.broker = self.restoring().finish(self.now)?;
        self.log.truncate(self.stored);
        self.last_taken = self.last_stored;
        self.questions.clear();
        for wire in &mut self.wires {
            wire.key = None;
            wire.up.clear();
            wire.held.clear();
            wire.down.clear();
        }
        self.settle();
        Ok(())
    }

    /// Takes over a broker that was made of these batches.
    pub(crate) fn adopt(&mut self, broker: Broker, log: &[Vec<u8>]) {
        self.broker = broker;
        self.log = log.to_vec();
        self.stored = log.len();
        let mut last = log.last().map_or(&[][..], |it| &it[..]);
        let batch = Batch::take(&mut last).unwrap();
        self.last_stored = batch.map_or(0, |it| it.last());
        self.last_taken = self.last_stored;
        self.settle();
    }

    /// Carries bytes until nothing moves.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut moved = false;
            for wire in 0..self.wires.len() {
                moved |= self.offer(wire);
            }
            if self.works {
                while self.broker.work(self.now, &mut 3) {
                    self.collect();
                }
            }
            self.collect();
            while let Some(notice) = self.broker.poll() {
                moved = true;
                match notice {
                    Notice::Ready(key) => self.write(key),
                    other => self.notices.push(other),
                }
                self.collect();
            }
            for wire in 0..self.wires.len() {
                moved |= self.carry(wire);
            }
            if !moved {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    fn offer(&mut self, wire: usize) -> bool {
        let (now, policy) = (self.now, self.policy);
        let Some(key) = self.wires[wire].key else {
            return false;
        };
        let up = core::mem::take(&mut self.wires[wire].up);
        let mut input = &up[..];
        while let Ok(Step::Ask(question)) = self.broker.receive(now, key, &mut input, policy) {
            if self.decides {
                self.decide(&question);
            } else {
                self.questions.push(question);
            }
            self.collect();
        }
        self.collect();
        self.wires[wire].up = input.to_vec();
        input.len() < up.len()
    }

    /// Answers with yes.
    pub(crate) fn decide(&mut self, question: &Question) {
        let now = self.now;
        match question.packet() {
            Packet::Connect(packet) => {
                let mut admission = Admission::of("somebody");
                if let Some(user) = packet.user_name {
                    admission.principal = user.as_str();
                }
                self.assigned += 1;
                let assigned = format!("assigned {}", self.assigned);
                if packet.client_identifier.as_str().is_empty() {
                    admission.assigned = Some(&assigned);
                }
                let verdict = Verdict::Accept(admission);
                let _ = self.broker.answer_connect(now, question, &verdict);
            }
            Packet::Subscribe(packet) => {
                let grants =
                    vec![Grant::UpTo(Qos::ExactlyOnce); packet.subscriptions.iter().count()];
                let _ = self.broker.answer_subscribe(now, question, &grants);
            }
            _ => self.questions.push(question.clone()),
        }
        self.collect();
    }

    /// The host hears that a connection has something to write.
    fn write(&mut self, key: ConnectionKey) {
        let mut room = self.room;
        loop {
            let mut bytes = Vec::new();
            let mut buffer = (&mut bytes).limit(room);
            let Ok(transmitted) = self.broker.transmit(self.now, key, &mut buffer) else {
                return;
            };
            assert!(bytes.len() <= room);
            self.collect();
            assert!(transmitted.depends_on <= self.last_taken);
            let Some(wire) = self.wires.iter_mut().find(|it| it.key == Some(key)) else {
                return;
            };
            wire.held.push_back((transmitted.depends_on, bytes));
            match transmitted.next {
                Next::Nothing => return,
                Next::Room(needed) => room = self.room.max(needed),
                Next::Close(cause) => {
                    wire.closed = Some(cause);
                    wire.key = None;
                    wire.up.clear();
                    return;
                }
            }
        }
    }

    /// Lets go what is stored.
    fn carry(&mut self, wire: usize) -> bool {
        let it = &mut self.wires[wire];
        while let Some((depends_on, bytes)) = it.held.pop_front() {
            if depends_on > self.last_stored {
                it.held.push_front((depends_on, bytes));
                break;
            }
            it.down.extend(bytes);
        }
        let mut moved = false;
        while let Ok(Split::Packet { packet, rest }) = split(&it.down, u32::MAX) {
            let frame = Frame::new(packet.as_bytes().to_vec().into()).unwrap();
            it.down = rest.to_vec();
            let answer = match frame.decode(V5).expect("a good packet") {
                Packet::Publish(publish) => match publish.delivery {
                    Delivery::AtMostOnce => None,
                    Delivery::AtLeastOnce {
                        packet_identifier, ..
                    } => {
                        let packet = PubAck::new(packet_identifier, ReasonCode::Success);
                        Some(encode(&Packet::PubAck(packet)))
                    }
                    Delivery::ExactlyOnce {
                        packet_identifier, ..
                    } => {
                        let packet = PubRec::new(packet_identifier, ReasonCode::Success);
                        Some(encode(&Packet::PubRec(packet)))
                    }
                },
                Packet::PubRec(packet) if !packet.reason_code.is_error() => {
                    let packet = PubRel::new(packet.packet_identifier, ReasonCode::Success);
                    Some(encode(&Packet::PubRel(packet)))
                }
                Packet::PubRel(packet) => {
                    let packet = PubComp::new(packet.packet_identifier, ReasonCode::Success);
                    Some(encode(&Packet::PubComp(packet)))
                }
                _ => None,
            };
            if it.answers && it.key.is_some() {
                it.up.extend(answer.unwrap_or_default());
            }
            it.got.push_back(frame);
            moved = true;
        }
        moved
    }
}
