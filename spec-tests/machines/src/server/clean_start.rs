//! Clean Start and Session Present (sections 3.1.2.4, 3.2.2.1.1).

use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::{SendError, Session, SessionConfig};

use super::driver::{Driver, wills};
use super::make::{Hello, Testament, config, manual};
use crate::session::driver::{Lines, packets};
use crate::session::make;

crate::check::checks! { "clean_start":
    server {
        Domain every_row_of_the_table,
        Domain a_refusal_never_has_session_present,
        Example a_session_that_never_was_is_not_present,
        Example an_expired_session_is_not_present,
        Example a_resumed_session_goes_on_sending,
        Example a_resumed_session_goes_on_receiving,
        Example a_discarded_session_sends_nothing,
        Example a_discarded_session_has_received_nothing,
        Example a_discarded_session_says_what_became_of_its_messages,
        Example the_will_of_a_discarded_session_is_published,
        Example a_session_of_another_client_is_not_taken,
        Example an_empty_session_is_a_session,
    }
}

/// A Client that was connected and is away; nothing is in its Session.
fn empty() -> Driver {
    let mut driver = Driver::lasting();
    let _ = driver.lose();
    driver
}

/// One message with QoS 1 and one with QoS 2 in flight, one QoS 2 message received.
fn busy() -> Driver {
    let mut driver = Driver::lasting();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.feed(&make::publish(2, 7, "a", "two"));
    let _ = driver.lose();
    driver
}

/// [MQTT-3.1.2-4], [MQTT-3.1.2-5], [MQTT-3.1.2-6], [MQTT-3.2.2-2], [MQTT-3.2.2-3], [MQTT-3.1.4-4]: Clean
/// Start × state of the Server.
fn every_row_of_the_table() -> u64 {
    let mut rows = 0;
    let never = || Driver::serving(config());
    for (make, had_session) in [
        (never as fn() -> Driver, false),
        (empty, true),
        (busy, true),
    ] {
        for clean_start in [false, true] {
            for expiry in [None, Some(0), Some(5), Some(u32::MAX)] {
                let mut driver = make();
                let said = driver.again(&Hello::expiring(expiry).clean(clean_start));
                let connack = match had_session && !clean_start {
                    true => "CONNACK present",
                    false => "CONNACK",
                };
                assert_eq!(packets(&said)[0], connack);
                assert!(driver.session().exists());
                rows += 1;
            }
        }
    }
    rows
}

/// [MQTT-3.2.2-6]: a CONNACK that refuses has Session Present 0.
fn a_refusal_never_has_session_present() -> u64 {
    for clean_start in [false, true] {
        let mut driver = busy();
        driver.returning(&Hello::lasting().clean(clean_start));
        let said = driver.refuse_client(ReasonCode::QuotaExceeded, &[]);
        assert_eq!(said.expect("a refusal")[0], "> CONNACK QuotaExceeded");
    }
    2
}

/// [MQTT-3.2.2-3]: Session State comes into being with a connection, not with the host's value.
fn a_session_that_never_was_is_not_present() {
    let session = Session::of_server("c1", SessionConfig::default());
    assert!(!session.exists());
    let mut driver = Driver::deciding(config(), &Hello::new());
    driver.found = Some(session);
    assert_eq!(driver.accept_client(&[]).unwrap(), ["> CONNACK"]);
}

/// [MQTT-4.1.0-2], [MQTT-3.1.2-6]: once its interval has passed a Session is no more, even if nobody has
/// looked at the clock; a millisecond before, it still is.
fn an_expired_session_is_not_present() -> u64 {
    for (waited, present) in [
        (4_999, true),
        (5_000, false),
        (5_001, false),
        (1 << 40, false),
    ] {
        for looked in [true, false] {
            let hello = Hello::expiring(Some(5));
            let mut driver = Driver::with(config(), &hello);
            let _ = driver.publish(1, "a", "1");
            let _ = driver.lose();
            match looked {
                true => drop(driver.tick(waited)),
                false => driver.wait(waited),
            }
            let said = driver.again(&hello);
            let expected = match present {
                true => &["CONNACK present", "PUBLISH q1 #1 dup a \"1\""][..],
                false => &["CONNACK"],
            };
            assert_eq!(packets(&said), expected, "{waited} ms, looked: {looked}");
        }
    }
    8
}

