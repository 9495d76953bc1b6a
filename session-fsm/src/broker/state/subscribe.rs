//! SUBSCRIBE and UNSUBSCRIBE (sections 3.8, 3.10).

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtt5_codec::framing::Frame;
use mqtt5_codec::{Packet, ProtocolVersion, ReasonCode, RetainHandling, Subscription, TopicFilter};

use super::clients::{Client, Walk};
use super::question::Codes;
use super::slots::Key;
use super::subscriptions::MatchingPart;
use super::{AnswerError, Broker, Grant, Granted, Notice, Question};
use crate::{Instant, SendError};

impl Broker {
    /// Answers a SUBSCRIBE, with a grant for each of its Topic Filters, in their order. Filters
    /// without one are refused with 0x87.
    ///
    /// # Errors
    ///
    /// [`AnswerError::Gone`] if the connection is over. [`AnswerError::Send`] if it was not a
    /// SUBSCRIBE, or has been answered.
    pub fn answer_subscribe(
        &mut self,
        now: Instant,
        question: &Question,
        grants: &[Grant],
    ) -> Result<(), AnswerError> {
        let now = self.at(now);
        let key = question.connection.0;
        let link = self.links.get(key).ok_or(AnswerError::Gone)?;
        let not_expected = AnswerError::Send(SendError::NotExpected);
        let client = link.client.ok_or(not_expected)?;
        let Packet::Subscribe(packet) = question.packet() else {
            return Err(not_expected);
        };
        let number = packet.packet_identifier;
        let owes = self.with(key, |lent| lent.owes_suback(number)) == Some(true);
        if !owes && !fault!("a SUBSCRIBE is answered twice") {
            return Err(not_expected);
        }
        let version = question.version();
        let identifier = packet.properties.subscription_identifier();
        let mut grants = grants.iter();
        let mut codes = Codes::new();
        // One behind the other, as if each came alone [MQTT-3.8.4-5] [MQTT3-3.8.4-4].
        for subscription in packet.subscriptions.iter() {
            let grant = grants.next();
            let code = match grant {
                Some(Grant::UpTo(_)) if self.refuses_share(version, subscription.filter) => {
                    ReasonCode::TopicFilterInvalid
                }
                Some(Grant::UpTo(_))
                    if self.refuses_wildcards(version, client, subscription.filter) =>
                {
                    ReasonCode::WildcardSubscriptionsNotSupported
                }
                Some(&Grant::UpTo(qos)) if !codes.is_empty() && fault!("MQTT3-3.8.4-4") => {
                    ReasonCode::granted(qos)
                }
                Some(&Grant::UpTo(qos)) => {
                    let qos = qos.min(subscription.options.maximum_qos);
                    let granted = Granted::new(
                        qos,
                        subscription.options,
                        fault!(
                            "MQTT-3.8.4-5",
                            identifier,
                            identifier.filter(|_| codes.is_empty())
                        ),
                    );
                    self.subscribe(now, client, &subscription, granted)
                }
                Some(&Grant::Refuse(code)) => {
                    #[cfg(mqtt5_faults)]
                    if fault!("retained messages for a refused filter") {
                        let granted = Granted::new(
                            subscription.options.maximum_qos,
                            subscription.options,
                            None,
                        );
                        self.subscribe(now, client, &subscription, granted);
                    }
                    code
                }
                None => ReasonCode::NotAuthorized,
            };
            codes.push(code);
        }
        let _ = self.with(key, |mut lent| {
            lent.acknowledge_subscribe(now, number, &codes, &[])
        });
        self.ready(key);
        self.arm(key);
        self.has_room(client);
        Ok(())
    }

    /// Whether a filter of a client of MQTT 3.1.1 is refused because it begins with `$share/`: it is not the filter of a
    /// Shared Subscription, or such clients may have none.
    fn refuses_share(&self, version: ProtocolVersion, filter: TopicFilter<'_>) -> bool {
        version == ProtocolVersion::V3_1_1
            && filter.has_share_prefix()
            && !(filter.is_shared() && self.config.shared_subscriptions_in_3_1_1)
    }

