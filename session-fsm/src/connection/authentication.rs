//! Enhanced authentication and re-authentication (section 4.12): who may send which AUTH, and when.

use alloc::boxed::Box;

use mqtt5_codec::{Auth, ReasonCode, Role};

use crate::SessionViolation;

/// Whose AUTH is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// No AUTH is expected.
    Idle,
    /// The Server's.
    ServersTurn,
    /// The Client's.
    ClientsTurn,
}

/// The authentication of a connection whose CONNECT had an Authentication Method.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Authentication {
    method: Box<str>,
    pub(super) stage: Stage,
    /// The CONNACK has come: from now on it is re-authentication.
    connected: bool,
}

impl Authentication {
    /// A CONNECT with this method was sent.
    pub(crate) fn new(method: &str) -> Self {
        Authentication {
            method: method.into(),
            stage: Stage::ServersTurn,
            connected: false,
        }
    }

    pub(crate) const fn method(&self) -> &str {
        &self.method
    }

    /// CONNACK with Success ends the first authentication.
    pub(crate) fn connected(&mut self) {
        self.stage = Stage::Idle;
        self.connected = true;
    }

    /// Whether `side` may send an AUTH with this Reason Code now; if so, notes that it does.
    pub(crate) fn step(&mut self, side: Role, reason_code: ReasonCode) -> bool {
        let next = match (side, reason_code, self.stage) {
            (Role::Server, ReasonCode::ContinueAuthentication, Stage::ServersTurn) => {
                Stage::ClientsTurn
            }
            (Role::Server, ReasonCode::Success, Stage::ServersTurn) if self.connected => {
                Stage::Idle
            }
            (Role::Client, ReasonCode::ContinueAuthentication, Stage::ClientsTurn) => {
                Stage::ServersTurn
            }
            (Role::Client, ReasonCode::ReAuthenticate, Stage::Idle)
                if self.connected && !fault!("MQTT-4.12.1-1") =>
            {
                Stage::ServersTurn
            }
            _ => return false,
        };
        self.stage = next;
        true
    }

    /// Checks an AUTH that came from the peer.
    pub(crate) fn receive(
        authentication: Option<&mut Box<Authentication>>,
        sender: Role,
        auth: &Auth<'_>,
    ) -> Result<(), SessionViolation> {
        let Some(authentication) = authentication else {
            return Err(SessionViolation::AuthUnexpected);
        };
        let method = auth.properties.authentication_method();
        if method.is_none_or(|method| method.as_str() != authentication.method()) {
            return Err(SessionViolation::AuthenticationMethodDiffers);
        }
        if authentication.step(sender, auth.reason_code) {
            Ok(())
        } else {
            Err(SessionViolation::AuthUnexpected)
        }
    }
}
