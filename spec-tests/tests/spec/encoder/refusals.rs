//! Each rule of the standard that a caller could break, and the error for it.

use mqtt5_codec::property::{Scope, scope};
use mqtt5_codec::{
    Auth, AuthProperties, Binary, ConnAck, ConnAckProperties, Connect, ConnectProperties,
    Disconnect, EncodeError, MaximumQos, Packet, PacketIdentifier, PacketType, PayloadFormat,
    Properties, Property, PropertyIdentifier, ProtocolVersion, PubAck, PubComp, PubRec, PubRel,
    Publish, PublishProperties, ReasonCode, ReasonCodes, Role, SubAck, Subscription,
    SubscriptionIdentifier, SubscriptionOptions, Subscriptions, Text, TopicFilter, TopicFilters,
    TopicName, UnsubAck, UserProperty, Violation,
};

use crate::check::Outcome;
use crate::reference::tables::{PLACES, REASON_CODE_PACKETS, properties, reason_codes};

/// The error, having made sure that nothing was written.
fn refusal(packet: &Packet<'_>) -> Option<Violation> {
    const BEFORE: &[u8] = b"before";
    let mut out = BEFORE.to_vec();
    let violation = match packet.encode(ProtocolVersion::V5_0, &mut out) {
        Ok(()) => return None,
        Err(EncodeError::Invalid {
            packet_type,
            violation,
        }) => {
            assert_eq!(packet_type, packet.packet_type());
            violation
        }
        Err(other) => panic!("{packet:?}: {other}"),
    };
    assert_eq!(out, BEFORE, "{packet:?}");
    let error = EncodeError::Invalid {
        packet_type: packet.packet_type(),
        violation,
    };
    assert_eq!(packet.encoded_len(ProtocolVersion::V5_0), Err(error));
    assert_eq!(
        packet.encode_head(ProtocolVersion::V5_0, &mut out),
        Err(error)
    );
    let mut room = [0xEE; 64];
    assert_eq!(
        packet.encode_to_slice(ProtocolVersion::V5_0, &mut room),
        Err(error)
    );
    assert_eq!(room, [0xEE; 64], "{packet:?}");
    assert_eq!(out, BEFORE, "{packet:?}");
    Some(violation)
}

pub(super) fn values_out_of_range() -> Outcome {
    let too_long = "a".repeat(65_536);
    let longest = &too_long[1..];
    assert_eq!(Text::new(&too_long), Err(Violation::StringTooLong));
    assert_eq!(Text::new("a\0"), Err(Violation::NullCharacter));
    assert_eq!(Text::new(longest).as_deref(), Ok(longest));
    assert_eq!(
        Binary::new(too_long.as_bytes()),
        Err(Violation::BinaryTooLong)
    );
    assert!(Binary::new(longest.as_bytes()).is_ok());
    assert_eq!(UserProperty::new("\0", "v"), Err(Violation::NullCharacter));
    assert_eq!(UserProperty::new("n", "\0"), Err(Violation::NullCharacter));
    assert_eq!(
        UserProperty::new("n", &too_long),
        Err(Violation::StringTooLong)
    );
    for (value, expected) in [
        (0, Err(Violation::SubscriptionIdentifierZero)),
        (1, Ok(1)),
        (268_435_455, Ok(268_435_455)),
        (268_435_456, Err(Violation::SubscriptionIdentifierTooLarge)),
        (u32::MAX, Err(Violation::SubscriptionIdentifierTooLarge)),
    ] {
        let made = SubscriptionIdentifier::new(value).map(SubscriptionIdentifier::get);
        assert_eq!(made, expected);
    }
    assert_eq!(SubscriptionIdentifier::MAX.get(), 268_435_455);
    // Packet Identifier, Receive Maximum, Topic Alias and Maximum Packet Size cannot be 0 by type.
    assert_eq!(PacketIdentifier::new(0), None);
    Ok(14)
}

pub(super) fn empty_lists() -> Outcome {
    assert_eq!(
        Subscriptions::new(&[]),
        Err(Violation::SubscribeWithoutFilter)
    );
    assert_eq!(
        TopicFilters::new(&[]),
        Err(Violation::UnsubscribeWithoutFilter)
    );
    let missing = Err(Violation::ReasonCodesMissing);
    assert_eq!(ReasonCodes::<scope::SubAck>::new(&[]).map(|_| ()), missing);
    assert_eq!(
        ReasonCodes::<scope::UnsubAck>::new(&[]).map(|_| ()),
        missing
    );
    Ok(4)
}

