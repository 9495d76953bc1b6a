//! What the connections of a server share: the broker, its clock, and the server's decisions. Like
//! the broker, it does no I/O.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mqtt5_session_fsm::broker::{
    Admission, Broker, BrokerConfig, ConnectionKey, DropReason, Gone, Grant, Notice, Permission,
    Question, Step, Verdict,
};
use mqtt5_session_fsm::codec::{Connect, Packet, Publish, Qos, ReasonCode};
use mqtt5_session_fsm::{
    Instant, Limits, ServerConfig, SessionConfig, StoredLimits, TopicAliases, WaitingLimits,
    WhenFull,
};
use tokio::sync::{Notify, watch};

/// How much work is done before others have their turn.
const SLICE: u32 = 1_000;
const ALIASES: NonZeroU16 = NonZeroU16::new(100).expect("not 0");

/// How the broker works. A broker with a store is persistent.
pub(crate) fn config(persistent: bool) -> io::Result<BrokerConfig> {
    let mut seed = [0; 8];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let limits = Limits {
        // No Client makes the buffer for its packets larger than this.
        maximum_packet_size: 1 << 20,
        receive_maximum: 1_000,
        topic_alias_maximum: ALIASES.get(),
        ..Limits::NONE
    };
    // For each Client that is away, or slow.
    let waiting = WaitingLimits {
        messages: 10_000,
        bytes: 1 << 24,
        when_full: WhenFull::DropOldestQos0,
    };
    let session = SessionConfig {
        stored: StoredLimits {
            messages: 20_000,
            bytes: 1 << 25,
        },
        waiting,
        persistent,
        ..SessionConfig::default()
    };
    Ok(BrokerConfig {
        server: ServerConfig {
            limits,
            session,
            topic_aliases: TopicAliases::Automatic(ALIASES),
            ..ServerConfig::default()
        },
        // For a Client that loses its connection, and is back at once.
        keep_qos0: true,
        seed: u64::from_ne_bytes(seed),
        ..BrokerConfig::default()
    })
}

/// Unix time, so that what is stored keeps its meaning.
pub(crate) fn unix_time() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Instant::ORIGIN + since.unwrap_or(Duration::ZERO)
}

/// What the connections of a server share.
pub(crate) struct Host {
    broker: RefCell<Broker>,
    /// The time at the start, and a clock that does not go backwards. Tests can pause it.
    start: (Instant, tokio::time::Instant),
    /// What wakes the task of each connection.
    connections: RefCell<HashMap<ConnectionKey, Rc<Notify>>>,
    /// Wakes the task for time and work, which sleeps until `wakes_at`.
    pub(crate) work: Notify,
    pub(crate) wakes_at: Cell<Instant>,
    /// Wakes the store.
    pub(crate) records: Notify,
    /// The number of the last record that is stored.
    pub(crate) stored: watch::Sender<u64>,
    /// How many Clients were accepted, and how many messages found no room in a subscriber's queue.
    pub(crate) accepted: Cell<u64>,
    pub(crate) refused: Cell<u64>,
}

impl Host {
    /// Takes a broker all of whose records are stored.
    pub(crate) fn new(broker: Broker) -> Rc<Self> {
        Rc::new(Host {
            // A restored broker may be ahead of the clock.
            start: (unix_time().max(broker.now()), tokio::time::Instant::now()),
            stored: watch::Sender::new(broker.last_record()),
            broker: RefCell::new(broker),
            connections: RefCell::default(),
            work: Notify::new(),
            wakes_at: Cell::new(Instant::NEVER),
            records: Notify::new(),
            accepted: Cell::default(),
            refused: Cell::default(),
        })
    }

    pub(crate) fn now(&self) -> Instant {
        self.start.0 + self.start.1.elapsed()
    }

