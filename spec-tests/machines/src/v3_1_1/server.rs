//! What MQTT 3.1.1 asks of a Server on one Network Connection, byte by byte.

use mqtt5_session_fsm::codec::{PacketType, ProtocolVersion, ReasonCode, Role};
use mqtt5_session_fsm::{Limits, SendError};
use mqtt5_spec_tests::vectors::{self, Case, Expectation, Said};

use super::wire::{answer, bytes, check, connect, hex, is_of, is_silent_end, offer, watched};
use crate::check::{Check, Kind};
use crate::server::driver::{Driver, wills};
use crate::server::make::{Hello, Testament, config, limited, manual};
use crate::session::driver::Lines;

pub(super) fn checks() -> Vec<Check> {
    use Kind::{Domain, Example};
    let domain = |name: &str, run: fn() -> u64| check(Domain, name, run);
    let example = |name: &str, run: fn()| check(Example, name, run);
    vec![
        domain("server::levels_that_are_not_spoken", other_levels),
        domain("server::every_row_of_clean_session", every_row),
        example("server::a_kept_session_does_not_end", kept),
        example("server::a_clean_session_ends", clean),
        domain("server::no_client_identifier", no_client_identifier),
        example(
            "server::a_client_identifier_is_rejected",
            rejected_identifier,
        ),
        domain("server::a_bad_connect_is_not_answered", bad_connects),
        domain("server::every_bad_packet_ends_the_connection", bad_packets),
        domain("server::every_refusal", every_refusal),
        domain("server::nothing_behind_a_refusal", behind_a_refusal),
        example("server::the_connack_comes_first", connack_first),
        domain("server::a_message_that_is_not_allowed", not_allowed),
        example("server::a_client_without_its_session", released),
        domain("server::suback_byte_by_byte", suback),
        example("server::unsuback_byte_by_byte", unsuback),
        domain("server::keep_alive", keep_alive),
        example("server::no_room_for_a_packet", no_room),
        example("server::will_and_disconnect", will_and_disconnect),
        example("server::it_needs_no_extension", a_whole_connection),
        example("server::a_second_connect", second_connect),
    ]
}

/// A Client with Clean Session 0 is connected.
fn connected() -> Driver {
    Driver::with(config(), &Hello::new())
}

/// [MQTT3-3.1.2-2]: return code 1, whether the peer speaks MQTT 3.1, or one that nobody knows (the highest bit is that of a
/// bridge).
fn other_levels() -> u64 {
    let levels: Vec<u8> = (0..=3).chain(0x80..=0xFF).collect();
    for &level in &levels {
        let mut driver = Driver::serving(config());
        let connect = format!("10 0D 0004 4D515454 {level:02X} 02 003C 0001 63");
        let (written, said) = offer(&mut driver, &connect);
        assert_eq!(written, "20 02 00 01", "level {level}");
        assert!(said.len() == 1 && said[0].starts_with("close "), "{said:?}");
        driver.assert_dead();
    }
    levels.len() as u64
}

/// A QoS 2 message is in flight each way when the Network Connection breaks.
fn busy() -> Driver {
    let mut driver = connected();
    let (written, _) = watched(&mut driver, |driver| driver.publish(2, "a", "x"));
    assert_eq!(written, "34 06 00 01 61 00 01 78");
    let (written, _) = offer(&mut driver, "34 06 0001 61 0007 79");
    assert_eq!(written, "50 02 00 07");
    assert_eq!(driver.lose(), Lines::new());
    driver
}

