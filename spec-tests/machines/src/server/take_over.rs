//! The same ClientID connects while it is connected (section 3.1.4).

use mqtt5_session_fsm::Session;
use mqtt5_session_fsm::codec::ReasonCode;

use super::driver::{Driver, wills};
use super::make::{Hello, PINGREQ, Testament, config};
use crate::session::driver::{Lines, packets, publication};
use crate::session::make;

crate::check::checks! { "take_over":
    server {
        Example the_old_connection_is_told_and_closed,
        Domain the_will_of_the_old_connection,
        Domain the_session_goes_on_if_it_may,
        Example deliveries_go_on_in_the_new_connection,
        Example receptions_go_on_in_the_new_connection,
        Example nothing_of_the_old_connection_counts_afterwards,
        Example who_is_not_connected_is_not_told,
        Example what_depends_on_an_unannounced_change_is_not_written,
    }
}

/// As a host does it: the old connection, what came out of it and of the Session, and what came on the new one, which the
/// driver goes on with.
fn take_over(driver: &mut Driver, hello: &Hello) -> (Driver, Lines, Lines) {
    let session = driver.machine.take_over(driver.now);
    let mut told = driver.settle();
    let old = driver.clone();
    if let Some(session) = session {
        driver.keep(session);
        told.extend(driver.settle());
    }
    let said = driver.again(hello);
    (old, told, said)
}

fn nothing() -> Lines {
    Lines::new()
}

/// [MQTT-3.1.4-3]: DISCONNECT 0x8E, and the end.
fn the_old_connection_is_told_and_closed() -> u64 {
    for hello in [Hello::new(), Hello::lasting()] {
        let mut driver = Driver::with(config(), &hello);
        let (mut old, told, _) = take_over(&mut driver, &hello);
        let told: Vec<_> = told
            .iter()
            .filter(|line| *line != "session ended")
            .collect();
        assert_eq!(
            told,
            [
                "> DISCONNECT SessionTakenOver",
                "close Disconnected(SessionTakenOver)"
            ]
        );
        assert!(!old.machine.is_connected());
        assert!(old.machine.take_session(old.now).is_none());
    }
    2
}

/// Sections 3.1.2.5, 3.1.3.2.2: Will Delay, Session Expiry and Clean Start, with a second look much later.
fn the_will_of_the_old_connection() -> u64 {
    let mut rows = 0;
    for delay in [None, Some(0), Some(5), Some(u32::MAX)] {
        for expiry in [None, Some(0), Some(5), Some(60), Some(u32::MAX)] {
            for clean_start in [false, true] {
                let hello = Hello::expiring(expiry).and_will(Testament::new(delay));
                let mut driver = Driver::with(config(), &hello);
                let next = Hello::lasting().clean(clean_start);
                let (mut old, told, said) = take_over(&mut driver, &next);
                let kept_back = delay.unwrap_or(0) > 0 && !clean_start && expiry.unwrap_or(0) > 0;
                let found = wills(&told) + wills(&said);
                let row = format!("{delay:?}, {expiry:?}, {clean_start}");
                assert_eq!(found, usize::from(!kept_back), "{row}");
                let mut later = driver.tick(1 << 45);
                later.extend(old.tick(1 << 45));
                later.extend(driver.lose());
                assert_eq!(wills(&later), 0, "{row}");
                rows += 1;
            }
        }
    }
    rows
}

/// [MQTT-3.1.2-4], [MQTT-3.1.2-5], section 3.1.2.11.2: Session Present after a take-over. With an expiry
/// interval of 0 the Session has ended with the old connection.
fn the_session_goes_on_if_it_may() -> u64 {
    for expiry in [None, Some(0), Some(1), Some(u32::MAX)] {
        for clean_start in [false, true] {
            let mut driver = Driver::with(config(), &Hello::expiring(expiry));
            let next = Hello::lasting().clean(clean_start);
            let (_, mut told, said) = take_over(&mut driver, &next);
            let goes_on = !clean_start && expiry.unwrap_or(0) > 0;
            let connack = if goes_on {
                "CONNACK present"
            } else {
                "CONNACK"
            };
            assert_eq!(packets(&said), [connack], "{expiry:?}, {clean_start}");
            told.extend(said);
            let ended = told.contains(&"session ended".into());
            assert_eq!(ended, !goes_on, "{expiry:?}, {clean_start}");
            assert!(driver.machine.session().is_some_and(Session::exists));
        }
    }
    8
}

