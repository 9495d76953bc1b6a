//! A PUBLISH that differs from the stored bytes: by a Topic Alias, the time that is left, or
//! Subscription Identifiers.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use mqtt5_codec::Wire;
use mqtt5_codec::{Delivery, EncodeError, Message, Property, PropertyIdentifier, Publish};

use super::send::Written;
use super::topic_alias::Alias;
use super::{Connection, TopicAliases};
use crate::Instant;
use crate::session::QueuedMessage;

impl Connection {
    /// Writes a message of which not all bytes are as they are stored.
    #[inline(never)]
    pub(super) fn write_changed<B: Wire + ?Sized>(
        &mut self,
        queued: &QueuedMessage,
        delivery: Delivery,
        now: Instant,
        wire: &mut B,
    ) -> Written {
        let publish = Publish {
            delivery,
            retain: queued.retain,
            ..queued.message.publish()
        };
        let expiry = (queued.expires_at != Instant::NEVER).then(|| {
            Property::MessageExpiryInterval(fault!(
                "MQTT-3.3.2-6",
                remaining(now, queued.expires_at),
                (publish.properties.message_expiry_interval()).unwrap_or(0)
            ))
        });
        let identifiers = queued
            .subscription_identifiers()
            .map(Property::SubscriptionIdentifier);
        let added = expiry.into_iter().chain(identifiers);
        self.write_with_alias(
            &publish,
            Some(&queued.message),
            expiry.is_some(),
            added,
            queued.topic_alias,
            wire,
        )
    }

    /// Writes a PUBLISH with these properties added, and with a Topic Alias, if it may have one and
    /// fits. A Message Expiry Interval of its own is left out if there is a new one among them. Its
    /// payload may be shared if it is that of a message.
    pub(super) fn write_with_alias<'p, B: Wire + ?Sized>(
        &mut self,
        publish: &Publish<'p>,
        message: Option<&Message>,
        new_expiry: bool,
        added: impl Iterator<Item = Property<'p>> + Clone,
        wanted: Option<NonZeroU16>,
        wire: &mut B,
    ) -> Written {
        let topic = publish.topic.map_or("", |topic| topic.as_str());
        let alias = self.alias_for(topic, wanted);
        for alias in [alias, None] {
            let alias_property = alias.map(|alias| Property::TopicAlias(alias.number));
            let list = PropertyList::of(added.clone().chain(alias_property));
            let properties = publish
                .properties
                .without(&[PropertyIdentifier::MessageExpiryInterval][..usize::from(new_expiry)])
                .and(list.as_slice());
            // A list of the caller takes the only place for one.
            let Ok(properties) = properties else {
                continue;
            };
            let packet = Publish {
                topic: publish
                    .topic
                    .filter(|_| !alias.is_some_and(|alias| alias.known)),
                properties,
                ..*publish
            };
            let Ok(length) = packet.encoded_len(self.version) else {
                continue;
            };
            if self.peer.check_size(length).is_err() {
                // Without the alias it may be smaller.
                continue;
            }
            let encoded = match message {
                Some(message) => message.encode_changed(self.version, &packet, wire),
                None => packet.encode(self.version, wire),
            };
            return match encoded {
                Ok(()) => {
                    trace_publish!(packet.delivery, packet.retain, Some(length));
                    if let Some(alias) = alias {
                        self.outbound.sent(alias, topic).count(
                            length,
                            packet.delivery,
                            topic.len(),
                            !alias.known,
                            packet.payload.len(),
                        );
                    }
                    Written::Yes
                }
                Err(EncodeError::NoRoom { needed }) => Written::NoRoom(needed),
                Err(_) => Written::TooLarge,
            };
        }
        Written::TooLarge
    }

    /// The Topic Alias to use: the one that the application wants, or one by the policy.
    fn alias_for(&self, topic: &str, wanted: Option<NonZeroU16>) -> Option<Alias> {
        // Absent or 0, there are no aliases [MQTT-3.2.2-18].
        let maximum = fault!(
            "MQTT-3.1.2-27",
            self.peer.topic_alias_maximum,
            self.peer.topic_alias_maximum.max(1)
        );
        match (wanted, self.topic_aliases) {
            // Both sides keep to what the other one announced [MQTT-3.2.2-17] [MQTT-3.3.2-9]
            // [MQTT-3.3.2-11].
            (Some(wanted), _) if wanted.get() <= maximum || fault!("MQTT-3.1.2-26") => self
                .outbound
                .wanted(topic, wanted, self.topic_alias_bytes as usize),
            (None, TopicAliases::Automatic(policy)) if maximum > 0 => {
                let maximum = fault!("MQTT-3.1.2-26", maximum.min(policy.get()), policy.get());
                self.outbound
                    .choose(topic, maximum, self.topic_alias_bytes as usize)
            }
            _ => None,
        }
    }
}

/// Properties that are added to those of a message: a few without memory of their own.
struct PropertyList<'p> {
    few: [Property<'p>; PropertyList::FEW],
    length: usize,
    many: Vec<Property<'p>>,
}

impl<'p> PropertyList<'p> {
    /// Message Expiry Interval, Topic Alias, and four Subscription Identifiers.
    const FEW: usize = 6;

    fn of(mut properties: impl Iterator<Item = Property<'p>>) -> Self {
        let mut list = PropertyList {
            few: [Property::MessageExpiryInterval(0); PropertyList::FEW],
            length: 0,
            many: Vec::new(),
        };
        for place in &mut list.few {
            let Some(property) = properties.next() else {
                return list;
            };
            *place = property;
            list.length += 1;
        }
        if let Some(next) = properties.next() {
            list.many = list
                .few
                .into_iter()
                .chain([next])
                .chain(properties)
                .collect();
        }
        list
    }

    fn as_slice(&self) -> &[Property<'p>] {
        if self.many.is_empty() {
            &self.few[..self.length]
        } else {
            &self.many
        }
    }
}

/// What is left of a Message Expiry Interval, in whole seconds: the time that the message waited is
/// taken off, parts of a second are not.
fn remaining(now: Instant, expires_at: Instant) -> u32 {
    let seconds = now.until(expires_at).as_millis().div_ceil(1000);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}
