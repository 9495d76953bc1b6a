//! DISCONNECT (section 3.14).

use super::acknowledgement::{reason_and_properties, write_reason};
use super::decode::Parse;
use crate::encode::{Body, encodable};
use crate::framing::FixedHeader;
use crate::sink::Sink;
use crate::v5::property::{Properties, scope};
use crate::wire::Parsed;
use crate::{PacketType, ReasonCode, Violation};

/// The properties of a DISCONNECT.
pub type DisconnectProperties<'a> = Properties<'a, scope::Disconnect>;

/// The last packet on a Network Connection: why it is closed (section 3.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Disconnect<'a> {
    /// Why the connection is closed. 0x8C is accepted although Table 3-10 leaves it out (Table 2-6
    /// does not); [`Packet::check_before_sending`](crate::Packet::check_before_sending) refuses it. Not in MQTT 3.1.1.
    pub reason_code: ReasonCode,
    /// Session Expiry Interval (from a Client), Server Reference (from a Server), Reason String,
    /// User Properties. Not in MQTT 3.1.1.
    pub properties: DisconnectProperties<'a>,
}

impl<'a> Disconnect<'a> {
    /// The packet without properties.
    #[must_use]
    pub const fn new(reason_code: ReasonCode) -> Self {
        Disconnect {
            reason_code,
            properties: Properties::EMPTY,
        }
    }
}

impl<'a> Parse<'a> for Disconnect<'a> {
    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        if input.is_empty() {
            return Ok((input, Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)));
        }
        let (rest, (reason_code, properties)) =
            reason_and_properties(PacketType::Disconnect, input)?;
        Ok((
            rest,
            Disconnect {
                reason_code,
                properties,
            },
        ))
    }
}

impl<'a> Body<'a> for Disconnect<'a> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Disconnect
    }

    #[inline]
    fn check(&self) -> Result<(), Violation> {
        self.reason_code.check_in(PacketType::Disconnect)
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        write_reason(self.reason_code, &self.properties, sink);
    }
}

encodable!(Disconnect);
