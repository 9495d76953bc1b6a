//! The shipped state machines in their world: explored, simulated, replayed.
//!
//! The numbers that each test prints are those of `cargo run --release -p mqtt5-spec-tests --bin explore`.

use mqtt5_spec_tests::explore::scenarios::{
    Expected, Total, kept_counts, kept_states, render_counts,
};
use mqtt5_spec_tests::explore::{Exhaustive, Log, Simulation, TraceFile, run_numbers};
use mqtt5_spec_tests::path_of;
use mqtt5_spec_tests::world::scenarios::{self, Named};
use mqtt5_spec_tests::world::{Config, SessionWorld, rows_not_run};
use proptest::prelude::*;

fn config(settings: &str) -> Config {
    settings.parse().expect("a good configuration")
}

/// Every run within the budgets of each configuration: safety, liveness, and nothing vacuous. Together they
/// fire every row of the transition tables that can fire, arm every monitor, and have exactly as many states and
/// transitions as they had before: a state that `Eq` or `Hash` forgets is one that is not visited.
#[test]
fn standard_exploration() {
    let settings = Exhaustive::default();
    let mut total = Total::default();
    for named in scenarios::normal() {
        let report = settings.explore::<SessionWorld>(&named.config);
        println!("{}", total.add(&named, &report));
        if let (false, Some(found)) = (named.expects.is_met(&report), report.counterexample()) {
            println!("{}", found.drawn::<SessionWorld>(&named.config));
        }
    }
    println!("\n{total}");
    assert!(total.is_fine());
    assert_eq!(rows_of_messages_not_run(), [""; 0]);
    assert_eq!(total.unarmed(), [""; 0]);
    assert_eq!(
        render_counts("explore", total.counts()),
        render_counts("explore", &kept_counts(scenarios::COUNTS)),
        "the machines, or their world, have other states than before: if that is meant, \
         `explore --save-counts` keeps the new numbers"
    );
}

/// The rows of the state tables that no machine has run, but for those of requests, of what comes for messages that were
/// never written or are lost, and of what the application takes back: conformance checks run these.
fn rows_of_messages_not_run() -> Vec<String> {
    const OTHERS: [&str; 8] = [
        "Request",
        "Sub",
        "Unsub",
        "Asked",
        "Unsent",
        "Lost",
        "Withdrawn",
        "Repeating",
    ];
    let mut rows = rows_not_run();
    rows.retain(|row| !OTHERS.iter().any(|other| row.contains(other)));
    rows
}

/// Long runs with everything at once; then the faults stop, and everything has to come to rest.
#[test]
fn simulations_converge() {
    for (runs, settings) in scenarios::simulations() {
        let simulation = Simulation {
            runs,
            // Fewer than it takes to use the budgets up, so that the faults stop in the middle.
            steps_with_faults: 120,
            convergence_steps: 5_000,
            ..Simulation::default()
        };
        let report = simulation.run::<SessionWorld>(&settings);
        println!(
            "{} runs, {} steps, at rest after at most {} steps: {settings}",
            report.runs, report.steps, report.longest_convergence
        );
        if let Some(failure) = &report.failure {
            let short = failure
                .counterexample
                .minimised::<SessionWorld>(&settings, 5_000);
            panic!(
                "seed {}: {}",
                failure.seed,
                short.drawn::<SessionWorld>(&settings)
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// The runs that proptest makes up, and shrinks if one goes wrong.
    #[test]
    fn made_up_runs_converge(numbers in prop::collection::vec(any::<u16>(), 0..300)) {
        let config = scenarios::everything();
        if let Err(found) = run_numbers::<SessionWorld>(&config, &numbers) {
            let short = found.minimised::<SessionWorld>(&config, 2_000);
            prop_assert!(false, "{}", short.drawn::<SessionWorld>(&config));
        }
    }
}

/// What the documentation shows is what happens, and is still a shortest way to it.
#[test]
fn saved_traces_replay() {
    for named in scenarios::holes() {
        let file = named.name;
        let path = path_of(&format!("traces/{file}.txt"));
        let saved = TraceFile::<SessionWorld>::load(&path).expect("a trace of this world");
        assert_eq!(saved.config, named.config);
        let found = &saved.counterexample;
        let replay = found.trace.replay::<SessionWorld>(&saved.config, Log::on());
        assert!(replay.fitted, "{file} was saved for another world");
        assert_eq!(replay.violation.as_ref(), Some(&found.violation), "{file}");
        let chart = std::fs::read_to_string(path_of(&format!("traces/{file}.chart.txt")));
        assert_eq!(chart.expect("a chart"), replay.chart(), "{file}");

        let report = Exhaustive::default().explore::<SessionWorld>(&named.config);
        assert!(named.expects.is_met(&report));
        let shortest = report.counterexample().map_or(0, |it| it.trace.steps.len());
        assert_eq!(found.trace.steps.len(), shortest, "{file}");
    }
}

/// Neither fault alone opens the holes.
#[test]
fn holes_need_what_they_need() {
    for settings in [
        "up=2 cuts=2 ever=1",
        "up=1 cuts=1 server-expiries=1 ever=1",
        "down=2 window-down=1 cuts=2 ever=1",
        "up=2 qos=1 cuts=2 server-expiries=1 ever=1",
        "down=2 qos=1 cuts=2 server-expiries=1 ever=1",
    ] {
        let named = Named {
            name: "no hole",
            config: config(settings),
            expects: Expected::Verified,
        };
        let report = Exhaustive::default().explore::<SessionWorld>(&named.config);
        println!("{}", Total::default().add(&named, &report));
        assert!(named.expects.is_met(&report), "{settings}: {report}");
    }
}

/// Another model checker counts the same states.
#[test]
#[cfg(feature = "stateright")]
fn stateright_counts_the_same() {
    use mqtt5_spec_tests::explore::stateright::WorldModel;

    for settings in [
        "up=1 down=1 qos=21 cuts=1",
        "up=2 qos=21 manual=1 refusals=1 cuts=1",
    ] {
        let config = config(settings);
        let report = Exhaustive::default().explore::<SessionWorld>(&config);
        let (states, is_fine) = WorldModel::<SessionWorld>::new(&config).count(2);
        println!("{settings}: {states} states");
        assert!(is_fine && report.is_verified());
        assert_eq!(states as u64, report.states, "{settings}");
    }
}

/// The README says how many states there are.
#[test]
fn the_readme_counts_the_same() {
    let readme = std::fs::read_to_string(path_of("../README.md")).expect("the README");
    let row = format!(
        "| states of the shipped machines explored exhaustively in every test run, without a violation | {} |",
        kept_states(scenarios::COUNTS)
    );
    assert!(readme.contains(&row), "{row}");
}

/// Trace files keep configurations as text.
#[test]
fn settings_survive_their_text_form() {
    for named in scenarios::long() {
        assert_eq!(config(&named.config.to_string()), named.config);
    }
}
