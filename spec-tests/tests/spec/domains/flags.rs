//! All bytes as Connect Flags, Connect Acknowledge Flags and Subscription Options.

use mqtt5_codec::{Packet, ProtocolVersion, Qos, RetainHandling, ViolationClass};

use super::{agree, domain};
use crate::check::{Check, Outcome};
use crate::packets::{packet, prefixed};
use crate::reference::tables::reason_codes;
use crate::verdict::{Rejection, Verdict, encode, malformed, of_packet};

pub(super) fn checks() -> Vec<Check> {
    vec![
        domain("connect_flags::every_byte", every_connect_flags),
        domain("connect_flags::every_payload", every_payload),
        domain(
            "connack_flags::every_byte_with_every_code",
            every_connack_flags,
        ),
        domain(
            "subscription_options::every_byte",
            every_subscription_options,
        ),
    ]
}

/// Where the Connect Flags of a CONNECT stand.
const CONNECT_FLAGS_AT: usize = 9;

/// Which fields a CONNECT payload has after the ClientID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields {
    will: bool,
    user_name: bool,
    password: bool,
}

impl Fields {
    /// What the flags announce.
    fn of(flags: u8) -> Fields {
        Fields {
            will: flags & 0x04 != 0,
            user_name: flags & 0x80 != 0,
            password: flags & 0x40 != 0,
        }
    }
}

fn connect(flags: u8, fields: Fields) -> Vec<u8> {
    let mut body = b"\x00\x04MQTT\x05".to_vec();
    body.push(flags);
    body.extend(b"\x00\x3C\x00\x00\x02c1");
    if fields.will {
        body.extend(b"\x00\x00\x04will\x00\x03bye");
    }
    if fields.user_name {
        body.extend(prefixed(b"user"));
    }
    if fields.password {
        body.extend(prefixed(b"pass"));
    }
    packet(0x10, &body)
}

/// Sections 3.1.2.3 to 3.1.2.9.
fn connect_flags_are_right(flags: u8) -> bool {
    let reserved = flags & 0x01 != 0;
    let will = flags & 0x04 != 0;
    let will_qos = flags >> 3 & 0b11;
    let will_retain = flags & 0x20 != 0;
    !reserved && will_qos != 3 && (will || (will_qos == 0 && !will_retain))
}

fn every_connect_flags() -> Outcome {
    for flags in 0..=255_u8 {
        let fields = Fields::of(flags);
        let bytes = connect(flags, fields);
        let standard = if connect_flags_are_right(flags) {
            Verdict::Accept
        } else {
            malformed(CONNECT_FLAGS_AT)
        };
        agree(of_packet(&bytes, None), standard, || {
            format!("Connect Flags {flags:08b}")
        })?;
        let Ok(Packet::Connect(decoded)) = Packet::decode(ProtocolVersion::V5_0, &bytes) else {
            continue;
        };
        assert_eq!(decoded.clean_start, flags & 0x02 != 0);
        assert_eq!(
            decoded.user_name.as_deref(),
            fields.user_name.then_some("user")
        );
        assert_eq!(
            decoded.password.as_deref(),
            fields.password.then_some(&b"pass"[..])
        );
        assert_eq!(decoded.will.is_some(), fields.will);
        if let Some(will) = decoded.will {
            assert_eq!(will.qos as u8, flags >> 3 & 0b11);
            assert_eq!(will.retain, flags & 0x20 != 0);
            assert_eq!(
                (will.topic.as_str(), will.payload.as_bytes()),
                ("will", &b"bye"[..])
            );
        }
        assert_eq!(encode(&Packet::Connect(decoded)), bytes);
    }
    Ok(256)
}

/// Every valid flags byte with every set of fields: only the announced ones are accepted. User Name
/// and Password look the same, so one can be read for the other.
fn every_payload() -> Outcome {
    let mut states = 0;
    for flags in (0..=255_u8).filter(|&flags| connect_flags_are_right(flags)) {
        let announced = Fields::of(flags);
        for shape in 0..8 {
            let there = Fields {
                will: shape & 1 != 0,
                user_name: shape & 2 != 0,
                password: shape & 4 != 0,
            };
            let strings = |fields: Fields| u8::from(fields.user_name) + u8::from(fields.password);
            let fits = announced.will == there.will && strings(announced) == strings(there);
            states += 1;
            match of_packet(&connect(flags, there), None) {
                Verdict::Accept if fits => {}
                Verdict::Reject(Rejection {
                    class: ViolationClass::Malformed,
                    ..
                }) if !fits => {}
                other => return Err(format!("flags {flags:08b} with {there:?}: {other:?}")),
            }
        }
    }
    Ok(states)
}

