//! The label of each statement that codec, session machines and broker keep stands in their sources, where it is kept.
//! So one search leads from the standard to the code.

use std::path::Path;

use mqtt5_spec_tests::faults::workspace;
use mqtt5_spec_tests::ledger::{Layer, Ledger};

#[test]
fn every_statement_stands_in_the_code_that_keeps_it() {
    let mut sources = String::new();
    for folder in ["codec/src", "session-fsm/src"] {
        read(&workspace().join(folder), &mut sources);
    }
    let ledgers = Ledger::load_all().expect("ledgers");
    let statements = ledgers.iter().flat_map(|ledger| {
        let layers = [Layer::Codec, Layer::Session, Layer::Broker];
        layers.into_iter().flat_map(|layer| ledger.of_layer(layer))
    });
    let nowhere: Vec<&str> = statements
        .map(|statement| &*statement.id)
        .filter(|id| !stands_in(&sources, id))
        .collect();
    assert_eq!(nowhere, [""; 0], "these stand nowhere in the sources");
}

/// A label may be the beginning of a longer one.
fn stands_in(sources: &str, id: &str) -> bool {
    let mut rests = sources.split(id).skip(1);
    rests.any(|rest| !rest.starts_with(|it: char| it.is_ascii_digit()))
}

fn read(folder: &Path, sources: &mut String) {
    for entry in folder.read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, sources);
        } else {
            sources.push_str(&std::fs::read_to_string(&path).expect("a source"));
        }
    }
}

#[test]
fn a_longer_label_does_not_count() {
    assert!(stands_in("a [MQTT-3.1.2-2] b", "MQTT-3.1.2-2"));
    assert!(!stands_in("a [MQTT-3.1.2-29] b", "MQTT-3.1.2-2"));
    assert!(stands_in("MQTT-3.1.2-29, MQTT-3.1.2-2", "MQTT-3.1.2-2"));
}
