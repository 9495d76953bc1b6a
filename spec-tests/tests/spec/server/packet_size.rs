//! Maximum Packet Size in both directions (sections 3.1.2.11.4, 3.2.2.3.6; table T15).

use std::num::NonZeroU32;

use mqtt5_codec::{Binary, Packet, PacketType, Property, Qos, ReasonCode};
use mqtt5_session_fsm::{Cause, Instant, Limits, SendError, ServerConfig};

use super::driver::{Driver, Report, Seen, explanation};
use super::make::{
    Hello, Testament, config, id, limited, publication, subscribe, text, unsubscribe,
};
use crate::check::Outcome;

super::listed! { "packet_size":
    Domain explanations_are_left_out_of_the_connack,
    Domain explanations_are_left_out_of_the_suback,
    Domain explanations_are_left_out_of_the_unsuback,
    Domain explanations_are_left_out_of_the_disconnect,
    Domain explanations_are_left_out_of_the_auth,
    Example what_has_to_be_sent_and_cannot_ends_the_connection,
    Example an_acceptance_that_cannot_be_told_accepts_nothing,
    Example a_server_reference_that_does_not_fit_is_left_out,
    Domain a_connect_that_is_too_large_is_refused,
}

fn taking(size: u32) -> Hello {
    let size = NonZeroU32::new(size).expect("not 0");
    Hello::lasting().with(Property::MaximumPacketSize(size))
}

/// Reason String and User Property of the packet of this type.
fn explanations(report: &Report) -> Vec<Property<'static>> {
    let has = |seen: &dyn Fn(&Property<'_>) -> bool| match report.packets()[0] {
        Packet::ConnAck(packet) => packet.properties.iter().any(|property| seen(&property)),
        Packet::PubAck(packet) => packet.properties.iter().any(|property| seen(&property)),
        Packet::PubRec(packet) => packet.properties.iter().any(|property| seen(&property)),
        Packet::PubRel(packet) => packet.properties.iter().any(|property| seen(&property)),
        Packet::PubComp(packet) => packet.properties.iter().any(|property| seen(&property)),
        Packet::SubAck(packet) => packet.properties.iter().any(|property| seen(&property)),
        Packet::UnsubAck(packet) => packet.properties.iter().any(|property| seen(&property)),
        Packet::Disconnect(packet) => packet.properties.iter().any(|property| seen(&property)),
        Packet::Auth(packet) => packet.properties.iter().any(|property| seen(&property)),
        ref other => panic!("{other:?}"),
    };
    let list = explanation();
    list.into_iter()
        .filter(|property| has(&|found| found == property))
        .collect()
}

/// With limits from the packet's smallest size to more than its largest: never too large, which the driver
/// watches, nothing else is lost, and nothing is left out without need.
fn all_limits(run: impl Fn(&Hello, &[Property<'_>]) -> Report) -> Outcome {
    let smallest = run(&Hello::lasting(), &[]).wire.len();
    let list = explanation();
    let largest = run(&Hello::lasting(), &list).wire.len();
    assert!(largest > smallest, "no explanations are sent at all");
    // A CONNACK takes five bytes.
    for limit in smallest.max(5)..=largest + 3 {
        let report = run(&taking(u32::try_from(limit).expect("small")), &list);
        let found = explanations(&report);
        assert_eq!(found.len() == 2, limit >= largest, "{limit}: {found:?}");
        assert!(report.wire.len() >= smallest);
    }
    Ok((largest + 4 - smallest.max(5)) as u64)
}

/// [MQTT-3.2.2-19], [MQTT-3.2.2-20], accepting and refusing.
fn explanations_are_left_out_of_the_connack() -> Outcome {
    let accepting = all_limits(|hello, list| {
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), hello);
        driver.accept(None, list).expect("good properties")
    })?;
    let refusing = all_limits(|hello, list| {
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), hello);
        driver
            .refuse(ReasonCode::Banned, list)
            .expect("good properties")
    })?;
    Ok(accepting + refusing)
}

/// [MQTT-3.9.2-1], [MQTT-3.9.2-2].
fn explanations_are_left_out_of_the_suback() -> Outcome {
    all_limits(|hello, list| {
        let mut driver = Driver::connected(config(), hello);
        driver.send(&subscribe(1, &["a", "b"]));
        let codes = [ReasonCode::GrantedQos1, ReasonCode::NotAuthorized];
        let result = driver
            .server
            .acknowledge_subscribe(driver.now, id(1), &codes, list);
        result.expect("good properties");
        driver.pump()
    })
}

/// [MQTT-3.11.2-1], [MQTT-3.11.2-2].
fn explanations_are_left_out_of_the_unsuback() -> Outcome {
    all_limits(|hello, list| {
        let mut driver = Driver::connected(config(), hello);
        driver.send(&unsubscribe(1, &["a", "b"]));
        let codes = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
        let result = driver
            .server
            .acknowledge_unsubscribe(driver.now, id(1), &codes, list);
        result.expect("good properties");
        driver.pump()
    })
}

