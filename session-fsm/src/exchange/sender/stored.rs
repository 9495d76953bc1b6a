//! The stored part of the sender half.

use mqtt5_codec::PacketIdentifier;

use super::Sender;
use super::slots::Use;
use crate::exchange::table::{SenderEvent, SenderState};
use crate::session::{QueuedMessage, Untold, message_expiry};
use crate::{Instant, Token};

impl Sender {
    /// The identifiers that are not used again before the Session ends, ascending.
    #[cfg(feature = "persistence")]
    pub(crate) fn lost_identifiers(&self) -> impl Iterator<Item = PacketIdentifier> + '_ {
        self.slots.lost_identifiers()
    }

    /// Forgets a message that was given up after its PUBLISH was written, and loses its identifier;
    /// `None` if there is no such message.
    pub(crate) fn lose(
        &mut self,
        packet_identifier: PacketIdentifier,
        untold: &mut Untold,
    ) -> Option<Token> {
        let position = self.slots.find(packet_identifier)?;
        let slot = self.slots.get_mut(position)?;
        if slot.state.on(SenderEvent::Forbidden).0 != SenderState::Lost {
            return None;
        }
        slot.run(SenderEvent::Forbidden);
        self.remove(position, untold)
    }

    /// The clock may have gone back: nothing expires later than its interval from now.
    pub(crate) fn clamp(&mut self, now: Instant) {
        for slot in self.slots.all() {
            if let Use::Publish(queued) = &mut slot.used_for {
                queued.expires_at = message_expiry(now, &queued.message, queued.expires_at);
            }
        }
    }

    /// The tokens of all that is unacknowledged.
    #[cfg(feature = "persistence")]
    pub(crate) fn tokens(&self) -> impl Iterator<Item = Token> + '_ {
        self.slots.iter().map(|slot| slot.used_for.token())
    }

    /// Forgets what was written on a Network Connection that has ended, and in which order
    /// identifiers were freed.
    #[cfg(feature = "persistence")]
    pub(crate) fn forget_connection(&mut self) {
        self.slots.sort_free();
        self.resume();
    }

    /// Gives all that is unacknowledged other numbers.
    #[cfg(feature = "persistence")]
    pub(crate) fn renumber(
        &mut self,
        rank: impl Fn(Token) -> Token,
        mut message: impl FnMut(&mut QueuedMessage),
    ) {
        for slot in self.slots.all() {
            slot.used_for.renumber(&rank, &mut message);
        }
    }

    /// The token of the message with this identifier.
    #[cfg(feature = "persistence")]
    pub(crate) fn token_of(&self, packet_identifier: PacketIdentifier) -> Option<Token> {
        let slot = self.slots.get(self.slots.find(packet_identifier)?)?;
        Some(slot.used_for.token())
    }

    /// The message with this identifier of which PUBLISH is unacknowledged.
    #[cfg(feature = "persistence")]
    pub(crate) fn message_of(&self, packet_identifier: PacketIdentifier) -> Option<&QueuedMessage> {
        let slot = self.slots.get(self.slots.find(packet_identifier)?)?;
        slot.used_for.queued()
    }

    /// Whether an identifier is in use for nothing at all.
    pub(crate) fn is_free(&self, packet_identifier: PacketIdentifier) -> bool {
        self.slots.is_free(packet_identifier)
    }

    /// Puts a message in flight that was in flight when the Session was exported; `None` if its
    /// identifier is in use.
    pub(crate) fn restore(
        &mut self,
        packet_identifier: PacketIdentifier,
        queued: QueuedMessage,
    ) -> Option<PacketIdentifier> {
        let position = self.slots.claim(packet_identifier)?;
        let packet_identifier = self.place(position, queued);
        self.slots.get_mut(position)?.run(SenderEvent::Written);
        packet_identifier
    }

    /// Puts a PUBREL in flight that was in flight when the Session was exported; `None` if its
    /// identifier is in use.
    #[cfg(feature = "persistence")]
    pub(crate) fn restore_released(
        &mut self,
        packet_identifier: PacketIdentifier,
        token: Token,
    ) -> Option<()> {
        let position = self.slots.claim(packet_identifier)?;
        let slot = self.slots.get_mut(position)?;
        for event in [
            SenderEvent::PublishQos2,
            SenderEvent::Written,
            SenderEvent::PubRec,
        ] {
            slot.run(event);
        }
        slot.used_for = Use::Release(token);
        self.releasing.push(self.slots.all(), position);
        if self.release_next == 0 {
            self.release_next = position;
        }
        self.outstanding += 1;
        Some(())
    }

    /// Loses an identifier that was lost when the Session was exported; `None` if it is in use.
    #[cfg(feature = "persistence")]
    pub(crate) fn restore_lost(&mut self, packet_identifier: PacketIdentifier) -> Option<()> {
        self.slots.claim_lost(packet_identifier)
    }

    /// The messages in flight that are still stored, in the order of their first sending.
    pub(crate) fn unacknowledged(
        &self,
    ) -> impl Iterator<Item = (PacketIdentifier, &QueuedMessage)> {
        let slots = self.slots.listed(&self.publishing);
        slots.filter_map(|slot| Some((slot.packet_identifier()?, slot.used_for.queued()?)))
    }

    /// The released messages, in the order in which PUBREC came.
    #[cfg(feature = "persistence")]
    pub(crate) fn released(&self) -> impl Iterator<Item = (PacketIdentifier, Token)> + '_ {
        let slots = self.slots.listed(&self.releasing);
        slots.filter_map(|slot| Some((slot.packet_identifier()?, slot.used_for.token())))
    }
}
