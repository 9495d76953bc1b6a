//! The circuit breaker: opening, probing, closing.

use core::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::circuit_breaker::{
    CircuitBreaker, CircuitBreakerSettings, CircuitOpen, CircuitState, Pass,
};
use mqtt5_session_fsm::reconnect::{ReconnectPolicy, ReconnectSettings};
use proptest::prelude::*;

const SETTINGS: CircuitBreakerSettings = CircuitBreakerSettings {
    failures_to_open: 3,
    window: Duration::from_secs(10),
    open_for: Duration::from_secs(60),
    open_for_at_most: Duration::from_secs(200),
    probe_timeout: Duration::from_secs(5),
    successes_to_close: 2,
};

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

fn open_until(seconds: u64) -> CircuitState {
    CircuitState::Open { until: at(seconds) }
}

fn refused(seconds: u64) -> Result<Pass, CircuitOpen> {
    Err(CircuitOpen {
        retry_at: at(seconds),
    })
}

fn fails(breaker: &mut CircuitBreaker, now: Instant) -> CircuitState {
    let pass = breaker.pass(now).unwrap();
    breaker.failed(now, pass)
}

fn succeeds(breaker: &mut CircuitBreaker, now: Instant) -> CircuitState {
    let pass = breaker.pass(now).unwrap();
    breaker.succeeded(now, pass)
}

/// Open from 2 to 62.
fn open() -> CircuitBreaker {
    let mut breaker = CircuitBreaker::new(SETTINGS);
    for second in 0..3 {
        fails(&mut breaker, at(second));
    }
    breaker
}

#[test]
fn it_opens_after_failures_in_a_row() {
    let mut breaker = CircuitBreaker::new(SETTINGS);
    assert_eq!(fails(&mut breaker, at(0)), CircuitState::Closed);
    assert_eq!(fails(&mut breaker, at(1)), CircuitState::Closed);
    assert_eq!(fails(&mut breaker, at(2)), open_until(62));
    assert_eq!(breaker.pass(at(61)), refused(62));
}

/// What was permitted before the breaker opened, or was closed by hand, says nothing about the time after it.
#[test]
fn outcomes_from_before_do_not_count() {
    let mut breaker = CircuitBreaker::new(SETTINGS);
    let before = breaker.pass(at(0)).unwrap();
    breaker.reset();
    assert_eq!(breaker.failed(at(0), before), CircuitState::Closed);
    assert_eq!(breaker.failures(), 0);

    let mut breaker = CircuitBreaker::new(SETTINGS);
    let before = breaker.pass(at(0)).unwrap();
    let also_before = breaker.pass(at(0)).unwrap();
    for second in 0..3 {
        fails(&mut breaker, at(second));
    }
    assert_eq!(breaker.succeeded(at(3), before), open_until(62));
    let probe = breaker.pass(at(62)).unwrap();
    assert_eq!(breaker.failed(at(63), also_before), CircuitState::HalfOpen);
    assert_eq!(breaker.succeeded(at(63), probe), CircuitState::HalfOpen);
    assert_eq!(succeeds(&mut breaker, at(64)), CircuitState::Closed);
}

#[test]
fn a_success_between_them_makes_a_new_row() {
    let mut breaker = CircuitBreaker::new(SETTINGS);
    for second in [0, 1, 3, 4] {
        if second == 3 {
            succeeds(&mut breaker, at(2));
        }
        assert_eq!(fails(&mut breaker, at(second)), CircuitState::Closed);
    }
    assert_eq!(fails(&mut breaker, at(5)), open_until(65));
}

#[test]
fn only_failures_within_the_window_count() {
    let mut breaker = CircuitBreaker::new(SETTINGS);
    assert_eq!(fails(&mut breaker, at(0)), CircuitState::Closed);
    assert_eq!(fails(&mut breaker, at(9)), CircuitState::Closed);
    assert_eq!(fails(&mut breaker, at(11)), CircuitState::Closed);
    assert_eq!(fails(&mut breaker, at(19)), open_until(79)); // 9, 11 and 19
}

#[test]
fn the_window_includes_its_end() {
    let mut breaker = CircuitBreaker::new(SETTINGS);
    fails(&mut breaker, at(0));
    fails(&mut breaker, at(5));
    assert_eq!(fails(&mut breaker, at(10)), open_until(70));
}

#[test]
fn one_probe_at_a_time_decides() {
    let mut breaker = open();
    assert_eq!(breaker.state(at(62)), CircuitState::HalfOpen);
    let probe = breaker.pass(at(62)).unwrap();
    assert!(probe.is_probe());
    assert_eq!(breaker.pass(at(62)), refused(67));
    assert_eq!(breaker.succeeded(at(63), probe), CircuitState::HalfOpen);
    assert_eq!(succeeds(&mut breaker, at(63)), CircuitState::Closed);
    assert!(!breaker.pass(at(63)).unwrap().is_probe());
}

#[test]
fn a_failed_probe_opens_it_for_longer() {
    let mut breaker = open();
    assert_eq!(fails(&mut breaker, at(100)), open_until(220));
    assert_eq!(fails(&mut breaker, at(300)), open_until(500)); // at most 200 seconds
    assert_eq!(fails(&mut breaker, at(500)), open_until(700));
    succeeds(&mut breaker, at(700));
    assert_eq!(succeeds(&mut breaker, at(700)), CircuitState::Closed);
    fails(&mut breaker, at(701));
    fails(&mut breaker, at(701));
    assert_eq!(fails(&mut breaker, at(701)), open_until(761)); // closing made a new start
}

