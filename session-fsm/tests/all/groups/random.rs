//! Random histories beside the model, for every policy: joins, leaves, connections, full windows,
//! queues, expiry, Sessions that end, restarts.

use std::collections::BTreeMap;

use mqtt5_session_fsm::broker::groups::{Groups, GroupsConfig, Handed, Part, Routed, Subscriber};
use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::{Instant, Token, WaitingLimits, WhenFull};
use proptest::prelude::*;

use super::model::{self, Message, Model};
use super::{POLICIES, filter};

const FILTERS: [&str; 3] = ["$share/a/x", "$share/b/x", "$share/a/#"];
const SUBSCRIBERS: u32 = 5;
const WINDOW: usize = 2;
const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

#[derive(Clone, Debug)]
enum Step {
    Join(usize, u32, usize),
    Leave(usize, u32),
    Connect(u32),
    Lose(u32),
    /// The Network Connection takes no more bytes, or takes them again.
    Block(u32, bool),
    EndSession(u32),
    Publish(usize, usize, usize, Option<u64>),
    /// The oldest message of a subscriber's window has ended.
    Settle(u32),
    Wait(u64),
    SetPolicy(usize, usize),
    Restart(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (filters, subscribers, qos) = (0..FILTERS.len(), 0..SUBSCRIBERS, 0..QOS.len());
    prop_oneof![
        6 => (filters.clone(), subscribers.clone(), qos.clone())
            .prop_map(|(group, member, qos)| Step::Join(group, member, qos)),
        2 => (filters.clone(), subscribers.clone())
            .prop_map(|(group, member)| Step::Leave(group, member)),
        4 => subscribers.clone().prop_map(Step::Connect),
        2 => subscribers.clone().prop_map(Step::Lose),
        2 => (subscribers.clone(), any::<bool>())
            .prop_map(|(member, blocked)| Step::Block(member, blocked)),
        2 => subscribers.clone().prop_map(Step::EndSession),
        20 => (filters.clone(), qos, 1..5_usize, prop::option::weighted(0.3, 1..50_u64))
            .prop_map(|(group, qos, size, within)| Step::Publish(group, qos, size, within)),
        12 => subscribers.prop_map(Step::Settle),
        2 => (1..30_u64).prop_map(Step::Wait),
        1 => (filters, 0..POLICIES.len()).prop_map(|(group, to)| Step::SetPolicy(group, to)),
        1 => any::<u64>().prop_map(Step::Restart),
    ]
}

/// What a subscriber's Session has.
#[derive(Clone, Default)]
struct Session {
    connected: bool,
    blocked: bool,
    /// Token and number of each message in flight.
    window: Vec<(u64, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Sent,
    EndedWithItsSession,
    Dropped,
}

/// An owner of groups, which compares each result with the model's.
struct Owner {
    now: Instant,
    groups: Groups<Qos, u32>,
    model: Model,
    sessions: Vec<Session>,
    published: u32,
    next_token: u64,
    fates: BTreeMap<u32, Fate>,
}

fn able(sessions: &[Session], member: u32) -> Option<u32> {
    let session = &sessions[member as usize];
    let room = session.connected && !session.blocked && session.window.len() < WINDOW;
    room.then_some(session.window.len() as u32)
}

impl Owner {
    fn new(config: GroupsConfig, seed: u64) -> Self {
        Owner {
            now: Instant::ORIGIN,
            groups: Groups::new(config, seed),
            model: Model::new(config),
            sessions: vec![Session::default(); SUBSCRIBERS as usize],
            published: 0,
            next_token: 1,
            fates: BTreeMap::new(),
        }
    }

    /// Each message ends once.
    fn end(&mut self, message: u32, fate: Fate) {
        let before = self.fates.insert(message, fate);
        assert_eq!(before, None, "message {message}: {fate:?}");
    }

