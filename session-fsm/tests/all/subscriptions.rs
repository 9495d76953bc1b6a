//! The subscription index against matchers that were written from the standard alone (section 4.7),
//! and against itself, built anew.

mod attacks;
mod domain;
mod random;

use mqtt5_session_fsm::broker::subscriptions::{Scratch, Subscriber, SubscriptionIndex};
use mqtt5_session_fsm::codec::{TopicFilter, TopicName};

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

fn topic(text: &str) -> TopicName<'_> {
    TopicName::new(text).unwrap_or_else(|fault| panic!("{text}: {fault:?}"))
}

/// Whether a filter without `$share/` matches a Topic Name, by the rules of section 4.7 and no code
/// of this workspace: the levels before a `#` match as many levels of the name, which may have more.
fn matches_by_the_standard(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let name: Vec<&str> = name.split('/').collect();
    let mut wanted: Vec<&str> = filter.split('/').collect();
    let may_have_more = wanted.last() == Some(&"#");
    if may_have_more {
        wanted.pop();
    }
    let as_many = wanted.len() == name.len() || (may_have_more && wanted.len() < name.len());
    let mut pairs = wanted.iter().zip(&name);
    as_many && pairs.all(|(wanted, level)| *wanted == "+" || wanted == level)
}

/// The filters that match, in ascending order, each as often as it was visited.
fn matching<V>(index: &SubscriptionIndex<V>, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    index.matches(topic(name), &mut Scratch::new(), |matched| {
        assert!(!matched.subscriptions().is_empty(), "{name}");
        found.push(matched.filter().to_string());
    });
    found.sort();
    found
}

fn index_of(filters: &[&str]) -> SubscriptionIndex<u32> {
    let mut index = SubscriptionIndex::new(1);
    for (number, text) in (0..).zip(filters) {
        let before = index.insert(filter(text), Subscriber::new(number), number);
        assert_eq!(before, Ok(None), "{text}");
    }
    index
}

/// The examples of sections 4.7.1.2, 4.7.1.3 and 4.7.2.
#[test]
fn examples_of_the_standard() {
    let index = index_of(&[
        "sport/tennis/player1/#",
        "sport/#",
        "#",
        "sport/tennis/+",
        "sport/+",
        "+/+",
        "/+",
        "+",
        "+/monitor/Clients",
        "$SYS/#",
        "$SYS/monitor/+",
    ]);
    for (name, filters) in [
        (
            "sport/tennis/player1",
            &["#", "sport/#", "sport/tennis/+", "sport/tennis/player1/#"][..],
        ),
        (
            "sport/tennis/player1/ranking",
            &["#", "sport/#", "sport/tennis/player1/#"],
        ),
        (
            "sport/tennis/player1/score/wimbledon",
            &["#", "sport/#", "sport/tennis/player1/#"],
        ),
        ("sport", &["#", "+", "sport/#"]),
        ("sport/", &["#", "+/+", "sport/#", "sport/+"]),
        ("/finance", &["#", "+/+", "/+"]),
        ("$SYS/monitor/Clients", &["$SYS/#", "$SYS/monitor/+"]),
        ("$SYS", &["$SYS/#"]),
        ("a/monitor/Clients", &["#", "+/monitor/Clients"]),
    ] {
        assert_eq!(matching(&index, name), filters, "{name}");
    }
}

/// Section 4.8.2: a Shared Subscription is found by what follows its ShareName.
#[test]
fn a_shared_filter_is_inserted_by_its_matching_part() {
    let index = index_of(&[
        "$share/g/a/#",
        "$share/h//b",
        "$share/g/$share/x",
        "$share/g/#",
    ]);
    assert_eq!(matching(&index, "a/b"), ["#", "a/#"]);
    assert_eq!(matching(&index, "/b"), ["#", "/b"]);
    assert_eq!(matching(&index, "$share/x"), ["$share/x"]);
    assert_eq!(matching(&index, "$SYS/x"), [""; 0]);
}

/// [MQTT-3.8.4-3]: the new subscription takes the place of the old one.
#[test]
fn a_subscription_is_replaced_in_its_place() {
    for text in ["a/b", "a/+", "a/#"] {
        let mut index = SubscriptionIndex::new(1);
        for number in 0..40 {
            assert_eq!(
                index.insert(filter(text), Subscriber::new(number), number),
                Ok(None)
            );
        }
        let replaced = index.insert(filter(text), Subscriber::new(7), 100);
        assert_eq!(replaced, Ok(Some(7)), "{text}");
        assert_eq!(index.len(), 40, "{text}");
        assert_eq!(index.count_of_subscriber(Subscriber::new(7)), 1, "{text}");
        let subscriptions = index
            .filter(filter(text))
            .expect("it is there")
            .subscriptions();
        for (number, subscription) in (0..).zip(subscriptions) {
            assert_eq!(subscription.subscriber(), Subscriber::new(number), "{text}");
            let value = if number == 7 { 100 } else { number };
            assert_eq!(*subscription.value(), value, "{text}");
        }
    }
}

