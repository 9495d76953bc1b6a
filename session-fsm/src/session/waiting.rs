//! Accepted messages that cannot be sent yet.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use core::hash::{Hash, Hasher};
use core::ops::Deref;

use mqtt5_codec::Qos;

use crate::memory::growth_step;
use crate::session::{MessageState, QueuedMessage, Unsettled, UnsettledKind, message_expiry};
use crate::{Instant, Token};

/// How many messages may wait to be sent. A message waits if there is no Network Connection, if the
/// peer's Receive Maximum is used up, or until the next `poll`.
///
/// Messages in flight do not count. [`SessionConfig::stored`](crate::SessionConfig::stored) limits
/// both together, and [`when_full`](WaitingLimits::when_full) applies to it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WaitingLimits {
    /// How many messages. Default: 1,000.
    pub messages: u32,
    /// How many bytes in all, as [`Message::size`](mqtt5_codec::Message::size) counts them.
    /// Default: 1 MiB.
    pub bytes: usize,
    /// What happens to a message for which there is no room. Default: [`WhenFull::Refuse`].
    pub when_full: WhenFull,
}

impl Default for WaitingLimits {
    fn default() -> Self {
        WaitingLimits {
            messages: 1_000,
            bytes: 1 << 20,
            when_full: WhenFull::Refuse,
        }
    }
}

/// What happens to a message for which there is no room. Messages in flight are never dropped. If
/// dropping waiting messages does not make enough room, none is dropped, and the new message is
/// refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// The message is refused with an error. An event follows when there is room again.
    #[default]
    Refuse,
    /// The oldest waiting messages with QoS 0 are dropped for it; if that is not enough, it is
    /// refused.
    DropOldestQos0,
    /// The oldest waiting messages are dropped for it, those with QoS 0 first; if that is not
    /// enough, it is refused.
    DropOldest,
}

/// A place in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Taken(QueuedMessage),
    /// The message has expired, or was withdrawn.
    Empty(Token),
}

impl Place {
    /// Tokens ascend in a queue.
    const fn token(&self) -> Token {
        match self {
            Place::Taken(queued) => queued.token,
            Place::Empty(token) => *token,
        }
    }

    #[inline]
    const fn look(&self) -> Option<&QueuedMessage> {
        match self {
            Place::Taken(queued) => Some(queued),
            Place::Empty(_) => None,
        }
    }

    #[inline]
    fn take(self) -> Option<QueuedMessage> {
        match self {
            Place::Taken(queued) => Some(queued),
            Place::Empty(_) => None,
        }
    }
}

type Queue = VecDeque<Place>;

/// Takes memory with the first message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    queues: Option<Box<Queues>>,
}

/// Those of a Session in which no message waits.
static EMPTY: Queues = Queues {
    qos0: Queue::new(),
    others: Queue::new(),
    messages: 0,
    bytes: 0,
    qos0_messages: 0,
    qos0_bytes: 0,
    expiring: BTreeSet::new(),
};

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Queues {
    /// Messages with QoS 0: they pass those that wait for the Receive Maximum.
    qos0: Queue,
    /// Messages with QoS 1 and 2.
    others: Queue,
    messages: u32,
    bytes: usize,
    /// Of these, those with QoS 0.
    qos0_messages: u32,
    qos0_bytes: usize,
    /// Those that expire, the next one first.
    expiring: BTreeSet<(Instant, Token)>,
}

impl Waiting {
    #[inline]
    pub(crate) const fn len(&self) -> u32 {
        match &self.queues {
            Some(queues) => queues.messages,
            None => 0,
        }
    }

    #[inline]
    pub(crate) const fn bytes(&self) -> usize {
        match &self.queues {
            Some(queues) => queues.bytes,
            None => 0,
        }
    }

