//! Simulation, proptest and fuzzer runs, and the shortening of what they find.

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::test_runner::{Config as TestConfig, RngSeed, TestError, TestRunner};

use mqtt5_spec_tests::explore::{Exhaustive, Simulation, Violation, run_bytes, run_numbers};

use crate::alternating_bit::{AlternatingBit, Bug, CORRECT, Config, with_bug};

/// Large enough that a wrong run is rare.
fn large(bug: Bug) -> Config {
    Config {
        messages: 20,
        losses: 10,
        capacity: 5,
        bug,
    }
}

const FEW: Simulation = Simulation {
    first_seed: 100,
    runs: 50,
    steps_with_faults: 60,
    convergence_steps: 2_000,
    threads: 2,
    progress: false,
};

#[test]
fn the_correct_protocol_converges_in_every_run() {
    let report = FEW.run::<AlternatingBit>(&large(Bug::None));
    assert_eq!(report.failure, None);
    assert_eq!(report.runs, 50);
    assert!(report.steps > 50 * 60 && report.longest_convergence > 0);
    assert_eq!(report.coverage.missing().count(), 0, "{report}");
}

#[test]
fn a_seed_that_fails_is_the_lowest_and_fails_again() {
    // Seldom: a message has to be sent again, and then its second acknowledgement must arrive.
    let config = Config {
        losses: 0,
        ..large(Bug::Panics)
    };
    let rare = Simulation {
        steps_with_faults: 3,
        convergence_steps: 4,
        ..FEW
    };
    for (simulation, config) in [(FEW, large(Bug::IgnoresBit)), (rare, config)] {
        let failure = simulation
            .run::<AlternatingBit>(&config)
            .failure
            .expect("there is a bug");
        let again = simulation.run_seed::<AlternatingBit>(&config, failure.seed);
        assert_eq!(again, Err(failure.counterexample.clone()));
        for seed in simulation.first_seed..failure.seed {
            assert_eq!(simulation.run_seed::<AlternatingBit>(&config, seed), Ok(()));
        }
        for threads in [1, 4] {
            let simulation = Simulation {
                threads,
                ..simulation.clone()
            };
            let report = simulation.run::<AlternatingBit>(&config);
            assert_eq!(report.failure.as_ref(), Some(&failure));
        }
        assert!(
            failure
                .counterexample
                .is_reproduced::<AlternatingBit>(&config)
        );
    }
}

#[test]
fn a_run_that_does_not_converge_fails_and_is_shortened_to_the_step_that_is_to_blame() {
    let config = large(Bug::NeverRepeats);
    let report = FEW.run::<AlternatingBit>(&config);
    let found = report.failure.expect("there is a bug").counterexample;
    assert_eq!(found.violation.monitor, Violation::CONVERGENCE);
    let short = found.minimised::<AlternatingBit>(&config, 5_000);
    // Send, lose. Which schedule comes afterwards does not matter, so there is none.
    assert_eq!(short.violation.monitor, Violation::STUCK);
    assert_eq!(short.trace.steps.len(), 2);
    assert_eq!(short.trace.faults_stopped_before, Some(2));
    assert!(short.is_reproduced::<AlternatingBit>(&config));
    assert!(!short.is_reproduced::<AlternatingBit>(&large(Bug::None)));
}

#[test]
fn a_world_that_goes_on_with_faults_is_told_off() {
    let config = Config {
        losses: 0,
        ..large(Bug::FaultsGoOn)
    };
    let report = FEW.run::<AlternatingBit>(&config);
    let found = report.failure.expect("there is a bug").counterexample;
    assert!(
        found
            .violation
            .message
            .contains("after the faults had stopped")
    );
}

#[test]
fn shortening_gets_down_to_a_shortest_run() {
    let config = large(Bug::IgnoresBit);
    let report = FEW.run::<AlternatingBit>(&config);
    let found = report.failure.expect("there is a bug").counterexample;
    assert!(found.trace.steps.len() > 10);
    let short = found.minimised::<AlternatingBit>(&config, 5_000);
    let shortest = Exhaustive::default().explore::<AlternatingBit>(&config);
    let shortest = shortest.counterexample().unwrap();
    assert_eq!(short.violation.monitor, shortest.violation.monitor);
    assert_eq!(short.trace.steps.len(), shortest.trace.steps.len());
    assert!(short.is_reproduced::<AlternatingBit>(&config));
    // No attempts, no change.
    assert_eq!(found.minimised::<AlternatingBit>(&config, 0), found);
}

#[test]
fn proptest_shrinks_to_a_run_of_few_small_numbers() {
    let settings = TestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        max_shrink_iters: 100_000,
        ..TestConfig::default()
    };
    let config = with_bug(Bug::IgnoresBit);
    let numbers = vec(any::<u16>(), 0..200);
    let check = |config: &Config, numbers: &[u16]| {
        run_numbers::<AlternatingBit>(config, numbers).map_err(|found| {
            proptest::test_runner::TestCaseError::fail(found.violation.to_string())
        })
    };
    let mut runner = TestRunner::new(settings.clone());
    let found = runner.run(&numbers, |numbers| check(&config, &numbers));
    let Err(TestError::Fail(_, shrunk)) = found else {
        panic!("{found:?}");
    };
    // Convergence with the fixed schedule may find the rest by itself.
    assert!(
        shrunk.len() <= 3 && shrunk.iter().all(|number| *number <= 3),
        "{shrunk:?}"
    );

    let mut runner = TestRunner::new(settings);
    let found = runner.run(&numbers, |numbers| check(&CORRECT, &numbers));
    assert_eq!(found, Ok(()));
}

#[test]
fn bytes_are_runs_that_converge() {
    let long: Vec<u8> = (0..10_000_u32)
        .map(|number| (number * number / 7) as u8)
        .collect();
    for bytes in [&[][..], &[0], &[255; 100], &long] {
        assert_eq!(run_bytes::<AlternatingBit>(&CORRECT, bytes), Ok(()));
    }
    // Send (no choice), send again, deliver, deliver again.
    let config = with_bug(Bug::IgnoresBit);
    let found = run_bytes::<AlternatingBit>(&config, &[0, 0, 1]).unwrap_err();
    assert_eq!(found.trace.steps.len(), 4);
    assert!(found.is_reproduced::<AlternatingBit>(&config));
    let found = run_bytes::<AlternatingBit>(&with_bug(Bug::NeverRepeats), &[1]).unwrap_err();
    assert_eq!(found.violation.monitor, Violation::CONVERGENCE);
}
