//! A small state for each of the peer's Packet Identifiers, which may be any of the 65,535.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use mqtt5_codec::PacketIdentifier;

/// Bytes of a table: two identifiers share one.
const TABLE: usize = 65_536 / 2;
/// So many in use, and a table takes at most 96 bytes for each of them.
const TABLE_FROM: u16 = TABLE.div_ceil(96) as u16;
/// The most in a list. It lies above [`TABLE_FROM`], so that list and table together, while the one
/// becomes the other, take at most 96 bytes each, too, and so that a peer has to send many messages
/// between one such change and the next.
const LIST_TO: usize = 1024;

/// A state of four bits for each identifier, 0 at first. Those that are not at 0 are in use.
///
/// At most 96 bytes for each one in use, whichever they are. What a larger number of them took is
/// kept until [`Identifiers::shrink`], so that a number that goes up and down causes no allocation.
#[derive(Clone)]
pub(super) struct Identifiers {
    /// Identifiers in use. Usually 0, so it is checked first.
    in_use: u16,
    kept: Kept,
}

#[derive(Clone)]
enum Kept {
    /// Those in use alone, ascending from the front one on, and from the greatest on to the least:
    /// peers mostly use identifiers round and round, which then come at the back and go at the
    /// front. A change in the middle moves at most half of [`LIST_TO`] entries.
    List(VecDeque<Entry>),
    /// All.
    Table(Box<[u8]>),
}

type Entry = (PacketIdentifier, u8);

impl Identifiers {
    pub(super) const fn new() -> Self {
        Identifiers {
            in_use: 0,
            kept: Kept::List(VecDeque::new()),
        }
    }

    /// Whether none is in use.
    pub(super) const fn is_empty(&self) -> bool {
        self.in_use == 0
    }

    #[inline]
    pub(super) fn state(&self, identifier: PacketIdentifier) -> u8 {
        if self.in_use == 0 {
            return 0;
        }
        match &self.kept {
            Kept::List(list) => match find(list, identifier) {
                Ok(position) => list.get(position).map_or(0, |(_, state)| *state),
                Err(_) => 0,
            },
            Kept::Table(table) => {
                let (at, shift) = place(identifier);
                table.get(at).map_or(0, |byte| byte >> shift & 0xF)
            }
        }
    }

    #[inline]
    pub(super) fn set(&mut self, identifier: PacketIdentifier, state: u8) {
        debug_assert!(state <= 0xF, "four bits");
        let list = match &mut self.kept {
            Kept::List(list) => list,
            Kept::Table(table) => {
                let before = exchange(table, identifier, state);
                self.in_use -= u16::from(before != 0);
                self.in_use += u16::from(state != 0);
                return;
            }
        };
        match find(list, identifier) {
            Ok(position) if state == 0 => remove(list, position),
            Ok(position) => {
                if let Some(entry) = list.get_mut(position) {
                    entry.1 = state;
                }
            }
            Err(_) if state == 0 => {}
            Err(_) if list.len() == LIST_TO => {
                self.kept = Kept::Table(table_of(list));
                return self.set(identifier, state);
            }
            Err(position) => insert(list, position, (identifier, state)),
        }
        self.in_use = list.len() as u16;
    }

    /// Changes every state that is not 0.
    pub(super) fn change_all(&mut self, change: impl Fn(u8) -> u8) {
        let mut in_use = 0;
        let mut change = |state| {
            let state = if state == 0 { 0 } else { change(state) };
            in_use += u16::from(state != 0);
            state
        };
        match &mut self.kept {
            Kept::List(list) => list.retain_mut(|(_, state)| {
                *state = change(*state);
                *state != 0
            }),
            Kept::Table(table) => {
                for byte in table.iter_mut().filter(|byte| **byte != 0) {
                    let [low, high] = halves(*byte).map(&mut change);
                    *byte = high << 4 | low;
                }
            }
        }
        self.in_use = in_use;
    }

