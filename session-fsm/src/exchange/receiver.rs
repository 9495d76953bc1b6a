//! The receiver half: which of the peer's Packet Identifiers stand for messages, and what is owed
//! for them (sections 4.3, 4.9).

mod deferred;
mod identifiers;

use alloc::boxed::Box;

use mqtt5_codec::{PacketIdentifier, Qos};

use self::deferred::{Manual, Stale};
use self::identifiers::Identifiers;
use super::table::{ReceiverAction, ReceiverEvent, ReceiverState};

pub(crate) use self::deferred::Decision;
pub use self::deferred::Receipt;

/// Set beside the state of an identifier that counts against our Receive Maximum on this Network
/// Connection.
const COUNTED: u8 = 0b1000;
/// Set instead of a state: a SUBSCRIBE or UNSUBSCRIBE with the identifier is to be answered.
const REQUEST: u8 = 0b0100;
/// Set beside [`ReceiverState::WaitPubRel`]: a PUBREC is to be sent again, and waits for its turn.
const REPEAT: u8 = 0b0100;

/// What a PUBLISH with QoS 1 or 2 means.
pub(crate) enum Arrival {
    /// A new message; with manual acknowledgement, with a receipt.
    Deliver(Option<Receipt>),
    /// PUBREC is due again.
    PubRecAgain,
    /// The PUBREC follows later.
    Await,
    /// The identifier is in use by another exchange.
    InUse,
    /// There are more unanswered ones than our Receive Maximum.
    TooMany,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Receiver {
    identifiers: Identifiers,
    /// How many messages count against our Receive Maximum.
    open: u16,
    /// How often the places of a [`Manual`] were used that is gone.
    first_use: u32,
    manual: Option<Box<Manual>>,
}

impl Receiver {
    pub(crate) fn state(&self, packet_identifier: PacketIdentifier) -> ReceiverState {
        state_of(self.identifiers.state(packet_identifier))
    }

    /// A PUBLISH with QoS 1 or 2 came. With automatic acknowledgement its acceptance is part of it.
    #[inline]
    pub(crate) fn publish(
        &mut self,
        packet_identifier: PacketIdentifier,
        qos: Qos,
        receive_maximum: u16,
        manual: bool,
    ) -> Arrival {
        let bits = self.identifiers.state(packet_identifier);
        let event = match qos {
            Qos::ExactlyOnce => ReceiverEvent::PublishQos2,
            _ => ReceiverEvent::PublishQos1,
        };
        let (state, mut action) = state_of(bits).on(event);
        if bits & !COUNTED == REQUEST {
            action = ReceiverAction::InUse;
        }
        let counted = bits & COUNTED != 0;
        if !counted || action == ReceiverAction::InUse {
            if self.open >= receive_maximum {
                return Arrival::TooMany;
            }
            self.open += 1;
        }
        match action {
            ReceiverAction::Deliver if manual => {
                self.set(packet_identifier, state, true);
                let first_use = self.first_use;
                let manual = self
                    .manual
                    .get_or_insert_with(|| Box::new(Manual::after(first_use)));
                Arrival::Deliver(Some(manual.deliver(packet_identifier, qos)))
            }
            ReceiverAction::Deliver => {
                let (state, _) = state.on(ReceiverEvent::Accept);
                let state = match qos {
                    Qos::AtLeastOnce => fault!("MQTT-4.3.2-5", state, ReceiverState::WaitPubRel),
                    _ => state,
                };
                if state != ReceiverState::Free {
                    self.set(packet_identifier, state, true);
                }
                Arrival::Deliver(None)
            }
            ReceiverAction::PubRecAgain if fault!("MQTT-4.3.3-10") => Arrival::Deliver(None),
            ReceiverAction::PubRecAgain => {
                // Those of earlier messages go first [MQTT-4.6.0-3]. One answer is enough for a peer that
                // sends a message more often.
                let manual = self.manual.as_mut();
                let waits = bits & REPEAT != 0
                    || manual.is_some_and(|manual| manual.repeat(packet_identifier));
                let repeat = if waits { REPEAT } else { 0 };
                self.identifiers
                    .set(packet_identifier, state as u8 | COUNTED | repeat);
                if waits {
                    Arrival::Await
                } else {
                    Arrival::PubRecAgain
                }
            }
            ReceiverAction::Await => {
                if let Some(manual) = self.manual.as_mut().filter(|_| !counted) {
                    manual.again(packet_identifier);
                }
                self.set(packet_identifier, state, true);
                Arrival::Await
            }
            _ => Arrival::InUse,
        }
    }

    /// Whether a PUBLISH with QoS 1 or 2 would be a new message.
    pub(crate) fn is_new(&self, packet_identifier: PacketIdentifier, qos: Qos) -> bool {
        let bits = self.identifiers.state(packet_identifier);
        let event = match qos {
            Qos::ExactlyOnce => ReceiverEvent::PublishQos2,
            _ => ReceiverEvent::PublishQos1,
        };
        bits & !COUNTED != REQUEST && state_of(bits).on(event).1 == ReceiverAction::Deliver
    }

