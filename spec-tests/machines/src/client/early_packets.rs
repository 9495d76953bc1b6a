//! Packets that are sent before the CONNACK, by a Client that was asked to (section 3.1.4).

use mqtt5_session_fsm::codec::{Connect, Property, ReasonCode, Text};
use mqtt5_session_fsm::{ClientConfig, Session, SessionConfig};

use super::driver::{Driver, KEEPS, Lines, connect_with, publication};
use super::make;

crate::check::checks! { "early_packets":
    client {
        Domain as_many_as_allowed_leave_at_once,
        Example they_need_a_new_session,
        Example they_need_a_connect_without_authentication,
        Example a_refusal_ends_all_as_not_sent,
        Domain without_a_connack_nobody_knows,
        Example the_exchanges_go_on_after_the_connack,
        Example they_are_sent_again_when_the_session_is_resumed,
        Example a_lower_receive_maximum_counts_them,
        Example a_persistent_session_begins_with_its_connection,
    }
}

fn asked(packets: u16) -> Driver {
    with(packets, SessionConfig::default())
}

fn with(packets: u16, config: SessionConfig) -> Driver {
    let client = ClientConfig {
        early_packets: packets,
        ..ClientConfig::default()
    };
    Driver::with(client, Session::of_client(config))
}

/// One of each kind, in this order; what they are called on the wire.
const KINDS: [&str; 5] = [
    "> SUBSCRIBE #1 s",
    "> UNSUBSCRIBE #2 u",
    "> PUBLISH q0 a \"0\"",
    "> PUBLISH q1 #3 a \"1\"",
    "> PUBLISH q2 #4 a \"2\"",
];

fn ask_for_all(driver: &mut Driver) {
    driver.try_subscribe(&["s"], &[]).unwrap();
    driver.try_unsubscribe(&["u"], &[]).unwrap();
    for (qos, payload) in [(0, "0"), (1, "1"), (2, "2")] {
        driver.accept(publication(qos, "a", payload, &[])).unwrap();
    }
}

/// Never more than were allowed, the rest after the CONNACK, and none twice.
fn as_many_as_allowed_leave_at_once() -> u64 {
    for packets in 0..=6 {
        let mut driver = asked(packets);
        let said = driver.connect(&connect_with(KEEPS));
        assert_eq!(said.len(), 1);
        ask_for_all(&mut driver);
        let early = driver.settle();
        let now = usize::from(packets).min(KINDS.len());
        assert_eq!(early, KINDS[..now]);
        let mut said = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
        assert!(said.remove(0).starts_with("connected"));
        said.retain(|line| !line.ends_with("Sent"));
        assert_eq!(said, KINDS[now..]);
        assert_eq!(driver.feed(make::PINGRESP), Lines::new());
    }
    7
}

/// Clean Start 1; a Session that could go on would have messages that go first (MQTT-4.6.0-1).
fn they_need_a_new_session() {
    let mut driver = asked(9).go(KEEPS, false, &[]);
    let _ = driver.publish(1, "a", "old");
    let _ = driver.lose();
    let _ = driver.connect(&connect_with(KEEPS));
    driver.try_subscribe(&["s"], &[]).unwrap();
    assert_eq!(driver.publish(0, "a", "0"), Lines::new());
    let said = driver.feed(&make::connack(true, ReasonCode::Success, &[]));
    assert_eq!(
        said[..3],
        [
            "connected present",
            "> SUBSCRIBE #2 s",
            "> PUBLISH q1 #1 dup a \"old\""
        ]
    );
    let _ = driver.lose();
    let connect = Connect {
        clean_start: true,
        ..connect_with(KEEPS)
    };
    let _ = driver.connect(&connect);
    assert_eq!(driver.publish(1, "a", "new"), ["> PUBLISH q1 #1 a \"new\""]);
}

/// MQTT-3.1.2-30.
fn they_need_a_connect_without_authentication() {
    let method = [Property::AuthenticationMethod(Text::new("m").unwrap())];
    let mut driver = asked(9);
    let _ = driver.connect(&connect_with(&method));
    ask_for_all(&mut driver);
    assert_eq!(driver.settle(), Lines::new());
}

/// MQTT-3.1.4-6: the Server has processed nothing. What had not left waits for the next Session.
fn a_refusal_ends_all_as_not_sent() {
    for refusal in [
        make::connack(false, ReasonCode::NotAuthorized, &[]),
        vec![0x20, 2, 0, 5],
    ] {
        let mut driver = asked(5);
        let _ = driver.connect(&connect_with(KEEPS));
        ask_for_all(&mut driver);
        let _ = driver.settle();
        let _ = driver.publish(1, "a", "waits");
        let mut said = driver.feed(&refusal);
        said.sort();
        assert_eq!(
            said,
            [
                "close Refused(NotAuthorized)",
                "refused NotAuthorized",
                "t1 NotSent",
                "t2 NotSent",
                "t3 NotSent",
                "t4 NotSent",
                "t5 NotSent",
            ]
        );
        assert_eq!(driver.machine.session().in_flight(), 0);
        let said = driver.connect(&connect_with(KEEPS));
        assert!(said[0].contains(" clean"), "{said:?}");
        assert_eq!(said[1..], ["> PUBLISH q1 #1 a \"waits\""]);
    }
}

