//! What a run can reach: actions, monitors, and the rows of the transition tables.

use mqtt5_session_fsm::table::{
    ReceiverAction, ReceiverEvent, ReceiverState, SenderAction, SenderEvent, SenderState,
};

use super::config::Config;
use super::monitors::Rule;
use crate::explore::CoveragePoint;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$item_doc:meta])* $item:ident: $text:literal, $needed:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$item_doc])* $item,)* }

        impl $name {
            /// All, in order.
            pub const ALL: &'static [$name] = &[$($name::$item),*];

            /// How reports call it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($name::$item => $text),* }
            }

            /// Whether every complete exploration of this configuration meets it.
            pub(crate) fn is_needed(self, config: &Config) -> bool {
                let needed: fn(&Config) -> bool = match self { $($name::$item => $needed),* };
                needed(config)
            }
        }
    };
}

pub(crate) use named;

pub(super) fn always(_: &Config) -> bool {
    true
}

/// Messages have to be acknowledged.
pub(super) fn acknowledged(config: &Config) -> bool {
    config.qos > 0 && config.up + config.down > 0
}

named! {
    /// The kinds of steps.
    Kind {
        /// An application publishes.
        Publish: "publish", |config| config.up + config.down > 0;
        /// An application acknowledges.
        Accept: "acknowledge", |config| config.manual > 0 && acknowledged(config);
        /// An application refuses.
        Refuse: "refuse a message", |config| config.manual > 0 && config.refusals > 0 && acknowledged(config);
        /// The Client subscribes.
        Subscribe: "subscribe", |config| config.subscribes > 0;
        /// The Client unsubscribes.
        Unsubscribe: "unsubscribe", |config| config.unsubscribes > 0;
        /// The Server's host answers.
        Answer: "answer a request", |config| config.subscribes + config.unsubscribes > 0;
        /// The Client connects.
        Connect: "connect", always;
        /// With Clean Start 1.
        CleanStart: "connect with Clean Start 1", |config| config.clean_starts > 0;
        /// By MQTT 3.1.1.
        OlderVersion: "connect by MQTT 3.1.1", Config::has_older_version;
        /// A packet arrives.
        Deliver: "deliver a packet", always;
        /// All that is under way arrives.
        Batch: "deliver several packets at once", |config| config.batches > 0;
        /// A part of a packet arrives.
        Fragment: "deliver a part of a packet", |config| config.fragments > 0;
        /// A connection breaks.
        Cut: "cut", |config| config.cuts > 0;
        /// The other side notices.
        Notice: "notice that the connection is gone", |config| config.cuts > 0;
        /// The Client connects while it is connected.
        Takeover: "take over", |config| config.takeovers > 0;
        /// One side sends DISCONNECT.
        Disconnect: "disconnect", |config| config.disconnects > 0;
        /// The Server refuses the CONNECT.
        Reject: "reject a connection", |config| config.rejections > 0;
        /// The Client's host crashes.
        ClientCrash: "crash and restart the Client", |config| config.client_crashes > 0;
        /// The Server's host crashes.
        ServerCrash: "crash and restart the Server", |config| config.server_crashes > 0;
        /// The Client's host loses what it stored.
        Lose: "lose what the Client stored", |config| config.losses > 0;
        /// The Client's Session ends.
        ClientExpiry: "expire the Client's Session", |config| config.client_expiries > 0 && config.cuts > 0;
        /// The Server's Session ends.
        ServerExpiry: "expire the Server's Session", |config| config.server_expiries > 0 && config.cuts > 0;
        /// Somebody slips a packet in.
        Hostile: "hostile packet", |config| config.hostile > 0;
        /// Time passes.
        Tick: "jump to the next deadline", |config| config.ticks > 0;
        /// A host sleeps.
        Sleep: "fall asleep", |config| config.sleeps > 0;
        /// The network takes nothing.
        Block: "have no room to send", |config| config.blocks > 0;
        /// `poll` is put off.
        PutOff: "put off poll", |config| config.put_offs > 0;
        /// Reading is put off.
        Unread: "put off reading", |config| config.unread > 0;
        /// The host is back.
        Return: "be back", |config| config.is_absent();
        /// Bytes reach the socket of a host that does not read.
        Arrive: "leave bytes in the socket", |config| config.is_absent();
    }
}

/// All points, in the order of their positions.
pub(super) fn all(config: &Config) -> Vec<CoveragePoint> {
    let point = |group, name: &str, required| CoveragePoint {
        group,
        name: name.to_owned(),
        required,
    };
    let kinds = Kind::ALL.iter();
    let kinds = kinds.map(|kind| point("actions", kind.name(), kind.is_needed(config)));
    let rules = Rule::ALL.iter();
    let rules = rules.map(|rule| point("monitors", rule.name(), rule.is_needed(config)));
    kinds.chain(rules).collect()
}

impl Kind {
    /// The environment does something unwanted.
    pub(super) const fn is_fault(self) -> bool {
        use Kind::{Block, Lose, PutOff, Sleep, Takeover, Unread};
        use Kind::{ClientCrash, ClientExpiry, Cut, Fragment, Hostile, ServerCrash, ServerExpiry};
        matches!(
            self,
            ClientCrash
                | ClientExpiry
                | Cut
                | Fragment
                | Hostile
                | Lose
                | ServerCrash
                | ServerExpiry
                | Block
                | PutOff
                | Sleep
                | Takeover
                | Unread
        )
    }

    /// The position of its point.
    pub(super) const fn position(self) -> usize {
        self as usize
    }
}

impl Rule {
    /// The position of its point.
    pub(super) const fn position(self) -> usize {
        Kind::ALL.len() + self as usize
    }
}

macro_rules! rows_not_run {
    ($rows:ident: $state:ident, $event:ident, $action:ident) => {
        for state in $state::ALL {
            for event in $event::ALL {
                let (next, action) = state.on(*event);
                let is_idle = next == *state && action == $action::Nothing;
                if action != $action::Never && !is_idle && !state.has_run(*event) {
                    $rows.push(format!("{state:?} + {event:?} => {next:?}, {action:?}"));
                }
            }
        }
    };
}

/// The rows of the tables that do something and that no machine of this process has run. That lost identifiers are free
/// again is not asked for: it is not done for each of them.
#[must_use]
pub fn rows_not_run() -> Vec<String> {
    let mut rows = Vec::new();
    rows_not_run!(rows: SenderState, SenderEvent, SenderAction);
    rows_not_run!(rows: ReceiverState, ReceiverEvent, ReceiverAction);
    let at_once = format!("{:?} + {:?} ", SenderState::Lost, SenderEvent::Discard);
    rows.retain(|row| !row.starts_with(&at_once));
    rows
}
