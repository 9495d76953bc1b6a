//! Publishes the messages of each topic one after the other.
//!
//! MQTT keeps the order of messages with the same QoS in one topic as long as everything goes well
//! (section 4.6). If a message is refused and published again, or if messages of one topic have
//! different QoS, a later one may arrive first. An [`OrderedPublisher`] publishes the next message
//! of a topic only when the [`Outcome`](crate::Outcome) of the one before has come. Other topics do
//! not wait.
//!
//! [`OrderedPublisher::push`] adds a message, and [`OrderedPublisher::next`] and
//! [`OrderedPublisher::ended`] process the queues.

mod progress;
mod settings;
mod topic;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;

use crate::reconnect::Backoff;
use crate::{Instant, Publication, PublishError, Token};

pub use self::progress::{AfterFailure, FullBecause, Progress, QueueFull, Verdict};
pub use self::settings::OrderedPublisherSettings;

/// Holds publications, and returns the next one for the machine: one of each topic at a time.
///
/// # Contract
///
/// * [`push`](Self::push) publications. As long as [`next`](Self::next) returns one, publish a
///   clone of it: if the machine accepts it, call [`accepted`](Self::accepted). If the machine is
///   busy, stop: `next` returns the same one again. Continue at
///   [`Event::Room`](crate::Event::Room). After any other error, call [`refused`](Self::refused),
///   so that one publication does not block all topics.
/// * Report each [`Event::Outcome`](crate::Event::Outcome) with [`ended`](Self::ended), then call
///   `next` again. Other outcomes are [`Progress::Unknown`]. Tokens must come from one machine.
/// * When [`next_timeout`](Self::next_timeout) is due, call `next`: it is time for another attempt.
/// * **Each publication is handed back once**: by [`Progress::Delivered`], [`Progress::Skipped`] or
///   [`clear`](Self::clear). Until then it counts against the limits.
/// * Topics take turns: the one that became ready first is first.
///
/// `P` is what is published: a [`Publication`], or a value of the application that holds one,
/// together with what should happen when it ends. All calls take logarithmic time in the number of
/// topics; pushing may allocate. A Message Expiry Interval and a deadline count from when the
/// machine accepts the message.
///
/// ```
/// use mqtt5_session_fsm::codec::Qos;
/// use mqtt5_session_fsm::ordered_publisher::{
///     OrderedPublisher, OrderedPublisherSettings, Progress, Verdict,
/// };
/// use mqtt5_session_fsm::{Event, Instant, Publication, Session, SessionConfig};
/// # use mqtt5_session_fsm::{Client, ClientConfig, Output};
/// # use mqtt5_session_fsm::codec::Connect;
/// # let mut client = Client::new(ClientConfig::default(), Session::of_client(SessionConfig::default()));
/// # let now = Instant::ORIGIN;
/// # client.connect(now, &Connect::default())?;
/// # let mut wire = Vec::new();
/// # while client.poll(now, &mut wire).is_some() {}
/// # let mut input = &b"\x20\x06\x00\x00\x03\x12\x00\x00"[..];
/// # let _ = client.receive(now, &mut input);
///
/// let mut publisher = OrderedPublisher::new(OrderedPublisherSettings::default());
/// for (topic, payload) in [("valves/1", b"open "), ("valves/1", b"close"), ("valves/2", b"open ")] {
///     publisher.push(Publication::of(topic, payload, Qos::AtMostOnce)?)?;
/// }
///
/// // Whenever something may have changed: after a push, an outcome, `Event::Room`, a timeout.
/// let random = 0x5EED_F00D; // of a random source of yours
/// while let Some(publication) = publisher.next(now) {
///     match client.publish(now, publication.clone()) {
///         Ok(token) => {
///             publisher.accepted(token);
///         }
///         Err(refused) => match publisher.refused(now, refused.error, random) {
///             None => break, // the machine is busy: it stays the first
///             Some(progress) => println!("It failed: {progress:?}."),
///         },
///     }
/// }
/// assert_eq!(publisher.in_flight(), 2); // one for each valve
///
/// # let mut events = Vec::new();
/// # while let Some(output) = client.poll(now, &mut wire) {
/// #     if let Output::Event(event) = output { events.push(event); }
/// # }
/// for event in events {
///     if let Event::Outcome(token, outcome) = event {
///         match publisher.ended(now, token, Verdict::of(&outcome), random) {
///             Progress::Delivered(publication) => println!("{:?}", publication.message.topic()),
///             Progress::Retry { at } => println!("It will be tried again at {at:?}."),
///             Progress::Skipped(publication) => println!("{:?} failed.", publication.message),
///             Progress::Stopped { topic } => println!("Nothing more goes to {topic}."),
///             Progress::Unknown => {}
///         }
///     }
/// }
/// assert_eq!(publisher.held(), 1); // valve 1 is to be closed: call `next` again
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OrderedPublisher<P = Publication> {
    settings: OrderedPublisherSettings,
    topics: BTreeMap<Arc<str>, Topic<P>>,
    /// Topics whose first publication may go, in the order in which they became ready.
    ready: BTreeMap<u64, Arc<str>>,
    next_turn: u64,
    /// The turn of the topic whose publication was returned by `next`.
    offered: Option<u64>,
    in_flight: BTreeMap<Token, Arc<str>>,
    /// Topics whose first publication waits for another attempt.
    delayed: BTreeSet<(Instant, Arc<str>)>,
    held: usize,
    bytes: usize,
}