/// [MQTT3-3.1.2-4], [MQTT3-3.1.2-6], [MQTT3-3.1.4-3], [MQTT3-3.1.4-4], [MQTT3-3.2.2-1], [MQTT3-3.2.2-2],
/// [MQTT3-3.2.2-3]: Clean Session × state of the Server.
fn every_row() -> u64 {
    let never = || Driver::serving(config());
    for (make, has_session) in [(never as fn() -> Driver, false), (busy, true)] {
        for is_clean in [false, true] {
            let mut driver = make();
            let hello = Hello::new().clean(is_clean);
            let (written, _) = watched(&mut driver, |driver| driver.again(&hello));
            let goes_on = has_session && !is_clean;
            let expected = match goes_on {
                true => "20 02 01 00 3C 06 00 01 61 00 01 78",
                false => "20 02 00 00",
            };
            assert_eq!(written, expected, "clean: {is_clean}");
            // Whether the message that came before is known.
            let (written, said) = offer(&mut driver, "3C 06 0001 61 0007 79");
            assert_eq!(written, "50 02 00 07");
            assert_eq!(said.is_empty(), goes_on, "{said:?}");
        }
    }
    4
}

/// [MQTT3-3.1.2-4], [MQTT3-4.1.0-1]: only Clean Session 1 ends the Session.
fn kept() {
    let mut driver = busy();
    assert_eq!(driver.deadline(), None);
    assert_eq!(driver.tick(1 << 42), Lines::new());
    let (written, _) = watched(&mut driver, |driver| driver.again(&Hello::new()));
    assert_eq!(written, "20 02 01 00 3C 06 00 01 61 00 01 78");
    // A DISCONNECT is no end, either.
    let (written, _) = offer(&mut driver, "E0 00");
    assert_eq!(written, "");
    let _ = driver.lose();
    let (written, _) = watched(&mut driver, |driver| driver.again(&Hello::new()));
    assert_eq!(written, "20 02 01 00 3C 06 00 01 61 00 01 78");
}

/// [MQTT3-3.1.2-6], [MQTT3-4.1.0-2]: Clean Session 1 is a Session for as long as the Network Connection, and not longer.
fn clean() {
    for ends_with_disconnect in [false, true] {
        let mut driver = Driver::with(config(), &Hello::new().clean(true));
        let _ = driver.publish(1, "a", "x");
        assert_eq!(driver.tick(1 << 42), Lines::new());
        assert!(driver.session().exists());
        if ends_with_disconnect {
            let _ = offer(&mut driver, "E0 00");
        }
        let _ = driver.lose();
        let (written, _) = watched(&mut driver, |driver| driver.again(&Hello::new()));
        assert_eq!(written, "20 02 00 00");
    }
}

/// [MQTT3-3.1.3-8]: return code 2, and the host never sees the CONNECT; with Clean Session 1 it does.
fn no_client_identifier() -> u64 {
    let will = "0001 77 0001 78";
    for (flags, behind) in [(0x00, ""), (0x04, will), (0x24, will), (0x80, "0001 75")] {
        let packet = |flags: u8| {
            let behind = bytes(behind);
            let length = 12 + behind.len();
            let behind = hex(&behind);
            format!("10 {length:02X} 0004 4D515454 04 {flags:02X} 003C 0000 {behind}")
        };
        let mut driver = Driver::serving(config());
        let (written, said) = offer(&mut driver, &packet(flags));
        assert_eq!(written, "20 02 00 02");
        assert_eq!(said, ["close Refused(ClientIdentifierNotValid)"]);
        driver.assert_dead();
        let mut driver = Driver::serving(config());
        let (written, said) = offer(&mut driver, &packet(flags | 0x02));
        assert_eq!(written, "");
        assert_eq!(said, ["connect \"\""]);
    }
    4
}

/// [MQTT3-3.1.3-9]: the host does not want the ClientID.
fn rejected_identifier() {
    let mut driver = Driver::deciding(config(), &Hello::new().id("not wanted"));
    let (written, said) = watched(&mut driver, |driver| {
        let code = ReasonCode::ClientIdentifierNotValid;
        driver.refuse_client(code, &[]).expect("a refusal")
    });
    assert_eq!(written, "20 02 00 02");
    assert_eq!(said, ["close Refused(ClientIdentifierNotValid)"]);
    driver.assert_dead();
}

