//! Bugs that MQTT implementations have shipped, made anew in a copy of this workspace to see that the
//! checks catch them: `museum/museum.toml`, `src/bin/museum.rs`, `MUSEUM.md`.

mod copy;
mod layers;
mod said;
mod table;

use serde::Deserialize;

pub use copy::{WorkCopy, workspace};
pub use layers::{Finding, Layer, Workshop};
pub use table::{Shown, one_line, render};

/// `museum.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Museum {
    /// The bugs.
    #[serde(rename = "exhibit")]
    pub exhibits: Vec<Exhibit>,
}

/// A bug that somebody has shipped.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exhibit {
    /// What it is called here.
    pub name: String,
    /// Who shipped it.
    #[serde(rename = "where")]
    pub shipped_by: String,
    /// What went wrong there.
    pub bug: String,
    file: String,
    replace: String,
    with: String,
    #[serde(default)]
    more: Vec<Change>,
    /// Why it cannot be written down: the change does not compile.
    pub by_type: Option<String>,
}

/// A change to one file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The file, seen from the folder of the workspace.
    pub file: String,
    /// What stands there, exactly once.
    pub replace: String,
    /// What is to stand there.
    pub with: String,
}

impl Museum {
    /// Reads the text of `museum.toml`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Reads `museum.toml`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn load() -> Result<Self, String> {
        let path = crate::path_of("museum/museum.toml");
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Museum::parse(&text)
    }
}

impl Exhibit {
    /// The changes that make the bug.
    #[must_use]
    pub fn changes(&self) -> Vec<Change> {
        let first = Change {
            file: self.file.clone(),
            replace: self.replace.clone(),
            with: self.with.clone(),
        };
        let mut changes = vec![first];
        changes.extend(self.more.iter().cloned());
        changes
    }
}

impl Change {
    /// The text of the file with the change.
    ///
    /// # Errors
    ///
    /// If the text to be replaced is not there exactly once.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        match text.matches(&self.replace).count() {
            1 => Ok(text.replace(&self.replace, &self.with)),
            count => Err(format!(
                "{}: the text to be replaced is there {count} times",
                self.file
            )),
        }
    }
}
