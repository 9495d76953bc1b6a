//! Recordings of which parts are missing. Nothing that nobody sent may appear, and nobody is blamed.

use mqtt5_codec::Role::{Client, Server};
use proptest::prelude::*;

use crate::Run;
use crate::frames::{CONNACK, CONNECT, HEADERS, PINGREQ, Recorder, publish};

/// A payload that is full of what looks like PINGREQ and DISCONNECT packets.
fn traps(length: usize) -> Vec<u8> {
    b"\xc0\0\xe0\0"
        .iter()
        .copied()
        .cycle()
        .take(length)
        .collect()
}

fn listed(recorder: &Recorder) -> Run {
    let run = Run::of_recording(&recorder.file());
    assert!(run.out.contains(" 0 malformed"), "{}", run.out);
    run
}

#[test]
fn a_packet_cut_by_the_snap_length_is_skipped() {
    let mut recorder = Recorder::new();
    recorder
        .client(CONNECT)
        .server(CONNACK)
        .client(&publish(1, &traps(1000)))
        .server(b"\x40\x02\0\x01")
        .client(PINGREQ)
        .snap(HEADERS + 30);
    let run = listed(&recorder);
    assert_eq!(
        run.packets(),
        [
            "--> 15 bytes CONNECT Clean Start, Keep Alive 60 s",
            "<-- 5 bytes CONNACK 0x00 Success",
            "--> 1011 bytes PUBLISH QoS 1, Packet Identifier 1, only 30 bytes recorded",
            "<-- 4 bytes PUBACK Packet Identifier 1, 0x00 Success",
            "--> 2 bytes PINGREQ",
        ]
    );
    assert_eq!(run.code, 0);
    assert!(run.out.contains("\"a/b\""), "{}", run.out);
    assert!(
        run.out.contains("1,000 bytes, of which 19 were recorded"),
        "{}",
        run.out
    );
    assert!(
        run.out
            .contains("Of 1 TCP segment only the first part was recorded"),
        "{}",
        run.out
    );
}

#[test]
fn a_packet_over_many_segments_that_are_all_cut() {
    let mut recorder = Recorder::new();
    recorder.segment = 100;
    // The last segment holds the end of one packet and the start of the next.
    let two = [publish(1, &traps(1000)), publish(2, b"x")].concat();
    recorder.client(CONNECT).client(&two).client(PINGREQ);
    recorder.snap(HEADERS + 40);
    assert_eq!(
        listed(&recorder).packets(),
        [
            "--> 15 bytes CONNECT Clean Start, Keep Alive 60 s",
            "--> 1011 bytes PUBLISH QoS 1, Packet Identifier 1, only 411 bytes recorded",
            "--> 11 bytes PUBLISH QoS 1, Packet Identifier 2",
            "--> 2 bytes PINGREQ",
        ]
    );
}

#[test]
fn lost_segments_inside_a_packet() {
    for lost in 2..5 {
        let mut recorder = Recorder::new();
        recorder.segment = 100;
        recorder
            .client(CONNECT)
            .client(&publish(1, &traps(400)))
            .client(PINGREQ);
        // The SYN, its answer and the CONNECT come before.
        recorder.frames.remove(2 + lost);
        let run = listed(&recorder);
        assert_eq!(run.packets().len(), 3, "{}", run.out);
        assert!(
            run.out
                .contains("PUBLISH      QoS 1, Packet Identifier 1, only 3"),
            "{}",
            run.out
        );
        assert!(run.packets()[2].ends_with("PINGREQ"));
    }
}

#[test]
fn a_gap_in_the_fixed_header_is_the_end_of_certainty() {
    let big = publish(1, &traps(1000));
    for header in 0..3 {
        let mut recorder = Recorder::new();
        recorder
            .client(CONNECT)
            .client(&big[..header])
            .unseen(Client, &big[header..3])
            .client(&big[3..])
            .client(PINGREQ)
            .client(&publish(7, b"again"));
        let run = listed(&recorder);
        let packets = run.packets();
        assert!(
            packets[1].contains("where the next packet begins is not known"),
            "{}",
            run.out
        );
        assert_eq!(
            packets[1].contains("a PUBLISH of unknown length begins"),
            header > 0
        );
        assert!(packets[2].contains("read on here"), "{}", run.out);
        let missing = 3 - header;
        let missing = if missing == 1 {
            "1 byte".to_owned()
        } else {
            format!("{missing} bytes")
        };
        let passed_over = format!("1,010 recorded bytes and {missing} that were not recorded");
        assert!(packets[2].contains(&passed_over), "{}", run.out);
        // The PINGREQ might be the end of the long packet.
        assert!(packets[3].contains("Packet Identifier 7"), "{}", run.out);
        assert_eq!(packets.len(), 4, "{}", run.out);
    }
}

