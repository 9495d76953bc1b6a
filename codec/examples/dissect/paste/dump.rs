//! Dumps: lines of an offset, bytes, and perhaps the same bytes as text.

use mqtt5_codec::Role;

use super::{NotBytes, Part, Pasted};

/// The least and the most digits of an offset.
const OFFSET_DIGITS: std::ops::RangeInclusive<usize> = 4..=16;
/// A row that is this much further to the right than the others is the server's, in the dump of a
/// whole conversation (Wireshark, Follow TCP Stream).
const INDENT_OF_SERVER: usize = 4;

/// A line of a dump.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    indent: usize,
    offset: &'a str,
    has_colon: bool,
    /// What is after the offset.
    rest: &'a str,
    /// Whether a line before it says that the row before it was repeated.
    after_repetition: bool,
}

/// Reads a dump. Nothing if the text is none.
pub(super) fn read(text: &str) -> Option<Result<Pasted, NotBytes>> {
    let mut rows = Vec::new();
    let mut others = 0;
    let mut after_repetition = false;
    for line in text.lines() {
        if line.trim() == "*" {
            after_repetition = true;
        } else if let Some(row) = Row::of(line) {
            rows.push(Row {
                after_repetition,
                ..row
            });
            after_repetition = false;
        } else if !line.trim().is_empty() {
            others += 1;
        }
    }
    let first = rows.first()?;
    let is_dump = first.is_certain() || rows.len() > 1 && rows.windows(2).all(follows);
    is_dump.then(|| read_rows(&rows, others))
}

/// Whether the second of two rows has the offset that the first one demands.
fn follows(rows: &[Row<'_>]) -> bool {
    let [first, second] = rows else { return false };
    let length = first.bytes(None).0.len() as u64;
    let offset = |row: &Row<'_>| u64::from_str_radix(row.offset, 16).unwrap_or(0);
    length > 0 && offset(first) + length == offset(second)
}

fn read_rows(rows: &[Row<'_>], others: usize) -> Result<Pasted, NotBytes> {
    let least = rows.iter().map(|row| row.indent).min().unwrap_or(0);
    let is_server = |row: &Row<'_>| row.indent >= least + INDENT_OF_SERVER;
    let (of_server, of_client): (Vec<Row<'_>>, Vec<Row<'_>>) =
        rows.iter().copied().partition(is_server);
    let has_sides = !of_server.is_empty();

    let mut parts = Vec::new();
    let mut is_swapped = false;
    for (rows, sender) in [(of_client, Role::Client), (of_server, Role::Server)] {
        let sender = has_sides.then_some(sender);
        for rows in dumps(&rows) {
            let mut bytes = join(rows)?;
            if rows.iter().all(Row::has_little_endian_words) {
                is_swapped = true;
                swap(&mut bytes, rows);
            }
            parts.push(Part { bytes, sender });
        }
    }
    parts.retain(|part| !part.bytes.is_empty());
    if parts.is_empty() {
        return Err(NotBytes::Nothing);
    }
    let mut remark = "Read as a dump with offsets".to_owned();
    if is_swapped {
        remark.push_str(
            ", of 16-bit numbers with the lower byte first, as `hexdump` and `od -x` write them",
        );
    }
    if has_sides {
        remark.push_str("; the rows to the right are the server's");
    }
    if others > 0 {
        let lines = crate::words::counted(others, "line");
        remark.push_str(&format!("; {lines} without an offset did not count"));
    }
    remark.push('.');
    Ok(Pasted {
        parts,
        remark: Some(remark),
    })
}

/// Divides rows into dumps: each begins with the offset zero, but perhaps for the first.
fn dumps<'r, 'a>(rows: &'r [Row<'a>]) -> Vec<&'r [Row<'a>]> {
    let mut dumps = Vec::new();
    let mut rest = rows;
    while !rest.is_empty() {
        let next = rest.iter().skip(1).position(Row::is_at_zero);
        let (dump, after) = rest.split_at(next.map_or(rest.len(), |index| index + 1));
        dumps.push(dump);
        rest = after;
    }
    dumps
}

