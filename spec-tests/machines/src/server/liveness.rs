//! Liveness of the Client, beyond the Keep Alive (section 3.1.2.10): packets in progress, this side that did
//! not read, and clocks.

use std::time::Duration;

use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::{Property, ReasonCode};
use mqtt5_session_fsm::{Awaited, Cause, Event, Instant, Output, Server, ServerConfig};

use super::driver::Driver;
use super::make::{Hello, PINGREQ, auth, config, text};
use crate::session::driver::{Lines, publication};
use crate::session::make;

crate::check::checks! { "liveness":
    server {
        Domain a_packet_that_began_in_time_is_received,
        Domain a_slow_loris_is_closed,
        Domain a_connect_that_comes_slowly_is_not_waited_for,
        Domain who_does_not_read_accuses_nobody,
        Domain who_takes_nothing_is_closed,
        Domain a_late_timer_gives_the_client_a_chance,
        Domain bytes_that_wait_show_life,
        Domain a_clock_that_goes_back_puts_nothing_off,
        Example a_pingreq_may_wait_behind_a_connect,
        Example re_authentication_has_its_time,
    }
}

/// A Server and its unread bytes, with the timer called as the machine wants it.
struct Host {
    server: Server,
    now: Instant,
    unread: Vec<u8>,
    closed: Option<Cause>,
    written: Vec<u8>,
    messages: usize,
}

impl Host {
    fn new(driver: Driver) -> Host {
        Host {
            server: driver.machine,
            now: driver.now,
            unread: Vec::new(),
            closed: None,
            written: Vec::new(),
            messages: 0,
        }
    }

    fn connected(keep_alive: u16) -> Host {
        Host::new(Driver::with(
            config(),
            &Hello::lasting().keep_alive(keep_alive),
        ))
    }

    /// Polls with so much room.
    fn poll(&mut self, room: usize) -> Option<Output> {
        let start = self.written.len();
        loop {
            let left = room.saturating_sub(self.written.len() - start);
            let wire = (&mut self.written).limit(left);
            match self.server.poll(self.now, &mut { wire }) {
                Some(Output::Close(cause)) => self.closed = Some(cause),
                Some(Output::Event(_)) => {}
                said => return said,
            }
        }
    }

    fn read(&mut self) {
        let mut input = &self.unread[..];
        while let Some(event) = self.server.receive(self.now, &mut input) {
            self.messages += usize::from(matches!(event, Event::Message(_)));
        }
        self.unread = input.to_vec();
        let _ = self.poll(usize::MAX);
    }

    fn arrive(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        self.read();
    }

    /// The timer is obeyed to the millisecond.
    fn pass(&mut self, milliseconds: u64, room: usize) {
        let end = self.now + Duration::from_millis(milliseconds);
        while self.closed.is_none() && self.server.next_timeout() <= end {
            self.now = self.now.max(self.server.next_timeout());
            self.server.handle_timeout(self.now);
            let _ = self.poll(room);
        }
        self.now = end;
    }
}

/// A packet is being received while its bytes keep a least rate, whatever the Keep Alive and the size.
fn a_packet_that_began_in_time_is_received() -> u64 {
    let mut judged = 0;
    for keep_alive in [0, 1, 10, 600] {
        for (size, at_once, every) in [
            (12, 1, 1_000),
            (50, 1, 1_000),
            (110, 1, 1_000),
            (3_000_000, 100_000, 1_000),
            (3_000_000, 10_000, 100),
            (300_000, 2_000, 1_400),
        ] {
            let packet = make::publish(1, 1, "t", &"x".repeat(size));
            let mut host = Host::connected(keep_alive);
            for bytes in packet.chunks(at_once) {
                host.pass(every, usize::MAX);
                assert_eq!(
                    host.closed, None,
                    "{keep_alive} s: {size}: {at_once} per {every} ms"
                );
                host.arrive(bytes);
            }
            assert_eq!(host.messages, 1);
            judged += 1;
        }
    }
    judged
}

