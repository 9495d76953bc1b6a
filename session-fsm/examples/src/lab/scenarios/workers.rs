//! Workers that share jobs by a shared subscription (section 4.8.2), and two brokers: a worker dies, then a broker does.

mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use mqtt5_tokio::{Client, ConnectionState, Qos, ReasonCode};
use tokio::time::timeout;

use self::worker::{AT_ONCE, Worker};
use crate::lab::context::{Listener, numbered, wait_until};
use crate::lab::counting::thousands;
use crate::lab::observers::{Heard, Observer, Witness};
use crate::lab::process::BrokerProcess;
use crate::lab::{Lab, Outcome, Result, Table, Tally};

/// How many workers there are.
const WORKERS: u64 = 3;
/// After this time without any result, jobs are handed out again.
const OVERDUE: Duration = Duration::from_secs(5);
/// How long the office waits when there is no worker.
const PAUSE: Duration = Duration::from_millis(5);
/// How long the lab waits for something before it goes on without it.
const STEP: Duration = Duration::from_secs(10);
/// How long any part may take.
const PATIENCE: Duration = Duration::from_secs(40);

pub(super) struct Topics {
    shared: String,
    jobs: String,
    results: String,
    health: String,
}

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    // With fewer, all are handed out before the first worker dies.
    let count = lab.options.messages.clamp(300, 600);
    let topics = Topics {
        shared: format!("$share/workers/{}", lab.topic("jobs")),
        jobs: lab.topic("jobs"),
        results: lab.topic("results"),
        health: lab.topic("health"),
    };
    lab.step(format!("{} jobs for {WORKERS} workers", thousands(count)));
    let mut brokers = [lab.another_broker().await?, lab.another_broker().await?];
    let results = [
        witness(lab, &brokers[0], "results-1", &topics.results).await?,
        witness(lab, &brokers[1], "results-2", &topics.results).await?,
    ];
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(Worker::start(lab, &brokers, &topics, number).await?);
    }
    let office = Office::open(lab, &brokers, &topics).await?;

    // The first half: a worker dies.
    let dies = async {
        let due = count / 8;
        wait_until(STEP, || office.results().len() as u64 >= due).await;
        workers[0].stall();
        wait_until(STEP, || workers[0].stuck().len() == usize::from(AT_ONCE)).await;
        workers[0].cut_off();
    };
    let half = async { tokio::join!(office.hand_out(0..count / 2), dies) };
    let resent = timeout(PATIENCE, half).await?.0?;
    let stuck = workers[0].stuck();
    let done_by_others = results[0].notebook().heard();
    let health = witness(
        lab,
        &brokers[0],
        "health-1",
        &format!("{}/+", topics.health),
    )
    .await?;
    let (dead, alive) = (("0", "dead"), [("1", "alive"), ("2", "alive")]);
    let first_health = states_are(&health, &[dead, alive[0], alive[1]]).await;

    // The second half: the broker dies.
    lab.step("the broker dies");
    let dies = async {
        let due = count * 3 / 4;
        wait_until(STEP, || office.results().len() as u64 >= due).await;
        let waiting = count - office.results().len() as u64;
        brokers[0].kill().await.map(|()| waiting)
    };
    let half = async { tokio::join!(office.hand_out(count / 2..count), dies) };
    let (again, waiting) = timeout(PATIENCE, half).await?;
    let (again, waiting) = (again?, waiting?);
    let health = witness(
        lab,
        &brokers[1],
        "health-2",
        &format!("{}/+", topics.health),
    )
    .await?;
    let second_health = states_are(&health, &alive).await;

    let heard: Vec<Vec<Heard>> = results.iter().map(|it| it.notebook().heard()).collect();
    let mut all: Vec<u64> = heard.iter().flatten().filter_map(Heard::number).collect();
    // The broker may have died between the office and the witness.
    let by_witnesses: BTreeSet<u64> = all.iter().copied().collect();
    all.extend(office.results().difference(&by_witnesses));
    let tally = Tally::of(0..count, None, all);
    let mut outcome = Outcome::default();
    outcome.say(format!(
        "{WORKERS} workers share {} jobs. One of them gets stuck with {} jobs that it does not acknowledge, and loses its network for good; its Session ends with its connection.",
        thousands(count),
        stuck.len(),
    ));
    outcome.say(format!(
        "Then the broker is killed while {waiting} jobs have no result. All clients go on at the second broker, and the office hands out {again} jobs there again, because the first broker has taken them with it.",
    ));
    outcome.say(format!(
        "{} jobs were done twice. A worker had such a job, or its result was on its way, when the broker died, and nobody else could know.",
        tally.repeated,
    ));
    let by_others = |number: &u64| {
        let mut of = done_by_others
            .iter()
            .filter(|it| it.number() == Some(*number));
        of.any(|it| !it.text().ends_with("worker 0"))
    };
    outcome.check(
        "A worker dies",
        "Each job that it has not acknowledged goes to another worker (section 4.8.2); nobody has to hand it out again.",
        stuck.len() == usize::from(AT_ONCE) && stuck.iter().all(by_others) && resent == 0,
    );
    outcome.check(
        "Health",
        "The retained state of the dead worker says dead, by its Will Message; the others are alive, at both brokers.",
        first_health && second_health,
    );
    outcome.counted(
        "Results",
        "Every job has a result.",
        tally,
        tally.lost == 0 && waiting > 0,
    );
    outcome.check(
        "Repeats",
        "No job is done twice before the broker dies, and later no more than are handed out again.",
        has_no_repeats(&heard[0]) && tally.repeated <= again,
    );
    outcome.tables.push(Table {
        title: "Results of each worker".to_owned(),
        columns: vec!["", "first broker", "second broker"],
        rows: (0..WORKERS).map(|number| row(number, &heard)).collect(),
    });
    office.client.disconnect().await;
    for worker in workers {
        worker.stop().await;
    }
    Ok(outcome)
}

