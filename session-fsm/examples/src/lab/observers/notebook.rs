//! What was heard: the messages that arrived, written down one by one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mqtt5_tokio::Qos;
use mqtt5_tokio::codec::Publish;
use tokio::sync::watch;

use super::recording::number_of;

/// A message that arrived.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Since the lab began.
    pub at: Duration,
    /// Its Topic Name.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Its QoS.
    pub qos: Qos,
    /// RETAIN.
    pub retain: bool,
    /// Its User Properties.
    pub user_properties: Vec<(String, String)>,
}

impl Heard {
    /// What is written down about a message.
    #[must_use]
    pub fn new(at: Duration, topic: &str, publish: &Publish<'_>) -> Self {
        let pairs = publish.properties.user_properties();
        Heard {
            at,
            topic: topic.to_owned(),
            payload: publish.payload.to_vec(),
            qos: publish.delivery.qos(),
            retain: publish.retain,
            user_properties: pairs
                .map(|it| (it.name.as_str().to_owned(), it.value.as_str().to_owned()))
                .collect(),
        }
    }

    /// The number that its payload begins with.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        number_of(&self.payload)
    }

    /// Its payload as text; empty if it is none.
    #[must_use]
    pub fn text(&self) -> &str {
        str::from_utf8(&self.payload).unwrap_or_default()
    }
}

/// Where messages are written down. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Notebook {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    heard: Mutex<Vec<Heard>>,
    count: watch::Sender<usize>,
}

impl Notebook {
    /// Writes a message down.
    pub fn write(&self, heard: Heard) {
        let mut all = self.shared.heard.lock();
        all.as_deref_mut()
            .unwrap_or_else(|error| error.get_mut())
            .push(heard);
        drop(all);
        self.shared.count.send_modify(|count| *count += 1);
    }

    /// What was heard until now.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        let heard = self.shared.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The numbers that were heard until now.
    #[must_use]
    pub fn numbers(&self) -> Vec<u64> {
        self.heard().iter().filter_map(Heard::number).collect()
    }

    /// How many messages were heard until now.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// Waits until `count` messages were heard, but no longer than `within`. Returns whether they were.
    pub async fn wait_for(&self, count: usize, within: Duration) -> bool {
        let mut heard = self.shared.count.subscribe();
        let enough = heard.wait_for(|heard| *heard >= count);
        matches!(tokio::time::timeout(within, enough).await, Ok(Ok(_)))
    }

    /// Waits until each of these numbers was heard, but no longer than `within`. Returns whether they were.
    pub async fn wait_for_all(
        &self,
        numbers: impl IntoIterator<Item = u64>,
        within: Duration,
    ) -> bool {
        let mut missing: std::collections::BTreeSet<u64> = numbers.into_iter().collect();
        let mut read = 0;
        let mut heard = self.shared.count.subscribe();
        let all = async {
            loop {
                heard.borrow_and_update();
                {
                    let all = self.shared.heard.lock();
                    let all = all.unwrap_or_else(PoisonError::into_inner);
                    for number in all[read..].iter().filter_map(Heard::number) {
                        missing.remove(&number);
                    }
                    read = all.len();
                }
                if missing.is_empty() || heard.changed().await.is_err() {
                    break;
                }
            }
        };
        tokio::time::timeout(within, all).await.is_ok()
    }
}
