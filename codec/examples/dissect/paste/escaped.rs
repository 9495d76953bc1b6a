//! Strings with escapes, as many languages write them: `b'\x10\x02'`, `"\020\002"`, `\x10\x02`.

use super::NotBytes;

/// Whether a text is a string with escapes.
pub(super) fn is_escaped(text: &str) -> bool {
    let text = text.trim_start();
    text.contains('\\')
        || ["b'", "b\"", "B'", "B\""]
            .iter()
            .any(|start| text.starts_with(start))
}

/// The bytes that a string with escapes stands for. If there are quotes, what is outside of them
/// does not count: names, commas, the signs that join lines.
pub(super) fn read(text: &str) -> Result<Vec<u8>, NotBytes> {
    let has_quotes = first_quote(text).is_some();
    let mut bytes = Vec::new();
    let mut rest = text;
    let mut quote = None;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        rest = match (quote, character) {
            (None, '\'' | '"') => {
                quote = Some(character);
                after
            }
            (Some(open), close) if open == close => {
                quote = None;
                after
            }
            (None, _) if has_quotes || character.is_whitespace() => after,
            (_, '\\') => escape(after, &mut bytes)?,
            _ => {
                bytes.extend_from_slice(&rest.as_bytes()[..character.len_utf8()]);
                after
            }
        };
    }
    Ok(bytes)
}

/// The first quote that no backslash is before.
fn first_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(index, character)| {
        let is_quote = matches!(character, '\'' | '"') && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        is_quote.then_some(index)
    })
}

/// Reads what follows a backslash, and returns what follows the escape.
fn escape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Result<&'a str, NotBytes> {
    let wrong = || NotBytes::Escape(format!("\\{}", text.chars().take(3).collect::<String>()));
    let Some(kind) = text.chars().next() else {
        return Err(wrong());
    };
    let after = &text[kind.len_utf8()..];
    let byte = match kind {
        'x' | 'X' | 'u' => {
            let (digits, rest) = match after.strip_prefix('{') {
                Some(after) => after.split_once('}').ok_or_else(wrong)?,
                None => {
                    let length = if kind == 'u' { 4 } else { 2 };
                    after.split_at_checked(length).ok_or_else(wrong)?
                }
            };
            let is_number = digits.chars().all(|digit| digit.is_ascii_hexdigit());
            let number = u32::from_str_radix(digits, 16).ok().filter(|_| is_number);
            bytes.push(
                number
                    .and_then(|number| number.try_into().ok())
                    .ok_or_else(wrong)?,
            );
            return Ok(rest);
        }
        '0'..='7' => {
            let length = text
                .bytes()
                .take(3)
                .take_while(|digit| matches!(digit, b'0'..=b'7'))
                .count();
            let (digits, rest) = text.split_at(length);
            bytes.push(u8::from_str_radix(digits, 8).map_err(|_| wrong())?);
            return Ok(rest);
        }
        'a' => 0x07,
        'b' => 0x08,
        't' => b'\t',
        'n' => b'\n',
        'v' => 0x0B,
        'f' => 0x0C,
        'r' => b'\r',
        'e' => 0x1B,
        '\\' | '\'' | '"' | '?' | '`' | '$' => kind as u8,
        // The string goes on in the next line.
        '\n' | '\r' => return Ok(after.trim_start()),
        _ => return Err(wrong()),
    };
    bytes.push(byte);
    Ok(after)
}
