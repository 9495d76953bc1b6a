//! Liveness, beyond the Keep Alive (section 3.1.2.10): bytes that arrive, questions that were written, this
//! side that did not read, and clocks.

use std::time::Duration;

use mqtt5_session_fsm::codec::{Connect, Property, ReasonCode, Text};
use mqtt5_session_fsm::{
    Awaited, Cause, Client, ClientConfig, Event, Instant, Output, SendError, Session, SessionConfig,
};

use super::driver::{Driver, KEEPS, Lines, connect_with};
use super::make;

crate::check::checks! { "liveness":
    client {
        Domain a_packet_that_arrives_slowly_is_received,
        Domain a_packet_that_stalls_ends_the_connection,
        Domain a_question_that_was_not_written_is_not_waited_for,
        Domain a_late_timer_gives_the_server_a_chance,
        Domain a_server_that_is_silent_is_noticed_while_messages_are_sent,
        Domain each_ping_of_the_application_has_its_answer,
        Example pings_of_the_application_are_limited,
        Example a_ping_is_possible_with_keep_alive_0,
        Domain a_clock_that_goes_back_puts_nothing_off,
        Domain requests_have_their_time,
        Example the_late_answer_of_a_request_frees_its_identifier,
        Example re_authentication_has_its_time,
        Example a_server_that_takes_nothing_is_left,
    }
}

fn nothing() -> Lines {
    Lines::new()
}

fn connected(keep_alive: u16) -> Driver {
    let mut driver = Driver::with(
        ClientConfig::default(),
        Session::of_client(SessionConfig::default()),
    );
    let _ = driver.connect(&Connect {
        keep_alive,
        ..connect_with(KEEPS)
    });
    let _ = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
    driver
}

/// Hands over a part of a packet, and calls the timer as the machine wants it until `until`. Why the connection ended, if
/// it did.
struct Slow {
    driver: Driver,
    unread: Vec<u8>,
    messages: usize,
}

impl Slow {
    fn new(driver: Driver) -> Self {
        Slow {
            driver,
            unread: Vec::new(),
            messages: 0,
        }
    }

    fn arrive(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let mut input = &self.unread[..];
        while let Some(event) = self.driver.machine.receive(self.driver.now, &mut input) {
            self.messages += usize::from(matches!(event, Event::Message(_)));
        }
        self.unread = input.to_vec();
        let _ = self.driver.settle();
    }

    /// Answers each PINGREQ if `answers`.
    fn pass(&mut self, milliseconds: u64) -> Option<String> {
        let end = self.driver.now + Duration::from_millis(milliseconds);
        loop {
            let due = self.driver.machine.next_timeout();
            if due > end {
                self.driver.now = end;
                return None;
            }
            self.driver.now = self.driver.now.max(due);
            let said = self.driver.tick(0);
            if let Some(close) = said.iter().find(|line| line.starts_with("close")) {
                return Some(close.clone());
            }
        }
    }
}

/// A packet is being received as long as its bytes come, however the PINGRESP waits behind it.
fn a_packet_that_arrives_slowly_is_received() -> u64 {
    let mut judged = 0;
    for keep_alive in [0, 1, 2, 10, 60] {
        for (size, at_once, every) in [
            (20, 1, 1_000),
            (58, 1, 1_000),
            (100, 1, 1_000),
            (20, 1, 3_000),
            (3_000_000, 100_000, 1_000),
            (1_000_000, 10_000, 1_000),
            (200_000, 20_000, 9_000),
        ] {
            let payload = "x".repeat(size);
            let mut packet = make::publish(1, 1, "a", &payload);
            packet.extend(make::PINGRESP);
            let mut slow = Slow::new(connected(keep_alive));
            for bytes in packet.chunks(at_once) {
                let closed = slow.pass(every);
                assert_eq!(
                    closed, None,
                    "{keep_alive} s, {size}, {at_once} per {every} ms"
                );
                slow.arrive(bytes);
                judged += 1;
            }
            assert_eq!(slow.messages, 1);
        }
    }
    judged
}

/// When it stalls, or comes too slowly for too long, the connection ends; with Keep Alive 0, too.
fn a_packet_that_stalls_ends_the_connection() -> u64 {
    let mut judged = 0;
    for keep_alive in [0, 10, 60_000] {
        for every in [100, 1_000, 10_000, 29_000, 31_000, 10_000_000] {
            // PUBLISH of 256 MB.
            let mut slow = Slow::new(connected(keep_alive));
            slow.arrive(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b'a', 0]);
            let began = slow.driver.now;
            let closed = (0..10_000).find_map(|_| {
                let closed = slow.pass(every);
                slow.arrive(b"x");
                closed
            });
            let closed = closed.expect("it ends");
            assert!(closed.starts_with("close TimedOut"), "{closed}");
            let took = began.until(slow.driver.now);
            assert!(took <= Duration::from_secs(150), "{every} ms: {took:?}");
            judged += 1;
        }
    }
    judged
}

