//! Fixed headers, read by hand: for the baselines, and for codecs that decode a
//! packet from a slice but leave it to their user to find where it ends.

use bytes::{Buf, BytesMut};

/// A fixed header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// Packet type and flags.
    pub first_byte: u8,
    /// How long this header is.
    pub len: usize,
    /// The Remaining Length: how long the packet is after this header.
    pub remaining_len: usize,
}

/// Reads the fixed header at the front of `bytes`; `None` if it is cut off.
///
/// # Panics
///
/// Panics if the Remaining Length is more than four bytes long, which does not
/// happen here.
#[inline]
pub fn fixed_header(bytes: &[u8]) -> Option<FixedHeader> {
    let (&first_byte, rest) = bytes.split_first()?;
    let mut remaining_len = 0;
    for (index, &digit) in rest.iter().enumerate() {
        assert!(index < 4, "a Remaining Length of more than four bytes");
        remaining_len |= usize::from(digit & 0x7F) << (7 * index);
        if digit & 0x80 == 0 {
            return Some(FixedHeader {
                first_byte,
                len: index + 2,
                remaining_len,
            });
        }
    }
    None
}

/// Makes a reader of a stream: it appends each chunk to a buffer, passes every
/// packet that is complete with its fixed header to `each`, and returns how many
/// there were.
pub fn reader(mut each: impl FnMut(FixedHeader, &[u8])) -> impl FnMut(&[u8]) -> usize {
    let mut buffer = BytesMut::with_capacity(16 << 10);
    move |chunk| {
        buffer.extend_from_slice(chunk);
        let mut packets = 0;
        let mut rest = &buffer[..];
        while let Some(header) = fixed_header(rest)
            && let Some((packet, behind)) = rest.split_at_checked(header.len + header.remaining_len)
        {
            each(header, packet);
            packets += 1;
            rest = behind;
        }
        let read = buffer.len() - rest.len();
        buffer.advance(read);
        packets
    }
}

#[cfg(test)]
mod tests {
    use mqtt5_codec::ProtocolVersion;

    use super::*;
    use crate::{mixed, packets};

    #[test]
    fn finds_the_end_of_every_packet() {
        for row in packets::rows(ProtocolVersion::V5_0) {
            let header = fixed_header(&row.bytes).unwrap();
            assert_eq!(header.first_byte, row.bytes[0]);
            assert_eq!(header.len + header.remaining_len, row.bytes.len());
        }
        assert_eq!(fixed_header(&[0x30, 0x80]), None);
    }

    #[test]
    fn finds_every_packet_of_the_stream() {
        for &version in ProtocolVersion::ALL {
            let stream = mixed::bytes(version);
            let mut bytes = 0;
            let packets: usize = mixed::chunks(stream)
                .map(reader(|_, packet| bytes += packet.len()))
                .sum();
            assert_eq!(packets, mixed::PACKETS);
            assert_eq!(bytes, stream.len());
        }
    }
}
