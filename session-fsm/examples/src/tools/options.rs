//! The options of the connection, which all programs have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use mqtt5_tokio::codec::TopicName;
use mqtt5_tokio::fsm::reconnect::ReconnectSettings;
use mqtt5_tokio::fsm::{ClientConfig, SessionConfig, StoredLimits, WaitingLimits, WhenFull};
use mqtt5_tokio::{
    Address, Client, ClientBuilder, Network, ProtocolVersion, Qos, RedbJournal, Scheme, Will,
};

use super::Failure;
use super::connection::Named;
use super::tls;
use super::values::{Pair, pair, qos, seconds, version};

/// How many bytes of messages may be on their way at once: more than the largest message has.
const ROOM: usize = 1 << 29;
/// How many messages may be on their way at once.
const MESSAGES: u32 = 1_000;

/// The server, the CONNECT, and how long to try.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionOptions {
    /// The server: mqtt://, mqtts://, ws:// or wss:// with HOST, perhaps :PORT, and perhaps a path for a WebSocket; or
    /// HOST[:PORT]. Several are tried in order.
    #[arg(
        short,
        long = "server",
        value_name = "URL",
        default_value = "mqtt://localhost"
    )]
    pub servers: Vec<Address>,
    /// The ClientID. Default: the name of the program and random digits.
    #[arg(short, long, value_name = "CLIENTID")]
    pub id: Option<String>,
    /// The User Name.
    #[arg(short, long, value_name = "NAME")]
    pub user: Option<String>,
    /// The Password. Other users of this computer may see it; see --password-file.
    #[arg(long, requires = "user", conflicts_with = "password_file")]
    pub password: Option<String>,
    /// A file with the Password. A line break at its end does not count.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// The version of MQTT: 5 or 3.1.1. Default: 5, and 3.1.1 with a server that speaks only that.
    #[arg(long, value_parser = version)]
    pub version: Option<ProtocolVersion>,
    /// How long the connection may be silent; 0 turns it off.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub keep_alive: u16,
    /// How long the server keeps the Session without a connection. With 0, the Session ends with the connection. In MQTT
    /// 3.1.1 any other number means for ever.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pub session_expiry: u32,
    /// End a Session that the server has from an earlier run (Clean Start).
    #[arg(long)]
    pub clean: bool,
    /// Keep the Session in this file, so that the next run with it goes on where this one stops. Needs --id, and an
    /// expiry other than 0.
    #[arg(
        long,
        value_name = "FILE",
        requires = "id",
        requires = "session_expiry"
    )]
    pub journal: Option<PathBuf>,
    /// A file with the authorities (PEM) that are trusted for TLS. Default: those that browsers trust.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A file with the client certificate (PEM) for TLS.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// A file with the key (PEM) of the client certificate.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// A User Property of the CONNECT. May be repeated.
    #[arg(long = "user-property", value_name = "NAME=VALUE", value_parser = pair)]
    pub user_properties: Vec<Pair>,
    /// How long to try until the first connection; 0 means for ever.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub timeout: Duration,
    /// How long to try to connect again after a connection was lost; 0 means for ever. Default: as --timeout.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub reconnect_timeout: Option<Duration>,
    /// Say on standard error what happens.
    #[arg(short, long)]
    pub verbose: bool,
    #[command(flatten)]
    will: WillOptions,
}

/// The Will Message.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Will Message, which the server publishes if the connection is lost")]
struct WillOptions {
    /// Its Topic Name.
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,
    /// Its payload.
    #[arg(long, value_name = "TEXT", requires = "will_topic", default_value = "")]
    will_payload: String,
    /// Its QoS.
    #[arg(long, value_name = "QOS", requires = "will_topic", default_value = "0", value_parser = qos)]
    will_qos: Qos,
    /// The server retains it.
    #[arg(long, requires = "will_topic")]
    will_retain: bool,
    /// How long the server waits before it publishes the Will Message.
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "will_topic",
        default_value_t = 0
    )]
    will_delay: u32,
}

impl ConnectionOptions {
    /// The options of the client. `program` is a part of the ClientID if none is given.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or the Will Message breaks a rule.
    pub fn builder(&self, program: &str) -> Result<ClientBuilder, Failure> {
        self.check_version()?;
        let id = match &self.id {
            Some(id) => id.clone(),
            None => random_id(program)?,
        };
        let builder = Client::builder("", id)
            .servers(self.servers.iter().map(Address::to_string))
            .connector(Named(self.network()?))
            .version(self.version.unwrap_or(ProtocolVersion::V5_0))
            .config(ClientConfig::default())
            .session(session(self.version))
            .reconnection(self.reconnection())
            .keep_alive(Duration::from_secs(self.keep_alive.into()))
            .session_expiry(Duration::from_secs(self.session_expiry.into()))
            .clean_start(self.clean);
        let builder = self.with_will(self.with_login(builder)?)?;
        let add = |builder: ClientBuilder, pair: &Pair| {
            builder.user_property(pair.name.as_str(), pair.value.as_str())
        };
        let builder = self.user_properties.iter().fold(builder, add);
        match &self.journal {
            Some(file) => Ok(builder.journal(journal(file)?)),
            None => Ok(builder),
        }
    }

