//! The receiver half: which of the peer's Packet Identifiers stand for messages, and what is owed
//! for them (sections 4.3, 4.9).

mod deferred;
mod identifiers;

use alloc::boxed::Box;

use mqtt5_codec::{PacketIdentifier, Qos, Role};

use self::deferred::{Deferred, Stale};
use self::identifiers::Identifiers;
use super::table::{ReceiverAction, ReceiverEvent, ReceiverState};
use crate::session::Blank;

pub(crate) use self::deferred::Decision;
pub use self::deferred::Receipt;

/// Set beside the state of an identifier that counts against our Receive Maximum on this Network
/// Connection.
const COUNTED: u8 = 0b1000;
const STATE: u8 = 0b0111;

/// There are more unanswered messages than our Receive Maximum (section 3.3.4).
pub(crate) struct TooMany;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Receiver {
    identifiers: Identifiers,
    /// How many messages count against our Receive Maximum.
    open: u16,
    /// How often the places of a [`Deferred`] were used that is gone.
    first_use: u32,
    deferred: Option<Box<Deferred>>,
}

impl Blank for Receiver {
    const BLANK: Self = Receiver {
        identifiers: Identifiers::new(),
        open: 0,
        first_use: 0,
        deferred: None,
    };
    const REFERENCE: &'static Self = &Self::BLANK;

    fn is_blank(&self) -> bool {
        self.identifiers.is_empty()
            && self.open == 0
            && self.first_use == 0
            && self.deferred.is_none()
    }

    fn shrink(&mut self) {
        self.identifiers.shrink();
        if let Some(deferred) = self.deferred.take_if(|it| it.is_unused()) {
            self.first_use = deferred.uses();
        }
    }
}

/// Whether acknowledgements leave in the order of the PUBLISH packets, or in that of the decisions.
#[inline]
fn is_in_order(role: Role) -> bool {
    // [MQTT-4.6.0-2] [MQTT3-4.6.0-2] and [MQTT-4.6.0-3] [MQTT3-4.6.0-3] bind a Client.
    role == Role::Client || fault!("a Server acknowledges in order")
}

impl Receiver {
    /// Keeps only what is left after a restart.
    #[cfg(feature = "persistence")]
    pub(crate) fn forget_receipts(&mut self) {
        let accepted: alloc::vec::Vec<PacketIdentifier> = self.accepted().collect();
        *self = Receiver::BLANK;
        for packet_identifier in accepted {
            self.restore(packet_identifier);
        }
    }

    pub(crate) fn state(&self, packet_identifier: PacketIdentifier) -> ReceiverState {
        state_of(self.identifiers.state(packet_identifier))
    }

