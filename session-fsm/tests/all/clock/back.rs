//! The caller's clock goes back.

use core::time::Duration;

use mqtt5_session_fsm::codec::bytes::BytesMut;
use mqtt5_session_fsm::codec::framing::{LARGEST_PACKET, SplitterOutput, StreamSplitter};
use mqtt5_session_fsm::codec::{
    Message, Packet, Properties, Property, ProtocolVersion, Publish, Qos, TopicName,
};
use mqtt5_session_fsm::{Client, Event, Instant, Outcome, Output, Publication, ServerConfig};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{
    START, asked, blocked, client, connect_packet, gives_up, large, method, offer,
    poll_without_room, seconds, server,
};
use crate::machines::{connected_server, settle};

/// More than any interval of these machines, with the bytes of a packet at the minimum rate.
const LONGEST: Duration = Duration::from_secs(200);

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

/// An hour before the start.
fn earlier() -> Instant {
    Instant::from_millis(START.as_millis() - 3_600_000)
}

/// A clock that begins anew, after a time without room that was longer than it now shows.
#[test]
fn a_clock_that_begins_anew_moves_no_deadline_away() {
    let (_, mut client, interval) = asked().swap_remove(0);
    blocked(&mut client, 0, 100_000);
    let anew = Instant::from_millis(5_000);
    client.handle_timeout(anew);
    assert_eq!(client.next_timeout(), anew + interval);
}

/// The time without room is not the Server's, also if the clock went back meanwhile.
#[test]
fn a_clock_may_go_back_while_there_is_no_room() {
    let (_, mut client, interval) = asked().swap_remove(0);
    let publication = Publication::of("a", b"on", Qos::AtMostOnce).unwrap();
    client.publish(START, publication).unwrap();
    poll_without_room(&mut client, START);
    poll_without_room(&mut client, earlier());
    settle(&mut client, earlier() + seconds(3));
    assert_eq!(gives_up(&mut client), earlier() + seconds(3) + interval);
}

/// A packet in parts has its 50 seconds from now, and the time in which its bytes waited for the caller, of which that before
/// is forgotten.
#[test]
fn a_clock_may_go_back_while_a_packet_is_incomplete() {
    for (waits, end) in [(false, 53), (true, 65)] {
        let mut client = client(0);
        offer(&mut client, START, 1_000);
        if waits {
            client.bytes_waiting(START + seconds(5));
        }
        client.handle_timeout(earlier());
        for (second, bytes) in [(15, 2_000), (30, 2_500), (45, 3_000)] {
            offer(&mut client, earlier() + seconds(second), bytes);
        }
        assert_eq!(gives_up(&mut client), earlier() + seconds(end), "{waits}");
    }
}

/// Whichever call has the earlier time, a deadline of the peer is at once no further away than its interval.
#[test]
fn each_call_notices_that_the_clock_went_back() {
    type Call = (&'static str, fn(&mut Client, Instant));
    let calls: [Call; 5] = [
        ("bytes_waiting", |client, now| client.bytes_waiting(now)),
        ("handle", |client, now| {
            assert_eq!(client.handle(now, Packet::PingResp), Ok(None));
        }),
        ("handle_piece", |client, now| {
            let mut input = BytesMut::from(&[0xD0, 0][..]);
            let Ok(SplitterOutput::Ready(piece)) =
                StreamSplitter::new(LARGEST_PACKET, 100).next(ProtocolVersion::V5_0, &mut input)
            else {
                panic!()
            };
            assert_eq!(client.handle_piece(now, &piece), Ok(None));
        }),
        ("receive", |client, now| {
            assert_eq!(client.receive(now, &mut &[0xD0, 0][..]), None);
        }),
        ("poll", |client, now| drop(settle(client, now))),
    ];
    for (name, call) in calls {
        let (_, mut client, interval) = asked().swap_remove(1);
        call(&mut client, earlier());
        assert_eq!(client.next_timeout(), earlier() + interval, "{name}");
    }
    // The same of a Server, which waits for an AUTH.
    let config = ServerConfig::default();
    let mut server = connected_server(config, START, &connect_packet(0, &method()));
    let auth = [0xF0, 6, 0x19, 4, 0x15, 0, 1, b'm'];
    let event = server.receive(START, &mut &auth[..]);
    assert!(matches!(event, Some(Event::Authentication(_))), "{event:?}");
    server.authenticate(&[]).unwrap();
    assert_eq!(server.poll(START, &mut Vec::new()), None);
    server.bytes_waiting(earlier());
    let due = earlier() + config.authentication_timeout;
    assert_eq!(server.next_timeout(), due);
}

/// A message that waits expires, as seen from the earlier time, after its Message Expiry Interval at the latest.
#[test]
fn a_message_that_waits_expires_by_the_earlier_clock() {
    let mut client = client(0);
    let (mut now, mut offered) = (START, 0);
    common_steps!(client, now, offered, &Step::PublishExpiring);
    let mut none = [0_u8; 0];
    let output = client.poll(earlier(), &mut &mut none[..]);
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
    now = earlier() + seconds(50);
    let outputs: Vec<_> = core::iter::from_fn(|| client.poll(now, &mut Vec::new())).collect();
    let expired = |it: &Output| matches!(it, Output::Event(Event::Outcome(_, Outcome::Expired)));
    assert!(outputs.iter().any(expired), "{outputs:?}");
}
