//! Limits and offsets of the splitters at their edges, and what is shared.

use mqtt5_codec::bytes::{Bytes, BytesMut};
use mqtt5_codec::framing::{
    Frame, LARGEST_PACKET, Piece, PublishHead, SplitterOutput, StreamSplitter,
};
use mqtt5_codec::{ProtocolVersion, Role, Violation};

/// A PUBLISH with QoS 0, topic "a/b", no properties, and four bytes of payload. Its head has 8 bytes.
const PUBLISH: &[u8] = b"\x30\x0A\x00\x03a/b\x00pays";
const HEAD: usize = 8;

fn head(bytes: &[u8], buffer_limit: usize) -> Option<PublishHead> {
    let mut buffer = BytesMut::from(bytes);
    let next = StreamSplitter::new(LARGEST_PACKET, buffer_limit).next(&mut buffer);
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
    let error = StreamSplitter::new(LARGEST_PACKET, HEAD - 1).next(&mut buffer);
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
