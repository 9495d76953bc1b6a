//! CONNECT (section 3.1.4): who connects, and to which Session.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtt5_codec::{Property, PropertyIdentifier, ProtocolVersion, ReasonCode, Text};

use super::clients::Client;
use super::slots::Key;
use super::{Admission, AnswerError, Broker, ConnectionKey, Notice, Question, Verdict};
use crate::{Instant, SendError};

impl Broker {
    /// Answers a CONNECT, or an AUTH. [`Verdict::Accept`] to an AUTH of a client that is connected
    /// already ends its re-authentication (section 4.12.1); [`Verdict::Refuse`] disconnects it.
    ///
    /// # Errors
    ///
    /// [`AnswerError::Gone`] if the connection is over. [`AnswerError::Send`] if this answer cannot
    /// be given: a property is not allowed, or the question has been answered.
    /// [`AnswerError::ClientIdentifierExists`] if the ClientID to be assigned is in use. After the last
    /// two the client still waits for an answer.
    pub fn answer_connect(
        &mut self,
        now: Instant,
        question: &Question,
        verdict: &Verdict<'_>,
    ) -> Result<(), AnswerError> {
        let now = self.at(now);
        let key = question.connection.0;
        let is_connected = self.with(key, |lent| lent.is_connected());
        let is_connected = is_connected.ok_or(AnswerError::Gone)?;
        let answered = match verdict {
            Verdict::Continue(properties) => {
                self.with(key, |mut lent| lent.authenticate(properties))
            }
            Verdict::Refuse(code, properties) if is_connected => {
                self.with(key, |mut lent| lent.disconnect(now, *code, properties))
            }
            Verdict::Refuse(code, properties) => {
                self.with(key, |mut lent| lent.refuse(now, *code, properties))
            }
            Verdict::Accept(admission) if is_connected => self.with(key, |mut lent| {
                lent.finish_re_authentication(admission.properties)
            }),
            Verdict::Accept(admission) => {
                // [MQTT-3.2.2-16]
                let assigned = admission.assigned.filter(|_| !fault!("MQTT-3.2.2-16"));
                if assigned.is_some_and(|it| self.living(now, it).is_some()) {
                    return Err(AnswerError::ClientIdentifierExists);
                }
                Some(self.admit(now, key, admission))
            }
        };
        self.ready(key);
        self.arm(key);
        answered
            .ok_or(AnswerError::Gone)?
            .map_err(AnswerError::Send)
    }

    fn admit(
        &mut self,
        now: Instant,
        key: Key,
        admission: &Admission<'_>,
    ) -> Result<(), SendError> {
        let connecting = self
            .links
            .get(key)
            .and_then(|it| it.connection.connecting());
        let Some((own, clean_start)) = connecting else {
            return Err(SendError::NotExpected);
        };
        // A Client without a ClientID gets one of its own [MQTT-3.1.3-6] [MQTT3-3.1.3-6].
        let identifier = fault!("MQTT-3.1.3-6", admission.assigned.unwrap_or(own), own);
        let identifier: Box<str> = identifier.into();
        if identifier.is_empty() && !fault!("MQTT-3.1.3-6") {
            let missing = PropertyIdentifier::AssignedClientIdentifier;
            return Err(SendError::PropertyMissing(missing));
        }
        let known = self.living(now, &identifier);
        if let Err(code) = self.may_have(known, admission) {
            self.refused(&identifier, code);
            let refused = self.with(key, |mut lent| lent.refuse(now, code, &[]));
            return refused.unwrap_or(Err(SendError::NotConnected));
        }
        if let Some(client) = known {
            self.take_over(now, client);
            if let Some(it) = self.clients.get_mut(client) {
                it.session.end_if_held(now);
            }
            // [MQTT-3.1.4-4]
            if clean_start {
                if let Some(it) = self.clients.get_mut(client) {
                    it.session.end();
                }
            }
            self.settle(now, client);
        }
        let client = match self.clients.find(&identifier) {
            Some(client) => client,
            None => {
                let session = self.session(&identifier);
                self.clients.insert(session, self.config.client)
            }
        };
        self.connect_to(now, key, client, admission, &identifier)
    }

