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

/// Some states, an event, the state afterwards (`None`: the same), the action, and where that is said.
type Row<S, E, A> = (&'static [S], E, Option<S>, A, &'static str);

/// Each cell is compared with what the standard says, written by hand from section 4.3 and, where it says nothing, from
/// the sections given.
fn compare<S, E, A>(half: &Half<S, E, A>, expected: &[Row<S, E, A>])
where
    S: Copy + Debug + PartialEq,
    E: Copy + Debug + PartialEq,
    A: Copy + Debug + PartialEq,
{
    for &state in half.states {
        for &event in half.events {
            let mut of_cell = expected
                .iter()
                .filter(|expected| expected.0.contains(&state) && expected.1 == event);
            let Some(&(.., next, action, why)) = of_cell.next() else {
                panic!("nothing is expected of {state:?} at {event:?}");
            };
            assert!(of_cell.next().is_none(), "{state:?}, {event:?}: twice");
            let actual = (half.on)(state, event);
            let next = next.unwrap_or(state);
            assert_eq!(actual, (next, action), "{state:?}, {event:?}: {why}");
        }
    }
}

const UNIQUE: &str = "2.2.1: an identifier in use is not given away";
const KIND: &str = "2.2.1, 4.3: an acknowledgement of the wrong kind is a Protocol Error";
const UNKNOWN: &str = "an identifier that the peer cannot know does no harm";
const DISCARDED: &str = "3.1.2.4, 3.2.2.1.1: the Session is discarded, and the identifiers with it";

