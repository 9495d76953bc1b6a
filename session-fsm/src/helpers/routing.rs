//! Routes incoming messages by rules.
//!
//! The topic and the User Properties say what a message is about, so it can be routed without
//! reading its payload (section 3.3.2.3.7).
//!
//! Conditions are values, not functions, so a [`RuleRouter`] can be compared, hashed, cloned, and
//! built from a configuration file.

mod condition;
mod order;

use alloc::vec::Vec;
use core::fmt;

use crate::codec::{Publish, Violation};

pub use self::condition::{Condition, Field, Filter, TextTest};
pub use self::order::{Number, Version};

/// Rules in the order in which they were added, each with a route: a value of the caller, such as a
/// queue's number, a topic to publish to, or an enum.
///
/// # Contract
///
/// * A rule matches a message if all of its conditions hold. A rule without conditions matches
///   every message.
/// * [`routes`](Self::routes) returns the routes of all rules that match, [`first`](Self::first)
///   that of the first one. Both allocate nothing and take time in the number of conditions and in
///   the length of the texts that they look at.
/// * The router holds at most as many rules, with as many conditions each, as [`RuleRouter::new`]
///   says.
/// * Nothing of a message is stored.
///
/// ```
/// use mqtt5_session_fsm::codec::{Properties, Property, Publish, Text, TopicName, UserProperty};
/// use mqtt5_session_fsm::routing::{Condition, Rule, RuleRouter, TextTest};
///
/// #[derive(Clone, Debug, PartialEq, Eq, Hash)]
/// enum Route { Alert, Archive, Update }
///
/// let mut router = RuleRouter::new(100, 8);
/// router.add(Rule::to(Route::Alert)
///     .when(Condition::topic("sensors/#")?)
///     .when(Condition::user_property("priority", TextTest::equals("high"))))?;
/// router.add(Rule::to(Route::Archive)
///     .when(Condition::user_property("location", TextTest::contains("critical_zone"))))?;
/// router.add(Rule::to(Route::Update)
///     .when(Condition::user_property("firmware_version", TextTest::version_below("1.10.0")?)))?;
///
/// let mut list = Vec::new();
/// for (name, value) in [
///     ("priority", "high"),
///     ("location", "Building A, Critical_Zone 3"),
///     ("firmware_version", "1.2.3"),
/// ] {
///     let (name, value) = (Text::new(name)?, Text::new(value)?);
///     list.push(Property::UserProperty(UserProperty { name, value }));
/// }
/// let message = Publish {
///     properties: Properties::new(&list)?,
///     ..Publish::new(TopicName::new("sensors/temperature")?, b"23.5")
/// };
/// let routes: Vec<_> = router.routes(&message).collect();
/// assert_eq!(routes, [&Route::Alert, &Route::Archive, &Route::Update]);
/// assert_eq!(router.first(&message), Some(&Route::Alert));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleRouter<T> {
    rules: Vec<Rule<T>>,
    maximum_rules: usize,
    maximum_conditions: usize,
}

/// Conditions that must all hold, and the route of the messages for which they do. For conditions
/// of which one is enough, add several rules with the same route.
///
/// ```
/// use mqtt5_session_fsm::codec::{Publish, Qos, TopicName};
/// use mqtt5_session_fsm::routing::{Condition, Rule, TextTest};
///
/// let rule = Rule::to("slow queue")
///     .unless(Condition::QosAtLeast(Qos::AtLeastOnce))
///     .unless(Condition::user_property("priority", TextTest::equals("high")));
/// assert!(rule.matches(&Publish::new(TopicName::new("log")?, b"")));
/// # Ok::<(), mqtt5_session_fsm::codec::Violation>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule<T> {
    /// Each with whether it has to hold.
    conditions: Vec<(Condition, bool)>,
    route: T,
}

