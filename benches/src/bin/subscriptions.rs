//! Measures the subscription index: matches, insertions, removals, memory. Counts the instructions of
//! a match under Callgrind, which needs `valgrind` to be installed.

fn main() -> std::process::ExitCode {
    mqtt5_benches::subscriptions::program::main(&[])
}
