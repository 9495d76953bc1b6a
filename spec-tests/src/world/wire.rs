//! What is watched on one Network Connection, in one direction.
//!
//! A [`Watch`] belongs to one side of one connection. It sees each packet that this side puts into
//! its pipe, and each that was handed to it, and remembers only what the rules between packets need.

use std::collections::VecDeque;

use mqtt5_session_fsm::codec::{Packet, Publish, Qos, ReasonCode};
use mqtt5_session_fsm::{Instant, Limits};

use super::announced::check_publish;
use super::application::{Flow, Side, violation};
use super::points::{Monitor, of_monitor};
use super::storage::Shadow;
use crate::explore::{Turn, Violation};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Watch {
    /// CONNECT or CONNACK was sent.
    pub(super) opened: bool,
    /// DISCONNECT, or a CONNACK that refuses, was sent.
    closed: bool,
    /// The CONNECT had Clean Start 1.
    pub(super) clean_start: bool,
    /// The PUBLISH with QoS 1 or 2 that was sent last; numbers must ascend.
    last_published: Option<u8>,
    /// Identifiers of PUBLISH packets that were sent here and are not answered.
    open: Vec<u16>,
    /// Identifiers of PUBLISH packets that were received here and count against the own Receive
    /// Maximum.
    counted: Vec<u16>,
    /// What has to be answered, in this order.
    puback_due: VecDeque<u16>,
    pubrec_due: VecDeque<u16>,
    pubrel_due: VecDeque<u16>,
    pubcomp_due: VecDeque<u16>,
    /// The Topic Alias that this side uses has got its Topic Name.
    named_alias: bool,
    /// When the last packet was sent; kept only if time is explored.
    pub(super) last_sent: Instant,
}

/// What the rules need to know beside the watch itself.
pub(super) struct Surroundings<'a> {
    pub(super) side: Side,
    /// What this side publishes.
    pub(super) flow: &'a mut Flow,
    pub(super) shadow: Option<&'a Shadow>,
    /// What the other side announced.
    pub(super) limits: Limits,
    /// There was a connection before this one.
    pub(super) is_later: bool,
    /// Somebody slipped packets in.
    pub(super) is_hostile: bool,
}

impl Watch {
    /// The connection goes on with a Session: PUBREL packets are due.
    pub(super) fn resumed(&mut self, flow: &Flow) {
        self.pubrel_due = flow.releasing.iter().copied().collect();
    }

