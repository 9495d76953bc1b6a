//! What clients send.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtt5_codec::bytes::Bytes;
use mqtt5_codec::framing::Frame;
use mqtt5_codec::{EncodeError, ProtocolVersion, Publish, ReasonCode};

use super::deliver::{Qos0, ended};
use super::links::Gone;
use super::publish::{Arrival, Routed};
use super::slots::Key;
use super::{Broker, ConnectionKey, DropReason, Permission, Question, Refusal};
use crate::connection::EncodeToVec;
use crate::event::{Cause, Delivered, Event, WillMessage};
use crate::{Instant, Receipt, SendError, Token};

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
    Question(Box<Question>),
    Unsubscribe(Frame),
    Outcome(Token, Result<Qos0, DropReason>),
    Will(Box<WillMessage>),
    SessionEnded,
    Room,
    Nothing,
}

impl Arrived {
    fn message(now: Instant, delivered: &Delivered<'_>, permission: Permission) -> Self {
        match permission {
            Permission::Publish => match Arrival::new(now, &delivered.publish) {
                Some(arrival) => Arrived::Message(arrival, delivered.receipt),
                None => Arrived::Nothing,
            },
            Permission::Refuse(code) => Arrived::Refused(code, delivered.receipt),
            Permission::Disconnect(code) => Arrived::Disconnect(code),
        }
    }

    /// Anything but messages and outcomes.
    #[inline(never)]
    fn other(connection: ConnectionKey, version: ProtocolVersion, event: Event<'_>) -> Self {
        let framed = |bytes: Result<Vec<u8>, EncodeError>| {
            let frame = Frame::new(Bytes::from(bytes.ok()?));
            frame.ok()
        };
        let version = match &event {
            Event::Connect(packet) => packet.version,
            _ => version,
        };
        let frame = match event {
            Event::Connect(packet) => framed(packet.encode_to_vec(version)),
            Event::Authentication(packet) => framed(packet.encode_to_vec(version)),
            Event::Subscribe(packet) => framed(packet.encode_to_vec(version)),
            Event::Unsubscribe(packet) => {
                let frame = framed(packet.encode_to_vec(version));
                return frame.map_or(Arrived::Nothing, Arrived::Unsubscribe);
            }
            Event::Will(will) => return Arrived::Will(Box::new(will)),
            Event::SessionEnded => return Arrived::SessionEnded,
            Event::Room => return Arrived::Room,
            _ => None,
        };
        frame.map_or(Arrived::Nothing, |frame| {
            Arrived::Question(Box::new(Question {
                connection,
                version,
                frame,
            }))
        })
    }
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
        let step = self.take_packets(now, key.0, input, policy);
        match input.len() < offered {
            true => self.ready_if_not_quiet(key.0),
            false => self.arm(key.0),
        }
        step
    }

    fn take_packets(
        &mut self,
        now: Instant,
        key: Key,
        input: &mut &[u8],
        mut policy: impl FnMut(&Publish<'_>) -> Permission,
    ) -> Result<Step, Gone> {
        loop {
            let is_stalled = self.is_full();
            if is_stalled {
                self.stall(key);
            }
            if is_stalled || self.is_held_up(key) {
                let waits = self.with(key, |mut lent| lent.bytes_waiting(now));
                return waits.map(|()| Step::Wait).ok_or(Gone);
            }
            let link = self.links.get_mut(key).ok_or(Gone)?;
            let mut client = link.client.and_then(|client| self.clients.get_mut(client));
            let limits = client.as_ref().map_or(&self.config.client, |it| &it.limits);
            let levels = limits.topic_levels;
            let version = link.connection.version();
            let session = client.as_mut().map(|client| &mut client.session);
            let mut lent = link.connection.lend(session);
            let arrived = match lent.receive(now, input) {
                None => None,
                Some(Event::Outcome(token, outcome)) => {
                    Some(Arrived::Outcome(token, ended(&outcome)))
                }
                Some(Event::Message(delivered)) => {
                    let permission = judged(&delivered.publish, levels, &mut policy);
                    Some(Arrived::message(now, &delivered, permission))
                }
                Some(event) => Some(Arrived::other(ConnectionKey(key), version, event)),
            };
            if let Some(client) = client {
                self.ledger.note(client);
            }
            match arrived {
                None => return Ok(Step::Taken),
                Some(Arrived::Question(question)) => return Ok(Step::Ask(*question)),
                Some(Arrived::Outcome(token, ended)) => {
                    if let Some(client) = link.client {
                        self.outcome(now, client, token, ended);
                    }
                }
                Some(arrived) => self.handle_arrived(now, key, arrived),
            }
            // What the Session has to report comes with `transmit`, too.
            if input.is_empty() {
                return Ok(Step::Taken);
            }
        }
    }

    /// A connection waits for [`Broker::poll`].
    fn stall(&mut self, key: Key) {
        if let Some(link) = self.links.get_mut(key).filter(|it| !it.is_stalled) {
            link.is_stalled = true;
            self.stalled.push_back(key);
        }
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
            Arrived::Will(will) => self.publish_will(now, client, *will),
            Arrived::SessionEnded => self.session_ended(now, client),
            Arrived::Room => self.has_room(client),
            Arrived::Question(_) | Arrived::Outcome(..) | Arrived::Nothing => {}
        }
    }

    pub(super) fn acknowledge(&mut self, key: Key, receipt: Option<Receipt>, code: ReasonCode) {
        if let Some(receipt) = receipt {
            // Of a message: what it made of others, too.
            let last = self.ledger.last();
            if let Some(link) = self.links.get_mut(key) {
                link.depends_on = fault!("acknowledged before it is stored", last, link.depends_on);
            }
            let (now, refusal) = (self.now, self.config.refusal);
            let _ = self.with(key, |mut lent| {
                let answered = lent.acknowledge_with(receipt, code, &[]);
                // MQTT 3.1.1 cannot refuse a message.
                match (answered, refusal) {
                    // [MQTT3-3.3.5-2]
                    (Err(SendError::NotInVersion), Refusal::Acknowledge) => {
                        fault!("MQTT3-3.3.5-2", lent.acknowledge(receipt), Ok(()))
                    }
                    (Err(SendError::NotInVersion), Refusal::Close) => {
                        lent.abandon(now, Cause::Disconnected(code));
                        Ok(())
                    }
                    (answered, _) => answered,
                }
            });
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
