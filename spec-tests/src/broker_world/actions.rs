//! What can happen next, and how it happens.

use super::client::Outgoing;
use super::config::{FILTERS, Wanted, is_shared};
use super::host::instant;
use super::monitors::{Judged, Kind};
use super::packet::{EMPTY, HOSTILE, Sent, Up};
use super::{BrokerWorld, Link, Stepped};
use crate::explore::{Step, Turn};

/// One step; the details are chosen when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Publish(u8),
    Subscribe(u8),
    Unsubscribe(u8),
    Connect(u8),
    CleanStart(u8),
    TakeOver(u8),
    Up(usize),
    Down(usize),
    Answer(usize),
    Store,
    Work,
    /// The client notices that a connection is gone, or the broker does.
    CutByClient(usize),
    CutByBroker(usize),
    NoticeByClient(usize),
    NoticeByBroker(usize),
    Disconnect(u8),
    Kick(u8),
    Withdraw(u8),
    Tick,
    Loss,
    Over,
    Hostile(u8),
}

impl BrokerWorld {
    /// All that can happen, in a fixed order.
    pub(super) fn actions(&self) -> Vec<Action> {
        let mut all = Vec::with_capacity(16);
        for at in 0..self.links.len() {
            self.actions_of_link(at, &mut all);
        }
        for client in 0..self.clients.len() as u8 {
            self.actions_of_client(client, &mut all);
        }
        let left = &self.left;
        if self.config().stores > 0 && !self.host.pending.is_empty() {
            all.push(Action::Store);
        }
        if self.host.has_work {
            all.push(Action::Work);
        }
        if left.ticks > 0 && self.next_deadline().is_some() {
            all.push(Action::Tick);
        }
        if left.losses > 0 && self.old.is_none() {
            all.push(Action::Loss);
        }
        if self.old.is_some() {
            all.push(Action::Over);
        }
        all
    }

    fn actions_of_link(&self, at: usize, all: &mut Vec<Action>) {
        let link = &self.links[at];
        let reads = link.key.is_some() && !link.is_stopped && link.question.is_none();
        if !link.up.is_empty() && reads {
            all.push(Action::Up(at));
        }
        if link.question.is_some() {
            all.push(Action::Answer(at));
        }
        if !link.down.is_empty() && link.is_known {
            all.push(Action::Down(at));
        }
        match (link.is_known, link.key.is_some()) {
            (true, true) if self.left.cuts > 0 => {
                all.push(Action::CutByClient(at));
                all.push(Action::CutByBroker(at));
            }
            (true, false) if link.down.is_empty() && link.held.is_empty() => {
                all.push(Action::NoticeByClient(at));
            }
            // What was under way may still be read.
            (true, false) if link.is_old => all.push(Action::NoticeByClient(at)),
            (false, true) => all.push(Action::NoticeByBroker(at)),
            _ => {}
        }
    }

    fn actions_of_client(&self, client: u8, all: &mut Vec<Action>) {
        let (it, config, left) = (&self.clients[client as usize], self.config(), &self.left);
        let Some(_) = self.link_of(client) else {
            all.push(Action::Connect(client));
            if left.clean_starts > 0 && it.has_session {
                all.push(Action::CleanStart(client));
            }
            return;
        };
        if left.takeovers > 0 && it.has_session {
            all.push(Action::TakeOver(client));
        }
        if !it.is_up {
            return;
        }
        if left.publishes > 0 && config.publishers.has(client) {
            all.push(Action::Publish(client));
        }
        if left.subscribes > 0 && config.subscribers.has(client) {
            all.push(Action::Subscribe(client));
        }
        if left.unsubscribes > 0 && config.subscribers.has(client) {
            all.push(Action::Unsubscribe(client));
        }
        if left.disconnects > 0 {
            all.push(Action::Disconnect(client));
        }
        if left.kicks > 0 {
            all.push(Action::Kick(client));
        }
        if left.hostile > 0 {
            all.push(Action::Hostile(client));
        }
        let session = self.host.model.sessions[client as usize].as_ref();
        if left.withdrawals > 0 && session.is_some_and(|it| !it.subscriptions.is_empty()) {
            all.push(Action::Withdraw(client));
        }
    }

