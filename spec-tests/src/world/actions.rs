//! What can happen next, and doing it.

use mqtt5_session_fsm::SendError;
use mqtt5_session_fsm::codec::{
    ReasonCode, SubscribeProperties, Subscription, SubscriptionOptions, Subscriptions, TopicFilter,
    TopicFilters, UnsubscribeProperties,
};

use super::SessionWorld;
use super::absence::Attention;
use super::announced::TOPIC;
use super::application::{SIDES, Side};
use super::coverage_points::Kind;
use super::describe::first_packet_len;
use super::monitors::{Judged, Rule};
use super::shell::At;
use crate::explore::{Step, Turn};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// With this QoS; large or not.
    Publish(Side, u8, bool),
    /// About the message in this place: accept or not.
    Decide(Side, usize, bool),
    Subscribe,
    Unsubscribe,
    /// On this link, the request in this place.
    Answer(usize, usize),
    /// With this Clean Start.
    Connect(bool),
    Takeover(bool),
    /// At this side of this link.
    Link(usize, Side, LinkAction),
    Crash(Side),
    Lose,
    Expire(Side),
    Tick,
    Leave(Side, Attention),
    /// Read first, or look at the timers first.
    Return(Side, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkAction {
    Deliver,
    Batch,
    /// So many bytes arrive.
    Fragment(usize),
    /// This side notices first.
    Cut,
    Notice,
    Disconnect,
    Hostile,
    Arrive,
}

impl SessionWorld {
    /// Everything that can happen next.
    pub(super) fn actions(&self) -> Vec<Action> {
        let left = &self.left;
        let mut actions = Vec::with_capacity(16);
        for (number, link) in self.links.iter().enumerate() {
            for to in SIDES.into_iter().filter(|to| link.has(*to)) {
                let mut push = |action| actions.push(Action::Link(number, to, action));
                let pipe = &link.pipes[to.other()];
                let first = first_packet_len(pipe);
                if !self.reads(number, to) {
                    if pipe.len() > link.hearing[to].socket {
                        push(LinkAction::Arrive);
                    }
                    continue;
                }
                if first > 0 {
                    push(LinkAction::Deliver);
                }
                if self.config.0.batches > 0 && first < pipe.len() {
                    push(LinkAction::Batch);
                }
                if left.fragments > 0 && first > 1 {
                    push(LinkAction::Fragment(1));
                    push(LinkAction::Fragment(first - 1));
                }
                if !self.is_attentive(to) {
                    continue;
                }
                if !link.has(to.other()) {
                    push(LinkAction::Notice);
                    continue;
                }
                if left.cuts > 0 {
                    push(LinkAction::Cut);
                }
                if left.disconnects > 0 && self.is_open(number, to) {
                    push(LinkAction::Disconnect);
                }
                if left.hostile > 0 && self.is_open(number, to) && link.inboxes[to].is_empty() {
                    push(LinkAction::Hostile);
                }
            }
            if self.is_attentive(Side::Server) {
                let requests = link.server.as_ref().map_or(0, |end| end.requests.len());
                actions.extend((0..requests).map(|position| Action::Answer(number, position)));
            }
        }
        let is_away = !self.links.iter().any(|link| link.has_client);
        // A CONNECT may have to wait for room.
        let may_connect = matches!(
            self.attention(Side::Client),
            Attention::Full | Attention::Blocked
        );
        if self.links.len() < usize::from(self.config.0.links) && may_connect {
            let may_clean = left.clean_starts > 0 && self.client.session().exists();
            let clean_starts = [false, true].into_iter().take(1 + usize::from(may_clean));
            if is_away {
                actions.extend(clean_starts.map(Action::Connect));
            } else if left.takeovers > 0 {
                actions.extend(clean_starts.map(Action::Takeover));
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
        let is_awake = self.attention(side) != Attention::Asleep;
        if left.messages[side] > 0 && is_awake && self.session(side).is_some() {
            self.publications(side, actions);
        }
        if !self.is_attentive(side) {
            return;
        }
        // The Session that the broker keeps takes no decisions.
        let deciding = if self.at(side) == At::Stored {
            0
        } else {
            self.hosts[side].undecided.len()
        };
        for position in 0..deciding {
            for accept in [true, false] {
                if accept || (left.refusals > 0 && self.may_refuse(side)) {
                    actions.push(Action::Decide(side, position, accept));
                }
            }
        }
        let asks_early = self.config.0.early > 0 && self.links.iter().any(|link| link.has_client);
        if side == Side::Client && (self.client.is_connected() || asks_early) {
            if left.subscribes > 0 {
                actions.push(Action::Subscribe);
            }
            if left.unsubscribes > 0 {
                actions.push(Action::Unsubscribe);
            }
        }
        if left.crashes[side] > 0 {
            actions.push(Action::Crash(side));
        }
        if side == Side::Client && left.losses > 0 {
            actions.push(Action::Lose);
        }
        let may_expire = match side {
            Side::Client => is_away && self.client.session().exists(),
            Side::Server => self.stored.is_some(),
        };
        if left.expiries[side] > 0 && may_expire {
            actions.push(Action::Expire(side));
        }
    }

    /// Does it, completely.
    pub(super) fn perform(&mut self, action: Action, turn: &mut Turn<'_>) -> Judged<Step> {
        let kind = match action {
            Action::Publish(..) => Kind::Publish,
            Action::Decide(_, _, true) => Kind::Accept,
            Action::Decide(_, _, false) => Kind::Refuse,
            Action::Subscribe => Kind::Subscribe,
            Action::Unsubscribe => Kind::Unsubscribe,
            Action::Answer(..) => Kind::Answer,
            Action::Connect(false) => Kind::Connect,
            Action::Connect(true) => Kind::CleanStart,
            Action::Takeover(_) => Kind::Takeover,
            Action::Link(_, _, action) => action.kind(),
            Action::Crash(side) => [Kind::ClientCrash, Kind::ServerCrash][side],
            Action::Lose => Kind::Lose,
            Action::Expire(side) => [Kind::ClientExpiry, Kind::ServerExpiry][side],
            Action::Tick => Kind::Tick,
            Action::Leave(_, attention) => attention.kind(),
            Action::Return(..) => Kind::Return,
        };
        turn.cover(kind.position());
        match action {
            Action::Publish(side, qos, large) => self.publish(side, qos, large, turn)?,
            Action::Decide(side, position, accept) => self.decide(side, position, accept, turn)?,
            Action::Subscribe => self.request(true, turn)?,
            Action::Unsubscribe => self.request(false, turn)?,
            Action::Answer(link, position) => self.answer(link, position, turn)?,
            Action::Connect(clean_start) => self.connect(clean_start, turn)?,
            Action::Takeover(clean_start) => {
                self.left.takeovers -= 1;
                turn.log().fault("the client connects once more");
                self.connect(clean_start, turn)?;
            }
            Action::Link(link, side, action) => self.perform_on_link(link, side, action, turn)?,
            Action::Crash(side) => self.crash(side, turn)?,
            Action::Lose => self.lose_client(turn)?,
            Action::Expire(side) => self.expire(side, turn)?,
            Action::Tick => self.tick(turn)?,
            Action::Leave(side, attention) => self.leave(side, attention, turn),
            Action::Return(side, read_first) => self.come_back(side, read_first, turn)?,
        }
        Ok(match kind.is_fault() {
            true => Step::Fault,
            false => Step::Progress,
        })
    }

    fn perform_on_link(
        &mut self,
        link: usize,
        side: Side,
        action: LinkAction,
        turn: &mut Turn<'_>,
    ) -> Judged {
        let name = side.name();
        match action {
            LinkAction::Deliver => {
                let length = first_packet_len(self.links[link].pipe_to(side));
                self.deliver(link, side, length, turn)
            }
            LinkAction::Batch => {
                let length = self.links[link].pipe_to(side).len();
                self.deliver(link, side, length, turn)
            }
            LinkAction::Fragment(length) => {
                self.left.fragments -= 1;
                turn.log()
                    .fault(format_args!("{length} bytes of a packet reach the {name}"));
                self.deliver(link, side, length, turn)
            }
            LinkAction::Cut => {
                self.left.cuts -= 1;
                turn.log()
                    .fault(format_args!("the connection breaks; the {name} notices"));
                self.lose(link, side, turn)
            }
            LinkAction::Notice => {
                turn.note(side.lane(), "notices that the connection is gone");
                self.lose(link, side, turn)
            }
            LinkAction::Disconnect => {
                self.left.disconnects -= 1;
                self.disconnect(link, side, turn)
            }
            LinkAction::Hostile => self.slip_in(link, side, turn),
            LinkAction::Arrive => self.arrive(link, side, turn),
        }
    }

    fn request(&mut self, subscribe: bool, turn: &mut Turn<'_>) -> Judged {
        let filter = TopicFilter::new(TOPIC).expect("a good filter");
        let machine = &mut self.client;
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
        // It would wait for a Packet Identifier, and as many as may wait do already.
        if answer == Err(SendError::Busy) && self.client.session().is_adopted() {
            turn.note(Side::Client.lane(), "gets `Busy`: too many requests wait");
            return Ok(());
        }
        let token = turn.demand(Rule::Calls, answer)?;
        let requests = &mut self.flows[Side::Client].requests;
        requests.push((0, token.number()));
        self.drain(At::Client, turn)
    }

    fn disconnect(&mut self, link: usize, side: Side, turn: &mut Turn<'_>) -> Judged {
        let now = self.now(side);
        turn.note(side.lane(), "disconnects");
        let answer = match side {
            Side::Client => {
                let code = ReasonCode::NORMAL_DISCONNECTION;
                self.client.disconnect(now, code, &[])
            }
            Side::Server => {
                let code = ReasonCode::ServerShuttingDown;
                self.machine(link).disconnect(now, code, &[])
            }
        };
        turn.demand(Rule::Calls, answer)?;
        self.drain(self.at_link(link, side), turn)
    }
}

impl LinkAction {
    const fn kind(self) -> Kind {
        match self {
            LinkAction::Deliver => Kind::Deliver,
            LinkAction::Batch => Kind::Batch,
            LinkAction::Fragment(_) => Kind::Fragment,
            LinkAction::Cut => Kind::Cut,
            LinkAction::Notice => Kind::Notice,
            LinkAction::Disconnect => Kind::Disconnect,
            LinkAction::Hostile => Kind::Hostile,
            LinkAction::Arrive => Kind::Arrive,
        }
    }
}
