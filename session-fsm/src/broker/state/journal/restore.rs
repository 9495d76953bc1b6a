//! A broker out of the records that are stored.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU64;
use core::ops::Bound;

use mqtt5_codec::bytes::Bytes;
use mqtt5_codec::{Message, Qos, TopicFilter};
use serde::Deserialize;

use super::keep::{
    StoredGroup, StoredHead, StoredJob, StoredOwner, StoredRetained, StoredShared, StoredWalk,
    kind, part,
};
use crate::broker::groups::{GroupMessage, Groups, Part as PartOfGroups, Policy};
use crate::broker::retained::RetainedMessage;
use crate::broker::state::clients::{Client, Walk};
use crate::broker::state::fanout::Job;
use crate::broker::state::publish::Arrival;
use crate::broker::state::shared::SharedMessage;
use crate::broker::state::slots::Key;
use crate::broker::subscriptions::Subscriber;
use crate::broker::{Broker, BrokerConfig, ClientLimits, Granted};
use crate::session::persistence::parts::{Part, Parts};
use crate::{Instant, RestoreError, Token};

/// Why records do not make a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRecord {
    /// The key of the record.
    pub key: Box<[u8]>,
    /// Why.
    pub error: RestoreError,
}

impl fmt::Display for BrokenRecord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the record with the key {:02x?}: {}",
            self.key, self.error
        )
    }
}

impl core::error::Error for BrokenRecord {}

/// Collects records and makes a broker of them.
#[derive(Clone)]
pub struct Restoring {
    config: BrokerConfig,
    records: BTreeMap<Box<[u8]>, Bytes>,
}

impl fmt::Debug for Restoring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Restoring")
            .field("records", &self.records.len())
            .finish_non_exhaustive()
    }
}

/// What is known while a broker is made.
struct Making<'a> {
    broker: Broker,
    restoring: &'a Restoring,
    bodies: BTreeMap<NonZeroU64, Message>,
    /// The Sessions by their numbers.
    clients: BTreeMap<u64, Key>,
    memberships: Vec<(Box<str>, Key, Granted)>,
}

type Restored<T = ()> = Result<T, BrokenRecord>;

fn broken(key: &[u8], error: RestoreError) -> BrokenRecord {
    BrokenRecord {
        key: key.into(),
        error,
    }
}

fn damaged(key: &[u8]) -> BrokenRecord {
    broken(key, RestoreError::Damaged)
}

fn decode<'a, T: Deserialize<'a>>(key: &[u8], value: &'a [u8]) -> Restored<T> {
    postcard::from_bytes(value).map_err(|_| damaged(key))
}

fn number_of(key: &[u8], rest: &[u8]) -> Restored<u64> {
    let bytes = <[u8; 8]>::try_from(rest).map_err(|_| damaged(key))?;
    Ok(u64::from_be_bytes(bytes))
}

fn text_of<'a>(key: &[u8], rest: &'a [u8]) -> Restored<&'a str> {
    core::str::from_utf8(rest).map_err(|_| damaged(key))
}

fn to_instant(millis: Option<u64>) -> Instant {
    millis.map_or(Instant::NEVER, Instant::from_millis)
}

impl Restoring {
    /// Begins with no records. The configuration may be another one than that of the broker that
    /// made the records; what was there before stays, whatever limits it has now.
    #[must_use]
    pub const fn new(config: BrokerConfig) -> Self {
        Restoring {
            config,
            records: BTreeMap::new(),
        }
    }

    /// Takes a record: all that are stored, in any order, or all that were ever made, in their
    /// order, or a snapshot and all that were made since it was begun.
    pub fn record(&mut self, key: &[u8], value: Option<&[u8]>) {
        match value {
            Some(value) => {
                let value = Bytes::copy_from_slice(value);
                self.records.insert(key.into(), value);
            }
            None => {
                self.records.remove(key);
            }
        }
    }

