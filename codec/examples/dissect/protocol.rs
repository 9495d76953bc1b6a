//! What the two ends of a connection speak: MQTT 5.0, another version of it, or something else.

use std::borrow::Cow;

use mqtt5_codec::framing::FixedHeader;
use mqtt5_codec::{Packet, ProtocolVersion, Role};

use crate::capture::{Connection, Moment, Stream};
use crate::handshake::Handshake;
use crate::packets;
use crate::proxy::ProxyHeader;
use crate::websocket;

/// What is spoken on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// MQTT of this version.
    Mqtt(ProtocolVersion),
    /// MQTT, perhaps, but nobody knows which: what would tell was not recorded.
    Unknown,
    /// A version of MQTT that is not read here.
    OtherMqtt(&'static str),
    /// Another protocol, in words.
    Other(String),
}

/// A remark about something that is no packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) seen: Moment,
    pub(crate) sender: Role,
    pub(crate) text: String,
    /// Whether it says that a rule is broken.
    pub(crate) is_violation: bool,
}

/// A connection whose carrier is known and removed.
#[derive(Debug)]
pub(crate) struct Conversation<'a> {
    pub(crate) spoken: Spoken,
    /// The streams of MQTT packets, or whatever else was sent.
    pub(crate) from_client: Cow<'a, Stream<'a>>,
    pub(crate) from_server: Cow<'a, Stream<'a>>,
    /// What the carrier itself said.
    pub(crate) notes: Vec<Note>,
}

impl<'a> Conversation<'a> {
    /// Recognises what is spoken on a connection.
    pub(crate) fn of(connection: &'a Connection<'a>) -> Self {
        let mut notes = Vec::new();
        let mut client = Cow::Borrowed(&connection.from_client);
        let server = Cow::Borrowed(&connection.from_server);
        if client.is_complete_at_start()
            && let Some(header) = ProxyHeader::read(&client.head(LONGEST_PROXY_HEADER))
        {
            notes.push(Note {
                seen: client
                    .pieces
                    .first()
                    .map(|piece| piece.seen)
                    .unwrap_or_default(),
                sender: Role::Client,
                text: format!("PROXY protocol header: the client is {}", header.client),
                is_violation: false,
            });
            client = Cow::Owned(client.without_start(header.length));
        }
        let mut conversation = if let Some(handshake) = Handshake::find(&client, &server) {
            Conversation::over_websocket(client, server, &handshake)
        } else if let Some(name) = other_protocol(&client, &server) {
            Conversation {
                spoken: Spoken::Other(name),
                from_client: client,
                from_server: server,
                notes: Vec::new(),
            }
        } else {
            Conversation::of_streams(client, server)
        };
        notes.append(&mut conversation.notes);
        conversation.notes = notes;
        conversation
    }

    fn of_streams(mut client: Cow<'a, Stream<'a>>, mut server: Cow<'a, Stream<'a>>) -> Self {
        let spoken = mqtt_version(&mut client, &mut server);
        if spoken == Spoken::Unknown && !has_packets(&client, &server) {
            // Perhaps a WebSocket that had been opened before.
            let socket =
                Conversation::over_websocket(client.clone(), server.clone(), &Handshake::default());
            if has_packets(&socket.from_client, &socket.from_server) {
                return socket;
            }
        }
        Conversation {
            spoken,
            from_client: client,
            from_server: server,
            notes: Vec::new(),
        }
    }

