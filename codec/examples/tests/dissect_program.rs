//! The example program `dissect`, from its arguments to what it prints.

#[path = "../dissect/capture/mod.rs"]
mod capture;
#[path = "../dissect/cli.rs"]
mod cli;
#[path = "../dissect/describe.rs"]
mod describe;
#[path = "../dissect/handshake.rs"]
mod handshake;
#[path = "../dissect/hex.rs"]
mod hex;
#[path = "../dissect/hexdump.rs"]
mod hexdump;
#[path = "../dissect/inflate.rs"]
mod inflate;
#[path = "../dissect/input.rs"]
mod input;
#[path = "../dissect/jsonl.rs"]
mod jsonl;
#[path = "../dissect/listing/mod.rs"]
mod listing;
#[path = "../dissect/packets.rs"]
mod packets;
#[path = "../dissect/paste/mod.rs"]
mod paste;
#[path = "../dissect/protocol.rs"]
mod protocol;
#[path = "../dissect/proxy.rs"]
mod proxy;
#[path = "../dissect/unpack.rs"]
mod unpack;
#[path = "../dissect/websocket.rs"]
mod websocket;
#[path = "../dissect/words.rs"]
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
