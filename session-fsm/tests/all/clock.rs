//! Time limits of a Client and of a Server when the caller's clock goes back, when the caller is late, when it cannot
//! read, and while a packet comes in parts: no deadline moves further away than its interval, and the peer loses no time
//! that was not its own.

mod back;
mod late;
mod parts;
mod room;

use core::time::Duration;

use mqtt5_session_fsm::codec::{Connect, Properties, Property, Qos, Text};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Output, PacketTimeouts, Publication, Server, ServerConfig,
};

use crate::machines::{self, connack, connected_server, named, settle};

/// Long after the origin, so that there is a past.
const START: Instant = Instant::from_millis(1_000_000_000);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
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

/// Polls with no room at all.
fn poll_without_room(client: &mut Client, now: Instant) {
    let mut none = [0_u8; 0];
    let output = client.poll(now, &mut &mut none[..]);
    assert!(matches!(output, Some(Output::NeedsRoom(_))), "{output:?}");
}

/// The caller has no room from one time to another, in milliseconds after the start. Returns the next deadline.
fn blocked(client: &mut Client, from: u64, to: u64) -> Duration {
    let at = |time| START + milliseconds(time);
    let publication = Publication::of("a", b"on", Qos::AtMostOnce).unwrap();
    client.publish(at(from), publication).unwrap();
    poll_without_room(client, at(from));
    while client.poll(at(to), &mut Vec::new()).is_some() {}
    START.until(client.next_timeout())
}

/// The beginning of a large packet is offered, of which nothing can be taken.
fn offer(client: &mut Client, now: Instant, bytes: usize) {
    let all = large();
    let mut input = &all[..bytes];
    assert_eq!(client.receive(now, &mut input), None);
    assert_eq!(input.len(), bytes);
}
