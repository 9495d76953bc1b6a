//! What MQTT 3.1.1 asks of a Server between its Clients, byte by byte.

use mqtt5_session_fsm::broker::{BrokerConfig, Permission, Refusal};
use mqtt5_session_fsm::codec::{Qos, ReasonCode};

use super::wire::{bytes, check, hex};
use crate::broker::place::{Gone, Place, WILL, Who, persistent, who};
use crate::check::{Check, Kind};

pub(super) fn checks() -> Vec<Check> {
    let example = |name: &str, run: fn()| check(Kind::Example, name, run);
    vec![
        example("broker::retained_byte_by_byte", retained),
        example("broker::retained_at_qos_0", retained_at_qos_0),
        example("broker::a_removal_is_a_message", removal),
        example("broker::what_is_not_retained", not_retained),
        example("broker::retained_messages_outlive_sessions", outlive),
        example("broker::the_same_filter_again", the_same_filter_again),
        example("broker::several_filters", several_filters),
        example("broker::without_wildcards", without_wildcards),
        example("broker::messages_that_are_not_allowed", not_allowed),
        example("broker::takeover_without_a_word", takeover),
        example("broker::clients_without_identifier", without_identifier),
        example("broker::messages_wait", messages_wait),
        example("broker::overlapping_subscriptions", overlap),
        example("broker::the_lower_qos", the_lower_qos),
        check(
            Kind::Domain,
            "broker::which_topics_match",
            which_topics_match,
        ),
        example("broker::every_end_and_the_will", wills),
        example("broker::retain_of_the_will", retain_of_the_will),
        example("broker::dup_is_of_the_copy", dup_is_of_the_copy),
        example("broker::unsubscribed_in_the_middle", unsubscribed),
    ]
}

/// What a connection got.
fn got(place: &mut Place, wire: usize) -> String {
    let bytes = place.bytes(wire);
    hex(&bytes)
}

fn send(place: &mut Place, wire: usize, line: &str) -> String {
    place.send(wire, &bytes(line));
    got(place, wire)
}

/// With Clean Session 0.
fn kept(name: &'static str) -> Who {
    who(name).lasting(u32::MAX)
}

/// One that sends and one that gets, without a subscription.
fn two() -> (Place, usize, usize) {
    let mut place = Place::new(BrokerConfig::default());
    let [publisher, it] = ["publisher", "it"].map(|name| place.connect(&who(name)));
    (place, publisher, it)
}

/// [MQTT3-3.3.1-5], [MQTT3-3.3.1-6], [MQTT3-3.3.1-8], [MQTT3-3.3.1-9]: RETAIN is 1 for a new subscription, and 0 for one that
/// stood before.
fn retained() {
    let (mut place, publisher, it) = two();
    assert_eq!(
        send(&mut place, publisher, "33 06 0001 61 0001 78"),
        "40 02 00 01"
    );
    assert_eq!(got(&mut place, it), "");
    let subscribed = send(&mut place, it, "82 06 0001 0001 61 02");
    assert_eq!(subscribed, "90 03 00 01 02 33 06 00 01 61 00 01 78");
    assert_eq!(
        send(&mut place, publisher, "33 06 0001 61 0002 79"),
        "40 02 00 02"
    );
    assert_eq!(got(&mut place, it), "32 06 00 01 61 00 02 79");
    // Only the last one is kept, also for a filter with a wildcard.
    let other = place.connect(&who("other"));
    let subscribed = send(&mut place, other, "82 06 0001 0001 23 00");
    assert_eq!(subscribed, "90 03 00 01 00 31 04 00 01 61 79");
}

/// [MQTT3-3.3.1-7]: what was retained is gone; the new one takes its place.
fn retained_at_qos_0() {
    let (mut place, publisher, it) = two();
    place.retain(publisher, "a", "former");
    assert_eq!(send(&mut place, publisher, "31 04 0001 61 79"), "");
    let subscribed = send(&mut place, it, "82 06 0001 0001 61 02");
    assert_eq!(subscribed, "90 03 00 01 02 31 04 00 01 61 79");
}

/// [MQTT3-3.3.1-10], [MQTT3-3.3.1-11]: it goes to those who have subscribed, with RETAIN 0, and nothing is left for others.
fn removal() {
    for stored in [false, true] {
        let (mut place, publisher, it) = two();
        if stored {
            place.retain(publisher, "a", "former");
        }
        place.subscribe(it, "a", Qos::AtMostOnce);
        let _ = got(&mut place, it);
        assert_eq!(
            send(&mut place, publisher, "33 05 0001 61 0009"),
            "40 02 00 09"
        );
        assert_eq!(got(&mut place, it), "30 03 00 01 61");
        let other = place.connect(&who("other"));
        let subscribed = send(&mut place, other, "82 06 0001 0001 61 02");
        assert_eq!(subscribed, "90 03 00 01 02");
    }
}

