//! What may happen in a world, and how it is drawn.

use std::num::NonZeroU16;
use std::ops::Range;

use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::{
    Acknowledgement, Limits, SessionConfig, StoredLimits, TopicAliases, WaitingLimits, WhenFull,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    Client,
    Server,
}

pub(crate) const SIDES: [Side; 2] = [Side::Client, Side::Server];

impl Side {
    pub(crate) const fn other(self) -> Side {
        SIDES[1 - self as usize]
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// With a payload of this length.
    Publish(Side, Qos, usize, Extras),
    /// At most this many bytes come to this side.
    Deliver(Side, usize),
    /// The application accepts or refuses one of the messages that it has, with a Reason String of this length. It is
    /// left out where it does not fit or is not wanted.
    Decide(Side, usize, bool, usize),
    Connect(Connection),
    /// With the Will, if it is the Client's.
    Disconnect(Side, bool),
    /// The network breaks, with all that was on it.
    Cut,
    /// This many milliseconds pass; whether the machines are called for it.
    Pass(u64, bool),
    /// How much room each side has from now on when it writes; `None`: it is not polled.
    Room(Option<usize>),
    /// Copies of both sides write into little room: in the end it is the same.
    Pieces([usize; 3]),
    /// This side crashes at the change after this many others.
    Crash(Side, usize, Crash),
    /// This side writes its whole Session and begins a new log.
    Compact(Side),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) retain: bool,
    pub(crate) expiry: Option<u32>,
    pub(crate) alias: Option<NonZeroU16>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    /// It crashes while it stores the change, not after; this many zero bytes follow what it wrote.
    pub(crate) torn: Option<usize>,
    /// The other side gets what was written before.
    pub(crate) flushed: bool,
}

/// What a Network Connection begins with.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) clean_start: bool,
    pub(crate) expiry_interval: u32,
    pub(crate) will_delay: Option<u32>,
    pub(crate) problem_information: bool,
    /// What each side takes.
    pub(crate) limits: [Limits; 2],
    /// Of the Server.
    pub(crate) aliases: TopicAliases,
}

impl Connection {
    /// Each side takes anything, and the Session goes on.
    pub(crate) const PLAIN: Connection = Connection {
        clean_start: false,
        expiry_interval: u32::MAX,
        will_delay: None,
        problem_information: true,
        limits: [Limits::NONE; 2],
        aliases: TopicAliases::Off,
    };
}

/// What may happen, beside what always may.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct May {
    /// Sessions end; messages expire, and give way to others.
    pub(crate) lose: bool,
    /// Processes die.
    pub(crate) crash: bool,
    /// Each connection has limits of its own.
    pub(crate) limit: bool,
    /// Sides are polled seldom and have little room. A Session may be one that is not stored.
    pub(crate) starve: bool,
}

impl May {
    /// Whether connections are closed.
    pub(crate) const fn close(self) -> bool {
        self.lose || !self.limit
    }
}

/// What does not change in a world.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) may: May,
    pub(crate) sessions: [SessionConfig; 2],
    /// Of the Client.
    pub(crate) aliases: TopicAliases,
}

/// A world, and what happens in it.
pub(crate) fn run(may: May, length: Range<usize>) -> impl Strategy<Value = (Setting, Vec<Step>)> {
    let setting =
        (session(may), session(may), aliases()).prop_map(move |(client, server, aliases)| {
            Setting {
                may,
                sessions: [client, server],
                aliases,
            }
        });
    (setting, vec(step(may), length))
}

fn session(may: May) -> impl Strategy<Value = SessionConfig> {
    let acknowledgement = select(&[Acknowledgement::Automatic, Acknowledgement::Manual][..]);
    let stored = (select(&[6, 12, 1_000][..]), select(&[1_500, 1 << 20][..]));
    let waiting = (select(&[4, 20, 1_000][..]), select(&[2_000, 1 << 20][..]));
    let when_full = [
        WhenFull::Refuse,
        WhenFull::DropOldestQos0,
        WhenFull::DropOldest,
    ];
    let when_full = &when_full[..if may.lose || may.starve { 3 } else { 1 }];
    (
        (
            select(&[1, 2, 3, u16::MAX][..]),
            any::<bool>(),
            acknowledgement,
        ),
        (stored, waiting, select(when_full.to_vec())),
    )
        .prop_map(
            move |((in_flight, persistent, acknowledgement), (stored, waiting, when_full))| {
                SessionConfig {
                    in_flight,
                    persistent: persistent || !may.starve,
                    acknowledgement,
                    stored: StoredLimits {
                        messages: stored.0,
                        bytes: stored.1,
                    },
                    waiting: WaitingLimits {
                        messages: waiting.0,
                        bytes: waiting.1,
                        when_full,
                    },
                }
            },
        )
}

