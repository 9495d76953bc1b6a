//! The transition tables of both halves (section 4.3, 4.4): what the machines run, and what there is
//! to draw and to read.
//!
//! A row is for one Packet Identifier. Every state has a row for every event; a missing one does not
//! compile.

macro_rules! transitions {
    (
        $(#[$doc:meta])* $half:ident,
        states $state:ident { $($(#[$state_doc:meta])* $state_name:ident,)* }
        events $event:ident { $($(#[$event_doc:meta])* $event_name:ident,)* }
        actions $action:ident { $($(#[$action_doc:meta])* $action_name:ident,)* }
        rows { $($from:ident + $on:ident => $to:ident, $do:ident;)* }
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

            /// The state afterwards, and what is to be done.
            #[must_use]
            #[inline]
            pub const fn on(self, event: $event) -> ($state, $action) {
                match (self, event) {
                    $(($state::$from, $event::$on) => ($state::$to, $action::$do),)*
                }
            }
        }

        impl $event {
            /// Every event.
            pub const ALL: &'static [$event] = &[$($event::$event_name),*];
        }
    };
}

transitions! {
    sender,
    states SenderState {
        /// The identifier is not in use by a message.
        Free,
        /// QoS 1: a PUBLISH was sent, or is to be sent.
        WaitPubAck,
        /// QoS 2: a PUBLISH was sent, or is to be sent.
        WaitPubRec,
        /// QoS 2: a PUBREL was sent, or is to be sent; the message is forgotten.
        WaitPubComp,
    }
    events SenderEvent {
        /// A message with QoS 1 gets the identifier.
        PublishQos1,
        /// A message with QoS 2 gets the identifier.
        PublishQos2,
        /// PUBACK with any Reason Code.
        PubAck,
        /// PUBREC with a Reason Code below 0x80.
        PubRec,
        /// PUBREC with a Reason Code of 0x80 or above.
        PubRecError,
        /// PUBCOMP with any Reason Code.
        PubComp,
        /// A new Network Connection goes on with the Session.
        Resume,
        /// The Session is discarded.
        Discard,
    }
    actions SenderAction {
        /// Nothing.
        Nothing,
        /// Send the PUBLISH with DUP 0, as soon as the send quota allows.
        Publish,
        /// Send the PUBLISH again with DUP 1, as soon as the send quota allows.
        PublishAgain,
        /// Forget the message, send PUBREL.
        Release,
        /// Send PUBREL again.
        ReleaseAgain,
        /// Send PUBREL with 0x92: there is nothing to release.
        ReleaseUnknown,
        /// The exchange is over, as the Reason Code says; the identifier is free, and the send quota
        /// is given back.
        Finish,
        /// Report an acknowledgement of something unknown.
        Report,
        /// It is unknown what became of the message.
        Lose,
        /// An acknowledgement of the wrong kind: a Protocol Error.
        WrongKind,
        /// Cannot happen: an identifier in use is not given away.
        Never,
    }
    rows {
        Free + PublishQos1 => WaitPubAck, Publish;
        Free + PublishQos2 => WaitPubRec, Publish;
        Free + PubAck => Free, Report;
        Free + PubRec => Free, ReleaseUnknown;
        Free + PubRecError => Free, Report;
        Free + PubComp => Free, Report;
        Free + Resume => Free, Nothing;
        Free + Discard => Free, Nothing;

        WaitPubAck + PublishQos1 => WaitPubAck, Never;
        WaitPubAck + PublishQos2 => WaitPubAck, Never;
        WaitPubAck + PubAck => Free, Finish;
        WaitPubAck + PubRec => WaitPubAck, WrongKind;
        WaitPubAck + PubRecError => WaitPubAck, WrongKind;
        WaitPubAck + PubComp => WaitPubAck, WrongKind;
        WaitPubAck + Resume => WaitPubAck, PublishAgain;
        WaitPubAck + Discard => Free, Lose;

        WaitPubRec + PublishQos1 => WaitPubRec, Never;
        WaitPubRec + PublishQos2 => WaitPubRec, Never;
        WaitPubRec + PubAck => WaitPubRec, WrongKind;
        WaitPubRec + PubRec => WaitPubComp, Release;
        WaitPubRec + PubRecError => Free, Finish;
        WaitPubRec + PubComp => WaitPubRec, WrongKind;
        WaitPubRec + Resume => WaitPubRec, PublishAgain;
        WaitPubRec + Discard => Free, Lose;

        WaitPubComp + PublishQos1 => WaitPubComp, Never;
        WaitPubComp + PublishQos2 => WaitPubComp, Never;
        WaitPubComp + PubAck => WaitPubComp, WrongKind;
        WaitPubComp + PubRec => WaitPubComp, ReleaseAgain;
        WaitPubComp + PubRecError => Free, Finish;
        WaitPubComp + PubComp => Free, Finish;
        WaitPubComp + Resume => WaitPubComp, ReleaseAgain;
        WaitPubComp + Discard => Free, Lose;
    }
}

transitions! {
    receiver,
    states ReceiverState {
        /// The identifier means nothing: a PUBLISH with it is a new message.
        Free,
        /// QoS 1: handed to the application, which has not decided yet. Only with manual
        /// acknowledgement, and only until the Network Connection ends.
        Deciding1,
        /// QoS 2: handed to the application, which has not decided yet. Only with manual
        /// acknowledgement.
        Deciding2,
        /// QoS 2: accepted; the identifier is the memory of it.
        WaitPubRel,
    }
    events ReceiverEvent {
        /// PUBLISH with QoS 1.
        PublishQos1,
        /// PUBLISH with QoS 2.
        PublishQos2,
        /// The application takes the message; with automatic acknowledgement at once.
        Accept,
        /// The application refuses the message.
        Refuse,
        /// PUBREL with any Reason Code.
        PubRel,
        /// A new Network Connection goes on with the Session.
        Resume,
        /// The Session is discarded.
        Discard,
    }
    actions ReceiverAction {
        /// Nothing.
        Nothing,
        /// Hand the message to the application.
        Deliver,
        /// Send PUBACK as the application decided.
        PubAck,
        /// Send PUBREC as the application decided.
        PubRec,
        /// Send PUBREC again; do not deliver again.
        PubRecAgain,
        /// The PUBREC follows when the application has decided; do not deliver again.
        Await,
        /// Send PUBACK or PUBREC with 0x91: the identifier is in use by another exchange.
        InUse,
        /// Send PUBCOMP.
        PubComp,
        /// Send PUBCOMP with 0x92: the identifier is unknown.
        PubCompUnknown,
        /// PUBREL for what was not yet acknowledged by a PUBREC: a Protocol Error.
        TooEarly,
        /// The decision comes too late.
        Late,
    }
    rows {
        Free + PublishQos1 => Deciding1, Deliver;
        Free + PublishQos2 => Deciding2, Deliver;
        Free + Accept => Free, Late;
        Free + Refuse => Free, Late;
        Free + PubRel => Free, PubCompUnknown;
        Free + Resume => Free, Nothing;
        Free + Discard => Free, Nothing;

        Deciding1 + PublishQos1 => Deciding1, Await;
        Deciding1 + PublishQos2 => Deciding1, InUse;
        Deciding1 + Accept => Free, PubAck;
        Deciding1 + Refuse => Free, PubAck;
        Deciding1 + PubRel => Deciding1, PubCompUnknown;
        Deciding1 + Resume => Free, Nothing;
        Deciding1 + Discard => Free, Nothing;

        Deciding2 + PublishQos1 => Deciding2, InUse;
        Deciding2 + PublishQos2 => Deciding2, Await;
        Deciding2 + Accept => WaitPubRel, PubRec;
        Deciding2 + Refuse => Free, PubRec;
        Deciding2 + PubRel => Deciding2, TooEarly;
        Deciding2 + Resume => Deciding2, Nothing;
        Deciding2 + Discard => Free, Nothing;

        WaitPubRel + PublishQos1 => WaitPubRel, InUse;
        WaitPubRel + PublishQos2 => WaitPubRel, PubRecAgain;
        WaitPubRel + Accept => WaitPubRel, Late;
        WaitPubRel + Refuse => WaitPubRel, Late;
        WaitPubRel + PubRel => Free, PubComp;
        WaitPubRel + Resume => WaitPubRel, Nothing;
        WaitPubRel + Discard => Free, Nothing;
    }
}
