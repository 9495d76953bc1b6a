//! Reconnecting: delays, turns, redirections, giving up.

pub(crate) mod policy;
mod versions;

use core::time::Duration;

use mqtt5_session_fsm::Instant;
use mqtt5_session_fsm::codec::{ConnAck, Disconnect, Properties, Property, ReasonCode, Text};
use mqtt5_session_fsm::reconnect::{
    Backoff, ConnectionFailure, GiveUp, ReconnectError, ReconnectPolicy, ReconnectSettings,
    Reconnection, RetryAdvice, ServerReference,
};
use proptest::prelude::*;

use policy::{LOST, NO_JITTER, SETTINGS, at, policy};

/// Seconds until the next attempt, and its server.
fn fails(
    policy: &mut ReconnectPolicy,
    now: Instant,
    failure: ConnectionFailure<'_>,
) -> (u64, String) {
    let attempt = policy.failed(now, failure, NO_JITTER).attempt().unwrap();
    let seconds = now.until(attempt.at).as_secs();
    (seconds, attempt.server.as_str().into())
}

fn redirection(reason_code: ReasonCode, server_reference: &str) -> ConnectionFailure<'_> {
    ConnectionFailure::ConnAck {
        reason_code,
        server_reference: (!server_reference.is_empty())
            .then(|| Text::new(server_reference).unwrap()),
    }
}

fn elsewhere(server_reference: &str) -> ConnectionFailure<'_> {
    redirection(ReasonCode::UseAnotherServer, server_reference)
}

fn moved(server_reference: &str) -> ConnectionFailure<'_> {
    redirection(ReasonCode::ServerMoved, server_reference)
}

fn servers(policy: &ReconnectPolicy) -> Vec<&str> {
    policy.servers().map(ServerReference::as_str).collect()
}

#[test]
fn the_first_attempt_is_due_at_once() {
    let policy = policy(&["a", "b"]);
    let attempt = policy.next_attempt().unwrap();
    assert_eq!(
        (attempt.at, attempt.server.as_str()),
        (Instant::ORIGIN, "a")
    );
}

#[test]
fn the_delay_doubles_up_to_the_maximum() {
    let mut policy = policy(&["a"]);
    let delays: Vec<u64> = (0..6).map(|_| fails(&mut policy, at(5), LOST).0).collect();
    assert_eq!(delays, [1, 2, 4, 8, 10, 10]);
    assert_eq!(policy.failures(), 6);
}

#[test]
fn the_delay_grows_when_each_server_had_its_turn() {
    let mut policy = policy(&["a", "b", "c"]);
    let turns: Vec<_> = (0..7).map(|_| fails(&mut policy, at(0), LOST)).collect();
    let expected = [
        (1, "b"),
        (1, "c"),
        (1, "a"),
        (2, "b"),
        (2, "c"),
        (2, "a"),
        (4, "b"),
    ];
    assert_eq!(
        turns,
        expected.map(|(delay, server)| (delay, server.to_string()))
    );
}

/// After `resume`, delays and redirections are those of a new policy.
#[test]
fn resume_starts_again() {
    let lost = |policy: &mut ReconnectPolicy| fails(policy, at(5), LOST).0;
    let redirected = |policy: &mut ReconnectPolicy| fails(policy, at(5), elsewhere("")).0;
    let all = |policy: &mut ReconnectPolicy| {
        let mut delays: Vec<u64> = (0..6).map(|_| redirected(policy)).collect();
        delays.extend((0..3).map(|_| lost(policy)));
        delays.extend((0..6).map(|_| redirected(policy)));
        delays
    };
    let mut policy = policy(&["a", "b"]);
    let fresh = all(&mut policy.clone());
    for before in 0..8 {
        for _ in 0..before {
            let _ = (
                redirected(&mut policy),
                lost(&mut policy),
                lost(&mut policy),
            );
        }
        for _ in 0..before {
            let _ = redirected(&mut policy);
        }
        let _ = policy.resume(at(5));
        assert_eq!(policy.failures(), 0);
        assert_eq!(all(&mut policy.clone()), fresh, "{before}");
    }
}

