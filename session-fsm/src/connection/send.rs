//! The packets to be written, and their order.

use core::iter;

use mqtt5_codec::Wire;
use mqtt5_codec::framing::LARGEST_PACKET;
use mqtt5_codec::{
    Delivery, EncodeError, Packet, PacketType, Properties, PropertyIdentifier, ProtocolVersion,
    PubRel, Publish, Qos, ReasonCode, Violation,
};

use super::outbox::Blocked;
use super::{Connection, Phase, TopicAliases};
use crate::event::{Cause, Output};
use crate::exchange::table::{SenderEvent, SenderState};
use crate::session::{Ending, Notice, QueuedMessage, Session};
use crate::{Change, Instant, LimitExceeded, PublishError};

/// The result of writing a packet.
pub(super) enum Written {
    Yes,
    /// Something else was done; there may be more to write.
    Skipped,
    /// The buffer has too little room.
    NoRoom(usize),
    /// It is larger than the peer's Maximum Packet Size.
    TooLarge,
}

/// The length of a PUBREL without properties.
const SHORT_PACKET: usize = 4;

impl Connection {
    /// Writes packets until there is an output to return.
    // Inlined: out of line, each call takes 17 instructions more, and the answers are copied by a
    // call.
    #[inline(always)]
    pub(crate) fn poll<B: Wire + ?Sized>(
        &mut self,
        mut session: Option<&mut Session>,
        now: Instant,
        wire: &mut B,
    ) -> Option<Output> {
        self.observe(session.as_deref_mut(), now);
        // Fast path: nothing to do, or only acknowledgements and messages that have an identifier
        // to write.
        let is_usual = self.phase == Phase::Open && !self.liveness.is_blocked();
        let silent = session
            .as_deref_mut()
            .filter(|session| is_usual && session.is_silent());
        if let Some(session) = silent {
            if self.outbox.is_empty() || self.write_answers(Some(session), now, wire).is_ok() {
                while session.sender.publishes_next() {
                    let Some(Written::Yes) = self.write_unsent(session, now, wire) else {
                        return self.poll_busy(Some(session), now, wire);
                    };
                }
                if session.has_nothing_to_send() {
                    self.liveness.drain();
                    return None;
                }
            }
        }
        self.poll_busy(session, now, wire)
    }

    /// As [`Connection::poll`], and notes whether the host puts off reading from now on.
    #[inline(never)]
    fn poll_busy<B: Wire + ?Sized>(
        &mut self,
        mut session: Option<&mut Session>,
        now: Instant,
        wire: &mut B,
    ) -> Option<Output> {
        let room = wire.room();
        let output = self.poll_more(session.as_deref_mut(), now, wire);
        match output {
            Some(Output::NeedsRoom(_)) => {
                let written = room.saturating_sub(wire.room());
                self.liveness.block(now, written);
            }
            None => {
                self.liveness.drain();
                if self.liveness.is_blocked() {
                    self.liveness.unblock(now);
                    if let Some(session) = session.as_deref_mut() {
                        let latest = self.liveness.request_due(now);
                        session.clamp_requests(latest);
                    }
                }
                return session?.poll_room(self.window(), true);
            }
            Some(_) => {
                let written = room.saturating_sub(wire.room());
                self.liveness.hand_over(written);
            }
        }
        output
    }

