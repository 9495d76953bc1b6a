//! The transition tables of both halves as documents: `tables/*.snap` for reading, `tables/*.dot` for
//! graphviz; and whether they are what the standard says.
//!
//! `INSTA_UPDATE=always cargo test -p mqtt5-spec-tests --test tables` writes them anew.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};

use mqtt5_session_fsm::table::{
    ReceiverAction, ReceiverEvent, ReceiverState, SenderAction, SenderEvent, SenderState,
};
use mqtt5_spec_tests::path_of;

/// One half: its states, its events, and what `on` says to each pair of them.
struct Half<S: 'static, E: 'static, A> {
    name: &'static str,
    states: &'static [S],
    events: &'static [E],
    on: fn(S, E) -> (S, A),
}

const SENDER: Half<SenderState, SenderEvent, SenderAction> = Half {
    name: "sender",
    states: SenderState::ALL,
    events: SenderEvent::ALL,
    on: |state, event| state.on(event),
};

const RECEIVER: Half<ReceiverState, ReceiverEvent, ReceiverAction> = Half {
    name: "receiver",
    states: ReceiverState::ALL,
    events: ReceiverEvent::ALL,
    on: |state, event| state.on(event),
};

/// What is in no picture: nothing happens, or it cannot happen.
const SILENT: [&str; 2] = ["Nothing", "Never"];
/// The peer broke the protocol, and the Network Connection ends.
const FATAL: [&str; 2] = ["WrongKind", "TooEarly"];

impl<S: Copy + Debug + PartialEq, E: Copy + Debug, A: Debug> Half<S, E, A> {
    /// A row for each event, a column for each state.
    fn matrix(&self) -> String {
        let mut rows = vec![vec![String::from("event")]];
        rows[0].extend(self.states.iter().map(|state| format!("{state:?}")));
        for &event in self.events {
            let mut row = vec![format!("{event:?}")];
            for &state in self.states {
                row.push(match (self.on)(state, event) {
                    (next, action) if next == state => format!("{action:?}"),
                    (next, action) => format!("{action:?} -> {next:?}"),
                });
            }
            rows.push(row);
        }
        let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=self.states.len()).map(width).collect();
        let mut text = String::new();
        for (index, row) in rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                write!(text, "| {cell:<width$} ").expect("strings take all");
            }
            text.push_str("|\n");
            if index == 0 {
                for width in &widths {
                    write!(text, "| {} ", "-".repeat(*width)).expect("strings take all");
                }
                text.push_str("|\n");
            }
        }
        text
    }

    /// A graph: events that lead the same way with the same action share an arrow.
    fn dot(&self) -> String {
        let mut text = format!(
            "// Written by `INSTA_UPDATE=always cargo test -p mqtt5-spec-tests --test tables`.\n\
             digraph {} {{\n    rankdir = LR;\n    node [shape = box, style = rounded];\n",
            self.name
        );
        for state in self.states {
            writeln!(text, "    {state:?};").expect("strings take all");
        }
        for &state in self.states {
            let mut arrows: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
            for &event in self.events {
                let (next, action) = (self.on)(state, event);
                let action = format!("{action:?}");
                if !(SILENT.contains(&&*action) && next == state) {
                    let arrow = arrows.entry((format!("{next:?}"), action)).or_default();
                    arrow.push(format!("{event:?}"));
                }
            }
            for ((next, action), events) in arrows {
                let label = format!("{} / {action}", events.join(", "));
                let style = if FATAL.contains(&&*action) {
                    ", style = dashed"
                } else {
                    ""
                };
                writeln!(
                    text,
                    "    {state:?} -> {next} [label = \"{label}\"{style}];"
                )
                .expect("strings take all");
            }
        }
        text.push_str("}\n");
        text
    }

    fn check(&self) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("../tables");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(self.name, self.matrix()));

        let path = path_of(&format!("tables/{}.dot", self.name));
        let dot = self.dot();
        if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
            std::fs::write(&path, &dot).expect("the graph can be written");
        }
        let stored = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(stored, dot, "{} is of another table", path.display());
    }
}

#[test]
fn sender_table() {
    SENDER.check();
}

#[test]
fn receiver_table() {
    RECEIVER.check();
}

