//! UTF-8 Encoded Strings (section 1.5.4) and Binary Data (section 1.5.6) as validated types.

use core::fmt;
use core::ops::Deref;

use crate::Violation;
use crate::wire::{Fault, Parsed, length_prefixed};

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
        Text(core::str::from_utf8(bytes).unwrap_or_default())
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<'a> TryFrom<&'a str> for Text<'a> {
    type Error = Violation;

    fn try_from(text: &'a str) -> Result<Self, Violation> {
        Text::new(text)
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

/// What a scan looks for in eight bytes at a time.
pub(crate) trait Pattern {
    /// Non-zero if one of the bytes of the word is suspicious.
    fn in_word(word: u64) -> u64;
}

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// U+0000 and everything that is not ASCII: what a UTF-8 Encoded String has to be asked about.
pub(crate) struct NullOrNotAscii;

impl Pattern for NullOrNotAscii {
    #[inline(always)]
    fn in_word(word: u64) -> u64 {
        // Subtracting 1 borrows into the high bit only where a byte is 0 (or, then, beside it).
        (word.wrapping_sub(LOW_BITS) | word) & HIGH_BITS
    }
}

/// The same and the wildcard characters: what a Topic Name or Topic Filter has to be asked about.
pub(crate) struct NullOrNotAsciiOrWildcard;

impl Pattern for NullOrNotAsciiOrWildcard {
    #[inline(always)]
    fn in_word(word: u64) -> u64 {
        // `#` and `+` differ in one bit: with it set, both are `+`, and `+ ^ +` is 0.
        let wildcard = (word | 0x08 * LOW_BITS) ^ u64::from(b'+') * LOW_BITS;
        (word.wrapping_sub(LOW_BITS) | word | wildcard.wrapping_sub(LOW_BITS)) & HIGH_BITS
    }
}

/// Whether some of the bytes may match the pattern. Never says no when one does.
#[inline(always)]
pub(crate) fn suspicious<P: Pattern>(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return P::in_word(short_word(bytes)) != 0;
    };
    let (words, _) = bytes.as_chunks::<8>();
    let mut found = P::in_word(u64::from_le_bytes(*last));
    for word in words {
        found |= P::in_word(u64::from_le_bytes(*word));
    }
    found != 0
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
    if suspicious::<NullOrNotAscii>(bytes) {
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
