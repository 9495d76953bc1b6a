//! All Sessions and connections of a Server, and what lies between them.

mod bodies;
mod clients;
mod config;
mod connect;
mod deadlines;
mod deliver;
mod drain;
mod ending;
mod equality;
mod fanout;
#[cfg(mqtt5_faults)]
mod faults;
mod granted;
pub mod journal;
mod ledger;
mod links;
mod notice;
mod publish;
mod question;
mod receive;
mod records;
mod shared;
mod slots;
mod statistics;
mod subscribe;
mod walks;
mod withdraw;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::{groups, retained, subscriptions};

pub use self::config::{BrokerConfig, BrokerLimits, ClientLimits, Overlap, Refusal};
pub use self::granted::Granted;
pub use self::links::{ConnectionKey, Gone, Next, Transmitted};
pub use self::notice::{DropReason, Notice, Recipient};
pub use self::publish::Fanout;
pub use self::question::{Admission, AnswerError, Grant, Permission, Question, Verdict};
pub use self::receive::Step;
pub use self::statistics::{SessionView, Statistics};

use self::clients::Clients;
use self::deadlines::{Deadlines, Due};
use self::drain::Draining;
use self::fanout::Jobs;
use self::groups::Groups;
use self::journal::StoredHead;
use self::ledger::Ledger;
use self::links::Link;
use self::publish::Hits;
use self::retained::RetainedStore;
use self::shared::SharedMessage;
use self::slots::{Key, Slots};
use self::subscriptions::SubscriptionIndex;
use crate::connection::Timeouts;
use crate::{Acknowledgement, Instant, Session, SessionConfig};

/// All Sessions and connections of a Server, and what lies between them.
#[derive(Clone)]
pub struct Broker {
    config: BrokerConfig,
    /// The configuration of each Session.
    session_config: Arc<SessionConfig>,
    /// The time limits of each connection.
    timeouts: Arc<Timeouts>,
    /// The latest call.
    now: Instant,
    links: Slots<Link>,
    clients: Clients,
    index: SubscriptionIndex<Granted>,
    groups: Groups<Granted, SharedMessage>,
    /// The groups, by the filters of their subscriptions.
    shared: SubscriptionIndex<()>,
    /// The number of the last message of a group.
    last_shared: u64,
    /// Whether the groups may have dropped more messages than were let go.
    has_dropped: bool,
    retained: RetainedStore,
    ledger: Ledger,
    deadlines: Deadlines,
    /// Connections that have something to write, each once.
    ready: VecDeque<Key>,
    notices: VecDeque<Notice>,
    /// Sessions with walks over retained messages that can go on.
    walking: VecDeque<Key>,
    jobs: Jobs,
    /// Sessions that have ended, of which something is left.
    ending: VecDeque<Key>,
    draining: Option<Draining>,
    /// Connections that were told to wait because of what [`Broker::poll`] had not returned.
    stalled: VecDeque<Key>,
    statistics: Statistics,
    hits: Hits,
}

impl Broker {
    /// Creates a broker without Sessions.
    #[must_use]
    pub fn new(config: BrokerConfig) -> Self {
        let session_config = SessionConfig {
            acknowledgement: Acknowledgement::Manual,
            ..config.server.session
        };
        Broker {
            session_config: session_config.share(),
            timeouts: config.server.timeouts(),
            now: Instant::ORIGIN,
            links: Slots::new(),
            clients: Clients::new(config.seed),
            index: SubscriptionIndex::new(config.seed),
            groups: Groups::new(config.groups, config.seed),
            shared: SubscriptionIndex::new(config.seed),
            last_shared: 0,
            has_dropped: false,
            retained: RetainedStore::new(config.retained),
            ledger: Ledger::new(),
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            notices: VecDeque::new(),
            walking: VecDeque::new(),
            jobs: Jobs::default(),
            ending: VecDeque::new(),
            draining: None,
            stalled: VecDeque::new(),
            statistics: Statistics::default(),
            hits: Hits::default(),
            config,
        }
    }

