//! What MQTT 3.1.1 says, 5.0 can say as well.

use mqtt5_codec::{Packet, PacketType, TopicName, Violation};
use proptest::prelude::*;

use super::strategies::{any_packet, has_bad_share};
use super::{V3_1_1, V5_0, image, reference};
use crate::check::{Check, Kind, Outcome};
use crate::packets::{packet, prefixed};
use crate::random::property;
use crate::verdict::encode_by;

pub(super) fn checks() -> Vec<Check> {
    vec![
        property(
            "v3_1_1::decode_then_encode_gives_the_same_bytes",
            20_000,
            any_packet(),
            |bytes| round_trip(&bytes),
        ),
        property(
            "v3_1_1::what_it_says_can_be_said_in_5_0",
            20_000,
            any_packet(),
            |bytes| lifted(&bytes),
        ),
        property(
            "v3_1_1::some_packets_have_the_same_bytes_in_5_0",
            20_000,
            any_packet(),
            |bytes| same_bytes(&bytes),
        ),
        property(
            "v3_1_1::a_publish_of_5_0_has_one_byte_more",
            10_000,
            mqtt5_codec::strategies::frame_of(V5_0, PacketType::Publish)
                .prop_filter_map("a Topic Name", |frame| {
                    reference::write(&frame.decode(V5_0).expect("valid"))
                }),
            |bytes| one_byte_more(&bytes),
        ),
        Check::new(
            Kind::Domain,
            "v3_1_1::what_is_no_shared_subscription_is_an_ordinary_filter",
            ordinary_filters,
        ),
    ]
}

/// There is one encoding of each packet. An empty ClientID with Clean Session 0 is read, but not written.
fn round_trip(bytes: &[u8]) -> Result<(), TestCaseError> {
    let packet = Packet::decode(V3_1_1, bytes)?;
    let is_read_only = match packet {
        Packet::Connect(connect) => connect.client_identifier.is_empty() && !connect.clean_start,
        _ => false,
    };
    if is_read_only {
        let refused = packet.encoded_len(V3_1_1).map_err(|it| it.violation());
        let violation = Violation::ClientIdentifierEmptyWithoutCleanSession;
        prop_assert_eq!(refused, Err(Some(violation)));
        return Ok(());
    }
    prop_assert_eq!(encode_by(V3_1_1, &packet), bytes);
    prop_assert_eq!(packet.encoded_len(V3_1_1), Ok(bytes.len()));
    Ok(())
}

/// The same packet in 5.0, and there it is the same again, except UNSUBACK, whose Reason Codes are unknown, and filters
/// that are a bad Shared Subscription there. A CONNECT that keeps its Session says so by a property.
fn lifted(bytes: &[u8]) -> Result<(), TestCaseError> {
    let packet = Packet::decode(V3_1_1, bytes)?;
    let image = image(&packet);
    let mut written = Vec::new();
    let result = image.encode(V5_0, &mut written);
    let refusal = match packet {
        Packet::UnsubAck(_) => Some(Violation::ReasonCodesMissing),
        _ if has_bad_share(&packet) => {
            let violation = result.err().and_then(|error| error.violation());
            let is_expected = matches!(
                violation,
                Some(
                    Violation::ShareNameEmpty
                        | Violation::ShareNameWildcard
                        | Violation::ShareFilterMissing
                )
            );
            prop_assert!(is_expected, "{:?}: {:?}", packet, violation);
            violation
        }
        _ => None,
    };
    if let Some(violation) = refusal {
        prop_assert_eq!(
            result.map_err(|error| error.violation()),
            Err(Some(violation))
        );
        prop_assert!(written.is_empty());
        return Ok(());
    }
    result?;
    prop_assert_eq!(Packet::decode(V5_0, &written)?, image);
    match (packet, image) {
        (Packet::Connect(old), Packet::Connect(new)) => {
            let [old_expiry, new_expiry] = [old, new].map(|it| it.session_expiry_interval());
            prop_assert_eq!(old_expiry, new_expiry);
        }
        _ => prop_assert_eq!(image, packet),
    }
    // And back again: nothing was added that cannot be left out.
    let back = match image {
        Packet::Connect(connect) => Packet::Connect(mqtt5_codec::Connect {
            version: V3_1_1,
            ..connect
        }),
        image => image,
    };
    if packet.encoded_len(V3_1_1).is_ok() {
        prop_assert_eq!(encode_by(V3_1_1, &back), bytes);
    }
    Ok(())
}