/// Never without a publication.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Topic<P> {
    queue: VecDeque<Held<P>>,
    /// Of the first one.
    state: State,
    attempts: u32,
    delay: Backoff,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held<P> {
    publication: P,
    size: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum State {
    Ready(u64),
    InFlight(Token),
    Delayed(Instant),
    Stopped,
}

impl OrderedPublisher<Publication> {
    /// Takes a publication, behind all others of its topic. It counts with
    /// [`Message::size`](mqtt5_codec::Message::size).
    ///
    /// # Errors
    ///
    /// [`QueueFull`]
    pub fn push(&mut self, publication: Publication) -> Result<(), QueueFull<Publication>> {
        // Cloning shares the bytes.
        let message = publication.message.clone();
        self.push_value(message.topic().as_str(), message.size(), publication)
    }
}

impl<P> OrderedPublisher<P> {
    /// Creates a publisher that holds nothing. It takes no memory before the first publication.
    #[must_use]
    pub const fn new(settings: OrderedPublisherSettings) -> Self {
        OrderedPublisher {
            settings,
            topics: BTreeMap::new(),
            ready: BTreeMap::new(),
            next_turn: 0,
            offered: None,
            in_flight: BTreeMap::new(),
            delayed: BTreeSet::new(),
            held: 0,
            bytes: 0,
        }
    }

    /// Takes a value that stands for a publication to this topic, behind all others of the topic.
    /// `size` is how many bytes it counts.
    ///
    /// # Errors
    ///
    /// [`QueueFull`]
    pub fn push_value(
        &mut self,
        topic: &str,
        size: usize,
        publication: P,
    ) -> Result<(), QueueFull<P>> {
        if let Err(because) = self.room(topic, size) {
            return Err(QueueFull {
                because,
                publication,
            });
        }
        let held = Held { publication, size };
        match self.topics.get_mut(topic) {
            Some(topic) => {
                topic.queue.push_back(held);
                self.held += 1;
                self.bytes += size;
            }
            None => {
                let topic: Arc<str> = topic.into();
                let state = self.turn(&topic);
                self.insert(topic, held, state);
            }
        }
        Ok(())
    }

    /// Returns the publication to give to the machine next: the same one until it has been
    /// [`accepted`](Self::accepted) or [`refused`](Self::refused).
    pub fn next(&mut self, now: Instant) -> Option<&P> {
        while self.delayed.first().is_some_and(|&(at, _)| at <= now) {
            let Some((_, name)) = self.delayed.pop_first() else {
                break;
            };
            let state = self.turn(&name);
            if let Some(topic) = self.topics.get_mut(&name) {
                topic.state = state;
            }
        }
        let (&turn, topic) = self.ready.first_key_value()?;
        self.offered = Some(turn);
        let held = self.topics.get(topic)?.queue.front()?;
        Some(&held.publication)
    }

    /// Reports that the machine accepted the publication that [`next`](Self::next) returned last.
    /// Returns whether there was one: `false` if it has been accepted, refused or cleared since, or
    /// if the token is in flight already.
    pub fn accepted(&mut self, token: Token) -> bool {
        if self.in_flight.contains_key(&token) {
            return false;
        }
        let Some(name) = self.take_offered() else {
            return false;
        };
        if let Some(topic) = self.topics.get_mut(&name) {
            topic.state = State::InFlight(token);
            topic.attempts = topic.attempts.saturating_add(1);
        }
        self.in_flight.insert(token, name);
        true
    }

    /// Reports that the machine refused the publication that [`next`](Self::next) returned last.
    ///
    /// Returns `None` if the publication is not the reason: the machine is busy, or there is no
    /// Session or Network Connection. The publication stays the first; do not offer others now.
    /// Otherwise, the attempt has failed: a message that is too large to wait may be tried again,
    /// others have failed for good. Then go on with the next. `random` is as for
    /// [`ended`](Self::ended).
    ///
    /// ```
    /// use mqtt5_session_fsm::ordered_publisher::{
    ///     OrderedPublisher, OrderedPublisherSettings, Progress,
    /// };
    /// use mqtt5_session_fsm::{Instant, LimitExceeded, PublishError};
    ///
    /// let now = Instant::ORIGIN;
    /// let mut publisher = OrderedPublisher::new(OrderedPublisherSettings::default());
    /// publisher.push_value("a", 100, "large")?;
    /// assert_eq!(publisher.next(now), Some(&"large"));
    /// assert_eq!(publisher.refused(now, PublishError::Busy, 0), None);
    /// assert_eq!(publisher.next(now), Some(&"large"));
    /// let forbidden = PublishError::Forbidden(LimitExceeded::MaximumPacketSize);
    /// assert_eq!(publisher.refused(now, forbidden, 0), Some(Progress::Skipped("large")));
    /// # Ok::<(), mqtt5_session_fsm::ordered_publisher::QueueFull<&str>>(())
    /// ```
    pub fn refused(
        &mut self,
        now: Instant,
        error: PublishError,
        random: u32,
    ) -> Option<Progress<P>> {
        let verdict = match error {
            PublishError::Busy | PublishError::NoSession | PublishError::NotConnected => {
                return None;
            }
            PublishError::TooLarge => Verdict::TryAgain,
            _ => Verdict::Hopeless,
        };
        let name = self.take_offered()?;
        if let Some(topic) = self.topics.get_mut(&name) {
            topic.attempts = topic.attempts.saturating_add(1);
        }
        Some(self.settle(now, name, verdict, random))
    }

    /// Reports the outcome of a publication. `random` is a number in `0..=u32::MAX`, evenly
    /// distributed; it determines the delay before the next attempt as in [`Backoff`].
    pub fn ended(
        &mut self,
        now: Instant,
        token: Token,
        verdict: Verdict,
        random: u32,
    ) -> Progress<P> {
        match self.in_flight.remove(&token) {
            Some(name) => self.settle(now, name, verdict, random),
            None => Progress::Unknown,
        }
    }

    /// Returns when [`next`](Self::next) must be called, for another attempt; [`Instant::NEVER`] if
    /// there is none.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        let first = self.delayed.first();
        first.map_or(Instant::NEVER, |&(at, _)| at)
    }

    /// Returns how many publications are held, in flight or not.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Returns how many publications are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns how many bytes are in use, of those in the
    /// [settings](OrderedPublisherSettings::bytes).
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn room(&self, topic: &str, size: usize) -> Result<(), FullBecause> {
        let (of_topic, name) = match self.topics.get(topic) {
            Some(topic) => (topic.queue.len(), 0),
            None => (0, topic.len()),
        };
        let added = size.checked_add(name);
        let bytes = added.and_then(|added| self.bytes.checked_add(added));
        if of_topic >= self.settings.messages_per_topic {
            Err(FullBecause::Topic)
        } else if self.held >= self.settings.messages {
            Err(FullBecause::Messages)
        } else if bytes.is_none_or(|bytes| bytes > self.settings.bytes) {
            Err(FullBecause::Bytes)
        } else {
            Ok(())
        }
    }

    fn insert(&mut self, name: Arc<str>, held: Held<P>, state: State) {
        self.held += 1;
        self.bytes += name.len() + held.size;
        let settings = &self.settings;
        let topic = Topic {
            queue: VecDeque::from([held]),
            state,
            attempts: u32::from(matches!(state, State::InFlight(_))),
            delay: Backoff::new(settings.retry_delay, settings.maximum_retry_delay, 200),
        };
        self.topics.insert(name, topic);
    }

    /// The topic becomes ready, behind all others.
    fn turn(&mut self, name: &Arc<str>) -> State {
        let turn = self.next_turn;
        self.next_turn = turn.wrapping_add(1);
        self.ready.insert(turn, name.clone());
        State::Ready(turn)
    }

    fn take_offered(&mut self) -> Option<Arc<str>> {
        let turn = self.offered.take()?;
        self.ready.remove(&turn)
    }

    /// The first publication of a topic has ended. It is not in flight any longer.
    fn settle(
        &mut self,
        now: Instant,
        name: Arc<str>,
        verdict: Verdict,
        random: u32,
    ) -> Progress<P> {
        let Some(topic) = self.topics.get_mut(&name) else {
            return Progress::Unknown;
        };
        if verdict == Verdict::TryAgain && topic.attempts < self.settings.attempts {
            let at = now + topic.delay.next_delay(random);
            topic.state = State::Delayed(at);
            self.delayed.insert((at, name));
            return Progress::Retry { at };
        }
        if verdict != Verdict::Delivered && self.settings.after_failure == AfterFailure::StopTopic {
            topic.state = State::Stopped;
            return Progress::Stopped { topic: name };
        }
        let Some(held) = topic.queue.pop_front() else {
            return Progress::Unknown;
        };
        topic.attempts = 0;
        topic.delay.reset();
        self.held -= 1;
        self.bytes -= held.size;
        if topic.queue.is_empty() {
            self.topics.remove(&name);
            self.bytes -= name.len();
        } else {
            let state = self.turn(&name);
            if let Some(topic) = self.topics.get_mut(&name) {
                topic.state = state;
            }
        }
        match verdict {
            Verdict::Delivered => Progress::Delivered(held.publication),
            _ => Progress::Skipped(held.publication),
        }
    }
}
