//! What the pages say that noticed a fault: the first to be asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::Fault;
use crate::path_of;

/// The checks of the program `spec` that the pages name.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By the name of a fault that is an exhibit, or by the label of a statement.
    checks: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    /// Reads the pages. One that cannot be read names nothing.
    #[must_use]
    pub fn load() -> Self {
        let text = |name| fs::read_to_string(path_of(name)).unwrap_or_default();
        Known::of(&text("MUSEUM.md"), &text("FAULTS.md"))
    }

    fn of(museum: &str, statements: &str) -> Self {
        let mut known = Known::default();
        let mut exhibit = None;
        for line in museum.lines() {
            if let Some((_, name)) = line.rsplit_once(" Here: `") {
                exhibit = name.strip_suffix("`.");
            }
            let names = ["- vectors: ", "- conformance: "]
                .iter()
                .find_map(|kind| line.strip_prefix(kind));
            if let (Some(exhibit), Some(names)) = (exhibit, names) {
                let names = names.split(", ").filter(|name| name.contains("::"));
                known.add(exhibit, names);
            }
        }
        for line in statements.lines() {
            let cells: Vec<&str> = line.split(" | ").collect();
            if let (Some(label), Some(check)) = (cells.first(), cells.last()) {
                let check = check.trim_end_matches(" |").trim_matches('`');
                let label = label.trim_start_matches("| ");
                let is_label = label.starts_with("MQTT-") || label.starts_with("MQTT3-");
                if is_label && check.contains("::") {
                    known.add(label, [check].into_iter());
                }
            }
        }
        known
    }

    fn add<'a>(&mut self, key: &str, names: impl Iterator<Item = &'a str>) {
        let of_key = self.checks.entry(key.to_owned()).or_default();
        of_key.extend(names.map(str::to_owned));
    }

    /// Those of a fault that is an exhibit.
    #[must_use]
    pub fn of_exhibit(&self, fault: &Fault) -> BTreeSet<String> {
        self.checks.get(&fault.name).cloned().unwrap_or_default()
    }

    /// Those of the statements that a fault breaks.
    #[must_use]
    pub fn of_statements(&self, fault: &Fault) -> BTreeSet<String> {
        let checks = fault.statements().filter_map(|id| self.checks.get(id));
        checks.flatten().cloned().collect()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> BTreeSet<String> {
        self.checks.values().flatten().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_on_the_pages() {
        let museum = "## title\n\nShipped by x. Here: `a name`.\n\n\
             - vectors: vector::one\n- conformance: client::a, server::b, and more\n- explorer: stuck (`a=1`)\n";
        let statements =
            "| MQTT-1.2.3-4 | What, or that. | `client::c` |\n| MQTT-1.2.3-5 | none: so | |\n";
        let known = Known::of(museum, statements);
        let expected = ["client::a", "client::c", "server::b", "vector::one"];
        assert!(known.all().iter().eq(&expected));
        assert_eq!(known.checks["a name"].len(), 3);
        assert_eq!(known.checks["MQTT-1.2.3-4"].len(), 1);
    }
}
