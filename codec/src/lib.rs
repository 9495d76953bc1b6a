//! # mqtt5-codec
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "arbitrary")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod encode;
mod error;
#[cfg(feature = "arbitrary")]
#[cfg_attr(docsrs, doc(cfg(feature = "arbitrary")))]
pub mod generate;
mod packet;
mod packet_type;
mod property;
mod reason_code;
mod sequence;
#[cfg(feature = "serde")]
mod serde;
mod sink;
mod split;
mod splitter;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod strategies;
mod stream;
mod text;
mod topic;
mod violation;
mod wire;

pub use error::{DecodeError, EncodeError};
pub use packet::{
    Auth, AuthProperties, ConnAck, ConnAckProperties, Connect, ConnectProperties, Delivery,
    Disconnect, DisconnectProperties, Packet, PacketIdentifier, PubAck, PubAckProperties, PubComp,
    PubCompProperties, PubRec, PubRecProperties, PubRel, PubRelProperties, Publish,
    PublishProperties, Qos, ReasonCodes, RetainHandling, SubAck, SubAckProperties, Subscribe,
    SubscribeProperties, Subscription, SubscriptionOptions, Subscriptions, TopicFilters, UnsubAck,
    UnsubAckProperties, Unsubscribe, UnsubscribeProperties, Will, WillProperties,
};
pub use packet_type::{PacketType, Role};
pub use property::{
    Carries, MaximumQos, PayloadFormat, Properties, Property, PropertyIdentifier, Scope,
    SubscriptionIdentifier, UserProperty, scope,
};
pub use reason_code::ReasonCode;
pub use sequence::Iter;
pub use split::{FixedHeader, LARGEST_PACKET, RawPacket, Split, split};
pub use splitter::{Frame, Next, Splitter};
pub use stream::{PayloadChunk, Piece, PublishHead, StreamSplitter};
pub use text::{Binary, Text};
pub use topic::{SharedFilter, TopicFilter, TopicName};
pub use violation::{Class, Violation};

pub use bytes;