#[test]
fn a_stable_connection_makes_a_new_start_at_the_same_server() {
    let mut policy = policy(&["a", "b"]);
    for _ in 0..5 {
        let _ = policy.failed(at(0), LOST, NO_JITTER);
    }
    assert_eq!(policy.next_attempt().unwrap().server.as_str(), "b");
    policy.connected(at(100));
    assert_eq!(policy.next_attempt(), None);
    assert_eq!(fails(&mut policy, at(160), LOST), (1, "b".into()));
    assert_eq!(policy.failures(), 1);
    assert_eq!(fails(&mut policy, at(162), LOST), (1, "a".into()));
}

#[test]
fn a_connection_that_is_lost_soon_is_one_more_failure() {
    let mut policy = policy(&["a"]);
    assert_eq!(fails(&mut policy, at(0), LOST).0, 1);
    policy.connected(at(1));
    assert_eq!(fails(&mut policy, at(60), LOST).0, 2);
    policy.connected(at(62));
    assert_eq!(fails(&mut policy, at(121), LOST).0, 4);
}

#[test]
fn without_a_report_of_the_connection_nothing_was_stable() {
    let mut policy = policy(&["a"]);
    assert_eq!(fails(&mut policy, at(0), LOST).0, 1);
    assert_eq!(fails(&mut policy, at(1000), LOST).0, 2);
}

#[test]
fn some_reason_codes_make_retrying_pointless() {
    for code in [0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C] {
        let reason_code = ReasonCode::from_byte(code).unwrap();
        let mut policy = policy(&["a", "b"]);
        let next = policy.failed(at(0), &ConnAck::new(reason_code), NO_JITTER);
        assert_eq!(next, Reconnection::GiveUp(GiveUp::Refused(reason_code)));
        assert_eq!(next.attempt(), None);
        assert_eq!(policy.next_attempt(), None);
        policy.postpone(at(5));
        assert_eq!(policy.next_attempt(), None);

        let attempt = policy.resume(at(7));
        assert_eq!((attempt.at, attempt.server.as_str()), (at(7), "a"));
        assert_eq!(policy.next_attempt().unwrap().at, at(7));
    }
    let taken_over = ConnectionFailure::from(&Disconnect::new(ReasonCode::SessionTakenOver));
    assert_eq!(taken_over.advice(), RetryAdvice::ChangeFirst);
}

#[test]
fn busy_servers_are_given_time() {
    for code in [0x80, 0x83, 0x88, 0x89, 0x97, 0x9F] {
        let refusal = ConnAck::new(ReasonCode::from_byte(code).unwrap());
        let mut policy = policy(&["a"]);
        assert_eq!(
            fails(&mut policy, at(0), (&refusal).into()),
            (1, "a".into())
        );
    }
    for code in [0x00, 0x81, 0x82, 0x8B, 0x8D, 0x93, 0x95, 0x96, 0x98, 0xA0] {
        let end = Disconnect::new(ReasonCode::from_byte(code).unwrap());
        assert_eq!(
            ConnectionFailure::from(&end).advice(),
            RetryAdvice::BackOff,
            "{code:X}"
        );
    }
}

#[test]
fn a_refused_connect_packet_is_not_repeated() {
    for code in [0x81, 0x82, 0x90, 0x95, 0x99, 0x9A, 0x9B] {
        let refusal = ConnAck::new(ReasonCode::from_byte(code).unwrap());
        let advice = ConnectionFailure::from(&refusal).advice();
        assert_eq!(advice, RetryAdvice::ChangeFirst, "{code:X}");
    }
}