async fn witness(lab: &Lab, broker: &BrokerProcess, name: &str, filter: &str) -> Result<Witness> {
    let address = broker.address().to_string();
    lab.witness_at(&address, name, filter, Qos::AtLeastOnce)
        .await
}

/// Waits until these are the last states of all workers. Returns whether they are.
async fn states_are(witness: &Witness, expected: &[(&str, &str)]) -> bool {
    let are_so = || {
        let heard = witness.notebook().heard();
        let worker = |topic: &str| topic.rsplit('/').next().unwrap_or_default().to_owned();
        let states: BTreeMap<_, _> = heard
            .iter()
            .map(|it| (worker(&it.topic), it.text()))
            .collect();
        let states = states
            .iter()
            .map(|(worker, state)| (worker.as_str(), *state));
        states.eq(expected.iter().copied())
    };
    wait_until(STEP, are_so).await
}

fn has_no_repeats(heard: &[Heard]) -> bool {
    let different: BTreeSet<_> = heard.iter().map(Heard::number).collect();
    different.len() == heard.len()
}

fn row(worker: u64, heard: &[Vec<Heard>]) -> Vec<String> {
    let by = format!("worker {worker}");
    let count = |heard: &Vec<Heard>| heard.iter().filter(|it| it.text().ends_with(&by)).count();
    let mut row = vec![by.clone()];
    row.extend(heard.iter().map(|it| thousands(count(it) as u64)));
    row
}

/// Hands out jobs, and collects results.
struct Office {
    client: Client,
    _observers: [Observer; 2],
    listener: Listener,
    jobs: String,
}

impl Office {
    async fn open(lab: &Lab, brokers: &[BrokerProcess; 2], topics: &Topics) -> Result<Self> {
        let observers = [
            lab.observer_of(&brokers[0]).await?,
            lab.observer_of(&brokers[1]).await?,
        ];
        let client = lab.client(observers[0].address(), "office");
        let (client, messages) = client.servers([observers[1].address()]).connect().await?;
        client.subscribe(&topics.results, Qos::AtLeastOnce).await?;
        Ok(Office {
            client,
            _observers: observers,
            listener: lab.listen(messages),
            jobs: topics.jobs.clone(),
        })
    }

    /// The jobs that have a result.
    fn results(&self) -> BTreeSet<u64> {
        self.listener.notebook().numbers().into_iter().collect()
    }

    /// Hands out jobs until each has a result. Returns how many were handed out again.
    async fn hand_out(&self, numbers: Range<u64>) -> Result<u64> {
        let mut state = self.client.state();
        // Where each job was handed out.
        let mut handed_out = BTreeMap::new();
        let mut again = 0;
        loop {
            let server = match &*state.borrow_and_update() {
                ConnectionState::Connected { server, .. } => Some(server.clone()),
                _ => None,
            };
            let results = self.results();
            if numbers.clone().all(|it| results.contains(&it)) {
                return Ok(again);
            }
            let heard = self.listener.notebook().count();
            // What was handed out at another server is gone.
            let is_due = |it: &u64| !results.contains(it) && handed_out.get(it) != Some(&server);
            let due: Vec<u64> = numbers.clone().filter(is_due).collect();
            for number in due {
                if server.is_none() || state.has_changed()? {
                    break;
                }
                let job = numbered(&self.jobs, number, Qos::AtLeastOnce)?;
                match self.client.send(job).await?.await {
                    // No worker is there yet.
                    Ok(it) if it.reason_code == ReasonCode::NoMatchingSubscribers => break,
                    Ok(_) => {
                        again += u64::from(handed_out.insert(number, server.clone()).is_some())
                    }
                    // The Session has ended with its broker, which may have taken the job.
                    Err(_) => again += u64::from(handed_out.insert(number, None).is_some()),
                }
            }
            let is_out = |it: u64| results.contains(&it) || handed_out.get(&it) == Some(&server);
            let is_complete = numbers.clone().all(is_out);
            let patience = if is_complete { OVERDUE } else { PAUSE };
            tokio::select! {
                has_come = self.listener.notebook().wait_for(heard + 1, patience) => {
                    if is_complete && !has_come {
                        handed_out.values_mut().for_each(|server| *server = None);
                    }
                }
                _ = state.changed() => state.mark_changed(),
            }
        }
    }
}
