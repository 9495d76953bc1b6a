//! What becomes of publications, and of the topic that they belong to.

use alloc::sync::Arc;
use core::fmt;

use mqtt5_codec::ReasonCode;

use crate::{Instant, Outcome};

/// What an [`Outcome`] means for a publication.
///
/// ```
/// use mqtt5_session_fsm::Outcome;
/// use mqtt5_session_fsm::codec::{Properties, ReasonCode};
/// use mqtt5_session_fsm::ordered_publisher::Verdict;
///
/// let refused = Outcome::PubAck(ReasonCode::QuotaExceeded, Properties::EMPTY);
/// assert_eq!(Verdict::of(&refused), Verdict::TryAgain);
/// assert_eq!(Verdict::of(&Outcome::Expired), Verdict::Hopeless);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The peer has the message; with QoS 0, it was written.
    Delivered,
    /// It failed, and may succeed another time.
    TryAgain,
    /// It failed, and would fail again.
    Hopeless,
}

/// What follows from the end of a publication.
///
/// ```
/// use mqtt5_session_fsm::Token;
/// use mqtt5_session_fsm::Instant;
/// use mqtt5_session_fsm::ordered_publisher::{
///     OrderedPublisher, OrderedPublisherSettings, Progress, Verdict,
/// };
///
/// let mut publisher = OrderedPublisher::<&str>::new(OrderedPublisherSettings::default());
/// let (now, foreign) = (Instant::ORIGIN, Token::from_number(9));
/// assert_eq!(publisher.ended(now, foreign, Verdict::Delivered, 0), Progress::Unknown);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "may hold the publication"]
pub enum Progress<P> {
    /// It was delivered. The next one of its topic may go.
    Delivered(P),
    /// It failed, and will be tried again. Those behind it wait.
    Retry {
        /// Not before then.
        at: Instant,
    },
    /// It failed for good: [`AfterFailure::Skip`]. The next one of its topic may go.
    Skipped(P),
    /// It failed for good: [`AfterFailure::StopTopic`]. It stays the first of its topic, until
    /// [`resume`](super::OrderedPublisher::resume) or [`clear`](super::OrderedPublisher::clear) is
    /// called.
    Stopped {
        /// The Topic Name.
        topic: Arc<str>,
    },
    /// No publication of this publisher has this token in flight.
    Unknown,
}

/// What happens after a publication has failed for good.
///
/// ```
/// use mqtt5_session_fsm::ordered_publisher::AfterFailure;
///
/// assert_eq!(AfterFailure::default(), AfterFailure::Skip);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AfterFailure {
    /// It is left out, and handed back. The next one of its topic follows.
    #[default]
    Skip,
    /// Nothing more of its topic is published until the application has decided what to do.
    StopTopic,
}

/// A publication was not taken, as there is no room for it. It is handed back.
///
/// ```
/// use mqtt5_session_fsm::ordered_publisher::{
///     FullBecause, OrderedPublisher, OrderedPublisherSettings,
/// };
///
/// let mut publisher = OrderedPublisher::new(OrderedPublisherSettings {
///     messages_per_topic: 1,
///     ..OrderedPublisherSettings::default()
/// });
/// publisher.push_value("a", 10, "first")?;
/// let full = publisher.push_value("a", 10, "second").unwrap_err();
/// assert_eq!((full.because, full.publication), (FullBecause::Topic, "second"));
/// # Ok::<(), mqtt5_session_fsm::ordered_publisher::QueueFull<&str>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct QueueFull<P> {
    /// The limit that was reached.
    pub because: FullBecause,
    /// The publication.
    pub publication: P,
}

/// The limit that an [`OrderedPublisher`](super::OrderedPublisher) has reached.
///
/// ```
/// use mqtt5_session_fsm::ordered_publisher::FullBecause;
///
/// assert_eq!(FullBecause::Bytes.to_string(), "too many bytes wait to be published");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FullBecause {
    /// [`messages_per_topic`](super::OrderedPublisherSettings::messages_per_topic)
    Topic,
    /// [`messages`](super::OrderedPublisherSettings::messages)
    Messages,
    /// [`bytes`](super::OrderedPublisherSettings::bytes)
    Bytes,
    /// Only for [`adopt`](super::OrderedPublisher::adopt): the topic has publications already.
    NotFirst,
}

impl Verdict {
    /// Returns what an outcome means, if nothing else is known of the application: see the table.
    ///
    /// | outcome | verdict |
    /// |---|---|
    /// | success | [`Verdict::Delivered`] |
    /// | refused with Unspecified error, Implementation specific error, Packet Identifier in use or Quota exceeded | [`Verdict::TryAgain`] |
    /// | refused with another Reason Code | [`Verdict::Hopeless`] |
    /// | dropped, not sent, indeterminate | [`Verdict::TryAgain`] |
    /// | forbidden, expired, timed out, withdrawn | [`Verdict::Hopeless`] |
    ///
    /// Trying again after an indeterminate outcome may deliver the message twice.
    #[must_use]
    pub fn of(outcome: &Outcome<'_>) -> Self {
        match outcome {
            outcome if outcome.is_success() => Verdict::Delivered,
            Outcome::PubAck(reason_code, _) | Outcome::PubRec(reason_code, _) => {
                match reason_code {
                    ReasonCode::UnspecifiedError
                    | ReasonCode::ImplementationSpecificError
                    | ReasonCode::PacketIdentifierInUse
                    | ReasonCode::QuotaExceeded => Verdict::TryAgain,
                    _ => Verdict::Hopeless,
                }
            }
            Outcome::Dropped | Outcome::NotSent | Outcome::Indeterminate => Verdict::TryAgain,
            // Forbidden, expired, timed out, withdrawn; and what no message ends as.
            _ => Verdict::Hopeless,
        }
    }
}

impl fmt::Display for FullBecause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FullBecause::Topic => "too many messages of this topic wait to be published",
            FullBecause::Messages => "too many messages wait to be published",
            FullBecause::Bytes => "too many bytes wait to be published",
            FullBecause::NotFirst => "other messages of this topic came first",
        })
    }
}

/// Without the publication.
impl<P> fmt::Debug for QueueFull<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("QueueFull")
            .field("because", &self.because)
            .finish_non_exhaustive()
    }
}

impl<P> fmt::Display for QueueFull<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.because.fmt(formatter)
    }
}

impl<P> core::error::Error for QueueFull<P> {}