#[test]
fn packets_are_read_with_their_server_reference() {
    let list = [Property::ServerReference(Text::new("x y").unwrap())];
    let connack = ConnAck {
        properties: Properties::new(&list).unwrap(),
        ..ConnAck::new(ReasonCode::UseAnotherServer)
    };
    assert_eq!(ConnectionFailure::from(&connack), elsewhere("x y"));
    let disconnect = Disconnect {
        properties: Properties::new(&list).unwrap(),
        ..Disconnect::new(ReasonCode::UseAnotherServer)
    };
    let failure = ConnectionFailure::from(&disconnect);
    assert_eq!(failure.server_reference().as_deref(), Some("x y"));
    assert_eq!(failure.reason_code(), Some(ReasonCode::UseAnotherServer));
}

#[test]
fn another_server_for_the_time_being_is_tried_at_once_and_then_the_configured_ones() {
    let mut policy = policy(&["a", "b"]);
    assert_eq!(
        fails(&mut policy, at(0), elsewhere("x y x")),
        (0, "x".into())
    );
    assert_eq!(servers(&policy), ["a", "b"]);
    assert_eq!(fails(&mut policy, at(1), LOST), (1, "y".into()));
    assert_eq!(fails(&mut policy, at(2), LOST), (1, "b".into()));
    assert_eq!(fails(&mut policy, at(3), LOST), (1, "a".into()));
    assert_eq!(fails(&mut policy, at(4), LOST), (2, "b".into()));
}

#[test]
fn a_stable_connection_elsewhere_ends_the_time_being() {
    let mut policy = policy(&["a", "b"]);
    assert_eq!(fails(&mut policy, at(0), elsewhere("x y")), (0, "x".into()));
    policy.connected(at(1));
    assert_eq!(fails(&mut policy, at(100), LOST), (1, "a".into()));
}

#[test]
fn another_server_without_a_reference_is_the_next_one_or_the_same_one_later() {
    let mut two = policy(&["a", "b"]);
    assert_eq!(fails(&mut two, at(0), elsewhere("")), (0, "b".into()));
    let mut one = policy(&["a"]);
    assert_eq!(fails(&mut one, at(0), elsewhere("  ")), (1, "a".into()));
    assert_eq!(fails(&mut one, at(2), elsewhere("x")), (0, "x".into()));
    assert_eq!(fails(&mut one, at(3), elsewhere("")), (0, "a".into()));
}

#[test]
fn a_server_that_moved_is_replaced_for_good() {
    let mut policy = policy(&["a", "b"]);
    let next = policy.failed(at(3), moved("x b y"), NO_JITTER);
    let Reconnection::Moved(attempt) = next else {
        panic!("{next:?}")
    };
    assert_eq!((attempt.at, attempt.server.as_str()), (at(3), "x"));
    assert_eq!(servers(&policy), ["x", "y", "b"]);
    policy.connected(at(4));
    assert_eq!(fails(&mut policy, at(100), LOST), (1, "x".into()));
}

#[test]
fn a_server_that_moved_to_a_known_one_is_removed() {
    let mut policy = policy(&["a", "b", "c"]);
    assert_eq!(fails(&mut policy, at(0), moved("c")), (0, "c".into()));
    assert_eq!(servers(&policy), ["b", "c"]);
    assert_eq!(fails(&mut policy, at(0), moved("")), (0, "b".into()));
    assert_eq!(servers(&policy), ["b"]);
}

/// The next one has the turn of a server that is removed; after the last one it is the first.
#[test]
fn a_server_that_moved_to_nowhere_passes_its_turn_on() {
    for (turn, next, after) in [(0, "b", "c"), (1, "c", "a"), (2, "a", "b")] {
        let mut policy = policy(&["a", "b", "c"]);
        for _ in 0..turn {
            let _ = policy.failed(at(0), LOST, NO_JITTER);
        }
        assert_eq!(fails(&mut policy, at(1), moved("")), (0, next.into()));
        assert_eq!(servers(&policy).len(), 2);
        assert_eq!(fails(&mut policy, at(2), LOST), (1, after.into()));
    }
}