/// Each cell is compared with what the standard's state tables say, written by hand from
/// section 4.3 and where it says nothing from the sections given.
fn compare<S, E, A>(half: &Half<S, E, A>, expected: &[(S, E, S, A, &str)])
where
    S: Copy + Debug + PartialEq,
    E: Copy + Debug + PartialEq,
    A: Copy + Debug + PartialEq,
{
    assert_eq!(expected.len(), half.states.len() * half.events.len());
    for &state in half.states {
        for &event in half.events {
            let mut of_cell = expected
                .iter()
                .filter(|expected| expected.0 == state && expected.1 == event);
            let Some(&(.., next, action, why)) = of_cell.next() else {
                panic!("nothing is expected of {state:?} at {event:?}");
            };
            assert!(of_cell.next().is_none(), "{state:?}, {event:?}: twice");
            let actual = (half.on)(state, event);
            assert_eq!(actual, (next, action), "{state:?}, {event:?}: {why}");
        }
    }
}

#[test]
fn sender_is_as_the_standard_says() {
    use SenderAction as Do;
    use SenderEvent as On;
    use SenderState::{Free, WaitPubAck, WaitPubComp, WaitPubRec};
    // Rows that mean the same at every state in use.
    const UNIQUE: &str = "2.2.1: an identifier in use is not given to another message";
    const SAME: &str =
        "4.4: unacknowledged PUBLISH and PUBREL are sent again with their identifiers";
    const DISCARDED: &str =
        "3.1.2.4, 3.2.2.1.1: the Session is discarded, and the identifiers with it";
    const KIND: &str = "2.2.1, 4.3: an acknowledgement of the wrong kind is a Protocol Error";
    const UNKNOWN: &str = "an unknown identifier does no harm";
    compare(
        &SENDER,
        &[
            (
                Free,
                On::PublishQos1,
                WaitPubAck,
                Do::Publish,
                "4.3.2: PUBLISH with DUP 0",
            ),
            (
                Free,
                On::PublishQos2,
                WaitPubRec,
                Do::Publish,
                "4.3.3: PUBLISH with DUP 0",
            ),
            (Free, On::PubAck, Free, Do::Report, UNKNOWN),
            (
                Free,
                On::PubRec,
                Free,
                Do::ReleaseUnknown,
                "3.6.2.1: PUBREL with 0x92",
            ),
            (
                Free,
                On::PubRecError,
                Free,
                Do::Report,
                "4.3.3: no PUBREL after an error; unknown",
            ),
            (Free, On::PubComp, Free, Do::Report, UNKNOWN),
            (Free, On::Resume, Free, Do::Nothing, "nothing to send again"),
            (Free, On::Discard, Free, Do::Nothing, "nothing to discard"),
            (WaitPubAck, On::PublishQos1, WaitPubAck, Do::Never, UNIQUE),
            (WaitPubAck, On::PublishQos2, WaitPubAck, Do::Never, UNIQUE),
            (
                WaitPubAck,
                On::PubAck,
                Free,
                Do::Finish,
                "4.3.2: any code ends it; quota +1",
            ),
            (WaitPubAck, On::PubRec, WaitPubAck, Do::WrongKind, KIND),
            (WaitPubAck, On::PubRecError, WaitPubAck, Do::WrongKind, KIND),
            (WaitPubAck, On::PubComp, WaitPubAck, Do::WrongKind, KIND),
            (WaitPubAck, On::Resume, WaitPubAck, Do::PublishAgain, SAME),
            (WaitPubAck, On::Discard, Free, Do::Lose, DISCARDED),
            (WaitPubRec, On::PublishQos1, WaitPubRec, Do::Never, UNIQUE),
            (WaitPubRec, On::PublishQos2, WaitPubRec, Do::Never, UNIQUE),
            (WaitPubRec, On::PubAck, WaitPubRec, Do::WrongKind, KIND),
            (
                WaitPubRec,
                On::PubRec,
                WaitPubComp,
                Do::Release,
                "4.3.3: PUBREL",
            ),
            (
                WaitPubRec,
                On::PubRecError,
                Free,
                Do::Finish,
                "4.3.3, 4.9: the end; quota +1",
            ),
            (WaitPubRec, On::PubComp, WaitPubRec, Do::WrongKind, KIND),
            (WaitPubRec, On::Resume, WaitPubRec, Do::PublishAgain, SAME),
            (WaitPubRec, On::Discard, Free, Do::Lose, DISCARDED),
            (WaitPubComp, On::PublishQos1, WaitPubComp, Do::Never, UNIQUE),
            (WaitPubComp, On::PublishQos2, WaitPubComp, Do::Never, UNIQUE),
            (WaitPubComp, On::PubAck, WaitPubComp, Do::WrongKind, KIND),
            (
                WaitPubComp,
                On::PubRec,
                WaitPubComp,
                Do::ReleaseAgain,
                "4.3.3: PUBREL",
            ),
            (
                WaitPubComp,
                On::PubRecError,
                Free,
                Do::Finish,
                "4.3.3: taken for the end",
            ),
            (
                WaitPubComp,
                On::PubComp,
                Free,
                Do::Finish,
                "4.3.3: any code ends it; quota +1",
            ),
            (WaitPubComp, On::Resume, WaitPubComp, Do::ReleaseAgain, SAME),
            (WaitPubComp, On::Discard, Free, Do::Lose, DISCARDED),
        ],
    );
}

