//! The Client: CONNECT, Keep Alive, subscriptions, authentication, disconnection.

mod early;
mod handshake;
mod liveness;
mod requests;

use alloc::sync::Arc;
use core::num::NonZeroU64;
use core::time::Duration;

use mqtt5_codec::Wire;
use mqtt5_codec::framing::{Piece, RawPacket};
use mqtt5_codec::{DecodeError, Packet, Property, Publish, Qos, ReasonCode, Role};

use self::early::EarlyRequests;
use self::handshake::Handshake;
use crate::bandwidth::AliasSavings;
use crate::connection::incoming::Side;
use crate::connection::{
    Connection, Handled, Liveness, PacketTimeouts, Phase, Timeouts, TopicAliases,
};
use crate::error::{PublishError, SendError};
use crate::event::{Cause, Event, Output};
use crate::session::{Publication, RefusedPublication, Session, WithdrawError};
use crate::{Instant, Limits, NotTaken, PeerError, Receipt, Token};

/// How a [`Client`] works, beside what is in its CONNECT packets.
///
/// A timeout of more than 49 days never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    /// How long to wait for the CONNACK, or for the next AUTH before it. The time begins with the
    /// `poll` that writes the CONNECT or the AUTH, and anew with each byte that arrives. Default:
    /// 10 seconds.
    pub connack_timeout: Duration,
    /// How long to wait for a PINGRESP. The time begins with the `poll` that writes the PINGREQ,
    /// and anew with each byte that arrives. Default: 10 seconds.
    pub pingresp_timeout: Duration,
    /// How long to wait for each AUTH of the Server in re-authentication (section 4.12.1). The time
    /// begins with the `poll` that writes this side's AUTH. Default: 30 seconds, as the Server may
    /// have to ask other systems.
    pub authentication_timeout: Duration,
    /// How long to wait for a SUBACK or UNSUBACK. The time begins with the `poll` that writes the
    /// request. When it has passed, the outcome is
    /// [`Outcome::TimedOut`](crate::Outcome::TimedOut), and the connection goes on. The Packet
    /// Identifier stays in use until the answer comes or the connection ends. Default: 30 seconds.
    pub request_timeout: Duration,
    /// How long a packet may take. Default: [`PacketTimeouts::default`].
    pub packet: PacketTimeouts,
    /// How much earlier than the Keep Alive demands a PINGREQ is sent, so that a timer that fires
    /// late breaks no rule. At most half of the Keep Alive is used. Default: 250 milliseconds.
    pub ping_margin: Duration,
    /// How Topic Aliases are used for messages that name none. Default: [`TopicAliases::Off`].
    pub topic_aliases: TopicAliases,
    /// How many packets PUBLISH, SUBSCRIBE and UNSUBSCRIBE may be sent before the CONNACK, which
    /// saves a round trip (section 3.1.4). Default: 0.
    ///
    /// They are sent with Clean Start 1, so that no Session can go on, and without an
    /// Authentication Method, which forbids them \[MQTT-3.1.2-30\]. The Server's limits are not
    /// known yet: a packet that exceeds one is a Protocol Error and ends the connection. If the
    /// Session is [`persistent`](crate::SessionConfig::persistent), messages with QoS 1 and 2 wait
    /// for the CONNACK all the same.
    ///
    /// If the CONNACK refuses, the Server has processed none of the packets, and each ends as
    /// [`Outcome::NotSent`](crate::Outcome::NotSent). If no CONNACK comes, each ends as
    /// [`Outcome::Indeterminate`](crate::Outcome::Indeterminate), and messages with QoS 0 end as
    /// [`Outcome::Sent`](crate::Outcome::Sent).
    pub early_packets: u16,
    /// What to do in MQTT 3.1.1 if the Server has a Session for the ClientID, and this Client has
    /// none. Default: [`UnknownSession::GoOn`].
    pub unknown_session: UnknownSession,
    /// How many bytes the Topic Names of Topic Aliases may take in each direction. A Server that
    /// sets more is disconnected with 0x97; messages to it get no new alias. Default: 4 MiB, which
    /// is 64 bytes for each of 65,535 aliases.
    pub topic_alias_bytes: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            connack_timeout: Duration::from_secs(10),
            pingresp_timeout: Duration::from_secs(10),
            authentication_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            packet: PacketTimeouts::default(),
            ping_margin: Duration::from_millis(250),
            topic_aliases: TopicAliases::Off,
            early_packets: 0,
            unknown_session: UnknownSession::GoOn,
            topic_alias_bytes: 4 << 20,
        }
    }
}

/// What a Client of MQTT 3.1.1 does if the Server has a Session for its ClientID, and the Client has
/// none: Clean Session was 0, and Session Present is 1 (section 3.2.2.2 of MQTT 3.1.1). Usually its
/// process was started anew, and stores nothing.
///
/// Not in MQTT 5, where the Client must close the Network Connection \[MQTT-3.2.2-4\]. A
/// [`Client`] of MQTT 5 sends Clean Start 1 instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnknownSession {
    /// Goes on with the Session of the Server: its subscriptions, and the messages that waited for
    /// the Client. Messages that the Client had sent, and not seen acknowledged, are lost, and some
    /// of the Server's messages come again. [`Session::is_adopted`] says how the Packet Identifiers
    /// are kept apart. [`Event::Connected`] has Session Present 1.
    #[default]
    GoOn,
    /// Closes the Network Connection, with [`Cause::PeerError`]. To begin anew and keep the Session
    /// takes two connections: one with Clean Session 1 that is closed, and then one with 0.
    Close,
}

