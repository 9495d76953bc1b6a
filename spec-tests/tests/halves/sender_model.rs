//! The sender half, as abstract as the standard is: a map from what has an identifier to its state.
//!
//! The model does not know which number an identifier has: a name stands for it, that of the message
//! or request.

use std::collections::BTreeMap;

use crate::{code, cover};

/// Stands for a message or request, and for the identifier that it has or will have.
pub(crate) type Name = u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Never sent: it has no identifier yet. The QoS.
    Waiting(u8),
    WaitPubAck,
    WaitPubRec,
    WaitPubComp,
    WaitSubAck,
}

/// What a peer may send; the byte is a Reason Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    PubAck(u8),
    PubRec(u8),
    PubComp(u8),
    SubAck(u8),
}

impl State {
    fn awaits(self) -> &'static str {
        match self {
            State::Waiting(_) => "nothing",
            State::WaitPubAck => "PUBACK",
            State::WaitPubRec => "PUBREC",
            State::WaitPubComp => "PUBCOMP",
            State::WaitSubAck => "SUBACK",
        }
    }

    /// An answer that this state waits for.
    pub(crate) fn lawful(self, answer: Answer) -> Answer {
        match (self, answer) {
            (State::WaitPubAck, Answer::PubRec(code)) => Answer::PubAck(code),
            (State::WaitPubRec, Answer::PubAck(code)) => Answer::PubRec(code),
            (State::WaitPubAck, Answer::PubComp(_) | Answer::SubAck(_)) => Answer::PubAck(0),
            (State::WaitPubRec, Answer::PubComp(_) | Answer::SubAck(_)) => Answer::PubRec(0),
            (State::WaitPubComp, Answer::PubAck(_) | Answer::SubAck(_)) => Answer::PubComp(0),
            (State::WaitSubAck, Answer::SubAck(_)) => answer,
            (State::WaitSubAck, _) => Answer::SubAck(1),
            _ => answer,
        }
    }
}

impl Answer {
    /// The outcome to which it leads.
    fn outcome(self) -> String {
        match self {
            Answer::PubAck(byte) => format!("puback{}", code(byte)),
            Answer::PubRec(byte) => format!("pubrec{}", code(byte)),
            Answer::PubComp(byte) => format!("pubcomp{}", code(byte)),
            Answer::SubAck(byte) => format!("suback [{}]", code(byte).trim_start()),
        }
    }

    /// The event of an acknowledgement for an identifier that is not in use.
    fn unknown(self) -> String {
        let name = match self {
            Answer::PubAck(_) => "PubAck",
            Answer::PubRec(_) => "PubRec",
            Answer::PubComp(_) => "PubComp",
            Answer::SubAck(_) => "SubAck",
        };
        format!("unknown {name} @?")
    }

    fn name(self) -> &'static str {
        match self {
            Answer::PubAck(_) => "PUBACK",
            Answer::PubRec(..0x80) => "PUBREC",
            Answer::PubRec(_) => "PUBREC error",
            Answer::PubComp(_) => "PUBCOMP",
            Answer::SubAck(_) => "SUBACK",
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) states: BTreeMap<Name, State>,
    /// What was sent on this connection.
    sent: Vec<Name>,
    /// In the order in which PUBREC came.
    released: Vec<Name>,
    pub(crate) online: bool,
    pub(crate) exists: bool,
    /// The peer's Receive Maximum, or this side's own limit if that is lower.
    quota: usize,
    pub(crate) names: Name,
    /// In the words of the conformance checks; `@` and a name stand for an identifier, `@?` for one that is not in use.
    pub(crate) said: Vec<String>,
}

impl Model {
    pub(crate) fn publish(&mut self, qos: u8) {
        self.names += 1;
        self.states.insert(self.names, State::Waiting(qos));
        self.send();
    }

    pub(crate) fn subscribe(&mut self) {
        self.names += 1;
        self.states.insert(self.names, State::WaitSubAck);
        self.said.push(format!("> SUBSCRIBE @{} a/#", self.names));
    }

    /// Section 4.9: a PUBLISH takes quota when it is sent on this connection; by section 3.3.4 what
    /// waits for PUBCOMP counts, too, wherever it was sent.
    fn used(&self) -> usize {
        let counts = |(name, state): (&Name, &State)| match state {
            State::WaitPubAck | State::WaitPubRec => self.sent.contains(name),
            State::WaitPubComp => true,
            _ => false,
        };
        self.states.iter().filter(|entry| counts(*entry)).count()
    }

