//! The end of a Session comes before what belongs to the next one (sections 3.2.2.1.1, 4.1), in hosts that read all that
//! there is before they poll.

use mqtt5_session_fsm::codec::{Connect, Packet, ProtocolVersion, ReasonCode, Role};
use mqtt5_session_fsm::{Event, NotTaken};

use super::driver::{Driver, KEEPS, Lines, connect_with};
use super::make;
use super::tell;

crate::check::checks! { "order_of_sessions":
    client {
        Domain a_session_ends_before_the_next_one_is_connected,
        Example nothing_ends_by_a_bad_connack,
        Example a_refusal_comes_after_what_was_left,
        Example handle_gives_back_the_connack,
    }
}

/// Two messages in flight, no connection, and a CONNECT under way.
fn connecting(clean_start: bool) -> Driver {
    let mut driver = Driver::connected();
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(2, "a", "2");
    let _ = driver.lose();
    let connect = Connect {
        clean_start,
        ..connect_with(KEEPS)
    };
    let now = driver.now;
    driver.machine.connect(now, &connect).unwrap();
    driver
}

/// No poll before all was read.
fn read_all(driver: &mut Driver, bytes: &[u8]) -> Lines {
    let now = driver.now;
    let mut lines = Lines::new();
    let mut input = bytes;
    while let Some(event) = driver.machine.receive(now, &mut input) {
        lines.push(tell::event(&event, &driver.tokens));
    }
    assert!(input.is_empty());
    lines
}

/// MQTT-3.1.2-4, MQTT-3.2.2-5: by Clean Start 1 and by Session Present 0.
fn a_session_ends_before_the_next_one_is_connected() -> u64 {
    for clean_start in [false, true] {
        let mut driver = connecting(clean_start);
        let mut bytes = make::connack(false, ReasonCode::Success, &[]);
        bytes.extend(make::publish(0, 1, "b", "x"));
        let lines = read_all(&mut driver, &bytes);
        assert_eq!(
            lines[..3],
            ["t1 Indeterminate", "t2 Indeterminate", "session ended"]
        );
        assert!(lines[3].starts_with("connected"), "{lines:?}");
        assert!(lines[4].starts_with("message"), "{lines:?}");
        assert_eq!(lines.len(), 5);
    }
    2
}

/// Section 4.13: a CONNACK that breaks a rule says nothing about the Session.
fn nothing_ends_by_a_bad_connack() {
    let mut driver = connecting(false);
    let information = [mqtt5_session_fsm::codec::Property::ResponseInformation(
        mqtt5_session_fsm::codec::Text::new("r").unwrap(),
    )];
    let connack = make::connack(false, ReasonCode::Success, &information);
    assert_eq!(read_all(&mut driver, &connack), Lines::new());
    let said = driver.settle();
    assert_eq!(said.last().unwrap(), "close ResponseInformationUnexpected");
    assert!(driver.machine.session().exists());
    assert_eq!(driver.machine.session().in_flight(), 2);
}

/// Clean Start 1 has ended the Session, whatever the Server says then.
fn a_refusal_comes_after_what_was_left() {
    let mut driver = connecting(true);
    let connack = make::connack(false, ReasonCode::ServerBusy, &[]);
    let lines = read_all(&mut driver, &connack);
    assert_eq!(
        lines,
        [
            "t1 Indeterminate",
            "t2 Indeterminate",
            "session ended",
            "refused ServerBusy"
        ]
    );
}

/// `Client::handle` reports nothing itself: the events come from `poll`, then the packet is taken.
fn handle_gives_back_the_connack() {
    for clean_start in [false, true] {
        let mut driver = connecting(clean_start);
        let now = driver.now;
        let bytes = make::connack(false, ReasonCode::Success, &[]);
        let connack = Packet::decode_from(ProtocolVersion::V5_0, Role::Server, &bytes).unwrap();
        let result = driver.machine.handle(now, connack);
        assert_eq!(result, Err(NotTaken::EventsFirst));
        assert_eq!(driver.deadline(), Some(0));
        let said = driver.settle();
        let ended = said.iter().filter(|line| !line.starts_with('>'));
        assert_eq!(
            ended.collect::<Vec<_>>(),
            ["t1 Indeterminate", "t2 Indeterminate", "session ended"]
        );
        let result = driver.machine.handle(now, connack);
        assert!(matches!(result, Ok(Some(Event::Connected(_)))));
        assert!(driver.machine.is_connected());
    }
}
