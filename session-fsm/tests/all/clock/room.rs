//! The caller has no room to write, so that it does not read, either.

use mqtt5_session_fsm::codec::{Connect, Property, Qos};
use mqtt5_session_fsm::{
    Awaited, Cause, Client, ClientConfig, Event, Instant, Output, Publication,
};

use super::{
    START, asked, blocked, client, client_config, connect_packet, gives_up, milliseconds,
    poll_without_room, seconds,
};
use crate::machines::{self, connack, settle};

/// While the caller has no room to write, it does not read: this time is not the Server's.
#[test]
fn time_without_room_is_not_the_servers() {
    for (what, waiting, interval) in asked() {
        for blocked in [milliseconds(1), seconds(3), seconds(15)] {
            let mut client = waiting.clone();
            let publication = Publication::of("a", b"on", Qos::AtLeastOnce).unwrap();
            client.publish(START, publication).unwrap();
            let mut none = [0_u8; 0];
            let output = client.poll(START, &mut &mut none[..]);
            assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
            let now = START + blocked;
            while client.poll(now, &mut Vec::new()).is_some() {}
            assert_eq!(gives_up(&mut client), START + interval + blocked, "{what}");
        }
    }
}

/// The same for output that does not move: the stall, and the bytes in the caller's buffer at the minimum rate.
#[test]
fn a_late_timer_gives_the_server_a_chance_to_take_something() {
    let allowed = milliseconds(20_000 + 65_536);
    for (late, chance) in [(0, 0), (1, 10), (50, 500), (60_000, 1_000)] {
        let mut client = client(0);
        client.ping().unwrap();
        let mut none = [0_u8; 0];
        let output = client.poll(START, &mut &mut none[..]);
        assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
        let due = START + allowed;
        assert_eq!(client.next_timeout(), due);
        client.handle_timeout(due + milliseconds(late));
        assert_eq!(client.is_connected(), late > 0);
        if late > 0 {
            let end = due + milliseconds(late + chance);
            assert_eq!(client.next_timeout(), end);
            for late_again in [0, 5] {
                let mut client = client.clone();
                client.handle_timeout(end + milliseconds(late_again));
                assert!(!client.is_connected());
                assert_eq!(client.next_timeout(), Instant::NEVER);
                let last = core::iter::from_fn(|| client.poll(end, &mut Vec::new())).last();
                assert_eq!(last, Some(Output::Close(Cause::TimedOut(Awaited::Room))));
            }
        }
    }
}

/// Output that waits for `poll`, one of each kind, on top of a PINGREQ without an answer.
fn with_output() -> Vec<(&'static str, Client)> {
    let publish = |client: &mut Client, qos| {
        let publication = Publication::of("a", b"on", qos).unwrap();
        client.publish(START, publication).unwrap();
    };
    let mut released = client(0);
    publish(&mut released, Qos::ExactlyOnce);
    settle(&mut released, START);
    let mut all: Vec<(&'static str, Client)> = Vec::new();
    for what in ["PUBLISH QoS 0", "PUBLISH QoS 1", "SUBSCRIBE", "PUBREL"] {
        let mut client = if what == "PUBREL" {
            released.clone()
        } else {
            client(0)
        };
        client.ping().unwrap();
        settle(&mut client, START);
        match what {
            "PUBLISH QoS 0" => publish(&mut client, Qos::AtMostOnce),
            "PUBLISH QoS 1" => publish(&mut client, Qos::AtLeastOnce),
            "SUBSCRIBE" => drop(client.subscribe_to("a", Qos::AtMostOnce)),
            _ => assert_eq!(client.receive(START, &mut &[0x50, 2, 0, 1][..]), None),
        }
        all.push((what, client));
    }
    all.push(("PUBREL of an earlier connection", resumed()));
    all
}

/// A Client that has sent PUBREL, has lost its connection, has sent PINGREQ before the next CONNACK, and has that now.
fn resumed() -> Client {
    let expiry = [Property::SessionExpiryInterval(100)];
    let connect = Connect {
        clean_start: false,
        ..connect_packet(0, &expiry)
    };
    let mut client = machines::client(client_config());
    machines::connect(&mut client, START, &connect);
    machines::accept(&mut client, START, &connack(&[]));
    let publication = Publication::of("a", b"on", Qos::ExactlyOnce).unwrap();
    client.publish(START, publication).unwrap();
    settle(&mut client, START);
    assert_eq!(client.receive(START, &mut &[0x50, 2, 0, 1][..]), None);
    assert_eq!(settle(&mut client, START), [0x62, 2, 0, 1]);
    client.connection_lost(START);
    settle(&mut client, START);
    client.connect(START, &connect).unwrap();
    client.ping().unwrap();
    settle(&mut client, START);
    machines::accept(&mut client, START, &[0x20, 3, 1, 0, 0]);
    client
}

/// No deadline of the Server passes while `poll` is put off: the Server cannot answer what it does not get.
#[test]
fn no_deadline_passes_while_output_waits() {
    for (what, mut client) in with_output() {
        assert_eq!(client.next_timeout(), Instant::NEVER, "{what}");
        let late = START + seconds(100);
        client.handle_timeout(late);
        assert!(client.is_connected(), "{what}");
        // When it is written, the PINGRESP is late.
        while client.poll(late, &mut Vec::new()).is_some() {}
        assert_ne!(client.next_timeout(), Instant::NEVER, "{what}");
    }
}

/// Before the CONNACK only what may be sent waits to be written.
#[test]
fn what_may_not_be_sent_does_not_put_off_the_connack() {
    for early_packets in [0, 3] {
        let config = ClientConfig {
            early_packets,
            ..client_config()
        };
        let mut client = machines::client(config);
        client.connect(START, &connect_packet(0, &[])).unwrap();
        assert_eq!(client.poll(START, &mut Vec::new()), None);
        let publication = Publication::of("a", b"on", Qos::AtLeastOnce).unwrap();
        client.publish(START, publication).unwrap();
        let due = START + config.connack_timeout;
        let is_put_off = early_packets > 0;
        assert_eq!(
            client.next_timeout(),
            if is_put_off { Instant::NEVER } else { due }
        );
        client.handle_timeout(due);
        let outputs: Vec<_> = core::iter::from_fn(|| client.poll(due, &mut Vec::new())).collect();
        let closes = outputs.iter().any(|it| matches!(it, Output::Close(_)));
        assert_eq!(closes, !is_put_off, "{outputs:?}");
    }
}

/// Bytes that the Server has taken gain it no time for those that it does not take.
#[test]
fn what_was_taken_long_ago_counts_no_more() {
    let mut client = client(0);
    let block = |client: &mut Client| {
        client.ping().unwrap();
        let mut none = [0_u8; 0];
        let output = client.poll(START, &mut &mut none[..]);
        assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
        client.next_timeout()
    };
    let due = block(&mut client.clone());
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
        for _ in 0..3 {
            let publication = Publication::of("a", &[0; 1 << 20], qos).unwrap();
            client.publish(START, publication).unwrap();
            while client.poll(START, &mut Vec::new()).is_some() {}
        }
    }
    assert_eq!(block(&mut client), due);
}

