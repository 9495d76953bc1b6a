//! Which member gets a message.

use std::collections::{BTreeMap, BTreeSet};

use mqtt5_session_fsm::broker::groups::{DropReason, GroupNumber, Policy, Routed, Subscriber};
use mqtt5_session_fsm::codec::Qos;

use super::super::{GroupsConfig, POLICIES, filter};
use super::{
    JOBS, NOW, QOS1, Shared, dropped, everybody, group_of, handed, member, message, nobody, pull,
    queue,
};

#[test]
fn qos0_is_dropped_if_all_are_away() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 2);
    let qos0 = |number| message(number, Qos::AtMostOnce);
    // It waits as long as somebody is connected.
    assert!(matches!(
        groups.route(NOW, group, qos0(1), nobody),
        Routed::Queued(_)
    ));
    queue(&mut groups, group, [2]);
    assert!(matches!(
        groups.route(NOW, group, qos0(3), nobody),
        Routed::Queued(_)
    ));
    groups.away(member(0));
    assert_eq!(dropped(&mut groups, NOW), []);
    groups.away(member(1));
    let away = [1, 3].map(|it| (it, DropReason::MembersAway));
    assert_eq!(dropped(&mut groups, NOW), away);
    let routed = groups.route(NOW, group, qos0(4), everybody);
    assert_eq!(routed, Routed::Dropped(qos0(4), DropReason::MembersAway));
    assert_eq!(groups.statistics().dropped_members_away, 3);
    // A member that is left behind is away, too.
    groups.connected(member(0));
    assert!(matches!(
        groups.route(NOW, group, qos0(5), nobody),
        Routed::Queued(_)
    ));
    assert!(groups.leave(filter(JOBS), member(0)).is_some());
    assert_eq!(dropped(&mut groups, NOW), [(5, DropReason::MembersAway)]);
    groups.connected(member(1));
    assert_eq!(pull(&mut groups, 1), [2]);
}

/// No message to an absent member while another is there, and none if nobody is.
#[test]
fn members_that_are_away_get_nothing() {
    for policy in POLICIES {
        let (mut groups, group) = group_of(policy, 4);
        for gone in [2, 0, 3] {
            groups.away(member(gone));
        }
        for number in 0..20 {
            let able = |it| {
                assert_eq!(it, member(1), "{it:?} is away");
                Some(0)
            };
            let routed = groups.route(NOW, group, message(number, QOS1), able);
            assert_eq!(handed(routed).member, member(1), "{policy:?}");
        }
        groups.away(member(1));
        groups.away(member(1));
        let routed = groups.route(NOW, group, message(20, QOS1), everybody);
        assert!(matches!(routed, Routed::Queued(_)), "{policy:?}");
        assert_eq!(pull(&mut groups, 3), []);
        groups.connected(member(3));
        groups.connected(member(3));
        assert_eq!(pull(&mut groups, 3), [20]);
    }
}

/// Between two messages for the same member each other one that is able gets one, also if members
/// come, go and are full in between.
#[test]
fn round_robin_is_fair() {
    const MEMBERS: u32 = 7;
    let (mut groups, group) = group_of(Policy::RoundRobin, MEMBERS);
    let mut random = 1_u64;
    let mut below = |end: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (random >> 33) % end
    };
    let mut full = [false; MEMBERS as usize];
    let mut away = [false; MEMBERS as usize];
    // For each member: which others could have received a message, and did not, since it received its last one.
    let mut passed: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut most = 0;
    for number in 0..20_000 {
        let who = below(u64::from(MEMBERS)) as u32;
        let changed = match below(8) {
            0 => {
                away[who as usize] = !away[who as usize];
                match away[who as usize] {
                    true => groups.away(member(who)),
                    false => groups.connected(member(who)),
                }
                true
            }
            1 => {
                full[who as usize] = !full[who as usize];
                true
            }
            _ => false,
        };
        if changed {
            // It was not ready all the time.
            for others in passed.values_mut() {
                others.remove(&who);
            }
            if !away[who as usize] && !full[who as usize] {
                assert_eq!(pull(&mut groups, who), []);
            }
        }
        let is_able = |who: u32| !full[who as usize] && !away[who as usize];
        if !(0..MEMBERS).any(is_able) {
            continue;
        }
        let able = |it: Subscriber| is_able(it.number()).then_some(0);
        let handed = handed(groups.route(NOW, group, message(number, QOS1), able));
        let who = handed.member.number();
        assert!(is_able(who));
        if let Some(passed) = passed.get(&who) {
            assert!(
                passed.is_empty(),
                "{who} had two messages, and {passed:?} none"
            );
        }
        for others in passed.values_mut() {
            others.remove(&who);
        }
        let others: BTreeSet<u32> = (0..MEMBERS)
            .filter(|it| *it != who && is_able(*it))
            .collect();
        most = most.max(others.len());
        passed.insert(who, others);
    }
    assert_eq!(most, MEMBERS as usize - 1);
}

