//! The groups of Shared Subscriptions with vectors and linear search: what a Server has to do, by
//! section 4.8.2 and by what the policies promise.

use mqtt5_session_fsm::broker::groups::{DropReason, GroupMessage, GroupsConfig, Policy};
use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::{Instant, WhenFull};

/// A message is a number here.
pub(crate) type Message = GroupMessage<u32>;
type Filter = &'static str;

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) filter: Filter,
    generation: u64,
    pub(crate) policy: Policy,
    pub(crate) members: Vec<(u32, Qos)>,
    /// The next one in turn first.
    ready: Vec<u32>,
    /// By positions.
    pub(crate) queue: Vec<(u64, Message)>,
}

impl Group {
    fn unready(&mut self, member: u32) {
        let place = self.ready.iter().position(|it| *it == member);
        match (place, self.policy) {
            (None, _) => {}
            // There is no turn: the last one takes the place.
            (Some(place), Policy::Random) => _ = self.ready.swap_remove(place),
            (Some(place), _) => _ = self.ready.remove(place),
        }
    }
}

#[derive(Clone, Debug)]
struct Sent {
    member: u32,
    token: u64,
    filter: Filter,
    generation: u64,
    position: u64,
    message: Message,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Routed {
    Handed(u32, Qos, u64, Message),
    Queued(u64),
    Dropped(Message, DropReason),
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    config: GroupsConfig,
    pub(crate) groups: Vec<Group>,
    /// Subscribers that are members somewhere and not away.
    present: Vec<u32>,
    /// Whom groups wait for, in turn.
    asks: Vec<(u32, Filter)>,
    sent: Vec<Sent>,
    dropped: Vec<(u64, Filter, Message, DropReason)>,
    position: u64,
}

impl Model {
    pub(crate) fn new(config: GroupsConfig) -> Self {
        Model {
            config,
            groups: Vec::new(),
            present: Vec::new(),
            asks: Vec::new(),
            sent: Vec::new(),
            dropped: Vec::new(),
            position: 1,
        }
    }

    fn index(&self, filter: Filter) -> Option<usize> {
        self.groups.iter().position(|group| group.filter == filter)
    }

    fn is_member_somewhere(&self, member: u32) -> bool {
        (self.groups.iter()).any(|group| group.members.iter().any(|(it, _)| *it == member))
    }

    /// Returns what was replaced.
    pub(crate) fn join(&mut self, filter: Filter, member: u32, granted: Qos) -> Option<Qos> {
        if !self.is_member_somewhere(member) {
            self.present.push(member);
        }
        let index = self.index(filter).unwrap_or_else(|| {
            self.groups.push(Group {
                filter,
                generation: self.position,
                policy: self.config.policy,
                members: Vec::new(),
                ready: Vec::new(),
                queue: Vec::new(),
            });
            self.position += 1;
            self.groups.len() - 1
        });
        let group = &mut self.groups[index];
        if let Some(known) = group.members.iter_mut().find(|(it, _)| *it == member) {
            return Some(std::mem::replace(&mut known.1, granted));
        }
        group.members.push((member, granted));
        if self.present.contains(&member) {
            if group.queue.is_empty() {
                group.ready.push(member);
            } else {
                self.asks.push((member, filter));
            }
        }
        None
    }

    /// Returns the value, and whether the group has ended.
    pub(crate) fn leave(&mut self, filter: Filter, member: u32) -> Option<(Qos, bool)> {
        let index = self.index(filter)?;
        let group = &mut self.groups[index];
        let place = group.members.iter().position(|(it, _)| *it == member)?;
        let (_, granted) = group.members.remove(place);
        group.unready(member);
        self.asks.retain(|it| *it != (member, filter));
        let ended = group.members.is_empty();
        if ended {
            for (position, message) in std::mem::take(&mut group.queue) {
                (self.dropped).push((position, filter, message, DropReason::GroupEnded));
            }
            self.groups.remove(index);
        }
        if !self.is_member_somewhere(member) {
            self.present.retain(|it| *it != member);
        }
        self.drop_qos0();
        Some((granted, ended))
    }

    pub(crate) fn connected(&mut self, member: u32) {
        if !self.is_member_somewhere(member) || self.present.contains(&member) {
            return;
        }
        self.present.push(member);
        let mut asks = Vec::new();
        for group in &mut self.groups {
            if !group.members.iter().any(|(it, _)| *it == member) {
                continue;
            }
            match group.queue.first() {
                None => group.ready.push(member),
                Some((position, _)) => asks.push((*position, group.filter)),
            }
        }
        asks.sort();
        (self.asks).extend(asks.into_iter().map(|(_, filter)| (member, filter)));
    }

