//! The formats of files, and what frames begin with.

use super::*;

#[test]
fn link_layers() {
    let ip = from_client(100, "ab");
    let with = |header: &[u8]| [header, &ip].concat();
    let mut padded = with(b"\x02abcde\x02fghij\x08\0");
    padded.extend([0; 12]);
    for (link, frame) in [
        (1, padded),
        (1, with(b"\x02abcde\x02fghij\x81\0\0\x07\x08\0")),
        (
            1,
            with(b"\x02abcde\x02fghij\x88\xA8\0\x07\x81\0\0\x08\x08\0"),
        ),
        (113, with(b"\0\0\0\x01\0\x06abcdef\0\0\x08\0")),
        (276, with(b"\x08\0\0\0\0\0\0\x01\0\x01\0\x06abcdef\0\0")),
        (0, with(b"\x02\0\0\0")),
        (0, with(b"\0\0\0\x02")),
        (108, with(b"\0\0\0\x02")),
        (101, ip.clone()),
        (12, ip.clone()),
        (14, ip.clone()),
        (228, ip.clone()),
        (0x1000_0000 | 228, ip.clone()),
    ] {
        let file = pcap(link, &[frame]);
        let capture = read(&[&file]).unwrap();
        let seen = capture.connections.iter().map(Seen::of);
        let transcripts: Vec<String> = seen.map(|seen| transcript(&seen)).collect();
        assert_eq!(transcripts, ["C:…? C:ab"], "link type {link}");
    }
    let file = pcap(195, &[ip]);
    let unknown = read(&[&file]).unwrap();
    assert!(unknown.connections.is_empty());
    assert_eq!(
        unknown.passed_over,
        [(PassedOver::UnknownLink(195), 1)].into()
    );
}

#[test]
fn a_length_that_was_left_to_the_network_card() {
    let mut frame = from_client(100, "abcd");
    frame[2..4].fill(0);
    let mut file = pcap(101, &[frame]);
    // Two bytes of the frame were not recorded.
    file.truncate(file.len() - 2);
    file[32] -= 2;
    let capture = read(&[&file]).unwrap();
    let seen = Seen::of(&capture.connections[0]);
    assert_eq!(transcript(&seen), "C:…? C:ab C:…2");
    assert_eq!(capture.cut_segments, 1);
}

#[test]
fn frames_without_tcp_are_counted() {
    let mut udp = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(1, 2)
        .write(&mut udp, b"hello")
        .unwrap();
    let mut fragment = from_client(102, "cd");
    fragment[6] |= 0x20;
    let mut icmp = udp.clone();
    icmp[9] = 1;
    let mut damaged = from_client(102, "cd");
    damaged[32] = 0x10;
    let file = pcap(
        101,
        &[
            udp.clone(),
            udp,
            icmp,
            fragment,
            from_client(100, "ab"),
            vec![],
            vec![0x45],
            vec![0x10, 2, 3],
            damaged,
        ],
    );
    let capture = read(&[&file]).unwrap();
    assert_eq!(capture.frames, 9);
    assert_eq!(
        capture.passed_over,
        [
            (PassedOver::NotIp, 1),
            (PassedOver::Fragment, 1),
            (PassedOver::NotTcp(1), 1),
            (PassedOver::NotTcp(17), 2),
            (PassedOver::Damaged, 3),
        ]
        .into()
    );
    assert_eq!(capture.connections.len(), 1);
}

#[test]
fn pcap_variants() {
    let (first, second) = (from_client(100, "ab"), from_client(102, "cd"));
    for (magic, fraction) in [(0xA1B2_C3D4, 1_500), (0xA1B2_3C4D, 1_500_000_u32)] {
        let write = |number: fn(u32) -> [u8; 4], version: [u8; 4]| {
            let mut file = [
                number(magic),
                version,
                [0; 4],
                [0; 4],
                number(65_535),
                number(101),
            ]
            .concat();
            for (packet, (seconds, fraction)) in [(&first, (7, fraction)), (&second, (8, 0))] {
                let length = number(packet.len() as u32);
                file.extend([number(seconds), number(fraction), length, length].concat());
                file.extend(packet);
            }
            file
        };
        for file in [
            write(u32::to_le_bytes, [2, 0, 4, 0]),
            write(u32::to_be_bytes, [0, 2, 0, 4]),
        ] {
            let capture = read(&[&file]).unwrap();
            let seen = Seen::of(&capture.connections[0]);
            assert_eq!(transcript(&seen), "C:…? C:ab C:cd");
            assert_eq!(seen.pieces[2].1.seen.at, Duration::from_micros(998_500));

            let capture = read(&[&file[..file.len() - 1]]).unwrap();
            assert_eq!(capture.endings, [Ending::InsideRecord]);
            let seen = Seen::of(&capture.connections[0]);
            assert_eq!(transcript(&seen), "C:…? C:ab");
        }
    }
    assert_eq!(read(&[b""]).unwrap_err(), CaptureError::UnknownFormat);
    assert_eq!(
        read(&[b"not a recording, but long enough"]).unwrap_err(),
        CaptureError::UnknownFormat
    );
}

