//! The server's part.

use std::sync::Arc;

use mqtt5_tokio::{
    Access, Admitted, AllowAll, BoxedFuture, Exchange, Identity, Login, LoginAnswer, ReasonCode,
};
use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::mechanisms::scram::{SCRAM_SHA256, tools};
use rsasl::prelude::{Registry, SASLConfig, SASLServer, Session, SessionError, State, Validation};
use rsasl::property::{AuthId, AuthzId};
use rsasl::validate::{Validate, ValidationError};
use sha2::{Digest, Sha256};

use super::{MECHANISMS, METHOD, PASSWORD, USER};
use crate::lab::Result;

/// As many as RFC 7677 asks for at least.
const ITERATIONS: u32 = 4096;
/// What an authentication that cannot go on ends with.
const REFUSED: LoginAnswer = LoginAnswer::Refuse(ReasonCode::NotAuthorized);

/// Logins at the broker of the lab: SCRAM-SHA-256 for clients with this Authentication Method, and everybody without one.
#[derive(Debug)]
pub struct ScramAccess {
    config: Arc<SASLConfig>,
}

impl ScramAccess {
    /// Knows one user.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    pub fn new() -> Result<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| format!("No random numbers: {error}."))?;
        let mut salted = Default::default();
        tools::hash_password::<Sha256>(PASSWORD.as_bytes(), ITERATIONS, &salt, &mut salted);
        let (client_key, server_key) = tools::derive_keys::<Sha256>(&salted);
        let config = SASLConfig::builder()
            .with_registry(Registry::with_mechanisms(MECHANISMS))
            .with_callback(Stored {
                salt,
                stored_key: Sha256::digest(client_key).to_vec(),
                server_key: server_key.to_vec(),
            })?;
        Ok(ScramAccess { config })
    }

    /// Answers the first message of a client. `user` is who it has to be, if it is somebody already.
    fn begin(&self, data: &[u8], user: Option<&str>) -> LoginAnswer {
        let server = SASLServer::<Proven>::new(self.config.clone());
        let Ok(session) = server.start_suggested(SCRAM_SHA256.mechanism) else {
            return REFUSED;
        };
        let user = user.map(str::to_owned);
        ScramExchange { session, user }.step(data)
    }
}

impl Access for ScramAccess {
    fn login<'a>(&'a self, login: Login<'a>) -> BoxedFuture<'a, LoginAnswer> {
        let properties = &login.connect.properties;
        let method = properties.authentication_method();
        if method.is_none_or(|it| it.as_str() != METHOD) {
            // It refuses every other method.
            return AllowAll.login(login);
        }
        let data = properties.authentication_data();
        let data = data.as_ref().map(|it| it.as_bytes()).unwrap_or_default();
        let answer = self.begin(data, None);
        Box::pin(async { answer })
    }

    fn re_authenticate<'a>(
        &'a self,
        identity: &'a Identity,
        data: &'a [u8],
    ) -> BoxedFuture<'a, LoginAnswer> {
        let answer = self.begin(data, Some(&identity.principal));
        Box::pin(async { answer })
    }
}

/// What the broker keeps of a password.
struct Stored {
    salt: [u8; 16],
    stored_key: Vec<u8>,
    server_key: Vec<u8>,
}

/// The user whose proof was right.
struct Proven;

impl Validation for Proven {
    type Value = String;
}

impl SessionCallback for Stored {
    fn callback(
        &self,
        _: &SessionData,
        context: &Context,
        request: &mut Request,
    ) -> Result<(), SessionError> {
        // rsasl goes on with an unknown user, so that it is refused only at the end.
        if context.get_ref::<AuthId>() == Some(USER) {
            request.satisfy::<ScramStoredPassword>(&ScramStoredPassword::new(
                ITERATIONS,
                &self.salt,
                &self.stored_key,
                &self.server_key,
            ))?;
        }
        Ok(())
    }

    fn validate(
        &self,
        _: &SessionData,
        context: &Context,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        let user = context.get_ref::<AuthId>();
        let user = user.ok_or(ValidationError::MissingRequiredProperty)?;
        // Nobody acts for somebody else.
        if context.get_ref::<AuthzId>().is_none_or(|it| it == user) {
            validate.with::<Proven, _>(|| Ok(user.to_owned()))?;
        }
        Ok(())
    }
}

/// The server's part in an authentication that is under way.
struct ScramExchange {
    session: Session<Proven>,
    /// The user of the connection, if this is a re-authentication. It must not change.
    user: Option<String>,
}

impl ScramExchange {
    fn step(mut self, data: &[u8]) -> LoginAnswer {
        let mut out = Vec::new();
        match self.session.step(Some(data), &mut out) {
            Ok(State::Running) => LoginAnswer::Continue(out, Box::new(self)),
            // Also when the proof is wrong: then nobody is proven.
            Ok(State::Finished(_)) => match self.session.validation() {
                Some(user) if self.user.as_ref().is_none_or(|it| *it == user) => {
                    LoginAnswer::Accept(Admitted::as_principal(user).with_authentication_data(out))
                }
                _ => REFUSED,
            },
            Err(_) => REFUSED,
        }
    }
}

impl Exchange for ScramExchange {
    fn answer(self: Box<Self>, data: &[u8]) -> BoxedFuture<'static, LoginAnswer> {
        let answer = self.step(data);
        Box::pin(async { answer })
    }
}
