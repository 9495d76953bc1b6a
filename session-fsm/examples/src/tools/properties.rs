//! The properties of a PUBLISH, as options.

use std::num::NonZeroU16;

use clap::Args;
use mqtt5_tokio::codec::{
    Binary, Message, PayloadFormat, Properties, Property, Publish, Text, TopicName, UserProperty,
    Violation,
};

use super::Failure;
use super::values::{Pair, pair};

/// The properties of a PUBLISH (section 3.3.2.3). Not in MQTT 3.1.1.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Properties of the message, which MQTT 3.1.1 does not have")]
pub struct PropertyOptions {
    /// How long the message may wait for a receiver (Message Expiry Interval).
    #[arg(long, value_name = "SECONDS")]
    pub expiry: Option<u32>,
    /// What the payload is, such as application/json (Content Type).
    #[arg(long, value_name = "TEXT")]
    pub content_type: Option<String>,
    /// Where a response is to be published (Response Topic).
    #[arg(long, value_name = "TOPIC")]
    pub response_topic: Option<String>,
    /// What a response is recognized by (Correlation Data).
    #[arg(long, value_name = "TEXT")]
    pub correlation_data: Option<String>,
    /// The payload is text in UTF-8 (Payload Format Indicator).
    #[arg(long)]
    pub text: bool,
    /// A User Property. May be repeated.
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = pair)]
    pub properties: Vec<Pair>,
    /// The number that stands for the Topic Name from the second message on (Topic Alias).
    #[arg(long, value_name = "NUMBER")]
    pub topic_alias: Option<NonZeroU16>,
}

impl PropertyOptions {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.expiry.is_none()
            && self.content_type.is_none()
            && self.response_topic.is_none()
            && self.correlation_data.is_none()
            && !self.text
            && self.properties.is_empty()
            && self.topic_alias.is_none()
    }

    /// Makes a message.
    ///
    /// # Errors
    ///
    /// Something breaks a rule of the standard, or the payload should be text and is not.
    pub fn message(&self, topic: &str, payload: &[u8], retain: bool) -> Result<Message, Failure> {
        if self.text && std::str::from_utf8(payload).is_err() {
            let text = "The payload is not text in UTF-8, so it cannot be sent with --text.";
            return Err(Failure::Local(text.to_owned()));
        }
        let list = self.list().map_err(Failure::local)?;
        let topic = TopicName::new(topic).map_err(Failure::local)?;
        let publish = Publish {
            retain,
            properties: Properties::new(&list).map_err(Failure::local)?,
            ..Publish::new(topic, payload)
        };
        Message::new(&publish).map_err(Failure::local)
    }

    /// All but the Topic Alias, which belongs to a connection.
    fn list(&self) -> Result<Vec<Property<'_>>, Violation> {
        let mut list = Vec::new();
        if self.text {
            list.push(Property::PayloadFormatIndicator(PayloadFormat::Utf8Text));
        }
        if let Some(expiry) = self.expiry {
            list.push(Property::MessageExpiryInterval(expiry));
        }
        if let Some(text) = &self.content_type {
            list.push(Property::ContentType(Text::new(text)?));
        }
        if let Some(topic) = &self.response_topic {
            list.push(Property::ResponseTopic(TopicName::new(topic)?));
        }
        if let Some(data) = &self.correlation_data {
            list.push(Property::CorrelationData(Binary::new(data.as_bytes())?));
        }
        for Pair { name, value } in &self.properties {
            list.push(Property::UserProperty(UserProperty::new(name, value)?));
        }
        Ok(list)
    }
}
