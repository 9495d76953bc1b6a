//! The part of a Network Connection that both sides share: messages and their acknowledgements in
//! both directions.

mod adopted;
mod authentication;
mod changed_publish;
mod control;
mod early;
pub(crate) mod incoming;
pub(crate) mod large;
mod liveness;
pub(crate) mod older_version;
mod outbox;
mod packet_size;
mod receive;
mod send;
mod topic_alias;
mod unread;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use mqtt5_codec::framing::LARGEST_PACKET;
use mqtt5_codec::{
    Delivery, Disconnect, EncodeError, PacketIdentifier, PacketType, Properties, Property,
    ProtocolVersion, PubAck, PubRec, Qos, ReasonCode, Role,
};

pub(crate) use authentication::Authentication;
pub(crate) use control::EncodeToVec;
pub(crate) use early::Early;
pub use liveness::PacketTimeouts;
pub(crate) use liveness::{Liveness, Question, Timeouts};
pub(crate) use packet_size::Explanations;
pub(crate) use receive::Handled;
pub use topic_alias::TopicAliases;
pub(crate) use unread::Unread;

use self::outbox::Outbox;
use self::topic_alias::{Inbound, Outbound};
use crate::bandwidth::AliasSavings;
use crate::connection::large::Arriving;
use crate::error::SendError;
use crate::event::Cause;
use crate::exchange::table::ReceiverAction;
use crate::exchange::{Decision, Receiver};
use crate::session::{Publication, RefusedPublication, Session};
use crate::{Instant, LimitExceeded, Limits, PeerError, Receipt, SessionViolation, Token};

/// How far a Network Connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// There is none.
    Offline,
    /// CONNECT and CONNACK are on their way.
    Opening,
    /// The CONNACK with Success was sent or received.
    Open,
    /// As `Open`, but nothing is read: earlier events must be reported first.
    Accepted,
    /// The queued packets are written, then the connection is closed; nothing more is read.
    Closing(Cause),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) role: Role,
    /// The version that its CONNECT names.
    pub(crate) version: ProtocolVersion,
    pub(crate) phase: Phase,
    /// What this side announced.
    pub(crate) own: Limits,
    /// What the other side announced.
    pub(crate) peer: Limits,
    /// Server: the limit for packets before the CONNACK, beside the announced one.
    pub(crate) maximum_connect_size: u32,
    topic_aliases: TopicAliases,
    /// The most bytes that the Topic Names of Topic Aliases may take, in each direction.
    pub(crate) topic_alias_bytes: u32,
    outbox: Outbox,
    inbound: Inbound,
    pub(crate) arriving: Option<Arriving>,
    outbound: Outbound,
    pub(crate) authentication: Option<Box<Authentication>>,
    pub(crate) unread: Unread,
    pub(crate) early: Early,
    pub(crate) liveness: Liveness,
    /// Client of MQTT 3.1.1: the Reason Codes that the last UNSUBACK would have.
    #[allow(clippy::box_collection)]
    successes: Option<Box<Vec<ReasonCode>>>,
}

impl Connection {
    pub(crate) fn new(role: Role, topic_aliases: TopicAliases, liveness: Liveness) -> Self {
        Connection {
            role,
            version: ProtocolVersion::V5_0,
            phase: Phase::Offline,
            own: Limits::NONE,
            peer: Limits::NONE,
            maximum_connect_size: LARGEST_PACKET,
            topic_aliases,
            topic_alias_bytes: u32::MAX,
            outbox: Outbox::default(),
            inbound: Inbound::default(),
            arriving: None,
            outbound: Outbound::default(),
            authentication: None,
            unread: Unread::default(),
            early: Early::default(),
            liveness,
            successes: None,
        }
    }

