//! Control Packet types (section 2.1.2), their fixed header flags, and the side that sends them.

use core::fmt;

use crate::{ProtocolVersion, Violation};

/// A side of a Network Connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The side that opened the Network Connection and sends the CONNECT.
    Client,
    /// The side that accepted the Network Connection and sends the CONNACK.
    Server,
}

impl Role {
    /// The opposite side.
    #[must_use]
    pub const fn peer(self) -> Role {
        match self {
            Role::Client => Role::Server,
            Role::Server => Role::Client,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Role::Client => "Client",
            Role::Server => "Server",
        })
    }
}

macro_rules! packet_types {
    ($($value:literal $name:ident $text:literal;)*) => {
        /// The type of a Control Packet (section 2.1.2, Table 2-1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum PacketType {
            $(
                #[doc = $text]
                $name = $value,
            )*
        }

        impl PacketType {
            /// The 15 types, in ascending order.
            pub const ALL: [PacketType; 15] = [$(PacketType::$name),*];

            /// The name as the standard writes it, in capitals.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(PacketType::$name => $text),* }
            }

            /// The type with this number (bits 7 to 4 of the first byte).
            #[must_use]
            pub const fn from_number(number: u8) -> Option<PacketType> {
                match number {
                    $($value => Some(PacketType::$name),)*
                    _ => None,
                }
            }
        }
    };
}

packet_types! {
    1 Connect "CONNECT";
    2 ConnAck "CONNACK";
    3 Publish "PUBLISH";
    4 PubAck "PUBACK";
    5 PubRec "PUBREC";
    6 PubRel "PUBREL";
    7 PubComp "PUBCOMP";
    8 Subscribe "SUBSCRIBE";
    9 SubAck "SUBACK";
    10 Unsubscribe "UNSUBSCRIBE";
    11 UnsubAck "UNSUBACK";
    12 PingReq "PINGREQ";
    13 PingResp "PINGRESP";
    14 Disconnect "DISCONNECT";
    15 Auth "AUTH";
}

impl PacketType {
    /// Whether this side ever sends packets of the type (Table 2-1).
    #[must_use]
    pub const fn sent_by(self, version: ProtocolVersion, sender: Role) -> bool {
        if let ProtocolVersion::V3_1_1 = version {
            match self {
                // A Server just closes the connection.
                PacketType::Disconnect => return matches!(sender, Role::Client),
                // There is no such packet, which is said when it is decoded.
                PacketType::Auth => return true,
                _ => {}
            }
        }
        match self {
            PacketType::Connect
            | PacketType::Subscribe
            | PacketType::Unsubscribe
            | PacketType::PingReq => matches!(sender, Role::Client),
            PacketType::ConnAck
            | PacketType::SubAck
            | PacketType::UnsubAck
            | PacketType::PingResp => matches!(sender, Role::Server),
            PacketType::Publish
            | PacketType::PubAck
            | PacketType::PubRec
            | PacketType::PubRel
            | PacketType::PubComp
            | PacketType::Disconnect
            | PacketType::Auth => true,
        }
    }

    /// The first byte of a packet of the type with the flags of Table 2-2; for PUBLISH, with DUP,
    /// QoS and RETAIN all 0.
    #[must_use]
    pub const fn first_byte(self) -> u8 {
        let flags = match self {
            PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010,
            _ => 0,
        };
        (self as u8) << 4 | flags
    }

    /// The type that a first byte announces, with its flags checked.
    #[inline]
    pub(crate) fn of_first_byte(byte: u8) -> Result<PacketType, Violation> {
        #[cfg(mqtt5_faults)]
        if let Some(packet_type) = crate::faults::passing_flags(byte) {
            return Ok(packet_type);
        }
        FIRST_BYTES[usize::from(byte)]
    }

    const fn judge_first_byte(byte: u8) -> Result<PacketType, Violation> {
        let Some(packet_type) = PacketType::from_number(byte >> 4) else {
            return Err(Violation::ReservedPacketType);
        };
        if matches!(packet_type, PacketType::Publish) {
            return match byte & 0b1110 {
                0b0110 | 0b1110 => Err(Violation::PublishQos3),
                0b1000 => Err(Violation::DuplicateAtQos0),
                _ => Ok(packet_type),
            };
        }
        if byte == packet_type.first_byte() {
            Ok(packet_type)
        } else {
            Err(Violation::FixedHeaderFlags)
        }
    }
}

/// The judgement on each first byte, made once.
static FIRST_BYTES: [Result<PacketType, Violation>; 256] = {
    let mut table = [Err(Violation::ReservedPacketType); 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = PacketType::judge_first_byte(byte as u8);
        byte += 1;
    }
    table
};

impl fmt::Display for PacketType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
