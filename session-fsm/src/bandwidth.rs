//! Counts and forecasts the bytes that Topic Aliases save (section 3.3.2.3.4).
//!
//! With an alias, the Topic Name is sent once, and 3 bytes replace it afterwards. Where topics are
//! long and payloads short, this saves most of the bandwidth.

use core::hash::{Hash, Hasher};

use crate::codec::{
    Delivery, EncodeError, PropertyIdentifier, ProtocolVersion, Publish, Violation,
};

/// The bytes of PUBLISH packets with Topic Aliases, and their bytes without.
///
/// [`Client::alias_savings`](crate::Client::alias_savings) and
/// [`Server::alias_savings`](crate::Server::alias_savings) count the PUBLISH packets with a Topic
/// Alias that were written on the present Network Connection: all of their bytes, from the fixed
/// header to the payload.
///
/// ```
/// use mqtt5_session_fsm::bandwidth::AliasSavings;
///
/// let savings = AliasSavings { messages: 2, bytes_sent: 60, bytes_without_aliases: 150 };
/// assert_eq!(savings.bytes_saved(), 90);
/// assert_eq!(format!("{:.1}%", savings.percent_saved()), "60.0%");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AliasSavings {
    /// How many PUBLISH packets.
    pub messages: u64,
    /// How many bytes they had.
    pub bytes_sent: u64,
    /// How many bytes they would have had with the Topic Name and without a Topic Alias.
    pub bytes_without_aliases: u64,
}

impl AliasSavings {
    /// Returns how many bytes were saved; negative if the aliases cost more than they saved, as the
    /// packet that sets an alias is 3 bytes longer.
    #[must_use]
    pub const fn bytes_saved(self) -> i64 {
        let saved = self.bytes_without_aliases as i128 - self.bytes_sent as i128;
        if saved > i64::MAX as i128 {
            i64::MAX
        } else if saved < i64::MIN as i128 {
            i64::MIN
        } else {
            saved as i64
        }
    }

    /// Returns the bytes that were saved, in per cent of those without aliases; 0 if there was no
    /// packet.
    #[must_use]
    pub fn percent_saved(self) -> f64 {
        if self.bytes_without_aliases == 0 {
            return 0.0;
        }
        100.0 * self.bytes_saved() as f64 / self.bytes_without_aliases as f64
    }

    /// Returns what Topic Aliases would save on one Network Connection. Each item is a sample of
    /// the messages to one topic, and how many of them there will be: the sample has the topic, the
    /// QoS and the properties of all, and a payload of their length.
    ///
    /// The first `topic_alias_maximum` topics get an alias each, and keep it; the others get none.
    /// So put the topics first that save the most. With
    /// [`TopicAliases::Automatic`](crate::TopicAliases::Automatic) the forecast is exact if there
    /// are no more topics than aliases; with more topics, which are used in turn, aliases are
    /// replaced all the time and save less. Packets without alias count with the same bytes on both
    /// sides.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if a sample cannot be sent as it is; also if it has a Topic Alias or no
    /// Topic Name.
    ///
    /// ```
    /// use mqtt5_session_fsm::bandwidth::AliasSavings;
    /// use mqtt5_session_fsm::codec::{Publish, TopicName};
    ///
    /// let topics = [
    ///     "smart_city/district_a/building_15/floor_3/room_301/sensors/temperature",
    ///     "smart_city/district_a/building_15/floor_3/room_301/sensors/humidity",
    /// ];
    /// let mut samples = Vec::new();
    /// for topic in topics {
    ///     // A message every minute for a day.
    ///     samples.push((Publish::new(TopicName::new(topic)?, b"23.5"), 1_440));
    /// }
    /// let savings = AliasSavings::forecast(samples, 10)?;
    /// assert_eq!(format!("{:.1}%", savings.percent_saved()), "84.5%");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn forecast<'a>(
        samples: impl IntoIterator<Item = (Publish<'a>, u64)>,
        topic_alias_maximum: u16,
    ) -> Result<Self, EncodeError> {
        let mut savings = AliasSavings::default();
        for (index, (sample, messages)) in samples.into_iter().enumerate() {
            let topic = sample.topic.ok_or(Violation::TopicMissing)?.as_str().len();
            if sample.properties.contains(PropertyIdentifier::TopicAlias) {
                return Err(Violation::PropertyNotAllowed.into());
            }
            let length = sample.encoded_len(ProtocolVersion::V5_0)?;
            let shape = Shape::of(length, sample.delivery, topic, sample.payload.len());
            let (first, later) = if index < usize::from(topic_alias_maximum) {
                let properties = shape.properties + ALIAS;
                (shape.length(topic, properties), shape.length(0, properties))
            } else {
                (length, length)
            };
            if messages > 0 {
                savings.add(1, first, length);
                savings.add(messages - 1, later, length);
            }
        }
        Ok(savings)
    }

    fn add(&mut self, messages: u64, sent: usize, without_alias: usize) {
        let bytes = |length: usize| messages.saturating_mul(length as u64);
        self.messages = self.messages.saturating_add(messages);
        self.bytes_sent = self.bytes_sent.saturating_add(bytes(sent));
        self.bytes_without_aliases = self
            .bytes_without_aliases
            .saturating_add(bytes(without_alias));
    }
}

/// The count of a connection. No behaviour depends on it, so machines that differ only in it are
/// equal.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted(pub(crate) AliasSavings);

impl Counted {
    /// A PUBLISH with a Topic Alias was written; `name_sent` says whether its Topic Name was in it.
    pub(crate) fn count(
        &mut self,
        length: usize,
        delivery: Delivery,
        topic: usize,
        name_sent: bool,
        payload: usize,
    ) {
        let shape = Shape::of(length, delivery, if name_sent { topic } else { 0 }, payload);
        let without = shape.length(topic, shape.properties.saturating_sub(ALIAS));
        self.0.add(1, length, without);
    }
}

impl PartialEq for Counted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// The length of a Topic Alias property: its identifier and two bytes.
const ALIAS: usize = 3;

/// The lengths of the parts of a PUBLISH that an alias does not change, and of its properties.
struct Shape {
    /// Packet Identifier and payload.
    fixed: usize,
    properties: usize,
}

impl Shape {
    /// The shape of a packet of this length.
    fn of(length: usize, delivery: Delivery, topic: usize, payload: usize) -> Self {
        let identifier = if delivery.packet_identifier().is_some() {
            2
        } else {
            0
        };
        let fixed = identifier + payload;
        let remaining_length = without_prefix(length.saturating_sub(1));
        let with_prefix = remaining_length.saturating_sub(2 + topic + fixed);
        Shape {
            fixed,
            properties: without_prefix(with_prefix),
        }
    }

    /// The length of the packet with a Topic Name and properties of these lengths.
    fn length(&self, topic: usize, properties: usize) -> usize {
        1 + prefixed(2 + topic + self.fixed + prefixed(properties))
    }
}

/// The length of these bytes together with the Variable Byte Integer that gives their number
/// (section 1.5.5).
const fn prefixed(bytes: usize) -> usize {
    bytes
        + match bytes {
            0..0x80 => 1,
            0x80..0x4000 => 2,
            0x4000..0x20_0000 => 3,
            _ => 4,
        }
}

/// The inverse of `prefixed`.
const fn without_prefix(bytes: usize) -> usize {
    bytes.saturating_sub(match bytes {
        0..0x82 => 1,
        0x82..0x4003 => 2,
        0x4003..0x20_0004 => 3,
        _ => 4,
    })
}