    #[inline(always)]
    fn poll_more<B: Wire + ?Sized>(
        &mut self,
        mut session: Option<&mut Session>,
        now: Instant,
        wire: &mut B,
    ) -> Option<Output> {
        loop {
            // Whatever has to be stored comes before the packets that depend on it.
            let telling = session
                .as_deref_mut()
                .filter(|session| !session.is_silent());
            if let Some(output) = telling.and_then(|session| session.poll_pending(self.window())) {
                return Some(output);
            }
            if self.phase == Phase::Accepted && !self.unread.is_set() {
                self.phase = Phase::Open;
            }
            if !self.outbox.is_empty() {
                let written = self.write_answers(session.as_deref_mut(), now, wire);
                match written
                    .or_else(|()| self.write_some_answers(session.as_deref_mut(), now, wire))
                {
                    Ok(()) => {}
                    Err(Blocked::NoRoom(needed)) => return Some(Output::NeedsRoom(needed)),
                    Err(Blocked::TooLarge(packet_type)) => {
                        let cause = Cause::CannotAnswer(packet_type);
                        self.close(session.as_deref_mut(), now, cause, false);
                        continue;
                    }
                }
            }
            match self.phase {
                Phase::Closing(cause) => {
                    self.phase = Phase::Offline;
                    self.outbox.shrink();
                    return Some(Output::Close(cause));
                }
                Phase::Offline => return None,
                Phase::Opening if !self.early.may_send() => return None,
                Phase::Opening | Phase::Open | Phase::Accepted => {}
            }
            let session = session.as_deref_mut()?;
            match self.write_next(session, now, wire)? {
                Written::Yes => {
                    self.liveness.send(now);
                    self.early.spend();
                    if session.is_silent() && session.has_nothing_to_send() {
                        return None;
                    }
                }
                Written::NoRoom(needed) => return Some(Output::NeedsRoom(needed)),
                Written::Skipped => {}
                Written::TooLarge => {
                    // Only a PUBREL gets here: messages that are too large were given up above.
                    let cause = Cause::CannotAnswer(PacketType::PubRel);
                    self.close(Some(session), now, cause, false);
                }
            }
        }
    }

    /// All answers that wait, if there is room for them.
    #[inline(always)]
    fn write_answers<B: Wire + ?Sized>(
        &mut self,
        session: Option<&mut Session>,
        now: Instant,
        wire: &mut B,
    ) -> Result<(), ()> {
        let maximum = self.peer.maximum_packet_size as usize;
        let answered = self
            .outbox
            .write_all(self.version, maximum, wire)
            .ok_or(())?;
        self.liveness.send(now);
        if let Some(session) = session {
            session.answered(answered);
        }
        Ok(())
    }

    /// Those answers for which there is room.
    #[inline(never)]
    fn write_some_answers<B: Wire + ?Sized>(
        &mut self,
        session: Option<&mut Session>,
        now: Instant,
        wire: &mut B,
    ) -> Result<(), Blocked> {
        let maximum = self.peer.maximum_packet_size as usize;
        let (answered, asked, result) = self.outbox.write_some(self.version, maximum, wire);
        if let Some(answered) = answered {
            self.liveness.send(now);
            self.liveness.ask(now, asked);
            if let Some(session) = session {
                let due = self.liveness.request_due(now);
                session.answered(answered);
                if let Some(sender) = session.sender.used() {
                    sender.requests_written(asked.requests, due);
                }
            }
        }
        result
    }

    /// Writes a PUBREL, a PUBLISH that was given an identifier, or one that waits; `None` if there
    /// is none that may be sent now.
    #[inline]
    fn write_next<B: Wire + ?Sized>(
        &mut self,
        session: &mut Session,
        now: Instant,
        wire: &mut B,
    ) -> Option<Written> {
        if let Some(packet_identifier) = session.sender.next_release() {
            let release = PubRel::new(packet_identifier, ReasonCode::Success);
            if (self.peer.maximum_packet_size as usize) < SHORT_PACKET {
                return Some(Written::TooLarge);
            }
            return Some(match release.encode(self.version, wire) {
                Ok(()) => {
                    trace_packet!(self.version, "sent", &Packet::PubRel(release));
                    session.sender.release_sent();
                    Written::Yes
                }
                Err(_) => Written::NoRoom(SHORT_PACKET),
            });
        }
        let written = self.write_unsent(session, now, wire);
        if written.is_some() {
            return written;
        }
        if session.waiting.len() == 0 {
            return None;
        }
        self.write_waiting(session, now, wire)
    }

