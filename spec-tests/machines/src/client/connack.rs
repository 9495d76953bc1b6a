//! What a CONNACK says, and what it must not say (section 3.2).

use mqtt5_session_fsm::codec::{
    Connect, MaximumQos, PacketType, Property, PropertyIdentifier, ReasonCode, Role, Text,
    UserProperty,
};

use mqtt5_session_fsm::SendError;

use super::driver::{Driver, KEEPS, connect_with};
use super::make;

crate::check::checks! { "connack":
    client {
        Example every_property_is_told,
        Domain assigned_client_identifier,
        Domain an_assigned_client_identifier_renames_the_session,
        Domain response_information,
        Example server_reference_and_reason_are_told,
        Example session_present_on_a_refusal,
        Domain acknowledge_flags,
        Domain reason_codes_below_0x80,
        Domain every_refusal_closes,
        Example a_refusal_keeps_the_session,
    }
}

/// Section 3.2.2.3: the application sees all of it.
fn every_property_is_told() {
    let connect = [
        KEEPS[0],
        Property::RequestResponseInformation(true),
        Property::AuthenticationMethod(Text::new("m").unwrap()),
    ];
    let text = Text::new("x").unwrap();
    let properties = [
        Property::SessionExpiryInterval(9),
        Property::ReceiveMaximum(8.try_into().unwrap()),
        Property::MaximumQos(MaximumQos::AtLeastOnce),
        Property::RetainAvailable(true),
        Property::MaximumPacketSize(7_000.try_into().unwrap()),
        Property::TopicAliasMaximum(6),
        Property::ReasonString(text),
        Property::UserProperty(UserProperty::new("k", "v").unwrap()),
        Property::WildcardSubscriptionAvailable(true),
        Property::SubscriptionIdentifierAvailable(true),
        Property::SharedSubscriptionAvailable(true),
        Property::ServerKeepAlive(5),
        Property::ResponseInformation(text),
        Property::ServerReference(text),
        Property::AuthenticationMethod(Text::new("m").unwrap()),
        Property::AuthenticationData(b"d"[..].try_into().unwrap()),
    ];
    let mut driver = Driver::new();
    let _ = driver.connect(&connect_with(&connect));
    let said = driver.feed(&make::connack(false, ReasonCode::Success, &properties));
    for property in properties {
        assert!(said[0].contains(&format!("{property:?}")), "{said:?}");
    }
    assert_eq!(PropertyIdentifier::ALL.len(), 27);
    assert_eq!(driver.machine.keep_alive(), 5);
    let limits = driver.machine.server_limits();
    assert_eq!(limits.receive_maximum, 8);
    assert_eq!(limits.maximum_packet_size, 7_000);
}

/// Section 3.2.2.3.7, MQTT-3.1.3-7: needed if the CONNECT had no ClientID, and used in any case.
fn assigned_client_identifier() -> u64 {
    for (given, assigned) in [("", false), ("", true), ("c", false), ("c", true)] {
        let mut driver = Driver::new();
        let connect = Connect {
            client_identifier: Text::new(given).unwrap(),
            ..connect_with(KEEPS)
        };
        let _ = driver.connect(&connect);
        let property = [Property::AssignedClientIdentifier(
            Text::new("new").unwrap(),
        )];
        let properties = if assigned { &property[..] } else { &[] };
        let said = driver.feed(&make::connack(false, ReasonCode::Success, properties));
        match (given, assigned) {
            ("", true) => assert_eq!(driver.machine.session().client_identifier(), "new"),
            ("", false) => assert_eq!(
                said.last().unwrap(),
                "close AssignedClientIdentifierMissing"
            ),
            (_, true) => assert_eq!(driver.machine.session().client_identifier(), "new"),
            (_, false) => assert_eq!(driver.machine.session().client_identifier(), "c"),
        }
        assert_eq!(driver.machine.is_connected(), !given.is_empty() || assigned);
        if !driver.machine.is_connected() {
            assert_eq!(said[0], "> DISCONNECT ProtocolError");
            driver.assert_dead();
        }
    }
    // A refusal assigns nothing.
    let mut driver = Driver::new();
    let connect = Connect {
        client_identifier: Text::default(),
        ..connect_with(KEEPS)
    };
    let _ = driver.connect(&connect);
    let said = driver.feed(&make::connack(
        false,
        ReasonCode::ClientIdentifierNotValid,
        &[],
    ));
    assert_eq!(said[0], "refused ClientIdentifierNotValid");
    5
}

