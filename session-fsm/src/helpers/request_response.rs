//! Request / Response (section 4.10).

mod correlation;
mod reply;

use alloc::collections::{BTreeMap, BTreeSet};
use core::fmt;
use core::time::Duration;

use crate::Instant;
use crate::codec::Publish;

pub use self::correlation::CorrelationData;
pub use self::reply::{Reply, response_topic};

/// The requests of one requester that are waiting for their responses, each with a value of the
/// host: a sender to wake a task with, a job number, nothing.
///
/// # Contract
///
/// [`start`](Self::start) a request, publish it with its [properties](CorrelationData::properties),
/// and show every PUBLISH that arrives on the Response Topic to
/// [`handle_response`](Self::handle_response). Ask [`next_timeout`](Self::next_timeout) after each
/// of these, and when it is due, call [`handle_timeout`](Self::handle_timeout) until it returns
/// `None`. Each request ends exactly once: by a response, by its timeout, or by
/// [`cancel`](Self::cancel), and the value comes back.
///
/// * Responses are recognized by their Correlation Data alone. The topic is not compared: it may be
///   hidden behind a Topic Alias, or be an old one of this requester. A Client that may publish to
///   the Response Topic can forge a response if it guesses the prefix and the number.
/// * Correlation Data is a prefix and a number that is never used again. **The prefix makes it
///   unique beyond this value's life**: give each start of the process and each Client another one,
///   a random or a stored and counted one, or the late response to a request before a restart
///   completes one after it.
/// * At most `limit` requests wait; more are refused. To tell a duplicate from a late response, it
///   is kept how requests ended, for the `limit` that were started last; for others the answer is
///   [`Response::Forgotten`]. All calls take logarithmic time in the limit; starting and ending a
///   request may allocate.
///
/// The requester has to subscribe to the Response Topic first. It makes sense to send a request
/// with a Message Expiry Interval no longer than its timeout.
///
/// Not in MQTT 3.1.1: a request that goes to a Server of that version loses its Response Topic and its
/// Correlation Data, and times out.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::codec::{Properties, Publish, TopicName};
/// use mqtt5_session_fsm::request_response::{Reply, Requests, Response};
/// use mqtt5_session_fsm::Instant;
///
/// # let starts = 42;
/// // Another prefix at each start: `starts` is counted and stored.
/// let prefix = format!("panel-7 {starts}:");
/// let own_topic = TopicName::new("responses/panel-7")?;
/// let mut requests = Requests::new(prefix.as_bytes(), 100)?;
///
/// // The requester.
/// let now = Instant::ORIGIN;
/// let correlation = requests.start(now, Duration::from_secs(10), "read the configuration")?;
/// let properties = correlation.properties(own_topic);
/// let request = Publish {
///     properties: Properties::new(&properties)?,
///     ..Publish::new(TopicName::new("devices/sensor-1/configuration")?, b"network")
/// };
/// assert_eq!(requests.next_timeout(), Instant::from_millis(10_000));
///
/// // The responder.
/// let reply = Reply::to(&request).expect("a request");
/// let response = reply.publish(b"10.0.0.7/24");
///
/// // The requester again.
/// assert_eq!(requests.handle_response(&response), Response::Completed("read the configuration"));
/// assert_eq!(requests.handle_response(&response), Response::Duplicate);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requests<T> {
    /// Correlation Data of the next request.
    next: CorrelationData,
    limit: usize,
    outstanding: BTreeMap<u64, Outstanding<T>>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// How requests ended: whether by a response.
    ended: BTreeMap<u64, bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Outstanding<T> {
    deadline: Instant,
    value: T,
}

/// What an incoming PUBLISH is to [`Requests`]. All but [`Response::Completed`] change nothing.
///
/// ```
/// use mqtt5_session_fsm::codec::{Publish, TopicName};
/// use mqtt5_session_fsm::request_response::{Requests, Response};
///
/// let topic = TopicName::new("answers/me")?;
/// let mut requests = Requests::<u32>::new(b"me", 10)?;
/// assert_eq!(requests.handle_response(&Publish::new(topic, b"?")), Response::Alien);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "may hold the value of a completed request"]
pub enum Response<T> {
    /// The response to a request that was waiting: its value.
    Completed(T),
    /// One more response to a request that has been completed: sent again, or from another
    /// responder.
    Duplicate,
    /// The response to a request that has timed out or was cancelled.
    Late,
    /// The response to a request that ended so long ago that it is not known how.
    Forgotten,
    /// Not a response to a request from here: no Correlation Data, or other.
    Alien,
}

/// A request that got no response in time.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::request_response::Requests;
/// use mqtt5_session_fsm::Instant;
///
/// let mut requests = Requests::new(b"me", 10)?;
/// let correlation = requests.start(Instant::ORIGIN, Duration::from_secs(1), "job")?;
/// let expired = requests.handle_timeout(Instant::from_millis(1_000)).expect("due");
/// assert_eq!((expired.correlation, expired.value), (correlation, "job"));
/// assert_eq!(requests.handle_timeout(Instant::from_millis(1_000)), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expired<T> {
    /// Its Correlation Data.
    pub correlation: CorrelationData,
    /// Its value.
    pub value: T,
}

