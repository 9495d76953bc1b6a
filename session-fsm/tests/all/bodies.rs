//! Stored Sessions and changes that name the body of a message by its number.
#![cfg(feature = "persistence")]

use core::num::NonZeroU64;
use std::collections::BTreeMap;

use mqtt5_session_fsm::codec::{Message, Qos};
use mqtt5_session_fsm::journal::{Journal, JournalReader, Record};
use mqtt5_session_fsm::{
    Change, Instant, Output, Publication, RestoreError, Session, SessionConfig,
};

const NOW: Instant = Instant::from_millis(1_794_000_000_000);

fn config() -> SessionConfig {
    SessionConfig {
        persistent: true,
        ..SessionConfig::default()
    }
}

/// What the owner of the messages keeps.
type Store = BTreeMap<NonZeroU64, Message>;

fn number(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

/// A Session in which messages with and without a number wait, and its changes.
fn session(store: &mut Store) -> (Session, Vec<Change>) {
    let mut session = Session::of_client(config());
    for (name, body, qos) in [
        ("a", Some(7), Qos::AtLeastOnce),
        ("b", None, Qos::ExactlyOnce),
        ("a", Some(7), Qos::ExactlyOnce),
        ("c", Some(8), Qos::AtLeastOnce),
        ("d", Some(9), Qos::AtMostOnce),
    ] {
        let message = Message::of(name, &[0x55; 1000]).unwrap();
        let body = body.map(number);
        if let Some(body) = body {
            store.insert(body, message.clone());
        }
        let publication = Publication {
            body,
            ..Publication::new(qos, message)
        };
        session.publish(NOW, publication).unwrap();
    }
    let changes = core::iter::from_fn(|| session.poll());
    let changes = changes
        .map(|output| match output {
            Output::Persist(change) => change,
            other => panic!("{other:?}"),
        })
        .collect();
    (session, changes)
}

#[test]
fn an_export_names_bodies() {
    let mut store = Store::new();
    let (session, _) = session(&mut store);
    let whole = session.export();
    let named = session.export_without_bodies();
    // Only the message without a number has its bytes.
    assert!(whole.len() > 4000, "{}", whole.len());
    assert!((1000..1200).contains(&named.len()), "{}", named.len());
    let restored = Session::restore(NOW, &whole, config()).unwrap();
    let find = |body| store.get(&body).cloned();
    assert_eq!(
        Session::restore_with_bodies(NOW, &named, config(), find),
        Ok(restored)
    );
    // Whole messages are not looked for.
    let never = |_| -> Option<Message> { panic!("looked for") };
    assert!(Session::restore_with_bodies(NOW, &whole, config(), never).is_ok());
}

#[test]
fn the_owner_learns_which_bodies_are_needed() {
    let mut store = Store::new();
    let (mut session, _) = session(&mut store);
    let mut bodies: Vec<_> = session.bodies().map(NonZeroU64::get).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, [7, 7, 8, 9]);
    let first = session.unsettled().next().unwrap().token;
    session.withdraw(first).unwrap();
    assert_eq!(session.bodies().count(), 3);
}

#[test]
fn a_missing_body_is_an_error_that_names_it() {
    let mut store = Store::new();
    let (session, changes) = session(&mut store);
    store.remove(&number(8));
    let find = |body| store.get(&body).cloned();
    let missing = Err(RestoreError::BodyMissing(number(8)));
    let named = session.export_without_bodies();
    assert_eq!(
        Session::restore_with_bodies(NOW, &named, config(), find),
        missing
    );
    assert_eq!(
        Session::restore(NOW, &named, config()).unwrap_err(),
        RestoreError::BodyMissing(number(7))
    );
    let change = changes[3].to_bytes_without_body();
    let mut log = &change[..];
    let taken = Change::take_with_body(&mut log, find);
    assert_eq!(taken, Err(RestoreError::BodyMissing(number(8))));
    assert_eq!(log, change, "the record is still there");
    assert_eq!(
        Change::from_bytes_with_body(&change, find),
        Err(RestoreError::BodyMissing(number(8)))
    );
}

#[test]
fn changes_name_bodies() {
    let mut store = Store::new();
    let (_, changes) = session(&mut store);
    let find = |body| store.get(&body).cloned();
    let mut log = Vec::new();
    for change in &changes {
        let record = change.to_bytes_without_body();
        assert_eq!(
            Change::from_bytes_with_body(&record, find).as_ref(),
            Ok(change)
        );
        log.extend(record);
    }
    assert!(log.len() < 1400, "{}", log.len());
    let mut rest = &log[..];
    for change in &changes {
        let taken = Change::take_with_body(&mut rest, find).unwrap();
        assert_eq!(taken.as_ref(), Some(change));
    }
    assert_eq!(Change::take_with_body(&mut rest, find), Ok(None));
}

#[test]
fn a_journal_names_bodies() {
    let mut store = Store::new();
    let (_, changes) = session(&mut store);
    let find = |body| store.get(&body).cloned();
    let mut journal = Journal::new(1);
    for change in &changes {
        journal.change_without_body(change);
    }
    journal.data(b"data");
    let file = journal.seal().to_vec();
    assert!(file.len() < 1400, "{}", file.len());
    let records = JournalReader::new(1, &file).next_batch().unwrap().unwrap();
    let read: Vec<_> = records.with_bodies(find).collect::<Result<_, _>>().unwrap();
    let expected = changes.into_iter().map(Record::Change);
    assert!(read.into_iter().eq(expected.chain([Record::Data(b"data")])));
    let mut without = records;
    assert_eq!(
        without.next(),
        Some(Err(RestoreError::BodyMissing(number(7))))
    );
}
