//! What a service answers, and how the requester reads it.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::Call;
use crate::codec::{
    EncodeError, Message, Properties, Property, Publish, Text, TopicName, UserProperty,
};
use crate::request_response::Reply;

/// Names of User Properties.
const STATUS: &str = "status";
const ERROR: &str = "error";
const PROCESSING_TIME: &str = "processing_time_ms";

/// Values of the status.
const SUCCESS: &str = "success";
const FAILURE: &str = "error";

/// The answer to a call: its topic, and its properties. The payload is the caller's.
///
/// The properties are the Correlation Data of the request and three User Properties: `status`,
/// which is `success` or `error`; `processing_time_ms`, in whole milliseconds; and, after an error,
/// `error` with a text.
///
/// ```
/// use mqtt5_session_fsm::codec::{Properties, Property, Publish, TopicName};
/// use mqtt5_session_fsm::Instant;
/// use mqtt5_session_fsm::services::Services;
///
/// let mut services = Services::new(1);
/// services.register("lamp", ())?;
/// let list = [Property::ResponseTopic(TopicName::new("answers/me")?)];
/// let request = Publish {
///     properties: Properties::new(&list)?,
///     ..Publish::new(TopicName::new("lamp")?, b"on")
/// };
/// let (call, ()) = services.call(Instant::ORIGIN, &request)?;
/// let answer = services.answer(Instant::from_millis(5), call, Ok(()));
/// let message = answer.message(b"done")?;
/// assert_eq!((message.topic().as_str(), message.payload()), ("answers/me", &b"done"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "must be published"]
pub struct Answer {
    call: Call,
    processing_time: Duration,
    /// In milliseconds.
    processing_time_text: Box<str>,
    error: Option<Box<str>>,
}

/// What an [`Answer`] says, for the requester.
///
/// ```
/// use mqtt5_session_fsm::codec::{Publish, TopicName};
/// use mqtt5_session_fsm::services::AnswerStatus;
///
/// let message = Publish::new(TopicName::new("answers/me")?, b"of something else");
/// assert_eq!(AnswerStatus::of(&message), None);
/// # Ok::<(), mqtt5_session_fsm::codec::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AnswerStatus<'a> {
    /// Why the call failed; `None` if it succeeded. Empty if the service did not say why.
    pub error: Option<&'a str>,
    /// How long the service took, if it said so.
    pub processing_time: Option<Duration>,
}

impl Answer {
    pub(super) fn new(call: Call, processing_time: Duration, result: Result<(), &str>) -> Self {
        Answer {
            call,
            processing_time,
            processing_time_text: format!("{}", processing_time.as_millis()).into(),
            error: result.err().map(|error| valid(error).into()),
        }
    }

    /// Returns the topic to publish to.
    #[must_use]
    pub fn topic(&self) -> TopicName<'_> {
        self.reply().topic
    }

    /// Returns why the call failed; `None` if it succeeded.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns how long the call was in progress.
    #[must_use]
    pub const fn processing_time(&self) -> Duration {
        self.processing_time
    }

    /// Returns the properties to publish with. Others may be added, but no Response Topic: it would
    /// make the answer a request (section 4.10.1).
    #[must_use]
    pub fn properties(&self) -> Vec<Property<'_>> {
        let status = if self.error.is_none() {
            SUCCESS
        } else {
            FAILURE
        };
        let mut properties = self.reply().properties().to_vec();
        let named = [
            (STATUS, Some(status)),
            (PROCESSING_TIME, Some(&*self.processing_time_text)),
            (ERROR, self.error.as_deref()),
        ];
        for (name, value) in named {
            if let (Ok(name), Some(Ok(value))) = (Text::new(name), value.map(Text::new)) {
                properties.push(Property::UserProperty(UserProperty { name, value }));
            }
        }
        properties
    }

    /// Returns the whole answer, to be published with any QoS.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the payload makes the packet longer than the standard allows.
    pub fn message(&self, payload: &[u8]) -> Result<Message, EncodeError> {
        let properties = self.properties();
        Message::new(&Publish {
            properties: Properties::new(&properties)?,
            ..Publish::new(self.topic(), payload)
        })
    }

    fn reply(&self) -> Reply<'_> {
        self.call.reply()
    }
}

impl<'a> AnswerStatus<'a> {
    /// Returns what an incoming answer says; `None` if it has no `status` that is known here.
    #[must_use]
    pub fn of(answer: &Publish<'a>) -> Option<Self> {
        let value = |name| {
            let mut found = answer.properties.user_properties();
            let found = found.find(|property| property.name.as_str() == name);
            found.map(|property| property.value.as_str())
        };
        let error = match value(STATUS)? {
            SUCCESS => None,
            FAILURE => Some(value(ERROR).unwrap_or("")),
            _ => return None,
        };
        let milliseconds = value(PROCESSING_TIME).and_then(|text| text.parse().ok());
        Some(AnswerStatus {
            error,
            processing_time: milliseconds.map(Duration::from_millis),
        })
    }
}

/// As much of a text as a string of the standard can hold (section 1.5.4): up to a null character,
/// and up to 65,535 bytes.
fn valid(text: &str) -> &str {
    let text = text.split('\0').next().unwrap_or("");
    // A character takes at most four bytes.
    let longest = usize::from(u16::MAX);
    (longest - 3..=longest)
        .rev()
        .find_map(|end| text.get(..end))
        .unwrap_or(text)
}
