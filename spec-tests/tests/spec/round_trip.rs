//! Property tests: encoding and decoding undo each other.

use bytes::BytesMut;
use mqtt5_codec::framing::Frame;
use mqtt5_codec::property::Scope;
use mqtt5_codec::{
    Auth, ConnAck, Connect, Disconnect, Packet, PacketType, Properties, Property, ProtocolVersion,
    PubAck, PubComp, PubRec, PubRel, Publish, ReasonCode, ReasonCodes, Role, SubAck, Subscribe,
    Subscription, Subscriptions, TopicFilter, TopicFilters, UnsubAck, Unsubscribe, strategies,
};
use proptest::prelude::*;

use crate::check::Check;
use crate::random::property;
use crate::verdict::encode;

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = vec![
        property(
            "round_trip::decode_then_encode_gives_the_same_bytes",
            20_000,
            strategies::frame(ProtocolVersion::V5_0),
            |frame| {
                prop_assert_eq!(
                    &encode(&frame.decode(ProtocolVersion::V5_0)?),
                    frame.bytes()
                );
                Ok(())
            },
        ),
        property(
            "round_trip::encode_then_decode_gives_the_same_packet",
            20_000,
            strategies::frame(ProtocolVersion::V5_0),
            |frame| {
                let packet = frame.decode(ProtocolVersion::V5_0)?;
                let bytes = encode(&packet);
                prop_assert_eq!(Packet::decode(ProtocolVersion::V5_0, &bytes)?, packet);
                Ok(())
            },
        ),
        property(
            "round_trip::all_ways_to_encode_agree",
            20_000,
            strategies::frame(ProtocolVersion::V5_0),
            all_ways,
        ),
        property(
            "round_trip::lists_and_received_bytes_are_the_same",
            20_000,
            strategies::frame(ProtocolVersion::V5_0),
            |frame| list_built_equals_wire_built(&frame),
        ),
        property(
            "round_trip::received_properties_can_be_extended",
            10_000,
            strategies::frame_of(ProtocolVersion::V5_0, PacketType::PubAck),
            extended,
        ),
        property(
            "round_trip::long_forms_become_short",
            10_000,
            strategies::frame(ProtocolVersion::V5_0),
            long_forms,
        ),
    ];
    for sender in [Role::Client, Role::Server] {
        let name =
            format!("round_trip::what_a_{sender}_may_send_is_accepted_from_it").to_lowercase();
        checks.push(property(
            &name,
            10_000,
            strategies::frame_from(ProtocolVersion::V5_0, sender),
            move |frame| {
                let packet = frame.decode_from(ProtocolVersion::V5_0, sender)?;
                prop_assert_eq!(packet.check_sent_by(ProtocolVersion::V5_0, sender), Ok(()));
                Ok(())
            },
        ));
    }
    for packet_type in PacketType::ALL {
        let name = format!("round_trip::{}", packet_type.name().to_lowercase());
        checks.push(property(
            &name,
            2_000,
            strategies::frame_of(ProtocolVersion::V5_0, packet_type),
            move |frame| {
                let packet = frame.decode(ProtocolVersion::V5_0)?;
                prop_assert_eq!(packet.packet_type(), packet_type);
                let again = encode(&packet);
                prop_assert_eq!(&again, frame.bytes());
                prop_assert_eq!(Packet::decode(ProtocolVersion::V5_0, &again)?, packet);
                Ok(())
            },
        ));
    }
    checks
}

