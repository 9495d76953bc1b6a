//! `REPORT.md`: ledgers and vectors for people to read.

use std::fmt::Write;
use std::iter::Peekable;

use mqtt5_codec::ProtocolVersion;

use crate::ledger::{Evidence, Layer, Ledger, Statement};
use crate::vectors::{Tally, VectorFile};

/// The chapters that make statements, in one of the standards or in both.
const CHAPTERS: [(&str, &str); 6] = [
    ("1", "Introduction"),
    ("2", "MQTT Control Packet format"),
    ("3", "MQTT Control Packets"),
    ("4", "Operational behavior"),
    ("6", "Using WebSocket as a network transport"),
    ("7", "Conformance"),
];

/// The text of the report: of each version its ledger and its vectors.
#[must_use]
pub fn render(versions: &[(&Ledger, &[VectorFile])]) -> String {
    let mut out = String::from(
        "# The normative statements of MQTT 5.0 and MQTT 3.1.1, and the evidence for them\n\n\
         Generated from `ledger.toml`, `ledger-v3.1.1.toml` and `vectors/` by\n\
         `cargo run -p mqtt5-spec-tests --bin report`; a test fails if it is out of date.\n\
         The texts are paraphrases; the wording of the standards is the authority. Copyright notices\n\
         and Notices of the standards: `NOTICE.md`. `MQTT3-x.y.z-n` is statement MQTT-x.y.z-n of\n\
         MQTT 3.1.1.\n\n\
         `cargo test -p mqtt5-spec-tests` fails if a statement has neither evidence nor an owner\n\
         outside of this library, or if evidence named here does not exist or did not pass in that\n\
         very run. Only statements of the transport layer can have such an owner.\n",
    );
    for (ledger, files) in versions {
        let name = match ledger.version {
            ProtocolVersion::V3_1_1 => "MQTT 3.1.1",
            _ => "MQTT 5.0",
        };
        statements_by_layer(&mut out, name, ledger);
        vectors_by_verdict(&mut out, name, files);
        evidence_in_numbers(&mut out, ledger);
        for (chapter, title) in CHAPTERS {
            let of_chapter = |statement: &&Statement| statement.chapter() == chapter;
            let statements = ledger.statements.iter().filter(of_chapter).peekable();
            chapter_of(
                &mut out,
                &format!("{name}, chapter {chapter}: {title}"),
                statements,
            );
        }
    }
    out
}

fn chapter_of<'l>(
    out: &mut String,
    title: &str,
    mut statements: Peekable<impl Iterator<Item = &'l Statement>>,
) {
    if statements.peek().is_none() {
        return;
    }
    writeln!(out, "\n## {title}\n").expect(STRINGS_TAKE_ALL);
    out.push_str("| Statement | Binds | Layer | Paraphrase | Evidence |\n");
    out.push_str("| --- | --- | --- | --- | --- |\n");
    statements.for_each(|statement| row(out, statement));
}

const STRINGS_TAKE_ALL: &str = "writing to a string does not fail";

fn statements_by_layer(out: &mut String, version: &str, ledger: &Ledger) {
    writeln!(out, "\n## {version}: statements with evidence\n").expect(STRINGS_TAKE_ALL);
    out.push_str("| Layer | With evidence | Outside | All |\n| --- | ---: | ---: | ---: |\n");
    let mut line = |name: &str, statements: &[&Statement]| {
        let shown = statements.iter().filter(|one| !one.evidence.is_empty());
        let outside = statements.iter().filter(|one| one.outside().is_some());
        let (shown, outside, all) = (shown.count(), outside.count(), statements.len());
        writeln!(out, "| {name} | {shown} | {outside} | {all} |").expect(STRINGS_TAKE_ALL);
    };
    for layer in Layer::ALL {
        let statements: Vec<&Statement> = ledger.of_layer(layer).collect();
        line(&layer.to_string(), &statements);
    }
    let all: Vec<&Statement> = ledger.statements.iter().collect();
    line("all", &all);
}

fn vectors_by_verdict(out: &mut String, version: &str, files: &[VectorFile]) {
    writeln!(out, "\n## {version}: golden byte vectors\n").expect(STRINGS_TAKE_ALL);
    out.push_str("| File | accept | incomplete | reject | All |\n");
    out.push_str("| --- | ---: | ---: | ---: | ---: |\n");
    let mut line = |name: &str, tally: Tally| {
        let Tally {
            accept,
            incomplete,
            reject,
        } = tally;
        let all = tally.total();
        writeln!(
            out,
            "| {name} | {accept} | {incomplete} | {reject} | {all} |"
        )
        .expect(STRINGS_TAKE_ALL);
    };
    for file in files {
        line(&file.name, Tally::of(&file.cases));
    }
    let all = files.iter().flat_map(|file| &file.cases);
    line("all", Tally::of(all));
}

fn evidence_in_numbers(out: &mut String, ledger: &Ledger) {
    let evidence = ledger.evidence();
    let is_vector = |evidence: &&&Evidence| matches!(evidence, Evidence::Vector(_));
    let vectors = evidence.iter().filter(is_vector).count();
    let tests = evidence.len() - vectors;
    writeln!(
        out,
        "\nNamed below as evidence: {vectors} vectors and {tests} other tests."
    )
    .expect(STRINGS_TAKE_ALL);
}

fn row(out: &mut String, statement: &Statement) {
    let evidence = if let Some((owner, reason)) = statement.outside() {
        format!("outside, {owner}: {reason}")
    } else {
        let names = statement.evidence.iter().map(|one| match one {
            Evidence::Vector(case) => format!("vector `{case}`"),
            Evidence::Test(name) => format!("test `{name}`"),
        });
        names.collect::<Vec<_>>().join(", ")
    };
    writeln!(
        out,
        "| {} | {} | {} | {} | {evidence} |",
        statement.id,
        statement.binds,
        statement.layer,
        for_table(&statement.text),
    )
    .expect(STRINGS_TAKE_ALL);
}

/// Escapes what Markdown would read as its own.
fn for_table(text: &str) -> String {
    text.replace('|', "\\|")
        .replace('#', "\\#")
        .replace('<', "\\<")
}
