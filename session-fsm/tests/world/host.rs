//! What one side has beside its machine: an application, and a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use mqtt5_session_fsm::codec::{Publish, Qos, Role};
use mqtt5_session_fsm::{Change, Event, Outcome, Receipt, Session, SessionConfig, Token};

use super::network::topic_of;
use super::steps::{Crash, May};

/// A message that was accepted.
#[derive(Clone, Debug)]
struct Accepted {
    number: u32,
    qos: Qos,
    stored: bool,
    /// How often it came to the other side, by its outcome.
    told: Option<RangeInclusive<usize>>,
}

/// A message that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    number: u32,
    qos: Qos,
    packet_identifier: u16,
}

/// What an application knows, and what its disk has. Of a persistent Session, what an event does is stored together with
/// the change that follows it.
#[derive(Default)]
pub(crate) struct Host {
    pub(crate) config: SessionConfig,
    is_server: bool,
    /// Messages without an outcome, and with one.
    open: BTreeMap<Token, Accepted>,
    done: Vec<Accepted>,
    /// Tokens by identifiers, of messages in flight.
    in_flight: BTreeMap<u16, Token>,
    pub(crate) undecided: Vec<(Receipt, Came)>,
    /// Messages with QoS 2 by identifiers, that came and were not stored.
    volatile: BTreeMap<u16, u32>,
    /// Messages that came and were accepted.
    pub(crate) delivered: Vec<u32>,
    /// How much more often a message came than it was refused.
    shown: BTreeMap<u32, i32>,
    /// The change at which it crashes.
    pub(crate) crash: Option<(usize, Crash)>,
    /// How many changes there were, and how many of them gave up an identifier.
    pub(crate) changes: usize,
    pub(crate) lost: usize,
    /// The numbers of the messages that the Session has to hold.
    held: BTreeSet<NonZeroU64>,
    #[cfg(feature = "persistence")]
    pub(crate) disk: disk::Disk,
}

impl Host {
    pub(crate) fn new(session: &Session) -> Self {
        Host {
            config: *session.config(),
            is_server: session.role() == Role::Server,
            #[cfg(feature = "persistence")]
            disk: disk::Disk::new(session),
            ..Host::default()
        }
    }

    pub(crate) fn publish(&mut self, token: Token, number: u32, qos: Qos) {
        let accepted = Accepted {
            number,
            qos,
            stored: false,
            told: None,
        };
        let before = self.open.insert(token, accepted);
        assert!(before.is_none(), "{token:?} was given before");
        self.held.extend(NonZeroU64::new(number.into()));
    }

    /// What the Session reports as forgotten is gone, and all else is there.
    pub(crate) fn count_bodies(&mut self, forgotten: Vec<NonZeroU64>, session: &Session) {
        for body in forgotten {
            assert!(self.held.remove(&body), "message {body} is not held");
        }
        let mut bodies: Vec<_> = session.bodies().collect();
        bodies.sort_unstable();
        assert!(bodies.iter().eq(&self.held), "{bodies:?}: {:?}", self.held);
    }

