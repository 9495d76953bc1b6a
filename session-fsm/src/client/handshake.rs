//! The Client's part of CONNECT and CONNACK (sections 3.1, 3.2), and authentication.

use alloc::boxed::Box;

use mqtt5_codec::{
    Auth, ConnAck, Connect, Packet, PacketType, Property, PropertyIdentifier, ProtocolVersion,
    ReasonCode, Role,
};

use super::{Client, UnknownSession};
use crate::connection::{Authentication, Early, EncodeToVec, Handled, Phase, Question};
use crate::error::SendError;
use crate::event::{Cause, Event};
use crate::{Instant, Limits, SessionViolation};

/// What is remembered of a CONNECT until its CONNACK comes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Handshake {
    client_identifier: Box<str>,
    pub(super) keep_alive: u16,
    expiry_interval: u32,
    response_information: bool,
}

impl Client {
    /// Sends a CONNECT on a new Network Connection, which the caller has opened. An earlier
    /// connection is over.
    ///
    /// `connect` names the version of MQTT for this connection. The Session may have had connections
    /// of the other version.
    ///
    /// The packet is sent as it is given, with two exceptions. In MQTT 5, if there is no Session to
    /// resume, Clean Start is 1, because the Client must not accept a Session that it does not know.
    /// If the packet names no ClientID, it gets that of the Session. A Server may assign a ClientID that
    /// differs from that of the CONNECT; a Client of such a Server names none when it connects
    /// again.
    ///
    /// Without a Session Expiry Interval in its properties, or with 0 (section 3.1.2.11.2), the
    /// Session ends with this Network Connection, and messages in flight end as
    /// [`Outcome::Indeterminate`](crate::Outcome::Indeterminate). In MQTT 3.1.1 it ends with the
    /// Network Connection if Clean Session is 1, and never otherwise (section 3.1.2.4 there). Clean
    /// Session is [`Connect::clean_start`], sent as given: a program that has no Session yet, and
    /// wants the Server to keep one, sets it to `false`. If the Server has a Session already,
    /// [`ClientConfig::unknown_session`](crate::ClientConfig::unknown_session) decides.
    ///
    /// A message with properties goes to a Server of MQTT 3.1.1 without them.
    ///
    /// # Errors
    ///
    /// [`SendError::ClientIdentifierDiffers`] if the Session that is to go on belongs to another
    /// ClientID; [`SendError::Invalid`], in MQTT 3.1.1 also for what it cannot say, such as
    /// properties: [`Connect::for_version`] tells before.
    pub fn connect(&mut self, now: Instant, connect: &Connect<'_>) -> Result<(), SendError> {
        self.connection_lost(now);
        self.session.handle_timeout(now);
        let exists = self.session.life.exists();
        let clean_start =
            connect.clean_start || (!exists && connect.version == ProtocolVersion::V5_0);
        let known = &self.session.client_identifier;
        let given = connect.client_identifier;
        if !clean_start
            && !given.is_empty()
            && !known.is_empty()
            && given.as_str() != &**known
            && !fault!("MQTT-3.1.3-2")
        {
            return Err(SendError::ClientIdentifierDiffers);
        }
        let client_identifier: Box<str> = if given.is_empty() && !clean_start {
            known.clone()
        } else {
            given.as_str().into()
        };
        let packet = Connect {
            clean_start,
            client_identifier: mqtt5_codec::Text::new(&client_identifier)?,
            ..*connect
        }
        .encode_to_vec(connect.version)?;

        if clean_start && !fault!("MQTT-3.1.2-4") {
            self.session.end();
        }
        // The Server may have it for longer, and go on with it [MQTT-3.2.2-4].
        if !clean_start {
            self.session.resume();
        }
        let properties = &connect.properties;
        self.connection.begin(now);
        self.connection.version = connect.version;
        self.connection.own = Limits::of_client(properties);
        self.connection.authentication = properties
            .authentication_method()
            .map(|method| Box::new(Authentication::new(method.as_str())));
        if clean_start && self.connection.authentication.is_none() {
            self.connection.early = Early::granted(self.early_packets);
        }
        self.handshake = Handshake {
            client_identifier,
            keep_alive: connect.keep_alive,
            expiry_interval: connect.session_expiry_interval(),
            response_information: properties.request_response_information().unwrap_or(false),
        };
        // [MQTT3-3.1.0-1] [MQTT3-7.0.0-1]
        if fault!("MQTT-3.1.0-1") {
            self.connection.send_ping(PacketType::PingReq);
        }
        self.connection.send_question(&packet);
        if fault!("MQTT-3.1.2-30") {
            self.connection.send_ping(PacketType::PingReq);
        }
        Ok(())
    }

