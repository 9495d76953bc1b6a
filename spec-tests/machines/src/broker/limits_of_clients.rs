//! Limits of subscriptions, and lower limits for one Client.

use mqtt5_session_fsm::Limits;
use mqtt5_session_fsm::broker::{Admission, BrokerConfig, BrokerLimits, ClientLimits, Verdict};
use mqtt5_session_fsm::codec::{Packet, Qos, ReasonCode};

use super::limits::refused;
use crate::broker::place::{Place, persistent, up_to, who};

crate::check::checks! {
    "limits_of_clients":
    broker {
        Example limits_of_subscriptions,
        Example the_limit_of_all_subscriptions,
        Example lower_limits_for_one_client,
    }
}

fn with_client(client: ClientLimits) -> BrokerConfig {
    BrokerConfig {
        client,
        ..persistent()
    }
}

/// Each limit of subscriptions: the filter that exceeds it is refused, the others of the SUBSCRIBE are granted, and a
/// replacement is no further one.
fn limits_of_subscriptions() {
    let limits = ClientLimits::default();
    let deep = vec!["+/x"; 17].join("/");
    let long = vec!["x"; 129].join("/");
    let cases: [(ClientLimits, &[&str], &str, ReasonCode); 6] = [
        (
            ClientLimits {
                subscriptions: 2,
                ..limits
            },
            &["a", "$share/g/a"],
            "b",
            ReasonCode::QuotaExceeded,
        ),
        (
            ClientLimits {
                index_nodes: 3,
                ..limits
            },
            &["a/b/#", "exact/are/no/nodes"],
            "c/+",
            ReasonCode::QuotaExceeded,
        ),
        (
            ClientLimits {
                filter_bytes: 4,
                ..limits
            },
            &["ab", "c"],
            "de",
            ReasonCode::QuotaExceeded,
        ),
        (limits, &["+/+/+/+"], "+/+/+/+/+", ReasonCode::QuotaExceeded),
        (
            ClientLimits {
                single_level_wildcards: 100,
                ..limits
            },
            &["a/+"],
            &deep,
            ReasonCode::TopicFilterInvalid,
        ),
        (limits, &["a"], &long, ReasonCode::TopicFilterInvalid),
    ];
    for (client, good, bad, code) in cases {
        let mut place = Place::new(with_client(client));
        let it = who("it").lasting(100);
        let wire = place.connect(&it);
        for filter in good {
            assert_eq!(
                place.subscribe(wire, filter, Qos::AtMostOnce),
                ReasonCode::Success,
                "{filter}"
            );
        }
        let filters = [
            (good[0], up_to(Qos::AtLeastOnce)),
            (bad, up_to(Qos::AtLeastOnce)),
        ];
        assert_eq!(
            place.subscribe_all(wire, &filters, None),
            [ReasonCode::GrantedQos1, code],
            "{bad}"
        );
        assert_eq!(refused(&mut place, "it", code), 1, "{bad}");
        place.restart();
        let wire = place.resume(&it);
        assert_eq!(
            place.subscribe(wire, bad, Qos::AtMostOnce),
            code,
            "after a restart: {bad}"
        );
        for filter in good {
            assert_eq!(place.unsubscribe(wire, filter), ReasonCode::Success);
        }
        if code == ReasonCode::QuotaExceeded && bad.len() < 9 {
            assert_eq!(
                place.subscribe(wire, bad, Qos::AtMostOnce),
                ReasonCode::Success,
                "{bad}"
            );
        }
    }
}

