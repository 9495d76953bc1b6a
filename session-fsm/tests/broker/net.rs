//! A broker and its clients, connected by buffers.

#![allow(dead_code)]
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use mqtt5_session_fsm::broker::journal::{Batch, Restoring};
use mqtt5_session_fsm::broker::{
    Admission, Broker, BrokerConfig, ConnectionKey, Grant, Next, Notice, Permission, Step, Verdict,
};
use mqtt5_session_fsm::codec::{
    Binary, Connect, Packet, Properties, Property, Qos, ReasonCode, Subscription,
    SubscriptionIdentifier, SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicName, Will,
};
use mqtt5_session_fsm::codec::{Message, Publish};
use mqtt5_session_fsm::{
    Acknowledgement, Cause, Client, ClientConfig, Event, Instant, Outcome, Output, Publication,
    Receipt, Session, SessionConfig,
};

/// A message as a client got it: topic, payload, QoS, RETAIN, Subscription Identifiers.
pub(crate) type Got = (String, Vec<u8>, Qos, bool, Vec<u32>);

pub(crate) fn options(maximum_qos: Qos) -> SubscriptionOptions {
    SubscriptionOptions {
        maximum_qos,
        ..SubscriptionOptions::default()
    }
}

struct Host {
    client: Client,
    identifier: String,
    key: Option<ConnectionKey>,
    up: Vec<u8>,
    down: Vec<u8>,
    got: Vec<Got>,
    codes: Vec<ReasonCode>,
    session_present: bool,
    ended: Option<ReasonCode>,
    acknowledges: bool,
    receipts: Vec<Receipt>,
}

pub(crate) fn hash(broker: &Broker) -> u64 {
    let mut hasher = DefaultHasher::new();
    broker.hash(&mut hasher);
    hasher.finish()
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) broker: Broker,
    hosts: Vec<Host>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) config: BrokerConfig,
    /// What is stored.
    pub(crate) map: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) last_record: u64,
    /// How much work is done at a time; `None`: all that there is.
    pub(crate) work_budget: Option<u32>,
    /// The bytes of all batches since [`Net::keep_batches`].
    pub(crate) batches: Option<Vec<u8>>,
}

impl Net {
    pub(crate) fn new(config: BrokerConfig) -> Self {
        Net {
            now: Instant::from_millis(1_000_000),
            broker: Broker::new(config),
            hosts: Vec::new(),
            notices: Vec::new(),
            config,
            map: BTreeMap::new(),
            last_record: 0,
            work_budget: None,
            batches: None,
        }
    }

    /// Stores what there is to be stored.
    fn store(&mut self) {
        let mut bytes = Vec::new();
        while let Some(last) = self.broker.take_batch(&mut bytes) {
            let mut log = &bytes[..];
            let batch = Batch::take(&mut log).unwrap().unwrap();
            assert!(log.is_empty());
            assert_eq!((batch.first(), batch.last()), (self.last_record + 1, last));
            for record in batch.records() {
                match record.value {
                    Some(value) => drop(self.map.insert(record.key.into(), value.into())),
                    None => drop(self.map.remove(record.key)),
                }
            }
            self.last_record = last;
            if let Some(batches) = &mut self.batches {
                batches.extend_from_slice(&bytes);
            }
        }
    }

    /// The broker dies, and another one is made out of what is stored.
    pub(crate) fn restart(&mut self) {
        let mut restoring = Restoring::new(self.config);
        for (key, value) in &self.map {
            restoring.record(key, Some(value));
        }
        self.broker = restoring.finish(self.now).unwrap();
        for host in &mut self.hosts {
            host.client.connection_lost(self.now);
            host.key = None;
            host.up.clear();
            host.down.clear();
            host.receipts.clear();
        }
        self.settle();
    }

    pub(crate) fn client(&mut self, identifier: &str) -> usize {
        self.client_with(identifier, &[], None)
    }

    pub(crate) fn client_with(
        &mut self,
        identifier: &str,
        properties: &[Property<'_>],
        will_delay: Option<u32>,
    ) -> usize {
        let session = Session::of_client(SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        });
        self.hosts.push(Host {
            client: Client::new(ClientConfig::default(), session),
            identifier: identifier.to_owned(),
            key: None,
            up: Vec::new(),
            down: Vec::new(),
            got: Vec::new(),
            codes: Vec::new(),
            session_present: false,
            ended: None,
            acknowledges: true,
            receipts: Vec::new(),
        });
        let host = self.hosts.len() - 1;
        self.connect(host, true, properties, will_delay);
        host
    }