#[test]
fn pcapng_variants() {
    let packets = [
        from_client(100, "ab"),
        from_client(102, "cd"),
        from_client(104, "ef"),
    ];
    let write =
        |number: fn(u32) -> [u8; 4], short: fn(u16) -> [u8; 2], long: fn(i64) -> [u8; 8]| {
            let block = |kind: u32, content: &[u8]| {
                let padding = vec![0; content.len().wrapping_neg() % 4];
                let length = number((12 + content.len() + padding.len()) as u32);
                [&number(kind)[..], &length, content, &padding, &length].concat()
            };
            let interface = |options: &[u8]| {
                block(
                    1,
                    &[&short(101)[..], &[0, 0], &number(65_535), options, &[0; 4]].concat(),
                )
            };
            let packet = |interface: u32, ticks: u32, packet: &[u8]| {
                let length = number(packet.len() as u32);
                block(
                    6,
                    &[
                        &number(interface)[..],
                        &[0; 4],
                        &number(ticks),
                        &length,
                        &length,
                        packet,
                    ]
                    .concat(),
                )
            };
            [
                block(
                    0x0A0D_0D0A,
                    &[&number(0x1A2B_3C4D)[..], &short(1), &short(0), &[0xFF; 8]].concat(),
                ),
                // Microseconds; quarters of seconds, a thousand seconds later.
                interface(&[]),
                interface(
                    &[
                        &short(9)[..],
                        &short(1),
                        &[0x82, 0, 0, 0],
                        &short(14),
                        &short(8),
                        &long(1_000),
                    ]
                    .concat(),
                ),
                packet(0, 1_000_000_000, &packets[0]),
                packet(1, 3, &packets[1]),
                block(
                    3,
                    &[&number(packets[2].len() as u32)[..], &packets[2]].concat(),
                ),
                block(0x4242, b"unknown"),
            ]
            .concat()
        };
    for file in [
        write(u32::to_le_bytes, u16::to_le_bytes, i64::to_le_bytes),
        write(u32::to_be_bytes, u16::to_be_bytes, i64::to_be_bytes),
    ] {
        // Two sections in one file are one recording.
        for file in [file.clone(), [&file[..], &file].concat()] {
            let capture = read(&[&file]).unwrap();
            let seen = Seen::of(&capture.connections[0]);
            assert_eq!(transcript(&seen), "C:…? C:ab C:cd C:ef");
            assert_eq!(seen.times(), [0, 0, 750, 750]);
        }
        let capture = read(&[&file[..file.len() - 1]]).unwrap();
        assert_eq!(capture.endings, [Ending::InsideRecord]);
    }
}

#[test]
fn a_record_that_makes_no_sense() {
    let mut file = SESSION.to_vec();
    let length = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
    file[length + 4..length + 8].copy_from_slice(&1u32.to_le_bytes());
    assert_eq!(read(&[&file]).unwrap_err(), CaptureError::Damaged(length));
}

#[test]
fn what_is_before_a_damaged_record_is_read() {
    let frames = [opening(99), from_client(100, "ab"), from_client(102, "cd")];
    let mut file = pcap(101, &frames);
    // The length of the last record.
    let last = file.len() - frames[2].len();
    file[last - 5] = 0xFF;
    let capture = read(&[&file]).unwrap();
    assert_eq!(transcript(&Seen::of(&capture.connections[0])), "C:ab");
    assert_eq!(capture.endings.len(), 1);
}

#[test]
fn damaged_files_do_no_harm() {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize % limit
    };
    for _ in 0..500 {
        let mut file = SESSION.to_vec();
        for _ in 0..=below(30) {
            let position = below(file.len());
            file[position] = below(256) as u8;
        }
        file.truncate(file.len() - below(8) * below(2000));
        if let Ok(capture) = read(&[&file]) {
            let streams = capture
                .connections
                .iter()
                .flat_map(|connection| [&connection.from_client, &connection.from_server]);
            let recorded: u64 = streams.map(Stream::recorded).sum();
            assert!(recorded < file.len() as u64);
        }
    }
}
