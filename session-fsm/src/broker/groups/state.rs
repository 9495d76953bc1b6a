//! The state of one group, and how groups, members and memberships are made, found and released.

use alloc::boxed::Box;
use alloc::vec::Vec;

use slab::Slab;

use super::hashing::Hashing;
use super::members::{Member, Membership, hash_of_subscriber};
use super::message::DropReason;
use super::queue::Queue;
use super::ready::Ready;
use super::{GroupNumber, Groups, JoinError, Joined, Left, Policy, Subscriber, steps};

/// A group. Without members it has ended, and stays until nothing belongs to it any more.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) filter: Box<str>,
    pub(super) policy: Policy,
    /// Messages of this group have higher positions.
    pub(super) born: u64,
    pub(super) members: u32,
    /// Members that are not away.
    pub(super) present: u32,
    /// Empty while messages wait.
    pub(super) ready: Ready,
    pub(super) queue: Queue,
    /// Messages that were dropped and have not been returned.
    pub(super) dropped: u32,
    /// Messages that were sent and have not been settled.
    pub(super) deliveries: u32,
}

impl Group {
    pub(super) fn set_policy<V>(&mut self, policy: Policy, memberships: &mut Slab<Membership<V>>) {
        self.policy = policy;
        let order: Vec<u32> = self.ready.iter(memberships).collect();
        self.ready = Ready::new(policy);
        for slot in order {
            self.ready.push(memberships, slot);
        }
    }

    pub(super) fn hash(&self, hashing: &Hashing) -> u64 {
        hashing.text(&self.filter)
    }

    const fn is_over(&self) -> bool {
        self.members == 0 && self.queue.len() == 0 && self.dropped == 0 && self.deliveries == 0
    }
}

impl<V> Joined<V> {
    pub(super) const fn new(group: u32, created: bool, replaced: Option<V>) -> Self {
        Joined {
            group: GroupNumber(group),
            created,
            replaced,
        }
    }
}

impl<V> Left<V> {
    pub(super) const fn new(group: u32, value: V, ended: bool) -> Self {
        Left {
            group: GroupNumber(group),
            value,
            ended,
        }
    }
}

impl<V, M> Groups<V, M> {
    pub(super) fn find_group(&self, filter: &str) -> Option<u32> {
        let is_it = |slot: &u32| {
            steps::count();
            (self.groups.get(*slot as usize)).is_some_and(|group| *group.filter == *filter)
        };
        self.by_filter
            .find(self.hashing.text(filter), is_it)
            .copied()
    }

    pub(super) fn find_member(&self, subscriber: Subscriber) -> Option<u32> {
        let is_it = |slot: &u32| {
            steps::count();
            (self.members.get(*slot as usize)).is_some_and(|it| it.subscriber == subscriber)
        };
        let hash = hash_of_subscriber(&self.hashing, subscriber);
        self.by_subscriber.find(hash, is_it).copied()
    }

    /// The membership of a subscriber in a group.
    pub(super) fn find(&self, group: u32, subscriber: Subscriber) -> Option<u32> {
        let member = self.find_member(subscriber)?;
        let is_it = |slot: &u32| {
            steps::count();
            let membership = self.memberships.get(*slot as usize);
            membership.is_some_and(|it| it.group == group && it.member == member)
        };
        let hash = self.hashing.pair(group.into(), member.into());
        self.by_pair.find(hash, is_it).copied()
    }

    /// Whether there is room for one more membership, in this group or a new one.
    pub(super) fn check_limits(&self, bytes: usize, group: Option<u32>) -> Result<(), JoinError> {
        let config = &self.config;
        let group = group.and_then(|group| self.groups.get(group as usize));
        match group {
            None if self.groups.len() >= config.groups as usize => Err(JoinError::Groups),
            None if self.filter_bytes.saturating_add(bytes) > config.filter_bytes => {
                Err(JoinError::FilterBytes)
            }
            None if config.members == 0 => Err(JoinError::Members),
            Some(group) if group.members >= config.members => Err(JoinError::Members),
            _ if self.memberships.len() >= config.memberships as usize => {
                Err(JoinError::Memberships)
            }
            _ => Ok(()),
        }
    }

