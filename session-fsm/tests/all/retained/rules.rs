//! What a PUBLISH with RETAIN 1 does (section 3.3.1.3), and what a subscription gets.

use core::num::NonZeroU64;

use mqtt5_session_fsm::codec::Publish;

use super::*;

#[test]
fn a_message_replaces_the_former_one_of_its_topic() {
    let mut store = empty();
    let first = retain(&mut store, "a/b", "1");
    assert!(first.stored.is_some());
    assert_eq!((first.removed, first.expired), (None, vec![]));

    let second = retain(&mut store, "a/b", "2");
    let removed = second.removed.unwrap();
    assert_eq!(removed.message, message("a/b", "1"));
    assert_eq!(Some(removed.sequence), first.stored);
    assert!(second.stored > first.stored);
    assert_eq!(payload(&store, NOW, "a/b"), Some("2"));
    assert_eq!(store.len(), 1);
    check(&store);
}

#[test]
fn an_empty_payload_removes_the_message_and_is_not_stored() {
    let mut store = empty();
    put(&mut store, "a/b", "1");
    put(&mut store, "a", "2");
    let changes = retain(&mut store, "a/b", "");
    assert_eq!(changes.stored, None);
    assert_eq!(changes.removed.unwrap().message, message("a/b", "1"));
    assert_eq!(payload(&store, NOW, "a/b"), None);
    assert_eq!(matches(&store, NOW, "#"), ["a"]);
    check(&store);

    assert_eq!(retain(&mut store, "a/b", ""), Changes::default());
    assert_eq!(retain(&mut store, "never/seen", ""), Changes::default());
    assert_eq!(store.len(), 1);
}

#[test]
fn topics_that_were_cleared_leave_nothing_behind() {
    let mut store = empty();
    for round in 0..3 {
        for number in 0..1000 {
            let topic = format!("level/{number}/{round}");
            let expires_at = if number % 2 == 0 { NEVER } else { at(1000) };
            put_until(&mut store, NOW, &topic, "x", expires_at);
        }
        for number in 0..1000 {
            put(&mut store, &format!("level/{number}/{round}"), "");
        }
        assert_eq!((store.len(), store.bytes()), (0, 0));
        assert_eq!(store.next_timeout(), NEVER);
        assert_eq!(store, empty());
        assert_eq!(walk(&store, NOW, &mut store.cursor(filter("#"))).1, 1);
    }
}

#[test]
fn all_that_was_given_comes_back() {
    let mut store = empty();
    let message = Message::new(&Publish {
        retain: true,
        ..Publish::new(name("a"), b"1")
    });
    let (message, body) = (message.unwrap(), NonZeroU64::new(7));
    let changes = store.retain(
        NOW,
        message.clone(),
        Qos::ExactlyOnce,
        at(9),
        body,
        Some("one"),
    );
    let changes = changes.unwrap();

    let mut cursor = store.cursor(filter("a"));
    let Step::Found(found) = store.next(NOW, &mut cursor, &mut 1) else {
        panic!("it is there");
    };
    assert_eq!(found.message, message);
    assert_eq!(
        (found.qos, found.expires_at, found.body),
        (Qos::ExactlyOnce, at(9), body)
    );
    assert_eq!(found.publisher.as_deref(), Some("one"));
    assert_eq!(Some(found.sequence), changes.stored);
    assert_eq!(store.get(NOW, name("a")), Some(found));

    let found = found.clone();
    assert_eq!(store.remove(name("a")), Some(found));
    assert_eq!(store.remove(name("a")), None);
}

#[test]
fn examples_of_the_standard() {
    let mut store = empty();
    for topic in [
        "sport/tennis/player1",
        "sport/tennis/player1/ranking",
        "sport/tennis/player1/score/wimbledon",
        "sport",
        "sport/",
        "/finance",
        "finance",
        "$SYS/monitor/Clients",
        "$SYS",
    ] {
        put(&mut store, topic, "x");
    }
    let matches = |filter| matches(&store, NOW, filter);
    let player = [
        "sport/tennis/player1",
        "sport/tennis/player1/ranking",
        "sport/tennis/player1/score/wimbledon",
    ];
    assert_eq!(matches("sport/tennis/player1/#"), player);
    assert_eq!(matches("sport/tennis/+"), player[..1]);
    assert_eq!(matches("sport/+"), ["sport/"]);
    assert_eq!(
        matches("sport/#"),
        [&["sport", "sport/"], &player[..]].concat()
    );
    assert_eq!(matches("+/+"), ["/finance", "sport/"]);
    assert_eq!(matches("/+"), ["/finance"]);
    assert_eq!(matches("+"), ["finance", "sport"]);
    assert_eq!(matches("#").len(), 7);
    assert_eq!(matches("+/monitor/Clients"), [""; 0]);
    assert_eq!(matches("$SYS/#"), ["$SYS", "$SYS/monitor/Clients"]);
    assert_eq!(matches("$SYS/monitor/+"), ["$SYS/monitor/Clients"]);
}