    /// The next message that was given an identifier, if it may be sent now.
    #[inline(never)]
    fn write_unsent<B: Wire + ?Sized>(
        &mut self,
        session: &mut Session,
        now: Instant,
        wire: &mut B,
    ) -> Option<Written> {
        // The quota is that of both sides [MQTT-3.3.4-9], and at 0 no PUBLISH with QoS 1 or 2
        // leaves [MQTT-4.9.0-2].
        let quota = fault!("MQTT-3.3.4-7", self.peer.receive_maximum, u16::MAX);
        let sender = session.sender.used()?;
        let (queued, delivery) = sender.next_publish(quota)?;
        if let Err(limit) = self.check_message(queued.qos, queued.retain) {
            give_up(session, SenderEvent::Forbidden, Ending::Forbidden(limit));
            return Some(Written::Skipped);
        }
        // Once it was sent it goes on, expired or not [MQTT-4.3.3-7].
        if queued.expires_at <= now && (!delivery.duplicate() || fault!("MQTT-4.3.3-7")) {
            let event = fault!(
                "MQTT-4.3.3-7",
                SenderEvent::Withdrawn,
                SenderEvent::Forbidden
            );
            give_up(session, event, Ending::Expired);
            return Some(Written::Skipped);
        }
        let written = self.write_publish(queued, delivery, now, wire);
        match written {
            Written::Yes => {
                self.liveness.send(now);
                sender.publish_sent();
            }
            Written::TooLarge => {
                let limit = LimitExceeded::MaximumPacketSize;
                give_up(session, SenderEvent::Forbidden, Ending::Forbidden(limit));
                return Some(Written::Skipped);
            }
            Written::NoRoom(_) | Written::Skipped => {}
        }
        Some(written)
    }

    /// The oldest message that waits, if it may be sent.
    #[inline(never)]
    fn write_waiting<B: Wire + ?Sized>(
        &mut self,
        session: &mut Session,
        now: Instant,
        wire: &mut B,
    ) -> Option<Written> {
        let Some(queued) = session.waiting.next(self.only_qos0(session)) else {
            return self.ask_release(session).then_some(Written::Skipped);
        };
        let qos = queued.qos;
        // [MQTT-3.3.2-5]
        if queued.expires_at <= now && !fault!("MQTT-3.3.2-5") {
            session.handle_timeout(now);
            return Some(Written::Skipped);
        }
        if let Err(limit) = self.check_message(queued.qos, queued.retain) {
            let waiting = session.waiting.pop(qos)?;
            session.waiting_ended(&waiting, Ending::Forbidden(limit));
            return Some(Written::Skipped);
        }
        if qos != Qos::AtMostOnce {
            let waiting = session.waiting.pop(qos)?;
            session.put_in_flight(waiting);
            // It is written in the next round, after the change was announced.
            return Some(Written::Skipped);
        }
        let written = self.write_publish(queued, Delivery::AtMostOnce, now, wire);
        match written {
            Written::Yes => {
                let sent = session.waiting.pop(qos)?;
                let token = sent.token;
                session.untold.forget_body(sent.body);
                session.forget_deadline(token);
                if self.phase == Phase::Opening {
                    self.early.sent(token);
                } else {
                    session.notice(Notice::Outcome(token, Ending::Sent));
                }
            }
            Written::TooLarge => {
                let waiting = session.waiting.pop(qos)?;
                let ending = Ending::Forbidden(LimitExceeded::MaximumPacketSize);
                session.waiting_ended(&waiting, ending);
                return Some(Written::Skipped);
            }
            Written::NoRoom(_) | Written::Skipped => {}
        }
        Some(written)
    }

    /// Whether the next `poll` has a packet to write.
    #[inline]
    pub(crate) fn has_output(&self, session: Option<&Session>) -> bool {
        !self.outbox.is_empty()
            || session.is_some_and(|it| !it.has_nothing_to_send() && self.has_message(it))
    }

    fn has_message(&self, session: &Session) -> bool {
        if !self.is_open() && !self.early.may_send() {
            return false;
        }
        let sender = &session.sender;
        sender.next_release().is_some()
            || sender.next_publish(self.peer.receive_maximum).is_some()
            || session.waiting.next(self.only_qos0(session)).is_some()
            || (session.waiting.len() > 0 && sender.wants_release())
    }

    /// Whether no more messages with QoS 1 or 2 may be put in flight.
    #[inline]
    fn only_qos0(&self, session: &Session) -> bool {
        // Messages in flight are sent again before new ones.
        let quota = fault!("MQTT-3.3.4-7", self.peer.receive_maximum, u16::MAX);
        let window = quota.min(session.config.in_flight);
        session.sender.in_flight() >= window
            || !session.sender.has_identifier()
            // What is stored of a Session begins with its Network Connection.
            || self.phase == Phase::Opening && session.config.persistent
    }

    /// Nothing more is written on this Network Connection.
    pub(crate) fn give_up_output(&mut self) {
        self.outbox.clear();
    }

