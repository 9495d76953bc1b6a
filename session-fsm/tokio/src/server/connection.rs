//! One Network Connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use mqtt5_session_fsm::Cause;
use mqtt5_session_fsm::broker::{
    Admission, AnswerError, ConnectionKey, Gone, Grant, Next, Permission, Question, Step, Verdict,
};
use mqtt5_session_fsm::codec::bytes::BufMut;
use mqtt5_session_fsm::codec::{Auth, Binary, Connect, Packet, Property, Publish, ReasonCode};
use tokio::task::yield_now;

use super::access::{Admitted, Exchange, Identity, Login, LoginAnswer, Peer};
use super::bell::Bell;
use super::builder::Report;
use super::host::Host;
use crate::transport::Stream;
use crate::wire::{OUTPUT_SIZE, Wire};

/// How many bytes of packets a connection handles before the others have their turn. A publisher that never pauses is slowed
/// by its subscribers, and each of them gets many messages at once.
const TURN: u32 = 1 << 13;
/// A step of a wide fan-out counts as this many.
const FANOUT: u32 = TURN / 8;

/// Serves a connection until it is over. It counts from now on.
///
/// An `async fn` would hold the stream twice, as its argument and in the connection.
pub(super) fn serve<S: Stream>(
    host: &Arc<Host>,
    stream: S,
    peer: Peer,
) -> impl Future<Output = ()> + Send + use<S> {
    let connected = host.connected();
    let mut connection = match connected {
        Ok((key, bell)) => Some(Connection {
            host: host.clone(),
            key,
            bell,
            peer,
            wire: Wire::new(stream),
            free: 0,
            held: None,
            stored: 0,
            waits_for_store: false,
            is_full: false,
            turn: 0,
            identity: None,
            is_accepted: false,
            exchange: None,
        }),
        // There are too many, and it is closed.
        Err(code) => {
            host.not_accepted(Some(&peer), &io::Error::other(code.to_string()));
            None
        }
    };
    async move {
        let Some(connection) = &mut connection else {
            return;
        };
        let over = loop {
            let answer = match poll_fn(|context| connection.poll_exchange(context)).await {
                Ok(Pause::Turn) => None,
                // What happens seldom is boxed: a connection that is silent holds no memory for it.
                Ok(Pause::Question(question)) => Some(Box::pin(connection.answer(question))),
                Err(over) => break over,
            };
            match answer {
                None => yield_now().await,
                Some(answer) => {
                    if let Err(over) = answer.await {
                        break over;
                    }
                }
            }
        };
        let lingers = connection.end(&over);
        if lingers {
            Box::pin(connection.close()).await;
        }
    }
}

/// Why a connection pauses.
enum Pause {
    /// The others have their turn.
    Turn,
    /// The broker asks.
    Question(Question),
}

/// Why a connection is over.
enum Over {
    /// The broker closed it.
    Broker(Cause),
    /// The network did, or the client.
    Network,
    /// The server has ended.
    Server,
}

impl From<Gone> for Over {
    fn from(_: Gone) -> Self {
        Over::Network
    }
}

/// Packets that must not leave yet: the record that must be stored first, and how many bytes wait for it.
type Held = VecDeque<(u64, u32)>;

struct Connection<S> {
    host: Arc<Host>,
    key: ConnectionKey,
    bell: Arc<Bell>,
    peer: Peer,
    wire: Wire<S>,
    /// How many bytes of the output may leave.
    free: u32,
    /// The others, if there are any.
    held: Option<Box<Held>>,
    /// All records up to this one are stored, and perhaps others.
    stored: u64,
    /// The bell rings when more are stored.
    waits_for_store: bool,
    /// The broker has a packet for which there was no room.
    is_full: bool,
    /// How many bytes of packets were handled since the others had their turn.
    turn: u32,
    /// As the CONNECT says, until the client is accepted.
    identity: Option<Identity>,
    is_accepted: bool,
    /// Enhanced authentication that is under way.
    exchange: Option<Box<dyn Exchange>>,
}

