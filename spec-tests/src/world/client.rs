//! The Client's host.

use mqtt5_session_fsm::codec::{Connect, Properties, Property, Text};
use mqtt5_session_fsm::{
    Acknowledgement, Client, ClientConfig, Instant, Limits, Server, ServerConfig, Session,
    SessionConfig, StoredLimits, TopicAliases, WaitingLimits, WhenFull,
};
use std::num::{NonZeroU16, NonZeroU32};

use super::SessionWorld;
use super::aged::aged_session;
use super::announced::{Variant, announced};
use super::application::{Side, Undecided, violation};
use super::config::Config;
use super::describe::{Words, packets};
use super::forecast::{Census, Fate};
use super::host::At;
use super::link::Link;
use super::points::Monitor;
use super::storage::Disk;
use crate::explore::{Turn, Violation};

#[derive(Clone, Debug, Hash)]
pub(super) struct ClientHost {
    pub(super) machine: Client,
    pub(super) inbox: Vec<u8>,
    pub(super) clock: Instant,
    pub(super) undecided: Vec<Undecided>,
    pub(super) disk: Disk,
}

/// The ClientID.
pub(super) const NAME: &str = "c";

impl Config {
    /// How Sessions of this world work.
    pub(super) fn session(&self) -> SessionConfig {
        SessionConfig {
            in_flight: self.in_flight,
            stored: StoredLimits {
                messages: self.stored,
                bytes: self.stored_bytes as usize,
            },
            waiting: WaitingLimits {
                messages: self.waiting,
                bytes: self.waiting_bytes as usize,
                when_full: match self.when_full {
                    0 => WhenFull::Refuse,
                    1 => WhenFull::DropOldestQos0,
                    _ => WhenFull::DropOldest,
                },
            },
            acknowledgement: if self.manual > 0 {
                Acknowledgement::Manual
            } else {
                Acknowledgement::Automatic
            },
            persistent: self.is_persistent(),
        }
    }

    /// How the Client works.
    pub(super) fn client(&self) -> ClientConfig {
        ClientConfig {
            topic_aliases: self.use_of_aliases(),
            early_packets: self.early,
            packet: self.packet_timeouts(),
            ..ClientConfig::default()
        }
    }

    fn server(&self, limits: Limits) -> ServerConfig {
        ServerConfig {
            limits,
            session: self.session(),
            topic_aliases: self.use_of_aliases(),
            packet: self.packet_timeouts(),
            ..ServerConfig::default()
        }
    }

    fn use_of_aliases(&self) -> TopicAliases {
        match self.aliases {
            0 => TopicAliases::Off,
            _ => TopicAliases::Automatic(NonZeroU16::MIN),
        }
    }
}

impl ClientHost {
    pub(super) fn new(config: &Config) -> Self {
        let session = match config.aged {
            0 => Session::of_client(config.session()),
            _ => aged_session(Side::Client, config),
        };
        ClientHost {
            disk: Disk::new(&session, config.client_crashes > 0),
            machine: Client::new(config.client(), session),
            inbox: Vec::new(),
            clock: Instant::ORIGIN,
            undecided: Vec::new(),
        }
    }
}