/// Acknowledgements of messages, PINGREQ, PINGRESP and DISCONNECT.
fn same_bytes(bytes: &[u8]) -> Result<(), TestCaseError> {
    let packet = Packet::decode(V3_1_1, bytes)?;
    if matches!(
        packet.packet_type(),
        PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp
            | PacketType::PingReq
            | PacketType::PingResp
            | PacketType::Disconnect
    ) {
        prop_assert_eq!(encode_by(V5_0, &packet), bytes);
        prop_assert_eq!(Packet::decode(V5_0, bytes)?, packet);
    }
    Ok(())
}

/// The Property Length 0 before the payload, and nothing else but the Remaining Length.
fn one_byte_more(bytes: &[u8]) -> Result<(), TestCaseError> {
    let packet = Packet::decode(V3_1_1, bytes)?;
    let newer = encode_by(V5_0, &packet);
    let old = mqtt5_codec::framing::RawPacket::whole(bytes)?;
    let new = mqtt5_codec::framing::RawPacket::whole(&newer)?;
    prop_assert_eq!(bytes[0], newer[0]);
    prop_assert_eq!(old.body().len() + 1, new.body().len());
    let Packet::Publish(publish) = packet else {
        return Err(TestCaseError::fail("not a PUBLISH"));
    };
    let payload_at = old.body().len() - publish.payload.len();
    let mut body = new.body().to_vec();
    prop_assert_eq!(body.remove(payload_at), 0);
    prop_assert_eq!(old.body(), body);
    Ok(())
}

/// Section 4.7: `$share` is a level like any other in a filter that is no Shared Subscription of 5.0; it matches the
/// names that it spells. `+` stands for one level of them, `#` for all that follow.
fn ordinary_filters() -> Outcome {
    let cases: [(&str, &[&str], &[&str]); 8] = [
        ("$share", &["$share"], &["$share/", "a", "share"]),
        ("$share/", &["$share/"], &["$share", "$share/a"]),
        ("$share/a", &["$share/a"], &["a", "$share/b", "$share/a/"]),
        (
            "$share//a",
            &["$share//a"],
            &["a", "$share/a", "$share/x/a"],
        ),
        ("$share/a/", &["$share/a/"], &["", "/", "$share/a"]),
        ("$share/+/a", &["$share/x/a", "$share//a"], &["a", "x/a"]),
        ("$share/#", &["$share", "$share/a/b"], &["a", "$SHARE/a"]),
        (
            "$share/+/#",
            &["$share/x", "$share/x/y/z"],
            &["x", "$share"],
        ),
    ];
    let mut judged = 0;
    for (filter, matching, others) in cases {
        let body = [&b"\x00\x0A"[..], &prefixed(filter.as_bytes())].concat();
        let bytes = packet(0xA2, &body);
        let Ok(Packet::Unsubscribe(unsubscribe)) = Packet::decode(V3_1_1, &bytes) else {
            return Err(format!("{filter} is not read"));
        };
        let found = unsubscribe.filters.iter().next().ok_or("one filter")?;
        assert_eq!(found.as_str(), filter);
        assert_eq!(found.shared(), None, "{filter}");
        assert!(!found.is_shared(), "{filter}");
        assert_eq!(found.matching_part(), filter);
        assert!(found.levels().eq(filter.split('/')), "{filter}");
        let matches = |name| TopicName::new(name).is_ok_and(|name| found.matches(name));
        for name in matching {
            assert!(matches(name), "{filter} matches {name}");
        }
        for name in others {
            assert!(!matches(name), "{filter} does not match {name}");
        }
        judged += (matching.len() + others.len()) as u64;
    }
    Ok(judged)
}
