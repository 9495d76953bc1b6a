//! The example program `dissect`, from its arguments to what it prints.
#![cfg(feature = "serde")]

#[path = "../examples/dissect/capture/mod.rs"]
mod capture;
#[path = "../examples/dissect/cli.rs"]
mod cli;
#[path = "../examples/dissect/describe.rs"]
mod describe;
#[path = "../examples/dissect/handshake.rs"]
mod handshake;
#[path = "../examples/dissect/hex.rs"]
mod hex;
#[path = "../examples/dissect/hexdump.rs"]
mod hexdump;
#[path = "../examples/dissect/inflate.rs"]
mod inflate;
#[path = "../examples/dissect/input.rs"]
mod input;
#[path = "../examples/dissect/jsonl.rs"]
mod jsonl;
#[path = "../examples/dissect/listing/mod.rs"]
mod listing;
#[path = "../examples/dissect/packets.rs"]
mod packets;
#[path = "../examples/dissect/paste/mod.rs"]
mod paste;
#[path = "../examples/dissect/protocol.rs"]
mod protocol;
#[path = "../examples/dissect/proxy.rs"]
mod proxy;
#[path = "../examples/dissect/unpack.rs"]
mod unpack;
#[path = "../examples/dissect/websocket.rs"]
mod websocket;
#[path = "../examples/dissect/words.rs"]
mod words;

#[path = "dissect_program/cut.rs"]
mod cut;
#[path = "dissect_program/files.rs"]
mod files;
#[path = "dissect_program/frames.rs"]
mod frames;
#[path = "dissect_program/pasted.rs"]
mod pasted;
#[path = "dissect_program/random.rs"]
mod random;
#[path = "dissect_program/sockets.rs"]
mod sockets;

use std::ffi::OsString;

/// What the program did.
struct Run {
    code: u8,
    out: String,
    errors: String,
}

/// Runs the program without standard input.
fn run<S: Into<OsString>>(arguments: impl IntoIterator<Item = S>) -> Run {
    run_with(arguments, b"")
}

/// Runs the program.
fn run_with<S: Into<OsString>>(arguments: impl IntoIterator<Item = S>, stdin: &[u8]) -> Run {
    let mut out = Vec::new();
    let mut errors = Vec::new();
    let arguments = arguments.into_iter().map(Into::into);
    let code = cli::run(arguments, &mut &stdin[..], &mut out, &mut errors, false);
    Run {
        code,
        out: String::from_utf8(out).unwrap(),
        errors: String::from_utf8(errors).unwrap(),
    }
}

impl Run {
    /// Shows a recording, which comes from standard input.
    fn of_recording(file: &[u8]) -> Self {
        run_with(["-"], file)
    }

    /// The lines that begin with a time, without it and with single spaces.
    fn packets(&self) -> Vec<String> {
        let lines = self.out.lines().filter_map(|line| {
            let (time, rest) = line.split_once(" s  ")?;
            time.trim().parse::<f64>().ok()?;
            Some(rest.split_whitespace().collect::<Vec<_>>().join(" "))
        });
        lines.collect()
    }
}
