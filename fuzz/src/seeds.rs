//! Seed corpora: from the golden vectors of `spec-tests`, and from the generators.
//!
//! The same vectors make the same seeds. `cargo run -p mqtt5-fuzz --example seeds` writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

use arbitrary::Unstructured;
use mqtt5_codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_codec::{Packet, PacketType, ProtocolVersion, Role, Violation, generate};

use crate::rebuild::rebuilt;
use crate::{canary, verdicts};

/// Seeds of one target: names and contents.
pub type Seeds = BTreeMap<String, Vec<u8>>;

/// Longer vectors are left out: the fuzzer makes its inputs longer by itself, but slowly.
const LONGEST: usize = 1024;

/// What the vectors tell a fuzzer apart by: it needs one packet of each kind.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Accepted(PacketType, Vec<u8>),
    Rejected(Option<PacketType>, Violation),
    Incomplete(usize),
}

/// All seeds, made from the vectors in this directory.
///
/// # Errors
///
/// If the vectors cannot be read.
pub fn all(vectors: &Path) -> io::Result<BTreeMap<&'static str, Seeds>> {
    let old_vectors = read_vectors(&vectors.join("v3.1.1"))?;
    let vectors = read_vectors(vectors)?;
    let newer = one_of_each_kind(ProtocolVersion::V5_0, &vectors);
    let older = one_of_each_kind(ProtocolVersion::V3_1_1, &old_vectors);
    let mut packets = newer.clone();
    for (name, bytes) in &older {
        if !newer.values().any(|other| other == bytes) {
            packets.insert(of_v3(name), bytes.clone());
        }
    }

    let mut differential = packets.clone();
    for (index, verdict) in verdicts::all().enumerate() {
        differential.insert(format!("verdict-{index:03}"), verdict.packet());
    }
    for damage in 0..8 {
        for (index, source) in sources(16).enumerate() {
            let seed = [&[damage], &source[..]].concat();
            differential.insert(format!("generated-{damage}-{index:02}"), seed);
        }
    }

    let mut canary = newer.clone();
    canary.retain(|_, bytes| std::panic::catch_unwind(|| canary::check(bytes)).is_ok());

    let mut split = streams(ProtocolVersion::V5_0, &vectors, &newer);
    for (name, stream) in streams(ProtocolVersion::V3_1_1, &old_vectors, &older) {
        split.insert(of_v3(&name), stream);
    }

    Ok(BTreeMap::from([
        ("split", split),
        ("strings", strings()),
        ("round_trip", round_trip()),
        ("differential", differential),
        ("canary", canary),
        ("world", decisions()),
        ("broker", decisions()),
        ("decode", packets),
    ]))
}

/// The name of a seed of MQTT 3.1.1. Its vectors have such names already.
fn of_v3(name: &str) -> String {
    match name.starts_with("v3-") {
        true => name.to_owned(),
        false => format!("v3-{name}"),
    }
}

/// The cases of all vector files: names and bytes.
fn read_vectors(directory: &Path) -> io::Result<Seeds> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        files.push(entry?.path());
    }
    files.sort();
    let mut vectors = Seeds::new();
    for file in files {
        if file.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let mut name = "";
        let text = fs::read_to_string(&file)?;
        for line in text.lines() {
            match line.split_once(':') {
                Some(("case", case)) => name = case.trim(),
                Some(("bytes", bytes)) => {
                    let bytes = parse_hex(bytes).ok_or_else(|| {
                        io::Error::other(format!("{}: {name}: no bytes", file.display()))
                    })?;
                    vectors.insert(name.to_owned(), bytes);
                }
                _ => {}
            }
        }
    }
    Ok(vectors)
}

/// `61 62*3` is `a` and three times `b`.
pub(crate) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        let (byte, times) = word.split_once('*').unwrap_or((word, "1"));
        let byte = u8::from_str_radix(byte, 16).ok()?;
        bytes.extend(std::iter::repeat_n(byte, times.parse().ok()?));
    }
    Some(bytes)
}

fn one_of_each_kind(version: ProtocolVersion, vectors: &Seeds) -> Seeds {
    let mut shortest: BTreeMap<Kind, (&String, &Vec<u8>)> = BTreeMap::new();
    for vector in vectors {
        if vector.1.len() > LONGEST {
            continue;
        }
        let kept = shortest.entry(kind(version, vector.1)).or_insert(vector);
        if vector.1.len() < kept.1.len() {
            *kept = vector;
        }
    }
    let seeds = shortest.into_values();
    seeds
        .map(|(name, bytes)| (name.clone(), bytes.clone()))
        .collect()
}

fn kind(version: ProtocolVersion, bytes: &[u8]) -> Kind {
    match split(bytes, LARGEST_PACKET) {
        Ok(Split::Packet { packet, rest }) => match packet.decode(version) {
            Ok(_) if !rest.is_empty() => kind(version, rest),
            Ok(packet) => Kind::Accepted(packet.packet_type(), identifiers(&packet)),
            Err(error) => Kind::Rejected(error.packet_type(), error.violation()),
        },
        Ok(Split::Incomplete { needed }) => Kind::Incomplete(needed.min(8)),
        Err(error) => Kind::Rejected(error.packet_type(), error.violation()),
    }
}

