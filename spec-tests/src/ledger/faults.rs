//! What can be wrong with a ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Evidence, Layer, Ledger, Statement};
use crate::standard::{has_heading, labels, statements};
use crate::vectors::Case;

/// Something that is wrong with a ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// There are this many statements, and not as many as the standard has.
    Count(usize, usize),
    /// A statement stands behind one that comes after it in the standard.
    OutOfOrder(String),
    /// The standard has no such statement.
    UnknownStatement(String),
    /// The standard has no section with this number and title.
    UnknownSection(String),
    /// A statement of the standard is not there.
    MissingStatement(String),
    /// A statement is there twice.
    DuplicateStatement(String),
    /// A statement is on a layer on which it does not belong.
    WrongLayer(String),
    /// A statement has no evidence, and no owner outside of this library.
    NoEvidence(String),
    /// A statement that is said to be obeyed outside of this library has evidence, or is not of the transport layer, or
    /// its owner or the reason is missing; or there is an owner or a reason without that status.
    WrongStatus(String),
    /// Nothing has the name that is given as evidence.
    UnknownEvidence(String, Evidence),
    /// The evidence exists, but did not run and pass.
    EvidenceNotPassed(String, Evidence),
    /// A vector is given as evidence, but does not name the statement as one that it is about.
    VectorAboutSomethingElse(String, String),
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Count(count, all) => write!(formatter, "{count} statements instead of {all}"),
            Fault::OutOfOrder(id) => write!(formatter, "{id}: not in the order of the standard"),
            Fault::UnknownStatement(id) => write!(formatter, "{id}: no such statement"),
            Fault::UnknownSection(id) => write!(formatter, "{id}: no such section"),
            Fault::MissingStatement(id) => write!(formatter, "{id}: missing"),
            Fault::DuplicateStatement(id) => write!(formatter, "{id}: given more than once"),
            Fault::WrongLayer(id) => write!(formatter, "{id}: on the wrong layer"),
            Fault::NoEvidence(id) => write!(formatter, "{id}: no evidence"),
            Fault::WrongStatus(id) => write!(
                formatter,
                "{id}: only a statement of the transport layer can be `outside`, with `owner` and `reason` and without evidence"
            ),
            Fault::UnknownEvidence(id, evidence) => {
                write!(formatter, "{id}: there is no {evidence}")
            }
            Fault::EvidenceNotPassed(id, evidence) => {
                write!(formatter, "{id}: {evidence} did not run and pass")
            }
            Fault::VectorAboutSomethingElse(id, case) => {
                write!(formatter, "{id}: vector {case} does not list the statement")
            }
        }
    }
}

/// Finds everything that is wrong with a ledger.
///
/// `trials` are the names of all checks that exist; `passed` of those that ran and passed, if that
/// is known.
#[must_use]
pub fn faults(
    ledger: &Ledger,
    cases: &[&Case],
    trials: &BTreeSet<String>,
    passed: Option<&BTreeSet<String>>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    statement_faults(ledger, &mut faults);
    let cases: BTreeMap<&str, &Case> = cases
        .iter()
        .map(|case| (case.name.as_str(), *case))
        .collect();
    for statement in &ledger.statements {
        status_faults(statement, &mut faults);
        for evidence in &statement.evidence {
            let id = || statement.id.clone();
            let trial = evidence.trial();
            if !trials.contains(&trial) {
                faults.push(Fault::UnknownEvidence(id(), evidence.clone()));
            } else if passed.is_some_and(|passed| !passed.contains(&trial)) {
                faults.push(Fault::EvidenceNotPassed(id(), evidence.clone()));
            }
            if let Evidence::Vector(name) = evidence {
                let case = cases.get(name.as_str());
                if case.is_some_and(|case| !case.is_about(&statement.id)) {
                    faults.push(Fault::VectorAboutSomethingElse(id(), name.clone()));
                }
            }
        }
    }
    faults
}

