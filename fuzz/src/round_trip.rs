//! Valid packets, generated.

use arbitrary::{Result, Unstructured};
use bytes::{BufMut, BytesMut};
use mqtt5_codec::framing::Frame;
use mqtt5_codec::property::Scope;
use mqtt5_codec::{
    EncodeError, Packet, Properties, Property, PropertyIdentifier, ProtocolVersion, Role,
    UserProperty, generate,
};

use crate::decode::{self, hash};
use crate::rebuild::{encoded, rebuilt};

/// Generates a packet of the version that the first byte picks, encodes, decodes and rebuilds it from lists: packets and bytes stay equal.
/// Then damages a byte or two, which [`decode`] must survive.
///
/// # Panics
///
/// If that does not hold.
pub fn check(data: &[u8]) {
    generated(&mut Unstructured::new(data)).expect("generators need no certain bytes");
}

fn generated(source: &mut Unstructured<'_>) -> Result<()> {
    let version = *source.choose(ProtocolVersion::ALL)?;
    let sender = *source.choose(&[Role::Client, Role::Server])?;
    let frame = generate::frame_from(version, sender, source)?;
    let bytes = &frame.bytes()[..];
    let packet = frame
        .decode_from(version, sender)
        .expect("what is generated is valid");
    assert_eq!(packet.packet_type(), frame.packet_type());
    assert_eq!(encoded(version, &packet), bytes);

    rebuilt(
        &packet,
        |_| {},
        |built| {
            assert_eq!(built, packet);
            assert_eq!(packet, built);
            assert_eq!(encoded(version, &built), bytes);
            assert_eq!(built.check_sent_by(version, sender), Ok(()));
            head_and_payload(version, &built, bytes);
        },
    );
    decode::whole(bytes);
    head_and_payload(version, &packet, bytes);
    room(version, &packet, bytes);
    // MQTT 3.1.1 has no properties to be changed.
    if version == ProtocolVersion::V5_0 && bytes.len() < 4096 {
        changed(&packet);
    }
    damaged(&frame, source)
}

fn head_and_payload(version: ProtocolVersion, packet: &Packet<'_>, bytes: &[u8]) {
    let mut head = Vec::new();
    let payload = packet.encode_head(version, &mut head).expect("valid");
    assert_eq!([&head, payload].concat(), bytes);
    if let Packet::Publish(publish) = packet {
        assert_eq!(payload.as_ptr(), publish.payload.as_ptr());
        assert_eq!(payload.len(), publish.payload.len());
        let mut same_head = Vec::new();
        let given = publish.encode_head_for(version, payload, &mut same_head);
        assert_eq!(given, Ok(payload));
        assert_eq!(same_head, head);
    } else {
        assert!(payload.is_empty());
    }
}

/// With just enough room the packet fits; with less nothing is written.
fn room(version: ProtocolVersion, packet: &Packet<'_>, bytes: &[u8]) {
    let mut exact = vec![0xAA; bytes.len()];
    let mut out = &mut exact[..];
    assert_eq!(packet.encode(version, &mut out), Ok(()));
    assert!(out.is_empty());
    assert_eq!(exact, bytes);

    let no_room = Err(EncodeError::NoRoom {
        needed: bytes.len(),
    });
    for room in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut short = vec![0xAA; room];
        let mut out = &mut short[..];
        assert_eq!(packet.encode(version, &mut out), no_room);
        assert_eq!(out.len(), room);
        assert_eq!(short, vec![0xAA; room]);

        let mut limited = BytesMut::from(&b"before"[..]).limit(room);
        assert_eq!(packet.encode(version, &mut limited), no_room);
        assert_eq!(limited.into_inner(), &b"before"[..]);
    }
}

