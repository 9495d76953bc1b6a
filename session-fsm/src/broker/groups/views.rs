//! What the groups show: one group, its members, the memberships of a subscriber, counts.

use core::fmt;

use super::deliveries::Delivery;
use super::members::{Member, Membership};
use super::queue::Entry;
use super::state::Group;
use super::{GroupNumber, GroupStatistics, Groups, GroupsConfig, Policy, Subscriber};
use crate::codec::TopicFilter;

/// A group that has members.
pub struct GroupView<'g, V, M> {
    groups: &'g Groups<V, M>,
    number: u32,
    state: &'g Group,
}

impl<'g, V, M> GroupView<'g, V, M> {
    /// Returns its number.
    #[must_use]
    pub const fn number(&self) -> GroupNumber {
        GroupNumber(self.number)
    }

    /// Returns its whole filter, `$share/{ShareName}/{filter}`.
    #[must_use]
    pub fn filter(&self) -> &'g str {
        &self.state.filter
    }

    /// Returns its policy.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.state.policy
    }

    /// Returns the position at which it was made: its messages have higher ones, and those of an
    /// earlier group with the same filter have lower ones.
    #[must_use]
    pub const fn born(&self) -> u64 {
        self.state.born
    }

    /// Returns how many members it has: at least 1.
    #[must_use]
    pub const fn members(&self) -> u32 {
        self.state.members
    }

    /// Returns how many of its members are connected.
    #[must_use]
    pub const fn connected(&self) -> u32 {
        self.state.present
    }

    /// Returns how many messages wait in its queue.
    #[must_use]
    pub const fn waiting(&self) -> u32 {
        self.state.queue.len()
    }

    /// Returns how many bytes wait in its queue: the sum of the sizes.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.state.queue.bytes
    }

    /// Returns how many of its messages were sent and have not been settled.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.state.deliveries
    }

    /// Returns the value of a member; `None` if the subscriber is none.
    #[must_use]
    pub fn value(&self, subscriber: Subscriber) -> Option<&'g V> {
        let slot = self.groups.find(self.number, subscriber)?;
        Some(&self.groups.memberships.get(slot as usize)?.value)
    }
}

impl<V, M> fmt::Debug for GroupView<'_, V, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        (formatter.debug_struct("GroupView"))
            .field("filter", &self.filter())
            .field("policy", &self.policy())
            .field("members", &self.members())
            .field("connected", &self.connected())
            .field("waiting", &self.waiting())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl<V, M> Groups<V, M> {
    /// Returns the group with a number; `None` if it has ended.
    #[must_use]
    pub fn group(&self, group: GroupNumber) -> Option<GroupView<'_, V, M>> {
        let state = self.groups.get(group.0 as usize)?;
        (state.members > 0).then_some(GroupView {
            groups: self,
            number: group.0,
            state,
        })
    }

    /// Returns the group of a filter; `None` if nobody has subscribed to it.
    #[must_use]
    pub fn find_filter(&self, filter: TopicFilter<'_>) -> Option<GroupView<'_, V, M>> {
        self.group(GroupNumber(self.find_group(&filter)?))
    }

    /// Returns all groups, by their numbers.
    pub fn iter(&self) -> impl Iterator<Item = GroupView<'_, V, M>> {
        let numbers = self.groups.iter().map(|(number, _)| number as u32);
        numbers.filter_map(|number| self.group(GroupNumber(number)))
    }

    /// Returns the groups of a subscriber, with its value in each.
    pub fn of_subscriber(
        &self,
        subscriber: Subscriber,
    ) -> impl Iterator<Item = (GroupView<'_, V, M>, &V)> {
        let member = self.find_member(subscriber);
        let member = member.and_then(|it| self.members.get(it as usize));
        let own = member
            .into_iter()
            .flat_map(|it| it.own.iter(&self.memberships));
        own.filter_map(|slot| {
            let membership = self.memberships.get(slot as usize)?;
            Some((
                self.group(GroupNumber(membership.group))?,
                &membership.value,
            ))
        })
    }

    /// Returns the number of groups, those included that have ended and whose messages have not all
    /// been returned or settled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are no groups: then there is nothing else, either.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the number of memberships in all groups.
    #[must_use]
    pub fn memberships(&self) -> usize {
        self.memberships.len()
    }

    /// Returns how many messages wait in all groups, or were dropped and have not been returned.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.entries.len()
    }

    /// Returns the bytes of these messages: the sum of the sizes.
    #[must_use]
    pub const fn waiting_bytes(&self) -> usize {
        self.waiting.bytes
    }

    /// Returns how many messages were sent and have not been settled.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.deliveries.len()
    }

    /// Returns what was counted.
    #[must_use]
    pub const fn statistics(&self) -> &GroupStatistics {
        &self.statistics
    }

    /// Returns the configuration.
    #[must_use]
    pub const fn config(&self) -> &GroupsConfig {
        &self.config
    }

    /// Returns the bytes that are allocated, without the nodes of trees and what messages and values
    /// allocate themselves.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let ready: usize = (self.groups.iter())
            .map(|(_, group)| group.ready.allocated())
            .sum();
        let tables = [
            &self.by_filter,
            &self.by_pair,
            &self.by_subscriber,
            &self.by_token,
        ];
        self.groups.capacity() * size_of::<Group>()
            + self.memberships.capacity() * size_of::<Membership<V>>()
            + self.members.capacity() * size_of::<Member>()
            + self.waiting.entries.capacity() * size_of::<Entry<M>>()
            + self.deliveries.capacity() * size_of::<Delivery<M>>()
            + (tables.iter().map(|table| table.allocation_size())).sum::<usize>()
            + self.filter_bytes
            + ready
    }

    /// Gives memory back that is not in use, as far as nothing has to move for it: an arena gets as
    /// short as its last used place allows.
    ///
    /// Takes time in the size of everything.
    pub fn shrink(&mut self) {
        for (_, group) in &mut self.groups {
            group.ready.shrink();
        }
        self.groups.shrink_to_fit();
        self.memberships.shrink_to_fit();
        self.members.shrink_to_fit();
        self.waiting.entries.shrink_to_fit();
        self.deliveries.shrink_to_fit();
        self.shrink_tables();
    }
}
