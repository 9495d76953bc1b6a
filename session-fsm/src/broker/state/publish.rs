//! The way of a message: from a client, a Will, or the host, to all subscriptions that match.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use mqtt5_codec::{Message, Publish, Qos, ReasonCode, TopicName};

use super::groups::GroupNumber;
use super::shared::GroupHits;
use super::slots::Key;
use super::subscriptions::Scratch;
use super::{Broker, DropReason, Granted, Notice, Overlap, Recipient};
use crate::event::WillMessage;
use crate::{Instant, Publication, Receipt, SubscriptionIdentifiers};

/// A message that was published.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Arrival {
    pub(super) message: Message,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) expires_at: Instant,
}

impl Arrival {
    /// `None` if the message is too long to be kept, which no received message is.
    pub(super) fn new(now: Instant, publish: &Publish<'_>) -> Option<Self> {
        let message = Message::new(publish).ok()?;
        let expiry = match publish.properties.is_empty() {
            true => None,
            false => publish.properties.message_expiry_interval(),
        };
        Some(Arrival::with(now, message, publish.delivery.qos(), expiry))
    }

    /// A message that comes now: its Message Expiry Interval begins to run.
    pub(super) fn of(now: Instant, message: Message, qos: Qos) -> Self {
        let expiry = match message.has_properties() {
            true => message.publish().properties.message_expiry_interval(),
            false => None,
        };
        Arrival::with(now, message, qos, expiry)
    }

    fn with(now: Instant, message: Message, qos: Qos, expiry: Option<u32>) -> Self {
        // Its properties go on as they are, and in their order [MQTT-3.3.2-4] [MQTT-3.3.2-15]
        // [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18] [MQTT-3.3.2-20].
        #[cfg(mqtt5_faults)]
        let message = super::faults::properties(message);
        Arrival {
            retain: message.retain(),
            expires_at: expiry.map_or(Instant::NEVER, |seconds| now.plus_seconds(seconds)),
            message,
            qos,
        }
    }
}

/// To how many a message goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fanout {
    /// The subscriptions that match, without Shared Subscriptions.
    pub subscriptions: u32,
    /// The groups of Shared Subscriptions that match. One member of each is to receive it.
    pub groups: u32,
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
    pub(super) found: Vec<Hit>,
    pub(super) groups: GroupHits,
    /// Sessions that have yet to get retained messages, perhaps the one of this topic.
    pub(super) walkers: Vec<Key>,
}

