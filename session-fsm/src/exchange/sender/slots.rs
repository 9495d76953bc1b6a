//! Packet Identifiers in use (section 2.2.1), and free ones.
//!
//! Identifiers and memory are separate: messages that are in flight one by one use several
//! identifiers in turn, but always the same slot.

use alloc::vec::Vec;

use mqtt5_codec::PacketIdentifier;

use super::Request;
use crate::exchange::linked_list::{Linked, Links, List};
use crate::exchange::table::{SenderAction, SenderEvent, SenderState};
use crate::memory::growth_step;
use crate::session::QueuedMessage;
use crate::{Instant, Token};

/// A freed identifier is reused only after this many others have been freed, unless none is left:
/// an acknowledgement that a careless peer repeats does not hit the next message.
const REUSE_DISTANCE: u16 = 5;

/// What is kept beside the state of a Packet Identifier that is in use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Use {
    /// For nothing.
    Vacant,
    /// PUBLISH is unacknowledged.
    Publish(QueuedMessage),
    /// PUBREL is unacknowledged; the message is forgotten.
    Release(Token),
    /// SUBSCRIBE or UNSUBSCRIBE.
    Request(PendingRequest),
}

/// A SUBSCRIBE or UNSUBSCRIBE that is unacknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PendingRequest {
    pub(super) request: Request,
    /// [`Token::NONE`] once its outcome was reported.
    pub(super) token: Token,
    /// When it must be answered, in the connection's reading time; never before it is written.
    pub(super) due: Instant,
}

impl Use {
    #[inline]
    pub(super) const fn token(&self) -> Token {
        match self {
            Use::Vacant => Token::NONE,
            Use::Publish(queued) => queued.token,
            Use::Release(token) => *token,
            Use::Request(pending) => pending.token,
        }
    }

    /// The message whose PUBLISH is unacknowledged.
    #[inline]
    pub(super) const fn queued(&self) -> Option<&QueuedMessage> {
        match self {
            Use::Publish(queued) => Some(queued),
            _ => None,
        }
    }

    /// Gives what is kept other numbers.
    #[cfg(feature = "persistence")]
    pub(super) fn renumber(
        &mut self,
        rank: impl Fn(Token) -> Token,
        message: impl FnOnce(&mut QueuedMessage),
    ) {
        match self {
            Use::Vacant => {}
            Use::Publish(queued) => message(queued),
            Use::Release(token) => *token = rank(*token),
            Use::Request(pending) => pending.token = rank(pending.token),
        }
    }

    pub(super) const fn request(&self) -> Option<&PendingRequest> {
        match self {
            Use::Request(pending) => Some(pending),
            _ => None,
        }
    }

    pub(super) const fn request_mut(&mut self) -> Option<&mut PendingRequest> {
        match self {
            Use::Request(pending) => Some(pending),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) used_for: Use,
    /// Neighbours in the list that the slot is in, by their positions.
    links: Links,
    /// 0 in a vacant slot.
    identifier: u16,
    pub(super) state: SenderState,
    /// The PUBLISH of a message was written on this Network Connection, and has no answer.
    pub(super) sent: bool,
}

/// What a message in flight takes beside its own bytes.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Slot>() == 80);

const VACANT: Slot = Slot {
    used_for: Use::Vacant,
    links: Links::NONE,
    identifier: 0,
    state: SenderState::Free,
    sent: false,
};

impl Slot {
    #[inline]
    pub(super) const fn packet_identifier(&self) -> Option<PacketIdentifier> {
        PacketIdentifier::new(self.identifier)
    }

    /// Runs the row of the table for what happened: the state changes here, and nowhere else.
    #[inline]
    pub(super) fn run(&mut self, event: SenderEvent) -> SenderAction {
        let (state, action) = self.state.run(event);
        self.state = state;
        action
    }

    /// Whether it has a message whose PUBLISH was never written.
    #[inline]
    pub(super) const fn is_unsent(&self) -> bool {
        matches!(self.state, SenderState::Unsent1 | SenderState::Unsent2)
    }

