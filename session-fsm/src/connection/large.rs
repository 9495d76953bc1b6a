//! Messages that arrive in pieces.
//!
//! A message has been received when the last byte of its payload is there. Until then the machine
//! only notes that it is arriving. If the connection is lost, nothing was acknowledged, and the
//! message comes again.

use mqtt5_codec::framing::{LargePublish, PayloadChunk, Piece, PublishHead};
use mqtt5_codec::{Delivery, Packet, Publish};

use super::Connection;
use super::incoming::Side;
use crate::event::{Event, PayloadPart};
use crate::session::Session;
use crate::{Instant, NotTaken, SessionViolation};

/// A message whose payload is arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Arriving {
    pub(crate) delivery: Delivery,
    pub(crate) retain: bool,
    /// It is not one that was handed out before.
    pub(crate) is_new: bool,
}

impl Connection {
    /// Takes the head of a message whose payload follows. Returns whether the message is new.
    /// Everything else happens when the payload is complete.
    pub(crate) fn begin_large(
        &mut self,
        session: &mut Session,
        publish: &Publish<'_>,
    ) -> Result<bool, SessionViolation> {
        self.learn_alias(publish)?;
        let (delivery, retain) = (publish.delivery, publish.retain);
        if let Some(violation) = self.unsupported(delivery.qos(), retain) {
            return Err(violation);
        }
        let is_new = delivery
            .packet_identifier()
            .is_none_or(|identifier| session.receiver.is_new(identifier, delivery.qos()));
        self.arriving = Some(Arriving {
            delivery,
            retain,
            is_new,
        });
        Ok(is_new)
    }
}

/// Takes a piece of what the peer sends.
pub(super) fn take_piece<'a, S: Side>(
    side: &'a mut S,
    now: Instant,
    piece: &'a Piece,
) -> Result<Option<Event<'a>>, NotTaken> {
    match piece {
        Piece::Frame(frame) => match frame.decode_from(side.connection().version, S::PEER) {
            Ok(packet) => side.take_packet(now, &packet),
            Err(error) => match side.other_version(&frame.raw()) {
                Some(packet) => side.take_packet(now, &packet),
                None => {
                    side.malformed(now, error);
                    Ok(None)
                }
            },
        },
        Piece::Head(head) => take_head(side, now, head),
        Piece::Payload(chunk) => Ok(take_chunk(side, now, chunk)),
    }
}

fn take_head<'a, S: Side>(
    side: &'a mut S,
    now: Instant,
    head: &'a PublishHead,
) -> Result<Option<Event<'a>>, NotTaken> {
    let large = match head.decode_from(side.connection().version, S::PEER) {
        Ok(large) => large,
        Err(error) => {
            side.malformed(now, error);
            return Ok(None);
        }
    };
    let publish = without_payload(&large);
    if !side.connection().reads() {
        // It comes too early, or too late; or is the first after the CONNACK.
        let before = Packet::Publish(publish);
        if side.connection().is_over() {
            return Ok(None);
        }
        side.prepare(&before)?;
        if !side.connection().is_open() {
            return side.take_packet(now, &before);
        }
    }
    trace_decision!(
        payload_length = large.payload_length,
        "the head of a large message is there"
    );
    side.bytes_arrived(now);
    let (connection, session) = side.parts();
    connection.liveness.read_head(now);
    let Some(session) = session else {
        return Ok(None);
    };
    let handled = connection.begin_large(session, &publish);
    let Some(()) = side.unless_failed(now, handled.map(|is_new| is_new.then_some(()))) else {
        return Ok(None);
    };
    let event = Event::LargeMessage(large);
    Ok(Some(side.connection().complete(event)))
}

fn take_chunk<'a, S: Side>(
    side: &'a mut S,
    now: Instant,
    chunk: &'a PayloadChunk,
) -> Option<Event<'a>> {
    side.bytes_arrived(now);
    let (connection, session) = side.parts();
    // A connection that is over, and a head that was refused, leave no message that is arriving.
    let arriving = connection.arriving?;
    let left = chunk.remaining > 0;
    connection.liveness.read_payload(chunk.bytes.len(), left);
    let mut receipt = None;
    if chunk.remaining == 0 {
        trace_decision!("the last part of a large message is there");
        connection.arriving = None;
        let handled = connection.receive_plain(session?, arriving.delivery, arriving.retain);
        receipt = side.unless_failed(now, handled)?;
    }
    arriving.is_new.then_some(Event::Payload(PayloadPart {
        bytes: &chunk.bytes,
        remaining: chunk.remaining,
        receipt,
    }))
}

fn without_payload<'a>(large: &LargePublish<'a>) -> Publish<'a> {
    Publish {
        delivery: large.delivery,
        retain: large.retain,
        topic: large.topic,
        properties: large.properties,
        payload: &[],
    }
}