impl Hits {
    pub(super) const fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }

    fn clear(&mut self) {
        self.found.clear();
        self.groups.clear();
        self.walkers.clear();
    }
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
        let now = self.at(now);
        let arrival = Arrival::of(now, message, qos);
        let routed = self.route(now, None, arrival, None);
        let fanout = Fanout {
            subscriptions: self.hits.found.len() as u32,
            groups: self.hits.groups.len() as u32,
        };
        match routed {
            Routed::Done(code) if code.is_error() => Err(code),
            Routed::Done(_) | Routed::Job => Ok(fanout),
        }
    }

    /// Publishes a Will [MQTT-3.1.2-8], to be retained if it says so [MQTT-3.1.2-14]
    /// [MQTT-3.1.2-15] [MQTT3-3.1.2-16] [MQTT3-3.1.2-17].
    pub(super) fn publish_will(&mut self, now: Instant, client: Key, will: WillMessage) {
        if fault!("MQTT-3.1.2-8") {
            return;
        }
        let arrival = Arrival::of(now, will.message, will.qos);
        #[cfg(mqtt5_faults)]
        let arrival = super::faults::will(arrival);
        let routed = self.route(now, Some(client), arrival, None);
        if matches!(routed, Routed::Done(ReasonCode::QuotaExceeded)) {
            self.drop_for(client, DropReason::WillOverBudget);
        }
    }

    /// Stores the message if it is to be retained, and gives it to all subscriptions that match,
    /// or begins to. It is from a client, or from the host.
    pub(super) fn route(
        &mut self,
        now: Instant,
        from: Option<Key>,
        arrival: Arrival,
        receipt: Option<Receipt>,
    ) -> Routed {
        self.statistics.published += 1;
        self.hits.clear();
        let topic = arrival.message.topic();
        self.find(from, topic, |_, _| true);
        let is_job = self.hits.found.len() > self.config.fan_out_slice.max(1) as usize
            || self.has_jobs_of(from);
        let Some(body) = self.charge(&arrival, is_job) else {
            self.hits.clear();
            return Routed::Done(ReasonCode::QuotaExceeded);
        };
        let is_retained = arrival.retain || fault!("MQTT-3.3.1-8");
        if is_retained && !self.retain(now, from, &arrival, body) {
            self.hits.clear();
            self.ledger.release(body);
            return Routed::Done(ReasonCode::QuotaExceeded);
        }
        if !arrival.retain {
            self.send_ahead(now, topic);
        }
        let has_groups = !self.hits.groups.is_empty();
        self.route_to_groups(now, &arrival, body);
        if self.hits.found.is_empty() {
            self.ledger.release(body);
            if has_groups {
                return Routed::Done(ReasonCode::Success);
            }
            self.statistics.unmatched += 1;
            return Routed::Done(ReasonCode::NoMatchingSubscribers);
        }
        if is_job {
            self.begin_job(from, arrival, body, receipt);
            return Routed::Job;
        }
        let found = core::mem::take(&mut self.hits.found);
        self.copy_to_all(now, &arrival, body, &found);
        self.hits.found = found;
        self.ledger.release(body);
        Routed::Done(ReasonCode::Success)
    }

    /// The subscribers that a message has yet to reach, which was on its way when the process ended:
    /// those behind the last one that has it, without the subscriptions that were made later.
    pub(super) fn hits_of_job(
        &mut self,
        from: Option<Key>,
        message: &Message,
        job: u64,
        position: u64,
    ) -> Vec<Hit> {
        let jobs = core::mem::take(&mut self.jobs);
        self.hits.clear();
        self.find(from, message.topic(), |session, filter| {
            session > position && !jobs.is_later(session, filter, job)
        });
        self.jobs = jobs;
        self.hits.groups.clear();
        core::mem::take(&mut self.hits.found)
    }

    /// Charges a message to the budget of all. Returns its number; `None` if it exceeds the budget.
    fn charge(&mut self, arrival: &Arrival, is_job: bool) -> Option<NonZeroU64> {
        let size = arrival.message.size();
        let charged = match is_job {
            true => size + self.hits.found.len() * size_of::<Hit>(),
            false => size,
        };
        let bytes = self.ledger.bodies.bytes() + charged as u64;
        if bytes > self.config.limits.message_bytes {
            self.statistics.refused += 1;
            return None;
        }
        Some(self.ledger.bodies.begin(size))
    }

    fn retain(
        &mut self,
        now: Instant,
        from: Option<Key>,
        arrival: &Arrival,
        body: NonZeroU64,
    ) -> bool {
        let publisher = from.and_then(|key| self.clients.get(key));
        let publisher = publisher.map(|it| it.session.client_identifier());
        let message = arrival.message.clone();
        let (qos, expires_at) = (arrival.qos, arrival.expires_at);
        let stored = self
            .retained
            .retain(now, message, qos, expires_at, Some(body), publisher);
        let Ok(changes) = stored else {
            let recipient = Recipient::Retained {
                topic: arrival.message.topic().as_str().into(),
                publisher: publisher.map(Into::into),
            };
            self.statistics.refused += 1;
            let reason = DropReason::RetainedFull;
            self.notice(Notice::Dropped { recipient, reason });
            return false;
        };
        self.arm_retained();
        if changes.stored.is_some() {
            self.ledger.bodies.hold(body);
        }
        for expired in &changes.expired {
            self.note_retained(expired.message.topic(), Some(expired));
        }
        if changes.stored.is_some() || changes.removed.is_some() {
            self.note_retained(arrival.message.topic(), changes.removed.as_ref());
        }
        true
    }

    /// Finds the subscriptions that match [MQTT-3.3.2-3] [MQTT3-3.3.2-3], in the order of the Sessions. `keep` is
    /// asked about each one, by the number of its Session and its filter.
    fn find(&mut self, from: Option<Key>, topic: TopicName<'_>, keep: impl Fn(u64, &str) -> bool) {
        let Broker {
            index,
            shared,
            clients,
            hits,
            statistics,
            ..
        } = self;
        // The Topic Name as it is [MQTT-4.7.3-4] [MQTT3-4.7.3-4].
        #[cfg(mqtt5_faults)]
        let topic = super::faults::topic(topic);
        let visits = index.matches(topic, &mut hits.scratch, |matched| {
            for subscription in matched.subscriptions() {
                let granted = *subscription.value();
                let key = clients.key_of(subscription.subscriber());
                let Some((key, client)) = key.and_then(|key| Some((key, clients.get(key)?))) else {
                    continue;
                };
                if client.has_ended {
                    continue;
                }
                if !client.walks.is_empty() {
                    hits.walkers.push(key);
                }
                // [MQTT-3.8.3-3]
                if granted.no_local() && from == Some(key) && !fault!("MQTT-3.8.3-3") {
                    continue;
                }
                if !keep(client.number, matched.filter().as_str()) {
                    continue;
                }
                hits.found.push(Hit {
                    number: client.number,
                    client: key,
                    granted,
                });
            }
        });
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
        if hits.found.len() < 2 {
            return;
        }
        // In an order that does not depend on that of the index.
        hits.found.sort_unstable_by_key(|hit| {
            let number = fault!(
                "an order of the hash tables shows",
                hit.number,
                hit.number ^ self.config.seed
            );
            (number, hit.granted.bits())
        });
    }
}

