//! The messages that are on their way: each counts once, however many Sessions hold it.

use core::num::NonZeroU64;

use hashbrown::HashTable;

#[derive(Clone, Copy, Debug)]
struct Body {
    number: NonZeroU64,
    references: u64,
    bytes: usize,
    /// Whether it was stored.
    recorded: bool,
    /// The last snapshot that contains it.
    snapshot: u64,
}

/// What is left of a message when one holder less has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Others hold it.
    Held,
    /// Nobody does.
    Nothing,
    /// Nobody does, but it was stored.
    Record,
}

/// How many places are kept however few messages there are.
const SMALL: usize = 256;

/// The messages by their numbers, which are never used again.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    /// The one that came last, if it is held: most messages are over before the next one comes.
    recent: Option<Body>,
    /// Those before it that are held.
    held: HashTable<Body>,
    last: u64,
    /// The number of the last snapshot.
    snapshots: u64,
    bytes: u64,
}

impl Bodies {
    pub(super) const fn new() -> Self {
        Bodies {
            recent: None,
            held: HashTable::new(),
            last: 0,
            snapshots: 0,
            bytes: 0,
        }
    }

    /// The bytes of all messages that are held.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What a message is charged with.
    pub(super) fn bytes_of(&self, number: NonZeroU64) -> usize {
        self.find(number).map_or(0, |body| body.bytes)
    }

    fn find(&self, number: NonZeroU64) -> Option<&Body> {
        let is_it = |body: &Body| body.number == number;
        let recent = self.recent.as_ref().filter(|body| is_it(body));
        recent.or_else(|| self.held.find(Self::hash(number), is_it))
    }

    #[inline]
    fn find_mut(&mut self, number: NonZeroU64) -> Option<&mut Body> {
        match &mut self.recent {
            Some(body) if body.number == number => Some(body),
            _ => {
                let is_it = |body: &Body| body.number == number;
                self.held.find_mut(Self::hash(number), is_it)
            }
        }
    }

    /// No client chooses the numbers, so anything will do that spreads those that follow each other.
    const fn hash(number: NonZeroU64) -> u64 {
        number.get().wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// A message of this size, which the caller holds.
    pub(super) fn begin(&mut self, bytes: usize) -> NonZeroU64 {
        // More than 500 years at a thousand million messages a second.
        self.last += 1;
        let number = NonZeroU64::MIN.saturating_add(self.last - 1);
        self.insert(Body {
            number,
            references: 1,
            bytes,
            recorded: false,
            snapshot: 0,
        });
        number
    }

    #[inline]
    fn insert(&mut self, body: Body) {
        self.bytes += body.bytes as u64;
        if let Some(former) = self.recent {
            self.put_aside(former);
        }
        self.recent = Some(body);
    }

    #[inline(never)]
    fn put_aside(&mut self, body: Body) {
        let rehash = |body: &Body| Self::hash(body.number);
        self.held.insert_unique(rehash(&body), body, rehash);
    }

    /// The number of the last message.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// Goes on behind this number.
    pub(super) fn continue_from(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// A message that is stored under this number, which the caller holds.
    pub(super) fn restore(&mut self, number: NonZeroU64, bytes: usize) {
        self.last = self.last.max(number.get());
        self.insert(Body {
            number,
            references: 1,
            bytes,
            recorded: true,
            snapshot: 0,
        });
    }

    /// Charges what someone needs beside a message.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Gives back what [`Bodies::charge`] has charged.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes as u64);
    }

    /// Someone else holds the message, too.
    pub(super) fn hold(&mut self, number: NonZeroU64) {
        self.hold_for(number, 1);
    }

    /// So many others hold the message, too.
    pub(super) fn hold_for(&mut self, number: NonZeroU64, holders: usize) {
        if let Some(body) = self.find_mut(number) {
            body.references += holders as u64;
        }
    }

    /// Notes that the message is stored. Returns whether it was not.
    pub(super) fn record(&mut self, number: NonZeroU64) -> bool {
        let body = self.find_mut(number);
        body.is_some_and(|body| !core::mem::replace(&mut body.recorded, true))
    }

    /// Begins a snapshot.
    pub(super) fn begin_snapshot(&mut self) -> u64 {
        self.snapshots += 1;
        self.snapshots
    }

    /// Whether this snapshot does not contain the message, which it does from now on.
    pub(super) fn is_new_in(&mut self, number: NonZeroU64, snapshot: u64) -> bool {
        let body = self.find_mut(number);
        body.is_some_and(|body| core::mem::replace(&mut body.snapshot, snapshot) != snapshot)
    }

    /// So many who held the message do so no more.
    #[inline]
    pub(super) fn release(&mut self, number: NonZeroU64, holders: usize) -> Left {
        match self.find_mut(number) {
            Some(body) if body.references > holders as u64 => {
                body.references -= holders as u64;
                Left::Held
            }
            Some(_) => self.end(number),
            None => Left::Held,
        }
    }

    /// Nobody holds the message any more.
    #[inline(never)]
    fn end(&mut self, number: NonZeroU64) -> Left {
        let Some(body) = self.remove(number) else {
            return Left::Held;
        };
        self.bytes -= body.bytes as u64;
        match body.recorded {
            true => Left::Record,
            false => Left::Nothing,
        }
    }

    fn remove(&mut self, number: NonZeroU64) -> Option<Body> {
        let is_it = |body: &Body| body.number == number;
        if let Some(recent) = self.recent.take_if(|body| is_it(body)) {
            return Some(recent);
        }
        let entry = self.held.find_entry(Self::hash(number), is_it).ok()?;
        let (body, _) = entry.remove();
        self.shrink();
        Some(body)
    }

    /// Gives memory back after many messages. Not all of it: some are always on their way.
    fn shrink(&mut self) {
        let used = self.held.len();
        if self.held.capacity() > 8 * used.max(SMALL / 8) {
            self.held
                .shrink_to(2 * used, |body| Self::hash(body.number));
        }
    }
}
