//! What the broker is told: a file in TOML, and arguments, which count more.

use std::fs;
use std::path::{Path, PathBuf};

use mqtt5_tokio::ServerBuilder;
use mqtt5_tokio::fsm::broker::BrokerConfig;
use serde::Deserialize;

use crate::broker::run::Failure;

/// The configuration, in all its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// Where clients connect: `mqtt://`, `mqtts://`, `ws://` or `wss://`, an IP address or a name, and a port.
    pub listen: Vec<String>,
    /// The database of Sessions and messages. Without it, they are in memory.
    pub store: Option<PathBuf>,
    /// The names of users, and hashes of their passwords. Without it, nobody has to log in.
    pub passwords: Option<PathBuf>,
    /// Whether a client without a User Name may connect, where there are passwords.
    pub anonymous: bool,
    /// Who may publish and subscribe to what. Without it, everybody may everything.
    pub access: Option<PathBuf>,
    /// For `mqtts://` and `wss://`.
    pub tls: Option<Tls>,
    /// What clients may use.
    pub limits: Limits,
    /// How often `$SYS` is published, in seconds; 0 is never.
    pub statistics: Option<u32>,
}

/// The keys of the broker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate, and those above it, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
    /// Clients must have a certificate of these authorities, in PEM.
    pub client_authority: Option<PathBuf>,
}

/// What clients may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Network Connections at once.
    pub connections: Option<u32>,
    /// Sessions at once, with and without a connection.
    pub sessions: Option<u32>,
    /// The largest packet, in bytes.
    pub packet_size: Option<u32>,
    /// Messages with QoS 1 and 2 that a client may send before they are acknowledged.
    pub receive_maximum: Option<u16>,
    /// Messages that wait for a client that is away or slow.
    pub waiting_messages: Option<u32>,
    /// And their bytes.
    pub waiting_bytes: Option<usize>,
    /// The bytes of all messages that are on their way.
    pub message_bytes: Option<u64>,
    /// Retained messages.
    pub retained_messages: Option<usize>,
}

/// The address of a broker that nobody has configured: this machine alone.
pub const DEFAULT_ADDRESS: &str = "mqtt://127.0.0.1:1883";

/// A configuration in which everything is said, and explained.
pub const EXAMPLE: &str = include_str!("example.toml");

impl Configuration {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or says what the broker does not know.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure(format!(
                "The configuration {} cannot be read: {error}.",
                path.display()
            ))
        })?;
        toml::from_str(&text).map_err(|error| {
            Failure(format!(
                "The configuration {} is wrong.\n{error}",
                path.display()
            ))
        })
    }

    /// What the broker core is told.
    #[must_use]
    pub fn broker(&self) -> BrokerConfig {
        let mut config = ServerBuilder::default_config();
        let limits = &self.limits;
        fn set<T: Copy>(place: &mut T, value: Option<T>) {
            *place = value.unwrap_or(*place);
        }
        set(&mut config.limits.connections, limits.connections);
        set(&mut config.limits.sessions, limits.sessions);
        set(&mut config.limits.message_bytes, limits.message_bytes);
        set(
            &mut config.server.limits.maximum_packet_size,
            limits.packet_size,
        );
        set(
            &mut config.server.limits.receive_maximum,
            limits.receive_maximum,
        );
        let session = &mut config.server.session;
        set(&mut session.waiting.messages, limits.waiting_messages);
        set(&mut session.waiting.bytes, limits.waiting_bytes);
        let messages = session.waiting.messages.saturating_mul(2);
        session.stored.messages = session.stored.messages.max(messages);
        let bytes = session.waiting.bytes.saturating_mul(2);
        session.stored.bytes = session.stored.bytes.max(bytes);
        set(&mut config.retained.messages, limits.retained_messages);
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever removes the `#` before a line gets what the line says, and that is what holds without it.
    #[test]
    fn the_example_says_what_holds_anyway() {
        let plain: Configuration = toml::from_str(EXAMPLE).unwrap();
        assert_eq!(plain, Configuration::default());
        let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("#") {
            Some(rest) if rest.starts_with(|it: char| it.is_ascii_lowercase() || it == '[') => rest,
            _ => line,
        });
        let all: Configuration = toml::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
        assert_eq!(all.listen, [DEFAULT_ADDRESS]);
        assert!(
            all.store.is_some()
                && all.passwords.is_some()
                && all.access.is_some()
                && all.tls.is_some()
        );
        assert_eq!(all.broker(), Configuration::default().broker());
    }

    #[test]
    fn a_word_that_is_not_known_is_an_error() {
        assert!(toml::from_str::<Configuration>("lisen = []").is_err());
        assert!(toml::from_str::<Configuration>("[limits]\nconections = 1").is_err());
    }
}
