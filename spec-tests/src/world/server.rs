//! The broker's host: it accepts connections, and keeps the Session between them.

use mqtt5_session_fsm::codec::ReasonCode;
use mqtt5_session_fsm::{Instant, Session};

use super::SessionWorld;
use super::aged::aged_session;
use super::application::{Side, Undecided, violation};
use super::client::NAME;
use super::config::Config;
use super::describe::{Words, packets};
use super::forecast::{Census, Fate};
use super::host::At;
use super::points::{Kind, Monitor, of_kind};
use super::storage::Disk;
use crate::explore::{Turn, Violation};

#[derive(Clone, Debug, Default, Hash)]
pub(super) struct ServerHost {
    /// The Session, as long as no connection has it.
    pub(super) stored: Option<Session>,
    pub(super) clock: Instant,
    pub(super) undecided: Vec<Undecided>,
    pub(super) disk: Disk,
}

impl ServerHost {
    pub(super) fn new(config: &Config) -> Self {
        if config.aged == 0 {
            return ServerHost::default();
        }
        let session = aged_session(Side::Server, config);
        ServerHost {
            disk: Disk::new(&session, config.server_crashes > 0),
            stored: Some(session),
            ..ServerHost::default()
        }
    }
}

fn is_expired(session: &Session, now: Instant) -> bool {
    session.next_timeout() <= now && {
        let mut later = session.clone();
        later.handle_timeout(now);
        !later.exists()
    }
}

impl SessionWorld {
    /// A CONNECT came: accepts it with the Session that there is, which another connection may have.
    pub(super) fn decide_connect(
        &mut self,
        link: usize,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let now = self.server.clock;
        if self.links[link].is_superseded && self.config.0.stale == 0 {
            turn.note(
                Side::Server.lane(),
                "ignores it: it is older than the last one",
            );
            self.machine(link).connection_lost(now);
            self.drain(At::Server(link), turn)?;
            self.drop_end(link, turn);
            return Ok(());
        }
        if self.left.rejections > 0 && turn.choose(2) == 1 {
            self.left.rejections -= 1;
            turn.cover(of_kind(Kind::Reject));
            turn.note(Side::Server.lane(), "refuses the connection");
            let answer = self.machine(link).refuse(now, ReasonCode::ServerBusy, &[]);
            answer.map_err(|error| violation(Monitor::FirstPacket, error.to_string()))?;
            return Ok(());
        }
        if let At::Server(old) = self.at(Side::Server) {
            turn.note(
                Side::Server.lane(),
                "takes the Session from the old connection",
            );
            let census = self.session(Side::Server).map(Census::of);
            let existed = self.session(Side::Server).is_some_and(Session::exists);
            self.server.stored = self.machine(old).take_over(now);
            self.forget_undecided(Side::Server);
            if let Some(census) = census {
                self.note_end(existed, &census, At::Stored, turn)?;
            }
            self.drain(At::Server(old), turn)?;
            self.drop_end(old, turn);
            self.drain(At::Stored, turn)?;
        }
        let config = self.config.0.clone();
        let session = self.server.stored.take();
        let before = session.as_ref().filter(|it| it.exists()).map(Census::of);
        // Its end may have come while the host slept.
        let is_expired = session.as_ref().is_some_and(|it| is_expired(it, now));
        if session.is_none() {
            let fresh = Session::of_server(NAME, config.session());
            self.server.disk = Disk::new(&fresh, config.server_crashes > 0);
        }
        let answer = self.machine(link).accept(now, session, &[]);
        answer.map_err(|error| violation(Monitor::FirstPacket, error.to_string()))?;
        for older in &mut self.links[..link] {
            older.is_superseded = true;
        }
        if let Some(census) = before {
            let clean_start = self.links[link].watches[Side::Client as usize].clean_start;
            let fate = if clean_start || is_expired {
                self.lost_session = true;
                Fate::Discard
            } else {
                Fate::Resume
            };
            census.befell(fate, self.session(Side::Server), turn)?;
        }
        Ok(())
    }

    /// A SUBSCRIBE or UNSUBSCRIBE is answered.
    pub(super) fn answer(
        &mut self,
        link: usize,
        position: usize,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let now = self.server.clock;
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
        answer.map_err(|error| violation(Monitor::NotLost, error.to_string()))?;
        self.drain(At::Server(link), turn)
    }

