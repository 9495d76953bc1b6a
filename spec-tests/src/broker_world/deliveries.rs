//! The messages that the broker sends, as the model has them.

use super::BrokerWorld;
use super::config::{is_shared, matches};
use super::model::{Copy, Model, NEVER, Session, State};
use super::monitors::{Judge, Judged, Rule};
use super::packet::{EMPTY, Got};
use crate::explore::Turn;

impl BrokerWorld {
    pub(super) fn judge_message(
        &mut self,
        client: u8,
        is_old: bool,
        got: Got,
        turn: &mut Turn<'_>,
    ) -> Judged {
        let (now, window) = (self.time(is_old), self.config().window_of(client));
        let is_older = self.config().is_older(client);
        // Without a payload nobody knows whose it is.
        let publishers = self.config().publishers.iter().count();
        let looks_like_others = move |it: &Copy| it.message.number == EMPTY && publishers > 1;
        let host = self.host(is_old);
        if host.model.session(client).is_none() {
            return turn.must(Rule::Copies, Err("a message without a Session"));
        }
        if got.duplicate {
            host.model.claim_doubtful(client, &got);
        }
        let Some(session) = host.model.session(client) else {
            return Ok(());
        };
        if got.duplicate {
            return session.judge_again(got, turn);
        }
        let subscriptions = session.subscriptions.clone();
        let waiting = |it: &Copy| {
            it.state == State::Waiting && it.is(&got) && !it.is_kept_from(client, &subscriptions)
        };
        // It rather is one that is owed than one that only may come.
        let owed = |it: &Copy| waiting(it) && !it.is_optional;
        let (is_owed, may_come) = (
            session.copies.iter().any(owed),
            session.copies.iter().any(waiting),
        );
        if !is_owed {
            let of_number = |it: &Copy| it.is(&got) && it.identifier() == Some(got.identifier);
            let again = !may_come && session.copies.iter().any(of_number);
            turn.rule(Rule::Duplicate, !again, || {
                format!("{got:?} to client {client} without DUP")
            })?;
            match host.model.take_from_pool(client, &got) {
                Some(copy) => {
                    turn.cover(Rule::OneMember.position());
                    let session = host.model.session(client);
                    session.into_iter().for_each(|it| it.copies.push(copy));
                }
                None if may_come => {}
                None => {
                    let rule = host.model.broken_by(client, &got);
                    return turn.rule(rule, false, || format!("{got:?} to client {client}"));
                }
            }
        }
        let Some(session) = host.model.session(client) else {
            return Ok(());
        };
        // And it rather is one that is known to be so.
        let find = |session: &Session| {
            let exact = |it: &Copy| owed(it) && !it.is_loose;
            let mut copies = session.copies.iter();
            let exact = copies.position(exact);
            let owed = exact.or_else(|| session.copies.iter().position(owed));
            owed.or_else(|| session.copies.iter().position(waiting))
        };
        let Some(position) = find(session) else {
            return Ok(());
        };
        // Of two that look alike the first comes first: the other one may come later, behind what came between.
        let owed = session.copies[position];
        let is_alike =
            |it: &Copy| waiting(it) && (it.message, it.group) == (owed.message, owed.group);
        let first = session.copies[..position].iter().position(is_alike);
        let position = first.map_or(position, |first| {
            session.copies[first].is_optional = false;
            session.copies[position].is_optional = true;
            first
        });
        for rule in [Rule::Copies, Rule::Retain, Rule::SubscriptionIdentifiers] {
            turn.cover(rule.position());
        }
        turn.cover(Rule::Duplicate.position());
        session.judge_order(position, looks_like_others, turn)?;
        let Some(position) = find(session) else {
            return Ok(());
        };
        let copy = &mut session.copies[position];
        if std::mem::take(&mut copy.is_loose) {
            (copy.qos, copy.retain) = (got.qos, got.retain);
            (copy.subscriptions, copy.count) = (got.subscriptions, got.count);
        }
        if is_older {
            // It counts all the same, but nothing says so.
            let expires = session.copies[position].message.expires;
            turn.rule(Rule::Expiry, expires > now, || {
                format!("{got:?} has expired")
            })?;
        } else {
            session.judge_expiry(&session.copies[position], got, now, turn)?;
        }
        if got.qos == 0 {
            session.copies.remove(position);
            return Ok(());
        }
        let is_free = session
            .copies
            .iter()
            .all(|it| it.identifier() != Some(got.identifier));
        turn.rule(Rule::Identifiers, is_free, || {
            format!("{got:?} to client {client}, which has that identifier")
        })?;
        session.begin(position, got.identifier);
        let in_flight = session
            .copies
            .iter()
            .filter(|it| it.state != State::Waiting)
            .count();
        turn.rule(Rule::Window, in_flight <= window, || {
            format!("{in_flight} messages in flight to client {client}")
        })
    }
}

