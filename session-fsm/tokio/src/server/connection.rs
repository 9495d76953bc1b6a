//! One Network Connection.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use mqtt5_session_fsm::Cause;
use mqtt5_session_fsm::broker::{
    Admission, AnswerError, ConnectionKey, Gone, Grant, Next, Permission, Question, Step, Verdict,
};
use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::{Auth, Binary, Connect, Packet, Property, Publish, ReasonCode};
use tokio::sync::Notify;

use super::access::{Admitted, Exchange, Identity, Login, LoginAnswer, Peer};
use super::builder::Report;
use super::host::Host;
use crate::transport::Stream;
use crate::wire::{OUTPUT_SIZE, Wire};

/// Serves a connection until it is over.
pub(super) async fn serve(host: &Arc<Host>, stream: impl Stream, peer: Peer) {
    let (key, waker) = match host.connected() {
        Ok(connected) => connected,
        // There are too many, and it is closed.
        Err(code) => return host.not_accepted(Some(&peer), &io::Error::other(code.to_string())),
    };
    // Also if this future is dropped.
    let _end = End {
        host,
        key,
        waker: &waker,
    };
    let mut connection = Connection {
        host,
        key,
        peer: &peer,
        wire: Wire::new(stream),
        free: 0,
        held: VecDeque::new(),
        identity: None,
        is_accepted: false,
        exchange: None,
    };
    let cause = tokio::select! {
        cause = connection.exchange(&waker) => cause,
        () = host.ended() => return,
    };
    host.report(&Report::Ended {
        peer: &peer,
        client_identifier: connection.name(),
        cause,
    });
    // A network error ends only the connection: the Session waits for its Client in the broker.
    if cause.is_some() {
        let last = connection.held.back().map_or(0, |&(record, _)| record);
        if host.is_stored(last).await {
            connection.wire.close().await;
        }
    }
}

struct End<'a> {
    host: &'a Host,
    key: ConnectionKey,
    waker: &'a Arc<Notify>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.host.disconnected(self.key, self.waker);
        self.host.connections.send_modify(|count| *count -= 1);
    }
}

struct Connection<'a, S> {
    host: &'a Host,
    key: ConnectionKey,
    peer: &'a Peer,
    wire: Wire<S>,
    /// How many bytes of the output may leave.
    free: usize,
    /// The others: the record that must be stored first, and how many wait for it.
    held: VecDeque<(u64, usize)>,
    /// As the CONNECT says, until the client is accepted.
    identity: Option<Identity>,
    is_accepted: bool,
    /// Enhanced authentication that is under way.
    exchange: Option<Box<dyn Exchange>>,
}

