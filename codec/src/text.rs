//! UTF-8 Encoded Strings (section 1.5.4) and Binary Data (section 1.5.6) as validated types.

pub(crate) mod scan;

use core::fmt;
use core::ops::Deref;

use ascii::AsciiStr;

use self::scan::{has_null, may_be_invalid};
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
            // Only now must the UTF-8 decoder look at it.
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

    /// Wraps bytes that are no more than that.
    #[inline]
    pub(crate) const fn trusted(bytes: &'a [u8]) -> Self {
        Binary(bytes)
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

/// Without the UTF-8 decoder.
#[inline(always)]
pub(crate) fn ascii_str(bytes: &[u8]) -> Option<&str> {
    AsciiStr::from_ascii(bytes).ok().map(AsciiStr::as_str)
}

/// The string, or the first byte that cannot stand in a UTF-8 Encoded String. Looks at each character, so it
/// is called only for strings that [`may_be_invalid`].
pub(crate) fn validate_slowly(bytes: &[u8]) -> Result<&str, (usize, Violation)> {
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
    if may_be_invalid(bytes) {
        validate_slowly(bytes).map_err(|fault| fault_in_content(input, fault))?;
    }
    Ok((rest, bytes))
}

/// A UTF-8 Encoded String.
#[inline(always)]
pub(crate) fn text(input: &[u8]) -> Parsed<'_, Text<'_>> {
    let (rest, bytes) = length_prefixed(input)?;
    let text = if may_be_invalid(bytes) {
        validate_slowly(bytes).map_err(|fault| fault_in_content(input, fault))?
    } else {
        ascii_str(bytes).unwrap_or_default()
    };
    let text = Text(text);
    // [MQTT3-1.5.3-3]
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