    /// A new Network Connection: nothing of the one before reaches it.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.liveness.begin(now);
        *self = Connection {
            phase: Phase::Opening,
            topic_alias_bytes: self.topic_alias_bytes,
            inbound: fault!("MQTT-3.3.2-7", Inbound::default(), self.inbound.clone()),
            outbound: fault!(
                "MQTT-3.3.2-7 sent",
                Outbound::default(),
                self.outbound.clone()
            ),
            ..Connection::new(self.role, self.topic_aliases, self.liveness.clone())
        };
    }

    /// What Topic Aliases have saved.
    pub(crate) fn alias_savings(&self) -> AliasSavings {
        self.outbound.savings()
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Accepted)
    }

    /// Whether packets are read without looking at anything else first.
    #[inline]
    pub(crate) fn reads(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether nothing is read any more, or not yet.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Offline | Phase::Closing(_))
    }

    /// All that happened before was reported.
    pub(crate) fn start_reading(&mut self) {
        self.unread.clear();
        if self.phase == Phase::Accepted {
            self.phase = Phase::Open;
        }
    }

    /// The size of the largest packet that is taken while the connection opens.
    pub(crate) fn largest_opening_packet(&self) -> u32 {
        let announced = self.own.maximum_packet_size;
        fault!(
            "CONNECT of any size",
            announced.min(self.maximum_connect_size),
            announced
        )
    }

    /// Returns the feature of an incoming message that this side does not support.
    #[inline]
    pub(crate) fn unsupported(&self, qos: Qos, retain: bool) -> Option<SessionViolation> {
        match self.own.check_message(qos, retain) {
            Ok(()) => None,
            Err(limit) => limit.violation(),
        }
    }

    /// Whether too many bytes wait to be written, so that nothing is read or accepted before
    /// `poll`.
    #[inline]
    pub(crate) fn is_congested(&self) -> bool {
        self.outbox.is_full()
    }

    /// How many messages with QoS 1 and 2 the peer takes at a time; 0 without a connection.
    #[inline]
    pub(crate) fn window(&self) -> u16 {
        if self.is_open() {
            self.peer.receive_maximum
        } else {
            0
        }
    }

    /// Checks a message against the peer's limits, which may differ from those at its acceptance.
    #[inline]
    fn check_message(&self, qos: Qos, retain: bool) -> Result<(), LimitExceeded> {
        match self.peer.check_message(qos, retain) {
            Err(LimitExceeded::MaximumQos) if fault!("MQTT-3.2.2-11") => Ok(()),
            Err(LimitExceeded::RetainAvailable) if fault!("MQTT-3.2.2-14") => Ok(()),
            checked => checked,
        }
    }

    /// Checks a publication against the peer's limits. Its Subscription Identifiers are counted
    /// when the packet is written.
    #[inline]
    fn check_publication(&self, publication: &Publication) -> Result<(), LimitExceeded> {
        let qos = publication.qos;
        self.check_message(qos, publication.retain)?;
        let delivery = Delivery::new(qos, PacketIdentifier::MIN, false);
        self.peer
            .check_stored(self.version, &publication.message, delivery)?;
        match publication.topic_alias {
            Some(alias) if alias.get() > self.peer.topic_alias_maximum => {
                Err(LimitExceeded::TopicAliasMaximum)
            }
            _ => Ok(()),
        }
    }

    #[inline]
    pub(crate) fn publish(
        &mut self,
        session: &mut Session,
        now: Instant,
        publication: Publication,
    ) -> Result<Token, RefusedPublication> {
        if self.is_open() {
            if let Err(limit) = self.check_publication(&publication) {
                return Err(publication.refused(limit.into()));
            }
        }
        session.accept(now, publication, self.window())
    }

    /// The application decided about a message.
    pub(crate) fn decide(
        &mut self,
        session: &mut Session,
        receipt: Receipt,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let undecided = session.receiver.undecided(receipt);
        let (packet_identifier, qos) = undecided.map_err(|_| SendError::Stale)?;
        let exactly_once = qos == Qos::ExactlyOnce;
        let packet_type = if exactly_once {
            PacketType::PubRec
        } else {
            PacketType::PubAck
        };
        if !reason_code.allowed_from(packet_type, self.role) {
            return Err(SendError::Invalid(EncodeError::Invalid {
                packet_type,
                violation: mqtt5_codec::Violation::ReasonCodeNotAllowed,
            }));
        }
        if reason_code.is_error() && self.is_open() && self.version == ProtocolVersion::V3_1_1 {
            return Err(SendError::NotInVersion);
        }
        let mut packet = None;
        // In MQTT 3.1.1 it has none.
        if !properties.is_empty() && self.version == ProtocolVersion::V5_0 {
            packet = self.fit(Explanations::IfWanted, properties, |version, properties| {
                if exactly_once {
                    let properties = Properties::new(properties)?;
                    PubRec {
                        properties,
                        ..PubRec::new(packet_identifier, reason_code)
                    }
                    .encode_to_vec(version)
                } else {
                    let properties = Properties::new(properties)?;
                    PubAck {
                        properties,
                        ..PubAck::new(packet_identifier, reason_code)
                    }
                    .encode_to_vec(version)
                }
            })?;
            // The limits of the next Network Connection are not known.
            let used = self.outbox.len() + session.receiver.explained();
            packet = packet.filter(|it| self.is_open() && used + it.len() <= Outbox::FULL);
        }
        let decision = Decision {
            reason_code,
            packet: packet.map(Vec::into_boxed_slice),
        };
        session.decide(receipt, decision, packet_identifier);
        if self.is_open() {
            self.answer_decided(session);
        }
        Ok(())
    }

    /// Takes a PINGRESP. Returns the round trip, if the application asked for it.
    pub(crate) fn round_trip(&mut self, now: Instant) -> Option<Duration> {
        let here = self.liveness.reading(now);
        self.liveness.pings.answered(here)
    }

    /// Whether packets that are encoded already wait to be written.
    pub(crate) fn has_unwritten(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Notes the time, and handles a clock that went back.
    #[inline]
    pub(crate) fn observe(&mut self, session: Option<&mut Session>, now: Instant) {
        if self.liveness.goes_back(now) {
            self.clock_went_back(session, now);
        }
    }

    #[cold]
    #[inline(never)]
    fn clock_went_back(&mut self, session: Option<&mut Session>, now: Instant) {
        self.liveness.clamp(now);
        if let Some(session) = session {
            let latest = self.liveness.request_due(now);
            session.clamp_requests(latest);
            session.clamp(now);
        }
    }

    /// Gives back memory that is not in use: nothing is going on.
    pub(crate) fn shrink(&mut self, session: &mut Session) {
        // Memory in use is not moved: a peer may send many PINGREQs at once.
        if self.outbox.is_empty() {
            self.outbox.shrink();
            session.shrink();
        }
    }

    /// Ends the connection. Queued packets are written if `flush`, and discarded otherwise.
    pub(crate) fn close(
        &mut self,
        session: Option<&mut Session>,
        now: Instant,
        cause: Cause,
        flush: bool,
    ) {
        trace_decision!(%cause, "the Network Connection ends");
        if !flush {
            self.outbox.clear();
        }
        self.phase = Phase::Closing(cause);
        self.arriving = None;
        self.unread.clear();
        self.authentication = None;
        if let Some(session) = session {
            session.connection_ended(now);
        }
    }

    /// Ends the connection because the peer broke a rule, with a DISCONNECT if that is allowed.
    pub(crate) fn fail(&mut self, session: Option<&mut Session>, now: Instant, error: PeerError) {
        let reason_code = error.reason_code();
        trace_decision!(%error, %reason_code, "the peer broke a rule");
        let may_disconnect = self.role == Role::Client || self.is_open() || fault!("MQTT-3.14.0-1");
        // Packets before the error are answered.
        self.close(session, now, Cause::PeerError(error), true);
        if may_disconnect {
            let reason_code = match reason_code {
                code if code.allowed_from(PacketType::Disconnect, self.role) => code,
                _ => ReasonCode::ProtocolError,
            };
            self.farewell(&Disconnect::new(reason_code));
        }
    }

    /// Ends the connection because the network is gone.
    pub(crate) fn lost(&mut self, session: Option<&mut Session>, now: Instant) {
        if self.phase != Phase::Offline {
            trace_decision!("the Network Connection is lost");
        }
        self.begin(now);
        self.phase = Phase::Offline;
        if let Some(session) = session {
            session.connection_ended(now);
        }
    }

    /// The answers of the receiver half whose turn it is.
    fn answer_decided(&mut self, session: &mut Session) {
        while let Some((packet_identifier, action, decision)) =
            session.receiver.used().and_then(Receiver::next_in_turn)
        {
            let Decision {
                reason_code,
                packet,
            } = decision;
            match packet {
                Some(packet) => self.outbox.push(&packet),
                None if action == ReceiverAction::PubAck => {
                    self.outbox
                        .puback(self.version, packet_identifier, reason_code);
                }
                None => self
                    .outbox
                    .pubrec(self.version, packet_identifier, reason_code),
            }
            if action == ReceiverAction::PubAck || reason_code.is_error() {
                self.outbox.answers();
            }
        }
    }
}
