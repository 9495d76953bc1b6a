//! Shared Subscriptions (section 4.8.2): the groups, and the Sessions that are their members.

use alloc::boxed::Box;
use core::num::NonZeroU64;

use mqtt5_codec::{Message, Qos, ReasonCode, TopicFilter};

use super::clients::{Client, Clients};
use super::deadlines::Due;
use super::groups::{self, GroupMessage, GroupNumber, Groups, Handed, Policy, Routed};
use super::links::Link;
use super::publish::Arrival;
use super::slots::{Key, Slots};
use super::subscriptions::Subscriber;
use super::{Broker, DropReason, Granted, Notice, Recipient};
use crate::{Instant, Publication, SubscriptionIdentifiers, Token};

/// What a group keeps of a message.
#[derive(Clone, Debug)]
pub(super) struct SharedMessage {
    pub(super) message: Message,
    pub(super) body: NonZeroU64,
    pub(super) retain: bool,
    /// Its number in the records.
    pub(super) number: u64,
}

/// The groups that match a message.
pub(super) type GroupHits = alloc::vec::Vec<GroupNumber>;

/// Where a message of a group is.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharedPlace<'a> {
    pub(super) filter: &'a str,
    /// Among the messages of all groups.
    pub(super) position: u64,
    /// The Session that has it, and its token there; `None` if it waits.
    pub(super) member: Option<(u64, Token)>,
}

/// How many messages that groups have dropped one call lets go.
const DROPPED_AT_ONCE: u32 = 100;

/// How many messages a member has in flight, if it can take one of this size at once.
fn able(clients: &Clients, links: &Slots<Link>, member: Subscriber, size: usize) -> Option<u32> {
    let client = clients.key_of(member).and_then(|key| clients.get(key))?;
    if client.connection.is_none() && fault!("messages to a member that is away") {
        return Some(0);
    }
    let link = links.get(client.connection?)?;
    link.connection
        .takes_at_once(&client.session, size)
        .then(|| u32::from(client.session.in_flight()))
}

impl Broker {
    /// Changes how a group chooses the member that gets a message. `filter` is that of the Shared
    /// Subscription, with `$share`. Returns whether there is such a group. A group that is made
    /// later has the policy of [`BrokerConfig::groups`](super::BrokerConfig::groups).
    pub fn set_group_policy(&mut self, filter: TopicFilter<'_>, policy: Policy) -> bool {
        let group = self.groups.find_filter(filter).map(|it| it.number());
        let is_set = group.is_some_and(|group| self.groups.set_policy(group, policy));
        if is_set {
            self.note_group(filter.as_str());
        }
        is_set
    }

    /// Makes a Session a member of a group, or changes what it was granted. Returns whether it was
    /// none.
    pub(super) fn join(
        &mut self,
        now: Instant,
        key: Key,
        filter: TopicFilter<'_>,
        granted: Granted,
    ) -> Result<bool, ReasonCode> {
        let member = Client::subscriber(key);
        let joined = self
            .groups
            .join(filter, member, granted)
            .map_err(|error| error.reason_code())?;
        if joined.created {
            let group = Subscriber::new(joined.group.number());
            if self.shared.insert(filter, group, ()).is_err() {
                let _ = self.groups.leave(filter, member);
                return Err(ReasonCode::QuotaExceeded);
            }
            self.note_group(filter.as_str());
        }
        let client = self.clients.get(key);
        if client.is_some_and(|it| it.connection.is_some()) {
            self.groups.connected(member);
            self.pull_from_groups(now, key);
        }
        Ok(joined.replaced.is_none())
    }

    /// Takes a Session out of a group. Returns whether it was a member.
    pub(super) fn leave(&mut self, now: Instant, key: Key, filter: TopicFilter<'_>) -> bool {
        let Some(left) = self.groups.leave(filter, Client::subscriber(key)) else {
            return false;
        };
        if left.ended {
            let group = Subscriber::new(left.group.number());
            self.shared.remove(filter, group);
            self.note_group(filter.as_str());
        }
        self.drop_from_groups(now);
        true
    }

    /// Calls a method of the groups with what it asks about members, for a message of this size.
    fn of_groups<R>(
        &mut self,
        size: usize,
        call: impl FnOnce(&mut Groups<Granted, SharedMessage>, &dyn Fn(Subscriber) -> Option<u32>) -> R,
    ) -> R {
        let Broker {
            groups,
            clients,
            links,
            ..
        } = self;
        call(groups, &|member| able(clients, links, member, size))
    }

    /// Gives a message to one member of each group that was found.
    pub(super) fn route_to_groups(&mut self, now: Instant, arrival: &Arrival, body: NonZeroU64) {
        if self.hits.groups.is_empty() {
            return;
        }
        let found = core::mem::take(&mut self.hits.groups);
        for &group in &found {
            self.ledger.bodies.hold(body);
            self.last_shared += 1;
            let message = GroupMessage {
                message: SharedMessage {
                    message: arrival.message.clone(),
                    body,
                    retain: arrival.retain,
                    number: self.last_shared,
                },
                size: arrival.message.size(),
                qos: fault!(
                    "downgraded before the member is chosen",
                    arrival.qos,
                    arrival.qos.min(Qos::AtLeastOnce)
                ),
                expires_at: arrival.expires_at,
            };
            let stored = message.clone();
            let size = message.size;
            match self.of_groups(size, |groups, able| groups.route(now, group, message, able)) {
                Routed::Handed(handed) => self.hand(now, handed, false),
                Routed::Queued(position) => self.note_shared(&stored, group, position, None),
                Routed::Dropped(message, why) => {
                    let filter = self.groups.group(group).map(|it| it.filter().into());
                    self.shared_dropped(filter.unwrap_or_default(), &message, why, false);
                }
            }
        }
        self.hits.groups = found;
        self.drop_from_groups(now);
    }

