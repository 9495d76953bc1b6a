//! A broker with clients: what a Server must do between its Clients (sections 3.1.4, 3.3, 3.8, 4.1).

#[path = "broker/net.rs"]
mod net;

use mqtt5_session_fsm::broker::{BrokerConfig, Overlap};
use mqtt5_session_fsm::codec::{Property, Qos, ReasonCode, RetainHandling, SubscriptionOptions};

use mqtt5_session_fsm::{ServerConfig, SessionConfig};

use net::{Net, options};

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

/// [MQTT-3.8.4-8]: a message arrives at the lower one of its QoS and the granted one, once.
#[test]
fn messages_arrive_at_the_lower_qos() {
    for published in QOS {
        for granted in QOS {
            let mut net = Net::new(BrokerConfig::default());
            let (one, other) = (net.client("one"), net.client("other"));
            assert_eq!(
                net.subscribe(other, "a/+", options(granted)),
                ReasonCode::granted(granted)
            );
            net.publish(one, "a/b", b"hi", published, false);
            let got = net.take(other);
            assert_eq!(
                got,
                [(
                    "a/b".into(),
                    b"hi".to_vec(),
                    published.min(granted),
                    false,
                    vec![]
                )]
            );
            assert!(net.take(one).is_empty());
        }
    }
}

/// [MQTT-3.3.1-5], [MQTT-3.3.1-6], [MQTT-3.3.1-9] to [MQTT-3.3.1-13].
#[test]
fn retained_messages_go_to_new_subscriptions() {
    let mut net = Net::new(BrokerConfig::default());
    let (one, other) = (net.client("one"), net.client("other"));
    net.publish(one, "a/b", b"old", Qos::AtLeastOnce, true);
    net.publish(one, "a/b", b"new", Qos::AtLeastOnce, true);
    net.subscribe(other, "a/#", options(Qos::ExactlyOnce));
    let retained = (
        "a/b".into(),
        b"new".to_vec(),
        Qos::AtLeastOnce,
        true,
        vec![],
    );
    assert_eq!(net.take(other), [retained]);
    for (handling, again) in [
        (RetainHandling::Send, true),
        (RetainHandling::SendIfNew, false),
        (RetainHandling::DoNotSend, false),
    ] {
        let options = SubscriptionOptions {
            retain_handling: handling,
            ..options(Qos::ExactlyOnce)
        };
        net.subscribe(other, "a/#", options);
        assert_eq!(net.take(other).len(), usize::from(again), "{handling:?}");
    }
    net.publish(one, "a/b", b"", Qos::AtMostOnce, true);
    assert_eq!(net.take(other).len(), 1);
    net.subscribe(other, "a/#", options(Qos::ExactlyOnce));
    assert_eq!(net.take(other), []);
}

/// [MQTT-3.8.3-3].
#[test]
fn no_local_is_kept() {
    let mut net = Net::new(BrokerConfig::default());
    let one = net.client("one");
    for no_local in [true, false] {
        let options = SubscriptionOptions {
            no_local,
            ..options(Qos::AtLeastOnce)
        };
        net.subscribe(one, "a", options);
        net.publish(one, "a", b"hi", Qos::AtLeastOnce, false);
        assert_eq!(net.take(one).len(), usize::from(!no_local));
    }
}

/// [MQTT-3.3.4-2] to [MQTT-3.3.4-5].
#[test]
fn overlapping_subscriptions() {
    for overlap in [Overlap::OneCopy, Overlap::OnePerSubscription] {
        let mut net = Net::new(BrokerConfig {
            overlap,
            ..BrokerConfig::default()
        });
        let (one, other) = (net.client("one"), net.client("other"));
        net.subscribe_as(other, "a/#", options(Qos::AtMostOnce), Some(7));
        net.subscribe_as(other, "a/+", options(Qos::ExactlyOnce), Some(9));
        net.subscribe(other, "+/b", options(Qos::AtLeastOnce));
        net.publish(one, "a/b", b"hi", Qos::ExactlyOnce, false);
        let mut got: Vec<_> = net
            .take(other)
            .into_iter()
            .map(|(_, _, qos, _, mut identifiers)| {
                identifiers.sort_unstable();
                (qos, identifiers)
            })
            .collect();
        got.sort();
        match overlap {
            Overlap::OneCopy => assert_eq!(got, [(Qos::ExactlyOnce, vec![7, 9])]),
            Overlap::OnePerSubscription => assert_eq!(
                got,
                [
                    (Qos::AtMostOnce, vec![7]),
                    (Qos::AtLeastOnce, vec![]),
                    (Qos::ExactlyOnce, vec![9])
                ]
            ),
        }
    }
}