    /// The position of the next slot in the same list; 0 if there is none.
    #[inline]
    pub(super) const fn following(&self) -> u16 {
        self.links.next()
    }
}

impl Linked for Slot {
    #[inline]
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn next(&self) -> u16 {
        self.links.next()
    }
}

/// The slots by their positions, which are counted from 1: 0 is none.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    /// The first vacant slot; the others follow in its links.
    vacant: u16,
    /// Identifier n is at n - 1: if it is in use, `next` is the position of a slot that has it; if
    /// it is lost, it has a mark; if neither, it is in `free`.
    identifiers: Vec<Links>,
    /// The identifiers that are not in use, in the order of their next use.
    free: List,
    /// How many identifiers are given up until the Session ends.
    lost: u16,
    /// How many identifiers may be used, from 1 on: not all in a Session that was adopted.
    pub(super) usable: u16,
}

impl Slots {
    pub(super) const fn new() -> Self {
        Slots {
            slots: Vec::new(),
            vacant: 0,
            identifiers: Vec::new(),
            free: List::EMPTY,
            lost: 0,
            usable: u16::MAX,
        }
    }

    /// Whether no identifier was used, and all may be.
    pub(super) fn is_new(&self) -> bool {
        self.identifiers.is_empty() && self.usable == u16::MAX
    }

    /// Every slot, in use or not.
    #[cfg(feature = "persistence")]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// Whether an identifier is left.
    #[inline]
    pub(super) fn has_identifier(&self) -> bool {
        self.free.len() > 0 || self.identifiers.len() < usize::from(self.usable)
    }

    /// How many identifiers are lost.
    pub(super) const fn lost(&self) -> u16 {
        self.lost
    }

