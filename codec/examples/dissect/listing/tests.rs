use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::capture::Chunk;

fn list_stream(bytes: &[u8], sender: Option<Role>) -> (bool, String) {
    let mut text = Vec::new();
    let well = Listing::new(&mut text, false).stream(bytes, sender);
    (well.unwrap(), String::from_utf8(text).unwrap())
}

/// Lists one connection; a chunk is a sender, whether bytes are missing before it, and its bytes.
fn list_connection(chunks: &[(Side, bool, &[u8])]) -> (bool, String) {
    let address = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let chunks = (1..).zip(chunks).map(|(milliseconds, chunk)| Chunk {
        sender: chunk.0,
        at: Duration::from_millis(milliseconds),
        bytes: chunk.2.to_vec(),
        gap_before: chunk.1,
    });
    let capture = Capture {
        connections: vec![Connection {
            client: address(50_000),
            server: address(1883),
            chunks: chunks.collect(),
        }],
        skipped_frames: 0,
        cut_short: false,
    };
    let mut text = Vec::new();
    let well = Listing::new(&mut text, false).capture(&capture);
    (well.unwrap(), String::from_utf8(text).unwrap())
}

/// The lines between the heading of the connection and the last line, without details.
fn packet_lines(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with("     "));
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    lines[1..lines.len() - 1].to_vec()
}

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x05\x02\x00<\x00\x00\x00";

#[test]
fn a_stream_of_packets() {
    let (well, text) = list_stream(b"\xc0\x00\x30\x07\x00\x01a\x00hi!", Some(Role::Client));
    assert!(well);
    let expected = "\
byte 0         -->      2 bytes  PINGREQ
byte 2         -->      9 bytes  PUBLISH      QoS 0
        Topic Name                              \"a\"
        Payload                                 3 bytes, \"hi!\"
";
    assert_eq!(text, expected);
}

#[test]
fn a_stream_that_ends_too_early() {
    for bytes in [&b""[..], b"\xc0", b"\xc0\x00\x30\x04\x00"] {
        assert!(!list_stream(bytes, None).0);
    }
    let (_, text) = list_stream(b"\xc0\x00\x30\x04\x00", None);
    assert!(text.contains("unfinished packet: 3 bytes of it, at least 3 missing"));
}

#[test]
fn a_malformed_packet() {
    let (well, text) = list_stream(b"\xd0\x00\x10\x03\x00\x04M", Some(Role::Client));
    assert!(!well);
    let expected = "\
byte 0         -->      2 bytes  PINGRESP     breaks a rule at byte 0
        0000  d0 00                                             ..
              ^^
        Rule                                    this side never sends such a packet
        Class                                   Protocol Error
        Stated in                               section 2.1.2
        To be answered with                     DISCONNECT, 0x82 Protocol Error
";
    assert_eq!(text, expected);

    let (_, text) = list_stream(b"\x10\x03\x00\x04M", Some(Role::Client));
    assert!(text.ends_with("CONNACK, 0x81 Malformed Packet\n"), "{text}");
}

#[test]
fn packets_across_chunks() {
    let (well, text) = list_connection(&[
        (Side::Client, false, &CONNECT[..4]),
        (Side::Client, false, &[&CONNECT[4..], b"\xc0"].concat()),
        (Side::Server, false, b"\x20\x03\x00\x00\x00\xd0"),
        (Side::Client, false, b"\x00"),
    ]);
    assert!(well);
    assert_eq!(
        packet_lines(&text),
        [
            "    0.002000 s  -->     15 bytes  CONNECT      Clean Start, Keep Alive 60 s",
            "    0.003000 s  <--      5 bytes  CONNACK      0x00 Success",
            "    0.004000 s  -->      2 bytes  PINGREQ",
            "    0.004000 s  <--  the last packet is unfinished: only 1 byte of it",
        ]
    );
}

#[test]
fn nothing_is_decoded_after_a_malformed_packet() {
    let (well, text) = list_connection(&[
        (Side::Client, false, CONNECT),
        (Side::Client, false, b"\xc1\x00\xc0\x00"),
        (Side::Client, false, b"\xc0\x00"),
        (Side::Server, false, b"\xd0\x00"),
    ]);
    assert!(!well);
    let lines = packet_lines(&text);
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[1].contains("breaks a rule at byte 0"));
    assert!(lines[3].ends_with("PINGRESP"));
    assert!(text.ends_with("1 connection, 2 packets, 1 malformed\n"));
}

#[test]
fn a_gap_is_reported() {
    let (well, text) = list_connection(&[
        (Side::Client, true, b"\xc0\x00\x30\x04\x00"),
        (Side::Client, true, b"\xc0\x00"),
    ]);
    assert!(well);
    let lines = packet_lines(&text);
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].contains("gap: bytes were not recorded here; what"));
    assert!(lines[2].contains("(3 bytes of an unfinished packet before it)"));
}

#[test]
fn other_protocols_are_left_alone() {
    let (well, text) = list_connection(&[(Side::Client, false, b"GET / HTTP/1.1")]);
    assert!(well);
    assert_eq!(
        packet_lines(&text),
        ["not MQTT: the client begins with 0x47, not with a CONNECT"]
    );
}

#[test]
fn colours_only_on_a_terminal() {
    let mut text = Vec::new();
    let well = Listing::new(&mut text, true).stream(b"\xc0\x00", None);
    assert!(well.unwrap());
    assert!(text.contains(&0x1B));
    assert!(!list_stream(b"\xc0\x00", None).1.contains('\x1b'));
}
