//! Maximum Packet Size: what a Server alone does about that of the Client (section 3.1.2.11.4), and its own.

use mqtt5_session_fsm::codec::{Property, ReasonCode};
use mqtt5_session_fsm::{Limits, SendError};

use super::driver::{Driver, data, wills};
use super::make::{Hello, Testament, config, limited, text};
use crate::session::driver::{Lines, close_of, packets};
use crate::session::make;
use crate::session::packet_size::gives_way;

crate::check::checks! { "packet_size":
    server {
        Domain explanations_are_left_out_of_the_connack,
        Domain explanations_are_left_out_of_the_suback,
        Domain explanations_are_left_out_of_the_unsuback,
        Domain explanations_are_left_out_of_a_disconnect_with_a_reference,
        Domain explanations_are_left_out_of_the_auth,
        Example what_has_to_be_sent_and_cannot_ends_the_connection,
        Example an_acceptance_that_cannot_be_told_accepts_nothing,
        Example a_server_reference_that_does_not_fit_is_left_out,
        Domain a_connect_that_is_too_large_is_refused,
    }
}

fn taking(size: usize) -> Hello {
    let size = u32::try_from(size).expect("small");
    Hello::lasting().with(Property::MaximumPacketSize(size.try_into().expect("not 0")))
}

fn deciding(limit: usize) -> Driver {
    Driver::deciding(config(), &taking(limit))
}

fn open(limit: usize) -> Driver {
    Driver::with(config(), &taking(limit))
}

/// [MQTT-3.2.2-19], [MQTT-3.2.2-20], accepting and refusing.
fn explanations_are_left_out_of_the_connack() -> u64 {
    let accepting = gives_way(5, deciding, |driver: &mut Driver, list| {
        let said = driver.accept_client(list).expect("good properties");
        assert!(said[0].starts_with("> CONNACK"), "{said:?}");
        said
    });
    let refusing = gives_way(5, deciding, |driver: &mut Driver, list| {
        let said = driver.refuse_client(ReasonCode::Banned, list);
        let said = said.expect("good properties");
        assert!(said[0].starts_with("> CONNACK Banned"), "{said:?}");
        said
    });
    accepting + refusing
}

/// [MQTT-3.9.2-1], [MQTT-3.9.2-2].
fn explanations_are_left_out_of_the_suback() -> u64 {
    gives_way(7, open, |driver: &mut Driver, list| {
        let _ = driver.feed(&make::subscribe(1, &["a", "b"]));
        let codes = [ReasonCode::GrantedQos1, ReasonCode::NotAuthorized];
        let said = driver.acknowledge_subscribe(1, &codes, list);
        let said = said.expect("good properties");
        let suback = "> SUBACK #1 [GrantedQos1, NotAuthorized]";
        assert!(said[0].starts_with(suback), "{said:?}");
        said
    })
}

/// [MQTT-3.11.2-1], [MQTT-3.11.2-2].
fn explanations_are_left_out_of_the_unsuback() -> u64 {
    gives_way(7, open, |driver: &mut Driver, list| {
        let _ = driver.feed(&make::unsubscribe(1, &["a", "b"]));
        let codes = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
        let said = driver.acknowledge_unsubscribe(1, &codes, list);
        let said = said.expect("good properties");
        let unsuback = "> UNSUBACK #1 [Success, NoSubscriptionExisted]";
        assert!(said[0].starts_with(unsuback), "{said:?}");
        said
    })
}

/// [MQTT-3.14.2-3], [MQTT-3.14.2-4]: the Server Reference stays.
fn explanations_are_left_out_of_a_disconnect_with_a_reference() -> u64 {
    let reference = Property::ServerReference(text("other"));
    // Fixed header 2, Reason Code 1, Property Length 1, Server Reference 8.
    gives_way(12, open, |driver: &mut Driver, list| {
        let list = [list, &[reference]].concat();
        let said = driver.disconnect(ReasonCode::UseAnotherServer, &list);
        assert!(said[0].contains(&format!("{reference:?}")), "{said:?}");
        said
    })
}

