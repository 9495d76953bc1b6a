//! The alternating bit protocol over two lossy pipes: small enough to be sure what the engines must
//! say about it.

use std::fmt;
use std::str::FromStr;

use mqtt5_spec_tests::explore::{CoveragePoint, Lane, Step, Turn, Violation, World};

pub(crate) const SENDER: Lane = Lane(0);
pub(crate) const RECEIVER: Lane = Lane(1);

/// What is wrong with this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bug {
    None,
    /// The receiver does not look at the bit: a message that is sent again is delivered again.
    IgnoresBit,
    /// The sender does not send again what was lost.
    NeverRepeats,
    /// The sender sends again only after somebody resets it, and resetting is a fault.
    RepeatsAfterReset,
    /// The monitor of the order of deliveries is never asked.
    MonitorAsleep,
    /// The sender panics when it gets an old acknowledgement.
    Panics,
    /// The world itself is wrong: it calls an ordinary step a fault, at any time.
    FaultsGoOn,
}

const BUGS: [(&str, Bug); 7] = [
    ("none", Bug::None),
    ("ignores-bit", Bug::IgnoresBit),
    ("never-repeats", Bug::NeverRepeats),
    ("repeats-after-reset", Bug::RepeatsAfterReset),
    ("monitor-asleep", Bug::MonitorAsleep),
    ("panics", Bug::Panics),
    ("faults-go-on", Bug::FaultsGoOn),
];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Config {
    pub(crate) messages: u8,
    pub(crate) losses: u8,
    pub(crate) capacity: u8,
    pub(crate) bug: Bug,
}

pub(crate) const CORRECT: Config = Config {
    messages: 3,
    losses: 2,
    capacity: 2,
    bug: Bug::None,
};

pub(crate) fn with_bug(bug: Bug) -> Config {
    Config { bug, ..CORRECT }
}

impl fmt::Display for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _) = BUGS[self.bug as usize];
        let Self {
            messages,
            losses,
            capacity,
            ..
        } = self;
        write!(
            out,
            "messages={messages} losses={losses} capacity={capacity} bug={name}"
        )
    }
}

impl FromStr for Config {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut config = CORRECT;
        for word in text.split_whitespace() {
            let (key, value) = word.split_once('=').ok_or("not key=value")?;
            let number = || value.parse().map_err(|_| format!("not a number: {word}"));
            match key {
                "messages" => config.messages = number()?,
                "losses" => config.losses = number()?,
                "capacity" => config.capacity = number()?,
                "bug" => {
                    let bug = BUGS.iter().find(|(name, _)| *name == value);
                    config.bug = bug.ok_or_else(|| format!("no such bug: {value}"))?.1;
                }
                _ => return Err(format!("unknown key: {key}")),
            }
        }
        Ok(config)
    }
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct AlternatingBit {
    config: Config,
    losses: u8,
    /// The message that the sender is at, and whether it was sent at all.
    sending: u8,
    sent: bool,
    data: Vec<u8>,
    acknowledgements: Vec<bool>,
    expected_bit: bool,
    delivered: u8,
}

#[derive(Clone, Copy)]
enum Action {
    Send,
    DeliverData,
    DeliverAcknowledgement,
    LoseData,
    LoseAcknowledgement,
    Reset,
}

const ORDER_MONITOR: usize = 6;

impl AlternatingBit {
    fn enabled(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let capacity = usize::from(self.config.capacity);
        let repeats = !matches!(self.config.bug, Bug::NeverRepeats | Bug::RepeatsAfterReset);
        if self.sending < self.config.messages
            && self.data.len() < capacity
            && (repeats || !self.sent)
        {
            actions.push(Action::Send);
        }
        if !self.data.is_empty() && self.acknowledgements.len() < capacity {
            actions.push(Action::DeliverData);
        }
        if !self.acknowledgements.is_empty() {
            actions.push(Action::DeliverAcknowledgement);
        }
        if self.losses > 0 && !self.data.is_empty() {
            actions.push(Action::LoseData);
        }
        if self.losses > 0 && !self.acknowledgements.is_empty() {
            actions.push(Action::LoseAcknowledgement);
        }
        if self.sent && self.config.bug == Bug::RepeatsAfterReset {
            actions.push(Action::Reset);
        }
        actions
    }

