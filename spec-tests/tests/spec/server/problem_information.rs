//! Request Problem Information (section 3.1.2.11.7).

use mqtt5_codec::{Packet, Property, Qos, ReasonCode};
use mqtt5_session_fsm::Instant;

use super::driver::{Driver, Report, explanation};
use super::make::{
    Hello, auth, id, manual, message, publish, publish_1, publish_2, pubrec, pubrel, subscribe,
    text, unsubscribe,
};
use crate::check::Outcome;

super::listed! { "problem_information":
    Domain none_on_the_packets_that_may_not_have_it,
    Example still_on_connack_disconnect_and_publish,
    Example none_on_what_was_decided_before,
}

/// Asked with 1, not at all, with 0; whether explanations may be given.
fn hellos() -> [(Hello, bool); 3] {
    let hello = Hello::lasting().with(Property::AuthenticationMethod(text("m")));
    [
        (
            hello
                .clone()
                .with(Property::RequestProblemInformation(true)),
            true,
        ),
        (hello.clone(), true),
        (
            hello.with(Property::RequestProblemInformation(false)),
            false,
        ),
    ]
}

fn properties(packet: &Packet<'_>) -> usize {
    match packet {
        Packet::ConnAck(packet) => packet.properties.iter().count(),
        Packet::Publish(packet) => packet.properties.iter().count(),
        Packet::PubAck(packet) => packet.properties.iter().count(),
        Packet::PubRec(packet) => packet.properties.iter().count(),
        Packet::PubRel(packet) => packet.properties.iter().count(),
        Packet::PubComp(packet) => packet.properties.iter().count(),
        Packet::SubAck(packet) => packet.properties.iter().count(),
        Packet::UnsubAck(packet) => packet.properties.iter().count(),
        Packet::Disconnect(packet) => packet.properties.iter().count(),
        Packet::Auth(packet) => packet.properties.iter().count(),
        other => panic!("{other:?}"),
    }
}

/// A packet, how many properties it has beside explanations, and how it comes about.
type Case = (&'static str, usize, fn(&mut Driver) -> Report);

/// [MQTT-3.1.2-29]: PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, AUTH; with 1 or absent they have it.
fn none_on_the_packets_that_may_not_have_it() -> Outcome {
    let list = explanation();
    let cases: [Case; 9] = [
        ("AUTH", 1, |driver| {
            driver
                .authenticate(&explanation())
                .expect("this side's turn")
        }),
        ("PUBACK", 0, |driver| {
            let receipt = driver.send(&publish_1(1)).receipt();
            let code = ReasonCode::QuotaExceeded;
            driver
                .acknowledge_with(receipt, code, &explanation())
                .expect("a message")
        }),
        ("PUBACK of success", 0, |driver| {
            let receipt = driver.send(&publish_1(1)).receipt();
            let code = ReasonCode::Success;
            driver
                .acknowledge_with(receipt, code, &explanation())
                .expect("a message")
        }),
        ("PUBREC", 0, |driver| {
            let receipt = driver.send(&publish_2(2)).receipt();
            let code = ReasonCode::QuotaExceeded;
            driver
                .acknowledge_with(receipt, code, &explanation())
                .expect("a message")
        }),
        ("SUBACK", 0, |driver| {
            driver.send(&subscribe(3, &["a"]));
            let codes = [ReasonCode::NotAuthorized];
            let now = driver.now;
            let result = driver
                .server
                .acknowledge_subscribe(now, id(3), &codes, &explanation());
            result.expect("it waits");
            driver.pump()
        }),
        ("UNSUBACK", 0, |driver| {
            driver.send(&unsubscribe(4, &["a"]));
            let codes = [ReasonCode::NotAuthorized];
            let now = driver.now;
            let result = driver
                .server
                .acknowledge_unsubscribe(now, id(4), &codes, &explanation());
            result.expect("it waits");
            driver.pump()
        }),
        ("AUTH of success", 1, |driver| {
            driver.send(&auth(ReasonCode::ReAuthenticate, "m", b""));
            driver
                .server
                .finish_re_authentication(&explanation())
                .expect("this side's turn");
            driver.pump()
        }),
        ("PUBREL", usize::MAX, |driver| {
            driver.send(&pubrec(9, ReasonCode::Success))
        }),
        ("PUBCOMP", usize::MAX, |driver| {
            driver.send(&pubrel(9, ReasonCode::Success))
        }),
    ];
    for (hello, allowed) in hellos() {
        for (name, others, run) in &cases {
            let mut driver = Driver::deciding(Instant::ORIGIN, manual(), &hello);
            if *name != "AUTH" {
                driver.accept(None, &[]).expect("a good CONNECT");
            }
            let report = run(&mut driver);
            let found = properties(&report.packet());
            if *others == usize::MAX {
                assert_eq!(found, 0, "{name}: the Server itself explains nothing");
            } else {
                let explained = if allowed { list.len() } else { 0 };
                assert_eq!(found, others + explained, "{name}, {allowed}");
            }
        }
    }
    Ok(27)
}

/// [MQTT-3.1.2-29]: with 0, too, a Server may return them on CONNACK and DISCONNECT; a PUBLISH has its own.
fn still_on_connack_disconnect_and_publish() -> Outcome {
    for (hello, _) in hellos() {
        let list = explanation();
        let deciding = Driver::deciding(Instant::ORIGIN, manual(), &hello);
        let mut refused = deciding.clone();
        let report = refused
            .refuse(ReasonCode::Banned, &list)
            .expect("a refusal");
        assert_eq!(properties(&report.packet()), 2);
        let mut driver = deciding;
        let report = driver.accept(None, &list).expect("a good CONNECT");
        assert_eq!(
            properties(&report.packet()),
            3,
            "and the Authentication Method"
        );
        let message = message("t", b"x", &list[1..]);
        let publication = mqtt5_session_fsm::Publication::new(Qos::AtLeastOnce, message);
        let (_, report) = driver.publish(publication).expect("room");
        assert_eq!(properties(&report.packet()), 1);
        let report = driver
            .disconnect(ReasonCode::ServerBusy, &list)
            .expect("connected");
        assert_eq!(properties(&report.packet()), 2);
    }
    Ok(12)
}

/// [MQTT-3.1.2-29]: the CONNECT of the Network Connection on which the packet leaves counts.
fn none_on_what_was_decided_before() -> Outcome {
    let mut driver = Driver::connected(manual(), &Hello::lasting());
    let receipt = driver.send(&publish_2(7)).receipt();
    driver.lose();
    driver
        .acknowledge_with(receipt, ReasonCode::Success, &explanation())
        .expect("a message");
    let session = driver.server.take_session(driver.now);
    let hello = Hello::lasting().with(Property::RequestProblemInformation(false));
    let (mut driver, _) = Driver::resumed(driver.now, manual(), &hello, session);
    let report = driver.send(&publish(Qos::ExactlyOnce, 7, true, b"two"));
    let packet = report.packet();
    assert!(matches!(packet, Packet::PubRec(_)), "{packet:?}");
    assert_eq!(properties(&packet), 0);
    Ok(1)
}
