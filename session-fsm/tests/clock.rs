//! Time limits of a Client and of a Server when the caller's clock goes back, when the caller is late, and when it cannot
//! read: no deadline moves further away than its interval, and the peer loses no time that was not its own.

mod machines;

use core::time::Duration;

use mqtt5_session_fsm::codec::bytes::BytesMut;
use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, SplitterOutput, StreamSplitter};
use mqtt5_session_fsm::codec::{
    Connect, Message, Properties, Property, Publish, Qos, Text, TopicName,
};
use mqtt5_session_fsm::{
    Awaited, Cause, Client, ClientConfig, Event, Instant, Output, PacketTimeouts, Publication,
    Server, ServerConfig,
};
use proptest::collection::vec;
use proptest::prelude::*;

use machines::{connack, connected_server, named, settle};

/// Long after the origin, so that there is a past.
const START: Instant = Instant::from_millis(1_000_000_000);
/// More than any interval of these machines, with the bytes of a packet at the minimum rate.
const LONGEST: Duration = Duration::from_secs(200);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn packet() -> PacketTimeouts {
    PacketTimeouts {
        stall: seconds(20),
        grace: seconds(50),
        minimum_rate: 1_000,
        longest: seconds(60),
    }
}

fn client_config() -> ClientConfig {
    ClientConfig {
        packet: packet(),
        ..ClientConfig::default()
    }
}

fn connect_packet<'a>(keep_alive: u16, properties: &'a [Property<'a>]) -> Connect<'a> {
    Connect {
        keep_alive,
        properties: Properties::new(properties).unwrap(),
        ..named("c")
    }
}

fn method() -> [Property<'static>; 1] {
    [Property::AuthenticationMethod(Text::new("m").unwrap())]
}

/// A Client with an Authentication Method.
fn client(keep_alive: u16) -> Client {
    let mut client = machines::client(client_config());
    machines::connect(&mut client, START, &connect_packet(keep_alive, &method()));
    machines::accept(&mut client, START, &connack(&[0x15, 0, 1, b'm']));
    client
}

fn server() -> Server {
    let config = ServerConfig {
        packet: packet(),
        ..ServerConfig::default()
    };
    connected_server(config, START, &connect_packet(10, &method()))
}

/// A PUBLISH with 40,000 bytes of payload, of which parts come.
fn large() -> Vec<u8> {
    let mut packet = vec![0x30, 0xC4, 0xB8, 0x02, 0, 1, b'a', 0];
    packet.resize(5 + 40_000, 0);
    packet
}

#[derive(Clone, Debug)]
enum Step {
    Publish,
    /// With a Message Expiry Interval of 50 s.
    PublishExpiring,
    Subscribe,
    Ping,
    Authenticate,
    /// With this much room.
    Poll(usize),
    /// More of the large packet is offered.
    Offer(usize),
    BytesWaiting,
    Pass(u64),
    Timeout,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Publish),
        Just(Step::PublishExpiring),
        Just(Step::Subscribe),
        Just(Step::Ping),
        Just(Step::Authenticate),
        prop_oneof![Just(0), Just(4), Just(1_000)].prop_map(Step::Poll),
        (0_usize..20_000).prop_map(Step::Offer),
        Just(Step::BytesWaiting),
        (0_u64..12_000).prop_map(Step::Pass),
        Just(Step::Timeout),
    ]
}

/// What both machines have.
macro_rules! common_steps {
    ($machine:ident, $now:ident, $offered:ident, $step:expr) => {
        match $step {
            Step::Publish => {
                let publication = Publication::of("a", b"on", Qos::AtLeastOnce).unwrap();
                let _ = $machine.publish($now, publication);
            }
            Step::PublishExpiring => {
                let expiry = [Property::MessageExpiryInterval(50)];
                let publish = Publish {
                    properties: Properties::new(&expiry).unwrap(),
                    ..Publish::new(TopicName::new("a").unwrap(), b"on")
                };
                let message = Message::new(&publish).unwrap();
                let _ = $machine.publish($now, Publication::new(Qos::AtLeastOnce, message));
            }
            Step::Poll(room) => {
                let mut wire = vec![0; *room];
                let mut wire = &mut wire[..];
                while let Some(output) = $machine.poll($now, &mut wire) {
                    if let Output::NeedsRoom(_) = output {
                        break;
                    }
                }
            }
            Step::Offer(bytes) => {
                $offered = ($offered + bytes).min(39_000);
                let all = large();
                let mut input = &all[..$offered];
                assert_eq!($machine.receive($now, &mut input), None);
                // What is incomplete stays.
                assert_eq!(
                    input.len(),
                    if $machine.is_connected() { $offered } else { 0 }
                );
            }
            Step::BytesWaiting => $machine.bytes_waiting($now),
            Step::Pass(milliseconds) => $now += Duration::from_millis(*milliseconds),
            Step::Timeout => $machine.handle_timeout($now),
            _ => {}
        }
    };
}