    fn over_websocket(
        client: Cow<'a, Stream<'a>>,
        server: Cow<'a, Stream<'a>>,
        handshake: &Handshake,
    ) -> Self {
        let mut notes = handshake.notes(&client, &server);
        if !handshake.succeeded() {
            return Conversation {
                spoken: Spoken::Other("WebSocket, but the server did not agree to it".to_owned()),
                from_client: client,
                from_server: server,
                notes,
            };
        }
        let mut packets = |role, stream: &Stream<'_>| {
            let mut decoded = websocket::decode(stream, role, handshake);
            notes.append(&mut decoded.notes);
            Cow::Owned(decoded.packets)
        };
        let mut from_client = packets(Role::Client, &client);
        let mut from_server = packets(Role::Server, &server);
        let mut spoken = mqtt_version(&mut from_client, &mut from_server);
        match spoken {
            Spoken::Mqtt(_) => {}
            // The sides agreed to speak MQTT, and may have said something else.
            Spoken::Unknown | Spoken::Other(_) if handshake.names_mqtt() => {
                spoken = Spoken::Unknown;
            }
            // What MQTT demands of a WebSocket does not bind others.
            _ => notes.retain(|note| !note.is_violation),
        }
        if let Spoken::Other(name) = spoken {
            spoken = Spoken::Other(format!("WebSocket; {name}"));
        }
        Conversation {
            spoken,
            from_client,
            from_server,
            notes,
        }
    }
}

/// Longer headers are not looked at.
const LONGEST_PROXY_HEADER: usize = 1 << 12;

/// Whether anything in the streams looks like packets.
fn has_packets(client: &Stream<'_>, server: &Stream<'_>) -> bool {
    [(Role::Client, client), (Role::Server, server)]
        .into_iter()
        .any(|(role, stream)| {
            [ProtocolVersion::V5_0, ProtocolVersion::V3_1_1]
                .into_iter()
                .flat_map(|version| packets::read(stream, version, role, false, Moment::default()))
                .any(|entry| entry.item.is_packet())
        })
}

/// Which version of MQTT it is, if it is MQTT. A stream that begins with a CONNECT or CONNACK
/// begins at its start, even if the recording does not show that.
fn mqtt_version(client: &mut Cow<'_, Stream<'_>>, server: &mut Cow<'_, Stream<'_>>) -> Spoken {
    let first = client.head(LONGEST_START);
    let level = protocol_level(&first);
    let begins_as_connect = first.first() == Some(&0x10);
    let starts_with_connack = connack(server);
    if level.is_some() && !client.is_complete_at_start() {
        client.to_mut().forget_unknown_start();
    }
    if level.is_some() && starts_with_connack.is_some() && !server.is_complete_at_start() {
        server.to_mut().forget_unknown_start();
    }
    match level {
        Some(level) => match other_version(level) {
            Some(name) => Spoken::OtherMqtt(name),
            None => Spoken::Mqtt(version_of(level)),
        },
        None if client.is_complete_at_start() && !begins_as_connect => {
            Spoken::Other(unknown_protocol(client))
        }
        // A CONNECT, but where is its level?
        None if client.is_complete_at_start() && first_packet_is_recorded(client) => {
            Spoken::Mqtt(ProtocolVersion::V5_0)
        }
        None if client.pieces.is_empty() && server.pieces.is_empty() => {
            Spoken::Other("nothing was sent".to_owned())
        }
        None if client.pieces.is_empty() && server.is_complete_at_start() => {
            Spoken::Other("the client sent nothing".to_owned())
        }
        None => match starts_with_connack {
            Some(true) => Spoken::Mqtt(ProtocolVersion::V5_0),
            Some(false) => Spoken::Mqtt(ProtocolVersion::V3_1_1),
            None => Spoken::Unknown,
        },
    }
}

/// How many bytes the Protocol Name and its level can take up at most, with all before them.
const LONGEST_START: usize = 16;

/// The Protocol Version field of the CONNECT packet at the start of `bytes`, or the like in other
/// versions of MQTT; nothing if no such packet is there, or the field is not.
pub(crate) fn protocol_level(bytes: &[u8]) -> Option<u8> {
    let header = FixedHeader::peek(bytes).ok()??;
    if header.first_byte() != 0x10 {
        return None;
    }
    let body = bytes.get(header.length()..)?;
    let after_name = body
        .strip_prefix(b"\0\x04MQTT")
        .or_else(|| body.strip_prefix(b"\0\x06MQIsdp"))?;
    after_name.first().copied()
}

/// The version of MQTT by which a connection is read that begins with this level.
pub(crate) fn version_of(level: u8) -> ProtocolVersion {
    ProtocolVersion::from_level(level).unwrap_or(ProtocolVersion::V5_0)
}

