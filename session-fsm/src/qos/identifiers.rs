//! A small state for each of the peer's Packet Identifiers, which may be any of the 65,535.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use mqtt5_codec::PacketIdentifier;

/// Identifiers in a page; two of them share a byte.
const PAGE: u16 = 512;
const PAGES: usize = 65_536 / PAGE as usize;

type Page = [u8; PAGE as usize / 2];

/// Four bits for each identifier, 0 at first. Constant time, no hashing. Memory is taken for pages
/// that are in use, and one page is kept in reserve, so that a peer that walks through all
/// identifiers causes no allocation.
#[derive(Clone, Default)]
pub(super) struct Identifiers {
    /// For each page its position in `pages` plus one; 0 if it has none, as all of its identifiers are
    /// at 0.
    index: Option<Box<[u8; PAGES]>>,
    pages: Vec<Used>,
    /// The position of a page whose identifiers are all at 0.
    empty: Option<u8>,
}

#[derive(Clone)]
struct Used {
    /// Which page this is.
    number: u8,
    /// How many of its identifiers are not at 0.
    count: u16,
    states: Page,
}

impl Identifiers {
    #[inline]
    pub(super) fn state(&self, identifier: PacketIdentifier) -> u8 {
        let (number, low) = place(identifier.get());
        match self.page(number) {
            Some(page) => half(page.states[usize::from(low / 2)], low),
            None => 0,
        }
    }

    #[inline]
    pub(super) fn set(&mut self, identifier: PacketIdentifier, state: u8) {
        let (number, low) = place(identifier.get());
        let position = match self.position(number) {
            Some(position) => position,
            None if state == 0 => return,
            None => self.open(number),
        };
        let Some(page) = self.pages.get_mut(position) else {
            return;
        };
        let byte = &mut page.states[usize::from(low / 2)];
        let before = half(*byte, low);
        let shift = 4 * (low & 1);
        *byte = *byte & !(0xF << shift) | (state & 0xF) << shift;
        if (before != 0) == (state != 0) {
            return;
        }
        if state != 0 {
            page.count += 1;
            if self.empty == Some(position as u8) {
                self.empty = None;
            }
        } else {
            page.count -= 1;
            if page.count == 0 {
                self.close(position);
            }
        }
    }

    /// Changes every state that is not 0.
    pub(super) fn change_all(&mut self, change: impl Fn(u8) -> u8) {
        let mut number = 0;
        while let Some((identifier, state)) = self.first_from(number) {
            self.set(identifier, change(state));
            match identifier.checked_add(1) {
                Some(following) => number = following.get(),
                None => break,
            }
        }
    }

    /// The identifiers whose state is not 0, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PacketIdentifier, u8)> + '_ {
        let mut from = Some(0);
        core::iter::from_fn(move || {
            let found = self.first_from(from?)?;
            from = found.0.get().checked_add(1);
            Some(found)
        })
    }

    fn first_from(&self, from: u16) -> Option<(PacketIdentifier, u8)> {
        self.index.as_ref()?;
        let (first_page, first_low) = place(from);
        for number in first_page..PAGES as u8 {
            let Some(page) = self.page(number) else {
                continue;
            };
            let first_low = if number == first_page { first_low } else { 0 };
            for low in first_low..PAGE {
                let state = half(page.states[usize::from(low / 2)], low);
                let identifier = PacketIdentifier::new(u16::from(number) * PAGE + low);
                if let (1.., Some(identifier)) = (state, identifier) {
                    return Some((identifier, state));
                }
            }
        }
        None
    }

    #[inline]
    fn position(&self, number: u8) -> Option<usize> {
        usize::from(self.index.as_ref()?[usize::from(number)]).checked_sub(1)
    }

    #[inline]
    fn page(&self, number: u8) -> Option<&Used> {
        self.pages.get(self.position(number)?)
    }

    /// Takes a page into use: the empty one, if there is one.
    fn open(&mut self, number: u8) -> usize {
        let index = self.index.get_or_insert_with(|| Box::new([0; PAGES]));
        let position = match self.empty.take() {
            Some(empty) => usize::from(empty),
            None => {
                self.pages.reserve_exact(1);
                self.pages.push(Used {
                    number,
                    count: 0,
                    states: [0; PAGE as usize / 2],
                });
                self.pages.len() - 1
            }
        };
        if let Some(page) = self.pages.get_mut(position) {
            index[usize::from(page.number)] = 0;
            page.number = number;
        }
        // There are no more than 128 pages.
        index[usize::from(number)] = (position + 1) as u8;
        position
    }

    /// A page has become empty. One stays, where it is, to be used again.
    fn close(&mut self, position: usize) {
        if self.empty.is_some() {
            self.drop_page(position);
        } else {
            self.empty = Some(position as u8);
        }
    }

    fn drop_page(&mut self, position: usize) {
        let Some(index) = &mut self.index else {
            return;
        };
        let dropped = self.pages.swap_remove(position);
        index[usize::from(dropped.number)] = 0;
        if let Some(moved) = self.pages.get(position) {
            index[usize::from(moved.number)] = (position + 1) as u8;
            if self.empty == Some(self.pages.len() as u8) {
                self.empty = Some(position as u8);
            }
        }
    }
}

/// Page and position in it.
#[inline]
const fn place(identifier: u16) -> (u8, u16) {
    ((identifier / PAGE) as u8, identifier % PAGE)
}

#[inline]
const fn half(byte: u8, low: u16) -> u8 {
    byte >> (4 * (low & 1)) & 0xF
}

// Where a page lies does not matter, nor does the empty one.

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
        u16::MAX.hash(hasher);
    }
}

impl fmt::Debug for Identifiers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.iter()).finish()
    }
}
