//! What holds after each step, and when nothing is under way.

use mqtt5_codec::{Message, Qos};
use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::broker::{Broker, Granted};

use super::config::{FILTERS, WILL_TOPIC, qos_of};
use super::host::{Asked, instant};
use super::model::{Model, NEVER, Session};
use super::monitors::{Judge, Judged, Rule};
use super::packet::{EMPTY, Sent, name, publish_of};
use super::{BrokerWorld, Link};
use crate::explore::Turn;

impl BrokerWorld {
    /// Ends a step: counts, tables and gauges are what they must be.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) -> Judged {
        self.host.model.settle(self.now, self.host.has_work);
        self.judge_counts(turn)?;
        self.judge_tables(turn)?;
        self.judge_deadline(turn)?;
        self.judge_equality(turn)?;
        self.host.seal();
        if let Some(old) = &mut self.old {
            old.seal();
        }
        if self.is_at_rest() {
            self.judge_rest(turn)?;
        }
        self.links.retain(|link| !link.is_over());
        if self.old.is_some() && !self.links.iter().any(|link| link.is_old) {
            self.old = None;
        }
        Ok(())
    }

    /// As many messages were published as there were PUBLISH packets, and Wills that were due.
    fn judge_counts(&mut self, turn: &mut Turn<'_>) -> Judged {
        let (counted, before) = (self.host.look().statistics(), self.host.before);
        let (published, expected) = (counted.published - before.published, self.host.expected);
        turn.rule(Rule::Wills, published == expected, || {
            format!("{published} messages and Wills were published, and not {expected}")
        })?;
        let sessions = self.host.model.sessions.iter().flatten().count() as u64;
        turn.rule(Rule::Gauges, counted.sessions == sessions, || {
            format!(
                "{} Sessions are counted, and there are {sessions}",
                counted.sessions
            )
        })?;
        if self.host.has_work {
            // What is left of a Session that has ended.
            return Ok(());
        }
        let all = self.host.model.sessions.iter().flatten();
        let subscriptions: usize = all.map(|it| it.subscriptions.len()).sum();
        turn.rule(
            Rule::Gauges,
            counted.subscriptions == subscriptions as u64,
            || {
                format!(
                    "{} subscriptions are counted, and there are {subscriptions}",
                    counted.subscriptions
                )
            },
        )?;
        let links = self
            .links
            .iter()
            .filter(|it| !it.is_old && it.key.is_some())
            .count() as u64;
        turn.rule(Rule::Gauges, counted.connections == links, || {
            format!(
                "{} connections are counted, and there are {links}",
                counted.connections
            )
        })?;
        let retained = self.host.model.retained.len() as u64;
        turn.rule(Rule::Gauges, counted.retained == retained, || {
            format!(
                "{} retained messages are counted, and there are {retained}",
                counted.retained
            )
        })
    }

    /// Each Session has the subscriptions that its client was promised.
    fn judge_tables(&mut self, turn: &mut Turn<'_>) -> Judged {
        for (client, session) in self.host.model.sessions.iter().enumerate() {
            let view = self.host.look().session_of(name(client as u8));
            let is_there = view.is_some();
            turn.rule(Rule::Present, is_there == session.is_some(), || {
                format!("the Session of client {client} exists: {is_there}")
            })?;
            let (Some(session), Some(view)) = (session, view) else {
                continue;
            };
            let mut promised = session.subscriptions.clone();
            let is_promised = |(filter, it): (&str, Granted)| {
                let found = promised.iter().position(|wanted| {
                    let options = wanted.options();
                    FILTERS[wanted.filter as usize] == filter
                        && qos_of(wanted.qos) == it.qos()
                        && options.no_local == it.no_local()
                        && options.retain_as_published == it.retain_as_published()
                        && wanted.identifier() == it.identifier().map_or(0, |it| it.get())
                });
                found.map(|at| promised.remove(at)).is_some()
            };
            let are_promised = view.subscriptions().all(is_promised);
            turn.rule(Rule::Index, are_promised && promised.is_empty(), || {
                let own: Vec<_> = view.subscriptions().collect();
                let promised = &session.subscriptions;
                format!("client {client} has {own:?}, and was promised {promised:?}")
            })?;
        }
        Ok(())
    }

    /// The broker wakes up in time: for Wills and Sessions that end, nothing else has to be in time.
    fn judge_deadline(&self, turn: &mut Turn<'_>) -> Judged {
        let away = self.host.model.sessions.iter().flatten();
        let away = away.filter(|it| !it.is_connected);
        let due = away.map(|it| match it.has_will {
            true => it.ends.min(it.will_due),
            false => it.ends,
        });
        let (due, next) = (due.min().unwrap_or(NEVER), self.host.look().next_timeout());
        turn.rule(Rule::Wills, next <= instant(due), || {
            format!("something is due at {due}, and the broker wakes up at {next:?}")
        })
    }

    /// What is stored makes an equal broker, once that has lost its connections.
    fn judge_equality(&self, turn: &mut Turn<'_>) -> Judged {
        let compares = self.config().compare > 0 && self.config().persistent > 0;
        // A Will without a delay goes out with the connection, and finds others connected or not.
        let has_will = |it: &Session| it.has_will && it.is_connected;
        let sends_will = self.config().will_delay == 0
            && self.host.model.sessions.iter().flatten().any(has_will);
        if !compares || !self.host.pending.is_empty() || self.host.has_work || sends_will {
            return Ok(());
        }
        let ask = || self.is_equal_restored(turn);
        self.host.once(Asked::Equality, self.now, ask)
    }

    fn is_equal_restored(&self, turn: &mut Turn<'_>) -> Judged {
        let (now, of_broker) = (self.now, *self.broker_config());
        let restored = self.host.stored.restore(now, &of_broker);
        let restored = at_rest(turn.must(Rule::Restored, restored)?, now);
        let mut alone = self.host.look().clone();
        for link in self.links.iter().filter(|link| !link.is_old) {
            if let Some(key) = link.key {
                let lost = alone.lost(instant(now), key);
                turn.must(Rule::Calls, lost)?;
            }
        }
        let alone = at_rest(alone, now);
        turn.rule(Rule::Equal, restored == alone, || {
            differences(&format!("{restored:#?}"), &format!("{alone:#?}"))
        })
    }

    /// Once all has ended, nothing is left: in what is stored, no more than what goes on with the numbers.
    fn judge_end(&self, turn: &mut Turn<'_>) -> Judged {
        let mut host = self.host.clone();
        let (mut now, of_broker) = (self.now, *self.broker_config());
        let topics: Vec<u8> = host.model.retained.keys().copied().collect();
        for topic in topics {
            let clears = Sent {
                number: EMPTY,
                topic,
                qos: 0,
                retain: true,
                identifier: 0,
                duplicate: false,
            };
            let message = Message::new(&publish_of(clears, &[], &[])).expect("short");
            let _ = host
                .broker()
                .publish(instant(now), message, Qos::AtMostOnce);
        }
        for key in self.links.iter().filter_map(|link| link.key) {
            let _ = host.broker().lost(instant(now), key);
        }
        for _ in 0..1_000 {
            let moment = instant(now);
            host.broker().handle_timeout(moment, &mut 1_000);
            while host.broker().work(moment, &mut 1_000) {}
            while host.broker().poll().is_some() {}
            while turn.must(Rule::Numbers, host.take_batch(now, &of_broker))? {}
            let next = host.look().next_timeout();
            if next == Instant::NEVER {
                break;
            }
            now = next.as_millis().max(now);
            // A Will may be retained.
            let wills = 0..u8::from(self.config().will_retain > 0);
            for _ in wills {
                let clears = Sent {
                    number: EMPTY,
                    topic: WILL_TOPIC,
                    qos: 0,
                    retain: true,
                    identifier: 0,
                    duplicate: false,
                };
                let message = Message::new(&publish_of(clears, &[], &[])).expect("short");
                let _ = host
                    .broker()
                    .publish(instant(now), message, Qos::AtMostOnce);
            }
        }
        let left = host.look().statistics();
        let gauges = [
            left.connections,
            left.sessions,
            left.subscriptions,
            left.groups,
            left.retained,
            left.message_bytes,
        ];
        turn.rule(Rule::NothingLeft, gauges == [0; 6], || format!("{left:?}"))?;
        let newest = host.pending.back().unwrap_or(&host.stored);
        // The head has a key of one byte.
        let others: Vec<&[u8]> = newest.keys().filter(|key| **key != [0]).collect();
        turn.rule(Rule::NothingLeft, others.is_empty(), || {
            format!("the records {others:02x?}")
        })
    }

    /// Whether nothing is under way.
    pub(super) fn is_at_rest(&self) -> bool {
        self.old.is_none()
            && self.host.pending.is_empty()
            && !self.host.has_work
            && self
                .links
                .iter()
                .all(|link| link.is_idle() && link.is_known == link.key.is_some())
    }

    /// Nothing is under way: whoever is there has all that it is owed.
    fn judge_rest(&mut self, turn: &mut Turn<'_>) -> Judged {
        for client in 0..self.clients.len() as u8 {
            let is_up = self.clients[client as usize].is_up;
            let Some(session) = self
                .host
                .model
                .session(client)
                .filter(|it| it.is_connected && is_up)
            else {
                continue;
            };
            let owed = session
                .copies
                .iter()
                .filter(|copy| !copy.is_optional)
                .count();
            turn.rule(Rule::NotLost, owed <= session.losses.into(), || {
                format!(
                    "client {client} has nothing to wait for, and does not get {:?}",
                    session.copies
                )
            })?;
            // Of two copies that look alike, the one that was dropped may be the group's.
            let others = i32::from(session.losses) - owed as i32;
            session.copies.clear();
            session.losses = 0;
            self.host.model.losses += others;
        }
        self.judge_groups(turn)?;
        for link in &self.links {
            let is_answered = link.owed.is_empty() || link.is_hostile || !self.is_up(link);
            turn.rule(Rule::Acknowledged, is_answered, || {
                format!("client {} is never answered: {:?}", link.client, link.owed)
            })?;
        }
        let ask = || self.judge_end(turn);
        self.host.once(Asked::End, self.now, ask)
    }

    /// No message waits for a group of which a member is there.
    fn judge_groups(&mut self, turn: &mut Turn<'_>) -> Judged {
        let model = &self.host.model;
        let members = |filter| {
            let clients = 0..self.clients.len() as u8;
            clients.filter(move |client| model.is_member(*client, filter))
        };
        let is_up = |client: u8| {
            let session = model.sessions[client as usize].as_ref();
            self.clients[client as usize].is_up && session.is_some_and(|it| it.is_connected)
        };
        let mut owed = model.pool.iter().filter(|it| {
            // A member that is away may have it.
            let mut others = 0..self.clients.len() as u8;
            let has_left = others.any(|client| !is_up(client) && model.may_have(client, it));
            let is_away = has_left || !members(it.filter).all(is_up);
            let is_elsewhere = it.may_be_given && is_away;
            members(it.filter).any(is_up) && !is_elsewhere && !it.is_optional
        });
        let (first, count) = (owed.next(), owed.count());
        let count = count + usize::from(first.is_some());
        let is_counted = usize::try_from(model.losses).is_ok_and(|losses| count <= losses);
        let is_small = self.config().packet_size > 0;
        turn.rule(Rule::NotLost, count == 0 || is_counted || is_small, || {
            format!("{first:?} waits for a member of the group, and one is there")
        })?;
        if count > 0 {
            let up: Vec<u8> = (0..self.clients.len() as u8)
                .filter(|it| is_up(*it))
                .collect();
            let mut pool = model.pool.clone();
            pool.retain(|it| !up.iter().any(|client| model.is_member(*client, it.filter)));
            self.host.model.pool = pool;
        }
        self.host.model.losses = 0;
        Ok(())
    }

    fn is_up(&self, link: &Link) -> bool {
        self.clients[link.client as usize].is_up && link.is_known
    }
}

