//! Complete domains: sets of inputs small enough to try every one of them.

mod flags;
mod identifiers;
mod inputs;
mod properties;
mod reason_codes;
mod text;
mod topic_fields;
mod variable_byte_integers;

use crate::check::{Check, Kind, Outcome};
use crate::verdict::Verdict;

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(inputs::checks());
    checks.extend(identifiers::checks());
    checks.extend(properties::checks());
    checks.extend(reason_codes::checks());
    checks.extend(flags::checks());
    checks.extend(text::checks());
    checks.extend(topic_fields::checks());
    checks.extend(variable_byte_integers::checks());
    checks
}

fn domain(name: &str, run: impl FnOnce() -> Outcome + Send + 'static) -> Check {
    Check::new(Kind::Domain, name, run)
}

/// Compares two verdicts on the same bytes, down to the offset.
fn agree(codec: Verdict, standard: Verdict, what: impl FnOnce() -> String) -> Result<(), String> {
    if codec == standard {
        Ok(())
    } else {
        Err(format!(
            "{}: codec {codec:?}, standard {standard:?}",
            what()
        ))
    }
}
