//! What goes in and comes out: messages, members that were chosen, messages that were dropped.

use mqtt5_codec::Qos;

use super::{GroupNumber, Subscriber};
use crate::Instant;

/// A message for a group.
///
/// `M` is what the owner keeps of it: a shared message, or the number of one. The groups return
/// each one that they have taken: to the member that was chosen, from
/// [`settle`](super::Groups::settle), or as dropped. So an owner can count references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupMessage<M> {
    /// What the owner keeps of it.
    pub message: M,
    /// How many bytes it counts while it waits.
    pub size: usize,
    /// The QoS with which it was published. It keeps it until a member is chosen, so the QoS that
    /// one member was granted does not lower that of another [MQTT-4.8.2-3].
    pub qos: Qos,
    /// The time at which its Message Expiry Interval has passed (section 3.3.2.3.3);
    /// [`Instant::NEVER`] if it has none.
    pub expires_at: Instant,
}

impl<M> GroupMessage<M> {
    /// The same, with a reference to what the owner keeps.
    pub const fn as_ref(&self) -> GroupMessage<&M> {
        GroupMessage {
            message: &self.message,
            size: self.size,
            qos: self.qos,
            expires_at: self.expires_at,
        }
    }
}

/// A message, and the member that gets it.
///
/// The owner sends it with the lower one of the message's QoS and the one that the member was
/// granted [MQTT-4.8.2-3], and calls [`delivered`](super::Groups::delivered) if that is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "the message is lost if nobody sends it"]
pub struct Handed<V, M> {
    /// The member.
    pub member: Subscriber,
    /// The member's value in this group, such as its granted QoS.
    pub value: V,
    /// The group.
    pub group: GroupNumber,
    /// The number of the message: messages of all groups have ascending ones.
    pub position: u64,
    /// The message.
    pub message: GroupMessage<M>,
    /// Whether it has waited in the group's queue until now.
    pub was_queued: bool,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "the message is lost if nobody sends it"]
pub enum Routed<V, M> {
    /// This member gets it.
    Handed(Handed<V, M>),
    /// It waits in the group's queue, with this position.
    Queued(u64),
    /// It was not taken, or not kept.
    Dropped(GroupMessage<M>, DropReason),
}

/// Why a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue was full: of the group, or of all groups.
    QueueFull,
    /// It has QoS 0, and all members are away.
    MembersAway,
    /// Its Message Expiry Interval has passed [MQTT-3.3.2-5].
    Expired,
    /// The last member has left the group, which deletes its messages (section 4.8.2).
    GroupEnded,
}

/// A message that waited and was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dropped<'g, M> {
    /// The filter of the group.
    pub filter: &'g str,
    /// The number of the group; if the group has ended, it stands for no other until the next call.
    pub group: GroupNumber,
    /// The position with which the message waited.
    pub position: u64,
    /// The message.
    pub message: GroupMessage<M>,
    /// The reason.
    pub reason: DropReason,
}