    /// Takes the message that the policy drops first; `None` if there is none that it may drop.
    pub(crate) fn take_oldest(&mut self, when_full: WhenFull) -> Option<QueuedMessage> {
        match when_full {
            WhenFull::Refuse => None,
            WhenFull::DropOldestQos0 => self.pop(Qos::AtMostOnce),
            WhenFull::DropOldest => self
                .pop(Qos::AtMostOnce)
                .or_else(|| self.pop(Qos::AtLeastOnce)),
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, waiting: QueuedMessage) {
        self.queues.get_or_insert_default().push(waiting);
    }

    /// Takes the oldest message of this kind: QoS 0, or QoS 1 and 2 together.
    #[inline]
    pub(crate) fn pop(&mut self, qos: Qos) -> Option<QueuedMessage> {
        self.queues.as_mut()?.pop(qos)
    }

    /// Takes a message that has expired.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<QueuedMessage> {
        self.queues.as_mut()?.take_expired(now)
    }

    /// Takes a certain message.
    pub(crate) fn remove(&mut self, token: Token) -> Option<QueuedMessage> {
        self.queues.as_mut()?.remove(token)
    }

    /// The clock may have gone back: nothing expires later than its interval from now.
    pub(crate) fn clamp(&mut self, now: Instant) {
        if let Some(queues) = &mut self.queues {
            queues.clamp(now);
        }
    }

    /// Gives back memory that is not in use.
    pub(crate) fn shrink(&mut self) {
        match &mut self.queues {
            Some(queues) if queues.messages > 0 => queues.shrink(),
            _ => self.queues = None,
        }
    }
}

impl Deref for Waiting {
    type Target = Queues;

    #[inline]
    fn deref(&self) -> &Queues {
        self.queues.as_deref().unwrap_or(&EMPTY)
    }
}

// Memory that was kept does not matter: without messages, queues are as new.

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Waiting {}

impl Hash for Waiting {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (**self).hash(hasher);
    }
}

impl Queues {
    /// Whether no message with QoS 1 or 2 waits.
    #[inline]
    pub(crate) fn none_acknowledged(&self) -> bool {
        self.others.is_empty()
    }

    /// Whether no message with QoS 0 waits.
    #[inline]
    pub(crate) const fn has_no_qos0(&self) -> bool {
        self.qos0_messages == 0
    }

    /// How many messages with QoS 0 wait, and their bytes.
    pub(crate) const fn qos0(&self) -> (u32, usize) {
        (self.qos0_messages, self.qos0_bytes)
    }

    #[inline]
    fn push(&mut self, waiting: QueuedMessage) {
        self.messages += 1;
        self.bytes += waiting.size();
        if waiting.qos == Qos::AtMostOnce {
            self.qos0_messages += 1;
            self.qos0_bytes += waiting.size();
        }
        if waiting.expires_at != Instant::NEVER {
            self.expiring.insert((waiting.expires_at, waiting.token));
        }
        let queue = self.queue(waiting.qos);
        if queue.len() == queue.capacity() {
            queue.reserve_exact(growth_step(queue.len()));
        }
        queue.push_back(Place::Taken(waiting));
    }

    /// The next message to send: the oldest, or, if only QoS 0 may be sent, the oldest with QoS 0.
    #[inline]
    pub(crate) fn next(&self, only_qos0: bool) -> Option<&QueuedMessage> {
        let qos0 = self.qos0.front().and_then(Place::look);
        if only_qos0 {
            return qos0;
        }
        let other = self.others.front().and_then(Place::look);
        match (qos0, other) {
            (Some(qos0), Some(other)) if qos0.token < other.token => Some(qos0),
            (qos0, other) => other.or(qos0),
        }
    }

    #[inline]
    fn pop(&mut self, qos: Qos) -> Option<QueuedMessage> {
        let queue = self.queue(qos);
        // [MQTT-4.6.0-6] [MQTT3-4.6.0-5]
        let taken = fault!("MQTT-4.6.0-6", queue.pop_front(), queue.pop_back())?.take()?;
        self.taken(&taken);
        Some(taken)
    }

    /// Whether a message expires one day.
    #[inline]
    #[cfg(feature = "persistence")]
    pub(crate) fn may_expire(&self) -> bool {
        !self.expiring.is_empty()
    }

