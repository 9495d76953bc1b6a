use std::net::Ipv4Addr;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

use super::*;

const SESSION: &[u8] = include_bytes!("../session.pcapng");
const CLIENT: (u8, u16) = (1, 50_000);
const SERVER: (u8, u16) = (2, 1883);

#[derive(Clone, Copy)]
enum Flag {
    Opens,
    Answers(u32),
    Acknowledges(u32),
    Closes,
    Resets,
    None,
}

fn address((host, port): (u8, u16)) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::new(10, 0, 0, host).into(), port)
}

/// An IP packet from one host of the network 10.0.0.0/24 to another.
fn packet(from: (u8, u16), to: (u8, u16), sequence: u32, flag: Flag, payload: &[u8]) -> Vec<u8> {
    let tcp: PacketBuilderStep<TcpHeader> =
        PacketBuilder::ipv4([10, 0, 0, from.0], [10, 0, 0, to.0], 64)
            .tcp(from.1, to.1, sequence, 1000);
    let tcp = match flag {
        Flag::Opens => tcp.syn(),
        Flag::Answers(next) => tcp.syn().ack(next),
        Flag::Acknowledges(next) => tcp.ack(next),
        Flag::Closes => tcp.fin(),
        Flag::Resets => tcp.rst(),
        Flag::None => tcp,
    };
    let mut bytes = Vec::new();
    tcp.write(&mut bytes, payload).unwrap();
    bytes
}

/// A little-endian pcap file whose frames are a millisecond apart.
fn pcap(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for number in [0xA1B2_C3D4, 0x0004_0002, 0, 0, 65_535, link] {
        file.extend(u32::to_le_bytes(number));
    }
    for (frame, microseconds) in frames.iter().zip((0..).step_by(1000)) {
        for number in [
            1_000_000,
            microseconds,
            frame.len() as u32,
            frame.len() as u32,
        ] {
            file.extend(u32::to_le_bytes(number));
        }
        file.extend(frame);
    }
    file
}

fn connections(packets: &[Vec<u8>]) -> Vec<Connection> {
    let capture = read(&pcap(101, packets)).unwrap();
    assert_eq!((capture.skipped_frames, capture.cut_short), (0, false));
    capture.connections
}

fn connection(packets: &[Vec<u8>]) -> Connection {
    let mut connections = connections(packets);
    assert_eq!(connections.len(), 1);
    connections.remove(0)
}

/// The chunks as text, with `…` for a gap: "C:ab S:…cd".
fn transcript(connection: &Connection) -> String {
    let words: Vec<String> = connection
        .chunks
        .iter()
        .map(|chunk| {
            let sender = if chunk.sender == Side::Client {
                "C"
            } else {
                "S"
            };
            let gap = if chunk.gap_before { "…" } else { "" };
            format!("{sender}:{gap}{}", String::from_utf8_lossy(&chunk.bytes))
        })
        .collect();
    words.join(" ")
}

fn from_client(sequence: u32, payload: &str) -> Vec<u8> {
    packet(CLIENT, SERVER, sequence, Flag::None, payload.as_bytes())
}

fn from_server(sequence: u32, payload: &str) -> Vec<u8> {
    packet(SERVER, CLIENT, sequence, Flag::None, payload.as_bytes())
}

fn opening(sequence: u32) -> Vec<u8> {
    packet(CLIENT, SERVER, sequence, Flag::Opens, b"")
}

#[test]
fn recorded_session() {
    let capture = read(SESSION).unwrap();
    assert_eq!((capture.skipped_frames, capture.cut_short), (0, false));
    assert_eq!(capture.connections.len(), 6);
    for connection in &capture.connections {
        assert_eq!(connection.server.port(), 1883);
        assert_eq!(connection.chunks[0].bytes[0], 0x10);
        assert!(connection.chunks.iter().all(|chunk| !chunk.gap_before));
        assert!(connection.chunks.is_sorted_by_key(|chunk| chunk.at));
    }
    assert!(
        capture
            .connections
            .iter()
            .any(|connection| connection.client.is_ipv6())
    );
}

