//! A log of single records, as `Change::to_bytes` makes them.

use mqtt5_session_fsm::{Change, RestoreError};

use super::{accepted, received, records, take_all};

fn log() -> (Vec<u8>, Vec<usize>) {
    let (mut log, mut starts) = (Vec::new(), vec![0]);
    for change in records() {
        log.extend(change.to_bytes());
        starts.push(log.len());
    }
    (log, starts)
}

/// All but the last record come back, and the log is to be cut where it begins.
fn check_unfinished(damaged: &[u8], what: &str) {
    let (_, starts) = log();
    let last = starts[starts.len() - 2];
    let records = records();
    let (changes, good, end) = take_all(damaged);
    assert_eq!(end, Err(RestoreError::Truncated), "{what}");
    assert_eq!(changes, records[..records.len() - 1], "{what}");
    assert_eq!(good, last, "{what}");
}

#[test]
fn what_was_never_written_may_follow() {
    let (log, _) = log();
    for filler in [0, 0xFF] {
        for length in (1..70).chain([511, 512, 513, 4095, 4096, 4097, 100_000]) {
            let mut longer = log.clone();
            longer.resize(log.len() + length, filler);
            let (changes, good, end) = take_all(&longer);
            assert_eq!(end, Err(RestoreError::Truncated), "{length} times {filler}");
            assert_eq!((changes, good), (records(), log.len()));
        }
    }
    // A log of which nothing was written.
    for filler in [0, 0xFF] {
        let (changes, good, end) = take_all(&[filler; 4096]);
        assert_eq!(
            (changes, good, end),
            (vec![], 0, Err(RestoreError::Truncated))
        );
    }
}

#[test]
fn the_last_record_may_be_damaged_anywhere() {
    let (log, starts) = log();
    let last = starts[starts.len() - 2];
    for position in last..log.len() {
        for bit in 0..8 {
            let mut damaged = log.clone();
            damaged[position] ^= 1 << bit;
            check_unfinished(&damaged, &format!("bit {bit} of byte {position}"));
        }
        for filler in [0, 0xFF] {
            // The end, or the beginning, is not there.
            let mut damaged = log.clone();
            damaged[position..].fill(filler);
            if damaged != log {
                check_unfinished(&damaged, &format!("{filler} from byte {position}"));
            }
            let mut damaged = log.clone();
            damaged[last..=position].fill(filler);
            check_unfinished(&damaged, &format!("{filler} to byte {position}"));
            damaged.extend([filler; 600]);
            check_unfinished(
                &damaged,
                &format!("{filler} to byte {position}, and behind"),
            );
        }
    }
}

#[test]
fn a_damaged_record_before_a_good_one_is_damage() {
    let (log, starts) = log();
    for record in 0..starts.len() - 2 {
        for position in starts[record]..starts[record + 1] {
            for flip in [1, 0x80, 0xFF] {
                let mut damaged = log.clone();
                damaged[position] ^= flip;
                let (changes, good, end) = take_all(&damaged);
                assert_eq!(end, Err(RestoreError::Damaged), "byte {position}");
                assert_eq!(changes, records()[..record]);
                assert_eq!(good, starts[record]);
            }
        }
        // The whole record is gone.
        let mut damaged = log.clone();
        damaged[starts[record]..starts[record + 1]].fill(0);
        assert_eq!(take_all(&damaged).2, Err(RestoreError::Damaged));
    }
}

/// Records that are so damaged that they take many steps to look for a good one behind: it ends.
#[test]
fn payloads_that_look_like_records_do_no_harm() {
    let record = accepted(9, &[7; 500]).to_bytes();
    // Headers that claim much, one behind the other, in a payload.
    let header = &record[..12];
    let payload: Vec<u8> = header.iter().copied().cycle().take(200_000).collect();
    let hostile = accepted(10, &payload).to_bytes();
    let mut log = received(5).to_bytes();
    log.extend(&hostile[..hostile.len() - 100]);
    let (changes, _, end) = take_all(&log);
    assert_eq!(changes, [received(5)]);
    assert!(matches!(end, Err(RestoreError::Truncated)));
    // The same with an end: it is an error in any case.
    let mut log = hostile;
    let last = log.len() - 1;
    log[last] ^= 1;
    assert!(take_all(&log).2.is_err());
}

#[test]
fn a_record_of_another_version_is_not_cut_off() {
    let (mut log, _) = log();
    let future = {
        let mut record = Change::Ended.to_bytes();
        record[3] = 9;
        super::batches::seal_record(&mut record);
        record
    };
    log.extend(&future);
    assert_eq!(take_all(&log).2, Err(RestoreError::Version(9)));
    // Nor taken for nothing behind a damaged one.
    log[20] ^= 1;
    assert_eq!(take_all(&log).2, Err(RestoreError::Damaged));
}

/// Somebody publishes a log: whole records are in the payload of the last one, which is not finished.
#[test]
fn records_in_a_payload_are_not_taken_for_what_follows() {
    let (inner, _) = log();
    let last = accepted(10, &inner).to_bytes();
    let mut log = received(5).to_bytes();
    let start = log.len();
    log.extend(&last);
    // Not where the header is damaged: it is not known where the record would end.
    for position in start + 12..log.len() {
        let mut damaged = log.clone();
        damaged[position] ^= 0x10;
        let (changes, good, end) = take_all(&damaged);
        assert_eq!((good, end), (start, Err(RestoreError::Truncated)));
        assert_eq!(changes, [received(5)]);
    }
}

/// Where the header of the last record is damaged, all behind it is looked at.
#[test]
fn what_only_begins_as_a_record_does_not_follow() {
    let mut log = received(5).to_bytes();
    let start = log.len();
    let whole = received(6).to_bytes();
    log.extend(accepted(10, &[b"M5C, ", &whole[..whole.len() - 1]].concat()).to_bytes());
    log[start + 4] ^= 1;
    let (changes, good, end) = take_all(&log);
    assert_eq!((good, end), (start, Err(RestoreError::Truncated)));
    assert_eq!(changes, [received(5)]);
}

/// The end of an unfinished record is known from its header: only what begins there or later follows.
#[test]
fn a_record_follows_where_the_one_before_it_ends() {
    let mut unfinished = accepted(10, &[7; 100]).to_bytes();
    unfinished[40] ^= 1;
    for overlap in 0..20 {
        let mut log = unfinished[..unfinished.len() - overlap].to_vec();
        log.extend(received(5).to_bytes());
        let expected = match overlap {
            0 => RestoreError::Damaged,
            _ => RestoreError::Truncated,
        };
        assert_eq!(take_all(&log), (vec![], 0, Err(expected)), "{overlap}");
    }
}
