//! What either side finds wrong, and how it says so: section 4.13.

use mqtt5_session_fsm::codec::{
    DecodeError, Packet, PacketType, ProtocolVersion, ReasonCode, Role, Violation,
};

use super::driver::{Driver, Lines};
use super::machine::Machine;
use super::make;

crate::check::checks! { "errors":
    both {
        Domain malformed_packets,
        Domain reason_codes_of_other_packets,
        Example packet_identifier_0,
        Example splits_do_not_matter,
        Example an_error_in_a_part_of_a_packet,
        Example what_came_before_the_error_counts,
        Example other_connections_are_not_affected,
        Example rejected_from_outside,
        Example rejected_after_the_end,
    }
}

/// MQTT-4.13.1-1, MQTT-4.13.2-1: DISCONNECT 0x81, with the rule that was broken, and nothing more.
fn malformed_packets<M: Machine>() -> u64 {
    let mut cases: Vec<(&[u8], Violation)> = vec![
        (b"\x00\x00", Violation::ReservedPacketType),
        // A Topic Name with another byte, with a surrogate, with a null character.
        (b"\x30\x05\x00\x01\xFFab", Violation::IllFormedUtf8),
        (b"\x30\x04\x00\x01\xFF\x00", Violation::IllFormedUtf8),
        (
            b"\x30\x06\x00\x03\xED\xA0\x80\x00",
            Violation::IllFormedUtf8,
        ),
        (b"\x30\x05\x00\x01\x00ab", Violation::NullCharacter),
        (b"\x30\x04\x00\x01\x00\x00", Violation::NullCharacter),
        // The name in a User Property.
        (
            b"\x30\x0A\x00\x01a\x06\x26\x00\x01\xFF\x00\x00",
            Violation::IllFormedUtf8,
        ),
        (
            b"\x30\xFF\xFF\xFF\xFF\x7F",
            Violation::VariableByteIntegerTooLong,
        ),
        (
            b"\x30\x08\x00\x01a\xFF\xFF\xFF\xFF\x7F",
            Violation::VariableByteIntegerTooLong,
        ),
        (b"\x41\x02\x00\x01", Violation::FixedHeaderFlags),
        (b"\x42\x02\x00\x01", Violation::FixedHeaderFlags),
        (b"\x60\x02\x00\x01", Violation::FixedHeaderFlags),
        (b"\xE8\x00", Violation::FixedHeaderFlags),
        (b"\x30\x06\x00\x01a\x02\x7F\x00", Violation::PropertyUnknown),
        (
            b"\x30\x09\x00\x01a\x05\x11\x00\x00\x00\x01",
            Violation::PropertyNotAllowed,
        ),
        (b"\x36\x06\x00\x01a\x00\x01\x00", Violation::PublishQos3),
        (b"\x38\x04\x00\x01a\x00", Violation::DuplicateAtQos0),
        (b"\x40\x01\x00", Violation::FieldTruncated),
        (b"\x30\x02\x00\x05", Violation::FieldTruncated),
    ];
    match M::PEER {
        Role::Client => cases.extend([
            (
                &b"\x82\x07\x00\x01\x00\x00\x01\xC0\x00"[..],
                Violation::IllFormedUtf8,
            ),
            (
                b"\x80\x07\x00\x01\x00\x00\x01a\x00",
                Violation::FixedHeaderFlags,
            ),
            (
                b"\x82\x07\x00\x01\x00\x00\x01a\x40",
                Violation::SubscriptionOptionsReserved,
            ),
            (b"\xC1\x00", Violation::FixedHeaderFlags),
            (b"\xC0\x01\x00", Violation::BytesLeftOver),
        ]),
        Role::Server => cases.extend([
            (&b"\xD1\x00"[..], Violation::FixedHeaderFlags),
            (b"\xD0\x01\x00", Violation::BytesLeftOver),
        ]),
    }
    for (bytes, violation) in &cases {
        let mut driver = Driver::<M>::connected();
        let said = driver.feed(bytes);
        assert_eq!(
            said.last(),
            Some(&format!("close {violation:?}")),
            "{bytes:02x?}"
        );
        driver.assert_ended(&said, ReasonCode::MalformedPacket, "malformed");
    }
    cases.len() as u64
}

/// A Reason Code outside the packet's table, or from the wrong side: Protocol Error.
fn reason_codes_of_other_packets<M: Machine>() -> u64 {
    let mut judged = 0;
    for code in 0..=u8::MAX {
        let known = ReasonCode::from_byte(code);
        for packet_type in [
            PacketType::PubAck,
            PacketType::PubRec,
            PacketType::PubRel,
            PacketType::PubComp,
            PacketType::Disconnect,
        ] {
            if known.is_some_and(|code| code.allowed_from(packet_type, M::PEER)) {
                continue;
            }
            let mut driver = Driver::<M>::connected();
            let bytes = match packet_type {
                PacketType::Disconnect => vec![0xE0, 1, code],
                _ => vec![packet_type.first_byte(), 3, 0, 1, code],
            };
            let said = driver.feed(&bytes);
            driver.assert_ended(&said, ReasonCode::ProtocolError, "reason code");
            judged += 1;
        }
    }
    judged
}

