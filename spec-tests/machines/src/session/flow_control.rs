//! The peer's Receive Maximum (sections 3.1.2.11.3, 3.2.2.3.3, 3.3.4, 4.9).

use std::collections::VecDeque;

use mqtt5_session_fsm::codec::{PacketType, Property, ReasonCode};
use mqtt5_session_fsm::{Client, Server, SessionConfig};

use super::driver::{Driver, Lines, identifier_of};
use super::machine::Machine;
use super::make;

crate::check::checks! { "flow_control":
    both {
        Domain quota_is_the_receive_maximum,
        Example quota_without_receive_maximum,
        Example quota_is_never_above_65535,
        Domain own_limit_below_the_receive_maximum,
        Example qos0_passes_an_empty_quota,
        Domain what_gives_quota_back,
        Example pubrel_keeps_its_quota,
        Example quota_begins_anew_with_each_connection,
        Example resent_messages_use_quota,
        Domain resent_pubrel_uses_no_quota_and_gives_none,
        Example a_smaller_receive_maximum_holds_back_what_was_in_flight,
        Domain every_smaller_receive_maximum,
    }
    client {
        Example all_other_packets_pass_an_empty_quota,
    }
    server {
        Example all_else_goes_on_without_quota,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn maximum(receive_maximum: u16) -> [Property<'static>; 1] {
    [Property::ReceiveMaximum(
        receive_maximum.try_into().unwrap(),
    )]
}

/// The identifiers of the PUBLISH packets that were written.
fn sent(said: &[String]) -> Vec<u16> {
    let publishes = said.iter().filter(|line| line.starts_with("> PUBLISH q"));
    let identified = publishes.filter(|line| line.contains('#'));
    identified.map(|line| identifier_of(line)).collect()
}

fn publishes(said: &[String]) -> usize {
    sent(said).len()
}

/// How many of this number of messages with QoS 1 are sent at once.
fn sent_at_once<M: Machine>(driver: &mut Driver<M>, messages: usize) -> usize {
    (0..messages)
        .map(|_| publishes(&driver.publish(1, "a", "")))
        .sum()
}

/// MQTT-3.3.4-7, MQTT-3.3.4-9, MQTT-4.9.0-1, MQTT-4.9.0-2: never more in flight than the Receive Maximum.
fn quota_is_the_receive_maximum<M: Machine>() -> u64 {
    let mut judged = 0;
    for receive_maximum in (1..=40_u16).chain([999]) {
        let mut driver = Driver::<M>::announced(&maximum(receive_maximum));
        let messages = receive_maximum + (2 * receive_maximum).min(500);
        let mut open = VecDeque::new();
        for n in 0..messages {
            open.extend(sent(&driver.publish(1 + (n % 2) as u8, "a", "")));
            assert!(open.len() <= usize::from(receive_maximum));
        }
        assert_eq!(open.len(), usize::from(receive_maximum));
        // Each end of an exchange lets exactly one more go.
        for n in 1..=messages {
            let identifier = open.pop_front().unwrap();
            let refusal = make::ack(PacketType::PubRec, identifier, ReasonCode::QuotaExceeded);
            let mut said = driver.feed(&match n % 4 {
                1 | 3 => make::puback(identifier),
                2 => make::pubrec(identifier),
                _ => refusal,
            });
            if n % 4 == 2 {
                assert_eq!(said, [format!("> PUBREL #{identifier}")]);
                said = driver.feed(&make::pubcomp(identifier));
            }
            let more = sent(&said);
            let expected = usize::from(n <= messages - receive_maximum);
            assert_eq!(more.len(), expected, "message {n}: {said:?}");
            open.extend(more);
            judged += 1;
        }
        assert_eq!(driver.session().in_flight(), 0);
        assert_eq!(driver.session().waiting(), 0);
    }
    judged
}

/// Sections 3.1.2.11.3, 3.2.2.3.3: absent, it is 65,535.
fn quota_without_receive_maximum<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    assert_eq!(driver.machine.peer_limits().receive_maximum, 65_535);
    for _ in 0..u16::MAX {
        assert_eq!(publishes(&driver.publish(1, "a", "")), 1);
    }
    assert_eq!(driver.publish(1, "a", ""), nothing());
}

/// Section 4.9: acknowledgements of nothing do not let the quota grow above its first value.
fn quota_is_never_above_65535<M: Machine>() {
    let mut driver = Driver::<M>::announced(&maximum(2));
    for _ in 0..5 {
        let _ = driver.feed(&make::puback(40));
        let _ = driver.feed(&make::pubrec(41));
        let _ = driver.feed(&make::pubcomp(41));
        let _ = driver.feed(&make::ack(
            PacketType::PubRec,
            42,
            ReasonCode::UnspecifiedError,
        ));
    }
    assert_eq!(sent_at_once(&mut driver, 5), 2);
}

/// MQTT-4.9.0-1: the quota may be smaller than the Receive Maximum.
fn own_limit_below_the_receive_maximum<M: Machine>() -> u64 {
    let config = SessionConfig {
        in_flight: 3,
        ..SessionConfig::default()
    };
    for receive_maximum in [1, 2, 3, 10] {
        let driver = Driver::<M>::configured(config);
        let mut driver = driver.open(&[], &maximum(receive_maximum));
        let count = sent_at_once(&mut driver, 12);
        assert_eq!(count, usize::from(receive_maximum.min(3)));
    }
    4
}

/// Section 3.3.4: QoS 0 is not limited.
fn qos0_passes_an_empty_quota<M: Machine>() {
    let mut driver = Driver::<M>::announced(&maximum(1));
    let _ = driver.publish(1, "a", "1");
    assert_eq!(driver.publish(1, "a", "2"), nothing());
    assert_eq!(
        driver.publish(0, "a", "3"),
        ["> PUBLISH q0 a \"3\"", "t3 Sent"]
    );
}

/// Section 4.9: PUBACK, PUBCOMP, and PUBREC from 0x80 give one back; nothing else does.
fn what_gives_quota_back<M: Machine>() -> u64 {
    use PacketType::{PubAck, PubComp, PubRec, PubRel};
    // QoS in flight, whether PUBREC has come, what comes, with which identifier, whether it gives back.
    let rows = [
        (1, false, Some((PubAck, 1, 0x00)), true),
        (1, false, Some((PubAck, 1, 0x10)), true),
        (1, false, Some((PubAck, 1, 0x80)), true),
        (1, false, Some((PubAck, 2, 0x00)), false),
        (2, false, Some((PubRec, 1, 0x00)), false),
        (2, false, Some((PubRec, 1, 0x10)), false),
        (2, false, Some((PubRec, 1, 0x87)), true),
        (2, false, Some((PubRec, 7, 0x00)), false),
        (2, false, Some((PubComp, 7, 0x00)), false),
        (2, true, Some((PubRec, 1, 0x00)), false),
        (2, true, Some((PubRec, 1, 0x97)), true),
        (2, true, Some((PubComp, 1, 0x00)), true),
        (2, true, Some((PubComp, 1, 0x92)), true),
        (2, true, Some((PubRel, 1, 0x00)), false),
        (1, false, Some((PubRel, 1, 0x00)), false),
        (1, false, None, false),
        (2, true, None, false),
    ];
    let mut judged = 0;
    for (qos, released, comes, gives) in rows {
        let mut driver = Driver::<M>::announced(&maximum(1));
        let _ = driver.publish(qos, "a", "first");
        let _ = driver.publish(1, "a", "second");
        let _ = driver.publish(1, "a", "third");
        if released {
            let _ = driver.feed(&make::pubrec(1));
        }
        let said = match comes {
            Some((packet_type, identifier, code)) => {
                let code = ReasonCode::from_byte(code).unwrap();
                if !code.allowed_from(packet_type, M::PEER) {
                    continue;
                }
                driver.feed(&make::ack(packet_type, identifier, code))
            }
            None => {
                let mut said = driver.feed(&make::publish(2, 1, "b", ""));
                said.extend(driver.tick(1_000_000));
                said
            }
        };
        assert_eq!(
            publishes(&said),
            usize::from(gives),
            "{qos} {comes:?} {said:?}"
        );
        assert!(driver.machine.is_connected());
        judged += 1;
    }
    judged
}

/// Section 4.9: PUBREC below 0x80 does not end the exchange.
fn pubrel_keeps_its_quota<M: Machine>() {
    let mut driver = Driver::<M>::announced(&maximum(2));
    let _ = driver.publish(2, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.publish(2, "a", "3");
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    assert_eq!(driver.feed(&make::pubrec(2)), ["> PUBREL #2"]);
    assert_eq!(
        driver.feed(&make::pubcomp(2)),
        ["t2 pubcomp", "> PUBLISH q2 #3 a \"3\""]
    );
}

/// MQTT-4.9.0-1: each connection has the quota that its own handshake announces.
fn quota_begins_anew_with_each_connection<M: Machine>() {
    let mut driver = Driver::<M>::announced(&maximum(1));
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(1, "a", "2");
    let _ = driver.publish(1, "a", "3");
    let _ = driver.lose();
    let said = driver.reopen(&[], true, &maximum(3));
    assert_eq!(
        said,
        [
            "> PUBLISH q1 #1 dup a \"1\"",
            "> PUBLISH q1 #2 a \"2\"",
            "> PUBLISH q1 #3 a \"3\"",
        ]
    );
    for (before, after) in [(1, 3), (3, 1), (2, 2), (5, u16::MAX)] {
        let mut driver = Driver::<M>::announced(&maximum(before));
        assert_eq!(sent_at_once(&mut driver, 8), usize::from(before));
        let _ = driver.lose();
        let announced = maximum(after);
        let list = if after == u16::MAX {
            &[]
        } else {
            &announced[..]
        };
        let said = driver.reopen(&[], true, list);
        assert_eq!(publishes(&said), usize::from(after.min(8)));
    }
    // The Session is lost: the quota is whole again.
    let mut driver = Driver::<M>::announced(&maximum(2));
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(1, "a", "2");
    let _ = driver.lose();
    let _ = driver.reopen(&[], false, &maximum(2));
    assert_eq!(sent_at_once(&mut driver, 4), 2);
}

/// MQTT-4.9.0-2, MQTT-4.4.0-1: a PUBLISH that is sent again counts on the new connection, and what is new waits behind it.
fn resent_messages_use_quota<M: Machine>() {
    let mut driver = Driver::<M>::announced(&maximum(3));
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.lose();
    let said = driver.reopen(&[], true, &maximum(3));
    assert_eq!(publishes(&said), 2);
    assert_eq!(publishes(&driver.publish(1, "a", "3")), 1);
    assert_eq!(driver.publish(1, "a", "4"), nothing());

    let mut driver = Driver::<M>::connected();
    assert_eq!(sent_at_once(&mut driver, 5), 5);
    let _ = driver.lose();
    assert_eq!(sent(&driver.reopen(&[], true, &maximum(2))), [1, 2]);
    assert_eq!(driver.publish(1, "a", "new"), nothing());
    for (answered, next) in [(2, 3), (1, 4), (4, 5), (3, 6)] {
        let said = driver.feed(&make::puback(answered));
        assert_eq!(sent(&said), [next]);
        assert_eq!(said[1].contains(" dup "), next != 6, "{said:?}");
    }
}

/// Section 4.9: PUBREL takes no quota; its PUBCOMP gives none beyond the first value.
fn resent_pubrel_uses_no_quota_and_gives_none<M: Machine>() -> u64 {
    for released in 1..=4 {
        let mut driver = Driver::<M>::connected();
        for n in 1..=released {
            let _ = driver.publish(2, "a", "");
            let _ = driver.feed(&make::pubrec(n));
        }
        let _ = driver.lose();
        let said = driver.reopen(&[], true, &maximum(2));
        assert_eq!(publishes(&said), 0);
        assert_eq!(said.len(), usize::from(released), "{said:?}");
        let mut early = driver.clone();
        let mut count = sent_at_once(&mut early, 5);
        for driver in [&mut early, &mut driver] {
            for n in 1..=released {
                let said = driver.feed(&make::pubcomp(n));
                assert_eq!(said[0], format!("t{n} pubcomp"));
                count += publishes(&said);
            }
        }
        assert_eq!(count, 2, "outstanding PUBLISH packets");
        assert_eq!(sent_at_once(&mut driver, 5), 2);
    }
    4
}

/// MQTT-3.3.4-7: also the re-sends keep within the new Receive Maximum, in their order.
fn a_smaller_receive_maximum_holds_back_what_was_in_flight<M: Machine>() {
    let mut driver = Driver::<M>::announced(&maximum(6));
    for n in 1..=6 {
        let _ = driver.publish(1 + n % 2, "a", "");
    }
    let _ = driver.feed(&make::pubrec(3));
    let _ = driver.lose();
    let said = driver.reopen(&[], true, &maximum(2));
    assert!(said.contains(&"> PUBREL #3".into()));
    // Whether the exchange that waits for PUBCOMP counts is left open; two at a time are the most.
    let mut open = VecDeque::from(sent(&said));
    let mut all = sent(&said);
    for identifier in [1, 2, 4, 5, 6] {
        assert!(!open.is_empty() && open.len() <= 2);
        assert_eq!(open.pop_front(), Some(identifier));
        let mut said = match identifier % 2 {
            0 => driver.feed(&make::puback(identifier)),
            _ => driver.feed(&make::pubrec(identifier)),
        };
        if identifier % 2 == 1 {
            assert_eq!(said, [format!("> PUBREL #{identifier}")]);
            said = driver.feed(&make::pubcomp(identifier));
        }
        assert!(
            said.iter()
                .all(|line| !line.contains("PUBLISH") || line.contains(" dup "))
        );
        all.extend(sent(&said));
        open.extend(sent(&said));
    }
    assert_eq!(all, [1, 2, 4, 5, 6]);
    assert_eq!(driver.feed(&make::pubcomp(3)), ["t3 pubcomp"]);
}

/// MQTT-3.3.4-7: 12 unacknowledged messages, each smaller Receive Maximum of the next
/// connection: as many at once, the next when one is acknowledged, all of them as re-sends.
fn every_smaller_receive_maximum<M: Machine>() -> u64 {
    for receive_maximum in 1..=12 {
        let mut driver = Driver::<M>::connected();
        for n in 0..12 {
            let _ = driver.publish(1 + n % 2, "a", "");
        }
        let _ = driver.lose();
        let mut said = driver.reopen(&[], true, &maximum(receive_maximum));
        assert_eq!(sent(&said).len(), usize::from(receive_maximum));
        for n in 1..=12 {
            let mut more = match n % 2 {
                1 => driver.feed(&make::puback(n)),
                _ => driver.feed(&make::ack(PacketType::PubRec, n, ReasonCode::NotAuthorized)),
            };
            assert_eq!(sent(&more).len(), usize::from(n + receive_maximum <= 12));
            said.append(&mut more);
        }
        said.retain(|line| line.starts_with('>'));
        assert!(said.iter().all(|line| line.contains(" dup ")), "{said:?}");
        assert_eq!(sent(&said), (1..=12).collect::<Vec<_>>());
    }
    12
}

/// MQTT-3.3.4-8, MQTT-4.9.0-3: an empty quota delays no other packet, in either direction.
fn all_other_packets_pass_an_empty_quota() {
    let connect = [
        Property::SessionExpiryInterval(u32::MAX),
        Property::AuthenticationMethod("m".try_into().unwrap()),
    ];
    let announced = [
        Property::ReceiveMaximum(2.try_into().unwrap()),
        Property::ServerKeepAlive(10),
        Property::AuthenticationMethod("m".try_into().unwrap()),
    ];
    let mut driver = Driver::<Client>::new().open(&connect, &announced);
    let _ = driver.publish(2, "a", "1");
    let _ = driver.publish(1, "a", "2");
    assert_eq!(driver.publish(1, "a", "held"), nothing());
    assert_eq!(driver.subscribe(&["a"]), ["> SUBSCRIBE #3 a"]);
    assert_eq!(driver.unsubscribe(&["a"]), ["> UNSUBSCRIBE #4 a"]);
    assert_eq!(
        driver.feed(&make::publish(1, 1, "b", "")).last().unwrap(),
        "> PUBACK #1"
    );
    assert_eq!(
        driver.feed(&make::publish(2, 2, "b", "")).last().unwrap(),
        "> PUBREC #2"
    );
    assert_eq!(driver.feed(&make::pubrel(2)), ["> PUBCOMP #2"]);
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    assert_eq!(driver.tick(10_000), ["> PINGREQ"]);
    assert_eq!(driver.feed(make::PINGRESP), nothing());
    driver.machine.re_authenticate(&[]).unwrap();
    assert_eq!(driver.settle().len(), 1);
    let said = driver.feed(&make::suback(3, &[ReasonCode::Success]));
    assert_eq!(said, ["t4 suback [Success]"]);
    let said = driver.feed(&make::unsuback(4, &[ReasonCode::Success]));
    assert_eq!(said, ["t5 unsuback [Success]"]);
    assert_eq!(
        driver.disconnect(ReasonCode::Success, &[]),
        ["> DISCONNECT Success", "close Disconnected(Success)"]
    );
}

/// MQTT-3.3.4-10, MQTT-4.9.0-3: PINGRESP, SUBACK, PUBACK, PUBREC, PUBREL, PUBCOMP, PUBLISH of QoS 0, DISCONNECT.
fn all_else_goes_on_without_quota() {
    let mut driver = Driver::<Server>::announced(&maximum(1));
    let _ = driver.publish(2, "a", "1");
    assert_eq!(driver.publish(1, "a", "held"), nothing());
    assert_eq!(driver.feed(make::PINGREQ), ["> PINGRESP"]);
    assert_eq!(
        driver.feed(&make::publish(1, 1, "b", "")).last().unwrap(),
        "> PUBACK #1"
    );
    assert_eq!(
        driver.feed(&make::publish(2, 2, "b", "")).last().unwrap(),
        "> PUBREC #2"
    );
    assert_eq!(driver.feed(&make::pubrel(2)), ["> PUBCOMP #2"]);
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    assert_eq!(driver.feed(&make::subscribe(3, &["a"])), ["subscribe #3 a"]);
    let codes = [ReasonCode::GrantedQos1];
    let result = driver
        .machine
        .acknowledge_subscribe(driver.now, make::id(3), &codes, &[]);
    assert_eq!(result, Ok(()));
    assert_eq!(driver.settle(), ["> SUBACK #3 [GrantedQos1]"]);
    assert_eq!(driver.publish(0, "a", "0")[0], "> PUBLISH q0 a \"0\"");
    assert_eq!(
        driver.disconnect(ReasonCode::ServerBusy, &[]),
        ["> DISCONNECT ServerBusy", "close Disconnected(ServerBusy)"]
    );
}
