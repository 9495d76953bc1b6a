//! What a Server may answer that does not speak MQTT 5 (section 3.1.2.2; MQTT 3.1.1, section 3.2.2.3).

use mqtt5_session_fsm::codec::framing::RawPacket;
use mqtt5_session_fsm::codec::{Packet, Property, ProtocolVersion, ReasonCode, Role, Text};
use mqtt5_session_fsm::reconnect::{ConnectionFailure, RetryAdvice};
use mqtt5_session_fsm::{Client, ClientConfig, Event, Output, Session, SessionConfig};

use super::driver::{Driver, KEEPS, connect_with};
use super::make;

crate::check::checks! { "first_contact":
    client {
        Domain a_refusal_of_version_3_1_1_is_a_refusal,
        Domain nothing_else_of_four_bytes_is,
        Domain only_the_answer_to_the_connect_is_read_so,
        Domain the_advice_follows_the_return_code,
        Example a_refused_client_keeps_its_session,
    }
}

/// Connect Return codes of MQTT 3.1.1, Table 3.1, and what they mean in MQTT 5.
const CODES: [(u8, ReasonCode, RetryAdvice); 5] = [
    (
        1,
        ReasonCode::UnsupportedProtocolVersion,
        RetryAdvice::ChangeFirst,
    ),
    (
        2,
        ReasonCode::ClientIdentifierNotValid,
        RetryAdvice::ChangeFirst,
    ),
    (3, ReasonCode::ServerUnavailable, RetryAdvice::BackOff),
    (
        4,
        ReasonCode::BadUserNameOrPassword,
        RetryAdvice::ChangeFirst,
    ),
    (5, ReasonCode::NotAuthorized, RetryAdvice::ChangeFirst),
];

fn waiting(properties: &[Property<'_>]) -> Driver {
    let mut driver = Driver::new();
    let _ = driver.connect(&connect_with(properties));
    driver
}

/// Whole and in pieces, with an Authentication Method and without: the refusal, no DISCONNECT, the end.
fn a_refusal_of_version_3_1_1_is_a_refusal() -> u64 {
    let method = [Property::AuthenticationMethod(Text::new("m").unwrap())];
    let mut judged = 0;
    for properties in [KEEPS, &method[..]] {
        for (code, meaning, _) in CODES {
            let packet = [0x20, 2, 0, code];
            for behind in [&[][..], make::PINGRESP] {
                let bytes = [&packet[..], behind].concat();
                let mut driver = waiting(properties);
                let said = driver.feed(&bytes);
                assert_eq!(
                    said,
                    [
                        format!("refused {meaning:?}"),
                        format!("close Refused({meaning:?})")
                    ]
                );
                driver.assert_dead();
                judged += 1;
            }
            let mut driver = waiting(properties);
            let now = driver.now;
            for length in 1..packet.len() {
                let mut input = &packet[..length];
                assert!(driver.machine.receive(now, &mut input).is_none());
                assert_eq!(input.len(), length);
            }
            assert_eq!(driver.feed(&packet).len(), 2);
            judged += 1;
        }
    }
    judged
}

/// Every other CONNACK of four bytes breaks MQTT 5, and is no refusal of MQTT 3.1.1, either.
fn nothing_else_of_four_bytes_is() -> u64 {
    let mut judged = 0;
    for flags in 0..=u8::MAX {
        for code in 0..=u8::MAX {
            let packet = [0x20, 2, flags, code];
            let raw = RawPacket::whole(&packet).unwrap();
            let is_refusal = flags == 0 && (1..=5).contains(&code);
            assert_eq!(
                raw.refusal_in_other_version(ProtocolVersion::V5_0)
                    .is_some(),
                is_refusal
            );
            assert!(Packet::decode_from(ProtocolVersion::V5_0, Role::Server, &packet).is_err());
            // All of them through a machine would take long.
            if !is_refusal && (flags < 3 || code < 8) {
                let mut driver = waiting(KEEPS);
                let said = driver.feed(&packet);
                assert!(
                    said[0].starts_with("> DISCONNECT"),
                    "{packet:02X?}: {said:?}"
                );
                assert!(!said.iter().any(|line| line.starts_with("refused")));
                driver.assert_dead();
            }
            judged += 1;
        }
    }
    for longer in [&[0x20, 3, 0, 1, 0][..], &[0x20, 0x82, 0, 0, 1]] {
        let mut driver = waiting(KEEPS);
        assert!(driver.feed(longer)[0].starts_with("> DISCONNECT"));
        judged += 1;
    }
    judged
}

/// Once the connection is open, these bytes are a Malformed Packet as any other.
fn only_the_answer_to_the_connect_is_read_so() -> u64 {
    for (code, ..) in CODES {
        let mut driver = Driver::connected();
        let said = driver.feed(&[0x20, 2, 0, code]);
        assert!(said[0].starts_with("> DISCONNECT"), "{said:?}");
    }
    5
}

/// 0x88 passes; the others do not, unless something is changed. Both ways to tell the policy say the same.
fn the_advice_follows_the_return_code() -> u64 {
    for (code, meaning, advice) in CODES {
        let session = Session::of_client(SessionConfig::default());
        let mut client = Client::new(ClientConfig::default(), session);
        let now = Driver::new().now;
        client.connect(now, &connect_with(KEEPS)).unwrap();
        assert_eq!(client.poll(now, &mut Vec::new()), None);
        let packet = [0x20, 2, 0, code];
        let mut input = &packet[..];
        let Some(Event::Refused(connack)) = client.receive(now, &mut input) else {
            panic!("no refusal");
        };
        let failure = ConnectionFailure::from(&connack);
        let told = (failure.reason_code(), failure.advice());
        assert_eq!(told, (Some(meaning), advice));
        let Some(Output::Close(cause)) = client.poll(now, &mut Vec::new()) else {
            panic!("no end");
        };
        let failure = ConnectionFailure::from(cause);
        assert_eq!((failure.reason_code(), failure.advice()), told);
    }
    5
}

/// Section 4.1: what was in flight waits for a Server that can take it.
fn a_refused_client_keeps_its_session() {
    let mut driver = Driver::connected();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.lose();
    let _ = driver.connect(&connect_with(KEEPS));
    assert_eq!(
        driver.feed(&[0x20, 2, 0, 3]),
        [
            "refused ServerUnavailable",
            "close Refused(ServerUnavailable)"
        ]
    );
    let said = driver.reconnect(KEEPS, true, &[]);
    assert_eq!(said, ["> PUBLISH q1 #1 dup a \"1\""]);
}
