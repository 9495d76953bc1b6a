//! Two sender halves are equal if they behave alike, whichever slots their messages are in.

use core::hash::{Hash, Hasher};

use mqtt5_codec::PacketIdentifier;

use super::Sender;
use super::slots::Slot;

impl Sender {
    /// Everything that is in use, in its order. What is counted follows from it.
    fn content(&self) -> impl Iterator<Item = impl Eq + Hash> {
        [&self.publishing, &self.releasing, &self.requests]
            .into_iter()
            .flat_map(|list| self.slots.listed(list))
            .map(|slot| (slot.packet_identifier(), slot.state, &slot.used_for))
    }

    /// The identifiers of what is sent next on this Network Connection. All before it was sent.
    fn unsent(&self) -> [Option<PacketIdentifier>; 3] {
        [self.publish_next, self.release_next, self.request_next].map(|position| {
            let slot = self.slots.get(position);
            slot.and_then(Slot::packet_identifier)
        })
    }
}

impl PartialEq for Sender {
    fn eq(&self, other: &Self) -> bool {
        let (known, free) = self.slots.supply();
        let (other_known, other_free) = other.slots.supply();
        known == other_known
            && self.unsent() == other.unsent()
            && free.eq(other_free)
            && self.content().eq(other.content())
            && (self.slots.usable, self.asked) == (other.slots.usable, other.asked)
    }
}

impl Eq for Sender {}

impl Hash for Sender {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let (known, free) = self.slots.supply();
        (known, self.unsent()).hash(hasher);
        free.for_each(|identifier| identifier.hash(hasher));
        self.content().for_each(|content| content.hash(hasher));
        (self.slots.usable, self.asked).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::hash::{DefaultHasher, Hash, Hasher};

    use mqtt5_codec::{Message, PacketIdentifier, Publish, Qos, TopicName};

    use super::Sender;
    use crate::exchange::Request;
    use crate::exchange::table::SenderEvent;
    use crate::session::{Blank, Publication, QueuedMessage, Untold};
    use crate::{Instant, Token};

    fn publish(sender: &mut Sender, payload: &[u8]) -> PacketIdentifier {
        send(sender, Qos::AtLeastOnce, payload)
    }

    fn send(sender: &mut Sender, qos: Qos, payload: &[u8]) -> PacketIdentifier {
        let publish = Publish::new(TopicName::new("a").expect("a name"), payload);
        let message = Message::new(&publish).expect("a message");
        let publication = Publication::new(qos, message);
        let queued = QueuedMessage::new(Token::NONE, publication);
        let identifier = sender.publish(queued).expect("a free identifier");
        sender.publish_sent();
        identifier
    }

    fn acknowledge(sender: &mut Sender, identifier: PacketIdentifier) {
        let (_, token) =
            sender.acknowledge(identifier, SenderEvent::PubAck, &mut Untold::default());
        assert!(token.is_some());
    }

    fn hash(sender: &Sender) -> u64 {
        let mut hasher = DefaultHasher::new();
        sender.hash(&mut hasher);
        hasher.finish()
    }

    /// The explorer knows states by their hashes.
    fn assert_differ(one: &Sender, other: &Sender) {
        assert_ne!(one, other);
        assert_ne!(hash(one), hash(other));
    }

    /// Two messages at a time, or one after the other, and then one more.
    fn senders(last: [&[u8]; 2]) -> [Sender; 2] {
        let mut together = Sender::BLANK;
        let first = publish(&mut together, b"1");
        let second = publish(&mut together, b"2");
        acknowledge(&mut together, first);
        acknowledge(&mut together, second);
        let mut apart = Sender::BLANK;
        for payload in [b"1", b"2"] {
            let identifier = publish(&mut apart, payload);
            acknowledge(&mut apart, identifier);
        }
        let last_identifiers = [
            publish(&mut together, last[0]),
            publish(&mut apart, last[1]),
        ];
        let [a, b] = last_identifiers;
        assert_eq!(a, b);
        assert_ne!(together.slots.find(a), apart.slots.find(b), "other slots");
        [together, apart]
    }

    #[test]
    fn slots_do_not_matter_but_what_is_in_them() {
        let [together, apart] = senders([b"x", b"x"]);
        assert_eq!(together, apart);
        assert_eq!(hash(&together), hash(&apart));
        let [together, other] = senders([b"x", b"y"]);
        assert_differ(&together, &other);
        let mut acknowledged = apart.clone();
        acknowledge(&mut acknowledged, PacketIdentifier::new(3).expect("not 0"));
        assert_differ(&apart, &acknowledged);
        // The order in which identifiers were freed decides which is used next.
        let freed = |order: [u16; 2]| {
            let mut sender = Sender::BLANK;
            publish(&mut sender, b"1");
            publish(&mut sender, b"2");
            for identifier in order {
                acknowledge(
                    &mut sender,
                    PacketIdentifier::new(identifier).expect("not 0"),
                );
            }
            sender
        };
        assert_differ(&freed([1, 2]), &freed([2, 1]));
    }

    #[test]
    fn what_is_to_be_sent_again_differs_from_what_was_sent() {
        let mut sent = Sender::BLANK;
        publish(&mut sent, b"1");
        let mut resumed = sent.clone();
        resumed.resume();
        assert_differ(&sent, &resumed);
    }

    #[test]
    fn a_lost_identifier_differs_from_one_that_was_never_used() {
        let mut lost = Sender::BLANK;
        let identifier = send(&mut lost, Qos::ExactlyOnce, b"1");
        lost.lose(identifier, &mut Untold::default())
            .expect("it was sent");
        assert_differ(&lost, &Sender::BLANK);
    }

    #[test]
    fn a_request_that_is_given_up_has_no_deadline() {
        let given_up = |due| {
            let mut sender = Sender::BLANK;
            let request = Request::Subscribe { filters: 1 };
            sender.request(request, Token::NONE).expect("an identifier");
            sender.requests_written(1, Instant::from_millis(due));
            sender.time_out_request().expect("a request");
            sender
        };
        assert_eq!(given_up(10), given_up(20));
        assert_eq!(hash(&given_up(10)), hash(&given_up(20)));
    }
}
