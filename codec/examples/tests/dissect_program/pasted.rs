//! Bytes as people paste them.

use mqtt5_codec::Role;

use crate::frames::{CONNACK, CONNECT, PINGREQ, Recorder, publish};
use crate::paste::{NotBytes, Pasted, read};
use crate::{run, run_with};

fn bytes(text: &str) -> Vec<u8> {
    let pasted = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(pasted.parts.len(), 1, "{text}");
    pasted.parts.into_iter().next().unwrap().bytes
}

fn remark(text: &str) -> String {
    read(text).unwrap().remark.unwrap_or_default()
}

#[test]
fn four_bytes_in_many_notations() {
    for text in [
        // Digits.
        "10020001",
        "1002 0001",
        "10 02 00 01",
        "10:02:00:01",
        "10-02-00-01",
        "10|02|00|01",
        "10,02,00,01",
        "10, 02, 00, 01,",
        "10;02;00;01",
        "\"10020001\"",
        "'10 02 00 01'",
        "\n10 02\r\n00 01\n",
        // Prefixes.
        "0x10 0x02 0x00 0x01",
        "0x10, 0x02, 0x00, 0x01",
        "0X10,0X2,0X0,0X1",
        "0x10, 2, 0, 1",
        "0x10020001",
        "0x100x020x000x01",
        "x10x02x00x01",
        "%10%02%00%01",
        "10h 02h 00h 01h",
        "$10 $02 $00 $01",
        "0x10;0x02;0x00;0x01",
        // C, Go, Java, C#, Rust, Kotlin, JavaScript, Python.
        "{0x10,0x02,0x00,0x01}",
        "{ 16, 2, 0, 1 }",
        "{0x10, (byte) 0x02, 0, (byte)1}",
        "unsigned char packet[4] = {\n  0x10, 0x02, /* zero */ 0x00,\n  0x01, // one\n};\nunsigned int packet_len = 4;",
        "const uint8_t p[] = {16, 2, 0, 1};",
        "[]byte{0x10, 0x02, 0x00, 0x01}",
        "[]byte{16, 2, 0, 1}",
        "new byte[] { 0x10, 0x02, 0x00, 0x01 };",
        "[16, 2, 0, 1]",
        "[0x10, 0x02, 0x00, 0x01]",
        "let packet: [u8; 4] = [16, 2, 0, 1];",
        "vec![0x10, 0x02, 0x00, 0x01]",
        "&[0x10u8, 0x02, 0x00, 0x01]",
        "[0x10_u8, 0x02, 0x00, 0x01]",
        "byteArrayOf(0x10, 0x02, 0x00.toByte(), 0x01)",
        "Uint8Array(4) [ 16, 2, 0, 1 ]",
        "new Uint8Array([0x10, 0x02, 0x00, 0x01])",
        "<Buffer 10 02 00 01>",
        "[ <Buffer 10 02>, <Buffer 00 01> ]",
        "{\"type\":\"Buffer\",\"data\":[16,2,0,1]}",
        "Buffer.from(\"10020001\", \"hex\")",
        "bytes.fromhex(\"10 02 00 01\")",
        "bytes([16, 2, 0, 1])",
        "(16, 2, 0, 1)",
        // Erlang and Elixir.
        "<<16,2,0,1>>",
        "<<16, 2, 0, 1>>",
        "<<16#10,16#02,16#00,16#01>>",
        "<<0x10, 0x02, 0, 1>>",
        "<<16#10, 2, 0, 1>>",
        // Numbers that cannot be hexadecimal digits in pairs.
        "16 2 0 1",
        "016 002 000 001",
        "16, 2, 0, 1",
        // Strings.
        "\\x10\\x02\\x00\\x01",
        "b'\\x10\\x02\\x00\\x01'",
        "b\"\\x10\\x02\\x00\\x01\"",
        "'\\x10\\x02\\0\\x01'",
        "\"\\020\\002\\000\\001\"",
        "\"\\u0010\\u0002\\u0000\\u0001\"",
        "\"\\u{10}\\u{2}\\u{0}\\u{1}\"",
        "\"\\x10\\x02\" \\\n\"\\x00\\x01\"",
        "$'\\x10\\x02\\x00\\x01'",
        "\\x10 \\x02 \\x00 \\x01",
        "data = b'\\x10\\x02' \\\n  b'\\x00\\x01'",
        "bytearray(b'\\x10\\x02\\x00\\x01')",
        "\\X10\\X02\\X00\\X01",
        // Dumps.
        "0000  10 02 00 01",
        "0000  10 02 00 01                                       ....",
        "0000   10 02 00 01   ....",
        "0000 10 02 00 01 ....",
        "00000000: 1002 0001                                ....",
        "00000000: 10 02 00 01  ....",
        "00000000  10 02 00 01                                       |....|\n00000004",
        "0000000 10 02 00 01\n0000004",
        "000000 10 02 00 01  >....<\n000004",
        "\t0x0000:  1002 0001                                ....",
        "0000000 0210 0100\n0000004",
        "0040  10 02 00 01  ....",
        "0000: 10 02 00 01",
        "00000000  10020001                             ....",
        "0000  10 02\n0002  00 01\n",
    ] {
        assert_eq!(bytes(text), [0x10, 2, 0, 1], "{text}");
    }
}