impl<S: Stream> Connection<'_, S> {
    /// Reads and writes until the connection is over. Returns why the broker closed it; `None` if the network did.
    async fn exchange(&mut self, waker: &Notify) -> Option<Cause> {
        let mut stored = self.host.stored.subscribe();
        loop {
            let next = self.fill().ok()?;
            if let Next::Close(cause) = next {
                return Some(cause);
            }
            self.release(*stored.borrow_and_update());
            // A Client that does not take the answers is not read.
            let mut reads = next == Next::Nothing;
            if reads && !self.wire.input.is_empty() {
                match self.receive().ok()? {
                    Step::Taken => {}
                    Step::Wait => reads = false,
                    Step::Ask(question) => {
                        self.answer(&question).await;
                        continue;
                    }
                }
            }
            let free = self.free;
            let moved: io::Result<usize> = tokio::select! {
                moved = self.wire.moved(reads, free) => moved,
                () = waker.notified() => continue,
                Ok(()) = stored.changed(), if !self.held.is_empty() => continue,
            };
            let Ok(written) = moved else {
                // The last packet may have said why.
                return match self.fill() {
                    Ok(Next::Close(cause)) => Some(cause),
                    _ => None,
                };
            };
            self.free -= written;
            self.wire.release_output();
        }
    }

    /// The ClientID, once it was accepted.
    fn name(&self) -> Option<&str> {
        let identity = self.identity.as_ref().filter(|_| self.is_accepted);
        identity.map(|identity| identity.client_identifier.as_str())
    }

    /// Takes packets from the broker. Returns what there is to do next.
    fn fill(&mut self) -> Result<Next, Gone> {
        let mut room = OUTPUT_SIZE.saturating_sub(self.wire.output.len());
        loop {
            let before = self.wire.output.len();
            let wire = &mut (&mut self.wire.output).limit(room);
            let key = self.key;
            let transmitted = self
                .host
                .call(|broker, now| broker.transmit(now, key, wire))?;
            let written = self.wire.output.len() - before;
            if written > 0 {
                self.held.push_back((transmitted.depends_on, written));
            }
            match transmitted.next {
                // A packet that is larger than the whole buffer goes alone, all others wait.
                Next::Room(bytes) if self.wire.output.is_empty() => room = bytes,
                next => return Ok(next),
            }
        }
    }

    /// Records up to this one are stored.
    fn release(&mut self, stored: u64) {
        while let Some(&(record, bytes)) = self.held.front() {
            if record > stored {
                break;
            }
            self.held.pop_front();
            self.free += bytes;
        }
    }

    /// Offers what was read to the broker. A part of a packet stays for next time.
    fn receive(&mut self) -> Result<Step, Gone> {
        let mut rest = &self.wire.input[..];
        let (key, identity, access) = (self.key, &self.identity, &self.host.access);
        let policy = |publish: &Publish<'_>| match identity {
            Some(identity) => access.may_publish(identity, publish),
            None => Permission::Refuse(ReasonCode::NotAuthorized),
        };
        let step = self
            .host
            .call(|broker, now| broker.receive(now, key, &mut rest, policy));
        let taken = self.wire.input.len() - rest.len();
        self.wire.taken(taken);
        step
    }

    // ---- decisions ----

    /// An error of an answer means that the Client is gone.
    async fn answer(&mut self, question: &Question) {
        match question.packet() {
            Packet::Connect(connect) => self.answer_connect(question, &connect).await,
            Packet::Auth(auth) => self.answer_auth(question, &auth).await,
            Packet::Subscribe(subscribe) => {
                let access = &self.host.access;
                let all = subscribe.subscriptions.iter();
                let grants: Vec<Grant> = match &self.identity {
                    Some(identity) => all.map(|it| access.may_subscribe(identity, &it)).collect(),
                    None => Vec::new(),
                };
                let answer = self
                    .host
                    .call(|broker, now| broker.answer_subscribe(now, question, &grants));
                let _ = answer;
            }
            _ => {}
        }
    }

    async fn answer_connect(&mut self, question: &Question, connect: &Connect<'_>) {
        let login = Login {
            peer: self.peer,
            connect,
        };
        let answer = self.host.access.login(login).await;
        self.identity = Some(Identity {
            client_identifier: connect.client_identifier.as_str().to_owned(),
            principal: String::new(),
        });
        // Its Will is refused with the connection, rather than when nobody is there to hear it.
        let answer = match (answer, &connect.will) {
            (LoginAnswer::Accept(admitted), Some(will)) => {
                let publish = Publish {
                    retain: will.retain,
                    ..Publish::new(will.topic, will.payload.as_bytes())
                };
                let identity = Identity {
                    client_identifier: connect.client_identifier.as_str().to_owned(),
                    principal: admitted.principal.clone(),
                };
                match self.host.access.may_publish(&identity, &publish) {
                    Permission::Publish => LoginAnswer::Accept(admitted),
                    Permission::Refuse(code) | Permission::Disconnect(code) => {
                        LoginAnswer::Refuse(code)
                    }
                }
            }
            (answer, _) => answer,
        };
        self.decide(question, answer);
    }

    async fn answer_auth(&mut self, question: &Question, auth: &Auth<'_>) {
        let data = auth.properties.authentication_data();
        let data = data.as_ref().map(|it| it.as_bytes()).unwrap_or_default();
        let answer = match (auth.reason_code, self.exchange.take(), &self.identity) {
            (ReasonCode::ReAuthenticate, _, Some(identity)) => {
                self.host.access.re_authenticate(identity, data).await
            }
            (_, Some(exchange), _) => exchange.answer(data).await,
            _ => LoginAnswer::Refuse(ReasonCode::BadAuthenticationMethod),
        };
        self.decide(question, answer);
    }

    fn decide(&mut self, question: &Question, answer: LoginAnswer) {
        match answer {
            LoginAnswer::Accept(admitted) => self.accept(question, &admitted),
            LoginAnswer::Refuse(code) => self.refuse(question, code),
            LoginAnswer::Continue(data, exchange) => {
                let data = Binary::new(&data).ok().map(Property::AuthenticationData);
                let verdict = Verdict::Continue(data.as_slice());
                let answer = self
                    .host
                    .call(|broker, now| broker.answer_connect(now, question, &verdict));
                match answer {
                    Ok(()) => self.exchange = Some(exchange),
                    Err(_) => self.refuse(question, ReasonCode::BadAuthenticationMethod),
                }
            }
        }
    }

    fn accept(&mut self, question: &Question, admitted: &Admitted) {
        let data = admitted.authentication_data.as_deref();
        let data = data.and_then(|data| Binary::new(data).ok());
        let property = data.map(Property::AuthenticationData);
        let known = self
            .identity
            .as_ref()
            .map(|identity| identity.client_identifier.clone());
        let known = known.unwrap_or_default();
        loop {
            let assigned = match known.is_empty() {
                true => match assigned() {
                    Ok(assigned) => Some(assigned),
                    Err(_) => return self.refuse(question, ReasonCode::ServerUnavailable),
                },
                false => None,
            };
            let mut admission = Admission::of(&admitted.principal);
            admission.assigned = assigned.as_deref();
            admission.properties = property.as_slice();
            let verdict = Verdict::Accept(admission);
            let answer = self
                .host
                .call(|broker, now| broker.answer_connect(now, question, &verdict));
            match answer {
                Err(AnswerError::ClientIdentifierExists) => continue,
                Err(AnswerError::Send(_)) => {
                    return self.refuse(question, ReasonCode::UnspecifiedError);
                }
                Err(_) | Ok(()) => {}
            }
            self.is_accepted = answer.is_ok();
            self.identity = Some(Identity {
                client_identifier: assigned.unwrap_or(known),
                principal: admitted.principal.clone(),
            });
            return;
        }
    }

    fn refuse(&self, question: &Question, reason_code: ReasonCode) {
        let verdict = Verdict::Refuse(reason_code, &[]);
        let answer = self
            .host
            .call(|broker, now| broker.answer_connect(now, question, &verdict));
        if matches!(answer, Err(AnswerError::Send(_))) {
            // Not a Reason Code for this: the client must not wait for ever.
            let verdict = Verdict::Refuse(ReasonCode::UnspecifiedError, &[]);
            let _ = self
                .host
                .call(|broker, now| broker.answer_connect(now, question, &verdict));
        }
    }
}

/// A ClientID that nobody can guess: a client that knows the ClientID of another one can take over its Session.
fn assigned() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!("auto-{:032x}", u128::from_ne_bytes(random)))
}
