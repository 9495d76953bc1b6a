//! The walk over all messages that a Topic Filter matches.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

use mqtt5_codec::TopicFilter;

use super::RetainedMessage;
use super::key::{BEHIND, SEPARATOR};

/// A walk over the retained messages that a Topic Filter matches, as of the moment at which
/// [`RetainedStore::cursor`](super::RetainedStore::cursor) made it.
///
/// A cursor is a value that its owner keeps; the store does not know it. Dropping it ends the walk.
/// Whatever happens to the store between two steps, the walk returns each message that was stored
/// when it began, matches, has not expired, and was neither replaced nor removed since then, once
/// and in the order of the keys.
///
/// To record a cursor, record [`filter`](Self::filter), [`position`](Self::position) and
/// [`sequence`](Self::sequence);
/// [`RetainedStore::restore_cursor`](super::RetainedStore::restore_cursor) takes them again.
///
/// Its memory is limited by its filter and by the longest Topic Name that it met: less than 512
/// KiB, usually about a hundred bytes.
///
/// `Eq` and `Hash` leave out the sequence number: see [`Ranks`](super::Ranks).
#[derive(Clone)]
pub struct Cursor {
    filter: Box<str>,
    /// Everything that matches and has a smaller key is done.
    position: Vec<u8>,
    ended: bool,
    sequence: u64,
}

/// What [`RetainedStore::next`](super::RetainedStore::next) found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "says whether there is more"]
pub enum Step<'a> {
    /// The next message. The cursor stands behind it.
    Found(&'a RetainedMessage),
    /// The budget is used up, and there may be more messages. The cursor has moved on.
    OutOfBudget,
    /// There are no more messages. A further call returns the same, and costs nothing.
    End,
}

impl Cursor {
    /// Creates a cursor before the first key that may match.
    pub(super) fn new(filter: TopicFilter<'_>, sequence: u64) -> Self {
        let mut cursor = Cursor {
            filter: filter.as_str().into(),
            position: Vec::with_capacity(filter.len()),
            // Retained messages are not sent for Shared Subscriptions (section 4.8.2).
            ended: filter.is_shared(),
            sequence,
        };
        let mut levels = filter.levels();
        if let (false, Some(first)) = (cursor.ended, levels.next()) {
            append_first(&mut cursor.position, first, levels);
        }
        cursor
    }

    /// Creates a cursor at a position.
    pub(super) fn at(filter: TopicFilter<'_>, position: Option<&[u8]>, sequence: u64) -> Self {
        Cursor {
            filter: filter.as_str().into(),
            position: position.unwrap_or_default().into(),
            ended: position.is_none(),
            sequence,
        }
    }

    /// Returns the Topic Filter.
    #[must_use]
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Returns the smallest key that the cursor has not passed, `None` at the end. It is a Topic
    /// Name, or a part of one, with 0x00 in place of `/`; 0x01 may stand at its end.
    #[must_use]
    pub fn position(&self) -> Option<&[u8]> {
        (!self.ended).then_some(&*self.position)
    }

    /// Returns the highest number that the store had given to a message when the cursor was made.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns whether there are no more messages.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether a message is older than the cursor, and was not sent for it before its turn.
    pub(super) const fn finds(&self, retained: &RetainedMessage) -> bool {
        retained.sequence <= self.sequence && retained.overtaken <= self.sequence
    }

    /// Moves to a key that was passed.
    pub(super) fn move_back(&mut self, key: &[u8]) {
        self.ended = false;
        self.position.clear();
        self.position.extend_from_slice(key);
    }

    /// There are no more messages.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.position = Vec::new();
    }

    /// Returns whether the filter matches a key, and moves on: to the smallest key behind it that
    /// the filter may match.
    pub(super) fn look_at(&mut self, key: &[u8]) -> bool {
        // [MQTT-4.7.2-1]
        if self.filter.starts_with(['+', '#'])
            && key.first() == Some(&b'$')
            && !fault!("MQTT-4.7.2-1 retained")
        {
            self.position.clear();
            self.position.push(b'$' + 1);
            return false;
        }
        // Where the last level ends that may be another one.
        let mut free = None;
        let mut start = 0;
        let mut levels = self.filter.split('/');
        while let Some(wanted) = levels.next() {
            if wanted == "#" {
                move_to(&mut self.position, key, SEPARATOR);
                return true;
            }
            let Some(rest) = key.get(start..) else {
                // It has fewer levels than the filter; what matches is below it.
                move_to(&mut self.position, key, SEPARATOR);
                append_first(&mut self.position, wanted, levels);
                return false;
            };
            let length = rest.iter().position(|&byte| byte == SEPARATOR);
            let level = length.and_then(|at| rest.get(..at)).unwrap_or(rest);
            let end = start + level.len();
            if wanted == "+" {
                free = Some(end);
            } else {
                match level.cmp(wanted.as_bytes()) {
                    Ordering::Equal => {}
                    Ordering::Less => {
                        self.position.clear();
                        let before = key.get(..start).unwrap_or_default();
                        self.position.extend_from_slice(before);
                        append_first(&mut self.position, wanted, levels);
                        return false;
                    }
                    Ordering::Greater => {
                        self.pass(key, free);
                        return false;
                    }
                }
            }
            start = end + 1;
        }
        self.pass(key, free);
        start > key.len()
    }

    /// No other key with these levels up to `free` matches.
    fn pass(&mut self, key: &[u8], free: Option<usize>) {
        match free.and_then(|end| key.get(..end)) {
            Some(levels) => move_to(&mut self.position, levels, BEHIND),
            None => self.end(),
        }
    }
}

impl PartialEq for Cursor {
    fn eq(&self, other: &Self) -> bool {
        (&self.filter, self.position()) == (&other.filter, other.position())
    }
}

impl Eq for Cursor {}

impl Hash for Cursor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.filter, self.position()).hash(state);
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As a Topic Name, with a mark where the position is behind a level.
        let position = self.position().map(|position| {
            let readable = |&byte: &u8| match byte {
                SEPARATOR => b'/',
                BEHIND => b'>',
                byte => byte,
            };
            let bytes: Vec<u8> = position.iter().map(readable).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        formatter
            .debug_struct("Cursor")
            .field("filter", &self.filter)
            .field("position", &position)
            .field("sequence", &self.sequence)
            .finish()
    }
}

fn move_to(position: &mut Vec<u8>, levels: &[u8], end: u8) {
    position.clear();
    position.reserve(levels.len() + 1);
    position.extend_from_slice(levels);
    position.push(end);
}

/// Appends the smallest levels that these of a filter match. That of `+` is empty; for `#` it is
/// the parent.
fn append_first<'a>(position: &mut Vec<u8>, level: &'a str, others: impl Iterator<Item = &'a str>) {
    let append = |position: &mut Vec<u8>, level: &str| {
        if !matches!(level, "+" | "#") {
            position.extend_from_slice(level.as_bytes());
        }
    };
    append(position, level);
    for level in others.take_while(|&level| level != "#") {
        position.push(SEPARATOR);
        append(position, level);
    }
}
