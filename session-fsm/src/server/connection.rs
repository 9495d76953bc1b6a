//! The Server's side of a Network Connection without a Session: the caller lends one for each call.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::num::NonZeroU64;

use mqtt5_codec::Wire;
use mqtt5_codec::framing::{FixedHeader, Piece, RawPacket};
use mqtt5_codec::{
    DecodeError, Disconnect, Packet, PacketType, Property, Protocol, ProtocolVersion, Publish, Qos,
    ReasonCode, Role,
};

use super::ServerConfig;
use super::handshake::Handshake;
use super::requests::Requests;
use crate::bandwidth::AliasSavings;
use crate::connection::incoming::{Side, Taken};
use crate::connection::{Connection, Handled, Liveness, Phase, Question, Timeouts};
use crate::error::{PublishError, SendError};
use crate::event::{Cause, Event, Output};
#[cfg(mqtt5_faults)]
use crate::session::Life;
use crate::session::{Publication, RefusedPublication, Session, WithdrawError};
use crate::{
    Instant, Limits, NotTaken, PeerError, ProtocolVersions, Receipt, SessionViolation, Token,
};

/// The Server's side of one Network Connection, for a broker that owns all Sessions itself and
/// lends one to the connection for each call. [`Server`](crate::Server) is a connection and a
/// Session in one value.
///
/// Lend no Session before [`Lent::accept`]. From then on, lend the Session that was accepted, for
/// every call, until the connection is over or [`Lent::leave`] was called. Another Session leads to
/// results that the standard does not define, but not to a panic.
///
/// A Session without a connection has calls of its own: [`Session::poll`],
/// [`Session::next_timeout`], [`Session::handle_timeout`].
///
/// ```
/// use mqtt5_session_fsm::codec::{Connect, ProtocolVersion, Text};
/// use mqtt5_session_fsm::{Event, Instant, ServerConfig, ServerConnection, Session, SessionConfig};
///
/// let now = Instant::ORIGIN;
/// let mut bytes = Vec::new();
/// Connect { client_identifier: Text::new("pump")?, ..Connect::default() }.encode(ProtocolVersion::V5_0, &mut bytes)?;
///
/// let mut connection = ServerConnection::new(now, &ServerConfig::default());
/// // The event borrows from the connection, so the lending must last as long as the event.
/// let mut lent = connection.lend(None);
/// let event = lent.receive(now, &mut &bytes[..]);
/// let Some(Event::Connect(connect)) = event else { panic!() };
/// let client_identifier = connect.client_identifier.as_str();
///
/// // Of a million, the one of this Client.
/// let mut session = Session::of_server(client_identifier, SessionConfig::default());
/// connection.lend(Some(&mut session)).accept(now, &[])?;
/// assert_eq!(connection.lend(Some(&mut session)).poll(now, &mut bytes), None); // CONNACK
/// assert!(session.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerConnection {
    pub(super) connection: Connection,
    pub(super) versions: ProtocolVersions,
    pub(super) unanswered_requests: u16,
    pub(super) handshake: Option<Box<Handshake>>,
    pub(super) requests: Requests,
    /// Seconds; 0 is off.
    pub(super) keep_alive: u16,
    /// The Session Expiry Interval of the CONNECT packet, in seconds, whatever the CONNACK says.
    pub(super) connect_expiry: u32,
}

/// A [`ServerConnection`] together with the Session that the caller lends.
#[derive(Debug)]
pub struct Lent<'a> {
    pub(super) server: &'a mut ServerConnection,
    pub(super) session: Option<&'a mut Session>,
}

impl ServerConfig {
    pub(crate) fn timeouts(&self) -> Arc<Timeouts> {
        Arc::new(Timeouts {
            opening: self.connect_timeout.into(),
            authentication: self.authentication_timeout.into(),
            ..Timeouts::new(self.packet)
        })
    }
}

impl ServerConnection {
    /// Creates the Server's side of a Network Connection that has just begun.
    /// [`ServerConfig::session`] is not used.
    #[must_use]
    pub fn new(now: Instant, config: &ServerConfig) -> Self {
        ServerConnection::with_shared(now, config, config.timeouts())
    }

    /// As [`ServerConnection::new`], with what [`ServerConfig::timeouts`] has returned.
    pub(crate) fn with_shared(
        now: Instant,
        config: &ServerConfig,
        timeouts: Arc<Timeouts>,
    ) -> Self {
        let liveness = Liveness::new(timeouts);
        let mut connection = Connection::new(Role::Server, config.topic_aliases, liveness);
        connection.begin(now);
        // The Client owes a CONNECT without being asked.
        connection.liveness.question = Question::Written(now);
        connection.own = Limits {
            // These cannot be 0.
            receive_maximum: config.limits.receive_maximum.max(1),
            maximum_packet_size: config.limits.maximum_packet_size.max(1),
            ..config.limits
        };
        connection.topic_alias_bytes = u32::try_from(config.topic_alias_bytes).unwrap_or(u32::MAX);
        connection.maximum_connect_size = config.maximum_connect_size;
        ServerConnection {
            unanswered_requests: config.unanswered_requests,
            versions: config.versions,
            connection,
            handshake: None,
            requests: Requests::default(),
            keep_alive: 0,
            connect_expiry: 0,
        }
    }

