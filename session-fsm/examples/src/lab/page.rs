//! The page that the lab leaves: one file, which a browser shows without a network.

mod curves;
mod sequence;
mod style;
mod timeline;

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::print::{self, tallies};
use super::scenarios::Scenario;
use super::{Chart, Lab, Outcome, Promise, Table};

/// The page.
#[derive(Debug)]
pub struct Page {
    server: String,
    seed: u64,
    sections: Vec<(&'static Scenario, Outcome)>,
}

impl Page {
    /// An empty page about this run.
    #[must_use]
    pub fn new(lab: &Lab) -> Self {
        let server = match lab.own_broker() {
            Some(_) => "a broker of its own".to_owned(),
            None => format!("the broker at {}", lab.server()),
        };
        Page {
            server,
            seed: lab.seed,
            sections: Vec::new(),
        }
    }

    /// Adds what came out of a scenario.
    pub fn add(&mut self, scenario: &'static Scenario, outcome: Outcome) {
        self.sections.push((scenario, outcome));
    }

    /// The page, in HTML.
    #[must_use]
    pub fn render(&self) -> String {
        let all = || self.sections.iter().flat_map(|(_, it)| &it.promises);
        let broken = all().filter(|it| !it.kept).count();
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width";
                    title { "The reliability of MQTT" }
                    // Otherwise the browser asks for one.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(style::SHEET)) }
                }
                body {
                    header {
                        h1 { "The reliability of MQTT" }
                        p {
                            "What MQTT promises, seen over TCP at " (self.server) ", with the seed " (self.seed) ". "
                            "Observers that know the packets and nothing else have counted every message."
                        }
                        @match broken {
                            0 => p.verdict.kept { "All " (all().count()) " promises were kept." },
                            _ => p.verdict.broken { (broken) " of " (all().count()) " promises were broken." },
                        }
                        nav { @for (scenario, outcome) in &self.sections {
                            a href={ "#" (scenario.name) } class=[(!outcome.is_kept()).then_some("broken")] { (scenario.title) }
                        } }
                    }
                    main { @for (scenario, outcome) in &self.sections { (section(scenario, outcome)) } }
                }
            }
        };
        page.into_string()
    }
}

fn section(scenario: &Scenario, outcome: &Outcome) -> Markup {
    let is_counted = |it: &&Promise| it.tally.is_some();
    let counted: Vec<&Promise> = outcome.promises.iter().filter(is_counted).collect();
    let others = || outcome.promises.iter().filter(|it| !is_counted(it));
    html! {
        section id=(scenario.name) {
            h2 { (scenario.title) }
            @for sentence in &outcome.sentences { p { (sentence) } }
            @if !counted.is_empty() { (table(&tallies(&counted))) }
            @if others().next().is_some() {
                ul.promises { @for promise in others() {
                    li { (verdict(promise.kept)) " " strong { (promise.subject) } " " (promise.promise) }
                } }
            }
            @for it in &outcome.tables { (table(it)) }
            @for chart in &outcome.charts { (figure(chart)) }
        }
    }
}

fn verdict(kept: bool) -> Markup {
    html! { b.badge.kept[kept].broken[!kept] { (if kept { "kept" } else { "broken" }) } }
}

fn table(table: &Table) -> Markup {
    let class = |column: usize| table.is_text(column).then_some("text");
    html! {
        div.scroll { table {
            caption { (table.title) }
            thead { tr { @for (index, name) in table.columns.iter().enumerate() { th class=[class(index)] { (name) } } } }
            tbody { @for row in &table.rows {
                tr { @for (index, cell) in row.iter().enumerate() { td class=[class(index)] { (marked(cell)) } } }
            } }
        } }
    }
}

/// The text of a cell, with a badge if it begins with a verdict.
fn marked(cell: &str) -> Markup {
    for kept in [true, false] {
        if let Some(promise) = cell.strip_prefix(print::verdict(kept))
            && let Some(promise) = promise.strip_prefix(": ")
        {
            return html! { (verdict(kept)) " " (promise) };
        }
    }
    html! { (cell) }
}

fn figure(chart: &Chart) -> Markup {
    let (kind, drawing) = match chart {
        Chart::Histogram { series, .. } => ("histogram", curves::histogram(series)),
        Chart::Bars { unit, bars, .. } => ("bars", curves::bars(unit, bars)),
        Chart::Curve { unit, series, .. } => ("curve", curves::curve(unit, series)),
        Chart::Sequence { recording, .. } => ("sequence", sequence::draw(recording)),
        Chart::Timeline { lines, .. } => ("timeline", timeline::draw(lines)),
    };
    html! {
        figure data-chart=(kind) {
            figcaption { (chart.title()) }
            div.scroll { (drawing) }
        }
    }
}

/// A point in time, in seconds, as short as it is clear.
fn seconds(at: Duration) -> String {
    format!("{:.2} s", at.as_secs_f64())
}
