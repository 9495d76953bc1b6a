//! Packets that will be written next, in order.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use mqtt5_codec::Wire;

use super::liveness::Asked;
use super::older_version;
use mqtt5_codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_codec::{
    PacketIdentifier, PacketType, ProtocolVersion, PubAck, PubComp, PubRec, PubRel, ReasonCode,
};

/// Whole packets in the order of writing, one behind the other, so that `poll` copies all of them
/// at once.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// How many of the bytes were written already. They are some packets at most beyond [`Self::FULL`].
    written: u32,
    /// How many messages stop counting against our Receive Maximum once the packets are written.
    answered: u16,
    /// Whether a packet among them starts a time when it is written: see [`Asked`].
    asks: bool,
}

/// Why a packet was not written.
pub(super) enum Blocked {
    /// The buffer has too little room; so much is needed.
    NoRoom(usize),
    /// It is larger than the peer's Maximum Packet Size.
    TooLarge(PacketType),
}

macro_rules! acknowledgements {
    ($($method:ident $packet:ident)*) => {
        $(
            #[inline]
            pub(super) fn $method(
                &mut self,
                version: ProtocolVersion,
                packet_identifier: PacketIdentifier,
                reason_code: ReasonCode,
            ) {
                let reason_code = older_version::acknowledgement(version, reason_code);
                let encoded = $packet::new(packet_identifier, reason_code).encode(version, &mut self.bytes);
                debug_assert_eq!(encoded, Ok(()), "these packets break no rule");
            }
        )*
    };
}

impl Outbox {
    /// The size of the largest packet that is built here; the sizes of all others were checked
    /// before.
    const LARGEST: usize = 5;

    /// Nothing more is read while this many bytes wait to be written. The answers to all 65,535
    /// Packet Identifiers, in whatever states, take less. Only a peer that breaks the protocol, or
    /// never waits for answers, reaches it.
    pub(super) const FULL: usize = 1 << 20;

    /// How many bytes wait to be written.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.written as usize
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len() >= Self::FULL
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    // Without properties. PUBREL and PUBCOMP never have any [MQTT-3.6.2-2] [MQTT-3.6.2-3]
    // [MQTT-3.7.2-2] [MQTT-3.7.2-3].
    acknowledgements! { puback PubAck pubrec PubRec pubrel PubRel pubcomp PubComp }

    /// Adds a packet that is encoded already.
    pub(super) fn push(&mut self, packet: &[u8]) {
        self.bytes.extend_from_slice(packet);
        self.asks |= packet.first().is_some_and(|first| {
            QUESTIONS
                .iter()
                .any(|packet_type| packet_type.first_byte() == *first)
        });
    }

    /// The packet that was added last is the last one for a message that counts against our Receive
    /// Maximum.
    #[inline]
    pub(super) fn answers(&mut self) {
        self.answered = self.answered.saturating_add(1);
    }

    /// Writes everything, if there is room, the peer takes packets of any length that there is, and
    /// none is a question. Returns how many messages do not count any more.
    #[inline(always)]
    pub(super) fn write_all<B: Wire + ?Sized>(
        &mut self,
        version: ProtocolVersion,
        maximum_packet_size: usize,
        wire: &mut B,
    ) -> Option<u16> {
        let pending = self.pending();
        if wire.room() < pending.len() || maximum_packet_size < Self::LARGEST || self.asks {
            return None;
        }
        trace_packets!(version, "sent", pending);
        match *pending {
            // The usual case, which is faster with a known length.
            [first_byte, length, high, low] => wire.put(&[first_byte, length, high, low]),
            _ => wire.put(pending),
        }
        self.bytes.clear();
        self.written = 0;
        Some(core::mem::take(&mut self.answered))
    }

    /// Writes as many packets as there is room for. Returns the questions among them, and how many
    /// messages do not count any more: all, if any packet was written, which is in the peer's
    /// favour.
    pub(super) fn write_some<B: Wire + ?Sized>(
        &mut self,
        version: ProtocolVersion,
        maximum_packet_size: usize,
        wire: &mut B,
    ) -> (Option<u16>, Asked, Result<(), Blocked>) {
        let before = self.written;
        let mut asked = Asked::default();
        let result = loop {
            let Some((packet_type, length)) = first(self.pending()) else {
                break Ok(());
            };
            if length > maximum_packet_size {
                break Err(Blocked::TooLarge(packet_type));
            }
            if length > wire.room() {
                break Err(Blocked::NoRoom(length));
            }
            trace_packets!(version, "sent", &self.pending()[..length]);
            wire.put(&self.pending()[..length]);
            self.written += length as u32;
            match packet_type {
                PacketType::PingReq => asked.pings += 1,
                PacketType::Subscribe | PacketType::Unsubscribe => asked.requests += 1,
                _ => {}
            }
        };
        self.asks &= result.is_err();
        let answered = (self.written > before).then(|| core::mem::take(&mut self.answered));
        // The rest is moved only if it is shorter than the written part.
        let written = self.written as usize;
        if written > self.bytes.len() / 2 {
            self.bytes.drain(..written);
            self.written = 0;
        }
        (answered, asked, result)
    }

    /// Keeps only a DISCONNECT at the end, and drops it, too, if there is a CONNACK that it must
    /// not overtake.
    pub(super) fn keep_farewell(&mut self) {
        let mut rest = self.pending();
        let mut greeted = true;
        let mut farewell = 0;
        while let Some((packet_type, length)) = first(rest) {
            greeted &= packet_type != PacketType::ConnAck;
            farewell = if packet_type == PacketType::Disconnect {
                rest.len()
            } else {
                0
            };
            rest = &rest[length..];
        }
        let kept = if greeted { farewell } else { 0 };
        self.keep_last(kept);
    }

    pub(super) fn clear(&mut self) {
        self.keep_last(0);
    }

    /// Keeps this many bytes at the end, which neither answer a message nor ask for anything.
    fn keep_last(&mut self, kept: usize) {
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.drain(..bytes.len() - kept);
        *self = Outbox {
            bytes,
            ..Outbox::default()
        };
    }

    /// Gives back memory that is not in use.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    #[inline]
    fn pending(&self) -> &[u8] {
        self.bytes.get(self.written as usize..).unwrap_or_default()
    }
}

/// Packets whose time for an answer begins when they are written.
const QUESTIONS: [PacketType; 5] = [
    PacketType::Connect,
    PacketType::Subscribe,
    PacketType::Unsubscribe,
    PacketType::PingReq,
    PacketType::Auth,
];

/// The type and the length of the first packet.
fn first(packets: &[u8]) -> Option<(PacketType, usize)> {
    match split(packets, LARGEST_PACKET) {
        Ok(Split::Packet { packet, rest }) => {
            Some((packet.packet_type(), packets.len() - rest.len()))
        }
        _ => None,
    }
}

// Bytes that were written already do not matter.

impl PartialEq for Outbox {
    fn eq(&self, other: &Self) -> bool {
        (self.pending(), self.answered) == (other.pending(), other.answered)
    }
}

impl Eq for Outbox {}

impl Hash for Outbox {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.pending(), self.answered).hash(hasher);
    }
}
