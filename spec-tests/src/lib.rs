//! The formal side of the tests of `mqtt5-codec` and `mqtt5-session-fsm`.
//!
//! - [`vectors`] reads the golden byte vectors in `vectors/`.
//! - [`standard`] knows which statements and sections there are.
//! - [`ledger`] reads `ledger.toml` and `ledger-v3.1.1.toml`, the lists of the normative statements of MQTT 5.0 and
//!   MQTT 3.1.1 with the evidence for each, and finds what is wrong with them.
//! - [`explore`] walks through all states of a world that is built from the shipped machines, or through random
//!   ones, and shows how it came to a state in which a rule is broken.
//! - [`world`] is such a world: a client, a server, a network that may break at any moment, and monitors that know the
//!   standard.
//! - [`broker_world`] is another one: a broker, several clients, and a second place where its records are stored.
//! - [`faults`] reads the deliberate faults, switches each on, and sees which checks notice it.
//! - [`report`] writes both down for people, as `REPORT.md`.
//!
//! - [`matching`] says what Topic Names and Topic Filters are, and which match, as plainly as the standard does.
//!
//! The checks themselves are in `tests/spec`, those of the machines in `machines`.

pub mod broker_world;
pub mod explore;
pub mod faults;
pub mod ledger;
pub mod matching;
pub mod report;
mod settings;
pub mod standard;
pub mod vectors;
pub mod world;

use std::path::{Path, PathBuf};

/// The folder of this package, where ledger, vectors and report are.
#[must_use]
pub fn package_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file or folder of this package.
#[must_use]
pub fn path_of(relative: &str) -> PathBuf {
    package_folder().join(relative)
}

// The example of the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
