//! From a message to a member.

use super::message::{DropReason, GroupMessage, Handed, Routed};
use super::ready::Choice;
use super::{GroupNumber, Groups, Subscriber};
use crate::Instant;

impl<V: Clone, M> Groups<V, M> {
    /// Gives a message to one member of a group, by the group's policy. If no member can take it,
    /// it waits in the group's queue; with QoS 0, only if a member is connected.
    ///
    /// `able` returns how many messages a member has in flight, or `None` if it cannot take another
    /// one now: because its Receive Maximum is used up, its limits are reached, or its Network
    /// Connection takes no more bytes. It is asked about members that are connected, as far as the
    /// groups know. A member that cannot is not asked again until the owner calls
    /// [`next_for`](Self::next_for) for it.
    pub fn route(
        &mut self,
        now: Instant,
        group: GroupNumber,
        message: GroupMessage<M>,
        able: impl FnMut(Subscriber) -> Option<u32>,
    ) -> Routed<V, M> {
        let position = self.next_position;
        self.next_position += 1;
        self.route_at(now, group.0, position, message, false, able)
    }

    /// Gives a message to one member, or puts it into the queue where it belongs.
    pub(super) fn route_at(
        &mut self,
        now: Instant,
        group: u32,
        position: u64,
        message: GroupMessage<M>,
        is_given_back: bool,
        mut able: impl FnMut(Subscriber) -> Option<u32>,
    ) -> Routed<V, M> {
        let state = self.groups.get(group as usize);
        let Some(state) = state.filter(|it| it.members > 0) else {
            return self.dropped(message, DropReason::GroupEnded);
        };
        if message.expires_at <= now {
            return self.dropped(message, DropReason::Expired);
        }
        // While messages wait nobody is ready.
        if state.queue.len() == 0 {
            if let Some(slot) = self.choose(group, &mut able) {
                if let Some((member, value)) = self.member_of(slot) {
                    self.statistics.handed += 1;
                    return Routed::Handed(Handed {
                        member,
                        value,
                        group: GroupNumber(group),
                        position,
                        message,
                        was_queued: false,
                    });
                }
            }
        }
        let present = self.groups.get(group as usize).map_or(0, |it| it.present);
        if present == 0 && message.qos == mqtt5_codec::Qos::AtMostOnce {
            return self.dropped(message, DropReason::MembersAway);
        }
        // What is given back was there before, as a delivery.
        if !is_given_back && !self.make_room(group, message.size) {
            return self.dropped(message, DropReason::QueueFull);
        }
        if let Some(group_state) = self.groups.get_mut(group as usize) {
            let queue = &mut group_state.queue;
            (self.waiting).insert(queue, group, position, message, is_given_back);
            self.statistics.queued += 1;
        }
        Routed::Queued(position)
    }

    /// Returns the next message that waits for a member, of its groups in turn; `None` if nothing
    /// waits for it. Then its groups count on it again.
    ///
    /// Call it whenever the subscriber can take a message and could not before, or was not there:
    /// after [`join`](Groups::join) and [`connected`](Groups::connected), and when its Receive
    /// Maximum or its Network Connection has room again. Repeat it until it returns `None`, or until
    /// the subscriber can take no more.
    ///
    /// Takes constant time for each message, as a mean: a group is looked at without a result only
    /// once after it has found this member unable. A message that has expired is not returned, but
    /// [`next_dropped`](Groups::next_dropped) returns it.
    pub fn next_for(&mut self, now: Instant, subscriber: Subscriber) -> Option<Handed<V, M>> {
        let member = self.find_member(subscriber)?;
        let (slot, first) = self.first_for(now, member)?;
        let group = self.memberships.get(slot as usize)?.group;
        let state = self.groups.get_mut(group as usize)?;
        let entry = self.waiting.take(&mut state.queue, first)?;
        let state = self.members.get_mut(member as usize)?;
        state.waiting.begin_after(&self.memberships, slot);
        self.statistics.handed_from_queue += 1;
        Some(Handed {
            member: subscriber,
            value: self.memberships.get(slot as usize)?.value.clone(),
            group: GroupNumber(group),
            position: entry.position,
            message: entry.message,
            was_queued: true,
        })
    }

    /// Returns the size of the message that [`next_for`](Groups::next_for) would return, for an
    /// owner whose Sessions have limits of bytes.
    pub fn next_size_for(&mut self, now: Instant, subscriber: Subscriber) -> Option<usize> {
        let member = self.find_member(subscriber)?;
        let (_, first) = self.first_for(now, member)?;
        Some(self.waiting.entries.get(first as usize)?.message.size)
    }

    /// The membership whose turn it is, and the message that waits for it.
    fn first_for(&mut self, now: Instant, member: u32) -> Option<(u32, u32)> {
        loop {
            let waiting = self.members.get(member as usize)?.waiting;
            let slot = waiting.first()?;
            let group = self.memberships.get(slot as usize)?.group;
            let state = self.groups.get_mut(group as usize)?;
            let Some(first) = state.queue.first(&self.waiting.entries) else {
                self.resume(slot);
                continue;
            };
            let expires_at = self.waiting.entries.get(first as usize)?.message.expires_at;
            if expires_at <= now {
                self.waiting.drop_entry(state, first, DropReason::Expired);
                continue;
            }
            return Some((slot, first));
        }
    }

    /// Chooses a membership whose member can take a message, and sets aside those that cannot.
    fn choose(
        &mut self,
        group: u32,
        able: &mut impl FnMut(Subscriber) -> Option<u32>,
    ) -> Option<u32> {
        loop {
            let Groups {
                groups,
                memberships,
                members,
                generator,
                ..
            } = self;
            let state = groups.get_mut(group as usize)?;
            let memberships = &*memberships;
            let choice = (state.ready).choose(state.policy, generator, memberships, |slot| {
                let membership = memberships.get(slot as usize)?;
                able(members.get(membership.member as usize)?.subscriber)
            });
            match choice {
                Choice::Chosen(slot) => return Some(slot),
                Choice::Unable(slot) => self.suspend(slot),
                Choice::Nobody => return None,
            }
        }
    }

    fn member_of(&self, slot: u32) -> Option<(Subscriber, V)> {
        let membership = self.memberships.get(slot as usize)?;
        let member = self.members.get(membership.member as usize)?;
        Some((member.subscriber, membership.value.clone()))
    }

    fn dropped(&mut self, message: GroupMessage<M>, reason: DropReason) -> Routed<V, M> {
        self.statistics.dropped(reason);
        Routed::Dropped(message, reason)
    }
}
