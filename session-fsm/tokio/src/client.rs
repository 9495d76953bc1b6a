//! The client: a handle, a task that owns the machine, and a stream of messages.

mod application;
mod builder;
mod command;
mod connect;
mod driver;
mod failure;
mod journal;
mod link;
mod message;
mod requests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mqtt5_session_fsm::Publication;
use mqtt5_session_fsm::codec::{
    ProtocolVersion, Qos, ReasonCode, Subscription, SubscriptionOptions, TopicFilter,
};
use tokio::sync::{OnceCell, mpsc, oneshot, watch};

use self::command::{Control, OwnedSubscribe, OwnedUnsubscribe, SubscriptionWork, Work};

pub use self::builder::ClientBuilder;
pub use self::connect::{Authenticator, Will};
pub use self::failure::{ConnectError, PublishFailure, RequestFailure};
pub use self::journal::Journal;
pub use self::message::{Message, Messages};

/// A client. Clones of the handle share one Session and one connection.
///
/// A task of the runtime owns them. It ends after [`Client::disconnect`], when connecting again would not help, or when
/// the last handle and the [`Messages`] are gone: it then waits for the outcomes that are still to come, with or without a
/// connection, and disconnects.
///
/// A future that is dropped takes nothing back: the message, the subscription or the request goes on.
///
/// While there is no connection, messages wait in the Session, within the limits of
/// [`SessionConfig`](crate::fsm::SessionConfig); at a limit, `publish` waits.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    work: mpsc::Sender<Work>,
    control: mpsc::UnboundedSender<Control>,
    state: watch::Receiver<ConnectionState>,
    responses: Responses,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = self.control.send(Control::Abandon);
    }
}

/// Where responses come to.
#[derive(Debug)]
struct Responses {
    topic: String,
    /// Set once the subscription is granted.
    is_subscribed: OnceCell<()>,
}

/// Whether there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionState {
    /// The client connects, or waits until it tries again.
    Connecting {
        /// Why there is none, or no longer one. Empty at first.
        why: String,
    },
    /// The server has accepted the connection.
    Connected {
        /// The server, as it was named.
        server: String,
        /// The version of MQTT of the connection.
        version: ProtocolVersion,
        /// Whether the server had the Session.
        session_present: bool,
    },
    /// The client has ended, and does not connect again.
    Ended {
        /// Why.
        why: ConnectError,
    },
}

/// A message that the server has, or that was written with QoS 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Published {
    /// [`ReasonCode::Success`], or [`ReasonCode::NoMatchingSubscribers`] from a server that says so. With QoS 0 and in
    /// MQTT 3.1.1 always Success.
    pub reason_code: ReasonCode,
}

impl Client {
    /// Connects to a server with this address, or several in order, separated by blanks, and a ClientID; an empty one lets
    /// the server choose. Returns when the server has accepted the connection. [`Client::builder`] has all options.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], when trying again would not help: the address is wrong, or the server has refused the client for
    /// good. A server that cannot be reached is tried again and again; put a
    /// [`timeout`](tokio::time::timeout) around it if you do not want to wait.
    pub async fn connect(
        server: impl Into<String>,
        client_identifier: impl Into<String>,
    ) -> Result<(Client, Messages), ConnectError> {
        Client::builder(server, client_identifier).connect().await
    }

    /// Begins with the options of a client: see [`Client::connect`].
    pub fn builder(
        server: impl Into<String>,
        client_identifier: impl Into<String>,
    ) -> ClientBuilder {
        ClientBuilder::new(server.into(), client_identifier.into())
    }

    /// Publishes a message, and waits for its outcome: QoS 0, until it is written; QoS 1 and 2, until the server has it.
    ///
    /// # Errors
    ///
    /// [`PublishFailure`] says what became of it.
    pub async fn publish(
        &self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: Qos,
    ) -> Result<Published, PublishFailure> {
        let publication = Publication::of(topic, payload.as_ref(), qos)
            .map_err(|error| PublishFailure::Refused(error.into()))?;
        self.send(publication).await?.await
    }

    /// As [`Client::publish`], with RETAIN: the server keeps the message for later subscribers (section 3.3.1.3). An empty
    /// payload removes it.
    ///
    /// # Errors
    ///
    /// [`PublishFailure`].
    pub async fn publish_retained(
        &self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        qos: Qos,
    ) -> Result<Published, PublishFailure> {
        let mut publication = Publication::of(topic, payload.as_ref(), qos)
            .map_err(|error| PublishFailure::Refused(error.into()))?;
        publication.retain = true;
        self.send(publication).await?.await
    }

    /// Publishes a message whose outcome is needed within this time. A message that was not sent by then is withdrawn.
    ///
    /// # Errors
    ///
    /// [`PublishFailure::TimedOut`] if it was not sent in time, or if its outcome did not come in time: then the server may
    /// still have it, or get it.
    pub async fn publish_within(
        &self,
        within: Duration,
        mut publication: Publication,
    ) -> Result<Published, PublishFailure> {
        publication.deadline = Some(within);
        let outcome = async { self.send(publication).await?.await };
        match tokio::time::timeout(within, outcome).await {
            Ok(outcome) => outcome,
            Err(_) => Err(PublishFailure::TimedOut),
        }
    }

    /// Hands a message to the client, and returns a future of its outcome: many messages are on their way at once, in the
    /// order of the calls. Waits while the Session has no room, and at most 64 messages more are in the hands of the client. If
    /// the future is dropped, the message goes on all the same.
    ///
    /// # Errors
    ///
    /// [`PublishFailure::Ended`]. The future returns all other failures.
    pub async fn send(&self, publication: Publication) -> Result<PendingOutcome, PublishFailure> {
        let (reply, outcome) = oneshot::channel();
        let work = Work::Publish { publication, reply };
        let sent = self.shared.work.send(work).await;
        sent.map_err(|_| PublishFailure::Ended)?;
        Ok(PendingOutcome { outcome })
    }

