//! What has to be answered, and in which order (sections 4.3, 4.6).

use std::collections::VecDeque;

use mqtt5_session_fsm::codec::{Packet, Qos, ReasonCode};

use super::connection::Seen;
use super::{Rule, Verdict};
use crate::world::application::Side;

/// Of one side of one Network Connection: the Packet Identifiers that it owes an answer for, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Acknowledgements {
    puback: Answers,
    pubrec: Answers,
    pubrel: Answers,
    pubcomp: Answers,
}

/// What is to be answered next stands first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Answers(VecDeque<u16>);

impl Answers {
    /// The next answer has to be this one.
    fn sent(&mut self, id: u16) -> Verdict {
        let next = self.0.pop_front();
        Verdict::holds(next == Some(id), || match next {
            Some(next) => format!("sent for identifier {id}, but {next} is next"),
            None => format!("sent for identifier {id}, but nothing is to be answered"),
        })
    }
}

impl Acknowledgements {
    /// The connection goes on with a Session: PUBREL packets are due.
    pub(crate) fn resumed(&mut self, releasing: &[u16]) {
        self.pubrel.0 = releasing.iter().copied().collect();
    }

    /// A PUBLISH was handed to this side, which owes an answer, or an answer more.
    pub(crate) fn received_publish(&mut self, id: u16, qos: Qos, again: bool) {
        let answers = match qos {
            Qos::ExactlyOnce => &mut self.pubrec.0,
            _ => &mut self.puback.0,
        };
        if again || !answers.contains(&id) {
            answers.push_back(id);
        }
    }

    /// Whether a PUBLISH with this identifier came on this connection, and has no PUBREC.
    pub(crate) fn owes_pubrec(&self, id: u16) -> bool {
        self.pubrec.0.contains(&id)
    }

    /// A PUBREC was handed to this side, which owes a PUBREL.
    pub(crate) fn received_pubrec(&mut self, id: u16) {
        self.pubrel.0.push_back(id);
    }

    /// A PUBREL was handed to this side, which owes a PUBCOMP.
    pub(crate) fn received_pubrel(&mut self, id: u16) {
        self.pubcomp.0.push_back(id);
    }

    /// [`Rule::PubAckOrder`], [`Rule::PubRecOrder`], [`Rule::ReleaseOrder`] or [`Rule::PubComp`].
    pub(super) fn sent(&mut self, packet: &Packet<'_>, seen: &Seen<'_>) -> (Rule, Verdict) {
        let (rule, answers, code) = match packet {
            Packet::PubAck(it) => (Rule::PubAckOrder, &mut self.puback, it.reason_code),
            Packet::PubRec(it) => (Rule::PubRecOrder, &mut self.pubrec, it.reason_code),
            Packet::PubRel(it) => (Rule::ReleaseOrder, &mut self.pubrel, it.reason_code),
            Packet::PubComp(it) => (Rule::PubComp, &mut self.pubcomp, it.reason_code),
            _ => return (Rule::PubAckOrder, Verdict::Idle),
        };
        // Nothing was taken.
        if code == ReasonCode::PacketIdentifierInUse {
            return (rule, Verdict::Armed);
        }
        let id = packet.packet_identifier().map_or(0, |id| id.get());
        // Whether the Server holds it, nobody knows.
        if rule == Rule::ReleaseOrder && seen.is_adopted && !seen.flow.is_in_use(id) {
            return (rule, Verdict::Idle);
        }
        let any_order = match rule {
            // They bind a Client [MQTT-4.6.0-2] [MQTT-4.6.0-3].
            Rule::PubAckOrder | Rule::PubRecOrder => seen.side == Side::Server,
            // A peer that repeats a PUBREC has no order to insist on.
            Rule::ReleaseOrder => seen.is_hostile,
            _ => false,
        };
        let position = answers.0.iter().position(|it| *it == id);
        if let (true, Some(position)) = (any_order, position) {
            answers.0.remove(position);
            answers.0.push_front(id);
        }
        (rule, answers.sent(id))
    }
}