/// `encoded_len`, `encode_head` and payload, and every kind of output.
fn all_ways(frame: Frame) -> Result<(), TestCaseError> {
    let packet = frame.decode(ProtocolVersion::V5_0)?;
    let expected = &frame.bytes()[..];
    prop_assert_eq!(packet.encoded_len(ProtocolVersion::V5_0)?, expected.len());

    let mut head = Vec::new();
    let payload = packet.encode_head(ProtocolVersion::V5_0, &mut head)?;
    prop_assert_eq!([&head, payload].concat(), expected);
    if !matches!(packet, Packet::Publish(_)) {
        prop_assert!(payload.is_empty());
    }

    // Behind what is there already.
    let mut growing = BytesMut::from(&b"before"[..]);
    packet.encode(ProtocolVersion::V5_0, &mut growing)?;
    prop_assert_eq!(&growing[..], [b"before", expected].concat());

    let mut fixed = vec![0xEE; expected.len() + 3];
    let mut slice = &mut fixed[..];
    packet.encode(ProtocolVersion::V5_0, &mut slice)?;
    prop_assert_eq!(slice.len(), 3);
    prop_assert_eq!(&fixed[..expected.len()], expected);
    prop_assert_eq!(&fixed[expected.len()..], [0xEE; 3]);

    fixed.fill(0xEE);
    prop_assert_eq!(
        packet.encode_to_slice(ProtocolVersion::V5_0, &mut fixed)?,
        expected.len()
    );
    prop_assert_eq!(&fixed[..expected.len()], expected);
    prop_assert_eq!(&fixed[expected.len()..], [0xEE; 3]);
    prop_assert_eq!(
        packet.encode_to_slice(ProtocolVersion::V5_0, &mut fixed[..expected.len()])?,
        expected.len()
    );
    prop_assert!(
        packet
            .encode_to_slice(ProtocolVersion::V5_0, &mut fixed[..expected.len() - 1])
            .is_err()
    );
    Ok(())
}

/// The lists of a packet, owned.
#[derive(Default)]
struct Lists<'a> {
    properties: Vec<Property<'a>>,
    will_properties: Vec<Property<'a>>,
    subscriptions: Vec<Subscription<'a>>,
    filters: Vec<TopicFilter<'a>>,
    codes: Vec<ReasonCode>,
}