#[test]
#[rustfmt::skip]
fn sender_is_as_the_standard_says() {
    use SenderAction as Do;
    use SenderEvent as On;
    use SenderState::{
        Free, Lost, Unsent1, Unsent2, WaitPubAck, WaitPubComp, WaitPubRec, WaitSubAck,
        WaitUnsubAck,
    };
    // What the peer has heard nothing of.
    const UNHEARD: &[SenderState] = &[Free, Unsent1, Unsent2, Lost];
    const USED: &[SenderState] = &[
        Unsent1, Unsent2, WaitPubAck, WaitPubRec, WaitPubComp, Lost, WaitSubAck, WaitUnsubAck,
    ];
    const SAME: &str = "4.4: unacknowledged PUBLISH and PUBREL are sent again with their identifiers";
    const NEVER_SENT: &str = "4.3: without a PUBLISH no exchange began";
    const STAYS: &str = "4.3.2, 4.3.3: what is unacknowledged stays so";
    compare(
        &SENDER,
        &[
            (&[Free], On::PublishQos1, Some(Unsent1), Do::Publish, "4.3.2: PUBLISH with DUP 0"),
            (USED, On::PublishQos1, None, Do::Never, UNIQUE),
            (&[Free], On::PublishQos2, Some(Unsent2), Do::Publish, "4.3.3: PUBLISH with DUP 0"),
            (USED, On::PublishQos2, None, Do::Never, UNIQUE),
            (&[Free], On::Subscribe, Some(WaitSubAck), Do::Ask, "3.8.2: SUBSCRIBE has an identifier"),
            (USED, On::Subscribe, None, Do::Never, UNIQUE),
            (&[Free], On::Unsubscribe, Some(WaitUnsubAck), Do::Ask, "3.10.2: so has UNSUBSCRIBE"),
            (USED, On::Unsubscribe, None, Do::Never, UNIQUE),
            (&[Unsent1], On::Written, Some(WaitPubAck), Do::Nothing, "4.3.2: unacknowledged from now on"),
            (&[Unsent2], On::Written, Some(WaitPubRec), Do::Nothing, "4.3.3: unacknowledged from now on"),
            (&[WaitPubAck, WaitPubRec], On::Written, None, Do::Nothing, SAME),
            (&[Free, WaitPubComp, Lost, WaitSubAck, WaitUnsubAck], On::Written, None, Do::Never, "4.3.3: no PUBLISH after PUBREC"),
            (&[WaitPubAck], On::PubAck, Some(Free), Do::Finish, "4.3.2: any code ends it; quota +1"),
            (&[WaitPubRec, WaitPubComp, WaitSubAck, WaitUnsubAck], On::PubAck, None, Do::WrongKind, KIND),
            (UNHEARD, On::PubAck, None, Do::Report, UNKNOWN),
            (&[WaitPubRec], On::PubRec, Some(WaitPubComp), Do::Release, "4.3.3: PUBREL"),
            (&[WaitPubComp], On::PubRec, None, Do::ReleaseAgain, "4.3.3: PUBREL"),
            (&[WaitPubAck, WaitSubAck, WaitUnsubAck], On::PubRec, None, Do::WrongKind, KIND),
            (UNHEARD, On::PubRec, None, Do::ReleaseUnknown, "3.6.2.1: PUBREL with 0x92"),
            (&[WaitPubRec], On::PubRecError, Some(Free), Do::Finish, "4.3.3, 4.9: the end; quota +1"),
            (&[WaitPubComp], On::PubRecError, Some(Free), Do::Finish, "4.3.3: taken for the end"),
            (&[WaitPubAck, WaitSubAck, WaitUnsubAck], On::PubRecError, None, Do::WrongKind, KIND),
            (UNHEARD, On::PubRecError, None, Do::Report, "4.3.3: no PUBREL after an error; unknown"),
            (&[WaitPubComp], On::PubComp, Some(Free), Do::Finish, "4.3.3: any code ends it; quota +1"),
            (&[WaitPubAck, WaitPubRec, WaitSubAck, WaitUnsubAck], On::PubComp, None, Do::WrongKind, KIND),
            (UNHEARD, On::PubComp, None, Do::Report, UNKNOWN),
            (&[WaitSubAck], On::SubAck, Some(Free), Do::Finish, "3.8.4: the answer to SUBSCRIBE"),
            (&[WaitPubAck, WaitPubRec, WaitPubComp, WaitUnsubAck], On::SubAck, None, Do::WrongKind, KIND),
            (UNHEARD, On::SubAck, None, Do::Report, UNKNOWN),
            (&[WaitUnsubAck], On::UnsubAck, Some(Free), Do::Finish, "3.10.4: the answer to UNSUBSCRIBE"),
            (&[WaitPubAck, WaitPubRec, WaitPubComp, WaitSubAck], On::UnsubAck, None, Do::WrongKind, KIND),
            (UNHEARD, On::UnsubAck, None, Do::Report, UNKNOWN),
            (&[Unsent1, Unsent2], On::Forbidden, Some(Free), Do::TakeBack, "3.1.2.11.4: not sent, as if it was completed"),
            (&[WaitPubAck], On::Forbidden, Some(Free), Do::Lose, "3.1.2.11.4: not sent, as if it was completed; the peer may have it"),
            (&[WaitPubRec], On::Forbidden, Some(Lost), Do::Lose, "4.3.3: the peer may have it, and takes the identifier for it"),
            (&[Free, WaitPubComp, Lost, WaitSubAck, WaitUnsubAck], On::Forbidden, None, Do::Never, "there is no PUBLISH to send"),
            (&[Unsent1, Unsent2, WaitSubAck, WaitUnsubAck], On::Withdrawn, Some(Free), Do::TakeBack, NEVER_SENT),
            (&[WaitPubAck, WaitPubRec, WaitPubComp], On::Withdrawn, None, Do::TooLate, "4.3.3: once sent, it goes on"),
            (&[Free, Lost], On::Withdrawn, None, Do::Never, "there is nothing to withdraw"),
            (&[WaitSubAck, WaitUnsubAck], On::ConnectionEnded, Some(Free), Do::Lose, "4.1: not Session State"),
            (&[Free, Unsent1, Unsent2, WaitPubAck, WaitPubRec, WaitPubComp, Lost], On::ConnectionEnded, None, Do::Nothing, STAYS),
            (&[Unsent1, Unsent2], On::Resume, None, Do::Publish, "4.3.2: DUP 0 the first time"),
            (&[WaitPubAck, WaitPubRec], On::Resume, None, Do::PublishAgain, SAME),
            (&[WaitPubComp], On::Resume, None, Do::ReleaseAgain, SAME),
            (&[Free, Lost], On::Resume, None, Do::Nothing, "nothing to send again"),
            (&[WaitSubAck, WaitUnsubAck], On::Resume, None, Do::Never, "4.1: not Session State"),
            (&[Unsent1, Unsent2], On::Discard, Some(Free), Do::TakeBack, NEVER_SENT),
            (&[WaitPubAck, WaitPubRec, WaitPubComp, WaitSubAck, WaitUnsubAck], On::Discard, Some(Free), Do::Lose, DISCARDED),
            (&[Free, Lost], On::Discard, Some(Free), Do::Nothing, DISCARDED),
            (&[WaitPubAck, WaitPubRec, WaitPubComp], On::Finished, Some(Free), Do::Finish, "4.1: what was stored last"),
            (&[Free, Unsent1, Unsent2, Lost, WaitSubAck, WaitUnsubAck], On::Finished, None, Do::Never, "4.1: a PUBLISH that is stored counts as written"),
        ],
    );
}

