//! What can happen next, and doing it.

use mqtt5_session_fsm::codec::{
    ReasonCode, SubscribeProperties, Subscription, SubscriptionOptions, Subscriptions, TopicFilter,
    TopicFilters, UnsubscribeProperties,
};

use super::SessionWorld;
use super::absence::Attention;
use super::announced::TOPIC;
use super::application::{Side, violation};
use super::describe::first_packet_len;
use super::host::At;
use super::points::{Kind, Monitor, of_kind};
use crate::explore::{Step, Turn, Violation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Publish {
        side: Side,
        qos: u8,
        large: bool,
    },
    Decide {
        side: Side,
        position: usize,
        accept: bool,
    },
    Subscribe,
    Unsubscribe,
    Answer {
        link: usize,
        position: usize,
    },
    Connect {
        clean_start: bool,
    },
    Takeover {
        clean_start: bool,
    },
    Deliver {
        link: usize,
        to: Side,
    },
    Batch {
        link: usize,
        to: Side,
    },
    Fragment {
        link: usize,
        to: Side,
        length: usize,
    },
    Cut {
        link: usize,
        first: Side,
    },
    Notice {
        link: usize,
        side: Side,
    },
    Disconnect {
        link: usize,
        side: Side,
    },
    Crash(Side),
    Expire(Side),
    Hostile {
        link: usize,
        to: Side,
    },
    Tick,
    Leave {
        side: Side,
        attention: Attention,
    },
    Return {
        side: Side,
        read_first: bool,
    },
    Arrive {
        link: usize,
        to: Side,
    },
}

const SIDES: [Side; 2] = [Side::Client, Side::Server];

impl SessionWorld {
    /// Everything that can happen next.
    pub(super) fn actions(&self) -> Vec<Action> {
        let left = &self.left;
        let mut actions = Vec::with_capacity(16);
        for (number, link) in self.links.iter().enumerate() {
            for to in SIDES.into_iter().filter(|to| link.has(*to)) {
                let pipe = &link.pipes[to.other() as usize];
                let first = first_packet_len(pipe);
                if !self.reads(number, to) {
                    if pipe.len() > link.hearing[to as usize].socket {
                        actions.push(Action::Arrive { link: number, to });
                    }
                    continue;
                }
                if first > 0 {
                    actions.push(Action::Deliver { link: number, to });
                }
                if self.config.0.batches > 0 && first < pipe.len() {
                    actions.push(Action::Batch { link: number, to });
                }
                if left.fragments > 0 && first > 1 {
                    for length in [1, first - 1] {
                        let link = number;
                        actions.push(Action::Fragment { link, to, length });
                    }
                }
                if !self.is_attentive(to) {
                    continue;
                }
                if !link.has(to.other()) {
                    let (link, side) = (number, to);
                    actions.push(Action::Notice { link, side });
                    continue;
                }
                if left.cuts > 0 {
                    let (link, first) = (number, to);
                    actions.push(Action::Cut { link, first });
                }
                if left.disconnects > 0 && self.is_open(number, to) {
                    let (link, side) = (number, to);
                    actions.push(Action::Disconnect { link, side });
                }
                if left.hostile > 0 && self.is_open(number, to) && self.inbox_is_empty(number, to) {
                    actions.push(Action::Hostile { link: number, to });
                }
            }
            if !self.is_attentive(Side::Server) {
                continue;
            }
            let requests = link.server.as_ref().map_or(0, |end| end.requests.len());
            for position in 0..requests {
                let link = number;
                actions.push(Action::Answer { link, position });
            }
        }
        let is_away = !self.links.iter().any(|link| link.has_client);
        // A CONNECT may have to wait for room.
        let may_connect = matches!(
            self.attention(Side::Client),
            Attention::Full | Attention::Blocked
        );
        if self.links.len() < usize::from(self.config.0.links) && may_connect {
            let may_clean = left.clean_starts > 0 && self.client.machine.session().exists();
            if is_away {
                actions.push(Action::Connect { clean_start: false });
                if may_clean {
                    actions.push(Action::Connect { clean_start: true });
                }
            } else if left.takeovers > 0 {
                actions.push(Action::Takeover { clean_start: false });
                if may_clean {
                    actions.push(Action::Takeover { clean_start: true });
                }
            }
        }
        for side in SIDES {
            self.actions_of_application(side, is_away, &mut actions);
            self.absences(side, &mut actions);
        }
        if left.ticks > 0 && self.next_deadline().is_some() {
            actions.push(Action::Tick);
        }
        actions
    }

