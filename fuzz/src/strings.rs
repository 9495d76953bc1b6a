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

/// The string in each kind of field, both as a value and on the wire, in each version.
fn field(string: &[u8]) {
    let is_text = reference::is_text(string);
    let is_name = reference::is_topic_name(string);
    if let Ok(string) = std::str::from_utf8(string) {
        assert_eq!(Text::new(string).is_ok(), is_text);
        assert_eq!(TopicName::new(string).is_ok(), is_name);
        let is_filter = reference::is_topic_filter(ProtocolVersion::V5_0, string.as_bytes());
        assert_eq!(TopicFilter::new(string).is_ok(), is_filter);
    }
    let Ok(length) = u16::try_from(string.len()) else {
        return;
    };
    let prefixed = [&length.to_be_bytes(), string].concat();

    // The empty Topic Name of a PUBLISH is another rule's.
    for &version in ProtocolVersion::ALL {
        let is_filter = reference::is_topic_filter(version, string);
        let accepted =
            |first_byte, body: &[&[u8]]| Packet::decode(version, &packet(first_byte, body)).is_ok();
        let properties: &[u8] = match version {
            ProtocolVersion::V3_1_1 => b"",
            _ => b"\x00",
        };
        assert_eq!(accepted(0x30, &[&prefixed, properties]), is_name);
        let subscribe: [&[u8]; 4] = [b"\x00\x01", properties, &prefixed, b"\x00"];
        assert_eq!(accepted(0x82, &subscribe), is_filter);
        assert_eq!(accepted(0xA2, &subscribe[..3]), is_filter);
        // ClientID, Will Topic and User Name, in the version that the CONNECT names.
        let head = [&b"\x00\x04MQTT"[..], &[version.level()]].concat();
        let connect = |flags: &[u8], fields: &[&[u8]]| {
            let fields = fields.concat();
            accepted(0x10, &[&head, flags, b"\x00\x00", properties, &fields])
        };
        assert_eq!(connect(b"\x02", &[&prefixed]), is_text);
        assert_eq!(connect(b"\x82", &[b"\x00\x00", &prefixed]), is_text);
        let will: [&[u8]; 4] = [b"\x00\x00", properties, &prefixed, b"\x00\x00"];
        assert_eq!(connect(b"\x06", &will), is_name);
    }
    in_properties(string, &prefixed);
}

/// What only MQTT 5 has: a PUBLISH with the string as Response Topic and as Content Type, and No Local.
fn in_properties(string: &[u8], prefixed: &[u8]) {
    let accepted = |packet: &[u8]| Packet::decode(ProtocolVersion::V5_0, packet).is_ok();
    let set = |identifier: u8| {
        let set = [&[identifier], prefixed].concat();
        packet(0x30, &[b"\x00\x01t", &encoded(set.len()), &set])
    };
    assert_eq!(accepted(&set(0x08)), reference::is_topic_name(string));
    assert_eq!(accepted(&set(0x03)), reference::is_text(string));
    // No Local is for filters that are not shared.
    let no_local = packet(0x82, &[b"\x00\x01\x00", prefixed, b"\x04"]);
    let is_filter = reference::is_topic_filter(ProtocolVersion::V5_0, string);
    let is_shared = string.starts_with(b"$share/");
    assert_eq!(accepted(&no_local), is_filter && !is_shared);
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
