//! The circuit breaker around publishing: what counts as a failure, the timeout, bounds.

use std::time::Duration;

use mqtt5_session_fsm::circuit_breaker::{CircuitBreakerSettings, CircuitState};
use mqtt5_session_fsm::codec::{EncodeError, Properties, ReasonCode, Violation};
use mqtt5_session_fsm::publish_breaker::{
    HeldBack, PublishBreaker, PublishBreakerSettings, PublishCounts,
};
use mqtt5_session_fsm::{Instant, LimitExceeded, Outcome, PublishError, Token};

const SUCCESS: Outcome<'static> = Outcome::Sent;
const FAILURE: Outcome<'static> = Outcome::Indeterminate;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(1000 * seconds)
}

fn settings() -> PublishBreakerSettings {
    PublishBreakerSettings {
        breaker: CircuitBreakerSettings {
            failures_to_open: 3,
            successes_to_close: 2,
            ..PublishBreakerSettings::default().breaker
        },
        messages: 100,
        ..PublishBreakerSettings::default()
    }
}

/// A breaker, and the number of the last token.
struct World {
    breaker: PublishBreaker,
    last: u64,
}

impl World {
    fn new() -> Self {
        World {
            breaker: PublishBreaker::new(settings()),
            last: 0,
        }
    }

    fn publish(&mut self, now: Instant) -> Token {
        let pass = self.breaker.pass(now).unwrap();
        self.last += 1;
        let token = Token::from_number(self.last);
        self.breaker.published(now, pass, token);
        token
    }

    fn ends(&mut self, now: Instant, outcome: Outcome<'_>) -> CircuitState {
        let token = self.publish(now);
        self.breaker.outcome(now, token, &outcome)
    }
}

/// Chapter 5.6.2: closed, open for a minute, half open, closed after successes; open again at a failure.
#[test]
fn the_usual_program() {
    let mut world = World::new();
    assert_eq!(world.ends(at(0), FAILURE), CircuitState::Closed);
    assert_eq!(world.breaker.breaker().failures(), 1);
    assert_eq!(world.ends(at(1), FAILURE), CircuitState::Closed);
    let open = CircuitState::Open { until: at(62) };
    assert_eq!(world.ends(at(2), FAILURE), open);
    let refused = HeldBack::Open { retry_at: at(62) };
    assert_eq!(world.breaker.pass(at(61)).unwrap_err(), refused);

    // Two successes close it.
    assert_eq!(world.breaker.state(at(62)), CircuitState::HalfOpen);
    assert_eq!(world.ends(at(62), SUCCESS), CircuitState::HalfOpen);
    assert_eq!(world.breaker.breaker().successes(), 1);
    assert_eq!(world.ends(at(63), SUCCESS), CircuitState::Closed);
    assert_eq!(world.breaker.breaker().successes(), 0);
    assert_eq!(world.breaker.breaker().failures(), 0);
    let expected = PublishCounts {
        succeeded: 2,
        failed: 3,
        held_back: 1,
        ..PublishCounts::default()
    };
    assert_eq!(world.breaker.counts(), expected);

    // A single failure of a probe opens it again.
    for _ in 0..3 {
        world.ends(at(100), FAILURE);
    }
    let CircuitState::Open { until } = world.ends(at(160), FAILURE) else {
        panic!()
    };
    assert!(until > at(160));
}

#[test]
fn a_probe_goes_alone() {
    let mut world = World::new();
    for _ in 0..3 {
        world.ends(at(0), FAILURE);
    }
    let probe = world.publish(at(60));
    assert!(world.breaker.pass(at(60)).is_err());
    world.breaker.outcome(at(61), probe, &SUCCESS);
    assert!(world.breaker.pass(at(61)).is_ok());
}

#[test]
fn an_outcome_that_does_not_come_in_time_is_a_failure() {
    let mut world = World::new();
    assert_eq!(world.breaker.next_timeout(), Instant::NEVER);
    let early = world.publish(at(0));
    let late: Vec<_> = (1..=3).map(|second| world.publish(at(second))).collect();
    assert_eq!(world.breaker.next_timeout(), at(10));
    world.breaker.outcome(at(9), early, &SUCCESS);
    assert_eq!(world.breaker.next_timeout(), at(11));
    assert_eq!(world.breaker.handle_timeout(at(10)), CircuitState::Closed);
    assert_eq!(world.breaker.handle_timeout(at(12)), CircuitState::Closed);
    let state = world.breaker.handle_timeout(at(13));
    assert_eq!(state, CircuitState::Open { until: at(73) });
    assert_eq!(world.breaker.counts().timed_out, 3);
    // What comes after that counts no more.
    for token in late {
        assert_eq!(world.breaker.outcome(at(14), token, &SUCCESS), state);
    }
    assert_eq!(world.breaker.counts().succeeded, 1);
    assert_eq!(world.breaker.waiting(), 0);
}

