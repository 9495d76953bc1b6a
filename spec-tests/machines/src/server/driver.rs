//! What a Server's host alone does.

use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_session_fsm::codec::{Binary, ConnAck, Packet, Property, ReasonCode, Role};
use mqtt5_session_fsm::{Instant, SendError, Server, ServerConfig};

use super::make::{self, Hello};
use crate::session::driver::Lines;
use crate::version::version;

pub(crate) type Driver = crate::session::driver::Driver<Server>;

impl Driver {
    /// A Network Connection has begun.
    pub(crate) fn serving(config: ServerConfig) -> Self {
        let now = Instant::from_millis(1_000_000);
        Driver::of(Server::new(now, config), config, now)
    }

    /// A Network Connection whose CONNECT waits for the decision.
    pub(crate) fn deciding(config: ServerConfig, hello: &Hello) -> Self {
        let mut driver = Driver::serving(config);
        let said = driver.hello(hello);
        assert_eq!(said, [format!("connect {:?}", hello.id)]);
        driver
    }

    /// A Client has connected, without an earlier Session.
    pub(crate) fn with(config: ServerConfig, hello: &Hello) -> Self {
        let mut driver = Driver::deciding(config, hello);
        driver.accept_client(&[]).expect("a good CONNECT");
        driver
    }

    /// A Client has connected whose Session does not expire.
    pub(crate) fn lasting() -> Self {
        Driver::with(make::config(), &Hello::lasting())
    }

    /// The Client sends this CONNECT.
    pub(crate) fn hello(&mut self, hello: &Hello) -> Lines {
        self.announce(&hello.properties);
        self.feed(&hello.bytes())
    }

    /// The connection is gone, and the Client sends this CONNECT on a new one.
    pub(crate) fn returning(&mut self, hello: &Hello) {
        self.begin(Server::new(self.now, self.config));
        let said = self.hello(hello);
        assert_eq!(said, [format!("connect {:?}", hello.id)]);
    }

    /// As [`Driver::returning`], and the CONNECT is accepted. Returns the CONNACK and all that follows it.
    pub(crate) fn again(&mut self, hello: &Hello) -> Lines {
        self.returning(hello);
        self.accept_client(&[]).expect("a good CONNECT")
    }

    /// Accepts the CONNECT with the Session that the host has for the Client.
    pub(crate) fn accept_client(
        &mut self,
        properties: &[Property<'_>],
    ) -> Result<Lines, SendError> {
        let session = self.found.clone();
        self.machine.accept(self.now, session, properties)?;
        self.found = None;
        Ok(self.settle())
    }

    pub(crate) fn refuse_client(
        &mut self,
        code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<Lines, SendError> {
        self.machine.refuse(self.now, code, properties)?;
        Ok(self.settle())
    }

    pub(crate) fn authenticate(&mut self, properties: &[Property<'_>]) -> Result<Lines, SendError> {
        self.machine.authenticate(properties)?;
        Ok(self.settle())
    }

    pub(crate) fn try_disconnect(
        &mut self,
        code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<Lines, SendError> {
        self.machine.disconnect(self.now, code, properties)?;
        Ok(self.settle())
    }

    pub(crate) fn acknowledge_subscribe(
        &mut self,
        identifier: u16,
        codes: &[ReasonCode],
        properties: &[Property<'_>],
    ) -> Result<Lines, SendError> {
        let identifier = make::id(identifier);
        self.machine
            .acknowledge_subscribe(self.now, identifier, codes, properties)?;
        Ok(self.settle())
    }

    pub(crate) fn acknowledge_unsubscribe(
        &mut self,
        identifier: u16,
        codes: &[ReasonCode],
        properties: &[Property<'_>],
    ) -> Result<Lines, SendError> {
        let identifier = make::id(identifier);
        self.machine
            .acknowledge_unsubscribe(self.now, identifier, codes, properties)?;
        Ok(self.settle())
    }
}

/// How many Will Messages were handed out.
pub(crate) fn wills(said: &[String]) -> usize {
    said.iter().filter(|line| line.starts_with("will ")).count()
}

pub(crate) fn data(data: &[u8]) -> Property<'_> {
    Property::AuthenticationData(Binary::new(data).expect("short"))
}

/// The line of an AUTH from the Client.
pub(crate) fn asked(code: ReasonCode, method: &str, bytes: &[u8]) -> String {
    let method = Property::AuthenticationMethod(make::text(method));
    format!("authentication {code:?} {method:?} {:?}", data(bytes))
}

/// Looks at the CONNACK that was written last.
pub(crate) fn with_connack<T>(driver: &Driver, look: impl FnOnce(ConnAck<'_>) -> T) -> T {
    let mut rest = &driver.wire[..];
    let mut last = None;
    while let Ok(Split::Packet { packet, rest: more }) = split(rest, LARGEST_PACKET) {
        rest = more;
        if let Ok(Packet::ConnAck(connack)) = packet.decode_from(version(), Role::Server) {
            last = Some(connack);
        }
    }
    look(last.expect("a CONNACK"))
}
