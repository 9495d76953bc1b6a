//! Two floors: the least that any decoder of a stream has to do.
//!
//! `header` reads the first byte and the Remaining Length of every packet and
//! skips the rest. `header+topic` also checks with [`core::str::from_utf8`] that
//! the first string of a PUBLISH, its Topic Name, is UTF-8. Neither makes
//! anything of a packet, and so neither knows a version.

use crate::contender::{BoxedRun, Contender, decode_slices, read_stream, used};
use crate::framing::{self, FixedHeader};

/// The name of [`header_and_topic`].
pub const HEADER_AND_TOPIC: &str = "header+topic";

/// Reads fixed headers.
pub const fn header() -> Contender {
    Contender {
        name: "header",
        unchecked: "everything but the fixed header",
        accepts: None,
        decode: Some(|packet| decode(packet, used_header)),
        encode: None,
        stream: Some(|bytes| read_stream(bytes, framing::reader(used_header))),
        round_trip: None,
    }
}

/// Reads fixed headers and checks that topics are UTF-8.
pub const fn header_and_topic() -> Contender {
    Contender {
        name: HEADER_AND_TOPIC,
        unchecked: "everything but the fixed header and whether a Topic Name is UTF-8",
        decode: Some(|packet| decode(packet, used_header_and_topic)),
        stream: Some(|bytes| read_stream(bytes, framing::reader(used_header_and_topic))),
        ..header()
    }
}

fn decode(packet: &'static [u8], read: impl Fn(FixedHeader, &[u8]) + 'static) -> BoxedRun {
    decode_slices(packet, move |packet| {
        let header = framing::fixed_header(packet).expect("a whole packet");
        read(header, packet);
    })
}

#[inline]
fn used_header(header: FixedHeader, _packet: &[u8]) {
    used(&header);
}

#[inline]
fn used_header_and_topic(header: FixedHeader, packet: &[u8]) {
    const PUBLISH: u8 = 3;
    used(&header);
    if header.first_byte >> 4 == PUBLISH {
        used(&topic(&packet[header.len..]));
    }
}

#[inline]
fn topic(body: &[u8]) -> Option<&str> {
    let (len, rest) = body.split_first_chunk()?;
    let topic = rest.get(..usize::from(u16::from_be_bytes(*len)))?;
    str::from_utf8(topic).ok()
}
