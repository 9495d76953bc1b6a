//! Packets and events in words, for sequence charts.

use std::fmt;

use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_session_fsm::codec::{Packet, ProtocolVersion, Role};

use super::observed::Observed;

/// A packet in a few words.
pub(super) struct Words<'a>(pub(super) &'a Packet<'a>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packet = self.0;
        write!(out, "{}", packet.packet_type())?;
        match packet {
            Packet::Publish(publish) => {
                write!(out, " QoS {}", publish.delivery.qos() as u8)?;
                if let Some(id) = publish.delivery.packet_identifier() {
                    write!(out, " id {id}")?;
                }
                if publish.delivery.duplicate() {
                    write!(out, " DUP")?;
                }
                let number = publish.payload.first().copied().unwrap_or(u8::MAX);
                write!(out, " message {number}")
            }
            Packet::Connect(connect) => match connect.version {
                ProtocolVersion::V3_1_1 => write!(
                    out,
                    " of MQTT 3.1.1, Clean Session {}",
                    u8::from(connect.clean_start)
                ),
                _ => write!(out, " Clean Start {}", u8::from(connect.clean_start)),
            },
            Packet::ConnAck(connack) => write!(
                out,
                " Session Present {} 0x{:02X}",
                u8::from(connack.session_present),
                connack.reason_code.to_byte()
            ),
            Packet::Disconnect(disconnect) => {
                write!(out, " 0x{:02X}", disconnect.reason_code.to_byte())
            }
            _ => {
                if let Some(id) = packet.packet_identifier() {
                    write!(out, " id {id}")?;
                }
                let code = match packet {
                    Packet::PubAck(it) => it.reason_code.to_byte(),
                    Packet::PubRec(it) => it.reason_code.to_byte(),
                    Packet::PubRel(it) => it.reason_code.to_byte(),
                    Packet::PubComp(it) => it.reason_code.to_byte(),
                    _ => 0,
                };
                if code != 0 {
                    write!(out, " 0x{code:02X}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Observed::Message { number, qos, .. } => {
                write!(out, "message {number} (QoS {}) is delivered", *qos as u8)
            }
            Observed::Outcome { token, ending } => {
                write!(out, "outcome of token {token}: {ending:?}")
            }
            Observed::Connected { session_present } => {
                write!(
                    out,
                    "connected, Session Present {}",
                    u8::from(*session_present)
                )
            }
            Observed::Connect => write!(out, "a client wants to connect"),
            Observed::Refused => write!(out, "the connection is refused"),
            Observed::Request { subscribe, .. } => {
                let what = if *subscribe {
                    "SUBSCRIBE"
                } else {
                    "UNSUBSCRIBE"
                };
                write!(out, "{what} is to be answered")
            }
            Observed::SessionEnded => write!(out, "the Session has ended"),
            Observed::Room => write!(out, "there is room again"),
            Observed::Other => write!(out, "something else"),
        }
    }
}

/// The packets in `bytes`, and how many bytes are left behind them. What cannot be decoded ends the
/// list.
pub(super) fn packets(
    version: ProtocolVersion,
    mut bytes: &[u8],
    sender: Role,
) -> impl Iterator<Item = (Packet<'_>, usize)> {
    std::iter::from_fn(move || match split(bytes, LARGEST_PACKET) {
        Ok(Split::Packet { packet, rest }) => {
            bytes = rest;
            let packet_size = packet.as_bytes().len();
            Some((packet.decode_from(version, sender).ok()?, packet_size))
        }
        _ => None,
    })
}

/// How many bytes the first packet has; all if it is not there as a whole.
pub(super) fn first_packet_len(bytes: &[u8]) -> usize {
    match split(bytes, LARGEST_PACKET) {
        Ok(Split::Packet { packet, .. }) => packet.as_bytes().len(),
        _ => bytes.len(),
    }
}
