//! Packet Identifiers (section 2.2.1).

use mqtt5_session_fsm::codec::Packet;

use super::Verdict;
use super::connection::Seen;

/// [`Rule::Identifiers`](super::Rule::Identifiers): a message keeps its identifier, and nothing else has it meanwhile.
pub(super) fn sent(packet: &Packet<'_>, seen: &Seen<'_>) -> Verdict {
    let Some(id) = packet.packet_identifier().map(|id| id.get()) else {
        return Verdict::Idle;
    };
    match packet {
        Packet::Publish(publish) => {
            let (number, record) = seen.flow.message_of(publish);
            let known = record.map_or(0, |record| record.identifier);
            let is_own = known == id || (known == 0 && !seen.flow.is_in_use(id));
            Verdict::holds(is_own, || {
                format!("message {number} is sent with identifier {id}")
            })
        }
        Packet::Subscribe(_) | Packet::Unsubscribe(_) => {
            Verdict::holds(!seen.flow.is_in_use(id), || {
                let packet_type = packet.packet_type();
                format!("{packet_type} has identifier {id}, which is in use")
            })
        }
        _ => Verdict::Idle,
    }
}
