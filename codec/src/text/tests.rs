//! The quick looks at strings see every byte: of every value, at every place, in strings of every length
//! that they treat in its own way. On a target with vector instructions, also those that do without.

use super::{
    any_in_words, has_null, is_suspicious, is_suspicious_topic, null, null_or_not_ascii,
    null_or_not_ascii_or_wildcard,
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
    let suspicious = is_null || !byte.is_ascii();
    let suspicious_topic = suspicious || matches!(byte, b'+' | b'#');
    for (seen, expected) in [
        (has_null(bytes), is_null),
        (any_in_words(bytes, null), is_null),
        (is_suspicious(bytes), suspicious),
        (any_in_words(bytes, null_or_not_ascii), suspicious),
        (is_suspicious_topic(bytes), suspicious_topic),
        (
            any_in_words(bytes, null_or_not_ascii_or_wildcard),
            suspicious_topic,
        ),
    ] {
        assert_eq!(seen, expected, "{byte:#x} in {bytes:x?}");
    }
}