#[test]
fn sticky_stays_until_the_member_is_unable() {
    let (mut groups, group) = group_of(Policy::Sticky, 3);
    let mut route = |full: &[u32]| {
        let able = |it: Subscriber| (!full.contains(&it.number())).then_some(0);
        handed(groups.route(NOW, group, message(0, QOS1), able))
            .member
            .number()
    };
    assert_eq!([route(&[]), route(&[2]), route(&[])], [0, 0, 0]);
    assert_eq!([route(&[0]), route(&[]), route(&[])], [1, 1, 1]);
    // The first member is able again: it is the last one in turn.
    assert_eq!(pull(&mut groups, 0), []);
    let mut route = |full: &[u32]| {
        let able = |it: Subscriber| (!full.contains(&it.number())).then_some(0);
        handed(groups.route(NOW, group, message(0, QOS1), able))
            .member
            .number()
    };
    assert_eq!([route(&[]), route(&[1]), route(&[2])], [1, 2, 0]);
}

#[test]
fn the_least_loaded_is_chosen() {
    let (mut groups, group) = group_of(Policy::LeastInFlight, 5);
    let mut load = [3, 0, 2, 5, 1];
    for number in 0..14 {
        let able = |it: Subscriber| Some(load[it.number() as usize]);
        let handed = handed(groups.route(NOW, group, message(number, QOS1), able));
        let chosen = handed.member.number() as usize;
        assert_eq!(Some(&load[chosen]), load.iter().min(), "{load:?}");
        load[chosen] += 1;
    }
    assert_eq!(load, [5, 5, 5, 5, 5]);
    // All alike: one after the other.
    let chosen: BTreeSet<_> = (0..5)
        .map(|_| handed(groups.route(NOW, group, message(0, QOS1), everybody)).member)
        .collect();
    assert_eq!(chosen.len(), 5);
}

/// Slow members do not hide the others from the choice among those that are next in turn.
#[test]
fn slow_members_do_not_keep_the_turn() {
    let (mut groups, group) = group_of(Policy::LeastInFlight, 40);
    let slow = |it: Subscriber| it.number() < 2 * Policy::EXAMINED;
    let mut seen = BTreeSet::new();
    for number in 0..200 {
        let able = |it| Some(if slow(it) { 50 } else { 0 });
        seen.insert(handed(groups.route(NOW, group, message(number, QOS1), able)).member);
    }
    let fast = (0..40).map(member).filter(|it| !slow(*it));
    assert!(fast.into_iter().all(|it| seen.contains(&it)));
}

#[test]
fn the_random_choice_is_a_function_of_the_seed() {
    let choices = |seed| {
        let config = GroupsConfig {
            policy: Policy::Random,
            ..GroupsConfig::default()
        };
        let mut groups = Shared::new(config, seed);
        let mut group = GroupNumber::new(0);
        for number in 0..4 {
            group = groups
                .join(filter(JOBS), member(number), QOS1)
                .expect("there is room")
                .group;
        }
        let route = |number| {
            let routed = groups.route(NOW, group, message(number, QOS1), everybody);
            handed(routed).member.number()
        };
        (0..4000).map(route).collect::<Vec<_>>()
    };
    let first = choices(1);
    assert_eq!(first, choices(1));
    assert_ne!(first, choices(2));
    for number in 0..4 {
        let count = first.iter().filter(|it| **it == number).count();
        assert!((900..1100).contains(&count), "{number}: {count}");
    }
}

/// A member of two groups gets from each in turn, and each group waits only for what it has.
#[test]
fn groups_take_turns_at_a_member() {
    let mut groups = Shared::new(GroupsConfig::default(), 1);
    let mut numbers = Vec::new();
    for text in ["$share/a/x", "$share/b/x", "$share/c/x"] {
        numbers.push(
            groups
                .join(filter(text), member(0), QOS1)
                .expect("there is room")
                .group,
        );
    }
    queue(&mut groups, numbers[1], [10, 11, 12]);
    queue(&mut groups, numbers[0], [20, 21, 22, 23]);
    assert_eq!(pull(&mut groups, 0), [10, 20, 11, 21, 12, 22, 23]);
    for group in numbers {
        let handed = handed(groups.route(NOW, group, message(0, QOS1), everybody));
        assert_eq!(handed.group, group);
    }
    // When it comes back, the oldest message is the first.
    groups.away(member(0));
    let [first, second, third] =
        [2, 0, 1].map(|it| groups.iter().nth(it).expect("a group").number());
    queue(&mut groups, first, [1, 4]);
    queue(&mut groups, second, [2, 5]);
    queue(&mut groups, third, [3]);
    groups.connected(member(0));
    assert_eq!(pull(&mut groups, 0), [1, 2, 3, 4, 5]);
}
