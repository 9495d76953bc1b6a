//! Hosts that are not quite there: asleep, without room in the network, or busy with something else.

use mqtt5_session_fsm::{Instant, Session};

use super::SessionWorld;
use super::actions::Action;
use super::application::{SIDES, Side};
use super::coverage_points::Kind;
use super::monitors::time::later;
use super::monitors::{Judged, Rule};
use super::shell::At;
use crate::explore::Turn;

/// What the host of a side does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Attention {
    /// Everything, at once.
    #[default]
    Full,
    /// Nothing: neither timers nor reading, as a process that is suspended.
    Asleep,
    /// The network takes nothing from it. While it has something to send, it does not read.
    Blocked,
    /// It puts off `poll`, and reading with it. Its timers work.
    Unpolled,
    /// It puts off reading. Everything else works.
    Unread,
}

impl Attention {
    /// It says `bytes_waiting` when bytes lie in its socket: it leaves them there for reasons of its own.
    const fn tells(self) -> bool {
        matches!(self, Attention::Unpolled | Attention::Unread)
    }

    pub(super) const fn kind(self) -> Kind {
        match self {
            Attention::Asleep => Kind::Sleep,
            Attention::Blocked => Kind::Block,
            Attention::Unpolled => Kind::PutOff,
            Attention::Unread | Attention::Full => Kind::Unread,
        }
    }
}

impl SessionWorld {
    pub(super) fn attention(&self, side: Side) -> Attention {
        self.hosts[side].attention
    }

    pub(super) fn is_attentive(&self, side: Side) -> bool {
        self.attention(side) == Attention::Full
    }

    /// Whether bytes that come are read at once.
    pub(super) fn reads(&self, link: usize, side: Side) -> bool {
        match self.attention(side) {
            Attention::Full => true,
            Attention::Blocked => self.links[link].hearing[side].stuck == Instant::NEVER,
            Attention::Asleep | Attention::Unpolled | Attention::Unread => false,
        }
    }

    pub(super) fn absences(&self, side: Side, actions: &mut Vec<Action>) {
        let left = &self.left;
        if !self.is_attentive(side) {
            let has_bytes = |link: &super::Link| link.hearing[side].socket > 0;
            let has_bytes = self.links.iter().any(has_bytes);
            // A sleeper is late: a timer that is just due would have found what lies there read.
            let now = self.now(side);
            let mut links = self.links.iter().filter(|link| link.has(side));
            let is_late = self.attention(side) != Attention::Asleep
                || links.all(|link| {
                    let hearing = &link.hearing[side];
                    !hearing.is_just_due(now, side, &self.config.0)
                });
            for read_first in [false, true] {
                if has_bytes && (read_first || is_late) || !has_bytes && !read_first {
                    actions.push(Action::Return(side, read_first));
                }
            }
            return;
        }
        if !self.links.iter().any(|link| link.has(side)) {
            return;
        }
        for (budget, attention) in [
            (left.sleeps, Attention::Asleep),
            (left.blocks, Attention::Blocked),
            (left.put_offs, Attention::Unpolled),
            (left.unread, Attention::Unread),
        ] {
            if budget > 0 {
                actions.push(Action::Leave(side, attention));
            }
        }
    }

    pub(super) fn leave(&mut self, side: Side, attention: Attention, turn: &mut Turn<'_>) {
        let left = &mut self.left;
        let (budget, words) = match attention {
            Attention::Asleep => (&mut left.sleeps, "falls asleep"),
            Attention::Blocked => (&mut left.blocks, "cannot send any more"),
            Attention::Unpolled => (&mut left.put_offs, "puts off poll"),
            Attention::Full | Attention::Unread => (&mut left.unread, "puts off reading"),
        };
        *budget -= 1;
        turn.log()
            .fault(format_args!("the {}'s host {words}", side.name()));
        self.hosts[side].attention = attention;
    }

    /// The host is back. It reads what lies in its sockets and looks at its timers, in either order, before anything
    /// else happens.
    pub(super) fn come_back(
        &mut self,
        side: Side,
        read_first: bool,
        turn: &mut Turn<'_>,
    ) -> Judged {
        let words = match read_first {
            false => "is back, and looks at its timers",
            true => "is back, and reads",
        };
        turn.note(side.lane(), words);
        let before = std::mem::take(&mut self.hosts[side].attention);
        self.note_return(side);
        if matches!(before, Attention::Blocked | Attention::Unpolled) {
            for at in self.machines(side) {
                self.drain(at, turn)?;
            }
        }
        if read_first {
            self.read_sockets(side, turn)?;
        }
        self.timers(side, turn)?;
        self.read_sockets(side, turn)
    }

    /// From now on the host is there again, on each of its connections.
    pub(super) fn note_return(&mut self, side: Side) {
        let now = match self.config.0.ticks {
            0 => Instant::ORIGIN,
            _ => self.now(side),
        };
        for link in self.links.iter_mut().filter(|link| link.has(side)) {
            link.hearing[side].came_back = now;
        }
    }

