//! What the tables predict of packets that are about to be handed to a machine, and of the Session as a whole:
//! [`Rule::Table`](super::Rule::Table).
//!
//! Taken before, compared afterwards.

use mqtt5_session_fsm::Session;
use mqtt5_session_fsm::codec::{Packet, PacketIdentifier, Qos};
use mqtt5_session_fsm::table::{
    ReceiverAction, ReceiverEvent, ReceiverState, SenderAction, SenderEvent, SenderState,
};

use super::Verdict;

/// Packet Identifiers that are looked at when something happens to all of them.
const LOOKED_AT: u16 = 9;

/// The states of the Packet Identifiers that some packets have.
#[derive(Debug, Default)]
pub(crate) struct Prediction {
    sender: Vec<(PacketIdentifier, SenderState)>,
    receiver: Vec<(PacketIdentifier, ReceiverState)>,
    /// Those to which something has happened: only they are compared.
    followed: Vec<PacketIdentifier>,
}

/// What a packet does, according to the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Sender(SenderAction),
    Receiver(ReceiverAction),
    None,
}

fn sender_event(packet: &Packet<'_>) -> Option<SenderEvent> {
    Some(match packet {
        Packet::PubAck(_) => SenderEvent::PubAck,
        Packet::PubRec(pubrec) if pubrec.reason_code.is_error() => SenderEvent::PubRecError,
        Packet::PubRec(_) => SenderEvent::PubRec,
        Packet::PubComp(_) => SenderEvent::PubComp,
        _ => return None,
    })
}

fn receiver_event(packet: &Packet<'_>) -> Option<ReceiverEvent> {
    Some(match packet {
        Packet::Publish(publish) => match publish.delivery.qos() {
            Qos::AtMostOnce => return None,
            Qos::AtLeastOnce => ReceiverEvent::PublishQos1,
            Qos::ExactlyOnce => ReceiverEvent::PublishQos2,
        },
        Packet::PubRel(_) => ReceiverEvent::PubRel,
        _ => return None,
    })
}

impl Prediction {
    /// Looks up the state for a packet before it is handed over.
    pub(crate) fn look_up(&mut self, session: &Session, packet: &Packet<'_>) {
        let Some(id) = packet.packet_identifier() else {
            return;
        };
        if sender_event(packet).is_some() && !self.sender.iter().any(|(it, _)| *it == id) {
            self.sender.push((id, session.sender_state(id)));
        }
        if receiver_event(packet).is_some() && !self.receiver.iter().any(|(it, _)| *it == id) {
            self.receiver.push((id, session.receiver_state(id)));
        }
    }

    /// Follows one packet through the tables. `is_later` says that a Server reads it, and that no PUBREC is owed for its
    /// identifier on this connection.
    pub(crate) fn follow(&mut self, packet: &Packet<'_>, manual: bool, is_later: bool) -> Effect {
        let Some(id) = packet.packet_identifier() else {
            return Effect::None;
        };
        self.followed.push(id);
        if let Some(event) = sender_event(packet) {
            for (it, state) in &mut self.sender {
                if *it == id {
                    let (next, action) = state.on(event);
                    *state = next;
                    return Effect::Sender(action);
                }
            }
        }
        if let Some(event) = receiver_event(packet) {
            for (it, state) in &mut self.receiver {
                if *it == id {
                    let (mut next, mut action) = state.on(event);
                    if action == ReceiverAction::TooEarly && is_later {
                        (next, action) = state.on(ReceiverEvent::PubRelLater);
                    }
                    *state = next;
                    if action == ReceiverAction::Deliver && !manual {
                        (*state, _) = next.on(ReceiverEvent::Accept);
                    }
                    return Effect::Receiver(action);
                }
            }
        }
        Effect::None
    }

    /// Compares with what became of it.
    pub(crate) fn compare(&self, session: &Session) -> Verdict {
        let is_followed = |id: &PacketIdentifier| self.followed.contains(id);
        let mut verdict = Verdict::Idle;
        for (id, expected) in self.sender.iter().filter(|(id, _)| is_followed(id)) {
            let state = session.sender_state(*id);
            // A request that waited for the identifier has it now.
            let is_taken = *expected == SenderState::Free && is_request(state);
            if state != *expected && !is_taken {
                let objection = format!("sender, id {id}: {state:?} instead of {expected:?}");
                return Verdict::Broken(objection);
            }
            verdict = Verdict::Armed;
        }
        for (id, expected) in self.receiver.iter().filter(|(id, _)| is_followed(id)) {
            let state = session.receiver_state(*id);
            // What was decided while there was no connection takes effect when the PUBLISH comes
            // again, and a PUBREC that is owed again may have had its turn at once.
            let is_later = [
                ReceiverEvent::Accept,
                ReceiverEvent::Refuse,
                ReceiverEvent::InTurn,
            ]
            .into_iter()
            .any(|event| state == expected.on(event).0);
            if !is_later {
                let objection = format!("receiver, id {id}: {state:?} instead of {expected:?}");
                return Verdict::Broken(objection);
            }
            verdict = Verdict::Armed;
        }
        verdict
    }
}

const fn is_request(state: SenderState) -> bool {
    matches!(state, SenderState::WaitSubAck | SenderState::WaitUnsubAck)
}

/// The states of the first identifiers, before what befalls all of them.
#[derive(Debug)]
pub(crate) struct States(Vec<(PacketIdentifier, SenderState, ReceiverState)>);

impl States {
    pub(crate) fn of(session: &Session) -> Self {
        let identifiers = (1..=LOOKED_AT).filter_map(PacketIdentifier::new);
        let states = |id| (id, session.sender_state(id), session.receiver_state(id));
        Self(identifiers.map(states).collect())
    }

    /// Compares with those of the Session that goes on.
    pub(crate) fn resumed(&self, session: &Session) -> Verdict {
        self.all(SenderEvent::Resume, ReceiverEvent::ConnectionEnded, session)
    }

    /// Compares with those of the Session that has ended.
    pub(crate) fn discarded(&self, session: &Session) -> Verdict {
        self.all(SenderEvent::Discard, ReceiverEvent::Discard, session)
    }

    fn all(&self, sent: SenderEvent, received: ReceiverEvent, session: &Session) -> Verdict {
        for (id, sender, receiver) in &self.0 {
            // A Session ends, or goes on, after its Network Connection.
            let sender = sender.on(SenderEvent::ConnectionEnded).0;
            let receiver = receiver.on(ReceiverEvent::ConnectionEnded).0;
            let expected = (sender.on(sent).0, receiver.on(received).0);
            let states = (session.sender_state(*id), session.receiver_state(*id));
            // A request is of the new Network Connection, not of the Session that ended.
            if states != expected && !is_request(states.0) {
                return Verdict::Broken(format!("id {id}: {states:?} instead of {expected:?}"));
            }
        }
        Verdict::Armed
    }
}
