//! Equality of stores and cursors.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use super::RetainedStore;

/// What the sequence numbers of a store and of its open cursors mean, without the numbers: which
/// cursor passes over which message.
///
/// Two stores can behave alike although one has run for longer and its numbers are higher. So `Eq`
/// and `Hash` of [`RetainedStore`] and [`Cursor`](super::Cursor) leave the numbers out. While no
/// cursor is open, that is all: equal stores behave alike. An owner that is compared while cursors
/// are open compares their ranks, and the stores by [`RetainedStore::eq_ranked`]. Ranks count from
/// 0 without gaps, so an owner whose states repeat has only finitely many of them.
///
/// ```
/// # use mqtt5_session_fsm::broker::retained::{RetainedLimits, RetainedStore};
/// # use mqtt5_session_fsm::codec::{Message, Qos, TopicFilter};
/// # use mqtt5_session_fsm::Instant;
/// # let (now, never) = (Instant::ORIGIN, Instant::NEVER);
/// # let filter = TopicFilter::new("#")?;
/// # let message = Message::of("a", b"on")?;
/// # let retain = |store: &mut RetainedStore| {
/// #     let changes = store.retain(now, message.clone(), Qos::AtLeastOnce, never, None, None);
/// #     assert!(changes.is_ok_and(|it| it.stored.is_some()));
/// # };
/// let mut early = RetainedStore::new(RetainedLimits::default());
/// let mut late = early.clone();
/// let early_cursor = early.cursor(filter);
/// retain(&mut early); // The cursor passes over it.
/// retain(&mut late);
/// let late_cursor = late.cursor(filter); // This one finds it.
/// assert!(early == late && early_cursor == late_cursor);
///
/// let early_ranks = early.ranks([early_cursor.sequence()]);
/// let late_ranks = late.ranks([late_cursor.sequence()]);
/// assert!(!early.eq_ranked(&early_ranks, &late, &late_ranks));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Ranks {
    /// The highest number of each rank that cursors have.
    cursors: Vec<u64>,
}

impl Ranks {
    const NONE: Ranks = Ranks {
        cursors: Vec::new(),
    };

    /// Returns the rank of a message or of an open cursor by its sequence number. A cursor passes
    /// over a message exactly if the rank of the message is higher.
    #[must_use]
    pub fn of(&self, sequence: u64) -> usize {
        self.cursors.partition_point(|&cursor| cursor < sequence)
    }
}

impl RetainedStore {
    /// Returns the ranks of all messages and of all open cursors, whose
    /// [sequence numbers](super::Cursor::sequence) the owner gives in any order. With n messages
    /// and k cursors it takes time (n + k) log k, and memory for k numbers.
    #[must_use]
    pub fn ranks(&self, cursors: impl IntoIterator<Item = u64>) -> Ranks {
        let mut cursors: Vec<u64> = cursors.into_iter().collect();
        cursors.sort_unstable();
        cursors.dedup();
        // Cursors with no message between them pass over the same messages.
        let mut message_below = alloc::vec![false; cursors.len()];
        for retained in self.iter() {
            let number = retained.sequence.max(retained.overtaken);
            let above = cursors.partition_point(|&cursor| cursor < number);
            if let Some(below) = message_below.get_mut(above) {
                *below = true;
            }
        }
        let last_of_its_rank = |at: usize| message_below.get(at + 1).copied().unwrap_or(true);
        let kept = cursors.iter().enumerate();
        Ranks {
            cursors: kept
                .filter_map(|(at, &cursor)| last_of_its_rank(at).then_some(cursor))
                .collect(),
        }
    }

    /// Returns whether two stores behave alike, to cursors of the same ranks, too.
    #[must_use]
    pub fn eq_ranked(&self, ranks: &Ranks, other: &Self, other_ranks: &Ranks) -> bool {
        self.limits() == other.limits()
            && self.len() == other.len()
            && self.ranked(ranks).eq(other.ranked(other_ranks))
    }

    /// Feeds a hasher what [`eq_ranked`](Self::eq_ranked) compares.
    pub fn hash_ranked<H: Hasher>(&self, ranks: &Ranks, state: &mut H) {
        self.limits().hash(state);
        self.len().hash(state);
        for message in self.ranked(ranks) {
            message.hash(state);
        }
    }

    fn ranked(&self, ranks: &Ranks) -> impl Iterator<Item = impl Hash + PartialEq> {
        self.iter().map(|it| {
            // Only the later one matters.
            let rank = ranks.of(it.sequence.max(it.overtaken));
            (
                &it.message,
                it.expires_at,
                it.body,
                it.qos,
                &it.publisher,
                rank,
            )
        })
    }
}

impl PartialEq for RetainedStore {
    fn eq(&self, other: &Self) -> bool {
        self.eq_ranked(&Ranks::NONE, other, &Ranks::NONE)
    }
}

impl Eq for RetainedStore {}

impl Hash for RetainedStore {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash_ranked(&Ranks::NONE, state);
    }
}
