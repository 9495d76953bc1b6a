//! Whole packets out of a growing buffer, with shared ownership.

use bytes::{Bytes, BytesMut};

use super::header::{FixedHeader, needed_for_header};
use super::split::RawPacket;
use crate::{DecodeError, Packet, PacketType, ProtocolVersion, Role};

/// Takes whole packets off the front of a receive buffer.
///
/// The buffer is yours: append what the network brings, in chunks of any size, then call
/// [`next`](Self::next) until it says [`SplitterOutput::Incomplete`]. The splitter never reserves memory,
/// whatever length a peer declares. It looks at two to five bytes of each packet, however often it
/// is asked, so that the time is linear in the bytes received.
///
/// An error stays: the buffer is left as it is, and the same call gives the same error. Answer it
/// and close the Network Connection.
///
/// ```
/// use bytes::{Bytes, BytesMut};
/// use mqtt5_codec::{Packet, ProtocolVersion};
/// use mqtt5_codec::framing::{LARGEST_PACKET, Splitter, SplitterOutput};
///
/// let splitter = Splitter::new(LARGEST_PACKET);
/// let mut buffer = BytesMut::new();
/// let mut kept: Vec<Bytes> = Vec::new();
/// for chunk in [&b"\x30\x08\x00\x03a/"[..], &b"b\x00hi\xC0"[..], &b"\x00"[..]] {
///     buffer.extend_from_slice(chunk);
///     while let SplitterOutput::Ready(frame) = splitter.next(&mut buffer)? {
///         if let Packet::Publish(publish) = frame.decode(ProtocolVersion::V5_0)? {
///             kept.push(frame.share(publish.payload));
///         }
///     }
/// }
/// assert_eq!(kept, [Bytes::from_static(b"hi")]);
/// # Ok::<(), mqtt5_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Splitter {
    maximum_packet_size: u32,
}

/// What [`Splitter::next`] and [`StreamSplitter::next`](crate::framing::StreamSplitter::next) found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a packet that was taken off the buffer is gone"]
pub enum SplitterOutput<T> {
    /// It was complete, and has been taken off the buffer.
    Ready(T),
    /// The buffer ends too early.
    Incomplete {
        /// How many more bytes are needed at least. With fewer, the answer will be the same. Read whatever is
        /// there, and do not reserve memory for this number: a peer chose it.
        needed: usize,
    },
}

impl Splitter {
    /// A splitter that refuses packets of more than this many bytes, fixed header included: the
    /// Maximum Packet Size that was announced to the peer, or
    /// [`LARGEST_PACKET`](crate::framing::LARGEST_PACKET) if none was.
    #[must_use]
    pub const fn new(maximum_packet_size: u32) -> Self {
        Splitter {
            maximum_packet_size,
        }
    }

    /// Takes one packet off the front of the buffer. No byte is copied: frame and buffer share
    /// their memory, which is freed when the last of them is gone. Sharing a buffer for the first
    /// time allocates the few bytes in which [`bytes`] counts its owners.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a fixed header breaks a rule, or announces a packet that is too large.
    #[inline]
    pub fn next(&self, buffer: &mut BytesMut) -> Result<SplitterOutput<Frame>, DecodeError> {
        Ok(match next_header(buffer, self.maximum_packet_size)? {
            SplitterOutput::Ready(header) => take_frame(buffer, header),
            SplitterOutput::Incomplete { needed } => SplitterOutput::Incomplete { needed },
        })
    }
}

/// The fixed header at the front of the buffer, checked against the limit.
#[inline]
pub(crate) fn next_header(
    buffer: &[u8],
    maximum_packet_size: u32,
) -> Result<SplitterOutput<FixedHeader>, DecodeError> {
    let Some(header) = FixedHeader::peek(buffer)? else {
        return Ok(SplitterOutput::Incomplete {
            needed: needed_for_header(buffer),
        });
    };
    header.check_size(maximum_packet_size)?;
    Ok(SplitterOutput::Ready(header))
}

/// Takes the packet that starts with this header, if it is whole.
#[inline]
pub(crate) fn take_frame(buffer: &mut BytesMut, header: FixedHeader) -> SplitterOutput<Frame> {
    let size = header.packet_size();
    if buffer.len() < size {
        return SplitterOutput::Incomplete {
            needed: size - buffer.len(),
        };
    }
    SplitterOutput::Ready(Frame {
        bytes: buffer.split_to(size).freeze(),
        header,
    })
}

/// One whole packet, owned, its fixed header checked. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    bytes: Bytes,
    header: FixedHeader,
}

impl Frame {
    /// Takes bytes for exactly one packet.
    ///
    /// # Errors
    ///
    /// As [`RawPacket::whole`].
    pub fn new(bytes: Bytes) -> Result<Self, DecodeError> {
        let header = RawPacket::whole(&bytes)?.header();
        Ok(Frame { bytes, header })
    }

    /// Decodes the packet: see [`Packet::decode`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken.
    #[inline]
    pub fn decode(&self, version: ProtocolVersion) -> Result<Packet<'_>, DecodeError> {
        self.raw().decode(version)
    }

    /// Decodes a packet from this side: see [`Packet::decode_from`].
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if a rule of the standard is broken.
    pub fn decode_from(
        &self,
        version: ProtocolVersion,
        sender: Role,
    ) -> Result<Packet<'_>, DecodeError> {
        self.raw().decode_from(version, sender)
    }

    /// The packet as borrowed bytes.
    #[must_use]
    #[inline]
    pub fn raw(&self) -> RawPacket<'_> {
        RawPacket::trusted(&self.bytes, self.header)
    }

    /// The type of the packet.
    #[must_use]
    pub const fn packet_type(&self) -> PacketType {
        self.header.packet_type()
    }

    /// The fixed header.
    #[must_use]
    pub const fn header(&self) -> FixedHeader {
        self.header
    }

    /// The whole packet.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The whole packet.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Shared ownership of a part of the packet, such as the payload of its PUBLISH: not copied.
    ///
    /// Should `part` not lie within this frame, it is copied instead. The shared bytes keep the
    /// whole receive buffer alive; copy what is small and kept for long.
    #[must_use]
    pub fn share(&self, part: &[u8]) -> Bytes {
        share(&self.bytes, part)
    }
}

/// [`Bytes::slice_ref`] without its panic.
pub(crate) fn share(bytes: &Bytes, part: &[u8]) -> Bytes {
    let range = bytes.as_ptr_range();
    let part_range = part.as_ptr_range();
    if range.start <= part_range.start && part_range.end <= range.end {
        bytes.slice_ref(part)
    } else {
        Bytes::copy_from_slice(part)
    }
}
