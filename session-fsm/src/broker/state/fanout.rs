//! A message for many subscribers: it goes to one slice of them at a time.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::num::NonZeroU64;
use core::ops::Bound;

use mqtt5_codec::{ReasonCode, TopicFilter};

use super::publish::{Arrival, Hit, copies, copy_for};
use super::slots::Key;
use super::{Broker, ConnectionKey, Granted, Notice};
use crate::{Instant, Receipt};

/// A message on its way to its subscribers, which were found when it came: who subscribes later is
/// not among them.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Ascends in the order in which the messages came.
    pub(super) number: u64,
    /// The number of the publisher's Session, which No Local excludes; 0 for the host.
    pub(super) from: u64,
    pub(super) arrival: Arrival,
    pub(super) body: NonZeroU64,
    pub(super) hits: Vec<Hit>,
    /// How many of them are done.
    pub(super) position: usize,
    /// The publisher, and what is acknowledged when all are done.
    pub(super) receipt: Option<(Key, Receipt)>,
}

impl Job {
    /// What the list of its subscribers takes.
    pub(super) fn bytes(&self) -> usize {
        self.hits.len() * size_of::<Hit>()
    }
}

/// All such messages. Those of one publisher are in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    /// By the ClientID of the publisher, which is empty for the host: a Client may begin another
    /// Session meanwhile.
    lines: BTreeMap<Box<str>, VecDeque<Job>>,
    /// The publishers, the next one to be served first.
    turns: VecDeque<Box<str>>,
    pub(super) last_number: u64,
    /// Subscriptions that were made while there were such messages, with the number of the last
    /// one: a broker that is restored in the meantime finds the subscribers anew. By the number of
    /// the Session and the filter.
    fresh: BTreeMap<(u64, Box<str>), u64>,
}

impl Jobs {
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether messages of this publisher are on their way: another one has to come behind them.
    pub(super) fn has(&self, publisher: &str) -> bool {
        !self.is_empty() && self.lines.contains_key(publisher)
    }

