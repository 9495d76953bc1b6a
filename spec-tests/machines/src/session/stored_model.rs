//! The policies for full queues against a model that tries every number of messages to drop.

use std::collections::VecDeque;

use mqtt5_session_fsm::codec::{Property, Role};
use mqtt5_session_fsm::{Client, PublishError, Server, WhenFull};
use proptest::prelude::*;

use super::driver::{Driver, publication};
use super::machine::Machine;
use super::make;
use super::stored::session;
use crate::check::Check;
use crate::random::property;

pub(crate) fn checks() -> Vec<Check> {
    vec![
        as_the_model_does::<Client>("client::stored_model::queues_do_as_the_model_does"),
        as_the_model_does::<Server>("server::stored_model::queues_do_as_the_model_does"),
    ]
}

fn as_the_model_does<M: Machine>(name: &'static str) -> Check {
    let limits = (
        (0_u32..5, 0_usize..120),
        (0_u32..4, 0_usize..90),
        1_u16..4,
        0_usize..3,
    );
    let steps = prop::collection::vec((0_u8..8, 8_usize..60), 1..40);
    property(
        name,
        3_000,
        (limits, steps),
        |((stored, waiting, window, policy), steps)| {
            let when_full = [
                WhenFull::Refuse,
                WhenFull::DropOldestQos0,
                WhenFull::DropOldest,
            ][policy];
            Run::<M>::new(stored, waiting, window, when_full).run(&steps)
        },
    )
}

/// A message by the order of its acceptance, from 1 on, and its size.
type Kept = (usize, usize);

#[derive(Clone, Default)]
struct Model {
    in_flight: Vec<Kept>,
    qos0: VecDeque<Kept>,
    others: VecDeque<Kept>,
    is_connected: bool,
}

struct Run<M: Machine> {
    stored: (u32, usize),
    waiting: (u32, usize),
    window: u16,
    when_full: WhenFull,
    model: Model,
    driver: Driver<M>,
    /// Whether the next connection has a Session to go on with.
    session_present: bool,
    accepted: usize,
    /// What has been dropped since the last poll.
    dropped: Vec<usize>,
    /// The sizes of what was refused, with QoS 0 and with others, since the last event.
    refused: [Option<usize>; 2],
    /// The Packet Identifiers of what is in flight, in order.
    identifiers: VecDeque<u16>,
}

fn bytes<'a>(kept: impl IntoIterator<Item = &'a Kept>) -> usize {
    kept.into_iter().map(|(_, size)| size).sum()
}

impl<M: Machine> Run<M> {
    fn new(stored: (u32, usize), waiting: (u32, usize), window: u16, when_full: WhenFull) -> Self {
        let mut driver = Driver::<M>::configured(session(stored, waiting, when_full));
        // A Server has no Session before its first connection.
        let session_present = M::ROLE == Role::Server;
        if session_present {
            driver = driver.open(&[], &[]);
            let _ = driver.lose();
        }
        Run {
            stored,
            waiting,
            window,
            when_full,
            model: Model::default(),
            driver,
            session_present,
            accepted: 0,
            dropped: Vec::new(),
            refused: [None; 2],
            identifiers: VecDeque::new(),
        }
    }

    fn run(mut self, steps: &[(u8, usize)]) -> Result<(), TestCaseError> {
        for &(step, size) in steps {
            match step {
                0..=2 => self.publish(0, size)?,
                3 | 4 => self.publish(1, size)?,
                5 => {
                    self.settle()?;
                    let connected = self.model.is_connected;
                    let id = connected.then(|| self.identifiers.pop_front()).flatten();
                    if let Some(id) = id {
                        self.model.in_flight.remove(0);
                        let lines = self.driver.feed(&make::puback(id));
                        self.judge(&lines)?;
                    }
                }
                6 => self.settle()?,
                _ if self.model.is_connected => {
                    self.settle()?;
                    self.model.is_connected = false;
                    let lines = self.driver.lose();
                    self.judge(&lines)?;
                }
                _ => {
                    self.settle()?;
                    let maximum = [Property::ReceiveMaximum(
                        self.window.try_into().expect("not 0"),
                    )];
                    self.model.is_connected = true;
                    let lines = self.driver.reopen(&[], self.session_present, &maximum);
                    self.session_present = true;
                    self.judge(&lines)?;
                }
            }
        }
        Ok(())
    }

    fn goes_at_once(&self, model: &Model, qos: u8) -> bool {
        model.is_connected
            && match qos {
                0 => model.qos0.is_empty(),
                _ => model.others.is_empty() && model.in_flight.len() < self.window.into(),
            }
    }

