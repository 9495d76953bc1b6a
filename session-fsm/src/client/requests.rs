//! SUBSCRIBE and UNSUBSCRIBE, and their acknowledgements (sections 3.8 to 3.11).

use mqtt5_codec::{
    PacketIdentifier, PacketType, ProtocolVersion, Qos, SubAck, Subscribe, SubscribeProperties,
    Subscription, Subscriptions, TopicFilter, TopicFilters, UnsubAck, Unsubscribe,
    UnsubscribeProperties,
};

use super::Client;
use crate::connection::{EncodeToVec, Handled, Phase};
use crate::error::SendError;
use crate::exchange::Request;
use crate::limits::Needs;
use crate::{Outcome, Session, Token};

impl Client {
    /// Subscribes to one Topic Filter, without properties: the usual case of [`Client::subscribe`].
    ///
    /// ```
    /// use mqtt5_session_fsm::codec::{Connect, Qos};
    /// # use mqtt5_session_fsm::{Client, ClientConfig, Instant, Session, SessionConfig};
    ///
    /// # let now = Instant::ORIGIN;
    /// # let mut client = Client::new(ClientConfig::default(), Session::of_client(SessionConfig::default()));
    /// client.connect(now, &Connect::default())?;
    /// let token = client.subscribe_to("greenhouse/+", Qos::AtLeastOnce)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::subscribe`]; [`SendError::Invalid`] also if `filter` is not a Topic Filter.
    pub fn subscribe_to(&mut self, filter: &str, maximum_qos: Qos) -> Result<Token, SendError> {
        let subscriptions = [Subscription::new(filter, maximum_qos)?];
        self.subscribe(
            SubscribeProperties::EMPTY,
            Subscriptions::new(&subscriptions)?,
        )
    }

    /// Ends the subscription to one Topic Filter: the usual case of [`Client::unsubscribe`].
    ///
    /// # Errors
    ///
    /// As [`Client::unsubscribe`]; [`SendError::Invalid`] also if `filter` is not a Topic Filter.
    pub fn unsubscribe_from(&mut self, filter: &str) -> Result<Token, SendError> {
        let filters = [TopicFilter::new(filter)?];
        self.unsubscribe(UnsubscribeProperties::EMPTY, TopicFilters::new(&filters)?)
    }

    /// Sends a SUBSCRIBE. An [`Outcome::SubAck`] with the token brings the Server's answer to each
    /// Topic Filter.
    ///
    /// The packet is not repeated: if the Network Connection is lost before the answer, the outcome
    /// is [`Outcome::Indeterminate`].
    ///
    /// Between [`Client::connect`] and the CONNACK the packet waits for the CONNACK; in a Session
    /// that was [adopted](crate::Session::is_adopted) it waits for a Packet Identifier, too. If the Server
    /// then does not support such a subscription, the outcome is [`Outcome::Forbidden`]; if no
    /// CONNACK with Success comes, it is [`Outcome::NotSent`].
    /// [`SessionConfig::waiting`](crate::SessionConfig::waiting) limits the number and the bytes of
    /// waiting requests. Before `connect` a Client cannot subscribe: a subscription belongs to a
    /// Session, and only the CONNACK tells whether the Session exists.
    ///
    /// # Errors
    ///
    /// [`SendError::NotConnected`]; [`SendError::Forbidden`] if the Server does not support such a
    /// subscription; [`SendError::NoIdentifier`]; [`SendError::Busy`]; [`SendError::Invalid`], in
    /// MQTT 3.1.1 also for properties, No Local, Retain As Published and Retain Handling.
    pub fn subscribe(
        &mut self,
        properties: SubscribeProperties<'_>,
        subscriptions: Subscriptions<'_>,
    ) -> Result<Token, SendError> {
        let version = self.connection.version;
        let (needs, filters) = Needs::of(&properties, &subscriptions);
        let request = Request::Subscribe { filters };
        self.request(request, needs, |packet_identifier| {
            Subscribe {
                properties,
                ..Subscribe::new(packet_identifier, subscriptions)
            }
            .encode_to_vec(version)
        })
    }