    /// Whether a filter of a client of MQTT 3.1.1 is refused because it has wildcards [MQTT3-3.8.3-2]. A client of MQTT 5
    /// is told in its CONNACK that wildcards are not available; the machine closes its connection if it uses one.
    fn refuses_wildcards(
        &self,
        version: ProtocolVersion,
        client: Key,
        filter: TopicFilter<'_>,
    ) -> bool {
        version == ProtocolVersion::V3_1_1
            && MatchingPart::from(filter).has_wildcard()
            && self.clients.get(client).is_some_and(|it| !it.wildcards)
            && !fault!("MQTT3-3.8.3-2")
    }

    fn subscribe(
        &mut self,
        now: Instant,
        key: Key,
        subscription: &Subscription<'_>,
        granted: Granted,
    ) -> ReasonCode {
        let filter = subscription.filter;
        let added = self
            .check_filter(key, filter)
            .and_then(|()| self.add_filter(now, key, filter, granted));
        let is_new = match added {
            Ok(is_new) => is_new,
            Err(code) => {
                self.refused_for(key, code);
                return code;
            }
        };
        let Some(client) = self.clients.get_mut(key) else {
            return ReasonCode::UnspecifiedError;
        };
        if is_new {
            client.charge_filter(filter);
        }
        if filter.is_shared() {
            self.note_subscription(key, filter.as_str(), Some((granted, 0)));
            return ReasonCode::granted(granted.qos());
        }
        // [MQTT-3.3.1-9] [MQTT3-3.3.1-6] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4]
        let sends = match subscription.options.retain_handling {
            RetainHandling::Send => {
                fault!("MQTT-3.3.1-9", fault!("MQTT-3.8.4-4", true, is_new), false)
            }
            RetainHandling::SendIfNew => is_new || fault!("MQTT-3.3.1-10"),
            RetainHandling::DoNotSend => fault!("MQTT-3.3.1-11"),
        };
        if sends {
            let cursor = self.retained.cursor(filter);
            client
                .walks
                .retain(|walk| walk.cursor.filter() != filter.as_str());
            client.walks.push_back(Walk { cursor, granted });
        } else {
            // [MQTT-3.3.4-3]: what is still to come is of the new one.
            let is_it = |walk: &&mut Walk| walk.cursor.filter() == filter.as_str();
            if let Some(walk) = client.walks.iter_mut().find(is_it) {
                walk.granted = granted;
            }
        }
        let number = client.number;
        let since = (self.jobs).subscribed(number, filter.as_str(), is_new);
        self.note_subscription(key, filter.as_str(), Some((granted, since)));
        self.note_walk(key, filter.as_str());
        ReasonCode::granted(granted.qos())
    }

    /// Adds a filter, or replaces what was granted for it. Returns whether it is a new one.
    fn add_filter(
        &mut self,
        now: Instant,
        key: Key,
        filter: TopicFilter<'_>,
        granted: Granted,
    ) -> Result<bool, ReasonCode> {
        if filter.is_shared() {
            return self.join(now, key, filter, granted);
        }
        #[cfg(mqtt5_faults)]
        self.replace_wrongly(key, filter);
        if fault!("MQTT-3.8.4-3") && self.index.value(filter, Client::subscriber(key)).is_some() {
            return Ok(false);
        }
        let inserted = self.index.insert(filter, Client::subscriber(key), granted);
        let before = inserted.map_err(|_| ReasonCode::QuotaExceeded)?;
        Ok(before.is_none())
    }

