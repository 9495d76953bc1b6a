//! Counters, shares and times.

use super::*;

/// The first time as it is, then 0.1 of the newest and 0.9 of the average before.
#[test]
fn the_average_moves_by_the_weight_of_the_newest() {
    for (smoothing_per_mille, expected) in [
        (100, [1_000, 1_100, 990]),
        (0, [1_000, 1_001, 999]), // counts as 1
        (1_000, [1_000, 2_000, 0]),
        (u16::MAX, [1_000, 2_000, 0]),
    ] {
        let settings = ProcessorSettings {
            smoothing_per_mille,
            ..settings()
        };
        let mut processor = Numbers::new(settings, seen());
        assert_eq!(processor.statistics().average_processing_time, None);
        for (time, expected) in [1_000, 2_000, 0].into_iter().zip(expected) {
            let _ = show(&mut processor, at(0), 1);
            let (task, ..) = process(&mut processor, at(0));
            assert!(processor.succeeded(Instant::from_millis(time), task));
            let _ = finish(&mut processor, at(0));
            let average = processor.statistics().average_processing_time.unwrap();
            assert_eq!(average.as_millis(), expected, "{smoothing_per_mille}");
        }
    }
    // The largest times.
    let mut processor = Numbers::new(settings(), seen());
    for _ in 0..3 {
        let _ = show(&mut processor, at(0), 1);
        let (task, ..) = process(&mut processor, at(0));
        assert!(processor.succeeded(Instant::NEVER, task));
        let _ = finish(&mut processor, at(0));
    }
}

#[test]
fn shares_are_rounded_to_thousandths() {
    for (part, whole, per_mille, text) in [
        (0, 0, 0, "0.0 %"),
        (5, 0, 0, "0.0 %"),
        (0, 7, 0, "0.0 %"),
        (7, 7, 1000, "100.0 %"),
        (8, 7, 1000, "100.0 %"),
        (1, 3, 333, "33.3 %"),
        (2, 3, 667, "66.7 %"),
        (1, 2000, 1, "0.1 %"),
        (1, 2001, 0, "0.0 %"),
        (u64::MAX, u64::MAX, 1000, "100.0 %"),
        (u64::MAX / 2, u64::MAX, 500, "50.0 %"),
    ] {
        let share = Share::of(part, whole);
        assert_eq!(share.per_mille(), per_mille, "{part} of {whole}");
        assert_eq!(share.to_string(), text);
        assert_eq!(share.percent(), f64::from(per_mille) / 10.0);
    }
}

#[test]
fn the_statistics_are_shown_with_their_shares() {
    let settings = ProcessorSettings {
        messages: 2,
        ..settings()
    };
    let mut processor = Numbers::new(settings, seen());
    for (key, value) in [("a", 1), ("a", 2), ("b", 3)] {
        let _ = show_with_key(&mut processor, at(0), key, value);
    }
    let (task, ..) = process(&mut processor, at(2));
    assert!(processor.succeeded(at(3), task));
    assert_eq!(
        processor.statistics().to_string(),
        "received: 3 (100.0 %)\n\
         duplicates: 1 (33.3 %)\n\
         dropped: 1 (33.3 %)\n\
         processed: 1 (33.3 %)\n\
         errors: 0 (0.0 %)\n\
         longest wait for being processed: 2s\n\
         average processing time: 1s"
    );
}