/// The bytes of a dump.
fn join(rows: &[Row<'_>]) -> Result<Vec<u8>, NotBytes> {
    let radix = radix(rows);
    let offset = |row: &Row<'_>| {
        u64::from_str_radix(row.offset, radix).map_err(|_| NotBytes::Offset(row.offset.to_owned()))
    };
    let mut bytes = Vec::new();
    let Some(first) = rows.first() else {
        return Ok(bytes);
    };
    let start = offset(first)?;
    let mut width = 0;
    for (index, row) in rows.iter().enumerate() {
        let wrong = || NotBytes::Offset(row.offset.to_owned());
        let at = offset(row)?.checked_sub(start).ok_or_else(wrong)?;
        if row.after_repetition {
            // Not more than a person can have meant.
            const MOST: u64 = 1 << 24;
            let last = bytes.len().checked_sub(width).ok_or_else(wrong)?;
            if width == 0 || at > MOST {
                return Err(wrong());
            }
            while (bytes.len() as u64) < at {
                bytes.extend_from_within(last..last + width);
            }
        }
        // A dump of words rounds the last row up, and its last offset tells by how much.
        let words_too_long = rows.iter().all(Row::has_little_endian_words)
            && index + 1 == rows.len()
            && bytes.len() as u64 == at + 1;
        if bytes.len() as u64 != at && !words_too_long {
            return Err(wrong());
        }
        let wanted = match rows.get(index + 1) {
            Some(next) if !next.after_repetition => {
                let next_at = offset(next)?;
                let length = next_at.checked_sub(at + start);
                length.map(|length| length as usize)
            }
            Some(_) if width > 0 => Some(width),
            _ => None,
        };
        let words_rounded = wanted.filter(|_| row.has_little_endian_words());
        let (row_bytes, is_enough, after) = row.bytes(wanted.map(|wanted| match words_rounded {
            Some(_) => wanted.next_multiple_of(2),
            None => wanted,
        }));
        if !is_enough {
            return Err(NotBytes::ShortLine(row.offset.to_owned()));
        }
        if !is_text_column(after, &row_bytes) {
            return Err(NotBytes::AfterLine(row.offset.to_owned()));
        }
        width = row_bytes.len().max(width);
        bytes.extend(row_bytes);
    }
    Ok(bytes)
}

