//! Leaves out Reason String and User Properties where they are not wanted or do not fit (sections
//! 3.1.2.11.7, 3.2.2.3.9 and the like).

use alloc::vec::Vec;

use mqtt5_codec::{EncodeError, Property, PropertyIdentifier, ProtocolVersion};

use super::Connection;

/// Whether a packet may have Reason String and User Properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Explanations {
    /// CONNECT, CONNACK, PUBLISH, DISCONNECT, and whatever a Client sends.
    Always,
    /// All others: only if the Client did not set Request Problem Information to 0
    /// \[MQTT-3.1.2-29\].
    IfWanted,
}

impl Connection {
    /// Encodes a packet with as many of the properties as the peer wants and takes, which are none in MQTT
    /// 3.1.1: if it is larger
    /// than the peer's Maximum Packet Size, without User Properties, or without Reason String, or
    /// without both. `None` if it is still too large.
    pub(crate) fn fit(
        &self,
        explanations: Explanations,
        properties: &[Property<'_>],
        encode: impl Fn(ProtocolVersion, &[Property<'_>]) -> Result<Vec<u8>, EncodeError>,
    ) -> Result<Option<Vec<u8>>, EncodeError> {
        // The caller's properties must be right even if they are left out.
        let whole = encode(ProtocolVersion::V5_0, properties)?;
        if self.version == ProtocolVersion::V3_1_1 {
            let packet = encode(self.version, &[])?;
            return Ok(Some(packet).filter(|packet| self.fits(packet)));
        }
        let wanted = explanations == Explanations::Always
            || self.peer.problem_information
            || fault!("MQTT-3.1.2-29");
        let passes = properties
            .iter()
            .any(|property| match property.identifier() {
                // Of CONNACK, PUBACK, PUBREC, SUBACK, UNSUBACK, DISCONNECT and AUTH [MQTT-3.4.2-2]
                // [MQTT-3.5.2-2] [MQTT-3.9.2-1] [MQTT-3.11.2-1] [MQTT-3.14.2-3] [MQTT-3.15.2-2],
                // and User Properties likewise [MQTT-3.4.2-3] [MQTT-3.5.2-3] [MQTT-3.9.2-2]
                // [MQTT-3.11.2-2] [MQTT-3.14.2-4] [MQTT-3.15.2-3].
                REASON => fault!("MQTT-3.2.2-19"),
                USER => fault!("MQTT-3.2.2-20"),
                _ => false,
            });
        if wanted && (self.fits(&whole) || passes) {
            return Ok(Some(whole));
        }
        const USER: PropertyIdentifier = PropertyIdentifier::UserProperty;
        const REASON: PropertyIdentifier = PropertyIdentifier::ReasonString;
        let choices: [&[PropertyIdentifier]; 3] = [&[USER], &[REASON], &[USER, REASON]];
        let first = if wanted { 0 } else { 2 };
        for left_out in &choices[first..] {
            let kept: Vec<_> = properties
                .iter()
                .filter(|property| !left_out.contains(&property.identifier()))
                .copied()
                .collect();
            let packet = encode(self.version, &kept)?;
            if self.fits(&packet) {
                return Ok(Some(packet));
            }
        }
        Ok(None)
    }

    fn fits(&self, packet: &[u8]) -> bool {
        self.peer.check_size(packet.len()).is_ok()
    }
}
