//! The deadline of a publication: what was not sent is withdrawn, what was sent is reported once and goes on.

use std::time::Duration;

use mqtt5_session_fsm::codec::Qos;
use mqtt5_session_fsm::{
    Change, Client, ClientConfig, Event, Instant, Output, Publication, Session, SessionConfig,
    Token,
};

use super::{EVERY_QOS, at, client, config, connect, drain, note, publication};

fn within(qos: Qos, milliseconds: u64) -> Publication {
    Publication {
        deadline: Some(Duration::from_millis(milliseconds)),
        ..publication(qos)
    }
}

/// For the first identifier.
const PUBACK: [u8; 4] = [0x40, 2, 0, 1];
const PUBREC: [u8; 4] = [0x50, 2, 0, 1];

fn timed_out(token: Token) -> Vec<(Token, String)> {
    vec![(token, "TimedOut".into())]
}

fn overdue(token: Token) -> Vec<(Token, String)> {
    vec![(token, "overdue".into())]
}

#[test]
fn what_waits_is_withdrawn_in_time_and_not_before() {
    for qos in EVERY_QOS {
        let mut client = client();
        let token = client.publish(at(50), within(qos, 1_000)).unwrap();
        let other = client.publish(at(50), publication(qos)).unwrap();
        assert_eq!(client.next_timeout(), at(1_050));
        client.handle_timeout(at(1_049));
        assert_eq!(drain(&mut client, at(1_049)), []);
        client.handle_timeout(at(1_050));
        assert_eq!(drain(&mut client, at(1_050)), timed_out(token));
        assert_eq!(client.session().waiting(), 1);
        assert_eq!(client.next_timeout(), Instant::NEVER);
        // The other one is sent.
        connect(&mut client, at(2_000), 10);
        let tokens: Vec<_> = client.session().unsettled().map(|it| it.token).collect();
        let expected = if qos == Qos::AtMostOnce {
            vec![]
        } else {
            vec![other]
        };
        assert_eq!(tokens, expected);
    }
}

/// The peer's Receive Maximum is used up: the second one waits, and its time runs.
#[test]
fn what_waits_for_the_receive_maximum_is_withdrawn() {
    let mut client = client();
    connect(&mut client, at(0), 1);
    let first = client
        .publish(at(0), within(Qos::AtLeastOnce, 500))
        .unwrap();
    let second = client
        .publish(at(0), within(Qos::AtLeastOnce, 400))
        .unwrap();
    assert_eq!(drain(&mut client, at(0)), []);
    client.handle_timeout(at(450));
    assert_eq!(drain(&mut client, at(450)), timed_out(second));
    client.handle_timeout(at(500));
    assert_eq!(drain(&mut client, at(500)), overdue(first));
}

#[test]
fn what_is_in_flight_is_reported_once_and_goes_on() {
    let puback: &[&[u8]] = &[&[0x40, 2, 0, 1]];
    let pubrec_and_pubcomp: &[&[u8]] = &[&[0x50, 2, 0, 1], &[0x70, 2, 0, 1]];
    for (qos, answers) in [
        (Qos::AtLeastOnce, puback),
        (Qos::ExactlyOnce, pubrec_and_pubcomp),
    ] {
        let mut client = client();
        connect(&mut client, at(0), 10);
        let token = client.publish(at(0), within(qos, 1_000)).unwrap();
        assert_eq!(drain(&mut client, at(0)), []);
        client.handle_timeout(at(1_000));
        assert_eq!(drain(&mut client, at(1_000)), overdue(token));
        for late in [1_001, 5_000] {
            client.handle_timeout(at(late));
            assert_eq!(drain(&mut client, at(late)), []);
        }
        // Over another connection, too.
        client.connection_lost(at(6_000));
        assert_eq!(drain(&mut client, at(6_000)), []);
        connect(&mut client, at(7_000), 10);
        let mut outcomes = 0;
        for answer in answers {
            let mut input = *answer;
            let event = client.receive(at(8_000), &mut input);
            if let Some(Event::Outcome(of, outcome)) = event {
                assert!(of == token && outcome.is_success());
                outcomes += 1;
            }
            drain(&mut client, at(8_000));
        }
        assert_eq!(outcomes, 1);
    }
}

