//! Services that answer requests: which of them is called, what is answered, what is counted.

use std::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::codec::{Binary, Properties, Property, Publish, TopicName};
use mqtt5_session_fsm::request_response::{Reply, Requests, Response};
use mqtt5_session_fsm::services::{Answer, AnswerStatus, ServiceError, Services};

fn at(milliseconds: u64) -> Instant {
    Instant::from_millis(milliseconds)
}

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(name).unwrap()
}

/// Calls the service of a topic, if there is one.
fn call<'a>(
    services: &mut Services<&'static str>,
    name: &'a str,
    correlation: Option<&'a [u8]>,
) -> Result<(&'static str, Answer), ServiceError> {
    let mut list = vec![Property::ResponseTopic(topic("answers/me"))];
    list.extend(correlation.map(|data| Property::CorrelationData(Binary::new(data).unwrap())));
    let request = Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(topic(name), b"")
    };
    let (call, handler) = services.call(at(0), &request)?;
    let handler = *handler;
    Ok((handler, services.answer(at(7), call, Ok(()))))
}

fn course() -> Services<&'static str> {
    let mut services = Services::new(3);
    services.register("devices/+/get_config", "config").unwrap();
    services.register("devices/+/control", "control").unwrap();
    services
}

/// Chapter 7.8.2: by a filter with wildcards, as it is subscribed to.
#[test]
fn a_service_is_found_by_its_topic_filter() {
    let mut services = course();
    let filters: Vec<_> = services.filters().collect();
    assert_eq!(filters, ["devices/+/get_config", "devices/+/control"]);
    let mut found = |name| call(&mut services, name, None).map(|(handler, _)| handler);
    assert_eq!(found("devices/sensor001/get_config"), Ok("config"));
    assert_eq!(found("devices/actuator001/control"), Ok("control"));
    assert_eq!(found("devices/control"), Err(ServiceError::NoService));
    assert_eq!(found("devices/1/x"), Err(ServiceError::NoService));
}

#[test]
fn the_first_of_several_is_called() {
    let mut services = course();
    services.register("#", "all").unwrap();
    assert_eq!(
        call(&mut services, "devices/1/control", None).unwrap().0,
        "control"
    );
    assert_eq!(services.remove("devices/+/control"), Some("control"));
    assert_eq!(services.remove("devices/+/control"), None);
    assert_eq!(
        call(&mut services, "devices/1/control", None).unwrap().0,
        "all"
    );
}

#[test]
fn what_is_no_request_is_not_called() {
    let mut services = course();
    let message = Publish::new(topic("devices/1/control"), b"");
    let result = services.call(at(0), &message);
    assert_eq!(result.map(|_| ()), Err(ServiceError::NoResponseTopic));
    let nowhere = services.call(at(0), &Publish::default());
    assert_eq!(nowhere.map(|_| ()), Err(ServiceError::NoService));
    assert_eq!(services.in_progress(), 0);
}

#[test]
fn a_registry_is_bounded() {
    let mut services = course();
    let twice = services.register("devices/+/control", "x");
    assert_eq!(twice, Err(ServiceError::AlreadyRegistered));
    assert!(matches!(
        services.register("a#", "x"),
        Err(ServiceError::TopicFilter(_))
    ));
    services.register("third", "x").unwrap();
    assert_eq!(services.register("fourth", "x"), Err(ServiceError::TooMany));
    assert_eq!(services.filters().count(), 3);
}

/// Section 4.10: to the Response Topic, with the Correlation Data unaltered, without a Response Topic.
#[test]
fn an_answer_goes_to_the_requester() {
    let long = vec![0xA5; 65_535];
    for correlation in [None, Some(&b""[..]), Some(b"\x00\xFF"), Some(&long)] {
        let (_, answer) = call(&mut course(), "devices/1/control", correlation).unwrap();
        let message = answer.message(b"{}").unwrap();
        let publish = message.publish();
        assert_eq!(publish.topic.as_deref(), Some("answers/me"));
        assert_eq!(publish.payload, b"{}");
        assert_eq!(
            publish.properties.correlation_data().as_deref(),
            correlation
        );
        assert_eq!(Reply::to(&publish), None);
        let status = AnswerStatus::of(&publish).unwrap();
        assert_eq!(status.error, None);
        assert_eq!(status.processing_time, Some(Duration::from_millis(7)));
        assert_eq!(answer.processing_time(), Duration::from_millis(7));
    }
}

