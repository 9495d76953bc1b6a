//! Finding packets in what a network delivers (sections 2.1 and 4.2), before anything is decoded.
//!
//! | to | use |
//! | --- | --- |
//! | find packets in a buffer of your own | [`split()`], [`FixedHeader::peek`] |
//! | find packets in a growing buffer and share them | [`Splitter`], [`Frame`] |
//! | take large payloads in pieces | [`StreamSplitter`], [`Piece`] |
//!
//! All of them look at no more than the lengths in a packet, never reserve memory, and refuse a packet
//! that is too large as soon as its fixed header has arrived.

mod header;
pub(crate) mod packet_type;
mod split;
mod splitter;
mod stream;

pub use header::{FixedHeader, LARGEST_PACKET};
pub use split::{RawPacket, Split, split};
pub use splitter::{Frame, Splitter, SplitterOutput};
pub use stream::{LargePublish, PayloadChunk, Piece, PublishHead, StreamSplitter};