/// [MQTT3-3.3.1-12]: neither is it stored, nor does it touch what is.
fn not_retained() {
    let (mut place, publisher, it) = two();
    place.publish(publisher, "a", "live", Qos::AtLeastOnce);
    place.publish(publisher, "b", "live", Qos::AtLeastOnce);
    place.retain(publisher, "b", "x");
    place.publish(publisher, "b", "live", Qos::AtLeastOnce);
    // An empty one without RETAIN removes nothing.
    place.publish(publisher, "b", "", Qos::AtLeastOnce);
    let subscribed = send(&mut place, it, "82 06 0001 0001 2B 00");
    assert_eq!(subscribed, "90 03 00 01 00 31 04 00 01 62 78");
}

/// [MQTT3-3.1.2-7]: the end of the Session that published them, and of one that got them, changes nothing.
fn outlive() {
    let (mut place, publisher, it) = two();
    place.retain(publisher, "a", "x");
    place.subscribe(it, "a", Qos::AtMostOnce);
    for wire in [publisher, it] {
        let _ = send(&mut place, wire, "E0 00");
        place.cut(wire);
    }
    assert_eq!(place.broker.sessions().count(), 0);
    let other = place.connect(&who("it"));
    let subscribed = send(&mut place, other, "82 06 0001 0001 61 00");
    assert_eq!(subscribed, "90 03 00 01 00 31 04 00 01 61 78");
}

/// [MQTT3-3.8.4-3]: it gets the retained message again, at the QoS that was granted last, and each live message once.
fn the_same_filter_again() {
    let (mut place, publisher, it) = two();
    place.retain(publisher, "a", "x");
    let subscribed = send(&mut place, it, "82 06 0001 0001 61 00");
    assert_eq!(subscribed, "90 03 00 01 00 31 04 00 01 61 78");
    let subscribed = send(&mut place, it, "82 06 0002 0001 61 01");
    assert_eq!(subscribed, "90 03 00 02 01 33 06 00 01 61 00 01 78");
    let _ = send(&mut place, publisher, "32 06 0001 61 0001 79");
    assert_eq!(got(&mut place, it), "32 06 00 01 61 00 02 79");
}

/// [MQTT3-3.8.4-4], [MQTT3-3.10.4-6]: as if each filter came alone, but for one answer.
fn several_filters() {
    let (mut place, publisher, it) = two();
    place.retain(publisher, "a", "1");
    place.retain(publisher, "b", "2");
    let subscribed = send(
        &mut place,
        it,
        "82 12 0001 0001 61 00 0001 63 02 0001 62 01 0001 61 01",
    );
    assert!(
        subscribed.starts_with("90 06 00 01 00 02 01 01 "),
        "{subscribed}"
    );
    assert!(subscribed.contains("33 06 00 01 62 00 "), "{subscribed}");
    assert!(subscribed.contains("33 06 00 01 61 00 "), "{subscribed}");
    // The one that came last holds.
    let _ = send(&mut place, publisher, "34 06 0001 61 0001 79 62 02 0001");
    let live = got(&mut place, it);
    assert!(live.starts_with("32 06 00 01 61 "), "{live}");
    let unsubscribed = send(&mut place, it, "A2 0B 0002 0001 61 0001 7A 0001 62");
    assert_eq!(unsubscribed, "B0 02 00 02");
    for topic in ["a", "b", "c"] {
        place.publish(publisher, topic, "3", Qos::AtMostOnce);
    }
    assert_eq!(got(&mut place, it), "30 04 00 01 63 33");
}

/// [MQTT3-3.8.3-2]: a Server that has no wildcards refuses each filter with one, and no other.
fn without_wildcards() {
    let mut config = BrokerConfig::default();
    config.server.limits.wildcard_subscription_available = false;
    let mut place = Place::new(config);
    let it = place.connect(&who("it"));
    let subscribed = send(
        &mut place,
        it,
        "82 14 0001 0001 2B 02 0001 23 02 0003 61 2F 23 02 0001 61 02",
    );
    assert_eq!(subscribed, "90 06 00 01 80 80 80 02");
    place.publish(it, "b", "x", Qos::AtMostOnce);
    place.publish(it, "a", "y", Qos::AtMostOnce);
    assert_eq!(place.payloads(it), ["y"]);
    assert!(place.is_open(it));
}

