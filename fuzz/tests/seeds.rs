//! The seed corpora on a stable toolchain, without a fuzzer.

use std::fs;

use mqtt5_fuzz::{TARGETS, canary, seed_files};

#[test]
fn every_seed_passes() -> std::io::Result<()> {
    for (target, check) in TARGETS {
        let files = seed_files(target)?;
        assert!(!files.is_empty(), "{target} has no seeds");
        for file in files {
            // Shown if the check fails.
            println!("{}", file.display());
            check(&fs::read(file)?);
        }
    }
    Ok(())
}

/// Fuzzing has to find the planted bug; it must not stand in the corpus.
#[test]
fn no_seed_holds_what_the_canary_looks_for() -> std::io::Result<()> {
    for file in seed_files("canary")? {
        println!("{}", file.display());
        canary::check(&fs::read(file)?);
    }
    Ok(())
}

#[test]
#[should_panic(expected = "planted")]
fn the_canary_dies_of_what_it_looks_for() {
    canary::check(b"\xE0\x07\x00\x05\x11\x00\x00\x00\x00");
}
