//! Drives one Server, and watches what the standard asks of all that it writes.

use std::time::Duration;

use mqtt5_codec::framing::LARGEST_PACKET;
use mqtt5_codec::{Packet, Property, ReasonCode, Role, UserProperty};
use mqtt5_session_fsm::{
    Instant, Output, Publication, PublishError, Receipt, SendError, Server, ServerConfig, Session,
    Token,
};

use super::make::Hello;
pub(crate) use super::report::{Report, Seen, frames};
use crate::entrance::{Taken, take};

/// What must hold for all that a Server writes on a Network Connection (sections 3.2, 3.14.4, 4.13.2).
#[derive(Clone, Debug, Default)]
struct Watch {
    accepted: bool,
    /// A CONNACK of refusal or a DISCONNECT was written.
    finished: bool,
    closed: bool,
}

impl Watch {
    fn packet(&mut self, bytes: &[u8]) {
        let packet = Packet::decode_from(Role::Server, bytes).expect("a Server's packet");
        packet
            .check_before_sending(Role::Server)
            .expect("a packet that a Server may send");
        assert!(!self.closed, "written after Close: {packet:?}");
        assert!(!self.finished, "written after the last word: {packet:?}");
        match packet {
            Packet::ConnAck(connack) => {
                assert!(!self.accepted, "a second CONNACK");
                assert!(
                    !(connack.session_present && connack.reason_code.is_error()),
                    "{connack:?}"
                );
                self.accepted = !connack.reason_code.is_error();
                self.finished = !self.accepted;
            }
            Packet::Auth(_) => {}
            _ => assert!(self.accepted, "written before the CONNACK: {packet:?}"),
        }
        self.finished |= matches!(packet, Packet::Disconnect(_));
    }
}

/// A Server, the bytes that it has not read, and the time.
#[derive(Clone, Debug)]
pub(crate) struct Driver {
    pub(crate) server: Server,
    pub(crate) now: Instant,
    pub(crate) input: Vec<u8>,
    /// The Client's Maximum Packet Size.
    limit: usize,
    watch: Watch,
}

impl Driver {
    /// A Network Connection begins.
    pub(crate) fn new(now: Instant, config: ServerConfig) -> Driver {
        Driver {
            server: Server::new(now, config),
            now,
            input: Vec::new(),
            limit: LARGEST_PACKET as usize,
            watch: Watch::default(),
        }
    }

    /// A Network Connection whose CONNECT waits for the decision.
    pub(crate) fn deciding(now: Instant, config: ServerConfig, hello: &Hello) -> Driver {
        let mut driver = Driver::new(now, config);
        let report = driver.hello(hello);
        assert_eq!(report.events(), [Seen::Connect(hello.id.to_owned())]);
        assert!(report.wire.is_empty());
        driver
    }

    /// A Client has connected, without an earlier Session.
    pub(crate) fn connected(config: ServerConfig, hello: &Hello) -> Driver {
        let (driver, _) = Driver::resumed(Instant::from_millis(1_000), config, hello, None);
        driver
    }

    /// A Client connects, and the host has this Session for it: the CONNACK and all that follows it.
    pub(crate) fn resumed(
        now: Instant,
        config: ServerConfig,
        hello: &Hello,
        session: Option<Session>,
    ) -> (Driver, Report) {
        let mut driver = Driver::deciding(now, config, hello);
        let report = driver.accept(session, &[]).expect("a good CONNECT");
        (driver, report)
    }

    /// The Client sends this CONNECT.
    pub(crate) fn hello(&mut self, hello: &Hello) -> Report {
        let limit = hello.properties.iter().find_map(|property| match property {
            Property::MaximumPacketSize(size) => Some(size.get() as usize),
            _ => None,
        });
        self.limit = limit.unwrap_or(LARGEST_PACKET as usize);
        self.send(&hello.bytes())
    }

