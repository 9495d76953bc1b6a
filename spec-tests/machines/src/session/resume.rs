//! Sections 4.1, 4.4: what a new Network Connection goes on with.

use mqtt5_session_fsm::codec::{
    Connect, Message, Packet, PacketType, Property, ProtocolVersion, Qos, ReasonCode,
};
use mqtt5_session_fsm::{Client, Publication, Server};

use super::driver::{Driver, Lines, connect_with};
use super::machine::Machine;
use super::make;

crate::check::checks! { "resume":
    both {
        Domain every_state_is_resumed,
        Example dup_marks_every_further_attempt,
        Example dup_of_what_was_never_written,
        Example released_messages_are_not_published_again,
        Example settled_messages_are_not_sent_again,
        Example qos0_is_not_sent_again,
        Example a_full_window_is_resumed,
        Example every_new_connection_sends_again,
        Example the_original_exchange_goes_on,
        Example the_receiver_does_nothing_by_itself,
        Example an_error_keeps_the_session,
        Example an_unfinished_packet_does_not_reach_the_next_connection,
    }
    client {
        Example a_timeout_keeps_the_session,
        Example the_session_outlives_the_connection,
        Example a_session_without_expiry_ends_with_the_connection,
        Example the_session_ends_when_it_expires,
        Domain session_expiry_to_the_millisecond,
        Example it_does_not_expire_while_the_server_is_asked_for_it,
        Example the_server_decides_on_the_expiry,
        Example the_disconnect_decides_on_the_expiry,
    }
    server {
        Example dup_of_the_client_is_not_copied,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

/// MQTT-4.4.0-1: each state of an exchange, over two resumptions, to its end.
fn every_state_is_resumed<M: Machine>() -> u64 {
    for resumptions in 1..=3 {
        let mut driver = Driver::<M>::connected();
        let _ = driver.publish(1, "a", "1");
        let _ = driver.publish(2, "a", "2");
        let _ = driver.publish(2, "a", "3");
        let _ = driver.feed(&make::pubrec(3));
        for _ in 0..resumptions {
            let mut said = driver.resume();
            said.sort();
            assert_eq!(
                said,
                [
                    "> PUBLISH q1 #1 dup a \"1\"",
                    "> PUBLISH q2 #2 dup a \"2\"",
                    "> PUBREL #3",
                ]
            );
            assert_eq!(driver.tick(1 << 40), nothing());
        }
        assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]);
        assert_eq!(driver.feed(&make::pubrec(2)), ["> PUBREL #2"]);
        assert_eq!(driver.feed(&make::pubcomp(3)), ["t3 pubcomp"]);
        assert_eq!(driver.feed(&make::pubcomp(2)), ["t2 pubcomp"]);
        assert_eq!(driver.resume(), nothing());
    }
    3
}

/// MQTT-3.3.1-1: DUP 1 on the second and every later attempt, and on no first one.
fn dup_marks_every_further_attempt<M: Machine>() {
    for qos in [1, 2] {
        let mut driver = Driver::<M>::connected();
        let first = driver.publish(qos, "a", "x");
        assert_eq!(first, [format!("> PUBLISH q{qos} #1 a \"x\"")]);
        for _ in 0..4 {
            assert_eq!(
                driver.resume(),
                [format!("> PUBLISH q{qos} #1 dup a \"x\"")]
            );
        }
    }
}

/// MQTT-3.3.1-1, MQTT-4.3.2-2: DUP 0 on the first attempt, also if it comes after a reconnection.
fn dup_of_what_was_never_written<M: Machine>() {
    let mut driver = Driver::<M>::announced(&[Property::ReceiveMaximum(1.try_into().unwrap())]);
    let _ = driver.publish(1, "a", "1");
    assert_eq!(driver.publish(1, "a", "2"), nothing());
    let _ = driver.lose();
    assert_eq!(driver.publish(2, "a", "3"), nothing());
    assert_eq!(driver.publish(0, "a", "4"), nothing());
    assert_eq!(
        driver.reopen(&[], true, &[]),
        [
            "> PUBLISH q1 #1 dup a \"1\"",
            "> PUBLISH q1 #2 a \"2\"",
            "> PUBLISH q2 #3 a \"3\"",
            "> PUBLISH q0 a \"4\"",
            "t4 Sent",
        ]
    );
}

/// MQTT-4.3.3-6: after PUBREL no PUBLISH any more; MQTT-4.3.3-5: PUBREL until PUBCOMP.
fn released_messages_are_not_published_again<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish(2, "a", "2");
    let _ = driver.feed(&make::pubrec(1));
    for _ in 0..3 {
        assert_eq!(driver.resume(), ["> PUBREL #1"]);
    }
    // Also if the PUBREL was not written before the connection was lost.
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish(2, "a", "2");
    let now = driver.now;
    assert_eq!(driver.machine.receive(now, &mut &make::pubrec(1)[..]), None);
    assert_eq!(driver.resume(), ["> PUBREL #1"]);
}

