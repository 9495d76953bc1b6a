//! Deliberate faults: rules of the code that a switch breaks, to see that the checks notice.
//!
//! The places are in the code itself, `fault!("name", right, wrong)`, and only a build with
//! `--cfg mqtt5_faults` has them. `faults.toml` says what each is for: the normative statement that it
//! breaks, or a bug that somebody has shipped. The program `faults` switches on one after the other.

mod hooks;
mod known;
mod pages;
mod parallel;
mod programs;
mod said;

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::ledger::{Layer, Ledger};

pub use hooks::{Hook, hooks, with_places};
pub use known::Known;
pub use pages::{Shown, museum, one_line, statements};
pub use parallel::in_parallel;
pub use programs::{CONFIGURATIONS, Ended, Finding, Kind, Programs, Run, SLOW, cargo_with_faults};

/// `faults.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// The faults.
    #[serde(rename = "fault")]
    pub faults: Vec<Fault>,
    /// Statements that no fault can break.
    #[serde(default)]
    pub without: Vec<Without>,
}

/// A deliberate fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What the code calls it. A name that begins with the label of a statement breaks that statement.
    pub name: String,
    /// The functions that it is in.
    pub functions: Vec<String>,
    /// What goes wrong when it is on.
    pub change: String,
    /// More statements that it breaks.
    #[serde(default)]
    pub also: Vec<String>,
    /// Checks that have to notice it, each, for a rule that is neither a statement nor broken by a known bug.
    #[serde(default)]
    pub checks: Vec<String>,
    /// The shipped bug that it makes anew.
    pub exhibit: Option<Exhibit>,
}

/// A bug that somebody has shipped.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exhibit {
    /// What it is called here.
    pub title: String,
    /// Who shipped it.
    pub shipped_by: String,
    /// What went wrong there.
    pub bug: String,
}

/// A statement without a fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Without {
    /// Its label.
    pub statement: String,
    /// Why no change to one place breaks it.
    pub reason: String,
}

impl Table {
    /// Reads the text of `faults.toml`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Reads `faults.toml`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn load() -> Result<Self, String> {
        let path = crate::path_of("faults.toml");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Table::parse(&text)
    }

    /// The faults that break a statement.
    pub fn of_statement<'t>(&'t self, statement: &'t str) -> impl Iterator<Item = &'t Fault> {
        self.faults
            .iter()
            .filter(move |fault| fault.statements().any(|it| it == statement))
    }

    /// Where table, code and ledger do not fit each other.
    #[must_use]
    pub fn disagreements(&self, hooks: &[Hook], ledgers: &[Ledger]) -> Vec<String> {
        let mut found = Vec::new();
        let mut names = BTreeSet::new();
        for fault in &self.faults {
            let name = &fault.name;
            if !names.insert(name.as_str()) {
                found.push(format!("`{name}` is in the table twice"));
            }
            let of_code: BTreeSet<&str> = hooks
                .iter()
                .filter(|hook| hook.name == *name)
                .map(|hook| hook.function.as_str())
                .collect();
            let of_table: BTreeSet<&str> = fault.functions.iter().map(String::as_str).collect();
            if of_code.is_empty() {
                found.push(format!("`{name}` is in the table, but not in the code"));
            } else if of_code != of_table {
                found.push(format!(
                    "`{name}` is in {of_code:?}, but the table says {of_table:?}"
                ));
            }
            for statement in fault.statements() {
                let mut known = ledgers.iter().flat_map(|ledger| &ledger.statements);
                if !known.any(|it| it.id == statement) {
                    found.push(format!("`{name}`: no ledger has {statement}"));
                }
            }
            let stands_for_nothing = fault.statements().next().is_none()
                && fault.exhibit.is_none()
                && fault.checks.is_empty();
            if stands_for_nothing {
                found.push(format!(
                    "`{name}` stands for no statement and no bug, and no check is named"
                ));
            }
        }
        for hook in hooks {
            if !names.contains(hook.name.as_str()) {
                let Hook { name, function, .. } = hook;
                found.push(format!("`{name}` in {function} is not in the table"));
            }
        }
        for without in &self.without {
            let statement = &without.statement;
            if self.of_statement(statement).next().is_some() {
                found.push(format!("{statement} has a fault, and a reason why not"));
            }
        }
        found
    }

    /// The statements of a layer for which there is neither a fault nor a reason why not.
    #[must_use]
    pub fn missing<'l>(&self, ledger: &'l Ledger, layer: Layer) -> Vec<&'l str> {
        ledger
            .of_layer(layer)
            .map(|statement| statement.id.as_str())
            .filter(|id| self.of_statement(id).next().is_none())
            .filter(|id| !self.without.iter().any(|it| it.statement == *id))
            .collect()
    }
}

impl Fault {
    /// The statements that it breaks.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        let label = self.name.split(' ').next();
        label
            .filter(|label| label.starts_with("MQTT-") || label.starts_with("MQTT3-"))
            .into_iter()
            .chain(self.also.iter().map(String::as_str))
    }
}

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    let package = crate::package_folder();
    package.parent().unwrap_or(package)
}
