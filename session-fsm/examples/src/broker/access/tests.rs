use super::*;

const FILE: &str = "
# AllowAll.
topic read news/#
topic deny news/secret/#
pattern readwrite clients/%c/#
pattern write users/%u/out

user alice
topic garden/+/light
topic write log
";

fn who(client: &str, user: &str) -> Identity {
    Identity::new(client, user)
}

fn publishes(who: &Identity, topic: &str) -> bool {
    let rules = Rules::parse(FILE).unwrap();
    rules.permits_publish(who, TopicName::new(topic).unwrap())
}

fn subscribes(who: &Identity, filter: &str) -> bool {
    Rules::parse(FILE)
        .unwrap()
        .permits_subscription(who, matching_part(filter))
}

#[test]
fn who_may_publish() {
    let (alice, bob) = (who("a1", "alice"), who("b1", "bob"));
    for (topic, of_alice, of_bob) in [
        ("news/today", false, false),
        ("clients/a1/x", true, false),
        ("clients/a1", true, false),
        ("clients/b1/x", false, true),
        ("users/alice/out", true, false),
        ("users/bob/out", false, true),
        ("garden/3/light", true, false),
        ("garden/3/4/light", false, false),
        ("log", true, false),
        ("other", false, false),
    ] {
        assert_eq!(
            (publishes(&alice, topic), publishes(&bob, topic)),
            (of_alice, of_bob),
            "{topic}"
        );
    }
}

#[test]
fn who_may_subscribe() {
    let (alice, bob) = (who("a1", "alice"), who("b1", "bob"));
    for (filter, of_alice, of_bob) in [
        ("news/today", true, true),
        ("news/today/+", true, true),
        // It would match what is denied.
        ("news/#", false, false),
        ("news/+", false, false),
        ("news/secret", false, false),
        ("news/secret/x", false, false),
        ("#", false, false),
        ("+/today", false, false),
        ("clients/a1/#", true, false),
        ("clients/+/x", false, false),
        ("$share/group/clients/a1/x", true, false),
        ("$share/group/clients/b1/x", false, true),
        ("garden/+/light", true, false),
        ("garden/3/light", true, false),
        ("garden/#", false, false),
        ("log", false, false),
        ("users/alice/out", false, false),
    ] {
        assert_eq!(
            (subscribes(&alice, filter), subscribes(&bob, filter)),
            (of_alice, of_bob),
            "{filter}"
        );
    }
}

/// A ClientID is chosen by the client.
#[test]
fn names_with_wildcards_open_nothing() {
    for name in ["+", "#", "a/b", ""] {
        let it = who(name, name);
        assert!(!publishes(&it, "clients/a1/x"), "{name:?}");
        assert!(!subscribes(&it, "clients/+/x"), "{name:?}");
        assert!(!subscribes(&it, "clients/#"), "{name:?}");
        assert!(!publishes(&it, "users/x/out"), "{name:?}");
    }
}

#[test]
fn wrong_lines_are_named() {
    for (file, line) in [
        ("topic a/#/b", 1),
        ("topic read", 1),
        ("\nuser", 2),
        ("topic read a\nallow b", 2),
        ("pattern", 1),
    ] {
        match Rules::parse(file) {
            // A filter may be called `read`.
            Ok(rules) => assert_eq!(rules.rules[0].filter, "read"),
            Err((number, _)) => assert_eq!(number, line, "{file:?}"),
        }
    }
}

/// Every pair of filters over a small alphabet, against all topics over it.
#[test]
fn covering_and_overlapping_are_what_matching_says() {
    fn all(levels: &[&str], depth: usize) -> Vec<String> {
        let mut all: Vec<String> = levels.iter().map(|it| (*it).to_owned()).collect();
        let mut last = all.clone();
        for _ in 1..depth {
            last = last
                .iter()
                .flat_map(|it| levels.iter().map(move |level| format!("{it}/{level}")))
                .collect();
            all.extend(last.clone());
        }
        all
    }
    let filters: Vec<String> = all(&["a", "b", "$", "+", "#", ""], 3)
        .into_iter()
        .filter(|it| TopicFilter::new(it).is_ok())
        .collect();
    // One more letter, and one more level, than in any filter.
    let topics: Vec<String> = all(&["a", "b", "$", "", "c"], 4)
        .into_iter()
        .filter(|it| TopicName::new(it).is_ok())
        .collect();
    let matches: Vec<Vec<bool>> = filters
        .iter()
        .map(|filter| {
            let filter = TopicFilter::new(filter).unwrap();
            topics
                .iter()
                .map(|topic| filter.matches(TopicName::new(topic).unwrap()))
                .collect()
        })
        .collect();
    for (one, of_one) in filters.iter().zip(&matches) {
        for (other, of_other) in filters.iter().zip(&matches) {
            let both = of_one.iter().zip(of_other).any(|(a, b)| *a && *b);
            // Both would match the empty name, which is no Topic Name.
            let only_nothing =
                [one, other].contains(&&"+".to_owned()) && [one, other].contains(&&"/#".to_owned());
            assert_eq!(overlap(one, other), both || only_nothing, "{one} {other}");
            let is_covered = of_one.iter().zip(of_other).all(|(a, b)| *a || !*b);
            let covers = covers(one, other);
            assert!(is_covered || !covers, "{one} {other}");
            // Some are refused that differ by the empty name alone, which does no harm.
            let is_odd = one.contains("+/#") && other.ends_with('#');
            assert!(covers || !is_covered || is_odd, "{one} {other}");
        }
    }
}
