//! Valid packets, generated.

use arbitrary::{Result, Unstructured};
use bytes::{BufMut, BytesMut};
use mqtt5_codec::{
    EncodeError, Frame, Packet, Properties, Property, Role, Scope, UserProperty, generate,
};

use crate::decode;
use crate::rebuild::{encoded, rebuilt};

/// Generates a packet, encodes, decodes and rebuilds it from lists: packets and bytes stay equal.
/// Then damages a byte or two, which [`decode`] must survive.
///
/// # Panics
///
/// If that does not hold.
pub fn check(data: &[u8]) {
    generated(&mut Unstructured::new(data)).expect("generators need no certain bytes");
}

fn generated(source: &mut Unstructured<'_>) -> Result<()> {
    let sender = *source.choose(&[Role::Client, Role::Server])?;
    let frame = generate::frame_from(sender, source)?;
    let bytes = &frame.bytes()[..];
    let packet = frame
        .decode_from(sender)
        .expect("what is generated is valid");
    assert_eq!(packet.packet_type(), frame.packet_type());
    assert_eq!(encoded(&packet), bytes);

    rebuilt(
        &packet,
        |_| {},
        |built| {
            assert_eq!(built, packet);
            assert_eq!(packet, built);
            assert_eq!(encoded(&built), bytes);
            assert_eq!(built.check_sent_by(sender), Ok(()));
            head_and_payload(&built, bytes);
        },
    );
    decode::whole(bytes);
    head_and_payload(&packet, bytes);
    room(&packet, bytes);
    extended(&packet);
    damaged(&frame, source)
}

fn head_and_payload(packet: &Packet<'_>, bytes: &[u8]) {
    let mut head = Vec::new();
    let payload = packet.encode_head(&mut head).expect("valid");
    assert_eq!([&head, payload].concat(), bytes);
    if let Packet::Publish(publish) = packet {
        assert_eq!(payload.as_ptr(), publish.payload.as_ptr());
        assert_eq!(payload.len(), publish.payload.len());
    } else {
        assert!(payload.is_empty());
    }
}

/// With just enough room the packet fits; with less nothing is written.
fn room(packet: &Packet<'_>, bytes: &[u8]) {
    let mut exact = vec![0xAA; bytes.len()];
    let mut out = &mut exact[..];
    assert_eq!(packet.encode(&mut out), Ok(()));
    assert!(out.is_empty());
    assert_eq!(exact, bytes);

    let no_room = Err(EncodeError::NoRoom {
        needed: bytes.len(),
    });
    for room in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut short = vec![0xAA; room];
        let mut out = &mut short[..];
        assert_eq!(packet.encode(&mut out), no_room);
        assert_eq!(out.len(), room);
        assert_eq!(short, vec![0xAA; room]);

        let mut limited = BytesMut::from(&b"before"[..]).limit(room);
        assert_eq!(packet.encode(&mut limited), no_room);
        assert_eq!(limited.into_inner(), &b"before"[..]);
    }
}

/// A received set with more properties behind it, as a gateway sends it on.
fn extended(packet: &Packet<'_>) {
    macro_rules! extended {
        ($packet:ident) => {{
            let list = [added(), added()];
            let Some(properties) = with_list(&$packet.properties, &list) else {
                return;
            };
            let mut packet = *$packet;
            packet.properties = properties;
            let packet = Packet::from(packet);
            let bytes = encoded(&packet);
            assert_eq!(Packet::decode(&bytes), Ok(packet));
        }};
    }
    match packet {
        Packet::Connect(packet) => extended!(packet),
        Packet::ConnAck(packet) => extended!(packet),
        Packet::Publish(packet) => extended!(packet),
        Packet::PubRec(packet) => extended!(packet),
        Packet::Subscribe(packet) => extended!(packet),
        Packet::UnsubAck(packet) => extended!(packet),
        _ => {}
    }
}

fn added() -> Property<'static> {
    Property::UserProperty(UserProperty::new("hop", "1").expect("valid"))
}

fn with_list<'a, S: Scope>(
    received: &Properties<'a, S>,
    list: &'a [Property<'a>],
) -> Option<Properties<'a, S>> {
    let extended = received.and(list).ok()?;
    assert!(
        extended
            .iter()
            .eq(received.iter().chain(list.iter().copied()))
    );
    for property in &extended {
        assert!(extended.contains(property.identifier()));
    }
    Some(extended)
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
