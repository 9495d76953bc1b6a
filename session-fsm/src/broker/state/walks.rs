//! Retained messages on their way to new subscriptions (section 3.3.1.3): never as a burst into a
//! bounded queue, and never after a newer message of the same topic.

use alloc::boxed::Box;

use mqtt5_codec::TopicName;

use super::Broker;
use super::clients::Walk;
use super::retained::{RetainedMessage, Step};
use super::slots::Key;
use crate::{Instant, Publication, SubscriptionIdentifiers};

impl Walk {
    /// Whether No Local keeps a retained message from its publisher [MQTT-3.8.3-3].
    fn leaves_out(&self, retained: &RetainedMessage, client_identifier: &str) -> bool {
        self.granted.no_local() && retained.publisher.as_deref() == Some(client_identifier)
    }

    /// The copy of a retained message for the subscription.
    fn copy_of(&self, retained: &RetainedMessage) -> Publication {
        let expires_at = fault!("MQTT-3.3.2-6 retained", retained.expires_at, Instant::NEVER);
        Publication {
            // Whatever Retain As Published says (section 3.3.1.3) [MQTT3-3.3.1-8].
            retain: fault!("MQTT3-3.3.1-8", true, false),
            subscription_identifiers: self
                .granted
                .identifier()
                .map_or(SubscriptionIdentifiers::NONE, Into::into),
            expires_at: (expires_at != Instant::NEVER).then_some(expires_at),
            body: retained.body,
            ..Publication::new(
                retained.qos.min(self.granted.qos()),
                retained.message.clone(),
            )
        }
    }
}

/// Why a walk stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// There are no more messages.
    End,
    OutOfBudget,
    /// The Session takes no more now.
    NoRoom,
}

impl Broker {
    /// A Session may have room for more retained messages.
    pub(super) fn has_room(&mut self, key: Key) {
        let client = self.clients.get_mut(key);
        if let Some(client) = client.filter(|it| !it.walks.is_empty() && !it.is_walking) {
            client.is_walking = true;
            self.walking.push_back(key);
        }
    }

    /// Goes on with what takes long, a slice at a time: messages for many subscribers, retained
    /// messages for new subscriptions, what Sessions leave that have ended, connections that
    /// [`Broker::drain`] ends. Takes what it does off `budget`; returns whether more is left that can
    /// be done now: nothing can while [`BrokerLimits::notices`](super::BrokerLimits::notices) or
    /// [`BrokerLimits::batch_bytes`](super::BrokerLimits::batch_bytes) do not allow it.
    pub fn work(&mut self, now: Instant, budget: &mut u32) -> bool {
        let now = self.at(now);
        self.has_work() && self.go_on(now, budget)
    }

    // A function of its own: a host asks after each call, and most find nothing.
    #[inline(never)]
    fn go_on(&mut self, now: Instant, budget: &mut u32) -> bool {
        while *budget > 0 && !self.is_full() && self.has_work() {
            self.fan_out(now, budget);
            if let Some(key) = self.walking.pop_front() {
                self.walk(now, key, budget);
            }
            self.end_slice(now, budget);
            if self.has_dropped {
                *budget = budget.saturating_sub(1);
                self.drop_from_groups(now);
            }
            self.drain_slice(now, budget);
        }
        !self.is_full() && self.has_work()
    }

    fn has_work(&self) -> bool {
        !self.jobs.is_empty()
            || !self.walking.is_empty()
            || !self.ending.is_empty()
            || self.has_dropped
            || self.is_draining()
    }

    fn walk(&mut self, now: Instant, key: Key, budget: &mut u32) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        client.is_walking = false;
        while let Some(walk) = self.clients.get(key).and_then(|it| it.walks.front()) {
            let filter: Box<str> = walk.cursor.filter().into();
            let pause = self.walk_on(now, key, budget);
            if let (Pause::End, Some(client)) = (pause, self.clients.get_mut(key)) {
                client.walks.pop_front();
                if client.walks.is_empty() {
                    client.walks.clear();
                }
            }
            self.note_walk(key, &filter);
            match pause {
                Pause::End => {}
                Pause::OutOfBudget => return self.has_room(key),
                // It goes on with the next acknowledgement, or the next connection.
                Pause::NoRoom => return,
            }
        }
    }

    /// Sends retained messages for the first walk of a Session as long as they would be in flight
    /// at once: the queue is for live messages.
    fn walk_on(&mut self, now: Instant, key: Key, budget: &mut u32) -> Pause {
        loop {
            let Some(client) = self.clients.get_mut(key) else {
                return Pause::NoRoom;
            };
            let link = client.connection.and_then(|link| self.links.get(link));
            let session = &client.session;
            let has_room = |size| {
                let takes = link.is_some_and(|it| it.connection.takes_at_once(session, size));
                takes || fault!("retained messages in a burst")
            };
            let Some(walk) = client.walks.iter_mut().next().filter(|_| has_room(1)) else {
                return Pause::NoRoom;
            };
            match self.retained.next(now, &mut walk.cursor, budget) {
                Step::Found(found) if walk.leaves_out(found, session.client_identifier()) => {}
                Step::Found(found) if !has_room(found.message.size()) => {
                    self.retained.give_back(&mut walk.cursor, found);
                    return Pause::NoRoom;
                }
                Step::Found(found) => {
                    let publication = walk.copy_of(found);
                    let _ = self.deliver(now, key, publication);
                }
                Step::OutOfBudget => return Pause::OutOfBudget,
                Step::End => return Pause::End,
            }
        }
    }

    /// A message that is not retained is about to go to the subscribers of a topic. Those that have
    /// yet to get the retained message of this topic get it first [MQTT-4.6.0-5].
    pub(super) fn send_ahead(&mut self, now: Instant, topic: TopicName<'_>) {
        if self.hits.walkers.is_empty() || fault!("MQTT-4.6.0-5") {
            return;
        }
        let Some(retained) = self.retained.get(now, topic).cloned() else {
            return;
        };
        let mut walkers = core::mem::take(&mut self.hits.walkers);
        walkers.sort_unstable();
        walkers.dedup();
        let mut is_sent = false;
        for &key in &walkers {
            let Some(client) = self.clients.get(key) else {
                continue;
            };
            let ahead = client.walks.iter();
            let own = client.session.client_identifier();
            let ahead = ahead.filter(|walk| {
                !walk.leaves_out(&retained, own)
                    && self.retained.is_ahead_of(&walk.cursor, &retained)
            });
            let copies: alloc::vec::Vec<_> = ahead.map(|walk| walk.copy_of(&retained)).collect();
            for copy in copies {
                is_sent = true;
                let _ = self.deliver(now, key, copy);
            }
        }
        self.hits.walkers = walkers;
        if is_sent {
            self.retained.overtake(topic);
            self.note_retained(topic, None);
        }
    }
}
