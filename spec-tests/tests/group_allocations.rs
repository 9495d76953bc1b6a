//! The groups of Shared Subscriptions allocate nothing per message in the steady state.
//!
//! The counter is the allocator of this program, which is why it is one of its own.

use allocation_counter::measure;
use mqtt5_codec::{Qos, TopicFilter};
use mqtt5_session_fsm::broker::groups::{
    GroupMessage, GroupNumber, Groups, GroupsConfig, Policy, Routed, Subscriber,
};
use mqtt5_session_fsm::{Instant, Token};

const NOW: Instant = Instant::ORIGIN;
const MEMBERS: u32 = 100;

const fn message(number: u32) -> GroupMessage<u32> {
    GroupMessage {
        message: number,
        size: 100,
        qos: Qos::AtLeastOnce,
        expires_at: Instant::NEVER,
    }
}

/// A message for a member, which acknowledges it.
fn exchange(groups: &mut Groups<u8, u32>, group: GroupNumber, number: u32) {
    let routed = groups.route(NOW, group, message(number), |it| Some(it.number() % 7));
    let Routed::Handed(handed) = routed else {
        panic!("somebody can take it: {routed:?}");
    };
    let (member, token) = (handed.member, Token::from_number(number.into()));
    assert_eq!(groups.delivered(token, handed), Ok(()));
    assert_eq!(groups.settle(member, token), Some(number));
    assert!(groups.next_for(NOW, member).is_none());
}

/// A message that waits, and is sent when a member has room.
fn queued(groups: &mut Groups<u8, u32>, group: GroupNumber, number: u32) {
    let routed = groups.route(NOW, group, message(number), |_| None);
    assert!(matches!(routed, Routed::Queued(_)), "{routed:?}");
    let member = Subscriber::new(number % MEMBERS);
    let handed = groups.next_for(NOW, member).expect("a message");
    let token = Token::from_number(number.into());
    assert_eq!(groups.delivered(token, handed), Ok(()));
    assert_eq!(groups.settle(member, token), Some(number));
    assert!(groups.next_for(NOW, member).is_none());
}

#[test]
fn no_allocation_per_message() {
    for policy in [
        Policy::RoundRobin,
        Policy::Random,
        Policy::Sticky,
        Policy::LeastInFlight,
    ] {
        let config = GroupsConfig {
            policy,
            ..GroupsConfig::default()
        };
        let mut groups = Groups::new(config, 1);
        let filter = TopicFilter::new("$share/workers/jobs/#").expect("a filter");
        for number in 0..MEMBERS {
            groups
                .join(filter, Subscriber::new(number), 1)
                .expect("there is room");
        }
        let group = groups.find_filter(filter).expect("a group").number();
        for (what, step) in [
            ("handed at once", exchange as fn(&mut _, _, _)),
            ("through the queue", queued),
        ] {
            let mut run = || {
                for number in 0..10_000 {
                    step(&mut groups, group, number);
                }
            };
            run();
            let counted = measure(run).count_total;
            println!("{policy:?}, {what}: {counted} allocations for 10,000 messages");
            assert_eq!(counted, 0, "{policy:?}, {what}");
        }
    }
}
