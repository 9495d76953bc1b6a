//! The servers that a policy knows, and whose turn it is.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{Attempt, ServerReference};
use crate::Instant;
use crate::codec::{ProtocolVersion, Text};

/// A server, and the version of MQTT that it speaks as far as is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Server {
    reference: Box<str>,
    version: ProtocolVersion,
    /// It has refused the other version since it was last connected.
    refused_other: bool,
}

impl Server {
    fn new(reference: &str) -> Self {
        Server {
            reference: reference.into(),
            version: ProtocolVersion::V5_0,
            refused_other: false,
        }
    }

    pub(super) fn reference(&self) -> ServerReference<'_> {
        ServerReference::new(&self.reference)
    }

    pub(super) fn attempt(&self, at: Instant) -> Attempt<'_> {
        Attempt {
            at,
            server: self.reference(),
            version: self.version,
        }
    }
}

/// Never without a configured server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Servers {
    configured: Vec<Server>,
    /// Index of the configured server whose turn it is, or which sent us on a detour.
    turn: usize,
    /// Where a 0x9C sent us, for the time being; the first is the one whose turn it is.
    detour: VecDeque<Server>,
    limit: usize,
    ignored: u64,
}

/// What a redirection led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirected {
    /// It is another server's turn.
    Elsewhere,
    /// The same, and the configured servers have changed.
    ElsewhereForGood,
    /// No other server is known.
    Nowhere,
}

impl Servers {
    /// `None` if there is no server, or more than the limit.
    pub(super) fn new<S: AsRef<str>>(
        servers: impl IntoIterator<Item = S>,
        limit: usize,
    ) -> Option<Self> {
        let configured: Vec<Server> = servers
            .into_iter()
            .take(limit.saturating_add(1))
            .map(|server| Server::new(server.as_ref()))
            .collect();
        (1..=limit).contains(&configured.len()).then_some(Servers {
            configured,
            turn: 0,
            detour: VecDeque::new(),
            limit,
            ignored: 0,
        })
    }

    /// All servers in the order in which they come up: those of the detour, then the configured
    /// ones. The one that sent us on the detour comes last.
    pub(super) fn candidates(&self) -> impl Iterator<Item = &Server> {
        let first = self.first_configured();
        let configured = self.configured.iter().cycle().skip(first);
        self.detour
            .iter()
            .chain(configured.take(self.configured.len()))
    }

    /// The attempt at the candidate at this position; at the configured server whose turn it is, if
    /// there is none.
    pub(super) fn attempt(&self, position: usize, at: Instant) -> Attempt<'_> {
        let candidate = self.candidates().nth(position);
        let server = candidate.or_else(|| self.configured.get(self.turn));
        server.map_or(Attempt::at_no_server(at), |server| server.attempt(at))
    }

    /// The server whose turn it is.
    fn current(&mut self) -> Option<&mut Server> {
        match self.detour.front_mut() {
            Some(server) => Some(server),
            None => self.configured.get_mut(self.turn),
        }
    }

    /// The server whose turn it is speaks the version that it was offered.
    pub(super) fn version_accepted(&mut self) {
        if let Some(server) = self.current() {
            server.refused_other = false;
        }
    }

    /// The server whose turn it is does not speak the version that it was offered: it gets the other
    /// one. Returns `false` if it has refused that, too.
    pub(super) fn version_refused(&mut self) -> bool {
        let Some(server) = self.current() else {
            return false;
        };
        server.version = match server.version {
            ProtocolVersion::V5_0 => ProtocolVersion::V3_1_1,
            _ => ProtocolVersion::V5_0,
        };
        server.refused_other = !server.refused_other;
        server.refused_other
    }

    /// Forgets which versions were refused, not which were found.
    pub(super) fn forget_refusals(&mut self) {
        for server in self.configured.iter_mut().chain(&mut self.detour) {
            server.refused_other = false;
        }
    }

    /// Gives the turn to the candidate at this position. Whether the turns of all configured
    /// servers have begun anew. A detour server that is passed over keeps its turn; the detour ends
    /// with a configured server.
    pub(super) fn take_turn(&mut self, position: usize) -> bool {
        let Some(further) = position.checked_sub(self.detour.len()) else {
            self.detour.rotate_left(position);
            return false;
        };
        let turn = self.first_configured() + further;
        self.detour.clear();
        self.turn = turn % self.configured.len().max(1);
        turn >= self.configured.len()
    }

    /// The configured server that comes up next, or after the detour; may be one past the last.
    fn first_configured(&self) -> usize {
        self.turn + usize::from(!self.detour.is_empty())
    }

    pub(super) fn configured(&self) -> impl Iterator<Item = ServerReference<'_>> {
        self.configured.iter().map(Server::reference)
    }

    pub(super) const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Passes the turn on. Whether each server has had it.
    pub(super) fn advance(&mut self) -> bool {
        if self.detour.pop_front().is_some() && !self.detour.is_empty() {
            return false;
        }
        // After a detour, too, the server that redirected us comes again only after the others.
        self.turn += 1;
        if self.turn < self.configured.len() {
            return false;
        }
        self.turn = 0;
        true
    }

    /// Forgets where a 0x9C sent us.
    pub(super) fn end_detour(&mut self) {
        self.detour.clear();
    }

    /// 0x9C
    pub(super) fn use_another(&mut self, reference: Option<Text<'_>>) -> Redirected {
        let limit = self.limit;
        let detour = self.take(reference, limit, |_| true);
        if !detour.is_empty() {
            self.detour = detour.into();
        } else if !self.detour.is_empty() || self.configured.len() > 1 {
            self.advance();
        } else {
            return Redirected::Nowhere;
        }
        Redirected::Elsewhere
    }

    /// 0x9D
    pub(super) fn moved(&mut self, reference: Option<Text<'_>>) -> Redirected {
        // That a server of a detour has moved does not concern the configured ones.
        if !self.detour.is_empty() {
            return self.use_another(reference);
        }
        let turn = self.turn;
        let mut others = self.configured.clone();
        others.remove(turn);
        let position = |wanted: &str| {
            others
                .iter()
                .position(|server| *server.reference == *wanted)
        };

        let room = self.limit.saturating_sub(others.len());
        let successors = self.take(reference, room, |server| position(server).is_none());
        if others.is_empty() && successors.is_empty() {
            return Redirected::Nowhere;
        }
        if successors.is_empty() {
            let named = reference.map_or("", Text::as_str);
            let known = ServerReference::list(named).find_map(|server| position(server.as_str()));
            self.turn = known.unwrap_or(if turn < others.len() { turn } else { 0 });
        }
        others.splice(turn..turn, successors);
        self.configured = others;
        Redirected::ElsewhereForGood
    }

    /// The first of the references in a Server Reference, without repetition; counts the others.
    fn take(
        &mut self,
        reference: Option<Text<'_>>,
        limit: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Vec<Server> {
        let mut taken: Vec<Server> = Vec::new();
        let text = reference.map_or("", Text::as_str);
        for reference in ServerReference::list(text).map(ServerReference::as_str) {
            if !wanted(reference) || taken.iter().any(|server| *server.reference == *reference) {
                continue;
            }
            if taken.len() < limit {
                taken.push(Server::new(reference));
            } else {
                self.ignored = self.ignored.saturating_add(1);
            }
        }
        taken
    }
}
