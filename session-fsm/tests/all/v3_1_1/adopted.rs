//! A Client that has lost its Session goes on with that of the Server (section 3.2.2.2). The Server may hold Packet
//! Identifiers of messages with QoS 2 that the Client sent before, and throws new ones away that have the same.

use core::fmt::Write;

use mqtt5_session_fsm::codec::{Connect, ProtocolVersion, Qos};
use mqtt5_session_fsm::{ClientConfig, Session, SessionConfig};

use super::client_wire::{ClientWire, packet};
use super::wire::NOW;

/// A packet of four bytes with each of these identifiers.
fn packets(first_byte: u8, identifiers: core::ops::RangeInclusive<u16>) -> String {
    let mut line = String::new();
    for identifier in identifiers {
        let [high, low] = identifier.to_be_bytes();
        write!(line, " {first_byte:02X} 02 {high:02X} {low:02X}").unwrap();
    }
    line.trim_start().to_owned()
}

/// A Client whose Session the Server has, and it has not.
fn adopted() -> ClientWire {
    let mut wire = ClientWire::new();
    wire.connect(false);
    assert_eq!(wire.receive("20 02 01 00"), packets(0x62, 1..=16));
    assert_eq!(wire.take_events(), ["connected"]);
    wire
}

/// [MQTT3-4.3.3-2]: with the PUBCOMP the Server has forgotten the identifier. Until then nothing has one.
#[test]
fn no_identifier_is_used_that_the_server_may_hold() {
    let mut wire = adopted();
    wire.publish(Qos::ExactlyOnce, "1");
    wire.publish(Qos::AtLeastOnce, "2");
    wire.client.subscribe_to("a", Qos::AtMostOnce).unwrap();
    wire.client.unsubscribe_from("b").unwrap();
    assert_eq!(wire.poll(), "");
    assert_eq!(wire.client.unsettled().count(), 4);
    wire.publish(Qos::AtMostOnce, "0");
    assert_eq!(wire.poll(), "30 04 00 01 74 30");
    // In any order.
    let mut answers = packets(0x70, 1..=9);
    answers += &packets(0x70, 11..=16);
    assert_eq!(wire.receive(&answers), "");
    assert_eq!(
        wire.receive("70 02 00 0A"),
        "82 06 00 01 00 01 61 00 A2 05 00 02 00 01 62 \
         34 06 00 01 74 00 03 31 32 06 00 01 74 00 04 32"
    );
    assert_eq!(wire.take_events(), ["outcome sent"]);
    assert!(wire.client.session().is_adopted());
    // A PUBCOMP that nothing asks for is reported.
    assert_eq!(wire.receive("70 02 00 0A"), "");
    assert_eq!(wire.take_events(), ["unknownidentifier"]);
}

/// When all that were released are in use, more are asked for: each time as many again.
#[test]
fn more_identifiers_are_released_when_they_are_needed() {
    let mut wire = adopted();
    assert_eq!(wire.receive(&packets(0x70, 1..=16)), "");
    for _ in 0..16 {
        wire.publish(Qos::AtLeastOnce, "x");
    }
    assert_eq!(wire.poll().matches("32 06").count(), 16);
    wire.publish(Qos::AtLeastOnce, "x");
    assert_eq!(wire.poll(), packets(0x62, 17..=32));
    // A new Network Connection asks again, for all of which the PUBCOMP did not come.
    assert_eq!(wire.receive(&packets(0x70, 17..=31)), "");
    wire.client.connection_lost(NOW);
    wire.connect(false);
    let again = wire.receive("20 02 01 00");
    assert_eq!(again.matches("3A 06").count(), 16);
    assert!(again.contains(&packets(0x62, 17..=32)), "{again}");
    assert_eq!(
        wire.receive(&packets(0x70, 17..=32)),
        "32 06 00 01 74 00 11 78"
    );
}

/// Identifiers that are free again are used before more are asked for.
#[test]
fn one_message_at_a_time_needs_no_more() {
    let mut wire = adopted();
    wire.receive(&packets(0x70, 1..=16));
    for _ in 0..100 {
        wire.publish(Qos::AtLeastOnce, "x");
        let written = wire.poll();
        assert!(written.starts_with("32 06"), "{written}");
        assert_eq!(wire.receive(&format!("40 02 {}", &written[15..20])), "");
    }
}

