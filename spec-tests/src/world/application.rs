//! What the applications know: the oracle.
//!
//! Message number k of a direction has k as its payload. Its [`Record`] says what its publisher was
//! told, what was seen of it on the wire, and what the other application got.

use mqtt5_session_fsm::codec::{Qos, Role};
use mqtt5_session_fsm::{Outcome, Receipt};

use super::points::Monitor;
use crate::explore::{Lane, Violation};

/// One side of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) const fn other(self) -> Self {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    pub(super) const fn role(self) -> Role {
        match self {
            Side::Client => Role::Client,
            Side::Server => Role::Server,
        }
    }

    pub(super) const fn lane(self) -> Lane {
        Lane(self as usize)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

/// How something ended, as far as the monitors care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    Success,
    Refused,
    /// The library says that it is lost, or nobody knows.
    Lost,
    /// The library says that it was not sent, for a good reason.
    NotSent,
    /// It made room for another.
    Dropped,
}

impl Ending {
    pub(super) fn of(outcome: &Outcome<'_>) -> Self {
        match outcome {
            _ if outcome.is_success() => Ending::Success,
            Outcome::Indeterminate | Outcome::NotSent => Ending::Lost,
            Outcome::Dropped => Ending::Dropped,
            Outcome::Expired | Outcome::Forbidden(_) => Ending::NotSent,
            _ => Ending::Refused,
        }
    }
}

/// A message that was accepted by the library.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) qos: Qos,
    pub(super) token: u64,
    /// In bytes, as the limits count them.
    pub(super) size: u16,
    /// It had its outcome.
    pub(super) over: bool,
    /// The Packet Identifier that it was seen with; 0 for none yet.
    pub(super) identifier: u16,
    pub(super) transmitted: bool,
    /// The other side has acknowledged it with PUBREC.
    pub(super) released: bool,
    /// Its Session was restored, so that nobody knows whether it was transmitted.
    pub(super) restored: bool,
    /// How often it was handed out in this life of the receiving Session.
    pub(super) delivered: u8,
    /// How often it was handed out at all.
    pub(super) ever: u8,
    /// It was handed out, even if that was taken back later.
    pub(super) seen: bool,
    /// The other application took it.
    pub(super) accepted: bool,
}

/// What one application publishes, and what becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    pub(super) records: Vec<Record>,
    /// Subscriptions and unsubscriptions under way: Packet Identifier (0 if not seen yet) and token.
    pub(super) requests: Vec<(u16, u64)>,
    /// Identifiers of released messages, in the order of their PUBREC.
    pub(super) releasing: Vec<u16>,
    /// The smallest message that the library was too busy for, in bytes, or 0: with QoS 0, and with others.
    pub(super) refused: [u16; 2],
    /// Sizes of the messages that made room for the one that is being published. Nothing between two steps.
    pub(super) dropped: Vec<u16>,
}

impl Flow {
    pub(super) fn accepted(&mut self, qos: Qos, token: u64, size: u16) {
        self.records.push(Record {
            qos,
            token,
            size,
            over: false,
            identifier: 0,
            transmitted: false,
            released: false,
            restored: false,
            delivered: 0,
            ever: 0,
            seen: false,
            accepted: false,
        });
    }

    /// The number that the next message will have.
    pub(super) fn next_number(&self) -> u8 {
        self.records.len() as u8
    }

    /// Whether an identifier belongs to something that has no outcome yet.
    pub(super) fn is_in_use(&self, identifier: u16) -> bool {
        let by_message = |record: &Record| !record.over && record.identifier == identifier;
        self.records.iter().any(by_message)
            || self.requests.iter().any(|(used, _)| *used == identifier)
    }

    pub(super) fn with_identifier(&mut self, identifier: u16) -> Option<&mut Record> {
        let mut records = self.records.iter_mut();
        records.find(|record| !record.over && record.identifier == identifier)
    }