    /// Refuses what MQTT 3.1.1 would leave out without a word.
    fn check_version(&self) -> Result<(), Failure> {
        let has_more = !self.user_properties.is_empty() || self.will.will_delay > 0;
        match self.version == Some(ProtocolVersion::V3_1_1) && has_more {
            true => Err(Failure::Local(
                "MQTT 3.1.1 has no User Properties and no Will Delay.".to_owned(),
            )),
            false => Ok(()),
        }
    }

    /// Refuses MQTT 3.1.1, because the program or an option needs MQTT 5.
    ///
    /// # Errors
    ///
    /// MQTT 3.1.1 is asked for.
    pub fn needs_version_5(&mut self, what: &str) -> Result<(), Failure> {
        if self.version == Some(ProtocolVersion::V3_1_1) {
            return Err(Failure::Local(format!("MQTT 3.1.1 has no {what}.")));
        }
        self.version = Some(ProtocolVersion::V5_0);
        Ok(())
    }

    /// How long to try until the first connection; `None` is for ever.
    pub(super) fn first_limit(&self) -> Option<Duration> {
        Some(self.timeout).filter(|limit| !limit.is_zero())
    }

    /// How long to try after the loss of a connection; `None` is for ever.
    pub(super) fn later_limit(&self) -> Option<Duration> {
        let limit = self.reconnect_timeout.unwrap_or(self.timeout);
        Some(limit).filter(|limit| !limit.is_zero())
    }

    /// The servers as a text.
    pub(super) fn named_servers(&self) -> String {
        let names: Vec<String> = self.servers.iter().map(Address::to_string).collect();
        names.join(", ")
    }

    fn network(&self) -> Result<Network, Failure> {
        let scheme = self.servers.first().map_or(Scheme::Mqtt, Address::scheme);
        let network = Network::new(scheme);
        let identity = self.certificate.as_ref().zip(self.key.as_ref());
        if self.ca.is_none() && identity.is_none() {
            return Ok(network);
        }
        let configuration = tls::configuration(self.ca.as_deref(), identity)?;
        Ok(network.tls(configuration))
    }

    fn reconnection(&self) -> ReconnectSettings {
        ReconnectSettings {
            // A person waits.
            maximum_delay: Duration::from_secs(5),
            fall_back: self.version.is_none(),
            ..ReconnectSettings::default()
        }
    }

    fn with_login(&self, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        let Some(user) = self.user.as_deref() else {
            return Ok(builder);
        };
        let password = match (&self.password, &self.password_file) {
            (Some(password), _) => Some(password.clone().into_bytes()),
            (None, Some(file)) => Some(password(file)?),
            (None, None) => None,
        };
        Ok(match password {
            Some(password) => builder.login(user, password),
            None => builder.user_name(user),
        })
    }

    fn with_will(&self, builder: ClientBuilder) -> Result<ClientBuilder, Failure> {
        let options = &self.will;
        let Some(topic) = options.will_topic.as_deref() else {
            return Ok(builder);
        };
        TopicName::new(topic).map_err(Failure::local)?;
        let will = Will {
            retain: options.will_retain,
            delay: Duration::from_secs(options.will_delay.into()),
            ..Will::new(topic, options.will_payload.as_bytes(), options.will_qos)
        };
        Ok(builder.will(will))
    }
}

/// Many messages may be on their way, and large ones.
fn session(version: Option<ProtocolVersion>) -> SessionConfig {
    SessionConfig {
        in_flight: match version {
            // A server cannot say how many it takes, and mosquitto closes the connection above 20.
            Some(ProtocolVersion::V3_1_1) => 20,
            _ => u16::MAX,
        },
        stored: StoredLimits {
            messages: 2 * MESSAGES,
            bytes: ROOM,
        },
        waiting: WaitingLimits {
            messages: MESSAGES,
            bytes: ROOM,
            when_full: WhenFull::Refuse,
        },
        ..SessionConfig::default()
    }
}

/// At most 23 characters, which every server of MQTT 3.1.1 takes.
fn random_id(program: &str) -> Result<String, Failure> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).map_err(Failure::local)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{program}-{digits}"))
}

fn password(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut password = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    if password.last() == Some(&b'\n') {
        password.pop();
        if password.last() == Some(&b'\r') {
            password.pop();
        }
    }
    Ok(password)
}

fn journal(file: &Path) -> Result<RedbJournal, Failure> {
    RedbJournal::open(file).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Local(format!(
        "The file {} cannot be read: {error}.",
        file.display()
    ))
}
