//! Topic Names and Topic Filters: the examples of the standard, all short ones, random long ones.

use mqtt5_codec::{TopicFilter, TopicName, Violation, strategies};
use proptest::prelude::*;

use crate::check::{Check, Kind, Outcome};
use crate::random::property;
use mqtt5_spec_tests::matching;

pub(crate) fn checks() -> Vec<Check> {
    let example = |name, run: fn() -> Outcome| Check::new(Kind::Example, name, run);
    let domain = |name, run: fn() -> Outcome| Check::new(Kind::Domain, name, run);
    vec![
        example(
            "topics::matching_examples_of_the_standard",
            matching_examples,
        ),
        example(
            "topics::valid_and_invalid_examples_of_the_standard",
            valid_examples,
        ),
        example(
            "topics::shared_subscription_examples_of_the_standard",
            shared_examples,
        ),
        example("topics::nothing_is_normalized", nothing_is_normalized),
        example("topics::longest_and_shortest", longest_and_shortest),
        domain(
            "topics::all_short_names_and_filters_are_judged_right",
            all_short_strings,
        ),
        domain(
            "topics::all_short_share_filters_are_judged_right",
            all_short_shares,
        ),
        domain("topics::all_short_filters_match_right", all_short_matches),
        domain(
            "topics::no_wildcard_at_the_start_matches_a_dollar_topic",
            dollar_topics,
        ),
        property(
            "topics::random_filters_match_right",
            20_000,
            (levels(&["+", "+", "#", "a+", "#a"]), levels(&[])),
            random_matches,
        ),
        property(
            "topics::generated_pairs_match",
            20_000,
            strategies::matching_pair(),
            |(name, filter)| {
                prop_assert!(codec_matches(&filter, &name) && matching::matches(&filter, &name));
                Ok(())
            },
        ),
    ]
}

fn codec_matches(filter: &str, name: &str) -> bool {
    let filter = TopicFilter::new(filter).unwrap_or_else(|why| panic!("{filter}: {why}"));
    let name = TopicName::new(name).unwrap_or_else(|why| panic!("{name}: {why}"));
    assert_eq!(filter.matches(name), name.matches(filter));
    filter.matches(name)
}

/// Filter, name, and whether they match (sections 4.7.1.2, 4.7.1.3, 4.7.2).
const MATCHING: [(&str, &str, bool); 23] = [
    ("sport/tennis/player1/#", "sport/tennis/player1", true),
    (
        "sport/tennis/player1/#",
        "sport/tennis/player1/ranking",
        true,
    ),
    (
        "sport/tennis/player1/#",
        "sport/tennis/player1/score/wimbledon",
        true,
    ),
    ("sport/tennis/player1/#", "sport/tennis/player2", false),
    ("sport/#", "sport", true),
    ("sport/#", "sport/", true),
    ("sport/#", "sport/tennis/player1", true),
    ("#", "sport/tennis", true),
    ("#", "/", true),
    ("#", "$SYS/x", false),
    ("sport/tennis/+", "sport/tennis/player1", true),
    ("sport/tennis/+", "sport/tennis/player2", true),
    ("sport/tennis/+", "sport/tennis/player1/ranking", false),
    ("sport/+", "sport", false),
    ("sport/+", "sport/", true),
    ("+/+", "/finance", true),
    ("/+", "/finance", true),
    ("+", "/finance", false),
    ("+/monitor/Clients", "$SYS/monitor/Clients", false),
    ("$SYS/#", "$SYS/monitor/Clients", true),
    ("$SYS/#", "$SYS/", true),
    ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
    ("$SYS/monitor/+", "$SYS/monitor", false),
];

fn matching_examples() -> Outcome {
    for (filter, name, expected) in MATCHING {
        assert_eq!(codec_matches(filter, name), expected, "{filter} and {name}");
        assert_eq!(
            matching::matches(filter, name),
            expected,
            "{filter} and {name}"
        );
    }
    Ok(MATCHING.len() as u64)
}

