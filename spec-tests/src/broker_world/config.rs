//! What the world is made of, and how much may go wrong in it.

use std::fmt;
use std::str::FromStr;

use mqtt5_codec::{ProtocolVersion, Qos, RetainHandling, SubscriptionOptions};

use crate::settings::settings;

settings! {
    /// how many clients there are
    clients: u8 = 2,
    /// which clients speak MQTT 3.1.1: the last digits of their numbers
    older: Digits = Digits(0),
    /// subscriptions that are there from the start, as in 1020-2110: client, filter, QoS, variant
    start: Start = Start::NONE,
    /// which clients publish: the last digits of their numbers
    publishers: Digits = Digits(1),
    /// messages that they publish in all
    publishes: u16 = 0,
    /// the topics that messages may have: one digit for each (0: a, 1: b, 2: c/d, 3: one that is forbidden, 4: $c)
    topics: Digits = Digits(1),
    /// the QoS that they may have
    qos: Digits = Digits(1 << 2),
    /// what messages may be (0: live, 1: retained, 2: retained and empty)
    retain: Digits = Digits(1),
    /// messages that are retained from the start, each on a topic of its own
    kept: u8 = 0,
    /// subscriptions that clients make
    subscribes: u16 = 0,
    /// subscriptions that they end
    unsubscribes: u8 = 0,
    /// which clients make and end subscriptions: the last digits
    subscribers: Digits = Digits(1 << 1),
    /// their filters (0: a, 1: #, 2: +, 3: b, 4: $share/g/a, 5: $share/h/#, 6: c/+, 7: +/d, 8: $share/g/+, 9: $c/#)
    filters: Digits = Digits(1),
    /// their QoS
    granted: Digits = Digits(1 << 2),
    /// their variants (0: none, 1: No Local, 2: Retain As Published, 3: Retain Handling 1, 4: Retain Handling 2,
    /// 5: with an identifier, 6: with another one and Retain As Published)
    variants: Digits = Digits(1),
    /// subscriptions that the host takes back
    withdrawals: u8 = 0,
    /// clients that the host disconnects
    kicks: u8 = 0,
    /// connections that break; either side may notice first
    cuts: u8 = 0,
    /// connections that a client makes while the one before still works
    takeovers: u8 = 0,
    /// connections with Clean Start 1 beside the first
    clean_starts: u8 = 0,
    /// connections that a client ends, with or without its Will
    disconnects: u8 = 0,
    /// times that the broker is lost, and another one is made of what is stored
    losses: u8 = 0,
    /// whether the broker that was lost goes on for a while, unaware: 0 or 1
    unaware: u8 = 0,
    /// how far away the clock of the next broker is (0: no difference, 1: two seconds before, 2: after)
    clocks: Digits = Digits(1),
    /// whether storing a batch takes time: 0 or 1
    stores: u8 = 0,
    /// whether records are made: 0 or 1
    persistent: u8 = 0,
    /// jumps of the clock to the next deadline
    ticks: u8 = 0,
    /// hostile packets
    hostile: u8 = 0,
    /// whether the host answers a CONNECT or SUBSCRIBE later: 0 or 1
    late: u8 = 0,
    /// Session Expiry Interval in seconds
    expiry: u32 = 100,
    /// Message Expiry Interval in seconds; 0 for none
    message_expiry: u32 = 0,
    /// which of each eight clients have a Will: one bit for each
    wills: u8 = 0,
    /// Will Delay Interval in seconds
    will_delay: u32 = 0,
    /// whether Wills are retained: 0 or 1
    will_retain: u8 = 0,
    /// how long Wills wait after a restart, in seconds
    grace: u8 = 0,
    /// Receive Maximum of the clients
    window: u16 = 10,
    /// Maximum Packet Size of the clients; 0 for none
    packet_size: u32 = 0,
    /// most messages that a Session stores
    stored: u32 = 100,
    /// what becomes of a message without room: 0: it is dropped, 1: the oldest with QoS 0, 2: the oldest
    when_full: u8 = 0,
    /// bytes of all messages together; 0 for enough
    budget: u64 = 0,
    /// subscriptions that a client may have
    subscriptions: u32 = 100,
    /// retained messages that there may be
    retained: u32 = 100,
    /// what a client gets whose subscriptions match several times: 0: one copy, 1: one for each
    overlap: u8 = 0,
    /// to how many subscribers a message goes at once; the rest takes a step of its own. 0 for all
    slice: u32 = 0,
    /// the policy of groups: 0: round robin, 1: random, 2: sticky, 3: least in flight
    policy: u8 = 0,
    /// whether a broker made of what is stored is compared with the one that runs: 0 or 1
    compare: u8 = 0,
}

