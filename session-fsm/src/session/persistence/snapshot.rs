//! A whole Session as bytes.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use mqtt5_codec::{Message, PacketIdentifier, Role};

use super::format::{
    self, Bodies, Find, Kind, StoredDeadline, StoredLife, StoredMessage, StoredSession, StoredWill,
    to_identifier, to_instant, to_token,
};
use crate::error::RestoreError;
use crate::session::{Absence, Life, PendingWill, QueuedMessage, Session, SessionConfig};
use crate::{Instant, Token};

impl Session {
    /// Returns the Session State (section 4.1) in a compact form, which later versions of this
    /// library can read: messages with QoS 1 and 2 that are in flight or wait, the Packet
    /// Identifiers of received messages and those that must not be used again, the Will Message,
    /// the ClientID, and when the Session ends.
    ///
    /// It does not contain messages with QoS 0, messages that the application has not acknowledged
    /// (they come again), SUBSCRIBE and UNSUBSCRIBE (they end with the Network Connection), the
    /// [`SessionConfig`], and a Server's subscriptions, which the caller keeps.
    ///
    /// Call it when `poll` returns `None`: it contains changes that were not announced, but no
    /// events that were not returned. Begin a new log of changes with it: see [`Session::apply`].
    ///
    /// It contains times, so use a clock whose origin survives, such as Unix time: read it once at
    /// the start, and add the time since then by a clock that does not go backwards. It contains
    /// intervals, too: if the clock was set back between the processes, nothing lasts longer than
    /// its interval from the restart.
    ///
    /// Allocates the bytes, and temporarily a table of the messages in flight and waiting.
    #[must_use = "to be stored"]
    pub fn export(&self) -> Vec<u8> {
        self.export_as(Bodies::Repeated)
    }

    /// As [`Session::export`], but messages that have a number,
    /// [`Publication::body`](crate::Publication::body), are named by it and their bytes are left
    /// out. The owner of the messages must keep each under its number: [`Session::bodies`] says
    /// which.
    #[must_use = "to be stored"]
    pub fn export_without_bodies(&self) -> Vec<u8> {
        self.export_as(Bodies::Named)
    }

    fn export_as(&self, bodies: Bodies) -> Vec<u8> {
        let mut received: Vec<_> = self.receiver.accepted().map(|it| it.get()).collect();
        received.sort_unstable();
        let of_released = |(packet_identifier, token): (PacketIdentifier, Token)| {
            (packet_identifier.get(), token.number())
        };
        let mut released: Vec<_> = self.sender.released().map(of_released).collect();
        if fault!("PUBRELs exported by their identifiers") {
            released.sort_unstable();
        }
        let stored = StoredSession {
            server: self.role == Role::Server,
            client_identifier: &self.client_identifier,
            life: self.stored_life(),
            will: self
                .will
                .as_ref()
                .map(|it| StoredWill::new(&it.will, it.delay, it.due_at)),
            last_token: self.last_token.number(),
            in_flight: self
                .sender
                .unacknowledged()
                .map(|(packet_identifier, it)| {
                    (packet_identifier.get(), StoredMessage::new(it, bodies))
                })
                .collect(),
            released,
            lost: fault!(
                "lost identifiers not exported",
                self.sender.lost_identifiers().map(|it| it.get()).collect(),
                Vec::new(),
            ),
            received,
            waiting: self
                .waiting
                .acknowledged()
                .map(|it| StoredMessage::new(it, bodies))
                .collect(),
            deadlines: self
                .stored_deadlines()
                .map(|(token, deadline)| (token.number(), StoredDeadline::new(deadline)))
                .collect(),
        };
        format::seal(Kind::Session, &stored)
    }