/// Also if the future is dropped.
impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.host.disconnected(self.key, &self.bell);
        self.host.connections.send_modify(|count| *count -= 1);
    }
}

impl<S: Stream> Connection<S> {
    /// Reads and writes until the connection is over, or pauses.
    fn poll_exchange(&mut self, context: &mut Context<'_>) -> Poll<Result<Pause, Over>> {
        loop {
            if self.turn >= TURN {
                self.turn = 0;
                return Poll::Ready(Ok(Pause::Turn));
            }
            // A broker that has something to write says so, and all that there was room for is written.
            let has_rung = self.bell.has_rung();
            if has_rung && self.host.has_ended() {
                return Poll::Ready(Err(Over::Server));
            }
            if has_rung || self.is_full {
                self.fill()?;
            }
            if self.held.is_some() {
                self.release();
            }
            // A Client that does not take the answers is not read.
            let mut reads = !self.is_full;
            let mut has_moved = false;
            if reads && !self.wire.input.is_empty() {
                let (taken, step) = receive(&self.host, self.key, &self.identity, &self.wire.input);
                self.wire.input.advance(taken);
                let step = step?;
                // What is there comes first, and the others have their turn before more is read.
                has_moved = taken > 0;
                reads = !has_moved && !matches!(step, Step::Wait);
                if let Some(question) = self.took(taken, step) {
                    return Poll::Ready(Ok(Pause::Question(question)));
                }
            }
            if let Poll::Ready(written) = self.wire.poll_write(context, self.free as usize) {
                let Ok(written) = written else {
                    return Poll::Ready(Err(self.cut()));
                };
                // At most `free`.
                let written = written as u32;
                self.free -= written;
                // Messages that are written were handled before.
                self.turn += written / 8;
                has_moved = true;
            }
            if reads {
                let (host, key, identity) = (&self.host, self.key, &self.identity);
                let read = self.wire.poll_read(context, |bytes| {
                    let (taken, step) = receive(host, key, identity, bytes);
                    (taken, (taken, step))
                });
                if let Poll::Ready(read) = read {
                    let Ok((taken, step)) = read else {
                        return Poll::Ready(Err(self.cut()));
                    };
                    if let Some(question) = self.took(taken, step?) {
                        return Poll::Ready(Ok(Pause::Question(question)));
                    }
                    has_moved = true;
                }
            }
            if !has_moved {
                ready!(self.bell.poll_rung(context));
            }
        }
    }

    /// The broker took bytes. Returns what it asks.
    fn took(&mut self, bytes: usize, step: Step) -> Option<Question> {
        self.turn = self.turn.saturating_add(bytes as u32);
        match step {
            Step::Taken => None,
            Step::Wait => {
                self.turn += FANOUT;
                None
            }
            Step::Ask(question) => Some(question),
        }
    }

    /// The network is gone. Returns why the connection is over: a last packet may have said more.
    fn cut(&mut self) -> Over {
        self.fill().err().unwrap_or(Over::Network)
    }

    /// Reports the end. Returns whether last packets may have to leave.
    fn end(&self, over: &Over) -> bool {
        let cause = match over {
            Over::Broker(cause) => Some(*cause),
            Over::Network => None,
            Over::Server => return false,
        };
        self.host.report(&Report::Ended {
            peer: &self.peer,
            client_identifier: self.name(),
            cause,
        });
        // A network error ends only the connection: the Session waits for its Client in the broker.
        cause.is_some()
    }

    /// The last packets leave.
    async fn close(&mut self) {
        let last = self.held.as_ref().and_then(|held| held.back());
        let last = last.map_or(0, |&(record, _)| record);
        if self.host.is_stored(last).await {
            self.wire.close().await;
        }
    }

