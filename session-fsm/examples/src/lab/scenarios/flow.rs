//! Flow control: a consumer that is slower than its publisher, and one that drops what it has no room for.

mod dropping;
mod memory;
mod queue;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use mqtt5_tokio::codec::{PacketIdentifier, PacketType};
use mqtt5_tokio::{Messages, PendingOutcome, Publication, Qos};
use tokio::time::{interval, timeout};

use self::memory::Memory;
use crate::lab::counting::{milliseconds, thousands};
use crate::lab::observers::{Direction, Happening, Heard, Notebook, Recording};
use crate::lab::{Chart, Error, Lab, Outcome, Result, Tally};

/// How many messages may be unacknowledged at the slow consumer.
const RECEIVE_MAXIMUM: u16 = 8;
/// How many bytes each message has.
const PAYLOAD: usize = 1024;
/// The slow consumer takes about this long for all messages.
const CONSUMPTION: Duration = Duration::from_millis(1200);
/// How long it takes between two batches.
const PAUSE: Duration = Duration::from_millis(10);
/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    slow(lab, &mut outcome).await?;
    dropping::run(lab, &mut outcome).await?;
    Ok(outcome)
}

async fn slow(lab: &Lab, outcome: &mut Outcome) -> Result<()> {
    // A broker of the lab's own holds 10,000 messages for a slow client, others fewer.
    let count = (4 * lab.options.messages).min(20_000);
    let ahead = match lab.own_broker() {
        Some(_) => 8_000,
        None => 500,
    };
    lab.step(format!("{} messages for a slow consumer", thousands(count)));
    let topic = lab.topic("flow/slow");
    let behind = lab.observer().await?;
    let slow = lab
        .client(behind.address(), "flow-slow")
        .receive_maximum(RECEIVE_MAXIMUM);
    let (subscriber, mut messages) = slow.connect().await?;
    subscriber.subscribe(&topic, Qos::AtLeastOnce).await?;
    let (publisher, _messages) = lab.client(lab.server(), "flow-pub").connect().await?;
    let taken = Notebook::default();
    let mut memory = Memory::default();
    memory.sample(lab);
    let began = lab.start.elapsed();
    let mut published = None;
    let publishing = async {
        let mut pending = VecDeque::<PendingOutcome>::new();
        for number in 0..count {
            taken
                .wait_for(number.saturating_sub(ahead) as usize, PATIENCE)
                .await;
            if pending.len() >= 64
                && let Some(oldest) = pending.pop_front()
            {
                oldest.await?;
            }
            pending.push_back(publisher.send(large(&topic, number)?).await?);
        }
        for last in pending {
            last.await?;
        }
        published = Some(lab.start.elapsed());
        Ok::<_, Error>(())
    };
    let sampling = async {
        let mut ticks = interval(Duration::from_millis(25));
        loop {
            ticks.tick().await;
            memory.sample(lab);
        }
    };
    let working = async {
        let (sent, ()) = tokio::join!(publishing, consume(lab, &mut messages, &taken, count));
        sent
    };
    tokio::select! {
        sent = timeout(LIMIT, working) => sent.unwrap_or(Ok(()))?,
        () = sampling => {}
    }
    memory.sample(lab);
    publisher.disconnect().await;
    subscriber.disconnect().await;

    let ended = lab.start.elapsed();
    // Unless the limit has come before.
    let published = published.unwrap_or(ended);
    let recording = behind.recording();
    let (curve, peak) = in_flight(&recording);
    outcome.say(format!(
        "A publisher sent {} messages of {PAYLOAD} bytes within {}. The consumer took its time: {}. Its Receive Maximum is {RECEIVE_MAXIMUM}, and at most {peak} messages were in flight to it.",
        thousands(count),
        milliseconds(published.saturating_sub(began)),
        milliseconds(ended.saturating_sub(began)),
    ));
    outcome.check(
        "Slow consumer",
        format!(
            "No more than {RECEIVE_MAXIMUM} messages are in flight, which is its Receive Maximum."
        ),
        (1..=u64::from(RECEIVE_MAXIMUM)).contains(&peak),
    );
    let tally = Tally::of(0..count, None, taken.numbers());
    outcome.counted(
        "Slow consumer",
        "Nothing is dropped, because the broker waits for acknowledgements.",
        tally,
        tally.keeps(Qos::AtLeastOnce),
    );
    outcome.charts.push(Chart::Curve {
        title: "PUBLISH packets to the slow consumer that were not acknowledged".to_owned(),
        unit: "messages",
        series: vec![("in flight".to_owned(), curve)],
    });
    memory.report(outcome, published, count.min(ahead) * PAYLOAD as u64);
    Ok(())
}

fn large(topic: &str, number: u64) -> Result<Publication> {
    let payload = format!("{:<PAYLOAD$}", format!("{number} of the lab"));
    Ok(Publication::of(
        topic,
        payload.as_bytes(),
        Qos::AtLeastOnce,
    )?)
}

/// Takes a few messages at a time.
async fn consume(lab: &Lab, messages: &mut Messages, taken: &Notebook, count: u64) {
    let batch = count.div_ceil((CONSUMPTION.as_millis() / PAUSE.as_millis()) as u64);
    let mut ticks = interval(PAUSE);
    for number in 0..count {
        if number % batch == 0 {
            ticks.tick().await;
        }
        let Ok(Some(message)) = timeout(PATIENCE, messages.next()).await else {
            return;
        };
        let at = lab.start.elapsed();
        taken.write(Heard::new(at, message.topic(), &message.publish()));
    }
}

/// How many messages were in flight to the client after each packet, and the most. The observer sees an acknowledgement before
/// the broker does, so it never counts more than there are.
fn in_flight(recording: &Recording) -> (Vec<(Duration, f64)>, u64) {
    let mut open: HashSet<(u32, PacketIdentifier)> = HashSet::new();
    let (mut curve, mut peak) = (Vec::new(), 0);
    for entry in &recording.entries {
        if matches!(entry.what, Happening::Closed | Happening::Cut) {
            open.retain(|it| it.0 != entry.connection);
        }
        let Happening::Packet {
            direction,
            packet_type,
            identifier: Some(identifier),
            ..
        } = entry.what
        else {
            continue;
        };
        let key = (entry.connection, identifier);
        match (direction, packet_type) {
            (Direction::ToClient, PacketType::Publish) => drop(open.insert(key)),
            (Direction::ToServer, PacketType::PubAck) => drop(open.remove(&key)),
            _ => continue,
        }
        peak = peak.max(open.len());
        curve.push((entry.at, open.len() as f64));
    }
    // A chart needs no more points than this.
    let step = (curve.len() / 1_000).max(1);
    (curve.into_iter().step_by(step).collect(), peak as u64)
}
