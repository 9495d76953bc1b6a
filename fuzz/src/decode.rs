//! Any bytes, as they may come from a network.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use mqtt5_codec::framing::{Frame, LARGEST_PACKET, RawPacket, Split, split};
use mqtt5_codec::{
    DecodeError, EncodeError, Packet, PacketType, ProtocolVersion, ReasonCode, Role, Violation,
    ViolationClass,
};

use crate::rebuild::encoded;
use crate::reference;
use crate::walk::walk;

/// How many packets of one input are looked at.
const MOST_PACKETS: usize = 64;

/// Splits the bytes, decodes each packet in either version and from either side, and asks what is accepted
/// everything; what is accepted survives re-encoding, what is rejected stays so.
///
/// # Panics
///
/// If that does not hold.
pub fn check(data: &[u8]) {
    whole(data);
    let mut rest = data;
    for _ in 0..MOST_PACKETS {
        match split(rest, LARGEST_PACKET) {
            Ok(Split::Packet { packet, rest: next }) => {
                let bytes = packet.as_bytes();
                assert_eq!(bytes.len() + next.len(), rest.len());
                if bytes.len() < data.len() {
                    whole(bytes);
                }
                // What follows a packet does not change it.
                for &version in ProtocolVersion::ALL {
                    assert_eq!(packet.decode(version), Packet::decode(version, bytes));
                }
                rest = next;
            }
            Ok(Split::Incomplete { needed }) => {
                assert!(needed > 0);
                break;
            }
            Err(found) => {
                error(found, rest);
                followed_by_more(ProtocolVersion::V5_0, found, rest);
                break;
            }
        }
    }
}

/// Checks bytes as if they were one packet, of either version.
///
/// # Panics
///
/// If one of the properties of [`check`] does not hold.
pub fn whole(bytes: &[u8]) {
    for &version in ProtocolVersion::ALL {
        match Packet::decode(version, bytes) {
            Ok(packet) => accepted(version, &packet, bytes),
            Err(found) => rejected(version, found, bytes),
        }
    }
    if RawPacket::whole(bytes).is_ok_and(|raw| raw.packet_type() == PacketType::Connect) {
        let [one, other] = [ProtocolVersion::V3_1_1, ProtocolVersion::V5_0]
            .map(|version| Packet::decode(version, bytes));
        assert_eq!(one, other, "a CONNECT speaks for itself");
    }
}

fn accepted(version: ProtocolVersion, packet: &Packet<'_>, bytes: &[u8]) {
    walk(version, packet);
    if cannot_be_sent(packet) {
        return;
    }

    let again = encoded(version, packet);
    let decoded = Packet::decode(version, &again).expect("what is encoded can be decoded");
    assert_eq!(&decoded, packet);
    assert_eq!(hash(&decoded), hash(packet));
    if reference::is_long_form(bytes) {
        assert!(again.len() < bytes.len());
        assert_eq!(encoded(version, &decoded), again);
    } else {
        assert_eq!(again, bytes, "canonical bytes stay as they are");
    }

    for sender in [Role::Client, Role::Server] {
        let checked = packet.check_sent_by(version, sender);
        match Packet::decode_from(version, sender, bytes) {
            Ok(from) => {
                assert_eq!(&from, packet);
                assert_eq!(checked, Ok(()));
            }
            Err(found) => {
                error(found, bytes);
                assert_eq!(checked, Err(found.violation()));
                assert!(matches!(
                    found.violation(),
                    Violation::PacketFromWrongSide
                        | Violation::ReasonCodeFromWrongSide
                        | Violation::SubscriptionIdentifierFromClient
                        | Violation::SessionExpiryIntervalFromServer
                        | Violation::ServerReferenceFromClient
                ));
            }
        }
    }

    // No part of a packet is a packet, and none is an error.
    for length in cuts(bytes.len()) {
        let part = &bytes[..length];
        assert!(matches!(
            split(part, LARGEST_PACKET),
            Ok(Split::Incomplete { .. })
        ));
        assert!(Packet::decode(version, part).is_err());
    }

    let frame = Frame::new(Bytes::copy_from_slice(bytes)).expect("a whole packet");
    assert_eq!(frame.decode(version).as_ref(), Ok(packet));
    if let Ok(Packet::Publish(publish)) = frame.decode(version) {
        let shared = frame.share(publish.payload);
        assert_eq!(shared, publish.payload);
        // Not copied. No bytes are nowhere.
        assert!(shared.is_empty() || shared.as_ptr() == publish.payload.as_ptr());
    }
}

