//! The rules of section 4.8.2, one by one.

use std::collections::{BTreeMap, BTreeSet};

use mqtt5_session_fsm::broker::groups::{
    DropReason, GroupMessage, GroupNumber, Groups, Handed, JoinError, Part, Policy, Routed,
    Subscriber,
};
use mqtt5_session_fsm::codec::{Qos, ReasonCode};
use mqtt5_session_fsm::{Instant, Token, WaitingLimits, WhenFull};

use super::{GroupsConfig, POLICIES, filter};

const NOW: Instant = Instant::ORIGIN;
const JOBS: &str = "$share/workers/jobs";
const QOS1: Qos = Qos::AtLeastOnce;

/// Values are granted QoS, messages are numbers.
type Shared = Groups<Qos, u32>;

fn member(number: u32) -> Subscriber {
    Subscriber::new(number)
}

fn token(number: u64) -> Token {
    Token::from_number(number)
}

fn message(number: u32, qos: Qos) -> GroupMessage<u32> {
    GroupMessage {
        message: number,
        size: 10,
        qos,
        expires_at: Instant::NEVER,
    }
}

/// A group with these members, all with QoS 1.
fn group_of(policy: Policy, members: u32) -> (Shared, GroupNumber) {
    let config = GroupsConfig {
        policy,
        ..GroupsConfig::default()
    };
    let mut groups = Groups::new(config, 7);
    for number in 0..members {
        let joined = groups.join(filter(JOBS), member(number), QOS1);
        assert_eq!(joined.map(|it| it.created), Ok(number == 0));
    }
    let group = groups.find_filter(filter(JOBS)).expect("a group").number();
    (groups, group)
}

fn everybody(_: Subscriber) -> Option<u32> {
    Some(0)
}

fn nobody(_: Subscriber) -> Option<u32> {
    None
}

#[track_caller]
fn handed(routed: Routed<Qos, u32>) -> Handed<Qos, u32> {
    match routed {
        Routed::Handed(handed) => handed,
        other => panic!("nobody got it: {other:?}"),
    }
}

#[track_caller]
fn queue(groups: &mut Shared, group: GroupNumber, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        let routed = groups.route(NOW, group, message(number, QOS1), nobody);
        assert!(matches!(routed, Routed::Queued(_)), "{routed:?}");
    }
}

/// All that waits for a member, in order.
fn pull(groups: &mut Shared, number: u32) -> Vec<u32> {
    let mut next = || groups.next_for(NOW, member(number));
    std::iter::from_fn(|| next().map(|it| it.message.message)).collect()
}

fn dropped(groups: &mut Shared, now: Instant) -> Vec<(u32, DropReason)> {
    let mut all = Vec::new();
    while let Some(dropped) = groups.next_dropped(now) {
        assert_eq!(dropped.filter, JOBS);
        all.push((dropped.message.message, dropped.reason));
    }
    all
}

/// Sends a message with QoS 1 to a member.
#[track_caller]
fn send(groups: &mut Shared, group: GroupNumber, number: u32, to: u32) {
    let able = |it: Subscriber| (it == member(to)).then_some(0);
    let handed = handed(groups.route(NOW, group, message(number, QOS1), able));
    assert_eq!(handed.member, member(to));
    assert_eq!(groups.delivered(token(number.into()), handed), Ok(()));
}

/// The Session of a member ends. Returns what became of what it had.
fn end_session(groups: &mut Shared, number: u32) -> Vec<Routed<Qos, u32>> {
    while groups.leave_any(member(number)).is_some() {}
    let mut give_back = || groups.give_back(NOW, member(number), nobody);
    std::iter::from_fn(&mut give_back).collect()
}

#[test]
fn each_message_has_one_receiver() {
    for policy in POLICIES {
        let (mut groups, group) = group_of(policy, 5);
        for number in 0..1000 {
            let handed = handed(groups.route(NOW, group, message(number, QOS1), everybody));
            assert_eq!(handed.message, message(number, QOS1));
            assert!(!handed.was_queued && handed.member < member(5));
        }
        assert_eq!(groups.statistics().handed, 1000);
        assert_eq!((groups.waiting(), groups.in_flight()), (0, 0));
    }
}