/// The name of the version of MQTT that has this level, if it is known and not read here. Bridges of
/// some brokers set the highest bit.
pub(crate) fn other_version(level: u8) -> Option<&'static str> {
    match level {
        3 => Some("MQTT 3.1 (protocol level 3)"),
        0x83 => Some("MQTT 3.1 (protocol level 0x83, which is 3 for a bridge)"),
        0x84 => Some("MQTT 3.1.1 (protocol level 0x84, which is 4 for a bridge)"),
        _ => None,
    }
}

/// Whether the first packet, or as much of it as is needed here, was recorded without a gap.
fn first_packet_is_recorded(stream: &Stream<'_>) -> bool {
    let head = stream.head(LONGEST_START);
    match FixedHeader::peek(&head) {
        Ok(Some(header)) => head.len() >= header.packet_size().min(LONGEST_START),
        Ok(None) => stream.pieces.len() == stream.bytes().count(),
        Err(_) => true,
    }
}

/// Whether the stream begins with a CONNACK, and whether that is one of MQTT 5.0.
fn connack(server: &Stream<'_>) -> Option<bool> {
    let head = server.head(1 << 16);
    // One of MQTT 5.0 has a Property Length, too.
    if let [0x20, 2, ..] = head[..] {
        return Some(false);
    }
    let header = FixedHeader::peek(&head).ok()??;
    let packet = head.get(..header.packet_size())?;
    match Packet::decode(ProtocolVersion::V5_0, packet) {
        Ok(Packet::ConnAck(_)) => Some(true),
        _ => None,
    }
}

/// The name of another well-known protocol, and what can be said about it.
fn other_protocol(client: &Stream<'_>, server: &Stream<'_>) -> Option<String> {
    let first = client.head(64);
    let answer = server.head(64);
    if is_tls(&first) || first.is_empty() && is_tls(&answer) || goes_on_with_tls(client, server) {
        return Some("TLS: what is said inside is encrypted".to_owned());
    }
    const METHODS: [&str; 9] = [
        "GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "DELETE ", "PATCH ", "CONNECT ", "TRACE ",
    ];
    let begins_with = |name: &&str| first.starts_with(name.as_bytes());
    if METHODS.iter().any(begins_with) || answer.starts_with(b"HTTP/1.") {
        let line = first.split(|&byte| byte == b'\r').next().unwrap_or(&[]);
        return Some(format!(
            "HTTP: the client begins with `{}`",
            printable(line)
        ));
    }
    if first.starts_with(b"PRI * HTTP/2.0") {
        return Some("HTTP/2".to_owned());
    }
    if first.starts_with(b"SSH-") || answer.starts_with(b"SSH-") {
        return Some("SSH".to_owned());
    }
    if first.starts_with(b"AMQP") {
        return Some("AMQP".to_owned());
    }
    None
}

/// Whether bytes begin as a record of TLS does.
fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x17, 3, 0..=4, 0..=0x48, _, ..])
}

/// Whether a connection of which the start was not recorded goes on with records of TLS: of the
/// first segments of both sides at least two begin with one.
fn goes_on_with_tls(client: &Stream<'_>, server: &Stream<'_>) -> bool {
    const LOOKED_AT: usize = 20;
    if client.is_complete_at_start() || server.is_complete_at_start() {
        return false;
    }
    let records = [client, server].into_iter().flat_map(|stream| {
        let segments = stream.bytes().take(LOOKED_AT);
        segments.filter(|(position, bytes)| stream.borders.contains(position) && is_tls(bytes))
    });
    records.count() >= 2
}

fn unknown_protocol(client: &Stream<'_>) -> String {
    let first = client.head(16);
    let bytes: Vec<String> = first.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "the client begins with {} (`{}`), not with a CONNECT",
        bytes.join(" "),
        printable(&first)
    )
}

fn printable(bytes: &[u8]) -> String {
    let characters = bytes.iter().map(|&byte| match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    });
    characters.collect()
}
