//! What the events of the machine mean to the application.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;

use mqtt5_session_fsm::codec::{Auth, ReasonCode};
use mqtt5_session_fsm::reconnect::{ConnectionFailure, GiveUp, ReconnectPolicy, Reconnection};
use mqtt5_session_fsm::{Event, Instant, Token};
use tokio::sync::{mpsc, watch};

use super::ConnectionState;
use super::builder::random;
use super::command::Control;
use super::connect::Authenticator;
use super::failure::ConnectError;
use super::message::{Incoming, Message};
use super::requests::{Pending, PendingRequests};

/// All that is not the machine, so that it can take an event that borrows from the machine.
pub(super) struct Application {
    pub(super) policy: ReconnectPolicy,
    pub(super) messages: Incoming,
    /// Where the application's decisions about messages go.
    pub(super) control: mpsc::UnboundedSender<Control>,
    pub(super) state: watch::Sender<ConnectionState>,
    pub(super) authenticator: Option<Box<dyn Authenticator>>,
    /// The outcomes that somebody waits for.
    pub(super) pending: HashMap<Token, Pending, RandomState>,
    pub(super) requests: PendingRequests,
    /// The packet that ended the connection was reported to the policy.
    pub(super) is_reported: bool,
    /// What it meant.
    pub(super) gave_up: Option<GiveUp>,
    /// The server of the connection.
    pub(super) server: String,
}

/// What follows from an event.
pub(super) enum Next {
    Nothing,
    /// There is a connection.
    Connected {
        session_present: bool,
    },
    /// Another step of enhanced authentication.
    Authenticate(Vec<u8>),
    /// The server is not who it says.
    Distrust,
}

impl Application {
    /// Whether to read on: there is room for messages, or somebody waits for what may be behind them.
    pub(super) fn reads(&self) -> bool {
        self.messages.has_place() || !self.pending.is_empty()
    }

    /// A connection begins.
    pub(super) fn begin(&mut self, server: &str) {
        server.clone_into(&mut self.server);
        self.is_reported = false;
    }

    /// Why the policy gave up.
    pub(super) fn gave_up(&mut self) -> ConnectError {
        match self.gave_up.take() {
            Some(why) => ConnectError::GaveUp(why),
            None => ConnectError::Disconnected,
        }
    }

    pub(super) fn handle(&mut self, now: Instant, event: Event<'_>) -> Next {
        match event {
            Event::Message(delivered) => {
                let message = Message::new(&delivered.publish, delivered.receipt, &self.control);
                if let Some(message) = message.and_then(|it| self.requests.response(it)) {
                    self.messages.put(message);
                }
            }
            Event::Outcome(token, outcome) => {
                if let Some(pending) = self.pending.remove(&token) {
                    self.requests.ended(pending, &outcome);
                }
            }
            Event::Connected(connack) => {
                self.policy.connected(now);
                let data = connack.properties.authentication_data();
                if !self.trusts(data.as_ref().map(|it| it.as_bytes())) {
                    return Next::Distrust;
                }
                return Next::Connected {
                    session_present: connack.session_present,
                };
            }
            Event::Refused(connack) => self.report(now, (&connack).into()),
            Event::Disconnect(disconnect) => self.report(now, (&disconnect).into()),
            Event::Authentication(auth) => return self.authenticate(&auth),
            _ => {}
        }
        Next::Nothing
    }

    fn trusts(&mut self, data: Option<&[u8]>) -> bool {
        let authenticator = self.authenticator.as_mut();
        authenticator.is_none_or(|it| it.finish(data))
    }

    fn authenticate(&mut self, auth: &Auth<'_>) -> Next {
        let data = auth.properties.authentication_data();
        let data = data.as_ref().map(|it| it.as_bytes());
        if auth.reason_code == ReasonCode::Success {
            return match self.trusts(data) {
                true => Next::Nothing,
                false => Next::Distrust,
            };
        }
        let authenticator = self.authenticator.as_mut();
        match authenticator.and_then(|it| it.answer(data.unwrap_or_default())) {
            Some(data) => Next::Authenticate(data),
            None => Next::Distrust,
        }
    }

    /// The packet that ends the connection says more than the cause that follows it.
    fn report(&mut self, now: Instant, failure: ConnectionFailure<'_>) {
        self.is_reported = true;
        if let Reconnection::GiveUp(why) = self.policy.failed(now, failure, random() as u32) {
            self.gave_up = Some(why);
        }
    }
}
