//! What a program prints.

use mqtt5_spec_tests::explore::{Exhaustive, Presentation, Simulation};

use crate::alternating_bit::{AlternatingBit, Bug, CORRECT, Config, with_bug};

fn without_time(text: &[u8]) -> String {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("time "));
    lines.collect::<Vec<_>>().join("\n")
}

fn explored(config: &Config, presentation: &Presentation) -> String {
    let mut out = Vec::new();
    let settings = Exhaustive::default();
    let report = presentation.explore::<AlternatingBit>(&mut out, &settings, config);
    report.unwrap();
    without_time(&out)
}

#[test]
fn reports_read_well() {
    let presentation = Presentation::default();
    insta::assert_snapshot!("verified", explored(&CORRECT, &presentation));
    insta::assert_snapshot!(
        "vacuous",
        explored(&with_bug(Bug::MonitorAsleep), &presentation)
    );
    insta::assert_snapshot!(
        "stuck",
        explored(&with_bug(Bug::NeverRepeats), &presentation)
    );
}

#[test]
fn a_counterexample_is_drawn_saved_and_replayed() {
    let name = format!("mqtt5-present-{}.trace", std::process::id());
    let path = std::env::temp_dir().join(name);
    let presentation = Presentation {
        trace: Some(path.clone()),
        mermaid: true,
    };
    let text = explored(&with_bug(Bug::IgnoresBit), &presentation);
    let text = text.replace(&*path.to_string_lossy(), "FILE");
    insta::assert_snapshot!("violation", text);

    let mut out = Vec::new();
    let quiet = Presentation::default();
    assert!(quiet.replay::<AlternatingBit>(&mut out, &path).unwrap());
    insta::assert_snapshot!("replayed", String::from_utf8(out).unwrap());

    // After the repair the trace stays as a test.
    let repaired = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, repaired.replace("ignores-bit", "none")).unwrap();
    let mut out = Vec::new();
    assert!(!quiet.replay::<AlternatingBit>(&mut out, &path).unwrap());
    assert!(String::from_utf8(out).unwrap().contains("nothing wrong"));
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_simulation_prints_the_seed_and_a_short_run() {
    let mut out = Vec::new();
    let settings = Simulation {
        runs: 20,
        steps_with_faults: 100,
        threads: 1,
        ..Simulation::default()
    };
    let config = with_bug(Bug::NeverRepeats);
    let report = Presentation::default().simulate::<AlternatingBit>(&mut out, &settings, &config);
    assert!(report.unwrap().failure.is_some());
    insta::assert_snapshot!("simulated", without_time(&out));
}
