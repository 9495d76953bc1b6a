//! A policy over several servers, each with a circuit breaker: a server that must not be tried keeps nobody
//! from those that may.

use core::time::Duration;
use std::collections::BTreeMap;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::circuit_breaker::{CircuitBreaker, CircuitBreakerSettings};
use mqtt5_session_fsm::codec::{ReasonCode, Text};
use mqtt5_session_fsm::reconnect::{ConnectionFailure, ReconnectPolicy, ServerReference};
use proptest::prelude::*;

use crate::reconnect::policy::{LOST, NO_JITTER, SETTINGS, at, policy};

fn elsewhere(server_reference: &str) -> ConnectionFailure<'_> {
    ConnectionFailure::ConnAck {
        reason_code: ReasonCode::UseAnotherServer,
        server_reference: Some(Text::new(server_reference).unwrap()),
    }
}

/// The second of the attempt and its server, if these servers are held back until these seconds.
fn choose(policy: &mut ReconnectPolicy, held: &[(&str, u64)]) -> (u64, String) {
    let attempt = policy.choose_attempt(|server| {
        let found = held.iter().find(|(name, _)| *name == server.as_str());
        found.map_or(Instant::ORIGIN, |&(_, until)| at(until))
    });
    let attempt = attempt.unwrap();
    let chosen = (
        attempt.at.as_millis() / 1000,
        attempt.server.as_str().into(),
    );
    let next = policy.next_attempt().unwrap();
    let next = (next.at.as_millis() / 1000, next.server.as_str().to_owned());
    // The delay of the policy is the same for all.
    assert!(next.0 <= chosen.0 && next.1 == chosen.1);
    chosen
}

/// Several clients share the breakers, one server is dead for good. Nobody waits for it: between two attempts
/// of a client at the live server lies no more than the policy's own delay.
#[test]
fn an_open_breaker_does_not_block_a_live_server() {
    let servers = ["dead", "live"];
    let breaker = || CircuitBreaker::new(CircuitBreakerSettings::default());
    let mut breakers = BTreeMap::from(servers.map(|server| (server.to_owned(), breaker())));
    let mut clients = vec![policy(&servers); 6];
    let mut tried = BTreeMap::new();
    for policy in &mut clients {
        let mut now = at(0);
        loop {
            let attempt = policy
                .choose_attempt(|server| breakers[server.as_str()].retry_at())
                .unwrap();
            assert!(attempt.at <= at(1), "waits until {:?}", attempt.at);
            now = now.max(attempt.at);
            let server = attempt.server.as_str().to_owned();
            *tried.entry(server.clone()).or_insert(0) += 1;
            let breaker = breakers.get_mut(&server).unwrap();
            let pass = breaker.pass(now).unwrap();
            if server == "live" {
                breaker.succeeded(now, pass);
                policy.connected(now);
                break;
            }
            breaker.failed(now, pass);
            let _ = policy.failed(now, LOST, NO_JITTER);
        }
    }
    // Five failures open the breaker; the sixth client does not try.
    assert_eq!(
        tried,
        BTreeMap::from([("dead".into(), 5), ("live".into(), 6)])
    );
}

#[test]
fn the_earliest_attempt_wins_and_among_equals_the_one_whose_turn_it_is() {
    let mut policy = policy(&["a", "b", "c"]);
    assert_eq!(choose(&mut policy, &[]), (0, "a".into()));
    assert_eq!(choose(&mut policy, &[("a", 5)]), (0, "b".into()));
    assert_eq!(
        choose(&mut policy, &[("a", 5), ("b", 3), ("c", 9)]),
        (3, "b".into())
    );
    assert_eq!(
        choose(&mut policy, &[("a", 5), ("b", 7), ("c", 5)]),
        (5, "a".into())
    );
    // A choice that is not acted upon changes nothing.
    assert_eq!(choose(&mut policy, &[]), (0, "a".into()));
}

#[test]
fn a_server_that_was_passed_over_keeps_its_turn_among_the_others() {
    let mut policy = policy(&["a", "b", "c"]);
    assert_eq!(choose(&mut policy, &[("a", 100)]), (0, "b".into()));
    let _ = policy.failed(at(0), LOST, NO_JITTER);
    assert_eq!(choose(&mut policy, &[("a", 100)]), (1, "c".into()));
    let _ = policy.failed(at(1), LOST, NO_JITTER);
    assert_eq!(choose(&mut policy, &[]), (2, "a".into()));
}