    /// Makes the broker. `now` is the time of the restart; if it lies before the last record, the
    /// broker goes on from that. Every Session that had a connection has lost it. Records that
    /// belong to nothing any more are removed by the first batch.
    ///
    /// # Errors
    ///
    /// [`BrokenRecord`] names a record that is damaged, or does not fit the others. It can be left
    /// out: remove it from the store, call [`Restoring::record`] with its key and `None`, and make
    /// the broker again. What is lost is what the record was about: one message, one subscription,
    /// one retained message; a whole Session only if it is its first record, with a 0 behind its
    /// number.
    pub fn finish(&self, now: Instant) -> Result<Broker, BrokenRecord> {
        let mut head = StoredHead::default();
        if let Some(value) = self.records.get(&[kind::HEAD][..]) {
            head = decode(&[kind::HEAD], value)?;
        }
        let now = now.max(Instant::from_millis(head.now));
        let mut broker = Broker::new(self.config);
        broker.continue_from(now, &head);
        let mut making = Making {
            broker,
            restoring: self,
            bodies: BTreeMap::new(),
            clients: BTreeMap::new(),
            memberships: Vec::new(),
        };
        making.bodies()?;
        making.retained()?;
        making.sessions(now)?;
        making.groups(&head)?;
        making.jobs()?;
        Ok(making.finish(now))
    }

    fn of_kind(&self, kind: u8) -> impl Iterator<Item = (&[u8], &[u8], &Bytes)> {
        let first: &[u8] = &[kind];
        let records = (self.records).range::<[u8], _>((Bound::Included(first), Bound::Unbounded));
        let of_kind = records.take_while(move |(key, _)| key.first() == Some(&kind));
        of_kind.map(|(key, value)| (&**key, key.get(1..).unwrap_or_default(), value))
    }
}

impl<'a> Making<'a> {
    fn bodies(&mut self) -> Restored {
        for (key, rest, value) in self.restoring.of_kind(kind::BODY) {
            let number = NonZeroU64::new(number_of(key, rest)?).ok_or_else(|| damaged(key))?;
            let message = Message::from_bytes(value.clone()).map_err(|_| damaged(key))?;
            // For the time of the restart.
            self.broker.ledger.bodies.restore(number, message.size());
            self.bodies.insert(number, message);
        }
        Ok(())
    }

    /// A message that someone holds.
    fn body(&mut self, key: &[u8], number: u64) -> Restored<(NonZeroU64, Message)> {
        let number = NonZeroU64::new(number).ok_or_else(|| damaged(key))?;
        let missing = || broken(key, RestoreError::BodyMissing(number));
        let message = self.bodies.get(&number).ok_or_else(missing)?.clone();
        self.broker.ledger.bodies.hold(number);
        Ok((number, message))
    }

    fn retained(&mut self) -> Restored {
        for (key, _, value) in self.restoring.of_kind(kind::RETAINED) {
            let stored: StoredRetained<'_> = decode(key, value)?;
            let qos = Qos::from_bits(stored.qos).ok_or_else(|| damaged(key))?;
            let (number, message) = self.body(key, stored.body)?;
            self.broker.retained.restore(RetainedMessage {
                message,
                expires_at: to_instant(stored.expires_at),
                body: Some(number),
                sequence: stored.sequence,
                overtaken: stored.overtaken,
                qos,
                publisher: (!stored.publisher.is_empty()).then(|| stored.publisher.into()),
            });
        }
        Ok(())
    }

    fn sessions(&mut self, now: Instant) -> Restored {
        let mut records = self.restoring.of_kind(kind::SESSION).peekable();
        while let Some(&(key, rest, _)) = records.peek() {
            let (number, _) = rest.split_first_chunk().ok_or_else(|| damaged(key))?;
            let mut of_session = Vec::new();
            while let Some(record) = records.next_if(|(_, rest, _)| rest.starts_with(number)) {
                of_session.push(record);
            }
            self.session(now, u64::from_be_bytes(*number), &of_session)?;
        }
        Ok(())
    }

