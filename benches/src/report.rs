//! Markdown tables of what was measured.

use std::fmt::Write;

use mqtt5_codec::ProtocolVersion;

use crate::measure::Comparison;
use crate::{contenders, goals, malformed, ours};

/// A table of ratios: how many times as long as ours each contender takes.
pub fn ratios(comparisons: &[Comparison]) -> String {
    let others = columns(comparisons);
    let mut head = vec!["packet".to_owned()];
    head.extend(others.iter().map(|name| format!("{name} ÷ ours")));
    head.extend(["fastest peer", "goal", "ours, ns (indicative)"].map(str::to_owned));
    let rows = comparisons.iter().map(|comparison| {
        let mut row = vec![comparison.title.to_owned()];
        row.extend(others.iter().map(|name| number(comparison.ratio(name))));
        let fastest = comparison.peers().first().copied();
        row.push(fastest.map_or_else(nothing, |(name, ratio)| format!("{name}, {ratio:.2}")));
        row.push(goal(comparison));
        row.push(format!("{:.1}", comparison.ours()));
        row
    });
    table(&head, rows)
}

/// A table of nanoseconds per packet, which say little about another machine.
pub fn nanoseconds(comparisons: &[Comparison]) -> String {
    let mut names = columns(comparisons);
    names.insert(0, ours::NAME);
    let mut head = vec!["packet".to_owned()];
    head.extend(names.iter().map(|name| format!("{name}, ns")));
    let rows = comparisons.iter().map(|comparison| {
        let mut row = vec![comparison.title.to_owned()];
        row.extend(names.iter().map(|name| number(comparison.time(name))));
        row
    });
    table(&head, rows)
}

/// How many characters the longest bar of a [`chart`] has.
const LONGEST_BAR: f64 = 40.0;

/// A bar for our codec and for each peer, the fastest first: million packets per second.
pub fn chart(comparison: &Comparison) -> String {
    let mut rates = vec![(ours::NAME, 1e3 / comparison.ours())];
    let peers = comparison.peers().into_iter();
    rates.extend(peers.map(|(name, ratio)| (name, 1e3 / (comparison.ours() * ratio))));
    rates.sort_by(|a, b| b.1.total_cmp(&a.1));
    let most = rates.first().map_or(1.0, |first| first.1);
    let width = rates.iter().map(|rate| rate.0.len()).max().unwrap_or(0);
    let bars = rates.iter().map(|(name, rate)| {
        let bar = "█".repeat((rate / most * LONGEST_BAR).round().max(1.0) as usize);
        format!("{name:width$}  {bar} {rate:.1}\n")
    });
    bars.collect()
}

/// A table of malformed packets, and whether the codecs accept them.
pub fn leniency() -> String {
    let codecs: Vec<_> = contenders(ProtocolVersion::V5_0)
        .into_iter()
        .filter(|contender| contender.accepts.is_some())
        .collect();
    let mut head = vec!["malformed packet".to_owned()];
    head.extend(codecs.iter().map(|codec| codec.name.to_owned()));
    let rows = malformed::ALL.iter().map(|malformed| {
        let cell = |codec| match malformed.accepted_by(codec) {
            Some(true) => "accepts",
            Some(false) => "",
            None => "panics",
        };
        let mut row = vec![malformed.what.to_owned()];
        row.extend(codecs.iter().map(|codec| cell(codec).to_owned()));
        row
    });
    table(&head, rows)
}

/// A table with the given head and rows.
pub fn table(head: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n", head.join(" | "));
    let rule: String = (1..head.len()).map(|_| " ---: |").collect();
    writeln!(text, "| :--- |{rule}").expect("a String takes it all");
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).expect("a String takes it all");
    }
    text
}

/// All contenders but ours that take part in any of the comparisons.
fn columns(comparisons: &[Comparison]) -> Vec<&'static str> {
    // Whoever speaks the older version speaks this one, too.
    contenders(ProtocolVersion::V5_0)
        .iter()
        .map(|contender| contender.name)
        .filter(|name| *name != ours::NAME)
        .filter(|name| comparisons.iter().any(|row| row.time(name).is_some()))
        .collect()
}

/// The goal, whether the fastest peer is slower by that much, and how many
/// of the peers are.
fn goal(comparison: &Comparison) -> String {
    let Some(goal) = comparison.goal else {
        return nothing();
    };
    let peers = comparison.peers();
    let beaten = peers.iter().filter(|(_, ratio)| *ratio >= goal).count();
    let met = goals::met(beaten == peers.len());
    format!("≥ {goal}: {met} ({beaten} of {})", peers.len())
}

fn number(value: Option<f64>) -> String {
    match value {
        None => nothing(),
        Some(value) if value < 100.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.0}"),
    }
}

fn nothing() -> String {
    "–".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_rates_are_high() {
        let chart = chart(&Comparison {
            title: "",
            goal: None,
            // Only our codec and the peers have bars.
            times: vec![(ours::NAME, 50.0), ("header", 10.0)],
        });
        let bar = "█".repeat(LONGEST_BAR as usize);
        assert_eq!(chart, format!("{}  {bar} 20.0\n", ours::NAME));
    }

    #[test]
    #[cfg(feature = "peers")]
    fn the_fastest_comes_first() {
        let chart = chart(&Comparison {
            title: "",
            goal: None,
            times: vec![(ours::NAME, 50.0), ("rumqttc", 25.0), ("flowsdk", 100.0)],
        });
        let bar = |length| "█".repeat(length);
        let lines = [
            format!("rumqttc      {} 40.0\n", bar(40)),
            format!("mqtt5-codec  {} 20.0\n", bar(20)),
            format!("flowsdk      {} 10.0\n", bar(10)),
        ];
        assert_eq!(chart, lines.concat());
    }
}
