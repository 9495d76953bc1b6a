//! Limits and offsets of the splitters at their edges, and what is shared.

use mqtt5_codec::bytes::{Bytes, BytesMut};
use mqtt5_codec::framing::{
    Frame, LARGEST_PACKET, Piece, PublishHead, RawPacket, SplitterOutput, StreamSplitter,
};
use mqtt5_codec::{ProtocolVersion, Role, Violation};

/// A PUBLISH with QoS 0, topic "a/b", no properties, and four bytes of payload. Its head has 8 bytes.
const PUBLISH: &[u8] = b"\x30\x0A\x00\x03a/b\x00pays";
const HEAD: usize = 8;

fn head(bytes: &[u8], buffer_limit: usize) -> Option<PublishHead> {
    let mut buffer = BytesMut::from(bytes);
    let next =
        StreamSplitter::new(LARGEST_PACKET, buffer_limit).next(ProtocolVersion::V5_0, &mut buffer);
    match next.unwrap() {
        SplitterOutput::Ready(Piece::Head(head)) => Some(head),
        SplitterOutput::Ready(piece) => panic!("{piece:?}"),
        SplitterOutput::Incomplete { needed } => {
            assert_ne!(needed, 0);
            None
        }
    }
}

/// A head is handed out as soon as its last byte has come.
#[test]
fn a_head_needs_its_own_bytes_and_no_more() {
    assert_eq!(head(&PUBLISH[..HEAD - 1], HEAD), None);
    assert!(head(&PUBLISH[..HEAD], HEAD).is_some());
}

/// The buffer limit is the largest head that is taken.
#[test]
fn a_head_may_be_as_large_as_the_buffer_limit() {
    assert!(head(PUBLISH, HEAD).is_some());
    let mut buffer = BytesMut::from(PUBLISH);
    let error =
        StreamSplitter::new(LARGEST_PACKET, HEAD - 1).next(ProtocolVersion::V5_0, &mut buffer);
    assert_eq!(error.unwrap_err().violation(), Violation::BufferLimit);
}

/// MQTT-3.3.4-6: a Client sends no Subscription Identifier; the error names the byte of the packet where it stands.
#[test]
fn an_error_of_a_head_is_at_its_byte_of_the_packet() {
    let bytes = b"\x30\x0E\x00\x03a/b\x04\x01\x01\x0B\x07pays";
    let identifier_at = bytes.iter().position(|byte| *byte == 0x0B).unwrap();
    let head = head(bytes, 12).unwrap();
    let error = head.decode_from(ProtocolVersion::V5_0, Role::Client);
    assert_eq!(error.unwrap_err().offset(), identifier_at);
    assert!(
        head.decode_from(ProtocolVersion::V5_0, Role::Server)
            .is_ok()
    );
}

/// What is taken for one packet must be one: neither less nor more.
#[test]
fn a_whole_packet_has_its_length() {
    for length in 2..PUBLISH.len() {
        let error = RawPacket::whole(&PUBLISH[..length]).unwrap_err();
        assert_eq!(
            (error.violation(), error.offset()),
            (Violation::FieldTruncated, length)
        );
    }
    assert!(RawPacket::whole(PUBLISH).is_ok());
    let more = [PUBLISH, &[0xC0]].concat();
    let error = RawPacket::whole(&more).unwrap_err();
    assert_eq!(
        (error.violation(), error.offset()),
        (Violation::BytesLeftOver, PUBLISH.len())
    );
}

fn violation(packet: &[u8]) -> Option<Violation> {
    let packet = RawPacket::whole(packet).unwrap();
    packet
        .decode(ProtocolVersion::V5_0)
        .err()
        .map(|error| error.violation())
}

/// MQTT-4.7.3-1: a Topic Name has a character. Only that of a PUBLISH with a Topic Alias may be missing.
#[test]
fn a_topic_name_must_not_be_empty() {
    let will = b"\x10\x13\x00\x04MQTT\x05\x06\x00\x00\x00\x00\x01c\x00\x00\x00\x00\x00";
    assert_eq!(violation(will), Some(Violation::TopicNameEmpty));
    let response = b"\x30\x07\x00\x01t\x03\x08\x00\x00";
    assert_eq!(violation(response), Some(Violation::TopicNameEmpty));
    let alias = b"\x30\x06\x00\x00\x03\x23\x00\x01";
    assert_eq!(violation(alias), None);
}

/// Section 2.2.2.2: a Property Identifier that is cut is none that exists.
#[test]
fn a_property_identifier_that_is_cut_is_unknown() {
    for cut in [&[0x80][..], &[0xFF, 0xFF], &[0x80, 0x80, 0x80]] {
        let length = cut.len() as u8;
        let packet = [&[0x30, 4 + length, 0, 1, b't', length][..], cut].concat();
        assert_eq!(
            violation(&packet),
            Some(Violation::PropertyUnknown),
            "{cut:?}"
        );
    }
}

/// A part of a frame is shared. Anything else is copied, wherever in memory it lies.
#[test]
fn what_is_no_part_of_a_frame_is_copied() {
    let memory = Bytes::from([&[0xC0, 0][..], PUBLISH, &[0xC0, 0]].concat());
    let frame = Frame::new(memory.slice(2..2 + PUBLISH.len())).unwrap();
    for begin in 0..memory.len() {
        for end in begin..=memory.len() {
            let part = &memory[begin..end];
            let shared = frame.share(part);
            assert_eq!(shared, part);
            let inside = begin >= 2 && end <= 2 + PUBLISH.len();
            let is_shared = shared.as_ptr() == part.as_ptr();
            assert!(part.is_empty() || is_shared == inside, "{begin}..{end}");
        }
    }
}