    /// Writes a message with QoS 0 that is not stored.
    #[inline]
    pub(crate) fn publish_now<B: Wire + ?Sized>(
        &mut self,
        session: &Session,
        now: Instant,
        publish: &Publish<'_>,
        wire: &mut B,
    ) -> Result<(), PublishError> {
        if !self.is_open() {
            return Err(PublishError::NotConnected);
        }
        // Nothing overtakes the CONNACK, nor messages with QoS 0.
        if !self.outbox.is_empty() || session.waiting.next(true).is_some() {
            return Err(PublishError::Busy);
        }
        self.check_message(Qos::AtMostOnce, publish.retain)?;
        if publish.delivery != Delivery::AtMostOnce {
            return Err(Violation::DuplicateAtQos0.into());
        }
        let without_properties;
        let mut publish = publish;
        if publish.properties.is_empty() {
            // As most are.
        } else if self.version == ProtocolVersion::V3_1_1 {
            without_properties = Publish {
                properties: Properties::EMPTY,
                ..*publish
            };
            publish = &without_properties;
        } else {
            Packet::Publish(*publish).check_sent_by(self.version, self.role)?;
            if publish.properties.contains(PropertyIdentifier::TopicAlias) {
                return Err(Violation::PropertyNotAllowed.into());
            }
        }
        if self.peer.maximum_packet_size < LARGEST_PACKET {
            self.peer.check_size(publish.encoded_len(self.version)?)?;
        }
        if self.topic_aliases == TopicAliases::Off || self.peer.topic_alias_maximum == 0 {
            publish.encode(self.version, wire)?;
            trace_publish!(
                publish.delivery,
                publish.retain,
                publish.encoded_len(self.version).ok()
            );
        } else {
            // With an alias it would need no Topic Name.
            publish.encoded_len(self.version)?;
            match self.write_with_alias(publish, None, false, iter::empty(), None, wire) {
                Written::Yes => {}
                Written::NoRoom(needed) => return Err(EncodeError::NoRoom { needed }.into()),
                Written::TooLarge | Written::Skipped => {
                    return Err(LimitExceeded::MaximumPacketSize.into());
                }
            }
        }
        self.liveness.send(now);
        Ok(())
    }

    #[inline(always)]
    fn write_publish<B: Wire + ?Sized>(
        &mut self,
        queued: &QueuedMessage,
        delivery: Delivery,
        now: Instant,
        wire: &mut B,
    ) -> Written {
        let no_alias = queued.topic_alias.is_none() && self.topic_aliases == TopicAliases::Off;
        let takes_none = self.peer.topic_alias_maximum == 0 && !fault!("MQTT-3.1.2-27");
        let same_properties = queued.expires_at == Instant::NEVER && !queued.has_identifiers();
        // MQTT 3.1.1 has neither, and needs no extension [MQTT3-7.0.0-2].
        if (no_alias || takes_none) && same_properties || self.version == ProtocolVersion::V3_1_1 {
            // Nothing changes but the fixed header and the identifier.
            let message = &queued.message;
            if self
                .peer
                .check_stored(self.version, message, delivery)
                .is_err()
            {
                return Written::TooLarge;
            }
            let version = fault!(
                "properties for MQTT 3.1.1",
                self.version,
                ProtocolVersion::V5_0
            );
            return match message.encode(version, delivery, queued.retain, wire) {
                Ok(()) => {
                    trace_publish!(
                        delivery,
                        queued.retain,
                        Some(message.encoded_len(self.version, delivery))
                    );
                    Written::Yes
                }
                Err(EncodeError::NoRoom { needed }) => Written::NoRoom(needed),
                Err(_) => Written::TooLarge,
            };
        }
        self.write_changed(queued, delivery, now, wire)
    }
}

/// A message that has an identifier already is not sent: if it is too large for the peer, it counts
/// as sent \[MQTT-3.1.2-25\].
fn give_up(session: &mut Session, event: SenderEvent, ending: Ending) {
    let Some(given_up) = session.sender.give_up_next(event, &mut session.untold) else {
        return;
    };
    let packet_identifier = given_up.packet_identifier;
    let token = Some(given_up.token);
    if given_up.state == SenderState::Lost && !fault!("lost identifier announced as free") {
        session.watched_gone(Change::Lost { packet_identifier }, token);
    } else {
        session.finished(packet_identifier, token);
    }
    let ending = if given_up.written {
        Ending::Indeterminate
    } else {
        ending
    };
    session.notice(Notice::Outcome(given_up.token, ending));
}