#[test]
fn a_shared_subscription_gets_no_retained_messages() {
    let mut store = empty();
    put(&mut store, "a", "x");
    put(&mut store, "$share/g/a", "x");
    for shared in ["$share/g/a", "$share/g/#"] {
        let mut cursor = store.cursor(filter(shared));
        assert!(cursor.has_ended());
        assert_eq!(store.next(NOW, &mut cursor, &mut 1), Step::End);
    }
}

#[test]
fn a_cursor_passes_over_what_came_after_it() {
    let mut store = empty();
    for topic in ["a", "b", "c"] {
        put(&mut store, topic, "old");
    }
    let mut cursor = store.cursor(filter("+"));
    put(&mut store, "b", "new");
    put(&mut store, "d", "new");
    put(&mut store, "c", "");
    assert_eq!(walk(&store, NOW, &mut cursor).0, ["a"]);
    assert_eq!(matches(&store, NOW, "+"), ["a", "b", "d"]);
}

#[test]
fn long_topics_and_any_characters() {
    let mut store = empty();
    let long = "é/".repeat(127) + "x";
    let longer = "x".repeat(65_535);
    let topics = [
        &*long,
        &longer,
        "\u{1}",
        "a",
        "a/\u{1}",
        "a\u{1}",
        "\u{10FFFF}/é",
    ];
    for topic in topics {
        put(&mut store, topic, "x");
        assert_eq!(payload(&store, NOW, topic), Some("x"));
        assert_eq!(matches(&store, NOW, topic), [topic]);
    }
    let all = [
        "\u{1}",
        "a",
        "a/\u{1}",
        "a\u{1}",
        &longer,
        &long,
        "\u{10FFFF}/é",
    ];
    assert_eq!(matches(&store, NOW, "#"), all);
    assert_eq!(matches(&store, NOW, "+/#"), all);
    assert_eq!(matches(&store, NOW, "a/#"), ["a", "a/\u{1}"]);
    assert_eq!(matches(&store, NOW, "+"), ["\u{1}", "a", "a\u{1}", &longer]);
}

#[test]
fn iteration_goes_on_behind_any_topic() {
    let mut store = empty();
    for topic in ["a", "a/b", "a/b/c", "a b", "b"] {
        put(&mut store, topic, "x");
    }
    let all = ["a", "a/b", "a/b/c", "a b", "b"];
    fn topics<'a>(of: impl Iterator<Item = &'a super::RetainedMessage>) -> Vec<String> {
        of.map(|it| it.message.topic().to_string()).collect()
    }
    assert_eq!(topics(store.iter()), all);
    for (position, topic) in all.iter().enumerate() {
        assert_eq!(topics(store.iter_after(name(topic))), all[position + 1..]);
    }
    assert_eq!(topics(store.iter_after(name("a/b/b"))), all[2..]);
    assert_eq!(topics(store.iter_after(name("z"))), [""; 0]);
}

#[test]
fn a_cursor_shows_its_position_as_a_topic() {
    let mut store = empty();
    put(&mut store, "a/b", "x");
    let mut cursor = store.cursor(filter("a/+"));
    let shown = format!("{cursor:?}");
    assert_eq!(
        shown,
        r#"Cursor { filter: "a/+", position: Some("a/"), sequence: 1 }"#
    );
    let _ = store.next(NOW, &mut cursor, &mut 1);
    assert!(format!("{cursor:?}").contains(r#"position: Some("a/b>")"#));
    walk(&store, NOW, &mut cursor);
    assert!(format!("{cursor:?}").contains("position: None"));
    assert!(format!("{store:?}").contains("a/b"));
}
