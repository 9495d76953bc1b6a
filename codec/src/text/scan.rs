//! Quick looks at strings: many bytes at a time, and without the UTF-8 decoder.
//!
//! Almost every string on the wire is ASCII without U+0000, and so valid whatever else is demanded of it.
//! The looks here find that out at a fraction of the decoder's price. They answer "perhaps not" for
//! everything else, and then [`validate_slowly`](super::validate_slowly) looks at each character.
//!
//! # Eight bytes in a word
//!
//! A test answers with the high bit of each byte of a word. Subtracting 1 from a byte sets its high bit if
//! the byte was 0 (it becomes 0xFF) or above 0x80, and clears that of 0x80. So for each byte `b`:
//!
//! * `(b - 1) | b` has a high bit exactly if `b` is 0 or not ASCII;
//! * `(b - 1) & !b` has a high bit exactly if `b` is 0.
//!
//! All eight bytes are subtracted from at once. That differs from eight subtractions only where a byte
//! borrows from the next one, and the lowest byte that borrows is a 0, which is found itself. So whether
//! *any* byte is found is right, and that is all that [`any`] asks for; which ones are found above a 0 is
//! not.
//!
//! `#` is 0x23 and `+` is 0x2B. They differ in the bit 0x08, so `(b | 0x08) ^ 0x2B` is 0 exactly for these
//! two. It leaves the high bit of `b` as it is.
//!
//! # Bytes in vectors
//!
//! With vector instructions the compiler does better with single bytes, if they come in blocks of 16 or 32
//! and nothing depends on the result before the block ends. Two blocks, the first bytes of the string and
//! the last, which may overlap, cover every length from one block to two.
//!
//! # Wildcard characters in their places
//!
//! A wildcard character fills a level, and `#` the last one (section 4.7.1). That is a rule about two bytes
//! that stand side by side: one of them may be a wildcard character only if the other is `/`, and none
//! follows `#`. So a filter and the same filter without its first byte are looked at together.

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Whether a UTF-8 Encoded String may have U+0000 or be ill-formed.
#[inline(always)]
pub(crate) fn may_be_invalid(bytes: &[u8]) -> bool {
    any(bytes, null_or_not_ascii, |byte| (byte as i8) < 1)
}

/// Whether a Topic Name or Topic Filter may, or whether it has wildcard characters.
#[inline(always)]
pub(crate) fn may_be_invalid_or_has_wildcard(bytes: &[u8]) -> bool {
    any(bytes, null_or_not_ascii_or_wildcard, |byte| {
        (byte as i8) < 1 || is_wildcard(byte)
    })
}

#[inline]
pub(crate) fn has_null(bytes: &[u8]) -> bool {
    any(bytes, null, |byte| byte == 0)
}

/// Whether a Topic Filter may have U+0000, be ill-formed, or have a wildcard character that does not fill a
/// level.
#[inline(always)]
pub(crate) fn may_be_invalid_filter(filter: &[u8]) -> bool {
    let (Some((first, after)), Some((_, before))) = (filter.split_first(), filter.split_last())
    else {
        return false;
    };
    (*first as i8) < 1
        || any_pair(before, after, |before, byte| {
            ((byte as i8) < 1) | is_misplaced(before, byte)
        })
}

/// Whether these two cannot stand side by side in a Topic Filter.
#[inline]
const fn is_misplaced(before: u8, byte: u8) -> bool {
    is_wildcard(byte) & (before != b'/') | is_wildcard(before) & (byte != b'/') | (before == b'#')
}

#[inline]
pub(crate) const fn is_wildcard(byte: u8) -> bool {
    byte | 0x08 == b'+'
}

/// Sets a high bit if one of eight bytes is U+0000 or not ASCII. The other bits mean nothing.
#[inline]
fn null_or_not_ascii(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS) | word
}

/// Sets a high bit if one of eight bytes is U+0000. The other bits mean nothing.
#[inline]
fn null(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS) & !word
}

/// Turns `#` and `+` into 0, and everything else into something else.
#[inline]
fn wildcards_to_zero(word: u64) -> u64 {
    (word | (0x08 * LOW_BITS)) ^ (u64::from(b'+') * LOW_BITS)
}

/// Sets a high bit if one of eight bytes is U+0000, not ASCII, `#` or `+`. The other bits mean nothing.
#[inline]
fn null_or_not_ascii_or_wildcard(word: u64) -> u64 {
    null_or_not_ascii(word) | wildcards_to_zero(word).wrapping_sub(LOW_BITS)
}

/// Whether something is among these bytes: `in_word` sets a high bit if it is among eight.
///
/// Looks at the first and the last bytes together, so at some of them twice.
#[inline(always)]
fn any(bytes: &[u8], in_word: impl Fn(u64) -> u64, in_byte: impl Fn(u8) -> bool) -> bool {
    // Measured on x86-64 alone; other targets take words.
    if !cfg!(target_feature = "sse2") {
        any_in_words(bytes, in_word)
    } else if let Some(ends) = ends::<32>(bytes) {
        any_in_ends(ends, &in_byte) || bytes.len() > 64 && any_in_middle(bytes, in_byte)
    } else if let Some(ends) = ends::<16>(bytes) {
        any_in_ends(ends, in_byte)
    } else if let Some(ends) = ends::<8>(bytes) {
        any_in_ends(ends, in_byte)
    } else {
        any_in_words(bytes, in_word)
    }
}

