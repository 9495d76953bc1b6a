//! What programs say, taken apart.

use std::path::PathBuf;
use std::process::ExitStatus;

/// The path in a line such as `Executable tests/spec/main.rs (/path/to/spec-0123)`.
pub(super) fn executable(said: &str, source: &str) -> Result<PathBuf, String> {
    said.lines()
        .filter(|line| line.contains(source))
        .find_map(|line| Some(line.split_once('(')?.1.strip_suffix(')')?.into()))
        .ok_or(format!("cargo does not say where {source} is:\n{said}"))
}

/// The paths of all tests in lines such as `Executable tests/all.rs (/path/to/all-0123)`.
pub(super) fn executables(said: &str) -> impl Iterator<Item = PathBuf> {
    said.lines()
        .filter(|line| line.trim_start().starts_with("Executable"))
        .filter_map(|line| Some(line.split_once('(')?.1.strip_suffix(')')?.into()))
}

/// What is reported of a program that printed no finding.
pub(super) fn abnormal_end(output: &str, status: ExitStatus) -> String {
    let mut lines = output.lines();
    match lines.find(|line| line.contains("panicked at")) {
        Some(_) => format!("panic: {}", lines.next().unwrap_or_default()),
        None => format!("ends with {status}"),
    }
}

/// The name in a line such as `test name ... FAILED`.
pub(super) fn failed_test(line: &str) -> Option<String> {
    let name = line.strip_prefix("test ")?.strip_suffix("FAILED")?;
    let name = name.trim_end().strip_suffix("...")?;
    Some(name.trim().to_owned())
}

/// What the explorer says in the line of its verdict: the name of a monitor, or another reason.
pub(super) fn objection(output: &str) -> Option<String> {
    // A configuration of its own, and one of a set.
    let verdict = output.lines().find_map(|line| {
        let of_set = || Some(line.split_once("NOT AS EXPECTED: ")?.1);
        line.strip_prefix("verdict").or_else(of_set)
    });
    let verdict = verdict?.trim();
    if verdict.starts_with("VIOLATION") {
        return verdict.split(": ").nth(1).map(str::to_owned);
    }
    if verdict.starts_with("STUCK") {
        return Some("stuck".to_owned());
    }
    if verdict.starts_with("VACUOUS") {
        return Some("something never happens".to_owned());
    }
    Some("more states than there may be".to_owned()).filter(|_| verdict.starts_with("TRUNCATED"))
}

#[cfg(test)]
mod tests {
    use super::objection;

    #[test]
    fn an_objection_is_found() {
        for (line, expected) in [
            (
                "verdict   VIOLATION after 5 steps: order: 1 before 2",
                Some("order"),
            ),
            (
                "lost  200 states  0.0 s  NOT AS EXPECTED: VIOLATION after 5 steps: order: 1 before 2 []",
                Some("order"),
            ),
            (
                "lost  200 states  0.0 s  NOT AS EXPECTED: STUCK: 2 states []",
                Some("stuck"),
            ),
            ("lost  200 states  0.0 s  VERIFIED", None),
        ] {
            assert_eq!(objection(line).as_deref(), expected, "{line}");
        }
    }
}
