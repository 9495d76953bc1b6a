//! Drives a Client against a Server that is nothing but packets written by hand.
//!
//! All that comes out of the machine is told in lines: `> PACKET` was written, everything else is
//! what it said. A token is told as `t1`, `t2`, ... in the order of acceptance.

use std::time::Duration;

use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_session_fsm::codec::{
    Connect, Message, Packet, Properties, Property, Publish, Qos, ReasonCode, Role,
    SubscribeProperties, Subscription, SubscriptionOptions, Subscriptions, Text, TopicFilter,
    TopicFilters, TopicName, UnsubscribeProperties,
};
use mqtt5_session_fsm::{
    Acknowledgement, Client, ClientConfig, Event, Instant, Output, Publication, PublishError,
    Receipt, SendError, Session, SessionConfig, Token,
};

use super::make;
use super::tell;
use crate::entrance::{Taken, take};

pub(crate) type Lines = Vec<String>;

/// What a CONNECT is made of, unless a test says otherwise: ClientID `c`, Session that does not expire.
pub(crate) const KEEPS: &[Property<'_>] = &[Property::SessionExpiryInterval(u32::MAX)];

pub(crate) fn connect_with<'a>(properties: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(properties).unwrap(),
        ..Connect::default()
    }
}

pub(crate) struct Driver {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    pub(crate) tokens: Vec<Token>,
    pub(crate) receipts: Vec<Receipt>,
    /// The bytes of everything that was written.
    pub(crate) wire: Vec<u8>,
    /// The Client's Maximum Packet Size.
    maximum: u32,
}

impl Driver {
    pub(crate) fn with(config: ClientConfig, session: Session) -> Self {
        Driver {
            client: Client::new(config, session),
            now: Instant::from_millis(1_000_000),
            tokens: Vec::new(),
            receipts: Vec::new(),
            wire: Vec::new(),
            maximum: LARGEST_PACKET,
        }
    }

    pub(crate) fn new() -> Self {
        Driver::configured(SessionConfig::default())
    }

    pub(crate) fn configured(config: SessionConfig) -> Self {
        Driver::with(ClientConfig::default(), Session::of_client(config))
    }

