//! The Server's part of CONNECT and CONNACK (sections 3.1, 3.2), and authentication.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtt5_codec::{
    Auth, ConnAck, Connect, Message, Packet, PacketType, Properties, Property, PropertyIdentifier,
    ProtocolVersion, Publish, Qos, ReasonCode, Role, Text, Will,
};

use super::connection::{Lent, ServerConnection};
use crate::connection::{
    Authentication, EncodeToVec, Explanations, Handled, Phase, Question, older_version,
};
use crate::error::SendError;
use crate::event::{Cause, Event, WillMessage};
use crate::session::PendingWill;
use crate::{Instant, LimitExceeded, Limits, SessionViolation};

/// What is remembered of a CONNECT until it is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handshake {
    client_identifier: Box<str>,
    clean_start: bool,
    keep_alive: u16,
    response_information: bool,
    will: Option<Box<PendingWill>>,
    /// Whether it is the caller's turn, not the Client's.
    pub(super) deciding: bool,
}

impl Lent<'_> {
    /// Handles a packet before the CONNACK.
    pub(super) fn step_opening<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        match *packet {
            Packet::Connect(connect) => self.receive_connect(now, connect),
            Packet::Auth(auth) => {
                let event = self.receive_auth(auth)?;
                if let Some(handshake) = &mut self.server.handshake {
                    handshake.deciding = true;
                }
                Ok(event)
            }
            Packet::Disconnect(disconnect) => {
                if self.server.connect_expiry == 0
                    && matches!(disconnect.properties.session_expiry_interval(), Some(1..))
                {
                    return Err(SessionViolation::SessionExpiryRaised);
                }
                let cause = Cause::PeerDisconnected(disconnect.reason_code);
                self.close(now, cause, false);
                Ok(Some(Event::Disconnect(disconnect)))
            }
            // Everything else has been refused at its first byte.
            _ => Ok(None),
        }
    }

    fn receive_connect<'a>(&mut self, now: Instant, connect: Connect<'a>) -> Handled<'a> {
        self.server.connection.liveness.question = Question::None;
        let properties = &connect.properties;
        self.server.connection.version = connect.version;
        if !self.server.versions.contains(connect.version) {
            self.refuse_by_itself(now, ReasonCode::UnsupportedProtocolVersion);
            return Ok(None);
        }
        if connect.version == ProtocolVersion::V3_1_1 {
            self.server.connection.own = older_version::limits(&self.server.connection.own);
            // [MQTT3-3.1.3-8]
            let is_kept = !connect.clean_start && !fault!("MQTT3-3.1.3-8");
            if connect.client_identifier.is_empty() && is_kept {
                self.refuse_by_itself(now, ReasonCode::ClientIdentifierNotValid);
                return Ok(None);
            }
        }
        self.server.connection.peer = Limits::of_client(properties);
        self.server.connection.authentication = properties
            .authentication_method()
            .map(|method| Box::new(Authentication::new(method.as_str())));
        let own = &self.server.connection.own;
        let unsupported = connect
            .will
            .and_then(|will| unsupported_will(own, will.qos, will.retain));
        // [MQTT3-3.1.3-5]
        if fault!("MQTT-3.1.3-5") && connect.client_identifier.len() == 23 {
            let reason_code = ReasonCode::ClientIdentifierNotValid;
            self.refuse_with(now, reason_code, &[], Cause::Refused(reason_code));
            return Ok(None);
        }
        if let Some(violation) = unsupported {
            self.refuse_will(now, violation);
            return Ok(None);
        }
        self.server.connect_expiry = connect.session_expiry_interval();
        if fault!("absent expiry is for ever") && properties.session_expiry_interval().is_none() {
            self.server.connect_expiry = u32::MAX;
        }
        self.server.handshake = Some(Box::new(Handshake {
            client_identifier: connect.client_identifier.as_str().into(),
            clean_start: connect.clean_start,
            keep_alive: connect.keep_alive,
            response_information: properties.request_response_information().unwrap_or(false),
            will: fault!(
                "MQTT3-3.1.2-12",
                connect.will,
                connect.will.or(Some(unasked_will()))
            )
            .as_ref()
            .and_then(pending_will),
            deciding: true,
        }));
        Ok(Some(Event::Connect(connect)))
    }

    fn refuse_by_itself(&mut self, now: Instant, reason_code: ReasonCode) {
        self.refuse_with(now, reason_code, &[], Cause::Refused(reason_code));
    }

    /// Refuses a Will that this Server cannot publish [MQTT-3.2.2-12], [MQTT-3.2.2-13].
    fn refuse_will(&mut self, now: Instant, violation: SessionViolation) {
        let cause = Cause::PeerError(violation.into());
        self.refuse_with(now, violation.reason_code(), &[], cause);
    }

    /// Accepts the CONNECT with the lent Session, as [`Server::accept`](crate::Server::accept)
    /// does.
    ///
    /// # Errors
    ///
    /// As [`Server::accept`](crate::Server::accept); [`SendError::NotExpected`] if no Session is
    /// lent.
    pub fn accept(&mut self, now: Instant, properties: &[Property<'_>]) -> Result<(), SendError> {
        let limits = self.server.connection.own;
        self.accept_with(now, &limits, properties)
    }

    /// As [`Lent::accept`], with limits for this Client, as
    /// [`Server::accept_with`](crate::Server::accept_with).
    ///
    /// # Errors
    ///
    /// As [`Lent::accept`].
    pub fn accept_with(
        &mut self,
        now: Instant,
        limits: &Limits,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let Some(handshake) = self.server.handshake.as_ref().filter(|it| it.deciding) else {
            return Err(SendError::NotExpected);
        };
        let session = self.session.as_deref().ok_or(SendError::NotExpected)?;
        let mut client_identifier = &*handshake.client_identifier;
        let mut keep_alive = fault!("MQTT-3.2.2-22", handshake.keep_alive, 0);
        let mut expiry_interval = self.server.connect_expiry;
        let is_told = self.server.connection.version == ProtocolVersion::V5_0;
        for property in properties {
            match *property {
                // A Client that is not told keeps to its own Keep Alive.
                Property::ServerKeepAlive(_) if !is_told => return Err(SendError::NotInVersion),
                // It may be capped all the same.
                Property::SessionExpiryInterval(seconds) if !is_told => {
                    expiry_interval = expiry_interval.min(seconds);
                }
                Property::AssignedClientIdentifier(assigned) => {
                    client_identifier = fault!("MQTT-3.1.3-7", assigned.as_str(), "another");
                }
                Property::ServerKeepAlive(seconds) => keep_alive = seconds,
                Property::SessionExpiryInterval(seconds) => expiry_interval = seconds,
                Property::ResponseInformation(_)
                    if handshake.response_information || fault!("MQTT-3.1.2-28") => {}
                Property::AuthenticationData(_)
                | Property::ReasonString(_)
                | Property::UserProperty(_) => {}
                // The machine adds the others itself, or they are not allowed.
                _ => return Err(SendError::PropertyUnwanted(property.identifier())),
            }
        }
        if client_identifier.is_empty() {
            return Err(SendError::PropertyMissing(
                PropertyIdentifier::AssignedClientIdentifier,
            ));
        }
        if session.role != Role::Server || session.client_identifier() != client_identifier {
            // [MQTT3-3.1.3-2]
            return Err(SendError::ClientIdentifierDiffers);
        }
        let limits = match is_told {
            true => *limits,
            false => older_version::limits(limits),
        };
        let own = fault!(
            "limits of one Client ignored",
            self.server.connection.own.lowered_to(&limits),
            self.server.connection.own,
        );
        if let Some(PendingWill { will, .. }) = handshake.will.as_deref() {
            if let Some(violation) = unsupported_will(&own, will.qos, will.message.retain()) {
                self.refuse_will(now, violation);
                return Ok(());
            }
        }
        let session = self.session.as_deref_mut().ok_or(SendError::NotExpected)?;
        // Ends the Session's earlier connection, and lets the Session expire, if that is due.
        session.connection_ended(now);
        session.handle_timeout(now);
        // [MQTT-3.1.4-4] [MQTT3-3.1.4-3], and with it Session Present is 0 [MQTT-3.2.2-2].
        // In MQTT 3.1.1: [MQTT3-3.2.2-1].
        let clean_start = handshake.clean_start && !fault!("MQTT-3.1.2-4 Server");
        // [MQTT3-3.1.2-4]
        let session_present = session.life.exists() && !clean_start && !fault!("MQTT-3.1.2-5");
        let Some(packet) = self.server.connack(session_present, &own, properties)? else {
            // The Client cannot take the CONNACK: nothing was accepted.
            self.close(now, Cause::CannotAnswer(PacketType::ConnAck), false);
            return Ok(());
        };
        if !session_present {
            session.end();
        }
        let handshake = self.server.handshake.take();
        if fault!("MQTT-3.1.3-9") {
            session.hand_out_will();
        }
        let will = handshake.and_then(|handshake| handshake.will);
        session.connection_began(session.client_identifier.clone(), expiry_interval, will);
        // [MQTT3-3.1.2-24]
        self.server.keep_alive = fault!("MQTT-3.1.2-22", keep_alive, keep_alive.saturating_mul(2));
        self.server.connection.own = own;
        self.server.connection.phase = fault!(
            "packets before the end of the Session",
            Phase::Accepted,
            Phase::Open
        );
        self.server.connection.liveness.hear(now);
        if let Some(authentication) = &mut self.server.connection.authentication {
            authentication.connected();
        }
        // [MQTT3-3.2.0-1]
        if fault!("MQTT-3.2.0-1") {
            self.server.connection.send_ping(PacketType::PingResp);
        }
        // [MQTT3-3.1.4-4]
        if !fault!("MQTT-3.1.4-5") {
            self.server.connection.send(&packet);
        }
        if fault!("MQTT-3.2.0-2") {
            self.server.connection.send(&packet);
        }
        Ok(())
    }

    /// As [`Server::refuse`](crate::Server::refuse).
    ///
    /// # Errors
    ///
    /// As [`Server::refuse`](crate::Server::refuse).
    pub fn refuse(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        if !self.server.is_deciding() {
            return Err(SendError::NotExpected);
        }
        let connack = ConnAck {
            properties: Properties::new(properties)?,
            ..ConnAck::new(reason_code)
        };
        connack.encoded_len(ProtocolVersion::V5_0)?;
        let authentication = self.server.connection.authentication.as_ref();
        for property in properties {
            let wanted = match property {
                Property::AuthenticationMethod(method) => {
                    authentication.is_some_and(|it| it.method() == method.as_str())
                        || fault!("MQTT-4.12.0-6")
                }
                Property::AuthenticationData(_) => authentication.is_some(),
                Property::ResponseInformation(_) => self
                    .server
                    .handshake
                    .as_ref()
                    .is_some_and(|it| it.response_information),
                Property::AssignedClientIdentifier(_) => false,
                _ => true,
            };
            if !wanted {
                return Err(SendError::PropertyUnwanted(property.identifier()));
            }
        }
        if !reason_code.is_error() {
            return Err(mqtt5_codec::Violation::ReasonCodeNotAllowed.into());
        }
        self.refuse_with(now, reason_code, properties, Cause::Refused(reason_code));
        Ok(())
    }

    pub(super) fn refuse_with(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
        cause: Cause,
    ) {
        // Also for a ClientID that is refused [MQTT-3.1.3-8], further checks [MQTT-3.1.4-2], and an
        // authentication that fails [MQTT-4.12.0-1] [MQTT-4.12.0-4].
        // In MQTT 3.1.1: [MQTT3-3.1.3-9] [MQTT3-3.2.2-5].
        if !fault!("MQTT-3.2.2-7") {
            self.close(now, cause, false);
        }
        let version = self.server.connection.version;
        let reason_code = older_version::refusal(version, reason_code).or(fault!(
            "MQTT3-3.2.2-6",
            None,
            Some(ReasonCode::NotAuthorized)
        ));
        let Some(reason_code) = reason_code else {
            return;
        };
        let packet =
            self.server
                .connection
                .fit(Explanations::Always, properties, |version, list| {
                    ConnAck {
                        properties: Properties::new(list)?,
                        ..ConnAck::new(reason_code)
                    }
                    .encode_to_vec(version)
                });
        // If not even this fits, the connection ends without a word.
        if let Ok(Some(packet)) = packet {
            self.server.connection.send(&packet);
        }
    }

    /// As [`Server::authenticate`](crate::Server::authenticate).
    ///
    /// # Errors
    ///
    /// As [`Server::authenticate`](crate::Server::authenticate).
    pub fn authenticate(&mut self, properties: &[Property<'_>]) -> Result<(), SendError> {
        self.server.connection.send_auth(
            Role::Server,
            ReasonCode::ContinueAuthentication,
            properties,
        )?;
        if let Some(handshake) = &mut self.server.handshake {
            handshake.deciding = false;
        }
        Ok(())
    }

    /// As [`Server::finish_re_authentication`](crate::Server::finish_re_authentication).
    ///
    /// # Errors
    ///
    /// As [`Server::finish_re_authentication`](crate::Server::finish_re_authentication).
    pub fn finish_re_authentication(
        &mut self,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        self.server
            .connection
            .send_auth(Role::Server, ReasonCode::Success, properties)
    }

    pub(super) fn receive_auth<'a>(&mut self, auth: Auth<'a>) -> Handled<'a> {
        let authentication = self.server.connection.authentication.as_mut();
        Authentication::receive(authentication, Role::Client, &auth)?;
        self.server.connection.liveness.question = Question::None;
        Ok(Some(Event::Authentication(auth)))
    }
}

