//! What Topic Aliases save, measured and forecast.

use std::num::NonZeroU16;

use mqtt5_tokio::Qos;
use mqtt5_tokio::codec::{Publish, TopicName};
use mqtt5_tokio::fsm::TopicAliases;
use mqtt5_tokio::fsm::bandwidth::AliasSavings;

use crate::lab::context::numbered;
use crate::lab::counting::thousands;
use crate::lab::observers::Direction;
use crate::lab::{Chart, Lab, Outcome, Result};

/// Fewer than any server of this kind permits.
const TOPICS: u64 = 8;
const ALIASES: NonZeroU16 = NonZeroU16::new(TOPICS as u16).expect("not 0");

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let topics: Vec<String> = (0..TOPICS)
        .map(|sensor| {
            lab.topic(&format!(
                "smart_city/district_a/building_15/floor_3/room_301/sensor_{sensor}/temperature"
            ))
        })
        .collect();
    // As long a payload for each message: the number has six digits.
    let first = 100_000;
    let count = lab.options.messages.next_multiple_of(TOPICS);
    let mut measured = Vec::new();
    for aliases in [TopicAliases::Off, TopicAliases::Automatic(ALIASES)] {
        lab.step(format!("{count} messages, {aliases:?}"));
        let observer = lab.observer().await?;
        let builder = lab.client(observer.address(), "aliases");
        let (client, _messages) = builder.topic_aliases(aliases).connect().await?;
        for number in 0..count {
            let topic = &topics[(number % TOPICS) as usize];
            let message = numbered(topic, first + number, Qos::AtMostOnce)?;
            client.send(message).await?.await?;
        }
        client.disconnect().await;
        observer.settled().await;
        let (packets, bytes) = observer.look(|it| it.publishes(Direction::ToServer));
        if packets != count {
            return Err(format!("The observer saw {packets} of {count} messages.").into());
        }
        measured.push(bytes);
    }
    let payload = format!("{first} of the lab");
    let mut samples = Vec::new();
    for topic in &topics {
        let sample = Publish::new(TopicName::new(topic)?, payload.as_bytes());
        samples.push((sample, count / TOPICS));
    }
    let forecast = AliasSavings::forecast(samples, ALIASES.get())?;
    let percent = 100.0 * (1.0 - measured[1] as f64 / measured[0] as f64);
    let mut outcome = Outcome::default();
    outcome.say(format!(
        "{} messages to {TOPICS} topics of {} bytes: {} bytes without Topic Aliases, {} with them.",
        thousands(count),
        topics[0].len(),
        thousands(measured[0]),
        thousands(measured[1]),
    ));
    outcome.say(format!(
        "Aliases save {percent:.1} % of the bytes. The forecast was {:.1} %.",
        forecast.percent_saved()
    ));
    outcome.check(
        "Forecast",
        "It names exactly the bytes that the observer counts, with aliases and without.",
        measured == [forecast.bytes_without_aliases, forecast.bytes_sent],
    );
    outcome.charts.push(Chart::Bars {
        title: "Bytes of all PUBLISH packets".to_owned(),
        unit: "bytes",
        bars: vec![
            ("Without aliases, measured".to_owned(), measured[0] as f64),
            (
                "Without aliases, forecast".to_owned(),
                forecast.bytes_without_aliases as f64,
            ),
            ("With aliases, measured".to_owned(), measured[1] as f64),
            (
                "With aliases, forecast".to_owned(),
                forecast.bytes_sent as f64,
            ),
        ],
    });
    Ok(outcome)
}
