//! The groups of Shared Subscriptions: which member gets a message (section 4.8.2).
//!
//! A Shared Subscription has a Topic Filter of the form `$share/{ShareName}/{filter}`
//! \[MQTT-4.8.2-1\], \[MQTT-4.8.2-2\]. The subscribers to one such filter are a group, and each message
//! that matches goes to exactly one of them. [`Groups`] holds all groups of a Server: their members,
//! whose turn it is, what waits while no member can take a message, and what was sent and may have
//! to be given to another one.
//!
//! It knows no Sessions and no topics. The owner matches topics, for instance with an index of
//! subscriptions in which each group stands for one subscriber, and sends what it is handed.
//!
//! # What the owner does
//!
//! 1. **SUBSCRIBE and UNSUBSCRIBE** with a shared filter: [`join`](Groups::join) and
//!    [`leave`](Groups::leave). If a group was made or has ended, the owner adds it to its index, or
//!    removes it.
//! 2. **A message matches a group's filter**: [`route`](Groups::route) returns the member that gets
//!    it, or says that it waits or is dropped.
//! 3. **A member gets a message**: the owner sends it, with the lower one of the two QoS
//!    \[MQTT-4.8.2-3\]. If that is 1, it calls [`delivered`](Groups::delivered), and
//!    [`settle`](Groups::settle) when the exchange has ended, with success or not \[MQTT-4.8.2-6\].
//! 4. **A member can take a message again**: it calls [`next_for`](Groups::next_for) until it returns
//!    `None` or the member can take no more.
//! 5. **A Network Connection begins or ends**: [`connected`](Groups::connected) and
//!    [`away`](Groups::away).
//! 6. **A Session ends**: [`leave_any`](Groups::leave_any), then
//!    [`give_back`](Groups::give_back), each until it returns `None`.
//! 7. **After any of these calls, and at [`next_timeout`](Groups::next_timeout)**, it calls
//!    [`next_dropped`](Groups::next_dropped) until it returns `None`. If it may do only so much at a
//!    time, it goes on later: nothing is lost.
//!
//! There is no call for "this member is full": [`route`](Groups::route) asks about those that it
//! considers. A member that is full is set aside in this one group, and comes back with `next_for`.
//! So a member with 10,000 memberships whose Receive Maximum is used up and free again with each
//! message causes no work in the groups that have no messages.
//!
//! # QoS 2, QoS 1, QoS 0
//!
//! * With QoS 2, a message belongs to the Session it was sent to, whatever becomes of it
//!   \[MQTT-4.8.2-4\], \[MQTT-4.8.2-5\]. Nothing of it is kept here.
//! * With QoS 1, it belongs to the Session as long as this lives, also while its Client is away.
//!   If the Session ends first, another member gets it, before what came later.
//! * With QoS 0, it is dropped if all members are away. If some are connected and none of them can
//!   take it, it waits as others do.
//!
//! A message that exceeds the Maximum Packet Size of the member that was chosen counts as sent
//! \[MQTT-3.1.2-25\]: the Server may discard it although others could receive it (section 3.1.2.11.4).
//!
//! # Cost
//!
//! n is the number of messages that wait or were sent, in all groups.
//!
//! | call | time | allocations |
//! | --- | --- | --- |
//! | [`route`](Groups::route) | constant as a mean, however many members there are; each member that is found unable costs one step, and another one when it is able again | none if a member takes it; a place in an arena, and in a tree if it expires, if it waits |
//! | [`next_for`](Groups::next_for) | constant as a mean; log n if messages expire or were given back | none |
//! | [`join`](Groups::join), [`leave`](Groups::leave) | the bytes of the filter | a few |
//! | [`delivered`](Groups::delivered), [`settle`](Groups::settle) | constant | none in the steady state |
//! | [`connected`](Groups::connected), [`away`](Groups::away) | the memberships of this subscriber, and the messages that are dropped | one for the groups that have messages |
//! | [`give_back`](Groups::give_back), [`next_dropped`](Groups::next_dropped) | log n | a node of a tree now and then |
//! | [`next_timeout`](Groups::next_timeout), counts | constant | none |
//!
//! # Values, equality and restoring
//!
//! The same calls return the same results, in each clone and replica; the random numbers of
//! [`Policy::Random`] are part of the value, and nothing is in the order of a hash table. Two values
//! are equal if they behave alike from now on, whatever numbers their groups have: see
//! [`canonical`](Groups::canonical).
//!
//! [`parts`](Groups::parts) returns all that has to be stored, and [`restore`](Groups::restore) takes
//! it in any order. After a restart no member is connected, so whose turn it is need not be
//! stored: the restored groups equal the original ones after [`away`](Groups::away) for each member.
//!
//! # Example
//!
//! ```
//! use mqtt5_session_fsm::broker::groups::{
//!     GroupMessage, Groups, GroupsConfig, Routed, Subscriber,
//! };
//! use mqtt5_session_fsm::codec::{Qos, TopicFilter};
//! use mqtt5_session_fsm::{Instant, Token};
//!
//! let now = Instant::ORIGIN; // of your clock
//! let mut groups = Groups::new(GroupsConfig::default(), 0x1234_5678); // at random
//! let filter = TopicFilter::new("$share/workers/jobs/#")?;
//! let workers = [Subscriber::new(0), Subscriber::new(1)];
//! let group = groups.join(filter, workers[0], Qos::AtLeastOnce)?.group;
//! groups.join(filter, workers[1], Qos::AtMostOnce)?;
//!
//! // Each message has one receiver. Here a worker has one job at a time.
//! let mut busy = [false; 2];
//! let job = |message| GroupMessage {
//!     message,
//!     size: 100,
//!     qos: Qos::ExactlyOnce,
//!     expires_at: Instant::NEVER,
//! };
//! for name in ["first", "second"] {
//!     let able = |it: Subscriber| (!busy[it.number() as usize]).then_some(0);
//!     let Routed::Handed(handed) = groups.route(now, group, job(name), able) else { panic!() };
//!     busy[handed.member.number() as usize] = true;
//!     if handed.message.qos.min(handed.value) == Qos::AtLeastOnce {
//!         let token = Token::from_number(1); // from `Session::publish`
//!         assert_eq!(groups.delivered(token, handed), Ok(()));
//!     }
//! }
//! assert_eq!(busy, [true, true]);
//! let routed = groups.route(now, group, job("third"), |_| None);
//! assert!(matches!(routed, Routed::Queued(_)));
//!
//! // The Session of one worker ends, and the other one has room: it gets both.
//! while groups.leave_any(workers[0]).is_some() {}
//! while groups.give_back(now, workers[0], |_| None).is_some() {}
//! let mut next = || groups.next_for(now, workers[1]).map(|it| it.message.message);
//! assert_eq!([next(), next(), next()], [Some("first"), Some("third"), None]);
//! assert!(groups.next_dropped(now).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod canonical;
mod config;
mod deliveries;
mod hashing;
mod lists;
mod members;
mod message;
mod policy;
mod queue;
mod ready;
mod restore;
mod route;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod views;