/// The golden vectors that a Server must reject.
fn rejected(mut judge: impl FnMut(&Case)) -> u64 {
    let mut judged = 0;
    for file in vectors::read_all(ProtocolVersion::V3_1_1).expect("vectors") {
        for case in file.cases {
            let is_rejected = matches!(case.expect, Expectation::Reject { .. });
            if is_rejected && case.sender != Some(Role::Server) {
                judge(&case);
                judged += 1;
            }
        }
    }
    judged
}

/// [MQTT3-3.1.4-1]: a CONNECT that breaks a rule gets no CONNACK, unless the rule itself has an answer.
fn bad_connects() -> u64 {
    let mut judged = 0;
    rejected(|case| {
        let first = case.bytes.first().copied().unwrap_or_default();
        let is_answered = matches!(case.answer, Some(Said::Bytes(_)));
        // What does not say that it is of MQTT 5 may be of this version.
        let is_of_5 = case.bytes.windows(7).any(|it| it == b"\0\x04MQTT\x05");
        if !is_of(first, PacketType::Connect) || is_answered || is_of_5 {
            return;
        }
        let mut driver = Driver::serving(config());
        let end = watched(&mut driver, |driver| driver.feed(&case.bytes));
        // A stream whose first packet is good.
        if end
            .1
            .first()
            .is_some_and(|line| line.starts_with("connect "))
        {
            return;
        }
        is_silent_end(&mut driver, &end, &case.name);
        judged += 1;
    });
    assert!(judged > 100, "{judged}");
    judged
}

/// [MQTT3-4.8.0-1], [MQTT3-2.2.2-2]: each packet that breaks a rule ends the connection of a Client, without a packet: there
/// is no DISCONNECT of a Server.
fn bad_packets() -> u64 {
    let judged = rejected(|case| {
        let mut driver = connected();
        let before = driver.wire.len();
        let mut said = driver.offer(&mut &case.bytes[..]);
        // Good packets may come before the bad one.
        let end = said.pop().unwrap_or_default();
        assert!(end.starts_with("close "), "{}: {end}", case.name);
        let written = &driver.wire[before..];
        assert!(!written.starts_with(&[0xE0]), "{}", case.name);
        driver.assert_dead();
    });
    assert!(judged > 400, "{judged}");
    judged
}

/// [MQTT3-3.2.2-5], [MQTT3-3.2.2-6]: the return codes that MQTT 3.1.1 has, and for all else silence.
fn every_refusal() -> u64 {
    let mut judged = 0;
    for byte in 0x80..=0xFF {
        let Some(code) = ReasonCode::from_byte(byte) else {
            continue;
        };
        let expected = match code {
            ReasonCode::UnsupportedProtocolVersion => "20 02 00 01",
            ReasonCode::ClientIdentifierNotValid => "20 02 00 02",
            ReasonCode::ServerUnavailable
            | ReasonCode::ServerBusy
            | ReasonCode::QuotaExceeded
            | ReasonCode::ConnectionRateExceeded
            | ReasonCode::UseAnotherServer
            | ReasonCode::ServerMoved => "20 02 00 03",
            ReasonCode::BadUserNameOrPassword => "20 02 00 04",
            ReasonCode::NotAuthorized
            | ReasonCode::Banned
            | ReasonCode::BadAuthenticationMethod
            | ReasonCode::TopicNameInvalid => "20 02 00 05",
            _ => "",
        };
        let mut driver = Driver::deciding(config(), &Hello::new());
        let before = driver.wire.len();
        let Ok(said) = driver.refuse_client(code, &[]) else {
            // Nothing that a CONNACK of 5.0 could say.
            continue;
        };
        assert_eq!(hex(&driver.wire[before..]), expected, "{code}");
        let end = said.last().map_or("", String::as_str);
        assert_eq!(end, format!("close Refused({code:?})"));
        driver.assert_dead();
        judged += 1;
    }
    assert!(judged > 20, "{judged}");
    judged
}

