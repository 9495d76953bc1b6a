//! With the feature `tracing`: one line for each packet and each decision, as
//! [`guide::tracing`](crate::guide::tracing) lists them. Without it, the macros expand to nothing.
//!
//! A line has types, numbers and sentences of this crate. It has no text and no bytes of a packet,
//! so no payload, password or authentication data.

/// A decision of a machine.
macro_rules! trace_decision {
    ($($line:tt)+) => {{
        #[cfg(feature = "tracing")]
        ::tracing::debug!(target: "mqtt5_session_fsm", $($line)+);
    }};
}

/// Whole packets, one behind the other: `"sent"` or `"received"`.
macro_rules! trace_packets {
    ($version:expr, $direction:literal, $packets:expr) => {{
        #[cfg(feature = "tracing")]
        $crate::trace::packets($version, $direction, $packets);
        #[cfg(not(feature = "tracing"))]
        let _ = $version;
    }};
}

/// A packet that is not there as bytes.
macro_rules! trace_packet {
    ($version:expr, $direction:literal, $packet:expr) => {{
        #[cfg(feature = "tracing")]
        $crate::trace::packet($direction, $packet, $packet.encoded_len($version).ok());
    }};
}

/// A PUBLISH that was sent, with its size in bytes.
macro_rules! trace_publish {
    ($delivery:expr, $retain:expr, $size:expr) => {{
        #[cfg(feature = "tracing")]
        $crate::trace::publish("sent", $delivery, $retain, $size);
    }};
}

/// What the next `poll` reports.
macro_rules! trace_notice {
    ($notice:expr) => {{
        #[cfg(feature = "tracing")]
        $crate::trace::notice(&$notice);
    }};
}

#[cfg(feature = "tracing")]
pub(crate) use lines::{notice, packet, packets, publish};

#[cfg(feature = "tracing")]
mod lines {
    use ::tracing::trace;
    use mqtt5_codec::framing::{LARGEST_PACKET, Split, split};
    use mqtt5_codec::{Delivery, Packet, PacketIdentifier, PacketType, ProtocolVersion};

    use crate::session::Notice;

    pub(crate) fn packets(version: ProtocolVersion, direction: &'static str, mut packets: &[u8]) {
        while let Ok(Split::Packet { packet: raw, rest }) = split(packets, LARGEST_PACKET) {
            packets = rest;
            let size = raw.as_bytes().len();
            match raw.decode(version) {
                Ok(decoded) => packet(direction, &decoded, Some(size)),
                Err(_) => {
                    let packet = ::tracing::field::display(raw.packet_type());
                    trace!(target: "mqtt5_session_fsm", packet, size, "{direction}");
                }
            }
        }
    }

    pub(crate) fn packet(direction: &'static str, packet: &Packet<'_>, size: Option<usize>) {
        if let Packet::Publish(message) = packet {
            publish(direction, message.delivery, message.retain, size);
            return;
        }
        let packet_identifier = packet.packet_identifier().map(PacketIdentifier::get);
        let reason_code = match packet {
            Packet::ConnAck(packet) => Some(packet.reason_code),
            Packet::PubAck(packet) => Some(packet.reason_code),
            Packet::PubRec(packet) => Some(packet.reason_code),
            Packet::PubRel(packet) => Some(packet.reason_code),
            Packet::PubComp(packet) => Some(packet.reason_code),
            Packet::Disconnect(packet) => Some(packet.reason_code),
            Packet::Auth(packet) => Some(packet.reason_code),
            _ => None,
        };
        let reason_code = reason_code.map(::tracing::field::display);
        let packet = ::tracing::field::display(packet.packet_type());
        trace!(
            target: "mqtt5_session_fsm",
            packet, packet_identifier, reason_code, size, "{direction}"
        );
    }

    pub(crate) fn publish(
        direction: &'static str,
        delivery: Delivery,
        retain: bool,
        size: Option<usize>,
    ) {
        let packet = ::tracing::field::display(PacketType::Publish);
        let packet_identifier = delivery.packet_identifier().map(PacketIdentifier::get);
        let (qos, duplicate) = (delivery.qos() as u8, delivery.duplicate());
        trace!(
            target: "mqtt5_session_fsm",
            packet, packet_identifier, qos, duplicate, retain, size, "{direction}"
        );
    }

    pub(crate) fn notice(notice: &Notice) {
        match *notice {
            Notice::Outcome(token, ending) => {
                let token = token.number();
                trace_decision!(token, outcome = ?ending, "the outcome is known without an answer");
            }
            Notice::Overdue(token) => {
                trace_decision!(
                    token = token.number(),
                    "the deadline of a sent message passed"
                );
            }
            Notice::UnknownIdentifier(packet_type, packet_identifier) => {
                let packet_identifier = packet_identifier.get();
                trace_decision!(packet = %packet_type, packet_identifier, "no exchange has this Packet Identifier");
            }
            Notice::Will(_) => trace_decision!("the Will Message is due"),
            Notice::SessionEndsWithConnection => {
                trace_decision!("the Session will end with its Network Connection");
            }
            Notice::SessionEnded => trace_decision!("the Session ended"),
        }
    }
}
