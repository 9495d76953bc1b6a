//! Values in numbered slots, with keys that go stale.

use alloc::vec::Vec;

/// Names a value in [`Slots`]. It finds nothing once the value is gone, even if the slot is used
/// again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) slot: u32,
    generation: u32,
}

#[derive(Clone, Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Values in numbered slots. The lowest free slot is used first, so equal calls give equal keys.
#[derive(Clone, Debug)]
pub(super) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    pub(super) const fn new() -> Self {
        Slots {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many slots there are, used or not.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Puts a value into a free slot. The caller limits how many there are, to less than 2³².
    pub(super) fn insert(&mut self, value: T) -> Key {
        if let Some(slot) = self.free.pop() {
            if let Some(place) = self.slots.get_mut(slot as usize) {
                place.value = Some(value);
                let generation = place.generation;
                return Key { slot, generation };
            }
        }
        let slot = self.slots.len() as u32;
        self.slots.push(Slot {
            generation: 0,
            value: Some(value),
        });
        Key {
            slot,
            generation: 0,
        }
    }

    /// Takes a value out. Its key, and every copy of it, is stale from now on.
    pub(super) fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.slots.get_mut(key.slot as usize)?;
        if place.generation != key.generation {
            return None;
        }
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.slot);
        Some(value)
    }

    pub(super) fn get(&self, key: Key) -> Option<&T> {
        let place = self.slots.get(key.slot as usize)?;
        place
            .value
            .as_ref()
            .filter(|_| place.generation == key.generation || fault!("a stale key finds another"))
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.slots.get_mut(key.slot as usize)?;
        let generation = place.generation;
        place
            .value
            .as_mut()
            .filter(|_| generation == key.generation || fault!("a stale key finds another"))
    }

    /// The key of the value that is in a slot now.
    pub(super) fn key_of(&self, slot: u32) -> Option<Key> {
        let place = self.slots.get(slot as usize)?;
        let generation = place.generation;
        place.value.as_ref().map(|_| Key { slot, generation })
    }

    /// All values, in the order of their slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        self.slots.iter().enumerate().filter_map(|(slot, place)| {
            let key = Key {
                slot: slot as u32,
                generation: place.generation,
            };
            place.value.as_ref().map(|value| (key, value))
        })
    }
}