impl Model {
    /// The rule that a message breaks which is none of those that are for this client.
    fn broken_by(&self, client: u8, got: &Got) -> Rule {
        let session = self.sessions[client as usize].as_ref();
        let of_topic = session.into_iter().flat_map(|it| &it.subscriptions);
        let of_topic = of_topic.filter(|it| matches(it.filter, got.topic));
        if of_topic.clone().any(|it| is_shared(it.filter)) {
            return Rule::OneMember;
        }
        if of_topic.clone().next().is_some() && of_topic.clone().all(|it| it.options().no_local) {
            return Rule::NoLocal;
        }
        let copies = session.into_iter().flat_map(|it| &it.copies);
        let mut waiting = copies.filter(|it| {
            let is_it = it.message.number == got.number && it.qos == got.qos;
            it.state == State::Waiting && is_it
        });
        match waiting.next() {
            Some(copy) if copy.retain != got.retain => Rule::Retain,
            Some(_) => Rule::SubscriptionIdentifiers,
            None => Rule::Copies,
        }
    }
}

impl Session {
    /// A PUBLISH with DUP (sections 3.3.1.1, 4.4).
    fn judge_again(&mut self, got: Got, turn: &mut Turn<'_>) -> Judged {
        let mut copies = self.copies.iter();
        // What was stored may have been sent, or not, by a broker that was lost.
        let position = copies.position(|it| {
            let is_doubtful = it.state == State::Waiting && it.may_be_sent;
            (it.state == State::Sent(got.identifier) || is_doubtful) && it.is(&got)
        });
        let Some(position) = position else {
            return turn.rule(Rule::Duplicate, false, || {
                format!("{got:?}, which was not sent before")
            });
        };
        self.take_for_owed(position);
        let earlier = &self.copies[..position];
        let in_order = !self.copies[position].is_sent
            && earlier
                .iter()
                .all(|it| !matches!(it.state, State::Sent(_)) || it.is_sent);
        turn.cover(Rule::Duplicate.position());
        match self.copies[position].state {
            State::Waiting => self.begin(position, got.identifier),
            _ => self.copies[position].is_sent = true,
        }
        turn.rule(Rule::SentAgain, in_order, || {
            format!("{got:?} twice on one connection, or out of order")
        })
    }

    /// A copy comes. If it need not, and one that looks like it must, that one need not come any more.
    fn take_for_owed(&mut self, position: usize) {
        let copy = self.copies[position];
        let owed = self
            .copies
            .iter_mut()
            .find(|it| it.looks_like(&copy) && it.state == copy.state && !it.is_optional);
        if let Some(owed) = owed.filter(|_| copy.is_optional) {
            owed.is_optional = true;
            self.copies[position].is_optional = false;
        }
    }

    /// A message is sent for the first time: it is behind those that were sent before.
    fn begin(&mut self, position: usize, identifier: u16) {
        let mut copy = self.copies.remove(position);
        (copy.state, copy.is_sent) = (State::Sent(identifier), true);
        let begun = self
            .copies
            .iter()
            .take_while(|it| it.state != State::Waiting);
        self.copies.insert(begun.count(), copy);
    }

    /// Nothing earlier from the same publisher, on the same topic, with the same QoS, waits; but for what was dropped, with
    /// a reason that was counted.
    fn judge_order(
        &mut self,
        position: usize,
        looks_like_others: impl Fn(&Copy) -> bool,
        turn: &mut Turn<'_>,
    ) -> Judged {
        let (class, first) = (self.copies[position].class(), self.copies[position].message);
        // One from a group, or of whom nobody knows, is in no order.
        let of_first = &self.copies[position];
        let is_free = of_first.group.is_some() || looks_like_others(of_first);
        let is_retained = self.copies[position].retain;
        let mut skipped = Vec::new();
        for (index, copy) in self.copies[..position].iter().enumerate() {
            let same =
                copy.state == State::Waiting && copy.class() == class && copy.group.is_none();
            // Two copies of one message are in no order; and what is retained may go ahead of what came after it.
            let is_other = copy.message.number != first.number && !looks_like_others(copy);
            let is_later = is_retained && copy.message.number > first.number;
            if same && !is_free && is_other && !is_later {
                skipped.push(index);
            }
        }
        for index in skipped.into_iter().rev() {
            if !self.copies[index].is_optional {
                let left = self.losses.checked_sub(1);
                let late = self.copies[index].message;
                turn.rule(Rule::Order, left.is_some(), || {
                    format!("{first:?} comes before {late:?}")
                })?;
                self.losses = left.unwrap_or(0);
            }
            self.copies.remove(index);
        }
        turn.cover(Rule::Order.position());
        Ok(())
    }

    fn judge_expiry(&self, copy: &Copy, got: Got, now: u64, turn: &mut Turn<'_>) -> Judged {
        if copy.message.expires == NEVER {
            return turn.rule(Rule::Copies, got.expiry.is_none(), || {
                format!("{got:?} has an expiry")
            });
        }
        let left = copy.message.expires.saturating_sub(now);
        let seconds = got.expiry.map_or(0, u64::from);
        let is_right = left > 0 && (left / 1000..=left.div_ceil(1000)).contains(&seconds);
        turn.rule(Rule::Expiry, is_right, || {
            format!("{got:?}, {left} ms before it expires")
        })
    }
}
