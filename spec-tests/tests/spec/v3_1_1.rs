//! MQTT 3.1.1: the same packets by the rules of the older standard. Sections here are those of MQTT 3.1.1, unless
//! "of 5.0" is said.

mod connects;
mod damage;
mod domains;
mod lifting;
mod lowering;
mod messages;
mod pieces;
mod reference;
mod rules;
mod sayable;
mod strategies;

use mqtt5_codec::{Connect, Packet, Properties, Property, ProtocolVersion};

use crate::check::Check;

const V3_1_1: ProtocolVersion = ProtocolVersion::V3_1_1;
const V5_0: ProtocolVersion = ProtocolVersion::V5_0;

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    checks.extend(lifting::checks());
    checks.extend(lowering::checks());
    checks.extend(messages::checks());
    checks.extend(domains::checks());
    checks.extend(connects::checks());
    checks.extend(pieces::checks());
    checks.extend(damage::checks());
    checks.extend(rules::checks());
    checks
}

/// What a Session that does not end with the connection is in 5.0 (section 3.1.2.4).
const NEVER: [Property<'static>; 1] = [Property::SessionExpiryInterval(u32::MAX)];

/// What a packet of MQTT 3.1.1 is in 5.0: the same, but for what a CONNECT says in other words.
pub(crate) fn image<'a>(packet: &Packet<'a>) -> Packet<'a> {
    match *packet {
        Packet::Connect(connect) => Packet::Connect(Connect {
            version: V5_0,
            properties: match connect.clean_start {
                true => Properties::EMPTY,
                false => Properties::new(&NEVER).expect("a property of CONNECT"),
            },
            ..connect
        }),
        packet => packet,
    }
}