    /// An outcome was told. Gives the number of the message, if it is one.
    pub(super) fn outcome(
        &mut self,
        token: u64,
        ending: Ending,
        strict: bool,
    ) -> Result<Option<u8>, Violation> {
        if let Some(position) = self.requests.iter().position(|(_, it)| *it == token) {
            self.requests.remove(position);
            return Ok(None);
        }
        let mut records = self.records.iter_mut();
        let found = records.position(|record| !record.over && record.token == token);
        let Some(number) = found else {
            let message = format!("token {token} has an outcome that it should not have, or had");
            return Err(violation(Monitor::OneOutcome, message));
        };
        let record = &mut self.records[number];
        let is_certain = match record.qos {
            Qos::AtMostOnce => false,
            Qos::AtLeastOnce => true,
            Qos::ExactlyOnce => strict,
        };
        if ending == Ending::Success && is_certain && !record.accepted {
            let message = format!("message {number} succeeded, but nobody got it");
            return Err(violation(Monitor::NotLost, message));
        }
        let identifier = record.identifier;
        self.releasing.retain(|it| *it != identifier);
        // What does not matter any more must not make states differ.
        *record = Record {
            over: true,
            token: 0,
            size: 0,
            identifier: 0,
            transmitted: false,
            released: false,
            restored: false,
            ..*record
        };
        Ok(Some(number as u8))
    }

    /// A message was handed to the application on the other side.
    pub(super) fn delivered(
        &mut self,
        number: u8,
        qos: Qos,
        strict: bool,
    ) -> Result<(), Violation> {
        let later = self.records.iter().skip(usize::from(number) + 1);
        let overtaken = later.clone().position(|it| it.seen && it.qos == qos);
        let Some(record) = self.records.get_mut(usize::from(number)) else {
            let message = format!("message {number} was never published");
            return Err(violation(Monitor::NothingOfTheDead, message));
        };
        if record.qos != qos {
            let message = format!("message {number} has another QoS than it was published with");
            return Err(violation(Monitor::NotLost, message));
        }
        if strict && !record.seen && overtaken.is_some() {
            let message = format!("message {number} comes after a later one with the same QoS");
            return Err(violation(Monitor::DeliveryOrder, message));
        }
        record.seen = true;
        record.delivered = record.delivered.saturating_add(1).min(2);
        record.ever = record.ever.saturating_add(1).min(2);
        if qos != Qos::AtLeastOnce && record.delivered > 1 {
            let message = format!("message {number} was delivered twice");
            return Err(violation(Monitor::AtMostOnce, message));
        }
        if qos == Qos::ExactlyOnce && record.ever > 1 && strict {
            let message = format!("message {number} was delivered twice, in two Sessions");
            return Err(violation(Monitor::Ever, message));
        }
        Ok(())
    }

    /// A delivery is taken back: the application refused the message, or crashed before it decided.
    pub(super) fn taken_back(&mut self, number: u8) {
        if let Some(record) = self.records.get_mut(usize::from(number)) {
            record.delivered = record.delivered.saturating_sub(1);
            record.ever = record.ever.saturating_sub(1);
        }
    }

    /// The Session that receives this flow has ended.
    pub(super) fn receiver_ended(&mut self) {
        for record in &mut self.records {
            record.delivered = 0;
        }
    }

    /// The publisher crashed. What is not stored has no outcome: messages with QoS 0, and requests,
    /// which end with their connection.
    pub(super) fn sender_crashed(&mut self) {
        self.requests.clear();
        self.refused = [0; 2];
        for record in self.records.iter_mut().filter(|it| !it.over) {
            record.over = record.qos == Qos::AtMostOnce;
            record.restored = true;
        }
    }

    /// Whether everything had its outcome, and nobody waits for room.
    pub(super) fn is_settled(&self) -> bool {
        self.requests.is_empty() && self.refused == [0; 2] && self.records.iter().all(|it| it.over)
    }
}

/// What an application holds of the messages that it got and has not decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Undecided {
    pub(super) receipt: Receipt,
    pub(super) number: u8,
    pub(super) qos: Qos,
    pub(super) identifier: u16,
}

pub(super) fn violation(monitor: Monitor, message: impl Into<String>) -> Violation {
    Violation::new(monitor.name(), message)
}
