//! The shipped broker in its world: explored, simulated, replayed.
//!
//! The numbers that each test prints are those of
//! `cargo run --release -p mqtt5-spec-tests --bin explore-broker`.

use mqtt5_spec_tests::broker_world::{BrokerWorld, Config, scenarios};
use mqtt5_spec_tests::explore::scenarios::{Total, kept_counts, kept_states, render_counts};
use mqtt5_spec_tests::explore::{Exhaustive, Simulation, run_numbers};
use mqtt5_spec_tests::path_of;
use proptest::prelude::*;

/// Every run within the budgets of each configuration: safety, liveness, and nothing vacuous. Together they arm every
/// monitor, and have exactly as many states and transitions as they had before: a state that `Eq` or `Hash` of the
/// broker forgets is one that is not visited.
#[test]
fn standard_exploration() {
    let settings = Exhaustive::default();
    let mut total = Total::default();
    for named in scenarios::normal() {
        let report = settings.explore::<BrokerWorld>(&named.config);
        println!("{}", total.add(&named, &report));
        if let (false, Some(found)) = (named.expects.is_met(&report), report.counterexample()) {
            println!("{}", found.drawn::<BrokerWorld>(&named.config));
        }
    }
    println!("\n{total}");
    assert!(total.is_fine());
    assert_eq!(total.unarmed(), [""; 0]);
    assert_eq!(
        render_counts("explore-broker", total.counts()),
        render_counts("explore-broker", &kept_counts(scenarios::COUNTS)),
        "the broker, or its world, has other states than before: if that is meant, \
         `explore-broker --save-counts` keeps the new numbers"
    );
}

/// Long runs with everything at once, and with hundreds of clients; then the faults stop, and each acknowledged message
/// has to arrive, or to have been dropped for a reason that was counted.
#[test]
fn simulations_converge() {
    for (runs, steps_with_faults, convergence_steps, config) in scenarios::simulations() {
        let simulation = Simulation {
            runs,
            steps_with_faults,
            convergence_steps,
            ..Simulation::default()
        };
        let report = simulation.run::<BrokerWorld>(&config);
        println!(
            "{} runs, {} steps, at rest after at most {} steps, {:.1} s: {config}",
            report.runs,
            report.steps,
            report.longest_convergence,
            report.elapsed.as_secs_f64(),
        );
        if let Some(failure) = &report.failure {
            // Runs of hundreds of clients are long.
            let attempts = 600_000 / steps_with_faults;
            let short = failure
                .counterexample
                .minimised::<BrokerWorld>(&config, attempts);
            panic!(
                "seed {}: {}",
                failure.seed,
                short.drawn::<BrokerWorld>(&config)
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// The runs that proptest makes up, and shrinks if one goes wrong.
    #[test]
    fn made_up_runs_converge(numbers in prop::collection::vec(any::<u16>(), 0..300)) {
        let config = scenarios::everything();
        if let Err(found) = run_numbers::<BrokerWorld>(&config, &numbers) {
            let short = found.minimised::<BrokerWorld>(&config, 2_000);
            prop_assert!(false, "{}", short.drawn::<BrokerWorld>(&config));
        }
    }
}

/// The README says how many states there are.
#[test]
fn the_readme_counts_the_same() {
    let readme = std::fs::read_to_string(path_of("../README.md")).expect("the README");
    let row = format!(
        "| states of the shipped broker explored exhaustively in every test run, without a violation | {} |",
        kept_states(scenarios::COUNTS)
    );
    assert!(readme.contains(&row), "{row}");
}

/// Trace files keep configurations as text.
#[test]
fn settings_survive_their_text_form() {
    for named in scenarios::long() {
        let text = named.config.to_string();
        assert_eq!(text.parse::<Config>().as_ref(), Ok(&named.config), "{text}");
    }
}
