//! The shipped broker in its world: explored, simulated, replayed.

use mqtt5_spec_tests::broker_world::{BrokerWorld, scenarios};
use mqtt5_spec_tests::explore::Exhaustive;

/// Every run within the budgets of each configuration.
#[test]
fn standard_exploration() {
    let only = std::env::var("ONLY").ok();
    if let Ok(text) = std::env::var("SETTINGS") {
        let config = text.parse().expect("a good configuration");
        let settings = Exhaustive { progress: true, ..Exhaustive::default() };
        let report = settings.explore::<BrokerWorld>(&config);
        println!("{report}");
        if let Some(found) = report.counterexample() {
            panic!("{}", found.drawn::<BrokerWorld>(&config));
        }
        assert!(report.is_verified());
        return;
    }
    let settings = Exhaustive { progress: true, ..Exhaustive::default() };
    for named in scenarios::normal() {
        if only.as_ref().is_some_and(|it| it != named.name) {
            continue;
        }
        let report = settings.explore::<BrokerWorld>(&named.config);
        println!("{} {}: {report}", named.name, named.config);
        if let Some(found) = report.counterexample() {
            panic!("{}", found.drawn::<BrokerWorld>(&named.config));
        }
        assert!(report.is_verified());
    }
}
