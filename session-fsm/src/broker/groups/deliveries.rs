//! The messages that were sent to a member and may come back.

use alloc::vec::Vec;

use slab::Slab;

use super::hashing::Hashing;
use super::lists::{Linked, Links, Ring};
use super::message::{GroupMessage, Handed, Routed};
use super::state::hash_at;
use super::{Groups, Subscriber};
use crate::{Instant, Token};

/// The only kind of list that a delivery is in.
pub(super) const SENT: u8 = 0;

/// No Session has more Packet Identifiers.
const MOST: u32 = u16::MAX as u32;

/// A message that was sent to a member.
#[derive(Clone, Debug)]
pub(super) struct Delivery<M> {
    pub(super) message: GroupMessage<M>,
    pub(super) group: u32,
    /// The slot of the member.
    pub(super) member: u32,
    pub(super) token: Token,
    pub(super) position: u64,
    links: Links,
}

impl<M> Delivery<M> {
    pub(super) fn hash(&self, hashing: &Hashing) -> u64 {
        hashing.pair(self.member.into(), self.token.number())
    }
}

impl<M> Linked<SENT> for Delivery<M> {
    fn links(&self) -> Links {
        self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl<V, M> Groups<V, M> {
    /// Keeps a message that was sent to a member with QoS 1, until it is [settled](Self::settle):
    /// if the member's Session ends before, another member gets it. `token` is the one that the
    /// member's Session has returned for it.
    ///
    /// A message with QoS 0 must not be kept. With QoS 2 it may be kept until it is sent, and must be
    /// settled then: it belongs to that Session alone [MQTT-4.8.2-4], [MQTT-4.8.2-5].
    ///
    /// # Errors
    ///
    /// Returns what the owner keeps of the message if it is not kept: its group has ended, the
    /// Session has a message with this token, or more than 65,535.
    pub fn delivered<W>(&mut self, token: Token, handed: Handed<W, M>) -> Result<(), M> {
        let Handed {
            member,
            group,
            position,
            message,
            ..
        } = handed;
        let kept = self.keep(member, token, group.0, position, message);
        kept.map_err(|it| it.message)
    }

    pub(super) fn keep(
        &mut self,
        subscriber: Subscriber,
        token: Token,
        group: u32,
        position: u64,
        message: GroupMessage<M>,
    ) -> Result<(), GroupMessage<M>> {
        let known = self.find_member(subscriber);
        let cannot = known.is_some_and(|member| self.cannot_keep(member, token));
        // A younger group may have the number, or the filter, of an older one.
        let state = self.groups.get_mut(group as usize);
        match state.filter(|it| it.members > 0 && it.born < position && !cannot) {
            Some(state) => state.deliveries += 1,
            None => return Err(message),
        }
        let member = self.member_slot(subscriber);
        let delivery = Delivery {
            message,
            group,
            member,
            token,
            position,
            links: Links::default(),
        };
        let slot = self.deliveries.insert(delivery) as u32;
        if let Some(member) = self.members.get_mut(member as usize) {
            let first = member.deliveries.first();
            let last = first.and_then(|it| self.deliveries.get(it as usize));
            let last = last.and_then(|it| self.deliveries.get(it.links.previous as usize));
            let last = last.map_or(0, |it| it.position);
            member.ascending &= last <= position;
            member.deliveries.push_back(&mut self.deliveries, slot);
        }
        let hashing = &self.hashing;
        let hash_of = hash_at(&self.deliveries, |it| it.hash(hashing));
        let hash = hash_of(&slot);
        self.by_token.insert_unique(hash, slot, hash_of);
        Ok(())
    }

    /// A message that was sent to a member has ended there: with an acknowledgement, whatever its
    /// Reason Code is [MQTT-4.8.2-6], or without one. No other member gets it. Returns what the owner
    /// keeps of it; `None` if it was not kept here, as most messages of a Session.
    pub fn settle(&mut self, subscriber: Subscriber, token: Token) -> Option<M> {
        let member = self.find_member(subscriber)?;
        let slot = self.find_delivery(member, token)?;
        Some(self.remove_delivery(slot)?.message.message)
    }

    fn cannot_keep(&self, member: u32, token: Token) -> bool {
        let deliveries = self
            .members
            .get(member as usize)
            .map(|it| it.deliveries.len());
        deliveries.is_some_and(|it| it >= MOST) || self.find_delivery(member, token).is_some()
    }

    fn find_delivery(&self, member: u32, token: Token) -> Option<u32> {
        let hash = self.hashing.pair(member.into(), token.number());
        let is_it = |slot: &u32| {
            super::steps::count();
            let delivery = self.deliveries.get(*slot as usize);
            delivery.is_some_and(|it| it.member == member && it.token == token)
        };
        self.by_token.find(hash, is_it).copied()
    }

    fn remove_delivery(&mut self, slot: u32) -> Option<Delivery<M>> {
        let delivery = self.deliveries.get(slot as usize)?;
        let (group, member) = (delivery.group, delivery.member);
        let hash = delivery.hash(&self.hashing);
        if let Ok(entry) = self.by_token.find_entry(hash, |it| *it == slot) {
            entry.remove();
        }
        if let Some(member) = self.members.get_mut(member as usize) {
            member.deliveries.remove(&mut self.deliveries, slot);
            member.ascending |= member.deliveries.is_empty();
        }
        let delivery = self.deliveries.try_remove(slot as usize)?;
        if let Some(group) = self.groups.get_mut(group as usize) {
            group.deliveries -= 1;
        }
        self.release_group(group);
        self.release_member(member);
        Some(delivery)
    }

    /// Puts the deliveries of a member in the order in which their groups got them.
    fn sort_deliveries(&mut self, member: u32) {
        let Some(member) = self.members.get_mut(member as usize) else {
            return;
        };
        let mut order: Vec<(u64, u32)> = (member.deliveries.iter(&self.deliveries))
            .filter_map(|slot| Some((position(&self.deliveries, slot)?, slot)))
            .collect();
        order.sort_unstable();
        member.deliveries = Ring::NEW;
        for (_, slot) in order {
            member.deliveries.push_back(&mut self.deliveries, slot);
        }
        member.ascending = true;
    }
}

impl<V: Clone, M> Groups<V, M> {
    /// Gives back the next message of a subscriber whose Session has ended, as if it had just come:
    /// another member gets it, or it waits in front of all that came after it (section 4.8.2).
    /// `None` if the subscriber has none left, or is still in a group.
    ///
    /// When a Session ends, call [`leave_any`](Groups::leave_any) until it returns `None`, and then
    /// this until it returns `None`. `able` is that of [`route`](Self::route).
    ///
    /// Takes logarithmic time; the first call takes n log n if earlier messages were sent after later
    /// ones, which is so only if they had been given back before.
    pub fn give_back(
        &mut self,
        now: Instant,
        subscriber: Subscriber,
        able: impl FnMut(Subscriber) -> Option<u32>,
    ) -> Option<Routed<V, M>> {
        let first = self.next_to_give_back(subscriber)?;
        let delivery = self.remove_delivery(first)?;
        self.statistics.given_back += 1;
        let Delivery {
            message,
            group,
            position,
            ..
        } = delivery;
        Some(self.route_at(now, group, position, message, true, able))
    }

    /// Returns the whole filter of the group whose message [`give_back`](Groups::give_back) would
    /// give back, and the size of the message.
    pub fn next_given_back(&mut self, subscriber: Subscriber) -> Option<(&str, usize)> {
        let first = self.next_to_give_back(subscriber)?;
        let delivery = self.deliveries.get(first as usize)?;
        let group = self.groups.get(delivery.group as usize)?;
        Some((&group.filter, delivery.message.size))
    }

    fn next_to_give_back(&mut self, subscriber: Subscriber) -> Option<u32> {
        let slot = self.find_member(subscriber)?;
        let member = self.members.get(slot as usize)?;
        if !member.own.is_empty() {
            return None;
        }
        if !member.ascending {
            self.sort_deliveries(slot);
        }
        self.members.get(slot as usize)?.deliveries.first()
    }
}

fn position<M>(deliveries: &Slab<Delivery<M>>, slot: u32) -> Option<u64> {
    Some(deliveries.get(slot as usize)?.position)
}
