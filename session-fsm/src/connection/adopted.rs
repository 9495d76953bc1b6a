//! A Session that the Server had before this side knew of it: what is sent for it.

use mqtt5_codec::{PacketIdentifier, ReasonCode};

use super::Connection;
use crate::Change;
use crate::session::Session;

impl Connection {
    /// Asks the Server to release identifiers, if none can be used before it does.
    #[cold]
    pub(crate) fn ask_release(&mut self, session: &mut Session) {
        if !session.sender.wants_release() {
            return;
        }
        let asked = session.sender.ask_release();
        trace_decision!(?asked, "the Server is asked to release Packet Identifiers");
        for packet_identifier in asked.filter_map(PacketIdentifier::new) {
            self.outbox
                .pubrel(self.version, packet_identifier, ReasonCode::Success);
        }
    }

    /// Takes a PUBCOMP for an identifier that is not in use. Returns whether it was asked for.
    #[cold]
    pub(super) fn take_release(
        &mut self,
        session: &mut Session,
        packet_identifier: PacketIdentifier,
    ) -> bool {
        let Some(are_all) = session.sender.take_release(packet_identifier) else {
            return false;
        };
        if are_all {
            let identifiers = session.sender.usable();
            session.change(|| Change::Adopted { identifiers });
        }
        true
    }
}
