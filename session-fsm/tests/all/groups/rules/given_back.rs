//! What a member that is gone leaves to the others.

use mqtt5_session_fsm::broker::groups::{DropReason, Policy, Routed};
use mqtt5_session_fsm::codec::Qos;

use super::super::{POLICIES, filter};
use super::{
    JOBS, NOW, QOS1, end_session, everybody, group_of, handed, member, message, pull, queue, send,
    token,
};

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
