//! Judges a packet by its first byte.

use mqtt5_codec::framing::FixedHeader;
use mqtt5_codec::{Packet, PacketType, Qos, Role};

use crate::connection::Connection;
use crate::{PeerError, SessionViolation};

/// Returns the error of a packet that begins with `first_byte` and comes now: its type or flags are
/// wrong, the peer never sends its type, or not at this point. Such a packet is refused before the
/// rest of it has come.
///
/// `has_connect` says whether a Server has received the CONNECT.
pub(super) fn error(
    connection: &Connection,
    has_connect: bool,
    first_byte: u8,
) -> Option<PeerError> {
    if fault!("wrong first byte is waited for") && !connection.is_open() {
        return None;
    }
    let peer = connection.role.peer();
    if let Err(error) = FixedHeader::peek(&[first_byte]) {
        return Some(error.in_version(connection.version).sent_by(peer).into());
    }
    let packet_type = PacketType::from_number(first_byte >> 4)?;
    if !packet_type.sent_by(connection.version, peer) {
        let error = Packet::decode_from(connection.version, peer, &[first_byte, 0]).err();
        return error.map(PeerError::from);
    }
    let violation = if connection.is_open() {
        while_open(connection, packet_type, first_byte)
    } else {
        while_opening(connection.role, has_connect, packet_type)
    };
    violation.map(PeerError::from)
}

fn while_opening(
    role: Role,
    has_connect: bool,
    packet_type: PacketType,
) -> Option<SessionViolation> {
    match (role, packet_type) {
        // Whether an AUTH is expected is judged once it is whole.
        (Role::Client, PacketType::ConnAck | PacketType::Auth) => None,
        (Role::Client, _) => Some(SessionViolation::ConnAckExpected),
        (Role::Server, PacketType::Connect) if has_connect => Some(SessionViolation::SecondConnect),
        (Role::Server, PacketType::Connect) => None,
        (Role::Server, _) if !has_connect => Some(SessionViolation::ConnectExpected),
        (Role::Server, PacketType::Auth | PacketType::Disconnect) => None,
        (Role::Server, _) => Some(SessionViolation::BeforeConnAck),
    }
}

fn while_open(
    connection: &Connection,
    packet_type: PacketType,
    first_byte: u8,
) -> Option<SessionViolation> {
    match packet_type {
        PacketType::Connect if fault!("MQTT-3.1.0-2") => None,
        PacketType::Connect => Some(SessionViolation::SecondConnect),
        PacketType::ConnAck => Some(SessionViolation::SecondConnAck),
        PacketType::Publish => {
            let qos = match first_byte >> 1 & 0b11 {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            };
            connection.unsupported(qos, first_byte & 1 != 0)
        }
        _ => None,
    }
}