#[test]
fn bytes_of_all_kinds() {
    assert_eq!(bytes("[-64, 0]"), [0xC0, 0]);
    assert_eq!(bytes("{(byte)-1, 127, -128}"), [0xFF, 0x7F, 0x80]);
    assert_eq!(bytes("C0,0"), [0xC0, 0]);
    assert_eq!(bytes("c0:0:ff"), [0xC0, 0, 0xFF]);
    assert_eq!(bytes("<<16,15,0,4,\"MQTT\",5>>"), b"\x10\x0f\0\x04MQTT\x05");
    assert_eq!(
        bytes("b'\\x10\\x10\\x00\\x04MQTT\\x05\\x02\\x00<\\n\\t\\\\\\''"),
        b"\x10\x10\0\x04MQTT\x05\x02\0<\n\t\\'"
    );
    assert_eq!(bytes("\\x10\\x02MQ TT"), b"\x10\x02MQTT");
    assert_eq!(bytes("b\"\\x10 '\\x00\""), b"\x10 '\0");
    assert_eq!(bytes("\"\\e\\a\\b\\f\\v\\r\""), b"\x1b\x07\x08\x0c\x0b\r");
    assert_eq!(bytes("b'@'"), b"@");
}

#[test]
fn a_rule_decides_between_decimal_and_hexadecimal() {
    // Commas, no letter, no leading zero.
    assert_eq!(bytes("48, 10, 20"), [48, 10, 20]);
    assert!(remark("48, 10, 20").contains("because commas stand between them"));
    // A leading zero, or no commas.
    assert_eq!(bytes("48, 10, 02"), [0x48, 0x10, 0x02]);
    assert_eq!(bytes("48 10 20"), [0x48, 0x10, 0x20]);
    assert!(remark("48 10 20").contains("Read as hexadecimal"));
    // A letter.
    assert_eq!(bytes("48, 10, c0"), [0x48, 0x10, 0xC0]);
    // Nothing to be said.
    assert_eq!(remark("10 02 00 01"), "");
    assert_eq!(remark("c000"), "");
    assert_eq!(remark("16 2 0 1"), "Read as decimal numbers.");
    assert_eq!(remark("<<16,20>>"), "Read as decimal numbers.");
    assert!(remark("<Buffer 10 02 ... 50 more bytes>").contains("`... 50 more bytes`"));
    assert_eq!(bytes("<Buffer 10 02 ... 50 more bytes>"), [0x10, 2]);
    // It is printed.
    let run = run(["192,", "10"]);
    assert!(
        run.out.starts_with("Read as decimal numbers.\n"),
        "{}",
        run.out
    );
}

#[test]
fn texts_that_are_no_bytes() {
    for (text, error) in [
        ("c0 0", NotBytes::OddDigits("c00".to_owned())),
        ("", NotBytes::Nothing),
        ("[]", NotBytes::Character('[')),
        ("c0g", NotBytes::Character('g')),
        ("é", NotBytes::Character('é')),
        ("[16, 256]", NotBytes::TooLarge("256".to_owned())),
        ("[16, -129]", NotBytes::TooLarge("-129".to_owned())),
        ("0x10, 0xg0", NotBytes::NoNumber("0xg0".to_owned())),
        ("<<16:16, 2>>", NotBytes::NoNumber("16:16".to_owned())),
        ("\\q", NotBytes::Escape("\\q".to_owned())),
        ("\\x1", NotBytes::Escape("\\x1".to_owned())),
        ("\"\\u0100\"", NotBytes::Escape("\\u01".to_owned())),
        ("\"\\777\"", NotBytes::Escape("\\777".to_owned())),
        (
            // What a shell makes of a dump without quotes.
            "00000000: c000 c000 c000 c000 c000 c000 c000 c000 ................ 00000010: c000 ..",
            NotBytes::AfterLine("00000000".to_owned()),
        ),
        (
            "0000  10 02\n0010  00 01",
            NotBytes::ShortLine("0000".to_owned()),
        ),
        (
            "0010  10 02\n0000  00 01\n0003  02",
            NotBytes::ShortLine("0000".to_owned()),
        ),
    ] {
        let read = read(text);
        assert_eq!(read, Err(error), "{text}");
    }
}

/// A dump as xxd, hexdump and others write it.
fn dump(bytes: &[u8], offset: fn(usize) -> String, group: usize, edges: [&str; 2]) -> String {
    let mut text = String::new();
    for (row, bytes) in bytes.chunks(16).enumerate() {
        let mut line = offset(row * 16);
        for (index, byte) in bytes.iter().enumerate() {
            if index % group == 0 {
                line.push(' ');
            }
            line.push_str(&format!("{byte:02x}"));
        }
        let width = offset(0).len() + 32 + 16 / group + 2;
        line = format!("{line:<width$}");
        let shown: String = bytes
            .iter()
            .map(|byte| {
                if (b' '..=b'~').contains(byte) {
                    char::from(*byte)
                } else {
                    '.'
                }
            })
            .collect();
        text.push_str(&format!("{line}{}{shown}{}\n", edges[0], edges[1]));
    }
    text
}

