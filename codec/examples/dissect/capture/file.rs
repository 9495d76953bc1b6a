//! The file formats, and the way from a recorded frame to the TCP segment in it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::nom;
use pcap_parser::{Block, InterfaceDescriptionBlock, Linktype};

use super::tcp::Segment;

/// Why a recording could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CaptureError {
    /// The file is neither a pcap nor a pcapng file.
    UnknownFormat,
    /// The record at this offset in the file makes no sense.
    Damaged(usize),
    /// All of the traffic is of a kind of network that is unknown here; the
    /// number is the one the file has for it.
    UnknownLink(i32),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::UnknownFormat => formatter.write_str("neither a pcap nor a pcapng file"),
            CaptureError::Damaged(offset) => {
                write!(formatter, "the record at byte {offset} is damaged")
            }
            CaptureError::UnknownLink(link) => {
                write!(formatter, "recorded on an unknown kind of network, {link}")
            }
        }
    }
}

impl std::error::Error for CaptureError {}

/// A recorded frame.
pub(super) struct Frame<'a> {
    /// Since an arbitrary moment, the same for all frames of a file.
    pub(super) at: Duration,
    /// What the frame begins with.
    pub(super) link: Linktype,
    bytes: &'a [u8],
}

/// Calls `see` with each frame of a pcap or pcapng file. Returns whether the
/// file ends inside a record.
pub(super) fn for_each_frame<'a>(
    bytes: &'a [u8],
    see: impl FnMut(Frame<'a>),
) -> Result<bool, CaptureError> {
    if bytes.starts_with(b"\n\r\r\n") {
        pcapng_frames(bytes, see)
    } else {
        pcap_frames(bytes, see)
    }
}

fn pcap_frames<'a>(bytes: &'a [u8], mut see: impl FnMut(Frame<'a>)) -> Result<bool, CaptureError> {
    let (mut rest, header) =
        pcap_parser::parse_pcap_header(bytes).map_err(|_| CaptureError::UnknownFormat)?;
    let parse_record = if header.is_modified_format() {
        pcap_parser::parse_pcap_frame_modified
    } else if header.is_bigendian() {
        pcap_parser::parse_pcap_frame_be
    } else {
        pcap_parser::parse_pcap_frame
    };
    let fraction = Duration::from_nanos(if header.is_nanosecond_precision() {
        1
    } else {
        1_000
    });
    // The upper half of the field is about checksums at the ends of frames.
    let link = Linktype(header.network.0 & 0xFFFF);

    while !rest.is_empty() {
        match parse_record(rest) {
            Ok((after, record)) => {
                let at = Duration::from_secs(record.ts_sec.into()) + fraction * record.ts_usec;
                see(Frame {
                    at,
                    link,
                    bytes: record.data,
                });
                rest = after;
            }
            Err(nom::Err::Incomplete(_)) => return Ok(true),
            Err(_) => return Err(CaptureError::Damaged(bytes.len() - rest.len())),
        }
    }
    Ok(false)
}

fn pcapng_frames<'a>(
    bytes: &'a [u8],
    mut see: impl FnMut(Frame<'a>),
) -> Result<bool, CaptureError> {
    let mut rest = bytes;
    let mut big_endian = false;
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut now = Duration::ZERO;

    while !rest.is_empty() {
        let parse_block = if big_endian {
            pcap_parser::parse_block_be
        } else {
            pcap_parser::parse_block_le
        };
        let (after, block) = match parse_block(rest) {
            Ok(parsed) => parsed,
            Err(nom::Err::Incomplete(_)) => return Ok(true),
            Err(_) => return Err(CaptureError::Damaged(bytes.len() - rest.len())),
        };
        // The interface a packet block names, and the bytes, padding included.
        let packet = match &block {
            Block::SectionHeader(section) => {
                big_endian = section.big_endian();
                interfaces.clear();
                None
            }
            Block::InterfaceDescription(description) => {
                interfaces.push(Interface::new(description, big_endian));
                None
            }
            Block::EnhancedPacket(packet) => {
                let interface = interfaces.get(packet.if_id as usize);
                if let Some(interface) = interface {
                    now =
                        interface.time(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low));
                }
                Some((interface, packet.data, packet.caplen))
            }
            Block::SimplePacket(packet) => {
                let interface = interfaces.first();
                let limit = interface.map_or(0, |interface| interface.longest_frame);
                Some((interface, packet.data, packet.origlen.min(limit)))
            }
            _ => None,
        };
        if let Some((interface, data, length)) = packet {
            let Some(interface) = interface else {
                return Err(CaptureError::Damaged(bytes.len() - rest.len()));
            };
            let bytes = data.get(..length as usize).unwrap_or(data);
            see(Frame {
                at: now,
                link: interface.link,
                bytes,
            });
        }
        rest = after;
    }
    Ok(false)
}

