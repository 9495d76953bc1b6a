//! The Server's side of one Network Connection.

mod handshake;
mod liveness;
mod requests;

use alloc::boxed::Box;
use core::time::Duration;

use mqtt5_codec::bytes::BufMut;
use mqtt5_codec::framing::{Piece, RawPacket};
use mqtt5_codec::{
    DecodeError, Disconnect, Packet, PacketType, Property, Publish, Qos, ReasonCode, Role,
};

use self::handshake::Handshake;
use self::requests::Requests;
use crate::bandwidth::AliasSavings;
use crate::connection::incoming::Side;
use crate::connection::large::take_piece;
use crate::connection::{
    Connection, Handled, Liveness, PacketTimeouts, Phase, Question, Timeouts, TopicAliases,
};
use crate::error::{PublishError, SendError};
use crate::event::{Cause, Event, Output};
use crate::session::{Publication, RefusedPublication, Session, SessionConfig, WithdrawError};
use crate::{Instant, Limits, NotTaken, Outcome, PeerError, Receipt, SessionViolation, Token};

/// How a [`Server`] works. Timeouts of more than 49 days never pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ServerConfig {
    /// What is announced in the CONNACK, and held the Client to. What is at its default is not
    /// announced. [`Server::accept_with`] can lower it for one Client.
    pub limits: Limits,
    /// The size in bytes of the largest CONNECT, and of the largest AUTH before the CONNACK, that is taken, if
    /// [`Limits::maximum_packet_size`] is not smaller: whoever has not been accepted yet takes no more memory. A
    /// larger one is refused with 0x95 as soon as its fixed header has come. Default: 65,536, which is enough for
    /// access tokens and for a Will Message of some tens of kilobytes together.
    pub maximum_connect_size: u32,
    /// For Sessions that are made here; those that the caller brings have theirs.
    pub session: SessionConfig,
    /// How long to wait for the CONNECT, from the beginning of the Network Connection, and for each AUTH before the
    /// CONNACK, from the `poll` that writes this side's; however slowly their bytes come.
    pub connect_timeout: Duration,
    /// How long to wait for each AUTH of the Client in re-authentication (section 4.12.1), from the `poll` that writes
    /// this side's.
    pub authentication_timeout: Duration,
    /// How long a packet may take, once the CONNECT was accepted.
    pub packet: PacketTimeouts,
    /// How Topic Aliases are used for messages that name none.
    pub topic_aliases: TopicAliases,
    /// How many bytes the Topic Names of Topic Aliases may take in each direction. A Client that sets more is
    /// disconnected with 0x97; messages to it get no new alias. Default: 4 MiB, 64 bytes for each of 65,535
    /// aliases.
    pub topic_alias_bytes: usize,
    /// How many SUBSCRIBE and UNSUBSCRIBE packets may wait for the application's answer. More are answered at once
    /// with 0x97, or with 0x83 in an UNSUBACK. Default: 1,000.
    pub unanswered_requests: u16,
}