/// MQTT-4.4.0-2: PUBACK and PUBREC from 0x80 settle it, also if nothing was polled since.
fn settled_messages_are_not_sent_again<M: Machine>() {
    for (qos, packet_type) in [(1, PacketType::PubAck), (2, PacketType::PubRec)] {
        let mut driver = Driver::<M>::connected();
        let _ = driver.publish(qos, "a", "x");
        let bytes = make::ack(packet_type, 1, ReasonCode::QuotaExceeded);
        let now = driver.now;
        assert!(driver.machine.receive(now, &mut &bytes[..]).is_some());
        assert_eq!(driver.resume(), nothing());
    }
    let mut driver = Driver::<M>::connected();
    for qos in [1, 1, 2, 2] {
        let _ = driver.publish(qos, "a", "x");
    }
    let _ = driver.feed(&make::puback(1));
    let _ = driver.feed(&make::ack(PacketType::PubAck, 2, ReasonCode::NotAuthorized));
    let _ = driver.feed(&make::ack(PacketType::PubRec, 3, ReasonCode::QuotaExceeded));
    let _ = driver.feed(&make::pubrec(4));
    let _ = driver.feed(&make::pubcomp(4));
    assert_eq!(driver.resume(), nothing());
}

/// Section 4.4: QoS 0 messages are no part of it.
fn qos0_is_not_sent_again<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish(0, "a", "0");
    assert_eq!(driver.resume(), nothing());
}

/// MQTT-4.4.0-1: 65,535 messages in flight, all again, all with their identifiers.
fn a_full_window_is_resumed<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    driver.fill(u16::MAX);
    let said = driver.resume();
    assert_eq!(said.len(), 65_535);
    for (n, line) in said.iter().enumerate() {
        assert_eq!(*line, format!("> PUBLISH q1 #{} dup a \"\"", n + 1));
    }
}

/// MQTT-4.4.0-1: also if the connection before ended while sending again.
fn every_new_connection_sends_again<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    for _ in 1..=3 {
        let _ = driver.publish(1, "a", "x");
    }
    for left in (0..=3).rev() {
        let expected = (1..=left).map(|n| format!("> PUBLISH q1 #{n} dup a \"x\""));
        assert_eq!(driver.resume(), expected.collect::<Vec<_>>());
        if left > 0 {
            assert_eq!(
                driver.feed(&make::puback(left)),
                [format!("t{left} puback")]
            );
        }
    }
}

/// MQTT-2.2.1-5: the answers to what was sent again end the exchange, with the token of its beginning.
fn the_original_exchange_goes_on<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.publish(2, "a", "x");
    assert_eq!(driver.resume(), ["> PUBLISH q2 #1 dup a \"x\""]);
    assert_eq!(driver.feed(&make::pubrec(1)), ["> PUBREL #1"]);
    assert_eq!(driver.resume(), ["> PUBREL #1"]);
    let unknown = ReasonCode::PacketIdentifierNotFound;
    assert_eq!(
        driver.feed(&make::ack(PacketType::PubComp, 1, unknown)),
        ["t1 pubcomp PacketIdentifierNotFound"]
    );
}

/// MQTT-4.4.0-1: only PUBLISH and PUBREL are sent again; PUBREC waits for the PUBLISH or PUBREL.
fn the_receiver_does_nothing_by_itself<M: Machine>() {
    for qos in [1, 2] {
        let mut driver = Driver::<M>::connected();
        let _ = driver.feed(&make::publish(qos, 3, "a", "x"));
        assert_eq!(driver.resume(), nothing());
        let said = driver.feed(&make::publish_with(qos, 3, true, "a", "x", &[]));
        match qos {
            1 => assert_eq!(said, ["message q1 a \"x\"", "> PUBACK #3"]),
            _ => assert_eq!(said, ["> PUBREC #3"]),
        }
    }
}