fn identifiers(packet: &Packet<'_>) -> Vec<u8> {
    let identifiers = std::cell::RefCell::new(BTreeSet::new());
    let collect = |list: &mut Vec<mqtt5_codec::Property<'_>>| {
        let mut identifiers = identifiers.borrow_mut();
        identifiers.extend(list.iter().map(|property| property.identifier() as u8));
    };
    rebuilt(packet, collect, |_| {});
    identifiers.into_inner().into_iter().collect()
}

/// Streams of the vectors and of all their packets, cut in several ways.
fn streams(version: ProtocolVersion, vectors: &Seeds, packets: &Seeds) -> Seeds {
    let cuts: [&[u8]; 5] = [
        // Number of chunk lengths, the lengths, buffer limit, Maximum Packet Size.
        &[0, 255, 0],
        &[1, 1, 255, 0],
        &[1, 1, 8, 0],
        &[2, 2, 7, 16, 64],
        &[3, 1, 0, 5, 4, 0],
    ];
    let mut seeds = Seeds::new();
    let mut add = |name: &str, stream: &[u8]| {
        for (index, cut) in cuts.iter().enumerate() {
            seeds.insert(format!("{name}-cut-{index}"), [cut, stream].concat());
        }
    };
    for (name, bytes) in vectors {
        if name.contains("stream-") && bytes.len() <= LONGEST {
            add(name, bytes);
        }
    }
    let accepted: Vec<_> = packets
        .iter()
        .filter(|(_, bytes)| matches!(kind(version, bytes), Kind::Accepted(..)))
        .map(|(_, bytes)| bytes.clone())
        .collect();
    for (index, several) in accepted.chunks(12).enumerate() {
        add(&format!("accepted-{index:02}"), &several.concat());
    }
    seeds
}

fn strings() -> Seeds {
    let fields = [
        "a",
        "/",
        "+",
        "#",
        "a/+",
        "a/#",
        "+/+",
        "/+",
        "a+",
        "a#",
        "#/a",
        "+a/b",
        "$SYS/#",
        "$SYS/+/x",
        "$share",
        "$share/",
        "$share/g",
        "$share/g/",
        "$share/g/a",
        "$share/g//a",
        "$share//a",
        "$share/+/a",
        "$share/g#/a",
        "$share/g/+/#",
        "$share/g/$share/h/a",
        "$shared/a",
        "é",
        "€/𝄞",
        "\u{FEFF}",
        "\u{FFFF}",
        "\u{1}",
        "abcdefgh",
        "abcdefgh/+",
        "abcdefg+",
        "abcdefgh#",
        "sport/tennis/player1/ranking",
        "sport/tennis/player1/#",
    ];
    let mut seeds = Seeds::new();
    for (index, field) in fields.iter().enumerate() {
        seeds.insert(format!("field-{index:02}"), field.as_bytes().to_vec());
    }
    let ill_formed: [&[u8]; 6] = [
        b"\xC0\x80",
        b"a\xED\xA0\x80",
        b"abcdefgh\xFF",
        b"\xF4\x90\x80\x80",
        b"\xE2\x82",
        b"abcdefg\xC3",
    ];
    for (index, bytes) in ill_formed.iter().enumerate() {
        seeds.insert(format!("ill-formed-{index}"), bytes.to_vec());
    }
    for (index, source) in sources(48).enumerate() {
        let pair = generate::matching_pair(&mut Unstructured::new(&source));
        let (name, filter) = pair.expect("generators need no certain bytes");
        if name.len() + filter.len() < LONGEST {
            let pair = [filter.as_bytes(), b"\0", name.as_bytes()].concat();
            seeds.insert(format!("pair-{index:02}"), pair);
        }
    }
    seeds
}

/// Runs of a world, which are any bytes.
fn decisions() -> Seeds {
    let runs = sources(16).enumerate();
    runs.map(|(index, run)| (format!("run-{index:02}"), run))
        .collect()
}

/// Sources of each packet type from each side, in each version.
fn round_trip() -> Seeds {
    let mut seeds = Seeds::new();
    for source in sources(2_000) {
        let mut unstructured = Unstructured::new(&source);
        let version = unstructured.choose(ProtocolVersion::ALL);
        let version = *version.expect("there is a choice");
        let sender = unstructured.choose(&[Role::Client, Role::Server]);
        let sender = *sender.expect("there is a choice");
        let frame = generate::frame_from(version, sender, &mut unstructured);
        let frame = frame.expect("generators need no certain bytes");
        let packet = frame.decode(version).expect("what is generated is valid");
        let packet_type = frame.packet_type();
        let name = match version {
            ProtocolVersion::V3_1_1 => of_v3(&format!("{packet_type}-{sender}")),
            _ => {
                let properties = identifiers(&packet).len().min(3);
                format!("{packet_type}-{sender}-{properties}")
            }
        };
        if frame.bytes().len() <= LONGEST {
            seeds.entry(name.to_lowercase()).or_insert(source);
        }
    }
    seeds
}

/// Pseudo-random bytes (SplitMix64), the same in every run.
fn sources(count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 0_u64;
    let mut next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = state;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    };
    let source = move || {
        let words = 1 + next() % 24;
        (0..words).flat_map(|_| next().to_le_bytes()).collect()
    };
    std::iter::repeat_with(source).take(count)
}
