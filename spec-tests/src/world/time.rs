//! Time: it jumps from deadline to deadline.

use mqtt5_session_fsm::Instant;

use super::SessionWorld;
use super::application::{Side, violation};
use super::points::{Monitor, of_monitor};
use crate::explore::{Turn, Violation};

impl SessionWorld {
    /// How long it is until something is due on either side, in milliseconds.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        let sides = [Side::Client, Side::Server].into_iter();
        let due = sides.map(|side| (self.now(side), self.next_due(side)));
        due.filter(|(_, due)| *due != Instant::NEVER)
            .map(|(now, due)| due.as_millis().saturating_sub(now.as_millis()))
            .min()
    }

    pub(super) fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        self.left.ticks -= 1;
        // What had no room may have been dropped: such a host reads again, and not only when time has passed.
        for side in [Side::Client, Side::Server] {
            self.read_sockets(side, turn)?;
        }
        let wait = self.next_deadline().unwrap_or(0);
        turn.note(Side::Client.lane(), format_args!("{wait} ms later"));
        for clock in [&mut self.client.clock, &mut self.server.clock] {
            *clock = Instant::from_millis(clock.as_millis() + wait);
        }
        self.check_keep_alive(turn)?;
        self.timers(Side::Client, turn)?;
        self.timers(Side::Server, turn)?;
        self.check_silence(turn)
    }

    fn check_keep_alive(&self, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let interval = u64::from(self.config.0.keep_alive) * 1000;
        let Some(link) = self.links.iter().rfind(|link| link.has_client) else {
            return Ok(());
        };
        let is_there = self.client.machine.is_connected() && self.is_attentive(Side::Client);
        if interval == 0 || !is_there {
            return Ok(());
        }
        turn.cover(of_monitor(Monitor::KeepAlive));
        let last = link.watches[Side::Client as usize].last_sent;
        let last = last.max(link.hearing[Side::Client as usize].came_back);
        let gap = self.client.clock.as_millis() - last.as_millis();
        if gap > interval {
            let message = format!("the client has been silent for {gap} ms");
            return Err(violation(Monitor::KeepAlive, message));
        }
        Ok(())
    }

    /// Keeps of the accounts what may still matter.
    pub(super) fn settle_hearing(&mut self) {
        if self.config.0.ticks == 0 {
            return;
        }
        for link in 0..self.links.len() {
            for side in [Side::Client, Side::Server] {
                let established = self.is_open(link, side);
                let is_there = self.links[link].has(side);
                let hearing = &mut self.links[link].hearing[side as usize];
                hearing.established |= established;
                if established {
                    hearing.opened = Instant::ORIGIN;
                }
                if !is_there {
                    *hearing = Default::default();
                }
            }
        }
    }
}
