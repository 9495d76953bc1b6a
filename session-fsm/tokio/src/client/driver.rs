//! The task of a client: it owns the machine, its connection, and what waits for outcomes.

use std::sync::Arc;
use std::time::Duration;

use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::{Binary, Property, ProtocolVersion, ReasonCode};
use mqtt5_session_fsm::reconnect::{ConnectionFailure, Reconnection};
use mqtt5_session_fsm::{Cause, Client, Instant, Output, PublishError, Receipt, SendError};
use tokio::sync::mpsc;

use super::ConnectionState;
use super::application::{Application, Next};
use super::builder::random;
use super::command::{Control, Reply, SubscriptionWork, Work};
use super::connect::Login;
use super::failure::{ConnectError, PublishFailure, RequestFailure};
use super::journal::Store;
use super::link::{Link, Moved};
use super::requests::Pending;
use crate::clock::Clock;
use crate::transport::{BoxedStream, Connector};
use crate::wire::{OUTPUT_SIZE, Wire};

/// What a driver is made of.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) machine: Client,
    pub(super) store: Option<Store>,
    pub(super) login: Login,
    pub(super) version: ProtocolVersion,
    pub(super) connector: Arc<dyn Connector>,
    pub(super) connect_timeout: Duration,
    pub(super) resubscribes: bool,
    pub(super) work: mpsc::Receiver<Work>,
    pub(super) control: mpsc::UnboundedReceiver<Control>,
    pub(super) application: Application,
}

pub(super) struct Driver {
    parts: Parts,
    link: Link,
    /// Work that the Session has no room for. Until it has, no further work is taken.
    blocked: Option<Work>,
    /// The first connection of this process may begin a new Session.
    is_first: bool,
    /// The server of this connection has not proven who it is.
    is_distrusted: bool,
    /// All handles are dropped: the client ends when no outcome is pending.
    is_abandoned: bool,
    /// The client shall end, and these wait for it.
    disconnecting: Option<Vec<Reply<()>>>,
    /// Why the last connection ended.
    why: String,
}

/// The client goes on, or ends.
type Step = Result<(), ConnectError>;

