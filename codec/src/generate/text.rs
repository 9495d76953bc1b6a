//! Strings, binary data, Topic Names and Topic Filters.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use arbitrary::{Result, Unstructured};

use super::number::one_in;
use crate::text::MAXIMUM_LENGTH;

/// Characters at the borders of the encodings of one to four bytes, U+FEFF, control characters and
/// noncharacters, and what means something in a topic but not here.
const PIECES: [&str; 26] = [
    "a",
    "text",
    "Z",
    "0",
    " ",
    "/",
    "+",
    "#",
    "$",
    "*",
    "\u{1}",
    "\n",
    "\u{7F}",
    "\u{80}",
    "é",
    "\u{7FF}",
    "\u{800}",
    "€",
    "\u{D7FF}",
    "\u{E000}",
    "\u{FEFF}",
    "\u{FDD0}",
    "\u{FFFF}",
    "\u{10000}",
    "𝄞",
    "\u{10FFFF}",
];

/// Few and short, so that names and filters meet.
const LEVELS: [&str; 16] = [
    "a", "b", "", "sport", "tennis", "A", "$SYS", "$share", "$", " ", "*", "é", "€", "𝄞",
    "\u{FEFF}", "\u{1}",
];

/// How many characters a level has at most, unless it makes a string long.
const LONGEST_LEVEL: usize = 12;

/// What the filter of a Shared Subscription begins with.
const SHARE_PREFIX: &str = "$share/";

/// How many bytes `$share/`, ShareName and `/` have at most.
const LONGEST_SHARE: usize = 8 + 4 * LONGEST_LEVEL;

/// What long strings are filled with: characters of one to three bytes, and empty topic levels.
const FILLERS: [&str; 4] = ["x", "é", "€", "/"];

/// A string for a UTF-8 Encoded String (section 1.5.4), as [`Text::new`](crate::Text::new) accepts
/// it.
///
/// # Errors
///
/// As [`frame`](super::frame).
pub fn text(source: &mut Unstructured<'_>) -> Result<String> {
    let mut text = String::new();
    for _ in 0..source.int_in_range(0..=6)? {
        if one_in(8, source)? {
            let character = source.arbitrary()?;
            text.push(if character == '\0' { '0' } else { character });
        } else {
            text.push_str(source.choose(&PIECES)?);
        }
    }
    lengthened(text, MAXIMUM_LENGTH, source)
}

/// Binary Data (section 1.5.6): at most 65,535 bytes.
///
/// # Errors
///
/// As [`frame`](super::frame).
pub fn binary(source: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let length = source.int_in_range(0..=16)?.min(source.len());
    let mut bytes = source.bytes(length)?.to_owned();
    if let Some(length) = long_length(source)? {
        bytes.resize(length, 0xA5);
    }
    Ok(bytes)
}

/// A Topic Name (section 4.7), as [`TopicName::new`](crate::TopicName::new) accepts it.
///
/// # Errors
///
/// As [`frame`](super::frame).
pub fn topic_name(source: &mut Unstructured<'_>) -> Result<String> {
    let name = levels(source)?.join("/");
    lengthened(name, MAXIMUM_LENGTH, source)
}

/// A Topic Filter (section 4.7), plain or of a Shared Subscription (section 4.8.2), as
/// [`TopicFilter::new`](crate::TopicFilter::new) accepts it.
///
/// # Errors
///
/// As [`frame`](super::frame).
pub fn topic_filter(source: &mut Unstructured<'_>) -> Result<String> {
    let mut levels = levels(source)?;
    for level in &mut levels {
        if one_in(4, source)? {
            "+".clone_into(level);
        }
    }
    if one_in(4, source)? {
        levels.push("#".to_owned());
    }
    let shared = one_in(3, source)?;
    let most = MAXIMUM_LENGTH - if shared { LONGEST_SHARE } else { 0 };
    let filter = lengthened(levels.join("/"), most, source)?;
    with_share_name(filter, shared, source)
}

