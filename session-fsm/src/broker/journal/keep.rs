//! The records that the broker makes.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use mqtt5_codec::Message;
use serde::{Deserialize, Serialize};

use super::Writer;
use crate::Instant;
use crate::Token;
use crate::broker::Granted;
use crate::broker::clients::Walk;
use crate::broker::retained::RetainedMessage;
use crate::session::persistence::parts::Part;
use crate::session::{Change, Session};

/// The first byte of each key, by what it is the key of.
pub(super) mod kind {
    pub(in crate::broker::journal) const HEAD: u8 = 0;
    pub(in crate::broker::journal) const SESSION: u8 = 1;
    pub(in crate::broker::journal) const BODY: u8 = 2;
    pub(in crate::broker::journal) const RETAINED: u8 = 3;
}

/// Parts of a Session that only a broker knows, beside those of [`Part::key`].
pub(super) mod part {
    pub(in crate::broker::journal) const PRINCIPAL: u8 = 16;
    pub(in crate::broker::journal) const SUBSCRIPTION: u8 = 17;
    pub(in crate::broker::journal) const WALK: u8 = 18;
}

/// What belongs to no key of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::broker) struct StoredHead {
    /// The time of the last call that made a record, in milliseconds.
    pub(in crate::broker) now: u64,
    pub(in crate::broker) last_session: u64,
    pub(in crate::broker) last_body: u64,
}

/// A retained message; its bytes are those of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::broker) struct StoredRetained {
    pub(in crate::broker) body: u64,
    pub(in crate::broker) qos: u8,
    /// In milliseconds.
    pub(in crate::broker) expires_at: Option<u64>,
    pub(in crate::broker) sequence: u64,
}

/// Retained messages on their way to a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::broker) struct StoredWalk<'a> {
    pub(in crate::broker) granted: u32,
    pub(in crate::broker) sequence: u64,
    pub(in crate::broker) position: Option<&'a [u8]>,
}

fn append<T: Serialize>(stored: &T, into: &mut Vec<u8>) {
    // It fails for values of unknown length, which there are not.
    if let Ok(bytes) = postcard::to_extend(stored, core::mem::take(into)) {
        *into = bytes;
    }
}

/// The records of the present call.
#[derive(Clone, Debug)]
pub(in crate::broker) struct Journal {
    writer: Writer,
    key: Vec<u8>,
}

impl Journal {
    /// The first record will have this number.
    pub(in crate::broker) const fn new(next: u64) -> Self {
        Journal {
            writer: Writer::new(next),
            key: Vec::new(),
        }
    }

    /// The number of the last record.
    pub(in crate::broker) const fn last(&self) -> u64 {
        self.writer.last()
    }

    pub(in crate::broker) fn take(&mut self, into: &mut Vec<u8>) -> Option<u64> {
        self.writer.take(into)
    }

    fn session_key(&mut self, session: u64, part: (u8, u64)) {
        self.key.clear();
        self.key.push(kind::SESSION);
        self.key.extend_from_slice(&session.to_be_bytes());
        self.key.push(part.0);
        self.key.extend_from_slice(&part.1.to_be_bytes());
    }

    /// Notes what a change made of a Session that has this number.
    pub(in crate::broker) fn part(&mut self, number: u64, session: &Session, part: Part) {
        self.session_key(number, part.key());
        let order = self.writer.last() + 1;
        let key = core::mem::take(&mut self.key);
        self.writer
            .put_or_remove(&key, |value| session.write_part(part, order, value));
        self.key = key;
    }

    /// A message of a Session is over.
    pub(in crate::broker) fn message_ended(&mut self, number: u64, token: Token) {
        self.session_key(number, Part::Message(token, None).key());
        self.writer.remove(&self.key);
    }

    fn body_key(&mut self, number: NonZeroU64) {
        self.key.clear();
        self.key.push(kind::BODY);
        self.key.extend_from_slice(&number.get().to_be_bytes());
    }

    /// Notes a message under its number.
    pub(in crate::broker) fn body(&mut self, number: NonZeroU64, message: &Message) {
        self.body_key(number);
        self.writer.put(&self.key, |value| {
            value.extend_from_slice(message.as_bytes())
        });
    }

    /// What belongs to no key of its own, at the end of a batch.
    pub(in crate::broker) fn head(&mut self, head: &StoredHead) {
        if !self.writer.is_empty() {
            self.writer.put(&[kind::HEAD], |value| append(head, value));
        }
    }

    fn own_key(&mut self, session: u64, part: u8, text: &str) {
        self.session_key(session, (part, 0));
        // In place of the number.
        self.key.truncate(10);
        self.key.extend_from_slice(text.as_bytes());
    }

    pub(in crate::broker) fn principal(&mut self, session: u64, principal: Option<&str>) {
        self.own_key(session, part::PRINCIPAL, "");
        self.put_or_remove(principal, |text, value| {
            value.extend_from_slice(text.as_bytes())
        });
    }

    pub(in crate::broker) fn subscription(
        &mut self,
        session: u64,
        filter: &str,
        granted: Option<Granted>,
    ) {
        self.own_key(session, part::SUBSCRIPTION, filter);
        self.put_or_remove(granted, |granted, value| append(&granted.bits(), value));
    }

    pub(in crate::broker) fn walk(&mut self, session: u64, filter: &str, walk: Option<&Walk>) {
        self.own_key(session, part::WALK, filter);
        self.put_or_remove(walk, |walk, value| {
            let stored = StoredWalk {
                granted: walk.granted.bits(),
                sequence: walk.cursor.sequence(),
                position: walk.cursor.position(),
            };
            append(&stored, value);
        });
    }

    pub(in crate::broker) fn retained(&mut self, topic: &str, retained: Option<&RetainedMessage>) {
        self.key.clear();
        self.key.push(kind::RETAINED);
        self.key.extend_from_slice(topic.as_bytes());
        self.put_or_remove(retained, |retained, value| {
            let expires_at = retained.expires_at;
            let stored = StoredRetained {
                body: retained.body.map_or(0, NonZeroU64::get),
                qos: retained.qos as u8,
                expires_at: (expires_at != Instant::NEVER).then(|| expires_at.as_millis()),
                sequence: retained.sequence,
            };
            append(&stored, value);
        });
    }

    /// Removes a key that was left over.
    pub(in crate::broker) fn left_over(&mut self, key: &[u8]) {
        self.writer.remove(key);
    }

    fn put_or_remove<T>(&mut self, value: Option<T>, write: impl FnOnce(T, &mut Vec<u8>)) {
        match value {
            Some(it) => self.writer.put(&self.key, |value| write(it, value)),
            None => self.writer.remove(&self.key),
        }
    }

    /// Nobody needs the message any more.
    pub(in crate::broker) fn body_gone(&mut self, number: NonZeroU64) {
        self.body_key(number);
        self.writer.remove(&self.key);
    }
}

/// Whether the second change says all that the first one says.
pub(in crate::broker) fn is_said_by(first: &Change, second: Option<&Change>) -> bool {
    match (first, second) {
        (Change::Accepted { message, .. }, Some(Change::Sent { token, .. })) => {
            message.token == *token
        }
        _ => false,
    }
}