/// Section 3.1.2.10: "after it has sent a PINGREQ": a PINGREQ, a CONNECT or a request that waits for room is not unanswered.
fn a_question_that_was_not_written_is_not_waited_for() -> u64 {
    let mut judged = 0;
    for stop in [1, 5, 20, 60] {
        let mut driver = connected(10);
        assert_eq!(driver.deadline(), Some(9_750));
        driver.wait(9_750);
        driver.machine.handle_timeout(driver.now);
        let mut none = [0_u8; 0];
        // The network takes nothing for a while.
        for _ in 0..stop {
            let output = driver.machine.poll(driver.now, &mut &mut none[..]);
            assert_eq!(output, Some(Output::NeedsRoom(2)));
            driver.wait(1_000);
            driver.machine.handle_timeout(driver.now);
        }
        assert_eq!(driver.settle(), ["> PINGREQ"]);
        assert_eq!(driver.tick(9_749), nothing(), "{stop}");
        assert_eq!(driver.tick(250), ["> PINGREQ"], "{stop}");
        assert_eq!(driver.tick(1), ["close TimedOut(PingResp)"], "{stop}");
        judged += 1;
        // A PINGREQ that nobody polled.
        let mut driver = connected(10);
        driver.wait(9_750);
        for _ in 0..stop {
            driver.machine.handle_timeout(driver.now);
            driver.wait(1_000);
        }
        driver.machine.handle_timeout(driver.now);
        assert_eq!(driver.settle(), ["> PINGREQ"], "{stop}");
        assert_eq!(driver.tick(9_749), nothing(), "{stop}");
        assert_eq!(driver.tick(250), ["> PINGREQ"], "{stop}");
        assert_eq!(driver.tick(1), ["close TimedOut(PingResp)"], "{stop}");
        judged += 1;
        // A CONNECT that nobody polled.
        let mut driver = Driver::new();
        driver
            .machine
            .connect(driver.now, &connect_with(KEEPS))
            .unwrap();
        driver.wait(stop * 1_000);
        driver.machine.handle_timeout(driver.now);
        assert_eq!(driver.settle().len(), 1);
        assert_eq!(driver.tick(9_999), nothing());
        assert_eq!(driver.tick(1), ["close TimedOut(ConnAck)"]);
        judged += 1;
    }
    judged
}

/// A process that slept: what lies unread is read before anybody is called dead, however late this side was.
fn a_late_timer_gives_the_server_a_chance() -> u64 {
    let mut judged = 0;
    for late in [1, 2, 10, 50, 99, 100, 101, 1_000, 8_000, 3_600_000] {
        let mut driver = connected(10);
        assert_eq!(driver.tick(9_750), ["> PINGREQ"]);
        // The PINGRESP came meanwhile, but is read after the timer.
        let said = driver.tick(10_000 + late);
        assert!(
            !said.iter().any(|line| line.starts_with("close")),
            "{late}: {said:?}"
        );
        let said = driver.feed(make::PINGRESP);
        assert!(said.is_empty(), "{said:?}");
        assert!(driver.machine.is_connected());
        // Without it, the chance is a short one, and the only one.
        let mut driver = connected(10);
        assert_eq!(driver.tick(9_750), ["> PINGREQ"]);
        let _ = driver.tick(10_000 + late);
        let _ = driver.tick(0);
        let mut said = nothing();
        while said.is_empty() || said == ["> PINGREQ"] {
            let wait = driver.deadline().expect("it ends");
            assert!(wait <= 1_000);
            said = driver.tick(wait);
        }
        assert_eq!(said, ["close TimedOut(PingResp)"], "{late}");
        judged += 2;
    }
    judged
}

/// Section 3.1.2.10: a Client that sends all the time asks, too, when nothing comes.
fn a_server_that_is_silent_is_noticed_while_messages_are_sent() -> u64 {
    let mut judged = 0;
    for keep_alive in [1_u16, 2, 10, 60, 600] {
        for every in [100, 333, 999] {
            let mut driver = connected(keep_alive);
            let began = driver.now;
            let mut said = nothing();
            while !said.iter().any(|line| line.starts_with("close")) {
                driver.wait(every);
                let _ = driver.publish(0, "a", "");
                said = driver.tick(0);
                let limit = Duration::from_secs(u64::from(keep_alive) + 15);
                assert!(began.until(driver.now) <= limit, "{keep_alive} s");
            }
            judged += 1;
        }
    }
    judged
}

