//! The records that the broker makes.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use mqtt5_codec::Message;
use serde::{Deserialize, Serialize};

use super::Writer;
use crate::Instant;
use crate::Token;
use crate::broker::groups::{GroupMessage, Policy};
use crate::broker::retained::RetainedMessage;
use crate::broker::state::clients::Walk;
use crate::broker::state::fanout::Job;
use crate::broker::state::shared::{SharedMessage, SharedPlace};
use crate::broker::{ClientLimits, Granted};
use crate::session::persistence::parts::Part;
use crate::session::{Change, Session};

/// The first byte of each key, by what it is the key of.
pub(super) mod kind {
    pub(in crate::broker::state::journal) const HEAD: u8 = 0;
    pub(in crate::broker::state::journal) const SESSION: u8 = 1;
    pub(in crate::broker::state::journal) const BODY: u8 = 2;
    pub(in crate::broker::state::journal) const RETAINED: u8 = 3;
    pub(in crate::broker::state::journal) const JOB: u8 = 4;
    pub(in crate::broker::state::journal) const GROUP: u8 = 5;
    pub(in crate::broker::state::journal) const SHARED: u8 = 6;
}

/// Parts of a Session that only a broker knows, beside those of [`Part::key`].
pub(super) mod part {
    pub(in crate::broker::state::journal) const OWNER: u8 = 16;
    pub(in crate::broker::state::journal) const SUBSCRIPTION: u8 = 17;
    pub(in crate::broker::state::journal) const WALK: u8 = 18;
}

/// What belongs to no key of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::broker) struct StoredHead {
    /// The number of this record.
    pub(in crate::broker) last_record: u64,
    /// The time of the last call that made a record, in milliseconds.
    pub(in crate::broker) now: u64,
    pub(in crate::broker) last_session: u64,
    pub(in crate::broker) last_body: u64,
    pub(in crate::broker) last_job: u64,
    pub(in crate::broker) last_shared: u64,
    /// Of the messages of all groups.
    pub(in crate::broker) next_position: u64,
    /// What the groups choose at random with.
    pub(in crate::broker) random: u64,
}

/// A retained message; its bytes are those of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::broker) struct StoredRetained<'a> {
    /// Its ClientID; empty for the host.
    pub(in crate::broker) publisher: &'a str,
    pub(in crate::broker) body: u64,
    pub(in crate::broker) qos: u8,
    /// In milliseconds.
    pub(in crate::broker) expires_at: Option<u64>,
    pub(in crate::broker) sequence: u64,
    pub(in crate::broker) overtaken: u64,
}

/// A message on its way to many subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::broker) struct StoredJob<'a> {
    /// Its ClientID; empty for the host.
    pub(in crate::broker) publisher: &'a str,
    pub(in crate::broker) body: u64,
    pub(in crate::broker) qos: u8,
    pub(in crate::broker) retain: bool,
    /// In milliseconds.
    pub(in crate::broker) expires_at: Option<u64>,
    /// The number of the publisher's Session: 0 for the host.
    pub(in crate::broker) from: u64,
    /// The number of the last Session that has it; 0 if none has.
    pub(in crate::broker) position: u64,
}

/// A group of a Shared Subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::broker) struct StoredGroup {
    pub(in crate::broker) born: u64,
    pub(in crate::broker) policy: u8,
}

/// A message of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::broker) struct StoredShared<'a> {
    pub(in crate::broker) filter: &'a str,
    pub(in crate::broker) position: u64,
    pub(in crate::broker) body: u64,
    pub(in crate::broker) qos: u8,
    pub(in crate::broker) retain: bool,
    /// In milliseconds.
    pub(in crate::broker) expires_at: Option<u64>,
    /// The number of the Session that has it, and its token there.
    pub(in crate::broker) member: Option<(u64, u64)>,
}

/// Whose Session it is, and what it may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::broker) struct StoredOwner<'a> {
    pub(in crate::broker) principal: &'a str,
    pub(in crate::broker) limits: [u32; 6],
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