#[test]
fn the_last_bytes_of_a_long_packet_are_no_ping() {
    // The fixed header is missing, and the last segment of the rest is C0 00.
    let packet = publish(1, &traps(494));
    for (lost, segment) in [(3, 100), (103, 100), (3, 50)] {
        let rest = &packet[lost..];
        assert_eq!(
            (rest.len() % segment, &rest[rest.len() - 2..]),
            (2, PINGREQ)
        );
        let mut recorder = Recorder::new();
        recorder.segment = segment;
        recorder
            .client(CONNECT)
            .unseen(Client, &packet[..lost])
            .client(rest)
            .client(PINGREQ)
            .client(&publish(2, b"x"));
        let packets = listed(&recorder).packets();
        let pings = packets.iter().filter(|line| line.ends_with("PINGREQ"));
        assert_eq!(pings.count(), 1, "{packets:?}");
    }
}

#[test]
fn a_gap_that_ends_in_a_later_packet() {
    let first = publish(1, &traps(100));
    let second = publish(2, &traps(100));
    let mut recorder = Recorder::new();
    recorder
        .client(CONNECT)
        .client(&first[..50])
        .unseen(Client, &[&first[50..], &second[..50]].concat())
        .client(&second[50..])
        .client(&publish(3, b"x"))
        .client(PINGREQ);
    let run = listed(&recorder);
    let packets = run.packets();
    assert_eq!(packets.len(), 6, "{}", run.out);
    assert!(
        packets[1].ends_with("Packet Identifier 1, only 50 bytes recorded"),
        "{}",
        run.out
    );
    assert!(packets[2].contains("where the next packet begins is not known"));
    assert!(
        packets[3].contains("60 recorded bytes and 50 bytes that were not recorded"),
        "{}",
        run.out
    );
    assert!(packets[4].contains("Packet Identifier 3"));
    assert!(packets[5].ends_with("PINGREQ"));
}

#[test]
fn whole_packets_that_were_lost() {
    let mut recorder = Recorder::new();
    recorder
        .client(CONNECT)
        .unseen(Client, &publish(1, b"lost"))
        .client(&publish(2, b"seen"));
    let run = listed(&recorder);
    assert!(
        run.packets()[2].contains("passed over: 14 bytes that were not recorded"),
        "{}",
        run.out
    );
    assert!(run.packets()[3].contains("Packet Identifier 2"));
}

#[test]
fn several_gaps_in_both_directions() {
    let big = publish(1, &traps(300));
    let mut recorder = Recorder::new();
    recorder.client(CONNECT).server(CONNACK);
    for sender in [Client, Server] {
        recorder
            .send(sender, &big[..20])
            .unseen(sender, &big[20..120])
            .send(sender, &big[120..130])
            .unseen(sender, &big[130..])
            .send(sender, &publish(2, b"x"));
    }
    let run = listed(&recorder);
    for arrow in ["-->", "<--"] {
        let own = run
            .packets()
            .into_iter()
            .filter(|line| line.starts_with(arrow));
        let own: Vec<String> = own.skip(1).collect();
        assert_eq!(
            own,
            [
                format!(
                    "{arrow} 311 bytes PUBLISH QoS 1, Packet Identifier 1, only 30 bytes recorded"
                ),
                format!("{arrow} 11 bytes PUBLISH QoS 1, Packet Identifier 2"),
            ]
        );
    }
}

#[test]
fn segments_that_are_cut_out_of_order_and_twice() {
    let mut recorder = Recorder::new();
    recorder.segment = 100;
    recorder
        .client(CONNECT)
        .client(&publish(1, &traps(300)))
        .client(PINGREQ);
    recorder.snap(HEADERS + 20);
    recorder.frames.swap(3, 5);
    let again = recorder.frames[4].clone();
    recorder.frames.push(again);
    let run = listed(&recorder);
    assert_eq!(run.packets().len(), 3, "{}", run.out);
    assert!(
        run.packets()[1].contains("only 71 bytes recorded"),
        "{}",
        run.out
    );
}

#[test]
fn nothing_but_headers() {
    for snap_length in [HEADERS, HEADERS - 10, 40, 20, 5, 0] {
        let mut recorder = Recorder::new();
        recorder
            .client(CONNECT)
            .server(CONNACK)
            .client(PINGREQ)
            .close();
        recorder.snap(snap_length);
        let run = listed(&recorder);
        assert_eq!(run.code, 2, "{}", run.out);
        assert!(run.out.contains("0 packets"), "{}", run.out);
        if snap_length < HEADERS {
            assert!(
                run.out
                    .contains("7 of 7 recorded frames: 7 cut off inside their headers"),
                "{}",
                run.out
            );
        } else {
            assert!(
                run.out
                    .contains("Of 3 TCP segments only the first part was recorded"),
                "{}",
                run.out
            );
        }
    }
}

