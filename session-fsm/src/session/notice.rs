//! Reports of `poll`, before they are events.

use alloc::boxed::Box;

use mqtt5_codec::{PacketIdentifier, PacketType};

use crate::event::{Event, WillMessage};
use crate::{LimitExceeded, Outcome, Token};

/// Something to report that needs no packet.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Notice {
    Outcome(Token, Ending),
    Overdue(Token),
    UnknownIdentifier(PacketType, PacketIdentifier),
    Will(Box<WillMessage>),
    SessionEndsWithConnection,
    SessionEnded,
}

impl Notice {
    /// The token of what it is about.
    #[cfg(feature = "persistence")]
    pub(super) const fn token(&self) -> Option<Token> {
        match self {
            Notice::Outcome(token, _) | Notice::Overdue(token) => Some(*token),
            _ => None,
        }
    }
}

/// An [`Outcome`] that comes without a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    Sent,
    Expired,
    TimedOut,
    Withdrawn,
    Dropped,
    Forbidden(LimitExceeded),
    NotSent,
    Indeterminate,
}

impl From<Ending> for Outcome<'static> {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Sent => Outcome::Sent,
            Ending::Expired => Outcome::Expired,
            Ending::TimedOut => Outcome::TimedOut,
            Ending::Withdrawn => Outcome::Withdrawn,
            Ending::Dropped => Outcome::Dropped,
            Ending::Forbidden(limit) => Outcome::Forbidden(limit),
            Ending::NotSent => Outcome::NotSent,
            Ending::Indeterminate => Outcome::Indeterminate,
        }
    }
}

impl From<Notice> for Event<'static> {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Outcome(token, ending) => Event::Outcome(token, ending.into()),
            Notice::Overdue(token) => Event::Overdue(token),
            Notice::UnknownIdentifier(packet_type, packet_identifier) => Event::UnknownIdentifier {
                packet_type,
                packet_identifier,
            },
            Notice::Will(will) => Event::Will(*will),
            Notice::SessionEndsWithConnection => Event::SessionEndsWithConnection,
            Notice::SessionEnded => Event::SessionEnded,
        }
    }
}