#[test]
fn receiver_is_as_the_standard_says() {
    use ReceiverAction as Do;
    use ReceiverEvent as On;
    use ReceiverState::{Deciding1, Deciding2, Free, WaitPubRel};
    // The standard's tables have no state between PUBLISH and the decision: for them, what comes
    // after both is what counts.
    const IN_USE: &str = "2.2.1, 3.4.2.1, 3.5.2.1: 0x91 for an identifier in another exchange";
    const DISCARDED: &str = "3.1.2.4: the Session is discarded";
    const LATE: &str = "nothing is to be decided";
    const ONCE: &str = "4.3.2, 4.3.3: not delivered again before it is acknowledged";
    const NOTHING: &str = "4.4: the sender sends again, not the receiver";
    compare(
        &RECEIVER,
        &[
            (
                Free,
                On::PublishQos1,
                Deciding1,
                Do::Deliver,
                "4.3.2: whatever DUP says",
            ),
            (
                Free,
                On::PublishQos2,
                Deciding2,
                Do::Deliver,
                "4.3.3: whatever DUP says",
            ),
            (Free, On::Accept, Free, Do::Late, LATE),
            (Free, On::Refuse, Free, Do::Late, LATE),
            (
                Free,
                On::PubRel,
                Free,
                Do::PubCompUnknown,
                "3.7.2.1: PUBCOMP with 0x92",
            ),
            (Free, On::Resume, Free, Do::Nothing, NOTHING),
            (Free, On::Discard, Free, Do::Nothing, DISCARDED),
            (Deciding1, On::PublishQos1, Deciding1, Do::Await, ONCE),
            (Deciding1, On::PublishQos2, Deciding1, Do::InUse, IN_USE),
            (
                Deciding1,
                On::Accept,
                Free,
                Do::PubAck,
                "4.3.2: then it is a new message",
            ),
            (
                Deciding1,
                On::Refuse,
                Free,
                Do::PubAck,
                "4.3.2: PUBACK of 0x80 or above",
            ),
            (
                Deciding1,
                On::PubRel,
                Deciding1,
                Do::PubCompUnknown,
                "3.7.2.1: no QoS 2 exchange",
            ),
            (
                Deciding1,
                On::Resume,
                Free,
                Do::Nothing,
                "4.1: not Session State",
            ),
            (Deciding1, On::Discard, Free, Do::Nothing, DISCARDED),
            (Deciding2, On::PublishQos1, Deciding2, Do::InUse, IN_USE),
            (Deciding2, On::PublishQos2, Deciding2, Do::Await, ONCE),
            (
                Deciding2,
                On::Accept,
                WaitPubRel,
                Do::PubRec,
                "4.3.3: PUBREC below 0x80",
            ),
            (
                Deciding2,
                On::Refuse,
                Free,
                Do::PubRec,
                "4.3.3: PUBREC of 0x80 or above; not stored",
            ),
            (
                Deciding2,
                On::PubRel,
                Deciding2,
                Do::TooEarly,
                "4.3.3: PUBREL follows PUBREC",
            ),
            (Deciding2, On::Resume, Deciding2, Do::Nothing, NOTHING),
            (Deciding2, On::Discard, Free, Do::Nothing, DISCARDED),
            (WaitPubRel, On::PublishQos1, WaitPubRel, Do::InUse, IN_USE),
            (
                WaitPubRel,
                On::PublishQos2,
                WaitPubRel,
                Do::PubRecAgain,
                "4.3.3: no second delivery",
            ),
            (WaitPubRel, On::Accept, WaitPubRel, Do::Late, LATE),
            (WaitPubRel, On::Refuse, WaitPubRel, Do::Late, LATE),
            (
                WaitPubRel,
                On::PubRel,
                Free,
                Do::PubComp,
                "4.3.3: PUBCOMP with 0x00",
            ),
            (WaitPubRel, On::Resume, WaitPubRel, Do::Nothing, NOTHING),
            (WaitPubRel, On::Discard, Free, Do::Nothing, DISCARDED),
        ],
    );
}
