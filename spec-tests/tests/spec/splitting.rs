//! Property tests: how the network cuts a stream makes no difference.

use bytes::{Bytes, BytesMut};
use mqtt5_codec::framing::{
    Frame, LARGEST_PACKET, Piece, Split, Splitter, SplitterOutput, StreamSplitter, split,
};
use mqtt5_codec::internal::{decode_plain_publish, split_acknowledgement};
use mqtt5_codec::{DecodeError, Packet, PacketType, ProtocolVersion, Role, Violation, strategies};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::check::Check;
use crate::random::property;
use crate::reference::framing::{End, frames};
use crate::verdict::encode;

/// The most packets in a stream.
const PACKETS: usize = 8;

pub(crate) fn checks() -> Vec<Check> {
    let streams = || {
        let client = strategies::stream(ProtocolVersion::V5_0, Role::Client, PACKETS);
        prop_oneof![
            client,
            strategies::stream(ProtocolVersion::V5_0, Role::Server, PACKETS)
        ]
    };
    vec![
        property(
            "splitting::any_chunks_give_the_same_packets",
            10_000,
            streams(),
            any_chunks,
        ),
        property(
            "splitting::single_bytes_give_the_same_packets",
            3_000,
            streams(),
            |stream| {
                let single_bytes = stream
                    .chunks
                    .concat()
                    .into_iter()
                    .map(|byte| Bytes::from(vec![byte]));
                let chunks = single_bytes.collect();
                any_chunks(strategies::Stream {
                    frames: stream.frames,
                    chunks,
                })
            },
        ),
        property(
            "splitting::every_prefix_is_incomplete",
            3_000,
            strategies::frame(ProtocolVersion::V5_0),
            every_prefix,
        ),
        property(
            "splitting::short_ways_say_what_decoding_says",
            10_000,
            (
                streams(),
                any::<Index>(),
                any::<u8>(),
                prop_oneof![Just(LARGEST_PACKET), 2..64_u32],
            ),
            short_ways_say_what_decoding_says,
        ),
        property(
            "splitting::every_cut_of_a_stream",
            1_000,
            streams(),
            every_cut,
        ),
        property(
            "splitting::large_publishes_arrive_in_pieces",
            5_000,
            (streams(), 1_usize..80),
            |(stream, limit)| in_pieces(&stream, limit),
        ),
        property(
            "splitting::too_large_packets_are_refused_at_once",
            5_000,
            strategies::frame(ProtocolVersion::V5_0),
            too_large,
        ),
        property(
            "splitting::shared_parts_are_not_copied",
            3_000,
            strategies::frame_of(ProtocolVersion::V5_0, PacketType::Publish),
            shared_parts,
        ),
        property(
            "splitting::whatever_is_missing_is_named_exactly",
            20_000,
            prop::collection::vec(any::<u8>(), 0..12),
            any_bytes,
        ),
    ]
}

/// [`Splitter`] over chunks, and [`split`] over all bytes, find the packets that were sent.
fn any_chunks(stream: strategies::Stream) -> Result<(), TestCaseError> {
    let splitter = Splitter::new(LARGEST_PACKET);
    let mut stream_splitter = StreamSplitter::new(LARGEST_PACKET, usize::MAX);
    let mut buffers = (BytesMut::new(), BytesMut::new());
    let mut found = (Vec::new(), Vec::new());
    for chunk in &stream.chunks {
        buffers.0.extend_from_slice(chunk);
        while let SplitterOutput::Ready(frame) = splitter.next(&mut buffers.0)? {
            found.0.push(frame);
        }
        buffers.1.extend_from_slice(chunk);
        while let SplitterOutput::Ready(piece) =
            stream_splitter.next(ProtocolVersion::V5_0, &mut buffers.1)?
        {
            found.1.push(piece);
        }
    }
    prop_assert_eq!(
        splitter.next(&mut buffers.0)?,
        SplitterOutput::Incomplete { needed: 2 }
    );
    prop_assert_eq!(&found.0, &stream.frames);
    let pieces: Vec<Piece> = stream.frames.iter().cloned().map(Piece::Frame).collect();
    prop_assert_eq!(found.1, pieces);

    let all = stream.chunks.concat();
    let mut input = &all[..];
    for frame in &stream.frames {
        match split(input, LARGEST_PACKET)? {
            Split::Packet { packet, rest } => {
                prop_assert_eq!(packet.as_bytes(), frame.bytes());
                prop_assert_eq!(
                    packet.decode(ProtocolVersion::V5_0)?,
                    frame.decode(ProtocolVersion::V5_0)?
                );
                input = rest;
            }
            Split::Incomplete { needed } => prop_assert!(false, "{} bytes are missing", needed),
        }
    }
    prop_assert!(input.is_empty());
    Ok(())
}