/// [MQTT3-3.3.5-2]: the message goes to nobody; its publisher gets what every publisher gets, or is disconnected.
fn not_allowed() {
    for refusal in [Refusal::Acknowledge, Refusal::Close] {
        for (packet, acknowledged) in [
            ("30 04 0001 61 78", ""),
            ("32 06 0001 61 0001 78", "40 02 00 01"),
            ("34 06 0001 61 0001 78", "50 02 00 01"),
        ] {
            let mut place = Place::new(BrokerConfig {
                refusal,
                ..BrokerConfig::default()
            });
            let [publisher, it] = ["publisher", "it"].map(|name| place.connect(&who(name)));
            place.subscribe(it, "#", Qos::ExactlyOnce);
            let _ = got(&mut place, it);
            place.policy = |_| Permission::Refuse(ReasonCode::NotAuthorized);
            place.wire(publisher).answers = false;
            let answered = send(&mut place, publisher, packet);
            let has_answer = !acknowledged.is_empty();
            match refusal {
                Refusal::Close if has_answer => {
                    assert_eq!(answered, "", "{packet}");
                    assert!(!place.is_open(publisher), "{packet}");
                }
                _ => assert_eq!(answered, acknowledged, "{packet}"),
            }
            assert_eq!(got(&mut place, it), "", "{packet}");
        }
    }
}

/// [MQTT3-3.1.4-2], [MQTT3-3.1.2-8], [MQTT3-3.2.2-2]: the older Client is disconnected, without a packet, and its Will published
/// at once; the newer one goes on with the Session.
fn takeover() {
    let mut place = Place::new(persistent());
    let watcher = place.connect(&who("watcher"));
    place.subscribe(watcher, "will", Qos::AtMostOnce);
    let _ = got(&mut place, watcher);
    let older = place.connect(&kept("it").with_will(WILL));
    place.subscribe(older, "a", Qos::AtLeastOnce);
    let _ = got(&mut place, older);
    let newer = place.open();
    place.send(newer, &kept("it").bytes());
    assert_eq!(got(&mut place, newer), "20 02 01 00");
    assert!(!place.is_open(older));
    assert_eq!(got(&mut place, older), "");
    let will = "30 0A 00 04 77 69 6C 6C 67 6F 6E 65";
    assert_eq!(got(&mut place, watcher), will);
    place.publish(watcher, "a", "x", Qos::AtLeastOnce);
    assert_eq!(got(&mut place, newer), "32 06 00 01 61 00 01 78");
}

/// [MQTT3-3.1.3-6]: each gets a ClientID of its own, so that none takes the place of another. No packet tells it.
fn without_identifier() {
    let mut place = Place::new(persistent());
    let connect = bytes("10 0C 0004 4D515454 04 02 0000 0000");
    let wires = [place.open(), place.open(), place.open()];
    for wire in wires {
        place.send(wire, &connect);
        assert_eq!(got(&mut place, wire), "20 02 00 00");
    }
    assert!(wires.iter().all(|wire| place.is_open(*wire)));
    assert_eq!(place.broker.sessions().count(), 3);
    place.subscribe(wires[0], "a", Qos::AtMostOnce);
    let _ = got(&mut place, wires[0]);
    place.publish(wires[1], "a", "x", Qos::AtMostOnce);
    assert_eq!(got(&mut place, wires[0]), "30 04 00 01 61 78");
    assert_eq!(got(&mut place, wires[2]), "");
}

/// [MQTT3-3.1.2-5], [MQTT3-4.5.0-1], [MQTT3-4.6.0-6]: messages with QoS 1 and 2 wait, in their order, and over a restart of the
/// Server.
fn messages_wait() {
    for restarts in [false, true] {
        let mut place = Place::new(persistent());
        let publisher = place.connect(&who("publisher"));
        let it = place.connect(&kept("it"));
        place.subscribe(it, "#", Qos::ExactlyOnce);
        place.cut(it);
        for (payload, qos) in [
            ("1", Qos::AtLeastOnce),
            ("2", Qos::ExactlyOnce),
            ("3", Qos::AtLeastOnce),
        ] {
            place.publish(publisher, "a", payload, qos);
        }
        if restarts {
            place.restart();
        }
        let it = place.open();
        place.wire(it).answers = false;
        place.send(it, &kept("it").bytes());
        assert_eq!(
            got(&mut place, it),
            "20 02 01 00 32 06 00 01 61 00 01 31 34 06 00 01 61 00 02 32 32 06 00 01 61 00 03 33",
            "{restarts}"
        );
    }
}

