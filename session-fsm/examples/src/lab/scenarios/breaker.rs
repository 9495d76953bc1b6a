//! A circuit breaker around publishes: while the network is down, messages are held back at once, instead of waiting.

mod log;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mqtt5_tokio::fsm::circuit_breaker::{
    CircuitBreaker, CircuitBreakerSettings, CircuitState, Pass,
};
use mqtt5_tokio::{Client, PublishFailure, Qos, fsm};
use tokio::time::timeout;

use self::log::{Attempt, Log};
use crate::lab::context::numbered;
use crate::lab::counting::{milliseconds, thousands};
use crate::lab::outcome::TimelineLine;
use crate::lab::{Chart, Lab, Outcome, Result, Table, Tally};

/// How many sensors share a client.
const SENSORS: u64 = 4;
/// How many readings each of them takes, and how often.
const READINGS: u64 = 130;
const EVERY: Duration = Duration::from_millis(10);
/// When the network goes down, and when it is back.
const DOWN: Duration = Duration::from_millis(150);
const UP: Duration = Duration::from_millis(1050);
/// How long a publish may take.
const WITHIN: Duration = Duration::from_millis(50);
/// How long everything may take.
const PATIENCE: Duration = Duration::from_secs(20);

const SETTINGS: CircuitBreakerSettings = CircuitBreakerSettings {
    failures_to_open: 3,
    window: Duration::from_secs(10),
    open_for: Duration::from_millis(150),
    open_for_at_most: Duration::from_millis(300),
    probe_timeout: Duration::from_secs(5),
    successes_to_close: 2,
};

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    lab.step("the network goes down");
    let (without, with) = tokio::try_join!(
        Station::run(lab, "without", None),
        Station::run(lab, "with", Some(CircuitBreaker::new(SETTINGS)))
    )?;
    let mut outcome = Outcome::default();
    outcome.say(format!(
        "{SENSORS} sensors take a reading every {} ms, and publish it within {} ms, or keep it and try again. The network is down for {} ms. One station has a circuit breaker, the other one has none.",
        EVERY.as_millis(),
        WITHIN.as_millis(),
        (UP - DOWN).as_millis(),
    ));
    let (stalled, saved) = (without.blocked(), with.blocked());
    outcome.say(format!(
        "Without a breaker, the sensors wait {} for publishes that fail; with one {}, because it holds back {} publishes at once.",
        milliseconds(stalled),
        milliseconds(saved),
        thousands(with.held_back),
    ));
    let opened = with.opened();
    outcome.check(
        "Opening",
        "The breaker opens after three failures in a row, and not before.",
        opened.is_some() && with.failures_before_opening() == 3,
    );
    outcome.check(
        "Probes",
        "Once it is open, nothing but single probes pass, one at a time, until it closes.",
        with.probes_are_single(),
    );
    outcome.check(
        "Closing",
        "When the network is back, two probes close it again.",
        with.closed_after_two_probes(),
    );
    outcome.check(
        "Waiting",
        "With the breaker, the sensors wait less than half as long for publishes that fail.",
        saved * 2 < stalled && with.held_back > 0,
    );
    for (name, station) in [("Without a breaker", &without), ("With a breaker", &with)] {
        outcome.deliveries(name, Qos::AtLeastOnce, station.tally);
    }
    let row = |name: &str, value: fn(&Log) -> String| {
        vec![name.to_owned(), value(&without), value(&with)]
    };
    outcome.tables.push(Table {
        title: "The same outage, without and with a breaker".to_owned(),
        columns: vec!["", "without", "with"],
        rows: vec![
            row("publishes that failed", |it| {
                thousands(it.failed().count() as u64)
            }),
            row("time spent on them", |it| milliseconds(it.blocked())),
            row("publishes held back at once", |it| thousands(it.held_back)),
            row("longest delay of a reading", |it| {
                milliseconds(it.longest_delay)
            }),
            row("readings published twice", |it| {
                thousands(it.tally.repeated)
            }),
        ],
    });
    outcome.charts.push(Chart::Timeline {
        title: "The network, the breaker, and publishes that failed".to_owned(),
        lines: vec![
            TimelineLine {
                name: "Network".to_owned(),
                marks: Vec::new(),
                spans: vec![(with.down, with.up, "down".to_owned())],
            },
            without.failures_line("Failures without"),
            with.failures_line("Failures with"),
            with.state_line("Breaker closed", "closed"),
            with.state_line("Breaker open", "open"),
            with.state_line("Breaker half-open", "half-open"),
        ],
    });
    Ok(outcome)
}

/// Sensors that share a client, and perhaps a breaker.
struct Station<'a> {
    lab: &'a Lab,
    client: Client,
    topic: String,
    shared: Mutex<(Option<CircuitBreaker>, Log)>,
}

