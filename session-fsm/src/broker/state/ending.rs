//! The end of a Session (section 4.1): at once for its Client, in slices for all that it leaves.

use alloc::boxed::Box;

use mqtt5_codec::TopicFilter;

use super::clients::Client;
use super::deadlines::Due;
use super::slots::Key;
use super::{Broker, Notice};
use crate::Instant;

impl Broker {
    /// A Session has ended. Nothing finds it any more; [`Broker::end_slice`] removes the rest.
    pub(super) fn session_ended(&mut self, now: Instant, key: Key) {
        let Some(client) = self.clients.get_mut(key).filter(|it| !it.has_ended) else {
            return;
        };
        let client_identifier = client.session.client_identifier().into();
        let link = client.connection.take();
        if let Some(link) = link.and_then(|link| self.links.get_mut(link)) {
            link.depends_on = link.depends_on.max(client.depends_on);
            link.client = None;
        }
        self.clients.end(key);
        self.deadlines.disarm(Due::Client(key.slot));
        self.groups.away(Client::subscriber(key));
        self.drop_from_groups(now);
        self.ending.push_back(key);
        self.notice(Notice::SessionEnded { client_identifier });
    }

    /// Removes what is left of the next Session that has ended, but no retained messages
    /// [MQTT3-3.1.2-7].
    pub(super) fn end_slice(&mut self, now: Instant, budget: &mut u32) {
        let Some(key) = self.ending.pop_front() else {
            return;
        };
        while self.end_step(now, key) {
            *budget = budget.saturating_sub(1);
            if *budget == 0 {
                self.ending.push_front(key);
                return;
            }
        }
        #[cfg(mqtt5_faults)]
        if fault!("MQTT3-3.1.2-7") {
            self.forget_retained();
        }
        self.end_owner(key);
        self.clients.remove(key);
    }

    /// Removes one thing; `false` if nothing is left.
    fn end_step(&mut self, now: Instant, key: Key) -> bool {
        let subscriber = Client::subscriber(key);
        let walk = self
            .clients
            .get_mut(key)
            .and_then(|it| it.walks.pop_front());
        if let Some(walk) = walk {
            self.note_walk(key, walk.cursor.filter());
            return true;
        }
        let subscription = self.index.of_subscriber(subscriber).next();
        let filter: Option<Box<str>> = subscription.map(|(filter, _)| filter.as_str().into());
        if let Some(filter) = filter {
            let number = self.clients.get(key).map_or(0, |client| client.number);
            self.jobs.unsubscribed(number, &filter);
            if let Ok(filter) = TopicFilter::new(&filter) {
                self.index.remove(filter, subscriber);
            }
            self.note_subscription(key, &filter, None);
            return true;
        }
        let membership = self.groups.of_subscriber(subscriber).next();
        let filter: Option<Box<str>> = membership.map(|(group, _)| group.filter().into());
        if let Some(filter) = filter {
            if let Ok(filter) = TopicFilter::new(&filter) {
                self.leave(now, key, filter);
            }
            self.note_subscription(key, &filter, None);
            return true;
        }
        fault!(
            "what a member had ends with it",
            self.give_back(now, subscriber),
            false
        )
    }
}
