//! Topic Names.

use crate::text::scan::{has_null, is_wildcard, may_be_invalid_or_has_wildcard};
use crate::text::{
    MAXIMUM_LENGTH, Text, ascii_str, fault_in_content, string_type, validate_slowly,
};
use crate::wire::{Fault, Parsed, length_prefixed};
use crate::{TopicFilter, Violation};

/// A Topic Name (section 4.7): 1 to 65,535 bytes of UTF-8, no U+0000, no wildcard characters.
///
/// Dereferences to [`str`]. Compared byte by byte, as the standard demands [MQTT-4.7.3-4].
///
/// ```
/// use mqtt5_codec::{TopicName, Violation};
///
/// assert!(TopicName::new("sport/tennis/player1")?.matches(mqtt5_codec::TopicFilter::new("sport/#")?));
/// assert_eq!(TopicName::new("sport/+"), Err(Violation::TopicNameWildcard));
/// # Ok::<(), Violation>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks a string.
    ///
    /// # Errors
    ///
    /// [`Violation::TopicNameEmpty`], [`Violation::TopicNameWildcard`],
    /// [`Violation::NullCharacter`], [`Violation::StringTooLong`].
    #[inline]
    pub fn new(name: &'a str) -> Result<Self, Violation> {
        check(name)?;
        Ok(TopicName(name))
    }

    /// The string.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The name as a UTF-8 Encoded String.
    #[must_use]
    pub fn as_text(self) -> Text<'a> {
        Text::trusted(self.0.as_bytes())
    }

    /// The levels between the `/` separators; some may be empty.
    pub fn levels(self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.0.split('/')
    }

    /// Whether the name begins with `$`: such topics are the Server's own, and wildcards at the
    /// start of a Topic Filter do not match them (section 4.7.2).
    #[must_use]
    pub fn is_server_topic(self) -> bool {
        self.0.starts_with('$')
    }

    /// Whether the filter matches the name: see [`TopicFilter::matches`].
    #[must_use]
    pub fn matches(self, filter: TopicFilter<'_>) -> bool {
        filter.matches(self)
    }

    /// Reads a name that was checked before.
    #[inline]
    pub(crate) fn trusted(bytes: &'a [u8]) -> Self {
        TopicName(Text::trusted(bytes).as_str())
    }
}

string_type!(TopicName);

/// What the field demands in which a Topic Name stands.
pub(crate) struct NameRules {
    pub(crate) may_be_empty: bool,
    pub(crate) wildcard: Violation,
}

/// A Topic Name on its own.
const TOPIC_NAME: NameRules = NameRules {
    may_be_empty: false,
    wildcard: Violation::TopicNameWildcard,
};

/// The Topic Name of a PUBLISH: a Topic Alias may stand in for it (section 3.3.2.1).
pub(crate) const PUBLISH_TOPIC: NameRules = NameRules {
    may_be_empty: true,
    wildcard: Violation::PublishTopicWildcard,
};

/// The Will Topic (section 3.1.3.3).
pub(crate) const WILL_TOPIC: NameRules = TOPIC_NAME;

fn check(name: &str) -> Result<(), Violation> {
    if name.len() > fault!("MQTT-4.7.3-3", MAXIMUM_LENGTH, MAXIMUM_LENGTH + 1) {
        Err(Violation::StringTooLong)
    } else if name.is_empty() && !fault!("MQTT-4.7.3-1") {
        Err(Violation::TopicNameEmpty)
    } else if may_be_invalid_or_has_wildcard(name.as_bytes()) {
        check_slowly(name)
    } else {
        Ok(())
    }
}

#[inline(never)]
fn check_slowly(name: &str) -> Result<(), Violation> {
    // [MQTT3-4.7.3-2]
    if has_null(name.as_bytes()) && !fault!("MQTT-4.7.3-2") {
        Err(Violation::NullCharacter)
    } else if name.bytes().any(is_wildcard) && !fault!("MQTT-4.7.0-1") {
        Err(Violation::TopicNameWildcard)
    } else {
        Ok(())
    }
}

/// A Topic Name, checked but left as bytes. `wildcard` is the rule that a wildcard character breaks.
#[inline]
pub(crate) fn checked_topic_name(input: &[u8], wildcard: Violation) -> Parsed<'_, &[u8]> {
    let (rest, name) = length_prefixed(input)?;
    if name.is_empty() {
        return Err(Fault::at(input, Violation::TopicNameEmpty));
    }
    if may_be_invalid_or_has_wildcard(name) {
        name_slowly(input, name, wildcard)?;
    }
    Ok((rest, name))
}

/// A Topic Name; `None` if it is empty and may be.
// Out of line, a PUBLISH takes 26 instructions more.
#[inline(always)]
pub(crate) fn topic_name<'a>(
    input: &'a [u8],
    rules: &NameRules,
) -> Parsed<'a, Option<TopicName<'a>>> {
    let (rest, bytes) = length_prefixed(input)?;
    let name = if may_be_invalid_or_has_wildcard(bytes) {
        name_slowly(input, bytes, rules.wildcard)?
    } else {
        ascii_str(bytes).unwrap_or_default()
    };
    match name {
        "" if rules.may_be_empty => Ok((rest, None)),
        "" => Err(Fault::at(input, Violation::TopicNameEmpty)),
        name => Ok((rest, Some(TopicName(name)))),
    }
}

#[inline(never)]
fn name_slowly<'a>(
    input: &[u8],
    bytes: &'a [u8],
    wildcard: Violation,
) -> Result<&'a str, nom::Err<Fault>> {
    let name = validate_slowly(bytes).map_err(|fault| fault_in_content(input, fault))?;
    match bytes.iter().position(|&byte| is_wildcard(byte)) {
        Some(_) if fault!("MQTT-3.3.2-2") && wildcard == Violation::PublishTopicWildcard => {
            Ok(name)
        }
        Some(_) if fault!("MQTT-3.3.2-14") && wildcard == Violation::ResponseTopicWildcard => {
            Ok(name)
        }
        Some(at) => Err(fault_in_content(input, (at, wildcard))),
        None => Ok(name),
    }
}
