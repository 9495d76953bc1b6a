//! The exhaustive engine against what is known about the alternating bit protocol.

use std::collections::{BTreeSet, HashMap, VecDeque};

use mqtt5_spec_tests::explore::{Exhaustive, Report, Verdict};

use crate::alternating_bit::{AlternatingBit, Bug, CORRECT, Config, with_bug};

fn explore(config: &Config) -> Report {
    Exhaustive::default().explore::<AlternatingBit>(config)
}

/// Everything about the correct protocol, written down again without the engine: `(sending, sent,
/// delivered, losses, data, acknowledgements)`.
type Plain = (u8, bool, u8, u8, Vec<u8>, Vec<u8>);

/// The successors; true for faults.
fn successors(state: &Plain, messages: u8, capacity: usize) -> Vec<(Plain, bool)> {
    let (sending, _, delivered, losses, data, acks) = state.clone();
    let mut all = Vec::new();
    if sending < messages && data.len() < capacity {
        let data = [&data[..], &[sending]].concat();
        all.push((
            (sending, true, delivered, losses, data, acks.clone()),
            false,
        ));
    }
    if let ([first, rest @ ..], true) = (&data[..], acks.len() < capacity) {
        let delivered = if first % 2 == delivered % 2 {
            delivered + 1
        } else {
            delivered
        };
        let acks = [&acks[..], &[first % 2]].concat();
        all.push((
            (sending, state.1, delivered, losses, rest.to_vec(), acks),
            false,
        ));
    }
    if let [first, rest @ ..] = &acks[..] {
        let next = sending < messages && first % 2 == sending % 2;
        let (sending, sent) = if next {
            (sending + 1, false)
        } else {
            (sending, state.1)
        };
        all.push((
            (
                sending,
                sent,
                delivered,
                losses,
                data.clone(),
                rest.to_vec(),
            ),
            false,
        ));
    }
    if let (1.., [_, rest @ ..]) = (losses, &data[..]) {
        all.push((
            (
                sending,
                state.1,
                delivered,
                losses - 1,
                rest.to_vec(),
                acks.clone(),
            ),
            true,
        ));
    }
    if let (1.., [_, rest @ ..]) = (losses, &acks[..]) {
        all.push((
            (
                sending,
                state.1,
                delivered,
                losses - 1,
                data.clone(),
                rest.to_vec(),
            ),
            true,
        ));
    }
    all
}

struct Counts {
    states: u64,
    transitions: u64,
    depth: usize,
    quiescent: u64,
    bound: u32,
}

fn count_by_hand(config: &Config) -> Counts {
    let capacity = usize::from(config.capacity);
    let initial: Plain = (0, false, 0, config.losses, vec![], vec![]);
    let mut depths = HashMap::from([(initial.clone(), 0)]);
    let mut queue = VecDeque::from([initial]);
    let mut edges = Vec::new();
    while let Some(state) = queue.pop_front() {
        let depth = depths[&state];
        for (next, is_fault) in successors(&state, config.messages, capacity) {
            edges.push((state.clone(), next.clone(), is_fault));
            if !depths.contains_key(&next) {
                depths.insert(next.clone(), depth + 1);
                queue.push_back(next);
            }
        }
    }
    let is_quiescent =
        |state: &&Plain| state.0 == config.messages && state.4.is_empty() && state.5.is_empty();
    let quiescent: BTreeSet<Plain> = depths.keys().filter(is_quiescent).cloned().collect();
    // As many rounds as the largest distance.
    let mut reached = quiescent.clone();
    let mut bound = 0;
    while reached.len() < depths.len() {
        let more = edges.iter().filter(|(from, to, is_fault)| {
            !is_fault && reached.contains(to) && !reached.contains(from)
        });
        let more: Vec<Plain> = more.map(|(from, _, _)| from.clone()).collect();
        assert!(!more.is_empty(), "stuck states by hand");
        reached.extend(more);
        bound += 1;
    }
    Counts {
        states: depths.len() as u64,
        transitions: edges.len() as u64,
        depth: depths.values().copied().max().unwrap_or(0),
        quiescent: quiescent.len() as u64,
        bound,
    }
}