    fn deliver(&mut self, message: u8, turn: &mut Turn<'_>) -> Result<(), Violation> {
        turn.note(RECEIVER, format_args!("delivers message {message}"));
        if self.config.bug != Bug::MonitorAsleep {
            turn.cover(ORDER_MONITOR);
            if message != self.delivered {
                let text = format!("message {message} instead of message {}", self.delivered);
                return Err(Violation::new("order of deliveries", text));
            }
        }
        self.delivered += 1;
        Ok(())
    }
}

impl World for AlternatingBit {
    type Config = Config;

    const NAME: &'static str = "alternating-bit";
    const LANES: &'static [&'static str] = &["sender", "receiver"];

    fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            losses: config.losses,
            sending: 0,
            sent: false,
            data: Vec::new(),
            acknowledgements: Vec::new(),
            expected_bit: false,
            delivered: 0,
        }
    }

    fn coverage_points(config: &Config) -> Vec<CoveragePoint> {
        let mut points: Vec<CoveragePoint> = [
            "send",
            "deliver data",
            "deliver ack",
            "lose data",
            "lose ack",
        ]
        .map(|name| CoveragePoint::required("actions", name))
        .into();
        points.push(if config.bug == Bug::RepeatsAfterReset {
            CoveragePoint::required("actions", "reset")
        } else {
            CoveragePoint::optional("actions", "reset")
        });
        points.push(CoveragePoint::required("monitors", "order of deliveries"));
        points
    }

    fn step(&mut self, turn: &mut Turn<'_>) -> Result<Step, Violation> {
        let actions = self.enabled();
        if actions.is_empty() {
            return Ok(Step::Nothing);
        }
        let action = turn.pick(&actions);
        turn.cover(action as usize);
        match action {
            Action::Send => {
                turn.note(SENDER, format_args!("sends message {}", self.sending));
                self.sent = true;
                self.data.push(self.sending);
                if self.config.bug == Bug::FaultsGoOn {
                    return Ok(Step::Fault);
                }
            }
            Action::DeliverData => {
                let message = self.data.remove(0);
                let bit = message % 2 == 1;
                turn.message(SENDER, RECEIVER, format_args!("DATA {message}"));
                if bit == self.expected_bit || self.config.bug == Bug::IgnoresBit {
                    self.expected_bit = !bit;
                    self.deliver(message, turn)?;
                }
                self.acknowledgements.push(bit);
            }
            Action::DeliverAcknowledgement => {
                let bit = self.acknowledgements.remove(0);
                turn.message(RECEIVER, SENDER, format_args!("ACK {}", u8::from(bit)));
                if self.sending < self.config.messages && bit == (self.sending % 2 == 1) {
                    self.sending += 1;
                    self.sent = false;
                } else {
                    assert!(self.config.bug != Bug::Panics, "an old acknowledgement");
                }
            }
            Action::LoseData => {
                let message = self.data.remove(0);
                turn.log()
                    .lost(SENDER, RECEIVER, format_args!("DATA {message}"));
                self.losses -= 1;
                return Ok(Step::Fault);
            }
            Action::LoseAcknowledgement => {
                let bit = self.acknowledgements.remove(0);
                turn.log()
                    .lost(RECEIVER, SENDER, format_args!("ACK {}", u8::from(bit)));
                self.losses -= 1;
                return Ok(Step::Fault);
            }
            Action::Reset => {
                turn.log().fault("somebody resets the sender");
                self.sent = false;
                return Ok(Step::Fault);
            }
        }
        Ok(Step::Progress)
    }

    fn is_quiescent(&self) -> bool {
        self.sending == self.config.messages
            && self.data.is_empty()
            && self.acknowledgements.is_empty()
    }

    fn stop_faults(&mut self) {
        self.losses = 0;
        if self.config.bug == Bug::RepeatsAfterReset {
            self.config.bug = Bug::NeverRepeats;
        }
    }
}
