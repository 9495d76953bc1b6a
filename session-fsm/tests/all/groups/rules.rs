//! The rules of section 4.8.2, one by one.

mod choice;
mod given_back;
mod limits;
mod members;
mod restoring;

use mqtt5_session_fsm::broker::groups::{
    DropReason, GroupMessage, GroupNumber, Groups, Handed, Policy, Routed, Subscriber,
};
use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::{Instant, Token};

use super::{GroupsConfig, filter};

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

#[track_caller]
fn queue_qos2(groups: &mut Shared, group: GroupNumber, count: u32) {
    for number in 0..count {
        let routed = groups.route(NOW, group, message(number, Qos::ExactlyOnce), nobody);
        assert!(matches!(routed, Routed::Queued(_)), "{routed:?}");
    }
}