/// Lost, timed out, broken off by either side: they may have been processed.
fn without_a_connack_nobody_knows() -> u64 {
    let ends: [fn(&mut Driver) -> Lines; 5] = [
        Driver::lose,
        |driver| driver.tick(10_000),
        |driver| driver.feed(make::PINGRESP),
        |driver| driver.feed(&make::connack(true, ReasonCode::Success, &[])),
        |driver| driver.disconnect(ReasonCode::Success, &[]),
    ];
    for end in ends {
        let mut driver = asked(5);
        let _ = driver.connect(&connect_with(KEEPS));
        ask_for_all(&mut driver);
        let _ = driver.settle();
        let mut said = end(&mut driver);
        said.retain(|line| line.starts_with('t'));
        said.sort();
        assert_eq!(
            said,
            [
                "t1 Indeterminate",
                "t2 Indeterminate",
                "t3 Sent",
                "t4 Indeterminate",
                "t5 Indeterminate",
            ]
        );
        let _ = driver.lose();
        assert_eq!(driver.machine.session().in_flight(), 0);
        let said = driver.reconnect(KEEPS, false, &[]);
        assert_eq!(said, Lines::new());
    }
    ends.len() as u64
}

/// The answers that come behind the CONNACK are those of what was sent before it.
fn the_exchanges_go_on_after_the_connack() {
    let mut driver = asked(5);
    let _ = driver.connect(&connect_with(KEEPS));
    ask_for_all(&mut driver);
    let _ = driver.settle();
    let said = driver.feed(
        &[
            make::connack(false, ReasonCode::Success, &[]),
            make::suback(1, &[ReasonCode::Success]),
            make::unsuback(2, &[ReasonCode::Success]),
            make::puback(3),
            make::pubrec(4),
            make::pubcomp(4),
        ]
        .concat(),
    );
    let outcomes: Vec<_> = said.iter().filter(|line| line.starts_with('t')).collect();
    assert_eq!(outcomes.len(), 5, "{said:?}");
    assert!(said.contains(&"t3 Sent".to_owned()), "{said:?}");
    assert!(said.contains(&"> PUBREL #4".to_owned()), "{said:?}");
    assert_eq!(driver.machine.session().in_flight(), 0);
}

/// MQTT-4.4.0-1, MQTT-3.3.1-1: as everything else that is in flight, in its order, with DUP.
fn they_are_sent_again_when_the_session_is_resumed() {
    let mut driver = asked(9);
    let _ = driver.connect(&connect_with(KEEPS));
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.publish(2, "a", "3");
    let mut bytes = make::connack(false, ReasonCode::Success, &[]);
    bytes.extend(make::pubrec(2));
    let _ = driver.feed(&bytes);
    let said = driver.resume();
    assert_eq!(
        said,
        [
            "> PUBREL #2",
            "> PUBLISH q1 #1 dup a \"1\"",
            "> PUBLISH q2 #3 dup a \"3\""
        ]
    );
}

/// MQTT-3.3.4-9: those that are unanswered use up the quota.
fn a_lower_receive_maximum_counts_them() {
    let mut driver = asked(3);
    let _ = driver.connect(&connect_with(KEEPS));
    for payload in ["1", "2", "3", "4"] {
        driver.accept(publication(1, "a", payload, &[])).unwrap();
    }
    assert_eq!(driver.settle().len(), 3);
    let two = [Property::ReceiveMaximum(2.try_into().unwrap())];
    let said = driver.feed(&make::connack(false, ReasonCode::Success, &two));
    assert_eq!(said.len(), 1, "{said:?}");
    for identifier in [1, 2] {
        let said = driver.feed(&make::puback(identifier));
        let sent = said.iter().any(|line| line == "> PUBLISH q1 #4 a \"4\"");
        assert_eq!(sent, identifier == 2, "{said:?}");
    }
}

/// What is stored of a Session begins with `Change::Connected`: each change fits to those before.
fn a_persistent_session_begins_with_its_connection() {
    let config = SessionConfig {
        persistent: true,
        ..SessionConfig::default()
    };
    let mut driver = with(9, config);
    let now = driver.now;
    let mut stored = Session::of_client(config);
    let mut keep = |driver: &mut Driver| {
        let mut packets = Lines::new();
        loop {
            let mut wire = Vec::new();
            let output = driver.machine.poll(now, &mut wire);
            packets.extend(crate::session::driver::written(
                &wire,
                mqtt5_session_fsm::codec::Role::Client,
            ));
            match output {
                None => return packets,
                Some(mqtt5_session_fsm::Output::Persist(change)) => {
                    stored.apply(now, &change).expect("a change that fits");
                }
                Some(_) => {}
            }
        }
    };
    driver.machine.connect(now, &connect_with(KEEPS)).unwrap();
    ask_for_all(&mut driver);
    assert_eq!(keep(&mut driver)[1..], KINDS[..3]);
    let connack = make::connack(false, ReasonCode::Success, &[]);
    assert!(driver.machine.receive(now, &mut &connack[..]).is_some());
    assert_eq!(keep(&mut driver), KINDS[3..]);
}