    /// Returns what there is to do or to know. Call it after every other call until it returns
    /// `None`. If another program is to hear of a notice, tell it when the record is stored that
    /// [`last_record`](Self::last_record) names now: a crash before that makes it untrue.
    pub fn poll(&mut self) -> Option<Notice> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice);
        }
        if let Some(key) = self.next_stalled() {
            if let Some(link) = self.links.get_mut(key) {
                link.is_stalled = false;
            }
            return Some(Notice::Readable(ConnectionKey(key)));
        }
        let key = self.ready.pop_front()?;
        Some(Notice::Ready(ConnectionKey(key)))
    }

    /// The next connection that may be read again.
    #[inline]
    fn next_stalled(&mut self) -> Option<Key> {
        if self.stalled.is_empty() || self.is_full() {
            return None;
        }
        self.stalled.pop_front()
    }

    /// Returns when [`Broker::handle_timeout`] must be called; [`Instant::NEVER`] if there is
    /// nothing to wait for, or if [`BrokerLimits::notices`] or [`BrokerLimits::batch_bytes`] allow
    /// nothing before the host has taken them. It may be earlier than anything that happens.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        match self.is_full() {
            true => Instant::NEVER,
            false => self.deadlines.next(),
        }
    }

    /// Does what is due: expiry, Wills, the ends of Sessions, time limits of connections. Looks at
    /// as many deadlines as `budget` allows, and takes them off it; call it again if
    /// [`Broker::next_timeout`] is not later than `now`.
    pub fn handle_timeout(&mut self, now: Instant, budget: &mut u32) {
        let now = self.at(now);
        while *budget > 0 && !self.is_full() {
            let Some(due) = self.deadlines.take(now) else {
                break;
            };
            *budget -= 1;
            match due {
                Due::Link(slot) => {
                    if let Some(key) = self.links.key_of(slot) {
                        self.link_timeout(now, key);
                    }
                }
                Due::Client(slot) => {
                    if let Some(key) = self.clients.key_at(slot) {
                        self.client_timeout(now, key);
                    }
                }
                Due::Groups => {
                    // The others have expired, too: `work` goes on.
                    self.drop_from_groups(now);
                }
                Due::Retained => {
                    while let Some(expired) = self.retained.handle_timeout(now, budget) {
                        self.note_retained(expired.message.topic(), Some(&expired));
                    }
                    self.arm_retained();
                }
            }
        }
    }

    /// A call at this time. Time does not go back: a restored broker goes on from the latest.
    #[inline]
    fn at(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    /// Returns the time of the latest call. That of a restored broker may be ahead of the clock: the
    /// clock went back, or belongs to another machine. Time stands still for the broker until
    /// the clock has caught up, so a host does better to go on from here.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    fn arm_retained(&mut self) {
        let at = self.retained.next_timeout();
        self.deadlines.arm(Due::Retained, at);
    }

    /// Puts the records of the calls since the last batch in place of what is in `into`, whose memory
    /// is used for the next one. Returns the number of the last record; `None` if there is none.
    /// Store the batch whole before anything is sent that depends on it.
    pub fn take_batch(&mut self, into: &mut alloc::vec::Vec<u8>) -> Option<u64> {
        let head = self.head();
        self.ledger.journal.head(head);
        self.ledger.journal.take(into)
    }

    /// Returns whether [`take_batch`](Self::take_batch) has records.
    #[must_use]
    pub fn has_batch(&self) -> bool {
        self.ledger.journal.len() > 0
    }

    /// Returns the number of the last record that was made, in a batch that was taken or not; 0 if
    /// there was none. After a restart the numbers go on: once the first batch is stored, or there
    /// is none to be taken, all up to this one are stored.
    #[must_use]
    pub const fn last_record(&self) -> u64 {
        self.ledger.last()
    }

    /// What belongs to no key of its own.
    fn head(&self) -> StoredHead {
        let (next_position, random) = self.groups.numbers();
        StoredHead {
            last_record: 0,
            now: self.now.as_millis(),
            last_session: self.clients.last_number(),
            last_body: self.ledger.bodies.last(),
            last_job: self.jobs.last_number,
            last_shared: self.last_shared,
            next_position,
            random,
        }
    }

    /// Goes on behind what was stored.
    fn continue_from(&mut self, now: Instant, head: &StoredHead) {
        self.now = now;
        self.clients.continue_from(head.last_session);
        self.ledger.bodies.continue_from(head.last_body);
        self.jobs.last_number = head.last_job;
        self.last_shared = head.last_shared;
        self.ledger.journal = self::journal::Journal::new(head.last_record.saturating_add(1));
    }

    /// A Session that does not exist yet.
    fn session(&self, client_identifier: &str) -> Session {
        #[allow(unused_mut)]
        let mut session = Session::with_shared(
            mqtt5_codec::Role::Server,
            client_identifier,
            self.session_config.clone(),
        );
        session.store_in_parts();
        session
    }

    /// Whether records are made.
    fn is_persistent(&self) -> bool {
        self.config.server.session.persistent
    }

    /// Whether as much as may waits for [`Broker::poll`] and [`Broker::take_batch`].
    fn is_full(&self) -> bool {
        let batch = self.ledger.journal.len();
        self.notices.len() >= self.config.limits.notices as usize
            || batch >= self.config.limits.batch_bytes as usize
    }

    fn notice(&mut self, notice: Notice) {
        self.notices.push_back(notice);
    }
}
