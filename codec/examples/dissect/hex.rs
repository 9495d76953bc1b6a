//! Hexadecimal digits, read and written.

use std::fmt;

/// Why a text does not stand for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotHexadecimal {
    /// This character is neither a digit nor white space.
    Character(char),
    /// The last digit has no partner.
    OddDigits,
}

impl fmt::Display for NotHexadecimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotHexadecimal::Character(character) => {
                write!(formatter, "{character:?} is not a hexadecimal digit")
            }
            NotHexadecimal::OddDigits => {
                formatter.write_str("the number of hexadecimal digits is odd")
            }
        }
    }
}

const NO_DIGIT: u8 = 0xFF;

/// The value of each character as a digit.
static VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value] as usize] = value as u8;
        values[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    values
};

/// Whether the character is a hexadecimal digit.
pub(crate) fn is_digit(character: u8) -> bool {
    VALUES[usize::from(character)] != NO_DIGIT
}

/// Appends the bytes that the text stands for. White space may stand anywhere.
pub(crate) fn read(text: &[u8], bytes: &mut Vec<u8>) -> Result<(), NotHexadecimal> {
    bytes.reserve(text.len() / 2);
    let mut first_of_pair = None;
    for (position, &character) in text.iter().enumerate() {
        let value = VALUES[usize::from(character)];
        if value == NO_DIGIT {
            if character.is_ascii_whitespace() {
                continue;
            }
            return Err(NotHexadecimal::Character(character_at(text, position)));
        }
        first_of_pair = match first_of_pair {
            None => Some(value << 4),
            Some(first) => {
                bytes.push(first | value);
                None
            }
        };
    }
    match first_of_pair {
        None => Ok(()),
        Some(_) => Err(NotHexadecimal::OddDigits),
    }
}

fn character_at(text: &[u8], position: usize) -> char {
    let rest = &text[position..];
    let valid = rest.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    valid.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Appends two lower-case digits for each of the bytes.
pub(crate) fn write(bytes: &[u8], text: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.extend(
        bytes
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 0xF])
            .map(|value| DIGITS[usize::from(value)]),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(text: &str) -> Result<Vec<u8>, NotHexadecimal> {
        let mut bytes = Vec::new();
        read(text.as_bytes(), &mut bytes).map(|()| bytes)
    }

    #[test]
    fn reads_what_it_writes() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        write(&all, &mut text);
        let text = String::from_utf8(text).unwrap();
        assert_eq!(bytes_of(&text), Ok(all.clone()));
        assert_eq!(bytes_of(&text.to_uppercase()), Ok(all));
    }

    #[test]
    fn white_space_may_stand_anywhere() {
        assert_eq!(bytes_of(" c0\t0 0\r\n"), Ok(vec![0xC0, 0x00]));
        assert_eq!(bytes_of(""), Ok(vec![]));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(bytes_of("c0 0"), Err(NotHexadecimal::OddDigits));
        assert_eq!(bytes_of("c0g"), Err(NotHexadecimal::Character('g')));
        assert_eq!(bytes_of("é"), Err(NotHexadecimal::Character('é')));
    }
}
