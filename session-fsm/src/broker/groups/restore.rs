//! What has to be stored, and groups that are made from it.

use alloc::vec::Vec;

use mqtt5_codec::Qos;

use super::deliveries::Delivery;
use super::message::{DropReason, GroupMessage};
use super::policy::Generator;
use super::queue::Entry;
use super::{Groups, GroupsConfig, Policy, Subscriber};
use crate::Token;

/// A part of what has to be stored.
///
/// An owner that stores changes writes a part when a call makes it, and removes it when a call ends
/// it:
///
/// | part | made by | ended by |
/// | --- | --- | --- |
/// | `Group` | [`join`](Groups::join): `created`; [`set_policy`](Groups::set_policy) | [`leave`](Groups::leave): `ended` |
/// | `Member` | [`join`](Groups::join) | [`leave`](Groups::leave) |
/// | `Waiting`, not with QoS 0 | [`Queued`](super::Routed::Queued) | [`Handed`](super::Handed) with `was_queued`, [`Dropped`](super::Dropped) |
/// | `Sent` | [`delivered`](Groups::delivered) | [`settle`](Groups::settle), [`give_back`](Groups::give_back) |
/// | `Numbers` | any message | nothing |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part<'p, V, M> {
    /// A group.
    Group {
        /// Its whole filter.
        filter: &'p str,
        /// The position at which it was made: [`GroupView::born`](super::GroupView::born).
        born: u64,
        /// Its policy.
        policy: Policy,
    },
    /// A member of a group.
    Member {
        /// The group's filter.
        filter: &'p str,
        /// The member.
        member: Subscriber,
        /// The member's value.
        value: V,
    },
    /// A message that waits in a group's queue.
    Waiting {
        /// The group's filter.
        filter: &'p str,
        /// Its position.
        position: u64,
        /// The message.
        message: GroupMessage<M>,
    },
    /// A message that was sent and has not been settled.
    Sent {
        /// The group's filter.
        filter: &'p str,
        /// The subscriber that it was sent to, a member then.
        member: Subscriber,
        /// Its token in the subscriber's Session.
        token: Token,
        /// Its position.
        position: u64,
        /// The message.
        message: GroupMessage<M>,
    },
    /// The numbers that go on. They are only needed if the restored groups have to return the same
    /// positions and random choices as the original ones.
    Numbers {
        /// The position of the next message.
        next_position: u64,
        /// The state of the random numbers of [`Policy::Random`].
        random: u64,
    },
}

impl<V, M> Part<'_, V, M> {
    /// The order in which parts are restored.
    const fn order(&self) -> (u8, u64) {
        match self {
            Part::Numbers { .. } => (0, 0),
            Part::Group { .. } => (1, 0),
            Part::Member { .. } => (2, 0),
            Part::Waiting { position, .. } => (3, *position),
            Part::Sent { position, .. } => (4, *position),
        }
    }
}

