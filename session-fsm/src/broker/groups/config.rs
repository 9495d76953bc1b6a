//! Limits, what is returned when one is in the way, and what is counted.

use core::fmt;

use super::Policy;
use crate::WaitingLimits;
use crate::codec::ReasonCode;

/// How groups choose, and how large they may get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupsConfig {
    /// The policy of groups that are made from now on. Default: [`Policy::RoundRobin`].
    pub policy: Policy,
    /// How many groups. Each takes about 175 bytes, and its filter. Default: 100,000.
    pub groups: u32,
    /// How many bytes the filters of all groups may take. Default: 16 MiB.
    pub filter_bytes: usize,
    /// How many members one group may have. Default: 100,000.
    pub members: u32,
    /// How many memberships there may be in all groups. Each takes about 45 bytes, and a subscriber
    /// that is in a group about 50. Default: 1,000,000.
    pub memberships: u32,
    /// How much may wait in the queue of one group. A message that is given back is always taken,
    /// because it was there before. Default: [`WaitingLimits`], which has defaults of its own.
    pub waiting: WaitingLimits,
    /// How many messages may wait in all groups, those included that were dropped and that
    /// [`next_dropped`](super::Groups::next_dropped) has not returned. At this limit new messages
    /// are dropped, whatever `waiting` says. Each takes about 50 bytes beside its own. Default:
    /// 100,000.
    pub total_messages: u32,
    /// The same in bytes: the sum of the sizes. Default: 64 MiB.
    pub total_bytes: usize,
}

impl Default for GroupsConfig {
    fn default() -> Self {
        GroupsConfig {
            policy: Policy::RoundRobin,
            groups: 100_000,
            filter_bytes: 16 << 20,
            members: 100_000,
            memberships: 1_000_000,
            waiting: WaitingLimits::default(),
            total_messages: 100_000,
            total_bytes: 64 << 20,
        }
    }
}

/// A member was not added, and nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JoinError {
    /// The filter is not that of a Shared Subscription [MQTT-4.8.2-1].
    NotShared,
    /// There are as many groups as there may be.
    Groups,
    /// The filters of all groups would take too many bytes.
    FilterBytes,
    /// The group has as many members as it may have.
    Members,
    /// There are as many memberships as there may be.
    Memberships,
}

impl JoinError {
    /// Returns the Reason Code for the SUBACK.
    #[must_use]
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            JoinError::NotShared => ReasonCode::TopicFilterInvalid,
            _ => ReasonCode::QuotaExceeded,
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            JoinError::NotShared => "the filter is not that of a Shared Subscription",
            JoinError::Groups => "there is no room for another Shared Subscription",
            JoinError::FilterBytes => {
                "there is no room for the filter of another Shared Subscription"
            }
            JoinError::Members => "the Shared Subscription has no room for another member",
            JoinError::Memberships => {
                "there is no room for another member of a Shared Subscription"
            }
        })
    }
}

impl core::error::Error for JoinError {}

/// What has happened since the groups were made or restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GroupStatistics {
    /// Messages that a member got at once.
    pub handed: u64,
    /// Messages that were put into a queue.
    pub queued: u64,
    /// Messages that a member got from a queue.
    pub handed_from_queue: u64,
    /// Messages that were given back because their member's Session had ended.
    pub given_back: u64,
    /// Messages that were dropped because a queue was full.
    pub dropped_queue_full: u64,
    /// Messages with QoS 0 that were dropped because all members were away.
    pub dropped_members_away: u64,
    /// Messages that expired.
    pub dropped_expired: u64,
    /// Messages that were dropped because their group had ended.
    pub dropped_group_ended: u64,
}

impl GroupStatistics {
    pub(super) const fn dropped(&mut self, reason: super::DropReason) {
        let count = match reason {
            super::DropReason::QueueFull => &mut self.dropped_queue_full,
            super::DropReason::MembersAway => &mut self.dropped_members_away,
            super::DropReason::Expired => &mut self.dropped_expired,
            super::DropReason::GroupEnded => &mut self.dropped_group_ended,
        };
        *count += 1;
    }
}
