//! Groups of Shared Subscriptions (section 4.8.2).

use super::super::config::{is_shared, matches};
use super::super::packet::Got;
use super::{Copy, Message, Model, Session, State};

/// A message that is for one member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::broker_world) struct Pooled {
    pub(in crate::broker_world) filter: u8,
    pub(in crate::broker_world) message: Message,
    /// A broker that was lost may have given it to a member.
    pub(in crate::broker_world) may_be_given: bool,
    /// Whether it may come, and need not: a member may have had it that does not show it, or it came when the Sessions of
    /// all members had ended, and the broker may not have removed them before another one joined.
    pub(in crate::broker_world) is_optional: bool,
}

impl Model {
    fn clients(&self) -> impl Iterator<Item = u8> + use<> {
        0..self.sessions.len() as u8
    }

    /// Whether a client is a member of a group.
    pub(in crate::broker_world) fn is_member(&self, client: u8, filter: u8) -> bool {
        let session = self.sessions[client as usize].as_ref();
        session.is_some_and(|it| it.subscriptions.iter().any(|it| it.filter == filter))
    }

    /// Puts a message into the groups that match. Returns whether there are any.
    pub(super) fn route_to_groups(&mut self, message: Message, is_durable: &mut bool) -> bool {
        let mut is_matched = false;
        for filter in (0..10).filter(|it| is_shared(*it) && matches(*it, message.topic)) {
            let members: Vec<u8> = self
                .clients()
                .filter(|it| self.is_member(*it, filter))
                .collect();
            if members.is_empty() {
                if message.qos > 0 && self.leaving.contains(&filter) {
                    self.pool.push(Pooled {
                        filter,
                        message,
                        may_be_given: false,
                        is_optional: true,
                    });
                }
                continue;
            }
            is_matched = true;
            let is_there = |client: &u8| {
                let session = self.sessions[*client as usize].as_ref();
                session.is_some_and(|it| it.is_connected)
            };
            if message.qos == 0 && !members.iter().any(is_there) {
                self.losses -= 1;
                continue;
            }
            // A member with QoS 0 may get it, and then nothing is stored.
            *is_durable |= message.qos > 0
                && members.iter().all(|it| {
                    let session = self.sessions[*it as usize].as_ref();
                    session.is_some_and(|it| {
                        let mut own = it.subscriptions.iter();
                        it.expiry > 0 && own.any(|it| it.filter == filter && it.qos > 0)
                    })
                });
            self.pool.push(Pooled {
                filter,
                message,
                may_be_given: false,
                is_optional: false,
            });
        }
        is_matched
    }

    /// Gives a member the message that the broker sends it; `None` if there is none for it.
    pub(in crate::broker_world) fn take_from_pool(
        &mut self,
        client: u8,
        got: &Got,
    ) -> Option<Copy> {
        let fits = |it: &Pooled| self.copy_of(client, it).is_some_and(|copy| copy.is(got));
        // What comes again was in doubt, and what comes first rather was not; and it rather is one that must come.
        let unlikely = |it: &Pooled| (it.may_be_given != got.duplicate, it.is_optional);
        let pool = self.pool.iter().enumerate();
        let fitting = pool.filter(|(_, it)| fits(it));
        let (position, _) = fitting.min_by_key(|(_, it)| unlikely(it))?;
        let pooled = self.pool.remove(position);
        self.copy_of(client, &pooled)
    }

    /// A message that comes again, and that was a group's when the broker was lost, is this member's.
    pub(in crate::broker_world) fn claim_doubtful(&mut self, client: u8, got: &Got) {
        let session = self.sessions[client as usize].as_ref();
        let known = session.and_then(|it| {
            it.copies.iter().find(|copy| {
                let is_same = match copy.identifier() {
                    Some(identifier) => identifier == got.identifier,
                    None => copy.may_be_sent,
                };
                is_same && copy.is(got)
            })
        });
        let is_doubtful = |it: &Pooled| it.may_be_given && it.message.number == got.number;
        if known.is_some_and(|copy| copy.is_optional) && got.group().is_some() {
            // It had left the group, as its member did.
            let of_group = |it: &Pooled| Some(it.filter) == got.group() && is_doubtful(it);
            let found = self.pool.iter().position(of_group);
            found.map(|at| self.pool.remove(at));
            return;
        }
        if known.is_some() || !self.pool.iter().any(is_doubtful) {
            return;
        }
        if let Some(copy) = self.take_from_pool(client, got) {
            if let Some(session) = self.session(client) {
                session.copies.push(copy);
            }
        }
    }

