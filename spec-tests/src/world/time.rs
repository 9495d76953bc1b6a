//! Time: it jumps from deadline to deadline.

use mqtt5_session_fsm::Instant;

use super::SessionWorld;
use super::application::{SIDES, Side};
use super::monitors::time::keep_alive_gap;
use super::monitors::{Judged, Rule};
use crate::explore::Turn;

impl SessionWorld {
    /// How long it is until something is due on either side, in milliseconds.
    pub(super) fn next_deadline(&self) -> Option<u64> {
        let sides = SIDES.into_iter();
        let due = sides.map(|side| (self.now(side), self.next_due(side)));
        due.filter(|(_, due)| *due != Instant::NEVER)
            .map(|(now, due)| due.as_millis().saturating_sub(now.as_millis()))
            .min()
    }

    pub(super) fn tick(&mut self, turn: &mut Turn<'_>) -> Judged {
        self.left.ticks -= 1;
        // What had no room may have been dropped: such a host reads again, and not only when time has passed.
        for side in SIDES {
            self.read_sockets(side, turn)?;
        }
        let wait = self.next_deadline().unwrap_or(0);
        turn.note(Side::Client.lane(), format_args!("{wait} ms later"));
        for host in &mut self.hosts {
            host.clock = Instant::from_millis(host.clock.as_millis() + wait);
        }
        self.check_keep_alive(turn)?;
        self.timers(Side::Client, turn)?;
        self.timers(Side::Server, turn)?;
        self.check_silence(turn)
    }

    fn check_keep_alive(&self, turn: &mut Turn<'_>) -> Judged {
        let config = &self.config.0;
        let is_there = self.client.is_connected() && self.is_attentive(Side::Client);
        let Some(link) = self
            .clients_link()
            .filter(|_| is_there && config.keep_alive > 0)
        else {
            return Ok(());
        };
        let link = &self.links[link];
        let back = link.hearing[Side::Client].came_back;
        let last = link.monitors[Side::Client].last_sent.max(back);
        let verdict = keep_alive_gap(self.now(Side::Client), last, config);
        turn.judge(Rule::KeepAlive, verdict)
    }

    /// Keeps of the accounts what may still matter.
    pub(super) fn settle_hearing(&mut self) {
        if self.config.0.ticks == 0 {
            return;
        }
        for link in 0..self.links.len() {
            for side in SIDES {
                let established = self.is_open(link, side);
                let is_there = self.links[link].has(side);
                let hearing = &mut self.links[link].hearing[side];
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