    /// The identifiers whose state is not 0, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> + '_ {
        let (list, table) = match &self.kept {
            Kept::List(list) => (Some(list), None),
            Kept::Table(table) => (None, Some(table)),
        };
        let listed = list.into_iter().flat_map(ascending);
        listed.chain(table.into_iter().flat_map(|table| in_table(table)))
    }

    /// Gives back memory that is not in use.
    pub(super) fn shrink(&mut self) {
        match &mut self.kept {
            Kept::List(list) => list.shrink_to_fit(),
            Kept::Table(table) if self.in_use < TABLE_FROM => {
                let mut list = VecDeque::with_capacity(usize::from(self.in_use));
                list.extend(in_table(table));
                self.kept = Kept::List(list);
            }
            Kept::Table(_) => {}
        }
    }
}

/// Where it is in a list, or would be.
#[inline]
fn find(list: &VecDeque<Entry>, identifier: PacketIdentifier) -> Result<usize, usize> {
    let (Some((front, _)), Some((back, _))) = (list.front(), list.back()) else {
        return Err(0);
    };
    let wanted = distance(*front, identifier);
    if wanted == 0 {
        return Ok(0);
    }
    if wanted > distance(*front, *back) {
        return Err(list.len());
    }
    search(list, *front, wanted)
}

#[cold]
fn search(list: &VecDeque<Entry>, front: PacketIdentifier, wanted: u16) -> Result<usize, usize> {
    list.binary_search_by_key(&wanted, |(listed, _)| distance(front, *listed))
}

/// How far it is from one identifier up to another, from the greatest on to the least.
#[inline]
const fn distance(from: PacketIdentifier, to: PacketIdentifier) -> u16 {
    to.get().wrapping_sub(from.get())
}

/// The entries of a list from the least identifier on.
fn ascending(list: &VecDeque<Entry>) -> impl Iterator<Item = Entry> + '_ {
    let least = match list.front() {
        Some((front, _)) => list.partition_point(|(listed, _)| listed >= front),
        None => 0,
    };
    list.range(least..).chain(list.range(..least)).copied()
}

#[inline]
fn insert(list: &mut VecDeque<Entry>, position: usize, entry: Entry) {
    if position == list.len() {
        list.push_back(entry);
    } else {
        list.insert(position, entry);
    }
}

#[inline]
fn remove(list: &mut VecDeque<Entry>, position: usize) {
    if position == 0 {
        list.pop_front();
    } else {
        list.remove(position);
    }
}

#[cold]
fn table_of(list: &VecDeque<Entry>) -> Box<[u8]> {
    let mut table = vec![0; TABLE].into_boxed_slice();
    for (identifier, state) in list {
        exchange(&mut table, *identifier, *state);
    }
    table
}

/// Puts a state into a table, and gives the one that was there.
#[inline]
fn exchange(table: &mut [u8], identifier: PacketIdentifier, state: u8) -> u8 {
    let (at, shift) = place(identifier);
    let Some(byte) = table.get_mut(at) else {
        return 0;
    };
    let before = *byte >> shift & 0xF;
    *byte ^= (before ^ state) << shift;
    before
}

fn in_table(table: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    let bytes = (0..=u16::MAX).step_by(2).zip(table);
    let in_use = bytes.filter(|(_, byte)| **byte != 0);
    in_use
        .flat_map(|(number, byte)| [number, number + 1].into_iter().zip(halves(*byte)))
        .filter_map(|(number, state)| {
            let identifier = PacketIdentifier::new(number)?;
            (state != 0).then_some((identifier, state))
        })
}

/// The byte of a table, and where in it.
#[inline]
const fn place(identifier: PacketIdentifier) -> (usize, u16) {
    let number = identifier.get();
    (number as usize / 2, 4 * (number & 1))
}

/// The states of an even identifier and of the next one.
#[inline]
const fn halves(byte: u8) -> [u8; 2] {
    [byte & 0xF, byte >> 4]
}

// How they are kept does not matter.

impl PartialEq for Identifiers {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Identifiers {}

impl Hash for Identifiers {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for entry in self.iter() {
            entry.hash(hasher);
        }
    }
}

impl fmt::Debug for Identifiers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
