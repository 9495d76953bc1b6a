//! The limits of a store, and the error when one is reached.

use core::fmt;

/// How much a [`RetainedStore`](super::RetainedStore) holds.
///
/// ```
/// use mqtt5_session_fsm::broker::retained::{RetainError, RetainedLimits, RetainedStore};
/// use mqtt5_session_fsm::codec::{Message, Qos};
/// use mqtt5_session_fsm::Instant;
///
/// let limits = RetainedLimits { messages: 1, ..RetainedLimits::default() };
/// let mut store = RetainedStore::new(limits);
/// let mut retain = |topic, payload: &str| -> Result<_, Box<dyn std::error::Error>> {
///     let message = Message::of(topic, payload.as_bytes())?;
///     Ok(store.retain(Instant::ORIGIN, message, Qos::AtLeastOnce, Instant::NEVER, None, None))
/// };
/// assert!(retain("a", "on")?.is_ok());
/// assert_eq!(retain("b", "on")?, Err(RetainError::TooManyMessages { limit: 1 }));
/// assert!(retain("a", "off")?.is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetainedLimits {
    /// How many messages. Default: 1,000,000.
    pub messages: usize,
    /// How many bytes in all, as [`RetainedMessage::size`](super::RetainedMessage::size) counts
    /// them. Default: 1,024 MiB.
    pub bytes: u64,
    /// How many levels a topic may have. Default: 128.
    pub topic_levels: u16,
}

impl Default for RetainedLimits {
    fn default() -> Self {
        RetainedLimits {
            messages: 1_000_000,
            bytes: 1 << 30,
            topic_levels: 128,
        }
    }
}

/// A message was not retained; nothing has changed. The answer of a Server is 0x97, Quota exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RetainError {
    /// The topic has more levels than [`RetainedLimits::topic_levels`].
    TooManyLevels {
        /// The limit.
        limit: u16,
    },
    /// There are [`RetainedLimits::messages`] already.
    TooManyMessages {
        /// The limit.
        limit: usize,
    },
    /// All messages together would take more than [`RetainedLimits::bytes`].
    TooManyBytes {
        /// How many bytes more than the limit.
        excess: u64,
    },
}

impl fmt::Display for RetainError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RetainError::TooManyLevels { limit } => {
                write!(formatter, "the topic has more than {limit} levels")
            }
            RetainError::TooManyMessages { limit } => {
                write!(formatter, "{limit} messages are retained already")
            }
            RetainError::TooManyBytes { excess } => write!(
                formatter,
                "retained messages would exceed their limit of bytes by {excess}"
            ),
        }
    }
}

impl core::error::Error for RetainError {}
