//! Both halves against abstract models that were written from the state tables of the standard
//! (sections 4.3, 4.4, 4.9): any sequence of what the application, the peer and the network can do,
//! lawful or not. A sequence that shows a difference is shrunk to a short one.

mod receiver;
mod receiver_model;
mod sender;
mod sender_model;

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

thread_local! {
    /// What happened in some case: the state of an identifier, and the event.
    static COVERED: RefCell<BTreeSet<(&'static str, &'static str)>> = RefCell::default();
}

/// The model says that this happens.
fn cover(state: &'static str, event: &'static str) {
    COVERED.with_borrow_mut(|covered| covered.insert((state, event)));
}

/// Runs a property, and finds that everything that can happen did. `PROPTEST_CASES` asks for another
/// number of cases.
fn run<T>(states: &[&'static str], events: &[&'static str])
where
    T: StateMachineTest,
    <T::Reference as ReferenceStateMachine>::Transition: Clone + std::fmt::Debug,
{
    let asked = std::env::var("PROPTEST_CASES").ok();
    let config = Config {
        cases: asked.and_then(|cases| cases.parse().ok()).unwrap_or(4_000),
        max_shrink_iters: 100_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config.clone());
    let sequences = T::Reference::sequential_strategy(1..80);
    let result = runner.run(&sequences, |(state, transitions, seen)| {
        T::test_sequential(config.clone(), state, transitions, seen);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let covered = COVERED.take();
    println!(
        "{} cases, {} of state and event",
        config.cases,
        covered.len()
    );
    for state in states {
        for event in events {
            assert!(
                covered.contains(&(*state, *event)),
                "never: {state}, {event}"
            );
        }
    }
}