/// A packet that stalls, or comes too slowly for too long, ends the connection, with Keep Alive 0, too.
fn a_slow_loris_is_closed() -> u64 {
    let mut judged = 0;
    for keep_alive in [0, 1, 10, 600, u16::MAX] {
        for every in [10, 100, 1_000, 1_400, 10_000, 29_999, 30_001, 1_000_000] {
            for size in [5_usize, 100, 268_435_455] {
                let mut host = Host::connected(keep_alive);
                let began = host.now;
                let mut rest = size;
                let mut head = vec![0x30];
                while rest > 0 {
                    let more = if rest > 0x7F { 0x80 } else { 0 };
                    head.push((rest & 0x7F) as u8 | more);
                    rest >>= 7;
                }
                host.arrive(&head);
                host.arrive(&[0, 1, b'a']);
                for _ in 0..20_000 {
                    host.pass(every, usize::MAX);
                    if host.closed.is_some() || host.messages > 0 {
                        break;
                    }
                    host.arrive(b"\0");
                }
                if host.messages == 0 {
                    let took = began.until(host.now);
                    let limit = Duration::from_millis(200_000 + every);
                    assert!(took <= limit, "{keep_alive} s, {every} ms: {took:?}");
                    assert!(host.closed.is_some(), "{keep_alive} s, {every} ms, {size}");
                }
                judged += 1;
            }
        }
    }
    judged
}

/// Section 3.1.4: "a reasonable amount of time" for the CONNECT is for the whole of it.
fn a_connect_that_comes_slowly_is_not_waited_for() -> u64 {
    let bytes = Hello::new().bytes();
    for every in [1, 10, 700, 1_000, 9_999, 10_001] {
        let mut host = Host::new(Driver::serving(config()));
        for byte in &bytes {
            host.pass(every, usize::MAX);
            host.arrive(&[*byte]);
        }
        let in_time = every * (bytes.len() as u64) < 10_000;
        assert_eq!(host.closed.is_none(), in_time, "{every} ms");
        if !in_time {
            assert_eq!(host.closed, Some(Cause::TimedOut(Awaited::Connect)));
        }
    }
    6
}

/// A Server that puts off reading because its output waits calls nobody silent; once it reads again, silence is noticed.
fn who_does_not_read_accuses_nobody() -> u64 {
    let mut judged = 0;
    for keep_alive in [1_u16, 2, 10] {
        for stopped in [1_u64, 10, 60, 300] {
            for pings in [false, true] {
                let mut host = Host::connected(keep_alive);
                for _ in 0..800 {
                    let publication = publication(0, "t", &"x".repeat(1_000), &[]);
                    host.server.publish(host.now, publication).expect("room");
                }
                // The network takes a little each second.
                assert!(matches!(host.poll(2_000), Some(Output::NeedsRoom(_))));
                for _ in 0..stopped {
                    host.pass(800, 1);
                    if pings {
                        host.unread.extend_from_slice(PINGREQ);
                    }
                    let said = host.poll(1_500);
                    assert!(
                        matches!(said, Some(Output::NeedsRoom(_))),
                        "{keep_alive} {stopped} {said:?} {:?}",
                        host.closed
                    );
                    host.server.handle_timeout(host.now);
                    assert_eq!(host.closed, None, "{keep_alive} s, {stopped}");
                }
                assert_eq!(host.poll(usize::MAX), None);
                host.server.handle_timeout(host.now);
                assert_eq!(host.closed, None);
                if pings {
                    host.read();
                }
                let resumed = host.now;
                while host.closed.is_none() {
                    host.pass(100, usize::MAX);
                }
                assert_eq!(host.closed, Some(Cause::TimedOut(Awaited::KeepAlive)));
                // The time in which nothing was read does not count, and no more than that.
                let patience = Duration::from_millis(u64::from(keep_alive) * 1_500);
                let took = resumed.until(host.now);
                assert!((patience..=patience + Duration::from_millis(1_100)).contains(&took));
                judged += 1;
            }
        }
    }
    judged
}

