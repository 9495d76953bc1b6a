//! MQTT packets out of WebSocket frames (section 6, and RFC 6455).

use std::borrow::Cow;
use std::io::Cursor;

use mqtt5_codec::Role;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::capture::{Content, Moment, Piece, Stream};
use crate::handshake::Handshake;
use crate::inflate::Inflater;
use crate::protocol::Note;

/// The size of the longest header, in bytes.
const LONGEST_HEADER: usize = 14;
/// Control frames have at most this many bytes of payload.
const LONGEST_CONTROL_PAYLOAD: u64 = 125;

/// What a side sent through a WebSocket.
pub(crate) struct Decoded {
    /// What the binary frames carry.
    pub(crate) packets: Stream<'static>,
    /// About frames that carry no packets, and frames that should not be.
    pub(crate) notes: Vec<Note>,
}

/// Takes the frames apart that follow a handshake.
pub(crate) fn decode(stream: &Stream<'_>, sender: Role, handshake: &Handshake) -> Decoded {
    let mut decoder = Decoder {
        sender,
        state: State::Header,
        header: Vec::new(),
        message: Message::None,
        inflater: Inflater::new(handshake.forgets_context(sender)),
        may_compress: handshake.may_compress(),
        is_certain: true,
        position: 0,
        decoded: Decoded {
            packets: Stream {
                is_closed: stream.is_closed,
                ..Stream::default()
            },
            notes: Vec::new(),
        },
    };
    let start = handshake.length(sender);
    if start.is_none() {
        // A part of the handshake was not recorded. It ends where a frame seems to begin.
        let seen = stream.pieces.first().map(|piece| piece.seen);
        decoder.lose(seen.unwrap_or_default());
    }
    let mut left = start.unwrap_or(0);
    let mut is_first = true;
    for (index, piece) in stream.pieces.iter().enumerate() {
        match &piece.content {
            Content::Bytes(bytes) => {
                let here = left.min(bytes.len());
                left -= here;
                is_first = false;
                decoder.bytes(stream, index, &bytes[here..], piece.seen);
            }
            Content::Missing(_) if is_first => {}
            Content::Missing(length) => decoder.missing(*length, piece.seen),
        }
    }
    decoder.decoded
}

struct Decoder {
    sender: Role,
    state: State,
    /// The start of a header that is not whole yet.
    header: Vec<u8>,
    message: Message,
    inflater: Inflater,
    may_compress: bool,
    /// Whether it is known where the frames begin. If it is not, nothing that breaks a rule is the
    /// fault of the sender.
    is_certain: bool,
    /// How many bytes the frames carried so far.
    position: u64,
    decoded: Decoded,
}

enum State {
    /// Before or inside a header.
    Header,
    /// Inside the payload of a frame.
    Payload(Frame),
    /// Nobody knows where the next frame begins.
    Lost,
    /// No more frames are to come, or to be believed.
    Over,
}

struct Frame {
    opcode: OpCode,
    is_final: bool,
    mask: Option<[u8; 4]>,
    /// How many bytes of the payload were there.
    seen: u64,
    /// How many are to come.
    left: u64,
    /// The payload of a control frame.
    control: Vec<u8>,
}

/// The message that frames are fragments of.
enum Message {
    /// The next frame begins one.
    None,
    /// The next frame goes on with it.
    Plain,
    /// The same. It is compressed, and this is what there is of it; nothing if a part is missing.
    Compressed(Option<Vec<u8>>),
    /// Frames were lost: everything can come.
    Unknown,
}

impl Decoder {
    /// Takes a piece of the stream, or what is left of it after the handshake.
    fn bytes(&mut self, stream: &Stream<'_>, index: usize, mut bytes: &[u8], seen: Moment) {
        if matches!(self.state, State::Lost) && self.frames_begin_at(stream, index) {
            self.state = State::Header;
        }
        while !bytes.is_empty() {
            match &mut self.state {
                State::Lost | State::Over => return,
                State::Header => {
                    let before = self.header.len();
                    let more = bytes.len().min(LONGEST_HEADER - before);
                    self.header.extend_from_slice(&bytes[..more]);
                    let mut cursor = Cursor::new(&self.header);
                    match FrameHeader::parse(&mut cursor) {
                        Ok(Some((header, length))) => {
                            let used = cursor.position() as usize - before;
                            bytes = &bytes[used..];
                            self.header.clear();
                            self.begin(&header, length, seen);
                        }
                        Ok(None) => return,
                        Err(error) => {
                            let text = format!("no WebSocket frame can begin like that: {error}");
                            self.give_up(text, seen);
                        }
                    }
                }
                State::Payload(frame) => {
                    let here = frame.left.min(bytes.len() as u64) as usize;
                    let mut payload = bytes[..here].to_vec();
                    if let Some(mask) = frame.mask {
                        let key = (frame.seen % 4) as usize;
                        for (byte, key) in payload.iter_mut().zip(mask.iter().cycle().skip(key)) {
                            *byte ^= key;
                        }
                    }
                    frame.seen += here as u64;
                    frame.left -= here as u64;
                    bytes = &bytes[here..];
                    self.payload(payload, seen);
                    self.end_if_whole(seen);
                }
            }
        }
    }

