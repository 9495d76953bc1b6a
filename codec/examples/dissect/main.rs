//! Shows packets of MQTT 5.0 and 3.1.1: those of recorded sessions, of files, or of bytes as people paste them.
//! Run it with `--help` to see how.

mod capture;
mod cli;
mod describe;
mod handshake;
mod hex;
mod hexdump;
mod inflate;
mod input;
mod jsonl;
mod listing;
mod packets;
mod paste;
mod protocol;
mod proxy;
mod unpack;
mod websocket;
mod words;

use std::env;
use std::io::{self, BufWriter, IsTerminal};
use std::process::ExitCode;

fn main() -> ExitCode {
    let stdout = io::stdout().lock();
    let is_terminal = stdout.is_terminal() && env::var_os("NO_COLOR").is_none();
    let code = cli::run(
        env::args_os().skip(1),
        &mut io::stdin().lock(),
        &mut BufWriter::new(stdout),
        &mut io::stderr(),
        is_terminal,
    );
    ExitCode::from(code)
}
