//! Drives one machine against a peer that consists of packets written by hand. The driver checks every packet that the
//! machine writes against the rules that hold for all packets.
//!
//! A line stands for each thing that comes out of the machine: `> PACKET` for a packet, anything else for an event. A
//! token appears as `t1`, `t2`, ... in the order of acceptance.

use std::time::Duration;

use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_session_fsm::codec::{
    Connect, Message, Packet, Properties, Property, ProtocolVersion, Publish, Qos, ReasonCode,
    Role, Text, TopicName,
};
use mqtt5_session_fsm::{
    Acknowledgement, Event, Instant, Output, Publication, PublishError, Receipt, SendError,
    Session, SessionConfig, Token,
};

use super::machine::{Machine, Settings};
use super::{make, tell};
use crate::entrance::{Taken, take};
use crate::version::{is_3_1_1, version};

pub(crate) type Lines = Vec<String>;

pub(crate) fn connect_with<'a>(properties: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        version: version(),
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(properties).unwrap(),
        ..Connect::default()
    }
}

#[derive(Clone)]
pub(crate) struct Driver<M: Machine> {
    pub(crate) machine: M,
    pub(crate) config: M::Config,
    pub(crate) now: Instant,
    pub(crate) tokens: Vec<Token>,
    pub(crate) receipts: Vec<Receipt>,
    /// The bytes of everything that was written.
    pub(crate) wire: Vec<u8>,
    /// The Session that a Server's host keeps while there is no connection.
    kept: Option<Session>,
    /// The Session that a Server's host has for the Client that connects.
    pub(crate) found: Option<Session>,
    /// The Maximum Packet Size of this side, if it is a Client.
    maximum: u32,
    watch: Watch,
}

impl<M: Machine> Driver<M> {
    pub(crate) fn of(machine: M, config: M::Config, now: Instant) -> Self {
        Driver {
            machine,
            config,
            now,
            tokens: Vec::new(),
            receipts: Vec::new(),
            wire: Vec::new(),
            kept: None,
            found: None,
            maximum: LARGEST_PACKET,
            watch: Watch::default(),
        }
    }

    pub(crate) fn set(settings: Settings) -> Self {
        let (config, now) = (M::config(settings), Instant::from_millis(1_000_000));
        Driver::of(M::new(now, &config, settings.session), config, now)
    }

    pub(crate) fn new() -> Self {
        Driver::set(Settings::default())
    }

    pub(crate) fn configured(session: SessionConfig) -> Self {
        Driver::set(Settings {
            session,
            ..Settings::default()
        })
    }

