//! Topic Filters and Shared Subscriptions.

use super::matching;
use crate::text::scan::{
    is_wildcard, may_be_invalid, may_be_invalid_filter, may_be_invalid_or_has_wildcard,
};
use crate::text::{MAXIMUM_LENGTH, Text, fault_in_content, string_type, validate_slowly};
use crate::wire::{Fault, Parsed, length_prefixed};
use crate::{TopicName, Violation};

/// What a Shared Subscription's Topic Filter begins with [MQTT-4.8.2-1].
const SHARE_PREFIX: &str = "$share/";

/// A Topic Filter (section 4.7), plain or of a Shared Subscription (section 4.8.2): 1 to 65,535
/// bytes of UTF-8, no U+0000, wildcards only where they are allowed.
///
/// Dereferences to [`str`]: the whole string, `$share/` and ShareName included.
///
/// ```
/// use mqtt5_codec::{TopicFilter, TopicName, Violation};
///
/// let filter = TopicFilter::new("$share/consumers/sport/+/score")?;
/// assert!(filter.matches(TopicName::new("sport/tennis/score")?));
/// assert_eq!(filter.shared().map(|shared| shared.share_name), Some("consumers"));
/// assert_eq!(TopicFilter::new("sport/tennis#"), Err(Violation::MultiLevelWildcard));
/// # Ok::<(), Violation>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicFilter<'a>(&'a str);

/// The parts of a Shared Subscription's Topic Filter, `$share/{ShareName}/{filter}` (section
/// 4.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SharedFilter<'a> {
    /// The ShareName: at least one character, no `/`, `+` or `#`.
    pub share_name: &'a str,
    /// The filter that Topic Names are matched against. It is not looked at for a second `$share/`.
    pub filter: &'a str,
}

impl<'a> TopicFilter<'a> {
    /// Checks a string.
    ///
    /// # Errors
    ///
    /// [`Violation::TopicFilterEmpty`], [`Violation::MultiLevelWildcard`],
    /// [`Violation::SingleLevelWildcard`], [`Violation::ShareNameEmpty`],
    /// [`Violation::ShareNameWildcard`], [`Violation::ShareFilterMissing`],
    /// [`Violation::NullCharacter`], [`Violation::StringTooLong`].
    pub fn new(filter: &'a str) -> Result<Self, Violation> {
        // [MQTT3-4.7.3-3]
        if filter.len() > fault!("MQTT-4.7.3-3", MAXIMUM_LENGTH, MAXIMUM_LENGTH + 1) {
            return Err(Violation::StringTooLong);
        }
        check(filter.as_bytes()).map_err(|(_, violation)| violation)?;
        Ok(TopicFilter(filter))
    }

    /// The whole string.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Whether this is the filter of a Shared Subscription.
    #[must_use]
    pub fn is_shared(self) -> bool {
        self.shared().is_some()
    }

    /// Whether the filter begins with `$share/`. In MQTT 5 it is that of a Shared Subscription then. In MQTT
    /// 3.1.1 it may be any filter: [`TopicFilter::is_shared`] looks at the rest, too.
    #[must_use]
    #[inline]
    pub fn has_share_prefix(self) -> bool {
        is_shared(self.0.as_bytes())
    }

    /// ShareName and filter of a Shared Subscription. `None` for what begins with `$share/` and does not go on
    /// as the filter of one must: in MQTT 3.1.1 that is an ordinary filter.
    #[must_use]
    pub fn shared(self) -> Option<SharedFilter<'a>> {
        let rest = self.0.strip_prefix(SHARE_PREFIX)?;
        self.check_share().ok()?;
        let (share_name, filter) = rest.split_once('/')?;
        Some(SharedFilter { share_name, filter })
    }

    /// Whether a packet of MQTT 5 may have the filter: one that was received by MQTT 3.1.1 may begin with
    /// `$share/` and not be that of a Shared Subscription [MQTT-4.8.2-1] [MQTT-4.8.2-2].
    pub(crate) fn check_share(self) -> Result<(), Violation> {
        if !self.has_share_prefix() {
            return Ok(());
        }
        let found = matching_part_of_share(self.0.as_bytes());
        found.map_or_else(|(_, violation)| Err(violation), |_| Ok(()))
    }

    /// The part that Topic Names are matched against: without `$share/` and ShareName.
    #[must_use]
    pub fn matching_part(self) -> &'a str {
        self.shared().map_or(self.0, |shared| shared.filter)
    }

    /// The levels of the part that Topic Names are matched against; some may be empty.
    pub fn levels(self) -> impl DoubleEndedIterator<Item = &'a str> {
        self.matching_part().split('/')
    }

    /// Whether the filter contains a wildcard (so whether it needs *Wildcard Subscription
    /// Available*, section 3.2.2.3.11).
    #[must_use]
    pub fn has_wildcard(self) -> bool {
        self.0.bytes().any(is_wildcard)
    }

    /// Whether the filter matches a Topic Name (section 4.7).
    ///
    /// `+` matches one level, `#` the parent and any number of levels below it, every other level
    /// only itself, byte by byte. A filter that begins with a wildcard matches no name that begins
    /// with `$` [MQTT-4.7.2-1] [MQTT3-4.7.2-1]. Linear in the length of the name, no allocation.
    #[must_use]
    pub fn matches(self, name: TopicName<'_>) -> bool {
        matching::matches(self.matching_part().as_bytes(), name.as_bytes())
    }

    /// Reads a filter that was checked before.
    #[inline(always)]
    pub(crate) fn trusted(bytes: &'a [u8]) -> Self {
        TopicFilter(Text::trusted(bytes).as_str())
    }
}

