//! The Server: one Network Connection, and the Session of its Client.

mod connection;
mod handshake;
mod liveness;
mod requests;

use core::num::NonZeroU64;
use core::time::Duration;

use mqtt5_codec::Wire;
use mqtt5_codec::framing::{Piece, RawPacket};
use mqtt5_codec::{
    DecodeError, Packet, PacketIdentifier, Property, Publish, Qos, ReasonCode, Role,
};

pub use self::connection::{Lent, ServerConnection};
use crate::bandwidth::AliasSavings;
use crate::connection::incoming::{Side, Taken};
use crate::connection::{Connection, Handled, PacketTimeouts, TopicAliases};
use crate::error::{PublishError, SendError};
use crate::event::{Event, Output};
use crate::session::{Publication, RefusedPublication, Session, SessionConfig, WithdrawError};
use crate::{Instant, Limits, NotTaken, PeerError, ProtocolVersions, Receipt, Token};

/// How a [`Server`] works.
///
/// A timeout of more than 49 days never passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerConfig {
    /// Which versions of the protocol are taken. A CONNECT of another one is refused, in the form that its
    /// sender understands. Default: [`ProtocolVersions::ALL`].
    pub versions: ProtocolVersions,
    /// What the CONNACK announces, and what the Client must keep to. A limit at its default is not
    /// announced. [`Server::accept_with`] can lower the limits for one Client. Default:
    /// [`Limits::NONE`].
    pub limits: Limits,
    /// The largest CONNECT, and the largest AUTH before the CONNACK, in bytes, unless
    /// [`Limits::maximum_packet_size`] is smaller. It bounds the memory for a Client that has not
    /// been accepted. A larger packet is refused with 0x95 as soon as its fixed header has come.
    /// Default: 65,536, which is enough for access tokens together with a Will Message of some tens
    /// of kilobytes.
    pub maximum_connect_size: u32,
    /// The configuration of Sessions that the Server makes. A Session that the caller brings has
    /// its own. Default: [`SessionConfig::default`].
    pub session: SessionConfig,
    /// How long to wait for the CONNECT, from the beginning of the Network Connection, and for each
    /// AUTH before the CONNACK, from the `poll` that writes this side's AUTH. Bytes that arrive do
    /// not prolong it. Default: 10 seconds.
    pub connect_timeout: Duration,
    /// How long to wait for each AUTH of the Client in re-authentication (section 4.12.1). The time
    /// begins with the `poll` that writes this side's AUTH. Default: 30 seconds.
    pub authentication_timeout: Duration,
    /// How long a packet may take, once the CONNECT was accepted. Default:
    /// [`PacketTimeouts::default`].
    pub packet: PacketTimeouts,
    /// How Topic Aliases are used for messages that name none. Default: [`TopicAliases::Off`].
    pub topic_aliases: TopicAliases,
    /// How many bytes the Topic Names of Topic Aliases may take in each direction. A Client that
    /// sets more is disconnected with 0x97; messages to it get no new alias. Default: 4 MiB, which
    /// is 64 bytes for each of 65,535 aliases.
    pub topic_alias_bytes: usize,
    /// How many SUBSCRIBE and UNSUBSCRIBE packets may wait for the application's answer. A packet
    /// that comes in excess is answered at once, with 0x97 in a SUBACK or with 0x83 in an UNSUBACK.
    /// Default: 1,000.
    pub unanswered_requests: u16,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            versions: ProtocolVersions::ALL,
            limits: Limits::NONE,
            maximum_connect_size: 1 << 16,
            session: SessionConfig::default(),
            connect_timeout: Duration::from_secs(10),
            authentication_timeout: Duration::from_secs(30),
            packet: PacketTimeouts::default(),
            topic_aliases: TopicAliases::Off,
            topic_alias_bytes: 4 << 20,
            unanswered_requests: 1_000,
        }
    }
}

/// The Server's side of one Network Connection. It is made when the network accepts a connection,
/// and gets a [`Session`] when the CONNECT is accepted.
///
/// When the connection is over, the Session may stay inside: it accepts messages, expires, and
/// reports its Will, until [`Server::take_over`] or [`Server::take_session`] returns it for the
/// next connection. A broker with very many Clients keeps the Sessions itself, and uses a
/// [`ServerConnection`].
///
/// See the [crate] for the contract of its methods.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// See [`ServerConfig`].
    session_config: SessionConfig,
    connection: ServerConnection,
    session: Option<Session>,
}

