//! The state tables of the sender and the receiver (sections 4.3, 4.4), which the machines run.
//!
//! A table describes one Packet Identifier. Every state has a row for every event; a missing row
//! does not compile. Rules for several identifiers, such as their order and the quotas, are not in
//! the tables.
//!
//! The tables are public for tools that check or draw them. A new version may have other rows.
//!
//! # What this side sends
//!
//! ```text
//!         PublishQos1            Written                PubAck
//!   Free ─────────────▶ Unsent1 ─────────▶ WaitPubAck ─────────▶ Free
//!                                           ▲      │
//!                                           └──────┘ Resume: PUBLISH again, DUP 1
//!
//!         PublishQos2            Written                PubRec                 PubComp
//!   Free ─────────────▶ Unsent2 ─────────▶ WaitPubRec ─────────▶ WaitPubComp ──────────▶ Free
//!                                           ▲  │   │              ▲       │
//!                                           └──┘   │              └───────┘ Resume: PUBREL again
//!                      Resume: PUBLISH again,      │ PubRecError
//!                      DUP 1                       └─────────────▶ Free
//!
//!         Subscribe                SubAck
//!   Free ───────────▶ WaitSubAck ─────────▶ Free
//! ```
//!
//! # What the other side sends
//!
//! ```text
//!         PublishQos1               Accept or Refuse: PUBACK
//!   Free ─────────────▶ Deciding1 ───────────────────────────▶ Free
//!
//!         PublishQos2              Accept: PUBREC               PubRel: PUBCOMP
//!   Free ─────────────▶ Deciding2 ────────────────▶ WaitPubRel ────────────────▶ Free
//!                           │                        │      ▲
//!                           │            PublishQos2 │      │ InTurn: PUBREC again
//!                           │                        ▼      │
//!                           │                        Repeating
//!                           │ Refuse: PUBREC of 0x80 or above
//!                           └─────────────────────────────────▶ Free
//! ```
//!
//! With automatic acknowledgement, `Accept` follows a PUBLISH at once.

#[cfg(feature = "inspect")]
use core::sync::atomic::Ordering;