/// What woke the task.
enum Woken {
    Control(Control),
    Work(Option<Work>),
    Moved(Moved),
    Room,
    Timeout,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        Driver {
            link: Link::Waiting(Instant::ORIGIN),
            blocked: None,
            is_first: true,
            is_distrusted: false,
            is_abandoned: false,
            disconnecting: None,
            why: String::new(),
            parts,
        }
    }

    fn now(&self) -> Instant {
        self.parts.clock.now()
    }

    /// Runs until the client has ended.
    pub(super) async fn run(mut self) {
        let why = loop {
            if let Err(why) = self.turn().await {
                break why;
            }
        };
        // After the end is reported, the journal may be opened again.
        self.parts.store = None;
        let ended = ConnectionState::Ended { why };
        self.parts.application.state.send_replace(ended);
        for reply in self.disconnecting.into_iter().flatten() {
            let _ = reply.send(());
        }
    }

    /// Does what there is to do, then waits until something happens.
    async fn turn(&mut self) -> Step {
        if let Some(cause) = self.drain().await? {
            return self.closed(cause).await;
        }
        if self.disconnecting.is_some() && !self.is_open() {
            return Err(ConnectError::Disconnected);
        }
        if self.receive() {
            return Ok(());
        }
        let is_held_up = self.is_open() && !self.parts.application.reads();
        let reads = !is_held_up && self.has_room();
        let takes = self.takes_work();
        let is_alone = self.is_abandoned && !self.parts.application.messages.is_closed();
        let (clock, timeout) = (self.parts.clock, self.next_timeout());
        let parts = &mut self.parts;
        let woken = tokio::select! {
            // After the process has slept, bytes that have arrived are read before the timer is looked at.
            biased;
            Some(control) = parts.control.recv() => Woken::Control(control),
            work = parts.work.recv(), if takes => Woken::Work(work),
            moved = self.link.moved(clock, reads) => Woken::Moved(moved),
            () = parts.application.messages.taken(), if is_held_up => Woken::Room,
            () = parts.application.messages.closed(), if is_alone => Woken::Room,
            () = clock.sleep_until(timeout) => Woken::Timeout,
        };
        match woken {
            Woken::Control(control) => self.control(control),
            Woken::Work(Some(work)) => self.work(work),
            Woken::Work(None) | Woken::Room => {}
            Woken::Moved(moved) => return self.moved(moved).await,
            Woken::Timeout => self.handle_timeout(),
        }
        // What else there is goes into the same packets.
        while let Ok(control) = self.parts.control.try_recv() {
            self.control(control);
        }
        self.take_work();
        Ok(())
    }

    fn take_work(&mut self) {
        while self.takes_work() {
            match self.parts.work.try_recv() {
                Ok(work) => self.work(work),
                Err(_) => break,
            }
        }
    }

    fn takes_work(&self) -> bool {
        let is_over = self.parts.work.is_closed() && self.parts.work.is_empty();
        self.blocked.is_none() && self.disconnecting.is_none() && !is_over
    }

    fn next_timeout(&self) -> Instant {
        let requests = self.parts.application.requests.next_timeout();
        self.parts.machine.next_timeout().min(requests)
    }

    fn handle_timeout(&mut self) {
        let now = self.now();
        if self.is_open() && !self.parts.application.reads() {
            // What the server has said may lie unread.
            self.parts.machine.bytes_waiting(now);
        }
        self.parts.machine.handle_timeout(now);
        self.parts.application.requests.handle_timeout(now);
    }

    fn is_open(&self) -> bool {
        matches!(self.link, Link::Open { .. })
    }

    /// Whether there is room for answers.
    fn has_room(&self) -> bool {
        match &self.link {
            Link::Open { wire, .. } => wire.output.len() < OUTPUT_SIZE,
            _ => false,
        }
    }

    // ---- the machine ----

    /// Polls the machine, and stores what has to be stored before its packets leave. Returns why the connection is over.
    async fn drain(&mut self) -> Result<Option<Cause>, ConnectError> {
        let mut cause = None;
        let mut large = 0;
        loop {
            let now = self.parts.clock.now();
            let said = match &mut self.link {
                Link::Open { wire, .. } => {
                    let room = OUTPUT_SIZE.saturating_sub(wire.output.len()).max(large);
                    let machine = &mut self.parts.machine;
                    let said = wire
                        .output
                        .append(|output| machine.poll(now, &mut output.limit(room)));
                    // A packet that is larger than the buffer goes alone.
                    if let Some(Output::NeedsRoom(bytes)) = said
                        && wire.output.is_empty()
                        && large == 0
                    {
                        large = bytes;
                        continue;
                    }
                    said
                }
                _ => self.parts.machine.poll(now, &mut Vec::new()),
            };
            match said {
                Some(Output::Event(event)) => {
                    let next = self.parts.application.handle(now, event);
                    self.follow(next);
                }
                Some(Output::Persist(change)) => {
                    if let Some(store) = &mut self.parts.store {
                        store.change(&change);
                    }
                }
                Some(Output::Close(why)) => cause = Some(why),
                Some(Output::NeedsRoom(_)) => break,
                // Each new call is followed by a new round.
                None if self.retry() || self.send_again() || self.end_if_idle() => {}
                None => break,
            }
        }
        if let Some(store) = &mut self.parts.store
            && store.has_changes()
        {
            let stored = store.commit(self.parts.machine.session()).await;
            stored.map_err(|error| ConnectError::Journal(error.to_string()))?;
        }
        Ok(cause)
    }

    /// Offers what was read to the machine, as long as the application has a place for a message. Returns whether
    /// anything was taken.
    fn receive(&mut self) -> bool {
        let mut has_taken = false;
        while self.parts.application.reads() && self.has_room() {
            let now = self.now();
            let Link::Open { wire, .. } = &mut self.link else {
                break;
            };
            let mut rest = &wire.input[..];
            let event = self.parts.machine.receive(now, &mut rest);
            let taken = wire.input.len() - rest.len();
            let next = event.map(|event| self.parts.application.handle(now, event));
            wire.input.advance(taken);
            has_taken |= taken > 0;
            match next {
                Some(next) => self.follow(next),
                None => break,
            }
        }
        has_taken
    }

    /// Does what follows from an event.
    fn follow(&mut self, next: Next) {
        match next {
            Next::Nothing => {}
            Next::Connected { session_present } => {
                self.is_first = false;
                let resubscribes = self.parts.resubscribes;
                let application = &mut self.parts.application;
                if !session_present {
                    application.requests.session_lost(resubscribes);
                }
                application.state.send_replace(ConnectionState::Connected {
                    server: application.server.clone(),
                    version: self.parts.machine.version(),
                    session_present,
                });
            }
            Next::Authenticate(data) => {
                let data = Binary::new(&data).ok().map(Property::AuthenticationData);
                let _ = self.parts.machine.authenticate(data.as_slice());
            }
            Next::Distrust => {
                self.is_distrusted = true;
                self.disconnect(ReasonCode::UnspecifiedError);
            }
        }
    }

    // ---- commands ----

    fn control(&mut self, control: Control) {
        match control {
            Control::Decide(receipt, code) => self.decide(receipt, code),
            Control::ReAuthenticate(reply) => {
                let data = self.parts.application.authenticator.as_mut();
                let data = data.map(|it| it.begin()).unwrap_or_default();
                let data = Binary::new(&data).ok().map(Property::AuthenticationData);
                let begun = self.parts.machine.re_authenticate(data.as_slice());
                let _ = reply.send(begun.map_err(Into::into));
            }
            Control::Disconnect(code, reply) => {
                // What was handed over before is in the Session, as far as there is room.
                self.take_work();
                self.disconnecting.get_or_insert_default().push(reply);
                self.disconnect(code);
            }
            Control::Abandon => self.is_abandoned = true,
        }
    }

    fn disconnect(&mut self, code: ReasonCode) {
        let now = self.now();
        match self.parts.machine.disconnect(now, code, &[]) {
            Ok(()) | Err(SendError::NotConnected) => {}
            // Only a server may say that: the connection ends all the same.
            Err(_) => {
                let code = ReasonCode::UnspecifiedError;
                let _ = self.parts.machine.disconnect(now, code, &[]);
            }
        }
    }

    /// Returns whether all handles are dropped and no outcome is pending.
    fn is_idle(&self) -> bool {
        let application = &self.parts.application;
        self.is_abandoned
            && application.messages.is_closed()
            && application.pending.is_empty()
            && self.blocked.is_none()
            && self.parts.work.is_empty()
    }

    /// Disconnects an idle client. Returns whether it does so now.
    fn end_if_idle(&mut self) -> bool {
        if !self.is_idle() || self.disconnecting.is_some() {
            return false;
        }
        self.disconnecting = Some(Vec::new());
        self.disconnect(ReasonCode::Success);
        true
    }

    /// Tries what there was no room for. Returns whether there is room now.
    fn retry(&mut self) -> bool {
        match self.blocked.take() {
            Some(work) => {
                self.work(work);
                self.blocked.is_none()
            }
            None => false,
        }
    }

    fn work(&mut self, work: Work) {
        let now = self.now();
        match work {
            Work::Publish { publication, reply } => {
                match self.parts.machine.publish(now, publication) {
                    Ok(token) => {
                        self.parts
                            .application
                            .pending
                            .insert(token, Pending::Publish(reply));
                    }
                    Err(refused) if refused.error == PublishError::Busy => {
                        let publication = refused.publication;
                        self.blocked = Some(Work::Publish { publication, reply });
                    }
                    Err(refused) => {
                        let failure = PublishFailure::Refused(refused.error);
                        let _ = reply.send(Err(failure));
                    }
                }
            }
            Work::Subscription(work) => self.subscribe(work),
            Work::Request {
                topic,
                payload,
                response_topic,
                within,
                reply,
            } => {
                if self.is_open() && self.parts.machine.version() == ProtocolVersion::V3_1_1 {
                    let _ = reply.send(Err(RequestFailure::invalid(
                        "MQTT 3.1.1 has no requests and responses",
                    )));
                    return;
                }
                let started = self.parts.application.requests.start(
                    now,
                    &topic,
                    &payload,
                    &response_topic,
                    within,
                    reply,
                );
                if let Some((publication, correlation)) = started {
                    match self.parts.machine.publish(now, publication) {
                        Ok(token) => {
                            self.parts
                                .application
                                .pending
                                .insert(token, Pending::Request(correlation));
                        }
                        Err(refused) => self
                            .parts
                            .application
                            .requests
                            .failed(&correlation, refused.error),
                    }
                }
            }
        }
    }

    fn subscribe(&mut self, work: SubscriptionWork) {
        let application = &mut self.parts.application;
        match work.send(&mut self.parts.machine) {
            Ok(token) => {
                let pending = Pending::Subscription(work);
                application.pending.insert(token, pending);
            }
            Err(error) if is_for_now(&error) => application.requests.again(work),
            Err(error) => work.fail(error.into()),
        }
    }

    /// Sends what could not be sent before. Returns whether anything was sent.
    fn send_again(&mut self) -> bool {
        let unsent = self.parts.application.requests.unsent();
        if unsent == 0 || !self.parts.machine.is_connected() {
            return false;
        }
        for work in self.parts.application.requests.take() {
            self.subscribe(work);
        }
        self.parts.application.requests.unsent() < unsent
    }

    fn decide(&mut self, receipt: Receipt, code: ReasonCode) {
        // A receipt of an earlier connection decides nothing: the message comes again.
        let decided = self.parts.machine.acknowledge_with(receipt, code, &[]);
        if decided == Err(SendError::NotInVersion) {
            let _ = self.parts.machine.acknowledge(receipt);
        }
    }

    // ---- the connection ----

    async fn moved(&mut self, moved: Moved) -> Step {
        match moved {
            Moved::Due => self.open(),
            Moved::Opened(Ok(stream)) => self.connect(stream),
            Moved::Opened(Err(error)) => {
                self.why = error.to_string();
                self.lost(ConnectionFailure::Network)
            }
            Moved::Bytes(Ok(())) => Ok(()),
            Moved::Bytes(Err(error)) => {
                self.why = error.to_string();
                let now = self.now();
                self.parts.machine.connection_lost(now);
                self.drain().await?;
                match self.parts.application.is_reported {
                    true => self.wait(),
                    false => self.lost(ConnectionFailure::Network),
                }
            }
        }
    }

    fn open(&mut self) -> Step {
        let Some(attempt) = self.parts.application.policy.next_attempt() else {
            return Err(self.parts.application.gave_up());
        };
        let version = match self.parts.version {
            ProtocolVersion::V5_0 => attempt.version,
            other => other,
        };
        let server = attempt.server.as_str().to_owned();
        let (connector, within) = (self.parts.connector.clone(), self.parts.connect_timeout);
        self.link = Link::opening(connector, server, version, within);
        Ok(())
    }

    fn connect(&mut self, stream: BoxedStream) -> Step {
        let Link::Opening {
            server, version, ..
        } = &mut self.link
        else {
            return Ok(());
        };
        self.parts.application.begin(server);
        let version = *version;
        self.link = Link::Open {
            wire: Wire::new(stream),
        };
        let now = self.now();
        let (login, machine) = (&self.parts.login, &mut self.parts.machine);
        let clean_start = match version {
            // There, Clean Session 1 would end the Session with the connection, too.
            ProtocolVersion::V3_1_1 => {
                login.session_expiry == 0 || login.client_identifier.is_empty()
            }
            _ => self.is_first && login.clean_start,
        };
        let authenticator = &mut self.parts.application.authenticator;
        let data = authenticator.as_mut().map(|it| it.begin());
        let method = authenticator.as_ref().map(|it| it.method());
        let authentication = method.zip(data.as_deref());
        let sent = login.with(version, clean_start, authentication, |connect| {
            machine.connect(now, connect)
        });
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ConnectError::Options(error.to_string())),
            Err(error) => Err(ConnectError::Options(error.to_string())),
        }
    }

    /// The machine has ended the connection.
    async fn closed(&mut self, cause: Cause) -> Step {
        self.why = match std::mem::take(&mut self.is_distrusted) {
            true => "the server has not proven who it is".to_owned(),
            false => cause.to_string(),
        };
        if let Link::Open { mut wire, .. } =
            std::mem::replace(&mut self.link, Link::Waiting(Instant::NEVER))
        {
            // The last packet leaves while the client goes on; if it ends, it waits.
            let closing = tokio::spawn(async move { wire.close().await });
            if self.disconnecting.is_some() {
                let _ = closing.await;
            }
        }
        let now = self.now();
        self.parts.machine.connection_lost(now);
        self.drain().await?;
        if self.disconnecting.is_some() {
            return Err(ConnectError::Disconnected);
        }
        match self.parts.application.is_reported {
            true => self.wait(),
            false => self.lost(cause.into()),
        }
    }

    /// There is no connection any more, or none was made.
    fn lost(&mut self, failure: ConnectionFailure<'_>) -> Step {
        let now = self.now();
        let random = random() as u32;
        match self.parts.application.policy.failed(now, failure, random) {
            Reconnection::GiveUp(why) => Err(ConnectError::GaveUp(why)),
            Reconnection::Attempt(_) | Reconnection::Moved(_) => self.wait(),
        }
    }

    /// The policy says when to connect again.
    fn wait(&mut self) -> Step {
        let why = std::mem::take(&mut self.why);
        self.parts
            .application
            .state
            .send_replace(ConnectionState::Connecting { why });
        match self.parts.application.policy.next_attempt() {
            Some(attempt) => {
                self.link = Link::Waiting(attempt.at);
                Ok(())
            }
            None => Err(self.parts.application.gave_up()),
        }
    }
}

/// Whether it will work on a later connection, or a little later on this one.
fn is_for_now(error: &SendError) -> bool {
    matches!(
        error,
        SendError::NotConnected | SendError::Busy | SendError::NoIdentifier
    )
}
