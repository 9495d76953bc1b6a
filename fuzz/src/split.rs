//! Bytes as they arrive: cut anywhere.

use bytes::BytesMut;
use mqtt5_codec::framing::{
    Frame, LARGEST_PACKET, Piece, Split, Splitter, SplitterOutput, StreamSplitter, split,
};
use mqtt5_codec::{DecodeError, Packet, PacketType, ProtocolVersion, Violation};

/// What one pass over the whole input finds.
struct Pass<'a> {
    /// Start and bytes of each whole packet.
    packets: Vec<(usize, &'a [u8])>,
    /// Where the last of them ends.
    end: usize,
    /// What stops the pass, unless the input just ends.
    error: Option<DecodeError>,
}

/// Runs every splitter over the input as it is cut, and compares with one pass over the whole.
///
/// The input is the header below, then the stream:
///
/// | bytes | meaning |
/// | --- | --- |
/// | 1 | number of chunk lengths, modulo 16 |
/// | that many | chunk lengths, used in a circle; 0 stands for 256 |
/// | 1 | largest packet that the [`StreamSplitter`] buffers |
/// | 1 | Maximum Packet Size; 0 for none |
///
/// # Panics
///
/// If they disagree.
pub fn check(data: &[u8]) {
    let Some((&number, rest)) = data.split_first() else {
        return;
    };
    let Some((lengths, rest)) = rest.split_at_checked(usize::from(number % 16)) else {
        return;
    };
    let [buffer_limit, maximum_packet_size, stream @ ..] = rest else {
        return;
    };
    let maximum_packet_size = match u32::from(*maximum_packet_size) {
        0 => LARGEST_PACKET,
        small => small,
    };
    let pass = one_pass(stream, maximum_packet_size);
    growing_slice(stream, lengths, maximum_packet_size, &pass);
    splitter(stream, lengths, maximum_packet_size, &pass);
    // Where the payload of a PUBLISH begins depends on the version.
    for &version in ProtocolVersion::ALL {
        Pieces {
            version,
            stream,
            pass: &pass,
            buffer_limit: usize::from(*buffer_limit),
            position: 0,
            packet: 0,
            payload_left: 0,
        }
        .run(lengths, maximum_packet_size);
    }
}

fn one_pass(stream: &[u8], maximum_packet_size: u32) -> Pass<'_> {
    let mut pass = Pass {
        packets: Vec::new(),
        end: 0,
        error: None,
    };
    loop {
        match split(&stream[pass.end..], maximum_packet_size) {
            Ok(Split::Packet { packet, rest }) => {
                pass.packets.push((pass.end, packet.as_bytes()));
                pass.end += packet.as_bytes().len();
                assert_eq!(rest, &stream[pass.end..]);
            }
            Ok(Split::Incomplete { needed }) => {
                assert!(needed > 0);
                return pass;
            }
            Err(error) => {
                pass.error = Some(error);
                return pass;
            }
        }
    }
}

/// The ends of the chunks: the first few as the lengths say, then ever longer ones, so that long
/// inputs take no quadratic time.
fn chunk_ends(length: usize, lengths: &[u8]) -> impl Iterator<Item = usize> {
    let mut end = 0;
    let mut lengths = lengths.iter().cycle();
    std::iter::from_fn(move || {
        if end == length {
            return None;
        }
        let chunk = lengths.next().map_or(length, |&chunk| match chunk {
            0 => 256,
            chunk => usize::from(chunk),
        });
        end = (end + chunk.max(end / 64)).min(length);
        Some(end)
    })
}

/// `needed` more bytes never reach beyond the end of the packet that begins at `start`.
fn check_needed(needed: usize, start: usize, available: usize, pass: &Pass<'_>) {
    assert!(needed > 0);
    let found = pass.packets.iter().find(|(at, _)| *at == start);
    if let Some((_, packet)) = found {
        assert!(available + needed <= packet.len(), "asked for too much");
    }
}

