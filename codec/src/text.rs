//! UTF-8 Encoded Strings (section 1.5.4) and Binary Data (section 1.5.6) as validated types.

use core::fmt;
use core::iter;
use core::ops::Deref;

use ascii::AsciiStr;

use crate::Violation;
use crate::wire::{Fault, Parsed, length_prefixed};

/// What the three kinds of strings have in common. To keep the lifetime of the borrowed string, ask
/// for `as_str()`: dereferencing gives that of the value.
macro_rules! string_type {
    ($name:ident) => {
        impl core::ops::Deref for $name<'_> {
            type Target = str;

            fn deref(&self) -> &str {
                self.0
            }
        }

        impl AsRef<str> for $name<'_> {
            fn as_ref(&self) -> &str {
                self.0
            }
        }

        impl AsRef<[u8]> for $name<'_> {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl<'a> From<$name<'a>> for &'a str {
            fn from(text: $name<'a>) -> &'a str {
                text.0
            }
        }

        impl<'a> TryFrom<&'a str> for $name<'a> {
            type Error = $crate::Violation;

            fn try_from(text: &'a str) -> Result<Self, $crate::Violation> {
                $name::new(text)
            }
        }

        impl PartialEq<str> for $name<'_> {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<&str> for $name<'_> {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }

        impl core::fmt::Debug for $name<'_> {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl core::fmt::Display for $name<'_> {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

pub(crate) use string_type;

string_type!(Text);

/// The most bytes that a UTF-8 Encoded String or Binary Data can have.
pub(crate) const MAXIMUM_LENGTH: usize = 65_535;

/// A UTF-8 Encoded String (section 1.5.4): at most 65,535 bytes, no U+0000.
///
/// Dereferences to [`str`].
///
/// ```
/// use mqtt5_codec::{Text, Violation};
///
/// assert_eq!(&*Text::new("sensor-7")?, "sensor-7");
/// assert_eq!(Text::new("a\0b"), Err(Violation::NullCharacter));
/// # Ok::<(), Violation>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    /// The empty string.
    pub const EMPTY: Text<'static> = Text("");

    /// Checks a string.
    ///
    /// # Errors
    ///
    /// [`Violation::StringTooLong`], [`Violation::NullCharacter`].
    pub fn new(text: &'a str) -> Result<Self, Violation> {
        if text.len() > MAXIMUM_LENGTH {
            Err(Violation::StringTooLong)
        } else if has_null(text.as_bytes()) {
            Err(Violation::NullCharacter)
        } else {
            Ok(Text(text))
        }
    }

    /// The string.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The byte position and value of the first *Disallowed Unicode code point* (section 1.5.4): a
    /// control character or a noncharacter.
    ///
    /// A sender should not use them, and a receiver may treat them as malformed; decoding accepts
    /// them, so a receiver that wants to refuse them asks here.
    #[must_use]
    pub fn disallowed_code_point(self) -> Option<(usize, char)> {
        self.0.char_indices().find(|&(_, character)| {
            let code_point = character as u32;
            character.is_control()
                || matches!(code_point, 0xFDD0..=0xFDEF)
                || code_point & 0xFFFE == 0xFFFE
        })
    }

    /// Reads a string that was checked before.
    #[inline(always)]
    pub(crate) fn trusted(bytes: &'a [u8]) -> Self {
        Text(match ascii_str(bytes) {
            Some(text) => text,
            // Only now the decoder has to look at it.
            None => core::str::from_utf8(bytes).unwrap_or_default(),
        })
    }
}

/// Binary Data (section 1.5.6): at most 65,535 bytes of any content.
///
/// Dereferences to `[u8]`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Binary<'a>(&'a [u8]);

impl<'a> Binary<'a> {
    /// No bytes.
    pub const EMPTY: Binary<'static> = Binary(&[]);

    /// Checks the length.
    ///
    /// # Errors
    ///
    /// [`Violation::BinaryTooLong`].
    pub const fn new(bytes: &'a [u8]) -> Result<Self, Violation> {
        if bytes.len() > MAXIMUM_LENGTH {
            Err(Violation::BinaryTooLong)
        } else {
            Ok(Binary(bytes))
        }
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl Deref for Binary<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl fmt::Debug for Binary<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b\"{}\"", self.0.escape_ascii())
    }
}

