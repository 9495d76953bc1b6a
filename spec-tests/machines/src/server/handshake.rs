//! CONNECT and CONNACK (sections 3.1, 3.1.4, 3.2).

use std::time::Duration;

use mqtt5_session_fsm::codec::{
    Binary, PacketType, PayloadFormat, Property, ReasonCode, Role, SubscriptionIdentifier,
    TopicName,
};
use mqtt5_session_fsm::{PublishError, SendError, ServerConfig, Session, SessionConfig};

use super::driver::Driver;
use super::make::{Hello, PINGREQ, Testament, config, explanation, text};
use crate::session::driver::{Lines, publication};
use crate::session::make;

crate::check::checks! { "handshake":
    server {
        Example a_connect_is_handed_out_and_waits,
        Example a_good_connect_is_answered_with_success,
        Example a_connect_in_pieces_is_the_same,
        Example packets_behind_the_connect_wait_for_the_decision,
        Domain nothing_behind_a_refused_connect_is_processed,
        Domain every_refusal_is_sent_and_closes,
        Domain a_refusal_with_a_wrong_property_changes_nothing,
        Example a_second_connack_cannot_be_sent,
        Example an_accept_out_of_turn_leaves_the_session_alone,
        Example a_second_connect_is_a_protocol_error,
        Example no_disconnect_before_the_connack,
        Example a_connect_that_does_not_come_is_not_waited_for,
        Example the_host_may_take_its_time,
        Example another_protocol_version_is_refused,
        Example explanations_of_the_connack_are_sent,
        Example a_connection_lost_before_the_decision_ends_silently,
    }
}

fn start() -> Driver {
    Driver::serving(config())
}

fn deciding() -> Driver {
    Driver::deciding(config(), &Hello::lasting())
}

fn nothing() -> Lines {
    Lines::new()
}

/// Sections 3.1.4, 3.2: the host decides, and nothing is written before it does [MQTT-3.2.0-1].
fn a_connect_is_handed_out_and_waits() {
    let mut driver = start();
    assert_eq!(driver.hello(&Hello::new()), ["connect \"c1\""]);
    assert!(!driver.machine.is_connected());
    let result = driver.accept(publication(0, "a", "x", &[]));
    assert_eq!(result, Err(PublishError::NoSession));
    assert_eq!(driver.settle(), nothing());
}

/// [MQTT-3.1.4-5]: a valid CONNECT is answered with CONNACK 0x00.
fn a_good_connect_is_answered_with_success() {
    let mut driver = Driver::deciding(config(), &Hello::new());
    assert_eq!(driver.accept_client(&[]).unwrap(), ["> CONNACK"]);
    assert!(driver.machine.is_connected());
}

/// Section 3.1: a CONNECT counts when it is whole, in whatever pieces it comes.
fn a_connect_in_pieces_is_the_same() -> u64 {
    let bytes = Hello::lasting().bytes();
    let mut driver = start();
    for length in 1..bytes.len() {
        assert_eq!(driver.offer(&mut &bytes[..length]), nothing(), "{length}");
    }
    assert_eq!(driver.feed(&bytes), ["connect \"c1\""]);
    assert!(driver.accept_client(&[]).is_ok());
    bytes.len() as u64
}

/// Section 3.1.4: a Client may send packets behind its CONNECT at once; they are handled in their order
/// after the CONNACK.
fn packets_behind_the_connect_wait_for_the_decision() {
    let mut driver = start();
    let sent = [
        Hello::new().bytes(),
        make::publish(1, 1, "a", "one"),
        make::subscribe(2, &["a"]),
        PINGREQ.to_vec(),
    ]
    .concat();
    let mut input = &sent[..];
    assert_eq!(driver.offer(&mut input), ["connect \"c1\""]);
    driver.wait(60_000);
    driver.machine.handle_timeout(driver.now);
    assert_eq!(driver.offer(&mut input), nothing());
    assert_eq!(driver.accept_client(&[]).unwrap(), ["> CONNACK"]);
    assert_eq!(
        driver.offer(&mut input),
        [
            "message q1 a \"one\"",
            "> PUBACK #1",
            "subscribe #2 a",
            "> PINGRESP"
        ]
    );
}

fn refused(code: ReasonCode) -> [String; 2] {
    [
        format!("> CONNACK {code:?}"),
        format!("close Refused({code:?})"),
    ]
}