    /// Restores the Session that [`Session::export`] stored. `now` is the time of the restart. Then
    /// [`Session::apply`] the changes that were announced since.
    ///
    /// It has no Network Connection. An earlier one counts as lost at `now`, because its real end
    /// is unknown: the Session Expiry Interval and the Will Delay Interval begin then. In a Client,
    /// PUBLISH packets in flight are sent again with DUP 1 when the Session goes on, as they may
    /// have been sent. More messages than `config` lets wait are kept nevertheless.
    ///
    /// # Errors
    ///
    /// [`RestoreError`], if the bytes are not whole or not consistent.
    ///
    /// # Memory
    ///
    /// Takes memory in proportion to the length of `bytes`, whatever they contain, and a table with
    /// a place for each Packet Identifier up to the highest in flight, as the stored Session did.
    ///
    /// # Crash and restart
    ///
    /// ```
    /// use mqtt5_session_fsm::codec::{Connect, Qos, Text};
    /// use mqtt5_session_fsm::{
    ///     Change, Client, ClientConfig, Instant, Output, Publication, RestoreError, Session,
    ///     SessionConfig,
    /// };
    ///
    /// let config = SessionConfig { persistent: true, ..SessionConfig::default() };
    /// let now = Instant::from_millis(1_794_000_000_000); // Unix time
    /// let (mut file, mut log) = (Session::of_client(config).export(), Vec::new()); // on a disk
    ///
    /// // A process starts, accepts a message, and dies.
    /// let mut client = Client::new(ClientConfig::default(), Session::restore(now, &file, config)?);
    /// let token = client.publish(now, Publication::of("greenhouse/3", b"21.5", Qos::ExactlyOnce)?)?;
    /// while let Some(Output::Persist(change)) = client.poll(now, &mut Vec::new()) {
    ///     log.extend(change.to_bytes()); // and fsync
    /// }
    /// log.extend(&Change::Ended.to_bytes()[..9]); // it dies while it writes
    /// drop(client);
    ///
    /// // The next one.
    /// let mut session = Session::restore(now, &file, config)?;
    /// let mut records = &log[..];
    /// loop {
    ///     match Change::take(&mut records) {
    ///         Ok(Some(change)) => session.apply(now, &change)?,
    ///         // The last record may not be whole: nothing that depends on it was sent.
    ///         Ok(None) | Err(RestoreError::Truncated) => break,
    ///         Err(damaged) => return Err(damaged.into()),
    ///     }
    /// }
    /// // In one step: these changes do not fit to the new export.
    /// (file, log) = (session.export(), Vec::new());
    /// assert_eq!(session.waiting(), 1); // its outcome will be told by `token`
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(
        now: Instant,
        bytes: &[u8],
        config: SessionConfig,
    ) -> Result<Session, RestoreError> {
        Session::restore_with_bodies(now, bytes, config, format::find_none)
    }

    /// As [`Session::restore`], also for [`Session::export_without_bodies`]: `find` returns the
    /// message that is stored under a number. It is shared, not copied.
    ///
    /// ```
    /// use core::num::NonZeroU64;
    /// use std::collections::BTreeMap;
    ///
    /// use mqtt5_session_fsm::codec::{Message, Qos};
    /// use mqtt5_session_fsm::{Instant, Publication, Session, SessionConfig};
    ///
    /// // One message for several Sessions is stored once.
    /// let mut store = BTreeMap::new();
    /// let number = NonZeroU64::MIN;
    /// store.insert(number, Message::of("greenhouse/3", &[0; 1000])?);
    ///
    /// let (now, config) = (Instant::from_millis(1_794_000_000_000), SessionConfig::default());
    /// let mut session = Session::of_client(config);
    /// let message = store[&number].clone();
    /// session.publish(now, Publication { body: Some(number), ..Publication::new(Qos::AtLeastOnce, message) })?;
    /// let bytes = session.export_without_bodies();
    /// assert!(bytes.len() < 100);
    ///
    /// let find = |number| store.get(&number).cloned();
    /// let restored = Session::restore_with_bodies(now, &bytes, config, find)?;
    /// assert!(restored.bodies().eq([number]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Session::restore`]; [`RestoreError::BodyMissing`] if `find` returns `None`.
    pub fn restore_with_bodies(
        now: Instant,
        bytes: &[u8],
        config: SessionConfig,
        mut find: impl FnMut(NonZeroU64) -> Option<Message>,
    ) -> Result<Session, RestoreError> {
        let (stored, rest) = format::open::<StoredSession<'_>>(Kind::Session, bytes)?;
        if !rest.is_empty() {
            return Err(RestoreError::Damaged);
        }
        read(now, &stored, config, &mut find)
    }

    pub(super) fn stored_life(&self) -> StoredLife {
        let adopted = self.sender.is_adopted().then(|| self.sender.usable());
        StoredLife::new(self.life, adopted)
    }

    /// A Client has messages that a Client may send, a Server others.
    fn check(&self, queued: QueuedMessage) -> Result<QueuedMessage, RestoreError> {
        if self.may_send(&queued) {
            Ok(queued)
        } else {
            Err(RestoreError::Inconsistent)
        }
    }
}