    /// Lends a Session to the connection, for one call.
    #[inline]
    pub const fn lend<'a>(&'a mut self, session: Option<&'a mut Session>) -> Lent<'a> {
        Lent {
            server: self,
            session,
        }
    }

    /// Returns whether the CONNECT was accepted and the connection is not closing.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_open()
    }

    /// Returns what the Client announced in its CONNECT; [`Limits::NONE`] before.
    #[must_use]
    pub const fn client_limits(&self) -> &Limits {
        &self.connection.peer
    }

    /// Returns the limits that the Client must keep to: those of the CONNACK, and before it
    /// [`ServerConfig::limits`].
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.connection.own
    }

    /// Returns the Keep Alive in force, in seconds; 0 is off.
    #[must_use]
    pub const fn keep_alive(&self) -> u16 {
        self.keep_alive
    }

    /// Returns the version that the Client speaks; [`ProtocolVersion::V5_0`] before its CONNECT.
    #[must_use]
    pub const fn version(&self) -> ProtocolVersion {
        self.connection.version
    }

    /// Whether a message of this size would be in flight at once. One that is too large for the
    /// Session has its turn when there is no other one, and is dropped then.
    #[cfg(feature = "persistence")]
    pub(crate) fn takes_at_once(&self, session: &Session, size: usize) -> bool {
        let window = self.connection.window();
        session.waiting() == 0
            && (session.takes_at_once(window, size)
                || session.in_flight() == 0 && session.takes_at_once(window, 1))
    }

    /// Whether a CONNECT has come that was not accepted.
    pub(super) const fn has_connect(&self) -> bool {
        self.handshake.is_some()
    }

    /// Whether it is the caller's turn to accept, to refuse, or to ask for authentication.
    pub(super) fn is_deciding(&self) -> bool {
        self.handshake.as_ref().is_some_and(|it| it.deciding)
    }
}

machine_methods!(Lent<'_>);

impl Lent<'_> {
    #[inline(always)]
    const fn connection(&self) -> &Connection {
        &self.server.connection
    }

    #[inline(always)]
    pub(super) fn parts(&mut self) -> (&mut Connection, Option<&mut Session>) {
        (&mut self.server.connection, self.session.as_deref_mut())
    }

    /// The side that takes packets.
    #[inline(always)]
    const fn side(&mut self) -> &mut Self {
        self
    }

    fn receive_disconnect<'p>(&mut self, now: Instant, disconnect: Disconnect<'p>) -> Handled<'p> {
        if let Some(session) = self.session.as_deref_mut() {
            match disconnect.properties.session_expiry_interval() {
                Some(1..)
                    if fault!(
                        "DISCONNECT judged by the expiry in force",
                        self.server.connect_expiry == 0,
                        session.life == Life::Connected(0)
                    ) =>
                {
                    return Err(SessionViolation::SessionExpiryRaised);
                }
                Some(seconds) => session.change_expiry(seconds),
                None => {}
            }
            // [MQTT-3.14.4-3] [MQTT3-3.14.4-3]
            let is_normal = disconnect.reason_code == ReasonCode::NORMAL_DISCONNECTION;
            if fault!("MQTT-3.14.4-3", is_normal, false)
                || fault!("any DISCONNECT deletes the Will")
            {
                session.delete_will();
            }
        }
        let cause = Cause::PeerDisconnected(disconnect.reason_code);
        self.close(now, cause, false);
        Ok(Some(Event::Disconnect(disconnect)))
    }

    /// As [`Server::disconnect`](crate::Server::disconnect).
    ///
    /// # Errors
    ///
    /// As [`Server::disconnect`](crate::Server::disconnect).
    pub fn disconnect(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let connection = &mut self.server.connection;
        if !connection.is_open() {
            return Err(SendError::NotConnected);
        }
        connection.send_disconnect(reason_code, properties)?;
        // Also after a re-authentication that fails [MQTT-4.12.1-2], and after any error
        // [MQTT-4.13.2-1].
        // In MQTT 3.1.1: [MQTT3-3.14.4-1].
        if !fault!("MQTT-3.14.4-2") {
            self.close(now, Cause::Disconnected(reason_code), true);
        }
        Ok(())
    }

    /// Separates the Session from the connection; do not lend it here again. It may go to the
    /// Client's next connection, or be kept alone. A connection that still exists, and is not
    /// closing, counts as lost: close it, as no [`Output::Close`] follows. After
    /// [`Lent::disconnect`], [`Lent::poll`] must still be called.
    ///
    /// Events that the Session has not reported yet are reported by [`Session::poll`], or by the
    /// next connection. Packets that depend on a change which was not announced are not written
    /// here any more.
    pub fn leave(&mut self, now: Instant) {
        if !matches!(self.server.connection.phase, Phase::Closing(_)) {
            self.connection_lost(now);
        }
        if self.session.as_deref().is_some_and(Session::has_changes) {
            self.server.connection.keep_farewell();
        }
    }

    /// Reports that the Network Connection is lost. Call `poll` afterwards. After
    /// [`Output::Close`], this call does nothing.
    pub fn connection_lost(&mut self, now: Instant) {
        self.server.forget();
        self.server
            .connection
            .lost(self.session.as_deref_mut(), now);
    }

    /// Closes the Network Connection without a packet, unless it is being closed.
    #[cfg(feature = "persistence")]
    pub(crate) fn abandon(&mut self, now: Instant, cause: Cause) {
        if !self.connection().is_over() {
            self.close(now, cause, false);
        }
    }

    pub(super) fn close(&mut self, now: Instant, cause: Cause, flush: bool) {
        self.server.forget();
        self.server
            .connection
            .close(self.session.as_deref_mut(), now, cause, flush);
    }
}

