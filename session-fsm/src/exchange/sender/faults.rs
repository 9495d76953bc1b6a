//! Deliberate faults that take more than a line.

use mqtt5_codec::{Message, PacketIdentifier, Publish, Qos, TopicName};

use super::{Sender, Use};
use crate::Token;
use crate::exchange::linked_list::List;
use crate::exchange::table::SenderState;
use crate::session::{Publication, QueuedMessage};

impl Sender {
    /// What [`Sender::resume`] does first.
    pub(super) fn resume_wrongly(&mut self) {
        if fault!("MQTT-4.3.3-6") {
            for position in self.positions() {
                let Some(slot) = self.slots.get_mut(position) else {
                    continue;
                };
                let Use::Release(token) = slot.used_for else {
                    continue;
                };
                let queued = forgotten(token);
                self.bytes += queued.size();
                slot.used_for = Use::Publish(queued);
                slot.state = SenderState::WaitPubRec;
                self.releasing.remove(self.slots.all(), position);
                self.publishing.push(self.slots.all(), position);
            }
        }
        if fault!("MQTT-4.6.0-4") {
            self.releasing = List::default();
            for position in self.positions() {
                let slot = self.slots.get(position);
                if slot.is_some_and(|slot| matches!(slot.used_for, Use::Release(_))) {
                    self.releasing.push(self.slots.all(), position);
                }
            }
        }
        if fault!("MQTT-4.6.0-1") {
            self.publishing = List::default();
            for position in self.positions() {
                let slot = self.slots.get(position);
                if slot.is_some_and(|slot| slot.used_for.queued().is_some()) {
                    self.publishing.push(self.slots.all(), position);
                }
            }
        }
    }

    /// Some of the positions in use, in the order of their identifiers.
    fn positions(&self) -> impl Iterator<Item = u16> + use<> {
        let identifiers = (1..=64).filter_map(PacketIdentifier::new);
        let positions: alloc::vec::Vec<u16> = identifiers
            .filter_map(|identifier| self.slots.find(identifier))
            .collect();
        positions.into_iter()
    }
}

/// A message in place of one that was forgotten.
fn forgotten(token: Token) -> QueuedMessage {
    let topic = TopicName::new("a").expect("a Topic Name");
    let message = Message::new(&Publish::new(topic, b"")).expect("a message");
    QueuedMessage::new(token, Publication::new(Qos::ExactlyOnce, message))
}
