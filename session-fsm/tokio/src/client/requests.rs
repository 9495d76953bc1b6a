//! What waits for the server: outcomes, subscriptions to make again, responses.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt5_session_fsm::codec::{self, Properties, Property, Publish, Qos, ReasonCode, TopicName};
use mqtt5_session_fsm::request_response::{CorrelationData, RequestError, Requests, Response};
use mqtt5_session_fsm::{Instant, Outcome, Publication, PublishError};

use super::Published;
use super::command::{OwnedSubscribe, Reply, SubscriptionWork};
use super::connect::seconds;
use super::failure::{PublishFailure, RequestFailure, published};
use super::message::Message;

/// A caller that waits for an outcome.
pub(super) enum Pending {
    Publish(Reply<Result<Published, PublishFailure>>),
    Subscription(SubscriptionWork),
    Request(CorrelationData),
}

pub(super) struct PendingRequests {
    /// The subscriptions that were granted, by their filters.
    granted: BTreeMap<String, OwnedSubscribe>,
    /// What could not be sent yet, or was lost with its connection.
    again: Vec<SubscriptionWork>,
    responses: Requests<Reply<Result<Message, RequestFailure>>>,
}

impl PendingRequests {
    pub(super) fn new(random: u64, limit: usize) -> Result<Self, RequestError> {
        Ok(PendingRequests {
            granted: BTreeMap::new(),
            again: Vec::new(),
            responses: Requests::new(&random.to_be_bytes(), limit)?,
        })
    }

    // ---- subscriptions ----

    pub(super) fn again(&mut self, work: SubscriptionWork) {
        self.again.push(work);
    }

    /// How many have to be sent again.
    pub(super) fn unsent(&self) -> usize {
        self.again.len()
    }

    /// The server has lost the Session: the subscriptions that were granted go out again, before all others.
    pub(super) fn session_lost(&mut self, resubscribes: bool) {
        let granted = std::mem::take(&mut self.granted);
        if resubscribes {
            let subscribe = granted
                .into_values()
                .map(|subscribe| SubscriptionWork::Subscribe {
                    subscribe,
                    reply: None,
                });
            self.again.splice(0..0, subscribe);
        }
    }

    /// Takes what has to be sent again.
    pub(super) fn take(&mut self) -> Vec<SubscriptionWork> {
        std::mem::take(&mut self.again)
    }

    /// Reports an outcome to its caller. A request that was lost with its connection is sent again.
    pub(super) fn ended(&mut self, pending: Pending, outcome: &Outcome<'_>) {
        match pending {
            Pending::Publish(reply) => {
                let _ = reply.send(published(outcome));
            }
            Pending::Request(correlation) => {
                if let Err(failure) = published(outcome) {
                    self.not_published(&correlation, failure);
                }
            }
            Pending::Subscription(work) if is_lost(outcome) => self.again(work),
            Pending::Subscription(work) => self.answered(work, answered(outcome)),
        }
    }

    fn answered(&mut self, work: SubscriptionWork, answer: Result<ReasonCode, RequestFailure>) {
        match work {
            SubscriptionWork::Subscribe { subscribe, reply } => {
                if answer.is_ok() {
                    let filter = subscribe.filter().to_owned();
                    self.granted.insert(filter, subscribe);
                }
                if let Some(reply) = reply {
                    let _ = reply.send(answer.map(|code| match code {
                        ReasonCode::GrantedQos1 => Qos::AtLeastOnce,
                        ReasonCode::GrantedQos2 => Qos::ExactlyOnce,
                        _ => Qos::AtMostOnce,
                    }));
                }
            }
            SubscriptionWork::Unsubscribe { unsubscribe, reply } => {
                if answer.is_ok() {
                    self.granted.remove(unsubscribe.filter());
                }
                let _ = reply.send(answer.map(|_| ()));
            }
        }
    }

    // ---- requests and responses ----

