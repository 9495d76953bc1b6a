//! The properties that fuzzing checks, each a plain function over bytes.
//!
//! | target | input | property |
//! | --- | --- | --- |
//! | [`decode`] | bytes from a network, read by either version | no panic; what is accepted survives re-encoding; what is rejected stays so |
//! | [`round_trip`] | a version, and a valid packet of it | encoding, decoding and rebuilding from lists give equal packets and bytes |
//! | [`split`] | bytes and how they arrive | every splitter finds the same packets and errors, however the bytes are cut |
//! | [`strings`] | strings | text, topics and matching as a naive reading of both standards has them |
//! | [`differential`] | packets of both versions, valid and damaged | published codecs agree, or the standard of the version says why not |
//! | [`world`] | decisions | no monitor of the state machines' world objects, and every run comes to rest |
//! | [`broker`] | decisions | no monitor of the broker's world objects, and every run comes to rest |
//! | [`canary`] | as [`decode`] | holds a planted bug, which fuzzing must find |
//!
//! `cargo +nightly fuzz run <target>` fuzzes one of them. Without cargo-fuzz, on stable, the same
//! binaries replay the files that they are given, or else the target's seeds:
//! `cargo run -p mqtt5-fuzz --bin <target> [file...]`. `cargo test -p mqtt5-fuzz` replays all seeds.

use std::path::{Path, PathBuf};
use std::{env, fs};

pub mod broker;
pub mod canary;
pub mod decode;
pub mod differential;
pub mod mutate;
pub mod peers;
pub mod rebuild;
pub mod reference;
pub mod round_trip;
pub mod seeds;
pub mod split;
pub mod strings;
pub mod verdicts;
pub mod walk;
pub mod world;

/// A property over bytes. It panics if they refute it.
pub type Check = fn(&[u8]);

/// The properties that hold: all targets but [`canary`].
pub const TARGETS: [(&str, Check); 7] = [
    ("decode", decode::check),
    ("round_trip", round_trip::check),
    ("split", split::check),
    ("strings", strings::check),
    ("differential", differential::check),
    ("world", world::check),
    ("broker", broker::check),
];

/// The entry point of a fuzz target, with and without libFuzzer. `packets` says that the input is
/// a packet, to be mutated as such.
#[macro_export]
macro_rules! target {
    ($name:ident, packets) => {
        $crate::target!($name);

        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            $crate::mutate::mutate(data, size, max_size, seed, libfuzzer_sys::fuzzer_mutate)
        });
    };
    ($name:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$name::check(data));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            $crate::replay(stringify!($name), $crate::$name::check)
        }
    };
}

/// Runs a check over the files that the command line names, or else over the target's seeds.
///
/// # Errors
///
/// If a file cannot be read.
pub fn replay(target: &str, check: Check) -> std::io::Result<()> {
    let named: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let files = if named.is_empty() {
        seed_files(target)?
    } else {
        named
    };
    for file in &files {
        println!("{}", file.display());
        check(&fs::read(file)?);
    }
    println!("{target}: {} inputs pass", files.len());
    Ok(())
}

/// The files in a target's seed corpus, in the order of their names.
///
/// # Errors
///
/// If there is no such directory.
pub fn seed_files(target: &str) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(corpus().join(target))? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}

/// The directory of the seed corpora.
#[must_use]
pub fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}