#[test]
fn packets_are_not_looked_for_inside_a_segment() {
    // The rest of a segment that was cut off comes again. It looks like a packet.
    let packet = publish(1, &[&[b'x'; 200][..], &publish(9, b"inside")].concat());
    let mut recorder = Recorder::new();
    recorder
        .client(CONNECT)
        .unseen(Client, &packet[..100])
        .client(&packet[100..]);
    let again = recorder.frames.last().unwrap().clone();
    recorder.frames.last_mut().unwrap().recorded = HEADERS + packet.len() - 100 - 16;
    recorder.frames.push(again);
    let run = listed(&recorder);
    assert!(!run.out.contains("Packet Identifier 9"), "{}", run.out);
}

#[test]
fn a_recording_that_begins_in_the_middle() {
    let mut recorder = Recorder::in_the_middle();
    // The end of a packet, pings as in an idle connection, and then more.
    recorder
        .client(&traps(10))
        .client(PINGREQ)
        .server(b"\xd0\0")
        .client(PINGREQ)
        .server(b"\xd0\0")
        .client(&publish(1, b"x"))
        .server(b"\x40\x02\0\x01");
    let run = listed(&recorder);
    assert_eq!(run.code, 0);
    let packets: Vec<String> = run
        .packets()
        .into_iter()
        .filter(|line| line.contains("byte"))
        .collect();
    assert_eq!(
        packets
            .iter()
            .filter(|line| line.ends_with("PINGREQ"))
            .count(),
        2,
        "{}",
        run.out
    );
    assert_eq!(
        packets
            .iter()
            .filter(|line| line.ends_with("PINGRESP"))
            .count(),
        2,
        "{}",
        run.out
    );
    assert!(run.out.contains("Packet Identifier 1"), "{}", run.out);
    assert!(
        run.out.contains("The CONNECT was not recorded"),
        "{}",
        run.out
    );
}

#[test]
fn what_follows_a_gap_is_not_held_against_anybody() {
    let mut recorder = Recorder::in_the_middle();
    recorder
        .client(&publish(1, b"x"))
        .client(b"\xff\xff\xff\xff")
        .client(b"\0\0\0");
    let run = listed(&recorder);
    assert!(
        run.out.contains("perhaps it is no packet at all"),
        "{}",
        run.out
    );
}

#[test]
fn a_connect_cut_before_its_version() {
    // The version is in the CONNACK, too.
    let mut recorder = Recorder::new();
    recorder.client(CONNECT).server(CONNACK).client(PINGREQ);
    recorder.frames[2].recorded = HEADERS + 5;
    assert!(listed(&recorder).packets()[0].contains("CONNECT only 5 bytes recorded"));

    let mut older = Recorder::new();
    older
        .client(CONNECT)
        .server(b"\x20\x02\0\0")
        .client(b"\x82\x06\0\x01\0\x01a\0");
    older.frames[2].recorded = HEADERS + 5;
    let run = listed(&older);
    let packets = run.packets();
    assert_eq!(packets.len(), 3, "{}", run.out);
    assert!(packets[2].contains("SUBSCRIBE"), "{}", run.out);
}

#[test]
fn what_is_known_of_a_packet_is_said() {
    let mut recorder = Recorder::new();
    recorder.client(CONNECT).server(CONNACK);
    let mut long_properties = b"\x3d\xc8\x01\0\x03a/b\0\x09\x80\x01".to_vec();
    long_properties.extend(b"\x26\0\x01k\0\x01v".repeat(27));
    long_properties.resize(203, 0);
    recorder.client(&long_properties);
    let subscribe = [&b"\x82\x26\0\x07\0\0\x20"[..], &[b'a'; 32], b"\0"].concat();
    recorder.client(&subscribe).snap(HEADERS + 15);
    let run = listed(&recorder);
    assert_eq!(
        run.packets()[2..],
        [
            "--> 203 bytes PUBLISH QoS 2, Packet Identifier 9, DUP, RETAIN, only 15 bytes recorded",
            "--> 40 bytes SUBSCRIBE Packet Identifier 7, only 15 bytes recorded",
        ]
    );
    assert!(run.out.contains("\"a/b\""), "{}", run.out);
}

