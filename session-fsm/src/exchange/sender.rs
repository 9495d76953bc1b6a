//! The sender half: the messages and requests that have a Packet Identifier, and their order (sections
//! 2.2.1, 4.3, 4.4, 4.6, 4.9).

mod equality;
#[cfg(mqtt5_faults)]
mod faults;
mod slots;

use mqtt5_codec::{Delivery, PacketIdentifier, Qos};

use self::slots::{PendingRequest, Slot, Slots, Use};
use super::table::{SenderAction, SenderEvent, SenderState};
use crate::exchange::linked_list::List;
use crate::session::{MessageState, QueuedMessage, Unsettled, UnsettledKind, message_expiry};
use crate::{Instant, Token};

/// A request of a Client that is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Subscribe { filters: u32 },
    Unsubscribe { filters: u32 },
}

/// A message in flight that was forgotten, because it cannot be sent.
pub(crate) struct GivenUp {
    pub(crate) packet_identifier: PacketIdentifier,
    pub(crate) token: Token,
    /// It was sent, on this Network Connection or an earlier one.
    pub(crate) sent_before: bool,
    /// The identifier is not used again before the Session ends.
    pub(crate) is_lost: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Sender {
    slots: Slots,
    /// Messages of which PUBLISH is unacknowledged, in the order of their first sending.
    publishing: List,
    /// Messages of which PUBREL is unacknowledged, in the order in which PUBREC came.
    releasing: List,
    requests: List,
    /// The position of the first request of which the deadline has not passed, and of the first that was not
    /// written; 0 for none. All behind it are alike.
    request_due: u16,
    request_next: u16,
    /// The deadline of the last one that was written.
    last_request_due: Instant,
    /// The positions of the first of `publishing` and of `releasing` that was not sent on this Network
    /// Connection; 0 for none. All behind it were not sent, either.
    publish_next: u16,
    release_next: u16,
    /// Messages that count against the peer's Receive Maximum on this Network Connection.
    outstanding: u16,
    /// The bytes of the messages in flight that are still stored.
    bytes: usize,
}

impl Sender {
    /// How many messages are in flight, sent on this Network Connection or not.
    #[inline]
    pub(crate) const fn in_flight(&self) -> u16 {
        self.publishing.len() + self.releasing.len()
    }

    /// The bytes of the messages in flight that are still stored: those of which PUBLISH is unacknowledged.
    #[inline]
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The state of an identifier, as far as messages go.
    pub(crate) fn state(&self, packet_identifier: PacketIdentifier) -> SenderState {
        let slot = self.slots.find(packet_identifier);
        let slot = slot.and_then(|position| self.slots.get(position));
        slot.map_or(SenderState::Free, |slot| slot.used_for.state())
    }

    /// Whether an identifier is left.
    #[inline]
    pub(crate) fn has_identifier(&self) -> bool {
        self.slots.has_identifier()
    }

    /// Puts a message in flight. It is sent by [`Sender::next_publish`].
    #[inline]
    pub(crate) fn publish(&mut self, queued: QueuedMessage) -> Option<PacketIdentifier> {
        let position = self.slots.take()?;
        self.place(position, queued, false)
    }

    #[inline]
    fn place(
        &mut self,
        position: u16,
        queued: QueuedMessage,
        sent_before: bool,
    ) -> Option<PacketIdentifier> {
        let slot = self.slots.get_mut(position)?;
        self.bytes += queued.size();
        slot.used_for = Use::Publish(queued);
        slot.sent_before = sent_before;
        slot.sent = false;
        let packet_identifier = slot.packet_identifier();
        self.publishing.push(self.slots.all(), position);
        if self.publish_next == 0 {
            self.publish_next = position;
        }
        packet_identifier
    }

    /// An acknowledgement of a message came: what to do, and the message's token if its exchange is
    /// over.
    #[inline]
    pub(crate) fn acknowledge(
        &mut self,
        packet_identifier: PacketIdentifier,
        event: SenderEvent,
    ) -> (SenderAction, Option<Token>) {
        let position = self.slots.find(packet_identifier).unwrap_or_default();
        let state = match self.slots.get(position) {
            // It is not for a message that was never written.
            Some(slot) if slot.is_unsent() => SenderState::Free,
            Some(slot) if slot.used_for.request().is_some() => {
                return (SenderAction::WrongKind, None);
            }
            Some(slot) => slot.used_for.state(),
            None => SenderState::Free,
        };
        let (next, action) = state.on(event);
        match action {
            SenderAction::Finish if fault!("MQTT-4.4.0-2") && event == SenderEvent::PubRecError => {
                (SenderAction::Nothing, None)
            }
            SenderAction::Release if fault!("PUBREC completes") => {
                (SenderAction::Finish, self.finish(position))
            }
            SenderAction::Finish => (action, self.finish(position)),
            SenderAction::Release => {
                debug_assert_eq!(next, SenderState::WaitPubComp);
                self.release(position);
                (action, None)
            }
            _ => (action, None),
        }
    }