    pub(crate) fn away(&mut self, member: u32) {
        self.present.retain(|it| *it != member);
        self.asks.retain(|(it, _)| *it != member);
        for group in &mut self.groups {
            group.unready(member);
        }
        self.drop_qos0();
    }

    /// Nobody there: nothing with QoS 0 waits.
    fn drop_qos0(&mut self) {
        for group in &mut self.groups {
            if (group.members.iter()).any(|(member, _)| self.present.contains(member)) {
                continue;
            }
            let is_qos0 = |it: &(u64, Message)| it.1.qos == Qos::AtMostOnce;
            let (gone, stay) = group.queue.drain(..).partition(is_qos0);
            group.queue = stay;
            let gone: Vec<(u64, Message)> = gone;
            for (position, message) in gone {
                let drop = (position, group.filter, message, DropReason::MembersAway);
                self.dropped.push(drop);
            }
        }
    }

    pub(crate) fn set_policy(&mut self, filter: Filter, policy: Policy) {
        if let Some(index) = self.index(filter) {
            self.groups[index].policy = policy;
        }
    }

    /// `asked` are the members that were asked, in order, with their answers: only the random choice
    /// is believed.
    pub(crate) fn route(
        &mut self,
        now: Instant,
        filter: Filter,
        message: Message,
        able: impl Fn(u32) -> Option<u32>,
        asked: &[u32],
    ) -> Routed {
        self.position += 1;
        let index = self.index(filter).expect("the group is there");
        self.route_at(now, index, self.position - 1, message, false, able, asked)
    }

    #[expect(clippy::too_many_arguments)]
    fn route_at(
        &mut self,
        now: Instant,
        index: usize,
        position: u64,
        message: Message,
        is_given_back: bool,
        able: impl Fn(u32) -> Option<u32>,
        asked: &[u32],
    ) -> Routed {
        if message.expires_at <= now {
            return Routed::Dropped(message, DropReason::Expired);
        }
        if self.groups[index].queue.is_empty() {
            if let Some(member) = self.choose(index, able, asked) {
                let group = &self.groups[index];
                let granted = group.members.iter().find(|(it, _)| *it == member);
                return Routed::Handed(member, granted.expect("a member").1, position, message);
            }
        }
        let group = &self.groups[index];
        let is_anybody_there =
            (group.members.iter()).any(|(member, _)| self.present.contains(member));
        if !is_anybody_there && message.qos == Qos::AtMostOnce {
            return Routed::Dropped(message, DropReason::MembersAway);
        }
        if !is_given_back && !self.make_room(index, message.size) {
            return Routed::Dropped(message, DropReason::QueueFull);
        }
        let queue = &mut self.groups[index].queue;
        queue.push((position, message));
        queue.sort_by_key(|(position, _)| *position);
        Routed::Queued(position)
    }

    fn choose(
        &mut self,
        index: usize,
        able: impl Fn(u32) -> Option<u32>,
        asked: &[u32],
    ) -> Option<u32> {
        let group = &mut self.groups[index];
        let mut asked = asked.iter().copied();
        loop {
            if group.ready.is_empty() {
                return None;
            }
            let candidates: Vec<u32> = match group.policy {
                Policy::Random => {
                    let one = asked.next().expect("somebody was asked");
                    assert!(group.ready.contains(&one), "{one} is not ready");
                    vec![one]
                }
                Policy::LeastInFlight => group.ready.iter().copied().take(8).collect(),
                _ => vec![group.ready[0]],
            };
            if let Some(&unable) = candidates.iter().find(|it| able(**it).is_none()) {
                group.unready(unable);
                self.asks.push((unable, group.filter));
                continue;
            }
            let chosen = *candidates.iter().min_by_key(|it| able(**it))?;
            if matches!(group.policy, Policy::RoundRobin | Policy::LeastInFlight) {
                let place = group.ready.iter().position(|it| *it == chosen)?;
                group.ready.rotate_left(place + 1);
            }
            return Some(chosen);
        }
    }

    fn make_room(&mut self, index: usize, size: usize) -> bool {
        let limits = self.config.waiting;
        let all = self.groups.iter().flat_map(|group| &group.queue);
        let sizes = all.map(|(_, message)| message.size);
        let sizes = sizes.chain(self.dropped.iter().map(|it| it.2.size));
        let sizes: Vec<usize> = sizes.collect();
        if sizes.len() >= self.config.total_messages as usize
            || sizes.iter().sum::<usize>() + size > self.config.total_bytes
        {
            return false;
        }
        let group = &mut self.groups[index];
        let mut queue = group.queue.clone();
        let mut gone = Vec::new();
        loop {
            let bytes: usize = queue.iter().map(|(_, message)| message.size).sum();
            if queue.len() < limits.messages as usize && bytes + size <= limits.bytes {
                break;
            }
            let qos0 = (queue.iter()).position(|(_, message)| message.qos == Qos::AtMostOnce);
            let place = match (limits.when_full, qos0) {
                (WhenFull::DropOldest | WhenFull::DropOldestQos0, Some(qos0)) => qos0,
                (WhenFull::DropOldest, None) if !queue.is_empty() => 0,
                _ => return false,
            };
            gone.push(queue.remove(place));
        }
        group.queue = queue;
        for (position, message) in gone {
            let drop = (position, group.filter, message, DropReason::QueueFull);
            self.dropped.push(drop);
        }
        true
    }

