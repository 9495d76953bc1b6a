//! Counts instructions under Callgrind, which needs `valgrind` to be installed.

use std::io::Error;
use std::process::Command;

/// Runs this program with other arguments, and returns the instructions of its functions named
/// `counted_run`, and of all that they call.
pub fn instructions(arguments: &[&str]) -> Result<u64, Error> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*counted_run*")
        .arg(std::env::current_exe()?)
        .args(arguments)
        .output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
        .ok_or_else(|| Error::other(format!("valgrind said:\n{text}")))
}
