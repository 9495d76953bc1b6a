//! What the gateway changes in packets.

use std::fmt;
use std::num::NonZeroU32;

use mqtt5_tokio::codec::framing::{Frame, LARGEST_PACKET, LargePublish};
use mqtt5_tokio::codec::{
    ConnAck, Connect, DecodeError, EncodeError, Packet, Property, PropertyIdentifier,
    ProtocolVersion, Publish, Segments, Subscribe, Subscription, Subscriptions, TopicFilter,
    TopicFilters, TopicName, Unsubscribe, UserProperty, Violation, Wire,
};

/// Changes topics and properties of the packets between a client and a server.
///
/// The server sees all topics of the clients below a prefix, and the clients do not know it. Topics that begin with `$` stay
/// as they are. Messages of clients get a User Property.
#[derive(Clone, Debug)]
pub struct Rewriter {
    prefix: String,
    user_property: Option<(String, String)>,
    maximum_packet_size: NonZeroU32,
}

/// Why a packet cannot go on. Its connection has to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RewriteError {
    /// It breaks a rule of the standard.
    Decode(DecodeError),
    /// It would break one when it is changed.
    Encode(EncodeError),
    /// The first packet of a client is not a CONNECT, or a later one is.
    Unexpected,
    /// The server takes no packet that is as large as what the gateway adds.
    TooSmall,
}

impl From<DecodeError> for RewriteError {
    fn from(error: DecodeError) -> Self {
        RewriteError::Decode(error)
    }
}

impl From<EncodeError> for RewriteError {
    fn from(error: EncodeError) -> Self {
        RewriteError::Encode(error)
    }
}

impl From<Violation> for RewriteError {
    fn from(violation: Violation) -> Self {
        RewriteError::Encode(violation.into())
    }
}

impl fmt::Display for RewriteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RewriteError::Decode(error) => error.fmt(formatter),
            RewriteError::Encode(error) => write!(formatter, "the changed packet: {error}"),
            RewriteError::Unexpected => formatter.write_str("a CONNECT must come first, and once"),
            RewriteError::TooSmall => {
                formatter.write_str("the server's Maximum Packet Size is too small for the gateway")
            }
        }
    }
}

impl std::error::Error for RewriteError {}

impl Rewriter {
    /// Puts this prefix before topics, such as `plant-7/`, and adds a User Property to messages of clients. Both sides learn
    /// the Maximum Packet Size, in bytes.
    ///
    /// # Errors
    ///
    /// The prefix cannot begin a topic, or the texts are not allowed.
    pub fn new(
        prefix: &str,
        user_property: Option<(String, String)>,
        maximum_packet_size: NonZeroU32,
    ) -> Result<Self, Violation> {
        // A whole topic begins with it.
        TopicName::new(&format!("{prefix}x"))?;
        if let Some((name, value)) = &user_property {
            UserProperty::new(name, value)?;
        }
        Ok(Rewriter {
            prefix: prefix.to_owned(),
            user_property,
            maximum_packet_size,
        })
    }

    /// The largest packet that the gateway takes, in bytes.
    #[must_use]
    pub const fn maximum_packet_size(&self) -> u32 {
        self.maximum_packet_size.get()
    }

    /// Appends a packet of a client, changed, to what goes to the server. `version` is that of the connection; `None` before
    /// the CONNECT, which sets it. A payload is shared with the frame, not copied.
    ///
    /// # Errors
    ///
    /// [`RewriteError`].
    pub fn to_server(
        &self,
        version: &mut Option<ProtocolVersion>,
        frame: &Frame,
        out: &mut Segments,
    ) -> Result<(), RewriteError> {
        let spoken = version.unwrap_or_default();
        match (frame.decode(spoken)?, *version) {
            (Packet::Connect(connect), None) => {
                *version = Some(connect.version);
                self.connect(&connect, out)
            }
            (Packet::Connect(_), Some(_)) | (_, None) => Err(RewriteError::Unexpected),
            (Packet::Publish(publish), Some(_)) => {
                let mark = self.mark(spoken)?;
                relay(
                    spoken,
                    &publish,
                    |topic| self.below(topic),
                    mark,
                    frame,
                    out,
                )
            }
            (Packet::Subscribe(it), Some(_)) => self.subscribe(spoken, &it, out),
            (Packet::Unsubscribe(it), Some(_)) => self.unsubscribe(spoken, &it, out),
            _ => {
                out.put_shared(frame.bytes(), 0);
                Ok(())
            }
        }
    }

    /// Appends a packet of the server, changed, to what goes to the client.
    ///
    /// # Errors
    ///
    /// [`RewriteError`].
    pub fn to_client(
        &self,
        version: ProtocolVersion,
        frame: &Frame,
        out: &mut Segments,
    ) -> Result<(), RewriteError> {
        match frame.decode(version)? {
            Packet::Publish(publish) => relay(
                version,
                &publish,
                |topic| self.above(topic),
                None,
                frame,
                out,
            ),
            Packet::ConnAck(connack) if version == ProtocolVersion::V5_0 => {
                self.connack(&connack, out)
            }
            _ => {
                out.put_shared(frame.bytes(), 0);
                Ok(())
            }
        }
    }

    // ---- towards the server ----