    /// Makes the step.
    pub(super) fn perform(&mut self, action: Action, turn: &mut Turn<'_>) -> Stepped {
        let kind = action.kind();
        turn.cover(kind as usize);
        match action {
            Action::Publish(client) => self.publish(client, turn),
            Action::Subscribe(client) => {
                self.left.subscribes -= 1;
                let config = self.config().clone();
                let wanted = Wanted {
                    filter: turn.pick(&config.filters.list()),
                    qos: turn.pick(&config.granted.list()),
                    variant: turn.pick(&config.variants.list()),
                };
                self.subscribe(client, wanted, turn);
            }
            Action::Unsubscribe(client) => {
                self.left.unsubscribes -= 1;
                let filter = turn.pick(&self.config().filters.list());
                let identifier = self.clients[client as usize].next_identifier();
                self.clients[client as usize].requests.push(identifier);
                self.send(client, Up::Unsubscribe(identifier, filter));
            }
            Action::Connect(client) => {
                let clean = !self.clients[client as usize].has_session;
                self.connect(client, clean, turn);
            }
            Action::CleanStart(client) => {
                self.left.clean_starts -= 1;
                self.connect(client, true, turn);
            }
            Action::TakeOver(client) => {
                self.left.takeovers -= 1;
                if let Some(at) = self.link_of(client) {
                    self.forget(at);
                }
                self.connect(client, false, turn);
            }
            Action::Up(at) => self.read(at, turn)?,
            Action::Down(at) => self.arrive(at, turn)?,
            Action::Answer(at) => {
                if let Some(question) = self.links[at].question.take() {
                    self.decide(at, &question, turn)?;
                }
            }
            Action::Store => drop(self.store(turn)?),
            Action::Work => {
                let now = instant(self.now);
                self.host.has_work = self.host.broker().work(now, &mut 1);
                self.serve(false, turn)?;
            }
            Action::CutByClient(at) => {
                self.left.cuts -= 1;
                turn.log().fault("a connection breaks; the client notices");
                self.forget(at);
            }
            Action::CutByBroker(at) => {
                self.left.cuts -= 1;
                turn.log().fault("a connection breaks; the broker notices");
                self.lose(at, turn)?;
            }
            Action::NoticeByClient(at) => self.forget(at),
            Action::NoticeByBroker(at) => self.lose(at, turn)?,
            Action::Disconnect(client) => {
                self.left.disconnects -= 1;
                let has_will = self.config().has_will(client);
                // A DISCONNECT of MQTT 3.1.1 always deletes it.
                let may_keep = has_will && !self.config().is_older(client);
                let with_will = may_keep && turn.choose(2) == 1;
                self.send(client, Up::Disconnect { with_will });
                self.clients[client as usize].lost();
                // It reads nothing any more, but what it sent may arrive.
                if let Some(at) = self.link_of(client) {
                    self.links[at].is_known = false;
                    self.links[at].down.clear();
                    self.links[at].held.clear();
                }
            }
            Action::Kick(client) => {
                self.left.kicks -= 1;
                self.kick(client, turn)?;
            }
            Action::Withdraw(client) => {
                self.left.withdrawals -= 1;
                let session = self.host.model.session(client);
                let own = session
                    .map(|it| it.subscriptions.clone())
                    .unwrap_or_default();
                let wanted = turn.pick(&own);
                self.withdraw(client, wanted.filter, turn)?;
            }
            Action::Tick => {
                self.left.ticks -= 1;
                self.now = self.next_deadline().unwrap_or(self.now).max(self.now);
                turn.note(Self::broker_lane(false), format_args!("it is {}", self.now));
                self.timeout(turn)?;
            }
            Action::Loss => self.lose_broker(turn)?,
            Action::Over => self.end_old(),
            Action::Hostile(client) => {
                self.left.hostile -= 1;
                let number = turn.choose(HOSTILE.len());
                self.send(client, Up::Hostile(number as u8));
            }
        }
        let step = if kind.is_fault() {
            Step::Fault
        } else {
            Step::Progress
        };
        Ok(step)
    }

    fn publish(&mut self, client: u8, turn: &mut Turn<'_>) {
        self.left.publishes -= 1;
        let config = self.config().clone();
        let topic = turn.pick(&config.topics.list());
        let qos = turn.pick(&config.qos.list());
        let kind = turn.pick(&config.retain.list());
        let number = match kind {
            2 => EMPTY,
            _ => self.next,
        };
        self.next += 1;
        let it = &mut self.clients[client as usize];
        let sent = Sent {
            number,
            topic,
            qos,
            retain: kind > 0,
            identifier: if qos == 0 { 0 } else { it.next_identifier() },
            duplicate: false,
        };
        if qos > 0 {
            it.outgoing.push(Outgoing {
                sent,
                is_released: false,
            });
        }
        turn.note(Self::lane(client), format_args!("publishes {sent:?}"));
        self.send(client, Up::Publish(sent));
    }

