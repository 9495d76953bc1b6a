//! What the applications know: the oracle.
//!
//! Message number k of a direction has k as its payload. Its [`Record`] says what its publisher was
//! told, what was seen of it on the wire, and what the other application got.

use std::ops::{Index, IndexMut};

use mqtt5_session_fsm::codec::{Packet, Publish, Qos, Role};
use mqtt5_session_fsm::{Outcome, Receipt};

use crate::explore::Lane;

/// One side of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Client,
    Server,
}

pub(crate) const SIDES: [Side; 2] = [Side::Client, Side::Server];

/// One of two things that both sides have.
impl<T> Index<Side> for [T; 2] {
    type Output = T;

    fn index(&self, side: Side) -> &T {
        &self[side as usize]
    }
}

impl<T> IndexMut<Side> for [T; 2] {
    fn index_mut(&mut self, side: Side) -> &mut T {
        &mut self[side as usize]
    }
}

impl Side {
    pub(crate) const fn other(self) -> Self {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    pub(crate) const fn role(self) -> Role {
        match self {
            Side::Client => Role::Client,
            Side::Server => Role::Server,
        }
    }

    pub(crate) const fn lane(self) -> Lane {
        Lane(self as usize)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

/// How something ended, as far as the monitors care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
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
    pub(crate) fn of(outcome: &Outcome<'_>) -> Self {
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
pub(crate) struct Record {
    pub(crate) qos: Qos,
    pub(crate) token: u64,
    /// In bytes, as the limits count them.
    pub(crate) size: u16,
    /// It had its outcome.
    pub(crate) over: bool,
    /// The Packet Identifier that it was seen with; 0 for none yet.
    pub(crate) identifier: u16,
    pub(crate) transmitted: bool,
    /// The other side has acknowledged it with PUBREC.
    pub(crate) released: bool,
    /// Its Session was restored, so that nobody knows whether it was transmitted.
    pub(crate) restored: bool,
    /// How often it was handed out in this life of the receiving Session.
    pub(crate) delivered: u8,
    /// How often it was handed out at all.
    pub(crate) ever: u8,
    /// It was handed out, even if that was taken back later.
    pub(crate) seen: bool,
    /// The other application took it.
    pub(crate) accepted: bool,
}

/// What one application publishes, and what becomes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flow {
    pub(crate) records: Vec<Record>,
    /// Subscriptions and unsubscriptions under way: Packet Identifier (0 if not seen yet) and token.
    pub(crate) requests: Vec<(u16, u64)>,
    /// Identifiers of released messages, in the order of their PUBREC.
    pub(crate) releasing: Vec<u16>,
    /// The smallest message that the library was too busy for, in bytes, or 0: with QoS 0, and with others.
    pub(crate) refused: [u16; 2],
    /// Sizes of the messages that made room for the one that is being published. Nothing between two steps.
    pub(crate) dropped: Vec<u16>,
}

impl Flow {
    pub(crate) fn accepted(&mut self, qos: Qos, token: u64, size: u16) {
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
    pub(crate) fn next_number(&self) -> u8 {
        self.records.len() as u8
    }

    /// Whether an identifier belongs to something that has no outcome yet.
    pub(crate) fn is_in_use(&self, identifier: u16) -> bool {
        let by_message = |record: &Record| !record.over && record.identifier == identifier;
        self.records.iter().any(by_message)
            || self.requests.iter().any(|(used, _)| *used == identifier)
    }

    pub(crate) fn with_identifier(&mut self, identifier: u16) -> Option<&mut Record> {
        let mut records = self.records.iter_mut();
        records.find(|record| !record.over && record.identifier == identifier)
    }

    /// The message that a PUBLISH carries: its number, and what is known of it.
    pub(crate) fn message_of(&self, publish: &Publish<'_>) -> (u8, Option<&Record>) {
        let number = publish.payload.first().copied().unwrap_or(u8::MAX);
        (number, self.records.get(usize::from(number)))
    }

    /// Whether the application has asked for something that was not sent yet.
    pub(crate) fn has_unsent_request(&self) -> bool {
        self.requests.iter().any(|(id, _)| *id == 0)
    }

    /// A packet was sent.
    pub(crate) fn sent(&mut self, packet: &Packet<'_>) {
        let id = packet.packet_identifier().map_or(0, |id| id.get());
        match packet {
            Packet::Publish(publish) if id > 0 => {
                let (number, _) = self.message_of(publish);
                if let Some(record) = self.records.get_mut(usize::from(number)) {
                    record.identifier = id;
                    record.transmitted = true;
                }
            }
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => {
                let mut requests = self.requests.iter_mut();
                if let Some(request) = requests.find(|(id, _)| *id == 0) {
                    request.0 = id;
                }
            }
            _ => {}
        }
    }

    /// An outcome came: whether it is that of a request, which is over then.
    pub(crate) fn settle_request(&mut self, token: u64) -> bool {
        let requests = self.requests.len();
        self.requests.retain(|(_, it)| *it != token);
        self.requests.len() < requests
    }

    /// The message with a token that has no outcome yet.
    pub(crate) fn unsettled(&self, token: u64) -> Result<usize, String> {
        let mut records = self.records.iter();
        let found = records.position(|record| !record.over && record.token == token);
        found.ok_or_else(|| format!("token {token} has an outcome that it should not have, or had"))
    }

    /// A message had its outcome.
    pub(crate) fn settled(&mut self, number: usize) {
        let record = &mut self.records[number];
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
    }

    /// A message was handed to the application on the other side, which has to decide about it or has taken it.
    pub(crate) fn delivered(&mut self, number: u8, is_accepted: bool) {
        if let Some(record) = self.records.get_mut(usize::from(number)) {
            record.seen = true;
            record.delivered = record.delivered.saturating_add(1).min(2);
            record.ever = record.ever.saturating_add(1).min(2);
            record.accepted |= is_accepted;
        }
    }

    /// A delivery is taken back: the application refused the message, or crashed before it decided.
    pub(crate) fn taken_back(&mut self, number: u8) {
        if let Some(record) = self.records.get_mut(usize::from(number)) {
            record.delivered = record.delivered.saturating_sub(1);
            record.ever = record.ever.saturating_sub(1);
        }
    }

    /// The Session that receives this flow has ended. If the receiver may go on with that of the sender nevertheless,
    /// which MQTT 3.1.1 allows to a Client, all that is not over may come again.
    pub(crate) fn receiver_ended(&mut self, may_go_on: bool) {
        for record in &mut self.records {
            record.delivered = 0;
            if may_go_on {
                record.ever = 0;
            }
        }
    }

    /// The publisher crashed. What is not stored has no outcome: messages with QoS 0, and requests,
    /// which end with their connection.
    pub(crate) fn sender_crashed(&mut self) {
        self.requests.clear();
        self.refused = [0; 2];
        for record in self.records.iter_mut().filter(|it| !it.over) {
            record.over = record.qos == Qos::AtMostOnce;
            record.restored = true;
        }
    }

    /// The publisher has lost everything: nothing has an outcome any more.
    pub(crate) fn sender_lost(&mut self) {
        self.requests.clear();
        self.refused = [0; 2];
        for number in 0..self.records.len() {
            self.settled(number);
        }
        self.releasing.clear();
    }

    /// Whether everything had its outcome, and nobody waits for room.
    pub(crate) fn is_settled(&self) -> bool {
        self.requests.is_empty() && self.refused == [0; 2] && self.records.iter().all(|it| it.over)
    }
}

/// What an application holds of the messages that it got and has not decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Undecided {
    pub(crate) receipt: Receipt,
    pub(crate) number: u8,
    pub(crate) qos: Qos,
}
