//! Records of what is no part of a Session's own state.

use alloc::vec::Vec;

use super::Broker;
use super::clients::Client;
use super::granted::Granted;
use super::retained::RetainedMessage;
use super::slots::Key;

impl Broker {
    /// Notes whose Session it is.
    pub(super) fn note_principal(&mut self, key: Key) {
        #[cfg(feature = "persistence")]
        if let (true, Some(client)) = (self.is_persistent(), self.clients.get_mut(key)) {
            let principal = Some(&*client.principal);
            self.ledger.journal.principal(client.number, principal);
            client.depends_on = self.ledger.last();
        }
        #[cfg(not(feature = "persistence"))]
        let _ = key;
    }

    /// The Session has ended.
    pub(super) fn end_principal(&mut self, key: Key) {
        #[cfg(feature = "persistence")]
        if let (true, Some(client)) = (self.is_persistent(), self.clients.get(key)) {
            self.ledger.journal.principal(client.number, None);
        }
        #[cfg(not(feature = "persistence"))]
        let _ = key;
    }

    /// Notes a subscription as it is now.
    pub(super) fn note_subscription(&mut self, key: Key, filter: &str, granted: Option<Granted>) {
        #[cfg(feature = "persistence")]
        if let (true, Some(client)) = (self.is_persistent(), self.clients.get_mut(key)) {
            self.ledger
                .journal
                .subscription(client.number, filter, granted);
            client.depends_on = self.ledger.last();
        }
        #[cfg(not(feature = "persistence"))]
        let _ = (key, filter, granted);
    }

    /// Notes how far the retained messages for a subscription have come.
    pub(super) fn note_walk(&mut self, key: Key, filter: &str) {
        #[cfg(feature = "persistence")]
        if let (true, Some(client)) = (self.is_persistent(), self.clients.get_mut(key)) {
            let walk = client
                .walks
                .iter()
                .find(|walk| walk.cursor.filter() == filter);
            self.ledger.journal.walk(client.number, filter, walk);
            client.depends_on = self.ledger.last();
        }
        #[cfg(not(feature = "persistence"))]
        let _ = (key, filter);
    }

    /// Removes all subscriptions of a Session.
    pub(super) fn end_subscriptions(&mut self, key: Key) {
        let subscriber = Client::subscriber(key);
        if self.is_persistent() {
            let filters: Vec<alloc::boxed::Box<str>> = self
                .index
                .of_subscriber(subscriber)
                .map(|(filter, _)| filter.as_str().into())
                .chain(
                    self.groups
                        .of_subscriber(subscriber)
                        .map(|(group, _)| group.filter().into()),
                )
                .collect();
            for filter in filters {
                self.note_subscription(key, &filter, None);
            }
        }
        self.index.remove_subscriber(subscriber);
    }

    /// Notes the retained message of a topic as it is now, and lets the former one go.
    pub(super) fn note_retained(&mut self, topic: &str, former: Option<&RetainedMessage>) {
        #[cfg(feature = "persistence")]
        if self.is_persistent() {
            if let Ok(name) = mqtt5_codec::TopicName::new(topic) {
                let retained = self.retained.get(crate::Instant::ORIGIN, name);
                if let Some((number, message)) =
                    retained.and_then(|it| Some((it.body?, it.message.clone())))
                {
                    self.ledger.record_body(number, &message);
                }
                let retained = self.retained.get(crate::Instant::ORIGIN, name);
                self.ledger.journal.retained(topic, retained);
            }
        }
        #[cfg(not(feature = "persistence"))]
        let _ = topic;
        if let Some(number) = former.and_then(|former| former.body) {
            self.ledger.release(number);
        }
    }
}