impl Default for ServerConfig {
    /// No limits but 64 KiB for the CONNECT, 10 seconds for it, 30 seconds for AUTH in re-authentication, no Topic
    /// Aliases.
    fn default() -> Self {
        ServerConfig {
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

/// The Server's side of one Network Connection: made for a connection that was accepted from the
/// network, and given a [`Session`] when the Client's CONNECT is accepted.
///
/// When the connection is over, the Session may stay inside: it goes on to take messages, to expire, and to
/// hand out its Will, until [`Server::take_over`] or [`Server::take_session`] gives it to the next
/// connection. Who has very many Clients that are away saves memory by taking it out.
///
/// See the [crate] for the contract of its methods.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// See [`ServerConfig`].
    session_config: SessionConfig,
    unanswered_requests: u16,
    session: Option<Session>,
    connection: Connection,
    handshake: Option<Box<Handshake>>,
    requests: Requests,
    /// Seconds; 0 is off.
    keep_alive: u16,
    /// The Session Expiry Interval of the CONNECT packet, in seconds, whatever the CONNACK says.
    connect_expiry: u32,
}

impl Server {
    /// The Server's side of a Network Connection that has just begun.
    #[must_use]
    pub fn new(now: Instant, config: ServerConfig) -> Self {
        let liveness = Liveness::new(Timeouts {
            opening: config.connect_timeout.into(),
            authentication: config.authentication_timeout.into(),
            ..Timeouts::new(config.packet)
        });
        let mut connection = Connection::new(Role::Server, config.topic_aliases, liveness);
        connection.begin(now);
        // Without being asked, the Client owes a CONNECT.
        connection.liveness.question = Question::Written(now);
        connection.own = Limits {
            // These cannot be 0.
            receive_maximum: config.limits.receive_maximum.max(1),
            maximum_packet_size: config.limits.maximum_packet_size.max(1),
            ..config.limits
        };
        connection.topic_alias_bytes = config.topic_alias_bytes;
        connection.maximum_connect_size = config.maximum_connect_size;
        Server {
            session_config: config.session,
            unanswered_requests: config.unanswered_requests,
            session: None,
            connection,
            handshake: None,
            requests: Requests::default(),
            keep_alive: 0,
            connect_expiry: 0,
        }
    }

    /// The Session, from the acceptance of the CONNECT until it is taken.
    #[must_use]
    pub const fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// Takes the Session out, to keep it for the Client's next connection. A Network Connection that is
    /// still there is taken for lost: close it, no [`Output::Close`] follows.
    #[must_use = "the Session has to be kept for as long as it has not ended"]
    pub fn take_session(&mut self, now: Instant) -> Option<Session> {
        if !matches!(self.connection.phase, Phase::Closing(_)) {
            self.connection_lost(now);
        }
        // What was not announced leaves with the Session; what depends on it is not written.
        if self.session.as_ref().is_some_and(Session::has_changes) {
            self.connection.keep_farewell();
        }
        self.session.take()
    }

    /// Whether the Client was accepted and the connection is not being closed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_open()
    }

    /// What the Client announced in its CONNECT; [`Limits::NONE`] before.
    #[must_use]
    pub const fn client_limits(&self) -> &Limits {
        &self.connection.peer
    }

    /// What Topic Aliases have saved on the present Network Connection. The count begins anew with each one.
    #[must_use]
    pub const fn alias_savings(&self) -> AliasSavings {
        self.connection.alias_savings.0
    }

    /// What the Client is held to: what was announced to it in the CONNACK, and before that
    /// [`ServerConfig::limits`].
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.connection.own
    }

    /// The Keep Alive in force, in seconds; 0 is off.
    #[must_use]
    pub const fn keep_alive(&self) -> u16 {
        self.keep_alive
    }

    /// Accepts a message for the Client. It is written by [`Server::poll`] as soon as the Client can take
    /// it; what became of it is told by an [`Event::Outcome`] with the token.
    ///
    /// Allocates nothing once as many messages were in flight, or waiting, before; but a message that has to
    /// wait and has a Message Expiry Interval takes a place in a tree, of which a node is allocated now and then.
    ///
    /// # Errors
    ///
    /// [`RefusedPublication`] gives the publication back, with a [`PublishError`]; nothing was accepted then. A message that is too large for the Client counts as
    /// sent \[MQTT-3.1.2-25\]: it is to be forgotten.
    #[inline]
    pub fn publish(
        &mut self,
        now: Instant,
        publication: Publication,
    ) -> Result<Token, RefusedPublication> {
        match &mut self.session {
            Some(session) => self.connection.publish(session, now, publication),
            None => Err(RefusedPublication {
                error: PublishError::NoSession,
                publication,
            }),
        }
    }

    /// Takes back a message that was not sent; it ends as [`Outcome::Withdrawn`]. [`Session::unsettled`] lists what
    /// there is.
    ///
    /// # Errors
    ///
    /// [`WithdrawError`]; see [`Session::withdraw`].
    pub fn withdraw(&mut self, token: Token) -> Result<(), WithdrawError> {
        let session = self.session.as_mut().ok_or(WithdrawError::Unknown)?;
        session.withdraw(token)
    }

