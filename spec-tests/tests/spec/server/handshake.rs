//! CONNECT and CONNACK (sections 3.1, 3.1.4, 3.2).

use std::time::Duration;

use mqtt5_codec::{
    Binary, ConnAck, Packet, PacketType, PayloadFormat, Property, Qos, ReasonCode, Role,
    SubscriptionIdentifier, TopicName,
};
use mqtt5_session_fsm::{
    Awaited, Cause, Instant, PeerError, SendError, ServerConfig, SessionViolation,
};

use super::driver::{Driver, Report, Seen, explanation};
use super::make::{
    Hello, PINGREQ, config, disconnect, publication, publish, publish_1, publish_2, subscribe, text,
};
use crate::check::Outcome;

super::listed! { "handshake":
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

fn start() -> Driver {
    Driver::new(Instant::from_millis(500), config())
}

/// Sections 3.1.4, 3.2: the host decides, and nothing is written before it does [MQTT-3.2.0-1].
fn a_connect_is_handed_out_and_waits() -> Outcome {
    let mut driver = start();
    let report = driver.hello(&Hello::new());
    assert_eq!(report.events(), [Seen::Connect("c1".to_owned())]);
    assert!(report.wire.is_empty());
    assert!(!driver.server.is_connected());
    assert!(driver.publish(publication(Qos::AtMostOnce, b"x")).is_err());
    assert!(driver.pump().is_empty());
    Ok(1)
}

/// [MQTT-3.1.4-5]: a valid CONNECT is answered with CONNACK 0x00.
fn a_good_connect_is_answered_with_success() -> Outcome {
    let (driver, report) = Driver::resumed(Instant::ORIGIN, config(), &Hello::new(), None);
    assert_eq!(report.packet(), ConnAck::new(ReasonCode::Success).into());
    assert_eq!(report.close(), None);
    assert!(driver.server.is_connected());
    Ok(1)
}

/// Section 3.1: a CONNECT counts when it is whole, in whatever pieces it comes.
fn a_connect_in_pieces_is_the_same() -> Outcome {
    let bytes = Hello::lasting().bytes();
    let mut driver = start();
    for (index, byte) in bytes.iter().enumerate() {
        let report = driver.send(&[*byte]);
        assert_eq!(report.is_empty(), index + 1 < bytes.len(), "{index}");
    }
    assert!(driver.accept(None, &[]).is_ok());
    Ok(bytes.len() as u64)
}

/// Section 3.1.4: a Client may send packets behind its CONNECT at once; they are handled in their order
/// after the CONNACK.
fn packets_behind_the_connect_wait_for_the_decision() -> Outcome {
    let mut driver = start();
    let mut sent = Hello::new().bytes();
    sent.extend(publish_1(1));
    sent.extend(subscribe(2, &["a"]));
    sent.extend_from_slice(PINGREQ);
    assert_eq!(
        driver.send(&sent).events(),
        [Seen::Connect("c1".to_owned())]
    );
    assert!(driver.wait(60_000).is_empty());
    let report = driver.accept(None, &[]).expect("a good CONNECT");
    let types: Vec<PacketType> = report.packets().iter().map(Packet::packet_type).collect();
    assert_eq!(types[0], PacketType::ConnAck);
    assert_eq!(types[1..], [PacketType::PubAck, PacketType::PingResp]);
    assert_eq!(report.payloads(), [b"one"]);
    assert!(report.saw(&Seen::Subscribe(2, vec!["a".to_owned()])));
    Ok(3)
}

/// [MQTT-3.1.4-6]: nothing that follows a refused CONNECT is processed.
fn nothing_behind_a_refused_connect_is_processed() -> Outcome {
    let behind = [
        publish(Qos::AtMostOnce, 1, false, b"zero"),
        publish_1(1),
        publish_2(1),
        subscribe(1, &["a"]),
        PINGREQ.to_vec(),
        disconnect(ReasonCode::Success),
        Hello::new().bytes(),
        b"\xFF\xFF\xFF\xFF\xFF".to_vec(),
    ];
    for bytes in &behind {
        let mut driver = start();
        driver.send(&[Hello::new().bytes(), bytes.clone()].concat());
        let report = driver
            .refuse(ReasonCode::NotAuthorized, &[])
            .expect("a refusal");
        assert_eq!(
            report.packet(),
            ConnAck::new(ReasonCode::NotAuthorized).into()
        );
        let refused = Seen::Close(Cause::Refused(ReasonCode::NotAuthorized));
        assert_eq!(report.events(), [refused]);
        assert!(driver.send(bytes).is_empty());
    }
    Ok(behind.len() as u64)
}

/// [MQTT-3.2.2-7], [MQTT-4.13.2-1], [MQTT-3.1.4-2]: after every CONNACK of 0x80 or above the Network
/// Connection is closed. Codes that Table 3-1 does not have are not sent.
fn every_refusal_is_sent_and_closes() -> Outcome {
    for &code in ReasonCode::ALL {
        let mut driver = start();
        driver.hello(&Hello::lasting());
        let may_be = code.is_error() && code.allowed_from(PacketType::ConnAck, Role::Server);
        match driver.refuse(code, &[]) {
            Ok(report) if may_be => {
                assert_eq!(report.packet(), ConnAck::new(code).into());
                assert_eq!(report.close(), Some(Cause::Refused(code)));
                assert!(!driver.server.is_connected());
                assert!(driver.server.session().is_none(), "{code} made a Session");
            }
            Err(SendError::Invalid(_)) if !may_be => {
                assert!(driver.pump().is_empty());
                assert!(driver.accept(None, &[]).is_ok(), "still waits");
            }
            other => return Err(format!("{code}: {other:?}")),
        }
    }
    Ok(ReasonCode::ALL.len() as u64)
}

/// Section 3.2.2.3: a property that a CONNACK cannot have, or not twice, is refused before anything is done.
fn a_refusal_with_a_wrong_property_changes_nothing() -> Outcome {
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
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &Hello::lasting());
        let before = driver.server.clone();
        let result = driver.server.refuse(driver.now, ReasonCode::Banned, &list);
        assert!(matches!(result, Err(SendError::Invalid(_))), "{list:?}");
        assert_eq!(driver.server, before, "{list:?}");
        assert!(driver.pump().is_empty());
        let report = driver.refuse(ReasonCode::Banned, &[twice]);
        let report = report.expect("the CONNECT still waits");
        let Packet::ConnAck(connack) = report.packet() else {
            return Err("no CONNACK".to_owned());
        };
        assert_eq!(connack.reason_code, ReasonCode::Banned);
        assert_eq!(connack.properties.reason_string(), Some(text("why")));
        assert_eq!(report.close(), Some(Cause::Refused(ReasonCode::Banned)));
        judged += 1;
    }
    Ok(judged)
}

