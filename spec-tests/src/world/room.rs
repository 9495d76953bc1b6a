//! Publishing, and the room that it needs: a sum of what is stored that the library has no part in.

use mqtt5_session_fsm::codec::{Message, Properties, Property, Publish, Qos, TopicName};
use mqtt5_session_fsm::{
    Publication, PublishError, RefusedPublication, SessionConfig, StoredLimits, WaitingLimits,
    WhenFull,
};

use super::SessionWorld;
use super::actions::Action;
use super::announced::TOPIC;
use super::application::{Flow, Record, Side, violation};
use super::config::Config;
use super::host::At;
use super::points::{Monitor, of_monitor};
use crate::explore::{Turn, Violation};

/// Messages, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    messages: u32,
    bytes: usize,
}

impl Amount {
    fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Self {
        let mut amount = Amount::default();
        for record in records {
            amount.messages += 1;
            // After its PUBREC a message is kept no more, but its Packet Identifier is.
            if !record.released {
                amount.bytes += usize::from(record.size);
            }
        }
        amount
    }

    fn with(self, size: u16) -> Self {
        Amount {
            messages: self.messages + 1,
            bytes: self.bytes + usize::from(size),
        }
    }

    fn without(self, dropped: &[u16]) -> Self {
        let bytes: usize = dropped.iter().copied().map(usize::from).sum();
        Amount {
            messages: self.messages.saturating_sub(dropped.len() as u32),
            bytes: self.bytes.saturating_sub(bytes),
        }
    }

    fn fits(self, most: Amount) -> bool {
        self.messages <= most.messages && self.bytes <= most.bytes
    }

    /// What is too much.
    fn beyond(self, most: Amount) -> Self {
        Amount {
            messages: self.messages.saturating_sub(most.messages),
            bytes: self.bytes.saturating_sub(most.bytes),
        }
    }
}

impl From<StoredLimits> for Amount {
    fn from(limits: StoredLimits) -> Self {
        Amount {
            messages: limits.messages,
            bytes: limits.bytes,
        }
    }
}

impl From<WaitingLimits> for Amount {
    fn from(limits: WaitingLimits) -> Self {
        Amount {
            messages: limits.messages,
            bytes: limits.bytes,
        }
    }
}

/// What is stored, and what of it waits.
#[derive(Clone, Copy, Debug)]
struct Stored {
    all: Amount,
    waiting: Amount,
}

impl Stored {
    fn of(flow: &Flow) -> Self {
        Stored {
            all: Amount::of(flow.records.iter().filter(|it| !it.over)),
            waiting: Amount::of(waiting(flow)),
        }
    }

    /// Whether another message may wait, if these are dropped for it.
    fn takes(&self, size: u16, dropped: &[u16], config: &SessionConfig) -> bool {
        let all = self.all.without(dropped).with(size);
        let waiting = self.waiting.without(dropped).with(size);
        all.fits(config.stored.into()) && waiting.fits(config.waiting.into())
    }

    /// Whether another message may wait, if everything is dropped for it that may be.
    fn can_take(&self, size: u16, flow: &Flow, config: &SessionConfig) -> bool {
        let most = Amount::of(waiting(flow).filter(|it| may_drop(it, config)));
        let all = self.all.with(size).beyond(config.stored.into());
        let waiting = self.waiting.with(size).beyond(config.waiting.into());
        all.fits(most) && waiting.fits(most)
    }
}

/// The messages that were never sent.
fn waiting(flow: &Flow) -> impl Iterator<Item = &Record> + Clone {
    let records = flow.records.iter();
    records.filter(|it| !it.over && !it.transmitted && it.identifier == 0)
}

fn may_drop(record: &Record, config: &SessionConfig) -> bool {
    match config.waiting.when_full {
        WhenFull::Refuse => false,
        WhenFull::DropOldestQos0 => record.qos == Qos::AtMostOnce,
        WhenFull::DropOldest => true,
    }
}