use hashbrown::HashTable;
use slab::Slab;

use crate::Instant;

use self::deliveries::Delivery;
use self::hashing::Hashing;
use self::members::{Member, Membership};
use self::policy::{Generator, mix};
use self::queue::Waiting;
use self::state::Group;

pub use self::canonical::Canonical;
pub use self::config::{GroupStatistics, GroupsConfig, JoinError};
pub use self::message::{DropReason, Dropped, GroupMessage, Handed, Routed};
pub use self::policy::Policy;
pub use self::restore::Part;
pub use self::views::GroupView;

pub use super::subscriptions::Subscriber;

/// The number of a group, that of a slot: numbers are dense, and used again after a group has ended
/// and all of its messages have been returned or settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupNumber(u32);

impl GroupNumber {
    /// The group with this number, which the owner kept elsewhere.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        GroupNumber(number)
    }

    /// Returns the number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// What [`Groups::join`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Joined<V> {
    /// The group.
    pub group: GroupNumber,
    /// Whether the group was made for this member.
    pub created: bool,
    /// The value that was replaced; `None` if the subscriber was no member.
    pub replaced: Option<V>,
}

/// What [`Groups::leave`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left<V> {
    /// The group.
    pub group: GroupNumber,
    /// The value that the member had.
    pub value: V,
    /// Whether the group has ended, because the member was the last one.
    pub ended: bool,
}

