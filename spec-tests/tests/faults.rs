//! The table of deliberate faults fits the code. What notices each fault is found out by the program `faults`,
//! not here.

use std::fs;

use mqtt5_spec_tests::faults::{Table, hooks};
use mqtt5_spec_tests::ledger::Ledger;
use mqtt5_spec_tests::path_of;

fn table() -> Table {
    Table::load().expect("faults.toml")
}

#[test]
fn table_and_code_name_the_same_faults() {
    let ledger = Ledger::load().expect("ledger.toml");
    let hooks = hooks().expect("sources");
    let disagreements = table().disagreements(&hooks, &ledger);
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}

#[test]
fn each_exhibit_is_shown_once() {
    let table = table();
    let shown = fs::read_to_string(path_of("MUSEUM.md")).expect("MUSEUM.md");
    let titles: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let exhibits = table.faults.iter().filter_map(|it| it.exhibit.as_ref());
    let expected: Vec<&str> = exhibits.map(|it| it.title.as_str()).collect();
    assert_eq!(titles, expected, "run the program faults");
    assert!(!shown.contains("Not caught"));
}

#[test]
fn each_broken_statement_is_noticed() {
    let shown = fs::read_to_string(path_of("FAULTS.md")).expect("FAULTS.md");
    for fault in table()
        .faults
        .iter()
        .filter(|it| it.name.starts_with("MQTT-"))
    {
        assert!(
            shown.contains(&fault.change),
            "{}: run the program faults",
            fault.name
        );
    }
    assert!(!shown.contains("| nothing |"));
}
