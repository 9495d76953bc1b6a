//! A broker out of the records that are stored.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU64;

use mqtt5_codec::bytes::Bytes;
use mqtt5_codec::{Message, Qos, TopicFilter};

use super::keep::{StoredHead, StoredRetained, StoredWalk, kind, part};
use crate::broker::clients::{Client, Walk};
use crate::broker::retained::RetainedMessage;
use crate::broker::subscriptions::MatchingPart;
use crate::broker::{Broker, BrokerConfig, Granted};
use crate::session::persistence::parts::Parts;
use crate::{Instant, RestoreError};

/// Why records do not make a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRecord {
    /// The key of the record. Without this record the others can be restored.
    pub key: Vec<u8>,
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

#[derive(Default)]
struct StoredClient {
    parts: Vec<Box<[u8]>>,
    principal: Option<Box<str>>,
    subscriptions: Vec<(Box<str>, Granted)>,
    walks: Vec<(Box<str>, Box<[u8]>)>,
    keys: Vec<Box<[u8]>>,
    has_life: bool,
}

/// Collects the records of a store: each key with its last value, in any order.
pub struct Restoring {
    config: BrokerConfig,
    next_record: u64,
    head: StoredHead,
    clients: BTreeMap<u64, StoredClient>,
    bodies: BTreeMap<NonZeroU64, Message>,
    retained: BTreeMap<Box<str>, StoredRetained>,
}

impl fmt::Debug for Restoring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Restoring")
            .field("sessions", &self.clients.len())
            .field("messages", &self.bodies.len())
            .field("retained", &self.retained.len())
            .finish_non_exhaustive()
    }
}

impl Restoring {
    /// Begins with no records. `last_record` is the number of the last record that was stored, 0 if there is none.
    #[must_use]
    pub fn new(config: BrokerConfig, last_record: u64) -> Self {
        Restoring {
            config,
            next_record: last_record.saturating_add(1),
            head: StoredHead::default(),
            clients: BTreeMap::new(),
            bodies: BTreeMap::new(),
            retained: BTreeMap::new(),
        }
    }