    /// Asks whether `publish` has room for a message with this QoS, before the message is built: see
    /// [`Client::check_room`](crate::Client::check_room).
    ///
    /// # Errors
    ///
    /// [`PublishError::Busy`], [`PublishError::TooLarge`], [`PublishError::NoSession`].
    pub fn check_room(&mut self, qos: Qos, size: usize) -> Result<(), PublishError> {
        let window = self.connection.window();
        let session = self.session.as_mut().ok_or(PublishError::NoSession)?;
        session.check_room_in(qos, size, window)
    }

    /// Writes a message with QoS 0 to `wire` at once: it is not stored, not copied beforehand, and has no
    /// token and no outcome. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`PublishError::NoSession`]; [`PublishError::NotConnected`]; [`PublishError::Busy`] if something else
    /// waits to be written first: call `poll`, and try again; [`PublishError::Forbidden`];
    /// [`PublishError::Invalid`], also for another QoS, for a Topic Alias, and if `wire` has no room. Nothing
    /// was written then.
    #[inline]
    pub fn publish_now<B: BufMut + ?Sized>(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        wire: &mut B,
    ) -> Result<(), PublishError> {
        match &self.session {
            Some(session) => self.connection.publish_now(session, now, publish, wire),
            None => Err(PublishError::NoSession),
        }
    }

    /// Acknowledges a message, with Success.
    ///
    /// # Errors
    ///
    /// [`SendError::Stale`].
    pub fn acknowledge(&mut self, receipt: Receipt) -> Result<(), SendError> {
        self.acknowledge_with(receipt, ReasonCode::Success, &[])
    }

    /// Acknowledges or refuses a message, with any Reason Code that a PUBACK or PUBREC of a Server may
    /// have. Properties are left out if the Client does not want or cannot take them.
    ///
    /// # Errors
    ///
    /// [`SendError::Stale`], [`SendError::Invalid`].
    pub fn acknowledge_with(
        &mut self,
        receipt: Receipt,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let session = self.session.as_mut().ok_or(SendError::Stale)?;
        self.connection
            .decide(session, receipt, reason_code, properties)
    }

