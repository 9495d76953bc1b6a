//! The Client's side: CONNECT, Keep Alive, subscriptions, authentication, disconnection.

mod early;
mod handshake;
mod liveness;
mod requests;

use core::time::Duration;

use mqtt5_codec::bytes::BufMut;
use mqtt5_codec::framing::{Piece, RawPacket};
use mqtt5_codec::{DecodeError, Packet, PacketType, Property, Publish, Qos, ReasonCode, Role};

use self::early::EarlyRequests;
use self::handshake::Handshake;
use crate::bandwidth::AliasSavings;
use crate::connection::incoming::Side;
use crate::connection::large::take_piece;
use crate::connection::{
    Connection, Handled, Liveness, PacketTimeouts, Phase, Timeouts, TopicAliases,
};
use crate::error::{PublishError, SendError};
use crate::event::{Cause, Event, Output};
use crate::session::{Publication, RefusedPublication, Session, WithdrawError};
use crate::{Instant, Limits, NotTaken, Outcome, PeerError, Receipt, Token};

/// How a [`Client`] works, beside what is in its CONNECT packets. Timeouts of more than 49 days never pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    /// How long to wait for the CONNACK, or for the next AUTH before it: from the `poll` that writes the CONNECT or
    /// the AUTH, or from the last byte that arrived since.
    pub connack_timeout: Duration,
    /// How long to wait for a PINGRESP: from the `poll` that writes the PINGREQ, or from the last byte that arrived
    /// since.
    pub pingresp_timeout: Duration,
    /// How long to wait for each AUTH of the Server in re-authentication (section 4.12.1), from the `poll` that writes
    /// this side's.
    pub authentication_timeout: Duration,
    /// How long to wait for a SUBACK or UNSUBACK, from the `poll` that writes the request. Then the outcome is
    /// [`Outcome::TimedOut`], and the connection goes on. The Packet Identifier stays in use until the answer comes, or
    /// the connection ends.
    pub request_timeout: Duration,
    /// How long a packet may take.
    pub packet: PacketTimeouts,
    /// How much earlier than the Keep Alive demands a PINGREQ is sent, so that a timer that fires late
    /// breaks no rule; at most half of the Keep Alive.
    pub ping_margin: Duration,
    /// How Topic Aliases are used for messages that name none.
    pub topic_aliases: TopicAliases,
    /// How many packets PUBLISH, SUBSCRIBE and UNSUBSCRIBE may be sent before the CONNACK, which saves a round trip
    /// (section 3.1.4). They are sent with Clean Start 1, when no Session could go on, and without an Authentication Method,
    /// with which they must not be \[MQTT-3.1.2-30\]. The Server's limits are not known then: what is above them is a
    /// Protocol Error, and ends the connection. With [`SessionConfig::persistent`](crate::SessionConfig::persistent)
    /// messages with QoS 1 and 2 wait for the CONNACK all the same.
    ///
    /// If the CONNACK refuses, the Server has processed none of them, and each ends as
    /// [`Outcome::NotSent`]. If there is none, they end as [`Outcome::Indeterminate`], and messages with QoS 0 as
    /// [`Outcome::Sent`].
    pub early_packets: u16,
    /// How many bytes the Topic Names of Topic Aliases may take in each direction. A Server that sets more is
    /// disconnected with 0x97; messages to it get no new alias. Default: 4 MiB, 64 bytes for each of 65,535
    /// aliases.
    pub topic_alias_bytes: usize,
}

impl Default for ClientConfig {
    /// 10 seconds for CONNACK and PINGRESP, 30 seconds for AUTH, SUBACK and UNSUBACK, which may need other systems, 250
    /// milliseconds of margin, no Topic Aliases, nothing before the CONNACK.
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
            topic_alias_bytes: 4 << 20,
        }
    }
}

/// A Client: its [`Session`], and one Network Connection after the other.
///
/// See the [crate] for the contract of its methods.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// See [`ClientConfig`].
    early_packets: u16,
    ping_margin: Duration,
    session: Session,
    connection: Connection,
    handshake: Handshake,
    early: EarlyRequests,
    /// Seconds; 0 is off.
    keep_alive: u16,
}

impl Client {
    /// A Client without a Network Connection, over a new or a restored Session.
    #[must_use]
    pub fn new(config: ClientConfig, session: Session) -> Self {
        let liveness = Liveness::new(Timeouts {
            opening: config.connack_timeout.into(),
            pingresp: config.pingresp_timeout.into(),
            authentication: config.authentication_timeout.into(),
            request: config.request_timeout.into(),
            ..Timeouts::new(config.packet)
        });
        let mut connection = Connection::new(Role::Client, config.topic_aliases, liveness);
        connection.topic_alias_bytes = config.topic_alias_bytes;
        Client {
            early_packets: config.early_packets,
            ping_margin: config.ping_margin,
            session,
            connection,
            handshake: Handshake::default(),
            early: EarlyRequests::default(),
            keep_alive: 0,
        }
    }

