//! PUBACK, PUBREC, PUBREL, PUBCOMP (sections 3.4 to 3.7): four packets of one shape.

use super::PacketIdentifier;
use super::decode::{Parse, packet_identifier};
use crate::encode::{Body, encodable};
use crate::framing::FixedHeader;
use crate::sink::Sink;
use crate::v5::property::{Properties, Scope, property_set, scope};
use crate::wire::{Fault, Parsed, byte};
use crate::{PacketType, ReasonCode, Violation};

macro_rules! acknowledgement {
    ($name:ident $properties:ident $doc:literal) => {
        #[doc = concat!("The properties of ", $doc, ": Reason String and User Properties.")]
        pub type $properties<'a> = Properties<'a, scope::$name>;

        #[doc = concat!("What ", $doc, " says.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name<'a> {
            /// The identifier of the PUBLISH that the exchange is about.
            pub packet_identifier: PacketIdentifier,
            /// How it went. Not in MQTT 3.1.1.
            pub reason_code: ReasonCode,
            /// Reason String and User Properties. Not in MQTT 3.1.1.
            pub properties: $properties<'a>,
        }

        impl<'a> $name<'a> {
            /// The packet without properties.
            #[must_use]
            pub const fn new(packet_identifier: PacketIdentifier, reason_code: ReasonCode) -> Self {
                $name {
                    packet_identifier,
                    reason_code,
                    properties: Properties::EMPTY,
                }
            }
        }

        impl<'a> Parse<'a> for $name<'a> {
            #[inline(always)]
            fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
                let (rest, (packet_identifier, reason_code, properties)) =
                    parse(PacketType::$name, input)?;
                Ok((
                    rest,
                    $name {
                        packet_identifier,
                        reason_code,
                        properties,
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
            fn short(&self) -> Option<[u8; 4]> {
                if self.reason_code != ReasonCode::Success || !self.properties.is_empty() {
                    return None;
                }
                let [high, low] = self.packet_identifier.get().to_be_bytes();
                Some([PacketType::$name.first_byte(), 2, high, low])
            }

            #[inline]
            fn check(&self) -> Result<(), Violation> {
                self.reason_code.check_in(PacketType::$name)
            }

            #[inline(always)]
            fn write<S: Sink>(&self, sink: &mut S) {
                sink.two_byte_integer(self.packet_identifier.get());
                write_reason(self.reason_code, &self.properties, sink);
            }
        }

        encodable!($name);
    };
}

acknowledgement!(PubAck PubAckProperties "a PUBACK, the answer to a PUBLISH with QoS 1 (section 3.4)");
acknowledgement!(PubRec PubRecProperties "a PUBREC, the first answer to a PUBLISH with QoS 2 (section 3.5)");
acknowledgement!(PubRel PubRelProperties "a PUBREL, the answer to a PUBREC (section 3.6)");
acknowledgement!(PubComp PubCompProperties "a PUBCOMP, the answer to a PUBREL (section 3.7)");

type Fields<'a, S> = (PacketIdentifier, ReasonCode, Properties<'a, S>);

#[inline(always)]
fn parse<S: Scope>(packet_type: PacketType, input: &[u8]) -> Parsed<'_, Fields<'_, S>> {
    let (rest, packet_identifier) = packet_identifier(input)?;
    if rest.is_empty() {
        return Ok((
            rest,
            (packet_identifier, ReasonCode::Success, Properties::EMPTY),
        ));
    }
    let (rest, (reason_code, properties)) = reason_and_properties(packet_type, rest)?;
    Ok((rest, (packet_identifier, reason_code, properties)))
}

/// A Reason Code, and properties unless the packet ends there: what the four packets of this
/// module, DISCONNECT and AUTH end with.
#[inline(always)]
pub(super) fn reason_and_properties<S: Scope>(
    packet_type: PacketType,
    input: &[u8],
) -> Parsed<'_, (ReasonCode, Properties<'_, S>)> {
    let (rest, reason_code) = reason_code(packet_type, input)?;
    if rest.is_empty() {
        return Ok((rest, (reason_code, Properties::EMPTY)));
    }
    let (rest, properties) = property_set(rest)?;
    Ok((rest, (reason_code, properties)))
}

/// A Reason Code that the packet may carry.
#[inline(always)]
pub(super) fn reason_code(packet_type: PacketType, input: &[u8]) -> Parsed<'_, ReasonCode> {
    let (rest, value) = byte(input)?;
    match ReasonCode::in_packet(packet_type, value) {
        Some(reason_code) => Ok((rest, reason_code)),
        #[cfg(mqtt5_faults)]
        None if crate::faults::passes_reason_code(packet_type) => Ok((rest, ReasonCode::Success)),
        None => Err(Fault::at(input, Violation::ReasonCodeNotAllowed)),
    }
}

/// The shortest form of what [`reason_and_properties`] reads, or of nothing at all.
#[inline(always)]
pub(super) fn write_reason<P: Scope, S: Sink>(
    reason_code: ReasonCode,
    properties: &Properties<'_, P>,
    sink: &mut S,
) {
    if !properties.is_empty() {
        sink.byte(reason_code.to_byte());
        properties.write(sink);
    } else if reason_code != ReasonCode::Success {
        sink.byte(reason_code.to_byte());
    }
}
