//! Members of a group: how a client becomes one, and what it then receives.

use std::collections::BTreeSet;

use mqtt5_session_fsm::broker::groups::{DropReason, GroupNumber, JoinError, Policy, Routed};
use mqtt5_session_fsm::codec::{Qos, ReasonCode};

use super::super::{GroupsConfig, POLICIES, filter};
use super::{
    JOBS, NOW, QOS1, Shared, dropped, everybody, group_of, handed, member, message, nobody, pull,
    queue, queue_qos2,
};

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