    /// Connects again; returns Session Present.
    pub(crate) fn again(
        &mut self,
        host: usize,
        clean_start: bool,
        properties: &[Property<'_>],
    ) -> bool {
        self.connect(host, clean_start, properties, None);
        self.hosts[host].session_present
    }

    fn connect(
        &mut self,
        host: usize,
        clean_start: bool,
        properties: &[Property<'_>],
        will_delay: Option<u32>,
    ) {
        let key = self.broker.connected(self.now).unwrap();
        let identifier = self.hosts[host].identifier.clone();
        let delay = [Property::WillDelayInterval(will_delay.unwrap_or(0))];
        let will = Will {
            topic: TopicName::new("will").unwrap(),
            payload: Binary::new(b"gone").unwrap(),
            qos: Qos::AtLeastOnce,
            retain: false,
            properties: Properties::new(&delay).unwrap(),
        };
        let connect = Connect {
            clean_start,
            client_identifier: Text::new(&identifier).unwrap(),
            properties: Properties::new(properties).unwrap(),
            will: will_delay.map(|_| will),
            ..Connect::default()
        };
        let it = &mut self.hosts[host];
        it.client.connect(self.now, &connect).unwrap();
        it.key = Some(key);
        it.up.clear();
        it.down.clear();
        it.receipts.clear();
        it.acknowledges = true;
        self.settle();
    }

    pub(crate) fn subscribe(
        &mut self,
        host: usize,
        filter: &str,
        options: SubscriptionOptions,
    ) -> ReasonCode {
        self.subscribe_as(host, filter, options, None)
    }

    pub(crate) fn subscribe_as(
        &mut self,
        host: usize,
        filter: &str,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> ReasonCode {
        let subscription = [Subscription {
            filter: TopicFilter::new(filter).unwrap(),
            options,
        }];
        let list: Vec<_> = identifier
            .map(|it| Property::SubscriptionIdentifier(SubscriptionIdentifier::new(it).unwrap()))
            .into_iter()
            .collect();
        let client = &mut self.hosts[host].client;
        client
            .subscribe(
                Properties::new(&list).unwrap(),
                Subscriptions::new(&subscription).unwrap(),
            )
            .unwrap();
        self.settle();
        self.hosts[host].codes.pop().unwrap()
    }

    pub(crate) fn publish(
        &mut self,
        host: usize,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        retain: bool,
    ) {
        self.queue(host, topic, payload, qos, retain);
        self.settle();
    }

    /// Publishes, without carrying a byte.
    pub(crate) fn queue(
        &mut self,
        host: usize,
        topic: &str,
        payload: &[u8],
        qos: Qos,
        retain: bool,
    ) {
        let publish = Publish {
            retain,
            ..Publish::new(TopicName::new(topic).unwrap(), payload)
        };
        let message = Message::new(&publish).unwrap();
        let client = &mut self.hosts[host].client;
        client
            .publish(self.now, Publication::new(qos, message))
            .unwrap();
    }

    /// The network of a client breaks.
    pub(crate) fn cut(&mut self, host: usize) {
        let it = &mut self.hosts[host];
        it.client.connection_lost(self.now);
        if let Some(key) = it.key.take() {
            self.broker.lost(self.now, key).unwrap();
        }
        self.settle();
    }

    pub(crate) fn is_connected(&self, host: usize) -> bool {
        self.hosts[host].key.is_some()
    }

    pub(crate) fn connections(&self) -> impl Iterator<Item = ConnectionKey> + '_ {
        self.hosts.iter().filter_map(|host| host.key)
    }

    /// From now on a client acknowledges messages, or does not.
    pub(crate) fn acknowledges(&mut self, host: usize, acknowledges: bool) {
        let it = &mut self.hosts[host];
        it.acknowledges = acknowledges;
        if acknowledges {
            for receipt in core::mem::take(&mut it.receipts) {
                let _ = it.client.acknowledge(receipt);
            }
        }
        self.settle();
    }

    pub(crate) fn unsubscribe(&mut self, host: usize, filter: &str) {
        let client = &mut self.hosts[host].client;
        client.unsubscribe_from(filter).unwrap();
        self.settle();
    }

    pub(crate) fn pass(&mut self, milliseconds: u64) {
        self.now = Instant::from_millis(self.now.as_millis() + milliseconds);
        while self.broker.next_timeout() <= self.now {
            self.broker.handle_timeout(self.now, &mut 10);
        }
        self.settle();
    }

    pub(crate) fn take(&mut self, host: usize) -> Vec<Got> {
        core::mem::take(&mut self.hosts[host].got)
    }

    pub(crate) fn ended(&self, host: usize) -> Option<ReasonCode> {
        self.hosts[host].ended
    }

    /// Carries bytes until nothing moves.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = false;
            for host in 0..self.hosts.len() {
                moved |= self.client_side(host);
                moved |= self.server_side(host);
            }
            match self.work_budget {
                Some(budget) => {
                    self.broker.work(self.now, &mut budget.clone());
                }
                None => while self.broker.work(self.now, &mut 3) {},
            }
            while let Some(notice) = self.broker.poll() {
                moved = true;
                match notice {
                    Notice::Ready(key) => self.write(key),
                    other => self.notices.push(other),
                }
            }
            self.store();
            if !moved {
                return;
            }
        }
    }