    /// The identifiers that are lost, ascending.
    #[cfg(feature = "persistence")]
    pub(super) fn lost_identifiers(&self) -> impl Iterator<Item = PacketIdentifier> + '_ {
        let entries = (1..=u16::MAX).zip(&self.identifiers);
        entries
            .filter(|_| self.lost > 0)
            .filter(|(identifier, entry)| entry.is_mark(*identifier))
            .filter_map(|(identifier, _)| PacketIdentifier::new(identifier))
    }

    #[inline]
    pub(super) fn get(&self, position: u16) -> Option<&Slot> {
        self.slots.get(usize::from(position).checked_sub(1)?)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, position: u16) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(position).checked_sub(1)?)
    }

    /// Puts the identifiers that are not in use into the order in which they are after a restart.
    #[cfg(feature = "persistence")]
    pub(super) fn sort_free(&mut self) {
        let free: Vec<u16> = self.free.iter(&self.identifiers).collect();
        for &identifier in &free {
            self.free.remove(&mut self.identifiers, identifier);
        }
        let known = self.identifiers.len() as u16;
        let last = (1..=known).rev().find(|it| !free.contains(it));
        self.identifiers.truncate(usize::from(last.unwrap_or(0)));
        for identifier in 1..=last.unwrap_or(0) {
            if free.contains(&identifier) {
                self.free.push(&mut self.identifiers, identifier);
            }
        }
    }

    /// All slots, for lists of them.
    #[inline]
    pub(super) fn all(&mut self) -> &mut [Slot] {
        &mut self.slots
    }

    /// All slots in a list, in its order.
    pub(super) fn listed(&self, list: &List) -> impl Iterator<Item = &Slot> {
        let positions = list.iter(&self.slots);
        positions.filter_map(|position| self.get(position))
    }

    /// The slots in a list, from this position on.
    pub(super) fn listed_from(&self, position: u16) -> impl Iterator<Item = &Slot> {
        let first = self.get(position);
        core::iter::successors(first, |slot| self.get(slot.following()))
    }

    /// What decides which identifiers will be used next: how many were used so far, and those of
    /// them that are free, in their order. Of the others, those without a slot are lost.
    pub(super) fn supply(&self) -> (usize, impl Iterator<Item = u16> + '_) {
        (self.identifiers.len(), self.free.iter(&self.identifiers))
    }

    /// The position of the slot that has an identifier.
    #[inline]
    pub(super) fn find(&self, packet_identifier: PacketIdentifier) -> Option<u16> {
        let identifier = packet_identifier.get();
        let entry = self.identifiers.get(usize::from(identifier) - 1)?;
        let position = entry.next();
        (self.get(position)?.identifier == identifier).then_some(position)
    }

    /// The state of an identifier that has no slot.
    pub(super) fn state_without_slot(&self, packet_identifier: PacketIdentifier) -> SenderState {
        let identifier = packet_identifier.get();
        match self.identifiers.get(usize::from(identifier) - 1) {
            Some(entry) if entry.is_mark(identifier) => SenderState::Lost,
            _ => SenderState::Free,
        }
    }

    /// Gives a free identifier to a vacant slot, whose other fields are the caller's; `None` if
    /// there is no such identifier.
    #[inline]
    pub(super) fn take(&mut self) -> Option<u16> {
        let identifier = if self.free.len() > REUSE_DISTANCE {
            self.free.pop(&mut self.identifiers)?
        } else {
            self.fresh_identifier()?
        };
        self.occupy(identifier)
    }

    #[inline]
    fn occupy(&mut self, identifier: u16) -> Option<u16> {
        if self.vacant == 0 {
            self.add_slot();
        }
        let position = self.vacant;
        let slot = self.get_mut(position)?;
        slot.identifier = identifier;
        let following = slot.following();
        self.vacant = following;
        let entry = self.identifiers.get_mut(usize::from(identifier) - 1)?;
        *entry = Links::to(position);
        Some(position)
    }

    #[inline(never)]
    fn fresh_identifier(&mut self) -> Option<u16> {
        let known = self.identifiers.len();
        if known >= usize::from(self.usable) {
            return self.free.pop(&mut self.identifiers);
        }
        self.add_identifier()
    }

    /// The lowest identifier that was not used yet; `None` if there is none.
    #[inline]
    fn add_identifier(&mut self) -> Option<u16> {
        let known = self.identifiers.len();
        if known == self.identifiers.capacity() {
            // A stream of messages one by one uses as many as are kept apart, and one more.
            let least = if known == 0 {
                usize::from(REUSE_DISTANCE) + 1
            } else {
                0
            };
            self.identifiers
                .reserve_exact(growth_step(known).max(least));
        }
        let identifier = u16::try_from(known + 1).ok()?;
        self.identifiers.push(Links::NONE);
        Some(identifier)
    }

    #[inline(never)]
    fn add_slot(&mut self) {
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(growth_step(self.slots.len()));
        }
        self.slots.push(VACANT);
        // There are no more than identifiers.
        self.vacant = self.slots.len() as u16;
    }

    /// Whether a certain identifier can be claimed: it is neither in use nor lost.
    pub(super) fn is_free(&self, packet_identifier: PacketIdentifier) -> bool {
        self.find(packet_identifier).is_none()
            && self.state_without_slot(packet_identifier) == SenderState::Free
    }

    /// Gives a certain identifier, which must be free, to a vacant slot.
    pub(super) fn claim(&mut self, packet_identifier: PacketIdentifier) -> Option<u16> {
        let identifier = self.set_aside(packet_identifier)?;
        self.occupy(identifier)
    }

    /// Loses a certain identifier, which must be free.
    #[cfg(feature = "persistence")]
    pub(super) fn claim_lost(&mut self, packet_identifier: PacketIdentifier) -> Option<()> {
        let identifier = self.set_aside(packet_identifier)?;
        self.mark_lost(identifier);
        Some(())
    }

    /// Takes a certain identifier out of those that are free.
    fn set_aside(&mut self, packet_identifier: PacketIdentifier) -> Option<u16> {
        if !self.is_free(packet_identifier) {
            return None;
        }
        let identifier = packet_identifier.get();
        while self.identifiers.len() < usize::from(identifier) {
            let fresh = self.add_identifier()?;
            self.free.push(&mut self.identifiers, fresh);
        }
        self.free.remove(&mut self.identifiers, identifier);
        Some(identifier)
    }

    /// Frees a slot, which is in no list any more, and its identifier, unless that is lost.
    #[inline]
    pub(super) fn vacate(&mut self, position: u16) {
        let vacant = self.vacant;
        let Some(slot) = self.get_mut(position) else {
            return;
        };
        let identifier = slot.identifier;
        let is_lost = slot.state == SenderState::Lost;
        if is_lost {
            slot.state = SenderState::Free;
        }
        slot.used_for = Use::Vacant;
        slot.identifier = 0;
        slot.links = Links::to(vacant);
        self.vacant = position;
        if is_lost {
            self.mark_lost(identifier);
        } else if identifier != 0 {
            self.free.push(&mut self.identifiers, identifier);
        }
    }

    fn mark_lost(&mut self, identifier: u16) {
        if let Some(entry) = self.identifiers.get_mut(usize::from(identifier) - 1) {
            *entry = Links::mark(identifier);
            self.lost += 1;
        }
    }
}