    /// Handles a packet before the CONNACK with Success.
    pub(super) fn step_opening<'a>(&mut self, now: Instant, packet: &Packet<'a>) -> Handled<'a> {
        match *packet {
            Packet::ConnAck(connack) if connack.reason_code.is_error() => {
                self.close(now, Cause::Refused(connack.reason_code), false);
                Ok(Some(Event::Refused(connack)))
            }
            Packet::ConnAck(connack) => {
                self.accepted(&connack)?;
                Ok(Some(Event::Connected(connack)))
            }
            Packet::Auth(auth) => self.receive_auth(auth),
            // Everything else has been refused at its first byte.
            _ => Ok(None),
        }
    }

    /// Returns whether a CONNACK ends the known Session, so that this must be reported before the
    /// CONNACK is taken.
    pub(super) fn ends_known_session(&mut self, packet: &Packet<'_>) -> bool {
        let ends = matches!(packet, Packet::ConnAck(connack)
            if self.session.life.exists()
                && !connack.session_present
                && !connack.reason_code.is_error()
                && self.check_accepted(connack).is_ok());
        let ends = ends && !fault!("MQTT-3.2.2-5");
        if ends {
            self.session.end();
        }
        ends
    }

    fn check_accepted(&self, connack: &ConnAck<'_>) -> Result<(), SessionViolation> {
        let properties = &connack.properties;
        if connack.session_present
            && !self.session.life.exists()
            && !self.may_adopt()
            && !fault!("MQTT-3.2.2-4")
        {
            return Err(SessionViolation::SessionPresentUnexpected);
        }
        let method = properties.authentication_method();
        match &self.connection.authentication {
            None if method.is_some() => return Err(SessionViolation::AuthUnexpected),
            Some(authentication)
                if method.is_none_or(|method| method.as_str() != authentication.method()) =>
            {
                return Err(SessionViolation::AuthenticationMethodDiffers);
            }
            _ => {}
        }
        let assigned = properties.assigned_client_identifier();
        let may_be_assigned = self.connection.version == ProtocolVersion::V5_0
            && self.handshake.client_identifier.is_empty();
        if assigned.is_none() == may_be_assigned
            && (assigned.is_none() || fault!("assigned ClientID for who has one is an error"))
        {
            return Err(SessionViolation::AssignedClientIdentifierMissing);
        }
        if properties.response_information().is_some() && !self.handshake.response_information {
            return Err(SessionViolation::ResponseInformationUnexpected);
        }
        Ok(())
    }

    /// Whether the Client may go on with a Session that only the Server has: not after Clean Session 1.
    fn may_adopt(&self) -> bool {
        self.connection.version == ProtocolVersion::V3_1_1
            && self.handshake.expiry_interval != 0
            && self.unknown_session == UnknownSession::GoOn
    }

    /// A CONNACK with Success. If it is of another Session than the one that was to go on, that one
    /// has ended.
    fn accepted(&mut self, connack: &ConnAck<'_>) -> Result<(), SessionViolation> {
        self.check_accepted(connack)?;
        let properties = &connack.properties;
        let client_identifier = core::mem::take(&mut self.handshake.client_identifier);
        let assigned = properties.assigned_client_identifier();
        let client_identifier =
            assigned.map_or(client_identifier, |assigned| assigned.as_str().into());
        // [MQTT-3.2.2-21].
        self.keep_alive = properties
            .server_keep_alive()
            .filter(|_| !fault!("MQTT-3.1.2-21"))
            .unwrap_or(self.handshake.keep_alive);
        self.connection.peer = Limits::of_server(properties);
        self.connection.phase = Phase::Open;
        self.connection.liveness.question = Question::None;
        if let Some(authentication) = &mut self.connection.authentication {
            authentication.connected();
        }
        let expiry_interval = properties
            .session_expiry_interval()
            .unwrap_or(self.handshake.expiry_interval);
        let adopts = connack.session_present && !self.session.life.exists();
        self.session
            .connection_began(client_identifier, expiry_interval, None);
        if adopts {
            self.session.adopt();
        }
        self.send_early();
        Ok(())
    }

    pub(super) fn receive_auth<'a>(&mut self, auth: Auth<'a>) -> Handled<'a> {
        self.connection.check_explanations(&auth.properties)?;
        let authentication = self.connection.authentication.as_mut();
        Authentication::receive(authentication, Role::Server, &auth)?;
        self.connection.liveness.question = Question::None;
        Ok(Some(Event::Authentication(auth)))
    }

    /// Answers the Server's AUTH, before the CONNACK or during re-authentication (section 4.12).
    /// The Authentication Method is added.
    ///
    /// # Errors
    ///
    /// [`SendError::NotExpected`] if it is the Server's turn; [`SendError::Invalid`].
    pub fn authenticate(&mut self, properties: &[Property<'_>]) -> Result<(), SendError> {
        self.send_auth(ReasonCode::ContinueAuthentication, properties)
    }

    /// Starts a re-authentication (section 4.12.1). The Authentication Method of the CONNECT is
    /// added. Everything else goes on meanwhile.
    ///
    /// # Errors
    ///
    /// [`SendError::NotExpected`] if the CONNECT had no Authentication Method, or re-authentication
    /// is under way; [`SendError::Invalid`].
    pub fn re_authenticate(&mut self, properties: &[Property<'_>]) -> Result<(), SendError> {
        self.send_auth(ReasonCode::ReAuthenticate, properties)
    }

    fn send_auth(
        &mut self,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        if self.connection.is_over() {
            return Err(SendError::NotConnected);
        }
        self.connection
            .send_auth(Role::Client, reason_code, properties)
    }

    /// Ends the Network Connection with a DISCONNECT (section 3.14);
    /// [`Output::Close`](crate::Output::Close) follows. With Reason Code 0x00 the Server deletes
    /// the Will Message; with any other, such as 0x04, it publishes the Will Message.
    ///
    /// A DISCONNECT of MQTT 3.1.1 says nothing but 0x00. With another Reason Code no packet is sent,
    /// and the Server publishes the Will Message because the connection is closed. Properties are
    /// left out.
    ///
    /// Messages that [`Client::poll`] has not written are not sent on this connection any more.
    /// Wait for their outcomes first if they must arrive.
    ///
    /// # Errors
    ///
    /// [`SendError::NotConnected`]; [`SendError::PropertyUnwanted`] for a Session Expiry Interval
    /// other than 0 if that of the CONNECT was 0 or absent, whatever the CONNACK said (section
    /// 3.14.2.2.2); [`SendError::NotInVersion`] for a Session Expiry Interval in MQTT 3.1.1;
    /// [`SendError::Invalid`] for a Reason Code or property that is not a Client's.
    pub fn disconnect(
        &mut self,
        now: Instant,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        if self.connection.is_over() {
            return Err(SendError::NotConnected);
        }
        let expiry = properties.iter().find_map(|property| match property {
            Property::SessionExpiryInterval(seconds) => Some(*seconds),
            _ => None,
        });
        if expiry.is_some() && self.connection.version == ProtocolVersion::V3_1_1 {
            return Err(SendError::NotInVersion);
        }
        if self.handshake.expiry_interval == 0 && expiry.is_some_and(|seconds| seconds > 0) {
            return Err(SendError::PropertyUnwanted(
                PropertyIdentifier::SessionExpiryInterval,
            ));
        }
        self.connection.send_disconnect(reason_code, properties)?;
        if let (Phase::Open, Some(seconds)) = (self.connection.phase, expiry) {
            self.session.change_expiry(seconds);
        }
        if !fault!("MQTT-3.14.4-2") {
            self.close(now, Cause::Disconnected(reason_code), true);
        }
        Ok(())
    }
}