/// [MQTT-3.1.4-6]: nothing that follows a refused CONNECT is processed.
fn nothing_behind_a_refused_connect_is_processed() -> u64 {
    let behind = [
        make::publish(0, 1, "a", "zero"),
        make::publish(1, 1, "a", "one"),
        make::publish(2, 1, "a", "two"),
        make::subscribe(1, &["a"]),
        PINGREQ.to_vec(),
        make::disconnect(ReasonCode::Success, &[]),
        Hello::new().bytes(),
        b"\xFF\xFF\xFF\xFF\xFF".to_vec(),
    ];
    for bytes in &behind {
        let mut driver = start();
        let sent = [&Hello::new().bytes()[..], bytes].concat();
        let mut input = &sent[..];
        assert_eq!(driver.offer(&mut input), ["connect \"c1\""]);
        let code = ReasonCode::NotAuthorized;
        assert_eq!(driver.refuse_client(code, &[]).unwrap(), refused(code));
        assert_eq!(driver.offer(&mut input), nothing());
        assert_eq!(driver.offer(&mut &bytes[..]), nothing());
    }
    behind.len() as u64
}

/// [MQTT-3.2.2-7], [MQTT-4.13.2-1], [MQTT-3.1.4-2]: after every CONNACK of 0x80 or above the Network
/// Connection is closed. Codes that Table 3-1 does not have are not sent.
fn every_refusal_is_sent_and_closes() -> u64 {
    for &code in ReasonCode::ALL {
        let mut driver = deciding();
        let result = driver.refuse_client(code, &[]);
        if code.is_error() && code.allowed_from(PacketType::ConnAck, Role::Server) {
            assert_eq!(result.unwrap(), refused(code));
            assert!(!driver.machine.is_connected());
            assert!(driver.machine.session().is_none(), "{code} made a Session");
        } else {
            assert!(matches!(result, Err(SendError::Invalid(_))), "{code}");
            assert_eq!(driver.settle(), nothing());
            assert!(driver.accept_client(&[]).is_ok(), "still waits");
        }
    }
    ReasonCode::ALL.len() as u64
}

/// Section 3.2.2.3: a property that a CONNACK cannot have, or not twice, is refused before anything is done.
fn a_refusal_with_a_wrong_property_changes_nothing() -> u64 {
    let number = SubscriptionIdentifier::new(7).expect("not 0");
    let topic = TopicName::new("t").expect("a name");
    let wrong = [
        Property::PayloadFormatIndicator(PayloadFormat::Utf8Text),
        Property::MessageExpiryInterval(1),
        Property::ContentType(text("t")),
        Property::ResponseTopic(topic),
        Property::CorrelationData(Binary::new(b"c").expect("short")),
        Property::SubscriptionIdentifier(number),
        Property::WillDelayInterval(1),
        Property::RequestProblemInformation(true),
        Property::RequestResponseInformation(true),
        Property::TopicAlias(1.try_into().expect("not 0")),
    ];
    let twice = Property::ReasonString(text("why"));
    let lists = wrong.map(|property| vec![twice, property]);
    let lists = lists.into_iter().chain([vec![twice, twice]]);
    let mut judged = 0;
    for list in lists {
        let mut driver = deciding();
        let before = driver.machine.clone();
        let result = driver.refuse_client(ReasonCode::Banned, &list);
        assert!(matches!(result, Err(SendError::Invalid(_))), "{list:?}");
        assert_eq!(driver.machine, before, "{list:?}");
        assert_eq!(driver.settle(), nothing());
        let said = driver.refuse_client(ReasonCode::Banned, &[twice]);
        let expected = [
            format!("> CONNACK Banned {twice:?}"),
            "close Refused(Banned)".into(),
        ];
        assert_eq!(said.expect("the CONNECT still waits"), expected);
        judged += 1;
    }
    judged
}

/// [MQTT-3.2.0-2]: there is no way to a second CONNACK.
fn a_second_connack_cannot_be_sent() {
    let mut refused = deciding();
    refused
        .refuse_client(ReasonCode::Banned, &[])
        .expect("a refusal");
    for mut driver in [start(), Driver::lasting(), refused] {
        assert_eq!(driver.accept_client(&[]), Err(SendError::NotExpected));
        let result = driver.refuse_client(ReasonCode::Banned, &[]);
        assert_eq!(result, Err(SendError::NotExpected));
        assert_eq!(driver.settle(), nothing());
    }
}

/// [MQTT-4.1.0-1]: while the Network Connection is open its Session is not given up for another one.
fn an_accept_out_of_turn_leaves_the_session_alone() -> u64 {
    let mut driver = Driver::lasting();
    let _ = driver.publish(1, "a", "x");
    for id in ["c1", "c2"] {
        driver.found = Some(Session::of_server(id, SessionConfig::default()));
        assert_eq!(driver.accept_client(&[]), Err(SendError::NotExpected));
        assert_eq!(driver.settle(), nothing());
        let session = driver.session();
        assert_eq!(
            (session.client_identifier(), session.in_flight()),
            ("c1", 1)
        );
    }
    2
}

