//! Bytes that no Client should send, and connections that say nothing.

use mqtt5_session_fsm::broker::BrokerConfig;
use mqtt5_session_fsm::codec::{Qos, ReasonCode};

use crate::broker::place::{Place, WILL, persistent, who};

crate::check::checks! {
    "hostile":
    broker {
        Example connect_is_first_and_once,
        Example packets_before_the_connack,
        Example mangled_bytes,
        Example byte_by_byte,
        Example large_and_slow_connects,
        Example a_packet_that_stops,
        Example protocol_errors,
        Example keep_alive_is_not_armed_with_each_packet,
    }
}

/// [MQTT-3.1.0-1], [MQTT-3.1.0-2]: the first packet is a CONNECT, and there is no second one.
fn connect_is_first_and_once() {
    let connect = who("it").bytes();
    let first: [&[u8]; 6] = [
        &[0xC0, 0],
        &[0x82, 7, 0, 9, 0, 0, 1, b'a', 1],
        &[0xE0, 0],
        &[0x30, 4, 0, 1, b'a', 0],
        &[0x40, 2, 0, 1],
        &[0x20, 3, 0, 0, 0],
    ];
    for bytes in first {
        let mut place = Place::new(persistent());
        let wire = place.open();
        place.send(wire, bytes);
        assert!(!place.is_open(wire), "{bytes:x?}");
        assert!(
            place.packets(wire).is_empty(),
            "no packet before a CONNACK: {bytes:x?}"
        );
        assert!(place.notices.is_empty());
    }
    let mut place = Place::new(persistent());
    let wire = place.connect(&who("it"));
    place.send(wire, &connect);
    assert_eq!(place.disconnect(wire), Some(ReasonCode::ProtocolError));
}

/// A second CONNECT, and other packets, before the first was answered.
fn packets_before_the_connack() {
    let mut place = Place::new(persistent());
    place.decides = false;
    let wire = place.open();
    place.send(
        wire,
        &[
            who("it").bytes(),
            vec![0x82, 7, 0, 9, 0, 0, 1, b'a', 1],
            vec![0xC0, 0],
        ]
        .concat(),
    );
    assert_eq!(
        place.questions.len(),
        1,
        "one question at a time before the CONNACK"
    );
    assert!(place.packets(wire).is_empty());
    let question = place.questions.pop().unwrap();
    place.decides = true;
    place.decide(&question);
    place.settle();
    let packets = place.packets(wire);
    assert_eq!(packets.len(), 3, "{packets:?}");
    let mut place = Place::new(persistent());
    place.decides = false;
    let wire = place.open();
    place.send(wire, &[who("it").bytes(), who("it").bytes()].concat());
    let question = place.questions.pop().unwrap();
    place.decide(&question);
    place.settle();
    assert!(!place.is_open(wire));
    assert!(place.questions.is_empty(), "the second one is never asked");
}

/// Each prefix of good packets followed by the end of the connection, and each byte changed: no panic, nothing left, others
/// are served.
fn mangled_bytes() {
    let good = [
        who("it").with_will(WILL).lasting(10).bytes(),
        vec![0x82, 13, 0, 9, 0, 0, 1, b'a', 1, 0, 3, b'b', b'/', b'#', 2],
        vec![0x34, 7, 0, 1, b'a', 0, 5, 0, b'x'],
        vec![0x62, 2, 0, 5],
        vec![0xA2, 6, 0, 10, 0, 0, 1, b'a'],
        vec![0xE0, 0],
    ]
    .concat();
    let mut place = Place::new(persistent());
    let witness = place.connect(&who("witness").lasting(10));
    place.subscribe(witness, "w", Qos::AtLeastOnce);
    for index in 0..good.len() {
        let wire = place.open();
        place.send(wire, &good[..index]);
        if place.is_open(wire) {
            place.cut(wire);
        }
        for change in [0x01, 0x80, 0xFF] {
            let mut bytes = good.clone();
            bytes[index] ^= change;
            let wire = place.open();
            place.send(wire, &bytes);
            if place.is_open(wire) {
                place.cut(wire);
            }
        }
    }
    place.publish(witness, "w", "hi", Qos::AtLeastOnce);
    assert_eq!(place.payloads(witness), ["hi"]);
    place.cut(witness);
    place.pass(u64::from(u32::MAX) * 1000);
    let left: Vec<_> = place
        .map
        .keys()
        .filter(|it| it[0] != 0 && it[0] != 3)
        .collect();
    assert!(left.len() <= 2 * 3, "{left:?}");
}

