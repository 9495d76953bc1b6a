//! Exactly once, from end to end, through crashes: a publisher and a receiver of QoS 2 that may be
//! killed at any time.
//!
//! Each keeps a journal, which stores the application's data and the changes of its Session
//! together, in one checksummed transaction. Kill one of them with Ctrl-C, or with `kill -9`, and
//! start it again:
//!
//! ```sh
//! cargo run --bin crash_safe -- receiver /tmp/receiver 127.0.0.1:1885
//! cargo run --bin crash_safe -- publisher /tmp/publisher 127.0.0.1:1885 1000
//! ```
//!
//! Copy `store.rs`, and the order in `flush` of the two machines: poll, store, and only then write
//! to the network. `tests/crash_safe.rs` lets every single write fail.

mod files;
mod network;
mod publisher;
mod receiver;
mod store;

use std::net::TcpListener;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["receiver", directory, address] => {
            TcpListener::bind(address).and_then(|listener| network::receive(directory, &listener))
        }
        ["publisher", directory, address, tasks] => match tasks.parse() {
            Ok(tasks) => network::publish(directory, address, tasks),
            Err(_) => Err(store::invalid("the number of tasks is not a number")),
        },
        _ => {
            eprintln!("usage: crash_safe receiver DIRECTORY ADDRESS");
            eprintln!("       crash_safe publisher DIRECTORY ADDRESS TASKS");
            return ExitCode::FAILURE;
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("It cannot go on: {error}.");
            ExitCode::FAILURE
        }
    }
}
