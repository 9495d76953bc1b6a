//! Topic Aliases (sections 3.3.2.3.4, 3.3.4): one set of them for each direction of a Network
//! Connection.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU16;

use crate::SessionViolation;
use crate::bandwidth::{AliasSavings, Counted};
use crate::exchange::linked_list::{Linked, Links, List};

/// How Topic Aliases are used for messages whose [`Publication`](crate::Publication) names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TopicAliases {
    /// Not at all.
    #[default]
    Off,
    /// For each Topic Name, up to this many at a time and up to the peer's Topic Alias Maximum; the
    /// least recently used is replaced. Each takes the memory of its Topic Name.
    Automatic(NonZeroU16),
}

/// The aliases that the peer has set. Takes memory with the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Inbound(Option<Box<Topics>>);

impl Inbound {
    /// The peer gives an alias a Topic Name; all Topic Names together take no more than `limit`
    /// bytes.
    pub(super) fn set(
        &mut self,
        alias: NonZeroU16,
        topic: &str,
        maximum: u16,
        limit: usize,
    ) -> Result<(), SessionViolation> {
        let topics = self.0.get_or_insert_default();
        topics.set(alias, topic, maximum, limit)
    }

    /// The peer uses an alias.
    pub(super) fn topic(&self, alias: NonZeroU16, maximum: u16) -> Result<&str, SessionViolation> {
        match &self.0 {
            Some(topics) => topics.topic(alias, maximum),
            None => {
                check(alias, maximum)?;
                Err(SessionViolation::TopicAliasUnknown)
            }
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Topics {
    /// The Topic Name of alias n is at n - 1; empty if there is none.
    topics: Vec<String>,
    /// Of all Topic Names.
    bytes: usize,
}

impl Topics {
    fn set(
        &mut self,
        alias: NonZeroU16,
        topic: &str,
        maximum: u16,
        limit: usize,
    ) -> Result<(), SessionViolation> {
        let alias = check(alias, maximum)?;
        let before = self.topics.get(alias - 1).map_or(0, String::len);
        let bytes = self.bytes - before + topic.len();
        if bytes > limit {
            return Err(SessionViolation::TopicAliasBytesExceeded);
        }
        self.bytes = bytes;
        if self.topics.len() < alias {
            self.topics.resize_with(alias, String::new);
        }
        if let Some(set) = self.topics.get_mut(alias - 1) {
            replace(set, topic);
        }
        Ok(())
    }

    fn topic(&self, alias: NonZeroU16, maximum: u16) -> Result<&str, SessionViolation> {
        let alias = check(alias, maximum)?;
        match self.topics.get(alias - 1) {
            Some(topic) if !topic.is_empty() => Ok(topic),
            _ => Err(SessionViolation::TopicAliasUnknown),
        }
    }
}

/// Puts another Topic Name in a place, whose memory is used again unless it is much too large.
fn replace(place: &mut String, topic: &str) {
    place.clear();
    if place.capacity() / 2 > topic.len() + 64 {
        *place = String::new();
    }
    place.push_str(topic);
}

fn check(alias: NonZeroU16, maximum: u16) -> Result<usize, SessionViolation> {
    // All up to the maximum are accepted, by both sides [MQTT-3.3.2-12].
    if alias.get() > maximum || fault!("MQTT-3.3.2-10") && alias.get() == maximum {
        Err(SessionViolation::TopicAliasTooLarge)
    } else {
        Ok(usize::from(alias.get()))
    }
}

/// An alias for a message that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alias {
    pub(super) number: NonZeroU16,
    /// The peer knows the Topic Name of it, which need not be sent.
    pub(super) known: bool,
}

/// The Topic Name of one alias; empty if there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Set {
    topic: String,
    links: Links,
}

impl Linked for Set {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn next(&self) -> u16 {
        self.links.next()
    }
}

/// The aliases that this side has set. Takes memory with the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Outbound(Option<Box<Sets>>);

impl Outbound {
    /// The alias for a Topic Name, of which up to `maximum` may be set: one that is set, a free
    /// one, or the least recently used. All Topic Names together take no more than `limit` bytes.
    /// Nothing changes before [`Outbound::sent`].
    pub(super) fn choose(&self, topic: &str, maximum: u16, limit: usize) -> Option<Alias> {
        self.look(|sets| sets.choose_within(topic, maximum, limit))
    }

