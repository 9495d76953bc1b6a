//! Strategies for property tests with `proptest` (feature `proptest`).
//!
//! They feed the generators of [`generate`], which says what a packet of each version may say, and shrink by
//! shrinking what they feed: a failing packet loses properties, list elements and characters until it passes.
//!
//! ```
//! use mqtt5_codec::{Packet, PacketType, ProtocolVersion, strategies};
//! use proptest::prelude::*;
//!
//! const VERSION: ProtocolVersion = ProtocolVersion::V5_0; // or that of MQTT 3.1.1
//!
//! proptest! {
//!     fn every_packet_survives_the_journey(frame in strategies::frame(VERSION)) {
//!         let mut bytes = Vec::new();
//!         frame.decode(VERSION)?.encode(VERSION, &mut bytes)?;
//!         prop_assert_eq!(&bytes[..], &frame.bytes()[..]);
//!     }
//!
//!     fn acknowledgements_have_an_identifier(
//!         frame in strategies::frame_of(VERSION, PacketType::PubAck)
//!     ) {
//!         prop_assert!(frame.decode(VERSION)?.packet_identifier().is_some());
//!     }
//! }
//!
//! every_packet_survives_the_journey();
//! acknowledgements_have_an_identifier();
//! ```

use alloc::string::String;
use alloc::vec::Vec;

use arbitrary::Unstructured;
use bytes::{Bytes, BytesMut};
use proptest::arbitrary::{Arbitrary, any};
use proptest::collection::vec;
use proptest::sample::Index;
use proptest::strategy::{BoxedStrategy, Strategy};

use crate::framing::Frame;
use crate::{PacketType, ProtocolVersion, Role, generate};

/// How many bytes a generator is fed at most: enough for several properties or filters.
const SOURCE_LENGTH: usize = 256;

/// A packet of any type that one of the two sides may send.
pub fn frame(version: ProtocolVersion) -> impl Strategy<Value = Frame> + Clone {
    generated(move |source| generate::frame(version, source))
}

/// A packet of this type, from a side that may send it. The version must have such packets: MQTT 3.1.1 has no
/// AUTH.
pub fn frame_of(
    version: ProtocolVersion,
    packet_type: PacketType,
) -> impl Strategy<Value = Frame> + Clone {
    generated(move |source| generate::frame_of(version, packet_type, source))
}

/// A packet of any type that this side may send, saying only what this side may say.
pub fn frame_from(version: ProtocolVersion, sender: Role) -> impl Strategy<Value = Frame> + Clone {
    generated(move |source| generate::frame_from(version, sender, source))
}

/// A string that [`Text::new`](crate::Text::new) accepts.
pub fn text() -> impl Strategy<Value = String> + Clone {
    generated(generate::text)
}

/// A string that [`TopicName::new`](crate::TopicName::new) accepts.
pub fn topic_name() -> impl Strategy<Value = String> + Clone {
    generated(generate::topic_name)
}

/// A string that [`TopicFilter::new`](crate::TopicFilter::new) accepts.
pub fn topic_filter() -> impl Strategy<Value = String> + Clone {
    generated(generate::topic_filter)
}

/// A Topic Name, and a Topic Filter that matches it.
///
/// ```
/// use mqtt5_codec::{TopicFilter, TopicName, strategies};
/// use proptest::prelude::*;
///
/// proptest!(|((name, filter) in strategies::matching_pair())| {
///     prop_assert!(TopicFilter::new(&filter)?.matches(TopicName::new(&name)?));
/// });
/// ```
pub fn matching_pair() -> impl Strategy<Value = (String, String)> + Clone {
    generated(generate::matching_pair)
}

/// Packets of one side, and the same bytes as a network might deliver them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The packets.
    pub frames: Vec<Frame>,
    /// Their bytes, cut anywhere; no chunk is empty.
    pub chunks: Vec<Bytes>,
}

/// Up to `most_packets` packets of this side, cut anywhere. Shrinks to fewer packets and cuts.
///
/// ```
/// use bytes::BytesMut;
/// use mqtt5_codec::{ProtocolVersion, Role, strategies};
/// use mqtt5_codec::framing::{LARGEST_PACKET, Splitter, SplitterOutput};
/// use proptest::prelude::*;
///
/// proptest!(|(stream in strategies::stream(ProtocolVersion::V3_1_1, Role::Client, 8))| {
///     let splitter = Splitter::new(LARGEST_PACKET);
///     let mut buffer = BytesMut::new();
///     let mut frames = Vec::new();
///     for chunk in &stream.chunks {
///         buffer.extend_from_slice(chunk);
///         while let SplitterOutput::Ready(frame) = splitter.next(&mut buffer)? {
///             frames.push(frame);
///         }
///     }
///     prop_assert_eq!(frames, stream.frames);
/// });
/// ```
pub fn stream(
    version: ProtocolVersion,
    sender: Role,
    most_packets: usize,
) -> impl Strategy<Value = Stream> + Clone {
    let frames = vec(frame_from(version, sender), 0..=most_packets);
    let cuts = vec(any::<Index>(), 0..=2 * most_packets);
    (frames, cuts).prop_map(|(frames, cuts)| {
        let mut bytes = BytesMut::new();
        for frame in &frames {
            bytes.extend_from_slice(frame.bytes());
        }
        let chunks = cut(bytes.freeze(), &cuts);
        Stream { frames, chunks }
    })
}

fn cut(mut bytes: Bytes, cuts: &[Index]) -> Vec<Bytes> {
    let length = bytes.len();
    let mut positions: Vec<_> = cuts.iter().map(|cut| cut.index(length + 1)).collect();
    positions.sort_unstable();
    positions.push(length);
    let mut chunks = Vec::new();
    for position in positions {
        let cut_off = length - bytes.len();
        chunks.push(bytes.split_to(position - cut_off));
    }
    chunks.retain(|chunk| !chunk.is_empty());
    chunks
}

/// A packet of MQTT 5: there is no parameter that could say a version.
impl Arbitrary for Frame {
    type Parameters = ();
    type Strategy = BoxedStrategy<Frame>;

    fn arbitrary_with((): Self::Parameters) -> Self::Strategy {
        frame(ProtocolVersion::V5_0).boxed()
    }
}

fn generated<T: core::fmt::Debug>(
    generate: impl Fn(&mut Unstructured<'_>) -> arbitrary::Result<T> + Clone,
) -> impl Strategy<Value = T> + Clone {
    vec(any::<u8>(), 0..=SOURCE_LENGTH)
        .prop_filter_map("generators need no certain bytes", move |bytes| {
            generate(&mut Unstructured::new(&bytes)).ok()
        })
}
