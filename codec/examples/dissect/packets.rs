//! Packets out of a stream of which parts may be missing.
//!
//! Where a packet begins is known at the start of a stream, and from packet to packet by their
//! lengths. A gap inside a packet changes nothing about that, if its size is known. Any other gap
//! does: the reader then waits until a segment begins with what can hardly be anything but packets,
//! says so, and holds nothing against the sender that is found there.

use bytes::BytesMut;
use mqtt5_codec::framing::{
    FixedHeader, LARGEST_PACKET, Piece, PublishHead, RawPacket, Split, SplitterOutput,
    StreamSplitter, split,
};
use mqtt5_codec::{DecodeError, Packet, PacketType, ProtocolVersion, Role};

use crate::capture::{Content, Moment, Stream};

/// Something that one side sent.
#[derive(Debug)]
pub(crate) struct Entry {
    /// When all of it had been seen.
    pub(crate) seen: Moment,
    pub(crate) sender: Role,
    pub(crate) item: Item,
}

/// What a side sent, or what is known about it.
#[derive(Debug, PartialEq)]
pub(crate) enum Item {
    /// A packet that is whole and valid.
    Packet(Vec<u8>),
    /// A packet that breaks a rule, as far as it is there. Nothing follows from this side.
    Malformed { bytes: Vec<u8>, error: DecodeError },
    /// A packet of which a part was not recorded.
    Incomplete {
        header: FixedHeader,
        /// What was recorded before the first gap.
        start: Vec<u8>,
        /// How many bytes of it were recorded at all.
        recorded: u64,
        /// Whether the recording shows its end.
        is_over: bool,
    },
    /// A refusal in the form of MQTT 3.1.1, which is how servers of that version answer.
    OldRefusal(u8),
    /// The stream ends inside a packet.
    Unfinished {
        bytes: Vec<u8>,
        needed: usize,
        is_closed: bool,
    },
    /// Nobody knows where the next packet begins.
    Lost(Lost),
    /// What follows is read again, because it looks like packets.
    Regained(PassedOver),
    /// The stream ends before that.
    NeverRegained(PassedOver),
}

/// Why nobody knows where the next packet begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Because the start of the stream was not recorded.
    Start,
    /// Because of a gap, between packets or in a fixed header of which these bytes are there.
    Gap { header: Vec<u8> },
    /// Because what looked like packets were none, or such as break a rule.
    Doubt(DecodeError),
}

/// What was passed over while nobody knew where a packet begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PassedOver {
    /// Bytes that were recorded.
    pub(crate) recorded: u64,
    /// Bytes that were not.
    pub(crate) missing: u64,
    /// Whether even more may be missing, nobody knows how many.
    pub(crate) is_vague: bool,
}

/// Reads the packets that one side sent. `is_certain` says whether the stream is known to be one of
/// this version of MQTT, and `end` is when the recording of the connection ends.
pub(crate) fn read(
    stream: &Stream<'_>,
    version: ProtocolVersion,
    sender: Role,
    is_certain: bool,
    end: Moment,
) -> Vec<Entry> {
    let mut reader = Reader {
        stream,
        version,
        sender,
        is_certain,
        state: State::Reading,
        buffer: Vec::new(),
        entries: Vec::new(),
    };
    for (index, piece) in stream.pieces.iter().enumerate() {
        match &piece.content {
            Content::Bytes(bytes) => reader.bytes(index, bytes, piece.seen),
            Content::Missing(length) => reader.missing(index, *length, piece.seen),
        }
    }
    reader.finish(end);
    reader.entries
}

impl Item {
    /// Whether it is a packet, or a part of one.
    pub(crate) fn is_packet(&self) -> bool {
        matches!(
            self,
            Item::Packet(_) | Item::Malformed { .. } | Item::Incomplete { .. }
        )
    }
}

