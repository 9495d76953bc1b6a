//! The client rumqttc, told what to do by peers.py: commands on standard input, events on standard output, fields between
//! tabs. `../protocol.md` has both.

mod five;
mod four;

use std::collections::HashMap;

use rumqttc::{TlsConfiguration, Transport};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinHandle;

/// The fields of a command, in order; some may be repeated.
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(line: &str) -> (String, String, Fields) {
        let mut parts = line.split('\t').map(str::to_owned);
        let (command, name) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default(),
        );
        let pairs = parts.filter_map(|part| {
            part.split_once('=')
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        });
        (command, name, Fields(pairs.collect()))
    }

    fn get(&self, key: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(name, _)| name == key);
        pair.map(|(_, value)| value.as_str())
    }

    fn text(&self, key: &str) -> String {
        self.get(key).unwrap_or_default().to_owned()
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.get(key).and_then(|value| value.parse().ok())
    }

    fn is(&self, key: &str) -> bool {
        self.get(key) == Some("1")
    }

    fn user_properties(&self) -> Vec<(String, String)> {
        let pairs = self.0.iter().filter(|(key, _)| key == "user_property");
        pairs
            .filter_map(|(_, pair)| pair.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The payloads of a PUBLISH that is repeated.
    fn payloads(&self) -> Vec<String> {
        let payload = self.text("payload");
        match self.number::<u32>("count") {
            Some(count) => (0..count)
                .map(|number| format!("{payload}{number}"))
                .collect(),
            None => vec![payload],
        }
    }

    /// Host, port and transport. A WebSocket wants the whole URL as its host.
    fn server(&self) -> (String, u16, Transport) {
        let url = self.text("url");
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (host, port) = rest.rsplit_once(':').expect("a port");
        let port = port.trim_end_matches('/').parse().expect("a port");
        let tls = || TlsConfiguration::Simple {
            ca: std::fs::read(std::env::var("PEERS_CA").expect("PEERS_CA")).expect("the authority"),
            alpn: None,
            client_auth: None,
        };
        match scheme {
            "mqtts" => (host.to_owned(), port, Transport::tls_with_config(tls())),
            "ws" => (url, port, Transport::Ws),
            "wss" => (url, port, Transport::wss_with_config(tls())),
            _ => (host.to_owned(), port, Transport::tcp()),
        }
    }
}

/// A client of either version.
enum Client {
    Four(rumqttc::AsyncClient),
    Five(rumqttc::v5::AsyncClient),
}

fn event(name: &str, what: &str, fields: &str) {
    println!("{what}\t{name}\t{fields}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("the first one");
    let mut clients: HashMap<String, (Client, JoinHandle<()>)> = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let (command, name, fields) = Fields::of(&line);
        if command == "connect" {
            let client = match fields.get("version") {
                Some("311") => four::connect(&name, &fields),
                _ => five::connect(&name, &fields),
            };
            if let Some((_, old)) = clients.insert(name, client) {
                old.abort();
            }
            continue;
        }
        if command == "drop" {
            // Without a DISCONNECT: the socket is closed with the event loop.
            if let Some((_, task)) = clients.remove(&name) {
                task.abort();
            }
            continue;
        }
        match clients.get(&name) {
            Some((Client::Four(client), _)) => four::command(client, &command, &fields).await,
            Some((Client::Five(client), _)) => five::command(client, &command, &fields).await,
            None => event(&name, "error", "what=no such client"),
        }
    }
}