pub(super) fn read(
    now: Instant,
    stored: &StoredSession<'_>,
    config: SessionConfig,
    find: &mut Find<'_>,
) -> Result<Session, RestoreError> {
    let role = if stored.server {
        Role::Server
    } else {
        Role::Client
    };
    let mut session = Session::new(role, stored.client_identifier, config);
    // Tokens, and Packet Identifiers of messages in flight.
    let mut known: Vec<(Token, Option<PacketIdentifier>)> =
        Vec::with_capacity(stored.in_flight.len() + stored.released.len() + stored.waiting.len());
    for (packet_identifier, message) in &stored.in_flight {
        let message = session.check(message.read(find)?)?;
        let packet_identifier = to_identifier(*packet_identifier)?;
        known.push((message.token, Some(packet_identifier)));
        session
            .sender
            .restore(packet_identifier, message)
            .ok_or(RestoreError::Inconsistent)?;
    }
    for message in &stored.waiting {
        let message = session.check(message.read(find)?)?;
        known.push((message.token, None));
        session.waiting.push(message);
    }
    // They are sent in the order in which they were queued.
    if !known.is_sorted_by_key(|(token, _)| token) {
        return Err(RestoreError::Inconsistent);
    }
    for &(packet_identifier, token) in &stored.released {
        let (packet_identifier, token) = (to_identifier(packet_identifier)?, to_token(token)?);
        known.push((token, Some(packet_identifier)));
        session
            .sender
            .restore_released(packet_identifier, token)
            .ok_or(RestoreError::Inconsistent)?;
    }
    known.sort_unstable();
    if known.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(RestoreError::Inconsistent);
    }
    session.last_token = match stored.last_token {
        0 => Token::NONE,
        number => to_token(number)?,
    };
    if known.last().map(|(token, _)| token) > Some(&session.last_token) {
        return Err(RestoreError::Inconsistent);
    }
    if !stored
        .deadlines
        .is_sorted_by(|(earlier, _), (later, _)| earlier < later)
    {
        return Err(RestoreError::Inconsistent);
    }
    for &(token, deadline) in &stored.deadlines {
        let (token, deadline) = (to_token(token)?, deadline.read()?);
        let found = known.binary_search_by_key(&token, |&(token, _)| token);
        let &(_, packet_identifier) = found
            .ok()
            .and_then(|position| known.get(position))
            .ok_or(RestoreError::Inconsistent)?;
        if !fault!("deadlines end with the process") {
            session.set_deadline(token, deadline, packet_identifier);
        }
    }
    for &packet_identifier in &stored.lost {
        session
            .sender
            .restore_lost(to_identifier(packet_identifier)?)
            .ok_or(RestoreError::Inconsistent)?;
    }
    for list in [&stored.lost, &stored.received] {
        if !list.is_sorted_by(|earlier, later| earlier < later) {
            return Err(RestoreError::Inconsistent);
        }
    }
    for &packet_identifier in &stored.received {
        session.receiver.restore(to_identifier(packet_identifier)?);
    }
    if let Some(will) = &stored.will {
        if role == Role::Client {
            return Err(RestoreError::Inconsistent);
        }
        session.will = Some(Box::new(PendingWill {
            will: will.read()?,
            delay: will.delay,
            due_at: to_instant(will.due_at),
            session_ends_at: Instant::NEVER,
        }));
    }
    match stored.life {
        StoredLife::None => {
            let empty = stored.in_flight.is_empty()
                && stored.released.is_empty()
                && stored.lost.is_empty()
                && stored.received.is_empty()
                && stored.will.is_none()
                // A Client's messages wait for its next Session.
                && (role == Role::Client || stored.waiting.is_empty());
            if !empty {
                return Err(RestoreError::Inconsistent);
            }
        }
        StoredLife::Connected { expiry_interval }
        | StoredLife::AdoptedConnected {
            expiry_interval, ..
        } => session.connection_gone(now, expiry_interval),
        StoredLife::Away {
            ends_at,
            expiry_interval,
        }
        | StoredLife::AdoptedAway {
            ends_at,
            expiry_interval,
            ..
        } => {
            session.life = Life::Away(Absence {
                ends_at: to_instant(ends_at),
                expiry_interval,
            });
        }
    }
    if let Some(identifiers) = stored.life.adopted() {
        if role == Role::Server {
            return Err(RestoreError::Inconsistent);
        }
        session.sender.set_usable(identifiers);
    }
    session.clamp(now);
    Ok(session)
}