    /// A side notices that a connection is gone.
    pub(super) fn lose(
        &mut self,
        link: usize,
        side: Side,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        if side == Side::Client {
            return self.client_lost(turn);
        }
        let census = self.session_of_link(link).map(Census::of);
        let existed = self.session_of_link(link).is_some_and(Session::exists);
        let now = self.server.clock;
        self.machine(link).connection_lost(now);
        if let Some(census) = census {
            let session = self.session_of_link(link);
            if existed && session.is_some_and(|it| !it.exists()) {
                census.befell(Fate::Discard, session, turn)?;
                self.lost_session = true;
            }
        }
        self.drain(At::Server(link), turn)?;
        self.server_left(link, turn)
    }

    fn session_of_link(&self, link: usize) -> Option<&Session> {
        self.links[link].server.as_ref()?.machine.session()
    }

    /// The machine of a link is done: takes the Session out, and closes.
    pub(super) fn server_left(
        &mut self,
        link: usize,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let now = self.server.clock;
        let had_session = self.session_of_link(link).is_some();
        let session = self.machine(link).take_session(now);
        self.drain(At::Server(link), turn)?;
        self.drop_end(link, turn);
        if !had_session {
            return Ok(());
        }
        self.forget_undecided(Side::Server);
        self.server.stored = session;
        self.drain(At::Stored, turn)?;
        self.drop_ended();
        Ok(())
    }

    /// A Session that has ended need not be kept.
    fn drop_ended(&mut self) {
        if self.server.stored.as_ref().is_some_and(|it| !it.exists()) {
            self.server.stored = None;
            self.server.disk = Disk::default();
        }
    }

    /// Closes the Server's end of a link.
    fn drop_end(&mut self, link: usize, turn: &mut Turn<'_>) {
        let link = &mut self.links[link];
        link.server = None;
        let pipe = std::mem::take(link.pipe_to(Side::Server));
        for (packet, _) in packets(&pipe, Side::Client.role()) {
            let (from, to) = (Side::Client.lane(), Side::Server.lane());
            turn.log().lost(from, to, Words(&packet));
        }
    }

    /// The broker's clock jumps to the end of the Session, while the Client's stands still.
    pub(super) fn expire_server(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let Some(session) = &self.server.stored else {
            return Ok(());
        };
        let ends_at = session.next_timeout();
        if ends_at != Instant::NEVER {
            self.server.clock = self.server.clock.max(ends_at);
            self.note_return(Side::Server);
        }
        self.expire_stored(turn)
    }

    /// The time of the Session that is kept has come, for one thing or another.
    pub(super) fn expire_stored(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let Some(session) = &mut self.server.stored else {
            return Ok(());
        };
        let census = Census::of(session);
        session.handle_timeout(self.server.clock);
        if !session.exists() {
            self.lost_session = true;
            census.befell(Fate::Discard, Some(session), turn)?;
        }
        self.drain(At::Stored, turn)?;
        self.drop_ended();
        Ok(())
    }

    /// The broker's host crashes, with all of its connections, and starts again from what it stored.
    pub(super) fn restart_server(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let had_session = self.session(Side::Server).is_some();
        for link in 0..self.links.len() {
            if self.links[link].server.is_some() {
                self.drop_end(link, turn);
            }
        }
        if had_session {
            let config = self.config.0.session();
            self.server.stored = self.server.disk.load(self.server.clock, config, turn)?;
            self.drain(At::Stored, turn)?;
            self.drop_ended();
        }
        Ok(())
    }

    pub(super) fn expire(&mut self, side: Side, turn: &mut Turn<'_>) -> Result<(), Violation> {
        turn.log()
            .fault(format_args!("the {}'s Session expires", side.name()));
        match side {
            Side::Client => {
                self.left.client_expiries -= 1;
                self.expire_client(turn)
            }
            Side::Server => {
                self.left.server_expiries -= 1;
                self.expire_server(turn)
            }
        }
    }

    pub(super) fn crash(&mut self, side: Side, turn: &mut Turn<'_>) -> Result<(), Violation> {
        turn.log().fault(format_args!(
            "the {}'s host crashes and restarts",
            side.name()
        ));
        self.forget_after_crash(side);
        match side {
            Side::Client => {
                self.left.client_crashes -= 1;
                self.restart_client(turn)
            }
            Side::Server => {
                self.left.server_crashes -= 1;
                self.restart_server(turn)
            }
        }
    }
}