pub(super) fn rules_across_fields() -> Outcome {
    // Neither Topic Name nor Topic Alias (section 3.3.2.1).
    assert_eq!(
        refusal(&Publish::default().into()),
        Some(Violation::TopicMissing)
    );
    let alias = [Property::TopicAlias(PacketIdentifier::MIN)];
    let with_alias = Publish {
        properties: PublishProperties::new(&alias).expect("a property of PUBLISH"),
        ..Publish::default()
    };
    assert_eq!(refusal(&with_alias.into()), None);

    // Session Present on a refusal (section 3.2.2.1.1).
    for (code, session_present) in ReasonCode::ALL
        .iter()
        .flat_map(|&code| [(code, false), (code, true)])
    {
        let connack = ConnAck {
            session_present,
            reason_code: code,
            properties: ConnAckProperties::EMPTY,
        };
        let expected = if !code.allowed_in(PacketType::ConnAck) {
            Some(Violation::ReasonCodeNotAllowed)
        } else if session_present && code.is_error() {
            Some(Violation::SessionPresentOnRefusal)
        } else {
            None
        };
        assert_eq!(refusal(&connack.into()), expected, "{code}");
    }

    // Authentication Data without method in CONNECT (section 3.1.2.11.10) and AUTH (3.15.2.2.2).
    let data = [Property::AuthenticationData(Binary::EMPTY)];
    let both = [data[0], Property::AuthenticationMethod(Text::EMPTY)];
    for (list, expected) in [
        (&data[..], Some(Violation::AuthenticationDataWithoutMethod)),
        (&both[..], None),
    ] {
        let connect = Connect {
            properties: ConnectProperties::new(list).expect("properties of CONNECT"),
            ..Connect::default()
        };
        assert_eq!(refusal(&connect.into()), expected);
    }
    let reason = [Property::ReasonString(Text::EMPTY)];
    for (list, expected) in [
        (&data[..], Some(Violation::AuthenticationMethodMissing)),
        (&reason[..], Some(Violation::AuthenticationMethodMissing)),
        (&both[..], None),
    ] {
        let auth = Auth {
            reason_code: ReasonCode::ContinueAuthentication,
            properties: AuthProperties::new(list).expect("properties of AUTH"),
        };
        assert_eq!(refusal(&auth.into()), expected);
    }

    // No Local on a Shared Subscription (section 3.8.3.1).
    for (filter, no_local, expected) in [
        (
            "$share/name/a",
            true,
            Some(Violation::NoLocalOnSharedSubscription),
        ),
        ("$share/name/a", false, None),
        ("a", true, None),
    ] {
        let options = SubscriptionOptions {
            no_local,
            ..SubscriptionOptions::default()
        };
        let list = [Subscription {
            filter: TopicFilter::new(filter).expect("a filter"),
            options,
        }];
        assert_eq!(Subscriptions::new(&list).err(), expected);
    }

    // What one side must not send (sections 3.3.4, 3.14.2.2.2, 3.14.2.2.5).
    let identifier = [Property::SubscriptionIdentifier(
        SubscriptionIdentifier::MAX,
    )];
    let publish = Packet::from(Publish {
        topic: TopicName::new("a").ok(),
        properties: PublishProperties::new(&identifier).expect("a property of PUBLISH"),
        ..Publish::default()
    });
    let from_client = publish.check_sent_by(ProtocolVersion::V5_0, Role::Client);
    assert_eq!(
        from_client,
        Err(Violation::SubscriptionIdentifierFromClient)
    );
    assert_eq!(
        publish.check_sent_by(ProtocolVersion::V5_0, Role::Server),
        Ok(())
    );
    let expiry = [Property::SessionExpiryInterval(1)];
    let disconnect = Packet::from(Disconnect {
        properties: Properties::new(&expiry).expect("a property of DISCONNECT"),
        ..Disconnect::new(ReasonCode::NORMAL_DISCONNECTION)
    });
    let from_server = disconnect.check_sent_by(ProtocolVersion::V5_0, Role::Server);
    assert_eq!(from_server, Err(Violation::SessionExpiryIntervalFromServer));
    assert_eq!(
        disconnect.check_sent_by(ProtocolVersion::V5_0, Role::Client),
        Ok(())
    );
    Ok(2 + 2 * ReasonCode::ALL.len() as u64 + 2 + 3 + 3 + 4)
}

