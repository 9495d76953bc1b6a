//! Requests and responses, answered by a registry of services.

mod services;

use std::ops::Range;
use std::time::{Duration, Instant};

use mqtt5_tokio::fsm::services::AnswerStatus;
use mqtt5_tokio::{Client, Message, PublishFailure, Qos, RequestFailure};
use tokio::task::JoinSet;

use self::services::{ALL, Responder, Service};
use crate::lab::context::wait_until;
use crate::lab::counting::{milliseconds, thousands};
use crate::lab::observers::{Direction, Recording};
use crate::lab::{Chart, Lab, Latencies, Outcome, Result, Table, Tally};

/// How many requests go to each service that does not succeed.
const FEW: u64 = 20;
/// How long a requester waits for an answer that does not come, or comes too late.
const SHORT: Duration = Duration::from_secs(1);
/// How long a requester waits for all others.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a requester got.
struct Response {
    service: Service,
    number: u64,
    /// `None` if its time was up.
    outcome: Option<Result<String, String>>,
    after: Duration,
}

impl Response {
    /// Whether it is what belongs to this request, and to no other one.
    fn fits(&self) -> bool {
        match (self.service, &self.outcome) {
            (Service::Square | Service::Root, Some(outcome)) => {
                *outcome == self.service.answer(self.number)
            }
            // The machine counts whole milliseconds.
            (Service::Silent | Service::Late, None) => {
                self.after + Duration::from_millis(1) >= SHORT
            }
            _ => false,
        }
    }
}

/// The numbers of the requests to a service, which no other one has.
const fn numbers(service: Service, many: u64) -> Range<u64> {
    let first = 1_000_000 * service as u64;
    match service {
        Service::Square => first..first + many,
        _ => first..first + FEW,
    }
}