/// [MQTT-3.1.2-5]: what was in flight is sent again.
fn a_resumed_session_goes_on_sending() {
    assert_eq!(
        busy().again(&Hello::new()),
        [
            "> CONNACK present",
            "> PUBLISH q1 #1 dup a \"1\"",
            "> PUBLISH q2 #2 dup a \"2\""
        ]
    );
}

/// [MQTT-3.1.2-5]: a QoS 2 message that was received is remembered.
fn a_resumed_session_goes_on_receiving() {
    let mut driver = busy();
    let _ = driver.again(&Hello::new());
    let again = make::publish_with(2, 7, true, "a", "two", &[]);
    assert_eq!(driver.feed(&again), ["> PUBREC #7"]);
    assert_eq!(driver.feed(&make::pubrel(7)), ["> PUBCOMP #7"]);
}

/// [MQTT-3.1.2-4]: with Clean Start 1 nothing of the old Session is sent, and the Packet Identifiers are free.
fn a_discarded_session_sends_nothing() {
    let mut driver = busy();
    let said = driver.again(&Hello::lasting().clean(true));
    assert_eq!(packets(&said), ["CONNACK"]);
    assert_eq!(driver.session().in_flight(), 0);
    assert_eq!(driver.publish(1, "a", "new"), ["> PUBLISH q1 #1 a \"new\""]);
}

/// [MQTT-3.1.2-4]: with Clean Start 1 a QoS 2 message that was received is forgotten.
fn a_discarded_session_has_received_nothing() {
    let mut driver = busy();
    let _ = driver.again(&Hello::lasting().clean(true));
    let again = make::publish_with(2, 7, true, "a", "two", &[]);
    let said = driver.clone().feed(&again);
    assert_eq!(said, ["message q2 a \"two\"", "> PUBREC #7"]);
    let said = driver.feed(&make::pubrel(7));
    assert_eq!(packets(&said), ["PUBCOMP #7 PacketIdentifierNotFound"]);
}

/// Section 3.1.2.4: each message of the discarded Session has its outcome, and an event reports the end.
fn a_discarded_session_says_what_became_of_its_messages() {
    let mut driver = Driver::with(manual(), &Hello::lasting());
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.lose();
    assert_eq!(driver.publish(1, "a", "3"), Lines::new());
    let mut said = driver.again(&Hello::new().clean(true));
    said.sort();
    assert_eq!(
        said,
        [
            "> CONNACK",
            "session ended",
            "t1 Indeterminate",
            "t2 Indeterminate",
            "t3 NotSent"
        ]
    );
}

/// Section 3.1.3.2.2: the end of a Session publishes its Will, however long it was to be delayed.
fn the_will_of_a_discarded_session_is_published() -> u64 {
    let hello = Hello::lasting().and_will(Testament::new(Some(1_000)));
    for clean_start in [false, true] {
        let mut driver = Driver::with(config(), &hello);
        assert_eq!(driver.lose(), Lines::new());
        let said = driver.again(&Hello::lasting().clean(clean_start));
        assert_eq!(wills(&said), usize::from(clean_start));
    }
    2
}

/// [MQTT-3.1.3-2]: state is found by the ClientID; letters are compared as they are.
fn a_session_of_another_client_is_not_taken() -> u64 {
    for other in ["c2", "C1", "c1 ", "c", "c11"] {
        for clean_start in [false, true] {
            let mut driver = Driver::with(config(), &Hello::lasting().id(other));
            let _ = driver.lose();
            driver.returning(&Hello::new().clean(clean_start));
            let differs = SendError::ClientIdentifierDiffers;
            assert_eq!(driver.accept_client(&[]), Err(differs));
            assert_eq!(driver.settle(), Lines::new());
            driver.found = Some(Session::of_server("c1", SessionConfig::default()));
            assert!(driver.accept_client(&[]).is_ok());
        }
    }
    10
}

/// Section 4.1: the existence of a Session is Session State, even if the rest of it is empty.
fn an_empty_session_is_a_session() {
    let mut driver = empty();
    assert!(driver.session().exists());
    assert_eq!(driver.tick(1 << 40), Lines::new());
    assert_eq!(driver.again(&Hello::new()), ["> CONNACK present"]);
}