/// The delay grows once when each server that may be tried has had its turn, and not faster.
#[test]
fn the_delay_grows_as_if_only_the_others_were_configured() {
    for held in ["a", "b", "c"] {
        let mut all = policy(&["a", "b", "c"]);
        let others: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .filter(|&name| name != held)
            .collect();
        let mut rest = policy(&others);
        let mut now = at(0);
        for _ in 0..12 {
            let (_, server) = choose(&mut all, &[(held, 1_000_000)]);
            assert_eq!(server, rest.next_attempt().unwrap().server.as_str());
            let expected = rest.failed(now, LOST, NO_JITTER).attempt().unwrap().at;
            let next = all.failed(now, LOST, NO_JITTER).attempt().unwrap().at;
            assert_eq!(next, expected, "{held} at {now:?}");
            now = next;
        }
        assert_eq!(all.failures(), 12);
    }
}

#[test]
fn a_stable_connection_to_a_chosen_server_is_tried_again_first() {
    let mut policy = policy(&["a", "b"]);
    assert_eq!(choose(&mut policy, &[("a", 30)]), (0, "b".into()));
    policy.connected(at(0));
    assert_eq!(policy.choose_attempt(|_| Instant::ORIGIN), None);
    let next = policy.failed(at(100), LOST, NO_JITTER).attempt().unwrap();
    assert_eq!((next.at, next.server.as_str()), (at(101), "b"));
}

/// It has the Session, and the delays are those of a new policy.
#[test]
fn after_a_disconnect_on_purpose_the_chosen_server_is_tried_first() {
    let mut policy = policy(&["a", "b"]);
    let _ = policy.failed(at(0), LOST, NO_JITTER);
    // The turns begin anew with it.
    assert_eq!(choose(&mut policy, &[("b", 30)]), (1, "a".into()));
    policy.connected(at(1));
    let resumed = policy.resume(at(5));
    assert_eq!((resumed.at, resumed.server.as_str()), (at(5), "a"));
    let next = policy.failed(at(5), LOST, NO_JITTER).attempt().unwrap();
    assert_eq!((next.at, next.server.as_str()), (at(6), "b"));
}

#[test]
fn a_redirection_ends_where_a_configured_server_is_chosen() {
    let mut policy = policy(&["a", "b", "c"]);
    let _ = policy.failed(at(0), elsewhere("x y z"), NO_JITTER);
    let held = [("x", 9), ("y", 9), ("z", 9)];
    assert_eq!(choose(&mut policy, &held), (0, "b".into()));
    let _ = policy.failed(at(0), LOST, NO_JITTER);
    assert_eq!(choose(&mut policy, &[]), (1, "c".into()));
}

#[test]
fn servers_of_a_redirection_are_passed_over_too() {
    let mut policy = policy(&["a", "b"]);
    let _ = policy.failed(at(0), elsewhere("x y"), NO_JITTER);
    assert_eq!(choose(&mut policy, &[]), (0, "x".into()));
    assert_eq!(choose(&mut policy, &[("x", 9)]), (0, "y".into()));
    // The one that sent the Client away comes after the others.
    assert_eq!(choose(&mut policy, &[("x", 9), ("y", 9)]), (0, "b".into()));
    assert_eq!(
        choose(&mut policy, &[("x", 9), ("y", 9), ("b", 9)]),
        (0, "a".into())
    );
    // Passed over, not forgotten.
    assert_eq!(choose(&mut policy, &[("x", 9)]), (0, "y".into()));
    let _ = policy.failed(at(0), LOST, NO_JITTER);
    assert_eq!(choose(&mut policy, &[]), (1, "x".into()));
    let _ = policy.failed(at(1), LOST, NO_JITTER);
    assert_eq!(choose(&mut policy, &[]), (2, "b".into()));
}

