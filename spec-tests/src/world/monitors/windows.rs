//! How many messages may be unanswered (sections 3.3.4 and 4.9).

use mqtt5_session_fsm::codec::Packet;

use super::Verdict;
use super::connection::Seen;

fn within(unanswered: usize, most: u16) -> Verdict {
    Verdict::holds(unanswered <= usize::from(most), || {
        format!("{unanswered} messages are unanswered")
    })
}

/// [`Rule::SendQuota`](super::Rule::SendQuota): identifiers of PUBLISH packets that were sent and not answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SendQuota(Vec<u16>);

impl SendQuota {
    pub(super) fn sent(&mut self, id: u16, seen: &Seen<'_>) -> Verdict {
        self.0.push(id);
        within(self.0.len(), seen.limits.receive_maximum)
    }

    /// What ends an exchange was handed to this side.
    pub(crate) fn answered(&mut self, id: u16) {
        self.0.retain(|it| *it != id);
    }
}

/// [`Rule::ReceiveWindow`](super::Rule::ReceiveWindow): identifiers of PUBLISH packets that were received and count
/// against the own Receive Maximum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct ReceiveWindow(Vec<u16>);

impl ReceiveWindow {
    pub(crate) fn received(&mut self, id: u16, receive_maximum: u16) -> Verdict {
        if !self.0.contains(&id) {
            self.0.push(id);
        }
        within(self.0.len(), receive_maximum)
    }

    /// An answer ends what counts.
    pub(super) fn sent(&mut self, packet: &Packet<'_>) {
        let ended = match packet {
            Packet::PubAck(puback) => puback.packet_identifier,
            Packet::PubRec(pubrec) if pubrec.reason_code.is_error() => pubrec.packet_identifier,
            Packet::PubComp(pubcomp) => pubcomp.packet_identifier,
            _ => return,
        };
        self.0.retain(|it| *it != ended.get());
    }
}
