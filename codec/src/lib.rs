//! A zero-copy, allocation-free, strict codec for every MQTT 5.0 Control Packet and property, and for MQTT 3.1.1.
//!
//! # Contract
//!
//! * **Decoding allocates nothing and copies nothing.** A [`Packet`] borrows from the bytes that it
//!   was decoded from. To keep a part of it, keep the [`Frame`](framing::Frame)'s [`Bytes`](bytes::Bytes):
//!   [`Frame::share`](framing::Frame::share). The time to decode a PUBLISH does not depend on the size of its payload.
//! * **Once a whole packet is there, the answer is a packet or an error**, never "need more".
//!   [`framing`] says how many bytes are missing. It looks only at the lengths in a packet, never reserves
//!   memory, and refuses a packet that is too large as soon as its fixed header is there.
//! * **Everything that the bytes can show is checked while decoding**; afterwards no accessor fails.
//!   [`Packet::decode`] judges what no side may send, [`Packet::decode_from`] also what this side
//!   may not send.
//! * **Encoding refuses whatever decoding refuses.** Building a packet uses the same types as reading
//!   one and allocates nothing. [`EncodeError`] reports what the types cannot rule out, before a byte
//!   is written. [`Packet::check_before_sending`] also checks what only one side may send. `encode` then `decode`
//!   gives an equal packet; `decode` then `encode` gives the same bytes, in the same order, if the
//!   sender used the shortest forms. Received properties can be changed on their way without being
//!   copied: [`Properties::without`], [`Properties::and`].
//! * **Bad input is an error, never a panic.** An error is at most sixteen bytes, `Copy`, and names
//!   the rule that was broken, the place, and the Reason Code to answer with.
//! * No `unsafe` code, no I/O, no clock, no global state.
//!
//! # Reading
//!
//! ```
//! use bytes::BytesMut;
//! use mqtt5_codec::{Packet, ProtocolVersion, Role};
//! use mqtt5_codec::framing::{LARGEST_PACKET, Splitter, SplitterOutput};
//!
//! let splitter = Splitter::new(LARGEST_PACKET);
//! let mut buffer = BytesMut::new();
//! buffer.extend_from_slice(b"\x32\x0B\x00\x03a/b\x00\x0A\x00hi\x21"); // from the network
//!
//! while let SplitterOutput::Ready(frame) = splitter.next(&mut buffer)? {
//!     match frame.decode_from(ProtocolVersion::V5_0, Role::Client)? {
//!         Packet::Publish(publish) => {
//!             assert_eq!(publish.topic.as_deref(), Some("a/b"));
//!             let kept: bytes::Bytes = frame.share(publish.payload); // shared, not copied
//!             assert_eq!(kept, "hi!");
//!         }
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok::<(), mqtt5_codec::DecodeError>(())
//! ```
//!
//! An error is final: send [`DecodeError::answer`], if there is one, and close the connection.
//!
//! # Writing
//!
//! ```
//! use mqtt5_codec::{Properties, Property, ProtocolVersion, Publish, TopicName, UserProperty};
//!
//! let properties = [
//!     Property::MessageExpiryInterval(3600),
//!     Property::UserProperty(UserProperty::new("unit", "°C")?),
//! ];
//! let publish = Publish {
//!     properties: Properties::new(&properties)?,
//!     ..Publish::new(TopicName::new("greenhouse/3/temperature")?, b"21.5")
//! };
//! let mut out = Vec::with_capacity(publish.encoded_len(ProtocolVersion::V5_0)?);
//! publish.encode(ProtocolVersion::V5_0, &mut out)?; // into any `Wire`, as every `BufMut` is
//!
//! let mut head = Vec::new();
//! let payload = publish.encode_head(ProtocolVersion::V5_0, &mut head)?; // or in two parts, for a vectored write
//! assert_eq!([&head, payload].concat(), out);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layers
//!
//! | to | use |
//! | --- | --- |
//! | find packets in what a network delivers | [`framing`] |
//! | decode one whole packet | [`Packet::decode`], [`Packet::decode_from`] |
//! | build and encode a packet | the structs of [`Packet`], [`Properties::new`], [`Packet::encode`] |
//! | keep a message and send it, perhaps many times | [`Message`] |
//! | keep a bounded number of messages and allocate nothing | [`MessagePool`] |
//! | write large messages without copying them | [`Segments`] |
//! | match topics | [`TopicName`], [`TopicFilter::matches`] |
//! | look up what the standard allows | [`ReasonCode::allowed_from`], [`PropertyIdentifier`], [`Violation`] |
//!
//! # MQTT 3.1.1
//!
//! Both versions have the same packets, those of MQTT 5. [`ProtocolVersion`] says by which rules bytes are
//! read and written. A CONNECT names its version itself ([`Connect::version`]), whatever the argument is:
//!
//! ```
//! use mqtt5_codec::{Connect, Packet, ProtocolVersion, PubAck, PacketIdentifier, ReasonCode};
//!
//! let mut version = ProtocolVersion::V5_0; // until the CONNECT has come
//! let received = b"\x10\x0D\x00\x04MQTT\x04\x02\x00\x3C\x00\x01c";
//! if let Packet::Connect(connect) = Packet::decode(version, received)? {
//!     version = connect.version;
//! }
//! assert_eq!(version, ProtocolVersion::V3_1_1);
//! // It has no Reason Codes in acknowledgements: one that says more than Success is an error.
//! let refusal = PubAck::new(PacketIdentifier::MIN, ReasonCode::QuotaExceeded);
//! assert!(refusal.encode(version, &mut Vec::new()).is_err());
//! # Ok::<(), mqtt5_codec::DecodeError>(())
//! ```
//!
//! What MQTT 3.1.1 lacks is empty in a packet that was decoded: properties, Reason Codes of acknowledgements,
//! the options of a subscription but its QoS, the Reason Codes of an UNSUBACK. In a packet that is to be
//! encoded it is an error, which names the rule. [`Connect::session_expiry_interval`] reads Clean Session as
//! a Session Expiry Interval. A [`Message`] is kept in the form of MQTT 5, and written without its properties
//! for MQTT 3.1.1. Errors name sections and statements of their version ([`DecodeError::version`]).
//!
//! # What is not checked
//!
//! Whether a payload is the UTF-8 that its Payload Format Indicator promises (sections 3.1.3.2.3,
//! 3.3.2.3.2) is left to [`Publish::payload_format_is_right`] and [`Will::payload_format_is_right`],
//! for decoding and for encoding: it takes time in the payload's length, and a Server forwards what
//! it gets.
//!
//! # Where the standard is silent or contradicts itself
//!
//! * An AUTH without any property is decoded and encoded; see [`Auth`].
//! * DISCONNECT with 0x8C is accepted from a Server, and with 0x9B from both sides; see
//!   [`ReasonCode::allowed_in`].
//! * Control characters and noncharacters in strings are accepted;
//!   [`Text::disallowed_code_point`] finds them.
//! * A CONNECT with another Protocol Name or Version is a Protocol Error with the Reason Code 0x84,
//!   whatever follows: it may well be a good packet of another version. It is answered in the form that its
//!   sender knows, or not at all if the name is unknown.
//! * A Remaining Length in more bytes than it needs is malformed in MQTT 3.1.1, too.
//! * A Variable Byte Integer in more bytes than it needs is malformed.
//!
//! # Features
//!
//! * `std` (default): passes `std` on to the dependencies. The crate itself is `no_std`. `bytes` links
//!   `alloc`, so that a program without `std` has to name a global allocator; decoding and encoding do
//!   not call it.
//! * `extra-platforms`: turns on the feature of this name in `bytes`, for targets without atomic
//!   compare-and-swap.
//! * `serde`: `Serialize` for packets and their parts, for inspection; see [`Packet`] for the shape.
//! * `arbitrary`: generation of valid packets from unstructured bytes, for fuzzing.
//! * `proptest`: strategies that yield valid packets, topics and streams.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(any(feature = "std", mqtt5_faults))]
extern crate std;