    /// All of them, those of one publisher in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Job)> {
        let lines = self.lines.iter();
        lines.flat_map(|(publisher, line)| line.iter().map(|job| (&**publisher, job)))
    }

    /// The publishers, the next one to be served first.
    pub(super) fn turns(&self) -> impl Iterator<Item = &str> {
        self.turns.iter().map(|it| &**it)
    }

    pub(super) fn add(&mut self, publisher: &str, job: Job) {
        match self.lines.get_mut(publisher) {
            Some(line) => line.push_back(job),
            None => {
                self.lines.insert(publisher.into(), [job].into());
                self.turns.push_back(publisher.into());
            }
        }
    }

    /// The next job to serve. It must be given back, or be over.
    fn take(&mut self) -> Option<(Box<str>, Job)> {
        let publisher = self.turns.pop_front()?;
        let job = self.lines.get_mut(&publisher)?.pop_front()?;
        Some((publisher, job))
    }

    fn give_back(&mut self, publisher: Box<str>, job: Job) {
        if let Some(line) = self.lines.get_mut(&publisher) {
            line.push_front(job);
        }
        self.turns.push_back(publisher);
    }

    /// The job that was taken is over. Returns the publisher if it has no more.
    fn over(&mut self, publisher: Box<str>) -> Option<Box<str>> {
        if self.lines.get(&publisher).is_some_and(|it| !it.is_empty()) {
            self.turns.push_back(publisher);
            return None;
        }
        self.lines.remove(&publisher);
        if self.lines.is_empty() {
            self.fresh.clear();
        }
        Some(publisher)
    }

    /// A right is taken back: messages on their way do not reach this subscription any more. Returns
    /// how many bytes less they take.
    pub(super) fn withdraw(
        &mut self,
        client: Key,
        filter: TopicFilter<'_>,
        granted: Granted,
    ) -> usize {
        let mut removed = 0;
        for job in self.lines.values_mut().flatten() {
            if !filter.matches(job.arrival.message.topic()) {
                continue;
            }
            let mut rest = job.hits.iter().skip(job.position);
            let found = rest.position(|hit| hit.client == client && hit.granted == granted);
            if let Some(at) = found.map(|at| job.position + at) {
                job.hits.remove(at);
                removed += size_of::<Hit>();
            }
        }
        removed
    }

    /// Notes a subscription, which is new or replaces another one. Returns the number of the last
    /// job before it, 0 if it is older than all that are open.
    pub(super) fn subscribed(&mut self, session: u64, filter: &str, is_new: bool) -> u64 {
        if self.is_empty() {
            return 0;
        }
        let key = (session, filter.into());
        if is_new {
            self.fresh.insert(key, self.last_number);
            return self.last_number;
        }
        self.fresh.get(&key).copied().unwrap_or(0)
    }

    pub(super) fn unsubscribed(&mut self, session: u64, filter: &str) {
        if !self.fresh.is_empty() {
            self.fresh.remove(&(session, filter.into()));
        }
    }

    /// Gives back what was stored of a subscription.
    pub(super) fn restore_subscribed(&mut self, session: u64, filter: &str, since: u64) {
        if since > 0 {
            self.fresh.insert((session, filter.into()), since);
        }
    }

    /// What [`Jobs::subscribed`] has returned for a subscription.
    pub(super) fn since(&self, session: u64, filter: &str) -> u64 {
        if self.fresh.is_empty() {
            return 0;
        }
        let since = self.fresh.get(&(session, filter.into()));
        since.copied().unwrap_or(0)
    }

    /// The messages of the next publisher behind this one.
    pub(super) fn line_behind(
        &self,
        publisher: Option<&str>,
    ) -> Option<(&str, impl Iterator<Item = &Job>)> {
        let behind = publisher.map_or(Bound::Unbounded, Bound::Excluded);
        let (publisher, line) = self
            .lines
            .range::<str, _>((behind, Bound::Unbounded))
            .next()?;
        Some((publisher, line.iter()))
    }

    /// Whether a subscription was made after a job began.
    pub(super) fn is_later(&self, session: u64, filter: &str, job: u64) -> bool {
        self.since(session, filter) >= job
    }

    /// Forgets what was noted of subscriptions if there are no jobs.
    pub(super) fn restored(&mut self) {
        if self.is_empty() {
            self.fresh.clear();
        }
    }
}

impl Broker {
    /// Whether messages of a client, or of the host, are on their way.
    pub(super) fn has_jobs_of(&self, from: Option<Key>) -> bool {
        !self.jobs.is_empty() && self.jobs.has(self.publisher(from))
    }

    /// The ClientID of a publisher; empty for the host.
    fn publisher(&self, from: Option<Key>) -> &str {
        let client = from.and_then(|key| self.clients.get(key));
        client.map_or("", |client| client.session.client_identifier())
    }

    /// Begins to give a message to those that were found.
    pub(super) fn begin_job(
        &mut self,
        from: Option<Key>,
        arrival: Arrival,
        body: NonZeroU64,
        receipt: Option<Receipt>,
    ) {
        self.jobs.last_number += 1;
        let publisher: Box<str> = self.publisher(from).into();
        let job = Job {
            number: self.jobs.last_number,
            from: from
                .and_then(|it| self.clients.get(it))
                .map_or(0, |it| it.number),
            arrival,
            body,
            hits: self.hits.found.clone(),
            position: 0,
            receipt: from.zip(receipt),
        };
        self.note_job(&publisher, &job);
        // With the record of the message: after a restart its publisher repeats it.
        if let Some((client, receipt)) = job.receipt {
            if let Some(client) = self.clients.get_mut(client) {
                client.session.received(receipt);
                self.ledger.note(client);
            }
        }
        self.add_job(&publisher, job);
    }