    /// Takes whole packets off the front of `input`, as the network brought them, until one of them
    /// yields an event; `None` if there is no whole packet left, or if a CONNECT waits for the caller's
    /// decision. What is left has to be offered again, with what comes after it. If whole packets were left,
    /// [`Server::next_timeout`] lies in the past once the decision has been made.
    ///
    /// After [`Server::accept`], what happened before is returned first, without taking anything off `input`: the
    /// [`Event::SessionEnded`] of an earlier Session, and the outcomes and the Will before it.
    ///
    /// Packets that were handled without an event may have left something for `poll` to do.
    ///
    /// Bytes of a Network Connection that is closing are thrown away.
    #[inline]
    pub fn receive<'a, 'input: 'a>(
        &'a mut self,
        now: Instant,
        input: &mut &'input [u8],
    ) -> Option<Event<'a>> {
        let offered = input.len();
        let (connection, session) = self.parts();
        connection.observe(session, now);
        // The last call for each piece of input.
        if offered == 0 {
            self.connection.liveness.read(now, 0, 0);
            return None;
        }
        if let Some((packet_type, token)) = self.take_acknowledgements(now, input) {
            self.connection.liveness.read(now, offered, input.len());
            // Two constants, so that a caller who looks at little of them need not copy them.
            if packet_type == PacketType::PubAck {
                return Some(Event::Outcome(token, Outcome::ACKNOWLEDGED));
            }
            return Some(Event::Outcome(token, Outcome::COMPLETED));
        }
        if input.is_empty() {
            self.connection.liveness.read(now, offered, 0);
            return None;
        }
        self.receive_some(now, offered, input)
    }

    #[inline(never)]
    fn receive_some<'a, 'input: 'a>(
        &'a mut self,
        now: Instant,
        offered: usize,
        input: &mut &'input [u8],
    ) -> Option<Event<'a>> {
        self.take(now, offered, input)
    }

    /// Handles a packet of the Client that was split and decoded elsewhere, by
    /// [`Frame::decode_from`](mqtt5_codec::framing::Frame::decode_from) for example, with the Maximum Packet Size
    /// of [`Server::limits`]. For what does not decode there is [`Server::reject`].
    ///
    /// # Errors
    ///
    /// [`NotTaken`] while a CONNECT waits for the caller's decision, or events of an earlier Session for
    /// [`Server::poll`]: the packet is to be given again.
    pub fn handle<'a>(
        &'a mut self,
        now: Instant,
        packet: Packet<'a>,
    ) -> Result<Option<Event<'a>>, NotTaken> {
        self.take_packet(now, &packet)
    }

    /// Handles a piece of what the Client sends, as [`StreamSplitter`](mqtt5_codec::framing::StreamSplitter) finds it: so
    /// messages of any size can be received with little memory. Give it every piece, in order, and use only
    /// what the events say: the payload of a message that was handed out before yields no event.
    ///
    /// A large message yields [`Event::LargeMessage`], then an [`Event::Payload`] for each part of its payload.
    /// It is acknowledged when the last part has been handled, and not before. What the splitter cannot take is
    /// for [`Server::reject`].
    ///
    /// # Errors
    ///
    /// As [`Server::handle`]: the same piece is to be given again.
    ///
    /// ```
    /// use mqtt5_session_fsm::codec::bytes::BytesMut;
    /// use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, SplitterOutput, StreamSplitter};
    /// use mqtt5_session_fsm::Event;
    /// # use mqtt5_session_fsm::{Client, ClientConfig, Instant, NotTaken, Server, ServerConfig, Session, SessionConfig};
    ///
    /// # let now = Instant::ORIGIN;
    /// # let mut server = Server::new(now, ServerConfig::default());
    /// # let mut input = BytesMut::new();
    /// // One for each Network Connection.
    /// let mut splitter = StreamSplitter::new(LARGEST_PACKET, 64 * 1024);
    /// loop {
    ///     let piece = match splitter.next(&mut input) {
    ///         Ok(SplitterOutput::Ready(piece)) => piece,
    ///         Ok(SplitterOutput::Incomplete { .. }) => break, // until more has been read
    ///         Err(error) => {
    ///             server.reject(now, error);
    ///             break;
    ///         }
    ///     };
    ///     match server.handle_piece(now, &piece)? {
    ///         Some(Event::LargeMessage(large)) => println!("{} bytes begin", large.payload_length),
    ///         Some(Event::Payload(part)) => {
    ///             println!("write {} bytes to a file", part.bytes.len());
    ///             if part.remaining == 0 {
    ///                 println!("store the message before the next poll");
    ///             }
    ///         }
    ///         other => println!("{other:?}"),
    ///     }
    /// }
    /// # Ok::<(), NotTaken>(())
    /// ```
    pub fn handle_piece<'a>(
        &'a mut self,
        now: Instant,
        piece: &'a Piece,
    ) -> Result<Option<Event<'a>>, NotTaken> {
        take_piece(self, now, piece)
    }

    /// What came from the Client is not a good packet: the connection ends.
    pub fn reject(&mut self, now: Instant, error: DecodeError) {
        if self.connection.is_over() {
            return;
        }
        if self.connection.phase == Phase::Opening && fault!("MQTT-3.1.4-1") {
            return;
        }
        if self.connection.phase == Phase::Opening {
            if let Some(Packet::ConnAck(connack)) = error.answer(Role::Server, false) {
                let cause = Cause::PeerError(error.into());
                self.refuse_with(now, connack.reason_code, &[], cause);
                return;
            }
        }
        self.fail(now, PeerError::Packet(error));
    }

    fn receive_disconnect<'a>(&mut self, now: Instant, disconnect: Disconnect<'a>) -> Handled<'a> {
        if let Some(session) = self.session.as_mut() {
            match disconnect.properties.session_expiry_interval() {
                Some(1..)
                    if fault!(
                        "DISCONNECT judged by the expiry in force",
                        self.connect_expiry,
                        session.expiry_interval
                    ) == 0 =>
                {
                    return Err(SessionViolation::SessionExpiryRaised);
                }
                Some(seconds) => session.expiry_interval = seconds,
                None => {}
            }
            if disconnect.reason_code == ReasonCode::NORMAL_DISCONNECTION {
                session.delete_will();
            }
        }
        let cause = Cause::PeerDisconnected(disconnect.reason_code);
        self.close(now, cause, false);
        Ok(Some(Event::Disconnect(disconnect)))
    }

    /// Says what is to be done, and appends to `wire` the packets that are to be sent: call it until
    /// there is nothing, after every other call. Packets that are in `wire` may be sent at any time.
    ///
    /// Allocates nothing once as many messages were in flight before; but an automatic Topic Alias takes
    /// the memory of its Topic Name.
    #[inline]
    pub fn poll<B: BufMut + ?Sized>(&mut self, now: Instant, wire: &mut B) -> Option<Output> {
        self.connection.poll(self.session.as_mut(), now, wire)
    }

    /// Ends the Network Connection with a DISCONNECT (section 3.14); [`Output::Close`] follows. Reason
    /// Codes are those of a Server, such as 0x8B (Server shutting down), 0x8E (Session taken over) or 0x9C
    /// (Use another server), the last with a Server Reference perhaps.
    ///
    /// Messages that [`Server::poll`] has not written before are not sent any more on this connection. The
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
        if !self.connection.is_open() {
            return Err(SendError::NotConnected);
        }
        self.connection.send_disconnect(reason_code, properties)?;
        // Also after a re-authentication that fails [MQTT-4.12.1-2], and after any error [MQTT-4.13.2-1].
        if !fault!("MQTT-3.14.4-2") {
            self.close(now, Cause::Disconnected(reason_code), true);
        }
        Ok(())
    }

    /// The same Client connects anew (section 3.1.4): gives the Session for the new connection. If the old
    /// one is still there, it is told so, and closed; [`Server::poll`] still has to be called here then.
    ///
    /// Decide before whether the new CONNECT is to be accepted. What the Session has not told yet, such as
    /// the Will Message of the old connection, is told by the machine that gets it.
    #[must_use = "the Session goes on in the new connection"]
    pub fn take_over(&mut self, now: Instant) -> Option<Session> {
        // If it is not open, there is nobody to be told.
        let _ = self.disconnect(now, ReasonCode::SessionTakenOver, &[]);
        self.take_session(now)
    }

    /// The Network Connection is gone. Poll then. After [`Output::Close`] it does nothing.
    pub fn connection_lost(&mut self, now: Instant) {
        self.handshake = None;
        self.requests.clear();
        self.connection.lost(self.session.as_mut(), now);
    }

    fn close(&mut self, now: Instant, cause: Cause, flush: bool) {
        self.handshake = None;
        self.requests.clear();
        self.connection
            .close(self.session.as_mut(), now, cause, flush);
    }
}