    pub(crate) fn manual() -> Self {
        Driver::configured(SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        })
    }

    /// Connected. Neither side announces anything but a Session that does not expire.
    pub(crate) fn connected() -> Self {
        Driver::new().open(&[], &[])
    }

    /// Connected to a peer that announces this.
    pub(crate) fn announced(peer: &[Property<'_>]) -> Self {
        Driver::new().open(&[], peer)
    }

    /// Connected, and this was announced to the peer.
    pub(crate) fn announcing(own: &[Property<'_>]) -> Self {
        Driver::new().open(own, &[])
    }

    /// Goes through CONNECT and CONNACK without an earlier Session. `own` is what this side announces, `peer` what the
    /// other side does.
    pub(crate) fn open(mut self, own: &[Property<'_>], peer: &[Property<'_>]) -> Self {
        self.reopen(own, false, peer);
        self
    }

    /// As [`Driver::open`], with this Session Expiry Interval in seconds.
    pub(crate) fn open_for(mut self, seconds: u32, peer: &[Property<'_>]) -> Self {
        let interval = [Property::SessionExpiryInterval(seconds)];
        match M::ROLE {
            Role::Client => self.reopen(&interval, false, peer),
            Role::Server => self.reopen(&[], false, &[&interval, peer].concat()),
        };
        self
    }

    /// Goes through CONNECT and CONNACK, and returns all other lines.
    pub(crate) fn reopen(
        &mut self,
        own: &[Property<'_>],
        session_present: bool,
        peer: &[Property<'_>],
    ) -> Lines {
        M::open(self, own, session_present, peer)
    }

    /// The Network Connection breaks, and a new one goes on with the Session.
    pub(crate) fn resume(&mut self) -> Lines {
        let said = self.lose();
        assert!(said.is_empty(), "{said:?}");
        self.reopen(&[], true, &[])
    }

    /// A new Network Connection of this machine begins. The host has the kept Session for it.
    pub(crate) fn begin(&mut self, machine: M) {
        self.machine = machine;
        self.watch = Watch::default();
        self.found = self.kept.take();
    }

    /// A new Network Connection of this Client begins, with its Maximum Packet Size.
    pub(crate) fn begin_again(&mut self, maximum: u32) {
        self.watch = Watch::default();
        self.maximum = maximum;
    }

    /// The connection is gone, and the host keeps this Session.
    pub(crate) fn keep(&mut self, session: Session) {
        self.kept = Some(session);
    }

    /// What the peer announces from here on.
    pub(crate) fn announce(&mut self, peer: &[Property<'_>]) {
        self.watch.largest = maximum_packet_size(peer) as usize;
    }

    pub(crate) fn session(&self) -> &Session {
        self.kept.as_ref().unwrap_or_else(|| self.machine.session())
    }

    pub(crate) fn lose(&mut self) -> Lines {
        self.machine.connection_lost(self.now);
        let mut lines = self.settle();
        if self.kept.is_none() {
            self.kept = self.machine.take_session(self.now);
        }
        lines.extend(self.settle());
        lines
    }

    /// Offers bytes as the network brings them.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Lines {
        let mut input = bytes;
        let lines = self.offer(&mut input);
        assert!(input.is_empty(), "left: {input:02x?}");
        lines
    }

    /// Offers bytes of which a part may be left.
    pub(crate) fn offer(&mut self, input: &mut &[u8]) -> Lines {
        let mut lines = Lines::new();
        loop {
            let maximum = self.machine.maximum_packet_size(self.maximum);
            let taken = take(&mut self.machine, self.now, input, maximum);
            let is_over = matches!(taken, Taken::Done);
            if let Taken::Event(event) = taken {
                if let Event::Message(delivered) = &event {
                    self.receipts.extend(delivered.receipt);
                }
                lines.push(tell::event(&event, &self.tokens));
            }
            lines.extend(self.settle());
            if is_over {
                return lines;
            }
        }
    }

    /// Polls until there is nothing.
    pub(crate) fn settle(&mut self) -> Lines {
        let mut lines = Lines::new();
        loop {
            let mut wire = Vec::new();
            let output = match &mut self.kept {
                Some(session) => session.poll(),
                None => self.machine.poll(self.now, &mut wire),
            };
            lines.extend(self.watch.packets(&wire, M::ROLE));
            self.wire.extend_from_slice(&wire);
            match output {
                None => break,
                Some(Output::Event(event)) => lines.push(tell::event(&event, &self.tokens)),
                Some(Output::Close(cause)) => {
                    self.watch.close();
                    lines.push(tell::cause(cause));
                }
                Some(Output::Persist(change)) => lines.push(format!("persist {change:?}")),
                Some(Output::NeedsRoom(room)) => panic!("a Vec has no room for {room} bytes"),
            }
        }
        assert!(!self.watch.finished || self.watch.closed, "no Close");
        lines
    }

    pub(crate) fn accept(&mut self, publication: Publication) -> Result<(), PublishError> {
        let token = match &mut self.kept {
            Some(session) => session.publish(self.now, publication)?,
            None => self.machine.publish(self.now, publication)?,
        };
        self.tokens.push(token);
        Ok(())
    }

    /// Publishes, and returns what came out.
    pub(crate) fn publish(&mut self, qos: u8, topic: &str, payload: &str) -> Lines {
        self.publish_with(publication(qos, topic, payload, &[]))
    }

    pub(crate) fn publish_with(&mut self, publication: Publication) -> Lines {
        self.accept(publication).unwrap();
        self.settle()
    }

    /// Publishes `count` messages with QoS 1. It does not decode what was written, which would take long.
    pub(crate) fn fill(&mut self, count: u16) {
        for _ in 0..count {
            self.accept(publication(1, "a", "", &[])).unwrap();
            let output = self.machine.poll(self.now, &mut self.wire);
            assert!(output.is_none(), "{output:?}");
        }
    }

    pub(crate) fn try_acknowledge(
        &mut self,
        receipt: Receipt,
        code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        match &mut self.kept {
            Some(session) => session.acknowledge_with(receipt, code),
            None => self.machine.acknowledge_with(receipt, code, properties),
        }
    }

    /// Acknowledges the n-th message that needs it, counted from 0.
    pub(crate) fn acknowledge(&mut self, n: usize) -> Lines {
        self.refuse(n, ReasonCode::Success)
    }

    pub(crate) fn refuse(&mut self, n: usize, code: ReasonCode) -> Lines {
        self.try_acknowledge(self.receipts[n], code, &[]).unwrap();
        self.settle()
    }

    pub(crate) fn disconnect(&mut self, code: ReasonCode, properties: &[Property<'_>]) -> Lines {
        self.machine.disconnect(self.now, code, properties).unwrap();
        self.settle()
    }

    pub(crate) fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    /// Lets time pass without a call, then calls `handle_timeout`.
    pub(crate) fn tick(&mut self, milliseconds: u64) -> Lines {
        self.wait(milliseconds);
        match &mut self.kept {
            Some(session) => session.handle_timeout(self.now),
            None => self.machine.handle_timeout(self.now),
        }
        let lines = self.settle();
        // A host that obeys `next_timeout` would never sleep again.
        assert!(self.next_timeout() > self.now, "due again at once");
        lines
    }

    fn next_timeout(&self) -> Instant {
        match &self.kept {
            Some(session) => session.next_timeout(),
            None => self.machine.next_timeout(),
        }
    }

    /// Milliseconds until the next deadline; `None` if there is none.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let next = self.next_timeout();
        (next != Instant::NEVER).then(|| u64::try_from(self.now.until(next).as_millis()).unwrap())
    }

    /// Asserts that the machine does nothing more, whatever arrives.
    pub(crate) fn assert_dead(&mut self) {
        assert!(!self.machine.is_connected());
        let all = make::one_of_each(M::PEER).concat();
        assert_eq!(self.feed(&all), Lines::new(), "read after the end");
        assert_eq!(self.deadline(), None, "waits after the end");
        assert_eq!(
            self.tick(1 << 40),
            Lines::new(),
            "does something after the end"
        );
    }

    /// Asserts that the connection ended with a DISCONNECT that has this code, or without a packet in MQTT 3.1.1, which
    /// has no code.
    pub(crate) fn assert_ended(&mut self, said: &[String], code: ReasonCode, what: &str) {
        let farewell = format!("> DISCONNECT {code:?}");
        let packets = usize::from(!is_3_1_1());
        assert_eq!(said.len(), packets + 1, "{what}: {said:?}");
        assert!(said[..packets].iter().all(|it| *it == farewell), "{what}");
        assert!(said[packets].starts_with("close "), "{what}: {said:?}");
        self.assert_dead();
    }
}

/// The rules for all packets of one side on a Network Connection (sections 3.1.2.11.4, 3.2, 3.14.4, 4.13.2).
#[derive(Clone)]
struct Watch {
    /// The peer's Maximum Packet Size.
    largest: usize,
    accepted: bool,
    /// A CONNACK of refusal or a DISCONNECT was written.
    finished: bool,
    closed: bool,
}

impl Default for Watch {
    fn default() -> Self {
        Watch {
            largest: LARGEST_PACKET as usize,
            accepted: false,
            finished: false,
            closed: false,
        }
    }
}

impl Watch {
    /// The packets in these bytes, as lines. This side must be allowed to send each of them now.
    fn packets(&mut self, mut bytes: &[u8], role: Role) -> Lines {
        let mut lines = Lines::new();
        while !bytes.is_empty() {
            let (packet, size, rest) = first_packet(bytes, role);
            assert!(size <= self.largest, "too large for the peer: {packet:?}");
            self.packet(&packet, role);
            lines.push(format!("> {}", tell::packet(&packet)));
            bytes = rest;
        }
        lines
    }

    fn packet(&mut self, packet: &Packet<'_>, role: Role) {
        assert!(!self.closed, "written after Close: {packet:?}");
        assert!(!self.finished, "written after the last word: {packet:?}");
        match packet {
            Packet::ConnAck(connack) => {
                assert!(!self.accepted, "a second CONNACK");
                let is_error = connack.reason_code.is_error();
                assert!(!(connack.session_present && is_error), "{connack:?}");
                self.accepted = !is_error;
                self.finished = is_error;
            }
            Packet::Auth(_) => {}
            _ if role == Role::Server => {
                assert!(self.accepted, "written before the CONNACK: {packet:?}");
            }
            _ => {}
        }
        self.finished |= matches!(packet, Packet::Disconnect(_));
    }

    fn close(&mut self) {
        assert!(!self.closed, "closed twice");
        self.closed = true;
    }
}

fn first_packet(bytes: &[u8], role: Role) -> (Packet<'_>, usize, &[u8]) {
    let Ok(Split::Packet { packet, rest }) = split(bytes, u32::MAX) else {
        panic!("not a packet: {bytes:02x?}");
    };
    // A CONNACK without properties is for a Client that does not speak 5.0.
    let version = match packet.as_bytes() {
        [0x20, 2, ..] => ProtocolVersion::V3_1_1,
        _ => version(),
    };
    let packet = packet.decode_from(version, role).unwrap();
    assert_eq!(packet.check_before_sending(version, role), Ok(()));
    (packet, bytes.len() - rest.len(), rest)
}

/// The packets in these bytes, as lines. This side must be allowed to send each of them.
pub(crate) fn written(mut bytes: &[u8], role: Role) -> Lines {
    let mut lines = Lines::new();
    while !bytes.is_empty() {
        let (packet, _, rest) = first_packet(bytes, role);
        lines.push(format!("> {}", tell::packet(&packet)));
        bytes = rest;
    }
    lines
}

/// The Maximum Packet Size in a list of properties.
pub(crate) fn maximum_packet_size(list: &[Property<'_>]) -> u32 {
    let size = |property: &Property<'_>| match property {
        Property::MaximumPacketSize(size) => Some(size.get()),
        _ => None,
    };
    list.iter()
        .find_map(size)
        .map_or(LARGEST_PACKET, |size| size.min(LARGEST_PACKET))
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

/// The Packet Identifier in a line.
pub(crate) fn identifier_of(line: &str) -> u16 {
    let (_, rest) = line.split_once('#').unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

/// Why the connection ended, if it did.
pub(crate) fn close_of(said: &[String]) -> Option<&str> {
    said.iter().find_map(|line| line.strip_prefix("close "))
}

/// The packets that were written.
pub(crate) fn packets(said: &[String]) -> Vec<&str> {
    said.iter()
        .filter_map(|line| line.strip_prefix("> "))
        .collect()
}
