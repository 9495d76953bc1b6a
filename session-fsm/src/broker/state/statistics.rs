//! Numbers about a broker, and a look at its Sessions.

use super::clients::Client;
use super::{Broker, ClientLimits, ConnectionKey, Granted};
use crate::Session;

/// Numbers about a [`Broker`](super::Broker): counters since it was made, and gauges.
///
/// They are no part of its state: brokers that are equal may have counted differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Messages that were published: by clients, as Wills, and by the host.
    pub published: u64,
    /// Copies that were accepted for clients.
    pub delivered: u64,
    /// Copies that were acknowledged by clients, or sent with QoS 0.
    pub acknowledged: u64,
    /// Copies that were dropped.
    pub dropped: u64,
    /// Publishes that were refused.
    pub refused: u64,
    /// Messages without a subscription that matches.
    pub unmatched: u64,
    /// The most nodes of the subscription index that one message visited.
    pub dearest_match: u64,
    /// Now: Network Connections.
    pub connections: u64,
    /// Now: Sessions.
    pub sessions: u64,
    /// Now: subscriptions, those with a shared filter included.
    pub subscriptions: u64,
    /// Now: groups of Shared Subscriptions.
    pub groups: u64,
    /// Now: retained messages.
    pub retained: u64,
    /// Now: bytes of messages that are on their way or retained, each message once.
    pub message_bytes: u64,
}

/// A look at a Session of a [`Broker`](super::Broker).
#[derive(Clone, Copy, Debug)]
pub struct SessionView<'b> {
    broker: &'b Broker,
    key: super::slots::Key,
    client: &'b Client,
}

impl<'b> SessionView<'b> {
    /// Returns the Session: its ClientID, and how many messages wait and are in flight.
    #[must_use]
    pub const fn session(&self) -> &'b Session {
        &self.client.session
    }

    /// Returns whose Session it is.
    #[must_use]
    pub const fn principal(&self) -> &'b str {
        &self.client.principal
    }

    /// Returns what the client may have.
    #[must_use]
    pub const fn limits(&self) -> &'b ClientLimits {
        &self.client.limits
    }

    /// Returns its connection; `None` if the client is away.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionKey> {
        self.client.connection.map(ConnectionKey)
    }

    /// Returns its subscriptions, in no particular order.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&'b str, Granted)> + use<'b> {
        let subscriber = Client::subscriber(self.key);
        let broker = self.broker;
        let own = broker.index.of_subscriber(subscriber);
        let shared = broker.groups.of_subscriber(subscriber);
        own.map(|(filter, granted)| (filter.as_str(), *granted))
            .chain(shared.map(|(group, granted)| (group.filter(), *granted)))
    }
}

impl Broker {
    /// Returns numbers about it. Takes constant time.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            connections: self.links.len() as u64,
            sessions: self.clients.living() as u64,
            subscriptions: (self.index.len() + self.groups.memberships()) as u64,
            groups: self.groups.len() as u64,
            retained: self.retained.len() as u64,
            message_bytes: self.ledger.bodies.bytes(),
            ..self.statistics
        }
    }

    /// Returns all Sessions, in no particular order.
    pub fn sessions(&self) -> impl Iterator<Item = SessionView<'_>> {
        let living = self.clients.iter().filter(|(_, client)| !client.has_ended);
        living.map(|(key, client)| SessionView {
            broker: self,
            key,
            client,
        })
    }

    /// Returns the Session of a ClientID.
    #[must_use]
    pub fn session_of(&self, client_identifier: &str) -> Option<SessionView<'_>> {
        let key = self.clients.find(client_identifier)?;
        let client = self.clients.get(key)?;
        Some(SessionView {
            broker: self,
            key,
            client,
        })
    }
}
