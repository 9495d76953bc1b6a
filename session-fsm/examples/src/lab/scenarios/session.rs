//! A subscriber that is away: its Session keeps the messages, until it expires.

use std::time::Duration;

use mqtt5_tokio::Qos;

use crate::lab::context::numbered;
use crate::lab::observers::Observer;
use crate::lab::outcome::TimelineLine;
use crate::lab::{Chart, Lab, Outcome, Result, Tally};

/// How long the messages may take after the subscriber is back.
const PATIENCE: Duration = Duration::from_secs(5);
/// The Session that expires lives so long without a connection.
const SHORT: Duration = Duration::from_secs(1);
/// Servers may look for expired Sessions once a second.
const AWAY: Duration = Duration::from_millis(2_500);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    lab.step("subscribers are away");
    let (kept, expired) = tokio::try_join!(
        absence(
            lab,
            "long",
            Duration::from_secs(60),
            Duration::from_millis(300)
        ),
        absence(lab, "short", SHORT, AWAY),
    )?;
    let mut outcome = Outcome::default();
    outcome.say(format!(
        "Two subscribers lose the network. {} messages with QoS 1 and as many with QoS 2 are published meanwhile.",
        kept.each
    ));
    outcome.say("One has a Session Expiry Interval of a minute and comes back at once. The other one has a second, and comes back later.");
    for (qos, tally) in kept.tallies {
        let subject = format!("Session kept, QoS {}", qos as u8);
        outcome.deliveries(subject, qos, tally);
    }
    outcome.check(
        "Session kept",
        "The CONNACK says that the Session is present.",
        kept.session_present == Some(true),
    );
    outcome.check(
        "Session expired",
        "The CONNACK says that there is no Session.",
        expired.session_present == Some(false),
    );
    let delivered: u64 = expired.tallies.iter().map(|(_, it)| it.delivered).sum();
    outcome.check(
        "Session expired",
        "The messages of the Session went with it: none arrives.",
        delivered == 0,
    );
    outcome.check(
        "Session expired",
        "The client subscribes again by itself, and hears the next message.",
        expired.hears_again,
    );
    outcome.charts.push(Chart::Timeline {
        title: "Subscribers and their connections".to_owned(),
        lines: vec![kept.line, expired.line],
    });
    Ok(outcome)
}

struct Absence {
    /// How many messages of each QoS.
    each: u64,
    tallies: Vec<(Qos, Tally)>,
    session_present: Option<bool>,
    /// Whether a message that is published after all arrives.
    hears_again: bool,
    line: TimelineLine,
}

async fn absence(lab: &Lab, name: &str, expiry: Duration, away: Duration) -> Result<Absence> {
    let topic = lab.topic(&format!("session/{name}"));
    let observer = lab.observer().await?;
    let builder = lab.client(observer.address(), name).session_expiry(expiry);
    let (subscriber, messages) = builder.connect().await?;
    subscriber.subscribe(&topic, Qos::ExactlyOnce).await?;
    let listener = lab.listen(messages);
    let name = format!("{name}-pub");
    let (publisher, _messages) = lab
        .client(format!("mqtt://{}", lab.server()), &name)
        .connect()
        .await?;
    let began = lab.start.elapsed();
    observer.set_down(true);
    // Nothing passes any more.
    observer.settled().await;
    let left = lab.start.elapsed();
    let each = (lab.options.messages / 10).max(10);
    let levels = [Qos::AtLeastOnce, Qos::ExactlyOnce];
    for number in 0..2 * each {
        let qos = levels[usize::from(number >= each)];
        publisher
            .send(numbered(&topic, number, qos)?)
            .await?
            .await?;
    }
    tokio::time::sleep(away.saturating_sub(lab.start.elapsed() - left)).await;
    observer.set_down(false);
    let back = wait_until_back(lab, &observer).await;
    // The last message comes behind all others.
    let last = 2 * each;
    // A client that has lost its Session subscribes again first.
    let heard = tokio::time::timeout(PATIENCE, async {
        let mut copies = 0;
        while !listener.notebook().numbers().contains(&last) {
            publisher
                .send(numbered(&topic, last, Qos::AtLeastOnce)?)
                .await?
                .await?;
            copies += 1;
            let pause = Duration::from_millis(50);
            listener.notebook().wait_for_all([last], pause).await;
        }
        Ok::<u64, crate::lab::Error>(copies)
    });
    let hears_again = matches!(heard.await, Ok(Ok(_)));
    let numbers = listener.notebook().numbers();
    let of = |qos: Qos, from: u64| {
        let range = from..from + each;
        let arrived = numbers.iter().copied().filter(|it| range.contains(it));
        (qos, Tally::of(range.clone(), Some(each), arrived))
    };
    let ended = lab.start.elapsed();
    subscriber.disconnect().await;
    publisher.disconnect().await;
    Ok(Absence {
        each,
        tallies: vec![of(Qos::AtLeastOnce, 0), of(Qos::ExactlyOnce, each)],
        session_present: observer.look(|it| it.sessions_present().get(1).copied()),
        hears_again,
        line: TimelineLine {
            name: format!("Expiry {} s", expiry.as_secs()),
            marks: vec![(left, "the network is gone".to_owned())],
            spans: vec![
                (began.min(left), left, "connected".to_owned()),
                (back, ended, "connected again".to_owned()),
            ],
        },
    })
}

/// Waits for the second CONNACK.
async fn wait_until_back(lab: &Lab, observer: &Observer) -> Duration {
    let is_back = async {
        while observer.look(|it| it.sessions_present().len()) < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, is_back).await;
    lab.start.elapsed()
}
