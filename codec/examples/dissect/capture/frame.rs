//! The way from a recorded frame to the TCP segment in it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use etherparse::err::ip::LaxHeaderSliceError;
use etherparse::err::packet::SliceError;
use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket};
use pcap_parser::Linktype;

use super::tcp::Segment;

/// A recorded frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame<'a> {
    /// Since an arbitrary moment, the same for all frames of a file.
    pub(crate) at: Duration,
    /// What the frame begins with.
    pub(crate) link: Linktype,
    /// The frame, or the first part of it.
    pub(crate) bytes: &'a [u8],
    /// How many more bytes of the frame were not recorded.
    pub(crate) cut_off: usize,
}

/// Why a frame was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PassedOver {
    /// It comes from a kind of network that is unknown here; the number is the one the file has
    /// for it.
    UnknownLink(i32),
    /// It holds no IP packet.
    NotIp,
    /// It holds a fragment of an IP packet.
    Fragment,
    /// Its IP packet is not TCP but of the protocol with this number.
    NotTcp(u8),
    /// It was cut off before the end of the TCP header.
    HeadersCutOff,
    /// Its headers make no sense.
    Damaged,
}

/// Numbers of other systems for frames that begin with the IP header.
const RAW_OF_BSD: Linktype = Linktype(12);
const RAW_OF_OPENBSD: Linktype = Linktype(14);

/// The sizes of headers without options, in bytes.
const TCP_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;

impl<'a> Frame<'a> {
    /// The TCP segment in the frame, or why it has none.
    pub(super) fn segment(&self) -> Result<Segment<'a>, PassedOver> {
        let packet = self.slice()?;
        let stopped = match &packet.stop_err {
            Some((SliceError::Len(_), _)) => self.too_short(),
            _ => PassedOver::Damaged,
        };
        let (from, to, ip_end): (IpAddr, IpAddr, usize) = match &packet.net {
            Some(LaxNetSlice::Ipv4(ip)) => {
                let header = ip.header();
                let length = match usize::from(header.total_len()) {
                    // The network card was left to fill it in.
                    0 => None,
                    length => Some(length),
                };
                (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                    self.end_of(header.slice(), length),
                )
            }
            Some(LaxNetSlice::Ipv6(ip)) => {
                let header = ip.header();
                let length = match usize::from(header.payload_length()) {
                    // A jumbogram, or the same as above.
                    0 => None,
                    length => Some(IPV6_HEADER + length),
                };
                (
                    header.source_addr().into(),
                    header.destination_addr().into(),
                    self.end_of(header.slice(), length),
                )
            }
            None if packet.stop_err.is_some() => return Err(stopped),
            _ => return Err(PassedOver::NotIp),
        };
        let Some(payload) = packet.ip_payload() else {
            return Err(stopped);
        };
        if payload.fragmented {
            return Err(PassedOver::Fragment);
        }
        if payload.ip_number != IpNumber::TCP {
            let is_extension = payload.ip_number.is_ipv6_ext_header_value();
            return Err(if is_extension && packet.stop_err.is_some() {
                stopped
            } else {
                PassedOver::NotTcp(payload.ip_number.0)
            });
        }
        let length = ip_end.saturating_sub(self.offset_of(payload.payload));
        self.tcp(from, to, payload.payload, length)
    }

    /// Whether there is a TCP segment in the frame.
    pub(crate) fn has_segment(&self) -> bool {
        self.segment().is_ok()
    }

    /// Reads a TCP header. Its options may be cut off, as they tell nothing here.
    fn tcp(
        &self,
        from: IpAddr,
        to: IpAddr,
        bytes: &'a [u8],
        length: usize,
    ) -> Result<Segment<'a>, PassedOver> {
        let Some(header) = bytes.first_chunk::<TCP_HEADER>() else {
            return Err(self.too_short());
        };
        let short = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let long = |at: usize| u32::from(short(at)) << 16 | u32::from(short(at + 2));
        let header_length = usize::from(header[12] >> 4) * 4;
        if header_length < TCP_HEADER || header_length > length {
            return Err(PassedOver::Damaged);
        }
        let flags = header[13];
        let [closes, opens, resets, acknowledges] =
            [0x01, 0x02, 0x04, 0x10].map(|flag| flags & flag != 0);
        // Resets carry explanations at most, no data, and may acknowledge anything.
        let length = if resets { 0 } else { length - header_length };
        let payload = bytes.get(header_length..).unwrap_or_default();
        Ok(Segment {
            from: SocketAddr::new(from, short(0)),
            to: SocketAddr::new(to, short(2)),
            sequence: long(4),
            acknowledged: (acknowledges && !resets).then(|| long(8)),
            opens,
            closes,
            length,
            payload: &payload[..payload.len().min(length)],
        })
    }

    fn slice(&self) -> Result<LaxSlicedPacket<'a>, PassedOver> {
        let ip_at = |offset| match self.bytes.get(offset..) {
            Some(ip @ [first, ..]) => {
                LaxSlicedPacket::from_ip(ip).map_err(|error| match (first >> 4, error) {
                    (4 | 6, LaxHeaderSliceError::Len(_)) => self.too_short(),
                    (4 | 6, LaxHeaderSliceError::Content(_)) => PassedOver::Damaged,
                    _ => PassedOver::NotIp,
                })
            }
            _ => Err(self.too_short()),
        };
        match self.link {
            Linktype::ETHERNET => {
                LaxSlicedPacket::from_ethernet(self.bytes).map_err(|_| self.too_short())
            }
            Linktype::LINUX_SLL => self.after_ether_type(14, 16),
            Linktype::LINUX_SLL2 => self.after_ether_type(0, 20),
            // The header only tells IP version 4 from 6, as the packet itself does.
            Linktype::NULL | Linktype::LOOP => ip_at(4),
            Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 | RAW_OF_BSD | RAW_OF_OPENBSD => {
                ip_at(0)
            }
            Linktype(link) => Err(PassedOver::UnknownLink(link)),
        }
    }

    /// Slices a frame whose header has the type of the payload at `position` and is `length` bytes
    /// long.
    fn after_ether_type(
        &self,
        position: usize,
        length: usize,
    ) -> Result<LaxSlicedPacket<'a>, PassedOver> {
        let ether_type = self
            .bytes
            .get(position..)
            .and_then(|bytes| bytes.first_chunk())
            .ok_or_else(|| self.too_short())?;
        let payload = self.bytes.get(length..).ok_or_else(|| self.too_short())?;
        Ok(LaxSlicedPacket::from_ether_type(
            EtherType(u16::from_be_bytes(*ether_type)),
            payload,
        ))
    }

    /// What a frame is that ends inside its headers.
    fn too_short(&self) -> PassedOver {
        if self.cut_off > 0 {
            PassedOver::HeadersCutOff
        } else {
            PassedOver::Damaged
        }
    }

    /// The offset in the frame at which an IP packet ends that begins with this header. The frame
    /// may go on after it, with padding. Without a length the packet is as long as the frame.
    fn end_of(&self, header: &[u8], length: Option<usize>) -> usize {
        match length {
            Some(length) => self.offset_of(header) + length,
            None => self.bytes.len() + self.cut_off,
        }
    }

    /// The offset in the frame of a part of it.
    fn offset_of(&self, part: &[u8]) -> usize {
        part.as_ptr().addr() - self.bytes.as_ptr().addr()
    }
}