/// Clean Session 1 ends it: the Server has nothing either.
#[test]
fn a_new_session_has_all_identifiers() {
    let mut wire = adopted();
    wire.connect(true);
    assert_eq!(wire.receive("20 02 00 00"), "");
    assert_eq!(wire.take_events(), ["sessionended", "connected"]);
    assert!(!wire.client.session().is_adopted());
    wire.publish(Qos::ExactlyOnce, "1");
    assert_eq!(wire.poll(), "34 06 00 01 74 00 01 31");
}

/// What waits for an identifier ends with the connection, as what waits for the CONNACK does.
#[test]
fn requests_that_wait_end_with_the_connection() {
    let mut wire = adopted();
    wire.client.subscribe_to("a", Qos::AtMostOnce).unwrap();
    wire.publish(Qos::ExactlyOnce, "1");
    wire.client.connection_lost(NOW);
    wire.poll();
    assert_eq!(wire.take_events(), ["outcome notsent"]);
    assert_eq!(wire.client.session().waiting(), 1);
}

/// In MQTT 5 the application says that the Server has the Session; the PUBCOMPs may have 0x92.
#[test]
fn mqtt_5_has_the_same_care() {
    let config = SessionConfig::default();
    let session = Session::of_client_known_to_server("c", config);
    let mut wire = ClientWire::with(ClientConfig::default(), session);
    let connect = Connect {
        version: ProtocolVersion::V5_0,
        ..packet(false)
    };
    wire.client.connect(NOW, &connect).unwrap();
    wire.poll();
    assert_eq!(wire.receive("20 03 01 00 00"), packets(0x62, 1..=16));
    wire.publish(Qos::ExactlyOnce, "1");
    assert_eq!(wire.poll(), "");
    assert_eq!(wire.receive(&packets(0x70, 1..=15)), "");
    assert_eq!(wire.receive("70 03 00 10 92"), "34 07 00 01 74 00 01 00 31");
    assert_eq!(wire.take_events(), ["connected"]);
}

/// A process that ends meanwhile knows it afterwards.
#[cfg(feature = "persistence")]
#[test]
fn it_is_stored() {
    use mqtt5_session_fsm::{Change, Output};

    let config = SessionConfig {
        persistent: true,
        ..SessionConfig::default()
    };
    let stored = Session::of_client(config).export();
    for released in [0, 16] {
        let session = Session::restore(NOW, &stored, config).unwrap();
        let mut wire = ClientWire::with(ClientConfig::default(), session);
        let mut log = Vec::new();
        wire.connect(false);
        let input = super::wire::bytes(&format!("20 02 01 00 {}", packets(0x70, 1..=released)));
        let mut input = &input[..];
        while wire.client.receive(NOW, &mut input).is_some() {
            while let Some(output) = wire.client.poll(NOW, &mut Vec::new()) {
                if let Output::Persist(change) = output {
                    log.push(change.to_bytes());
                }
            }
        }
        while let Some(output) = wire.client.poll(NOW, &mut Vec::new()) {
            if let Output::Persist(change) = output {
                log.push(change.to_bytes());
            }
        }
        let mut replayed = Session::restore(NOW, &stored, config).unwrap();
        for change in &log {
            let change = Change::from_bytes(change).unwrap();
            replayed.apply(NOW, &change).unwrap();
        }
        let exported = [wire.client.session().export(), replayed.export()];
        for bytes in exported {
            let session = Session::restore(NOW, &bytes, config).unwrap();
            assert!(session.is_adopted());
            let mut wire = ClientWire::with(ClientConfig::default(), session);
            wire.connect(false);
            wire.publish(Qos::ExactlyOnce, "1");
            let written = match released {
                0 => packets(0x62, 1..=16),
                _ => "34 06 00 01 74 00 01 31".to_owned(),
            };
            assert_eq!(wire.receive("20 02 01 00"), written);
        }
    }
}