/// Several at a time, answered in another order: each answer completes its own request.
#[test]
fn requests_and_services_work_together() {
    let mut services = course();
    let mut requests = Requests::new(b"boot 1:", 10).unwrap();
    let mut calls = Vec::new();
    for number in 0..3 {
        let correlation = requests
            .start(at(0), Duration::from_secs(9), number)
            .unwrap();
        let list = correlation.properties(topic("answers/me"));
        let request = Publish {
            properties: Properties::new(&list).unwrap(),
            ..Publish::new(topic("devices/1/control"), b"")
        };
        let (call, _) = services.call(at(number), &request).unwrap();
        calls.push((number, call));
    }
    assert_eq!(services.in_progress(), 3);
    for (number, call) in calls.into_iter().rev() {
        let result = if number == 1 { Err("too fast") } else { Ok(()) };
        let answer = services.answer(at(100), call, result);
        assert_eq!(answer.error(), result.err());
        let message = answer.message(b"").unwrap();
        let publish = message.publish();
        assert_eq!(
            requests.handle_response(&publish),
            Response::Completed(number)
        );
        let status = AnswerStatus::of(&publish).unwrap();
        assert_eq!(status.error, result.err());
        assert_eq!(
            status.processing_time,
            Some(Duration::from_millis(100 - number))
        );
    }
    assert_eq!(services.in_progress(), 0);
    let counts = services.counts("devices/+/control").unwrap();
    assert_eq!((counts.succeeded, counts.failed), (2, 1));
    assert_eq!(counts.total_time, Duration::from_millis(100 + 99 + 98));
    assert_eq!(counts.longest_time, Duration::from_millis(100));
    assert_eq!(counts.average_time(), Duration::from_millis(99));
    assert_eq!(
        services
            .counts("devices/+/get_config")
            .unwrap()
            .average_time(),
        Duration::ZERO
    );
    assert_eq!(services.counts("elsewhere"), None);
}

/// A call outlives its service, and never counts for another one with the same filter.
#[test]
fn a_call_of_a_service_that_was_removed_is_answered() {
    let mut services = Services::new(1);
    services.register("lamp", 1).unwrap();
    let list = [Property::ResponseTopic(topic("answers/me"))];
    let request = Publish {
        properties: Properties::new(&list).unwrap(),
        ..Publish::new(topic("lamp"), b"")
    };
    let (first, _) = services.call(at(0), &request).unwrap();
    let (second, _) = services.call(at(0), &request).unwrap();
    services.remove("lamp");
    services.register("lamp", 2).unwrap();
    let answer = services.answer(at(1), first, Ok(()));
    assert_eq!(answer.topic().as_str(), "answers/me");
    assert_eq!(services.counts("lamp"), Some(Default::default()));
    services.abandon(second);
    assert_eq!(services.in_progress(), 0);
}

/// Any text can be given as an error: what a string of the standard cannot hold is left out (section 1.5.4).
#[test]
fn an_error_is_a_string_of_the_standard() {
    let long = "é".repeat(40_000);
    for (error, expected) in [
        ("", ""),
        ("Unknown action: None", "Unknown action: None"),
        ("a\0b", "a"),
        (&long, &long[..65_534]),
    ] {
        let mut services = Services::new(1);
        services.register("lamp", ()).unwrap();
        let list = [Property::ResponseTopic(topic("answers/me"))];
        let request = Publish {
            properties: Properties::new(&list).unwrap(),
            ..Publish::new(topic("lamp"), b"")
        };
        let (call, ()) = services.call(at(5), &request).unwrap();
        // A clock that goes back.
        let answer = services.answer(at(0), call, Err(error));
        let message = answer.message(b"").unwrap();
        let status = AnswerStatus::of(&message.publish())
            .unwrap()
            .error
            .map(str::to_owned);
        assert_eq!(status.as_deref(), Some(expected));
    }
}
