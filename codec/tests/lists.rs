//! Lists in packets as values: equal if they have the same elements, however they are stored.

use std::hash::{DefaultHasher, Hash, Hasher};

use mqtt5_codec::framing::RawPacket;
use mqtt5_codec::{
    Packet, Property, PropertyIdentifier, ProtocolVersion, Publish, PublishProperties, Text,
    UserProperty,
};

/// The properties of a PUBLISH with this Message Expiry Interval, and with one User Property.
fn wire(expiry: u8) -> Vec<u8> {
    let properties = [&[0x02, 0, 0, 0, expiry][..], b"\x26\x00\x01n\x00\x01v"].concat();
    let body = [b"\x00\x01t", &[properties.len() as u8][..], &properties].concat();
    [&[0x30, body.len() as u8][..], &body].concat()
}

fn publish(wire: &[u8]) -> Publish<'_> {
    let packet = RawPacket::whole(wire)
        .unwrap()
        .decode(ProtocolVersion::V5_0)
        .unwrap();
    let Packet::Publish(publish) = packet else {
        panic!("{packet:?}")
    };
    publish
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What is left out of a list is no part of it, on either side of a comparison.
#[test]
fn what_is_left_out_makes_no_difference() {
    let (first, second) = (wire(1), wire(2));
    let (first, second) = (publish(&first).properties, publish(&second).properties);
    let without = |properties: PublishProperties<'_>| {
        hash(&properties.without(&[PropertyIdentifier::MessageExpiryInterval]))
    };
    assert_ne!(first, second);
    assert_ne!(hash(&first), hash(&second));
    let left = [PropertyIdentifier::MessageExpiryInterval];
    assert_eq!(first.without(&left), second.without(&left));
    assert_ne!(first.without(&left), second);
    assert_ne!(first, second.without(&left));
    assert_ne!(first.without(&left), first);
    assert_ne!(first, first.without(&left));
    assert_eq!(without(first), without(second));
    assert_ne!(without(first), hash(&first));
}

/// Section 2.2.2.2: a property that came on the wire must not be added once more; a User Property may.
#[test]
fn a_property_on_the_wire_is_not_added_again() {
    let bytes = wire(1);
    let properties = publish(&bytes).properties;
    let again = [Property::MessageExpiryInterval(2)];
    assert!(properties.and(&again).is_err());
    let other = [Property::ContentType(Text::new("t").unwrap())];
    assert!(properties.and(&other).is_ok());
    let user = UserProperty {
        name: Text::new("n").unwrap(),
        value: Text::new("v").unwrap(),
    };
    assert!(properties.and(&[Property::UserProperty(user)]).is_ok());
    let without = properties.without(&[PropertyIdentifier::MessageExpiryInterval]);
    assert!(without.and(&again).is_ok());
}

/// An element at the end of one list is not taken for one at the beginning of the next.
#[test]
fn lists_side_by_side_have_ends() {
    let bytes = wire(1);
    let some = publish(&bytes).properties;
    let none = PublishProperties::default();
    assert_ne!(hash(&(some, none)), hash(&(none, some)));
}