/// [MQTT-3.2.0-2]: there is no way to a second CONNACK.
fn a_second_connack_cannot_be_sent() -> Outcome {
    let expect_refused = |driver: &mut Driver| {
        let refused = |result: Result<Report, SendError>| {
            assert_eq!(result.map(|_| ()), Err(SendError::NotExpected));
        };
        refused(driver.accept(None, &[]));
        refused(driver.refuse(ReasonCode::Banned, &[]));
        assert!(driver.pump().is_empty());
    };
    expect_refused(&mut start());
    expect_refused(&mut Driver::connected(config(), &Hello::new()));
    let mut refused = start();
    refused.hello(&Hello::new());
    refused.refuse(ReasonCode::Banned, &[]).expect("a refusal");
    expect_refused(&mut refused);
    Ok(3)
}

/// [MQTT-4.1.0-1]: while the Network Connection is open its Session is not given up for another one.
fn an_accept_out_of_turn_leaves_the_session_alone() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    driver
        .publish(publication(Qos::AtLeastOnce, b"x"))
        .expect("room");
    for id in ["c1", "c2"] {
        let other = Driver::connected(config(), &Hello::lasting().id(id))
            .part()
            .0;
        let result = driver.accept(Some(other.session), &[]);
        assert_eq!(result.map(|_| ()), Err(SendError::NotExpected));
        assert!(driver.pump().is_empty());
        let session = driver.server.session().expect("connected");
        assert_eq!(
            (session.client_identifier(), session.in_flight()),
            ("c1", 1)
        );
    }
    Ok(2)
}

/// [MQTT-3.1.0-2], PER-01: a second CONNECT is answered with DISCONNECT 0x82, whether or not it is the same.
fn a_second_connect_is_a_protocol_error() -> Outcome {
    for hello in [Hello::new(), Hello::lasting().id("c2").clean(true)] {
        let mut driver = Driver::connected(config(), &Hello::new());
        let report = driver.send(&hello.bytes());
        assert_eq!(report.last_word(), Some(ReasonCode::ProtocolError));
        assert!(matches!(report.packet(), Packet::Disconnect(_)));
        let violation = PeerError::Session(SessionViolation::SecondConnect);
        assert_eq!(report.close(), Some(Cause::PeerError(violation)));

        let mut driver = start();
        driver.send(&[Hello::new().bytes(), hello.bytes()].concat());
        let report = driver.accept(None, &[]).expect("the first is good");
        assert_eq!(report.packets().len(), 2);
        assert_eq!(report.last_word(), Some(ReasonCode::ProtocolError));
        assert_eq!(report.close(), Some(Cause::PeerError(violation)));
    }
    Ok(4)
}

