//! The connections.

use alloc::collections::VecDeque;
use core::fmt;

use mqtt5_codec::bytes::BufMut;
use mqtt5_codec::{Property, ReasonCode};

use super::Broker;
use super::clients::Client;
use super::deadlines::{Deadlines, Due};
use super::deliver::{ended, note_if_over};
use super::slots::Key;
use crate::event::{Cause, Event, Output};
use crate::{Instant, Lent, ServerConnection};

/// The name of a Network Connection. It is never used again; its [`index`](Self::index) is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionKey(pub(super) Key);

/// There is no such connection any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("this connection is over")
    }
}

impl core::error::Error for Gone {}

/// What [`Broker::transmit`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "bytes must not leave before the record is stored on which they depend"]
pub struct Transmitted {
    /// The bytes must not leave before this record is stored, and all before it. 0 if they depend
    /// on none.
    pub depends_on: u64,
    /// What there is to do next.
    pub next: Next,
}

/// What there is to do after [`Broker::transmit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Next {
    /// Nothing: all is written.
    Nothing,
    /// The next packet needs this many bytes of room.
    Room(usize),
    /// The connection is over: write the buffer, then close it. The key is void.
    Close(Cause),
}

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) connection: ServerConnection,
    /// Its Session, from the CONNACK to the end of the connection.
    pub(super) client: Option<Key>,
    /// The record on which its acknowledgements depend.
    pub(super) depends_on: u64,
    /// Whether [`Notice::Ready`] waits, or was said and [`Broker::transmit`] is to come.
    pub(super) is_ready: bool,
    /// Whether it was told to wait because of what [`Broker::poll`] had not returned.
    pub(super) is_stalled: bool,
    /// Whether it was noted when only the Keep Alive ran: no other moment is earlier.
    pub(super) is_calm: bool,
}

impl Link {
    /// Notes that there is something to write.
    #[inline]
    pub(super) fn ready(&mut self, ready: &mut VecDeque<Key>, key: Key) {
        if !self.is_ready {
            self.is_ready = true;
            ready.push_back(key);
        }
    }

    /// After input: notes when the connection has to be looked at, and that there is something to write, if there is and
    /// something was taken.
    #[inline(always)]
    pub(super) fn look_again(
        &mut self,
        took: bool,
        ready: &mut VecDeque<Key>,
        deadlines: &mut Deadlines,
        key: Key,
        client: Option<&Client>,
    ) {
        let session = client.map(|client| &client.session);
        if took && !self.is_ready && !self.connection.is_quiet(session) {
            self.ready(ready, key);
            // `transmit` is next, and notes the rest.
            return;
        }
        self.arm(deadlines, key, client);
    }

    /// Notes when the connection, with its Session, has to be looked at.
    #[inline]
    fn arm(&mut self, deadlines: &mut Deadlines, key: Key, client: Option<&Client>) {
        let session = client.map(|client| &client.session);
        let is_calm = session.is_some_and(|session| self.connection.is_calm(session));
        if is_calm && self.is_calm && !fault!("armed with each packet") {
            return;
        }
        self.is_calm = is_calm;
        let at = self.connection.next_timeout(session);
        deadlines.arm(Due::Link(key.slot), at);
    }
}

impl ConnectionKey {
    /// Returns a small number that no other connection has now, for a table of the host. It is used
    /// again when the key is void.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0.slot as usize
    }
}

impl Broker {
    /// A Network Connection begins.
    ///
    /// # Errors
    ///
    /// The Reason Code 0x97 if there are as many as may be, 0x8B after [`Broker::drain`]: close it.
    pub fn connected(&mut self, now: Instant) -> Result<ConnectionKey, ReasonCode> {
        let now = self.at(now);
        if self.draining.is_some() {
            return Err(ReasonCode::ServerShuttingDown);
        }
        if self.links.len() >= self.config.limits.connections as usize {
            return Err(ReasonCode::QuotaExceeded);
        }
        let key = self.links.insert(Link {
            connection: ServerConnection::with_shared(
                now,
                &self.config.server,
                self.timeouts.clone(),
            ),
            client: None,
            depends_on: 0,
            is_ready: false,
            is_stalled: false,
            is_calm: false,
        });
        self.arm(key);
        Ok(ConnectionKey(key))
    }

