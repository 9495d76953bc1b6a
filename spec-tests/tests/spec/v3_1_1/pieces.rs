//! Large PUBLISH packets of MQTT 3.1.1 in pieces: there is no Property Length before the payload.

use bytes::BytesMut;
use mqtt5_codec::framing::{LARGEST_PACKET, Piece, SplitterOutput, StreamSplitter};
use mqtt5_codec::{Packet, PacketType, Publish, Role, Violation, strategies};
use proptest::prelude::*;

use super::strategies::any_packet;
use super::{V3_1_1, reference};
use crate::check::{Check, Kind, Outcome};
use crate::packets::{packet, prefixed};
use crate::random::property;

pub(super) fn checks() -> Vec<Check> {
    vec![
        property(
            "v3_1_1::large_publishes_arrive_in_pieces",
            10_000,
            (
                prop::collection::vec(any_packet(), 1..5),
                1_usize..60,
                prop::collection::vec(1_usize..20, 1..30),
            ),
            |(packets, limit, chunks)| in_pieces(&packets, limit, &chunks),
        ),
        Check::new(
            Kind::Domain,
            "v3_1_1::heads_cut_everywhere",
            heads_cut_everywhere,
        ),
        Check::new(
            Kind::Domain,
            "v3_1_1::heads_that_do_not_fit",
            heads_that_do_not_fit,
        ),
        property(
            "v3_1_1::a_head_says_what_the_packet_says",
            10_000,
            strategies::frame_of(super::V5_0, PacketType::Publish),
            |frame| {
                let packet = frame.decode(super::V5_0)?;
                match reference::write(&packet) {
                    Some(bytes) => head_is_right(&bytes),
                    None => Ok(()),
                }
            },
        ),
    ]
}

/// How many bytes the head of a PUBLISH has, fixed header included.
fn head_length(bytes: &[u8]) -> usize {
    let topic_at = header_length(bytes);
    let topic = u16::from_be_bytes([bytes[topic_at], bytes[topic_at + 1]]);
    let identifier = if bytes[0] & 0b0110 == 0 { 0 } else { 2 };
    topic_at + 2 + usize::from(topic) + identifier
}

fn header_length(bytes: &[u8]) -> usize {
    2 + bytes[1..].iter().take_while(|byte| **byte > 0x7F).count()
}

/// How many bytes are missing for certain before a packet, or the head of one above the limit, is there.
fn needed_for(bytes: &[u8], there: usize, limit: usize) -> usize {
    let topic_at = header_length(bytes);
    let whole = match there {
        0 => return 2,
        there if there < topic_at => return 1,
        _ if bytes.len() <= limit => bytes.len(),
        there if there < topic_at + 2 => topic_at + 2,
        _ => head_length(bytes),
    };
    whole - there
}

/// Packets of at most `limit` bytes arrive whole, larger PUBLISH packets in pieces that make them up; what is neither is
/// refused.
fn in_pieces(packets: &[Vec<u8>], limit: usize, chunks: &[usize]) -> Result<(), TestCaseError> {
    let all = packets.concat();
    let mut input = &all[..];
    let mut chunks = chunks.iter().cycle();
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, limit);
    let mut buffer = BytesMut::new();
    let mut expected = packets.iter();
    let mut arrived = Vec::new();
    loop {
        let next = expected.clone().next();
        match splitter.next(V3_1_1, &mut buffer) {
            Ok(SplitterOutput::Incomplete { needed }) => {
                let right = match (splitter.payload_remaining(), next) {
                    (0, Some(bytes)) => needed_for(bytes, buffer.len(), limit),
                    (0, None) => 2,
                    _ => 1,
                };
                prop_assert_eq!(
                    needed,
                    right,
                    "after {} bytes of {:02X?}",
                    buffer.len(),
                    next
                );
                if input.is_empty() {
                    break;
                }
                let chunk = chunks.next().map_or(1, |chunk| *chunk).min(input.len());
                let (now, later) = input.split_at(chunk);
                buffer.extend_from_slice(now);
                input = later;
                continue;
            }
            Ok(SplitterOutput::Ready(Piece::Frame(frame))) => {
                prop_assert!(frame.bytes().len() <= limit);
                arrived.extend_from_slice(frame.bytes());
            }
            Ok(SplitterOutput::Ready(Piece::Head(head))) => {
                let bytes = next.expect("a packet was sent");
                let large = head.decode(V3_1_1)?;
                let mut written = Vec::new();
                large.encode_head(V3_1_1, &mut written)?;
                prop_assert_eq!(&written, &bytes[..head_length(bytes)]);
                prop_assert!(bytes.len() > limit && written.len() <= limit);
                arrived.extend(written);
            }
            Ok(SplitterOutput::Ready(Piece::Payload(chunk))) => {
                prop_assert!(!chunk.bytes.is_empty());
                prop_assert_eq!(chunk.remaining, splitter.payload_remaining());
                arrived.extend_from_slice(&chunk.bytes);
            }
            Err(error) => {
                let bytes = next.expect("a packet was sent");
                let is_publish = bytes[0] >> 4 == 3;
                prop_assert!(bytes.len() > limit);
                prop_assert!(!is_publish || head_length(bytes) > limit);
                prop_assert_eq!(error.violation(), Violation::BufferLimit);
                prop_assert_eq!((error.version(), error.offset()), (V3_1_1, 1));
                return Ok(());
            }
        }
        if splitter.payload_remaining() == 0 {
            prop_assert_eq!(Some(&arrived), expected.next());
            arrived.clear();
        }
    }
    prop_assert_eq!(expected.next(), None);
    prop_assert_eq!(splitter.payload_remaining(), 0);
    Ok(())
}

