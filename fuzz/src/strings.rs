//! Strings: what can stand in which field, and which names a filter matches.

use mqtt5_codec::{Packet, ProtocolVersion, Text, TopicFilter, TopicName};

use crate::mutate::encoded;
use crate::reference;

/// Takes the bytes as a string, and as a filter and a name with a zero byte between, and compares
/// the codec with [`reference`](mod@crate::reference).
///
/// # Panics
///
/// If they disagree.
pub fn check(data: &[u8]) {
    field(data);
    let mut halves = data.splitn(2, |&byte| byte == 0);
    if let (Some(filter), Some(name)) = (halves.next(), halves.next()) {
        field(filter);
        field(name);
        matching(filter, name);
    }
}

/// The string in each kind of field, both as a value and on the wire.
fn field(string: &[u8]) {
    let is_text = reference::is_text(string);
    let is_name = reference::is_topic_name(string);
    let is_filter = reference::is_topic_filter(string);
    if let Ok(string) = std::str::from_utf8(string) {
        assert_eq!(Text::new(string).is_ok(), is_text);
        assert_eq!(TopicName::new(string).is_ok(), is_name);
        assert_eq!(TopicFilter::new(string).is_ok(), is_filter);
    }
    let Ok(length) = u16::try_from(string.len()) else {
        return;
    };
    let prefixed = [&length.to_be_bytes(), string].concat();

    // A PUBLISH with the string as Topic Name, as Response Topic and as Content Type; the empty
    // Topic Name is another rule's.
    let publish = packet(0x30, &[&prefixed, b"\x00"]);
    assert_eq!(
        Packet::decode(ProtocolVersion::V5_0, &publish).is_ok(),
        is_name
    );
    let set = |identifier: u8| {
        let set = [&[identifier], &prefixed[..]].concat();
        packet(0x30, &[b"\x00\x01t", &encoded(set.len()), &set])
    };
    assert_eq!(
        Packet::decode(ProtocolVersion::V5_0, &set(0x08)).is_ok(),
        is_name
    );
    assert_eq!(
        Packet::decode(ProtocolVersion::V5_0, &set(0x03)).is_ok(),
        is_text
    );

    let subscribe = packet(0x82, &[b"\x00\x01\x00", &prefixed, b"\x00"]);
    assert_eq!(
        Packet::decode(ProtocolVersion::V5_0, &subscribe).is_ok(),
        is_filter
    );
    let unsubscribe = packet(0xA2, &[b"\x00\x01\x00", &prefixed]);
    assert_eq!(
        Packet::decode(ProtocolVersion::V5_0, &unsubscribe).is_ok(),
        is_filter
    );
    // No Local is for filters that are not shared.
    let no_local = packet(0x82, &[b"\x00\x01\x00", &prefixed, b"\x04"]);
    let is_shared = string.starts_with(b"$share/");
    assert_eq!(
        Packet::decode(ProtocolVersion::V5_0, &no_local).is_ok(),
        is_filter && !is_shared
    );
}

fn matching(filter: &[u8], name: &[u8]) {
    let (Ok(filter), Ok(name)) = (std::str::from_utf8(filter), std::str::from_utf8(name)) else {
        return;
    };
    if let (Ok(filter), Ok(name)) = (TopicFilter::new(filter), TopicName::new(name)) {
        let expected = reference::matches(&filter, &name);
        assert_eq!(filter.matches(name), expected, "{filter:?} {name:?}");
        assert_eq!(name.matches(filter), expected);
        assert!(filter.levels().eq(filter.matching_part().split('/')));
        assert_eq!(filter.has_wildcard(), filter.contains(['+', '#']));
        assert_eq!(name.is_server_topic(), name.starts_with('$'));
    }
}

fn packet(first_byte: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&[first_byte], &encoded(body.len())[..], &body].concat()
}
