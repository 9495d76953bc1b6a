//! The types that property values have.

use core::num::{NonZeroU16, NonZeroU32};

#[cfg(mqtt5_faults)]
use crate::faults::ill_formed_passes;
use crate::sink::Sink;
use crate::text::checked_text;
use crate::topic::checked_topic_name;
use crate::wire::{
    Fault, Parsed, VARIABLE_BYTE_INTEGER_MAX, byte, four_byte_integer, length_prefixed,
    two_byte_integer, variable_byte_integer,
};
use crate::{Binary, Qos, Text, TopicName, Violation};

/// What the payload of a message is (sections 3.1.3.2.3 and 3.3.2.3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum PayloadFormat {
    /// 0: bytes of unspecified meaning, as if the property were absent.
    #[default]
    UnspecifiedBytes = 0,
    /// 1: UTF-8 encoded text.
    Utf8Text = 1,
}

/// The highest QoS that a Server supports if it does not support all (section 3.2.2.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum MaximumQos {
    /// Only QoS 0.
    AtMostOnce = 0,
    /// QoS 0 and 1.
    AtLeastOnce = 1,
}

impl From<MaximumQos> for Qos {
    fn from(maximum: MaximumQos) -> Qos {
        match maximum {
            MaximumQos::AtMostOnce => Qos::AtMostOnce,
            MaximumQos::AtLeastOnce => Qos::AtLeastOnce,
        }
    }
}

/// A Subscription Identifier (section 3.8.2.1.2): 1 to 268,435,455.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionIdentifier(NonZeroU32);

impl SubscriptionIdentifier {
    /// The largest identifier, 268,435,455.
    pub const MAX: SubscriptionIdentifier =
        SubscriptionIdentifier(NonZeroU32::new(VARIABLE_BYTE_INTEGER_MAX).unwrap());

    /// Checks the range.
    ///
    /// # Errors
    ///
    /// [`Violation::SubscriptionIdentifierZero`], [`Violation::SubscriptionIdentifierTooLarge`].
    pub const fn new(value: u32) -> Result<Self, Violation> {
        match NonZeroU32::new(value) {
            None => Err(Violation::SubscriptionIdentifierZero),
            Some(value) if value.get() > VARIABLE_BYTE_INTEGER_MAX => {
                Err(Violation::SubscriptionIdentifierTooLarge)
            }
            Some(value) => Ok(SubscriptionIdentifier(value)),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

/// A User Property (section 3.1.2.11.8 and others): a UTF-8 String Pair (section 1.5.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserProperty<'a> {
    /// The name. The same name may occur several times in a packet.
    pub name: Text<'a>,
    /// The value.
    pub value: Text<'a>,
}

impl<'a> UserProperty<'a> {
    /// Checks both strings.
    ///
    /// # Errors
    ///
    /// As [`Text::new`].
    pub fn new(name: &'a str, value: &'a str) -> Result<Self, Violation> {
        Ok(UserProperty {
            name: Text::new(name)?,
            value: Text::new(value)?,
        })
    }
}

/// How a value lies on the wire: enough to step over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// This many bytes.
    Fixed(u8),
    /// A Variable Byte Integer.
    VariableByteInteger,
    /// A two-byte length and as many bytes.
    LengthPrefixed,
    /// Two of them.
    Pair,
}

/// A value as it lies on the wire. Few shapes for many types: what has the same shape is written by the same
/// code, which is small enough to be part of the loop over a list.
#[derive(Clone, Copy)]
pub(crate) enum Wire<'a> {
    Byte(u8),
    TwoBytes(u16),
    FourBytes(u32),
    VariableByteInteger(u32),
    LengthPrefixed(&'a [u8]),
    Pair(&'a [u8], &'a [u8]),
}

impl Wire<'_> {
    /// Writes identifier and value, in as few pieces as possible.
    #[inline(always)]
    pub(crate) fn write<S: Sink>(self, identifier: u8, sink: &mut S) {
        match self {
            Wire::Byte(value) => sink.array(&[identifier, value]),
            Wire::TwoBytes(value) => sink.array(&tagged_two(identifier, value)),
            Wire::FourBytes(value) => {
                let [first, second, third, fourth] = value.to_be_bytes();
                sink.array(&[identifier, first, second, third, fourth]);
            }
            Wire::VariableByteInteger(value) => {
                sink.byte(identifier);
                sink.variable_byte_integer(value as usize);
            }
            Wire::LengthPrefixed(content) => {
                sink.array(&tagged_two(identifier, content.len() as u16));
                sink.bytes(content);
            }
            Wire::Pair(name, value) => {
                sink.array(&tagged_two(identifier, name.len() as u16));
                sink.bytes(name);
                sink.length_prefixed(value);
            }
        }
    }
}