    /// The Session of a ClientID, unless it has expired.
    fn living(&mut self, now: Instant, identifier: &str) -> Option<Key> {
        let client = self.clients.find(identifier)?;
        self.client_timeout(now, client);
        self.clients.find(identifier)
    }

    /// Whether a principal may have a Session: one that is there, or a new one.
    fn may_have(&self, known: Option<Key>, admission: &Admission<'_>) -> Result<(), ReasonCode> {
        let Some(client) = known.and_then(|key| self.clients.get(key)) else {
            let limit = self.config.limits.sessions as usize;
            let is_full = self.clients.living() >= limit || self.ending.len() >= limit;
            return match is_full {
                true => Err(ReasonCode::QuotaExceeded),
                false => Ok(()),
            };
        };
        if fault!("a takeover is one Session more")
            && self.clients.living() >= self.config.limits.sessions as usize
        {
            return Err(ReasonCode::QuotaExceeded);
        }
        // A Session belongs to the principal that made it.
        match *client.principal != *admission.principal {
            true => Err(ReasonCode::ClientIdentifierNotValid),
            false => Ok(()),
        }
    }

    fn connect_to(
        &mut self,
        now: Instant,
        key: Key,
        client: Key,
        admission: &Admission<'_>,
        identifier: &str,
    ) -> Result<(), SendError> {
        let mut properties: Vec<Property<'_>> = admission.properties.to_vec();
        if let Some(text) = admission.assigned.and_then(|it| Text::new(it).ok()) {
            properties.push(Property::AssignedClientIdentifier(text));
        }
        let it = self.clients.get(client).ok_or(SendError::NotExpected)?;
        let session_present = it.session.exists();
        let link = self.links.get_mut(key).ok_or(SendError::NotConnected)?;
        link.client = Some(client);
        if link.connection.version() == ProtocolVersion::V3_1_1 {
            // It cannot be told, and keeps to what it asked for.
            properties.retain(|it| it.identifier() != PropertyIdentifier::ServerKeepAlive);
        }
        let own = admission.limits.unwrap_or(self.config.server.limits);
        let accepted = self.with(key, |mut lent| lent.accept_with(now, &own, &properties));
        let is_connected = self.with(key, |lent| lent.is_connected()) == Some(true);
        if !is_connected {
            if let Some(link) = self.links.get_mut(key) {
                link.client = None;
            }
            if !session_present {
                self.clients.remove(client);
            }
            return accepted.unwrap_or(Err(SendError::NotConnected));
        }
        if let Some(it) = self.clients.get_mut(client) {
            it.connection = Some(key);
            it.is_recorded |= !it.session.ends_with_connection();
            it.limits = admission.client.unwrap_or(self.config.client);
            it.wildcards = own.wildcard_subscription_available;
            it.principal = admission.principal.into();
        }
        self.note_owner(client);
        self.groups.connected(Client::subscriber(client));
        self.pull_from_groups(now, client);
        self.notice(Notice::Connected {
            client_identifier: identifier.into(),
            connection: ConnectionKey(key),
            session_present,
        });
        self.has_room(client);
        Ok(())
    }

    /// Ends the connection that a Session has [MQTT-3.1.4-3] [MQTT3-3.1.4-2].
    fn take_over(&mut self, now: Instant, client: Key) {
        let Some(it) = self.clients.get(client) else {
            return;
        };
        let (old, depends_on) = (it.connection, it.depends_on);
        let Some(old) = old else { return };
        #[cfg(mqtt5_faults)]
        self.take_over_wrongly(client);
        let _ = self.with(old, |mut lent| {
            if !fault!("MQTT-3.1.4-3") {
                let _ = lent.disconnect(now, ReasonCode::SessionTakenOver, &[]);
            }
            lent.leave(now);
        });
        if let Some(link) = self.links.get_mut(old) {
            link.depends_on = link.depends_on.max(depends_on);
            link.client = fault!(
                "the end of the old connection ends the new one",
                None,
                link.client
            );
        }
        self.ready(old);
        self.separated(now, client);
    }
}
