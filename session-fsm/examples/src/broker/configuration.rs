//! The configuration of the broker: a TOML file, which command-line arguments override.

use std::fs;
use std::path::{Path, PathBuf};

use mqtt5_tokio::ServerBuilder;
use mqtt5_tokio::fsm::broker::BrokerConfig;
use serde::Deserialize;

use crate::broker::run::Failure;

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// The addresses to listen at: `mqtt://`, `mqtts://`, `ws://` or `wss://`, a host and a port.
    pub listen: Vec<String>,
    /// The database of Sessions and messages. Without it, they are in memory.
    pub store: Option<PathBuf>,
    /// The password file: names and hashes of passwords. Without it, clients need not log in.
    pub passwords: Option<PathBuf>,
    /// Whether a client without a User Name may connect although there is a password file.
    pub anonymous: bool,
    /// The access file: the topics that each user may publish and subscribe to. Without it, all topics are allowed, except
    /// that no client may publish to those that begin with `$`.
    pub access: Option<PathBuf>,
    /// For `mqtts://` and `wss://`.
    pub tls: Option<Tls>,
    /// The limits of clients.
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

/// The limits of clients. What is absent has the default of [`ServerBuilder::default_config`].
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
    /// The bytes of the messages that wait for a client.
    pub waiting_bytes: Option<usize>,
    /// The bytes of all messages that are on their way.
    pub message_bytes: Option<u64>,
    /// Retained messages.
    pub retained_messages: Option<usize>,
}

/// The default address: only clients on this machine can connect.
pub const DEFAULT_ADDRESS: &str = "mqtt://127.0.0.1:1883";

/// A commented configuration file with every key.
pub const EXAMPLE: &str = include_str!("example.toml");

impl Configuration {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or contains an unknown key or a value of the wrong type.
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

    /// Returns the configuration of the broker core.
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

    /// With all comment signs removed, the example parses, and its limits are the defaults.
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