struct Reader<'s> {
    stream: &'s Stream<'s>,
    version: ProtocolVersion,
    sender: Role,
    /// Whether bytes that break a rule are the fault of the sender.
    is_certain: bool,
    state: State,
    /// The start of a packet that is not whole yet, while reading.
    buffer: Vec<u8>,
    entries: Vec<Entry>,
}

enum State {
    Reading,
    /// Inside a packet of which a part is missing.
    Skipping(Skipped),
    Lost(PassedOver),
    /// A malformed packet was there.
    Broken,
}

struct Skipped {
    header: FixedHeader,
    start: Vec<u8>,
    recorded: u64,
    /// How many bytes are to come.
    left: u64,
}

impl Reader<'_> {
    fn bytes(&mut self, index: usize, bytes: &[u8], seen: Moment) {
        match &mut self.state {
            State::Broken => {}
            State::Reading => {
                self.buffer.extend_from_slice(bytes);
                self.take_packets(seen);
            }
            State::Skipping(skipped) => {
                let here = skipped.left.min(bytes.len() as u64);
                skipped.left -= here;
                skipped.recorded += here;
                self.end_if_skipped(seen);
                let rest = &bytes[here as usize..];
                if !rest.is_empty() {
                    self.bytes(index, rest, seen);
                }
            }
            State::Lost(passed_over) => {
                let passed_over = *passed_over;
                if begins_with_packets(self.stream, self.version, index, self.sender) {
                    self.add(Item::Regained(passed_over), seen);
                    self.is_certain = false;
                    self.state = State::Reading;
                    self.bytes(index, bytes, seen);
                } else if let State::Lost(passed_over) = &mut self.state {
                    passed_over.recorded += bytes.len() as u64;
                }
            }
        }
    }

    fn missing(&mut self, index: usize, length: Option<u64>, seen: Moment) {
        match &mut self.state {
            State::Broken => {}
            State::Reading => {
                match FixedHeader::peek(&self.buffer) {
                    Ok(Some(header)) => {
                        let start = std::mem::take(&mut self.buffer);
                        self.state = State::Skipping(Skipped {
                            header,
                            recorded: start.len() as u64,
                            left: (header.packet_size() - start.len()) as u64,
                            start,
                        });
                    }
                    _ => {
                        let header = std::mem::take(&mut self.buffer);
                        let lost = if index == 0 && length.is_none() {
                            Lost::Start
                        } else {
                            Lost::Gap { header }
                        };
                        self.lose(lost, seen);
                    }
                }
                self.missing(index, length, seen);
            }
            State::Skipping(skipped) => {
                let here = length.unwrap_or(u64::MAX).min(skipped.left);
                if length.is_some() {
                    skipped.left -= here;
                }
                let rest = length.map(|length| length - here);
                if length.is_some() && skipped.left > 0 {
                    return;
                }
                if length.is_none() {
                    self.skipped(seen);
                } else {
                    self.end_if_skipped(seen);
                }
                if rest != Some(0) {
                    if matches!(self.state, State::Reading) {
                        self.lose(Lost::Gap { header: Vec::new() }, seen);
                    }
                    self.missing(index, rest, seen);
                }
            }
            State::Lost(passed_over) => match length {
                Some(length) => passed_over.missing += length,
                None => passed_over.is_vague = true,
            },
        }
    }

    fn finish(&mut self, end: Moment) {
        match std::mem::replace(&mut self.state, State::Broken) {
            State::Reading if !self.buffer.is_empty() => {
                let bytes = std::mem::take(&mut self.buffer);
                let needed = match split(&bytes, LARGEST_PACKET) {
                    Ok(Split::Incomplete { needed }) => needed,
                    _ => 0,
                };
                let is_closed = self.stream.is_closed;
                self.add(
                    Item::Unfinished {
                        bytes,
                        needed,
                        is_closed,
                    },
                    end,
                );
            }
            State::Skipping(skipped) => {
                self.state = State::Skipping(skipped);
                self.skipped(self.stream.end());
            }
            State::Lost(passed_over) => self.add(Item::NeverRegained(passed_over), end),
            State::Reading | State::Broken => {}
        }
    }

    /// Takes all packets off the buffer that are whole.
    fn take_packets(&mut self, seen: Moment) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut rest = &buffer[..];
        let failure = loop {
            match split(rest, LARGEST_PACKET) {
                Ok(Split::Packet {
                    packet,
                    rest: after,
                }) => {
                    if let Err(error) = decode(&packet, self.version, Some(self.sender)) {
                        break Some((packet.as_bytes(), error));
                    }
                    self.add(Item::Packet(packet.as_bytes().to_vec()), seen);
                    rest = after;
                }
                Ok(Split::Incomplete { .. }) => break None,
                Err(error) => break Some((rest, error)),
            }
        };
        match failure {
            None => {
                // The start of a long packet stays where it is.
                let used = buffer.len() - rest.len();
                buffer.drain(..used);
                self.buffer = buffer;
            }
            Some((packet, error)) => match self.old_refusal(packet) {
                Some(code) => {
                    self.add(Item::OldRefusal(code), seen);
                    self.state = State::Broken;
                }
                None => self.wrong(packet.to_vec(), rest.len(), error, seen),
            },
        }
    }

    /// The Return Code of a CONNACK of MQTT 3.1.1 that refuses a connection.
    fn old_refusal(&self, packet: &[u8]) -> Option<u8> {
        let is_first = self.entries.is_empty()
            && self.sender == Role::Server
            && self.version == ProtocolVersion::V5_0;
        match packet {
            [0x20, 2, 0, code @ 1..=5] if is_first => Some(*code),
            _ => None,
        }
    }

    /// Takes note of bytes that break a rule, and of how many there are from them on.
    fn wrong(&mut self, bytes: Vec<u8>, rest: usize, error: DecodeError, seen: Moment) {
        if self.is_certain {
            self.add(Item::Malformed { bytes, error }, seen);
            self.state = State::Broken;
        } else {
            self.lose(Lost::Doubt(error), seen);
            self.state = State::Lost(PassedOver {
                recorded: rest as u64,
                ..PassedOver::default()
            });
        }
    }

    fn end_if_skipped(&mut self, seen: Moment) {
        if let State::Skipping(Skipped { left: 0, .. }) = self.state {
            self.skipped(seen);
        }
    }

    /// Ends a packet of which a part is missing, with whatever is known of it.
    fn skipped(&mut self, seen: Moment) {
        let State::Skipping(skipped) = std::mem::replace(&mut self.state, State::Reading) else {
            return;
        };
        if let Err(error) = publish_head(skipped.header, &skipped.start, self.version, self.sender)
        {
            let recorded = skipped.recorded as usize;
            return self.wrong(skipped.start, recorded, error, seen);
        }
        self.add(
            Item::Incomplete {
                header: skipped.header,
                start: skipped.start,
                recorded: skipped.recorded,
                is_over: skipped.left == 0,
            },
            seen,
        );
    }

    fn lose(&mut self, lost: Lost, seen: Moment) {
        self.add(Item::Lost(lost), seen);
        self.state = State::Lost(PassedOver::default());
    }

    fn add(&mut self, item: Item, seen: Moment) {
        self.entries.push(Entry {
            seen,
            sender: self.sender,
            item,
        });
    }
}