fn growing_slice(stream: &[u8], lengths: &[u8], maximum_packet_size: u32, pass: &Pass<'_>) {
    let mut packets = Vec::new();
    let mut start = 0;
    for end in chunk_ends(stream.len(), lengths) {
        loop {
            match split(&stream[start..end], maximum_packet_size) {
                Ok(Split::Packet { packet, .. }) => {
                    packets.push((start, packet.as_bytes()));
                    start += packet.as_bytes().len();
                }
                Ok(Split::Incomplete { needed }) => {
                    check_needed(needed, start, end - start, pass);
                    break;
                }
                Err(error) => {
                    assert_eq!(Some(error), pass.error);
                    assert_eq!(packets, pass.packets);
                    return;
                }
            }
        }
    }
    assert_eq!(packets, pass.packets);
    assert_eq!(None, pass.error);
}

fn splitter(stream: &[u8], lengths: &[u8], maximum_packet_size: u32, pass: &Pass<'_>) {
    let splitter = Splitter::new(maximum_packet_size);
    let mut buffer = BytesMut::new();
    let mut frames: Vec<Frame> = Vec::new();
    let mut fed = 0;
    let mut stopped = None;
    for end in chunk_ends(stream.len(), lengths) {
        buffer.extend_from_slice(&stream[fed..end]);
        fed = end;
        loop {
            match splitter.next(&mut buffer) {
                Ok(SplitterOutput::Ready(frame)) => frames.push(frame),
                Ok(SplitterOutput::Incomplete { needed }) => {
                    check_needed(needed, fed - buffer.len(), buffer.len(), pass);
                    break;
                }
                Err(error) => {
                    // The error stays, and nothing is taken.
                    let left = buffer.clone();
                    assert_eq!(splitter.next(&mut buffer), Err(error));
                    assert_eq!(buffer, left);
                    stopped = Some(error);
                    break;
                }
            }
        }
        if stopped.is_some() {
            break;
        }
    }
    assert_eq!(stopped, pass.error);
    assert_eq!(frames.len(), pass.packets.len());
    for (frame, (_, bytes)) in frames.iter().zip(&pass.packets) {
        assert_eq!(frame.bytes(), bytes);
        for &version in ProtocolVersion::ALL {
            assert_eq!(frame.decode(version), Packet::decode(version, bytes));
        }
    }
}

/// What the [`StreamSplitter`] takes off, held against the stream.
struct Pieces<'a> {
    version: ProtocolVersion,
    stream: &'a [u8],
    pass: &'a Pass<'a>,
    buffer_limit: usize,
    /// How many bytes of the stream were taken.
    position: usize,
    /// How many packets were begun.
    packet: usize,
    /// How much payload of the last one is to come.
    payload_left: usize,
}

