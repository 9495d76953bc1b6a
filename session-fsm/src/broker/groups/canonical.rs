//! Equality of future behaviour.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::message::{DropReason, GroupMessage};
use super::{Groups, GroupsConfig, Policy, Subscriber};

/// What decides how groups behave from now on, and nothing else: two are equal if the groups behave
/// alike. From [`Groups::canonical`].
///
/// Positions and tokens count only by their order, numbers of groups not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Canonical<'g, V, N, B> {
    config: GroupsConfig,
    random: u64,
    /// By their filters.
    groups: Vec<Shared<'g, V, N, B>>,
    /// By their names.
    members: Vec<Receiver<'g, N, B>>,
    /// By their positions.
    dropped: Vec<(&'g str, Numbered<B>, DropReason)>,
}

/// The rank of a message among all, and the message.
type Numbered<B> = (usize, GroupMessage<B>);

/// A group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Shared<'g, V, N, B> {
    filter: &'g str,
    policy: Policy,
    /// In turn.
    ready: Vec<N>,
    /// By their names.
    members: Vec<(N, &'g V)>,
    waiting: Vec<Numbered<B>>,
}

/// A subscriber.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Receiver<'g, N, B> {
    name: N,
    present: bool,
    /// The groups that wait for it, in turn.
    waiting: Vec<&'g str>,
    /// By their tokens.
    sent: Vec<(&'g str, Numbered<B>)>,
}

impl<V, M> Groups<V, M> {
    /// Returns what decides how these groups behave from now on. `member` and `message` say what
    /// stands for a subscriber, and for a message: an owner whose numbers differ among equal values
    /// passes what they stand for.
    ///
    /// `==` and `Hash` of groups are those of this, with the subscribers' numbers and the messages
    /// themselves. Statistics are no part of it, nor are messages that were sent by a group that has
    /// ended, because nothing comes of them.
    ///
    /// Takes n log n for n members, memberships and messages, and as much memory.
    pub fn canonical<'g, N: Ord, B>(
        &'g self,
        member: impl Fn(Subscriber) -> N,
        message: impl Fn(&'g M) -> B,
    ) -> Canonical<'g, V, N, B> {
        let ranks = self.ranks();
        let numbered = |position: u64, it: &'g GroupMessage<M>| -> Numbered<B> {
            let rank = ranks.binary_search(&position).unwrap_or_else(|rank| rank);
            let GroupMessage {
                size,
                qos,
                expires_at,
                ..
            } = *it;
            let message = message(&it.message);
            (
                rank,
                GroupMessage {
                    message,
                    size,
                    qos,
                    expires_at,
                },
            )
        };
        let filter = |group: u32| self.groups.get(group as usize).map_or("", |it| &*it.filter);
        let group_of = |slot: u32| self.memberships.get(slot as usize).map(|it| it.group);
        let name = |slot: u32| {
            let member_of = self.memberships.get(slot as usize)?.member;
            Some(member(self.members.get(member_of as usize)?.subscriber))
        };
        let mut groups = BTreeMap::new();
        for (slot, group) in self.groups.iter().filter(|(_, group)| group.members > 0) {
            let ready = group.ready.iter(&self.memberships);
            let waiting = group.queue.slots(&self.waiting.entries);
            let waiting = waiting.filter_map(|slot| self.waiting.entries.get(slot as usize));
            let mut waiting: Vec<_> = (waiting)
                .map(|entry| numbered(entry.position, &entry.message))
                .collect();
            waiting.sort_by_key(|(rank, _)| *rank);
            groups.insert(
                slot as u32,
                Shared {
                    filter: &group.filter,
                    policy: group.policy,
                    ready: ready.filter_map(name).collect(),
                    members: Vec::new(),
                    waiting,
                },
            );
        }
        for (slot, membership) in &self.memberships {
            if let (Some(group), Some(name)) =
                (groups.get_mut(&membership.group), name(slot as u32))
            {
                group.members.push((name, &membership.value));
            }
        }
        let mut groups: Vec<_> = groups.into_values().collect();
        groups.sort_by_key(|group| group.filter);
        for group in &mut groups {
            group.members.sort_by(|one, other| one.0.cmp(&other.0));
        }
        let mut members = Vec::new();
        for (_, state) in &self.members {
            let sent = state.deliveries.iter(&self.deliveries);
            let sent = sent.filter_map(|slot| self.deliveries.get(slot as usize));
            let lives = |group: u32| {
                self.groups
                    .get(group as usize)
                    .is_some_and(|it| it.members > 0)
            };
            let mut sent: Vec<_> = sent.filter(|it| lives(it.group)).collect();
            if state.own.is_empty() && sent.is_empty() {
                continue;
            }
            sent.sort_by_key(|it| it.token);
            let waiting = state.waiting.iter(&self.memberships).filter_map(group_of);
            members.push(Receiver {
                name: member(state.subscriber),
                present: state.present,
                waiting: waiting.map(filter).collect(),
                sent: (sent.into_iter())
                    .map(|it| (filter(it.group), numbered(it.position, &it.message)))
                    .collect(),
            });
        }
        members.sort_by(|one, other| one.name.cmp(&other.name));
        let dropped = self.waiting.dropped.values();
        let dropped = dropped.filter_map(|slot| self.waiting.entries.get(*slot as usize));
        let dropped = dropped.filter_map(|it| {
            Some((
                filter(it.group),
                numbered(it.position, &it.message),
                it.dropped?,
            ))
        });
        Canonical {
            config: self.config,
            random: self.generator.0,
            groups,
            members,
            dropped: dropped.collect(),
        }
    }

    /// What the owner keeps of all messages, in the order of their positions.
    #[cfg(feature = "persistence")]
    pub(in crate::broker) fn messages(&self) -> impl Iterator<Item = &M> {
        let waiting = self.waiting.entries.iter();
        let waiting = waiting.map(|(_, it)| (it.position, &it.message.message));
        let sent = self.deliveries.iter();
        let sent = sent.map(|(_, it)| (it.position, &it.message.message));
        let mut all: Vec<_> = waiting.chain(sent).collect();
        all.sort_unstable_by_key(|(position, _)| *position);
        all.into_iter().map(|(_, message)| message)
    }

    /// All positions that count, in order.
    fn ranks(&self) -> Vec<u64> {
        let waiting = self.waiting.entries.iter().map(|(_, entry)| entry.position);
        let sent = self.deliveries.iter().filter(|(_, delivery)| {
            let group = self.groups.get(delivery.group as usize);
            group.is_some_and(|group| group.members > 0)
        });
        let sent = sent.map(|(_, delivery)| delivery.position);
        let mut ranks: Vec<_> = waiting.chain(sent).collect();
        ranks.sort_unstable();
        ranks
    }
}

impl<V: PartialEq, M: PartialEq> PartialEq for Groups<V, M> {
    fn eq(&self, other: &Self) -> bool {
        self.canonical(|it| it, |it| it) == other.canonical(|it| it, |it| it)
    }
}

impl<V: Eq, M: Eq> Eq for Groups<V, M> {}

impl<V: Hash, M: Hash> Hash for Groups<V, M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical(|it| it, |it| it).hash(state);
    }
}

impl<V: fmt::Debug, M: fmt::Debug> fmt::Debug for Groups<V, M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.canonical(|it| it, |it| it), formatter)
    }
}
