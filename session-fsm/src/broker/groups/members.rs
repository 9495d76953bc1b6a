//! Members and their memberships: who comes, who is away, who leaves.

use alloc::vec::Vec;

use slab::Slab;

use super::deliveries::SENT;
use super::hashing::Hashing;
use super::lists::{Linked, Links, Ring};
use super::message::DropReason;
use super::state::Group;
use super::{Groups, JoinError, Joined, Left, Subscriber};
use crate::codec::TopicFilter;

/// The list of a member's memberships.
pub(super) const OWN: u8 = 1;

/// The list that says whether a member can take a message: of the group if it is ready, of the
/// member if the group waits for it, none if the member is away.
pub(super) const PLACE: u8 = 2;

/// One member in one group.
#[derive(Clone, Debug)]
pub(super) struct Membership<V> {
    pub(super) group: u32,
    /// The slot of the member.
    pub(super) member: u32,
    pub(super) ready: bool,
    own: Links,
    pub(super) place: Links,
    pub(super) value: V,
}

impl<V> Membership<V> {
    pub(super) const fn new(group: u32, member: u32, value: V) -> Self {
        Membership {
            group,
            member,
            ready: false,
            own: Links {
                previous: 0,
                next: 0,
            },
            place: Links {
                previous: 0,
                next: 0,
            },
            value,
        }
    }

    pub(super) fn hash(&self, hashing: &Hashing) -> u64 {
        hashing.pair(self.group.into(), self.member.into())
    }
}

impl<V> Linked<OWN> for Membership<V> {
    fn links(&self) -> Links {
        self.own
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.own
    }
}

impl<V> Linked<PLACE> for Membership<V> {
    fn links(&self) -> Links {
        self.place
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.place
    }
}

/// A subscriber that is in a group, or has messages that came through one.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) subscriber: Subscriber,
    pub(super) own: Ring<OWN>,
    pub(super) present: bool,
    /// Those whose groups do not count on the member until it asks for a message.
    pub(super) waiting: Ring<PLACE>,
    /// In the order in which they were sent.
    pub(super) deliveries: Ring<SENT>,
    /// Whether the positions of the deliveries ascend, too.
    pub(super) ascending: bool,
}

impl Member {
    pub(super) const fn new(subscriber: Subscriber) -> Self {
        Member {
            subscriber,
            own: Ring::NEW,
            present: false,
            waiting: Ring::NEW,
            deliveries: Ring::NEW,
            ascending: true,
        }
    }

    pub(super) fn hash(&self, hashing: &Hashing) -> u64 {
        hash_of_subscriber(hashing, self.subscriber)
    }
}

pub(super) fn hash_of_subscriber(hashing: &Hashing, subscriber: Subscriber) -> u64 {
    hashing.pair(subscriber.number().into(), 0)
}

impl<V, M> Groups<V, M> {
    /// Adds a member to the group of a Shared Subscription's filter, which is made if it does not
    /// exist. If the subscriber is a member already, its value is replaced and it does not become a
    /// member twice (section 4.8.2).
    ///
    /// A subscriber that was in no group counts as connected from now on: if it is not, call
    /// [`away`](Self::away). If it can take a message, call [`next_for`](Self::next_for) next.
    ///
    /// # Errors
    ///
    /// [`JoinError`] says which limit is in the way; nothing has changed then. A replacement never
    /// fails.
    pub fn join(
        &mut self,
        filter: TopicFilter<'_>,
        subscriber: Subscriber,
        value: V,
    ) -> Result<Joined<V>, JoinError> {
        if !filter.is_shared() {
            return Err(JoinError::NotShared);
        }
        let known = self.find_group(&filter);
        if let Some((group, slot)) = known.and_then(|it| Some((it, self.find(it, subscriber)?))) {
            let membership = self.memberships.get_mut(slot as usize);
            let replaced = membership.map(|it| core::mem::replace(&mut it.value, value));
            return Ok(Joined::new(group, false, replaced));
        }
        self.check_limits(filter.len(), known)?;
        let group = match known {
            Some(group) => group,
            None => self.add_group(&filter, None),
        };
        let member = self.member_slot(subscriber);
        let is_present = (self.members.get_mut(member as usize)).is_some_and(|it| {
            it.present |= it.own.is_empty();
            it.present
        });
        let slot = self.add_membership(group, member, value);
        if is_present {
            self.arrive(slot);
        }
        Ok(Joined::new(group, known.is_none(), None))
    }