    /// The exchange is over: frees the identifier.
    #[inline(always)]
    fn finish(&mut self, position: u16) -> Option<Token> {
        let token = self.unlist(position)?;
        self.slots.vacate(position);
        Some(token)
    }

    /// Takes a slot out of the list that it is in.
    #[inline]
    fn unlist(&mut self, position: u16) -> Option<Token> {
        let slot = self.slots.get(position)?;
        let following = slot.following();
        let list = match &slot.used_for {
            Use::Vacant => return None,
            Use::Publish(queued) => {
                if self.publish_next == position {
                    self.publish_next = following;
                }
                self.bytes -= queued.size();
                // What was not sent on this connection took nothing from its quota.
                if slot.sent {
                    self.outstanding = self.outstanding.saturating_sub(1);
                }
                &mut self.publishing
            }
            Use::Release(_) => {
                if self.release_next == position {
                    self.release_next = following;
                }
                self.outstanding = self.outstanding.saturating_sub(1);
                &mut self.releasing
            }
            Use::Request(_) => {
                for first in [&mut self.request_due, &mut self.request_next] {
                    if *first == position {
                        *first = following;
                    }
                }
                &mut self.requests
            }
        };
        let token = slot.used_for.token();
        list.remove(self.slots.all(), position);
        Some(token)
    }

    /// PUBREC came: the message is forgotten, the identifier is not.
    fn release(&mut self, position: u16) {
        let Some(slot) = self.slots.get_mut(position) else {
            return;
        };
        let following = slot.following();
        let sent = core::mem::replace(&mut slot.sent, false);
        self.bytes -= slot.used_for.size();
        slot.used_for = Use::Release(slot.used_for.token());
        if self.publish_next == position {
            self.publish_next = following;
        }
        // It counts until PUBCOMP, even if its PUBLISH was sent on an earlier connection.
        if !sent {
            self.outstanding += 1;
        }
        self.publishing.remove(self.slots.all(), position);
        self.releasing.push(self.slots.all(), position);
        if self.release_next == 0 {
            self.release_next = position;
        }
    }

    /// Whether all was sent on this Network Connection that there is to send.
    #[inline]
    pub(crate) const fn is_written(&self) -> bool {
        self.publish_next == 0 && self.release_next == 0
    }

    /// Whether a PUBLISH is to be sent next.
    #[inline]
    pub(crate) const fn publishes_next(&self) -> bool {
        self.publish_next != 0 && self.release_next == 0
    }

    /// The next PUBREL to send; it stays until [`Sender::release_sent`].
    #[inline]
    pub(crate) fn next_release(&self) -> Option<PacketIdentifier> {
        self.slots.get(self.release_next)?.packet_identifier()
    }

    #[inline]
    pub(crate) fn release_sent(&mut self) {
        if let Some(slot) = self.slots.get_mut(self.release_next) {
            slot.sent = true;
            self.release_next = slot.following();
        }
    }

    /// The next PUBLISH to send if the peer takes so many at a time; it stays until
    /// [`Sender::publish_sent`].
    #[inline]
    pub(crate) fn next_publish(&self, receive_maximum: u16) -> Option<(&QueuedMessage, Delivery)> {
        let slot = self.slots.get(self.publish_next)?;
        let outstanding = fault!(
            "quota back at PUBREC",
            self.outstanding,
            self.outstanding - self.releasing.len()
        );
        if outstanding >= receive_maximum {
            return None;
        }
        let queued = slot.used_for.queued()?;
        // A new message has an identifier that was not in use [MQTT-4.3.2-1] [MQTT-4.3.3-1].
        let packet_identifier = fault!(
            "MQTT-2.2.1-3",
            slot.packet_identifier()?,
            PacketIdentifier::new((slot.packet_identifier()?.get() - 1) % 2 + 1)?
        );
        // [MQTT-4.3.3-2].
        let duplicate =
            fault!("MQTT-3.3.1-1", slot.sent_before, false) || fault!("MQTT-4.3.2-2 DUP");
        Some((
            queued,
            Delivery::new(queued.qos, packet_identifier, duplicate),
        ))
    }

    #[inline]
    pub(crate) fn publish_sent(&mut self) {
        if let Some(slot) = self.slots.get_mut(self.publish_next) {
            slot.sent = true;
            slot.sent_before = true;
            self.publish_next = slot.following();
            self.outstanding += 1;
        }
    }

