//! The subscriber's side.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use core::time::Duration;

use mqtt5_codec::{Publish, TopicName};

use super::stream::{Position, Standing, Stream, Waiting};
use super::streams::Streams;
use super::{
    Arrival, Ordered, OrderedConsumerSettings, OrderingCounts, PollFirst, Stamp, StampError, Start,
};
use crate::Instant;

/// Puts the messages of each stream into the order of their numbers. A stream is what one publisher
/// publishes to one topic; there is no order between streams.
///
/// # Contract
///
/// * **Show it each message as it comes, process what is [`InOrder`](Arrival::InOrder) at once,
///   then [`poll`](Self::poll) until it returns `None`.** A message that is in order is not copied;
///   one that has to wait is kept in a form of your own, `M`. Messages that are shown while others
///   have not been polled are refused with [`PollFirst`].
/// * **Each message is handed over once, in the order of the numbers, or the answer says why not**:
///   [`Repeated`](Arrival::Repeated) or [`Replaced`](Arrival::Replaced), [`Late`](Arrival::Late),
///   [`TooOld`](Arrival::TooOld), without a number, or with a bad one. A message is late if it was
///   reported as missing; of each stream the last 16 gaps are remembered, and what is older is too
///   old.
/// * **No message waits longer than the gap timeout.** Ask [`next_timeout`](Self::next_timeout)
///   after each call, and then call [`handle_timeout`](Self::handle_timeout). What is missing
///   before the message is reported with it.
/// * **A lack of room drops nothing.** If a message has no room to wait, its own stream stops
///   waiting: the messages before it are handed over, and the missing ones are reported. Other
///   streams are not affected.
/// * A publisher that [starts its numbering again](super::Sequencer) has a higher epoch: what waits
///   of the epoch before is handed over, then the new one begins with 0. Messages of an earlier
///   epoch are too old. Call [`forget`](Self::forget) for a publisher without epochs that starts
///   again.
/// * At the limit of streams, the one from which nothing came for the longest time is forgotten;
///   what waits in it is handed over first. If a message comes for it later, it begins anew, and
///   what is sent again could be handed over twice.
/// * Publishers are trusted: any Client that may publish to a topic can claim to be another
///   publisher, and spoil its order.
///
/// At most one message more than the limit is held: the last one that was kept, until it is polled.
/// Besides messages and names, a stream takes up to 1.5 kilobytes. All calls take logarithmic time;
/// a message that waits allocates.
///
/// # With manual acknowledgement
///
/// To lose nothing in a crash, keep the [`Receipt`](crate::Receipt) in `M`, and acknowledge a
/// message when it has been processed, a repeated one when the first has been. A receipt for QoS 1
/// is void on a new connection. Its message comes again then, with a new receipt, and takes the
/// place of the one that waits: [`Arrival::Replaced`].
///
/// Messages that wait use up the Receive Maximum that this side announced. It must be larger than
/// the number of messages that may overtake another one, or the missing message cannot come before
/// the gap timeout.
///
/// ```
/// use mqtt5_session_fsm::Instant;
/// use mqtt5_session_fsm::codec::{Message, Publish, Text, TopicName};
/// use mqtt5_session_fsm::ordering::{
///     Arrival, OrderedConsumer, OrderedConsumerSettings, Sequencer, SequencerSettings,
/// };
///
/// let mut sequencer = Sequencer::new(Text::new("panel")?, 1, SequencerSettings::default())?;
/// let topic = TopicName::new("valves/3")?;
/// let open = sequencer.message(&Publish::new(topic, b"open"))?;
/// let half = sequencer.message(&Publish::new(topic, b"half"))?;
/// let close = sequencer.message(&Publish::new(topic, b"close"))?;
///
/// let mut consumer = OrderedConsumer::<Vec<u8>>::new(OrderedConsumerSettings::default());
/// let now = Instant::ORIGIN;
/// let mut receive = |message: &Message| {
///     consumer.receive(now, &message.publish(), |publish| publish.payload.to_vec())
/// };
/// assert_eq!(receive(&open)?, Arrival::InOrder(None));
/// assert_eq!(receive(&close)?, Arrival::Kept);
/// assert_eq!(receive(&half)?, Arrival::InOrder(None));
/// assert_eq!(consumer.poll().map(|ordered| ordered.message), Some(b"close".to_vec()));
/// assert_eq!(consumer.poll(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderedConsumer<M> {
    property_name: Box<str>,
    last_number: u64,
    start: Start,
    gap_timeout: Duration,
    message_limit: usize,
    byte_limit: usize,
    stream_limit: u16,
    streams: Streams<M>,
    /// When each message that waits does so no longer.
    due: BTreeSet<(Instant, u16, Position)>,
    /// Of messages that wait and of names.
    bytes: usize,
    ready: VecDeque<Ordered<M>>,
    counts: OrderingCounts,
}

