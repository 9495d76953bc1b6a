//! Incoming packets: one road for every packet, for both sides.
//!
//! [`Side::take`] takes bytes, and [`Side::take_packet`] takes packets that were decoded elsewhere.
//! Earlier events are reported before a packet is taken. While the connection opens, a packet is
//! decoded and goes to [`Side::opening`]. Once it is open, nine of ten packets are acknowledgements
//! with Success or messages without properties: these are taken as they are. All others are decoded
//! and go to [`Side::step`].
//!
//! [`Packet`] and [`Event`] are large, so neither is built for an acknowledgement:
//! [`Side::take_acknowledgements`] is inlined into the caller of `receive`. Out of line, an
//! exchange with QoS 1 takes a Client 177 instructions more, of 1,562.

mod first_byte;

use mqtt5_codec::framing::{Piece, RawPacket, Split, split};
use mqtt5_codec::internal::{decode_plain_publish, split_acknowledgement};
use mqtt5_codec::{DecodeError, Packet, PacketIdentifier, PacketType, Publish, Role, Violation};

use super::large::take_piece;
use super::{Connection, Handled};
use crate::event::{Delivered, Event};
use crate::session::Session;
use crate::{Instant, NotTaken, Outcome, PeerError, Receipt, SessionViolation, Token};

/// A machine that takes packets.
pub(crate) trait Side {
    /// Whose packets they are.
    const PEER: Role;

    fn connection(&self) -> &Connection;

    /// The Session is there once the connection is open.
    fn parts(&mut self) -> (&mut Connection, Option<&mut Session>);

    /// Whether the caller has to decide about a CONNECT first.
    fn is_deciding(&self) -> bool;

    /// Looks at a packet that may open the connection. Returns whether the packet ended a Session,
    /// which must be reported before it is taken.
    fn ends_session(&mut self, packet: &Packet<'_>) -> bool;

    /// Translates a packet of another version of MQTT.
    fn other_version(&self, packet: &RawPacket<'_>) -> Option<Packet<'static>>;

    /// Whether a CONNECT has come.
    fn has_connect(&self) -> bool;

    /// A packet before the connection is open.
    fn opening<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a>;

    /// A packet that the other side alone sends.
    fn open<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a>;

    /// Packet Identifiers can be used that could not before.
    fn identifiers_released(&mut self) {}

    /// The peer sent bytes that are not a packet.
    fn malformed(&mut self, now: Instant, error: DecodeError);

    /// The peer broke a rule.
    fn fail(&mut self, now: Instant, error: PeerError);

    /// Takes acknowledgements with Success and no properties off the front of the input, until one
    /// of them ends an exchange. Returns the token of the message and the type of the packet.
    #[inline(always)]
    fn take_acknowledgements(
        &mut self,
        now: Instant,
        offered: usize,
        input: &mut &[u8],
    ) -> Option<(Token, PacketType)> {
        while self.connection().reads() && !self.is_held_up() {
            let Some((packet_type, packet_identifier, rest)) = split_acknowledgement(input) else {
                break;
            };
            if input.len() - rest.len() > self.connection().own.maximum_packet_size as usize {
                break;
            }
            trace_packets!(
                self.connection().version,
                "received",
                &input[..input.len() - rest.len()]
            );
            *input = rest;
            if let Some(token) = self.success(now, packet_type, packet_identifier) {
                self.has_read(now, offered, input);
                return Some((token, packet_type));
            }
        }
        if input.is_empty() {
            self.has_read(now, offered, input);
        }
        None
    }

    /// Takes packets off the front of the input until one of them yields an event. `offered` is the
    /// length of the input at first.
    #[inline(always)]
    fn take<'a, 'input: 'a>(
        &'a mut self,
        now: Instant,
        offered: usize,
        input: &mut &'input [u8],
    ) -> Option<Event<'a>> {
        loop {
            if !self.connection().reads() || self.is_held_up() {
                match self.before_reading(input) {
                    Before::Packet => {}
                    Before::Event(event) => {
                        self.has_read(now, offered, input);
                        return Some(event);
                    }
                    Before::Nothing => {
                        self.has_read(now, offered, input);
                        return None;
                    }
                }
            }
            if !self.connection().reads() {
                match self.take_opening(now, input) {
                    Taken::Event(event) => {
                        self.has_read(now, offered, input);
                        return Some(event);
                    }
                    Taken::Nothing => continue,
                    Taken::Incomplete => {
                        self.has_read_part(now, offered, input);
                        return None;
                    }
                }
            }
            // [MQTT3-4.8.0-2]
            let maximum_packet_size = fault!(
                "MQTT3-4.8.0-2",
                self.connection().own.maximum_packet_size,
                u32::MAX
            );
            let packet = match split(input, maximum_packet_size) {
                Ok(Split::Packet { packet, rest }) => {
                    trace_packets!(self.connection().version, "received", packet.as_bytes());
                    *input = rest;
                    packet
                }
                Ok(Split::Incomplete { .. }) if self.refuses_first_byte(now, input) => continue,
                Ok(Split::Incomplete { .. }) => {
                    self.has_read_part(now, offered, input);
                    return None;
                }
                Err(error) => {
                    let version = self.connection().version;
                    self.malformed(now, error.in_version(version).sent_by(Self::PEER));
                    continue;
                }
            };
            if let Some(publish) = decode_plain_publish(self.connection().version, &packet) {
                let (connection, session) = self.parts();
                let handled = session.map_or(Ok(None), |session| {
                    connection.receive_plain(session, publish.delivery, publish.retain)
                });
                if let Some(receipt) = self.unless_failed(now, handled) {
                    self.has_read(now, offered, input);
                    return Some(Event::Message(Delivered { publish, receipt }));
                }
            } else if let Some(event) = self.decode(now, &packet) {
                self.has_read(now, offered, input);
                return Some(self.connection().complete(event));
            }
            if let Some((token, packet_type)) = self.take_acknowledgements(now, offered, input) {
                return Some(Event::Outcome(token, Outcome::success(packet_type)));
            }
            if input.is_empty() {
                return None;
            }
        }
    }