/// A Client that takes no bytes is closed in the end, whatever is to be written, with and without Keep Alive. Close needs
/// no room.
fn who_takes_nothing_is_closed() -> u64 {
    let mut judged = 0;
    for keep_alive in [0, 1, 60, u16::MAX] {
        for size in [1, 1_000, 500_000] {
            let mut host = Host::connected(keep_alive);
            for _ in 0..2 {
                let publication = publication(0, "t", &"x".repeat(size), &[]);
                host.server.publish(host.now, publication).expect("room");
            }
            let began = host.now;
            let _ = host.poll(size + 10);
            while host.closed.is_none() {
                host.pass(1_000, 0);
                assert!(began.until(host.now) <= Duration::from_secs(1_000));
            }
            assert_eq!(host.closed, Some(Cause::TimedOut(Awaited::Room)));
            judged += 1;
        }
    }
    judged
}

/// A process that slept: what lies unread is read before anybody is called silent, however late this side was.
fn a_late_timer_gives_the_client_a_chance() -> u64 {
    let mut judged = 0;
    for keep_alive in [1_u16, 10, 600] {
        for late in [1, 2, 10, 50, 99, 100, 101, 999, 1_000, 8_000, 3_600_000] {
            let due = u64::from(keep_alive) * 1_500;
            let mut host = Host::connected(keep_alive);
            host.now += Duration::from_millis(due + late);
            host.server.handle_timeout(host.now);
            let _ = host.poll(usize::MAX);
            assert_eq!(host.closed, None, "{late}");
            // What lay unread.
            let mut other = Host {
                server: host.server.clone(),
                ..Host::connected(1)
            };
            other.now = host.now;
            other.arrive(PINGREQ);
            other.pass(due - 1, usize::MAX);
            assert_eq!(other.closed, None, "{late}");
            // Nothing lay unread: the chance is short, and the only one.
            host.pass(1_000, usize::MAX);
            assert_eq!(
                host.closed,
                Some(Cause::TimedOut(Awaited::KeepAlive)),
                "{late}"
            );
            judged += 2;
        }
    }
    // The CONNECT, too.
    for late in [1, 50, 8_000] {
        let mut host = Host::new(Driver::serving(config()));
        host.now += Duration::from_millis(10_000 + late);
        host.server.handle_timeout(host.now);
        let _ = host.poll(usize::MAX);
        host.arrive(&Hello::new().bytes());
        assert_eq!(host.closed, None);
        assert!(host.server.accept(host.now, None, &[]).is_ok());
        judged += 1;
    }
    judged
}

/// A host that splits elsewhere, or puts off reading for reasons of its own, says that bytes are there.
fn bytes_that_wait_show_life() -> u64 {
    let mut judged = 150;
    for keep_alive in [1_u16, 10, 600] {
        let mut host = Host::connected(keep_alive);
        let interval = u64::from(keep_alive) * 1_500;
        for _ in 0..50 {
            host.pass(interval - 1, usize::MAX);
            host.server.bytes_waiting(host.now);
        }
        assert_eq!(host.closed, None);
        host.pass(interval, usize::MAX);
        assert_eq!(host.closed, Some(Cause::TimedOut(Awaited::KeepAlive)));
    }
    // The rest of a packet that has begun waits as long as the host likes.
    let packet = make::publish(1, 1, "t", "x");
    for keep_alive in [0, 60] {
        for begun in 1..packet.len() {
            let (first, rest) = packet.split_at(begun);
            let mut host = Host::connected(keep_alive);
            host.arrive(first);
            host.server.bytes_waiting(host.now);
            for _ in 0..600 {
                host.pass(10_000, usize::MAX);
                host.server.bytes_waiting(host.now);
            }
            assert_eq!(host.closed, None, "{begun}");
            // Of the rest a part is read: it has the time that a packet has.
            host.arrive(&rest[..rest.len() - 1]);
            host.pass(29_999, usize::MAX);
            assert_eq!(host.closed, None, "{begun}");
            host.pass(1, usize::MAX);
            assert!(host.closed.is_some(), "{begun}");
            judged += 1;
        }
    }
    // Offering the same bytes again is no reading: what waited counts once. After 15 seconds of it, a packet of which
    // a byte comes now and then has the 120 seconds that any packet has.
    let packet = make::publish(1, 1, "t", &"x".repeat(60));
    let mut host = Host::connected(0);
    host.arrive(&packet[..5]);
    host.pass(10_000, usize::MAX);
    host.server.bytes_waiting(host.now);
    for _ in 0..5 {
        host.pass(2_000, usize::MAX);
        host.read();
    }
    host.pass(5_000, usize::MAX);
    host.arrive(&packet[5..6]);
    for byte in &packet[6..11] {
        host.pass(20_000, usize::MAX);
        host.arrive(&[*byte]);
    }
    host.pass(9_999, usize::MAX);
    assert_eq!(host.closed, None);
    host.pass(100, usize::MAX);
    assert_eq!(host.closed, Some(Cause::TimedOut(Awaited::RestOfPacket)));
    judged + 1
}