    fn connect(&self, connect: &Connect<'_>, out: &mut Segments) -> Result<(), RewriteError> {
        let mut changed = *connect;
        let limit = self.limit(connect.properties.maximum_packet_size());
        let limit = [Property::MaximumPacketSize(limit)];
        if connect.version == ProtocolVersion::V5_0 {
            let properties = &mut changed.properties;
            *properties = properties
                .without(&[PropertyIdentifier::MaximumPacketSize])
                .and(&limit)?;
        }
        let (topic, response);
        let mut list = Vec::new();
        if let Some(will) = &mut changed.will {
            topic = self.below(will.topic.as_str());
            will.topic = TopicName::new(&topic)?;
            let kept = will
                .properties
                .without(&[PropertyIdentifier::ResponseTopic]);
            if let Some(it) = will.properties.response_topic() {
                response = self.below(it.as_str());
                list.push(Property::ResponseTopic(TopicName::new(&response)?));
            }
            list.extend(self.mark(connect.version)?);
            will.properties = kept.and(&list)?;
        }
        Ok(Packet::from(changed).encode(connect.version, out)?)
    }

    /// The smaller one of a Maximum Packet Size and the gateway's own.
    fn limit(&self, maximum: Option<NonZeroU32>) -> NonZeroU32 {
        maximum.map_or(self.maximum_packet_size, |it| {
            it.min(self.maximum_packet_size)
        })
    }

    fn subscribe(
        &self,
        version: ProtocolVersion,
        subscribe: &Subscribe<'_>,
        out: &mut Segments,
    ) -> Result<(), RewriteError> {
        let all: Vec<_> = subscribe.subscriptions.iter().collect();
        let filters: Vec<String> = all.iter().map(|it| self.filter(it.filter)).collect();
        let mut list = Vec::new();
        for (subscription, filter) in all.iter().zip(&filters) {
            list.push(Subscription {
                filter: TopicFilter::new(filter)?,
                ..*subscription
            });
        }
        let changed = Subscribe {
            subscriptions: Subscriptions::new(&list)?,
            ..*subscribe
        };
        Ok(Packet::from(changed).encode(version, out)?)
    }

    fn unsubscribe(
        &self,
        version: ProtocolVersion,
        unsubscribe: &Unsubscribe<'_>,
        out: &mut Segments,
    ) -> Result<(), RewriteError> {
        let filters: Vec<String> = unsubscribe
            .filters
            .iter()
            .map(|it| self.filter(it))
            .collect();
        let mut list = Vec::new();
        for filter in &filters {
            list.push(TopicFilter::new(filter)?);
        }
        let changed = Unsubscribe {
            filters: TopicFilters::new(&list)?,
            ..*unsubscribe
        };
        Ok(Packet::from(changed).encode(version, out)?)
    }

    // ---- towards the client ----

    /// A message grows on its way to the server, so the client may send less than the server takes.
    fn connack(&self, connack: &ConnAck<'_>, out: &mut Segments) -> Result<(), RewriteError> {
        let maximum = connack.properties.maximum_packet_size();
        let maximum = maximum.map_or(LARGEST_PACKET, NonZeroU32::get);
        let maximum = maximum.checked_sub(self.growth()).and_then(NonZeroU32::new);
        let maximum = self.limit(Some(maximum.ok_or(RewriteError::TooSmall)?));
        let list = [Property::MaximumPacketSize(maximum)];
        let properties = connack
            .properties
            .without(&[PropertyIdentifier::MaximumPacketSize]);
        let changed = ConnAck {
            properties: properties.and(&list)?,
            ..*connack
        };
        Ok(Packet::from(changed).encode(ProtocolVersion::V5_0, out)?)
    }

    /// The most bytes by which a message grows: its topic, its Response Topic, the User Property, and the lengths of both the
    /// packet and its properties.
    fn growth(&self) -> u32 {
        let pair = self.user_property.as_ref();
        let pair = pair.map_or(0, |(name, value)| 5 + name.len() + value.len());
        u32::try_from(2 * self.prefix.len() + pair + 6).unwrap_or(u32::MAX)
    }

    // ---- topics ----

    fn below(&self, topic: &str) -> String {
        match topic.starts_with('$') {
            true => topic.to_owned(),
            false => format!("{}{topic}", self.prefix),
        }
    }

    fn above(&self, topic: &str) -> String {
        topic.strip_prefix(&self.prefix).unwrap_or(topic).to_owned()
    }

    fn filter(&self, filter: TopicFilter<'_>) -> String {
        match filter.shared() {
            Some(shared) => {
                format!("$share/{}/{}", shared.share_name, self.below(shared.filter))
            }
            None => self.below(filter.as_str()),
        }
    }

    fn mark(&self, version: ProtocolVersion) -> Result<Option<Property<'_>>, Violation> {
        match &self.user_property {
            Some((name, value)) if version == ProtocolVersion::V5_0 => Ok(Some(
                Property::UserProperty(UserProperty::new(name, value)?),
            )),
            _ => Ok(None),
        }
    }
}

/// Appends a message with other topics, its own and its Response Topic: a new head, and the payload as it is in the frame.
fn relay(
    version: ProtocolVersion,
    publish: &Publish<'_>,
    rename: impl Fn(&str) -> String,
    mark: Option<Property<'_>>,
    frame: &Frame,
    out: &mut Segments,
) -> Result<(), RewriteError> {
    let topic = publish.topic.map(|it| rename(it.as_str()));
    let response = publish.properties.response_topic();
    let response = response.map(|it| rename(it.as_str()));
    let mut list = Vec::new();
    let mut properties = publish.properties;
    if let Some(response) = &response {
        properties = properties.without(&[PropertyIdentifier::ResponseTopic]);
        list.push(Property::ResponseTopic(TopicName::new(response)?));
    }
    list.extend(mark);
    let head = LargePublish {
        delivery: publish.delivery,
        retain: publish.retain,
        topic: topic.as_deref().map(TopicName::new).transpose()?,
        properties: match list.is_empty() {
            true => properties,
            false => properties.and(&list)?,
        },
        payload_length: publish.payload.len(),
    };
    head.encode_head(version, out)?;
    out.put_shared(frame.bytes(), frame.bytes().len() - publish.payload.len());
    Ok(())
}