/// Decodes a packet, knowing or not who sent it.
pub(crate) fn decode<'a>(
    raw: &RawPacket<'a>,
    version: ProtocolVersion,
    sender: Option<Role>,
) -> Result<Packet<'a>, DecodeError> {
    match sender {
        Some(sender) => raw.decode_from(version, sender),
        None => raw.decode(version),
    }
}

/// Everything of a PUBLISH packet but the payload, out of the start of the packet. Nothing if it is
/// another packet, or if the start is too short.
///
/// # Errors
///
/// [`DecodeError`] if what is there breaks a rule.
pub(crate) fn publish_head(
    header: FixedHeader,
    start: &[u8],
    version: ProtocolVersion,
    sender: Role,
) -> Result<Option<PublishHead>, DecodeError> {
    if header.packet_type() != PacketType::Publish {
        return Ok(None);
    }
    // The splitter takes heads apart only if the packet is longer than its buffer. The longest
    // Topic Name and the longest properties would not fit into one, and are not looked at.
    let limit = (header.packet_size() - 1).min(start.len());
    let mut buffer = BytesMut::from(start);
    match StreamSplitter::new(LARGEST_PACKET, limit).next(version, &mut buffer) {
        Ok(SplitterOutput::Ready(Piece::Head(head))) => {
            head.decode_from(version, sender)?;
            Ok(Some(head))
        }
        Ok(_) => Ok(None),
        // The head is longer than what is there of it.
        Err(error) if error.violation() == mqtt5_codec::Violation::BufferLimit => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a piece of a stream begins with what can hardly be anything but packets.
///
/// The piece has to begin where a segment does, and the packets in it must be valid, and the last of
/// them has to end where a segment ends. At least one of them is no mere acknowledgment or ping, of
/// which a few bytes can look like one; or each of two segments is one of these and nothing else, and
/// no end of something longer.
fn begins_with_packets(
    stream: &Stream<'_>,
    version: ProtocolVersion,
    index: usize,
    sender: Role,
) -> bool {
    match evidence(stream, version, index, sender) {
        Evidence::Strong => true,
        Evidence::Weak => {
            let next = stream.pieces.get(index + 1);
            next.is_some_and(|piece| matches!(piece.content, Content::Bytes(_)))
                && !matches!(evidence(stream, version, index + 1, sender), Evidence::None)
        }
        Evidence::None => false,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Evidence {
    None,
    /// The piece is one small packet and nothing else, and not the end of something longer.
    Weak,
    Strong,
}

fn evidence(stream: &Stream<'_>, version: ProtocolVersion, index: usize, sender: Role) -> Evidence {
    /// The longest packet that is looked at as a whole, in bytes.
    const LONGEST: usize = 1 << 16;
    let piece = &stream.pieces[index];
    let piece_size = usize::try_from(piece.content.length()).unwrap_or(usize::MAX);
    if !stream.borders.contains(&piece.position) {
        return Evidence::None;
    }
    // The longest of the small packets is no longer than any unit.
    const LONGEST_SMALL: u64 = 4;
    let may_be_an_end = stream.longest_unit > LONGEST_SMALL && stream.may_go_on_at(piece.position);
    let mut offset = 0;
    let mut is_strong = false;
    loop {
        let start = stream.window(index, offset, 5);
        let Ok(Some(header)) = FixedHeader::peek(&start) else {
            return Evidence::None;
        };
        let end = offset + header.packet_size();
        let ends_with_segment = stream.borders.contains(&(piece.position + end as u64));
        if !ends_with_segment && end >= piece_size {
            return Evidence::None;
        }
        let packet = stream.window(index, offset, header.packet_size().min(LONGEST));
        let is_valid = match RawPacket::whole(&packet) {
            Ok(packet) => packet.decode_from(version, sender).is_ok(),
            Err(_) => matches!(publish_head(header, &packet, version, sender), Ok(Some(_))),
        };
        if !is_valid {
            return Evidence::None;
        }
        is_strong |= matches!(
            header.packet_type(),
            PacketType::Connect
                | PacketType::ConnAck
                | PacketType::Publish
                | PacketType::Subscribe
                | PacketType::SubAck
                | PacketType::Unsubscribe
                | PacketType::UnsubAck
        );
        if ends_with_segment {
            return match (is_strong, offset) {
                (true, _) => Evidence::Strong,
                (false, 0) if !may_be_an_end => Evidence::Weak,
                (false, _) => Evidence::None,
            };
        }
        offset = end;
    }
}