impl Station<'_> {
    async fn run(lab: &Lab, name: &str, breaker: Option<CircuitBreaker>) -> Result<Log> {
        let topic = lab.topic(&format!("breaker/{name}"));
        let observer = lab.observer().await?;
        let witness = lab
            .witness(&format!("see-{name}"), &topic, Qos::AtLeastOnce)
            .await?;
        let client = lab.client(observer.address(), name);
        let (client, _messages) = timeout(PATIENCE, client.connect()).await??;
        let mut log = Log::default();
        log.state(lab.start.elapsed(), "closed");
        let station = Station {
            lab,
            client,
            topic,
            shared: Mutex::new((breaker, log)),
        };
        let network = async {
            tokio::time::sleep(DOWN).await;
            let down = lab.start.elapsed();
            observer.set_down(true);
            tokio::time::sleep(UP - DOWN).await;
            observer.set_down(false);
            (down, lab.start.elapsed())
        };
        let all = async {
            tokio::try_join!(
                station.sensor(0),
                station.sensor(1),
                station.sensor(2),
                station.sensor(3)
            )
        };
        let both = async { tokio::join!(network, all) };
        let ((down, up), sensors) = timeout(PATIENCE, both).await?;
        sensors?;
        let numbers = 0..SENSORS * READINGS;
        witness
            .notebook()
            .wait_for_all(numbers.clone(), PATIENCE)
            .await;
        station.client.disconnect().await;
        let confirmed = observer.look(|it| it.confirmed().len() as u64);
        let mut shared = station.locked();
        let mut log = std::mem::take(&mut shared.1);
        (log.down, log.up, log.end) = (down, up, lab.start.elapsed());
        log.tally = Tally::of(numbers, Some(confirmed), witness.notebook().numbers());
        Ok(log)
    }

    fn locked(&self) -> MutexGuard<'_, (Option<CircuitBreaker>, Log)> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of the breaker.
    fn now(&self) -> fsm::Instant {
        fsm::Instant::ORIGIN + self.lab.start.elapsed()
    }

    /// Takes readings, and publishes them in order.
    async fn sensor(&self, sensor: u64) -> Result<()> {
        let (start, mut kept) = (Instant::now(), VecDeque::new());
        let mut every = tokio::time::interval(EVERY);
        for reading in 0..READINGS {
            every.tick().await;
            self.delayed(start.elapsed().saturating_sub(EVERY * reading as u32));
            kept.push_back(reading * SENSORS + sensor);
            self.publish(&mut kept).await?;
        }
        while !kept.is_empty() {
            every.tick().await;
            self.publish(&mut kept).await?;
        }
        Ok(())
    }

    fn delayed(&self, delay: Duration) {
        let mut shared = self.locked();
        shared.1.longest_delay = shared.1.longest_delay.max(delay);
    }

    /// Publishes what is kept, until something fails.
    async fn publish(&self, kept: &mut VecDeque<u64>) -> Result<()> {
        while let Some(&number) = kept.front() {
            let Some(pass) = self.pass() else { break };
            let from = self.lab.start.elapsed();
            let message = numbered(&self.topic, number, Qos::AtLeastOnce)?;
            let has_failed = match self.client.publish_within(WITHIN, message).await {
                Ok(_) => false,
                Err(PublishFailure::TimedOut) => true,
                Err(failure) => return Err(failure.into()),
            };
            self.done(pass, from, has_failed);
            if has_failed {
                break;
            }
            kept.pop_front();
        }
        Ok(())
    }

    /// Asks the breaker. `None` if the message is held back.
    fn pass(&self) -> Option<Option<Pass>> {
        let mut shared = self.locked();
        let (breaker, log) = &mut *shared;
        let Some(breaker) = breaker else {
            return Some(None);
        };
        match breaker.pass(self.now()) {
            Ok(pass) => {
                if pass.is_probe() {
                    log.state(self.lab.start.elapsed(), "half-open");
                }
                Some(Some(pass))
            }
            Err(_) => {
                log.held_back += 1;
                None
            }
        }
    }

    fn done(&self, pass: Option<Pass>, from: Duration, has_failed: bool) {
        let mut shared = self.locked();
        let (breaker, log) = &mut *shared;
        let to = self.lab.start.elapsed();
        let is_probe = pass.as_ref().is_some_and(Pass::is_probe);
        log.attempts.push(Attempt {
            from,
            to,
            is_probe,
            has_failed,
        });
        if let (Some(breaker), Some(pass)) = (breaker, pass) {
            let state = match has_failed {
                true => breaker.failed(self.now(), pass),
                false => breaker.succeeded(self.now(), pass),
            };
            log.state(
                to,
                match state {
                    CircuitState::Closed => "closed",
                    CircuitState::Open { .. } => "open",
                    CircuitState::HalfOpen => "half-open",
                },
            );
        }
    }
}
