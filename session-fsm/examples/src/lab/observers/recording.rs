//! What passed between a client and a server.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mqtt5_tokio::codec::{Packet, PacketIdentifier, PacketType, ProtocolVersion, Qos, ReasonCode};

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client.
    ToServer,
    /// From the server.
    ToClient,
}

/// A moment of a recording.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Since the lab began.
    pub at: Duration,
    /// The Network Connection, counted from 0.
    pub connection: u32,
    /// What happened.
    pub what: Happening,
}

/// What happened on a Network Connection.
#[derive(Clone, Debug)]
pub enum Happening {
    /// It was opened.
    Opened,
    /// A packet passed, or would have passed if the connection had not been cut.
    Packet {
        /// Where it goes.
        direction: Direction,
        /// Its type.
        packet_type: PacketType,
        /// Its length.
        bytes: usize,
        /// The parts of a PUBLISH that matter.
        publish: Option<SeenPublish>,
        /// Its Packet Identifier.
        identifier: Option<PacketIdentifier>,
        /// Its Reason Code: of a CONNACK, an acknowledgement or a DISCONNECT.
        reason_code: Option<ReasonCode>,
        /// Session Present, of a CONNACK.
        session_present: Option<bool>,
        /// Whether it was lost, because the connection was cut before it.
        lost: bool,
    },
    /// The lab cut it.
    Cut,
    /// One of both ends closed it.
    Closed,
}

/// What an observer sees of a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenPublish {
    /// Its QoS.
    pub qos: Qos,
    /// DUP.
    pub duplicate: bool,
    /// RETAIN.
    pub retain: bool,
    /// Whether its Topic Name was left out for a Topic Alias.
    pub only_alias: bool,
    /// The number that its payload begins with.
    pub number: Option<u64>,
}

/// The number that a payload of the lab begins with.
#[must_use]
pub fn number_of(payload: &[u8]) -> Option<u64> {
    let length = payload.iter().take_while(|it| it.is_ascii_digit()).count();
    str::from_utf8(&payload[..length]).ok()?.parse().ok()
}

/// All that an observer has seen, in order.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The moments.
    pub entries: Vec<Entry>,
    /// Bytes that were no packets, and were forwarded as they came.
    pub unreadable: usize,
}

impl Happening {
    /// A packet, as the observer notes it.
    pub(super) fn packet(direction: Direction, packet: &Packet<'_>, bytes: usize) -> Self {
        let mut publish = None;
        let (identifier, reason_code) = match packet {
            Packet::Publish(it) => {
                publish = Some(SeenPublish {
                    qos: it.delivery.qos(),
                    duplicate: it.delivery.duplicate(),
                    retain: it.retain,
                    only_alias: it.topic.is_none(),
                    number: number_of(it.payload),
                });
                (it.delivery.packet_identifier(), None)
            }
            Packet::PubAck(it) => (Some(it.packet_identifier), Some(it.reason_code)),
            Packet::PubRec(it) => (Some(it.packet_identifier), Some(it.reason_code)),
            Packet::PubRel(it) => (Some(it.packet_identifier), Some(it.reason_code)),
            Packet::PubComp(it) => (Some(it.packet_identifier), Some(it.reason_code)),
            Packet::Subscribe(it) => (Some(it.packet_identifier), None),
            Packet::SubAck(it) => (Some(it.packet_identifier), None),
            Packet::Unsubscribe(it) => (Some(it.packet_identifier), None),
            Packet::UnsubAck(it) => (Some(it.packet_identifier), None),
            Packet::ConnAck(it) => (None, Some(it.reason_code)),
            Packet::Disconnect(it) => (None, Some(it.reason_code)),
            Packet::Auth(it) => (None, Some(it.reason_code)),
            _ => (None, None),
        };
        Happening::Packet {
            direction,
            packet_type: packet.packet_type(),
            bytes,
            publish,
            identifier,
            reason_code,
            session_present: match packet {
                Packet::ConnAck(connack) => Some(connack.session_present),
                _ => None,
            },
            lost: false,
        }
    }
}

impl Recording {
    /// How many packets passed, and how many bytes they had.
    #[must_use]
    pub fn packets_and_bytes(&self) -> (u64, u64) {
        let mut total = (0, 0);
        for entry in &self.entries {
            if let Happening::Packet {
                bytes, lost: false, ..
            } = entry.what
            {
                total.0 += 1;
                total.1 += bytes as u64;
            }
        }
        total
    }

    /// How many PUBLISH packets passed in this direction, and their bytes.
    #[must_use]
    pub fn publishes(&self, towards: Direction) -> (u64, u64) {
        let mut total = (0, 0);
        for entry in &self.entries {
            if let Happening::Packet {
                direction,
                publish: Some(_),
                bytes,
                lost: false,
                ..
            } = entry.what
                && direction == towards
            {
                total.0 += 1;
                total.1 += bytes as u64;
            }
        }
        total
    }

    /// When each numbered message was first seen in this direction. A packet that was lost counts: its sender has sent it.
    #[must_use]
    pub fn first_seen(&self, towards: Direction) -> BTreeMap<u64, Duration> {
        let mut seen = BTreeMap::new();
        for entry in &self.entries {
            if let Happening::Packet {
                direction,
                publish:
                    Some(SeenPublish {
                        number: Some(number),
                        ..
                    }),
                ..
            } = entry.what
                && direction == towards
            {
                seen.entry(number).or_insert(entry.at);
            }
        }
        seen
    }

    /// When each numbered message of the client was confirmed: the client saw its PUBACK or PUBREC.
    #[must_use]
    pub fn confirmed(&self) -> BTreeMap<u64, Duration> {
        let mut in_flight = HashMap::new();
        let mut confirmed = BTreeMap::new();
        for entry in &self.entries {
            match entry.what {
                Happening::Packet {
                    direction: Direction::ToServer,
                    publish: Some(publish),
                    identifier: Some(identifier),
                    ..
                } => {
                    in_flight.insert(identifier, publish.number);
                }
                Happening::Packet {
                    direction: Direction::ToClient,
                    packet_type: PacketType::PubAck | PacketType::PubRec,
                    identifier: Some(identifier),
                    reason_code: Some(reason_code),
                    lost: false,
                    ..
                } if !reason_code.is_error() => {
                    if let Some(&Some(number)) = in_flight.get(&identifier) {
                        confirmed.entry(number).or_insert(entry.at);
                    }
                }
                _ => {}
            }
        }
        confirmed
    }

    /// How many connections were opened.
    #[must_use]
    pub fn connections(&self) -> u64 {
        let opened = |entry: &&Entry| matches!(entry.what, Happening::Opened);
        self.entries.iter().filter(opened).count() as u64
    }

    /// Session Present of each CONNACK, in order.
    #[must_use]
    pub fn sessions_present(&self) -> Vec<bool> {
        let present = |entry: &Entry| match entry.what {
            Happening::Packet {
                session_present, ..
            } => session_present,
            _ => None,
        };
        self.entries.iter().filter_map(present).collect()
    }

    /// When the lab cut connections.
    #[must_use]
    pub fn cuts(&self) -> Vec<Duration> {
        let cut = |entry: &&Entry| matches!(entry.what, Happening::Cut);
        self.entries.iter().filter(cut).map(|it| it.at).collect()
    }
}

/// The version that a CONNECT speaks.
pub(super) fn version_of(packet: &Packet<'_>) -> Option<ProtocolVersion> {
    match packet {
        Packet::Connect(connect) => Some(connect.version),
        _ => None,
    }
}
