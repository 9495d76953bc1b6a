//! Decoding and encoding allocate nothing: counted over all vectors.
//!
//! The counter is the allocator of this program, which is why it is one of its own.

use std::collections::BTreeSet;
use std::fmt::{self, Debug, Write};
use std::hint::black_box;
use std::num::NonZeroU16;

use mqtt5_codec::framing::{LARGEST_PACKET, Split, split};
use mqtt5_codec::property::{Scope, scope};
use mqtt5_codec::{
    Auth, DecodeError, EncodeError, Packet, PacketType, Properties, Property, ProtocolVersion,
    PubAck, Publish, ReasonCode, TopicFilter, TopicName, Violation,
};
use mqtt5_spec_tests::vectors::{self, Case, Expectation, Said};

/// The size of the largest vector, and some more.
const ROOM: usize = 4 << 20;

/// Text in memory that is there already.
struct Page {
    bytes: [u8; 512],
    length: usize,
}

impl Page {
    const EMPTY: Page = Page {
        bytes: [0; 512],
        length: 0,
    };
}

impl Write for Page {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let place = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// A sink for text of any length.
struct Nowhere;

impl Write for Nowhere {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        black_box(text);
        Ok(())
    }
}

fn vectors() -> Vec<Case> {
    let read = |&version| vectors::read_all(version).expect("the vectors can be read");
    let files = ProtocolVersion::ALL.iter().flat_map(read);
    files.flat_map(|file| file.cases).collect()
}

#[track_caller]
fn allocates_nothing(what: &str, action: impl FnOnce()) {
    let counted = allocation_counter::measure(action);
    assert_eq!(counted.count_total, 0, "allocations: {what}");
    assert_eq!(counted.bytes_total, 0, "allocated bytes: {what}");
}

/// Reads everything that a packet says.
fn read_all(packet: &Packet<'_>) {
    match packet {
        Packet::Connect(connect) => {
            read_properties(&connect.properties);
            if let Some(will) = connect.will {
                read_properties(&will.properties);
                black_box(will.payload_format_is_right());
            }
        }
        Packet::ConnAck(connack) => read_properties(&connack.properties),
        Packet::Publish(publish) => {
            read_properties(&publish.properties);
            publish.properties.subscription_identifiers().for_each(read);
            black_box(publish.payload_format_is_right());
        }
        Packet::PubAck(puback) => read_properties(&puback.properties),
        Packet::PubRec(pubrec) => read_properties(&pubrec.properties),
        Packet::PubRel(pubrel) => read_properties(&pubrel.properties),
        Packet::PubComp(pubcomp) => read_properties(&pubcomp.properties),
        Packet::Subscribe(subscribe) => {
            read_properties(&subscribe.properties);
            subscribe.subscriptions.iter().for_each(read);
        }
        Packet::SubAck(suback) => {
            read_properties(&suback.properties);
            suback.reason_codes.iter().for_each(read);
        }
        Packet::Unsubscribe(unsubscribe) => {
            read_properties(&unsubscribe.properties);
            unsubscribe.filters.iter().for_each(read);
        }
        Packet::UnsubAck(unsuback) => {
            read_properties(&unsuback.properties);
            unsuback.reason_codes.iter().for_each(read);
        }
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(disconnect) => read_properties(&disconnect.properties),
        Packet::Auth(auth) => read_properties(&auth.properties),
    }
}

fn read_properties<S: Scope>(properties: &Properties<'_, S>) {
    properties.iter().for_each(read);
    properties.user_properties().for_each(read);
}

fn read(value: impl Debug) {
    write!(Nowhere, "{value:?}").expect("nowhere is large");
}

fn write_and_compare(
    version: ProtocolVersion,
    packet: &Packet<'_>,
    out: &mut Vec<u8>,
    slice: &mut [u8],
) {
    let length = packet.encoded_len(version).expect("a decoded packet");
    out.clear();
    packet.encode(version, out).expect("room enough");
    assert_eq!(out.len(), length);
    let mut rest = &mut slice[..length];
    packet.encode(version, &mut rest).expect("room enough");
    assert!(rest.is_empty());
    assert!(out[..] == slice[..length]);
    assert_eq!(packet.encode_to_slice(version, slice), Ok(length));
    assert!(out[..] == slice[..length]);
    let again = Packet::decode(version, &slice[..length]).expect("what was written");
    assert!(again == *packet);
    out.clear();
    let payload = packet.encode_head(version, out).expect("room enough");
    assert_eq!(out.len() + payload.len(), length);
    // And where there is no room.
    let mut short = &mut slice[..length - 1];
    assert_eq!(
        packet.encode(version, &mut short),
        Err(EncodeError::NoRoom { needed: length })
    );
}

