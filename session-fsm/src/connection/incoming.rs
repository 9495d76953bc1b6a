//! What both sides do alike with what comes in.

mod first_byte;

use mqtt5_codec::framing::{RawPacket, Split, split};
use mqtt5_codec::{DecodeError, Delivery, Packet, PacketIdentifier, PacketType, Publish, Role};

use crate::connection::{Connection, Handled};
use crate::event::{Delivered, Event};
use crate::session::Session;
use crate::{Instant, NotTaken, Outcome, PeerError, Receipt, SessionViolation, Token};

/// A machine, as far as packets come to it.
pub(crate) trait Side {
    /// Whose packets they are.
    const PEER: Role;

    fn connection(&self) -> &Connection;

    /// The Session is there once the connection is open.
    fn parts(&mut self) -> (&mut Connection, Option<&mut Session>);

    /// Whether the caller has to decide about a CONNECT first.
    fn is_deciding(&self) -> bool;

    /// Looks at a packet that may open the connection. Whether the packet ended a Session, which has to be reported
    /// before it is taken.
    fn ends_session(&mut self, packet: &Packet<'_>) -> bool;

    /// What a peer of another version means by a packet that is none of MQTT 5.
    fn other_version(&self, packet: &RawPacket<'_>) -> Option<Packet<'static>>;

    /// Whether a CONNECT has come.
    fn has_connect(&self) -> bool;

    /// A packet before the connection is open.
    fn opening<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a>;

    /// A packet that the other side alone sends.
    fn open<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a>;

    /// The peer sent what is no packet.
    fn reject(&mut self, now: Instant, error: DecodeError);

    /// The peer broke a rule.
    fn fail(&mut self, now: Instant, error: PeerError);

    /// Takes acknowledgements that say Success and no more off the front of the input, until one of them
    /// ends an exchange. They go the shortest way: no `Packet` is made of them.
    #[inline(always)]
    fn take_acknowledgements(
        &mut self,
        now: Instant,
        input: &mut &[u8],
    ) -> Option<(PacketType, Token)> {
        while self.connection().reads() && !self.is_held_up() {
            let (packet_type, packet_identifier) =
                self.connection().split_acknowledgement(input)?;
            if let Some(token) = self.acknowledged(now, packet_type, packet_identifier) {
                return Some((packet_type, token));
            }
        }
        None
    }

    /// Takes packets off the input until one of them yields an event. `offered` is the length of the input at first.
    #[inline(always)]
    fn take<'a, 'input: 'a>(
        &'a mut self,
        now: Instant,
        offered: usize,
        input: &mut &'input [u8],
    ) -> Option<Event<'a>> {
        let mut event = loop {
            let mut reads = self.connection().reads();
            if !reads || self.is_held_up() {
                match self.before_reading(input) {
                    Before::Event(event) => {
                        self.has_read(now, offered, input);
                        return Some(event);
                    }
                    Before::Nothing => {
                        self.has_read(now, offered, input);
                        return None;
                    }
                    Before::Packet if reads => {}
                    Before::Packet => {
                        reads = self.connection().reads();
                        if self.refuses_first_byte(now, input) {
                            continue;
                        }
                    }
                }
            }
            let packet = match split(input, self.connection().largest_packet(reads)) {
                Ok(Split::Packet { packet, rest }) => {
                    if !reads && self.opens_anew(&packet) {
                        continue;
                    }
                    *input = rest;
                    packet
                }
                Ok(Split::Incomplete { .. }) if !self.refuses_first_byte(now, input) => {
                    let liveness = &mut self.parts().0.liveness;
                    liveness.read_part(now, offered, input.len());
                    return None;
                }
                Ok(Split::Incomplete { .. }) => continue,
                Err(error) => {
                    self.reject(now, error.sent_by(Self::PEER));
                    continue;
                }
            };
            // The second shortest way.
            let publish = if reads {
                packet.decode_plain_publish()
            } else {
                None
            };
            if let Some(publish) = publish {
                if let Some(receipt) = self.plain_message(now, publish.delivery, publish.retain) {
                    self.has_read(now, offered, input);
                    return Some(Event::Message(Delivered { publish, receipt }));
                }
            } else if let Some(event) = self.decode(now, &packet) {
                break event;
            }
            if let Some((packet_type, token)) = self.take_acknowledgements(now, input) {
                self.has_read(now, offered, input);
                return Some(Event::Outcome(token, Outcome::success(packet_type)));
            }
        };
        self.has_read(now, offered, input);
        self.connection().complete(&mut event);
        Some(event)
    }