/// Payloads that a splitter of 5.0 would take for properties, heads cut at every place.
fn heads_cut_everywhere() -> Outcome {
    let payloads: [&[u8]; 7] = [
        b"\x00",
        b"\x05",
        b"\x80",
        b"\xFF\xFF\xFF\xFF\xFF",
        b"\x03\x23\x00\x01hi",
        b"\x80\x00",
        b"\x02\x01\x01",
    ];
    let mut judged = 0;
    for payload in payloads {
        for (first_byte, identifier) in [(0x30, &b""[..]), (0x32, b"\x00\x0A"), (0x3D, b"\xFF\xFF")]
        {
            for topic in [&b"a"[..], b"a/b/c", &[b't'; 130]] {
                let bytes = packet(
                    first_byte,
                    &[&prefixed(topic), identifier, payload].concat(),
                );
                let packets = [bytes.clone(), b"\xC0\x00".to_vec()];
                for cut in 1..bytes.len() {
                    for limit in [head_length(&bytes), bytes.len() - 1] {
                        in_pieces(&packets, limit, &[cut, 1]).map_err(|error| error.to_string())?;
                        judged += 1;
                    }
                }
            }
        }
    }
    Ok(judged)
}

/// A Topic Name or Packet Identifier that runs past the end of the packet is seen before the payload comes, as in a
/// packet that arrives whole.
fn heads_that_do_not_fit() -> Outcome {
    let mut judged = 0;
    for topic in 0..12_u8 {
        for length in 0..12_u8 {
            for first_byte in [0x30, 0x32] {
                let body = [&[0, topic][..], &[b'a'; 12]].concat();
                let bytes = packet(first_byte, &body[..usize::from(length)]);
                let whole = Packet::decode(V3_1_1, &bytes);
                let mut buffer = BytesMut::from(&bytes[..]);
                let pieces = StreamSplitter::new(LARGEST_PACKET, 1).next(V3_1_1, &mut buffer);
                let limit = bytes.len() - 1;
                let mut buffer = BytesMut::from(&bytes[..]);
                let large = StreamSplitter::new(LARGEST_PACKET, limit).next(V3_1_1, &mut buffer);
                judged += 1;
                let fits = usize::from(topic) + 2 + usize::from(first_byte >> 1 & 1) * 2;
                if fits > usize::from(length) {
                    let expected = whole.expect_err("it does not fit");
                    let is_empty = expected.violation() == Violation::TopicNameEmpty;
                    assert!(is_empty || expected.violation() == Violation::FieldTruncated);
                    let found = [pieces, large];
                    for error in found.into_iter().map(|it| it.expect_err("it does not fit")) {
                        // What is above the limit need not be looked at.
                        let is_above = error.violation() == Violation::BufferLimit;
                        assert!(
                            error == expected || is_above || is_empty,
                            "{bytes:02X?}: {error}"
                        );
                    }
                } else if topic == 0 {
                    // That it is empty is seen when it is decoded.
                    assert!(whole.is_err());
                } else {
                    assert!(whole.is_ok(), "{bytes:02X?}");
                    // A head that takes the whole packet is above a limit that is below it.
                    let has_payload = fits < usize::from(length);
                    assert_eq!(large.is_ok(), has_payload, "{bytes:02X?}");
                }
            }
        }
    }
    Ok(judged)
}

fn head_is_right(bytes: &[u8]) -> Result<(), TestCaseError> {
    let Packet::Publish(publish) = Packet::decode(V3_1_1, bytes)? else {
        return Err(TestCaseError::fail("not a PUBLISH"));
    };
    let length = head_length(bytes);
    if length == bytes.len() {
        return Ok(());
    }
    let mut buffer = BytesMut::from(bytes);
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, length);
    let SplitterOutput::Ready(Piece::Head(head)) = splitter.next(V3_1_1, &mut buffer)? else {
        return Err(TestCaseError::fail("no head"));
    };
    for large in [
        head.decode(V3_1_1)?,
        head.decode_from(V3_1_1, Role::Client)?,
        head.decode_from(V3_1_1, Role::Server)?,
    ] {
        let whole: Option<Publish<'_>> = large.with_payload(publish.payload);
        prop_assert_eq!(whole, Some(publish));
    }
    Ok(())
}