    /// Whether a client may have one more filter.
    fn check_filter(&self, key: Key, filter: TopicFilter<'_>) -> Result<(), ReasonCode> {
        let client = self.clients.get(key).ok_or(ReasonCode::UnspecifiedError)?;
        let limits = &client.limits;
        let part = MatchingPart::from(filter);
        let most = match part.has_wildcard() {
            true => limits.wildcard_levels,
            false => limits.topic_levels,
        };
        if part.levels() > usize::from(most) {
            return Err(ReasonCode::TopicFilterInvalid);
        }
        let subscriber = Client::subscriber(key);
        let is_known = match filter.is_shared() {
            true => {
                (self.groups.find_filter(filter)).is_some_and(|it| it.value(subscriber).is_some())
            }
            false => self.index.value(filter, subscriber).is_some(),
        };
        if is_known {
            return Ok(());
        }
        let own = self.index.count_of_subscriber(subscriber) + client.memberships as usize;
        let all = self.index.len() + self.groups.memberships();
        let fits = part.single_level_wildcards() <= usize::from(limits.single_level_wildcards)
            && own < limits.subscriptions as usize
            && all < self.config.limits.subscriptions as usize
            && client.index_nodes as usize + part.nodes() <= limits.index_nodes as usize
            && client.filter_bytes as usize + filter.as_str().len() <= limits.filter_bytes as usize;
        match fits {
            true => Ok(()),
            false => Err(ReasonCode::QuotaExceeded),
        }
    }

    pub(super) fn unsubscribe(&mut self, now: Instant, key: Key, client: Key, frame: &Frame) {
        let version = self.with(key, |lent| lent.version());
        let packet = version.map(|version| frame.decode(version));
        let Some(Ok(Packet::Unsubscribe(packet))) = packet else {
            return;
        };
        #[cfg(mqtt5_faults)]
        let first = packet.filters.iter().next();
        let codes: Vec<ReasonCode> = packet
            .filters
            .iter()
            // One behind the other, as if each came alone [MQTT-3.10.4-6] [MQTT3-3.10.4-6].
            .map(|filter| {
                self.unsubscribe_from(
                    now,
                    client,
                    fault!("MQTT-3.10.4-6", filter, first.unwrap_or(filter)),
                )
            })
            .collect();
        let number = packet.packet_identifier;
        let _ = self.with(key, |mut lent| {
            lent.acknowledge_unsubscribe(now, number, &codes, &[])
        });
    }

    /// A request of a client exceeds a limit.
    pub(super) fn refused(&mut self, client_identifier: &str, reason_code: ReasonCode) {
        self.notice(Notice::Refused {
            client_identifier: client_identifier.into(),
            reason_code,
        });
    }

    pub(super) fn refused_for(&mut self, key: Key, reason_code: ReasonCode) {
        let client = self.clients.get(key);
        let identifier: Option<Box<str>> = client.map(|it| it.session.client_identifier().into());
        if let Some(identifier) = identifier {
            self.refused(&identifier, reason_code);
        }
    }

    /// Ends the subscription with exactly this filter [MQTT-3.10.4-1]. Nothing is added any more that
    /// is to be sent for it [MQTT-3.10.4-2]; what was sent is completed [MQTT-3.10.4-3]. In MQTT 3.1.1 these are
    /// [MQTT3-3.10.4-1], [MQTT3-3.10.4-2] and [MQTT3-3.10.4-3].
    pub(super) fn unsubscribe_from(
        &mut self,
        now: Instant,
        key: Key,
        filter: TopicFilter<'_>,
    ) -> ReasonCode {
        #[cfg(mqtt5_faults)]
        self.unsubscribe_wrongly(key, filter);
        if filter.is_shared() {
            if !self.leave(now, key, filter) {
                return ReasonCode::NoSubscriptionExisted;
            }
            #[cfg(mqtt5_faults)]
            while fault!("an UNSUBSCRIBE gives back what was sent")
                && self.give_back(now, Client::subscriber(key))
            {}
            if let Some(client) = self.clients.get_mut(key) {
                client.release_filter(filter);
            }
            self.note_subscription(key, filter.as_str(), None);
            return ReasonCode::Success;
        }
        if fault!("MQTT3-3.10.4-2") {
            return ReasonCode::Success;
        }
        if self.index.remove(filter, Client::subscriber(key)).is_none() {
            return ReasonCode::NoSubscriptionExisted;
        }
        if let Some(client) = self.clients.get_mut(key) {
            client.release_filter(filter);
            client
                .walks
                .retain(|walk| walk.cursor.filter() != filter.as_str() || fault!("MQTT-3.10.4-2"));
            self.jobs.unsubscribed(client.number, filter.as_str());
        }
        self.note_subscription(key, filter.as_str(), None);
        self.note_walk(key, filter.as_str());
        ReasonCode::Success
    }
}
