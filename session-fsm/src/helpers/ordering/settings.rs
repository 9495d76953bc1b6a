//! How an [`OrderedConsumer`](super::OrderedConsumer) works.

use core::time::Duration;

use super::Numbering;

/// How an [`OrderedConsumer`](super::OrderedConsumer) works.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::ordering::{OrderedConsumerSettings, Start};
///
/// let settings = OrderedConsumerSettings {
///     start: Start::AtZero,
///     gap_timeout: Duration::from_secs(2),
///     ..OrderedConsumerSettings::default()
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderedConsumerSettings<'a> {
    /// What publishers and subscribers agree on. Default: [`Numbering::default`].
    pub numbering: Numbering<'a>,
    /// The number at which a stream begins that is not known. Default: [`Start::AtFirstSeen`].
    pub start: Start,
    /// How long a message waits for those before it. Then they are reported as missing, and it is
    /// handed over. It should be longer than it takes to send a message again, after a reconnection
    /// as well. Default: 10 seconds.
    pub gap_timeout: Duration,
    /// How many messages may wait, of all streams together. Default: 1,000.
    pub messages: usize,
    /// How many bytes waiting messages may take, together with the names of the topics and
    /// publishers of the streams that are followed. Default: 1 MiB.
    pub bytes: usize,
    /// How many streams are followed. Default: 1,000.
    pub streams: u16,
}

impl Default for OrderedConsumerSettings<'_> {
    fn default() -> Self {
        OrderedConsumerSettings {
            numbering: Numbering::default(),
            start: Start::default(),
            gap_timeout: Duration::from_secs(10),
            messages: 1_000,
            bytes: 1 << 20,
            streams: 1_000,
        }
    }
}

/// With which number a stream begins that an [`OrderedConsumer`](super::OrderedConsumer) does not
/// know. When a publisher that is known starts its numbering again, that is always 0.
///
/// ```
/// use mqtt5_session_fsm::ordering::Start;
///
/// assert_eq!(Start::default(), Start::AtFirstSeen);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Start {
    /// With the first that comes: a subscriber that joins later misses nothing that it could have
    /// had. If the first two messages come in the wrong order, the second of them is
    /// [`Arrival::TooOld`](super::Arrival::TooOld).
    #[default]
    AtFirstSeen,
    /// With 0, as if the subscriber had been there from the beginning: what came before is reported
    /// as missing, after the gap timeout.
    AtZero,
}