/// A payload that makes the Remaining Length of a QoS 0 PUBLISH with topic `a` this large. The
/// memory is never touched.
fn payload_for(remaining_length: usize) -> Vec<u8> {
    vec![0; remaining_length - 4]
}

fn publish(payload: &[u8]) -> Packet<'_> {
    Packet::from(Publish {
        topic: TopicName::new("a").ok(),
        payload,
        ..Publish::default()
    })
}

pub(super) fn too_long_packets() -> Outcome {
    let payload = payload_for(268_435_456);
    assert_eq!(refusal(&publish(&payload)), Some(Violation::PacketTooLong));

    // The same by properties alone: 2,048 User Properties of 131,075 bytes each.
    let long = "a".repeat(65_535);
    let pair = Property::UserProperty(UserProperty::new(&long, &long).expect("two strings"));
    let list = vec![pair; 2_048];
    let set = Properties::<scope::PubAck>::new(&list);
    assert_eq!(set, Err(Violation::PacketTooLong));
    // The properties fit, the packet does not.
    let fitting = Properties::<scope::PubAck>::new(&list[1..]).expect("below the limit");
    assert_eq!(fitting.iter().count(), 2_047);
    Ok(3)
}

pub(super) fn longest_packet() -> Outcome {
    let payload = payload_for(268_435_455);
    let packet = publish(&payload);
    assert_eq!(packet.encoded_len(ProtocolVersion::V5_0), Ok(268_435_460));
    let mut head = Vec::new();
    let rest = packet
        .encode_head(ProtocolVersion::V5_0, &mut head)
        .map_err(|error| error.to_string())?;
    assert_eq!(head, b"\x30\xFF\xFF\xFF\x7F\x00\x01a\x00");
    assert_eq!(rest.len(), payload.len());
    Ok(1)
}

/// A property of each identifier.
fn sample(identifier: PropertyIdentifier) -> Property<'static> {
    use PropertyIdentifier as Id;
    let one = PacketIdentifier::MIN;
    match identifier {
        Id::PayloadFormatIndicator => Property::PayloadFormatIndicator(PayloadFormat::Utf8Text),
        Id::MessageExpiryInterval => Property::MessageExpiryInterval(1),
        Id::ContentType => Property::ContentType(Text::EMPTY),
        Id::ResponseTopic => Property::ResponseTopic(TopicName::new("a").expect("a name")),
        Id::CorrelationData => Property::CorrelationData(Binary::EMPTY),
        Id::SubscriptionIdentifier => Property::SubscriptionIdentifier(SubscriptionIdentifier::MAX),
        Id::SessionExpiryInterval => Property::SessionExpiryInterval(1),
        Id::AssignedClientIdentifier => Property::AssignedClientIdentifier(Text::EMPTY),
        Id::ServerKeepAlive => Property::ServerKeepAlive(1),
        Id::AuthenticationMethod => Property::AuthenticationMethod(Text::EMPTY),
        Id::AuthenticationData => Property::AuthenticationData(Binary::EMPTY),
        Id::RequestProblemInformation => Property::RequestProblemInformation(true),
        Id::WillDelayInterval => Property::WillDelayInterval(1),
        Id::RequestResponseInformation => Property::RequestResponseInformation(true),
        Id::ResponseInformation => Property::ResponseInformation(Text::EMPTY),
        Id::ServerReference => Property::ServerReference(Text::EMPTY),
        Id::ReasonString => Property::ReasonString(Text::EMPTY),
        Id::ReceiveMaximum => Property::ReceiveMaximum(one),
        Id::TopicAliasMaximum => Property::TopicAliasMaximum(1),
        Id::TopicAlias => Property::TopicAlias(one),
        Id::MaximumQos => Property::MaximumQos(MaximumQos::AtMostOnce),
        Id::RetainAvailable => Property::RetainAvailable(true),
        Id::UserProperty => Property::UserProperty(UserProperty::default()),
        Id::MaximumPacketSize => Property::MaximumPacketSize(std::num::NonZeroU32::MIN),
        Id::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(true),
        Id::SubscriptionIdentifierAvailable => Property::SubscriptionIdentifierAvailable(true),
        Id::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(true),
    }
}