    fn send(&mut self, filter: &'static str, handed: Handed<Qos, u32>) {
        let member = handed.member.number();
        assert!(able(&self.sessions, member).is_some(), "{member} is unable");
        let message = handed.message;
        match message.qos.min(handed.value) {
            Qos::AtMostOnce => self.end(message.message, Fate::Sent),
            qos => {
                let token = self.next_token;
                self.next_token += 1;
                let window = &mut self.sessions[member as usize].window;
                window.push((token, message.message));
                if qos == Qos::AtLeastOnce {
                    (self.model).delivered(member, token, filter, handed.position, message);
                    let kept = self.groups.delivered(Token::from_number(token), handed);
                    assert_eq!(kept, Ok(()));
                }
            }
        }
    }

    fn routed(&mut self, filter: &'static str, routed: Routed<Qos, u32>, expected: &model::Routed) {
        match (routed, expected) {
            (Routed::Handed(handed), model::Routed::Handed(member, granted, position, message)) => {
                let seen = (
                    handed.member.number(),
                    handed.value,
                    handed.position,
                    handed.message,
                );
                assert_eq!(seen, (*member, *granted, *position, *message));
                assert!(!handed.was_queued);
                self.send(filter, handed);
            }
            (Routed::Queued(position), model::Routed::Queued(expected)) => {
                assert_eq!(position, *expected);
            }
            (Routed::Dropped(message, reason), model::Routed::Dropped(expected, because)) => {
                assert_eq!((message, reason), (*expected, *because));
                self.end(message.message, Fate::Dropped);
            }
            (routed, expected) => panic!("{routed:?} instead of {expected:?}"),
        }
    }

    fn publish(&mut self, filter: &'static str, message: Message) {
        let Some(group) = self.groups.find_filter(super::filter(filter)) else {
            return;
        };
        let group = group.number();
        self.published += 1;
        let mut asked = Vec::new();
        let routed = self.groups.route(self.now, group, message, |it| {
            asked.push(it.number());
            able(&self.sessions, it.number())
        });
        let sessions = &self.sessions;
        let expected = self
            .model
            .route(self.now, filter, message, |it| able(sessions, it), &asked);
        self.routed(filter, routed, &expected);
    }

    /// As long as there is room.
    fn pull(&mut self, member: u32) {
        while able(&self.sessions, member).is_some() {
            let handed = self.groups.next_for(self.now, Subscriber::new(member));
            let expected = self.model.next_for(self.now, member);
            let seen = handed.map(|it| (it.value, it.position, it.message));
            assert_eq!(
                seen,
                expected.map(|(_, granted, position, it)| (granted, position, it))
            );
            let (Some(handed), Some((filter, ..))) = (handed, expected) else {
                break;
            };
            assert!(handed.was_queued);
            self.send(filter, handed);
        }
    }

    fn take_dropped(&mut self) {
        loop {
            let dropped = self.groups.next_dropped(self.now);
            let dropped = dropped.map(|it| {
                (
                    it.position,
                    it.filter.to_owned(),
                    it.message.message,
                    it.reason,
                )
            });
            let expected = self.model.next_dropped(self.now);
            let expected = expected.map(|it| (it.0, it.1.to_owned(), it.2, it.3));
            assert_eq!(dropped, expected);
            let Some((_, _, message, _)) = dropped else {
                break;
            };
            self.end(message, Fate::Dropped);
        }
    }

