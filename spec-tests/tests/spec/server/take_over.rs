//! The same ClientID connects while it is connected (section 3.1.4; tables T8.5, T14.3).

use mqtt5_codec::{Delivery, Disconnect, Packet, Property, Qos, ReasonCode};
use mqtt5_session_fsm::{Cause, Instant, Session};

use super::driver::{Driver, Keeper, Report, Seen};
use super::make::{Hello, PINGREQ, Testament, config, publication, publish, publish_1, publish_2};
use crate::check::Outcome;

super::listed! { "take_over":
    Example the_old_connection_is_told_and_closed,
    Domain the_will_of_the_old_connection,
    Domain the_session_goes_on_if_it_may,
    Example deliveries_go_on_in_the_new_connection,
    Example receptions_go_on_in_the_new_connection,
    Example nothing_of_the_old_connection_counts_afterwards,
    Example who_is_not_connected_is_not_told,
    Example what_depends_on_an_unannounced_change_is_not_written,
}

/// As a host does it: all that comes out of old connection, Session and new connection.
fn take_over(old: &mut Driver, hello: &Hello) -> (Report, Driver, Report) {
    let session = old.server.take_over(old.now);
    let mut told = old.pump();
    let session = session.map(|session| {
        let mut keeper = Keeper {
            session,
            now: old.now,
        };
        told = std::mem::take(&mut told).and(keeper.pump());
        keeper.session
    });
    let (new, report) = Driver::resumed(old.now, config(), hello, session);
    (told, new, report)
}

/// [MQTT-3.1.4-3]: DISCONNECT 0x8E, and the end.
fn the_old_connection_is_told_and_closed() -> Outcome {
    for hello in [Hello::new(), Hello::lasting()] {
        let mut old = Driver::connected(config(), &hello);
        let (told, ..) = take_over(&mut old, &hello);
        let code = ReasonCode::SessionTakenOver;
        assert_eq!(told.packet(), Disconnect::new(code).into());
        assert_eq!(told.close(), Some(Cause::Disconnected(code)));
        assert!(!old.server.is_connected());
        assert!(old.server.take_session(old.now).is_none());
    }
    Ok(2)
}

/// The table of T14.3 (sections 3.1.2.5, 3.1.3.2.2), with a second look much later.
fn the_will_of_the_old_connection() -> Outcome {
    let mut rows = 0;
    for delay in [None, Some(0), Some(5), Some(u32::MAX)] {
        for expiry in [None, Some(0), Some(5), Some(60), Some(u32::MAX)] {
            for clean_start in [false, true] {
                let mut hello = Hello::new().and_will(Testament::new(delay));
                hello
                    .properties
                    .extend(expiry.map(Property::SessionExpiryInterval));
                let mut old = Driver::connected(config(), &hello);
                let next = Hello::lasting().clean(clean_start);
                let (told, mut new, report) = take_over(&mut old, &next);
                let found = told.and(report).wills().len();
                let kept_back = delay.unwrap_or(0) > 0 && !clean_start && expiry.unwrap_or(0) > 0;
                let expected = usize::from(!kept_back);
                assert_eq!(found, expected, "{delay:?}, {expiry:?}, {clean_start}");
                let later = new.wait(1 << 45).and(old.wait(1 << 45)).and(new.lose());
                assert!(
                    later.wills().is_empty(),
                    "{delay:?}, {expiry:?}, {clean_start}"
                );
                rows += 1;
            }
        }
    }
    Ok(rows)
}

/// [MQTT-3.1.2-4], [MQTT-3.1.2-5], section 3.1.2.11.2: Session Present after a take-over. With an expiry
/// interval of 0 the Session has ended with the old connection.
fn the_session_goes_on_if_it_may() -> Outcome {
    for expiry in [None, Some(0), Some(1), Some(u32::MAX)] {
        for clean_start in [false, true] {
            let mut hello = Hello::new();
            hello
                .properties
                .extend(expiry.map(Property::SessionExpiryInterval));
            let mut old = Driver::connected(config(), &hello);
            let next = Hello::lasting().clean(clean_start);
            let (told, new, report) = take_over(&mut old, &next);
            let Packet::ConnAck(connack) = report.packet() else {
                return Err("no CONNACK".to_owned());
            };
            let goes_on = !clean_start && expiry.unwrap_or(0) > 0;
            assert_eq!(
                connack.session_present, goes_on,
                "{expiry:?}, {clean_start}"
            );
            let ended = told.and(report.clone()).saw(&Seen::SessionEnded);
            assert_eq!(ended, !goes_on, "{expiry:?}, {clean_start}");
            assert!(new.server.session().is_some_and(Session::exists));
        }
    }
    Ok(8)
}

