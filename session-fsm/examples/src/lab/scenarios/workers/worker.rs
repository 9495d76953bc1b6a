//! A worker: takes jobs of a shared subscription, reports results, and tells whether it is alive.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mqtt5_tokio::{Client, ConnectionState, Message, Messages, Qos, Will};
use tokio::task::JoinHandle;

use super::Topics;
use crate::lab::observers::{Observer, number_of};
use crate::lab::process::BrokerProcess;
use crate::lab::{Lab, Result};

/// How long a job takes.
const WORK: Duration = Duration::from_millis(1);
/// How many jobs a worker may have at once: its Receive Maximum.
pub(super) const AT_ONCE: u16 = 8;

pub(super) struct Worker {
    client: Client,
    /// In front of each broker.
    observers: Vec<Observer>,
    desk: Arc<Desk>,
    tasks: [JoinHandle<()>; 2],
}

/// What the worker has on its desk.
#[derive(Default)]
struct Desk {
    is_stuck: AtomicBool,
    /// Jobs that it has taken, and that it will not do.
    stuck: Mutex<Vec<Message>>,
}

impl Worker {
    /// Connects to the first of these brokers, and subscribes.
    pub(super) async fn start(
        lab: &Lab,
        brokers: &[BrokerProcess],
        topics: &Topics,
        number: u64,
    ) -> Result<Self> {
        let mut observers = Vec::new();
        for broker in brokers {
            observers.push(lab.observer_of(broker).await?);
        }
        let name = format!("worker-{number}");
        let health = format!("{}/{number}", topics.health);
        let mut will = Will::new(&health, "dead", Qos::AtLeastOnce);
        will.retain = true;
        let client = lab.client("", &name);
        let (client, messages) = client
            .servers(observers.iter().map(Observer::address))
            // Its jobs go to others as soon as it is gone.
            .session_expiry(Duration::ZERO)
            .receive_maximum(AT_ONCE)
            .manual_acknowledgement(true)
            .will(will)
            .connect()
            .await?;
        client.subscribe(&topics.shared, Qos::AtLeastOnce).await?;
        let desk = Arc::<Desk>::default();
        let tasks = [
            tokio::spawn(tell(client.clone(), health)),
            tokio::spawn(work(
                client.clone(),
                messages,
                topics.results.clone(),
                number,
                desk.clone(),
            )),
        ];
        Ok(Worker {
            client,
            observers,
            desk,
            tasks,
        })
    }

    /// From now on it takes jobs, and does none.
    pub(super) fn stall(&self) {
        self.desk.is_stuck.store(true, Ordering::Relaxed);
    }

    /// The jobs that it has taken since, and has not acknowledged.
    pub(super) fn stuck(&self) -> Vec<u64> {
        let stuck = self
            .desk
            .stuck
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        stuck
            .iter()
            .filter_map(|job| number_of(job.payload()))
            .collect()
    }

    /// Its network goes down for good.
    pub(super) fn cut_off(&self) {
        for observer in &self.observers {
            observer.set_down(true);
        }
    }

    pub(super) async fn stop(self) {
        self.client.disconnect().await;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Says that the worker is alive, to each broker that it connects to.
async fn tell(client: Client, health: String) {
    let mut state = client.state();
    loop {
        let is_connected = matches!(
            *state.borrow_and_update(),
            ConnectionState::Connected { .. }
        );
        if is_connected {
            // If the connection is lost, it says so again on the next one.
            let _ = client
                .publish_retained(&health, "alive", Qos::AtLeastOnce)
                .await;
        }
        if state.changed().await.is_err() {
            break;
        }
    }
}

async fn work(client: Client, mut jobs: Messages, results: String, number: u64, desk: Arc<Desk>) {
    while let Some(job) = jobs.next().await {
        if desk.is_stuck.load(Ordering::Relaxed) {
            let stuck = desk.stuck.lock();
            stuck.unwrap_or_else(PoisonError::into_inner).push(job);
            continue;
        }
        tokio::time::sleep(WORK).await;
        let result = format!(
            "{} by worker {number}",
            number_of(job.payload()).unwrap_or(u64::MAX)
        );
        // Acknowledged when the result is safe, and not before.
        if client
            .publish(&results, result, Qos::AtLeastOnce)
            .await
            .is_ok()
        {
            job.acknowledge();
        }
    }
}