#[test]
fn a_probe_that_succeeds_does_not_make_up_for_one_that_fails() {
    let mut breaker = open();
    succeeds(&mut breaker, at(62));
    assert_eq!(fails(&mut breaker, at(63)), open_until(183));
    assert_eq!(succeeds(&mut breaker, at(183)), CircuitState::HalfOpen);
}

#[test]
fn a_probe_without_outcome_does_not_block_for_ever() {
    let mut breaker = open();
    let lost = breaker.pass(at(62)).unwrap();
    let second = breaker.pass(at(67)).unwrap();
    assert_eq!(breaker.failed(at(68), lost), CircuitState::HalfOpen); // no longer counts
    assert_eq!(breaker.pass(at(68)), refused(72));
    assert_eq!(breaker.succeeded(at(69), second), CircuitState::HalfOpen);
    assert_eq!(succeeds(&mut breaker, at(70)), CircuitState::Closed);
}

#[test]
fn an_outcome_from_before_the_change_says_nothing() {
    let mut breaker = CircuitBreaker::new(SETTINGS);
    let slow = [breaker.pass(at(0)).unwrap(), breaker.pass(at(0)).unwrap()];
    let [slow_success, slow_failure] = slow;
    for second in 0..3 {
        fails(&mut breaker, at(second));
    }
    assert_eq!(
        breaker.succeeded(at(3), slow_success.clone()),
        open_until(62)
    );
    let probe = breaker.pass(at(62)).unwrap();
    assert_eq!(breaker.failed(at(63), slow_failure), CircuitState::HalfOpen);
    assert_eq!(
        breaker.succeeded(at(63), slow_success),
        CircuitState::HalfOpen
    );
    assert_eq!(breaker.pass(at(63)), refused(67));
    assert_eq!(breaker.succeeded(at(64), probe), CircuitState::HalfOpen);
}

#[test]
fn a_probe_counts_once() {
    let mut breaker = open();
    let probe = breaker.pass(at(62)).unwrap();
    assert_eq!(
        breaker.succeeded(at(62), probe.clone()),
        CircuitState::HalfOpen
    );
    assert_eq!(breaker.succeeded(at(62), probe), CircuitState::HalfOpen);
}

#[test]
fn it_can_be_closed_by_hand() {
    let mut breaker = open();
    breaker.reset();
    assert_eq!(breaker.state(at(3)), CircuitState::Closed);
    assert_eq!(fails(&mut breaker, at(3)), CircuitState::Closed);
}

#[test]
fn zeros_count_as_one() {
    let mut breaker = CircuitBreaker::new(CircuitBreakerSettings {
        failures_to_open: 0,
        window: Duration::ZERO,
        open_for: Duration::ZERO,
        open_for_at_most: Duration::ZERO,
        probe_timeout: Duration::ZERO,
        successes_to_close: 0,
    });
    let until = Instant::from_millis(1);
    assert_eq!(fails(&mut breaker, at(0)), CircuitState::Open { until });
    let probe = breaker.pass(until).unwrap();
    assert!(breaker.pass(until).is_err());
    assert_eq!(breaker.succeeded(until, probe), CircuitState::Closed);
}

#[test]
fn it_keeps_a_client_from_connecting() {
    let mut breaker = open();
    let mut policy = ReconnectPolicy::new(ReconnectSettings::default(), ["a"]).unwrap();
    let open = breaker.pass(at(3)).unwrap_err();
    policy.postpone(open.retry_at);
    assert_eq!(policy.next_attempt().unwrap().at, at(62));
}

/// The same, written down naively: the whole history is kept.
#[derive(Default)]
struct Model {
    failures: Vec<u64>,
    open_until: Option<u64>,
    probes_succeeded: u8,
}

impl Model {
    fn step(&mut self, now: u64, success: bool) -> bool {
        if let Some(until) = self.open_until {
            if now < until {
                return false;
            }
            if !success {
                self.probes_succeeded = 0;
                self.open_until = Some(now + 60);
            } else {
                self.probes_succeeded += 1;
                if self.probes_succeeded == 2 {
                    *self = Model::default();
                }
            }
        } else if success {
            self.failures.clear();
        } else {
            self.failures.push(now);
            let recent = self.failures.iter().filter(|&&then| now - then <= 10);
            if recent.count() >= 3 {
                self.open_until = Some(now + 60);
                self.probes_succeeded = 0;
            }
        }
        true
    }
}

proptest! {
    #[test]
    fn it_behaves_like_the_model(
        steps in proptest::collection::vec((0_u64..30, any::<bool>()), 0..200),
    ) {
        let settings = CircuitBreakerSettings { open_for_at_most: SETTINGS.open_for, ..SETTINGS };
        let mut breaker = CircuitBreaker::new(settings);
        let mut model = Model::default();
        let mut now = 0;
        for (pause, success) in steps {
            now += pause;
            let pass = breaker.pass(at(now));
            prop_assert_eq!(pass.is_ok(), model.step(now, success));
            if let Ok(pass) = pass {
                let state = if success {
                    breaker.succeeded(at(now), pass)
                } else {
                    breaker.failed(at(now), pass)
                };
                prop_assert_eq!(state == CircuitState::Closed, model.open_until.is_none());
            }
        }
    }
}