    fn end_session(&mut self, member: u32) {
        let subscriber = Subscriber::new(member);
        self.sessions[member as usize].connected = false;
        while let Some(left) = self.groups.leave_any(subscriber) {
            let of = |it: &&str| self.groups.find_filter(filter(it)).map(|it| it.number());
            let gone = FILTERS.iter().copied().filter(|it| {
                let known = self.model.groups.iter().find(|group| group.filter == *it);
                known.is_some_and(|it| it.members.iter().any(|(it, _)| *it == member))
            });
            let gone: Vec<_> = gone.collect();
            // The group that was left is the one that the model still has and the groups have not.
            let is_left = |it: &&str| match of(it) {
                None => left.ended,
                Some(number) => {
                    number == left.group
                        && !left.ended
                        && self
                            .groups
                            .group(number)
                            .unwrap()
                            .value(subscriber)
                            .is_none()
                }
            };
            let gone = gone.into_iter().find(is_left).expect("a group was left");
            assert_eq!(
                self.model.leave(gone, member),
                Some((left.value, left.ended))
            );
        }
        for (token, message) in std::mem::take(&mut self.sessions[member as usize].window) {
            // With QoS 2, or of a group that ended before a restart.
            if !self.model.is_kept(member, token) {
                self.end(message, Fate::EndedWithItsSession);
            }
        }
        loop {
            let mut asked = Vec::new();
            let routed = self.groups.give_back(self.now, subscriber, |it| {
                asked.push(it.number());
                able(&self.sessions, it.number())
            });
            let sessions = &self.sessions;
            let expected =
                (self.model).give_back(self.now, member, |it| able(sessions, it), &asked);
            let (Some(routed), Some((filter, expected))) = (routed, &expected) else {
                assert!(
                    routed.is_none() && expected.is_none(),
                    "{routed:?}, {expected:?}"
                );
                break;
            };
            self.routed(filter, routed, expected);
        }
    }

    /// Everything is stored, mixed up, and read again; then nobody is connected.
    fn restart(&mut self, mix: u64) {
        let parts = self.groups.parts();
        let mut parts: Vec<Part<'_, Qos, u32>> =
            parts.map(|part| part.map(|it| *it, |it| *it)).collect();
        // Twice, in an order of its own each time.
        for turn in 0..parts.len() as u64 {
            let to = (mix.rotate_left(turn as u32 % 64) ^ turn) % parts.len() as u64;
            parts.swap(turn as usize, to as usize);
            parts.push(parts[to as usize]);
        }
        let restored = Groups::restore(*self.groups.config(), mix, parts);
        for member in 0..SUBSCRIBERS {
            self.lose(member);
        }
        self.take_dropped();
        assert_eq!(restored, self.groups);
        self.groups = restored;
        self.model.restart();
    }

    fn lose(&mut self, member: u32) {
        self.sessions[member as usize].connected = false;
        self.groups.away(Subscriber::new(member));
        self.model.away(member);
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Join(group, member, qos) => {
                let (text, qos) = (FILTERS[group], QOS[qos]);
                let joined = self.groups.join(filter(text), Subscriber::new(member), qos);
                let replaced = self.model.join(text, member, qos);
                assert_eq!(joined.map(|it| it.replaced), Ok(replaced));
                if !self.sessions[member as usize].connected {
                    self.lose(member);
                }
                self.pull(member);
            }
            Step::Leave(group, member) => {
                let left = self
                    .groups
                    .leave(filter(FILTERS[group]), Subscriber::new(member));
                let expected = self.model.leave(FILTERS[group], member);
                assert_eq!(left.map(|it| (it.value, it.ended)), expected);
            }
            Step::Connect(member) => {
                let session = &mut self.sessions[member as usize];
                (session.connected, session.blocked) = (true, false);
                self.groups.connected(Subscriber::new(member));
                self.model.connected(member);
                self.pull(member);
            }
            Step::Lose(member) => self.lose(member),
            Step::Block(member, blocked) => {
                self.sessions[member as usize].blocked = blocked;
                self.pull(member);
            }
            Step::EndSession(member) => self.end_session(member),
            Step::Publish(group, qos, size, within) => {
                let expires_at = within.map_or(Instant::NEVER, |within| {
                    Instant::from_millis(self.now.as_millis() + within)
                });
                let message = Message {
                    message: self.published,
                    size,
                    qos: QOS[qos],
                    expires_at,
                };
                self.publish(FILTERS[group], message);
            }
            Step::Settle(member) => {
                let window = &mut self.sessions[member as usize].window;
                if !window.is_empty() {
                    let (token, message) = window.remove(0);
                    let settled = self
                        .groups
                        .settle(Subscriber::new(member), Token::from_number(token));
                    assert_eq!(settled, self.model.settle(member, token));
                    self.end(message, Fate::Sent);
                    self.pull(member);
                }
            }
            Step::Wait(milliseconds) => {
                self.now = Instant::from_millis(self.now.as_millis() + milliseconds);
            }
            Step::SetPolicy(group, policy) => {
                if let Some(number) = self.groups.find_filter(filter(FILTERS[group])) {
                    let number = number.number();
                    assert!(self.groups.set_policy(number, POLICIES[policy]));
                    self.model.set_policy(FILTERS[group], POLICIES[policy]);
                }
            }
            Step::Restart(mix) => self.restart(mix),
        }
        self.take_dropped();
        self.check();
    }

