//! What is stored of groups, and made anew.

use mqtt5_session_fsm::broker::groups::{DropReason, Groups, Part, Policy, Routed, Subscriber};
use mqtt5_session_fsm::codec::Qos;

use super::super::{GroupsConfig, filter};
use super::{
    JOBS, NOW, QOS1, Shared, end_session, everybody, group_of, handed, member, message, nobody,
    pull, queue, send, token,
};

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