    /// Reads what lies in the sockets of a side, where its host reads.
    pub(super) fn read_sockets(&mut self, side: Side, turn: &mut Turn<'_>) -> Judged {
        for link in 0..self.links.len() {
            let length = self.links[link].hearing[side].socket;
            if length > 0 && self.links[link].has(side) && self.reads(link, side) {
                self.deliver(link, side, length, turn)?;
            }
        }
        Ok(())
    }

    /// Bytes reach the socket of a host that does not read now.
    pub(super) fn arrive(&mut self, link: usize, to: Side, turn: &mut Turn<'_>) -> Judged {
        let bytes = self.links[link].pipe_to(to).len();
        let now = self.now(to);
        let hearing = &mut self.links[link].hearing[to];
        let more = bytes - hearing.socket;
        turn.note(
            to.lane(),
            format_args!("{more} bytes come, and lie in the socket"),
        );
        hearing.arrive(now, more, to, &self.config.0);
        self.tell_waiting(link, to);
        self.drain(self.at_link(link, to), turn)
    }

    /// Says that bytes lie in the socket, where the contract asks for it.
    fn tell_waiting(&mut self, link: usize, side: Side) {
        let now = self.now(side);
        let tells = self.attention(side).tells();
        let hearing = &mut self.links[link].hearing[side];
        if hearing.socket > 0 && tells {
            hearing.tell();
            match side {
                Side::Client => self.client.bytes_waiting(now),
                Side::Server => self.machine(link).bytes_waiting(now),
            }
        }
    }

    /// The machines of a side, and the Session that it keeps.
    fn machines(&self, side: Side) -> Vec<At> {
        match side {
            Side::Client => vec![At::Client],
            Side::Server => {
                let links = 0..self.links.len();
                let servers = links.filter(|link| self.links[*link].server.is_some());
                servers.map(At::Server).chain([At::Stored]).collect()
            }
        }
    }

    /// When a machine wants to be called.
    pub(super) fn next_timeout(&self, at: At) -> Instant {
        match at {
            At::Client => self.client.next_timeout(),
            At::Server(link) => {
                let end = self.links[link].server.as_ref();
                end.map_or(Instant::NEVER, |end| end.machine.next_timeout())
            }
            At::Stored => {
                let session = self.stored.as_ref();
                session.map_or(Instant::NEVER, Session::next_timeout)
            }
        }
    }

    /// What is next for a side: a deadline of its machines, or the time by which they should have closed.
    pub(super) fn next_due(&self, side: Side) -> Instant {
        let now = self.now(side);
        let attention = self.attention(side);
        let machines = self.machines(side).into_iter();
        let mut next = machines
            .map(|at| self.next_timeout(at))
            .map(|due| match attention {
                // A sleeper misses it, be it by a little.
                Attention::Asleep => later(due, 1),
                _ => due,
            })
            .filter(|due| attention == Attention::Full || *due > now)
            .min()
            .unwrap_or(Instant::NEVER);
        for link in self.links.iter().filter(|link| link.has(side)) {
            let hearing = &link.hearing[side];
            let config = &self.config.0;
            if attention == Attention::Full || hearing.stuck != Instant::NEVER {
                next = next.min(hearing.bound(side, config).max(now));
            }
            if attention != Attention::Full {
                // To be there when it could be unfair.
                let dues = hearing.dues(side, config).into_iter();
                let dues = dues.map(|(_, due)| match attention {
                    Attention::Asleep => later(due, 1),
                    _ => due,
                });
                next = dues.filter(|due| *due > now).fold(next, Instant::min);
            }
        }
        next
    }

    /// Calls the machines of a side whose time has come.
    pub(super) fn timers(&mut self, side: Side, turn: &mut Turn<'_>) -> Judged {
        if self.attention(side) == Attention::Asleep {
            return Ok(());
        }
        let now = self.now(side);
        for at in self.machines(side) {
            match at {
                At::Client => {
                    if let Some(link) = self.clients_link() {
                        self.tell_waiting(link, Side::Client);
                    }
                }
                At::Server(link) if self.links[link].server.is_some() => {
                    self.tell_waiting(link, Side::Server);
                }
                At::Server(_) | At::Stored => {}
            }
            // What became of its messages would be lost with a Session that ends unpolled.
            let is_put_off = at == At::Stored && self.attention(side) == Attention::Unpolled;
            if self.next_timeout(at) > now || is_put_off {
                continue;
            }
            match at {
                At::Stored => self.expire_stored(turn)?,
                At::Client | At::Server(_) => {
                    self.may_end(side, turn, |world| match at {
                        At::Server(link) => world.machine(link).handle_timeout(now),
                        _ => world.client.handle_timeout(now),
                    })?;
                    self.drain(at, turn)?;
                }
            }
        }
        Ok(())
    }

    /// A peer that is silent has been left by now.
    pub(super) fn check_silence(&self, turn: &mut Turn<'_>) -> Judged {
        for link in &self.links {
            for side in SIDES {
                let hearing = &link.hearing[side];
                let is_there = self.is_attentive(side) || hearing.stuck != Instant::NEVER;
                if link.has(side) && is_there {
                    let verdict = hearing.silence(self.now(side), side, &self.config.0);
                    turn.judge(Rule::Silence, verdict)?;
                }
            }
        }
        Ok(())
    }
}
