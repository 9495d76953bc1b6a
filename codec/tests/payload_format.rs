//! Sections 3.1.3.2.3 and 3.3.2.3.2: a payload that says that it is UTF-8 is to be UTF-8.

use mqtt5_codec::{Binary, PayloadFormat, Properties, Property, Publish, Qos, TopicName, Will};

const PAYLOADS: [(&[u8], bool); 6] = [
    (b"", true),
    (b"text", true),
    ("\u{0}\u{10FFFF}".as_bytes(), true),
    // A surrogate, a form that is too long, a character that is cut short.
    (b"\xED\xA0\x80", false),
    (b"\xC0\x80", false),
    (b"text \xE2\x82", false),
];

/// Each format that can be given, each payload: whether it is right.
fn cases() -> impl Iterator<Item = (Vec<Property<'static>>, &'static [u8], bool)> {
    let formats = [
        None,
        Some(PayloadFormat::UnspecifiedBytes),
        Some(PayloadFormat::Utf8Text),
    ];
    formats.into_iter().flat_map(|format| {
        PAYLOADS.iter().map(move |(payload, is_utf8)| {
            let properties = format.map(Property::PayloadFormatIndicator);
            let right = *is_utf8 || format != Some(PayloadFormat::Utf8Text);
            (properties.into_iter().collect(), *payload, right)
        })
    })
}

#[test]
fn of_a_publish() {
    for (properties, payload, right) in cases() {
        let publish = Publish {
            properties: Properties::new(&properties).unwrap(),
            ..Publish::new(TopicName::new("a").unwrap(), payload)
        };
        let found = publish.payload_format_is_right();
        assert_eq!(found, right, "{properties:?} {payload:02x?}");
    }
}

#[test]
fn of_a_will() {
    for (properties, payload, right) in cases() {
        let will = Will {
            properties: Properties::new(&properties).unwrap(),
            qos: Qos::AtMostOnce,
            retain: false,
            topic: TopicName::new("a").unwrap(),
            payload: Binary::new(payload).unwrap(),
        };
        let found = will.payload_format_is_right();
        assert_eq!(found, right, "{properties:?} {payload:02x?}");
    }
}