    pub(crate) fn manual() -> Self {
        Driver::configured(SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        })
    }

    /// Connected, without any property on either side but a Session that does not expire.
    pub(crate) fn connected() -> Self {
        Driver::new().go(KEEPS, false, &[])
    }

    /// Connected to a Server that announces this.
    pub(crate) fn announced(properties: &[Property<'_>]) -> Self {
        Driver::new().go(KEEPS, false, properties)
    }

    /// Goes through CONNECT and CONNACK.
    pub(crate) fn go(
        mut self,
        connect: &[Property<'_>],
        session_present: bool,
        connack: &[Property<'_>],
    ) -> Self {
        self.reconnect(connect, session_present, connack);
        self
    }

    /// Goes through CONNECT and CONNACK, and gives what came but the CONNACK's event.
    pub(crate) fn reconnect(
        &mut self,
        connect: &[Property<'_>],
        session_present: bool,
        connack: &[Property<'_>],
    ) -> Lines {
        let said = self.connect(&connect_with(connect));
        let last = said.last().expect("nothing was written");
        assert!(last.starts_with("> CONNECT"), "{said:?}");
        let mut said = self.feed(&make::connack(
            session_present,
            ReasonCode::Success,
            connack,
        ));
        let event = said.iter().position(|it| it.starts_with("connected"));
        let event = event.unwrap_or_else(|| panic!("not connected: {said:?}"));
        // What it ends is reported before it.
        let ended = said[..event].iter().any(|it| it == "session ended");
        assert!(event == 0 || ended, "{said:?}");
        said.remove(event);
        said
    }

    /// The Network Connection breaks, and a new one goes on with the Session.
    pub(crate) fn resume(&mut self) -> Lines {
        let said = self.lose();
        assert!(said.is_empty(), "{said:?}");
        self.reconnect(KEEPS, true, &[])
    }

    pub(crate) fn connect(&mut self, connect: &Connect<'_>) -> Lines {
        self.client.connect(self.now, connect).unwrap();
        let maximum = connect.properties.maximum_packet_size();
        self.maximum = maximum.map_or(LARGEST_PACKET, |size| size.get().min(LARGEST_PACKET));
        self.settle()
    }

    pub(crate) fn lose(&mut self) -> Lines {
        self.client.connection_lost(self.now);
        self.settle()
    }

    /// Offers bytes as the network brings them.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Lines {
        let mut lines = Lines::new();
        let mut input = bytes;
        loop {
            let taken = take(&mut self.client, self.now, &mut input, self.maximum);
            let is_over = matches!(taken, Taken::Done);
            if let Taken::Event(event) = taken {
                if let Event::Message(delivered) = &event {
                    self.receipts.extend(delivered.receipt);
                }
                lines.push(tell::event(&event, &self.tokens));
            }
            lines.extend(self.settle());
            if is_over {
                assert!(input.is_empty(), "left: {input:02x?}");
                return lines;
            }
        }
    }

    /// Polls until there is nothing.
    pub(crate) fn settle(&mut self) -> Lines {
        let mut lines = Lines::new();
        loop {
            let mut wire = Vec::new();
            let output = self.client.poll(self.now, &mut wire);
            lines.extend(written(&wire));
            self.wire.extend_from_slice(&wire);
            match output {
                None => return lines,
                Some(Output::Event(event)) => lines.push(tell::event(&event, &self.tokens)),
                Some(Output::Close(cause)) => lines.push(tell::cause(cause)),
                Some(Output::Persist(change)) => lines.push(format!("persist {change:?}")),
                Some(Output::NeedsRoom(room)) => panic!("a Vec has no room for {room} bytes"),
            }
        }
    }

    pub(crate) fn accept(&mut self, publication: Publication) -> Result<(), PublishError> {
        let token = self.client.publish(self.now, publication)?;
        self.tokens.push(token);
        Ok(())
    }

    /// Publishes, and gives what came out.
    pub(crate) fn publish(&mut self, qos: u8, topic: &str, payload: &str) -> Lines {
        self.accept(publication(qos, topic, payload, &[])).unwrap();
        self.settle()
    }

    /// Publishes so many messages with QoS 1. To be fast, it does not read what was written.
    pub(crate) fn fill(&mut self, count: u16) {
        for _ in 0..count {
            self.accept(publication(1, "a", "", &[])).unwrap();
            let output = self.client.poll(self.now, &mut self.wire);
            assert!(output.is_none(), "{output:?}");
        }
    }

    pub(crate) fn publish_with(&mut self, publication: Publication) -> Lines {
        self.accept(publication).unwrap();
        self.settle()
    }

    pub(crate) fn try_subscribe(
        &mut self,
        filters: &[&str],
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let list: Vec<_> = filters
            .iter()
            .map(|filter| Subscription {
                filter: TopicFilter::new(filter).unwrap(),
                options: SubscriptionOptions::default(),
            })
            .collect();
        let token = self.client.subscribe(
            SubscribeProperties::new(properties).unwrap(),
            Subscriptions::new(&list).unwrap(),
        )?;
        self.tokens.push(token);
        Ok(())
    }

    pub(crate) fn subscribe(&mut self, filters: &[&str]) -> Lines {
        self.try_subscribe(filters, &[]).unwrap();
        self.settle()
    }

    pub(crate) fn try_unsubscribe(
        &mut self,
        filters: &[&str],
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let list: Vec<_> = filters
            .iter()
            .map(|filter| TopicFilter::new(filter).unwrap())
            .collect();
        let token = self.client.unsubscribe(
            UnsubscribeProperties::new(properties).unwrap(),
            TopicFilters::new(&list).unwrap(),
        )?;
        self.tokens.push(token);
        Ok(())
    }

    pub(crate) fn unsubscribe(&mut self, filters: &[&str]) -> Lines {
        self.try_unsubscribe(filters, &[]).unwrap();
        self.settle()
    }

    /// Acknowledges the n-th message that needs it, counted from 0.
    pub(crate) fn acknowledge(&mut self, n: usize) -> Lines {
        self.client.acknowledge(self.receipts[n]).unwrap();
        self.settle()
    }

    pub(crate) fn refuse(&mut self, n: usize, code: ReasonCode) -> Lines {
        self.client
            .acknowledge_with(self.receipts[n], code, &[])
            .unwrap();
        self.settle()
    }

    pub(crate) fn disconnect(&mut self, code: ReasonCode, properties: &[Property<'_>]) -> Lines {
        self.client.disconnect(self.now, code, properties).unwrap();
        self.settle()
    }

    pub(crate) fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    /// Lets time pass without a call, then calls `handle_timeout`.
    pub(crate) fn tick(&mut self, milliseconds: u64) -> Lines {
        self.wait(milliseconds);
        self.client.handle_timeout(self.now);
        let lines = self.settle();
        // A host that waits as it is told would never sleep again.
        assert!(self.client.next_timeout() > self.now, "due again at once");
        lines
    }

    /// Milliseconds until the next deadline; `None` if there is none.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let next = self.client.next_timeout();
        (next != Instant::NEVER).then(|| u64::try_from(self.now.until(next).as_millis()).unwrap())
    }

    /// Whether nothing is done any more, whatever comes.
    pub(crate) fn assert_dead(&mut self) {
        assert!(!self.client.is_connected());
        let all: Vec<u8> = make::ONE_OF_EACH.iter().flat_map(|make| make()).collect();
        assert_eq!(self.feed(&all), Lines::new(), "read after the end");
        assert_eq!(self.deadline(), None, "waits after the end");
        assert_eq!(
            self.tick(1 << 40),
            Lines::new(),
            "does something after the end"
        );
    }
}

pub(crate) fn publication(
    qos: u8,
    topic: &str,
    payload: &str,
    properties: &[Property<'_>],
) -> Publication {
    let publish = Publish {
        properties: Properties::new(properties).unwrap(),
        ..Publish::new(TopicName::new(topic).unwrap(), payload.as_bytes())
    };
    Publication::new(
        Qos::from_bits(qos).unwrap(),
        Message::new(&publish).unwrap(),
    )
}

/// The packets in these bytes, as lines. Each has to be one that a Client may send.
pub(crate) fn written(mut bytes: &[u8]) -> Lines {
    let mut lines = Lines::new();
    while !bytes.is_empty() {
        let Ok(Split::Packet { packet, rest }) = split(bytes, u32::MAX) else {
            panic!("not a packet: {bytes:02x?}");
        };
        let packet = packet.decode_from(Role::Client).unwrap();
        assert_eq!(Packet::check_before_sending(&packet, Role::Client), Ok(()));
        lines.push(format!("> {}", tell::packet(&packet)));
        bytes = rest;
    }
    lines
}
