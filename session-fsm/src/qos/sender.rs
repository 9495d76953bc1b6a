//! The sender half: Packet Identifiers, the messages in flight, and their order (sections 2.2.1,
//! 4.3, 4.4, 4.6, 4.9).

use alloc::vec::Vec;
use core::num::NonZeroU16;

use mqtt5_codec::{Message, PacketIdentifier, Qos};

use super::table::{SenderAction, SenderEvent, SenderState};
use crate::Token;
use crate::list::{Linked, Links, List};
use crate::session::Accepted;

/// A freed identifier is not used again before so many others were, so that an acknowledgement that
/// a careless peer repeats does not hit the next message.
const REUSE_DISTANCE: usize = 8;

/// What a Packet Identifier is in use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Use {
    Message(SenderState),
    Request(Request),
    /// A message with QoS 2 that was sent and then given up: the peer may hold the identifier until the
    /// Session ends.
    Lost,
}

/// A request of a Client that is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Subscribe { filters: u32 },
    Unsubscribe { filters: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slot {
    message: Option<Message>,
    token: Token,
    expires_at: crate::Instant,
    used_for: Use,
    links: Links,
    /// The Topic Alias that the application wants.
    topic_alias: Option<NonZeroU16>,
    /// The PUBLISH was sent, on whatever connection: it has DUP 1 from now on.
    sent_before: bool,
    /// Sent on this Network Connection.
    sent: bool,
}

const FREE: Slot = Slot {
    message: None,
    token: Token::NONE,
    expires_at: crate::Instant::NEVER,
    used_for: Use::Message(SenderState::Free),
    links: Links::NONE,
    topic_alias: None,
    sent_before: false,
    sent: false,
};

impl Linked for Slot {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    #[cfg(feature = "persistence")]
    fn next(&self) -> u16 {
        self.links.next()
    }
}

/// A PUBLISH that is to be sent next.
pub(crate) struct Unsent<'s> {
    pub(crate) message: &'s Message,
    pub(crate) qos: Qos,
    pub(crate) packet_identifier: PacketIdentifier,
    pub(crate) duplicate: bool,
    pub(crate) expires_at: crate::Instant,
    pub(crate) topic_alias: Option<NonZeroU16>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Sender {
    /// The slot of identifier n is at n - 1.
    slots: Vec<Slot>,
    free: List,
    /// Messages of which PUBLISH is unacknowledged, in the order of their first sending.
    publishing: List,
    /// Messages of which PUBREL is unacknowledged, in the order in which PUBREC came.
    releasing: List,
    requests: List,
    /// The first of `publishing` and of `releasing` that was not sent on this Network Connection; 0
    /// for none. All behind it were not sent, either.
    publish_next: u16,
    release_next: u16,
    /// Messages that count against the peer's Receive Maximum on this Network Connection.
    outstanding: u16,
    /// Identifiers that are [`Use::Lost`].
    lost: u16,
}

impl Sender {
    /// How many messages are in flight, sent on this Network Connection or not.
    pub(crate) const fn in_flight(&self) -> u16 {
        self.publishing.len() + self.releasing.len()
    }

    /// The state of an identifier, as far as messages go.
    pub(crate) fn state(&self, packet_identifier: PacketIdentifier) -> SenderState {
        match self.slot(packet_identifier.get()).map(|slot| slot.used_for) {
            Some(Use::Message(state)) => state,
            _ => SenderState::Free,
        }
    }

    /// Takes an identifier that is not in use; `None` if all up to `limit` are.
    #[inline]
    fn allocate(&mut self, limit: u16) -> Option<u16> {
        let used = self.slots.len();
        if used < usize::from(limit) && (self.free.len() == 0 || used < REUSE_DISTANCE) {
            return self.add_slot(limit);
        }
        if self.free.first() > limit {
            return None;
        }
        self.free.pop(&mut self.slots)
    }

    #[inline(never)]
    fn add_slot(&mut self, limit: u16) -> Option<u16> {
        let used = self.slots.len();
        if used == self.slots.capacity() {
            // A little more at a time than Vec would take: memory per message is promised.
            self.slots
                .reserve_exact((used / 8).clamp(4, usize::from(limit) - used + 3));
        }
        self.slots.push(FREE);
        u16::try_from(used + 1).ok()
    }

    /// Whether an identifier is left.
    pub(crate) fn has_identifier(&self, limit: u16) -> bool {
        self.free.len() > 0 || self.slots.len() < usize::from(limit)
    }

    /// Puts a message in flight. It is sent by [`Sender::next_publish`].
    #[inline]
    pub(crate) fn publish(&mut self, accepted: Accepted, limit: u16) -> Option<PacketIdentifier> {
        let identifier = PacketIdentifier::new(self.allocate(limit)?)?;
        self.place(identifier, accepted, false);
        Some(identifier)
    }

    #[inline]
    fn place(&mut self, identifier: PacketIdentifier, accepted: Accepted, sent_before: bool) {
        let event = match accepted.qos {
            Qos::ExactlyOnce => SenderEvent::PublishQos2,
            _ => SenderEvent::PublishQos1,
        };
        let (state, _) = SenderState::Free.on(event);
        let identifier = identifier.get();
        // What is not written here is as in a free slot.
        if let Some(slot) = self.slot_mut(identifier) {
            slot.message = Some(accepted.message);
            slot.token = accepted.token;
            slot.expires_at = accepted.expires_at;
            slot.used_for = Use::Message(state);
            slot.topic_alias = accepted.topic_alias;
            slot.sent_before = sent_before;
        }
        self.publishing.push(&mut self.slots, identifier);
        if self.publish_next == 0 {
            self.publish_next = identifier;
        }
    }

    /// An acknowledgement of a message came: what to do, and the message's token if its exchange is
    /// over.
    #[inline]
    pub(crate) fn acknowledge(
        &mut self,
        packet_identifier: PacketIdentifier,
        event: SenderEvent,
    ) -> (SenderAction, Option<Token>) {
        let identifier = packet_identifier.get();
        let slot = self.slot(identifier);
        let state = match slot.map(|slot| slot.used_for) {
            // It is not for a message that was never written.
            Some(Use::Message(SenderState::WaitPubAck | SenderState::WaitPubRec))
                if slot.is_some_and(|slot| !slot.sent_before) =>
            {
                SenderState::Free
            }
            Some(Use::Message(state)) => state,
            Some(Use::Request(_)) => return (SenderAction::WrongKind, None),
            Some(Use::Lost) | None => SenderState::Free,
        };
        let (next, action) = state.on(event);
        match action {
            SenderAction::Finish => (action, self.finish(identifier)),
            SenderAction::Release => {
                self.release(identifier, next);
                (action, None)
            }
            _ => (action, None),
        }
    }

    /// The exchange is over: frees the identifier.
    fn finish(&mut self, identifier: u16) -> Option<Token> {
        let slot = self.slot(identifier)?;
        let (token, state, sent) = (slot.token, slot.used_for, slot.sent);
        match state {
            Use::Message(SenderState::WaitPubComp) => {
                if self.release_next == identifier {
                    self.release_next = slot.links.next();
                }
                self.outstanding = self.outstanding.saturating_sub(1);
                self.releasing.remove(&mut self.slots, identifier);
            }
            Use::Message(SenderState::Free) | Use::Lost => return None,
            Use::Message(_) => {
                if self.publish_next == identifier {
                    self.publish_next = slot.links.next();
                }
                // What was not sent on this connection took nothing from its quota.
                if sent {
                    self.outstanding = self.outstanding.saturating_sub(1);
                }
                self.publishing.remove(&mut self.slots, identifier);
            }
            Use::Request(_) => self.requests.remove(&mut self.slots, identifier),
        }
        if let Some(slot) = self.slot_mut(identifier) {
            *slot = FREE;
        }
        self.free.push(&mut self.slots, identifier);
        Some(token)
    }

    /// PUBREC came: the message is forgotten, the identifier is not.
    fn release(&mut self, identifier: u16, next: SenderState) {
        let Some(slot) = self.slot_mut(identifier) else {
            return;
        };
        let following = slot.links.next();
        let sent = core::mem::replace(&mut slot.sent, false);
        slot.message = None;
        slot.used_for = Use::Message(next);
        if self.publish_next == identifier {
            self.publish_next = following;
        }
        // It counts until PUBCOMP, even if its PUBLISH was sent on an earlier connection.
        if !sent {
            self.outstanding += 1;
        }
        self.publishing.remove(&mut self.slots, identifier);
        self.releasing.push(&mut self.slots, identifier);
        if self.release_next == 0 {
            self.release_next = identifier;
        }
    }

    /// Whether all was sent on this Network Connection that there is to send.
    #[inline]
    pub(crate) const fn is_written(&self) -> bool {
        self.publish_next == 0 && self.release_next == 0
    }

    /// The next PUBREL to send; it stays until [`Sender::release_sent`].
    #[inline]
    pub(crate) const fn next_release(&self) -> Option<PacketIdentifier> {
        PacketIdentifier::new(self.release_next)
    }

    #[inline]
    pub(crate) fn release_sent(&mut self) {
        let identifier = self.release_next;
        if let Some(slot) = self.slot_mut(identifier) {
            slot.sent = true;
            self.release_next = slot.links.next();
        }
    }

    /// The next PUBLISH to send if the peer takes so many at a time; it stays until
    /// [`Sender::publish_sent`].
    #[inline]
    pub(crate) fn next_publish(&self, receive_maximum: u16) -> Option<Unsent<'_>> {
        let packet_identifier = PacketIdentifier::new(self.publish_next)?;
        if self.outstanding >= receive_maximum {
            return None;
        }
        let slot = self.slot(self.publish_next)?;
        Some(Unsent {
            message: slot.message.as_ref()?,
            qos: match slot.used_for {
                Use::Message(SenderState::WaitPubRec) => Qos::ExactlyOnce,
                _ => Qos::AtLeastOnce,
            },
            packet_identifier,
            duplicate: slot.sent_before,
            expires_at: slot.expires_at,
            topic_alias: slot.topic_alias,
        })
    }

    #[inline]
    pub(crate) fn publish_sent(&mut self) {
        let identifier = self.publish_next;
        if let Some(slot) = self.slot_mut(identifier) {
            slot.sent = true;
            slot.sent_before = true;
            self.publish_next = slot.links.next();
            self.outstanding += 1;
        }
    }

    /// The next PUBLISH cannot be sent at all: forgets it. Also whether it was sent before.
    pub(crate) fn give_up_next(&mut self) -> Option<(PacketIdentifier, Token, bool)> {
        let identifier = self.publish_next;
        let slot = self.slot(identifier)?;
        let sent_before = slot.sent_before;
        let lost = sent_before && slot.used_for == Use::Message(SenderState::WaitPubRec);
        let token = self.finish(identifier)?;
        if lost {
            // The peer may have it, and would take another message for it [MQTT-4.3.3-10].
            self.free.remove(&mut self.slots, identifier);
            if let Some(slot) = self.slot_mut(identifier) {
                slot.used_for = Use::Lost;
            }
            self.lost += 1;
        }
        Some((PacketIdentifier::new(identifier)?, token, sent_before))
    }

    /// Takes an identifier for a SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn request(
        &mut self,
        request: Request,
        token: Token,
        limit: u16,
    ) -> Option<PacketIdentifier> {
        let identifier = self.allocate(limit)?;
        if let Some(slot) = self.slot_mut(identifier) {
            *slot = Slot {
                token,
                used_for: Use::Request(request),
                ..FREE
            };
        }
        self.requests.push(&mut self.slots, identifier);
        PacketIdentifier::new(identifier)
    }

    /// What request an identifier is in use for: `Ok(None)` if for nothing, `Err` if for a message.
    pub(crate) fn pending_request(
        &self,
        packet_identifier: PacketIdentifier,
    ) -> Result<Option<Request>, ()> {
        match self.slot(packet_identifier.get()).map(|slot| slot.used_for) {
            Some(Use::Request(request)) => Ok(Some(request)),
            None | Some(Use::Message(SenderState::Free) | Use::Lost) => Ok(None),
            Some(Use::Message(_)) => Err(()),
        }
    }

    /// A request is answered.
    pub(crate) fn finish_request(&mut self, packet_identifier: PacketIdentifier) -> Option<Token> {
        self.finish(packet_identifier.get())
    }

    /// The Network Connection is gone: what its requests led to will never be known.
    pub(crate) fn take_request(&mut self) -> Option<Token> {
        let first = self.requests.first();
        self.finish(first)
    }

    /// A new Network Connection goes on with the Session: everything unacknowledged is to be sent
    /// again, in its order (section 4.4).
    pub(crate) fn resume(&mut self) {
        self.publish_next = self.publishing.first();
        self.release_next = self.releasing.first();
        self.outstanding = self.releasing.len();
        for slot in &mut self.slots {
            slot.sent = false;
        }
    }

    /// Forgets one message in flight, and says whether it was sent; `None` if there is none left.
    pub(crate) fn discard_one(&mut self) -> Option<(Token, bool)> {
        // Those of which less is known to have arrived come last; each list keeps its order.
        let first = match self.releasing.first() {
            0 => self.publishing.first(),
            first => first,
        };
        let slot = self.slot(first)?;
        let sent = slot.sent_before || slot.used_for == Use::Message(SenderState::WaitPubComp);
        Some((self.finish(first)?, sent))
    }

    /// Gives back memory that is not in use.
    pub(crate) fn shrink(&mut self) {
        if self.in_flight() == 0 && self.requests.len() == 0 && self.lost == 0 {
            self.reset();
        }
    }

    /// Forgets the identifiers, too, once nothing is in flight.
    pub(crate) fn reset(&mut self) {
        *self = Sender::default();
    }

    /// Puts a message in flight that was in flight when the Session was exported.
    pub(crate) fn restore(
        &mut self,
        packet_identifier: PacketIdentifier,
        accepted: Accepted,
    ) -> Result<(), ()> {
        self.claim(packet_identifier)?;
        self.place(packet_identifier, accepted, true);
        Ok(())
    }

    /// Puts a PUBREL in flight that was in flight when the Session was exported.
    #[cfg(feature = "persistence")]
    pub(crate) fn restore_released(
        &mut self,
        packet_identifier: PacketIdentifier,
        token: Token,
    ) -> Result<(), ()> {
        self.claim(packet_identifier)?;
        let identifier = packet_identifier.get();
        if let Some(slot) = self.slot_mut(identifier) {
            *slot = Slot {
                token,
                used_for: Use::Message(SenderState::WaitPubComp),
                ..FREE
            };
        }
        self.releasing.push(&mut self.slots, identifier);
        if self.release_next == 0 {
            self.release_next = identifier;
        }
        self.outstanding += 1;
        Ok(())
    }

    /// Takes a certain identifier, which must not be in use.
    fn claim(&mut self, packet_identifier: PacketIdentifier) -> Result<(), ()> {
        let identifier = packet_identifier.get();
        while self.slots.len() < usize::from(identifier) {
            self.slots.push(FREE);
            let fresh = self.slots.len() as u16;
            self.free.push(&mut self.slots, fresh);
        }
        match self.slot(identifier) {
            Some(slot) if slot.used_for == Use::Message(SenderState::Free) => {
                self.free.remove(&mut self.slots, identifier);
                Ok(())
            }
            _ => Err(()),
        }
    }

    /// The messages in flight that are still stored, in the order of their first sending.
    #[cfg(feature = "persistence")]
    pub(crate) fn unacknowledged(&self) -> impl Iterator<Item = (PacketIdentifier, Accepted)> + '_ {
        self.publishing.iter(&self.slots).filter_map(|identifier| {
            let slot = self.slot(identifier)?;
            let accepted = Accepted {
                message: slot.message.clone()?,
                qos: match slot.used_for {
                    Use::Message(SenderState::WaitPubRec) => Qos::ExactlyOnce,
                    _ => Qos::AtLeastOnce,
                },
                token: slot.token,
                expires_at: slot.expires_at,
                topic_alias: slot.topic_alias,
            };
            Some((PacketIdentifier::new(identifier)?, accepted))
        })
    }

    /// The released messages, in the order in which PUBREC came.
    #[cfg(feature = "persistence")]
    pub(crate) fn released(&self) -> impl Iterator<Item = (PacketIdentifier, Token)> + '_ {
        self.releasing.iter(&self.slots).filter_map(|identifier| {
            let slot = self.slot(identifier)?;
            Some((PacketIdentifier::new(identifier)?, slot.token))
        })
    }

    #[inline]
    fn slot(&self, identifier: u16) -> Option<&Slot> {
        self.slots.get(usize::from(identifier).checked_sub(1)?)
    }

    #[inline]
    fn slot_mut(&mut self, identifier: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(identifier).checked_sub(1)?)
    }
}
