//! Bytes that were damaged, are something else, or are hostile.

use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::{Change, Publication, RestoreError, Session};
use proptest::prelude::*;

use super::{CONFIG, at, every_change, full, message, restore, several};

/// A checksum of 32 bits finds every change of a single byte.
#[test]
fn damaged_bytes_are_an_error() {
    for session in several() {
        let bytes = session.export();
        assert_eq!(restore(&bytes).unwrap().export(), bytes);
        for length in 0..bytes.len() {
            let result = restore(&bytes[..length]);
            assert_eq!(result, Err(RestoreError::Truncated), "{length}");
        }
        for position in 0..bytes.len() {
            for flip in 1..=255 {
                let mut damaged = bytes.clone();
                damaged[position] ^= flip;
                let expected = match position {
                    0..3 => RestoreError::Alien,
                    _ => RestoreError::Damaged,
                };
                assert_eq!(restore(&damaged), Err(expected), "{position} {flip}");
            }
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert_eq!(restore(&longer), Err(RestoreError::Damaged));
    }
}

#[test]
fn alien_bytes_are_an_error() {
    assert_eq!(restore(b""), Err(RestoreError::Truncated));
    assert_eq!(restore(b"{}"), Err(RestoreError::Alien));
    assert_eq!(restore(&[0; 4096]), Err(RestoreError::Alien));
    assert_eq!(restore(&Change::Ended.to_bytes()), Err(RestoreError::Alien));
    let session = Session::of_client(CONFIG).export();
    assert_eq!(Change::from_bytes(&session), Err(RestoreError::Alien));
    for alien in [
        &session[..],
        b"{}",
        b"GET / HTTP/1.1",
        b"\x10\x0c\0\x04MQTT\x05",
    ] {
        let mut log = alien;
        assert_eq!(Change::take(&mut log), Err(RestoreError::Alien));
        assert_eq!(log, alien);
    }
}

/// The checksums of a stored form, right again after a change: what somebody does on purpose, or a
/// checksum that does not protect.
pub(super) fn seal(bytes: &mut [u8]) {
    let crc = |bytes: &[u8]| {
        bytes.iter().fold(!0_u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
            })
        }) ^ !0
    };
    let Some(end) = bytes.len().checked_sub(4) else {
        return;
    };
    let header = crc(&bytes[..10]).to_le_bytes();
    bytes[10..12].copy_from_slice(&header[..2]);
    let sum = crc(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&sum);
}

/// A stored form with another body.
pub(super) fn with_body(stored: &[u8], body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u64).to_le_bytes();
    let mut bytes = [&stored[..4], &length[..6], &[0; 2], body, &[0; 4]].concat();
    seal(&mut bytes);
    bytes
}

#[test]
fn an_unknown_version_is_named() {
    let mut bytes = Session::of_client(CONFIG).export();
    for version in [0, 3, 255] {
        bytes[3] = version;
        seal(&mut bytes);
        assert_eq!(restore(&bytes), Err(RestoreError::Version(version)));
    }
}

/// What got through is a Session that works: it can be stored, used, and ended.
fn check_hostile(bytes: &[u8]) {
    let Ok(mut session) = restore(bytes) else {
        return;
    };
    let again = session.export();
    assert_eq!(restore(&again).unwrap().export(), again);
    let _ = session.publish(at(1), Publication::new(Qos::AtLeastOnce, message(b"x")));
    session.handle_timeout(at(u64::MAX / 1000));
    while session.poll().is_some() {}
    restore(&session.export()).unwrap();
}

#[test]
fn hostile_bytes_are_an_error_or_a_session() {
    for session in several() {
        let bytes = session.export();
        for position in 12..bytes.len() - 4 {
            for value in 0..=255 {
                let mut hostile = bytes.clone();
                hostile[position] = value;
                seal(&mut hostile);
                check_hostile(&hostile);
            }
        }
    }
}

#[test]
fn hostile_changes_are_an_error_or_a_change() {
    let full = full();
    for change in every_change() {
        let bytes = change.to_bytes();
        for position in 12..bytes.len() - 4 {
            for value in 0..=255 {
                let mut hostile = bytes.clone();
                hostile[position] = value;
                seal(&mut hostile);
                let Ok(change) = Change::from_bytes(&hostile) else {
                    continue;
                };
                let mut session = full.clone();
                if session.apply(at(0), &change).is_ok() {
                    check_hostile(&session.export());
                } else {
                    assert_eq!(session, full);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 16..200),
        sealed in any::<bool>(),
        server in any::<bool>(),
    ) {
        if sealed {
            let length = (bytes.len() as u64 - 16).to_le_bytes();
            bytes[..4].copy_from_slice(b"M5S\x02");
            bytes[4..10].copy_from_slice(&length[..6]);
            bytes[12] = u8::from(server);
            seal(&mut bytes);
        }
        check_hostile(&bytes);
    }
}