/// Released, but not completed: it is still in flight.
#[test]
fn a_released_message_is_overdue_too() {
    let mut client = client();
    connect(&mut client, at(0), 10);
    let token = client
        .publish(at(0), within(Qos::ExactlyOnce, 1_000))
        .unwrap();
    drain(&mut client, at(0));
    assert_eq!(client.receive(at(1), &mut &PUBREC[..]), None);
    drain(&mut client, at(1));
    client.handle_timeout(at(1_000));
    assert_eq!(drain(&mut client, at(1_000)), overdue(token));
}

/// It has an identifier, but `poll` was not called: nothing was sent, and the identifier is free again.
#[test]
fn what_was_never_written_is_withdrawn() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut client = client();
        connect(&mut client, at(0), 10);
        let token = client.publish(at(0), within(qos, 10)).unwrap();
        assert_eq!(client.session().in_flight(), 1);
        client.handle_timeout(at(10));
        let mut wire = Vec::new();
        let mut said = Vec::new();
        while let Some(output) = client.poll(at(10), &mut wire) {
            note(&output, &mut said);
        }
        assert_eq!(said, timed_out(token));
        assert!(wire.is_empty());
        assert_eq!(client.session().in_flight(), 0);
        assert_eq!(client.session().lost_identifiers(), 0);
    }
}

#[test]
fn what_was_acknowledged_in_time_is_not_reported() {
    let mut client = client();
    connect(&mut client, at(0), 10);
    for round in 0..20_u64 {
        client
            .publish(at(round), within(Qos::AtLeastOnce, 1_000))
            .unwrap();
        drain(&mut client, at(round));
        let unsettled = client.session().unsettled().next().unwrap();
        let mqtt5_session_fsm::UnsettledKind::Message {
            state:
                mqtt5_session_fsm::MessageState::InFlight {
                    packet_identifier, ..
                },
            ..
        } = unsettled.kind
        else {
            panic!()
        };
        let [high, low] = packet_identifier.get().to_be_bytes();
        let puback = [0x40, 2, high, low];
        let mut input = &puback[..];
        let event = client.receive(at(round), &mut input);
        assert!(matches!(event, Some(Event::Outcome(..))));
        drain(&mut client, at(round));
        assert_eq!(client.next_timeout(), Instant::NEVER);
    }
    client.handle_timeout(at(10_000));
    assert_eq!(drain(&mut client, at(10_000)), []);
}

/// The message waited first, and its PUBLISH is not written yet.
#[test]
fn what_waited_and_was_not_written_is_withdrawn() {
    let mut client = client();
    connect(&mut client, at(0), 1);
    client
        .publish(at(0), publication(Qos::AtLeastOnce))
        .unwrap();
    let token = client.publish(at(0), within(Qos::AtLeastOnce, 10)).unwrap();
    drain(&mut client, at(0));
    let event = client.receive(at(1), &mut &PUBACK[..]);
    assert!(matches!(event, Some(Event::Outcome(..))));
    let mut wire = Vec::new();
    let is_sent = |output: Output| matches!(output, Output::Persist(Change::Sent { .. }));
    while !is_sent(client.poll(at(1), &mut wire).unwrap()) {}
    client.handle_timeout(at(10));
    let mut said = Vec::new();
    while let Some(output) = client.poll(at(10), &mut wire) {
        note(&output, &mut said);
    }
    assert_eq!(said, timed_out(token));
    assert!(wire.is_empty());
}

