//! What the hosts of both sides have in common: reading, polling, and doing what the machines say.

use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::{Packet, Qos, ReasonCode};
use mqtt5_session_fsm::table::{ReceiverAction, ReceiverEvent, SenderAction, SenderState};
use mqtt5_session_fsm::{Cause, Change, Instant, Output, SendError, Server, Session};

use super::application::{Ending, Side, Undecided, violation};
use super::describe::{Words, packets};
use super::forecast::{Census, Effect, Fate, Forecast};
use super::points::{Monitor, of_monitor, of_receiver};
use super::told::Told;
use super::wire::Surroundings;
use super::{SessionWorld, Split};
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

    fn session_at(&self, at: At) -> Option<&Session> {
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
            let now = self.now(to);
            let told = match at {
                At::Client => self.client.machine.receive(now, &mut rest),
                _ => self.machine(link).receive(now, &mut rest),
            };
            let told = told.as_ref().map(Told::new);
            let consumed = &before[..before.len() - rest.len()];
            self.consumed(link, to, consumed, &mut forecast, turn)?;
            if self.is_open(link, to)
                && let Some(session) = self.session_at(at)
            {
                forecast.compare(session, turn)?;
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
        if self.links[link].has(to)
            && let Some(inbox) = self.inbox(at)
        {
            *inbox = rest;
        }
        Ok(())
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
        let watch = &mut self.links[link].watches[to as usize];
        let flow = &mut self.flows[to as usize];
        for (packet, _) in packets(bytes, to.other().role()) {
            turn.message(to.other().lane(), to.lane(), Words(&packet));
            let effect = forecast.follow(&packet, manual, turn);
            let id = packet.packet_identifier().map_or(0, |id| id.get());
            match (&packet, effect) {
                (Packet::ConnAck(connack), _) if connack.session_present => watch.resumed(flow),
                (Packet::Publish(publish), Effect::Receiver(action)) => {
                    let again =
                        action == ReceiverAction::PubRecAgain || action == ReceiverAction::Deliver;
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
                None => break,
                Some(Output::Event(event)) => self.told(at, Told::new(&event), turn)?,
                Some(Output::Persist(change)) => self.store(side, &change, turn)?,
                Some(Output::Close(cause)) => {
                    closed = true;
                    self.closing(side, cause, turn)?;
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

    fn closing(&self, side: Side, cause: Cause, turn: &mut Turn<'_>) -> Result<(), Violation> {
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
                    self.flows[side as usize].blocked = false;
                }
            }
            Told::Room => self.flows[side as usize].blocked = false,
            Told::Connect => {
                if let At::Server(link) = at {
                    self.decide_connect(link, turn)?;
                }
            }
            Told::Request {
                packet_identifier,
                subscribe,
            } => {
                if let At::Server(link) = at
                    && let Some(end) = &mut self.links[link].server
                {
                    end.requests.push((packet_identifier, subscribe));
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
    fn clients_link(&self) -> Option<usize> {
        self.links.iter().rposition(|link| link.has_client)
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

    fn undecided(&mut self, side: Side) -> &mut Vec<Undecided> {
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
        let event = decision(accept);
        let id = std::num::NonZeroU16::new(undecided.identifier).expect("QoS 1 or 2");
        let state = self.session(side).map(|it| it.receiver_state(id));
        let flow = &mut self.flows[side.other() as usize];
        if accept {
            flow.records[usize::from(number)].accepted = true;
        } else {
            self.left.refusals -= 1;
            flow.taken_back(number);
        }
        if let Some(state) = state {
            turn.cover(of_receiver(state, event));
        }
        let answer = self.acknowledge(side, undecided, accept);
        answer.map_err(|error| violation(Monitor::VoidReceipt, error.to_string()))?;

        // Used once more, it must not do anything.
        for again in [true, false] {
            turn.cover(of_monitor(Monitor::VoidReceipt));
            let before = self.session(side).cloned();
            let state = before.as_ref().map(|it| it.receiver_state(id));
            let answer = self.acknowledge(side, undecided, again);
            if answer != Err(SendError::Stale) || self.session(side) != before.as_ref() {
                let message = format!("message {number} was decided twice");
                return Err(violation(Monitor::VoidReceipt, message));
            }
            let event = decision(again);
            if let Some(state) = state
                && state.on(event).1 == ReceiverAction::Late
            {
                turn.cover(of_receiver(state, event));
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

const fn decision(accept: bool) -> ReceiverEvent {
    if accept {
        ReceiverEvent::Accept
    } else {
        ReceiverEvent::Refuse
    }
}

fn short(change: &Change) -> String {
    match change {
        Change::Accepted { token, .. } => format!("Accepted {token:?}"),
        _ => format!("{change:?}"),
    }
}