/// "This does not increase the number of times that the Session is associated with the Shared
/// Subscription, so the Session will leave the Shared Subscription on its first UNSUBSCRIBE."
#[test]
fn subscribing_again_is_no_second_membership() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 2);
    let again = groups
        .join(filter(JOBS), member(0), Qos::ExactlyOnce)
        .expect("it is there");
    assert_eq!(
        (again.group, again.created, again.replaced),
        (group, false, Some(QOS1))
    );
    let mut counts = [0; 2];
    for number in 0..10 {
        let handed = handed(groups.route(NOW, group, message(number, QOS1), everybody));
        counts[handed.member.number() as usize] += 1;
        let granted = [Qos::ExactlyOnce, QOS1][handed.member.number() as usize];
        assert_eq!(handed.value, granted);
    }
    assert_eq!(counts, [5, 5]);
    let left = groups.leave(filter(JOBS), member(0)).expect("a member");
    assert_eq!((left.value, left.ended), (Qos::ExactlyOnce, false));
    assert!(groups.leave(filter(JOBS), member(0)).is_none());
    assert_eq!(groups.group(group).map(|it| it.members()), Some(1));
}

/// Groups with the same ShareName and other filters, or the other way round, are unrelated.
#[test]
fn groups_are_known_by_the_whole_filter() {
    let mut groups = Shared::new(GroupsConfig::default(), 1);
    let filters = ["$share/a/x", "$share/b/x", "$share/a//x", "$share/a/+"];
    let numbers: BTreeSet<_> = (0..)
        .zip(filters)
        .map(|(number, text)| {
            let joined = groups
                .join(filter(text), member(number), QOS1)
                .expect("there is room");
            assert!(joined.created);
            joined.group
        })
        .collect();
    assert_eq!(numbers.len(), filters.len());
    for (number, group) in (0..).zip(numbers) {
        let view = groups.group(group).expect("a group");
        assert_eq!(
            (view.filter(), view.value(member(number))),
            (filters[number as usize], Some(&QOS1))
        );
        let routed = groups.route(NOW, group, message(number, QOS1), everybody);
        assert_eq!(handed(routed).member, member(number));
    }
}

/// [MQTT-4.8.2-1]: other filters make no group.
#[test]
fn a_group_needs_a_shared_filter() {
    let mut groups = Shared::new(GroupsConfig::default(), 1);
    for text in ["jobs", "#", "$SYS/share/x", "share/workers/jobs"] {
        let error = groups.join(filter(text), member(0), QOS1).expect_err(text);
        assert_eq!(error, JoinError::NotShared);
        assert_eq!(error.reason_code(), ReasonCode::TopicFilterInvalid);
    }
    assert!(groups.is_empty());
}

/// "A Shared Subscription ends, and any undelivered messages associated with it are deleted, when
/// there are no longer any Sessions subscribed to it."
#[test]
fn messages_go_with_the_last_member() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 2);
    queue(&mut groups, group, 0..3);
    let qos0 = groups.route(NOW, group, message(3, Qos::AtMostOnce), nobody);
    assert!(matches!(qos0, Routed::Queued(_)));
    assert!(
        !groups
            .leave(filter(JOBS), member(0))
            .expect("a member")
            .ended
    );
    assert_eq!(dropped(&mut groups, NOW), []);
    assert!(
        groups
            .leave(filter(JOBS), member(1))
            .expect("a member")
            .ended
    );
    assert!(groups.group(group).is_none());
    // The number stands for no other group before all is returned.
    let again = groups
        .join(filter(JOBS), member(0), QOS1)
        .expect("there is room");
    assert!(again.created && again.group != group);
    assert_eq!(
        dropped(&mut groups, NOW),
        [0, 1, 2, 3].map(|it| (it, DropReason::GroupEnded))
    );
    assert_eq!(groups.statistics().dropped_group_ended, 4);
    assert_eq!(pull(&mut groups, 0), []);
    assert_eq!(
        (groups.waiting(), groups.waiting_bytes(), groups.len()),
        (0, 0, 1)
    );
    let routed = groups.route(NOW, group, message(9, QOS1), everybody);
    assert_eq!(
        routed,
        Routed::Dropped(message(9, QOS1), DropReason::GroupEnded)
    );
}

