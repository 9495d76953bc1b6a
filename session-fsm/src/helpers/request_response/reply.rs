//! The responder's side, and Response Topics.

use alloc::string::String;

use crate::codec::{Binary, Properties, Property, Publish, TopicName, Violation};

/// Where a response goes and what it carries: made by a responder from a request.
///
/// Borrows from the request; allocates nothing. To answer later, keep the request's frame, or the
/// two values, and make it [again](Self::new).
///
/// ```
/// use mqtt5_session_fsm::request_response::Reply;
/// use mqtt5_session_fsm::codec::{Binary, Properties, Property, Publish, TopicName};
///
/// let request_properties = [
///     Property::ResponseTopic(TopicName::new("responses/panel-7")?),
///     Property::CorrelationData(Binary::new(b"17")?),
/// ];
/// let request = Publish {
///     properties: Properties::new(&request_properties)?,
///     ..Publish::new(TopicName::new("devices/lamp")?, b"on")
/// };
///
/// let reply = Reply::to(&request).expect("a request");
/// let response = reply.publish(b"done");
/// assert_eq!(response.topic.as_deref(), Some("responses/panel-7"));
/// assert_eq!(response.properties.correlation_data().as_deref(), Some(&b"17"[..]));
/// assert_eq!(response.properties.response_topic(), None);
///
/// assert_eq!(Reply::to(&response), None); // not a request
/// # Ok::<(), mqtt5_session_fsm::codec::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reply<'a> {
    /// The Response Topic of the request.
    pub topic: TopicName<'a>,
    /// Correlation Data, as the property that it is copied to.
    property: Option<Property<'a>>,
}

impl<'a> Reply<'a> {
    /// Returns the reply to a message, if it is a request: if it has a Response Topic (section
    /// 3.3.2.3.5). Its Correlation Data is copied unaltered, if it has any (section 3.3.2.3.6).
    #[must_use]
    pub fn to(request: &Publish<'a>) -> Option<Self> {
        let topic = request.properties.response_topic()?;
        Some(Reply::new(topic, request.properties.correlation_data()))
    }

    /// The reply from values of the request that were kept.
    #[must_use]
    pub fn new(topic: TopicName<'a>, correlation_data: Option<Binary<'a>>) -> Self {
        Reply {
            topic,
            property: correlation_data.map(Property::CorrelationData),
        }
    }

    /// Returns the request's Correlation Data.
    #[must_use]
    pub const fn correlation_data(&self) -> Option<Binary<'a>> {
        match self.property {
            Some(Property::CorrelationData(data)) => Some(data),
            _ => None,
        }
    }

    /// Returns what the response has to carry: Correlation Data or nothing. Others may be added; a
    /// Response Topic would make the response a request (section 4.10.1).
    #[must_use]
    pub fn properties(&self) -> &[Property<'a>] {
        self.property.as_slice()
    }

    /// Returns the response, with QoS 0 and without further properties. It may have any QoS,
    /// whatever the request had (section 4.10.1): change `delivery`.
    #[must_use]
    pub fn publish<'b>(&'b self, payload: &'b [u8]) -> Publish<'b> {
        Publish {
            // One property that a PUBLISH may have.
            properties: Properties::new(self.properties()).unwrap_or_default(),
            ..Publish::new(self.topic, payload)
        }
    }
}

/// A Response Topic below a base (section 4.10.2): with exactly one `/` between them. Allocates it.
///
/// The base is the Response Information of the CONNACK, if the Server uses it, as the standard
/// suggests, for a part of the topic tree that is reserved for this Client; or one that the host
/// chose, which should be unique to the Client. `name` tells several uses apart; with an empty one
/// the base itself is the topic.
///
/// ```
/// use mqtt5_session_fsm::codec::{TopicFilter, TopicName};
/// use mqtt5_session_fsm::request_response::response_topic;
///
/// let topic = response_topic("responses/panel-7/", "configuration")?;
/// assert_eq!(topic, "responses/panel-7/configuration");
/// let subscribed = TopicFilter::new(&topic)?; // before the first request
/// assert!(subscribed.matches(TopicName::new(&topic)?));
/// # Ok::<(), mqtt5_session_fsm::codec::Violation>(())
/// ```
///
/// # Errors
///
/// Those of [`TopicName::new`], if the result would not be a Topic Name.
pub fn response_topic(base: &str, name: &str) -> Result<String, Violation> {
    let topic = if name.is_empty() {
        String::from(base)
    } else if base.is_empty() {
        String::from(name)
    } else {
        let base = base.strip_suffix('/').unwrap_or(base);
        let name = name.strip_prefix('/').unwrap_or(name);
        [base, name].join("/")
    };
    TopicName::new(&topic)?;
    Ok(topic)
}
