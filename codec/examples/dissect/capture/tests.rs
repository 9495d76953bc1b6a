use std::net::Ipv4Addr;
use std::time::Duration;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

use super::*;

mod formats;

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

/// Connections that own what they need; the recording is gone.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    client: SocketAddr,
    server: SocketAddr,
    pieces: Vec<(Role, Piece<'static>)>,
}

impl Seen {
    fn of(connection: &Connection<'_>) -> Self {
        let sides = [
            (Role::Client, &connection.from_client),
            (Role::Server, &connection.from_server),
        ];
        let pieces = sides
            .into_iter()
            .flat_map(|(role, stream)| stream.pieces.iter().map(move |piece| (role, piece)));
        let mut pieces: Vec<_> = pieces
            .map(|(role, piece)| {
                let content = match &piece.content {
                    Content::Bytes(bytes) => Content::Bytes(bytes.to_vec().into()),
                    Content::Missing(length) => Content::Missing(*length),
                };
                let Piece { seen, position, .. } = *piece;
                let piece = Piece {
                    seen,
                    position,
                    content,
                };
                (role, piece)
            })
            .collect();
        pieces.sort_by_key(|(_, piece)| piece.seen);
        Seen {
            client: connection.client,
            server: connection.server,
            pieces,
        }
    }

    /// The pieces as text, with "…3" for a gap of three bytes: "C:ab S:…3 S:cd".
    fn transcript(&self) -> String {
        let words: Vec<String> = self
            .pieces
            .iter()
            .map(|(role, piece)| {
                let sender = if *role == Role::Client { "C" } else { "S" };
                match &piece.content {
                    Content::Bytes(bytes) => format!("{sender}:{}", String::from_utf8_lossy(bytes)),
                    Content::Missing(Some(length)) => format!("{sender}:…{length}"),
                    Content::Missing(None) => format!("{sender}:…?"),
                }
            })
            .collect();
        words.join(" ")
    }

    fn times(&self) -> Vec<u128> {
        let times = self.pieces.iter().map(|(_, piece)| piece.seen.at);
        times.map(|at| at.as_millis()).collect()
    }
}

fn connections(packets: &[Vec<u8>]) -> Vec<Seen> {
    let file = pcap(101, packets);
    let capture = read(&[&file]).unwrap();
    assert_eq!(capture.frames, packets.len());
    assert!(capture.passed_over.is_empty() && capture.endings.is_empty());
    capture.connections.iter().map(Seen::of).collect()
}

fn connection(packets: &[Vec<u8>]) -> Seen {
    let mut connections = connections(packets);
    assert_eq!(connections.len(), 1);
    connections.remove(0)
}

