//! Routing by rules: each condition, rules, limits.

use std::cmp::Ordering;

use mqtt5_session_fsm::codec::{
    Binary, Delivery, PacketIdentifier, Properties, Property, PropertyIdentifier, Publish, Qos,
    Text, TopicName, UserProperty,
};
use mqtt5_session_fsm::routing::{Condition, Field, Rule, RuleError, RuleRouter, TextTest};
use proptest::prelude::*;

fn user<'a>(name: &'a str, value: &'a str) -> Property<'a> {
    Property::UserProperty(UserProperty {
        name: Text::new(name).unwrap(),
        value: Text::new(value).unwrap(),
    })
}

fn message<'a>(topic: &'a str, properties: &'a [Property<'a>]) -> Publish<'a> {
    Publish {
        properties: Properties::new(properties).unwrap(),
        ..Publish::new(TopicName::new(topic).unwrap(), b"payload 23.5")
    }
}

/// The course's router (chapter 7.4.2): two conditions, each with an action, and a firmware check (7.4.1).
#[test]
fn the_usual_program() {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Action {
        Alert,
        Archive,
        Update,
    }
    let mut router = RuleRouter::new(10, 4);
    let rules = [
        Rule::to(Action::Alert).when(Condition::user_property(
            "priority",
            TextTest::equals("high"),
        )),
        Rule::to(Action::Archive).when(Condition::user_property(
            "location",
            TextTest::contains("critical_zone"),
        )),
        Rule::to(Action::Update).when(Condition::user_property(
            "firmware_version",
            TextTest::version_below("1.2.0").unwrap(),
        )),
    ];
    for rule in rules {
        router.add(rule).unwrap();
    }
    let routes = |list: &[Property<'_>]| -> Vec<Action> {
        let message = message("sensors/temperature", list);
        let routes: Vec<_> = router.routes(&message).copied().collect();
        assert_eq!(router.first(&message), routes.first());
        routes
    };
    assert_eq!(routes(&[]), []);
    assert_eq!(routes(&[user("priority", "normal")]), []);
    assert_eq!(routes(&[user("priority", "high")]), [Action::Alert]);
    assert_eq!(
        routes(&[
            user("location", "Hall 2, CRITICAL_Zone"),
            user("priority", "high")
        ]),
        [Action::Alert, Action::Archive]
    );
    assert_eq!(routes(&[user("firmware_version", "1.10.0")]), []);
    assert_eq!(
        routes(&[user("firmware_version", "1.1.9")]),
        [Action::Update]
    );
    // It is a value.
    assert_eq!(router.clone(), router);
}

