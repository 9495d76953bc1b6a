//! The options of a server.

use std::fmt;
use std::io;
use std::num::NonZeroU16;
use std::sync::Arc;

use mqtt5_session_fsm::broker::{Broker, BrokerConfig, Notice};
use mqtt5_session_fsm::{
    Cause, Limits, ServerConfig, SessionConfig, StoredLimits, TopicAliases, WaitingLimits, WhenFull,
};

use super::Server;
use super::access::{Access, Peer};
use super::host::{Host, keep_time};
use super::store::{self, Store};

/// The options of a [`Server`].
#[must_use = "`start` makes the server"]
pub struct ServerBuilder {
    access: Arc<dyn Access>,
    config: BrokerConfig,
    store: Option<Box<dyn Store>>,
    observer: Option<Box<Observer>>,
}

pub(super) type Observer = dyn Fn(&Report<'_>) + Send + Sync;

/// What a server reports: [`ServerBuilder::observer`].
#[derive(Debug)]
#[non_exhaustive]
pub enum Report<'a> {
    /// What the broker reports: clients that connected, Sessions that ended, messages that were dropped.
    Broker(&'a Notice),
    /// A connection could not be accepted: the system has no room for it, or the broker has none, or its upgrade, such as TLS,
    /// has failed. That the system has none is reported once, until it accepts a connection again.
    NotAccepted {
        /// Where it came from, if this is known.
        peer: Option<&'a Peer>,
        /// Why.
        error: &'a io::Error,
    },
    /// A connection is over.
    Ended {
        /// Where it came from.
        peer: &'a Peer,
        /// Its ClientID, if it was accepted.
        client_identifier: Option<&'a str>,
        /// Why the broker closed it. `None` if the network did, or the other side without a DISCONNECT.
        cause: Option<Cause>,
    },
}

const ALIASES: NonZeroU16 = NonZeroU16::new(100).expect("not 0");

impl ServerBuilder {
    pub(super) fn new(access: Arc<dyn Access>) -> Self {
        ServerBuilder {
            access,
            config: ServerBuilder::default_config(),
            store: None,
            observer: None,
        }
    }

    /// What a server is configured with if nothing is said: packets of at most 1 MiB, 1,000 unacknowledged messages and 100
    /// Topic Aliases for each client and direction, and 10,000 messages of at most 16 MiB that wait for each client that is
    /// away or slow. Of those with QoS 0, the oldest make room; what then finds none is dropped, and reported as
    /// [`Notice::Dropped`]. A publisher is not held up: its message was taken.
    #[must_use]
    pub fn default_config() -> BrokerConfig {
        let limits = Limits {
            maximum_packet_size: 1 << 20,
            receive_maximum: 1_000,
            topic_alias_maximum: ALIASES.get(),
            ..Limits::NONE
        };
        let session = SessionConfig {
            stored: StoredLimits {
                messages: 20_000,
                bytes: 1 << 25,
            },
            waiting: WaitingLimits {
                messages: 10_000,
                bytes: 1 << 24,
                when_full: WhenFull::DropOldestQos0,
            },
            ..SessionConfig::default()
        };
        BrokerConfig {
            server: ServerConfig {
                limits,
                session,
                topic_aliases: TopicAliases::Automatic(ALIASES),
                ..ServerConfig::default()
            },
            ..BrokerConfig::default()
        }
    }

    /// How the broker works. Default: [`ServerBuilder::default_config`]. A
    /// [`seed`](BrokerConfig::seed) of 0 is replaced by a random one, and
    /// [`persistent`](SessionConfig::persistent) follows from the [store](Self::store).
    pub fn config(mut self, config: BrokerConfig) -> Self {
        self.config = config;
        self
    }

    /// Stores Sessions, messages, subscriptions and retained messages, so that they are there after a crash or a restart.
    /// What is acknowledged is stored. Default: nothing is stored.
    pub fn store(mut self, store: impl Store) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// Sets a function that is called with each report, such as for a log. It must not block.
    pub fn observer(mut self, observer: impl Fn(&Report<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Starts the server. Call it in a runtime. Blocks while the store is read.
    ///
    /// # Errors
    ///
    /// The store cannot be read or written, or does not belong to a broker; the system has no random numbers.
    pub fn start(mut self) -> io::Result<Server> {
        if self.config.seed == 0 {
            let mut seed = [0; 8];
            getrandom::fill(&mut seed).map_err(io::Error::other)?;
            self.config.seed = u64::from_ne_bytes(seed);
        }
        self.config.server.session.persistent = self.store.is_some();
        let (store, broker) = match self.store {
            Some(store) => {
                let (store, broker) = store::open(store, self.config)?;
                (Some(store), broker)
            }
            None => (None, Broker::new(self.config)),
        };
        let host = Arc::new(Host::new(broker, self.access, self.observer));
        tokio::spawn(keep_time(host.clone()));
        if let Some(store) = store {
            tokio::spawn(store::run(store, host.clone()));
        }
        Ok(Server { host })
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServerBuilder")
            .field("config", &self.config)
            .field("has_store", &self.store.is_some())
            .finish_non_exhaustive()
    }
}
