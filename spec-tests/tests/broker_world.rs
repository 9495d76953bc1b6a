//! The shipped broker in its world: explored, simulated, replayed.

use mqtt5_spec_tests::broker_world::{BrokerWorld, scenarios};
use mqtt5_spec_tests::explore::Exhaustive;
use mqtt5_spec_tests::explore::scenarios::Total;

/// Every run within the budgets of each configuration.
#[test]
fn standard_exploration() {
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
}