/// [MQTT3-3.1.4-5]: neither if the machine refuses nor if the host does.
fn behind_a_refusal() -> u64 {
    let behind = [
        "30 04 0001 61 78",
        "32 06 0001 61 0001 78",
        "34 06 0001 61 0001 78",
        "82 06 0001 0001 61 01",
        "C0 00",
        "E0 00",
    ];
    for packet in behind {
        let mut driver = Driver::serving(config());
        let both = [bytes("10 0C 0004 4D515454 04 00 003C 0000"), bytes(packet)].concat();
        let said = driver.offer(&mut &both[..]);
        assert_eq!(said.last().map(|it| &it[..5]), Some("close"), "{said:?}");
        assert_eq!(hex(&driver.wire), "20 02 00 02", "{packet}");

        let mut driver = Driver::serving(config());
        let both = [bytes(&connect(0, "")), bytes(packet)].concat();
        let mut input = &both[..];
        assert_eq!(driver.offer(&mut input), ["connect \"c\""]);
        let refused = driver.refuse_client(ReasonCode::NotAuthorized, &[]);
        assert!(refused.is_ok());
        let said = driver.offer(&mut input);
        assert_eq!(said, Lines::new(), "{packet}");
        assert_eq!(hex(&driver.wire), "20 02 00 05", "{packet}");
    }
    behind.len() as u64
}

/// [MQTT3-3.2.0-1]: packets that come behind the CONNECT are answered behind the CONNACK.
fn connack_first() {
    let mut driver = Driver::serving(config());
    let all = [bytes(&connect(0, "")), bytes("C0 00 32 06 0001 61 0009 78")].concat();
    let mut input = &all[..];
    assert_eq!(driver.offer(&mut input), ["connect \"c\""]);
    assert_eq!(hex(&driver.wire), "");
    let _ = driver.accept_client(&[]).expect("a good CONNECT");
    let _ = driver.offer(&mut input);
    assert_eq!(hex(&driver.wire), "20 02 00 00 D0 00 40 02 00 09");
}

/// [MQTT3-3.3.5-2]: the host cannot refuse it in the acknowledgement. It is acknowledged, or the connection is closed.
fn not_allowed() -> u64 {
    for (packet, acknowledged) in [
        ("32 06 0001 61 0001 78", "40 02 00 01"),
        ("34 06 0001 61 0001 78", "50 02 00 01"),
    ] {
        for closes in [false, true] {
            let mut driver = Driver::with(manual(), &Hello::new());
            let (written, _) = offer(&mut driver, packet);
            assert_eq!(written, "");
            let receipt = driver.receipts[0];
            let refused = driver.try_acknowledge(receipt, ReasonCode::NotAuthorized, &[]);
            assert_eq!(refused, Err(SendError::NotInVersion));
            if closes {
                let end = watched(&mut driver, |driver| {
                    driver.disconnect(ReasonCode::NotAuthorized, &[])
                });
                is_silent_end(&mut driver, &end, packet);
            } else {
                let (written, _) = watched(&mut driver, |driver| driver.acknowledge(0));
                assert_eq!(written, acknowledged);
            }
        }
    }
    4
}

/// Section 3.2.2.2: a Client may go on with a Session that it has lost. It releases a message that still waits for the
/// application here, and the identifier is free for another one [MQTT3-4.3.3-2].
fn released() {
    let mut driver = Driver::with(manual(), &Hello::new());
    let message = "34 06 0001 61 0001 78";
    let _ = offer(&mut driver, message);
    let _ = driver.lose();
    let (written, _) = watched(&mut driver, |driver| driver.again(&Hello::new()));
    assert_eq!(written, "20 02 01 00");
    assert_eq!(offer(&mut driver, "62 02 0001").0, "70 02 00 01");
    let (written, said) = offer(&mut driver, message);
    assert_eq!((&*written, said.len()), ("", 1), "{said:?}");
}

