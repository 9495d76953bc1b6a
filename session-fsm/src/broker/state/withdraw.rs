//! Rights that were given, and are taken back.

use alloc::vec::Vec;

use mqtt5_codec::{ReasonCode, TopicFilter, TopicName};

use super::clients::Client;
use super::slots::Key;
use super::{Broker, Notice};
use crate::{Instant, MessageState, Token, UnsettledKind};

impl Broker {
    /// Takes a subscription back from a client, connected or not, for instance because it has lost
    /// the right to it. The subscription ends, with the retained messages that are still to come,
    /// and with the messages that wait for the client, were not sent, and match no other
    /// subscription of it. Returns whether there was one.
    ///
    /// The client does not hear of it: MQTT has no packet for that. [`Broker::kick`] tells it.
    pub fn withdraw(
        &mut self,
        now: Instant,
        client_identifier: &str,
        filter: TopicFilter<'_>,
    ) -> bool {
        let now = self.at(now);
        let Some(key) = self.clients.find(client_identifier) else {
            return false;
        };
        let granted = self.index.value(filter, Client::subscriber(key)).copied();
        if self.unsubscribe_from(now, key, filter) != ReasonCode::Success {
            return false;
        }
        if let Some(granted) = granted.filter(|_| !filter.is_shared()) {
            let bytes = self.jobs.withdraw(key, filter, granted);
            self.ledger.bodies.give_back(bytes);
        }
        let only_for = self.only_for(key, filter);
        for token in fault!("a withdrawn right leaves what waits", only_for, Vec::new()) {
            if let Some(client) = self.clients.get_mut(key) {
                // Its outcome comes with the next packets; a crash before them must not bring it back.
                if client.session.withdraw(token).is_ok() {
                    self.ledger.message_ended(client, token);
                }
                self.ledger.note(client);
            }
        }
        let link = self.clients.get(key).and_then(|it| it.connection);
        match link {
            Some(link) => self.ready(link),
            None => self.settle(now, key),
        }
        self.notice(Notice::Withdrawn {
            client_identifier: client_identifier.into(),
            filter: filter.as_str().into(),
        });
        true
    }

    /// Takes the right to publish its Will back from a client, connected or not: the Will is deleted.
    /// Returns whether there was one.
    pub fn withdraw_will(&mut self, now: Instant, client_identifier: &str) -> bool {
        let _ = self.at(now);
        let Some(key) = self.clients.find(client_identifier) else {
            return false;
        };
        let Some(client) = self.clients.get_mut(key) else {
            return false;
        };
        let was_there = client.session.delete_will();
        self.ledger.note(client);
        was_there
    }

    /// The messages that wait for a client and match no subscription but this, which has ended.
    fn only_for(&mut self, key: Key, filter: TopicFilter<'_>) -> Vec<Token> {
        let Some(client) = self.clients.get(key).filter(|_| !filter.is_shared()) else {
            return Vec::new();
        };
        let waiting = client.session.unsettled().filter_map(|it| match it.kind {
            UnsettledKind::Message {
                message: Some(message),
                state: MessageState::Waiting | MessageState::InFlight { sent: false, .. },
                ..
            } => Some((it.token, message.clone())),
            _ => None,
        });
        let matching = waiting.filter(|(_, message)| filter.matches(message.topic()));
        let mut matching: Vec<_> = matching.collect();
        matching.retain(|(_, message)| !self.is_subscribed(key, message.topic()));
        matching.into_iter().map(|(token, _)| token).collect()
    }

    fn is_subscribed(&mut self, key: Key, topic: TopicName<'_>) -> bool {
        let subscriber = Client::subscriber(key);
        let Broker { index, hits, .. } = self;
        let mut found = false;
        index.matches(topic, hits.scratch(), |matched| {
            found = found || index.value(matched.filter(), subscriber).is_some();
        });
        found
    }
}
