//! Messages that arrived.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mqtt5_session_fsm::codec::{self, Publish, PublishProperties, Qos, ReasonCode};
use mqtt5_session_fsm::request_response::Reply;
use mqtt5_session_fsm::{Publication, Receipt};
use tokio::sync::{Notify, mpsc};

use super::command::Control;

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
    control: mpsc::UnboundedSender<Control>,
}

impl Message {
    pub(super) fn new(
        publish: &Publish<'_>,
        receipt: Option<Receipt>,
        control: &mpsc::UnboundedSender<Control>,
    ) -> Option<Self> {
        Some(Message {
            // It was a packet, so it is not too long for one.
            message: codec::Message::new(publish).ok()?,
            qos: publish.delivery.qos(),
            duplicate: publish.delivery.duplicate(),
            receipt: receipt.map(|receipt| Decision {
                receipt,
                control: control.clone(),
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
    /// 3.1.1 receives Success: MQTT 3.1.1 has no refusal.
    pub fn refuse(mut self, reason_code: ReasonCode) {
        self.decide(reason_code);
    }

    /// Acknowledges a message that the client itself has asked for.
    pub(super) fn settle(&mut self) {
        self.decide(ReasonCode::Success);
    }

    fn decide(&mut self, reason_code: ReasonCode) {
        if let Some(Decision { receipt, control }) = self.receipt.take() {
            let _ = control.send(Control::Decide(receipt, reason_code));
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
/// A message with QoS 1 or 2 is acknowledged when it is taken, so the server sends no more than
/// [`ClientBuilder::receive_maximum`](super::ClientBuilder::receive_maximum) before the application takes some. Messages with
/// QoS 0 have no acknowledgement: when as many as [`ClientBuilder::messages`](super::ClientBuilder::messages) says wait, the
/// client stops to read, and TCP holds up the server. While somebody waits for an outcome, it reads on all the same, because
/// the outcome may be behind them, and drops those with QoS 0 that find no room: see [`Messages::dropped`].
///
/// If this value is dropped, messages are acknowledged and thrown away.
#[derive(Debug)]
pub struct Messages {
    queue: mpsc::Receiver<Message>,
    shared: Arc<Shared>,
    /// Whether the application acknowledges.
    is_manual: bool,
}

/// What both ends of the queue know.
#[derive(Debug, Default)]
struct Shared {
    /// How many messages with QoS 0 wait.
    waiting: AtomicUsize,
    dropped: AtomicUsize,
    /// One was taken.
    taken: Notify,
}

impl Messages {
    /// Waits for the next message; `None` if the client has ended. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// Takes a message that has arrived already.
    pub fn take(&mut self) -> Option<Message> {
        let message = self.queue.try_recv().ok();
        message.map(|message| self.taken(message))
    }

    /// For the implementation of a stream: see [`Messages::next`].
    pub fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Message>> {
        let next = self.queue.poll_recv(context);
        next.map(|message| message.map(|message| self.taken(message)))
    }

    /// How many messages with QoS 0 found no room.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn taken(&self, mut message: Message) -> Message {
        if message.qos == Qos::AtMostOnce {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            self.shared.taken.notify_one();
        } else if !self.is_manual {
            message.settle();
        }
        message
    }
}

/// The end of the queue at which messages are put in.
pub(super) struct Incoming {
    queue: mpsc::Sender<Message>,
    shared: Arc<Shared>,
    limit: usize,
}

/// So many messages with QoS 1 and 2 can be unacknowledged: each has a Packet Identifier.
const IDENTIFIERS: usize = 65_535;

/// Makes a queue that has room for `limit` messages with QoS 0.
pub(super) fn queue(limit: usize, is_manual: bool) -> (Incoming, Messages) {
    // Places are allocated when they are used.
    let (sender, receiver) = mpsc::channel(limit.saturating_add(IDENTIFIERS).min(1 << 24));
    let shared = Arc::<Shared>::default();
    let messages = Messages {
        queue: receiver,
        shared: shared.clone(),
        is_manual,
    };
    let incoming = Incoming {
        queue: sender,
        shared,
        limit,
    };
    (incoming, messages)
}

impl Incoming {
    /// Whether another message with QoS 0 finds room.
    pub(super) fn has_place(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed) < self.limit || self.is_closed()
    }

    /// Whether nobody takes messages any more.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Waits until nobody takes messages any more.
    pub(super) async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Waits until a message was taken, or nobody takes any.
    pub(super) async fn taken(&self) {
        tokio::select! {
            () = self.shared.taken.notified() => {}
            () = self.queue.closed() => {}
        }
    }

    pub(super) fn put(&self, message: Message) {
        let is_qos0 = message.qos == Qos::AtMostOnce;
        if is_qos0 && !self.has_place() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match self.queue.try_send(message) {
            Ok(()) if is_qos0 => drop(self.shared.waiting.fetch_add(1, Ordering::Relaxed)),
            Ok(()) => {}
            // Nobody takes messages: it is acknowledged, and gone.
            Err(error) => error.into_inner().acknowledge(),
        }
    }
}