    /// Takes a member out of a group. Returns its value, and whether the group has ended because it
    /// was the last one; `None` if it is no member.
    ///
    /// If the group has ended, its messages are dropped: call
    /// [`next_dropped`](Self::next_dropped). Messages that were sent to the member go on as before.
    pub fn leave(&mut self, filter: TopicFilter<'_>, subscriber: Subscriber) -> Option<Left<V>> {
        let group = self.find_group(&filter)?;
        let slot = self.find(group, subscriber)?;
        self.remove_membership(slot)
    }

    /// Takes a subscriber out of one of its groups, as [`leave`](Self::leave) does; `None` if it is
    /// in none. So an owner can end all of its memberships, in slices if they are many. Which one
    /// is next depends on the calls before, not only on what equal groups have in common.
    pub fn leave_any(&mut self, subscriber: Subscriber) -> Option<Left<V>> {
        let member = self.find_member(subscriber)?;
        let slot = self.members.get(member as usize)?.own.first()?;
        self.remove_membership(slot)
    }

    /// The subscriber has a Network Connection again. If it can take a message, call
    /// [`next_for`](Self::next_for) next.
    ///
    /// Takes time in the number of its memberships, and does nothing if it was not away.
    pub fn connected(&mut self, subscriber: Subscriber) {
        let Some(own) = self.change_presence(subscriber, true) else {
            return;
        };
        // Groups with messages wait for it; the one with the oldest message is the first.
        let mut waiting = Vec::new();
        let mut next = own.first().unwrap_or(0);
        for _ in 0..own.len() {
            let slot = next;
            next = own.next(&self.memberships, slot);
            match self.oldest_for(slot) {
                None => self.arrive(slot),
                Some(position) => waiting.push((position, slot)),
            }
        }
        waiting.sort_unstable();
        for (_, slot) in waiting {
            self.arrive(slot);
        }
    }

    /// The subscriber has no Network Connection any more: it gets no message while it is away. If
    /// nobody is left in a group, the messages with QoS 0 in its queue are dropped: call
    /// [`next_dropped`](Self::next_dropped).
    ///
    /// Takes time in the number of its memberships, and does nothing if it was away already.
    pub fn away(&mut self, subscriber: Subscriber) {
        let Some(own) = self.change_presence(subscriber, false) else {
            return;
        };
        let mut next = own.first().unwrap_or(0);
        for _ in 0..own.len() {
            let slot = next;
            next = own.next(&self.memberships, slot);
            self.depart(slot);
        }
    }

    /// Returns the memberships of a subscriber that comes or goes; `None` if it was there, or away,
    /// already.
    fn change_presence(&mut self, subscriber: Subscriber, present: bool) -> Option<Ring<OWN>> {
        let slot = self.find_member(subscriber)?;
        let member = self.members.get_mut(slot as usize)?;
        let before = core::mem::replace(&mut member.present, present);
        (before != present).then_some(member.own)
    }

    /// The position of the message that waits for longest in the group of a membership.
    fn oldest_for(&self, slot: u32) -> Option<u64> {
        let membership = self.memberships.get(slot as usize)?;
        let queue = &self.groups.get(membership.group as usize)?.queue;
        let first = queue.first(&self.waiting.entries)?;
        Some(self.waiting.entries.get(first as usize)?.position)
    }