const fn patience(service: Service) -> Duration {
    match service {
        Service::Square | Service::Root => PATIENCE,
        Service::Silent | Service::Late => SHORT,
    }
}

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let many = lab.options.messages.min(2_000);
    lab.step(format!("{} requests at once", thousands(many + 3 * FEW)));
    let (requests, answers) = (lab.topic("requests"), lab.topic("answers"));
    let witness = lab.witness("answers", &answers, Qos::AtLeastOnce).await?;
    let (responder, incoming) = lab.client(lab.server(), "responder").connect().await?;
    let responder = Responder::register(lab, responder, &requests).await?;
    let observer = lab.observer().await?;
    let (requester, mut others) = lab
        .client(observer.address(), "requester")
        .response_topic(&answers)
        .requests(5_000)
        .connect()
        .await?;

    let mut running = JoinSet::new();
    let mut spawn = |service: Service| {
        for number in numbers(service, many) {
            let topic = format!("{requests}/{}/{number}", service.name());
            running.spawn(ask(requester.clone(), topic, service, number));
        }
    };
    // What has little time does not stand behind all others.
    spawn(Service::Silent);
    spawn(Service::Late);
    let sent = |it: &Recording| it.confirmed().len() as u64 >= 2 * FEW;
    wait_until(PATIENCE, || observer.look(sent)).await;
    spawn(Service::Root);
    spawn(Service::Square);
    let mut responses = Vec::new();
    let asking = async {
        while let Some(response) = running.join_next().await {
            responses.push(response??);
        }
        // A slow server lets some of those requests expire that have little time.
        let mut calls = Vec::new();
        let all = || {
            calls.clone_from(&responder.calls());
            let seen = |it: &Recording| it.first_seen(Direction::ToClient).len() >= calls.len();
            witness.notebook().count() >= calls.len() && observer.look(seen)
        };
        wait_until(PATIENCE, all).await;
        requester.disconnect().await;
        Ok(calls)
    };
    let calls: Vec<u64> = tokio::select! {
        asked = asking => asked,
        ended = responder.respond(lab, incoming) => ended.and(Ok(Vec::new())),
    }?;
    let mut astray = 0;
    while others.next().await.is_some() {
        astray += 1;
    }

    let heard = witness.notebook().numbers();
    let of = |service: Service| responses.iter().filter(move |it| it.service == service);
    let mut outcome = Outcome::default();
    outcome.say(format!(
        "A responder has four services, and {} requests are under way at once. Its service for squares takes a random time for each, so that {} answers come before one to an earlier request.",
        thousands(many + 3 * FEW),
        thousands(overtakers(&heard, numbers(Service::Square, many))),
    ));
    for (service, promise) in [
        (
            Service::Square,
            "Each answer goes to the request that it belongs to.",
        ),
        (
            Service::Root,
            "The service fails each time, and each requester learns why from the answer.",
        ),
        (
            Service::Silent,
            "The service does not answer, and the requester's own time limit ends each request.",
        ),
        (
            Service::Late,
            "An answer that comes when the time is up completes nothing, and no other request.",
        ),
    ] {
        let all_fit = of(service).all(|it| it.fits());
        let range = numbers(service, many);
        let on_the_wire = heard.iter().copied().filter(|it| range.contains(it));
        // The numbers that should have an answer.
        let heard_of = |it: &u64| service != Service::Late || calls.contains(it);
        let tally = Tally::of(range.clone().filter(heard_of), None, on_the_wire);
        let subject = format!("Service {}", service.name());
        let kept = all_fit && of(service).count() as u64 == range.end - range.start;
        match service {
            Service::Silent => outcome.check(subject, promise, kept && tally.delivered == 0),
            _ => outcome.counted(subject, promise, tally, kept && tally.lost == 0),
        }
    }
    let (succeeded, failed) = responder.counts();
    outcome.check(
        "Responder",
        "Its registry has counted as many answers as the witness has heard.",
        failed == FEW && heard.len() as u64 == succeeded + failed,
    );
    outcome.check(
        "Requester",
        "No answer is left over for the rest of the application, not even a late one.",
        astray == 0,
    );
    let mut table = Table {
        title: "What the requesters got".to_owned(),
        columns: vec![
            "",
            "requests",
            "answers",
            "errors",
            "time was up",
            "p50",
            "p99",
        ],
        rows: Vec::new(),
    };
    for service in ALL {
        let number = |fits: fn(&Response) -> bool| of(service).filter(|it| fits(it)).count() as u64;
        let latencies: Latencies = of(service).map(|it| it.after).collect();
        table.rows.push(vec![
            service.name().to_owned(),
            thousands(number(|_| true)),
            thousands(number(|it| matches!(it.outcome, Some(Ok(_))))),
            thousands(number(|it| matches!(it.outcome, Some(Err(_))))),
            thousands(number(|it| it.outcome.is_none())),
            milliseconds(latencies.percentile(50)),
            milliseconds(latencies.percentile(99)),
        ]);
    }
    outcome.tables.push(table);
    outcome.charts.push(Chart::Histogram {
        title: "How long requesters waited for a square".to_owned(),
        series: vec![(
            "square".to_owned(),
            of(Service::Square).map(|it| it.after).collect(),
        )],
    });
    Ok(outcome)
}

/// How many of these numbers came before a lower one.
fn overtakers(heard: &[u64], of: Range<u64>) -> u64 {
    let mut least = u64::MAX;
    let mut count = 0;
    for number in heard.iter().rev().filter(|it| of.contains(it)) {
        count += u64::from(least < *number);
        least = least.min(*number);
    }
    count
}

async fn ask(client: Client, topic: String, service: Service, number: u64) -> Result<Response> {
    let asked = Instant::now();
    let answer = client
        .request(&topic, number.to_string(), patience(service))
        .await;
    let outcome = match answer {
        Ok(answer) => Some(read(&answer)?),
        Err(RequestFailure::TimedOut | RequestFailure::NotPublished(PublishFailure::TimedOut)) => {
            None
        }
        Err(failure) => return Err(failure.into()),
    };
    let after = asked.elapsed();
    Ok(Response {
        service,
        number,
        outcome,
        after,
    })
}

/// What an answer says.
fn read(answer: &Message) -> Result<Result<String, String>> {
    let publish = answer.publish();
    let status = AnswerStatus::of(&publish).ok_or("An answer has no status.")?;
    Ok(match status.error {
        Some(error) => Err(error.to_owned()),
        None => Ok(answer.text().unwrap_or_default().to_owned()),
    })
}
