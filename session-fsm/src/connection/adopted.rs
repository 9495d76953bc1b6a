//! A Session that the Server had before this side knew of it: what is sent for it.

use mqtt5_codec::{PacketIdentifier, ReasonCode};

use super::Connection;
use crate::session::Session;

impl Connection {
    /// Asks the Server to release identifiers, if none can be used before it does. Returns whether it
    /// is asked.
    #[cold]
    pub(crate) fn ask_release(&mut self, session: &mut Session) -> bool {
        if !session.sender.wants_release() {
            return false;
        }
        let asked = session.sender.ask_release();
        trace_decision!(?asked, "the Server is asked to release Packet Identifiers");
        for packet_identifier in asked.filter_map(PacketIdentifier::new) {
            self.outbox
                .pubrel(self.version, packet_identifier, ReasonCode::Success);
        }
        true
    }
}