/// The limit for all Clients, and what ends gives its place back.
fn the_limit_of_all_subscriptions() {
    let config = BrokerConfig {
        limits: BrokerLimits {
            subscriptions: 2,
            ..BrokerLimits::default()
        },
        ..persistent()
    };
    let mut place = Place::new(config);
    let one = place.connect(&who("one"));
    let other = place.connect(&who("other"));
    assert_eq!(
        place.subscribe(one, "a", Qos::AtMostOnce),
        ReasonCode::Success
    );
    assert_eq!(
        place.subscribe(one, "$share/g/a", Qos::AtMostOnce),
        ReasonCode::Success
    );
    assert_eq!(
        place.subscribe(other, "b", Qos::AtMostOnce),
        ReasonCode::QuotaExceeded
    );
    assert_eq!(refused(&mut place, "other", ReasonCode::QuotaExceeded), 1);
    place.cut(one);
    assert_eq!(
        place.subscribe(other, "b", Qos::AtMostOnce),
        ReasonCode::Success
    );
    assert_eq!(
        place.subscribe(other, "$share/g/b", Qos::AtMostOnce),
        ReasonCode::Success
    );
    assert_eq!(
        place.subscribe(other, "c", Qos::AtMostOnce),
        ReasonCode::QuotaExceeded
    );
}

/// Lower limits for one Client, announced and kept: Maximum QoS 0x9B, Maximum Packet Size 0x95, Receive Maximum 0x93,
/// Topic Alias 0x94, Shared 0x9E, Wildcard 0xA2, Identifiers 0xA1, and its own ClientLimits.
fn lower_limits_for_one_client() {
    let limits = Limits {
        maximum_qos: Qos::AtLeastOnce,
        maximum_packet_size: 100,
        shared_subscription_available: false,
        wildcard_subscription_available: false,
        subscription_identifier_available: false,
        ..Limits::NONE
    };
    let connect = |place: &mut Place| {
        place.decides = false;
        let wire = place.open();
        place.send(wire, &who("it").bytes());
        let question = place.questions.pop().unwrap();
        let admission = Admission {
            limits: Some(limits),
            client: Some(ClientLimits {
                subscriptions: 1,
                ..ClientLimits::default()
            }),
            ..Admission::of("somebody")
        };
        let now = place.now;
        place
            .broker
            .answer_connect(now, &question, &Verdict::Accept(admission))
            .unwrap();
        place.settle();
        place.decides = true;
        let announced = place.find(wire, |packet| match packet {
            Packet::ConnAck(it) => Some(it.properties.iter().count()),
            _ => None,
        });
        assert_eq!(announced, Some(5));
        wire
    };
    type Case = (fn(&mut Place, usize), ReasonCode);
    let cases: [Case; 2] = [
        (
            |place, it| {
                let _ = place.publish(it, "a", "hi", Qos::ExactlyOnce);
            },
            ReasonCode::QosNotSupported,
        ),
        (
            |place, it| {
                let _ = place.publish(it, "a", &"x".repeat(100), Qos::AtMostOnce);
            },
            ReasonCode::PacketTooLarge,
        ),
    ];
    for (act, code) in cases {
        let mut place = Place::new(persistent());
        let wire = connect(&mut place);
        act(&mut place, wire);
        assert_eq!(place.disconnect(wire), Some(code));
    }
    for (filter, identifier, code) in [
        (
            "$share/g/a",
            None,
            ReasonCode::SharedSubscriptionsNotSupported,
        ),
        ("a/#", None, ReasonCode::WildcardSubscriptionsNotSupported),
        (
            "a",
            Some(1),
            ReasonCode::SubscriptionIdentifiersNotSupported,
        ),
    ] {
        let mut place = Place::new(persistent());
        let wire = connect(&mut place);
        let codes = place.subscribe_all(wire, &[(filter, up_to(Qos::AtLeastOnce))], identifier);
        let code_of_disconnect = place.disconnect(wire);
        assert!(
            codes == [code] || code_of_disconnect == Some(code),
            "{filter} {codes:?} {code_of_disconnect:?}"
        );
    }
    let mut place = Place::new(persistent());
    let wire = connect(&mut place);
    assert_eq!(
        place.subscribe(wire, "a", Qos::ExactlyOnce),
        ReasonCode::GrantedQos2
    );
    assert_eq!(
        place.subscribe(wire, "b", Qos::ExactlyOnce),
        ReasonCode::QuotaExceeded
    );
}
