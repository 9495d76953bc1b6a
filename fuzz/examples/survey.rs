//! Asks the peers about random packets, valid and damaged, and about the files in the directories
//! given. Prints every kind of disagreement without a verdict once, with the shortest packet: for
//! whoever adds a peer or a verdict.
//!
//! `cargo run --release -p mqtt5-fuzz --example survey -- [seconds] [directory...]`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use mqtt5_codec::{PacketType, ProtocolVersion};
use mqtt5_fuzz::differential::{self, Disagreement};
use mqtt5_fuzz::verdicts;

type Kinds = BTreeMap<
    (
        ProtocolVersion,
        &'static str,
        Disagreement,
        Option<PacketType>,
    ),
    Kind,
>;

struct Kind {
    times: usize,
    shortest: usize,
    text: String,
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(10));
    let mut kinds = Kinds::new();
    let mut packets = 0_usize;
    for directory in arguments {
        for entry in fs::read_dir(directory)? {
            packets += 1;
            survey(&fs::read(entry?.path())?, &mut kinds);
        }
    }
    let start = Instant::now();
    let mut next = pseudo_random(start.elapsed().as_nanos() as u64);
    while start.elapsed() < time {
        let length = next() % 48;
        let mut source = vec![next() as u8 & 0b111];
        source.extend((0..length).flat_map(|_| next().to_le_bytes()));
        packets += 1;
        survey(&source, &mut kinds);
    }
    for ((.., packet_type), kind) in &kinds {
        println!("{} times, {packet_type:?}: {}", kind.times, kind.text);
    }
    println!("{packets} packets, {} kinds of disagreement", kinds.len());
    Ok(())
}

fn survey(data: &[u8], kinds: &mut Kinds) {
    differential::for_each_packet(data, |bytes| {
        differential::disagreements(bytes, |case| {
            if verdicts::find(&case).is_some() {
                return;
            }
            let packet_type = PacketType::from_number(bytes[0] >> 4);
            let key = (case.version, case.peer, case.disagreement, packet_type);
            let kind = kinds.entry(key).or_insert(Kind {
                times: 0,
                shortest: usize::MAX,
                text: String::new(),
            });
            kind.times += 1;
            if bytes.len() < kind.shortest {
                kind.shortest = bytes.len();
                kind.text = case.to_string();
            }
        });
    });
}

/// SplitMix64.
fn pseudo_random(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }
}
