//! The way of a message: from a client, a Will, or the host, to all subscriptions that match.

use alloc::vec::Vec;

use mqtt5_codec::{Message, Publish, Qos, ReasonCode, TopicName};

use super::clients::Client;
use super::slots::Key;
use super::subscriptions::Scratch;
use super::{Broker, DropReason, Granted, Notice, Overlap};
use crate::event::WillMessage;
use crate::{Instant, Publication, SubscriptionIdentifiers};

/// A message that was published.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) message: Message,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) expires_at: Instant,
}

impl Arrival {
    /// `None` if the message is too long to be kept, which no received message is.
    pub(super) fn new(now: Instant, publish: &Publish<'_>) -> Option<Self> {
        let expiry = publish.properties.message_expiry_interval();
        Some(Arrival {
            message: Message::new(publish).ok()?,
            qos: publish.delivery.qos(),
            retain: publish.retain,
            expires_at: expiry.map_or(Instant::NEVER, |seconds| now.plus_seconds(seconds)),
        })
    }
}

/// Who published it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Also if it is its Will.
    Client(Key),
    Host,
}

/// To how many clients a message went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fanout {
    /// The clients with subscriptions that match.
    pub clients: u32,
}

/// The subscriptions that match a message; lists that are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Hits {
    scratch: Scratch,
    /// The number of the Session, its key, and what it was granted.
    found: Vec<(u64, Key, Granted)>,
}

impl Broker {
    /// Publishes a message of the host, such as a bridge or a topic of the Server's own, through
    /// the same way as one of a client. The message may be larger than any budget allows.
    pub fn publish(&mut self, now: Instant, message: Message, qos: Qos) -> Fanout {
        let expiry = message.publish().properties.message_expiry_interval();
        let arrival = Arrival {
            retain: message.retain(),
            expires_at: expiry.map_or(Instant::NEVER, |seconds| now.plus_seconds(seconds)),
            message,
            qos,
        };
        self.route(now, Source::Host, &arrival);
        Fanout {
            clients: self.hits.found.len() as u32,
        }
    }

    /// Publishes a Will [MQTT-3.1.2-8].
    pub(super) fn publish_will(&mut self, now: Instant, client: Key, will: WillMessage) {
        let expiry = will.message.publish().properties.message_expiry_interval();
        let arrival = Arrival {
            retain: will.message.retain(),
            expires_at: expiry.map_or(Instant::NEVER, |seconds| now.plus_seconds(seconds)),
            message: will.message,
            qos: will.qos,
        };
        self.route(now, Source::Client(client), &arrival);
    }

    /// Stores the message if it is to be retained, and gives it to all subscriptions that match.
    /// Returns the Reason Code for its acknowledgement.
    pub(super) fn route(&mut self, now: Instant, source: Source, arrival: &Arrival) -> ReasonCode {
        self.statistics.published += 1;
        let publish = arrival.message.publish();
        let Some(topic) = publish.topic else {
            return ReasonCode::UnspecifiedError;
        };
        let size = arrival.message.size();
        if self.bodies.bytes() + size as u64 > self.config.limits.message_bytes {
            self.statistics.refused += 1;
            return ReasonCode::QuotaExceeded;
        }
        if arrival.retain && !self.retain(now, arrival) {
            return ReasonCode::QuotaExceeded;
        }
        self.find(source, topic);
        if self.hits.found.is_empty() {
            self.statistics.unmatched += 1;
            return ReasonCode::NoMatchingSubscribers;
        }
        let body = self.bodies.begin(size);
        let mut found = core::mem::take(&mut self.hits.found);
        let mut rest = &found[..];
        while let Some((first, _)) = rest.split_first() {
            let copies = match self.config.overlap {
                Overlap::OnePerSubscription => 1,
                Overlap::OneCopy => rest.iter().take_while(|it| it.1 == first.1).count(),
            };
            let (of_client, others) = rest.split_at(copies);
            rest = others;
            let key = first.1;
            let publication = Publication {
                body: Some(body),
                ..copy_for(arrival, of_client)
            };
            self.deliver(now, key, publication);
        }
        self.bodies.release(body);
        found.clear();
        self.hits.found = found;
        ReasonCode::Success
    }

    fn retain(&mut self, now: Instant, arrival: &Arrival) -> bool {
        let message = arrival.message.clone();
        let stored = self
            .retained
            .retain(now, message, arrival.qos, arrival.expires_at, None);
        self.arm_retained();
        if stored.is_err() {
            self.statistics.refused += 1;
            self.notice(Notice::Dropped {
                client_identifier: None,
                reason: DropReason::RetainedFull,
            });
        }
        stored.is_ok()
    }

    /// Finds the subscriptions that match, in the order of the Sessions.
    fn find(&mut self, source: Source, topic: TopicName<'_>) {
        let Broker {
            index,
            clients,
            hits,
            statistics,
            ..
        } = self;
        hits.found.clear();
        let visits = index.matches(topic, &mut hits.scratch, |matched| {
            for subscription in matched.subscriptions() {
                let granted = *subscription.value();
                let Some(key) = clients.key_of(subscription.subscriber()) else {
                    continue;
                };
                // [MQTT-3.8.3-3]
                if granted.no_local() && source == Source::Client(key) {
                    continue;
                }
                let number = clients.get(key).map_or(0, |client: &Client| client.number);
                hits.found.push((number, key, granted));
            }
        });
        statistics.dearest_match = statistics.dearest_match.max(visits as u64);
        hits.found.sort_by_key(|hit| hit.0);
    }
}

/// The copy of a message for a client, by the subscriptions that match (section 3.3.4).
fn copy_for(arrival: &Arrival, subscriptions: &[(u64, Key, Granted)]) -> Publication {
    let mut identifiers = SubscriptionIdentifiers::NONE;
    let (mut granted, mut as_published) = (Qos::AtMostOnce, false);
    for (_, _, subscription) in subscriptions {
        granted = granted.max(subscription.qos());
        as_published |= subscription.retain_as_published();
        // [MQTT-3.3.4-3] [MQTT-3.3.4-5]
        if let Some(identifier) = subscription.identifier() {
            identifiers.push(identifier);
        }
    }
    Publication {
        // [MQTT-3.3.1-12] [MQTT-3.3.1-13]
        retain: arrival.retain && as_published,
        subscription_identifiers: identifiers,
        expires_at: (arrival.expires_at != Instant::NEVER).then_some(arrival.expires_at),
        // [MQTT-3.8.4-8]
        ..Publication::new(arrival.qos.min(granted), arrival.message.clone())
    }
}
