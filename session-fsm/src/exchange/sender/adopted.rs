//! A Client's Session that the Server had before this side knew of it.
//!
//! The Server may hold Packet Identifiers of messages with QoS 2 from a part of the Session that is lost here. It would
//! take another message with such an identifier for a repetition, and throw it away. So before an identifier is used for
//! the first time, this side sends a PUBREL with it, and waits for the PUBCOMP, with which the Server forgets what it
//! held (section 4.3.3). The Packet Identifiers of requests are the same ones, so requests wait, too. This is done for several identifiers at once, in their order, and only if none is left.

use core::ops::RangeInclusive;

use mqtt5_codec::PacketIdentifier;

use super::Sender;

/// How many identifiers the first PUBRELs are for. Each further time the number of all doubles.
const FIRST: u16 = 16;

/// So many PUBRELs are written one after the other at most.
const MOST: u16 = 1024;

/// The identifiers for which a PUBREL was sent on this Network Connection: those that follow the usable ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// How many.
    count: u16,
    /// For how many of them the PUBCOMP is missing.
    unanswered: u16,
}

impl Asked {
    pub(super) const NONE: Asked = Asked {
        count: 0,
        unanswered: 0,
    };
}

impl Sender {
    /// Begins a Session of which the Server knows more than this side. No identifier is in use.
    pub(crate) const fn adopt(&mut self) {
        self.set_usable(0);
    }

    /// As [`Sender::adopt`], with the identifiers up to this one released by the Server.
    pub(crate) const fn set_usable(&mut self, identifiers: u16) {
        self.slots.usable = identifiers;
    }

    /// How many identifiers may be used, from 1 on.
    pub(crate) const fn usable(&self) -> u16 {
        self.slots.usable
    }

    /// Whether there are identifiers that the Server may hold.
    #[inline]
    pub(crate) const fn is_adopted(&self) -> bool {
        self.slots.usable != u16::MAX
    }

    /// Whether the Server must be asked to release identifiers before another message or request can be sent.
    #[inline]
    pub(crate) fn wants_release(&self) -> bool {
        self.is_adopted() && self.asked.count == 0 && !self.has_identifier()
    }

    /// The identifiers to release next. A PUBREL with each must follow.
    pub(crate) fn ask_release(&mut self) -> RangeInclusive<u16> {
        let usable = self.slots.usable;
        let count = usable.clamp(FIRST, MOST).min(u16::MAX - usable);
        self.asked = Asked {
            count,
            unanswered: count,
        };
        usable.saturating_add(1)..=usable + count
    }

    /// A PUBCOMP came for an identifier that is not in use. Returns `None` if it was not asked for, and otherwise
    /// whether identifiers can be used now that could not before.
    pub(crate) fn take_release(&mut self, packet_identifier: PacketIdentifier) -> Option<bool> {
        let Asked { count, unanswered } = self.asked;
        let usable = self.slots.usable;
        let position = packet_identifier.get().checked_sub(usable)?;
        if !(1..=count).contains(&position) {
            return None;
        }
        // All at once: they may be answered in any order.
        self.asked.unanswered = unanswered - 1;
        let are_all = self.asked.unanswered == 0;
        if are_all {
            self.asked = Asked::NONE;
            self.slots.usable = usable + count;
        }
        Some(are_all)
    }
}

#[cfg(test)]
mod tests {
    use mqtt5_codec::PacketIdentifier;

    use super::Sender;
    use crate::session::Blank;

    #[test]
    fn identifiers_are_released_in_their_order_until_there_are_no_more() {
        let mut sender = Sender::BLANK;
        sender.adopt();
        let mut last = 0;
        while sender.is_adopted() {
            let asked = sender.ask_release();
            assert_eq!(*asked.start(), last + 1);
            last = *asked.end();
            for identifier in asked.rev() {
                let identifier = PacketIdentifier::new(identifier).expect("not 0");
                let is_last = identifier.get() == sender.usable() + 1;
                assert_eq!(sender.take_release(identifier), Some(is_last));
            }
        }
        assert_eq!(last, u16::MAX);
        let identifier = PacketIdentifier::new(last).expect("not 0");
        assert_eq!(sender.take_release(identifier), None);
    }
}
