//! What clients send.

use alloc::vec::Vec;

use mqtt5_codec::bytes::Bytes;
use mqtt5_codec::framing::Frame;
use mqtt5_codec::{EncodeError, ProtocolVersion, Publish, ReasonCode};

use super::deliver::{Qos0, ended};
use super::links::Gone;
use super::publish::{Arrival, Routed};
use super::slots::Key;
use super::{Broker, ConnectionKey, DropReason, Permission, Question};
use crate::connection::EncodeToVec;
use crate::event::Event;
use crate::{Instant, Receipt, Token};

/// What [`Broker::receive`] did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "a question needs an answer"]
pub enum Step {
    /// All whole packets were taken.
    Taken,
    /// The host has to decide. Call [`Broker::receive`] again, too: there may be more.
    Ask(Question),
    /// Nothing is taken until the host has answered, or has called [`Broker::poll`] and
    /// [`Broker::work`].
    Wait,
}

/// An event of a packet, as far as the broker needs it, without the bytes of the packet.
enum Arrived {
    Message(Arrival, Option<Receipt>),
    Refused(ReasonCode, Option<Receipt>),
    Disconnect(ReasonCode),
    Question(Question),
    Unsubscribe(Frame),
    Outcome(Token, Result<Qos0, DropReason>),
    Other(Event<'static>),
    Nothing,
}

impl Broker {
    /// Takes whole packets off the front of `input`. `policy` decides about each message.
    ///
    /// # Errors
    ///
    /// [`Gone`].
    pub fn receive(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        input: &mut &[u8],
        policy: impl FnMut(&Publish<'_>) -> Permission,
    ) -> Result<Step, Gone> {
        let now = self.at(now);
        let offered = input.len();
        let step = self.take_packets(now, key, input, policy);
        if input.len() < offered {
            self.ready(key.0);
        }
        self.arm(key.0);
        step
    }

    fn take_packets(
        &mut self,
        now: Instant,
        key: ConnectionKey,
        input: &mut &[u8],
        mut policy: impl FnMut(&Publish<'_>) -> Permission,
    ) -> Result<Step, Gone> {
        loop {
            let is_stalled = self.is_full();
            if is_stalled {
                self.stall(key.0);
            }
            if is_stalled || self.is_held_up(key.0) {
                let _ = self.with(key.0, |mut lent| lent.bytes_waiting(now));
                return Ok(Step::Wait);
            }
            let levels = self.topic_levels(key.0);
            let arrived = self
                .with(key.0, |mut lent| {
                    let version = lent.version();
                    let event = lent.receive(now, input)?;
                    Some(match event {
                        Event::Message(delivered) => {
                            let publish = &delivered.publish;
                            match judged(publish, levels, &mut policy) {
                                Permission::Publish => Arrival::new(now, publish)
                                    .map_or(Arrived::Nothing, |arrival| {
                                        Arrived::Message(arrival, delivered.receipt)
                                    }),
                                Permission::Refuse(code) => {
                                    Arrived::Refused(code, delivered.receipt)
                                }
                                Permission::Disconnect(code) => Arrived::Disconnect(code),
                            }
                        }
                        Event::Connect(packet) => {
                            question(key, version, packet.encode_to_vec(version))
                        }
                        Event::Authentication(packet) => {
                            question(key, version, packet.encode_to_vec(version))
                        }
                        Event::Subscribe(packet) => {
                            question(key, version, packet.encode_to_vec(version))
                        }
                        Event::Unsubscribe(packet) => {
                            match packet.encode_to_vec(version).ok().and_then(framed) {
                                Some(frame) => Arrived::Unsubscribe(frame),
                                None => Arrived::Nothing,
                            }
                        }
                        Event::Outcome(token, outcome) => Arrived::Outcome(token, ended(&outcome)),
                        Event::Will(will) => Arrived::Other(Event::Will(will)),
                        Event::SessionEnded => Arrived::Other(Event::SessionEnded),
                        Event::Room => Arrived::Other(Event::Room),
                        _ => Arrived::Nothing,
                    })
                })
                .ok_or(Gone)?;
            let Some(arrived) = arrived else {
                return Ok(Step::Taken);
            };
            if let Arrived::Question(question) = arrived {
                return Ok(Step::Ask(question));
            }
            self.handle_arrived(now, key.0, arrived);
        }
    }

    /// A connection waits for [`Broker::poll`].
    fn stall(&mut self, key: Key) {
        if let Some(link) = self.links.get_mut(key).filter(|it| !it.is_stalled) {
            link.is_stalled = true;
            self.stalled.push_back(key);
        }
    }

    fn topic_levels(&self, key: Key) -> u16 {
        let client = self.links.get(key).and_then(|link| link.client);
        let client = client.and_then(|client| self.clients.get(client));
        client.map_or(self.config.client.topic_levels, |it| it.limits.topic_levels)
    }

    fn handle_arrived(&mut self, now: Instant, key: Key, arrived: Arrived) {
        let Some(client) = self.links.get(key).and_then(|link| link.client) else {
            return;
        };
        match arrived {
            Arrived::Message(arrival, receipt) => {
                if let Routed::Done(code) = self.route(now, Some(client), arrival, receipt) {
                    if code == ReasonCode::QuotaExceeded {
                        self.refused_for(client, code);
                    }
                    self.acknowledge(key, receipt, code);
                }
            }
            Arrived::Refused(code, receipt) => {
                self.statistics.refused += 1;
                self.acknowledge(key, receipt, code);
            }
            Arrived::Disconnect(code) => {
                let _ = self.with(key, |mut lent| lent.disconnect(now, code, &[]));
            }
            Arrived::Unsubscribe(frame) => self.unsubscribe(now, key, client, &frame),
            Arrived::Outcome(token, ended) => self.outcome(now, client, token, ended),
            Arrived::Other(event) => self.handle_session_event(now, client, event),
            Arrived::Question(_) | Arrived::Nothing => {}
        }
    }

    pub(super) fn acknowledge(&mut self, key: Key, receipt: Option<Receipt>, code: ReasonCode) {
        if let Some(receipt) = receipt {
            // Of a message: what it made of others, too.
            let last = self.ledger.last();
            if let Some(link) = self.links.get_mut(key) {
                link.depends_on = last;
            }
            let _ = self.with(key, |mut lent| lent.acknowledge_with(receipt, code, &[]));
        }
    }
}

/// Whether a message may be published.
fn judged(
    publish: &Publish<'_>,
    levels: u16,
    policy: &mut impl FnMut(&Publish<'_>) -> Permission,
) -> Permission {
    let topic = publish.topic.map_or(0, |topic| topic.levels().count());
    if topic > usize::from(levels) {
        return Permission::Refuse(ReasonCode::TopicNameInvalid);
    }
    policy(publish)
}

/// A packet as a question to the host.
fn question(
    connection: ConnectionKey,
    version: ProtocolVersion,
    bytes: Result<Vec<u8>, EncodeError>,
) -> Arrived {
    match bytes.ok().and_then(framed) {
        Some(frame) => Arrived::Question(Question {
            connection,
            version,
            frame,
        }),
        None => Arrived::Nothing,
    }
}

fn framed(bytes: Vec<u8>) -> Option<Frame> {
    Frame::new(Bytes::from(bytes)).ok()
}