/// A Topic Filter of MQTT 3.1.1 (its section 4.7): there `$share/` may be followed by anything.
pub(super) fn plain_topic_filter(source: &mut Unstructured<'_>) -> Result<String> {
    let filter = topic_filter(source)?;
    if filter.len() > MAXIMUM_LENGTH - SHARE_PREFIX.len() || !one_in(8, source)? {
        return Ok(filter);
    }
    Ok(match source.arbitrary()? {
        true => format!("{SHARE_PREFIX}{filter}"),
        false => SHARE_PREFIX.to_owned(),
    })
}

/// A Topic Name, and a Topic Filter that matches it.
///
/// # Errors
///
/// As [`frame`](super::frame).
pub fn matching_pair(source: &mut Unstructured<'_>) -> Result<(String, String)> {
    let name_levels = levels(source)?;
    let name = name_levels.join("/");
    // A wildcard at the start does not match a name that begins with `$` [MQTT-4.7.2-1].
    let fixed = usize::from(name.starts_with('$'));
    let mut filter_levels = name_levels;
    for level in filter_levels.iter_mut().skip(fixed) {
        if one_in(3, source)? {
            "+".clone_into(level);
        }
    }
    if one_in(3, source)? {
        let kept = source.int_in_range(fixed..=filter_levels.len())?;
        filter_levels.truncate(kept);
        filter_levels.push("#".to_owned());
    }
    let shared = one_in(3, source)?;
    Ok((
        name,
        with_share_name(filter_levels.join("/"), shared, source)?,
    ))
}

/// Puts `$share/` and a ShareName before the filter, if it is to be one of a Shared Subscription or
/// would be read as one.
fn with_share_name(filter: String, shared: bool, source: &mut Unstructured<'_>) -> Result<String> {
    if !shared && !filter.starts_with(SHARE_PREFIX) {
        return Ok(filter);
    }
    let mut share_name = level(source)?;
    if share_name.is_empty() {
        share_name.push('g');
    }
    Ok(format!("{SHARE_PREFIX}{share_name}/{filter}"))
}

/// One to seven levels that make at least one character.
fn levels(source: &mut Unstructured<'_>) -> Result<Vec<String>> {
    let mut levels = Vec::new();
    for _ in 0..source.int_in_range(1..=6)? {
        levels.push(level(source)?);
    }
    if levels.concat().is_empty() {
        levels.push(String::new());
    }
    Ok(levels)
}

/// A level without wildcards; may be empty.
fn level(source: &mut Unstructured<'_>) -> Result<String> {
    if !one_in(8, source)? {
        return Ok(source.choose(&LEVELS).copied()?.to_owned());
    }
    let text = text(source)?;
    let allowed = text.chars().filter(|character| !"/+#".contains(*character));
    Ok(allowed.take(LONGEST_LEVEL).collect())
}

/// Rarely, the same string at a length where something changes, filled up at its start: wildcards
/// at the end stay valid.
fn lengthened(text: String, most: usize, source: &mut Unstructured<'_>) -> Result<String> {
    let Some(length) = long_length(source)? else {
        return Ok(text);
    };
    let Some(missing) = length.min(most).checked_sub(text.len() + 1) else {
        return Ok(text);
    };
    let filler = source.choose(&FILLERS)?;
    let mut long = filler.repeat(missing / filler.len());
    long.extend(core::iter::repeat_n('x', missing % filler.len()));
    long.push('/');
    long.push_str(&text);
    Ok(long)
}

/// A length at which something changes, rarely.
fn long_length(source: &mut Unstructured<'_>) -> Result<Option<usize>> {
    Ok(match source.arbitrary::<u8>()? {
        0xFF => Some(*source.choose(&[255, 256, 16_383, 16_384, 65_534, MAXIMUM_LENGTH])?),
        0xF8..=0xFE => Some(source.int_in_range(120..=135)?),
        _ => None,
    })
}
