//! What a run can reach: actions, monitors, and the rows of the transition tables.

use mqtt5_session_fsm::table::{
    ReceiverAction, ReceiverEvent, ReceiverState, SenderAction, SenderEvent, SenderState,
};

use super::config::Config;
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
            fn is_needed(self, config: &Config) -> bool {
                let needed: fn(&Config) -> bool = match self { $($name::$item => $needed),* };
                needed(config)
            }
        }
    };
}

fn always(_: &Config) -> bool {
    true
}

fn acknowledged(config: &Config) -> bool {
    config.qos > 0 && config.up + config.down > 0
}

fn exactly_once(config: &Config) -> bool {
    config.qualities().contains(&2) && config.up + config.down > 0
}

fn resumes(config: &Config) -> bool {
    acknowledged(config) && config.cuts > 0 && config.expiry > 0
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

named! {
    /// What is watched.
    Monitor {
        /// A message with QoS 2 comes once in the life of the receiving Session.
        AtMostOnce: "QoS 2 at most once per session epoch", exactly_once;
        /// And not again in the next one.
        Ever: "QoS 2 at most once ever", exactly_once;
        /// Success means that the other application had it.
        NotLost: "no silent loss", acknowledged;
        /// The outcome Indeterminate needs a lost Session.
        LossHasReason: "no loss without a lost session", |_| false;
        /// 4.6.
        DeliveryOrder: "order of first deliveries", |config| config.up > 1 || config.down > 1;
        /// 4.4, 4.6.0-1.
        SendOrder: "order of PUBLISH and of re-sends", |config| acknowledged(config) && (config.up > 1 || config.down > 1);
        /// 2.2.1.
        Identifiers: "identifiers unique and non-zero", acknowledged;
        /// As the sender counts.
        SendQuota: "send quota", acknowledged;
        /// As the receiver counts.
        ReceiveWindow: "receive window", acknowledged;
        /// 3.3.1.1: 0 first.
        FirstDup: "DUP 0 on the first transmission", acknowledged;
        /// 3.3.1.1: then 1.
        AgainDup: "DUP 1 on re-sends", resumes;
        /// 4.4.0-1.
        NoResend: "no re-send within a connection", acknowledged;
        /// 4.3.3-6.
        NotAfterRelease: "no PUBLISH after its PUBREL", exactly_once;
        /// PUBREL only for a PUBREC.
        ReleaseOrder: "PUBREL as and when PUBREC came", exactly_once;
        /// 4.6.0-2.
        PubAckOrder: "PUBACK in the order of PUBLISH", |config| config.up + config.down > 0 && config.qualities().contains(&1);
        /// 4.6.0-3.
        PubRecOrder: "PUBREC in the order of PUBLISH", exactly_once;
        /// Solicited.
        PubComp: "PUBCOMP only for PUBREL", exactly_once;
        /// T15.
        PacketSize: "Maximum Packet Size", |config| config.packet_size > 0;
        /// 3.2.2-11.
        MaximumQos: "Maximum QoS", |_| false;
        /// 3.2.2-14.
        RetainAvailable: "Retain Available", |config| config.retain > 0 && acknowledged(config);
        /// 3.3.2-8 to 3.3.2-12.
        TopicAlias: "Topic Aliases known and allowed", |config| config.aliases > 0 && acknowledged(config);
        /// Tokens.
        OneOutcome: "exactly one outcome per token", |config| config.up + config.down > 0;
        /// 3.14.4.
        NothingAfter: "nothing after DISCONNECT", |config| config.disconnects > 0 || config.takeovers > 0;
        /// 3.1.0-1, 3.2.0-1.
        FirstPacket: "CONNECT and CONNACK first and once", always;
        /// Each packet that is sent can be read.
        WellFormed: "every packet decodes", always;
        /// Nothing of the connection before.
        NothingOfTheDead: "nothing of a dead connection", |config| resumes(config) || (acknowledged(config) && config.takeovers > 0);
        /// The machine does what its table says.
        Table: "states follow the tables", acknowledged;
        /// Two correct machines get along.
        NoPeerError: "no complaint about a correct peer", |_| false;
        /// 3.1.2-20.
        KeepAlive: "Keep Alive gap", |config| config.keep_alive > 0 && config.ticks > 0;
        /// A timeout of the peer is that of a silent peer, by an account of the bytes.
        Accusation: "nobody who spoke in time is left", |config| config.keep_alive > 0 && config.ticks > 1;
        /// And who is silent is left.
        Silence: "who is silent is left in time", |config| config.keep_alive > 0 && config.ticks > 0;
        /// Stored before sent.
        PersistFirst: "persist before dependent packets", |config| config.is_persistent() && acknowledged(config);
        /// A restored Session is the one that was stored.
        Restored: "a restored session is the stored one", |config| config.client_crashes + config.server_crashes > 0;
        /// Busy is taken back.
        Room: "Room follows Busy", |config| config.when_full == 0 && config.is_tight();
        /// What is stored is what the limits allow, and what the library says.
        StoredLimits: "stored messages within their limits", |config| config.up + config.down > 0;
        /// A message is dropped only for one that then has room, and only if the policy says so.
        Drops: "nothing dropped in vain", |config| config.when_full > 0 && config.is_tight() && !config.is_absent();
        /// What a host hears comes in the order in which it happened.
        EventOrder: "the end of a Session before anything of the next one", |_| false;
        /// A void receipt changes nothing.
        VoidReceipt: "a void receipt changes nothing", |config| config.manual > 0 && acknowledged(config);
    }
}

/// All points, in the order of their positions.
pub(super) fn all(config: &Config) -> Vec<CoveragePoint> {
    let mut points = Vec::new();
    let mut push = |group, name: String, needed| {
        points.push(if needed {
            CoveragePoint::required(group, name)
        } else {
            CoveragePoint::optional(group, name)
        });
    };
    for kind in Kind::ALL {
        push("actions", kind.name().to_owned(), kind.is_needed(config));
    }
    for monitor in Monitor::ALL {
        push(
            "monitors",
            monitor.name().to_owned(),
            monitor.is_needed(config),
        );
    }
    points
}

/// The position of an action.
pub(super) const fn of_kind(kind: Kind) -> usize {
    kind as usize
}

/// The position of a monitor.
pub(super) const fn of_monitor(monitor: Monitor) -> usize {
    Kind::ALL.len() + monitor as usize
}

/// The rows of the tables that do something and that no machine of this process has run. That lost identifiers are free
/// again is not asked for: it is not done for each of them.
#[must_use]
pub fn rows_not_run() -> Vec<String> {
    let mut rows = Vec::new();
    for state in SenderState::ALL {
        for event in SenderEvent::ALL {
            let (next, action) = state.on(*event);
            let is_idle = next == *state && action == SenderAction::Nothing;
            let is_at_once = (*state, *event) == (SenderState::Lost, SenderEvent::Discard);
            if action != SenderAction::Never && !is_idle && !is_at_once && !state.has_run(*event) {
                rows.push(format!("{state:?} + {event:?} => {next:?}, {action:?}"));
            }
        }
    }
    for state in ReceiverState::ALL {
        for event in ReceiverEvent::ALL {
            let (next, action) = state.on(*event);
            let is_idle = next == *state && action == ReceiverAction::Nothing;
            if action != ReceiverAction::Never && !is_idle && !state.has_run(*event) {
                rows.push(format!("{state:?} + {event:?} => {next:?}, {action:?}"));
            }
        }
    }
    rows
}
