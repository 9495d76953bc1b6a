//! What the broker writes: judged, held until its record is stored, and read by the client.

use mqtt5_session_fsm::broker::{ConnectionKey, Next};

use super::host::instant;
use super::model::{Copy, Session, State};
use super::monitors::{Judge, Judged, Rule};
use super::packet::{Down, decode};
use super::{Answer, BrokerWorld};
use crate::explore::Turn;

impl BrokerWorld {
    /// A connection has something to write.
    pub(super) fn write(
        &mut self,
        is_old: bool,
        key: ConnectionKey,
        turn: &mut Turn<'_>,
    ) -> Judged {
        let now = instant(self.now);
        let mut bytes = Vec::new();
        let Ok(transmitted) = self.host(is_old).broker().transmit(now, key, &mut bytes) else {
            return Ok(());
        };
        let mut links = self.links.iter();
        let Some(at) = links.position(|it| it.is_old == is_old && it.key == Some(key)) else {
            return turn.must(
                Rule::Calls,
                Err("the broker writes to a connection that is over"),
            );
        };
        let mut packets = Vec::new();
        let client = self.links[at].client;
        let version = self.config().version(client);
        let decoded = decode(version, &bytes, |packet, size| packets.push((packet, size)));
        turn.must(Rule::WellFormed, decoded)?;
        let wait = self.host(is_old).wait(transmitted.depends_on);
        let largest = match self.config().packet_size {
            _ if self.config().is_older(client) => usize::MAX,
            0 => usize::MAX,
            size => size as usize,
        };
        for (packet, size) in packets {
            turn.rule(Rule::PacketSize, size <= largest, || {
                format!("{packet:?} has {size} bytes, and the client reads at most {largest}")
            })?;
            self.judge(at, packet, turn)?;
            let link = &mut self.links[at];
            if !link.is_known {
                continue;
            }
            match wait.filter(|_| !link.is_silent) {
                None => link.is_silent = true,
                Some(0) if link.held.is_empty() => self.let_go(at, packet, turn)?,
                Some(wait) => link.held.push_back((wait, packet)),
            }
        }
        if let Next::Close(_) = transmitted.next {
            let link = &mut self.links[at];
            link.key = None;
            link.up.clear();
            link.question = None;
            let (client, was_accepted) = (link.client, link.is_accepted);
            let has_reason = link.may_end.is_some() || link.is_hostile;
            turn.rule(Rule::NoComplaint, has_reason, || {
                format!("the connection of client {client} was closed")
            })?;
            self.links[at].is_accepted = false;
            if was_accepted {
                self.disconnected(is_old, client);
            }
        }
        Ok(())
    }

    /// Tells the model that a connection is over.
    pub(super) fn disconnected(&mut self, is_old: bool, client: u8) {
        let (now, config) = (self.time(is_old), self.config().clone());
        let host = self.host(is_old);
        host.expected += host.model.disconnected(client, now, &config);
    }

    /// What the broker may send, as the model has it.
    fn judge(&mut self, at: usize, packet: Down, turn: &mut Turn<'_>) -> Judged {
        let (client, is_old) = (self.links[at].client, self.links[at].is_old);
        let is_accepted = self.links[at].is_accepted;
        match packet {
            Down::ConnAck { present, code } => {
                let is_hostile = self.links[at].is_hostile;
                let session = self.host(is_old).model.session(client);
                let expected = session.and_then(|it| it.accept_present.take());
                turn.rule(Rule::Present, expected == Some(present) && code == 0 || is_hostile, || {
                    format!("CONNACK with {present} and {code:#x} to client {client}, and not {expected:?}")
                })
            }
            Down::Publish(got) if is_accepted => self.judge_message(client, is_old, got, turn),
            Down::Publish(_) => turn.must(
                Rule::Copies,
                Err("a message on a connection without a Session"),
            ),
            Down::PubRel(identifier, code) => {
                let session = self.host(is_old).model.session(client);
                let copies = session.map(|it| it.copies.iter_mut());
                let copy =
                    copies.and_then(|mut it| it.find(|it| it.state == State::Released(identifier)));
                let is_known = copy.is_some();
                if let Some(copy) = copy {
                    copy.is_sent = true;
                }
                let is_older = self.config().is_older(client);
                turn.rule(
                    Rule::Acknowledged,
                    is_known || code == 0x92 || is_older,
                    || format!("PUBREL {identifier} to client {client}, which no PUBREC asked for"),
                )
            }
            Down::PubAck(identifier, code) => {
                self.judge_answer(at, Answer::PubAck, identifier, code, turn)
            }
            Down::PubRec(identifier, code) => {
                self.judge_answer(at, Answer::PubRec, identifier, code, turn)
            }
            Down::PubComp(identifier, code) => {
                self.judge_answer(at, Answer::PubComp, identifier, code, turn)
            }
            Down::SubAck(identifier, code) => {
                self.judge_answer(at, Answer::SubAck, identifier, code, turn)
            }
            Down::UnsubAck(identifier, code) => {
                self.judge_answer(at, Answer::UnsubAck, identifier, code, turn)
            }
            Down::Disconnect(code) => {
                let link = &self.links[at];
                let has_reason = link.is_hostile || link.may_end == Some(code);
                turn.rule(Rule::NoComplaint, has_reason, || {
                    format!("DISCONNECT with {code:#x} to client {client}")
                })
            }
            Down::Other => turn.must(Rule::Calls, Err("a packet that nobody asked for")),
        }
    }