    /// A PUBREL came: what to do, and whether the message counts until its PUBCOMP is sent.
    #[inline]
    pub(crate) fn release(
        &mut self,
        packet_identifier: PacketIdentifier,
    ) -> (ReceiverAction, bool) {
        let bits = self.identifiers.state(packet_identifier);
        let (state, action) = state_of(bits).on(ReceiverEvent::PubRel);
        if action == ReceiverAction::PubComp && !fault!("MQTT-4.3.3-12") {
            self.set(packet_identifier, state, false);
            if let Some(manual) = self.manual.as_mut().filter(|_| bits & REPEAT != 0) {
                manual.released(packet_identifier);
            }
        }
        (
            action,
            action == ReceiverAction::PubComp && bits & COUNTED != 0,
        )
    }

    /// PUBACK, PUBCOMP, or PUBREC with an error was sent for so many messages that count.
    #[inline]
    pub(crate) fn answered(&mut self, messages: u16) {
        self.open = self.open.saturating_sub(messages);
    }

    /// Whether an identifier is in use for nothing.
    pub(crate) fn is_free(&self, packet_identifier: PacketIdentifier) -> bool {
        self.identifiers.state(packet_identifier) == 0
    }

    /// A SUBSCRIBE or UNSUBSCRIBE came: whether its identifier is free to be used.
    pub(crate) fn request(&mut self, packet_identifier: PacketIdentifier) -> bool {
        let free = self.identifiers.state(packet_identifier) == 0;
        if free {
            self.identifiers.set(packet_identifier, REQUEST);
        }
        free
    }

    /// The SUBACK or UNSUBACK is sent.
    pub(crate) fn answered_request(&mut self, packet_identifier: PacketIdentifier) {
        self.identifiers.set(packet_identifier, 0);
    }

    /// What a receipt stands for.
    pub(crate) fn undecided(&self, receipt: Receipt) -> Result<(PacketIdentifier, Qos), Stale> {
        self.manual.as_ref().ok_or(Stale)?.undecided(receipt)
    }

    /// The bytes of decided acknowledgements with properties that wait for their turn.
    pub(crate) fn explained(&self) -> usize {
        self.manual.as_ref().map_or(0, |manual| manual.explained())
    }

    pub(crate) fn decide(&mut self, receipt: Receipt, decision: Decision) {
        if let Some(manual) = &mut self.manual {
            manual.decide(receipt, decision);
        }
    }

    /// The next decided acknowledgement whose turn it is; its message is now acknowledged.
    #[inline]
    pub(crate) fn next_decided(&mut self) -> Option<(PacketIdentifier, Qos, Decision)> {
        let decided = self.manual.as_mut()?.next()?;
        let (packet_identifier, _, decision) = &decided;
        let event = if decision.reason_code.is_error() && !fault!("MQTT-4.3.3-9") {
            ReceiverEvent::Refuse
        } else {
            ReceiverEvent::Accept
        };
        let (state, _) = self.state(*packet_identifier).on(event);
        self.set(*packet_identifier, state, true);
        Some(decided)
    }

    /// The Network Connection is gone.
    pub(crate) fn connection_ended(&mut self) {
        self.open = 0;
        if let Some(manual) = &mut self.manual {
            manual.connection_ended();
        }
        self.identifiers
            .change_all(|bits| state_of(bits).on(ReceiverEvent::Resume).0 as u8);
    }

    /// The Session is gone.
    pub(crate) fn discard(&mut self) {
        self.open = 0;
        if let Some(manual) = &mut self.manual {
            manual.discard();
        }
        self.identifiers = Identifiers::default();
    }

    /// The identifiers of accepted messages with QoS 2: what survives a crash.
    #[cfg(feature = "persistence")]
    pub(crate) fn accepted(&self) -> impl Iterator<Item = PacketIdentifier> + '_ {
        let released_next = self.identifiers.iter().filter_map(|(identifier, bits)| {
            (state_of(bits) == ReceiverState::WaitPubRel).then_some(identifier)
        });
        released_next.chain(self.manual.iter().flat_map(|manual| manual.accepted()))
    }

    /// Gives back memory that is not in use.
    pub(crate) fn shrink(&mut self) {
        self.identifiers.shrink();
        if let Some(first_use) = self.manual.as_ref().and_then(|manual| manual.unused()) {
            self.first_use = first_use;
            self.manual = None;
        }
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

#[inline]
const fn state_of(bits: u8) -> ReceiverState {
    match bits & 0b11 {
        0 => ReceiverState::Free,
        1 => ReceiverState::Deciding1,
        2 => ReceiverState::Deciding2,
        _ => ReceiverState::WaitPubRel,
    }
}
