//! The broker as the standard describes it: lists and loops, and nothing that is there for speed.
//!
//! It is fed with what the broker is fed with, in the same order, and says what the broker may send and what it owes.
//! Nothing in it comes from the broker but what the standard leaves to it: which member of a group gets a message, which
//! Packet Identifier, and which message is dropped if a limit is reached.

mod copies;
mod groups;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};

use super::config::{Config, Wanted, is_shared, matches};
use super::packet::{EMPTY, KEPT, Sent};

pub(super) use copies::{Copy, State};
pub(super) use groups::Pooled;
pub(super) use sessions::Session;

pub(super) const NEVER: u64 = u64::MAX;

/// Who published a message. A client and its Will are two: there is no order between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Publisher {
    Client(u8),
    Will(u8),
    Host,
}

impl Publisher {
    /// Whether No Local keeps the message from this client.
    pub(super) fn is(self, client: u8) -> bool {
        matches!(self, Publisher::Client(it) | Publisher::Will(it) if it == client)
    }
}

/// A message that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Message {
    pub(super) number: u16,
    pub(super) from: Publisher,
    pub(super) topic: u8,
    pub(super) qos: u8,
    pub(super) retain: bool,
    /// When it expires.
    pub(super) expires: u64,
}

/// All Sessions, retained messages and groups.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Model {
    /// By client.
    pub(super) sessions: Vec<Option<Session>>,
    /// By topic.
    pub(super) retained: BTreeMap<u8, Message>,
    /// What waits in groups.
    pub(super) pool: Vec<Pooled>,
    /// Groups of Sessions that have ended, until slices of work are done.
    pub(super) leaving: BTreeSet<u8>,
    /// Messages that somebody who outlives the broker has to get, or has got.
    pub(super) promised: BTreeSet<u16>,
    /// Messages of groups that the broker has counted as dropped, less those that are for nobody any more.
    pub(super) losses: i32,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Routed {
    pub(super) is_matched: bool,
}

impl Model {
    /// Of so many clients, none of which has a Session.
    pub(super) fn new(clients: usize) -> Self {
        Model {
            sessions: vec![None; clients],
            ..Model::default()
        }
    }

    pub(super) fn session(&mut self, client: u8) -> Option<&mut Session> {
        self.sessions[client as usize].as_mut()
    }

    fn numbered(&mut self) -> impl Iterator<Item = (u8, &mut Session)> {
        let sessions = self.sessions.iter_mut().enumerate();
        sessions.filter_map(|(client, it)| Some((client as u8, it.as_mut()?)))
    }

    /// A PUBLISH from a client. `None` if it is one that has come before, and is not passed on again (4.3.3).
    pub(super) fn publish(
        &mut self,
        client: u8,
        sent: Sent,
        now: u64,
        config: &Config,
    ) -> Option<Routed> {
        let session = self.session(client)?;
        if sent.qos == 2 {
            if session.received.contains(&sent.identifier) {
                return None;
            }
            session.received.push(sent.identifier);
            session.received.sort_unstable();
        }
        let expires = match config.message_expiry_of(client) {
            0 => NEVER,
            seconds => now + u64::from(seconds) * 1000,
        };
        let message = Message {
            number: sent.number,
            from: Publisher::Client(client),
            topic: sent.topic,
            qos: sent.qos,
            retain: sent.retain,
            expires,
        };
        Some(self.route(message, config))
    }

    pub(super) fn route(&mut self, message: Message, config: &Config) -> Routed {
        let mut is_durable = message.retain;
        if message.retain {
            for (_, session) in self.numbered() {
                session.supersede(message.topic);
            }
            match message.number {
                EMPTY => drop(self.retained.remove(&message.topic)),
                _ => drop(self.retained.insert(message.topic, message)),
            }
        }
        let mut is_matched = false;
        let from = message.from;
        for (client, session) in self.numbered() {
            let mut hits: Vec<Wanted> = session.subscriptions.clone();
            hits.retain(|it| {
                let is_own = it.options().no_local && from.is(client);
                !is_shared(it.filter) && matches(it.filter, message.topic) && !is_own
            });
            is_matched |= !hits.is_empty();
            if !message.retain {
                session.send_ahead(client, message.topic);
            }
            let copies: Vec<&[Wanted]> = match config.overlap {
                0 if hits.is_empty() => Vec::new(),
                0 => vec![&hits],
                _ => hits.chunks(1).collect(),
            };
            for of_copy in copies {
                let copy = Copy::of(message, of_copy);
                is_durable |= copy.qos > 0 && session.expiry > 0;
                // With QoS 0 it finds a client that is there; but when, if it goes out in slices?
                let is_there = copy.qos > 0 || session.is_connected;
                if is_there || config.slice > 0 {
                    session.copies.push(Copy {
                        is_optional: !is_there,
                        ..copy
                    });
                }
            }
        }
        is_matched |= self.route_to_groups(message, &mut is_durable);
        if is_durable && message.number < KEPT {
            self.promised.insert(message.number);
        }
        Routed { is_matched }
    }