    /// The member of a membership is there, from now on.
    fn arrive(&mut self, slot: u32) {
        let Groups {
            groups,
            memberships,
            members,
            ..
        } = self;
        if let Some((group, member)) = parts(groups, members, memberships, slot) {
            group.present += 1;
            place(group, member, memberships, slot);
        }
    }

    /// The member of a membership is not there any more.
    fn depart(&mut self, slot: u32) {
        let Groups {
            groups,
            memberships,
            members,
            waiting,
            ..
        } = self;
        let Some((group, member)) = parts(groups, members, memberships, slot) else {
            return;
        };
        unplace(group, member, memberships, slot);
        group.present -= 1;
        // The whole queue goes with the last member.
        if group.present == 0 && group.members > 0 {
            waiting.drop_queue(group, true, DropReason::MembersAway);
        }
    }

    /// The group of a membership waits until its member asks for a message.
    pub(super) fn suspend(&mut self, slot: u32) {
        let Groups {
            groups,
            memberships,
            members,
            ..
        } = self;
        if let Some((group, member)) = parts(groups, members, memberships, slot) {
            unplace(group, member, memberships, slot);
            member.waiting.push_back(memberships, slot);
        }
    }

    /// The member of a membership is the last one in turn, or, if messages wait, the next to ask.
    pub(super) fn resume(&mut self, slot: u32) {
        let Groups {
            groups,
            memberships,
            members,
            ..
        } = self;
        if let Some((group, member)) = parts(groups, members, memberships, slot) {
            unplace(group, member, memberships, slot);
            place(group, member, memberships, slot);
        }
    }

    fn remove_membership(&mut self, slot: u32) -> Option<Left<V>> {
        let membership = self.memberships.get(slot as usize)?;
        let (group, member) = (membership.group, membership.member);
        let hash = membership.hash(&self.hashing);
        if let Ok(entry) = self.by_pair.find_entry(hash, |it| *it == slot) {
            entry.remove();
        }
        let left = self.groups.get_mut(group as usize)?;
        left.members -= 1;
        let ended = left.members == 0;
        if self.members.get(member as usize)?.present {
            self.depart(slot);
        }
        let state = self.members.get_mut(member as usize)?;
        state.own.remove(&mut self.memberships, slot);
        state.present &= !state.own.is_empty();
        let membership = self.memberships.try_remove(slot as usize)?;
        self.release_member(member);
        if ended {
            self.end_group(group);
        }
        Some(Left::new(group, membership.value, ended))
    }
}

/// The group and the member of a membership.
fn parts<'g, V>(
    groups: &'g mut Slab<Group>,
    members: &'g mut Slab<Member>,
    memberships: &Slab<Membership<V>>,
    slot: u32,
) -> Option<(&'g mut Group, &'g mut Member)> {
    let membership = memberships.get(slot as usize)?;
    let group = groups.get_mut(membership.group as usize)?;
    Some((group, members.get_mut(membership.member as usize)?))
}

/// Puts a membership where it belongs: no member is ready while messages wait.
fn place<V>(
    group: &mut Group,
    member: &mut Member,
    memberships: &mut Slab<Membership<V>>,
    slot: u32,
) {
    let ready = group.queue.len() == 0;
    match ready {
        true => group.ready.push(memberships, slot),
        false => member.waiting.push_back(memberships, slot),
    }
    if let Some(membership) = memberships.get_mut(slot as usize) {
        membership.ready = ready;
    }
}

/// Takes a membership of a member that is there out of its place.
fn unplace<V>(
    group: &mut Group,
    member: &mut Member,
    memberships: &mut Slab<Membership<V>>,
    slot: u32,
) {
    let ready = memberships.get_mut(slot as usize);
    match ready.is_some_and(|it| core::mem::take(&mut it.ready)) {
        true => group.ready.remove(memberships, slot),
        false => member.waiting.remove(memberships, slot),
    }
}