    fn judge_answer(
        &mut self,
        at: usize,
        answer: Answer,
        identifier: u16,
        code: u8,
        turn: &mut Turn<'_>,
    ) -> Judged {
        let client = self.links[at].client;
        let is_old = self.links[at].is_old;
        let rule = match answer {
            Answer::SubAck | Answer::UnsubAck => Rule::Subscribed,
            _ => Rule::Acknowledged,
        };
        let owed = &mut self.links[at].owed;
        let position = owed
            .iter()
            .position(|it| it.answer == answer && it.identifier == identifier);
        let Some(owed) = position.map(|it| owed.remove(it)) else {
            let is_hostile = self.links[at].is_hostile;
            return turn.rule(rule, is_hostile, || {
                format!("{answer:?} {identifier} to client {client}, which waits for none")
            });
        };
        let of_code = if code < 0x80 { rule } else { Rule::Refused };
        // MQTT 3.1.1 cannot say more.
        let said = |code: u8| match answer {
            _ if !self.config().is_older(client) => code,
            Answer::SubAck => code.min(0x80),
            _ => 0,
        };
        let is_owed = owed.codes.into_iter().any(|it| said(it) == code);
        turn.rule(of_code, is_owed, || {
            format!(
                "{answer:?} {identifier} with {code:#x} to client {client}, and not {:x?}",
                owed.codes
            )
        })?;
        if answer == Answer::PubRec && code >= 0x80 {
            if let Some(session) = self.host(is_old).model.session(client) {
                session.received.retain(|it| *it != identifier);
            }
        }
        Ok(())
    }

    /// What is stored has to be stored by now: bytes leave.
    pub(super) fn let_go(&mut self, at: usize, packet: Down, turn: &mut Turn<'_>) -> Judged {
        let (client, is_old) = (self.links[at].client, self.links[at].is_old);
        self.links[at].down.push_back(packet);
        if self.config().persistent == 0 || is_old {
            return Ok(());
        }
        let (model, stored) = (&self.host.model, &self.host.stored.model);
        let (now, then) = (
            &model.sessions[client as usize],
            stored.sessions.get(client as usize).unwrap_or(&None),
        );
        let lasts = now.as_ref().is_some_and(|it| it.expiry > 0);
        let is_stored = match (packet, now, then) {
            (Down::PubAck(_, code) | Down::PubRec(_, code), ..) if code < 0x80 => {
                // Whatever somebody was promised is known to what is stored.
                let number = self.promised_by(client, packet);
                // What was dropped because of a limit is nowhere.
                let has_losses = model.sessions.iter().flatten().any(|it| it.losses > 0);
                let is_due = !has_losses && number.is_some_and(|it| model.promised.contains(&it));
                (!is_due || number.is_some_and(|it| stored.promised.contains(&it)))
                    && (!lasts || received(packet, now) == received(packet, then))
            }
            (Down::PubComp(..), ..) => !lasts || received(packet, now) == received(packet, then),
            (Down::Publish(got), Some(session), _) if got.qos > 0 && lasts => {
                let is_it = |copy: &Copy| copy.is(&got);
                let sent = |copy: &Copy| copy.state == State::Sent(got.identifier) && is_it(copy);
                // The first record of a message may say that it is in flight before it is written.
                let known = then.as_ref().is_some_and(|it| it.copies.iter().any(is_it));
                let pooled = stored.pool.iter().any(|it| it.message.number == got.number);
                !session.copies.iter().any(sent) || known || pooled
            }
            (Down::PubRel(identifier, _), Some(session), _) if lasts => {
                let has_it = |it: &Session| {
                    it.copies
                        .iter()
                        .any(|copy| copy.state == State::Released(identifier))
                };
                !has_it(session) || then.as_ref().is_some_and(has_it)
            }
            (Down::SubAck(..) | Down::UnsubAck(..), Some(session), _) if lasts => {
                let quiet = self.links[at].up.is_empty() && self.host.pending.is_empty();
                let same = |it: &Session| it.subscriptions == session.subscriptions;
                !quiet || then.as_ref().is_some_and(same)
            }
            (Down::ConnAck { .. }, Some(_), _) if lasts => then.is_some(),
            _ => true,
        };
        turn.rule(Rule::Stored, is_stored, || {
            format!("{packet:?} leaves for client {client} before its record is stored")
        })
    }

    /// The message that a PUBACK or PUBREC is about, as the client sees it.
    fn promised_by(&self, client: u8, packet: Down) -> Option<u16> {
        let (Down::PubAck(identifier, _) | Down::PubRec(identifier, _)) = packet else {
            return None;
        };
        let mut outgoing = self.clients[client as usize].outgoing.iter();
        let found = outgoing.find(|it| it.sent.identifier == identifier);
        found.map(|it| it.sent.number)
    }

    /// A batch is stored, and what waited for it leaves. Returns whether there was one.
    pub(super) fn store(&mut self, turn: &mut Turn<'_>) -> Judged<bool> {
        let Some(point) = self.host.pending.pop_front() else {
            return Ok(false);
        };
        self.host.stored = point;
        for at in 0..self.links.len() {
            if self.links[at].is_old {
                continue;
            }
            for (wait, _) in &mut self.links[at].held {
                *wait = wait.saturating_sub(1);
            }
            while self.links[at].held.front().is_some_and(|it| it.0 == 0) {
                let Some((_, packet)) = self.links[at].held.pop_front() else {
                    break;
                };
                self.let_go(at, packet, turn)?;
            }
        }
        Ok(true)
    }
}

/// Whether the Packet Identifier of a PUBREC or PUBCOMP belongs to a message that has been received.
fn received(packet: Down, session: &Option<Session>) -> bool {
    let (Down::PubRec(identifier, _) | Down::PubComp(identifier, _)) = packet else {
        return false;
    };
    session
        .as_ref()
        .is_some_and(|it| it.received.contains(&identifier))
}
