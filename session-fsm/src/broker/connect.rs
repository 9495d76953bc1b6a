//! CONNECT (section 3.1.4): who connects, and to which Session.

use alloc::vec::Vec;

use mqtt5_codec::{Packet, Property, ReasonCode, Text};

use super::clients::Client;
use super::slots::Key;
use super::{Admission, Broker, ConnectionKey, Gone, Notice, Question, Verdict};
use crate::{Instant, SendError, Session};

impl Broker {
    /// Answers a CONNECT, or an AUTH.
    ///
    /// # Errors
    ///
    /// [`Gone`] if the connection is over.
    pub fn answer_connect(
        &mut self,
        now: Instant,
        question: &Question,
        verdict: &Verdict<'_>,
    ) -> Result<(), Gone> {
        self.at(now);
        let key = question.connection.0;
        let _ = match verdict {
            Verdict::Continue(properties) => self
                .with(key, |mut lent| lent.authenticate(properties))
                .ok_or(Gone)?,
            Verdict::Refuse(code, properties) => self
                .with(key, |mut lent| lent.refuse(now, *code, properties))
                .ok_or(Gone)?,
            Verdict::Accept(admission) => self.admit(now, key, question, admission)?,
        };
        self.ready(key);
        self.arm(key);
        Ok(())
    }

    fn admit(
        &mut self,
        now: Instant,
        key: Key,
        question: &Question,
        admission: &Admission<'_>,
    ) -> Result<Result<(), SendError>, Gone> {
        let Packet::Connect(connect) = question.packet() else {
            return Err(Gone);
        };
        let refuse = |broker: &mut Self, code| {
            broker
                .with(key, |mut lent| lent.refuse(now, code, &[]))
                .ok_or(Gone)
        };
        let identifier = match admission.assigned {
            Some(assigned) => assigned,
            None => connect.client_identifier.as_str(),
        };
        let mut known = self.clients.find(identifier);
        if admission.assigned.is_some() && known.is_some() {
            return refuse(self, ReasonCode::ClientIdentifierNotValid);
        }
        // It may have expired.
        if let Some(client) = known {
            self.client_timeout(now, client);
            known = self.clients.find(identifier);
        }
        // A Session belongs to the principal that made it.
        let owner = known.and_then(|client| self.clients.get(client));
        if owner.is_some_and(|it| *it.principal != *admission.principal) {
            return refuse(self, ReasonCode::ClientIdentifierNotValid);
        }
        if known.is_none() && self.clients.len() >= self.config.limits.sessions as usize {
            return refuse(self, ReasonCode::QuotaExceeded);
        }
        if let Some(client) = known {
            self.take_over(now, client);
            known = self.clients.find(identifier);
        }
        // [MQTT-3.1.4-4]
        if let (true, Some(client)) = (connect.clean_start, known) {
            self.clients.forget_identifier(client);
            if let Some(it) = self.clients.get_mut(client) {
                it.session.end();
            }
            self.settle(now, client);
            known = None;
        }
        let limits = admission.client.unwrap_or(self.config.client);
        let client = known.unwrap_or_else(|| {
            let config = self.session_config();
            self.clients
                .insert(Session::of_server(identifier, config), limits)
        });
        let session_present = self
            .clients
            .get(client)
            .is_some_and(|it| it.session.exists());
        let mut properties: Vec<Property<'_>> = admission.properties.to_vec();
        if let Some(text) = admission.assigned.and_then(|it| Text::new(it).ok()) {
            properties.push(Property::AssignedClientIdentifier(text));
        }
        let link = self.links.get_mut(key).ok_or(Gone)?;
        link.client = Some(client);
        let own = admission.limits.unwrap_or(self.config.server.limits);
        let accepted = self
            .with(key, |mut lent| lent.accept_with(now, &own, &properties))
            .ok_or(Gone)?;
        let is_connected = self.with(key, |lent| lent.is_connected()) == Some(true);
        if !is_connected {
            if let Some(link) = self.links.get_mut(key) {
                link.client = None;
            }
            if !session_present {
                self.clients.remove(client);
            }
            return Ok(accepted);
        }
        if let Some(it) = self.clients.get_mut(client) {
            it.connection = Some(key);
            it.limits = limits;
            it.principal = admission.principal.into();
        }
        self.note_principal(client);
        self.groups.connected(Client::subscriber(client));
        self.pull_from_groups(now, client);
        self.notice(Notice::Connected {
            client_identifier: identifier.into(),
            connection: ConnectionKey(key),
            session_present,
        });
        self.has_room(client);
        Ok(accepted)
    }

    /// Ends the connection that a Session has [MQTT-3.1.4-3].
    fn take_over(&mut self, now: Instant, client: Key) {
        let Some(old) = self.clients.get(client).and_then(|it| it.connection) else {
            return;
        };
        let _ = self.with(old, |mut lent| {
            let told = lent.disconnect(now, ReasonCode::SessionTakenOver, &[]);
            lent.leave(now);
            told
        });
        if let Some(link) = self.links.get_mut(old) {
            link.client = None;
        }
        self.ready(old);
        self.separated(now, client);
    }
}
