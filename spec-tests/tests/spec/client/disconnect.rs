//! DISCONNECT in both directions (sections 3.14, 4.13).

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{
    MaximumQos, PacketType, Property, PropertyIdentifier, ReasonCode, Role, Text, UserProperty,
};

use super::driver::{Driver, KEEPS, Lines, connect_with, publication};
use super::make;

crate::check::checks! { "disconnect":
    client {
        Domain every_reason_code_of_a_client,
        Domain every_reason_code_of_the_server,
        Example nothing_follows_a_disconnect,
        Example nothing_answers_a_disconnect,
        Example what_is_left_of_the_input_is_dropped,
        Example properties_are_sent,
        Example properties_of_the_server_only,
        Example the_expiry_cannot_be_raised_from_0,
        Domain the_expiry_of_the_connect_counts,
        Example a_disconnect_needs_a_connection,
        Example server_reference_is_told,
        Example what_waits_outlives_a_disconnect,
    }
}

/// MQTT-3.14.4-1, -2, MQTT-4.13.2-1: with each code of Table 3-10 it is sent, and all is over.
fn every_reason_code_of_a_client() -> u64 {
    let mut judged = 0;
    for &code in ReasonCode::ALL {
        let mut driver = Driver::connected();
        let now = driver.now;
        let result = driver.machine.disconnect(now, code, &[]);
        let said = driver.settle();
        if code.allowed_from(PacketType::Disconnect, Role::Client) {
            assert_eq!(
                said,
                [
                    format!("> DISCONNECT {code:?}"),
                    format!("close Disconnected({code:?})")
                ]
            );
            driver.assert_dead();
        } else {
            assert!(matches!(result, Err(SendError::Invalid(_))), "{code:?}");
            assert_eq!(said, Lines::new());
            assert!(driver.machine.is_connected());
        }
        judged += 1;
    }
    judged
}

/// MQTT-4.13.2-1, section 3.14.4: the Client closes, and sends nothing itself.
fn every_reason_code_of_the_server() -> u64 {
    let mut judged = 0;
    for &code in ReasonCode::ALL {
        if !code.allowed_from(PacketType::Disconnect, Role::Server) {
            continue;
        }
        let mut driver = Driver::connected();
        let reason = [Property::ReasonString(Text::new("why").unwrap())];
        let said = driver.feed(&make::disconnect(code, &reason));
        assert_eq!(
            said,
            [
                format!("disconnect {code:?} ReasonString(\"why\")"),
                format!("close PeerDisconnected({code:?})"),
            ]
        );
        driver.assert_dead();
        judged += 1;
    }
    judged
}

/// MQTT-3.14.4-1: what the application wanted before and after it does not follow.
fn nothing_follows_a_disconnect() {
    let mut driver = Driver::announced(&[Property::ReceiveMaximum(1.try_into().unwrap())]);
    let now = driver.now;
    for qos in [1, 2, 1, 2] {
        driver.accept(publication(qos, "a", "", &[])).unwrap();
    }
    let mut input = &make::publish(2, 5, "a", "")[..];
    let _ = driver.machine.receive(now, &mut input);
    driver
        .machine
        .disconnect(now, ReasonCode::Success, &[])
        .unwrap();
    driver.accept(publication(0, "a", "", &[])).unwrap();
    let said = driver.settle();
    let at = said
        .iter()
        .position(|line| line.starts_with("> DISCONNECT"))
        .unwrap();
    assert!(
        !said[at + 1..].iter().any(|line| line.starts_with('>')),
        "{said:?}"
    );
    assert_eq!(said.last().unwrap(), "close Disconnected(Success)");
    let said = driver.publish(1, "a", "");
    assert_eq!(said, Lines::new());
    driver.assert_dead();
}

/// Section 3.14.4: acknowledgements that were not written yet are not written after it, either.
fn nothing_answers_a_disconnect() {
    let mut driver = Driver::connected();
    let mut bytes = make::publish(1, 1, "a", "");
    bytes.extend(make::disconnect(ReasonCode::SessionTakenOver, &[]));
    let now = driver.now;
    let mut input = &bytes[..];
    let _ = driver.machine.receive(now, &mut input);
    let _ = driver.machine.receive(now, &mut input);
    let said = driver.settle();
    assert_eq!(
        said.last().unwrap(),
        "close PeerDisconnected(SessionTakenOver)"
    );
    assert!(
        !said.iter().any(|line| line.contains("DISCONNECT")),
        "{said:?}"
    );
}

/// Section 3.14.4: packets behind the Server's DISCONNECT are not read.
fn what_is_left_of_the_input_is_dropped() {
    let mut driver = Driver::connected();
    let mut bytes = make::disconnect(ReasonCode::Success, &[]);
    bytes.extend(make::publish(1, 1, "a", ""));
    let said = driver.feed(&bytes);
    assert_eq!(
        said,
        ["disconnect Success", "close PeerDisconnected(Success)"]
    );
}

/// Section 3.14.2.2: what a Client may add.
fn properties_are_sent() {
    let mut driver = Driver::connected();
    let said = driver.disconnect(
        ReasonCode::DisconnectWithWillMessage,
        &[
            Property::SessionExpiryInterval(9),
            Property::ReasonString(Text::new("bye").unwrap()),
            Property::UserProperty(UserProperty::new("k", "v").unwrap()),
        ],
    );
    assert!(
        said[0].starts_with(
            "> DISCONNECT DisconnectWithWillMessage SessionExpiryInterval(9) ReasonString(\"bye\") \
             UserProperty"
        ),
        "{said:?}"
    );
}