/// [MQTT-4.8.2-3]: what one member was granted does not lower what another one gets.
#[test]
fn a_message_keeps_its_qos_until_a_member_is_chosen() {
    let mut groups = Shared::new(GroupsConfig::default(), 1);
    let mut group = GroupNumber::new(0);
    for (number, granted) in (0..).zip([Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce]) {
        group = groups
            .join(filter(JOBS), member(number), granted)
            .expect("there is room")
            .group;
    }
    let mut seen = Vec::new();
    for number in 0..3 {
        let routed = groups.route(NOW, group, message(number, Qos::ExactlyOnce), everybody);
        let handed = handed(routed);
        seen.push((handed.message.qos, handed.value));
    }
    queue_qos2(&mut groups, group, 3);
    for number in [0, 2, 1] {
        let handed = groups.next_for(NOW, member(number)).expect("a message");
        seen.push((handed.message.qos, handed.value));
    }
    let granted = [0, 1, 2, 0, 2, 1].map(|it| [Qos::AtMostOnce, QOS1, Qos::ExactlyOnce][it]);
    assert_eq!(seen, granted.map(|it| (Qos::ExactlyOnce, it)));
}

fn queue_qos2(groups: &mut Shared, group: GroupNumber, count: u32) {
    for number in 0..count {
        let routed = groups.route(NOW, group, message(number, Qos::ExactlyOnce), nobody);
        assert!(matches!(routed, Routed::Queued(_)), "{routed:?}");
    }
}

/// "If the Client's Session terminates before the Client reconnects, the Server SHOULD send the
/// Application Message to another Client": in the original order, before all that came later.
#[test]
fn qos1_comes_back_in_order_when_the_session_ends() {
    for policy in POLICIES {
        let (mut groups, group) = group_of(policy, 3);
        for (number, to) in [(1, 0), (2, 1), (3, 0), (4, 2), (5, 1), (6, 0)] {
            send(&mut groups, group, number, to);
            // The others were found unable, and can take a message now.
            for number in 0..3 {
                assert_eq!(pull(&mut groups, number), []);
            }
        }
        queue(&mut groups, group, [7, 8]);
        // Whichever Session ends first; while its Client is only away, nothing comes back.
        groups.away(member(1));
        assert!(groups.give_back(NOW, member(1), everybody).is_none());
        assert_eq!(end_session(&mut groups, 1).len(), 2);
        assert_eq!(end_session(&mut groups, 0).len(), 3);
        assert_eq!(groups.statistics().given_back, 5);
        assert_eq!(pull(&mut groups, 2), [1, 2, 3, 5, 6, 7, 8]);
        assert_eq!(groups.in_flight(), 1);
        assert_eq!(groups.settle(member(2), token(4)), Some(4));
    }
}

/// A message that comes back twice is still before what came later.
#[test]
fn what_was_given_back_comes_back_again() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 3);
    send(&mut groups, group, 1, 0);
    send(&mut groups, group, 2, 1);
    // The first message is sent to member 1 after the second one.
    assert_eq!(end_session(&mut groups, 0).len(), 1);
    let first = groups.next_for(NOW, member(1)).expect("a message");
    assert_eq!(first.message.message, 1);
    assert_eq!(groups.delivered(token(77), first), Ok(()));
    assert_eq!(end_session(&mut groups, 1).len(), 2);
    assert_eq!(pull(&mut groups, 2), [1, 2]);
}

/// A ready member gets what is given back at once.
#[test]
fn what_is_given_back_goes_to_a_ready_member() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 2);
    send(&mut groups, group, 1, 0);
    assert!(groups.leave_any(member(0)).is_some());
    let routed = groups
        .give_back(NOW, member(0), everybody)
        .expect("a message");
    let handed = handed(routed);
    assert_eq!((handed.member, handed.message.message), (member(1), 1));
    assert!(groups.give_back(NOW, member(0), everybody).is_none());
}

/// [MQTT-4.8.2-6], and every other end of an exchange: nobody else gets it.
#[test]
fn what_is_settled_does_not_come_back() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 2);
    for number in 0..3 {
        send(&mut groups, group, number, 0);
        assert_eq!(pull(&mut groups, 0), []);
    }
    assert_eq!(groups.settle(member(0), token(1)), Some(1));
    assert_eq!(groups.settle(member(0), token(1)), None);
    assert_eq!(groups.settle(member(1), token(0)), None);
    assert_eq!(end_session(&mut groups, 0).len(), 2);
    assert_eq!(pull(&mut groups, 1), [0, 2]);
}

/// [MQTT-4.8.2-4], [MQTT-4.8.2-5]: a message that was sent with QoS 2 is not kept here.
#[test]
fn qos2_stays_with_its_session() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 2);
    let routed = groups.route(NOW, group, message(1, Qos::ExactlyOnce), everybody);
    assert_eq!(handed(routed).member, member(0));
    assert_eq!(end_session(&mut groups, 0), []);
    assert_eq!(pull(&mut groups, 1), []);
}