/// [MQTT-4.4.0-1]: what the old connection had not been acknowledged is sent again on the new one.
fn deliveries_go_on_in_the_new_connection() -> Outcome {
    let mut old = Driver::connected(config(), &Hello::lasting());
    let (token, _) = old
        .publish(publication(Qos::AtLeastOnce, b"1"))
        .expect("room");
    let (_, mut new, report) = take_over(&mut old, &Hello::lasting());
    let packets = report.packets();
    let Packet::Publish(again) = packets[1] else {
        return Err(format!("{packets:?}"));
    };
    assert!(matches!(
        again.delivery,
        Delivery::AtLeastOnce {
            duplicate: true,
            ..
        }
    ));
    let number = again.delivery.packet_identifier().expect("QoS 1").get();
    let report = new.send(&super::make::puback(number, ReasonCode::Success));
    let expected = Seen::Outcome(token, "PUBACK", Some(ReasonCode::Success));
    assert_eq!(report.events(), [expected]);
    Ok(1)
}

/// [MQTT-4.3.3-10]: what was received on the old connection is not delivered again on the new one.
fn receptions_go_on_in_the_new_connection() -> Outcome {
    let mut old = Driver::connected(config(), &Hello::lasting());
    assert_eq!(old.send(&publish_2(4)).payloads().len(), 1);
    let (_, mut new, _) = take_over(&mut old, &Hello::lasting());
    let report = new.send(&publish(Qos::ExactlyOnce, 4, true, b"two"));
    assert!(report.payloads().is_empty());
    assert_eq!(report.packets().len(), 1);
    Ok(1)
}

/// [MQTT-3.14.4-1]: after the DISCONNECT the old connection says, reads and takes nothing more.
fn nothing_of_the_old_connection_counts_afterwards() -> Outcome {
    let mut old = Driver::connected(config(), &Hello::lasting());
    take_over(&mut old, &Hello::lasting());
    assert!(old.send(PINGREQ).is_empty());
    assert!(old.send(&publish_1(1)).is_empty());
    assert!(old.publish(publication(Qos::AtMostOnce, b"x")).is_err());
    assert!(old.disconnect(ReasonCode::ServerBusy, &[]).is_err());
    assert_eq!(old.server.next_timeout(), Instant::NEVER);
    assert!(old.wait(1 << 40).is_empty());
    assert!(old.lose().is_empty());
    Ok(7)
}

/// [MQTT-3.14.0-1]: a connection without CONNACK gets no DISCONNECT, and has no Session to give.
fn who_is_not_connected_is_not_told() -> Outcome {
    let deciding = Driver::deciding(Instant::ORIGIN, config(), &Hello::lasting());
    for mut driver in [Driver::new(Instant::ORIGIN, config()), deciding] {
        assert!(driver.server.take_over(driver.now).is_none());
        let report = driver.pump();
        assert!(
            report
                .packets()
                .iter()
                .all(|packet| matches!(packet, Packet::ConnAck(_)))
        );
    }
    Ok(2)
}

/// The contract of `Server::take_session`: changes that were not announced leave with the Session. So the PUBREC that
/// depends on one is not written, while the DISCONNECT is [MQTT-3.1.4-3], unless it would overtake the CONNACK.
fn what_depends_on_an_unannounced_change_is_not_written() -> Outcome {
    for persistent in [false, true] {
        for greeted in [false, true] {
            let mut config = config();
            config.session.persistent = persistent;
            let mut old = Driver::deciding(Instant::from_millis(1), config, &Hello::lasting());
            old.server.accept(old.now, None, &[]).expect("a CONNECT");
            if greeted {
                old.pump();
            }
            let bytes = publish_2(4);
            let mut input = &bytes[..];
            assert!(old.server.receive(old.now, &mut input).is_some());
            assert!(old.server.take_over(old.now).is_some());
            let told = old.pump();
            let disconnect = Packet::from(Disconnect::new(ReasonCode::SessionTakenOver));
            match (persistent, greeted) {
                (true, true) => assert_eq!(told.packets(), [disconnect]),
                (true, false) => assert!(told.wire.is_empty(), "{told:?}"),
                (false, _) => assert_eq!(told.packets().last(), Some(&disconnect)),
            }
        }
    }
    Ok(4)
}