machine_methods!(Server);

impl Server {
    /// Creates the Server's side of a Network Connection that has just begun.
    #[must_use]
    pub fn new(now: Instant, config: ServerConfig) -> Self {
        Server {
            session_config: config.session,
            connection: ServerConnection::new(now, &config),
            session: None,
        }
    }

    /// Returns the Session; `None` before the CONNECT is accepted, and after the Session was taken.
    #[must_use]
    pub const fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    #[inline(always)]
    const fn connection(&self) -> &Connection {
        &self.connection.connection
    }

    #[inline(always)]
    const fn parts(&mut self) -> (&mut Connection, Option<&mut Session>) {
        (&mut self.connection.connection, self.session.as_mut())
    }

    /// The side that takes packets.
    #[inline(always)]
    const fn side(&mut self) -> &mut Self {
        self
    }

    const fn lent(&mut self) -> Lent<'_> {
        self.connection.lend(self.session.as_mut())
    }

    /// Takes the Session out, to keep it for the Client's next connection. A Network Connection
    /// that still exists counts as lost: close it, as no [`Output::Close`] follows.
    #[must_use = "the Session must be kept until it ends"]
    pub fn take_session(&mut self, now: Instant) -> Option<Session> {
        self.lent().leave(now);
        self.session.take()
    }

    /// Returns what the Client announced in its CONNECT; [`Limits::NONE`] before.
    #[must_use]
    pub const fn client_limits(&self) -> &Limits {
        self.connection.client_limits()
    }

    /// Returns the limits that the Client must keep to: those of the CONNACK, and before it
    /// [`ServerConfig::limits`].
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        self.connection.limits()
    }

    /// Returns the Keep Alive in force, in seconds; 0 is off.
    #[must_use]
    pub const fn keep_alive(&self) -> u16 {
        self.connection.keep_alive()
    }

    /// Accepts the CONNECT (section 3.1.4) with a CONNACK, which has the limits of
    /// [`ServerConfig`](super::ServerConfig) and these properties. `session` is the caller's
    /// Session for the ClientID. Clean Start decides whether it goes on, and Session Present tells
    /// the Client. If the Session ends, [`Server::poll`] or the next [`Server::receive`] reports
    /// that, whichever is called first.
    ///
    /// The properties may be Server Keep Alive and Session Expiry Interval, which replace the
    /// Client's values; Assigned Client Identifier, which is required if the ClientID was empty,
    /// and replaces the ClientID otherwise, so that `session` must be that of the new ClientID
    /// (section 3.2.2.3.7); Response Information, if it was requested; Authentication Data, Reason
    /// String and User Properties.
    ///
    /// With two Network Connections of one Client, the CONNECT of the older one may arrive last. It
    /// should not take the Session from the newer one. A caller that remembers the order in which
    /// the network accepted the connections can close the older one instead.
    ///
    /// # Errors
    ///
    /// [`SendError::ClientIdentifierDiffers`] if the Session belongs to another Client,
    /// [`SendError::PropertyMissing`], [`SendError::PropertyUnwanted`], [`SendError::Invalid`].
    /// After an error the CONNECT still waits. The Session that was given is used the next time,
    /// and [`Server::take_session`] returns it.
    pub fn accept(
        &mut self,
        now: Instant,
        session: Option<Session>,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let limits = *self.limits();
        self.accept_with(now, session, &limits, properties)
    }

    /// As [`Server::accept`], with limits for this Client, by its plan or its rights for example.
    /// The CONNACK announces the lower one of `limits` and
    /// [`ServerConfig::limits`](super::ServerConfig::limits), limit by limit, and the Client must
    /// keep to it on this Network Connection. Start from the limits of the configuration. The next
    /// connection of the Client may have others.
    ///
    /// If the Will of the CONNECT exceeds the limits, the CONNECT is refused with 0x9B or 0x9A
    /// \[MQTT-3.2.2-12\], \[MQTT-3.2.2-13\]. The call succeeds, and
    /// [`Output::Close`](crate::Output::Close) follows. The Session is unchanged, and
    /// [`Server::take_session`] returns it.
    ///
    /// ```
    /// use mqtt5_session_fsm::codec::{Connect, ProtocolVersion, Qos, Text};
    /// use mqtt5_session_fsm::{Event, Instant, Limits, Server, ServerConfig};
    ///
    /// let config = ServerConfig::default();
    /// let mut server = Server::new(Instant::ORIGIN, config);
    /// let mut bytes = Vec::new();
    /// let connect = Connect { client_identifier: Text::new("trial")?, ..Connect::default() };
    /// connect.encode(ProtocolVersion::V5_0, &mut bytes)?;
    /// let event = server.receive(Instant::ORIGIN, &mut &bytes[..]);
    /// assert!(matches!(event, Some(Event::Connect(_))));
    ///
    /// let trial = Limits { maximum_qos: Qos::AtMostOnce, receive_maximum: 10, ..config.limits };
    /// server.accept_with(Instant::ORIGIN, None, &trial, &[])?;
    /// assert_eq!(server.limits().receive_maximum, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Server::accept`].
    pub fn accept_with(
        &mut self,
        now: Instant,
        session: Option<Session>,
        limits: &Limits,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        if !self.connection.is_deciding() {
            return Err(SendError::NotExpected);
        }
        if session.is_some() {
            // Kept for another try, should this one fail.
            self.session = session;
        }
        if self.session.is_some() {
            return self.lent().accept_with(now, limits, properties);
        }
        if fault!("MQTT-3.1.2-6") {
            return Err(SendError::NotExpected);
        }
        let client_identifier = self.connection.client_identifier(properties);
        let mut session = Session::of_server(client_identifier, self.session_config);
        let mut connection = self.connection.lend(Some(&mut session));
        connection.accept_with(now, limits, properties)?;
        if self.is_connected() {
            self.session = Some(session);
        }
        Ok(())
    }

    /// Ends the Network Connection with a DISCONNECT (section 3.14); [`Output::Close`] follows.
    /// Reason Codes are those of a Server, such as 0x8B (Server shutting down), 0x8E (Session taken
    /// over) or 0x9C (Use another server), which may have a Server Reference.
    ///
    /// Messages that [`Server::poll`] has not written are not sent on this connection any more. The
    /// Client's Will Message is published, after its delay (section 3.1.2.5).
    ///
    /// # Errors
    ///
    /// [`SendError::NotConnected`] if the CONNECT was not accepted \[MQTT-3.14.0-1\];
    /// [`SendError::Invalid`] for a Reason Code or property that is not a Server's.
    pub fn disconnect(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        self.lent().disconnect(now, reason_code, properties)
    }

    /// Takes the Session out because the same Client connects anew (section 3.1.4). An old
    /// connection that still exists ends with DISCONNECT 0x8E: call [`Server::poll`] once more, to
    /// write it.
    ///
    /// Decide first whether to accept the new CONNECT. Events that the Session has not reported
    /// yet, such as the Will Message of the old connection, are reported by the machine that gets
    /// the Session.
    #[must_use = "the Session goes on in the new connection"]
    pub fn take_over(&mut self, now: Instant) -> Option<Session> {
        // If it is not open, there is nobody to be told.
        let _ = self.disconnect(now, ReasonCode::SessionTakenOver, &[]);
        self.take_session(now)
    }

    /// Reports that the Network Connection is lost. Call `poll` afterwards. After
    /// [`Output::Close`], this call does nothing.
    pub fn connection_lost(&mut self, now: Instant) {
        self.lent().connection_lost(now);
    }

    /// Refuses the CONNECT with a CONNACK (section 3.2.2.2);
    /// [`Output::Close`](crate::Output::Close) follows. To refuse it without a packet, close the
    /// Network Connection and call [`Server::connection_lost`].
    ///
    /// # Errors
    ///
    /// [`SendError::NotExpected`] if no CONNECT waits; [`SendError::Invalid`] if the Reason Code is
    /// not that of a refusal, or for a property that a CONNACK cannot have;
    /// [`SendError::PropertyUnwanted`] for a property that this Client has not asked for.
    pub fn refuse(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        self.lent().refuse(now, reason_code, properties)
    }

    /// Sends an AUTH with Reason Code 0x18, before the CONNACK or during re-authentication (section
    /// 4.12). The Authentication Method is added.
    ///
    /// # Errors
    ///
    /// [`SendError::NotExpected`] if it is the Client's turn; [`SendError::Invalid`].
    pub fn authenticate(&mut self, properties: &[Property<'_>]) -> Result<(), SendError> {
        self.lent().authenticate(properties)
    }

    /// Ends a re-authentication with success (section 4.12.1), by an AUTH with Reason Code 0x00. If
    /// it failed, call [`Server::disconnect`].
    ///
    /// # Errors
    ///
    /// [`SendError::NotExpected`] if none is under way, or if it is the Client's turn;
    /// [`SendError::Invalid`].
    pub fn finish_re_authentication(
        &mut self,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        self.lent().finish_re_authentication(properties)
    }

    /// Reports bytes of the Client that [`Server::receive`] does not see: they are split elsewhere,
    /// or wait because the caller does not read. They prove that the Client is alive. Not needed
    /// while `poll` returns [`Output::NeedsRoom`](crate::Output::NeedsRoom). The time for a CONNECT
    /// or an AUTH goes on.
    pub fn bytes_waiting(&mut self, now: Instant) {
        self.lent().bytes_waiting(now)
    }

    /// Does what is due. It may be called when nothing is due, and may be called late: the Client
    /// then gets up to a second more before it is taken for silent.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.lent().handle_timeout(now)
    }

    /// Returns when [`Server::handle_timeout`] must be called; [`Instant::NEVER`] if there is
    /// nothing to wait for. Every other call may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        self.connection.next_timeout(self.session.as_ref())
    }

    /// Answers a SUBSCRIBE, with a Reason Code for each of its Topic Filters, in their order: the
    /// granted QoS, as [`ReasonCode::granted`] returns it, or an error. Properties are left out if
    /// the Client does not want them or cannot take them.
    ///
    /// # Errors
    ///
    /// [`SendError::NotExpected`] if there is no such SUBSCRIBE, [`SendError::ReasonCodeCount`],
    /// [`SendError::Invalid`]. After an error the SUBSCRIBE still waits for its answer.
    pub fn acknowledge_subscribe(
        &mut self,
        now: Instant,
        packet_identifier: PacketIdentifier,
        reason_codes: &[ReasonCode],
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        self.lent()
            .acknowledge_subscribe(now, packet_identifier, reason_codes, properties)
    }

    /// Answers an UNSUBSCRIBE, with a Reason Code for each of its Topic Filters, in their order.
    /// Properties are left out if the Client does not want them or cannot take them.
    ///
    /// # Errors
    ///
    /// As [`Server::acknowledge_subscribe`].
    pub fn acknowledge_unsubscribe(
        &mut self,
        now: Instant,
        packet_identifier: PacketIdentifier,
        reason_codes: &[ReasonCode],
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        self.lent()
            .acknowledge_unsubscribe(now, packet_identifier, reason_codes, properties)
    }
}

