//! The two ways by which packets come into a machine: as bytes, by `receive`, or decoded elsewhere, by `handle`.
//!
//! The checks of `session`, `client` and `server` run twice, the second time through `handle`, under names that begin with
//! `handled::`.

use std::cell::Cell;

use mqtt5_session_fsm::codec::framing::{Split, split};
use mqtt5_session_fsm::codec::{DecodeError, Packet, Role};
use mqtt5_session_fsm::{Client, Event, Instant, NotTaken, Server};

use crate::check::Check;
use crate::version::version;

thread_local! {
    static THROUGH_HANDLE: Cell<bool> = const { Cell::new(false) };
}

/// What became of the bytes at the front of the input.
pub(crate) enum Taken<'a> {
    Event(Event<'a>),
    /// Nothing to tell, but there may be more to take, after a round of `poll`.
    More,
    /// There is no whole packet left, or the machine reads no more.
    Done,
}

/// A machine.
pub(crate) trait Entrance {
    /// Whose packets come in.
    const PEER: Role;

    fn receive<'a, 'input: 'a>(
        &'a mut self,
        now: Instant,
        input: &mut &'input [u8],
    ) -> Option<Event<'a>>;

    fn handle<'a>(
        &'a mut self,
        now: Instant,
        packet: Packet<'a>,
    ) -> Result<Option<Event<'a>>, NotTaken>;

    fn reject(&mut self, now: Instant, error: DecodeError);

    /// Whether it still waits for the CONNACK, if it is a Client.
    fn may_be_refused(&self) -> bool;
}

macro_rules! entrance {
    ($machine:ident, $peer:ident, $may_be_refused:expr) => {
        impl Entrance for $machine {
            const PEER: Role = Role::$peer;

            fn receive<'a, 'input: 'a>(
                &'a mut self,
                now: Instant,
                input: &mut &'input [u8],
            ) -> Option<Event<'a>> {
                $machine::receive(self, now, input)
            }

            fn handle<'a>(
                &'a mut self,
                now: Instant,
                packet: Packet<'a>,
            ) -> Result<Option<Event<'a>>, NotTaken> {
                $machine::handle(self, now, packet)
            }

            fn reject(&mut self, now: Instant, error: DecodeError) {
                $machine::reject(self, now, error);
            }

            fn may_be_refused(&self) -> bool {
                let may_be_refused: fn(&$machine) -> bool = $may_be_refused;
                may_be_refused(self)
            }
        }
    };
}

entrance!(Client, Server, |client| !client.is_connected());
entrance!(Server, Client, |_| false);

/// Takes what is at the front of the input. `limit` is the Maximum Packet Size that the machine's side announced.
pub(crate) fn take<'a, 'input: 'a, M: Entrance>(
    machine: &'a mut M,
    now: Instant,
    input: &mut &'input [u8],
    limit: u32,
) -> Taken<'a> {
    if !THROUGH_HANDLE.get() {
        return match machine.receive(now, input) {
            Some(event) => Taken::Event(event),
            None => Taken::Done,
        };
    }
    let (packet, rest) = match split(input, limit) {
        Ok(Split::Packet { packet, rest }) => (packet, rest),
        Ok(Split::Incomplete { .. }) => return Taken::Done,
        Err(error) => {
            *input = &[];
            machine.reject(now, error.sent_by(M::PEER));
            return Taken::Done;
        }
    };
    let decoded = match packet.decode_from(version(), M::PEER) {
        Ok(decoded) => decoded,
        Err(error) => match packet.refusal_in_other_version(version()) {
            Some(refusal) if machine.may_be_refused() => refusal.into(),
            _ => {
                *input = rest;
                machine.reject(now, error);
                return Taken::More;
            }
        },
    };
    match machine.handle(now, decoded) {
        Ok(None) => {
            *input = rest;
            Taken::More
        }
        Ok(Some(event)) => {
            *input = rest;
            Taken::Event(event)
        }
        Err(NotTaken::EventsFirst) => Taken::More,
        Err(_) => Taken::Done,
    }
}

/// The same checks through `handle`.
pub(crate) fn through_handle(checks: Vec<Check>) -> impl Iterator<Item = Check> {
    let in_question = |check: &Check| !BYTES.iter().any(|name| check.name.starts_with(name));
    checks.into_iter().filter(in_question).map(|check| {
        check.wrapped("handled", |run| {
            THROUGH_HANDLE.set(true);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
            THROUGH_HANDLE.set(false);
            outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Checks, or modules of them, about bytes that are no whole packet, or that `receive` does not look at yet: a host that splits itself
/// does with them as it likes.
const BYTES: [&str; 6] = [
    "client::first_byte::",
    "client::vectors::rejected_vectors_end_the_connection",
    "client::vectors::rejected_vectors_end_the_handshake",
    "server::first_byte::",
    "server::handshake::nothing_behind_a_refused_connect_is_processed",
    "server::phases::while_the_host_decides",
];
