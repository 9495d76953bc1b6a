//! MQTT over WebSocket. The frames are written by hand, after RFC 6455.

use std::io::Write;

use flate2::{Compress, Compression, FlushCompress};
use mqtt5_codec::Role::{Client, Server};

use crate::Run;
use crate::frames::{CONNACK, CONNECT, HEADERS, PINGREQ, Recorder, publish};

const BINARY: u8 = 0x2;
const TEXT: u8 = 0x1;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;

const REQUEST: &str = "GET /mqtt HTTP/1.1\r\n\
    Host: broker.example\r\n\
    Upgrade: WebSocket\r\n\
    Connection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: mqttv5, mqtt\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    upgrade: websocket\r\n\
    connection: Upgrade\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    sec-websocket-protocol: mqtt\r\n\r\n";

/// A frame; masked if there is a key.
fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..126 => bytes.push(mask | length as u8),
        length @ ..65_536 => {
            bytes.push(mask | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let key = key.inspect(|key| bytes.extend(key)).unwrap_or([0; 4]);
    bytes.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    bytes
}

fn from_client(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, Some([0x37, 0xFA, 0x21, 0x3D]), payload)
}

fn from_server(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, None, payload)
}

/// A connection after the handshake.
fn recorder() -> Recorder {
    let mut recorder = Recorder::new();
    recorder
        .client(REQUEST.as_bytes())
        .server(RESPONSE.as_bytes());
    recorder
}

fn listed(recorder: &Recorder) -> Run {
    let run = Run::of_recording(&recorder.file());
    assert!(run.out.contains(" 0 malformed"), "{}", run.out);
    assert_eq!(run.code, 0);
    run
}

#[test]
fn the_masked_frame_of_the_rfc() {
    // Section 5.7: "Hello".
    assert_eq!(
        from_client(FINAL | TEXT, b"Hello"),
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    );
}

#[test]
fn packets_in_frames() {
    let mut recorder = recorder();
    recorder
        .client(&from_client(FINAL | BINARY, CONNECT))
        .server(&from_server(FINAL | BINARY, CONNACK))
        // Two packets in one frame, in two segments.
        .client(&from_client(FINAL | BINARY, &[PINGREQ, &publish(1, b"x")].concat())[..9])
        .client(&from_client(FINAL | BINARY, &[PINGREQ, &publish(1, b"x")].concat())[9..])
        // A long frame.
        .server(&from_server(FINAL | BINARY, &publish(2, &[b'y'; 70_000])))
        .server(&from_server(FINAL | BINARY, &publish(3, &[b'z'; 300])))
        .client(&from_client(FINAL | CLOSE, b"\x03\xe8bye"))
        .close();
    let run = listed(&recorder);
    assert_eq!(
        run.packets(),
        [
            "--> WebSocket handshake, GET /mqtt, subprotocol mqttv5, mqtt",
            "<-- WebSocket handshake, 101 Switching Protocols, subprotocol mqtt",
            "--> 15 bytes CONNECT Clean Start, Keep Alive 60 s",
            "<-- 5 bytes CONNACK 0x00 Success",
            "--> 2 bytes PINGREQ",
            "--> 11 bytes PUBLISH QoS 1, Packet Identifier 1",
            "<-- 70012 bytes PUBLISH QoS 1, Packet Identifier 2",
            "<-- 311 bytes PUBLISH QoS 1, Packet Identifier 3",
            "--> WebSocket Close, 1000 bye",
        ]
    );
}

#[test]
fn fragments_with_control_frames_between() {
    let packet = publish(1, b"hello");
    let mut recorder = recorder();
    recorder
        .client(&from_client(FINAL | BINARY, CONNECT))
        .client(&from_client(BINARY, &packet[..3]))
        .client(&from_client(FINAL | PING, b"?"))
        .client(&from_client(CONTINUATION, &packet[3..10]))
        .client(&from_client(CONTINUATION, b""))
        .client(&from_client(
            FINAL | CONTINUATION,
            &[&packet[10..], PINGREQ].concat(),
        ));
    let run = listed(&recorder);
    assert_eq!(
        run.packets()[3..],
        [
            "--> WebSocket Ping, 1 byte",
            "--> 15 bytes PUBLISH QoS 1, Packet Identifier 1",
            "--> 2 bytes PINGREQ",
        ]
    );
}