#[macro_use]
mod fault;

mod encode;
mod error;
#[cfg(mqtt5_faults)]
#[doc(hidden)]
pub mod faults;
pub mod framing;
#[cfg(feature = "arbitrary")]
#[cfg_attr(docsrs, doc(cfg(feature = "arbitrary")))]
pub mod generate;
mod message;
mod segments;
mod sequence;
#[cfg(feature = "serde")]
mod serde;
mod sink;
#[cfg(feature = "proptest")]
#[cfg_attr(docsrs, doc(cfg(feature = "proptest")))]
pub mod strategies;
mod text;
mod topic;
mod v3_1_1;
mod v5;
mod version;
mod violation;
mod wire;

/// Which packet carries which property, as types: the parameter of [`Properties`].
pub mod property {
    pub use crate::v5::property::{Carries, Scope, scope};
}

/// What `mqtt5-session-fsm` needs for speed. It may change in any version: Semantic Versioning does not cover it.
#[doc(hidden)]
pub mod internal {
    pub use crate::v5::packet::{decode_plain_publish, split_acknowledgement};
}

pub use error::{DecodeError, EncodeError};
pub use framing::packet_type::{PacketType, Role};
pub use message::Message;
pub use message::pool::{MessagePool, PoolError};
pub use segments::{Segments, Wire};
pub use sequence::ListIter;
pub use text::{Binary, Text};
pub use topic::{SharedFilter, TopicFilter, TopicName};
pub use v5::packet::{
    Auth, AuthProperties, ConnAck, ConnAckProperties, Connect, ConnectProperties, Delivery,
    Disconnect, DisconnectProperties, Packet, PacketIdentifier, Protocol, PubAck, PubAckProperties,
    PubComp, PubCompProperties, PubRec, PubRecProperties, PubRel, PubRelProperties, Publish,
    PublishProperties, Qos, ReasonCodes, RetainHandling, SubAck, SubAckProperties,
    SubAckReasonCodes, Subscribe, SubscribeProperties, Subscription, SubscriptionOptions,
    Subscriptions, TopicFilters, UnsubAck, UnsubAckProperties, UnsubAckReasonCodes, Unsubscribe,
    UnsubscribeProperties, Will, WillProperties,
};
pub use v5::property::{
    MaximumQos, PayloadFormat, Properties, Property, PropertyIdentifier, SubscriptionIdentifier,
    UserProperty,
};
pub use v5::reason_code::ReasonCode;
pub use version::ProtocolVersion;
pub use violation::{Violation, ViolationClass};

pub use bytes;

// The examples of the package's front page are compiled, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