    /// The Session.
    #[must_use]
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The Session, to be exported or to be used by another Client. A Network Connection that is
    /// still there is taken for lost.
    #[must_use]
    pub fn into_session(mut self, now: Instant) -> Session {
        self.connection_lost(now);
        self.session
    }

    /// Whether the Server has accepted the connection and it is not being closed.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_open()
    }

    /// What the Server announced in its CONNACK; [`Limits::NONE`] before.
    #[must_use]
    pub const fn server_limits(&self) -> &Limits {
        &self.connection.peer
    }

    /// What Topic Aliases have saved on the present Network Connection. The count begins anew with each one.
    #[must_use]
    pub const fn alias_savings(&self) -> AliasSavings {
        self.connection.alias_savings.0
    }

    /// The Keep Alive in force, in seconds: the Server's, if it sent one (section 3.2.2.3.14); 0 is off.
    #[must_use]
    pub const fn keep_alive(&self) -> u16 {
        self.keep_alive
    }

    /// Accepts a message, connected or not. It is written by [`Client::poll`] as soon as the Server can
    /// take it; what became of it is told by an [`Event::Outcome`] with the token. If the Session ends
    /// while it waits, it waits for the next one.
    ///
    /// Allocates nothing once as many messages were in flight, or waiting, before; but a message that has to
    /// wait and has a Message Expiry Interval takes a place in a tree, of which a node is allocated now and then.
    ///
    /// # Errors
    ///
    /// [`RefusedPublication`] gives the publication back, with a [`PublishError`]; nothing was accepted then.
    #[inline]
    pub fn publish(
        &mut self,
        now: Instant,
        publication: Publication,
    ) -> Result<Token, RefusedPublication> {
        self.connection.publish(&mut self.session, now, publication)
    }

    /// Takes back a message that was not sent; it ends as [`Outcome::Withdrawn`]. [`Client::unsettled`] lists what
    /// there is.
    ///
    /// # Errors
    ///
    /// [`WithdrawError`]; see [`Session::withdraw`].
    pub fn withdraw(&mut self, token: Token) -> Result<(), WithdrawError> {
        self.session.withdraw(token)
    }

    /// Asks whether `publish` has room for a message with this QoS, so that no message is built in vain. `size` is
    /// that of the message, [`Message::size`](mqtt5_codec::Message::size): before it is built, the
    /// [`encoded_len`](mqtt5_codec::Publish::encoded_len) of its PUBLISH with QoS 0. Nothing is dropped, and the room
    /// is not reserved; if nothing else is published meanwhile, it is there. Other reasons to refuse the message,
    /// such as the peer's limits, are not looked at. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`PublishError::Busy`]; an [`Event::Room`] follows, as after `publish`. [`PublishError::TooLarge`].
    ///
    /// ```
    /// use mqtt5_session_fsm::codec::{MessagePool, Publish, Qos, TopicName};
    /// use mqtt5_session_fsm::{Client, ClientConfig, Instant, Publication, Session, SessionConfig};
    ///
    /// let session = Session::of_client(SessionConfig::default());
    /// let mut client = Client::new(ClientConfig::default(), session);
    /// let mut pool = MessagePool::new(32, 128);
    ///
    /// let publish = Publish::new(TopicName::new("pump/7")?, b"on");
    /// if client.check_room(Qos::AtLeastOnce, publish.encoded_len()?).is_ok() && pool.has_room() {
    ///     let message = pool.message(&publish)?;
    ///     client.publish(Instant::ORIGIN, Publication::new(Qos::AtLeastOnce, message))?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn check_room(&mut self, qos: Qos, size: usize) -> Result<(), PublishError> {
        let window = self.connection.window();
        self.session.check_room_in(qos, size, window)
    }

    /// Writes a message with QoS 0 to `wire` at once: it is not stored, not copied beforehand, and has no
    /// token and no outcome. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`PublishError::NotConnected`]; [`PublishError::Busy`] if something else waits to be written first: call
    /// `poll`, and try again; [`PublishError::Forbidden`]; [`PublishError::Invalid`],
    /// also for another QoS, for a Topic Alias, and if `wire` has no room. Nothing was written then.
    #[inline]
    pub fn publish_now<B: BufMut + ?Sized>(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        wire: &mut B,
    ) -> Result<(), PublishError> {
        self.connection
            .publish_now(&self.session, now, publish, wire)
    }

    /// Acknowledges a message, with Success.
    ///
    /// # Errors
    ///
    /// [`SendError::Stale`].
    pub fn acknowledge(&mut self, receipt: Receipt) -> Result<(), SendError> {
        self.acknowledge_with(receipt, ReasonCode::Success, &[])
    }

    /// Acknowledges or refuses a message, with any Reason Code that a PUBACK or PUBREC of a Client may
    /// have. Properties are left out if the Server cannot take them.
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
        self.connection
            .decide(&mut self.session, receipt, reason_code, properties)
    }

    /// Takes whole packets off the front of `input`, as the network brought them, until one of them
    /// yields an event; `None` if there is no whole packet left. What is left has to be offered again
    /// with what comes after it.
    ///
    /// Before the CONNACK is taken, what happened before is returned, without taking anything off `input`: the
    /// [`Event::SessionEnded`] of a Session that does not go on, and the outcomes before it. They come before
    /// [`Event::Connected`].
    ///
    /// Packets that were handled without an event may have left something for `poll` to do.
    ///
    /// Bytes of a Network Connection that is closing are thrown away. Those that are left of a closed one
    /// must not be put in front of those of the next.
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

    /// Handles a packet of the Server that was split and decoded elsewhere, by
    /// [`Frame::decode_from`](mqtt5_codec::framing::Frame::decode_from) for example, with the Maximum Packet Size
    /// that the CONNECT announced. For what does not decode there is [`Client::reject`]; before the CONNACK it may be
    /// the refusal of an older Server, see [`RawPacket::refusal_of_older_version`], which is to be given here.
    ///
    /// # Errors
    ///
    /// [`NotTaken::EventsFirst`] if the packet is a CONNACK: the events of before are to be taken from
    /// [`Client::poll`], then the packet is to be given again.
    pub fn handle<'a>(
        &'a mut self,
        now: Instant,
        packet: Packet<'a>,
    ) -> Result<Option<Event<'a>>, NotTaken> {
        self.take_packet(now, &packet)
    }

    /// Handles a piece of what the Server sends, as [`StreamSplitter`](mqtt5_codec::framing::StreamSplitter) finds it: so
    /// messages of any size can be received with little memory. Give it every piece, in order, and use only
    /// what the events say: the payload of a message that was handed out before yields no event.
    ///
    /// A large message yields [`Event::LargeMessage`], then an [`Event::Payload`] for each part of its payload.
    /// It is acknowledged when the last part has been handled, and not before. What the splitter cannot take is
    /// for [`Client::reject`].
    ///
    /// # Errors
    ///
    /// As [`Client::handle`]: the same piece is to be given again.
    ///
    /// ```
    /// use mqtt5_session_fsm::codec::bytes::BytesMut;
    /// use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, SplitterOutput, StreamSplitter};
    /// use mqtt5_session_fsm::Event;
    /// # use mqtt5_session_fsm::{Client, ClientConfig, Instant, NotTaken, Server, ServerConfig, Session, SessionConfig};
    ///
    /// # let now = Instant::ORIGIN;
    /// # let mut client = Client::new(ClientConfig::default(), Session::of_client(SessionConfig::default()));
    /// # let mut input = BytesMut::new();
    /// // One for each Network Connection.
    /// let mut splitter = StreamSplitter::new(LARGEST_PACKET, 64 * 1024);
    /// loop {
    ///     let piece = match splitter.next(&mut input) {
    ///         Ok(SplitterOutput::Ready(piece)) => piece,
    ///         Ok(SplitterOutput::Incomplete { .. }) => break, // until more has been read
    ///         Err(error) => {
    ///             client.reject(now, error);
    ///             break;
    ///         }
    ///     };
    ///     match client.handle_piece(now, &piece)? {
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

    /// What came from the Server is not a good packet: the connection ends.
    pub fn reject(&mut self, now: Instant, error: DecodeError) {
        if !self.connection.is_over() {
            self.fail(now, PeerError::Packet(error));
        }
    }

    /// Says what is to be done, and appends to `wire` the packets that are to be sent: call it until
    /// there is nothing, after every other call. Packets that are in `wire` may be sent at any time.
    ///
    /// Allocates nothing once as many messages were in flight before; but an automatic Topic Alias takes
    /// the memory of its Topic Name.
    #[inline]
    pub fn poll<B: BufMut + ?Sized>(&mut self, now: Instant, wire: &mut B) -> Option<Output> {
        self.connection.poll(Some(&mut self.session), now, wire)
    }

    /// The Network Connection is gone, or could not be made. The Session goes on if it may. Poll then, and
    /// throw away what is left in the buffers of both directions. After [`Output::Close`] it does nothing.
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

impl Side for Client {
    const PEER: Role = Role::Server;

    #[inline(always)]
    fn connection(&self) -> &Connection {
        &self.connection
    }

    #[inline(always)]
    fn parts(&mut self) -> (&mut Connection, Option<&mut Session>) {
        (&mut self.connection, Some(&mut self.session))
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
                packet.refusal_of_older_version().map(Packet::ConnAck)
            }
            _ => None,
        }
    }

    fn has_connect(&self) -> bool {
        false
    }

    fn opening<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        self.step_opening(now, packet)
    }

    fn open<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        match *packet {
            // One that was not asked for does no harm.
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
            // What the Server must not send has been refused at its first byte.
            _ => Ok(None),
        }
    }

    fn reject(&mut self, now: Instant, error: DecodeError) {
        Client::reject(self, now, error);
    }

    fn fail(&mut self, now: Instant, error: PeerError) {
        self.end_early(false);
        self.connection.fail(Some(&mut self.session), now, error);
    }
}