#[test]
fn a_packet_may_go_on_in_the_next_message() {
    let mut recorder = recorder();
    for part in CONNECT.chunks(4) {
        recorder.client(&from_client(FINAL | BINARY, part));
    }
    assert!(listed(&recorder).packets()[2].contains("CONNECT"));
}

#[test]
fn frames_that_break_a_rule() {
    for (bytes, rule) in [
        (from_client(FINAL | TEXT, PINGREQ), "MQTT-6.0.0-1"),
        (from_server(FINAL | BINARY, PINGREQ), "a client must mask"),
        (
            from_client(FINAL | CONTINUATION, PINGREQ),
            "no message to continue",
        ),
        (
            from_client(FINAL | COMPRESSED | BINARY, PINGREQ),
            "a reserved bit set",
        ),
        (
            from_client(FINAL | 0x10 | BINARY, PINGREQ),
            "a reserved bit set",
        ),
        (from_client(PING, b""), "control frame"),
        (from_client(FINAL | PING, &[0; 126]), "control frame"),
        (
            from_client(FINAL | 0x3, b""),
            "no WebSocket frame can begin like that",
        ),
        (
            [
                from_client(BINARY, b"\xc0"),
                from_client(FINAL | BINARY, b"\0"),
            ]
            .concat(),
            "inside an unfinished one",
        ),
    ] {
        let mut recorder = recorder();
        recorder
            .client(&from_client(FINAL | BINARY, CONNECT))
            .client(&bytes);
        let run = Run::of_recording(&recorder.file());
        assert_eq!(run.code, 1, "{}", run.out);
        assert!(run.out.contains(rule), "{}", run.out);
        assert!(run.out.contains("1 packet, 1 malformed"), "{}", run.out);
    }
}

#[test]
fn handshakes_without_the_subprotocol() {
    let mut recorder = Recorder::new();
    let request = REQUEST.replace("mqttv5, mqtt", "mqttv3.1");
    recorder
        .client(request.as_bytes())
        .server(
            RESPONSE
                .replace("sec-websocket-protocol: mqtt\r\n", "")
                .as_bytes(),
        )
        .client(&from_client(FINAL | BINARY, CONNECT));
    let run = Run::of_recording(&recorder.file());
    assert_eq!(run.code, 1);
    assert!(run.out.contains("MQTT-6.0.0-3"), "{}", run.out);
    assert!(run.out.contains("MQTT-6.0.0-4"), "{}", run.out);
    assert!(run.out.contains("CONNECT"), "{}", run.out);
}

#[test]
fn a_server_that_does_not_agree() {
    let mut recorder = Recorder::new();
    recorder
        .client(REQUEST.as_bytes())
        .server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    let run = Run::of_recording(&recorder.file());
    assert_eq!(run.code, 2);
    assert!(
        run.out.contains("WebSocket handshake, 403 Forbidden"),
        "{}",
        run.out
    );
    assert!(run.out.contains("the server did not agree"), "{}", run.out);
}

#[test]
fn other_versions_over_websocket() {
    for (connect, code, name) in [
        (&b"\x10\x0c\0\x04MQTT\x04\x02\0<\0\0"[..], 0, "MQTT 3.1.1"),
        (b"\x10\x0e\0\x06MQIsdp\x03\x02\0<\0\0", 2, "MQTT 3.1 ("),
    ] {
        let mut recorder = recorder();
        recorder.client(&from_client(FINAL | BINARY, connect));
        let run = Run::of_recording(&recorder.file());
        assert_eq!(run.code, code);
        assert!(run.out.contains(name), "{}", run.out);
    }
}

#[test]
fn a_socket_for_something_else() {
    let mut recorder = Recorder::new();
    recorder
        .client(REQUEST.replace("mqttv5, mqtt", "chat").as_bytes())
        .server(
            RESPONSE
                .replace("protocol: mqtt", "protocol: chat")
                .as_bytes(),
        )
        .client(&from_client(FINAL | TEXT, b"hello"))
        .server(&from_server(FINAL | BINARY, b"hello"));
    let run = Run::of_recording(&recorder.file());
    assert_eq!(run.code, 2);
    assert!(run.out.contains(" 0 malformed"), "{}", run.out);
    assert!(run.out.contains("not MQTT: WebSocket"), "{}", run.out);
}

