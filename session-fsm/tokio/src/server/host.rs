//! The broker, with its clock and what wakes the tasks.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::broker::{Broker, ConnectionKey, Notice};
use mqtt5_session_fsm::codec::ReasonCode;
use tokio::sync::{Notify, watch};
use tokio::task::yield_now;

use super::access::{Access, Peer};
use super::bell::Bell;
use super::builder::{Observer, Report};
use crate::clock::Clock;

/// How much work is done before others have their turn.
const SLICE: u32 = 1_000;

/// How a server has ended: `None` while it runs; then why its store has failed, if it has.
type End = Option<Option<String>>;

pub(super) struct Host {
    inner: Mutex<Inner>,
    clock: Clock,
    pub(super) access: Arc<dyn Access>,
    observer: Option<Box<Observer>>,
    /// Wakes the task for time and work.
    work: Notify,
    /// Wakes the store.
    pub(super) records: Notify,
    /// The number of the last record that is stored.
    stored: watch::Sender<u64>,
    /// The bells of the connections that wait for more.
    waiting: Mutex<Vec<Arc<Bell>>>,
    /// How many connections there are.
    pub(super) connections: watch::Sender<usize>,
    /// How many listeners accept connections.
    pub(super) listeners: watch::Sender<usize>,
    pub(super) end: watch::Sender<End>,
}

struct Inner {
    broker: Broker,
    /// What wakes the task of each connection, by the index of its key.
    bells: Vec<Option<Arc<Bell>>>,
    /// When the task for time and work wakes by itself.
    wakes_at: Instant,
    /// The last record that the store was woken for.
    announced: u64,
}

impl Host {
    /// Takes a broker all of whose records are stored.
    pub(super) fn new(
        broker: Broker,
        access: Arc<dyn Access>,
        observer: Option<Box<Observer>>,
    ) -> Self {
        Host {
            // A restored broker may be ahead of the clock.
            clock: Clock::new(broker.now()),
            access,
            observer,
            work: Notify::new(),
            records: Notify::new(),
            stored: watch::Sender::new(broker.last_record()),
            waiting: Mutex::default(),
            connections: watch::Sender::new(0),
            listeners: watch::Sender::new(0),
            end: watch::Sender::new(None),
            inner: Mutex::new(Inner {
                bells: Vec::new(),
                wakes_at: Instant::NEVER,
                announced: broker.last_record(),
                broker,
            }),
        }
    }