fn valid_examples() -> Outcome {
    let valid = [
        "#",
        "sport/tennis/#",
        "+",
        "+/tennis/#",
        "sport/+/player1",
        "sport/tennis/player1/#",
        "ACCOUNTS",
        "Accounts",
        "Accounts payable",
        "/finance",
        "finance",
        "/",
        "//",
        "a//b",
        "+/+",
        "/+",
        "sport/+",
        "+/#",
    ];
    let invalid = [
        ("sport/tennis#", Violation::MultiLevelWildcard),
        ("sport/tennis/#/ranking", Violation::MultiLevelWildcard),
        ("##", Violation::MultiLevelWildcard),
        ("#/", Violation::MultiLevelWildcard),
        ("sport+", Violation::SingleLevelWildcard),
        ("+sport", Violation::SingleLevelWildcard),
        ("a/++", Violation::SingleLevelWildcard),
        ("", Violation::TopicFilterEmpty),
        ("a\0", Violation::NullCharacter),
    ];
    for filter in valid {
        assert_eq!(TopicFilter::new(filter).as_deref(), Ok(filter));
    }
    for (filter, violation) in invalid {
        assert_eq!(TopicFilter::new(filter), Err(violation), "{filter}");
    }
    for (name, violation) in [
        ("", Violation::TopicNameEmpty),
        ("sport/#", Violation::TopicNameWildcard),
        ("sport/+/x", Violation::TopicNameWildcard),
        ("a\0", Violation::NullCharacter),
    ] {
        assert_eq!(TopicName::new(name), Err(violation), "{name}");
    }
    Ok((valid.len() + invalid.len() + 4) as u64)
}