/// Those of the first hits that one copy of the message serves.
pub(super) fn copies(hits: &[Hit], overlap: Overlap) -> &[Hit] {
    let mut count = 1;
    if let (Overlap::OneCopy, Some((first, rest))) = (overlap, hits.split_first()) {
        count += rest
            .iter()
            .take_while(|hit| hit.client == first.client)
            .count();
    }
    hits.get(..count).unwrap_or_default()
}

/// The copy of a message for a client, by the subscriptions that match (section 3.3.4).
#[inline]
pub(super) fn copy_for(arrival: &Arrival, body: NonZeroU64, subscriptions: &[Hit]) -> Publication {
    let mut identifiers = SubscriptionIdentifiers::NONE;
    let (mut granted, mut as_published) = (Qos::AtMostOnce, false);
    for subscription in subscriptions.iter().map(|hit| hit.granted) {
        // [MQTT-3.3.4-2] [MQTT3-3.3.5-1]
        granted = fault!(
            "MQTT-3.3.4-2",
            granted.max(subscription.qos()),
            subscriptions.first().map_or(granted, |it| it.granted.qos())
        );
        as_published |= subscription.retain_as_published();
        // [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5]
        if let Some(identifier) = subscription.identifier() {
            identifiers.push(identifier);
        }
    }
    #[cfg(mqtt5_faults)]
    let identifiers = super::faults::identifiers(identifiers, subscriptions);
    Publication {
        // [MQTT-3.3.1-12] [MQTT3-3.3.1-9] [MQTT-3.3.1-13]
        retain: fault!("MQTT-3.3.1-13", arrival.retain, false)
            && (as_published || fault!("MQTT-3.3.1-12")),
        subscription_identifiers: identifiers,
        expires_at: (arrival.expires_at != Instant::NEVER).then_some(arrival.expires_at),
        body: Some(body),
        // [MQTT-3.8.4-8] [MQTT3-3.8.4-6]
        ..Publication::new(
            fault!("MQTT-3.8.4-8", arrival.qos.min(granted), granted),
            arrival.message.clone(),
        )
    }
}