    /// While the connection opens: takes a packet off the front of the input.
    #[inline(never)]
    fn take_opening<'input>(&mut self, now: Instant, input: &mut &'input [u8]) -> Taken<'input> {
        if self.refuses_first_byte(now, input) {
            return Taken::Nothing;
        }
        let packet = match split(input, self.connection().largest_opening_packet()) {
            Ok(Split::Packet { packet, rest }) => {
                if self.opens_anew(&packet) {
                    return Taken::Nothing;
                }
                trace_packets!(self.connection().version, "received", packet.as_bytes());
                *input = rest;
                packet
            }
            Ok(Split::Incomplete { .. }) => return Taken::Incomplete,
            Err(error) if error.violation() == Violation::PacketTooLarge => {
                return self.too_large(now, error, input);
            }
            Err(error) => {
                let version = self.connection().version;
                self.malformed(now, error.in_version(version).sent_by(Self::PEER));
                return Taken::Nothing;
            }
        };
        self.decode(now, &packet)
            .map_or(Taken::Nothing, Taken::Event)
    }

    /// While the connection opens: the packet at the front of the input is too large.
    fn too_large(&mut self, now: Instant, error: DecodeError, _: &[u8]) -> Taken<'static> {
        let version = self.connection().version;
        self.malformed(now, error.in_version(version).sent_by(Self::PEER));
        Taken::Nothing
    }

    /// Notes that `left` remains of `offered` bytes, and that no packet is incomplete.
    #[inline(always)]
    fn has_read(&mut self, now: Instant, offered: usize, left: &[u8]) {
        self.parts().0.liveness.read(now, offered, left.len());
    }

    /// Notes that `left` remains of `offered` bytes, the beginning of a packet.
    fn has_read_part(&mut self, now: Instant, offered: usize, left: &[u8]) {
        self.parts().0.liveness.read_part(now, offered, left.len());
    }

    /// A packet that was split and decoded elsewhere.
    fn take_packet<'a>(
        &'a mut self,
        now: Instant,
        packet: &Packet<'a>,
    ) -> Result<Option<Event<'a>>, NotTaken> {
        self.bytes_arrived(now);
        if !self.connection().reads() || self.is_held_up() {
            if self.connection().is_over() {
                return Ok(None);
            }
            let prepared = self.prepare(packet);
            if fault!("handle loses packets") && prepared.is_err() {
                return Ok(None);
            }
            prepared?;
        }
        trace_packet!(self.connection().version, "received", packet);
        let event = self.step(now, packet);
        Ok(event.map(|event| self.connection().complete(event)))
    }

    /// A piece of a packet that was split elsewhere.
    fn take_piece<'a>(
        &'a mut self,
        now: Instant,
        piece: &'a Piece,
    ) -> Result<Option<Event<'a>>, NotTaken>
    where
        Self: Sized,
    {
        take_piece(self, now, piece)
    }

    /// Ends the connection if the packet that begins here cannot be right. It need not be whole.
    #[inline(never)]
    fn refuses_first_byte(&mut self, now: Instant, input: &[u8]) -> bool {
        let error = input.first().and_then(|&first_byte| {
            first_byte::error(self.connection(), self.has_connect(), first_byte)
        });
        match error {
            Some(PeerError::Packet(error)) => self.malformed(now, error),
            Some(error) => self.fail(now, error),
            None => {}
        }
        error.is_some()
    }

    /// Whether something must be reported or written before the next packet is read, so that
    /// neither events nor answers pile up.
    #[inline(always)]
    fn is_held_up(&mut self) -> bool {
        let (connection, session) = self.parts();
        connection.is_congested() || session.is_some_and(|session| session.has_notices())
    }

    /// While no packets are read: what comes before the next one.
    #[inline(never)]
    fn before_reading(&mut self, input: &mut &[u8]) -> Before {
        let is_deciding = self.is_deciding();
        let (connection, session) = self.parts();
        if connection.is_over() {
            *input = &[];
        }
        if input.is_empty() {
            return Before::Nothing;
        }
        connection.unread.set();
        if is_deciding || connection.is_congested() {
            return Before::Nothing;
        }
        if let Some(event) = session.and_then(Session::take_notice) {
            return Before::Event(event);
        }
        connection.start_reading();
        Before::Packet
    }

    /// Checks whether a packet from another splitter may be taken.
    #[inline(never)]
    fn prepare(&mut self, packet: &Packet<'_>) -> Result<(), NotTaken> {
        let is_deciding = self.is_deciding();
        let (connection, session) = self.parts();
        connection.unread.set();
        if is_deciding {
            return Err(NotTaken::Undecided);
        }
        if connection.is_congested() {
            return Err(NotTaken::EventsFirst);
        }
        if session.is_some_and(|session| session.has_notices()) || self.ends_session(packet) {
            return Err(NotTaken::EventsFirst);
        }
        self.parts().0.start_reading();
        Ok(())
    }

    /// Whether a packet was the CONNACK of a new Session, so that the end of the earlier one must
    /// be reported first.
    fn opens_anew(&mut self, packet: &RawPacket<'_>) -> bool {
        let packet = packet.decode_from(self.connection().version, Self::PEER);
        packet.is_ok_and(|packet| self.ends_session(&packet))
    }

    /// Notes that bytes arrived that [`Side::take`] does not see.
    fn bytes_arrived(&mut self, now: Instant) {
        let (connection, session) = self.parts();
        connection.observe(session, now);
        connection.liveness.hear(now);
    }

    /// Decodes a packet and takes it.
    #[inline(never)]
    fn decode<'a>(&mut self, now: Instant, packet: &RawPacket<'a>) -> Option<Event<'a>> {
        match packet.decode_from(self.connection().version, Self::PEER) {
            Ok(packet) => self.step(now, &packet),
            Err(error) => {
                if let Some(packet) = self.other_version(packet) {
                    return self.step(now, &packet);
                }
                self.malformed(now, error);
                None
            }
        }
    }

    fn step<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Option<Event<'a>> {
        let is_exchange = matches!(
            packet,
            Packet::Publish(_)
                | Packet::PubAck(_)
                | Packet::PubRec(_)
                | Packet::PubRel(_)
                | Packet::PubComp(_)
        );
        if !(is_exchange && self.connection().is_open())
            && self.refuses_first_byte(now, &[packet.packet_type().first_byte()])
        {
            return None;
        }
        let (connection, session) = self.parts();
        let handled = match (packet, session) {
            _ if !connection.is_open() => self.opening(now, packet),
            (Packet::Publish(publish), Some(session)) => {
                let receipt = connection.receive_publish(session, publish);
                receipt.map(|receipt| receipt.map(|receipt| message(publish, receipt)))
            }
            (
                Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubRel(_) | Packet::PubComp(_),
                Some(session),
            ) => connection.receive_exchange(session, packet),
            _ => self.open(now, packet),
        };
        if matches!((packet, &handled), (Packet::PubComp(_), Ok(None))) {
            self.identifiers_released();
        }
        self.unless_failed(now, handled)
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP with Success: the token, if the exchange is over.
    #[inline(never)]
    fn success(
        &mut self,
        now: Instant,
        packet_type: PacketType,
        packet_identifier: PacketIdentifier,
    ) -> Option<Token> {
        let (connection, session) = self.parts();
        let handled = connection.receive_success(session?, packet_type, packet_identifier);
        let token = self.unless_failed(now, handled);
        if token.is_none() && packet_type == PacketType::PubComp {
            self.identifiers_released();
        }
        token
    }

    #[inline]
    fn unless_failed<T>(
        &mut self,
        now: Instant,
        handled: Result<Option<T>, SessionViolation>,
    ) -> Option<T> {
        match handled {
            Ok(handled) => handled,
            // [MQTT3-4.8.0-1]
            Err(_) if fault!("MQTT-4.13.1-1") => None,
            Err(violation) => {
                self.fail(now, violation.into());
                None
            }
        }
    }
}

/// What comes before the next packet.
pub(crate) enum Before {
    /// Nothing: the packet can be taken.
    Packet,
    /// This event must be reported first.
    Event(Event<'static>),
    /// There is no packet, or it has to wait.
    Nothing,
}

/// The result for the front of the input.
pub(crate) enum Taken<'input> {
    /// A packet was taken.
    Event(Event<'input>),
    /// There may be more to take.
    Nothing,
    /// A packet ends behind the input.
    Incomplete,
}

fn message<'a>(publish: &Publish<'a>, receipt: Option<Receipt>) -> Event<'a> {
    Event::Message(Delivered {
        publish: *publish,
        receipt,
    })
}