/// A Session may go on with what it has after it has left the group; if it ends, another member
/// gets it. A later group with the same filter or number is another one.
#[test]
fn messages_of_a_group_that_ended_go_nowhere() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 2);
    send(&mut groups, group, 1, 0);
    assert!(groups.leave(filter(JOBS), member(0)).is_some());
    assert_eq!(end_session(&mut groups, 0).len(), 1);
    let again = groups.next_for(NOW, member(1)).expect("a message");
    let late = again;
    assert_eq!(groups.delivered(token(1), again), Ok(()));
    assert!(
        groups
            .leave(filter(JOBS), member(1))
            .expect("a member")
            .ended
    );

    let next = groups
        .join(filter(JOBS), member(2), QOS1)
        .expect("there is room");
    assert_ne!(next.group, group);
    assert_eq!(
        groups.give_back(NOW, member(1), everybody),
        Some(Routed::Dropped(message(1, QOS1), DropReason::GroupEnded))
    );
    assert_eq!(groups.len(), 1);
    assert_eq!(pull(&mut groups, 2), []);
    // The number is free now; what was handed before does not belong to the new group.
    let other = groups
        .join(filter("$share/others/x"), member(2), QOS1)
        .expect("there is room");
    assert_eq!(other.group, group);
    assert_eq!(groups.delivered(token(9), late), Err(1));
}

#[test]
fn a_token_is_kept_once() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 1);
    send(&mut groups, group, 5, 0);
    let second = handed(groups.route(NOW, group, message(6, QOS1), everybody));
    assert_eq!(groups.delivered(token(5), second), Err(6));
    assert_eq!(groups.settle(member(0), token(5)), Some(5));
}

#[test]
fn no_session_keeps_more_than_its_packet_identifiers() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 1);
    for number in 0..65_535 {
        send(&mut groups, group, number, 0);
    }
    let one_more = handed(groups.route(NOW, group, message(65_535, QOS1), everybody));
    assert_eq!(groups.delivered(token(65_535), one_more), Err(65_535));
    assert_eq!(groups.in_flight(), 65_535);
}

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
    // Who could have had one, and did not, since this member had its last one.
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

#[test]
fn limits_of_members_and_groups() {
    let config = GroupsConfig {
        groups: 2,
        filter_bytes: 25,
        members: 2,
        memberships: 3,
        ..GroupsConfig::default()
    };
    let mut groups = Shared::new(config, 1);
    let mut join = |text: &str, number| {
        let joined = groups.join(filter(text), member(number), QOS1);
        joined.map(|it| it.created)
    };
    assert_eq!(join("$share/a/x", 0), Ok(true));
    assert_eq!(join("$share/a/x", 1), Ok(false));
    assert_eq!(join("$share/a/x", 2), Err(JoinError::Members));
    assert_eq!(join("$share/a/x", 1), Ok(false));
    assert_eq!(join("$share/a/1234567", 1), Err(JoinError::FilterBytes));
    assert_eq!(join("$share/a/y", 1), Ok(true));
    assert_eq!(join("$share/a/z", 1), Err(JoinError::Groups));
    assert_eq!(join("$share/a/y", 2), Err(JoinError::Memberships));
    for error in [
        JoinError::Members,
        JoinError::Groups,
        JoinError::Memberships,
    ] {
        assert_eq!(error.reason_code(), ReasonCode::QuotaExceeded);
    }
    assert_eq!((groups.len(), groups.memberships()), (2, 3));
}

fn limited(
    messages: u32,
    bytes: usize,
    when_full: WhenFull,
    total_messages: u32,
) -> (Shared, GroupNumber) {
    let config = GroupsConfig {
        waiting: WaitingLimits {
            messages,
            bytes,
            when_full,
        },
        total_messages,
        ..GroupsConfig::default()
    };
    let mut groups = Shared::new(config, 1);
    let group = groups
        .join(filter(JOBS), member(0), QOS1)
        .expect("there is room")
        .group;
    (groups, group)
}