/// MQTT-3.1.2-23, section 4.1: also when an error or either side's DISCONNECT ended the connection.
fn an_error_keeps_the_session<M: Machine>() {
    let ends: [fn(&mut Driver<M>) -> Lines; 4] = [
        |driver| driver.feed(&[0x00, 0x00]),
        |driver| driver.feed(&make::one_of_each(M::PEER)[0]),
        |driver| driver.feed(&make::disconnect(ReasonCode::UnspecifiedError, &[])),
        |driver| driver.disconnect(ReasonCode::UnspecifiedError, &[]),
    ];
    for end in ends {
        let mut driver = Driver::<M>::connected();
        let _ = driver.publish(1, "a", "1");
        let _ = driver.publish(2, "a", "2");
        let _ = driver.feed(&make::pubrec(2));
        let _ = driver.feed(&make::publish(2, 9, "a", "x"));
        let said = end(&mut driver);
        assert!(said.last().unwrap().starts_with("close"), "{said:?}");
        let mut said = driver.resume();
        said.sort();
        assert_eq!(said, ["> PUBLISH q1 #1 dup a \"1\"", "> PUBREL #2"]);
        let again = make::publish_with(2, 9, true, "a", "x", &[]);
        assert_eq!(driver.feed(&again), ["> PUBREC #9"]);
    }
}

/// Section 4.2: half a packet of the old connection is no beginning of the new one's.
fn an_unfinished_packet_does_not_reach_the_next_connection<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let packet = make::publish(1, 3, "topic", "payload");
    let now = driver.now;
    let mut input = &packet[..9];
    assert_eq!(driver.machine.receive(now, &mut input), None);
    assert_eq!(input.len(), 9, "left to the caller");
    assert_eq!(driver.resume(), nothing());
    let said = driver.feed(&packet);
    assert_eq!(said, ["message q1 topic \"payload\"", "> PUBACK #3"]);
}

/// MQTT-3.1.2-23: also when no PINGRESP came.
fn a_timeout_keeps_the_session() {
    let mut driver = Driver::<Client>::new();
    let connect = Connect {
        keep_alive: 60,
        ..connect_with(KEEPS)
    };
    let _ = driver.connect(&connect);
    let _ = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.feed(&make::pubrec(2));
    let _ = driver.tick(60_000);
    let said = driver.tick(10_000);
    assert!(said.last().unwrap().starts_with("close"), "{said:?}");
    let mut said = driver.resume();
    said.sort();
    assert_eq!(said, ["> PUBLISH q1 #1 dup a \"1\"", "> PUBREL #2"]);
}

