//! Broken packets of MQTT 3.1.1, and an independent reader's word on them.

use mqtt5_codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_codec::internal::decode_plain_publish;
use mqtt5_codec::{DecodeError, Packet, PacketType, Violation};
use mqtt5_spec_tests::standard::statements;
use proptest::prelude::*;

use super::strategies::any_packet;
use super::{V3_1_1, V5_0, reference};
use crate::check::Check;
use crate::packets::packet;
use crate::random::property;
use crate::robustness::damage;
use crate::verdict::{SENDERS, decode_by};

pub(super) fn checks() -> Vec<Check> {
    let damaged = || (any_packet(), prop::collection::vec(damage(), 1..4));
    vec![
        property(
            "v3_1_1::damaged_packets",
            20_000,
            damaged(),
            |(mut bytes, damages)| {
                for damage in damages {
                    damage.apply(&mut bytes);
                }
                judged_alike(&bytes)
            },
        ),
        property(
            "v3_1_1::damaged_bodies",
            20_000,
            damaged(),
            |(bytes, damages)| {
                let raw = mqtt5_codec::framing::RawPacket::whole(&bytes)?;
                let mut body = raw.body().to_vec();
                for damage in damages {
                    damage.apply(&mut body);
                }
                judged_alike(&packet(bytes[0], &body))
            },
        ),
        property(
            "v3_1_1::each_byte_replaced",
            300,
            any_packet(),
            |mut bytes| {
                for at in 0..bytes.len().min(32) {
                    let right = bytes[at];
                    for wrong in 0..=255 {
                        bytes[at] = wrong;
                        judged_alike(&bytes)?;
                    }
                    bytes[at] = right;
                }
                Ok(())
            },
        ),
        property(
            "v3_1_1::arbitrary_bytes",
            60_000,
            prop::collection::vec(any::<u8>(), 0..48),
            |bytes| judged_alike(&bytes),
        ),
        property(
            "v3_1_1::packets_of_5_0",
            20_000,
            mqtt5_codec::strategies::frame(V5_0),
            |frame| judged_alike(frame.bytes()),
        ),
        property(
            "v3_1_1::generated_packets",
            20_000,
            mqtt5_codec::strategies::frame(V3_1_1),
            |frame| {
                prop_assert_eq!(reference::judge(frame.bytes(), None), Ok(()));
                judged_alike(frame.bytes())
            },
        ),
    ]
}

/// If the bytes are one packet, codec and reference find the same, at the same place, whoever sent it. What is accepted
/// has this encoding and no other.
pub(super) fn judged_alike(bytes: &[u8]) -> Result<(), TestCaseError> {
    let raw = match split(bytes, LARGEST_PACKET) {
        Ok(Split::Packet { packet, rest: [] }) => packet,
        _ => {
            // The fixed header is the same in both versions.
            let [old, new] = [V3_1_1, V5_0].map(|version| Packet::decode(version, bytes));
            let old = old.map_err(|error| error.in_version(V5_0));
            prop_assert!(old.is_err());
            prop_assert_eq!(old, new);
            return Ok(());
        }
    };
    let is_connect_of_5_0 = raw.protocol().and_then(|it| it.version()) == Some(V5_0);
    let plain = decode_plain_publish(V3_1_1, &raw);
    match decode_by(V3_1_1, &raw, None) {
        Ok(Packet::Publish(publish)) => prop_assert_eq!(plain, Some(publish)),
        _ => prop_assert_eq!(plain, None),
    }
    for sender in SENDERS {
        let decoded = decode_by(V3_1_1, &raw, sender);
        if raw.packet_type() == PacketType::Connect {
            // It speaks for itself; only what is said of the side depends on the connection.
            let by_other = decode_by(V5_0, &raw, sender);
            let plain = |error: DecodeError| match error.violation() {
                Violation::PacketFromWrongSide => error.in_version(V5_0),
                _ => error,
            };
            prop_assert_eq!(decoded.map_err(plain), by_other);
        }
        if is_connect_of_5_0 {
            continue;
        }
        let found = match decoded {
            Ok(_) => Ok(()),
            Err(error) => {
                let error = error.in_version(V3_1_1);
                Err((error.class(), error.offset()))
            }
        };
        let expected = reference::judge(bytes, sender);
        prop_assert_eq!(found, expected, "{:02X?} from {:?}", bytes, sender);
        match decoded {
            Ok(packet) => {
                let mut written = Vec::new();
                match packet.encode(V3_1_1, &mut written) {
                    Ok(()) => prop_assert_eq!(&written, bytes),
                    Err(error) => {
                        let refused = Violation::ClientIdentifierEmptyWithoutCleanSession;
                        prop_assert_eq!(error.violation(), Some(refused));
                    }
                }
                let expected = reference::write(&packet);
                prop_assert_eq!(expected.as_deref(), Some(bytes));
            }
            Err(error) => {
                let label = error.in_version(V3_1_1).statement();
                let is_known = label.is_none_or(|it| statements(V3_1_1).contains_key(it));
                prop_assert!(is_known, "{:?}", label);
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
    Ok(())
}