    /// Sends an UNSUBSCRIBE. An [`Outcome::UnsubAck`] with the token brings the Server's answer to
    /// each Topic Filter.
    ///
    /// The packet is not repeated: if the Network Connection is lost before the answer, the outcome
    /// is [`Outcome::Indeterminate`]. Before the CONNACK it waits, as a SUBSCRIBE does.
    ///
    /// # Errors
    ///
    /// [`SendError::NotConnected`]; [`SendError::Forbidden`] if it is larger than the Server's
    /// Maximum Packet Size; [`SendError::NoIdentifier`]; [`SendError::Busy`];
    /// [`SendError::Invalid`], in MQTT 3.1.1 also for properties.
    ///
    /// An UNSUBACK of MQTT 3.1.1 has no Reason Codes: the outcome says Success for each Topic Filter.
    pub fn unsubscribe(
        &mut self,
        properties: UnsubscribeProperties<'_>,
        filters: TopicFilters<'_>,
    ) -> Result<Token, SendError> {
        let version = self.connection.version;
        let count = u32::try_from(filters.iter().count()).unwrap_or(u32::MAX);
        let request = Request::Unsubscribe { filters: count };
        self.request(request, Needs::default(), |packet_identifier| {
            Unsubscribe {
                properties,
                ..Unsubscribe::new(packet_identifier, filters)
            }
            .encode_to_vec(version)
        })
    }

    fn request(
        &mut self,
        request: Request,
        needs: Needs,
        encode: impl FnOnce(PacketIdentifier) -> Result<alloc::vec::Vec<u8>, mqtt5_codec::EncodeError>,
    ) -> Result<Token, SendError> {
        match self.connection.phase {
            Phase::Open | Phase::Accepted if self.connection.is_congested() => {
                return Err(SendError::Busy);
            }
            Phase::Open | Phase::Accepted => {
                if self.session.is_adopted() && !self.may_request() {
                    let packet = encode(PacketIdentifier::MIN)?;
                    self.connection.peer.check_request(needs)?;
                    self.connection.peer.check_size(packet.len())?;
                    let token = self.hold(request, needs, packet)?;
                    self.connection.ask_release(&mut self.session);
                    return Ok(token);
                }
            }
            Phase::Opening if self.connection.early.may_send() => {}
            Phase::Opening => {
                let packet = encode(PacketIdentifier::MIN)?;
                return self.hold(request, needs, packet);
            }
            Phase::Offline | Phase::Closing(_) => return Err(SendError::NotConnected),
        }
        self.connection.peer.check_request(needs)?;
        // The quota delays no other packet [MQTT-4.9.0-3].
        if fault!("MQTT-3.3.4-8") && self.session.in_flight() > 0 {
            return Err(SendError::NotConnected);
        }
        let token = self.session.last_token.next();
        let packet_identifier = self
            .session
            .sender
            .request(request, token)
            .ok_or(SendError::NoIdentifier)?;
        let packet = encode(packet_identifier)
            .map_err(SendError::Invalid)
            .and_then(|packet| {
                self.connection.peer.check_size(packet.len())?;
                Ok(packet)
            });
        match packet {
            Ok(packet) => {
                self.session.last_token = token;
                self.connection.send(&packet);
                self.connection.early.spend();
                Ok(token)
            }
            Err(error) => {
                let Session { sender, untold, .. } = &mut self.session;
                sender.take_back(packet_identifier, untold);
                Err(error)
            }
        }
    }

    pub(super) fn receive_suback<'a>(&mut self, suback: SubAck<'a>) -> Handled<'a> {
        self.connection.check_explanations(&suback.properties)?;
        self.connection.receive_answer(
            &mut self.session,
            PacketType::SubAck,
            suback.packet_identifier,
            Some(suback.reason_codes.len()),
            Outcome::SubAck(suback),
        )
    }

    pub(super) fn receive_unsuback<'a>(&mut self, unsuback: UnsubAck<'a>) -> Handled<'a> {
        self.connection.check_explanations(&unsuback.properties)?;
        self.connection.receive_answer(
            &mut self.session,
            PacketType::UnsubAck,
            unsuback.packet_identifier,
            (self.connection.version == ProtocolVersion::V5_0)
                .then_some(unsuback.reason_codes.len()),
            Outcome::UnsubAck(unsuback),
        )
    }
}
