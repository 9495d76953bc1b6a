//! The listing of a recording: what the connections in it say, and what could not be read.

use std::collections::BTreeMap;
use std::io::{self, Write};

use mqtt5_codec::framing::{FixedHeader, RawPacket};
use mqtt5_codec::{PacketType, ProtocolVersion, Role};

use super::{Listing, Outcome, Style, arrow, column};
use crate::capture::{Capture, Connection, Ending, Moment, PassedOver};
use crate::describe::Description;
use crate::packets::{self, Entry, Item, Lost, publish_head};
use crate::protocol::{Conversation, Note, Spoken};
use crate::words::{counted, grouped, listed};

/// What a line of a connection is about.
enum Line {
    Entry(Entry),
    Note(Note),
}

impl Line {
    fn seen(&self) -> Moment {
        match self {
            Line::Entry(entry) => entry.seen,
            Line::Note(note) => note.seen,
        }
    }
}

/// Connections on which no packet was found, and the frames that belong to them, by protocol.
#[derive(Default)]
struct Others(BTreeMap<&'static str, (usize, usize)>);

impl<W: Write> Listing<W> {
    /// Lists all connections of a recording.
    pub(crate) fn capture(&mut self, capture: &Capture<'_>) -> io::Result<Outcome> {
        let before = (self.packets, self.malformed);
        let mut others = Others::default();
        for (number, connection) in (1..).zip(&capture.connections) {
            self.connection(number, connection, &mut others)?;
        }
        let packets = self.packets - before.0;
        let malformed = self.malformed - before.1;
        self.heading(&format!(
            "{}, {}, {} malformed",
            counted(capture.connections.len(), "connection"),
            counted(packets, "packet"),
            grouped(malformed as u64),
        ))?;
        self.passed_over(capture, &others)?;
        for ending in &capture.endings {
            match ending {
                Ending::Whole => {}
                Ending::InsideRecord => {
                    self.remark("The file ends in the middle of a record.")?;
                }
                Ending::Damaged(offset) => self.remark(&format!(
                    "The record at byte {offset} of the file is damaged: nothing after it was read."
                ))?,
            }
        }
        let is_damaged = |ending: &Ending| matches!(ending, Ending::Damaged(_));
        if packets + malformed == 0 {
            self.remark("No packet of MQTT could be read.")?;
            return Ok(Outcome::Unreadable);
        }
        Ok(if capture.endings.iter().any(is_damaged) {
            Outcome::Unreadable
        } else if malformed > 0 {
            Outcome::Wrong
        } else {
            Outcome::Well
        })
    }

    /// Says what was not read, and why.
    fn passed_over(&mut self, capture: &Capture<'_>, others: &Others) -> io::Result<()> {
        let Capture {
            frames,
            passed_over,
            cut_segments,
            ..
        } = capture;
        if *frames == 0 {
            return self.remark("The recording holds no frames.");
        }
        let mut total: usize = passed_over.values().sum();
        let mut kinds: Vec<String> = passed_over
            .iter()
            .map(|(reason, &number)| kind(*reason, number))
            .collect();
        for (name, (connections, frames)) in &others.0 {
            total += frames;
            let connections = counted(*connections, "connection");
            let frames = grouped(*frames as u64);
            kinds.push(format!("{frames} in {connections} {name}"));
        }
        if total > 0 {
            self.remark(&format!(
                "Passed over {} of {}: {}.",
                grouped(total as u64),
                counted(*frames, "recorded frame"),
                listed(&kinds)
            ))?;
        }
        if *cut_segments > 0 {
            self.remark(&format!(
                "Of {} only the first part was recorded (a snap length; tcpdump records all with -s 0).",
                counted(*cut_segments, "TCP segment"),
            ))?;
        }
        Ok(())
    }

    fn connection(
        &mut self,
        number: usize,
        connection: &Connection<'_>,
        others: &mut Others,
    ) -> io::Result<()> {
        let Connection { client, server, .. } = connection;
        self.heading(&format!(
            "Connection {number}: client {client} --> server {server}"
        ))?;
        let conversation = Conversation::of(connection);
        let mut lines: Vec<Line> = conversation.notes.into_iter().map(Line::Note).collect();
        let (client, server) = (&*conversation.from_client, &*conversation.from_server);
        let (version, is_certain) = match conversation.spoken {
            Spoken::Mqtt(version) => (version, true),
            _ => (self.version, false),
        };
        let mut sent = 0;
        let name = match conversation.spoken {
            Spoken::Mqtt(_) | Spoken::Unknown => {
                let end = client.end().max(server.end());
                let mut entries = packets::read(client, version, Role::Client, is_certain, end);
                entries.append(&mut packets::read(
                    server,
                    version,
                    Role::Server,
                    is_certain,
                    end,
                ));
                sent = entries
                    .iter()
                    .filter(|entry| entry.item.is_packet())
                    .count();
                if is_certain || sent > 0 {
                    lines.extend(entries.into_iter().map(Line::Entry));
                }
                None
            }
            Spoken::OtherMqtt(name) => {
                others.count("of another version of MQTT", connection);
                Some(format!(
                    "{name}: not decoded, as this program reads MQTT 5.0 and 3.1.1"
                ))
            }
            Spoken::Other(name) => {
                others.count("without MQTT", connection);
                Some(format!("not MQTT: {name}"))
            }
        };
        lines.sort_by_key(Line::seen);
        for line in &lines {
            match line {
                Line::Entry(entry) => self.entry(entry, version)?,
                Line::Note(note) => {
                    let place = in_time(note.seen, note.sender);
                    if note.is_violation {
                        self.note(&place, &note.text)?;
                        self.malformed += 1;
                    } else {
                        self.comment(&place, &note.text)?;
                    }
                }
            }
        }
        let sizes = [client, server].map(|stream| counted(stream.recorded(), "byte"));
        if let Some(name) = name {
            let [client, server] = sizes;
            self.remark(&format!(
                "{name} ({client} from the client, {server} from the server)"
            ))?;
        } else if !is_certain && sent == 0 {
            others.count("in which no MQTT was found", connection);
            let [client, server] = sizes;
            self.remark(&format!(
                "no MQTT found in what was recorded: {client} from the client and {server} from the server"
            ))?;
        } else if !is_certain {
            self.remark(&format!(
                "The CONNECT was not recorded, which tells the version: \
                 what fits {version} was taken for it.",
            ))?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, version: ProtocolVersion) -> io::Result<()> {
        let Entry { seen, sender, item } = entry;
        let place = in_time(*seen, *sender);
        match item {
            Item::Packet(bytes) => {
                // The reader has decoded it once.
                if let Ok(packet) = RawPacket::whole(bytes).and_then(|raw| raw.decode(version)) {
                    self.packet(&place, bytes.len(), &packet)?;
                }
            }
            Item::Malformed { bytes, error } => {
                self.malformed(&place, bytes, *error, Some(*sender))?;
                self.note(
                    &place,
                    "no more of this side is decoded: where would the next packet begin?",
                )?;
            }
            Item::Incomplete {
                header,
                start,
                recorded,
                is_over,
            } => self.incomplete(
                &place,
                *header,
                start,
                *recorded as usize,
                *is_over,
                (version, *sender),
            )?,
            Item::OldRefusal(code) => {
                self.comment(
                    &place,
                    &format!("a CONNACK of MQTT 3.1.1 with Return Code {code}: the server refuses, and does not speak MQTT 5.0"),
                )?;
            }
            Item::Unfinished {
                bytes,
                needed,
                is_closed,
            } => {
                let end = if *is_closed {
                    "the connection was closed"
                } else {
                    "the recording ends"
                };
                let bytes = counted(bytes.len(), "byte");
                let needed = grouped(*needed as u64);
                self.note(
                    &place,
                    &format!("the last packet is unfinished: only {bytes} of it, at least {needed} missing when {end}"),
                )?;
            }
            Item::Lost(lost) => self.note(&place, &lost_in_words(lost))?,
            Item::Regained(passed_over) => self.note(
                &place,
                &format!(
                    "read on here, where a segment begins with what looks like packets{}",
                    passed_over_in_words(passed_over, "; passed over: ")
                ),
            )?,
            Item::NeverRegained(passed_over) => {
                let words = passed_over_in_words(passed_over, "");
                if !words.is_empty() {
                    self.note(&place, &format!("not read up to the end: {words}"))?;
                }
            }
        }
        Ok(())
    }

    /// A packet of which a part was not recorded.
    fn incomplete(
        &mut self,
        place: &str,
        header: FixedHeader,
        start: &[u8],
        recorded: usize,
        is_over: bool,
        (version, sender): (ProtocolVersion, Role),
    ) -> io::Result<()> {
        let Style {
            strong,
            faint,
            plain,
            ..
        } = self.style;
        let size = header.packet_size();
        let head = publish_head(header, start, version, sender).ok().flatten();
        let large = head.as_ref().and_then(|head| head.decode(version).ok());
        let mut description = match &large {
            Some(large) => {
                let payload = large.payload_length;
                Description::of_publish_head(
                    large,
                    &start[size - payload..],
                    recorded.saturating_sub(size - payload),
                )
            }
            None => Description::of_start(header, start),
        };
        let missing = if is_over {
            format!("only {} recorded", counted(recorded, "byte"))
        } else {
            format!(
                "only {} recorded, and not its end",
                counted(recorded, "byte")
            )
        };
        let comma = if description.summary.is_empty() {
            ""
        } else {
            ", "
        };
        description.summary = format!("{}{comma}{missing}", description.summary);
        let packet_type = header.packet_type().name();
        writeln!(
            self.out,
            "{faint}{place}{plain} {}  {strong}{packet_type:<11}{plain}  {}",
            column(size),
            description.summary
        )?;
        for detail in description.details {
            self.detail(&detail.name, &detail.value)?;
        }
        self.packets += 1;
        Ok(())
    }
}

impl Others {
    fn count(&mut self, name: &'static str, connection: &Connection<'_>) {
        let (connections, frames) = self.0.entry(name).or_default();
        *connections += 1;
        *frames += connection.frames;
    }
}

fn in_time(seen: Moment, sender: Role) -> String {
    format!("{:>12.6} s  {}", seen.at.as_secs_f64(), arrow(sender))
}

/// What frames are that were passed over, and how many.
fn kind(reason: PassedOver, number: usize) -> String {
    let kind = match reason {
        PassedOver::UnknownLink(link) => {
            format!("from a kind of network that is unknown here (link type {link})")
        }
        PassedOver::NotIp => "not IP".to_owned(),
        PassedOver::Fragment => return counted(number, "IP fragment"),
        PassedOver::NotTcp(1 | 58) => "not TCP but ICMP".to_owned(),
        PassedOver::NotTcp(17) => "not TCP but UDP".to_owned(),
        PassedOver::NotTcp(protocol) => format!("not TCP but IP protocol {protocol}"),
        PassedOver::HeadersCutOff => "cut off inside their headers".to_owned(),
        PassedOver::Damaged => "with headers that make no sense".to_owned(),
    };
    format!("{} {kind}", grouped(number as u64))
}

fn lost_in_words(lost: &Lost) -> String {
    match lost {
        Lost::Start => {
            "the start of this side was not recorded: where a packet begins is not known".to_owned()
        }
        Lost::Gap { header } => {
            // Whatever its length may be.
            let begun = header.first().map(|&first| FixedHeader::peek(&[first, 0]));
            let begun = match begun {
                Some(Ok(Some(header))) => {
                    format!(" (a {} of unknown length begins)", header.packet_type())
                }
                _ => String::new(),
            };
            format!(
                "bytes were not recorded here{begun}: where the next packet begins is not known"
            )
        }
        Lost::Doubt(error) => {
            let packet_type = error.packet_type().map_or("packet", PacketType::name);
            format!(
                "what comes here is no valid {packet_type} ({}); perhaps it is no packet at all: \
                 where the next one begins is not known",
                error.violation().message()
            )
        }
    }
}

fn passed_over_in_words(passed_over: &packets::PassedOver, before: &str) -> String {
    let packets::PassedOver {
        recorded,
        missing,
        is_vague,
    } = passed_over;
    let mut words = Vec::new();
    if *recorded > 0 {
        words.push(counted(*recorded, "recorded byte"));
    }
    if *missing > 0 {
        words.push(format!(
            "{} that were not recorded",
            counted(*missing, "byte")
        ));
    }
    if *is_vague && *recorded + *missing > 0 {
        words.push("an unknown number of others".to_owned());
    }
    if words.is_empty() {
        String::new()
    } else {
        format!("{before}{}", listed(&words))
    }
}