#[inline]
fn tagged_two(identifier: u8, value: u16) -> [u8; 3] {
    let [high, low] = value.to_be_bytes();
    [identifier, high, low]
}

/// A type of property value.
pub(crate) trait Value<'a>: Copy {
    const SHAPE: Shape;

    /// Reads a value that was checked.
    fn read(wire: &mut &'a [u8]) -> Option<Self>;

    /// The value as it is to be written.
    fn wire(&self) -> Wire<'a>;
}

/// A type that every value of its data type belongs to.
pub(crate) trait Unrestricted<'a>: Value<'a> {
    /// Steps over a value, having checked it.
    fn check(input: &'a [u8]) -> Parsed<'a, ()>;
}

/// A type that some values of its data type do not belong to.
pub(crate) trait Restricted<'a>: Value<'a> {
    /// Steps over a value, having checked it. `wrong` is the rule that a value out of range breaks.
    fn check(input: &'a [u8], wrong: Violation) -> Parsed<'a, ()>;
}

/// Runs one of the parsers over bytes that were checked.
#[inline]
fn advance<'a, T>(wire: &mut &'a [u8], parsed: Parsed<'a, T>) -> Option<T> {
    let (rest, value) = parsed.ok()?;
    *wire = rest;
    Some(value)
}

macro_rules! one_byte_value {
    ($type:ty, $read:expr, $byte:expr) => {
        impl<'a> Value<'a> for $type {
            const SHAPE: Shape = Shape::Fixed(1);

            #[inline]
            fn read(wire: &mut &'a [u8]) -> Option<Self> {
                let parsed = byte(wire);
                advance(wire, parsed).map($read)
            }

            #[inline]
            fn wire(&self) -> Wire<'a> {
                Wire::Byte($byte(*self))
            }
        }

        impl<'a> Restricted<'a> for $type {
            #[inline(always)]
            fn check(input: &'a [u8], wrong: Violation) -> Parsed<'a, ()> {
                match byte(input)? {
                    (rest, 0 | 1) => Ok((rest, ())),
                    _ => Err(Fault::at(input, wrong)),
                }
            }
        }
    };
}

one_byte_value!(bool, |byte| byte == 1, u8::from);
one_byte_value!(
    PayloadFormat,
    |byte| if byte == 1 {
        PayloadFormat::Utf8Text
    } else {
        PayloadFormat::UnspecifiedBytes
    },
    |format| format as u8
);
one_byte_value!(
    MaximumQos,
    |byte| if byte == 1 {
        MaximumQos::AtLeastOnce
    } else {
        MaximumQos::AtMostOnce
    },
    |qos| qos as u8
);

macro_rules! integer_value {
    ($type:ty, $non_zero:ty, $parser:ident, $shape:ident) => {
        impl<'a> Value<'a> for $type {
            const SHAPE: Shape = Shape::Fixed(size_of::<$type>() as u8);

            #[inline]
            fn read(wire: &mut &'a [u8]) -> Option<Self> {
                let parsed = $parser(wire);
                advance(wire, parsed)
            }

            #[inline]
            fn wire(&self) -> Wire<'a> {
                Wire::$shape(*self)
            }
        }

        impl<'a> Unrestricted<'a> for $type {
            #[inline(always)]
            fn check(input: &'a [u8]) -> Parsed<'a, ()> {
                let (rest, _) = $parser(input)?;
                Ok((rest, ()))
            }
        }

        impl<'a> Value<'a> for $non_zero {
            const SHAPE: Shape = Shape::Fixed(size_of::<$type>() as u8);

            #[inline]
            fn read(wire: &mut &'a [u8]) -> Option<Self> {
                let parsed = $parser(wire);
                advance(wire, parsed).and_then(<$non_zero>::new)
            }

            #[inline]
            fn wire(&self) -> Wire<'a> {
                Wire::$shape(self.get())
            }
        }

        impl<'a> Restricted<'a> for $non_zero {
            #[inline(always)]
            fn check(input: &'a [u8], wrong: Violation) -> Parsed<'a, ()> {
                match $parser(input)? {
                    (rest, 0)
                        if fault!("Maximum Packet Size 0")
                            && wrong == Violation::MaximumPacketSizeZero =>
                    {
                        Ok((rest, ()))
                    }
                    (rest, 0) if fault!("MQTT-3.3.2-8") && wrong == Violation::TopicAliasZero => {
                        Ok((rest, ()))
                    }
                    (_, 0) => Err(Fault::at(input, wrong)),
                    (rest, _) => Ok((rest, ())),
                }
            }
        }
    };
}

integer_value!(u16, NonZeroU16, two_byte_integer, TwoBytes);
integer_value!(u32, NonZeroU32, four_byte_integer, FourBytes);

impl<'a> Value<'a> for SubscriptionIdentifier {
    const SHAPE: Shape = Shape::VariableByteInteger;

