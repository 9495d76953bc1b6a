//! The file formats of recordings: pcap and pcapng.

use std::fmt;
use std::time::Duration;

use pcap_parser::nom;
use pcap_parser::{Block, InterfaceDescriptionBlock, Linktype};

use super::frame::Frame;

/// Why a recording could not be read at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CaptureError {
    /// The file is neither a pcap nor a pcapng file.
    UnknownFormat,
    /// The record at this offset in the file makes no sense, and no frame is before it.
    Damaged(usize),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::UnknownFormat => formatter.write_str("neither a pcap nor a pcapng file"),
            CaptureError::Damaged(offset) => {
                write!(formatter, "the record at byte {offset} is damaged")
            }
        }
    }
}

impl std::error::Error for CaptureError {}

/// How the frames of a file end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a whole record.
    Whole,
    /// Inside a record, as after the recorder was killed.
    InsideRecord,
    /// Before the record at this offset, which makes no sense.
    Damaged(usize),
}

/// Whether a file begins as pcap and pcapng files do. No MQTT packet begins like that.
pub(crate) fn is_capture(file: &[u8]) -> bool {
    const PCAPNG: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];
    const MICROSECONDS: u32 = 0xA1B2_C3D4;
    const NANOSECONDS: u32 = 0xA1B2_3C4D;
    const MODIFIED: u32 = 0xA1B2_CD34;
    file.first_chunk().is_some_and(|&magic| {
        magic == PCAPNG
            || [u32::from_le_bytes(magic), u32::from_be_bytes(magic)]
                .iter()
                .any(|number| matches!(*number, MICROSECONDS | NANOSECONDS | MODIFIED))
    })
}

/// All frames of a pcap or pcapng file, and how they end.
pub(super) fn frames(bytes: &[u8]) -> Result<(Vec<Frame<'_>>, Ending), CaptureError> {
    let mut frames = Vec::new();
    let see = |frame| frames.push(frame);
    let ending = if bytes.starts_with(b"\n\r\r\n") {
        pcapng_frames(bytes, see)
    } else {
        pcap_frames(bytes, see)?
    };
    match ending {
        Ending::Damaged(offset) if frames.is_empty() => Err(CaptureError::Damaged(offset)),
        _ => Ok((frames, ending)),
    }
}

fn pcap_frames<'a>(
    bytes: &'a [u8],
    mut see: impl FnMut(Frame<'a>),
) -> Result<Ending, CaptureError> {
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
                    cut_off: (record.origlen as usize).saturating_sub(record.data.len()),
                });
                rest = after;
            }
            Err(nom::Err::Incomplete(_)) => return Ok(Ending::InsideRecord),
            Err(_) => return Ok(Ending::Damaged(bytes.len() - rest.len())),
        }
    }
    Ok(Ending::Whole)
}

fn pcapng_frames<'a>(bytes: &'a [u8], mut see: impl FnMut(Frame<'a>)) -> Ending {
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
            Err(nom::Err::Incomplete(_)) => return Ending::InsideRecord,
            Err(_) => return Ending::Damaged(bytes.len() - rest.len()),
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
                Some((interface, packet.data, packet.caplen, packet.origlen))
            }
            Block::SimplePacket(packet) => {
                let interface = interfaces.first();
                let limit = interface.map_or(0, |interface| interface.longest_frame);
                let length = packet.origlen.min(limit);
                Some((interface, packet.data, length, packet.origlen))
            }
            _ => None,
        };
        if let Some((interface, data, length, sent)) = packet {
            let Some(interface) = interface else {
                return Ending::Damaged(bytes.len() - rest.len());
            };
            let bytes = data.get(..length as usize).unwrap_or(data);
            see(Frame {
                at: now,
                link: interface.link,
                bytes,
                cut_off: (sent as usize).saturating_sub(bytes.len()),
            });
        }
        rest = after;
    }
    Ending::Whole
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
