//! Each limit is checked here, for both sides and both directions.

use core::fmt;

use mqtt5_codec::{
    Delivery, Message, PropertyIdentifier, ProtocolVersion, Qos, SubscribeProperties, Subscriptions,
};

use super::Limits;
use crate::SessionViolation;

/// A limit of the peer that a packet exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitExceeded {
    /// Maximum QoS (section 3.2.2.3.4).
    MaximumQos,
    /// Retain Available is 0 (section 3.2.2.3.5).
    RetainAvailable,
    /// Maximum Packet Size (sections 3.1.2.11.4, 3.2.2.3.6).
    MaximumPacketSize,
    /// Topic Alias Maximum (sections 3.1.2.11.5, 3.2.2.3.8).
    TopicAliasMaximum,
    /// Wildcard Subscription Available is 0 (section 3.2.2.3.11).
    WildcardSubscriptionAvailable,
    /// Subscription Identifier Available is 0 (section 3.2.2.3.12).
    SubscriptionIdentifierAvailable,
    /// Shared Subscription Available is 0 (section 3.2.2.3.13).
    SharedSubscriptionAvailable,
}

impl LimitExceeded {
    /// Returns the rule that a peer breaks by exceeding this side's limit; `None` for the two
    /// limits that are rules of the codec.
    #[inline]
    pub(crate) const fn violation(self) -> Option<SessionViolation> {
        Some(match self {
            LimitExceeded::MaximumQos => SessionViolation::QosNotSupported,
            LimitExceeded::RetainAvailable => SessionViolation::RetainNotSupported,
            LimitExceeded::WildcardSubscriptionAvailable => {
                SessionViolation::WildcardSubscriptionsNotSupported
            }
            LimitExceeded::SubscriptionIdentifierAvailable => {
                SessionViolation::SubscriptionIdentifiersNotSupported
            }
            LimitExceeded::SharedSubscriptionAvailable => {
                SessionViolation::SharedSubscriptionsNotSupported
            }
            LimitExceeded::MaximumPacketSize | LimitExceeded::TopicAliasMaximum => return None,
        })
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            LimitExceeded::MaximumQos => "above the Server's Maximum QoS",
            LimitExceeded::RetainAvailable => "the Server has no retained messages",
            LimitExceeded::MaximumPacketSize => "larger than the peer's Maximum Packet Size",
            LimitExceeded::TopicAliasMaximum => "above the peer's Topic Alias Maximum",
            LimitExceeded::WildcardSubscriptionAvailable => {
                "the Server has no wildcard subscriptions"
            }
            LimitExceeded::SubscriptionIdentifierAvailable => {
                "the Server has no Subscription Identifiers"
            }
            LimitExceeded::SharedSubscriptionAvailable => "the Server has no Shared Subscriptions",
        })
    }
}

impl core::error::Error for LimitExceeded {}

/// Optional features of a Server that a request needs. An UNSUBSCRIBE needs none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Needs {
    subscription_identifier: bool,
    shared_subscription: bool,
    wildcard_subscription: bool,
}

impl Needs {
    /// Returns what a SUBSCRIBE needs, and how many Topic Filters it has.
    pub(crate) fn of(
        properties: &SubscribeProperties<'_>,
        subscriptions: &Subscriptions<'_>,
    ) -> (Self, u32) {
        let mut needs = Needs {
            subscription_identifier: properties
                .contains(PropertyIdentifier::SubscriptionIdentifier),
            ..Needs::default()
        };
        let mut filters = 0;
        for subscription in subscriptions.iter() {
            filters += 1;
            needs.shared_subscription |= subscription.filter.is_shared();
            needs.wildcard_subscription |= subscription.filter.has_wildcard();
        }
        (needs, filters)
    }
}

impl Limits {
    /// Checks a message with this QoS and RETAIN.
    #[inline]
    pub(crate) fn check_message(&self, qos: Qos, retain: bool) -> Result<(), LimitExceeded> {
        if qos > self.maximum_qos {
            Err(LimitExceeded::MaximumQos)
        } else if retain && !self.retain_available {
            Err(LimitExceeded::RetainAvailable)
        } else {
            Ok(())
        }
    }

    /// Checks a SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) const fn check_request(&self, needs: Needs) -> Result<(), LimitExceeded> {
        if needs.subscription_identifier && !self.subscription_identifier_available {
            Err(LimitExceeded::SubscriptionIdentifierAvailable)
        } else if needs.shared_subscription && !self.shared_subscription_available {
            Err(LimitExceeded::SharedSubscriptionAvailable)
        } else if needs.wildcard_subscription && !self.wildcard_subscription_available {
            Err(LimitExceeded::WildcardSubscriptionAvailable)
        } else {
            Ok(())
        }
    }

    /// Checks a packet of this many bytes.
    #[inline]
    pub(crate) const fn check_size(&self, length: usize) -> Result<(), LimitExceeded> {
        if length > self.maximum_packet_size as usize {
            Err(LimitExceeded::MaximumPacketSize)
        } else {
            Ok(())
        }
    }

    /// As [`Limits::check_size`], for a message that is sent with the bytes that are stored.
    #[inline]
    pub(crate) fn check_stored(
        &self,
        version: ProtocolVersion,
        message: &Message,
        delivery: Delivery,
    ) -> Result<(), LimitExceeded> {
        // The Packet Identifier and a longer Remaining Length add four bytes at most.
        if self.check_size(message.size() + 4).is_ok() || fault!("MQTT-3.1.2-24") {
            return Ok(());
        }
        self.check_size(message.encoded_len(version, delivery))
    }
}