/// [MQTT-4.4.0-1]: what the old connection had not been acknowledged is sent again on the new one.
fn deliveries_go_on_in_the_new_connection() {
    let mut driver = Driver::lasting();
    let _ = driver.publish(1, "a", "1");
    let (_, _, said) = take_over(&mut driver, &Hello::lasting());
    assert_eq!(said, ["> CONNACK present", "> PUBLISH q1 #1 dup a \"1\""]);
    assert_eq!(driver.feed(&make::puback(1)), ["t1 puback"]);
}

/// [MQTT-4.3.3-10]: what was received on the old connection is not delivered again on the new one.
fn receptions_go_on_in_the_new_connection() {
    let mut driver = Driver::lasting();
    assert_eq!(driver.feed(&make::publish(2, 4, "a", "")).len(), 2);
    let _ = take_over(&mut driver, &Hello::lasting());
    let again = make::publish_with(2, 4, true, "a", "", &[]);
    assert_eq!(driver.feed(&again), ["> PUBREC #4"]);
}

/// [MQTT-3.14.4-1]: after the DISCONNECT the old connection says, reads and takes nothing more.
fn nothing_of_the_old_connection_counts_afterwards() {
    let mut driver = Driver::lasting();
    let (mut old, ..) = take_over(&mut driver, &Hello::lasting());
    assert_eq!(old.feed(PINGREQ), nothing());
    assert_eq!(old.feed(&make::publish(1, 1, "a", "")), nothing());
    assert!(old.accept(publication(0, "a", "x", &[])).is_err());
    assert!(old.try_disconnect(ReasonCode::ServerBusy, &[]).is_err());
    assert_eq!(old.deadline(), None);
    assert_eq!(old.tick(1 << 40), nothing());
    assert_eq!(old.lose(), nothing());
}

/// [MQTT-3.14.0-1]: a connection without CONNACK gets no DISCONNECT, and has no Session to give.
fn who_is_not_connected_is_not_told() {
    let deciding = Driver::deciding(config(), &Hello::lasting());
    for mut driver in [Driver::serving(config()), deciding] {
        assert!(driver.machine.take_over(driver.now).is_none());
        let said = driver.settle();
        let packets = packets(&said);
        assert!(packets.iter().all(|packet| packet.starts_with("CONNACK")));
    }
}

/// The contract of `Server::take_session`: changes that were not announced leave with the Session. So the PUBREC that
/// depends on one is not written, while the DISCONNECT is [MQTT-3.1.4-3], unless it would overtake the CONNACK.
fn what_depends_on_an_unannounced_change_is_not_written() {
    for persistent in [false, true] {
        for greeted in [false, true] {
            let mut config = config();
            config.session.persistent = persistent;
            let mut old = Driver::deciding(config, &Hello::lasting());
            let result = old.machine.accept(old.now, None, &[]);
            result.expect("a good CONNECT");
            if greeted {
                let _ = old.settle();
            }
            let bytes = make::publish(2, 4, "a", "");
            let event = old.machine.receive(old.now, &mut &bytes[..]);
            assert!(event.is_some());
            assert!(old.machine.take_over(old.now).is_some());
            let said = old.settle();
            let packets = packets(&said);
            let disconnect = "DISCONNECT SessionTakenOver";
            match (persistent, greeted) {
                (true, true) => assert_eq!(packets, [disconnect]),
                (true, false) => assert!(packets.is_empty(), "{said:?}"),
                (false, _) => assert_eq!(packets.last(), Some(&disconnect)),
            }
        }
    }
}