#[test]
fn each_condition_holds_for_what_it_says() {
    let list = [
        Property::ContentType(Text::new("text/plain").unwrap()),
        Property::ResponseTopic(TopicName::new("answers/me").unwrap()),
        Property::CorrelationData(Binary::new(b"17").unwrap()),
        user("unit", "kelvin"),
        user("unit", "celsius"),
        user("", "unnamed"),
    ];
    let publish = Publish {
        retain: true,
        delivery: Delivery::new(Qos::AtLeastOnce, PacketIdentifier::MIN, false),
        ..message("sensors/1", &list)
    };
    let bare = Publish::new(TopicName::new("$SYS/x").unwrap(), b"\xFF");
    let text = Condition::Text;
    let holds = [
        Condition::topic("sensors/+").unwrap(),
        Condition::HasProperty(PropertyIdentifier::CorrelationData),
        Condition::HasProperty(PropertyIdentifier::UserProperty),
        Condition::QosAtLeast(Qos::AtLeastOnce),
        Condition::Retained,
        text(Field::TopicName, TextTest::prefix("sensors/")),
        text(Field::ContentType, TextTest::prefix("text/")),
        text(Field::ResponseTopic, TextTest::equals("answers/me")),
        text(Field::Payload, TextTest::contains("PAYLOAD")),
        text(Field::Payload, TextTest::Present),
        // Any of several values.
        Condition::user_property("unit", TextTest::equals("kelvin")),
        Condition::user_property("unit", TextTest::equals("celsius")),
        Condition::user_property("", TextTest::Present),
    ];
    for condition in holds {
        assert!(condition.holds(&publish), "{condition:?}");
        assert!(!condition.holds(&bare), "{condition:?}");
        assert!(Rule::to(()).when(condition.clone()).matches(&publish));
        assert!(!Rule::to(()).unless(condition).matches(&publish));
    }
    let does_not_hold = [
        Condition::topic("sensors/+/x").unwrap(),
        Condition::HasProperty(PropertyIdentifier::MessageExpiryInterval),
        Condition::QosAtLeast(Qos::ExactlyOnce),
        Condition::user_property("Unit", TextTest::Present),
        Condition::user_property("unit", TextTest::equals("Kelvin")),
        Condition::user_property("unit", TextTest::prefix("elvin")),
    ];
    for condition in does_not_hold {
        assert!(!condition.holds(&publish), "{condition:?}");
    }
    // Section 4.7.2.
    assert!(!Condition::topic("#").unwrap().holds(&bare));
    // A message whose topic an alias stands for has no topic here.
    assert!(!Condition::topic("#").unwrap().holds(&Publish::default()));
}

#[test]
fn all_conditions_of_a_rule_must_hold_and_rules_keep_their_order() {
    let mut router = RuleRouter::new(10, 2);
    let high = || Condition::user_property("priority", TextTest::equals("high"));
    let pump = || Condition::topic("pump/#").unwrap();
    router.add(Rule::to(1).when(high()).when(pump())).unwrap();
    router.add(Rule::to(2).when(pump()).unless(high())).unwrap();
    router.add(Rule::to(3)).unwrap();
    let list = [user("priority", "high")];
    let routes = |publish: &Publish<'_>| router.routes(publish).copied().collect::<Vec<_>>();
    assert_eq!(routes(&message("pump/1", &list)), [1, 3]);
    assert_eq!(routes(&message("pump/1", &[])), [2, 3]);
    assert_eq!(routes(&message("lamp/1", &list)), [3]);
    router.retain(|rule| *rule.route() != 3);
    assert_eq!(router.first(&message("lamp/1", &list)), None);
    assert_eq!(router.rules().len(), 2);
}

#[test]
fn a_router_is_bounded() {
    let mut router = RuleRouter::new(2, 1);
    let condition = || Condition::Retained;
    let long = Rule::to(0).when(condition()).when(condition());
    assert_eq!(router.add(long), Err(RuleError::TooManyConditions));
    assert_eq!(router.add(Rule::to(1).when(condition())), Ok(()));
    assert_eq!(router.add(Rule::to(2)), Ok(()));
    assert_eq!(router.add(Rule::to(3)), Err(RuleError::TooManyRules));
    assert_eq!(router.rules().len(), 2);
    assert!(matches!(
        Condition::topic("a/#/b"),
        Err(RuleError::TopicFilter(_))
    ));
}

