//! Correlation Data that is used once.

use core::fmt;

use crate::codec::{Binary, Property, TopicName};

/// Bytes that the number takes.
const NUMBER: usize = 8;

/// The Correlation Data of a request (section 3.3.2.3.6): a prefix that the host chose, and a
/// number in eight bytes, the highest first. Kept inline, 32 bytes at most; allocates nothing.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::request_response::Requests;
/// use mqtt5_session_fsm::Instant;
///
/// let mut requests = Requests::new(b"me", 1)?;
/// let correlation = requests.start(Instant::ORIGIN, Duration::from_secs(1), ())?;
/// assert_eq!(correlation.as_bytes(), b"me\0\0\0\0\0\0\0\0");
/// # Ok::<(), mqtt5_session_fsm::request_response::RequestError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CorrelationData {
    /// Prefix and number, then zeros.
    bytes: [u8; CorrelationData::MAXIMUM_PREFIX + NUMBER],
    prefix_length: u8,
    number: u64,
}

impl CorrelationData {
    /// The most bytes that a prefix can have: enough for a UUID and a little more.
    pub const MAXIMUM_PREFIX: usize = 24;

    /// Returns the bytes to be sent.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let length = usize::from(self.prefix_length) + NUMBER;
        self.bytes.get(..length).unwrap_or_default()
    }

    /// Returns the bytes as the property's value.
    #[must_use]
    pub fn as_binary(&self) -> Binary<'_> {
        Binary::new(self.as_bytes()).unwrap_or_default()
    }

    /// Returns the properties that make a PUBLISH this request: Response Topic and Correlation
    /// Data. The requester must be subscribed to the topic;
    /// [`response_topic`](super::response_topic) makes one.
    #[must_use]
    pub fn properties<'a>(&'a self, response_topic: TopicName<'a>) -> [Property<'a>; 2] {
        [
            Property::ResponseTopic(response_topic),
            Property::CorrelationData(self.as_binary()),
        ]
    }

    /// With the number 0; `None` if the prefix is too long.
    pub(super) fn first(prefix: &[u8]) -> Option<Self> {
        let mut bytes = [0; CorrelationData::MAXIMUM_PREFIX + NUMBER];
        let (place, _) = bytes.split_at_mut(CorrelationData::MAXIMUM_PREFIX);
        place.get_mut(..prefix.len())?.copy_from_slice(prefix);
        Some(CorrelationData {
            bytes,
            prefix_length: u8::try_from(prefix.len()).ok()?,
            number: 0,
        })
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn with_number(mut self, number: u64) -> Self {
        self.number = number;
        let places = self.bytes.iter_mut().skip(usize::from(self.prefix_length));
        for (place, byte) in places.zip(number.to_be_bytes()) {
            *place = byte;
        }
        self
    }

    /// The number in Correlation Data with the same prefix, if it is lower than this one's.
    pub(super) fn earlier_number_in(&self, data: &[u8]) -> Option<u64> {
        let prefix = self.bytes.get(..usize::from(self.prefix_length))?;
        let number = data.strip_prefix(prefix)?.try_into().ok()?;
        Some(u64::from_be_bytes(number)).filter(|&number| number < self.number)
    }
}

impl fmt::Debug for CorrelationData {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_binary().fmt(formatter)
    }
}