    /// Takes a gap in the stream.
    fn missing(&mut self, length: Option<u64>, seen: Moment) {
        match (&mut self.state, length) {
            (State::Over | State::Lost, _) => {}
            (State::Payload(frame), Some(length)) => {
                let here = length.min(frame.left);
                let is_control = matches!(frame.opcode, OpCode::Control(_));
                frame.seen += here;
                frame.left -= here;
                if !is_control {
                    match &mut self.message {
                        Message::Compressed(parts) => *parts = None,
                        _ => self.push(Content::Missing(Some(here)), seen),
                    }
                }
                self.end_if_whole(seen);
                if length > here {
                    self.lose(seen);
                }
            }
            (State::Payload(_) | State::Header, _) => self.lose(seen),
        }
    }

    fn begin(&mut self, header: &FrameHeader, length: u64, seen: Moment) {
        if let Err(text) = self.check(header, length) {
            return self.give_up(text, seen);
        }
        match (header.opcode, &self.message) {
            (OpCode::Data(Data::Binary), _) => {
                self.message = if header.rsv1 {
                    Message::Compressed(Some(Vec::new()))
                } else {
                    Message::Plain
                };
            }
            (OpCode::Data(_), Message::Unknown) => self.message = Message::Plain,
            _ => {}
        }
        if matches!(header.opcode, OpCode::Data(_)) {
            let packets = &mut self.decoded.packets;
            packets.borders.insert(self.position);
            packets.longest_unit = packets.longest_unit.max(length);
        }
        self.state = State::Payload(Frame {
            opcode: header.opcode,
            is_final: header.is_final,
            mask: header.mask,
            seen: 0,
            left: length,
            control: Vec::new(),
        });
        self.end_if_whole(seen);
    }

    /// Checks a header against the rules. Whoever receives a frame that breaks one of them has to
    /// close the connection.
    fn check(&mut self, header: &FrameHeader, length: u64) -> Result<(), String> {
        let sender = self.sender;
        let is_data = matches!(header.opcode, OpCode::Data(Data::Binary | Data::Text));
        if header.rsv2 || header.rsv3 || header.rsv1 && !(is_data && self.may_compress) {
            return Err("a WebSocket frame with a reserved bit set".to_owned());
        }
        match (header.opcode, &self.message) {
            (OpCode::Control(_), _) if !header.is_final || length > LONGEST_CONTROL_PAYLOAD => {
                return Err("a WebSocket control frame that is too long or in parts".to_owned());
            }
            (OpCode::Data(Data::Text), _) => {
                return Err(
                    "a WebSocket text frame: MQTT packets are sent in binary frames (MQTT-6.0.0-1)"
                        .to_owned(),
                );
            }
            (OpCode::Data(Data::Continue), Message::None) => {
                return Err("a WebSocket continuation frame, but no message to continue".to_owned());
            }
            (OpCode::Data(Data::Binary), Message::Plain | Message::Compressed(_)) => {
                return Err("a new WebSocket message inside an unfinished one".to_owned());
            }
            _ => {}
        }
        if header.mask.is_some() != (sender == Role::Client) {
            let what = if sender == Role::Client {
                "a client must mask its"
            } else {
                "a server must not mask its"
            };
            return Err(format!("{what} WebSocket frames (RFC 6455, section 5.1)"));
        }
        Ok(())
    }

    fn payload(&mut self, payload: Vec<u8>, seen: Moment) {
        if let State::Payload(frame) = &mut self.state
            && matches!(frame.opcode, OpCode::Control(_))
        {
            return frame.control.extend(payload);
        }
        match &mut self.message {
            Message::Compressed(Some(parts)) => parts.extend(payload),
            Message::Compressed(None) => {}
            _ => self.push(Content::Bytes(Cow::Owned(payload)), seen),
        }
    }

