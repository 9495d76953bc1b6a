//! SUBACK and UNSUBACK (sections 3.9 and 3.11).

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;

use super::PacketIdentifier;
use super::decode::{Parse, packet_identifier};
use crate::encode::{Body, encodable};
use crate::framing::FixedHeader;
use crate::sequence::{Element, ListIter, Sequence, scoped_list};
use crate::sink::Sink;
use crate::v5::property::{Properties, Scope, property_set, scope};
use crate::wire::{Fault, Parsed};
use crate::{PacketType, ReasonCode, Violation};

impl<'a> Element<'a> for ReasonCode {
    #[inline]
    fn read(wire: &mut &'a [u8]) -> Option<Self> {
        let (&byte, rest) = wire.split_first()?;
        *wire = rest;
        ReasonCode::from_byte(byte)
    }

    #[inline]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.byte(self.to_byte());
    }

    /// Eight codes in one piece.
    #[inline]
    fn write_all<S: Sink>(mut list: &[Self], sink: &mut S) {
        while let Some((codes, rest)) = list.split_first_chunk::<8>() {
            sink.array(&codes.map(ReasonCode::to_byte));
            list = rest;
        }
        for code in list {
            code.write(sink);
        }
    }
}

/// The Reason Codes of a SUBACK or UNSUBACK: one for each Topic Filter of the request, in its
/// order; at least one. An UNSUBACK of MQTT 3.1.1 has none: [`UnsubAckReasonCodes::NONE`]. `S` says which of the
/// two packets, and so which codes are allowed.
///
/// A view of received bytes, or of a slice to be sent.
pub struct ReasonCodes<'a, S> {
    sequence: Sequence<'a, ReasonCode>,
    scope: PhantomData<fn() -> S>,
}

impl<'a, S: Scope> ReasonCodes<'a, S> {
    /// Checks a list to be sent. It stays where it is.
    ///
    /// # Errors
    ///
    /// [`Violation::ReasonCodesMissing`], [`Violation::ReasonCodeNotAllowed`],
    /// [`Violation::PacketTooLong`].
    pub fn new(list: &'a [ReasonCode]) -> Result<Self, Violation> {
        Self::check_any(list)?;
        let sequence = Sequence::from_list(list, |code| code.check_in(S::PACKET_TYPE))?;
        Ok(Self::from_sequence(sequence))
    }

    /// The codes in wire order.
    #[must_use]
    pub fn iter(&self) -> ListIter<'a, ReasonCode> {
        self.sequence.iter()
    }

    /// Whether all of them fit.
    #[inline]
    pub(crate) fn all(&self, fits: impl Fn(ReasonCode) -> bool) -> bool {
        self.sequence.all(|code| fits(*code))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        // A code is one byte.
        self.sequence.encoded_len()
    }

    /// Whether there are none: only in an UNSUBACK of MQTT 3.1.1.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sequence.is_empty()
    }

    /// Codes that were checked.
    #[inline]
    pub(crate) const fn from_wire(wire: &'a [u8]) -> Self {
        Self::from_sequence(Sequence::from_wire(wire))
    }

    #[inline(always)]
    pub(crate) fn write<W: Sink>(&self, sink: &mut W) {
        self.sequence.write(sink);
    }

    /// Checks that there are codes, encoded or not.
    #[inline]
    pub(crate) const fn check_any<T>(codes: &[T]) -> Result<(), Violation> {
        if codes.is_empty() {
            return Err(Violation::ReasonCodesMissing);
        }
        Ok(())
    }

    #[inline]
    fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        Fault::place(Self::check_any(input), input)?;
        let refused = |&byte: &u8| !ReasonCode::is_code_of(S::PACKET_TYPE, byte);
        #[cfg(mqtt5_faults)]
        let refused =
            |byte: &u8| refused(byte) && !crate::faults::passes_reason_code(S::PACKET_TYPE);
        if let Some(at) = input.iter().position(refused) {
            return Err(Fault::at(&input[at..], Violation::ReasonCodeNotAllowed));
        }
        Ok((&[], Self::from_wire(input)))
    }
}

scoped_list!(ReasonCodes of ReasonCode);

impl UnsubAckReasonCodes<'_> {
    /// No Reason Codes, as in an UNSUBACK of MQTT 3.1.1. MQTT 5 cannot encode them
    /// ([`Violation::ReasonCodesMissing`]).
    pub const NONE: Self = ReasonCodes::from_sequence(Sequence::EMPTY);
}

macro_rules! subscription_acknowledgement {
    ($name:ident $properties:ident $reason_codes:ident $request:literal $section:literal) => {
        #[doc = concat!("The properties of the answer to ", $request, ": Reason String and User Properties.")]
        pub type $properties<'a> = Properties<'a, scope::$name>;

        #[doc = concat!("The Reason Codes of the answer to ", $request, ".")]
        pub type $reason_codes<'a> = ReasonCodes<'a, scope::$name>;

        #[doc = concat!("The answer to ", $request, " (section ", $section, ").")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name<'a> {
            /// The identifier of the request.
            pub packet_identifier: PacketIdentifier,
            /// Reason String and User Properties. Not in MQTT 3.1.1.
            pub properties: $properties<'a>,
            /// One Reason Code for each Topic Filter of the request, in its order. Those of an UNSUBACK are not in
            /// MQTT 3.1.1, and a SUBACK has 0x00, 0x01, 0x02 and 0x80 there.
            pub reason_codes: $reason_codes<'a>,
        }

        impl<'a> $name<'a> {
            /// The packet without properties.
            #[must_use]
            pub const fn new(
                packet_identifier: PacketIdentifier,
                reason_codes: $reason_codes<'a>,
            ) -> Self {
                $name {
                    packet_identifier,
                    properties: Properties::EMPTY,
                    reason_codes,
                }
            }
        }

        impl<'a> Parse<'a> for $name<'a> {
            #[inline]
            fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
                let (rest, packet_identifier) = packet_identifier(input)?;
                let (rest, properties) = property_set(rest)?;
                let (rest, reason_codes) = ReasonCodes::parse(rest)?;
                Ok((
                    rest,
                    $name {
                        packet_identifier,
                        properties,
                        reason_codes,
                    },
                ))
            }
        }

        impl<'a> Body<'a> for $name<'a> {
            #[inline]
            fn packet_type(&self) -> PacketType {
                PacketType::$name
            }

            #[inline]
            fn check(&self) -> Result<(), Violation> {
                // Only an UNSUBACK can be without.
                if PacketType::$name == PacketType::UnsubAck && self.reason_codes.is_empty() {
                    return Err(Violation::ReasonCodesMissing);
                }
                Ok(())
            }

            #[inline(always)]
            fn write<S: Sink>(&self, sink: &mut S) {
                sink.two_byte_integer(self.packet_identifier.get());
                self.properties.write(sink);
                self.reason_codes.write(sink);
            }
        }

        encodable!($name);
    };
}

subscription_acknowledgement!(SubAck SubAckProperties SubAckReasonCodes "a SUBSCRIBE" "3.9");
subscription_acknowledgement!(UnsubAck UnsubAckProperties UnsubAckReasonCodes "an UNSUBSCRIBE" "3.11");
