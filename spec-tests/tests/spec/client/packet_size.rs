//! Reason String and User Property give way to the Server's Maximum Packet Size; packets above the
//! Client's own are refused (sections 3.1.2.11.4, 3.2.2.3.6).

use std::num::NonZeroU16;

use mqtt5_session_fsm::codec::framing::LARGEST_PACKET;
use mqtt5_session_fsm::codec::{
    PacketType, Property, Publish, ReasonCode, Text, TopicName, UserProperty,
};
use mqtt5_session_fsm::{
    ClientConfig, PublishError, SendError, Session, SessionConfig, TopicAliases,
};

use super::driver::{Driver, KEEPS, Lines};
use super::make;

crate::check::checks! { "packet_size":
    client {
        Domain puback_gives_way,
        Domain pubrec_gives_way,
        Domain disconnect_gives_way,
        Domain auth_gives_way,
        Domain pubrel_and_pubcomp_have_nothing_to_leave_out,
        Domain received_packets_around_the_limit,
        Example refused_as_soon_as_the_length_is_known,
        Example an_answer_that_the_server_cannot_take_closes,
        Example no_packet_is_ever_too_large,
        Example what_no_packet_can_hold_is_refused,
    }
}

fn reason_and_user() -> [Property<'static>; 3] {
    [
        Property::ReasonString(Text::new("because of it").unwrap()),
        Property::UserProperty(UserProperty::new("key", "value").unwrap()),
        Property::UserProperty(UserProperty::new("key", "another").unwrap()),
    ]
}