/// Swaps the bytes of each word, and takes the one away that is too much.
fn swap(bytes: &mut Vec<u8>, rows: &[Row<'_>]) {
    for word in bytes.chunks_exact_mut(2) {
        word.reverse();
    }
    if let (Some(first), Some(last)) = (rows.first(), rows.last())
        && last.rest.trim().is_empty()
    {
        let radix = radix(rows);
        let offset = |row: &Row<'_>| u64::from_str_radix(row.offset, radix).unwrap_or(0);
        let length = offset(last).saturating_sub(offset(first));
        bytes.truncate(length as usize);
    }
}

/// What the offsets are written in: 16, or as `od` does 8 or 10.
fn radix(rows: &[Row<'_>]) -> u32 {
    let [first, second, ..] = rows else { return 16 };
    if second.after_repetition {
        return 16;
    }
    let length = first.bytes(None).0.len() as u64;
    let fits = |radix| {
        let offset = |row: &Row<'_>| u64::from_str_radix(row.offset, radix).ok();
        let step = offset(second)
            .zip(offset(first))
            .and_then(|(second, first)| second.checked_sub(first));
        step.is_some_and(|step| step > 0 && step <= length)
    };
    [16, 10, 8]
        .into_iter()
        .find(|&radix| fits(radix))
        .unwrap_or(16)
}

impl<'a> Row<'a> {
    /// Nothing if the line does not begin with an offset.
    fn of(line: &'a str) -> Option<Self> {
        let line = line.trim_end();
        let trimmed = line.trim_start();
        let before = &line[..line.len() - trimmed.len()];
        let widths = before
            .chars()
            .map(|space| if space == '\t' { INDENT_OF_SERVER } else { 1 });
        let indent = widths.sum();
        let digits = trimmed.strip_prefix("0x").unwrap_or(trimmed);
        let end = digits.find(|digit: char| !digit.is_ascii_hexdigit());
        let (offset, rest) = digits.split_at(end.unwrap_or(digits.len()));
        if !OFFSET_DIGITS.contains(&offset.len()) {
            return None;
        }
        let (has_colon, rest) = match rest.strip_prefix(':') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let is_row = rest.is_empty() || rest.starts_with(char::is_whitespace);
        is_row.then_some(Row {
            indent,
            offset,
            has_colon,
            rest,
            after_repetition: false,
        })
    }

    /// Whether the line can hardly be anything but the first row of a dump. No packet begins with a
    /// byte of zeros.
    fn is_certain(&self) -> bool {
        let has_wide_gap = self.rest.starts_with("  ") || self.rest.starts_with('\t');
        let first = self.rest.trim_start();
        let is_pair = first.find(char::is_whitespace).unwrap_or(first.len()) == 2;
        !first.is_empty() && (self.has_colon || self.is_at_zero() || has_wide_gap && is_pair)
    }

    fn is_at_zero(&self) -> bool {
        self.offset.bytes().all(|digit| digit == b'0')
    }

    /// Whether the row looks like one of `hexdump` without options, or of `od -x`.
    fn has_little_endian_words(&self) -> bool {
        let is_word =
            |word: &str| word.len() == 4 && word.bytes().all(|digit| digit.is_ascii_hexdigit());
        !self.has_colon && self.offset.len() == 7 && self.rest.split_whitespace().all(is_word)
    }

    /// The bytes of the row, whether these are as many as are wanted, and what comes after them.
    fn bytes(&self, wanted: Option<usize>) -> (Vec<u8>, bool, &'a str) {
        let mut bytes = Vec::new();
        let mut rest = self.rest;
        loop {
            if wanted == Some(bytes.len()) {
                return (bytes, true, rest);
            }
            let trimmed = rest.trim_start();
            let is_apart = rest.len() - trimmed.len() > 1 || rest.starts_with('\t');
            if wanted.is_none() && is_apart && !bytes.is_empty() && shows(trimmed, &bytes) {
                return (bytes, true, rest);
            }
            // Some write a hyphen in the middle of the row.
            let digits = trimmed.strip_prefix('-').unwrap_or(trimmed);
            let end = digits.find(|digit: char| !digit.is_ascii_hexdigit());
            let (group, after) = digits.split_at(end.unwrap_or(digits.len()));
            let is_group = matches!(group.len(), 2 | 4 | 8 | 16)
                && (after.is_empty()
                    || after.starts_with(|next: char| next.is_whitespace() || next == '-'));
            if !is_group {
                return (bytes, wanted.is_none(), rest);
            }
            for pair in 0..group.len() / 2 {
                let pair = &group[2 * pair..2 * pair + 2];
                bytes.push(u8::from_str_radix(pair, 16).unwrap_or(0));
            }
            rest = after;
        }
    }
}

/// Whether what comes after the bytes of a row is nothing but these bytes as text, as far as can be
/// told: some programs have other characters there.
fn is_text_column(after: &str, bytes: &[u8]) -> bool {
    let text = after.trim_start();
    let is_apart = after.len() - text.len() > 1 || after.starts_with('\t');
    text.is_empty() || is_apart || text.starts_with(['|', '>']) || shows(text, bytes)
}

/// Whether a text is what dumps show beside these bytes.
fn shows(text: &str, bytes: &[u8]) -> bool {
    let inside = ['|', '>']
        .iter()
        .find_map(|&open| text.strip_prefix(open))
        .map(|text| text.strip_suffix(['|', '<']).unwrap_or(text));
    // Nothing marks where the text begins but that it is no space.
    let bytes = match inside {
        Some(_) => bytes,
        None => {
            let spaces = bytes.iter().take_while(|byte| **byte == b' ').count();
            &bytes[spaces..]
        }
    };
    let text = inside.unwrap_or(text);
    let mut characters = text.chars().filter(|character| *character != '\u{200B}');
    let mut shown = 0;
    for byte in bytes {
        let Some(character) = characters.next() else {
            break;
        };
        let is_right = match byte {
            b'!'..=b'~' => character == char::from(*byte),
            _ => !character.is_ascii_alphanumeric(),
        };
        // Wireshark has a space in the middle.
        if !is_right
            && character == ' '
            && shown == 8
            && characters.next() == Some(char::from(*byte))
        {
            shown += 1;
            continue;
        }
        if !is_right {
            return false;
        }
        shown += 1;
    }
    // Spaces at the end of a line get lost.
    characters.next().is_none() && shown > 0 && bytes[shown..].iter().all(|byte| *byte == b' ')
}