impl Config {
    /// Whether a client speaks MQTT 3.1.1.
    pub(super) fn is_older(&self, client: u8) -> bool {
        self.older.has(client)
    }

    pub(super) fn version(&self, client: u8) -> ProtocolVersion {
        match self.is_older(client) {
            true => ProtocolVersion::V3_1_1,
            false => ProtocolVersion::V5_0,
        }
    }

    /// How long the Session of a client goes on without a connection, in seconds.
    pub(super) fn expiry_of(&self, client: u8, clean: bool) -> u32 {
        match (self.is_older(client), clean) {
            (true, true) => 0,
            // In MQTT 3.1.1 the host says so.
            _ => self.expiry,
        }
    }

    pub(super) fn will_delay_of(&self, client: u8) -> u32 {
        match self.is_older(client) {
            true => 0,
            false => self.will_delay,
        }
    }

    /// The Message Expiry Interval of what a client publishes.
    pub(super) fn message_expiry_of(&self, client: u8) -> u32 {
        match self.is_older(client) {
            true => 0,
            false => self.message_expiry,
        }
    }

    /// How many messages a client takes at a time.
    pub(super) fn window_of(&self, client: u8) -> usize {
        match self.is_older(client) {
            true => u16::MAX.into(),
            false => self.window.into(),
        }
    }

    /// Whether a client has a Will; the bits are those of each eight clients.
    pub(super) const fn has_will(&self, client: u8) -> bool {
        self.wills & 1 << (client % 8) != 0
    }
}

/// The Topic Names.
pub(super) const TOPICS: [&str; 5] = ["a", "b", "c/d", "no", "$c"];
/// The topic of the Wills.
pub(super) const WILL_TOPIC: u8 = 1;
/// The topic on which nobody may publish.
pub(super) const FORBIDDEN: u8 = 3;
/// The Topic Filters.
pub(super) const FILTERS: [&str; 10] = [
    "a",
    "#",
    "+",
    "b",
    "$share/g/a",
    "$share/h/#",
    "c/+",
    "+/d",
    "$share/g/+",
    "$c/#",
];

pub(super) fn is_shared(filter: u8) -> bool {
    FILTERS[filter as usize].starts_with("$share/")
}

/// As the standard says, with no thought for speed (section 4.7).
pub(super) fn matches(filter: u8, topic: u8) -> bool {
    let (mut filter, topic) = (FILTERS[filter as usize], TOPICS[topic as usize]);
    if let Some(rest) = filter.strip_prefix("$share/") {
        filter = rest.split_once('/').map_or("", |(_, rest)| rest);
    }
    let begins_with_wildcard = filter.starts_with(['+', '#']);
    if topic.starts_with('$') && begins_with_wildcard {
        return false;
    }
    let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some(level), Some(name)) if level == "+" || level == name => {}
            (Some(_), None) => return filter.next() == Some("#"),
            _ => return false,
        }
    }
}

/// Some digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digits(pub u16);

impl Digits {
    /// The digits, ascending.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..10).filter(move |digit| self.0 & 1 << digit != 0)
    }

    /// Whether a number has one of these last digits.
    pub(super) fn has(self, number: u8) -> bool {
        self.0 & 1 << (number % 10) != 0
    }

    pub(super) fn list(self) -> Vec<u8> {
        self.iter().collect()
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|digit| write!(out, "{digit}"))
    }
}

