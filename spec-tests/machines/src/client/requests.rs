//! SUBSCRIBE and UNSUBSCRIBE with their acknowledgements (sections 3.8 to 3.11), as the Client sees
//! them.

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{
    Packet, PacketType, Property, ProtocolVersion, Qos, ReasonCode, RetainHandling, Role,
    Subscribe, SubscribeProperties, Subscription, SubscriptionIdentifier, SubscriptionOptions,
    Subscriptions, TopicFilter, UserProperty,
};

use super::driver::{Driver, Lines};
use super::make;

crate::check::checks! { "requests":
    client {
        Example subscribe_is_sent_as_given,
        Example answers_in_any_order,
        Domain suback_with_every_reason_code,
        Domain unsuback_with_every_reason_code,
        Domain the_number_of_reason_codes,
        Domain answers_of_the_wrong_kind,
        Example an_unknown_answer_does_no_harm,
        Example messages_before_the_suback,
        Example requests_are_not_repeated,
        Example no_identifier_is_left,
        Example an_answer_that_comes_too_late,
    }
}

/// Section 3.8: every option and property.
fn subscribe_is_sent_as_given() {
    let mut driver = Driver::connected();
    let properties = [
        Property::SubscriptionIdentifier(SubscriptionIdentifier::new(268_435_455).unwrap()),
        Property::UserProperty(UserProperty::new("k", "v").unwrap()),
    ];
    let mut list = Vec::new();
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for retain_handling in [
            RetainHandling::Send,
            RetainHandling::SendIfNew,
            RetainHandling::DoNotSend,
        ] {
            for bits in 0..4 {
                list.push(Subscription {
                    filter: TopicFilter::new("a/+/#").unwrap(),
                    options: SubscriptionOptions {
                        maximum_qos: qos,
                        no_local: bits & 1 != 0,
                        retain_as_published: bits & 2 != 0,
                        retain_handling,
                    },
                });
            }
        }
    }
    let expected = Subscribe {
        packet_identifier: make::id(1),
        properties: SubscribeProperties::new(&properties).unwrap(),
        subscriptions: Subscriptions::new(&list).unwrap(),
    };
    let before = driver.wire.len();
    let token = driver
        .machine
        .subscribe(expected.properties, expected.subscriptions);
    driver.tokens.push(token.unwrap());
    let _ = driver.settle();
    let written = Packet::decode_from(ProtocolVersion::V5_0, Role::Client, &driver.wire[before..]);
    assert_eq!(written, Ok(Packet::Subscribe(expected)));
}

/// Section 2.2.1: the identifier says which request an answer belongs to.
fn answers_in_any_order() {
    let mut driver = Driver::connected();
    assert_eq!(driver.subscribe(&["a", "b"]), ["> SUBSCRIBE #1 a b"]);
    assert_eq!(driver.unsubscribe(&["c"]), ["> UNSUBSCRIBE #2 c"]);
    assert_eq!(driver.subscribe(&["d"]), ["> SUBSCRIBE #3 d"]);
    let ok = ReasonCode::Success;
    let said = driver.feed(&make::suback(3, &[ReasonCode::GrantedQos2]));
    assert_eq!(said, ["t3 suback [GrantedQos2]"]);
    let said = driver.feed(&make::suback(1, &[ok, ReasonCode::NotAuthorized]));
    assert_eq!(said, ["t1 suback [Success, NotAuthorized]"]);
    let said = driver.feed(&make::unsuback(2, &[ReasonCode::NoSubscriptionExisted]));
    assert_eq!(said, ["t2 unsuback [NoSubscriptionExisted]"]);
    assert_eq!(
        driver.feed(&make::suback(1, &[ok, ok])),
        ["unknown SubAck #1"]
    );
}

/// Section 3.9.3: every Reason Code is reported; none of them ends the connection.
fn suback_with_every_reason_code() -> u64 {
    every_reason_code(PacketType::SubAck, 12)
}

/// Section 3.11.3.
fn unsuback_with_every_reason_code() -> u64 {
    every_reason_code(PacketType::UnsubAck, 7)
}

