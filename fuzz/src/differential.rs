//! The same bytes through published codecs.
//!
//! Whoever disagrees must be in the list of [`verdicts`], with a section of the standard
//! that says who is right.

use std::fmt;

use arbitrary::{Result, Unstructured};
use mqtt5_codec::framing::RawPacket;
use mqtt5_codec::{Packet, ProtocolVersion, Violation, generate};

use crate::mutate;
use crate::peers::{self, Answer, Peer};
use crate::rebuild::{encoded, rebuilt};
use crate::verdicts;

/// How a peer disagrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Disagreement {
    /// It accepts what we reject for this reason.
    Accepts(Violation),
    /// It rejects what we accept.
    Refuses,
    /// It wants more bytes of what we accept.
    Waits,
    /// It panics on what we accept.
    Panics,
    /// It accepts what we accept, but cannot encode it again.
    CannotEncode,
    /// What it encodes again we reject for this reason.
    Encodes(Violation),
    /// What it encodes again means something else.
    Differs,
}

/// A disagreement about a packet.
pub struct Case<'a> {
    /// Who disagrees.
    pub peer: &'static str,
    /// In which version.
    pub version: ProtocolVersion,
    /// How.
    pub disagreement: Disagreement,
    /// About what.
    pub bytes: &'a [u8],
    /// What the peer made of it, if it accepted it.
    pub again: Option<Vec<u8>>,
}

/// Asks all peers about a packet, in each version. An input whose first byte is below 0x10 (no packet has
/// that) is a source for the generator: two bits say how often its packet is damaged, a third one picks the
/// version. Any other input is the packet itself.
///
/// # Panics
///
/// If a peer disagrees and no verdict covers it.
pub fn check(data: &[u8]) {
    for_each_packet(data, |bytes| {
        disagreements(bytes, |case| {
            assert!(verdicts::find(&case).is_some(), "no verdict for {case}");
        });
    });
}

/// Hands the packet that an input stands for to `then`, if it stands for one.
pub fn for_each_packet(data: &[u8], then: impl FnOnce(&[u8])) {
    match data.split_first() {
        Some((0..=0x0F, source)) => {
            let damage = usize::from(data[0] & 0b11);
            let version = match data[0] & 0b100 {
                0 => ProtocolVersion::V5_0,
                _ => ProtocolVersion::V3_1_1,
            };
            let bytes = damaged(version, damage, &mut Unstructured::new(source));
            then(&bytes.expect("generators need no certain bytes"));
        }
        Some(_) if is_one_packet(data) => then(data),
        _ => {}
    }
}

/// Tells `report` about every peer that disagrees about a packet.
pub fn disagreements(bytes: &[u8], mut report: impl FnMut(Case<'_>)) {
    let raw = RawPacket::whole(bytes).ok();
    let protocol = raw.and_then(|raw| raw.protocol());
    for peer in peers::ALL.iter().flatten() {
        // A peer of one version is not asked about a CONNECT of the other.
        let is_other = protocol.is_some_and(|protocol| match peer.version {
            ProtocolVersion::V3_1_1 => protocol.version() == Some(ProtocolVersion::V5_0),
            _ => !matches!(protocol.level, 5..0x80),
        });
        if is_other {
            continue;
        }
        let ours = Packet::decode(peer.version, bytes);
        if let Some((disagreement, again)) = disagreement(peer, bytes, &ours) {
            report(Case {
                peer: peer.name,
                version: peer.version,
                disagreement,
                bytes,
                again,
            });
        }
    }
}

fn disagreement(
    peer: &Peer,
    bytes: &[u8],
    ours: &std::result::Result<Packet<'_>, mqtt5_codec::DecodeError>,
) -> Option<(Disagreement, Option<Vec<u8>>)> {
    let version = peer.version;
    let packet = match ours {
        Ok(packet) => packet,
        Err(error) => {
            // An error, a panic or waiting for more: not accepted, and that is what counts here.
            return match peer.answer(bytes) {
                Answer::Accepted(again) => {
                    Some((Disagreement::Accepts(error.violation()), Some(again)))
                }
                Answer::CannotEncode => Some((Disagreement::Accepts(error.violation()), None)),
                Answer::Refused | Answer::Waits | Answer::Panicked => None,
            };
        }
    };
    let again = match peer.answer(bytes) {
        Answer::Refused => return Some((Disagreement::Refuses, None)),
        Answer::Waits => return Some((Disagreement::Waits, None)),
        Answer::Panicked => return Some((Disagreement::Panics, None)),
        Answer::CannotEncode => return Some((Disagreement::CannotEncode, None)),
        Answer::Accepted(again) => again,
    };
    match Packet::decode(version, &again) {
        Err(error) => Some((Disagreement::Encodes(error.violation()), Some(again))),
        Ok(theirs) if is_other(version, &theirs, packet) => {
            Some((Disagreement::Differs, Some(again)))
        }
        Ok(_) => None,
    }
}

/// The packet's bytes with its properties sorted: between different identifiers their order means
/// nothing (section 2.2.2.2).
#[must_use]
pub fn sorted(version: ProtocolVersion, packet: &Packet<'_>) -> Vec<u8> {
    rebuilt(
        packet,
        |list| list.sort_by_key(|property| property.identifier()),
        |packet| encoded(version, &packet),
    )
}

/// MQTT 3.1.1 has nothing that may be in another order, and packets that are read but never written.
fn is_other(version: ProtocolVersion, theirs: &Packet<'_>, ours: &Packet<'_>) -> bool {
    match version {
        ProtocolVersion::V3_1_1 => theirs != ours,
        _ => sorted(version, theirs) != sorted(version, ours),
    }
}

/// Whether the first bytes announce a packet as long as the input, be they right otherwise or not.
fn is_one_packet(data: &[u8]) -> bool {
    let mut length = 0;
    for (index, &byte) in data.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte < 0x80 {
            return data.len() == 2 + index + length;
        }
    }
    false
}

/// A valid packet with some bytes of its body replaced, inserted or removed.
fn damaged(
    version: ProtocolVersion,
    times: usize,
    source: &mut Unstructured<'_>,
) -> Result<Vec<u8>> {
    let frame = generate::frame(version, source)?;
    if times == 0 {
        return Ok(frame.bytes().to_vec());
    }
    let mut body = frame.raw().body().to_vec();
    for _ in 0..times {
        let at = source.choose_index(body.len() + 1)?;
        match source.int_in_range(0..=3)? {
            0 => body.insert(at, source.arbitrary()?),
            1 if at < body.len() => {
                body.remove(at);
            }
            _ if at < body.len() => body[at] = source.arbitrary()?,
            _ => {}
        }
    }
    let first_byte = frame.header().first_byte();
    Ok([&[first_byte], &mutate::encoded(body.len())[..], &body].concat())
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {} {:?}: {}",
            self.peer,
            self.version,
            self.disagreement,
            hex(self.bytes)
        )?;
        if let Ok(packet) = Packet::decode(self.version, self.bytes) {
            write!(formatter, "\n  ours   {packet:?}")?;
        }
        if let Some(again) = &self.again {
            write!(formatter, "\n  again  {}", hex(again))?;
            if let Ok(packet) = Packet::decode(self.version, again) {
                write!(formatter, "\n  theirs {packet:?}")?;
            }
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut hex: String = bytes
        .iter()
        .take(200)
        .map(|byte| format!("{byte:02X}"))
        .collect();
    if bytes.len() > 200 {
        hex.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    hex
}
