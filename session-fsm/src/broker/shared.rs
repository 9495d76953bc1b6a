//! Shared Subscriptions (section 4.8.2): the groups, and the Sessions that are their members.

use core::num::NonZeroU64;

use mqtt5_codec::{Message, Qos, ReasonCode, TopicFilter};

use super::clients::{Client, Clients};
use super::deadlines::Due;
use super::groups::{GroupMessage, GroupNumber, Handed, Routed};
use super::links::Link;
use super::publish::Arrival;
use super::slots::{Key, Slots};
use super::subscriptions::Subscriber;
use super::{Broker, DropReason, Granted, Notice};
use crate::{Instant, Publication, SubscriptionIdentifiers, Token};

/// What a group keeps of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct SharedMessage {
    message: Message,
    body: NonZeroU64,
    retain: bool,
}

/// How many messages a member has in flight, if it can take one at once.
fn able(clients: &Clients, links: &Slots<Link>, member: Subscriber) -> Option<u32> {
    let client = clients.key_of(member).and_then(|key| clients.get(key))?;
    let link = links.get(client.connection?)?;
    link.connection
        .takes_at_once(&client.session)
        .then(|| u32::from(client.session.in_flight()))
}

impl Broker {
    /// Makes a Session a member of a group, or changes what it was granted.
    pub(super) fn join(
        &mut self,
        key: Key,
        filter: TopicFilter<'_>,
        granted: Granted,
    ) -> Result<(), ReasonCode> {
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
        }
        let is_connected = self
            .clients
            .get(key)
            .is_some_and(|it| it.connection.is_some());
        if is_connected {
            self.groups.connected(member);
        }
        Ok(())
    }

    /// Takes a Session out of a group. Returns whether it was a member.
    pub(super) fn leave(&mut self, now: Instant, key: Key, filter: TopicFilter<'_>) -> bool {
        let Some(left) = self.groups.leave(filter, Client::subscriber(key)) else {
            return false;
        };
        if left.ended {
            self.shared
                .remove(filter, Subscriber::new(left.group.number()));
        }
        self.drop_from_groups(now);
        true
    }

    /// A Session has ended: it leaves its groups, and what it has not acknowledged with QoS 1 goes to others.
    pub(super) fn leave_all(&mut self, now: Instant, key: Key) {
        let member = Client::subscriber(key);
        while let Some(left) = self.groups.leave_any(member) {
            if left.ended {
                let group = Subscriber::new(left.group.number());
                self.shared.remove_subscriber(group);
            }
        }
        loop {
            let Broker {
                groups,
                clients,
                links,
                ..
            } = self;
            let routed = groups.give_back(now, member, |it| able(clients, links, it));
            match routed {
                Some(routed) => self.routed(now, routed),
                None => break,
            }
        }
        self.drop_from_groups(now);
    }

    /// Gives a message to one member of each group.
    pub(super) fn route_to_groups(&mut self, now: Instant, arrival: &Arrival, body: NonZeroU64) {
        let found = core::mem::take(&mut self.hits.groups);
        for group in &found {
            self.ledger.bodies.hold(body);
            let message = GroupMessage {
                message: SharedMessage {
                    message: arrival.message.clone(),
                    body,
                    retain: arrival.retain,
                },
                size: arrival.message.size(),
                qos: arrival.qos,
                expires_at: arrival.expires_at,
            };
            let Broker {
                groups,
                clients,
                links,
                ..
            } = self;
            let routed = groups.route(now, *group, message, |it| able(clients, links, it));
            self.routed(now, routed);
        }
        self.hits.groups = found;
        self.drop_from_groups(now);
    }

    fn routed(&mut self, now: Instant, routed: Routed<Granted, SharedMessage>) {
        match routed {
            Routed::Handed(handed) => self.hand(now, handed),
            Routed::Queued(_) => {}
            Routed::Dropped(message, _) => {
                self.statistics.dropped += 1;
                self.ledger.release(message.message.body);
            }
        }
    }

    /// Sends a message to the member that was chosen.
    fn hand(&mut self, now: Instant, handed: Handed<Granted, SharedMessage>) {
        let (granted, message) = (handed.value, &handed.message);
        let shared = message.message.clone();
        // [MQTT-4.8.2-3]
        let qos = message.qos.min(granted.qos());
        let publication = Publication {
            retain: shared.retain && granted.retain_as_published(),
            subscription_identifiers: granted
                .identifier()
                .map_or(SubscriptionIdentifiers::NONE, Into::into),
            expires_at: (message.expires_at != Instant::NEVER).then_some(message.expires_at),
            body: Some(shared.body),
            ..Publication::new(qos, shared.message)
        };
        let key = self.clients.key_of(handed.member);
        let token = key.and_then(|key| self.deliver(now, key, publication));
        match token {
            Some(token) if qos == Qos::AtLeastOnce => {
                if let Err(message) = self.groups.delivered(token, handed) {
                    self.ledger.release(message.body);
                }
            }
            _ => self.ledger.release(shared.body),
        }
    }

    /// A member may be able to take messages that wait in its groups.
    pub(super) fn pull_from_groups(&mut self, now: Instant, key: Key) {
        if self.groups.is_empty() {
            return;
        }
        let member = Client::subscriber(key);
        while able(&self.clients, &self.links, member).is_some() {
            match self.groups.next_for(now, member) {
                Some(handed) => self.hand(now, handed),
                None => break,
            }
        }
        self.drop_from_groups(now);
    }

    /// A copy is over: no other member gets it.
    pub(super) fn settle_shared(&mut self, key: Key, token: Token) {
        if self.groups.is_empty() {
            return;
        }
        // If the Session has ended, others get it.
        let lives = self.clients.get(key).is_some_and(|it| it.session.exists());
        if lives {
            if let Some(message) = self.groups.settle(Client::subscriber(key), token) {
                self.ledger.release(message.body);
            }
        }
    }

    /// Lets go what the groups have dropped.
    pub(super) fn drop_from_groups(&mut self, now: Instant) {
        while let Some(dropped) = self.groups.next_dropped(now) {
            let body = dropped.message.message.body;
            self.ledger.release(body);
            self.statistics.dropped += 1;
            self.notices.push_back(Notice::Dropped {
                client_identifier: None,
                reason: DropReason::Group,
            });
        }
        let at = self.groups.next_timeout();
        self.deadlines.arm(Due::Groups, &mut self.groups_armed, at);
    }
}

/// The groups that match a message.
pub(super) type GroupHits = alloc::vec::Vec<GroupNumber>;
