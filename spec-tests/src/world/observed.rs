//! The events of the machines, as far as the world looks at them, in a form that borrows nothing.

use mqtt5_session_fsm::codec::{PacketIdentifier, Qos};
use mqtt5_session_fsm::{Event, Receipt};

use super::announced::TOPIC;
use super::application::Ending;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observed {
    Message {
        number: u8,
        qos: Qos,
        receipt: Option<Receipt>,
    },
    Outcome {
        token: u64,
        ending: Ending,
    },
    Connect,
    Connected {
        session_present: bool,
    },
    Refused,
    Request {
        packet_identifier: PacketIdentifier,
        subscribe: bool,
    },
    SessionEnded,
    Room,
    /// Nothing that the host has to react to.
    Other,
}

impl Observed {
    pub(crate) fn new(event: &Event<'_>) -> Self {
        match event {
            Event::Message(delivered) => {
                let publish = &delivered.publish;
                let is_ours = publish.topic.is_some_and(|topic| topic.as_str() == TOPIC);
                let number = publish.payload.first().filter(|_| is_ours);
                Observed::Message {
                    number: number.copied().unwrap_or(u8::MAX),
                    qos: publish.delivery.qos(),
                    receipt: delivered.receipt,
                }
            }
            Event::Outcome(token, outcome) => Observed::Outcome {
                token: token.number(),
                ending: Ending::of(outcome),
            },
            Event::Connect(_) => Observed::Connect,
            Event::Connected(connack) => Observed::Connected {
                session_present: connack.session_present,
            },
            Event::Refused(_) => Observed::Refused,
            Event::Subscribe(subscribe) => Observed::Request {
                packet_identifier: subscribe.packet_identifier,
                subscribe: true,
            },
            Event::Unsubscribe(unsubscribe) => Observed::Request {
                packet_identifier: unsubscribe.packet_identifier,
                subscribe: false,
            },
            Event::SessionEnded => Observed::SessionEnded,
            Event::Room => Observed::Room,
            _ => Observed::Other,
        }
    }
}
