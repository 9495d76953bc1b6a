//! A publication that is refused comes back as it was.

use std::num::NonZeroU16;
use std::time::Duration;

use mqtt5_session_fsm::codec::{
    Connect, Message, Properties, Property, Publish, Qos, SubscriptionIdentifier, TopicName,
};
use mqtt5_session_fsm::{
    Client, ClientConfig, Event, Instant, LimitExceeded, Limits, Publication, PublishError,
    RefusedPublication, Server, ServerConfig, Session, SessionConfig, Token, WaitingLimits,
};

use super::{EVERY_QOS, connect, drain, message};

const NOW: Instant = Instant::ORIGIN;

fn narrow() -> SessionConfig {
    SessionConfig {
        waiting: WaitingLimits {
            messages: 1,
            bytes: 100,
            ..WaitingLimits::default()
        },
        ..SessionConfig::default()
    }
}

fn whole(qos: Qos, message: Message) -> Publication {
    Publication {
        topic_alias: NonZeroU16::new(3),
        deadline: Some(Duration::from_millis(7)),
        ..Publication::new(qos, message)
    }
}

/// Only a Server may send a Subscription Identifier.
fn invalid() -> Message {
    let list = [Property::SubscriptionIdentifier(
        SubscriptionIdentifier::MAX,
    )];
    Message::new(&Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(TopicName::new("a").unwrap(), b"")
    })
    .unwrap()
}

fn check(result: Result<Token, RefusedPublication>, error: PublishError, given: &Publication) {
    let refused = result.expect_err("it is refused");
    assert_eq!(refused.error, error);
    assert_eq!(refused.publication, *given, "{error}");
    assert_eq!(refused.to_string(), error.to_string());
    assert_eq!(PublishError::from(refused), error);
}

#[test]
fn a_session_gives_it_back() {
    for qos in EVERY_QOS {
        let mut session = Session::of_client(narrow());
        let large = whole(qos, message(&[0; 200]));
        check(
            session.publish(NOW, large.clone()),
            PublishError::TooLarge,
            &large,
        );
        session
            .publish(NOW, Publication::new(qos, message(b"1")))
            .unwrap();
        let second = whole(qos, message(b"2"));
        let before = session.waiting();
        check(
            session.publish(NOW, second.clone()),
            PublishError::Busy,
            &second,
        );
        assert_eq!(session.waiting(), before);
        // It is refused as a whole: nothing of it is due, either.
        assert_eq!(session.next_timeout(), Instant::NEVER);

        let mut ended = Session::of_server("c", narrow());
        check(
            ended.publish(NOW, second.clone()),
            PublishError::NoSession,
            &second,
        );
        let bad = whole(qos, invalid());
        let mut session = Session::of_client(narrow());
        let refused = session
            .publish(NOW, bad.clone())
            .expect_err("not a Client's");
        assert!(matches!(refused.error, PublishError::Invalid(_)));
        assert_eq!(refused.publication, bad);
    }
}

#[test]
fn machines_give_it_back() {
    for qos in EVERY_QOS {
        let mut client = Client::new(ClientConfig::default(), Session::of_client(narrow()));
        connect(&mut client, NOW, 10);
        // There are no aliases.
        let given = whole(qos, message(b"2"));
        let limit = PublishError::Forbidden(LimitExceeded::TopicAliasMaximum);
        check(client.publish(NOW, given.clone()), limit, &given);

        let mut server = Server::new(NOW, ServerConfig::default());
        check(
            server.publish(NOW, given.clone()),
            PublishError::NoSession,
            &given,
        );
        let mut wire = Vec::new();
        let list = [Property::MaximumPacketSize(40.try_into().unwrap())];
        let connect = Connect {
            client_identifier: mqtt5_session_fsm::codec::Text::new("c").unwrap(),
            properties: Properties::new(&list).unwrap(),
            ..Connect::default()
        };
        let mut client = Client::new(ClientConfig::default(), Session::of_client(narrow()));
        client.connect(NOW, &connect).unwrap();
        assert_eq!(client.poll(NOW, &mut wire), None);
        let event = server.receive(NOW, &mut &wire[..]);
        assert!(matches!(event, Some(Event::Connect(_))));
        server.accept(NOW, None, &[]).unwrap();
        let large = Publication {
            topic_alias: None,
            ..whole(qos, message(&[0; 50]))
        };
        let limit = PublishError::Forbidden(LimitExceeded::MaximumPacketSize);
        check(server.publish(NOW, large.clone()), limit, &large);
        assert_eq!(
            server.client_limits(),
            &Limits {
                maximum_packet_size: 40,
                ..Limits::NONE
            }
        );
    }
}

/// What was refused can be published as it came back.
#[test]
fn it_is_accepted_when_there_is_room() {
    let mut client = Client::new(ClientConfig::default(), Session::of_client(narrow()));
    client
        .publish(NOW, Publication::new(Qos::AtLeastOnce, message(b"1")))
        .unwrap();
    let second = Publication::new(Qos::AtLeastOnce, message(b"2"));
    let refused = client.publish(NOW, second).expect_err("no room");
    assert_eq!(refused.error, PublishError::Busy);
    connect(&mut client, NOW, 10);
    client.publish(NOW, refused.publication).unwrap();
    drain(&mut client, NOW);
    assert_eq!(client.session().in_flight(), 2);
}
