//! Mutation that knows where the lengths stand.
//!
//! A fuzzer that inserts a byte must also increment Remaining Length, and inside a property set
//! Property Length, too; it rarely gets all of that right at once. So three of four mutations
//! change the inside only, and the lengths around it are written anew.

use std::ops::Range;

use mqtt5_codec::PacketType;

/// Mutates bytes in place, and returns how many there are then. `random` is libFuzzer's own
/// mutation.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    random: fn(&mut [u8], usize, usize) -> usize,
) -> usize {
    let mutated = match seed % 4 {
        0 => None,
        choice => inside(&data[..size], choice > 1, max_size, random),
    };
    match mutated {
        Some(bytes) if bytes.len() <= max_size => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        _ => random(data, size, max_size),
    }
}

/// The first packet with its body mutated, or only its properties; what follows is dropped.
fn inside(
    bytes: &[u8],
    only_properties: bool,
    max_size: usize,
    random: fn(&mut [u8], usize, usize) -> usize,
) -> Option<Vec<u8>> {
    let (&first_byte, rest) = bytes.split_first()?;
    let packet_type = PacketType::from_number(first_byte >> 4)?;
    let (length, prefix) = variable_byte_integer(rest)?;
    let body = &rest[prefix..];
    let body = &body[..body.len().min(length)];

    let mutated = |part: &[u8]| {
        let mut buffer = part.to_vec();
        buffer.resize(max_size.max(part.len()), 0);
        let size = random(&mut buffer, part.len(), max_size);
        buffer.truncate(size);
        buffer
    };
    let body = match properties(packet_type, first_byte, body).filter(|_| only_properties) {
        None => mutated(body),
        Some(set) => {
            let (length, prefix) = variable_byte_integer(&body[set.clone()])?;
            let end = (set.start + prefix + length).min(body.len());
            let properties = mutated(&body[set.start + prefix..end]);
            [
                &body[..set.start],
                &encoded(properties.len()),
                &properties,
                &body[end..],
            ]
            .concat()
        }
    };
    Some([&[first_byte], &encoded(body.len())[..], &body].concat())
}

/// Where the property set of a body starts, with its Property Length, and goes on to the end.
fn properties(packet_type: PacketType, first_byte: u8, body: &[u8]) -> Option<Range<usize>> {
    let start = match packet_type {
        PacketType::Connect => 10,
        PacketType::ConnAck | PacketType::Subscribe | PacketType::SubAck => 2,
        PacketType::Unsubscribe | PacketType::UnsubAck => 2,
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => 3,
        PacketType::Disconnect | PacketType::Auth => 1,
        PacketType::Publish => {
            let topic = usize::from(u16::from_be_bytes(*body.first_chunk()?));
            let identifier = if first_byte & 0b0110 == 0 { 0 } else { 2 };
            2 + topic + identifier
        }
        PacketType::PingReq | PacketType::PingResp => return None,
    };
    (start < body.len()).then_some(start..body.len())
}

/// Value and length of the integer that the bytes begin with.
fn variable_byte_integer(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            return Some((value, index + 1));
        }
    }
    None
}

/// The bytes of a Variable Byte Integer.
pub(crate) fn encoded(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use mqtt5_codec::{Packet, ProtocolVersion};

    use super::*;

    #[test]
    fn lengths_follow_what_is_inside() {
        // DISCONNECT with a Session Expiry Interval; a User Property is put before it.
        let mut data = b"\xE0\x07\x00\x05\x11\x00\x00\x00\x00".to_vec();
        data.resize(64, 0);
        let insert = |data: &mut [u8], size: usize, _: usize| {
            data.copy_within(..size, 7);
            data[..7].copy_from_slice(b"\x26\x00\x01n\x00\x01v");
            size + 7
        };
        let size = mutate(&mut data, 9, 64, 2, insert);
        let Ok(Packet::Disconnect(packet)) = Packet::decode(ProtocolVersion::V5_0, &data[..size])
        else {
            panic!("{:?}", &data[..size]);
        };
        assert_eq!(packet.properties.session_expiry_interval(), Some(0));
        assert_eq!(packet.properties.user_properties().count(), 1);
    }
}