#[test]
fn the_only_server_is_replaced_if_it_moved() {
    let mut policy = policy(&["a"]);
    let next = policy.failed(at(3), moved("x y"), NO_JITTER);
    assert!(matches!(next, Reconnection::Moved(attempt) if attempt.server.as_str() == "x"));
    assert_eq!(servers(&policy), ["x", "y"]);
}

#[test]
fn the_only_server_that_moved_to_nowhere_is_kept_but_not_tried() {
    let mut policy = policy(&["a"]);
    let next = policy.failed(at(0), moved(""), NO_JITTER);
    assert_eq!(next, Reconnection::GiveUp(GiveUp::ServerMoved));
    assert_eq!(servers(&policy), ["a"]);
}

#[test]
fn a_server_of_a_detour_that_moved_leaves_the_configured_ones_alone() {
    let mut policy = policy(&["a"]);
    assert_eq!(fails(&mut policy, at(0), elsewhere("x")), (0, "x".into()));
    let next = policy.failed(at(0), moved("y"), NO_JITTER);
    assert!(matches!(next, Reconnection::Attempt(attempt) if attempt.server.as_str() == "y"));
    assert_eq!(servers(&policy), ["a"]);
}

#[test]
fn servers_that_send_clients_to_each_other_do_not_keep_them_busy() {
    let mut policy = policy(&["a"]);
    let delays: Vec<u64> = ["b", "a", "b", "a", "b", "a"]
        .map(|server| fails(&mut policy, at(0), elsewhere(server)).0)
        .into();
    assert_eq!(delays, [0, 0, 0, 1, 2, 4]);
    policy.connected(at(10));
    assert_eq!(fails(&mut policy, at(70), elsewhere("b")).0, 0);
}

#[test]
fn another_failure_between_them_makes_a_new_row_of_redirections() {
    let mut policy = policy(&["a"]);
    for _ in 0..3 {
        for server in ["b", "a", "b"] {
            assert_eq!(fails(&mut policy, at(0), elsewhere(server)).0, 0);
        }
        assert_ne!(fails(&mut policy, at(0), LOST).0, 0);
    }
}

#[test]
fn too_many_references_are_counted() {
    let list: Vec<String> = (0..20).map(|number| format!("s{number}")).collect();
    let list = list.join(" ");
    let mut first = policy(&["a", "b"]);
    let _ = first.failed(at(0), elsewhere(&list), NO_JITTER);
    assert_eq!(first.ignored_references(), 4);
    let mut second = policy(&["a", "b"]);
    let _ = second.failed(at(0), moved(&list), NO_JITTER);
    assert_eq!(second.ignored_references(), 5);
    assert_eq!(servers(&second).len(), ReconnectPolicy::MAXIMUM_SERVERS);
    assert_eq!(servers(&second).last(), Some(&"b"));
}

#[test]
fn there_must_be_one_to_sixteen_servers() {
    let new = |count| ReconnectPolicy::new(SETTINGS, vec!["a"; count]).map(|_| ());
    assert_eq!(new(0), Err(ReconnectError::NumberOfServers));
    assert_eq!(new(1), Ok(()));
    assert_eq!(new(16), Ok(()));
    assert_eq!(new(17), Err(ReconnectError::NumberOfServers));
    let endless = ReconnectPolicy::new(SETTINGS, std::iter::repeat("a"));
    assert_eq!(endless, Err(ReconnectError::NumberOfServers));
}