proptest! {
    /// A clock that goes back by hours moves no deadline of a Client further away than its interval.
    #[test]
    fn a_clients_deadlines_stay_near(
        keep_alive in prop_oneof![Just(0), Just(10)],
        steps in vec(step(), 0..40),
        back in 3_600_u64..100_000,
    ) {
        let (mut client, mut now, mut offered) = (client(keep_alive), START, 0);
        for step in &steps {
            match step {
                Step::Subscribe => drop(client.subscribe_to("a", Qos::AtMostOnce)),
                Step::Ping => drop(client.ping()),
                Step::Authenticate => drop(client.re_authenticate(&[])),
                step => common_steps!(client, now, offered, step),
            }
        }
        let earlier = Instant::from_millis(now.as_millis() - back * 1_000);
        client.handle_timeout(earlier);
        let due = client.next_timeout();
        prop_assert!(due == Instant::NEVER || due <= earlier + LONGEST, "{due:?} {earlier:?}");
        // And those that come up after others have passed.
        let mut now = earlier;
        for _ in 0..20 {
            let due = client.next_timeout();
            if due == Instant::NEVER {
                break;
            }
            prop_assert!(due <= now + LONGEST, "{due:?} {now:?}");
            now = due.max(now);
            client.handle_timeout(now);
            while client.poll(now, &mut Vec::new()).is_some() {}
        }
    }

    /// The same of a Server.
    #[test]
    fn a_servers_deadlines_stay_near(steps in vec(step(), 0..40), back in 3_600_u64..100_000) {
        let (mut server, mut now, mut offered) = (server(), START, 0);
        for step in &steps {
            common_steps!(server, now, offered, step);
        }
        let mut now = Instant::from_millis(now.as_millis() - back * 1_000);
        server.handle_timeout(now);
        for _ in 0..20 {
            let due = server.next_timeout();
            if due == Instant::NEVER {
                break;
            }
            prop_assert!(due <= now + LONGEST, "{due:?} {now:?}");
            now = due.max(now);
            server.handle_timeout(now);
            while server.poll(now, &mut Vec::new()).is_some() {}
        }
    }
}

/// What the Server owes the Client, asked at the start; and when it must be there.
fn asked() -> Vec<(&'static str, Client, Duration)> {
    let mut ping = client(0);
    ping.ping().unwrap();
    settle(&mut ping, START);
    let mut authentication = client(0);
    authentication.re_authenticate(&[]).unwrap();
    settle(&mut authentication, START);
    let mut request = client(0);
    request.subscribe_to("a", Qos::AtMostOnce).unwrap();
    settle(&mut request, START);
    vec![
        ("PINGRESP", ping, client_config().pingresp_timeout),
        (
            "AUTH",
            authentication,
            client_config().authentication_timeout,
        ),
        ("SUBACK", request, client_config().request_timeout),
    ]
}

/// Calls the Client when it wants, until it closes the connection or reports an outcome.
fn gives_up(client: &mut Client) -> Instant {
    for _ in 0..100 {
        let now = client.next_timeout();
        client.handle_timeout(now);
        let mut outputs = core::iter::from_fn(|| client.poll(now, &mut Vec::new()));
        if outputs.any(|it| matches!(it, Output::Close(_) | Output::Event(Event::Outcome(..)))) {
            return now;
        }
    }
    panic!("it never gives up");
}

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

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
                let last = core::iter::from_fn(|| client.poll(end, &mut Vec::new())).last();
                assert_eq!(last, Some(Output::Close(Cause::TimedOut(Awaited::Room))));
            }
        }
    }
}

/// A packet in parts: it has its grace and the time of its bytes from its beginning, and each silence is limited.
#[test]
fn a_packet_in_parts_has_its_time() {
    let all = large();
    let mut client = client(0);
    let at = |second: u64| START + seconds(second);
    let offer = |client: &mut Client, second, bytes| {
        let mut input = &all[..bytes];
        assert_eq!(client.receive(at(second), &mut input), None);
        assert_eq!(input.len(), bytes);
    };
    offer(&mut client, 0, 1_000);
    // 20 s of silence at most.
    assert_eq!(client.next_timeout(), at(20));
    // The same bytes again are no news: the silence goes on.
    offer(&mut client, 15, 1_000);
    let mut silent = client.clone();
    silent.handle_timeout(at(20));
    assert!(!silent.is_connected());
    // One more byte every 15 seconds: it must be complete 50 s after it began, and 3 s for its bytes.
    for (second, bytes) in [(15, 2_000), (30, 2_500), (45, 3_000)] {
        offer(&mut client, second, bytes);
    }
    let mut now = at(45);
    while client.is_connected() {
        now = client.next_timeout();
        client.handle_timeout(now);
        while client.poll(now, &mut Vec::new()).is_some() {}
    }
    assert_eq!(now, at(53));
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
    all
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

/// A PINGREQ at the start, whose PINGRESP is due after 10 s, and the caller has no room from one time to another.
fn blocked(client: &mut Client, from: u64, to: u64) -> Duration {
    let at = |time| START + milliseconds(time);
    let publication = Publication::of("a", b"on", Qos::AtMostOnce).unwrap();
    client.publish(at(from), publication).unwrap();
    let mut none = [0_u8; 0];
    let output = client.poll(at(from), &mut &mut none[..]);
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
    while client.poll(at(to), &mut Vec::new()).is_some() {}
    START.until(client.next_timeout())
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

/// A message in pieces has the time of its bytes, too, and no more than the longest.
#[test]
fn a_message_in_pieces_has_the_time_of_its_bytes() {
    let mut client = client(0);
    let mut splitter = StreamSplitter::new(LARGEST_PACKET, 100);
    let all = large();
    let mut input = BytesMut::new();
    let mut rest = &all[..];
    for second in [0, 15, 30, 45] {
        let (part, after) = rest.split_at(9_000);
        rest = after;
        input.extend_from_slice(part);
        while let Ok(SplitterOutput::Ready(piece)) = splitter.next(&mut input) {
            let _ = client
                .handle_piece(START + seconds(second), &piece)
                .unwrap();
        }
    }
    // 50 s and 36 s for the bytes, but no more than 60 s; and 20 s after the last ones.
    assert_eq!(client.next_timeout(), START + seconds(60));
}
