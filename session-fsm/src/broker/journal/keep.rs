//! The records that the broker makes.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use mqtt5_codec::Message;

use super::Writer;
use crate::Token;
use crate::session::persistence::parts::Part;
use crate::session::{Change, Session};

/// The first byte of each key, by what it is the key of.
mod kind {
    pub(super) const SESSION: u8 = 1;
    pub(super) const BODY: u8 = 2;
}

/// The records of the present call.
#[derive(Clone, Debug)]
pub(in crate::broker) struct Journal {
    writer: Writer,
    key: Vec<u8>,
}

impl Journal {
    pub(in crate::broker) const fn new() -> Self {
        Journal {
            writer: Writer::new(1),
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
