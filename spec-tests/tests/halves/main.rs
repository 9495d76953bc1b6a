//! Both halves against abstract models that were written from the state tables of the standard (sections 4.3, 4.4, 4.9): any
//! sequence of what the application, the peer and the network can do, lawful or not. A sequence that shows a difference is
//! shrunk to a short one. The driver of the conformance checks drives the machine and writes down what it does; the models
//! use the same words.

mod receiver;
mod receiver_model;
mod sender;
mod sender_model;

#[path = "../../machines/src"]
#[allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    unused_macros,
    reason = "the conformance checks need more"
)]
mod spec {
    pub(crate) mod check;
    pub(crate) mod entrance;
    #[path = "client"]
    pub(crate) mod client {
        pub(crate) mod driver;
        pub(crate) use crate::spec::session::make;
    }
    #[path = "server"]
    pub(crate) mod server {
        pub(crate) mod driver;
        pub(crate) mod make;
    }
    #[path = "session"]
    pub(crate) mod session {
        pub(crate) mod driver;
        pub(crate) mod machine;
        pub(crate) mod make;
        pub(crate) mod tell;
    }
    pub(crate) mod version;
}
#[allow(unused_imports, reason = "the modules know each other by these names")]
use spec::{check, client, entrance, server, session, version};

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;

use mqtt5_codec::ReasonCode;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

thread_local! {
    /// What happened in some case: the state of an identifier, and the event.
    static COVERED: RefCell<BTreeSet<(&'static str, &'static str)>> = RefCell::default();
}

/// The model says that this happens.
fn cover(state: &'static str, event: &'static str) {
    COVERED.with_borrow_mut(|covered| covered.insert((state, event)));
}

/// A Reason Code in these words; nothing for Success.
fn code(byte: u8) -> String {
    match ReasonCode::from_byte(byte).expect("a Reason Code") {
        ReasonCode::Success => String::new(),
        code => format!(" {code:?}"),
    }
}

/// Asserts that the same was said, each kind in its order: nothing is known about the order of different kinds.
fn assert_same(said: Vec<String>, expected: &[String], kind: impl Fn(&str) -> String) {
    let sorted = |mut lines: Vec<String>| {
        lines.sort_by_key(|line| kind(line));
        lines
    };
    assert_eq!(sorted(said), sorted(expected.to_vec()));
}

/// Runs a property, and finds that everything that can happen did. `PROPTEST_CASES` asks for another number of cases.
fn run<S: Clone + Debug, C: Debug>(
    settings: impl Strategy<Value = C>,
    step: impl Strategy<Value = S>,
    case: impl Fn(C, Vec<S>),
    states: &[&'static str],
    events: &[&'static str],
) {
    let asked = std::env::var("PROPTEST_CASES").ok();
    let cases = asked.and_then(|cases| cases.parse().ok()).unwrap_or(4_000);
    let mut runner = TestRunner::new(Config {
        cases,
        max_shrink_iters: 100_000,
        failure_persistence: None,
        ..Config::default()
    });
    let steps = proptest::collection::vec(step, 1..80);
    let result = runner.run(&(settings, steps), |(setting, steps)| {
        case(setting, steps);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let covered = COVERED.take();
    println!("{cases} cases, {} of state and event", covered.len());
    for state in states {
        for event in events {
            let happened = covered.contains(&(*state, *event));
            assert!(happened, "never: {state}, {event}");
        }
    }
}