fn to_millis(at: Instant) -> Option<u64> {
    (at != Instant::NEVER).then(|| at.as_millis())
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

    /// How many bytes wait to be taken.
    pub(in crate::broker) fn len(&self) -> usize {
        self.writer.len()
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

    /// Notes a part of a Session as it is, for a snapshot.
    pub(in crate::broker) fn part_if_there(&mut self, number: u64, session: &Session, part: Part) {
        if session.has_part(part) {
            self.part(number, session, part);
        }
    }

    /// A message of a Session is over.
    pub(in crate::broker) fn message_ended(&mut self, number: u64, token: Token) {
        self.session_key(number, Part::Message(token, None).key());
        self.writer.remove(&self.key);
    }

    /// Notes a message under its number.
    pub(in crate::broker) fn body(&mut self, number: NonZeroU64, message: &Message) {
        self.numbered_key(kind::BODY, number.get());
        self.writer.put(&self.key, |value| {
            value.extend_from_slice(message.as_bytes())
        });
    }

    /// What belongs to no key of its own, at the end of a batch.
    pub(in crate::broker) fn head(&mut self, head: StoredHead) {
        if !self.writer.is_empty() {
            let head = &StoredHead {
                last_record: self.writer.last() + 1,
                ..head
            };
            self.put_head(head);
        }
    }

    pub(in crate::broker) fn put_head(&mut self, head: &StoredHead) {
        self.writer.put(&[kind::HEAD], |value| append(head, value));
    }

    fn own_key(&mut self, session: u64, part: u8, text: &str) {
        self.session_key(session, (part, 0));
        // In place of the number.
        self.key.truncate(10);
        self.key.extend_from_slice(text.as_bytes());
    }

    pub(in crate::broker) fn owner(&mut self, session: u64, owner: Option<(&str, &ClientLimits)>) {
        self.own_key(session, part::OWNER, "");
        self.put_or_remove(owner, |(principal, limits), value| {
            let limits = limits.to_numbers();
            append(&StoredOwner { principal, limits }, value);
        });
    }

    pub(in crate::broker) fn subscription(
        &mut self,
        session: u64,
        filter: &str,
        granted: Option<(Granted, u64)>,
    ) {
        self.own_key(session, part::SUBSCRIPTION, filter);
        self.put_or_remove(granted, |(granted, since), value| {
            append(&(granted.bits(), since), value);
        });
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
            let stored = StoredRetained {
                publisher: retained.publisher.as_deref().unwrap_or_default(),
                body: retained.body.map_or(0, NonZeroU64::get),
                qos: retained.qos as u8,
                expires_at: to_millis(retained.expires_at),
                sequence: retained.sequence,
                overtaken: retained.overtaken,
            };
            append(&stored, value);
        });
    }

    fn numbered_key(&mut self, kind: u8, number: u64) {
        self.key.clear();
        self.key.push(kind);
        self.key.extend_from_slice(&number.to_be_bytes());
    }

    pub(in crate::broker) fn job(&mut self, publisher: &str, job: &Job) {
        self.numbered_key(kind::JOB, job.number);
        let arrival = &job.arrival;
        let last = job.position.checked_sub(1);
        let last = last.and_then(|last| job.hits.get(last));
        let stored = StoredJob {
            publisher,
            body: job.body.get(),
            qos: arrival.qos as u8,
            retain: arrival.retain,
            expires_at: to_millis(arrival.expires_at),
            from: job.from,
            position: last.map_or(0, |hit| hit.number),
        };
        self.writer.put(&self.key, |value| append(&stored, value));
    }

    pub(in crate::broker) fn job_over(&mut self, number: u64) {
        self.numbered_key(kind::JOB, number);
        self.writer.remove(&self.key);
    }

    pub(in crate::broker) fn group(&mut self, filter: &str, group: Option<(u64, Policy)>) {
        self.key.clear();
        self.key.push(kind::GROUP);
        self.key.extend_from_slice(filter.as_bytes());
        self.put_or_remove(group, |(born, policy), value| {
            let policy = policy.code();
            append(&StoredGroup { born, policy }, value);
        });
    }

    pub(in crate::broker) fn shared(
        &mut self,
        message: &GroupMessage<SharedMessage>,
        place: SharedPlace<'_>,
    ) {
        let shared = &message.message;
        self.numbered_key(kind::SHARED, shared.number);
        let stored = StoredShared {
            filter: place.filter,
            position: place.position,
            body: shared.body.get(),
            qos: message.qos as u8,
            retain: shared.retain,
            expires_at: to_millis(message.expires_at),
            member: place.member.map(|(number, token)| (number, token.number())),
        };
        self.writer.put(&self.key, |value| append(&stored, value));
    }

    pub(in crate::broker) fn shared_over(&mut self, number: u64) {
        self.numbered_key(kind::SHARED, number);
        self.writer.remove(&self.key);
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
        self.numbered_key(kind::BODY, number.get());
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