fn decode<'a>(
    case: &Case,
    packet: &mqtt5_codec::framing::RawPacket<'a>,
) -> Result<Packet<'a>, DecodeError> {
    match case.sender {
        None => packet.decode(case.version),
        Some(sender) => packet.decode_from(case.version, sender),
    }
}

#[test]
fn the_counter_counts() {
    let counted = allocation_counter::measure(|| drop(black_box(vec![0_u8; 100])));
    assert_eq!((counted.count_total, counted.bytes_total), (1, 100));
}

#[test]
fn accepted_packets() {
    let mut out = Vec::with_capacity(ROOM);
    let mut slice = vec![0; ROOM];
    let mut packets = 0;
    let cases = vectors();
    let accepted = cases
        .iter()
        .filter(|case| case.expect == Expectation::Accept);
    for case in accepted {
        allocates_nothing(&case.name, || {
            let mut input = &case.bytes[..];
            while !input.is_empty() {
                let Ok(Split::Packet { packet, rest }) = split(input, LARGEST_PACKET) else {
                    panic!("{} is not accepted", case.name);
                };
                let packet = decode(case, &packet).expect("an accepted packet");
                read_all(&packet);
                read(packet);
                if case.reencodes != Some(Said::Nothing) {
                    write_and_compare(case.version, &packet, &mut out, &mut slice);
                }
                packets += 1;
                input = rest;
            }
        });
    }
    println!("{packets} packets decoded, read and encoded without an allocation");
}

#[test]
fn the_accepted_vectors_hold_every_packet_and_property() {
    let mut types = BTreeSet::new();
    let mut types_of_v3 = BTreeSet::new();
    let mut properties = BTreeSet::new();
    let cases = vectors();
    for case in cases
        .iter()
        .filter(|case| case.expect == Expectation::Accept)
    {
        let mut input = &case.bytes[..];
        while let Ok(Split::Packet { packet, rest }) = split(input, LARGEST_PACKET) {
            let packet = decode(case, &packet).expect("an accepted packet");
            let packet_type = packet.packet_type();
            types.insert(packet_type);
            if case.version == ProtocolVersion::V3_1_1 {
                types_of_v3.insert(packet_type);
            }
            for_each_property(&packet, |is_will, property| {
                properties.insert((packet_type, is_will, property.identifier()));
            });
            input = rest;
        }
    }
    assert_eq!(types.len(), PacketType::ALL.len());
    assert_eq!(types_of_v3.len(), PacketType::ALL.len() - 1, "no AUTH");
    // The cells of Table 2-4, with the Will apart from CONNECT.
    assert_eq!(properties.len(), 64);
}

fn for_each_property(packet: &Packet<'_>, mut action: impl FnMut(bool, Property<'_>)) {
    let mut not_will = |property| action(false, property);
    match packet {
        Packet::Connect(connect) => {
            connect.properties.iter().for_each(&mut not_will);
            if let Some(will) = connect.will {
                will.properties
                    .iter()
                    .for_each(|property| action(true, property));
            }
        }
        Packet::ConnAck(packet) => packet.properties.iter().for_each(not_will),
        Packet::Publish(packet) => packet.properties.iter().for_each(not_will),
        Packet::PubAck(packet) => packet.properties.iter().for_each(not_will),
        Packet::PubRec(packet) => packet.properties.iter().for_each(not_will),
        Packet::PubRel(packet) => packet.properties.iter().for_each(not_will),
        Packet::PubComp(packet) => packet.properties.iter().for_each(not_will),
        Packet::Subscribe(packet) => packet.properties.iter().for_each(not_will),
        Packet::SubAck(packet) => packet.properties.iter().for_each(not_will),
        Packet::Unsubscribe(packet) => packet.properties.iter().for_each(not_will),
        Packet::UnsubAck(packet) => packet.properties.iter().for_each(not_will),
        Packet::PingReq | Packet::PingResp => {}
        Packet::Disconnect(packet) => packet.properties.iter().for_each(not_will),
        Packet::Auth(packet) => packet.properties.iter().for_each(not_will),
    }
}

