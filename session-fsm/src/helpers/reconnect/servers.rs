//! The servers that a policy knows, and whose turn it is.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::ServerReference;
use crate::codec::Text;

/// Never without a configured server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Servers {
    configured: Vec<Box<str>>,
    /// Index of the configured server whose turn it is, or which sent us on a detour.
    turn: usize,
    /// Where a 0x9C sent us, for the time being; the first is the one whose turn it is.
    detour: VecDeque<Box<str>>,
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
        let configured: Vec<Box<str>> = servers
            .into_iter()
            .take(limit.saturating_add(1))
            .map(|server| server.as_ref().into())
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
    pub(super) fn candidates(&self) -> impl Iterator<Item = ServerReference<'_>> {
        let first = self.first_configured();
        let configured = self.configured.iter().cycle().skip(first);
        self.detour
            .iter()
            .chain(configured.take(self.configured.len()))
            .map(|server| ServerReference::new(server))
    }

    /// The candidate at this position; the configured server whose turn it is, if there is none.
    pub(super) fn candidate(&self, position: usize) -> ServerReference<'_> {
        let candidate = self.candidates().nth(position);
        candidate.unwrap_or(ServerReference::new(
            self.configured.get(self.turn).map_or("", |server| server),
        ))
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
        self.configured
            .iter()
            .map(|server| ServerReference::new(server))
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
        let position = |wanted: &str| others.iter().position(|server| **server == *wanted);

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
    ) -> Vec<Box<str>> {
        let mut taken: Vec<Box<str>> = Vec::new();
        let text = reference.map_or("", Text::as_str);
        for reference in ServerReference::list(text).map(ServerReference::as_str) {
            if !wanted(reference) || taken.iter().any(|server| **server == *reference) {
                continue;
            }
            if taken.len() < limit {
                taken.push(reference.into());
            } else {
                self.ignored = self.ignored.saturating_add(1);
            }
        }
        taken
    }
}
