//! Maximum Packet Size: what a Client alone does about that of the Server (section 3.2.2.3.6).

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{Property, ReasonCode};

use super::driver::{Driver, KEEPS};
use super::make;
use crate::session::packet_size::gives_way;

crate::check::checks! { "packet_size":
    client {
        Domain auth_gives_way,
        Domain an_answer_that_the_server_cannot_take_closes,
        Domain requests_and_pings_are_never_too_large,
    }
}

fn limited(limit: u32) -> Driver {
    Driver::announced(&[Property::MaximumPacketSize(limit.try_into().unwrap())])
}

/// MQTT-3.15.2-2, MQTT-3.15.2-3: the Authentication Method and Data stay.
fn auth_gives_way() -> u64 {
    let method = Property::AuthenticationMethod("m".try_into().unwrap());
    gives_way(
        // Fixed header 2, Reason Code 1, Property Length 1, method 4, data 5.
        13,
        |limit| {
            let limit = u32::try_from(limit).unwrap();
            let limit = Property::MaximumPacketSize(limit.try_into().unwrap());
            Driver::new().open(&[method], &[limit, method])
        },
        |driver: &mut Driver, properties| {
            let mut list = vec![Property::AuthenticationData(b"xy"[..].try_into().unwrap())];
            list.extend(properties);
            driver.machine.re_authenticate(&list).unwrap();
            let said = driver.settle();
            assert!(said[0].starts_with("> AUTH ReAuthenticate"), "{said:?}");
            assert!(said[0].contains("AuthenticationMethod(\"m\")"), "{said:?}");
            assert!(said[0].contains("AuthenticationData"), "{said:?}");
            said
        },
    )
}

/// Section 3.2.2.3.6: a packet that has to be sent, but is larger than the Server's limit, ends the connection.
fn an_answer_that_the_server_cannot_take_closes() -> u64 {
    for limit in 1..=3 {
        let mut driver = limited(limit);
        let before = driver.wire.len();
        let said = driver.feed(&make::publish(1, 1, "a", ""));
        assert_eq!(said.last().unwrap(), "close CannotAnswer(PubAck)");
        assert!(driver.wire.len() - before <= limit as usize);
        driver.assert_dead();
    }
    // With a limit of 4 it is the shortest PUBACK.
    let mut driver = limited(4);
    assert_eq!(
        driver.feed(&make::publish(1, 1, "a", "")).last().unwrap(),
        "> PUBACK #1"
    );
    // Nothing of what the limit forbids is written at the end, either.
    let mut driver = limited(2);
    let before = driver.wire.len();
    let said = driver.feed(&[0x00, 0x00]);
    assert_eq!(said.last().unwrap(), "close ReservedPacketType");
    assert!(driver.wire.len() - before <= 2);
    let mut driver = limited(1);
    let now = driver.now;
    let before = driver.wire.len();
    let result = driver.machine.disconnect(now, ReasonCode::Success, &[]);
    let _ = driver.settle();
    assert!(
        result.is_ok() || matches!(result, Err(SendError::Forbidden(_))),
        "{result:?}"
    );
    assert!(driver.wire.len() == before);
    6
}

/// MQTT-3.2.2-15: nor what the Client sends of its own accord.
fn requests_and_pings_are_never_too_large() -> u64 {
    for limit in 1..40_u32 {
        let connack = [
            Property::MaximumPacketSize(limit.try_into().unwrap()),
            Property::ServerKeepAlive(1),
        ];
        let steps: [fn(&mut Driver); 3] = [
            |driver| drop(driver.tick(1_000)),
            |driver| driver.try_subscribe(&["a", "b"], &[]).unwrap_or_default(),
            |driver| driver.try_unsubscribe(&["a", "b"], &[]).unwrap_or_default(),
        ];
        for step in steps {
            let mut driver = Driver::new().go(KEEPS, false, &connack);
            step(&mut driver);
            let _ = driver.settle();
        }
    }
    117
}