    /// Notes that `left` remains of `offered` bytes, and that no packet is incomplete.
    #[inline(always)]
    fn has_read(&mut self, now: Instant, offered: usize, left: &[u8]) {
        self.parts().0.liveness.read(now, offered, left.len());
    }

    /// A packet that was split and decoded elsewhere.
    #[inline(always)]
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
        let mut event = self.step(now, packet);
        if let Some(event) = &mut event {
            self.connection().complete(event);
        }
        Ok(event)
    }

    /// Ends the connection if the packet that begins here cannot be right. It need not be whole.
    #[inline(never)]
    fn refuses_first_byte(&mut self, now: Instant, input: &[u8]) -> bool {
        let error = input.first().and_then(|&first_byte| {
            first_byte::error(self.connection(), self.has_connect(), first_byte)
        });
        match error {
            Some(PeerError::Packet(error)) => self.reject(now, error),
            Some(error) => self.fail(now, error),
            None => {}
        }
        error.is_some()
    }

    /// Whether something has to be reported, or written, before the next packet is read. So neither what a packet
    /// leaves to be reported nor the answers to packets pile up.
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

    /// Whether the packet may be taken that another splitter has found.
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

    /// Whether a packet was the CONNACK of a new Session, so that the end of the one before is to be reported first.
    #[inline(never)]
    fn opens_anew(&mut self, packet: &RawPacket<'_>) -> bool {
        let packet = packet.decode_from(Self::PEER);
        packet.is_ok_and(|packet| self.ends_session(&packet))
    }

    /// Bytes arrived that do not come to [`Side::take`].
    fn bytes_arrived(&mut self, now: Instant) {
        let (connection, session) = self.parts();
        connection.observe(session, now);
        connection.liveness.hear(now);
    }

    /// A packet that has to be looked at more closely.
    #[inline(never)]
    fn decode<'a>(&mut self, now: Instant, packet: &RawPacket<'a>) -> Option<Event<'a>> {
        match packet.decode_from(Self::PEER) {
            Ok(packet) => self.step(now, &packet),
            Err(error) => {
                if let Some(packet) = self.other_version(packet) {
                    return self.step(now, &packet);
                }
                self.reject(now, error);
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
            && self.refuses_first_byte(now, &[first_byte::of(packet)])
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
        self.unless_failed(now, handled)
    }

    /// A message without properties: whether it is to be handed to the application, and with which
    /// receipt.
    fn plain_message(
        &mut self,
        now: Instant,
        delivery: Delivery,
        retain: bool,
    ) -> Option<Option<Receipt>> {
        let (connection, session) = self.parts();
        let handled = connection.receive_plain(session?, delivery, retain);
        self.unless_failed(now, handled)
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP with Success: the token, if the exchange is over.
    #[inline(never)]
    fn acknowledged(
        &mut self,
        now: Instant,
        packet_type: PacketType,
        packet_identifier: PacketIdentifier,
    ) -> Option<Token> {
        let (connection, session) = self.parts();
        let handled = connection.receive_success(session?, packet_type, packet_identifier);
        self.unless_failed(now, handled)
    }

    #[inline]
    fn unless_failed<T>(
        &mut self,
        now: Instant,
        handled: Result<Option<T>, SessionViolation>,
    ) -> Option<T> {
        match handled {
            Ok(handled) => handled,
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
    /// This has to be reported first.
    Event(Event<'static>),
    /// There is no packet, or it has to wait.
    Nothing,
}

fn message<'a>(publish: &Publish<'a>, receipt: Option<Receipt>) -> Event<'a> {
    Event::Message(Delivered {
        publish: *publish,
        receipt,
    })
}
