//! What happens in the factory.

use mqtt5_tokio::Qos;

use crate::lab::Lab;
use crate::lab::scenarios::mishap::Mishap;

/// How many machines there are.
pub(super) const MACHINES: u64 = 4;
/// How long the story lasts, in seconds of the factory.
pub(super) const SECONDS: u64 = 60;
/// From this temperature on, a machine is too hot, in degrees.
pub(super) const LIMIT: i64 = 80;

/// What is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Reading,
    Alert,
    Command,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Reading, Kind::Alert, Kind::Command];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Reading => "Readings",
            Kind::Alert => "Alerts",
            Kind::Command => "Commands",
        }
    }

    /// The level that the guide chooses.
    pub(super) const fn level(self) -> Qos {
        match self {
            // The next one replaces a lost one.
            Kind::Reading => Qos::AtMostOnce,
            // It must arrive, and does no harm twice.
            Kind::Alert => Qos::AtLeastOnce,
            // Cooling by one step more: twice is wrong.
            Kind::Command => Qos::ExactlyOnce,
        }
    }
}

/// A message of the story.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) second: u64,
    pub(super) kind: Kind,
    pub(super) mishap: Mishap,
}

/// What the machines do: temperatures rise and fall by chance, and cooling brings them down.
pub(super) fn story(lab: &Lab) -> Vec<Message> {
    let mut temperatures = [60_i64; MACHINES as usize];
    let mut story = Vec::new();
    for second in 0..SECONDS {
        for temperature in &mut temperatures {
            *temperature += lab.random(9) as i64 - 2;
            let mut kinds = vec![Kind::Reading];
            if *temperature >= LIMIT {
                kinds.extend([Kind::Alert, Kind::Command]);
                *temperature -= 25;
            }
            story.extend(kinds.into_iter().map(|kind| Message {
                second,
                kind,
                mishap: Mishap::None,
            }));
        }
    }
    // The network fails twice for each kind: before a message has arrived, and when it has.
    for kind in Kind::ALL {
        let mut messages: Vec<&mut Message> =
            story.iter_mut().filter(|it| it.kind == kind).collect();
        let half = messages.len() / 2;
        for (part, mishap) in [
            (0, Mishap::MessageLost),
            (half, Mishap::AcknowledgementLost),
        ] {
            let index = part + lab.random(half as u64) as usize;
            if let Some(message) = messages.get_mut(index) {
                message.mishap = mishap;
            }
        }
    }
    story
}
