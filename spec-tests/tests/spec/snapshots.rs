//! The decoded form of all accepted vectors, one snapshot for each file.
//!
//! `INSTA_UPDATE=always cargo test -p mqtt5-spec-tests --test spec -- snapshot::` writes them anew.

use std::fmt::Write;
use std::sync::Arc;

use mqtt5_spec_tests::path_of;
use mqtt5_spec_tests::vectors::{Case, Expectation, VectorFile};

use crate::check::{Check, Kind, Outcome};
use crate::render;
use crate::verdict::read_stream;

pub(crate) fn checks(files: &Arc<Vec<VectorFile>>) -> Vec<Check> {
    let check = |index: usize| {
        let files = Arc::clone(files);
        let name = format!("snapshot::{}", files[index].name);
        Check::new(Kind::Snapshot, name, move || {
            let (text, cases) = decoded(&files[index]);
            if cases > 0 {
                compare(&files[index].name, &text);
            }
            Ok(cases)
        })
    };
    let mut checks: Vec<Check> = (0..files.len()).map(check).collect();
    let files = Arc::clone(files);
    let run = move || none_is_left_over(&files);
    let name = "snapshots::none_is_left_over";
    checks.push(Check::new(Kind::Example, name, run));
    checks
}

/// The accepted cases of a file with what they say, and how many there are.
fn decoded(file: &VectorFile) -> (String, u64) {
    let mut text = String::new();
    let mut count = 0;
    let accepted = |case: &&Case| case.expect == Expectation::Accept;
    for case in file.cases.iter().filter(accepted) {
        writeln!(text, "{}", case.name).expect("strings take all");
        for packet in read_stream(&case.bytes, case.sender).packets {
            text.push_str(&render::packet(&packet));
        }
        text.push('\n');
        count += 1;
    }
    (text, count)
}

/// A snapshot without a vector file would never be compared with anything.
fn none_is_left_over(files: &[VectorFile]) -> Outcome {
    let mut count = 0;
    let folder = path_of("tests/snapshots");
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let is_snapshot = path
            .extension()
            .is_some_and(|extension| extension == "snap");
        if is_snapshot && !files.iter().any(|file| file.name == name) {
            return Err(format!("{} belongs to no vectors", path.display()));
        }
        count += 1;
    }
    Ok(count)
}

fn compare(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}