#[test]
fn a_full_queue_refuses_or_drops_the_oldest() {
    let qos0 = |number| message(number, Qos::AtMostOnce);
    let full = |number| Routed::Dropped(message(number, QOS1), DropReason::QueueFull);

    let (mut groups, group) = limited(3, 1000, WhenFull::Refuse, 100);
    queue(&mut groups, group, 0..3);
    assert_eq!(groups.route(NOW, group, message(3, QOS1), nobody), full(3));
    assert_eq!(pull(&mut groups, 0), [0, 1, 2]);

    let (mut groups, group) = limited(3, 30, WhenFull::DropOldest, 100);
    queue(&mut groups, group, 0..2);
    assert!(matches!(
        groups.route(NOW, group, qos0(2), nobody),
        Routed::Queued(_)
    ));
    let large = GroupMessage {
        size: 15,
        ..message(3, QOS1)
    };
    assert!(matches!(
        groups.route(NOW, group, large, nobody),
        Routed::Queued(_)
    ));
    // QoS 0 goes first, then the oldest.
    assert_eq!(
        dropped(&mut groups, NOW),
        [0, 2].map(|it| (it, DropReason::QueueFull))
    );
    let too_large = GroupMessage {
        size: 31,
        ..message(4, QOS1)
    };
    let refused = groups.route(NOW, group, too_large, nobody);
    assert_eq!(refused, Routed::Dropped(too_large, DropReason::QueueFull));
    assert_eq!(pull(&mut groups, 0), [1, 3]);

    let (mut groups, group) = limited(3, 1000, WhenFull::DropOldestQos0, 100);
    queue(&mut groups, group, 0..2);
    assert!(matches!(
        groups.route(NOW, group, qos0(2), nobody),
        Routed::Queued(_)
    ));
    queue(&mut groups, group, [3]);
    assert_eq!(groups.route(NOW, group, message(4, QOS1), nobody), full(4));
    assert_eq!(dropped(&mut groups, NOW), [(2, DropReason::QueueFull)]);
    assert_eq!(pull(&mut groups, 0), [0, 1, 3]);
}

/// What was dropped counts until the owner has taken it, so it cannot pile up.
#[test]
fn all_groups_together_have_a_limit() {
    let (mut groups, group) = limited(2, 1000, WhenFull::DropOldest, 3);
    queue(&mut groups, group, 0..3);
    let refused = groups.route(NOW, group, message(3, QOS1), nobody);
    assert_eq!(
        refused,
        Routed::Dropped(message(3, QOS1), DropReason::QueueFull)
    );
    assert_eq!((groups.waiting(), groups.waiting_bytes()), (3, 30));
    assert_eq!(dropped(&mut groups, NOW), [(0, DropReason::QueueFull)]);
    queue(&mut groups, group, [4]);
    assert_eq!(dropped(&mut groups, NOW), [(1, DropReason::QueueFull)]);
    assert_eq!(pull(&mut groups, 0), [2, 4]);
    assert_eq!(groups.statistics().dropped_queue_full, 3);
}

/// A message that comes back was there before: no limit is in its way.
#[test]
fn a_full_queue_takes_what_is_given_back() {
    let (mut groups, group) = limited(2, 1000, WhenFull::Refuse, 2);
    groups
        .join(filter(JOBS), member(1), QOS1)
        .expect("there is room");
    for number in 0..3 {
        send(&mut groups, group, number, 0);
        assert_eq!(pull(&mut groups, 1), []);
    }
    queue(&mut groups, group, [3, 4]);
    assert_eq!(end_session(&mut groups, 0).len(), 3);
    assert!(matches!(
        groups.route(NOW, group, message(5, QOS1), nobody),
        Routed::Dropped(..)
    ));
    assert_eq!(pull(&mut groups, 1), [0, 1, 2, 3, 4]);
}

