//! The Client's host.

use mqtt5_session_fsm::codec::{Connect, Properties, Property, ProtocolVersion, Text};
use mqtt5_session_fsm::{
    Acknowledgement, Client, ClientConfig, Instant, Limits, Server, ServerConfig, Session,
    SessionConfig, StoredLimits, TopicAliases, WaitingLimits, WhenFull,
};
use std::num::{NonZeroU16, NonZeroU32};

use super::announced::{Variant, announced};
use super::application::{SIDES, Side};
use super::config::Config;
use super::coverage_points::Kind;
use super::link::Link;
use super::monitors::persistence::Disk;
use super::monitors::{Judged, Rule};
use super::shell::At;
use super::{SessionWorld, Split};
use crate::explore::Turn;

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

impl SessionWorld {
    /// The Client opens a connection, whether or not it has one.
    pub(super) fn connect(&mut self, clean_start: bool, turn: &mut Turn<'_>) -> Judged {
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
        self.lost_session |= config.early > 0 && !self.client.session().exists();
        let mut variant = Variant::Ordinary;
        if config.limits_change() {
            variant = turn.pick(&config.choices_of_limits());
            turn.note(
                Side::Client.lane(),
                format_args!("(this connection has {})", variant.name()),
            );
        }
        let mut version = config.versions()[0];
        if config.versions().len() > 1 {
            version = turn.pick(&config.versions());
        }
        let older = version == ProtocolVersion::V3_1_1;
        if older {
            turn.cover(Kind::OlderVersion.position());
        }
        let limits = SIDES.map(|side| announced(&config, side, variant));
        let own = &limits[Side::Client];
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
        if older {
            list.clear();
        }
        let connect = Connect {
            version,
            clean_start,
            keep_alive: config.keep_alive,
            client_identifier: Text::new(NAME).expect("a good name"),
            properties: Properties::new(&list).expect("good properties"),
            ..Connect::default()
        };
        let [now, servers_now] = SIDES.map(|side| self.now(side));
        let mut answer = Ok(());
        self.may_end(Side::Client, turn, |world| {
            answer = world.client.connect(now, &connect);
        })?;
        turn.demand(Rule::Calls, answer)?;
        let mut enforced = limits[Side::Server];
        if older {
            // The only limit that is enforced without being announced.
            enforced.maximum_packet_size = Limits::NONE.maximum_packet_size;
        }
        let server = Server::new(servers_now, config.server(enforced));
        let clocks = match config.ticks {
            0 => [Instant::ORIGIN; 2],
            _ => [now, servers_now],
        };
        // In MQTT 3.1.1 nothing is announced, so nothing is known of the other side's.
        let known = match older {
            true => [Limits::NONE; 2],
            false => limits,
        };
        let link = Link::new(version, server, self.has_connected, known, clocks);
        self.links.push(link);
        self.has_connected = true;
        self.drain(At::Client, turn)
    }

    /// The Client's host lets go of its connection, if it has one.
    pub(super) fn hang_up(&mut self, turn: &mut Turn<'_>) {
        if let Some(link) = self.clients_link() {
            self.let_go(link, Side::Client, turn);
        }
        self.forget_undecided(Side::Client);
    }

    /// The Client notices that its connection is gone.
    pub(super) fn client_lost(&mut self, turn: &mut Turn<'_>) -> Judged {
        self.hang_up(turn);
        let now = self.now(Side::Client);
        self.may_end(Side::Client, turn, |world| {
            world.client.connection_lost(now);
        })?;
        self.drain(At::Client, turn)
    }

    /// The Client's clock jumps to the end of its Session.
    pub(super) fn expire_client(&mut self, turn: &mut Turn<'_>) -> Judged {
        self.lost_session = true;
        let ends_at = self.client.session().next_timeout();
        let clock = &mut self.hosts[Side::Client].clock;
        if ends_at != Instant::NEVER {
            *clock = ends_at.max(*clock);
        }
        let now = *clock;
        self.may_end(Side::Client, turn, |world| {
            world.client.handle_timeout(now);
        })?;
        self.drain(At::Client, turn)
    }

    /// The Client's host crashes, and has nothing left.
    pub(super) fn lose_client(&mut self, turn: &mut Turn<'_>) -> Judged {
        turn.log()
            .fault("the client's host loses all that it stored");
        self.left.losses -= 1;
        self.hang_up(turn);
        self.lost_session = true;
        self.split = Split::Same;
        let fresh = Session::of_client(self.config.0.session());
        let host = &mut self.hosts[Side::Client];
        host.undecided.clear();
        host.disk = Disk::new(&fresh, self.config.0.may_crash(Side::Client));
        self.flows[Side::Client].sender_lost();
        self.flows[Side::Server].receiver_ended(self.config.0.has_older_version());
        self.client = Client::new(self.config.0.client(), fresh);
        self.drain(At::Client, turn)
    }

    /// The Client's host crashes, and starts again from what it stored.
    pub(super) fn restart_client(&mut self, turn: &mut Turn<'_>) -> Judged {
        self.hang_up(turn);
        if let Some(session) = self.load(Side::Client, turn)? {
            self.client = Client::new(self.config.0.client(), session);
        }
        self.drain(At::Client, turn)
    }
}