impl<'a> TryFrom<&'a [u8]> for Binary<'a> {
    type Error = Violation;

    fn try_from(bytes: &'a [u8]) -> Result<Self, Violation> {
        Binary::new(bytes)
    }
}

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Sets a high bit if one of eight bytes is U+0000 or not ASCII. The other bits mean nothing.
#[inline(always)]
fn null_or_not_ascii(word: u64) -> u64 {
    // Subtracting 1 borrows into the high bit only where a byte is 0 (or, then, beside it).
    word.wrapping_sub(LOW_BITS) | word
}

/// Sets a high bit if one of eight bytes is U+0000. The other bits mean nothing.
#[inline(always)]
fn null(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS) & !word
}

/// Turns `#` and `+` into 0, and everything else that is ASCII into something else.
#[inline(always)]
fn wildcards_to_zero(word: u64) -> u64 {
    // They differ in one bit: with it set, both are `+`, and `+ ^ +` is 0.
    (word | (0x08 * LOW_BITS)) ^ (u64::from(b'+') * LOW_BITS)
}

/// Sets a high bit if one of eight bytes is U+0000, not ASCII, `#` or `+`. The other bits mean nothing.
#[inline(always)]
fn null_or_not_ascii_or_wildcard(word: u64) -> u64 {
    null_or_not_ascii(word) | wildcards_to_zero(word).wrapping_sub(LOW_BITS)
}

/// Whether a UTF-8 Encoded String needs a closer look: it may have U+0000 or be ill-formed.
#[inline(always)]
pub(crate) fn is_suspicious(bytes: &[u8]) -> bool {
    any(bytes, null_or_not_ascii, |byte| (byte as i8) < 1)
}

/// Whether a Topic Name or Topic Filter needs a closer look: it may also have wildcard characters.
#[inline(always)]
pub(crate) fn is_suspicious_topic(bytes: &[u8]) -> bool {
    any(bytes, null_or_not_ascii_or_wildcard, |byte| {
        (byte as i8) < 1 || byte | 0x08 == b'+'
    })
}

#[inline(always)]
pub(crate) fn has_null(bytes: &[u8]) -> bool {
    any(bytes, null, |byte| byte == 0)
}

/// Whether something is among these bytes: `in_word` sets a high bit if it is among eight.
///
/// Looks at the first and the last bytes together, so at some of them twice.
#[inline(always)]
fn any(bytes: &[u8], in_word: impl Fn(u64) -> u64, in_byte: impl Fn(u8) -> bool) -> bool {
    // Only with vector instructions are single bytes better than words. Other targets have them, too,
    // but what the compiler makes of this there was not looked at.
    if !cfg!(target_feature = "sse2") {
        any_in_words(bytes, in_word)
    } else if let Some(ends) = ends::<32>(bytes) {
        any_in_ends(ends, &in_byte) || bytes.len() > 64 && any_in_middle(bytes, in_byte)
    } else if let Some(ends) = ends::<16>(bytes) {
        any_in_ends(ends, in_byte)
    } else if let Some(ends) = ends::<8>(bytes) {
        any_in_ends(ends, in_byte)
    } else {
        any_in_words(bytes, in_word)
    }
}

#[inline(always)]
fn any_in_words(bytes: &[u8], in_word: impl Fn(u64) -> u64) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return in_word(short_word(bytes)) & HIGH_BITS != 0;
    };
    let mut found = in_word(u64::from_le_bytes(*last));
    // The last byte is in `last`, so what is left over here is, too.
    for word in blocks(&bytes[..bytes.len() - 1]) {
        found |= in_word(u64::from_le_bytes(*word));
    }
    found & HIGH_BITS != 0
}

#[inline(always)]
fn ends<const SIZE: usize>(bytes: &[u8]) -> Option<(&[u8; SIZE], &[u8; SIZE])> {
    Some((bytes.first_chunk()?, bytes.last_chunk()?))
}

/// The compiler makes a few vector instructions of this. It does not if more than two blocks are
/// looked at before something depends on the result.
#[inline(always)]
fn any_in_ends<const SIZE: usize>(
    (first, last): (&[u8; SIZE], &[u8; SIZE]),
    in_byte: impl Fn(u8) -> bool,
) -> bool {
    let mut found = false;
    for (&a, &b) in first.iter().zip(last) {
        found |= in_byte(a) | in_byte(b);
    }
    found
}