    /// Makes a group, which has no members yet.
    pub(super) fn add_group(&mut self, filter: &str, restored: Option<(u64, Policy)>) -> u32 {
        let (born, policy) = restored.unwrap_or((self.next_position, self.config.policy));
        self.next_position = self.next_position.max(born + 1);
        let group = Group {
            filter: filter.into(),
            policy,
            born,
            members: 0,
            present: 0,
            ready: Ready::new(policy),
            queue: Queue::NEW,
            dropped: 0,
            deliveries: 0,
        };
        self.filter_bytes += filter.len();
        let slot = self.groups.insert(group) as u32;
        let hashing = &self.hashing;
        let hash_of = hash_at(&self.groups, |it| it.hash(hashing));
        let hash = hash_of(&slot);
        self.by_filter.insert_unique(hash, slot, hash_of);
        slot
    }

    /// The slot of a subscriber, which is made if it has none.
    pub(super) fn member_slot(&mut self, subscriber: Subscriber) -> u32 {
        if let Some(known) = self.find_member(subscriber) {
            return known;
        }
        let slot = self.members.insert(Member::new(subscriber)) as u32;
        let hashing = &self.hashing;
        let hash_of = hash_at(&self.members, |it| it.hash(hashing));
        let hash = hash_of(&slot);
        self.by_subscriber.insert_unique(hash, slot, hash_of);
        slot
    }

    /// Makes a membership that is in no place yet.
    pub(super) fn add_membership(&mut self, group: u32, member: u32, value: V) -> u32 {
        let membership = Membership::new(group, member, value);
        let slot = self.memberships.insert(membership) as u32;
        if let Some(group) = self.groups.get_mut(group as usize) {
            group.members += 1;
        }
        if let Some(member) = self.members.get_mut(member as usize) {
            member.own.push_back(&mut self.memberships, slot);
        }
        let hashing = &self.hashing;
        let hash_of = hash_at(&self.memberships, |it| it.hash(hashing));
        let hash = hash_of(&slot);
        self.by_pair.insert_unique(hash, slot, hash_of);
        slot
    }

    /// A group has no member left: it is deleted, with its messages (section 4.8.2).
    pub(super) fn end_group(&mut self, group: u32) {
        let Some(state) = self.groups.get_mut(group as usize) else {
            return;
        };
        let hash = state.hash(&self.hashing);
        if let Ok(entry) = self.by_filter.find_entry(hash, |it| *it == group) {
            entry.remove();
        }
        (self.waiting).drop_queue(state, false, DropReason::GroupEnded);
        self.release_group(group);
    }

    /// Frees the slot of a group if nothing belongs to it.
    pub(super) fn release_group(&mut self, group: u32) {
        if (self.groups.get(group as usize)).is_some_and(Group::is_over) {
            let removed = self.groups.try_remove(group as usize);
            self.filter_bytes -= removed.map_or(0, |it| it.filter.len());
        }
    }

    /// Frees the slot of a member if nothing belongs to it.
    pub(super) fn release_member(&mut self, slot: u32) {
        let Some(member) = self.members.get(slot as usize) else {
            return;
        };
        if !member.own.is_empty() || !member.deliveries.is_empty() {
            return;
        }
        let hash = member.hash(&self.hashing);
        if let Ok(entry) = self.by_subscriber.find_entry(hash, |it| *it == slot) {
            entry.remove();
        }
        self.members.try_remove(slot as usize);
    }

    pub(super) fn shrink_tables(&mut self) {
        let hashing = &self.hashing;
        (self.by_filter).shrink_to_fit(hash_at(&self.groups, |it| it.hash(hashing)));
        (self.by_subscriber).shrink_to_fit(hash_at(&self.members, |it| it.hash(hashing)));
        (self.by_pair).shrink_to_fit(hash_at(&self.memberships, |it| it.hash(hashing)));
        (self.by_token).shrink_to_fit(hash_at(&self.deliveries, |it| it.hash(hashing)));
    }
}

/// The hash of what is in a slot, for a table that grows.
pub(super) fn hash_at<T>(slots: &Slab<T>, hash: impl Fn(&T) -> u64) -> impl Fn(&u32) -> u64 {
    move |slot| slots.get(*slot as usize).map_or(0, &hash)
}