/// [MQTT3-3.3.5-1]: at the highest QoS of the subscriptions that match.
fn overlap() {
    let orders = [["00", "02"], ["02", "00"], ["01", "02"], ["02", "01"]];
    for [one, two] in orders {
        let (mut place, publisher, it) = self::two();
        let _ = send(
            &mut place,
            it,
            &format!("82 0A 0001 0001 61 {one} 0001 23 {two}"),
        );
        place.publish(publisher, "a", "x", Qos::ExactlyOnce);
        let messages = place.take(it);
        let highest = messages.iter().map(|it| it.qos).max();
        assert_eq!(highest, Some(Qos::ExactlyOnce), "{one} {two}");
    }
}

/// [MQTT3-3.3.2-3], [MQTT3-4.7.2-1], [MQTT3-4.7.3-4]: each filter with each topic, live and retained, against the examples of
/// section 4.7.
fn which_topics_match() -> u64 {
    const TOPICS: [&str; 10] = [
        "sport",
        "sport/",
        "/sport",
        "sport/tennis",
        "Sport",
        "sport/tennis/a",
        "/",
        "$SYS",
        "$SYS/a",
        "sport//a",
    ];
    let filters: [(&str, &[&str]); 12] = [
        ("sport", &["sport"]),
        ("sport/", &["sport/"]),
        ("Sport", &["Sport"]),
        (
            "sport/#",
            &[
                "sport",
                "sport/",
                "sport/tennis",
                "sport/tennis/a",
                "sport//a",
            ],
        ),
        ("sport/+", &["sport/", "sport/tennis"]),
        ("sport/+/a", &["sport/tennis/a", "sport//a"]),
        ("+", &["sport", "Sport"]),
        ("+/+", &["sport/", "/sport", "sport/tennis", "/"]),
        ("/+", &["/sport", "/"]),
        (
            "#",
            &[
                "sport",
                "sport/",
                "/sport",
                "sport/tennis",
                "Sport",
                "sport/tennis/a",
                "/",
                "sport//a",
            ],
        ),
        ("$SYS/#", &["$SYS", "$SYS/a"]),
        ("$SYS/+", &["$SYS/a"]),
    ];
    for (filter, expected) in filters {
        let (mut place, publisher, it) = two();
        for topic in TOPICS {
            place.retain(publisher, topic, topic);
        }
        place.subscribe(it, filter, Qos::AtMostOnce);
        let mut retained = place.payloads(it);
        for topic in TOPICS {
            place.publish(publisher, topic, topic, Qos::AtMostOnce);
        }
        assert_eq!(place.payloads(it), expected, "{filter}");
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        retained.sort_unstable();
        assert_eq!(retained, expected, "{filter}");
    }
    (filters.len() * TOPICS.len()) as u64
}

/// [MQTT3-3.8.4-6]: at the lower of the two, whatever they are.
fn the_lower_qos() {
    for published in 0..=2_u8 {
        for granted in 0..=2_u8 {
            let (mut place, publisher, it) = two();
            let subscribed = send(&mut place, it, &format!("82 06 0001 0001 61 0{granted}"));
            assert_eq!(subscribed, format!("90 03 00 01 0{granted}"));
            let qos = Qos::from_bits(published).expect("a QoS");
            place.publish(publisher, "a", "x", qos);
            let expected = match published.min(granted) {
                0 => "30 04 00 01 61 78",
                1 => "32 06 00 01 61 00 01 78",
                _ => "34 06 00 01 61 00 01 78",
            };
            let live = got(&mut place, it);
            assert!(live.starts_with(expected), "{published} {granted}: {live}");
        }
    }
}

