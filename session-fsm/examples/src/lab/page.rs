//! The page that the lab leaves: one file, which a browser shows without a network.

mod curves;
mod sequence;
mod style;
mod timeline;

use std::time::Duration;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::print::tallies;
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
    let counted: Vec<&Promise> = outcome
        .promises
        .iter()
        .filter(|it| it.tally.is_some())
        .collect();
    html! {
        section id=(scenario.name) {
            h2 { (scenario.title) }
            @for sentence in &outcome.sentences { p { (sentence) } }
            @if !outcome.promises.is_empty() {
                ul.promises { @for promise in &outcome.promises {
                    li class=(if promise.kept { "kept" } else { "broken" }) {
                        strong { (promise.subject) } " " (promise.promise)
                    }
                } }
            }
            @if !counted.is_empty() { (table(&tallies(&counted))) }
            @for it in &outcome.tables { (table(it)) }
            @for chart in &outcome.charts { (figure(chart)) }
        }
    }
}

fn table(table: &Table) -> Markup {
    html! {
        div.scroll { table {
            caption { (table.title) }
            thead { tr { @for column in &table.columns { th { (column) } } } }
            tbody { @for row in &table.rows { tr { @for cell in row { td { (cell) } } } } }
        } }
    }
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
