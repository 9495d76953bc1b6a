//! What a client says in its CONNECT.

use std::time::Duration;

use mqtt5_session_fsm::codec::{
    Binary, Connect, Properties, Property, ProtocolVersion, Qos, Text, TopicName, Violation,
};

/// The message that the server publishes if the connection is lost (section 3.1.2.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Its Topic Name.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Its QoS.
    pub qos: Qos,
    /// Whether it is retained.
    pub retain: bool,
    /// How long the server waits for the client to come back before it publishes the message (section 3.1.3.2.2). Not in
    /// MQTT 3.1.1: it is left out.
    pub delay: Duration,
}

impl Will {
    /// A Will Message that is not retained and has no delay.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>, qos: Qos) -> Self {
        Will {
            topic: topic.into(),
            payload: payload.into(),
            qos,
            retain: false,
            delay: Duration::ZERO,
        }
    }
}

/// The client's part in enhanced authentication (section 4.12), such as SCRAM. Not in MQTT 3.1.1.
pub trait Authenticator: Send + 'static {
    /// The Authentication Method.
    fn method(&self) -> &str;

    /// Begins an authentication, of a new connection or on the one there is. Returns the first Authentication Data.
    fn begin(&mut self) -> Vec<u8>;

    /// Answers the server. Returns the next Authentication Data, or `None` to disconnect.
    fn answer(&mut self, data: &[u8]) -> Option<Vec<u8>>;

    /// The server says that it is done, with its last Authentication Data, if there are any. Returns whether the server is
    /// who it says; if not, the client disconnects.
    fn finish(&mut self, data: Option<&[u8]>) -> bool {
        let _ = data;
        true
    }
}

/// The parts of a CONNECT.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) client_identifier: String,
    pub(super) user_name: Option<String>,
    pub(super) password: Option<Vec<u8>>,
    pub(super) keep_alive: u16,
    pub(super) clean_start: bool,
    /// Seconds.
    pub(super) session_expiry: u32,
    pub(super) receive_maximum: Option<u16>,
    pub(super) maximum_packet_size: Option<u32>,
    pub(super) topic_alias_maximum: u16,
    pub(super) request_response_information: bool,
    pub(super) user_properties: Vec<(String, String)>,
    pub(super) will: Option<Will>,
}

impl Login {
    /// Lends the CONNECT to `send`. `clean_start` is that of this connection.
    pub(super) fn with<R>(
        &self,
        version: ProtocolVersion,
        clean_start: bool,
        authentication: Option<(&str, &[u8])>,
        send: impl FnOnce(&Connect<'_>) -> R,
    ) -> Result<R, Violation> {
        let is_5 = version == ProtocolVersion::V5_0;
        let mut properties = Vec::new();
        if is_5 {
            properties = self.properties(authentication)?;
        }
        let mut of_will = Vec::new();
        let will = match &self.will {
            Some(will) => {
                if is_5 && !will.delay.is_zero() {
                    of_will.push(Property::WillDelayInterval(seconds(will.delay)));
                }
                let topic = TopicName::new(&will.topic)?;
                Some(mqtt5_session_fsm::codec::Will {
                    topic,
                    payload: Binary::new(&will.payload)?,
                    qos: will.qos,
                    retain: will.retain,
                    properties: Properties::new(&of_will)?,
                })
            }
            None => None,
        };
        let connect = Connect {
            version,
            clean_start,
            keep_alive: self.keep_alive,
            properties: Properties::new(&properties)?,
            client_identifier: Text::new(&self.client_identifier)?,
            will,
            user_name: self.user_name.as_deref().map(Text::new).transpose()?,
            password: self.password.as_deref().map(Binary::new).transpose()?,
        };
        Ok(send(&connect))
    }

    fn properties<'a>(
        &'a self,
        authentication: Option<(&'a str, &'a [u8])>,
    ) -> Result<Vec<Property<'a>>, Violation> {
        let mut all = Vec::new();
        if self.session_expiry > 0 {
            all.push(Property::SessionExpiryInterval(self.session_expiry));
        }
        if let Some(maximum) = self.receive_maximum.and_then(std::num::NonZeroU16::new) {
            all.push(Property::ReceiveMaximum(maximum));
        }
        if let Some(maximum) = self.maximum_packet_size.and_then(std::num::NonZeroU32::new) {
            all.push(Property::MaximumPacketSize(maximum));
        }
        if self.topic_alias_maximum > 0 {
            all.push(Property::TopicAliasMaximum(self.topic_alias_maximum));
        }
        if self.request_response_information {
            all.push(Property::RequestResponseInformation(true));
        }
        if let Some((method, data)) = authentication {
            all.push(Property::AuthenticationMethod(Text::new(method)?));
            all.push(Property::AuthenticationData(Binary::new(data)?));
        }
        for (name, value) in &self.user_properties {
            let pair = mqtt5_session_fsm::codec::UserProperty::new(name, value)?;
            all.push(Property::UserProperty(pair));
        }
        Ok(all)
    }
}

/// As many whole seconds as the standard can say.
pub(super) fn seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}