impl ServerConnection {
    /// Returns the ClientID and Clean Start of a CONNECT that waits to be accepted or refused.
    #[cfg(feature = "persistence")]
    pub(crate) fn connecting(&self) -> Option<(&str, bool)> {
        let handshake = self.handshake.as_ref().filter(|it| it.deciding)?;
        Some((&handshake.client_identifier, handshake.clean_start))
    }

    /// Returns the ClientID that the Client will have if it is accepted with these properties;
    /// empty if there is none.
    pub(super) fn client_identifier<'a>(&'a self, properties: &[Property<'a>]) -> &'a str {
        let assigned = properties.iter().find_map(|property| match property {
            Property::AssignedClientIdentifier(assigned) => Some(assigned.as_str()),
            _ => None,
        });
        let handshake = self.handshake.as_ref();
        assigned
            .or(handshake.map(|handshake| &*handshake.client_identifier))
            .unwrap_or_default()
    }

    /// Builds the CONNACK that accepts; `None` if it is too large for the Client.
    fn connack(
        &self,
        session_present: bool,
        own: &Limits,
        properties: &[Property<'_>],
    ) -> Result<Option<Vec<u8>>, SendError> {
        let list = self.announced(own, properties)?;
        let packet = self
            .connection
            .fit(Explanations::Always, &list, |version, list| {
                ConnAck {
                    // [MQTT3-3.2.2-2] [MQTT3-3.2.2-3]
                    session_present: fault!(
                        "MQTT3-3.2.2-3",
                        session_present && !fault!("MQTT-3.2.2-3"),
                        true
                    ),
                    reason_code: ReasonCode::Success,
                    properties: Properties::new(list)?,
                }
                .encode_to_vec(version)
            });
        Ok(packet?)
    }

    /// Returns the properties of the CONNACK: limits that are not at their defaults, the
    /// Authentication Method, and those of the caller.
    fn announced<'p>(
        &'p self,
        own: &Limits,
        properties: &[Property<'p>],
    ) -> Result<Vec<Property<'p>>, SendError> {
        let mut list = Vec::with_capacity(properties.len() + 9);
        own.announce(&mut list);
        if let Some(authentication) = &self.connection.authentication {
            list.push(Property::AuthenticationMethod(Text::new(
                authentication.method(),
            )?));
        }
        list.extend_from_slice(properties);
        Ok(list)
    }
}

/// Returns the limit that a Will exceeds.
fn unsupported_will(own: &Limits, qos: Qos, retain: bool) -> Option<SessionViolation> {
    match own.check_message(qos, retain) {
        Err(LimitExceeded::MaximumQos) if !fault!("MQTT-3.2.2-12") => {
            Some(SessionViolation::WillQosNotSupported)
        }
        Err(LimitExceeded::RetainAvailable) if !fault!("MQTT-3.2.2-13") => {
            Some(SessionViolation::WillRetainNotSupported)
        }
        _ => None,
    }
}

/// Returns the Will as it is stored (section 3.1.2.5). Its properties become those of the message.
/// A Will that no CONNECT has.
#[cfg(mqtt5_faults)]
fn unasked_will() -> Will<'static> {
    let will = Packet::decode(
        ProtocolVersion::V3_1_1,
        b"\x10\x13\0\x04MQTT\x04\x06\0\0\0\x01c\0\x01w\0\x01x",
    );
    match will {
        Ok(Packet::Connect(Connect {
            will: Some(will), ..
        })) => will,
        other => unreachable!("{other:?}"),
    }
}

fn pending_will(will: &Will<'_>) -> Option<Box<PendingWill>> {
    let properties: Vec<_> = will
        .properties
        .iter()
        .filter(|property| property.identifier() != PropertyIdentifier::WillDelayInterval)
        .collect();
    // In their order [MQTT-3.1.3-10].
    #[cfg(mqtt5_faults)]
    let properties: Vec<_> = match fault!("MQTT-3.1.3-10") {
        true => properties.into_iter().rev().collect(),
        false => properties,
    };
    let publish = Publish {
        retain: will.retain,
        // All other properties of a Will are also properties of a PUBLISH.
        properties: Properties::new(&properties).ok()?,
        ..Publish::new(will.topic, &will.payload)
    };
    Some(Box::new(PendingWill {
        will: WillMessage {
            message: Message::new(&publish).ok()?,
            qos: will.qos,
        },
        delay: will.properties.will_delay_interval().unwrap_or(0),
        due_at: Instant::NEVER,
        session_ends_at: Instant::NEVER,
    }))
}
