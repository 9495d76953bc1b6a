//! What a Session owes its client.

use super::super::config::{Wanted, is_shared, matches};
use super::super::packet::Got;
use super::{Message, NEVER, Publisher, Session};

/// One copy of a message, for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::broker_world) struct Copy {
    pub(in crate::broker_world) message: Message,
    pub(in crate::broker_world) qos: u8,
    pub(in crate::broker_world) retain: bool,
    /// The Subscription Identifiers, one bit for each, and how many there are.
    pub(in crate::broker_world) subscriptions: u32,
    pub(in crate::broker_world) count: u8,
    pub(in crate::broker_world) state: State,
    /// It was sent on the present connection, in its present state.
    pub(in crate::broker_world) is_sent: bool,
    /// A broker that was lost may have sent it.
    pub(in crate::broker_world) may_be_sent: bool,
    /// The filter of the subscription for which a retained message is sent.
    pub(in crate::broker_world) walk: Option<u8>,
    /// The group that it is from.
    pub(in crate::broker_world) group: Option<u8>,
    /// It may be sent, and need not.
    pub(in crate::broker_world) is_optional: bool,
    /// One of its subscriptions was withdrawn before its slice: it may be as the others ask for it.
    pub(in crate::broker_world) is_loose: bool,
}

/// How far the client has come with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::broker_world) enum State {
    Waiting,
    /// Sent with this Packet Identifier.
    Sent(u16),
    /// A PUBREC has come.
    Released(u16),
}

impl Copy {
    /// The copy for these subscriptions (sections 3.3.4, 3.8.4).
    pub(in crate::broker_world) fn of(message: Message, subscriptions: &[Wanted]) -> Self {
        let qos = subscriptions.iter().map(|it| it.qos).max().unwrap_or(0);
        let identifiers = subscriptions.iter().map(|it| it.identifier());
        let identifiers = identifiers.filter(|it| *it > 0);
        Copy {
            message,
            qos: qos.min(message.qos),
            retain: message.retain
                && subscriptions
                    .iter()
                    .any(|it| it.options().retain_as_published),
            subscriptions: identifiers.clone().fold(0, |all, it| all | 1 << it),
            count: identifiers.count() as u8,
            state: State::Waiting,
            is_sent: false,
            may_be_sent: false,
            walk: None,
            group: None,
            is_optional: false,
            is_loose: false,
        }
    }

    /// Whether a PUBLISH is this copy.
    pub(in crate::broker_world) fn is(&self, got: &Got) -> bool {
        if (self.message.number, self.message.topic) != (got.number, got.topic) {
            return false;
        }
        if self.is_loose {
            return got.qos <= self.message.qos;
        }
        (self.qos, self.retain) == (got.qos, got.retain)
            && (self.subscriptions, self.count) == (got.subscriptions, got.count)
    }

    /// Whether a client cannot tell the two apart.
    pub(in crate::broker_world) fn looks_like(&self, other: &Self) -> bool {
        let seen = |it: &Self| (it.message, it.qos, it.retain, it.subscriptions, it.count);
        let known = |it: &Self| (it.group, it.may_be_sent, it.is_loose);
        seen(self) == seen(other) && known(self) == known(other)
    }

    /// Whether No Local keeps it, as a retained message, from the client that published it [MQTT-3.8.3-3].
    pub(in crate::broker_world) fn is_kept_from(
        &self,
        client: u8,
        subscriptions: &[Wanted],
    ) -> bool {
        let mut of_walk = subscriptions
            .iter()
            .filter(|it| self.walk == Some(it.filter));
        self.message.from.is(client) && of_walk.any(|it| it.options().no_local)
    }

    /// Messages of which the order counts (section 4.6).
    pub(in crate::broker_world) fn class(&self) -> (Publisher, u8, u8) {
        (self.message.from, self.message.topic, self.qos)
    }

    pub(in crate::broker_world) fn identifier(&self) -> Option<u16> {
        match self.state {
            State::Waiting => None,
            State::Sent(it) | State::Released(it) => Some(it),
        }
    }
}

impl Session {
    /// A newer retained message takes the place of this one.
    pub(super) fn supersede(&mut self, topic: u8) {
        let waiting = self
            .copies
            .iter_mut()
            .filter(|it| it.state == State::Waiting);
        let of_topic = waiting.filter(|it| it.walk.is_some() && it.message.topic == topic);
        of_topic.for_each(|copy| copy.is_optional = true);
    }