#[test]
fn refused_and_incomplete_packets() {
    let mut errors = 0;
    let cases = vectors();
    let others = cases
        .iter()
        .filter(|case| case.expect != Expectation::Accept);
    for case in others {
        allocates_nothing(&case.name, || {
            let mut input = &case.bytes[..];
            let error = loop {
                match split(input, LARGEST_PACKET) {
                    Ok(Split::Incomplete { .. }) => break None,
                    Err(error) => break Some(error),
                    Ok(Split::Packet { packet, rest }) => match decode(case, &packet) {
                        Ok(_) => input = rest,
                        Err(error) => break Some(error),
                    },
                }
            };
            if let Some(error) = error {
                let mut page = Page::EMPTY;
                write!(page, "{error} {} {:?}", error.reason_code(), error.class())
                    .expect("errors are short");
                black_box((error.statement(), error.offset(), page.length));
                errors += 1;
            }
        });
    }
    println!("{errors} errors found and written down without an allocation");
}

/// What MQTT 3.1.1 lacks: properties, Reason Codes, AUTH.
fn not_in_v3() -> [Packet<'static>; 3] {
    const ALIAS: [Property<'static>; 1] = [Property::TopicAlias(NonZeroU16::MIN)];
    let publish = Publish {
        properties: Properties::new(&ALIAS).expect("a property of PUBLISH"),
        ..Publish::new(TopicName::new("a").expect("a name"), b"")
    };
    let identifier = mqtt5_codec::PacketIdentifier::MIN;
    let puback = PubAck::new(identifier, ReasonCode::QuotaExceeded);
    let auth = Auth {
        reason_code: ReasonCode::Success,
        properties: Properties::EMPTY,
    };
    [publish.into(), puback.into(), auth.into()]
}

#[test]
fn refusals_to_encode() {
    let too_long = "a".repeat(65_536);
    allocates_nothing("refusals", || {
        let mut page = Page::EMPTY;
        let mut out = [0_u8; 64];
        let mut room = &mut out[..];
        let error = Publish::default()
            .encode(ProtocolVersion::V5_0, &mut room)
            .expect_err("no topic");
        write!(page, "{error}").expect("errors are short");
        let error = PubAck::new(mqtt5_codec::PacketIdentifier::MIN, ReasonCode::Banned)
            .encode(ProtocolVersion::V5_0, &mut room)
            .expect_err("not a code of PUBACK");
        write!(page, "{error}").expect("errors are short");
        let list = [Property::TopicAliasMaximum(1)];
        for packet in not_in_v3() {
            let error = packet
                .encode(ProtocolVersion::V3_1_1, &mut room)
                .expect_err("MQTT 3.1.1 cannot say it");
            write!(page, "{error}").expect("errors are short");
        }
        let violation = Properties::<scope::Publish>::new(&list).expect_err("not in PUBLISH");
        write!(page, "{violation}").expect("errors are short");
        assert_eq!(TopicName::new(&too_long), Err(Violation::StringTooLong));
    });
}

#[test]
fn matching_topics() {
    let name = TopicName::new("sport/tennis/player1").expect("a name");
    allocates_nothing("matching", || {
        for filter in ["sport/#", "sport/+/player1", "$share/name/+/+/+", "#", "x"] {
            let filter = TopicFilter::new(filter).expect("a filter");
            black_box((
                filter.matches(name),
                filter.shared(),
                filter.levels().count(),
            ));
        }
    });
}

#[test]
fn sizes() {
    assert!(size_of::<DecodeError>() <= 8);
    assert!(size_of::<Result<(), DecodeError>>() <= 8);
    assert_eq!(size_of::<Violation>(), 1);
    println!("DecodeError: {} bytes", size_of::<DecodeError>());
    println!("EncodeError: {} bytes", size_of::<EncodeError>());
    println!("Packet: {} bytes", size_of::<Packet<'_>>());
}
