//! UTF-8 Encoded Strings (section 1.5.4) and Binary Data (section 1.5.6) as validated types.

use core::fmt;
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
        } else if text.as_bytes().contains(&0) {
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
        Text(match AsciiStr::from_ascii(bytes) {
            Ok(text) => text.as_str(),
            // Only now the decoder has to look at it.
            Err(_) => core::str::from_utf8(bytes).unwrap_or_default(),
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

/// Turns `#` and `+` into 0, and everything else that is ASCII into something else.
#[inline(always)]
fn wildcards_to_zero(word: u64) -> u64 {
    // They differ in one bit: with it set, both are `+`, and `+ ^ +` is 0.
    (word | (0x08 * LOW_BITS)) ^ (u64::from(b'+') * LOW_BITS)
}

/// Feeds bytes to `see` in words of eight, some of them maybe twice.
#[inline(always)]
fn for_each_word(bytes: &[u8], mut see: impl FnMut(u64)) {
    let Some(last) = bytes.last_chunk::<8>() else {
        return see(short_word(bytes));
    };
    let (words, _) = bytes.as_chunks::<8>();
    for word in words {
        see(u64::from_le_bytes(*word));
    }
    see(u64::from_le_bytes(*last));
}

/// Whether a UTF-8 Encoded String needs a closer look: it may have U+0000 or be ill-formed.
#[inline(always)]
fn suspicious(bytes: &[u8]) -> bool {
    let mut found = 0;
    for_each_word(bytes, |word| found |= null_or_not_ascii(word));
    found & HIGH_BITS != 0
}

/// What a Topic Name or Topic Filter needs a closer look for. Never says no wrongly.
#[derive(Clone, Copy)]
pub(crate) struct Suspicion {
    /// It may have U+0000 or be ill-formed.
    pub(crate) text: bool,
    /// It may have wildcard characters.
    pub(crate) wildcard: bool,
}

#[inline(always)]
pub(crate) fn suspicion(bytes: &[u8]) -> Suspicion {
    let mut text = 0;
    let mut wildcard = 0;
    for_each_word(bytes, |word| {
        text |= null_or_not_ascii(word);
        wildcard |= wildcards_to_zero(word).wrapping_sub(LOW_BITS);
    });
    Suspicion {
        text: text & HIGH_BITS != 0,
        wildcard: wildcard & HIGH_BITS != 0,
    }
}

/// Where the first `+` or `#` stands.
#[inline]
pub(crate) fn position_of_wildcard(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let zeros = wildcards_to_zero(u64::from_le_bytes(*word));
        // Exact up to the first that is found.
        let found = zeros.wrapping_sub(LOW_BITS) & !zeros & HIGH_BITS;
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let found = rest.iter().position(|byte| matches!(byte, b'+' | b'#'))?;
    Some(words.len() * 8 + found)
}

/// Up to seven bytes as a word, filled up with a harmless letter.
#[inline(always)]
fn short_word(bytes: &[u8]) -> u64 {
    const FILLER: u64 = 0x6161_6161_6161_6161;
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    match *bytes {
        [a] => FILLER << 8 | u64::from(a),
        [a, b] => FILLER << 16 | u64::from(a) | u64::from(b) << 8,
        [a, b, c, ..] => FILLER << 24 | u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
        [] => FILLER,
    }
}

/// The first byte that cannot stand in a UTF-8 Encoded String.
pub(crate) fn first_fault(bytes: &[u8]) -> Result<(), (usize, Violation)> {
    let ill_formed = core::str::from_utf8(bytes)
        .err()
        .map(|error| error.valid_up_to());
    let null = bytes.iter().position(|&byte| byte == 0);
    match (ill_formed, null) {
        (None, None) => Ok(()),
        (Some(at), None) => Err((at, Violation::IllFormedUtf8)),
        (Some(at), Some(null)) if at < null => Err((at, Violation::IllFormedUtf8)),
        (_, Some(null)) => Err((null, Violation::NullCharacter)),
    }
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
    if suspicious(bytes) {
        first_fault(bytes).map_err(|fault| fault_in_content(input, fault))?;
    }
    Ok((rest, bytes))
}

/// A UTF-8 Encoded String.
#[inline(always)]
pub(crate) fn text(input: &[u8]) -> Parsed<'_, Text<'_>> {
    let (rest, bytes) = checked_text(input)?;
    Ok((rest, Text::trusted(bytes)))
}

/// Binary Data.
#[inline(always)]
pub(crate) fn binary(input: &[u8]) -> Parsed<'_, Binary<'_>> {
    let (rest, bytes) = length_prefixed(input)?;
    Ok((rest, Binary(bytes)))
}
