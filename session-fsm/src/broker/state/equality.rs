//! Two brokers are equal if they behave alike from now on.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::num::NonZeroU64;

use mqtt5_codec::{Message, Qos};

use super::drain::Draining;
use super::groups::Canonical as CanonicalGroups;
use super::publish::Arrival;
use super::slots::Key;
use super::subscriptions::Subscriber;
use super::{Broker, BrokerConfig, ClientLimits, Granted, Notice};
use crate::{Instant, Receipt, ServerConnection, Session};

/// What decides how a broker behaves from now on. Numbers of Sessions, messages, records and tokens
/// count by their order, generations of keys not at all. What is derived is left out: the indices,
/// the deadlines, statistics.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Canonical<'b> {
    config: &'b BrokerConfig,
    now: Instant,
    clients: Vec<Client<'b>>,
    links: Vec<Link<'b>>,
    /// The rank of the Session, the filter.
    subscriptions: Vec<(usize, &'b str, Granted)>,
    groups: CanonicalGroups<'b, Granted, Option<usize>, Shared<'b>>,
    retained: Vec<Retained<'b>>,
    jobs: Vec<(&'b str, Job)>,
    /// The publishers of the jobs.
    turns: Vec<&'b str>,
    /// The size of each message that is held, by its rank.
    bodies: Vec<usize>,
    notices: Vec<&'b Notice>,
    ready: Vec<u32>,
    stalled: Vec<u32>,
    walking: Vec<Option<usize>>,
    ending: Vec<Option<usize>>,
    draining: &'b Option<Draining>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Client<'b> {
    session: Session,
    principal: &'b str,
    connection: Option<u32>,
    is_recorded: bool,
    has_ended: bool,
    limits: &'b ClientLimits,
    /// Filter and position of the cursor, with its rank among the retained messages.
    walks: Vec<(&'b super::clients::Walk, usize)>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Link<'b> {
    slot: u32,
    connection: &'b ServerConnection,
    client: Option<usize>,
}

type Shared<'b> = (&'b Message, u64, bool);
type Retained<'b> = (
    &'b Message,
    Instant,
    Option<u64>,
    Qos,
    Option<&'b str>,
    usize,
);

#[derive(Debug, PartialEq, Eq, Hash)]
struct Job {
    arrival: Arrival,
    body: u64,
    /// The ranks of the Sessions that it has yet to reach.
    hits: Vec<(Option<usize>, Granted)>,
    receipt: Option<(Option<usize>, Receipt)>,
}

/// Numbers that are given in the order in which things are met.
#[derive(Default)]
struct Met(BTreeMap<NonZeroU64, u64>);

impl Met {
    fn rank(&mut self, number: NonZeroU64) -> u64 {
        let next = self.0.len() as u64 + 1;
        *self.0.entry(number).or_insert(next)
    }

    fn number(&mut self, number: NonZeroU64) -> NonZeroU64 {
        NonZeroU64::new(self.rank(number)).unwrap_or(number)
    }
}

impl Broker {
    fn canonical(&self) -> Canonical<'_> {
        let mut order: Vec<(u64, Key)> = self
            .clients
            .iter()
            .map(|(key, it)| (it.number, key))
            .collect();
        order.sort_unstable();
        let ranks: BTreeMap<Key, usize> = (order.iter().enumerate())
            .map(|(rank, &(_, key))| (key, rank))
            .collect();
        let rank = |key: Key| ranks.get(&key).copied();
        let member = |it: Subscriber| self.clients.key_of(it).and_then(rank);
        let cursors = (self.clients.iter())
            .flat_map(|(_, it)| it.walks.iter().map(|walk| walk.cursor.sequence()));
        let retained_ranks = self.retained.ranks(cursors);
        let mut met = Met::default();
        let mut clients = Vec::new();
        let mut subscriptions = Vec::new();
        for (at, &(_, key)) in order.iter().enumerate() {
            let Some(client) = self.clients.get(key) else {
                continue;
            };
            let walks = client.walks.iter();
            clients.push(Client {
                session: client.session.renumbered(|body| met.number(body)),
                principal: &client.principal,
                connection: client.connection.map(|link| link.slot),
                is_recorded: client.is_recorded,
                has_ended: client.has_ended,
                limits: &client.limits,
                walks: walks
                    .map(|walk| (walk, retained_ranks.of(walk.cursor.sequence())))
                    .collect(),
            });
            let own = self
                .index
                .of_subscriber(super::clients::Client::subscriber(key));
            subscriptions.extend(own.map(|(filter, granted)| (at, filter.as_str(), *granted)));
        }
        subscriptions.sort_unstable_by_key(|&(at, filter, _)| (at, filter));
        let links = self.links.iter().map(|(key, link)| Link {
            slot: key.slot,
            connection: &link.connection,
            client: link.client.and_then(rank),
        });
        let retained = self.retained.iter().map(|it| {
            let newest = retained_ranks.of(it.sequence.max(it.overtaken));
            let body = it.body.map(|body| met.rank(body));
            let publisher = it.publisher.as_deref();
            (&it.message, it.expires_at, body, it.qos, publisher, newest)
        });
        let retained = retained.collect();
        let jobs = self.jobs.iter().map(|(publisher, job)| {
            let rest = job.hits.get(job.position..).unwrap_or_default();
            let canonical = Job {
                arrival: job.arrival.clone(),
                body: met.rank(job.body),
                hits: rest
                    .iter()
                    .map(|hit| (rank(hit.client), hit.granted))
                    .collect(),
                receipt: job.receipt.map(|(client, receipt)| (rank(client), receipt)),
            };
            (publisher, canonical)
        });
        let jobs = jobs.collect();
        // Those of the groups come last: they are met in the order of the groups' messages.
        for message in self.groups.messages() {
            met.rank(message.body);
        }
        let body_rank = |body: NonZeroU64| met.0.get(&body).copied().unwrap_or(0);
        let groups = self.groups.canonical(member, |shared| {
            (&shared.message, body_rank(shared.body), shared.retain)
        });
        let mut bodies: Vec<(u64, usize)> = (met.0.iter())
            .map(|(&number, &rank)| (rank, self.ledger.bodies.bytes_of(number)))
            .collect();
        bodies.sort_unstable();
        Canonical {
            config: &self.config,
            now: self.now,
            clients,
            links: links.collect(),
            subscriptions,
            groups,
            retained,
            jobs,
            turns: self.jobs.turns().collect(),
            bodies: bodies.into_iter().map(|(_, bytes)| bytes).collect(),
            notices: self.notices.iter().collect(),
            ready: self.ready.iter().map(|key| key.slot).collect(),
            stalled: self.stalled.iter().map(|key| key.slot).collect(),
            walking: self.walking.iter().map(|key| rank(*key)).collect(),
            ending: self.ending.iter().map(|key| rank(*key)).collect(),
            draining: &self.draining,
        }
    }
}

/// Two brokers are equal if they behave alike from now on, whatever numbers their Sessions,
/// messages, records and tokens have. Takes n log n for all that they hold, and as much memory.
impl PartialEq for Broker {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for Broker {}

impl Hash for Broker {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.canonical().hash(hasher);
    }
}

/// Shows what equality compares.
impl fmt::Debug for Broker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.canonical(), formatter)
    }
}