    /// A certain alias for the Topic Name, if there is memory for it.
    pub(super) fn wanted(&self, topic: &str, number: NonZeroU16, limit: usize) -> Option<Alias> {
        self.look(|sets| {
            let alias = sets.wanted(topic, number);
            sets.fits(alias, topic, limit).then_some(alias)
        })
    }

    /// A PUBLISH with the alias was written. Returns what counts it.
    pub(super) fn sent(&mut self, alias: Alias, topic: &str) -> &mut Counted {
        let sets = self.0.get_or_insert_default();
        sets.sent(alias, topic);
        &mut sets.savings
    }

    /// What the aliases have saved.
    pub(super) fn savings(&self) -> AliasSavings {
        self.look(|sets| sets.savings.0)
    }

    fn look<T>(&self, look: impl FnOnce(&Sets) -> T) -> T {
        match &self.0 {
            Some(sets) => look(sets),
            None => look(&Sets::default()),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Sets {
    /// Alias n is at n - 1.
    sets: Vec<Set>,
    /// The aliases that are set, the least recently used first.
    by_use: List,
    /// The aliases that are set, in the order of their Topic Names.
    by_topic: Vec<NonZeroU16>,
    /// Of all Topic Names.
    bytes: usize,
    savings: Counted,
}

impl Sets {
    /// As [`Outbound::choose`], whatever it takes.
    fn choose(&self, topic: &str, maximum: u16) -> Option<Alias> {
        if let Ok(found) = self.search(topic) {
            return Some(Alias {
                number: *self.by_topic.get(found)?,
                known: true,
            });
        }
        let used = self.by_use.len();
        let number = if used < maximum && usize::from(used) == self.sets.len() {
            used + 1
        } else if used < maximum {
            // An application that chooses aliases itself leaves gaps.
            let free = self.sets.iter().position(|set| set.topic.is_empty())?;
            u16::try_from(free + 1).ok()?
        } else {
            self.by_use.first()
        };
        Some(Alias {
            number: NonZeroU16::new(number)?,
            known: false,
        })
    }

    fn choose_within(&self, topic: &str, maximum: u16, limit: usize) -> Option<Alias> {
        [maximum, self.by_use.len().min(maximum)]
            .into_iter()
            .filter_map(|maximum| self.choose(topic, maximum))
            .find(|alias| self.fits(*alias, topic, limit))
    }

    /// Whether there is memory for the Topic Name of an alias.
    fn fits(&self, alias: Alias, topic: &str, limit: usize) -> bool {
        let before = self.topic(alias.number).len();
        alias.known || self.bytes - before + topic.len() <= limit
    }

    /// Whether a certain alias stands for the Topic Name already.
    fn wanted(&self, topic: &str, number: NonZeroU16) -> Alias {
        let set = self.sets.get(usize::from(number.get()) - 1);
        Alias {
            number,
            known: set.is_some_and(|set| set.topic == topic),
        }
    }

    fn sent(&mut self, alias: Alias, topic: &str) {
        let identifier = alias.number.get();
        let position = usize::from(identifier) - 1;
        if self.sets.len() <= position {
            self.sets.resize_with(position + 1, Set::default);
        }
        let was_set = self
            .sets
            .get(position)
            .is_some_and(|set| !set.topic.is_empty());
        if was_set {
            self.by_use.remove(&mut self.sets, identifier);
        }
        self.by_use.push(&mut self.sets, identifier);
        if alias.known {
            return;
        }
        if was_set {
            self.forget(alias.number);
        }
        // Should two aliases stand for one Topic Name, one of them is found.
        if let Err(place) = self.search(topic) {
            self.by_topic.insert(place, alias.number);
        }
        if let Some(set) = self.sets.get_mut(position) {
            self.bytes = self.bytes - set.topic.len() + topic.len();
            replace(&mut set.topic, topic);
        }
    }

    fn forget(&mut self, number: NonZeroU16) {
        let topic = self.topic(number);
        if let Ok(found) = self.search(topic) {
            if self.by_topic.get(found) == Some(&number) {
                self.by_topic.remove(found);
            }
        }
    }

    fn search(&self, topic: &str) -> Result<usize, usize> {
        self.by_topic
            .binary_search_by(|&number| self.topic(number).cmp(topic))
    }

    fn topic(&self, number: NonZeroU16) -> &str {
        let set = self.sets.get(usize::from(number.get()) - 1);
        set.map_or("", |set| set.topic.as_str())
    }
}