impl Side for Server {
    const PEER: Role = Role::Client;

    #[inline(always)]
    fn connection(&self) -> &Connection {
        &self.connection
    }

    #[inline(always)]
    fn parts(&mut self) -> (&mut Connection, Option<&mut Session>) {
        (&mut self.connection, self.session.as_mut())
    }

    fn is_deciding(&self) -> bool {
        Server::is_deciding(self)
    }

    fn ends_session(&mut self, _: &Packet<'_>) -> bool {
        false
    }

    fn other_version(&self, _: &RawPacket<'_>) -> Option<Packet<'static>> {
        None
    }

    fn has_connect(&self) -> bool {
        self.handshake.is_some()
    }

    fn opening<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        self.step_opening(now, packet)
    }

    fn open<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        match *packet {
            Packet::PingReq if fault!("MQTT-3.12.4-1") => Ok(None),
            Packet::Connect(_) if fault!("MQTT-3.1.0-2") => Ok(None),
            Packet::PingReq => {
                if let Some(session) = &mut self.session {
                    self.connection.shrink(session);
                }
                self.connection.send_ping(PacketType::PingResp);
                Ok(None)
            }
            Packet::Subscribe(subscribe) => self.receive_subscribe(now, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.receive_unsubscribe(now, unsubscribe),
            Packet::Disconnect(disconnect) => self.receive_disconnect(now, disconnect),
            Packet::Auth(auth) => self.receive_auth(auth),
            // What the Client must not send has been refused at its first byte.
            _ => Ok(None),
        }
    }

    fn reject(&mut self, now: Instant, error: DecodeError) {
        Server::reject(self, now, error);
    }

    fn fail(&mut self, now: Instant, error: PeerError) {
        self.handshake = None;
        self.requests.clear();
        self.connection.fail(self.session.as_mut(), now, error);
    }
}
