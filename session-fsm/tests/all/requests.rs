//! Request / Response (section 4.10), from the requester's and the responder's side.

use core::time::Duration;
use std::collections::HashMap;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::codec::{
    Binary, Packet, Properties, Property, PropertyIdentifier, ProtocolVersion, Publish, TopicName,
    Violation,
};
use mqtt5_session_fsm::request_response::{
    CorrelationData, Expired, Reply, RequestError, Requests, Response, response_topic,
};
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn requests<T>(limit: usize) -> Requests<T> {
    Requests::new(b"p:", limit).unwrap()
}

/// What the requests make of a response with this Correlation Data.
fn answer<T>(requests: &mut Requests<T>, data: &[u8]) -> Response<T> {
    let list = [Property::CorrelationData(Binary::new(data).unwrap())];
    let topic = TopicName::new("responses/me").unwrap();
    requests.handle_response(&Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(topic, b"")
    })
}

#[test]
fn a_request_and_its_response_over_the_wire() {
    let mut requests = requests(4);
    let topic = response_topic("responses/panel", "read").unwrap();
    let correlation = requests.start(at(0), SECOND, "value").unwrap();
    let properties = correlation.properties(TopicName::new(&topic).unwrap());
    let request = Publish {
        properties: Properties::new(&properties).unwrap(),
        ..Publish::new(TopicName::new("devices/1").unwrap(), b"?")
    };
    let mut wire = Vec::new();
    request.encode(ProtocolVersion::V5_0, &mut wire).unwrap();

    let Ok(Packet::Publish(received)) = Packet::decode(ProtocolVersion::V5_0, &wire) else {
        panic!()
    };
    let reply = Reply::to(&received).unwrap();
    let response = reply.publish(b"42");
    assert_eq!(response.topic.as_deref(), Some("responses/panel/read"));
    assert!(
        !response
            .properties
            .contains(PropertyIdentifier::ResponseTopic)
    );
    let mut back = Vec::new();
    response.encode(ProtocolVersion::V5_0, &mut back).unwrap();

    let Ok(Packet::Publish(received)) = Packet::decode(ProtocolVersion::V5_0, &back) else {
        panic!()
    };
    assert_eq!(
        requests.handle_response(&received),
        Response::Completed("value")
    );
    assert_eq!(requests.next_timeout(), Instant::NEVER);
    assert_eq!(requests.outstanding(), 0);
}

#[test]
fn responses_may_come_in_any_order() {
    let mut requests = requests(3);
    let started: Vec<_> = (0..3)
        .map(|value| requests.start(at(0), SECOND, value).unwrap())
        .collect();
    for value in [1, 2, 0] {
        let response = answer(&mut requests, started[value].as_bytes());
        assert_eq!(response, Response::Completed(value));
    }
}

#[test]
fn a_second_response_changes_nothing() {
    let mut requests = requests(3);
    let first = requests.start(at(0), SECOND, 1).unwrap();
    let _other = requests.start(at(0), SECOND, 2).unwrap();
    assert_eq!(
        answer(&mut requests, first.as_bytes()),
        Response::Completed(1)
    );
    assert_eq!(answer(&mut requests, first.as_bytes()), Response::Duplicate);
    assert_eq!(answer(&mut requests, first.as_bytes()), Response::Duplicate);
    assert_eq!(requests.outstanding(), 1);
}

#[test]
fn a_response_after_the_timeout_is_late() {
    let mut requests = requests(3);
    let correlation = requests.start(at(0), SECOND, "value").unwrap();
    assert_eq!(requests.next_timeout(), at(1));
    assert_eq!(requests.handle_timeout(Instant::from_millis(999)), None);
    let value = "value";
    assert_eq!(
        requests.handle_timeout(at(1)),
        Some(Expired { correlation, value })
    );
    assert_eq!(requests.handle_timeout(at(1)), None);
    assert_eq!(requests.next_timeout(), Instant::NEVER);
    assert_eq!(
        answer(&mut requests, correlation.as_bytes()),
        Response::Late
    );
}

#[test]
fn a_response_before_the_timeout_is_noticed_still_counts() {
    let mut requests = requests(3);
    let correlation = requests.start(at(0), SECOND, 1).unwrap();
    assert_eq!(
        answer(&mut requests, correlation.as_bytes()),
        Response::Completed(1)
    );
    assert_eq!(requests.handle_timeout(at(9)), None);
}

#[test]
fn the_earliest_deadline_comes_first() {
    let mut requests = requests(3);
    for (timeout, value) in [(30, 'c'), (10, 'a'), (20, 'b')] {
        requests
            .start(at(0), Duration::from_secs(timeout), value)
            .unwrap();
    }
    assert_eq!(requests.next_timeout(), at(10));
    let mut expired = String::new();
    while let Some(Expired { value, .. }) = requests.handle_timeout(at(25)) {
        expired.push(value);
    }
    assert_eq!(expired, "ab");
    assert_eq!(requests.next_timeout(), at(30));
}