impl<V, M> Groups<V, M> {
    /// Returns all that has to be stored. Messages with QoS 0 need not be, and messages that were
    /// dropped must have been returned by [`next_dropped`](Self::next_dropped) before.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_, &V, &M>> {
        let groups = self.iter().map(|group| Part::Group {
            filter: group.filter(),
            born: group.born(),
            policy: group.policy(),
        });
        let members = self.memberships.iter().filter_map(|(_, membership)| {
            Some(Part::Member {
                filter: self.filter(membership.group)?,
                member: self.members.get(membership.member as usize)?.subscriber,
                value: &membership.value,
            })
        });
        let waiting = self.waiting.entries.iter();
        let waiting = waiting.filter_map(|(_, entry)| self.waiting_part(entry));
        let sent = self.deliveries.iter();
        let sent = sent.filter_map(|(_, delivery)| self.sent_part(delivery));
        let numbers = core::iter::once(Part::Numbers {
            next_position: self.next_position,
            random: self.generator.0,
        });
        numbers
            .chain(groups)
            .chain(members)
            .chain(waiting)
            .chain(sent)
    }

    /// The message that waits in a slot, and how many slots there are.
    #[cfg(feature = "persistence")]
    pub(in crate::broker) fn waiting_at(&self, slot: u32) -> (u32, Option<Part<'_, &V, &M>>) {
        let entries = &self.waiting.entries;
        let part = entries
            .get(slot as usize)
            .and_then(|entry| self.waiting_part(entry));
        (entries.capacity() as u32, part)
    }

    /// The message in a slot that was sent, and how many slots there are.
    #[cfg(feature = "persistence")]
    pub(in crate::broker) fn sent_at(&self, slot: u32) -> (u32, Option<Part<'_, &V, &M>>) {
        let delivery = self.deliveries.get(slot as usize);
        let part = delivery.and_then(|delivery| self.sent_part(delivery));
        (self.deliveries.capacity() as u32, part)
    }

    /// The group in a slot, and how many slots there are.
    #[cfg(feature = "persistence")]
    pub(in crate::broker) fn group_at(
        &self,
        slot: u32,
    ) -> (u32, Option<super::GroupView<'_, V, M>>) {
        let group = self.group(super::GroupNumber(slot));
        (self.groups.capacity() as u32, group)
    }

    fn waiting_part<'g>(&'g self, entry: &'g Entry<M>) -> Option<Part<'g, &'g V, &'g M>> {
        let is_stored = entry.dropped.is_none() && entry.message.qos != Qos::AtMostOnce;
        Some(Part::Waiting {
            filter: self.filter(entry.group).filter(|_| is_stored)?,
            position: entry.position,
            message: entry.message.as_ref(),
        })
    }

    fn sent_part<'g>(&'g self, delivery: &'g Delivery<M>) -> Option<Part<'g, &'g V, &'g M>> {
        Some(Part::Sent {
            filter: self.filter(delivery.group)?,
            member: self.members.get(delivery.member as usize)?.subscriber,
            token: delivery.token,
            position: delivery.position,
            message: delivery.message.as_ref(),
        })
    }

    /// The position of the next message, and the state of the random numbers: those of
    /// [`Part::Numbers`].
    #[must_use]
    pub const fn numbers(&self) -> (u64, u64) {
        (self.next_position, self.generator.0)
    }

    /// Makes groups from what was stored, in any order and with any number of repetitions: the last
    /// of several parts with the same key counts. All members are away at first.
    ///
    /// No limit applies: what was there before is there again. What belongs to no group any more is
    /// dropped: call [`next_dropped`](Self::next_dropped). That is a message of a group that has no
    /// members, or of an earlier group with the same filter, and a message with QoS 0.
    ///
    /// Takes n log n for n parts.
    ///
    /// ```
    /// use mqtt5_session_fsm::broker::groups::{Groups, GroupsConfig, Part, Subscriber};
    /// use mqtt5_session_fsm::codec::TopicFilter;
    ///
    /// let config = GroupsConfig::default();
    /// let mut groups = Groups::<u8, ()>::new(config, 1);
    /// groups.join(TopicFilter::new("$share/workers/jobs")?, Subscriber::new(7), 1)?;
    /// groups.away(Subscriber::new(7));
    ///
    /// let stored: Vec<Part<'_, u8, ()>> = groups
    ///     .parts()
    ///     .map(|part| part.map(|value| *value, |message| *message))
    ///     .collect();
    /// let restored = Groups::restore(config, 2, stored.into_iter().rev());
    /// assert_eq!(restored, groups);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore<'p>(
        config: GroupsConfig,
        seed: u64,
        parts: impl IntoIterator<Item = Part<'p, V, M>>,
    ) -> Self
    where
        V: 'p,
        M: 'p,
    {
        let mut groups = Groups::new(config, seed);
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_by_key(Part::order);
        let mut parts = parts.into_iter().peekable();
        while let Some(part) = parts.next() {
            // Positions are unique.
            let (kind, position) = part.order();
            let is_repeated = position > 0
                && parts
                    .peek()
                    .is_some_and(|it| it.order() == (kind, position));
            if !is_repeated {
                groups.restore_part(part);
            }
        }
        let without_members = (groups.groups.iter()).filter(|(_, group)| group.members == 0);
        let without_members: Vec<_> = without_members.map(|(slot, _)| slot as u32).collect();
        for slot in without_members {
            groups.end_group(slot);
        }
        groups
    }

    fn restore_part(&mut self, part: Part<'_, V, M>) {
        match part {
            Part::Numbers {
                next_position,
                random,
            } => {
                self.next_position = next_position.max(1);
                self.generator = Generator(random);
            }
            Part::Group {
                filter,
                born,
                policy,
            } => {
                if self.find_group(filter).is_none() {
                    self.add_group(filter, Some((born, policy)));
                }
                let slot = self.find_group(filter);
                let group = slot.and_then(|slot| self.groups.get_mut(slot as usize));
                if let Some(group) = group {
                    group.born = born;
                    group.set_policy(policy, &mut self.memberships);
                }
                self.passed(born);
            }
            Part::Member {
                filter,
                member,
                value,
            } => {
                let group = self.restored_group(filter);
                let known = self.find(group, member);
                match known.and_then(|slot| self.memberships.get_mut(slot as usize)) {
                    Some(membership) => membership.value = value,
                    None => {
                        let member = self.member_slot(member);
                        self.add_membership(group, member, value);
                    }
                }
            }
            Part::Waiting {
                filter,
                position,
                message,
            } => {
                self.passed(position);
                let group = self.restored_group(filter);
                let dropped = match message.qos {
                    _ if self.is_older(group, position) => Some(DropReason::GroupEnded),
                    Qos::AtMostOnce => Some(DropReason::MembersAway),
                    _ => None,
                };
                self.restore_waiting(group, position, message, dropped);
            }
            Part::Sent {
                filter,
                member,
                token,
                position,
                message,
            } => {
                self.passed(position);
                let group = self.restored_group(filter);
                if let Err(message) = self.keep(member, token, group, position, message) {
                    let dropped = Some(DropReason::GroupEnded);
                    self.restore_waiting(group, position, message, dropped);
                }
            }
        }
    }

    /// The group of a filter; if its own part is not there, it is made as if it had always been.
    fn restored_group(&mut self, filter: &str) -> u32 {
        let known = self.find_group(filter);
        known.unwrap_or_else(|| self.add_group(filter, Some((0, self.config.policy))))
    }

    fn restore_waiting(
        &mut self,
        group: u32,
        position: u64,
        message: GroupMessage<M>,
        dropped: Option<DropReason>,
    ) {
        let Some(state) = self.groups.get_mut(group as usize) else {
            return;
        };
        // What is given back later may belong between them.
        let slot = (self.waiting).insert(&mut state.queue, group, position, message, true);
        if let Some(reason) = dropped {
            self.waiting.drop_entry(state, slot, reason);
        }
    }

    /// Whether a message belongs to an earlier group with the same filter.
    fn is_older(&self, group: u32, position: u64) -> bool {
        let group = self.groups.get(group as usize);
        group.is_some_and(|group| position <= group.born)
    }

    /// A position is in use.
    fn passed(&mut self, position: u64) {
        self.next_position = self.next_position.max(position.saturating_add(1));
    }

    /// The filter of a group that has members.
    fn filter(&self, group: u32) -> Option<&str> {
        let group = self.groups.get(group as usize);
        group.filter(|it| it.members > 0).map(|it| &*it.filter)
    }
}

impl<'p, V, M> Part<'p, V, M> {
    /// The same part with other values and messages.
    pub fn map<W, N>(
        self,
        value_to: impl FnOnce(V) -> W,
        message_to: impl FnOnce(M) -> N,
    ) -> Part<'p, W, N> {
        let with = |it: GroupMessage<M>| GroupMessage {
            message: message_to(it.message),
            size: it.size,
            qos: it.qos,
            expires_at: it.expires_at,
        };
        match self {
            Part::Group {
                filter,
                born,
                policy,
            } => Part::Group {
                filter,
                born,
                policy,
            },
            Part::Member {
                filter,
                member,
                value,
            } => Part::Member {
                filter,
                member,
                value: value_to(value),
            },
            Part::Waiting {
                filter,
                position,
                message,
            } => Part::Waiting {
                filter,
                position,
                message: with(message),
            },
            Part::Sent {
                filter,
                member,
                token,
                position,
                message,
            } => Part::Sent {
                filter,
                member,
                token,
                position,
                message: with(message),
            },
            Part::Numbers {
                next_position,
                random,
            } => Part::Numbers {
                next_position,
                random,
            },
        }
    }
}
