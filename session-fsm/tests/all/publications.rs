//! What becomes of publications beside their delivery: refused ones come back, deadlines pass, waiting ones are
//! withdrawn, and all that are not settled can be listed.

mod deadlines;
// What is sent is stored and restored on the way.
#[cfg(feature = "persistence")]
mod fan_out;
mod refused;
mod unsettled;

use mqtt5_session_fsm::codec::{
    Connect, Message, Properties, Property, Publish, Qos, Text, TopicName,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, Output, Publication, Session, SessionConfig, Token,
    WaitingLimits,
};

const EVERY_QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

fn at(milliseconds: u64) -> Instant {
    Instant::from_millis(milliseconds)
}

fn message(payload: &[u8]) -> Message {
    Message::new(&Publish::new(TopicName::new("a").unwrap(), payload)).unwrap()
}

fn publication(qos: Qos) -> Publication {
    Publication::new(qos, message(b"x"))
}

fn config() -> SessionConfig {
    SessionConfig {
        persistent: true,
        waiting: WaitingLimits {
            messages: 100,
            ..WaitingLimits::default()
        },
        ..SessionConfig::default()
    }
}

fn client() -> Client {
    Client::new(ClientConfig::default(), Session::of_client(config()))
}

/// Connects; the Server's answer is written by hand, with Session Present as it has to be.
fn connect(client: &mut Client, now: Instant, receive_maximum: u8) {
    let list = [Property::SessionExpiryInterval(u32::MAX)];
    let connect = Connect {
        client_identifier: Text::new("c").unwrap(),
        properties: Properties::new(&list).unwrap(),
        ..Connect::default()
    };
    client.connect(now, &connect).unwrap();
    let present = u8::from(client.session().exists());
    drain(client, now);
    let connack = [0x20, 6, present, 0, 3, 0x21, 0, receive_maximum];
    let event = client.receive(now, &mut &connack[..]);
    assert!(matches!(event, Some(Event::Connected(_))));
    drain(client, now);
}

/// What the machine reports: outcomes, and what is overdue. What it writes is thrown away.
fn drain(client: &mut Client, now: Instant) -> Vec<(Token, String)> {
    let mut said = Vec::new();
    while let Some(output) = client.poll(now, &mut Vec::new()) {
        note(&output, &mut said);
    }
    said
}

fn note(output: &Output, said: &mut Vec<(Token, String)>) {
    match output {
        Output::Event(Event::Outcome(token, outcome)) => {
            said.push((*token, format!("{outcome:?}")))
        }
        Output::Event(Event::Overdue(token)) => said.push((*token, "overdue".into())),
        _ => {}
    }
}
