//! What happened before a Network Connection comes before what the Client sends on it (sections 3.1.2.4, 3.1.4, 4.1), in
//! hosts that read all that there is before they poll.

use mqtt5_session_fsm::codec::{Packet, ProtocolVersion, Role};
use mqtt5_session_fsm::{Event, Instant, NotTaken, Server};

use super::driver::Driver;
use super::make::{Hello, PINGREQ, Testament, config};
use crate::session::driver::Lines;
use crate::session::{make, tell};

crate::check::checks! { "order_of_sessions":
    server {
        Domain the_end_of_a_session_comes_before_the_next_packet,
        Domain an_expired_session_ends_before_the_next_packet,
        Example a_resumed_session_reports_what_was_left,
        Domain what_lies_behind_the_connect_is_not_forgotten,
        Domain handle_gives_back_what_it_cannot_take,
    }
}

/// A Session with two messages in flight, whose Client is away.
fn away(hello: &Hello) -> Driver {
    let mut driver = Driver::with(config(), hello);
    let _ = driver.publish(1, "a", "1");
    let _ = driver.publish(1, "a", "2");
    let _ = driver.lose();
    driver
}

/// The Client connects again. Reads as long as there are events, and accepts the CONNECT; no poll.
fn read_all(driver: &mut Driver, bytes: &[u8]) -> Lines {
    driver.begin(Server::new(driver.now, config()));
    let (now, mut session) = (driver.now, driver.found.take());
    let mut said = Lines::new();
    let mut input = bytes;
    while let Some(event) = driver.machine.receive(now, &mut input) {
        let is_connect = matches!(event, Event::Connect(_));
        said.push(tell::event(&event, &driver.tokens));
        if is_connect {
            let result = driver.machine.accept(now, session.take(), &[]);
            result.expect("a good CONNECT");
        }
    }
    assert!(input.is_empty(), "{} bytes are left", input.len());
    said
}

/// What follows the CONNECT, and the event of it.
fn followers() -> [(Vec<u8>, &'static str); 3] {
    [
        (make::subscribe(1, &["f"]), "subscribe #1 f"),
        (make::publish(1, 1, "a", "x"), "message q1 a \"x\""),
        (
            [PINGREQ, &make::subscribe(7, &["g"])].concat(),
            "subscribe #7 g",
        ),
    ]
}

fn ends_first(said: &[String], follower: &str) {
    let expected = [
        "connect \"c1\"",
        "t1 Indeterminate",
        "t2 Indeterminate",
        "session ended",
        follower,
    ];
    assert_eq!(said, expected);
}

/// MQTT-3.1.2-4: by Clean Start 1.
fn the_end_of_a_session_comes_before_the_next_packet() -> u64 {
    for (packet, event) in followers() {
        let mut driver = away(&Hello::lasting());
        let bytes = [Hello::lasting().clean(true).bytes(), packet].concat();
        ends_first(&read_all(&mut driver, &bytes), event);
    }
    3
}

/// Section 3.1.2.11.2: by its interval, which nobody has looked at.
fn an_expired_session_ends_before_the_next_packet() -> u64 {
    for (packet, event) in followers() {
        let hello = Hello::expiring(Some(5));
        let mut driver = away(&hello);
        driver.wait(5_000);
        ends_first(
            &read_all(&mut driver, &[hello.bytes(), packet].concat()),
            event,
        );
    }
    3
}

/// A Will that was due, and that nobody took, is of the time before.
fn a_resumed_session_reports_what_was_left() {
    let hello = Hello::lasting().and_will(Testament::new(None));
    let mut driver = Driver::with(config(), &hello);
    driver.machine.connection_lost(driver.now);
    let session = driver.machine.take_session(driver.now);
    driver.keep(session.expect("a Session"));
    let bytes = [Hello::lasting().bytes(), make::subscribe(1, &["f"])].concat();
    assert_eq!(
        read_all(&mut driver, &bytes),
        ["connect \"c1\"", "will q1 will \"gone\"", "subscribe #1 f"]
    );
}

/// Section 3.1.4: a host that decides later is woken for packets that it has offered already; not before, not for a part of
/// a packet that is missing the rest after it was offered again, and not for ever.
fn what_lies_behind_the_connect_is_not_forgotten() -> u64 {
    let mut cases = 0;
    for behind in [
        make::subscribe(1, &["f"]),
        make::publish(1, 3, "a", "x"),
        PINGREQ.to_vec(),
    ] {
        for length in 1..=behind.len() {
            let now = Instant::from_millis(99);
            let mut server = Server::new(now, config());
            let bytes = [Hello::lasting().bytes(), behind[..length].to_vec()].concat();
            let mut input = &bytes[..];
            assert!(server.receive(now, &mut input).is_some());
            assert!(server.receive(now, &mut input).is_none());
            assert_eq!(input.len(), length);
            assert_eq!(server.next_timeout(), Instant::NEVER);
            server.accept(now, None, &[]).expect("a good CONNECT");
            assert!(server.next_timeout() <= now);
            let mut wire = Vec::new();
            assert!(server.poll(now, &mut wire).is_none());
            assert!(server.next_timeout() <= now);
            let event = server.receive(now, &mut input).is_some();
            assert_eq!(event, length == behind.len() && behind != PINGREQ);
            assert!(server.next_timeout() > now);
            cases += 1;
        }
    }
    cases
}

/// `Server::handle` takes nothing that it would lose: while the host decides, and before the end of a Session is known.
fn handle_gives_back_what_it_cannot_take() -> u64 {
    for (packet, event) in followers().into_iter().take(2) {
        let packet = Packet::decode_from(ProtocolVersion::V5_0, Role::Client, &packet)
            .expect("a good packet");
        let mut driver = away(&Hello::lasting());
        driver.begin(Server::new(driver.now, config()));
        let (now, session) = (driver.now, driver.found.take());
        let server = &mut driver.machine;
        let hello = Hello::lasting().clean(true).bytes();
        let hello = Packet::decode_from(ProtocolVersion::V5_0, Role::Client, &hello)
            .expect("a good CONNECT");
        assert!(matches!(
            server.handle(now, hello),
            Ok(Some(Event::Connect(_)))
        ));
        let before = server.session().cloned();
        assert_eq!(server.handle(now, packet), Err(NotTaken::Undecided));
        assert_eq!(server.session(), before.as_ref());
        server.accept(now, session, &[]).expect("a good CONNECT");
        assert_eq!(server.handle(now, packet), Err(NotTaken::EventsFirst));
        assert!(server.next_timeout() <= now);
        assert_eq!(
            driver.settle(),
            [
                "t1 Indeterminate",
                "t2 Indeterminate",
                "session ended",
                "> CONNACK"
            ]
        );
        let taken = driver
            .machine
            .handle(now, packet)
            .expect("can be taken now");
        let taken = tell::event(&taken.expect("an event"), &driver.tokens);
        assert_eq!(taken, event);
        assert!(driver.machine.next_timeout() > now);
    }
    2
}
