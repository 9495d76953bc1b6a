//! Keep Alive as the Server watches it (sections 3.1.2.10, 3.2.2.3.14, 3.12).

use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::Driver;
use super::make::{Hello, PINGREQ, auth, config, text};
use crate::session::driver::Lines;
use crate::session::make;

crate::check::checks! { "keep_alive":
    server {
        Domain one_and_a_half_times_to_the_millisecond,
        Example off_is_off,
        Domain the_server_keep_alive_counts,
        Domain every_packet_counts,
        Example what_the_server_sends_does_not_count,
        Example the_deadline_follows_the_last_packet,
        Example a_pingreq_has_its_pingresp,
        Example the_session_lives_on,
        Example a_timer_that_fires_early_does_no_harm,
        Example a_resumed_session_is_watched_too,
        Example the_connack_still_comes_first,
    }
}

/// The connection ends as the standard wants it: without a word or with DISCONNECT 0x8D.
fn is_the_end(said: &[String]) {
    let (close, rest) = said.split_last().expect("the end");
    assert_eq!(close, "close TimedOut(KeepAlive)");
    assert!(
        rest.is_empty() || rest == ["> DISCONNECT KeepAliveTimeout"],
        "{said:?}"
    );
}

fn open(seconds: u16) -> Driver {
    Driver::with(config(), &Hello::lasting().keep_alive(seconds))
}

fn nothing() -> Lines {
    Lines::new()
}

/// [MQTT-3.1.2-22], [MQTT-3.2.2-22]: some values and the border of each.
fn one_and_a_half_times_to_the_millisecond() -> u64 {
    let mut values: Vec<u16> = (1..=1_000).collect();
    values.extend([32_767, 32_768, 43_690, 43_691, 65_534, 65_535]);
    for &seconds in &values {
        let mut driver = open(seconds);
        assert_eq!(driver.machine.keep_alive(), seconds);
        let time = u64::from(seconds) * 1_500;
        assert_eq!(driver.deadline(), Some(time));
        assert_eq!(driver.tick(time - 1), nothing(), "{seconds}");
        is_the_end(&driver.tick(1));
        assert_eq!(driver.feed(PINGREQ), nothing());
    }
    values.len() as u64
}

/// Section 3.1.2.10: 0 turns it off.
fn off_is_off() {
    let mut driver = open(0);
    assert_eq!(driver.deadline(), None);
    assert_eq!(driver.tick(1 << 50), nothing());
    assert!(driver.machine.is_connected());
}

/// [MQTT-3.2.2-21], section 3.2.2.3.14: a Server Keep Alive replaces the Client's, 0 among them.
fn the_server_keep_alive_counts() -> u64 {
    let values = [0, 1, 10, 60, u16::MAX];
    for asked in values {
        for granted in values {
            let mut driver = Driver::deciding(config(), &Hello::lasting().keep_alive(asked));
            let list = [Property::ServerKeepAlive(granted)];
            let said = driver.accept_client(&list).expect("a good property");
            assert_eq!(said, [format!("> CONNACK ServerKeepAlive({granted})")]);
            assert_eq!(driver.machine.keep_alive(), granted);
            if granted == 0 {
                assert_eq!(driver.tick(1 << 40), nothing());
                continue;
            }
            assert_eq!(driver.tick(u64::from(granted) * 1_500 - 1), nothing());
            is_the_end(&driver.tick(1));
        }
    }
    25
}

/// Section 3.1.2.10: any MQTT Control Packet of the Client, whatever the Server makes of it.
fn every_packet_counts() -> u64 {
    let packets = [
        PINGREQ.to_vec(),
        make::publish(0, 1, "a", "x"),
        make::publish(1, 1, "a", "x"),
        make::publish(2, 1, "a", "x"),
        make::puback(1),
        make::pubrec(1),
        make::pubrel(1),
        make::pubcomp(1),
        make::subscribe(1, &["a"]),
        make::unsubscribe(1, &["a"]),
        auth(ReasonCode::ReAuthenticate, "m", b""),
    ];
    for packet in &packets {
        let hello = Hello::lasting().keep_alive(10);
        let hello = hello.with(Property::AuthenticationMethod(text("m")));
        let mut driver = Driver::with(config(), &hello);
        assert_eq!(driver.tick(14_999), nothing());
        let _ = driver.feed(packet);
        assert_eq!(driver.tick(14_999), nothing(), "{packet:?}");
        is_the_end(&driver.tick(1));
    }
    packets.len() as u64
}