    fn check(&self) {
        let waiting: usize = self
            .model
            .groups
            .iter()
            .map(|group| group.queue.len())
            .sum();
        assert_eq!(self.groups.waiting(), waiting);
        let next_timeout = self.model.next_timeout();
        assert_eq!(self.groups.next_timeout(), next_timeout);
        assert!(next_timeout > self.now);
        assert_eq!(self.groups.in_flight(), self.model.in_flight());
        let mut bytes = 0;
        for group in &self.model.groups {
            let view = self
                .groups
                .find_filter(filter(group.filter))
                .expect("a group");
            assert_eq!(view.members() as usize, group.members.len());
            assert_eq!(view.waiting() as usize, group.queue.len());
            let sizes = group.queue.iter().map(|(_, message)| message.size);
            assert_eq!(view.waiting_bytes(), sizes.clone().sum());
            bytes += sizes.sum::<usize>();
            // Nothing waits while a member can take it.
            let someone = group
                .members
                .iter()
                .find(|it| able(&self.sessions, it.0).is_some());
            assert!(
                group.queue.is_empty() || someone.is_none(),
                "{group:?}: {someone:?}"
            );
        }
        assert_eq!(self.groups.waiting_bytes(), bytes);
        let copy = self.groups.clone();
        assert_eq!(copy, self.groups);
    }

    /// All Sessions end: each message has ended once, and nothing is left.
    fn finish(mut self) {
        for member in 0..SUBSCRIBERS {
            self.end_session(member);
            self.take_dropped();
        }
        assert!(self.groups.is_empty(), "{:?}", self.groups);
        assert_eq!((self.groups.memberships(), self.groups.waiting()), (0, 0));
        assert_eq!(
            (self.groups.in_flight(), self.groups.waiting_bytes()),
            (0, 0)
        );
        assert_eq!(self.fates.len(), self.published as usize);
        self.groups.shrink();
        assert_eq!(self.groups.bytes(), 0);
    }
}

fn config() -> impl Strategy<Value = GroupsConfig> {
    let when_full = prop_oneof![
        Just(WhenFull::Refuse),
        Just(WhenFull::DropOldestQos0),
        Just(WhenFull::DropOldest)
    ];
    let waiting = (0..6_u32, 1..20_usize, when_full);
    (0..POLICIES.len(), waiting, 1..10_u32, 1..30_usize).prop_map(
        |(policy, (messages, bytes, when_full), total_messages, total_bytes)| GroupsConfig {
            policy: POLICIES[policy],
            waiting: WaitingLimits {
                messages,
                bytes,
                when_full,
            },
            total_messages,
            total_bytes,
            ..GroupsConfig::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn groups_do_what_the_model_does(
        config in config(),
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut owner = Owner::new(config, seed);
        for step in steps {
            owner.run(step);
        }
        owner.finish();
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 125, ..ProptestConfig::default() })]

    /// Few restrictions, so that queues get long and members come and go.
    #[test]
    fn long_histories(seed in any::<u64>(), steps in prop::collection::vec(step(), 400..800)) {
        let policy = POLICIES[seed as usize % POLICIES.len()];
        let mut owner = Owner::new(GroupsConfig { policy, ..GroupsConfig::default() }, seed);
        for step in steps {
            owner.run(step);
        }
        owner.finish();
    }
}
