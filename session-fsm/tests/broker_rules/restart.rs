//! A broker that is made of its records (sections 4.1, 4.4), in the middle of anything.

use mqtt5_session_fsm::codec::Qos;

use crate::place::{Gone, Place, WILL, Who, persistent, who};

/// A Session that had a connection when the broker was lost is away from then on (section 3.1.2.11.2), and its Will
/// Delay Interval runs (section 3.1.3.2.2). Further restarts prolong neither.
#[test]
fn restarts_prolong_no_session() {
    let mut place = Place::new(persistent());
    let will = Gone { delay: Some(8), ..WILL };
    place.connect(&who("one").lasting(10).with_will(will));
    for passed in [3, 6, 9, 12] {
        place.restart();
        place.pass(3_000);
        let published = place.broker.statistics().published;
        assert_eq!(published, u64::from(passed == 9), "{passed} s");
        let lives = place.broker.session_of("one").is_some();
        assert_eq!(lives, passed < 10, "{passed} s");
    }
}

/// Messages in flight, acknowledged in part, and waiting, when the connection breaks and the broker is made anew: each arrives
/// once.
#[test]
fn in_flight_and_waiting() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for offline in 0..3 {
            for acknowledged in 0..8 {
                for resumed in [false, true] {
                    let mut place = Place::new(persistent());
                    let publisher = place.connect(&who("publisher"));
                    let it = Who {
                        receive_maximum: Some(2),
                        ..who("one").lasting(100)
                    };
                    let mut one = place.connect(&it);
                    place.subscribe(one, "a", Qos::ExactlyOnce);
                    if resumed {
                        place.cut(one);
                        one = place.resume(&it);
                    }
                    place.wire(one).answers = false;
                    for number in 0..7 - offline {
                        place.publish(publisher, "a", &number.to_string(), qos);
                    }
                    let mut got = Vec::new();
                    for _ in 0..acknowledged {
                        for message in place.take(one).into_iter().take(2) {
                            let number = message.packet_identifier.unwrap().get();
                            let [high, low] = number.to_be_bytes();
                            if qos == Qos::AtLeastOnce {
                                place.send(one, &[0x40, 2, high, low]);
                            } else {
                                place.send(one, &[0x50, 2, high, low, 0x70, 2, high, low]);
                            }
                            got.push(message.payload);
                        }
                    }
                    let in_flight = place.take(one);
                    place.cut(one);
                    for number in 7 - offline..7 {
                        place.publish(publisher, "a", &number.to_string(), qos);
                    }
                    place.restart();
                    let one = place.resume(&it);
                    let what = format!("{qos:?} {offline} {acknowledged} {resumed}");
                    let rest = place.take(one);
                    for (index, message) in rest.iter().enumerate() {
                        // [MQTT-4.4.0-1]: again, with the same Packet Identifier, and DUP [MQTT-3.3.1-1].
                        let identifier = in_flight.get(index).map(|it| it.packet_identifier);
                        let is_known = identifier == Some(message.packet_identifier);
                        assert_eq!(
                            (message.duplicate, is_known),
                            (identifier.is_some(), identifier.is_some()),
                            "{what}"
                        );
                    }
                    got.extend(rest.into_iter().map(|it| it.payload));
                    assert_eq!(got, ["0", "1", "2", "3", "4", "5", "6"], "{what}");
                }
            }
        }
    }
}
