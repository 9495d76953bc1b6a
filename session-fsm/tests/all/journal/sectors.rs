//! A disk writes sectors, in any order: of the last batch some are there, and others are not.

use mqtt5_session_fsm::journal::{JournalError, JournalReader};

use super::{Batch, NUMBER, journal, read, received};

const SECTORS: [usize; 2] = [512, 4096];

/// Batches that end at, before and behind the ends of sectors.
fn sizes(sector: usize) -> Vec<usize> {
    let mut sizes = vec![1, sector / 2, sector * 2];
    sizes.extend((0..40).map(|less| sector - 80 + 2 * less));
    sizes
}

fn batch(size: usize, byte: u8) -> Batch {
    (vec![byte; size], vec![received(u16::from(byte))])
}

/// The ranges of whole sectors in which bytes from here on are.
fn sectors(sector: usize, from: usize, to: usize) -> Vec<(usize, usize)> {
    (from / sector..to.div_ceil(sector))
        .map(|number| (from.max(number * sector), to.min((number + 1) * sector)))
        .collect()
}

/// Every choice of sectors of the last batch that were not written: they are zero, or 0xFF, or have what a recycled
/// file had.
#[test]
fn sectors_of_the_last_batch_are_missing() {
    for sector in SECTORS {
        for first in sizes(sector) {
            for second in [1, sector - 40, 3 * sector] {
                let all = [batch(first, 1), batch(second, 2)];
                let (bytes, starts) = journal(&all);
                let pieces = sectors(sector, starts[1], bytes.len());
                let old: Vec<u8> = (0..bytes.len()).map(|at| (at * 7 % 251) as u8).collect();
                for missing in 1_u32..1 << pieces.len() {
                    for filler in 0..3 {
                        let mut file = bytes.clone();
                        for (number, &(from, to)) in pieces.iter().enumerate() {
                            if missing & (1 << number) == 0 {
                                continue;
                            }
                            match filler {
                                0 => file[from..to].fill(0),
                                1 => file[from..to].fill(0xFF),
                                _ => file[from..to].copy_from_slice(&old[from..to]),
                            }
                        }
                        if file == bytes {
                            continue;
                        }
                        let (batches, end) = read(&mut JournalReader::new(NUMBER, &file));
                        let at = starts[1] as u64;
                        assert_eq!(end, Err(JournalError::Unfinished { at }));
                        assert_eq!(batches, all[..1]);
                    }
                }
            }
        }
    }
}

/// A sector of an earlier batch is gone: this batch was finished once.
#[test]
fn a_sector_of_an_earlier_batch_is_gone() {
    for sector in SECTORS {
        for first in sizes(sector) {
            let all = [batch(first, 1), batch(5 * sector, 2), batch(10, 3)];
            let (bytes, starts) = journal(&all);
            for (from, to) in sectors(sector, starts[1], starts[2]) {
                // Not the one that the good batch begins in.
                let mut file = bytes.clone();
                file[from..to].fill(0);
                let mut reader = JournalReader::new(NUMBER, &file);
                let (batches, end) = read(&mut reader);
                let error = JournalError::Damaged {
                    at: starts[1] as u64,
                    next: starts[2] as u64,
                };
                assert_eq!((batches, end), (all[..1].to_vec(), Err(error)));
                assert!(reader.skip_damaged());
                assert_eq!(read(&mut reader), (all[2..].to_vec(), Ok(())));
            }
        }
    }
}
