//! The number that a message carries.

use core::fmt;

use mqtt5_codec::Publish;

/// The number of a message, as it stands in a User Property.
///
/// As text it is the number, the epoch and the name of the publisher, in decimal and separated by
/// one space: `4711 3 sensor-7`. The name may be left out, and then the epoch, too: `4711` is
/// number 4711 of epoch 0 of the publisher with the empty name.
///
/// ```
/// use mqtt5_session_fsm::ordering::Stamp;
///
/// let stamp = Stamp { number: 4_711, epoch: 3, publisher: "sensor 7" };
/// assert_eq!(stamp.to_string(), "4711 3 sensor 7");
/// assert_eq!(Stamp::parse("4711 3 sensor 7"), Some(stamp));
/// assert_eq!(Stamp::parse("4711"), Some(Stamp { number: 4_711, epoch: 0, publisher: "" }));
/// assert_eq!(Stamp::parse("-1"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp<'a> {
    /// The messages of a publisher to a topic are numbered from 0 in each epoch.
    pub number: u64,
    /// Which start of the publisher's numbering it belongs to: a later start has a higher epoch.
    pub epoch: u64,
    /// The publisher's name, such as its ClientID: two publishers that publish to the same topic
    /// must have different names.
    pub publisher: &'a str,
}

/// A message has no [`Stamp`].
///
/// ```
/// use mqtt5_session_fsm::codec::{Publish, TopicName};
/// use mqtt5_session_fsm::ordering::{Stamp, StampError};
///
/// let publish = Publish::new(TopicName::new("a")?, b"");
/// assert_eq!(Stamp::of(&publish, "sequence"), Err(StampError::Missing));
/// # Ok::<(), mqtt5_session_fsm::codec::Violation>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StampError {
    /// There is no User Property with this name.
    Missing,
    /// Its value is not a stamp.
    Malformed,
}

impl<'a> Stamp<'a> {
    /// Reads a stamp; `None` if the text is none, or a number is larger than [`u64::MAX`].
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let number = decimal(parts.next()?)?;
        let epoch = match parts.next() {
            Some(epoch) => decimal(epoch)?,
            None => 0,
        };
        Some(Stamp {
            number,
            epoch,
            publisher: parts.next().unwrap_or_default(),
        })
    }

    /// Returns the stamp of a message: the value of its User Property with this name. If there are
    /// several, the last one counts.
    ///
    /// # Errors
    ///
    /// [`StampError::Missing`], [`StampError::Malformed`].
    pub fn of(publish: &Publish<'a>, property_name: &str) -> Result<Self, StampError> {
        let value = publish
            .properties
            .user_properties()
            .filter(|property| property.name.as_str() == property_name)
            .last()
            .ok_or(StampError::Missing)?
            .value;
        Stamp::parse(value.as_str()).ok_or(StampError::Malformed)
    }
}

impl fmt::Display for Stamp<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stamp {
            number,
            epoch,
            publisher,
        } = self;
        write!(formatter, "{number} {epoch}")?;
        if !publisher.is_empty() {
            write!(formatter, " {publisher}")?;
        }
        Ok(())
    }
}

impl fmt::Display for StampError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            StampError::Missing => "the message has no sequence number",
            StampError::Malformed => "the message's sequence number is malformed",
        })
    }
}

impl core::error::Error for StampError {}

fn decimal(digits: &str) -> Option<u64> {
    // `parse` would take a sign.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}
