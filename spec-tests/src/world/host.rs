//! What the hosts of both sides have in common: reading, polling, and doing what the machines say.

use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::{Packet, ReasonCode};
use mqtt5_session_fsm::table::{ReceiverAction, SenderAction, SenderState};
use mqtt5_session_fsm::{Cause, Change, Instant, Output, Server, Session};

use super::SessionWorld;
use super::absence::Attention;
use super::application::{Side, violation};
use super::describe::{Words, packets};
use super::forecast::{Census, Effect, Fate, Forecast};
use super::points::{Monitor, of_monitor};
use super::told::Told;
use super::wire::Surroundings;
use crate::explore::{Turn, Violation};

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
            At::Client => Some(self.client.machine.session()),
            At::Server(link) => self.links[link].server.as_ref()?.machine.session(),
            At::Stored => self.server.stored.as_ref(),
        }
    }

    pub(super) fn now(&self, side: Side) -> Instant {
        match side {
            Side::Client => self.client.clock,
            Side::Server => self.server.clock,
        }
    }

    /// Whether this end of a link is established.
    pub(super) fn is_open(&self, link: usize, side: Side) -> bool {
        match side {
            Side::Client => self.links[link].has_client && self.client.machine.is_connected(),
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

    pub(super) fn inbox_is_empty(&self, link: usize, side: Side) -> bool {
        match side {
            Side::Client => self.client.inbox.is_empty(),
            Side::Server => {
                let end = self.links[link].server.as_ref();
                end.is_some_and(|end| end.inbox.is_empty())
            }
        }
    }

    fn inbox(&mut self, at: At) -> Option<&mut Vec<u8>> {
        match at {
            At::Client => Some(&mut self.client.inbox),
            At::Server(link) => Some(&mut self.links[link].server.as_mut()?.inbox),
            At::Stored => None,
        }
    }

    /// So many bytes of what is under way arrive.
    pub(super) fn deliver(
        &mut self,
        link: usize,
        to: Side,
        length: usize,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
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
    ) -> Result<(), Violation> {
        let at = self.at_link(link, to);
        let now = self.now(to);
        if self.inbox(at).is_none() {
            return Ok(());
        }
        self.hear(link, to, bytes.len());
        let Some(inbox) = self.inbox(at) else {
            return Ok(());
        };
        inbox.extend_from_slice(bytes);
        let arrived = std::mem::take(inbox);
        let mut rest = &arrived[..];
        loop {
            let before = rest;
            let mut forecast = Forecast::default();
            let mut census = None;
            if let Some(session) = self.session_at(at) {
                for (packet, _) in packets(before, to.other().role()) {
                    forecast.look_up(session, &packet);
                    if matches!(packet, Packet::ConnAck(_)) && session.exists() {
                        census = Some(Census::of(session));
                    }
                }
            }
            let told = match at {
                At::Client => self.client.machine.receive(now, &mut rest),
                _ => self.machine(link).receive(now, &mut rest),
            };
            let told = told.as_ref().map(Told::new);
            let consumed = &before[..before.len() - rest.len()];
            self.consumed(link, to, consumed, &mut forecast, turn)?;
            if self.is_open(link, to) {
                if let Some(session) = self.session_at(at) {
                    forecast.compare(session, turn)?;
                }
            }
            let Some(told) = told else {
                self.drain(at, turn)?;
                break;
            };
            if let Some(census) = census {
                let session = self.session_at(at);
                if told
                    == (Told::Connected {
                        session_present: true,
                    })
                {
                    census.befell(Fate::Resume, session, turn)?;
                } else if session.is_none_or(|it| !it.exists()) {
                    // The end of the Session comes before the event of the CONNACK.
                    census.befell(Fate::Discard, session, turn)?;
                }
            }
            self.told(at, told, turn)?;
            if self.config.0.lazy == 0 {
                self.drain(at, turn)?;
            }
            if !self.links[link].has(to) {
                return Ok(());
            }
        }
        let rest = rest.to_vec();
        if self.links[link].has(to) {
            if let Some(inbox) = self.inbox(at) {
                *inbox = rest;
            }
        }
        self.heard(link, to, bytes.len(), &arrived);
        Ok(())
    }

    /// So many bytes reach a host, unless they lie in its socket.
    fn hear(&mut self, link: usize, to: Side, bytes: usize) {
        let now = self.now(to);
        let hearing = &mut self.links[link].hearing[to as usize];
        if self.config.0.ticks > 0 && bytes > hearing.socket {
            hearing.arrive(now, bytes - hearing.socket, to, &self.config.0);
        }
    }

    /// They were handed over, together with those before them that were a part of a packet.
    fn heard(&mut self, link: usize, to: Side, bytes: usize, offered: &[u8]) {
        let now = self.now(to);
        let at = self.at_link(link, to);
        let left = self.inbox(at).map_or(0, |inbox| inbox.len());
        if self.config.0.ticks > 0 && self.links[link].has(to) {
            let hearing = &mut self.links[link].hearing[to as usize];
            hearing.read(now, bytes, left < offered.len(), left);
        }
    }

    /// Packets were handed to a machine: what the other monitors have to know.
    fn consumed(
        &mut self,
        link: usize,
        to: Side,
        bytes: &[u8],
        forecast: &mut Forecast,
        turn: &mut Turn<'_>,
    ) -> Result<(), Violation> {
        let manual = self.config.0.manual > 0;
        let window = self.links[link].limits[to as usize].receive_maximum;
        // A machine that closes throws the rest away: only it knows what it has seen.
        let released: Vec<_> = packets(bytes, to.other().role())
            .filter_map(|(packet, _)| packet.packet_identifier())
            .filter(|id| {
                let session = self.session_at(self.at_link(link, to));
                session.is_some_and(|it| it.sender_state(*id) == SenderState::WaitPubComp)
            })
            .map(|id| id.get())
            .collect();
        let link = &mut self.links[link];
        let hearing = &mut link.hearing[to as usize];
        let watch = &mut link.watches[to as usize];
        let flow = &mut self.flows[to as usize];
        for (packet, _) in packets(bytes, to.other().role()) {
            turn.message(to.other().lane(), to.lane(), Words(&packet));
            let effect = forecast.follow(&packet, manual);
            let id = packet.packet_identifier().map_or(0, |id| id.get());
            match (&packet, effect) {
                (Packet::ConnAck(connack), _) if connack.session_present => watch.resumed(flow),
                (Packet::Publish(publish), Effect::Receiver(action)) => {
                    let again =
                        action == ReceiverAction::Repeat || action == ReceiverAction::Deliver;
                    if action != ReceiverAction::InUse {
                        watch.received_publish(id, publish.delivery.qos(), again);
                    }
                    if !self.hostile {
                        turn.cover(of_monitor(Monitor::ReceiveWindow));
                        watch.count(id, window)?;
                    }
                }
                (_, Effect::Sender(SenderAction::WrongKind))
                | (_, Effect::Receiver(ReceiverAction::TooEarly)) => break,
                (Packet::PubRel(_), _) => watch.received_pubrel(id),
                (_, Effect::Sender(SenderAction::Finish)) => watch.answered(id),
                (_, Effect::Sender(SenderAction::Release)) if !released.contains(&id) => break,
                (_, Effect::Sender(SenderAction::Release)) => {
                    watch.received_pubrec(id);
                    flow.releasing.push(id);
                    if let Some(record) = flow.with_identifier(id) {
                        record.released = true;
                    }
                }
                (_, Effect::Sender(SenderAction::ReleaseAgain | SenderAction::ReleaseUnknown)) => {
                    watch.received_pubrec(id)
                }
                (Packet::Disconnect(_), _) => break,
                (Packet::PingResp, _) => hearing.received_pingresp(),
                _ => {}
            }
        }
        Ok(())
    }

    /// Calls `poll` until it says nothing, and does what it says.
    pub(super) fn drain(&mut self, at: At, turn: &mut Turn<'_>) -> Result<(), Violation> {
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
                At::Client => self.client.machine.poll(now, &mut limited),
                At::Server(link) => match &mut self.links[link].server {
                    Some(end) => end.machine.poll(now, &mut limited),
                    None => None,
                },
                At::Stored => self.server.stored.as_mut().and_then(Session::poll),
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
                Some(Output::Event(event)) => self.told(at, Told::new(&event), turn)?,
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
                At::Client => self.client_left(turn),
                At::Server(link) => self.server_left(link, turn)?,
                At::Stored => {}
            }
        }
        Ok(())
    }

    /// Whether the network takes what a machine has to send, and if not, that it does not now.
    fn note_room(&mut self, at: At, refused: Option<Instant>) {
        if let Some(link) = self.link_of(at) {
            let stuck = &mut self.links[link].hearing[at.side() as usize].stuck;
            *stuck = match refused {
                Some(now) => now.min(*stuck),
                None => Instant::NEVER,
            };
        }
    }

    /// The link whose end a machine has.
    fn link_of(&self, at: At) -> Option<usize> {
        match at {
            At::Client => self.clients_link(),
            At::Server(link) => Some(link),
            At::Stored => None,
        }
    }

    fn closing(&self, at: At, cause: Cause, turn: &mut Turn<'_>) -> Result<(), Violation> {
        let side = at.side();
        if let (Cause::TimedOut(awaited), Some(link)) = (cause, self.link_of(at)) {
            turn.cover(of_monitor(Monitor::Accusation));
            let hearing = &self.links[link].hearing[side as usize];
            hearing.check_accusation(side, awaited, self.now(side), &self.config.0)?;
        }
        turn.note(side.lane(), format_args!("closes: {cause}"));
        turn.cover(of_monitor(Monitor::NoPeerError));
        if let (Cause::PeerError(_) | Cause::CannotAnswer(_), false) = (cause, self.hostile) {
            return Err(violation(Monitor::NoPeerError, cause.to_string()));
        }
        Ok(())
    }

    /// A side sends bytes: the monitors look at each packet, then it goes into the pipe.
    fn put(&mut self, at: At, bytes: &[u8], turn: &mut Turn<'_>) -> Result<(), Violation> {
        let side = at.side();
        let config = &self.config.0;
        let link = match at {
            At::Client => self.links.iter_mut().rfind(|link| link.has_client),
            At::Server(link) => self.links.get_mut(link),
            At::Stored => None,
        };
        let Some(link) = link else {
            let message = format!("the {} sends without a connection", side.name());
            return Err(violation(Monitor::NothingAfter, message));
        };
        let mut length = 0;
        for (packet, size) in packets(bytes, side.role()) {
            turn.cover(of_monitor(Monitor::WellFormed));
            length += size;
            let shadow = match side {
                Side::Client => &self.client.disk.shadow,
                Side::Server => &self.server.disk.shadow,
            };
            let around = Surroundings {
                side,
                flow: &mut self.flows[side as usize],
                shadow: config.is_persistent().then_some(shadow),
                limits: link.limits[side.other() as usize],
                is_later: link.is_later,
                is_hostile: self.hostile,
            };
            link.watches[side as usize].sent(&packet, size, around, turn)?;
            if config.ticks > 0 {
                let now = match side {
                    Side::Client => self.client.clock,
                    Side::Server => self.server.clock,
                };
                let hearing = &mut link.hearing[side as usize];
                match &packet {
                    Packet::Connect(_) => hearing.opened = now,
                    Packet::PingReq => hearing.sent_pingreq(now),
                    Packet::Disconnect(disconnect)
                        if disconnect.reason_code == ReasonCode::KeepAliveTimeout =>
                    {
                        hearing.check_keep_alive_timeout(now, config)?;
                    }
                    _ => {}
                }
            }
        }
        if length != bytes.len() {
            let message = format!("the {} sends {:02X?}", side.name(), &bytes[length..]);
            return Err(violation(Monitor::WellFormed, message));
        }
        if config.keep_alive > 0 && config.ticks > 0 && side == Side::Client {
            link.watches[side as usize].last_sent = self.client.clock;
        }
        if link.has(side.other()) {
            link.pipes[side as usize].extend_from_slice(bytes);
        }
        Ok(())
    }

    fn store(&mut self, side: Side, change: &Change, turn: &mut Turn<'_>) -> Result<(), Violation> {
        turn.note(side.lane(), format_args!("stores {}", short(change)));
        let now = self.now(side);
        let config = &self.config.0;
        match side {
            Side::Client => self
                .client
                .disk
                .store(now, change, config.client_crashes > 0),
            Side::Server => self
                .server
                .disk
                .store(now, change, config.server_crashes > 0),
        }
    }
}

fn short(change: &Change) -> String {
    match change {
        Change::Accepted { message, .. } => format!("Accepted {:?}", message.token),
        _ => format!("{change:?}"),
    }
}
