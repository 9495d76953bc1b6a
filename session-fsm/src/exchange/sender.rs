//! The sender half: the messages and requests that have a Packet Identifier, and their order
//! (sections 2.2.1, 4.3, 4.4, 4.6, 4.9).

mod adopted;
mod equality;
#[cfg(mqtt5_faults)]
mod faults;
mod requests;
mod slots;
mod stored;

use core::num::NonZeroU64;

use mqtt5_codec::{Delivery, PacketIdentifier, Qos};

use self::adopted::Asked;
pub(crate) use self::requests::Request;
use self::slots::{Slots, Use};
use super::table::{SenderAction, SenderEvent, SenderState};
use crate::exchange::linked_list::List;
use crate::session::{Blank, MessageState, QueuedMessage, Unsettled, UnsettledKind, Untold};
use crate::{Instant, Token};

/// A message in flight that was forgotten, because it cannot be sent.
pub(crate) struct GivenUp {
    pub(crate) packet_identifier: PacketIdentifier,
    pub(crate) token: Token,
    /// Its PUBLISH was written, on this Network Connection or an earlier one.
    pub(crate) written: bool,
    /// The state of the identifier from now on.
    pub(crate) state: SenderState,
}

#[derive(Clone, Debug)]
pub(crate) struct Sender {
    slots: Slots,
    /// Messages of which PUBLISH is unacknowledged, in the order of their first sending.
    publishing: List,
    /// Messages of which PUBREL is unacknowledged, in the order in which PUBREC came.
    releasing: List,
    requests: List,
    /// The position of the first request of which the deadline has not passed, and of the first
    /// that was not written; 0 for none. All behind it are alike.
    request_due: u16,
    request_next: u16,
    /// The deadline of the last one that was written.
    last_request_due: Instant,
    /// The positions of the first of `publishing` and of `releasing` that was not sent on this
    /// Network Connection; 0 for none. All behind it were not sent, either.
    publish_next: u16,
    release_next: u16,
    /// Messages that count against the peer's Receive Maximum on this Network Connection.
    outstanding: u16,
    /// The bytes of the messages in flight that are still stored.
    bytes: usize,
    /// What the peer was asked to release in a Session that was adopted.
    asked: Asked,
}

impl Blank for Sender {
    const BLANK: Self = Sender {
        slots: Slots::new(),
        publishing: List::EMPTY,
        releasing: List::EMPTY,
        requests: List::EMPTY,
        request_due: 0,
        request_next: 0,
        last_request_due: Instant::ORIGIN,
        publish_next: 0,
        release_next: 0,
        outstanding: 0,
        bytes: 0,
        asked: Asked::NONE,
    };
    const REFERENCE: &'static Self = &Self::BLANK;

    fn is_blank(&self) -> bool {
        self.slots.is_new()
    }

    fn shrink(&mut self) {
        let is_idle = self.in_flight() == 0 && self.requests.len() == 0;
        if is_idle && self.slots.lost() == 0 && !self.is_adopted() {
            self.reset();
        }
    }
}

impl Sender {
    /// How many messages are in flight, sent on this Network Connection or not.
    #[inline]
    pub(crate) const fn in_flight(&self) -> u16 {
        self.publishing.len() + self.releasing.len()
    }

    /// The bytes of the messages in flight that are still stored: those of which PUBLISH is
    /// unacknowledged.
    #[inline]
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The state of an identifier.
    pub(crate) fn state(&self, packet_identifier: PacketIdentifier) -> SenderState {
        let slot = self.slots.find(packet_identifier);
        match slot.and_then(|position| self.slots.get(position)) {
            Some(slot) => slot.state,
            None => self.slots.state_without_slot(packet_identifier),
        }
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
        self.place(position, queued)
    }