/// The Session is as if the message never had a deadline, whether it is persistent or not.
#[test]
fn a_deadline_that_is_over_leaves_nothing() {
    for persistent in [false, true] {
        let sent = |deadline| {
            let session = SessionConfig {
                persistent,
                ..config()
            };
            let mut client = Client::new(ClientConfig::default(), Session::of_client(session));
            connect(&mut client, at(0), 10);
            let publication = Publication {
                deadline,
                ..publication(Qos::AtLeastOnce)
            };
            let token = client.publish(at(0), publication).unwrap();
            drain(&mut client, at(0));
            (client, token)
        };
        let (mut with, token) = sent(Some(Duration::from_secs(1)));
        let (mut without, _) = sent(None);
        assert_ne!(with.session(), without.session());
        let mut late = with.clone();
        late.handle_timeout(at(1_000));
        assert_eq!(drain(&mut late, at(1_000)), overdue(token));
        assert_eq!(late.session(), without.session());
        for client in [&mut with, &mut without] {
            let event = client.receive(at(1), &mut &PUBACK[..]);
            assert!(matches!(event, Some(Event::Outcome(..))));
            drain(client, at(1));
        }
        assert_eq!(with.session(), without.session());
        with.handle_timeout(at(1_000));
        assert_eq!(drain(&mut with, at(1_000)), []);
    }
}

/// A Server's Session ends, and with it the messages that wait for its Client.
#[test]
fn what_waits_in_a_server_has_no_deadline_when_the_session_has_ended() {
    let mut session = Session::of_server("c", config());
    let connected = Change::Connected {
        client_identifier: "c".into(),
        expiry_interval: 10,
    };
    session.apply(at(0), &connected).unwrap();
    let tokens = EVERY_QOS.map(|qos| session.publish(at(0), within(qos, 20_000)).unwrap());
    session.handle_timeout(at(10_000));
    let mut said = Vec::new();
    while let Some(output) = session.poll() {
        note(&output, &mut said);
    }
    assert_eq!(said, tokens.map(|token| (token, "NotSent".into())));
    assert_eq!(session.next_timeout(), Instant::NEVER);
}

/// A Session that ends takes its deadlines along; what waits in a Client keeps its own.
#[test]
fn deadlines_end_with_their_messages() {
    let mut client = client();
    connect(&mut client, at(0), 1);
    client
        .publish(at(0), within(Qos::AtLeastOnce, 1_000))
        .unwrap();
    let waits = client
        .publish(at(0), within(Qos::AtLeastOnce, 2_000))
        .unwrap();
    drain(&mut client, at(0));
    client.connection_lost(at(1));
    let clean = mqtt5_session_fsm::codec::Connect {
        clean_start: true,
        ..Default::default()
    };
    client.connect(at(1), &clean).unwrap();
    client.connection_lost(at(1));
    drain(&mut client, at(1));
    assert_eq!(client.next_timeout(), at(2_000));
    client.handle_timeout(at(2_000));
    assert_eq!(drain(&mut client, at(2_000)), timed_out(waits));
}

#[test]
fn the_longest_and_the_shortest() {
    let mut client = client();
    let publish = |client: &mut Client, deadline| {
        let publication = Publication {
            deadline: Some(deadline),
            ..publication(Qos::AtLeastOnce)
        };
        client.publish(at(5), publication).unwrap()
    };
    publish(&mut client, Duration::MAX);
    assert_eq!(client.next_timeout(), Instant::NEVER);
    let now = publish(&mut client, Duration::ZERO);
    assert_eq!(client.next_timeout(), at(5));
    client.handle_timeout(at(5));
    assert_eq!(drain(&mut client, at(5)), timed_out(now));
    client.handle_timeout(at(u64::MAX - 1));
    assert_eq!(drain(&mut client, at(u64::MAX - 1)), []);
}