#[test]
fn a_fault_in_what_was_recorded_is_a_fault() {
    // A Topic Name with a wildcard, and one that ends after the packet.
    for start in [
        &b"\x30\x64\0\x03a/#\0"[..],
        b"\x32\x64\0\x62aa",
        b"\x32\x64\0\xFFaa",
    ] {
        let mut packet = start.to_vec();
        packet.resize(102, b'a');
        let mut recorder = Recorder::new();
        recorder.client(CONNECT).client(&packet).snap(HEADERS + 16);
        let run = Run::of_recording(&recorder.file());
        assert_eq!(run.code, 1, "{}", run.out);
        assert!(run.out.contains("breaks a rule"), "{}", run.out);
    }
}

#[test]
fn tls_that_had_been_begun_before() {
    let record = [&b"\x17\x03\x03\0\x20"[..], &[0x55; 32]].concat();
    let mut recorder = Recorder::in_the_middle();
    recorder.client(&[0x77; 20]).client(&record).server(&record);
    let run = listed(&recorder);
    assert!(run.out.contains("TLS"), "{}", run.out);
    assert_eq!(run.code, 2);
}

#[test]
fn a_long_packet_in_many_segments() {
    let mut recorder = Recorder::new();
    recorder.segment = 64;
    recorder
        .client(CONNECT)
        .client(&publish(1, &vec![b'x'; 3_000_000]))
        .client(PINGREQ);
    let run = listed(&recorder);
    assert_eq!(run.packets().len(), 3);
}

/// What a side sends, and how it is recorded.
#[derive(Clone, Debug)]
struct Sent {
    packets: Vec<Vec<u8>>,
    segment: usize,
    snap_length: usize,
    /// For each frame, whether it is lost, or recorded again at the end.
    lost: Vec<u8>,
}

fn packets() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let payload = prop_oneof![
        (0usize..3000).prop_map(traps),
        (0usize..800, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
        (0usize..400).prop_map(|times| b"\x40\x02\0\x01".repeat(times)),
        prop::collection::vec(any::<u8>(), 0..3000),
    ];
    let packet = prop_oneof![
        4 => (1u8.., payload).prop_map(|(identifier, payload)| publish(identifier, &payload)),
        1 => Just(PINGREQ.to_vec()),
        1 => Just(b"\x40\x02\0\x05".to_vec()),
    ];
    prop::collection::vec(packet, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn nothing_is_invented_and_nobody_is_blamed(
        packets in packets(),
        segment in 1usize..1500,
        snap_length in prop_oneof![Just(65_535), HEADERS..HEADERS + 200],
        lost in prop::collection::vec(0u8..12, 0..400),
    ) {
        let sent = Sent { packets, segment: segment.max(60), snap_length, lost };
        let mut recorder = Recorder::new();
        recorder.segment = sent.segment;
        recorder.client(CONNECT).server(CONNACK);
        for packet in &sent.packets {
            recorder.client(packet);
        }
        recorder.snap(sent.snap_length);
        // The first four frames tell which version it is.
        let mut index = 0;
        let mut again = Vec::new();
        let mut earlier: Vec<_> = recorder.frames.drain(..4).collect();
        let lost_before = recorder.frames.len();
        recorder.frames.retain(|frame| {
            let fate = sent.lost.get(index).copied().unwrap_or(9);
            index += 1;
            if fate == 1 {
                again.push(frame.clone());
            }
            fate != 0
        });
        let is_whole = recorder.frames.len() == lost_before && sent.snap_length == 65_535;
        recorder.frames.extend(again);
        earlier.append(&mut recorder.frames);
        recorder.frames = earlier;
        let file = recorder.file();

        let capture = crate::capture::read(&[&file]).unwrap();
        let connection = &capture.connections[0];
        let entries = crate::packets::read(&connection.from_client, mqtt5_codec::ProtocolVersion::V5_0, Client, true, Default::default());
        let mut expected = std::iter::once(CONNECT.to_vec()).chain(sent.packets.iter().cloned());
        for entry in &entries {
            use crate::packets::Item;
            match &entry.item {
                Item::Packet(bytes) => {
                    prop_assert!(expected.any(|packet| packet == *bytes), "{bytes:02x?} in {entries:?}");
                }
                Item::Incomplete { header, start, .. } => {
                    prop_assert!(
                        expected.any(|packet| packet.starts_with(start) && packet.len() == header.packet_size()),
                        "{start:02x?}"
                    );
                }
                Item::Malformed { .. } => prop_assert!(false, "{entries:?}"),
                _ => {}
            }
        }
        if is_whole {
            prop_assert_eq!(entries.len(), 1 + sent.packets.len());
        }
        let run = Run::of_recording(&file);
        prop_assert!(run.out.contains(" 0 malformed"), "{}", run.out);
    }
}