/// The frequent calls reach the parts directly. Through a [`Lent`] in memory, an exchange takes 15
/// instructions more at QoS 0, and 34 more at QoS 1.
impl Side for Server {
    const PEER: Role = Role::Client;

    #[inline(always)]
    fn connection(&self) -> &Connection {
        Server::connection(self)
    }

    #[inline(always)]
    fn parts(&mut self) -> (&mut Connection, Option<&mut Session>) {
        Server::parts(self)
    }

    fn is_deciding(&self) -> bool {
        self.connection.is_deciding()
    }

    fn ends_session(&mut self, packet: &Packet<'_>) -> bool {
        self.lent().ends_session(packet)
    }

    fn other_version(&self, _: &RawPacket<'_>) -> Option<Packet<'static>> {
        None
    }

    fn has_connect(&self) -> bool {
        self.connection.has_connect()
    }

    fn opening<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        self.lent().opening(now, packet)
    }

    fn open<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        self.lent().open(now, packet)
    }

    fn malformed(&mut self, now: Instant, error: DecodeError) {
        self.lent().malformed(now, error);
    }

    fn too_large(&mut self, now: Instant, error: DecodeError, input: &[u8]) -> Taken<'static> {
        self.lent().too_large(now, error, input)
    }

    fn fail(&mut self, now: Instant, error: PeerError) {
        self.lent().fail(now, error);
    }
}
