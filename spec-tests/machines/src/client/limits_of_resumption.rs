//! Limits that are narrower on the next Network Connection, and what was sent or decided under the old ones
//! (sections 3.2.2.3, 4.3.3, 4.4).

use mqtt5_session_fsm::Publication;
use mqtt5_session_fsm::codec::{
    MaximumQos, Message, Property, Publish, Qos, ReasonCode, Text, TopicName,
};

use super::driver::{Driver, KEEPS, Lines};
use super::make;

crate::check::checks! { "limits_of_resumption":
    client {
        Example a_decision_without_a_connection_fits_the_next_one,
        Example a_decision_that_waited_fits_the_next_connection,
        Domain what_was_sent_and_may_not_be_sent_again_is_uncertain,
        Example an_identifier_that_the_server_may_hold_is_not_used_again,
        Example an_identifier_that_was_given_up_is_free_in_another_session,
    }
}

const SMALL: u32 = 20;

fn small() -> [Property<'static>; 1] {
    [Property::MaximumPacketSize(SMALL.try_into().unwrap())]
}

/// A message with QoS 2 that is handed out again after a resumption, or not.
fn again(identifier: u16) -> Vec<u8> {
    make::publish_with(2, identifier, true, "a", "", &[])
}

/// Accepts the n-th message, with more to say than fits into [`SMALL`].
fn explain(driver: &mut Driver, n: usize) -> Lines {
    let reason = "because".repeat(10);
    let reason = [Property::ReasonString(Text::new(&reason).unwrap())];
    let receipt = driver.receipts[n];
    driver
        .machine
        .acknowledge_with(receipt, ReasonCode::Success, &reason)
        .unwrap();
    driver.settle()
}

/// MQTT-3.2.2-15: decided while there was no limit to look at.
fn a_decision_without_a_connection_fits_the_next_one() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    let _ = driver.feed(&make::publish(2, 7, "a", ""));
    let _ = driver.lose();
    assert_eq!(explain(&mut driver, 0), Lines::new());
    let _ = driver.reconnect(KEEPS, true, &small());
    assert_eq!(driver.feed(&again(7)), ["> PUBREC #7"]);
}

/// MQTT-3.2.2-15: decided on a connection that takes it, but not sent there because of an earlier message.
fn a_decision_that_waited_fits_the_next_connection() {
    let mut driver = Driver::manual().go(KEEPS, false, &[]);
    for identifier in [7, 8] {
        let _ = driver.feed(&make::publish(2, identifier, "a", ""));
    }
    assert_eq!(explain(&mut driver, 1), Lines::new());
    let _ = driver.lose();
    let _ = driver.reconnect(KEEPS, true, &small());
    for identifier in [7, 8] {
        assert_eq!(driver.feed(&again(identifier)), Lines::new());
    }
    assert_eq!(driver.acknowledge(0), ["> PUBREC #7", "> PUBREC #8"]);
}

/// Larger than [`SMALL`], too.
fn retained(qos: u8) -> Publication {
    let publish = Publish {
        retain: true,
        ..Publish::new(TopicName::new("a").unwrap(), &[b'x'; SMALL as usize])
    };
    let qos = Qos::from_bits(qos).unwrap();
    Publication::new(qos, Message::new(&publish).unwrap())
}

/// MQTT-3.2.2-11, -14, -15: it is not sent again, but it may have arrived: the application must not take it
/// for unsent.
fn what_was_sent_and_may_not_be_sent_again_is_uncertain() -> u64 {
    let limits = [
        small()[0],
        Property::RetainAvailable(false),
        Property::MaximumQos(MaximumQos::AtMostOnce),
    ];
    for limit in limits {
        for qos in [1, 2] {
            let mut driver = Driver::connected();
            let said = driver.publish_with(retained(qos));
            assert_eq!(said.len(), 1, "{said:?}");
            let _ = driver.lose();
            let said = driver.reconnect(KEEPS, true, &[limit]);
            assert_eq!(said, ["t1 Indeterminate"], "{limit:?}, QoS {qos}");
        }
    }
    6
}

/// A message with QoS 2 and identifier 1 was sent, and may not be sent again.
fn given_up() -> Driver {
    let mut driver = Driver::connected();
    let _ = driver.publish(2, "a", &"large".repeat(10));
    let _ = driver.lose();
    let said = driver.reconnect(KEEPS, true, &small());
    assert_eq!(said, ["t1 Indeterminate"]);
    driver
}

/// MQTT-2.2.1-3, section 4.3.3: the Server may wait for its PUBREL, and would take another message for it.
fn an_identifier_that_the_server_may_hold_is_not_used_again() {
    let mut driver = given_up();
    for round in 0..100 {
        let said = driver.publish(2, "a", "");
        let identifier: u16 = said[0]["> PUBLISH q2 #".len()..]
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap();
        assert_ne!(identifier, 1);
        let _ = driver.feed(&make::pubrec(identifier));
        let said = driver.feed(&make::pubcomp(identifier));
        assert!(said[0].ends_with("pubcomp"), "{said:?}");
        if round % 10 == 9 {
            // Nothing is in flight: memory is given back, but this is not forgotten.
            assert_eq!(driver.resume(), Lines::new());
        }
    }
    let said = driver.feed(&make::pubrec(1));
    assert!(said[0].starts_with("unknown PubRec"), "{said:?}");
}

/// Section 4.1: another Session of the Server holds nothing.
fn an_identifier_that_was_given_up_is_free_in_another_session() {
    let mut driver = given_up();
    let _ = driver.lose();
    let _ = driver.reconnect(KEEPS, false, &[]);
    assert_eq!(driver.publish(2, "a", ""), ["> PUBLISH q2 #1 a \"\""]);
}
