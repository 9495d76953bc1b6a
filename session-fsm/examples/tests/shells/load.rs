//! What the client shell does in these tests: it stays connected, and publishes large messages.

use std::error::Error;

use mqtt5_session_fsm::codec::{Connect, Message, ProtocolVersion, Publish, Qos, Text, TopicName};
use mqtt5_session_fsm::{Client, Event, Instant, Publication};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub(crate) struct Load {
    pub(crate) keep_alive: u16,
    /// How many messages are still to be published.
    pub(crate) messages: usize,
}

pub(crate) const SIZE: usize = 1_000_000;

impl Load {
    pub(crate) fn is_done(&self) -> bool {
        false
    }

    pub(crate) fn connect(
        &mut self,
        now: Instant,
        client: &mut Client,
        version: ProtocolVersion,
    ) -> Result<()> {
        let connect = Connect {
            version,
            client_identifier: Text::new("c")?,
            clean_start: true,
            keep_alive: self.keep_alive,
            ..Connect::default()
        };
        Ok(client.connect(now, &connect)?)
    }

    pub(crate) fn happened(&mut self, _: Event<'_>) {}

    pub(crate) fn work(&mut self, now: Instant, client: &mut Client) -> Result<bool> {
        if self.messages == 0 || !client.is_connected() {
            return Ok(false);
        }
        self.messages -= 1;
        let message = Message::new(&Publish::new(TopicName::new("large")?, &[7; SIZE]))?;
        client.publish(now, Publication::new(Qos::AtMostOnce, message))?;
        Ok(true)
    }
}

/// Nothing here is left to chance.
pub(crate) fn random() -> u32 {
    0
}
