//! Packets that a Client sends before the CONNACK, if it is configured to (section 3.1.4).

use crate::Token;
use crate::session::RareQueue;

/// How many packets may still be sent before the CONNACK, and the sent ones that no packet will
/// answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Early {
    granted: bool,
    left: u16,
    /// Messages with QoS 0. They are no more than packets were allowed.
    sent: RareQueue<Token>,
}

impl Early {
    /// Grants this many packets to a new Session.
    pub(crate) fn granted(packets: u16) -> Self {
        Early {
            granted: true,
            left: packets,
            sent: RareQueue::default(),
        }
    }

    /// Whether anything may have been sent.
    pub(crate) const fn was_granted(&self) -> bool {
        self.granted
    }

    pub(crate) const fn may_send(&self) -> bool {
        self.left > 0
    }

    /// A packet was sent.
    pub(crate) fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// A message with QoS 0 was sent: what became of it is known when the CONNACK comes.
    pub(super) fn sent(&mut self, token: Token) {
        self.sent.push_back(token);
    }

    /// The CONNACK has come, or never will: the messages with QoS 0.
    pub(crate) fn finish(&mut self) -> RareQueue<Token> {
        core::mem::take(self).sent
    }
}
