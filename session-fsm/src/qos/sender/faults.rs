//! Deliberate faults that take more than a line.

use mqtt5_codec::PacketIdentifier;

use super::{Sender, SenderState, Use};
use crate::list::List;

impl Sender {
    /// What [`Sender::resume`] does first.
    pub(super) fn resume_wrongly(&mut self) {
        if fault!("MQTT-4.3.3-6") {
            // At every second resume.
            for position in self.positions() {
                let Some(slot) = self.slots.get_mut(position) else {
                    continue;
                };
                if slot.used_for != Use::Message(SenderState::WaitPubComp) || slot.message.is_none()
                {
                    continue;
                }
                slot.sent_before = !slot.sent_before;
                if slot.sent_before {
                    slot.used_for = Use::Message(SenderState::WaitPubRec);
                    self.releasing.remove(self.slots.all(), position);
                    self.publishing.push(self.slots.all(), position);
                }
            }
        }
        if fault!("MQTT-4.6.0-4") {
            self.releasing = List::default();
            for position in self.positions() {
                if self.slots.get(position).map(|slot| slot.used_for)
                    == Some(Use::Message(SenderState::WaitPubComp))
                {
                    self.releasing.push(self.slots.all(), position);
                }
            }
        }
        if fault!("MQTT-4.6.0-1") {
            self.publishing = List::default();
            for position in self.positions() {
                if matches!(
                    self.slots.get(position).map(|slot| slot.used_for),
                    Some(Use::Message(
                        SenderState::WaitPubAck | SenderState::WaitPubRec
                    ))
                ) {
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
