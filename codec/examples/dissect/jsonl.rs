//! Judges packets for other programs: a line of hexadecimal digits in, a line of JSON out.

use std::io::{self, BufRead, BufReader, Read, Write};

use mqtt5_codec::framing::{LARGEST_PACKET, RawPacket, Split, split};
use mqtt5_codec::{DecodeError, Packet, ProtocolVersion, Role, ViolationClass};

use crate::hex;

/// How much is read and written at a time.
const BUFFER: usize = 1 << 16;

/// Answers each line of `questions` with one line, in their order.
///
/// A question is one or more packets as hexadecimal digits, with white space between them or not,
/// and after white space, if that is known, `client` or `server`: who sent the packets. The answer
/// is an object with a `verdict`:
///
/// - `accept`: all is valid, and the last packet is whole. `packets` has them one by one,
///   `reencoded` is what they become when they are encoded again, as hexadecimal digits.
/// - `incomplete`: what is there may become valid; `need` says how many bytes are missing at least.
/// - `reject`: a rule is broken. `class`, `reason_code`, `statement` (or null) and `message` say
///   which one, `offset` where, in bytes from the start of the line's bytes.
/// - `error`: the line is no question; `message` says why.
pub(crate) fn answer_lines(questions: impl Read, mut answers: impl Write) -> io::Result<()> {
    let mut questions = BufReader::with_capacity(BUFFER, questions);
    let mut line = Vec::new();
    let mut ready = Vec::with_capacity(BUFFER);
    let mut judge = Judge::default();
    while questions.read_until(b'\n', &mut line)? > 0 {
        judge.answer(&line, &mut ready)?;
        line.clear();
        // A caller may wait for an answer before it asks again.
        if ready.len() >= BUFFER || !questions.buffer().contains(&b'\n') {
            answers.write_all(&ready)?;
            answers.flush()?;
            ready.clear();
        }
    }
    Ok(())
}

/// Memory to be used again for each question.
#[derive(Default)]
struct Judge {
    bytes: Vec<u8>,
    reencoded: Vec<u8>,
}

/// Every answer but `accept`.
enum Refusal {
    Incomplete { need: usize },
    Reject { error: DecodeError, start: usize },
    Error(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Refusal::Error(error.to_string())
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Refusal::Error(error.to_string())
    }
}

impl Judge {
    /// Appends the answer to one question, with its end of line.
    fn answer(&mut self, question: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        if let Err(refusal) = self.accept(question, out) {
            out.truncate(start);
            refuse(&refusal, out)?;
        }
        out.push(b'\n');
        Ok(())
    }

    fn accept(&mut self, question: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let sender = self.read(question)?;
        self.reencoded.clear();
        out.extend_from_slice(b"{\"verdict\":\"accept\",\"packets\":[");
        let mut rest = &self.bytes[..];
        // A CONNECT names the version of what follows it.
        let mut version = ProtocolVersion::V5_0;
        // No bytes at all are the start of a packet, too.
        while !rest.is_empty() || self.bytes.is_empty() {
            let start = self.bytes.len() - rest.len();
            let reject = |error| Refusal::Reject { error, start };
            let packet = match split(rest, LARGEST_PACKET).map_err(reject)? {
                Split::Packet {
                    packet,
                    rest: after,
                } => {
                    rest = after;
                    decode(packet, version, sender).map_err(reject)?
                }
                Split::Incomplete { needed } => return Err(Refusal::Incomplete { need: needed }),
            };
            if let Packet::Connect(connect) = &packet {
                version = connect.version;
            }
            if start > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, &packet)?;
            packet
                .encode(version, &mut self.reencoded)
                .map_err(|error| Refusal::Error(error.to_string()))?;
        }
        out.extend_from_slice(b"],\"reencoded\":\"");
        hex::write(&self.reencoded, out);
        out.extend_from_slice(b"\"}");
        Ok(())
    }

    /// Reads the bytes of a question, and who sent them.
    fn read(&mut self, question: &[u8]) -> Result<Option<Role>, Refusal> {
        let question = question.trim_ascii();
        let word_start = question
            .iter()
            .rposition(u8::is_ascii_whitespace)
            .map_or(0, |space| space + 1);
        let (digits, word) = question.split_at(word_start);
        let (digits, sender) = match word {
            b"client" => (digits, Some(Role::Client)),
            b"server" => (digits, Some(Role::Server)),
            _ if word_start > 0 && !word.iter().copied().all(hex::is_digit) => {
                return Err(Refusal::Error(format!(
                    "`{}` is neither hexadecimal digits nor `client` nor `server`",
                    String::from_utf8_lossy(word)
                )));
            }
            _ => (question, None),
        };
        self.bytes.clear();
        hex::read(digits, &mut self.bytes).map_err(|error| Refusal::Error(error.to_string()))?;
        Ok(sender)
    }
}

fn decode(
    packet: RawPacket<'_>,
    version: ProtocolVersion,
    sender: Option<Role>,
) -> Result<Packet<'_>, DecodeError> {
    match sender {
        Some(sender) => packet.decode_from(version, sender),
        None => packet.decode(version),
    }
}

fn refuse(refusal: &Refusal, out: &mut Vec<u8>) -> io::Result<()> {
    match refusal {
        Refusal::Incomplete { need } => {
            write!(out, r#"{{"verdict":"incomplete","need":{need}}}"#)
        }
        Refusal::Reject { error, start } => {
            let class = match error.class() {
                ViolationClass::Malformed => "malformed",
                ViolationClass::Protocol => "protocol",
            };
            let reason_code = error.reason_code().to_byte();
            let offset = start + error.offset();
            write!(
                out,
                r#"{{"verdict":"reject","class":"{class}","reason_code":{reason_code},"offset":{offset},"statement":"#,
            )?;
            serde_json::to_writer(&mut *out, &error.statement())?;
            write_message(&error.violation().to_string(), out)
        }
        Refusal::Error(message) => {
            out.extend_from_slice(b"{\"verdict\":\"error\"");
            write_message(message, out)
        }
    }
}

/// The last field of an object, and its end.
fn write_message(message: &str, out: &mut Vec<u8>) -> io::Result<()> {
    out.extend_from_slice(b",\"message\":");
    serde_json::to_writer(&mut *out, message)?;
    out.push(b'}');
    Ok(())
}
