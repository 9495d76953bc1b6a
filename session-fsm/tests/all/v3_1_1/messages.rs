//! PUBLISH and its acknowledgements.

use core::time::Duration;

use mqtt5_session_fsm::codec::{
    Message, Properties, Property, Publish, Qos, ReasonCode, SubscriptionIdentifier, TopicName,
};
use mqtt5_session_fsm::{Cause, Publication, SendError, SubscriptionIdentifiers};

use super::wire::{NOW, Wire};

/// A message with everything that MQTT 3.1.1 cannot say.
fn rich(qos: Qos) -> Publication {
    let properties = [
        Property::MessageExpiryInterval(10),
        Property::ContentType(mqtt5_session_fsm::codec::Text::new("text").unwrap()),
    ];
    let publish = Publish {
        properties: Properties::new(&properties).unwrap(),
        ..Publish::new(TopicName::new("a").unwrap(), b"\x00hi")
    };
    let mut identifiers = SubscriptionIdentifiers::NONE;
    identifiers.push(SubscriptionIdentifier::new(7).unwrap());
    Publication {
        subscription_identifiers: identifiers,
        ..Publication::new(qos, Message::new(&publish).unwrap())
    }
}

/// Sections 3.3.2, 3.3.3: Topic Name, Packet Identifier, payload.
#[test]
fn properties_are_left_out() {
    for (qos, written) in [
        (Qos::AtMostOnce, "30 06 00 01 61 00 68 69"),
        (Qos::AtLeastOnce, "32 08 00 01 61 00 01 00 68 69"),
        (Qos::ExactlyOnce, "34 08 00 01 61 00 01 00 68 69"),
    ] {
        let mut wire = Wire::accepted(0x00);
        wire.server.publish(NOW, rich(qos)).unwrap();
        assert_eq!(wire.written(), written);
    }
    let mut wire = Wire::accepted(0x00);
    let mut out = Vec::new();
    let rich = rich(Qos::AtMostOnce);
    let publish = rich.message.publish();
    wire.server.publish_now(NOW, &publish, &mut out).unwrap();
    assert_eq!(out, [0x30, 6, 0, 1, b'a', 0, b'h', b'i']);
}

/// They are counted all the same: an expired message is not sent.
#[test]
fn messages_expire() {
    let mut wire = Wire::accepted(0x00);
    wire.server.connection_lost(NOW);
    let _ = wire.written();
    wire.server.publish(NOW, rich(Qos::AtLeastOnce)).unwrap();
    let session = wire.server.take_session(NOW).unwrap();
    let mut wire = Wire::resumed(session, 0x00);
    wire.now = NOW + Duration::from_secs(11);
    assert_eq!(wire.written(), "20 02 01 00");
}

/// Sections 4.3, 4.4: sent again with DUP after the connection, by whichever version comes.
#[test]
fn sent_again_by_the_other_version() {
    let mut wire = Wire::accepted(0x00);
    wire.server.publish(NOW, rich(Qos::AtLeastOnce)).unwrap();
    wire.server.publish(NOW, rich(Qos::ExactlyOnce)).unwrap();
    let first = "32 08 00 01 61 00 01 00 68 69 34 08 00 01 61 00 02 00 68 69";
    assert_eq!(wire.written(), first);
    assert_eq!(wire.send("50 02 0002"), "62 02 00 02");
    wire.server.connection_lost(NOW);
    let _ = wire.written();
    let session = wire.server.take_session(NOW).unwrap();
    let mut wire = Wire::new(super::wire::manual());
    let newer = "10 13 0004 4D515454 05 00 003C 05 11 00000064 0001 63";
    assert_eq!(wire.send(newer), "");
    wire.server.accept(NOW, Some(session), &[]).unwrap();
    let again = wire.written();
    assert!(again.starts_with("20 03 01 00 00"), "{again}");
    assert!(
        again
            .contains("3A 17 00 01 61 00 01 0E 03 00 04 74 65 78 74 02 00 00 00 0A 0B 07 00 68 69"),
        "{again}"
    );
    assert!(again.contains("62 02 00 02"), "{again}");
    wire.server.connection_lost(NOW);
    let session = wire.server.take_session(NOW).unwrap();
    let mut wire = Wire::resumed(session, 0x00);
    let again = wire.written();
    assert!(again.contains("3A 08 00 01 61 00 01 00 68 69"), "{again}");
}

