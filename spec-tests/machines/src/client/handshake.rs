//! CONNECT, Clean Start, Session Present, ClientID (sections 3.1, 3.2.2.1.1).

use std::time::Duration;

use mqtt5_session_fsm::codec::framing::split;
use mqtt5_session_fsm::codec::{
    Binary, Connect, Packet, Properties, Property, ProtocolVersion, Qos, ReasonCode, Role, Text,
    TopicName, UserProperty, Will,
};
use mqtt5_session_fsm::{ClientConfig, SendError, Session, SessionConfig};

use super::driver::{Driver, KEEPS, Lines, connect_with, publication};
use super::make;

crate::check::checks! { "handshake":
    client {
        Example connect_is_the_first_packet,
        Example connect_is_the_first_packet_of_each_connection,
        Example nothing_but_connect_leaves_before_the_connack,
        Example connect_is_sent_as_given,
        Example no_state_means_clean_start,
        Domain session_present_rules,
        Example clean_start_discards_what_was_sent,
        Example clean_start_discards_what_was_received,
        Example clean_start_needs_session_present_0,
        Example lost_session_is_discarded,
        Example a_session_known_to_the_server_can_be_resumed,
        Example state_belongs_to_the_client_identifier,
        Example a_session_without_a_client_identifier_belongs_to_any,
        Example assigned_client_identifier_is_used_again,
        Domain connack_timeout_to_the_millisecond,
        Example a_lost_connection_attempt_keeps_the_session,
        Example bytes_of_the_old_connection_are_gone,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

/// MQTT-3.1.0-1: no packet before the CONNECT, whatever the application asks for.
fn connect_is_the_first_packet() {
    let mut driver = Driver::new();
    assert_eq!(driver.publish(0, "a", "0"), nothing());
    assert_eq!(driver.publish(1, "a", "1"), nothing());
    assert_eq!(
        driver.try_subscribe(&["a"], &[]),
        Err(SendError::NotConnected)
    );
    assert_eq!(
        driver.try_unsubscribe(&["a"], &[]),
        Err(SendError::NotConnected)
    );
    let now = driver.now;
    assert_eq!(
        driver.machine.disconnect(now, ReasonCode::Success, &[]),
        Err(SendError::NotConnected)
    );
    assert!(driver.machine.authenticate(&[]).is_err());
    assert!(driver.machine.re_authenticate(&[]).is_err());
    assert_eq!(driver.tick(1 << 40), nothing());
    assert!(driver.wire.is_empty());
    assert_eq!(
        driver.connect(&connect_with(&[]))[0],
        "> CONNECT \"c\" clean"
    );
}

/// MQTT-3.1.0-1: the same after a Network Connection is gone.
fn connect_is_the_first_packet_of_each_connection() {
    let mut driver = Driver::connected();
    assert_eq!(driver.lose(), nothing());
    assert_eq!(driver.publish(1, "a", "1"), nothing());
    assert_eq!(
        driver.try_subscribe(&["a"], &[]),
        Err(SendError::NotConnected)
    );
    assert_eq!(driver.tick(1 << 40), nothing());
    let said = driver.connect(&connect_with(KEEPS));
    assert!(said[0].starts_with("> CONNECT"), "{said:?}");
}

/// Section 3.1.4: early packets could break limits that are not known yet; this Client waits.
fn nothing_but_connect_leaves_before_the_connack() {
    let mut driver = Driver::new();
    let _ = driver.publish(1, "a", "early");
    let said = driver.connect(&connect_with(&[]));
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(driver.publish(0, "a", "0"), nothing());
    assert_eq!(driver.subscribe(&["a"]), nothing());
    assert!(!driver.machine.is_connected());
    let said = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
    assert_eq!(
        said,
        [
            "connected",
            "> SUBSCRIBE #1 a",
            "> PUBLISH q1 #2 a \"early\"",
            "> PUBLISH q0 a \"0\"",
            "t2 Sent"
        ]
    );
    assert!(driver.machine.is_connected());
}

/// Section 3.1: CONNECT with every property, Will, User Name and Password.
fn connect_is_sent_as_given() {
    let properties = [
        Property::SessionExpiryInterval(7),
        Property::ReceiveMaximum(5.try_into().unwrap()),
        Property::MaximumPacketSize(1000.try_into().unwrap()),
        Property::TopicAliasMaximum(3),
        Property::RequestResponseInformation(true),
        Property::RequestProblemInformation(false),
        Property::UserProperty(UserProperty::new("k", "v").unwrap()),
        Property::UserProperty(UserProperty::new("k", "w").unwrap()),
        Property::AuthenticationMethod(Text::new("m").unwrap()),
        Property::AuthenticationData(Binary::new(b"d").unwrap()),
    ];
    let will_properties = [
        Property::WillDelayInterval(9),
        Property::MessageExpiryInterval(10),
        Property::ContentType(Text::new("text").unwrap()),
        Property::ResponseTopic(TopicName::new("r").unwrap()),
        Property::CorrelationData(Binary::new(b"c").unwrap()),
        Property::UserProperty(UserProperty::new("x", "y").unwrap()),
    ];
    let connect = Connect {
        version: ProtocolVersion::V5_0,
        clean_start: true,
        keep_alive: 300,
        properties: Properties::new(&properties).unwrap(),
        client_identifier: Text::new("sensor").unwrap(),
        will: Some(Will {
            qos: Qos::ExactlyOnce,
            retain: true,
            properties: Properties::new(&will_properties).unwrap(),
            topic: TopicName::new("will").unwrap(),
            payload: Binary::new(b"gone").unwrap(),
        }),
        user_name: Some(Text::new("u").unwrap()),
        password: Some(Binary::new(b"p").unwrap()),
    };
    let mut driver = Driver::new();
    let _ = driver.connect(&connect);
    assert_eq!(
        Packet::decode_from(ProtocolVersion::V5_0, Role::Client, &driver.wire),
        Ok(Packet::Connect(connect))
    );
}

/// Section 3.2.2.1.1: a Client without state cannot go on with a Session; so it asks for none.
fn no_state_means_clean_start() {
    let mut driver = Driver::new();
    assert!(driver.connect(&connect_with(KEEPS))[0].contains(" clean"));
    let mut driver = Driver::connected();
    let _ = driver.lose();
    assert!(!driver.connect(&connect_with(KEEPS))[0].contains(" clean"));
    // Expiry 0: the Session is over with the connection.
    let mut driver = Driver::new().go(&[], false, &[]);
    let _ = driver.lose();
    assert!(driver.connect(&connect_with(&[]))[0].contains(" clean"));
}

/// MQTT-3.2.2-4, MQTT-3.2.2-5: state or none, Session Present 1 or 0.
fn session_present_rules() -> u64 {
    for (has_state, present) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut driver = Driver::new();
        if has_state {
            driver = Driver::connected();
            let _ = driver.publish(1, "a", "1");
            let _ = driver.lose();
        }
        let _ = driver.connect(&connect_with(KEEPS));
        let said = driver.feed(&make::connack(present, ReasonCode::Success, &[]));
        match (has_state, present) {
            (false, false) => assert_eq!(said, ["connected"]),
            (false, true) => {
                assert_eq!(said.last().unwrap(), "close SessionPresentUnexpected");
                driver.assert_dead();
            }
            (true, false) => assert_eq!(said, ["t1 Indeterminate", "session ended", "connected"]),
            (true, true) => assert_eq!(said, ["connected present", "> PUBLISH q1 #1 dup a \"1\""]),
        }
    }
    4
}

/// MQTT-3.1.2-4: what was in flight is not sent again, and its outcome is reported as unknown.
fn clean_start_discards_what_was_sent() {
    let mut driver = Driver::connected();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.publish(2, "a", "3");
    let _ = driver.feed(&make::pubrec(3));
    let _ = driver.lose();
    let connect = Connect {
        clean_start: true,
        ..connect_with(KEEPS)
    };
    let mut said = driver.connect(&connect);
    said.extend(driver.feed(&make::connack(false, ReasonCode::Success, &[])));
    said.sort();
    assert_eq!(
        said,
        [
            "> CONNECT \"c\" clean SessionExpiryInterval(4294967295)",
            "connected",
            "session ended",
            "t1 Indeterminate",
            "t2 Indeterminate",
            "t3 Indeterminate",
        ]
    );
    // The identifiers are free again: the acknowledgement of the old message is none of the new.
    assert_eq!(driver.machine.session().in_flight(), 0);
}

/// MQTT-3.1.2-4: a QoS 2 identifier that the Server had in use means nothing any more.
fn clean_start_discards_what_was_received() {
    let mut driver = Driver::connected();
    let _ = driver.feed(&make::publish(2, 5, "a", "old"));
    let _ = driver.lose();
    let connect = Connect {
        clean_start: true,
        ..connect_with(KEEPS)
    };
    let _ = driver.connect(&connect);
    let _ = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
    assert_eq!(
        driver.feed(&make::publish(2, 5, "a", "new")),
        ["message q2 a \"new\"", "> PUBREC #5"]
    );
}

/// Section 3.2.2.1.1: with Clean Start 1 the Client has no state, so Session Present 1 is wrong (MQTT-3.2.2-4).
fn clean_start_needs_session_present_0() {
    let mut driver = Driver::connected();
    let _ = driver.lose();
    let connect = Connect {
        clean_start: true,
        ..connect_with(KEEPS)
    };
    let _ = driver.connect(&connect);
    let said = driver.feed(&make::connack(true, ReasonCode::Success, &[]));
    assert_eq!(said.last().unwrap(), "close SessionPresentUnexpected");
    driver.assert_dead();
}

/// MQTT-3.2.2-5: both halves are empty after Session Present 0; what was never sent still goes.
fn lost_session_is_discarded() {
    let mut driver = Driver::connected();
    let _ = driver.publish(2, "a", "sent");
    let _ = driver.feed(&make::publish(2, 5, "a", "old"));
    let _ = driver.lose();
    let _ = driver.publish(1, "a", "waits");
    let said = driver.reconnect(KEEPS, false, &[]);
    assert_eq!(
        said,
        [
            "t1 Indeterminate",
            "session ended",
            "> PUBLISH q1 #1 a \"waits\""
        ]
    );
    assert_eq!(
        driver.feed(&make::publish(2, 5, "a", "new")),
        ["message q2 a \"new\"", "> PUBREC #5"]
    );
}

/// MQTT-3.2.2-4 asks whether the Client has state: its owner may say that it has, although it is empty. What the Server
/// holds it is asked to release before anything is sent, lest it takes a new message for an old one (4.3.3).
fn a_session_known_to_the_server_can_be_resumed() {
    let session = Session::of_client_known_to_server("c", SessionConfig::default());
    let mut driver = Driver::with(ClientConfig::default(), session);
    assert!(!driver.connect(&connect_with(KEEPS))[0].contains(" clean"));
    let said = driver.feed(&make::connack(true, ReasonCode::Success, &[]));
    let mut expected = vec!["connected present".to_owned()];
    expected.extend((1..=16).map(|id| format!("> PUBREL #{id}")));
    assert_eq!(said, expected);
}

/// MQTT-3.1.3-2: the state of one ClientID is never used for another.
fn state_belongs_to_the_client_identifier() {
    let mut driver = Driver::connected();
    let _ = driver.publish(1, "a", "for c");
    let _ = driver.lose();
    let other = Connect {
        client_identifier: Text::new("d").unwrap(),
        ..connect_with(KEEPS)
    };
    let now = driver.now;
    assert_eq!(
        driver.machine.connect(now, &other),
        Err(SendError::ClientIdentifierDiffers)
    );
    assert_eq!(driver.settle(), nothing());
    assert_eq!(driver.machine.session().client_identifier(), "c");
    let said = driver.reconnect(KEEPS, true, &[]);
    assert_eq!(said, ["> PUBLISH q1 #1 dup a \"for c\""]);
}

/// Section 3.2.2.3.7, MQTT-3.1.3-2: what the Server assigned names the Session from then on.
fn assigned_client_identifier_is_used_again() {
    let mut driver = Driver::new();
    let anonymous = Connect {
        client_identifier: Text::default(),
        ..connect_with(KEEPS)
    };
    assert!(driver.connect(&anonymous)[0].starts_with("> CONNECT \"\" clean"));
    let assigned = [Property::AssignedClientIdentifier(
        Text::new("auto-1").unwrap(),
    )];
    let _ = driver.feed(&make::connack(false, ReasonCode::Success, &assigned));
    assert_eq!(driver.machine.session().client_identifier(), "auto-1");
    let _ = driver.publish(1, "a", "1");
    let _ = driver.lose();
    assert!(driver.connect(&anonymous)[0].starts_with("> CONNECT \"auto-1\" Session"));
    let said = driver.feed(&make::connack(true, ReasonCode::Success, &[]));
    assert_eq!(said, ["connected present", "> PUBLISH q1 #1 dup a \"1\""]);
}

/// Section 3.2: a Client that gets no CONNACK in reasonable time closes; not a millisecond early.
fn connack_timeout_to_the_millisecond() -> u64 {
    for seconds in 1..=30 {
        let config = ClientConfig {
            connack_timeout: Duration::from_secs(seconds),
            ..ClientConfig::default()
        };
        let session = Session::of_client(SessionConfig::default());
        let mut driver = Driver::with(config, session);
        let _ = driver.connect(&connect_with(&[]));
        assert_eq!(driver.deadline(), Some(seconds * 1000));
        assert_eq!(driver.tick(seconds * 1000 - 1), nothing());
        assert_eq!(driver.tick(1), ["close TimedOut(ConnAck)"]);
        driver.assert_dead();
    }
    30
}

/// MQTT-3.1.2-23: nor does a Network Connection that breaks before the CONNACK.
fn a_lost_connection_attempt_keeps_the_session() {
    let mut driver = Driver::connected();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.lose();
    for _ in 0..3 {
        let _ = driver.connect(&connect_with(KEEPS));
        assert_eq!(driver.lose(), nothing());
    }
    let said = driver.reconnect(KEEPS, true, &[]);
    assert_eq!(said, ["> PUBLISH q1 #1 dup a \"1\""]);
}

/// Section 4.2: what was to be written on one Network Connection does not reach the next.
fn bytes_of_the_old_connection_are_gone() {
    let mut driver = Driver::connected();
    let now = driver.now;
    driver.accept(publication(0, "a", "0", &[])).unwrap();
    driver.try_subscribe(&["a"], &[]).unwrap();
    let mut input = &make::publish(1, 9, "a", "x")[..];
    let _ = driver.machine.receive(now, &mut input);
    // Nothing of this was polled.
    driver.machine.connection_lost(now);
    driver.machine.connect(now, &connect_with(KEEPS)).unwrap();
    let said = driver.settle();
    let written: Vec<_> = said.iter().filter(|line| line.starts_with('>')).collect();
    assert_eq!(written.len(), 1, "{said:?}");
    let said = driver.feed(&make::connack(true, ReasonCode::Success, &[]));
    assert!(
        !said
            .iter()
            .any(|line| line.contains("PUBACK") || line.contains("> SUBSCRIBE")),
        "{said:?}"
    );
    assert!(split(&driver.wire, u32::MAX).is_ok());
}

/// Section 3.1.3.1: a ClientID of zero length identifies nobody, so it is not another one.
fn a_session_without_a_client_identifier_belongs_to_any() {
    let session = Session::of_client_known_to_server("", SessionConfig::default());
    let mut driver = Driver::with(ClientConfig::default(), session);
    let connect = Connect {
        clean_start: false,
        ..connect_with(KEEPS)
    };
    assert!(!connect.client_identifier.is_empty());
    assert_eq!(driver.machine.connect(driver.now, &connect), Ok(()));
}
