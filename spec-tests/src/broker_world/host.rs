//! The host of a broker: what it stores, and what it does with what the broker says.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock};

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::broker::journal::{Batch, BrokenRecord, Restoring};
use mqtt5_session_fsm::broker::{Broker, BrokerConfig, Statistics};

use super::model::Model;
use crate::explore::fingerprint::{Fingerprint, Fingerprinter};

/// What is stored: each key with its last value.
type Records = BTreeMap<Arc<[u8]>, Arc<[u8]>>;

/// What has been found out before: interleavings of packets come to the same broker again and again.
#[derive(Debug, Default)]
struct Known {
    /// The prints of the brokers that records have made, by those of the records.
    restored: Mutex<HashMap<u128, Fingerprint>>,
    /// The prints of brokers, and of what was stored of them, with the question that was answered.
    answered: Mutex<HashSet<u128>>,
}

/// What is asked of a broker and of what is stored of it, and of nothing else.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Asked {
    Equality,
    End,
}

/// A broker, its model, and what is stored of it.
#[derive(Clone, Debug)]
pub(super) struct Host {
    broker: Arc<Broker>,
    /// Of the broker, if it has been taken since it changed.
    print: OnceLock<Fingerprint>,
    known: Arc<Known>,
    pub(super) model: Model,
    pub(super) stored: Point,
    /// Batches that are not stored yet.
    pub(super) pending: VecDeque<Point>,
    /// Another one has taken its place: nothing behind this record is stored any more.
    pub(super) is_old: Option<u64>,
    /// Its clock when it was lost: it does not go back.
    pub(super) clock: u64,
    /// Within a call of which the model hears only when the connection is over: what it made is stored then.
    pub(super) holds_batch: bool,
    /// There is more to be done by `Broker::work`.
    pub(super) has_work: bool,
    /// Wills and messages that were published in this step, by the model.
    pub(super) expected: u64,
    /// What the broker had counted when the step began.
    pub(super) before: Statistics,
}

/// What is stored after some batch.
#[derive(Clone, Debug)]
pub(super) struct Point {
    records: Arc<Records>,
    pub(super) model: Arc<Model>,
    /// The number of the last record.
    pub(super) last: u64,
    /// The clock of the broker.
    pub(super) now: u64,
    /// Of the broker that they make.
    print: Fingerprint,
}

impl Hash for Point {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.print.hash(hasher);
    }
}

impl Hash for Host {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.print().hash(hasher);
        self.model.hash(hasher);
        self.stored.hash(hasher);
        self.pending.hash(hasher);
        self.has_work.hash(hasher);
        self.clock.hash(hasher);
    }
}

fn print_of(value: &impl Hash) -> Fingerprint {
    thread_local! {
        static PRINTER: RefCell<Fingerprinter> = RefCell::default();
    }
    PRINTER.with_borrow_mut(|printer| printer.of(value))
}

pub(super) fn instant(now: u64) -> Instant {
    Instant::from_millis(now)
}

impl Host {
    /// The first one, of which nothing is stored.
    pub(super) fn first(config: &BrokerConfig, model: Model, now: u64) -> Self {
        let known = Arc::default();
        let stored = Point::of(Records::new(), Model::default(), 0, now, config, &known);
        Host::of(
            Broker::new(*config),
            model,
            stored.expect("no records make a broker"),
            known,
        )
    }

    /// One that is made of what this one has stored.
    pub(super) fn next(&self, broker: Broker, model: Model) -> Self {
        Host::of(broker, model, self.stored.clone(), self.known.clone())
    }

    fn of(broker: Broker, model: Model, stored: Point, known: Arc<Known>) -> Self {
        Host {
            before: broker.statistics(),
            broker: Arc::new(broker),
            print: OnceLock::new(),
            known,
            model,
            stored,
            pending: VecDeque::new(),
            is_old: None,
            clock: 0,
            holds_batch: false,
            has_work: false,
            expected: 0,
        }
    }

    /// The broker, to be changed.
    pub(super) fn broker(&mut self) -> &mut Broker {
        self.print = OnceLock::new();
        Arc::make_mut(&mut self.broker)
    }

    fn print(&self) -> Fingerprint {
        *self.print.get_or_init(|| print_of(&*self.broker))
    }

