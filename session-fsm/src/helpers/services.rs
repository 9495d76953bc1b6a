//! Services that answer requests (section 4.10): the responder's side.
//!
//! The topic of the request selects the service. The answer goes to the Response Topic, with the
//! Correlation Data of the request and the processing time. A service always answers, with an error
//! if it failed.

mod answer;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::Instant;
use crate::codec::{Message, Publish, TopicFilter, Violation};
use crate::request_response::Reply;

pub use self::answer::{Answer, AnswerStatus};

/// The services of a responder, by Topic Filter. Each has a handler: a value of the caller, such as
/// a function pointer, an enum, or the number of a task.
///
/// # Contract
///
/// * Subscribe to each of the [`filters`](Self::filters), and again for each new Session.
/// * Give every incoming PUBLISH to [`call`](Self::call). It returns the [`Call`], which must be
///   answered, and the handler. If several Topic Filters match, the service that was registered
///   first is called.
/// * Run the handler, at once or in a task of its own: a [`Call`] borrows nothing. Then give the
///   call and its result to [`answer`](Self::answer), and publish the [`Answer`].
/// * The registry holds at most as many services as [`Services::new`] says, and allocates only when
///   one is registered. Calls are held by the caller; each copies its Response Topic and its
///   Correlation Data, up to 65,535 bytes each. Limit how many requests come at a time by Receive
///   Maximum or by [`in_progress`](Self::in_progress).
///
/// The requester's side is [`Requests`](crate::request_response::Requests).
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::codec::{Properties, Publish, TopicName};
/// use mqtt5_session_fsm::services::{AnswerStatus, Services};
/// use mqtt5_session_fsm::request_response::{Requests, Response};
/// use mqtt5_session_fsm::Instant;
///
/// // A handler is a value. This one is a function.
/// type Handler = fn(&[u8]) -> Result<Vec<u8>, &'static str>;
/// fn configuration(request: &[u8]) -> Result<Vec<u8>, &'static str> {
///     if request == b"network" { Ok(b"10.0.0.7/24".to_vec()) } else { Err("unknown section") }
/// }
/// let mut services: Services<Handler> = Services::new(10);
/// services.register("devices/+/configuration", configuration)?;
///
/// // A request comes.
/// # let starts = 42;
/// let prefix = format!("panel-7 {starts}:"); // another one at each start
/// let mut requests = Requests::new(prefix.as_bytes(), 100)?;
/// let now = Instant::ORIGIN;
/// let correlation = requests.start(now, Duration::from_secs(10), "the panel")?;
/// let properties = correlation.properties(TopicName::new("responses/panel-7")?);
/// let request = Publish {
///     properties: Properties::new(&properties)?,
///     ..Publish::new(TopicName::new("devices/sensor-1/configuration")?, b"sampling")
/// };
///
/// // The handler runs, and its result is published, whatever it is.
/// let (call, handler) = services.call(now, &request)?;
/// let result = handler(request.payload);
/// let later = now + Duration::from_millis(12);
/// let answer = services.answer(later, call, result.as_ref().map(|_| ()).map_err(|error| *error));
/// let response = answer.message(result.as_deref().unwrap_or_default())?;
///
/// // The requester reads it.
/// let response = response.publish();
/// assert_eq!(requests.handle_response(&response), Response::Completed("the panel"));
/// let status = AnswerStatus::of(&response).expect("an answer of such a service");
/// assert_eq!(status.error, Some("unknown section"));
/// assert_eq!(status.processing_time, Some(Duration::from_millis(12)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Services<T> {
    services: Vec<Service<T>>,
    limit: usize,
    in_progress: usize,
    /// Tells the services that were ever registered from each other.
    next_number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Service<T> {
    number: u64,
    filter: Box<str>,
    handler: T,
    counts: ServiceCounts,
}