/// Section 3.3.5: a message cannot be refused. The caller learns that, and chooses.
#[test]
fn refused_messages() {
    for (packet, answer) in [
        ("32 06 0001 61 0001 68", "40 02 00 01"),
        ("34 06 0001 61 0001 68", "50 02 00 01"),
    ] {
        let mut wire = Wire::accepted(0x00);
        assert_eq!(wire.send(packet), "");
        let receipt = wire.receipts[0];
        let code = ReasonCode::NotAuthorized;
        let refused = wire.server.acknowledge_with(receipt, code, &[]);
        assert_eq!(refused, Err(SendError::NotInVersion));
        let code = ReasonCode::NoMatchingSubscribers;
        wire.server.acknowledge_with(receipt, code, &[]).unwrap();
        assert_eq!(wire.written(), answer);
    }
}

/// Section 4.3.3: unknown identifiers are answered without a code.
#[test]
fn unknown_identifiers() {
    let mut wire = Wire::accepted(0x00);
    assert_eq!(wire.send("62 02 0009"), "70 02 00 09");
    assert_eq!(wire.send("50 02 0009"), "62 02 00 09");
    assert_eq!(wire.send("40 02 0009  70 02 0009"), "");
    assert!(wire.closed.is_none());
}

/// A peer that repeats within the connection, as section 4.4 allows.
#[test]
fn repetitions_within_the_connection() {
    let mut wire = Wire::accepted(0x00);
    assert_eq!(wire.send("34 06 0001 61 0001 68"), "");
    assert_eq!(wire.send("3C 06 0001 61 0001 68"), "");
    assert_eq!(wire.events, ["message a h"]);
    let receipt = wire.receipts[0];
    wire.server.acknowledge(receipt).unwrap();
    assert_eq!(wire.written(), "50 02 00 01");
    assert_eq!(wire.send("3C 06 0001 61 0001 68"), "50 02 00 01");
    assert_eq!(wire.send("62 02 0001"), "70 02 00 01");
    assert_eq!(wire.send("62 02 0001"), "70 02 00 01");
    assert_eq!(wire.events, ["message a h", "unknownidentifier"]);
    // QoS 1, while it waits for the application.
    assert_eq!(wire.send("32 06 0001 61 0002 68"), "");
    assert_eq!(wire.send("3A 06 0001 61 0002 68"), "");
    let receipt = wire.receipts[1];
    wire.server.acknowledge(receipt).unwrap();
    assert_eq!(wire.written(), "40 02 00 02");
    assert_eq!(wire.receipts.len(), 2);
}

/// An identifier that another exchange has: nothing can be said (no 0x91).
#[test]
fn identifiers_in_use() {
    let mut wire = Wire::accepted(0x00);
    assert_eq!(wire.send("34 06 0001 61 0001 68"), "");
    wire.server.acknowledge(wire.receipts[0]).unwrap();
    let _ = wire.written();
    assert_eq!(wire.send("32 06 0001 61 0001 68"), "");
    assert!(matches!(wire.closed, Some(Cause::PeerError(_))));
}

/// Section 3.2.2.2: a Client that has lost its Session may go on with that of the Server. It does not know the message that
/// still waits for the application, and releases it before it uses the Packet Identifier.
#[test]
fn a_client_without_its_session_releases_what_is_undecided() {
    for connect in [0x00, 0x02] {
        let mut wire = Wire::accepted(0x00);
        assert_eq!(wire.send("34 06 0001 74 0008 78"), "");
        assert_eq!(wire.events, ["message t x"]);
        // On the same connection nobody may release what was not acknowledged.
        let mut early = Wire::accepted(0x00);
        early.send("34 06 0001 74 0008 78");
        assert_eq!(early.send("62 02 0008"), "");
        assert!(early.closed.is_some());

        wire.server.connection_lost(NOW);
        let session = wire.server.take_session(NOW).unwrap();
        let receipt = wire.receipts[0];
        let mut wire = Wire::resumed(session, connect);
        if connect == 0x02 {
            // Clean Session 1: the receipt is void, too.
            assert_eq!(wire.written(), "20 02 00 00");
        } else {
            assert_eq!(wire.written(), "20 02 01 00");
            assert_eq!(wire.send("62 02 0008"), "70 02 00 08");
        }
        let answer = wire.server.acknowledge(receipt);
        assert_eq!(answer, Err(SendError::Stale));
        // The identifier is that of a new message.
        wire.events.clear();
        assert_eq!(wire.send("34 06 0001 74 0008 79"), "");
        assert_eq!(wire.events, ["message t y"]);
        wire.server.acknowledge(wire.receipts[0]).unwrap();
        assert_eq!(wire.written(), "50 02 00 08");
    }
}
