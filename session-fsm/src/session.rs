//! Session State (section 4.1), which outlives a Network Connection.

mod change;
mod clock;
mod deadlines;
mod fields;
mod forgotten_bodies;
mod life;
mod notice;
#[cfg(feature = "persistence")]
pub(crate) mod persistence;
mod publication;
mod publish;
mod rare;
mod rare_queue;
#[cfg(feature = "persistence")]
mod renumbered;
mod replay;
mod room;
mod subscription_identifiers;
mod unsettled;
mod untold;
mod waiting;

use alloc::boxed::Box;
use alloc::sync::Arc;

use mqtt5_codec::{PacketIdentifier, PacketType, Qos, ReasonCode, Role};

pub use change::Change;
pub(crate) use clock::message_expiry;
pub use deadlines::Deadline;
pub(crate) use life::{Absence, Life, NEVER_EXPIRES, PendingWill};
pub(crate) use notice::{Ending, Notice};
pub use publication::{Publication, QueuedMessage, RefusedPublication};
pub(crate) use rare::{Blank, Rare};
pub(crate) use rare_queue::RareQueue;
pub use room::StoredLimits;
pub use subscription_identifiers::SubscriptionIdentifiers;
pub use unsettled::{MessageState, Unsettled, UnsettledKind, WithdrawError};
pub(crate) use untold::Untold;
pub(crate) use waiting::Waiting;
pub use waiting::{WaitingLimits, WhenFull};

use self::deadlines::Deadlines;
use self::room::Refused;
use crate::error::SendError;
use crate::event::{Event, Output};
use crate::exchange::table::{ReceiverState, SenderState};
use crate::exchange::{Decision, Receipt, Receiver, Sender};

use crate::{Instant, Token};

/// How a Session works; the same for all of its Network Connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionConfig {
    /// How many messages with QoS 1 and 2 may be in flight, even if the peer's Receive Maximum
    /// allows more; 0 counts as 1. Default: 65,535.
    ///
    /// MQTT 3.1.1 has no Receive Maximum, so this is the only limit there. Set it to what the
    /// Server takes: mosquitto 2.0 acknowledges a message that exceeds its `max_inflight_messages`,
    /// 20 by default, and throws it away.
    pub in_flight: u16,
    /// How many messages may be in flight and wait together. Default: [`StoredLimits::default`].
    pub stored: StoredLimits,
    /// How many messages may wait. A message with QoS 1 or 2 waits if no more may be in flight, or
    /// if another such message waits. A message with QoS 0 waits if there is no Network Connection,
    /// or if another one with QoS 0 is not written yet. With 0 messages, none waits: a message that
    /// cannot be sent at once is refused. Default: [`WaitingLimits::default`].
    pub waiting: WaitingLimits,
    /// Whether the machine or the application acknowledges received messages. Default:
    /// [`Acknowledgement::Automatic`].
    pub acknowledgement: Acknowledgement,
    /// Whether [`Output::Persist`] announces the changes that must survive a crash. With a Session
    /// Expiry Interval of 0 it is of little use, as no Session is left after a crash:
    /// [`Event::SessionEndsWithConnection`] reports that. Default: `false`.
    pub persistent: bool,
}

impl SessionConfig {
    pub(crate) fn share(self) -> Arc<Self> {
        Arc::new(SessionConfig {
            in_flight: self.in_flight.max(1),
            ..self
        })
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        SessionConfig {
            in_flight: u16::MAX,
            stored: StoredLimits::default(),
            waiting: WaitingLimits::default(),
            acknowledgement: Acknowledgement::Automatic,
            persistent: false,
        }
    }
}

/// Whether the machine or the application acknowledges received messages with QoS 1 and 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Acknowledgement {
    /// The machine acknowledges a message with Success as soon as it returned the event. The next
    /// `poll` writes the acknowledgement, so do before it whatever must survive a crash.
    #[default]
    Automatic,
    /// The application acknowledges messages at any time, in any order, and with any Reason Code.
    /// The Receive Maximum that this side announces limits the number of undecided messages of one
    /// Network Connection.
    ///
    /// A Client's acknowledgements leave in the order of the messages \[MQTT-4.6.0-2\],
    /// \[MQTT-4.6.0-3\]: a message without a decision holds up later ones with the same QoS. A
    /// Server's leave in the order of the decisions, so that no message holds up another.
    Manual,
}

