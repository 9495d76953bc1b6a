//! Maximum Packet Size in both directions (sections 3.1.2.11.4, 3.2.2.3.6): Reason String and User Property give way to
//! that of the peer, packets above this side's own are refused.

use std::num::NonZeroU16;

use mqtt5_session_fsm::codec::framing::LARGEST_PACKET;
use mqtt5_session_fsm::codec::{
    PacketType, Property, Publish, ReasonCode, Role, TopicName, UserProperty,
};
use mqtt5_session_fsm::{LimitExceeded, PublishError, TopicAliases};

use super::driver::{Driver, Lines, publication};
use super::machine::{Machine, Settings};
use super::make;

crate::check::checks! { "packet_size":
    both {
        Domain puback_gives_way,
        Domain pubrec_gives_way,
        Domain disconnect_gives_way,
        Domain pubrel_and_pubcomp_have_nothing_to_leave_out,
        Domain a_message_that_is_too_large_is_refused,
        Domain a_message_that_waited_and_is_too_large_is_dropped,
        Example the_others_go_on,
        Domain received_packets_around_the_limit,
        Example refused_as_soon_as_the_length_is_known,
        Domain no_packet_is_ever_too_large,
        Example what_no_packet_can_hold_is_refused,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn size(size: usize) -> [Property<'static>; 1] {
    let size = u32::try_from(size).unwrap();
    [Property::MaximumPacketSize(size.try_into().unwrap())]
}

/// The smallest Maximum Packet Size with which there can be a connection: a CONNACK takes five bytes.
fn least<M: Machine>() -> usize {
    match M::ROLE {
        Role::Client => 1,
        Role::Server => 5,
    }
}

fn reason_and_user() -> [Property<'static>; 3] {
    [
        Property::ReasonString("because of it".try_into().unwrap()),
        Property::UserProperty(UserProperty::new("key", "value").unwrap()),
        Property::UserProperty(UserProperty::new("key", "another").unwrap()),
    ]
}

/// Each set of the three properties, each limit: what is written fits, all is there if all fits, and
/// nothing but Reason String and User Property is missing.
pub(crate) fn gives_way<M: Machine>(
    smallest: usize,
    start: impl Fn(usize) -> Driver<M>,
    write: impl Fn(&mut Driver<M>, &[Property<'_>]) -> Lines,
) -> u64 {
    let all = reason_and_user();
    let mut judged = 0;
    for set in 0..8_usize {
        let chosen: Vec<_> = (0..3)
            .filter(|n| set & (1 << n) != 0)
            .map(|n| all[n])
            .collect();
        let mut unlimited = start(100_000);
        let before = unlimited.wire.len();
        let complete = write(&mut unlimited, &chosen);
        let size = unlimited.wire.len() - before;
        for property in &chosen {
            assert!(
                complete[0].contains(&format!("{property:?}")),
                "{complete:?}"
            );
        }
        for limit in smallest.max(least::<M>())..size + 3 {
            let mut driver = start(limit);
            let before = driver.wire.len();
            let said = write(&mut driver, &chosen);
            let written = driver.wire.len() - before;
            assert!(written >= 2 && written <= limit, "{said:?} at {limit}");
            if size <= limit {
                assert_eq!(said, complete);
            } else {
                assert!(said[0].len() < complete[0].len() && said[1..] == complete[1..]);
            }
            judged += 1;
        }
    }
    judged
}

/// MQTT-3.4.2-2, MQTT-3.4.2-3.
fn puback_gives_way<M: Machine>() -> u64 {
    acknowledgement_gives_way::<M>(1, "> PUBACK #7")
}

/// MQTT-3.5.2-2, MQTT-3.5.2-3.
fn pubrec_gives_way<M: Machine>() -> u64 {
    acknowledgement_gives_way::<M>(2, "> PUBREC #7")
}

fn acknowledgement_gives_way<M: Machine>(qos: u8, expected: &str) -> u64 {
    let mut judged = 0;
    for code in [ReasonCode::QuotaExceeded, ReasonCode::Success] {
        let expected = match code {
            ReasonCode::Success => expected.to_owned(),
            _ => format!("{expected} {code:?}"),
        };
        judged += gives_way::<M>(
            5,
            |limit| {
                let mut driver = Driver::<M>::manual().open(&[], &size(limit));
                let _ = driver.feed(&make::publish(qos, 7, "a", ""));
                driver
            },
            |driver, properties| {
                let receipt = driver.receipts[0];
                driver.try_acknowledge(receipt, code, properties).unwrap();
                let said = driver.settle();
                assert_eq!(said.len(), 1);
                assert!(said[0].starts_with(&expected), "{said:?}");
                said
            },
        );
    }
    judged
}

/// MQTT-3.14.2-3, MQTT-3.14.2-4.
fn disconnect_gives_way<M: Machine>() -> u64 {
    gives_way::<M>(
        3,
        |limit| Driver::announced(&size(limit)),
        |driver, properties| {
            let said = driver.disconnect(ReasonCode::UnspecifiedError, properties);
            assert!(
                said[0].starts_with("> DISCONNECT UnspecifiedError"),
                "{said:?}"
            );
            assert_eq!(said[1], "close Disconnected(UnspecifiedError)");
            said
        },
    )
}

/// MQTT-3.6.2-2, -3, MQTT-3.7.2-2, -3: the machine's own PUBREL and PUBCOMP have neither, so they fit
/// wherever any fits.
fn pubrel_and_pubcomp_have_nothing_to_leave_out<M: Machine>() -> u64 {
    use PacketType::{PubRec, PubRel};
    let reasoned = |packet_type, n| make::ack_with_reason(packet_type, n, "a long reason");
    for limit in [6, 8, 12, 20, LARGEST_PACKET as usize] {
        let mut driver = Driver::<M>::announced(&size(limit));
        let said = driver.feed(&make::publish(2, 3, "a", ""));
        assert_eq!(said[1], "> PUBREC #3");
        assert_eq!(driver.feed(&reasoned(PubRel, 3)), ["> PUBCOMP #3"]);
        for n in [3, 9] {
            let said = driver.feed(&reasoned(PubRel, n));
            let answer = format!("> PUBCOMP #{n} PacketIdentifierNotFound");
            assert_eq!(said.last(), Some(&answer));
            let said = driver.feed(&reasoned(PubRec, n));
            let answer = format!("> PUBREL #{n} PacketIdentifierNotFound");
            assert_eq!(said.last(), Some(&answer));
        }
        if limit >= 8 {
            let _ = driver.publish(2, "a", "");
            assert_eq!(driver.feed(&reasoned(PubRec, 1)), ["> PUBREL #1"]);
        }
    }
    5
}

/// MQTT-3.1.2-24, MQTT-3.1.2-25, MQTT-3.2.2-15: messages around the limit, by payload and properties: not sent, and no
/// identifier held.
fn a_message_that_is_too_large_is_refused<M: Machine>() -> u64 {
    let mut judged = 0;
    let user = [Property::UserProperty(UserProperty::new("k", "v").unwrap())];
    let content = [Property::ContentType("text/plain".try_into().unwrap())];
    let expiry = [Property::MessageExpiryInterval(60)];
    for limit in 8..160 {
        let mut driver = Driver::<M>::announced(&size(limit));
        let mut stored = 0;
        for properties in [&[][..], &user, &content, &expiry] {
            for qos in 0..=2 {
                for payload in [0, 1, 2, 100, 117, 118, 119, 120, 121, 122, 123, 124] {
                    let payload = "p".repeat(payload);
                    let needed = size_of(qos, &payload, properties);
                    let before = driver.wire.len();
                    let result = driver.accept(publication(qos, "t", &payload, properties));
                    let said = driver.settle();
                    if needed <= limit {
                        assert_eq!(result, Ok(()));
                        assert_eq!(driver.wire.len() - before, needed);
                        stored += u16::from(qos > 0);
                    } else {
                        let limit = LimitExceeded::MaximumPacketSize;
                        assert_eq!(result, Err(PublishError::Forbidden(limit)));
                        assert_eq!(said, nothing());
                    }
                    let session = driver.session();
                    assert_eq!((session.in_flight(), session.waiting()), (stored, 0));
                    judged += 1;
                }
            }
        }
    }
    judged
}

fn size_of(qos: u8, payload: &str, properties: &[Property<'_>]) -> usize {
    make::publish_with(qos, 1, false, "t", payload, properties).len()
}

/// MQTT-3.1.2-25, MQTT-3.2.2-15: to the byte, what was accepted while there was no connection, or for a peer that took more
/// before.
fn a_message_that_waited_and_is_too_large_is_dropped<M: Machine>() -> u64 {
    let limit = 60;
    let mut judged = 0;
    for properties in [&[][..], &[Property::MessageExpiryInterval(60)]] {
        for (qos, was_sent) in [(0, false), (1, false), (1, true), (2, false), (2, true)] {
            for payload in 35..60 {
                let payload = "p".repeat(payload);
                let large = publication(qos, "t", &payload, properties);
                let mut driver = Driver::<M>::connected();
                if was_sent {
                    assert_eq!(driver.publish_with(large.clone()).len(), 1);
                }
                assert_eq!(driver.lose(), nothing());
                if !was_sent {
                    assert_eq!(driver.publish_with(large), nothing());
                }
                let said = driver.reopen(&[], true, &size(limit));
                if size_of(qos, &payload, properties) <= limit {
                    assert!(said[0].starts_with("> PUBLISH"), "{said:?}");
                } else {
                    let outcome = match was_sent {
                        // It may have arrived.
                        true => "t1 Indeterminate",
                        false => "t1 Forbidden(MaximumPacketSize)",
                    };
                    assert_eq!(said, [outcome], "{qos} {was_sent}");
                    let session = driver.session();
                    assert_eq!((session.in_flight(), session.waiting()), (0, 0));
                    assert!(driver.publish(qos, "t", "y")[0].starts_with("> PUBLISH"));
                }
                judged += 1;
            }
        }
    }
    judged
}

/// MQTT-3.1.2-25: as if it had been sent: what comes behind it is sent, within the quota.
fn the_others_go_on<M: Machine>() {
    let mut driver = Driver::<M>::connected();
    let _ = driver.lose();
    for length in [1, 100, 2, 100, 100, 3] {
        let _ = driver.publish(1, "t", &"x".repeat(length));
    }
    let [limit] = size(50);
    let said = driver.reopen(
        &[],
        true,
        &[limit, Property::ReceiveMaximum(3.try_into().unwrap())],
    );
    let sent = said.iter().filter(|line| line.starts_with("> PUBLISH"));
    let payloads: Vec<_> = sent.map(|line| line.split('"').nth(1).unwrap()).collect();
    assert_eq!(payloads, ["x", "xx", "xxx"]);
}

/// Sections 3.1.2.11.4, 3.2.2.3.6: what this side announced is the limit, to the byte; without it there is none.
fn received_packets_around_the_limit<M: Machine>() -> u64 {
    let mut judged = 0;
    for limit in [7, 20, 60, 127, 128, 129, 130, 200] {
        // The CONNECT has to be taken.
        if M::ROLE == Role::Server && limit < 60 {
            continue;
        }
        for length in limit - 2..=limit + 2 {
            for qos in [0, 1] {
                let Some(packet) = (0..length)
                    .map(|n| make::publish(qos, 1, "a", &"p".repeat(n)))
                    .find(|packet| packet.len() == length)
                else {
                    continue;
                };
                let mut driver = Driver::<M>::announcing(&size(limit));
                let said = driver.feed(&packet);
                if length <= limit {
                    assert!(said[0].starts_with("message q"), "{said:?}");
                    assert!(driver.machine.is_connected());
                } else {
                    assert_eq!(
                        said,
                        ["> DISCONNECT PacketTooLarge", "close PacketTooLarge"]
                    );
                    driver.assert_dead();
                }
                judged += 1;
            }
        }
    }
    let mut driver = Driver::<M>::connected();
    let said = driver.feed(&make::publish(0, 0, "a", &"p".repeat(3_000_000)));
    assert!(said[0].starts_with("message"));
    judged + 1
}

/// Sections 3.1.2.11.4, 3.2.2.3.6: no side waits for a packet that it will not take.
fn refused_as_soon_as_the_length_is_known<M: Machine>() {
    let mut driver = Driver::<M>::announcing(&size(1_000));
    let said = driver.feed(&[0x30, 0xFF, 0x7F]);
    assert_eq!(
        said,
        ["> DISCONNECT PacketTooLarge", "close PacketTooLarge"]
    );
}

/// MQTT-3.1.2-24, MQTT-3.2.2-15: whatever happens, nothing that is written is above the limit, which the driver watches.
fn no_packet_is_ever_too_large<M: Machine>() -> u64 {
    let mut judged = 0;
    for limit in least::<M>()..40 {
        let [limit] = size(limit);
        let mut steps = vec![
            make::publish(1, 1, "a", ""),
            make::publish(2, 1, "a", ""),
            make::pubrel(5),
            make::pubrec(5),
            vec![0xFF; 5],
        ];
        match M::ROLE {
            Role::Client => steps.push(make::PINGRESP.to_vec()),
            Role::Server => steps.push(make::PINGREQ.to_vec()),
        }
        for step in steps {
            let mut driver = Driver::<M>::announced(&[limit, Property::TopicAliasMaximum(3)]);
            for qos in 0..=2 {
                let _ = driver.accept(publication(qos, "abc", "def", &[]));
                let _ = driver.settle();
            }
            let _ = driver.feed(&step);
            judged += 1;
        }
    }
    judged
}

/// Section 2.1.4: more than a Remaining Length can say is an error, with Topic Aliases or without.
fn what_no_packet_can_hold_is_refused<M: Machine>() {
    let payload = vec![0; LARGEST_PACKET as usize];
    let publish = Publish::new(TopicName::new("a").unwrap(), &payload);
    for topic_aliases in [TopicAliases::Off, TopicAliases::Automatic(NonZeroU16::MIN)] {
        let driver = Driver::<M>::set(Settings {
            topic_aliases,
            ..Settings::default()
        });
        let mut driver = driver.open(&[], &[Property::TopicAliasMaximum(1)]);
        let before = driver.wire.len();
        let result = driver
            .machine
            .publish_now(driver.now, &publish, &mut driver.wire);
        assert!(
            matches!(result, Err(PublishError::Invalid(_))),
            "{result:?}"
        );
        assert_eq!(driver.wire.len(), before);
    }
}
