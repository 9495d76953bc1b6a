//! What a Client and a Server have in common, apart from how packets reach them.

use mqtt5_session_fsm::codec::{Properties, Property, Publish, ReasonCode, Role};
use mqtt5_session_fsm::{
    Client, ClientConfig, Instant, Limits, Output, Publication, PublishError, Receipt,
    RefusedPublication, SendError, Server, ServerConfig, Session, SessionConfig, Token,
    TopicAliases, WithdrawError,
};

use super::driver::{Driver, Lines, connect_with};
use super::make;
use crate::entrance::Entrance;
use crate::version::is_3_1_1;

/// The configuration that both machines have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) session: SessionConfig,
    pub(crate) topic_aliases: TopicAliases,
}

/// A Client or a Server.
pub(crate) trait Machine: Entrance + Clone {
    const ROLE: Role;

    type Config: Copy;

    fn config(settings: Settings) -> Self::Config;

    /// One that is not connected.
    fn new(now: Instant, config: &Self::Config, session: SessionConfig) -> Self;

    /// Opens a Network Connection, up to the CONNACK. `own` is what this side announces, `peer` what the other side does.
    /// Returns the lines that do not belong to the handshake.
    fn open(
        driver: &mut Driver<Self>,
        own: &[Property<'_>],
        session_present: bool,
        peer: &[Property<'_>],
    ) -> Lines;

    fn is_connected(&self) -> bool;
    fn session(&self) -> &Session;
    fn peer_limits(&self) -> &Limits;
    /// Takes the Session out if the host of this machine keeps it between connections.
    fn take_session(&mut self, now: Instant) -> Option<Session>;
    /// The Maximum Packet Size of this side. `announced` is that of a Client's CONNECT.
    fn maximum_packet_size(&self, announced: u32) -> u32;

    fn connection_lost(&mut self, now: Instant);
    fn publish(
        &mut self,
        now: Instant,
        publication: Publication,
    ) -> Result<Token, RefusedPublication>;
    fn publish_now(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        wire: &mut Vec<u8>,
    ) -> Result<(), PublishError>;
    fn withdraw(&mut self, token: Token) -> Result<(), WithdrawError>;
    fn acknowledge_with(
        &mut self,
        receipt: Receipt,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError>;
    fn disconnect(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError>;
    fn poll(
        &mut self,
        now: Instant,
        wire: &mut dyn mqtt5_session_fsm::codec::bytes::BufMut,
    ) -> Option<Output>;
    fn next_timeout(&self) -> Instant;
    fn handle_timeout(&mut self, now: Instant);
}

/// The methods that have the same name and signature.
macro_rules! alike {
    ($machine:ident) => {
        fn is_connected(&self) -> bool {
            $machine::is_connected(self)
        }

        fn connection_lost(&mut self, now: Instant) {
            $machine::connection_lost(self, now);
        }

        fn publish(
            &mut self,
            now: Instant,
            publication: Publication,
        ) -> Result<Token, RefusedPublication> {
            $machine::publish(self, now, publication)
        }

        fn publish_now(
            &mut self,
            now: Instant,
            publish: &Publish<'_>,
            wire: &mut Vec<u8>,
        ) -> Result<(), PublishError> {
            $machine::publish_now(self, now, publish, wire)
        }

        fn withdraw(&mut self, token: Token) -> Result<(), WithdrawError> {
            $machine::withdraw(self, token)
        }

        fn acknowledge_with(
            &mut self,
            receipt: Receipt,
            reason_code: ReasonCode,
            properties: &[Property<'_>],
        ) -> Result<(), SendError> {
            $machine::acknowledge_with(self, receipt, reason_code, properties)
        }

        fn disconnect(
            &mut self,
            now: Instant,
            reason_code: ReasonCode,
            properties: &[Property<'_>],
        ) -> Result<(), SendError> {
            $machine::disconnect(self, now, reason_code, properties)
        }

        fn poll(
            &mut self,
            now: Instant,
            wire: &mut dyn mqtt5_session_fsm::codec::bytes::BufMut,
        ) -> Option<Output> {
            $machine::poll(self, now, wire)
        }

        fn next_timeout(&self) -> Instant {
            $machine::next_timeout(self)
        }

        fn handle_timeout(&mut self, now: Instant) {
            $machine::handle_timeout(self, now);
        }
    };
}

/// Adds a Session Expiry Interval of "never", unless the list has one.
fn lasting<'a>(list: &[Property<'a>]) -> Vec<Property<'a>> {
    let says = |property: &Property<'_>| matches!(property, Property::SessionExpiryInterval(_));
    let interval = Property::SessionExpiryInterval(u32::MAX);
    let mut all = Vec::from(list);
    if !list.iter().any(says) {
        all.insert(0, interval);
    }
    all
}

impl Machine for Client {
    const ROLE: Role = Role::Client;

    type Config = ClientConfig;

    fn config(settings: Settings) -> ClientConfig {
        ClientConfig {
            topic_aliases: settings.topic_aliases,
            ..ClientConfig::default()
        }
    }

    fn new(_: Instant, config: &ClientConfig, session: SessionConfig) -> Client {
        Client::new(*config, Session::of_client(session))
    }

    fn open(
        driver: &mut Driver<Client>,
        own: &[Property<'_>],
        session_present: bool,
        peer: &[Property<'_>],
    ) -> Lines {
        driver.reconnect(&lasting(own), session_present, peer)
    }

    fn session(&self) -> &Session {
        Client::session(self)
    }

    fn peer_limits(&self) -> &Limits {
        self.server_limits()
    }

    fn take_session(&mut self, _: Instant) -> Option<Session> {
        None
    }

    fn maximum_packet_size(&self, announced: u32) -> u32 {
        announced
    }

    alike!(Client);
}

impl Machine for Server {
    const ROLE: Role = Role::Server;

    type Config = ServerConfig;

    fn config(settings: Settings) -> ServerConfig {
        ServerConfig {
            session: settings.session,
            topic_aliases: settings.topic_aliases,
            ..ServerConfig::default()
        }
    }

    fn new(now: Instant, config: &ServerConfig, _: SessionConfig) -> Server {
        Server::new(now, *config)
    }

    fn open(
        driver: &mut Driver<Server>,
        own: &[Property<'_>],
        session_present: bool,
        peer: &[Property<'_>],
    ) -> Lines {
        let mut config = driver.config;
        for property in own {
            match *property {
                Property::ReceiveMaximum(maximum) => config.limits.receive_maximum = maximum.get(),
                Property::MaximumPacketSize(size) => config.limits.maximum_packet_size = size.get(),
                Property::TopicAliasMaximum(n) => config.limits.topic_alias_maximum = n,
                other => panic!("nothing that both sides announce: {other:?}"),
            }
        }
        driver.begin(Server::new(driver.now, config));
        let list = lasting(peer);
        // Clean Session 1 would be the end of the Session, too.
        let ends = list.contains(&Property::SessionExpiryInterval(0));
        let connect = mqtt5_session_fsm::codec::Connect {
            clean_start: if is_3_1_1() { ends } else { !session_present },
            properties: Properties::new(&list).unwrap(),
            ..connect_with(&[])
        };
        driver.announce(peer);
        assert_eq!(driver.feed(&make::bytes(connect)), ["connect \"c\""]);
        let mut said = driver.accept_client(&[]).expect("a good CONNECT");
        let connack = said.iter().position(|it| it.starts_with("> CONNACK"));
        let connack = connack.unwrap_or_else(|| panic!("not accepted: {said:?}"));
        let present = said.remove(connack).starts_with("> CONNACK present");
        assert_eq!(present, session_present);
        said
    }

    fn session(&self) -> &Session {
        Server::session(self).expect("connected")
    }

    fn peer_limits(&self) -> &Limits {
        self.client_limits()
    }

    fn take_session(&mut self, now: Instant) -> Option<Session> {
        Server::take_session(self, now)
    }

    fn maximum_packet_size(&self, _: u32) -> u32 {
        self.limits().maximum_packet_size
    }

    alike!(Server);
}