/// What a pcapng file says about the network interface of later packets.
struct Interface {
    link: Linktype,
    /// Longer frames were recorded in part.
    longest_frame: u32,
    ticks_per_second: Option<u128>,
    seconds_before: i64,
}

impl Interface {
    fn new(description: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Self {
        let exponent = u32::from(description.if_tsresol & 0x7F);
        let base: u128 = if description.if_tsresol & 0x80 == 0 {
            10
        } else {
            2
        };
        // The parser takes this number for little-endian in every file.
        let offset = description.if_tsoffset;
        Interface {
            link: description.linktype,
            longest_frame: if description.snaplen == 0 {
                u32::MAX
            } else {
                description.snaplen
            },
            ticks_per_second: base.checked_pow(exponent),
            seconds_before: if big_endian {
                offset.swap_bytes()
            } else {
                offset
            },
        }
    }

    fn time(&self, ticks: u64) -> Duration {
        let Some(ticks_per_second) = self.ticks_per_second else {
            return Duration::ZERO;
        };
        let ticks = u128::from(ticks);
        let seconds = (ticks / ticks_per_second) as u64;
        let nanoseconds =
            (ticks % ticks_per_second).saturating_mul(1_000_000_000) / ticks_per_second;
        Duration::new(
            seconds.saturating_add_signed(self.seconds_before),
            nanoseconds as u32,
        )
    }
}

impl<'a> Frame<'a> {
    /// Whether this program knows what such frames begin with.
    pub(super) fn link_is_known(&self) -> bool {
        matches!(
            self.link,
            Linktype::ETHERNET
                | Linktype::LINUX_SLL
                | Linktype::LINUX_SLL2
                | Linktype::NULL
                | Linktype::LOOP
                | Linktype::RAW
                | Linktype::IPV4
                | Linktype::IPV6
        )
    }

    /// The TCP segment in the frame, if there is one and its headers can be read.
    pub(super) fn tcp_segment(&self) -> Option<Segment<'a>> {
        let packet = match self.link {
            Linktype::ETHERNET => LaxSlicedPacket::from_ethernet(self.bytes).ok()?,
            Linktype::LINUX_SLL => self.after_ether_type(14, 16)?,
            Linktype::LINUX_SLL2 => self.after_ether_type(0, 20)?,
            // The header only tells IP version 4 from 6, as the packet itself does.
            Linktype::NULL | Linktype::LOOP => {
                LaxSlicedPacket::from_ip(self.bytes.get(4..)?).ok()?
            }
            Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => {
                LaxSlicedPacket::from_ip(self.bytes).ok()?
            }
            _ => return None,
        };
        let (from, to) = match &packet.net {
            Some(LaxNetSlice::Ipv4(ip)) => (
                ip.header().source_addr().into(),
                ip.header().destination_addr().into(),
            ),
            Some(LaxNetSlice::Ipv6(ip)) => (
                ip.header().source_addr().into(),
                ip.header().destination_addr().into(),
            ),
            _ => return None,
        };
        let Some(TransportSlice::Tcp(tcp)) = &packet.transport else {
            return None;
        };
        // A reset may acknowledge anything.
        let acknowledges = tcp.ack() && !tcp.rst();
        Some(Segment {
            from: SocketAddr::new(from, tcp.source_port()),
            to: SocketAddr::new(to, tcp.destination_port()),
            sequence: tcp.sequence_number(),
            acknowledged: acknowledges.then(|| tcp.acknowledgment_number()),
            opens: tcp.syn(),
            closes: tcp.fin(),
            // Resets carry explanations at most, no data.
            payload: if tcp.rst() { &[] } else { tcp.payload() },
        })
    }

    /// Slices a frame whose header has the type of the payload at `position`
    /// and is `length` bytes long.
    fn after_ether_type(&self, position: usize, length: usize) -> Option<LaxSlicedPacket<'a>> {
        let ether_type = *self.bytes.get(position..)?.first_chunk()?;
        let payload = self.bytes.get(length..)?;
        Some(LaxSlicedPacket::from_ether_type(
            EtherType(u16::from_be_bytes(ether_type)),
            payload,
        ))
    }
}