/// A request that is being handled. Give it back to [`Services::answer`] or [`Services::abandon`].
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::codec::{Properties, Property, Publish, TopicName};
/// use mqtt5_session_fsm::Instant;
/// use mqtt5_session_fsm::services::Services;
///
/// let mut services = Services::new(1);
/// services.register("lamp", ())?;
/// let list = [Property::ResponseTopic(TopicName::new("answers/me")?)];
/// let request = Publish {
///     properties: Properties::new(&list)?,
///     ..Publish::new(TopicName::new("lamp")?, b"on")
/// };
/// let (call, ()) = services.call(Instant::ORIGIN, &request)?;
/// assert_eq!(call.reply().topic.as_str(), "answers/me");
/// let now = Instant::from_millis(3);
/// assert_eq!(call.processing_time(now), Duration::from_millis(3));
/// services.abandon(call);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "a request must be answered"]
pub struct Call {
    service: u64,
    started: Instant,
    /// An answer without a payload.
    reply: Message,
}

/// The results of the calls of one service.
///
/// ```
/// use mqtt5_session_fsm::services::{ServiceCounts, Services};
///
/// let mut services = Services::new(1);
/// services.register("lamp", ())?;
/// assert_eq!(services.counts("lamp"), Some(ServiceCounts::default()));
/// # Ok::<(), mqtt5_session_fsm::services::ServiceError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceCounts {
    /// Calls that were answered with success.
    pub succeeded: u64,
    /// Calls that were answered with an error.
    pub failed: u64,
    /// The time that all of these took together.
    pub total_time: Duration,
    /// The longest time that one of them took.
    pub longest_time: Duration,
}

/// A service cannot be registered, or a message calls none.
///
/// ```
/// use mqtt5_session_fsm::codec::{Publish, TopicName};
/// use mqtt5_session_fsm::Instant;
/// use mqtt5_session_fsm::services::{ServiceError, Services};
///
/// let mut services = Services::new(1);
/// services.register("lamp", ())?;
/// let message = Publish::new(TopicName::new("lamp")?, b"on");
/// assert_eq!(services.call(Instant::ORIGIN, &message), Err(ServiceError::NoResponseTopic));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServiceError {
    /// There are as many services as the limit allows.
    TooMany,
    /// There is a service with this Topic Filter.
    AlreadyRegistered,
    /// The text is not a Topic Filter.
    TopicFilter(Violation),
    /// The topic of the message is that of no service.
    NoService,
    /// The topic of the message is that of a service, but it has no Response Topic: it is not a
    /// request (section 3.3.2.3.5), and cannot be answered.
    NoResponseTopic,
}

