//! SUBSCRIBE and UNSUBSCRIBE that wait: for the CONNACK (section 3.1.4), or in a Session that was adopted for a Packet
//! Identifier.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mqtt5_codec::PacketIdentifier;

use super::Client;
use crate::Token;
use crate::error::SendError;
use crate::exchange::Request;
use crate::limits::Needs;
use crate::session::{Ending, Notice, Unsettled, UnsettledKind};

/// A request whose packet is complete except for the Packet Identifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Early {
    token: Token,
    request: Request,
    needs: Needs,
    packet: Box<[u8]>,
}

/// The requests that wait, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct EarlyRequests {
    requests: VecDeque<Early>,
    bytes: usize,
}

impl Client {
    /// Keeps a request until it can be sent. The limits of waiting messages bound the number and the
    /// bytes.
    pub(super) fn hold(
        &mut self,
        request: Request,
        needs: Needs,
        packet: Vec<u8>,
    ) -> Result<Token, SendError> {
        let limits = &self.session.config.waiting;
        let early = &mut self.early;
        let bytes = early.bytes.saturating_add(packet.len());
        if early.requests.len() >= limits.messages as usize || bytes > limits.bytes {
            return Err(SendError::Busy);
        }
        early.bytes = bytes;
        let token = self.session.last_token.next();
        self.session.last_token = token;
        early.requests.push_back(Early {
            token,
            request,
            needs,
            packet: packet.into_boxed_slice(),
        });
        Ok(token)
    }

    /// Sends the requests that the Server supports, after the CONNACK.
    pub(super) fn send_early(&mut self) {
        for token in self.connection.early.finish().iter().copied() {
            self.session.notice(Notice::Outcome(token, Ending::Sent));
        }
        if fault!("early requests forgotten") {
            self.early = EarlyRequests::default();
        }
        self.connection.ask_release(&mut self.session);
        self.send_held();
    }

    /// Whether a request can be sent at once.
    pub(super) fn may_request(&self) -> bool {
        self.early.requests.is_empty() && self.session.sender.has_identifier()
    }

    /// Sends the requests that wait, as far as there are Packet Identifiers for them.
    pub(super) fn send_held(&mut self) {
        while !self.early.requests.is_empty() {
            if self.session.is_adopted() && !self.session.sender.has_identifier() {
                self.connection.ask_release(&mut self.session);
                break;
            }
            let Some(mut early) = self.early.requests.pop_front() else {
                break;
            };
            self.early.bytes -= early.packet.len();
            let peer = &self.connection.peer;
            let taken = peer
                .check_request(early.needs)
                .and_then(|()| peer.check_size(early.packet.len()));
            let ending = if let Err(limit) = taken {
                Ending::Forbidden(limit)
            } else if let Some(identifier) = self.session.sender.request(early.request, early.token)
            {
                set_identifier(&mut early.packet, identifier);
                self.connection.send(&early.packet);
                continue;
            } else {
                // Messages of the Session use all Packet Identifiers.
                Ending::NotSent
            };
            self.session.notice(Notice::Outcome(early.token, ending));
        }
    }

    /// Returns everything that was accepted and has no outcome yet: first that of the Session, as
    /// [`Session::unsettled`](crate::Session::unsettled) returns it, then each SUBSCRIBE and
    /// UNSUBSCRIBE that waits to be sent.
    pub fn unsettled(&self) -> impl Iterator<Item = Unsettled<'_>> {
        let requests = fault!(
            "early requests are not unsettled",
            self.early.requests.iter(),
            Default::default(),
        );
        let early = requests.map(|early| Unsettled {
            token: early.token,
            kind: match early.request {
                Request::Subscribe { filters } => UnsettledKind::Subscribe {
                    packet_identifier: None,
                    filters,
                },
                Request::Unsubscribe { filters } => UnsettledKind::Unsubscribe {
                    packet_identifier: None,
                    filters,
                },
            },
        });
        self.session.unsettled().chain(early)
    }

    /// Ends the requests: no CONNACK will come, or it refuses. If it refuses, the Server has
    /// processed nothing \[MQTT-3.1.4-6\] \[MQTT3-3.1.4-5\].
    pub(super) fn end_early(&mut self, is_refused: bool) {
        if self.connection.early.was_granted() {
            let (sent, ending) = if is_refused {
                (Ending::NotSent, Ending::NotSent)
            } else {
                (Ending::Sent, Ending::Indeterminate)
            };
            for token in self.connection.early.finish().iter().copied() {
                self.session.notice(Notice::Outcome(token, sent));
            }
            self.session.unconfirmed(ending);
        }
        let EarlyRequests { requests, .. } = core::mem::take(&mut self.early);
        for early in requests {
            let outcome = Notice::Outcome(early.token, Ending::NotSent);
            self.session.notice(outcome);
        }
    }
}

/// The Packet Identifier is the first field behind the fixed header (sections 3.8.2, 3.10.2).
fn set_identifier(packet: &mut [u8], identifier: PacketIdentifier) {
    let length = packet
        .iter()
        .skip(1)
        .take_while(|byte| **byte >= 0x80)
        .count();
    let field = packet.iter_mut().skip(length + 2).take(2);
    for (byte, value) in field.zip(identifier.get().to_be_bytes()) {
        *byte = value;
    }
}