    pub(crate) fn accept(
        &mut self,
        session: Option<Session>,
        properties: &[Property<'_>],
    ) -> Result<Report, SendError> {
        self.server.accept(self.now, session, properties)?;
        Ok(self.pump())
    }

    pub(crate) fn refuse(
        &mut self,
        code: ReasonCode,
        list: &[Property<'_>],
    ) -> Result<Report, SendError> {
        self.server.refuse(self.now, code, list)?;
        Ok(self.pump())
    }

    pub(crate) fn authenticate(&mut self, list: &[Property<'_>]) -> Result<Report, SendError> {
        self.server.authenticate(self.now, list)?;
        Ok(self.pump())
    }

    pub(crate) fn disconnect(
        &mut self,
        code: ReasonCode,
        list: &[Property<'_>],
    ) -> Result<Report, SendError> {
        self.server.disconnect(self.now, code, list)?;
        Ok(self.pump())
    }

    /// Bytes come from the Client.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Report {
        self.input.extend_from_slice(bytes);
        self.pump()
    }

    /// The application publishes.
    pub(crate) fn publish(
        &mut self,
        publication: Publication,
    ) -> Result<(Token, Report), PublishError> {
        let token = self.server.publish(self.now, publication)?;
        Ok((token, self.pump()))
    }

    pub(crate) fn acknowledge_with(
        &mut self,
        receipt: Receipt,
        code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<Report, SendError> {
        self.server.acknowledge_with(receipt, code, properties)?;
        Ok(self.pump())
    }

    /// It is so many milliseconds later.
    pub(crate) fn wait(&mut self, milliseconds: u64) -> Report {
        self.now += Duration::from_millis(milliseconds);
        self.server.handle_timeout(self.now);
        self.pump()
    }

    /// The network tells that the Network Connection is gone.
    pub(crate) fn lose(&mut self) -> Report {
        self.server.connection_lost(self.now);
        self.pump()
    }

    /// As [`Driver::lose`], and the host keeps the Session.
    pub(crate) fn part(&mut self) -> (Keeper, Report) {
        let report = self.lose();
        let session = self.server.take_session(self.now).expect("a Session");
        let mut keeper = Keeper {
            session,
            now: self.now,
        };
        let rest = keeper.pump();
        (keeper, report.and(rest))
    }

    /// Reads and writes until there is nothing more, by the drain rule.
    pub(crate) fn pump(&mut self) -> Report {
        let mut report = Report::default();
        self.drain(&mut report);
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        loop {
            let limit = self.server.limits().maximum_packet_size;
            match take(&mut self.server, self.now, &mut rest, limit) {
                Taken::Event(event) => report.log.push(Seen::of(event)),
                Taken::More => {}
                Taken::Done => break,
            }
            self.drain(&mut report);
        }
        self.drain(&mut report);
        self.input = rest.to_vec();
        report
    }

    fn drain(&mut self, report: &mut Report) {
        loop {
            let before = report.wire.len();
            let output = self.server.poll(self.now, &mut report.wire);
            for bytes in frames(&report.wire[before..]) {
                assert!(
                    bytes.len() <= self.limit,
                    "too large for the Client: {bytes:?}"
                );
                self.watch.packet(bytes);
            }
            if report.wire.len() > before {
                report.log.push(Seen::Wrote(report.wire.len() - before));
            }
            let seen = match output {
                None => break,
                Some(Output::Event(event)) => Seen::of(event),
                Some(Output::Persist(change)) => Seen::Persist(change),
                Some(Output::Close(cause)) => Seen::Close(cause),
                Some(Output::NeedsRoom(_)) => panic!("a Vec has room"),
            };
            if let Seen::Close(_) = seen {
                assert!(!self.watch.closed, "closed twice");
                self.watch.closed = true;
            }
            report.log.push(seen);
        }
        if self.watch.finished {
            assert!(self.watch.closed, "the last word, and no Close");
        }
    }
}

/// A Session while its Client is away.
#[derive(Clone, Debug)]
pub(crate) struct Keeper {
    pub(crate) session: Session,
    pub(crate) now: Instant,
}

impl Keeper {
    pub(crate) fn wait(&mut self, milliseconds: u64) -> Report {
        self.now += Duration::from_millis(milliseconds);
        self.session.handle_timeout(self.now);
        self.pump()
    }

    pub(crate) fn pump(&mut self) -> Report {
        let mut report = Report::default();
        while let Some(output) = self.session.poll() {
            report.log.push(match output {
                Output::Event(event) => Seen::of(event),
                Output::Persist(change) => Seen::Persist(change),
                other => panic!("without a Network Connection: {other:?}"),
            });
        }
        report
    }
}

/// A Reason String and a User Property, of 13 and 9 bytes.
pub(crate) fn explanation() -> [Property<'static>; 2] {
    [
        Property::ReasonString(super::make::text("because of")),
        Property::UserProperty(UserProperty::new("na", "va").expect("good strings")),
    ]
}
