//! Numbers and versions in texts, compared without a limit of their length.

use alloc::boxed::Box;
use core::cmp::Ordering;

use super::RuleError;

/// A decimal number to compare with.
///
/// ```
/// use mqtt5_session_fsm::routing::TextTest;
///
/// let TextTest::NumberBelow(number) = TextTest::number_below("-1.50")? else { panic!() };
/// assert_eq!(number.as_str(), "-1.50");
/// # Ok::<(), mqtt5_session_fsm::routing::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

/// A version to compare with.
///
/// ```
/// use mqtt5_session_fsm::routing::TextTest;
///
/// let TextTest::VersionBelow(version) = TextTest::version_below("1.2.0")? else { panic!() };
/// assert_eq!(version.as_str(), "1.2.0");
/// # Ok::<(), mqtt5_session_fsm::routing::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version(Box<str>);

impl Number {
    pub(super) fn new(text: &str) -> Result<Self, RuleError> {
        Decimal::parse(text).ok_or(RuleError::NotANumber)?;
        Ok(Number(text.into()))
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// How the number in a text compares to this one.
    pub(super) fn order_of(&self, text: &str) -> Option<Ordering> {
        Some(Decimal::parse(text)?.compare(&Decimal::parse(&self.0)?))
    }
}

impl Version {
    pub(super) fn new(text: &str) -> Result<Self, RuleError> {
        Release::parse(text).ok_or(RuleError::NotAVersion)?;
        Ok(Version(text.into()))
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// How the version in a text compares to this one.
    pub(super) fn order_of(&self, text: &str) -> Option<Ordering> {
        Some(Release::parse(text)?.compare(&Release::parse(&self.0)?))
    }
}

/// The parts of a number, without zeros that do not count.
struct Decimal<'a> {
    is_negative: bool,
    whole: &'a str,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if are_digits(fraction) => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        are_digits(whole).then(|| {
            let whole = whole.trim_start_matches('0');
            let fraction = fraction.trim_end_matches('0');
            Decimal {
                // There is one zero.
                is_negative: is_negative && !(whole.is_empty() && fraction.is_empty()),
                whole,
                fraction,
            }
        })
    }

    fn compare(&self, other: &Decimal<'_>) -> Ordering {
        // Without zeros at their ends, fractions are in the order of their digits.
        let size = |one: &Decimal<'_>, two: &Decimal<'_>| {
            digits_order(one.whole, two.whole).then_with(|| one.fraction.cmp(two.fraction))
        };
        match (self.is_negative, other.is_negative) {
            (false, false) => size(self, other),
            (true, true) => size(other, self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

/// The parts of a version.
struct Release<'a> {
    numbers: &'a str,
    /// What follows a `-`.
    before: Option<&'a str>,
}

impl<'a> Release<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (numbers, before) = match text.split_once('-') {
            Some((numbers, before)) => (numbers, Some(before)),
            None => (text, None),
        };
        let is_version = numbers.split('.').all(are_digits) && before != Some("");
        is_version.then_some(Release { numbers, before })
    }

    fn compare(&self, other: &Release<'_>) -> Ordering {
        let (mut one, mut two) = (self.numbers.split('.'), other.numbers.split('.'));
        loop {
            let order = match (one.next(), two.next()) {
                (None, None) => break,
                (one, two) => number_order(one.unwrap_or("0"), two.unwrap_or("0")),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        match (self.before, other.before) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(two)) => suffix_order(one, two),
        }
    }
}

/// Parts between dots: numbers by their value and before texts, texts by their bytes; fewer parts
/// first.
fn suffix_order(one: &str, two: &str) -> Ordering {
    let (mut one, mut two) = (one.split('.'), two.split('.'));
    loop {
        let order = match (one.next(), two.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(one), Some(two)) => match (are_digits(one), are_digits(two)) {
                (true, true) => number_order(one, two),
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                (false, false) => one.cmp(two),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number_order(one: &str, two: &str) -> Ordering {
    digits_order(one.trim_start_matches('0'), two.trim_start_matches('0'))
}

/// Of digits without zeros before them: the longer is the larger.
fn digits_order(one: &str, two: &str) -> Ordering {
    one.len().cmp(&two.len()).then_with(|| one.cmp(two))
}
