//! Property tests as checks.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::check::{Check, Kind};

/// A check of this many random cases. A failure is shrunk and shown; nothing is kept in files, since
/// what is found belongs into the vectors.
pub fn property<T: Debug>(
    name: &str,
    cases: u32,
    strategy: impl Strategy<Value = T> + Send + 'static,
    test: impl Fn(T) -> Result<(), TestCaseError> + Send + 'static,
) -> Check {
    Check::new(Kind::Property, name, move || {
        let mut runner = TestRunner::new(Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        });
        match runner.run(&strategy, test) {
            Ok(()) => Ok(u64::from(cases)),
            Err(error) => Err(error.to_string()),
        }
    })
}
