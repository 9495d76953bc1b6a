//! CONNACK (section 3.2).

use super::acknowledgement::reason_code;
use super::decode::Parse;
use crate::encode::{Body, encodable};
use crate::framing::{FixedHeader, RawPacket};
use crate::sink::Sink;
use crate::v5::property::{Properties, property_set, scope};
use crate::wire::{Fault, Parsed, byte};
use crate::{Packet, PacketType, ProtocolVersion, ReasonCode, Violation, v3_1_1};

/// The properties of a CONNACK.
pub type ConnAckProperties<'a> = Properties<'a, scope::ConnAck>;

/// The Server's answer to a CONNECT (section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnAck<'a> {
    /// Whether the Server goes on with a Session that it had (section 3.2.2.1.1). Never set when
    /// the connection is refused.
    pub session_present: bool,
    /// Success, or why the connection is refused.
    pub reason_code: ReasonCode,
    /// What the Server supports, and what it decided for the Client. Not in MQTT 3.1.1.
    pub properties: ConnAckProperties<'a>,
}

impl<'a> ConnAck<'a> {
    /// The packet without Session Present and without properties.
    #[must_use]
    pub const fn new(reason_code: ReasonCode) -> Self {
        ConnAck {
            session_present: false,
            reason_code,
            properties: Properties::EMPTY,
        }
    }
}

impl RawPacket<'_> {
    /// The refusal of a Server that does not speak `version`, the version of the CONNECT, in the form of the other one.
    ///
    /// * To a CONNECT of MQTT 5: a CONNACK of exactly four bytes, Session Present 0, with one of the Connect Return codes 1
    ///   to 5 of MQTT 3.1.1 (its section 3.2.2.3). It is translated to the Reason Codes 0x84, 0x85, 0x88, 0x86 and 0x87,
    ///   in this order.
    /// * To a CONNECT of MQTT 3.1.1: a CONNACK of MQTT 5 with the Reason Code 0x84 (section 3.1.2.2). Its properties are
    ///   left out.
    ///
    /// [`Packet::decode`](crate::Packet::decode) refuses such bytes. Only a Client that waits for the answer to its
    /// CONNECT has a use for this method. An old Server that takes the CONNECT for one of its own version, and accepts it
    /// with Return code 0, is not recognised: that connection cannot be used.
    ///
    /// ```
    /// use mqtt5_codec::{ProtocolVersion, ReasonCode};
    /// use mqtt5_codec::framing::RawPacket;
    ///
    /// let bytes = [0x20, 0x02, 0x00, 0x01];
    /// let packet = RawPacket::whole(&bytes)?;
    /// assert!(packet.decode(ProtocolVersion::V5_0).is_err());
    /// let refusal = packet.refusal_in_other_version(ProtocolVersion::V5_0).expect("a CONNACK of MQTT 3.1.1");
    /// assert_eq!(refusal.reason_code, ReasonCode::UnsupportedProtocolVersion);
    /// # Ok::<(), mqtt5_codec::DecodeError>(())
    /// ```
    #[must_use]
    pub fn refusal_in_other_version(&self, version: ProtocolVersion) -> Option<ConnAck<'static>> {
        let reason_code = match (version, self.as_bytes()) {
            (ProtocolVersion::V5_0, &[0x20, 2, 0, number @ 1..=u8::MAX]) => {
                v3_1_1::connect_return_code(number)?
            }
            (ProtocolVersion::V3_1_1, _) => match self.decode(ProtocolVersion::V5_0).ok()? {
                Packet::ConnAck(connack)
                    if connack.reason_code == ReasonCode::UnsupportedProtocolVersion =>
                {
                    connack.reason_code
                }
                _ => return None,
            },
            _ => return None,
        };
        Some(ConnAck::new(reason_code))
    }
}

/// A refusal has no Session Present [MQTT-3.2.2-6].
#[inline]
pub(crate) fn only_on_success(
    session_present: bool,
    reason_code: ReasonCode,
) -> Result<(), Violation> {
    if session_present && reason_code != ReasonCode::Success {
        return Err(Violation::SessionPresentOnRefusal);
    }
    Ok(())
}

/// Connect Acknowledge Flags: Session Present, and nothing else (section 3.2.2.1).
#[inline(always)]
pub(crate) fn connect_acknowledge_flags(input: &[u8]) -> Parsed<'_, bool> {
    let (rest, flags) = byte(input)?;
    if flags > 1 && !fault!("MQTT-3.2.2-1") {
        return Err(Fault::at(input, Violation::ConnectAcknowledgeFlags));
    }
    Ok((rest, flags == 1))
}

impl<'a> Parse<'a> for ConnAck<'a> {
    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (after_flags, session_present) = connect_acknowledge_flags(input)?;
        let (rest, reason_code) = reason_code(PacketType::ConnAck, after_flags)?;
        let judgement = only_on_success(session_present, reason_code);
        Fault::place(fault!("MQTT-3.2.2-6", judgement, Ok(())), input)?;
        let (rest, properties) = property_set(rest)?;
        Ok((
            rest,
            ConnAck {
                session_present,
                reason_code,
                properties,
            },
        ))
    }
}

impl<'a> Body<'a> for ConnAck<'a> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::ConnAck
    }

    #[inline]
    fn check(&self) -> Result<(), Violation> {
        self.reason_code.check_in(PacketType::ConnAck)?;
        only_on_success(self.session_present, self.reason_code)
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.array(&[u8::from(self.session_present), self.reason_code.to_byte()]);
        self.properties.write(sink);
    }
}

encodable!(ConnAck);
