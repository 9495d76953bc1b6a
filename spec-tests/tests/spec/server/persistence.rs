//! What has to survive a crash is told before the packets that depend on it (sections 4.1, 4.3).

use mqtt5_codec::{Packet, PacketType, Qos, ReasonCode};
use mqtt5_session_fsm::{Change, ServerConfig, SessionConfig};

use super::driver::{Driver, Keeper, Report, Seen, frames};
use super::make::{
    Hello, config, disconnect, puback, pubcomp, publication, publish_1, publish_2, pubrec, pubrel,
};
use crate::check::Outcome;

super::listed! { "persistence":
    Example the_connection_is_stored_before_the_connack,
    Example a_message_is_stored_before_its_publish,
    Example the_end_of_a_message_is_stored,
    Example a_release_is_stored_before_the_pubrel,
    Example a_reception_is_stored_before_the_pubrec,
    Example a_completion_is_stored_before_the_pubcomp,
    Example the_end_of_a_connection_is_stored,
    Example what_needs_no_memory_is_not_stored,
    Example nothing_is_told_if_it_is_not_wanted,
    Domain what_was_not_told_is_not_acted_upon,
}

fn persistent() -> ServerConfig {
    ServerConfig {
        session: SessionConfig {
            persistent: true,
            ..SessionConfig::default()
        },
        ..config()
    }
}

fn open() -> Driver {
    Driver::connected(persistent(), &Hello::lasting())
}

/// Whether a change of this kind is told, and before the first packet of the type is written.
fn precedes(report: &Report, packet_type: PacketType, is: impl Fn(&Change) -> bool) -> bool {
    let mut written = 0;
    let mut told = false;
    for seen in &report.log {
        match seen {
            Seen::Persist(change) => told |= is(change),
            Seen::Wrote(length) => {
                for bytes in frames(&report.wire[written..written + length]) {
                    if bytes[0] >> 4 == packet_type as u8 {
                        return told;
                    }
                }
                written += length;
            }
            _ => {}
        }
    }
    panic!("no {packet_type:?}: {report:?}")
}

fn stores(report: &Report, is: impl Fn(&Change) -> bool) -> bool {
    report
        .log
        .iter()
        .any(|seen| matches!(seen, Seen::Persist(change) if is(change)))
}

/// Section 4.1: the existence of the Session, and its interval.
fn the_connection_is_stored_before_the_connack() -> Outcome {
    let (_, report) = Driver::resumed(
        mqtt5_session_fsm::Instant::ORIGIN,
        persistent(),
        &Hello::lasting(),
        None,
    );
    assert!(precedes(&report, PacketType::ConnAck, |change| matches!(
        change,
        Change::Connected { client_identifier, expiry_interval: u32::MAX }
            if &**client_identifier == "c1"
    )));
    Ok(1)
}

/// Sections 4.3.2, 4.3.3: the sender stores the message.
fn a_message_is_stored_before_its_publish() -> Outcome {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let (token, report) = open().publish(publication(qos, b"x")).expect("room");
        assert!(precedes(&report, PacketType::Publish, |change| {
            matches!(change, Change::Accepted { message, .. } if message.token == token && message.qos == qos)
        }));
        assert!(precedes(&report, PacketType::Publish, |change| {
            matches!(change, Change::Sent { token: of, .. } if *of == token)
        }));
    }
    Ok(2)
}

/// Sections 4.3.2, 4.3.3: it is discarded when its exchange is over.
fn the_end_of_a_message_is_stored() -> Outcome {
    let finished = |change: &Change| matches!(change, Change::Finished { packet_identifier } if packet_identifier.get() == 1);
    let mut driver = open();
    driver
        .publish(publication(Qos::AtLeastOnce, b"x"))
        .expect("room");
    assert!(stores(
        &driver.send(&puback(1, ReasonCode::Success)),
        finished
    ));
    let mut driver = open();
    driver
        .publish(publication(Qos::ExactlyOnce, b"x"))
        .expect("room");
    let mut refused = driver.clone();
    assert!(stores(
        &refused.send(&pubrec(1, ReasonCode::QuotaExceeded)),
        finished
    ));
    assert!(!stores(
        &driver.send(&pubrec(1, ReasonCode::Success)),
        finished
    ));
    assert!(stores(
        &driver.send(&pubcomp(1, ReasonCode::Success)),
        finished
    ));
    Ok(4)
}

/// [MQTT-4.3.3-6]: after a crash the PUBLISH must not be sent again.
fn a_release_is_stored_before_the_pubrel() -> Outcome {
    let mut driver = open();
    driver
        .publish(publication(Qos::ExactlyOnce, b"x"))
        .expect("room");
    let report = driver.send(&pubrec(1, ReasonCode::Success));
    let released = |change: &Change| matches!(change, Change::Released { .. });
    assert!(precedes(&report, PacketType::PubRel, released));
    Ok(1)
}