/// Sections 3.1.2.10, 3.12: a PINGREQ of the application is answered by its own PINGRESP, whatever was asked before.
fn each_ping_of_the_application_has_its_answer() -> u64 {
    let mut judged = 0;
    for automatic in 0..4_u64 {
        for asked in 1..5_u64 {
            let config = ClientConfig {
                pingresp_timeout: Duration::from_secs(600),
                ping_margin: Duration::ZERO,
                ..ClientConfig::default()
            };
            let mut driver = Driver::with(config, Session::of_client(SessionConfig::default()));
            let _ = driver.connect(&Connect {
                keep_alive: 10,
                ..connect_with(KEEPS)
            });
            let _ = driver.feed(&make::connack(false, ReasonCode::Success, &[]));
            for _ in 0..automatic {
                assert_eq!(driver.tick(10_000), ["> PINGREQ"]);
            }
            for _ in 0..asked {
                driver.machine.ping().unwrap();
                assert_eq!(driver.settle(), ["> PINGREQ"]);
                driver.wait(100);
            }
            for _ in 0..automatic {
                assert_eq!(driver.feed(make::PINGRESP), nothing());
            }
            for n in 0..asked {
                let expected = format!("pong after {} ms", 100 * (asked - n));
                assert_eq!(driver.feed(make::PINGRESP), [expected]);
            }
            assert_eq!(driver.feed(make::PINGRESP), nothing());
            judged += automatic + asked;
        }
    }
    judged
}

/// Nothing grows without limit.
fn pings_of_the_application_are_limited() {
    let mut driver = connected(0);
    for _ in 0..16 {
        driver.machine.ping().unwrap();
    }
    assert_eq!(driver.machine.ping(), Err(SendError::TooManyPings));
    assert_eq!(driver.settle().len(), 16);
    assert_eq!(driver.feed(make::PINGRESP), ["pong after 0 ms"]);
    assert_eq!(driver.machine.ping(), Ok(()));
    let _ = driver.lose();
    assert_eq!(driver.machine.ping(), Err(SendError::NotConnected));
    // MQTT-3.1.2-30
    let method = [Property::AuthenticationMethod(Text::new("m").unwrap())];
    let _ = driver.connect(&connect_with(&method));
    assert_eq!(driver.machine.ping(), Err(SendError::NotExpected));
}

/// Section 3.1.2.10: "irrespective of the Keep Alive value".
fn a_ping_is_possible_with_keep_alive_0() {
    let mut driver = connected(0);
    driver.machine.ping().unwrap();
    assert_eq!(driver.settle(), ["> PINGREQ"]);
    driver.wait(42);
    assert_eq!(driver.feed(make::PINGRESP), ["pong after 42 ms"]);
    assert_eq!(driver.deadline(), None);
    driver.machine.ping().unwrap();
    assert_eq!(driver.settle(), ["> PINGREQ"]);
    assert_eq!(driver.tick(9_999), nothing());
    assert_eq!(driver.tick(1), ["close TimedOut(PingResp)"]);
}

/// A clock that goes back: no deadline is further away than its interval, whatever notices it first.
fn a_clock_that_goes_back_puts_nothing_off() -> u64 {
    let mut judged = 0;
    let calls: [fn(&mut Client, Instant); 3] = [
        |client, now| {
            let _ = client.poll(now, &mut Vec::new());
        },
        |client, now| {
            let _ = client.receive(now, &mut &[][..]);
        },
        |client, now| client.handle_timeout(now),
    ];
    for back in [0, 1, 500, 20_000, 999_000, 1_000_000] {
        for (n, call) in calls.iter().enumerate() {
            for asks in [false, true] {
                let mut driver = connected(10);
                driver.wait(500);
                let _ = driver.subscribe(&["a"]);
                if asks {
                    driver.machine.ping().unwrap();
                    let _ = driver.settle();
                }
                driver.now = Instant::from_millis(driver.now.as_millis().saturating_sub(back));
                call(&mut driver.machine, driver.now);
                let wait = driver.deadline().expect("a Keep Alive");
                assert!(wait <= 10_000, "{n}: {back} ms back: {wait}");
                let mut said = nothing();
                for _ in 0..4 {
                    said = driver.tick(driver.deadline().unwrap());
                    if said.iter().any(|line| line.starts_with("close")) {
                        break;
                    }
                }
                let last = said.last().map(String::as_str);
                assert_eq!(
                    last,
                    Some("close TimedOut(PingResp)"),
                    "{n}: {back} ms back"
                );
                judged += 1;
            }
        }
    }
    judged
}

