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
    let mut others = outcome
        .promises
        .iter()
        .filter(|it| it.tally.is_none())
        .peekable();
    if others.peek().is_some() {
        text.push('\n');
    }
    for promise in others {
        let verdict = verdict(promise.kept);
        let _ = writeln!(
            text,
            "  {verdict:<6}  {}: {}",
            promise.subject, promise.promise
        );
    }
    text
}

/// A verdict, as one word.
#[must_use]
pub const fn verdict(kept: bool) -> &'static str {
    match kept {
        true => "kept",
        false => "BROKEN",
    }
}

/// The table of the messages that were counted.
#[must_use]
pub fn tallies(promises: &[&Promise]) -> Table {
    let row = |promise: &Promise, tally: &Tally| {
        let confirmed = tally.confirmed.map_or("-".to_owned(), thousands);
        vec![
            promise.subject.clone(),
            thousands(tally.sent),
            confirmed,
            thousands(tally.delivered),
            thousands(tally.repeated),
            thousands(tally.lost),
            format!("{}: {}", verdict(promise.kept), promise.promise),
        ]
    };
    let columns = [
        "",
        "sent",
        "confirmed",
        "delivered",
        "repeated",
        "lost",
        "promise",
    ];
    Table {
        title: "Messages".to_owned(),
        columns: columns.into(),
        rows: promises
            .iter()
            .filter_map(|it| Some(row(it, it.tally.as_ref()?)))
            .collect(),
    }
}

/// Numbers are flush right, and everything else is flush left.
fn lines(text: &mut String, table: &Table) {
    let width = |column: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(table.columns[column].chars().count())
    };
    let columns: Vec<(usize, bool)> = (0..table.columns.len())
        .map(|column| (width(column), table.is_text(column)))
        .collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, (width, is_text)) in cells.zip(&columns) {
            let _ = match is_text {
                true => write!(line, "  {cell:<width$}"),
                false => write!(line, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    };
    line(&mut table.columns.iter().copied());
    for row in &table.rows {
        line(&mut row.iter().map(String::as_str));
    }
}