#[test]
fn what_counts_as_what() {
    let properties = Properties::EMPTY;
    let successes = [
        Outcome::Sent,
        Outcome::PubAck(ReasonCode::Success, properties),
        Outcome::PubAck(ReasonCode::NoMatchingSubscribers, properties),
        Outcome::PubComp(ReasonCode::Success, Properties::EMPTY),
    ];
    let failures = [
        Outcome::PubAck(ReasonCode::QuotaExceeded, properties),
        Outcome::PubRec(ReasonCode::UnspecifiedError, Properties::EMPTY),
        Outcome::Expired,
        Outcome::TimedOut,
        Outcome::NotSent,
        Outcome::Indeterminate,
    ];
    let neutral = [
        Outcome::Dropped,
        Outcome::Withdrawn,
        Outcome::Forbidden(LimitExceeded::MaximumQos),
    ];
    let count = |outcome| {
        let mut world = World::new();
        world.ends(at(0), outcome);
        let failures = world.breaker.breaker().failures();
        let PublishCounts {
            succeeded,
            failed,
            neutral,
            ..
        } = world.breaker.counts();
        assert_eq!(failed as usize, failures);
        (succeeded, failed, neutral)
    };
    for outcome in successes {
        assert_eq!(count(outcome), (1, 0, 0), "{outcome:?}");
    }
    for outcome in failures {
        assert_eq!(count(outcome), (0, 1, 0), "{outcome:?}");
    }
    for outcome in neutral {
        assert_eq!(count(outcome), (0, 0, 1), "{outcome:?}");
    }
}

#[test]
fn a_publish_that_is_refused_counts_if_the_other_side_may_be_the_cause() {
    let invalid = PublishError::Invalid(EncodeError::Value(Violation::TopicMissing));
    let forbidden = PublishError::Forbidden(LimitExceeded::MaximumQos);
    for (error, failures) in [
        (PublishError::Busy, 1),
        (PublishError::NotConnected, 1),
        (PublishError::NoSession, 1),
        (PublishError::TooLarge, 0),
        (invalid, 0),
        (forbidden, 0),
    ] {
        let mut breaker = PublishBreaker::new(settings());
        let pass = breaker.pass(at(0)).unwrap();
        breaker.refused(at(0), pass, &error);
        assert_eq!(breaker.breaker().failures(), failures, "{error:?}");
        let counts = breaker.counts();
        assert_eq!(counts.failed + counts.neutral, 1);
    }
}

/// A probe that says nothing makes way for the next one at once.
#[test]
fn a_probe_that_says_nothing_does_not_block() {
    let mut world = World::new();
    for _ in 0..3 {
        world.ends(at(0), FAILURE);
    }
    assert_eq!(world.ends(at(60), Outcome::Dropped), CircuitState::HalfOpen);
    let pass = world.breaker.pass(at(60)).unwrap();
    world.breaker.refused(at(60), pass, &PublishError::TooLarge);
    assert_eq!(world.ends(at(60), SUCCESS), CircuitState::HalfOpen);
    assert_eq!(world.ends(at(60), SUCCESS), CircuitState::Closed);
}

#[test]
fn no_more_messages_are_followed_than_the_limit() {
    let mut breaker = PublishBreaker::new(PublishBreakerSettings {
        messages: 2,
        publish_timeout: Duration::MAX,
        ..settings()
    });
    let passes = [1, 2, 3].map(|number| (number, breaker.pass(at(0)).unwrap()));
    for (number, pass) in passes {
        breaker.published(at(0), pass, Token::from_number(number));
    }
    assert_eq!(breaker.waiting(), 2);
    assert_eq!(breaker.next_timeout(), Instant::NEVER);
    assert_eq!(breaker.pass(at(0)).unwrap_err(), HeldBack::TooMany);
    assert_eq!(breaker.counts().held_back, 1);
    let token = Token::from_number(1);
    breaker.outcome(at(0), token, &SUCCESS);
    assert!(breaker.pass(at(0)).is_ok());
    // A token that is not known changes nothing.
    let before = breaker.clone();
    breaker.outcome(at(0), token, &FAILURE);
    assert_eq!(breaker, before);
}

#[test]
fn reset_closes() {
    let mut world = World::new();
    let waiting = world.publish(at(0));
    for _ in 0..3 {
        world.ends(at(0), FAILURE);
    }
    world.breaker.reset();
    assert_eq!(world.breaker.state(at(0)), CircuitState::Closed);
    world.breaker.outcome(at(0), waiting, &FAILURE);
    assert_eq!(world.breaker.breaker().failures(), 0);
}