/// Section 3.2.2.3.7: with Session Present 1 the Session goes on under the new ClientID; otherwise it has ended, with outcomes, and
/// the next one has the new ClientID.
fn an_assigned_client_identifier_renames_the_session() -> u64 {
    let assigned = [Property::AssignedClientIdentifier(
        Text::new("new").unwrap(),
    )];
    for given in ["c", ""] {
        for present in [false, true] {
            let mut driver = Driver::connected();
            let _ = driver.publish(1, "a", "1");
            let _ = driver.feed(&make::publish(2, 9, "a", "r"));
            let _ = driver.lose();
            let connect = Connect {
                client_identifier: Text::new(given).unwrap(),
                ..connect_with(KEEPS)
            };
            assert!(driver.connect(&connect)[0].starts_with("> CONNECT \"c\" Session"));
            let said = driver.feed(&make::connack(present, ReasonCode::Success, &assigned));
            if present {
                assert!(said[0].starts_with("connected present"), "{said:?}");
                assert_eq!(said[1..], ["> PUBLISH q1 #1 dup a \"1\""]);
                assert_eq!(driver.feed(&make::pubrel(9)), ["> PUBCOMP #9"]);
            } else {
                assert_eq!(said[..2], ["t1 Indeterminate", "session ended"]);
                assert!(said[2].starts_with("connected"), "{said:?}");
            }
            assert_eq!(driver.machine.session().client_identifier(), "new");
            // Whoever goes on names the new one, or none.
            let _ = driver.lose();
            let now = driver.now;
            assert_eq!(
                driver.machine.connect(now, &connect_with(KEEPS)),
                Err(SendError::ClientIdentifierDiffers)
            );
            let anonymous = Connect {
                client_identifier: Text::default(),
                ..connect_with(KEEPS)
            };
            assert!(driver.connect(&anonymous)[0].starts_with("> CONNECT \"new\" Session"));
        }
    }
    4
}

/// MQTT-3.1.2-28: Response Information only if it was requested.
fn response_information() -> u64 {
    for requested in [None, Some(false), Some(true)] {
        let mut connect = KEEPS.to_vec();
        connect.extend(requested.map(Property::RequestResponseInformation));
        let mut driver = Driver::new();
        let _ = driver.connect(&connect_with(&connect));
        let information = [Property::ResponseInformation(Text::new("base").unwrap())];
        let said = driver.feed(&make::connack(false, ReasonCode::Success, &information));
        if requested == Some(true) {
            assert_eq!(said, ["connected ResponseInformation(\"base\")"]);
        } else {
            assert_eq!(
                said,
                [
                    "> DISCONNECT ProtocolError",
                    "close ResponseInformationUnexpected"
                ]
            );
            driver.assert_dead();
        }
    }
    3
}

/// Sections 3.2.2.3.9, 3.2.2.3.16: also of a refusal.
fn server_reference_and_reason_are_told() {
    let mut driver = Driver::new();
    let _ = driver.connect(&connect_with(KEEPS));
    let properties = [
        Property::ServerReference(Text::new("b").unwrap()),
        Property::ReasonString(Text::new("moved").unwrap()),
    ];
    let said = driver.feed(&make::connack(false, ReasonCode::ServerMoved, &properties));
    assert_eq!(
        said[0],
        "refused ServerMoved ServerReference(\"b\") ReasonString(\"moved\")"
    );
}

/// MQTT-3.2.2-6: Session Present with an error is a Protocol Error.
fn session_present_on_a_refusal() {
    let mut driver = Driver::connected();
    let _ = driver.lose();
    let _ = driver.connect(&connect_with(KEEPS));
    let said = driver.feed(&[0x20, 3, 1, 0x87, 0]);
    assert!(said.last().unwrap().starts_with("close"), "{said:?}");
    assert!(driver.machine.session().exists());
    driver.assert_dead();
}

/// MQTT-3.2.2-1: bits 7 to 1 of the flags are 0.
fn acknowledge_flags() -> u64 {
    for flags in 2..=u8::MAX {
        let mut driver = Driver::new();
        let _ = driver.connect(&connect_with(KEEPS));
        let said = driver.feed(&[0x20, 3, flags, 0, 0]);
        assert_eq!(said.last().unwrap(), "close ConnectAcknowledgeFlags");
        driver.assert_dead();
    }
    254
}

/// Table 3-1: below 0x80 only 0x00 is a Reason Code of a CONNACK.
fn reason_codes_below_0x80() -> u64 {
    for code in 1..0x80 {
        let mut driver = Driver::new();
        let _ = driver.connect(&connect_with(KEEPS));
        let said = driver.feed(&[0x20, 3, 0, code, 0]);
        assert!(said.last().unwrap().starts_with("close"), "{said:?}");
        driver.assert_dead();
    }
    127
}

/// MQTT-4.13.2-1, section 3.2.2.2: after every Reason Code that refuses, the connection is over.
fn every_refusal_closes() -> u64 {
    let mut judged = 0;
    for &code in ReasonCode::ALL {
        if !code.is_error() || !code.allowed_from(PacketType::ConnAck, Role::Server) {
            continue;
        }
        let mut driver = Driver::new();
        let _ = driver.connect(&connect_with(&[]));
        let reason = [Property::ReasonString(Text::new("no").unwrap())];
        let said = driver.feed(&make::connack(false, code, &reason));
        assert_eq!(
            said,
            [
                format!("refused {code:?} ReasonString(\"no\")"),
                format!("close Refused({code:?})"),
            ]
        );
        driver.assert_dead();
        judged += 1;
    }
    assert_eq!(judged, 21, "Table 3-1");
    judged
}

/// MQTT-4.1.0-1, MQTT-3.1.2-23: a refusal says nothing about the Session; it is kept.
fn a_refusal_keeps_the_session() {
    let mut driver = Driver::connected();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.lose();
    let _ = driver.connect(&connect_with(KEEPS));
    let said = driver.feed(&make::connack(false, ReasonCode::ServerBusy, &[]));
    assert_eq!(said, ["refused ServerBusy", "close Refused(ServerBusy)"]);
    let said = driver.reconnect(KEEPS, true, &[]);
    assert_eq!(said, ["> PUBLISH q1 #1 dup a \"1\""]);
}