#[test]
fn a_request_without_timeout_waits_until_it_is_cancelled() {
    let mut requests = requests(3);
    let correlation = requests.start(at(1), Duration::MAX, 1).unwrap();
    assert_eq!(requests.next_timeout(), Instant::NEVER);
    assert_eq!(requests.handle_timeout(Instant::NEVER), None);
    assert_eq!(requests.cancel(&correlation), Some(1));
    assert_eq!(requests.cancel(&correlation), None);
    assert_eq!(
        answer(&mut requests, correlation.as_bytes()),
        Response::Late
    );
}

#[test]
fn at_the_limit_requests_are_refused_until_one_has_ended() {
    let mut requests = requests(2);
    let first = requests.start(at(0), SECOND, 1).unwrap();
    requests.start(at(0), SECOND, 2).unwrap();
    assert!(requests.is_full());
    assert_eq!(requests.start(at(0), SECOND, 3), Err(RequestError::TooMany));
    let _ = answer(&mut requests, first.as_bytes());
    let third = requests.start(at(0), SECOND, 3).unwrap();
    assert_eq!(third.as_bytes(), b"p:\0\0\0\0\0\0\0\x02");
    assert_eq!(
        self::requests::<()>(0).start(at(0), SECOND, ()),
        Err(RequestError::TooMany)
    );
}

#[test]
fn the_ends_of_old_requests_are_forgotten() {
    let mut requests = requests(2);
    let started: Vec<_> = (0..3)
        .map(|value| {
            let correlation = requests.start(at(0), SECOND, value).unwrap();
            assert_eq!(
                answer(&mut requests, correlation.as_bytes()),
                Response::Completed(value)
            );
            correlation
        })
        .collect();
    assert_eq!(
        answer(&mut requests, started[0].as_bytes()),
        Response::Forgotten
    );
    assert_eq!(
        answer(&mut requests, started[1].as_bytes()),
        Response::Duplicate
    );
    assert_eq!(
        answer(&mut requests, started[2].as_bytes()),
        Response::Duplicate
    );
}

#[test]
fn a_foreign_response_is_alien() {
    let mut requests = requests(2);
    requests.start(at(0), SECOND, 1).unwrap();
    let aliens: [&[u8]; 8] = [
        b"",
        b"p:",
        b"p:\0\0\0\0\0\0\0",     // too short
        b"p:\0\0\0\0\0\0\0\0\0", // too long
        b"q:\0\0\0\0\0\0\0\0",   // another prefix
        b"p:\0\0\0\0\0\0\0\x01", // not used yet
        b"p:\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"\0\0\0\0\0\0\0\0",
    ];
    for data in aliens {
        assert_eq!(answer(&mut requests, data), Response::Alien, "{data:?}");
    }
    let topic = TopicName::new("responses/me").unwrap();
    assert_eq!(
        requests.handle_response(&Publish::new(topic, b"")),
        Response::Alien
    );
    assert_eq!(requests.outstanding(), 1);
}

#[test]
fn another_prefix_after_a_restart_keeps_old_responses_out() {
    let mut before = Requests::new(b"boot 1", 2).unwrap();
    let old = before.start(at(0), SECOND, "old").unwrap();
    let mut after = Requests::new(b"boot 2", 2).unwrap();
    after.start(at(0), SECOND, "new").unwrap();
    assert_eq!(answer(&mut after, old.as_bytes()), Response::Alien);
    assert_eq!(after.cancel(&old), None);
    assert_eq!(after.outstanding(), 1);
}

#[test]
fn prefixes_have_a_limit() {
    let longest = [7; CorrelationData::MAXIMUM_PREFIX];
    let mut requests = Requests::new(&longest, 1).unwrap();
    let correlation = requests.start(at(0), SECOND, ()).unwrap();
    assert_eq!(correlation.as_bytes().len(), 32);
    assert_eq!(
        answer(&mut requests, correlation.as_bytes()),
        Response::Completed(())
    );
    assert_eq!(
        Requests::<()>::new(&[7; 25], 1),
        Err(RequestError::PrefixTooLong)
    );
    assert!(Requests::<()>::new(&[], 1).is_ok());
    assert!(Requests::<()>::new(&[0; 300], 1).is_err());
}

#[test]
fn waiting_requests_can_be_looked_at() {
    let mut requests = requests(3);
    let first = requests.start(at(0), 2 * SECOND, 'a').unwrap();
    let second = requests.start(at(0), SECOND, 'b').unwrap();
    assert!(requests.iter().eq([(first, &'a'), (second, &'b')]));
}