/// Section 3.1.2.10: only what the Client sends keeps the connection alive.
fn what_the_server_sends_does_not_count() {
    let mut driver = open(10);
    for _ in 0..14 {
        assert_eq!(driver.tick(1_000), nothing());
        assert_eq!(driver.publish(0, "a", "x").len(), 2);
    }
    assert_eq!(driver.tick(999), nothing());
    is_the_end(&driver.tick(1));
}

/// [MQTT-3.1.2-22]: the time runs from the last packet.
fn the_deadline_follows_the_last_packet() -> u64 {
    let mut driver = open(2);
    for time in [0, 1, 1_500, 2_000, 2_999] {
        assert_eq!(driver.tick(time), nothing());
        assert_eq!(driver.feed(PINGREQ), ["> PINGRESP"]);
        assert_eq!(driver.deadline(), Some(3_000));
    }
    is_the_end(&driver.tick(3_000));
    5
}

/// [MQTT-3.12.4-1]: each PINGREQ has a PINGRESP, with Keep Alive or without.
fn a_pingreq_has_its_pingresp() -> u64 {
    for seconds in [0, 10] {
        let mut driver = open(seconds);
        assert_eq!(driver.feed(PINGREQ), ["> PINGRESP"]);
        assert_eq!(driver.feed(&PINGREQ.repeat(5)), ["> PINGRESP"; 5]);
        assert_eq!(driver.offer(&mut &PINGREQ[..1]), nothing());
        assert_eq!(driver.feed(PINGREQ), ["> PINGRESP"]);
    }
    14
}

/// [MQTT-3.1.2-22], [MQTT-3.1.2-23]: as after a network failure: the Session is kept.
fn the_session_lives_on() {
    let mut driver = open(10);
    let _ = driver.publish(1, "a", "1");
    is_the_end(&driver.tick(15_000));
    let _ = driver.lose();
    assert_eq!(
        driver.again(&Hello::new()),
        ["> CONNACK present", "> PUBLISH q1 #1 dup a \"1\""]
    );
}

/// A deadline that a packet has moved: the old timer does nothing.
fn a_timer_that_fires_early_does_no_harm() {
    let mut driver = open(10);
    assert_eq!(driver.tick(10_000), nothing());
    assert_eq!(driver.feed(PINGREQ), ["> PINGRESP"]);
    assert_eq!(driver.tick(5_000), nothing());
    assert_eq!(driver.tick(0), nothing());
}

/// [MQTT-3.1.2-22]: Keep Alive belongs to the CONNECT of each connection.
fn a_resumed_session_is_watched_too() {
    let mut driver = open(10);
    let _ = driver.lose();
    assert_eq!(
        driver.again(&Hello::lasting().keep_alive(4)),
        ["> CONNACK present"]
    );
    assert_eq!(driver.tick(5_999), nothing());
    is_the_end(&driver.tick(1));
}

/// [MQTT-3.2.0-1], [MQTT-3.14.0-1]: a CONNACK that waits for the network is not overtaken by a DISCONNECT; the Client
/// cannot be blamed while it waits.
fn the_connack_still_comes_first() {
    let mut driver = Driver::deciding(config(), &Hello::lasting().keep_alive(1));
    let result = driver.machine.accept(driver.now, None, &[]);
    result.expect("a good CONNECT");
    driver.wait(1_500);
    driver.machine.handle_timeout(driver.now);
    assert_eq!(driver.settle(), ["> CONNACK"]);
    driver.machine.handle_timeout(driver.now);
    is_the_end(&driver.settle());
}