    fn fits(&self, model: &Model, size: usize, at_once: bool) -> bool {
        let waiting = model.qos0.len() + model.others.len();
        let waiting_bytes = bytes(&model.qos0) + bytes(&model.others);
        let stored = waiting + model.in_flight.len();
        let stored_bytes = waiting_bytes + bytes(&model.in_flight);
        let may_wait = at_once
            || (waiting < self.waiting.0 as usize && waiting_bytes + size <= self.waiting.1);
        may_wait && stored < self.stored.0 as usize && stored_bytes + size <= self.stored.1
    }

    /// What is to be dropped for a message, so that it fits; nothing if it does not fit whatever is dropped.
    fn drops(&self, size: usize, at_once: bool) -> Option<Vec<usize>> {
        let mut model = self.model.clone();
        let mut dropped = Vec::new();
        while !self.fits(&model, size, at_once) {
            let next = match self.when_full {
                WhenFull::Refuse => None,
                WhenFull::DropOldestQos0 => model.qos0.pop_front(),
                WhenFull::DropOldest => model.qos0.pop_front().or_else(|| model.others.pop_front()),
            };
            dropped.push(next?.0);
        }
        Some(dropped)
    }

    fn publish(&mut self, qos: u8, size: usize) -> Result<(), TestCaseError> {
        let empty = publication(qos, "a", "", &[]).message.size();
        let publication = publication(qos, "a", &"p".repeat(size - empty), &[]);
        let at_once = self.goes_at_once(&self.model, qos);
        let never = size > self.stored.1
            || self.stored.0 == 0
            || (!self.model.is_connected && self.waiting.0 > 0 && size > self.waiting.1);
        let expected = match self.drops(size, at_once) {
            Some(dropped) => {
                for number in dropped {
                    self.model.qos0.retain(|kept| kept.0 != number);
                    self.model.others.retain(|kept| kept.0 != number);
                    self.dropped.push(number);
                }
                self.accepted += 1;
                let kept = (self.accepted, size);
                match qos {
                    0 => self.model.qos0.push_back(kept),
                    _ if at_once => self.model.in_flight.push(kept),
                    _ => self.model.others.push_back(kept),
                }
                Ok(())
            }
            None if never => Err(PublishError::TooLarge),
            None => {
                let refused = &mut self.refused[usize::from(qos)];
                *refused = Some(refused.map_or(size, |smallest| smallest.min(size)));
                Err(PublishError::Busy)
            }
        };
        prop_assert_eq!(self.driver.accept(publication), expected);
        self.compare()
    }

    fn settle(&mut self) -> Result<(), TestCaseError> {
        let lines = self.driver.settle();
        self.judge(&lines)
    }

    /// After all that could be written was written.
    fn judge(&mut self, lines: &[String]) -> Result<(), TestCaseError> {
        if self.model.is_connected {
            self.model.qos0.clear();
            while self.model.in_flight.len() < self.window.into() {
                let Some(next) = self.model.others.pop_front() else {
                    break;
                };
                self.model.in_flight.push(next);
            }
        }
        for line in lines {
            let publish = line.strip_prefix("> PUBLISH q1");
            let number = publish.and_then(|rest| rest.split('#').nth(1)?.split(' ').next());
            if let Some(id) = number {
                let id = id.parse().expect("a number");
                if !self.identifiers.contains(&id) {
                    self.identifiers.push_back(id);
                }
            }
        }
        let dropped: Vec<usize> = lines
            .iter()
            .filter_map(|line| {
                line.strip_suffix(" Dropped")?
                    .strip_prefix('t')?
                    .parse()
                    .ok()
            })
            .collect();
        prop_assert_eq!(&dropped, &std::mem::take(&mut self.dropped));
        let mut has_room = false;
        for qos in 0..=1 {
            let at_once = self.goes_at_once(&self.model, qos);
            let refused = self.refused[usize::from(qos)];
            if refused.is_some_and(|size| self.drops(size, at_once).is_some()) {
                self.refused[usize::from(qos)] = None;
                has_room = true;
            }
        }
        let said = lines.iter().any(|line| line == "room");
        prop_assert_eq!(said, has_room, "{:?}", lines);
        self.compare()
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let session = self.driver.session();
        let Model {
            in_flight,
            qos0,
            others,
            ..
        } = &self.model;
        prop_assert_eq!(usize::from(session.in_flight()), in_flight.len());
        prop_assert_eq!(session.waiting() as usize, qos0.len() + others.len());
        let all = bytes(in_flight) + bytes(qos0) + bytes(others);
        prop_assert_eq!(session.stored_bytes(), all);
        prop_assert!(all <= self.stored.1 && session.stored() <= self.stored.0.into());
        Ok(())
    }
}
