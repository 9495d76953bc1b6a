//! Batches, wherever they are cut or damaged.

use mqtt5_session_fsm::Change;
use mqtt5_session_fsm::journal::{Journal, JournalError, JournalReader};
use proptest::prelude::*;

use super::{Batch, NUMBER, accepted, batches, journal, read, received};

fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    }) ^ !0
}

/// Makes the checksums of a record of a log right.
pub(crate) fn seal_record(bytes: &mut [u8]) {
    let header = crc(&bytes[..10]).to_le_bytes();
    bytes[10..12].copy_from_slice(&header[..2]);
    let end = bytes.len() - 4;
    let sum = crc(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&sum);
}

/// Makes the checksums of the only batch of a journal right.
fn seal_batch(bytes: &mut [u8]) {
    let header = crc(&bytes[..28]).to_le_bytes();
    bytes[28..32].copy_from_slice(&header);
    let end = bytes.len() - 4;
    let sum = crc(&bytes[..end]).to_le_bytes();
    bytes[end..].copy_from_slice(&sum);
}

/// All batches but the last come back, and the journal is to be cut where that begins; then it goes on.
fn check_unfinished(damaged: &[u8], good: &[Batch], at: usize, what: &str) {
    let mut reader = JournalReader::new(NUMBER, damaged);
    let (batches, end) = read(&mut reader);
    assert_eq!(
        end,
        Err(JournalError::Unfinished { at: at as u64 }),
        "{what}"
    );
    assert_eq!(batches, good, "{what}");
    assert!(!reader.skip_damaged(), "{what}");
    let mut file = damaged[..at].to_vec();
    let mut journal = reader.into_journal();
    journal.data(b"more");
    file.extend_from_slice(journal.seal());
    let (batches, end) = read(&mut JournalReader::new(NUMBER, &file));
    assert_eq!(end, Ok(()), "{what}");
    assert_eq!(batches.len(), good.len() + 1);
    assert_eq!(batches.last(), Some(&(b"more".to_vec(), vec![])));
}

#[test]
fn what_was_written_is_read() {
    let (bytes, starts) = journal(&batches());
    let mut reader = JournalReader::new(NUMBER, &bytes);
    assert_eq!(read(&mut reader), (batches(), Ok(())));
    assert_eq!(reader.position(), bytes.len() as u64);
    assert_eq!(reader.into_journal().len(), *starts.last().unwrap() as u64);
    assert_eq!(read(&mut JournalReader::new(NUMBER, &[])), (vec![], Ok(())));
}

/// A batch without records is none, and each seal begins a new one.
#[test]
fn an_empty_batch_is_no_bytes() {
    let mut journal = Journal::new(1);
    assert_eq!(journal.seal(), b"");
    assert!(journal.is_empty() && !journal.has_records());
    journal.data(b"");
    assert!(journal.has_records());
    let first = journal.seal().to_vec();
    assert!(!first.is_empty());
    assert_eq!(journal.seal(), b"");
    journal.data(b"");
    let second = journal.seal().to_vec();
    assert_ne!(first, second, "each has its own place");
    assert_eq!(first.len(), second.len());
}

#[test]
fn a_journal_may_be_cut_at_every_byte() {
    let (bytes, starts) = journal(&batches());
    for length in 0..bytes.len() {
        let whole = starts.iter().filter(|start| **start <= length).count() - 1;
        if starts[whole] == length {
            let (read, end) = read(&mut JournalReader::new(NUMBER, &bytes[..length]));
            assert_eq!((read, end), (batches()[..whole].to_vec(), Ok(())));
        } else {
            let what = format!("cut at {length}");
            check_unfinished(&bytes[..length], &batches()[..whole], starts[whole], &what);
        }
    }
}

#[test]
fn what_was_never_written_may_follow() {
    for count in 0..=batches().len() {
        let (bytes, _) = journal(&batches()[..count]);
        for filler in [0, 0xFF] {
            for length in (1..70).chain([511, 512, 513, 4095, 4096, 4097, 100_000]) {
                let mut longer = bytes.clone();
                longer.resize(bytes.len() + length, filler);
                let what = format!("{length} times {filler}");
                check_unfinished(&longer, &batches()[..count], bytes.len(), &what);
            }
        }
    }
}

