//! The members of a group that can take a message, as far as is known.

use alloc::vec::Vec;

use slab::Slab;

use super::Policy;
use super::lists::Ring;
use super::members::{Membership, PLACE};
use super::policy::Generator;

/// What a choice among some members led to.
pub(super) enum Choice {
    /// The membership that was chosen.
    Chosen(u32),
    /// This one cannot take a message now.
    Unable(u32),
    /// None is left.
    Nobody,
}

/// Memberships of one group.
#[derive(Clone, Debug)]
pub(super) enum Ready {
    /// The next one in turn first.
    InTurn(Ring<PLACE>),
    /// Side by side, so that any of them is found by a number. The back-index is `place.previous`.
    AtRandom(Vec<u32>),
}

impl Ready {
    pub(super) const fn new(policy: Policy) -> Self {
        match policy {
            Policy::Random => Ready::AtRandom(Vec::new()),
            _ => Ready::InTurn(Ring::NEW),
        }
    }

    /// Adds a membership, as the last one in turn.
    pub(super) fn push<V>(&mut self, memberships: &mut Slab<Membership<V>>, slot: u32) {
        match self {
            Ready::InTurn(ring) => ring.push_back(memberships, slot),
            Ready::AtRandom(list) => {
                if let Some(membership) = memberships.get_mut(slot as usize) {
                    membership.place.previous = list.len() as u32;
                    list.push(slot);
                }
            }
        }
    }

    pub(super) fn remove<V>(&mut self, memberships: &mut Slab<Membership<V>>, slot: u32) {
        match self {
            Ready::InTurn(ring) => ring.remove(memberships, slot),
            Ready::AtRandom(list) => {
                let Some(membership) = memberships.get(slot as usize) else {
                    return;
                };
                let place = membership.place.previous;
                if (place as usize) < list.len() {
                    list.swap_remove(place as usize);
                }
                let moved = list.get(place as usize).copied();
                let moved = moved.and_then(|moved| memberships.get_mut(moved as usize));
                if let Some(moved) = moved {
                    moved.place.previous = place;
                }
            }
        }
    }

    /// Chooses a membership, or finds one that cannot take a message: then the caller takes it out,
    /// and asks again. So each call asks at most [`Policy::EXAMINED`] members.
    ///
    /// `able` returns how many messages the member of a membership has in flight, if it can take
    /// one more.
    pub(super) fn choose<V>(
        &mut self,
        policy: Policy,
        generator: &mut Generator,
        memberships: &Slab<Membership<V>>,
        mut able: impl FnMut(u32) -> Option<u32>,
    ) -> Choice {
        let ring = match self {
            Ready::InTurn(ring) => ring,
            Ready::AtRandom(list) => {
                let number = generator.below(list.len() as u32);
                return match list.get(number as usize) {
                    Some(slot) if able(*slot).is_some() => Choice::Chosen(*slot),
                    Some(slot) => Choice::Unable(*slot),
                    None => Choice::Nobody,
                };
            }
        };
        let Some(mut slot) = ring.first() else {
            return Choice::Nobody;
        };
        let mut best: Option<(u32, u32)> = None;
        for _ in 0..policy.examined().min(ring.len()) {
            match able(slot) {
                None => return Choice::Unable(slot),
                Some(load) if best.is_none_or(|(least, _)| load < least) => {
                    best = Some((load, slot));
                }
                Some(_) => {}
            }
            slot = ring.next(memberships, slot);
        }
        let Some((_, slot)) = best else {
            return Choice::Nobody;
        };
        if policy != Policy::Sticky {
            ring.begin_after(memberships, slot);
        }
        Choice::Chosen(slot)
    }

    /// The memberships, in the order that decides what is chosen.
    pub(super) fn iter<'s, V>(
        &'s self,
        memberships: &'s Slab<Membership<V>>,
    ) -> impl Iterator<Item = u32> + 's {
        let (in_turn, at_random) = match self {
            Ready::InTurn(ring) => (Some(ring.iter(memberships)), None),
            Ready::AtRandom(list) => (None, Some(list.iter().copied())),
        };
        (in_turn.into_iter().flatten()).chain(at_random.into_iter().flatten())
    }

    pub(super) fn shrink(&mut self) {
        if let Ready::AtRandom(list) = self {
            list.shrink_to_fit();
        }
    }

    pub(super) fn allocated(&self) -> usize {
        match self {
            Ready::InTurn(_) => 0,
            Ready::AtRandom(list) => list.capacity() * size_of::<u32>(),
        }
    }
}
