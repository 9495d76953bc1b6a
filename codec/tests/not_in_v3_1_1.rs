//! What MQTT 3.1.1 lacks: each row of the README's table is an error there and none in MQTT 5, and the documentation of
//! each field says so.

use mqtt5_codec::{
    Auth, Binary, ConnAck, Connect, Disconnect, EncodeError, Packet, PacketIdentifier, Properties,
    Property, ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Publish, Qos, ReasonCode,
    ReasonCodes, RetainHandling, Role, SubAck, Subscribe, Subscription, Subscriptions, Text,
    TopicFilter, TopicFilters, TopicName, UnsubAck, UnsubAckReasonCodes, Unsubscribe, Violation,
    Will,
};

const README: &str = include_str!("../../README.md");

/// The cells of a row of the README's table.
fn rows() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let (_, table) = README
        .split_once("| packet | not in MQTT 3.1.1 |\n")
        .unwrap();
    let rows = table
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let list = |cell: &'static str| cell.split(", ").collect();
        (list(cells[0]), list(cells[1]))
    })
    .collect()
}

/// What there is in MQTT 5, and not in MQTT 3.1.1: the packet and the thing as the table has them, where the field is
/// documented, and whether a packet with it can be made in a version.
type Lack = (
    &'static str,
    &'static str,
    Option<(&'static str, &'static str)>,
    fn(ProtocolVersion) -> Result<(), Violation>,
);

const ID: PacketIdentifier = PacketIdentifier::MIN;
const OTHER: ReasonCode = ReasonCode::QuotaExceeded;

fn encode(packet: Packet<'_>, version: ProtocolVersion) -> Result<(), Violation> {
    match packet.encode(version, &mut Vec::new()) {
        Ok(()) => Ok(()),
        Err(EncodeError::Invalid { violation, .. }) => Err(violation),
        Err(error) => panic!("{error}"),
    }
}

/// A packet with a Reason String, and the default of everything else that is needed.
macro_rules! with_reason_string {
    ($version:expr, $packet:expr) => {{
        let list = [Property::ReasonString(Text::new("why").unwrap())];
        let mut packet = $packet;
        packet.properties = Properties::new(&list).unwrap();
        encode(packet.into(), $version)
    }};
}

macro_rules! acknowledgement {
    ($name:literal, $packet:ident) => {
        [
            (
                $name,
                "properties",
                Some(("acknowledgement.rs", "properties: $properties")),
                (|version| with_reason_string!(version, $packet::new(ID, ReasonCode::Success)))
                    as fn(ProtocolVersion) -> Result<(), Violation>,
            ),
            (
                $name,
                "Reason Code",
                Some(("acknowledgement.rs", "reason_code")),
                |version| {
                    let codes = [OTHER, ReasonCode::PacketIdentifierNotFound];
                    let packets = codes.map(|code| encode($packet::new(ID, code).into(), version));
                    // Each packet has one of them.
                    if packets.contains(&Ok(())) {
                        Ok(())
                    } else {
                        packets[0]
                    }
                },
            ),
        ]
    };
}