#[test]
fn nothing_from_the_network_steers_the_terminal() {
    let mut recorder = recorder();
    recorder
        .client(&from_client(FINAL | BINARY, CONNECT))
        .client(&from_client(
            FINAL | CLOSE,
            "\x03\u{e8}\x1b[2J\u{9b}2J".as_bytes(),
        ));
    let run = listed(&recorder);
    let is_harmless = |character: char| character == '\n' || !character.is_control();
    assert!(run.out.chars().all(is_harmless), "{:?}", run.out);
}

#[test]
fn text_where_mqtt_was_agreed_on() {
    let mut recorder = recorder();
    recorder.client(&from_client(FINAL | TEXT, b"hello"));
    let run = Run::of_recording(&recorder.file());
    assert_eq!(run.code, 1);
    assert!(run.out.contains("MQTT-6.0.0-1"), "{}", run.out);
    assert!(run.out.contains("1 malformed"), "{}", run.out);
}

#[test]
fn frames_cut_by_the_snap_length() {
    // The handshake is cut, too.
    for snap_length in [HEADERS + 30, HEADERS + 500] {
        let mut recorder = recorder();
        recorder
            .client(&from_client(FINAL | BINARY, CONNECT))
            .server(&from_server(FINAL | BINARY, CONNACK))
            .client(&from_client(
                FINAL | BINARY,
                &publish(1, &b"\xc0\0\xe0\0".repeat(900)),
            ))
            .client(&from_client(FINAL | BINARY, PINGREQ))
            .snap(snap_length);
        let run = listed(&recorder);
        let packets: Vec<String> = run
            .packets()
            .into_iter()
            .filter(|line| !line.contains("handshake"))
            .collect();
        assert_eq!(packets.len(), 4, "{}", run.out);
        assert!(packets[0].contains("CONNECT"));
        assert!(
            packets[2].contains("3611 bytes PUBLISH QoS 1, Packet Identifier 1, only"),
            "{}",
            run.out
        );
        assert!(packets[3].ends_with("PINGREQ"));
    }
}

#[test]
fn a_lost_frame_header() {
    let lost = from_client(FINAL | BINARY, &publish(1, b"lost"));
    let mut recorder = recorder();
    recorder
        .client(&from_client(FINAL | BINARY, CONNECT))
        .unseen(Client, &lost[..4])
        .client(&lost[4..])
        .client(&from_client(FINAL | BINARY, &publish(2, b"seen")));
    let run = listed(&recorder);
    assert!(!run.out.contains("Packet Identifier 1"), "{}", run.out);
    assert!(run.out.contains("Packet Identifier 2"), "{}", run.out);
}

#[test]
fn what_follows_a_lost_frame_header_is_not_held_against_anybody() {
    // Zeros are empty continuation frames, and other payloads look like pings and text frames.
    let payloads: [&[&[u8]]; 4] = [
        &[&[0; 40]],
        &[b"\x89\0\x89\0"],
        &[b"\x82\x02\xc0\0\x81\x01a"],
        &[b"\x82\x02\xc0\0", b"\x81\x01a"],
    ];
    for payload in payloads {
        let mut recorder = recorder();
        recorder
            .client(&from_client(FINAL | BINARY, CONNECT))
            .server(&from_server(FINAL | BINARY, CONNACK))
            .unseen(Server, &[0x82, 126, 1, 0]);
        for segment in payload {
            recorder.server(segment);
        }
        let run = listed(&recorder);
        assert!(!run.out.contains("WebSocket Ping"), "{}", run.out);
        assert_eq!(
            run.packets()
                .iter()
                .filter(|line| line.contains("bytes C"))
                .count(),
            2
        );
    }
}

#[test]
fn a_socket_that_had_been_opened_before() {
    let mut recorder = Recorder::in_the_middle();
    recorder
        .client(&from_client(FINAL | BINARY, &publish(1, b"x")))
        .server(&from_server(FINAL | BINARY, b"\x40\x02\0\x01"))
        .server(&from_server(FINAL | BINARY, &publish(2, b"y")))
        .client(&from_client(FINAL | BINARY, PINGREQ));
    let run = listed(&recorder);
    for words in [
        "Packet Identifier 1",
        "Packet Identifier 2",
        "PINGREQ",
        "The CONNECT was not recorded",
    ] {
        assert!(run.out.contains(words), "{}", run.out);
    }
}

