//! What calls cost, in steps: looks at slots of lists, and comparisons in tables.

extern crate std;

use alloc::format;
use std::println;

use mqtt5_codec::{Qos, TopicFilter};

use super::{
    DropReason, GroupMessage, GroupNumber, Groups, GroupsConfig, Policy, Routed, Subscriber, steps,
};
use crate::{Instant, Token};

const NOW: Instant = Instant::ORIGIN;
const MANY: u32 = 100_000;

/// The most that a call may cost that does not depend on how many there are.
const FEW: u64 = 25;

type Shared = Groups<(), u32>;

fn config(policy: Policy) -> GroupsConfig {
    GroupsConfig {
        policy,
        ..GroupsConfig::default()
    }
}

fn join(groups: &mut Shared, text: &str, number: u32) -> GroupNumber {
    let filter = TopicFilter::new(text).expect("a filter");
    let joined = groups.join(filter, Subscriber::new(number), ());
    joined.expect("there is room").group
}

fn message(number: u32) -> GroupMessage<u32> {
    GroupMessage {
        message: number,
        size: 1,
        qos: Qos::AtLeastOnce,
        expires_at: Instant::NEVER,
    }
}

/// Calls, and the steps of the dearest one and of all.
struct Cost {
    name: &'static str,
    calls: u64,
    most: u64,
    all: u64,
}

impl Cost {
    const fn of(name: &'static str) -> Self {
        Cost {
            name,
            calls: 0,
            most: 0,
            all: 0,
        }
    }

    fn count<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let (result, steps) = steps::of(call);
        self.calls += 1;
        self.most = self.most.max(steps);
        self.all += steps;
        result
    }

    fn is_at_most(&self, most: u64) {
        let Cost {
            name,
            calls,
            most: seen,
            all,
        } = self;
        let mean = *all as f64 / *calls as f64;
        println!("{name}: {calls} calls, {mean:.1} steps as a mean, {seen} at most");
        assert!(*seen <= most, "{name}: {seen} steps");
    }
}

#[test]
fn a_group_of_100_000_members() {
    for policy in [
        Policy::RoundRobin,
        Policy::Random,
        Policy::Sticky,
        Policy::LeastInFlight,
    ] {
        let mut groups = Shared::new(config(policy), 1);
        let mut joins = Cost::of("join");
        let mut group = GroupNumber::new(0);
        for number in 0..MANY {
            group = joins.count(|| join(&mut groups, "$share/a/x", number));
        }
        joins.is_at_most(FEW);

        let mut routes = Cost::of("route");
        let mut asked = 0;
        for number in 0..1000 {
            let able = |_| {
                asked += 1;
                Some(0)
            };
            let routed = routes.count(|| groups.route(NOW, group, message(number), able));
            assert!(matches!(routed, Routed::Handed(_)));
        }
        routes.is_at_most(FEW);
        assert!(asked <= 1000 * Policy::EXAMINED);

        let mut changes = Cost::of("away, connected");
        for number in (0..MANY).step_by(101) {
            changes.count(|| groups.away(Subscriber::new(number)));
            changes.count(|| groups.connected(Subscriber::new(number)));
        }
        changes.is_at_most(FEW);

        let mut leaves = Cost::of("leave");
        let filter = TopicFilter::new("$share/a/x").expect("a filter");
        for turn in 0..MANY {
            // From the middle, too.
            let member = Subscriber::new(turn.wrapping_mul(7919) % MANY);
            assert!(leaves.count(|| groups.leave(filter, member)).is_some());
        }
        leaves.is_at_most(FEW);
        assert!(groups.is_empty());
    }
}

/// Each member that is full is found so once; each one that has room again comes back once.
#[test]
fn all_of_100_000_members_are_full() {
    for policy in [Policy::RoundRobin, Policy::LeastInFlight, Policy::Random] {
        let mut groups = Shared::new(config(policy), 1);
        let mut group = GroupNumber::new(0);
        for number in 0..MANY {
            group = join(&mut groups, "$share/a/x", number);
        }
        let mut first = Cost::of("the first route");
        let mut asked = 0;
        let routed = first.count(|| {
            groups.route(NOW, group, message(0), |_| {
                asked += 1;
                None
            })
        });
        assert!(matches!(routed, Routed::Queued(_)));
        assert_eq!(asked, MANY);
        first.is_at_most(FEW * u64::from(MANY));

        let mut later = Cost::of("route, all full");
        let mut pulls = Cost::of("next_for");
        for number in 1..1000 {
            let routed = later.count(|| groups.route(NOW, group, message(number), |_| None));
            assert!(matches!(routed, Routed::Queued(_)));
            let member = Subscriber::new(number * 31);
            let handed = pulls.count(|| groups.next_for(NOW, member));
            assert!(handed.is_some());
        }
        later.is_at_most(FEW);
        pulls.is_at_most(FEW);
    }
}