/// [MQTT-3.3.2-5]: an expired message is never handed out, wherever it was.
#[test]
fn expired_messages_are_dropped() {
    let at = Instant::from_millis;
    let until = |number, time| GroupMessage {
        expires_at: at(time),
        ..message(number, QOS1)
    };
    let (mut groups, group) = group_of(Policy::RoundRobin, 2);
    let routed = groups.route(at(5), group, until(0, 5), everybody);
    assert_eq!(routed, Routed::Dropped(until(0, 5), DropReason::Expired));

    let able = |it: Subscriber| (it == member(0)).then_some(0);
    let sent = handed(groups.route(NOW, group, until(1, 10), able));
    assert_eq!(groups.delivered(token(1), sent), Ok(()));
    assert_eq!(groups.next_timeout(), Instant::NEVER);
    for (number, time) in [(2, 30), (3, 20), (4, 40), (5, 20)] {
        let routed = groups.route(NOW, group, until(number, time), nobody);
        assert!(matches!(routed, Routed::Queued(_)));
    }
    queue(&mut groups, group, [6]);
    assert_eq!(groups.next_timeout(), at(20));
    assert_eq!(dropped(&mut groups, at(19)), []);
    assert_eq!(
        dropped(&mut groups, at(20)),
        [3, 5].map(|it| (it, DropReason::Expired))
    );
    assert_eq!(groups.next_timeout(), at(30));
    // It is not handed out although nobody has called `next_dropped`.
    assert_eq!(
        groups
            .next_for(at(30), member(1))
            .expect("a message")
            .message
            .message,
        4
    );
    assert_eq!(dropped(&mut groups, at(30)), [(2, DropReason::Expired)]);
    assert_eq!(groups.next_timeout(), Instant::NEVER);
    // It has expired while the member had it.
    assert!(groups.leave_any(member(0)).is_some());
    let back = groups.give_back(at(10), member(0), everybody);
    assert_eq!(
        back,
        Some(Routed::Dropped(until(1, 10), DropReason::Expired))
    );
    assert_eq!(groups.statistics().dropped_expired, 5);
    assert_eq!(pull(&mut groups, 1), [6]);
}

/// Stored parts are read in every order; what is missing or left over does no harm.
#[test]
fn restoring() {
    let (mut groups, group) = group_of(Policy::RoundRobin, 2);
    assert!(groups.set_policy(group, Policy::Random));
    for number in 1..5 {
        send(&mut groups, group, number, number % 2);
        assert_eq!([pull(&mut groups, 0), pull(&mut groups, 1)], [[], []]);
    }
    queue(&mut groups, group, [5, 6]);
    // One has come back, the next one comes back after the restart.
    assert_eq!(end_session(&mut groups, 1).len(), 2);
    groups.away(member(0));
    let parts = groups.parts().map(|it| it.map(|it| *it, |it| *it));
    let parts: Vec<Part<'_, Qos, u32>> = parts.collect();
    assert_eq!(parts.len(), 1 + 1 + 1 + 4 + 2);
    // Every rotation, and each the other way round.
    for turn in 0..parts.len() {
        for backwards in [false, true] {
            let mut order = parts.clone();
            order.rotate_left(turn);
            if backwards {
                order.reverse();
            }
            let mut restored = Groups::restore(*groups.config(), 99, order);
            assert_eq!(restored, groups);
            assert_eq!(restored.next_dropped(NOW), None);
            let kept = restored.find_filter(filter(JOBS)).expect("a group");
            assert_eq!(kept.policy(), Policy::Random);
            assert!(restored.join(filter(JOBS), member(3), QOS1).is_ok());
            assert_eq!(end_session(&mut restored, 0).len(), 2);
            assert_eq!(pull(&mut restored, 3), [1, 2, 3, 4, 5, 6]);
        }
    }
}

#[test]
fn restoring_drops_what_belongs_to_nobody() {
    let waiting = |filter, position, number, qos| Part::Waiting {
        filter,
        position,
        message: message(number, qos),
    };
    let parts = [
        Part::Numbers {
            next_position: 4,
            random: 1,
        },
        Part::Group {
            filter: JOBS,
            born: 5,
            policy: Policy::Sticky,
        },
        Part::Member {
            filter: JOBS,
            member: member(0),
            value: Qos::AtMostOnce,
        },
        Part::Member {
            filter: JOBS,
            member: member(0),
            value: QOS1,
        },
        waiting(JOBS, 4, 40, QOS1),
        waiting(JOBS, 6, 60, QOS1),
        waiting(JOBS, 6, 61, QOS1),
        waiting(JOBS, 7, 70, Qos::AtMostOnce),
        waiting("$share/gone/x", 8, 80, QOS1),
        Part::Sent {
            filter: JOBS,
            member: member(0),
            token: token(1),
            position: 3,
            message: message(30, QOS1),
        },
        Part::Sent {
            filter: "$share/gone/x",
            member: member(4),
            token: token(1),
            position: 9,
            message: message(90, QOS1),
        },
    ];
    let mut groups = Shared::restore(GroupsConfig::default(), 1, parts);
    let mut all = Vec::new();
    while let Some(it) = groups.next_dropped(NOW) {
        all.push((it.filter.to_owned(), it.message.message, it.reason));
    }
    let expected = [
        (JOBS, 30, DropReason::GroupEnded),
        (JOBS, 40, DropReason::GroupEnded),
        (JOBS, 70, DropReason::MembersAway),
        ("$share/gone/x", 80, DropReason::GroupEnded),
        ("$share/gone/x", 90, DropReason::GroupEnded),
    ];
    assert_eq!(
        all,
        expected.map(|(filter, number, reason)| (filter.to_owned(), number, reason))
    );
    assert_eq!(
        (groups.len(), groups.waiting(), groups.in_flight()),
        (1, 1, 0)
    );
    let group = groups.find_filter(filter(JOBS)).expect("a group");
    assert_eq!(
        (group.policy(), group.value(member(0))),
        (Policy::Sticky, Some(&QOS1))
    );
    // Positions go on behind all that were there.
    let group = group.number();
    let Routed::Queued(position) = groups.route(NOW, group, message(1, QOS1), nobody) else {
        panic!("it waits");
    };
    assert_eq!(position, 10);
    groups.connected(member(0));
    assert_eq!(pull(&mut groups, 0), [61, 1]);
}