    pub(crate) fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Message(delivered) => self.message(&delivered.publish, delivered.receipt),
            Event::Outcome(token, outcome) => self.tell(*token, outcome),
            // The end of an exchange is repeated if its last packet was lost.
            Event::UnknownIdentifier { .. } | Event::Room => {}
            Event::Connect(_) | Event::Connected(_) | Event::Disconnect(_) => {}
            Event::SessionEndsWithConnection | Event::SessionEnded | Event::Will(_) => {}
            other => panic!("an event that nothing leads to: {other:?}"),
        }
    }

    fn message(&mut self, publish: &Publish<'_>, receipt: Option<Receipt>) {
        let number = u32::from_be_bytes(*publish.payload.first_chunk().expect("a number"));
        let topic = publish.topic.map(|topic| topic.as_str());
        assert_eq!(topic, Some(topic_of(number)), "of another message");
        *self.shown.entry(number).or_default() += 1;
        let identifier = publish.delivery.packet_identifier();
        let came = Came {
            number,
            qos: publish.delivery.qos(),
            packet_identifier: identifier.map_or(0, |it| it.get()),
        };
        match receipt {
            Some(receipt) => self.undecided.push((receipt, came)),
            None => self.decide(came, true),
        }
    }

    pub(crate) fn decide(&mut self, came: Came, accept: bool) {
        if !accept {
            *self.shown.entry(came.number).or_default() -= 1;
        } else if came.qos == Qos::ExactlyOnce && self.config.persistent {
            self.volatile.insert(came.packet_identifier, came.number);
        } else {
            self.delivered.push(came.number);
        }
    }

    fn tell(&mut self, token: Token, outcome: &Outcome<'_>) {
        let accepted = self.open.get_mut(&token);
        let accepted = accepted.unwrap_or_else(|| panic!("of a message that is over: {outcome:?}"));
        let (qos, most) = (accepted.qos, most(accepted.qos));
        let told = match outcome {
            Outcome::Expired | Outcome::Dropped | Outcome::Forbidden(_) | Outcome::NotSent => 0..=0,
            Outcome::Indeterminate => 0..=most,
            // The outcome of QoS 0 says only that it was sent.
            it if it.is_success() => usize::from(qos != Qos::AtMostOnce)..=most,
            // It was refused.
            _ if qos == Qos::ExactlyOnce => 0..=0,
            _ => 0..=most,
        };
        assert_eq!(accepted.told, None, "a second outcome: {outcome:?}");
        accepted.told = Some(told);
        if qos == Qos::AtMostOnce || !self.config.persistent {
            self.settle(token);
        }
    }

    fn settle(&mut self, token: Token) {
        let accepted = self.open.remove(&token).expect("a message ends once");
        assert!(accepted.told.is_some(), "an event comes before its change");
        self.done.push(accepted);
    }

    /// One transaction: the change, and what the application does because of the event before it.
    pub(crate) fn store(&mut self, change: &Change) {
        assert!(self.config.persistent, "{change:?} of what is not stored");
        match change {
            Change::Accepted { message, .. } => {
                self.open
                    .get_mut(&message.token)
                    .expect("it was given")
                    .stored = true;
            }
            Change::Sent {
                token,
                packet_identifier,
            } => {
                self.in_flight.insert(packet_identifier.get(), *token);
            }
            Change::Finished { packet_identifier } | Change::Lost { packet_identifier } => {
                self.lost += usize::from(matches!(change, Change::Lost { .. }));
                let token = self.in_flight.remove(&packet_identifier.get());
                self.settle(token.expect("it was sent"));
            }
            Change::Dropped { token } => self.settle(*token),
            Change::Ended => {
                let in_flight = std::mem::take(&mut self.in_flight);
                in_flight.into_values().for_each(|token| self.settle(token));
                // What waits outlives a Client's Session.
                let waited = |it: &Accepted| it.stored && it.told.is_some() && self.is_server;
                let told = self.open.iter().filter(|(_, it)| waited(it));
                let told: Vec<Token> = told.map(|(token, _)| *token).collect();
                told.into_iter().for_each(|token| self.settle(token));
            }
            Change::Received { packet_identifier } => {
                let number = self.volatile.remove(&packet_identifier.get());
                self.delivered.push(number.expect("it came"));
            }
            _ => {}
        }
        #[cfg(feature = "persistence")]
        self.disk.append(change);
    }

    /// The process ends, with all that it had not stored.
    #[cfg(feature = "persistence")]
    pub(crate) fn die(&mut self, session: &Session) {
        self.volatile.clear();
        self.undecided.clear();
        self.open.retain(|_, accepted| accepted.stored);
        self.open.values_mut().for_each(|it| it.told = None);
        self.held = session.bodies().collect();
    }

    /// Each message has an outcome, and that is true. Not where Sessions end: a side that does not hear of it, because the
    /// CONNACK was lost, takes a new message for one that it has, or sends one again that the other has forgotten.
    pub(crate) fn judge(&self, other: &Host, crashes: usize, may: May) {
        let judged = self.done.iter().chain(self.open.values());
        for accepted in judged.filter(|_| !may.lose) {
            let Accepted { number, qos, .. } = *accepted;
            let times = other.times(number);
            let told = accepted.told.clone().unwrap_or(0..=most(qos));
            assert!(
                told.contains(&times),
                "{accepted:?} was delivered {times} times"
            );
            let shown = other.shown.get(&number).copied().unwrap_or(0);
            let may_repeat = crashes > 0 || qos == Qos::AtLeastOnce;
            assert!(
                may_repeat || shown <= 1,
                "{accepted:?} was shown {shown} times"
            );
        }
        let without = self.open.values().find(|it| it.qos != Qos::AtMostOnce);
        assert!(without.is_none(), "{without:?} has no outcome");
    }

    /// With all that was stored together with its changes, QoS 2 is exactly once and QoS 1 at least once.
    pub(crate) fn all_arrived(&self, other: &Host) {
        for accepted in self.done.iter().filter(|it| it.stored) {
            let times = other.times(accepted.number);
            let right = (1..=most(accepted.qos)).contains(&times);
            assert!(right, "{accepted:?} was delivered {times} times");
        }
    }

    fn times(&self, number: u32) -> usize {
        self.delivered.iter().filter(|it| **it == number).count()
    }
}

