//! What one side may send and the other may not, inside packets that both send.

use super::publish::PublishLayout;
use super::{Packet, Publish};
use crate::v5::property::{Properties, Scope};
use crate::wire::variable_byte_integer_length;
use crate::{PacketType, PropertyIdentifier, ProtocolVersion, ReasonCode, Role, Violation};

impl Packet<'_> {
    /// Checks that this side may send the packet: its type, its Reason Code, its properties.
    ///
    /// [`Packet::decode_from`] includes this check. For a packet to be sent there is
    /// [`Packet::check_before_sending`].
    ///
    /// # Errors
    ///
    /// [`Violation::PacketFromWrongSide`], [`Violation::ReasonCodeFromWrongSide`],
    /// [`Violation::SubscriptionIdentifierFromClient`],
    /// [`Violation::SessionExpiryIntervalFromServer`], [`Violation::ServerReferenceFromClient`].
    pub fn check_sent_by(&self, version: ProtocolVersion, sender: Role) -> Result<(), Violation> {
        if !self.packet_type().sent_by(version, sender) {
            return Err(Violation::PacketFromWrongSide);
        }
        match self.wrong_side(sender) {
            None => Ok(()),
            Some((violation, _)) => Err(violation),
        }
    }

    /// Checks that this side may send the packet, and that no receiver has to be generous: as
    /// [`Packet::check_sent_by`], and without what is decoded, and so encoded, only because the
    /// standard contradicts itself: an AUTH without Authentication Method (sections 3.15.2.1,
    /// 3.15.2.2.2), and 0x8C in a DISCONNECT (sections 2.4, 3.14.2.1).
    ///
    /// # Errors
    ///
    /// As [`Packet::check_sent_by`], [`Violation::AuthenticationMethodMissing`],
    /// [`Violation::ReasonCodeNotAllowed`].
    pub fn check_before_sending(
        &self,
        version: ProtocolVersion,
        sender: Role,
    ) -> Result<(), Violation> {
        self.check_sent_by(version, sender)?;
        match self {
            Packet::Auth(auth) => auth.check_method(true),
            Packet::Disconnect(disconnect)
                if disconnect.reason_code == ReasonCode::BadAuthenticationMethod =>
            {
                Err(Violation::ReasonCodeNotAllowed)
            }
            _ => Ok(()),
        }
    }

    /// What this side must not say, and where in the packet's body it stands.
    #[inline]
    pub(crate) fn wrong_side(&self, sender: Role) -> Option<(Violation, usize)> {
        match self {
            Packet::Publish(packet) => packet.wrong_side(sender),
            Packet::PubAck(packet) => reason(PacketType::PubAck, packet.reason_code, sender, 2),
            Packet::PubRec(packet) => reason(PacketType::PubRec, packet.reason_code, sender, 2),
            Packet::Auth(packet) => reason(PacketType::Auth, packet.reason_code, sender, 0),
            Packet::Disconnect(packet) => {
                let (identifier, violation) = match sender {
                    Role::Client => (
                        PropertyIdentifier::ServerReference,
                        Violation::ServerReferenceFromClient,
                    ),
                    Role::Server => (
                        PropertyIdentifier::SessionExpiryInterval,
                        Violation::SessionExpiryIntervalFromServer,
                    ),
                };
                reason(PacketType::Disconnect, packet.reason_code, sender, 0)
                    .or_else(|| property(&packet.properties, identifier, violation, 1))
            }
            // Sent by one side only, or with nothing in them that depends on the side.
            _ => None,
        }
    }
}

impl Publish<'_> {
    /// As [`Packet::wrong_side`].
    #[inline]
    pub(super) fn wrong_side(&self, sender: Role) -> Option<(Violation, usize)> {
        if self.properties.is_empty() || sender == Role::Server {
            return None;
        }
        let first_byte = Publish::first_byte_of(self.delivery, self.retain);
        let topic_length = self.topic.map_or(0, |topic| topic.len());
        property(
            &self.properties,
            PropertyIdentifier::SubscriptionIdentifier,
            Violation::SubscriptionIdentifierFromClient,
            PublishLayout::new(first_byte, topic_length).properties_at,
        )
    }
}

fn reason(
    packet_type: PacketType,
    reason_code: ReasonCode,
    sender: Role,
    offset: usize,
) -> Option<(Violation, usize)> {
    (!reason_code.allowed_from(packet_type, sender))
        .then_some((Violation::ReasonCodeFromWrongSide, offset))
}

fn property<S: Scope>(
    properties: &Properties<'_, S>,
    identifier: PropertyIdentifier,
    violation: Violation,
    set_offset: usize,
) -> Option<(Violation, usize)> {
    let passes = match violation {
        Violation::SubscriptionIdentifierFromClient => fault!("MQTT-3.3.4-6"),
        Violation::SessionExpiryIntervalFromServer => fault!("MQTT-3.14.2-2"),
        _ => false,
    };
    if passes {
        return None;
    }
    properties.contains(identifier).then(|| {
        let position = properties.position(identifier).unwrap_or_default();
        let property_length = properties.wire_len();
        (
            violation,
            set_offset + variable_byte_integer_length(property_length) + position,
        )
    })
}
