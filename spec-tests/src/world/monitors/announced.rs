//! What the receiver announced (sections 3.1.2.11 and 3.2.2.3).

use mqtt5_session_fsm::Limits;
use mqtt5_session_fsm::codec::{Packet, Publish, Qos};

use super::Verdict;
use super::connection::Seen;
use crate::world::announced::TOPIC;

/// [`Rule::PacketSize`](super::Rule::PacketSize).
pub(super) fn packet_size(packet: &Packet<'_>, seen: &Seen<'_>) -> Verdict {
    let largest = seen.limits.maximum_packet_size;
    if largest == Limits::NONE.maximum_packet_size || matches!(packet, Packet::Connect(_)) {
        return Verdict::Idle;
    }
    Verdict::holds(seen.size <= largest as usize, || {
        format!("{} has {} bytes", packet.packet_type(), seen.size)
    })
}

/// [`Rule::MaximumQos`](super::Rule::MaximumQos).
pub(super) fn maximum_qos(publish: &Publish<'_>, limits: &Limits) -> Verdict {
    if limits.maximum_qos == Qos::ExactlyOnce {
        return Verdict::Idle;
    }
    let qos = publish.delivery.qos();
    Verdict::holds(qos <= limits.maximum_qos, || {
        format!("a PUBLISH has QoS {}", qos as u8)
    })
}

/// [`Rule::RetainAvailable`](super::Rule::RetainAvailable).
pub(super) fn retain_available(publish: &Publish<'_>, limits: &Limits) -> Verdict {
    match publish.retain {
        true => Verdict::holds(limits.retain_available, || {
            "a PUBLISH has RETAIN 1".to_owned()
        }),
        false => Verdict::Idle,
    }
}

/// [`Rule::TopicAlias`](super::Rule::TopicAlias): the alias that this side uses has got its Topic Name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TopicAlias {
    named: bool,
}

impl TopicAlias {
    pub(super) fn sent(&mut self, publish: &Publish<'_>, limits: &Limits) -> Verdict {
        let topic = publish.topic.map(|topic| topic.as_str());
        if topic.is_some_and(|topic| topic != TOPIC) {
            return Verdict::Broken(format!("a PUBLISH has the Topic Name {topic:?}"));
        }
        let Some(alias) = publish.properties.topic_alias() else {
            return Verdict::Idle;
        };
        self.named |= topic.is_some();
        let is_known = alias.get() <= limits.topic_alias_maximum && self.named;
        Verdict::holds(is_known, || {
            format!("a PUBLISH has the Topic Alias {alias}")
        })
    }
}