    pub(super) fn next_timeout(&self) -> Instant {
        self.responses.next_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some(expired) = self.responses.handle_timeout(now) {
            let _ = expired.value.send(Err(RequestFailure::TimedOut));
        }
    }

    /// Takes a response; returns any other message.
    pub(super) fn response(&mut self, mut message: Message) -> Option<Message> {
        match self.responses.handle_response(&message.publish()) {
            Response::Completed(reply) => {
                message.settle();
                let _ = reply.send(Ok(message));
                None
            }
            Response::Alien => Some(message),
            // It came twice, or too late.
            _ => {
                message.acknowledge();
                None
            }
        }
    }

    /// Returns the message of a request, unless it cannot be one.
    pub(super) fn start(
        &mut self,
        now: Instant,
        topic: &str,
        payload: &[u8],
        response_topic: &str,
        within: Duration,
        reply: Reply<Result<Message, RequestFailure>>,
    ) -> Option<(Publication, CorrelationData)> {
        if self.responses.is_full() {
            let _ = reply.send(Err(RequestFailure::TooMany));
            return None;
        }
        let correlation = self.responses.start(now, within, reply).ok()?;
        match request(topic, payload, response_topic, within, &correlation) {
            Ok(publication) => Some((publication, correlation)),
            Err(failure) => {
                if let Some(reply) = self.responses.cancel(&correlation) {
                    let _ = reply.send(Err(failure));
                }
                None
            }
        }
    }

    pub(super) fn failed(&mut self, correlation: &CorrelationData, error: PublishError) {
        self.not_published(correlation, PublishFailure::Refused(error));
    }

    fn not_published(&mut self, correlation: &CorrelationData, failure: PublishFailure) {
        if let Some(reply) = self.responses.cancel(correlation) {
            let _ = reply.send(Err(RequestFailure::NotPublished(failure)));
        }
    }
}

fn request(
    topic: &str,
    payload: &[u8],
    response_topic: &str,
    within: Duration,
    correlation: &CorrelationData,
) -> Result<Publication, RequestFailure> {
    let response_topic = TopicName::new(response_topic).map_err(RequestFailure::invalid)?;
    let [topic_property, data] = correlation.properties(response_topic);
    // After it nobody waits for the answer. Part of a second counts as one: no request expires before its time is up.
    let expiry = Property::MessageExpiryInterval(
        seconds(within.saturating_add(Duration::from_millis(999))).max(1),
    );
    let properties = [topic_property, data, expiry];
    let publish = Publish {
        properties: Properties::new(&properties).map_err(RequestFailure::invalid)?,
        ..Publish::new(
            TopicName::new(topic).map_err(RequestFailure::invalid)?,
            payload,
        )
    };
    let message = codec::Message::new(&publish).map_err(RequestFailure::invalid)?;
    let mut publication = Publication::new(Qos::AtLeastOnce, message);
    publication.deadline = Some(within);
    Ok(publication)
}

/// Whether the connection was lost before the answer.
const fn is_lost(outcome: &Outcome<'_>) -> bool {
    matches!(outcome, Outcome::Indeterminate | Outcome::NotSent)
}

/// The answer to the only filter of a request.
fn answered(outcome: &Outcome<'_>) -> Result<ReasonCode, RequestFailure> {
    let (code, why) = match outcome {
        Outcome::SubAck(suback) => (
            suback.reason_codes.iter().next(),
            suback.properties.reason_string(),
        ),
        Outcome::UnsubAck(unsuback) => (
            unsuback.reason_codes.iter().next(),
            unsuback.properties.reason_string(),
        ),
        Outcome::Forbidden(limit) => return Err(RequestFailure::Forbidden(*limit)),
        _ => return Err(RequestFailure::TimedOut),
    };
    match code {
        Some(code) if code.is_error() => {
            let why = why.map(|it| it.as_str().into());
            Err(RequestFailure::Rejected(code, why))
        }
        // An UNSUBACK of MQTT 3.1.1 says nothing else.
        code => Ok(code.unwrap_or(ReasonCode::Success)),
    }
}