/// A stream in which one byte was changed, perhaps: the short ways say what `split` and `decode` say.
fn short_ways_say_what_decoding_says(
    (stream, at, byte, limit): (strategies::Stream, Index, u8, u32),
) -> Result<(), TestCaseError> {
    let mut bytes = stream.chunks.concat();
    if !bytes.is_empty() {
        let at = at.index(bytes.len());
        bytes[at] = byte;
    }
    let mut input = &bytes[..];
    loop {
        let Ok(Split::Packet { packet, rest }) = split(input, limit.max(4)) else {
            prop_assert_eq!(split_acknowledgement(input), None);
            return Ok(());
        };
        let decoded = packet.decode(ProtocolVersion::V5_0);
        let publish = match decoded {
            Ok(Packet::Publish(publish)) if publish.properties.is_empty() => Some(publish),
            _ => None,
        };
        prop_assert_eq!(
            decode_plain_publish(ProtocolVersion::V5_0, &packet),
            publish
        );
        let acknowledgement = match decoded {
            Ok(decoded) if packet.as_bytes().len() == 4 && is_exchange(packet.packet_type()) => {
                let identifier = decoded.packet_identifier().expect("these have one");
                Some((packet.packet_type(), identifier, rest))
            }
            _ => None,
        };
        prop_assert_eq!(split_acknowledgement(input), acknowledgement);
        input = rest;
    }
}

fn is_exchange(packet_type: PacketType) -> bool {
    matches!(
        packet_type,
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp
    )
}

/// What all three splitters say about the same bytes.
fn all_splitters(
    input: &[u8],
) -> Result<Result<SplitterOutput<usize>, DecodeError>, TestCaseError> {
    let by_slice = split(input, LARGEST_PACKET).map(|found| match found {
        Split::Packet { packet, .. } => SplitterOutput::Ready(packet.as_bytes().len()),
        Split::Incomplete { needed } => SplitterOutput::Incomplete { needed },
    });
    let mut buffer = BytesMut::from(input);
    let by_buffer = Splitter::new(LARGEST_PACKET)
        .next(&mut buffer)
        .map(|found| match found {
            SplitterOutput::Ready(frame) => SplitterOutput::Ready(frame.bytes().len()),
            SplitterOutput::Incomplete { needed } => SplitterOutput::Incomplete { needed },
        });
    prop_assert_eq!(&by_buffer, &by_slice);
    let taken = match by_slice {
        Ok(SplitterOutput::Ready(length)) => length,
        // What is not a packet stays where it is, and so does an error.
        _ => 0,
    };
    prop_assert_eq!(&buffer[..], &input[taken..]);
    let mut buffer = BytesMut::from(input);
    let by_stream =
        StreamSplitter::new(LARGEST_PACKET, usize::MAX).next(ProtocolVersion::V5_0, &mut buffer);
    let by_stream = by_stream.map(|found| match found {
        SplitterOutput::Ready(Piece::Frame(frame)) => SplitterOutput::Ready(frame.bytes().len()),
        SplitterOutput::Ready(_) => SplitterOutput::Ready(usize::MAX),
        SplitterOutput::Incomplete { needed } => SplitterOutput::Incomplete { needed },
    });
    prop_assert_eq!(&by_stream, &by_slice);
    Ok(by_slice)
}

