//! UTF-8 by the table of well-formed byte sequences (The Unicode Standard, Table 3-7; RFC 3629,
//! section 4).

/// Why a string is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    IllFormed,
    Null,
}

/// One row of the table: ranges of the first, second, third and fourth byte.
type Row = &'static [(u8, u8)];

const WELL_FORMED: [Row; 9] = [
    &[(0x00, 0x7F)],
    &[(0xC2, 0xDF), (0x80, 0xBF)],
    &[(0xE0, 0xE0), (0xA0, 0xBF), (0x80, 0xBF)],
    &[(0xE1, 0xEC), (0x80, 0xBF), (0x80, 0xBF)],
    &[(0xED, 0xED), (0x80, 0x9F), (0x80, 0xBF)],
    &[(0xEE, 0xEF), (0x80, 0xBF), (0x80, 0xBF)],
    &[(0xF0, 0xF0), (0x90, 0xBF), (0x80, 0xBF), (0x80, 0xBF)],
    &[(0xF1, 0xF3), (0x80, 0xBF), (0x80, 0xBF), (0x80, 0xBF)],
    &[(0xF4, 0xF4), (0x80, 0x8F), (0x80, 0xBF), (0x80, 0xBF)],
];

/// The length of the well-formed character at the start.
fn character_length(bytes: &[u8]) -> Option<usize> {
    let fits = |row: &&Row| {
        row.len() <= bytes.len()
            && row
                .iter()
                .zip(bytes)
                .all(|(&(low, high), byte)| (low..=high).contains(byte))
    };
    WELL_FORMED.iter().find(fits).map(|row| row.len())
}

/// The first thing in a UTF-8 Encoded String that must not be there (section 1.5.4).
pub(crate) fn first_fault(bytes: &[u8]) -> Option<(usize, Fault)> {
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == 0 {
            return Some((at, Fault::Null));
        }
        match character_length(&bytes[at..]) {
            Some(length) => at += length,
            None => return Some((at, Fault::IllFormed)),
        }
    }
    None
}

/// Writes a number as UTF-8 of this many bytes, whether it may be written so or not.
pub(crate) fn forced_encoding(code_point: u32, length: usize) -> Option<Vec<u8>> {
    let (lead, free_bits) = match length {
        1 => (0x00, 7),
        2 => (0xC0, 11),
        3 => (0xE0, 16),
        4 => (0xF0, 21),
        _ => return None,
    };
    if code_point >> free_bits != 0 {
        return None;
    }
    let mut bytes = vec![0; length];
    let mut rest = code_point;
    for byte in bytes.iter_mut().skip(1).rev() {
        *byte = 0x80 | (rest & 0x3F) as u8;
        rest >>= 6;
    }
    bytes[0] = lead | rest as u8;
    Some(bytes)
}
