//! What the machines tell their hosts, and what the monitors make of it.

use super::application::{Ending, Side, Undecided};
use super::monitors::delivery::{Delivery, loss_has_reason, not_lost};
use super::monitors::room::next_dropped;
use super::monitors::{Judged, Rule, Verdict};
use super::observed::Observed;
use super::shell::At;
use super::{SessionWorld, Split};
use crate::explore::Turn;

impl SessionWorld {
    /// An event, from `receive` or from `poll`.
    pub(super) fn observe(&mut self, at: At, event: Observed, turn: &mut Turn<'_>) -> Judged {
        let side = at.side();
        if event != Observed::Other {
            turn.note(side.lane(), event);
        }
        let strict = self.config.0.ever > 0 || self.split != Split::Resumed;
        if let Some(link) = self.link_of(at) {
            let is_open = self.is_open(link, side);
            let monitor = &mut self.links[link].monitors[side].event_order;
            turn.judge(Rule::EventOrder, monitor.observed(event, is_open))?;
        }
        match event {
            Observed::Message {
                number,
                qos,
                receipt,
            } => {
                let flow = &mut self.flows[side.other()];
                let Some(delivery) = Delivery::new(flow, number, qos, strict) else {
                    let objection = format!("message {number} was never published");
                    return turn.judge(Rule::NothingOfTheDead, Verdict::Broken(objection));
                };
                turn.judge(Rule::NotLost, delivery.unchanged())?;
                turn.judge(Rule::DeliveryOrder, delivery.in_order())?;
                turn.judge(Rule::AtMostOnce, delivery.at_most_once())?;
                turn.judge(Rule::Ever, delivery.at_most_once_ever())?;
                flow.delivered(number, receipt.is_none());
                if let Some(receipt) = receipt {
                    self.hosts[side].undecided.push(Undecided {
                        receipt,
                        number,
                        qos,
                    });
                }
            }
            Observed::Outcome { token, .. } if self.flows[side].settle_request(token) => {
                turn.judge(Rule::OneOutcome, Verdict::Armed)?;
            }
            Observed::Outcome { token, ending } => {
                let number = self.flows[side].unsettled(token);
                let number = turn.demand(Rule::OneOutcome, number)?;
                let sees_what_waits = self.sees_what_waits();
                let flow = &mut self.flows[side];
                let record = &flow.records[number];
                if ending == Ending::Dropped && sees_what_waits {
                    let verdict = next_dropped(flow, record, &self.config.0.session());
                    turn.judge(Rule::Drops, verdict)?;
                    flow.dropped.push(record.size);
                }
                let record = &flow.records[number];
                turn.judge(Rule::NotLost, not_lost(number, record, ending, strict))?;
                let has_reason = self.lost_session || self.config.0.limits_change();
                let verdict = loss_has_reason(number, ending, has_reason);
                turn.judge(Rule::LossHasReason, verdict)?;
                flow.settled(number);
            }
            Observed::SessionEnded => {
                self.split = match (side, self.split) {
                    (_, Split::Resumed) => Split::Resumed,
                    (Side::Server, _) if self.client.session().exists() => Split::Ended,
                    _ => Split::Same,
                };
                if let (Side::Server, Some(clients)) = (side, self.clients_link()) {
                    let link = &mut self.links[clients];
                    // The Client's own CONNECT ends it for both.
                    link.outlived_session |= at != At::Server(clients)
                        && link.monitors[Side::Server].first_packet.opened;
                }
                let may_go_on = side == Side::Client && self.config.0.has_older_version();
                self.flows[side.other()].receiver_ended(may_go_on);
                self.hosts[side].undecided.clear();
                // A Server without a Session takes no messages: nobody waits for room in it.
                if side == Side::Server {
                    self.flows[side].refused = [0; 2];
                }
            }
            Observed::Room => self.flows[side].refused = [0; 2],
            Observed::Connect => {
                if let At::Server(link) = at {
                    self.decide_connect(link, turn)?;
                }
            }
            Observed::Request {
                packet_identifier,
                subscribe,
            } => {
                if let At::Server(link) = at {
                    if let Some(end) = &mut self.links[link].server {
                        end.requests.push((packet_identifier, subscribe));
                    }
                }
            }
            Observed::Connected { session_present } => {
                let link = self.clients_link().map(|link| &self.links[link]);
                let outlived = link.is_some_and(|link| link.outlived_session);
                self.split = match (self.split, session_present) {
                    (Split::Resumed, _) | (Split::Ended, true) => Split::Resumed,
                    (_, false) if outlived => Split::Ended,
                    _ => Split::Same,
                };
                if self.split == Split::Resumed && session_present {
                    turn.note(side.lane(), "(that is another Session than the client's)");
                }
            }
            Observed::Refused | Observed::Other => {}
        }
        Ok(())
    }
}