    /// A panic of an [`Access`] or of a closure ends its task, not the server: the broker is whole after each call.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&Broker) -> R) -> R {
        look(&self.lock().broker)
    }

    /// Calls the broker, and does what has to follow each call.
    pub(super) fn call<R>(&self, call: impl FnOnce(&mut Broker, Instant) -> R) -> R {
        let mut notices = Vec::new();
        let mut inner = self.lock();
        let now = self.clock.now();
        let Inner { broker, bells, .. } = &mut *inner;
        let result = call(broker, now);
        let is_more = broker.work(now, &mut SLICE.clone());
        while let Some(notice) = broker.poll() {
            match notice {
                Notice::Ready(key) | Notice::Readable(key) => {
                    if let Some(Some(bell)) = bells.get(key.index()) {
                        bell.ring();
                    }
                }
                notice if self.observer.is_some() => notices.push(notice),
                _ => {}
            }
        }
        if is_more || broker.next_timeout() < inner.wakes_at {
            self.work.notify_one();
        }
        let last = inner.broker.last_record();
        if last > inner.announced {
            inner.announced = last;
            self.records.notify_one();
        }
        drop(inner);
        for notice in &notices {
            self.report(&Report::Broker(notice));
        }
        result
    }

    pub(super) fn report(&self, report: &Report<'_>) {
        if let Some(observer) = &self.observer {
            observer(report);
        }
    }

    pub(super) fn not_accepted(&self, peer: Option<&Peer>, error: &io::Error) {
        self.report(&Report::NotAccepted { peer, error });
    }

    /// A connection begins. Returns what wakes its task.
    pub(super) fn connected(&self) -> Result<(ConnectionKey, Arc<Bell>), ReasonCode> {
        let key = self.call(|broker, now| broker.connected(now))?;
        let bell = Arc::new(Bell::new());
        let mut inner = self.lock();
        let index = key.index();
        if inner.bells.len() <= index {
            inner.bells.resize(index + 1, None);
        }
        inner.bells[index] = Some(bell.clone());
        drop(inner);
        self.connections.send_modify(|count| *count += 1);
        Ok((key, bell))
    }

    /// A connection is over, whoever ended it.
    pub(super) fn disconnected(&self, key: ConnectionKey, bell: &Arc<Bell>) {
        // An error means that the broker knows.
        let _ = self.call(|broker, now| broker.lost(now, key));
        let mut inner = self.lock();
        // The index may belong to another connection already.
        if let Some(place) = inner.bells.get_mut(key.index())
            && place.as_ref().is_some_and(|it| Arc::ptr_eq(it, bell))
        {
            *place = None;
        }
    }

    /// Ends all tasks.
    pub(super) fn stop(&self, failure: Option<String>) {
        self.end.send_if_modified(|end| {
            let is_first = end.is_none();
            if is_first {
                *end = Some(failure);
            }
            is_first
        });
        for bell in self.lock().bells.iter().flatten() {
            bell.ring();
        }
    }

    /// Whether the server has ended. Rings all bells when it does.
    pub(super) fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Whether nothing waits for a client that is connected, or is on its way to one.
    pub(super) fn is_delivered(&self) -> bool {
        self.look(|broker| {
            broker.sessions().all(|view| {
                let session = view.session();
                view.connection().is_none() || session.waiting() == 0 && session.in_flight() == 0
            })
        })
    }

    pub(super) fn last_stored(&self) -> u64 {
        *self.stored.borrow()
    }

    /// All records up to this one are stored.
    pub(super) fn stored_up_to(&self, record: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.stored.send_replace(record);
        for bell in waiting.drain(..) {
            bell.ring();
        }
    }

    /// Returns the last record that is stored. The bell rings once, when more are.
    pub(super) fn ring_when_stored(&self, bell: &Arc<Bell>) -> u64 {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(bell.clone());
        self.last_stored()
    }

    /// Waits until this record is stored. Returns whether it is; otherwise the server has ended.
    pub(super) async fn is_stored(&self, record: u64) -> bool {
        let mut stored = self.stored.subscribe();
        tokio::select! {
            is_stored = async { stored.wait_for(|stored| *stored >= record).await.is_ok() } => is_stored,
            () = self.ended() => false,
        }
    }

    /// Waits until the server has ended.
    pub(super) async fn ended(&self) {
        let mut end = self.end.subscribe();
        // An error cannot be: the sender is here.
        let _ = end.wait_for(Option::is_some).await;
    }

    /// Why the store has failed, if it has.
    pub(super) fn failure(&self) -> io::Result<()> {
        match &*self.end.borrow() {
            Some(Some(failure)) => Err(io::Error::other(failure.clone())),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Host")
            .field("connections", &*self.connections.borrow())
            .field("stored", &*self.stored.borrow())
            .finish_non_exhaustive()
    }
}

/// Does what is due, and what takes long, a slice at a time.
pub(super) async fn keep_time(host: Arc<Host>) {
    loop {
        let wakes_at = {
            let mut inner = host.lock();
            inner.wakes_at = inner.broker.next_timeout();
            inner.wakes_at
        };
        tokio::select! {
            () = host.work.notified() => {}
            () = host.clock.sleep_until(wakes_at) => {}
            () = host.ended() => return,
        }
        // The others have their turn.
        yield_now().await;
        host.call(|broker, now| broker.handle_timeout(now, &mut SLICE.clone()));
    }
}
