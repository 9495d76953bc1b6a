//! A Session in parts, each of which its owner stores under a key of its own.
//!
//! A [`Change`] says which part is another one now; the part is written as it is after the call. So a part that is stored
//! twice is the same, and only the last one counts.

use alloc::vec::Vec;
use core::time::Duration;

use mqtt5_codec::{PacketIdentifier, Qos};
use serde::{Deserialize, Serialize};

use super::format::{Bodies, Find, StoredLife, StoredMessage, StoredSession, StoredWill};
use super::snapshot;
use crate::error::RestoreError;
use crate::session::{Change, QueuedMessage, Session, SessionConfig};
use crate::{Instant, Token};

/// A part of a Session. In its owner's key follows the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// ClientID, for how long there is a Session, and the Packet Identifiers that are not used again.
    Life,
    /// The Will Message.
    Will,
    /// A message with QoS 1 or 2 that waits or is in flight, by its token; in flight it has this Packet Identifier.
    Message(Token, Option<PacketIdentifier>),
    /// A Packet Identifier of a message with QoS 2 that was received.
    Received(PacketIdentifier),
    /// The same, when it is free again.
    Completed(PacketIdentifier),
}

impl Part {
    /// What the key of the part consists of.
    pub(crate) const fn key(self) -> (u8, u64) {
        match self {
            Part::Life => (0, 0),
            Part::Will => (1, 0),
            Part::Message(token, _) => (2, token.number()),
            Part::Received(packet_identifier) | Part::Completed(packet_identifier) => {
                (3, packet_identifier.get() as u64)
            }
        }
    }
}

/// A part as it is stored.
#[derive(Serialize, Deserialize)]
pub(crate) enum StoredPart<'a> {
    Life {
        client_identifier: &'a str,
        life: StoredLife,
        last_token: u64,
        lost: Vec<u16>,
    },
    Will(#[serde(borrow)] StoredWill<'a>),
    Waiting(#[serde(borrow)] StoredMessage<'a>),
    InFlight(u16, #[serde(borrow)] StoredMessage<'a>),
    /// Packet Identifier, token, and a number that ascends in the order of the PUBRECs.
    Released(u16, u64, u64),
    Received(u16),
}

impl Session {
    /// Which part a change made another one. An acknowledged or dropped message is gone with its outcome, which names its
    /// token.
    pub(crate) fn part_of(&self, change: &Change) -> Option<Part> {
        Some(match *change {
            Change::Accepted { ref message, .. } => Part::Message(message.token, None),
            Change::Sent {
                token,
                packet_identifier,
            } => Part::Message(token, Some(packet_identifier)),
            Change::Released { packet_identifier } => {
                let token = self.sender.token_of(packet_identifier)?;
                Part::Message(token, Some(packet_identifier))
            }
            Change::Received { packet_identifier } => Part::Received(packet_identifier),
            Change::Completed { packet_identifier } => Part::Completed(packet_identifier),
            Change::WillStored { .. } | Change::WillRemoved => Part::Will,
            Change::Connected { .. }
            | Change::Disconnected { .. }
            | Change::Lost { .. }
            | Change::Adopted { .. }
            | Change::Ended => Part::Life,
            Change::Finished { .. } | Change::Dropped { .. } | Change::Overdue { .. } => {
                return None;
            }
        })
    }

    /// Appends a part as it is now; returns `false` if it is gone. `order` ascends from call to call.
    pub(crate) fn write_part(&self, part: Part, order: u64, into: &mut Vec<u8>) -> bool {
        let stored = match part {
            Part::Life if !self.life.exists() => return false,
            Part::Life => StoredPart::Life {
                client_identifier: &self.client_identifier,
                life: self.stored_life(),
                last_token: self.last_token.number(),
                lost: self.sender.lost_identifiers().map(|it| it.get()).collect(),
            },
            Part::Will => match &self.will {
                Some(will) => {
                    StoredPart::Will(StoredWill::new(&will.will, will.delay, will.due_at))
                }
                None => return false,
            },
            Part::Message(token, packet_identifier) => {
                let in_flight =
                    packet_identifier.filter(|it| self.sender.token_of(*it) == Some(token));
                match in_flight {
                    Some(number) => match self.sender.message_of(number) {
                        Some(queued) => StoredPart::InFlight(
                            number.get(),
                            StoredMessage::new(queued, Bodies::Named),
                        ),
                        None => StoredPart::Released(number.get(), token.number(), order),
                    },
                    None => match self.waiting.find(token) {
                        Some(queued) if queued.qos != Qos::AtMostOnce => {
                            StoredPart::Waiting(StoredMessage::new(queued, Bodies::Named))
                        }
                        _ => return false,
                    },
                }
            }
            Part::Received(packet_identifier) => StoredPart::Received(packet_identifier.get()),
            Part::Completed(_) => return false,
        };
        append(&stored, into);
        true
    }

    /// Its owner stores each part under a key of its own, and must hear of each one that is gone.
    pub(crate) fn store_in_parts(&mut self) {
        self.keyed = true;
    }

    /// The Session ends: its received Packet Identifiers are forgotten, one by one for an owner that
    /// has each under a key.
    pub(crate) fn complete_all_received(&mut self) {
        if !self.keyed {
            return;
        }
        let received: Vec<PacketIdentifier> = self.receiver.accepted().collect();
        for packet_identifier in received {
            self.change(|| Change::Completed { packet_identifier });
        }
    }

    /// Whether a part is there that a Session may be without.
    pub(crate) fn has_part(&self, part: Part) -> bool {
        match part {
            Part::Will => self.will.is_some(),
            _ => true,
        }
    }

    /// The messages whose bytes a snapshot needs.
    pub(crate) fn unacknowledged_messages(&self) -> impl Iterator<Item = &QueuedMessage> {
        let in_flight = self.sender.unacknowledged().map(|(_, it)| it);
        in_flight.chain(self.waiting.acknowledged())
    }

    /// All parts that are there, for a snapshot.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        let waiting = self
            .waiting
            .acknowledged()
            .map(|it| Part::Message(it.token, None));
        let in_flight = self
            .sender
            .unacknowledged()
            .map(|(number, it)| Part::Message(it.token, Some(number)));
        let released = self
            .sender
            .released()
            .map(|(number, token)| Part::Message(token, Some(number)));
        [Part::Life, Part::Will]
            .into_iter()
            .chain(in_flight)
            .chain(released)
            .chain(waiting)
            .chain(self.receiver.accepted().map(Part::Received))
    }
}

fn append(stored: &StoredPart<'_>, into: &mut Vec<u8>) {
    // It fails for bodies of unknown length, which there are not.
    if let Ok(bytes) = postcard::to_extend(stored, core::mem::take(into)) {
        *into = bytes;
    }
}

/// The parts of one Session, in any order.
#[derive(Default)]
pub(crate) struct Parts<'a>(Vec<StoredPart<'a>>);

