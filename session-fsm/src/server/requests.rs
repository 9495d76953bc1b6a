//! The Server's part of SUBSCRIBE and UNSUBSCRIBE (sections 3.8 to 3.11).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use mqtt5_codec::{
    PacketIdentifier, PacketType, Properties, Property, ProtocolVersion, ReasonCode, ReasonCodes,
    SubAck, Subscribe, UnsubAck, UnsubAckReasonCodes, Unsubscribe,
};

use super::connection::Lent;
use crate::connection::{EncodeToVec, Explanations, Handled, older_version};
use crate::error::SendError;
use crate::event::{Cause, Event};
use crate::limits::Needs;
use crate::table::ReceiverState;
use crate::{Instant, LimitExceeded, SessionViolation};

/// The requests that the caller has not answered yet. It takes memory while there are any.
#[allow(clippy::box_collection)]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Requests(Option<Box<BTreeMap<PacketIdentifier, Pending>>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pending {
    filters: u32,
    /// How often it came: a Client of MQTT 3.1.1 may send it again, and each one is answered.
    times: u16,
    /// The type of the answer.
    answer: PacketType,
}

impl Requests {
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pending| pending.len())
    }

    fn get(&self, packet_identifier: PacketIdentifier) -> Option<&Pending> {
        self.0.as_ref()?.get(&packet_identifier)
    }

    fn get_mut(&mut self, packet_identifier: PacketIdentifier) -> Option<&mut Pending> {
        self.0.as_mut()?.get_mut(&packet_identifier)
    }

    fn insert(&mut self, packet_identifier: PacketIdentifier, pending: Pending) {
        let all = self.0.get_or_insert_default();
        all.insert(packet_identifier, pending);
    }

    fn remove(&mut self, packet_identifier: PacketIdentifier) {
        if let Some(all) = &mut self.0 {
            all.remove(&packet_identifier);
            if all.is_empty() {
                self.0 = None;
            }
        }
    }
}