fn identifier_of(line: &str) -> u16 {
    let (_, rest) = line.split_once('#').unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

fn every_reason_code(packet_type: PacketType, expected: u64) -> u64 {
    let mut driver = Driver::connected();
    let mut judged = 0;
    for &code in ReasonCode::ALL {
        if code.allowed_from(packet_type, Role::Server) {
            let said = if packet_type == PacketType::SubAck {
                let said = driver.subscribe(&["a"]);
                driver.feed(&make::suback(identifier_of(&said[0]), &[code]))
            } else {
                let said = driver.unsubscribe(&["a"]);
                driver.feed(&make::unsuback(identifier_of(&said[0]), &[code]))
            };
            judged += 1;
            assert!(said[0].starts_with(&format!("t{judged} ")), "{said:?}");
            assert!(said[0].ends_with(&format!("[{code:?}]")), "{said:?}");
        }
    }
    assert_eq!(judged, expected);
    judged
}

/// Sections 3.9.3, 3.11.3: one Reason Code for each filter; otherwise a Protocol Error.
fn the_number_of_reason_codes() -> u64 {
    let filters = ["a", "b", "c", "d"];
    let codes = [ReasonCode::Success; 6];
    let mut judged = 0;
    for asked in 1..=4 {
        for answered in 1..=6 {
            for subscribes in [true, false] {
                let mut driver = Driver::connected();
                let said = if subscribes {
                    let _ = driver.subscribe(&filters[..asked]);
                    driver.feed(&make::suback(1, &codes[..answered]))
                } else {
                    let _ = driver.unsubscribe(&filters[..asked]);
                    driver.feed(&make::unsuback(1, &codes[..answered]))
                };
                if asked == answered {
                    assert!(said.len() == 1 && said[0].starts_with("t1 "), "{said:?}");
                } else {
                    assert_eq!(
                        said,
                        [
                            "t1 Indeterminate",
                            "> DISCONNECT ProtocolError",
                            "close ReasonCodeCount"
                        ]
                    );
                    driver.assert_dead();
                }
                judged += 1;
            }
        }
    }
    judged
}

/// Sections 3.9, 3.11: an acknowledgement of the wrong kind is a Protocol Error.
fn answers_of_the_wrong_kind() -> u64 {
    type Start = fn(&mut Driver) -> Lines;
    let starts: [(Start, PacketType); 4] = [
        (|driver| driver.publish(1, "a", ""), PacketType::PubAck),
        (|driver| driver.publish(2, "a", ""), PacketType::PubRec),
        (|driver| driver.subscribe(&["a"]), PacketType::SubAck),
        (|driver| driver.unsubscribe(&["a"]), PacketType::UnsubAck),
    ];
    let answers = [
        (PacketType::PubAck, make::puback(1)),
        (PacketType::PubRec, make::pubrec(1)),
        (PacketType::PubComp, make::pubcomp(1)),
        (PacketType::SubAck, make::suback(1, &[ReasonCode::Success])),
        (
            PacketType::UnsubAck,
            make::unsuback(1, &[ReasonCode::Success]),
        ),
    ];
    let mut judged = 0;
    for (start, right) in starts {
        for (packet_type, answer) in &answers {
            let mut driver = Driver::connected();
            assert_eq!(start(&mut driver).len(), 1);
            let said = driver.feed(answer);
            if *packet_type == right {
                assert!(driver.machine.is_connected());
            } else {
                let end = said.len() - 2;
                assert_eq!(
                    said[end..],
                    ["> DISCONNECT ProtocolError", "close WrongAcknowledgement"],
                    "{packet_type} instead of {right}"
                );
                driver.assert_dead();
            }
            judged += 1;
        }
    }
    judged
}

/// The standard leaves it open: an answer to nothing is reported and ignored.
fn an_unknown_answer_does_no_harm() {
    let mut driver = Driver::connected();
    assert_eq!(
        driver.feed(&make::suback(9, &[ReasonCode::Success])),
        ["unknown SubAck #9"]
    );
    assert_eq!(
        driver.feed(&make::unsuback(9, &[ReasonCode::Success])),
        ["unknown UnsubAck #9"]
    );
    assert!(driver.machine.is_connected());
}

/// Section 3.8.4: the Server may send matching messages before the SUBACK.
fn messages_before_the_suback() {
    let mut driver = Driver::connected();
    let _ = driver.subscribe(&["a"]);
    assert_eq!(
        driver.feed(&make::publish(1, 1, "a", "x")),
        ["message q1 a \"x\"", "> PUBACK #1"]
    );
    assert_eq!(
        driver.feed(&make::suback(1, &[ReasonCode::Success])),
        ["t1 suback [Success]"]
    );
}

/// MQTT-4.4.0-1: only PUBLISH and PUBREL are sent again; the outcome of a request is unknown.
fn requests_are_not_repeated() {
    let mut driver = Driver::connected();
    let _ = driver.subscribe(&["a"]);
    let _ = driver.unsubscribe(&["b"]);
    let mut said = driver.lose();
    said.sort();
    assert_eq!(said, ["t1 Indeterminate", "t2 Indeterminate"]);
    assert_eq!(driver.resume(), Lines::new());
    // Their identifiers are free.
    assert_eq!(driver.subscribe(&["a"]).len(), 1);
    for _ in 0..u16::MAX - 1 {
        assert_eq!(driver.publish(1, "a", "").len(), 1);
    }
}

/// MQTT-2.2.1-3: with all identifiers in use there is none for a request.
fn no_identifier_is_left() {
    let mut driver = Driver::connected();
    driver.fill(u16::MAX);
    assert_eq!(
        driver.try_subscribe(&["a"], &[]),
        Err(SendError::NoIdentifier)
    );
    assert_eq!(
        driver.try_unsubscribe(&["a"], &[]),
        Err(SendError::NoIdentifier)
    );
    let _ = driver.feed(&make::puback(500));
    assert_eq!(driver.try_subscribe(&["a"], &[]), Ok(()));
    assert_eq!(driver.settle(), ["> SUBSCRIBE #500 a"]);
}

/// Section 4.2: an answer to a request of an earlier connection answers nothing.
fn an_answer_that_comes_too_late() {
    let mut driver = Driver::connected();
    let _ = driver.subscribe(&["a"]);
    assert_eq!(driver.lose(), ["t1 Indeterminate"]);
    let _ = driver.reconnect(super::driver::KEEPS, true, &[]);
    assert_eq!(
        driver.feed(&make::suback(1, &[ReasonCode::Success])),
        ["unknown SubAck #1"]
    );
}
