//! Publishing.

use mqtt5_session_fsm::codec::{Message, Properties, Property, Publish, Qos, TopicName};
use mqtt5_session_fsm::{Publication, PublishError};

use super::SessionWorld;
use super::actions::Action;
use super::announced::TOPIC;
use super::application::{SIDES, Side};
use super::config::Config;
use super::monitors::room::{Stored, nothing_dropped};
use super::monitors::{Judged, Rule, Verdict};
use super::shell::At;
use crate::explore::Turn;

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
        let flow = &self.flows[side];
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
                    actions.push(Action::Publish(side, qos, large));
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
    ) -> Judged {
        let config = self.config.0.session();
        let before = Stored::of(&self.flows[side]);
        let number = self.flows[side].next_number();
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
        let publication = Publication::new(qos, message);
        let now = self.now(side);
        let at = self.at(side);
        let answer = match at {
            At::Client => self.client.publish(now, publication),
            At::Server(link) => self.machine(link).publish(now, publication),
            At::Stored => match &mut self.stored {
                Some(session) => session.publish(now, publication),
                None => return Ok(()),
            },
        };
        let taken = answer.is_ok();
        match answer.map_err(|refused| refused.error) {
            Ok(token) => {
                self.left.messages[side] -= 1;
                turn.judge(Rule::OneOutcome, Verdict::Armed)?;
                self.flows[side].accepted(qos, token.number(), size);
            }
            Err(PublishError::Busy) => {
                turn.judge(Rule::Room, Verdict::Armed)?;
                turn.note(side.lane(), "gets `Busy`: it must wait for room");
                let refused = &mut self.flows[side].refused[class(qos)];
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
                turn.note(side.lane(), "gets `TooLarge`: the message can never fit");
            }
            Err(error) => return turn.demand(Rule::Calls, Err(error)),
        }
        self.drain(at, turn)?;
        let dropped = std::mem::take(&mut self.flows[side].dropped);
        let verdict = before.dropped(&dropped, taken, size, &config);
        turn.judge(Rule::Drops, verdict)
    }

    /// Whether a message never has room, or has none without a connection.
    fn is_too_large(&self, size: u16) -> bool {
        let config = &self.config.0;
        u32::from(size) > config.stored_bytes.min(config.waiting_bytes) || config.stored == 0
    }

    /// Whether what was not seen on the wire is what waits: a host without room or `poll` hides what has left the queue.
    pub(super) fn sees_what_waits(&self) -> bool {
        !self.config.0.is_absent()
    }

    /// What both sides store.
    pub(super) fn check_room(&self, turn: &mut Turn<'_>) -> Judged {
        let config = self.config.0.session();
        for side in SIDES {
            let flow = &self.flows[side];
            // A machine that is not polled has told nothing yet, and sent nothing.
            let Some(session) = self.session(side).filter(|_| self.is_attentive(side)) else {
                continue;
            };
            if flow.records.is_empty() {
                continue;
            }
            let stored = Stored::of(flow);
            let sees_what_waits = self.sees_what_waits();
            let verdict = stored.limits(session, &config, sees_what_waits);
            turn.judge(Rule::StoredLimits, verdict)?;
            if sees_what_waits {
                turn.judge(Rule::Room, stored.room_is_told(flow, &config))?;
            }
            turn.judge(Rule::Drops, nothing_dropped(flow))?;
        }
        Ok(())
    }
}