    #[inline]
    fn place(&mut self, position: u16, queued: QueuedMessage) -> Option<PacketIdentifier> {
        let slot = self.slots.get_mut(position)?;
        slot.run(match queued.qos {
            Qos::ExactlyOnce => SenderEvent::PublishQos2,
            _ => SenderEvent::PublishQos1,
        });
        self.bytes += queued.size();
        slot.used_for = Use::Publish(queued);
        let packet_identifier = slot.packet_identifier();
        self.publishing.push(self.slots.all(), position);
        if self.publish_next == 0 {
            self.publish_next = position;
        }
        packet_identifier
    }

    /// An acknowledgement came: what to do, and the token of the message or request if the exchange
    /// is over.
    #[inline]
    pub(crate) fn acknowledge(
        &mut self,
        packet_identifier: PacketIdentifier,
        event: SenderEvent,
        untold: &mut Untold,
    ) -> (SenderAction, Option<Token>) {
        let position = self.slots.find(packet_identifier).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(position) else {
            let (_, action) = self.slots.state_without_slot(packet_identifier).run(event);
            return (action, None);
        };
        if fault!("MQTT-4.4.0-2") && event == SenderEvent::PubRecError {
            return (SenderAction::Nothing, None);
        }
        match slot.run(event) {
            SenderAction::Release if fault!("PUBREC completes") => {
                (SenderAction::Finish, self.remove(position, untold))
            }
            SenderAction::Finish => (SenderAction::Finish, self.remove(position, untold)),
            SenderAction::Release => {
                self.release(position, untold);
                (SenderAction::Release, None)
            }
            // Nothing changes here.
            action => (action, None),
        }
    }

    /// Forgets what is in a slot whose state says that it is over, and frees the identifier unless
    /// it is lost.
    #[inline(always)]
    fn remove(&mut self, position: u16, untold: &mut Untold) -> Option<Token> {
        let (token, body) = self.unlist(position)?;
        self.slots.vacate(position);
        untold.forget_body(body);
        Some(token)
    }