/// [MQTT3-3.1.2-8], [MQTT3-3.1.2-10], [MQTT3-3.1.2-12], [MQTT3-3.14.4-3]: every end but a DISCONNECT publishes the Will, once, if
/// there is one.
fn wills() {
    type End = (&'static str, fn(&mut Place, usize), bool);
    let ends: [End; 6] = [
        ("DISCONNECT", |place, it| place.send(it, &[0xE0, 0]), false),
        ("lost", |place, it| place.cut(it), true),
        ("malformed", |place, it| place.send(it, &[0x00, 0]), true),
        (
            "DISCONNECT of 5.0",
            |place, it| place.send(it, &[0xE0, 1, 0]),
            true,
        ),
        ("keep alive", |place, _| place.pass(16_000), true),
        (
            "kicked",
            |place, _| {
                let code = ReasonCode::AdministrativeAction;
                place.broker.kick(place.now, "it", code, &[]);
                place.settle();
            },
            true,
        ),
    ];
    for (name, end, publishes) in ends {
        for has_will in [false, true] {
            for it in [who("it"), kept("it")] {
                let mut place = Place::new(persistent());
                let watcher = place.connect(&kept("watcher"));
                place.subscribe(watcher, "#", Qos::ExactlyOnce);
                let mut it = it.clone();
                it.keep_alive = 10;
                it.will = has_will.then_some(WILL);
                let wire = place.connect(&it);
                end(&mut place, wire);
                assert!(!place.is_open(wire), "{name}");
                let wills = usize::from(has_will && publishes);
                assert_eq!(place.take(watcher).len(), wills, "{name} {has_will}");
                place.pass(200_000);
                place.restart();
                let watcher = place.resume(&kept("watcher"));
                place.pass(200_000);
                assert_eq!(place.take(watcher), [], "{name} {has_will}");
            }
        }
    }
}

/// [MQTT3-3.1.2-16], [MQTT3-3.1.2-17]: for those that subscribe later, too, or not.
fn retain_of_the_will() {
    for retain in [false, true] {
        let (mut place, _, it) = two();
        place.subscribe(it, "will", Qos::AtMostOnce);
        let _ = got(&mut place, it);
        let wire = place.connect(&who("gone").with_will(Gone { retain, ..WILL }));
        place.cut(wire);
        let live = "30 0A 00 04 77 69 6C 6C 67 6F 6E 65";
        assert_eq!(got(&mut place, it), live);
        let other = place.connect(&who("other"));
        let subscribed = send(&mut place, other, "82 09 0001 0004 77696C6C 00");
        let expected = match retain {
            true => "90 03 00 01 00 31 0A 00 04 77 69 6C 6C 67 6F 6E 65",
            false => "90 03 00 01 00",
        };
        assert_eq!(subscribed, expected);
    }
}

/// [MQTT3-3.3.1-3], [MQTT3-3.3.1-1]: DUP of what came in goes to nobody; what is sent again has it.
fn dup_is_of_the_copy() {
    let mut place = Place::new(BrokerConfig::default());
    let publisher = place.connect(&who("publisher"));
    let it = place.connect(&kept("it"));
    place.subscribe(it, "a", Qos::AtLeastOnce);
    let _ = got(&mut place, it);
    place.wire(it).answers = false;
    let _ = send(&mut place, publisher, "3A 06 0001 61 0001 78");
    assert_eq!(got(&mut place, it), "32 06 00 01 61 00 01 78");
    place.cut(it);
    let it = place.open();
    place.send(it, &kept("it").bytes());
    assert_eq!(got(&mut place, it), "20 02 01 00 3A 06 00 01 61 00 01 78");
}

/// [MQTT3-3.10.4-1] to [MQTT3-3.10.4-5]: exactly the filter that is equal; what was sent is completed, and nothing is added.
fn unsubscribed() {
    let (mut place, publisher, it) = two();
    let _ = send(&mut place, it, "82 08 0001 0003 61 2F 62 02");
    place.wire(it).answers = false;
    place.publish(publisher, "a/b", "x", Qos::ExactlyOnce);
    assert_eq!(got(&mut place, it), "34 08 00 03 61 2F 62 00 01 78");
    // Filters that match the same topic are others.
    for filter in ["61 2F 2B", "41 2F 62", "61 2F 23"] {
        let unsubscribed = send(&mut place, it, &format!("A2 07 0002 0003 {filter}"));
        assert_eq!(unsubscribed, "B0 02 00 02");
        place.publish(publisher, "a/b", "y", Qos::AtMostOnce);
        assert_eq!(got(&mut place, it), "30 06 00 03 61 2F 62 79", "{filter}");
    }
    let unsubscribed = send(&mut place, it, "A2 07 0003 0003 61 2F 62");
    assert_eq!(unsubscribed, "B0 02 00 03");
    place.publish(publisher, "a/b", "z", Qos::ExactlyOnce);
    assert_eq!(got(&mut place, it), "");
    assert_eq!(send(&mut place, it, "50 02 0001"), "62 02 00 01");
    assert_eq!(send(&mut place, it, "70 02 0001"), "");
    assert!(place.is_open(it));
}
