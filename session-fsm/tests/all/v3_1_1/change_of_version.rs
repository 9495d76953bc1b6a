//! A Session whose Client comes back with the other version of MQTT: the version belongs to the Network Connection.

use mqtt5_session_fsm::Publication;
use mqtt5_session_fsm::codec::{
    Connect, Message, Properties, Property, ProtocolVersion, Publish, Qos, Text, TopicName,
};

use super::client_wire::{ClientWire, packet};
use super::wire::NOW;

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V5_0, ProtocolVersion::V3_1_1];

/// A Client with a message of each QoS 1 and 2 in flight, of which the second was received, sent by this version.
fn in_flight(version: ProtocolVersion) -> ClientWire {
    let mut wire = ClientWire::new();
    connect(&mut wire, version);
    let connack = match version {
        ProtocolVersion::V5_0 => "20 03 00 00 00",
        _ => "20 02 00 00",
    };
    assert_eq!(wire.receive(connack), "");
    let properties = [Property::ContentType(Text::new("a/b").unwrap())];
    let publish = Publish {
        properties: Properties::new(&properties).unwrap(),
        ..Publish::new(TopicName::new("t").unwrap(), b"x")
    };
    let message = Message::new(&publish).unwrap();
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::ExactlyOnce] {
        let publication = Publication::new(qos, message.clone());
        wire.client.publish(NOW, publication).unwrap();
    }
    wire.poll();
    assert_eq!(wire.receive("50 02 00 03"), "62 02 00 03");
    wire
}

fn connect(wire: &mut ClientWire, version: ProtocolVersion) {
    let seconds = [Property::SessionExpiryInterval(u32::MAX)];
    let connect = Connect {
        version,
        properties: Properties::new(&seconds).unwrap(),
        ..packet(false)
    };
    wire.client.connect(NOW, &connect).unwrap();
    wire.poll();
}

/// Section 4.4: what is unacknowledged is sent again with its identifier, in the form of the new connection.
#[test]
fn what_is_in_flight_goes_on() {
    for before in VERSIONS {
        for after in VERSIONS {
            let mut wire = in_flight(before);
            wire.client.connection_lost(NOW);
            connect(&mut wire, after);
            assert_eq!(wire.client.version(), after);
            let (connack, again) = match after {
                ProtocolVersion::V5_0 => (
                    "20 03 01 00 00",
                    "62 02 00 03 3A 0D 00 01 74 00 01 06 03 00 03 61 2F 62 78 \
                     3C 0D 00 01 74 00 02 06 03 00 03 61 2F 62 78",
                ),
                _ => (
                    "20 02 01 00",
                    "62 02 00 03 3A 06 00 01 74 00 01 78 3C 06 00 01 74 00 02 78",
                ),
            };
            assert_eq!(wire.receive(connack), again);
            assert_eq!(
                wire.receive("40 02 00 01 50 02 00 02 70 02 00 03"),
                "62 02 00 02"
            );
            assert_eq!(wire.receive("70 02 00 02"), "");
            assert_eq!(wire.client.session().in_flight(), 0);
        }
    }
}

/// What is stored of a Session is the same, whichever version its connection has.
#[cfg(feature = "persistence")]
#[test]
fn the_stored_form_does_not_depend_on_the_version() {
    let exported = VERSIONS.map(|version| {
        let mut wire = in_flight(version);
        wire.client.connection_lost(NOW);
        wire.poll();
        wire.client.session().export()
    });
    assert_eq!(exported[0], exported[1]);
}