/// Section 3.14.2.2.5: Server Reference is the Server's; other properties are none of DISCONNECT.
fn properties_of_the_server_only() {
    for property in [
        Property::ServerReference(Text::new("elsewhere").unwrap()),
        Property::MaximumQos(MaximumQos::AtMostOnce),
        Property::TopicAliasMaximum(1),
    ] {
        let mut driver = Driver::connected();
        let now = driver.now;
        let result = driver
            .machine
            .disconnect(now, ReasonCode::Success, &[property]);
        assert!(matches!(result, Err(SendError::Invalid(_))), "{result:?}");
        assert_eq!(driver.settle(), Lines::new());
        assert!(driver.machine.is_connected());
    }
}

/// PER-31, section 3.14.2.2.2: a Client must not set an interval that was 0.
fn the_expiry_cannot_be_raised_from_0() {
    for connect in [&[][..], &[Property::SessionExpiryInterval(0)]] {
        let mut driver = Driver::new().go(connect, false, &[]);
        let now = driver.now;
        for seconds in [1, u32::MAX] {
            let raised = [Property::SessionExpiryInterval(seconds)];
            assert_eq!(
                driver.machine.disconnect(now, ReasonCode::Success, &raised),
                Err(SendError::PropertyUnwanted(
                    PropertyIdentifier::SessionExpiryInterval
                ))
            );
            assert_eq!(driver.settle(), Lines::new());
        }
        let said = driver.disconnect(ReasonCode::Success, &[Property::SessionExpiryInterval(0)]);
        assert!(
            said.contains(&"> DISCONNECT Success SessionExpiryInterval(0)".into()),
            "{said:?}"
        );
    }
}

/// Section 3.14.2.2.2, T19.4: the value of the CONNECT packet decides whether there may be one, not that of the CONNACK;
/// also where an earlier connection of the Session had another, and before the CONNACK.
fn the_expiry_of_the_connect_counts() -> u64 {
    let mut judged = 0;
    for earlier in [None, Some(60)] {
        for asked in [None, Some(0), Some(300), Some(u32::MAX)] {
            for granted in [None, Some(0), Some(60)] {
                for connected in [true, false] {
                    for seconds in [0, 10, u32::MAX] {
                        let list = |value: Option<u32>| -> Vec<Property<'static>> {
                            value
                                .map(Property::SessionExpiryInterval)
                                .into_iter()
                                .collect()
                        };
                        let mut driver = Driver::new();
                        if earlier.is_some() {
                            driver = driver.go(&list(earlier), false, &[]);
                            let _ = driver.lose();
                        }
                        let _ = driver.connect(&connect_with(&list(asked)));
                        if connected {
                            let connack = make::connack(false, ReasonCode::Success, &list(granted));
                            let _ = driver.feed(&connack);
                        }
                        let now = driver.now;
                        let property = [Property::SessionExpiryInterval(seconds)];
                        let result = driver
                            .machine
                            .disconnect(now, ReasonCode::Success, &property);
                        if asked.unwrap_or(0) == 0 && seconds > 0 {
                            let unwanted = PropertyIdentifier::SessionExpiryInterval;
                            assert_eq!(result, Err(SendError::PropertyUnwanted(unwanted)));
                            assert!(driver.settle().is_empty());
                        } else {
                            assert_eq!(result, Ok(()));
                            let said = driver.settle();
                            let packet =
                                format!("> DISCONNECT Success SessionExpiryInterval({seconds})");
                            assert!(said.contains(&packet), "{said:?}");
                        }
                        judged += 1;
                    }
                }
            }
        }
    }
    judged
}

/// Section 3.14: the last packet of a Network Connection needs one.
fn a_disconnect_needs_a_connection() {
    let mut driver = Driver::new();
    let now = driver.now;
    let not_connected = Err(SendError::NotConnected);
    assert_eq!(
        driver.machine.disconnect(now, ReasonCode::Success, &[]),
        not_connected
    );
    driver.reconnect(KEEPS, false, &[]);
    let _ = driver.disconnect(ReasonCode::Success, &[]);
    assert_eq!(
        driver.machine.disconnect(now, ReasonCode::Success, &[]),
        not_connected
    );
    let _ = driver.lose();
    assert_eq!(
        driver.machine.disconnect(now, ReasonCode::Success, &[]),
        not_connected
    );
    assert_eq!(driver.settle(), Lines::new());
}

/// Section 4.11: where the Server wants the Client to go.
fn server_reference_is_told() {
    for code in [ReasonCode::UseAnotherServer, ReasonCode::ServerMoved] {
        let mut driver = Driver::connected();
        let reference = [Property::ServerReference(Text::new("b:1883").unwrap())];
        let said = driver.feed(&make::disconnect(code, &reference));
        assert_eq!(
            said[0],
            format!("disconnect {code:?} ServerReference(\"b:1883\")")
        );
    }
}

/// Section 4.1: messages that were accepted and not sent wait for the next connection.
fn what_waits_outlives_a_disconnect() {
    let mut driver = Driver::announced(&[Property::ReceiveMaximum(1.try_into().unwrap())]);
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(1, "a", "2");
    let _ = driver.disconnect(ReasonCode::Success, &[]);
    let _ = driver.lose();
    let said = driver.reconnect(KEEPS, true, &[]);
    assert_eq!(
        said,
        ["> PUBLISH q1 #1 dup a \"1\"", "> PUBLISH q1 #2 a \"2\""]
    );
}
