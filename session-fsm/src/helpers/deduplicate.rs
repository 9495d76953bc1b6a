//! Recognizes messages that were seen before.

mod fingerprint;

use alloc::collections::BTreeMap;
use core::fmt;
use core::time::Duration;

use self::fingerprint::fingerprint;
use crate::Instant;

/// Recognizes messages by a key that the application gives them. With it, QoS 1, at least once, is
/// as good as once (section 4.3.2).
///
/// A Packet Identifier is no such key, because it is reused. DUP is none, because it says nothing
/// about the message (section 3.3.1.1). A good key is a User Property or a part of the payload that
/// the sender makes unique, together with the name of the sender.
///
/// # Contract
///
/// * A key is known from the first [`check`](Self::check) until it was not seen for the length of
///   the window; without a window, as long as there is room.
/// * At most `limit` keys are known. The least recently seen key makes room for a new one. If its
///   window had not passed, this is [counted](Self::forgotten): a message with that key would count
///   as new.
/// * **Keys are stored as fingerprints of 128 bits**, so each takes about a hundred bytes, whatever
///   its length. A collision, by which a new message would be taken for a duplicate, is not
///   expected: with a million known keys, its chance is below 1 in 10^32 for each new key. This
///   also holds against senders that search for collisions, as long as they do not know the
///   `secret`: the fingerprint is SipHash-2-4 under it. If all senders are trusted, any constant
///   will do.
///
/// All calls take logarithmic time in the limit, and time in the length of the key. Remembering a
/// key may allocate.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::deduplicate::{Deduplicator, Sighting};
/// use mqtt5_session_fsm::Instant;
///
/// # fn random_bytes() -> [u8; 16] { [0; 16] }
/// let secret = random_bytes(); // from the host's random source, once
/// let mut seen = Deduplicator::new(10_000, Duration::from_secs(300), secret);
///
/// let now = Instant::ORIGIN;
/// assert_eq!(seen.check(now, b"sensor-1:4711"), Sighting::First);
/// assert_eq!(seen.check(now, b"sensor-1:4711"), Sighting::Duplicate);
///
/// // Processing failed, the sender will send it again.
/// seen.forget(b"sensor-1:4711");
/// assert_eq!(seen.check(now, b"sensor-1:4711"), Sighting::First);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Deduplicator {
    secret: [u8; 16],
    limit: usize,
    window: Duration,
    /// When each was last seen.
    known: BTreeMap<u128, Seen>,
    /// The same in the order in which they were last seen.
    order: BTreeMap<u64, u128>,
    next_position: u64,
    duplicates: u64,
    forgotten: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Seen {
    position: u64,
    known_until: Instant,
}

/// Whether a key was known.
///
/// ```
/// use core::time::Duration;
/// use mqtt5_session_fsm::deduplicate::{Deduplicator, Sighting};
/// use mqtt5_session_fsm::Instant;
///
/// # fn random_bytes() -> [u8; 16] { [0; 16] }
/// let mut seen = Deduplicator::new(100, Duration::MAX, random_bytes());
/// if seen.check(Instant::ORIGIN, b"key") == Sighting::First {
///     // process the message
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "says whether to process the message"]
pub enum Sighting {
    /// It was not known, and is now.
    First,
    /// It was known.
    Duplicate,
}

impl Deduplicator {
    /// Creates a deduplicator that knows no key and takes no memory. With a `window` of
    /// [`Duration::MAX`], keys are forgotten only to make room; with a `limit` of 0, at once.
    #[must_use]
    pub const fn new(limit: usize, window: Duration, secret: [u8; 16]) -> Self {
        Deduplicator {
            secret,
            limit,
            window,
            known: BTreeMap::new(),
            order: BTreeMap::new(),
            next_position: 0,
            duplicates: 0,
            forgotten: 0,
        }
    }

    /// Returns whether the key is known, and makes it the most recently seen one. Any bytes are a
    /// key, also no bytes.
    pub fn check(&mut self, now: Instant, key: &[u8]) -> Sighting {
        self.check_fingerprint(now, self.fingerprint(key))
    }

    /// What is stored of a key.
    pub(crate) fn fingerprint(&self, key: &[u8]) -> u128 {
        fingerprint(&self.secret, key)
    }

    /// As [`check`](Self::check).
    pub(crate) fn check_fingerprint(&mut self, now: Instant, fingerprint: u128) -> Sighting {
        self.drop_outdated(now);
        let position = self.next_position;
        self.next_position = position.wrapping_add(1);
        let seen = Seen {
            position,
            known_until: now + self.window,
        };
        let earlier = self.known.insert(fingerprint, seen);
        self.order.insert(position, fingerprint);
        if let Some(earlier) = earlier {
            self.order.remove(&earlier.position);
            if now < earlier.known_until {
                self.duplicates = self.duplicates.saturating_add(1);
                return Sighting::Duplicate;
            }
        }
        if self.known.len() > self.limit {
            if let Some((_, oldest)) = self.order.pop_first() {
                self.known.remove(&oldest);
                self.forgotten = self.forgotten.saturating_add(1);
            }
        }
        Sighting::First
    }

    /// Returns whether the key is known, and changes nothing.
    #[must_use]
    pub fn is_known(&self, now: Instant, key: &[u8]) -> bool {
        self.knows_fingerprint(now, self.fingerprint(key))
    }

    /// As [`is_known`](Self::is_known).
    pub(crate) fn knows_fingerprint(&self, now: Instant, fingerprint: u128) -> bool {
        let seen = self.known.get(&fingerprint);
        seen.is_some_and(|seen| now < seen.known_until)
    }

    /// Forgets a key, so that the next message with it counts as new: use it if a message could not
    /// be processed. Returns whether the key was stored.
    pub fn forget(&mut self, key: &[u8]) -> bool {
        let seen = self.known.remove(&fingerprint(&self.secret, key));
        seen.is_some_and(|seen| self.order.remove(&seen.position).is_some())
    }

    /// Forgets all keys.
    pub fn clear(&mut self) {
        self.known.clear();
        self.order.clear();
    }

    /// Returns how many keys are stored; at most the limit. The next [`check`](Self::check) drops
    /// those that are outdated.
    #[must_use]
    pub fn stored(&self) -> usize {
        self.known.len()
    }

    /// Returns how many keys had to make room for new ones before their window had passed. If this
    /// number grows, the limit is too low for the traffic.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Returns how many duplicates were seen.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// From the least recently seen one on.
    fn drop_outdated(&mut self, now: Instant) {
        while let Some(oldest) = self.order.first_entry() {
            let seen = self.known.get(oldest.get());
            if seen.is_some_and(|seen| seen.known_until > now) {
                break;
            }
            let (_, fingerprint) = oldest.remove_entry();
            self.known.remove(&fingerprint);
        }
    }
}

/// Without the secret.
impl fmt::Debug for Deduplicator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Deduplicator")
            .field("limit", &self.limit)
            .field("window", &self.window)
            .field("known", &self.known)
            .field("duplicates", &self.duplicates)
            .field("forgotten", &self.forgotten)
            .finish_non_exhaustive()
    }
}