/// A clock that goes back: no deadline is further away than its interval, whatever notices it first.
fn a_clock_that_goes_back_puts_nothing_off() -> u64 {
    let mut judged = 0;
    let calls: [fn(&mut Server, Instant); 4] = [
        |server, now| {
            let _ = server.poll(now, &mut Vec::new());
        },
        |server, now| {
            let _ = server.receive(now, &mut &[][..]);
        },
        |server, now| server.handle_timeout(now),
        |server, now| {
            let mut input = PINGREQ;
            let _ = server.receive(now, &mut input);
            let _ = server.poll(now, &mut Vec::new());
        },
    ];
    for keep_alive in [1_u16, 10, 600, u16::MAX] {
        for back in [0, 1, 500, 100_000_000, u64::MAX] {
            for call in calls {
                let mut host = Host::connected(keep_alive);
                host.now = Instant::from_millis(200_000_000);
                host.arrive(PINGREQ);
                host.now = Instant::from_millis(host.now.as_millis().saturating_sub(back));
                call(&mut host.server, host.now);
                let patience = Duration::from_millis(1_500) * keep_alive.into();
                assert!(host.now.until(host.server.next_timeout()) <= patience);
                host.now += patience;
                host.server.handle_timeout(host.now);
                let _ = host.poll(usize::MAX);
                assert!(host.closed.is_some(), "{keep_alive} s, {back} ms");
                judged += 1;
            }
        }
    }
    // Before the CONNECT.
    let mut server = Server::new(Instant::from_millis(1 << 40), ServerConfig::default());
    server.handle_timeout(Instant::ORIGIN);
    assert!(server.next_timeout() <= Instant::from_millis(10_000));
    judged + 1
}

/// [MQTT-3.1.2-20]: a Client pings while its CONNECT is decided on.
fn a_pingreq_may_wait_behind_a_connect() -> u64 {
    let mut driver = Driver::deciding(config(), &Hello::new().keep_alive(1));
    let mut unread = Vec::new();
    // Longer than a CONNECT may take, and than the Keep Alive.
    for _ in 0..20 {
        driver.wait(1_000);
        driver.machine.handle_timeout(driver.now);
        unread.extend_from_slice(PINGREQ);
        assert_eq!(driver.offer(&mut &unread[..]), Lines::new());
    }
    assert_eq!(driver.accept_client(&[]).unwrap(), ["> CONNACK"]);
    assert_eq!(driver.feed(&unread), ["> PINGRESP"; 20]);
    20
}

/// Section 4.12.1: a Client that does not go on with a re-authentication is not authenticated.
fn re_authentication_has_its_time() {
    let hello = Hello::lasting().with(Property::AuthenticationMethod(text("m")));
    let mut driver = Driver::with(config(), &hello);
    let _ = driver.feed(&auth(ReasonCode::ReAuthenticate, "m", b""));
    // The application takes its time.
    assert_eq!(driver.tick(1_000_000), Lines::new());
    driver.authenticate(&[]).expect("this side's turn");
    assert_eq!(driver.tick(29_999), Lines::new());
    assert_eq!(
        driver.tick(1),
        ["> DISCONNECT NotAuthorized", "close TimedOut(Auth)"]
    );
}