    /// Takes a slot out of the list that it is in.
    #[inline]
    fn unlist(&mut self, position: u16) -> Option<(Token, Option<NonZeroU64>)> {
        let slot = self.slots.get_mut(position)?;
        let following = slot.following();
        let sent = core::mem::take(&mut slot.sent);
        let mut body = None;
        let list = match &slot.used_for {
            Use::Vacant => return None,
            Use::Publish(queued) => {
                if self.publish_next == position {
                    self.publish_next = following;
                }
                self.bytes -= queued.size();
                body = queued.body;
                // What was not sent on this connection took nothing from its quota.
                if sent {
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
        Some((token, body))
    }

    /// Takes a PUBREC: the message is forgotten, but its identifier is kept.
    fn release(&mut self, position: u16, untold: &mut Untold) {
        let Some(slot) = self.slots.get_mut(position) else {
            return;
        };
        let following = slot.following();
        let sent = core::mem::take(&mut slot.sent);
        let mut body = None;
        if let Use::Publish(queued) = &slot.used_for {
            self.bytes -= queued.size();
            body = queued.body;
        }
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
        untold.forget_body(body);
    }

    /// Whether everything was sent on this Network Connection.
    #[inline]
    pub(crate) const fn is_written(&self) -> bool {
        self.publish_next == 0 && self.release_next == 0
    }

    /// Whether the next packet to send is a PUBLISH.
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
        if let Some(slot) = self.slots.get(self.release_next) {
            self.release_next = slot.following();
        }
    }

    /// The next PUBLISH to send, if the Receive Maximum of the peer permits it. It stays until
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
        // A new message has an identifier that was not in use [MQTT-4.3.2-1] [MQTT-4.3.3-1]
        // [MQTT3-2.3.1-2] [MQTT3-2.3.1-4].
        let packet_identifier = fault!(
            "MQTT-2.2.1-3",
            slot.packet_identifier()?,
            PacketIdentifier::new((slot.packet_identifier()?.get() - 1) % 2 + 1)?
        );
        // [MQTT-3.3.1-3] [MQTT3-3.3.1-3] [MQTT-4.3.3-2] [MQTT3-4.3.3-1] [MQTT3-3.3.1-1].
        let duplicate =
            fault!("MQTT-3.3.1-1", !slot.is_unsent(), false) || fault!("MQTT-4.3.2-2 DUP");
        Some((
            queued,
            Delivery::new(queued.qos, packet_identifier, duplicate),
        ))
    }

    #[inline]
    pub(crate) fn publish_sent(&mut self) {
        if let Some(slot) = self.slots.get_mut(self.publish_next) {
            slot.run(SenderEvent::Written);
            slot.sent = true;
            self.publish_next = slot.following();
            self.outstanding += 1;
        }
    }

    /// The next PUBLISH cannot be written: [`SenderEvent::Forbidden`] or
    /// [`SenderEvent::Withdrawn`]. `None` if the message stays.
    pub(crate) fn give_up_next(
        &mut self,
        event: SenderEvent,
        untold: &mut Untold,
    ) -> Option<GivenUp> {
        let position = self.publish_next;
        let slot = self.slots.get_mut(position)?;
        let packet_identifier = slot.packet_identifier()?;
        let written = match slot.run(event) {
            SenderAction::TakeBack => false,
            SenderAction::Lose => true,
            _ => return None,
        };
        let state = slot.state;
        let token = self.remove(position, untold)?;
        Some(GivenUp {
            packet_identifier,
            token,
            written,
            state,
        })
    }

    /// Forgets a message whose PUBLISH was never written, or a request that was not; `false` if
    /// there is none.
    pub(crate) fn take_back(
        &mut self,
        packet_identifier: PacketIdentifier,
        untold: &mut Untold,
    ) -> bool {
        let position = self.slots.find(packet_identifier).unwrap_or_default();
        let Some(slot) = self.slots.get_mut(position) else {
            return false;
        };
        if fault!("what was sent is taken back") {
            slot.state = SenderState::Unsent1;
        }
        slot.run(SenderEvent::Withdrawn) == SenderAction::TakeBack
            && self.remove(position, untold).is_some()
    }

    /// The identifier of a message whose PUBLISH was never written.
    pub(crate) fn unsent_publish(&self, token: Token) -> Option<PacketIdentifier> {
        let slots = self.slots.listed_from(self.publish_next);
        let mut unsent = slots.filter(|slot| {
            (slot.is_unsent() || fault!("what was sent is taken back"))
                && slot.used_for.token() == token
        });
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
                            sent: !slot.is_unsent(),
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

    /// A new Network Connection resumes the Session: everything unacknowledged will be sent again,
    /// in its order (section 4.4) [MQTT3-4.6.0-1].
    pub(crate) fn resume(&mut self) {
        #[cfg(mqtt5_faults)]
        self.resume_wrongly();
        for slot in self.slots.all() {
            match slot.run(SenderEvent::Resume) {
                SenderAction::Publish | SenderAction::PublishAgain => {
                    self.publish_next = self.publishing.first();
                }
                SenderAction::ReleaseAgain => self.release_next = self.releasing.first(),
                _ => {}
            }
            slot.sent = false;
        }
        self.asked = Asked::NONE;
        self.outstanding = fault!("MQTT-4.9.0-1", self.releasing.len(), self.outstanding);
    }

    /// Discards one message or request of an ended Session. Returns its token and whether it was
    /// written; `None` if none is left. A request has no token if its outcome was reported.
    pub(crate) fn discard_one(&mut self, untold: &mut Untold) -> Option<(Token, bool)> {
        // Messages that are less likely to have arrived come last; each list keeps its order.
        let released = match self.releasing.first() {
            _ if fault!("released messages outlive the Session") => 0,
            first => first,
        };
        let lists = [released, self.publishing.first(), self.requests.first()];
        let position = lists.into_iter().find(|first| *first != 0)?;
        let slot = self.slots.get_mut(position)?;
        let written = slot.run(SenderEvent::Discard) == SenderAction::Lose;
        Some((self.remove(position, untold)?, written))
    }

    /// Forgets the identifiers, too, once nothing is in flight.
    pub(crate) fn reset(&mut self) {
        *self = Sender::BLANK;
    }
}