/// [MQTT-3.15.2-2], [MQTT-3.15.2-3]: Authentication Method and Data stay.
fn explanations_are_left_out_of_the_auth() -> u64 {
    let method = Property::AuthenticationMethod(text("m"));
    let start = |limit| Driver::deciding(config(), &taking(limit).with(method));
    // Fixed header 2, Reason Code 1, Property Length 1, method 4, data 7.
    gives_way(15, start, |driver: &mut Driver, list| {
        let list = [list, &[data(b"data")]].concat();
        let said = driver.authenticate(&list).expect("good properties");
        assert!(said[0].contains(&format!("{method:?}")), "{said:?}");
        assert!(
            said[0].contains(&format!("{:?}", data(b"data"))),
            "{said:?}"
        );
        said
    })
}

/// Section 3.1.2.11.4: a CONNACK, SUBACK or PINGRESP that does not fit: the connection is closed, and nothing is written
/// that is too large.
fn what_has_to_be_sent_and_cannot_ends_the_connection() {
    let mut driver = deciding(4);
    let _ = driver.machine.accept(driver.now, None, &[]);
    assert_eq!(driver.settle(), ["close CannotAnswer(ConnAck)"]);

    let mut driver = open(10);
    let _ = driver.feed(&make::subscribe(1, &["a"; 10]));
    let codes = [ReasonCode::Success; 10];
    let (now, id) = (driver.now, make::id(1));
    let result = driver.machine.acknowledge_subscribe(now, id, &codes, &[]);
    assert!(
        matches!(result, Ok(()) | Err(SendError::Forbidden(_))),
        "{result:?}"
    );
    assert_eq!(close_of(&driver.settle()), Some("CannotAnswer(SubAck)"));

    let mut driver = open(10);
    let _ = driver.feed(&make::subscribe(1, &["a"]));
    // A SUBACK with ten times 0x91.
    let said = driver.feed(&make::subscribe(1, &["a"; 10]));
    assert_eq!(close_of(&said), Some("CannotAnswer(SubAck)"));
}

/// Section 3.1.4: without a CONNACK nothing of the CONNECT is done: the old Session stays, even with Clean
/// Start 1, and the new Will is not stored.
fn an_acceptance_that_cannot_be_told_accepts_nothing() {
    for clean_start in [false, true] {
        let mut driver = Driver::lasting();
        let _ = driver.publish(1, "a", "x");
        let _ = driver.lose();
        let hello = taking(4).clean(clean_start).and_will(Testament::new(None));
        driver.returning(&hello);
        let said = driver.accept_client(&[]).expect("good");
        assert!(packets(&said).is_empty() && wills(&said) == 0, "{said:?}");
        assert!(!said.contains(&"session ended".into()), "{said:?}");
        assert_eq!(driver.session().in_flight(), 1);
    }
}

/// [MQTT-3.1.2-24], section 4.13: the DISCONNECT still says why.
fn a_server_reference_that_does_not_fit_is_left_out() {
    let reference = Property::ServerReference(text("another.example.com:8883"));
    let said = open(20).disconnect(ReasonCode::UseAnotherServer, &[reference]);
    assert_eq!(said[0], "> DISCONNECT UseAnotherServer");
}

/// Section 3.2.2.2: CONNACK 0x95, or nothing.
fn a_connect_that_is_too_large_is_refused() -> u64 {
    let hello = Hello::lasting();
    let size = u32::try_from(hello.bytes().len()).expect("small");
    for (maximum_packet_size, is_good) in [(size, true), (size - 1, false), (size + 1, true)] {
        let limits = Limits {
            maximum_packet_size,
            ..Limits::NONE
        };
        let said: Lines = Driver::serving(limited(limits)).hello(&hello);
        if is_good {
            assert_eq!(said, ["connect \"c1\""]);
        } else {
            let (close, rest) = said.split_last().expect("the end");
            assert!(close.starts_with("close "), "{said:?}");
            assert!(
                rest.is_empty() || rest == ["> CONNACK PacketTooLarge"],
                "{said:?}"
            );
        }
    }
    3
}