/// Of two packets one was written: when the rest is given up, nothing of it is left.
#[test]
fn a_rest_is_given_up() {
    let mut client = client(0);
    client.subscribe_to("a", Qos::AtMostOnce).unwrap();
    client.ping().unwrap();
    let mut room = [0_u8; 9];
    let output = client.poll(START, &mut &mut room[..]);
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
    assert_eq!(room[0], 0x82);
    client.connection_lost(START);
    while client.poll(START, &mut Vec::new()).is_some() {}
    client.connect(START, &connect_packet(0, &[])).unwrap();
    let mut wire = Vec::new();
    while client.poll(START, &mut wire).is_some() {}
    assert_eq!((wire[0], wire.len()), (0x10, usize::from(wire[1]) + 2));
}

/// After a time without room the Server gets a chance, for what lies unread; but a silent one not again and again.
#[test]
fn a_silent_server_gains_one_chance() {
    let (_, mut client, interval) = asked().swap_remove(0);
    assert_eq!(interval, seconds(10));
    assert_eq!(blocked(&mut client, 9_500, 9_900), milliseconds(10_900));
    let mut silent = client.clone();
    assert_eq!(blocked(&mut silent, 10_800, 10_850), milliseconds(10_950));
    // One that was heard since has its whole time, and another chance.
    let now = START + milliseconds(10_000);
    let event = client.receive(now, &mut &[0x30, 4, 0, 1, b'a', 0][..]);
    assert!(matches!(event, Some(Event::Message(_))), "{event:?}");
    assert_eq!(blocked(&mut client, 10_800, 10_850), milliseconds(20_050));
}

/// What was heard in the instant in which there was room again was heard since.
#[test]
fn a_server_that_is_heard_when_there_is_room_again_has_another_chance() {
    for (is_heard, due) in [(false, 30_950), (true, 31_350)] {
        let (_, mut client, interval) = asked().swap_remove(1);
        assert_eq!(interval, seconds(30));
        assert_eq!(blocked(&mut client, 29_500, 29_900), milliseconds(30_900));
        if is_heard {
            let now = START + milliseconds(29_900);
            let event = client.receive(now, &mut &[0x30, 4, 0, 1, b'a', 0][..]);
            assert!(matches!(event, Some(Event::Message(_))), "{event:?}");
        }
        assert_eq!(blocked(&mut client, 30_800, 30_850), milliseconds(due));
    }
}

/// Of two SUBSCRIBEs there was room for one, and later for the other: neither has more time than from then on.
#[test]
fn a_request_has_its_interval_when_there_is_room_again() {
    let mut client = client(0);
    for _ in 0..2 {
        client.subscribe_to("a", Qos::AtMostOnce).unwrap();
    }
    poll_without_room(&mut client, START);
    let mut room = [0_u8; 9];
    let output = client.poll(START + seconds(10), &mut &mut room[..]);
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
    assert_eq!(room[0], 0x82);
    let now = START + seconds(15);
    assert_eq!(settle(&mut client, now).len(), 9);
    let interval = client_config().request_timeout;
    assert_eq!(client.next_timeout(), now + interval);
}
