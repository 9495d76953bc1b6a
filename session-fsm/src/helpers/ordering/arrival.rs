//! What an [`OrderedConsumer`](super::OrderedConsumer) returns.

use alloc::sync::Arc;
use core::fmt;

/// The place of a message in the order of its stream.
///
/// ```
/// use mqtt5_session_fsm::Instant;
/// use mqtt5_session_fsm::codec::{Publish, TopicName};
/// use mqtt5_session_fsm::ordering::{Arrival, OrderedConsumer, OrderedConsumerSettings};
///
/// let mut consumer = OrderedConsumer::<Vec<u8>>::new(OrderedConsumerSettings::default());
/// let publish = Publish::new(TopicName::new("a")?, b"a message without a number");
/// let arrival = consumer.receive(Instant::ORIGIN, &publish, |publish| publish.payload.to_vec())?;
/// assert_eq!(arrival, Arrival::Unnumbered);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "says whether to process the message now"]
pub enum Arrival<M> {
    /// It is the next one: process it now, then poll. It was not kept. The gap names the messages
    /// that are missing before it, if the limits left no room to wait for them.
    InOrder(Option<Gap>),
    /// It was kept: `poll` hands it out when its turn has come, which may be at once.
    Kept,
    /// It came before and was handed over: discard it.
    Repeated,
    /// It came before and waits. This one was kept instead, and the earlier one is handed back. If
    /// that has a [`Receipt`](crate::Receipt), acknowledge it; the receipt may be void.
    Replaced(M),
    /// It was reported as missing, and comes after its successors. It did not come before. Process
    /// it only if order does not matter for it.
    Late,
    /// It is older than the memory of its stream: whether it came before is unknown.
    TooOld,
    /// It has no number.
    Unnumbered,
    /// Its number cannot be read, or is above the last one.
    Malformed,
    /// There is no room for it, and it is not handed over: the names of topic and publisher alone
    /// exceed the limit of bytes, or no streams are to be followed, or it came before and waits,
    /// and now has more bytes than are left.
    NoRoom,
}

/// A message that was kept and whose turn has come.
///
/// ```
/// use mqtt5_session_fsm::ordering::Ordered;
///
/// let ordered = Ordered { gap: None, message: "on" };
/// if let Some(gap) = &ordered.gap {
///     println!("{gap}");
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "it is handed out once"]
pub struct Ordered<M> {
    /// What is missing before it, if messages are.
    pub gap: Option<Gap>,
    /// What was kept of it.
    pub message: M,
}

/// Successive messages that are missing in a stream, and are no longer waited for.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::Instant;
/// use mqtt5_session_fsm::codec::TopicName;
/// use mqtt5_session_fsm::ordering::{Arrival, OrderedConsumer, OrderedConsumerSettings, Stamp};
///
/// let mut consumer = OrderedConsumer::new(OrderedConsumerSettings {
///     gap_timeout: Duration::from_secs(5),
///     ..OrderedConsumerSettings::default()
/// });
/// let topic = TopicName::new("valves/3")?;
/// for number in [10, 14] {
///     let stamp = Stamp { number, epoch: 0, publisher: "panel" };
///     let _ = consumer.receive_stamped(Instant::ORIGIN, topic, stamp, 100, || number)?;
/// }
/// consumer.handle_timeout(Instant::from_millis(5_000));
/// let ordered = consumer.poll().expect("14, without 11 to 13");
/// let gap = ordered.gap.expect("three are missing");
/// assert_eq!((gap.first, gap.last, gap.missing), (11, 13, 3));
/// assert_eq!(gap.to_string(), "3 messages of panel to valves/3 are missing: 11 to 13");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gap {
    /// The Topic Name.
    pub topic: Arc<str>,
    /// The name of the publisher.
    pub publisher: Arc<str>,
    /// The epoch of the publisher's numbering.
    pub epoch: u64,
    /// The first number that is missing.
    pub first: u64,
    /// The last number that is missing; less than the first if 0 came between.
    pub last: u64,
    /// How many are missing.
    pub missing: u64,
}

/// A message was refused, because the messages whose turn has come were not polled to the end. It
/// left no trace: poll, then show it again.
///
/// ```
/// use mqtt5_session_fsm::ordering::PollFirst;
///
/// assert_eq!(PollFirst.to_string(), "messages that are in order must be polled first");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PollFirst;

/// Counts of messages by their [`Arrival`], and of missing messages. Counting stops at
/// [`u64::MAX`].
///
/// ```
/// use mqtt5_session_fsm::ordering::{OrderedConsumer, OrderedConsumerSettings, OrderingCounts};
///
/// let consumer = OrderedConsumer::<()>::new(OrderedConsumerSettings::default());
/// assert_eq!(consumer.counts(), OrderingCounts::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OrderingCounts {
    /// Handed over without being kept: [`Arrival::InOrder`].
    pub in_order: u64,
    /// Kept: [`Arrival::Kept`].
    pub kept: u64,
    /// [`Arrival::Repeated`] and [`Arrival::Replaced`].
    pub repeated: u64,
    /// [`Arrival::Late`].
    pub late: u64,
    /// [`Arrival::TooOld`].
    pub too_old: u64,
    /// [`Arrival::Unnumbered`].
    pub unnumbered: u64,
    /// [`Arrival::Malformed`].
    pub malformed: u64,
    /// [`Arrival::NoRoom`].
    pub no_room: u64,
    /// Messages that were reported as missing; those that came late are among them.
    pub missing: u64,
    /// How often a publisher started its numbering again.
    pub restarts: u64,
    /// Streams that were forgotten to make room for others. If this number grows, the limits are
    /// too low for the traffic.
    pub forgotten_streams: u64,
}

impl OrderingCounts {
    pub(super) fn count<M>(&mut self, arrival: &Arrival<M>) {
        let counter = match arrival {
            Arrival::InOrder(_) => &mut self.in_order,
            Arrival::Kept => &mut self.kept,
            Arrival::Repeated | Arrival::Replaced(_) => &mut self.repeated,
            Arrival::Late => &mut self.late,
            Arrival::TooOld => &mut self.too_old,
            Arrival::Unnumbered => &mut self.unnumbered,
            Arrival::Malformed => &mut self.malformed,
            Arrival::NoRoom => &mut self.no_room,
        };
        *counter = counter.saturating_add(1);
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Gap {
            topic,
            publisher,
            first,
            last,
            missing,
            ..
        } = self;
        match missing {
            1 => write!(formatter, "1 message")?,
            _ => write!(formatter, "{missing} messages")?,
        }
        if !publisher.is_empty() {
            write!(formatter, " of {publisher}")?;
        }
        match missing {
            1 => write!(formatter, " to {topic} is missing: {first}"),
            _ => write!(formatter, " to {topic} are missing: {first} to {last}"),
        }
    }
}

impl fmt::Display for PollFirst {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("messages that are in order must be polled first")
    }
}

impl core::error::Error for PollFirst {}
