//! CONNECT and CONNACK as the Server sees them (sections 3.1, 3.2), and authentication.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use mqtt5_codec::framing::LARGEST_PACKET;
use mqtt5_codec::{
    Auth, ConnAck, Connect, MaximumQos, Message, Packet, PacketType, Properties, Property,
    PropertyIdentifier, Publish, Qos, ReasonCode, Role, Text, Will,
};

use super::Server;
use crate::connection::{Authentication, EncodeToVec, Explanations, Handled, Phase, Question};
use crate::error::SendError;
use crate::event::{Cause, Event, WillMessage};
use crate::session::{PendingWill, Session};
use crate::{Instant, Limits, SessionViolation};

/// What is remembered of a CONNECT until it is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handshake {
    client_identifier: Box<str>,
    clean_start: bool,
    keep_alive: u16,
    response_information: bool,
    will: Option<Box<PendingWill>>,
    /// It is the caller's turn, not the Client's.
    deciding: bool,
}

impl Server {
    /// Whether it is the caller's turn to accept, to refuse, or to ask for authentication.
    pub(super) fn is_deciding(&self) -> bool {
        self.handshake.as_ref().is_some_and(|it| it.deciding)
    }

    /// A packet before the CONNACK.
    pub(super) fn step_opening<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        match *packet {
            Packet::Connect(connect) if self.handshake.is_none() => {
                self.receive_connect(now, connect)
            }
            Packet::Auth(auth) if self.handshake.is_some() => {
                let event = self.receive_auth(auth)?;
                if let Some(handshake) = &mut self.handshake {
                    handshake.deciding = true;
                }
                Ok(event)
            }
            Packet::Disconnect(disconnect) if self.handshake.is_some() => {
                if self.connect_expiry == 0
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
        self.connection.liveness.question = Question::None;
        let properties = &connect.properties;
        self.connection.peer = Limits::of_client(properties);
        self.connection.authentication = properties
            .authentication_method()
            .map(|method| Authentication::new(method.as_str()));
        let own = &self.connection.own;
        let unsupported = connect
            .will
            .and_then(|will| unsupported_will(own, will.qos, will.retain));
        if fault!("MQTT-3.1.3-5") && connect.client_identifier.len() == 23 {
            let reason_code = ReasonCode::ClientIdentifierNotValid;
            self.refuse_with(now, reason_code, &[], Cause::Refused(reason_code));
            return Ok(None);
        }
        if let Some(violation) = unsupported {
            self.refuse_will(now, violation);
            return Ok(None);
        }
        self.connect_expiry = properties.session_expiry_interval().unwrap_or(fault!(
            "absent expiry is for ever",
            0,
            u32::MAX
        ));
        self.handshake = Some(Box::new(Handshake {
            client_identifier: connect.client_identifier.as_str().into(),
            clean_start: connect.clean_start,
            keep_alive: connect.keep_alive,
            response_information: properties.request_response_information().unwrap_or(false),
            will: connect.will.as_ref().and_then(pending_will),
            deciding: true,
        }));
        Ok(Some(Event::Connect(connect)))
    }

    /// A Will that this Server cannot publish [MQTT-3.2.2-12], [MQTT-3.2.2-13].
    fn refuse_will(&mut self, now: Instant, violation: SessionViolation) {
        let cause = Cause::PeerError(violation.into());
        self.refuse_with(now, violation.reason_code(), &[], cause);
    }

    /// Accepts the CONNECT (section 3.1.4): sends the CONNACK, with the limits of
    /// [`ServerConfig`](super::ServerConfig) and these properties. `session` is the one that the
    /// caller has for the ClientID; whether it goes on is decided here, by Clean Start, and told by
    /// Session Present. If there was another Session, its end is reported by [`Server::poll`] or by the next
    /// [`Server::receive`], whichever is called first.
    ///
    /// The properties may be Server Keep Alive and Session Expiry Interval, which replace what the Client
    /// asked for; Assigned Client Identifier, which has to be given if the ClientID was empty, and replaces it
    /// otherwise, so that `session` has to be the one of the new ClientID (section 3.2.2.3.7);
    /// Response Information, if it was requested; Authentication Data, Reason String and User Properties.
    ///
    /// Of two Network Connections of the same Client, the one that was opened first may be heard last: its
    /// CONNECT should not take the Session from the other. Who remembers in which order the connections
    /// were accepted from the network can close the older one instead.
    ///
    /// # Errors
    ///
    /// [`SendError`]; the CONNECT still waits then, and the session that was given is used the next time, or
    /// given back by [`Server::take_session`]: [`SendError::ClientIdentifierDiffers`] if it is of another
    /// Client, [`SendError::PropertyMissing`], [`SendError::PropertyUnwanted`], [`SendError::Invalid`].
    pub fn accept(
        &mut self,
        now: Instant,
        session: Option<Session>,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let limits = self.connection.own;
        self.accept_with(now, session, &limits, properties)
    }

    /// As [`Server::accept`], with limits for this Client, by its plan or its rights for example. Of each limit the
    /// lower one of `limits` and [`ServerConfig::limits`](super::ServerConfig::limits) is announced in the CONNACK, and
    /// this Network Connection is held to it; so it is best to start from the latter. The next connection of the Client
    /// may have others.
    ///
    /// If the Will of the CONNECT is above the limits, the CONNECT is refused with 0x9B or 0x9A instead
    /// \[MQTT-3.2.2-12\], \[MQTT-3.2.2-13\]: the call succeeds, and [`Output::Close`](crate::Output::Close) follows. The
    /// Session is as it was then, and [`Server::take_session`] gives it back.
    ///
    /// ```
    /// use mqtt5_session_fsm::codec::{Connect, Qos, Text};
    /// use mqtt5_session_fsm::{Event, Instant, Limits, Server, ServerConfig};
    ///
    /// let config = ServerConfig::default();
    /// let mut server = Server::new(Instant::ORIGIN, config);
    /// let mut bytes = Vec::new();
    /// let connect = Connect { client_identifier: Text::new("trial")?, ..Connect::default() };
    /// connect.encode(&mut bytes)?;
    /// let event = server.receive(Instant::ORIGIN, &mut &bytes[..]);
    /// assert!(matches!(event, Some(Event::Connect(_))));
    ///
    /// let trial = Limits { maximum_qos: Qos::AtMostOnce, receive_maximum: 10, ..config.limits };
    /// server.accept_with(Instant::ORIGIN, None, &trial, &[])?;
    /// assert_eq!(server.limits().receive_maximum, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Server::accept`].
    pub fn accept_with(
        &mut self,
        now: Instant,
        session: Option<Session>,
        limits: &Limits,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let Some(handshake) = self.handshake.as_ref().filter(|it| it.deciding) else {
            return Err(SendError::NotExpected);
        };
        if session.is_some() {
            // Kept for another try, should this one fail.
            self.session = session;
        }
        let mut client_identifier = &*handshake.client_identifier;
        let mut keep_alive = fault!("MQTT-3.2.2-22", handshake.keep_alive, 0);
        let mut expiry_interval = self.connect_expiry;
        for property in properties {
            match *property {
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
                // The others are announced by themselves, or must not be given.
                _ => return Err(SendError::PropertyUnwanted(property.identifier())),
            }
        }
        if client_identifier.is_empty() {
            return Err(SendError::PropertyMissing(
                PropertyIdentifier::AssignedClientIdentifier,
            ));
        }
        if self.session.as_ref().is_some_and(|session| {
            session.role != Role::Server || session.client_identifier() != client_identifier
        }) {
            return Err(SendError::ClientIdentifierDiffers);
        }
        let own = fault!(
            "limits of one Client ignored",
            self.connection.own.lowered_to(limits),
            self.connection.own,
        );
        if let Some(PendingWill { will, .. }) = handshake.will.as_deref() {
            if let Some(violation) = unsupported_will(&own, will.qos, will.message.retain()) {
                self.refuse_will(now, violation);
                return Ok(());
            }
        }
        let mut session = match self.session.take() {
            None if fault!("MQTT-3.1.2-6") => return Err(SendError::NotExpected),
            None => Session::of_server(client_identifier, self.session_config),
            Some(session) => session,
        };
        // One that is over, or that another connection still had, is brought in order first.
        session.connection_ended(now);
        session.handle_timeout(now);
        // [MQTT-3.1.4-4], and with it Session Present is 0 [MQTT-3.2.2-2].
        let clean_start = handshake.clean_start && !fault!("MQTT-3.1.2-4 Server");
        let session_present = session.exists && !clean_start && !fault!("MQTT-3.1.2-5");
        let packet = match self.connack(session_present, &own, properties) {
            Ok(Some(packet)) => packet,
            Ok(None) => {
                // The Client cannot be told: nothing was accepted.
                self.session = Some(session);
                self.close(now, Cause::CannotAnswer(PacketType::ConnAck), false);
                return Ok(());
            }
            Err(error) => {
                self.session = Some(session);
                return Err(error);
            }
        };

        if !session_present {
            session.end();
        }
        let handshake = self.handshake.take();
        if fault!("MQTT-3.1.3-9") {
            session.hand_out_will();
        }
        session.will = handshake.and_then(|handshake| handshake.will);
        session.connection_began(expiry_interval);
        self.keep_alive = fault!("MQTT-3.1.2-22", keep_alive, keep_alive.saturating_mul(2));
        self.connection.own = own;
        self.connection.phase = fault!(
            "packets before the end of the Session",
            Phase::Accepted,
            Phase::Open
        );
        self.connection.liveness.hear(now);
        if let Some(authentication) = &mut self.connection.authentication {
            authentication.connected();
        }
        self.session = Some(session);
        if fault!("MQTT-3.2.0-1") {
            self.connection.send_ping(PacketType::PingResp);
        }
        if !fault!("MQTT-3.1.4-5") {
            self.connection.send(&packet);
        }
        if fault!("MQTT-3.2.0-2") {
            self.connection.send(&packet);
        }
        Ok(())
    }

    /// The CONNACK that accepts; `None` if it is too large for the Client.
    fn connack(
        &self,
        session_present: bool,
        own: &Limits,
        properties: &[Property<'_>],
    ) -> Result<Option<Vec<u8>>, SendError> {
        let list = self.announced(own, properties)?;
        let packet = self.connection.fit(Explanations::Always, &list, |list| {
            ConnAck {
                session_present: session_present && !fault!("MQTT-3.2.2-3"),
                reason_code: ReasonCode::Success,
                properties: Properties::new(list)?,
            }
            .encode_to_vec()
        });
        Ok(packet?)
    }

    /// The properties of the CONNACK: limits that are not at their defaults, the Authentication
    /// Method, and what the caller wants to say.
    fn announced<'p>(
        &'p self,
        own: &Limits,
        properties: &[Property<'p>],
    ) -> Result<Vec<Property<'p>>, SendError> {
        let none = Limits::NONE;
        let mut list = Vec::with_capacity(properties.len() + 9);
        if own.receive_maximum != none.receive_maximum {
            list.extend(NonZeroU16::new(own.receive_maximum).map(Property::ReceiveMaximum));
        }
        match fault!("MQTT-3.2.2-9", own.maximum_qos, Qos::ExactlyOnce) {
            Qos::ExactlyOnce => {}
            Qos::AtLeastOnce => list.push(Property::MaximumQos(MaximumQos::AtLeastOnce)),
            Qos::AtMostOnce => list.push(Property::MaximumQos(MaximumQos::AtMostOnce)),
        }
        if own.maximum_packet_size < LARGEST_PACKET {
            list.extend(NonZeroU32::new(own.maximum_packet_size).map(Property::MaximumPacketSize));
        }
        if own.topic_alias_maximum > 0 {
            list.push(Property::TopicAliasMaximum(own.topic_alias_maximum));
        }
        if !own.retain_available {
            list.push(Property::RetainAvailable(false));
        }
        if !own.wildcard_subscription_available {
            list.push(Property::WildcardSubscriptionAvailable(false));
        }
        if !own.subscription_identifier_available {
            list.push(Property::SubscriptionIdentifierAvailable(false));
        }
        if !own.shared_subscription_available {
            list.push(Property::SharedSubscriptionAvailable(false));
        }
        if let Some(authentication) = &self.connection.authentication {
            list.push(Property::AuthenticationMethod(Text::new(
                authentication.method(),
            )?));
        }
        list.extend_from_slice(properties);
        Ok(list)
    }

    /// Refuses the CONNECT with a CONNACK (section 3.2.2.2); [`Output::Close`](crate::Output::Close)
    /// follows. To refuse it without a word, close the Network Connection and call
    /// [`Server::connection_lost`].
    ///
    /// # Errors
    ///
    /// [`SendError::NotExpected`] if no CONNECT waits; [`SendError::Invalid`] if the Reason Code is not one
    /// of a refusal, or for a property that a CONNACK cannot have; [`SendError::PropertyUnwanted`] for one that
    /// this Client has not asked for.
    pub fn refuse(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        if !self.is_deciding() {
            return Err(SendError::NotExpected);
        }
        let connack = ConnAck {
            properties: Properties::new(properties)?,
            ..ConnAck::new(reason_code)
        };
        connack.encoded_len()?;
        let authentication = self.connection.authentication.as_ref();
        for property in properties {
            let wanted = match property {
                Property::AuthenticationMethod(method) => {
                    authentication.is_some_and(|it| it.method() == method.as_str())
                        || fault!("MQTT-4.12.0-6")
                }
                Property::AuthenticationData(_) => authentication.is_some(),
                Property::ResponseInformation(_) => self
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
        // Also for a ClientID that is refused [MQTT-3.1.3-8], further checks [MQTT-3.1.4-2], and an authentication that
        // fails [MQTT-4.12.0-1] [MQTT-4.12.0-4].
        if !fault!("MQTT-3.2.2-7") {
            self.close(now, cause, false);
        }
        let packet = self
            .connection
            .fit(Explanations::Always, properties, |list| {
                ConnAck {
                    properties: Properties::new(list)?,
                    ..ConnAck::new(reason_code)
                }
                .encode_to_vec()
            });
        // If not even this fits, the connection ends without a word.
        if let Ok(Some(packet)) = packet {
            self.connection.send(&packet);
        }
    }

    /// Asks the Client for more, before the CONNACK or during re-authentication (section 4.12): an AUTH with
    /// Reason Code 0x18. The Authentication Method is added.
    ///
    /// # Errors
    ///
    /// [`SendError::NotExpected`] if it is not this side's turn; [`SendError::Invalid`].
    pub fn authenticate(
        &mut self,
        now: Instant,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        self.connection.observe(self.session.as_mut(), now);
        self.connection
            .send_auth(Role::Server, ReasonCode::ContinueAuthentication, properties)?;
        if let Some(handshake) = &mut self.handshake {
            handshake.deciding = false;
        }
        Ok(())
    }

    /// The re-authentication has succeeded (section 4.12.1): an AUTH with Reason Code 0x00. If it has
    /// failed, use [`Server::disconnect`].
    ///
    /// # Errors
    ///
    /// [`SendError::NotExpected`] if none is under way, or it is not this side's turn;
    /// [`SendError::Invalid`].
    pub fn finish_re_authentication(
        &mut self,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        self.connection
            .send_auth(Role::Server, ReasonCode::Success, properties)
    }

    pub(super) fn receive_auth<'a>(&mut self, auth: Auth<'a>) -> Handled<'a> {
        let authentication = self.connection.authentication.as_mut();
        Authentication::receive(authentication, Role::Client, &auth)?;
        self.connection.liveness.question = Question::None;
        Ok(Some(Event::Authentication(auth)))
    }
}

/// What a Server with these limits has against a Will.
fn unsupported_will(own: &Limits, qos: Qos, retain: bool) -> Option<SessionViolation> {
    if qos > own.maximum_qos && !fault!("MQTT-3.2.2-12") {
        Some(SessionViolation::WillQosNotSupported)
    } else if retain && !own.retain_available && !fault!("MQTT-3.2.2-13") {
        Some(SessionViolation::WillRetainNotSupported)
    } else {
        None
    }
}

/// What is stored of a Will (section 3.1.2.5). Its properties become those of the message.
fn pending_will(will: &Will<'_>) -> Option<Box<PendingWill>> {
    let properties: Vec<_> = will
        .properties
        .iter()
        .filter(|property| property.identifier() != PropertyIdentifier::WillDelayInterval)
        .collect();
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
    }))
}
