//! What a broker allocates for a message.

use allocation_counter::measure;
use mqtt5_benches::routing::{absent_of, run};
use mqtt5_codec::{Message, Qos};
use mqtt5_session_fsm::Instant;

/// A message takes two allocations, however many subscribers get it, and a delivery none.
#[test]
fn two_allocations_for_a_message_and_none_for_a_delivery() {
    for subscribers in [1, 10, 1_000] {
        for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
            let mut run = run(false, subscribers, qos);
            for _ in 0..8 {
                run.run();
            }
            let one = measure(|| {
                run.run();
            });
            assert!(one.count_total <= 2, "{qos:?} to {subscribers}: {one:?}");
        }
    }
}

/// A message that waits for 100,000 clients is there once.
#[test]
fn a_message_for_all_has_one_payload() {
    const SESSIONS: usize = 100_000;
    const PAYLOAD: usize = 64 << 10;
    let mut broker = absent_of(SESSIONS, |_| "all".to_owned());
    let now = Instant::from_millis(2_000_000);
    let counted = measure(|| {
        let message = Message::of("all", &vec![0; PAYLOAD]).expect("a message");
        let fanout = broker.publish(now, message, Qos::AtLeastOnce);
        assert_eq!(fanout.map(|it| it.subscriptions as usize), Ok(SESSIONS));
        while broker.work(now, &mut 1_000) {
            while broker.poll().is_some() {}
        }
    });
    let each = (counted.bytes_current as usize - PAYLOAD) / SESSIONS;
    println!("{each} bytes for each client beside the payload");
    // As much as a message in flight may take beside its own bytes, and the places of a small collection.
    assert!(each <= 256, "{each} bytes");
    assert_eq!(broker.statistics().message_bytes / (PAYLOAD as u64), 1);
}
