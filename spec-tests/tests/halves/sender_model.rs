//! The sender half, as abstract as the standard is: a map from what has an identifier to its state.
//!
//! The model does not know which number an identifier has: a name stands for it, that of the message
//! or request.

use std::collections::BTreeMap;

use crate::cover;

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
}

impl Answer {
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

/// What the sender half does, on the wire or towards the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Said {
    Connect {
        clean_start: bool,
    },
    Publish {
        name: Name,
        qos: u8,
        dup: bool,
    },
    Publish0(Name),
    PubRel(Name),
    /// PUBREL with 0x92, for an identifier that is not in use.
    PubRelUnknown,
    Subscribe(Name),
    /// The end of a message or request by an acknowledgement; `None`: nobody knows.
    Outcome(Name, Option<Answer>),
    Sent(Name),
    Unknown,
    SessionEnded,
    /// DISCONNECT 0x82, and the end of the connection.
    ProtocolError,
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
    pub(crate) said: Vec<Said>,
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
        self.said.push(Said::Subscribe(self.names));
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
                self.said.push(Said::PubRel(name));
            }
        }
        for (name, state) in self.states.clone() {
            let (qos, dup, next) = match state {
                State::Waiting(0) => {
                    self.states.remove(&name);
                    self.said.extend([Said::Publish0(name), Said::Sent(name)]);
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
                self.said.push(Said::Publish { name, qos, dup });
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
            (None, Answer::PubRec(..0x80)) => {
                self.said.extend([Said::PubRelUnknown, Said::Unknown])
            }
            (None, _) => self.said.push(Said::Unknown),
            (Some((name, State::WaitPubAck)), Answer::PubAck(_))
            | (Some((name, State::WaitPubRec | State::WaitPubComp)), Answer::PubRec(0x80..))
            | (Some((name, State::WaitPubComp)), Answer::PubComp(_))
            | (Some((name, State::WaitSubAck)), Answer::SubAck(_)) => {
                self.states.remove(&name);
                self.released.retain(|released| *released != name);
                self.said.push(Said::Outcome(name, Some(ack)));
            }
            (Some((name, State::WaitPubRec)), Answer::PubRec(_)) => {
                self.states.insert(name, State::WaitPubComp);
                self.released.push(name);
                self.sent.retain(|sent| *sent != name);
            }
            (Some((name, State::WaitPubComp)), Answer::PubRec(_)) => {
                self.said.push(Said::PubRel(name))
            }
            _ => {
                self.said.push(Said::ProtocolError);
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
        self.said
            .extend(lost.keys().map(|name| Said::Outcome(*name, None)));
    }

    fn discard(&mut self) {
        self.forget(|state| !matches!(state, State::Waiting(_)));
        self.released.clear();
        if std::mem::take(&mut self.exists) {
            self.said.push(Said::SessionEnded);
        }
    }

    pub(crate) fn connect(&mut self, clean_start: bool, session_present: bool, quota: usize) {
        self.lose();
        let clean_start = clean_start || !self.exists;
        self.said.push(Said::Connect { clean_start });
        if clean_start {
            self.discard();
        }
        if session_present && !self.exists {
            self.said.push(Said::ProtocolError);
            return;
        }
        if !session_present {
            self.discard();
        }
        (self.online, self.exists, self.quota) = (true, true, quota);
        self.send();
    }
}
