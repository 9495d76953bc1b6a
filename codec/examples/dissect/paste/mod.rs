//! Bytes as people paste them: digits, dumps, arrays and strings of many programs and languages.
//!
//! What the notation is follows from the text alone, by these rules, in this order:
//!
//! 1. Lines that begin with an offset are a dump (`xxd`, `hexdump`, `od`, `tcpdump -X`, Wireshark).
//! 2. A backslash, or `b'...'`, makes it a string with escapes. If it has quotes, only what is inside
//!    them counts; if not, white space does not count.
//! 3. Anything else is a list of numbers. A number with a prefix (`0x`, `16#`) is hexadecimal, and
//!    then the others are decimal. Without any prefix all are decimal if one of them has an odd
//!    number of digits and none has a letter; or if commas or brackets make it a list and none has a
//!    letter or a leading zero. In all other cases they are hexadecimal.

mod dump;
mod escaped;
mod list;

use std::fmt;

use mqtt5_codec::Role;

/// Bytes that a text stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pasted {
    /// The bytes; those of several dumps are apart.
    pub(crate) parts: Vec<Part>,
    /// How the text was understood; nothing if it can hardly be understood otherwise.
    pub(crate) remark: Option<String>,
}

/// Bytes that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    /// The sender, if the text names it.
    pub(crate) sender: Option<Role>,
}

/// Why a text does not stand for bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotBytes {
    /// This character has no place in any notation.
    Character(char),
    /// There is nothing but white space and punctuation.
    Nothing,
    /// The last hexadecimal digit of this word has no partner.
    OddDigits(String),
    /// This number is greater than 255, or less than -128.
    TooLarge(String),
    /// This word is no number.
    NoNumber(String),
    /// The line of a dump with this offset, as it is written, is not where it should be.
    Offset(String),
    /// This line of a dump has fewer bytes than the offset after it says.
    ShortLine(String),
    /// After the bytes of this line of a dump comes something that is not the text beside them.
    AfterLine(String),
    /// An escape that stands for no byte.
    Escape(String),
}

impl fmt::Display for NotBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotBytes::Character(character) => {
                write!(formatter, "{character:?} is not a hexadecimal digit")
            }
            NotBytes::Nothing => formatter.write_str("there are no digits in it"),
            NotBytes::OddDigits(word) => write!(
                formatter,
                "the number of hexadecimal digits in `{word}` is odd"
            ),
            NotBytes::TooLarge(word) => write!(formatter, "{word} does not fit into a byte"),
            NotBytes::NoNumber(word) => write!(formatter, "`{word}` is not a number"),
            NotBytes::Offset(offset) => write!(
                formatter,
                "the line with the offset {offset} does not follow the line before it"
            ),
            NotBytes::ShortLine(offset) => write!(
                formatter,
                "the line with the offset {offset} has fewer bytes than the offset after it says"
            ),
            NotBytes::AfterLine(offset) => write!(
                formatter,
                "something follows the bytes of the line with the offset {offset}; a dump has to \
                 come line by line: put it in quotes, or in a file"
            ),
            NotBytes::Escape(escape) => write!(formatter, "`{escape}` does not stand for a byte"),
        }
    }
}

/// Reads the bytes that a text stands for.
///
/// # Errors
///
/// [`NotBytes`] says what is in the way.
pub(crate) fn read(text: &str) -> Result<Pasted, NotBytes> {
    if let Some(pasted) = dump::read(text) {
        return pasted;
    }
    if escaped::is_escaped(text) {
        return Ok(Pasted::one(
            escaped::read(text)?,
            Some("Read as a string with escapes.".to_owned()),
        ));
    }
    list::read(text)
}

impl Pasted {
    fn one(bytes: Vec<u8>, remark: Option<String>) -> Self {
        Pasted {
            parts: vec![Part {
                bytes,
                sender: None,
            }],
            remark,
        }
    }
}
