//! What the hosts of both sides have in common: reading, polling, and doing what the machines say.

use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::{Packet, ReasonCode};
use mqtt5_session_fsm::table::{ReceiverAction, SenderAction, SenderState};
use mqtt5_session_fsm::{Cause, Change, Instant, Output, Server, Session};

use super::SessionWorld;
use super::absence::Attention;
use super::application::{Side, Undecided};
use super::config::Config;
use super::describe::{Words, packets};
use super::monitors::connection::Seen;
use super::monitors::persistence::Disk;
use super::monitors::table::{Effect, Prediction, States};
use super::monitors::{Judged, Rule, Verdict};
use super::observed::Observed;
use crate::explore::Turn;

/// What both hosts have beside their machines.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Host {
    pub(super) clock: Instant,
    pub(super) attention: Attention,
    /// What its application got and has not decided about.
    pub(super) undecided: Vec<Undecided>,
    pub(super) disk: Disk,
}

impl Host {
    pub(super) fn new(side: Side, session: Option<&Session>, config: &Config) -> Self {
        let disk = session.map(|session| Disk::new(session, config.may_crash(side)));
        Host {
            disk: disk.unwrap_or_default(),
            ..Host::default()
        }
    }

    /// It is there, and its application has decided about everything.
    pub(super) fn is_idle(&self) -> bool {
        self.attention == Attention::Full && self.undecided.is_empty()
    }
}

/// Which machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Client,
    /// That of this link.
    Server(usize),
    /// None: the Session that the broker keeps.
    Stored,
}

impl At {
    pub(super) const fn side(self) -> Side {
        match self {
            At::Client => Side::Client,
            At::Server(_) | At::Stored => Side::Server,
        }
    }
}

impl SessionWorld {
    /// Where a side's Session is.
    pub(super) fn at(&self, side: Side) -> At {
        let has_session = |link: &super::Link| {
            let end = link.server.as_ref();
            end.is_some_and(|end| end.machine.session().is_some())
        };
        match side {
            Side::Client => At::Client,
            Side::Server => match self.links.iter().position(has_session) {
                Some(link) => At::Server(link),
                None => At::Stored,
            },
        }
    }

    pub(super) fn at_link(&self, link: usize, side: Side) -> At {
        match side {
            Side::Client => At::Client,
            Side::Server => At::Server(link),
        }
    }

    /// The Server of a link that has one.
    pub(super) fn machine(&mut self, link: usize) -> &mut Server {
        let end = self.links[link].server.as_mut();
        &mut end.expect("only links with a server are asked").machine
    }

    pub(super) fn session(&self, side: Side) -> Option<&Session> {
        self.session_at(self.at(side))
    }

    pub(super) fn session_at(&self, at: At) -> Option<&Session> {
        match at {
            At::Client => Some(self.client.session()),
            At::Server(link) => self.links[link].server.as_ref()?.machine.session(),
            At::Stored => self.stored.as_ref(),
        }
    }

    pub(super) fn now(&self, side: Side) -> Instant {
        self.hosts[side].clock
    }

