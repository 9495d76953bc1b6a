//! Stored Sessions that are whole, but no Session is like this.

use super::damage::with_body;
use super::tokens::varint;
use super::{
    CONFIG, Change, Qos, RestoreError, Session, accepted, accepted_until, connected, id, lost,
    replay, restore, sent, will,
};

/// A Session of a Server for Client `c` after these changes, and the body of its stored form.
fn stored(changes: &[Change]) -> (Vec<u8>, Vec<u8>) {
    let mut session = Session::of_server("c", CONFIG);
    replay(&mut session, changes);
    let bytes = session.export();
    let body = bytes[12..bytes.len() - 4].to_vec();
    (bytes, body)
}

/// The same with another end of the body.
fn with_end(stored: &(Vec<u8>, Vec<u8>), old: &[u8], new: &[u8]) -> Result<Session, RestoreError> {
    let (bytes, body) = stored;
    let rest = body.strip_suffix(old).expect("the end");
    restore(&with_body(bytes, &[rest, new].concat()))
}

fn received(packet_identifier: u16) -> Change {
    Change::Received {
        packet_identifier: id(packet_identifier),
    }
}

/// In a Client, messages that wait outlive a Session. In a Server nothing does.
#[test]
fn without_a_session_there_is_nothing_that_belongs_to_one() {
    let (one, released) = (
        [accepted(1, Qos::ExactlyOnce), sent(1, 1)],
        Change::Released {
            packet_identifier: id(1),
        },
    );
    let parts = [
        ("waiting", vec![accepted(1, Qos::ExactlyOnce)]),
        ("in flight", one.to_vec()),
        ("released", [&one[..], &[released]].concat()),
        ("lost", [&one[..], &[lost(1)]].concat()),
        ("received", vec![received(1)]),
        ("a Will Message", vec![will(30)]),
    ];
    for (name, changes) in parts {
        let (bytes, body) = stored(&[&[connected(10)], &changes[..]].concat());
        // Of a Server, for `c`, which went away: it ends after 10 seconds.
        let away = [&[1, 1, b'c', 2, 1], &varint(1_000_010_000)[..], &[10]].concat();
        let rest = body.strip_prefix(&away[..]).expect(name);
        let none = restore(&with_body(&bytes, &[&[1, 1, b'c', 0], rest].concat()));
        assert_eq!(none, Err(RestoreError::Inconsistent), "{name}");
    }
}

#[test]
fn a_received_packet_identifier_is_stored_once_and_in_order() {
    let stored = stored(&[connected(10), received(1)]);
    for (list, is_good) in [
        (&[1, 2][..], true),
        (&[1, 1], false),
        (&[2, 1], false),
        (&[0], false),
    ] {
        let end = [&[list.len() as u8], list, &[0, 0]].concat();
        let session = with_end(&stored, &[1, 1, 0, 0], &end);
        assert_eq!(session.is_ok(), is_good, "{list:?}");
    }
}

#[test]
fn a_message_has_one_deadline() {
    let (_, without) = stored(&[connected(10), accepted(1, Qos::AtLeastOnce)]);
    let stored = stored(&[connected(10), accepted_until(1, Qos::AtLeastOnce, 7)]);
    let deadline = &stored.1[without.len()..];
    let old = [&[1], deadline].concat();
    assert!(with_end(&stored, &old, &old).is_ok());
    let twice = with_end(&stored, &old, &[&[2], deadline, deadline].concat());
    assert_eq!(twice, Err(RestoreError::Inconsistent));
}
