//! What a rule looks at.

use alloc::boxed::Box;
use core::cmp::Ordering;

use super::RuleError;
use super::order::{Number, Version};
use crate::codec::{PropertyIdentifier, Publish, Qos, TopicFilter};

/// A condition for a message. It is a value: it can be compared, hashed, stored.
///
/// ```
/// use mqtt5_session_fsm::codec::{PropertyIdentifier, Publish, TopicName};
/// use mqtt5_session_fsm::routing::Condition;
///
/// let message = Publish::new(TopicName::new("plant/line-1/pump")?, b"");
/// assert!(Condition::topic("plant/+/pump")?.holds(&message));
/// assert!(!Condition::HasProperty(PropertyIdentifier::ResponseTopic).holds(&message));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// The Topic Name matches a Topic Filter (section 4.7). [`Condition::topic`] makes one.
    Topic(Filter),
    /// The message has this property.
    HasProperty(PropertyIdentifier),
    /// The message was sent with this QoS or a higher one.
    QosAtLeast(Qos),
    /// RETAIN is set (section 3.3.1.3).
    Retained,
    /// A text of the message passes a test. A message without that text does not.
    Text(Field, TextTest),
}

/// A text in a message.
///
/// ```
/// use mqtt5_session_fsm::codec::{Publish, TopicName};
/// use mqtt5_session_fsm::routing::{Condition, Field, TextTest};
///
/// let json = Condition::Text(Field::ContentType, TextTest::equals("application/json"));
/// assert!(!json.holds(&Publish::new(TopicName::new("a")?, b"{}")));
/// # Ok::<(), mqtt5_session_fsm::codec::Violation>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// The Topic Name.
    TopicName,
    /// Content Type (section 3.3.2.3.9).
    ContentType,
    /// Response Topic (section 3.3.2.3.5).
    ResponseTopic,
    /// The value of a User Property with this name (section 3.3.2.3.7). If the message has several,
    /// one of them has to pass.
    UserProperty(Box<str>),
    /// The payload, if it is UTF-8.
    Payload,
}

/// A test for a text.
///
/// Numbers are compared as decimal fractions of any length, without rounding. Versions are numbers
/// separated by dots, of which missing ones count as 0; what follows a `-` makes a version earlier
/// than the same one without it, and what follows a `+` does not count. A text that is no number,
/// or no version, passes neither test for one.
///
/// ```
/// use mqtt5_session_fsm::routing::TextTest;
///
/// assert!(TextTest::contains("zone").passes("Critical_ZONE"));
/// assert!(TextTest::prefix("TEMP").passes("TEMP001"));
/// assert!(TextTest::number_below("3.5")?.passes("-12"));
/// assert!(TextTest::version_below("1.10")?.passes("1.9.3"));
/// assert!(!TextTest::version_below("1.10")?.passes("unknown"));
/// # Ok::<(), mqtt5_session_fsm::routing::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TextTest {
    /// Any text passes, if it is there.
    Present,
    /// The same text passes.
    Equals(Box<str>),
    /// What begins with this text passes.
    Prefix(Box<str>),
    /// What contains this text passes; `A` to `Z` count as `a` to `z`.
    Contains(Box<str>),
    /// A lower number passes.
    NumberBelow(Number),
    /// The same number or a higher one passes.
    NumberAtLeast(Number),
    /// An earlier version passes.
    VersionBelow(Version),
    /// The same version or a later one passes.
    VersionAtLeast(Version),
}

/// A Topic Filter of a [`Condition`].
///
/// ```
/// use mqtt5_session_fsm::routing::Condition;
///
/// let Condition::Topic(filter) = Condition::topic("a/+")? else { panic!() };
/// assert_eq!(filter.as_str(), "a/+");
/// # Ok::<(), mqtt5_session_fsm::routing::RuleError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter(Box<str>);

impl Filter {
    /// Returns the text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl Condition {
    /// The Topic Name matches this Topic Filter.
    ///
    /// # Errors
    ///
    /// [`RuleError::TopicFilter`].
    pub fn topic(filter: &str) -> Result<Self, RuleError> {
        TopicFilter::new(filter).map_err(RuleError::TopicFilter)?;
        Ok(Condition::Topic(Filter(filter.into())))
    }

