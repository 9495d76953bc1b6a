//! What one side sends on one Network Connection.

use mqtt5_session_fsm::codec::{Packet, Publish, Qos};
use mqtt5_session_fsm::{Instant, Limits};

use super::acknowledgements::Acknowledgements;
use super::announced::{TopicAlias, maximum_qos, packet_size, retain_available};
use super::order::{
    EventOrder, FirstPacket, LastPublish, NothingAfter, again_dup, first_dup, not_after_release,
    nothing_of_the_dead,
};
use super::persistence::Shadow;
use super::windows::{ReceiveWindow, SendQuota};
use super::{Judged, Rule, delivery, identifiers, persistence};
use crate::explore::Turn;
use crate::world::application::{Flow, Side};

/// What the monitors of one side of one Network Connection remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Monitors {
    pub(crate) first_packet: FirstPacket,
    nothing_after: NothingAfter,
    topic_alias: TopicAlias,
    last_publish: LastPublish,
    pub(crate) send_quota: SendQuota,
    pub(crate) receive_window: ReceiveWindow,
    pub(crate) acknowledgements: Acknowledgements,
    pub(crate) event_order: EventOrder,
    /// When the last packet was sent; kept only if time is explored.
    pub(crate) last_sent: Instant,
}

/// What the monitors see beside the packet.
pub(crate) struct Seen<'a> {
    pub(crate) side: Side,
    /// Bytes of the packet.
    pub(crate) size: usize,
    /// What this side publishes.
    pub(crate) flow: &'a Flow,
    pub(crate) shadow: Option<&'a Shadow>,
    /// What the other side announced.
    pub(crate) limits: Limits,
    /// There was a connection before this one.
    pub(crate) is_later: bool,
    /// This side goes on with a Session that only the other one has.
    pub(crate) is_adopted: bool,
    /// Somebody slipped packets in.
    pub(crate) is_hostile: bool,
}

impl Monitors {
    /// All that see a packet which this side sends.
    pub(crate) fn sent(
        &mut self,
        packet: &Packet<'_>,
        seen: &Seen<'_>,
        turn: &mut Turn<'_>,
    ) -> Judged {
        turn.judge(Rule::NothingAfter, self.nothing_after.sent(packet, seen))?;
        turn.judge(Rule::FirstPacket, self.first_packet.sent(packet, seen))?;
        turn.judge(Rule::PacketSize, packet_size(packet, seen))?;
        turn.judge(Rule::NothingOfTheDead, nothing_of_the_dead(packet, seen))?;
        turn.judge(Rule::Identifiers, identifiers::sent(packet, seen))?;
        turn.judge(Rule::PersistFirst, persistence::sent(packet, seen))?;
        self.receive_window.sent(packet);
        let (rule, verdict) = self.acknowledgements.sent(packet, seen);
        turn.judge(rule, verdict)?;
        match packet {
            Packet::ConnAck(connack) if connack.session_present => {
                self.acknowledgements.resumed(&seen.flow.releasing);
                Ok(())
            }
            Packet::Publish(publish) => self.sent_publish(publish, seen, turn),
            _ => Ok(()),
        }
    }

    fn sent_publish(
        &mut self,
        publish: &Publish<'_>,
        seen: &Seen<'_>,
        turn: &mut Turn<'_>,
    ) -> Judged {
        let limits = &seen.limits;
        turn.judge(Rule::MaximumQos, maximum_qos(publish, limits))?;
        turn.judge(Rule::RetainAvailable, retain_available(publish, limits))?;
        turn.judge(Rule::TopicAlias, self.topic_alias.sent(publish, limits))?;
        let (number, Some(record)) = seen.flow.message_of(publish) else {
            return Ok(());
        };
        turn.judge(Rule::OneOutcome, delivery::sent(number, record))?;
        let Some(id) = publish.delivery.packet_identifier() else {
            return Ok(());
        };
        if publish.delivery.qos() == Qos::ExactlyOnce {
            turn.judge(Rule::NotAfterRelease, not_after_release(number, record))?;
        }
        turn.judge(Rule::FirstDup, first_dup(publish, number, record))?;
        turn.judge(Rule::AgainDup, again_dup(publish, number, record))?;
        turn.judge(Rule::NoResend, self.last_publish.no_resend(number))?;
        turn.judge(Rule::SendOrder, self.last_publish.send_order(number))?;
        turn.judge(Rule::SendQuota, self.send_quota.sent(id.get(), seen))
    }
}
