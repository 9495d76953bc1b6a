//! From packets to bytes: one walk, run into a counter and into the output.

use bytes::BufMut;

use crate::sink::{Count, Put, Sink};
use crate::wire::{VARIABLE_BYTE_INTEGER_MAX, variable_byte_integer_length};
use crate::{EncodeError, PacketType, Violation};

/// What a packet has to say to be encoded.
pub(crate) trait Body<'a> {
    fn packet_type(&self) -> PacketType;

    #[inline(always)]
    fn first_byte(&self) -> u8 {
        self.packet_type().first_byte()
    }

    /// The rules that the types alone do not keep.
    fn check(&self) -> Result<(), Violation>;

    /// Writes all that follows the fixed header, but not [`Body::payload`].
    fn write<S: Sink>(&self, sink: &mut S);

    /// Writes fixed header and [`Body::write`] to the output. Packets that are always small
    /// gather less.
    #[inline(always)]
    fn write_head<B: BufMut + ?Sized>(&self, remaining_length: usize, out: &mut B) {
        write_gathered::<128, B>(self, remaining_length, out);
    }

    /// The bytes at the end that may be handed out uncopied.
    #[inline(always)]
    fn payload(&self) -> &'a [u8] {
        &[]
    }
}

/// The checked Remaining Length of a packet.
#[inline(always)]
fn remaining_length<'a>(body: &impl Body<'a>) -> Result<usize, EncodeError> {
    let invalid = |violation| EncodeError::Invalid {
        packet_type: body.packet_type(),
        violation,
    };
    body.check().map_err(invalid)?;
    let mut count = Count(0);
    body.write(&mut count);
    let length = count.0.saturating_add(body.payload().len());
    if length > VARIABLE_BYTE_INTEGER_MAX as usize {
        return Err(invalid(Violation::PacketTooLong));
    }
    Ok(length)
}

#[inline(always)]
pub(crate) fn encoded_len<'a>(body: &impl Body<'a>) -> Result<usize, EncodeError> {
    let remaining_length = remaining_length(body)?;
    Ok(1 + variable_byte_integer_length(remaining_length) + remaining_length)
}

/// Writes everything but the payload, which is returned.
#[inline(never)]
pub(crate) fn encode_head<'a, B: BufMut + ?Sized>(
    body: &impl Body<'a>,
    out: &mut B,
) -> Result<&'a [u8], EncodeError> {
    let payload = body.payload();
    let remaining_length = remaining_length(body)?;
    let needed =
        1 + variable_byte_integer_length(remaining_length) + remaining_length - payload.len();
    if out.remaining_mut() < needed {
        return Err(EncodeError::NoRoom { needed });
    }
    body.write_head(remaining_length, out);
    Ok(payload)
}

// Not inlined: each packet type needs another stack frame.
#[inline(never)]
pub(crate) fn encode<'a, B: BufMut + ?Sized>(
    body: &impl Body<'a>,
    out: &mut B,
) -> Result<(), EncodeError> {
    let remaining_length = remaining_length(body)?;
    let needed = 1 + variable_byte_integer_length(remaining_length) + remaining_length;
    if out.remaining_mut() < needed {
        return Err(EncodeError::NoRoom { needed });
    }
    body.write_head(remaining_length, out);
    let payload = body.payload();
    if !payload.is_empty() {
        out.put_slice(payload);
    }
    Ok(())
}

#[inline(always)]
pub(crate) fn write_gathered<'a, const N: usize, B: BufMut + ?Sized>(
    body: &(impl Body<'a> + ?Sized),
    remaining_length: usize,
    out: &mut B,
) {
    let mut put = Put::<B, N>::new(out);
    put.byte(body.first_byte());
    put.variable_byte_integer(remaining_length);
    body.write(&mut put);
    put.flush();
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
            pub fn encoded_len(&self) -> Result<usize, $crate::EncodeError> {
                $crate::encode::encoded_len(self)
            }

            /// Appends the packet to `out`, in its shortest form. Allocates nothing itself.
            ///
            /// # Errors
            ///
            /// [`EncodeError`](crate::EncodeError) if the packet would break a rule or `out` has
            /// too little room; nothing is written then.
            #[inline]
            pub fn encode<B: bytes::BufMut + ?Sized>(
                &self,
                out: &mut B,
            ) -> Result<(), $crate::EncodeError> {
                $crate::encode::encode(self, out)
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