impl SessionWorld {
    /// The Client opens a connection, whether or not it has one.
    pub(super) fn connect(
        &mut self,
        clean_start: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let words = if clean_start {
            "connects with Clean Start 1"
        } else {
            "connects"
        };
        turn.note(Side::Client.lane(), words);
        self.hang_up(turn);
        if clean_start {
            self.left.clean_starts -= 1;
            self.lost_session = true;
        }
        let config = self.config.0.clone();
        // What is sent for a new Session before the CONNACK is lost with the connection.
        self.lost_session |= config.early > 0 && !self.client.machine.session().exists();
        let mut variant = Variant::Ordinary;
        if config.limits_change() {
            variant = turn.pick(&config.choices_of_limits());
            turn.note(
                Side::Client.lane(),
                format_args!("(this connection has {})", variant.name()),
            );
        }
        let limits = [Side::Client, Side::Server].map(|side| announced(&config, side, variant));
        let own = &limits[Side::Client as usize];
        let mut list = vec![Property::SessionExpiryInterval(config.expiry)];
        if let Some(window) = NonZeroU16::new(own.receive_maximum) {
            list.push(Property::ReceiveMaximum(window));
        }
        if own.maximum_packet_size < Limits::NONE.maximum_packet_size {
            list.extend(NonZeroU32::new(own.maximum_packet_size).map(Property::MaximumPacketSize));
        }
        if own.topic_alias_maximum > 0 {
            list.push(Property::TopicAliasMaximum(own.topic_alias_maximum));
        }
        let connect = Connect {
            clean_start,
            keep_alive: config.keep_alive,
            client_identifier: Text::new(NAME).expect("a good name"),
            properties: Properties::new(&list).expect("good properties"),
            ..Connect::default()
        };
        let session = self.client.machine.session();
        let census = session.exists().then(|| Census::of(session));
        let now = self.client.clock;
        let answer = self.client.machine.connect(now, &connect);
        answer.map_err(|error| violation(Monitor::FirstPacket, error.to_string()))?;
        let session = self.client.machine.session();
        if let Some(census) = census.filter(|_| !session.exists()) {
            census.befell(Fate::Discard, Some(session), turn)?;
            // Its end came while a CONNECT waited for room.
            self.lost_session |= config.is_absent();
        }
        let of_server = limits[Side::Server as usize];
        let server = Server::new(self.server.clock, config.server(of_server));
        let clocks = match config.ticks {
            0 => [Instant::ORIGIN; 2],
            _ => [self.client.clock, self.server.clock],
        };
        self.links
            .push(Link::new(server, self.has_connected, limits, clocks));
        self.has_connected = true;
        self.drain(At::Client, turn)
    }

    /// The Client's host lets go of its connection; what was under way to it is lost.
    fn hang_up(&mut self, turn: &mut Turn<'_>) {
        self.client.inbox.clear();
        for link in &mut self.links {
            if std::mem::take(&mut link.has_client) {
                let pipe = std::mem::take(link.pipe_to(Side::Client));
                for (packet, _) in packets(&pipe, Side::Server.role()) {
                    let (from, to) = (Side::Server.lane(), Side::Client.lane());
                    turn.log().lost(from, to, Words(&packet));
                }
            }
        }
        self.forget_undecided(Side::Client);
    }

    /// The Client's machine has closed its connection.
    pub(super) fn client_left(&mut self, turn: &mut Turn<'_>) {
        self.hang_up(turn);
    }

    /// The Client notices that its connection is gone.
    pub(super) fn client_lost(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.hang_up(turn);
        let census = Census::of(self.client.machine.session());
        let existed = self.client.machine.session().exists();
        self.client.machine.connection_lost(self.client.clock);
        self.note_end(existed, &census, At::Client, turn)?;
        self.drain(At::Client, turn)
    }

    /// Its Session may have ended with the connection.
    pub(super) fn note_end(
        &mut self,
        existed: bool,
        census: &Census,
        at: At,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let session = self.session(at.side());
        if existed && session.is_none_or(|it| !it.exists()) {
            census.befell(Fate::Discard, session, turn)?;
            self.lost_session = true;
        }
        Ok(())
    }

    /// The Client's clock jumps to the end of its Session.
    pub(super) fn expire_client(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.lost_session = true;
        let session = self.client.machine.session();
        let census = Census::of(session);
        let ends_at = session.next_timeout();
        if ends_at != Instant::NEVER {
            self.client.clock = self.client.clock.max(ends_at);
        }
        self.client.machine.handle_timeout(self.client.clock);
        let session = self.client.machine.session();
        if !session.exists() {
            census.befell(Fate::Discard, Some(session), turn)?;
        }
        self.drain(At::Client, turn)
    }

    /// The Client's host crashes, and starts again from what it stored.
    pub(super) fn restart_client(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.hang_up(turn);
        let config = self.config.0.session();
        let session = self.client.disk.load(self.client.clock, config, turn)?;
        if let Some(session) = session {
            self.client.machine = Client::new(self.config.0.client(), session);
        }
        self.drain(At::Client, turn)
    }
}