/// A SUBSCRIBE or UNSUBSCRIBE that is not answered ends, once, in its time; the connection goes on.
fn requests_have_their_time() -> u64 {
    let mut judged = 0;
    for timeout in [1, 999, 30_000, 3_600_000] {
        for answered in 0..3_usize {
            let config = ClientConfig {
                request_timeout: Duration::from_millis(timeout),
                ..ClientConfig::default()
            };
            let mut driver = Driver::with(config, Session::of_client(SessionConfig::default()));
            let _ = driver.reconnect(KEEPS, false, &[]);
            let _ = driver.subscribe(&["a"]);
            let _ = driver.subscribe(&["b"]);
            let _ = driver.unsubscribe(&["c"]);
            // In any order.
            let answers: [&[u8]; 3] = [
                &[0x90, 4, 0, 2, 0, 0],
                &[0xB0, 4, 0, 3, 0, 0],
                &[0x90, 4, 0, 1, 0, 0],
            ];
            for answer in &answers[..answered] {
                assert_eq!(driver.feed(answer).len(), 1);
            }
            assert_eq!(driver.deadline(), Some(timeout));
            assert_eq!(driver.tick(timeout - 1), nothing());
            let expected: &[&str] = match answered {
                0 => &["t1 TimedOut", "t2 TimedOut", "t3 TimedOut"],
                1 => &["t1 TimedOut", "t3 TimedOut"],
                _ => &["t1 TimedOut"],
            };
            assert_eq!(driver.tick(1), expected);
            assert_eq!(driver.deadline(), None);
            assert!(driver.machine.is_connected());
            // Each had its outcome.
            assert_eq!(driver.lose(), nothing());
            judged += 3;
        }
    }
    judged
}

/// MQTT-2.2.1-3: the identifier of a request is in use until it is answered, however late.
fn the_late_answer_of_a_request_frees_its_identifier() {
    let mut driver = Driver::connected();
    let _ = driver.subscribe(&["a"]);
    assert_eq!(driver.tick(30_000), ["t1 TimedOut"]);
    assert_eq!(driver.publish(1, "a", ""), ["> PUBLISH q1 #2 a \"\""]);
    assert_eq!(driver.feed(&[0x90, 4, 0, 1, 0, 0]), nothing());
    // Now it is not in use.
    let said = driver.feed(&[0x90, 4, 0, 1, 0, 0]);
    assert_eq!(said, ["unknown SubAck #1"]);
}

/// Section 4.12.1: the wait for an AUTH that does not come ends, and the Server gets a DISCONNECT.
fn re_authentication_has_its_time() {
    let method = Property::AuthenticationMethod(Text::new("m").unwrap());
    let connect = [method, Property::SessionExpiryInterval(u32::MAX)];
    let mut driver = Driver::new().go(&connect, false, &[method]);
    driver.machine.re_authenticate(&[]).unwrap();
    driver.wait(100_000);
    // Nobody polled.
    driver.machine.handle_timeout(driver.now);
    assert_eq!(driver.settle().len(), 1);
    assert_eq!(driver.tick(29_999), nothing());
    let said = driver.tick(1);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("> DISCONNECT"), "{said:?}");
    assert_eq!(said[1], "close TimedOut(Auth)");
}

/// A Server that takes nothing does not keep the connection for ever, and Close is the last word even if no room comes.
fn a_server_that_takes_nothing_is_left() {
    let mut driver = connected(10);
    driver
        .accept(super::driver::publication(0, "a", "x", &[]))
        .unwrap();
    let mut none = [0_u8; 0];
    let output = driver.machine.poll(driver.now, &mut &mut none[..]);
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
    let wait = driver.deadline().expect("a limit");
    assert!((30_000..=120_000).contains(&wait), "{wait}");
    driver.wait(wait - 1);
    driver.machine.handle_timeout(driver.now);
    assert!(driver.machine.is_connected());
    driver.wait(1);
    driver.machine.handle_timeout(driver.now);
    let output = driver.machine.poll(driver.now, &mut &mut none[..]);
    let cause = Cause::TimedOut(Awaited::Room);
    assert_eq!(output, Some(Output::Close(cause)));
}
