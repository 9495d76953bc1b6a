//! CONNECT speaks for itself: its level, its Session, and the same in the other version.

use mqtt5_codec::framing::RawPacket;
use mqtt5_codec::{
    Binary, Connect, Packet, Properties, Property, ProtocolVersion, Role, Text, TopicName,
    Violation, Will,
};

use super::sayable::unsayable;
use super::{V3_1_1, V5_0};
use crate::check::{Check, Kind, Outcome};
use crate::packets::{packet, prefixed};
use crate::verdict::{SENDERS, decode_by, encode_by};

pub(super) fn checks() -> Vec<Check> {
    let domain = |name, run: fn() -> Outcome| Check::new(Kind::Domain, name, run);
    vec![
        domain("v3_1_1::every_level_of_every_name", every_level),
        domain("v3_1_1::the_same_connect_in_another_version", every_connect),
        domain(
            "v3_1_1::an_empty_client_identifier_is_read",
            empty_client_identifier,
        ),
    ]
}

/// Which standard a CONNECT is read by, and what is sent before the Network Connection is closed (sections 3.1.2.1,
/// 3.1.2.2).
fn every_level() -> Outcome {
    let mut judged = 0;
    let names: [&[u8]; 7] = [b"MQTT", b"MQIsdp", b"MQTt", b"", b"MQT", b"MQTTT", b"mqtt"];
    for name in names {
        for level in 0..=255_u8 {
            let of_5_0 = name == b"MQTT" && level == 5;
            let properties: &[u8] = if of_5_0 { b"\x00" } else { b"" };
            let body = [
                &prefixed(name)[..],
                &[level, 0x02, 0, 60],
                properties,
                b"\x00\x02c1",
            ]
            .concat();
            let bytes = packet(0x10, &body);
            let raw = RawPacket::whole(&bytes).map_err(|error| error.to_string())?;
            let protocol = raw.protocol().ok_or("a CONNECT")?;
            assert_eq!((protocol.name, protocol.level), (name, level));
            let expected: Result<ProtocolVersion, (usize, Option<&[u8]>)> = match (name, level) {
                (b"MQTT", 4) => Ok(V3_1_1),
                (b"MQTT", 5) => Ok(V5_0),
                (b"MQTT", 0..=3 | 0x80..) => Err((2 + 2 + 4, Some(b"\x20\x02\x00\x01"))),
                (b"MQTT", _) => Err((2 + 2 + 4, Some(b"\x20\x03\x00\x84\x00"))),
                (b"MQIsdp", 3) => Err((2, Some(b"\x20\x02\x00\x01"))),
                _ => Err((2, None)),
            };
            assert_eq!(protocol.version(), expected.ok());
            // Whatever the connection is thought to speak, and whoever sent it.
            for (version, sender) in [V3_1_1, V5_0]
                .into_iter()
                .flat_map(|version| SENDERS.map(|sender| (version, sender)))
                .filter(|(_, sender)| *sender != Some(Role::Server))
            {
                judged += 1;
                let decoded = decode_by(version, &raw, sender);
                match (decoded, expected) {
                    (Ok(Packet::Connect(connect)), Ok(version)) => {
                        assert_eq!(connect.version, version);
                    }
                    (Err(error), Err((offset, answer))) => {
                        assert_eq!(error.offset(), offset, "{bytes:02X?}: {error}");
                        let found = error.answer(Role::Server, false);
                        let found = found.map(|packet| encode_by(error.version(), &packet));
                        assert_eq!(found.as_deref(), answer, "{bytes:02X?}: {error}");
                    }
                    (decoded, _) => return Err(format!("{bytes:02X?}: {decoded:?}")),
                }
            }
        }
    }
    Ok(judged)
}

