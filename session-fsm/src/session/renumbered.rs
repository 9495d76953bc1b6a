//! A Session without the numbers that only say how much has happened before.

use alloc::vec::Vec;
use core::num::NonZeroU64;

use super::notice::Notice;
use super::waiting::Waiting;
use super::{Life, QueuedMessage, RareQueue, Session, Untold};
use crate::Token;

impl Session {
    /// The same Session with tokens that count from 1 in their order, and with the numbers of
    /// messages that `body` returns. Without a Network Connection, neither the order in which Packet
    /// Identifiers were freed counts nor the receipts that were given. Changes and forgotten bodies must have been taken.
    pub(crate) fn renumbered(&self, mut body: impl FnMut(NonZeroU64) -> NonZeroU64) -> Session {
        let mut copy = self.clone();
        let mut tokens: Vec<Token> = self.sender.tokens().collect();
        tokens.extend(self.waiting.all().map(|it| it.token));
        tokens.extend(self.notices.iter().filter_map(Notice::token));
        tokens.sort_unstable();
        tokens.dedup();
        tokens.retain(|token| *token != Token::NONE);
        let rank = |token: Token| {
            let found = tokens.binary_search(&token);
            found.map_or(Token::NONE, |rank| Token::from_number(rank as u64 + 1))
        };
        // In the order of the tokens, whichever places the messages are in.
        let in_flight = self.sender.unacknowledged().map(|(_, it)| it);
        let all = in_flight.chain(self.waiting.all());
        let mut bodies: Vec<_> = all.filter_map(|it| Some((it.token, it.body?))).collect();
        bodies.sort_unstable();
        for (_, number) in bodies {
            body(number);
        }
        let mut message = |queued: &mut QueuedMessage| {
            queued.token = rank(queued.token);
            queued.body = queued.body.map(&mut body);
        };
        copy.last_token = Token::from_number(tokens.len() as u64);
        copy.sender.renumber(rank, &mut message);
        if !matches!(self.life, Life::Connected(_)) {
            copy.sender.forget_connection();
            copy.receiver.forget_receipts();
        }
        copy.waiting = Waiting::default();
        for waiting in self.waiting.all() {
            let mut waiting = waiting.clone();
            message(&mut waiting);
            copy.waiting.push(waiting);
        }
        copy.untold = Untold::default();
        copy.notices = RareQueue::default();
        for notice in self.notices.iter() {
            copy.notices.push_back(match notice {
                Notice::Outcome(token, ending) => Notice::Outcome(rank(*token), *ending),
                Notice::Overdue(token) => Notice::Overdue(rank(*token)),
                other => other.clone(),
            });
        }
        copy
    }
}
