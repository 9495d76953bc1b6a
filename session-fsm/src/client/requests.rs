//! SUBSCRIBE and UNSUBSCRIBE, and their acknowledgements (sections 3.8 to 3.11).

use mqtt5_codec::{
    PacketType, PropertyIdentifier, SubAck, Subscribe, SubscribeProperties, Subscriptions,
    TopicFilters, UnsubAck, Unsubscribe, UnsubscribeProperties,
};

use super::Client;
use crate::connection::{EncodeToVec, Handled};
use crate::error::SendError;
use crate::qos::Request;
use crate::{LimitExceeded, Outcome, Token};

impl Client {
    /// Sends a SUBSCRIBE. What the Server says to each Topic Filter is told by an
    /// [`Outcome::SubAck`] with the token.
    ///
    /// It is not repeated: if the Network Connection is lost before, the outcome is
    /// [`Outcome::Indeterminate`].
    ///
    /// # Errors
    ///
    /// [`SendError::NotConnected`]; [`SendError::Forbidden`] if the Server does not take such a
    /// subscription; [`SendError::NoIdentifier`]; [`SendError::Invalid`].
    pub fn subscribe(
        &mut self,
        properties: SubscribeProperties<'_>,
        subscriptions: Subscriptions<'_>,
    ) -> Result<Token, SendError> {
        let limits = &self.connection.peer;
        if !limits.subscription_identifier_available
            && properties.contains(PropertyIdentifier::SubscriptionIdentifier)
        {
            return Err(LimitExceeded::SubscriptionIdentifierAvailable.into());
        }
        let mut filters = 0;
        for subscription in subscriptions.iter() {
            filters += 1;
            if !limits.shared_subscription_available && subscription.filter.is_shared() {
                return Err(LimitExceeded::SharedSubscriptionAvailable.into());
            }
            if !limits.wildcard_subscription_available && subscription.filter.has_wildcard() {
                return Err(LimitExceeded::WildcardSubscriptionAvailable.into());
            }
        }
        self.request(Request::Subscribe { filters }, |packet_identifier| {
            Subscribe {
                properties,
                ..Subscribe::new(packet_identifier, subscriptions)
            }
            .encode_to_vec()
        })
    }

    /// Sends an UNSUBSCRIBE. What the Server says to each Topic Filter is told by an
    /// [`Outcome::UnsubAck`] with the token.
    ///
    /// It is not repeated: if the Network Connection is lost before, the outcome is
    /// [`Outcome::Indeterminate`].
    ///
    /// # Errors
    ///
    /// [`SendError::NotConnected`]; [`SendError::Forbidden`] if it is larger than the Server's Maximum
    /// Packet Size; [`SendError::NoIdentifier`]; [`SendError::Invalid`].
    pub fn unsubscribe(
        &mut self,
        properties: UnsubscribeProperties<'_>,
        filters: TopicFilters<'_>,
    ) -> Result<Token, SendError> {
        let count = u32::try_from(filters.iter().count()).unwrap_or(u32::MAX);
        self.request(
            Request::Unsubscribe { filters: count },
            |packet_identifier| {
                Unsubscribe {
                    properties,
                    ..Unsubscribe::new(packet_identifier, filters)
                }
                .encode_to_vec()
            },
        )
    }

    fn request(
        &mut self,
        request: Request,
        encode: impl FnOnce(
            mqtt5_codec::PacketIdentifier,
        ) -> Result<alloc::vec::Vec<u8>, mqtt5_codec::EncodeError>,
    ) -> Result<Token, SendError> {
        if !self.connection.is_open() {
            return Err(SendError::NotConnected);
        }
        let token = self.session.last_token.next();
        let sender = &mut self.session.sender;
        let packet_identifier = sender
            .request(request, token)
            .ok_or(SendError::NoIdentifier)?;
        let packet = encode(packet_identifier)
            .map_err(SendError::Invalid)
            .and_then(|packet| {
                if packet.len() > self.connection.peer.maximum_packet_size as usize {
                    Err(LimitExceeded::MaximumPacketSize.into())
                } else {
                    Ok(packet)
                }
            });
        match packet {
            Ok(packet) => {
                self.session.last_token = token;
                self.connection.send(&packet);
                Ok(token)
            }
            Err(error) => {
                sender.finish_request(packet_identifier);
                Err(error)
            }
        }
    }

    pub(super) fn receive_suback<'a>(&mut self, suback: SubAck<'a>) -> Handled<'a> {
        self.connection.check_explanations(&suback.properties)?;
        self.connection.answered_request(
            &mut self.session,
            PacketType::SubAck,
            suback.packet_identifier,
            suback.reason_codes.len(),
            Outcome::SubAck(suback),
        )
    }

    pub(super) fn receive_unsuback<'a>(&mut self, unsuback: UnsubAck<'a>) -> Handled<'a> {
        self.connection.check_explanations(&unsuback.properties)?;
        self.connection.answered_request(
            &mut self.session,
            PacketType::UnsubAck,
            unsuback.packet_identifier,
            unsuback.reason_codes.len(),
            Outcome::UnsubAck(unsuback),
        )
    }
}
