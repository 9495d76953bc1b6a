//! A broker, raw connections to it, and a place where its batches are stored.

use std::collections::{BTreeMap, VecDeque};
use std::num::{NonZeroU16, NonZeroU32};

use mqtt5_session_fsm::broker::journal::{Batch, BrokenRecord, Restoring};
use mqtt5_session_fsm::broker::{
    Admission, Broker, BrokerConfig, ConnectionKey, Grant, Next, Notice, Permission, Question,
    Step, Verdict,
};
use mqtt5_session_fsm::codec::framing::{Frame, Split, split};
use mqtt5_session_fsm::codec::{
    Binary, Connect, Delivery, Packet, Properties, Property, ProtocolVersion, PubAck, PubComp,
    PubRec, PubRel, Publish, Qos, ReasonCode, Subscribe, Subscription, SubscriptionIdentifier,
    SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicFilters, TopicName, Unsubscribe,
    Will,
};
use mqtt5_session_fsm::{Cause, Instant, ServerConfig, SessionConfig};

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

pub(crate) fn up_to(maximum_qos: Qos) -> SubscriptionOptions {
    SubscriptionOptions {
        maximum_qos,
        ..SubscriptionOptions::default()
    }
}

pub(crate) fn encode(packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(V5, &mut bytes).expect("a good packet");
    bytes
}

pub(crate) fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("an identifier")
}

/// What a CONNECT says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Who {
    pub(crate) name: &'static str,
    pub(crate) principal: &'static str,
    pub(crate) resumes: bool,
    pub(crate) keep_alive: u16,
    pub(crate) expiry: Option<u32>,
    pub(crate) receive_maximum: Option<u16>,
    pub(crate) maximum_packet_size: Option<u32>,
    pub(crate) method: Option<&'static str>,
    pub(crate) will: Option<Gone>,
}

/// A Will.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    pub(crate) topic: &'static str,
    pub(crate) payload: &'static str,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) delay: Option<u32>,
    pub(crate) expiry: Option<u32>,
}

pub(crate) const WILL: Gone = Gone {
    topic: "will",
    payload: "gone",
    qos: Qos::AtLeastOnce,
    retain: false,
    delay: None,
    expiry: None,
};

/// A Client with a Session that ends with its connection.
pub(crate) fn who(name: &'static str) -> Who {
    Who {
        name,
        ..Who::default()
    }
}

impl Who {
    /// The Session lives for so many seconds after the connection.
    pub(crate) fn lasting(self, seconds: u32) -> Self {
        Who {
            expiry: Some(seconds),
            ..self
        }
    }

    /// Without Clean Start.
    pub(crate) fn resuming(self) -> Self {
        Who {
            resumes: true,
            ..self
        }
    }

    pub(crate) fn with_will(self, will: Gone) -> Self {
        Who {
            will: Some(will),
            ..self
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut list = Vec::new();
        list.extend(self.expiry.map(Property::SessionExpiryInterval));
        let receive_maximum = self.receive_maximum.map(id);
        list.extend(receive_maximum.map(Property::ReceiveMaximum));
        let size = self.maximum_packet_size.and_then(NonZeroU32::new);
        list.extend(size.map(Property::MaximumPacketSize));
        let method = self.method.map(|it| Text::new(it).unwrap());
        list.extend(method.map(Property::AuthenticationMethod));
        let mut of_will = Vec::new();
        if let Some(will) = &self.will {
            of_will.extend(will.delay.map(Property::WillDelayInterval));
            of_will.extend(will.expiry.map(Property::MessageExpiryInterval));
        }
        let will = self.will.as_ref().map(|it| Will {
            qos: it.qos,
            retain: it.retain,
            properties: Properties::new(&of_will).unwrap(),
            topic: TopicName::new(it.topic).unwrap(),
            payload: Binary::new(it.payload.as_bytes()).unwrap(),
        });
        let principal = (!self.principal.is_empty()).then(|| Text::new(self.principal).unwrap());
        encode(&Packet::Connect(Connect {
            clean_start: !self.resumes,
            keep_alive: self.keep_alive,
            client_identifier: Text::new(self.name).unwrap(),
            properties: Properties::new(&list).unwrap(),
            will,
            user_name: principal,
            ..Connect::default()
        }))
    }
}

/// A message that a Client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Got {
    pub(crate) topic: String,
    pub(crate) payload: String,
    pub(crate) qos: Qos,
    pub(crate) retain: bool,
    pub(crate) duplicate: bool,
    pub(crate) packet_identifier: Option<NonZeroU16>,
    /// Subscription Identifiers, in ascending order.
    pub(crate) identifiers: Vec<u32>,
    pub(crate) expiry: Option<u32>,
    /// All other properties.
    pub(crate) properties: Vec<String>,
}

fn got(publish: &Publish<'_>) -> Got {
    let (mut identifiers, mut expiry, mut properties) = (Vec::new(), None, Vec::new());
    for property in publish.properties.iter() {
        match property {
            Property::SubscriptionIdentifier(it) => identifiers.push(it.get()),
            Property::MessageExpiryInterval(it) => expiry = Some(it),
            other => properties.push(format!("{other:?}")),
        }
    }
    identifiers.sort_unstable();
    let (packet_identifier, duplicate) = match publish.delivery {
        Delivery::AtMostOnce => (None, false),
        Delivery::AtLeastOnce {
            packet_identifier,
            duplicate,
        }
        | Delivery::ExactlyOnce {
            packet_identifier,
            duplicate,
        } => (Some(packet_identifier), duplicate),
    };
    Got {
        topic: publish.topic.unwrap().to_string(),
        payload: String::from_utf8_lossy(publish.payload).into_owned(),
        qos: publish.delivery.qos(),
        retain: publish.retain,
        duplicate,
        packet_identifier,
        identifiers,
        expiry,
        properties,
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
        let mut bytes = Vec::new();
        let Ok(transmitted) = self.broker.transmit(self.now, key, &mut bytes) else {
            return;
        };
        self.collect();
        assert!(transmitted.depends_on <= self.last_taken);
        let Some(wire) = self.wires.iter_mut().find(|it| it.key == Some(key)) else {
            return;
        };
        wire.held.push_back((transmitted.depends_on, bytes));
        if let Next::Close(cause) = transmitted.next {
            wire.closed = Some(cause);
            wire.key = None;
            wire.up.clear();
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