/// A strict prefix of a valid packet is never a packet and never an error, and what it lacks is
/// known exactly once the fixed header is there.
fn every_prefix(frame: Frame) -> Result<(), TestCaseError> {
    let bytes = frame.bytes();
    let header_length = frame.header().length();
    // Everywhere around the ends, and at some places between.
    let middle = (64..bytes.len()).step_by(1 + bytes.len() / 200);
    let near_end = bytes.len().saturating_sub(16)..bytes.len();
    for cut in (0..bytes.len().min(64)).chain(middle).chain(near_end) {
        let needed = match cut {
            0 => 2,
            cut if cut < header_length => 1,
            cut => bytes.len() - cut,
        };
        prop_assert_eq!(
            all_splitters(&bytes[..cut])?,
            Ok(SplitterOutput::Incomplete { needed })
        );
        prop_assert!(Packet::decode(ProtocolVersion::V5_0, &bytes[..cut]).is_err());
    }
    prop_assert_eq!(
        all_splitters(bytes)?,
        Ok(SplitterOutput::Ready(bytes.len()))
    );
    Ok(())
}

/// Cut in two at every position.
fn every_cut(stream: strategies::Stream) -> Result<(), TestCaseError> {
    let all = Bytes::from(stream.chunks.concat());
    let positions = (0..=all.len()).step_by(1 + all.len() / 400);
    for cut in positions {
        let chunks = vec![all.slice(..cut), all.slice(cut..)];
        any_chunks(strategies::Stream {
            frames: stream.frames.clone(),
            chunks,
        })?;
    }
    Ok(())
}

/// A publish, and how much of its payload is there.
struct Arriving {
    head: Vec<u8>,
    payload: Vec<u8>,
    left: usize,
}

/// With a low limit on what is buffered, the pieces of a PUBLISH put together give the packet, and
/// other packets are refused.
fn in_pieces(stream: &strategies::Stream, limit: usize) -> Result<(), TestCaseError> {
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, limit);
    let mut buffer = BytesMut::new();
    let mut expected = stream.frames.iter();
    let mut arriving: Option<Arriving> = None;
    for chunk in &stream.chunks {
        buffer.extend_from_slice(chunk);
        loop {
            match splitter.next(ProtocolVersion::V5_0, &mut buffer) {
                Ok(SplitterOutput::Incomplete { needed }) => {
                    let expected_need = match (&arriving, expected.clone().next()) {
                        (Some(_), _) => 1,
                        (None, Some(whole)) => needed_for(whole.bytes(), buffer.len(), limit),
                        (None, None) => 2,
                    };
                    prop_assert_eq!(needed, expected_need, "after {} bytes", buffer.len());
                    break;
                }
                Ok(SplitterOutput::Ready(Piece::Frame(frame))) => {
                    prop_assert!(frame.bytes().len() <= limit);
                    prop_assert_eq!(Some(&frame), expected.next());
                }
                Ok(SplitterOutput::Ready(Piece::Head(head))) => {
                    let whole = expected.clone().next().expect("a packet was sent");
                    let Packet::Publish(publish) = whole.decode(ProtocolVersion::V5_0)? else {
                        return Err(TestCaseError::fail("the head of something else"));
                    };
                    prop_assert!(whole.bytes().len() > limit);
                    let large = head.decode(ProtocolVersion::V5_0)?;
                    prop_assert_eq!(large.with_payload(publish.payload), Some(publish));
                    prop_assert_eq!(large.payload_length, publish.payload.len());
                    prop_assert_eq!(large.with_payload(&[]), None);
                    prop_assert_eq!(head.payload_length(), publish.payload.len());
                    let mut bytes = encode(&Packet::Publish(publish));
                    bytes.truncate(bytes.len() - publish.payload.len());
                    let left = head.payload_length();
                    arriving = Some(Arriving {
                        head: bytes,
                        payload: Vec::new(),
                        left,
                    });
                }
                Ok(SplitterOutput::Ready(Piece::Payload(chunk))) => {
                    let part = arriving.as_mut().expect("a head comes first");
                    prop_assert!(!chunk.bytes.is_empty());
                    part.payload.extend_from_slice(&chunk.bytes);
                    part.left -= chunk.bytes.len();
                    prop_assert_eq!(chunk.remaining, part.left);
                }
                Err(error) => {
                    let refused = expected.next().expect("a packet was sent");
                    prop_assert_eq!(error.violation(), Violation::BufferLimit);
                    prop_assert!(refused.bytes().len() > limit);
                    return Ok(());
                }
            }
            let left = arriving.as_ref().map_or(0, |part| part.left);
            prop_assert_eq!(splitter.payload_remaining(), left);
            if let Some(whole) = arriving.take_if(|part| part.left == 0) {
                let sent = expected.next().expect("a packet was sent");
                prop_assert_eq!([whole.head, whole.payload].concat(), &sent.bytes()[..]);
            }
        }
    }
    prop_assert_eq!(expected.next(), None);
    Ok(())
}