    /// The ClientID, once it was accepted.
    fn name(&self) -> Option<&str> {
        let identity = self.identity.as_ref().filter(|_| self.is_accepted);
        identity.map(|identity| identity.client_identifier.as_str())
    }

    /// Takes packets from the broker.
    ///
    /// # Errors
    ///
    /// The connection is over.
    fn fill(&mut self) -> Result<(), Over> {
        let mut room = OUTPUT_SIZE.saturating_sub(self.wire.output.len());
        loop {
            let (host, key) = (&self.host, self.key);
            let before = self.wire.output.len();
            let transmitted = self.wire.output.append(|output| {
                host.call(|broker, now| broker.transmit(now, key, &mut output.limit(room)))
            })?;
            // A packet has 256 MiB at most.
            let written = (self.wire.output.len() - before) as u32;
            if self.held.is_none() && transmitted.depends_on <= self.stored {
                self.free += written;
            } else if written > 0 {
                let held = self.held.get_or_insert_default();
                held.push_back((transmitted.depends_on, written));
            }
            match transmitted.next {
                Next::Nothing => self.is_full = false,
                // A packet that is larger than the whole buffer goes alone, all others wait.
                Next::Room(bytes) if self.wire.output.is_empty() => {
                    room = bytes;
                    continue;
                }
                Next::Room(_) => self.is_full = true,
                Next::Close(cause) => return Err(Over::Broker(cause)),
            }
            return Ok(());
        }
    }

    /// Lets those packets leave whose records are stored.
    fn release(&mut self) {
        self.release_up_to(self.host.last_stored());
        if self.held.is_some() && !self.waits_for_store {
            self.release_up_to(self.host.ring_when_stored(&self.bell));
            self.waits_for_store = true;
        }
    }

    fn release_up_to(&mut self, stored: u64) {
        if stored > self.stored {
            self.stored = stored;
            // It has rung, or will at once.
            self.waits_for_store = false;
        }
        let Some(held) = &mut self.held else {
            return;
        };
        while let Some(&(record, bytes)) = held.front() {
            if record > stored {
                break;
            }
            held.pop_front();
            self.free += bytes;
        }
        self.held.take_if(|held| held.is_empty());
    }

    // ---- decisions ----

    /// # Errors
    ///
    /// The server has ended meanwhile.
    async fn answer(&mut self, question: Question) -> Result<(), Over> {
        let host = self.host.clone();
        tokio::select! {
            () = self.answer_packet(&question) => Ok(()),
            () = host.ended() => Err(Over::Server),
        }
    }

    /// An error of an answer means that the Client is gone.
    async fn answer_packet(&mut self, question: &Question) {
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
            peer: &self.peer,
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

/// Offers bytes to the broker. Returns how many it took: a part of a packet stays for next time.
fn receive(
    host: &Host,
    key: ConnectionKey,
    identity: &Option<Identity>,
    bytes: &[u8],
) -> (usize, Result<Step, Gone>) {
    let mut rest = bytes;
    let policy = |publish: &Publish<'_>| match identity {
        Some(identity) => host.access.may_publish(identity, publish),
        None => Permission::Refuse(ReasonCode::NotAuthorized),
    };
    let step = host.call(|broker, now| broker.receive(now, key, &mut rest, policy));
    (bytes.len() - rest.len(), step)
}

/// A ClientID that nobody can guess: a client that knows the ClientID of another one can take over its Session.
fn assigned() -> io::Result<String> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!("auto-{:032x}", u128::from_ne_bytes(random)))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    /// A connection that is silent holds this, and what the broker holds of it. A task of tokio takes 104 bytes more, and a
    /// multiple of 128.
    #[test]
    fn the_future_of_a_connection_is_small() {
        fn size<F>(_: impl FnOnce(&Arc<Host>, TcpStream, Peer) -> F) -> usize {
            size_of::<F>()
        }
        let size = size(serve);
        assert!(size <= 384 - 104, "{size} bytes");
    }
}