/// The groups of all Shared Subscriptions: see the [module](self).
///
/// `V` is what the owner keeps for each membership: the granted QoS, Retain As Published and the
/// Subscription Identifier. `M` is what it keeps of each message: see [`GroupMessage`].
#[derive(Clone)]
pub struct Groups<V, M> {
    config: GroupsConfig,
    hashing: Hashing,
    generator: Generator,
    /// Of the next message or group.
    next_position: u64,
    groups: Slab<Group>,
    /// The groups that have members.
    by_filter: HashTable<u32>,
    /// What the filters take.
    filter_bytes: usize,
    memberships: Slab<Membership<V>>,
    by_pair: HashTable<u32>,
    members: Slab<Member>,
    by_subscriber: HashTable<u32>,
    waiting: Waiting<M>,
    /// The group of the message that was returned last as dropped.
    last_dropped: Option<u32>,
    deliveries: Slab<Delivery<M>>,
    by_token: HashTable<u32>,
    statistics: GroupStatistics,
}

impl<V, M> Groups<V, M> {
    /// Makes a value without groups. Allocates nothing.
    ///
    /// `seed` is what the hashes and the random numbers begin with. It must be random and secret
    /// where clients choose the filters: a client that knows it can make a table slow.
    #[must_use]
    pub const fn new(config: GroupsConfig, seed: u64) -> Self {
        Groups {
            config,
            hashing: Hashing::new(seed),
            // Choices can be seen, and must not give the seed away.
            generator: Generator(mix(seed ^ 0x5EED_F00D_5EED_F00D)),
            next_position: 1,
            groups: Slab::new(),
            by_filter: HashTable::new(),
            filter_bytes: 0,
            memberships: Slab::new(),
            by_pair: HashTable::new(),
            members: Slab::new(),
            by_subscriber: HashTable::new(),
            waiting: Waiting::new(),
            last_dropped: None,
            deliveries: Slab::new(),
            by_token: HashTable::new(),
            statistics: GroupStatistics {
                handed: 0,
                queued: 0,
                handed_from_queue: 0,
                given_back: 0,
                dropped_queue_full: 0,
                dropped_members_away: 0,
                dropped_expired: 0,
                dropped_group_ended: 0,
            },
        }
    }

    /// Returns the time at which [`next_dropped`](Self::next_dropped) has to be called next, because
    /// a message expires; [`Instant::NEVER`] if none does.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        let first = self.waiting.expiring.first();
        first.map_or(Instant::NEVER, |(expires_at, ..)| *expires_at)
    }

    /// Returns the next message that waited and was dropped, or has expired; `None` if there is none
    /// left. Those that were dropped by the calls before come first, by their positions; then those
    /// that have expired, by the time.
    pub fn next_dropped(&mut self, now: Instant) -> Option<Dropped<'_, M>> {
        if let Some(group) = self.last_dropped.take() {
            if let Some(state) = self.groups.get_mut(group as usize) {
                state.dropped -= 1;
            }
            self.release_group(group);
        }
        if self.waiting.dropped.is_empty() {
            let (expires_at, _, slot) = *self.waiting.expiring.first()?;
            let group = self.waiting.entries.get(slot as usize)?.group;
            if expires_at > now {
                return None;
            }
            let state = self.groups.get_mut(group as usize)?;
            self.waiting.drop_entry(state, slot, DropReason::Expired);
        }
        let (position, slot) = self.waiting.dropped.pop_first()?;
        let entry = self.waiting.discard(slot)?;
        let reason = entry.dropped.unwrap_or(DropReason::GroupEnded);
        self.statistics.dropped(reason);
        self.last_dropped = Some(entry.group);
        Some(Dropped {
            filter: &self.groups.get(entry.group as usize)?.filter,
            group: GroupNumber(entry.group),
            position,
            message: entry.message,
            reason,
        })
    }

    /// Changes the policy of a group. The members that are ready stay so, in the same order. Returns
    /// `false` if there is no such group.
    ///
    /// Takes time in the number of its members.
    pub fn set_policy(&mut self, group: GroupNumber, policy: Policy) -> bool {
        let state = self.groups.get_mut(group.0 as usize);
        let Some(state) = state.filter(|it| it.members > 0) else {
            return false;
        };
        state.set_policy(policy, &mut self.memberships);
        true
    }
}
