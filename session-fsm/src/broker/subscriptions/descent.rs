//! Which filters with wildcards match a Topic Name (section 4.7).

use alloc::vec::Vec;

use super::hashing::Hashing;
use super::slots::Link;
use super::trie::Trie;

/// How many nodes are visited together. What they need from memory does not depend on each other, so
/// a processor waits for all of it at once: among 1,000,000 subscriptions that halves the time.
const TOGETHER: usize = 4;

/// Memory that [`matches`](super::SubscriptionIndex::matches) works with. It is kept between calls,
/// so that they allocate nothing, and remembers nothing else: all scratches are equal.
///
/// It takes 24 bytes for each level of the deepest filter with wildcards that a Topic Name has
/// reached.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// The levels of the Topic Name that were looked at, from the first one.
    levels: Vec<Level>,
    /// Nodes still to be visited, with the number of levels before them.
    pending: Vec<(Link, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    start: u32,
    end: u32,
    hash: u64,
}

impl Scratch {
    /// Makes one without memory, which it takes when it is used.
    #[must_use]
    pub const fn new() -> Self {
        Scratch {
            levels: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Gives the memory back.
    pub fn shrink(&mut self) {
        *self = Scratch::new();
    }

    /// How many levels of the Topic Name were looked at.
    #[cfg(test)]
    pub(super) fn levels_read(&self) -> usize {
        self.levels.len()
    }

    /// The level with this many before it, if the Topic Name has so many. Levels are asked for in
    /// order, so one that no filter reaches is never split off.
    #[inline]
    fn level(&mut self, hashing: &Hashing, topic: &[u8], before: u32) -> Option<Level> {
        if let Some(level) = self.levels.get(before as usize) {
            return Some(*level);
        }
        let start = self.levels.last().map_or(0, |last| last.end as usize + 1);
        let rest = topic.get(start..)?;
        let length = rest.iter().position(|byte| *byte == b'/');
        let text = rest.get(..length.unwrap_or(rest.len()))?;
        let level = Level {
            start: start as u32,
            end: (start + text.len()) as u32,
            hash: hashing.level(text),
        };
        self.levels.push(level);
        Some(level)
    }
}

impl PartialEq for Scratch {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Scratch {}

impl core::hash::Hash for Scratch {
    fn hash<H: core::hash::Hasher>(&self, _: &mut H) {}
}

impl Trie {
    /// Finds each filter that matches. Returns how many nodes were visited.
    #[inline]
    pub(super) fn descend(
        &self,
        hashing: &Hashing,
        topic: &str,
        scratch: &mut Scratch,
        found: impl FnMut(Link),
    ) -> usize {
        match self.root.is_none() {
            true => 0,
            false => self.descend_from_root(hashing, topic, scratch, found),
        }
    }

    #[inline(never)]
    fn descend_from_root(
        &self,
        hashing: &Hashing,
        topic: &str,
        scratch: &mut Scratch,
        mut found: impl FnMut(Link),
    ) -> usize {
        scratch.levels.clear();
        scratch.pending.clear();
        scratch.pending.push((self.root, 0));
        let mut visits = 0;
        loop {
            // The last ones first, so there are never more than a few for each level.
            let mut next = [(Link::NONE, 0); TOGETHER];
            let mut taken = 0;
            for place in &mut next {
                let Some(node) = scratch.pending.pop() else {
                    break;
                };
                *place = node;
                taken += 1;
            }
            if taken == 0 {
                return visits;
            }
            for node in next.iter().take(taken) {
                self.visit(hashing, topic.as_bytes(), *node, scratch, &mut found);
            }
            visits += taken;
        }
    }

    /// Finds the filters that end at a node, and the children that are to be visited.
    #[inline]
    fn visit(
        &self,
        hashing: &Hashing,
        topic: &[u8],
        (link, before): (Link, u32),
        scratch: &mut Scratch,
        found: &mut impl FnMut(Link),
    ) {
        let Some(node) = self.get(link) else {
            return;
        };
        // A wildcard at the start does not match a name that begins with `$` [MQTT-4.7.2-1].
        let wildcards_match = before > 0 || topic.first() != Some(&b'$') || fault!("MQTT-4.7.2-1");
        let matches_parent =
            !fault!("`#` without its parent") || scratch.level(hashing, topic, before).is_some();
        if wildcards_match && !node.rest.is_none() && matches_parent {
            found(node.rest);
        }
        let Some(level) = scratch.level(hashing, topic, before) else {
            if !node.ends.is_none() {
                found(node.ends);
            }
            return;
        };
        if wildcards_match && !node.plus.is_none() {
            scratch.pending.push((node.plus, before + 1));
        }
        if node.children > 0 {
            let text = topic.get(level.start as usize..level.end as usize);
            let child = self.child(hashing, link, text.unwrap_or_default(), level.hash);
            if !child.is_none() {
                scratch.pending.push((child, before + 1));
            }
        }
    }
}
