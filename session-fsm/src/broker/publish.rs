//! The way of a message: from a client, a Will, or the host, to all subscriptions that match.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use mqtt5_codec::{Message, Publish, Qos, ReasonCode, TopicName};

use super::clients::Client;
use super::fanout::Job;
use super::groups::GroupNumber;
use super::shared::GroupHits;
use super::slots::Key;
use super::subscriptions::Scratch;
use super::{Broker, DropReason, Granted, Notice, Overlap};
use crate::event::WillMessage;
use crate::{Instant, Publication, Receipt, SubscriptionIdentifiers};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Also if it is its Will.
    Client(Key),
    Host,
}

/// To how many a message goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fanout {
    /// The subscriptions that match.
    pub subscriptions: u32,
}

/// A subscription that matches a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    /// Of the Session: the order of the recipients.
    pub(super) number: u64,
    pub(super) client: Key,
    pub(super) granted: Granted,
}

/// The subscriptions that match a message; lists that are used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Hits {
    scratch: Scratch,
    found: Vec<Hit>,
    pub(super) groups: GroupHits,
}

/// What became of a message that came.
pub(super) enum Routed {
    /// It is to be acknowledged with this Reason Code.
    Done(ReasonCode),
    /// It is on its way, and is acknowledged at the end of it.
    Job,
}

impl Broker {
    /// Publishes a message of the host, such as a bridge or a topic of the Server's own, through
    /// the same way as one of a client.
    ///
    /// # Errors
    ///
    /// The Reason Code 0x97 if the message exceeds a budget; it goes to nobody then.
    pub fn publish(
        &mut self,
        now: Instant,
        message: Message,
        qos: Qos,
    ) -> Result<Fanout, ReasonCode> {
        self.at(now);
        let expiry = message.publish().properties.message_expiry_interval();
        let arrival = Arrival {
            retain: message.retain(),
            expires_at: expiry.map_or(Instant::NEVER, |seconds| now.plus_seconds(seconds)),
            message,
            qos,
        };
        let routed = self.route(now, Source::Host, arrival, None);
        let subscriptions = self.hits.found.len() as u32;
        match routed {
            Routed::Done(code) if code.is_error() => Err(code),
            Routed::Done(_) | Routed::Job => Ok(Fanout { subscriptions }),
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
        self.route(now, Source::Client(client), arrival, None);
    }

    /// Stores the message if it is to be retained, and gives it to all subscriptions that match,
    /// or begins to.
    pub(super) fn route(
        &mut self,
        now: Instant,
        source: Source,
        arrival: Arrival,
        receipt: Option<(Key, Receipt)>,
    ) -> Routed {
        self.statistics.published += 1;
        self.hits.found.clear();
        let Some(topic) = arrival.message.publish().topic else {
            return Routed::Done(ReasonCode::UnspecifiedError);
        };
        self.find(source, topic);
        let size = arrival.message.size();
        let many = self.hits.found.len() > self.config.fan_out_slice.max(1) as usize;
        let is_job = many || self.jobs.has(source);
        let charged = match is_job {
            true => size + self.hits.found.len() * size_of::<Hit>(),
            false => size,
        };
        if self.ledger.bodies.bytes() + charged as u64 > self.config.limits.message_bytes {
            self.statistics.refused += 1;
            self.hits.found.clear();
            return Routed::Done(ReasonCode::QuotaExceeded);
        }
        let body = self.ledger.bodies.begin(charged);
        if arrival.retain && !self.retain(now, &arrival, body) {
            self.hits.found.clear();
            self.ledger.release(body);
            return Routed::Done(ReasonCode::QuotaExceeded);
        }
        let has_groups = !self.hits.groups.is_empty();
        if has_groups {
            self.route_to_groups(now, &arrival, body);
        }
        if self.hits.found.is_empty() {
            self.ledger.release(body);
            if has_groups {
                return Routed::Done(ReasonCode::Success);
            }
            self.statistics.unmatched += 1;
            return Routed::Done(ReasonCode::NoMatchingSubscribers);
        }
        if is_job {
            let job = Job {
                arrival,
                body,
                hits: self.hits.found.clone(),
                position: 0,
                receipt,
            };
            self.jobs.add(source, job);
            return Routed::Job;
        }
        let found = core::mem::take(&mut self.hits.found);
        let mut rest = &found[..];
        while !rest.is_empty() {
            let of_client = copies(rest, self.config.overlap);
            rest = rest.get(of_client.len()..).unwrap_or_default();
            self.copy_to(now, &arrival, body, of_client);
        }
        self.hits.found = found;
        self.ledger.release(body);
        Routed::Done(ReasonCode::Success)
    }

    fn retain(&mut self, now: Instant, arrival: &Arrival, body: NonZeroU64) -> bool {
        let message = arrival.message.clone();
        let (qos, expires_at) = (arrival.qos, arrival.expires_at);
        let stored = self
            .retained
            .retain(now, message, qos, expires_at, Some(body));
        self.arm_retained();
        let Ok(changes) = stored else {
            self.statistics.refused += 1;
            self.notice(Notice::Dropped {
                client_identifier: None,
                reason: DropReason::RetainedFull,
            });
            return false;
        };
        if changes.stored.is_some() {
            self.ledger.bodies.hold(body);
        }
        for expired in &changes.expired {
            self.note_retained(expired.message.topic().as_str(), Some(expired));
        }
        if changes.stored.is_some() || changes.removed.is_some() {
            let topic = arrival.message.topic();
            self.note_retained(topic.as_str(), changes.removed.as_ref());
        }
        true
    }

    /// Finds the subscriptions that match, in the order of the Sessions.
    fn find(&mut self, source: Source, topic: TopicName<'_>) {
        let Broker {
            index,
            shared,
            clients,
            hits,
            statistics,
            ..
        } = self;
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
                hits.found.push(Hit {
                    number,
                    client: key,
                    granted,
                });
            }
        });
        hits.groups.clear();
        let more = match shared.is_empty() {
            true => 0,
            false => shared.matches(topic, &mut hits.scratch, |matched| {
                for subscription in matched.subscriptions() {
                    let group = subscription.subscriber().number();
                    hits.groups.push(GroupNumber::new(group));
                }
            }),
        };
        let visits = visits + more;
        statistics.dearest_match = statistics.dearest_match.max(visits as u64);
        hits.found.sort_by_key(|hit| hit.number);
    }
}

/// Those of the first hits that one copy of the message serves.
pub(super) fn copies(hits: &[Hit], overlap: Overlap) -> &[Hit] {
    let count = match (overlap, hits.first()) {
        (Overlap::OneCopy, Some(first)) => hits
            .iter()
            .take_while(|hit| hit.client == first.client)
            .count(),
        _ => 1,
    };
    hits.get(..count).unwrap_or_default()
}

/// The copy of a message for a client, by the subscriptions that match (section 3.3.4).
pub(super) fn copy_for(arrival: &Arrival, subscriptions: &[Hit]) -> Publication {
    let mut identifiers = SubscriptionIdentifiers::NONE;
    let (mut granted, mut as_published) = (Qos::AtMostOnce, false);
    for subscription in subscriptions.iter().map(|hit| hit.granted) {
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
