//! Files: compressed, several, damaged, and those that are not there.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use mqtt5_codec::Role::Client;

use crate::frames::{CONNACK, CONNECT, Frame, PINGREQ, Recorder, pcap, publish};
use crate::{Run, run, run_with};

/// Files in a folder of their own, which goes away.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("dissect-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, content: &[u8]) -> String {
        fs::write(self.0.join(name), content).unwrap();
        self.path(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn recording(identifier: u8) -> Recorder {
    let mut recorder = Recorder::new();
    recorder
        .client(CONNECT)
        .server(CONNACK)
        .client(&publish(identifier, b"x"));
    recorder
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(bytes, level)
}

#[test]
fn compressed_recordings() {
    let file = recording(1).file();
    let plain = Run::of_recording(&file);
    let (start, end) = file.split_at(100);
    let skipped = [b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), zstd(&file)].concat();
    for packed in [
        gzip(&file),
        zstd(&file),
        // Several files in a row are one.
        [gzip(start), gzip(end)].concat(),
        [zstd(start), zstd(end)].concat(),
        skipped,
    ] {
        let run = Run::of_recording(&packed);
        assert_eq!((run.code, &run.out, &*run.errors), (0, &plain.out, ""));
    }
    // Bytes of packets can be compressed, too.
    assert_eq!(Run::of_recording(&gzip(PINGREQ)).code, 0);
}

#[test]
fn compressed_recordings_that_end_too_early() {
    let mut recorder = recording(1);
    for identifier in 2..200 {
        recorder.client(&publish(identifier, &[identifier; 200]));
    }
    let file = recorder.file();
    for packed in [gzip(&file), zstd(&file)] {
        let run = Run::of_recording(&packed[..packed.len() / 2]);
        assert_eq!(run.code, 2);
        assert!(run.errors.contains("the compressed file"), "{}", run.errors);
    }
    let run = Run::of_recording(&gzip(&file)[..gzip(&file).len() / 2]);
    assert!(run.out.contains("Packet Identifier 1"), "{}", run.out);
    assert!(run.errors.contains("ends too early"), "{}", run.errors);
}

#[test]
fn other_compressions_are_named() {
    for (start, name) in [(&b"\xFD7zXZ\0\0\x04"[..], "xz"), (b"BZh91AY&SY", "bzip2")] {
        let run = Run::of_recording(start);
        assert_eq!(run.code, 2);
        assert!(run.errors.contains(name), "{}", run.errors);
    }
}

#[test]
fn several_files() {
    let folder = Folder::new("several");
    let first = folder.file("first.pcap", &recording(1).file());
    let second = folder.file("second.pcap.gz", &gzip(&recording(2).file()));
    let raw = folder.file("raw.bin", &publish(3, b"x"));
    let text = folder.file("text.txt", b"c0 00\n");
    let all = [&first, &second, &raw, &text].map(Clone::clone);
    let run = run(all.clone());
    assert_eq!((run.code, &*run.errors), (0, ""), "{}", run.out);
    let mut rest = &run.out[..];
    let identifiers = [
        "Packet Identifier 1",
        "Packet Identifier 2",
        "Packet Identifier 3",
        "PINGREQ",
    ];
    for (name, content) in all.iter().zip(identifiers) {
        let after = rest.split_once(&**name).expect("a title").1;
        rest = after.split_once(content).expect("what the file holds").1;
    }
}

#[test]
fn files_that_cannot_be_read() {
    let folder = Folder::new("missing");
    let there = folder.file("there.pcap", &recording(1).file());
    let missing = folder.path("nothing.pcap");
    let run_both = run([missing.clone(), there]);
    assert_eq!(run_both.code, 2);
    assert_eq!(
        run_both.errors,
        format!("dissect: {missing}: no such file\n")
    );
    assert!(
        run_both.out.contains("Packet Identifier 1"),
        "{}",
        run_both.out
    );

    for name in ["nothing.pcap", "recording", "./c0", "a/b", "sub dir.pcapng"] {
        let run = run([name]);
        assert_eq!(run.code, 2);
        assert_eq!(run.errors, format!("dissect: {name}: no such file\n"));
    }
    let directory = run([folder.0.to_str().unwrap()]);
    assert_eq!(directory.code, 2);
    assert!(
        directory.errors.contains("a directory"),
        "{}",
        directory.errors
    );
}