/// [MQTT3-3.8.4-1], [MQTT3-3.8.4-2], [MQTT3-3.8.4-5], [MQTT3-3.9.3-1], [MQTT3-2.3.1-7]: every pair of return codes, with some
/// Packet Identifiers.
fn suback() -> u64 {
    let codes = [
        (ReasonCode::GRANTED_QOS_0, "00"),
        (ReasonCode::GrantedQos1, "01"),
        (ReasonCode::GrantedQos2, "02"),
        (ReasonCode::NotAuthorized, "80"),
        (ReasonCode::UnspecifiedError, "80"),
        (ReasonCode::QuotaExceeded, "80"),
    ];
    let mut judged = 0;
    for (first, one) in codes {
        for (second, two) in codes {
            for (number, identifier) in [(1, "00 01"), (0x0102, "01 02"), (0xFFFF, "FF FF")] {
                let mut driver = connected();
                let packet = format!("82 0A {identifier} 0001 61 02 0001 62 02");
                let (written, said) = offer(&mut driver, &packet);
                assert_eq!(written, "");
                assert_eq!(said, [format!("subscribe #{number} a b")]);
                let (written, _) = watched(&mut driver, |driver| {
                    let answered = driver.acknowledge_subscribe(number, &[first, second], &[]);
                    answered.expect("codes of a SUBACK")
                });
                assert_eq!(written, format!("90 04 {identifier} {one} {two}"));
                judged += 1;
            }
        }
    }
    // One code too few.
    let mut driver = connected();
    let _ = offer(&mut driver, "82 0A 0001 0001 61 02 0001 62 02");
    let answered = driver.acknowledge_subscribe(1, &[ReasonCode::GrantedQos1], &[]);
    assert!(answered.is_err());
    judged
}

/// [MQTT3-3.10.4-4], [MQTT3-3.10.4-5], [MQTT3-2.3.1-7]: the Packet Identifier and nothing else, whether there was such a
/// subscription or not.
fn unsuback() {
    let mut driver = connected();
    let (_, said) = offer(&mut driver, "A2 08 0102 0001 61 0001 62");
    assert_eq!(said, ["unsubscribe #258 a b"]);
    let (written, _) = watched(&mut driver, |driver| {
        let codes = [ReasonCode::Success, ReasonCode::NoSubscriptionExisted];
        let answered = driver.acknowledge_unsubscribe(0x0102, &codes, &[]);
        answered.expect("codes of an UNSUBACK")
    });
    assert_eq!(written, "B0 02 01 02");
}

/// [MQTT3-3.1.2-24]: one and a half times, to the millisecond, and then what a broken network would bring: the Will.
fn keep_alive() -> u64 {
    let seconds = [1, 2, 3, 60, 0x0102, u16::MAX];
    for seconds in seconds {
        let hello = Hello::new()
            .keep_alive(seconds)
            .and_will(Testament::new(None));
        let mut driver = Driver::with(config(), &hello);
        let time = u64::from(seconds) * 1_500;
        assert_eq!(driver.tick(time - 1), Lines::new());
        assert_eq!(answer(&mut driver, "C0 00"), "D0 00");
        assert_eq!(driver.tick(time - 1), Lines::new());
        let (written, said) = watched(&mut driver, |driver| driver.tick(1));
        assert_eq!(written, "");
        assert!(
            said.contains(&"close TimedOut(KeepAlive)".to_owned()),
            "{said:?}"
        );
        let lost = driver.lose();
        assert_eq!(wills(&said) + wills(&lost), 1, "{said:?}, {lost:?}");
    }
    let mut driver = connected();
    assert_eq!(driver.tick(1 << 42), Lines::new());
    seconds.len() as u64
}