    fn end_if_whole(&mut self, seen: Moment) {
        let State::Payload(frame) = &mut self.state else {
            return;
        };
        if frame.left > 0 {
            return;
        }
        let (opcode, is_final) = (frame.opcode, frame.is_final);
        let control = std::mem::take(&mut frame.control);
        self.state = State::Header;
        if let OpCode::Control(kind) = opcode {
            return self.control(kind, &control, seen);
        }
        if is_final {
            match std::mem::replace(&mut self.message, Message::None) {
                Message::Compressed(parts) => {
                    let parts = parts.as_deref();
                    match self.inflater.message(parts) {
                        Some(bytes) => self.push(Content::Bytes(Cow::Owned(bytes)), seen),
                        None => self.push(Content::Missing(None), seen),
                    }
                }
                Message::None | Message::Plain | Message::Unknown => {}
            }
        }
        self.decoded.packets.borders.insert(self.position);
    }

    fn control(&mut self, kind: Control, payload: &[u8], seen: Moment) {
        let size = crate::words::counted(payload.len(), "byte");
        let text = match (kind, payload) {
            (Control::Close, [high, low, reason @ ..]) => {
                self.state = State::Over;
                let code = u16::from_be_bytes([*high, *low]);
                let text = format!(
                    "WebSocket Close, {code} {}",
                    String::from_utf8_lossy(reason)
                );
                text.trim_end().to_owned()
            }
            (Control::Close, _) => {
                self.state = State::Over;
                "WebSocket Close".to_owned()
            }
            (Control::Ping, _) => format!("WebSocket Ping, {size}"),
            (Control::Pong, _) => format!("WebSocket Pong, {size}"),
            (Control::Reserved(number), _) => format!("WebSocket control frame {number}, {size}"),
        };
        self.note(text, false, seen);
    }

    fn push(&mut self, content: Content<'static>, seen: Moment) {
        let is_empty = matches!(&content, Content::Bytes(bytes) if bytes.is_empty());
        if is_empty || content == Content::Missing(Some(0)) {
            return;
        }
        let length = content.length();
        self.decoded.packets.pieces.push(Piece {
            seen,
            position: self.position,
            content,
        });
        self.position += length;
    }

    fn lose(&mut self, seen: Moment) {
        self.state = State::Lost;
        self.is_certain = false;
        self.header.clear();
        self.message = Message::Unknown;
        self.inflater.lose();
        self.push(Content::Missing(None), seen);
    }

    fn give_up(&mut self, text: String, seen: Moment) {
        if !self.is_certain {
            return self.lose(seen);
        }
        self.state = State::Over;
        self.note(text, true, seen);
    }

    fn note(&mut self, text: String, is_violation: bool, seen: Moment) {
        self.decoded.notes.push(Note {
            seen,
            sender: self.sender,
            text,
            is_violation,
        });
    }

    /// Whether frames seem to begin at this piece of the stream; nothing says so for certain. The piece has to
    /// begin where a TCP segment begins. Whole frames have to follow, and one of them has to end where a segment
    /// ends. At least one has to begin a message, because the shortest control frames are two bytes, and those
    /// two are easily found in a payload.
    fn frames_begin_at(&self, stream: &Stream<'_>, index: usize) -> bool {
        const MOST_FRAMES: usize = 1_000;
        let piece = &stream.pieces[index];
        let size = piece.content.length();
        if !stream.borders.contains(&piece.position) {
            return false;
        }
        let mut offset = 0_u64;
        let mut has_message = false;
        for _ in 0..MOST_FRAMES {
            let window = stream.window(index, offset as usize, LONGEST_HEADER);
            let mut cursor = Cursor::new(&window);
            let Ok(Some((header, length))) = FrameHeader::parse(&mut cursor) else {
                return false;
            };
            let is_right = !header.rsv2
                && !header.rsv3
                && header.mask.is_some() == (self.sender == Role::Client)
                && header.len(length) as u64 == cursor.position()
                && match header.opcode {
                    OpCode::Control(_) => header.is_final && length <= LONGEST_CONTROL_PAYLOAD,
                    OpCode::Data(kind) => kind != Data::Text,
                };
            let Some(end) = (offset + cursor.position()).checked_add(length) else {
                return false;
            };
            if !is_right {
                return false;
            }
            has_message |= header.opcode == OpCode::Data(Data::Binary) && length > 0;
            if stream.borders.contains(&piece.position.saturating_add(end)) {
                return has_message;
            }
            if end >= size {
                return false;
            }
            offset = end;
        }
        false
    }
}