    /// Adds a key that is stored, with its value.
    ///
    /// # Errors
    ///
    /// [`BrokenRecord`] if they are damaged. The record is left out, and others may follow.
    pub fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), BrokenRecord> {
        self.read(key, value).ok_or_else(|| BrokenRecord {
            key: key.into(),
            error: RestoreError::Damaged,
        })
    }

    fn read(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let (&first, rest) = key.split_first()?;
        match first {
            kind::HEAD => self.head = postcard::from_bytes(value).ok()?,
            kind::BODY => {
                let number = NonZeroU64::new(u64::from_be_bytes(*rest.first_chunk()?))?;
                let message = Message::from_bytes(Bytes::copy_from_slice(value)).ok()?;
                self.bodies.insert(number, message);
            }
            kind::RETAINED => {
                let topic = core::str::from_utf8(rest).ok()?;
                self.retained
                    .insert(topic.into(), postcard::from_bytes(value).ok()?);
            }
            kind::SESSION => {
                let (number, rest) = rest.split_first_chunk()?;
                let (&which, rest) = rest.split_first()?;
                let client = self.clients.entry(u64::from_be_bytes(*number)).or_default();
                client.keys.push(key.into());
                match which {
                    part::PRINCIPAL => {
                        client.principal = Some(core::str::from_utf8(value).ok()?.into());
                    }
                    part::SUBSCRIPTION => {
                        let granted = Granted::from_bits(postcard::from_bytes(value).ok()?)?;
                        let filter = core::str::from_utf8(rest).ok()?;
                        client.subscriptions.push((filter.into(), granted));
                    }
                    part::WALK => {
                        let filter = core::str::from_utf8(rest).ok()?;
                        client.walks.push((filter.into(), value.into()));
                    }
                    _ => {
                        client.has_life |= which == 0;
                        client.parts.push(value.into());
                    }
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// Makes the broker. `now` is the time of the restart; if it lies before the last record, the broker goes on from
    /// that. Every Session that had a connection has lost it. Records that belong to nothing any more are removed by
    /// the first batches.
    ///
    /// # Errors
    ///
    /// [`BrokenRecord`] if a Session is not consistent.
    pub fn finish(self, now: Instant) -> Result<Broker, BrokenRecord> {
        let now = now.max(Instant::from_millis(self.head.now));
        let mut broker = Broker::new(self.config);
        broker.continue_from(self.next_record, now, &self.head);
        for (number, message) in &self.bodies {
            broker.ledger.bodies.restore(*number, message.size());
        }
        for (topic, stored) in &self.retained {
            let body = NonZeroU64::new(stored.body);
            let message = body.and_then(|number| self.bodies.get(&number));
            let (Some(message), Some(qos)) = (message, Qos::from_bits(stored.qos)) else {
                let mut key = alloc::vec![kind::RETAINED];
                key.extend_from_slice(topic.as_bytes());
                let error = RestoreError::Damaged;
                return Err(BrokenRecord { key, error });
            };
            if let Some(number) = body {
                broker.ledger.bodies.hold(number);
            }
            broker.retained.restore(RetainedMessage {
                message: message.clone(),
                expires_at: stored
                    .expires_at
                    .map_or(Instant::NEVER, Instant::from_millis),
                body,
                sequence: stored.sequence,
                qos,
            });
        }
        for (number, client) in &self.clients {
            if client.has_life {
                self.restore_client(&mut broker, now, *number, client)?;
            } else {
                for key in &client.keys {
                    broker.ledger.journal.left_over(key);
                }
            }
        }
        // Nobody holds them for the restart alone any more.
        for number in self.bodies.keys() {
            broker.ledger.release_restored(*number);
        }
        broker.arm_retained();
        Ok(broker)
    }

    fn restore_client(
        &self,
        broker: &mut Broker,
        now: Instant,
        number: u64,
        stored: &StoredClient,
    ) -> Result<(), BrokenRecord> {
        let broken = |error| BrokenRecord {
            key: stored
                .keys
                .first()
                .map(|key| key.to_vec())
                .unwrap_or_default(),
            error,
        };
        let mut parts = Parts::default();
        for part in &stored.parts {
            parts.add(part).map_err(broken)?;
        }
        let mut find = |number| self.bodies.get(&number).cloned();
        let config = broker.session_config();
        let session = parts.restore(now, config, &mut find).map_err(broken)?;
        for number in session.bodies() {
            broker.ledger.bodies.hold(number);
        }
        let limits = broker.config.client;
        let key = broker.clients.insert_as(number, session, limits);
        let mut walks = Vec::new();
        for (filter, value) in &stored.walks {
            let filter = TopicFilter::new(filter).map_err(|_| broken(RestoreError::Damaged))?;
            let walk: StoredWalk<'_> =
                postcard::from_bytes(value).map_err(|_| broken(RestoreError::Damaged))?;
            let cursor = broker
                .retained
                .restore_cursor(filter, walk.position, walk.sequence);
            if let Some(granted) = Granted::from_bits(walk.granted) {
                walks.push(Walk { cursor, granted });
            }
        }
        for (text, granted) in &stored.subscriptions {
            let filter = TopicFilter::new(text).map_err(|_| broken(RestoreError::Damaged))?;
            if filter.is_shared() {
                let joined = broker.join(key, filter, *granted);
                joined.map_err(|_| broken(RestoreError::Inconsistent))?;
                continue;
            }
            let inserted = broker
                .index
                .insert(filter, Client::subscriber(key), *granted);
            inserted.map_err(|_| broken(RestoreError::Inconsistent))?;
            if let Some(client) = broker.clients.get_mut(key) {
                client.index_nodes += MatchingPart::from(filter).nodes() as u32;
                client.filter_bytes += text.len() as u32;
            }
        }
        if let Some(client) = broker.clients.get_mut(key) {
            client.walks.extend(walks);
            client.principal = stored.principal.clone().unwrap_or_default();
        }
        broker.settle(now, key);
        Ok(())
    }
}