/// A Client: its [`Session`], and one Network Connection after the other.
///
/// See the [crate] for the contract of its methods.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// See [`ClientConfig`].
    early_packets: u16,
    ping_margin: Duration,
    unknown_session: UnknownSession,
    session: Session,
    connection: Connection,
    handshake: Handshake,
    early: EarlyRequests,
    /// Seconds; 0 is off.
    keep_alive: u16,
}

impl Client {
    /// Creates a Client without a Network Connection. The Session is new or restored.
    #[must_use]
    pub fn new(config: ClientConfig, session: Session) -> Self {
        let liveness = Liveness::new(Arc::new(Timeouts {
            opening: config.connack_timeout.into(),
            pingresp: config.pingresp_timeout.into(),
            authentication: config.authentication_timeout.into(),
            request: config.request_timeout.into(),
            ..Timeouts::new(config.packet)
        }));
        let mut connection = Connection::new(Role::Client, config.topic_aliases, liveness);
        connection.topic_alias_bytes = u32::try_from(config.topic_alias_bytes).unwrap_or(u32::MAX);
        Client {
            early_packets: config.early_packets,
            ping_margin: config.ping_margin,
            unknown_session: config.unknown_session,
            session,
            connection,
            handshake: Handshake::default(),
            early: EarlyRequests::default(),
            keep_alive: 0,
        }
    }

    /// Returns the Session.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the Session, to export it or to give it to another Client. A Network Connection that
    /// still exists counts as lost.
    #[must_use]
    pub fn into_session(mut self, now: Instant) -> Session {
        self.connection_lost(now);
        self.session
    }

    /// Returns what the Server announced in its CONNACK; [`Limits::NONE`] before.
    #[must_use]
    pub const fn server_limits(&self) -> &Limits {
        &self.connection.peer
    }

    /// Returns the Keep Alive in force, in seconds: the Server's, if it sent one (section
    /// 3.2.2.3.14); 0 is off.
    #[must_use]
    pub const fn keep_alive(&self) -> u16 {
        self.keep_alive
    }

    /// Reports that the Network Connection is lost, or could not be made. The Session goes on if
    /// its Session Expiry Interval allows. Call `poll` afterwards, and discard the buffers of both
    /// directions. After [`Output::Close`], this call does nothing.
    pub fn connection_lost(&mut self, now: Instant) {
        self.end_early(false);
        self.connection.lost(Some(&mut self.session), now);
    }

    fn close(&mut self, now: Instant, cause: Cause, flush: bool) {
        self.end_early(matches!(cause, Cause::Refused(_)));
        self.connection
            .close(Some(&mut self.session), now, cause, flush);
    }
}

machine_methods!(Client);

impl Client {
    #[inline(always)]
    pub(crate) const fn connection(&self) -> &Connection {
        &self.connection
    }

    #[inline(always)]
    pub(crate) const fn parts(&mut self) -> (&mut Connection, Option<&mut Session>) {
        (&mut self.connection, Some(&mut self.session))
    }

    /// The side that takes packets.
    #[inline(always)]
    const fn side(&mut self) -> &mut Self {
        self
    }
}

impl Side for Client {
    const PEER: Role = Role::Server;

    #[inline(always)]
    fn connection(&self) -> &Connection {
        &self.connection
    }

    #[inline(always)]
    fn parts(&mut self) -> (&mut Connection, Option<&mut Session>) {
        Client::parts(self)
    }

    fn is_deciding(&self) -> bool {
        false
    }

    fn ends_session(&mut self, packet: &Packet<'_>) -> bool {
        self.ends_known_session(packet)
    }

    fn other_version(&self, packet: &RawPacket<'_>) -> Option<Packet<'static>> {
        match self.connection.phase {
            Phase::Opening if !fault!("refusal of MQTT 3.1.1 is an error") => {
                let version = self.connection.version;
                packet
                    .refusal_in_other_version(version)
                    .map(Packet::ConnAck)
            }
            _ => None,
        }
    }

    fn identifiers_released(&mut self) {
        self.send_held();
    }

    fn has_connect(&self) -> bool {
        false
    }

    fn opening<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        self.step_opening(now, packet)
    }

    fn open<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        match *packet {
            // An unexpected PINGRESP does no harm.
            Packet::PingResp => Ok(self
                .connection
                .round_trip(now)
                .map(|round_trip| Event::PingResp { round_trip })),
            Packet::SubAck(suback) => self.receive_suback(suback),
            Packet::UnsubAck(unsuback) => self.receive_unsuback(unsuback),
            Packet::Disconnect(disconnect) => {
                let cause = Cause::PeerDisconnected(disconnect.reason_code);
                self.close(now, cause, false);
                Ok(Some(Event::Disconnect(disconnect)))
            }
            Packet::Auth(auth) => self.receive_auth(auth),
            // A packet that only a Client sends was refused at its first byte.
            _ => Ok(None),
        }
    }

    fn malformed(&mut self, now: Instant, error: DecodeError) {
        if !self.connection.is_over() {
            self.fail(now, PeerError::Packet(error));
        }
    }

    fn fail(&mut self, now: Instant, error: PeerError) {
        self.end_early(false);
        self.connection.fail(Some(&mut self.session), now, error);
    }
}
