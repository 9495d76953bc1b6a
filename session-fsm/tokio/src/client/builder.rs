//! The options of a client.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mqtt5_session_fsm::codec::ProtocolVersion;
use mqtt5_session_fsm::reconnect::{ReconnectPolicy, ReconnectSettings};
use mqtt5_session_fsm::{
    Acknowledgement, Client as Machine, ClientConfig, Instant, Session, SessionConfig, TopicAliases,
};
use tokio::sync::{OnceCell, mpsc, watch};

use super::application::Application;
use super::connect::{Authenticator, Login, Will, seconds};
use super::driver::{Driver, Parts};
use super::failure::ConnectError;
use super::journal::{Journal, Store};
use super::message::Messages;
use super::requests::PendingRequests;
use super::{Client, ConnectionState, Responses, Shared, message};
use crate::clock::Clock;
use crate::transport::{Connector, Network};
use crate::{Address, Scheme};

/// How many calls of handles may wait for the task.
const COMMANDS: usize = 64;

/// The least Receive Maximum that a client announces by default.
const RECEIVE_MAXIMUM: u16 = 2_048;

/// The options of a [`Client`]. What is not set is as most programs want it.
#[must_use = "`connect` makes the client"]
pub struct ClientBuilder {
    servers: Vec<String>,
    login: Login,
    version: ProtocolVersion,
    config: ClientConfig,
    session: SessionConfig,
    reconnect: ReconnectSettings,
    connector: Option<Arc<dyn Connector>>,
    connect_timeout: Duration,
    messages: usize,
    resubscribes: bool,
    response_topic: Option<String>,
    requests: usize,
    journal: Option<Box<dyn Journal>>,
    authenticator: Option<Box<dyn Authenticator>>,
}

impl ClientBuilder {
    pub(super) fn new(server: String, client_identifier: String) -> Self {
        ClientBuilder {
            servers: server.split_whitespace().map(str::to_owned).collect(),
            login: Login {
                client_identifier,
                user_name: None,
                password: None,
                keep_alive: 60,
                clean_start: false,
                session_expiry: 3600,
                receive_maximum: None,
                maximum_packet_size: None,
                topic_alias_maximum: 0,
                request_response_information: false,
                user_properties: Vec::new(),
                will: None,
            },
            version: ProtocolVersion::V5_0,
            config: ClientConfig::default(),
            session: SessionConfig::default(),
            reconnect: ReconnectSettings {
                fall_back: true,
                ..ReconnectSettings::default()
            },
            connector: None,
            connect_timeout: Duration::from_secs(10),
            messages: 100,
            resubscribes: true,
            response_topic: None,
            requests: 1_000,
            journal: None,
            authenticator: None,
        }
    }

    /// Further servers, which are tried in order.
    pub fn servers<S: Into<String>>(mut self, servers: impl IntoIterator<Item = S>) -> Self {
        self.servers.extend(servers.into_iter().map(Into::into));
        self
    }

    /// The version of MQTT that a server is offered first. Default: 5. A server that refuses it because of the version is
    /// offered the other one, unless [`reconnection`](Self::reconnection) says otherwise.
    pub fn version(mut self, version: ProtocolVersion) -> Self {
        self.version = version;
        self
    }

    /// User Name and Password.
    pub fn login(mut self, user_name: impl Into<String>, password: impl Into<Vec<u8>>) -> Self {
        self.login.user_name = Some(user_name.into());
        self.login.password = Some(password.into());
        self
    }

    /// The User Name alone.
    pub fn user_name(mut self, user_name: impl Into<String>) -> Self {
        self.login.user_name = Some(user_name.into());
        self
    }

    /// The Will Message.
    pub fn will(mut self, will: Will) -> Self {
        self.login.will = Some(will);
        self
    }

    /// How long the connection may be silent, in whole seconds; zero turns it off. Default: one minute.
    pub fn keep_alive(mut self, keep_alive: Duration) -> Self {
        self.login.keep_alive = u16::try_from(keep_alive.as_secs()).unwrap_or(u16::MAX);
        self
    }

    /// How long the server keeps the Session when there is no connection, in whole seconds; from 2³² - 1 seconds on, for
    /// ever. Zero ends the Session with the connection. Default: one hour. In MQTT 3.1.1 the server keeps it for ever,
    /// unless this is zero.
    pub fn session_expiry(mut self, expiry: Duration) -> Self {
        self.login.session_expiry = seconds(expiry);
        self
    }

