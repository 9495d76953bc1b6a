//! AUTH (section 3.15).

use super::acknowledgement::{reason_and_properties, write_reason};
use super::decode::Parse;
use crate::encode::{Body, encodable};
use crate::framing::FixedHeader;
use crate::sink::Sink;
use crate::v5::property::{Properties, scope};
use crate::wire::{Fault, Parsed};
use crate::{PacketType, PropertyIdentifier, ReasonCode, Violation};

/// The properties of an AUTH.
pub type AuthProperties<'a> = Properties<'a, scope::Auth>;

/// A step of an enhanced authentication (sections 3.15 and 4.12).
///
/// The standard contradicts itself: an AUTH must have an Authentication Method (section
/// 3.15.2.2.2), and it may leave all its properties out (section 3.15.2.1). So an AUTH without any
/// property is decoded and encoded, for the session to judge; one with properties, but without
/// the method, is a Protocol Error. An AUTH that you send should have the method:
/// [`Packet::check_before_sending`](crate::Packet::check_before_sending) checks that.
///
/// Not in MQTT 3.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Auth<'a> {
    /// Success (from a Server), Continue authentication, or Re-authenticate (from a Client).
    pub reason_code: ReasonCode,
    /// Authentication Method and Data, Reason String, User Properties.
    pub properties: AuthProperties<'a>,
}

impl<'a> Parse<'a> for Auth<'a> {
    #[inline]
    fn parse(_: FixedHeader, input: &'a [u8]) -> Parsed<'a, Self> {
        if input.is_empty() {
            return Ok((
                input,
                Auth {
                    reason_code: ReasonCode::Success,
                    properties: Properties::EMPTY,
                },
            ));
        }
        let (rest, (reason_code, properties)) = reason_and_properties(PacketType::Auth, input)?;
        let auth = Auth {
            reason_code,
            properties,
        };
        // A Property Length that says 0 leaves the method out, too.
        Fault::place(auth.check_method(input.len() > 1), rest)?;
        Ok((rest, auth))
    }
}

impl Auth<'_> {
    /// An AUTH that does not leave its properties out must have an Authentication Method (section
    /// 3.15.2.2.2).
    #[inline]
    pub(super) fn check_method(&self, has_properties: bool) -> Result<(), Violation> {
        if has_properties
            && !self
                .properties
                .contains(PropertyIdentifier::AuthenticationMethod)
        {
            return Err(Violation::AuthenticationMethodMissing);
        }
        Ok(())
    }
}

impl<'a> Body<'a> for Auth<'a> {
    #[inline]
    fn packet_type(&self) -> PacketType {
        PacketType::Auth
    }

    fn check(&self) -> Result<(), Violation> {
        self.reason_code.check_in(PacketType::Auth)?;
        self.check_method(!self.properties.is_empty())
    }

    #[inline(always)]
    fn write<S: Sink>(&self, sink: &mut S) {
        write_reason(self.reason_code, &self.properties, sink);
    }
}

encodable!(Auth);
