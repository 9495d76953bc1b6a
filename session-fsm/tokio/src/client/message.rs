//! Messages that arrived.

use std::fmt;

use mqtt5_session_fsm::codec::{self, Publish, PublishProperties, Qos, ReasonCode};
use mqtt5_session_fsm::request_response::Reply;
use mqtt5_session_fsm::{Publication, Receipt};
use tokio::sync::mpsc;

/// A message that arrived.
pub struct Message {
    message: codec::Message,
    qos: Qos,
    duplicate: bool,
    receipt: Option<Decision>,
}

/// What the application has to decide.
struct Decision {
    receipt: Receipt,
    decisions: mpsc::UnboundedSender<(Receipt, ReasonCode)>,
}

impl Message {
    pub(super) fn new(
        publish: &Publish<'_>,
        receipt: Option<Receipt>,
        decisions: &mpsc::UnboundedSender<(Receipt, ReasonCode)>,
    ) -> Option<Self> {
        Some(Message {
            // It was a packet, so it is not too long for one.
            message: codec::Message::new(publish).ok()?,
            qos: publish.delivery.qos(),
            duplicate: publish.delivery.duplicate(),
            receipt: receipt.map(|receipt| Decision {
                receipt,
                decisions: decisions.clone(),
            }),
        })
    }

    /// The Topic Name.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.message.topic().as_str()
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.message.payload()
    }

    /// The payload as text; `None` if it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.payload()).ok()
    }

    /// The QoS with which it came.
    #[must_use]
    pub const fn qos(&self) -> Qos {
        self.qos
    }

    /// DUP (section 3.3.1.1): the server has sent it before, perhaps on an earlier connection.
    #[must_use]
    pub const fn duplicate(&self) -> bool {
        self.duplicate
    }

    /// RETAIN (section 3.3.1.3): it was retained when the subscription was made, or the subscription has Retain As
    /// Published.
    #[must_use]
    pub fn retain(&self) -> bool {
        self.message.retain()
    }

    /// The properties: [`Message::publish`] has all of the packet.
    #[must_use]
    pub fn properties(&self) -> PublishProperties<'_> {
        self.message.publish().properties
    }

    /// The message as a packet, with QoS 0.
    #[must_use]
    pub fn publish(&self) -> Publish<'_> {
        self.message.publish()
    }

    /// The message, to be published again without a copy.
    #[must_use]
    pub const fn as_message(&self) -> &codec::Message {
        &self.message
    }

    /// The response to this request, with the QoS of the request; `None` if it has no Response Topic (section 4.10).
    #[must_use]
    pub fn reply(&self, payload: impl AsRef<[u8]>) -> Option<Publication> {
        let request = self.message.publish();
        let reply = Reply::to(&request)?;
        let response = codec::Message::new(&reply.publish(payload.as_ref())).ok()?;
        Some(Publication::new(self.qos, response))
    }

    /// Acknowledges the message, with manual acknowledgement:
    /// [`ClientBuilder::manual_acknowledgement`](super::ClientBuilder::manual_acknowledgement). Otherwise, and with QoS 0,
    /// it does nothing. A message that is dropped without a decision is not acknowledged, and holds up later ones of its
    /// QoS; the server sends it again on the next connection.
    pub fn acknowledge(self) {
        self.refuse(ReasonCode::Success);
    }

    /// Refuses the message with this Reason Code, such as 0x83; as [`Message::acknowledge`] otherwise. A server of MQTT
    /// 3.1.1 is told Success: it has no refusal.
    pub fn refuse(mut self, reason_code: ReasonCode) {
        self.decide(reason_code);
    }

    /// Acknowledges a message that the client itself has asked for.
    pub(super) fn settle(&mut self) {
        self.decide(ReasonCode::Success);
    }

    fn decide(&mut self, reason_code: ReasonCode) {
        if let Some(Decision { receipt, decisions }) = self.receipt.take() {
            let _ = decisions.send((receipt, reason_code));
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Message")
            .field("qos", &self.qos)
            .field("duplicate", &self.duplicate)
            .field("publish", &self.message.publish())
            .finish_non_exhaustive()
    }
}

/// The messages that arrive, in order.
///
/// As many as [`ClientBuilder::messages`](super::ClientBuilder::messages) says wait in it; while it is full, the client
/// does not read from the network, so that the server waits, too. Answers of the server are behind the messages: whoever
/// waits for an outcome should not stop taking messages. If it is dropped, messages are acknowledged and thrown away.
#[derive(Debug)]
pub struct Messages {
    pub(super) queue: mpsc::Receiver<Message>,
}

impl Messages {
    /// Waits for the next message; `None` if the client has ended. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Message> {
        self.queue.recv().await
    }

    /// Takes a message that has arrived already.
    pub fn take(&mut self) -> Option<Message> {
        self.queue.try_recv().ok()
    }

    /// For the implementation of a stream: see [`Messages::next`].
    pub fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Message>> {
        self.queue.poll_recv(context)
    }
}
