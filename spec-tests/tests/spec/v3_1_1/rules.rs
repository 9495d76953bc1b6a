//! What the codec says of a rule can be found in the standard that it names.

use mqtt5_codec::{Violation, ViolationClass};
use mqtt5_spec_tests::standard::{has_section, statements};

use super::{V3_1_1, V5_0};
use crate::check::{Check, Kind, Outcome};

pub(super) fn checks() -> Vec<Check> {
    vec![Check::new(
        Kind::Domain,
        "v3_1_1::rules_name_statements_and_sections_that_exist",
        every_rule,
    )]
}

fn every_rule() -> Outcome {
    for &violation in Violation::ALL {
        for version in [V3_1_1, V5_0] {
            let label = violation.statement(version);
            if !label.is_none_or(|label| statements(version).contains_key(label)) {
                return Err(format!("{violation:?}: {version} has no {label:?}"));
            }
            // A rule that only the other version has gives the section there.
            let sections = violation.section(version).split(", ");
            for section in sections {
                if !has_section(V3_1_1, section) && !has_section(V5_0, section) {
                    return Err(format!("{violation:?}: no section {section}"));
                }
            }
        }
        // Requested QoS 3 is malformed in MQTT 3.1.1 [MQTT3-3.8.3-4], and so is a PUBLISH without Topic Name, which no
        // alias stands for [MQTT3-4.7.3-1]. 5.0 has no word on options that only it has. All others have its class.
        let [old, new] = [V3_1_1, V5_0].map(|version| violation.class(version));
        let may_differ = matches!(
            violation,
            Violation::SubscriptionQos3
                | Violation::TopicMissing
                | Violation::SubscriptionOptionsNotInVersion
        );
        if (old != new) != may_differ {
            return Err(format!("{violation:?}: {old} and {new}"));
        }
        if may_differ && old != ViolationClass::Malformed {
            return Err(format!("{violation:?}: {old}"));
        }
    }
    Ok(Violation::ALL.len() as u64)
}