#[test]
fn segments_in_order() {
    let connection = connection(&[
        opening(99),
        packet(SERVER, CLIENT, 499, Flag::Answers(100), b""),
        from_client(100, "ab"),
        from_server(500, "xy"),
        from_client(102, "cd"),
    ]);
    assert_eq!(
        (connection.client, connection.server),
        (address(CLIENT), address(SERVER))
    );
    assert_eq!(transcript(&connection), "C:ab S:xy C:cd");
    let times: Vec<u128> = connection
        .chunks
        .iter()
        .map(|chunk| chunk.at.as_millis())
        .collect();
    assert_eq!(times, [2, 3, 4]);
}

#[test]
fn segments_out_of_order() {
    let connection = connection(&[
        opening(99),
        from_client(104, "ef"),
        from_client(102, "cd"),
        from_server(500, "xy"),
        from_client(100, "ab"),
    ]);
    assert_eq!(transcript(&connection), "S:…xy C:ab C:cd C:ef");
    assert!(
        connection.chunks[1..]
            .iter()
            .all(|chunk| chunk.at == Duration::from_millis(4))
    );
}

#[test]
fn retransmissions_and_overlaps() {
    let connection = connection(&[
        opening(99),
        from_client(100, "abcd"),
        from_client(100, "abcd"),
        from_client(102, "cdef"),
        from_client(99, "?a"),
        from_client(108, "ijk"),
        from_client(107, "h"),
        from_client(108, "i"),
        from_client(103, "defgh"),
        opening(99),
    ]);
    assert_eq!(transcript(&connection), "C:abcd C:ef C:gh C:ijk");
}

#[test]
fn sequence_numbers_wrap_around() {
    let connection = connection(&[
        opening(u32::MAX - 2),
        from_client(u32::MAX - 1, "abc"),
        from_client(3, "fg"),
        from_client(0, "cde"),
        from_client(u32::MAX, "bc"),
    ]);
    assert_eq!(transcript(&connection), "C:abc C:de C:fg");
}

#[test]
fn interleaved_connections() {
    let other = (1, 50_001);
    let connections = connections(&[
        opening(99),
        packet(other, SERVER, 99, Flag::Opens, b""),
        from_client(102, "cd"),
        packet(other, SERVER, 100, Flag::None, b"12"),
        from_client(100, "ab"),
        packet(other, SERVER, 102, Flag::None, b"34"),
    ]);
    assert_eq!(
        connections.iter().map(transcript).collect::<Vec<_>>(),
        ["C:ab C:cd", "C:12 C:34"]
    );
    assert_eq!(connections[1].client, address(other));
}

#[test]
fn a_reused_pair_of_ports_is_a_new_connection() {
    let connections = connections(&[
        opening(99),
        from_client(100, "old"),
        packet(CLIENT, SERVER, 103, Flag::Closes, b""),
        opening(7999),
        packet(SERVER, CLIENT, 0, Flag::Answers(8000), b""),
        from_client(8000, "new"),
    ]);
    assert_eq!(
        connections.iter().map(transcript).collect::<Vec<_>>(),
        ["C:old", "C:new"]
    );
}

#[test]
fn acknowledged_bytes_that_were_not_recorded_are_a_gap() {
    let connection = connection(&[
        opening(99),
        from_client(100, "ab"),
        from_client(104, "ef"),
        packet(SERVER, CLIENT, 499, Flag::Answers(106), b""),
        from_server(500, "xy"),
        from_client(106, "gh"),
    ]);
    assert_eq!(transcript(&connection), "C:ab C:…ef S:xy C:gh");
    assert_eq!(connection.chunks[1].at, Duration::from_millis(3));
}

#[test]
fn gaps_are_reported_at_the_end_of_the_recording() {
    let inside = connection(&[opening(99), from_client(102, "cd"), from_client(106, "gh")]);
    assert_eq!(transcript(&inside), "C:…cd C:…gh");

    let before_the_end = connection(&[
        opening(99),
        from_client(100, "ab"),
        packet(CLIENT, SERVER, 104, Flag::Closes, b""),
    ]);
    assert_eq!(transcript(&before_the_end), "C:ab C:…");

    let everything = connection(&[
        opening(99),
        from_client(100, "ab"),
        packet(SERVER, CLIENT, 0, Flag::Acknowledges(104), b""),
    ]);
    assert_eq!(transcript(&everything), "C:ab C:…");
}

#[test]
fn the_acknowledged_end_of_a_stream_is_no_gap() {
    let connection = connection(&[
        opening(99),
        from_client(100, "ab"),
        packet(CLIENT, SERVER, 102, Flag::Closes, b""),
        packet(SERVER, CLIENT, 0, Flag::Acknowledges(103), b""),
        packet(SERVER, CLIENT, 9_999_999, Flag::Resets, b"because"),
    ]);
    assert_eq!(transcript(&connection), "C:ab");
}