/// In the last batch it is an unfinished write, in one before it is damage.
#[test]
fn every_bit_may_be_wrong() {
    let (bytes, starts) = journal(&batches());
    let last = starts.len() - 2;
    for (batch, range) in starts.windows(2).enumerate() {
        for position in range[0]..range[1] {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[position] ^= 1 << bit;
                let what = format!("bit {bit} of byte {position}");
                if batch == last {
                    check_unfinished(&damaged, &batches()[..batch], range[0], &what);
                    continue;
                }
                let mut reader = JournalReader::new(NUMBER, &damaged);
                let (before, end) = read(&mut reader);
                let error = JournalError::Damaged {
                    at: range[0] as u64,
                    next: range[1] as u64,
                };
                assert_eq!(end, Err(error), "{what}");
                assert_eq!(before, batches()[..batch], "{what}");
                // The repair leaves it out.
                assert!(reader.skip_damaged(), "{what}");
                let (after, end) = read(&mut reader);
                assert_eq!(
                    (&after[..], end),
                    (&batches()[batch + 1..], Ok(())),
                    "{what}"
                );
            }
        }
    }
}

/// The only batch there is, too.
#[test]
fn the_first_batch_may_be_unfinished() {
    let (bytes, _) = journal(&batches()[..1]);
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            check_unfinished(&damaged, &[], 0, &format!("bit {bit} of byte {position}"));
        }
        for filler in [0, 0xFF] {
            let mut damaged = bytes.clone();
            damaged[..=position].fill(filler);
            check_unfinished(&damaged, &[], 0, &format!("{filler} to {position}"));
            damaged.copy_from_slice(&bytes);
            damaged[position..].fill(filler);
            if damaged != bytes {
                check_unfinished(&damaged, &[], 0, &format!("{filler} from {position}"));
            }
        }
    }
}

/// Somebody publishes a journal: it is in a payload, and in the application's own data.
#[test]
fn a_journal_in_a_payload_is_not_taken_for_what_follows() {
    let (inner, _) = journal(&batches());
    let outer = [
        (b"first".to_vec(), vec![received(1)]),
        (
            inner.clone(),
            vec![accepted(1, &inner), accepted(2, &inner)],
        ),
    ];
    let (bytes, starts) = journal(&outer);
    for length in (starts[1] + 1..bytes.len()).step_by(7) {
        check_unfinished(
            &bytes[..length],
            &outer[..1],
            starts[1],
            &format!("cut at {length}"),
        );
        let mut damaged = bytes.clone();
        damaged[length] ^= 4;
        check_unfinished(&damaged, &outer[..1], starts[1], &format!("byte {length}"));
    }
}

/// Somebody forges headers of batches in a payload: what they say is looked at, but not without end.
#[test]
fn headers_in_a_payload_are_looked_at_up_to_a_limit() {
    const COUNT: usize = 500;
    let all = [
        (b"first".to_vec(), vec![received(1)]),
        (vec![0xA5; 32 * COUNT], vec![]),
    ];
    let (bytes, starts) = journal(&all);
    let payload = bytes.len() - 4 - 32 * COUNT;
    let forge = |count: usize, header: &dyn Fn(u64) -> (u64, u64, u64)| {
        let mut file = bytes.clone();
        for position in (payload..).step_by(32).take(count) {
            let (number, claimed, length) = header(position as u64);
            let place = &mut file[position..position + 32];
            place[..4].copy_from_slice(b"M5J\x02");
            place[4..12].copy_from_slice(&number.to_le_bytes());
            place[12..20].copy_from_slice(&claimed.to_le_bytes());
            place[20..28].copy_from_slice(&length.to_le_bytes());
            let sum = crc(&place[..28]).to_le_bytes();
            place[28..].copy_from_slice(&sum);
        }
        file
    };
    let end = bytes.len() as u64;
    let to_the_end = |position: u64| end - position - 36;
    for (what, file) in [
        ("few", forge(5, &|at| (NUMBER, at, to_the_end(at)))),
        (
            "another journal",
            forge(COUNT, &|at| (NUMBER + 1, at, to_the_end(at))),
        ),
        (
            "another place",
            forge(COUNT, &|at| (NUMBER, at + 1, to_the_end(at))),
        ),
        (
            "too long",
            forge(COUNT, &|at| (NUMBER, at, to_the_end(at) + 1)),
        ),
    ] {
        check_unfinished(&file, &all[..1], starts[1], what);
    }
    let file = forge(COUNT, &|at| (NUMBER, at, to_the_end(at)));
    let (batches, error) = read(&mut JournalReader::new(NUMBER, &file));
    assert_eq!(batches, all[..1]);
    assert!(
        matches!(error, Err(JournalError::Damaged { at, .. }) if at == starts[1] as u64),
        "{error:?}"
    );
}

