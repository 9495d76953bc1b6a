//! Logs and journals that a crash or a disk has damaged: an unfinished write is distinguished from damage.
//!
//! The rule: the unit is what is written at once, a record of a log or a batch of a journal. The last one may be damaged
//! anywhere, and anything that was never written may follow; that is an unfinished write. A damaged one before a good one
//! is damage.
#![cfg(feature = "persistence")]

mod batches;
mod log;
mod sectors;

use mqtt5_session_fsm::codec::{Message, PacketIdentifier, Publish, Qos, TopicName};
use mqtt5_session_fsm::journal::{Journal, JournalError, JournalReader, Record};
use mqtt5_session_fsm::{Change, Publication, QueuedMessage, RestoreError, Token};

fn received(number: u16) -> Change {
    Change::Received {
        packet_identifier: PacketIdentifier::new(number).unwrap(),
    }
}

fn accepted(token: u64, payload: &[u8]) -> Change {
    let publish = Publish::new(TopicName::new("a/b").unwrap(), payload);
    Change::Accepted {
        message: QueuedMessage::new(
            Token::from_number(token),
            Publication::new(Qos::ExactlyOnce, Message::new(&publish).unwrap()),
        ),
        deadline: None,
    }
}

/// What a batch of a test has: the application's bytes, and changes.
type Batch = (Vec<u8>, Vec<Change>);

const NUMBER: u64 = 0x0123_4567_89AB_CDEF;

/// A journal with these batches, and where each of them begins; the end comes last.
fn journal(batches: &[Batch]) -> (Vec<u8>, Vec<usize>) {
    let mut journal = Journal::new(NUMBER);
    let (mut bytes, mut starts) = (Vec::new(), vec![0]);
    for (data, changes) in batches {
        if !data.is_empty() {
            journal.data(data);
        }
        for change in changes {
            journal.change(change);
        }
        bytes.extend_from_slice(journal.seal());
        starts.push(bytes.len());
        assert_eq!(journal.len(), bytes.len() as u64);
    }
    (bytes, starts)
}

/// The batches that are read, until the end or an error.
fn read(reader: &mut JournalReader<'_>) -> (Vec<Batch>, Result<(), JournalError>) {
    let mut batches = Vec::new();
    loop {
        match reader.next_batch() {
            Ok(None) => return (batches, Ok(())),
            Err(error) => return (batches, Err(error)),
            Ok(Some(records)) => {
                let mut batch = Batch::default();
                for record in records {
                    match record.unwrap() {
                        Record::Data(data) => batch.0.extend_from_slice(data),
                        Record::Change(change) => batch.1.push(change),
                    }
                }
                batches.push(batch);
            }
        }
    }
}

/// Batches of many sizes: small ones, and some that are larger than a sector.
fn batches() -> Vec<Batch> {
    vec![
        (b"first".to_vec(), vec![received(1)]),
        (Vec::new(), vec![accepted(1, &[0xA5; 700]), received(9)]),
        (vec![0x5A; 1_300], Vec::new()),
        (b"last".to_vec(), vec![accepted(2, b"payload"), received(3)]),
    ]
}

fn records() -> Vec<Change> {
    vec![
        received(1),
        accepted(1, &[0xA5; 700]),
        received(77),
        accepted(2, b"payload"),
    ]
}

/// The changes that a log yields, and how it ends. The rest is what is to be cut off.
fn take_all(log: &[u8]) -> (Vec<Change>, usize, Result<(), RestoreError>) {
    let mut rest = log;
    let mut changes = Vec::new();
    let end = loop {
        match Change::take(&mut rest) {
            Ok(Some(change)) => changes.push(change),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    (changes, log.len() - rest.len(), end)
}