    fn actions_of_application(&self, side: Side, is_away: bool, actions: &mut Vec<Action>) {
        let left = &self.left;
        let (messages, undecided, crashes, expiries) = match side {
            Side::Client => (
                left.up,
                &self.client.undecided,
                left.client_crashes,
                left.client_expiries,
            ),
            Side::Server => (
                left.down,
                &self.server.undecided,
                left.server_crashes,
                left.server_expiries,
            ),
        };
        let is_awake = self.attention(side) != Attention::Asleep;
        if messages > 0 && is_awake && self.session(side).is_some() {
            self.publications(side, actions);
        }
        if !self.is_attentive(side) {
            return;
        }
        // The Session that the broker keeps takes no decisions.
        let deciding = if self.at(side) == At::Stored {
            0
        } else {
            undecided.len()
        };
        for position in 0..deciding {
            for accept in [true, false] {
                if accept || left.refusals > 0 {
                    actions.push(Action::Decide {
                        side,
                        position,
                        accept,
                    });
                }
            }
        }
        let asks_early = self.config.0.early > 0 && self.links.iter().any(|link| link.has_client);
        if side == Side::Client && (self.client.machine.is_connected() || asks_early) {
            if left.subscribes > 0 {
                actions.push(Action::Subscribe);
            }
            if left.unsubscribes > 0 {
                actions.push(Action::Unsubscribe);
            }
        }
        if crashes > 0 {
            actions.push(Action::Crash(side));
        }
        let may_expire = match side {
            Side::Client => is_away && self.client.machine.session().exists(),
            Side::Server => self.server.stored.is_some(),
        };
        if expiries > 0 && may_expire {
            actions.push(Action::Expire(side));
        }
    }