/// Deadlines of many messages come in the order of their times.
#[test]
fn many_deadlines_come_in_order() {
    let mut session = Session::of_client(config());
    let mut expected = Vec::new();
    for number in 0..100_u64 {
        let milliseconds = number * 37 % 101;
        let token = session
            .publish(at(0), within(Qos::AtMostOnce, milliseconds))
            .unwrap();
        expected.push((milliseconds, token));
    }
    expected.sort_unstable();
    let mut said = Vec::new();
    while session.next_timeout() != Instant::NEVER {
        let now = session.next_timeout();
        session.handle_timeout(now);
        while let Some(output) = session.poll() {
            if let Output::Event(Event::Outcome(token, _)) = output {
                said.push((now.as_millis(), token));
            }
        }
    }
    assert_eq!(said, expected);
}

#[cfg(feature = "persistence")]
mod stored {
    use mqtt5_session_fsm::codec::PacketIdentifier;
    use mqtt5_session_fsm::{Deadline, QueuedMessage};

    use super::super::message;
    use super::*;

    /// The changes that a Client announces; it dies in the middle.
    fn crash(mut client: Client, mut log: Vec<Change>, now: Instant) -> [Session; 2] {
        while let Some(output) = client.poll(now, &mut Vec::new()) {
            if let Output::Persist(change) = output {
                log.push(change);
            }
        }
        let exported = client.session().export();
        let mut replayed = Session::of_client(config());
        for change in &log {
            let bytes = change.to_bytes();
            assert_eq!(Change::from_bytes(&bytes).as_ref(), Ok(change));
            replayed.apply(now, change).unwrap();
        }
        [
            Session::restore(now, &exported, config()).unwrap(),
            replayed,
        ]
    }

    fn log_of(client: &mut Client, now: Instant, log: &mut Vec<Change>) {
        while let Some(output) = client.poll(now, &mut Vec::new()) {
            if let Output::Persist(change) = output {
                log.push(change);
            }
        }
    }

    fn connected(log: &mut Vec<Change>) -> Client {
        let mut client = client();
        connect(&mut client, at(0), 2);
        log.push(Change::Connected {
            client_identifier: "c".into(),
            expiry_interval: u32::MAX,
        });
        client
    }

    #[test]
    fn deadlines_survive_a_restart() {
        let mut log = Vec::new();
        let mut client = connected(&mut log);
        let sent = client
            .publish(at(0), within(Qos::ExactlyOnce, 3_000))
            .unwrap();
        let released = client
            .publish(at(0), within(Qos::ExactlyOnce, 4_000))
            .unwrap();
        let waits = client
            .publish(at(0), within(Qos::AtLeastOnce, 5_000))
            .unwrap();
        client
            .publish(at(0), within(Qos::AtMostOnce, 5_000))
            .unwrap();
        log_of(&mut client, at(0), &mut log);
        assert_eq!(client.receive(at(1), &mut &[0x50, 2, 0, 2][..]), None);
        for session in crash(client, log, at(1)) {
            let mut client = Client::new(ClientConfig::default(), session);
            let mut said = Vec::new();
            while client.next_timeout() != Instant::NEVER {
                let now = client.next_timeout();
                client.handle_timeout(now);
                said.extend(
                    drain(&mut client, now)
                        .into_iter()
                        .map(|(t, it)| (now, t, it)),
                );
            }
            let expected = [
                (at(3_000), sent, "overdue".to_string()),
                (at(4_000), released, "overdue".to_string()),
                (at(5_000), waits, "TimedOut".to_string()),
            ];
            assert_eq!(said, expected);
        }
    }

    /// What was reported, and what is over, is so after a restart.
    #[test]
    fn what_was_reported_is_not_reported_again() {
        let mut log = Vec::new();
        let mut client = connected(&mut log);
        client.publish(at(0), within(Qos::ExactlyOnce, 10)).unwrap();
        client.publish(at(0), within(Qos::AtLeastOnce, 10)).unwrap();
        client.publish(at(0), within(Qos::AtLeastOnce, 10)).unwrap();
        log_of(&mut client, at(0), &mut log);
        let event = client.receive(at(1), &mut &[0x40, 2, 0, 2][..]);
        assert!(matches!(event, Some(Event::Outcome(..))));
        client.handle_timeout(at(10));
        for session in crash(client, log, at(10)) {
            let mut client = Client::new(ClientConfig::default(), session);
            assert_eq!(client.next_timeout(), Instant::NEVER);
            client.handle_timeout(at(20));
            assert_eq!(drain(&mut client, at(20)), []);
        }
    }

