//! Bytes in rows of sixteen, with one of them marked.

use std::fmt;

const ROW: usize = 16;

/// How many rows are shown before and after the one with the mark.
const CONTEXT: usize = 3;

/// Displays as a dump of `bytes` with carets below the byte at `mark`, or below the place after the
/// last byte. Of many bytes only those near the mark are shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hexdump<'a> {
    /// What is shown.
    pub(crate) bytes: &'a [u8],
    /// Which byte is pointed at.
    pub(crate) mark: usize,
}

impl fmt::Display for Hexdump<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a packet of which a part is missing, the fault may be after what is there.
        let mark = self.mark.min(self.bytes.len());
        let marked_row = mark / ROW;
        let first_row = marked_row.saturating_sub(CONTEXT);
        let end = self.bytes.len().min((marked_row + CONTEXT + 1) * ROW);

        if first_row > 0 {
            left_out(formatter, first_row * ROW)?;
        }
        let rows = self.bytes[first_row * ROW..end].chunks(ROW);
        // The place after the last byte may be in a row of its own.
        let missing_row = (mark == end && end.is_multiple_of(ROW)).then_some(&[][..]);
        for (row, bytes) in (first_row..).zip(rows.chain(missing_row)) {
            write_row(formatter, row * ROW, bytes)?;
            if row == marked_row {
                writeln!(formatter, "{:width$}^^", "", width = column(mark % ROW))?;
            }
        }
        if end < self.bytes.len() {
            left_out(formatter, self.bytes.len() - end)?;
        }
        Ok(())
    }
}

/// Where the digits of a byte begin: after the offset, and with a gap in the middle of the row.
const fn column(index: usize) -> usize {
    6 + 3 * index + if index < ROW / 2 { 0 } else { 1 }
}

fn write_row(formatter: &mut fmt::Formatter<'_>, offset: usize, bytes: &[u8]) -> fmt::Result {
    let mut line = format!("{offset:04x}");
    for (index, byte) in bytes.iter().enumerate() {
        let width = column(index);
        line = format!("{line:<width$}{byte:02x}");
    }
    let characters: String = bytes
        .iter()
        .map(|&byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '.',
        })
        .collect();
    let line = format!("{line:<width$}{characters}", width = column(ROW) + 1);
    writeln!(formatter, "{}", line.trim_end())
}

fn left_out(formatter: &mut fmt::Formatter<'_>, bytes: usize) -> fmt::Result {
    writeln!(formatter, "      ({bytes} more bytes)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(bytes: &[u8], mark: usize) -> String {
        Hexdump { bytes, mark }.to_string()
    }

    #[test]
    fn one_row() {
        assert_eq!(
            dump(b"\x10\x0d\x00\x04MQTT\x05\x03\x00<", 9),
            "0000  10 0d 00 04 4d 51 54 54  05 03 00 3c              ....MQTT...<\n\
             \u{20}                                 ^^\n"
        );
    }

    #[test]
    fn the_place_after_the_last_byte() {
        assert_eq!(dump(b"@", 1), format!("0000  40{:48}@\n{:9}^^\n", "", ""));
        let full = dump(&[b'a'; 16], 16);
        assert!(
            full.ends_with("aaaaaaaaaaaaaaaa\n0010\n      ^^\n"),
            "{full}"
        );
        assert_eq!(dump(b"", 0), "0000\n      ^^\n");
    }

    #[test]
    fn a_mark_after_everything() {
        assert_eq!(dump(b"@", 1000), dump(b"@", 1));
        assert_eq!(dump(&[b'a'; 16], 1000), dump(&[b'a'; 16], 16));
    }

    #[test]
    fn only_the_neighbourhood() {
        let dump = dump(&[0; 1000], 500);
        let lines: Vec<&str> = dump.lines().collect();
        assert_eq!(lines.len(), 2 * CONTEXT + 1 + 3);
        assert_eq!(lines[0], "      (448 more bytes)");
        assert!(lines[1].starts_with("01c0  00"));
        assert!(lines[5].ends_with("^^"));
        assert_eq!(lines[9], "      (440 more bytes)");
    }
}
