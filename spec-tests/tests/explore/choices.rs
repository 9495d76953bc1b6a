//! The sources of choices, and the fingerprints.

use std::collections::BTreeSet;

use mqtt5_spec_tests::explore::choice::{Bytes, FiniteChoices, Numbers, Odometer, Random};
use mqtt5_spec_tests::explore::fingerprint::{Fingerprint, Fingerprinter, StateSet};
use mqtt5_spec_tests::explore::{Choose, Trace};

#[test]
fn the_odometer_visits_each_sequence_once_and_in_order() {
    // The second question depends on the first answer; a single alternative is no question.
    let ask = |source: &mut Odometer| {
        let first = source.choose(3);
        source.choose(1);
        let second = if first == 1 { source.choose(2) } else { 0 };
        (first, second)
    };
    let mut odometer = Odometer::default();
    for _ in 0..2 {
        let mut seen = Vec::new();
        odometer.start();
        loop {
            odometer.rewind();
            seen.push((ask(&mut odometer), odometer.choices().to_vec()));
            if !odometer.advance() {
                break;
            }
        }
        let expected = [
            ((0, 0), vec![0]),
            ((1, 0), vec![1, 0]),
            ((1, 1), vec![1, 1]),
            ((2, 0), vec![2]),
        ];
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_source_answers_within_the_alternatives_and_in_every_way() {
    let numbers: Vec<u16> = (0..3_000).map(|number| number * 7).collect();
    let bytes: Vec<u8> = (0..3_000_u16).flat_map(u16::to_le_bytes).collect();
    for alternatives in [1, 2, 3, 10, 300] {
        let mut random = Random::new(7);
        let mut numbers = Numbers::new(&numbers);
        let mut bytes = Bytes::new(&bytes);
        let sources: [&mut dyn Choose; 3] = [&mut random, &mut numbers, &mut bytes];
        for source in sources {
            let seen: BTreeSet<usize> = (0..3_000).map(|_| source.choose(alternatives)).collect();
            assert_eq!(seen, (0..alternatives).collect());
        }
    }
}

#[test]
fn a_source_that_is_used_up_answers_zero() {
    let mut numbers = Numbers::new(&[5, 6]);
    let answers = [10, 1, 4, 10].map(|alternatives| numbers.choose(alternatives));
    assert_eq!(answers, [5, 0, 2, 0]);
    assert!(numbers.is_used_up());
    let mut bytes = Bytes::new(&[5, 6, 1]);
    let answers = [10, 1, 300, 10].map(|alternatives| bytes.choose(alternatives));
    assert_eq!(answers, [5, 0, 262, 0]);
    assert!(bytes.is_used_up());
}

#[test]
fn seeds_mean_the_same_in_every_version() {
    // The published first numbers of SplitMix64 with this seed, the upper 16 bits of each.
    let mut random = Random::new(1_234_567);
    let answers = [(); 5].map(|()| random.choose(1 << 16));
    assert_eq!(answers, [22942, 11379, 34878, 16318, 58296]);
}

#[test]
#[should_panic(expected = "one of 0 alternatives")]
fn nothing_to_choose_from_is_a_mistake_of_the_world() {
    Random::new(0).choose(0);
}

#[test]
fn different_values_have_different_fingerprints() {
    // Around the lengths at which the encoding of numbers and the hash change their ways.
    let mut fingerprinter = Fingerprinter::default();
    let mut seen = BTreeSet::new();
    for length in [0, 1, 2, 127, 128, 240, 241, 254, 255, 256, 1_000] {
        for last in [0_u8, 1, 255] {
            let mut state = (vec![0_u8; length], vec![last], Trace::default());
            assert!(seen.insert(fingerprinter.of(&state)));
            state.1.push(0);
            assert!(seen.insert(fingerprinter.of(&state)));
        }
    }
    for number in [0, 1, 253, 254, 255, 256, 65_535, 65_536, usize::MAX] {
        assert!(seen.insert(fingerprinter.of(&number)));
        assert!(seen.insert(fingerprinter.of(&(number, 0_u8))));
        assert_eq!(
            fingerprinter.of(&number),
            Fingerprinter::default().of(&number)
        );
    }
}

#[test]
fn numbers_that_need_an_escape_do_not_run_into_what_follows() {
    let mut fingerprinter = Fingerprinter::default();
    assert_ne!(
        fingerprinter.of(&256_usize),
        fingerprinter.of(&(255_usize, 256_u64))
    );
}

#[test]
fn the_set_of_states_numbers_them_in_order() {
    let mut set = StateSet::default();
    assert!(set.is_empty());
    // The low halves are all the same: only the whole fingerprint may decide.
    let fingerprint = |number: u128| Fingerprint(number << 64);
    for number in 0..5_000 {
        assert_eq!(set.find(fingerprint(number)), None);
        assert_eq!(set.insert(fingerprint(number)), (number as u32, true));
        assert_eq!(set.insert(fingerprint(number)), (number as u32, false));
        assert_eq!(set.find(fingerprint(number)), Some(number as u32));
        assert_eq!(set.fingerprint(number as u32), fingerprint(number));
    }
    assert_eq!(set.len(), 5_000);
    set.clear();
    assert_eq!(set.insert(fingerprint(9)), (0, true));
}