fn aliases() -> impl Strategy<Value = TopicAliases> {
    (0..4_u16).prop_map(|aliases| {
        NonZeroU16::new(aliases).map_or(TopicAliases::Off, TopicAliases::Automatic)
    })
}

fn qos() -> impl Strategy<Value = Qos> {
    prop_oneof![
        1 => Just(Qos::AtMostOnce),
        2 => Just(Qos::AtLeastOnce),
        3 => Just(Qos::ExactlyOnce),
    ]
}

fn step(may: May) -> impl Strategy<Value = Step> {
    let side = || select(&SIDES[..]);
    let expires = may.lose || may.starve;
    let length = prop_oneof![Just(4), Just(70), 4..44_usize];
    let publish = (side(), qos(), length, (0..5_u8, 0..60_u32, 0..12_u16)).prop_map(
        move |(side, qos, length, (retain, expiry, alias))| {
            let extras = Extras {
                retain: retain == 0,
                expiry: Some(expiry).filter(|it| expires && *it < 20),
                alias: NonZeroU16::new(alias).filter(|it| it.get() < 4),
            };
            Step::Publish(side, qos, length, extras)
        },
    );
    let bytes = prop_oneof![3 => Just(usize::MAX), 1 => 0..60_usize];
    let decide = (side(), any::<usize>(), 0..5_u8, 0..50_usize).prop_map(
        move |(side, which, refuse, reason)| {
            let accept = refuse > 0 || !(may.lose || may.starve);
            Step::Decide(side, which, accept, reason)
        },
    );
    let room = prop_oneof![
        Just(None),
        Just(Some(usize::MAX)),
        (0..80_usize).prop_map(Some)
    ];
    let torn = select(&[None, Some(0), Some(20)][..]);
    let crash =
        (side(), 1..8_usize, torn, any::<bool>()).prop_map(|(side, changes, torn, flushed)| {
            Step::Crash(side, changes, Crash { torn, flushed })
        });
    let weight = |may: bool, weight: u32| if may { weight } else { 0 };
    let common = prop_oneof![
        6 => publish,
        10 => (side(), bytes).prop_map(|(side, bytes)| Step::Deliver(side, bytes)),
        3 => decide,
        1 => connection(may).prop_map(Step::Connect),
        2 => (0..12_u64, any::<bool>()).prop_map(|(seconds, timeouts)| Step::Pass(seconds * 100, timeouts)),
        1 => side().prop_map(Step::Compact),
    ];
    prop_oneof![
        25 => common,
        1 => Just(Step::Cut),
        weight(may.close(), 1) => (side(), any::<bool>()).prop_map(|(side, will)| Step::Disconnect(side, will)),
        weight(may.close(), 1) => (0..12_u64).prop_map(|seconds| Step::Pass(seconds * 1_000, true)),
        weight(may.crash, 2) => crash,
        weight(may.starve, 8) => room.prop_map(Step::Room),
        weight(may.starve, 1) => [0..12_usize, 0..12_usize, 0..12_usize].prop_map(Step::Pieces),
    ]
}

fn connection(may: May) -> impl Strategy<Value = Connection> {
    let will = select(&[None, None, Some(0), Some(5)][..]);
    let session = (any::<bool>(), select(&[0, 10, u32::MAX][..]), will);
    let limits = (limits(Side::Client, may), limits(Side::Server, may));
    (session, limits, any::<bool>(), aliases()).prop_map(
        move |(
            (clean_start, expiry_interval, will_delay),
            limits,
            problem_information,
            aliases,
        )| {
            let mut connection = Connection::PLAIN;
            if may.lose {
                connection.clean_start = clean_start && will_delay.is_none();
                connection.expiry_interval = expiry_interval;
                connection.will_delay = will_delay;
            }
            if may.limit {
                connection.limits = limits.into();
                connection.problem_information = problem_information;
                connection.aliases = aliases;
            }
            connection
        },
    )
}

fn limits(side: Side, may: May) -> impl Strategy<Value = Limits> {
    // A CONNACK and a CONNECT have to fit; one with a Will is larger.
    let least = match side {
        Side::Client => 34,
        Side::Server if may.lose => 64,
        Side::Server => 44,
    };
    let size = prop_oneof![2 => least..84_u32, 1 => Just(1_000)];
    let receive_maximum = prop_oneof![3 => 1..5_u16, 1 => Just(u16::MAX)];
    (size, receive_maximum, 0..4_u16, qos(), 0..3_u8).prop_map(
        move |(maximum_packet_size, receive_maximum, topic_alias_maximum, qos, retain)| {
            let mut limits = Limits {
                maximum_packet_size,
                receive_maximum,
                topic_alias_maximum,
                ..Limits::NONE
            };
            if side == Side::Server {
                (limits.maximum_qos, limits.retain_available) = (qos, retain > 0);
            }
            limits
        },
    )
}
