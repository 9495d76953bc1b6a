//! Time: it jumps from deadline to deadline.

use mqtt5_session_fsm::Instant;

use super::SessionWorld;
use super::application::{Side, violation};
use super::host::At;
use super::points::{Monitor, of_monitor};
use crate::explore::{Turn, Violation};

impl SessionWorld {
    /// How long it is until something is due on either side, in milliseconds.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        let mut next = None::<u64>;
        let mut consider = |now: Instant, due: Instant| {
            if due != Instant::NEVER {
                let wait = due.as_millis().saturating_sub(now.as_millis());
                next = Some(next.map_or(wait, |it| it.min(wait)));
            }
        };
        consider(self.client.clock, self.client.machine.next_timeout());
        for end in self.links.iter().filter_map(|link| link.server.as_ref()) {
            consider(self.server.clock, end.machine.next_timeout());
        }
        if let Some(session) = &self.server.stored {
            consider(self.server.clock, session.next_timeout());
        }
        next
    }

    pub(super) fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.left.ticks -= 1;
        let wait = self.next_deadline().unwrap_or(0);
        turn.note(Side::Client.lane(), format_args!("{wait} ms later"));
        for clock in [&mut self.client.clock, &mut self.server.clock] {
            *clock = Instant::from_millis(clock.as_millis() + wait);
        }
        self.check_keep_alive(turn)?;
        let now = self.client.clock;
        if self.client.machine.next_timeout() <= now {
            let existed = self.client.machine.session().exists();
            self.client.machine.handle_timeout(now);
            self.lost_session |= existed && !self.client.machine.session().exists();
            self.drain(At::Client, turn)?;
        }
        let now = self.server.clock;
        for link in 0..self.links.len() {
            if let Some(end) = &mut self.links[link].server
                && end.machine.next_timeout() <= now
            {
                end.machine.handle_timeout(now);
                self.drain(At::Server(link), turn)?;
            }
        }
        if let Some(session) = &mut self.server.stored
            && session.next_timeout() <= now
        {
            self.expire_stored(turn)?;
        }
        Ok(())
    }

    fn check_keep_alive(&self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let interval = u64::from(self.config.0.keep_alive) * 1000;
        let Some(link) = self.links.iter().rfind(|link| link.has_client) else {
            return Ok(());
        };
        if interval == 0 || !self.client.machine.is_connected() {
            return Ok(());
        }
        turn.cover(of_monitor(Monitor::KeepAlive));
        let last = link.watches[Side::Client as usize].last_sent;
        let gap = self.client.clock.as_millis() - last.as_millis();
        if gap > interval {
            let message = format!("the client has been silent for {gap} ms");
            return Err(violation(Monitor::KeepAlive, message));
        }
        Ok(())
    }
}
