//! From packets to bytes: one walk, run into a counter and into the output.
//!
//! # What is inlined
//!
//! `encode_long` and its like are a function for each packet type, with the walk over its fields inside: with
//! all packet types in one function, the smallest would pay for the registers and the stack of the largest.
//! The walk over a list is a function for each type of element, [`Sink::elements`]. What may be inlined beyond
//! that is left to the compiler, with a hint (`inline`) where it is called from other crates or for each sink.
//! `inline(always)` stands where `benches --bin instructions` counts more without it: for encoding, at
//! [`Sequence::write`](crate::sequence::Sequence::write), without which a SUBACK takes 10 % more, where a
//! property is written into its loop, without which a CONNACK with 16 properties takes 40 % more, and at the
//! walks over fields, which two functions share, one for slices and one for the stack: without it a DISCONNECT
//! takes 11 % more. See `v5/packet/decode.rs` for the other direction.
//!
//! # Whole writes
//!
//! A processor hands a value that was just written to the next read of it only if one write covers the read.
//! A value that is put together in parts and then read whole waits until all parts are in the cache, for some
//! 15 ns. So large values are built where they stay, and the fields of a small packet go straight to the output: to
//! collect them on the stack first makes a PUBLISH without properties take half as long again.
//!
//! A larger head has many fields, and each of them costs more than its bytes, because a `BufMut` is asked for room
//! and told of the new length each time. So such a head is put together on the stack and appended in one piece: a
//! CONNACK with 16 properties takes a fifth less time in a `Vec`, and two thirds less in a `BytesMut`.

use bytes::{Bytes, BytesMut};

use crate::sink::{Count, Fill, Put, Sink};
use crate::wire::{VARIABLE_BYTE_INTEGER_MAX, variable_byte_integer_length};
use crate::{EncodeError, PacketType, ProtocolVersion, Violation, Wire};

/// A head of at most this many bytes goes straight to the output: see "Whole writes".
const SMALL_HEAD: usize = 64;

/// So does one of more than this many bytes: it has few fields for its size.
const STAGE: usize = 256;

/// What encoding needs to know of a packet.
pub(crate) trait Body<'a> {
    fn packet_type(&self) -> PacketType;

    #[inline]
    fn first_byte(&self) -> u8 {
        self.packet_type().first_byte()
    }

    /// The whole packet, if it is an acknowledgement in its shortest form.
    #[inline]
    fn short(&self) -> Option<[u8; 4]> {
        None
    }

    /// The version that the packet is written in on a connection of this one. A CONNECT names its own.
    #[inline]
    fn version(&self, of_connection: ProtocolVersion) -> ProtocolVersion {
        of_connection
    }

    /// The rules that the types alone do not keep.
    fn check(&self) -> Result<(), Violation>;

    /// Writes all that follows the fixed header, but not [`Body::payload`].
    fn write<S: Sink>(&self, sink: &mut S);

    /// The bytes at the end that may be handed out uncopied.
    #[inline]
    fn payload(&self) -> &'a [u8] {
        &[]
    }
}

#[inline]
pub(crate) fn encoded_len<'a>(body: &impl Body<'a>) -> Result<usize, EncodeError> {
    let size = size(body, body.payload().len())?;
    Ok(size.head + size.payload)
}

/// The checked size of a packet, in parts.
struct Size {
    remaining_length: usize,
    /// Fixed header and everything before the payload.
    head: usize,
    payload: usize,
}

#[inline]
fn size<'a>(body: &impl Body<'a>, payload: usize) -> Result<Size, EncodeError> {
    if let Err(violation) = body.check() {
        return Err(invalid(body.packet_type(), violation));
    }
    let mut count = Count(0);
    body.write(&mut count);
    let remaining_length = count.0 + payload as u64;
    if remaining_length > u64::from(VARIABLE_BYTE_INTEGER_MAX) {
        return Err(invalid(body.packet_type(), Violation::PacketTooLong));
    }
    let remaining_length = remaining_length as usize;
    Ok(Size {
        remaining_length,
        head: 1 + variable_byte_integer_length(remaining_length) + remaining_length - payload,
        payload,
    })
}

