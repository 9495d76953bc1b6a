//! The end of all connections, for instance before the process ends.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtt5_codec::{Property, ReasonCode, Text};

use super::Broker;
use super::slots::Key;
use crate::{Cause, Instant};

/// What connections are told, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Draining {
    reason_code: ReasonCode,
    server_reference: Option<Box<str>>,
    /// The next connection to look at.
    pub(super) next: u32,
}

impl Draining {
    fn properties(&self) -> Vec<Property<'_>> {
        let reference = self.server_reference.as_deref();
        let reference = reference.and_then(|it| Text::new(it).ok());
        let properties = reference.map(Property::ServerReference);
        properties.into_iter().collect()
    }
}

impl Broker {
    /// Ends all connections: each gets a DISCONNECT with this Reason Code, such as 0x8B, Server
    /// shutting down, or 0x9C, Use another server, and with the Server Reference (section 4.11); one
    /// whose CONNECT waits for an answer gets a CONNACK with 0x88, Server unavailable, or with the
    /// same 0x9C or 0x9D. No further connection begins. Sessions stay. [`Broker::work`] does it, a
    /// slice at a time.
    pub fn drain(&mut self, now: Instant, reason_code: ReasonCode, server_reference: Option<&str>) {
        let _ = self.at(now);
        self.draining = Some(Draining {
            reason_code,
            server_reference: server_reference.map(Into::into),
            next: 0,
        });
    }

    /// Whether connections have yet to be ended.
    pub(super) fn is_draining(&self) -> bool {
        let draining = self.draining.as_ref();
        draining.is_some_and(|it| (it.next as usize) < self.links.slots())
    }

    /// Ends the next connections.
    pub(super) fn drain_slice(&mut self, now: Instant, budget: &mut u32) {
        while *budget > 0 && self.is_draining() {
            let Some(draining) = &mut self.draining else {
                return;
            };
            let slot = draining.next;
            draining.next += 1;
            *budget -= 1;
            let draining = draining.clone();
            if let Some(key) = self.links.key_of(slot) {
                self.end_connection(now, key, &draining);
            }
        }
    }

    fn end_connection(&mut self, now: Instant, key: Key, draining: &Draining) {
        let moved = matches!(
            draining.reason_code,
            ReasonCode::UseAnotherServer | ReasonCode::ServerMoved
        );
        let in_connack = match moved {
            true => draining.reason_code,
            false => ReasonCode::ServerUnavailable,
        };
        let properties = draining.properties();
        self.with(key, |mut lent| {
            let told = lent
                .disconnect(now, draining.reason_code, &properties)
                .or_else(|_| lent.refuse(now, in_connack, &properties));
            if told.is_err() {
                // It has sent no CONNECT.
                lent.abandon(now, Cause::Refused(in_connack));
            }
        });
        self.ready(key);
    }
}