    /// A User Property with this name passes a test.
    #[must_use]
    pub fn user_property(name: &str, test: TextTest) -> Self {
        Condition::Text(Field::UserProperty(name.into()), test)
    }

    /// Returns whether it holds for a message.
    #[must_use]
    pub fn holds(&self, message: &Publish<'_>) -> bool {
        match self {
            Condition::Topic(filter) => message.topic.is_some_and(|topic| {
                TopicFilter::new(filter.as_str()).is_ok_and(|filter| filter.matches(topic))
            }),
            Condition::HasProperty(identifier) => message.properties.contains(*identifier),
            Condition::QosAtLeast(qos) => message.delivery.qos() >= *qos,
            Condition::Retained => message.retain,
            Condition::Text(field, test) => field.passes(message, test),
        }
    }
}

impl Field {
    fn passes(&self, message: &Publish<'_>, test: &TextTest) -> bool {
        let properties = &message.properties;
        let text = match self {
            Field::TopicName => message.topic.map(|topic| topic.as_str()),
            Field::ContentType => properties.content_type().map(|text| text.as_str()),
            Field::ResponseTopic => properties.response_topic().map(|topic| topic.as_str()),
            Field::UserProperty(name) => {
                let mut values = properties.user_properties();
                return values.any(|property| {
                    property.name.as_str() == &**name && test.passes(property.value.as_str())
                });
            }
            Field::Payload => core::str::from_utf8(message.payload).ok(),
        };
        text.is_some_and(|text| test.passes(text))
    }
}

impl TextTest {
    /// The same text passes.
    #[must_use]
    pub fn equals(text: &str) -> Self {
        TextTest::Equals(text.into())
    }

    /// What begins with this text passes.
    #[must_use]
    pub fn prefix(text: &str) -> Self {
        TextTest::Prefix(text.into())
    }

    /// What contains this text, without regard to ASCII case, passes.
    #[must_use]
    pub fn contains(text: &str) -> Self {
        TextTest::Contains(text.into())
    }

    /// A number below this one passes.
    ///
    /// # Errors
    ///
    /// [`RuleError::NotANumber`].
    pub fn number_below(number: &str) -> Result<Self, RuleError> {
        Number::new(number).map(TextTest::NumberBelow)
    }

    /// This number or a higher one passes.
    ///
    /// # Errors
    ///
    /// [`RuleError::NotANumber`].
    pub fn number_at_least(number: &str) -> Result<Self, RuleError> {
        Number::new(number).map(TextTest::NumberAtLeast)
    }

    /// An earlier version than this one passes.
    ///
    /// # Errors
    ///
    /// [`RuleError::NotAVersion`].
    pub fn version_below(version: &str) -> Result<Self, RuleError> {
        Version::new(version).map(TextTest::VersionBelow)
    }

    /// This version or a later one passes.
    ///
    /// # Errors
    ///
    /// [`RuleError::NotAVersion`].
    pub fn version_at_least(version: &str) -> Result<Self, RuleError> {
        Version::new(version).map(TextTest::VersionAtLeast)
    }

    /// Returns whether a text passes.
    #[must_use]
    pub fn passes(&self, text: &str) -> bool {
        let below = |order| order == Some(Ordering::Less);
        let at_least = |order| matches!(order, Some(Ordering::Equal | Ordering::Greater));
        match self {
            TextTest::Present => true,
            TextTest::Equals(expected) => text == &**expected,
            TextTest::Prefix(prefix) => text.starts_with(&**prefix),
            TextTest::Contains(part) => contains(text.as_bytes(), part.as_bytes()),
            TextTest::NumberBelow(number) => below(number.order_of(text)),
            TextTest::NumberAtLeast(number) => at_least(number.order_of(text)),
            TextTest::VersionBelow(version) => below(version.order_of(text)),
            TextTest::VersionAtLeast(version) => at_least(version.order_of(text)),
        }
    }
}

/// Whether a text contains a part, without regard to ASCII case. Characters beyond ASCII must be
/// the same.
fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty()
        || text
            .windows(part.len())
            .any(|window| window.eq_ignore_ascii_case(part))
}