/// Whether the statements are those of the standard.
fn statement_faults(ledger: &Ledger, faults: &mut Vec<Fault>) {
    let version = ledger.version;
    let (count, all) = (ledger.statements.len(), labels(version).len());
    if count != all {
        faults.push(Fault::Count(count, all));
    }
    let mut seen = BTreeSet::new();
    for statement in &ledger.statements {
        let id = statement.id.as_str();
        match statements(version).get(id) {
            None => faults.push(Fault::UnknownStatement(id.to_owned())),
            Some(layer) if *layer != statement.layer.to_string() => {
                faults.push(Fault::WrongLayer(id.to_owned()));
            }
            Some(_) => {}
        }
        if !has_heading(version, &statement.section) {
            faults.push(Fault::UnknownSection(id.to_owned()));
        }
        if !seen.insert(id) {
            faults.push(Fault::DuplicateStatement(id.to_owned()));
        }
    }
    for id in statements(version).keys().filter(|id| !seen.contains(**id)) {
        faults.push(Fault::MissingStatement((*id).to_owned()));
    }
    let place = |id: &str| labels(version).iter().position(|label| *label == id);
    let known = ledger.statements.iter();
    let known = known.filter_map(|one| Some((place(&one.id)?, &one.id)));
    let known: Vec<_> = known.collect();
    for pair in known.windows(2) {
        if pair[0].0 > pair[1].0 {
            faults.push(Fault::OutOfOrder(pair[1].1.clone()));
        }
    }
}