/// Section 4.8.2.
fn shared_examples() -> Outcome {
    let shared = [
        (
            "$share/consumer1/sport/tennis/+",
            "consumer1",
            "sport/tennis/+",
        ),
        (
            "$share/consumer2/sport/tennis/+",
            "consumer2",
            "sport/tennis/+",
        ),
        ("$share/consumer1/sport/#", "consumer1", "sport/#"),
        ("$share/consumer1/finance/#", "consumer1", "finance/#"),
        ("$share/consumer1//finance", "consumer1", "/finance"),
        ("$share/a/$share/b/c", "a", "$share/b/c"),
    ];
    for (text, share_name, filter) in shared {
        let parsed = TopicFilter::new(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let parts = parsed
            .shared()
            .map(|shared| (shared.share_name, shared.filter));
        assert_eq!(parts, Some((share_name, filter)));
        assert!(parsed.is_shared());
        assert_eq!(parsed.matching_part(), filter);
    }
    let invalid = [
        ("$share/", Violation::ShareNameEmpty),
        ("$share//a", Violation::ShareNameEmpty),
        ("$share/name", Violation::ShareFilterMissing),
        ("$share/name/", Violation::ShareFilterMissing),
        ("$share/na+me/a", Violation::ShareNameWildcard),
        ("$share/#/a", Violation::ShareNameWildcard),
        ("$share/name/a#", Violation::MultiLevelWildcard),
    ];
    for (text, violation) in invalid {
        assert_eq!(TopicFilter::new(text), Err(violation), "{text}");
    }
    for not_shared in ["$share", "$shared/name/a", "$SHARE/name/a", "share/name/a"] {
        assert!(
            !TopicFilter::new(not_shared)
                .expect("a plain filter")
                .is_shared()
        );
    }
    assert!(codec_matches("$share/consumer1//finance", "/finance"));
    assert!(!codec_matches("$share/consumer1/#", "$SYS/x"));
    Ok((shared.len() + invalid.len() + 6) as u64)
}

/// Names and filters are compared as they stand: no case folding, no Unicode normalization, no
/// trimming.
fn nothing_is_normalized() -> Outcome {
    let different = [
        ("Accounts", "accounts"),
        ("\u{E9}", "e\u{301}"),
        ("\u{2126}", "\u{3A9}"),
        ("\u{FB01}", "fi"),
        (" a", "a"),
        ("a/", "a"),
        ("/a", "a"),
        ("a//b", "a/b"),
        ("\u{FEFF}a", "a"),
        ("a\u{AD}b", "ab"),
    ];
    for (one, other) in different {
        assert!(!codec_matches(one, other), "{one:?} and {other:?}");
        assert!(!codec_matches(other, one), "{other:?} and {one:?}");
        assert!(codec_matches(one, one) && codec_matches(other, other));
    }
    Ok(different.len() as u64)
}

fn longest_and_shortest() -> Outcome {
    let longest = "a".repeat(65_535);
    let too_long = "a".repeat(65_536);
    assert!(codec_matches(&longest, &longest));
    assert_eq!(TopicName::new(&too_long), Err(Violation::StringTooLong));
    assert_eq!(TopicFilter::new(&too_long), Err(Violation::StringTooLong));
    let levels = "/".repeat(65_535);
    assert_eq!(
        TopicName::new(&levels).expect("a name").levels().count(),
        65_536
    );
    assert!(codec_matches("#", &levels));
    assert!(codec_matches(&"+/".repeat(32_767), &"/".repeat(32_767)));
    for one in ["a", "/", "+", "#", "$"] {
        assert!(TopicFilter::new(one).is_ok());
    }
    Ok(10)
}

/// All strings of up to this many characters.
pub(crate) fn all_strings(alphabet: &[char], longest: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut shorter = 0;
    for _ in 0..longest {
        let end = all.len();
        for index in shorter..end {
            for character in alphabet {
                let longer = format!("{}{character}", all[index]);
                all.push(longer);
            }
        }
        shorter = end;
    }
    all
}

const ALPHABET: [char; 5] = ['a', '/', '+', '#', '$'];

fn all_short_strings() -> Outcome {
    let all = all_strings(&ALPHABET, 7);
    for text in &all {
        assert_eq!(
            TopicName::new(text).is_ok(),
            matching::is_name(text),
            "name {text}"
        );
        assert_eq!(
            TopicFilter::new(text).is_ok(),
            matching::is_filter(text),
            "filter {text}"
        );
    }
    Ok(2 * all.len() as u64)
}

fn all_short_shares() -> Outcome {
    let all = all_strings(&ALPHABET, 6);
    for text in &all {
        let share = format!("$share/{text}");
        let is_filter = matching::is_filter(&share);
        assert_eq!(TopicFilter::new(&share).is_ok(), is_filter, "{share}");
        // In front of a slash, and without its own, the prefix is an ordinary level.
        let plain = format!("$share{text}");
        assert_eq!(
            TopicFilter::new(&plain).is_ok(),
            matching::is_filter(&plain),
            "{plain}"
        );
    }
    Ok(2 * all.len() as u64)
}

fn all_short_matches() -> Outcome {
    let mut filters = all_strings(&ALPHABET, 5);
    filters.retain(|text| matching::is_filter(text));
    let mut names = all_strings(&['a', 'b', '/', '$'], 5);
    names.retain(|text| matching::is_name(text));
    for filter in &filters {
        for name in &names {
            let expected = matching::matches(filter, name);
            assert_eq!(codec_matches(filter, name), expected, "{filter} and {name}");
        }
    }
    Ok((filters.len() * names.len()) as u64)
}

fn dollar_topics() -> Outcome {
    let mut filters = all_strings(&ALPHABET, 5);
    filters.retain(|text| matching::is_filter(text) && text.starts_with(['+', '#']));
    let mut names = all_strings(&['a', '/', '$'], 4);
    names.retain(|text| matching::is_name(text));
    for filter in &filters {
        for name in &names {
            assert!(
                !codec_matches(filter, &format!("${name}")),
                "{filter} and ${name}"
            );
        }
    }
    Ok((filters.len() * names.len()) as u64)
}

/// Levels that meet often enough to match.
fn levels(wildcards: &'static [&'static str]) -> impl Strategy<Value = String> {
    let plain: Vec<&str> = vec!["", "a", "b", "$", "$SYS", "\u{E9}", "sport"];
    let all: Vec<&str> = plain.into_iter().chain(wildcards.iter().copied()).collect();
    prop::collection::vec(prop::sample::select(all), 1..8).prop_map(|levels| levels.join("/"))
}

fn random_matches((filter, name): (String, String)) -> Result<(), TestCaseError> {
    prop_assert_eq!(
        TopicFilter::new(&filter).is_ok(),
        matching::is_filter(&filter)
    );
    prop_assert_eq!(TopicName::new(&name).is_ok(), matching::is_name(&name));
    if matching::is_filter(&filter) && matching::is_name(&name) {
        prop_assert_eq!(
            codec_matches(&filter, &name),
            matching::matches(&filter, &name)
        );
    }
    Ok(())
}
