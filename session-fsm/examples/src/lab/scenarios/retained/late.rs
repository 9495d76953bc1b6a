//! Subscribers that come late.

use std::time::Duration;

use mqtt5_tokio::codec::RetainHandling;
use mqtt5_tokio::{Client, Qos, SubscriptionOptions};

use super::{TOPICS, retain, topic_of};
use crate::lab::context::numbered;
use crate::lab::observers::{Direction, Happening, Observer, Recording, SeenPublish};
use crate::lab::{Lab, Result};

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A kind of late subscriber, and what it is promised.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) options: SubscriptionOptions,
    /// Whether the first SUBSCRIBE brings retained messages, and the second.
    pub(super) first: bool,
    pub(super) second: bool,
    pub(super) promise: &'static str,
}

const fn options(
    retain_handling: RetainHandling,
    retain_as_published: bool,
) -> SubscriptionOptions {
    SubscriptionOptions {
        maximum_qos: Qos::AtLeastOnce,
        no_local: false,
        retain_as_published,
        retain_handling,
    }
}

pub(super) const CASES: &[Case] = &[
    Case {
        name: "Retain Handling 0",
        options: options(RetainHandling::Send, false),
        first: true,
        second: true,
        promise: "Each SUBSCRIBE brings the retained messages.",
    },
    Case {
        name: "Retain Handling 1",
        options: options(RetainHandling::SendIfNew, false),
        first: true,
        second: false,
        promise: "The retained messages come if the subscription is new.",
    },
    Case {
        name: "Retain Handling 2",
        options: options(RetainHandling::DoNotSend, false),
        first: false,
        second: false,
        promise: "No retained message comes.",
    },
    Case {
        name: "Retain As Published",
        options: options(RetainHandling::Send, true),
        first: true,
        second: true,
        promise: "Retained messages come as with Retain Handling 0.",
    },
];

/// Publishes while subscribers are there.
pub(super) struct Live<'a> {
    pub(super) lab: &'a Lab,
    pub(super) publisher: &'a Client,
}

/// What a late subscriber got on the wire.
pub(super) struct Got {
    pub(super) first: Vec<u64>,
    pub(super) second: Vec<u64>,
    /// RETAIN of the message that was published later; `None` if it did not come once.
    pub(super) live: Option<bool>,
    pub(super) recording: Recording,
}

/// The messages that mark the end of a phase.
const MARKS: [u64; 3] = [101, 102, 103];

pub(super) async fn late_subscriber(live: &Live<'_>, case: &Case) -> Result<Got> {
    let Live { lab, publisher } = *live;
    let filter = topic_of(lab, "+");
    let observer = lab.observer().await?;
    let (client, messages) = lab.client(observer.address(), "late").connect().await?;
    let listener = lab.listen(messages);
    // A message that is not retained, with the same QoS, comes after the retained ones.
    let mark = async |number: u64| -> Result<()> {
        let message = numbered(&topic_of(lab, "mark"), number, Qos::AtLeastOnce)?;
        publisher.send(message).await?.await?;
        listener.notebook().wait_for_all([number], PATIENCE).await;
        Ok(())
    };
    client.subscribe_with(&filter, case.options, None).await?;
    mark(MARKS[0]).await?;
    client.subscribe_with(&filter, case.options, None).await?;
    mark(MARKS[1]).await?;
    // Number 2 is retained again.
    retain(lab, publisher, TOPICS[0], 2).await?;
    mark(MARKS[2]).await?;
    client.disconnect().await;
    let phases = phases(&observer);
    let numbers = |phase: usize| {
        let phase: &[SeenPublish] = phases.get(phase).map_or(&[], Vec::as_slice);
        let retained = phase.iter().filter(|it| it.retain);
        let mut numbers: Vec<u64> = retained.filter_map(|it| it.number).collect();
        numbers.sort_unstable();
        numbers
    };
    Ok(Got {
        first: numbers(0),
        second: numbers(1),
        live: match phases.get(2).map(Vec::as_slice) {
            Some([publish]) if publish.number == Some(2) => Some(publish.retain),
            _ => None,
        },
        recording: observer.recording(),
    })
}

/// The PUBLISH packets to the client, split at the marks.
fn phases(observer: &Observer) -> Vec<Vec<SeenPublish>> {
    observer.look(|it| {
        let mut phases = vec![Vec::new()];
        for entry in &it.entries {
            let Happening::Packet {
                direction: Direction::ToClient,
                publish: Some(publish),
                ..
            } = entry.what
            else {
                continue;
            };
            if publish.number.is_some_and(|it| MARKS.contains(&it)) {
                phases.push(Vec::new());
            } else if let Some(phase) = phases.last_mut() {
                phase.push(publish);
            }
        }
        phases
    })
}