/// How many bytes are missing for certain before a packet, or the head of one above the limit, is there.
fn needed_for(whole: &[u8], there: usize, limit: usize) -> usize {
    let number_at = |at: usize| 1 + whole[at..].iter().take_while(|byte| **byte > 0x7F).count();
    let topic_at = 1 + number_at(1);
    if there < topic_at {
        return if there == 0 { 2 } else { 1 };
    }
    if whole.len() <= limit {
        return whole.len() - there;
    }
    if there < topic_at + 2 {
        return topic_at + 2 - there;
    }
    let topic = u16::from_be_bytes([whole[topic_at], whole[topic_at + 1]]);
    let identifier = if whole[0] & 0b0110 == 0 { 0 } else { 2 };
    let properties_at = topic_at + 2 + usize::from(topic) + identifier;
    let properties = properties_at + number_at(properties_at);
    if there < properties {
        return there.max(properties_at) + 1 - there;
    }
    let length = whole[properties_at..properties]
        .iter()
        .rev()
        .fold(0, |length, byte| length << 7 | usize::from(byte & 0x7F));
    properties + length - there
}

/// As soon as the fixed header is there, and before.
fn too_large(frame: Frame) -> Result<(), TestCaseError> {
    let bytes = frame.bytes();
    let size = bytes.len() as u32;
    for there in 1..=bytes.len() {
        let complete_header = there >= frame.header().length();
        let found = split(&bytes[..there], size - 1);
        match found {
            Err(error) if complete_header => {
                prop_assert_eq!(error.violation(), Violation::PacketTooLarge);
                prop_assert_eq!(error.reason_code().to_byte(), 0x95);
                prop_assert_eq!(error.packet_type(), Some(frame.packet_type()));
            }
            Ok(Split::Incomplete { needed: 1 }) if !complete_header => {}
            other => prop_assert!(false, "{:?} after {} bytes", other, there),
        }
        prop_assert!(split(&bytes[..there], size).is_ok());
    }
    Ok(())
}

/// What is shared lies in the memory of the frame.
fn shared_parts(frame: Frame) -> Result<(), TestCaseError> {
    let Packet::Publish(publish) = frame.decode(ProtocolVersion::V5_0)? else {
        return Err(TestCaseError::fail("not a PUBLISH"));
    };
    let memory = frame.bytes().as_ptr_range();
    let topic = publish.topic.map_or("", |topic| topic.as_str());
    for part in [publish.payload, topic.as_bytes()] {
        let shared = frame.share(part);
        prop_assert_eq!(&shared[..], part);
        prop_assert!(part.is_empty() || memory.contains(&shared.as_ptr()));
    }
    // And what does not lie in the frame is copied.
    prop_assert_eq!(&frame.share(b"elsewhere")[..], b"elsewhere");
    Ok(())
}

/// Of any bytes whatever, all splitters say what the reference says.
fn any_bytes(input: Vec<u8>) -> Result<(), TestCaseError> {
    let (lengths, end) = frames(&input);
    let expected = match (lengths.first(), end) {
        (Some(&length), _) => Ok(SplitterOutput::Ready(length)),
        (None, End::Inside { needed }) => Ok(SplitterOutput::Incomplete { needed }),
        (None, End::Wrong { offset }) => Err(offset),
        (None, End::Border) => return Err(TestCaseError::fail("nothing and no end")),
    };
    prop_assert_eq!(
        all_splitters(&input)?.map_err(DecodeError::offset),
        expected
    );
    Ok(())
}
