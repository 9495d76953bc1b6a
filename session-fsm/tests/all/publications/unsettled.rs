//! What of the application's is in a Session, and taking it back.

use mqtt5_session_fsm::codec::{
    Packet, PacketIdentifier, Properties, ProtocolVersion, Qos, Subscription, SubscriptionOptions,
    Subscriptions, TopicFilter, TopicFilters,
};
use mqtt5_session_fsm::{
    Change, Event, MessageState, Output, Publication, UnsettledKind, WithdrawError,
};

use super::{EVERY_QOS, at, client, connect, drain, message, publication};

/// Token, what it is, its payload, how far it is.
fn list(session: &mqtt5_session_fsm::Session) -> Vec<(u64, String)> {
    session
        .unsettled()
        .map(|it| {
            let text = match it.kind {
                UnsettledKind::Message {
                    qos,
                    message,
                    state,
                } => {
                    let payload = message.map(|it| it.publish().payload.to_vec());
                    let payload = payload.map(|it| String::from_utf8(it).unwrap());
                    let payload = payload.unwrap_or_else(|| "-".into());
                    match state {
                        MessageState::Waiting => format!("{} {payload} waits", qos as u8),
                        MessageState::InFlight {
                            packet_identifier,
                            sent,
                        } => {
                            let sent = if sent { "sent" } else { "unsent" };
                            format!("{} {payload} #{packet_identifier} {sent}", qos as u8)
                        }
                        MessageState::Released { packet_identifier } => {
                            format!("{} {payload} #{packet_identifier} released", qos as u8)
                        }
                    }
                }
                UnsettledKind::Subscribe { filters, .. } => format!("subscribe {filters}"),
                UnsettledKind::Unsubscribe { filters, .. } => format!("unsubscribe {filters}"),
                other => panic!("{other:?}"),
            };
            (it.token.number(), text)
        })
        .collect()
}

#[test]
fn everything_is_listed_with_its_state() {
    let mut client = client();
    connect(&mut client, at(0), 3);
    let publish = |client: &mut mqtt5_session_fsm::Client, qos, payload: &str| {
        let publication = Publication::new(qos, message(payload.as_bytes()));
        client.publish(at(0), publication).unwrap()
    };
    publish(&mut client, Qos::ExactlyOnce, "one");
    publish(&mut client, Qos::ExactlyOnce, "two");
    drain(&mut client, at(0));
    assert_eq!(client.receive(at(0), &mut &[0x50, 2, 0, 1][..]), None);
    drain(&mut client, at(0));
    publish(&mut client, Qos::AtLeastOnce, "three");
    publish(&mut client, Qos::AtLeastOnce, "four");
    publish(&mut client, Qos::AtMostOnce, "five");
    let filters = [
        TopicFilter::new("a/#").unwrap(),
        TopicFilter::new("b").unwrap(),
    ];
    let subscriptions = filters.map(|filter| Subscription {
        filter,
        options: SubscriptionOptions::default(),
    });
    client
        .subscribe(
            Properties::EMPTY,
            Subscriptions::new(&subscriptions).unwrap(),
        )
        .unwrap();
    let expected = [
        (1, "2 - #1 released"),
        (2, "2 two #2 sent"),
        (3, "1 three #3 unsent"),
        (6, "subscribe 2"),
        (4, "1 four waits"),
        (5, "0 five waits"),
    ];
    let expected = expected.map(|(token, text)| (token, text.to_string()));
    assert_eq!(list(client.session()), expected);
    // The list and the counters agree.
    let session = client.session();
    assert_eq!((session.in_flight(), session.waiting()), (3, 2));
}

#[test]
fn what_waits_is_withdrawn() {
    for qos in EVERY_QOS {
        let mut client = client();
        let first = client.publish(at(0), publication(qos)).unwrap();
        let second = client.publish(at(0), publication(qos)).unwrap();
        assert_eq!(client.withdraw(second), Ok(()));
        assert_eq!(client.withdraw(second), Err(WithdrawError::Unknown));
        let mut changes = Vec::new();
        let mut said = Vec::new();
        while let Some(output) = client.poll(at(0), &mut Vec::new()) {
            match output {
                Output::Persist(change) => changes.push(change),
                Output::Event(Event::Outcome(token, outcome)) => {
                    said.push((token, format!("{outcome:?}")));
                }
                _ => {}
            }
        }
        assert_eq!(said, [(second, "Withdrawn".to_string())]);
        let dropped = Change::Dropped { token: second };
        assert_eq!(changes.contains(&dropped), qos != Qos::AtMostOnce);
        let tokens: Vec<_> = client.session().unsettled().map(|it| it.token).collect();
        assert_eq!(tokens, [first]);
        assert_eq!(client.session().waiting(), 1);
    }
}