/// Clean Session or Clean Start, the Session Expiry Interval, and everything that only one version has: `for_version`
/// gives the same CONNECT, or says what the version lacks; the Session lives as long as before.
fn every_connect() -> Outcome {
    let mut judged = 0;
    let will_properties = [Property::WillDelayInterval(1)];
    let will = |properties| Will {
        qos: mqtt5_codec::Qos::AtMostOnce,
        retain: false,
        properties,
        topic: TopicName::new("w").expect("a name"),
        payload: Binary::EMPTY,
    };
    let wills = [
        None,
        Some(will(Properties::EMPTY)),
        Some(will(Properties::new(&will_properties).expect("good"))),
    ];
    for bits in 0..32_u8 {
        let [clean_start, has_id, has_name, has_password, has_other] =
            [1, 2, 4, 8, 16].map(|bit| bits & bit != 0);
        for expiry in [None, Some(0), Some(1), Some(u32::MAX - 1), Some(u32::MAX)] {
            let list: Vec<_> = expiry
                .map(Property::SessionExpiryInterval)
                .into_iter()
                .chain(has_other.then_some(Property::TopicAliasMaximum(9)))
                .collect();
            for will in wills {
                for version in [V3_1_1, V5_0] {
                    let connect = Connect {
                        version,
                        clean_start,
                        client_identifier: Text::new(if has_id { "c" } else { "" }).expect("good"),
                        user_name: has_name.then_some(Text::EMPTY),
                        password: has_password.then_some(Binary::EMPTY),
                        properties: Properties::new(&list).expect("good"),
                        will,
                        ..Connect::default()
                    };
                    judged += 1;
                    session_is_right(&connect, expiry)?;
                    for other in [V3_1_1, V5_0] {
                        in_version_is_right(&connect, other)?;
                    }
                }
            }
        }
    }
    Ok(judged)
}

/// Section 3.1.2.11.2 of 5.0, section 3.1.2.4.
fn session_is_right(connect: &Connect<'_>, expiry: Option<u32>) -> Result<(), String> {
    let expected = match (connect.version, connect.clean_start) {
        (V3_1_1, true) => 0,
        (V3_1_1, false) => u32::MAX,
        _ => expiry.unwrap_or(0),
    };
    match connect.session_expiry_interval() == expected {
        true => Ok(()),
        false => Err(format!(
            "{connect:?}: {}",
            connect.session_expiry_interval()
        )),
    }
}

fn in_version_is_right(connect: &Connect<'_>, version: ProtocolVersion) -> Result<(), String> {
    let there = Connect {
        version,
        ..*connect
    };
    let mut reasons = match version {
        V3_1_1 => unsayable(&there.into()),
        _ => Vec::new(),
    };
    let lives = |connect: &Connect<'_>| connect.session_expiry_interval();
    if lives(&there) != lives(connect) {
        reasons.push(Violation::SessionExpiryNotInVersion);
    }
    match connect.for_version(version) {
        Ok(found) if reasons.is_empty() => {
            assert_eq!(found, there);
            let bytes = encode_by(V5_0, &found.into());
            assert_eq!(bytes[8], version.level());
            let Ok(Packet::Connect(again)) = Packet::decode(V5_0, &bytes) else {
                return Err(format!("{found:?}: {bytes:02X?}"));
            };
            assert_eq!(lives(&again), lives(connect), "{connect:?}");
            assert_eq!(again.version, version);
            Ok(())
        }
        Err(violation) if reasons.contains(&violation) => Ok(()),
        other => Err(format!("{connect:?} in {version}: {other:?}, {reasons:?}")),
    }
}

/// It is answered with return code 2 if Clean Session is 0 [MQTT3-3.1.3-8], so that it must be read; a Client must not
/// send it [MQTT3-3.1.3-7].
fn empty_client_identifier() -> Outcome {
    for clean_session in [false, true] {
        let flags = u8::from(clean_session) << 1;
        let body = [&b"\x00\x04MQTT\x04"[..], &[flags], b"\x00\x3C\x00\x00"].concat();
        let bytes = packet(0x10, &body);
        for sender in [None, Some(Role::Client)] {
            let raw = RawPacket::whole(&bytes).map_err(|error| error.to_string())?;
            let decoded = decode_by(V3_1_1, &raw, sender).map_err(|error| error.to_string())?;
            let written = decoded.encoded_len(V3_1_1).map_err(|it| it.violation());
            let expected = match clean_session {
                true => Ok(bytes.len()),
                false => Err(Some(Violation::ClientIdentifierEmptyWithoutCleanSession)),
            };
            assert_eq!(written, expected);
        }
    }
    let refusal = mqtt5_codec::ConnAck::new(mqtt5_codec::ReasonCode::ClientIdentifierNotValid);
    assert_eq!(encode_by(V3_1_1, &refusal.into()), b"\x20\x02\x00\x02");
    Ok(5)
}