    /// A member leaves: what a broker that was lost may have given it may still come to it.
    pub(super) fn leave_doubtful(&mut self, client: u8, filter: u8) {
        let doubtful = self
            .pool
            .iter()
            .filter(|it| it.may_be_given && it.filter == filter);
        let copies: Vec<Copy> = doubtful.filter_map(|it| self.copy_of(client, it)).collect();
        if let Some(session) = self.session(client) {
            session.copies.extend(copies.into_iter().map(|copy| Copy {
                is_optional: true,
                ..copy
            }));
        }
    }

    /// A broker is lost, which may have given each message to a member: with QoS 0, that was all.
    pub(super) fn doubt_groups(&mut self) {
        let mut pool = std::mem::take(&mut self.pool);
        for pooled in &mut pool {
            pooled.may_be_given = true;
            let mut members = self.sessions.iter().flatten();
            pooled.is_optional |= members.any(|it| {
                let mut own = it.subscriptions.iter();
                own.any(|it| it.filter == pooled.filter && it.qos == 0)
            });
        }
        self.pool = pool;
    }

    /// The Session of a member has ended: what a broker that was lost may have given it with QoS 2 goes to no other member
    /// [MQTT-4.8.2-5].
    pub(super) fn end_doubtful(&mut self, session: &Session) {
        for wanted in &session.subscriptions {
            let doubtful = self
                .pool
                .iter_mut()
                .filter(|it| it.may_be_given && it.filter == wanted.filter);
            for pooled in doubtful {
                pooled.is_optional |= pooled.message.qos.min(wanted.qos) == 2;
            }
        }
    }

    /// Whether a client may have a message of a group.
    pub(in crate::broker_world) fn may_have(&self, client: u8, pooled: &Pooled) -> bool {
        let session = self.sessions[client as usize].as_ref();
        session.is_some_and(|it| {
            let mut copies = it.copies.iter();
            let is_it = |it: &Copy| {
                it.group == Some(pooled.filter) && it.message.number == pooled.message.number
            };
            copies.any(is_it)
        })
    }

    fn copy_of(&self, client: u8, pooled: &Pooled) -> Option<Copy> {
        let session = self.sessions[client as usize].as_ref()?;
        let mut own = session.subscriptions.iter();
        let wanted = own.find(|it| it.filter == pooled.filter)?;
        Some(Copy {
            group: Some(pooled.filter),
            may_be_sent: pooled.may_be_given,
            ..Copy::of(pooled.message, &[*wanted])
        })
    }

    /// What is for a group without members is for nobody; but members that have left may be there until slices of work are
    /// done.
    pub(in crate::broker_world) fn settle_groups(&mut self) {
        self.leaving.clear();
        let mut pool = std::mem::take(&mut self.pool);
        let owed = |pool: &[Pooled]| pool.iter().filter(|it| !it.is_optional).count();
        let before = owed(&pool);
        pool.retain(|it| {
            let mut members = self
                .clients()
                .filter(|client| self.is_member(*client, it.filter));
            // With QoS 0 it does not wait for members that are away.
            let is_there = |client: u8| {
                let session = self.sessions[client as usize].as_ref();
                session.is_some_and(|it| it.is_connected)
            };
            members.any(|client| it.message.qos > 0 || is_there(client))
        });
        self.losses -= (before - owed(&pool)) as i32;
        self.pool = pool;
    }

    /// The copies of a Session that has ended: others get those with QoS 1 [MQTT-4.8.2-4], [MQTT-4.8.2-5].
    pub(super) fn give_back(&mut self, copies: &[Copy]) {
        for copy in copies.iter().rev() {
            let (Some(filter), 1, State::Sent(_)) = (copy.group, copy.qos, copy.state) else {
                continue;
            };
            let pooled = Pooled {
                filter,
                message: copy.message,
                may_be_given: false,
                is_optional: false,
            };
            self.pool.insert(0, pooled);
        }
    }
}
