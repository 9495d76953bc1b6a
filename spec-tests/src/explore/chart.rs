//! Draws a [`Log`](super::Log) as a sequence chart: text for the terminal, Mermaid for documents.
//!
//! ```text
//!      sender                  receiver
//!   1  |------- DATA 0 ------->|
//!      |                       |         receiver: delivers message 0
//!   2  |~~~~~~~~~~~~~~~~~~~~~~~|         FAULT: the pipe loses ACK 0
//! ```

use std::fmt::Write;

use super::log::{Entry, Lane};

const STRINGS_TAKE_ALL: &str = "writing to a string does not fail";

/// Room for `---` and the head of the arrow around a text.
const ARROW: usize = 8;
/// The narrowest space between two lanes.
const NARROWEST: usize = 12;

/// The chart as text, with the names of the lanes on top.
#[must_use]
pub fn text(lanes: &[&str], entries: &[Entry]) -> String {
    let columns = Columns::new(lanes, entries);
    let mut out = String::new();
    let mut names = vec![' '; columns.width + lanes.last().map_or(0, |name| name.chars().count())];
    for (name, position) in lanes.iter().zip(&columns.positions) {
        write_at(&mut names, *position, name);
    }
    line(&mut out, "", &names, "");
    let mut step = String::new();
    for entry in entries {
        let mut canvas = columns.empty();
        let remark = match entry {
            Entry::Step(number) => {
                step = number.to_string();
                continue;
            }
            Entry::Message { from, to, text } if from != to => {
                columns.arrow(&mut canvas, *from, *to, &one_line(text), true);
                String::new()
            }
            Entry::Lost { from, to, text } if from != to => {
                columns.arrow(&mut canvas, *from, *to, &one_line(text), false);
                String::new()
            }
            Entry::Message { from: lane, .. }
            | Entry::Lost { from: lane, .. }
            | Entry::Note { lane, .. } => {
                let name = lanes.get(lane.0).copied().unwrap_or("?");
                format!("{name}: {}", one_line(&entry.text()))
            }
            Entry::Fault(text) => {
                columns.fill(&mut canvas, '~');
                format!("FAULT: {}", one_line(text))
            }
            Entry::FaultsStopped => {
                columns.fill(&mut canvas, '.');
                "faults stopped".to_owned()
            }
            Entry::Verdict(text) => {
                columns.fill(&mut canvas, '=');
                format!("VIOLATION: {}", one_line(text))
            }
        };
        line(&mut out, &step, &canvas, &remark);
        step.clear();
    }
    out
}

/// The chart as a Mermaid `sequenceDiagram`.
#[must_use]
pub fn mermaid(lanes: &[&str], entries: &[Entry]) -> String {
    let mut out = String::from("sequenceDiagram\n");
    for (number, name) in lanes.iter().enumerate() {
        writeln!(out, "    participant L{number} as {}", escape(name)).expect(STRINGS_TAKE_ALL);
    }
    let last = lanes.len().saturating_sub(1);
    for entry in entries {
        let text = escape(&entry.text());
        let written = match entry {
            Entry::Step(number) => writeln!(out, "    %% step {number}"),
            Entry::Message { from, to, .. } => writeln!(out, "    L{}->>L{}: {text}", from.0, to.0),
            Entry::Lost { from, to, .. } => writeln!(out, "    L{}-xL{}: {text}", from.0, to.0),
            Entry::Note { lane, .. } => writeln!(out, "    Note over L{}: {text}", lane.0),
            Entry::Fault(_) => writeln!(out, "    Note over L0,L{last}: FAULT: {text}"),
            Entry::FaultsStopped => writeln!(out, "    Note over L0,L{last}: {text}"),
            Entry::Verdict(_) => writeln!(out, "    Note over L0,L{last}: VIOLATION: {text}"),
        };
        written.expect(STRINGS_TAKE_ALL);
    }
    out
}

/// Where the lanes are.
struct Columns {
    positions: Vec<usize>,
    width: usize,
}

impl Columns {
    fn new(lanes: &[&str], entries: &[Entry]) -> Self {
        let mut gaps: Vec<usize> = lanes
            .iter()
            .map(|name| NARROWEST.max(name.chars().count() + 2))
            .collect();
        // The last lane has nothing to its right.
        gaps.pop();
        for entry in entries {
            let (Entry::Message { from, to, text } | Entry::Lost { from, to, text }) = entry else {
                continue;
            };
            let (left, right) = (from.0.min(to.0), from.0.max(to.0));
            if left == right || right >= lanes.len() {
                continue;
            }
            let wanted = one_line(text).chars().count() + ARROW;
            let present: usize = gaps[left..right].iter().sum();
            gaps[right - 1] += wanted.saturating_sub(present);
        }
        let mut positions = vec![0; lanes.len().min(1)];
        for gap in gaps {
            positions.push(positions[positions.len() - 1] + gap);
        }
        let width = positions.last().map_or(0, |last| last + 1);
        Self { positions, width }
    }

    fn empty(&self) -> Vec<char> {
        let mut canvas = vec![' '; self.width];
        for position in &self.positions {
            canvas[*position] = '|';
        }
        canvas
    }

    fn fill(&self, canvas: &mut [char], with: char) {
        for cell in canvas.iter_mut().filter(|cell| **cell == ' ') {
            *cell = with;
        }
    }

    fn arrow(&self, canvas: &mut [char], from: Lane, to: Lane, text: &str, arrives: bool) {
        let (Some(start), Some(end)) = (self.positions.get(from.0), self.positions.get(to.0))
        else {
            return;
        };
        let (left, right) = (start.min(end) + 1, start.max(end) - 1);
        canvas[left..=right].fill('-');
        let head = match (arrives, start < end) {
            (true, true) => '>',
            (true, false) => '<',
            (false, _) => 'x',
        };
        canvas[if start < end { right } else { left }] = head;
        let text = format!(" {text} ");
        let room = right + 1 - left;
        write_at(canvas, left + (room - text.chars().count()) / 2, &text);
    }
}

fn write_at(canvas: &mut [char], position: usize, text: &str) {
    for (cell, letter) in canvas[position..].iter_mut().zip(text.chars()) {
        *cell = letter;
    }
}

fn line(out: &mut String, step: &str, canvas: &[char], remark: &str) {
    let canvas: String = canvas.iter().collect();
    let line = format!("{step:>4}  {canvas}  {remark}");
    out.push_str(line.trim_end());
    out.push('\n');
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Mermaid ends a statement at a semicolon, and writes letters as `#code;`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in one_line(text).chars() {
        match letter {
            '#' => escaped.push_str("#35;"),
            ';' => escaped.push_str("#59;"),
            '<' => escaped.push_str("#lt;"),
            '>' => escaped.push_str("#gt;"),
            _ => escaped.push(letter),
        }
    }
    escaped
}