#[test]
fn recordings_that_begin_in_the_middle() {
    // A CONNECT tells who the client is, whatever the ports say.
    let connection_packet = "\x10\x0D\0\x04MQTT\x05\x02\0\0\0\0\0";
    let mut ends = connection(&[
        packet(SERVER, CLIENT, 77, Flag::Acknowledges(5), b""),
        packet(SERVER, CLIENT, 77, Flag::None, connection_packet.as_bytes()),
        packet(CLIENT, SERVER, 5, Flag::None, b"\x20\x03\0\0\0"),
    ]);
    assert_eq!(ends.client, address(SERVER));
    assert!(ends.chunks.iter().all(|chunk| chunk.gap_before));

    ends = connection(&[
        from_server(77, "\x10 but not a CONNECT"),
        from_client(5, "cd"),
    ]);
    assert_eq!(ends.client, address(CLIENT));

    ends = connection(&[
        packet(SERVER, CLIENT, 499, Flag::Answers(100), b""),
        from_client(102, "cd"),
    ]);
    assert_eq!(ends.client, address(CLIENT));
    assert_eq!(transcript(&ends), "C:…cd");
}

#[test]
fn both_ends_can_be_the_same() {
    let connection = connection(&[
        packet(SERVER, SERVER, 1, Flag::Opens, b""),
        packet(SERVER, SERVER, 2, Flag::None, b"ab"),
    ]);
    assert_eq!(transcript(&connection), "C:ab");
}

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
        (228, ip.clone()),
        (0x1000_0000 | 228, ip.clone()),
    ] {
        let capture = read(&pcap(link, &[frame])).unwrap();
        assert_eq!(
            capture
                .connections
                .iter()
                .map(transcript)
                .collect::<Vec<_>>(),
            ["C:…ab"],
            "link type {link}"
        );
    }
    assert_eq!(
        read(&pcap(195, &[ip])).unwrap_err(),
        CaptureError::UnknownLink(195)
    );
}

#[test]
fn a_frame_recorded_in_part_leaves_a_gap() {
    let mut half = from_client(100, "abcd");
    half.truncate(half.len() - 2);
    let connection = connection(&[opening(99), half, from_client(104, "ef")]);
    assert_eq!(transcript(&connection), "C:ab C:…ef");
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
    let capture = read(&pcap(
        101,
        &[udp, fragment, from_client(100, "ab"), vec![], vec![0x45]],
    ))
    .unwrap();
    assert_eq!(capture.skipped_frames, 4);
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
            let capture = read(&file).unwrap();
            assert_eq!(transcript(&capture.connections[0]), "C:…ab C:cd");
            assert_eq!(
                capture.connections[0].chunks[1].at,
                Duration::from_micros(998_500)
            );

            let capture = read(&file[..file.len() - 1]).unwrap();
            assert!(capture.cut_short);
            assert_eq!(transcript(&capture.connections[0]), "C:…ab");
        }
    }
    assert_eq!(read(b"").unwrap_err(), CaptureError::UnknownFormat);
    assert_eq!(
        read(b"not a recording, but long enough").unwrap_err(),
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
            let capture = read(&file).unwrap();
            assert_eq!(transcript(&capture.connections[0]), "C:…ab C:cd C:ef");
            let times: Vec<u128> = capture.connections[0]
                .chunks
                .iter()
                .map(|chunk| chunk.at.as_millis())
                .collect();
            assert_eq!(times, [0, 750, 750]);
        }
        assert!(read(&file[..file.len() - 1]).unwrap().cut_short);
    }
}

#[test]
fn a_record_that_makes_no_sense() {
    let mut file = SESSION.to_vec();
    let length = u32::from_le_bytes(file[4..8].try_into().unwrap()) as usize;
    file[length + 4..length + 8].copy_from_slice(&1u32.to_le_bytes());
    assert_eq!(read(&file).unwrap_err(), CaptureError::Damaged(length));
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
        if let Ok(capture) = read(&file) {
            let chunks = capture
                .connections
                .iter()
                .flat_map(|connection| &connection.chunks);
            assert!(chunks.map(|chunk| chunk.bytes.len()).sum::<usize>() < file.len());
        }
    }
}