    /// Gives a message that a Session had, which has ended and left its groups, to another member;
    /// `false` if there is none.
    pub(super) fn give_back(&mut self, now: Instant, member: Subscriber) -> bool {
        let Some((filter, size)) = self.groups.next_given_back(member) else {
            self.drop_from_groups(now);
            return false;
        };
        let filter: Box<str> = filter.into();
        match self.of_groups(size, |groups, able| groups.give_back(now, member, able)) {
            Some(Routed::Handed(handed)) => self.hand(now, handed, true),
            // The record of a message that a Session had which has ended says that it waits.
            Some(Routed::Queued(_)) | None => {}
            Some(Routed::Dropped(message, why)) => self.shared_dropped(filter, &message, why, true),
        }
        self.drop_from_groups(now);
        true
    }

    /// A message of a group went to no member.
    fn shared_dropped(
        &mut self,
        filter: Box<str>,
        message: &GroupMessage<SharedMessage>,
        why: groups::DropReason,
        is_recorded: bool,
    ) {
        self.statistics.dropped += 1;
        self.notice(Notice::Dropped {
            recipient: Recipient::Group(filter),
            reason: match why {
                groups::DropReason::Expired => DropReason::Expired,
                _ => DropReason::Group,
            },
        });
        self.shared_is_over(&message.message, is_recorded);
    }

    /// A group does not hold a message any more.
    fn shared_is_over(&mut self, message: &SharedMessage, is_recorded: bool) {
        if is_recorded {
            self.note_shared_over(message.number);
        }
        self.ledger.release(message.body);
    }

    /// Sends a message to the member that was chosen.
    fn hand(&mut self, now: Instant, handed: Handed<Granted, SharedMessage>, was_recorded: bool) {
        let (granted, message) = (handed.value, &handed.message);
        let shared = message.message.clone();
        // [MQTT-4.8.2-3]
        let qos = fault!("MQTT-4.8.2-3", message.qos.min(granted.qos()), message.qos);
        let publication = Publication {
            retain: shared.retain && granted.retain_as_published(),
            subscription_identifiers: granted
                .identifier()
                .map_or(SubscriptionIdentifiers::NONE, Into::into),
            expires_at: (message.expires_at != Instant::NEVER).then_some(message.expires_at),
            body: Some(shared.body),
            ..Publication::new(qos, shared.message.clone())
        };
        let was_recorded = was_recorded || (handed.was_queued && message.qos > Qos::AtMostOnce);
        let key = self.clients.key_of(handed.member);
        let token = key.and_then(|key| self.deliver(now, key, publication));
        let number = key.and_then(|key| Some(self.clients.get(key)?.number));
        let is_kept = qos == fault!("MQTT-4.8.2-5", Qos::AtLeastOnce, qos.max(Qos::AtLeastOnce));
        let (Some(token), true, Some(number)) = (token, is_kept, number) else {
            self.shared_is_over(&shared, was_recorded);
            return;
        };
        let (stored, group, position) = (handed.message.clone(), handed.group, handed.position);
        match self.groups.delivered(token, handed) {
            Ok(()) => self.note_shared(&stored, group, position, Some((number, token))),
            Err(message) => self.shared_is_over(&message, was_recorded),
        }
    }

    /// A member may be able to take messages that wait in its groups.
    pub(super) fn pull_from_groups(&mut self, now: Instant, key: Key) {
        if self.groups.is_empty() {
            return;
        }
        let member = Client::subscriber(key);
        while let Some(size) = self.groups.next_size_for(now, member) {
            if able(&self.clients, &self.links, member, size).is_none() {
                break;
            }
            match self.groups.next_for(now, member) {
                Some(handed) => self.hand(now, handed, false),
                None => break,
            }
        }
        self.drop_from_groups(now);
    }

    /// A copy is over: no other member gets it.
    pub(super) fn settle_shared(&mut self, key: Key, token: Token) {
        if self.groups.is_empty() || fault!("MQTT-4.8.2-6") {
            return;
        }
        // If the Session has ended, others get it.
        let lives = self.clients.get(key).is_some_and(|it| it.session.exists());
        if lives {
            if let Some(message) = self.groups.settle(Client::subscriber(key), token) {
                self.shared_is_over(&message, true);
            }
        }
    }

    /// Lets go what the groups have dropped, or the first of it: [`Broker::work`] goes on.
    pub(super) fn drop_from_groups(&mut self, now: Instant) {
        self.has_dropped = true;
        for _ in 0..DROPPED_AT_ONCE {
            let Some(dropped) = self.groups.next_dropped(now) else {
                self.has_dropped = false;
                break;
            };
            let filter = dropped.filter.into();
            let (message, why) = (dropped.message, dropped.reason);
            self.shared_dropped(filter, &message, why, message.qos > Qos::AtMostOnce);
        }
        let at = self.groups.next_timeout();
        self.deadlines.arm(Due::Groups, at);
    }
}