    /// Subscribes to a Topic Filter, and returns the QoS that the server grants. Waits for a connection, also when it is
    /// lost in between. After the loss of the Session the client subscribes again by itself.
    ///
    /// # Errors
    ///
    /// [`RequestFailure`].
    pub async fn subscribe(&self, filter: &str, maximum_qos: Qos) -> Result<Qos, RequestFailure> {
        let options = SubscriptionOptions {
            maximum_qos,
            ..SubscriptionOptions::default()
        };
        self.subscribe_with(filter, options, None).await
    }

    /// Subscribes with options: No Local, Retain As Published, Retain Handling (section 3.8.3.1), and a Subscription
    /// Identifier, which comes with each message (section 3.8.2.1.2).
    ///
    /// # Errors
    ///
    /// [`RequestFailure`].
    pub async fn subscribe_with(
        &self,
        filter: &str,
        options: SubscriptionOptions,
        identifier: Option<u32>,
    ) -> Result<Qos, RequestFailure> {
        let filter = TopicFilter::new(filter).map_err(RequestFailure::invalid)?;
        let subscription = Subscription { filter, options };
        let subscribe = OwnedSubscribe::new(&subscription, identifier)?;
        let (reply, outcome) = oneshot::channel();
        let work = SubscriptionWork::Subscribe {
            subscribe,
            reply: Some(reply),
        };
        self.work(Work::Subscription(work)).await?;
        outcome.await.map_err(|_| RequestFailure::Ended)?
    }

    /// Ends a subscription. Waits for a connection, also when it is lost in between.
    ///
    /// # Errors
    ///
    /// [`RequestFailure`].
    pub async fn unsubscribe(&self, filter: &str) -> Result<(), RequestFailure> {
        let unsubscribe = OwnedUnsubscribe::new(filter)?;
        let (reply, outcome) = oneshot::channel();
        let work = SubscriptionWork::Unsubscribe { unsubscribe, reply };
        self.work(Work::Subscription(work)).await?;
        outcome.await.map_err(|_| RequestFailure::Ended)?
    }

    /// Publishes a request with QoS 1, and waits for the response (section 4.10). At the first request the client
    /// subscribes to its Response Topic: [`ClientBuilder::response_topic`]. Not in MQTT 3.1.1.
    ///
    /// # Errors
    ///
    /// [`RequestFailure::TimedOut`] if no response comes in time, and all others.
    pub async fn request(
        &self,
        topic: &str,
        payload: impl AsRef<[u8]>,
        within: Duration,
    ) -> Result<Message, RequestFailure> {
        let subscribe = async || {
            let topic = &self.shared.responses.topic;
            self.subscribe(topic, Qos::AtLeastOnce).await.map(|_| ())
        };
        let response = async {
            self.shared
                .responses
                .is_subscribed
                .get_or_try_init(subscribe)
                .await?;
            let (reply, response) = oneshot::channel();
            self.work(Work::Request {
                topic: topic.to_owned(),
                payload: payload.as_ref().to_vec(),
                response_topic: self.shared.responses.topic.clone(),
                within,
                reply,
            })
            .await?;
            response.await.map_err(|_| RequestFailure::Ended)?
        };
        match tokio::time::timeout(within, response).await {
            Ok(response) => response,
            Err(_) => Err(RequestFailure::TimedOut),
        }
    }

    /// Authenticates again (section 4.12.1), by the [`Authenticator`] of the client.
    ///
    /// # Errors
    ///
    /// [`RequestFailure`]; only that it cannot begin. If the server refuses, it disconnects.
    pub async fn re_authenticate(&self) -> Result<(), RequestFailure> {
        let (reply, outcome) = oneshot::channel();
        let sent = self.shared.control.send(Control::ReAuthenticate(reply));
        sent.map_err(|_| RequestFailure::Ended)?;
        outcome.await.map_err(|_| RequestFailure::Ended)?
    }

    /// Disconnects, and ends the client. Messages that were not written are not sent any more, and end as
    /// [`PublishFailure::Ended`]; wait for their outcomes before. The Will Message is not published.
    pub async fn disconnect(&self) {
        self.disconnect_with(ReasonCode::Success).await;
    }

    /// Disconnects with another Reason Code, such as 0x04, with which the server publishes the Will Message. One that only a
    /// server may send becomes 0x80, Unspecified error.
    pub async fn disconnect_with(&self, reason_code: ReasonCode) {
        let (reply, ended) = oneshot::channel();
        let disconnect = Control::Disconnect(reason_code, reply);
        if self.shared.control.send(disconnect).is_ok() {
            let _ = ended.await;
        }
    }

    /// Whether there is a connection, now and from now on.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ConnectionState> {
        self.shared.state.clone()
    }

    async fn work(&self, work: Work) -> Result<(), RequestFailure> {
        let sent = self.shared.work.send(work).await;
        sent.map_err(|_| RequestFailure::Ended)
    }
}

/// The outcome of a message that was [sent](Client::send).
#[derive(Debug)]
#[must_use = "says what became of the message"]
pub struct PendingOutcome {
    outcome: oneshot::Receiver<Result<Published, PublishFailure>>,
}

impl Future for PendingOutcome {
    type Output = Result<Published, PublishFailure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(Pin::new(&mut self.outcome).poll(context));
        Poll::Ready(outcome.unwrap_or(Err(PublishFailure::Ended)))
    }
}
