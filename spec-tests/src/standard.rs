//! What a reference to the standard can name: a numbered statement or a section.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The labels of all statements with their layers. They are kept apart from the ledger.
static STATEMENTS: LazyLock<BTreeMap<&str, &str>> =
    LazyLock::new(|| lines(include_str!("../statements.txt")).collect());

/// The numbers and titles of all sections.
static SECTIONS: LazyLock<BTreeSet<(&str, &str)>> =
    LazyLock::new(|| lines(include_str!("../sections.txt")).collect());

fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' '))
}

/// Label and layer of each numbered statement.
#[must_use]
pub fn statements() -> &'static BTreeMap<&'static str, &'static str> {
    &STATEMENTS
}

/// Whether the standard has a section with this number, such as `3.1.2.11`.
#[must_use]
pub fn has_section(number: &str) -> bool {
    let mut from_here = SECTIONS.range((number, "")..);
    from_here.next().is_some_and(|(found, _)| *found == number)
}

/// Whether the standard has a section with this number and title, such as `1.5.1 Bits`.
#[must_use]
pub fn has_heading(heading: &str) -> bool {
    heading
        .split_once(' ')
        .is_some_and(|heading| SECTIONS.contains(&heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_the_standard_has() {
        assert_eq!(statements().len(), 251);
        assert!(has_section("1.5.1") && has_section("3.1.2.11.10") && has_section("7"));
        assert!(!has_section("1.5.1.1") && !has_section("8") && !has_section(""));
        assert!(has_heading("1.5.1 Bits") && !has_heading("1.5.1 Bytes") && !has_heading("1.5.1"));
    }
}