/// Equality is of what comes, not of what was: numbers of groups, positions and tokens differ.
#[test]
fn equality_is_of_future_behaviour() {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    let hash = |it: &Shared| BuildHasherDefault::<DefaultHasher>::default().hash_one(it);
    let build = |detour: bool, seed| {
        let mut groups = Shared::new(GroupsConfig::default(), seed);
        if detour {
            for number in 0..20 {
                let text = format!("$share/other/{number}");
                let joined = groups.join(filter(&text), member(number), QOS1);
                queue(&mut groups, joined.expect("there is room").group, [number]);
            }
        }
        let own = groups
            .join(filter(JOBS), member(1), QOS1)
            .expect("there is room")
            .group;
        groups
            .join(filter(JOBS), member(0), QOS1)
            .expect("there is room");
        groups
            .join(filter("$share/b/x"), member(0), QOS1)
            .expect("there is room");
        for number in 0..20 {
            groups.leave(filter(&format!("$share/other/{number}")), member(number));
        }
        while groups.next_dropped(NOW).is_some() {}
        send(&mut groups, own, 1, 0);
        queue(&mut groups, own, [2]);
        groups
    };
    let first = build(false, 1);
    let same = build(true, 1);
    assert_eq!(first, same);
    assert_eq!(hash(&first), hash(&same));
    assert_eq!(format!("{first:?}"), format!("{same:?}"));
    // The seed decides the random choices, and only them.
    assert_ne!(first, build(false, 2));

    let differs = |change: &dyn Fn(&mut Shared)| {
        let mut other = first.clone();
        change(&mut other);
        assert_ne!(other, first);
        assert_ne!(hash(&other), hash(&first));
    };
    differs(&|it| it.away(member(1)));
    differs(&|it| _ = it.next_for(NOW, member(1)));
    differs(&|it| _ = it.settle(member(0), token(1)));
    differs(&|it| _ = it.leave(filter("$share/b/x"), member(0)));
    differs(&|it| _ = it.join(filter(JOBS), member(0), Qos::AtMostOnce));
    differs(&|it| {
        let group = it.find_filter(filter(JOBS)).expect("a group").number();
        it.set_policy(group, Policy::Sticky);
    });
    differs(&|it| {
        let group = it.find_filter(filter(JOBS)).expect("a group").number();
        _ = it.route(NOW, group, message(3, QOS1), nobody);
    });

    // Whose turn it is decides the future.
    let (mut turn, group) = group_of(Policy::RoundRobin, 2);
    let before = turn.clone();
    assert_eq!(
        handed(turn.route(NOW, group, message(1, QOS1), everybody)).member,
        member(0)
    );
    assert_ne!(turn, before);
    assert_eq!(
        handed(turn.route(NOW, group, message(2, QOS1), everybody)).member,
        member(1)
    );
    assert_eq!(turn, before);

    // An owner whose numbers differ says what they stand for.
    let mut renumbered = Shared::new(GroupsConfig::default(), 7);
    for number in 10..12 {
        renumbered
            .join(filter(JOBS), member(number), QOS1)
            .expect("there is room");
    }
    assert_ne!(renumbered, before);
    assert_eq!(
        renumbered.canonical(|it| it.number() - 10, |it| it),
        before.canonical(Subscriber::number, |it| it)
    );
}
