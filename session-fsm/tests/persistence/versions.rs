//! Versions of the stored forms: the one of today does not change, and those before are read.

use mqtt5_session_fsm::{Change, Instant, Session};

use super::{CONFIG, at, every_change, full, replay, restore};

/// A Client's Session that never expires, without anything in it.
fn without_a_connection() -> Session {
    let mut session = Session::of_client(CONFIG);
    let connected = Change::Connected {
        client_identifier: "c".into(),
        expiry_interval: u32::MAX,
    };
    session.apply(at(1_000_000), &connected).unwrap();
    session
}

pub(crate) fn several() -> Vec<Session> {
    let mut client = Session::of_client(CONFIG);
    let changes = every_change();
    let fits = |change: &&Change| !matches!(change, Change::WillStored { .. });
    for change in changes[..16].iter().filter(fits) {
        client.apply(at(1_000_000), change).unwrap();
    }
    vec![
        Session::of_client(CONFIG),
        without_a_connection(),
        Session::of_server("c", CONFIG),
        client,
        full(),
    ]
}

/// If this fails, the format has changed: it needs a new version, and this one has to be read as before.
#[test]
fn version_2_stays_as_it_is() {
    let golden = include_str!("golden/version_2.txt");
    let mut lines = golden.lines().filter(|line| !line.starts_with('#'));
    let mut expect = |bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(lines.next(), Some(&*hex));
    };
    for session in several() {
        expect(&session.export());
    }
    for change in every_change() {
        expect(&change.to_bytes());
    }
    assert_eq!(lines.next(), None);
}

/// The same for a Session that the Server had first.
#[test]
fn an_adopted_session_is_stored_in_version_2() {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|it| format!("{it:02X}"))
            .collect::<String>()
    };
    let session = Session::of_client_known_to_server("c", CONFIG);
    assert_eq!(
        hex(&session.export()),
        "4D355302130000000000C2F40001630400FFFFFFFF0F000000000000000000681C60CF"
    );
    let change = Change::Adopted { identifiers: 16 };
    assert_eq!(
        hex(&change.to_bytes()),
        "4D354302020000000000D7140E10CB1B5205"
    );
    let mut released = without_a_connection();
    released.apply(at(1_000_000), &change).unwrap();
    let restored = restore(&released.export()).unwrap();
    assert_eq!(restored.export(), released.export());
    assert!(restored.is_adopted());
}

/// What version 1 stored is read. It says nothing of lost identifiers, and not which interval led to the end.
#[test]
fn version_1_is_read() {
    let golden = include_str!("golden/version_1.txt");
    let lines = golden.lines().filter(|line| !line.starts_with('#'));
    let stored: Vec<Vec<u8>> = lines
        .map(|line| {
            let digits = line.as_bytes().chunks(2);
            let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            digits.map(byte).collect()
        })
        .collect();
    let mut changes = every_change();
    changes.retain(|change| match change {
        Change::Accepted { message, .. } => message.token.number() != 8,
        Change::Sent { token, .. } => token.number() != 8,
        Change::Lost { .. } | Change::Overdue { .. } => false,
        _ => true,
    });
    for change in &mut changes {
        match change {
            Change::Disconnected {
                expiry_interval, ..
            } => *expiry_interval = u32::MAX,
            Change::Accepted { deadline, .. } => *deadline = None,
            _ => {}
        }
    }
    let (sessions, records) = stored.split_at(5);
    let read = records.iter().map(|bytes| Change::from_bytes(bytes));
    assert_eq!(read.collect::<Result<Vec<_>, _>>().as_ref(), Ok(&changes));

    let mut client = Session::of_client(CONFIG);
    let fits = |change: &&Change| !matches!(change, Change::WillStored { .. });
    for change in changes[..12].iter().filter(fits) {
        client.apply(at(1_000_000), change).unwrap();
    }
    // It is not known which interval led to the end.
    let away = Change::Disconnected {
        ends_at: at(1_003_600),
        expiry_interval: u32::MAX,
        will_due_at: Instant::NEVER,
    };
    client.apply(at(1_000_000), &away).unwrap();
    let mut server = Session::of_server("c", CONFIG);
    replay(&mut server, &changes[..changes.len() - 2]);
    let expected = [
        Session::of_client(CONFIG),
        without_a_connection(),
        Session::of_server("c", CONFIG),
        client,
        server,
    ];
    for (bytes, expected) in sessions.iter().zip(expected) {
        assert_eq!(restore(bytes).unwrap().export(), expected.export());
    }
}