/// The lines from the first difference on, with those above it.
fn differences(one: &str, other: &str) -> String {
    let same = one
        .lines()
        .zip(other.lines())
        .take_while(|(one, other)| one == other);
    let from = same.count();
    let part = |text: &str| {
        let lines: Vec<&str> = text.lines().skip(from.saturating_sub(8)).take(16).collect();
        lines.join("\n")
    };
    format!("restored:\n{}\ninstead of:\n{}", part(one), part(other))
}

/// All that is to be done now is done.
fn at_rest(mut broker: Broker, now: u64) -> Broker {
    let now = instant(now);
    loop {
        while broker.next_timeout() <= now {
            broker.handle_timeout(now, &mut 1000);
        }
        if !broker.work(now, &mut 1000) && broker.next_timeout() > now {
            break;
        }
    }
    let mut bytes = Vec::new();
    while broker.poll().is_some() {}
    while broker.take_batch(&mut bytes).is_some() {}
    broker
}

impl Model {
    /// Forgets what does not matter any more.
    fn settle(&mut self, now: u64, has_work: bool) {
        for session in self.sessions.iter_mut().flatten() {
            session.expire(now);
            if !has_work {
                session.forget_qos_0();
            }
        }
        self.pool.retain(|it| it.message.expires > now);
        if !has_work {
            self.settle_groups();
        }
    }
}
