//! A home: lamps, an alarm, a door lock and a phone, each at the level that fits it, and what another level would have done.

mod phone;

use std::time::Duration;

use mqtt5_tokio::codec::{Publish, TopicName};
use mqtt5_tokio::fsm::Instant;
use mqtt5_tokio::fsm::deduplicate::{Deduplicator, Sighting};
use mqtt5_tokio::{Publication, Qos};

use super::mishap::{self, Mishap};
use crate::lab::counting::Tally;
use crate::lab::observers::{Heard, Recording};
use crate::lab::{Chart, Lab, Outcome, Result, Table};

/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut table = Table {
        title: "Each device at each level; a star marks what the guide chooses".to_owned(),
        columns: vec!["", "sent", "lost", "repeated", "in the end"],
        rows: Vec::new(),
    };
    outcome.say("The network of the home fails twice for each device: before a message has arrived, and when it has, before its acknowledgement.");
    for device in [Device::Lamp, Device::Alarm, Device::Lock] {
        for level in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            lab.step(format!("{} with QoS {}", device.name(), level as u8));
            let story = play(lab, device, level).await?;
            let name = format!("{} with QoS {}", device.name(), level as u8);
            let star = if device.level() == level { " *" } else { "" };
            table.rows.push(vec![
                format!("{name}{star}"),
                story.tally.sent.to_string(),
                story.tally.lost.to_string(),
                story.tally.repeated.to_string(),
                story.ending.clone(),
            ]);
            outcome.deliveries(&name, level, story.tally);
            if device.level() == level {
                outcome.check(&name, device.promise(), story.is_right);
            } else {
                outcome.say(format!("{name}: {}.", story.ending));
            }
            if device == Device::Lock && level != Qos::AtMostOnce {
                outcome.charts.push(Chart::Sequence {
                    title: format!(
                        "The door with QoS {}: an acknowledgement is lost, then a message",
                        level as u8
                    ),
                    recording: story.recording,
                });
            }
        }
    }
    outcome.tables.push(table);
    phone::run(lab, &mut outcome).await?;
    Ok(outcome)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Device {
    /// Is told to be on or off.
    Lamp,
    /// Rings for each event, but not twice for the same one.
    Alarm,
    /// Is told to toggle.
    Lock,
}

impl Device {
    const fn name(self) -> &'static str {
        match self {
            Device::Lamp => "Lamp",
            Device::Alarm => "Alarm",
            Device::Lock => "Door",
        }
    }

    /// The level that the guide chooses.
    const fn level(self) -> Qos {
        match self {
            // It says what is, and the same twice changes nothing; and a key that is known does no harm.
            Device::Lamp | Device::Alarm => Qos::AtLeastOnce,
            // Toggled twice is wrong.
            Device::Lock => Qos::ExactlyOnce,
        }
    }

    const fn promise(self) -> &'static str {
        match self {
            Device::Lamp => "Its final state is that of the last command.",
            Device::Alarm => {
                "It rings once for each event, because it recognizes repetitions by their keys."
            }
            Device::Lock => "In the end it is as it was meant to be.",
        }
    }

    /// What is published, in order.
    const fn messages(self) -> &'static [(&'static str, Mishap)] {
        match self {
            Device::Lamp => &[
                ("on", Mishap::None),
                ("off", Mishap::AcknowledgementLost),
                ("on", Mishap::None),
                // The last word.
                ("off", Mishap::MessageLost),
            ],
            Device::Alarm => &[
                ("window", Mishap::None),
                ("smoke", Mishap::MessageLost),
                ("door", Mishap::AcknowledgementLost),
                ("water", Mishap::None),
            ],
            Device::Lock => &[
                ("toggle", Mishap::None),
                ("toggle", Mishap::AcknowledgementLost),
                ("toggle", Mishap::MessageLost),
                ("toggle", Mishap::None),
                ("toggle", Mishap::None),
            ],
        }
    }

    /// What the device makes of what it hears: how it ends, as words, and whether that is right.
    fn ending(self, heard: &[Heard]) -> (String, bool) {
        let messages = self.messages();
        match self {
            Device::Lamp => {
                let meant = messages.last().map_or("", |it| it.0);
                let is = heard.last().and_then(|it| it.text().split(' ').nth(1));
                let is = is.unwrap_or("as before");
                (format!("it is {is}, and should be {meant}"), is == meant)
            }
            Device::Alarm => {
                let mut seen = Deduplicator::new(100, Duration::from_secs(300), [0; 16]);
                let rings = heard.iter().filter(|it| {
                    seen.check(Instant::ORIGIN + it.at, &it.payload) == Sighting::First
                });
                let rings = rings.count();
                let events = messages.len();
                (
                    format!("it rang for {rings} of {events} events"),
                    rings == events,
                )
            }
            Device::Lock => {
                // It was locked.
                let state = |toggles: usize| {
                    if toggles.is_multiple_of(2) {
                        "locked"
                    } else {
                        "open"
                    }
                };
                let (is, meant) = (state(heard.len()), state(messages.len()));
                (format!("it is {is}, and should be {meant}"), is == meant)
            }
        }
    }
}

/// What came out for a device at a level.
struct Story {
    tally: Tally,
    ending: String,
    is_right: bool,
    recording: Recording,
}

async fn play(lab: &Lab, device: Device, level: Qos) -> Result<Story> {
    let name = format!("{}{}", device.name(), level as u8);
    let topic = lab.topic(&format!("home/{name}"));
    let witness = lab.witness(&name, &topic, Qos::ExactlyOnce).await?;
    let observer = lab.observer().await?;
    let (app, _messages) = lab
        .client(observer.address(), &format!("{name}-app"))
        .connect()
        .await?;
    let messages = device.messages();
    for (number, (text, mishap)) in (0_u64..).zip(messages) {
        let publication = message(&topic, number, text, level)?;
        mishap::publish(&app, &observer, publication, *mishap).await?;
    }
    // Whatever comes again comes before the last message.
    let count = messages.len() as u64;
    let arrives = |mishap: Mishap| level != Qos::AtMostOnce || mishap != Mishap::MessageLost;
    let expected = (0..).zip(messages).filter(|(_, it)| arrives(it.1));
    let expected = expected.map(|(number, _)| number);
    witness.notebook().wait_for_all(expected, PATIENCE).await;
    app.disconnect().await;
    let heard = witness.notebook().heard();
    let (ending, is_right) = device.ending(&heard);
    Ok(Story {
        tally: Tally::of(0..count, None, heard.iter().filter_map(Heard::number)),
        ending,
        is_right,
        recording: observer.recording(),
    })
}

/// A message that begins with its number, which is its key as well.
fn message(topic: &str, number: u64, text: &str, qos: Qos) -> Result<Publication> {
    let payload = format!("{number} {text}");
    let publish = Publish::new(TopicName::new(topic)?, payload.as_bytes());
    let body = mqtt5_tokio::codec::Message::new(&publish)?;
    Ok(Publication::new(qos, body))
}
