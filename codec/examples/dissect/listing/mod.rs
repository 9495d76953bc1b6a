//! The listing for people: packet after packet, with everything that they say.

mod recording;

use std::io::{self, Write};

use mqtt5_codec::framing::{LARGEST_PACKET, RawPacket, Split, split};
use mqtt5_codec::{DecodeError, Packet, PacketType, ProtocolVersion, Role};

use crate::describe::{Description, reason};
use crate::hexdump::Hexdump;
use crate::packets::decode;
use crate::protocol::{other_version, protocol_level};
use crate::words::{counted, grouped};

/// Writes listings.
pub(crate) struct Listing<W> {
    out: W,
    style: Style,
    /// By which packets are read before a CONNECT tells it.
    version: ProtocolVersion,
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

/// How well an input could be read. What is worse is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// All is well.
    Well,
    /// A packet is malformed, or the bytes end inside one.
    Wrong,
    /// Nothing could be read, or not to the end.
    Unreadable,
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
            version: ProtocolVersion::V5_0,
            packets: 0,
            malformed: 0,
        }
    }

    /// Where no CONNECT tells it, packets are those of this version.
    pub(crate) fn taking_for(self, version: ProtocolVersion) -> Self {
        Listing { version, ..self }
    }

    /// Writes the name of what is listed next.
    pub(crate) fn title(&mut self, title: &str) -> io::Result<()> {
        let Style { strong, plain, .. } = self.style;
        writeln!(self.out, "{strong}{title}{plain}")
    }

    /// The same, after an empty line.
    fn heading(&mut self, heading: &str) -> io::Result<()> {
        writeln!(self.out)?;
        self.title(heading)
    }

    /// Writes a line about the input as a whole.
    pub(crate) fn remark(&mut self, remark: &str) -> io::Result<()> {
        writeln!(self.out, "{remark}")
    }

    /// Lists the packets that one side sent, up to the first that is malformed or not whole.
    pub(crate) fn stream(&mut self, bytes: &[u8], sender: Option<Role>) -> io::Result<Outcome> {
        let place = |offset| {
            let arrow = sender.map_or("   ", arrow);
            format!("byte {offset:<9} {arrow}")
        };
        if bytes.is_empty() {
            self.note(&place(0), "no bytes, no packets")?;
            return Ok(Outcome::Wrong);
        }
        if let Some(name) = protocol_level(bytes).and_then(other_version) {
            let note = format!("a CONNECT of {name}: such packets are not decoded here");
            self.note(&place(0), &note)?;
            return Ok(Outcome::Unreadable);
        }
        let mut version = self.version;
        let mut rest = bytes;
        while !rest.is_empty() {
            let start = bytes.len() - rest.len();
            let (broken, error) = match split(rest, LARGEST_PACKET) {
                Ok(Split::Packet {
                    packet: raw,
                    rest: after,
                }) => match decode(&raw, version, sender) {
                    Ok(packet) => {
                        if let Packet::Connect(connect) = &packet {
                            version = connect.version;
                        }
                        self.packet(&place(start), raw.as_bytes().len(), &packet)?;
                        rest = after;
                        continue;
                    }
                    Err(error) => (raw.as_bytes(), error),
                },
                Ok(Split::Incomplete { needed }) => {
                    let there = counted(rest.len(), "byte");
                    let needed = grouped(needed as u64);
                    self.note(
                        &place(start),
                        &format!("unfinished packet: {there} of it, at least {needed} missing"),
                    )?;
                    return Ok(Outcome::Wrong);
                }
                Err(error) => (rest, error),
            };
            self.malformed(&place(start), broken, error, sender)?;
            self.hint(&place(start), broken, version, sender)?;
            return Ok(Outcome::Wrong);
        }
        Ok(Outcome::Well)
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
        let section = violation.section(error.version());
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

    /// Says if a packet is a good one of the other version.
    fn hint(
        &mut self,
        place: &str,
        bytes: &[u8],
        version: ProtocolVersion,
        sender: Option<Role>,
    ) -> io::Result<()> {
        let (other, option) = match version {
            ProtocolVersion::V5_0 => (ProtocolVersion::V3_1_1, "3.1.1"),
            _ => (ProtocolVersion::V5_0, "5"),
        };
        let is_good = RawPacket::whole(bytes).is_ok_and(|raw| decode(&raw, other, sender).is_ok());
        if is_good {
            let words = format!("{other} has such a packet: --mqtt {option} reads it");
            self.comment(place, &words)?;
        }
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
        let note = printable(note);
        writeln!(self.out, "{faint}{place}{plain}  {alarming}{note}{plain}")
    }

    /// A line about something that is no packet, and in order.
    fn comment(&mut self, place: &str, comment: &str) -> io::Result<()> {
        let Style { faint, plain, .. } = self.style;
        let comment = printable(comment);
        writeln!(self.out, "{faint}{place}  {comment}{plain}")
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

/// A text from the network, without anything that a terminal would obey.
fn printable(text: &str) -> String {
    let mut printable = String::new();
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => printable.push(character),
            _ => printable.extend(character.escape_debug()),
        }
    }
    printable
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

#[cfg(test)]
mod tests;