impl Lent<'_> {
    pub(super) fn receive_subscribe<'a>(
        &mut self,
        now: Instant,
        subscribe: Subscribe<'a>,
    ) -> Handled<'a> {
        let own = &self.server.connection.own;
        let (needs, filters) = Needs::of(&subscribe.properties, &subscribe.subscriptions);
        let limit = own.check_request(needs).err();
        if let Some(violation) = limit.and_then(LimitExceeded::violation) {
            return Err(violation);
        }
        let mut subscriptions = subscribe.subscriptions.iter();
        if fault!("MQTT-3.2.2-10")
            && subscriptions.any(|it| it.options.maximum_qos > own.maximum_qos)
        {
            return Err(SessionViolation::QosNotSupported);
        }
        let fresh = self.remember(
            now,
            subscribe.packet_identifier,
            filters,
            PacketType::SubAck,
        )?;
        Ok(fresh.then_some(Event::Subscribe(subscribe)))
    }

    pub(super) fn receive_unsubscribe<'a>(
        &mut self,
        now: Instant,
        unsubscribe: Unsubscribe<'a>,
    ) -> Handled<'a> {
        let filters = u32::try_from(unsubscribe.filters.iter().count()).unwrap_or(u32::MAX);
        let fresh = self.remember(
            now,
            unsubscribe.packet_identifier,
            filters,
            PacketType::UnsubAck,
        )?;
        Ok(fresh.then_some(Event::Unsubscribe(unsubscribe)))
    }

    /// Remembers a request. Answers it with 0x91 if its identifier is in use, and with 0x97 or 0x83
    /// if too many requests wait.
    fn remember(
        &mut self,
        now: Instant,
        packet_identifier: PacketIdentifier,
        filters: u32,
        answer: PacketType,
    ) -> Result<bool, SessionViolation> {
        let Some(session) = self.session.as_deref_mut() else {
            return Ok(false);
        };
        if self.server.connection.version == ProtocolVersion::V3_1_1 {
            let limit = self.server.unanswered_requests;
            let pending = self.server.requests.get_mut(packet_identifier);
            let same = pending.filter(|it| (it.filters, it.answer) == (filters, answer));
            if let Some(pending) = same.filter(|it| it.times < limit) {
                pending.times += 1;
                return Ok(false);
            }
            if session.receiver.state(packet_identifier) != ReceiverState::Free {
                return Err(SessionViolation::PacketIdentifierInUse);
            }
        }
        let refusal = match answer {
            _ if session.receiver.state(packet_identifier) != ReceiverState::Free => {
                ReasonCode::PacketIdentifierInUse
            }
            PacketType::SubAck => ReasonCode::QuotaExceeded,
            // An UNSUBACK cannot have Quota exceeded.
            _ => ReasonCode::ImplementationSpecificError,
        };
        if self.server.requests.len() < usize::from(self.server.unanswered_requests)
            && session.receiver.request(packet_identifier)
        {
            let pending = Pending {
                filters,
                times: 1,
                answer,
            };
            self.server.requests.insert(packet_identifier, pending);
            return Ok(true);
        }
        let codes = vec![refusal; filters as usize];
        if !matches!(
            self.send_codes(packet_identifier, answer, &codes, &[]),
            Ok(true)
        ) {
            self.close(now, Cause::CannotAnswer(answer), false);
        }
        Ok(false)
    }

    /// As [`Server::acknowledge_subscribe`](crate::Server::acknowledge_subscribe).
    ///
    /// # Errors
    ///
    /// As [`Server::acknowledge_subscribe`](crate::Server::acknowledge_subscribe).
    pub fn acknowledge_subscribe(
        &mut self,
        now: Instant,
        packet_identifier: PacketIdentifier,
        reason_codes: &[ReasonCode],
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let answer = PacketType::SubAck;
        self.answer(now, packet_identifier, answer, reason_codes, properties)
    }

    /// As [`Server::acknowledge_unsubscribe`](crate::Server::acknowledge_unsubscribe).
    ///
    /// # Errors
    ///
    /// As [`Server::acknowledge_unsubscribe`](crate::Server::acknowledge_unsubscribe).
    pub fn acknowledge_unsubscribe(
        &mut self,
        now: Instant,
        packet_identifier: PacketIdentifier,
        reason_codes: &[ReasonCode],
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let answer = PacketType::UnsubAck;
        self.answer(now, packet_identifier, answer, reason_codes, properties)
    }

    /// Whether a SUBACK with this Packet Identifier is owed.
    #[cfg(feature = "persistence")]
    pub(crate) fn owes_suback(&self, packet_identifier: PacketIdentifier) -> bool {
        let pending = self.server.requests.get(packet_identifier);
        let is_owed = pending.is_some_and(|pending| pending.answer == PacketType::SubAck);
        is_owed && self.server.connection.is_open()
    }

    fn answer(
        &mut self,
        now: Instant,
        packet_identifier: PacketIdentifier,
        answer: PacketType,
        reason_codes: &[ReasonCode],
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let pending = self.server.requests.get(packet_identifier);
        if fault!("MQTT-3.3.4-10") && self.session.as_deref().is_some_and(|it| it.in_flight() > 0) {
            return Err(SendError::NotExpected);
        }
        let Some(&pending) = pending.filter(|pending| pending.answer == answer) else {
            return Err(SendError::NotExpected);
        };
        if u32::try_from(reason_codes.len()) != Ok(pending.filters) && !fault!("MQTT-3.8.4-6") {
            return Err(SendError::ReasonCodeCount);
        }
        for _ in 0..pending.times {
            if !self.send_codes(packet_identifier, answer, reason_codes, properties)? {
                self.close(now, Cause::CannotAnswer(answer), false);
                return Ok(());
            }
        }
        self.server.requests.remove(packet_identifier);
        if let Some(session) = self.session.as_deref_mut() {
            session.receiver.answered_request(packet_identifier);
            // Nearly all Clients send no more than this.
            session.receiver.shrink_if_blank();
        }
        Ok(())
    }

    /// Queues a SUBACK or UNSUBACK; `false` if it does not fit.
    fn send_codes(
        &mut self,
        packet_identifier: PacketIdentifier,
        answer: PacketType,
        codes: &[ReasonCode],
        properties: &[Property<'_>],
    ) -> Result<bool, SendError> {
        #[cfg(mqtt5_faults)]
        let codes = &*wrong_codes(answer, codes, self.server.connection.own.maximum_qos);
        let named = match answer {
            // [MQTT-3.8.4-2] [MQTT3-3.8.4-2].
            PacketType::SubAck => {
                fault!("MQTT-2.2.1-6", packet_identifier, PacketIdentifier::MIN)
            }
            // [MQTT3-3.10.4-5]
            _ => fault!("MQTT-3.10.4-5", packet_identifier, PacketIdentifier::MIN),
        };
        let packet =
            self.server
                .connection
                .fit(Explanations::IfWanted, properties, |version, list| {
                    if answer == PacketType::SubAck {
                        let codes = codes
                            .iter()
                            .map(|code| older_version::granted(version, *code));
                        let codes: Vec<_> = codes.collect();
                        SubAck {
                            properties: Properties::new(list)?,
                            ..SubAck::new(named, ReasonCodes::new(&codes)?)
                        }
                        .encode_to_vec(version)
                    } else {
                        // MQTT 3.1.1 has none (section 3.11.3 there).
                        let reason_codes = match version {
                            ProtocolVersion::V3_1_1 => UnsubAckReasonCodes::NONE,
                            _ => ReasonCodes::new(codes)?,
                        };
                        UnsubAck {
                            properties: Properties::new(list)?,
                            ..UnsubAck::new(named, reason_codes)
                        }
                        .encode_to_vec(version)
                    }
                })?;
        let fits = packet.is_some();
        let is_lost = match answer {
            // [MQTT3-3.8.4-1]
            PacketType::SubAck => fault!("MQTT-3.8.4-1"),
            // [MQTT3-3.10.4-4]
            _ => fault!("MQTT-3.10.4-4"),
        };
        if let Some(packet) = packet.filter(|_| !is_lost) {
            self.server.connection.send(&packet);
        }
        Ok(fits)
    }
}

/// Reason Codes that a deliberate fault changes.
#[cfg(mqtt5_faults)]
fn wrong_codes(
    answer: PacketType,
    codes: &[ReasonCode],
    maximum_qos: mqtt5_codec::Qos,
) -> vec::Vec<ReasonCode> {
    let mut codes = codes.to_vec();
    match answer {
        // [MQTT3-3.9.3-1]
        PacketType::SubAck if fault!("MQTT-3.9.3-1") => codes.reverse(),
        PacketType::UnsubAck if fault!("MQTT-3.11.3-1") => codes.reverse(),
        PacketType::SubAck if fault!("MQTT-3.8.4-7 failure") => {
            let granted = ReasonCode::granted(maximum_qos);
            if granted != ReasonCode::GrantedQos2 {
                codes.iter_mut().for_each(|code| *code = granted.min(*code));
            }
        }
        PacketType::SubAck if fault!("MQTT-3.8.4-7") => codes.fill(ReasonCode::GRANTED_QOS_0),
        _ => {}
    }
    codes
}