impl Pieces<'_> {
    fn run(mut self, lengths: &[u8], maximum_packet_size: u32) {
        let mut splitter = StreamSplitter::new(maximum_packet_size, self.buffer_limit);
        let mut buffer = BytesMut::new();
        let mut fed = 0;
        for end in chunk_ends(self.stream.len(), lengths) {
            buffer.extend_from_slice(&self.stream[fed..end]);
            fed = end;
            loop {
                match splitter.next(self.version, &mut buffer) {
                    Ok(SplitterOutput::Ready(piece)) => {
                        self.piece(&piece, fed - buffer.len());
                        assert_eq!(splitter.payload_remaining(), self.payload_left);
                    }
                    Ok(SplitterOutput::Incomplete { needed }) => {
                        self.incomplete(needed, buffer.len());
                        break;
                    }
                    Err(error) => {
                        let left = buffer.clone();
                        assert_eq!(splitter.next(self.version, &mut buffer), Err(error));
                        assert_eq!(buffer, left);
                        self.stopped(error);
                        return;
                    }
                }
            }
        }
        assert_eq!(None, self.pass.error);
        // Nothing that is whole is left behind.
        assert!(self.packet >= self.pass.packets.len());
        if self.packet == self.pass.packets.len() {
            assert_eq!(self.position, self.pass.end);
        }
    }

    /// The bytes of the packet that begins next, if it is whole.
    fn next_packet(&self) -> Option<&[u8]> {
        self.pass.packets.get(self.packet).map(|(_, bytes)| *bytes)
    }

    fn piece(&mut self, piece: &Piece, end: usize) {
        let taken = &self.stream[self.position..end];
        match piece {
            Piece::Frame(frame) => {
                assert_eq!(self.payload_left, 0);
                assert_eq!(frame.bytes(), taken);
                assert_eq!(Some(taken), self.next_packet());
                assert!(taken.len() <= self.buffer_limit);
                self.packet += 1;
            }
            Piece::Head(head) => {
                assert_eq!(self.payload_left, 0);
                assert_eq!(head.bytes(), taken);
                assert!(taken.len() <= self.buffer_limit);
                self.payload_left = head.payload_length();
                assert_eq!(head.header().packet_size(), taken.len() + self.payload_left);
                if let Ok(publish) = head.decode(self.version) {
                    // Passed on, it is the same.
                    let mut again = Vec::new();
                    let encoded = publish.encode_head(self.version, &mut again);
                    assert_eq!(encoded, Ok(()));
                    assert_eq!(again, taken);
                }
                if let Some(packet) = self.next_packet() {
                    assert!(packet.len() > self.buffer_limit);
                    assert_eq!(taken.len() + self.payload_left, packet.len());
                    let whole = Packet::decode(self.version, packet).map(|packet| match packet {
                        Packet::Publish(publish) => publish,
                        _ => panic!("only PUBLISH has a head"),
                    });
                    let payload = &packet[taken.len()..];
                    let put_together = head.decode(self.version).map(|large| {
                        large
                            .with_payload(payload)
                            .expect("a payload of this length")
                    });
                    assert_eq!(put_together, whole);
                }
                self.packet += 1;
            }
            Piece::Payload(chunk) => {
                assert_eq!(chunk.bytes, taken);
                assert!(!taken.is_empty());
                self.payload_left -= taken.len();
                assert_eq!(chunk.remaining, self.payload_left);
            }
        }
        self.position = end;
    }

    fn incomplete(&self, needed: usize, available: usize) {
        assert!(needed > 0);
        if self.payload_left > 0 {
            assert_eq!((needed, available), (1, 0));
        } else if let Some(packet) = self.next_packet() {
            let end = match Packet::decode(self.version, packet) {
                Ok(Packet::Publish(publish)) if packet.len() > self.buffer_limit => {
                    packet.len() - publish.payload.len()
                }
                _ => packet.len(),
            };
            assert!(available + needed <= end, "asked for too much");
        }
    }

    /// The splitter stops where the pass stops, or earlier: at a packet that cannot be decoded, or
    /// whose head must not be buffered.
    fn stopped(&self, error: DecodeError) {
        // As the pass says it, which needs no version.
        let error = error.in_version(ProtocolVersion::V5_0);
        assert_eq!(self.payload_left, 0);
        let Some(packet) = self.next_packet() else {
            if self.pass.error != Some(error) {
                // Of a packet that is not whole its head can be wrong already.
                assert_eq!(self.pass.error, None);
                assert!(error.packet_type().is_some());
            }
            return;
        };
        assert!(packet.len() > self.buffer_limit);
        match Packet::decode(self.version, packet) {
            Ok(Packet::Publish(publish)) => {
                assert_eq!(error.violation(), Violation::BufferLimit);
                assert!(packet.len() - publish.payload.len() > self.buffer_limit);
            }
            Ok(other) => {
                assert_eq!(error.violation(), Violation::BufferLimit);
                assert_ne!(other.packet_type(), PacketType::Publish);
            }
            Err(_) => {}
        }
    }
}
