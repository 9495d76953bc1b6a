//! The packets that both sides send beside messages and their acknowledgements: PINGREQ, AUTH,
//! DISCONNECT.

use alloc::vec::Vec;

use mqtt5_codec::{
    Auth, Disconnect, EncodeError, Packet, PacketType, Properties, Property, ProtocolVersion,
    ReasonCode, Role, Text,
};

use super::{Connection, Explanations, Question};
use crate::LimitExceeded;
use crate::error::SendError;

impl Connection {
    /// Queues a packet that is encoded already.
    pub(crate) fn send(&mut self, packet: &[u8]) {
        self.outbox.push(packet);
    }

    /// Queues a CONNECT or an AUTH, for which the peer owes an answer once it is written.
    pub(crate) fn send_question(&mut self, packet: &[u8]) {
        self.send(packet);
        self.liveness.question = Question::Queued;
    }

    /// PINGREQ or PINGRESP.
    pub(crate) fn send_ping(&mut self, packet_type: PacketType) {
        // [MQTT3-3.1.2-23]
        if fault!("MQTT-3.1.2-20") && packet_type == PacketType::PingReq {
            return;
        }
        self.send(&[packet_type.first_byte(), 0]);
    }

    /// Queues a PINGREQ, which the application wanted or not.
    pub(crate) fn send_pingreq(&mut self, wanted: bool) {
        self.send_ping(PacketType::PingReq);
        self.liveness.queue_ping(wanted);
    }

    /// Queues an AUTH with the Authentication Method of the CONNECT.
    pub(crate) fn send_auth(
        &mut self,
        side: Role,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let Some(mut authentication) = self.authentication.clone() else {
            if fault!("MQTT-4.12.0-7") {
                self.send(&[PacketType::Auth.first_byte(), 0]);
                return Ok(());
            }
            return Err(SendError::NotExpected);
        };
        if !authentication.step(side, reason_code) {
            return Err(SendError::NotExpected);
        }
        let method = fault!("MQTT-4.12.0-5", authentication.method(), "another");
        let method = Text::new(method)?;
        let mut list = Vec::with_capacity(properties.len() + 1);
        list.push(Property::AuthenticationMethod(method));
        list.extend_from_slice(properties);
        // A Client answers an AUTH with an AUTH that has the Reason Code 0x18 [MQTT-4.12.0-3].
        let packet = self.fit(Explanations::IfWanted, &list, |version, list| {
            Auth {
                reason_code: match reason_code {
                    ReasonCode::ContinueAuthentication if fault!("MQTT-4.12.0-2") => {
                        ReasonCode::Success
                    }
                    _ => reason_code,
                },
                properties: Properties::new(list)?,
            }
            .encode_to_vec(version)
        })?;
        let packet = packet.ok_or(LimitExceeded::MaximumPacketSize)?;
        self.authentication = Some(authentication);
        if reason_code == ReasonCode::Success {
            self.send(&packet);
        } else {
            self.send_question(&packet);
        }
        Ok(())
    }

    /// Queues a DISCONNECT, without properties that do not fit.
    pub(crate) fn send_disconnect(
        &mut self,
        reason_code: ReasonCode,
        properties: &[Property<'_>],
    ) -> Result<(), SendError> {
        let disconnect = Disconnect {
            reason_code,
            properties: Properties::new(properties)?,
        };
        Packet::Disconnect(disconnect).check_before_sending(ProtocolVersion::V5_0, self.role)?;
        let is_normal = reason_code == ReasonCode::NORMAL_DISCONNECTION;
        if self.is_closed_in_silence(is_normal) {
            return Ok(());
        }
        let properties = match self.version {
            ProtocolVersion::V3_1_1 => &[],
            _ => properties,
        };
        let packet = self.fit(Explanations::Always, properties, |version, list| {
            Disconnect {
                reason_code,
                properties: Properties::new(list)?,
            }
            .encode_to_vec(version)
        })?;
        // [MQTT3-3.14.4-2]
        if fault!("MQTT-3.14.4-1") {
            self.send_ping(PacketType::PingReq);
        }
        match packet {
            Some(packet) => self.send(&packet),
            // Only the Reason Code; if not even that fits, the connection ends without a
            // DISCONNECT.
            None => self.farewell(&Disconnect::new(reason_code)),
        }
        Ok(())
    }

    /// Queues a DISCONNECT without properties, unless not even that fits.
    pub(crate) fn farewell(&mut self, disconnect: &Disconnect<'_>) {
        if self.is_closed_in_silence(false) {
            return;
        }
        let properties = [];
        let encoded = self.fit(Explanations::Always, &properties, |version, _| {
            disconnect.encode_to_vec(version)
        });
        if let Ok(Some(packet)) = encoded {
            self.send(&packet);
        }
    }

    /// Whether the connection ends without a DISCONNECT: in MQTT 3.1.1 that packet is the Client's, for a normal
    /// end only. It deletes the Will (section 3.14 there).
    fn is_closed_in_silence(&self, is_normal: bool) -> bool {
        self.version == ProtocolVersion::V3_1_1 && !(self.role == Role::Client && is_normal)
    }

    /// Keeps only a queued DISCONNECT, and drops it, too, if a CONNACK is queued, which it must not
    /// overtake.
    pub(crate) fn keep_farewell(&mut self) {
        self.outbox.keep_farewell();
    }
}

/// A small packet into memory of its own.
pub(crate) trait EncodeToVec {
    fn encode_to_vec(&self, version: ProtocolVersion) -> Result<Vec<u8>, EncodeError>;
}

macro_rules! encode_to_vec {
    ($($packet:ident)*) => {
        $(impl EncodeToVec for mqtt5_codec::$packet<'_> {
            fn encode_to_vec(&self, version: ProtocolVersion) -> Result<Vec<u8>, EncodeError> {
                let mut packet = Vec::with_capacity(self.encoded_len(version)?);
                self.encode(version, &mut packet)?;
                Ok(packet)
            }
        })*
    };
}

encode_to_vec!(Connect ConnAck PubAck PubRec Subscribe SubAck Unsubscribe UnsubAck Disconnect Auth);