macro_rules! transitions {
    (
        $(#[$doc:meta])* $half:ident,
        states $state:ident { $($(#[$state_doc:meta])* $state_name:ident,)* }
        actions $action:ident { $($(#[$action_doc:meta])* $action_name:ident,)* }
        events $event:ident { $(
            $(#[$event_doc:meta])* $event_name:ident {
                $($($from:ident)|+ => $to:ident, $do:ident;)*
            }
        )* }
    ) => {
        #[doc = concat!("The state of one Packet Identifier in the ", stringify!($half), " half.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $state { $($(#[$state_doc])* $state_name,)* }

        #[doc = concat!("What can happen to one Packet Identifier in the ", stringify!($half), " half.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $event { $($(#[$event_doc])* $event_name,)* }

        #[doc = concat!("What the ", stringify!($half), " half then does.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $action { $($(#[$action_doc])* $action_name,)* }

        impl $state {
            /// Every state.
            pub const ALL: &'static [$state] = &[$($state::$state_name),*];

            /// Returns the next state, and the action.
            #[must_use]
            #[inline]
            pub const fn on(self, event: $event) -> ($state, $action) {
                match event {
                    $($event::$event_name => match self {
                        $($($state::$from)|+ => (transitions!(@to self $state $to), $action::$do),)*
                    },)*
                }
            }

            /// As `on`, where a machine runs the row.
            #[inline]
            pub(crate) fn run(self, event: $event) -> ($state, $action) {
                #[cfg(feature = "inspect")]
                if !self.has_run(event) {
                    $half::row(self, event).store(true, Ordering::Relaxed);
                }
                self.on(event)
            }

            /// Returns whether a machine of this process has run the row.
            #[cfg(feature = "inspect")]
            #[doc(hidden)]
            #[must_use]
            pub fn has_run(self, event: $event) -> bool {
                $half::row(self, event).load(Ordering::Relaxed)
            }
        }

        impl $event {
            /// Every event.
            pub const ALL: &'static [$event] = &[$($event::$event_name),*];
        }

        #[cfg(feature = "inspect")]
        mod $half {
            use core::sync::atomic::AtomicBool;

            use super::{$event, $state};

            const ROWS: usize = $state::ALL.len() * $event::ALL.len();
            static HAS_RUN: [AtomicBool; ROWS] = [const { AtomicBool::new(false) }; ROWS];

            pub(super) fn row(state: $state, event: $event) -> &'static AtomicBool {
                &HAS_RUN[state as usize * $event::ALL.len() + event as usize]
            }
        }
    };
    (@to $self:ident $state:ident same) => { $self };
    (@to $self:ident $state:ident $to:ident) => { $state::$to };
}

transitions! {
    sender,
    states SenderState {
        /// The identifier is not in use.
        Free,
        /// QoS 1: a message has the identifier, and its PUBLISH was never written.
        Unsent1,
        /// QoS 2: a message has the identifier, and its PUBLISH was never written.
        Unsent2,
        /// QoS 1: a PUBLISH was written. A new Network Connection writes it again.
        WaitPubAck,
        /// QoS 2: a PUBLISH was written. A new Network Connection writes it again.
        WaitPubRec,
        /// QoS 2: a PUBREL was written, or will be written. The message is forgotten.
        WaitPubComp,
        /// QoS 2: the message was given up after its PUBLISH was written. The peer may have it, and
        /// would take another one with the identifier for it, so the identifier is not used again
        /// before the Session ends.
        Lost,
        /// A SUBSCRIBE has the identifier.
        WaitSubAck,
        /// An UNSUBSCRIBE has the identifier.
        WaitUnsubAck,
    }
    actions SenderAction {
        /// Nothing.
        Nothing,
        /// Write the PUBLISH with DUP 0, as soon as the send quota allows.
        Publish,
        /// Write the PUBLISH again with DUP 1, as soon as the send quota allows.
        PublishAgain,
        /// Forget the message, write PUBREL.
        Release,
        /// Write PUBREL again.
        ReleaseAgain,
        /// Write PUBREL with 0x92: there is nothing to release.
        ReleaseUnknown,
        /// Write the SUBSCRIBE or UNSUBSCRIBE.
        Ask,
        /// The exchange is over, as the Reason Code says; the identifier is free, and the send
        /// quota is given back.
        Finish,
        /// Forget the message: it was never written.
        TakeBack,
        /// Forget the message, or the request: its outcome is unknown.
        Lose,
        /// The message stays: it was written.
        TooLate,
        /// Report an acknowledgement with an unknown identifier.
        Report,
        /// An acknowledgement of the wrong kind: a Protocol Error.
        WrongKind,
        /// Cannot happen.
        Never,
    }
    events SenderEvent {
        /// A message with QoS 1 gets the identifier. It was not in use \[MQTT-2.2.1-3\].
        PublishQos1 {
            Free => Unsent1, Publish;
            Unsent1 | Unsent2 | WaitPubAck | WaitPubRec | WaitPubComp | Lost | WaitSubAck | WaitUnsubAck => same, Never;
        }
        /// A message with QoS 2 gets the identifier. It was not in use.
        PublishQos2 {
            Free => Unsent2, Publish;
            Unsent1 | Unsent2 | WaitPubAck | WaitPubRec | WaitPubComp | Lost | WaitSubAck | WaitUnsubAck => same, Never;
        }
        /// The PUBLISH was written.
        Written {
            Unsent1 => WaitPubAck, Nothing;
            Unsent2 => WaitPubRec, Nothing;
            WaitPubAck | WaitPubRec => same, Nothing;
            Free | WaitPubComp | Lost | WaitSubAck | WaitUnsubAck => same, Never;
        }
        /// PUBACK with any Reason Code. The peer cannot acknowledge a message that was never
        /// written.
        PubAck {
            WaitPubAck => Free, Finish;
            WaitPubRec | WaitPubComp | WaitSubAck | WaitUnsubAck => same, WrongKind;
            Free | Unsent1 | Unsent2 | Lost => same, Report;
        }
        /// PUBREC with a Reason Code below 0x80.
        PubRec {
            WaitPubRec => WaitPubComp, Release;
            WaitPubComp => same, ReleaseAgain;
            WaitPubAck | WaitSubAck | WaitUnsubAck => same, WrongKind;
            Free | Unsent1 | Unsent2 | Lost => same, ReleaseUnknown;
        }
        /// PUBREC with a Reason Code of 0x80 or above.
        PubRecError {
            WaitPubRec | WaitPubComp => Free, Finish;
            WaitPubAck | WaitSubAck | WaitUnsubAck => same, WrongKind;
            Free | Unsent1 | Unsent2 | Lost => same, Report;
        }
        /// PUBCOMP with any Reason Code.
        PubComp {
            WaitPubComp => Free, Finish;
            WaitPubAck | WaitPubRec | WaitSubAck | WaitUnsubAck => same, WrongKind;
            Free | Unsent1 | Unsent2 | Lost => same, Report;
        }
        /// The peer's limits do not let the PUBLISH be written, or be written again.
        Forbidden {
            Unsent1 | Unsent2 => Free, TakeBack;
            WaitPubAck => Free, Lose;
            WaitPubRec => Lost, Lose;
            Free | WaitPubComp | Lost | WaitSubAck | WaitUnsubAck => same, Never;
        }
        /// The message has expired, its deadline has passed, or the application withdraws it; or
        /// the request turned out not to be allowed.
        Withdrawn {
            Unsent1 | Unsent2 | WaitSubAck | WaitUnsubAck => Free, TakeBack;
            WaitPubAck | WaitPubRec | WaitPubComp => same, TooLate;
            Free | Lost => same, Never;
        }
        /// A SUBSCRIBE gets the identifier.
        Subscribe {
            Free => WaitSubAck, Ask;
            Unsent1 | Unsent2 | WaitPubAck | WaitPubRec | WaitPubComp | Lost | WaitSubAck | WaitUnsubAck => same, Never;
        }
        /// An UNSUBSCRIBE gets the identifier.
        Unsubscribe {
            Free => WaitUnsubAck, Ask;
            Unsent1 | Unsent2 | WaitPubAck | WaitPubRec | WaitPubComp | Lost | WaitSubAck | WaitUnsubAck => same, Never;
        }
        /// SUBACK.
        SubAck {
            WaitSubAck => Free, Finish;
            WaitPubAck | WaitPubRec | WaitPubComp | WaitUnsubAck => same, WrongKind;
            Free | Unsent1 | Unsent2 | Lost => same, Report;
        }
        /// UNSUBACK.
        UnsubAck {
            WaitUnsubAck => Free, Finish;
            WaitPubAck | WaitPubRec | WaitPubComp | WaitSubAck => same, WrongKind;
            Free | Unsent1 | Unsent2 | Lost => same, Report;
        }
        /// The Network Connection is gone. Requests are not Session State; unacknowledged messages
        /// stay so \[MQTT-4.3.2-3\] \[MQTT3-4.3.2-1\] \[MQTT-4.3.3-3\] \[MQTT-4.3.3-5\].
        ConnectionEnded {
            WaitSubAck | WaitUnsubAck => Free, Lose;
            Free | Unsent1 | Unsent2 | WaitPubAck | WaitPubRec | WaitPubComp | Lost => same, Nothing;
        }
        /// A new Network Connection goes on with the Session.
        Resume {
            Unsent1 | Unsent2 => same, Publish;
            WaitPubAck | WaitPubRec => same, PublishAgain;
            WaitPubComp => same, ReleaseAgain;
            Free | Lost => same, Nothing;
            WaitSubAck | WaitUnsubAck => same, Never;
        }
        /// The Session is discarded. Identifiers that are lost are free again all at once.
        Discard {
            Unsent1 | Unsent2 => Free, TakeBack;
            WaitPubAck | WaitPubRec | WaitPubComp | WaitSubAck | WaitUnsubAck => Free, Lose;
            Free | Lost => Free, Nothing;
        }
        /// After a restart: the exchange was stored as over.
        Finished {
            WaitPubAck | WaitPubRec | WaitPubComp => Free, Finish;
            Free | Unsent1 | Unsent2 | Lost | WaitSubAck | WaitUnsubAck => same, Never;
        }
    }
}

transitions! {
    receiver,
    states ReceiverState {
        /// The identifier means nothing: a PUBLISH with it is a new message.
        Free,
        /// QoS 1: delivered to the application. The decision is missing, or the PUBACK is not due
        /// yet. Only with manual acknowledgement, and only until the Network Connection ends.
        Deciding1,
        /// QoS 2: delivered to the application. The decision is missing, or the PUBREC is not due
        /// yet. Only with manual acknowledgement.
        Deciding2,
        /// QoS 2: accepted. The identifier marks repetitions of the message.
        WaitPubRel,
        /// QoS 2: as `WaitPubRel`, but the PUBLISH came again, and the PUBREC for it waits for
        /// those of earlier messages \[MQTT-4.6.0-3\]. In a Server it waits for nothing.
        Repeating,
        /// A SUBSCRIBE or UNSUBSCRIBE with the identifier waits for its answer.
        Asked,
    }
    actions ReceiverAction {
        /// Nothing.
        Nothing,
        /// Hand the message, or the request, to the application.
        Deliver,
        /// Send PUBACK as the application decided.
        PubAck,
        /// Send PUBREC as the application decided.
        PubRec,
        /// Send PUBREC again; do not deliver again.
        PubRecAgain,
        /// Send PUBREC again in its turn; do not deliver again.
        Repeat,
        /// Send the acknowledgement when it is due, as without this packet; do not deliver again.
        Await,
        /// Answer with 0x91: the identifier is in use by another exchange.
        InUse,
        /// Send PUBCOMP.
        PubComp,
        /// Send PUBCOMP with 0x92: the identifier is unknown.
        PubCompUnknown,
        /// PUBREL for what was not yet acknowledged by a PUBREC: a Protocol Error.
        TooEarly,
        /// Cannot happen.
        Never,
    }
    events ReceiverEvent {
        /// PUBLISH with QoS 1.
        PublishQos1 {
            Free => Deciding1, Deliver;
            Deciding1 => same, Await;
            Deciding2 | WaitPubRel | Repeating | Asked => same, InUse;
        }
        /// PUBLISH with QoS 2.
        PublishQos2 {
            Free => Deciding2, Deliver;
            Deciding2 | Repeating => same, Await;
            WaitPubRel => Repeating, Repeat;
            Deciding1 | Asked => same, InUse;
        }
        /// The application takes the message, and it is the turn of its acknowledgement; with
        /// automatic acknowledgement at once.
        Accept {
            Deciding1 => Free, PubAck;
            Deciding2 => WaitPubRel, PubRec;
            Free | WaitPubRel | Repeating | Asked => same, Never;
        }
        /// The application refuses the message, and it is the turn of its acknowledgement.
        Refuse {
            Deciding1 => Free, PubAck;
            Deciding2 => Free, PubRec;
            Free | WaitPubRel | Repeating | Asked => same, Never;
        }
        /// Every PUBREC of an earlier message was sent, or this side is a Server.
        InTurn {
            Repeating => WaitPubRel, PubRecAgain;
            Free | Deciding1 | Deciding2 | WaitPubRel | Asked => same, Nothing;
        }
        /// PUBREL with any Reason Code.
        PubRel {
            WaitPubRel | Repeating => Free, PubComp;
            Deciding2 => same, TooEarly;
            Free | Deciding1 | Asked => same, PubCompUnknown;
        }
        /// PUBREL at a Server that undoes `TooEarly`: the PUBLISH came on an earlier Network Connection. The
        /// Client has lost its Session since, and releases what the Server may hold. Its message
        /// was handed to the application, whose decision does not matter any more.
        PubRelLater {
            Deciding2 => Free, PubComp;
            Free | Deciding1 | WaitPubRel | Repeating | Asked => same, Never;
        }
        /// SUBSCRIBE or UNSUBSCRIBE.
        Request {
            Free => Asked, Deliver;
            Deciding1 | Deciding2 | WaitPubRel | Asked => same, InUse;
            // A Client receives no requests.
            Repeating => same, Never;
        }
        /// SUBACK or UNSUBACK is sent.
        Answer {
            Asked => Free, Nothing;
            Free | Deciding1 | Deciding2 | WaitPubRel | Repeating => same, Never;
        }
        /// The Network Connection is gone. A message with QoS 1 comes again as a new one; requests
        /// are over; the peer sends unacknowledged packets again.
        ConnectionEnded {
            Deciding1 | Asked => Free, Nothing;
            Repeating => WaitPubRel, Nothing;
            Free | Deciding2 | WaitPubRel => same, Nothing;
        }
        /// The Session is discarded, after its Network Connection ended.
        Discard {
            Free | Deciding2 | WaitPubRel => Free, Nothing;
            Deciding1 | Repeating | Asked => same, Never;
        }
    }
}