#[test]
fn a_request_without_correlation_data_is_answered_without() {
    let list = [Property::ResponseTopic(TopicName::new("r").unwrap())];
    let request = Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(TopicName::new("t").unwrap(), b"")
    };
    let reply = Reply::to(&request).unwrap();
    assert_eq!(
        (reply.correlation_data(), reply.properties()),
        (None, &[][..])
    );
    assert!(reply.publish(b"").properties.is_empty());
    assert_eq!(Reply::new(reply.topic, None), reply);
}

#[test]
fn a_response_topic_has_one_separator() {
    let topic = |base, name| response_topic(base, name);
    for (base, name) in [("a/b", "c"), ("a/b/", "c"), ("a/b", "/c"), ("a/b/", "/c")] {
        assert_eq!(topic(base, name).as_deref(), Ok("a/b/c"));
    }
    assert_eq!(topic("a/b/", "").as_deref(), Ok("a/b/"));
    assert_eq!(topic("", "c").as_deref(), Ok("c"));
    assert_eq!(topic("", ""), Err(Violation::TopicNameEmpty));
    assert_eq!(topic("a/#", "c"), Err(Violation::TopicNameWildcard));
}

#[derive(Clone, Debug)]
enum Step {
    Start { timeout: u64 },
    Respond { which: usize },
    Cancel { which: usize },
    Pass { seconds: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u64..20).prop_map(|timeout| Step::Start { timeout }),
        4 => any::<usize>().prop_map(|which| Step::Respond { which }),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        2 => (0_u64..10).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Waiting { deadline: u64 },
    Answered,
    Unanswered,
}

proptest! {
    /// The model keeps every request for ever, by its Correlation Data.
    #[test]
    fn every_request_ends_exactly_once(
        limit in 0_usize..6,
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut requests = requests(limit);
        let mut model: HashMap<Vec<u8>, (usize, End)> = HashMap::new();
        let mut started: Vec<CorrelationData> = Vec::new();
        let mut now = 0;
        for step in steps {
            let waiting = |model: &HashMap<_, (usize, End)>| {
                model.values().filter(|(_, end)| matches!(end, End::Waiting { .. })).count()
            };
            match step {
                Step::Start { timeout } => {
                    let id = started.len();
                    let result = requests.start(at(now), Duration::from_secs(timeout), id);
                    prop_assert_eq!(result.is_ok(), waiting(&model) < limit);
                    if let Ok(correlation) = result {
                        let end = End::Waiting { deadline: now + timeout };
                        let before = model.insert(correlation.as_bytes().to_vec(), (id, end));
                        prop_assert_eq!(before, None);
                        started.push(correlation);
                    }
                }
                Step::Respond { which } if !started.is_empty() => {
                    let index = which % started.len();
                    let data = started[index].as_bytes();
                    let (id, end) = model.get_mut(data).unwrap();
                    let response = answer(&mut requests, data);
                    match *end {
                        End::Waiting { .. } => prop_assert_eq!(response, Response::Completed(*id)),
                        End::Answered if response == Response::Duplicate => {}
                        End::Unanswered if response == Response::Late => {}
                        _ => {
                            prop_assert_eq!(response, Response::Forgotten);
                            prop_assert!(started.len() - index > limit);
                        }
                    }
                    if matches!(end, End::Waiting { .. }) {
                        *end = End::Answered;
                    }
                }
                Step::Cancel { which } if !started.is_empty() => {
                    let correlation = started[which % started.len()];
                    let (id, end) = model.get_mut(correlation.as_bytes()).unwrap();
                    let was_waiting = matches!(end, End::Waiting { .. });
                    prop_assert_eq!(requests.cancel(&correlation), was_waiting.then_some(*id));
                    if was_waiting {
                        *end = End::Unanswered;
                    }
                }
                Step::Respond { .. } | Step::Cancel { .. } => {}
                Step::Pass { seconds } => {
                    now += seconds;
                    while let Some(expired) = requests.handle_timeout(at(now)) {
                        let (id, end) = model.get_mut(expired.correlation.as_bytes()).unwrap();
                        prop_assert_eq!(*id, expired.value);
                        let due = matches!(end, End::Waiting { deadline } if *deadline <= now);
                        prop_assert!(due);
                        *end = End::Unanswered;
                    }
                }
            }
            let next = model.values().filter_map(|(_, end)| match end {
                End::Waiting { deadline } => Some(at(*deadline)),
                _ => None,
            });
            prop_assert_eq!(requests.next_timeout(), next.min().unwrap_or(Instant::NEVER));
            prop_assert_eq!(requests.outstanding(), waiting(&model));
        }
    }

    #[test]
    fn no_correlation_data_panics(data in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut requests = Requests::<()>::new(data.get(..2).unwrap_or_default(), 3).unwrap();
        prop_assert_eq!(answer(&mut requests, &data), Response::Alien);
    }
}
