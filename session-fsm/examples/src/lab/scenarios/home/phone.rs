//! A phone that is away for a while.

use std::time::Duration;

use mqtt5_tokio::codec::PacketType;
use mqtt5_tokio::{Client, ConnectionState, Messages, Qos};
use tokio::time::{sleep, timeout};

use super::PATIENCE;
use crate::lab::context::{Listener, numbered};
use crate::lab::observers::{Happening, Observer};
use crate::lab::outcome::TimelineLine;
use crate::lab::{Chart, Lab, Outcome, Result, Table, Tally};

/// How many events there are before the phone leaves, while it is away, and when it is back.
const EVENTS: u64 = 10;

/// A phone, and how it subscribes.
struct Phone {
    name: &'static str,
    qos: Qos,
    expiry: Duration,
    client: Client,
    listener: Listener,
    observer: Observer,
}

impl Phone {
    async fn new(
        lab: &Lab,
        topic: &str,
        name: &'static str,
        qos: Qos,
        expiry: Duration,
    ) -> Result<Self> {
        let observer = lab.observer().await?;
        let (client, messages): (Client, Messages) = lab
            .client(observer.address(), name)
            .session_expiry(expiry)
            .connect()
            .await?;
        client.subscribe(topic, qos).await?;
        Ok(Phone {
            name,
            qos,
            expiry,
            client,
            listener: lab.listen(messages),
            observer,
        })
    }

    async fn wait_until(&self, is_there: bool) -> Result<()> {
        let mut state = self.client.state();
        let is_so =
            |it: &ConnectionState| matches!(it, ConnectionState::Connected { .. }) == is_there;
        timeout(PATIENCE, state.wait_for(is_so)).await??;
        Ok(())
    }

    /// Waits until it is subscribed for the second time: the server has lost its Session.
    async fn wait_until_subscribed_again(&self) -> Result<()> {
        let subacks = || {
            self.observer.look(|it| {
                let is_suback = |what: &Happening| {
                    matches!(
                        what,
                        Happening::Packet {
                            packet_type: PacketType::SubAck,
                            ..
                        }
                    )
                };
                it.entries.iter().filter(|it| is_suback(&it.what)).count()
            })
        };
        let subscribed = async {
            while subacks() < 2 {
                sleep(Duration::from_millis(1)).await;
            }
        };
        Ok(timeout(PATIENCE, subscribed).await?)
    }

    fn has_session(&self) -> bool {
        !self.expiry.is_zero()
    }
}

pub(super) async fn run(lab: &Lab, outcome: &mut Outcome) -> Result<()> {
    lab.step("a phone that is away");
    let topic = lab.topic("home/events");
    let (hub, _messages) = lab.client(lab.server(), "hub").connect().await?;
    let hour = Duration::from_secs(3600);
    let phones = [
        Phone::new(lab, &topic, "phone", Qos::AtLeastOnce, hour).await?,
        Phone::new(lab, &topic, "phone-0", Qos::AtMostOnce, hour).await?,
        Phone::new(lab, &topic, "phone-new", Qos::AtLeastOnce, Duration::ZERO).await?,
    ];
    let publish = async |from: u64| -> Result<()> {
        for number in from..from + EVENTS {
            let event = numbered(&topic, number, Qos::AtLeastOnce)?;
            hub.send(event).await?.await?;
        }
        Ok(())
    };
    publish(0).await?;
    for phone in &phones {
        phone
            .listener
            .notebook()
            .wait_for_all(0..EVENTS, PATIENCE)
            .await;
        phone.observer.set_down(true);
        phone.wait_until(false).await?;
    }
    let left = lab.start.elapsed();
    publish(EVENTS).await?;
    let back = lab.start.elapsed();
    for phone in &phones {
        phone.observer.set_down(false);
        phone.wait_until(true).await?;
        if !phone.has_session() {
            phone.wait_until_subscribed_again().await?;
        }
    }
    publish(2 * EVENTS).await?;
    let all = 0..3 * EVENTS;
    phones[0]
        .listener
        .notebook()
        .wait_for_all(all.clone(), PATIENCE)
        .await;
    for phone in &phones {
        phone
            .listener
            .notebook()
            .wait_for_all([all.end - 1], PATIENCE)
            .await;
        phone.client.disconnect().await;
    }
    hub.disconnect().await;
    report(outcome, &phones, (left, back));
    Ok(())
}

fn report(outcome: &mut Outcome, phones: &[Phone], (left, back): (Duration, Duration)) {
    let mut table = Table {
        title: "Three phones that are away together: events that they got".to_owned(),
        columns: vec!["", "before", "while away", "when back"],
        rows: Vec::new(),
    };
    let mut lines = Vec::new();
    outcome.say(format!(
        "A hub publishes {EVENTS} events with QoS 1 while phones are there, {EVENTS} while they are away, and {EVENTS} when they are back."
    ));
    for phone in phones {
        let session = if phone.has_session() {
            "a Session that lasts"
        } else {
            "no Session that lasts"
        };
        let name = format!("QoS {} and {session}", phone.qos as u8);
        let numbers = phone.listener.notebook().numbers();
        let got = |part: u64| {
            let events = part * EVENTS..(part + 1) * EVENTS;
            let tally = Tally::of(
                events.clone(),
                None,
                numbers.iter().copied().filter(|it| events.contains(it)),
            );
            tally.delivered
        };
        let row = (0..3).map(|part| got(part).to_string());
        table
            .rows
            .push([name.clone()].into_iter().chain(row).collect());
        if phone.qos == Qos::AtLeastOnce && phone.has_session() {
            let tally = Tally::of(0..3 * EVENTS, None, numbers);
            outcome.deliveries("Phone with a Session that lasts, QoS 1", phone.qos, tally);
        } else {
            outcome.say(format!(
                "The phone with {name} got {} of the {EVENTS} events that were published while it was away.",
                got(1)
            ));
        }
        lines.push(TimelineLine {
            name,
            marks: vec![(left, "leaves".to_owned()), (back, "comes back".to_owned())],
            spans: vec![(left, back, format!("{}: is away", phone.name))],
        });
    }
    outcome.say("Whether messages with QoS 0 wait for a client that is away is left to the server (section 4.1).");
    outcome.tables.push(table);
    outcome.charts.push(Chart::Timeline {
        title: "Phones that are away".to_owned(),
        lines,
    });
}
