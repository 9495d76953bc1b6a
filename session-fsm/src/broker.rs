//! What lies between Clients: the parts of a Server that belong to no single Session.
//!
//! A [`Broker`] owns all Sessions and connections. Its parts are values of their own, usable
//! without the others:
//!
//! * [`retained`]: the retained messages (section 3.3.1.3), and what a new subscription gets of
//!   them.
//! * [`subscriptions`]: which subscriptions match a Topic Name (section 4.7).

mod bodies;
mod clients;
mod config;
mod connect;
mod deadlines;
mod deliver;
mod fanout;
mod granted;
#[cfg(feature = "persistence")]
pub mod journal;
mod ledger;
mod links;
mod notice;
mod publish;
mod question;
mod receive;
pub mod retained;
mod slots;
mod statistics;
mod subscribe;
pub mod subscriptions;
mod walks;

use alloc::collections::VecDeque;

pub use self::config::{BrokerConfig, BrokerLimits, ClientLimits, Overlap};
pub use self::granted::Granted;
pub use self::links::{ConnectionKey, Gone, Transmitted};
pub use self::notice::{DropReason, Notice};
pub use self::publish::Fanout;
pub use self::question::{Admission, Grant, Permission, Question, Verdict};
pub use self::receive::Step;
pub use self::statistics::Statistics;

use self::clients::Clients;
use self::deadlines::{Deadlines, Due};
use self::fanout::Jobs;
use self::ledger::Ledger;
use self::links::Link;
use self::publish::Hits;
use self::retained::RetainedStore;
use self::slots::{Key, Slots};
use self::subscriptions::SubscriptionIndex;
use crate::Instant;

/// All Sessions and connections of a Server, and what lies between them.
#[derive(Clone, Debug)]
pub struct Broker {
    config: BrokerConfig,
    links: Slots<Link>,
    clients: Clients,
    index: SubscriptionIndex<Granted>,
    retained: RetainedStore,
    retained_armed: Instant,
    ledger: Ledger,
    deadlines: Deadlines,
    /// Connections that have something to write, each once.
    ready: VecDeque<Key>,
    notices: VecDeque<Notice>,
    /// Sessions with walks over retained messages that can go on.
    walking: VecDeque<Key>,
    jobs: Jobs,
    statistics: Statistics,
    hits: Hits,
}

impl Broker {
    /// Creates a broker without Sessions.
    #[must_use]
    pub fn new(config: BrokerConfig) -> Self {
        Broker {
            links: Slots::new(),
            clients: Clients::new(config.seed),
            index: SubscriptionIndex::new(config.seed),
            retained: RetainedStore::new(config.retained),
            retained_armed: Instant::NEVER,
            ledger: Ledger::new(config.seed),
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            notices: VecDeque::new(),
            walking: VecDeque::new(),
            jobs: Jobs::default(),
            statistics: Statistics::default(),
            hits: Hits::default(),
            config,
        }
    }

    /// Returns what there is to do or to know. Call it after every other call until it returns
    /// `None`.
    pub fn poll(&mut self) -> Option<Notice> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice);
        }
        let key = self.ready.pop_front()?;
        if let Some(link) = self.links.get_mut(key) {
            link.is_ready = false;
        }
        Some(Notice::Ready(ConnectionKey(key)))
    }

    /// Returns when [`Broker::handle_timeout`] must be called; [`Instant::NEVER`] if there is
    /// nothing to wait for. It may be earlier than anything that happens.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        self.deadlines.next()
    }

    /// Does what is due: expiry, Wills, the ends of Sessions, time limits of connections. Looks at
    /// as many deadlines as `budget` allows, and takes them off it; call it again if
    /// [`Broker::next_timeout`] is not later than `now`.
    pub fn handle_timeout(&mut self, now: Instant, budget: &mut u32) {
        while *budget > 0 {
            let Some(due) = self.deadlines.take(now) else {
                break;
            };
            *budget -= 1;
            match due {
                Due::Link(key) => self.link_timeout(now, key),
                Due::Client(key) => self.client_timeout(now, key),
                Due::Retained => {
                    self.retained_armed = Instant::NEVER;
                    while let Some(_expired) = self.retained.handle_timeout(now, budget) {}
                    self.arm_retained();
                }
            }
        }
    }

    fn arm_retained(&mut self) {
        let at = self.retained.next_timeout();
        self.deadlines
            .arm(Due::Retained, &mut self.retained_armed, at);
    }

    /// Puts the records of the calls since the last batch in place of what is in `into`, whose memory
    /// is used for the next one. Returns the number of the last record; `None` if there is none.
    /// Store the batch whole before anything is sent that depends on it.
    #[cfg(feature = "persistence")]
    pub fn take_batch(&mut self, into: &mut alloc::vec::Vec<u8>) -> Option<u64> {
        self.ledger.journal.take(into)
    }

    /// Returns numbers about it.
    #[must_use]
    pub const fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    fn notice(&mut self, notice: Notice) {
        self.notices.push_back(notice);
    }
}