/// [MQTT-3.1.0-2]: a second CONNECT is answered with DISCONNECT 0x82, whether or not it is the same.
fn a_second_connect_is_a_protocol_error() -> u64 {
    let expected = ["> DISCONNECT ProtocolError", "close SecondConnect"];
    for hello in [Hello::new(), Hello::lasting().id("c2").clean(true)] {
        assert_eq!(Driver::lasting().feed(&hello.bytes()), expected);

        let mut driver = start();
        let sent = [Hello::lasting().bytes(), hello.bytes()].concat();
        let mut input = &sent[..];
        assert_eq!(driver.offer(&mut input), ["connect \"c1\""]);
        assert_eq!(driver.accept_client(&[]).unwrap(), ["> CONNACK"]);
        assert_eq!(driver.offer(&mut input), expected);
    }
    4
}

/// [MQTT-3.14.0-1]: no DISCONNECT before a CONNACK of less than 0x80.
fn no_disconnect_before_the_connack() {
    let mut refused = deciding();
    refused
        .refuse_client(ReasonCode::ServerBusy, &[])
        .expect("a refusal");
    for mut driver in [start(), deciding(), refused] {
        let result = driver.try_disconnect(ReasonCode::ServerShuttingDown, &[]);
        assert_eq!(result, Err(SendError::NotConnected));
        assert_eq!(driver.settle(), nothing());
    }
}

/// Section 3.1.4: a Network Connection without CONNECT is closed after a while, without a word.
fn a_connect_that_does_not_come_is_not_waited_for() -> u64 {
    for milliseconds in [1, 999, 10_000] {
        let config = ServerConfig {
            connect_timeout: Duration::from_millis(milliseconds),
            ..config()
        };
        for sent in [&[][..], &Hello::new().bytes()[..5]] {
            let mut driver = Driver::serving(config);
            assert_eq!(driver.offer(&mut &sent[..]), nothing());
            assert_eq!(driver.deadline(), Some(milliseconds));
            assert_eq!(driver.tick(milliseconds - 1), nothing());
            assert_eq!(driver.tick(1), ["close TimedOut(Connect)"]);
            assert_eq!(driver.deadline(), None);
            assert_eq!(driver.feed(&Hello::new().bytes()), nothing());
        }
    }
    6
}

/// Section 3.1.4 sets no time for the decision: the CONNECT came in time.
fn the_host_may_take_its_time() {
    let mut driver = deciding();
    assert_eq!(driver.deadline(), None);
    assert_eq!(driver.tick(86_400_000), nothing());
    assert!(driver.accept_client(&[]).is_ok());
}

/// Sections 3.1.2.1, 3.1.2.2: another protocol gets CONNACK 0x84, or nothing, and the end.
fn another_protocol_version_is_refused() -> u64 {
    for connect in [
        &b"\x10\x0F\x00\x04MQTT\x06\x02\x00\x3C\x00\x00\x02c1"[..],
        b"\x10\x10\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x02c1",
        // Bridges of older versions set the highest bit.
        b"\x10\x10\x00\x06MQIsdp\x83\x02\x00\x3C\x00\x02c1",
        b"\x10\x0E\x00\x04MQTT\x84\x02\x00\x3C\x00\x02c1",
        b"\x10\x0F\x00\x04MQTT\x85\x02\x00\x3C\x00\x00\x02c1",
    ] {
        let said = start().feed(connect);
        let (close, rest) = said.split_last().expect("the end");
        assert!(close.starts_with("close "), "{said:?}");
        let connack = ["> CONNACK UnsupportedProtocolVersion"];
        assert!(rest.is_empty() || rest == connack, "{said:?}");
    }
    5
}

/// Sections 3.2.2.3.9, 3.2.2.3.10: Reason String and User Properties of the host stand in the CONNACK.
fn explanations_of_the_connack_are_sent() {
    let [reason, user] = explanation();
    let said = deciding().accept_client(&explanation());
    assert_eq!(said.unwrap(), [format!("> CONNACK {reason:?} {user:?}")]);
    let said = deciding().refuse_client(ReasonCode::Banned, &explanation());
    assert_eq!(
        said.unwrap()[0],
        format!("> CONNACK Banned {reason:?} {user:?}")
    );
}

/// Section 3.1.4: without a decision there is no Session, no Will, and nothing to say.
fn a_connection_lost_before_the_decision_ends_silently() {
    let hello = Hello::lasting().and_will(Testament::new(None));
    let mut driver = Driver::deciding(config(), &hello);
    assert_eq!(driver.lose(), nothing());
    assert!(driver.machine.session().is_none());
    assert!(driver.accept_client(&[]).is_err());
}
