//! Every contender delivers every message once, unchanged and in order, and
//! learns that it is completed.

use mqtt5_benches::packets;
use mqtt5_benches::sessions::contender::Contender;
use mqtt5_benches::sessions::link::{PAYLOAD, numbered};
use mqtt5_benches::sessions::rows::{EXCHANGES, RESUME, Row, Shape, WINDOWED, shaped};
use mqtt5_benches::sessions::{
    CLIENTS, CLIENTS_OF_V3_1_1, PAIRS, PAIRS_OF_V3_1_1, SERVERS_OF_V3_1_1, Session,
};

/// Few enough that a debug build is quick, and enough that packets that are sent
/// again are cut apart where one read ends.
const WINDOW: u16 = 1000;

/// Those with a client that is not scripted.
const WITH_CLIENT: [&[Contender]; 4] = [PAIRS, CLIENTS, PAIRS_OF_V3_1_1, CLIENTS_OF_V3_1_1];

#[test]
fn single_exchanges() {
    for row in EXCHANGES {
        for contenders in WITH_CLIENT {
            verify(row, contenders);
        }
        verify(row, SERVERS_OF_V3_1_1);
    }
}

#[test]
fn windows() {
    for row in WINDOWED {
        for contenders in WITH_CLIENT {
            verify(shaped(row, Shape::Window(1)), contenders);
            verify(shaped(row, Shape::Window(WINDOW)), contenders);
        }
    }
}

/// Without those for whom that takes minutes, because an acknowledgement costs
/// them more the more messages are in flight.
#[test]
fn all_identifiers_at_once() {
    let transient = |row: &Row| row.session == Session::Transient;
    for row in WINDOWED.into_iter().filter(transient) {
        verify(shaped(row, Shape::Window(u16::MAX)), PAIRS);
        verify(shaped(row, Shape::Window(u16::MAX)), PAIRS_OF_V3_1_1);
    }
}

#[test]
fn resumption() {
    for contenders in WITH_CLIENT {
        verify(shaped(RESUME, Shape::Resume(WINDOW)), contenders);
    }
}

/// Runs keep count, and are repeated.
#[test]
fn runs_handle_all_messages() {
    let with_client = WITH_CLIENT.into_iter().flatten();
    for contender in with_client.chain(SERVERS_OF_V3_1_1) {
        for row in EXCHANGES {
            let mut run = contender.run(row).expect("everyone does single exchanges");
            for _ in 0..2 {
                run.reset();
                assert!(run.run() > 0, "{}", contender.name);
            }
            // Checks that all is done.
            run.reset();
        }
    }
}

fn verify(row: Row, contenders: &[Contender]) {
    let (times, resumed) = match row.shape {
        Shape::Single => (1, false),
        Shape::Window(window) => (2 * usize::from(window), false),
        Shape::Resume(window) => (window.into(), true),
    };
    for contender in contenders {
        let what = format!("{}: {row:?}", contender.name);
        // Twice: so does the contender.
        let expected: Vec<_> = (0..2 * times).map(numbered).collect();
        let Some(seen) = contender.verify(row) else {
            continue;
        };
        let received = seen.recorded.expect("a record");
        let numbers: Vec<_> = received.iter().map(|m| &m.payload[..8]).collect();
        assert_eq!(numbers, expected, "{what}");
        let rest = packets::payload(PAYLOAD);
        for message in &received {
            assert_eq!(message.topic, packets::TOPIC.as_bytes(), "{what}");
            assert_eq!(message.payload[8..], rest[8..], "{what}");
        }
        assert_eq!(seen.completed, expected.len(), "{what}");
        let connected: &[bool] = if resumed {
            &[false, true, true]
        } else {
            &[false]
        };
        assert_eq!(seen.session_present, connected, "{what}");
    }
}
