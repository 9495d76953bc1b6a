//! What the handles ask of the task.

use std::time::Duration;

use mqtt5_session_fsm::codec::bytes::Bytes;
use mqtt5_session_fsm::codec::framing::Frame;
use mqtt5_session_fsm::codec::{
    Packet, PacketIdentifier, Properties, Property, ProtocolVersion, Qos, ReasonCode, Subscribe,
    Subscription, SubscriptionIdentifier, Subscriptions, TopicFilter, TopicFilters, Unsubscribe,
};
use mqtt5_session_fsm::{Client, Publication, Receipt, SendError, Token};
use tokio::sync::oneshot;

use super::Published;
use super::failure::{PublishFailure, RequestFailure};
use super::message::Message;

/// For the one who asked. It does not matter whether it is still there.
pub(super) type Reply<T> = oneshot::Sender<T>;

/// What does not wait behind other work.
#[derive(Debug)]
pub(super) enum Control {
    /// The application has decided about a message.
    Decide(Receipt, ReasonCode),
    ReAuthenticate(Reply<Result<(), RequestFailure>>),
    Disconnect(ReasonCode, Reply<()>),
    /// No handle is left.
    Abandon,
}

/// What has an outcome.
#[derive(Debug)]
pub(super) enum Work {
    Publish {
        publication: Publication,
        reply: Reply<Result<Published, PublishFailure>>,
    },
    Subscription(SubscriptionWork),
    Request {
        topic: String,
        payload: Vec<u8>,
        response_topic: String,
        within: Duration,
        reply: Reply<Result<Message, RequestFailure>>,
    },
}

/// A SUBSCRIBE or UNSUBSCRIBE, until it is answered. It goes on over lost connections.
#[derive(Debug)]
pub(super) enum SubscriptionWork {
    Subscribe {
        subscribe: OwnedSubscribe,
        /// `None` if the client subscribes again by itself.
        reply: Option<Reply<Result<Qos, RequestFailure>>>,
    },
    Unsubscribe {
        unsubscribe: OwnedUnsubscribe,
        reply: Reply<Result<(), RequestFailure>>,
    },
}

impl SubscriptionWork {
    pub(super) fn send(&self, machine: &mut Client) -> Result<Token, SendError> {
        match self {
            SubscriptionWork::Subscribe { subscribe, .. } => {
                let packet = subscribe.packet()?;
                machine.subscribe(packet.properties, packet.subscriptions)
            }
            SubscriptionWork::Unsubscribe { unsubscribe, .. } => {
                let packet = unsubscribe.packet()?;
                machine.unsubscribe(packet.properties, packet.filters)
            }
        }
    }

    pub(super) fn fail(self, failure: RequestFailure) {
        match self {
            SubscriptionWork::Subscribe { reply, .. } => {
                if let Some(reply) = reply {
                    let _ = reply.send(Err(failure));
                }
            }
            SubscriptionWork::Unsubscribe { reply, .. } => drop(reply.send(Err(failure))),
        }
    }
}

/// The identifier is replaced.
fn any_identifier() -> PacketIdentifier {
    PacketIdentifier::new(1).unwrap_or(PacketIdentifier::MAX)
}

/// A SUBSCRIBE with one Topic Filter, in the form of MQTT 5.
#[derive(Clone, Debug)]
pub(super) struct OwnedSubscribe(Frame);

impl OwnedSubscribe {
    pub(super) fn new(
        subscription: &Subscription<'_>,
        identifier: Option<u32>,
    ) -> Result<Self, RequestFailure> {
        let identifier = identifier.map(SubscriptionIdentifier::new).transpose();
        let property = identifier
            .map_err(RequestFailure::invalid)?
            .map(Property::SubscriptionIdentifier);
        let list = [*subscription];
        let subscriptions = Subscriptions::new(&list).map_err(RequestFailure::invalid)?;
        let properties = Properties::new(property.as_slice()).map_err(RequestFailure::invalid)?;
        let packet = Subscribe {
            properties,
            ..Subscribe::new(any_identifier(), subscriptions)
        };
        owned(&packet.into()).map(OwnedSubscribe)
    }

    fn packet(&self) -> Result<Subscribe<'_>, SendError> {
        match self.0.decode(ProtocolVersion::V5_0) {
            Ok(Packet::Subscribe(packet)) => Ok(packet),
            // It was encoded from such a packet.
            _ => Err(SendError::NotExpected),
        }
    }

    pub(super) fn filter(&self) -> &str {
        let packet = self.packet();
        let first = packet
            .ok()
            .and_then(|packet| packet.subscriptions.iter().next());
        first.map_or("", |it| it.filter.as_str())
    }
}

/// An UNSUBSCRIBE with one Topic Filter.
#[derive(Clone, Debug)]
pub(super) struct OwnedUnsubscribe(Frame);

impl OwnedUnsubscribe {
    pub(super) fn new(filter: &str) -> Result<Self, RequestFailure> {
        let list = [TopicFilter::new(filter).map_err(RequestFailure::invalid)?];
        let filters = TopicFilters::new(&list).map_err(RequestFailure::invalid)?;
        let packet = Unsubscribe::new(any_identifier(), filters);
        owned(&packet.into()).map(OwnedUnsubscribe)
    }

    fn packet(&self) -> Result<Unsubscribe<'_>, SendError> {
        match self.0.decode(ProtocolVersion::V5_0) {
            Ok(Packet::Unsubscribe(packet)) => Ok(packet),
            // It was encoded from such a packet.
            _ => Err(SendError::NotExpected),
        }
    }

    pub(super) fn filter(&self) -> &str {
        let packet = self.packet();
        let first = packet.ok().and_then(|packet| packet.filters.iter().next());
        first.map_or("", |it| it.as_str())
    }
}

fn owned(packet: &Packet<'_>) -> Result<Frame, RequestFailure> {
    let mut bytes = Vec::new();
    packet
        .encode(ProtocolVersion::V5_0, &mut bytes)
        .map_err(RequestFailure::invalid)?;
    Frame::new(Bytes::from(bytes)).map_err(RequestFailure::invalid)
}