    /// Whether there are as many retained messages as may be, and this is one more.
    pub(super) fn is_full_for(&self, sent: Sent, config: &Config) -> bool {
        let is_one_more =
            sent.retain && sent.number != EMPTY && !self.retained.contains_key(&sent.topic);
        is_one_more && self.retained.len() >= config.retained as usize
    }

    /// Whether a subscription of this client keeps it from what it publishes itself.
    pub(super) fn keeps_from(&self, client: u8, topic: u8) -> bool {
        let session = self.sessions[client as usize].as_ref();
        session.is_some_and(|it| {
            let mut all = it.subscriptions.iter();
            all.any(|it| it.options().no_local && matches(it.filter, topic))
        })
    }

    /// A subscription is made, or replaces one.
    pub(super) fn subscribe(&mut self, client: u8, wanted: Wanted, now: u64) {
        let kept: Vec<Message> = self.retained.values().copied().collect();
        let Some(session) = self.session(client) else {
            return;
        };
        let before = session.subscriptions.len();
        session
            .subscriptions
            .retain(|it| it.filter != wanted.filter);
        let is_new = session.subscriptions.len() == before;
        session.subscriptions.push(wanted);
        session.subscriptions.sort_unstable();
        let sends = match wanted.variant {
            3 => is_new,
            4 => false,
            _ => true,
        };
        if is_shared(wanted.filter) {
            return;
        }
        if !sends {
            // What is still to come, comes for the subscription as it is now.
            session.walk_for(wanted);
            return;
        }
        session.end_walk(wanted.filter);
        for message in kept {
            if matches(wanted.filter, message.topic) && message.expires > now {
                session.copies.push(Copy {
                    walk: Some(wanted.filter),
                    retain: true,
                    // [MQTT-3.8.3-3]; but it may come if the subscription loses No Local before.
                    is_optional: wanted.options().no_local && message.from.is(client),
                    ..Copy::of(message, &[wanted])
                });
            }
        }
    }

    /// A subscription ends. Returns whether there was one.
    pub(super) fn unsubscribe(&mut self, client: u8, filter: u8, is_withdrawn: bool) -> bool {
        self.leave_doubtful(client, filter);
        let Some(session) = self.session(client) else {
            return false;
        };
        let before = session.subscriptions.len();
        session.subscriptions.retain(|it| it.filter != filter);
        if session.subscriptions.len() == before {
            return false;
        }
        session.end_walk(filter);
        session.release_unsubscribed(is_withdrawn.then_some(filter));
        true
    }

    /// A broker is made of what was stored, at this time.
    pub(super) fn restored(&mut self, now: u64, config: &Config) {
        for client in 0..self.sessions.len() as u8 {
            let Some(session) = self.session(client) else {
                continue;
            };
            session.drop_qos_0();
            session.accept_present = None;
            let grace = u64::from(config.grace);
            let (expiry, delay) = (session.expiry.into(), config.will_delay_of(client).into());
            if session.is_connected {
                session.is_connected = false;
                for copy in &mut session.copies {
                    (copy.is_sent, copy.may_be_sent) = (false, true);
                }
                session.ends = after(now, expiry);
                session.will_due = after(now, delay);
            }
            // The clock may have gone back.
            session.ends = session.ends.min(after(now, expiry));
            session.will_due = session
                .will_due
                .min(after(now, delay))
                .max(after(now, grace));
        }
        self.pool.retain(|it| it.message.qos > 0);
        self.doubt_groups();
    }

    /// Does what is due. Returns the Wills that are published.
    pub(super) fn timeout(&mut self, now: u64, config: &Config) -> u64 {
        let mut wills = 0;
        for client in 0..self.sessions.len() as u8 {
            let Some(session) = self.session(client) else {
                continue;
            };
            let ends = !session.is_connected && session.ends <= now;
            if session.has_will && (session.will_due <= now || ends) && !session.is_connected {
                wills += 1;
                self.publish_will(client, config);
            }
            if ends {
                self.end_session(client);
            }
        }
        for (_, session) in self.numbered() {
            session.expire(now);
        }
        self.pool.retain(|it| it.message.expires > now);
        self.retained.retain(|_, message| message.expires > now);
        wills
    }
}

/// So many seconds later.
pub(super) fn after(now: u64, seconds: u64) -> u64 {
    match seconds {
        0xFFFF_FFFF => NEVER,
        _ => now + seconds * 1000,
    }
}