const fn most(qos: Qos) -> usize {
    match qos {
        Qos::AtLeastOnce => usize::MAX,
        _ => 1,
    }
}

#[cfg(feature = "persistence")]
pub(crate) mod disk {
    use mqtt5_session_fsm::codec::{Message, Qos, Role};
    use mqtt5_session_fsm::{
        Change, Instant, Publication, QueuedMessage, RestoreError, Session, SessionConfig, Token,
    };

    /// A log that is longer is begun anew.
    const LONG: usize = 2_000;

    /// A snapshot, and the changes since.
    #[derive(Default)]
    pub(crate) struct Disk {
        config: SessionConfig,
        snapshot: Vec<u8>,
        log: Vec<u8>,
        torn: bool,
        /// The log is to be begun anew.
        pub(crate) compact: bool,
        /// How much of the log was compared with the machine.
        compared: usize,
    }

    impl Disk {
        pub(crate) fn new(session: &Session) -> Self {
            Disk {
                config: *session.config(),
                snapshot: session.export(),
                ..Disk::default()
            }
        }

        pub(crate) fn append(&mut self, change: &Change) {
            let record = change.to_bytes();
            assert_eq!(Change::from_bytes(&record).as_ref(), Ok(change));
            self.log.extend(record);
        }

        /// The process ends while it writes this change.
        pub(crate) fn tear(&mut self, change: &Change, zeros: usize) {
            let record = change.to_bytes();
            self.log.extend(&record[..record.len() / 2]);
            self.log.resize(self.log.len() + zeros, 0);
            self.torn = true;
        }

        fn read(&self, now: Instant, bytes: &[u8]) -> Session {
            Session::restore(now, bytes, self.config).expect("an export")
        }

        /// What a restart would find: the snapshot, and all changes since. Each of them leads to what can be stored again.
        pub(crate) fn restored(&self, now: Instant) -> Session {
            let mut session = self.read(now, &self.snapshot);
            let mut log = &self.log[..];
            loop {
                let change = match Change::take(&mut log) {
                    Ok(Some(change)) => change,
                    Ok(None) => return session,
                    Err(RestoreError::Truncated | RestoreError::Damaged) if self.torn => {
                        return session;
                    }
                    Err(other) => panic!("a record that is whole: {other:?}"),
                };
                assert_eq!(session.apply(now, &change), Ok(()), "{change:?}");
                if self.log.len() - log.len() > self.compared {
                    let export = session.export();
                    assert_eq!(self.read(now, &export).export(), export, "{change:?}");
                }
            }
        }

        /// When all has been said, what is stored is what there is; `always`, also without new changes.
        pub(crate) fn compare(&mut self, now: Instant, session: &Session, always: bool) {
            if !always && self.compared == self.log.len() {
                return;
            }
            let live = self.read(now, &session.export());
            assert_eq!(comparable(now, self.restored(now)), comparable(now, live));
            self.compared = self.log.len();
            if self.compact || self.compared > LONG {
                *self = Disk::new(session);
            }
        }
    }

    /// A stored Session without what is rightly not stored at each change: the tokens of messages with QoS 0.
    fn comparable(now: Instant, mut session: Session) -> Vec<u8> {
        let token = Token::from_number((1 << 63) - 1);
        let publication = Publication::new(Qos::AtLeastOnce, Message::of("t", b"").unwrap());
        let message = QueuedMessage::new(token, publication);
        let accepted = Change::Accepted {
            message,
            deadline: None,
        };
        // A Server takes no message without a Session: one begins and ends with it.
        let is_over = session.role() == Role::Server && !session.exists();
        let connected = is_over.then(|| Change::Connected {
            client_identifier: session.client_identifier().into(),
            expiry_interval: 0,
        });
        let dropped = Change::Dropped { token };
        let ended = is_over.then_some(Change::Ended);
        let changes = connected
            .into_iter()
            .chain([accepted, dropped])
            .chain(ended);
        for change in changes {
            session.apply(now, &change).unwrap();
        }
        session.export()
    }
}
