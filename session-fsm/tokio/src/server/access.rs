//! Access control: logins, and permissions to publish and subscribe.

use std::net::SocketAddr;

use mqtt5_session_fsm::broker::{Grant, Permission};
use mqtt5_session_fsm::codec::{Connect, Publish, Qos, ReasonCode, Subscription};

use crate::transport::BoxedFuture;

/// The other end of a Network Connection, as far as the network tells.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Peer {
    /// Its address; `None` if the stream has none.
    pub address: Option<SocketAddr>,
    /// Its name by a means below MQTT, such as the name in a client certificate.
    pub name: Option<String>,
}

impl Peer {
    /// A peer with an address.
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        Peer {
            address: Some(address),
            name: None,
        }
    }

    /// A peer that is known by name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// A client that wants to connect.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Login<'a> {
    /// Where it comes from.
    pub peer: &'a Peer,
    /// What it says.
    pub connect: &'a Connect<'a>,
}

/// The identity of a client that was admitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Identity {
    /// Its ClientID.
    pub client_identifier: String,
    /// Its name.
    pub principal: String,
}

impl Identity {
    /// A client, as a test of an [`Access`] makes one.
    pub fn new(client_identifier: impl Into<String>, principal: impl Into<String>) -> Self {
        Identity {
            client_identifier: client_identifier.into(),
            principal: principal.into(),
        }
    }
}

/// How a client is admitted.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Admitted {
    /// The principal. A Session is resumed only for the principal that created it.
    pub principal: String,
    /// The last Authentication Data (section 4.12).
    pub authentication_data: Option<Vec<u8>>,
}

impl Admitted {
    /// Admits a client with this name.
    pub fn as_principal(principal: impl Into<String>) -> Self {
        Admitted {
            principal: principal.into(),
            authentication_data: None,
        }
    }

    /// Adds the last Authentication Data.
    #[must_use]
    pub fn with_authentication_data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.authentication_data = Some(data.into());
        self
    }
}

/// The answer to a client that wants to connect, or authenticates.
pub enum LoginAnswer {
    /// It may.
    Accept(Admitted),
    /// It may not, for this reason.
    Refuse(ReasonCode),
    /// Another step of enhanced authentication: this Authentication Data, and what answers the next AUTH.
    Continue(Vec<u8>, Box<dyn Exchange>),
}

/// The server's part of an enhanced authentication that is under way (section 4.12).
pub trait Exchange: Send + 'static {
    /// Answers the client's Authentication Data. [`LoginAnswer::Continue`] takes the place of this value.
    fn answer(self: Box<Self>, data: &[u8]) -> BoxedFuture<'static, LoginAnswer>;
}

/// Access control. The methods with a default implementation permit everything.
pub trait Access: Send + Sync + 'static {
    /// A client wants to connect. It is asked once for a connection, and nothing more is read from that connection until it
    /// has answered, so it may take its time, within the server's limits for the CONNECT.
    fn login<'a>(&'a self, login: Login<'a>) -> BoxedFuture<'a, LoginAnswer>;

    /// A client wants to authenticate again (section 4.12.1), with the Authentication Method of its CONNECT.
    fn re_authenticate<'a>(
        &'a self,
        identity: &'a Identity,
        data: &'a [u8],
    ) -> BoxedFuture<'a, LoginAnswer> {
        let _ = (identity, data);
        Box::pin(async { LoginAnswer::Refuse(ReasonCode::BadAuthenticationMethod) })
    }

    /// Whether a client may publish this message. A client of MQTT 3.1.1 is not told that it may not, unless
    /// [`BrokerConfig::refusal`](crate::BrokerConfig::refusal) closes its connection. The same is asked about its Will when the client connects: if it may not,
    /// it is refused. Called while the broker serves nobody else, so it should not take long.
    fn may_publish(&self, identity: &Identity, publish: &Publish<'_>) -> Permission {
        let _ = (identity, publish);
        Permission::Publish
    }

    /// Whether a client may have this subscription, and with which QoS at most.
    fn may_subscribe(&self, identity: &Identity, subscription: &Subscription<'_>) -> Grant {
        let _ = (identity, subscription);
        Grant::UpTo(Qos::ExactlyOnce)
    }
}

/// An [`Access`] that permits everything to all clients. It refuses enhanced authentication.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowAll;

impl Access for AllowAll {
    fn login<'a>(&'a self, login: Login<'a>) -> BoxedFuture<'a, LoginAnswer> {
        let method = login.connect.properties.authentication_method();
        let answer = match method {
            Some(_) => LoginAnswer::Refuse(ReasonCode::BadAuthenticationMethod),
            None => LoginAnswer::Accept(Admitted::as_principal("anybody")),
        };
        Box::pin(async { answer })
    }
}
