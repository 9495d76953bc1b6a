//! How an [`OrderedPublisher`](super::OrderedPublisher) works.

use core::time::Duration;

use super::AfterFailure;

/// How an [`OrderedPublisher`](super::OrderedPublisher) works.
///
/// ```
/// use mqtt5_session_fsm::ordered_publisher::{AfterFailure, OrderedPublisherSettings};
///
/// let settings = OrderedPublisherSettings {
///     attempts: 5,
///     after_failure: AfterFailure::StopTopic,
///     ..OrderedPublisherSettings::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderedPublisherSettings {
    /// How many publications of one topic may be held, the one in flight included. Default: 100.
    pub messages_per_topic: usize,
    /// How many publications may be held in all. Default: 1,000.
    pub messages: usize,
    /// How many bytes they may take in all, together with the Topic Names. Default: 1 MiB.
    pub bytes: usize,
    /// How often a publication is tried before it has failed for good; 0 counts as 1. Default: 1,
    /// which is right where a message must not arrive twice: the machine sends it again after a
    /// lost connection in any case.
    pub attempts: u32,
    /// The most that the delay before the second attempt can be; it doubles with each attempt. See
    /// [`Backoff`](crate::reconnect::Backoff). Default: 1 second.
    pub retry_delay: Duration,
    /// The most that any delay can be. Default: 1 minute.
    pub maximum_retry_delay: Duration,
    /// What happens after the last attempt. Default: [`AfterFailure::Skip`].
    pub after_failure: AfterFailure,
}

impl Default for OrderedPublisherSettings {
    fn default() -> Self {
        OrderedPublisherSettings {
            messages_per_topic: 100,
            messages: 1_000,
            bytes: 1 << 20,
            attempts: 1,
            retry_delay: Duration::from_secs(1),
            maximum_retry_delay: Duration::from_secs(60),
            after_failure: AfterFailure::default(),
        }
    }
}