    /// Does it, completely.
    pub(super) fn perform(
        &mut self,
        action: Action,
        turn: &mut Turn<'_>,
    ) -> Result<Step, Violation> {
        let (kind, step) = match action {
            Action::Publish { .. } => (Kind::Publish, Step::Progress),
            Action::Decide { accept: true, .. } => (Kind::Accept, Step::Progress),
            Action::Decide { accept: false, .. } => (Kind::Refuse, Step::Progress),
            Action::Subscribe => (Kind::Subscribe, Step::Progress),
            Action::Unsubscribe => (Kind::Unsubscribe, Step::Progress),
            Action::Answer { .. } => (Kind::Answer, Step::Progress),
            Action::Connect { clean_start: false } => (Kind::Connect, Step::Progress),
            Action::Connect { clean_start: true } => (Kind::CleanStart, Step::Progress),
            Action::Takeover { .. } => (Kind::Takeover, Step::Fault),
            Action::Deliver { .. } => (Kind::Deliver, Step::Progress),
            Action::Batch { .. } => (Kind::Batch, Step::Progress),
            Action::Fragment { .. } => (Kind::Fragment, Step::Fault),
            Action::Cut { .. } => (Kind::Cut, Step::Fault),
            Action::Notice { .. } => (Kind::Notice, Step::Progress),
            Action::Disconnect { .. } => (Kind::Disconnect, Step::Progress),
            Action::Crash(Side::Client) => (Kind::ClientCrash, Step::Fault),
            Action::Crash(Side::Server) => (Kind::ServerCrash, Step::Fault),
            Action::Expire(Side::Client) => (Kind::ClientExpiry, Step::Fault),
            Action::Expire(Side::Server) => (Kind::ServerExpiry, Step::Fault),
            Action::Hostile { .. } => (Kind::Hostile, Step::Fault),
            Action::Tick => (Kind::Tick, Step::Progress),
            Action::Leave { attention, .. } => (attention.kind(), Step::Fault),
            Action::Return { .. } => (Kind::Return, Step::Progress),
            Action::Arrive { .. } => (Kind::Arrive, Step::Progress),
        };
        turn.cover(of_kind(kind));
        match action {
            Action::Publish { side, qos, large } => self.publish(side, qos, large, turn)?,
            Action::Decide {
                side,
                position,
                accept,
            } => self.decide(side, position, accept, turn)?,
            Action::Subscribe => self.request(true, turn)?,
            Action::Unsubscribe => self.request(false, turn)?,
            Action::Answer { link, position } => self.answer(link, position, turn)?,
            Action::Connect { clean_start } => self.connect(clean_start, turn)?,
            Action::Takeover { clean_start } => {
                self.left.takeovers -= 1;
                turn.log().fault("the client connects once more");
                self.connect(clean_start, turn)?;
            }
            Action::Deliver { link, to } => {
                let length = first_packet_len(self.links[link].pipe_to(to));
                self.deliver(link, to, length, turn)?;
            }
            Action::Batch { link, to } => {
                let length = self.links[link].pipe_to(to).len();
                self.deliver(link, to, length, turn)?;
            }
            Action::Fragment { link, to, length } => {
                self.left.fragments -= 1;
                turn.log().fault(format_args!(
                    "{length} bytes of a packet reach the {}",
                    to.name()
                ));
                self.deliver(link, to, length, turn)?;
            }
            Action::Cut { link, first } => {
                self.left.cuts -= 1;
                turn.log().fault(format_args!(
                    "the connection breaks; the {} notices",
                    first.name()
                ));
                self.lose(link, first, turn)?;
            }
            Action::Notice { link, side } => {
                turn.note(side.lane(), "notices that the connection is gone");
                self.lose(link, side, turn)?;
            }
            Action::Disconnect { link, side } => {
                self.left.disconnects -= 1;
                self.disconnect(link, side, turn)?;
            }
            Action::Crash(side) => self.crash(side, turn)?,
            Action::Expire(side) => self.expire(side, turn)?,
            Action::Hostile { link, to } => self.slip_in(link, to, turn)?,
            Action::Tick => self.tick(turn)?,
            Action::Leave { side, attention } => self.leave(side, attention, turn),
            Action::Return { side, read_first } => self.come_back(side, read_first, turn)?,
            Action::Arrive { link, to } => self.arrive(link, to, turn)?,
        }
        Ok(step)
    }

    fn request(&mut self, subscribe: bool, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let filter = TopicFilter::new(TOPIC).expect("a good filter");
        let machine = &mut self.client.machine;
        let answer = if subscribe {
            self.left.subscribes -= 1;
            turn.note(Side::Client.lane(), "subscribes");
            let options = SubscriptionOptions::default();
            let list = [Subscription { filter, options }];
            let subscriptions = Subscriptions::new(&list).expect("not empty");
            machine.subscribe(SubscribeProperties::EMPTY, subscriptions)
        } else {
            self.left.unsubscribes -= 1;
            turn.note(Side::Client.lane(), "unsubscribes");
            let list = [filter];
            let filters = TopicFilters::new(&list).expect("not empty");
            machine.unsubscribe(UnsubscribeProperties::EMPTY, filters)
        };
        let token = answer.map_err(|error| violation(Monitor::NotLost, error.to_string()))?;
        let requests = &mut self.flows[Side::Client as usize].requests;
        requests.push((0, token.number()));
        self.drain(At::Client, turn)
    }

    fn disconnect(
        &mut self,
        link: usize,
        side: Side,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let now = self.now(side);
        turn.note(side.lane(), "disconnects");
        let answer = match side {
            Side::Client => {
                let code = ReasonCode::NORMAL_DISCONNECTION;
                self.client.machine.disconnect(now, code, &[])
            }
            Side::Server => {
                let code = ReasonCode::ServerShuttingDown;
                self.machine(link).disconnect(now, code, &[])
            }
        };
        answer.map_err(|error| violation(Monitor::FirstPacket, error.to_string()))?;
        self.drain(self.at_link(link, side), turn)
    }
}