impl<M> OrderedConsumer<M> {
    /// Creates a consumer that follows no stream. It takes no memory before the first message.
    #[must_use]
    pub fn new(settings: OrderedConsumerSettings<'_>) -> Self {
        OrderedConsumer {
            property_name: settings.numbering.property_name.as_str().into(),
            last_number: settings.numbering.last_number,
            start: settings.start,
            gap_timeout: settings.gap_timeout,
            message_limit: settings.messages,
            byte_limit: settings.bytes,
            stream_limit: settings.streams,
            streams: Streams::new(),
            due: BTreeSet::new(),
            bytes: 0,
            ready: VecDeque::new(),
            counts: OrderingCounts::default(),
        }
    }

    /// Takes a message. If it has to wait, `keep` turns it into the value that will be handed out
    /// later; it counts with the bytes of its payload and its Topic Name.
    ///
    /// A message without a Topic Name, which [`Delivered`](crate::Delivered) never is, counts as
    /// one to the topic with the empty name.
    ///
    /// # Errors
    ///
    /// [`PollFirst`]
    pub fn receive(
        &mut self,
        now: Instant,
        publish: &Publish<'_>,
        keep: impl FnOnce(&Publish<'_>) -> M,
    ) -> Result<Arrival<M>, PollFirst> {
        if !self.ready.is_empty() {
            return Err(PollFirst);
        }
        let stamp = match Stamp::of(publish, &self.property_name) {
            Ok(stamp) => stamp,
            Err(StampError::Missing) => return Ok(self.count(Arrival::Unnumbered)),
            Err(StampError::Malformed) => return Ok(self.count(Arrival::Malformed)),
        };
        let topic = publish.topic.map_or("", TopicName::as_str);
        let size = publish.payload.len() + topic.len();
        Ok(self.admit(now, topic, &stamp, size, || keep(publish)))
    }

    /// Takes a message whose number is not in the User Property, but in its payload for example.
    /// `size` is what it takes of the [bytes](OrderedConsumerSettings::bytes) if it has to wait.
    ///
    /// # Errors
    ///
    /// [`PollFirst`]
    pub fn receive_stamped(
        &mut self,
        now: Instant,
        topic: TopicName<'_>,
        stamp: Stamp<'_>,
        size: usize,
        keep: impl FnOnce() -> M,
    ) -> Result<Arrival<M>, PollFirst> {
        if !self.ready.is_empty() {
            return Err(PollFirst);
        }
        Ok(self.admit(now, topic.as_str(), &stamp, size, keep))
    }

    /// Returns the next message that was kept and whose turn has come.
    #[must_use = "it is handed out once"]
    pub fn poll(&mut self) -> Option<Ordered<M>> {
        let ordered = self.ready.pop_front();
        if self.ready.is_empty() {
            self.ready.shrink_to(16);
        }
        ordered
    }

    /// Returns when the next message has waited long enough, and
    /// [`handle_timeout`](Self::handle_timeout) must be called; [`Instant::NEVER`] if none waits.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        let first = self.due.first();
        first.map_or(Instant::NEVER, |&(due, ..)| due)
    }

