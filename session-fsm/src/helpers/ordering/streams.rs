//! The streams that are followed, and which of them was silent for the longest time.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::stream::Stream;
use crate::exchange::linked_list::{Linked, Links, List};

/// Streams in places, which are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Streams<M> {
    /// By topic and publisher.
    places: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u16>>,
    slots: Vec<Slot<M>>,
    free: Vec<u16>,
    /// The one that was silent for the longest time first.
    by_use: List,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Slot<M> {
    links: Links,
    stream: Option<Stream<M>>,
}

impl<M> Linked for Slot<M> {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn next(&self) -> u16 {
        self.links.next()
    }
}

impl<M> Streams<M> {
    pub(super) fn new() -> Self {
        Streams {
            places: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            by_use: List::default(),
        }
    }

    pub(super) const fn len(&self) -> u16 {
        self.by_use.len()
    }

    pub(super) fn find(&self, topic: &str, publisher: &str) -> Option<u16> {
        self.places.get(topic)?.get(publisher).copied()
    }

    pub(super) fn get_mut(&mut self, place: u16) -> Option<&mut Stream<M>> {
        self.slot(place)?.stream.as_mut()
    }

    /// The stream that was silent for the longest time.
    pub(super) fn oldest(&self) -> Option<u16> {
        match self.by_use.first() {
            0 => None,
            place => Some(place),
        }
    }

    /// A message came for a stream.
    pub(super) fn touch(&mut self, place: u16) {
        self.by_use.remove(&mut self.slots, place);
        self.by_use.push(&mut self.slots, place);
    }

    /// Topic and publisher as they are shared by what names them.
    pub(super) fn names(&self, topic: &str, publisher: &str) -> (Arc<str>, Arc<str>) {
        let topic = match self.places.get_key_value(topic) {
            Some((topic, _)) => topic.clone(),
            None => topic.into(),
        };
        (topic, publisher.into())
    }

    /// Takes a stream that is not there. There are fewer than 65,535.
    pub(super) fn insert(&mut self, stream: Stream<M>) -> u16 {
        let (topic, publisher) = (stream.topic.clone(), stream.publisher.clone());
        let place = match self.free.pop() {
            Some(place) => {
                if let Some(slot) = self.slot(place) {
                    slot.stream = Some(stream);
                }
                place
            }
            None => {
                self.slots.push(Slot {
                    links: Links::NONE,
                    stream: Some(stream),
                });
                self.slots.len() as u16
            }
        };
        self.by_use.push(&mut self.slots, place);
        let publishers = self.places.entry(topic).or_default();
        publishers.insert(publisher, place);
        place
    }

    pub(super) fn remove(&mut self, place: u16) -> Option<Stream<M>> {
        let stream = self.slot(place)?.stream.take()?;
        self.by_use.remove(&mut self.slots, place);
        self.free.push(place);
        if let Some(publishers) = self.places.get_mut(&stream.topic) {
            publishers.remove(&stream.publisher);
            if publishers.is_empty() {
                self.places.remove(&stream.topic);
            }
        }
        Some(stream)
    }

    fn slot(&mut self, place: u16) -> Option<&mut Slot<M>> {
        self.slots.get_mut(usize::from(place).checked_sub(1)?)
    }
}
