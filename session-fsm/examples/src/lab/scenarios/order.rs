//! Order from end to end: messages of one topic that overtake each other, and a consumer that puts them in order.

mod consumer;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use mqtt5_tokio::codec::{PacketType, Publish, Text, TopicName};
use mqtt5_tokio::fsm::ordering::{Gap, Sequencer, SequencerSettings};
use mqtt5_tokio::{Client, PendingOutcome, Publication, Qos};
use tokio::time::timeout;

use self::consumer::Consumer;
use crate::lab::counting::{milliseconds, thousands};
use crate::lab::observers::{Direction, Heard, Trap};
use crate::lab::{Chart, Lab, Outcome, Result, Table};

/// How often each connection of the publisher is cut.
const CUTS: u64 = 4;
/// How many messages are on their way at once.
const WINDOW: usize = 16;
/// How many gaps the table has at most.
const ROWS: usize = 10;
/// How long a message waits for those before it.
const GAP: Duration = Duration::from_secs(1);
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let count = lab.options.messages.min(5_000);
    lab.step(format!(
        "{} messages through two connections",
        thousands(count)
    ));
    let topic = lab.topic("order");
    let witness = lab
        .witness("order-witness", &topic, Qos::ExactlyOnce)
        .await?;
    let limit = usize::try_from(count)?;
    // Room for all with QoS 0: what is lost here is lost by a cut.
    let client = lab.client(lab.server(), "order-sub").messages(limit);
    let (subscriber, messages) = client.receive_maximum(500).connect().await?;
    subscriber.subscribe(&topic, Qos::ExactlyOnce).await?;
    let mut consumer = Consumer::new(lab, messages, limit);
    let (published, consumed) = tokio::join!(
        timeout(PATIENCE, publish(lab, &topic, count)),
        timeout(PATIENCE, consumer.run(count))
    );
    published.map_err(|_| "The publisher did not end in time.")??;
    consumed.map_err(|_| "The last message did not arrive in time.")??;
    witness.notebook().wait_for_all([count - 1], PATIENCE).await;
    subscriber.disconnect().await;
    Ok(report(&consumer, &witness.notebook().heard(), count))
}

