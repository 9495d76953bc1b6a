//! A connector that remembers which servers are dead.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mqtt5_tokio::fsm::circuit_breaker::{CircuitBreaker, CircuitBreakerSettings};
use mqtt5_tokio::{BoxedFuture, BoxedStream, Connector, Network, Scheme, fsm};

/// How many failures open the breaker of a server.
pub(super) const FAILURES: u8 = 2;

/// An attempt to open a connection.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) at: Duration,
    server: String,
    /// Otherwise its breaker is open.
    pub(super) is_tried: bool,
}

/// What the connector remembers.
#[derive(Default)]
struct Memory {
    breakers: HashMap<String, CircuitBreaker>,
    attempts: Vec<Attempt>,
}

/// A connector with a breaker for each server: while it is open, the server is passed over, and the next one has its turn.
#[derive(Clone)]
pub(super) struct Careful {
    start: Instant,
    network: Network,
    shared: Arc<Mutex<Memory>>,
}

impl Careful {
    pub(super) fn new(start: Instant) -> Self {
        Careful {
            start,
            network: Network::new(Scheme::Mqtt),
            shared: Arc::default(),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Memory> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> fsm::Instant {
        fsm::Instant::ORIGIN + self.start.elapsed()
    }

    /// All attempts at this server.
    pub(super) fn attempts(&self, server: &str) -> Vec<Attempt> {
        let attempts = self.locked().attempts.clone();
        attempts
            .into_iter()
            .filter(|it| it.server == server)
            .collect()
    }

    /// Asks the breaker of this server, or reports to it.
    fn breaker<R>(
        &self,
        server: &str,
        ask: impl FnOnce(&mut CircuitBreaker, fsm::Instant) -> R,
    ) -> R {
        let settings = CircuitBreakerSettings {
            failures_to_open: FAILURES,
            ..Default::default()
        };
        let mut shared = self.locked();
        let breaker = shared.breakers.entry(server.to_owned());
        ask(
            breaker.or_insert_with(|| CircuitBreaker::new(settings)),
            self.now(),
        )
    }
}

impl Connector for Careful {
    fn open<'a>(&'a self, server: &'a str) -> BoxedFuture<'a, io::Result<BoxedStream>> {
        Box::pin(async move {
            let pass = self.breaker(server, CircuitBreaker::pass);
            self.locked().attempts.push(Attempt {
                at: self.start.elapsed(),
                server: server.to_owned(),
                is_tried: pass.is_ok(),
            });
            let pass = pass.map_err(io::Error::other)?;
            let opened = self.network.open(server).await;
            self.breaker(server, |breaker, now| match opened.is_ok() {
                true => breaker.succeeded(now, pass),
                false => breaker.failed(now, pass),
            });
            opened
        })
    }
}