    pub(super) fn subscribe(&mut self, client: u8, wanted: Wanted, turn: &mut Turn<'_>) {
        // No Local for a group is an error [MQTT-3.8.3-4]. The identifier says which group a message is from.
        let variant = match wanted.variant {
            2 | 6 if is_shared(wanted.filter) => 6,
            _ if is_shared(wanted.filter) => 5,
            variant => variant,
        };
        let wanted = Wanted { variant, ..wanted };
        let identifier = self.clients[client as usize].next_identifier();
        self.clients[client as usize].requests.push(identifier);
        let filter = FILTERS[wanted.filter as usize];
        turn.note(
            Self::lane(client),
            format_args!("subscribes to {filter}: {wanted:?}"),
        );
        self.send(client, Up::Subscribe(identifier, wanted));
    }

    fn send(&mut self, client: u8, up: Up) {
        if let Some(at) = self.link_of(client) {
            self.links[at].up.push_back(up);
        }
    }

    pub(super) fn connect(&mut self, client: u8, clean: bool, turn: &mut Turn<'_>) {
        // By MQTT 3.1.1 it would end with the connection.
        let is_new = !self.clients[client as usize].has_session;
        let clean = clean && !(is_new && self.config().is_older(client));
        let now = instant(self.now);
        let key = self.host.broker().connected(now).ok();
        turn.note(
            Self::lane(client),
            format_args!("connects, Clean Start {clean}"),
        );
        self.clients[client as usize].lost();
        if clean {
            self.clients[client as usize].discard();
        }
        self.links.push(Link {
            client,
            is_old: false,
            is_known: true,
            key,
            is_accepted: false,
            is_stopped: false,
            is_hostile: false,
            may_end: None,
            up: [Up::Connect { clean }].into(),
            held: Default::default(),
            is_silent: false,
            down: Default::default(),
            owed: Vec::new(),
            question: None,
        });
    }

    /// When something is due; of the host only, as a broker that was lost has its own clock.
    fn next_deadline(&self) -> Option<u64> {
        let next = self.host.look().next_timeout();
        (next != mqtt5_session_fsm::Instant::NEVER).then(|| next.as_millis())
    }

    /// Does what is due.
    pub(super) fn timeout(&mut self, turn: &mut Turn<'_>) -> Judged {
        let now = instant(self.now);
        while self.host.look().next_timeout() <= now {
            self.host.broker().handle_timeout(now, &mut 100);
        }
        let (now, config) = (self.now, self.config().clone());
        self.host.expected += self.host.model.timeout(now, &config);
        for link in &mut self.links {
            // Nothing has come in time.
            if !link.is_old && !link.is_accepted && link.may_end.is_none() {
                link.may_end = Some(0x87);
            }
        }
        self.serve(false, turn)
    }
}

impl Action {
    const fn kind(self) -> Kind {
        match self {
            Action::Publish(_) => Kind::Publish,
            Action::Subscribe(_) => Kind::Subscribe,
            Action::Unsubscribe(_) => Kind::Unsubscribe,
            Action::Connect(_) => Kind::Connect,
            Action::CleanStart(_) => Kind::CleanStart,
            Action::TakeOver(_) => Kind::TakeOver,
            Action::Up(_) => Kind::Up,
            Action::Down(_) => Kind::Down,
            Action::Answer(_) => Kind::Answer,
            Action::Store => Kind::Store,
            Action::Work => Kind::Work,
            Action::CutByClient(_) | Action::CutByBroker(_) => Kind::Cut,
            Action::NoticeByClient(_) | Action::NoticeByBroker(_) => Kind::Notice,
            Action::Disconnect(_) => Kind::Disconnect,
            Action::Kick(_) => Kind::Kick,
            Action::Withdraw(_) => Kind::Withdraw,
            Action::Tick => Kind::Tick,
            Action::Loss => Kind::Loss,
            Action::Over => Kind::Over,
            Action::Hostile(_) => Kind::Hostile,
        }
    }
}
