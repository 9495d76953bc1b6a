//! What a [`Processor`](super::Processor) takes and returns.

use alloc::vec::Vec;
use core::time::Duration;

use mqtt5_codec::ReasonCode;

use crate::Receipt;

/// What became of a message that came.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::processing::{Intake, Processor, ProcessorSettings};
/// use mqtt5_session_fsm::deduplicate::Deduplicator;
/// use mqtt5_session_fsm::Instant;
///
/// let seen = Deduplicator::new(100, Duration::MAX, [0; 16]);
/// let mut processor = Processor::<&str>::new(ProcessorSettings::default(), seen);
/// let now = Instant::ORIGIN;
/// assert_eq!(processor.receive(now, Some(b"1"), 5, || "hello", None), Intake::Taken);
/// assert_eq!(processor.receive(now, Some(b"1"), 5, || "hello", None), Intake::InProgress);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "a receipt that comes back must be acknowledged"]
pub enum Intake<R = Receipt> {
    /// It was taken: its turn comes.
    Taken,
    /// Another message with its key is in progress. Its receipt is acknowledged with that one.
    InProgress,
    /// A message with its key was processed before. Acknowledge it with Success.
    Duplicate(Option<R>),
    /// There is no room for it. Acknowledge it with an error such as Quota exceeded (0x97), and it
    /// is lost for this subscriber; or keep the receipt and show the message again later.
    Dropped(Option<R>),
}

/// What there is to do.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::processing::{Processor, ProcessorSettings, Step};
/// use mqtt5_session_fsm::deduplicate::Deduplicator;
/// use mqtt5_session_fsm::Instant;
///
/// let seen = Deduplicator::new(100, Duration::MAX, [0; 16]);
/// let mut processor = Processor::<&str>::new(ProcessorSettings::default(), seen);
/// let now = Instant::ORIGIN;
/// let _ = processor.receive(now, None, 5, || "hello", None);
/// let Some(Step::Process(task)) = processor.poll(now) else { panic!() };
/// assert_eq!((*task.message, task.attempt), ("hello", 1));
/// let id = task.id;
/// assert!(processor.succeeded(now, id));
/// let Some(Step::Finished(finished)) = processor.poll(now) else { panic!() };
/// assert!(finished.is_success());
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
#[must_use = "each step is said once"]
pub enum Step<'a, M, R = Receipt> {
    /// Process this message, and report what came of it.
    Process(Task<'a, M>),
    /// Nothing more happens with this message: acknowledge it.
    Finished(Finished<M, R>),
    /// The alarm: a message has waited this long for being started. It is raised again only after
    /// the queue has caught up.
    Delayed {
        /// For how long.
        waited: Duration,
    },
}

/// One attempt to process a message.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Task<'a, M> {
    /// To be reported with.
    pub id: TaskId,
    /// Which attempt it is; the first is 1.
    pub attempt: u32,
    /// The message.
    pub message: &'a M,
    /// How long it has waited since it came, or was due again.
    pub waited: Duration,
}

/// Stands for one attempt to process a message: report it with
/// [`succeeded`](super::Processor::succeeded) or [`failed`](super::Processor::failed), or it keeps
/// its place for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[must_use = "a task that is never reported keeps its place for ever"]
pub struct TaskId {
    pub(super) job: u64,
    pub(super) attempt: u32,
}

/// Why processing failed.
///
/// ```
/// use mqtt5_session_fsm::codec::ReasonCode;
/// use mqtt5_session_fsm::processing::Failure;
///
/// // The text in the message is no JSON: that will not change.
/// let failure = Failure::Hopeless(ReasonCode::PayloadFormatInvalid);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It may succeed another time. After the last attempt the message is given up.
    TryAgain,
    /// It would fail again: the message is given up, with this Reason Code, one that PUBACK and
    /// PUBREC can have.
    Hopeless(ReasonCode),
}

/// A message with which nothing more happens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finished<M, R = Receipt> {
    /// What was kept of it.
    pub message: M,
    /// What to acknowledge it with.
    pub reason_code: ReasonCode,
    /// How many attempts were made.
    pub attempts: u32,
    pub(super) receipts: Receipts<R>,
}

/// Without allocation as long as there are no duplicates.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Receipts<R> {
    first: Option<R>,
    others: Vec<R>,
}

impl<M, R> Finished<M, R> {
    /// Returns whether it was processed.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.reason_code == ReasonCode::Success
    }

    /// Returns what to acknowledge: the receipt that it came with, and those of its duplicates.
    /// Those with QoS 1 that came before the present Network Connection are void:
    /// [`SendError::Stale`](crate::SendError::Stale) can be ignored.
    pub fn receipts(&self) -> impl Iterator<Item = R>
    where
        R: Copy,
    {
        let Receipts { first, others } = &self.receipts;
        first.iter().chain(others).copied()
    }
}

impl<R> Receipts<R> {
    pub(super) const fn new(receipt: Option<R>) -> Self {
        Receipts {
            first: receipt,
            others: Vec::new(),
        }
    }

    /// Of a duplicate.
    pub(super) fn push(&mut self, receipt: R) {
        self.others.push(receipt);
    }

    /// How many came with duplicates.
    pub(super) fn followers(&self) -> usize {
        self.others.len()
    }
}
