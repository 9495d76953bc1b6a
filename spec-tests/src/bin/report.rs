//! Writes `REPORT.md`.

use std::error::Error;

use mqtt5_codec::ProtocolVersion;
use mqtt5_spec_tests::ledger::Ledger;
use mqtt5_spec_tests::{path_of, report, vectors};

fn main() -> Result<(), Box<dyn Error>> {
    let [ledger, ledger_of_3_1_1] = Ledger::load_all()?;
    let files = vectors::read_all(ProtocolVersion::V5_0)?;
    let files_of_3_1_1 = vectors::read_all(ProtocolVersion::V3_1_1)?;
    let path = path_of("REPORT.md");
    let parts = [(&ledger, &files[..]), (&ledger_of_3_1_1, &files_of_3_1_1)];
    std::fs::write(&path, report::render(&parts))?;
    println!("{} is up to date", path.display());
    Ok(())
}