    #[inline]
    fn read(wire: &mut &'a [u8]) -> Option<Self> {
        let parsed = variable_byte_integer(wire);
        advance(wire, parsed).and_then(|value| SubscriptionIdentifier::new(value).ok())
    }

    #[inline]
    fn wire(&self) -> Wire<'a> {
        Wire::VariableByteInteger(self.get())
    }
}

impl<'a> Restricted<'a> for SubscriptionIdentifier {
    #[inline(always)]
    fn check(input: &'a [u8], wrong: Violation) -> Parsed<'a, ()> {
        match variable_byte_integer(input)? {
            (_, 0) => Err(Fault::at(input, wrong)),
            (rest, _) => Ok((rest, ())),
        }
    }
}

macro_rules! length_prefixed_value {
    ($type:ident, $bytes:expr) => {
        impl<'a> Value<'a> for $type<'a> {
            const SHAPE: Shape = Shape::LengthPrefixed;

            #[inline]
            fn read(wire: &mut &'a [u8]) -> Option<Self> {
                let parsed = length_prefixed(wire);
                advance(wire, parsed).map($type::trusted)
            }

            #[inline]
            fn wire(&self) -> Wire<'a> {
                Wire::LengthPrefixed($bytes(*self))
            }
        }
    };
}

length_prefixed_value!(Text, |text: Text<'a>| text.as_str().as_bytes());
length_prefixed_value!(Binary, Binary::as_bytes);
// The only Topic Name among the properties is the Response Topic.
length_prefixed_value!(TopicName, |topic: TopicName<'a>| topic.as_str().as_bytes());

impl<'a> Unrestricted<'a> for Text<'a> {
    #[inline(always)]
    fn check(input: &'a [u8]) -> Parsed<'a, ()> {
        let (rest, _) = checked_text(input)?;
        Ok((rest, ()))
    }
}

impl<'a> Unrestricted<'a> for Binary<'a> {
    #[inline(always)]
    fn check(input: &'a [u8]) -> Parsed<'a, ()> {
        let (rest, _) = length_prefixed(input)?;
        Ok((rest, ()))
    }
}

impl<'a> Restricted<'a> for TopicName<'a> {
    #[inline(always)]
    fn check(input: &'a [u8], wrong: Violation) -> Parsed<'a, ()> {
        let checked = checked_topic_name(input, wrong);
        let (rest, _) = fault!("MQTT-3.3.2-13", checked, ill_formed_passes(input, checked))?;
        Ok((rest, ()))
    }
}

impl<'a> Value<'a> for UserProperty<'a> {
    const SHAPE: Shape = Shape::Pair;

    #[inline]
    fn read(wire: &mut &'a [u8]) -> Option<Self> {
        let parsed = length_prefixed(wire);
        let name = Text::trusted(advance(wire, parsed)?);
        let parsed = length_prefixed(wire);
        let value = Text::trusted(advance(wire, parsed)?);
        Some(UserProperty { name, value })
    }

    #[inline]
    fn wire(&self) -> Wire<'a> {
        Wire::Pair(
            self.name.as_str().as_bytes(),
            self.value.as_str().as_bytes(),
        )
    }
}

impl<'a> Unrestricted<'a> for UserProperty<'a> {
    #[inline(always)]
    fn check(input: &'a [u8]) -> Parsed<'a, ()> {
        let (rest, _) = checked_text(input)?;
        let (rest, _) = fault!("MQTT-1.5.7-1", checked_text(rest), length_prefixed(rest))?;
        Ok((rest, ()))
    }
}