#[test]
fn the_correct_protocol_is_verified_with_the_numbers_of_a_search_by_hand() {
    for (messages, losses, capacity) in [(1, 0, 1), (1, 1, 1), (3, 2, 2), (4, 3, 3), (6, 1, 4)] {
        let config = Config {
            messages,
            losses,
            capacity,
            bug: Bug::None,
        };
        let report = explore(&config);
        let by_hand = count_by_hand(&config);
        // Without losses nothing can be lost, and the report has to say so.
        let verdict = if losses == 0 {
            Verdict::Vacuous
        } else {
            Verdict::Verified
        };
        assert_eq!(report.verdict, verdict, "{report}");
        assert_eq!(report.states, by_hand.states, "{config}");
        assert_eq!(report.transitions, by_hand.transitions, "{config}");
        assert_eq!(report.depth, by_hand.depth, "{config}");
        assert_eq!(report.quiescent, by_hand.quiescent, "{config}");
        assert_eq!(report.bound, Some(by_hand.bound), "{config}");
    }
}

#[test]
fn the_report_does_not_depend_on_the_number_of_threads() {
    let large = Config {
        messages: 9,
        losses: 4,
        capacity: 6,
        bug: Bug::None,
    };
    let configs = [
        large,
        with_bug(Bug::IgnoresBit),
        with_bug(Bug::NeverRepeats),
    ];
    for config in configs {
        let reports = [1, 2, 3].map(|threads| {
            let settings = Exhaustive {
                threads,
                ..Exhaustive::default()
            };
            let mut report = settings.explore::<AlternatingBit>(&config);
            report.elapsed = std::time::Duration::ZERO;
            report
        });
        assert_eq!(reports[0], reports[1]);
        assert_eq!(reports[0], reports[2]);
    }
}

#[test]
fn a_safety_bug_is_found_with_a_shortest_trace() {
    let config = with_bug(Bug::IgnoresBit);
    let report = explore(&config);
    let Verdict::Violation(counterexample) = &report.verdict else {
        panic!("{report}");
    };
    // Send, send again, deliver, deliver again.
    assert_eq!(counterexample.trace.steps.len(), 4);
    assert_eq!(counterexample.violation.monitor, "order of deliveries");
    assert!(counterexample.is_reproduced::<AlternatingBit>(&config));
    assert!(!counterexample.is_reproduced::<AlternatingBit>(&CORRECT));
}

#[test]
fn a_liveness_bug_is_found_although_no_monitor_objects() {
    let config = with_bug(Bug::NeverRepeats);
    let report = explore(&config);
    let Verdict::Stuck(stuck) = &report.verdict else {
        panic!("{report}");
    };
    // Send, lose.
    assert_eq!(stuck.example.trace.steps.len(), 2);
    assert!(stuck.states > 0 && stuck.states < report.states);
    assert!(stuck.example.is_reproduced::<AlternatingBit>(&config));
    assert!(!stuck.example.is_reproduced::<AlternatingBit>(&CORRECT));

    let safety_only = Exhaustive {
        liveness: false,
        ..Exhaustive::default()
    };
    assert!(safety_only.explore::<AlternatingBit>(&config).is_verified());
}

#[test]
fn a_repair_that_needs_a_fault_is_no_repair() {
    let config = with_bug(Bug::RepeatsAfterReset);
    let report = explore(&config);
    let Verdict::Stuck(stuck) = &report.verdict else {
        panic!("{report}");
    };
    assert!(stuck.example.violation.message.contains("only a fault"));
    assert!(stuck.example.is_reproduced::<AlternatingBit>(&config));
}

#[test]
fn a_monitor_that_was_never_armed_is_reported() {
    let report = explore(&with_bug(Bug::MonitorAsleep));
    assert_eq!(report.verdict, Verdict::Vacuous);
    let missing: Vec<&str> = report
        .coverage
        .missing()
        .map(|point| &*point.name)
        .collect();
    assert_eq!(missing, ["order of deliveries"]);
}

#[test]
fn a_panic_is_a_violation() {
    let config = with_bug(Bug::Panics);
    let report = explore(&config);
    let Verdict::Violation(counterexample) = &report.verdict else {
        panic!("{report}");
    };
    assert_eq!(
        counterexample.violation.to_string(),
        "no panic: an old acknowledgement"
    );
    assert!(counterexample.is_reproduced::<AlternatingBit>(&config));
}

#[test]
fn a_limit_never_ends_in_verified() {
    let full = explore(&CORRECT);
    let states = usize::try_from(full.states).unwrap();
    let limited = |maximum_states, maximum_depth| {
        let settings = Exhaustive {
            maximum_states,
            maximum_depth,
            ..Exhaustive::default()
        };
        settings.explore::<AlternatingBit>(&CORRECT)
    };
    assert!(matches!(
        limited(states - 1, usize::MAX).verdict,
        Verdict::Truncated(_)
    ));
    assert!(matches!(
        limited(states, full.depth).verdict,
        Verdict::Truncated(_)
    ));
    assert_eq!(limited(states, full.depth + 1).verdict, Verdict::Verified);
}
