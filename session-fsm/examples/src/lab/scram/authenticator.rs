//! The client's part.

use std::sync::Arc;

use mqtt5_tokio::Authenticator;
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::SCRAM_SHA256;
use rsasl::prelude::{Registry, SASLClient, SASLConfig, Session, SessionError, State};
use rsasl::property::{AuthId, Password};
use tokio::sync::watch;

use super::{MECHANISMS, METHOD};
use crate::lab::Result;

/// How often servers have proven that they know the password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// How often one did.
    pub proofs: u64,
    /// How often one did not.
    pub failures: u64,
}

/// The client's part. It takes a server for real only if the server proves that it knows the password, too.
pub struct ScramAuthenticator {
    config: Arc<SASLConfig>,
    session: Option<Session>,
    trust: watch::Sender<Trust>,
}

impl ScramAuthenticator {
    /// A user, and the password. Returns what becomes of the servers' proofs, too.
    ///
    /// # Errors
    ///
    /// The mechanism is not there.
    pub fn new(user: &str, password: &str) -> Result<(Self, watch::Receiver<Trust>)> {
        let (trust, watched) = watch::channel(Trust::default());
        let credentials = Credentials {
            user: user.to_owned(),
            password: password.to_owned(),
        };
        let authenticator = ScramAuthenticator {
            config: SASLConfig::builder()
                .with_registry(Registry::with_mechanisms(MECHANISMS))
                .with_callback(credentials)?,
            session: None,
            trust,
        };
        Ok((authenticator, watched))
    }

    /// One step. A session that has ended or failed is gone.
    fn step(&mut self, data: Option<&[u8]>) -> Option<(State, Vec<u8>)> {
        let mut session = self.session.take()?;
        let mut out = Vec::new();
        let state = session.step(data, &mut out).ok()?;
        if state == State::Running {
            self.session = Some(session);
        }
        Some((state, out))
    }
}

impl Authenticator for ScramAuthenticator {
    fn method(&self) -> &str {
        METHOD
    }

    fn begin(&mut self) -> Vec<u8> {
        let client = SASLClient::new(self.config.clone());
        self.session = client.start_suggested(&[SCRAM_SHA256.mechanism]).ok();
        // A server refuses an empty message.
        self.step(None).map(|(_, out)| out).unwrap_or_default()
    }

    fn answer(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let answer = self.step(Some(data)).map(|(_, out)| out);
        if answer.is_none() {
            self.trust.send_modify(|trust| trust.failures += 1);
        }
        answer
    }

    fn finish(&mut self, data: Option<&[u8]>) -> bool {
        let is_proven = data
            .and_then(|data| self.step(Some(data)))
            .is_some_and(|(state, _)| matches!(state, State::Finished(_)));
        self.trust.send_modify(|trust| match is_proven {
            true => trust.proofs += 1,
            false => trust.failures += 1,
        });
        is_proven
    }
}

/// What the client knows.
struct Credentials {
    user: String,
    password: String,
}

impl SessionCallback for Credentials {
    fn callback(
        &self,
        _: &SessionData,
        _: &Context,
        request: &mut Request,
    ) -> Result<(), SessionError> {
        request
            .satisfy::<AuthId>(&self.user)?
            .satisfy::<Password>(self.password.as_bytes())?;
        Ok(())
    }
}
