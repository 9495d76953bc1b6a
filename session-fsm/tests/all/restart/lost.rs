//! Packet Identifiers of messages with QoS 2 that were sent and then given up: the peer may hold them.

use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::{Change, Limits, Publication, QueuedMessage, Session};

use super::link::{By, EVERY_WAY, Link, config, id, limits};

/// Large messages with QoS 2 are sent, their PUBRECs lost, and the next connection does not take them again.
fn with_lost(messages: usize) -> Link {
    let mut link = Link::new();
    link.connect(Limits::NONE, false);
    for _ in 0..messages {
        link.publish(Qos::ExactlyOnce, 200);
    }
    link.up();
    assert_eq!(link.delivered.len(), messages);
    link.connect(limits(60), false);
    assert_eq!(link.outcomes.len(), messages);
    assert!(link.outcomes.iter().all(|(_, it)| it == "Indeterminate"));
    link
}

/// The server would take a message with such an identifier for a duplicate, and the sender would report Success.
#[test]
fn a_lost_identifier_is_not_used_after_a_restart() {
    for by in EVERY_WAY {
        let mut link = with_lost(1);
        link.restart(by);
        link.connect(limits(60), false);
        let token = link.publish(Qos::ExactlyOnce, 1);
        link.exchange();
        let (of, outcome) = link.outcomes.last().unwrap();
        assert_eq!(*of, token, "{by:?}");
        assert!(outcome.starts_with("PubComp(Success"), "{by:?}: {outcome}");
        assert_eq!(link.delivered, [200, 1], "{by:?}: told as delivered");
    }
}

#[test]
fn it_is_announced_as_lost_and_not_as_free() {
    let link = with_lost(2);
    let lost = |number| Change::Lost {
        packet_identifier: id(number),
    };
    let ends = |change: &&Change| matches!(change, Change::Lost { .. } | Change::Finished { .. });
    let announced: Vec<_> = link.log.iter().filter(ends).cloned().collect();
    assert_eq!(announced, [lost(1), lost(2)]);
    assert_eq!(link.client.session().lost_identifiers(), 2);
}

/// Messages with QoS 1 may be delivered twice, and one that was never sent is unknown to the peer.
#[test]
fn other_identifiers_are_not_lost() {
    let mut link = Link::new();
    link.connect(Limits::NONE, false);
    link.publish(Qos::AtLeastOnce, 200);
    link.up();
    link.publish(Qos::ExactlyOnce, 200);
    link.connect(limits(60), false);
    assert_eq!(link.outcomes.len(), 2);
    assert_eq!(link.client.session().lost_identifiers(), 0);
}

/// Stored again and again, they stay; and a Session that has some takes changes of others.
#[test]
fn lost_identifiers_outlive_every_restart() {
    let mut link = with_lost(3);
    for round in 0..4 {
        link.restart(if round % 2 == 0 { By::Log } else { By::Export });
        assert_eq!(link.client.session().lost_identifiers(), 3);
        link.connect(limits(60), false);
        let token = link.publish(Qos::ExactlyOnce, 1 + round);
        link.up();
        assert_eq!(link.delivered.last(), Some(&(1 + round)), "{token:?}");
        // It is in flight at the next restart, in the even rounds.
        if round % 2 == 1 {
            link.exchange();
        }
    }
    let stored = link.stored();
    assert_eq!(stored.export(), {
        let live = link.client.session().export();
        Session::restore(super::link::NOW, &live, config())
            .unwrap()
            .export()
    });
}

/// The peer forgets them with the Session, and so does this side.
#[test]
fn they_end_with_the_session() {
    for by in EVERY_WAY {
        let mut link = with_lost(2);
        link.connect(Limits::NONE, true);
        link.restart(by);
        assert_eq!(link.client.session().lost_identifiers(), 0, "{by:?}");
        link.connect(Limits::NONE, false);
        link.publish(Qos::ExactlyOnce, 7);
        link.exchange();
        assert_eq!(link.delivered.last(), Some(&7));
        assert!(link.log.iter().any(
            |change| matches!(change, Change::Sent { packet_identifier, .. } if *packet_identifier == id(1))
        ));
    }
}

/// There are 65,535 identifiers: when all are lost, messages wait, and nothing grows.
#[test]
fn all_may_be_lost() {
    let mut session = Session::of_client(config());
    let now = super::link::NOW;
    let connected = Change::Connected {
        client_identifier: "c".into(),
        expiry_interval: u32::MAX,
    };
    session.apply(now, &connected).unwrap();
    let mut token = 0;
    let mut lose = |session: &mut Session, number: u16| {
        token += 1;
        let token = mqtt5_session_fsm::Token::from_number(token);
        let accepted = Change::Accepted {
            message: QueuedMessage::new(
                token,
                Publication::new(Qos::ExactlyOnce, super::link::message(1)),
            ),
            deadline: None,
        };
        let sent = Change::Sent {
            token,
            packet_identifier: id(number),
        };
        let lost = Change::Lost {
            packet_identifier: id(number),
        };
        for change in [accepted, sent, lost] {
            session.apply(now, &change).unwrap();
        }
    };
    for number in (1..=u16::MAX).rev() {
        lose(&mut session, number);
    }
    assert_eq!(session.lost_identifiers(), u16::MAX);
    let export = session.export();
    let again = Session::restore(now, &export, config()).unwrap();
    assert_eq!(again.export(), export);
    assert_eq!(again, session);

    let mut link = Link::new();
    link.client = mqtt5_session_fsm::Client::new(Default::default(), again);
    link.server = mqtt5_session_fsm::Server::new(now, Default::default());
    // The Server has the Session, too.
    let mut of_server = Session::of_server("c", config());
    of_server.apply(now, &connected).unwrap();
    link.kept = Some(of_server);
    link.connect(Limits::NONE, false);
    link.publish(Qos::AtLeastOnce, 3);
    link.exchange();
    assert_eq!(link.client.session().waiting(), 1);
    assert_eq!(link.delivered, []);
    link.connect(Limits::NONE, true);
    link.exchange();
    assert_eq!(link.delivered, [3]);
}
