//! A client: what a Session of a Client keeps (section 4.1), and what it does with what it gets.

use std::collections::BTreeSet;

use super::BrokerWorld;
use super::monitors::{Judge, Judged, Rule};
use super::packet::{Down, Got, KEPT, Sent, Up};
use crate::explore::Turn;

/// One client, with or without a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Client {
    /// It had a CONNACK with a success on the present connection.
    pub(super) is_up: bool,
    /// It has had one at all, so that there may be a Session.
    pub(super) has_session: bool,
    /// Messages that are not acknowledged, in the order in which they were sent.
    pub(super) outgoing: Vec<Outgoing>,
    /// Packet Identifiers of messages with QoS 2 that it has, and that are not released.
    pub(super) incoming: Vec<u16>,
    /// Packet Identifiers of requests on the present connection.
    pub(super) requests: Vec<u16>,
    /// Messages with QoS 2 that the application had from this Session, each with the group that it was from.
    pub(super) had: BTreeSet<(u16, Option<u8>)>,
}

/// A message that is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Outgoing {
    pub(super) sent: Sent,
    pub(super) is_released: bool,
}

impl Client {
    pub(super) fn is_settled(&self) -> bool {
        self.is_up && self.outgoing.is_empty() && self.requests.is_empty()
    }

    /// The lowest Packet Identifier that is free.
    pub(super) fn next_identifier(&self) -> u16 {
        let is_used = |it: &u16| {
            self.requests.contains(it) || self.outgoing.iter().any(|out| out.sent.identifier == *it)
        };
        (1..=u16::MAX).find(|it| !is_used(it)).unwrap_or(1)
    }

    /// The Session ends [MQTT-3.1.2-4].
    pub(super) fn discard(&mut self) {
        self.has_session = false;
        self.outgoing.clear();
        self.incoming.clear();
        self.had.clear();
    }

    /// The connection is over.
    pub(super) fn lost(&mut self) {
        self.is_up = false;
        self.requests.clear();
    }

    /// A packet arrives. What is to be sent is put into `up`. Returns a message that the application gets.
    pub(super) fn receive(&mut self, down: Down, up: &mut impl Extend<Up>) -> Option<Got> {
        match down {
            Down::ConnAck { present, code: 0 } => {
                self.is_up = true;
                if present {
                    up.extend(self.outgoing.iter().map(|it| it.again()));
                } else {
                    self.discard();
                }
                self.has_session = true;
            }
            Down::Publish(got) => match got.qos {
                0 => return Some(got),
                1 => {
                    up.extend([Up::PubAck(got.identifier)]);
                    return Some(got);
                }
                _ => {
                    up.extend([Up::PubRec(got.identifier)]);
                    if !self.incoming.contains(&got.identifier) {
                        self.incoming.push(got.identifier);
                        self.incoming.sort_unstable();
                        return Some(got);
                    }
                }
            },
            Down::PubRel(identifier, _) => {
                self.incoming.retain(|it| *it != identifier);
                up.extend([Up::PubComp(identifier)]);
            }
            Down::PubRec(identifier, code) if code < 0x80 => {
                let mut outgoing = self.outgoing.iter_mut();
                let found = outgoing.find(|it| it.sent.identifier == identifier);
                if let Some(out) = found {
                    out.is_released = true;
                }
                up.extend([Up::PubRel(identifier)]);
            }
            Down::PubAck(identifier, _)
            | Down::PubComp(identifier, _)
            | Down::PubRec(identifier, _) => {
                self.outgoing.retain(|it| it.sent.identifier != identifier);
            }
            Down::SubAck(identifier, _) | Down::UnsubAck(identifier, _) => {
                self.requests.retain(|it| *it != identifier);
            }
            Down::ConnAck { .. } | Down::Disconnect(_) | Down::Other => {}
        }
        None
    }
}

impl Outgoing {
    /// What is sent on the next connection [MQTT-4.4.0-1].
    fn again(&self) -> Up {
        match self.is_released {
            true => Up::PubRel(self.sent.identifier),
            false => Up::Publish(Sent {
                duplicate: true,
                ..self.sent
            }),
        }
    }
}

impl BrokerWorld {
    /// A packet arrives at a client.
    pub(super) fn arrive(&mut self, at: usize, turn: &mut Turn<'_>) -> Judged {
        let link = &mut self.links[at];
        let (client, is_old) = (link.client, link.is_old);
        let Some(packet) = link.down.pop_front() else {
            return Ok(());
        };
        turn.message(
            Self::broker_lane(is_old),
            Self::lane(client),
            format_args!("{packet:?}"),
        );
        let got = self.clients[client as usize].receive(packet, &mut self.links[at].up);
        if let Down::Disconnect(_) = packet {
            self.forget(at);
        }
        match got {
            Some(got) => self.had(client, got, turn),
            None => Ok(()),
        }
    }

    /// The application gets a message.
    fn had(&mut self, client: u8, got: Got, turn: &mut Turn<'_>) -> Judged {
        if got.qos < 2 || got.number >= KEPT || got.retain || self.config().overlap > 0 {
            return Ok(());
        }
        // One from each group, and one from its own subscriptions.
        let group = got.group();
        let is_first = self.clients[client as usize]
            .had
            .insert((got.number, group));
        turn.rule(Rule::Once, is_first, || {
            format!("client {client} gets {got:?} again")
        })
    }
}
