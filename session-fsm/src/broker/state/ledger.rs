//! What is noted of a Session after each call: messages that it let go, and changes that must be stored.

use core::num::NonZeroU64;

use mqtt5_codec::Message;

use super::bodies::{Bodies, Left};
use super::clients::Client;
use super::journal::{Journal, is_said_by};
use crate::Token;
use crate::session::Change;
use crate::session::persistence::parts::Part;

/// The messages on their way, and the records of the present call.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) bodies: Bodies,
    pub(super) journal: Journal,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Ledger {
            bodies: Bodies::new(),
            journal: Journal::new(1),
        }
    }

    /// The number of the last record.
    pub(super) const fn last(&self) -> u64 {
        self.journal.last()
    }

    /// One who held the message does so no more.
    pub(super) fn release(&mut self, number: NonZeroU64) {
        self.release_for(number, 1);
    }

    /// So many who held the message do so no more.
    #[inline]
    pub(super) fn release_for(&mut self, number: NonZeroU64, holders: usize) {
        if self.bodies.release(number, holders) == Left::Record {
            self.journal.body_gone(number);
        }
    }

    /// Notes a message of which a record needs the bytes.
    pub(super) fn record_body(&mut self, number: NonZeroU64, message: &Message) {
        if self.bodies.record(number) {
            self.journal.body(number, message);
        }
    }

    /// Notes that a message of a Session is over.
    pub(super) fn message_ended(&mut self, client: &mut Client, token: Token) {
        if client.is_recorded
            && client.session.config().persistent
            && !fault!("a message that is over stays stored")
        {
            self.journal.message_ended(client.number, token);
            client.depends_on = self.journal.last();
        }
    }

    /// Notes what a call made of a Session.
    #[inline]
    pub(super) fn note(&mut self, client: &mut Client) {
        if client.session.has_changes() {
            self.note_changes(client);
        }
        // The record of a message goes with its outcome, and must not name a body that has gone before.
        if client.session.has_forgotten_bodies() && !client.session.has_notices() {
            self.release_forgotten(client);
        }
    }

    #[inline(never)]
    fn release_forgotten(&mut self, client: &mut Client) {
        while let Some(number) = client.session.take_forgotten_body() {
            self.release(number);
        }
    }

    #[inline(never)]
    fn note_changes(&mut self, client: &mut Client) {
        while let Some((change, next)) = client.session.take_change() {
            let is_said = is_said_by(&change, next);
            let part = client.session.part_of(&change);
            let is_recorded = client.is_recorded || matches!(part, Some(Part::Life | Part::Will));
            if let (true, Change::Accepted { message, .. }) = (is_recorded, &change) {
                if let Some(number) = message.body {
                    self.record_body(number, &message.message);
                }
            }
            if let (true, false, Some(part)) = (is_recorded, is_said, part) {
                self.journal.part(client.number, &client.session, part);
            }
            match change {
                // The Will Message of the connection before is gone with it.
                Change::Connected { .. } => {
                    (self.journal).part(client.number, &client.session, Part::Will);
                }
                // Its delay begins.
                Change::Disconnected { .. } => {
                    (self.journal).part_if_there(client.number, &client.session, Part::Will);
                }
                _ => {}
            }
            client.depends_on = self.journal.last();
        }
    }
}
