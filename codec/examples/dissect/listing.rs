//! The listing for people: packet after packet, with everything that they say.

use std::io::{self, Write};
use std::time::Duration;

use mqtt5_codec::{DecodeError, LARGEST_PACKET, Packet, PacketType, RawPacket, Role, Split, split};

use crate::capture::{Capture, Connection, Side};
use crate::describe::{Description, reason};
use crate::hexdump::Hexdump;

/// Writes listings.
pub(crate) struct Listing<W> {
    out: W,
    style: Style,
    packets: usize,
    malformed: usize,
}

/// What switches the terminal to another way of writing; nothing at all if it is no terminal.
struct Style {
    strong: &'static str,
    faint: &'static str,
    alarming: &'static str,
    plain: &'static str,
}

impl Style {
    const NONE: Style = Style {
        strong: "",
        faint: "",
        alarming: "",
        plain: "",
    };
    const TERMINAL: Style = Style {
        strong: "\x1b[1m",
        faint: "\x1b[2m",
        alarming: "\x1b[1;31m",
        plain: "\x1b[0m",
    };
}

/// One direction of a connection.
struct Direction {
    sender: Role,
    /// What was received and is not decoded yet.
    buffer: Vec<u8>,
    /// Whether a malformed packet was among it: nobody knows where the next one would begin.
    is_broken: bool,
}

impl Direction {
    fn new(sender: Role) -> Self {
        Direction {
            sender,
            buffer: Vec::new(),
            is_broken: false,
        }
    }
}

/// How the bytes of one direction end.
enum End {
    /// With a whole packet.
    Whole,
    /// Inside a packet that begins at `start`.
    Unfinished { start: usize, needed: usize },
    /// With a packet that breaks a rule.
    Malformed,
}

impl<W: Write> Listing<W> {
    /// A listing to be written to `out`.
    pub(crate) fn new(out: W, is_terminal: bool) -> Self {
        Listing {
            out,
            style: if is_terminal {
                Style::TERMINAL
            } else {
                Style::NONE
            },
            packets: 0,
            malformed: 0,
        }
    }

    /// Lists all connections of a recording. Returns whether no packet was malformed.
    pub(crate) fn capture(&mut self, capture: &Capture) -> io::Result<bool> {
        for (number, connection) in (1..).zip(&capture.connections) {
            self.connection(number, connection)?;
        }
        let Style { strong, plain, .. } = self.style;
        writeln!(
            self.out,
            "\n{strong}{}, {}, {} malformed{plain}",
            counted(capture.connections.len(), "connection"),
            counted(self.packets, "packet"),
            self.malformed,
        )?;
        if capture.skipped_frames > 0 {
            let frames = counted(capture.skipped_frames, "recorded frame");
            writeln!(self.out, "passed over {frames} without a TCP segment")?;
        }
        if capture.cut_short {
            writeln!(self.out, "the file ends in the middle of a record")?;
        }
        Ok(self.malformed == 0)
    }

    fn connection(&mut self, number: usize, connection: &Connection) -> io::Result<()> {
        let Style { strong, plain, .. } = self.style;
        let Connection {
            client,
            server,
            chunks,
        } = connection;
        writeln!(
            self.out,
            "\n{strong}Connection {number}: client {client} --> server {server}{plain}"
        )?;
        if let Some(first_byte) = first_byte_of_client(connection)
            && first_byte != PacketType::Connect.first_byte()
        {
            return writeln!(
                self.out,
                "not MQTT: the client begins with 0x{first_byte:02X}, not with a CONNECT"
            );
        }
        let mut directions = [Role::Client, Role::Server].map(Direction::new);
        for chunk in chunks {
            let direction = &mut directions[match chunk.sender {
                Side::Client => 0,
                Side::Server => 1,
            }];
            if direction.is_broken {
                continue;
            }
            let place = |_| in_time(chunk.at, direction.sender);
            if chunk.gap_before {
                self.note(&place(0), &gap(&direction.buffer))?;
                direction.buffer.clear();
            }
            direction.buffer.extend(&chunk.bytes);
            match self.packets(&direction.buffer, Some(direction.sender), place)? {
                End::Whole => direction.buffer.clear(),
                End::Unfinished { start, .. } => drop(direction.buffer.drain(..start)),
                End::Malformed => {
                    self.note(
                        &place(0),
                        "no more of this side is decoded: where would the next packet begin?",
                    )?;
                    direction.is_broken = true;
                }
            }
        }
        let end = chunks.last().map_or(Duration::ZERO, |chunk| chunk.at);
        for direction in directions {
            if !direction.is_broken && !direction.buffer.is_empty() {
                let bytes = counted(direction.buffer.len(), "byte");
                self.note(
                    &in_time(end, direction.sender),
                    &format!("the last packet is unfinished: only {bytes} of it"),
                )?;
            }
        }
        Ok(())
    }

    /// Lists the packets that one side sent. Returns whether all of them are whole and valid.
    pub(crate) fn stream(&mut self, bytes: &[u8], sender: Option<Role>) -> io::Result<bool> {
        let place = |offset| {
            let arrow = sender.map_or("   ", arrow);
            format!("byte {offset:<9} {arrow}")
        };
        match self.packets(bytes, sender, place)? {
            End::Whole if bytes.is_empty() => {
                self.note(&place(0), "no bytes, no packets")?;
                Ok(false)
            }
            End::Whole => Ok(true),
            End::Unfinished { start, needed } => {
                let there = counted(bytes.len() - start, "byte");
                self.note(
                    &place(start),
                    &format!("unfinished packet: {there} of it, at least {needed} missing"),
                )?;
                Ok(false)
            }
            End::Malformed => Ok(false),
        }
    }