#[test]
fn numbers_are_compared_exactly() {
    let ascending = [
        "-100000000000000000000000000000000000000000",
        "-12.5",
        "-12.25",
        "-0.001",
        "0",
        "0.0009",
        "0.001",
        "1",
        "9.99999999999999999999999999999999999999",
        "10",
        "99",
        "100",
        "18446744073709551616",
    ];
    for (i, one) in ascending.iter().enumerate() {
        for (j, two) in ascending.iter().enumerate() {
            let below = TextTest::number_below(two).unwrap();
            let at_least = TextTest::number_at_least(two).unwrap();
            assert_eq!(below.passes(one), i < j, "{one} {two}");
            assert_eq!(at_least.passes(one), i >= j, "{one} {two}");
        }
    }
    for same in ["5", "+5", "005", "5.0", "05.000"] {
        assert!(TextTest::number_at_least("5").unwrap().passes(same));
        assert!(!TextTest::number_below("5").unwrap().passes(same));
    }
    for zero in ["0", "-0", "+0.00"] {
        assert!(!TextTest::number_below("-0.0").unwrap().passes(zero));
        assert!(TextTest::number_at_least("0").unwrap().passes(zero));
    }
    for text in [
        "", "-", "+", ".", "1.", ".5", "1e3", "--1", "1 ", "0x1", "١", "1.2.3",
    ] {
        assert!(
            !TextTest::number_below("999").unwrap().passes(text),
            "{text}"
        );
        assert!(
            !TextTest::number_at_least("-999").unwrap().passes(text),
            "{text}"
        );
        assert_eq!(TextTest::number_below(text), Err(RuleError::NotANumber));
    }
}

#[test]
fn versions_are_compared_by_their_parts() {
    let ascending = [
        "0",
        "0.9",
        "1.0.0-alpha",
        "1.0.0-alpha.1",
        "1.0.0-alpha.beta",
        "1.0.0-beta",
        "1.0.0-beta.2",
        "1.0.0-beta.11",
        "1.0.0-rc.1",
        "1.0.0",
        "1.0.1",
        "1.2.3",
        "1.2.10",
        "1.10.0",
        "2",
        "20250115",
        "99999999999999999999999.1",
    ];
    for (i, one) in ascending.iter().enumerate() {
        for (j, two) in ascending.iter().enumerate() {
            let below = TextTest::version_below(two).unwrap();
            let at_least = TextTest::version_at_least(two).unwrap();
            assert_eq!(below.passes(one), i < j, "{one} {two}");
            assert_eq!(at_least.passes(one), i >= j, "{one} {two}");
        }
    }
    for same in ["1.2", "1.2.0", "v1.2", "V01.2.0.0", "1.2+build-5"] {
        assert!(
            TextTest::version_at_least("1.2").unwrap().passes(same),
            "{same}"
        );
        assert!(
            !TextTest::version_below("1.2").unwrap().passes(same),
            "{same}"
        );
    }
    for text in [
        "", "v", ".", "1.", ".1", "1..2", "1.x", "-1", "1.2-", "unknown", "1,2",
    ] {
        assert!(
            !TextTest::version_below("99").unwrap().passes(text),
            "{text}"
        );
        assert!(
            !TextTest::version_at_least("0").unwrap().passes(text),
            "{text}"
        );
        assert_eq!(TextTest::version_below(text), Err(RuleError::NotAVersion));
    }
}

proptest! {
    #[test]
    fn contains_is_without_regard_to_ascii_case(text in "[aAbBéÉ]{0,8}", part in "[aAbBéÉ]{0,3}") {
        let expected = text.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
        prop_assert_eq!(TextTest::contains(&part).passes(&text), expected);
    }

    /// Integers are in their order.
    #[test]
    fn numbers_are_in_the_order_of_numbers(one in any::<i64>(), two in any::<i64>()) {
        let below = TextTest::number_below(&two.to_string()).unwrap();
        prop_assert_eq!(below.passes(&one.to_string()), one.cmp(&two) == Ordering::Less);
    }

    #[test]
    fn no_text_makes_a_test_panic(text in any::<String>(), with in any::<String>()) {
        for test in [
            Ok(TextTest::Present),
            Ok(TextTest::equals(&with)),
            Ok(TextTest::prefix(&with)),
            Ok(TextTest::contains(&with)),
            TextTest::number_below(&with),
            TextTest::number_at_least(&with),
            TextTest::version_below(&with),
            TextTest::version_at_least(&with),
            TextTest::number_below("0"),
            TextTest::version_below("1.0.0-a"),
        ].into_iter().flatten() {
            let _ = test.passes(&text);
        }
    }
}