    /// A packet that this side sends.
    pub(super) fn sent(
        &mut self,
        packet: &Packet<'_>,
        size: usize,
        around: Surroundings<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let packet_type = packet.packet_type();
        turn.cover(of_monitor(Monitor::FirstPacket));
        if self.closed {
            let message = format!("{} sends {packet_type} at the end", around.side.name());
            return Err(violation(Monitor::NothingAfter, message));
        }
        let is_opening = matches!(packet, Packet::Connect(_) | Packet::ConnAck(_));
        if is_opening == self.opened {
            let message = format!("{} sends {packet_type}", around.side.name());
            return Err(violation(Monitor::FirstPacket, message));
        }
        let largest = around.limits.maximum_packet_size;
        if largest < Limits::NONE.maximum_packet_size && !matches!(packet, Packet::Connect(_)) {
            turn.cover(of_monitor(Monitor::PacketSize));
            if size > largest as usize {
                let message = format!("{packet_type} has {size} bytes");
                return Err(violation(Monitor::PacketSize, message));
            }
        }
        match packet {
            Packet::Connect(connect) => {
                self.opened = true;
                self.clean_start = connect.clean_start;
            }
            Packet::ConnAck(connack) => {
                self.opened = true;
                self.closed = connack.reason_code.is_error();
                if connack.session_present {
                    self.resumed(around.flow);
                }
            }
            Packet::Disconnect(_) => {
                turn.cover(of_monitor(Monitor::NothingAfter));
                self.closed = true;
            }
            Packet::Publish(publish) => self.sent_publish(publish, around, turn)?,
            Packet::PubAck(puback) => {
                let id = puback.packet_identifier.get();
                turn.cover(of_monitor(Monitor::PubAckOrder));
                if around.is_later {
                    turn.cover(of_monitor(Monitor::NothingOfTheDead));
                }
                self.counted.retain(|it| *it != id);
                if puback.reason_code != ReasonCode::PacketIdentifierInUse {
                    due(&mut self.puback_due, id, Monitor::PubAckOrder)?;
                }
            }
            Packet::PubRec(pubrec) => {
                let id = pubrec.packet_identifier.get();
                turn.cover(of_monitor(Monitor::PubRecOrder));
                if around.is_later {
                    turn.cover(of_monitor(Monitor::NothingOfTheDead));
                }
                if pubrec.reason_code.is_error() {
                    self.counted.retain(|it| *it != id);
                } else if let Some(shadow) = around.shadow {
                    turn.cover(of_monitor(Monitor::PersistFirst));
                    shadow.may_send_pubrec(id)?;
                }
                if pubrec.reason_code != ReasonCode::PacketIdentifierInUse {
                    due(&mut self.pubrec_due, id, Monitor::PubRecOrder)?;
                }
            }
            Packet::PubRel(pubrel) => {
                let id = pubrel.packet_identifier.get();
                turn.cover(of_monitor(Monitor::ReleaseOrder));
                let is_error = pubrel.reason_code.is_error();
                if let Some(shadow) = around.shadow.filter(|_| !is_error) {
                    turn.cover(of_monitor(Monitor::PersistFirst));
                    shadow.may_send_pubrel(id)?;
                }
                // A peer that repeats a PUBREC has no order to insist on.
                let position = self.pubrel_due.iter().position(|it| *it == id);
                if let (true, Some(position)) = (around.is_hostile, position) {
                    self.pubrel_due.swap(0, position);
                }
                due(&mut self.pubrel_due, id, Monitor::ReleaseOrder)?;
            }
            Packet::PubComp(pubcomp) => {
                let id = pubcomp.packet_identifier.get();
                turn.cover(of_monitor(Monitor::PubComp));
                if let Some(shadow) = around.shadow {
                    turn.cover(of_monitor(Monitor::PersistFirst));
                    shadow.may_send_pubcomp(id)?;
                }
                self.counted.retain(|it| *it != id);
                due(&mut self.pubcomp_due, id, Monitor::PubComp)?;
            }
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => {
                let id = packet.packet_identifier().map_or(0, |id| id.get());
                turn.cover(of_monitor(Monitor::Identifiers));
                if around.flow.is_in_use(id) {
                    let message = format!("{packet_type} has identifier {id}, which is in use");
                    return Err(violation(Monitor::Identifiers, message));
                }
                let mut requests = around.flow.requests.iter_mut();
                match requests.find(|(seen, _)| *seen == 0) {
                    Some(request) => request.0 = id,
                    None => {
                        let message = format!("nobody asked for a {packet_type}");
                        return Err(violation(Monitor::NothingOfTheDead, message));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn sent_publish(
        &mut self,
        publish: &Publish<'_>,
        around: Surroundings<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        check_publish(publish, &around.limits, &mut self.named_alias, turn)?;
        let number = publish.payload.first().copied().unwrap_or(u8::MAX);
        let Some(record) = around.flow.records.get(usize::from(number)) else {
            let message = format!("message {number} is sent, which nobody published");
            return Err(violation(Monitor::NothingOfTheDead, message));
        };
        turn.cover(of_monitor(Monitor::OneOutcome));
        if record.over {
            let message = format!("message {number} is sent after its outcome");
            return Err(violation(Monitor::OneOutcome, message));
        }
        let Some(id) = publish.delivery.packet_identifier() else {
            return Ok(());
        };
        let id = id.get();
        turn.cover(of_monitor(Monitor::Identifiers));
        if record.identifier != id && (record.identifier != 0 || around.flow.is_in_use(id)) {
            let message = format!("message {number} is sent with identifier {id}");
            return Err(violation(Monitor::Identifiers, message));
        }
        if publish.delivery.qos() == Qos::ExactlyOnce {
            turn.cover(of_monitor(Monitor::NotAfterRelease));
            if record.released {
                let message = format!("message {number} is sent after its PUBREC");
                return Err(violation(Monitor::NotAfterRelease, message));
            }
        }
        let duplicate = publish.delivery.duplicate();
        let monitor = if record.transmitted {
            Monitor::AgainDup
        } else {
            Monitor::FirstDup
        };
        turn.cover(of_monitor(monitor));
        if duplicate != record.transmitted && !(duplicate && record.restored) {
            let message = format!("message {number} has DUP {}", u8::from(duplicate));
            return Err(violation(monitor, message));
        }
        turn.cover(of_monitor(Monitor::NoResend));
        match self.last_published {
            Some(last) if last == number => {
                let message = format!("message {number} is sent twice on one connection");
                return Err(violation(Monitor::NoResend, message));
            }
            Some(last) => {
                turn.cover(of_monitor(Monitor::SendOrder));
                if last > number {
                    let message = format!("message {number} is sent after message {last}");
                    return Err(violation(Monitor::SendOrder, message));
                }
            }
            None => {}
        }
        self.last_published = Some(number);
        self.open.push(id);
        turn.cover(of_monitor(Monitor::SendQuota));
        if self.open.len() > usize::from(around.limits.receive_maximum) {
            let message = format!("{} messages are unanswered", self.open.len());
            return Err(violation(Monitor::SendQuota, message));
        }
        if let Some(shadow) = around.shadow {
            turn.cover(of_monitor(Monitor::PersistFirst));
            shadow.may_send_publish(id)?;
        }
        let record = &mut around.flow.records[usize::from(number)];
        record.identifier = id;
        record.transmitted = true;
        Ok(())
    }

    /// A PUBLISH was handed to this side, which owes an answer, or an answer more.
    pub(super) fn received_publish(&mut self, id: u16, qos: Qos, again: bool) {
        let queue = match qos {
            Qos::ExactlyOnce => &mut self.pubrec_due,
            _ => &mut self.puback_due,
        };
        if again || !queue.contains(&id) {
            queue.push_back(id);
        }
    }

    /// It counts against this side's Receive Maximum.
    pub(super) fn count(&mut self, id: u16, window: u16) -> Result<(), Violation> {
        if !self.counted.contains(&id) {
            self.counted.push(id);
        }
        if self.counted.len() > usize::from(window) {
            let message = format!("{} messages are unanswered", self.counted.len());
            return Err(violation(Monitor::ReceiveWindow, message));
        }
        Ok(())
    }

    /// A PUBREC was handed to this side, which owes a PUBREL.
    pub(super) fn received_pubrec(&mut self, id: u16) {
        self.pubrel_due.push_back(id);
    }

    /// A PUBREL was handed to this side, which owes a PUBCOMP.
    pub(super) fn received_pubrel(&mut self, id: u16) {
        self.pubcomp_due.push_back(id);
    }

    /// What ends an exchange was handed to this side.
    pub(super) fn answered(&mut self, id: u16) {
        self.open.retain(|it| *it != id);
    }
}

/// The next answer has to be this one.
fn due(queue: &mut VecDeque<u16>, id: u16, monitor: Monitor) -> Result<(), Violation> {
    match queue.pop_front() {
        Some(expected) if expected == id => Ok(()),
        Some(expected) => {
            let message = format!("sent for identifier {id}, but {expected} is next");
            Err(violation(monitor, message))
        }
        None => {
            let message = format!("sent for identifier {id}, but nothing is to be answered");
            Err(violation(monitor, message))
        }
    }
}
