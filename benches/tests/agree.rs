//! Every contender decodes every packet to the same thing, and encodes it to the
//! same bytes again.

use mqtt5_benches::contender::{BoxedRun, Publish};
use mqtt5_benches::packets::{self, TOPIC};
use mqtt5_benches::{baseline, contenders, malformed, mixed, ours};

#[test]
fn decode_the_same_publish() {
    let expected = |id| match id {
        "publish-64B" => Some((None, 64)),
        "publish-7-properties" => Some((Some(0x1234), 256)),
        "publish-16KiB" => Some((None, 16 << 10)),
        "publish-1MiB" => Some((None, 1 << 20)),
        _ => None,
    };
    for contender in contenders() {
        let Some(round_trip) = contender.round_trip else {
            continue;
        };
        for row in packets::rows() {
            let expected = expected(row.id).map(|(packet_id, payload_len)| Publish {
                topic: TOPIC.to_owned(),
                packet_id,
                payload_len,
            });
            let publish = round_trip(&row.bytes).publish;
            assert_eq!(publish, expected, "{} reads {}", contender.name, row.id);
        }
    }
}

/// Where a contender writes more or fewer bytes than it read, and how many.
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
    for contender in contenders() {
        let Some(round_trip) = contender.round_trip else {
            continue;
        };
        for row in packets::rows() {
            let encoded = round_trip(&row.bytes).encoded;
            let what = format!("{} writes {}", contender.name, row.id);
            let other_length = OTHER_LENGTHS
                .iter()
                .find(|(name, id, _)| (*name, *id) == (contender.name, row.id));
            match other_length {
                Some((.., len)) => assert_eq!(encoded.len(), *len, "{what}"),
                None => assert_eq!(sorted(&encoded), sorted(&row.bytes), "{what}"),
            }
        }
    }
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
    for contender in contenders() {
        if let Some(stream) = contender.stream {
            let mut stream = stream();
            let mut baseline = baseline::HEADER.stream.expect("the baseline reads streams")();
            let mut packets = 0;
            while packets < 2 * mixed::PACKETS {
                stream.reset();
                let read = stream.run();
                assert_eq!(read, baseline.run(), "{}", contender.name);
                packets += read;
            }
        }
        for row in packets::rows() {
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