/// [MQTT3-4.8.0-2]: a packet that the Server has no room for.
fn no_room() {
    let limits = Limits {
        maximum_packet_size: 20,
        ..Limits::NONE
    };
    let mut driver = Driver::with(limited(limits), &Hello::new());
    let fits = format!("32 12 0001 61 0001 {}", "78".repeat(13));
    let (written, _) = offer(&mut driver, &fits);
    assert_eq!(written, "40 02 00 01");
    let too_large = format!("32 13 0001 61 0002 {}", "78".repeat(14));
    let end = offer(&mut driver, &too_large);
    is_silent_end(&mut driver, &end, "too large");
}

/// [MQTT3-3.1.2-8], [MQTT3-3.14.4-3], [MQTT3-3.1.2-12]: the Will is published unless a DISCONNECT comes, and only if there is
/// one.
fn will_and_disconnect() {
    for has_will in [false, true] {
        for ends in [None, Some("E0 00"), Some("E0 01 00"), Some("82 02 0001")] {
            let mut hello = Hello::new();
            if has_will {
                hello = hello.and_will(Testament::new(None));
            }
            let mut driver = Driver::with(config(), &hello);
            let mut said = Lines::new();
            if let Some(packet) = ends {
                let (written, more) = offer(&mut driver, packet);
                assert_eq!(written, "");
                said.extend(more);
            }
            said.extend(driver.lose());
            let is_due = has_will && ends != Some("E0 00");
            assert_eq!(wills(&said), usize::from(is_due), "{ends:?}: {said:?}");
        }
    }
}

/// [MQTT3-7.0.0-2]: all that a Client may do, with nothing in it that the standard does not have.
fn a_whole_connection() {
    let mut driver = Driver::serving(config());
    let flags = 0xEE;
    let fields = "0001 77 0001 78 0001 75 0001 70";
    let (_, said) = offer(&mut driver, &connect(flags, fields));
    assert_eq!(said, ["connect \"c\""]);
    let accepted = driver.accept_client(&[]).expect("a good CONNECT");
    assert_eq!(accepted, ["> CONNACK"]);
    assert_eq!(hex(&driver.wire), "20 02 00 00");
    let (_, said) = offer(&mut driver, "82 06 0001 0001 61 01");
    assert_eq!(said, ["subscribe #1 a"]);
    let (written, _) = watched(&mut driver, |driver| {
        let answered = driver.acknowledge_subscribe(1, &[ReasonCode::GrantedQos1], &[]);
        answered.expect("a SUBACK")
    });
    assert_eq!(written, "90 03 00 01 01");
    let (written, _) = offer(&mut driver, "31 04 0001 61 78 33 06 0001 61 0002 78");
    assert_eq!(written, "40 02 00 02");
    let (written, _) = offer(&mut driver, "34 06 0001 61 0003 78");
    assert_eq!(written, "50 02 00 03");
    assert_eq!(answer(&mut driver, "62 02 0003"), "70 02 00 03");
    let (written, _) = watched(&mut driver, |driver| driver.publish(2, "a", "y"));
    assert_eq!(written, "34 06 00 01 61 00 01 79");
    assert_eq!(offer(&mut driver, "50 02 0001").0, "62 02 00 01");
    assert_eq!(offer(&mut driver, "70 02 0001").0, "");
    assert_eq!(answer(&mut driver, "C0 00"), "D0 00");
    let (_, said) = offer(&mut driver, "A2 05 0004 0001 61");
    assert_eq!(said, ["unsubscribe #4 a"]);
    let (written, _) = watched(&mut driver, |driver| {
        let answered = driver.acknowledge_unsubscribe(4, &[ReasonCode::Success], &[]);
        answered.expect("an UNSUBACK")
    });
    assert_eq!(written, "B0 02 00 04");
    let end = offer(&mut driver, "E0 00");
    is_silent_end(&mut driver, &end, "DISCONNECT");
}

/// [MQTT3-3.1.0-2]: even one that is the same.
fn second_connect() {
    let mut driver = connected();
    let end = offer(&mut driver, &connect(0, ""));
    is_silent_end(&mut driver, &end, "a second CONNECT");
}
