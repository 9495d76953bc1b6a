//! The table of deliberate faults fits the code. What notices each fault is found out by the program `faults`,
//! not here.

use mqtt5_spec_tests::faults::{Table, hooks};
use mqtt5_spec_tests::ledger::{Layer, Ledger};

#[test]
fn table_and_code_name_the_same_faults() {
    let table = Table::load().expect("faults.toml");
    let ledgers = Ledger::load_all().expect("ledgers");
    let hooks = hooks().expect("sources");
    let disagreements = table.disagreements(&hooks, &ledgers);
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
    for ledger in &ledgers {
        for layer in [Layer::Codec, Layer::Session, Layer::Broker] {
            assert_eq!(
                table.missing(ledger, layer),
                [""; 0],
                "no fault breaks them"
            );
        }
    }
}
