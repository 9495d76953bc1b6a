//! Two sender halves are equal if they will do the same, whichever slots their messages are in.

use core::hash::{Hash, Hasher};
use core::num::NonZeroU16;

use mqtt5_codec::{Message, PacketIdentifier};

use super::Sender;
use crate::qos::slots::{Slot, Use};
use crate::{Instant, Token};

/// What there is to compare in a slot.
#[derive(PartialEq, Eq, Hash)]
struct Content<'s> {
    packet_identifier: Option<PacketIdentifier>,
    used_for: Use,
    token: Token,
    publish: Option<Publish<'s>>,
    /// Of a request.
    filters: Option<u32>,
    sent: bool,
}

/// The part that is forgotten when PUBREC comes.
#[derive(PartialEq, Eq, Hash)]
struct Publish<'s> {
    message: &'s Message,
    expires_at: Instant,
    topic_alias: Option<NonZeroU16>,
    sent_before: bool,
}

impl<'s> Content<'s> {
    fn of(slot: &'s Slot) -> Self {
        let is_message = matches!(slot.used_for, Use::Message(_));
        let publish = |message| Publish {
            message,
            expires_at: slot.expires_at,
            topic_alias: slot.topic_alias,
            sent_before: slot.sent_before,
        };
        Content {
            packet_identifier: slot.packet_identifier(),
            used_for: slot.used_for,
            token: slot.token,
            publish: slot.message.as_ref().map(publish),
            filters: (!is_message).then_some(slot.filters),
            sent: is_message && slot.sent,
        }
    }
}

impl Sender {
    /// Everything that is in use, in its order.
    fn content(&self) -> impl Iterator<Item = Content<'_>> {
        [&self.publishing, &self.releasing, &self.requests]
            .into_iter()
            .flat_map(|list| self.slots.listed(list))
            .map(Content::of)
    }

    /// What there is beside it.
    fn counts(&self) -> [u16; 6] {
        let identifier = |position| {
            let slot = self.slots.get(position);
            let packet_identifier = slot.and_then(Slot::packet_identifier);
            packet_identifier.map_or(0, PacketIdentifier::get)
        };
        [
            self.publishing.len(),
            self.releasing.len(),
            self.requests.len(),
            identifier(self.publish_next),
            identifier(self.release_next),
            self.outstanding,
        ]
    }
}

impl PartialEq for Sender {
    fn eq(&self, other: &Self) -> bool {
        let (known, free, lost) = self.slots.supply();
        let (other_known, other_free, other_lost) = other.slots.supply();
        self.counts() == other.counts()
            && (known, lost) == (other_known, other_lost)
            && free.eq(other_free)
            && self.content().eq(other.content())
    }
}

impl Eq for Sender {}

impl Hash for Sender {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.counts().hash(hasher);
        let (known, free, lost) = self.slots.supply();
        (known, lost).hash(hasher);
        free.for_each(|identifier| identifier.hash(hasher));
        self.content().for_each(|content| content.hash(hasher));
    }
}