/// [MQTT-4.5.0-1]: what comes while a client is away waits for it, until its Session ends.
#[test]
fn messages_wait_for_an_absent_client() {
    let mut net = Net::new(BrokerConfig::default());
    let one = net.client("one");
    let other = net.client_with("other", &[Property::SessionExpiryInterval(100)], None);
    net.subscribe(other, "a", options(Qos::ExactlyOnce));
    net.cut(other);
    for qos in QOS {
        net.publish(one, "a", b"hi", qos, false);
    }
    let again = net.again(other, false, &[Property::SessionExpiryInterval(100)]);
    assert!(again, "the Session goes on");
    assert_eq!(net.take(other).len(), 2);
    net.cut(other);
    net.publish(one, "a", b"hi", Qos::AtLeastOnce, false);
    net.pass(100_000);
    let again = net.again(other, false, &[]);
    assert!(!again, "the Session has ended");
    assert_eq!(net.take(other), []);
    net.publish(one, "a", b"hi", Qos::AtLeastOnce, false);
    assert_eq!(net.take(other), [], "its subscriptions have ended, too");
}

/// [MQTT-3.1.4-3]: the older connection ends with 0x8E, the Session goes on in the newer one.
#[test]
fn a_client_that_connects_again_takes_over() {
    let mut net = Net::new(BrokerConfig::default());
    let expiry = [Property::SessionExpiryInterval(100)];
    let (one, first) = (net.client("one"), net.client_with("other", &expiry, None));
    net.subscribe(first, "a", options(Qos::AtLeastOnce));
    let second = net.client_with("other", &expiry, None);
    assert_eq!(net.ended(first), Some(ReasonCode::SessionTakenOver));
    net.publish(one, "a", b"hi", Qos::AtLeastOnce, false);
    assert_eq!(
        net.take(second).len(),
        0,
        "the helper connects with Clean Start"
    );
    net.subscribe(second, "a", options(Qos::AtLeastOnce));
    net.publish(one, "a", b"hi", Qos::AtLeastOnce, false);
    assert_eq!(net.take(second).len(), 1);
}

/// [MQTT-3.1.2-8]: the Will of a connection that is lost is published, after its delay.
#[test]
fn a_will_is_published() {
    for delay in [0, 10] {
        let mut net = Net::new(BrokerConfig::default());
        let one = net.client("one");
        net.subscribe(one, "will", options(Qos::AtLeastOnce));
        let expiry = [Property::SessionExpiryInterval(100)];
        let other = net.client_with("other", &expiry, Some(delay));
        net.cut(other);
        if delay > 0 {
            assert_eq!(net.take(one), []);
            net.pass(u64::from(delay) * 1000);
        }
        assert_eq!(net.take(one).len(), 1);
    }
}

/// A message for more subscribers than one call serves goes to each once, and in order; the publisher is read again.
#[test]
fn a_message_for_many_goes_out_in_slices() {
    for slice in [0, 1, 2, 5, 6] {
        let mut net = Net::new(BrokerConfig {
            fan_out_slice: slice,
            ..BrokerConfig::default()
        });
        let publisher = net.client("publisher");
        let others: Vec<usize> = (0..5)
            .map(|number| net.client(&number.to_string()))
            .collect();
        for other in &others {
            net.subscribe(*other, "a", options(Qos::ExactlyOnce));
        }
        for payload in [&b"1"[..], b"2", b"3"] {
            for qos in QOS {
                net.queue(publisher, "a", payload, qos, false);
            }
        }
        net.settle();
        for other in &others {
            let got: Vec<_> = net
                .take(*other)
                .into_iter()
                .map(|it| (it.1, it.2))
                .collect();
            for qos in QOS {
                let of_qos: Vec<_> = got
                    .iter()
                    .filter(|it| it.1 == qos)
                    .map(|it| &it.0[..])
                    .collect();
                assert_eq!(of_qos, [b"1", b"2", b"3"], "slice {slice}");
            }
        }
        assert_eq!(net.broker.statistics().acknowledged, 45);
        assert!(!net.broker.work(net.now, &mut 1));
    }
}

fn persistent() -> BrokerConfig {
    BrokerConfig {
        server: ServerConfig {
            session: SessionConfig {
                persistent: true,
                ..SessionConfig::default()
            },
            ..ServerConfig::default()
        },
        ..BrokerConfig::default()
    }
}