fn every_connack_flags() -> Outcome {
    let codes = reason_codes("CONNACK");
    let mut states = 0;
    for flags in 0..=255_u8 {
        for code in 0..=255_u8 {
            states += 1;
            let bytes = packet(0x20, &[flags, code, 0]);
            let flags_are_right = flags <= 1;
            let code_is_right =
                codes[usize::from(code)].include(None) && (flags & 1 == 0 || code == 0);
            let verdict = of_packet(&bytes, None);
            let right = match verdict {
                Verdict::Accept => flags_are_right && code_is_right,
                Verdict::Reject(Rejection {
                    class: ViolationClass::Malformed,
                    offset: 2,
                    ..
                }) => !flags_are_right,
                Verdict::Reject(Rejection {
                    class: ViolationClass::Protocol,
                    ..
                }) => !code_is_right,
                _ => false,
            };
            if !right {
                return Err(format!("{bytes:02X?}: {verdict:?}"));
            }
            if let Ok(Packet::ConnAck(decoded)) = Packet::decode(ProtocolVersion::V5_0, &bytes) {
                assert_eq!(decoded.session_present, flags == 1);
                assert_eq!(decoded.reason_code.to_byte(), code);
                assert_eq!(encode(&Packet::ConnAck(decoded)), bytes);
            }
        }
    }
    Ok(states)
}

/// The errors that a byte of Subscription Options has; a receiver may answer any of them.
fn option_errors(options: u8, is_shared: bool) -> Vec<ViolationClass> {
    let mut errors = Vec::new();
    if options & 0b1100_0000 != 0 {
        errors.push(ViolationClass::Malformed);
    }
    let is_maximum_qos_3 = options & 0b11 == 0b11;
    let is_retain_handling_3 = options >> 4 & 0b11 == 0b11;
    let is_no_local = options & 0b100 != 0;
    if is_maximum_qos_3 || is_retain_handling_3 || (is_no_local && is_shared) {
        errors.push(ViolationClass::Protocol);
    }
    errors
}

fn every_subscription_options() -> Outcome {
    let mut states = 0;
    for filter in [
        "a",
        "sport/+/score",
        "$share",
        "$share/name/a",
        "$share/name/#",
        "$SHARE/name/a",
    ] {
        let is_shared = filter.starts_with("$share/");
        for options in 0..=255_u8 {
            states += 1;
            // A second subscription behind it, and one before it.
            let entry = [&prefixed(filter.as_bytes())[..], &[options]].concat();
            let plain: &[u8] = b"\x00\x01x\x00";
            let body = [b"\x00\x0A\x00", plain, &entry, plain].concat();
            let bytes = packet(0x82, &body);
            let options_at = 2 + 3 + plain.len() + entry.len() - 1;
            let errors = option_errors(options, is_shared);
            match of_packet(&bytes, None) {
                Verdict::Accept if errors.is_empty() => {}
                Verdict::Reject(Rejection { class, offset, .. })
                    if errors.contains(&class) && offset == options_at => {}
                other => return Err(format!("{filter} with {options:08b}: {other:?}")),
            }
            let Ok(Packet::Subscribe(decoded)) = Packet::decode(ProtocolVersion::V5_0, &bytes)
            else {
                continue;
            };
            let read: Vec<_> = decoded.subscriptions.iter().collect();
            assert_eq!(read.len(), 3);
            assert_eq!(read[1].filter.as_str(), filter);
            let found = read[1].options;
            assert_eq!(
                found.maximum_qos,
                Qos::from_bits(options & 0b11).expect("0 to 2")
            );
            assert_eq!(found.no_local, options & 0b100 != 0);
            assert_eq!(found.retain_as_published, options & 0b1000 != 0);
            let handling = match options >> 4 {
                0 => RetainHandling::Send,
                1 => RetainHandling::SendIfNew,
                _ => RetainHandling::DoNotSend,
            };
            assert_eq!(found.retain_handling, handling);
            assert_eq!(encode(&Packet::Subscribe(decoded)), bytes);
        }
    }
    Ok(states)
}
