//! The numbers of a run, printed at its end and left in the target directory as
//! `spec-summary.md`.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use mqtt5_codec::ProtocolVersion;
use mqtt5_spec_tests::ledger::{Layer, Ledger};
use mqtt5_spec_tests::vectors::{Tally, VectorFile};

use crate::check::{Kind, Passed, Record};

const STRINGS_TAKE_ALL: &str = "writing to a string does not fail";

/// Prints the summary and writes the file.
pub(crate) fn finish(record: &Record, files: &[&VectorFile], checks_time: Duration) {
    let text = render(&record.all(), files, checks_time);
    println!("{text}");
    // The directory of temporary files of tests lies in the target directory.
    let Some(target) = Path::new(env!("CARGO_TARGET_TMPDIR")).parent() else {
        return;
    };
    let path = target.join("spec-summary.md");
    if let Err(error) = std::fs::write(&path, &text) {
        eprintln!("{}: {error}", path.display());
    }
}

fn render(passed: &[Passed], files: &[&VectorFile], checks_time: Duration) -> String {
    let mut out = String::from("| What | Number |\n| --- | ---: |\n");
    let mut line = |what: &str, number: u64| {
        writeln!(out, "| {what} | {number} |").expect(STRINGS_TAKE_ALL);
    };
    let of_kind = |kind: Kind| passed.iter().filter(move |passed| passed.kind == kind);
    for ledger in Ledger::load_all().iter().flatten() {
        let version = match ledger.version {
            ProtocolVersion::V3_1_1 => " of MQTT 3.1.1",
            _ => "",
        };
        for layer in Layer::ALL {
            let shown = ledger
                .of_layer(layer)
                .filter(|one| !one.evidence.is_empty());
            line(
                &format!("{layer} statements{version}"),
                ledger.of_layer(layer).count() as u64,
            );
            line(
                &format!("{layer} statements{version} with evidence"),
                shown.count() as u64,
            );
        }
    }
    let tally = Tally::of(files.iter().flat_map(|file| &file.cases));
    line("vectors", tally.total() as u64);
    line("vectors: accept", tally.accept as u64);
    line("vectors: incomplete", tally.incomplete as u64);
    line("vectors: reject", tally.reject as u64);
    line("vectors that passed", of_kind(Kind::Vector).count() as u64);
    for (what, kind) in [
        ("snapshots", Kind::Snapshot),
        ("example tests", Kind::Example),
        ("property tests", Kind::Property),
        ("complete domains", Kind::Domain),
        ("ledger tests", Kind::Ledger),
    ] {
        line(&format!("{what} that passed"), of_kind(kind).count() as u64);
    }
    let states = |kind| of_kind(kind).map(|passed| passed.states).sum();
    line("random cases of property tests", states(Kind::Property));
    line("states of complete domains", states(Kind::Domain));
    line("seconds for all checks", checks_time.as_secs());

    for (title, kind, unit) in [
        ("Complete domain", Kind::Domain, "States"),
        ("Property test", Kind::Property, "Cases"),
    ] {
        writeln!(
            out,
            "\n| {title} | {unit} | Seconds |\n| --- | ---: | ---: |"
        )
        .expect(STRINGS_TAKE_ALL);
        for Passed {
            name, states, time, ..
        } in of_kind(kind)
        {
            let seconds = time.as_secs_f64();
            writeln!(out, "| {name} | {states} | {seconds:.2} |").expect(STRINGS_TAKE_ALL);
        }
    }
    out
}