#[test]
#[rustfmt::skip]
fn receiver_is_as_the_standard_says() {
    use ReceiverAction as Do;
    use ReceiverEvent as On;
    use ReceiverState::{Asked, Deciding1, Deciding2, Free, Repeating, WaitPubRel};
    // The standard's tables have no state between PUBLISH and the decision: for them, what comes
    // after both is what counts.
    const IN_USE: &str = "2.2.1, 3.4.2.1, 3.5.2.1, 3.9.3: 0x91 for an identifier in another exchange";
    const UNDECIDED: &str = "nothing is to be decided";
    const ONCE: &str = "4.3.2, 4.3.3: not delivered again before it is acknowledged";
    const NOTHING: &str = "4.4: the sender sends again, not the receiver";
    compare(
        &RECEIVER,
        &[
            (&[Free], On::PublishQos1, Some(Deciding1), Do::Deliver, "4.3.2: whatever DUP says"),
            (&[Deciding1], On::PublishQos1, None, Do::Await, ONCE),
            (&[Deciding2, WaitPubRel, Repeating, Asked], On::PublishQos1, None, Do::InUse, IN_USE),
            (&[Free], On::PublishQos2, Some(Deciding2), Do::Deliver, "4.3.3: whatever DUP says"),
            (&[Deciding2, Repeating], On::PublishQos2, None, Do::Await, ONCE),
            (&[WaitPubRel], On::PublishQos2, Some(Repeating), Do::Repeat, "4.3.3, 4.6: PUBREC again in its turn, no second delivery"),
            (&[Deciding1, Asked], On::PublishQos2, None, Do::InUse, IN_USE),
            (&[Deciding1], On::Accept, Some(Free), Do::PubAck, "4.3.2: then it is a new message"),
            (&[Deciding2], On::Accept, Some(WaitPubRel), Do::PubRec, "4.3.3: PUBREC below 0x80"),
            (&[Free, WaitPubRel, Repeating, Asked], On::Accept, None, Do::Never, UNDECIDED),
            (&[Deciding1], On::Refuse, Some(Free), Do::PubAck, "4.3.2: PUBACK of 0x80 or above"),
            (&[Deciding2], On::Refuse, Some(Free), Do::PubRec, "4.3.3: PUBREC of 0x80 or above; not stored"),
            (&[Free, WaitPubRel, Repeating, Asked], On::Refuse, None, Do::Never, UNDECIDED),
            (&[Repeating], On::InTurn, Some(WaitPubRel), Do::PubRecAgain, "4.3.3, 4.6"),
            (&[Free, Deciding1, Deciding2, WaitPubRel, Asked], On::InTurn, None, Do::Nothing, "4.3.3: released in the meantime"),
            (&[WaitPubRel, Repeating], On::PubRel, Some(Free), Do::PubComp, "4.3.3: PUBCOMP with 0x00"),
            (&[Deciding2], On::PubRel, None, Do::TooEarly, "4.3.3: PUBREL follows PUBREC"),
            (&[Free, Deciding1, Asked], On::PubRel, None, Do::PubCompUnknown, "3.7.2.1: PUBCOMP with 0x92"),
            (&[Deciding2], On::PubRelLater, Some(Free), Do::PubComp,
                "3.1.1, 3.2.2.2: a Client that has lost its Session may go on with the Server's; 4.3.3: what it releases is forgotten"),
            (&[Free, Deciding1, WaitPubRel, Repeating, Asked], On::PubRelLater, None, Do::Never,
                "it undoes a Protocol Error, which is none there"),
                (&[Free], On::Request, Some(Asked), Do::Deliver, "3.8.4, 3.10.4"),
            (&[Deciding1, Deciding2, WaitPubRel, Asked], On::Request, None, Do::InUse, IN_USE),
            (&[Repeating], On::Request, None, Do::Never, "4.6: the PUBREC of a Client waits for its turn, and a Client gets no requests"),
            (&[Asked], On::Answer, Some(Free), Do::Nothing, "3.8.4, 3.10.4: the answer ends it"),
            (&[Free, Deciding1, Deciding2, WaitPubRel, Repeating], On::Answer, None, Do::Never, "there is no request"),
            (&[Deciding1, Asked], On::ConnectionEnded, Some(Free), Do::Nothing, "4.1: not Session State"),
            (&[Repeating], On::ConnectionEnded, Some(WaitPubRel), Do::Nothing, NOTHING),
            (&[Free, Deciding2, WaitPubRel], On::ConnectionEnded, None, Do::Nothing, NOTHING),
            (&[Free, Deciding2, WaitPubRel], On::Discard, Some(Free), Do::Nothing, DISCARDED),
            (&[Deciding1, Repeating, Asked], On::Discard, None, Do::Never, "its Network Connection ended before"),
        ],
    );
}
