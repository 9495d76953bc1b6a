//! QoS 0, 1 and 2 side by side: what they cost, and what they promise.

use std::time::Duration;

use mqtt5_tokio::Qos;

use crate::lab::context::numbered;
use crate::lab::counting::{milliseconds, thousands};
use crate::lab::observers::Direction;
use crate::lab::{Chart, Lab, Latencies, Outcome, Result, Table, Tally};

/// How many messages are on their way at once.
const WINDOW: usize = 16;
/// A message that takes longer is not waited for.
const GAP: Duration = Duration::from_millis(200);
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut table = Table {
        title: "From the publisher's network to the subscriber's".to_owned(),
        columns: vec![
            "",
            "p50",
            "p99",
            "longest",
            "packets",
            "bytes",
            "bytes per message",
        ],
        rows: Vec::new(),
    };
    let mut series = Vec::new();
    let mut bytes_per_message = Vec::new();
    for qos in lab.options.levels() {
        let level = one(lab, qos).await?;
        let name = format!("QoS {}", qos as u8);
        outcome.deliveries(&name, qos, level.tally);
        outcome.counted(
            format!("{name}, witness"),
            "The witness hears the same.",
            level.witnessed,
            level.witnessed.keeps(qos),
        );
        let each = level.bytes as f64 / level.tally.sent as f64;
        table.rows.push(vec![
            name.clone(),
            milliseconds(level.latencies.percentile(50)),
            milliseconds(level.latencies.percentile(99)),
            milliseconds(level.latencies.longest()),
            thousands(level.packets),
            thousands(level.bytes),
            format!("{each:.1}"),
        ]);
        bytes_per_message.push((name.clone(), each));
        series.push((name, level.latencies.values().to_vec()));
    }
    outcome.say(format!(
        "{} messages at each level, {WINDOW} of them on their way at once. One observer stands before the broker, and one behind it. The witness is a subscriber that is no more than a socket and the codec.",
        thousands(lab.options.messages)
    ));
    outcome.tables.push(table);
    outcome.charts.push(Chart::Histogram {
        title: "How long messages took".to_owned(),
        series,
    });
    outcome.charts.push(Chart::Bars {
        title: "Bytes on the wire for each message, there and back, on both sides of the broker"
            .to_owned(),
        unit: "bytes",
        bars: bytes_per_message,
    });
    Ok(outcome)
}

/// What came out for one level.
struct Level {
    tally: Tally,
    witnessed: Tally,
    latencies: Latencies,
    packets: u64,
    bytes: u64,
}

async fn one(lab: &Lab, qos: Qos) -> Result<Level> {
    let count = lab.options.messages;
    lab.step(format!(
        "{} messages with QoS {}",
        thousands(count),
        qos as u8
    ));
    let topic = lab.topic(&format!("qos/{}", qos as u8));
    let (before, behind) = (lab.observer().await?, lab.observer().await?);
    let witness = lab.witness("witness", &topic, qos).await?;
    let (subscriber, messages) = lab.client(behind.address(), "subscriber").connect().await?;
    subscriber.subscribe(&topic, qos).await?;
    let listener = lab.listen(messages);
    let (publisher, _messages) = lab.client(before.address(), "publisher").connect().await?;
    let mut pending = Vec::new();
    for number in 0..count {
        // The same for each level, so that latencies compare: QoS 0 has no acknowledgement to wait for.
        let arrived = (number as usize).saturating_sub(WINDOW);
        listener.notebook().wait_for(arrived, GAP).await;
        pending.push(publisher.send(numbered(&topic, number, qos)?).await?);
    }
    for it in pending {
        it.await?;
    }
    tokio::join!(
        listener.notebook().wait_for(count as usize, PATIENCE),
        witness.notebook().wait_for(count as usize, PATIENCE),
    );
    publisher.disconnect().await;
    subscriber.disconnect().await;

    let (sent, received) = (before.recording(), behind.recording());
    let departures = sent.first_seen(Direction::ToServer);
    let arrivals = received.first_seen(Direction::ToClient);
    let latency = |(number, left): (&u64, &Duration)| {
        let arrived = arrivals.get(number)?;
        Some(arrived.saturating_sub(*left))
    };
    let confirmed = match qos {
        Qos::AtMostOnce => None,
        _ => Some(sent.confirmed().len() as u64),
    };
    let (sent_packets, sent_bytes) = sent.packets_and_bytes();
    let (received_packets, received_bytes) = received.packets_and_bytes();
    let numbers = || departures.keys().copied();
    Ok(Level {
        tally: Tally::of(numbers(), confirmed, listener.notebook().numbers()),
        witnessed: Tally::of(numbers(), confirmed, witness.notebook().numbers()),
        latencies: departures.iter().filter_map(latency).collect(),
        packets: sent_packets + received_packets,
        bytes: sent_bytes + received_bytes,
    })
}