/// It has an identifier, but was never written. The ones around it are sent.
#[test]
fn what_was_not_written_is_withdrawn() {
    for which in 0..3 {
        let mut client = client();
        connect(&mut client, at(0), 10);
        let tokens = ["1", "2", "3"].map(|payload| {
            let publication = Publication::new(Qos::ExactlyOnce, message(payload.as_bytes()));
            client.publish(at(0), publication).unwrap()
        });
        assert_eq!(client.withdraw(tokens[which]), Ok(()));
        let mut wire = Vec::new();
        while client.poll(at(0), &mut wire).is_some() {}
        let mut payloads = Vec::new();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let (packet, length) = (
                Packet::decode(ProtocolVersion::V5_0, &rest[..2 + usize::from(rest[1])]),
                2 + usize::from(rest[1]),
            );
            if let Ok(Packet::Publish(publish)) = packet {
                payloads.push(publish.payload.to_vec());
            }
            rest = &rest[length..];
        }
        let mut expected = vec![b"1".to_vec(), b"2".to_vec(), b"3".to_vec()];
        expected.remove(which);
        assert_eq!(payloads, expected);
        // Now they are written.
        for (index, token) in tokens.into_iter().enumerate() {
            let error = if index == which {
                WithdrawError::Unknown
            } else {
                WithdrawError::Sent
            };
            assert_eq!(client.withdraw(token), Err(error));
        }
    }
}

/// A log of the changes must not keep it in flight.
#[test]
fn the_end_of_what_was_not_written_is_announced() {
    let mut client = client();
    connect(&mut client, at(0), 10);
    let token = client
        .publish(at(0), publication(Qos::ExactlyOnce))
        .unwrap();
    assert_eq!(client.withdraw(token), Ok(()));
    let mut changes = Vec::new();
    while let Some(output) = client.poll(at(0), &mut Vec::new()) {
        if let Output::Persist(change) = output {
            changes.push(change);
        }
    }
    let packet_identifier = PacketIdentifier::MIN;
    let sent = Change::Sent {
        token,
        packet_identifier,
    };
    assert_eq!(changes[1..], [sent, Change::Finished { packet_identifier }]);
}

#[test]
fn what_was_sent_is_not_withdrawn() {
    let mut client = client();
    connect(&mut client, at(0), 10);
    let token = client
        .publish(at(0), publication(Qos::ExactlyOnce))
        .unwrap();
    drain(&mut client, at(0));
    assert_eq!(client.withdraw(token), Err(WithdrawError::Sent));
    // Not on another connection, either, before it was written there.
    client.connection_lost(at(1));
    assert_eq!(client.withdraw(token), Err(WithdrawError::Sent));
    connect(&mut client, at(1), 10);
    assert_eq!(client.withdraw(token), Err(WithdrawError::Sent));
    assert_eq!(client.receive(at(1), &mut &[0x50, 2, 0, 1][..]), None);
    drain(&mut client, at(1));
    assert_eq!(client.withdraw(token), Err(WithdrawError::Sent));
    let event = client.receive(at(1), &mut &[0x70, 2, 0, 1][..]);
    assert!(matches!(event, Some(Event::Outcome(..))));
    assert_eq!(client.withdraw(token), Err(WithdrawError::Unknown));
}

/// A SUBSCRIBE is no message.
#[test]
fn requests_are_not_withdrawn() {
    let mut client = client();
    connect(&mut client, at(0), 10);
    let filters = [TopicFilter::new("a").unwrap()];
    let token = client
        .unsubscribe(Properties::EMPTY, TopicFilters::new(&filters).unwrap())
        .unwrap();
    assert_eq!(
        list(client.session()),
        [(token.number(), "unsubscribe 1".to_string())]
    );
    assert_eq!(client.withdraw(token), Err(WithdrawError::Unknown));
}