    /// Whether the first connection ends a Session that the server has from an earlier start. Default: no. Without a
    /// [`journal`](Self::journal) a client of MQTT 5 always does so: it cannot go on with a Session that it has lost.
    pub fn clean_start(mut self, clean_start: bool) -> Self {
        self.login.clean_start = clean_start;
        self
    }

    /// How many messages with QoS 1 and 2 the server may send before the application takes, or acknowledges, some. Default:
    /// 2,048, or as many as [`messages`](Self::messages) if that is more. A server of MQTT 3.1.1 has a limit of its own.
    ///
    /// A server that sends more is disconnected with 0x93. mosquitto 2.0 does so when many messages wait for a client with a
    /// small maximum; by default it keeps fewer than 2,048.
    pub fn receive_maximum(mut self, maximum: u16) -> Self {
        self.login.receive_maximum = Some(maximum);
        self
    }

    /// How large the packets of the server may be, in bytes. Default: as large as packets can be.
    pub fn maximum_packet_size(mut self, maximum: u32) -> Self {
        self.login.maximum_packet_size = Some(maximum);
        self
    }

    /// How many Topic Aliases the server may use. Default: none.
    pub fn topic_alias_maximum(mut self, maximum: u16) -> Self {
        self.login.topic_alias_maximum = maximum;
        self
    }

    /// Which Topic Aliases the client uses. Default: none.
    pub fn topic_aliases(mut self, aliases: TopicAliases) -> Self {
        self.config.topic_aliases = aliases;
        self
    }