/// A CONNECT of MQTT 3.1.1 that keeps its Session must have a ClientID. A Server answers one without, so it is
/// decoded.
fn cannot_be_sent(packet: &Packet<'_>) -> bool {
    let Packet::Connect(connect) = packet else {
        return false;
    };
    let found = connect.encoded_len(connect.version).err();
    let expected = connect.version == ProtocolVersion::V3_1_1
        && !connect.clean_start
        && connect.client_identifier.is_empty();
    let violation = found.and_then(EncodeError::violation);
    let missing = Violation::ClientIdentifierEmptyWithoutCleanSession;
    assert_eq!(violation, expected.then_some(missing));
    expected
}

fn rejected(version: ProtocolVersion, found: DecodeError, bytes: &[u8]) {
    error(found, bytes);
    for sender in [Role::Client, Role::Server] {
        let from =
            Packet::decode_from(version, sender, bytes).expect_err("from nobody, so not from one");
        error(from, bytes);
    }
    if let Ok(Split::Packet { .. }) = split(bytes, LARGEST_PACKET) {
        followed_by_more(version, found, bytes);
    }
}

/// More bytes do not mend what is wrong with a packet.
fn followed_by_more(version: ProtocolVersion, found: DecodeError, bytes: &[u8]) {
    for more in [&b"\x00"[..], b"\xFF\xFF\xFF\xFF\xFF"] {
        let longer = [bytes, more].concat();
        match split(&longer, LARGEST_PACKET) {
            Ok(Split::Packet { packet, .. }) => {
                if packet.as_bytes().len() == bytes.len() {
                    assert_eq!(packet.decode(version), Err(found));
                }
            }
            Ok(Split::Incomplete { .. }) => panic!("an error became incomplete"),
            Err(still) => assert_eq!(still, found),
        }
    }
}

fn error(found: DecodeError, bytes: &[u8]) {
    assert!(found.offset() <= bytes.len(), "{found}");
    assert!(found.reason_code().is_error());
    assert!(found.to_string().contains(found.violation().message()));
    // The Reason Code is one of MQTT 5, whose classes are not always those of MQTT 3.1.1.
    let expected = match found.violation().class(ProtocolVersion::V5_0) {
        ViolationClass::Malformed => ReasonCode::MalformedPacket,
        ViolationClass::Protocol => ReasonCode::ProtocolError,
    };
    let specific = matches!(
        found.violation(),
        Violation::PacketTooLarge
            | Violation::BufferLimit
            | Violation::TopicAliasZero
            | Violation::ProtocolName
            | Violation::ProtocolNameOfMqtt31
            | Violation::ProtocolVersion
            | Violation::ProtocolLevel
    );
    assert!(specific || found.reason_code() == expected, "{found}");
    for sender in [Role::Client, Role::Server] {
        let found = found.sent_by(sender);
        if let Some(statement) = found.statement() {
            let prefix = match found.version() {
                ProtocolVersion::V3_1_1 => "MQTT3-",
                _ => "MQTT-",
            };
            assert!(statement.starts_with(prefix), "{found}");
        }
        for connected in [false, true] {
            let receiver = sender.peer();
            if let Some(answer) = found.answer(receiver, connected) {
                assert_eq!(answer.check_sent_by(found.version(), receiver), Ok(()));
                let mut bytes = Vec::new();
                let version = found.version();
                answer.encode(version, &mut bytes).expect("an answer");
                assert_eq!(Packet::decode_from(version, receiver, &bytes), Ok(answer));
            }
        }
    }
}

/// Lengths shorter than a packet's: all near its borders, some between.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    let step = (length / 16).max(1);
    (0..length.min(8))
        .chain((8..length).step_by(step))
        .chain(length.checked_sub(1))
}

pub(crate) fn hash(packet: &Packet<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    packet.hash(&mut hasher);
    hasher.finish()
}
