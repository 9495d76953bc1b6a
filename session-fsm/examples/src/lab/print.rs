//! What the terminal shows of an outcome.

use std::fmt::Write;

use super::counting::{Tally, thousands};
use super::{Outcome, Promise, Table};

/// An outcome, as lines of text.
#[must_use]
pub fn outcome(title: &str, name: &str, outcome: &Outcome) -> String {
    let mut text = format!("{title} ({name})\n");
    for sentence in &outcome.sentences {
        let _ = writeln!(text, "  {sentence}");
    }
    for table in &outcome.tables {
        let _ = writeln!(text, "\n  {}", table.title);
        lines(&mut text, table);
    }
    let counted: Vec<&Promise> = outcome
        .promises
        .iter()
        .filter(|it| it.tally.is_some())
        .collect();
    if !counted.is_empty() {
        text.push('\n');
        lines(&mut text, &tallies(&counted));
    }
    if !outcome.promises.is_empty() {
        text.push('\n');
    }
    for promise in &outcome.promises {
        let verdict = if promise.kept { "kept  " } else { "BROKEN" };
        let _ = writeln!(
            text,
            "  {verdict}  {}: {}",
            promise.subject, promise.promise
        );
    }
    text
}

/// The table of the messages that were counted.
#[must_use]
pub fn tallies(promises: &[&Promise]) -> Table {
    let row = |subject: &str, tally: &Tally| {
        let confirmed = tally.confirmed.map_or("-".to_owned(), thousands);
        vec![
            subject.to_owned(),
            thousands(tally.sent),
            confirmed,
            thousands(tally.delivered),
            thousands(tally.repeated),
            thousands(tally.lost),
        ]
    };
    Table {
        title: "Messages".to_owned(),
        columns: vec!["", "sent", "confirmed", "delivered", "repeated", "lost"],
        rows: promises
            .iter()
            .filter_map(|it| Some(row(&it.subject, it.tally.as_ref()?)))
            .collect(),
    }
}

/// The first column is a name, and flush left; all others are flush right.
fn lines(text: &mut String, table: &Table) {
    let width = |column: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(table.columns[column].chars().count())
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::from(" ");
        for (index, (cell, width)) in cells.zip(&widths).enumerate() {
            let _ = match index {
                0 => write!(line, " {cell:<width$}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line(&mut table.columns.iter().copied());
    for row in &table.rows {
        line(&mut row.iter().map(String::as_str));
    }
}