    /// The next PUBLISH cannot be sent at all: forgets it.
    pub(crate) fn give_up_next(&mut self) -> Option<GivenUp> {
        let position = self.publish_next;
        let slot = self.slots.get(position)?;
        let packet_identifier = slot.packet_identifier()?;
        let sent_before = slot.sent_before;
        // The peer may have it, and would take another message for it [MQTT-4.3.3-10].
        let is_lost = sent_before && slot.used_for.state() == SenderState::WaitPubRec;
        let token = self.unlist(position)?;
        if is_lost {
            self.slots.lose(position);
        } else {
            self.slots.vacate(position);
        }
        Some(GivenUp {
            packet_identifier,
            token,
            sent_before,
            is_lost,
        })
    }

    /// Forgets a message with QoS 2 whose PUBREC has not come, and loses its identifier.
    pub(crate) fn lose(&mut self, packet_identifier: PacketIdentifier) -> Option<Token> {
        let position = self.slots.find(packet_identifier)?;
        let token = self.unlist(position)?;
        self.slots.lose(position);
        Some(token)
    }

    /// Forgets a message whose PUBLISH was never written; `false` if there is none.
    pub(crate) fn take_back(&mut self, packet_identifier: PacketIdentifier) -> bool {
        let position = self.slots.find(packet_identifier).unwrap_or_default();
        let unsent = self.slots.get(position).is_some_and(Slot::is_unsent);
        unsent && self.finish(position).is_some()
    }

    /// The identifier of a message whose PUBLISH was never written.
    pub(crate) fn unsent_publish(&self, token: Token) -> Option<PacketIdentifier> {
        let slots = self.slots.listed_from(self.publish_next);
        let mut unsent = slots.filter(|slot| slot.is_unsent() && slot.used_for.token() == token);
        unsent.next()?.packet_identifier()
    }

    /// Everything that has an identifier.
    pub(crate) fn unsettled(&self) -> impl Iterator<Item = Unsettled<'_>> {
        [&self.releasing, &self.publishing, &self.requests]
            .into_iter()
            .flat_map(|list| self.slots.listed(list))
            .filter_map(|slot| {
                let packet_identifier = slot.packet_identifier()?;
                let kind = match &slot.used_for {
                    Use::Vacant => return None,
                    Use::Release(_) => UnsettledKind::Message {
                        qos: Qos::ExactlyOnce,
                        message: None,
                        state: MessageState::Released { packet_identifier },
                    },
                    Use::Publish(queued) => UnsettledKind::Message {
                        qos: queued.qos,
                        message: Some(&queued.message),
                        state: MessageState::InFlight {
                            packet_identifier,
                            sent: slot.sent_before,
                        },
                    },
                    Use::Request(pending) => match pending.request {
                        Request::Subscribe { filters } => UnsettledKind::Subscribe {
                            packet_identifier: Some(packet_identifier),
                            filters,
                        },
                        Request::Unsubscribe { filters } => UnsettledKind::Unsubscribe {
                            packet_identifier: Some(packet_identifier),
                            filters,
                        },
                    },
                };
                Some(Unsettled {
                    token: slot.used_for.token(),
                    kind,
                })
            })
    }

    /// How many identifiers are not used again before the Session ends.
    pub(crate) const fn lost(&self) -> u16 {
        self.slots.lost()
    }