    /// When the next message expires.
    #[inline]
    pub(crate) fn next_expiry(&self) -> Instant {
        self.expiring
            .first()
            .map_or(Instant::NEVER, |&(expires_at, _)| expires_at)
    }

    fn take_expired(&mut self, now: Instant) -> Option<QueuedMessage> {
        let &(expires_at, token) = self.expiring.first()?;
        if expires_at > now || fault!("MQTT-3.3.2-5") {
            return None;
        }
        self.remove(token)
    }

    fn clamp(&mut self, now: Instant) {
        if self.expiring.is_empty() {
            return;
        }
        self.expiring.clear();
        for place in self.qos0.iter_mut().chain(&mut self.others) {
            if let Place::Taken(queued) = place {
                queued.expires_at = message_expiry(now, &queued.message, queued.expires_at);
                if queued.expires_at != Instant::NEVER {
                    self.expiring.insert((queued.expires_at, queued.token));
                }
            }
        }
    }

    fn remove(&mut self, token: Token) -> Option<QueuedMessage> {
        let taken = [&mut self.qos0, &mut self.others]
            .into_iter()
            .find_map(|queue| {
                let position = queue.binary_search_by_key(&token, Place::token).ok()?;
                let place = queue.get_mut(position)?;
                core::mem::replace(place, Place::Empty(token)).take()
            })?;
        self.taken(&taken);
        Some(taken)
    }

    /// All that wait with QoS 1 and 2, in order.
    #[cfg(feature = "persistence")]
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = &QueuedMessage> {
        self.others.iter().filter_map(Place::look)
    }

    /// All that wait.
    pub(crate) fn all(&self) -> impl Iterator<Item = &QueuedMessage> {
        self.others.iter().chain(&self.qos0).filter_map(Place::look)
    }

    /// The message with QoS 1 or 2 that waits and has this token.
    #[cfg(feature = "persistence")]
    pub(crate) fn find(&self, token: Token) -> Option<&QueuedMessage> {
        let found = self.others.binary_search_by_key(&token, Place::token);
        let place = found.ok().and_then(|position| self.others.get(position));
        place.and_then(Place::look)
    }

    /// All that wait, those with QoS 1 and 2 first, in order.
    pub(crate) fn unsettled(&self) -> impl Iterator<Item = Unsettled<'_>> {
        let others = fault!(
            "unsettled without what waits",
            self.others.iter(),
            Default::default()
        );
        others
            .chain(&self.qos0)
            .filter_map(Place::look)
            .map(|it| Unsettled {
                token: it.token,
                kind: UnsettledKind::Message {
                    qos: it.qos,
                    message: Some(&it.message),
                    state: MessageState::Waiting,
                },
            })
    }

    fn shrink(&mut self) {
        for queue in [&mut self.qos0, &mut self.others] {
            // Not a queue that is mostly in use: the next message would make it grow again, and a
            // peer may send many PINGREQs.
            if queue.capacity() / 2 >= queue.len() {
                queue.shrink_to_fit();
            }
        }
    }

    fn queue(&mut self, qos: Qos) -> &mut Queue {
        match qos {
            Qos::AtMostOnce => &mut self.qos0,
            _ => &mut self.others,
        }
    }

    fn taken(&mut self, taken: &QueuedMessage) {
        self.messages -= 1;
        self.bytes -= taken.size();
        if taken.qos == Qos::AtMostOnce {
            self.qos0_messages -= 1;
            self.qos0_bytes -= taken.size();
        }
        if taken.expires_at != Instant::NEVER {
            self.expiring.remove(&(taken.expires_at, taken.token));
        }
        // Empty places go when they come to the front, or when they are the most.
        let many = 2 * self.messages as usize + 8;
        for queue in [&mut self.qos0, &mut self.others] {
            while matches!(queue.front(), Some(Place::Empty(_))) {
                queue.pop_front();
            }
            if queue.len() > many {
                queue.retain(|place| place.look().is_some());
            }
        }
    }
}