/// Once and twice, in each packet: the checks of a list to be sent follow the same table.
pub(super) fn every_property() -> Outcome {
    fn errors<S: Scope>(property: Property<'_>) -> [Option<Violation>; 2] {
        let list = [property; 2];
        [&list[..1], &list[..]].map(|list| Properties::<S>::new(list).err())
    }
    type Errors = fn(Property<'_>) -> [Option<Violation>; 2];
    // In the order of the places in the table.
    let scopes: [Errors; 14] = [
        errors::<scope::Connect>,
        errors::<scope::ConnAck>,
        errors::<scope::Publish>,
        errors::<scope::Will>,
        errors::<scope::PubAck>,
        errors::<scope::PubRec>,
        errors::<scope::PubRel>,
        errors::<scope::PubComp>,
        errors::<scope::Subscribe>,
        errors::<scope::SubAck>,
        errors::<scope::Unsubscribe>,
        errors::<scope::UnsubAck>,
        errors::<scope::Disconnect>,
        errors::<scope::Auth>,
    ];
    let mut states = 0;
    for row in properties() {
        let identifier = PropertyIdentifier::from_byte(row.identifier).expect("a property");
        assert_eq!(identifier.name(), row.name);
        for ((errors, allowance), place) in scopes.iter().zip(row.allowed).zip(PLACES) {
            let expected = match allowance {
                None => [Some(Violation::PropertyNotAllowed); 2],
                Some(allowed) if allowed.repeatable => [None, None],
                Some(_) => [None, Some(Violation::PropertyRepeated)],
            };
            assert_eq!(
                errors(sample(identifier)),
                expected,
                "{} in {place}",
                row.name
            );
            states += 2;
        }
    }
    assert_eq!(PropertyIdentifier::ALL.len(), 27);
    Ok(states)
}

/// The error for this code in this packet, wherever it comes up.
fn with_reason(packet: &str, code: ReasonCode) -> Option<Violation> {
    let packet_identifier = PacketIdentifier::MIN;
    let codes = [code];
    let method = [Property::AuthenticationMethod(Text::EMPTY)];
    let packet = match packet {
        "CONNACK" => Packet::from(ConnAck {
            session_present: false,
            reason_code: code,
            properties: Properties::EMPTY,
        }),
        "PUBACK" => PubAck::new(packet_identifier, code).into(),
        "PUBREC" => PubRec::new(packet_identifier, code).into(),
        "PUBREL" => PubRel::new(packet_identifier, code).into(),
        "PUBCOMP" => PubComp::new(packet_identifier, code).into(),
        "SUBACK" => match ReasonCodes::new(&codes) {
            Err(violation) => return Some(violation),
            Ok(reason_codes) => SubAck {
                packet_identifier,
                properties: Properties::EMPTY,
                reason_codes,
            }
            .into(),
        },
        "UNSUBACK" => match ReasonCodes::new(&codes) {
            Err(violation) => return Some(violation),
            Ok(reason_codes) => UnsubAck {
                packet_identifier,
                properties: Properties::EMPTY,
                reason_codes,
            }
            .into(),
        },
        "DISCONNECT" => Disconnect::new(code).into(),
        "AUTH" => Packet::from(Auth {
            reason_code: code,
            properties: AuthProperties::new(&method).expect("a property of AUTH"),
        }),
        other => panic!("`{other}` has no Reason Code"),
    };
    refusal(&packet)
}

pub(super) fn every_reason_code() -> Outcome {
    let mut states = 0;
    for packet in REASON_CODE_PACKETS {
        let table = reason_codes(packet);
        for &code in ReasonCode::ALL {
            let allowed = table[usize::from(code.to_byte())].include(None);
            let expected = (!allowed).then_some(Violation::ReasonCodeNotAllowed);
            assert_eq!(with_reason(packet, code), expected, "{packet} with {code}");
            states += 1;
        }
    }
    Ok(states)
}