    /// The identifiers that are not used again before the Session ends, ascending.
    #[cfg(feature = "persistence")]
    pub(crate) fn lost_identifiers(&self) -> impl Iterator<Item = PacketIdentifier> + '_ {
        self.slots.lost_identifiers()
    }

    /// Takes an identifier for a SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn request(&mut self, request: Request, token: Token) -> Option<PacketIdentifier> {
        let position = self.slots.take()?;
        let slot = self.slots.get_mut(position)?;
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

    /// So many requests were written, and are to be answered by then, in the connection's reading time.
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

    /// When the first request has to be answered; never if none is waited for.
    pub(crate) fn next_request_due(&self) -> Instant {
        let first = self.slots.get(self.request_due);
        let pending = first.and_then(|slot| slot.used_for.request());
        pending.map_or(Instant::NEVER, |pending| pending.due)
    }

    /// Gives up the wait for the first request. Its identifier stays in use until the answer comes, or the Network
    /// Connection ends.
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

    /// What request an identifier is in use for: `Ok(None)` if for nothing, `Err` if for a message.
    pub(crate) fn pending_request(
        &self,
        packet_identifier: PacketIdentifier,
    ) -> Result<Option<Request>, ()> {
        let position = self.slots.find(packet_identifier);
        let Some(slot) = position.and_then(|position| self.slots.get(position)) else {
            return Ok(None);
        };
        match &slot.used_for {
            Use::Request(pending) => Ok(Some(pending.request)),
            _ => Err(()),
        }
    }

    /// A request is answered. Its token, unless its outcome was reported before.
    pub(crate) fn finish_request(&mut self, packet_identifier: PacketIdentifier) -> Option<Token> {
        let token = self.finish(self.slots.find(packet_identifier)?)?;
        (token != Token::NONE).then_some(token)
    }

    /// The Network Connection is gone: what its requests led to will never be known. Takes the next one of which no
    /// outcome was reported.
    pub(crate) fn take_request(&mut self) -> Option<Token> {
        loop {
            let token = self.finish(self.requests.first())?;
            if token != Token::NONE {
                return Some(token);
            }
        }
    }

    /// A new Network Connection goes on with the Session: everything unacknowledged is to be sent
    /// again, in its order (section 4.4).
    pub(crate) fn resume(&mut self) {
        #[cfg(mqtt5_faults)]
        self.resume_wrongly();
        self.publish_next = self.publishing.first();
        self.release_next = self.releasing.first();
        self.outstanding = fault!("MQTT-4.9.0-1", self.releasing.len(), self.outstanding);
        for slot in self.slots.all() {
            slot.sent = false;
        }
    }

    /// Forgets one message in flight, and says whether it was sent; `None` if there is none left.
    pub(crate) fn discard_one(&mut self) -> Option<(Token, bool)> {
        // Those of which less is known to have arrived come last; each list keeps its order.
        let first = match self.releasing.first() {
            0 => self.publishing.first(),
            _ if fault!("released messages outlive the Session") => self.publishing.first(),
            first => first,
        };
        let slot = self.slots.get(first)?;
        let sent = slot.sent_before || slot.used_for.state() == SenderState::WaitPubComp;
        Some((self.finish(first)?, sent))
    }

    #[cfg_attr(not(feature = "persistence"), allow(dead_code))]
    /// The clock may have gone back: nothing expires later than its interval from now.
    pub(crate) fn clamp(&mut self, now: Instant) {
        for slot in self.slots.all() {
            if let Use::Publish(queued) = &mut slot.used_for {
                queued.expires_at = message_expiry(now, &queued.message, queued.expires_at);
            }
        }
    }

    /// Gives back memory that is not in use.
    pub(crate) fn shrink(&mut self) {
        if self.in_flight() == 0 && self.requests.len() == 0 && self.slots.lost() == 0 {
            self.reset();
        }
    }

    /// Forgets the identifiers, too, once nothing is in flight.
    pub(crate) fn reset(&mut self) {
        *self = Sender::default();
    }

    /// Whether an identifier is in use for nothing at all.
    pub(crate) fn is_free(&self, packet_identifier: PacketIdentifier) -> bool {
        self.slots.is_free(packet_identifier)
    }

    /// Puts a message in flight that was in flight when the Session was exported; `None` if its identifier is in
    /// use.
    pub(crate) fn restore(
        &mut self,
        packet_identifier: PacketIdentifier,
        queued: QueuedMessage,
    ) -> Option<PacketIdentifier> {
        let position = self.slots.claim(packet_identifier)?;
        self.place(position, queued, true)
    }

    /// Puts a PUBREL in flight that was in flight when the Session was exported; `None` if its identifier is in use.
    #[cfg(feature = "persistence")]
    pub(crate) fn restore_released(
        &mut self,
        packet_identifier: PacketIdentifier,
        token: Token,
    ) -> Option<()> {
        let position = self.slots.claim(packet_identifier)?;
        let slot = self.slots.get_mut(position)?;
        slot.used_for = Use::Release(token);
        slot.sent = false;
        self.releasing.push(self.slots.all(), position);
        if self.release_next == 0 {
            self.release_next = position;
        }
        self.outstanding += 1;
        Some(())
    }

    /// Loses an identifier that was lost when the Session was exported; `None` if it is in use.
    #[cfg(feature = "persistence")]
    pub(crate) fn restore_lost(&mut self, packet_identifier: PacketIdentifier) -> Option<()> {
        self.slots.claim_lost(packet_identifier)
    }

    /// The messages in flight that are still stored, in the order of their first sending.
    #[cfg(feature = "persistence")]
    pub(crate) fn unacknowledged(
        &self,
    ) -> impl Iterator<Item = (PacketIdentifier, &QueuedMessage)> {
        let slots = self.slots.listed(&self.publishing);
        slots.filter_map(|slot| Some((slot.packet_identifier()?, slot.used_for.queued()?)))
    }

    /// The released messages, in the order in which PUBREC came.
    #[cfg(feature = "persistence")]
    pub(crate) fn released(&self) -> impl Iterator<Item = (PacketIdentifier, Token)> + '_ {
        let slots = self.slots.listed(&self.releasing);
        slots.filter_map(|slot| Some((slot.packet_identifier()?, slot.used_for.token())))
    }
}