impl<T> Services<T> {
    /// Creates a registry for at most `limit` services. It takes no memory before the first.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Services {
            services: Vec::new(),
            limit,
            in_progress: 0,
            next_number: 0,
        }
    }

    /// Registers a handler for the requests to all topics that match a Topic Filter.
    ///
    /// # Errors
    ///
    /// [`ServiceError::TopicFilter`], [`ServiceError::AlreadyRegistered`],
    /// [`ServiceError::TooMany`]; the handler is dropped.
    pub fn register(&mut self, filter: &str, handler: T) -> Result<(), ServiceError> {
        TopicFilter::new(filter).map_err(ServiceError::TopicFilter)?;
        if self.find(filter).is_some() {
            return Err(ServiceError::AlreadyRegistered);
        }
        if self.services.len() >= self.limit {
            return Err(ServiceError::TooMany);
        }
        self.services.push(Service {
            number: self.next_number,
            filter: filter.into(),
            handler,
            counts: ServiceCounts::default(),
        });
        self.next_number = self.next_number.wrapping_add(1);
        Ok(())
    }

    /// Removes a service and returns its handler. Calls that are in progress can still be answered.
    pub fn remove(&mut self, filter: &str) -> Option<T> {
        let position = self.find(filter)?;
        Some(self.services.remove(position).handler)
    }

    /// Returns the Topic Filters of all services, in the order in which they were registered.
    pub fn filters(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(|service| &*service.filter)
    }

    /// Takes an incoming PUBLISH. Returns the call and the handler, if it is a request to a
    /// service.
    ///
    /// # Errors
    ///
    /// [`ServiceError::NoService`], [`ServiceError::NoResponseTopic`].
    pub fn call(
        &mut self,
        now: Instant,
        request: &Publish<'_>,
    ) -> Result<(Call, &T), ServiceError> {
        let topic = request.topic.ok_or(ServiceError::NoService)?;
        let service = self
            .services
            .iter()
            .find(|service| {
                TopicFilter::new(&service.filter).is_ok_and(|filter| filter.matches(topic))
            })
            .ok_or(ServiceError::NoService)?;
        let reply = Reply::to(request).ok_or(ServiceError::NoResponseTopic)?;
        // Both values were in one packet, so they fit into another.
        let reply = Message::new(&reply.publish(&[])).map_err(|_| ServiceError::NoResponseTopic)?;
        self.in_progress = self.in_progress.saturating_add(1);
        let call = Call {
            service: service.number,
            started: now,
            reply,
        };
        Ok((call, &service.handler))
    }

    /// Ends a call, and returns the answer to publish. An error is a text for the requester.
    pub fn answer(&mut self, now: Instant, call: Call, result: Result<(), &str>) -> Answer {
        self.abandoned();
        let time = call.processing_time(now);
        let service = self
            .services
            .iter_mut()
            .find(|service| service.number == call.service);
        if let Some(Service { counts, .. }) = service {
            let count = if result.is_ok() {
                &mut counts.succeeded
            } else {
                &mut counts.failed
            };
            *count = count.saturating_add(1);
            counts.total_time = counts.total_time.saturating_add(time);
            counts.longest_time = counts.longest_time.max(time);
        }
        Answer::new(call, time, result)
    }

    /// Ends a call without an answer, because the process ends for example.
    pub fn abandon(&mut self, call: Call) {
        drop(call);
        self.abandoned();
    }

    /// Returns how many calls are in progress.
    #[must_use]
    pub const fn in_progress(&self) -> usize {
        self.in_progress
    }

    /// Returns the results of the calls of the service with this Topic Filter.
    #[must_use]
    pub fn counts(&self, filter: &str) -> Option<ServiceCounts> {
        Some(self.services.get(self.find(filter)?)?.counts)
    }

    fn abandoned(&mut self) {
        self.in_progress = self.in_progress.saturating_sub(1);
    }

    fn find(&self, filter: &str) -> Option<usize> {
        let mut services = self.services.iter();
        services.position(|service| &*service.filter == filter)
    }
}

impl Call {
    /// Returns where the answer goes and what it has to carry.
    #[must_use]
    pub fn reply(&self) -> Reply<'_> {
        let correlation_data = self.reply.publish().properties.correlation_data();
        Reply::new(self.reply.topic(), correlation_data)
    }

    /// Returns how long the call has been in progress.
    #[must_use]
    pub fn processing_time(&self, now: Instant) -> Duration {
        self.started.until(now)
    }
}

impl ServiceCounts {
    /// Returns the time that a call took on average; zero if there was none.
    #[must_use]
    pub fn average_time(&self) -> Duration {
        let calls = self.succeeded.saturating_add(self.failed);
        let nanoseconds = self
            .total_time
            .as_nanos()
            .checked_div(u128::from(calls))
            .unwrap_or(0);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceError::TooMany => formatter.write_str("there is no room for a service"),
            ServiceError::AlreadyRegistered => {
                formatter.write_str("there is a service with this Topic Filter")
            }
            ServiceError::TopicFilter(violation) => {
                write!(formatter, "no Topic Filter: {violation}")
            }
            ServiceError::NoService => formatter.write_str("the topic is that of no service"),
            ServiceError::NoResponseTopic => {
                formatter.write_str("the message has no Response Topic, so it is not a request")
            }
        }
    }
}

impl core::error::Error for ServiceError {}
