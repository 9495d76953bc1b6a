//! Tokens that are stored leave room for those that follow.

use mqtt5_session_fsm::RestoreError;

use super::damage::with_body;
use super::{CONFIG, Instant, Publication, Qos, Session, Token, accepted, at, message, restore};

/// The highest token of a stored form, and some that are too high.
const HIGHEST: u64 = (1 << 63) - 1;
const TOO_HIGH: [u64; 3] = [HIGHEST + 1, u64::MAX - 1, u64::MAX];

fn publish(session: &mut Session) -> Token {
    let publication = Publication::new(Qos::AtLeastOnce, message(b"x"));
    session.publish(Instant::ORIGIN, publication).unwrap()
}

#[test]
fn others_follow_the_highest_token() {
    let mut session = Session::of_client(CONFIG);
    let change = accepted(HIGHEST, Qos::AtLeastOnce);
    assert_eq!(session.apply(at(1_000_000), &change), Ok(()));
    for mut session in [restore(&session.export()).unwrap(), session] {
        let mut last = Token::from_number(HIGHEST);
        for _ in 0..3 {
            let next = publish(&mut session);
            assert!(next > last, "{next:?} after {last:?}");
            last = next;
        }
    }
}

#[test]
fn a_change_with_a_token_that_is_too_high_does_not_fit() {
    for number in TOO_HIGH {
        let mut session = Session::of_client(CONFIG);
        let change = accepted(number, Qos::AtLeastOnce);
        assert!(session.apply(at(1_000_000), &change).is_err(), "{number}");
        assert_eq!(session, Session::of_client(CONFIG));
    }
}

#[test]
fn a_session_with_a_token_that_is_too_high_is_not_restored() {
    let mut session = Session::of_client(CONFIG);
    let change = accepted(HIGHEST, Qos::AtLeastOnce);
    session.apply(at(1_000_000), &change).unwrap();
    let stored = session.export();
    for number in TOO_HIGH {
        let bytes = replace(&stored, &varint(HIGHEST), &varint(number));
        assert_ne!(bytes.len(), stored.len());
        let result = restore(&bytes);
        assert_eq!(result, Err(RestoreError::Inconsistent), "{number}");
    }
}

/// As postcard writes a number.
pub(super) fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A stored form with something else in its body, of whatever length.
fn replace(stored: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut body = &stored[12..stored.len() - 4];
    let mut bytes = Vec::new();
    while let Some((&byte, rest)) = body.split_first() {
        if let Some(rest) = body.strip_prefix(old) {
            bytes.extend(new);
            body = rest;
        } else {
            bytes.push(byte);
            body = rest;
        }
    }
    with_body(stored, &bytes)
}
