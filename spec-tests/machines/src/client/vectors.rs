//! The golden byte vectors, as a Server's packets on a connection.

use mqtt5_session_fsm::codec::{PacketType, ProtocolVersion, ReasonCode, Role, ViolationClass};
use mqtt5_spec_tests::vectors::{self, Expectation};

use super::driver::{Driver, KEEPS};

crate::check::checks! { "vectors":
    client {
        Domain rejected_vectors_end_the_connection,
        Domain rejected_vectors_end_the_handshake,
        Domain accepted_vectors_do_not_malform,
    }
}

/// That the connection ended with a DISCONNECT that has this code.
fn assert_ended(driver: &mut Driver, said: &[String], code: ReasonCode, what: &str) {
    assert_eq!(said.len(), 2, "{what}: {said:?}");
    assert_eq!(said[0], format!("> DISCONNECT {code:?}"), "{what}");
    assert!(said[1].starts_with("close "), "{what}: {said:?}");
    driver.assert_dead();
}

/// What the vectors say of every rejected input that a Server may have sent.
fn rejected(mut judge: impl FnMut(&[u8], ReasonCode, bool, &str)) -> u64 {
    let mut judged = 0;
    for file in vectors::read_all(ProtocolVersion::V5_0).unwrap() {
        for case in &file.cases {
            let Expectation::Reject { class, reason_code } = case.expect else {
                continue;
            };
            if case.sender == Some(Role::Client) {
                continue;
            }
            let code = reason_code.and_then(ReasonCode::from_byte).unwrap();
            let code = if code.allowed_from(PacketType::Disconnect, Role::Client) {
                code
            } else if class == ViolationClass::Malformed {
                ReasonCode::MalformedPacket
            } else {
                ReasonCode::ProtocolError
            };
            let packet_type = PacketType::from_number(case.bytes.first().unwrap_or(&0) >> 4);
            // Of several errors in a packet, either may be found (section 4.13); and in a stream, a
            // good packet that is wrong on this connection may come before the bad one.
            let has_another = packet_type
                .is_some_and(|it| !it.sent_by(ProtocolVersion::V5_0, Role::Server))
                || file.name == "streams";
            judge(&case.bytes, code, has_another, &case.name);
            judged += 1;
        }
    }
    assert!(judged > 500, "{judged}");
    judged
}

/// Section 4.13: each golden vector that is rejected, on an open connection.
fn rejected_vectors_end_the_connection() -> u64 {
    rejected(|bytes, code, has_another, name| {
        let mut driver = Driver::connected();
        let mut said = driver.feed(bytes);
        // Good packets may come before the bad one.
        let ends = said.split_off(said.len().saturating_sub(2));
        if ends.len() == 2 && ends[0] == "> DISCONNECT ProtocolError" && has_another {
            return;
        }
        assert_ended(&mut driver, &ends, code, name);
    })
}

/// Section 4.13.2: the same instead of the CONNACK.
fn rejected_vectors_end_the_handshake() -> u64 {
    rejected(|bytes, _, _, name| {
        let mut driver = Driver::new();
        let _ = driver.connect(&super::driver::connect_with(KEEPS));
        let said = driver.feed(bytes);
        assert!(
            said.last().is_some_and(|line| line.starts_with("close ")),
            "{name}: {said:?}"
        );
        assert!(!driver.machine.is_connected());
        driver.assert_dead();
    })
}

/// No good packet is called malformed, whatever it is on this connection.
fn accepted_vectors_do_not_malform() -> u64 {
    let mut judged = 0;
    for file in vectors::read_all(ProtocolVersion::V5_0).unwrap() {
        for case in &file.cases {
            if case.expect == Expectation::Accept && case.sender == Some(Role::Server) {
                let mut driver = Driver::connected();
                let said = driver.feed(&case.bytes);
                let malformed = "> DISCONNECT MalformedPacket".to_owned();
                assert!(!said.contains(&malformed), "{}: {said:?}", case.name);
                judged += 1;
            }
        }
    }
    judged
}