#[test]
fn a_load_balancer_goes_first() {
    let mut recorder = Recorder::new();
    recorder
        .client(b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 1883\r\n")
        .client(CONNECT)
        .client(PINGREQ);
    let run = listed(&recorder);
    assert_eq!(
        run.packets(),
        [
            "--> PROXY protocol header: the client is 192.0.2.1 port 5000",
            "--> 15 bytes CONNECT Clean Start, Keep Alive 60 s",
            "--> 2 bytes PINGREQ",
        ]
    );
    // In one segment with the next bytes.
    let mut recorder = Recorder::new();
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xc3\x50\x07\x5b";
    recorder
        .client(&[&header[..], REQUEST.as_bytes()].concat())
        .server(RESPONSE.as_bytes())
        .client(&from_client(FINAL | BINARY, CONNECT));
    let run = listed(&recorder);
    assert!(run.packets()[0].ends_with("192.0.2.1:50000"), "{}", run.out);
    assert!(run.packets()[3].contains("CONNECT"), "{}", run.out);
}

/// Compresses a message as RFC 7692 has it.
fn compress(compress: &mut Compress, message: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(1 << 16);
    compress
        .compress_vec(message, &mut output, FlushCompress::Sync)
        .unwrap();
    assert!(output.ends_with(b"\0\0\xff\xff"));
    output.truncate(output.len() - 4);
    output
}

#[test]
fn compressed_messages() {
    for forgets in [false, true] {
        let mut recorder = Recorder::new();
        let extension = if forgets {
            "sec-websocket-extensions: permessage-deflate; client_no_context_takeover\r\n\r\n"
        } else {
            "sec-websocket-extensions: permessage-deflate\r\n\r\n"
        };
        let response = format!("{}{extension}", &RESPONSE[..RESPONSE.len() - 2]);
        recorder
            .client(REQUEST.as_bytes())
            .server(response.as_bytes());
        let mut compressor = Compress::new(Compression::best(), false);
        recorder.client(&from_client(FINAL | BINARY, CONNECT));
        for identifier in 1..=3 {
            let message = publish(identifier, &b"again and again ".repeat(20));
            let message = compress(&mut compressor, &message);
            let half = message.len() / 2;
            recorder.client(&from_client(BINARY | COMPRESSED, &message[..half]));
            let rest = from_client(FINAL | CONTINUATION, &message[half..]);
            if identifier == 2 && !forgets {
                recorder.client(&rest);
            } else if identifier == 2 {
                // A gap in one message does not matter to the next.
                recorder
                    .client(&rest[..7])
                    .unseen(Client, &rest[7..8])
                    .client(&rest[8..]);
            } else {
                recorder.client(&rest);
            }
            if forgets {
                compressor.reset();
            }
        }
        recorder.client(&from_client(FINAL | BINARY, PINGREQ));
        let run = listed(&recorder);
        let identifiers: &[u8] = if forgets { &[1, 3] } else { &[1, 2, 3] };
        for identifier in 1..=3 {
            assert_eq!(
                run.out.contains(&format!("Packet Identifier {identifier}")),
                identifiers.contains(&identifier),
                "{}",
                run.out
            );
        }
        assert!(run.out.contains("again and again"), "{}", run.out);
    }
}

#[test]
fn a_compressed_message_without_end_is_bounded() {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::best());
    for _ in 0..70 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let message = encoder.finish().unwrap();
    let mut recorder = Recorder::new();
    let extension = "sec-websocket-extensions: permessage-deflate\r\n\r\n";
    let response = format!("{}{extension}", &RESPONSE[..RESPONSE.len() - 2]);
    recorder
        .client(REQUEST.as_bytes())
        .server(response.as_bytes())
        .client(&from_client(FINAL | BINARY, CONNECT))
        .client(&from_client(FINAL | BINARY | COMPRESSED, &message))
        .send(Server, &from_server(FINAL | BINARY, CONNACK));
    let run = listed(&recorder);
    assert!(
        run.out
            .contains("where the next packet begins is not known"),
        "{}",
        run.out
    );
}
