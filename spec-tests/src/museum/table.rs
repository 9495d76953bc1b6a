//! `MUSEUM.md`.

use std::fmt::Write;

use super::{Exhibit, Finding};

/// An exhibit, and what caught it.
#[derive(Clone, Debug)]
pub struct Shown<'m> {
    /// The bug.
    pub exhibit: &'m Exhibit,
    /// What the layers found.
    pub findings: Vec<Finding>,
}

impl Shown<'_> {
    /// Whether anything caught it.
    #[must_use]
    pub fn is_caught(&self) -> bool {
        !self.findings.is_empty()
    }
}

/// A line for the terminal.
#[must_use]
pub fn one_line(shown: &Shown<'_>) -> String {
    let mut line = format!("{:<66}", shown.exhibit.name);
    for finding in &shown.findings {
        let names = finding.names.first().map_or("", String::as_str);
        let _ = write!(line, " {}: {names};", finding.layer.name());
    }
    if !shown.is_caught() {
        line.push_str(" NOT CAUGHT");
    }
    line
}

/// The text of `MUSEUM.md`.
#[must_use]
pub fn render(all: &[Shown<'_>]) -> String {
    let caught = all.iter().filter(|shown| shown.is_caught()).count();
    let mut text = format!(
        "# Museum\n\n\
         Bugs that MQTT implementations have shipped, each made anew in a copy of this workspace by a small change\n\
         (`museum/museum.toml`), and the checks that caught it. Written by\n\n\
         ```sh\n\
         cargo run --release -p mqtt5-spec-tests --bin museum\n\
         ```\n\n\
         - conformance: `cargo test -p mqtt5-spec-tests --test spec -- client::`, and `-- server::`\n\
         - explorer: some small configurations of the `explore` program\n\
         - properties: `cargo test -p mqtt5-spec-tests --test halves`, where the other two found nothing\n\n\
         {caught} of {} were caught. At most three names are given for each layer.\n",
        all.len(),
    );
    for shown in all {
        let Shown { exhibit, findings } = shown;
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\nShipped by {}.\n\n",
            exhibit.name, exhibit.bug, exhibit.shipped_by,
        );
        if findings.is_empty() {
            text.push_str("**Not caught.**\n");
        }
        for finding in findings {
            let _ = writeln!(text, "- {}{}", finding.layer.name(), names(finding));
        }
    }
    text
}

fn names(finding: &Finding) -> String {
    let more = match finding.count.saturating_sub(finding.names.len()) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!(": {}{more}", finding.names.join(", "))
}
