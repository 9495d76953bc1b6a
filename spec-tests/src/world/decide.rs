//! Applications that acknowledge messages themselves.

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{Qos, ReasonCode};

use super::SessionWorld;
use super::application::{Side, Undecided, violation};
use super::host::At;
use super::points::{Monitor, of_monitor};
use crate::explore::{Turn, Violation};

impl SessionWorld {
    pub(super) fn undecided(&mut self, side: Side) -> &mut Vec<Undecided> {
        match side {
            Side::Client => &mut self.client.undecided,
            Side::Server => &mut self.server.undecided,
        }
    }

    /// An application decides about a message.
    pub(super) fn decide(
        &mut self,
        side: Side,
        position: usize,
        accept: bool,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let undecided = self.undecided(side).remove(position);
        let number = undecided.number;
        let verb = if accept { "accepts" } else { "refuses" };
        turn.note(side.lane(), format_args!("{verb} message {number}"));
        let flow = &mut self.flows[side.other() as usize];
        if accept {
            flow.records[usize::from(number)].accepted = true;
        } else {
            self.left.refusals -= 1;
            flow.taken_back(number);
        }
        let answer = self.acknowledge(side, undecided, accept);
        answer.map_err(|error| violation(Monitor::VoidReceipt, error.to_string()))?;

        // Used once more, it must not do anything.
        for again in [true, false] {
            turn.cover(of_monitor(Monitor::VoidReceipt));
            let before = self.session(side).cloned();
            let answer = self.acknowledge(side, undecided, again);
            if answer != Err(SendError::Stale) || self.session(side) != before.as_ref() {
                let message = format!("message {number} was decided twice");
                return Err(violation(Monitor::VoidReceipt, message));
            }
        }
        self.drain(self.at(side), turn)
    }

    fn acknowledge(
        &mut self,
        side: Side,
        undecided: Undecided,
        accept: bool,
    ) -> Result<(), SendError> {
        let code = if accept {
            ReasonCode::Success
        } else {
            ReasonCode::QuotaExceeded
        };
        match self.at(side) {
            At::Client => {
                let machine = &mut self.client.machine;
                machine.acknowledge_with(undecided.receipt, code, &[])
            }
            At::Server(link) => {
                let machine = self.machine(link);
                machine.acknowledge_with(undecided.receipt, code, &[])
            }
            At::Stored => Err(SendError::Stale),
        }
    }

    /// A host crashed: what its application had not decided about comes again.
    pub(super) fn forget_after_crash(&mut self, side: Side) {
        self.flows[side as usize].sender_crashed();
        for undecided in std::mem::take(self.undecided(side)) {
            self.flows[side.other() as usize].taken_back(undecided.number);
        }
    }

    /// The connection of a side is gone: what was undecided at QoS 1 comes again, and its receipts are
    /// void.
    pub(super) fn forget_undecided(&mut self, side: Side) {
        self.undecided(side).retain(|it| it.qos == Qos::ExactlyOnce);
    }
}
