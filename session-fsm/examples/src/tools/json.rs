//! Messages as JSON.

use std::time::SystemTime;

use mqtt5_tokio::Message;
use mqtt5_tokio::codec::Property;
use serde_json::{Map, Value, json};

use super::format::hex;
use super::time::rfc_3339;

/// A message as an object. A payload that is not text is in `payload_hex` instead of `payload`.
pub(super) fn message(message: &Message, arrived: SystemTime) -> Value {
    let mut object = Map::new();
    object.insert("topic".into(), message.topic().into());
    bytes(&mut object, "payload", message.payload());
    object.insert("qos".into(), (message.qos() as u8).into());
    object.insert("retain".into(), message.retain().into());
    object.insert("duplicate".into(), message.duplicate().into());
    object.insert("properties".into(), properties(message));
    object.insert("arrived".into(), rfc_3339(arrived).into());
    Value::Object(object)
}

/// The properties as an object. User Properties are a list of pairs, because a name may occur several times.
pub(super) fn properties(message: &Message) -> Value {
    let mut object = Map::new();
    for property in message.properties().iter() {
        match property {
            Property::PayloadFormatIndicator(format) => {
                object.insert("payload_format_indicator".into(), (format as u8).into());
            }
            Property::MessageExpiryInterval(seconds) => {
                object.insert("message_expiry_interval".into(), seconds.into());
            }
            Property::ContentType(text) => {
                object.insert("content_type".into(), text.as_str().into());
            }
            Property::ResponseTopic(topic) => {
                object.insert("response_topic".into(), topic.as_str().into());
            }
            Property::CorrelationData(data) => {
                bytes(&mut object, "correlation_data", data.as_bytes());
            }
            Property::SubscriptionIdentifier(identifier) => {
                append(
                    &mut object,
                    "subscription_identifiers",
                    identifier.get().into(),
                );
            }
            Property::TopicAlias(alias) => {
                object.insert("topic_alias".into(), alias.get().into());
            }
            Property::UserProperty(pair) => {
                let pair = json!([pair.name.as_str(), pair.value.as_str()]);
                append(&mut object, "user_properties", pair);
            }
            // A PUBLISH has no others.
            _ => {}
        }
    }
    Value::Object(object)
}

fn bytes(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.into(), text.into()),
        Err(_) => object.insert(format!("{name}_hex"), hex(bytes).into()),
    };
}

fn append(object: &mut Map<String, Value>, name: &str, value: Value) {
    let list = object
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = list {
        list.push(value);
    }
}