    /// A message that waited first keeps its deadline when it is in flight.
    #[test]
    fn the_deadline_of_what_waited_survives_a_restart() {
        let mut log = Vec::new();
        let mut client = connected(&mut log);
        for _ in 0..2 {
            client
                .publish(at(0), publication(Qos::AtLeastOnce))
                .unwrap();
        }
        client
            .publish(at(0), within(Qos::AtLeastOnce, 500))
            .unwrap();
        log_of(&mut client, at(0), &mut log);
        let event = client.receive(at(1), &mut &PUBACK[..]);
        assert!(matches!(event, Some(Event::Outcome(..))));
        for session in crash(client, log, at(1)) {
            assert_eq!((session.in_flight(), session.waiting()), (2, 0));
            assert_eq!(session.next_timeout(), at(500));
        }
    }

    /// Its outcome was reported when it was lost.
    #[test]
    fn what_was_lost_has_no_deadline_after_a_restart() {
        let (token, packet_identifier) = (Token::from_number(1), PacketIdentifier::MIN);
        let within = Duration::from_secs(1);
        let changes = [
            Change::Connected {
                client_identifier: "c".into(),
                expiry_interval: u32::MAX,
            },
            Change::Accepted {
                message: QueuedMessage::new(token, publication(Qos::ExactlyOnce)),
                deadline: Some(Deadline {
                    at: at(0) + within,
                    within,
                }),
            },
            Change::Sent {
                token,
                packet_identifier,
            },
            Change::Lost { packet_identifier },
        ];
        let mut session = Session::of_client(config());
        for change in &changes {
            session.apply(at(0), change).unwrap();
        }
        assert_eq!(session.next_timeout(), Instant::NEVER);
    }

    /// With another clock no deadline is further away than it was at first.
    #[test]
    fn a_deadline_is_not_further_away_by_another_clock() {
        let now = at(1_794_000_000_000);
        let mut client = client();
        client
            .publish(now, within(Qos::AtLeastOnce, 3_000))
            .unwrap();
        let mut log = Vec::new();
        log_of(&mut client, now, &mut log);
        for restart in [at(0), at(1_000_000), now] {
            let mut replayed = Session::of_client(config());
            for change in &log {
                replayed.apply(restart, change).unwrap();
            }
            let exported = client.session().export();
            let restored = Session::restore(restart, &exported, config()).unwrap();
            for session in [replayed, restored] {
                assert_eq!(session.next_timeout(), restart + Duration::from_secs(3));
            }
        }
    }

    /// A message that was accepted, and at once got an identifier, is announced with its deadline.
    #[test]
    fn it_is_announced_with_the_acceptance() {
        for receive_maximum in [1, 2] {
            let mut log = Vec::new();
            let mut client = client();
            connect(&mut client, at(0), receive_maximum);
            for _ in 0..2 {
                let publication = Publication {
                    deadline: Some(Duration::from_secs(1)),
                    ..Publication::new(Qos::AtLeastOnce, message(b"x"))
                };
                client.publish(at(3), publication).unwrap();
            }
            log_of(&mut client, at(3), &mut log);
            let deadlines: Vec<_> = log
                .iter()
                .filter_map(|change| match change {
                    Change::Accepted { deadline, .. } => Some(deadline.unwrap().at),
                    _ => None,
                })
                .collect();
            assert_eq!(deadlines, [at(1_003), at(1_003)]);
        }
    }
}

/// Nothing is due for what was not accepted.
#[test]
fn a_refused_one_has_no_deadline() {
    let mut session = Session::of_server("c", config());
    let refused = session.publish(at(0), within(Qos::AtLeastOnce, 5));
    assert!(refused.is_err());
    assert_eq!(session.next_timeout(), Instant::NEVER);
}
