//! The caller comes late to a deadline.

use mqtt5_session_fsm::Event;
use mqtt5_session_fsm::codec::Qos;

use super::{START, asked, blocked, client_config, milliseconds, seconds};
use crate::machines::settle;

/// A timer that is late gives the Server ten times as long as it was late, at most a second, and once.
#[test]
fn a_late_timer_gives_the_server_a_chance() {
    for (late, chance) in [(1, 10), (50, 500), (100, 1_000), (60_000, 1_000)] {
        let (_, mut client, interval) = asked().swap_remove(0);
        let now = START + interval + milliseconds(late);
        client.handle_timeout(now);
        assert!(client.is_connected());
        let end = client.next_timeout();
        assert_eq!(end, now + milliseconds(chance));
        // Late again, it has had its chance.
        for late_again in [0, 5] {
            let mut client = client.clone();
            client.handle_timeout(end + milliseconds(late_again));
            assert!(!client.is_connected());
        }
    }
}

/// A chance that another deadline had is none of this one, though it ends when this one passes.
#[test]
fn each_deadline_has_a_chance_of_its_own() {
    let (_, mut client, _) = asked().swap_remove(0);
    // Whatever is due before 10.010 s is put off until then, as is the PINGRESP without it.
    assert_eq!(blocked(&mut client, 9_900, 9_910), milliseconds(10_010));
    client.handle_timeout(START + milliseconds(10_060));
    assert!(client.is_connected());
    let end = START + milliseconds(10_060 + 500);
    assert_eq!(client.next_timeout(), end);
    client.handle_timeout(end + milliseconds(5));
    assert!(!client.is_connected());
}

/// While a deadline had passed unnoticed, the Client asked for something else, which has its interval from there and no more.
#[test]
fn what_is_asked_before_a_late_timer_has_its_interval() {
    let late = START + seconds(40);
    for is_request in [false, true] {
        let (_, mut client, _) = asked().swap_remove(0);
        let interval = if is_request {
            client.subscribe_to("a", Qos::AtMostOnce).unwrap();
            client_config().request_timeout
        } else {
            client.re_authenticate(&[]).unwrap();
            client_config().authentication_timeout
        };
        settle(&mut client, late);
        client.handle_timeout(late);
        let event = client.receive(late, &mut &[0xD0, 0][..]);
        assert!(matches!(event, Some(Event::PingResp { .. })), "{event:?}");
        assert_eq!(client.next_timeout(), late + interval, "{is_request}");
    }
}