#[inline(always)]
fn any_in_words(bytes: &[u8], in_word: impl Fn(u64) -> u64) -> bool {
    let Some(last) = bytes.last_chunk::<8>() else {
        return in_word(short_word(bytes)) & HIGH_BITS != 0;
    };
    let mut found = in_word(u64::from_le_bytes(*last));
    // The last byte is in `last`, so what is left over here is, too.
    for word in blocks(&bytes[..bytes.len() - 1]) {
        found |= in_word(u64::from_le_bytes(*word));
    }
    found & HIGH_BITS != 0
}

/// The first and the last bytes of a string, which may overlap.
type Ends<'a, const SIZE: usize> = (&'a [u8; SIZE], &'a [u8; SIZE]);

#[inline]
fn ends<const SIZE: usize>(bytes: &[u8]) -> Option<Ends<'_, SIZE>> {
    Some((bytes.first_chunk()?, bytes.last_chunk()?))
}

/// The compiler makes a few vector instructions of this. It does not if more than two blocks are
/// looked at before something depends on the result.
#[inline(always)]
fn any_in_ends<const SIZE: usize>(
    (first, last): Ends<'_, SIZE>,
    in_byte: impl Fn(u8) -> bool,
) -> bool {
    let mut found = false;
    for (&a, &b) in first.iter().zip(last) {
        found |= in_byte(a) | in_byte(b);
    }
    found
}

/// The same of what is between the first and the last 32 bytes.
#[inline(always)]
fn any_in_middle(bytes: &[u8], in_byte: impl Fn(u8) -> bool) -> bool {
    // What is left over behind the blocks is among the last 32.
    for block in blocks::<32>(&bytes[32..bytes.len() - 1]) {
        let mut found = false;
        for &byte in block {
            found |= in_byte(byte);
        }
        if found {
            return true;
        }
    }
    false
}

/// The same of pairs, of which one byte each is in both slices, at the same place.
#[inline(always)]
fn any_pair(before: &[u8], after: &[u8], in_pair: impl Fn(u8, u8) -> bool) -> bool {
    if let (Some(ends_before), Some(ends_after)) = (ends::<32>(before), ends::<32>(after)) {
        let (before, after) = (blocks(&before[..before.len() - 1]), blocks(after));
        any_pair_in_block(ends_before.1, ends_after.1, &in_pair)
            || before
                .zip(after)
                .any(|(before, after)| any_pair_in_block(before, after, &in_pair))
    } else if let (Some(before), Some(after)) = (ends::<16>(before), ends::<16>(after)) {
        any_pair_in_block(&joined(before), &joined(after), in_pair)
    } else if let (Some(before), Some(after)) = (ends::<8>(before), ends::<8>(after)) {
        any_pair_in_block(&joined(before), &joined(after), in_pair)
    } else {
        let mut pairs = before.iter().zip(after);
        pairs.any(|(&before, &byte)| in_pair(before, byte))
    }
}

/// Smaller blocks are not made vector instructions of.
#[inline(always)]
fn any_pair_in_block(
    before: &[u8; 32],
    after: &[u8; 32],
    in_pair: impl Fn(u8, u8) -> bool,
) -> bool {
    let mut found = false;
    for (&before, &byte) in before.iter().zip(after) {
        found |= in_pair(before, byte);
    }
    found
}

/// The ends of a string, as often as they fit in.
#[inline]
fn joined<const SIZE: usize>((first, last): Ends<'_, SIZE>) -> [u8; 32] {
    let mut joined = [0; 32];
    for both in joined.chunks_exact_mut(2 * SIZE) {
        both[..SIZE].copy_from_slice(first);
        both[SIZE..].copy_from_slice(last);
    }
    joined
}

/// As many whole blocks as there are; what is left over behind them is left out.
#[inline]
fn blocks<const SIZE: usize>(mut bytes: &[u8]) -> impl Iterator<Item = &[u8; SIZE]> {
    core::iter::from_fn(move || {
        let (block, rest) = bytes.split_first_chunk()?;
        bytes = rest;
        Some(block)
    })
}

/// What fills up a word: neither U+0000 nor a wildcard character, and ASCII.
const FILLER: u64 = 0x6161_6161_6161_6161;

/// Up to seven bytes as a word, anywhere in it and some of them twice: without a loop.
#[inline]
fn short_word(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
    }
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
        return FILLER;
    };
    let middle = bytes[bytes.len() / 2];
    FILLER << 24 | u64::from(*first) | u64::from(middle) << 8 | u64::from(*last) << 16
}

#[cfg(test)]
mod tests;