    /// Lists packets up to the first that is malformed or not whole. `place` says in words where
    /// or when the packet at an offset is.
    fn packets(
        &mut self,
        bytes: &[u8],
        sender: Option<Role>,
        place: impl Fn(usize) -> String,
    ) -> io::Result<End> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let start = bytes.len() - rest.len();
            let (broken, error) = match split(rest, LARGEST_PACKET) {
                Ok(Split::Packet {
                    packet: raw,
                    rest: after,
                }) => match decode(&raw, sender) {
                    Ok(packet) => {
                        self.packet(&place(start), raw.as_bytes().len(), &packet)?;
                        rest = after;
                        continue;
                    }
                    Err(error) => (raw.as_bytes(), error),
                },
                Ok(Split::Incomplete { needed }) => return Ok(End::Unfinished { start, needed }),
                Err(error) => (rest, error),
            };
            self.malformed(&place(start), broken, error, sender)?;
            return Ok(End::Malformed);
        }
        Ok(End::Whole)
    }

    fn packet(&mut self, place: &str, size: usize, packet: &Packet<'_>) -> io::Result<()> {
        let Style {
            strong,
            faint,
            plain,
            ..
        } = self.style;
        let description = Description::of(packet);
        let packet_type = packet.packet_type().name();
        let line = format!(
            "{faint}{place}{plain} {}  {strong}{packet_type:<11}{plain}  {}",
            column(size),
            description.summary
        );
        writeln!(self.out, "{}", line.trim_end())?;
        for detail in description.details {
            self.detail(&detail.name, &detail.value)?;
        }
        self.packets += 1;
        Ok(())
    }

    fn malformed(
        &mut self,
        place: &str,
        bytes: &[u8],
        error: DecodeError,
        sender: Option<Role>,
    ) -> io::Result<()> {
        let Style {
            faint,
            alarming,
            plain,
            ..
        } = self.style;
        let packet_type = error.packet_type().map_or("unknown", PacketType::name);
        writeln!(
            self.out,
            "{faint}{place}{plain} {}  {alarming}{packet_type:<11}  breaks a rule at byte {}{plain}",
            column(bytes.len()),
            error.offset(),
        )?;
        let dump = Hexdump {
            bytes,
            mark: error.offset(),
        };
        for line in dump.to_string().lines() {
            writeln!(self.out, "        {line}")?;
        }
        let violation = error.violation();
        let section = violation.section();
        let stated = match error.statement() {
            Some(statement) => format!("{statement}, section {section}"),
            None => format!("section {section}"),
        };
        self.detail("Rule", violation.message())?;
        self.detail("Class", &error.class().to_string())?;
        self.detail("Stated in", &stated)?;
        self.detail("To be answered with", &answer(error, sender))?;
        self.malformed += 1;
        Ok(())
    }

    fn detail(&mut self, name: &str, value: &str) -> io::Result<()> {
        writeln!(self.out, "        {name:<38}  {value}")
    }

    /// A line about something that is no packet.
    fn note(&mut self, place: &str, note: &str) -> io::Result<()> {
        let Style {
            faint,
            alarming,
            plain,
            ..
        } = self.style;
        writeln!(self.out, "{faint}{place}{plain}  {alarming}{note}{plain}")
    }
}

fn decode<'a>(raw: &RawPacket<'a>, sender: Option<Role>) -> Result<Packet<'a>, DecodeError> {
    match sender {
        Some(sender) => raw.decode_from(sender),
        None => raw.decode(),
    }
}

/// What the receiver of the packet answers, if it answers at all.
fn answer(error: DecodeError, sender: Option<Role>) -> String {
    let refuses_connection =
        error.packet_type() == Some(PacketType::Connect) && sender != Some(Role::Server);
    let packet_type = if refuses_connection {
        PacketType::ConnAck
    } else {
        PacketType::Disconnect
    };
    format!(
        "{packet_type}, {}",
        reason(packet_type, error.reason_code())
    )
}

fn first_byte_of_client(connection: &Connection) -> Option<u8> {
    let first = connection
        .chunks
        .iter()
        .find(|chunk| chunk.sender == Side::Client)?;
    if first.gap_before {
        return None;
    }
    first.bytes.first().copied()
}

fn gap(unfinished: &[u8]) -> String {
    let lost = if unfinished.is_empty() {
        String::new()
    } else {
        let bytes = counted(unfinished.len(), "byte");
        format!(" ({bytes} of an unfinished packet before it)")
    };
    format!("gap: bytes were not recorded here{lost}; what follows is read as if a packet began")
}

fn in_time(at: Duration, sender: Role) -> String {
    format!("{:>12.6} s  {}", at.as_secs_f64(), arrow(sender))
}

fn arrow(sender: Role) -> &'static str {
    match sender {
        Role::Client => "-->",
        Role::Server => "<--",
    }
}

/// The size of a packet in its column.
fn column(size: usize) -> String {
    format!("{size:>6} {:<5}", if size == 1 { "byte" } else { "bytes" })
}

fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests;
