//! The receiver half, as abstract as the standard is: a map from the peer's identifiers to their states.
//! The standard's tables have no state between a PUBLISH and the decision about it; here there is one,
//! for an application that takes its time.

use std::collections::{BTreeMap, BTreeSet};

use crate::{code, cover};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Delivered, and neither accepted nor refused; the QoS.
    Deciding(u8),
    WaitPubRel,
    /// A SUBSCRIBE that is not answered yet.
    Request,
}

/// A message that was delivered, and what the application decided about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owed {
    number: usize,
    identifier: u16,
    qos: u8,
    code: Option<u8>,
    /// When its PUBLISH came on this connection; 0 if it did not.
    due: usize,
    /// It was accepted before; only the PUBREC is owed, in its turn.
    again: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) states: BTreeMap<u16, State>,
    /// Identifiers that count against the Receive Maximum on this connection.
    pub(crate) counted: BTreeSet<u16>,
    pub(crate) receive_maximum: usize,
    pub(crate) manual: bool,
    /// A Client: its acknowledgements leave in the order of the PUBLISH packets.
    pub(crate) in_order: bool,
    pub(crate) owed: Vec<Owed>,
    /// Messages that were ever delivered, and PUBLISH packets that ever came.
    pub(crate) delivered: usize,
    pub(crate) came: usize,
    pub(crate) online: bool,
    pub(crate) exists: bool,
    /// In the words of the conformance checks.
    pub(crate) said: Vec<String>,
}

impl Model {
    /// A PUBLISH; DUP means nothing.
    pub(crate) fn publish(&mut self, identifier: u16, qos: u8) {
        if !self.online {
            return;
        }
        self.cover(identifier, if qos == 1 { "PUBLISH 1" } else { "PUBLISH 2" });
        let state = self.states.get(&identifier).copied();
        let other = match state {
            None => false,
            Some(State::Deciding(of)) => of != qos,
            Some(State::WaitPubRel) => qos != 2,
            Some(State::Request) => true,
        };
        if (other || !self.counted.contains(&identifier))
            && self.counted.len() >= self.receive_maximum
        {
            return self.fail(0x93);
        }
        if other {
            return self.say(identifier, qos, 0x91);
        }
        self.counted.insert(identifier);
        self.came += 1;
        match state {
            Some(State::WaitPubRel) => {
                let mut owed = self.owed.iter();
                if !owed.any(|owed| owed.identifier == identifier) {
                    let due = self.came;
                    self.owe(identifier, qos, Some(0), due, true);
                }
            }
            Some(_) => {
                let mut owed = self.owed.iter_mut();
                let again = owed.find(|owed| owed.identifier == identifier && owed.due == 0);
                if let Some(owed) = again {
                    owed.due = self.came;
                }
            }
            None => {
                let receipt = if self.manual { " receipt" } else { "" };
                self.said
                    .push(format!("message q{qos} a \"{identifier}\"{receipt}"));
                self.states.insert(identifier, State::Deciding(qos));
                let code = (!self.manual).then_some(0);
                self.owe(identifier, qos, code, self.came, false);
                self.delivered += 1;
            }
        }
        self.answer();
    }

    fn owe(&mut self, identifier: u16, qos: u8, code: Option<u8>, due: usize, again: bool) {
        self.owed.push(Owed {
            number: self.delivered,
            identifier,
            qos,
            code,
            due,
            again,
        });
    }

    /// Notes what happens to an identifier.
    fn cover(&self, identifier: u16, event: &'static str) {
        let state = match self.states.get(&identifier) {
            None => "free",
            Some(State::Deciding(1)) => "deciding 1",
            Some(State::Deciding(_)) => "deciding 2",
            Some(State::WaitPubRel) => "PUBREL",
            Some(State::Request) => "request",
        };
        cover(state, event);
    }

    fn say(&mut self, identifier: u16, qos: u8, byte: u8) {
        let name = if qos == 1 { "PUBACK" } else { "PUBREC" };
        self.said
            .push(format!("> {name} #{identifier}{}", code(byte)));
    }

