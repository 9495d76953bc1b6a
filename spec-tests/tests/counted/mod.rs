//! Work counted in instructions, by valgrind: a clock judges the machine on which a test runs, not the code.
//!
//! A test program runs itself under valgrind, with the name of a task in the environment; the task is carried out by
//! its test `child`. The difference of two tasks that prepare the same is what the action costs.

#![allow(dead_code, reason = "each test program uses a part")]

use std::process::Command;

const TASK: &str = "MQTT5_COUNTED_TASK";

/// The words of the task that this process has to carry out, if it is such a child.
pub(crate) fn task() -> Option<Vec<String>> {
    let task = std::env::var(TASK).ok()?;
    Some(task.split(' ').map(str::to_owned).collect())
}

/// Instructions of a child that carries out `task`; `None` where there is no valgrind, which is printed.
pub(crate) fn instructions(task: &str) -> Option<u64> {
    let run = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--test-threads=1"])
        .env(TASK, task)
        .output();
    let Ok(output) = run else {
        println!("NOT MEASURED: valgrind is not installed");
        return None;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{task}: {said}");
    let count = said
        .lines()
        .filter(|line| line.contains("refs:"))
        .find_map(|line| {
            let (_, count) = line.rsplit_once(':')?;
            count.trim().replace(',', "").parse().ok()
        });
    Some(count.unwrap_or_else(|| panic!("valgrind counts nothing: {said}")))
}

/// What the second task costs more than the first.
pub(crate) fn difference(prepared: &str, done: &str) -> Option<u64> {
    Some(instructions(done)?.saturating_sub(instructions(prepared)?))
}
