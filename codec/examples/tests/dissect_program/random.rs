//! Damaged and senseless input: nothing panics, and nothing grows without limit.

use proptest::prelude::*;

use crate::frames::{CONNACK, CONNECT, HEADERS, PINGREQ, Recorder, publish};
use crate::run_with;

const SESSION: &[u8] = include_bytes!("../../dissect/session.pcapng");

/// Recordings of many kinds.
fn recordings() -> Vec<Vec<u8>> {
    let request = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    let response = b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: mqtt\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let frame = |first: u8, payload: &[u8]| {
        let head = [first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
        [&head[..], payload].concat()
    };
    let mut socket = Recorder::new();
    socket
        .client(request)
        .server(response)
        .client(&frame(0x82, CONNECT))
        .server(&[&[0x82, 5], CONNACK].concat())
        .client(&frame(0x89, b"ping"))
        .client(&frame(0x02, &publish(1, b"hello")))
        .client(&frame(0x80, PINGREQ))
        .client(&frame(0xC2, b"\xcaH\xcd\xc9\xc9\x07\x00"));
    let mut plain = Recorder::new();
    plain.segment = 20;
    plain.client(CONNECT).server(CONNACK);
    for identifier in 1..10 {
        plain.client(&publish(identifier, &[identifier; 50]));
    }
    let mut cut = plain.clone();
    cut.snap(HEADERS + 10);
    vec![
        SESSION[..6000].to_vec(),
        socket.file(),
        plain.file(),
        cut.file(),
    ]
}

fn recording() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(recordings())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn damaged_recordings(
        mut file in recording(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        length in any::<prop::sample::Index>(),
        is_truncated: bool,
    ) {
        for (place, byte) in damage {
            let place = place.index(file.len());
            file[place] = byte;
        }
        if is_truncated {
            file.truncate(length.index(file.len()));
        }
        let run = run_with(["-"], &file);
        prop_assert!(run.code <= 2);
        let is_harmless = |character: char| character == '\n' || !character.is_control();
        prop_assert!(run.out.chars().all(is_harmless), "{:?}", run.out);
    }

    #[test]
    fn random_streams(
        client in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..8),
        start in prop::sample::select(vec![
            &b""[..],
            CONNECT,
            b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
            b"\x10",
            b"\x82\x85",
        ]),
        snap_length in HEADERS..HEADERS + 60,
        in_the_middle: bool,
    ) {
        let mut recorder = if in_the_middle { Recorder::in_the_middle() } else { Recorder::new() };
        recorder.client(start).server(CONNACK);
        for bytes in &client {
            recorder.client(bytes).server(bytes);
        }
        recorder.snap(snap_length);
        prop_assert!(run_with(["-"], &recorder.file()).code <= 2);
    }

    #[test]
    fn random_files(bytes in prop::collection::vec(any::<u8>(), 0..400), magic in prop::sample::select(vec![
        &b""[..], b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1\x02\0\x04\0",
    ])) {
        prop_assert!(run_with(["-"], &[magic, &bytes].concat()).code <= 2);
    }

    #[test]
    fn random_texts(text in "[0-9a-fA-Fx\\\\ ,:;<>\\[\\]{}()'\"|#.*\n\tuhBé-]{0,80}") {
        let _ = crate::paste::read(&text);
    }

    #[test]
    fn random_dumps(text in "([0-9a-f]{4,8}:?  ?([0-9a-f]{2} ?){0,16}( {1,3}[ -~]{0,16})?\n(\\*\n)?){0,4}") {
        let _ = crate::paste::read(&text);
    }

    #[test]
    fn bytes_come_back(content in prop::collection::vec(any::<u8>(), 1..60)) {
        let list = |before: &str, one: fn(&u8) -> String, between: &str, after: &str| {
            let words: Vec<String> = content.iter().map(one).collect();
            format!("{before}{}{after}", words.join(between))
        };
        let escaped: String = content.iter().map(|byte| std::ascii::escape_default(*byte).to_string()).collect();
        for text in [
            list("", |byte| format!("0x{byte:02X}"), ", ", ""),
            list("", |byte| format!("\\x{byte:02x}"), "", ""),
            list("<<", u8::to_string, ",", ">>"),
            list("[", |byte| byte.cast_signed().to_string(), ", ", "]"),
            list("{", |byte| format!("{byte:#x}"), ",", "}"),
            list("<Buffer ", |byte| format!("{byte:02x}"), " ", ">"),
            format!("b\"{escaped}\""),
        ] {
            // Two digits and no others may be either.
            let parts = crate::paste::read(&text).unwrap().parts;
            prop_assert_eq!(&parts[0].bytes, &content, "{}", text);
        }
        if content[0] != 0 {
            for text in [
                list("", |byte| format!("{byte:02x}"), "", ""),
                list("", |byte| format!("{byte:02X}"), ":", ""),
                list("", |byte| format!("{byte:02x}"), " ", "\n"),
            ] {
                let parts = crate::paste::read(&text).unwrap().parts;
                prop_assert_eq!(&parts[0].bytes, &content, "{}", text);
            }
        }
    }
}