#[test]
fn it_gives_up_after_the_configured_number_of_failures() {
    let settings = ReconnectSettings {
        give_up_after: Some(3),
        ..SETTINGS
    };
    let mut policy = ReconnectPolicy::new(settings, ["a"]).unwrap();
    assert!(policy.failed(at(0), LOST, 0).attempt().is_some());
    assert!(policy.failed(at(0), LOST, 0).attempt().is_some());
    let next = policy.failed(at(0), moved("b"), 0);
    assert_eq!(next, Reconnection::GiveUp(GiveUp::TooManyFailures(3)));
    assert_eq!(servers(&policy), ["a"]);
    let _ = policy.resume(at(9));
    assert!(policy.failed(at(9), LOST, 0).attempt().is_some());
}

#[test]
fn an_attempt_can_be_put_off_but_not_brought_forward() {
    let mut policy = policy(&["a"]);
    policy.postpone(at(9));
    assert_eq!(policy.next_attempt().unwrap().at, at(9));
    policy.postpone(at(3));
    assert_eq!(policy.next_attempt().unwrap().at, at(9));
}

#[test]
fn jitter_is_a_fraction_of_the_ceiling_and_never_small() {
    let backoff = Backoff::new(Duration::from_secs(4), Duration::from_secs(60), 200);
    let delay = |random| backoff.clone().next_delay(random);
    assert_eq!(delay(u32::MAX), Duration::from_secs(4));
    assert_eq!(delay(u32::MAX / 4), Duration::from_secs(1));
    assert_eq!(delay(u32::MAX / 16), Duration::from_millis(500));
    assert_eq!(delay(u32::MAX / 16 + 1), Duration::from_nanos(250_000_001));
    assert_eq!(delay(0), Duration::from_nanos(250_000_001));
    // Rounded up to what an `Instant` can tell apart.
    let mut policy = policy(&["a"]);
    let attempt = policy.failed(at(0), LOST, 0).attempt().unwrap();
    assert_eq!(attempt.at, Instant::from_millis(63));
}

/// Whoever copies an example with a constant in place of a random number, whichever, gets delays that grow.
#[test]
fn no_constant_makes_a_hot_loop() {
    for random in [0, 1, u32::MAX / 16, u32::MAX / 2, u32::MAX] {
        let mut policy = policy(&["a"]);
        let mut now = at(0);
        let mut attempts = 0;
        while now < at(60) {
            attempts += 1;
            now = policy.failed(now, LOST, random).attempt().unwrap().at;
        }
        assert!(
            attempts < 120,
            "{attempts} attempts in a minute with {random}"
        );
    }
}

#[test]
fn a_back_off_never_lacks_a_delay() {
    let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO, 0);
    assert_eq!(backoff.next_delay(NO_JITTER), Duration::from_millis(1));
    assert_eq!(backoff.next_delay(NO_JITTER), Duration::from_millis(1));
    let mut backoff = Backoff::new(Duration::ZERO, Duration::from_millis(5), 150);
    for _ in 0..9 {
        assert!(backoff.next_delay(0) > Duration::ZERO);
    }
    assert_eq!(backoff.ceiling(), Duration::from_millis(5));
    let mut backoff = Backoff::new(Duration::MAX, Duration::MAX, u32::MAX);
    assert_eq!(backoff.next_delay(NO_JITTER), Duration::MAX);
    assert_eq!(backoff.next_delay(NO_JITTER), Duration::MAX);
}

#[test]
fn server_names_in_the_recommended_format_are_read() {
    let name = |text| {
        let name = ServerReference::new(text).server_name()?;
        Some((name.name, name.port(), name.in_brackets))
    };
    assert_eq!(
        name("myserver.xyz.org"),
        Some(("myserver.xyz.org", None, false))
    );
    assert_eq!(
        name("myserver.xyz.org:8883"),
        Some(("myserver.xyz.org", Some(8883), false))
    );
    assert_eq!(
        name("10.10.151.22:8883"),
        Some(("10.10.151.22", Some(8883), false))
    );
    let address = "fe80::9610:3eff:fe1c";
    assert_eq!(
        name("[fe80::9610:3eff:fe1c]:1883"),
        Some((address, Some(1883), true))
    );
    assert_eq!(name("[fe80::9610:3eff:fe1c]"), Some((address, None, true)));
    assert_eq!(name("[a[b]:1"), Some(("a[b", Some(1), true)));
    assert_eq!(name("a:65535"), Some(("a", Some(65_535), false)));
}