fn subscribe(
    version: ProtocolVersion,
    change: impl FnOnce(&mut Subscription<'_>),
) -> Result<(), Violation> {
    let mut list = [Subscription::new("a", Qos::AtMostOnce).unwrap()];
    change(&mut list[0]);
    let list = Subscriptions::new(&list).unwrap();
    encode(Subscribe::new(ID, list).into(), version)
}

fn lacks() -> Vec<Lack> {
    let mut lacks: Vec<Lack> = vec![
        (
            "CONNECT",
            "properties",
            Some(("connect.rs", "properties: ConnectProperties")),
            |version| {
                let list = [Property::TopicAliasMaximum(5)];
                let properties = Properties::new(&list).unwrap();
                let clean_start = true;
                encode(
                    Connect {
                        version,
                        properties,
                        clean_start,
                        ..Connect::default()
                    }
                    .into(),
                    version,
                )
            },
        ),
        (
            "CONNECT",
            "Will Properties",
            Some(("connect.rs", "properties: WillProperties")),
            |version| {
                let list = [Property::WillDelayInterval(5)];
                let will = Will {
                    properties: Properties::new(&list).unwrap(),
                    qos: Qos::AtMostOnce,
                    retain: false,
                    topic: TopicName::new("t").unwrap(),
                    payload: Binary::new(b"").unwrap(),
                };
                let (will, clean_start) = (Some(will), true);
                encode(
                    Connect {
                        version,
                        will,
                        clean_start,
                        ..Connect::default()
                    }
                    .into(),
                    version,
                )
            },
        ),
        (
            "CONNACK",
            "properties",
            Some(("connack.rs", "properties")),
            |version| with_reason_string!(version, ConnAck::new(ReasonCode::Success)),
        ),
        (
            "PUBLISH",
            "properties",
            Some(("publish.rs", "properties")),
            |version| {
                let list = [Property::MessageExpiryInterval(5)];
                let mut publish = Publish::new(TopicName::new("t").unwrap(), b"");
                publish.properties = Properties::new(&list).unwrap();
                encode(publish.into(), version)
            },
        ),
        (
            "PUBLISH",
            "an empty Topic Name",
            Some(("publish.rs", "topic")),
            |version| {
                let list = [Property::TopicAlias(core::num::NonZeroU16::MIN)];
                let properties = match version {
                    ProtocolVersion::V5_0 => Properties::new(&list).unwrap(),
                    _ => Properties::EMPTY,
                };
                encode(
                    Publish {
                        properties,
                        ..Publish::default()
                    }
                    .into(),
                    version,
                )
            },
        ),
        (
            "SUBSCRIBE",
            "properties",
            Some(("subscribe.rs", "properties: SubscribeProperties")),
            |version| {
                let list = [Subscription::new("a", Qos::AtMostOnce).unwrap()];
                let identifier = mqtt5_codec::SubscriptionIdentifier::new(1).unwrap();
                let properties = [Property::SubscriptionIdentifier(identifier)];
                let mut packet = Subscribe::new(ID, Subscriptions::new(&list).unwrap());
                packet.properties = Properties::new(&properties).unwrap();
                encode(packet.into(), version)
            },
        ),
        (
            "SUBSCRIBE",
            "No Local",
            Some(("subscribe.rs", "no_local")),
            |version| subscribe(version, |it| it.options.no_local = true),
        ),
        (
            "SUBSCRIBE",
            "Retain As Published",
            Some(("subscribe.rs", "retain_as_published")),
            |version| subscribe(version, |it| it.options.retain_as_published = true),
        ),
        (
            "SUBSCRIBE",
            "Retain Handling",
            Some(("subscribe.rs", "retain_handling")),
            |version| {
                subscribe(version, |it| {
                    it.options.retain_handling = RetainHandling::DoNotSend
                })
            },
        ),
        (
            "SUBACK",
            "properties",
            Some(("suback.rs", "properties: $properties")),
            |version| {
                let codes = [ReasonCode::GrantedQos1];
                with_reason_string!(version, SubAck::new(ID, ReasonCodes::new(&codes).unwrap()))
            },
        ),
        (
            "SUBACK",
            "Reason Codes other than 0x00",
            Some(("suback.rs", "reason_codes: $reason_codes")),
            |version| {
                let codes = [OTHER];
                encode(
                    SubAck::new(ID, ReasonCodes::new(&codes).unwrap()).into(),
                    version,
                )
            },
        ),
        (
            "UNSUBSCRIBE",
            "properties",
            Some(("subscribe.rs", "properties: UnsubscribeProperties")),
            |version| {
                let list = [TopicFilter::new("a").unwrap()];
                let name = Text::new("a").unwrap();
                let properties = [Property::UserProperty(mqtt5_codec::UserProperty {
                    name,
                    value: name,
                })];
                let mut packet = Unsubscribe::new(ID, TopicFilters::new(&list).unwrap());
                packet.properties = Properties::new(&properties).unwrap();
                encode(packet.into(), version)
            },
        ),
        (
            "UNSUBACK",
            "properties",
            Some(("suback.rs", "properties: $properties")),
            |version| {
                let codes = [ReasonCode::Success];
                let codes = match version {
                    ProtocolVersion::V5_0 => ReasonCodes::new(&codes).unwrap(),
                    _ => UnsubAckReasonCodes::NONE,
                };
                with_reason_string!(version, UnsubAck::new(ID, codes))
            },
        ),
        (
            "UNSUBACK",
            "Reason Codes",
            Some(("suback.rs", "reason_codes: $reason_codes")),
            |version| {
                let codes = [ReasonCode::Success];
                encode(
                    UnsubAck::new(ID, ReasonCodes::new(&codes).unwrap()).into(),
                    version,
                )
            },
        ),
        (
            "DISCONNECT",
            "Reason Code",
            Some(("disconnect.rs", "reason_code")),
            |version| encode(Disconnect::new(OTHER).into(), version),
        ),
        (
            "DISCONNECT",
            "properties",
            Some(("disconnect.rs", "properties")),
            |version| {
                with_reason_string!(version, Disconnect::new(ReasonCode::NORMAL_DISCONNECTION))
            },
        ),
        ("DISCONNECT", "a Server as its sender", None, |version| {
            let packet = Packet::Disconnect(Disconnect::new(ReasonCode::NORMAL_DISCONNECTION));
            packet.check_sent_by(version, Role::Server)
        }),
        (
            "AUTH",
            "the whole packet",
            Some(("auth.rs", "struct Auth")),
            |version| {
                encode(
                    Auth {
                        reason_code: ReasonCode::Success,
                        properties: Properties::EMPTY,
                    }
                    .into(),
                    version,
                )
            },
        ),
    ];
    lacks.extend(acknowledgement!("PUBACK", PubAck));
    lacks.extend(acknowledgement!("PUBREC", PubRec));
    lacks.extend(acknowledgement!("PUBREL", PubRel));
    lacks.extend(acknowledgement!("PUBCOMP", PubComp));
    lacks
}

#[test]
fn each_row_is_an_error_and_nothing_else_is_in_the_table() {
    let mut seen = 0;
    for (packets, things) in rows() {
        for packet in packets {
            for thing in &things {
                let lack = lacks()
                    .into_iter()
                    .find(|it| (it.0, it.1) == (packet, *thing));
                let Some((.., make)) = lack else {
                    // The rest of an enumeration.
                    assert!(thing.starts_with("0x"), "{packet}: {thing}");
                    continue;
                };
                seen += 1;
                assert_eq!(make(ProtocolVersion::V5_0), Ok(()), "{packet}: {thing}");
                let error = make(ProtocolVersion::V3_1_1);
                assert!(error.is_err(), "{packet}: {thing}");
            }
        }
    }
    assert_eq!(seen, lacks().len());
}

#[test]
fn each_field_says_so() {
    for (packet, thing, place, _) in lacks() {
        let Some((file, field)) = place else { continue };
        let path = format!("{}/src/v5/packet/{file}", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(path).unwrap();
        let lines: Vec<_> = source.lines().map(str::trim).collect();
        let field = format!("pub {field}");
        let at = lines.iter().position(|line| line.starts_with(&field));
        let above = lines[..at.unwrap()].iter().rev();
        let docs: Vec<_> = above
            .take_while(|line| line.starts_with("//") || line.starts_with('#'))
            .collect();
        let docs: String = docs
            .into_iter()
            .rev()
            .map(|line| line.trim_start_matches('/'))
            .collect();
        let docs = docs.to_lowercase();
        assert!(
            docs.contains("not in mqtt 3.1.1"),
            "{packet}: {thing}: {docs}"
        );
    }
}
