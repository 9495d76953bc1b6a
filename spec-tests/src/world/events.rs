//! What the machines tell their hosts, and what the monitors make of it.

use mqtt5_session_fsm::codec::Qos;

use super::application::{Ending, Side, Undecided, violation};
use super::host::At;
use super::points::{Monitor, of_monitor};
use super::told::Told;
use super::{SessionWorld, Split};
use crate::explore::{Turn, Violation};

impl SessionWorld {
    /// An event, from `receive` or from `poll`.
    pub(super) fn told(
        &mut self,
        at: At,
        told: Told,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let side = at.side();
        if told != Told::Other {
            turn.note(side.lane(), told);
        }
        let strict = self.config.0.ever > 0 || self.split != Split::Resumed;
        self.check_order_of_events(at, told, turn)?;
        match told {
            Told::Message {
                number,
                qos,
                identifier,
                receipt,
            } => {
                let flow = &mut self.flows[side.other() as usize];
                if qos == Qos::ExactlyOnce {
                    turn.cover(of_monitor(Monitor::AtMostOnce));
                    turn.cover(of_monitor(Monitor::Ever));
                }
                if number > 0 {
                    turn.cover(of_monitor(Monitor::DeliveryOrder));
                }
                flow.delivered(number, qos, strict)?;
                match receipt {
                    Some(receipt) => {
                        let undecided = Undecided {
                            receipt,
                            number,
                            qos,
                            identifier,
                        };
                        self.undecided(side).push(undecided);
                    }
                    None => flow.records[usize::from(number)].accepted = true,
                }
            }
            Told::Outcome { token, ending } => {
                turn.cover(of_monitor(Monitor::OneOutcome));
                if ending == Ending::Dropped && self.sees_what_waits() {
                    self.check_drop(side, token, turn)?;
                }
                let number = self.flows[side as usize].outcome(token, ending, strict)?;
                if ending == Ending::Success && number.is_some() {
                    turn.cover(of_monitor(Monitor::NotLost));
                }
                if ending == Ending::Lost && number.is_some() {
                    turn.cover(of_monitor(Monitor::LossHasReason));
                    if !self.lost_session && !self.config.0.limits_change() {
                        let message = format!("the {} lost {number:?}", side.name());
                        return Err(violation(Monitor::LossHasReason, message));
                    }
                }
            }
            Told::SessionEnded => {
                self.split = match (side, self.split) {
                    (_, Split::Resumed) => Split::Resumed,
                    (Side::Server, _) if self.client.machine.session().exists() => Split::Ended,
                    _ => Split::Same,
                };
                if let (Side::Server, Some(clients)) = (side, self.clients_link()) {
                    let link = &mut self.links[clients];
                    // The Client's own CONNECT ends it for both.
                    link.outlived_session |=
                        at != At::Server(clients) && link.watches[Side::Server as usize].opened;
                }
                self.flows[side.other() as usize].receiver_ended();
                self.undecided(side).clear();
                // A Server without a Session takes no messages: nobody waits for room in it.
                if side == Side::Server {
                    self.flows[side as usize].refused = [0; 2];
                }
            }
            Told::Room => self.flows[side as usize].refused = [0; 2],
            Told::Connect => {
                if let At::Server(link) = at {
                    self.decide_connect(link, turn)?;
                }
            }
            Told::Request {
                packet_identifier,
                subscribe,
            } => {
                if let At::Server(link) = at {
                    if let Some(end) = &mut self.links[link].server {
                        end.requests.push((packet_identifier, subscribe));
                    }
                }
            }
            Told::Connected { session_present } => {
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
            Told::Refused | Told::Other => {}
        }
        Ok(())
    }

    /// The end of a Session is heard before anything that the next one brings.
    fn check_order_of_events(
        &mut self,
        at: At,
        told: Told,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let link = match at {
            At::Client => self.clients_link(),
            At::Server(link) => Some(link),
            At::Stored => None,
        };
        let Some(link) = link else {
            return Ok(());
        };
        let side = at.side();
        match told {
            Told::Message { .. } | Told::Request { .. } => {
                self.links[link].heard[side as usize] = true;
            }
            Told::SessionEnded if self.is_open(link, side) => {
                turn.cover(of_monitor(Monitor::EventOrder));
                if self.links[link].heard[side as usize] {
                    let message = format!(
                        "the {} hears of the end of a Session after something that the next one brought",
                        side.name()
                    );
                    return Err(violation(Monitor::EventOrder, message));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The link of which the Client holds an end.
    pub(super) fn clients_link(&self) -> Option<usize> {
        self.links.iter().rposition(|link| link.has_client)
    }
}
