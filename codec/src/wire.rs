//! The data types of section 1.5: parsers on nom.

use nom::IResult;
use nom::error::{ErrorKind, ParseError};

use crate::Violation;

/// The largest Variable Byte Integer (section 1.5.5).
pub(crate) const VARIABLE_BYTE_INTEGER_MAX: u32 = 268_435_455;

/// What every parser of this crate returns: the bytes after the value, and the value.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// A broken rule, and how many bytes stood between it and the end of the parser's input.
///
/// Parsers know what is left, not where they are; [`Fault::within`] and [`Fault::offset_in`] turn
/// the one into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) violation: Violation,
    remaining: u32,
}

impl Fault {
    #[cold]
    pub(crate) fn at(input: &[u8], violation: Violation) -> nom::Err<Fault> {
        nom::Err::Error(Fault {
            violation,
            remaining: input.len() as u32,
        })
    }

    /// The judgement on what `input` starts with.
    #[inline]
    pub(crate) fn place<T>(
        judgement: Result<T, Violation>,
        input: &[u8],
    ) -> Result<T, nom::Err<Fault>> {
        judgement.map_err(|violation| Fault::at(input, violation))
    }

    /// The same fault seen from an enclosing input, of which `after` follows the inner one.
    #[cold]
    pub(crate) fn within(error: nom::Err<Fault>, after: &[u8]) -> nom::Err<Fault> {
        error.map(|fault| Fault {
            remaining: fault.remaining + after.len() as u32,
            ..fault
        })
    }

    /// The same place, another rule.
    pub(crate) fn with(self, violation: Violation) -> Fault {
        Fault { violation, ..self }
    }

    /// The offset of the fault in a packet of this length.
    pub(crate) fn offset_in(self, length: usize) -> usize {
        length - self.remaining as usize
    }
}

impl ParseError<&[u8]> for Fault {
    /// Those of nom's own parsers that are used here can only find too few bytes.
    #[cold]
    fn from_error_kind(input: &[u8], _: ErrorKind) -> Self {
        Fault {
            violation: Violation::FieldTruncated,
            remaining: input.len() as u32,
        }
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// The broken rule inside nom's error. Whole packets are parsed, so `Incomplete` never occurs.
#[cold]
pub(crate) fn fault_of(error: nom::Err<Fault>) -> Fault {
    match error {
        nom::Err::Error(fault) | nom::Err::Failure(fault) => fault,
        nom::Err::Incomplete(_) => Fault {
            violation: Violation::FieldTruncated,
            remaining: 0,
        },
    }
}

/// Byte (section 1.5.1).
#[inline(always)]
pub(crate) fn byte(input: &[u8]) -> Parsed<'_, u8> {
    match input {
        [byte, rest @ ..] => Ok((rest, *byte)),
        [] => Err(Fault::at(input, Violation::FieldTruncated)),
    }
}

/// Two Byte Integer (section 1.5.2).
#[inline(always)]
pub(crate) fn two_byte_integer(input: &[u8]) -> Parsed<'_, u16> {
    match input.split_first_chunk::<2>() {
        Some((bytes, rest)) => Ok((rest, u16::from_be_bytes(*bytes))),
        None => Err(Fault::at(input, Violation::FieldTruncated)),
    }
}

/// Four Byte Integer (section 1.5.3).
#[inline(always)]
pub(crate) fn four_byte_integer(input: &[u8]) -> Parsed<'_, u32> {
    match input.split_first_chunk::<4>() {
        Some((bytes, rest)) => Ok((rest, u32::from_be_bytes(*bytes))),
        None => Err(Fault::at(input, Violation::FieldTruncated)),
    }
}

/// Binary Data (section 1.5.6), and what a UTF-8 Encoded String is before its bytes are looked at.
#[inline(always)]
pub(crate) fn length_prefixed(input: &[u8]) -> Parsed<'_, &[u8]> {
    if let Some((prefix, rest)) = input.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*prefix));
        if let Some((content, rest)) = rest.split_at_checked(length) {
            return Ok((rest, content));
        }
    }
    Err(Fault::at(input, Violation::FieldTruncated))
}

/// Variable Byte Integer (section 1.5.5), in its shortest form only.
#[inline(always)]
pub(crate) fn variable_byte_integer(input: &[u8]) -> Parsed<'_, u32> {
    match input {
        [byte, rest @ ..] if *byte < 0x80 => Ok((rest, u32::from(*byte))),
        _ => long_variable_byte_integer(input),
    }
}

fn long_variable_byte_integer(input: &[u8]) -> Parsed<'_, u32> {
    match leading_variable_byte_integer(input) {
        Ok(Some((value, length))) => Ok((&input[length..], value)),
        Ok(None) => Err(Fault::at(input, Violation::FieldTruncated)),
        Err(violation) => Err(Fault::at(input, violation)),
    }
}

/// The Variable Byte Integer at the start of `input` and its length; `None` if `input` ends inside.
#[inline]
pub(crate) fn leading_variable_byte_integer(
    input: &[u8],
) -> Result<Option<(u32, usize)>, Violation> {
    let mut value = 0;
    for (index, &byte) in input.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            return if byte == 0 && index > 0 && !fault!("MQTT-1.5.5-1") {
                Err(Violation::VariableByteIntegerNotMinimal)
            } else {
                Ok(Some((value, index + 1)))
            };
        }
    }
    if input.len() < 4 {
        Ok(None)
    } else {
        Err(Violation::VariableByteIntegerTooLong)
    }
}

/// The number of bytes that a Variable Byte Integer takes.
#[inline]
pub(crate) const fn variable_byte_integer_length(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}
