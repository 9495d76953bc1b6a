//! Applications that acknowledge messages themselves.

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{ProtocolVersion, Qos, ReasonCode};

use super::SessionWorld;
use super::application::{Side, Undecided};
use super::monitors::{Judged, Rule, Verdict};
use super::shell::At;
use crate::explore::Turn;

impl SessionWorld {
    /// An application decides about a message.
    pub(super) fn decide(
        &mut self,
        side: Side,
        position: usize,
        accept: bool,
        turn: &mut Turn<'_>,
    ) -> Judged {
        if !accept && self.cannot_refuse(side) {
            return self.close_instead(side, position, turn);
        }
        let undecided = self.hosts[side].undecided.remove(position);
        let number = undecided.number;
        let verb = if accept { "accepts" } else { "refuses" };
        turn.note(side.lane(), format_args!("{verb} message {number}"));
        let flow = &mut self.flows[side.other()];
        if accept {
            flow.records[usize::from(number)].accepted = true;
        } else {
            self.left.refusals -= 1;
            flow.taken_back(number);
        }
        let answer = match self.acknowledge(side, undecided, accept) {
            // Its Client has lost the Session, and has released the message.
            Err(SendError::Stale) if self.may_be_released(side) => Ok(()),
            answer => answer,
        };
        turn.demand(Rule::Calls, answer)?;

        // Used once more, it must not do anything.
        for again in [true, false] {
            let before = self.session(side).cloned();
            let answer = self.acknowledge(side, undecided, again);
            let is_void = answer == Err(SendError::Stale) && self.session(side) == before.as_ref();
            let verdict = Verdict::holds(is_void, || format!("message {number} was decided twice"));
            turn.judge(Rule::VoidReceipt, verdict)?;
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
                let machine = &mut self.client;
                machine.acknowledge_with(undecided.receipt, code, &[])
            }
            At::Server(link) => {
                let machine = self.machine(link);
                machine.acknowledge_with(undecided.receipt, code, &[])
            }
            At::Stored => Err(SendError::Stale),
        }
    }

    /// Whether a host refuses messages: not if it cannot know whether the connection on which the PUBREC leaves can say so.
    pub(super) fn may_refuse(&self, side: Side) -> bool {
        let is_open = |link| self.is_open(link, side);
        let config = &self.config.0;
        !config.has_older_version()
            || (config.versions().len() == 1 && self.link_of(self.at(side)).is_some_and(is_open))
    }

    fn may_be_released(&self, side: Side) -> bool {
        side == Side::Server && self.config.0.has_older_version() && self.lost_session
    }

    /// MQTT 3.1.1 has no way to refuse a message.
    fn cannot_refuse(&self, side: Side) -> bool {
        let link = self.link_of(self.at(side));
        link.is_some_and(|link| self.links[link].version == ProtocolVersion::V3_1_1)
    }

    /// So the host closes the connection, and the message comes again (3.3.5).
    fn close_instead(&mut self, side: Side, position: usize, turn: &mut Turn<'_>) -> Judged {
        let undecided = self.hosts[side].undecided[position];
        self.left.refusals -= 1;
        let code = ReasonCode::QuotaExceeded;
        let before = self.session(side).cloned();
        let answer = self.acknowledge(side, undecided, false);
        if answer == Err(SendError::Stale) && self.may_be_released(side) {
            self.hosts[side].undecided.remove(position);
            return Ok(());
        }
        let is_void =
            answer == Err(SendError::NotInVersion) && self.session(side) == before.as_ref();
        let verdict = Verdict::holds(is_void, || "a message was refused by MQTT 3.1.1".to_owned());
        turn.judge(Rule::VoidReceipt, verdict)?;
        turn.note(side.lane(), "closes, as it cannot refuse a message");
        let now = self.now(side);
        let at = self.at(side);
        let answer = match at {
            At::Client => self.client.disconnect(now, code, &[]),
            At::Server(link) => self.machine(link).disconnect(now, code, &[]),
            At::Stored => Ok(()),
        };
        turn.demand(Rule::Calls, answer)?;
        self.drain(at, turn)
    }

    /// A host crashed: what its application had not decided about comes again.
    pub(super) fn forget_after_crash(&mut self, side: Side) {
        self.flows[side].sender_crashed();
        for undecided in std::mem::take(&mut self.hosts[side].undecided) {
            self.flows[side.other()].taken_back(undecided.number);
        }
    }

    /// The connection of a side is gone: what was undecided at QoS 1 comes again, and its receipts are
    /// void.
    pub(super) fn forget_undecided(&mut self, side: Side) {
        self.hosts[side]
            .undecided
            .retain(|it| it.qos == Qos::ExactlyOnce);
    }
}