#[test]
fn a_recording_in_parts() {
    let folder = Folder::new("parts");
    let frames = recording(1).frames;
    // A packet that goes on in the second part.
    let mut whole = recording(1);
    whole.segment = 50;
    whole.client(&publish(2, &[b'x'; 500])).client(PINGREQ);
    let (first, second) = whole.frames.split_at(frames.len() + 4);
    let mut second = pcap(second);
    second[24] += 1;
    let first = folder.file("part1.pcap", &pcap(first));
    let second = folder.file("part0.pcap", &second);
    let joined = run(["--join", &*second, &*first]);
    assert_eq!(joined.code, 0, "{}", joined.errors);
    assert!(
        joined.out.contains("1 connection, 5 packets"),
        "{}",
        joined.out
    );
    assert!(joined.out.contains("511 bytes"), "{}", joined.out);
    assert_eq!(run(["--join", &*first, "nothing.pcap"]).code, 2);
}

#[test]
fn recordings_without_mqtt() {
    let udp = {
        let mut bytes = Vec::new();
        etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .udp(1, 2)
            .write(&mut bytes, b"hello")
            .unwrap();
        bytes
    };
    let mut arp = vec![2; 60];
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    let mut fragment = recording(1).frames[2].bytes.clone();
    fragment[20] |= 0x20;
    let mut tls = Recorder::new();
    tls.client(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03")
        .server(b"\x15\x03\x03\0\x02\x02\x28");
    let whole = |bytes: Vec<u8>| Frame {
        recorded: bytes.len(),
        bytes,
    };
    let mut frames = vec![whole(udp), whole(arp), whole(fragment)];
    frames.extend(tls.frames);
    let run = Run::of_recording(&pcap(&frames));
    assert_eq!(run.code, 2);
    assert!(run.out.contains("TLS"), "{}", run.out);
    let counts = "Passed over 7 of 7 recorded frames: 1 not IP, 1 IP fragment, \
                  1 not TCP but UDP and 4 in 1 connection without MQTT.";
    assert!(run.out.contains(counts), "{}", run.out);
    assert!(
        run.out.contains("No packet of MQTT could be read."),
        "{}",
        run.out
    );

    let empty = Run::of_recording(&pcap(&[]));
    assert_eq!(empty.code, 2);
    assert!(
        empty.out.contains("The recording holds no frames."),
        "{}",
        empty.out
    );
}

#[test]
fn text_in_a_file_and_from_standard_input() {
    for text in ["c0 00", "00000000: c000  ..\n", "\u{feff}0xC0, 0x00\r\n"] {
        let run = run_with(["-"], text.as_bytes());
        assert_eq!(run.code, 0, "{}", run.errors);
        assert!(run.out.contains("PINGREQ"), "{}", run.out);
    }
    // As a shell of Windows writes text.
    let wide: Vec<u8> = "\u{feff}c0 00"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(run_with(["-"], &wide).code, 0);
    assert_eq!(run_with(["-"], b"").code, 2);
    let nonsense = run_with(["-"], b"what is this?");
    assert_eq!(nonsense.code, 2);
    assert!(
        nonsense
            .errors
            .contains("neither a recording nor packets nor bytes as text")
    );
}

#[test]
fn exit_codes() {
    assert_eq!(run(["c0", "00"]).code, 0);
    assert_eq!(run(["c1", "00"]).code, 1);
    assert_eq!(run(["c0"]).code, 1);
    assert_eq!(run(["--from", "server", "c000"]).code, 1);
    assert_eq!(run(["100c", "00044d515454", "04", "02003c0000"]).code, 0);
    assert_eq!(run(["100c", "00044d515454", "03", "02003c0000"]).code, 2);
    assert_eq!(run(["b0020007"]).code, 1);
    assert_eq!(run(["--mqtt", "3.1.1", "b0020007"]).code, 0);
    assert_eq!(run(["--nonsense"]).code, 2);
    assert_eq!(run(["--help"]).code, 0);
    let mut recorder = recording(1);
    recorder.send(Client, b"\xc1\0");
    assert_eq!(Run::of_recording(&recorder.file()).code, 1);
    assert_eq!(
        run_with(["--from", "client", "-"], &recording(1).file()).code,
        2
    );
    // The recorded session has a malformed packet on purpose.
    let session = run([""; 0]);
    assert_eq!(session.code, 0);
    assert!(
        session.out.contains("86 packets, 1 malformed"),
        "{}",
        session.out
    );
}
