//! What happened before a Network Connection comes before what the Client sends on it (sections 3.1.2.4, 3.1.4, 4.1), in
//! hosts that read all that there is before they poll.

use mqtt5_codec::{Packet, Qos, Role};
use mqtt5_session_fsm::{Event, Instant, NotTaken, Server, Session};

use super::driver::{Driver, Seen};
use super::make::{Hello, PINGREQ, Testament, config, publication, publish_1, subscribe};
use crate::check::Outcome;

super::listed! { "order_of_sessions":
    Domain the_end_of_a_session_comes_before_the_next_packet,
    Domain an_expired_session_ends_before_the_next_packet,
    Example a_resumed_session_reports_what_was_left,
    Domain what_lies_behind_the_connect_is_not_forgotten,
    Domain handle_gives_back_what_it_cannot_take,
}

/// A Session with two messages in flight, whose Client is away.
fn away(hello: &Hello) -> (Session, Instant) {
    let mut driver = Driver::connected(config(), hello);
    for payload in [b"1", b"2"] {
        driver
            .publish(publication(Qos::AtLeastOnce, payload))
            .expect("room");
    }
    let (keeper, _) = driver.part();
    (keeper.session, keeper.now)
}

/// Reads as long as there are events, and accepts the CONNECT; no poll.
fn read_all(server: &mut Server, now: Instant, bytes: &[u8], session: Session) -> Vec<Seen> {
    let mut session = Some(session);
    let mut seen = Vec::new();
    let mut input = bytes;
    while let Some(event) = server.receive(now, &mut input) {
        let is_connect = matches!(event, Event::Connect(_));
        seen.push(Seen::of(event));
        if is_connect {
            server
                .accept(now, session.take(), &[])
                .expect("a good CONNECT");
        }
    }
    assert!(input.is_empty(), "{} bytes are left", input.len());
    seen
}

/// What follows the CONNECT, and the event of it.
fn followers() -> Vec<(Vec<u8>, Seen)> {
    let mut driver = Driver::connected(config(), &Hello::lasting());
    let message = driver.send(&publish_1(1)).events().remove(0);
    vec![
        (
            subscribe(1, &["f"]),
            Seen::Subscribe(1, vec!["f".to_owned()]),
        ),
        (publish_1(1), message),
        ([PINGREQ, &subscribe(7, &["g"])].concat(), {
            Seen::Subscribe(7, vec!["g".to_owned()])
        }),
    ]
}

fn ends_first(seen: &[Seen], follower: Seen) {
    let [
        Seen::Connect(_),
        Seen::Outcome(..),
        Seen::Outcome(..),
        rest @ ..,
    ] = seen
    else {
        panic!("{seen:?}");
    };
    assert_eq!(rest, [Seen::SessionEnded, follower]);
}

/// MQTT-3.1.2-4: by Clean Start 1.
fn the_end_of_a_session_comes_before_the_next_packet() -> Outcome {
    let mut cases = 0;
    for (packet, event) in followers() {
        let (session, now) = away(&Hello::lasting());
        let mut server = Server::new(now, config());
        let bytes = [Hello::lasting().clean(true).bytes(), packet].concat();
        ends_first(&read_all(&mut server, now, &bytes, session), event);
        cases += 1;
    }
    Ok(cases)
}

/// Section 3.1.2.11.2: by its interval, which nobody has looked at.
fn an_expired_session_ends_before_the_next_packet() -> Outcome {
    let mut cases = 0;
    for (packet, event) in followers() {
        let hello = Hello::new().with(mqtt5_codec::Property::SessionExpiryInterval(5));
        let (session, now) = away(&hello);
        let now = Instant::from_millis(now.as_millis() + 5_000);
        let mut server = Server::new(now, config());
        let bytes = [hello.bytes(), packet].concat();
        ends_first(&read_all(&mut server, now, &bytes, session), event);
        cases += 1;
    }
    Ok(cases)
}

/// A Will that was due, and that nobody took, is of the time before.
fn a_resumed_session_reports_what_was_left() -> Outcome {
    let hello = Hello::lasting().and_will(Testament::new(None));
    let mut driver = Driver::connected(config(), &hello);
    let now = driver.now;
    driver.server.connection_lost(now);
    let session = driver.server.take_session(now).expect("a Session");
    let mut server = Server::new(now, config());
    let bytes = [Hello::lasting().bytes(), subscribe(1, &["f"])].concat();
    let seen = read_all(&mut server, now, &bytes, session);
    assert!(matches!(
        seen[..],
        [Seen::Connect(_), Seen::Will(_), Seen::Subscribe(..)]
    ));
    Ok(1)
}

/// Section 3.1.4: a host that decides later is woken for packets that it has offered already; not before, not for a part of
/// a packet that is missing the rest after it was offered again, and not for ever.
fn what_lies_behind_the_connect_is_not_forgotten() -> Outcome {
    let mut cases = 0;
    for behind in [subscribe(1, &["f"]), publish_1(3), PINGREQ.to_vec()] {
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
    Ok(cases)
}

/// `Server::handle` takes nothing that it would lose: while the host decides, and before the end of a Session is known.
fn handle_gives_back_what_it_cannot_take() -> Outcome {
    for (packet, event) in followers().into_iter().take(2) {
        let packet = Packet::decode_from(Role::Client, &packet).expect("a good packet");
        let (session, now) = away(&Hello::lasting());
        let mut server = Server::new(now, config());
        let hello = Hello::lasting().clean(true).bytes();
        let hello = Packet::decode_from(Role::Client, &hello).expect("a good CONNECT");
        assert!(matches!(
            server.handle(now, hello),
            Ok(Some(Event::Connect(_)))
        ));
        let before = server.session().cloned();
        assert_eq!(server.handle(now, packet), Err(NotTaken::Undecided));
        assert_eq!(server.session(), before.as_ref());
        server
            .accept(now, Some(session), &[])
            .expect("a good CONNECT");
        assert_eq!(server.handle(now, packet), Err(NotTaken::EventsFirst));
        assert!(server.next_timeout() <= now);
        let mut wire = Vec::new();
        let mut said = 0;
        while server.poll(now, &mut wire).is_some() {
            said += 1;
        }
        assert_eq!(said, 3);
        let taken = server.handle(now, packet).expect("can be taken now");
        assert_eq!(taken.map(Seen::of), Some(event));
        assert!(server.next_timeout() > now);
    }
    Ok(2)
}
