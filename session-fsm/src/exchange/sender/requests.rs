//! The requests of a Client that have a Packet Identifier: SUBSCRIBE and UNSUBSCRIBE (sections 3.8,
//! 3.10).

use mqtt5_codec::PacketIdentifier;

use super::Sender;
use super::slots::{PendingRequest, Use};
use crate::exchange::table::{SenderAction, SenderEvent};
use crate::session::Untold;
use crate::{Instant, Token};

/// A request of a Client that is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Subscribe { filters: u32 },
    Unsubscribe { filters: u32 },
}

impl Sender {
    /// Takes an identifier for a SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn request(&mut self, request: Request, token: Token) -> Option<PacketIdentifier> {
        let position = self.slots.take()?;
        let slot = self.slots.get_mut(position)?;
        slot.run(match request {
            Request::Subscribe { .. } => SenderEvent::Subscribe,
            Request::Unsubscribe { .. } => SenderEvent::Unsubscribe,
        });
        slot.used_for = Use::Request(PendingRequest {
            request,
            token,
            due: Instant::NEVER,
        });
        let packet_identifier = slot.packet_identifier();
        self.requests.push(self.slots.all(), position);
        for first in [&mut self.request_due, &mut self.request_next] {
            if *first == 0 {
                *first = position;
            }
        }
        packet_identifier
    }

    /// Notes that this many requests were written, and must be answered by then, in the
    /// connection's reading time.
    pub(crate) fn requests_written(&mut self, count: u32, due: Instant) {
        for _ in 0..count {
            if let Some(slot) = self.slots.get_mut(self.request_next) {
                if let Some(pending) = slot.used_for.request_mut() {
                    pending.due = fault!("a request waits for ever", due, Instant::NEVER);
                }
                self.request_next = slot.following();
                self.last_request_due = due;
            }
        }
    }

    /// When the first request must be answered; never if there is none.
    pub(crate) fn next_request_due(&self) -> Instant {
        let first = self.slots.get(self.request_due);
        let pending = first.and_then(|slot| slot.used_for.request());
        pending.map_or(Instant::NEVER, |pending| pending.due)
    }

    /// Gives up the wait for the first request. Its identifier stays in use until the answer comes,
    /// or the Network Connection ends.
    pub(crate) fn time_out_request(&mut self) -> Option<Token> {
        let slot = self.slots.get_mut(self.request_due)?;
        self.request_due = slot.following();
        let pending = slot.used_for.request_mut()?;
        pending.due = Instant::NEVER;
        Some(core::mem::replace(&mut pending.token, Token::NONE))
    }

    /// No request has a later deadline than this.
    pub(crate) fn clamp_requests(&mut self, latest: Instant) {
        if self.last_request_due <= latest {
            return;
        }
        self.last_request_due = latest;
        let mut position = self.request_due;
        while position != self.request_next {
            let Some(slot) = self.slots.get_mut(position) else {
                break;
            };
            if let Some(pending) = slot.used_for.request_mut() {
                pending.due = pending.due.min(latest);
            }
            position = slot.following();
        }
    }

    /// How many answers the request is to have that this event answers; `None` if it answers none.
    pub(crate) fn filters(
        &self,
        packet_identifier: PacketIdentifier,
        event: SenderEvent,
    ) -> Option<u32> {
        let slot = self.slots.get(self.slots.find(packet_identifier)?)?;
        let (_, action) = slot.state.on(event);
        let (Request::Subscribe { filters } | Request::Unsubscribe { filters }) =
            slot.used_for.request()?.request;
        (action == SenderAction::Finish).then_some(filters)
    }

    /// The Network Connection is gone: what its requests led to will never be known. Takes the next
    /// one of which no outcome was reported.
    pub(crate) fn take_request(&mut self) -> Option<Token> {
        // A request has no body.
        let untold = &mut Untold::default();
        loop {
            let position = self.requests.first();
            self.slots
                .get_mut(position)?
                .run(SenderEvent::ConnectionEnded);
            let token = self.remove(position, untold)?;
            if token != Token::NONE {
                return Some(token);
            }
        }
    }
}