    /// Calls a method of a connection with its Session.
    pub(super) fn with<R>(&mut self, key: Key, call: impl FnOnce(Lent<'_>) -> R) -> Option<R> {
        let link = self.links.get_mut(key)?;
        let client = link.client.and_then(|client| self.clients.get_mut(client));
        let Some(client) = client else {
            return Some(call(link.connection.lend(None)));
        };
        let result = call(link.connection.lend(Some(&mut client.session)));
        self.ledger.note(client);
        Some(result)
    }

    /// Writes packets to `wire`, as far as it has room. Call it without room, too, while the client
    /// takes nothing: the broker counts the time from then on, and closes the connection in the end
    /// ([`PacketTimeouts`](crate::PacketTimeouts)).
    ///
    /// # Errors
    ///
    /// [`Gone`].
    pub fn transmit<B: BufMut + ?Sized>(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        wire: &mut B,
    ) -> Result<Transmitted, Gone> {
        let now = self.at(now);
        let key = key.0;
        let mut begins = true;
        'found: loop {
            let link = self.links.get_mut(key).ok_or(Gone)?;
            link.is_ready &= !core::mem::take(&mut begins);
            let mut client = link.client.and_then(|client| self.clients.get_mut(client));
            let next = loop {
                // Not by a closure: an output is large, and would be moved several times.
                let session = client.as_mut().map(|client| &mut client.session);
                let output = link.connection.lend(session).poll(now, wire);
                if let Some(client) = &mut client {
                    self.ledger.note(client);
                }
                match output {
                    None => break Next::Nothing,
                    Some(Output::NeedsRoom(needed)) => break Next::Room(needed),
                    Some(Output::Close(cause)) => break Next::Close(cause),
                    Some(Output::Event(Event::Outcome(token, outcome))) => {
                        let (Some(key), Some(client)) = (link.client, &mut client) else {
                            continue;
                        };
                        let ended = ended(&outcome);
                        let (ledger, statistics) = (&mut self.ledger, &mut self.statistics);
                        if !note_if_over(client, token, ended, &self.groups, ledger, statistics) {
                            self.outcome(now, key, token, ended);
                            continue 'found;
                        }
                    }
                    Some(Output::Event(event)) => {
                        self.handle_event(now, key, event);
                        continue 'found;
                    }
                    Some(Output::Persist(_change)) => {}
                }
            };
            let client = client.as_deref();
            let depends_on = client.map_or(0, |client| client.depends_on);
            let depends_on = depends_on.max(link.depends_on);
            match next {
                Next::Close(_) => self.drop_link(now, key),
                _ => link.arm(&mut self.deadlines, key, client),
            }
            return Ok(Transmitted { depends_on, next });
        }
    }

    /// The Network Connection is lost, or the host ended it. The key is void.
    ///
    /// # Errors
    ///
    /// [`Gone`].
    pub fn lost(&mut self, now: Instant, key: ConnectionKey) -> Result<(), Gone> {
        let now = self.at(now);
        self.with(key.0, |mut lent| lent.connection_lost(now))
            .ok_or(Gone)?;
        self.drop_link(now, key.0);
        Ok(())
    }