fn listed<'l, S: Scope>(list: &'l [Property<'l>]) -> Properties<'l, S> {
    Properties::new(list).expect("properties of a valid packet")
}

impl<'a> Lists<'a> {
    fn of(packet: &Packet<'a>) -> Self {
        let mut lists = Lists::default();
        match packet {
            Packet::Connect(connect) => {
                lists.properties = connect.properties.iter().collect();
                if let Some(will) = connect.will {
                    lists.will_properties = will.properties.iter().collect();
                }
            }
            Packet::ConnAck(connack) => lists.properties = connack.properties.iter().collect(),
            Packet::Publish(publish) => lists.properties = publish.properties.iter().collect(),
            Packet::PubAck(puback) => lists.properties = puback.properties.iter().collect(),
            Packet::PubRec(pubrec) => lists.properties = pubrec.properties.iter().collect(),
            Packet::PubRel(pubrel) => lists.properties = pubrel.properties.iter().collect(),
            Packet::PubComp(pubcomp) => lists.properties = pubcomp.properties.iter().collect(),
            Packet::Subscribe(subscribe) => {
                lists.properties = subscribe.properties.iter().collect();
                lists.subscriptions = subscribe.subscriptions.iter().collect();
            }
            Packet::SubAck(suback) => {
                lists.properties = suback.properties.iter().collect();
                lists.codes = suback.reason_codes.iter().collect();
            }
            Packet::Unsubscribe(unsubscribe) => {
                lists.properties = unsubscribe.properties.iter().collect();
                lists.filters = unsubscribe.filters.iter().collect();
            }
            Packet::UnsubAck(unsuback) => {
                lists.properties = unsuback.properties.iter().collect();
                lists.codes = unsuback.reason_codes.iter().collect();
            }
            Packet::PingReq | Packet::PingResp => {}
            Packet::Disconnect(disconnect) => {
                lists.properties = disconnect.properties.iter().collect();
            }
            Packet::Auth(auth) => lists.properties = auth.properties.iter().collect(),
        }
        lists
    }

    /// The same packet with every list built here instead of received.
    fn build<'l>(&'l self, packet: &Packet<'l>) -> Packet<'l> {
        let properties = &self.properties;
        match *packet {
            Packet::Connect(connect) => {
                let will = connect.will.map(|will| mqtt5_codec::Will {
                    properties: listed(&self.will_properties),
                    ..will
                });
                Connect {
                    properties: listed(properties),
                    will,
                    ..connect
                }
                .into()
            }
            Packet::ConnAck(packet) => ConnAck {
                properties: listed(properties),
                ..packet
            }
            .into(),
            Packet::Publish(packet) => Publish {
                properties: listed(properties),
                ..packet
            }
            .into(),
            Packet::PubAck(packet) => PubAck {
                properties: listed(properties),
                ..packet
            }
            .into(),
            Packet::PubRec(packet) => PubRec {
                properties: listed(properties),
                ..packet
            }
            .into(),
            Packet::PubRel(packet) => PubRel {
                properties: listed(properties),
                ..packet
            }
            .into(),
            Packet::PubComp(packet) => PubComp {
                properties: listed(properties),
                ..packet
            }
            .into(),
            Packet::Subscribe(packet) => Subscribe {
                properties: listed(properties),
                subscriptions: Subscriptions::new(&self.subscriptions).expect("valid"),
                ..packet
            }
            .into(),
            Packet::SubAck(packet) => SubAck {
                properties: listed(properties),
                reason_codes: ReasonCodes::new(&self.codes).expect("valid"),
                ..packet
            }
            .into(),
            Packet::Unsubscribe(packet) => Unsubscribe {
                properties: listed(properties),
                filters: TopicFilters::new(&self.filters).expect("valid"),
                ..packet
            }
            .into(),
            Packet::UnsubAck(packet) => UnsubAck {
                properties: listed(properties),
                reason_codes: ReasonCodes::new(&self.codes).expect("valid"),
                ..packet
            }
            .into(),
            Packet::PingReq | Packet::PingResp => *packet,
            Packet::Disconnect(packet) => Disconnect {
                properties: listed(properties),
                ..packet
            }
            .into(),
            Packet::Auth(packet) => Auth {
                properties: listed(properties),
                ..packet
            }
            .into(),
        }
    }
}

fn list_built_equals_wire_built(frame: &Frame) -> Result<(), TestCaseError> {
    let received = frame.decode(ProtocolVersion::V5_0)?;
    let lists = Lists::of(&received);
    let built = lists.build(&received);
    prop_assert_eq!(built, received);
    prop_assert_eq!(hash_of(&built), hash_of(&received));
    prop_assert_eq!(format!("{built:?}"), format!("{received:?}"));
    prop_assert_eq!(
        built.encoded_len(ProtocolVersion::V5_0)?,
        frame.bytes().len()
    );
    prop_assert_eq!(&encode(&built), frame.bytes());
    Ok(())
}

fn hash_of(packet: &Packet<'_>) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    packet.hash(&mut hasher);
    hasher.finish()
}

/// A received set with a list behind it equals the list of all.
fn extended(frame: Frame) -> Result<(), TestCaseError> {
    let Packet::PubAck(puback) = frame.decode(ProtocolVersion::V5_0)? else {
        return Err(TestCaseError::fail("not a PUBACK"));
    };
    let pair = mqtt5_codec::UserProperty::new("hop", "1")?;
    let more = [Property::UserProperty(pair)];
    let extended = PubAck {
        properties: puback.properties.and(&more)?,
        ..puback
    };
    let all: Vec<_> = puback.properties.iter().chain(more).collect();
    let built = PubAck {
        properties: Properties::new(&all)?,
        ..puback
    };
    prop_assert_eq!(extended, built);
    let bytes = encode(&extended.into());
    prop_assert_eq!(&bytes, &encode(&built.into()));
    prop_assert_eq!(
        Packet::decode(ProtocolVersion::V5_0, &bytes)?,
        Packet::PubAck(built)
    );
    Ok(())
}

/// Reason Code and Property Length written out where they could be left out mean the same, and are
/// left out when the packet is written again.
fn long_forms(frame: Frame) -> Result<(), TestCaseError> {
    let short = frame.bytes();
    let fill: &[&[u8]] = match (frame.packet_type(), short.len()) {
        (PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp, 4) => {
            &[b"\x00", b"\x00\x00"]
        }
        (PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp, 5) => {
            &[b"\x00"]
        }
        (PacketType::Disconnect, 2) => &[b"\x00", b"\x00\x00"],
        (PacketType::Disconnect, 3) => &[b"\x00"],
        (PacketType::Auth, 2) => &[b"\x00"],
        _ => &[],
    };
    for more in fill {
        let mut long = [short, *more].concat();
        long[1] += more.len() as u8;
        let packet = Packet::decode(ProtocolVersion::V5_0, &long)?;
        prop_assert_eq!(packet, frame.decode(ProtocolVersion::V5_0)?);
        prop_assert_eq!(&encode(&packet), short);
    }
    Ok(())
}