/// What an older journal left in a recycled file is not taken for a batch, wherever the new one ends.
#[test]
fn batches_of_another_journal_do_not_count() {
    let (new, starts) = journal(&batches());
    for number in [0, NUMBER - 1, NUMBER + 1, u64::MAX] {
        // The same batches under another number: they even begin at the same places.
        let mut older = Journal::new(number);
        let mut old = Vec::new();
        for (data, changes) in batches() {
            older.data(&data);
            changes.iter().for_each(|change| older.change(change));
            old.extend_from_slice(older.seal());
        }
        old.resize(old.len().max(new.len()) + 50, 0);
        for (count, &start) in starts.iter().enumerate().skip(1) {
            let mut file = old.clone();
            file[..start].copy_from_slice(&new[..start]);
            check_unfinished(&file, &batches()[..count], start, "over an older one");
        }
        let (nothing, end) = read(&mut JournalReader::new(NUMBER, &old));
        assert_eq!((nothing, end), (vec![], Err(JournalError::Other(number))));
    }
}

#[test]
fn other_bytes_are_no_journal() {
    let (mut other, _) = journal(&batches()[..1]);
    other[..3].copy_from_slice(b"zip");
    seal_batch(&mut other);
    for bytes in [
        &other[..],
        b"{\"journal\": true, \"batches\": []}",
        b"%PDF-1.7 and more of it, with a trailer",
        &Change::Ended.to_bytes(),
    ] {
        let (batches, end) = read(&mut JournalReader::new(NUMBER, bytes));
        assert_eq!((batches, end), (vec![], Err(JournalError::Alien)));
    }
}

#[test]
fn another_version_is_named() {
    for version in [0, 1, 3, 255] {
        let (mut bytes, _) = journal(&batches()[..1]);
        bytes[3] = version;
        seal_batch(&mut bytes);
        let (_, end) = read(&mut JournalReader::new(NUMBER, &bytes));
        assert_eq!(end, Err(JournalError::Version(version)));
    }
}

#[test]
fn a_body_that_was_not_written_is_an_error() {
    let (bytes, _) = journal(&batches()[..1]);
    for position in 32..bytes.len() - 4 {
        for value in 0..=255 {
            let mut hostile = bytes.clone();
            hostile[position] = value;
            seal_batch(&mut hostile);
            let mut reader = JournalReader::new(NUMBER, &hostile);
            let records = reader.next_batch().unwrap().unwrap();
            assert!(records.count() <= bytes.len());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), number: u64) {
        let mut reader = JournalReader::new(number, &bytes);
        let _ = reader.next_batch();
        reader.skip_damaged();
        let _ = reader.next_batch();
    }

    /// Whatever is damaged in the last batch, and whatever follows that is no batch.
    #[test]
    fn any_damage_to_the_last_batch(
        sizes in proptest::collection::vec(0_usize..900, 1..6),
        from: usize,
        length in 1_usize..2_000,
        noise in proptest::collection::vec(1_u8.., 1..40),
    ) {
        let all: Vec<Batch> = sizes
            .iter()
            .enumerate()
            .map(|(number, size)| (vec![number as u8 + 1; *size], vec![received(number as u16 + 1)]))
            .collect();
        let (bytes, starts) = journal(&all);
        let last = starts[starts.len() - 2];
        let from = last + 20 + from % (bytes.len() - last - 20);
        let mut damaged = bytes.clone();
        for (place, noise) in damaged[from..].iter_mut().take(length).zip(noise.iter().cycle()) {
            *place ^= noise;
        }
        check_unfinished(&damaged, &all[..all.len() - 1], last, "noise");
    }
}
