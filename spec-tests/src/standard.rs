//! What a reference to one of the standards can name: a numbered statement or a section.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use mqtt5_codec::ProtocolVersion;

/// What can be referred to.
struct Standard {
    /// The labels of all statements with their layers. They are kept apart from the ledger.
    statements: BTreeMap<&'static str, &'static str>,
    /// The same labels in the order of the standard.
    order: Vec<&'static str>,
    /// The numbers and titles of all sections.
    sections: BTreeSet<(&'static str, &'static str)>,
}

static MQTT_5_0: LazyLock<Standard> = LazyLock::new(|| {
    Standard::read(
        include_str!("../statements.txt"),
        include_str!("../sections.txt"),
    )
});

static MQTT_3_1_1: LazyLock<Standard> = LazyLock::new(|| {
    Standard::read(
        include_str!("../statements-v3.1.1.txt"),
        include_str!("../sections-v3.1.1.txt"),
    )
});

impl Standard {
    fn read(statements: &'static str, sections: &'static str) -> Self {
        Standard {
            statements: lines(statements).collect(),
            order: lines(statements).map(|(label, _)| label).collect(),
            sections: lines(sections).collect(),
        }
    }
}

fn standard(version: ProtocolVersion) -> &'static Standard {
    match version {
        ProtocolVersion::V3_1_1 => &MQTT_3_1_1,
        _ => &MQTT_5_0,
    }
}

fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' '))
}

/// Label and layer of each numbered statement. Those of MQTT 3.1.1 begin with `MQTT3-`.
#[must_use]
pub fn statements(version: ProtocolVersion) -> &'static BTreeMap<&'static str, &'static str> {
    &standard(version).statements
}

/// The labels of all numbered statements, in the order of the standard.
#[must_use]
pub fn labels(version: ProtocolVersion) -> &'static [&'static str] {
    &standard(version).order
}

/// Whether the standard has a section with this number, such as `3.1.2.11`.
#[must_use]
pub fn has_section(version: ProtocolVersion, number: &str) -> bool {
    let mut from_here = standard(version).sections.range((number, "")..);
    from_here.next().is_some_and(|(found, _)| *found == number)
}

/// Whether the standard has a section with this number and title, such as `1.5.1 Bits`.
#[must_use]
pub fn has_heading(version: ProtocolVersion, heading: &str) -> bool {
    let sections = &standard(version).sections;
    heading
        .split_once(' ')
        .is_some_and(|heading| sections.contains(&heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_mqtt_5_0_has() {
        const V5_0: ProtocolVersion = ProtocolVersion::V5_0;
        assert_eq!(statements(V5_0).len(), 251);
        for number in ["1.5.1", "3.1.2.11.10", "7"] {
            assert!(has_section(V5_0, number), "{number}");
        }
        for number in ["1.5.1.1", "8", ""] {
            assert!(!has_section(V5_0, number), "{number}");
        }
        assert!(has_heading(V5_0, "1.5.1 Bits"));
        assert!(!has_heading(V5_0, "1.5.1 Bytes") && !has_heading(V5_0, "1.5.1"));
    }

    #[test]
    fn knows_what_mqtt_3_1_1_has() {
        const V3_1_1: ProtocolVersion = ProtocolVersion::V3_1_1;
        assert_eq!(statements(V3_1_1).len(), 141);
        let labels = statements(V3_1_1).keys();
        assert!(labels.into_iter().all(|label| label.starts_with("MQTT3-")));
        assert!(has_section(V3_1_1, "3.1.2.10") && !has_section(V3_1_1, "3.1.2.11.1"));
        assert!(has_heading(V3_1_1, "1.5.2 Integer data values"));
    }
}
