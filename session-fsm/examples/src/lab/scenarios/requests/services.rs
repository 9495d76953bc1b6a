//! The responder, and its services.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mqtt5_tokio::fsm::services::{Call, Services};
use mqtt5_tokio::{Client, Messages, Publication, Qos, fsm};
use tokio::task::JoinSet;

use crate::lab::observers::number_of;
use crate::lab::{Lab, Result};

/// How long the late service takes: longer than its requesters wait.
const LATE: Duration = Duration::from_millis(1_400);

/// What a service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Square,
    Root,
    Silent,
    Late,
}

/// All of them.
pub(super) const ALL: [Service; 4] = [
    Service::Square,
    Service::Root,
    Service::Silent,
    Service::Late,
];

impl Service {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Service::Square => "square",
            Service::Root => "root",
            Service::Silent => "silent",
            Service::Late => "late",
        }
    }

    /// The answer to a number.
    pub(super) fn answer(self, number: u64) -> Result<String, String> {
        match self {
            Service::Root => Err(format!("-{number} has no real root")),
            _ => Ok(format!("{number} squared is {}", number * number)),
        }
    }
}

/// The other side.
#[derive(Clone)]
pub(super) struct Responder {
    client: Client,
    services: Arc<Mutex<Services<Service>>>,
    /// The numbers that were heard by services that answer.
    calls: Arc<Mutex<Vec<u64>>>,
    start: Instant,
}

impl Responder {
    pub(super) async fn register(lab: &Lab, client: Client, requests: &str) -> Result<Self> {
        let mut services = Services::new(ALL.len());
        for service in ALL {
            let filter = format!("{requests}/{}/+", service.name());
            services.register(&filter, service)?;
            client.subscribe(&filter, Qos::AtLeastOnce).await?;
        }
        let services = Arc::new(Mutex::new(services));
        Ok(Responder {
            client,
            services,
            calls: Arc::default(),
            start: lab.start,
        })
    }

    fn now(&self) -> fsm::Instant {
        fsm::Instant::ORIGIN + self.start.elapsed()
    }

    fn locked(&self) -> MutexGuard<'_, Services<Service>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers that were heard so far, and have or will have an answer.
    pub(super) fn calls(&self) -> MutexGuard<'_, Vec<u64>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many calls have succeeded, and how many have failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        let services = self.locked();
        let counts = services.filters().filter_map(|it| services.counts(it));
        counts.fold((0, 0), |sum, it| (sum.0 + it.succeeded, sum.1 + it.failed))
    }

    /// Answers each request in a task of its own, until the client ends.
    pub(super) async fn respond(&self, lab: &Lab, mut incoming: Messages) -> Result<()> {
        let mut running = JoinSet::new();
        while let Some(request) = incoming.next().await {
            let mut services = self.locked();
            let (call, &service) = services.call(self.now(), &request.publish())?;
            let number = number_of(request.payload()).ok_or("A request has no number.")?;
            let pause = match service {
                Service::Silent => {
                    services.abandon(call);
                    continue;
                }
                Service::Late => LATE,
                _ => Duration::from_millis(lab.random(40)),
            };
            drop(services);
            self.calls().push(number);
            running.spawn(self.clone().answer(call, service, number, pause));
        }
        Err("The responder has ended.".into())
    }

    async fn answer(
        self,
        call: Call,
        service: Service,
        number: u64,
        pause: Duration,
    ) -> Result<()> {
        tokio::time::sleep(pause).await;
        let result = service.answer(number);
        let status = result.as_ref().map(|_| ()).map_err(String::as_str);
        let answer = self.locked().answer(self.now(), call, status);
        let payload = result.unwrap_or_else(|_| number.to_string());
        let message = answer.message(payload.as_bytes())?;
        self.client
            .send(Publication::new(Qos::AtLeastOnce, message))
            .await?
            .await?;
        Ok(())
    }
}
