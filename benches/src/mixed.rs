//! A stream of 10,000 packets as a busy connection carries it.

use std::sync::LazyLock;

use crate::packets;

/// What the stream is, for the reader of a table.
pub const TITLE: &str = "10,000 mixed packets in chunks of 1,460 B, per packet";

/// How many packets [`bytes()`] holds.
pub const PACKETS: usize = 10_000;

/// How many bytes arrive at a time: what fits into an Ethernet frame over TCP.
pub const CHUNK: usize = 1460;

/// The stream, the same in every run.
///
/// Of 100 packets about 40 are PUBLISH QoS 0 with 64 bytes, 20 PUBLISH QoS 1
/// with seven properties, 20 PUBACK, 5 SUBSCRIBE, 5 SUBACK, 5 PINGREQ or
/// PINGRESP, and 5 PUBREC, PUBREL, PUBCOMP or DISCONNECT. No peer would send all
/// of these, but a codec does not mind, and so every codec reads the same bytes.
pub fn bytes() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| packets().concat());
    &BYTES
}

/// The stream in the pieces in which it arrives.
pub fn chunks() -> impl Iterator<Item = &'static [u8]> + Clone {
    bytes().chunks(CHUNK)
}

/// The packets of the stream, one by one.
pub fn packets() -> Vec<Vec<u8>> {
    let mut random = SplitMix64(0x4D51_5454_2035_2E30);
    (0..PACKETS).map(|_| random_packet(&mut random)).collect()
}

fn random_packet(random: &mut SplitMix64) -> Vec<u8> {
    let packet_id = random.below(0xFFFF) as u16 + 1;
    match random.below(100) {
        0..40 => packets::publish(&topic(random), &packets::payload(64)),
        40..60 => {
            packets::publish_with_properties(&topic(random), packet_id, &packets::payload(256))
        }
        60..80 => packets::acknowledgement(0x40, packet_id),
        80..85 => packets::subscribe(packet_id),
        85..90 => packets::suback(packet_id),
        90..95 => packets::ping([0xC0, 0xD0][random.below(2) as usize]),
        95..99 => packets::acknowledgement([0x50, 0x62, 0x70][random.below(3) as usize], packet_id),
        _ => packets::disconnect(),
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
        let packets = packets();
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
}
