//! A subscriber that processes each message once, although messages come repeatedly and processing fails now and then.

mod application;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mqtt5_tokio::codec::{PacketIdentifier, PacketType, ReasonCode};
use mqtt5_tokio::fsm::processing::ProcessorStatistics;
use mqtt5_tokio::{Client, Qos};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::application::{Application, Nature};
use crate::lab::context::numbered;
use crate::lab::counting::{milliseconds, thousands};
use crate::lab::observers::{Direction, Happening, Observer, Recording, Trap};
use crate::lab::{Lab, Outcome, Result, Table, Tally};

/// How often the connection is cut before an acknowledgement.
const CUTS: u64 = 8;
/// How many messages are on their way to the subscriber at most.
const AHEAD: u64 = 40;
/// How many messages may be unacknowledged.
const RECEIVE_MAXIMUM: u16 = 100;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let count = lab.options.messages.min(2_000);
    lab.step(format!("{} messages, {CUTS} cuts", thousands(count)));
    let topic = lab.topic("subscriber");
    let behind = lab.observer().await?;
    let client = lab
        .client(behind.address(), "subscriber")
        .manual_acknowledgement(true)
        .receive_maximum(RECEIVE_MAXIMUM);
    let (subscriber, messages) = client.connect().await?;
    subscriber.subscribe(&topic, Qos::AtLeastOnce).await?;
    let (publisher, _messages) = lab.client(lab.server(), "sub-pub").connect().await?;
    let mut application = Application::new(lab, count, messages);
    let first_open = application.first_open.subscribe();
    let work = async {
        let (published, ()) = tokio::join!(
            publish(&publisher, &topic, count, first_open),
            application.run(&behind, count)
        );
        published
    };
    let ended = tokio::select! {
        ended = timeout(PATIENCE, work) => ended,
        () = cut(&behind, count) => Ok(Ok(())),
    };
    if let Ok(published) = ended {
        published?;
    }
    publisher.disconnect().await;
    subscriber.disconnect().await;
    Ok(report(&application, &behind.recording(), count))
}

/// Publishes no faster than messages are processed and acknowledged in their order, so that none waits at the broker.
async fn publish(
    publisher: &Client,
    topic: &str,
    count: u64,
    mut first_open: watch::Receiver<u64>,
) -> Result<()> {
    let mut pending = Vec::new();
    for number in 0..count {
        first_open.wait_for(|it| number < it + AHEAD).await?;
        pending.push(
            publisher
                .send(numbered(topic, number, Qos::AtLeastOnce)?)
                .await?,
        );
    }
    for outcome in pending {
        outcome.await?;
    }
    Ok(())
}

/// Cuts the connection at regular intervals. Each cut loses an acknowledgement, so its message comes again.
async fn cut(behind: &Observer, count: u64) {
    for cut in 0..CUTS {
        let due = (cut + 1) * count / (CUTS + 2);
        while behind.look(|it| it.publishes(Direction::ToClient).0) < due {
            sleep(Duration::from_millis(1)).await;
        }
        behind.set_traps([Trap {
            direction: Direction::ToServer,
            packet_type: PacketType::PubAck,
        }]);
    }
    std::future::pending().await
}

/// The last acknowledgement of each message that was not lost.
fn acknowledgements(recording: &Recording) -> BTreeMap<u64, ReasonCode> {
    let mut numbers: HashMap<(u32, PacketIdentifier), Option<u64>> = HashMap::new();
    let mut acknowledged = BTreeMap::new();
    for entry in &recording.entries {
        match entry.what {
            Happening::Packet {
                direction: Direction::ToClient,
                publish: Some(publish),
                identifier: Some(identifier),
                ..
            } => {
                numbers.insert((entry.connection, identifier), publish.number);
            }
            Happening::Packet {
                direction: Direction::ToServer,
                packet_type: PacketType::PubAck,
                identifier: Some(identifier),
                reason_code: Some(reason_code),
                lost: false,
                ..
            } => {
                if let Some(&Some(number)) = numbers.get(&(entry.connection, identifier)) {
                    acknowledged.insert(number, reason_code);
                }
            }
            _ => {}
        }
    }
    acknowledged
}

fn report(application: &Application<'_>, recording: &Recording, count: u64) -> Outcome {
    let mut outcome = Outcome::default();
    let numbers = |hopeless: bool| {
        (0..count).filter(move |it| (application.nature(*it) == Nature::Hopeless) == hopeless)
    };
    let arrived = recording.publishes(Direction::ToClient).0;
    let acknowledged = acknowledgements(recording);
    let refused = acknowledged.iter().filter(|it| it.1.is_error());
    let refused: Vec<u64> = refused.map(|it| *it.0).collect();
    outcome.say(format!(
        "The connection of a subscriber was cut {} times before an acknowledgement, so {} of {} messages arrived more than once.",
        recording.connections().saturating_sub(1),
        thousands(arrived.saturating_sub(count)),
        thousands(count),
    ));
    outcome.say(format!(
        "Processing failed at first for some, and always for {}. Those are given up after 3 attempts with the Reason Code 0x83, Implementation specific error.",
        refused.len(),
    ));
    let processed = Tally::of(numbers(false), None, application.done.iter().copied());
    outcome.counted(
        "Processed",
        "Each message is processed successfully exactly once.",
        processed,
        processed.keeps(Qos::ExactlyOnce),
    );
    outcome.check(
        "Given up",
        "Each message that never succeeds is refused with a Reason Code on the wire, and no other is.",
        refused.iter().copied().eq(numbers(true))
            && refused.iter().all(|it| {
                acknowledged.get(it) == Some(&ReasonCode::ImplementationSpecificError)
            }),
    );
    outcome.check(
        "Acknowledged",
        "Each message has an acknowledgement, and none was dropped for want of room.",
        acknowledged.len() as u64 == count && application.dropped == 0,
    );
    outcome
        .tables
        .push(table(application.processor.statistics()));
    outcome
}

fn table(statistics: &ProcessorStatistics) -> Table {
    let row = |name: &str, counter: u64| {
        let share = statistics.share_of(counter).to_string();
        vec![name.to_owned(), thousands(counter), share]
    };
    let time = |name: &str, time| vec![name.to_owned(), milliseconds(time), String::new()];
    Table {
        title: "Statistics of the subscriber".to_owned(),
        columns: vec!["", "", "share"],
        rows: vec![
            row("Came", statistics.received),
            row("Repeated", statistics.duplicates),
            row("Processed", statistics.processed),
            row("Given up", statistics.errors),
            row("Tried again", statistics.retries),
            time("Longest wait", statistics.longest_queue_delay),
            time(
                "Average of the processing time",
                statistics.average_processing_time.unwrap_or_default(),
            ),
        ],
    }
}