fn transcript(seen: &Seen) -> String {
    seen.transcript()
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
    let capture = read(&[SESSION]).unwrap();
    assert!(capture.passed_over.is_empty() && capture.endings.is_empty());
    assert_eq!((capture.frames, capture.cut_segments), (165, 0));
    assert_eq!(capture.connections.len(), 6);
    for connection in &capture.connections {
        assert_eq!(connection.server.port(), 1883);
        assert_eq!(connection.from_client.head(1)[0], 0x10);
        for stream in [&connection.from_client, &connection.from_server] {
            assert_eq!(stream.bytes().count(), stream.pieces.len());
            assert!(stream.pieces.is_sorted_by_key(|piece| piece.seen));
        }
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
    assert_eq!(connection.times(), [2, 3, 4]);
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
    assert_eq!(transcript(&connection), "S:…? S:xy C:ab C:cd C:ef");
    assert_eq!(connection.times(), [3, 3, 4, 4, 4]);
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
    assert_eq!(transcript(&connection), "C:abcd C:ef C:g C:h C:ijk");
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
    assert_eq!(transcript(&connection), "C:ab C:…2 C:ef S:xy C:gh");
    assert_eq!(connection.times(), [1, 2, 2, 4, 5]);
}

#[test]
fn gaps_are_reported_at_the_end_of_the_recording() {
    let inside = connection(&[opening(99), from_client(102, "cd"), from_client(106, "gh")]);
    assert_eq!(transcript(&inside), "C:…2 C:cd C:…2 C:gh");

    let before_the_end = connection(&[
        opening(99),
        from_client(100, "ab"),
        packet(CLIENT, SERVER, 104, Flag::Closes, b""),
    ]);
    assert_eq!(transcript(&before_the_end), "C:ab C:…2");

    let everything = connection(&[
        opening(99),
        from_client(100, "ab"),
        packet(SERVER, CLIENT, 0, Flag::Acknowledges(104), b""),
    ]);
    assert_eq!(transcript(&everything), "C:ab C:…2");
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
    assert!(transcript(&ends).starts_with("C:…?"));

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
    assert_eq!(transcript(&ends), "C:…2 C:cd");
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
fn a_frame_recorded_in_part_leaves_a_gap() {
    let mut half = from_client(100, "abcd");
    half.truncate(half.len() - 2);
    let connection = connection(&[opening(99), half, from_client(104, "ef")]);
    assert_eq!(transcript(&connection), "C:ab C:…2 C:ef");
    // What was cut off is known to be missing when its frame was seen.
    assert_eq!(connection.times(), [1, 1, 2]);
}

#[test]
fn parts_of_a_recording_are_read_in_the_order_of_time() {
    let frames = [opening(99), from_client(100, "ab"), from_client(102, "cd")];
    let [mut second, first] = [pcap(101, &frames[2..]), pcap(101, &frames[..2])];
    // A second later.
    second[24] += 1;
    let capture = read(&[&second, &first]).unwrap();
    assert_eq!(capture.connections.len(), 1);
    let seen = Seen::of(&capture.connections[0]);
    assert_eq!(
        (&*transcript(&seen), seen.times()),
        ("C:ab C:cd", vec![1, 1000])
    );
}

/// A frame of which only the first bytes were recorded.
fn cut(frame: Vec<u8>, length: usize) -> Vec<u8> {
    frame[..frame.len().min(length)].to_vec()
}

#[test]
fn what_a_snap_length_leaves_is_put_in_place() {
    const HEADERS: usize = 40;
    // Cut in the payload, right before it, and in the options of the TCP header.
    for (snap_length, expected) in [(HEADERS + 2, "C:ab C:…2 C:ef C:…2"), (HEADERS, "C:…4 C:…4")]
    {
        let frames = ["abcd", "efgh"];
        let frames: Vec<Vec<u8>> = (100..)
            .step_by(4)
            .zip(frames)
            .map(|(sequence, payload)| cut(from_client(sequence, payload), snap_length))
            .collect();
        let seen = connection(&[&[opening(99)], &frames[..]].concat());
        assert_eq!(transcript(&seen), expected);
    }
}

#[test]
fn the_part_that_was_cut_off_can_come_again() {
    let seen = connection(&[
        opening(99),
        cut(from_client(100, "abcdef"), 42),
        from_client(104, "ef"),
        from_client(106, "gh"),
    ]);
    assert_eq!(transcript(&seen), "C:ab C:…2 C:ef C:gh");
}

#[test]
fn an_acknowledgment_may_be_recorded_before_what_it_acknowledges() {
    let seen = connection(&[
        opening(99),
        packet(SERVER, CLIENT, 499, Flag::Answers(106), b""),
        from_client(104, "ef"),
        from_client(100, "ab"),
        from_client(102, "cd"),
    ]);
    assert_eq!(transcript(&seen), "C:ab C:cd C:ef");
}

#[test]
fn a_probe_carries_nothing() {
    let seen = connection(&[
        opening(99),
        cut(from_client(100, "abcd"), 42),
        from_client(103, "?"),
        from_client(104, "ef"),
    ]);
    assert_eq!(transcript(&seen), "C:ab C:…2 C:ef");
}