string_type!(TopicFilter);

#[inline(always)]
fn is_shared(filter: &[u8]) -> bool {
    filter.starts_with(SHARE_PREFIX.as_bytes())
}

#[inline(always)]
fn check(filter: &[u8]) -> Result<(), (usize, Violation)> {
    let Some(first) = filter.first() else {
        if fault!("MQTT-4.7.3-1") {
            return Ok(());
        }
        return Err((0, Violation::TopicFilterEmpty));
    };
    if may_be_invalid_or_has_wildcard(filter) || *first == b'$' {
        check_closely(filter)?;
    }
    Ok(())
}

/// Fast path: wildcard characters usually stand where they may.
#[inline(never)]
fn check_closely(filter: &[u8]) -> Result<(), (usize, Violation)> {
    if may_be_invalid_filter(filter) || is_shared(filter) {
        check_slowly(filter)?;
    }
    Ok(())
}

#[inline(never)]
fn check_slowly(filter: &[u8]) -> Result<(), (usize, Violation)> {
    if may_be_invalid(filter) {
        validate_slowly(filter)?;
    }
    let start = if is_shared(filter) {
        matching_part_of_share(filter)?
    } else {
        0
    };
    check_wildcards(&filter[start..]).map_err(|(at, violation)| (start + at, violation))
}

/// Where the filter of a Shared Subscription starts after its ShareName.
fn matching_part_of_share(filter: &[u8]) -> Result<usize, (usize, Violation)> {
    let name_start = SHARE_PREFIX.len();
    let share_name = filter[name_start..]
        .split(|&byte| byte == b'/')
        .next()
        .unwrap_or_default();
    let name_end = name_start + share_name.len();
    if share_name.is_empty() && !fault!("MQTT-4.8.2-1") {
        Err((name_start, Violation::ShareNameEmpty))
    } else if let Some(at) = share_name.iter().position(|&byte| is_wildcard(byte)) {
        fault!(
            "MQTT-4.8.2-2",
            Err((name_start + at, Violation::ShareNameWildcard)),
            Ok(name_end + 1)
        )
    } else if filter.len() < name_end + 2 {
        Err((filter.len(), Violation::ShareFilterMissing))
    } else {
        Ok(name_end + 1)
    }
}

/// Each wildcard character must have a level of its own.
fn check_wildcards(filter: &[u8]) -> Result<(), (usize, Violation)> {
    for (at, &byte) in filter.iter().enumerate() {
        let level_starts = at == 0 || filter[at - 1] == b'/';
        let next = filter.get(at + 1);
        if byte == b'#' && (!level_starts || next.is_some()) && !fault!("MQTT-4.7.1-1") {
            return Err((at, Violation::MultiLevelWildcard));
        }
        let level_ends = matches!(next, None | Some(b'/'));
        if byte == b'+' && !(level_starts && level_ends) && !fault!("MQTT-4.7.1-2") {
            return Err((at, Violation::SingleLevelWildcard));
        }
    }
    Ok(())
}

/// A Topic Filter of MQTT 3.1.1, which has no Shared Subscriptions: `$share/` is the beginning of a filter as
/// any other (its section 4.7). With the rule of MQTT 5 that it breaks, if it does.
#[inline]
pub(crate) fn checked_plain_topic_filter(input: &[u8]) -> Parsed<'_, Option<Violation>> {
    let (rest, filter) = length_prefixed(input)?;
    if filter.is_empty() {
        return Err(Fault::at(input, Violation::TopicFilterEmpty));
    }
    // Fast path: as in MQTT 5.
    if may_be_invalid_or_has_wildcard(filter) && may_be_invalid_filter(filter) {
        check_plain(filter).map_err(|fault| fault_in_content(input, fault))?;
    }
    let broken_in_v5 = match is_shared(filter) {
        true => matching_part_of_share(filter).err(),
        false => None,
    };
    Ok((rest, broken_in_v5.map(|(_, violation)| violation)))
}

#[inline(never)]
fn check_plain(filter: &[u8]) -> Result<(), (usize, Violation)> {
    if may_be_invalid(filter) {
        validate_slowly(filter)?;
    }
    check_wildcards(filter)
}

/// A Topic Filter, checked but left as bytes.
#[inline(always)]
pub(crate) fn checked_topic_filter(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (rest, filter) = length_prefixed(input)?;
    match check(filter) {
        Ok(()) => Ok((rest, filter)),
        Err((_, Violation::TopicFilterEmpty)) => Err(Fault::at(input, Violation::TopicFilterEmpty)),
        Err(fault) => Err(fault_in_content(input, fault)),
    }
}