    /// Disconnects a client with a DISCONNECT (section 3.14). Its Session goes on for its expiry
    /// interval. Returns whether it was connected.
    pub fn kick(
        &mut self,
        now: Instant,
        client_identifier: &str,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> bool {
        let now = self.at(now);
        let client = self.clients.find(client_identifier);
        let client = client.and_then(|key| self.clients.get(key));
        let Some(key) = client.and_then(|client| client.connection) else {
            return false;
        };
        let ended = self.with(key, |mut lent| {
            lent.disconnect(now, reason_code, properties)
        });
        self.ready(key);
        matches!(ended, Some(Ok(())))
    }

    /// A connection is over: its Session goes on alone.
    fn drop_link(&mut self, now: Instant, key: Key) {
        let Some(link) = self.links.remove(key) else {
            return;
        };
        self.deadlines.disarm(Due::Link(key.slot));
        if let Some(client) = link.client {
            self.separated(now, client);
        }
    }

    /// A Session has no connection any more.
    pub(super) fn separated(&mut self, now: Instant, key: Key) {
        if let Some(client) = self.clients.get_mut(key) {
            client.connection = None;
        }
        #[cfg(mqtt5_faults)]
        if self
            .groups
            .of_subscriber(Client::subscriber(key))
            .next()
            .is_some()
            && fault!("MQTT-4.8.2-4")
        {
            self.forget_what_was_sent(key);
        }
        if !fault!("messages to a member that is away") {
            self.groups.away(Client::subscriber(key));
        }
        self.drop_from_groups(now);
        self.settle(now, key);
        if let Some(client) = self.clients.get_mut(key) {
            client.session.shrink();
        }
    }

    /// Handles what a Session without a connection has to report, and notes its deadline.
    pub(super) fn settle(&mut self, now: Instant, key: Key) {
        while let Some(client) = self.clients.get_mut(key) {
            if client.connection.is_some() {
                break;
            }
            self.ledger.note(client);
            match client.session.poll() {
                Some(Output::Event(event)) => self.handle_session_event(now, key, event),
                Some(_) => {}
                None => break,
            }
        }
        let is_over = |client: &Client| client.connection.is_none() && !client.session.exists();
        match self.clients.get(key).is_some_and(is_over) {
            true => self.session_ended(now, key),
            false => self.arm_client(key),
        }
    }

    pub(super) fn link_timeout(&mut self, now: Instant, key: Key) {
        if let Some(link) = self.links.get_mut(key) {
            link.is_calm = false;
        }
        if self
            .with(key, |mut lent| lent.handle_timeout(now))
            .is_some()
        {
            self.ready(key);
            self.arm(key);
        }
    }

    pub(super) fn client_timeout(&mut self, now: Instant, key: Key) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        match client.connection {
            Some(link) => self.link_timeout(now, link),
            None => {
                client.session.handle_timeout(now);
                self.settle(now, key);
            }
        }
    }

    /// Notes when a connection, with its Session, has to be looked at.
    pub(super) fn arm(&mut self, key: Key) {
        if let Some(link) = self.links.get_mut(key) {
            let client = link.client.and_then(|client| self.clients.get(client));
            link.arm(&mut self.deadlines, key, client);
        }
    }

    pub(super) fn arm_client(&mut self, key: Key) {
        if let Some(client) = self.clients.get_mut(key) {
            let at = client.session.next_timeout();
            self.deadlines.arm(Due::Client(key.slot), at);
        }
    }

    /// Notes that a connection has something to write.
    pub(super) fn ready(&mut self, key: Key) {
        if let Some(link) = self.links.get_mut(key) {
            link.ready(&mut self.ready, key);
        }
    }

    /// What the machine of a connection reports beside packets.
    fn handle_event(&mut self, now: Instant, key: Key, event: Event<'static>) {
        if let Some(client) = self.links.get(key).and_then(|link| link.client) {
            self.handle_session_event(now, client, event);
        }
    }

    pub(super) fn handle_session_event(&mut self, now: Instant, key: Key, event: Event<'_>) {
        match event {
            Event::Will(will) => self.publish_will(now, key, will),
            Event::SessionEnded => self.session_ended(now, key),
            Event::Outcome(token, outcome) => self.outcome(now, key, token, ended(&outcome)),
            Event::Room => self.has_room(key),
            _ => {}
        }
    }
}