impl FromStr for Digits {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.chars().map(|it| it.to_digit(10).map(|it| 1 << it));
        let bits = digits.collect::<Option<Vec<u16>>>().ok_or(())?;
        Ok(Digits(bits.into_iter().fold(0, |all, bit| all | bit)))
    }
}

/// A subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) filter: u8,
    pub(super) qos: u8,
    pub(super) variant: u8,
}

impl Wanted {
    pub(super) fn options(self) -> SubscriptionOptions {
        SubscriptionOptions {
            maximum_qos: qos_of(self.qos),
            no_local: self.variant == 1,
            retain_as_published: matches!(self.variant, 2 | 6),
            retain_handling: match self.variant {
                3 => RetainHandling::SendIfNew,
                4 => RetainHandling::DoNotSend,
                _ => RetainHandling::Send,
            },
        }
    }

    pub(super) const fn identifier(self) -> u32 {
        Self::identifier_of(self.filter, self.variant)
    }

    /// The Subscription Identifier; 0 for none.
    pub(super) const fn identifier_of(filter: u8, variant: u8) -> u32 {
        match variant {
            5 => 1 + filter as u32,
            6 => 11 + filter as u32,
            _ => 0,
        }
    }
}

pub(super) fn qos_of(number: u8) -> Qos {
    [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][number as usize]
}

/// Subscriptions that are there from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Start([Option<(u8, Wanted)>; 6]);

impl Start {
    /// None.
    pub const NONE: Start = Start([None; 6]);

    pub(super) fn iter(&self) -> impl Iterator<Item = (u8, Wanted)> {
        self.0.iter().flatten().copied()
    }
}

impl fmt::Display for Start {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (client, it)) in self.iter().enumerate() {
            let dash = if index > 0 { "-" } else { "" };
            write!(out, "{dash}{client}{}{}{}", it.filter, it.qos, it.variant)?;
        }
        Ok(())
    }
}

impl FromStr for Start {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut start = Start::NONE;
        let mut places = start.0.iter_mut();
        for word in text.split('-').filter(|word| !word.is_empty()) {
            let digits = word.chars().map(|it| it.to_digit(10));
            let digits: Option<Vec<u32>> = digits.collect();
            let [client, filter, qos @ 0..=2, variant @ 0..=6] = digits.ok_or(())?[..] else {
                return Err(());
            };
            let wanted = Wanted {
                filter: filter as u8,
                qos: qos as u8,
                variant: variant as u8,
            };
            *places.next().ok_or(())? = Some((client as u8, wanted));
        }
        Ok(start)
    }
}

/// How often each thing may still happen.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Budget {
    pub(super) publishes: u16,
    pub(super) subscribes: u16,
    pub(super) unsubscribes: u8,
    pub(super) withdrawals: u8,
    pub(super) kicks: u8,
    pub(super) cuts: u8,
    pub(super) takeovers: u8,
    pub(super) clean_starts: u8,
    pub(super) disconnects: u8,
    pub(super) losses: u8,
    pub(super) ticks: u8,
    pub(super) hostile: u8,
}

impl Budget {
    pub(super) fn new(config: &Config) -> Self {
        Budget {
            publishes: config.publishes,
            subscribes: config.subscribes,
            unsubscribes: config.unsubscribes,
            withdrawals: config.withdrawals,
            kicks: config.kicks,
            cuts: config.cuts,
            takeovers: config.takeovers,
            clean_starts: config.clean_starts,
            disconnects: config.disconnects,
            losses: config.losses,
            ticks: config.ticks,
            hostile: config.hostile,
        }
    }

    /// What is left if nothing goes wrong any more.
    pub(super) fn without_faults(self) -> Self {
        Budget {
            cuts: 0,
            takeovers: 0,
            losses: 0,
            hostile: 0,
            kicks: 0,
            ..self
        }
    }
}
