//! The filters with wildcards, level by level: nodes in an arena, and one table of the edges between
//! them.
//!
//! The child for `+` is linked from its parent, and a filter that ends with `#` belongs to the node
//! before it, because `#` also matches the parent (section 4.7.1.2).

use hashbrown::HashTable;
use slab::Slab;

use super::hashing::{Hashing, spread};
use super::level::LevelText;
use super::matching_part::MatchingPart;
use super::slots::{Link, insert};

/// A level of one or more filters, below the levels before it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    level: LevelText,
    parent: Link,
    /// Of the edge from the parent; the child for `+` has none.
    hash: u32,
    /// The child for `+`.
    pub(super) plus: Link,
    /// The filter that ends here.
    pub(super) ends: Link,
    /// The filter that has only `#` after this level.
    pub(super) rest: Link,
    /// How many children there are, without the one for `+`.
    pub(super) children: u32,
}

impl Node {
    const fn new(parent: Link, level: LevelText, hash: u32) -> Self {
        Node {
            level,
            parent,
            hash,
            plus: Link::NONE,
            ends: Link::NONE,
            rest: Link::NONE,
            children: 0,
        }
    }

    const fn is_unused(&self) -> bool {
        self.plus.is_none() && self.ends.is_none() && self.rest.is_none() && self.children == 0
    }
}

#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Slab<Node>,
    /// Nodes, by their parents and levels; those for `+` are not in it.
    edges: HashTable<u32>,
    /// The node before the first level; there if any other is.
    pub(super) root: Link,
    /// What the texts of long levels take.
    level_bytes: usize,
}

impl Trie {
    pub(super) const fn new() -> Self {
        Trie {
            nodes: Slab::new(),
            edges: HashTable::new(),
            root: Link::NONE,
            level_bytes: 0,
        }
    }

    /// The number of nodes, without the root.
    pub(super) fn len(&self) -> usize {
        self.nodes.len().saturating_sub(1)
    }

    #[inline]
    pub(super) fn get(&self, node: Link) -> Option<&Node> {
        self.nodes.get(node.slot())
    }

    fn get_mut(&mut self, node: Link) -> Option<&mut Node> {
        self.nodes.get_mut(node.slot())
    }

    /// The child of a node for a level that is not `+`.
    #[inline]
    pub(super) fn child(&self, hashing: &Hashing, parent: Link, level: &[u8], hash: u64) -> Link {
        let hash = hashing.edge(parent.number(), hash);
        // Byte by byte, and nothing is normalized [MQTT-4.7.3-4].
        let is_it = |child: &u32| {
            self.nodes.get(*child as usize).is_some_and(|node| {
                node.hash == hash && node.parent == parent && node.level.is(level)
            })
        };
        let child = self.edges.find(spread(hash), is_it);
        child.map_or(Link::NONE, |child| Link::new(*child))
    }

    fn child_for(&self, hashing: &Hashing, parent: Link, level: &str) -> Link {
        match level {
            "+" => self.get(parent).map_or(Link::NONE, |node| node.plus),
            level => {
                let level = level.as_bytes();
                self.child(hashing, parent, level, hashing.level(level))
            }
        }
    }

    /// How many nodes a filter with wildcards would add.
    pub(super) fn missing(&self, hashing: &Hashing, filter: MatchingPart<'_>) -> usize {
        let mut missing = filter.nodes();
        let mut node = self.root;
        for level in filter.as_str().split('/').take(filter.nodes()) {
            node = self.child_for(hashing, node, level);
            if node.is_none() {
                break;
            }
            missing -= 1;
        }
        missing
    }

    /// Adds a filter with wildcards. Returns the node at which it ends.
    pub(super) fn insert(
        &mut self,
        hashing: &Hashing,
        filter: MatchingPart<'_>,
        number: u32,
    ) -> Link {
        if self.root.is_none() {
            let root = Node::new(Link::NONE, LevelText::NONE, 0);
            self.root = Link::new(insert(&mut self.nodes, root));
        }
        let mut node = self.root;
        for level in filter.as_str().split('/').take(filter.nodes()) {
            let known = self.child_for(hashing, node, level);
            node = match known.is_none() {
                true => self.add(hashing, node, level),
                false => known,
            };
        }
        self.renumber(filter, node, Link::new(number));
        node
    }

    /// The filter that ends at a node has this number now.
    pub(super) fn renumber(&mut self, filter: MatchingPart<'_>, node: Link, number: Link) {
        if let Some(last) = self.get_mut(node) {
            match filter.ends_with_multi_level_wildcard() {
                true => last.rest = number,
                false => last.ends = number,
            }
        }
    }

    /// Adds a child that a node does not have.
    fn add(&mut self, hashing: &Hashing, parent: Link, level: &str) -> Link {
        if level == "+" {
            let plus = Node::new(parent, LevelText::NONE, 0);
            let plus = Link::new(insert(&mut self.nodes, plus));
            if let Some(parent) = self.get_mut(parent) {
                parent.plus = plus;
            }
            return plus;
        }
        let level = level.as_bytes();
        let hash = hashing.edge(parent.number(), hashing.level(level));
        let child = Node::new(parent, LevelText::new(level), hash);
        self.level_bytes += child.level.allocated();
        let child = insert(&mut self.nodes, child);
        let nodes = &self.nodes;
        let hash_of = |child: &u32| nodes.get(*child as usize).map_or(0, |it| spread(it.hash));
        self.edges.insert_unique(spread(hash), child, hash_of);
        if let Some(parent) = self.get_mut(parent) {
            parent.children += 1;
        }
        Link::new(child)
    }

    /// Takes out a filter that ends at a node, and the nodes that no other filter needs.
    pub(super) fn remove(&mut self, filter: MatchingPart<'_>, node: Link) {
        self.renumber(filter, node, Link::NONE);
        let mut next = node;
        while self.get(next).is_some_and(Node::is_unused) {
            next = self.remove_node(next);
        }
    }

    /// Takes a node out. Returns its parent.
    fn remove_node(&mut self, node: Link) -> Link {
        let Some(removed) = self.nodes.try_remove(node.slot()) else {
            return Link::NONE;
        };
        self.level_bytes -= removed.level.allocated();
        match self.get_mut(removed.parent) {
            None => self.root = Link::NONE,
            Some(parent) if parent.plus == node => parent.plus = Link::NONE,
            Some(parent) => {
                parent.children -= 1;
                let is_it = |child: &u32| *child == node.number();
                if let Ok(edge) = self.edges.find_entry(spread(removed.hash), is_it) {
                    edge.remove();
                }
            }
        }
        removed.parent
    }

    /// Whether a slot is vacant before one that is not.
    pub(super) fn has_vacant_slots(&self) -> bool {
        let last = self.nodes.iter().next_back();
        last.is_some_and(|(last, _)| last >= self.nodes.len())
    }

    pub(super) fn shrink(&mut self) {
        self.nodes.shrink_to_fit();
        let nodes = &self.nodes;
        let hash_of = |child: &u32| nodes.get(*child as usize).map_or(0, |it| spread(it.hash));
        self.edges.shrink_to_fit(hash_of);
    }

    /// The bytes that it has allocated.
    pub(super) fn allocated(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.edges.allocation_size() + self.level_bytes
    }
}