/// A request cannot be started.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::request_response::{RequestError, Requests};
/// use mqtt5_session_fsm::Instant;
///
/// let mut requests = Requests::new(b"me", 1)?;
/// let one = requests.start(Instant::ORIGIN, Duration::from_secs(1), "one")?;
/// let two = requests.start(Instant::ORIGIN, Duration::from_secs(1), "two");
/// assert_eq!(two, Err(RequestError::TooMany));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// As many requests as the limit allows are waiting.
    TooMany,
    /// The prefix is longer than [`CorrelationData::MAXIMUM_PREFIX`].
    PrefixTooLong,
}

impl<T> Requests<T> {
    /// Creates a value without requests. `prefix` may be empty. At most `limit` requests may wait
    /// at a time. It takes no memory before the first request.
    ///
    /// # Errors
    ///
    /// [`RequestError::PrefixTooLong`].
    pub fn new(prefix: &[u8], limit: usize) -> Result<Self, RequestError> {
        Ok(Requests {
            next: CorrelationData::first(prefix).ok_or(RequestError::PrefixTooLong)?,
            limit,
            outstanding: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            ended: BTreeMap::new(),
        })
    }

    /// Starts a request, and returns the Correlation Data to send it with. A `timeout` of
    /// [`Duration::MAX`] means that it waits until it is cancelled.
    ///
    /// # Errors
    ///
    /// [`RequestError::TooMany`]; the value is dropped. Ask [`is_full`](Self::is_full) first to
    /// keep it.
    pub fn start(
        &mut self,
        now: Instant,
        timeout: Duration,
        value: T,
    ) -> Result<CorrelationData, RequestError> {
        if self.is_full() {
            return Err(RequestError::TooMany);
        }
        let correlation = self.next;
        self.next = correlation.with_number(correlation.number().wrapping_add(1));
        let deadline = now + timeout;
        if deadline != Instant::NEVER {
            self.deadlines.insert((deadline, correlation.number()));
        }
        let outstanding = Outstanding { deadline, value };
        self.outstanding.insert(correlation.number(), outstanding);
        Ok(correlation)
    }

    /// Takes an incoming PUBLISH. A response that comes after its request's time, but before
    /// [`handle_timeout`](Self::handle_timeout) was called, still completes the request.
    pub fn handle_response(&mut self, publish: &Publish<'_>) -> Response<T> {
        let data = publish.properties.correlation_data();
        let Some(number) = data.and_then(|data| self.next.earlier_number_in(data.as_bytes()))
        else {
            return Response::Alien;
        };
        match self.end(number, true) {
            Some(value) => Response::Completed(value),
            None => match self.ended.get(&number) {
                Some(true) => Response::Duplicate,
                Some(false) => Response::Late,
                None => Response::Forgotten,
            },
        }
    }

    /// Returns when the next request times out; [`Instant::NEVER`] if none will. Every call that
    /// takes `&mut self` may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        let first = self.deadlines.first();
        first.map_or(Instant::NEVER, |&(deadline, _)| deadline)
    }

    /// Returns a request that has timed out, the one with the earliest deadline first. Call it
    /// until it returns `None`.
    #[must_use = "holds the value of a request that has ended"]
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Expired<T>> {
        let &(_, number) = self
            .deadlines
            .first()
            .filter(|&&(deadline, _)| deadline <= now)?;
        let value = self.end(number, false)?;
        Some(Expired {
            correlation: self.next.with_number(number),
            value,
        })
    }

    /// Ends a request that could not be sent, or is no longer needed. Returns its value, if it was
    /// waiting. A response that still comes is [`Response::Late`].
    pub fn cancel(&mut self, correlation: &CorrelationData) -> Option<T> {
        let number = self.next.earlier_number_in(correlation.as_bytes())?;
        self.end(number, false)
    }

    /// Returns how many requests are waiting.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// Returns the requests that are waiting, in the order in which they were started: to send them
    /// again after the Session was lost, or to cancel them.
    pub fn iter(&self) -> impl Iterator<Item = (CorrelationData, &T)> {
        self.outstanding
            .iter()
            .map(|(&number, outstanding)| (self.next.with_number(number), &outstanding.value))
    }

    /// Returns whether no further request can be started now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.outstanding.len() >= self.limit
    }

    fn end(&mut self, number: u64, completed: bool) -> Option<T> {
        let Outstanding { deadline, value } = self.outstanding.remove(&number)?;
        self.deadlines.remove(&(deadline, number));
        self.ended.insert(number, completed);
        if self.ended.len() > self.limit {
            self.ended.pop_first();
        }
        Some(value)
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::TooMany => formatter.write_str("too many requests are waiting"),
            RequestError::PrefixTooLong => {
                let maximum = CorrelationData::MAXIMUM_PREFIX;
                write!(formatter, "the prefix has more than {maximum} bytes")
            }
        }
    }
}

impl core::error::Error for RequestError {}
