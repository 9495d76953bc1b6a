//! The messages of one publisher to one topic.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

use super::{Gap, Stamp};
use crate::Instant;

/// How many gaps of a stream are remembered, to tell a late message from a repeated one.
const REMEMBERED_GAPS: usize = 16;

/// Numbers wrap around, positions do not: they count from the number at which the stream began.
pub(super) type Position = u128;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Stream<M> {
    pub(super) topic: Arc<str>,
    pub(super) publisher: Arc<str>,
    pub(super) epoch: u64,
    last_number: u64,
    /// The number at position 0.
    first_number: u64,
    /// The position that is handed over next.
    next: Position,
    /// The highest position that came, with its number; `None` before the first.
    newest: Option<(Position, u64)>,
    /// Nothing is known of positions below this.
    known_from: Position,
    /// Positions that were given up, first and last of each gap, in their order.
    missing: VecDeque<(Position, Position)>,
    /// Above `next`.
    waiting: BTreeMap<Position, Waiting<M>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiting<M> {
    pub(super) message: M,
    pub(super) size: usize,
    /// How long it waits at most.
    pub(super) due: Instant,
}

/// Where a number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Next(Position),
    Ahead(Position),
    /// It came before, and waits.
    Waiting(Position),
    /// It came before, and was handed over.
    Repeated,
    Late,
    TooOld,
}

impl<M> Stream<M> {
    /// Begins with this number.
    pub(super) const fn new(
        topic: Arc<str>,
        publisher: Arc<str>,
        epoch: u64,
        last_number: u64,
        first_number: u64,
    ) -> Self {
        Stream {
            topic,
            publisher,
            epoch,
            last_number,
            first_number,
            next: 0,
            newest: None,
            known_from: 0,
            missing: VecDeque::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// Begins again with number 0. Nothing waits.
    pub(super) fn restart(&mut self, epoch: u64) {
        let (topic, publisher) = (self.topic.clone(), self.publisher.clone());
        *self = Stream::new(topic, publisher, epoch, self.last_number, 0);
    }

    /// Bytes that its names take.
    pub(super) fn name_bytes(&self) -> usize {
        self.topic.len() + self.publisher.len()
    }

    /// Whether this position is handed over next.
    pub(super) fn is_next(&self, position: Position) -> bool {
        position == self.next
    }

    /// Finds the place of a number, which is not above the last one. One that is late is late only
    /// once.
    pub(super) fn find(&mut self, stamp: &Stamp<'_>) -> Standing {
        let Some(position) = self.position(stamp.number) else {
            return Standing::TooOld;
        };
        if self.newest.is_none_or(|(newest, _)| newest < position) {
            self.newest = Some((position, stamp.number));
        }
        if position == self.next {
            Standing::Next(position)
        } else if position > self.next {
            if self.waiting.contains_key(&position) {
                Standing::Waiting(position)
            } else {
                Standing::Ahead(position)
            }
        } else if position < self.known_from {
            Standing::TooOld
        } else if self.fill(position) {
            Standing::Late
        } else {
            Standing::Repeated
        }
    }

    /// As near to the newest position as possible, ahead of it if both ways are equally long; `None`
    /// if that is before the beginning.
    fn position(&self, number: u64) -> Option<Position> {
        let modulus = u128::from(self.last_number) + 1;
        let distance = |from: u64| {
            let difference = u128::from(number) + modulus - u128::from(from);
            if difference >= modulus {
                difference - modulus
            } else {
                difference
            }
        };
        let Some((newest, newest_number)) = self.newest else {
            return Some(distance(self.first_number));
        };
        let ahead = distance(newest_number);
        if ahead <= modulus - ahead {
            newest.checked_add(ahead)
        } else {
            newest.checked_sub(modulus - ahead)
        }
    }

    fn number(&self, position: Position) -> u64 {
        let modulus = u128::from(self.last_number) + 1;
        let number = (position % modulus + u128::from(self.first_number)) % modulus;
        u64::try_from(number).unwrap_or(self.last_number)
    }

    /// Takes a position out of what is missing; whether it was.
    fn fill(&mut self, position: Position) -> bool {
        let index = self.missing.partition_point(|&(_, last)| last < position);
        let Some(&(first, last)) = self.missing.get(index) else {
            return false;
        };
        if position < first {
            return false;
        }
        self.missing.remove(index);
        if position < last {
            self.missing.insert(index, (position + 1, last));
        }
        if first < position {
            self.missing.insert(index, (first, position - 1));
        }
        self.forget_gaps();
        true
    }

    fn forget_gaps(&mut self) {
        while self.missing.len() > REMEMBERED_GAPS {
            if let Some((_, last)) = self.missing.pop_front() {
                self.known_from = last + 1;
            }
        }
    }

    /// The message at this position is handed over, and what is missing before it is given up.
    pub(super) fn advance(&mut self, position: Position) -> Option<Gap> {
        let first = core::mem::replace(&mut self.next, position + 1);
        if first >= position {
            return None;
        }
        self.missing.push_back((first, position - 1));
        self.forget_gaps();
        Some(Gap {
            topic: self.topic.clone(),
            publisher: self.publisher.clone(),
            epoch: self.epoch,
            first: self.number(first),
            last: self.number(position - 1),
            missing: u64::try_from(position - first).unwrap_or(u64::MAX),
        })
    }

    pub(super) fn wait(&mut self, position: Position, waiting: Waiting<M>) {
        self.waiting.insert(position, waiting);
    }

    pub(super) fn waiting_at(&mut self, position: Position) -> Option<&mut Waiting<M>> {
        self.waiting.get_mut(&position)
    }

    /// The position of the first message that waits.
    pub(super) fn first_waiting(&self) -> Option<Position> {
        self.waiting
            .first_key_value()
            .map(|(&position, _)| position)
    }

    /// Takes the first message that waits, if its turn has come or if it is not behind `through`.
    pub(super) fn take(&mut self, through: Option<Position>) -> Option<(Option<Gap>, Waiting<M>)> {
        let position = self.first_waiting()?;
        if position != self.next && through.is_none_or(|through| position > through) {
            return None;
        }
        let (position, waiting) = self.waiting.pop_first()?;
        Some((self.advance(position), waiting))
    }
}