fn status_faults(statement: &Statement, faults: &mut Vec<Fault>) {
    let id = || statement.id.clone();
    let says_so =
        statement.status.is_some() || statement.owner.is_some() || statement.reason.is_some();
    let outside = statement.outside().is_some_and(|(owner, reason)| {
        !owner.is_empty() && !reason.is_empty() && statement.layer == Layer::Transport
    });
    match (says_so, statement.evidence.is_empty()) {
        (false, true) => faults.push(Fault::NoEvidence(id())),
        (true, false) => faults.push(Fault::WrongStatus(id())),
        (true, true) if !outside => faults.push(Fault::WrongStatus(id())),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Binds, Status};
    use super::*;
    use crate::vectors::Expectation;
    use mqtt5_codec::ProtocolVersion;

    /// A ledger without a fault: one check shows everything that is not obeyed outside.
    fn sound() -> Ledger {
        let statements = labels(ProtocolVersion::V5_0)
            .iter()
            .map(|&id| {
                let layer = statements(ProtocolVersion::V5_0)[id];
                let is_outside = layer == "transport";
                Statement {
                    id: id.to_owned(),
                    section: "1 Introduction".to_owned(),
                    binds: Binds::Both,
                    layer: *Layer::ALL
                        .iter()
                        .find(|candidate| candidate.to_string() == layer)
                        .expect("a layer"),
                    text: String::new(),
                    evidence: if is_outside {
                        vec![]
                    } else {
                        vec![Evidence::Test("check".to_owned())]
                    },
                    status: is_outside.then_some(Status::Outside),
                    owner: is_outside.then(|| "the host".to_owned()),
                    reason: is_outside.then(|| "It has the connections.".to_owned()),
                }
            })
            .collect();
        Ledger {
            version: ProtocolVersion::V5_0,
            statements,
        }
    }

    fn case(name: &str, statements: &[&str]) -> Case {
        Case {
            name: name.to_owned(),
            version: ProtocolVersion::V5_0,
            line: 1,
            statements: statements.iter().map(|&id| id.to_owned()).collect(),
            sender: None,
            bytes: vec![],
            expect: Expectation::Accept,
            offset: None,
            statement: None,
            reencodes: None,
            v5: None,
            answer: None,
            why: String::new(),
        }
    }

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// What is found in the ledger after somebody changed it.
    fn found(change: impl FnOnce(&mut Vec<Statement>)) -> Vec<Fault> {
        let mut ledger = sound();
        change(&mut ledger.statements);
        let cases = [case("about-first", &["MQTT-1.5.4-1"])];
        let trials = names(&["check", "not-run", "vector::about-first"]);
        let passed = names(&["check", "vector::about-first"]);
        faults(&ledger, &[&cases[0]], &trials, Some(&passed))
    }

    fn test(name: &str) -> Evidence {
        Evidence::Test(name.to_owned())
    }

    fn vector(name: &str) -> Evidence {
        Evidence::Vector(name.to_owned())
    }

    const FIRST: &str = "MQTT-1.5.4-1";
    const SECOND: &str = "MQTT-1.5.4-2";

    #[test]
    fn a_sound_ledger_has_no_faults() {
        assert_eq!(found(|_| {}), []);
    }

    #[test]
    fn a_missing_statement_is_found() {
        let expected = [
            Fault::Count(250, 251),
            Fault::MissingStatement(FIRST.into()),
        ];
        assert_eq!(found(|statements| drop(statements.remove(0))), expected);
    }

    #[test]
    fn a_duplicate_statement_is_found() {
        let expected = [
            Fault::Count(252, 251),
            Fault::DuplicateStatement(FIRST.into()),
        ];
        let duplicate =
            |statements: &mut Vec<Statement>| statements.insert(1, statements[0].clone());
        assert_eq!(found(duplicate), expected);
    }

    #[test]
    fn an_unknown_statement_is_found() {
        let expected = [
            Fault::UnknownStatement("MQTT-2.2.1-1".into()),
            Fault::MissingStatement(FIRST.into()),
        ];
        let rename = |statements: &mut Vec<Statement>| statements[0].id = "MQTT-2.2.1-1".into();
        assert_eq!(found(rename), expected);
    }

    #[test]
    fn a_statement_in_the_wrong_place_is_found() {
        let swap = |statements: &mut Vec<Statement>| statements.swap(0, 1);
        assert_eq!(found(swap), [Fault::OutOfOrder(FIRST.into())]);
    }

    #[test]
    fn an_unknown_section_is_found() {
        let change = |statements: &mut Vec<Statement>| statements[0].section = "1 Begin".into();
        assert_eq!(found(change), [Fault::UnknownSection(FIRST.into())]);
    }

    #[test]
    fn a_statement_that_was_moved_away_from_the_codec_is_found() {
        let change = |statements: &mut Vec<Statement>| statements[0].layer = Layer::Session;
        assert_eq!(found(change), [Fault::WrongLayer(FIRST.into())]);
    }

    #[test]
    fn a_statement_without_evidence_is_found() {
        for layer in [Layer::Codec, Layer::Session, Layer::Broker] {
            let mut expected = String::new();
            let change = |statements: &mut Vec<Statement>| {
                let one = of_layer(statements, layer);
                one.evidence.clear();
                expected.clone_from(&one.id);
            };
            assert_eq!(found(change), [Fault::NoEvidence(expected)]);
        }
    }

    fn of_layer(statements: &mut [Statement], layer: Layer) -> &mut Statement {
        let mut statements = statements.iter_mut();
        let found = statements.find(|statement| statement.layer == layer);
        found.expect("a statement")
    }

    #[test]
    fn what_is_obeyed_outside_needs_an_owner_and_a_reason() {
        let changes: [fn(&mut Statement); 5] = [
            |statement| statement.owner = None,
            |statement| statement.reason = None,
            |statement| statement.reason = Some(String::new()),
            |statement| statement.status = None,
            |statement| statement.evidence.push(test("check")),
        ];
        for change in changes {
            let id = "MQTT-4.2.0-1".to_owned();
            let change = |statements: &mut Vec<Statement>| {
                change(of_layer(statements, Layer::Transport));
            };
            assert_eq!(found(change), [Fault::WrongStatus(id)]);
        }
    }

    #[test]
    fn only_the_transport_is_outside() {
        let change = |statements: &mut Vec<Statement>| {
            let outside = of_layer(statements, Layer::Transport).clone();
            let broker = of_layer(statements, Layer::Broker);
            *broker = Statement {
                id: broker.id.clone(),
                layer: Layer::Broker,
                ..outside
            };
        };
        assert_eq!(found(change), [Fault::WrongStatus("MQTT-3.1.2-7".into())]);
    }

    #[test]
    fn evidence_that_does_not_exist_is_found() {
        for evidence in [test("nothing"), vector("nothing")] {
            let expected = [Fault::UnknownEvidence(FIRST.into(), evidence.clone())];
            assert_eq!(found(|all| all[0].evidence.push(evidence)), expected);
        }
    }

    #[test]
    fn evidence_that_did_not_run_is_found() {
        let expected = [Fault::EvidenceNotPassed(FIRST.into(), test("not-run"))];
        assert_eq!(found(|all| all[0].evidence.push(test("not-run"))), expected);
    }

    #[test]
    fn without_a_record_of_the_run_existence_is_enough() {
        let mut ledger = sound();
        ledger.statements[0].evidence.push(test("not-run"));
        let trials = names(&["check", "not-run"]);
        assert_eq!(faults(&ledger, &[], &trials, None), []);
    }

    #[test]
    fn a_vector_must_list_the_statement() {
        assert_eq!(found(|all| all[0].evidence.push(vector("about-first"))), []);
        let name = "about-first".to_owned();
        let expected = [Fault::VectorAboutSomethingElse(SECOND.into(), name)];
        assert_eq!(
            found(|all| all[1].evidence.push(vector("about-first"))),
            expected
        );
    }
}