#[test]
fn other_formats_are_handed_through() {
    let others = [
        "",
        ":",
        ":1",
        "a:",
        "a:b",
        "a:0",
        "a:65536",
        "a:+1",
        "a:1:2",
        "fe80::1",
        "[]",
        "[]:1",
        "[a",
        "a]",
        "[a]1",
        "[a]:",
        "[a]:x",
        "x[a]:1",
        "mqtts://a:1",
        "a b",
    ];
    for text in others {
        let reference = ServerReference::new(text);
        assert_eq!(reference.server_name(), None, "{text}");
        assert_eq!(reference.as_str(), text);
    }
}

#[test]
fn a_list_of_references_is_separated_by_any_number_of_spaces() {
    let list: Vec<_> = ServerReference::list("  a  b:1 ?! ")
        .map(ServerReference::as_str)
        .collect();
    assert_eq!(list, ["a", "b:1", "?!"]);
    assert_eq!(ServerReference::list("   ").count(), 0);
}

proptest! {
    /// Nothing is lost but the spaces, and nothing panics.
    #[test]
    fn no_reference_loses_information(text in "[ab:\\[\\]0-9 /é]{0,24}") {
        let joined: String = ServerReference::list(&text).map(ServerReference::as_str).collect();
        prop_assert_eq!(joined, text.replace(' ', ""));
        for reference in ServerReference::list(&text) {
            if let Some(name) = reference.server_name() {
                let port = name.port().map_or(String::new(), |port| format!(":{port}"));
                let again = if name.in_brackets {
                    format!("[{}]{port}", name.name)
                } else {
                    format!("{}{port}", name.name)
                };
                // But for zeros before the port.
                prop_assert_eq!(ServerReference::new(&again).server_name(), Some(name));
                prop_assert!(again.len() <= reference.as_str().len());
            }
        }
    }

    /// Whatever happens: attempts are never in the past, never further than the maximum, never at
    /// an unknown server, and what is stored stays bounded.
    #[test]
    fn a_policy_survives_everything(
        servers in proptest::collection::vec("[a-d]", 1..6),
        steps in proptest::collection::vec(
            (0_u64..100_000, 0_usize..ReasonCode::ALL.len() + 2, "[a-h ]{0,60}", any::<u32>()),
            0..60,
        ),
    ) {
        let mut policy = ReconnectPolicy::new(SETTINGS, &servers).unwrap();
        let mut now = Instant::ORIGIN;
        for (pause, what, reference, random) in steps {
            now += Duration::from_millis(pause);
            let failure = match ReasonCode::ALL.get(what) {
                Some(&reason_code) => redirection(reason_code, &reference),
                None if what == ReasonCode::ALL.len() => LOST,
                None => {
                    policy.connected(now);
                    continue;
                }
            };
            let copy = policy.clone();
            match policy.failed(now, failure, random) {
                Reconnection::Attempt(attempt) | Reconnection::Moved(attempt) => {
                    prop_assert!(attempt.at >= now);
                    prop_assert!(attempt.at <= now + SETTINGS.maximum_delay);
                    prop_assert!(!attempt.server.as_str().is_empty());
                    prop_assert_eq!(policy.next_attempt().is_some(), true);
                }
                Reconnection::GiveUp(_) => {
                    prop_assert_eq!(policy.next_attempt(), None);
                    let _ = policy.resume(now);
                }
            }
            let mut again = copy;
            let _ = again.failed(now, failure, random);
            let _ = again.resume(now);
            prop_assert!((1..=16).contains(&policy.servers().count()));
        }
    }
}
