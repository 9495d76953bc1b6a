//! Every contender decodes every packet to the same thing, and encodes it to the
//! same bytes again.

use mqtt5_benches::contender::{BoxedRun, Publish, RoundTrip};
use mqtt5_benches::packets::{self, Row, TOPIC};
use mqtt5_benches::{baseline, contenders, malformed, mixed, ours};
use mqtt5_codec::ProtocolVersion;

/// Every contender with every row of its version.
fn for_each_round_trip(mut then: impl FnMut(ProtocolVersion, &str, &'static Row, RoundTrip)) {
    for &version in ProtocolVersion::ALL {
        for contender in contenders(version) {
            let Some(round_trip) = contender.round_trip else {
                continue;
            };
            for row in packets::rows(version) {
                then(version, contender.name, row, round_trip(&row.bytes));
            }
        }
    }
}

#[test]
fn decode_the_same_publish() {
    let expected = |id| match id {
        "publish-64B" => Some((None, 64)),
        "publish-7-properties" | "publish-256B" => Some((Some(0x1234), 256)),
        "publish-16KiB" => Some((None, 16 << 10)),
        "publish-1MiB" => Some((None, 1 << 20)),
        _ => None,
    };
    for_each_round_trip(|version, name, row, round_trip| {
        let expected = expected(row.id).map(|(packet_id, payload_len)| Publish {
            topic: TOPIC.to_owned(),
            packet_id,
            payload_len,
        });
        let publish = round_trip.publish;
        assert_eq!(publish, expected, "{name} reads {} of {version}", row.id);
    });
}

/// Where a contender writes more or fewer bytes of MQTT 5 than it read, and how many.
const OTHER_LENGTHS: [(&str, &str, usize); 1] = [
    // Writes the reason code and the property length although both may be left
    // out.
    ("rmqtt-codec", "puback", 6),
];

/// A codec may write properties in an order of its own, which changes neither
/// how many bytes there are nor which.
#[test]
fn encode_the_same_bytes() {
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    for_each_round_trip(|version, name, row, round_trip| {
        let encoded = round_trip.encoded;
        let what = format!("{name} writes {} of {version}", row.id);
        let other_length = OTHER_LENGTHS
            .iter()
            .find(|(other, id, _)| (*other, *id) == (name, row.id));
        match other_length {
            Some((.., len)) if version == ProtocolVersion::V5_0 => {
                assert_eq!(encoded.len(), *len, "{what}");
            }
            _ => assert_eq!(sorted(&encoded), sorted(&row.bytes), "{what}"),
        }
    });
}

#[test]
fn ours_accepts_nothing_malformed() {
    for malformed in malformed::ALL {
        let accepted = malformed.accepted_by(&ours::CONTENDER);
        assert_eq!(accepted, Some(false), "{}", malformed.what);
    }
}

#[test]
fn runs_handle_all_packets() {
    for &version in ProtocolVersion::ALL {
        for contender in contenders(version) {
            for row in packets::rows(version) {
                let run = |run: fn(&'static [u8]) -> BoxedRun| run(&row.bytes);
                let runs = [contender.decode.map(run), contender.encode.map(run)];
                for mut run in runs.into_iter().flatten() {
                    for _ in 0..2 {
                        run.reset();
                        assert!(run.run() > 0, "{}", contender.name);
                    }
                }
            }
        }
    }
}

#[test]
fn streams_are_read_to_their_end() {
    for &version in ProtocolVersion::ALL {
        let bytes = mixed::bytes(version);
        for contender in contenders(version) {
            let Some(stream) = contender.stream else {
                // Only our own variants leave that out.
                let is_variant = contender.name.starts_with("ours");
                assert!(is_variant, "{} of {version}", contender.name);
                continue;
            };
            let mut stream = stream(bytes);
            let baseline = baseline::header().stream;
            let mut baseline = baseline.expect("the baseline reads streams")(bytes);
            let mut packets = 0;
            while packets < 2 * mixed::PACKETS {
                stream.reset();
                let read = stream.run();
                assert_eq!(read, baseline.run(), "{} of {version}", contender.name);
                packets += read;
            }
        }
    }
}

/// What a contender of MQTT 3.1.1 is called in a table is what it is called as one of MQTT 5.
#[test]
fn whoever_speaks_the_older_version_speaks_the_newer() {
    let newer: Vec<_> = contenders(ProtocolVersion::V5_0)
        .iter()
        .map(|it| it.name)
        .collect();
    for contender in contenders(ProtocolVersion::V3_1_1) {
        assert!(newer.contains(&contender.name), "{}", contender.name);
    }
}