/// Section 2.2.1: Packet Identifier 0.
fn packet_identifier_0<M: Machine>() {
    let mut cases: Vec<&[u8]> = vec![
        b"\x32\x06\x00\x01a\x00\x00\x00",
        b"\x40\x02\x00\x00",
        b"\x50\x02\x00\x00",
        b"\x62\x02\x00\x00",
        b"\x70\x02\x00\x00",
    ];
    match M::PEER {
        Role::Client => cases.extend([
            &b"\x82\x07\x00\x00\x00\x00\x01a\x00"[..],
            b"\xA2\x06\x00\x00\x00\x00\x01a",
        ]),
        Role::Server => cases.extend([
            &b"\x90\x04\x00\x00\x00\x00"[..],
            b"\xB0\x04\x00\x00\x00\x00",
        ]),
    }
    for bytes in cases {
        let mut driver = Driver::<M>::connected();
        let said = driver.feed(bytes);
        driver.assert_ended(&said, ReasonCode::ProtocolError, "identifier 0");
    }
}

/// Section 4.2: the network may deliver byte by byte; all that is said is the same.
fn splits_do_not_matter<M: Machine>() {
    let packets = &make::one_of_each(M::PEER)[1..];
    let mut expected = vec![
        "message q0 t \"q0\"",
        "message q2 t \"q2\"",
        "> PUBREC #77",
        "unknown PubAck #78",
        "unknown PubRec #79",
        "> PUBREL #79 PacketIdentifierNotFound",
        "unknown PubRel #80",
        "> PUBCOMP #80 PacketIdentifierNotFound",
        "unknown PubComp #81",
    ];
    expected.extend(match M::PEER {
        Role::Client => &[
            "subscribe #82 a",
            "unsubscribe #83 a",
            "> PINGRESP",
            "disconnect Success",
            "close PeerDisconnected(Success)",
        ][..],
        Role::Server => &[
            "unknown SubAck #82",
            "unknown UnsubAck #83",
            "disconnect ServerBusy",
            "close PeerDisconnected(ServerBusy)",
        ],
    });
    let mut said = Lines::new();
    let mut whole = Driver::<M>::connected();
    for packet in packets {
        said.extend(whole.feed(packet));
    }
    assert_eq!(said, expected);
    let mut driver = Driver::<M>::connected();
    let mut held = Vec::new();
    let mut said = Lines::new();
    for byte in packets.concat() {
        held.push(byte);
        let mut input = &held[..];
        said.extend(driver.offer(&mut input));
        let rest = input.len();
        held.drain(..held.len() - rest);
    }
    assert_eq!(said, expected);
}

/// A packet is judged when it is whole, in whatever pieces it comes.
fn an_error_in_a_part_of_a_packet<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let packet = b"\x30\x05\x00\x02a\xFF\x00";
    let mut part = &packet[..6];
    assert_eq!(driver.offer(&mut part), Lines::new());
    assert_eq!(part.len(), 6, "left to the caller");
    let said = driver.feed(packet);
    driver.assert_ended(&said, ReasonCode::MalformedPacket, "in pieces");
}

/// Section 4.13: packets before the wrong one were handled, and their answers are sent.
fn what_came_before_the_error_counts<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let sent = [
        make::publish(1, 1, "a", ""),
        make::publish(2, 2, "a", ""),
        vec![0, 0],
        make::publish(1, 3, "a", ""),
    ];
    let said = driver.feed(&sent.concat());
    let expected = [
        "message q1 a \"\"",
        "> PUBACK #1",
        "message q2 a \"\"",
        "> PUBREC #2",
    ];
    assert_eq!(said[..4], expected);
    driver.assert_ended(&said[4..], ReasonCode::MalformedPacket, "behind good ones");
}

/// Section 4.13.1: there are no consequences for other Sessions.
fn other_connections_are_not_affected<M: Machine>() {
    let mut one = Driver::<M>::connected();
    let mut other = Driver::<M>::connected();
    let _ = one.feed(b"\x00\x00");
    assert!(other.machine.is_connected());
    let said = other.feed(&make::publish(1, 1, "a", ""));
    assert_eq!(said, ["message q1 a \"\"", "> PUBACK #1"]);
}

/// What a splitter of the caller's found.
fn bad<M: Machine>() -> DecodeError {
    Packet::decode_from(ProtocolVersion::V5_0, M::PEER, b"\x40\x01\x00").unwrap_err()
}

/// Section 4.13: the same if another splitter found the error.
fn rejected_from_outside<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    driver.machine.reject(driver.now, bad::<M>());
    let said = driver.settle();
    driver.assert_ended(&said, ReasonCode::MalformedPacket, "rejected");
}

/// MQTT-3.14.4-1: what was on its way when the connection ended has no DISCONNECT of its own, nor a second Close.
fn rejected_after_the_end<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let code = ReasonCode::UnspecifiedError;
    let result = driver.machine.disconnect(driver.now, code, &[]);
    assert_eq!(result, Ok(()));
    driver.machine.reject(driver.now, bad::<M>());
    let end = [
        "> DISCONNECT UnspecifiedError",
        "close Disconnected(UnspecifiedError)",
    ];
    assert_eq!(driver.settle(), end);
    driver.machine.reject(driver.now, bad::<M>());
    assert_eq!(driver.settle(), Lines::new());
}
