//! Retained messages on their way to new subscriptions (section 3.3.1.3): never as a burst into a
//! bounded queue, and never after a newer message of the same topic.

use super::Broker;
use super::retained::Step;
use super::slots::Key;
use crate::{Instant, Publication, SubscriptionIdentifiers};

impl Broker {
    /// A Session may have room for more retained messages.
    pub(super) fn has_room(&mut self, key: Key) {
        let walks = self.clients.get(key).is_some_and(|it| !it.walks.is_empty());
        if walks {
            self.walking.push_back(key);
        }
    }

    /// Goes on with what takes long, a slice at a time: messages for many subscribers, and
    /// retained messages for new subscriptions. Takes what it does off `budget`; returns whether more is left to do.
    pub fn work(&mut self, now: Instant, budget: &mut u32) -> bool {
        self.at(now);
        while *budget > 0 {
            self.fan_out(now, budget);
            match self.walking.pop_front() {
                Some(key) => self.walk(now, key, budget),
                None if self.jobs.is_empty() => return false,
                None => {}
            }
        }
        !self.walking.is_empty() || !self.jobs.is_empty()
    }

    fn walk(&mut self, now: Instant, key: Key, budget: &mut u32) {
        loop {
            let Some(client) = self.clients.get_mut(key) else {
                return;
            };
            // A queue is for live messages.
            if client.session.waiting() > 0 || client.connection.is_none() {
                return;
            }
            let Some(walk) = client.walks.front_mut() else {
                return;
            };
            match self.retained.next(now, &mut walk.cursor, budget) {
                Step::Found(found) => {
                    let publication = Publication {
                        // Whatever Retain As Published says (section 3.3.1.3).
                        retain: true,
                        subscription_identifiers: walk
                            .granted
                            .identifier()
                            .map_or(SubscriptionIdentifiers::NONE, Into::into),
                        expires_at: (found.expires_at != Instant::NEVER)
                            .then_some(found.expires_at),
                        ..Publication::new(found.qos.min(walk.granted.qos()), found.message.clone())
                    };
                    let _ = self.deliver(now, key, publication);
                }
                Step::OutOfBudget => {
                    self.walking.push_back(key);
                    return;
                }
                Step::End => {
                    client.walks.pop_front();
                }
            }
        }
    }
}
