//! The broker's host: it accepts connections, and keeps the Session between them.

use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::{Instant, Session};

use super::SessionWorld;
use super::application::Side;
use super::client::NAME;
use super::coverage_points::Kind;
use super::monitors::persistence::Disk;
use super::monitors::table::States;
use super::monitors::{Judged, Rule};
use super::shell::At;
use crate::explore::Turn;

fn is_expired(session: &Session, now: Instant) -> bool {
    session.next_timeout() <= now && {
        let mut later = session.clone();
        later.handle_timeout(now);
        !later.exists()
    }
}

impl SessionWorld {
    /// A CONNECT came: accepts it with the Session that there is, which another connection may have.
    pub(super) fn decide_connect(&mut self, link: usize, turn: &mut Turn<'_>) -> Judged {
        let now = self.now(Side::Server);
        if self.links[link].is_superseded && self.config.0.stale == 0 {
            turn.note(
                Side::Server.lane(),
                "ignores it: it is older than the last one",
            );
            self.machine(link).connection_lost(now);
            self.drain(At::Server(link), turn)?;
            self.let_go(link, Side::Server, turn);
            return Ok(());
        }
        if self.left.rejections > 0 && turn.choose(2) == 1 {
            self.left.rejections -= 1;
            turn.cover(Kind::Reject.position());
            turn.note(Side::Server.lane(), "refuses the connection");
            let answer = self.machine(link).refuse(now, ReasonCode::ServerBusy, &[]);
            return turn.demand(Rule::Calls, answer);
        }
        if let At::Server(old) = self.at(Side::Server) {
            turn.note(
                Side::Server.lane(),
                "takes the Session from the old connection",
            );
            self.may_end(Side::Server, turn, |world| {
                world.stored = world.machine(old).take_over(now);
                world.forget_undecided(Side::Server);
            })?;
            self.drain(At::Server(old), turn)?;
            self.let_go(old, Side::Server, turn);
            self.drain(At::Stored, turn)?;
        }
        let config = self.config.0.clone();
        let session = self.stored.take();
        let before = session.as_ref().filter(|it| it.exists()).map(States::of);
        // Its end may have come while the host slept.
        let is_expired = session.as_ref().is_some_and(|it| is_expired(it, now));
        if session.is_none() {
            let fresh = Session::of_server(NAME, config.session());
            self.hosts[Side::Server].disk = Disk::new(&fresh, config.server_crashes > 0);
        }
        let answer = self.machine(link).accept(now, session, &[]);
        turn.demand(Rule::Calls, answer)?;
        for older in &mut self.links[..link] {
            older.is_superseded = true;
        }
        let is_discarded = self.links[link].clean_start || is_expired;
        self.lost_session |= before.is_some() && is_discarded;
        if let (Some(before), Some(after)) = (before, self.session(Side::Server)) {
            let verdict = match is_discarded {
                true => before.discarded(after),
                false => before.resumed(after),
            };
            turn.judge(Rule::Table, verdict)?;
        }
        Ok(())
    }

    /// A SUBSCRIBE or UNSUBSCRIBE is answered.
    pub(super) fn answer(&mut self, link: usize, position: usize, turn: &mut Turn<'_>) -> Judged {
        let now = self.now(Side::Server);
        let Some(end) = &mut self.links[link].server else {
            return Ok(());
        };
        let (packet_identifier, subscribe) = end.requests.remove(position);
        turn.note(Side::Server.lane(), "answers a request");
        let codes = [ReasonCode::Success];
        let answer = if subscribe {
            end.machine
                .acknowledge_subscribe(now, packet_identifier, &codes, &[])
        } else {
            end.machine
                .acknowledge_unsubscribe(now, packet_identifier, &codes, &[])
        };
        turn.demand(Rule::Calls, answer)?;
        self.drain(At::Server(link), turn)
    }

    /// A side notices that a connection is gone.
    pub(super) fn lose(&mut self, link: usize, side: Side, turn: &mut Turn<'_>) -> Judged {
        if side == Side::Client {
            return self.client_lost(turn);
        }
        let now = self.now(side);
        self.may_end(side, turn, |world| {
            world.machine(link).connection_lost(now);
        })?;
        self.drain(At::Server(link), turn)?;
        self.server_left(link, turn)
    }

    /// The machine of a link is done: takes the Session out, and closes.
    pub(super) fn server_left(&mut self, link: usize, turn: &mut Turn<'_>) -> Judged {
        let now = self.now(Side::Server);
        let had_session = self.at(Side::Server) == At::Server(link);
        let session = self.machine(link).take_session(now);
        self.drain(At::Server(link), turn)?;
        self.let_go(link, Side::Server, turn);
        if !had_session {
            return Ok(());
        }
        self.forget_undecided(Side::Server);
        self.stored = session;
        self.drain(At::Stored, turn)?;
        self.drop_ended();
        Ok(())
    }

    /// A Session that has ended need not be kept.
    fn drop_ended(&mut self) {
        if self.stored.as_ref().is_some_and(|it| !it.exists()) {
            self.stored = None;
            self.hosts[Side::Server].disk = Disk::default();
        }
    }

    /// The broker's clock jumps to the end of the Session, while the Client's stands still.
    pub(super) fn expire_server(&mut self, turn: &mut Turn<'_>) -> Judged {
        let Some(session) = &self.stored else {
            return Ok(());
        };
        let ends_at = session.next_timeout();
        if ends_at != Instant::NEVER {
            let clock = &mut self.hosts[Side::Server].clock;
            *clock = ends_at.max(*clock);
            self.note_return(Side::Server);
        }
        self.expire_stored(turn)
    }

    /// The time of the Session that is kept has come, for one thing or another.
    pub(super) fn expire_stored(&mut self, turn: &mut Turn<'_>) -> Judged {
        let now = self.now(Side::Server);
        self.may_end(Side::Server, turn, |world| {
            if let Some(session) = &mut world.stored {
                session.handle_timeout(now);
            }
        })?;
        self.drain(At::Stored, turn)?;
        self.drop_ended();
        Ok(())
    }

    /// The broker's host crashes, with all of its connections, and starts again from what it stored.
    pub(super) fn restart_server(&mut self, turn: &mut Turn<'_>) -> Judged {
        let had_session = self.session(Side::Server).is_some();
        for link in 0..self.links.len() {
            if self.links[link].server.is_some() {
                self.let_go(link, Side::Server, turn);
            }
        }
        if had_session {
            self.stored = self.load(Side::Server, turn)?;
            self.drain(At::Stored, turn)?;
            self.drop_ended();
        }
        Ok(())
    }

    pub(super) fn expire(&mut self, side: Side, turn: &mut Turn<'_>) -> Judged {
        turn.log()
            .fault(format_args!("the {}'s Session expires", side.name()));
        self.left.expiries[side] -= 1;
        match side {
            Side::Client => self.expire_client(turn),
            Side::Server => self.expire_server(turn),
        }
    }

    pub(super) fn crash(&mut self, side: Side, turn: &mut Turn<'_>) -> Judged {
        turn.log().fault(format_args!(
            "the {}'s host crashes and restarts",
            side.name()
        ));
        self.forget_after_crash(side);
        self.left.crashes[side] -= 1;
        match side {
            Side::Client => self.restart_client(turn),
            Side::Server => self.restart_server(turn),
        }
    }
}
