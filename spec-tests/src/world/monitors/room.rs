//! The room that messages need: a sum of what is stored that the library has no part in.

use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::{Session, SessionConfig, WhenFull};

use super::Verdict;
use crate::world::application::{Flow, Record};

/// Messages, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    messages: u32,
    bytes: usize,
}

impl Amount {
    fn of<'a>(records: impl Iterator<Item = &'a Record>) -> Self {
        let mut amount = Amount::default();
        for record in records {
            amount.messages += 1;
            // After its PUBREC a message is kept no more, but its Packet Identifier is.
            if !record.released {
                amount.bytes += usize::from(record.size);
            }
        }
        amount
    }

    fn with(self, size: u16) -> Self {
        Amount {
            messages: self.messages + 1,
            bytes: self.bytes + usize::from(size),
        }
    }

    fn without(self, dropped: &[u16]) -> Self {
        let bytes: usize = dropped.iter().copied().map(usize::from).sum();
        Amount {
            messages: self.messages.saturating_sub(dropped.len() as u32),
            bytes: self.bytes.saturating_sub(bytes),
        }
    }

    fn fits(self, most: Amount) -> bool {
        self.messages <= most.messages && self.bytes <= most.bytes
    }

    /// What is too much.
    fn beyond(self, most: Amount) -> Self {
        Amount {
            messages: self.messages.saturating_sub(most.messages),
            bytes: self.bytes.saturating_sub(most.bytes),
        }
    }
}

/// What one side stores, and what of it waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    all: Amount,
    waiting: Amount,
}

impl Stored {
    pub(crate) fn of(flow: &Flow) -> Self {
        Stored {
            all: Amount::of(flow.records.iter().filter(|it| !it.over)),
            waiting: Amount::of(waiting(flow)),
        }
    }

    /// [`Rule::StoredLimits`](super::Rule::StoredLimits), by the sum of what was accepted and has no outcome.
    pub(crate) fn limits(
        &self,
        session: &Session,
        config: &SessionConfig,
        sees_what_waits: bool,
    ) -> Verdict {
        let Stored { all, waiting } = *self;
        let most = Stored::most(config);
        let wrong = |what: &str, amount: Amount| {
            let Amount { messages, bytes } = amount;
            Verdict::Broken(format!("{what} {messages} messages of {bytes} bytes"))
        };
        if !all.fits(most.all) {
            return wrong("there are", all);
        }
        if sees_what_waits && !waiting.fits(most.waiting) {
            return wrong("there wait", waiting);
        }
        if session.stored() != u64::from(all.messages) || session.stored_bytes() != all.bytes {
            let counts = format!("{}, {}", session.stored(), session.stored_bytes());
            return wrong(&format!("it counts {counts} instead of"), all);
        }
        Verdict::Armed
    }

    /// [`Rule::Room`](super::Rule::Room): where there is room for what was refused, an event has said so.
    pub(crate) fn room_is_told(&self, flow: &Flow, config: &SessionConfig) -> Verdict {
        let mut verdict = Verdict::Idle;
        for size in flow.refused.iter().filter(|size| **size > 0) {
            if self.can_take(*size, flow, config) {
                return Verdict::Broken(format!("there is room for {size} bytes"));
            }
            verdict = Verdict::Armed;
        }
        verdict
    }

    /// [`Rule::Drops`](super::Rule::Drops): when this was stored, these were dropped for a message that was taken or not.
    pub(crate) fn dropped(
        &self,
        dropped: &[u16],
        taken: bool,
        size: u16,
        config: &SessionConfig,
    ) -> Verdict {
        match dropped.split_last() {
            None => Verdict::Idle,
            Some(_) if !taken => Verdict::Broken("dropped for what was refused".to_owned()),
            Some((_, but_last)) => Verdict::holds(!self.takes(size, but_last, config), || {
                "more was dropped than had to be".to_owned()
            }),
        }
    }

    /// What the limits allow.
    fn most(config: &SessionConfig) -> Self {
        let (all, waiting) = (&config.stored, &config.waiting);
        Stored {
            all: Amount {
                messages: all.messages,
                bytes: all.bytes,
            },
            waiting: Amount {
                messages: waiting.messages,
                bytes: waiting.bytes,
            },
        }
    }

    /// Whether another message may wait, if these are dropped for it.
    fn takes(&self, size: u16, dropped: &[u16], config: &SessionConfig) -> bool {
        let most = Stored::most(config);
        let then = |amount: Amount| amount.without(dropped).with(size);
        then(self.all).fits(most.all) && then(self.waiting).fits(most.waiting)
    }

    /// Whether another message may wait, if everything is dropped for it that may be.
    fn can_take(&self, size: u16, flow: &Flow, config: &SessionConfig) -> bool {
        let most = Stored::most(config);
        let droppable = Amount::of(waiting(flow).filter(|it| may_drop(it, config)));
        self.all.with(size).beyond(most.all).fits(droppable)
            && self.waiting.with(size).beyond(most.waiting).fits(droppable)
    }
}

/// The messages that were never sent.
fn waiting(flow: &Flow) -> impl Iterator<Item = &Record> + Clone {
    let records = flow.records.iter();
    records.filter(|it| !it.over && !it.transmitted && it.identifier == 0)
}

fn may_drop(record: &Record, config: &SessionConfig) -> bool {
    match config.waiting.when_full {
        WhenFull::Refuse => false,
        WhenFull::DropOldestQos0 => record.qos == Qos::AtMostOnce,
        WhenFull::DropOldest => true,
    }
}

/// [`Rule::Drops`](super::Rule::Drops): nothing is dropped while nobody publishes.
pub(crate) fn nothing_dropped(flow: &Flow) -> Verdict {
    match flow.dropped.is_empty() {
        true => Verdict::Idle,
        false => Verdict::Broken("dropped although nobody publishes".to_owned()),
    }
}

/// [`Rule::Drops`](super::Rule::Drops): the message that is dropped is the one that the policy names.
pub(crate) fn next_dropped(flow: &Flow, record: &Record, config: &SessionConfig) -> Verdict {
    let next = next_to_drop(flow, config).map(|it| it.token);
    Verdict::holds(next == Some(record.token), || {
        format!(
            "token {} is dropped, and is not the oldest that may be",
            record.token
        )
    })
}

/// The message that is dropped first. The newest is the one that it is dropped for.
fn next_to_drop<'a>(flow: &'a Flow, config: &SessionConfig) -> Option<&'a Record> {
    let new = flow.records.last().map(|it| it.token);
    let droppable = || waiting(flow).filter(|it| may_drop(it, config) && Some(it.token) != new);
    droppable()
        .find(|it| it.qos == Qos::AtMostOnce)
        .or_else(|| droppable().next())
}
