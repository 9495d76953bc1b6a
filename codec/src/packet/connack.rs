//! CONNACK (section 3.2).

use super::acknowledgement::reason_code;
use super::decode::Parse;
use crate::encode::{Body, encodable};
use crate::property::{Properties, property_set, scope};
use crate::sink::Sink;
use crate::split::FixedHeader;
use crate::wire::{Fault, Parsed, byte};
use crate::{PacketType, ReasonCode, Violation};

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
    /// What the Server supports, and what it decided for the Client.
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

impl<'a> Parse<'a> for ConnAck<'a> {
    #[inline(always)]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        let (after_flags, flags) = byte(input)?;
        if flags > 1 {
            return Err(Fault::at(input, Violation::ConnectAcknowledgeFlags));
        }
        let (rest, reason_code) = reason_code(PacketType::ConnAck, after_flags)?;
        if flags == 1 && reason_code != ReasonCode::Success {
            return Err(Fault::at(input, Violation::SessionPresentOnRefusal));
        }
        let (rest, properties) = property_set(rest)?;
        Ok((
            rest,
            ConnAck {
                session_present: flags == 1,
                reason_code,
                properties,
            },
        ))
    }
}

impl<'a> Body<'a> for ConnAck<'a> {
    #[inline(always)]
    fn packet_type(&self) -> PacketType {
        PacketType::ConnAck
    }

    #[inline(always)]
    fn check(&self) -> Result<(), Violation> {
        if !self.reason_code.allowed_in(PacketType::ConnAck) {
            Err(Violation::ReasonCodeNotAllowed)
        } else if self.session_present && self.reason_code != ReasonCode::Success {
            Err(Violation::SessionPresentOnRefusal)
        } else {
            Ok(())
        }
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        sink.byte(u8::from(self.session_present));
        sink.byte(self.reason_code.to_byte());
        self.properties.write(sink);
    }
}

encodable!(ConnAck);