#[test]
fn a_chosen_server_that_moved_is_the_one_that_is_replaced() {
    let mut policy = policy(&["a", "b"]);
    assert_eq!(choose(&mut policy, &[("a", 9)]), (0, "b".into()));
    let moved = ConnectionFailure::ConnAck {
        reason_code: ReasonCode::ServerMoved,
        server_reference: Some(Text::new("x").unwrap()),
    };
    let _ = policy.failed(at(0), moved, NO_JITTER);
    let servers: Vec<_> = policy.servers().map(ServerReference::as_str).collect();
    assert_eq!(servers, ["a", "x"]);
}

#[test]
fn nothing_is_chosen_after_giving_up_and_all_are_chosen_after_a_new_start() {
    let mut policy = policy(&["a", "b"]);
    assert_eq!(choose(&mut policy, &[("a", 9)]), (0, "b".into()));
    let refused = ConnectionFailure::ConnAck {
        reason_code: ReasonCode::Banned,
        server_reference: None,
    };
    let _ = policy.failed(at(0), refused, NO_JITTER);
    assert_eq!(policy.choose_attempt(|_| Instant::ORIGIN), None);
    assert_eq!(policy.resume(at(1)).server.as_str(), "b");
    assert_eq!(choose(&mut policy, &[("b", 3)]), (1, "a".into()));
    assert_eq!(policy.resume(at(2)).server.as_str(), "b");
}

#[test]
fn a_breaker_says_when_it_may_let_something_pass() {
    let mut breaker = CircuitBreaker::new(CircuitBreakerSettings {
        failures_to_open: 1,
        open_for: Duration::from_secs(20),
        probe_timeout: Duration::from_secs(5),
        successes_to_close: 2,
        ..CircuitBreakerSettings::default()
    });
    assert_eq!(breaker.retry_at(), Instant::ORIGIN);
    let pass = breaker.pass(at(1)).unwrap();
    breaker.failed(at(1), pass);
    assert_eq!(breaker.retry_at(), at(21));
    let probe = breaker.pass(at(30)).unwrap();
    assert_eq!(breaker.retry_at(), at(35));
    breaker.succeeded(at(31), probe);
    assert_eq!(breaker.retry_at(), Instant::ORIGIN);
}

proptest! {
    /// The rule itself, whatever happened before: no configured server could be tried earlier than the one
    /// that was chosen, and the chosen one may be tried at that time.
    #[test]
    fn no_server_could_be_tried_earlier(
        servers in proptest::collection::vec("[a-d]", 1..6),
        steps in proptest::collection::vec(
            (0_u64..20_000, 0_u8..4, "[a-h]( [a-h]){0,3}", any::<[u8; 8]>(), any::<u32>()),
            0..60,
        ),
    ) {
        let mut policy = ReconnectPolicy::new(SETTINGS, &servers).unwrap();
        let mut now = Instant::ORIGIN;
        let mut delay = Duration::ZERO;
        for (pause, what, reference, held, random) in steps {
            let held_until = |server: ServerReference<'_>| {
                let letter = server.as_str().as_bytes()[0] - b'a';
                Instant::from_millis(1000 * u64::from(held[usize::from(letter)]))
            };
            let due = now + delay;
            let earliest = policy.servers().map(|server| held_until(server).max(due)).min().unwrap();
            let before = policy.clone();
            let chosen = policy.choose_attempt(held_until).unwrap();
            prop_assert!(chosen.at <= earliest);
            prop_assert_eq!(chosen.at, held_until(chosen.server).max(due));
            let server = chosen.server.as_str().to_owned();
            now = chosen.at + Duration::from_millis(pause);
            // The choice of the moment is the only one that counts.
            let mut again = before;
            let _ = again.choose_attempt(|_| now);
            let _ = again.choose_attempt(held_until);
            prop_assert_eq!(&again, &policy);

            let failure = match what {
                0 => elsewhere(&reference),
                1 => ConnectionFailure::ConnAck {
                    reason_code: ReasonCode::ServerMoved,
                    server_reference: Some(Text::new(&reference).unwrap()),
                },
                2 => { policy.connected(now); LOST }
                _ => LOST,
            };
            let next = match policy.failed(now, failure, random).attempt() {
                Some(attempt) => attempt.at,
                None => policy.resume(now).at,
            };
            delay = now.until(next);
            prop_assert!(delay <= SETTINGS.maximum_delay);
            prop_assert!(!server.is_empty());
        }
    }
}
