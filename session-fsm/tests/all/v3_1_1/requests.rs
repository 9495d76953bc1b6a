//! SUBSCRIBE and UNSUBSCRIBE.

use core::num::NonZeroU16;

use mqtt5_session_fsm::codec::{Property, ReasonCode, Text};

use super::wire::{NOW, Wire};

fn id(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

/// Section 3.9.3: three grants and one failure, in order.
#[test]
fn suback() {
    let mut wire = Wire::accepted(0x00);
    let written = wire.send("82 12 0005 0001 61 00 0001 62 01 0001 63 02 0001 64 02");
    assert_eq!(written, "");
    assert_eq!(wire.events, ["subscribe"]);
    let codes = [
        ReasonCode::GRANTED_QOS_0,
        ReasonCode::GrantedQos1,
        ReasonCode::QuotaExceeded,
        ReasonCode::GrantedQos2,
    ];
    let why = [Property::ReasonString(Text::new("why").unwrap())];
    let answered = wire.server.acknowledge_subscribe(NOW, id(5), &codes, &why);
    answered.unwrap();
    assert_eq!(wire.written(), "90 06 00 05 00 01 80 02");
}

/// Section 3.11: no payload, whatever the codes are.
#[test]
fn unsuback() {
    let mut wire = Wire::accepted(0x00);
    assert_eq!(wire.send("A2 08 0005 0001 61 0001 62"), "");
    assert_eq!(wire.events, ["unsubscribe"]);
    let codes = [ReasonCode::NoSubscriptionExisted, ReasonCode::NotAuthorized];
    let answered = wire.server.acknowledge_unsubscribe(NOW, id(5), &codes, &[]);
    answered.unwrap();
    assert_eq!(wire.written(), "B0 02 00 05");
}

/// A request that is sent again is answered again; another one with its identifier ends the connection.
#[test]
fn repeated_requests() {
    let subscribe = "82 06 0005 0001 61 01";
    let mut wire = Wire::accepted(0x00);
    assert_eq!(wire.send(subscribe), "");
    assert_eq!(wire.send(subscribe), "");
    assert_eq!(wire.events, ["subscribe"]);
    let codes = [ReasonCode::GrantedQos1];
    let answered = wire.server.acknowledge_subscribe(NOW, id(5), &codes, &[]);
    answered.unwrap();
    assert_eq!(wire.written(), "90 03 00 05 01 90 03 00 05 01");

    let mut wire = Wire::accepted(0x00);
    assert_eq!(wire.send(subscribe), "");
    assert_eq!(wire.send("A2 05 0005 0001 61"), "");
    assert!(wire.closed.is_some());
}
