//! Messages of which the head has come, and the payload follows.

use mqtt5_codec::Publish;
use mqtt5_codec::framing::LargePublish;

use super::Connection;
use crate::SessionViolation;
use crate::large::Arriving;
use crate::session::Session;

impl Connection {
    /// The head of a message whose payload follows: whether the message is to be handed out. The rest is done
    /// when all of it is there.
    pub(crate) fn begin_large(
        &mut self,
        session: &mut Session,
        publish: &Publish<'_>,
    ) -> Result<bool, SessionViolation> {
        self.learn_alias(publish)?;
        let (delivery, retain) = (publish.delivery, publish.retain);
        if let Some(violation) = self.unsupported(delivery.qos(), retain) {
            return Err(violation);
        }
        let is_new = delivery
            .packet_identifier()
            .is_none_or(|identifier| session.receiver.is_new(identifier, delivery.qos()));
        self.arriving = Some(Arriving {
            delivery,
            retain,
            is_new,
        });
        Ok(is_new)
    }

    /// As [`Connection::complete`].
    pub(crate) fn complete_large<'a>(&'a self, large: &mut LargePublish<'a>) {
        if large.topic.is_none() {
            large.topic = self.topic_of(&large.properties);
        }
    }
}