/// The Session does not expire.
const KEEPS: &[Property<'_>] = &[Property::SessionExpiryInterval(u32::MAX)];

/// MQTT-3.1.2-23, MQTT-4.1.0-1: with an expiry interval above 0 the state is kept.
fn the_session_outlives_the_connection() {
    let connect = [Property::SessionExpiryInterval(60)];
    let mut driver = Driver::<Client>::new().go(&connect, false, &[]);
    let _ = driver.publish(1, "a", "1");
    let _ = driver.feed(&make::publish(2, 7, "a", ""));
    assert_eq!(
        driver.tick(3_600_000),
        nothing(),
        "connected: nothing expires"
    );
    assert_eq!(driver.lose(), nothing());
    assert_eq!(driver.tick(59_999), nothing());
    assert!(driver.session().exists());
    assert_eq!(
        driver.reconnect(&connect, true, &[]),
        ["> PUBLISH q1 #1 dup a \"1\""]
    );
    assert_eq!(
        driver.feed(&make::publish_with(2, 7, true, "a", "", &[])),
        ["> PUBREC #7"]
    );
}

/// Section 3.1.2.11.2: absent or 0: the Session ends when the connection closes.
fn a_session_without_expiry_ends_with_the_connection() {
    for connect in [&[][..], &[Property::SessionExpiryInterval(0)]] {
        let mut driver = Driver::<Client>::new().go(connect, false, &[]);
        let _ = driver.publish(1, "a", "1");
        assert_eq!(driver.lose(), ["t1 Indeterminate", "session ended"]);
        assert!(!driver.session().exists());
        assert_eq!(driver.reconnect(connect, false, &[]), nothing());
    }
}

/// Section 4.1: after the interval the Client has no state.
fn the_session_ends_when_it_expires() {
    let connect = [Property::SessionExpiryInterval(60)];
    let mut driver = Driver::<Client>::new().go(&connect, false, &[]);
    let _ = driver.publish(1, "a", "1");
    let _ = driver.lose();
    assert_eq!(driver.tick(60_000), ["t1 Indeterminate", "session ended"]);
    assert!(driver.connect(&connect_with(&connect))[0].contains(" clean"));
}

/// Section 3.1.2.11.2: the interval counts from the end of the connection, in seconds.
fn session_expiry_to_the_millisecond() -> u64 {
    let mut judged = 0;
    for seconds in [1, 2, 3, 59, 60, 3600, 65_536, 0x7FFF_FFFF, 0xFFFF_FFFE] {
        let connect = [Property::SessionExpiryInterval(seconds)];
        let mut driver = Driver::<Client>::new().go(&connect, false, &[]);
        driver.wait(12_345);
        let _ = driver.lose();
        let all = u64::from(seconds) * 1000;
        assert_eq!(driver.deadline(), Some(all));
        assert_eq!(driver.tick(all - 1), nothing());
        assert_eq!(driver.tick(1), ["session ended"]);
        judged += 1;
    }
    // 0xFFFF_FFFF: it does not expire.
    let mut driver = Driver::<Client>::connected();
    let _ = driver.lose();
    assert_eq!(driver.deadline(), None);
    assert_eq!(driver.tick(1 << 50), nothing());
    assert!(driver.session().exists());
    judged + 1
}

/// MQTT-3.2.2-4: between the CONNECT and its CONNACK the Session that was asked for is still there; if
/// no CONNACK comes, it ends as if there had been no attempt.
fn it_does_not_expire_while_the_server_is_asked_for_it() {
    const MINUTE: &[Property<'_>] = &[Property::SessionExpiryInterval(60)];
    let before = || {
        let mut driver = Driver::<Client>::new().go(MINUTE, false, &[]);
        let _ = driver.publish(1, "a", "x");
        let _ = driver.lose();
        let _ = driver.tick(55_000);
        let said = driver.connect(&connect_with(MINUTE));
        assert!(!said[0].contains("clean"), "{said:?}");
        assert_eq!(driver.tick(9_000), nothing());
        driver
    };
    let mut driver = before();
    let connack = make::connack(true, ReasonCode::Success, &[]);
    assert_eq!(
        driver.feed(&connack),
        ["connected present", "> PUBLISH q1 #1 dup a \"x\""]
    );
    let mut driver = before();
    assert_eq!(driver.lose(), ["t1 Indeterminate", "session ended"]);
    let mut driver = before();
    let said = driver.tick(1_000);
    assert_eq!(
        said,
        [
            "t1 Indeterminate",
            "session ended",
            "close TimedOut(ConnAck)"
        ]
    );
    let mut driver = before();
    let connack = make::connack(false, ReasonCode::Success, &[]);
    assert_eq!(
        driver.feed(&connack),
        ["t1 Indeterminate", "session ended", "connected"]
    );
}

/// Section 3.2.2.3.2: the interval of the CONNACK is used instead of that of the CONNECT.
fn the_server_decides_on_the_expiry() {
    for (asked, given) in [(60, 10), (10, 60), (0, 5), (u32::MAX, 7)] {
        let connect = [Property::SessionExpiryInterval(asked)];
        let connack = [Property::SessionExpiryInterval(given)];
        let mut driver = Driver::<Client>::new().go(&connect, false, &connack);
        assert_eq!(driver.lose(), nothing());
        assert_eq!(driver.deadline(), Some(u64::from(given) * 1000));
    }
    let connack = [Property::SessionExpiryInterval(0)];
    let mut driver = Driver::<Client>::new().go(KEEPS, false, &connack);
    assert_eq!(driver.lose(), ["session ended"]);
}

/// Section 3.14.2.2.2: the interval of the Client's DISCONNECT is used from then on.
fn the_disconnect_decides_on_the_expiry() {
    let mut driver = Driver::<Client>::connected();
    let said = driver.disconnect(ReasonCode::Success, &[Property::SessionExpiryInterval(5)]);
    assert_eq!(
        said,
        [
            "> DISCONNECT Success SessionExpiryInterval(5)",
            "close Disconnected(Success)"
        ]
    );
    let _ = driver.lose();
    assert_eq!(driver.tick(4_999), nothing());
    assert_eq!(driver.tick(1), ["session ended"]);
    let mut driver = Driver::<Client>::connected();
    let said = driver.disconnect(ReasonCode::Success, &[Property::SessionExpiryInterval(0)]);
    let ended = "session ended".to_string();
    assert!(said.contains(&ended) || driver.lose().contains(&ended));
}

/// MQTT-3.3.1-3: DUP of an incoming PUBLISH says nothing about the outgoing one.
fn dup_of_the_client_is_not_copied() {
    for qos in [1, 2] {
        let received = make::publish_with(qos, 1, true, "a", "x", &[]);
        let Ok(Packet::Publish(received)) = Packet::decode(ProtocolVersion::V5_0, &received) else {
            panic!("a PUBLISH");
        };
        let message = Message::new(&received).unwrap();
        let publication = Publication::new(Qos::from_bits(qos).unwrap(), message);
        let said = Driver::<Server>::connected().publish_with(publication);
        assert_eq!(said, [format!("> PUBLISH q{qos} #1 a \"x\"")]);
    }
}