    /// Looks at the broker.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Broker) -> R) -> R {
        look(&self.broker.borrow())
    }

    /// Calls the broker, and does what has to follow each call.
    pub(crate) fn call<R>(&self, call: impl FnOnce(&mut Broker, Instant) -> R) -> R {
        let (mut broker, now) = (self.broker.borrow_mut(), self.now());
        let result = call(&mut broker, now);
        let is_more = broker.work(now, &mut SLICE.clone());
        while let Some(notice) = broker.poll() {
            match notice {
                Notice::Ready(key) | Notice::Readable(key) => {
                    if let Some(wake) = self.connections.borrow().get(&key) {
                        wake.notify_one();
                    }
                }
                Notice::Connected { .. } => self.accepted.update(|n| n + 1),
                Notice::Dropped {
                    reason: DropReason::QueueFull,
                    ..
                } => self.refused.update(|n| n + 1),
                _ => {}
            }
        }
        if is_more || broker.next_timeout() < self.wakes_at.get() {
            self.work.notify_one();
        }
        if broker.last_record() > *self.stored.borrow() {
            self.records.notify_one();
        }
        result
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&self) {
        self.call(|broker, now| broker.handle_timeout(now, &mut SLICE.clone()));
    }

    /// A connection begins. Returns what wakes its task.
    pub(crate) fn connected(&self) -> Result<(ConnectionKey, Rc<Notify>), ReasonCode> {
        let key = self.call(|broker, now| broker.connected(now))?;
        let wake = Rc::<Notify>::default();
        self.connections.borrow_mut().insert(key, wake.clone());
        Ok((key, wake))
    }

    /// A connection is over, whoever ended it.
    pub(crate) fn ended(&self, key: ConnectionKey) {
        self.connections.borrow_mut().remove(&key);
        // An error means that the broker knows.
        let _ = self.call(|broker, now| broker.lost(now, key));
    }

    /// Takes packets of a Client, and answers what the broker asks. Returns whether more is read
    /// now; otherwise the task of the connection is woken when it is.
    pub(crate) fn receive(&self, key: ConnectionKey, input: &mut &[u8]) -> Result<bool, Gone> {
        loop {
            match self.call(|broker, now| broker.receive(now, key, input, may_publish))? {
                Step::Taken => return Ok(true),
                Step::Wait => return Ok(false),
                Step::Ask(question) => self.answer(&question),
            }
        }
    }

    /// An error of an answer means that the Client is gone.
    fn answer(&self, question: &Question) {
        match question.packet() {
            Packet::Connect(connect) => {
                let assigned = match assigned(&connect) {
                    Ok(assigned) => assigned,
                    Err(reason_code) => return self.refuse(question, reason_code),
                };
                // Nobody proves who they are here.
                let mut admission = Admission::of("anybody");
                admission.assigned = assigned.as_deref();
                let verdict = Verdict::Accept(admission);
                let _ = self.call(|broker, now| broker.answer_connect(now, question, &verdict));
            }
            Packet::Subscribe(subscribe) => {
                let all = subscribe.subscriptions.iter();
                let grants: Vec<_> = all.map(|_| Grant::UpTo(Qos::ExactlyOnce)).collect();
                let _ = self.call(|broker, now| broker.answer_subscribe(now, question, &grants));
            }
            // No Authentication Method was accepted, so there is nothing to go on with.
            _ => self.refuse(question, ReasonCode::BadAuthenticationMethod),
        }
    }

    fn refuse(&self, question: &Question, reason_code: ReasonCode) {
        let verdict = Verdict::Refuse(reason_code, &[]);
        let _ = self.call(|broker, now| broker.answer_connect(now, question, &verdict));
    }
}

/// Here, everybody may publish everything.
fn may_publish(_: &Publish<'_>) -> Permission {
    Permission::Publish
}

/// Returns the ClientID that a Client is assigned, if it has none of its own, or the reason to refuse
/// it. Nobody can guess it: who knows the ClientID of another can take over its Session.
fn assigned(connect: &Connect<'_>) -> Result<Option<String>, ReasonCode> {
    if connect.properties.authentication_method().is_some() {
        return Err(ReasonCode::BadAuthenticationMethod);
    }
    if !connect.client_identifier.is_empty() {
        return Ok(None);
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| ReasonCode::ServerUnavailable)?;
    Ok(Some(format!("auto-{:032x}", u128::from_ne_bytes(random))))
}
