//! What may wait, and for how long.

use mqtt5_session_fsm::broker::groups::{
    DropReason, GroupMessage, GroupNumber, JoinError, Policy, Routed, Subscriber,
};
use mqtt5_session_fsm::codec::{Qos, ReasonCode};
use mqtt5_session_fsm::{Instant, WaitingLimits, WhenFull};

use super::super::{GroupsConfig, filter};
use super::{
    JOBS, NOW, QOS1, Shared, dropped, end_session, everybody, group_of, handed, member, message,
    nobody, pull, queue, send, token,
};

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
