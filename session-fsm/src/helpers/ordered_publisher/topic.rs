//! What the application decides about a whole topic.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{FullBecause, Held, OrderedPublisher, QueueFull, State};
use crate::Token;

impl<P> OrderedPublisher<P> {
    /// Takes a publication that a restored Session still holds, so that publications to its topic
    /// wait for its outcome. It must be called before anything is pushed to the topic.
    ///
    /// ```
    /// use mqtt5_session_fsm::ordered_publisher::{OrderedPublisher, OrderedPublisherSettings};
    /// use mqtt5_session_fsm::{Publication, Session, SessionConfig, UnsettledKind};
    ///
    /// # let session = Session::of_client(SessionConfig::default()); // as if restored
    /// let mut publisher = OrderedPublisher::new(OrderedPublisherSettings::default());
    /// for unsettled in session.unsettled() {
    ///     // One without a message has reached the peer already.
    ///     if let UnsettledKind::Message { qos, message: Some(message), .. } = unsettled.kind {
    ///         let publication = Publication::new(qos, message.clone());
    ///         let topic = message.topic().as_str();
    ///         publisher.adopt(topic, message.size(), publication, unsettled.token)?;
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueueFull`]; with [`FullBecause::NotFirst`] if the topic has publications, or if the token
    /// is in use.
    pub fn adopt(
        &mut self,
        topic: &str,
        size: usize,
        publication: P,
        token: Token,
    ) -> Result<(), QueueFull<P>> {
        let room = if self.topics.contains_key(topic) || self.in_flight.contains_key(&token) {
            Err(FullBecause::NotFirst)
        } else {
            self.room(topic, size)
        };
        if let Err(because) = room {
            return Err(QueueFull {
                because,
                publication,
            });
        }
        let topic: Arc<str> = topic.into();
        self.in_flight.insert(token, topic.clone());
        self.insert(topic, Held { publication, size }, State::InFlight(token));
        Ok(())
    }

    /// Goes on with a topic that was stopped: its first publication has all its attempts again.
    /// Returns whether it was stopped.
    pub fn resume(&mut self, topic: &str) -> bool {
        let name = match self.topics.get_key_value(topic) {
            Some((name, topic)) if topic.state == State::Stopped => name.clone(),
            _ => return false,
        };
        let state = self.turn(&name);
        if let Some(topic) = self.topics.get_mut(&name) {
            topic.state = state;
            topic.attempts = 0;
            topic.delay.reset();
        }
        true
    }

    /// Takes all publications of a topic out, in their order, except one in flight: its outcome is
    /// still to come. The topic is no longer stopped.
    pub fn clear(&mut self, topic: &str) -> Vec<P> {
        let Some((name, mut cleared)) = self.topics.remove_entry(topic) else {
            return Vec::new();
        };
        let in_flight = match cleared.state {
            State::InFlight(_) => cleared.queue.pop_front(),
            State::Ready(turn) => {
                self.ready.remove(&turn);
                None
            }
            State::Delayed(at) => {
                self.delayed.remove(&(at, name.clone()));
                None
            }
            State::Stopped => None,
        };
        self.held -= cleared.queue.len();
        self.bytes -= cleared.queue.iter().map(|held| held.size).sum::<usize>();
        let publications = core::mem::take(&mut cleared.queue);
        match in_flight {
            Some(held) => {
                cleared.queue.push_back(held);
                self.topics.insert(name, cleared);
            }
            None => self.bytes -= name.len(),
        }
        publications
            .into_iter()
            .map(|held| held.publication)
            .collect()
    }

    /// Returns the topics that are stopped.
    pub fn stopped(&self) -> impl Iterator<Item = &str> {
        let topics = self.topics.iter();
        topics
            .filter(|(_, topic)| topic.state == State::Stopped)
            .map(|(name, _)| &**name)
    }
}