fn limited(driver: Driver, connect: &[Property<'_>], limit: u32) -> Driver {
    let mut connack = vec![Property::MaximumPacketSize(limit.try_into().unwrap())];
    connack.extend(
        connect
            .iter()
            .filter(|property| matches!(property, Property::AuthenticationMethod(_))),
    );
    driver.go(connect, false, &connack)
}

/// Each set of the three properties, each limit: what is written fits, all is there if all fits, and
/// nothing but Reason String and User Property is missing.
fn gives_way(
    least: usize,
    start: impl Fn(u32) -> Driver,
    write: impl Fn(&mut Driver, &[Property<'_>]) -> Lines,
) -> u64 {
    let all = reason_and_user();
    let mut judged = 0;
    for set in 0..8_usize {
        let chosen: Vec<_> = (0..3)
            .filter(|n| set & (1 << n) != 0)
            .map(|n| all[n])
            .collect();
        let mut unlimited = start(100_000);
        let before = unlimited.wire.len();
        let complete = write(&mut unlimited, &chosen);
        let size = unlimited.wire.len() - before;
        for property in &chosen {
            assert!(
                complete[0].contains(&format!("{property:?}")),
                "{complete:?}"
            );
        }
        for limit in least..size + 3 {
            let mut driver = start(limit as u32);
            let before = driver.wire.len();
            let said = write(&mut driver, &chosen);
            let written = driver.wire.len() - before;
            assert!(written >= 2 && written <= limit, "{said:?} at {limit}");
            if size <= limit {
                assert_eq!(said, complete);
            } else {
                assert!(said[0].len() < complete[0].len() && said[1..] == complete[1..]);
            }
            judged += 1;
        }
    }
    judged
}

/// MQTT-3.4.2-2, MQTT-3.4.2-3.
fn puback_gives_way() -> u64 {
    gives_way(
        5,
        |limit| acknowledging(1, limit),
        refuse("> PUBACK #7 QuotaExceeded"),
    )
}

/// MQTT-3.5.2-2, MQTT-3.5.2-3.
fn pubrec_gives_way() -> u64 {
    gives_way(
        5,
        |limit| acknowledging(2, limit),
        refuse("> PUBREC #7 QuotaExceeded"),
    )
}

fn acknowledging(qos: u8, limit: u32) -> Driver {
    let mut driver = limited(Driver::manual(), KEEPS, limit);
    let _ = driver.feed(&make::publish(qos, 7, "a", ""));
    driver
}

fn refuse(expected: &str) -> impl Fn(&mut Driver, &[Property<'_>]) -> Lines {
    move |driver, properties| {
        let code = ReasonCode::QuotaExceeded;
        let receipt = driver.receipts[0];
        driver
            .machine
            .acknowledge_with(receipt, code, properties)
            .unwrap();
        let said = driver.settle();
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with(expected), "{said:?}");
        said
    }
}

/// MQTT-3.14.2-3, MQTT-3.14.2-4.
fn disconnect_gives_way() -> u64 {
    gives_way(
        3,
        |limit| limited(Driver::new(), KEEPS, limit),
        |driver, properties| {
            let said = driver.disconnect(ReasonCode::UnspecifiedError, properties);
            assert!(
                said[0].starts_with("> DISCONNECT UnspecifiedError"),
                "{said:?}"
            );
            assert_eq!(said[1], "close Disconnected(UnspecifiedError)");
            said
        },
    )
}

/// MQTT-3.15.2-2, MQTT-3.15.2-3: the Authentication Method and Data stay.
fn auth_gives_way() -> u64 {
    let method = Property::AuthenticationMethod(Text::new("m").unwrap());
    let connect = [KEEPS[0], method];
    gives_way(
        // Fixed header 2, Reason Code 1, Property Length 1, method 4, data 5.
        13,
        |limit| limited(Driver::new(), &connect, limit),
        |driver, properties| {
            let mut list = vec![Property::AuthenticationData(b"xy"[..].try_into().unwrap())];
            list.extend(properties);
            driver.machine.re_authenticate(&list).unwrap();
            let said = driver.settle();
            assert!(said[0].starts_with("> AUTH ReAuthenticate"), "{said:?}");
            assert!(said[0].contains("AuthenticationMethod(\"m\")"), "{said:?}");
            assert!(said[0].contains("AuthenticationData"), "{said:?}");
            said
        },
    )
}

/// MQTT-3.6.2-2, -3, MQTT-3.7.2-2, -3: the machine's own PUBREL and PUBCOMP have neither, so they fit
/// wherever any fits.
fn pubrel_and_pubcomp_have_nothing_to_leave_out() -> u64 {
    for limit in [6, 8, 20, 1_000] {
        let mut driver = limited(Driver::new(), KEEPS, limit);
        assert_eq!(
            driver.feed(&make::publish(2, 1, "a", "")).last().unwrap(),
            "> PUBREC #1"
        );
        assert_eq!(
            driver.feed(&make::ack_with_reason(
                PacketType::PubRel,
                1,
                "a long reason"
            )),
            ["> PUBCOMP #1"]
        );
        let said = driver.feed(&make::ack_with_reason(
            PacketType::PubRel,
            1,
            "a long reason",
        ));
        assert_eq!(
            said.last().unwrap(),
            "> PUBCOMP #1 PacketIdentifierNotFound"
        );
        let said = driver.feed(&make::ack_with_reason(
            PacketType::PubRec,
            1,
            "a long reason",
        ));
        assert_eq!(said.last().unwrap(), "> PUBREL #1 PacketIdentifierNotFound");
        if limit >= 8 {
            let _ = driver.publish(2, "a", "");
            let said = driver.feed(&make::ack_with_reason(
                PacketType::PubRec,
                1,
                "a long reason",
            ));
            assert_eq!(said, ["> PUBREL #1"]);
        }
    }
    4
}

/// PER-13: what the Client announced is the limit, to the byte; without it there is none.
fn received_packets_around_the_limit() -> u64 {
    let mut judged = 0;
    for limit in [7, 20, 127, 128, 129, 130, 200] {
        for size in limit - 2..=limit + 2 {
            let connect = [
                KEEPS[0],
                Property::MaximumPacketSize((limit as u32).try_into().unwrap()),
            ];
            let mut driver = Driver::new();
            let _ = driver.connect(&super::driver::connect_with(&connect));
            let _ = driver.feed(&[0x20, 3, 0, 0, 0]);
            assert!(driver.machine.is_connected());
            let Some(packet) = (0..size)
                .map(|n| make::publish(0, 0, "a", &"p".repeat(n)))
                .find(|packet| packet.len() == size)
            else {
                continue;
            };
            let said = driver.feed(&packet);
            if size <= limit {
                assert!(said[0].starts_with("message q0 a"), "{said:?}");
            } else {
                assert_eq!(
                    said,
                    ["> DISCONNECT PacketTooLarge", "close PacketTooLarge"]
                );
                driver.assert_dead();
            }
            judged += 1;
        }
    }
    let mut driver = Driver::connected();
    let said = driver.feed(&make::publish(0, 0, "a", &"p".repeat(3_000_000)));
    assert!(said[0].starts_with("message"));
    judged + 1
}

/// Section 3.2.2.3.6: the Client does not wait for a packet that it will not take.
fn refused_as_soon_as_the_length_is_known() {
    let connect = [
        KEEPS[0],
        Property::MaximumPacketSize(1_000.try_into().unwrap()),
    ];
    let mut driver = Driver::new().go(&connect, false, &[]);
    let said = driver.feed(&[0x30, 0xFF, 0x7F]);
    assert_eq!(
        said,
        ["> DISCONNECT PacketTooLarge", "close PacketTooLarge"]
    );
}

/// T19.4: a packet that has to be sent, but is larger than the Server's limit, ends the connection.
fn an_answer_that_the_server_cannot_take_closes() {
    for limit in 1..=3 {
        let mut driver = limited(Driver::new(), KEEPS, limit);
        let before = driver.wire.len();
        let said = driver.feed(&make::publish(1, 1, "a", ""));
        assert_eq!(said.last().unwrap(), "close CannotAnswer(PubAck)");
        assert!(driver.wire.len() - before <= limit as usize);
        driver.assert_dead();
    }
    // With a limit of 4 it is the shortest PUBACK.
    let mut driver = limited(Driver::new(), KEEPS, 4);
    assert_eq!(
        driver.feed(&make::publish(1, 1, "a", "")).last().unwrap(),
        "> PUBACK #1"
    );
    // Nothing of what the limit forbids is written at the end, either.
    let mut driver = limited(Driver::new(), KEEPS, 2);
    let before = driver.wire.len();
    let said = driver.feed(&[0x00, 0x00]);
    assert_eq!(said.last().unwrap(), "close ReservedPacketType");
    assert!(driver.wire.len() - before <= 2);
    let mut driver = limited(Driver::new(), KEEPS, 1);
    let now = driver.now;
    let before = driver.wire.len();
    let result = driver.machine.disconnect(now, ReasonCode::Success, &[]);
    let _ = driver.settle();
    assert!(
        result.is_ok() || matches!(result, Err(SendError::Forbidden(_))),
        "{result:?}"
    );
    assert!(driver.wire.len() == before);
}

/// MQTT-3.2.2-15: whatever happens, nothing that is written is above the limit.
fn no_packet_is_ever_too_large() {
    for limit in 1..40 {
        let mut connack = vec![Property::MaximumPacketSize(limit.try_into().unwrap())];
        connack.push(Property::TopicAliasMaximum(3));
        connack.push(Property::ServerKeepAlive(1));
        let steps: [fn(&mut Driver); 9] = [
            |driver| drop(driver.feed(&make::publish(1, 1, "a", ""))),
            |driver| drop(driver.feed(&make::publish(2, 1, "a", ""))),
            |driver| drop(driver.feed(&make::pubrel(5))),
            |driver| drop(driver.feed(&make::pubrec(5))),
            |driver| drop(driver.tick(1_000)),
            |driver| {
                let _ = driver.accept(super::driver::publication(2, "abc", "def", &[]));
            },
            |driver| {
                let _ = driver.try_subscribe(&["a", "b"], &[]);
            },
            |driver| {
                let _ = driver.try_unsubscribe(&["a", "b"], &[]);
            },
            |driver| drop(driver.feed(&[0xFF, 0xFF, 0xFF, 0xFF, 0xFF])),
        ];
        for step in steps {
            let mut driver = Driver::new().go(KEEPS, false, &connack);
            let mut before = driver.wire.len();
            step(&mut driver);
            let _ = driver.settle();
            while before < driver.wire.len() {
                let rest = &driver.wire[before..];
                let header = mqtt5_session_fsm::codec::framing::FixedHeader::peek(rest)
                    .unwrap()
                    .unwrap();
                assert!(header.packet_size() <= limit as usize);
                before += header.packet_size();
            }
        }
    }
}

/// Section 2.1.4: more than a Remaining Length can say is an error, with Topic Aliases or without.
fn what_no_packet_can_hold_is_refused() {
    let payload = vec![0; LARGEST_PACKET as usize];
    let publish = Publish::new(TopicName::new("a").unwrap(), &payload);
    for topic_aliases in [TopicAliases::Off, TopicAliases::Automatic(NonZeroU16::MIN)] {
        let config = ClientConfig {
            topic_aliases,
            ..ClientConfig::default()
        };
        let session = Session::of_client(SessionConfig::default());
        let connack = [Property::TopicAliasMaximum(1)];
        let mut driver = Driver::with(config, session).go(KEEPS, false, &connack);
        let (now, before) = (driver.now, driver.wire.len());
        let result = driver.machine.publish_now(now, &publish, &mut driver.wire);
        assert!(
            matches!(result, Err(PublishError::Invalid(_))),
            "{result:?}"
        );
        assert_eq!(driver.wire.len(), before);
    }
}
