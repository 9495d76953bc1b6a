//! What must survive a crash is announced before the packets that depend on it (sections 4.1, 4.3).

use mqtt5_session_fsm::codec::{PacketType, ReasonCode};
use mqtt5_session_fsm::{ServerConfig, SessionConfig};

use super::driver::Driver;
use super::make::{Hello, PINGREQ, config};
use crate::session::driver::{Lines, packets};
use crate::session::make;

crate::check::checks! { "persistence":
    server {
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
    Driver::with(persistent(), &Hello::lasting())
}

/// A message with this QoS, and identifier 1, is in flight.
fn sent(qos: u8) -> Driver {
    let mut driver = open();
    let _ = driver.publish(qos, "a", "x");
    driver
}

/// Checks that a line with this change comes before the first line with this packet.
fn precedes(said: &[String], change: &str, packet: &str) {
    let at = |wanted: &str| said.iter().position(|line| line.starts_with(wanted));
    let (change, packet) = (at(&format!("persist {change}")), at(packet));
    assert!(
        change.is_some() && packet.is_some() && change < packet,
        "{said:?}"
    );
}

/// The first change that is announced.
fn stored(said: &[String]) -> Option<&str> {
    said.iter().find_map(|line| line.strip_prefix("persist "))
}

fn finished(said: &[String]) -> bool {
    said.contains(&"persist Finished { packet_identifier: 1 }".into())
}

/// Section 4.1: the existence of the Session, and its interval.
fn the_connection_is_stored_before_the_connack() {
    let mut driver = Driver::deciding(persistent(), &Hello::lasting());
    let said = driver.accept_client(&[]).expect("a good CONNECT");
    precedes(&said, "Connected", "> CONNACK");
    let stored = stored(&said).expect("a change");
    assert!(
        stored.contains("\"c1\"") && stored.contains("4294967295"),
        "{said:?}"
    );
}

/// Sections 4.3.2, 4.3.3: the sender stores the message.
fn a_message_is_stored_before_its_publish() {
    for (qos, told) in [(1, "AtLeastOnce"), (2, "ExactlyOnce")] {
        let said = open().publish(qos, "a", "x");
        precedes(&said, "Accepted", "> PUBLISH");
        assert!(stored(&said).expect("a change").contains(told), "{said:?}");
        precedes(&said, "Sent", "> PUBLISH");
    }
}

/// Sections 4.3.2, 4.3.3: it is discarded when its exchange is over.
fn the_end_of_a_message_is_stored() {
    assert!(finished(&sent(1).feed(&make::puback(1))));
    let refusal = make::ack(PacketType::PubRec, 1, ReasonCode::QuotaExceeded);
    assert!(finished(&sent(2).feed(&refusal)));
    let mut driver = sent(2);
    assert!(!finished(&driver.feed(&make::pubrec(1))));
    assert!(finished(&driver.feed(&make::pubcomp(1))));
}

/// [MQTT-4.3.3-6]: after a crash the PUBLISH must not be sent again.
fn a_release_is_stored_before_the_pubrel() {
    let said = sent(2).feed(&make::pubrec(1));
    precedes(&said, "Released", "> PUBREL #1");
}

/// [MQTT-4.3.3-10]: after a crash the message must not be delivered again.
fn a_reception_is_stored_before_the_pubrec() {
    let said = open().feed(&make::publish(2, 6, "a", ""));
    precedes(&said, "Received { packet_identifier: 6 }", "> PUBREC #6");
}

/// [MQTT-4.3.3-12]: after a crash the identifier must be free.
fn a_completion_is_stored_before_the_pubcomp() {
    let said = received().feed(&make::pubrel(6));
    precedes(&said, "Completed { packet_identifier: 6 }", "> PUBCOMP #6");
}

/// A message with QoS 2 and identifier 6 was received.
fn received() -> Driver {
    let mut driver = open();
    let _ = driver.feed(&make::publish(2, 6, "a", ""));
    driver
}

/// Section 4.1: the time at which the Session ends.
fn the_end_of_a_connection_is_stored() {
    for by_disconnect in [false, true] {
        let mut driver = Driver::with(persistent(), &Hello::expiring(Some(7)));
        let ends_at = driver.now.as_millis() + 7_000;
        let mut said = Lines::new();
        if by_disconnect {
            said = driver.feed(&make::disconnect(ReasonCode::Success, &[]));
        }
        said.extend(driver.lose());
        let stored = stored(&said).expect("a change");
        assert!(stored.starts_with("Disconnected"), "{said:?}");
        assert!(stored.contains(&ends_at.to_string()), "{said:?}");
        assert!(driver.tick(7_000).contains(&"persist Ended".into()));
    }
}

/// Section 4.1: QoS 0 and received QoS 1 leave nothing behind.
fn what_needs_no_memory_is_not_stored() {
    let mut driver = open();
    assert_eq!(stored(&driver.publish(0, "a", "x")), None);
    assert_eq!(stored(&driver.feed(&make::publish(1, 1, "a", ""))), None);
    assert_eq!(stored(&driver.feed(PINGREQ)), None);
}

/// Documented: only with SessionConfig::persistent.
fn nothing_is_told_if_it_is_not_wanted() {
    let mut driver = Driver::lasting();
    let mut said = driver.publish(2, "a", "x");
    said.extend(driver.feed(&make::pubrec(1)));
    said.extend(driver.feed(&make::publish(2, 6, "a", "")));
    said.extend(driver.lose());
    assert_eq!(stored(&said), None);
}

/// Section 4.1: a Session that is taken away takes along what was not told yet, and the old connection does
/// not write what depends on it.
fn what_was_not_told_is_not_acted_upon() -> u64 {
    type Prepare = fn() -> Driver;
    let cases: [(&str, Prepare, &[u8]); 4] = [
        ("CONNACK", accepted, b""),
        ("PUBREC", open, &make::publish(2, 6, "a", "")),
        ("PUBCOMP", received, &make::pubrel(6)),
        ("PUBREL", || sent(2), &make::pubrec(1)),
    ];
    for (name, prepare, bytes) in cases {
        for is_taken_over in [false, true] {
            // The network is slow, poll is put off.
            let mut driver = prepare();
            let (now, mut rest) = (driver.now, bytes);
            while driver.machine.receive(now, &mut rest).is_some() {}
            let session = if is_taken_over {
                driver.machine.take_over(now)
            } else {
                let result = driver.machine.disconnect(now, ReasonCode::ServerBusy, &[]);
                result.expect("connected");
                driver.machine.take_session(now)
            };
            let said = driver.settle();
            let written = packets(&said);
            let is_last = |packet: &&str| packet.starts_with("DISCONNECT");
            assert!(written.iter().all(is_last), "{name}: {said:?}");
            driver.keep(session.expect("a Session"));
            let told = driver.settle();
            let stored = stored(&told).expect("a change");
            assert!(!stored.starts_with("Disconnected"), "{name}: {told:?}");
        }
    }
    8
}

/// The CONNACK is not written yet.
fn accepted() -> Driver {
    let mut driver = Driver::deciding(persistent(), &Hello::lasting());
    let result = driver.machine.accept(driver.now, None, &[]);
    result.expect("a good CONNECT");
    driver
}
