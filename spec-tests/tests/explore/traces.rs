//! Traces: replay, file, chart.

use mqtt5_spec_tests::explore::chart;
use mqtt5_spec_tests::explore::{Counterexample, Exhaustive, Log, Trace, TraceFile, World};

use crate::alternating_bit::{AlternatingBit, Bug, CORRECT, Config, with_bug};

fn counterexample(config: &Config) -> Counterexample {
    let report = Exhaustive::default().explore::<AlternatingBit>(config);
    report.counterexample().expect("there is a bug").clone()
}

#[test]
fn a_replay_makes_the_same_run_and_ends_with_the_same_objection() {
    let config = with_bug(Bug::IgnoresBit);
    let found = counterexample(&config);
    let replay = found.trace.replay::<AlternatingBit>(&config, Log::off());
    assert_eq!(replay.violation.as_ref(), Some(&found.violation));
    assert_eq!(replay.trace, found.trace);
    assert!(replay.fitted);
    assert!(replay.log.entries().is_empty());
}

#[test]
fn a_trace_that_does_not_fit_says_so() {
    let trace = Trace {
        steps: vec![vec![9], vec![], vec![0, 0]],
        faults_stopped_before: None,
    };
    let replay = trace.replay::<AlternatingBit>(&CORRECT, Log::off());
    assert!(!replay.fitted);
    let again = replay.trace.replay::<AlternatingBit>(&CORRECT, Log::off());
    assert!(again.fitted);
    assert_eq!(again.trace, replay.trace);
}

#[test]
fn a_replay_stops_the_faults_where_the_run_did() {
    // Send, lose: the third of three alternatives, or of two, when losing is none.
    let fits = |faults_stopped_before| {
        let trace = Trace {
            steps: vec![vec![], vec![2]],
            faults_stopped_before,
        };
        trace.replay::<AlternatingBit>(&CORRECT, Log::off()).fitted
    };
    assert!(fits(None) && fits(Some(2)));
    assert!(!fits(Some(1)) && !fits(Some(0)));
}

#[test]
fn a_trace_file_can_be_read_back_and_explains_itself() {
    let config = with_bug(Bug::IgnoresBit);
    let mut counterexample = counterexample(&config);
    counterexample.trace.faults_stopped_before = Some(2);
    let file = TraceFile::<AlternatingBit> {
        config,
        counterexample,
    };
    let text = file.to_text();
    assert_eq!(
        text,
        "trace of mqtt5-spec-tests, version 1\n\
         world alternating-bit\n\
         config messages=3 losses=2 capacity=2 bug=ignores-bit\n\
         monitor order of deliveries\n\
         message message 0 instead of message 1\n\
         \n\
         -         # sends message 0\n\
         0         # sends message 0\n\
         stop faults\n\
         0         # DATA 0; delivers message 0\n\
         1         # DATA 0; delivers message 0\n"
    );
    let read = TraceFile::<AlternatingBit>::from_text(&text).unwrap();
    assert_eq!(read.config, file.config);
    assert_eq!(read.counterexample, file.counterexample);

    let folder = std::env::temp_dir();
    let path = folder.join(format!("mqtt5-trace-{}.txt", std::process::id()));
    file.save(&path).unwrap();
    let loaded = TraceFile::<AlternatingBit>::load(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(loaded.counterexample, file.counterexample);
}

#[test]
fn a_damaged_trace_file_is_refused_with_the_line() {
    let good = "trace of mqtt5-spec-tests, version 1\nworld alternating-bit\nconfig bug=none\n\
                monitor a\nmessage b\n\n0 1 # c\n";
    assert!(TraceFile::<AlternatingBit>::from_text(good).is_ok());
    for (from, to, error) in [
        ("version 1", "version 2", "line 1"),
        (
            "alternating-bit",
            "other",
            "line 2: a trace of the world other",
        ),
        ("bug=none", "bug=bee", "line 3: no such bug"),
        ("monitor a\n", "", "line 4"),
        ("0 1", "0 x", "line 7"),
    ] {
        let damaged = good.replace(from, to);
        let read = TraceFile::<AlternatingBit>::from_text(&damaged);
        let refused = read.map(|_| ()).unwrap_err().to_string();
        assert!(refused.starts_with(error), "{refused}");
    }
    assert!(TraceFile::<AlternatingBit>::from_text("").is_err());
}

#[test]
fn a_chart_is_drawn_as_text_and_as_mermaid() {
    let trace = Trace {
        steps: vec![vec![], vec![2], vec![0], vec![1], vec![1]],
        faults_stopped_before: Some(4),
    };
    let replay = trace.replay::<AlternatingBit>(&CORRECT, Log::on());
    insta::assert_snapshot!(
        "chart_as_text",
        chart::text(AlternatingBit::LANES, replay.log.entries())
    );
    insta::assert_snapshot!(
        "chart_as_mermaid",
        chart::mermaid(AlternatingBit::LANES, replay.log.entries())
    );
}