/// Sections 4.1, 4.3: what was acknowledged to a publisher survives the end of the Server's process.
#[test]
fn a_restart_loses_nothing() {
    let mut net = Net::new(persistent());
    let expiry = [Property::SessionExpiryInterval(100)];
    let one = net.client("one");
    let other = net.client_with("other", &expiry, None);
    net.subscribe_as(other, "a/#", options(Qos::ExactlyOnce), Some(7));
    net.cut(other);
    for qos in QOS {
        net.publish(one, "a/b", b"hi", qos, false);
    }
    net.publish(one, "r", b"kept", Qos::AtLeastOnce, true);
    net.restart();
    net.again(one, true, &[]);
    assert!(net.again(other, false, &expiry), "the Session goes on");
    let got: Vec<_> = net.take(other).into_iter().map(|it| (it.2, it.4)).collect();
    assert_eq!(
        got,
        [(Qos::AtLeastOnce, vec![7]), (Qos::ExactlyOnce, vec![7])]
    );
    net.subscribe(one, "r", options(Qos::ExactlyOnce));
    assert_eq!(net.take(one).len(), 1, "the retained message is there");
    net.publish(one, "a/c", b"new", Qos::ExactlyOnce, false);
    assert_eq!(net.take(other).len(), 1, "the subscription is there");
    net.restart();
    assert!(net.again(other, false, &expiry));
    assert_eq!(
        net.take(other),
        [],
        "what was acknowledged does not come again"
    );
}

/// When all has ended, nothing is stored any more but the head.
#[test]
fn nothing_is_left_over() {
    let mut net = Net::new(persistent());
    let expiry = [Property::SessionExpiryInterval(10)];
    let one = net.client_with("one", &expiry, Some(5));
    let other = net.client_with("other", &expiry, None);
    net.subscribe(other, "a/#", options(Qos::ExactlyOnce));
    net.subscribe(other, "r/#", options(Qos::ExactlyOnce));
    net.publish(one, "r/1", b"kept", Qos::AtLeastOnce, true);
    net.cut(other);
    for qos in QOS {
        net.publish(one, "a/b", b"hi", qos, false);
    }
    net.restart();
    net.again(one, false, &expiry);
    net.publish(one, "r/1", b"", Qos::AtLeastOnce, true);
    net.cut(one);
    net.pass(20_000);
    let keys: Vec<_> = net.map.keys().collect();
    assert_eq!(keys, [&vec![0]], "{:?}", net.map);
}

/// Section 4.8.2: each message goes to one member that is there; what a Session that ended has not acknowledged goes to
/// another one.
#[test]
fn one_member_of_a_group_gets_a_message() {
    let mut net = Net::new(persistent());
    let publisher = net.client("publisher");
    let expiry = [Property::SessionExpiryInterval(100)];
    let workers: Vec<usize> = (0..3)
        .map(|number| net.client_with(&number.to_string(), &expiry, None))
        .collect();
    for worker in &workers {
        net.subscribe(*worker, "$share/g/job/#", options(Qos::AtLeastOnce));
    }
    for _ in 0..6 {
        net.publish(publisher, "job/1", b"do", Qos::ExactlyOnce, false);
    }
    let got: Vec<usize> = workers.iter().map(|it| net.take(*it).len()).collect();
    assert_eq!(got, [2, 2, 2]);
    net.cut(workers[0]);
    for _ in 0..4 {
        net.publish(publisher, "job/1", b"do", Qos::AtLeastOnce, false);
    }
    let got: Vec<usize> = workers.iter().map(|it| net.take(*it).len()).collect();
    assert_eq!(
        got,
        [0, 2, 2],
        "not one that is away while others are there"
    );
    for worker in &workers[1..] {
        net.cut(*worker);
    }
    for qos in QOS {
        net.publish(publisher, "job/1", b"do", qos, false);
    }
    net.again(workers[2], false, &expiry);
    let got = net.take(workers[2]);
    assert_eq!(got.len(), 2, "what waited while all were away, but QoS 0");
    net.restart();
    net.again(publisher, true, &[]);
    net.again(workers[0], false, &expiry);
    net.publish(publisher, "job/2", b"do", Qos::AtLeastOnce, false);
    assert_eq!(net.take(workers[0]).len(), 1, "it is still a member");
    net.pass(200_000);
    net.cut(workers[0]);
    net.cut(publisher);
    net.pass(200_000);
    let keys: Vec<_> = net.map.keys().collect();
    assert_eq!(keys, [&vec![0]], "{:?}", net.map);
}