    fn session(
        &mut self,
        now: Instant,
        number: u64,
        records: &[(&'a [u8], &'a [u8], &'a Bytes)],
    ) -> Restored {
        let (mut parts, mut own) = (Parts::default(), Vec::new());
        for &(key, rest, value) in records {
            let (&which, rest) = rest
                .get(8..)
                .and_then(<[u8]>::split_first)
                .ok_or_else(|| damaged(key))?;
            if which < part::OWNER {
                let mut find = |number| self.bodies.get(&number).cloned();
                let added = parts.add(value, &mut find);
                added.map_err(|error| broken(key, error))?;
            } else {
                own.push((key, which, rest, &**value));
            }
        }
        let Some(&(first, ..)) = records.first().filter(|_| parts.has_life()) else {
            for (key, ..) in records {
                self.broker.ledger.journal.left_over(key);
            }
            return Ok(());
        };
        let mut find = |number| self.bodies.get(&number).cloned();
        let config = self.broker.session_config.clone();
        let grace = self.broker.config.restart_grace;
        let was_connected = parts.was_connected();
        let mut session = parts
            .restore(now, grace, *config, &mut find)
            .map_err(|error| broken(first, error))?;
        session.config = config;
        for number in session.bodies() {
            self.broker.ledger.bodies.hold(number);
        }
        // Its absence has begun: another restart must not prolong it.
        if was_connected && session.exists() {
            let journal = &mut self.broker.ledger.journal;
            journal.part(number, &session, Part::Life);
            journal.part_if_there(number, &session, Part::Will);
        }
        let limits = self.broker.config.client;
        let key = self.broker.clients.insert_as(number, session, limits);
        self.clients.insert(number, key);
        if let Some(client) = self.broker.clients.get_mut(key) {
            // So that all that is recorded is removed in the end.
            client.is_recorded = true;
        }
        for (record, which, rest, value) in own {
            match which {
                part::OWNER => self.owner(record, key, value)?,
                part::SUBSCRIPTION => self.subscription(record, number, key, rest, value)?,
                part::WALK => self.walk(record, key, rest, value)?,
                _ => return Err(damaged(record)),
            }
        }
        Ok(())
    }

    fn owner(&mut self, record: &[u8], key: Key, value: &[u8]) -> Restored {
        let stored: StoredOwner<'_> = decode(record, value)?;
        let limits = ClientLimits::from_numbers(stored.limits).ok_or_else(|| damaged(record))?;
        if let Some(client) = self.broker.clients.get_mut(key) {
            client.principal = stored.principal.into();
            client.limits = limits;
        }
        Ok(())
    }

    fn subscription(
        &mut self,
        record: &[u8],
        number: u64,
        key: Key,
        filter: &[u8],
        value: &[u8],
    ) -> Restored {
        let text = text_of(record, filter)?;
        let filter = TopicFilter::new(text).map_err(|_| damaged(record))?;
        let (bits, since) = decode(record, value)?;
        let granted = Granted::from_bits(bits).ok_or_else(|| damaged(record))?;
        if let Some(client) = self.broker.clients.get_mut(key) {
            client.charge_filter(filter);
        }
        if filter.is_shared() {
            self.memberships.push((text.into(), key, granted));
            return Ok(());
        }
        let subscriber = Client::subscriber(key);
        let inserted = self.broker.index.insert(filter, subscriber, granted);
        inserted.map_err(|_| broken(record, RestoreError::Inconsistent))?;
        self.broker.jobs.restore_subscribed(number, text, since);
        Ok(())
    }

    fn walk(&mut self, record: &[u8], key: Key, filter: &[u8], value: &[u8]) -> Restored {
        let filter = TopicFilter::new(text_of(record, filter)?).map_err(|_| damaged(record))?;
        let stored: StoredWalk<'_> = decode(record, value)?;
        let granted = Granted::from_bits(stored.granted).ok_or_else(|| damaged(record))?;
        let retained = &mut self.broker.retained;
        let cursor = retained.restore_cursor(filter, stored.position, stored.sequence);
        if let Some(client) = self.broker.clients.get_mut(key) {
            client.walks.push_back(Walk { cursor, granted });
        }
        Ok(())
    }

    fn groups(&mut self, head: &StoredHead) -> Restored {
        let restoring = self.restoring;
        let mut parts = alloc::vec![PartOfGroups::Numbers {
            next_position: head.next_position,
            random: head.random,
        }];
        for (key, rest, value) in restoring.of_kind(kind::GROUP) {
            let stored: StoredGroup = decode(key, value)?;
            parts.push(PartOfGroups::Group {
                filter: text_of(key, rest)?,
                born: stored.born,
                policy: Policy::from_code(stored.policy).ok_or_else(|| damaged(key))?,
            });
        }
        let memberships = core::mem::take(&mut self.memberships);
        for (filter, key, granted) in &memberships {
            parts.push(PartOfGroups::Member {
                filter,
                member: Client::subscriber(*key),
                value: *granted,
            });
        }
        for (key, rest, value) in restoring.of_kind(kind::SHARED) {
            let number = number_of(key, rest)?;
            let stored: StoredShared<'_> = decode(key, value)?;
            let qos = Qos::from_bits(stored.qos).ok_or_else(|| damaged(key))?;
            let (body, message) = self.body(key, stored.body)?;
            let (filter, position) = (stored.filter, stored.position);
            let message = GroupMessage {
                size: message.size(),
                message: SharedMessage {
                    message,
                    body,
                    retain: stored.retain,
                    number,
                },
                qos,
                expires_at: to_instant(stored.expires_at),
            };
            // If the Session has ended, the message waits for another member.
            let member = stored.member.and_then(|(number, token)| {
                let key = self.clients.get(&number)?;
                Some((Client::subscriber(*key), token))
            });
            parts.push(match member {
                Some((member, token)) => PartOfGroups::Sent {
                    filter,
                    member,
                    token: Token::from_number(token),
                    position,
                    message,
                },
                None => PartOfGroups::Waiting {
                    filter,
                    position,
                    message,
                },
            });
        }
        let config = self.broker.config;
        self.broker.groups = Groups::restore(config.groups, config.seed, parts);
        let groups: Vec<(Box<str>, u32)> = (self.broker.groups.iter())
            .map(|group| (group.filter().into(), group.number().number()))
            .collect();
        for (filter, number) in &groups {
            if let Ok(filter) = TopicFilter::new(filter) {
                let inserted = self
                    .broker
                    .shared
                    .insert(filter, Subscriber::new(*number), ());
                debug_assert!(inserted.is_ok(), "no limit applies");
            }
        }
        for (key, rest, _) in restoring.of_kind(kind::GROUP) {
            let filter = text_of(key, rest)?;
            if !groups.iter().any(|(it, _)| **it == *filter) {
                self.broker.ledger.journal.left_over(key);
            }
        }
        Ok(())
    }

    fn jobs(&mut self) -> Restored {
        for (key, rest, value) in self.restoring.of_kind(kind::JOB) {
            let number = number_of(key, rest)?;
            let stored: StoredJob<'_> = decode(key, value)?;
            let qos = Qos::from_bits(stored.qos).ok_or_else(|| damaged(key))?;
            let (body, message) = self.body(key, stored.body)?;
            let from = self.clients.get(&stored.from).copied();
            let hits = (self.broker).hits_of_job(from, &message, number, stored.position);
            let arrival = Arrival {
                message,
                qos,
                retain: stored.retain,
                expires_at: to_instant(stored.expires_at),
            };
            let job = Job {
                number,
                from: stored.from,
                arrival,
                body,
                hits,
                position: 0,
                receipt: None,
            };
            self.broker.add_job(stored.publisher, job);
        }
        self.broker.jobs.restored();
        Ok(())
    }

    /// All is there: what is due happens.
    fn finish(self, now: Instant) -> Broker {
        let mut broker = self.broker;
        for key in self.clients.values() {
            broker.has_room(*key);
            broker.settle(now, *key);
        }
        broker.drop_from_groups(now);
        for number in self.bodies.keys() {
            broker.ledger.release(*number);
        }
        broker.arm_retained();
        broker
    }
}