/// Publishes through two connections, each cut now and then. The first and the last message cannot be lost.
async fn publish(lab: &Lab, topic: &str, count: u64) -> Result<()> {
    let (first, second) = (lab.observer().await?, lab.observer().await?);
    let (one, _messages) = lab.client(first.address(), "order-one").connect().await?;
    let (other, _messages) = lab
        .client(second.address(), "order-other")
        .connect()
        .await?;
    let name = lab.name("order");
    let mut sequencer = Sequencer::new(Text::new(&name)?, 1, SequencerSettings::default())?;
    let mut pending = VecDeque::<PendingOutcome>::new();
    for number in 0..count - 1 {
        let every = (count / (2 * CUTS + 1)).max(1);
        if number % every == every / 2 {
            let cut = number / every;
            let observer = if cut.is_multiple_of(2) {
                &first
            } else {
                &second
            };
            // A message is lost, or an acknowledgement, so that a message comes again.
            observer.set_traps([if cut % 4 < 2 { PUBLISH } else { PUBACK }]);
        }
        let qos = match lab.random(3) {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        let client = if lab.random(2) == 0 { &one } else { &other };
        if pending.len() >= WINDOW
            && let Some(oldest) = pending.pop_front()
        {
            // QoS 0 has no second chance.
            let _ = oldest.await;
        }
        let publication = stamped(&mut sequencer, topic, number, qos)?;
        pending.push_back(client.send(publication).await?);
    }
    for last in pending {
        let _ = last.await;
    }
    // The broker has read what both connections have written. Then the last message comes last.
    first.set_traps([]);
    second.set_traps([]);
    for client in [&one, &other] {
        flush(lab, client).await?;
    }
    let last = stamped(&mut sequencer, topic, count - 1, Qos::ExactlyOnce)?;
    one.send(last).await?.await?;
    one.disconnect().await;
    other.disconnect().await;
    Ok(())
}

const PUBLISH: Trap = Trap {
    direction: Direction::ToServer,
    packet_type: PacketType::Publish,
};
const PUBACK: Trap = Trap {
    direction: Direction::ToClient,
    packet_type: PacketType::PubAck,
};

async fn flush(lab: &Lab, client: &Client) -> Result<()> {
    let topic = lab.topic("order-flush");
    client.publish(&topic, "", Qos::AtLeastOnce).await?;
    Ok(())
}

fn stamped(sequencer: &mut Sequencer, topic: &str, number: u64, qos: Qos) -> Result<Publication> {
    let payload = format!("{number} of the lab");
    let publish = Publish::new(TopicName::new(topic)?, payload.as_bytes());
    Ok(Publication::new(qos, sequencer.message(&publish)?))
}

fn report(consumer: &Consumer<'_>, heard: &[Heard], count: u64) -> Outcome {
    let mut outcome = Outcome::default();
    let numbers: Vec<u64> = heard.iter().filter_map(Heard::number).collect();
    let (mut highest, mut overtaken) = (0, 0);
    let mut known = BTreeSet::new();
    for number in &numbers {
        let is_new = known.insert(*number);
        overtaken += u64::from(is_new && *number < highest);
        highest = highest.max(*number);
    }
    let repeated = numbers.len() as u64 - known.len() as u64;
    let named: BTreeSet<u64> = consumer
        .gaps
        .iter()
        .flat_map(|it| it.first..=it.last)
        .collect();
    let lost: BTreeSet<u64> = (0..count).filter(|it| !known.contains(it)).collect();
    outcome.say(format!(
        "{} messages of one topic went through two connections with QoS 0, 1 and 2 in turn, and the connections were cut. The witness heard {} of them behind a later one, {} a second time, and {} not at all.",
        thousands(count),
        thousands(overtaken),
        thousands(repeated),
        thousands(lost.len() as u64),
    ));
    outcome.say(format!(
        "The publisher numbers the messages, and the consumer waits {} for one that is missing. It handed out {} messages, and named {} gaps.",
        milliseconds(GAP),
        thousands(consumer.handed.len() as u64),
        consumer.gaps.len(),
    ));
    let row = |gap: &Gap| {
        vec![
            format!("{} to {}", gap.first, gap.last),
            thousands(gap.missing),
        ]
    };
    if !consumer.gaps.is_empty() {
        outcome.tables.push(Table {
            title: format!(
                "The first gaps that the consumer named, of {}",
                consumer.gaps.len()
            ),
            columns: vec!["numbers", "missing"],
            rows: consumer.gaps.iter().take(ROWS).map(row).collect(),
        });
    }
    outcome.check(
        "Ordered consumer",
        "It hands out messages in the order in which they were published, each once.",
        consumer.handed.is_sorted_by(|a, b| a.1 < b.1),
    );
    let handed: BTreeSet<u64> = consumer.handed.iter().map(|it| it.1).collect();
    outcome.check(
        "Ordered consumer",
        "Each message was handed out, or is named in a gap.",
        (0..count).all(|it| handed.contains(&it) != named.contains(&it)),
    );
    outcome.check(
        "Ordered consumer",
        "The gaps name what the witness did not hear, and what came too late.",
        named == lost.union(&consumer.late).copied().collect(),
    );
    let points = |list: &[(Duration, u64)]| list.iter().map(|it| (it.0, it.1 as f64)).collect();
    outcome.charts.push(Chart::Curve {
        title: "When each message arrived, and when it was handed out in order".to_owned(),
        unit: "number of the message",
        series: vec![
            ("arrived".to_owned(), points(&consumer.arrived)),
            ("handed out".to_owned(), points(&consumer.handed)),
        ],
    });
    outcome
}
