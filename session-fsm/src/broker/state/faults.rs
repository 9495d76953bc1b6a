//! Deliberate faults that take more than a line.

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use mqtt5_codec::{
    Message, Properties, Property, PropertyIdentifier, Publish, TopicFilter, TopicName,
};

use super::clients::Client;
use super::publish::{Arrival, Hit};
use super::slots::Key;
use super::{Broker, Granted};
use crate::SubscriptionIdentifiers;

/// A Will Message on its way.
pub(super) fn will(arrival: Arrival) -> Arrival {
    Arrival {
        retain: fault!("MQTT-3.1.2-14", arrival.retain, true) && !fault!("MQTT-3.1.2-15"),
        ..arrival
    }
}

/// A message that came.
pub(super) fn properties(message: Message) -> Message {
    use PropertyIdentifier as Name;
    let without = [
        (fault!("MQTT-3.3.2-4"), Name::PayloadFormatIndicator),
        (fault!("MQTT-3.3.2-15"), Name::ResponseTopic),
        (fault!("MQTT-3.3.2-16"), Name::CorrelationData),
        (fault!("MQTT-3.3.2-17"), Name::UserProperty),
        (fault!("MQTT-3.3.2-20"), Name::ContentType),
    ];
    let publish = message.publish();
    let properties = publish.properties.iter();
    let mut kept: Vec<Property<'_>> = properties
        .filter(|it| !without.contains(&(true, it.identifier())))
        .collect();
    if fault!("MQTT-3.3.2-18") {
        kept.reverse();
    }
    let changed = Properties::new(&kept).map(|properties| Publish {
        properties,
        ..publish
    });
    let changed = changed.ok().and_then(|publish| Message::new(&publish).ok());
    changed.unwrap_or(message)
}

/// The Subscription Identifiers of a copy.
pub(super) fn identifiers(
    right: SubscriptionIdentifiers,
    subscriptions: &[Hit],
) -> SubscriptionIdentifiers {
    let first = subscriptions.iter().find_map(|it| it.granted.identifier());
    let is_one = subscriptions.len() == 1;
    if fault!("MQTT-3.3.4-3") || (is_one && fault!("MQTT-3.3.4-5")) {
        return SubscriptionIdentifiers::NONE;
    }
    match first {
        Some(first) if fault!("MQTT-3.3.4-4") => first.into(),
        _ => right,
    }
}

/// The matches of one client, with those of all others.
pub(super) fn of_all_clients(of_client: &[Hit], all: &[Hit]) -> Vec<Hit> {
    let mut hits = of_client.to_vec();
    if let (Some(&first), true) = (of_client.first(), fault!("identifiers of other clients")) {
        let others = all.iter().filter(|hit| hit.client != first.client);
        hits.extend(others.map(|hit| Hit {
            granted: hit.granted,
            ..first
        }));
    }
    hits
}

/// The Topic Name whose subscriptions are looked for.
pub(super) fn topic(topic: TopicName<'_>) -> TopicName<'_> {
    let text = topic.as_str();
    let parent = text.rsplit_once('/').map(|(parent, _)| parent);
    let parent = parent.filter(|_| fault!("MQTT-3.3.2-3"));
    let trimmed = text.strip_suffix('/').filter(|_| fault!("MQTT-4.7.3-4"));
    let changed = parent.or(trimmed).and_then(|it| TopicName::new(it).ok());
    changed.unwrap_or(topic)
}

impl Broker {
    /// A subscription is about to be replaced.
    pub(super) fn replace_wrongly(&mut self, key: Key, filter: TopicFilter<'_>) {
        let granted = self.index.value(filter, Client::subscriber(key)).copied();
        if let (Some(granted), true) = (granted, fault!("MQTT-3.8.4-4 on its way")) {
            let bytes = self.jobs.withdraw(key, filter, granted);
            self.ledger.bodies.give_back(bytes);
        }
    }

    /// An UNSUBSCRIBE has come.
    pub(super) fn unsubscribe_wrongly(&mut self, key: Key, filter: TopicFilter<'_>) {
        let subscriber = Client::subscriber(key);
        if fault!("MQTT-3.10.4-1") {
            let all = self.index.of_subscriber(subscriber);
            let matched = all.filter(|(it, _): &(_, &Granted)| {
                TopicName::new(it.as_str()).is_ok_and(|it| filter.matches(it))
            });
            let matched: Vec<_> = matched.map(|(it, _)| it.as_str().to_owned()).collect();
            for text in &matched {
                if let Ok(filter) = TopicFilter::new(text) {
                    self.index.remove(filter, subscriber);
                }
            }
        }
        if fault!("MQTT-3.10.4-3") {
            self.forget_what_was_sent(key);
        }
    }

    /// All retained messages are removed.
    pub(super) fn forget_retained(&mut self) {
        let all = self.retained.iter();
        let topics: Vec<_> = all
            .map(|it| it.message.topic().as_str().to_owned())
            .collect();
        for topic in &topics {
            if let Ok(topic) = TopicName::new(topic) {
                self.retained.remove(topic);
            }
        }
    }

    /// What a client has not acknowledged is forgotten.
    pub(super) fn forget_what_was_sent(&mut self, key: Key) {
        if let Some(client) = self.clients.get_mut(key) {
            client.session.sender.reset();
        }
    }

    /// Another connection is about to take over the Session of a client.
    pub(super) fn take_over_wrongly(&mut self, key: Key) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if fault!("no Will at a takeover") {
            client.session.delete_will();
        }
        if fault!("a takeover prolongs the Session") {
            client.session.change_expiry(100);
        }
        while fault!("messages lost at a takeover") {
            if client
                .session
                .waiting
                .pop(mqtt5_codec::Qos::AtLeastOnce)
                .is_none()
            {
                break;
            }
        }
    }

    /// Whether a message waits for any client.
    pub(super) fn has_slow_clients(&self) -> bool {
        let mut clients = self.clients.iter();
        clients.any(|(_, client)| client.session.waiting() > 0)
    }
}