    /// Gives up what is missing before messages that have waited long enough. Poll afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(&(due, place, position)) = self.due.first() {
            if due > now {
                break;
            }
            self.release(place, Some(position));
        }
    }

    /// Gives up all that is missing, as at the end of the program. Poll afterwards.
    pub fn flush(&mut self) {
        while let Some((_, place, _)) = self.due.pop_first() {
            self.release(place, Some(Position::MAX));
        }
    }

    /// Forgets a stream: the next message begins it anew. What waits in it is handed over: poll
    /// afterwards. Returns `false` if the stream was not followed.
    pub fn forget(&mut self, topic: TopicName<'_>, publisher: &str) -> bool {
        let Some(place) = self.streams.find(topic.as_str(), publisher) else {
            return false;
        };
        self.remove(place);
        true
    }

    /// Returns what became of the messages that came.
    #[must_use]
    pub const fn counts(&self) -> OrderingCounts {
        self.counts
    }

    /// Returns how many messages are held: they wait, or have not been polled.
    #[must_use]
    pub fn held(&self) -> usize {
        self.due.len() + self.ready.len()
    }

    /// Returns how many bytes are in use, of those in the
    /// [settings](OrderedConsumerSettings::bytes).
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many streams are followed.
    #[must_use]
    pub const fn streams(&self) -> u16 {
        self.streams.len()
    }

    fn count(&mut self, arrival: Arrival<M>) -> Arrival<M> {
        self.counts.count(&arrival);
        if let Arrival::InOrder(Some(gap)) = &arrival {
            self.counts.missing = self.counts.missing.saturating_add(gap.missing);
        }
        arrival
    }

    fn admit(
        &mut self,
        now: Instant,
        topic: &str,
        stamp: &Stamp<'_>,
        size: usize,
        keep: impl FnOnce() -> M,
    ) -> Arrival<M> {
        if stamp.number > self.last_number {
            return self.count(Arrival::Malformed);
        }
        let arrival = match self.place(topic, stamp) {
            Some(place) => self.arrive(now, place, stamp, size, keep),
            None => Arrival::NoRoom,
        };
        self.count(arrival)
    }

    fn arrive(
        &mut self,
        now: Instant,
        place: u16,
        stamp: &Stamp<'_>,
        size: usize,
        keep: impl FnOnce() -> M,
    ) -> Arrival<M> {
        let epoch = self.streams.get_mut(place).map_or(0, |stream| stream.epoch);
        if stamp.epoch < epoch {
            return Arrival::TooOld;
        }
        if stamp.epoch > epoch {
            self.release(place, Some(Position::MAX));
            if let Some(stream) = self.streams.get_mut(place) {
                stream.restart(stamp.epoch);
            }
            self.counts.restarts = self.counts.restarts.saturating_add(1);
        }
        let Some(stream) = self.streams.get_mut(place) else {
            return Arrival::NoRoom;
        };
        let position = match stream.find(stamp) {
            Standing::Next(position) => position,
            Standing::Ahead(position) => {
                if self.make_room(place, position, size) {
                    self.wait(now, place, position, size, keep());
                    return Arrival::Kept;
                }
                position
            }
            Standing::Waiting(position) => {
                return match self.replace(place, position, size, keep) {
                    Some(replaced) => Arrival::Replaced(replaced),
                    None => Arrival::NoRoom,
                };
            }
            Standing::Repeated => return Arrival::Repeated,
            Standing::Late => return Arrival::Late,
            Standing::TooOld => return Arrival::TooOld,
        };
        let gap = self
            .streams
            .get_mut(place)
            .and_then(|stream| stream.advance(position));
        let arrival = if self.ready.is_empty() {
            Arrival::InOrder(gap)
        } else {
            self.push(Ordered {
                gap,
                message: keep(),
            });
            Arrival::Kept
        };
        self.release(place, None);
        arrival
    }

    /// Finds room for a message to wait; `false` if it must be handed over now.
    fn make_room(&mut self, place: u16, position: Position, size: usize) -> bool {
        loop {
            if self.due.len() < self.message_limit && self.fits(size) {
                return true;
            }
            let first = self
                .streams
                .get_mut(place)
                .and_then(|stream| stream.first_waiting());
            match first {
                Some(first) if first < position => self.release(place, Some(first)),
                _ => return false,
            }
            if self
                .streams
                .get_mut(place)
                .is_some_and(|stream| stream.is_next(position))
            {
                return false;
            }
        }
    }

    fn wait(&mut self, now: Instant, place: u16, position: Position, size: usize, message: M) {
        let due = now + self.gap_timeout;
        self.bytes += size;
        self.due.insert((due, place, position));
        if let Some(stream) = self.streams.get_mut(place) {
            stream.wait(position, Waiting { message, size, due });
        }
    }

    /// A message came again that waits; `None` if it is larger now, and there is no room for that.
    fn replace(
        &mut self,
        place: u16,
        position: Position,
        size: usize,
        keep: impl FnOnce() -> M,
    ) -> Option<M> {
        let waiting = self.streams.get_mut(place)?.waiting_at(position)?;
        let others = self.bytes.saturating_sub(waiting.size);
        let bytes = others.checked_add(size);
        self.bytes = bytes.filter(|&bytes| bytes <= self.byte_limit)?;
        waiting.size = size;
        Some(core::mem::replace(&mut waiting.message, keep()))
    }

    /// Hands over what waits in a stream: up to this position, and then what is next.
    fn release(&mut self, place: u16, through: Option<Position>) {
        while let Some((position, (gap, waiting))) =
            self.streams.get_mut(place).and_then(|stream| {
                let position = stream.first_waiting()?;
                Some((position, stream.take(through)?))
            })
        {
            self.bytes = self.bytes.saturating_sub(waiting.size);
            self.due.remove(&(waiting.due, place, position));
            self.push(Ordered {
                gap,
                message: waiting.message,
            });
        }
    }

    fn push(&mut self, ordered: Ordered<M>) {
        if let Some(gap) = &ordered.gap {
            self.counts.missing = self.counts.missing.saturating_add(gap.missing);
        }
        self.ready.push_back(ordered);
    }

    /// The place of a stream, which becomes the last that was used. `None` if it is new and there
    /// is no room for it.
    fn place(&mut self, topic: &str, stamp: &Stamp<'_>) -> Option<u16> {
        if let Some(place) = self.streams.find(topic, stamp.publisher) {
            self.streams.touch(place);
            return Some(place);
        }
        let name_bytes = topic.len() + stamp.publisher.len();
        if name_bytes > self.byte_limit {
            return None;
        }
        while self.streams.len() >= self.stream_limit || !self.fits(name_bytes) {
            let oldest = self.streams.oldest()?;
            self.remove(oldest);
            self.counts.forgotten_streams = self.counts.forgotten_streams.saturating_add(1);
        }
        self.bytes += name_bytes;
        let first_number = match self.start {
            Start::AtFirstSeen => stamp.number,
            Start::AtZero => 0,
        };
        let (topic, publisher) = self.streams.names(topic, stamp.publisher);
        Some(self.streams.insert(Stream::new(
            topic,
            publisher,
            stamp.epoch,
            self.last_number,
            first_number,
        )))
    }

    fn fits(&self, bytes: usize) -> bool {
        let sum = self.bytes.checked_add(bytes);
        sum.is_some_and(|sum| sum <= self.byte_limit)
    }

    /// Hands over what waits in a stream, and forgets it.
    fn remove(&mut self, place: u16) {
        self.release(place, Some(Position::MAX));
        if let Some(stream) = self.streams.remove(place) {
            self.bytes = self.bytes.saturating_sub(stream.name_bytes());
        }
    }
}
