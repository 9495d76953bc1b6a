//! A broker that is killed, and goes on from its store.

use std::time::Duration;

use mqtt5_tokio::{Client, PendingOutcome, Qos};

use crate::lab::context::numbered;
use crate::lab::outcome::TimelineLine;
use crate::lab::{Chart, Lab, Outcome, Result, Tally};

/// How often it is killed.
const KILLS: u64 = 3;
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let mut broker = lab.broker_with_store("restart.redb").await?;
    let (before, behind) = (
        lab.observer_of(&broker).await?,
        lab.observer_of(&broker).await?,
    );
    let levels = [Qos::AtLeastOnce, Qos::ExactlyOnce];
    let topics = levels.map(|qos| lab.topic(&format!("restart/{}", qos as u8)));
    let (subscriber, messages) = lab
        .client(behind.address(), "restart-sub")
        .connect()
        .await?;
    for (topic, qos) in topics.iter().zip(levels) {
        subscriber.subscribe(topic, qos).await?;
    }
    let listener = lab.listen(messages);
    let (publisher, _messages) = lab
        .client(before.address(), "restart-pub")
        .connect()
        .await?;
    let retained = lab.topic("restart/retained");
    publisher
        .publish_retained(&retained, "7 is kept", Qos::AtLeastOnce)
        .await?;

    let count = lab.options.messages;
    let began = lab.start.elapsed();
    let mut downs = Vec::new();
    let mut pending = Vec::new();
    for life in 0..=KILLS {
        lab.step(format!("the broker has been killed {life} times"));
        let numbers = life * count / (KILLS + 1)..(life + 1) * count / (KILLS + 1);
        send(&publisher, &topics, numbers, count, &mut pending).await?;
        // Both clients have found this life.
        for observer in [&before, &behind] {
            while observer.look(|it| it.sessions_present().len()) <= life as usize {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        if life < KILLS {
            // In the middle of what has just been sent.
            tokio::time::sleep(Duration::from_millis(lab.random(10))).await;
            let killed = lab.start.elapsed();
            broker.kill().await?;
            broker.restart().await?;
            downs.push((killed, lab.start.elapsed(), "the broker is dead".to_owned()));
        }
    }
    let mut confirmed = [0; 2];
    for (level, outcome) in pending {
        outcome.await?;
        confirmed[level] += 1;
    }
    listener
        .notebook()
        .wait_for_all(0..2 * count, PATIENCE)
        .await;
    let late = broker.address().to_string();
    let witness = lab
        .witness_at(&late, "restart-late", &retained, Qos::AtMostOnce)
        .await?;
    witness.notebook().wait_for(1, Duration::from_secs(2)).await;
    publisher.disconnect().await;
    subscriber.disconnect().await;

    let mut outcome = Outcome::default();
    outcome.say(format!(
        "The broker keeps everything in a file. It is killed by SIGKILL {KILLS} times with messages on their way, and started again."
    ));
    let numbers = listener.notebook().numbers();
    for (level, qos) in levels.into_iter().enumerate() {
        let mine = level as u64 * count..(level as u64 + 1) * count;
        let arrived = numbers.iter().copied().filter(|it| mine.contains(it));
        let tally = Tally::of(mine.clone(), Some(confirmed[level]), arrived);
        outcome.deliveries(format!("QoS {}", qos as u8), qos, tally);
    }
    outcome.check(
        "Retained message",
        "It is there after the restarts.",
        witness.notebook().numbers() == [7],
    );
    let present = behind.look(|it| it.sessions_present());
    outcome.check(
        "Session",
        "The subscriber finds its Session after each restart.",
        present.len() > KILLS as usize && present.iter().skip(1).all(|it| *it),
    );
    outcome.charts.push(Chart::Timeline {
        title: "The broker".to_owned(),
        lines: vec![TimelineLine {
            name: "Broker".to_owned(),
            marks: downs
                .iter()
                .map(|it| (it.0, "SIGKILL".to_owned()))
                .collect(),
            spans: lives(began, lab.start.elapsed(), &downs),
        }],
    });
    Ok(outcome)
}

/// Hands messages of both levels to the client. Those with QoS 2 have the numbers from `count` on.
async fn send(
    publisher: &Client,
    topics: &[String; 2],
    numbers: std::ops::Range<u64>,
    count: u64,
    pending: &mut Vec<(usize, PendingOutcome)>,
) -> Result<()> {
    for number in numbers {
        let first = numbered(&topics[0], number, Qos::AtLeastOnce)?;
        pending.push((0, publisher.send(first).await?));
        let second = numbered(&topics[1], count + number, Qos::ExactlyOnce)?;
        pending.push((1, publisher.send(second).await?));
    }
    Ok(())
}

fn lives(
    began: Duration,
    ended: Duration,
    downs: &[(Duration, Duration, String)],
) -> Vec<(Duration, Duration, String)> {
    let starts = std::iter::once(began).chain(downs.iter().map(|it| it.1));
    let ends = downs.iter().map(|it| it.0).chain(std::iter::once(ended));
    starts
        .zip(ends)
        .map(|(from, to)| (from, to, "the broker runs".to_owned()))
        .collect()
}
