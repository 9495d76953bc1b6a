//! Writes `REPORT.md`.

use std::error::Error;

use mqtt5_codec::ProtocolVersion;
use mqtt5_spec_tests::ledger::Ledger;
use mqtt5_spec_tests::{path_of, report, vectors};

fn main() -> Result<(), Box<dyn Error>> {
    let ledger = Ledger::load()?;
    let files = vectors::read_all(ProtocolVersion::V5_0)?;
    let path = path_of("REPORT.md");
    std::fs::write(&path, report::render(&ledger, &files))?;
    println!("{} is up to date", path.display());
    Ok(())
}