impl<'a> Parts<'a> {
    /// Adds a part.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Damaged`] if the bytes are not a part, [`RestoreError::BodyMissing`] if `find`
    /// does not return its message.
    pub(crate) fn add(&mut self, bytes: &'a [u8], find: &mut Find<'_>) -> Result<(), RestoreError> {
        let part = postcard::from_bytes(bytes).map_err(|_| RestoreError::Damaged)?;
        if let StoredPart::Waiting(message) | StoredPart::InFlight(_, message) = &part {
            message.read(find)?;
        }
        self.0.push(part);
        Ok(())
    }

    /// Whether there is a Session: parts without it are left over.
    pub(crate) fn has_life(&self) -> bool {
        self.0
            .iter()
            .any(|part| matches!(part, StoredPart::Life { .. }))
    }

    /// Whether there was a Network Connection when the last record was made.
    pub(crate) fn was_connected(&self) -> bool {
        self.0.iter().any(|part| {
            let life = match part {
                StoredPart::Life { life, .. } => life,
                _ => return false,
            };
            matches!(life, StoredLife::Connected { .. })
        })
    }

    /// The Session of a Server, without a Network Connection. A Will Message is not due before
    /// `grace` is over.
    ///
    /// # Errors
    ///
    /// As [`Session::restore`].
    pub(crate) fn restore(
        self,
        now: Instant,
        grace: Duration,
        config: SessionConfig,
        find: &mut Find<'_>,
    ) -> Result<Session, RestoreError> {
        let mut stored = StoredSession {
            server: true,
            client_identifier: "",
            life: StoredLife::None,
            will: None,
            last_token: 0,
            in_flight: Vec::new(),
            released: Vec::new(),
            lost: Vec::new(),
            received: Vec::new(),
            waiting: Vec::new(),
            deadlines: Vec::new(),
        };
        let mut released = Vec::new();
        let mut last_token = 0;
        for part in self.0 {
            match part {
                StoredPart::Life {
                    client_identifier,
                    life,
                    last_token: last,
                    lost,
                } => {
                    stored.lost = lost;
                    stored.client_identifier = client_identifier;
                    stored.life = life;
                    last_token = last_token.max(last);
                }
                StoredPart::Will(will) => stored.will = Some(will),
                StoredPart::Waiting(message) => stored.waiting.push(message),
                StoredPart::InFlight(number, message) => stored.in_flight.push((number, message)),
                StoredPart::Released(number, token, order) => released.push((order, number, token)),
                StoredPart::Received(number) => stored.received.push(number),
            }
        }
        stored.waiting.sort_by_key(StoredMessage::token);
        stored.in_flight.sort_by_key(|(_, message)| message.token());
        released.sort_unstable();
        stored.lost.sort_unstable();
        stored.received.sort_unstable();
        let tokens = stored
            .waiting
            .iter()
            .chain(stored.in_flight.iter().map(|(_, message)| message))
            .map(StoredMessage::token)
            .chain(released.iter().map(|(_, _, token)| *token));
        stored.last_token = tokens.fold(last_token, u64::max);
        stored.released = released
            .into_iter()
            .map(|(_, number, token)| (number, token))
            .collect();
        let was_connected = matches!(stored.life, StoredLife::Connected { .. });
        let mut session = snapshot::read(now, &stored, config, find)?;
        session.store_in_parts();
        if was_connected {
            // Another restart must not begin its intervals anew.
            session.announce_loss();
        }
        session.hold_will(now, grace);
        Ok(session)
    }
}