    /// Asks something once of all brokers that are equal, and have the same stored of them at the same time.
    pub(super) fn once<E>(
        &self,
        asked: Asked,
        now: u64,
        ask: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        let prints = (self.print(), self.stored.print);
        // What must not be left behind makes no difference to equality.
        let left = (
            self.look().statistics().message_bytes,
            self.stored.records.len(),
        );
        let question = print_of(&(asked, now, prints, left)).0;
        let answered = &self.known.answered;
        let is_answered = answered.lock().expect("no panic").contains(&question);
        if !is_answered {
            ask()?;
            answered.lock().expect("no panic").insert(question);
        }
        Ok(())
    }

    pub(super) fn look(&self) -> &Broker {
        &self.broker
    }

    /// The step is over.
    pub(super) fn seal(&mut self) {
        self.before = self.broker.statistics();
        self.expected = 0;
    }

    /// Takes the next batch of the broker, which is stored later. Returns whether there was one; an error says what is
    /// wrong with it.
    pub(super) fn take_batch(&mut self, now: u64, config: &BrokerConfig) -> Result<bool, String> {
        let mut bytes = Vec::new();
        let Some(last) = self.broker().take_batch(&mut bytes) else {
            return Ok(false);
        };
        let newest = self.pending.back().unwrap_or(&self.stored);
        let (expected, stored) = (newest.last + 1, newest.records.clone());
        let mut log = &bytes[..];
        let batch = Batch::take(&mut log).map_err(|error| error.to_string())?;
        let batch = batch.ok_or("an empty batch")?;
        if (batch.first(), batch.last()) != (expected, last) || !log.is_empty() {
            return Err(format!(
                "the batch has the records {} to {}, and not {expected} to {last}",
                batch.first(),
                batch.last()
            ));
        }
        if self.is_old.is_some() {
            // Nobody stores it, but the numbers go on.
            self.stored.last = last;
            return Ok(true);
        }
        let mut records = (*stored).clone();
        for record in batch.records() {
            match record.value {
                Some(value) => drop(records.insert(record.key.into(), value.into())),
                None => drop(records.remove(record.key)),
            }
        }
        let model = self.model.clone();
        let point = Point::of(records, model, last, now, config, &self.known);
        let point = point.map_err(|error| error.to_string())?;
        self.pending.push_back(point);
        Ok(true)
    }

    /// How many batches have to be stored before something leaves that depends on this record; `None` if it never does.
    pub(super) fn wait(&self, depends_on: u64) -> Option<u32> {
        if self.is_old.is_some_and(|last| depends_on > last) {
            return None;
        }
        if self.is_old.is_some() || depends_on <= self.stored.last {
            return Some(0);
        }
        let before = self.pending.iter().take_while(|it| it.last < depends_on);
        Some(1 + before.count() as u32)
    }
}

impl Point {
    fn of(
        records: Records,
        model: Model,
        last: u64,
        now: u64,
        config: &BrokerConfig,
        known: &Known,
    ) -> Result<Self, BrokenRecord> {
        let mut point = Point {
            records: Arc::new(records),
            model: Arc::new(model),
            last,
            now,
            print: Fingerprint(0),
        };
        // Larger worlds are not explored: nobody looks at prints of theirs.
        if point.model.sessions.len() <= 4 {
            let print = point.print_of_broker(config, known)?;
            point.print = print_of(&(print, &point.model));
        }
        Ok(point)
    }

    fn print_of_broker(
        &self,
        config: &BrokerConfig,
        known: &Known,
    ) -> Result<Fingerprint, BrokenRecord> {
        // A moment later, so that a Session which had a connection differs from one that has just lost it.
        let now = self.now + 1;
        let of_records = print_of(&(now, &*self.records)).0;
        let print = known
            .restored
            .lock()
            .expect("no panic")
            .get(&of_records)
            .copied();
        if let Some(print) = print {
            return Ok(print);
        }
        let print = print_of(&self.restore(now, config)?);
        known
            .restored
            .lock()
            .expect("no panic")
            .insert(of_records, print);
        Ok(print)
    }

    /// The broker that the records make.
    pub(super) fn restore(&self, now: u64, config: &BrokerConfig) -> Result<Broker, BrokenRecord> {
        let mut restoring = Restoring::new(*config);
        for (key, value) in &*self.records {
            restoring.record(key, Some(value));
        }
        restoring.finish(instant(now))
    }

    /// The first bytes of each key.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.records.keys().map(|key| &**key)
    }
}