#[cold]
fn invalid(packet_type: PacketType, violation: Violation) -> EncodeError {
    EncodeError::Invalid {
        packet_type,
        violation,
    }
}

/// Writes everything but the payload, which is returned.
#[inline]
pub(crate) fn encode_head<'a, B: Wire + ?Sized>(
    body: &impl Body<'a>,
    out: &mut B,
) -> Result<&'a [u8], EncodeError> {
    let payload = body.payload();
    encode_head_for(body, payload.len(), out)?;
    Ok(payload)
}

/// Writes everything before a payload of this length.
#[inline(never)]
pub(crate) fn encode_head_for<'a, B: Wire + ?Sized>(
    body: &impl Body<'a>,
    payload_length: usize,
    out: &mut B,
) -> Result<(), EncodeError> {
    let size = size(body, payload_length)?;
    append_head(body, &size, size.head, out)
}

#[inline]
pub(crate) fn encode<'a, B: Wire + ?Sized>(
    body: &impl Body<'a>,
    out: &mut B,
) -> Result<(), EncodeError> {
    match encode_short(body, out) {
        true => Ok(()),
        false => encode_long(body, out),
    }
}

/// Writes the packet, if it is an acknowledgement in its shortest form and there is room for it.
#[inline]
pub(crate) fn encode_short<'a, B: Wire + ?Sized>(body: &impl Body<'a>, out: &mut B) -> bool {
    match body.short() {
        Some(packet) if out.room() >= packet.len() => {
            out.put(&packet);
            true
        }
        _ => false,
    }
}

#[inline(never)]
pub(crate) fn encode_long<'a, B: Wire + ?Sized>(
    body: &impl Body<'a>,
    out: &mut B,
) -> Result<(), EncodeError> {
    let size = size(body, body.payload().len())?;
    append_head(body, &size, size.head + size.payload, out)?;
    if size.payload > 0 {
        out.put(body.payload());
    }
    Ok(())
}

/// As [`encode`], with the end of `shared` as the payload, of which there are this many bytes.
#[inline(never)]
pub(crate) fn encode_with_payload<'a, B: Wire + ?Sized>(
    body: &impl Body<'a>,
    shared: &Bytes,
    payload: usize,
    out: &mut B,
) -> Result<(), EncodeError> {
    let size = size(body, payload)?;
    append_head(body, &size, size.head + size.payload, out)?;
    out.put_shared(shared, shared.len() - payload);
    Ok(())
}

/// Appends everything before the payload if there is room for `needed` bytes.
// Out of line, a PUBLISH takes 18 instructions more.
#[inline(always)]
fn append_head<'a, B: Wire + ?Sized>(
    body: &impl Body<'a>,
    size: &Size,
    needed: usize,
    out: &mut B,
) -> Result<(), EncodeError> {
    if out.room() < needed {
        return Err(EncodeError::NoRoom { needed });
    }
    if size.head <= SMALL_HEAD || size.head > STAGE {
        write_head(body, size.remaining_length, &mut Put(out));
    } else {
        let mut stage = [0; STAGE];
        let room = &mut stage[..size.head];
        fill_head(body, size.remaining_length, room);
        out.put(room);
    }
    Ok(())
}

#[inline]
pub(crate) fn encode_to_slice<'a>(
    body: &impl Body<'a>,
    out: &mut [u8],
) -> Result<usize, EncodeError> {
    if let (Some(packet), Some(room)) = (body.short(), out.first_chunk_mut::<4>()) {
        *room = packet;
        return Ok(packet.len());
    }
    encode_long_to_slice(body, out)
}

#[inline(never)]
fn encode_long_to_slice<'a>(body: &impl Body<'a>, out: &mut [u8]) -> Result<usize, EncodeError> {
    let size = size(body, body.payload().len())?;
    let needed = size.head + size.payload;
    let Some(room) = out.get_mut(..needed) else {
        return Err(EncodeError::NoRoom { needed });
    };
    fill(body, &size, room);
    Ok(needed)
}