    /// The acknowledgements whose turn it is: those of a Client in the order in which PUBLISH came (section 4.6).
    fn answer(&mut self) {
        for qos in [1, 2] {
            loop {
                let due = self.owed.iter().filter(|owed| {
                    owed.qos == qos && owed.due > 0 && (self.in_order || owed.code.is_some())
                });
                let Some(&Owed {
                    identifier,
                    code: Some(code),
                    due,
                    again,
                    ..
                }) = due.min_by_key(|owed| owed.due)
                else {
                    break;
                };
                self.owed.retain(|owed| owed.due != due);
                self.say(identifier, qos, code);
                if again {
                    continue;
                }
                if qos == 2 && code < 0x80 {
                    self.states.insert(identifier, State::WaitPubRel);
                } else {
                    self.states.remove(&identifier);
                    self.counted.remove(&identifier);
                }
            }
        }
    }

    /// The application decides about the message that was delivered as this one.
    pub(crate) fn decide(&mut self, number: usize, code: u8) {
        let mut owed = self.owed.iter_mut();
        match owed.find(|owed| owed.number == number && owed.code.is_none()) {
            Some(owed) => owed.code = Some(code),
            None => self.said.push("stale".into()),
        }
        if self.online {
            self.answer();
        }
    }

    pub(crate) fn release(&mut self, identifier: u16) {
        if !self.online {
            return;
        }
        self.cover(identifier, "PUBREL");
        match self.states.get(&identifier) {
            Some(State::WaitPubRel) => {
                // What was owed for it is owed no more.
                self.owed.retain(|owed| owed.identifier != identifier);
                self.states.remove(&identifier);
                self.counted.remove(&identifier);
                self.said.push(format!("> PUBCOMP #{identifier}"));
            }
            // Its PUBLISH came on an earlier connection: the Client has lost the Session, and releases what a Server may
            // hold (3.1.1, 3.2.2.2). What the application decides does not matter any more.
            Some(State::Deciding(2)) if !self.in_order && !self.counted.contains(&identifier) => {
                self.owed.retain(|owed| owed.identifier != identifier);
                self.states.remove(&identifier);
                self.said.push(format!("> PUBCOMP #{identifier}"));
            }
            Some(State::Deciding(2)) => self.fail(0x82),
            _ => self.said.extend([
                format!("> PUBCOMP #{identifier} PacketIdentifierNotFound"),
                format!("unknown PubRel #{identifier}"),
            ]),
        }
    }

    pub(crate) fn subscribe(&mut self, identifier: u16) {
        if !self.online {
            return;
        }
        self.cover(identifier, "SUBSCRIBE");
        let mut said = format!("> SUBACK #{identifier} [PacketIdentifierInUse]");
        self.states.entry(identifier).or_insert_with(|| {
            said = format!("subscribe #{identifier} a/#");
            State::Request
        });
        self.said.push(said);
    }

    pub(crate) fn answer_subscribe(&mut self, identifier: u16) {
        self.states.remove(&identifier);
        self.said.push(format!("> SUBACK #{identifier} [Success]"));
    }

    fn fail(&mut self, byte: u8) {
        self.said.push(format!("> DISCONNECT{}", code(byte)));
        self.lose();
    }

    /// What is not Session State goes: QoS 1, and requests.
    pub(crate) fn lose(&mut self) {
        for identifier in 1..=4 {
            self.cover(identifier, if self.online { "lost" } else { "still lost" });
        }
        self.online = false;
        self.counted.clear();
        self.owed.retain(|owed| owed.qos == 2 && !owed.again);
        self.owed.iter_mut().for_each(|owed| owed.due = 0);
        self.states
            .retain(|_, state| !matches!(state, State::Deciding(1) | State::Request));
    }

    pub(crate) fn connect(&mut self, clean_start: bool) {
        let session_present = self.exists && !clean_start;
        if !session_present {
            for identifier in 1..=4 {
                self.cover(identifier, "discarded");
            }
        }
        self.lose();
        if !session_present {
            self.owed.clear();
            self.states.clear();
            if self.exists {
                self.said.push("session ended".into());
            }
        }
        // What a Client is told, its own peer has said.
        if !self.in_order {
            let present = if session_present { " present" } else { "" };
            self.said.push(format!("> CONNACK{present}"));
        }
        (self.online, self.exists) = (true, true);
    }
}
