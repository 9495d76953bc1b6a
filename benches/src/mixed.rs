//! A stream of 10,000 packets as a busy connection carries it.

use std::sync::LazyLock;

use mqtt5_codec::ProtocolVersion;

use crate::packets::{self, v3_1_1};

/// What the stream is, for the reader of a table.
pub const TITLE: &str = "10,000 mixed packets in chunks of 1,460 B, per packet";

/// How many packets [`bytes()`] holds.
pub const PACKETS: usize = 10_000;

/// How many bytes arrive at a time: what fits into an Ethernet frame over TCP.
pub const CHUNK: usize = 1460;

/// The stream of this version, the same in every run.
///
/// Of 100 packets about 40 are PUBLISH QoS 0 with 64 bytes, 20 PUBLISH QoS 1
/// with seven properties, 20 PUBACK, 5 SUBSCRIBE, 5 SUBACK, 5 PINGREQ or
/// PINGRESP, and 5 PUBREC, PUBREL, PUBCOMP or DISCONNECT. No peer would send all
/// of these, but a codec does not mind, and so every codec reads the same bytes.
///
/// In MQTT 3.1.1 it is packet by packet the same mix, with the same topics and
/// payloads, but without properties and the reason of a DISCONNECT.
pub fn bytes(version: ProtocolVersion) -> &'static [u8] {
    static OF_V3_1_1: LazyLock<Vec<u8>> =
        LazyLock::new(|| packets(ProtocolVersion::V3_1_1).concat());
    static OF_V5: LazyLock<Vec<u8>> = LazyLock::new(|| packets(ProtocolVersion::V5_0).concat());
    match version {
        ProtocolVersion::V3_1_1 => &OF_V3_1_1,
        _ => &OF_V5,
    }
}

/// A stream in the pieces in which it arrives.
pub fn chunks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    bytes.chunks(CHUNK)
}

/// The packets of the stream of this version, one by one.
pub fn packets(version: ProtocolVersion) -> Vec<Vec<u8>> {
    let forms = Forms::of(version);
    let mut random = SplitMix64(0x4D51_5454_2035_2E30);
    let packets = (0..PACKETS).map(|_| random_packet(&forms, &mut random));
    packets.collect()
}

/// The packets that differ between the versions.
struct Forms {
    publish: fn(&str, &[u8]) -> Vec<u8>,
    publish_at_least_once: fn(&str, u16, &[u8]) -> Vec<u8>,
    subscribe: fn(u16) -> Vec<u8>,
    suback: fn(u16) -> Vec<u8>,
    disconnect: fn() -> Vec<u8>,
}

impl Forms {
    fn of(version: ProtocolVersion) -> Self {
        match version {
            ProtocolVersion::V3_1_1 => Self {
                publish: v3_1_1::publish,
                publish_at_least_once: v3_1_1::publish_at_least_once,
                subscribe: v3_1_1::subscribe,
                suback: v3_1_1::suback,
                disconnect: v3_1_1::disconnect,
            },
            _ => Self {
                publish: packets::publish,
                publish_at_least_once: packets::publish_with_properties,
                subscribe: packets::subscribe,
                suback: packets::suback,
                disconnect: packets::disconnect,
            },
        }
    }
}

/// What is drawn does not depend on the version.
fn random_packet(forms: &Forms, random: &mut SplitMix64) -> Vec<u8> {
    let packet_id = random.below(0xFFFF) as u16 + 1;
    match random.below(100) {
        0..40 => (forms.publish)(&topic(random), &packets::payload(64)),
        40..60 => {
            let payload = packets::payload(256);
            (forms.publish_at_least_once)(&topic(random), packet_id, &payload)
        }
        60..80 => packets::acknowledgement(0x40, packet_id),
        80..85 => (forms.subscribe)(packet_id),
        85..90 => (forms.suback)(packet_id),
        90..95 => packets::ping([0xC0, 0xD0][random.below(2) as usize]),
        95..99 => packets::acknowledgement([0x50, 0x62, 0x70][random.below(3) as usize], packet_id),
        _ => (forms.disconnect)(),
    }
}

/// A topic of the length of [`packets::TOPIC`].
fn topic(random: &mut SplitMix64) -> String {
    let (line, robot, axis) = (random.below(10), random.below(90) + 10, random.below(10));
    format!("factory/line-{line}/robot-{robot}/axis/{axis}/pos")
}

/// The SplitMix64 generator: enough for a mix, and the same everywhere.
struct SplitMix64(u64);

impl SplitMix64 {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mix_is_about_as_promised() {
        let packets = packets(ProtocolVersion::V5_0);
        let share = |of: &[u8]| {
            let count = packets.iter().filter(|p| of.contains(&p[0])).count();
            count * 100 / PACKETS
        };
        assert!((38..=42).contains(&share(&[0x30])));
        assert!((18..=22).contains(&share(&[0x32])));
        assert!((18..=22).contains(&share(&[0x40])));
        assert!((3..=7).contains(&share(&[0x82])));
        assert!((3..=7).contains(&share(&[0x90])));
        assert!((3..=7).contains(&share(&[0xC0, 0xD0])));
        assert!((3..=7).contains(&share(&[0x50, 0x62, 0x70, 0xE0])));
    }

    #[test]
    fn mix_is_the_same_in_the_older_version() {
        let newer = packets(ProtocolVersion::V5_0);
        let older = packets(ProtocolVersion::V3_1_1);
        assert_eq!(older.len(), newer.len());
        for (older, newer) in older.iter().zip(&newer) {
            assert_eq!(older[0], newer[0]);
            let is_shorter = older.len() < newer.len();
            // Only these have properties, or a place for them.
            assert_eq!(is_shorter, [3, 8, 9, 14].contains(&(older[0] >> 4)));
            if older[0] >> 4 == 3 {
                assert!(newer.ends_with(&older[older.len() - 64..]));
            }
        }
    }
}
