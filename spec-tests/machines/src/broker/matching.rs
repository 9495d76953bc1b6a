//! Which filters a Topic Name matches, through the whole broker: subscriptions, groups, retained messages (section 4.7).

use mqtt5_session_fsm::broker::{BrokerConfig, ClientLimits};
use mqtt5_session_fsm::codec::Qos;
use mqtt5_spec_tests::matching::matches;

use crate::broker::place::{Place, who};

crate::check::checks! {
    "matching":
    broker {
        Domain live_messages,
        Domain messages_of_groups,
        Domain retained_messages,
        Example nothing_is_normalized,
        Example deep_topics_need_no_deep_stack,
    }
}

/// All levels of one text of these, joined.
fn joined(levels: &[&str], last: &[&str], count: usize) -> Vec<String> {
    let mut all: Vec<String> = last.iter().map(|it| (*it).to_owned()).collect();
    for _ in 1..count {
        let longer = levels
            .iter()
            .flat_map(|level| all.iter().map(move |rest| format!("{level}/{rest}")));
        all = longer.collect();
    }
    all.retain(|it| !it.is_empty());
    all
}

fn filters() -> Vec<String> {
    let levels = ["", "a", "$S", "+"];
    let last = ["", "a", "$S", "+", "#"];
    let all = (1..=3).flat_map(|count| joined(&levels, &last, count));
    all.collect()
}

fn topics() -> Vec<String> {
    let levels = ["", "a", "$S"];
    let all = (1..=3).flat_map(|count| joined(&levels, &levels, count));
    all.collect()
}

/// [MQTT-3.3.2-3], [MQTT-4.7.2-1], [MQTT-4.7.3-4]: one Client with all filters of up to three levels, each with an identifier of its
/// own, gets each topic for exactly the filters that match.
fn live_messages() -> u64 {
    against_all("", false)
}

/// The same for `$share/g/` and the filter.
fn messages_of_groups() -> u64 {
    against_all("$share/g/", false)
}

/// The same for messages that were there before the subscriptions.
fn retained_messages() -> u64 {
    against_all("", true)
}

fn against_all(prefix: &str, retained: bool) -> u64 {
    let config = BrokerConfig {
        overlap: mqtt5_session_fsm::broker::Overlap::OnePerSubscription,
        ..BrokerConfig::default()
    };
    let (filters, topics) = (filters(), topics());
    let mut place = Place::new(config);
    let publisher = place.connect(&who("publisher"));
    if retained {
        for topic in &topics {
            place.retain(publisher, topic, topic);
        }
    }
    let one = place.connect(&who("one"));
    for (number, filter) in (1..).zip(&filters) {
        let filter = format!("{prefix}{filter}");
        let options = crate::broker::place::up_to(Qos::AtMostOnce);
        place.subscribe_as(one, &filter, options, Some(number));
    }
    if !retained {
        for topic in &topics {
            place.publish(publisher, topic, topic, Qos::AtMostOnce);
        }
    }
    let mut got: Vec<(String, usize)> = Vec::new();
    for message in place.take(one) {
        let [number] = message.identifiers[..] else {
            panic!("{message:?}");
        };
        got.push((message.topic, number as usize - 1));
    }
    got.sort();
    let mut expected: Vec<(String, usize)> = Vec::new();
    for topic in &topics {
        let matching = (0..filters.len()).filter(|number| matches(&filters[*number], topic));
        expected.extend(matching.map(|number| (topic.clone(), number)));
    }
    expected.sort();
    if let Some((topic, number)) = got.iter().find(|it| !expected.contains(it)) {
        panic!("`{}` does not match `{topic}`", filters[*number]);
    }
    if let Some((topic, number)) = expected.iter().find(|it| !got.contains(it)) {
        panic!("`{}` matches `{topic}`", filters[*number]);
    }
    assert_eq!(got.len(), expected.len(), "once each");
    (filters.len() * topics.len()) as u64
}

/// [MQTT-4.7.3-4]: case, spaces, forms of the same character, and characters that no one uses stay what they are.
fn nothing_is_normalized() {
    let texts = [
        "a",
        "A",
        "a ",
        " a",
        "a/",
        "/a",
        "\u{E9}",
        "e\u{301}",
        "\u{FEFF}a",
        "\u{E000}",
        "a\\",
        "%61",
        "..",
        "./a",
    ];
    let mut place = Place::new(BrokerConfig::default());
    let one = place.connect(&who("one"));
    for text in texts {
        place.subscribe(one, text, Qos::AtMostOnce);
        place.subscribe(one, &format!("+/{text}/#"), Qos::AtMostOnce);
    }
    for text in texts {
        for topic in [text.to_owned(), format!("x/{text}/y")] {
            place.publish(one, &topic, "hi", Qos::AtMostOnce);
            let got: Vec<_> = place.take(one).into_iter().map(|it| it.topic).collect();
            assert!(
                !got.is_empty() && got.iter().all(|it| *it == topic),
                "{topic:?}: {got:?}"
            );
        }
    }
}

/// A Topic Name of the greatest length, nothing but separators, and filters of many levels need no stack for each level.
fn deep_topics_need_no_deep_stack() {
    let deep = || {
        let mut place = Place::new(BrokerConfig {
            client: ClientLimits {
                topic_levels: u16::MAX,
                wildcard_levels: u16::MAX,
                single_level_wildcards: u16::MAX,
                filter_bytes: u32::MAX,
                index_nodes: u32::MAX,
                ..ClientLimits::default()
            },
            ..BrokerConfig::default()
        });
        let one = place.connect(&who("one"));
        let plus = format!("{}#", "+/".repeat(30_000));
        for filter in ["#", "/#", &plus, "+/x"] {
            assert!(!place.subscribe(one, filter, Qos::AtMostOnce).is_error());
        }
        place.publish(one, &"/".repeat(65_000), "hi", Qos::AtMostOnce);
        assert_eq!(place.take(one).len(), 1);
        place.unsubscribe(one, &plus);
    };
    let thread = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(deep);
    thread.expect("a thread").join().expect("no overflow");
}