/// The message that is dropped first. The newest is the one that it is dropped for.
fn next_to_drop<'a>(flow: &'a Flow, config: &SessionConfig) -> Option<&'a Record> {
    let new = flow.records.last().map(|it| it.token);
    let droppable = || waiting(flow).filter(|it| may_drop(it, config) && Some(it.token) != new);
    droppable()
        .find(|it| it.qos == Qos::AtMostOnce)
        .or_else(|| droppable().next())
}

/// The place of a QoS in [`Flow::refused`].
const fn class(qos: Qos) -> usize {
    match qos {
        Qos::AtMostOnce => 0,
        _ => 1,
    }
}

fn message(config: &Config, number: u8, large: bool) -> Message {
    let beside = if large { config.large } else { config.padding };
    let mut payload = vec![0; 1 + usize::from(beside)];
    payload[0] = number;
    let topic = TopicName::new(TOPIC).expect("a good name");
    let expiry = [Property::MessageExpiryInterval(config.message_expiry)];
    let properties = match config.message_expiry {
        0 => &[][..],
        _ => &expiry[..],
    };
    let publish = Publish {
        retain: config.retain > 0,
        properties: Properties::new(properties).expect("a good property"),
        ..Publish::new(topic, &payload)
    };
    Message::new(&publish).expect("a good message")
}

fn size_of(message: &Message) -> u16 {
    u16::try_from(message.size()).expect("a small message")
}

impl SessionWorld {
    /// Whatever an application may publish. What the library is too busy for, it does not try again.
    pub(super) fn publications(&self, side: Side, actions: &mut Vec<Action>) {
        let config = &self.config.0;
        let flow = &self.flows[side as usize];
        for qos in config.qualities() {
            for large in [false, true] {
                if large && config.large == 0 {
                    continue;
                }
                let refused = match qos {
                    0 => flow.refused[0],
                    _ => flow.refused[1],
                };
                if refused == 0 || size_of(&message(config, 0, large)) < refused {
                    actions.push(Action::Publish { side, qos, large });
                }
            }
        }
    }

    pub(super) fn publish(
        &mut self,
        side: Side,
        qos: u8,
        large: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let number = self.flows[side as usize].next_number();
        let qos = Qos::from_bits(qos).expect("a digit of the configuration");
        let message = message(&self.config.0, number, large);
        let size = size_of(&message);
        let bytes = match self.config.0.large {
            0 => String::new(),
            _ => format!(", {size} bytes"),
        };
        turn.note(
            side.lane(),
            format_args!("publishes message {number} (QoS {}{bytes})", qos as u8),
        );
        let before = Stored::of(&self.flows[side as usize]);
        let publication = Publication::new(qos, message);
        let now = self.now(side);
        let at = self.at(side);
        let answer = match at {
            At::Client => self.client.machine.publish(now, publication),
            At::Server(link) => self.machine(link).publish(now, publication),
            At::Stored => match &mut self.server.stored {
                Some(session) => session.publish(now, publication),
                None => Err(RefusedPublication {
                    error: PublishError::NoSession,
                    publication,
                }),
            },
        };
        let taken = answer.is_ok();
        match answer.map_err(|refused| refused.error) {
            Ok(token) => {
                match side {
                    Side::Client => self.left.up -= 1,
                    Side::Server => self.left.down -= 1,
                }
                turn.cover(of_monitor(Monitor::OneOutcome));
                self.flows[side as usize].accepted(qos, token.number(), size);
            }
            Err(PublishError::Busy) => {
                turn.cover(of_monitor(Monitor::Room));
                turn.note(side.lane(), "is told to wait");
                let refused = &mut self.flows[side as usize].refused[class(qos)];
                *refused = match *refused {
                    0 => size,
                    smallest => smallest.min(size),
                };
            }
            Err(PublishError::Forbidden(limit)) if self.config.0.limits_change() => {
                turn.note(side.lane(), format_args!("may not: {limit}"));
            }
            // It has ended, and its connection has not: the last packet waits for room, or for `poll`.
            Err(PublishError::NoSession) if !self.is_attentive(side) => {
                turn.note(side.lane(), "has no Session any more");
            }
            Err(PublishError::TooLarge) if self.is_too_large(size) => {
                turn.note(side.lane(), "is told that it is too large");
            }
            Err(error) => {
                let message = format!("message {number} was not accepted: {error}");
                return Err(violation(Monitor::NotLost, message));
            }
        }
        self.drain(at, turn)?;
        let dropped = std::mem::take(&mut self.flows[side as usize].dropped);
        self.check_drops(side, (taken, size), before, &dropped)
    }

