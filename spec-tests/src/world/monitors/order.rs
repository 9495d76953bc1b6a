//! What comes first, what comes last, and what comes again, on one Network Connection.

use mqtt5_session_fsm::codec::{Packet, Publish};

use super::Verdict;
use super::connection::Seen;
use crate::world::application::Record;
use crate::world::observed::Observed;

/// [`Rule::FirstPacket`](super::Rule::FirstPacket): CONNECT or CONNACK was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FirstPacket {
    pub(crate) opened: bool,
}

impl FirstPacket {
    pub(super) fn sent(&mut self, packet: &Packet<'_>, seen: &Seen<'_>) -> Verdict {
        let is_opening = matches!(packet, Packet::Connect(_) | Packet::ConnAck(_));
        let was_opened = std::mem::replace(&mut self.opened, true);
        Verdict::holds(is_opening != was_opened, || {
            format!("{} sends {}", seen.side.name(), packet.packet_type())
        })
    }
}

/// [`Rule::NothingAfter`](super::Rule::NothingAfter): DISCONNECT, or a CONNACK that refuses, was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct NothingAfter {
    closed: bool,
}

impl NothingAfter {
    pub(super) fn sent(&mut self, packet: &Packet<'_>, seen: &Seen<'_>) -> Verdict {
        if self.closed {
            let (side, packet_type) = (seen.side.name(), packet.packet_type());
            return Verdict::Broken(format!("{side} sends {packet_type} at the end"));
        }
        self.closed = match packet {
            Packet::ConnAck(connack) => connack.reason_code.is_error(),
            Packet::Disconnect(_) => true,
            _ => false,
        };
        match packet {
            Packet::Disconnect(_) => Verdict::Armed,
            _ => Verdict::Idle,
        }
    }
}

/// [`Rule::NothingOfTheDead`](super::Rule::NothingOfTheDead).
pub(super) fn nothing_of_the_dead(packet: &Packet<'_>, seen: &Seen<'_>) -> Verdict {
    match packet {
        Packet::PubAck(_) | Packet::PubRec(_) if seen.is_later => Verdict::Armed,
        Packet::Publish(publish) => match seen.flow.message_of(publish) {
            (_, Some(_)) => Verdict::Idle,
            (number, None) => {
                Verdict::Broken(format!("message {number} is sent, which nobody published"))
            }
        },
        Packet::Subscribe(_) | Packet::Unsubscribe(_) if !seen.flow.has_unsent_request() => {
            Verdict::Broken(format!("nobody asked for a {}", packet.packet_type()))
        }
        _ => Verdict::Idle,
    }
}

/// The PUBLISH with QoS 1 or 2 that was sent last, by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LastPublish(Option<u8>);

impl LastPublish {
    /// [`Rule::NoResend`](super::Rule::NoResend).
    pub(super) fn no_resend(self, number: u8) -> Verdict {
        Verdict::holds(self.0 != Some(number), || {
            format!("message {number} is sent twice on one connection")
        })
    }

    /// [`Rule::SendOrder`](super::Rule::SendOrder): numbers ascend.
    pub(super) fn send_order(&mut self, number: u8) -> Verdict {
        match self.0.replace(number) {
            Some(last) => Verdict::holds(last < number, || {
                format!("message {number} is sent after message {last}")
            }),
            None => Verdict::Idle,
        }
    }
}

/// [`Rule::NotAfterRelease`](super::Rule::NotAfterRelease).
pub(super) fn not_after_release(number: u8, record: &Record) -> Verdict {
    Verdict::holds(!record.released, || {
        format!("message {number} is sent after its PUBREC")
    })
}

/// [`Rule::FirstDup`](super::Rule::FirstDup).
pub(super) fn first_dup(publish: &Publish<'_>, number: u8, record: &Record) -> Verdict {
    if record.transmitted {
        return Verdict::Idle;
    }
    let duplicate = publish.delivery.duplicate();
    Verdict::holds(!duplicate || record.restored, || {
        format!("message {number} has DUP 1")
    })
}

/// [`Rule::AgainDup`](super::Rule::AgainDup).
pub(super) fn again_dup(publish: &Publish<'_>, number: u8, record: &Record) -> Verdict {
    if !record.transmitted {
        return Verdict::Idle;
    }
    Verdict::holds(publish.delivery.duplicate(), || {
        format!("message {number} has DUP 0")
    })
}

/// [`Rule::EventOrder`](super::Rule::EventOrder): the host has heard of something that came on this connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct EventOrder {
    heard: bool,
}

impl EventOrder {
    pub(crate) fn observed(&mut self, observed: Observed, is_open: bool) -> Verdict {
        match observed {
            Observed::Message { .. } | Observed::Request { .. } => {
                self.heard = true;
                Verdict::Idle
            }
            Observed::SessionEnded if is_open => Verdict::holds(!self.heard, || {
                "the end of a Session comes after something that the next one brought".to_owned()
            }),
            _ => Verdict::Idle,
        }
    }
}