/// The same bytes, one at a time.
fn byte_by_byte() {
    let mut place = Place::new(persistent());
    let wire = place.open();
    let bytes = [
        who("it").bytes(),
        vec![0x82, 7, 0, 9, 0, 0, 1, b'a', 1],
        vec![0x32, 7, 0, 1, b'a', 0, 5, 0, b'x'],
    ]
    .concat();
    for byte in bytes {
        place.send(wire, &[byte]);
    }
    assert_eq!(
        place.packets(wire).len(),
        4,
        "CONNACK, SUBACK, PUBACK, PUBLISH"
    );
}

/// A CONNECT that is longer than allowed is refused before it has come; a slow one ends with its time.
fn large_and_slow_connects() {
    let mut place = Place::new(BrokerConfig::default());
    let wire = place.open();
    place.send(wire, b"\x10\xFF\xFF\x7F\0\x04MQTT\x05");
    assert!(!place.is_open(wire));
    let wire = place.open();
    let bytes = who("it").bytes();
    for byte in &bytes[..9] {
        place.send(wire, &[*byte]);
        place.pass(1_200);
    }
    assert!(!place.is_open(wire), "10 seconds are over");
}

/// A packet that stops in the middle after the CONNACK does not hold a connection for ever.
fn a_packet_that_stops() {
    let mut place = Place::new(BrokerConfig::default());
    let wire = place.connect(&who("it"));
    place.send(wire, &[0x30, 100, 0, 1]);
    place.pass(10_000_000);
    assert!(!place.is_open(wire));
}

/// [MQTT-3.3.2-2], [MQTT-3.3.4-6], [MQTT-3.8.3-2], [MQTT-2.2.1-2]: each is an error of its own.
fn protocol_errors() {
    let cases: [(&[u8], ReasonCode); 7] = [
        (
            &[0x30, 6, 0, 3, b'a', b'/', b'#', 0],
            ReasonCode::MalformedPacket,
        ),
        (
            &[0x30, 6, 0, 1, b'a', 2, 0x0B, 1],
            ReasonCode::ProtocolError,
        ),
        (&[0x82, 3, 0, 9, 0], ReasonCode::ProtocolError),
        (
            &[0x82, 7, 0, 0, 0, 0, 1, b'a', 1],
            ReasonCode::ProtocolError,
        ),
        (
            &[0x82, 7, 0, 9, 0, 0, 1, b'a', 3],
            ReasonCode::ProtocolError,
        ),
        (
            &[0x30, 7, 0, 1, b'a', 3, 0x23, 0, 1],
            ReasonCode::TopicAliasInvalid,
        ),
        (&[0x36, 6, 0, 1, b'a', 0, 1, 0], ReasonCode::MalformedPacket),
    ];
    for (bytes, code) in cases {
        let mut place = Place::new(persistent());
        let wire = place.connect(&who("it").with_will(WILL));
        place.send(wire, bytes);
        let got = place.disconnect(wire);
        let malformed =
            got == Some(ReasonCode::MalformedPacket) && code == ReasonCode::ProtocolError;
        assert!(got == Some(code) || malformed, "{bytes:x?}: {got:?}");
        assert!(!place.is_open(wire));
    }
}

/// Section 3.1.2.10: with each packet the Keep Alive begins anew, but not the deadline that the host waits for: a Client that sends much makes
/// no work for the clock.
fn keep_alive_is_not_armed_with_each_packet() {
    let mut place = Place::new(persistent());
    let mut it = who("it");
    it.keep_alive = 10;
    let wire = place.connect(&it);
    place.send(wire, &[0xC0, 0]);
    let due = place.broker.next_timeout();
    for _ in 0..10 {
        place.now = mqtt5_session_fsm::Instant::from_millis(place.now.as_millis() + 1_000);
        place.send(wire, &[0xC0, 0]);
        assert_eq!(place.broker.next_timeout(), due);
    }
    place.pass(14_900);
    assert!(place.is_open(wire), "the last packet was 14.9 s ago");
    place.pass(200);
    assert!(!place.is_open(wire));
}
