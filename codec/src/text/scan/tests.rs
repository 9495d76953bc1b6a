//! The quick looks at strings see every byte: of every value, at every place, in strings of every length
//! that they treat in its own way. On a target with vector instructions, also those that do without.

use super::{
    any_in_words, has_null, may_be_invalid, may_be_invalid_filter, may_be_invalid_or_has_wildcard,
    null, null_or_not_ascii, null_or_not_ascii_or_wildcard,
};

/// Twice the length from which on blocks are in a loop, and more than one of them.
const LONGEST: usize = 2 * 64 + 1;

#[test]
fn quick_looks_see_every_byte() {
    let mut buffer = [b'a'; LONGEST];
    for length in 0..=LONGEST {
        let bytes = &mut buffer[..length];
        look(bytes, b'a');
        for at in 0..length {
            for byte in 0..=u8::MAX {
                bytes[at] = byte;
                look(bytes, byte);
            }
            bytes[at] = b'a';
        }
    }
}

/// All bytes are harmless but, perhaps, this one.
#[track_caller]
fn look(bytes: &[u8], byte: u8) {
    let is_null = byte == 0;
    let may_be_invalid_byte = is_null || !byte.is_ascii();
    let is_wildcard = matches!(byte, b'+' | b'#');
    let is_found = may_be_invalid_byte || is_wildcard;
    for (seen, expected) in [
        (has_null(bytes), is_null),
        (any_in_words(bytes, null), is_null),
        (may_be_invalid(bytes), may_be_invalid_byte),
        (any_in_words(bytes, null_or_not_ascii), may_be_invalid_byte),
        (may_be_invalid_or_has_wildcard(bytes), is_found),
        (any_in_words(bytes, null_or_not_ascii_or_wildcard), is_found),
    ] {
        assert_eq!(seen, expected, "{byte:#x} in {bytes:x?}");
    }
}

/// Every two bytes side by side, and at every place those that differ from `#`, `+`, `/` or U+0000 in one bit.
#[test]
fn every_pair_of_a_filter_is_seen() {
    for pair in 0..=u16::MAX {
        look_at_filter(&mut [b'/'; 20], 9, pair.to_be_bytes());
    }
    let near = |byte: u8| [byte, 0, byte ^ 0x01, byte ^ 0x08, byte ^ 0x80];
    let bytes = [b'#', b'+', b'/', b'a'].map(near).concat();
    for length in [2, 3, 8, 9, 10, 16, 17, 18, 32, 33, 34, 64, 65, 66, 97, 130] {
        for filler in [b'a', b'/'] {
            for at in 0..length - 1 {
                for &first in &bytes {
                    for &second in &bytes {
                        look_at_filter(&mut [filler; 130][..length], at, [first, second]);
                    }
                }
            }
        }
    }
}

/// Beside the rule of section 4.7.1, read level by level.
#[track_caller]
fn look_at_filter(filter: &mut [u8], at: usize, pair: [u8; 2]) {
    filter[at..at + 2].copy_from_slice(&pair);
    let is_valid = filter.iter().all(|&byte| byte != 0 && byte.is_ascii())
        && (filter.split(|&byte| byte == b'/').rev().enumerate()).all(is_level);
    assert_eq!(may_be_invalid_filter(filter), !is_valid, "{filter:x?}");
}

/// A level, counted from the last one.
fn is_level((from_end, level): (usize, &[u8])) -> bool {
    match level {
        b"+" => true,
        b"#" => from_end == 0,
        _ => !level.iter().any(|byte| matches!(byte, b'+' | b'#')),
    }
}