/// [MQTT-4.3.3-10]: after a crash the message must not be delivered again.
fn a_reception_is_stored_before_the_pubrec() -> Outcome {
    let report = open().send(&publish_2(6));
    assert!(precedes(&report, PacketType::PubRec, |change| {
        matches!(change, Change::Received { packet_identifier } if packet_identifier.get() == 6)
    }));
    Ok(1)
}

/// [MQTT-4.3.3-12]: after a crash the identifier must be free.
fn a_completion_is_stored_before_the_pubcomp() -> Outcome {
    let mut driver = open();
    driver.send(&publish_2(6));
    let report = driver.send(&pubrel(6, ReasonCode::Success));
    assert!(precedes(&report, PacketType::PubComp, |change| {
        matches!(change, Change::Completed { packet_identifier } if packet_identifier.get() == 6)
    }));
    Ok(1)
}

/// Section 4.1: the time at which the Session ends.
fn the_end_of_a_connection_is_stored() -> Outcome {
    let hello = Hello::new().with(mqtt5_codec::Property::SessionExpiryInterval(7));
    for by_disconnect in [false, true] {
        let mut driver = Driver::connected(persistent(), &hello);
        let ends_at = driver.now.as_millis() + 7_000;
        let mut report = Report::default();
        if by_disconnect {
            report = driver.send(&disconnect(ReasonCode::Success));
        }
        let (mut keeper, rest) = driver.part();
        let report = report.and(rest);
        assert!(stores(&report, |change| {
            matches!(change, Change::Disconnected { ends_at: at, .. } if at.as_millis() == ends_at)
        }));
        assert!(stores(&keeper.wait(7_000), |change| *change == Change::Ended));
    }
    Ok(2)
}

/// Section 4.1: QoS 0 and received QoS 1 leave nothing behind.
fn what_needs_no_memory_is_not_stored() -> Outcome {
    let mut driver = open();
    let (_, report) = driver
        .publish(publication(Qos::AtMostOnce, b"x"))
        .expect("room");
    assert!(!stores(&report, |_| true));
    assert!(!stores(&driver.send(&publish_1(1)), |_| true));
    assert!(!stores(&driver.send(super::make::PINGREQ), |_| true));
    Ok(3)
}

/// Documented: only with SessionConfig::persistent.
fn nothing_is_told_if_it_is_not_wanted() -> Outcome {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    let (_, report) = driver
        .publish(publication(Qos::ExactlyOnce, b"x"))
        .expect("room");
    let report = report.and(driver.send(&pubrec(1, ReasonCode::Success)));
    let report = report.and(driver.send(&publish_2(6))).and(driver.part().1);
    assert!(!stores(&report, |_| true));
    Ok(1)
}

/// Section 4.1: a Session that is taken away takes along what was not told yet, and the old connection does
/// not write what depends on it.
fn what_was_not_told_is_not_acted_upon() -> Outcome {
    type Prepare = fn() -> Driver;
    let read = |driver: &mut Driver, bytes: &[u8]| {
        let mut rest = bytes;
        while driver.server.receive(driver.now, &mut rest).is_some() {}
    };
    let cases: [(&str, Prepare, &[u8]); 4] = [
        ("CONNACK", accepted, b""),
        ("PUBREC", open, &publish_2(6)),
        ("PUBCOMP", received, &pubrel(6, ReasonCode::Success)),
        ("PUBREL", sent, &pubrec(1, ReasonCode::Success)),
    ];
    for (name, prepare, bytes) in cases {
        for is_taken_over in [false, true] {
            // The network is slow, poll is put off.
            let mut driver = prepare();
            read(&mut driver, bytes);
            let now = driver.now;
            let session = if is_taken_over {
                driver.server.take_over(now)
            } else {
                let result = driver.server.disconnect(now, ReasonCode::ServerBusy, &[]);
                result.expect("connected");
                driver.server.take_session(now)
            };
            let report = driver.pump();
            for packet in report.packets() {
                assert!(
                    matches!(packet, Packet::Disconnect(_)),
                    "{name}: {packet:?}"
                );
            }
            let session = session.expect("a Session");
            let told = Keeper { session, now }.pump();
            let is_end = |change: &Change| matches!(change, Change::Disconnected { .. });
            assert!(stores(&told, |change| !is_end(change)), "{name}: {told:?}");
        }
    }
    Ok(8)
}

/// The CONNACK is not written yet.
fn accepted() -> Driver {
    let now = mqtt5_session_fsm::Instant::ORIGIN;
    let mut driver = Driver::deciding(now, persistent(), &Hello::lasting());
    let result = driver.server.accept(now, None, &[]);
    result.expect("a good CONNECT");
    driver
}

/// A message with QoS 2 and identifier 6 was received.
fn received() -> Driver {
    let mut driver = open();
    driver.send(&publish_2(6));
    driver
}

/// A message with QoS 2 and identifier 1 was sent.
fn sent() -> Driver {
    let mut driver = open();
    let message = publication(Qos::ExactlyOnce, b"x");
    driver.publish(message).expect("room");
    driver
}
