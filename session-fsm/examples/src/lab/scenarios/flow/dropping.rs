//! A consumer with a bounded queue, which refuses what finds no room.

use std::time::Duration;

use mqtt5_tokio::codec::{PacketType, ReasonCode};
use mqtt5_tokio::fsm::processing::ProcessorStatistics;
use mqtt5_tokio::{Client, Qos};
use tokio::time::{sleep, timeout};

use super::queue::{ALARM, Consumer, QUEUE};
use crate::lab::context::numbered;
use crate::lab::counting::{milliseconds, thousands};
use crate::lab::observers::{Direction, Entry, Happening, Observer};
use crate::lab::{Lab, Outcome, Result, Table};

/// How many messages may be unacknowledged: more than the queue holds, or the broker would wait instead.
const RECEIVE_MAXIMUM: u16 = 100;
/// How many messages come at once.
const BURST: u64 = 40;
/// How long there are none then.
const PAUSE: Duration = Duration::from_millis(60);
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(lab: &Lab, outcome: &mut Outcome) -> Result<()> {
    let count = lab.options.messages.min(400);
    lab.step(format!("{count} messages for a consumer that drops"));
    let topic = lab.topic("flow/dropping");
    let behind = lab.observer().await?;
    let client = lab
        .client(behind.address(), "flow-drops")
        .manual_acknowledgement(true)
        .receive_maximum(RECEIVE_MAXIMUM);
    let (subscriber, messages) = client.connect().await?;
    subscriber.subscribe(&topic, Qos::AtLeastOnce).await?;
    let (publisher, _messages) = lab.client(lab.server(), "flow-bursts").connect().await?;
    let mut consumer = Consumer::new(lab, messages);
    let consuming = timeout(PATIENCE, consumer.run(count));
    let (published, consumed) = tokio::join!(publish(&publisher, &topic, count), consuming);
    published?;
    consumed.map_err(|_| "The consumer did not see all messages in time.")?;
    let on_the_wire = acknowledged(&behind, count).await;
    publisher.disconnect().await;
    subscriber.disconnect().await;
    report(outcome, &consumer, on_the_wire);
    Ok(())
}

async fn publish(publisher: &Client, topic: &str, count: u64) -> Result<()> {
    for number in 0..count {
        // Its outcome comes with those after it.
        let outcome = publisher.send(numbered(topic, number, Qos::AtLeastOnce)?);
        drop(outcome.await?);
        if number % BURST == BURST - 1 {
            sleep(PAUSE).await;
        }
    }
    Ok(())
}

/// Waits until `count` messages are acknowledged. Counts those that were sent, accepted and refused.
async fn acknowledged(behind: &Observer, count: u64) -> (u64, u64, u64) {
    let look = || {
        let acknowledged = |refused: bool| {
            behind.look(|it| {
                let seen = |it: &&Entry| match it.what {
                    Happening::Packet {
                        direction: Direction::ToServer,
                        packet_type: PacketType::PubAck,
                        reason_code: Some(code),
                        ..
                    } => (code == ReasonCode::QuotaExceeded) == refused,
                    _ => false,
                };
                it.entries.iter().filter(seen).count() as u64
            })
        };
        let sent = behind.look(|it| it.publishes(Direction::ToClient).0);
        (sent, acknowledged(false), acknowledged(true))
    };
    let all = async {
        while look().1 + look().2 < count {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let _ = timeout(PATIENCE, all).await;
    look()
}

fn report(
    outcome: &mut Outcome,
    consumer: &Consumer<'_>,
    (sent, accepted, refused): (u64, u64, u64),
) {
    let ProcessorStatistics {
        received,
        dropped,
        processed,
        delayed,
        longest_queue_delay,
        average_processing_time,
        ..
    } = *consumer.processor.statistics();
    let average = average_processing_time.unwrap_or_default();
    outcome.say(format!(
        "Another consumer has a queue of {QUEUE} messages, and refuses with Quota exceeded (0x97) what finds no room: {dropped} of {received} messages. Messages that waited longer than {} raised its alarm {} times.",
        milliseconds(ALARM),
        consumer.alarms,
    ));
    outcome.tables.push(Table {
        title: "The consumer that drops: its own counters, and what the observer saw".to_owned(),
        columns: vec!["", "came", "processed", "dropped"],
        rows: vec![
            vec![
                "Counters".to_owned(),
                thousands(received),
                thousands(processed),
                thousands(dropped),
            ],
            vec![
                "On the wire".to_owned(),
                thousands(sent),
                thousands(accepted),
                thousands(refused),
            ],
        ],
    });
    outcome.tables.push(Table {
        title: "How the queue behaved".to_owned(),
        columns: vec![
            "",
            "longest wait",
            "late starts",
            "alarms",
            "moving average of the processing time",
        ],
        rows: vec![vec![
            "Queue".to_owned(),
            milliseconds(longest_queue_delay),
            thousands(delayed),
            thousands(consumer.alarms),
            milliseconds(average),
        ]],
    });
    outcome.check(
        "Consumer that drops",
        "Its counters are what the observer saw: PUBLISH packets, and PUBACK packets with and without an error.",
        (received, processed, dropped) == (sent, accepted, refused),
    );
    let (shortest, longest) = (consumer.times.iter().min(), consumer.times.iter().max());
    let is_between =
        shortest.is_some_and(|it| *it <= average) && longest.is_some_and(|it| average <= *it);
    outcome.check(
        "Consumer that drops",
        "The moving average of the processing time lies between the shortest and the longest one.",
        is_between,
    );
    outcome.check(
        "Consumer that drops",
        "The alarm is raised if a message has waited too long, and only then.",
        (consumer.alarms > 0) == (longest_queue_delay >= ALARM),
    );
}