    /// A PUBLISH with QoS 1 or 2 came: what to do. With manual acknowledgement a message that is
    /// delivered has a receipt; with automatic acknowledgement its acceptance is part of it, so the
    /// action is its acknowledgement.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        role: Role,
        packet_identifier: PacketIdentifier,
        qos: Qos,
        receive_maximum: u16,
        manual: bool,
    ) -> Result<(ReceiverAction, Option<Receipt>), TooMany> {
        let bits = self.identifiers.state(packet_identifier);
        let counted = bits & COUNTED != 0;
        let (mut state, mut action) = state_of(bits).run(publish_event(qos));
        if !counted || action == ReceiverAction::InUse {
            if self.open >= receive_maximum {
                return Err(TooMany);
            }
            self.open += 1;
        }
        let mut receipt = None;
        match action {
            ReceiverAction::Deliver if manual => {
                let first_use = self.first_use;
                let deferred = self
                    .deferred
                    .get_or_insert_with(|| Box::new(Deferred::after(first_use)));
                receipt = Some(deferred.deliver(packet_identifier, qos, is_in_order(role)));
            }
            ReceiverAction::Deliver => {
                (state, action) = state.run(ReceiverEvent::Accept);
                if fault!("MQTT-4.3.2-5") && qos == Qos::AtLeastOnce {
                    state = ReceiverState::WaitPubRel;
                }
            }
            ReceiverAction::Repeat if fault!("MQTT-4.3.3-10") => {
                return Ok((ReceiverAction::PubRec, None));
            }
            ReceiverAction::Repeat => {
                let deferred = self.deferred.as_mut().filter(|_| is_in_order(role));
                if !deferred.is_some_and(|it| it.repeat(packet_identifier)) {
                    (state, action) = state.run(ReceiverEvent::InTurn);
                }
            }
            ReceiverAction::Await if !counted => {
                if let Some(deferred) = &mut self.deferred {
                    deferred.again(packet_identifier, is_in_order(role));
                }
            }
            ReceiverAction::InUse => return Ok((action, None)),
            _ => {}
        }
        // Nothing is kept of QoS 1 with automatic acknowledgement.
        if state != ReceiverState::Free {
            self.set(packet_identifier, state, true);
        }
        Ok((action, receipt))
    }

    /// Whether a PUBLISH with QoS 1 or 2 would be a new message.
    pub(crate) fn is_new(&self, packet_identifier: PacketIdentifier, qos: Qos) -> bool {
        self.state(packet_identifier).on(publish_event(qos)).1 == ReceiverAction::Deliver
    }

    /// A PUBREL came: what to do, and whether the message counts until its PUBCOMP is sent.
    #[inline]
    pub(crate) fn release(
        &mut self,
        packet_identifier: PacketIdentifier,
    ) -> (ReceiverAction, bool) {
        let bits = self.identifiers.state(packet_identifier);
        let (state, action) = state_of(bits).run(ReceiverEvent::PubRel);
        let is_over = action == ReceiverAction::PubComp;
        if is_over && !fault!("MQTT-4.3.3-12") {
            self.set(packet_identifier, state, false);
        }
        (action, is_over && bits & COUNTED != 0)
    }

    /// This many messages no longer count: PUBACK, PUBCOMP, or PUBREC with an error was written for
    /// them.
    #[inline]
    pub(crate) fn answered(&mut self, messages: u16) {
        self.open = self.open.saturating_sub(messages);
    }

    /// A PUBREL came for a message that waits for the application. If its Client may have lost its
    /// Session since the PUBLISH, the message is forgotten. Returns whether it was to be stored as
    /// received.
    #[cold]
    pub(crate) fn release_later(
        &mut self,
        role: Role,
        packet_identifier: PacketIdentifier,
    ) -> Option<bool> {
        let bits = self.identifiers.state(packet_identifier);
        if is_in_order(role) || bits & COUNTED != 0 {
            return None;
        }
        let is_stored = self.deferred.as_mut()?.forget(packet_identifier)?;
        let (state, _) = state_of(bits).run(ReceiverEvent::PubRelLater);
        self.set(packet_identifier, state, false);
        Some(is_stored)
    }

    /// A SUBSCRIBE or UNSUBSCRIBE came: whether its identifier is free to be used.
    pub(crate) fn request(&mut self, packet_identifier: PacketIdentifier) -> bool {
        let (state, action) = self.state(packet_identifier).run(ReceiverEvent::Request);
        let is_free = action == ReceiverAction::Deliver;
        if is_free {
            self.set(packet_identifier, state, false);
        }
        is_free
    }

    /// The SUBACK or UNSUBACK is sent.
    pub(crate) fn answered_request(&mut self, packet_identifier: PacketIdentifier) {
        let (state, _) = self.state(packet_identifier).run(ReceiverEvent::Answer);
        self.set(packet_identifier, state, false);
    }

    /// What a receipt stands for.
    pub(crate) fn undecided(&self, receipt: Receipt) -> Result<(PacketIdentifier, Qos), Stale> {
        self.deferred.as_ref().ok_or(Stale)?.undecided(receipt)
    }

    /// The bytes of decided acknowledgements with properties that wait for their turn.
    pub(crate) fn explained(&self) -> usize {
        self.deferred.as_ref().map_or(0, |it| it.explained())
    }

    /// A message with QoS 2 that has this receipt will be accepted, and is stored.
    #[cfg(feature = "persistence")]
    pub(crate) fn stored(&mut self, receipt: Receipt) {
        if let Some(deferred) = &mut self.deferred {
            deferred.stored(receipt);
        }
    }

    /// The application decided about a message. Returns whether the message is to be stored as
    /// received by that.
    pub(crate) fn decide(
        &mut self,
        role: Role,
        receipt: Receipt,
        decision: Decision,
        packet_identifier: PacketIdentifier,
    ) -> bool {
        // The PUBLISH came on this Network Connection.
        let is_owed = self.identifiers.state(packet_identifier) & COUNTED != 0;
        match &mut self.deferred {
            Some(deferred) => deferred.decide(receipt, decision, is_owed && !is_in_order(role)),
            None => false,
        }
    }

    /// The next acknowledgement whose turn it is, with the decision about the message. The message
    /// is now acknowledged.
    #[inline]
    pub(crate) fn next_in_turn(&mut self) -> Option<(PacketIdentifier, ReceiverAction, Decision)> {
        loop {
            let (packet_identifier, decision) = self.deferred.as_mut()?.next()?;
            let event = match &decision {
                None => ReceiverEvent::InTurn,
                Some(it) if it.reason_code.is_error() && !fault!("MQTT-4.3.3-9") => {
                    ReceiverEvent::Refuse
                }
                Some(_) => ReceiverEvent::Accept,
            };
            let (state, action) = self.state(packet_identifier).run(event);
            // It was released in the meantime: the PUBREC is not owed any more.
            if action != ReceiverAction::Nothing {
                self.set(packet_identifier, state, true);
                return Some((
                    packet_identifier,
                    action,
                    decision.unwrap_or(Decision::SUCCESS),
                ));
            }
        }
    }

    /// The Network Connection is gone.
    pub(crate) fn connection_ended(&mut self) {
        self.open = 0;
        if let Some(deferred) = &mut self.deferred {
            deferred.connection_ended();
        }
        self.change_all(ReceiverEvent::ConnectionEnded);
    }

    /// The Session is gone.
    pub(crate) fn discard(&mut self) {
        if let Some(deferred) = self.deferred.take() {
            self.first_use = deferred.uses();
        }
        self.change_all(ReceiverEvent::Discard);
        self.identifiers.shrink();
    }

    fn change_all(&mut self, event: ReceiverEvent) {
        self.identifiers
            .change_all(|bits| state_of(bits).run(event).0 as u8);
    }

    /// The identifiers of accepted messages with QoS 2: what survives a crash.
    #[cfg(feature = "persistence")]
    pub(crate) fn accepted(&self) -> impl Iterator<Item = PacketIdentifier> + '_ {
        let released_next = self.identifiers.iter().filter_map(|(identifier, bits)| {
            let is_accepted = matches!(
                state_of(bits),
                ReceiverState::WaitPubRel | ReceiverState::Repeating
            );
            is_accepted.then_some(identifier)
        });
        released_next.chain(self.deferred.iter().flat_map(|it| it.accepted()))
    }

    /// Puts back what [`Receiver::accepted`] gave.
    pub(crate) fn restore(&mut self, packet_identifier: PacketIdentifier) {
        self.set(packet_identifier, ReceiverState::WaitPubRel, false);
    }

    fn set(&mut self, packet_identifier: PacketIdentifier, state: ReceiverState, counted: bool) {
        let counted = if counted && state != ReceiverState::Free {
            COUNTED
        } else {
            0
        };
        self.identifiers
            .set(packet_identifier, state as u8 | counted);
    }
}

const fn publish_event(qos: Qos) -> ReceiverEvent {
    match qos {
        Qos::ExactlyOnce => ReceiverEvent::PublishQos2,
        _ => ReceiverEvent::PublishQos1,
    }
}

#[inline]
const fn state_of(bits: u8) -> ReceiverState {
    match bits & STATE {
        0 => ReceiverState::Free,
        1 => ReceiverState::Deciding1,
        2 => ReceiverState::Deciding2,
        3 => ReceiverState::WaitPubRel,
        4 => ReceiverState::Repeating,
        _ => ReceiverState::Asked,
    }
}
