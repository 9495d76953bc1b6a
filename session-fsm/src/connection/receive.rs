//! Incoming messages and acknowledgements.

use alloc::boxed::Box;
use alloc::vec;

use mqtt5_codec::property::Scope;
use mqtt5_codec::{
    Delivery, Packet, PacketIdentifier, PacketType, Properties, PropertyIdentifier,
    ProtocolVersion, Publish, PublishProperties, Qos, ReasonCode, Role, TopicName,
    UnsubAckReasonCodes,
};

use super::Connection;
use crate::event::{Delivered, Event};
use crate::exchange::table::{ReceiverAction, SenderAction, SenderEvent};
use crate::session::{Acknowledgement, Notice, Session};
use crate::{Change, Outcome, Receipt, SessionViolation, Token};

/// The result of a packet: an event, nothing, or the rule that it breaks.
pub(crate) type Handled<'a> = Result<Option<Event<'a>>, SessionViolation>;

impl Connection {
    /// Handles PUBACK, PUBREC, PUBREL and PUBCOMP.
    pub(crate) fn receive_exchange<'a>(
        &mut self,
        session: &mut Session,
        packet: &Packet<'a>,
    ) -> Handled<'a> {
        let (packet_type, identifier, outcome) = match packet {
            Packet::PubAck(puback) => {
                self.check_explanations(&puback.properties)?;
                let outcome = Outcome::PubAck(puback.reason_code, puback.properties);
                (PacketType::PubAck, puback.packet_identifier, outcome)
            }
            Packet::PubRec(pubrec) => {
                self.check_explanations(&pubrec.properties)?;
                let outcome = Outcome::PubRec(pubrec.reason_code, pubrec.properties);
                (PacketType::PubRec, pubrec.packet_identifier, outcome)
            }
            Packet::PubComp(pubcomp) => {
                self.check_explanations(&pubcomp.properties)?;
                let outcome = Outcome::PubComp(pubcomp.reason_code, pubcomp.properties);
                (PacketType::PubComp, pubcomp.packet_identifier, outcome)
            }
            Packet::PubRel(pubrel) => {
                self.check_explanations(&pubrel.properties)?;
                self.receive_pubrel(session, pubrel.packet_identifier)?;
                return Ok(None);
            }
            // The caller gives no other packet.
            _ => return Ok(None),
        };
        let refused = matches!(outcome, Outcome::PubRec(reason_code, _) if reason_code.is_error());
        let refused = refused
            || fault!("PUBREC 0x10 refuses")
                && matches!(outcome, Outcome::PubRec(code, _) if code != ReasonCode::Success);
        let token = self.receive_acknowledgement(session, packet_type, identifier, refused)?;
        Ok(token.map(|token| Event::Outcome(token, outcome)))
    }

    /// As [`Connection::receive_exchange`], for a packet with Success and without properties.
    /// Returns the token, if the exchange is over.
    #[inline]
    pub(crate) fn receive_success(
        &mut self,
        session: &mut Session,
        packet_type: PacketType,
        packet_identifier: PacketIdentifier,
    ) -> Result<Option<Token>, SessionViolation> {
        if packet_type == PacketType::PubRel {
            self.receive_pubrel(session, packet_identifier)?;
            return Ok(None);
        }
        self.receive_acknowledgement(session, packet_type, packet_identifier, false)
    }

    /// Handles PUBACK, PUBREC or PUBCOMP. Returns the token, if the exchange is over.
    #[inline]
    fn receive_acknowledgement(
        &mut self,
        session: &mut Session,
        packet_type: PacketType,
        packet_identifier: PacketIdentifier,
        refused: bool,
    ) -> Result<Option<Token>, SessionViolation> {
        let event = match packet_type {
            PacketType::PubAck => SenderEvent::PubAck,
            PacketType::PubRec if refused => {
                fault!(
                    "refusal released",
                    SenderEvent::PubRecError,
                    SenderEvent::PubRec
                )
            }
            PacketType::PubRec => SenderEvent::PubRec,
            _ => SenderEvent::PubComp,
        };
        let (action, token) =
            session
                .sender
                .acknowledge(packet_identifier, event, &mut session.untold);
        self.follow(session, packet_type, packet_identifier, action, token)?;
        Ok(token)
    }

    /// Does what the sender's table says about an acknowledgement.
    #[inline]
    fn follow(
        &mut self,
        session: &mut Session,
        packet_type: PacketType,
        packet_identifier: PacketIdentifier,
        action: SenderAction,
        token: Option<Token>,
    ) -> Result<(), SessionViolation> {
        match action {
            SenderAction::Finish => session.finished(packet_identifier, token),
            SenderAction::Release => {
                session.change(|| Change::Released { packet_identifier });
                // Those of earlier PUBRECs go first [MQTT-4.6.0-4] [MQTT3-4.6.0-4].
                if session.sender.next_release() == Some(packet_identifier) {
                    let named = fault!("MQTT-4.3.3-4", packet_identifier, PacketIdentifier::MIN);
                    self.outbox.pubrel(self.version, named, ReasonCode::Success);
                    session.sender.release_sent();
                }
            }
            SenderAction::ReleaseAgain => {
                while let Some(earlier) = session.sender.next_release() {
                    let named = fault!("MQTT-2.2.1-5 earlier", earlier, packet_identifier);
                    self.outbox.pubrel(self.version, named, ReasonCode::Success);
                    session.sender.release_sent();
                }
                self.outbox
                    .pubrel(self.version, packet_identifier, ReasonCode::Success);
            }
            SenderAction::ReleaseUnknown if fault!("unknown PUBREC is an error") => {
                return Err(SessionViolation::WrongAcknowledgement);
            }
            SenderAction::ReleaseUnknown => {
                self.outbox.pubrel(
                    self.version,
                    packet_identifier,
                    ReasonCode::PacketIdentifierNotFound,
                );
                session.notice(Notice::UnknownIdentifier(packet_type, packet_identifier));
            }
            SenderAction::Report => report(session, packet_type, packet_identifier),
            SenderAction::WrongKind => return Err(SessionViolation::WrongAcknowledgement),
            // Not what an acknowledgement leads to.
            SenderAction::Nothing
            | SenderAction::Publish
            | SenderAction::PublishAgain
            | SenderAction::Ask
            | SenderAction::TakeBack
            | SenderAction::Lose
            | SenderAction::TooLate
            | SenderAction::Never => {}
        }
        Ok(())
    }

    /// Handles a PUBLISH. Returns whether to deliver it, and its receipt.
    #[inline]
    pub(crate) fn receive_publish(
        &mut self,
        session: &mut Session,
        publish: &Publish<'_>,
    ) -> Result<Option<Option<Receipt>>, SessionViolation> {
        // Before anything else, as it would be by its first byte alone.
        if let Some(violation) = self.unsupported(publish.delivery.qos(), publish.retain) {
            return Err(violation);
        }
        self.learn_alias(publish)?;
        if fault!("MQTT-4.3.3-13") && publish.properties.message_expiry_interval() == Some(0) {
            return Ok(None);
        }
        self.receive_plain(session, publish.delivery, publish.retain)
    }

    /// As [`Connection::receive_publish`], for a message without properties.
    #[inline]
    pub(crate) fn receive_plain(
        &mut self,
        session: &mut Session,
        delivery: Delivery,
        retain: bool,
    ) -> Result<Option<Option<Receipt>>, SessionViolation> {
        let qos = delivery.qos();
        if let Some(violation) = self.unsupported(qos, retain) {
            return Err(violation);
        }
        let manual = session.config.acknowledgement == Acknowledgement::Manual;
        let mut receipt = None;
        if let Some(packet_identifier) = delivery.packet_identifier() {
            if fault!("unseen DUP dropped") && delivery.duplicate() && qos == Qos::ExactlyOnce {
                self.outbox
                    .pubrec(self.version, packet_identifier, ReasonCode::Success);
                return Ok(None);
            }
            let receive_maximum = self.own.receive_maximum;
            let receiver = &mut session.receiver;
            let received =
                receiver.publish(self.role, packet_identifier, qos, receive_maximum, manual);
            let Ok((action, undecided)) = received else {
                return Err(SessionViolation::ReceiveMaximumExceeded);
            };
            receipt = undecided;
            match action {
                ReceiverAction::Deliver => {}
                // By the rules of its QoS [MQTT-4.5.0-2] [MQTT3-4.5.0-2] [MQTT3-4.3.2-2].
                ReceiverAction::PubAck if fault!("MQTT-4.3.2-4") => {}
                ReceiverAction::PubAck => {
                    let named = fault!("MQTT-2.2.1-5", packet_identifier, PacketIdentifier::MIN);
                    self.outbox.puback(self.version, named, ReasonCode::Success);
                    self.outbox.answers();
                }
                // [MQTT3-3.3.4-1]
                ReceiverAction::PubRec if fault!("MQTT-3.3.4-1") => {
                    self.outbox
                        .puback(self.version, packet_identifier, ReasonCode::Success);
                    self.outbox.answers();
                }
                ReceiverAction::PubRec => {
                    session.change(|| Change::Received { packet_identifier });
                    if !fault!("MQTT-4.3.3-8") {
                        let named =
                            fault!("MQTT-2.2.1-5", packet_identifier, PacketIdentifier::MIN);
                        self.outbox.pubrec(self.version, named, ReasonCode::Success);
                    }
                }
                ReceiverAction::PubRecAgain if fault!("repetition is an error") => {
                    return Err(SessionViolation::ReleasedTooEarly);
                }
                ReceiverAction::PubRecAgain => {
                    trace_decision!(
                        packet_identifier = packet_identifier.get(),
                        "a repeated message is not delivered"
                    );
                    self.outbox
                        .pubrec(self.version, packet_identifier, ReasonCode::Success);
                    return Ok(None);
                }
                ReceiverAction::Repeat | ReceiverAction::Await => {
                    trace_decision!(
                        packet_identifier = packet_identifier.get(),
                        "a repeated message is not delivered"
                    );
                    // It may have been decided while there was no connection.
                    self.answer_decided(session);
                    return Ok(None);
                }
                ReceiverAction::InUse => {
                    trace_decision!(
                        packet_identifier = packet_identifier.get(),
                        "the Packet Identifier is in use"
                    );
                    if self.version == ProtocolVersion::V3_1_1 {
                        return Err(SessionViolation::PacketIdentifierInUse);
                    }
                    self.refuse_identifier(packet_identifier, qos);
                    return Ok(None);
                }
                // Not what a PUBLISH leads to.
                ReceiverAction::Nothing
                | ReceiverAction::PubComp
                | ReceiverAction::PubCompUnknown
                | ReceiverAction::TooEarly
                | ReceiverAction::Never => return Ok(None),
            }
        }
        Ok(Some(receipt))
    }

    fn refuse_identifier(&mut self, packet_identifier: PacketIdentifier, qos: Qos) {
        let reason_code = ReasonCode::PacketIdentifierInUse;
        match qos {
            Qos::ExactlyOnce => self
                .outbox
                .pubrec(self.version, packet_identifier, reason_code),
            _ => self
                .outbox
                .puback(self.version, packet_identifier, reason_code),
        }
        self.outbox.answers();
    }

    /// A Topic Alias with a Topic Name is for later messages, too, even if this one is not
    /// delivered.
    #[inline]
    pub(super) fn learn_alias(&mut self, publish: &Publish<'_>) -> Result<(), SessionViolation> {
        if publish.properties.is_empty() {
            return Ok(());
        }
        let Some(alias) = publish.properties.topic_alias() else {
            return Ok(());
        };
        let maximum = self.own.topic_alias_maximum;
        match publish.topic {
            Some(topic) => self.inbound.set(
                alias,
                topic.as_str(),
                maximum,
                self.topic_alias_bytes as usize,
            ),
            None => self.inbound.topic(alias, maximum).map(|_| ()),
        }
    }

    /// Puts the Topic Name into a message for which an alias stood, and Success for each Topic
    /// Filter into an UNSUBACK of MQTT 3.1.1, which has no Reason Codes (section 3.11 there). It is
    /// not done any earlier, because it borrows from the connection.
    #[inline(never)]
    pub(crate) fn complete<'a>(&'a self, mut event: Event<'a>) -> Event<'a> {
        match &mut event {
            Event::Message(Delivered { publish, .. }) if publish.topic.is_none() => {
                publish.topic = self.topic_of(&publish.properties);
            }
            Event::LargeMessage(large) if large.topic.is_none() => {
                large.topic = self.topic_of(&large.properties);
            }
            Event::Outcome(_, Outcome::UnsubAck(unsuback)) if unsuback.reason_codes.is_empty() => {
                if let Ok(reason_codes) =
                    UnsubAckReasonCodes::new(self.successes.as_ref().map_or(&[], |codes| codes))
                {
                    unsuback.reason_codes = reason_codes;
                }
            }
            _ => {}
        }
        event
    }

    /// What a Topic Alias stands for.
    fn topic_of(&self, properties: &PublishProperties<'_>) -> Option<TopicName<'_>> {
        let alias = properties.topic_alias()?;
        let topic = self.inbound.topic(alias, self.own.topic_alias_maximum);
        TopicName::new(topic.ok()?).ok()
    }

    #[inline]
    fn receive_pubrel(
        &mut self,
        session: &mut Session,
        packet_identifier: PacketIdentifier,
    ) -> Result<(), SessionViolation> {
        let (action, counts) = session.receiver.release(packet_identifier);
        let reason_code = match action {
            ReceiverAction::PubComp => {
                session.change(|| Change::Completed { packet_identifier });
                ReasonCode::Success
            }
            ReceiverAction::TooEarly => match session
                .receiver
                .release_later(session.role, packet_identifier)
            {
                None => return Err(SessionViolation::ReleasedTooEarly),
                Some(is_stored) => {
                    if is_stored {
                        session.change(|| Change::Completed { packet_identifier });
                    }
                    ReasonCode::Success
                }
            },
            ReceiverAction::PubCompUnknown => {
                let packet_type = PacketType::PubRel;
                session.notice(Notice::UnknownIdentifier(packet_type, packet_identifier));
                if fault!("unknown PUBREL unanswered") {
                    return Ok(());
                }
                ReasonCode::PacketIdentifierNotFound
            }
            // Not what a PUBREL leads to.
            ReceiverAction::Nothing
            | ReceiverAction::Deliver
            | ReceiverAction::PubAck
            | ReceiverAction::PubRec
            | ReceiverAction::PubRecAgain
            | ReceiverAction::Repeat
            | ReceiverAction::Await
            | ReceiverAction::InUse
            | ReceiverAction::Never => return Ok(()),
        };
        let named = fault!("MQTT-4.3.3-11", packet_identifier, PacketIdentifier::MIN);
        self.outbox.pubcomp(self.version, named, reason_code);
        if counts {
            self.outbox.answers();
        }
        Ok(())
    }

    /// A Server must not explain what the Client does not want to be explained.
    #[inline]
    pub(crate) fn check_explanations<S: Scope>(
        &self,
        properties: &Properties<'_, S>,
    ) -> Result<(), SessionViolation> {
        if properties.is_empty() || self.own.problem_information || self.role == Role::Server {
            return Ok(());
        }
        if properties.contains(PropertyIdentifier::ReasonString)
            || properties.contains(PropertyIdentifier::UserProperty)
        {
            return Err(SessionViolation::ProblemInformationUnexpected);
        }
        Ok(())
    }

    /// SUBACK or UNSUBACK, with this many Reason Codes if it has any: the outcome of its request, unless that was
    /// reported before.
    pub(crate) fn receive_answer<'a>(
        &mut self,
        session: &mut Session,
        packet_type: PacketType,
        packet_identifier: PacketIdentifier,
        codes: Option<usize>,
        outcome: Outcome<'a>,
    ) -> Handled<'a> {
        let event = match packet_type {
            PacketType::SubAck => SenderEvent::SubAck,
            _ => SenderEvent::UnsubAck,
        };
        let filters = session.sender.filters(packet_identifier, event);
        match (filters, codes) {
            (Some(filters), Some(codes)) if u32::try_from(codes) != Ok(filters) => {
                return Err(SessionViolation::ReasonCodeCount);
            }
            (Some(filters), None) => {
                self.successes = Some(Box::new(vec![ReasonCode::Success; filters as usize]));
            }
            _ => {}
        }
        let (action, token) =
            session
                .sender
                .acknowledge(packet_identifier, event, &mut session.untold);
        // A request is not Session State: that it is over is not stored.
        if action != SenderAction::Finish {
            self.follow(session, packet_type, packet_identifier, action, None)?;
        }
        let token = token.filter(|token| *token != Token::NONE);
        Ok(token.map(|token| Event::Outcome(token, outcome)))
    }
}

/// An acknowledgement came for an identifier that is not in use.
#[cold]
#[inline(never)]
fn report(session: &mut Session, packet_type: PacketType, packet_identifier: PacketIdentifier) {
    let is_asked_for = packet_type == PacketType::PubComp && session.released(packet_identifier);
    if !is_asked_for {
        session.notice(Notice::UnknownIdentifier(packet_type, packet_identifier));
    }
}
