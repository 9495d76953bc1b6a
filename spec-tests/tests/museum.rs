//! The museum is in order. What catches each exhibit is found out by the program `museum`, not here.

use std::collections::BTreeSet;
use std::fs;

use mqtt5_spec_tests::museum::{Museum, workspace};
use mqtt5_spec_tests::path_of;

#[test]
fn each_change_fits_the_code() {
    for exhibit in Museum::load().expect("museum.toml").exhibits {
        if exhibit.by_type.is_some() {
            continue;
        }
        for change in exhibit.changes() {
            let text = fs::read_to_string(workspace().join(&change.file)).expect(&change.file);
            let changed = change.apply(&text);
            let changed = changed.unwrap_or_else(|error| panic!("{}: {error}", exhibit.name));
            assert_ne!(changed, text, "{}", exhibit.name);
        }
    }
}

#[test]
fn each_exhibit_is_shown_once() {
    let museum = Museum::load().expect("museum.toml");
    let shown = fs::read_to_string(path_of("MUSEUM.md")).expect("MUSEUM.md");
    let titles: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let names: Vec<&str> = museum.exhibits.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(titles, names, "run the program museum");
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    assert!(!shown.contains("Not caught"));
}
