//! Property tests: broken packets. Nothing panics, errors are sound, and what is accepted is as good
//! as any other packet.

use std::sync::LazyLock;

use mqtt5_codec::framing::Frame;
use mqtt5_codec::{DecodeError, Packet, ProtocolVersion, Role, ViolationClass, strategies};
use mqtt5_spec_tests::standard::statements;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::check::Check;
use crate::random::property;
use crate::reference::tables::packets;
use crate::verdict::{SENDERS, Verdict, decode_whole, encode, of_packet, read_stream};

pub(crate) fn checks() -> Vec<Check> {
    let damaged = || {
        (
            strategies::frame(ProtocolVersion::V5_0),
            prop::collection::vec(damage(), 1..4),
        )
    };
    vec![
        property(
            "robustness::damaged_packets",
            30_000,
            damaged(),
            |(frame, damages)| {
                let mut bytes = frame.bytes().to_vec();
                for damage in damages {
                    damage.apply(&mut bytes);
                }
                survives(&bytes)
            },
        ),
        property(
            "robustness::damaged_bodies",
            30_000,
            damaged(),
            |(frame, damages)| {
                let mut body = frame.raw().body().to_vec();
                for damage in damages {
                    damage.apply(&mut body);
                }
                survives(&crate::packets::packet(frame.header().first_byte(), &body))
            },
        ),
        property(
            "robustness::each_byte_replaced",
            40,
            strategies::frame(ProtocolVersion::V5_0),
            each_byte_replaced,
        ),
        property(
            "robustness::arbitrary_bytes",
            60_000,
            prop::collection::vec(any::<u8>(), 0..64),
            |bytes| survives(&bytes),
        ),
        property(
            "robustness::arbitrary_bodies",
            60_000,
            (any::<Index>(), prop::collection::vec(body_byte(), 0..48)),
            |(first_byte, body)| {
                let first_byte = *first_byte.get(&FIRST_BYTES);
                survives(&crate::packets::packet(first_byte, &body))
            },
        ),
        property(
            "robustness::malformed_stays_malformed",
            20_000,
            (
                strategies::frame(ProtocolVersion::V5_0),
                damage(),
                prop::collection::vec(any::<u8>(), 0..16),
            ),
            |(frame, damage, tail)| stays_malformed(&frame, &damage, &tail),
        ),
    ]
}

/// Something that happens to bytes.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    Replace(Index, u8),
    Flip(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Truncate(Index),
}

pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<Index>;
    prop_oneof![
        (at(), body_byte()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (at(), 0_u8..8).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        (at(), body_byte()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        at().prop_map(Damage::Remove),
        (at(), at()).prop_map(|(from, to)| Damage::Repeat(from, to)),
        at().prop_map(Damage::Truncate),
    ]
}

/// Any byte, but more often one that means something. One number, as there are millions of them.
fn body_byte() -> impl Strategy<Value = u8> {
    const TELLING: [u8; 8] = [0x00, 0x01, 0x7F, 0x80, 0xC0, 0xED, 0xF4, 0xFF];
    (0_u32..3 << 8).prop_map(|number| {
        let byte = number as u8;
        match number >> 8 {
            0 => TELLING[usize::from(byte) % TELLING.len()],
            1 => byte % 0x30,
            _ => byte,
        }
    })
}

impl Damage {
    pub(crate) fn apply(&self, bytes: &mut Vec<u8>) {
        let within = |index: &Index| index.index(bytes.len().max(1)).min(bytes.len());
        match self {
            Damage::Insert(at, byte) => {
                let at = within(at);
                bytes.insert(at, *byte);
            }
            _ if bytes.is_empty() => {}
            Damage::Replace(at, byte) => {
                let at = within(at);
                bytes[at] = *byte;
            }
            Damage::Flip(at, bit) => {
                let at = within(at);
                bytes[at] ^= bit;
            }
            Damage::Remove(at) => {
                let at = within(at);
                bytes.remove(at);
            }
            Damage::Repeat(from, to) => {
                let (from, to) = (within(from), within(to));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(to..to, part);
            }
            Damage::Truncate(at) => {
                let at = within(at);
                bytes.truncate(at);
            }
        }
    }
}

/// Whatever these bytes are: if they are a packet, it is as good as any other; if not, the error is
/// sound.
fn survives(bytes: &[u8]) -> Result<(), TestCaseError> {
    match decode_whole(bytes, None) {
        Ok(packet) => is_sound(&packet, bytes)?,
        Err(error) => error_is_sound(error, bytes)?,
    }
    for sender in [Role::Client, Role::Server] {
        match (decode_whole(bytes, Some(sender)), decode_whole(bytes, None)) {
            (Ok(from_side), Ok(packet)) => {
                prop_assert_eq!(from_side, packet);
                prop_assert_eq!(packet.check_sent_by(ProtocolVersion::V5_0, sender), Ok(()));
            }
            (Err(error), Ok(packet)) => {
                prop_assert_eq!(
                    packet.check_sent_by(ProtocolVersion::V5_0, sender),
                    Err(error.violation())
                );
                prop_assert_eq!(error.class(), ViolationClass::Protocol);
                error_is_sound(error, bytes)?;
            }
            (Err(error), Err(_)) => error_is_sound(error, bytes)?,
            (Ok(packet), Err(error)) => {
                prop_assert!(false, "{:?} from {}, but {}", packet, sender, error);
            }
        }
    }
    Ok(())
}

/// The canonical form of an accepted packet is no longer, says the same, and is its own canonical
/// form.
fn is_sound(packet: &Packet<'_>, bytes: &[u8]) -> Result<(), TestCaseError> {
    let canonical = encode(packet);
    prop_assert!(canonical.len() <= bytes.len());
    let again = Packet::decode(ProtocolVersion::V5_0, &canonical)?;
    prop_assert_eq!(again, *packet);
    prop_assert_eq!(&encode(&again), &canonical);
    prop_assert_eq!(format!("{again:?}"), format!("{packet:?}"));
    let someone_may_send_it = [Role::Client, Role::Server]
        .into_iter()
        .any(|sender| packet.packet_type().sent_by(ProtocolVersion::V5_0, sender));
    prop_assert!(someone_may_send_it);
    Ok(())
}

/// Every byte with which a packet may begin.
static FIRST_BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    packets()
        .into_iter()
        .flat_map(|(_, _, bytes)| bytes)
        .collect()
});

fn error_is_sound(error: DecodeError, bytes: &[u8]) -> Result<(), TestCaseError> {
    prop_assert!(error.offset() <= bytes.len(), "{} of {:02X?}", error, bytes);
    prop_assert!(matches!(
        error.reason_code().to_byte(),
        0x81 | 0x82 | 0x84 | 0x94 | 0x95
    ));
    let is_malformed = error.reason_code().to_byte() == 0x81;
    prop_assert_eq!(error.class() == ViolationClass::Malformed, is_malformed);
    if let Some(statement) = error.statement() {
        prop_assert!(
            statements(ProtocolVersion::V5_0).contains_key(statement),
            "{}",
            statement
        );
    }
    prop_assert!(!error.to_string().is_empty());
    Ok(())
}

/// Every byte of a packet replaced by every other, one at a time, for the first 32 bytes.
fn each_byte_replaced(frame: Frame) -> Result<(), TestCaseError> {
    let mut bytes = frame.bytes().to_vec();
    for at in 0..bytes.len().min(32) {
        let right = bytes[at];
        for wrong in 0..=255 {
            bytes[at] = wrong;
            survives(&bytes)?;
        }
        bytes[at] = right;
    }
    Ok(())
}

/// What is rejected as the first packet of a stream is rejected in the same way whatever follows.
fn stays_malformed(frame: &Frame, damage: &Damage, tail: &[u8]) -> Result<(), TestCaseError> {
    let mut bytes = frame.bytes().to_vec();
    damage.apply(&mut bytes);
    for sender in SENDERS {
        let verdict = read_stream(&bytes, sender).verdict;
        let longer = [&bytes, tail].concat();
        match verdict {
            Verdict::Reject(_) => prop_assert_eq!(read_stream(&longer, sender).verdict, verdict),
            Verdict::Accept | Verdict::Incomplete { .. } => {}
        }
        // Nor does a rejected packet become better when it is asked about again.
        prop_assert_eq!(of_packet(&bytes, sender), of_packet(&bytes, sender));
    }
    Ok(())
}