/// [MQTT-3.14.2-3], [MQTT-3.14.2-4]; the Server Reference stays.
fn explanations_are_left_out_of_the_disconnect() -> Outcome {
    let plain = all_limits(|hello, list| {
        let mut driver = Driver::connected(config(), hello);
        driver
            .disconnect(ReasonCode::ServerBusy, list)
            .expect("good properties")
    });
    let referring = all_limits(|hello, list| {
        let mut driver = Driver::connected(config(), hello);
        let mut list = list.to_vec();
        list.push(Property::ServerReference(text("other")));
        let report = driver.disconnect(ReasonCode::UseAnotherServer, &list);
        let report = report.expect("good properties");
        let Packet::Disconnect(disconnect) = report.packet() else {
            panic!("no DISCONNECT");
        };
        assert!(disconnect.properties.server_reference().is_some());
        report
    });
    Ok(plain? + referring?)
}

/// [MQTT-3.15.2-2], [MQTT-3.15.2-3]; Authentication Method and Data stay.
fn explanations_are_left_out_of_the_auth() -> Outcome {
    all_limits(|hello, list| {
        let hello = hello
            .clone()
            .with(Property::AuthenticationMethod(text("m")));
        let mut driver = Driver::deciding(Instant::ORIGIN, config(), &hello);
        let mut list = list.to_vec();
        list.push(Property::AuthenticationData(
            Binary::new(b"data").expect("short"),
        ));
        let report = driver.authenticate(&list).expect("good properties");
        let Packet::Auth(auth) = report.packet() else {
            panic!("no AUTH");
        };
        assert!(auth.properties.authentication_method().is_some());
        assert!(auth.properties.authentication_data().is_some());
        report
    })
}

/// T19.4: a CONNACK, SUBACK or PINGRESP that does not fit: the connection is closed, and nothing is written
/// that is too large.
fn what_has_to_be_sent_and_cannot_ends_the_connection() -> Outcome {
    let mut driver = Driver::deciding(Instant::ORIGIN, config(), &taking(4));
    driver.server.accept(driver.now, None, &[]).ok();
    let report = driver.pump();
    assert!(report.wire.is_empty());
    assert_eq!(
        report.close(),
        Some(Cause::CannotAnswer(PacketType::ConnAck))
    );

    let mut driver = Driver::connected(config(), &taking(10));
    driver.send(&subscribe(1, &["a"; 10]));
    let codes = [ReasonCode::Success; 10];
    let result = driver
        .server
        .acknowledge_subscribe(driver.now, id(1), &codes, &[]);
    let report = driver.pump();
    assert!(
        matches!(result, Ok(()) | Err(SendError::Forbidden(_))),
        "{result:?}"
    );
    assert_eq!(
        report.close(),
        Some(Cause::CannotAnswer(PacketType::SubAck))
    );

    let mut driver = Driver::connected(config(), &taking(10));
    driver.send(&subscribe(1, &["a"]));
    let report = driver.send(&subscribe(1, &["a"; 10]));
    let cause = Cause::CannotAnswer(PacketType::SubAck);
    assert_eq!(report.close(), Some(cause), "a SUBACK with ten times 0x91");
    Ok(3)
}

/// Section 3.1.4: without a CONNACK nothing of the CONNECT is done: the old Session stays, even with Clean
/// Start 1, and the new Will is not stored.
fn an_acceptance_that_cannot_be_told_accepts_nothing() -> Outcome {
    for clean_start in [false, true] {
        let mut driver = Driver::connected(config(), &Hello::lasting());
        driver.publish(publication(Qos::AtLeastOnce, b"x")).ok();
        let (keeper, _) = driver.part();
        let mut hello = taking(4).and_will(Testament::new(None));
        hello.clean_start = clean_start;
        let mut driver = Driver::deciding(keeper.now, config(), &hello);
        let report = driver.accept(Some(keeper.session), &[]).expect("good");
        assert!(
            report.wire.is_empty() && report.wills().is_empty(),
            "{report:?}"
        );
        assert!(!report.saw(&Seen::SessionEnded), "{report:?}");
        let session = driver.server.session().expect("the old one");
        assert_eq!(session.in_flight(), 1);
    }
    Ok(2)
}

/// [MQTT-3.1.2-24], section 4.13: the DISCONNECT still says why.
fn a_server_reference_that_does_not_fit_is_left_out() -> Outcome {
    let mut driver = Driver::connected(config(), &taking(20));
    let code = ReasonCode::UseAnotherServer;
    let reference = Property::ServerReference(text("another.example.com:8883"));
    let report = driver.disconnect(code, &[reference]).expect("connected");
    let expected = Packet::Disconnect(mqtt5_codec::Disconnect::new(code));
    assert_eq!(report.packet(), expected);
    Ok(1)
}

fn accepting(size: u32) -> ServerConfig {
    limited(Limits {
        maximum_packet_size: size,
        ..Limits::NONE
    })
}

/// PER-13, section 3.2.2.2: CONNACK 0x95, or nothing.
fn a_connect_that_is_too_large_is_refused() -> Outcome {
    let hello = Hello::lasting();
    let size = u32::try_from(hello.bytes().len()).expect("small");
    for (limit, is_good) in [(size, true), (size - 1, false), (size + 1, true)] {
        let mut driver = Driver::new(Instant::ORIGIN, accepting(limit));
        let report = driver.hello(&hello);
        if is_good {
            assert_eq!(report.events(), [Seen::Connect("c1".to_owned())]);
        } else {
            assert!(matches!(report.close(), Some(Cause::PeerError(_))));
            let word = report.last_word();
            assert!(word.is_none_or(|code| code == ReasonCode::PacketTooLarge));
        }
    }
    Ok(3)
}