/// The Session State of a Client, or of a Server for one Client (section 4.1), with the messages
/// that wait to be sent.
///
/// It is made once, lives in a [`Client`](crate::Client) or, while there is a Network Connection,
/// in a [`Server`](crate::Server), and can be exported and restored. Without a connection it
/// accepts messages for a Client that is away, and handles message expiry, session expiry and a
/// delayed Will.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    pub(crate) role: Role,
    pub(crate) life: Life,
    /// The sizes of refused messages: an event is due when there is room.
    refused: Refused,
    /// A broker's Sessions share it.
    pub(crate) config: Arc<SessionConfig>,
    pub(crate) client_identifier: Box<str>,
    pub(crate) sender: Rare<Sender>,
    pub(crate) receiver: Rare<Receiver>,
    pub(crate) waiting: Waiting,
    pub(crate) last_token: Token,
    /// The deadlines of publications that are not over; `None` if there are none.
    deadlines: Option<Box<Deadlines>>,
    /// Whether the end of a message must be noted: the Session is persistent, or there are
    /// deadlines.
    watched: bool,
    /// Whether its owner stores each part under a key of its own: see [`parts`](persistence::parts).
    #[cfg(feature = "persistence")]
    keyed: bool,
    pub(crate) will: Option<Box<PendingWill>>,
    notices: RareQueue<Notice>,
    pub(crate) untold: Untold,
}

impl Session {
    /// Creates an empty Session of a Client. The first CONNECT determines its ClientID.
    #[must_use]
    pub fn of_client(config: SessionConfig) -> Self {
        Session::new(Role::Client, "", config)
    }

    /// Creates a Session for a Client that lost its own part, or never had it, and knows that the
    /// Server has a Session for the ClientID. The Client can resume it. Otherwise a Client must not
    /// resume a Session that it does not have \[MQTT-3.2.2-4\].
    ///
    /// The Session is [adopted](Session::is_adopted): the Server is asked to release each Packet
    /// Identifier before it is used.
    #[must_use]
    pub fn of_client_known_to_server(client_identifier: &str, config: SessionConfig) -> Self {
        let mut session = Session::new(Role::Client, client_identifier, config);
        session.life = Life::Away(Absence::from(Instant::ORIGIN, NEVER_EXPIRES));
        session.sender.adopt();
        session
    }

    /// Creates an empty Session of a Server for the Client with this ClientID.
    #[must_use]
    pub fn of_server(client_identifier: &str, config: SessionConfig) -> Self {
        Session::new(Role::Server, client_identifier, config)
    }

    fn new(role: Role, client_identifier: &str, config: SessionConfig) -> Self {
        Session::with_shared(role, client_identifier, config.share())
    }

    /// As [`Session::of_server`] and [`Session::of_client`], with a configuration that several
    /// share.
    pub(crate) fn with_shared(
        role: Role,
        client_identifier: &str,
        config: Arc<SessionConfig>,
    ) -> Self {
        Session {
            role,
            life: Life::None,
            refused: Refused::default(),
            client_identifier: client_identifier.into(),
            sender: Rare::default(),
            receiver: Rare::default(),
            waiting: Waiting::default(),
            last_token: Token::NONE,
            deadlines: None,
            watched: config.persistent,
            config,
            #[cfg(feature = "persistence")]
            keyed: false,
            will: None,
            notices: RareQueue::default(),
            untold: Untold::default(),
        }
    }

    /// Returns the ClientID; empty in a Client that has not connected yet.
    #[must_use]
    pub fn client_identifier(&self) -> &str {
        &self.client_identifier
    }

    /// Returns whether the Session can be resumed: it had a Network Connection, and has not ended.
    #[must_use]
    pub const fn exists(&self) -> bool {
        self.life.exists()
    }