/// Received properties, changed uncopied as a gateway does, are those that are collected, changed
/// and sent as a list.
fn changed(packet: &Packet<'_>) {
    macro_rules! changed {
        ($packet:ident) => {{
            let received = $packet.properties;
            for identifiers in choices(&received) {
                let list = added(&received, &identifiers);
                let uncopied = without_and(&received, &identifiers, &list);
                let copied: Vec<_> = uncopied.iter().collect();
                let copied = Properties::new(&copied).expect("as good as the other");
                let with = |properties| {
                    let mut packet = *$packet;
                    packet.properties = properties;
                    Packet::from(packet)
                };
                same(&with(uncopied), &with(copied));
            }
        }};
    }
    match packet {
        Packet::Connect(packet) => changed!(packet),
        Packet::ConnAck(packet) => changed!(packet),
        Packet::Publish(packet) => changed!(packet),
        Packet::PubAck(packet) => changed!(packet),
        Packet::PubRec(packet) => changed!(packet),
        Packet::PubRel(packet) => changed!(packet),
        Packet::PubComp(packet) => changed!(packet),
        Packet::Subscribe(packet) => changed!(packet),
        Packet::SubAck(packet) => changed!(packet),
        Packet::Unsubscribe(packet) => changed!(packet),
        Packet::UnsubAck(packet) => changed!(packet),
        Packet::Disconnect(packet) => changed!(packet),
        Packet::Auth(packet) => changed!(packet),
        Packet::PingReq | Packet::PingResp => {}
    }
}

/// Which properties to leave out: none, each that is there, all.
fn choices<S: Scope>(received: &Properties<'_, S>) -> Vec<Vec<PropertyIdentifier>> {
    let mut choices = vec![Vec::new(), PropertyIdentifier::ALL.to_vec()];
    let present = PropertyIdentifier::ALL.iter().copied();
    let present = present.filter(|&identifier| received.contains(identifier));
    choices.extend(present.map(|identifier| vec![identifier]));
    choices
}

/// What was left out, each once, and a User Property.
fn added<'a, S: Scope>(
    received: &Properties<'a, S>,
    identifiers: &[PropertyIdentifier],
) -> Vec<Property<'a>> {
    let first = |identifier: &PropertyIdentifier| {
        let mut all = received.iter();
        all.find(|property| property.identifier() == *identifier)
    };
    let mut added: Vec<_> = identifiers.iter().filter_map(first).collect();
    let hop = UserProperty::new("hop", "1").expect("valid");
    added.push(Property::UserProperty(hop));
    added
}

fn without_and<'a, S: Scope>(
    received: &Properties<'a, S>,
    identifiers: &[PropertyIdentifier],
    list: &'a [Property<'a>],
) -> Properties<'a, S> {
    let left_out = |property: &Property<'_>| identifiers.contains(&property.identifier());
    let without = received.without(identifiers);
    assert!(
        without
            .iter()
            .eq(received.iter().filter(|property| !left_out(property)))
    );
    for &identifier in identifiers {
        assert!(!without.contains(identifier));
    }
    assert_eq!(
        without.is_empty(),
        received.iter().all(|property| left_out(&property))
    );

    let extended = without.and(list).expect("each is there once");
    assert!(
        extended
            .iter()
            .eq(without.iter().chain(list.iter().copied()))
    );
    assert_eq!(extended.and(&[]), Ok(extended));
    extended
}

/// Both can be encoded, to the same bytes, or neither can: it may have lost what it needs.
fn same(uncopied: &Packet<'_>, copied: &Packet<'_>) {
    let version = ProtocolVersion::V5_0;
    assert_eq!(uncopied, copied);
    assert_eq!(hash(uncopied), hash(copied));
    assert_eq!(uncopied.encoded_len(version), copied.encoded_len(version));
    if uncopied.encoded_len(version).is_ok() {
        let bytes = encoded(version, uncopied);
        assert_eq!(bytes, encoded(version, copied));
        assert_eq!(Packet::decode(version, &bytes).as_ref(), Ok(uncopied));
    }
}

fn damaged(frame: &Frame, source: &mut Unstructured<'_>) -> Result<()> {
    let mut bytes = frame.bytes().to_vec();
    for _ in 0..source.int_in_range(1..=2)? {
        let at = source.choose_index(bytes.len())?;
        bytes[at] = source.arbitrary()?;
    }
    decode::check(&bytes);
    Ok(())
}