/// The Receive Maximum of a member of 100,000 groups is used up and free again with each message.
#[test]
fn a_member_of_100_000_groups() {
    let mut groups = Shared::new(
        GroupsConfig {
            policy: Policy::RoundRobin,
            filter_bytes: usize::MAX,
            ..GroupsConfig::default()
        },
        1,
    );
    let (member, other) = (Subscriber::new(0), Subscriber::new(1));
    let mut joins = Cost::of("join");
    for number in 0..MANY {
        let text = format!("$share/a/{number}");
        joins.count(|| join(&mut groups, &text, 0));
    }
    joins.is_at_most(FEW);
    let shared = join(&mut groups, "$share/a/7", 1);

    let mut full = Cost::of("route to a full member, and next_for when it has room");
    for number in 0..10_000 {
        let group = GroupNumber::new(number * 10 % MANY);
        full.count(|| {
            let handed = groups.route(NOW, group, message(number), |_| Some(0));
            let Routed::Handed(handed) = handed else {
                panic!("it has room");
            };
            let kept = groups.delivered(Token::from_number(number.into()), handed);
            assert_eq!(kept, Ok(()));
            // Now it is full: the next message waits, until the first one has ended.
            let routed = groups.route(NOW, group, message(number), |_| None);
            assert!(matches!(routed, Routed::Queued(_)));
            assert!(
                groups
                    .settle(member, Token::from_number(number.into()))
                    .is_some()
            );
            assert!(groups.next_for(NOW, member).is_some());
            assert!(groups.next_for(NOW, member).is_none());
        });
    }
    full.is_at_most(FEW);

    // Only a Network Connection that begins or ends costs more: a few steps for each membership.
    let mut changes = Cost::of("away, connected");
    changes.count(|| groups.away(member));
    changes.count(|| groups.connected(member));
    changes.is_at_most(u64::from(MANY) * 20);

    let mut others = Cost::of("route to another member");
    groups.away(member);
    let routed = others.count(|| groups.route(NOW, shared, message(0), |_| Some(0)));
    assert!(matches!(routed, Routed::Handed(handed) if handed.member == other));
    others.is_at_most(FEW);

    let mut leaves = Cost::of("leave_any");
    while leaves.count(|| groups.leave_any(member)).is_some() {}
    leaves.is_at_most(FEW);
    assert_eq!(groups.len(), 1);
}

/// 20,000 members with a message each, whose Sessions end in the least favourable orders.
#[test]
fn giving_back_is_not_quadratic() {
    const MEMBERS: u32 = 20_000;
    for factor in [1, MEMBERS - 1, 7919] {
        let mut groups = Shared::new(config(Policy::RoundRobin), 1);
        let mut group = GroupNumber::new(0);
        for number in 0..=MEMBERS {
            group = join(&mut groups, "$share/a/x", number);
        }
        for number in 0..MEMBERS {
            let routed = groups.route(NOW, group, message(number), |_| Some(0));
            let Routed::Handed(handed) = routed else {
                panic!("it has room");
            };
            assert_eq!(groups.delivered(Token::from_number(1), handed), Ok(()));
        }
        let mut costs = Cost::of("leave_any, give_back");
        // Nobody can take a message when the first Session ends.
        let first = groups.route(NOW, group, message(MEMBERS), |_| None);
        assert!(matches!(first, Routed::Queued(_)));
        for turn in 0..u64::from(MEMBERS) {
            let number = turn * u64::from(factor) % u64::from(MEMBERS);
            let member = Subscriber::new(number as u32);
            let routed = costs.count(|| {
                while groups.leave_any(member).is_some() {}
                groups.give_back(NOW, member, |_| None)
            });
            assert!(matches!(routed, Some(Routed::Queued(_))), "{routed:?}");
        }
        costs.is_at_most(FEW);
        let last = Subscriber::new(MEMBERS);
        for number in 0..=MEMBERS {
            let handed = groups.next_for(NOW, last).expect("a message");
            assert_eq!(handed.message.message, number);
        }
    }
}

/// All messages of a queue go with the group: a few steps for each.
#[test]
fn the_end_of_a_long_queue() {
    let mut groups = Shared::new(
        GroupsConfig {
            waiting: crate::WaitingLimits {
                messages: MANY,
                ..crate::WaitingLimits::default()
            },
            ..GroupsConfig::default()
        },
        1,
    );
    let group = join(&mut groups, "$share/a/x", 0);
    for number in 0..MANY {
        let routed = groups.route(NOW, group, message(number), |_| None);
        assert!(matches!(routed, Routed::Queued(_)));
    }
    let mut end = Cost::of("the last member leaves");
    end.count(|| groups.leave_any(Subscriber::new(0)));
    end.is_at_most(u64::from(MANY) * 10);
    let mut drops = Cost::of("next_dropped");
    for number in 0..MANY {
        let dropped = drops.count(|| {
            let dropped = groups.next_dropped(NOW);
            dropped.map(|it| (it.message.message, it.reason))
        });
        assert_eq!(dropped, Some((number, DropReason::GroupEnded)));
    }
    drops.is_at_most(FEW);
    assert!(groups.next_dropped(NOW).is_none());
    assert!(groups.is_empty());
}

/// What the documentation of the limits says of the memory, in bytes, with room to grow.
#[test]
fn memory() {
    let built = |members: u32| {
        let mut all = Shared::new(config(Policy::RoundRobin), 1);
        for number in 0..MANY {
            let text = format!("$share/a/{}", number / members);
            join(&mut all, &text, number % members);
        }
        let texts: usize = all.iter().map(|group| group.filter().len()).sum();
        (all.bytes() - texts) / MANY as usize
    };
    let membership = built(250);
    let (member, group) = (built(MANY) - membership, built(1) - membership);
    let mut all = Shared::new(config(Policy::RoundRobin), 1);
    let number = join(&mut all, "$share/a/x", 0);
    for waiting in 0..1000 {
        _ = all.route(NOW, number, message(waiting), |_| None);
    }
    let message = all.waiting.entries.capacity() * size_of::<super::queue::Entry<u32>>() / 1000;
    println!(
        "bytes: {membership} a membership, {member} a member, {group} a group, {message} a message"
    );
    assert!(membership <= 45 && member <= 50 && group <= 175 && message <= 50);
}