    /// Returns whether the Server had the Session before this side knew of it: it was made by
    /// [`Session::of_client_known_to_server`], or the Server of a Client of MQTT 3.1.1 said so
    /// ([`UnknownSession::GoOn`](crate::UnknownSession::GoOn)).
    ///
    /// The Server may then hold Packet Identifiers of messages with QoS 2 of which this side knows
    /// nothing. It would take a new message with such an identifier for a repetition, and the
    /// message would be lost without an error. So before the Client uses an identifier, it sends a
    /// PUBREL with it, and waits for the PUBCOMP, for 16 identifiers at first and for more when
    /// these are all in use. Messages with QoS 1 and 2 and requests wait meanwhile. A Server reports
    /// such a PUBREL as one with an unknown identifier. Returns `false` once all identifiers were
    /// released.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        self.sender.is_adopted()
    }

    /// Returns the side that the Session belongs to.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Returns the configuration.
    #[must_use]
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// Returns how many messages with QoS 1 and 2 are in flight: they have a Packet Identifier.
    #[must_use]
    pub fn in_flight(&self) -> u16 {
        self.sender.in_flight()
    }

    /// Returns how many Packet Identifiers are not used again before the Session ends. Each
    /// belonged to a message with QoS 2 that was sent, and then given up because the limits of a
    /// new Network Connection did not let it be sent again. The peer would take another message
    /// with the identifier for this one \[MQTT-4.3.3-10\] \[MQTT3-4.3.3-2\].
    #[must_use]
    pub fn lost_identifiers(&self) -> u16 {
        self.sender.lost()
    }

    /// Returns how many messages wait to be sent.
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.waiting.len()
    }

    /// Returns how many bytes of messages wait to be sent.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.waiting.bytes()
    }

    /// Returns the state of one of this side's Packet Identifiers.
    #[must_use]
    pub fn sender_state(&self, packet_identifier: PacketIdentifier) -> SenderState {
        self.sender.state(packet_identifier)
    }

    /// Returns the state of one of the other side's Packet Identifiers.
    #[must_use]
    pub fn receiver_state(&self, packet_identifier: PacketIdentifier) -> ReceiverState {
        self.receiver.state(packet_identifier)
    }

    /// Acknowledges a message with QoS 2 that was delivered on an earlier Network Connection, or
    /// refuses it with a Reason Code of 0x80 or above. The PUBREC is sent when the PUBLISH comes
    /// again. On a connection of MQTT 3.1.1 it cannot say a refusal, and means success. While there is a Network Connection, use
    /// [`Client::acknowledge`](crate::Client::acknowledge) or
    /// [`Server::acknowledge`](crate::Server::acknowledge).
    ///
    /// # Errors
    ///
    /// [`SendError::Stale`]; [`SendError::Invalid`] for a Reason Code that a PUBREC of this side
    /// cannot have.
    pub fn acknowledge_with(
        &mut self,
        receipt: Receipt,
        reason_code: ReasonCode,
    ) -> Result<(), SendError> {
        let undecided = self.receiver.undecided(receipt);
        let (packet_identifier, qos) = undecided.map_err(|_| SendError::Stale)?;
        let packet_type = match qos {
            Qos::ExactlyOnce => PacketType::PubRec,
            _ => PacketType::PubAck,
        };
        if !reason_code.allowed_from(packet_type, self.role) {
            return Err(mqtt5_codec::Violation::ReasonCodeNotAllowed.into());
        }
        let decision = Decision {
            reason_code,
            packet: None,
        };
        self.decide(receipt, decision, packet_identifier);
        Ok(())
    }

    /// A message with QoS 2 is stored, and will be accepted: it is not to be handed out again after a
    /// restart either.
    #[cfg(feature = "persistence")]
    pub(crate) fn received(&mut self, receipt: Receipt) {
        if let Ok((packet_identifier, Qos::ExactlyOnce)) = self.receiver.undecided(receipt) {
            self.receiver.stored(receipt);
            self.change(|| Change::Received { packet_identifier });
        }
    }

    /// The application has decided about a message.
    pub(crate) fn decide(
        &mut self,
        receipt: Receipt,
        decision: Decision,
        packet_identifier: PacketIdentifier,
    ) {
        // It is not to be handed out again, whenever its PUBREC may leave.
        if self
            .receiver
            .decide(self.role, receipt, decision, packet_identifier)
        {
            self.change(|| Change::Received { packet_identifier });
        }
    }

    /// This many messages no longer count against the Receive Maximum: they were answered.
    #[inline]
    pub(crate) fn answered(&mut self, messages: u16) {
        if let Some(receiver) = self.receiver.used() {
            receiver.answered(messages);
        }
    }

    /// No request has a later deadline than this.
    pub(crate) fn clamp_requests(&mut self, latest: Instant) {
        if let Some(sender) = self.sender.used() {
            sender.clamp_requests(latest);
        }
    }

    /// A message in flight is gone.
    #[inline]
    pub(crate) fn finished(&mut self, packet_identifier: PacketIdentifier, token: Option<Token>) {
        if self.watched {
            self.watched_gone(Change::Finished { packet_identifier }, token);
        }
    }

    #[inline(never)]
    pub(crate) fn watched_gone(&mut self, change: Change, token: Option<Token>) {
        self.change(|| change);
        if let Some(token) = token {
            self.forget_deadline(token);
        }
    }

    /// A message got a Packet Identifier.
    #[inline(never)]
    fn watched_sent(&mut self, token: Token, packet_identifier: PacketIdentifier) {
        self.change(|| Change::Sent {
            token,
            packet_identifier,
        });
        self.deadline_in_flight(token, packet_identifier);
    }

    #[inline]
    pub(crate) fn change(&mut self, change: impl FnOnce() -> Change) {
        if self.config.persistent {
            self.untold.push_change(change());
        }
    }

    #[inline]
    pub(crate) fn notice(&mut self, notice: Notice) {
        trace_notice!(notice);
        self.notices.push_back(notice);
    }

    /// Returns what there is to do without a Network Connection. Call it after every other call
    /// until it returns `None`, as long as the Session is in no [`Client`](crate::Client) or
    /// [`Server`](crate::Server).
    #[inline]
    pub fn poll(&mut self) -> Option<Output> {
        if self.is_silent() {
            return None;
        }
        self.poll_pending(0).or_else(|| self.poll_room(0, true))
    }

    /// Takes the next event to report.
    pub(crate) fn take_notice(&mut self) -> Option<Event<'static>> {
        self.notices.pop_front().map(Event::from)
    }

    /// Whether an event waits to be reported.
    #[inline]
    pub(crate) fn has_notices(&self) -> bool {
        !self.notices.is_empty()
    }

    /// Gives back memory that is not in use. The machines do this when a Network Connection ends,
    /// and at each PINGREQ, which shows that the connection is idle.
    pub fn shrink(&mut self) {
        self.sender.shrink();
        self.receiver.shrink();
        self.waiting.shrink();
        self.notices.shrink();
        self.untold.shrink();
    }

    /// Takes the next change, and the one behind it to look at.
    #[cfg(feature = "persistence")]
    pub(crate) fn take_change(&mut self) -> Option<(Change, Option<&Change>)> {
        let change = self.untold.take_change()?;
        Some((change, self.untold.next_change()))
    }

    /// Whether there is a change that was not announced.
    #[inline]
    pub(crate) fn has_changes(&self) -> bool {
        self.untold.changes() > 0
    }

    /// Whether the owner has a number to take.
    #[inline]
    #[cfg(feature = "persistence")]
    pub(crate) const fn has_forgotten_bodies(&self) -> bool {
        self.untold.has_bodies()
    }

    /// Whether `poll` has nothing to return.
    #[inline]
    pub(crate) fn is_silent(&self) -> bool {
        // One comparison: this is asked twice per packet.
        (self.untold.changes() | self.notices.len()) == 0 && self.refused.is_none()
    }

    /// Whether no packet of the Session waits to be written, now or later.
    #[inline]
    pub(crate) fn has_nothing_to_send(&self) -> bool {
        self.sender.is_written() && self.waiting.len() == 0
    }

    /// `window` is how many messages the peer takes at a time; 0 without a Network Connection.
    #[inline(never)]
    pub(crate) fn poll_pending(&mut self, window: u16) -> Option<Output> {
        // An event comes before its change: a crash between them repeats the event instead of
        // losing it.
        if let Some(notice) = self.notices.pop_front() {
            return Some(Output::Event(notice.into()));
        }
        #[cfg(feature = "persistence")]
        if self.keyed {
            // Its owner takes the changes.
            return self.poll_room(window, false);
        }
        if let Some(change) = self.untold.take_change() {
            return Some(Output::Persist(change));
        }
        self.poll_room(window, false)
    }

    /// Returns when [`Session::handle_timeout`] must be called; [`Instant::NEVER`] if there is
    /// nothing to wait for.
    #[must_use]
    #[inline]
    pub fn next_timeout(&self) -> Instant {
        let deadline = self
            .deadlines
            .as_ref()
            .map_or(Instant::NEVER, |deadlines| deadlines.next());
        let expiry = self.waiting.next_expiry().min(deadline);
        expiry.min(self.life.ends_at()).min(self.will_due())
    }

    /// Whether `next_timeout` is never.
    #[inline]
    #[cfg(feature = "persistence")]
    pub(crate) fn waits_for_nothing(&self) -> bool {
        self.deadlines.is_none()
            && self.will_due() == Instant::NEVER
            && !self.waiting.may_expire()
            && self.life.ends_at() == Instant::NEVER
    }

    /// Does what is due: message expiry, deadlines of publications, the Will, the end of the
    /// Session.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(expired) = self.waiting.take_expired(now) {
            self.waiting_ended(&expired, Ending::Expired);
        }
        if self.deadlines.is_some() {
            self.handle_deadlines(now);
        }
        if self.will_due() <= now {
            self.hand_out_will();
        }
        let is_over = self.life.ends_at() <= now && !fault!("MQTT-4.1.0-2");
        // [MQTT3-4.1.0-1] [MQTT3-4.1.0-2]
        if is_over || (self.life.is_connected() && fault!("MQTT-4.1.0-1")) {
            self.end();
        }
    }
}