    /// Whether a message never has room, or has none without a connection.
    fn is_too_large(&self, size: u16) -> bool {
        let config = &self.config.0;
        u32::from(size) > config.stored_bytes.min(config.waiting_bytes) || config.stored == 0
    }

    /// A message is about to be dropped: the policy says which.
    pub(super) fn check_drop(
        &mut self,
        side: Side,
        token: u64,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        turn.cover(of_monitor(Monitor::Drops));
        let config = self.config.0.session();
        let flow = &mut self.flows[side as usize];
        let Some(record) = next_to_drop(flow, &config).filter(|it| it.token == token) else {
            let message = format!("token {token} is dropped, and is not the oldest that may be");
            return Err(violation(Monitor::Drops, message));
        };
        let size = record.size;
        flow.dropped.push(size);
        Ok(())
    }

    /// Whether what was not seen on the wire is what waits: a host without room or `poll` hides what has left the queue.
    pub(super) fn sees_what_waits(&self) -> bool {
        !self.config.0.is_absent()
    }

    /// What was dropped for a message that was taken or not.
    fn check_drops(
        &self,
        side: Side,
        (taken, size): (bool, u16),
        before: Stored,
        dropped: &[u16],
    ) -> Result<(), Violation> {
        let Some((_, but_last)) = dropped.split_last() else {
            return Ok(());
        };
        let session = self.config.0.session();
        if !taken {
            let message = format!("the {} dropped for a message that it refused", side.name());
            return Err(violation(Monitor::Drops, message));
        }
        if before.takes(size, but_last, &session) {
            let message = format!("the {} dropped more than it had to", side.name());
            return Err(violation(Monitor::Drops, message));
        }
        Ok(())
    }

    /// What both sides store, by the sum of what they accepted and told no outcome of.
    pub(super) fn check_room(&self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        for side in [Side::Client, Side::Server] {
            let Some(session) = self.session(side) else {
                continue;
            };
            // A machine that is not polled has told nothing yet, and sent nothing.
            if !self.is_attentive(side) {
                continue;
            }
            let flow = &self.flows[side as usize];
            if flow.records.is_empty() {
                continue;
            }
            turn.cover(of_monitor(Monitor::StoredLimits));
            let config = self.config.0.session();
            let stored = Stored::of(flow);
            let Stored { all, waiting } = stored;
            let wrong = |what: &str, amount: Amount| {
                let Amount { messages, bytes } = amount;
                let name = side.name();
                let message = format!("the {name} {what} {messages} messages of {bytes} bytes");
                Err(violation(Monitor::StoredLimits, message))
            };
            if !all.fits(config.stored.into()) {
                return wrong("stores", all);
            }
            if self.sees_what_waits() && !waiting.fits(config.waiting.into()) {
                return wrong("lets wait", waiting);
            }
            if session.stored() != u64::from(all.messages) || session.stored_bytes() != all.bytes {
                let counts = format!("{}, {}", session.stored(), session.stored_bytes());
                return wrong(&format!("counts {counts} instead of"), all);
            }
            let refused = flow.refused.iter().filter(|size| **size > 0);
            for size in refused {
                if self.sees_what_waits() && stored.can_take(*size, flow, &config) {
                    let message = format!(
                        "the {} has room for {size} bytes, and does not say so",
                        side.name()
                    );
                    return Err(violation(Monitor::Room, message));
                }
            }
            if !flow.dropped.is_empty() {
                let message = format!("the {} drops although nobody publishes", side.name());
                return Err(violation(Monitor::Drops, message));
            }
        }
        Ok(())
    }
}
