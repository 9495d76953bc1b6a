use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::capture::{Capture, Connection, Content, Moment, Piece, Stream};

fn list_stream(bytes: &[u8], sender: Option<Role>) -> (Outcome, String) {
    let mut text = Vec::new();
    let outcome = Listing::new(&mut text, false).stream(bytes, sender);
    (outcome.unwrap(), String::from_utf8(text).unwrap())
}

/// Lists one connection. Each of the bytes is a segment of its own.
fn list_connection(sent: &[(Role, &[u8])]) -> (Outcome, String) {
    let address = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let mut connection = Connection {
        client: address(50_000),
        server: address(1883),
        from_client: Stream::default(),
        from_server: Stream::default(),
        frames: sent.len(),
    };
    for (frame, (sender, bytes)) in (1..).zip(sent) {
        let stream = match sender {
            Role::Client => &mut connection.from_client,
            Role::Server => &mut connection.from_server,
        };
        let last = stream.pieces.last();
        let position = last.map_or(0, |piece| piece.position + piece.content.length());
        let piece = Piece {
            seen: Moment {
                frame,
                at: Duration::from_millis(frame as u64),
            },
            position,
            content: Content::Bytes((*bytes).into()),
        };
        let end = position + piece.content.length();
        stream.borders.extend([position, end]);
        stream.pieces.push(piece);
    }
    let capture = Capture {
        frames: sent.len(),
        connections: vec![connection],
        passed_over: Default::default(),
        cut_segments: 0,
        endings: Vec::new(),
    };
    let mut text = Vec::new();
    let outcome = Listing::new(&mut text, false).capture(&capture);
    (outcome.unwrap(), String::from_utf8(text).unwrap())
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
    let (outcome, text) = list_stream(b"\xc0\x00\x30\x07\x00\x01a\x00hi!", Some(Role::Client));
    assert_eq!(outcome, Outcome::Well);
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
        assert_eq!(list_stream(bytes, None).0, Outcome::Wrong);
    }
    let (_, text) = list_stream(b"\xc0\x00\x30\x04\x00", None);
    assert!(text.contains("unfinished packet: 3 bytes of it, at least 3 missing"));
}

#[test]
fn a_malformed_packet() {
    let (outcome, text) = list_stream(b"\xd0\x00\x10\x03\x00\x04M", Some(Role::Client));
    assert_eq!(outcome, Outcome::Wrong);
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
    let (outcome, text) = list_connection(&[
        (Role::Client, &CONNECT[..4]),
        (Role::Client, &[&CONNECT[4..], b"\xc0"].concat()),
        (Role::Server, b"\x20\x03\x00\x00\x00\xd0"),
        (Role::Client, b"\x00"),
    ]);
    assert_eq!(outcome, Outcome::Well);
    assert_eq!(
        packet_lines(&text),
        [
            "    0.002000 s  -->     15 bytes  CONNECT      Clean Start, Keep Alive 60 s",
            "    0.003000 s  <--      5 bytes  CONNACK      0x00 Success",
            "    0.004000 s  -->      2 bytes  PINGREQ",
            "    0.004000 s  <--  the last packet is unfinished: only 1 byte of it, at least 1 missing when the recording ends",
        ]
    );
}

#[test]
fn nothing_is_decoded_after_a_malformed_packet() {
    let (outcome, text) = list_connection(&[
        (Role::Client, CONNECT),
        (Role::Client, b"\xc1\x00\xc0\x00"),
        (Role::Client, b"\xc0\x00"),
        (Role::Server, b"\xd0\x00"),
    ]);
    assert_eq!(outcome, Outcome::Wrong);
    let lines = packet_lines(&text);
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[1].contains("breaks a rule at byte 0"));
    assert!(lines[3].ends_with("PINGRESP"));
    assert!(text.ends_with("1 connection, 2 packets, 1 malformed\n"));
}

#[test]
fn other_protocols_are_named() {
    for (bytes, name) in [
        (
            &b"GET / HTTP/1.1\r\n"[..],
            "not MQTT: HTTP: the client begins with `GET / HTTP/1.1`",
        ),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc", "not MQTT: TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not MQTT: SSH"),
        (
            b"hello",
            "not MQTT: the client begins with 68 65 6c 6c 6f (`hello`)",
        ),
        (
            b"\x10\x0e\0\x06MQIsdp\x03\x02\0<\0\0",
            "MQTT 3.1 (protocol level 3)",
        ),
        (
            b"\x10\x0c\0\x04MQTT\x84\x02\0<\0\0",
            "MQTT 3.1.1 (protocol level 0x84",
        ),
    ] {
        let (outcome, text) = list_connection(&[(Role::Client, bytes)]);
        assert_eq!(outcome, Outcome::Unreadable, "{text}");
        assert!(text.contains(name), "{text}");
        assert!(
            text.contains("1 connection, 0 packets, 0 malformed\n"),
            "{text}"
        );
        assert!(
            text.contains("Passed over 1 of 1 recorded frame: 1 in 1 connection"),
            "{text}"
        );
    }
}

/// In 3.1.1 the payload follows the Topic Name: its first byte is no Property Length.
#[test]
fn a_connection_of_mqtt_3_1_1_is_read_as_such() {
    let connect = b"\x10\x0d\0\x04MQTT\x04\x00\0<\0\x01c";
    let (outcome, text) = list_connection(&[
        (Role::Client, connect),
        (Role::Server, b"\x20\x02\x01\x00"),
        (Role::Client, b"\x30\x05\0\x01a\x30\x31\xe0\0"),
        (Role::Server, b"\xb0\x02\0\x07"),
    ]);
    assert_eq!(outcome, Outcome::Well, "{text}");
    assert!(text.contains("no Clean Session, Keep Alive 60 s"), "{text}");
    assert!(text.contains("4, MQTT 3.1.1"), "{text}");
    assert!(text.contains("\"01\""), "{text}");
    assert!(text.contains("Session Present"), "{text}");
    assert!(
        text.contains("1 connection, 5 packets, 0 malformed"),
        "{text}"
    );
    // Raw bytes.
    let (outcome, text) = list_stream(&[&connect[..], b"\xa2\x05\0\x07\0\x01a"].concat(), None);
    assert_eq!(outcome, Outcome::Well, "{text}");
    let (outcome, text) = list_stream(b"\xb0\x02\0\x07", None);
    assert_eq!(outcome, Outcome::Wrong, "{text}");
    assert!(text.contains("--mqtt 3.1.1 reads it"), "{text}");
}

#[test]
fn a_server_of_an_older_version_refuses() {
    let (outcome, text) =
        list_connection(&[(Role::Client, CONNECT), (Role::Server, b"\x20\x02\x00\x01")]);
    assert_eq!(outcome, Outcome::Well);
    assert!(
        text.contains("a CONNACK of MQTT 3.1.1 with Return Code 1"),
        "{text}"
    );
}

#[test]
fn colours_only_on_a_terminal() {
    let mut text = Vec::new();
    let outcome = Listing::new(&mut text, true).stream(b"\xc0\x00", None);
    assert_eq!(outcome.unwrap(), Outcome::Well);
    assert!(text.contains(&0x1B));
    assert!(!list_stream(b"\xc0\x00", None).1.contains('\x1b'));
}
