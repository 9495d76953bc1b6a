//! The limits that each side of a Network Connection announces.

mod check;

use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use mqtt5_codec::framing::LARGEST_PACKET;
use mqtt5_codec::{ConnAckProperties, ConnectProperties, MaximumQos, Property, Qos};

pub use check::LimitExceeded;
pub(crate) use check::Needs;

/// What one side announced in its CONNECT or CONNACK. It binds the other side, for one Network
/// Connection.
///
/// The defaults are what the standard says of a side that announces nothing: [`Limits::NONE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Receive Maximum: how many PUBLISH packets with QoS 1 and 2 may be unanswered at a time;
    /// never 0 (sections 3.1.2.11.3, 3.2.2.3.3). Default: 65,535.
    pub receive_maximum: u16,
    /// Topic Alias Maximum: the largest Topic Alias; 0 forbids aliases (sections 3.1.2.11.5,
    /// 3.2.2.3.8). Default: 0.
    pub topic_alias_maximum: u16,
    /// Maximum Packet Size in bytes, fixed header included (sections 3.1.2.11.4, 3.2.2.3.6).
    /// Default: 268,435,460, which is [`LARGEST_PACKET`] and means that there is no limit.
    pub maximum_packet_size: u32,
    /// Maximum QoS, of a Server (section 3.2.2.3.4). Default: [`Qos::ExactlyOnce`].
    pub maximum_qos: Qos,
    /// Retain Available, of a Server (section 3.2.2.3.5). Default: `true`.
    pub retain_available: bool,
    /// Wildcard Subscription Available, of a Server (section 3.2.2.3.11). Default: `true`.
    pub wildcard_subscription_available: bool,
    /// Subscription Identifier Available, of a Server (section 3.2.2.3.12). Default: `true`.
    pub subscription_identifier_available: bool,
    /// Shared Subscription Available, of a Server (section 3.2.2.3.13). Default: `true`.
    pub shared_subscription_available: bool,
    /// Request Problem Information, of a Client: whether acknowledgements may have Reason String
    /// and User Properties (section 3.1.2.11.7). Default: `true`.
    pub problem_information: bool,
}

impl Limits {
    /// The limits of a side that announces nothing.
    pub const NONE: Limits = Limits {
        receive_maximum: u16::MAX,
        topic_alias_maximum: 0,
        maximum_packet_size: LARGEST_PACKET,
        maximum_qos: Qos::ExactlyOnce,
        retain_available: true,
        wildcard_subscription_available: true,
        subscription_identifier_available: true,
        shared_subscription_available: true,
        problem_information: true,
    };

    /// Returns the lower one of each limit: what both allow.
    ///
    /// ```
    /// use mqtt5_session_fsm::Limits;
    ///
    /// let server = Limits { receive_maximum: 100, retain_available: false, ..Limits::NONE };
    /// let plan = Limits { receive_maximum: 500, topic_alias_maximum: 8, ..Limits::NONE };
    /// let both = server.lowered_to(&plan);
    /// assert_eq!((both.receive_maximum, both.topic_alias_maximum), (100, 0));
    /// assert!(!both.retain_available);
    /// ```
    #[must_use]
    pub fn lowered_to(&self, other: &Limits) -> Limits {
        Limits {
            // These cannot be 0.
            receive_maximum: self.receive_maximum.min(other.receive_maximum).max(1),
            maximum_packet_size: (self.maximum_packet_size)
                .min(other.maximum_packet_size)
                .max(1),
            topic_alias_maximum: self.topic_alias_maximum.min(other.topic_alias_maximum),
            maximum_qos: self.maximum_qos.min(other.maximum_qos),
            retain_available: self.retain_available && other.retain_available,
            wildcard_subscription_available: self.wildcard_subscription_available
                && other.wildcard_subscription_available,
            subscription_identifier_available: self.subscription_identifier_available
                && other.subscription_identifier_available,
            shared_subscription_available: self.shared_subscription_available
                && other.shared_subscription_available,
            problem_information: self.problem_information && other.problem_information,
        }
    }

    /// Returns the limits that a Client announces by these properties.
    #[must_use]
    pub fn of_client(properties: &ConnectProperties<'_>) -> Self {
        Limits {
            receive_maximum: properties.receive_maximum().map_or(u16::MAX, |n| n.get()),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            maximum_packet_size: properties
                .maximum_packet_size()
                .map_or(LARGEST_PACKET, |n| n.get().min(LARGEST_PACKET)),
            problem_information: properties.request_problem_information().unwrap_or(true),
            ..Limits::NONE
        }
    }

    /// Appends the properties by which a Server announces them: those that are not at their
    /// defaults.
    pub(crate) fn announce(&self, list: &mut Vec<Property<'_>>) {
        if self.receive_maximum != u16::MAX {
            list.extend(NonZeroU16::new(self.receive_maximum).map(Property::ReceiveMaximum));
        }
        match fault!("MQTT-3.2.2-9", self.maximum_qos, Qos::ExactlyOnce) {
            Qos::ExactlyOnce => {}
            Qos::AtLeastOnce => list.push(Property::MaximumQos(MaximumQos::AtLeastOnce)),
            Qos::AtMostOnce => list.push(Property::MaximumQos(MaximumQos::AtMostOnce)),
        }
        if self.maximum_packet_size < LARGEST_PACKET {
            list.extend(NonZeroU32::new(self.maximum_packet_size).map(Property::MaximumPacketSize));
        }
        if self.topic_alias_maximum > 0 {
            list.push(Property::TopicAliasMaximum(self.topic_alias_maximum));
        }
        let unavailable = [
            (self.retain_available, Property::RetainAvailable(false)),
            (
                self.wildcard_subscription_available,
                Property::WildcardSubscriptionAvailable(false),
            ),
            (
                self.subscription_identifier_available,
                Property::SubscriptionIdentifierAvailable(false),
            ),
            (
                self.shared_subscription_available,
                Property::SharedSubscriptionAvailable(false),
            ),
        ];
        let unavailable = unavailable.into_iter().filter(|(available, _)| !available);
        list.extend(unavailable.map(|(_, property)| property));
    }

    /// Returns the limits that a Server announces by these properties.
    #[must_use]
    pub fn of_server(properties: &ConnAckProperties<'_>) -> Self {
        Limits {
            receive_maximum: properties.receive_maximum().map_or(u16::MAX, |n| n.get()),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            maximum_packet_size: properties
                .maximum_packet_size()
                .map_or(LARGEST_PACKET, |n| n.get().min(LARGEST_PACKET)),
            maximum_qos: match properties.maximum_qos() {
                None => Qos::ExactlyOnce,
                Some(MaximumQos::AtLeastOnce) => Qos::AtLeastOnce,
                Some(MaximumQos::AtMostOnce) => Qos::AtMostOnce,
            },
            retain_available: properties.retain_available().unwrap_or(true),
            wildcard_subscription_available: properties
                .wildcard_subscription_available()
                .unwrap_or(true),
            subscription_identifier_available: properties
                .subscription_identifier_available()
                .unwrap_or(true),
            shared_subscription_available: properties
                .shared_subscription_available()
                .unwrap_or(true),
            problem_information: true,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits::NONE
    }
}