    fn client_side(&mut self, host: usize) -> bool {
        let now = self.now;
        let it = &mut self.hosts[host];
        let down = core::mem::take(&mut it.down);
        let mut input = &down[..];
        let before = it.up.len();
        while let Some(event) = it.client.receive(now, &mut input) {
            match event {
                Event::Message(delivered) => {
                    it.receipts.extend(delivered.receipt);
                    let publish = delivered.publish;
                    let identifiers = publish.properties.iter().filter_map(|it| match it {
                        Property::SubscriptionIdentifier(it) => Some(it.get()),
                        _ => None,
                    });
                    it.got.push((
                        publish.topic.unwrap().to_string(),
                        publish.payload.to_vec(),
                        publish.delivery.qos(),
                        publish.retain,
                        identifiers.collect(),
                    ));
                }
                Event::Outcome(_, Outcome::SubAck(suback)) => {
                    it.codes.extend(suback.reason_codes.iter());
                }
                Event::Connected(connack) => it.session_present = connack.session_present,
                Event::Disconnect(disconnect) => it.ended = Some(disconnect.reason_code),
                _ => {}
            }
        }
        it.down = input.to_vec();
        if it.acknowledges {
            for receipt in core::mem::take(&mut it.receipts) {
                it.client.acknowledge(receipt).unwrap();
            }
        }
        while let Some(output) = it.client.poll(now, &mut it.up) {
            if let Output::Close(_) = output {
                it.key = None;
            }
        }
        it.up.len() != before || !down.is_empty()
    }

    fn server_side(&mut self, host: usize) -> bool {
        let now = self.now;
        let Some(key) = self.hosts[host].key else {
            return false;
        };
        let up = core::mem::take(&mut self.hosts[host].up);
        let mut input = &up[..];
        loop {
            let step = self
                .broker
                .receive(now, key, &mut input, |_| Permission::Publish);
            match step {
                Ok(Step::Ask(question)) => match question.packet() {
                    Packet::Connect(_) => {
                        let verdict = Verdict::Accept(Admission::of("somebody"));
                        let _ = self.broker.answer_connect(now, &question, &verdict);
                    }
                    Packet::Subscribe(packet) => {
                        let grants: Vec<_> = packet
                            .subscriptions
                            .iter()
                            .map(|_| Grant::UpTo(Qos::ExactlyOnce))
                            .collect();
                        let _ = self.broker.answer_subscribe(now, &question, &grants);
                    }
                    _ => {}
                },
                Ok(Step::Taken | Step::Wait) | Err(_) => break,
            }
        }
        self.hosts[host].up = input.to_vec();
        !up.is_empty() && input.len() < up.len()
    }

    fn write(&mut self, key: ConnectionKey) {
        let mut wire = Vec::new();
        let result = self.broker.transmit(self.now, key, &mut wire);
        self.store();
        let host = self.hosts.iter_mut().find(|it| it.key == Some(key));
        if let Some(host) = host {
            host.down.extend(wire);
        }
        // The map is always up to date, so nothing waits for it.
        let transmitted = result.expect("a connection");
        assert!(transmitted.depends_on <= self.last_record);
        if let Next::Close(cause) = transmitted.next {
            let _: Cause = cause;
        }
    }
}
