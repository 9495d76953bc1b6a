//! How a broker works.

use core::time::Duration;

use super::groups::GroupsConfig;
use super::retained::RetainedLimits;
use crate::ServerConfig;

/// How a [`Broker`](super::Broker) works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BrokerConfig {
    /// The connections and Sessions of its clients: what every CONNACK announces, time limits, and
    /// how many messages wait for a slow or absent client.
    /// [`SessionConfig::acknowledgement`](crate::SessionConfig::acknowledgement) is not used: the
    /// broker acknowledges. Default: [`ServerConfig::default`].
    pub server: ServerConfig,
    /// What one client may have. An answer to its CONNECT may say something else for it. Default:
    /// [`ClientLimits::default`].
    pub client: ClientLimits,
    /// What all clients may have together. Default: [`BrokerLimits::default`].
    pub limits: BrokerLimits,
    /// Retained messages. Default: [`RetainedLimits::default`].
    pub retained: RetainedLimits,
    /// Shared Subscriptions. Default: [`GroupsConfig::default`].
    pub groups: GroupsConfig,
    /// What a client gets whose subscriptions match a message several times. Default:
    /// [`Overlap::OneCopy`].
    pub overlap: Overlap,
    /// Whether messages with QoS 0 wait for clients that are away (section 4.1: optional). Default:
    /// `false`.
    pub keep_qos0: bool,
    /// To how many subscribers a message goes at once. A message for more is handed to one slice
    /// of them at a time, by [`Broker::work`](super::Broker::work). 0 counts as 1. Default: 1,000.
    pub fan_out_slice: u32,
    /// What the hashes of the subscription index begin with, random and secret: see
    /// [`SubscriptionIndex::new`](super::subscriptions::SubscriptionIndex::new). Default: 0.
    pub seed: u64,
    /// What happens when a message of a client is refused that speaks MQTT 3.1.1, and cannot be told so.
    /// Default: [`Refusal::Acknowledge`].
    pub refusal: Refusal,
    /// Whether clients that speak MQTT 3.1.1 may have Shared Subscriptions, by the same Topic Filters as
    /// those of MQTT 5 (section 4.8.2), whose rules hold for them. MQTT 3.1.1 itself knows none. Without,
    /// filters that begin with `$share/` are refused. Default: `true`.
    pub shared_subscriptions_in_3_1_1: bool,
    /// How long Wills wait after a restart before they are published, for the clients to connect
    /// again. Default: 0, the letter of the standard.
    pub restart_grace: Duration,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        BrokerConfig {
            server: ServerConfig::default(),
            client: ClientLimits::default(),
            limits: BrokerLimits::default(),
            retained: RetainedLimits::default(),
            groups: GroupsConfig::default(),
            overlap: Overlap::OneCopy,
            keep_qos0: false,
            fan_out_slice: 1_000,
            seed: 0,
            refusal: Refusal::Acknowledge,
            shared_subscriptions_in_3_1_1: true,
            restart_grace: Duration::ZERO,
        }
    }
}

/// What a broker does when it refuses a message of a client that speaks MQTT 3.1.1 (section 3.3.5 there:
/// acknowledge it, or close the connection). [`Statistics::refused`](super::Statistics::refused) counts
/// such messages in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// Acknowledges the message. Its sender takes it for accepted.
    #[default]
    Acknowledge,
    /// Closes the Network Connection. The sender learns that something is wrong, and sends the message again
    /// when it is back.
    Close,
}

/// What a client gets whose subscriptions match a message several times (section 3.3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Overlap {
    /// One copy with the highest QoS of the subscriptions, and the Subscription Identifiers of all
    /// of them.
    #[default]
    OneCopy,
    /// A copy for each subscription, with its QoS and its Subscription Identifier.
    OnePerSubscription,
}

/// What one client may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientLimits {
    /// Subscriptions. One more is refused with 0x97. Default: 100,000.
    pub subscriptions: u32,
    /// Nodes of the subscription index that its filters with wildcards take, as if no other client
    /// had filters. One more is refused with 0x97. Default: 16,000.
    pub index_nodes: u32,
    /// Bytes of its Topic Filters. One more is refused with 0x97. Default: 4 MiB.
    pub filter_bytes: u32,
    /// Levels in a Topic Filter with wildcards. A filter with more is refused with 0x8F. Default:
    /// 32.
    pub wildcard_levels: u16,
    /// `+` in a Topic Filter. A filter with more is refused with 0x97. Default: 4.
    pub single_level_wildcards: u16,
    /// Levels in a Topic Name, or in a Topic Filter without wildcards. A PUBLISH with more is
    /// refused with 0x90, a filter with 0x8F. Default: 128.
    pub topic_levels: u16,
}

impl ClientLimits {
    /// The fields, as they are stored.
    pub(super) fn to_numbers(self) -> [u32; 6] {
        [
            self.subscriptions,
            self.index_nodes,
            self.filter_bytes,
            self.wildcard_levels.into(),
            self.single_level_wildcards.into(),
            self.topic_levels.into(),
        ]
    }

    /// What was stored; `None` if it never was.
    pub(super) fn from_numbers(numbers: [u32; 6]) -> Option<Self> {
        let [
            subscriptions,
            index_nodes,
            filter_bytes,
            wildcard_levels,
            single_level_wildcards,
            topic_levels,
        ] = numbers;
        Some(ClientLimits {
            subscriptions,
            index_nodes,
            filter_bytes,
            wildcard_levels: wildcard_levels.try_into().ok()?,
            single_level_wildcards: single_level_wildcards.try_into().ok()?,
            topic_levels: topic_levels.try_into().ok()?,
        })
    }
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            subscriptions: 100_000,
            index_nodes: 16_000,
            filter_bytes: 4 << 20,
            wildcard_levels: 32,
            single_level_wildcards: 4,
            topic_levels: 128,
        }
    }
}

/// What all clients may have together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BrokerLimits {
    /// Network Connections. One more is refused by [`Broker::connected`](super::Broker::connected).
    /// Default: 1,000,000.
    pub connections: u32,
    /// Sessions. A CONNECT that would make one more is refused with 0x97. Default: 1,000,000.
    pub sessions: u32,
    /// Subscriptions. One more is refused with 0x97. Default: 10,000,000.
    pub subscriptions: u32,
    /// Bytes of messages that are on their way: each message counts once, however many clients it
    /// is for. Above it a PUBLISH is refused with 0x97, or dropped at QoS 0. Default: 1 GiB.
    pub message_bytes: u64,
    /// Notices that wait for [`Broker::poll`](super::Broker::poll). Above it nothing is received and
    /// nothing that is due is done, until they are taken. Default: 10,000.
    pub notices: u32,
    /// Bytes of records that wait for [`Broker::take_batch`](super::Broker::take_batch). Above it
    /// nothing is received and nothing that is due is done, until they are taken. Default: 16 MiB.
    pub batch_bytes: u32,
}

impl Default for BrokerLimits {
    fn default() -> Self {
        BrokerLimits {
            connections: 1_000_000,
            sessions: 1_000_000,
            subscriptions: 10_000_000,
            message_bytes: 1 << 30,
            notices: 10_000,
            batch_bytes: 16 << 20,
        }
    }
}