    /// Whether this end of a link is established.
    pub(super) fn is_open(&self, link: usize, side: Side) -> bool {
        match side {
            Side::Client => self.links[link].has_client && self.client.is_connected(),
            Side::Server => {
                let end = self.links[link].server.as_ref();
                end.is_some_and(|end| end.machine.is_connected())
            }
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.links.last().is_some_and(|link| link.has_client)
            && self.is_open(self.links.len() - 1, Side::Client)
            && self.is_open(self.links.len() - 1, Side::Server)
    }

    /// So many bytes of what is under way arrive.
    pub(super) fn deliver(
        &mut self,
        link: usize,
        to: Side,
        length: usize,
        turn: &mut Turn<'_>,
    ) -> Judged {
        let bytes: Vec<u8> = self.links[link].pipe_to(to).drain(..length).collect();
        self.read(link, to, &bytes, turn)
    }

    /// Hands bytes to a machine, and does what follows.
    pub(super) fn read(
        &mut self,
        link: usize,
        to: Side,
        bytes: &[u8],
        turn: &mut Turn<'_>,
    ) -> Judged {
        let at = self.at_link(link, to);
        let now = self.now(to);
        let version = self.links[link].version;
        if !self.links[link].has(to) {
            return Ok(());
        }
        self.hear(link, to, bytes.len());
        let inbox = &mut self.links[link].inboxes[to];
        inbox.extend_from_slice(bytes);
        let arrived = std::mem::take(inbox);
        let mut rest = &arrived[..];
        loop {
            let before = rest;
            let mut prediction = Prediction::default();
            let mut states = None;
            if let Some(session) = self.session_at(at) {
                for (packet, _) in packets(version, before, to.other().role()) {
                    prediction.look_up(session, &packet);
                    if matches!(packet, Packet::ConnAck(_)) && session.exists() {
                        states = Some(States::of(session));
                    }
                }
            }
            let event = match at {
                At::Client => self.client.receive(now, &mut rest),
                _ => self.machine(link).receive(now, &mut rest),
            };
            let event = event.as_ref().map(Observed::new);
            let consumed = &before[..before.len() - rest.len()];
            self.consumed(link, to, consumed, &mut prediction, turn)?;
            if let (Some(session), true) = (self.session_at(at), self.is_open(link, to)) {
                turn.judge(Rule::Table, prediction.compare(session))?;
            }
            let Some(event) = event else {
                self.drain(at, turn)?;
                break;
            };
            if let (Some(states), Some(session)) = (states, self.session_at(at)) {
                // The end of the Session comes before the event of the CONNACK.
                if matches!(
                    event,
                    Observed::Connected {
                        session_present: true
                    }
                ) {
                    turn.judge(Rule::Table, states.resumed(session))?;
                } else if !session.exists() {
                    turn.judge(Rule::Table, states.discarded(session))?;
                }
            }
            self.observe(at, event, turn)?;
            if self.config.0.lazy == 0 {
                self.drain(at, turn)?;
            }
            if !self.links[link].has(to) {
                return Ok(());
            }
        }
        if self.links[link].has(to) {
            self.links[link].inboxes[to] = rest.to_vec();
        }
        self.heard(link, to, bytes.len(), &arrived);
        Ok(())
    }

    /// So many bytes reach a host, unless they lie in its socket.
    fn hear(&mut self, link: usize, to: Side, bytes: usize) {
        let now = self.now(to);
        let hearing = &mut self.links[link].hearing[to];
        if self.config.0.ticks > 0 && bytes > hearing.socket {
            hearing.arrive(now, bytes - hearing.socket, to, &self.config.0);
        }
    }

    /// They were handed over, together with those before them that were a part of a packet.
    fn heard(&mut self, link: usize, to: Side, bytes: usize, offered: &[u8]) {
        let now = self.now(to);
        let link = &mut self.links[link];
        if self.config.0.ticks > 0 && link.has(to) {
            let left = link.inboxes[to].len();
            link.hearing[to].read(now, bytes, left < offered.len(), left);
        }
    }

    /// Packets were handed to a machine: what the other monitors have to know.
    fn consumed(
        &mut self,
        link: usize,
        to: Side,
        bytes: &[u8],
        prediction: &mut Prediction,
        turn: &mut Turn<'_>,
    ) -> Judged {
        let manual = self.config.0.manual > 0;
        let window = self.links[link].limits[to].receive_maximum;
        let version = self.links[link].version;
        // A machine that closes throws the rest away: only it knows what it has seen.
        let released: Vec<_> = packets(version, bytes, to.other().role())
            .filter_map(|(packet, _)| packet.packet_identifier())
            .filter(|id| {
                let session = self.session_at(self.at_link(link, to));
                session.is_some_and(|it| it.sender_state(*id) == SenderState::WaitPubComp)
            })
            .map(|id| id.get())
            .collect();
        let link = &mut self.links[link];
        let hearing = &mut link.hearing[to];
        let monitors = &mut link.monitors[to];
        let flow = &mut self.flows[to];
        for (packet, _) in packets(version, bytes, to.other().role()) {
            turn.message(to.other().lane(), to.lane(), Words(&packet));
            let id = packet.packet_identifier().map_or(0, |id| id.get());
            let is_later = to == Side::Server && !monitors.acknowledgements.owes_pubrec(id);
            let effect = prediction.follow(&packet, manual, is_later);
            match (&packet, effect) {
                (Packet::ConnAck(connack), _) if connack.session_present => {
                    monitors.acknowledgements.resumed(&flow.releasing);
                }
                (Packet::Publish(publish), Effect::Receiver(action)) => {
                    let again =
                        action == ReceiverAction::Repeat || action == ReceiverAction::Deliver;
                    if action != ReceiverAction::InUse {
                        let qos = publish.delivery.qos();
                        monitors.acknowledgements.received_publish(id, qos, again);
                    }
                    if !self.hostile {
                        let verdict = monitors.receive_window.received(id, window);
                        turn.judge(Rule::ReceiveWindow, verdict)?;
                    }
                }
                (_, Effect::Sender(SenderAction::WrongKind))
                | (_, Effect::Receiver(ReceiverAction::TooEarly)) => break,
                (Packet::PubRel(_), _) => monitors.acknowledgements.received_pubrel(id),
                (_, Effect::Sender(SenderAction::Finish)) => monitors.send_quota.answered(id),
                (_, Effect::Sender(SenderAction::Release)) if !released.contains(&id) => break,
                (_, Effect::Sender(SenderAction::Release)) => {
                    monitors.acknowledgements.received_pubrec(id);
                    flow.releasing.push(id);
                    if let Some(record) = flow.with_identifier(id) {
                        record.released = true;
                    }
                }
                (_, Effect::Sender(SenderAction::ReleaseAgain | SenderAction::ReleaseUnknown)) => {
                    monitors.acknowledgements.received_pubrec(id);
                }
                (Packet::Disconnect(_), _) => break,
                (Packet::PingResp, _) => hearing.received_pingresp(),
                _ => {}
            }
        }
        Ok(())
    }

    /// Calls `poll` until it says nothing, and does what it says.
    pub(super) fn drain(&mut self, at: At, turn: &mut Turn<'_>) -> Judged {
        let mut room = match self.config.0.room {
            0 => usize::MAX,
            room => usize::from(room),
        };
        let side = at.side();
        let now = self.now(side);
        match self.attention(side) {
            Attention::Unpolled => return Ok(()),
            Attention::Blocked => room = 0,
            _ => {}
        }
        let mut closed = false;
        loop {
            let mut wire = Vec::new();
            let mut limited = (&mut wire).limit(room);
            let output = match at {
                At::Client => self.client.poll(now, &mut limited),
                At::Server(link) => match &mut self.links[link].server {
                    Some(end) => end.machine.poll(now, &mut limited),
                    None => None,
                },
                At::Stored => self.stored.as_mut().and_then(Session::poll),
            };
            if !wire.is_empty() {
                self.put(at, &wire, turn)?;
            }
            match output {
                None => {
                    self.note_room(at, None);
                    break;
                }
                Some(Output::NeedsRoom(_)) if self.attention(side) == Attention::Blocked => {
                    self.note_room(at, Some(now));
                    break;
                }
                Some(Output::Event(event)) => self.observe(at, Observed::new(&event), turn)?,
                Some(Output::Persist(change)) => self.store(side, &change, turn)?,
                Some(Output::Close(cause)) => {
                    closed = true;
                    self.closing(at, cause, turn)?;
                }
                Some(Output::NeedsRoom(needed)) => room = needed,
            }
        }
        if closed {
            match at {
                At::Client => self.hang_up(turn),
                At::Server(link) => self.server_left(link, turn)?,
                At::Stored => {}
            }
        }
        Ok(())
    }

    /// Whether the network takes what a machine has to send, and if not, that it does not now.
    fn note_room(&mut self, at: At, refused: Option<Instant>) {
        if let Some(link) = self.link_of(at) {
            let stuck = &mut self.links[link].hearing[at.side()].stuck;
            *stuck = match refused {
                Some(now) => now.min(*stuck),
                None => Instant::NEVER,
            };
        }
    }

    /// The link whose end a machine has.
    pub(super) fn link_of(&self, at: At) -> Option<usize> {
        match at {
            At::Client => self.clients_link(),
            At::Server(link) => Some(link),
            At::Stored => None,
        }
    }

    /// The link of which the Client holds an end.
    pub(super) fn clients_link(&self) -> Option<usize> {
        self.links.iter().rposition(|link| link.has_client)
    }

    fn closing(&self, at: At, cause: Cause, turn: &mut Turn<'_>) -> Judged {
        let side = at.side();
        if let (Cause::TimedOut(awaited), Some(link)) = (cause, self.link_of(at)) {
            let hearing = &self.links[link].hearing[side];
            let verdict = hearing.accusation(side, awaited, self.now(side), &self.config.0);
            turn.judge(Rule::Accusation, verdict)?;
        }
        turn.note(side.lane(), format_args!("closes: {cause}"));
        let complains = matches!(cause, Cause::PeerError(_) | Cause::CannotAnswer(_));
        let verdict = Verdict::holds(!complains || self.hostile, || cause.to_string());
        turn.judge(Rule::NoPeerError, verdict)
    }

    /// A side sends bytes: the monitors look at each packet, then it goes into the pipe.
    fn put(&mut self, at: At, bytes: &[u8], turn: &mut Turn<'_>) -> Judged {
        let side = at.side();
        let now = self.now(side);
        let config = &self.config.0;
        let Some(link) = self.link_of(at) else {
            let objection = format!("the {} sends without a connection", side.name());
            return turn.judge(Rule::NothingAfter, Verdict::Broken(objection));
        };
        let is_adopted = self.client.session().is_adopted();
        let link = &mut self.links[link];
        let mut length = 0;
        for (packet, size) in packets(link.version, bytes, side.role()) {
            length += size;
            let seen = Seen {
                side,
                size,
                flow: &self.flows[side],
                shadow: config
                    .is_persistent()
                    .then_some(&self.hosts[side].disk.shadow),
                limits: link.limits[side.other()],
                is_later: link.is_later,
                is_adopted: is_adopted && side == Side::Client,
                is_hostile: self.hostile,
            };
            link.monitors[side].sent(&packet, &seen, turn)?;
            self.flows[side].sent(&packet);
            if let Packet::Connect(connect) = &packet {
                link.clean_start = connect.clean_start;
            }
            if config.ticks > 0 {
                let hearing = &mut link.hearing[side];
                match &packet {
                    Packet::Connect(_) => hearing.opened = now,
                    Packet::PingReq => hearing.sent_pingreq(now),
                    Packet::Disconnect(disconnect)
                        if disconnect.reason_code == ReasonCode::KeepAliveTimeout =>
                    {
                        let verdict = hearing.keep_alive_timeout(now, config);
                        turn.judge(Rule::Accusation, verdict)?;
                    }
                    _ => {}
                }
            }
        }
        let is_well_formed = Verdict::holds(length == bytes.len(), || {
            format!("the {} sends {:02X?}", side.name(), &bytes[length..])
        });
        turn.judge(Rule::WellFormed, is_well_formed)?;
        if config.keep_alive > 0 && config.ticks > 0 && side == Side::Client {
            link.monitors[side].last_sent = now;
        }
        if link.has(side.other()) {
            link.pipes[side].extend_from_slice(bytes);
        }
        Ok(())
    }

    fn store(&mut self, side: Side, change: &Change, turn: &mut Turn<'_>) -> Judged {
        turn.note(side.lane(), format_args!("stores {}", short(change)));
        let Host { clock, disk, .. } = &mut self.hosts[side];
        turn.judge(Rule::PersistFirst, disk.shadow.store(change))?;
        turn.judge(Rule::Restored, disk.store(*clock, change))
    }

    /// A side lets go of its end of a link; what was under way to it is lost.
    pub(super) fn let_go(&mut self, link: usize, side: Side, turn: &mut Turn<'_>) {
        let link = &mut self.links[link];
        match side {
            Side::Client => link.has_client = false,
            Side::Server => link.server = None,
        }
        link.inboxes[side].clear();
        let from = side.other();
        let bytes = std::mem::take(link.pipe_to(side));
        for (packet, _) in packets(link.version, &bytes, from.role()) {
            turn.log().lost(from.lane(), side.lane(), Words(&packet));
        }
    }

    /// What a host has after a restart.
    pub(super) fn load(&mut self, side: Side, turn: &mut Turn<'_>) -> Judged<Option<Session>> {
        let Host { clock, disk, .. } = &self.hosts[side];
        let session = disk.load(*clock, self.config.0.session());
        session
            .map(|session| turn.demand(Rule::Restored, session))
            .transpose()
    }

    /// Does something that may end the Session of a side, all of whose states are discarded then.
    pub(super) fn may_end(
        &mut self,
        side: Side,
        turn: &mut Turn<'_>,
        act: impl FnOnce(&mut Self),
    ) -> Judged {
        let session = self.session(side).filter(|session| session.exists());
        let before = session.map(States::of);
        act(self);
        let after = self.session(side);
        if let Some(before) = before.filter(|_| !after.is_some_and(Session::exists)) {
            if let Some(after) = after {
                turn.judge(Rule::Table, before.discarded(after))?;
            }
            self.lost_session = true;
        }
        Ok(())
    }
}

fn short(change: &Change) -> String {
    match change {
        Change::Accepted { message, .. } => format!("Accepted {:?}", message.token),
        _ => format!("{change:?}"),
    }
}
