//! A network that is cut again and again, and one exchange of each level under a cut, packet by packet.

use std::time::Duration;

use mqtt5_tokio::codec::PacketType;
use mqtt5_tokio::{Client, PublishFailure, Qos};

use crate::lab::context::numbered;
use crate::lab::observers::{Direction, Observer, Trap};
use crate::lab::outcome::TimelineLine;
use crate::lab::{Chart, Lab, Outcome, Result, Tally};

/// How often each side's connection is cut.
const CUTS: u64 = 12;
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.say(format!(
        "The connections of the publisher and of the subscriber are cut {CUTS} times each, while messages are on their way."
    ));
    let mut lines = Vec::new();
    for qos in lab.options.levels() {
        let level = one(lab, qos).await?;
        let name = format!("QoS {}", qos as u8);
        outcome.deliveries(&name, qos, level.tally);
        lines.push(level.publisher);
        lines.push(level.subscriber);
        lab.step(format!("one exchange with QoS {}", qos as u8));
        outcome.charts.extend(exchange(lab, qos).await?);
    }
    outcome.charts.insert(
        0,
        Chart::Timeline {
            title: "When connections were cut".to_owned(),
            lines,
        },
    );
    Ok(outcome)
}

struct Level {
    tally: Tally,
    publisher: TimelineLine,
    subscriber: TimelineLine,
}

async fn one(lab: &Lab, qos: Qos) -> Result<Level> {
    let count = lab.options.messages;
    lab.step(format!(
        "{count} messages with QoS {}, {CUTS} cuts on each side",
        qos as u8
    ));
    let topic = lab.topic(&format!("cuts/{}", qos as u8));
    let (before, behind) = (lab.observer().await?, lab.observer().await?);
    let (subscriber, messages) = lab.client(behind.address(), "cut-sub").connect().await?;
    subscriber.subscribe(&topic, qos).await?;
    let listener = lab.listen(messages);
    let (publisher, _messages) = lab.client(before.address(), "cut-pub").connect().await?;
    let began = lab.start.elapsed();
    let publishing = publish(&publisher, &topic, count, qos);
    // The cuts are spread over the messages, and the two sides take turns.
    let cutting = async {
        for cut in 0..2 * CUTS {
            let due = (cut + 1) * count / (2 * CUTS + 1);
            wait_until_sent(&before, due).await;
            let observer = if cut % 2 == 0 { &before } else { &behind };
            observer.cut();
            tokio::time::sleep(Duration::from_millis(lab.random(20))).await;
        }
        std::future::pending().await
    };
    let confirmed = tokio::select! {
        confirmed = publishing => confirmed?,
        () = cutting => 0,
    };
    match qos {
        // What was lost does not come: give the rest a moment.
        Qos::AtMostOnce => tokio::time::sleep(Duration::from_millis(300)).await,
        _ => drop(listener.notebook().wait_for_all(0..count, PATIENCE).await),
    }
    publisher.disconnect().await;
    subscriber.disconnect().await;
    let ended = lab.start.elapsed();
    let line = |name: &str, observer: &Observer| TimelineLine {
        name: format!("{name}, QoS {}", qos as u8),
        marks: observer
            .look(|it| it.cuts())
            .into_iter()
            .map(|at| (at, "cut".to_owned()))
            .collect(),
        spans: vec![(began, ended, "messages are published".to_owned())],
    };
    Ok(Level {
        tally: Tally::of(
            0..count,
            (qos != Qos::AtMostOnce).then_some(confirmed),
            listener.notebook().numbers(),
        ),
        publisher: line("Publisher", &before),
        subscriber: line("Subscriber", &behind),
    })
}

/// Publishes all messages, and returns how many the client calls confirmed.
async fn publish(client: &Client, topic: &str, count: u64, qos: Qos) -> Result<u64> {
    let mut pending = Vec::new();
    for number in 0..count {
        pending.push(client.send(numbered(topic, number, qos)?).await?);
        // So that cuts fall between messages, too.
        if number % 8 == 7 {
            tokio::task::yield_now().await;
        }
        if pending.len() >= 16 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let mut confirmed = 0;
    for outcome in pending {
        match outcome.await {
            Ok(_) => confirmed += 1,
            // QoS 0 has no second chance.
            Err(PublishFailure::NotSent | PublishFailure::Indeterminate)
                if qos == Qos::AtMostOnce => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(confirmed)
}

async fn wait_until_sent(observer: &Observer, count: u64) {
    while observer.look(|it| it.publishes(Direction::ToServer).0) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// One message of a publisher whose connection is cut where it hurts most.
async fn exchange(lab: &Lab, qos: Qos) -> Result<Vec<Chart>> {
    let traps: &[(&str, Trap)] = match qos {
        Qos::AtMostOnce => &[("the PUBLISH is lost", UP_PUBLISH)],
        Qos::AtLeastOnce => &[("the PUBACK is lost", DOWN_PUBACK)],
        Qos::ExactlyOnce => &[
            ("the PUBREC is lost", DOWN_PUBREC),
            ("the PUBCOMP is lost", DOWN_PUBCOMP),
        ],
    };
    let topic = lab.topic("exchange");
    // Without a subscriber, the server would say so.
    let _witness = lab.witness("listening", &topic, qos).await?;
    let mut charts = Vec::new();
    for (what, trap) in traps {
        let observer = lab.observer().await?;
        let (client, _messages) = lab.client(observer.address(), "exchange").connect().await?;
        observer.set_traps([*trap]);
        let _ = tokio::time::timeout(
            Duration::from_secs(2),
            client.publish(&topic, "1 of the lab", qos),
        )
        .await;
        let is_back = async {
            while observer.look(|it| it.sessions_present().len()) < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), is_back).await;
        client.disconnect().await;
        observer.settled().await;
        charts.push(Chart::Sequence {
            title: format!("QoS {}: {what}", qos as u8),
            recording: observer.recording(),
        });
    }
    Ok(charts)
}

const UP_PUBLISH: Trap = Trap {
    direction: Direction::ToServer,
    packet_type: PacketType::Publish,
};
const DOWN_PUBACK: Trap = down(PacketType::PubAck);
const DOWN_PUBREC: Trap = down(PacketType::PubRec);
const DOWN_PUBCOMP: Trap = down(PacketType::PubComp);

const fn down(packet_type: PacketType) -> Trap {
    Trap {
        direction: Direction::ToClient,
        packet_type,
    }
}