#[test]
fn dumps_of_everything() {
    let everything: Vec<u8> = (0..=255).collect();
    let digits = b"61 62 63  ab cd ef 0123456789abcdef 00 11 22  ".repeat(3);
    let spaces = [b' '; 35];
    for length in 1..=everything.len() {
        for content in [
            &everything[..length],
            &digits[..length.min(digits.len())],
            &spaces[..length.min(35)],
        ] {
            let content = [&[0xC0], content].concat();
            let xxd = dump(&content, |offset| format!("{offset:08x}:"), 2, ["", ""]);
            assert_eq!(bytes(&xxd), content, "{xxd}");
            let canonical = dump(&content, |offset| format!("{offset:08x} "), 1, ["|", "|"]);
            assert_eq!(bytes(&canonical), content, "{canonical}");
            let wireshark = dump(&content, |offset| format!("{offset:04x}  "), 1, ["", ""]);
            assert_eq!(bytes(&wireshark), content, "{wireshark}");
            let od = dump(&content, |offset| format!("{offset:07o}"), 1, [">", "<"]);
            assert_eq!(bytes(&od), content, "{od}");
        }
    }
}

#[test]
fn rows_that_are_the_same_are_left_out() {
    let text = "\
00000000  32 40 00 03 61 2f 62 00  01 00 78 78 78 78 78 78  |2@..a/b...xxxxxx|
00000010  78 78 78 78 78 78 78 78  78 78 78 78 78 78 78 78  |xxxxxxxxxxxxxxxx|
*
00000040  78 78                                             |xx|
00000042
";
    assert_eq!(bytes(text).len(), 0x42);
    assert!(
        run_with(["-"], text.as_bytes())
            .out
            .contains("66 bytes  PUBLISH")
    );
}

#[test]
fn the_dump_of_a_conversation_has_two_sides() {
    let text = "\
00000000  10 0d 00 04 4d 51 54 54  05 02 00 3c 00 00 00     ....MQTT ...<...
    00000000  20 03 00 00 00                                     ....
0000000F  c0 00                                             ..
    00000005  d0 00                                             ..
";
    // With a tab, as tshark has it, too.
    let with_tabs = text.replace("    0000", "\t0000");
    assert_eq!(read(&with_tabs), read(text));
    let pasted = read(text).unwrap();
    let sides: Vec<_> = pasted
        .parts
        .iter()
        .map(|part| (part.sender, part.bytes.len()))
        .collect();
    assert_eq!(sides, [(Some(Role::Client), 17), (Some(Role::Server), 7)]);
    let run = run_with(["-"], text.as_bytes());
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.contains("PINGRESP"), "{}", run.out);
}

#[test]
fn the_arrays_of_a_conversation_have_two_sides() {
    let text = "char peer0_0[] = { /* Packet 4 */\n0xc0, 0x00 };\n\
                char peer1_0[] = { /* Packet 6 */\n0xd0, 0x00 };\n\
                char peer0_1[] = { /* Packet 8 */\n0xe0, 0x00 };\n";
    let sides: Vec<_> = read(text)
        .unwrap()
        .parts
        .into_iter()
        .map(|part| (part.sender, part.bytes))
        .collect();
    assert_eq!(
        sides,
        [
            (Some(Role::Client), b"\xc0\0\xe0\0".to_vec()),
            (Some(Role::Server), b"\xd0\0".to_vec()),
        ]
    );
}

#[test]
fn dumps_of_whole_frames_are_a_recording() {
    let mut recorder = Recorder::new();
    recorder
        .client(CONNECT)
        .server(CONNACK)
        .client(PINGREQ)
        .client(&publish(1, b"x"));
    for skipped in [0, 14] {
        // As `tcpdump -XX` and `tcpdump -X` print them.
        let mut text = String::new();
        for frame in &recorder.frames {
            text.push_str(
                "12:00:00.000000 IP 10.0.0.1.50000 > 10.0.0.2.1883: Flags [P.], length 2\n",
            );
            text.push_str(&dump(
                &frame.bytes[skipped..],
                |offset| format!("\t0x{offset:04x}: "),
                2,
                ["", ""],
            ));
        }
        let run = run_with(["-"], text.as_bytes());
        assert_eq!(run.code, 0, "{}", run.out);
        assert!(
            run.out.contains("1 connection, 4 packets, 0 malformed"),
            "{}",
            run.out
        );
    }
}

#[test]
fn arguments_are_joined() {
    for arguments in [
        &["0x10,", "0x02"][..],
        &["\\x10", "\\x02"],
        &["10", "02"],
        &["<Buffer", "10", "02>"],
    ] {
        let run = run(arguments.iter().copied());
        assert_eq!(run.code, 1, "{arguments:?}");
        assert!(
            run.out.contains("unfinished packet: 2 bytes of it"),
            "{}",
            run.out
        );
    }
    let nothing: Result<Pasted, _> = read(" , ");
    assert!(nothing.is_err());
}