/// A rule cannot be added, or a condition cannot be made.
///
/// ```
/// use mqtt5_session_fsm::routing::{Rule, RuleError, RuleRouter};
///
/// let mut router = RuleRouter::new(1, 8);
/// router.add(Rule::to(1))?;
/// assert_eq!(router.add(Rule::to(2)), Err(RuleError::TooManyRules));
/// # Ok::<(), RuleError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleError {
    /// The router has as many rules as it may have.
    TooManyRules,
    /// The rule has more conditions than the router allows.
    TooManyConditions,
    /// The text is not a Topic Filter.
    TopicFilter(Violation),
    /// The text to compare with is not a number: digits, and perhaps a sign before and a fraction
    /// after them.
    NotANumber,
    /// The text to compare with is not a version: numbers separated by dots.
    NotAVersion,
}

impl<T> RuleRouter<T> {
    /// Creates a router without rules, for at most `maximum_rules` rules with at most
    /// `maximum_conditions` conditions each. No memory is taken before they come.
    #[must_use]
    pub const fn new(maximum_rules: usize, maximum_conditions: usize) -> Self {
        RuleRouter {
            rules: Vec::new(),
            maximum_rules,
            maximum_conditions,
        }
    }

    /// Adds a rule behind the others.
    ///
    /// # Errors
    ///
    /// [`RuleError::TooManyRules`], [`RuleError::TooManyConditions`]; the rule is dropped.
    pub fn add(&mut self, rule: Rule<T>) -> Result<(), RuleError> {
        if self.rules.len() >= self.maximum_rules {
            return Err(RuleError::TooManyRules);
        }
        if rule.conditions.len() > self.maximum_conditions {
            return Err(RuleError::TooManyConditions);
        }
        self.rules.push(rule);
        Ok(())
    }

    /// Returns the rules in their order.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = &Rule<T>> {
        self.rules.iter()
    }

    /// Removes the rules for which `keep` returns `false`.
    pub fn retain(&mut self, keep: impl FnMut(&Rule<T>) -> bool) {
        self.rules.retain(keep);
    }

    /// Returns the routes of all rules that match a message, in the order of the rules.
    pub fn routes(&self, message: &Publish<'_>) -> impl Iterator<Item = &T> {
        let matching = self.rules.iter().filter(move |rule| rule.matches(message));
        matching.map(Rule::route)
    }

    /// Returns the route of the first rule that matches a message.
    #[must_use]
    pub fn first(&self, message: &Publish<'_>) -> Option<&T> {
        self.routes(message).next()
    }
}

impl<T> Rule<T> {
    /// Creates a rule without conditions, which matches every message.
    #[must_use]
    pub const fn to(route: T) -> Self {
        Rule {
            conditions: Vec::new(),
            route,
        }
    }

    /// Adds a condition that has to hold.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.conditions.push((condition, true));
        self
    }

    /// Adds a condition that must not hold.
    #[must_use]
    pub fn unless(mut self, condition: Condition) -> Self {
        self.conditions.push((condition, false));
        self
    }

    /// Returns the conditions, each with whether it has to hold.
    pub fn conditions(&self) -> impl ExactSizeIterator<Item = (&Condition, bool)> {
        let conditions = self.conditions.iter();
        conditions.map(|(condition, expected)| (condition, *expected))
    }

    /// Returns the route.
    #[must_use]
    pub const fn route(&self) -> &T {
        &self.route
    }

    /// Returns whether the rule matches a message.
    #[must_use]
    pub fn matches(&self, message: &Publish<'_>) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.all(|(condition, expected)| condition.holds(message) == *expected)
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::TooManyRules => formatter.write_str("the router has no room for a rule"),
            RuleError::TooManyConditions => {
                formatter.write_str("the rule has more conditions than the router allows")
            }
            RuleError::TopicFilter(violation) => write!(formatter, "no Topic Filter: {violation}"),
            RuleError::NotANumber => formatter.write_str("the text to compare with is no number"),
            RuleError::NotAVersion => formatter.write_str("the text to compare with is no version"),
        }
    }
}

impl core::error::Error for RuleError {}