/// The same of what is between the first and the last 32 bytes.
#[inline(always)]
fn any_in_middle(bytes: &[u8], in_byte: impl Fn(u8) -> bool) -> bool {
    // What is left over behind the blocks is among the last 32.
    for block in blocks::<32>(&bytes[32..bytes.len() - 1]) {
        let mut found = false;
        for &byte in block {
            found |= in_byte(byte);
        }
        if found {
            return true;
        }
    }
    false
}

/// Where the first `+` or `#` stands.
#[inline]
pub(crate) fn position_of_wildcard(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.split_at(bytes.len() / 8 * 8);
    for (index, word) in blocks(words).enumerate() {
        let zeros = wildcards_to_zero(u64::from_le_bytes(*word));
        // Exact up to the first that is found.
        let found = zeros.wrapping_sub(LOW_BITS) & !zeros & HIGH_BITS;
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let found = rest.iter().position(|byte| matches!(byte, b'+' | b'#'))?;
    Some(words.len() + found)
}

/// As many whole blocks as there are; what is left over behind them is left out.
#[inline(always)]
fn blocks<const SIZE: usize>(mut bytes: &[u8]) -> impl Iterator<Item = &[u8; SIZE]> {
    iter::from_fn(move || {
        let (block, rest) = bytes.split_first_chunk()?;
        bytes = rest;
        Some(block)
    })
}

/// Up to seven bytes as a word, filled up with a harmless letter.
#[inline(always)]
fn short_word(bytes: &[u8]) -> u64 {
    const FILLER: u64 = 0x6161_6161_6161_6161;
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return FILLER;
    };
    let middle = bytes[bytes.len() / 2];
    FILLER << 24 | u64::from(*first) | u64::from(middle) << 8 | u64::from(*last) << 16
}

/// Without the UTF-8 decoder.
#[inline(always)]
pub(crate) fn ascii_str(bytes: &[u8]) -> Option<&str> {
    AsciiStr::from_ascii(bytes).ok().map(AsciiStr::as_str)
}

/// The string, or the first byte that cannot stand in a UTF-8 Encoded String.
pub(crate) fn checked_str(bytes: &[u8]) -> Result<&str, (usize, Violation)> {
    let decoded = core::str::from_utf8(bytes);
    let well_formed = decoded.map_or_else(|error| error.valid_up_to(), str::len);
    if fault!("MQTT-1.5.4-2", has_null(bytes), false) {
        if let Some(at) = bytes[..well_formed].iter().position(|&byte| byte == 0) {
            return Err((at, Violation::NullCharacter));
        }
    }
    if fault!("MQTT-1.5.4-1") {
        return Ok(decoded.unwrap_or_default());
    }
    decoded.map_err(|_| (well_formed, Violation::IllFormedUtf8))
}

/// The fault of a length-prefixed field that starts with `input`, given its index in the content.
#[cold]
pub(crate) fn fault_in_content(input: &[u8], fault: (usize, Violation)) -> nom::Err<Fault> {
    Fault::at(&input[2 + fault.0..], fault.1)
}

/// A UTF-8 Encoded String, checked but left as bytes.
#[inline(always)]
pub(crate) fn checked_text(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, bytes) = length_prefixed(input)?;
    if is_suspicious(bytes) {
        checked_str(bytes).map_err(|fault| fault_in_content(input, fault))?;
    }
    Ok((rest, bytes))
}

/// A UTF-8 Encoded String.
#[inline(always)]
pub(crate) fn text(input: &[u8]) -> Parsed<'_, Text<'_>> {
    let (rest, bytes) = length_prefixed(input)?;
    let text = if is_suspicious(bytes) {
        checked_str(bytes).map_err(|fault| fault_in_content(input, fault))?
    } else {
        ascii_str(bytes).unwrap_or_default()
    };
    let text = Text(text);
    Ok((
        rest,
        fault!("MQTT-1.5.4-3", text, text.without_byte_order_mark()),
    ))
}

/// Binary Data.
#[inline(always)]
pub(crate) fn binary(input: &[u8]) -> Parsed<'_, Binary<'_>> {
    let (rest, bytes) = length_prefixed(input)?;
    Ok((rest, Binary(bytes)))
}

#[cfg(test)]
mod tests;