/// What is not there cannot be removed, and changes nothing.
#[test]
fn removing_what_is_not_there() {
    let mut index = index_of(&["a", "a/+", "b/#"]);
    let before = index.clone();
    assert_eq!(index.remove(filter("a"), Subscriber::new(1)), None);
    assert_eq!(index.remove(filter("c"), Subscriber::new(0)), None);
    assert_eq!(index.remove(filter("a/#"), Subscriber::new(1)), None);
    assert_eq!(index.remove(filter("a"), Subscriber::new(u32::MAX)), None);
    assert_eq!(index.remove_last(Subscriber::new(77)), None);
    assert_eq!(index.remove_subscriber(Subscriber::new(77)), 0);
    assert_eq!(index, before);
    assert_eq!(index.remove(filter("b/#"), Subscriber::new(2)), Some(2));
    assert_ne!(index, before);
}

/// Two indexes are equal if they have the same subscriptions, whatever came before.
#[test]
fn equality_is_of_the_subscriptions() {
    let all = index_of(&["a", "a/+", "b/#"]);
    let differs = |change: fn(&mut SubscriptionIndex<u32>)| {
        let mut other = all.clone();
        change(&mut other);
        assert_ne!(other, all);
        assert_ne!(all, other);
    };
    differs(|index| {
        let replaced = index.insert(filter("a"), Subscriber::new(0), 9);
        assert_eq!(replaced, Ok(Some(0)));
    });
    differs(|index| {
        assert_eq!(index.remove_last(Subscriber::new(0)), Some(0));
        assert_eq!(index.insert(filter("c"), Subscriber::new(0), 0), Ok(None));
    });
    differs(|index| {
        assert_eq!(index.remove_last(Subscriber::new(1)), Some(1));
        assert_eq!(index.insert(filter("a/+"), Subscriber::new(3), 1), Ok(None));
    });
    let mut same = all.clone();
    assert_eq!(same.insert(filter("c"), Subscriber::new(9), 0), Ok(None));
    assert_eq!(same.remove_last(Subscriber::new(0)), Some(0));
    assert_eq!(same.remove_last(Subscriber::new(9)), Some(0));
    assert_eq!(same.insert(filter("a"), Subscriber::new(0), 0), Ok(None));
    assert_eq!(same, all);
}

/// [MQTT-4.7.3-4]: levels are compared byte by byte, whatever their length. 22 bytes are kept in
/// place, more are not.
#[test]
fn levels_of_every_length_are_compared_whole() {
    for length in 1..60 {
        let level = "x".repeat(length - 1);
        let texts = ["a", "b", "A", "\u{e9}", "e\u{301}"].map(|last| format!("{level}{last}/+"));
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut index = index_of(&texts);
        assert_eq!(index.nodes(), 10);
        for text in &texts {
            let name = text.replace('+', "anything");
            assert_eq!(matching(&index, &name), [*text]);
        }
        assert_eq!(matching(&index, &format!("{level}/x")), [""; 0]);
        assert_eq!(matching(&index, &format!("{level}c/x")), [""; 0]);
        for number in 0..5 {
            assert_eq!(index.remove_subscriber(Subscriber::new(number)), 1);
        }
        assert_eq!(index.nodes(), 0);
    }
}

/// The seed decides where things are in the tables, and nothing that can be seen.
#[test]
fn no_result_depends_on_the_seed() {
    let build = |seed| {
        let mut index = SubscriptionIndex::new(seed);
        for number in 0..3000 {
            let text = match number % 3 {
                0 => format!("a/{}", number / 6),
                1 => format!("+/{}/#", number / 9),
                _ => format!("a/+/{}", number / 12),
            };
            let inserted = index.insert(filter(&text), Subscriber::new(number % 50), number);
            inserted.expect("there is room");
            if number % 4 == 0 {
                index.remove_last(Subscriber::new(number % 47));
            }
        }
        index
    };
    let first = build(0);
    let seen = |index: &SubscriptionIndex<u32>| {
        let mut seen = format!("{index:?}");
        for number in 0..300 {
            let name = format!("a/{number}/{number}");
            let visits = index.matches(topic(&name), &mut Scratch::new(), |matched| {
                seen += &format!("{matched:?}");
            });
            seen += &visits.to_string();
        }
        for filter in index.filters() {
            seen += &format!("{filter:?}");
        }
        seen
    };
    for seed in [1, 2, u64::MAX, 0x9E37_79B9_7F4A_7C15] {
        let other = build(seed);
        assert_eq!(other, first);
        assert_eq!(seen(&other), seen(&first));
    }
    assert_eq!(seen(&first.clone()), seen(&first));
}