    pub(super) fn add_job(&mut self, publisher: &str, job: Job) {
        self.ledger.bodies.charge(job.bytes());
        self.jobs.add(publisher, job);
    }

    /// Serves a slice of the subscribers of the next message.
    pub(super) fn fan_out(&mut self, now: Instant, budget: &mut u32) {
        let Some((publisher, mut job)) = self.jobs.take() else {
            return;
        };
        let slice = fault!(
            "all in one slice",
            self.config.fan_out_slice.max(1).min(*budget) as usize,
            usize::MAX
        );
        let rest = job.hits.get(job.position..).unwrap_or_default();
        // Never in the middle of what goes to one client.
        let (slice_of, behind) = rest.split_at(slice.min(rest.len()));
        let last = slice_of.last().map(|hit| hit.client);
        let more = behind.iter().take_while(|hit| Some(hit.client) == last);
        let slice_of = rest.get(..slice_of.len() + more.count());
        let slice_of = slice_of.unwrap_or_default();
        self.copy_to_all(now, &job.arrival, job.body, slice_of);
        job.position += slice_of.len();
        let done = u32::try_from(slice_of.len()).unwrap_or(u32::MAX);
        *budget = budget.saturating_sub(done.max(1));
        if job.position < job.hits.len() {
            self.note_job(&publisher, &job);
            self.jobs.give_back(publisher, job);
            return;
        }
        self.end_job(&job);
        if let Some((client, receipt)) = job.receipt {
            self.acknowledge_late(client, receipt);
        }
        if let Some(publisher) = self.jobs.over(publisher) {
            self.goes_on(now, &publisher);
        }
    }

    /// Acknowledges a message whose publisher may have lost its connection, or have another one.
    fn acknowledge_late(&mut self, key: Key, receipt: Receipt) {
        let Some(client) = self.clients.get_mut(key) else {
            return;
        };
        if let Some(link) = client.connection {
            self.acknowledge(link, Some(receipt), ReasonCode::Success);
            self.ready(link);
        } else {
            let _ = client
                .session
                .acknowledge_with(receipt, ReasonCode::Success);
            self.ledger.note(client);
        }
    }

    /// A publisher may be read again.
    fn goes_on(&mut self, now: Instant, publisher: &str) {
        let client = self.clients.find(publisher);
        let client = client.and_then(|key| self.clients.get(key));
        let Some(link) = client.and_then(|it| it.connection) else {
            return;
        };
        // What it sent meanwhile was not read because of this side.
        let _ = self.with(link, |mut lent| lent.bytes_waiting(now));
        self.arm(link);
        self.notice(Notice::Readable(ConnectionKey(link)));
    }

    /// Whether nothing of a connection is read because its messages are on their way.
    #[inline]
    pub(super) fn is_held_up(&self, link: Key) -> bool {
        #[cfg(mqtt5_faults)]
        if fault!("a slow subscriber holds up all") && self.has_slow_clients() {
            return true;
        }
        if self.jobs.is_empty() {
            return false;
        }
        let client = self.links.get(link).and_then(|link| link.client);
        client.is_some() && self.has_jobs_of(client)
    }

    /// Gives the clients of these subscriptions their copies.
    pub(super) fn copy_to_all(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        body: NonZeroU64,
        hits: &[Hit],
    ) {
        // No more copies than subscriptions.
        let mut held = hits.len();
        self.ledger.bodies.hold_for(body, held);
        let mut rest = hits;
        while let Some(first) = rest.first() {
            let of_copy = copies(rest, self.config.overlap);
            rest = rest.get(of_copy.len()..).unwrap_or_default();
            #[cfg(mqtt5_faults)]
            let of_copy = &super::faults::of_all_clients(of_copy, hits)[..];
            held -= 1;
            let publication = copy_for(arrival, body, of_copy);
            let _ = self.deliver_held(now, first.client, publication);
        }
        if held > 0 {
            self.ledger.release_for(body, held);
        }
    }
}
