//! Connections that are over, and brokers that are lost.

use mqtt5_codec::ReasonCode;

use super::BrokerWorld;
use super::host::instant;
use super::monitors::{Judge, Judged, Rule};
use super::packet::name;
use crate::explore::Turn;

impl BrokerWorld {
    /// A client gives a connection up.
    pub(super) fn forget(&mut self, at: usize) {
        let link = &mut self.links[at];
        link.is_known = false;
        link.down.clear();
        link.held.clear();
        self.clients[link.client as usize].lost();
    }

    /// The broker hears that a connection is gone.
    pub(super) fn lose(&mut self, at: usize, turn: &mut Turn<'_>) -> Judged {
        let link = &mut self.links[at];
        let (client, is_old, was_accepted) = (link.client, link.is_old, link.is_accepted);
        link.up.clear();
        link.question = None;
        link.is_accepted = false;
        let Some(key) = link.key.take() else {
            return Ok(());
        };
        turn.note(
            Self::broker_lane(is_old),
            format_args!("loses a connection of client {client}"),
        );
        let now = instant(self.now);
        let lost = self.host(is_old).broker().lost(now, key);
        turn.must(Rule::Calls, lost)?;
        if was_accepted {
            self.disconnected(is_old, client);
        }
        self.serve(is_old, turn)
    }

    pub(super) fn kick(&mut self, client: u8, turn: &mut Turn<'_>) -> Judged {
        let now = instant(self.now);
        let code = ReasonCode::AdministrativeAction;
        for link in &mut self.links {
            if link.client == client && !link.is_old && link.is_accepted {
                link.may_end = Some(code as u8);
            }
        }
        turn.note(
            Self::broker_lane(false),
            format_args!("disconnects client {client}"),
        );
        self.host.broker().kick(now, name(client), code, &[]);
        self.host.holds_batch = true;
        self.serve(false, turn)
    }

    /// The broker is lost with all that is not stored.
    pub(super) fn lose_broker(&mut self, turn: &mut Turn<'_>) -> Judged {
        self.left.losses -= 1;
        let clock = turn.pick(&self.config().clocks.list());
        let now = match clock {
            1 => self.now - 2_000,
            2 => self.now + 2_000,
            _ => self.now,
        };
        turn.log().fault(format_args!(
            "the broker is lost; the next one has the clock {now}"
        ));
        let (config, of_broker) = (self.config().clone(), *self.broker_config());
        let restored = self.host.stored.restore(now, &of_broker);
        let broker = turn.must(Rule::Restored, restored)?;
        // The clock of what is stored goes on.
        let clock_before = self.now;
        self.now = now.max(self.host.stored.now);
        let mut model = (*self.host.stored.model).clone();
        model.restored(self.now, &config);
        let next = self.host.next(broker, model);
        let mut old = std::mem::replace(&mut self.host, next);
        for link in self.links.iter_mut().filter(|link| !link.is_old) {
            link.is_old = true;
            link.is_silent = link.is_silent || !link.held.is_empty();
            link.held.clear();
        }
        (old.is_old, old.clock) = (Some(old.stored.last), clock_before);
        old.stored.last = old.pending.back().map_or(old.stored.last, |it| it.last);
        old.pending.clear();
        self.old = Some(Box::new(old));
        if self.config().unaware == 0 {
            self.end_old();
        }
        self.timeout(turn)
    }

    /// The process of the old broker is over, and its connections with it.
    pub(super) fn end_old(&mut self) {
        self.old = None;
        for link in self.links.iter_mut().filter(|link| link.is_old) {
            link.key = None;
            link.up.clear();
            link.question = None;
            link.is_accepted = false;
        }
    }
}
