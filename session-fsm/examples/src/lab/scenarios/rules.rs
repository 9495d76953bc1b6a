//! Rules over User Properties: some messages are published again, some are archived, the rest is left.

mod labels;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mqtt5_tokio::codec::{Message, Publish, TopicName};
use mqtt5_tokio::{Client, Messages, PendingOutcome, Publication, Qos};
use tokio::time::timeout;

use self::labels::{Labels, Route, router};
use crate::lab::counting::thousands;
use crate::lab::observers::{Heard, number_of};
use crate::lab::{Chart, Lab, Outcome, Result, Table, Tally};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let count = lab.options.messages.min(2_000);
    lab.step(format!("{} messages for the router", thousands(count)));
    let labels: Vec<Labels> = (0..count).map(|_| Labels::random(lab)).collect();
    let routed = lab.topic("rules/routed/+");
    let witness = lab
        .witness("rules-witness", &routed, Qos::ExactlyOnce)
        .await?;
    let (client, messages) = lab.client(lab.server(), "rules-router").connect().await?;
    let incoming = lab.topic("rules/incoming");
    client.subscribe(&incoming, Qos::ExactlyOnce).await?;
    let (publisher, _messages) = lab.client(lab.server(), "rules-pub").connect().await?;
    let work = async {
        tokio::try_join!(
            publish(&publisher, &incoming, &labels),
            route(lab, &client, messages, count)
        )
    };
    let ((), sorted) = timeout(PATIENCE, work)
        .await
        .map_err(|_| "The router did not end in time.")??;
    let expected = |route: Route| {
        let numbers = labels
            .iter()
            .zip(0..)
            .filter(move |it| it.0.route() == route);
        numbers.map(|(_, number): (_, u64)| number)
    };
    let forwarded = expected(Route::Alert).chain(expected(Route::Update));
    witness.notebook().wait_for_all(forwarded, PATIENCE).await;
    publisher.disconnect().await;
    client.disconnect().await;
    Ok(report(lab, &labels, &sorted, &witness.notebook().heard()))
}

async fn publish(publisher: &Client, topic: &str, labels: &[Labels]) -> Result<()> {
    let mut pending = Vec::new();
    for (number, labels) in (0..).zip(labels) {
        pending.push(publisher.send(labels.publication(topic, number)?).await?);
    }
    settle(pending).await
}

async fn settle(pending: Vec<PendingOutcome>) -> Result<()> {
    for outcome in pending {
        outcome.await?;
    }
    Ok(())
}

/// What the application keeps, in the order of arrival.
#[derive(Default)]
struct Sorted {
    archive: Vec<u64>,
    left: Vec<u64>,
}

/// The router: takes `count` messages, and does with each what the rules say.
async fn route(lab: &Lab, client: &Client, mut messages: Messages, count: u64) -> Result<Sorted> {
    let router = router()?;
    let (alerts, updates) = (topic_of(lab, Route::Alert), topic_of(lab, Route::Update));
    let mut sorted = Sorted::default();
    let mut pending = Vec::new();
    for _ in 0..count {
        let message = messages.next().await.ok_or("The router has ended.")?;
        let publish = message.publish();
        let number = number_of(publish.payload).ok_or("A message has no number.")?;
        let topic = match router.first(&publish) {
            Some(Route::Alert) => &alerts,
            Some(Route::Update) => &updates,
            Some(Route::Archive) => {
                sorted.archive.push(number);
                continue;
            }
            _ => {
                sorted.left.push(number);
                continue;
            }
        };
        // Another topic; the properties and the payload stay as they are.
        let again = Publish {
            topic: Some(TopicName::new(topic)?),
            ..publish
        };
        let publication = Publication::new(Qos::ExactlyOnce, Message::new(&again)?);
        pending.push(client.send(publication).await?);
    }
    settle(pending).await?;
    Ok(sorted)
}

fn topic_of(lab: &Lab, route: Route) -> String {
    lab.topic(match route {
        Route::Alert => "rules/routed/alerts",
        _ => "rules/routed/updates",
    })
}

fn report(lab: &Lab, labels: &[Labels], sorted: &Sorted, heard: &[Heard]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut went: BTreeMap<Route, Vec<u64>> = BTreeMap::new();
    for route in [Route::Alert, Route::Update] {
        let topic = topic_of(lab, route);
        let numbers = heard
            .iter()
            .filter(|it| it.topic == topic)
            .filter_map(Heard::number);
        went.insert(route, numbers.collect());
    }
    went.insert(Route::Archive, sorted.archive.clone());
    went.insert(Route::Left, sorted.left.clone());
    outcome.say(format!(
        "{} messages carry their priority, region, version of the schema and value as User Properties. A router takes them, and looks at nothing else.",
        thousands(labels.len() as u64)
    ));
    let rules = [
        "high priority, and a region with the word zone",
        "a version of the schema before 1.10",
        "high priority, or a value from 90 on",
        "all others",
    ];
    let mut table = Table {
        title: "The rules, in order: the first that matches counts".to_owned(),
        columns: vec!["", "messages", "rule"],
        rows: Vec::new(),
    };
    let mut bars = Vec::new();
    for (route, rule) in Route::ALL.into_iter().zip(rules) {
        let expected: BTreeSet<u64> = (0..)
            .zip(labels)
            .filter(|it| it.1.route() == route)
            .map(|it| it.0)
            .collect();
        let arrived = went.get(&route).map_or(&[][..], Vec::as_slice);
        let tally = Tally::of(expected, None, arrived.iter().copied());
        table.rows.push(vec![
            route.name().to_owned(),
            thousands(arrived.len() as u64),
            rule.to_owned(),
        ]);
        bars.push((route.name().to_owned(), arrived.len() as f64));
        outcome.counted(
            format!("Messages {}", route.name()),
            "Each message whose properties say so went there once, and no other did.",
            tally,
            tally.keeps(Qos::ExactlyOnce),
        );
    }
    outcome.tables.push(table);
    let unchanged = heard.iter().all(|it| {
        let sent = it
            .number()
            .and_then(|it| labels.get(usize::try_from(it).ok()?));
        sent.is_some_and(|sent| sent.pairs() == it.user_properties && it.qos == Qos::ExactlyOnce)
    });
    outcome.check(
        "User Properties",
        "They arrive at the witness as they were sent, in their order, with QoS 2.",
        unchanged && !heard.is_empty(),
    );
    outcome.check(
        "Archive",
        "It has its messages in the order in which they were published.",
        sorted.archive.is_sorted(),
    );
    outcome.charts.push(Chart::Bars {
        title: "Where the messages went".to_owned(),
        unit: "messages",
        bars,
    });
    outcome
}
