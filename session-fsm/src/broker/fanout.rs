//! Messages for more subscribers than one call serves: slices of them, one publisher after the
//! other.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use mqtt5_codec::ReasonCode;

use super::publish::{Arrival, Hit, Source, copies};
use super::slots::Key;
use super::{Broker, ConnectionKey, Notice};
use crate::{Instant, Publication, Receipt};

/// A message on its way to its subscribers, which were found when it came: who subscribes later is
/// not among them.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) arrival: Arrival,
    pub(super) body: core::num::NonZeroU64,
    pub(super) hits: Vec<Hit>,
    /// How many of them are done.
    pub(super) position: usize,
    /// What is acknowledged when all are done.
    pub(super) receipt: Option<(Key, Receipt)>,
}

/// All such messages. Those of one publisher are in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs {
    lines: BTreeMap<Source, VecDeque<Job>>,
    /// The publishers, the next one to be served first.
    turns: VecDeque<Source>,
}

impl Jobs {
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether messages of this publisher are on their way: another one has to come behind them.
    pub(super) fn has(&self, source: Source) -> bool {
        self.lines.contains_key(&source)
    }

    pub(super) fn add(&mut self, source: Source, job: Job) {
        let line = self.lines.entry(source).or_default();
        if line.is_empty() {
            self.turns.push_back(source);
        }
        line.push_back(job);
    }

    /// The next job to serve. It must be given back, or be over.
    fn take(&mut self) -> Option<(Source, Job)> {
        let source = self.turns.pop_front()?;
        let job = self.lines.get_mut(&source)?.pop_front()?;
        Some((source, job))
    }

    fn give_back(&mut self, source: Source, job: Job) {
        if let Some(line) = self.lines.get_mut(&source) {
            line.push_front(job);
        }
        self.turns.push_back(source);
    }

    /// Returns whether the publisher has no more.
    fn over(&mut self, source: Source) -> bool {
        let is_last = self.lines.get(&source).is_none_or(VecDeque::is_empty);
        if is_last {
            self.lines.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        is_last
    }
}

impl Broker {
    /// Serves a slice of the subscribers of the next message.
    pub(super) fn fan_out(&mut self, now: Instant, budget: &mut u32) {
        let Some((source, mut job)) = self.jobs.take() else {
            return;
        };
        let slice = self.config.fan_out_slice.max(1).min(*budget) as usize;
        let from = job.position;
        // Never in the middle of what goes to one client.
        while job.position < job.hits.len() && job.position - from < slice {
            let rest = job.hits.get(job.position..).unwrap_or_default();
            let of_client = copies(rest, self.config.overlap);
            job.position += of_client.len().max(1);
            self.copy_to(now, &job.arrival, job.body, of_client);
        }
        let done = u32::try_from(job.position - from).unwrap_or(u32::MAX);
        *budget = budget.saturating_sub(done.max(1));
        if job.position < job.hits.len() {
            self.jobs.give_back(source, job);
            return;
        }
        self.ledger.release(job.body);
        if let Some((link, receipt)) = job.receipt {
            self.acknowledge(link, Some(receipt), ReasonCode::Success);
            self.ready(link);
        }
        if self.jobs.over(source) {
            self.goes_on(now, source);
        }
    }

    /// A publisher may be read again.
    fn goes_on(&mut self, now: Instant, source: Source) {
        let Source::Client(client) = source else {
            return;
        };
        let Some(link) = self.clients.get(client).and_then(|it| it.connection) else {
            return;
        };
        // What it sent meanwhile was not read because of this side.
        let _ = self.with(link, |mut lent| lent.bytes_waiting(now));
        self.arm(link);
        self.notice(Notice::Readable(ConnectionKey(link)));
    }

    /// Whether nothing of a connection is read because its messages are on their way.
    pub(super) fn is_held_up(&self, link: Key) -> bool {
        let client = self.links.get(link).and_then(|link| link.client);
        client.is_some_and(|client| self.jobs.has(Source::Client(client)))
    }

    pub(super) fn copy_to(
        &mut self,
        now: Instant,
        arrival: &Arrival,
        body: core::num::NonZeroU64,
        of_client: &[Hit],
    ) {
        let Some(first) = of_client.first() else {
            return;
        };
        let publication = Publication {
            body: Some(body),
            ..super::publish::copy_for(arrival, of_client)
        };
        let _ = self.deliver(now, first.client, publication);
    }
}