    /// A User Property of the CONNECT. May be called again.
    pub fn user_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let pair = (name.into(), value.into());
        self.login.user_properties.push(pair);
        self
    }

    /// Whether the application acknowledges messages, by [`Message::acknowledge`](super::Message::acknowledge). Default:
    /// no. The client acknowledges a message when the application takes it from [`Messages`].
    pub fn manual_acknowledgement(mut self, is_manual: bool) -> Self {
        self.session.acknowledgement = match is_manual {
            true => Acknowledgement::Manual,
            false => Acknowledgement::Automatic,
        };
        self
    }

    /// How many messages with QoS 0 wait in [`Messages`], at least 1. Default: 100.
    pub fn messages(mut self, messages: usize) -> Self {
        self.messages = messages.max(1);
        self
    }

    /// Whether the client subscribes again when the server has lost the Session. Default: yes.
    pub fn resubscribes(mut self, resubscribes: bool) -> Self {
        self.resubscribes = resubscribes;
        self
    }

    /// When and where to connect again. Default: as [`ReconnectSettings::default`], with
    /// [`fall_back`](ReconnectSettings::fall_back).
    pub fn reconnection(mut self, settings: ReconnectSettings) -> Self {
        self.reconnect = settings;
        self
    }

    /// How long it may take to open a Network Connection, TLS and WebSocket included. Default: 10 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Opens Network Connections in another way. Default: [`Network`].
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Some(Arc::new(connector));
        self
    }

    /// Limits of the Session: how many messages wait, and are in flight. What has a method of its own here is set by that
    /// method, called later.
    pub fn session(mut self, session: SessionConfig) -> Self {
        self.session = session;
        self
    }

    /// Timeouts and limits of the connection. What has a method of its own here is set by that method, called later.
    pub fn config(mut self, config: ClientConfig) -> Self {
        self.config = config;
        self
    }

    /// Where responses to [`Client::request`] come to. Default: `responses/`, the ClientID and 16 random digits.
    pub fn response_topic(mut self, topic: impl Into<String>) -> Self {
        self.response_topic = Some(topic.into());
        self
    }

    /// How many requests may wait for their responses. Default: 1,000.
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// Stores the Session, so that it goes on after a crash or a restart, with the messages that were accepted. Give the
    /// Session a long [expiry](Self::session_expiry), and do not share the journal.
    pub fn journal(mut self, journal: impl Journal) -> Self {
        self.journal = Some(Box::new(journal));
        self
    }

    /// Enhanced authentication. Not in MQTT 3.1.1, where it is left out.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Some(Box::new(authenticator));
        self
    }

    /// Starts the client, and waits until a server has accepted it.
    ///
    /// # Errors
    ///
    /// As [`Client::connect`].
    pub async fn connect(self) -> Result<(Client, Messages), ConnectError> {
        let (client, messages) = self.start().await?;
        let mut state = client.state();
        let is_settled =
            |state: &ConnectionState| !matches!(state, ConnectionState::Connecting { .. });
        match state.wait_for(is_settled).await.as_deref() {
            Ok(ConnectionState::Ended { why }) => return Err(why.clone()),
            Ok(_) => {}
            Err(_) => return Err(ConnectError::Disconnected),
        }
        Ok((client, messages))
    }

    /// Starts the client, which connects in the background. Messages are accepted at once.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Options`], [`ConnectError::Journal`].
    pub async fn start(mut self) -> Result<(Client, Messages), ConnectError> {
        let options = |error: &dyn fmt::Display| ConnectError::Options(error.to_string());
        let servers = self
            .servers
            .iter()
            .map(|it| Address::parse(it, Scheme::Mqtt));
        let scheme = match servers.collect::<Result<Vec<_>, _>>() {
            Ok(addresses) => {
                if self.connector.is_none() {
                    let mut schemes = addresses.iter().map(Address::scheme);
                    let checked = schemes.try_for_each(Network::check);
                    checked.map_err(|it| options(&it))?;
                }
                addresses.first().map_or(Scheme::Mqtt, Address::scheme)
            }
            // Another connector may know what they mean.
            Err(error) if self.connector.is_none() => return Err(options(&error)),
            Err(_) => Scheme::Mqtt,
        };
        let settings = ReconnectSettings {
            // The policy offers 5 first.
            fall_back: self.reconnect.fall_back && self.version == ProtocolVersion::V5_0,
            ..self.reconnect
        };
        let policy = ReconnectPolicy::new(settings, &self.servers).map_err(|it| options(&it))?;
        let checked = self.login.with(self.version, true, None, |connect| {
            connect.for_version(self.version).map(|_| ())
        });
        checked.and_then(|it| it).map_err(|it| options(&it))?;

        let random = random();
        let response_topic = match self.response_topic {
            Some(topic) => topic,
            None => format!("responses/{}-{random:016x}", self.login.client_identifier),
        };
        let mut clock = Clock::new(Instant::ORIGIN);
        let is_manual = self.session.acknowledgement == Acknowledgement::Manual;
        // Otherwise the client acknowledges what the application takes.
        self.session.acknowledgement = Acknowledgement::Manual;
        let most = u16::try_from(self.messages).unwrap_or(u16::MAX);
        self.login
            .receive_maximum
            .get_or_insert(most.max(RECEIVE_MAXIMUM));
        self.session.persistent = self.journal.is_some();
        let (store, session) = match self.journal {
            Some(journal) => {
                let opened = Store::open(journal, clock.now(), self.session).await;
                let (store, session) =
                    opened.map_err(|error| ConnectError::Journal(error.to_string()))?;
                clock = Clock::new(clock.now());
                (Some(store), session)
            }
            None => (None, Session::of_client(self.session)),
        };
        let (work, asked) = mpsc::channel(COMMANDS);
        let (control, controlled) = mpsc::unbounded_channel();
        let (incoming, messages) = message::queue(self.messages, is_manual);
        let (state, watched) = watch::channel(ConnectionState::Connecting { why: String::new() });
        let network = || Arc::new(Network::new(scheme)) as Arc<dyn Connector>;
        let requests = PendingRequests::new(random, self.requests).map_err(|it| options(&it))?;
        let driver = Driver::new(Parts {
            clock,
            machine: Machine::new(self.config, session),
            store,
            login: self.login,
            version: self.version,
            connector: self.connector.unwrap_or_else(network),
            connect_timeout: self.connect_timeout,
            resubscribes: self.resubscribes,
            work: asked,
            control: controlled,
            application: Application {
                policy,
                messages: incoming,
                control: control.clone(),
                state,
                authenticator: self.authenticator,
                pending: HashMap::default(),
                requests,
                is_reported: false,
                gave_up: None,
                server: String::new(),
            },
        });
        tokio::spawn(driver.run());
        let shared = Arc::new(Shared {
            work,
            control,
            state: watched,
            responses: Responses {
                topic: response_topic,
                is_subscribed: OnceCell::new(),
            },
        });
        Ok((Client { shared }, messages))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientBuilder")
            .field("servers", &self.servers)
            .field("client_identifier", &self.login.client_identifier)
            .finish_non_exhaustive()
    }
}

/// A number that nobody can guess; the time, if the system has none.
pub(super) fn random() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        Err(_) => crate::clock::unix_time().as_millis(),
    }
}