impl ServerConnection {
    /// The connection is over: requests will not be answered.
    fn forget(&mut self) {
        self.handshake = None;
        self.requests.clear();
    }
}

impl Side for Lent<'_> {
    const PEER: Role = Role::Client;

    #[inline(always)]
    fn connection(&self) -> &Connection {
        &self.server.connection
    }

    #[inline(always)]
    fn parts(&mut self) -> (&mut Connection, Option<&mut Session>) {
        Lent::parts(self)
    }

    fn is_deciding(&self) -> bool {
        self.server.is_deciding()
    }

    fn ends_session(&mut self, _: &Packet<'_>) -> bool {
        false
    }

    fn other_version(&self, _: &RawPacket<'_>) -> Option<Packet<'static>> {
        None
    }

    fn has_connect(&self) -> bool {
        self.server.has_connect()
    }

    fn opening<'p>(&mut self, now: Instant, packet: &Packet<'p>) -> Handled<'p> {
        self.step_opening(now, packet)
    }

    fn open<'p>(&mut self, now: Instant, packet: &Packet<'p>) -> Handled<'p> {
        match *packet {
            // [MQTT3-3.12.4-1]
            Packet::PingReq if fault!("MQTT-3.12.4-1") => Ok(None),
            // [MQTT3-3.1.0-2]
            Packet::Connect(_) if fault!("MQTT-3.1.0-2") => Ok(None),
            Packet::PingReq => {
                let (connection, session) = self.parts();
                if let Some(session) = session {
                    connection.shrink(session);
                }
                connection.send_ping(PacketType::PingResp);
                Ok(None)
            }
            Packet::Subscribe(subscribe) => self.receive_subscribe(now, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.receive_unsubscribe(now, unsubscribe),
            Packet::Disconnect(disconnect) => self.receive_disconnect(now, disconnect),
            Packet::Auth(auth) => self.receive_auth(auth),
            // A packet that only a Server sends was refused at its first byte.
            _ => Ok(None),
        }
    }

    fn malformed(&mut self, now: Instant, error: DecodeError) {
        let connection = &self.server.connection;
        if connection.is_over() {
            return;
        }
        // [MQTT3-3.1.4-1]
        if connection.phase == Phase::Opening && fault!("MQTT-3.1.4-1") {
            return;
        }
        if connection.phase == Phase::Opening {
            if let Some(Packet::ConnAck(connack)) = error.answer(Role::Server, false) {
                // In the form that the peer understands.
                self.server.connection.version = error.version();
                let cause = Cause::PeerError(error.into());
                self.refuse_with(now, connack.reason_code, &[], cause);
                return;
            }
        }
        self.fail(now, PeerError::Packet(error));
    }

    fn too_large(&mut self, now: Instant, error: DecodeError, input: &[u8]) -> Taken<'static> {
        if self.has_connect() {
            // An AUTH, which only MQTT 5 has.
            self.malformed(now, error.sent_by(Self::PEER));
            return Taken::Nothing;
        }
        let protocol = Protocol::peek(input);
        if protocol.is_none() && input.len() < protocol_within(input) {
            return Taken::Incomplete;
        }
        let version = protocol.and_then(Protocol::version);
        let error = error.in_version(version.unwrap_or_default());
        let error = PeerError::from(error.sent_by(Self::PEER));
        if version == Some(ProtocolVersion::V5_0) {
            let cause = Cause::PeerError(error);
            self.refuse_with(now, ReasonCode::PacketTooLarge, &[], cause);
        } else {
            // [MQTT3-3.1.4-1]
            self.fail(now, error);
        }
        Taken::Nothing
    }

    fn fail(&mut self, now: Instant, error: PeerError) {
        self.server.forget();
        self.server
            .connection
            .fail(self.session.as_deref_mut(), now, error);
    }
}

/// How many bytes of a CONNECT it takes at most to see its Protocol Level, if its Protocol Name is MQTT.
fn protocol_within(input: &[u8]) -> usize {
    const NAME_AND_LEVEL: usize = b"\0\x04MQTT\x05".len();
    match FixedHeader::peek(input) {
        Ok(Some(header)) => header.packet_size().min(header.length() + NAME_AND_LEVEL),
        _ => 0,
    }
}