/// [MQTT-3.14.0-1]: no DISCONNECT before a CONNACK of less than 0x80.
fn no_disconnect_before_the_connack() -> Outcome {
    let mut refused = start();
    refused.hello(&Hello::new());
    refused
        .refuse(ReasonCode::ServerBusy, &[])
        .expect("a refusal");
    let deciding = Driver::deciding(Instant::ORIGIN, config(), &Hello::new());
    for mut driver in [start(), deciding, refused] {
        let result = driver.disconnect(ReasonCode::ServerShuttingDown, &[]);
        assert_eq!(result.map(|_| ()), Err(SendError::NotConnected));
        assert!(driver.pump().is_empty());
    }
    Ok(3)
}

/// Section 3.1.4: a Network Connection without CONNECT is closed after a while, without a word.
fn a_connect_that_does_not_come_is_not_waited_for() -> Outcome {
    for milliseconds in [1, 999, 10_000] {
        let config = ServerConfig {
            connect_timeout: Duration::from_millis(milliseconds),
            ..config()
        };
        for sent in [&[][..], &Hello::new().bytes()[..5]] {
            let mut driver = Driver::new(Instant::from_millis(500), config);
            driver.send(sent);
            assert_eq!(driver.server.next_timeout().as_millis(), 500 + milliseconds);
            assert!(driver.wait(milliseconds - 1).is_empty());
            let report = driver.wait(1);
            assert_eq!(report.log, [Seen::Close(Cause::TimedOut(Awaited::Connect))]);
            assert_eq!(driver.server.next_timeout(), Instant::NEVER);
            assert!(driver.send(&Hello::new().bytes()).is_empty());
        }
    }
    Ok(6)
}

/// Section 3.1.4 sets no time for the decision: the CONNECT came in time.
fn the_host_may_take_its_time() -> Outcome {
    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &Hello::new());
    assert_eq!(driver.server.next_timeout(), Instant::NEVER);
    assert!(driver.wait(86_400_000).is_empty());
    assert!(driver.accept(None, &[]).is_ok());
    Ok(1)
}

/// Sections 3.1.2.1, 3.1.2.2: another protocol gets CONNACK 0x84, or nothing, and the end.
fn another_protocol_version_is_refused() -> Outcome {
    for connect in [
        &b"\x10\x0E\x00\x04MQTT\x04\x02\x00\x3C\x00\x02c1"[..],
        &b"\x10\x0F\x00\x04MQTT\x06\x02\x00\x3C\x00\x00\x02c1"[..],
        &b"\x10\x10\x00\x06MQIsdp\x03\x02\x00\x3C\x00\x02c1"[..],
        // Bridges of older versions set the highest bit.
        &b"\x10\x10\x00\x06MQIsdp\x83\x02\x00\x3C\x00\x02c1"[..],
        &b"\x10\x0E\x00\x04MQTT\x84\x02\x00\x3C\x00\x02c1"[..],
        &b"\x10\x0F\x00\x04MQTT\x85\x02\x00\x3C\x00\x00\x02c1"[..],
    ] {
        let mut driver = start();
        let report = driver.send(connect);
        if !report.wire.is_empty() {
            let expected = ConnAck::new(ReasonCode::UnsupportedProtocolVersion);
            assert_eq!(report.packet(), expected.into());
        }
        assert!(matches!(report.close(), Some(Cause::PeerError(_))));
    }
    Ok(6)
}

/// Sections 3.2.2.3.9, 3.2.2.3.10: Reason String and User Properties of the host stand in the CONNACK.
fn explanations_of_the_connack_are_sent() -> Outcome {
    for accepted in [true, false] {
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &Hello::new());
        let report = if accepted {
            driver.accept(None, &explanation())
        } else {
            driver.refuse(ReasonCode::Banned, &explanation())
        };
        let report = report.expect("good properties");
        let Packet::ConnAck(connack) = report.packet() else {
            return Err("no CONNACK".to_owned());
        };
        let properties: Vec<_> = connack.properties.iter().collect();
        assert_eq!(properties, explanation());
    }
    Ok(2)
}

/// Section 3.1.4: without a decision there is no Session, no Will, and nothing to say.
fn a_connection_lost_before_the_decision_ends_silently() -> Outcome {
    let will = super::make::Testament::new(None);
    let hello = Hello::lasting().and_will(will);
    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
    let report = driver.lose();
    assert!(report.wire.is_empty() && report.wills().is_empty());
    assert!(driver.server.session().is_none());
    assert!(driver.accept(None, &[]).is_err());
    Ok(1)
}
