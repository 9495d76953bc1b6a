//! What clients send.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtt5_codec::bytes::Bytes;
use mqtt5_codec::framing::Frame;
use mqtt5_codec::{EncodeError, ProtocolVersion, Publish, ReasonCode, TopicName};

use super::deliver::{ended, note_if_over};
use super::links::Gone;
use super::publish::{Arrival, Routed};
use super::slots::Key;
use super::{Broker, ConnectionKey, Permission, Question, Refusal};
use crate::connection::EncodeToVec;
use crate::event::{Cause, Delivered, Event, WillMessage};
use crate::{Instant, Receipt, SendError};

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
    Will(Box<WillMessage>),
    SessionEnded,
    Room,
    Nothing,
}

impl Arrived {
    #[inline]
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
        mut policy: impl FnMut(&Publish<'_>) -> Permission,
    ) -> Result<Step, Gone> {
        let (now, key) = (self.at(now), key.0);
        let offered = input.len();
        let step = loop {
            let is_stalled = self.is_full();
            if is_stalled {
                self.stall(key);
            }
            if is_stalled || self.is_held_up(key) {
                let waits = self.with(key, |mut lent| lent.bytes_waiting(now));
                waits.ok_or(Gone)?;
                break Step::Wait;
            }
            let link = self.links.get_mut(key).ok_or(Gone)?;
            let mut client = link.client.and_then(|client| self.clients.get_mut(client));
            let limits = client.as_ref().map_or(&self.config.client, |it| &it.limits);
            let levels = limits.topic_levels;
            let (version, of) = (link.connection.version(), link.client);
            let session = client.as_mut().map(|client| &mut client.session);
            let arrived = match link.connection.lend(session).receive(now, input) {
                None => {
                    if let Some(client) = &mut client {
                        self.ledger.note(client);
                    }
                    let (ready, deadlines) = (&mut self.ready, &mut self.deadlines);
                    let took = input.len() < offered;
                    link.look_again(took, ready, deadlines, key, client.as_deref());
                    return Ok(Step::Taken);
                }
                Some(Event::Outcome(token, outcome)) => {
                    let ended = ended(&outcome);
                    let (Some(of), Some(client)) = (of, client) else {
                        break Step::Taken;
                    };
                    let (ledger, statistics) = (&mut self.ledger, &mut self.statistics);
                    ledger.note(client);
                    if !note_if_over(client, token, ended, &self.groups, ledger, statistics) {
                        self.outcome(now, of, token, ended);
                    } else if input.is_empty() {
                        let (ready, deadlines) = (&mut self.ready, &mut self.deadlines);
                        link.look_again(true, ready, deadlines, key, Some(client));
                        return Ok(Step::Taken);
                    }
                    if input.is_empty() {
                        break Step::Taken;
                    }
                    continue;
                }
                Some(Event::Message(delivered)) => {
                    let permission = judged(&delivered.publish, levels, &mut policy);
                    Arrived::message(now, &delivered, permission)
                }
                Some(event) => Arrived::other(ConnectionKey(key), version, event),
            };
            if let Some(client) = client {
                self.ledger.note(client);
            }
            match arrived {
                Arrived::Question(question) => break Step::Ask(*question),
                arrived => {
                    if let Some(of) = of {
                        self.handle_arrived(now, key, of, arrived);
                    }
                }
            }
            // What the Session has to report comes with `transmit`, too.
            if input.is_empty() {
                break Step::Taken;
            }
        };
        if let Some(link) = self.links.get_mut(key) {
            let client = link.client.and_then(|client| self.clients.get(client));
            let (ready, deadlines) = (&mut self.ready, &mut self.deadlines);
            link.look_again(input.len() < offered, ready, deadlines, key, client);
        }
        Ok(step)
    }

    /// A connection waits for [`Broker::poll`].
    fn stall(&mut self, key: Key) {
        if let Some(link) = self.links.get_mut(key).filter(|it| !it.is_stalled) {
            link.is_stalled = true;
            self.stalled.push_back(key);
        }
    }

    #[inline]
    fn handle_arrived(&mut self, now: Instant, key: Key, client: Key, arrived: Arrived) {
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
            Arrived::Question(_) | Arrived::Nothing => {}
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
    // A Topic Name has one level more than separators, so a short one needs no look.
    let may_exceed = |topic: &TopicName<'_>| topic.as_str().len() >= usize::from(levels);
    let topic = publish.topic.filter(may_exceed);
    if topic.is_some_and(|topic| topic.levels().count() > usize::from(levels)) {
        return Permission::Refuse(ReasonCode::TopicNameInvalid);
    }
    policy(publish)
}