    /// Sends what may be sent, in its order.
    fn send(&mut self) {
        if !self.online {
            return;
        }
        for name in self.released.clone() {
            if !self.sent.contains(&name) {
                self.sent.push(name);
                self.said.push(format!("> PUBREL @{name}"));
            }
        }
        for (name, state) in self.states.clone() {
            let (qos, dup, next) = match state {
                State::Waiting(0) => {
                    self.states.remove(&name);
                    self.said.push(format!("> PUBLISH q0 a \"{name}\""));
                    self.said.push(format!("t{name} Sent"));
                    continue;
                }
                State::Waiting(1) => (1, false, State::WaitPubAck),
                State::Waiting(_) => (2, false, State::WaitPubRec),
                State::WaitPubAck => (1, true, state),
                State::WaitPubRec => (2, true, state),
                State::WaitPubComp | State::WaitSubAck => continue,
            };
            if !self.sent.contains(&name) && self.used() < self.quota {
                self.states.insert(name, next);
                self.sent.push(name);
                let dup = if dup { " dup" } else { "" };
                self.said
                    .push(format!("> PUBLISH q{qos} @{name}{dup} a \"{name}\""));
            }
        }
    }

    /// An acknowledgement for this identifier; `None`: for one that is not in use.
    pub(crate) fn acknowledge(&mut self, name: Option<Name>, ack: Answer) {
        if !self.online {
            return; // There is nothing to read from.
        }
        let state = name.map(|name| (name, self.states[&name]));
        cover(
            state.map_or("free", |(_, state)| state.awaits()),
            ack.name(),
        );
        match (state, ack) {
            (None, _) => {
                if let Answer::PubRec(..0x80) = ack {
                    self.said
                        .push("> PUBREL @? PacketIdentifierNotFound".into());
                }
                self.said.push(ack.unknown());
            }
            (Some((name, State::WaitPubAck)), Answer::PubAck(_))
            | (Some((name, State::WaitPubRec | State::WaitPubComp)), Answer::PubRec(0x80..))
            | (Some((name, State::WaitPubComp)), Answer::PubComp(_))
            | (Some((name, State::WaitSubAck)), Answer::SubAck(_)) => {
                self.states.remove(&name);
                self.released.retain(|released| *released != name);
                self.said.push(format!("t{name} {}", ack.outcome()));
            }
            (Some((name, State::WaitPubRec)), Answer::PubRec(_)) => {
                self.states.insert(name, State::WaitPubComp);
                self.released.push(name);
                self.sent.retain(|sent| *sent != name);
            }
            (Some((name, State::WaitPubComp)), Answer::PubRec(_)) => {
                self.said.push(format!("> PUBREL @{name}"));
            }
            _ => {
                self.said.push("> DISCONNECT ProtocolError".into());
                self.lose();
            }
        }
        self.send();
    }

    pub(crate) fn lose(&mut self) {
        self.online = false;
        self.sent.clear();
        self.forget(|state| state == State::WaitSubAck);
    }

    fn forget(&mut self, which: impl Fn(State) -> bool) {
        let (lost, kept) = self.states.iter().partition(|(_, state)| which(**state));
        self.states = kept;
        let lost: BTreeMap<Name, State> = lost;
        let outcome = |name: &Name| format!("t{name} Indeterminate");
        self.said.extend(lost.keys().map(outcome));
    }

    fn discard(&mut self) {
        self.forget(|state| !matches!(state, State::Waiting(_)));
        self.released.clear();
        if std::mem::take(&mut self.exists) {
            self.said.push("session ended".into());
        }
    }

    pub(crate) fn connect(&mut self, clean_start: bool, session_present: bool, quota: usize) {
        self.lose();
        let clean_start = clean_start || !self.exists;
        let clean = if clean_start { " clean" } else { "" };
        self.said.push(format!(
            "> CONNECT \"c\"{clean} SessionExpiryInterval(4294967295)"
        ));
        if clean_start {
            self.discard();
        }
        if session_present && !self.exists {
            self.said.push("> DISCONNECT ProtocolError".into());
            return;
        }
        if !session_present {
            self.discard();
        }
        (self.online, self.exists, self.quota) = (true, true, quota);
        self.send();
    }
}