/// Writes the packet into an empty buffer.
#[inline]
pub(crate) fn encode_into_empty<'a>(
    body: &impl Body<'a>,
    buffer: &mut BytesMut,
) -> Result<(), EncodeError> {
    let size = size(body, body.payload().len())?;
    // Filling a slice is faster than appending, by more than the zeros cost.
    buffer.resize(size.head + size.payload, 0);
    fill(body, &size, buffer);
    Ok(())
}

#[inline]
fn fill<'a>(body: &impl Body<'a>, size: &Size, room: &mut [u8]) {
    let mut fill = Fill(room);
    write_head(body, size.remaining_length, &mut fill);
    fill.bytes(body.payload());
}

/// One copy for all kinds of output.
#[inline(never)]
fn fill_head<'a>(body: &impl Body<'a>, remaining_length: usize, room: &mut [u8]) {
    write_head(body, remaining_length, &mut Fill(room));
}

#[inline(always)]
fn write_head<'a>(body: &impl Body<'a>, remaining_length: usize, sink: &mut impl Sink) {
    let first_byte = body.first_byte();
    let low = remaining_length as u8;
    match remaining_length {
        // Fast paths: one piece.
        0..0x80 => sink.array(&[first_byte, low]),
        0x80..0x4000 => sink.array(&[first_byte, low | 0x80, (remaining_length >> 7) as u8]),
        _ => {
            sink.byte(first_byte);
            sink.variable_byte_integer(remaining_length);
        }
    }
    body.write(sink);
}

/// Gives a packet its public `encoded_len` and `encode`, and makes it a [`Packet`](crate::Packet).
macro_rules! encodable {
    ($name:ident) => {
        impl<'a> $name<'a> {
            /// The length of the encoded packet in bytes, fixed header included.
            ///
            /// # Errors
            ///
            /// [`EncodeError::Invalid`](crate::EncodeError::Invalid) if the packet would break a rule.
            #[inline]
            pub fn encoded_len(
                &self,
                version: $crate::ProtocolVersion,
            ) -> Result<usize, $crate::EncodeError> {
                match $crate::encode::Body::version(self, version) {
                    $crate::ProtocolVersion::V3_1_1 => {
                        $crate::encode::encoded_len(&$crate::v3_1_1::V3(self))
                    }
                    $crate::ProtocolVersion::V5_0 => $crate::encode::encoded_len(self),
                }
            }

            /// Appends the packet to `out`, in its shortest form. Allocates nothing itself.
            ///
            /// # Errors
            ///
            /// [`EncodeError`](crate::EncodeError) if the packet would break a rule or `out` has
            /// too little room; nothing is written then.
            #[inline]
            pub fn encode<B: $crate::Wire + ?Sized>(
                &self,
                version: $crate::ProtocolVersion,
                out: &mut B,
            ) -> Result<(), $crate::EncodeError> {
                // The shortest acknowledgements are the same in both versions.
                match $crate::encode::Body::version(self, version) {
                    _ if $crate::encode::encode_short(self, out) => Ok(()),
                    $crate::ProtocolVersion::V3_1_1 => {
                        $crate::encode::encode_long(&$crate::v3_1_1::V3(self), out)
                    }
                    $crate::ProtocolVersion::V5_0 => $crate::encode::encode_long(self, out),
                }
            }

            /// Writes the packet to the start of `out`, in its shortest form, and returns its
            /// length: the fastest way, as nothing has to be asked for room.
            ///
            /// # Errors
            ///
            /// [`EncodeError`](crate::EncodeError) if the packet would break a rule or `out` is too
            /// short; nothing is written then.
            #[inline]
            pub fn encode_to_slice(
                &self,
                version: $crate::ProtocolVersion,
                out: &mut [u8],
            ) -> Result<usize, $crate::EncodeError> {
                match $crate::encode::Body::version(self, version) {
                    $crate::ProtocolVersion::V3_1_1 => {
                        $crate::encode::encode_to_slice(&$crate::v3_1_1::V3(self), out)
                    }
                    $crate::ProtocolVersion::V5_0 => $crate::encode::encode_to_slice(self, out),
                }
            }
        }

        impl<'a> From<$name<'a>> for $crate::Packet<'a> {
            #[inline]
            fn from(packet: $name<'a>) -> Self {
                $crate::Packet::$name(packet)
            }
        }
    };
}

pub(crate) use encodable;