    /// The next message that waits for a member: its group, the granted QoS, position and message.
    pub(crate) fn next_for(
        &mut self,
        now: Instant,
        member: u32,
    ) -> Option<(Filter, Qos, u64, Message)> {
        loop {
            let place = self.asks.iter().position(|(it, _)| *it == member)?;
            let filter = self.asks[place].1;
            let index = self.index(filter)?;
            let group = &mut self.groups[index];
            if group.queue.is_empty() {
                self.asks.remove(place);
                group.ready.push(member);
                continue;
            }
            let (position, message) = group.queue.remove(0);
            if message.expires_at <= now {
                let drop = (position, filter, message, DropReason::Expired);
                self.dropped.push(drop);
                continue;
            }
            let ask = self.asks.remove(place);
            self.asks.push(ask);
            let granted = group.members.iter().find(|(it, _)| *it == member)?.1;
            return Some((filter, granted, position, message));
        }
    }

    pub(crate) fn delivered(
        &mut self,
        member: u32,
        token: u64,
        filter: Filter,
        position: u64,
        message: Message,
    ) {
        let generation = self.groups[self.index(filter).expect("a group")].generation;
        self.sent.push(Sent {
            member,
            token,
            filter,
            generation,
            position,
            message,
        });
    }

    pub(crate) fn settle(&mut self, member: u32, token: u64) -> Option<u32> {
        let is_it = |it: &Sent| (it.member, it.token) == (member, token);
        let place = self.sent.iter().position(is_it)?;
        Some(self.sent.remove(place).message.message)
    }

    pub(crate) fn is_kept(&self, member: u32, token: u64) -> bool {
        (self.sent.iter()).any(|it| (it.member, it.token) == (member, token))
    }

    /// Also returns the group, for what is handed.
    pub(crate) fn give_back(
        &mut self,
        now: Instant,
        member: u32,
        able: impl Fn(u32) -> Option<u32>,
        asked: &[u32],
    ) -> Option<(Filter, Routed)> {
        let own = self
            .sent
            .iter()
            .enumerate()
            .filter(|(_, it)| it.member == member);
        let (place, _) = own.min_by_key(|(_, it)| it.position)?;
        let sent = self.sent.remove(place);
        let index = self.index(sent.filter);
        let index = index.filter(|index| self.groups[*index].generation == sent.generation);
        let Some(index) = index else {
            let dropped = Routed::Dropped(sent.message, DropReason::GroupEnded);
            return Some((sent.filter, dropped));
        };
        let routed = self.route_at(now, index, sent.position, sent.message, true, able, asked);
        Some((sent.filter, routed))
    }

    pub(crate) fn next_dropped(&mut self, now: Instant) -> Option<(u64, Filter, u32, DropReason)> {
        if self.dropped.is_empty() {
            let all = self.groups.iter_mut().flat_map(|group| {
                let filter = group.filter;
                group
                    .queue
                    .iter()
                    .map(move |it| (it.1.expires_at, it.0, filter))
            });
            let (_, position, filter) = all.filter(|it| it.0 <= now).min()?;
            let index = self.index(filter)?;
            let queue = &mut self.groups[index].queue;
            let place = queue.iter().position(|it| it.0 == position)?;
            let (position, message) = queue.remove(place);
            let drop = (position, filter, message, DropReason::Expired);
            self.dropped.push(drop);
        }
        self.dropped.sort_by_key(|it| it.0);
        let (position, filter, message, reason) = self.dropped.remove(0);
        Some((position, filter, message.message, reason))
    }

    pub(crate) fn next_timeout(&self) -> Instant {
        let all = self.groups.iter().flat_map(|group| &group.queue);
        let times = all.map(|(_, message)| message.expires_at);
        times.min().unwrap_or(Instant::NEVER)
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.sent.len()
    }

    /// What was sent by groups that have ended is not stored.
    pub(crate) fn restart(&mut self) {
        let groups = &self.groups;
        self.sent.retain(|sent| {
            (groups.iter())
                .any(|group| (group.filter, group.generation) == (sent.filter, sent.generation))
        });
    }
}