    /// A live message comes: what is retained on its topic goes ahead of it, as it is now [MQTT-4.6.0-5].
    pub(super) fn send_ahead(&mut self, client: u8, topic: u8) {
        let subscriptions = &self.subscriptions;
        let mut own = subscriptions.iter().filter(|it| !is_shared(it.filter));
        if own.any(|it| matches(it.filter, topic)) {
            let waiting = self.copies.iter_mut();
            let of_topic =
                waiting.filter(|it| it.state == State::Waiting && it.message.topic == topic);
            of_topic
                .filter(|it| !it.is_kept_from(client, subscriptions))
                .for_each(|copy| copy.walk = None);
        }
    }

    /// The subscription for which retained messages are still to come has changed.
    pub(super) fn walk_for(&mut self, wanted: Wanted) {
        let waiting = self
            .copies
            .iter_mut()
            .filter(|it| it.state == State::Waiting);
        for copy in waiting.filter(|it| it.walk == Some(wanted.filter)) {
            let Copy {
                qos,
                subscriptions,
                count,
                ..
            } = Copy::of(copy.message, &[wanted]);
            (copy.qos, copy.subscriptions, copy.count) = (qos, subscriptions, count);
        }
    }

    /// No further retained messages are sent for a subscription.
    pub(super) fn end_walk(&mut self, filter: u8) {
        let waiting = self
            .copies
            .iter_mut()
            .filter(|it| it.state == State::Waiting);
        let of_filter = waiting.filter(|it| it.walk == Some(filter));
        of_filter.for_each(|copy| copy.is_optional = true);
    }

    /// The connection is over. What was still to come, of retained messages or in a later slice, may come on the next one.
    pub(super) fn drop_qos_0(&mut self) {
        let waiting = self
            .copies
            .iter_mut()
            .filter(|it| it.state == State::Waiting);
        waiting
            .filter(|it| it.qos == 0)
            .for_each(|copy| copy.is_optional = true);
    }

    /// Nothing goes out in slices: what is for a client that is away is for nobody, if it is not retained.
    pub(in crate::broker_world) fn forget_qos_0(&mut self) {
        if !self.is_connected {
            self.copies.retain(|it| it.qos > 0 || it.walk.is_some());
        }
    }

    /// What waits and matches no subscription any more need not be sent; and must not, if the right to it was withdrawn.
    pub(super) fn release_unsubscribed(&mut self, withdrawn: Option<u8>) {
        let subscriptions = self.subscriptions.clone();
        let is_wanted = |topic| {
            let mut own = subscriptions.iter().filter(|it| !is_shared(it.filter));
            own.any(|it| matches(it.filter, topic))
        };
        self.copies.retain_mut(|copy| {
            if copy.state != State::Waiting || is_wanted(copy.message.topic) {
                return true;
            }
            copy.is_optional = true;
            let is_of = |filter| !is_shared(filter) && matches(filter, copy.message.topic);
            // What a broker that was lost has begun goes on to its end.
            copy.may_be_sent || !withdrawn.is_some_and(is_of)
        });
    }

    /// A subscription was withdrawn while copies for it are still to be made.
    pub(in crate::broker_world) fn loosen(&mut self, filter: u8) {
        let waiting = self
            .copies
            .iter_mut()
            .filter(|it| it.state == State::Waiting);
        let of_filter =
            waiting.filter(|it| it.group.is_none() && matches(filter, it.message.topic));
        of_filter.for_each(|copy| (copy.is_optional, copy.is_loose) = (true, true));
    }

    /// What has not been sent before it expired is not sent [MQTT-3.3.2-5].
    pub(in crate::broker_world) fn expire(&mut self, now: u64) {
        let is_alive = |it: &Copy| it.message.expires == NEVER || it.message.expires > now;
        let is_begun = |it: &Copy| it.state != State::Waiting || it.may_be_sent;
        let doubtful = self
            .copies
            .iter_mut()
            .filter(|it| it.state == State::Waiting && !is_alive(it));
        doubtful.for_each(|copy| copy.is_optional = true);
        self.copies.retain(|copy| is_alive(copy) || is_begun(copy));
    }
}
